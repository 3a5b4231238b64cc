//! Answers that wait until the channel has taken the message, or has refused it for good (`api.wait = "sent"`).
//!
//! A broker's message is done when it is durable, and its answer does not wait. With texts in memory only nothing is durable but the
//! broker's own copy: there it waits too, so that the broker keeps the message until it is sent.
//!
//! Called by [`super::Gateway::handle`] after the request was accepted: whatever happens here, the message stays accepted, and
//! a caller that does not wait for its answer takes nothing with it. It must never wait longer than the limit, nor after the
//! dispatcher has ended, and never call accepted what is lost with this process.

use std::time::Duration;

use domain::command::{Command, Entrance};
use domain::message::{MessageId, MessageState};
use domain::outcome::{Outcome, Reply, ReplyData};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::Inner;
use crate::event::MessageEvent;

/// How often the store is asked besides: what happened before the listening began was told to nobody, and is committed
/// within a second.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long a broker's message waits at most: RabbitMQ takes a message from who has it for 30 minutes.
const LONGEST_AT_A_BROKER: Duration = Duration::from_secs(25 * 60);

/// A listener that hears everything from before the message was accepted.
pub(super) struct Watch {
    events: broadcast::Receiver<MessageEvent>,
    limit: Duration,
}

/// Where a message stands, and why.
struct Standing {
    state: MessageState,
    reason: Option<String>,
}

impl Inner {
    /// Begins to listen, if the answer to this command is to wait. To be called before the message is accepted.
    pub(super) fn watch(&self, command: &Command, entrance: Entrance) -> Option<Watch> {
        let limit = match entrance {
            Entrance::Rest | Entrance::Simple => self.settings.wait?,
            Entrance::Broker if self.store.keeps_texts_in_memory() => LONGEST_AT_A_BROKER,
            Entrance::Broker | Entrance::Admin | Entrance::Cli => return None,
        };
        let is_sent = matches!(command, Command::CreateOtp(_) | Command::SendCode { .. } | Command::Send(_));
        is_sent.then(|| Watch { events: self.events.subscribe(), limit })
    }

    /// Waits for what becomes of an accepted message and writes it into the reply.
    pub(super) async fn follow(&self, watch: Watch, mut reply: Reply) -> Reply {
        let (id, state) = match &mut reply.data {
            ReplyData::Otp { message: Some((id, state)), .. } => (*id, state),
            ReplyData::Message { message_id, state, .. } => (*message_id, state),
            _ => return reply,
        };
        let mut standing = self.end_of(id, *state, watch).await;
        self.admit_loss(id, &mut standing).await;
        *state = standing.state;
        if let Some((outcome, error)) = refusal(&standing) {
            (reply.outcome, reply.error) = (outcome, Some(error));
        }
        reply
    }

    async fn end_of(&self, id: MessageId, state: MessageState, mut watch: Watch) -> Standing {
        let until = Instant::now() + watch.limit;
        let mut next_look = Instant::now() + LOOK_EVERY;
        let mut standing = Standing { state, reason: None };
        if state.is_done() {
            self.look(id, &mut standing).await;
        }
        while !standing.state.is_done() {
            // Cancel-safe: a receiver, timers and the end of the dispatcher lose nothing when their wait is dropped.
            let heard = tokio::select! {
                biased;
                () = sleep_until(until) => break,
                () = sleep_until(next_look) => Err(RecvError::Lagged(0)),
                heard = watch.events.recv() => heard,
                // Last, because what came down during the drain was told before the dispatcher ended.
                () = self.dispatcher.ended() => break,
            };
            match heard {
                Ok(event) if event.id == id => standing = Standing { state: event.state, reason: event.reason },
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => {
                    self.look(id, &mut standing).await;
                    next_look = Instant::now() + LOOK_EVERY;
                }
                Err(RecvError::Closed) => break,
            }
        }
        standing
    }

    /// What still waits when the dispatcher has ended, with its text in memory only, will never be sent: so the next start
    /// records it, and so its caller is told now.
    async fn admit_loss(&self, id: MessageId, standing: &mut Standing) {
        let may_be_lost = standing.state == MessageState::Queued && self.dispatcher.has_ended();
        if !may_be_lost || !self.store.is_lost_at_the_end(id) {
            return;
        }
        // On air when the drain was over: nobody can know, and nobody was told.
        self.look(id, standing).await;
        if standing.state == MessageState::Queued {
            let reason = "the gateway is stopping, and its text was in memory only".to_owned();
            *standing = Standing { state: MessageState::Failed, reason: Some(reason) };
        }
    }

    /// Asks the store.
    async fn look(&self, id: MessageId, standing: &mut Standing) {
        match self.store.find_message(id).await {
            Ok(Some(record)) => *standing = Standing { state: record.state, reason: record.reason },
            Ok(None) => {}
            Err(error) => warn!(message.id = %id, error = %error, "a message that is waited for cannot be read"),
        }
    }
}

/// What a message that will not be sent is to the caller who waited. Where nobody can know, it may have been sent.
fn refusal(standing: &Standing) -> Option<(Outcome, String)> {
    let or = |words: &str| standing.reason.clone().unwrap_or_else(|| words.to_owned());
    match standing.state {
        MessageState::Queued
        | MessageState::Sending
        | MessageState::Sent
        | MessageState::Delivered
        | MessageState::Undelivered
        | MessageState::Unknown => None,
        MessageState::Failed => Some((Outcome::NotSent, or("it could not be sent"))),
        MessageState::Expired => Some((Outcome::NotSent, or("its deadline passed before it could be sent"))),
        MessageState::Cancelled => Some((Outcome::NotSent, or("it was cancelled before it was sent"))),
        MessageState::Blocked => Some((Outcome::Blocked, "the receiver is blocked".to_owned())),
    }
}
