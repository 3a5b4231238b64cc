//! From a broker's message to the gateway, and from the reply to an answer: the same for every broker.
//!
//! Called by the brokers' files for each message. It must never keep, log or repeat a payload, and never let a message through twice: what
//! waits because the gateway is full waits here, unacknowledged.

use std::sync::Arc;
use std::time::Duration;

use domain::command::{Caller, Command};
use domain::outcome::{Outcome, Reply};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::board::Status;
use super::mqtt::Kept;
use super::settings::Settings;
use crate::gateway::Gateway;
use crate::wire::{self, Envelope, RenderSettings};

/// Longer payloads are no commands; REST takes as much.
const LONGEST_PAYLOAD: usize = 64 * 1024;

/// The longest pause before an answer that a caller may ask for.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// How long a full gateway is left alone when it does not say.
const WHEN_FULL: Duration = Duration::from_secs(1);

/// Who an API user is by now, and something to hold while a command is done in its name; none where it may not call.
pub type Callers = Arc<dyn Fn(&str) -> Option<(Caller, Box<dyn Send>)> + Send + Sync>;

/// The way in for one intake.
#[derive(Clone)]
pub struct Door {
    gateway: Gateway,
    callers: Callers,
    render: RenderSettings,
    pub(super) status: Arc<Status>,
    /// What MQTT keeps between two connections.
    pub(super) mqtt: Arc<tokio::sync::Mutex<Kept>>,
    stop: CancellationToken,
}

/// What became of a message.
pub(super) enum Taken {
    /// It is done or refused for good: durable, to be acknowledged.
    Done(Vec<Answer>),
    /// It is no command, and will never be one: to be put aside.
    Poison(Vec<Answer>),
    /// The gateway ends before it took it: to be left with the broker.
    Left,
}

/// Where an answer goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// The topic that the envelope names, after this pause.
    Callback(String, Duration),
    /// The broker's own way back to the sender.
    Sender,
}

/// An answer to be published.
pub(super) struct Answer {
    pub(super) to: Destination,
    /// JSON.
    pub(super) body: Vec<u8>,
}

impl Door {
    /// Joins the parts.
    pub fn new(
        gateway: Gateway,
        callers: Callers,
        render: RenderSettings,
        status: Arc<Status>,
        stop: CancellationToken,
    ) -> Self {
        Self { gateway, callers, render, status, mqtt: Arc::default(), stop }
    }

    /// Takes one message. `back` is the broker's own way back to the sender, where the message names one: a topic or queue.
    pub(super) async fn take(&self, settings: &Settings, payload: &[u8], back: Option<&str>) -> Taken {
        let may_go_back = back.is_some_and(|topic| check_destination(settings, topic).is_ok());
        if payload.len() > LONGEST_PAYLOAD {
            return self.put_aside(settings, "it is too long", Vec::new());
        }
        let parsed = match wire::parse(payload) {
            Ok(parsed) => parsed,
            Err(failure) => {
                let envelope = failure.envelope.as_deref().cloned().unwrap_or_default();
                let destinations = destinations(settings, &envelope, may_go_back);
                let body = || wire::render_failure(&failure, &self.render);
                return self.put_aside(settings, failure.outcome.code(), answers(destinations, body));
            }
        };
        let envelope = parsed.envelope;
        let is_refused = envelope.callback_topic.as_deref().map(|topic| check_destination(settings, topic));
        let reply = match is_refused {
            Some(Err(error)) => Some(Reply::failed(Outcome::FieldInvalid, error)),
            Some(Ok(())) | None => self.ask(settings, parsed.command).await,
        };
        let Some(reply) = reply else { return Taken::Left };
        if reply.outcome == Outcome::Accepted {
            self.status.count_accepted();
        } else {
            debug!(
                intake.name = settings.name,
                command = envelope.command,
                code = reply.outcome.code(),
                "a command was refused"
            );
            self.status.count_refused();
        }
        let destinations = destinations(settings, &envelope, may_go_back);
        Taken::Done(answers(destinations, || wire::render(&envelope, &reply, &self.render)))
    }

    /// Asks the gateway, until it has room. None when the intake is to end before.
    async fn ask(&self, settings: &Settings, command: Command) -> Option<Reply> {
        loop {
            let Some((caller, pass)) = (self.callers)(&settings.api_user) else {
                let error = format!("the API user {} may not call now", settings.api_user);
                return Some(Reply::failed(Outcome::NotAllowed, error));
            };
            let caller = Caller { subscriber: Some(settings.name.clone()), ..caller };
            let reply = self.gateway.handle(command.clone(), caller, pass).await;
            if reply.outcome != Outcome::QueueFull {
                return Some(reply);
            }
            // Cancel-safe: a timer.
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(reply.retry_after.unwrap_or(WHEN_FULL)) => {}
            }
        }
    }

    fn put_aside(&self, settings: &Settings, kind: &str, answers: Vec<Answer>) -> Taken {
        debug!(
            intake.name = settings.name,
            intake.topic = settings.topic,
            kind,
            "a message that is no command is put aside"
        );
        self.status.count_poison();
        Taken::Poison(answers)
    }
}

/// Where the answer to an envelope goes.
fn destinations(settings: &Settings, envelope: &Envelope, may_go_back: bool) -> Vec<Destination> {
    let callback = envelope.callback_topic.clone().filter(|topic| check_destination(settings, topic).is_ok());
    let delay = envelope.callback_delay.unwrap_or_default().min(LONGEST_DELAY);
    let callback = callback.map(|topic| Destination::Callback(topic, delay));
    callback.into_iter().chain(may_go_back.then_some(Destination::Sender)).collect()
}

fn answers(destinations: Vec<Destination>, body: impl FnOnce() -> Vec<u8>) -> Vec<Answer> {
    if destinations.is_empty() {
        return Vec::new();
    }
    let body = body();
    destinations.into_iter().map(|to| Answer { to, body: body.clone() }).collect()
}

/// Checks that answers may go to a topic: one that is subscribed would bring them back as commands, without end.
///
/// # Errors
/// Why they may not, in words for the caller.
pub(super) fn check_destination(settings: &Settings, topic: &str) -> Result<(), String> {
    if settings.is_subscribed(topic) {
        return Err("callback_topic is where commands are read from: the answer would come back".to_owned());
    }
    if !topic.starts_with(&settings.callback_prefix) {
        return Err(format!("callback_topic must begin with {:?}", settings.callback_prefix));
    }
    if !settings.is_publishable(topic) {
        return Err("callback_topic is no topic that can be published to".to_owned());
    }
    Ok(())
}
