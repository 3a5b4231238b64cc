//! What follows an attempt: settled, again, elsewhere, given up or unknown; and coming down at the end.
//!
//! The second half of the dispatcher's one task. It must never send again what may be on air unless the policy says so.

use std::sync::Arc;
use std::time::Duration;

use domain::message::{MessageId, MessageState};
use domain::otp::{AttemptId, TicketKey};
use domain::retry::FailureClass;
use futures_util::StreamExt;
use getrandom::SysRng;
use rand_core::UnwrapErr;
use store::{Change, UnknownPolicy};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::plan::NOWHERE;
use super::queue::Entry;
use super::retry::{self, Next};
use super::worker::{Dispatcher, Done};
use crate::channel::Outcome;
use crate::event::MessageEvent;

/// How long a message rests when the store could not make its attempt durable.
const REST_WHEN_STORE_FAILED: Duration = Duration::from_secs(1);

/// How long a message rests before it is sent again although it may have arrived.
const REST_BEFORE_RESEND: Duration = Duration::from_secs(5);

/// With `unknown_policy = "resend"`: a message of so many attempts is not sent again when the outcome is in doubt once more.
const MOST_ATTEMPTS_IN_DOUBT: u32 = 3;

/// The modem of an attempt: what it was called when the attempt began, and where it is in the plan by now.
struct Sender {
    name: Arc<str>,
    place: usize,
}

impl Dispatcher {
    pub(super) async fn settle(&mut self, done: Done) {
        let Done { mut entry, channel: name, excluded, outcome, .. } = done;
        let place = self.plan.place_of(&name);
        let channel = Sender { name, place };
        entry.excluded =
            excluded.iter().map(|name| self.plan.place_of(name)).filter(|place| *place != NOWHERE).collect();
        entry.excluded.sort_unstable();
        self.on_air.remove(&entry.id);
        self.judge_by(&channel.name, &entry, outcome.as_ref()).await;
        let attempt = AttemptId { message_id: entry.id, attempt: entry.attempts };
        match outcome {
            // Settled by somebody else meanwhile.
            None => {}
            Some(Outcome::Settled(state)) => self.announce(&entry, &channel, state, None),
            Some(Outcome::Stale) => debug!(message.id = %entry.id, "settled by somebody else: not sent"),
            Some(Outcome::Sent) => {
                self.health.sent(channel.place);
                self.announce(&entry, &channel, MessageState::Sent, None);
            }
            Some(Outcome::NoRoom { parts }) => {
                // Nothing was tried, so no attempt was made. It waits for a SIM with room for all of it.
                entry.attempts = entry.attempts.saturating_sub(1);
                entry.needs.more_parts = parts.saturating_sub(1);
                self.requeue(entry);
            }
            Some(Outcome::StoreFailed) => {
                self.health.store_failed(Instant::now());
                self.rest(entry, REST_WHEN_STORE_FAILED);
            }
            Some(Outcome::TicketStoreAway) => self.rest(entry, REST_WHEN_STORE_FAILED),
            Some(Outcome::Unknown { part, detail }) => self.unknown(entry, &channel, (attempt, part), detail).await,
            Some(Outcome::Incomplete { code }) => {
                let reason = format!("a later part was not sent: {code}");
                self.finish(&entry, &channel, MessageState::Failed, reason).await;
            }
            Some(Outcome::NotSent { class, code, ticket }) => {
                self.not_sent(entry, &channel, (class, code, ticket)).await;
            }
        }
    }

    /// Settles a message whose code was cancelled before it went on air.
    pub(super) async fn cancelled(&mut self, id: MessageId) {
        let (state, at) = (MessageState::Cancelled, self.context.clock.now());
        self.record(Change::Final { message_id: id, state, reason: "its code was cancelled".to_owned(), at }).await;
        debug!(message.id = %id, "cancelled before it was sent");
        self.events.publish(MessageEvent { id, state, reason: None, channel: None, at });
    }

    async fn unknown(&mut self, mut entry: Entry, channel: &Sender, (attempt, part): (AttemptId, u8), detail: String) {
        let resend = self.settings.unknown_policy == UnknownPolicy::Resend && entry.attempts < MOST_ATTEMPTS_IN_DOUBT;
        warn!(message.id = %entry.id, channel.id = &*channel.name, "the outcome cannot be known: {detail}");
        let at = self.context.clock.now();
        let change = Change::Unknown { attempt, part: Some(part), resend, reason: detail.clone(), at };
        self.record(change).await;
        if resend {
            // Another modem may know better how its messages end.
            entry.excluded = Vec::from_iter((channel.place != NOWHERE).then_some(channel.place));
            self.rest(entry, REST_BEFORE_RESEND);
        } else {
            self.announce(&entry, channel, MessageState::Unknown, Some(detail));
        }
    }

    async fn not_sent(
        &mut self,
        mut entry: Entry,
        channel: &Sender,
        (class, code, remove_tag): (FailureClass, String, Option<TicketKey>),
    ) {
        let now = self.context.clock.now();
        let attempt = AttemptId { message_id: entry.id, attempt: entry.attempts };
        let (msisdn, times) = (entry.msisdn, (now, entry.deadline));
        let rng = &mut UnwrapErr(SysRng);
        let has_other = |excluded: &[usize]| self.has_way(&msisdn, excluded);
        let next = retry::decide(class, entry.attempts, times, channel.place, &mut entry.excluded, has_other, rng);
        entry.excluded.retain(|place| *place != NOWHERE);
        info!(message.id = %entry.id, channel.id = &*channel.name, error.code = code, "not sent: {next:?}");
        if class == FailureClass::Configuration && self.health.modem_failed(channel.place, Instant::now()) {
            error!(channel.id = &*channel.name, error.code = code, "the modem or its SIM needs attention");
        }
        let retry_at = match next {
            Next::After(pause) => Some(now.saturating_add(pause)),
            Next::Elsewhere | Next::GiveUp => None,
        };
        let modem = Some(channel.name.to_string());
        self.record(Change::NotSent { attempt, modem, code: Some(code.clone()), retry_at, remove_tag, at: now }).await;
        match next {
            Next::Elsewhere => self.requeue(entry),
            Next::After(pause) => self.rest(entry, pause),
            Next::GiveUp => self.finish(&entry, channel, MessageState::Failed, code).await,
        }
    }

    fn requeue(&mut self, entry: Entry) {
        let key = self.group_of(&entry);
        self.queue.push(entry, key);
    }

    fn rest(&mut self, entry: Entry, pause: Duration) {
        let key = self.group_of(&entry);
        self.queue.rest(entry, key, Instant::now() + pause);
    }

    async fn finish(&mut self, entry: &Entry, channel: &Sender, state: MessageState, reason: String) {
        let at = self.context.clock.now();
        self.record(Change::Final { message_id: entry.id, state, reason: reason.clone(), at }).await;
        self.announce(entry, channel, state, Some(reason));
    }

    // Not `&self`: the sends that are under way may move to another thread but not be shared between two.
    pub(super) async fn record(&mut self, change: Change) {
        let id = change.message_id();
        if let Err(error) = self.context.store.record(change).await {
            error!(message.id = %id, error = %error, "a change could not be recorded; recovery will judge at the next start");
        }
    }

    fn announce(&self, entry: &Entry, channel: &Sender, state: MessageState, reason: Option<String>) {
        let at = self.context.clock.now();
        let name = channel.name.to_string();
        debug!(message.id = %entry.id, message.state = state.as_str(), channel.id = name, "message changed");
        self.events.publish(MessageEvent { id: entry.id, state, reason, channel: Some(name), at });
    }

    /// Lets what is on air come down. What does not in time is `unknown`: nobody can know.
    pub(super) async fn drain(&mut self) {
        let end = Instant::now() + self.settings.drain_timeout;
        // A text that is between two parts goes on; codes that wait go out after the next start.
        self.gaps.close();
        while self.gaps.try_recv().is_ok() {}
        info!(on_air = self.sending.len(), waiting = self.queue.len(), "stopping: no new message goes on air");
        while !self.sending.is_empty() {
            match tokio::time::timeout_at(end, self.sending.next()).await {
                Ok(Some(done)) => self.settle(done).await,
                Ok(None) => break,
                Err(_) => {
                    for (message_id, (attempt, part)) in std::mem::take(&mut self.on_air) {
                        self.broke_off(AttemptId { message_id, attempt }, part.get()).await;
                    }
                    break;
                }
            }
        }
    }

    /// Records a message that has not come down in time: the part on air is in doubt, and the others are not sent any more.
    async fn broke_off(&mut self, attempt: AttemptId, part: Option<u8>) {
        let at = self.context.clock.now();
        let change = if part.is_some() {
            let reason = "the gateway ended while it was on air".to_owned();
            let resend = self.settings.unknown_policy == UnknownPolicy::Resend;
            Change::Unknown { attempt, part, resend, reason, at }
        } else {
            let reason = "a later part was not sent: the gateway ended between two parts".to_owned();
            Change::Final { message_id: attempt.message_id, state: MessageState::Failed, reason, at }
        };
        self.record(change).await;
    }
}
