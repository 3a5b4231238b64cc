//! One life of an intake after another: at once after a refresh, after a pause when the broker is away.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::board::Phase;
use super::door::Door;
use super::settings::{Broker, Settings};
use super::{IntakeError, amqp, mqtt, nats, redis, websocket};

/// The longest pause before the broker is tried again, but for `reconnect_delay` where that is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long a life that is asked to end may take for what it has taken.
const LAST_THINGS: Duration = Duration::from_secs(5);

/// Keeps an intake alive until `stop`.
pub async fn run(settings: Settings, door: Door, stop: CancellationToken) {
    let mut pauses = Pauses::new(settings.reconnect_delay);
    // Once per outage, and anew under other settings.
    let mut is_told = false;
    while !stop.is_cancelled() {
        let Err(error) = live(&settings, &door, &stop).await else { continue };
        let error = chain(&error);
        let was = door.status.set(Phase::Away(error.clone()));
        if was == Phase::Connected {
            (pauses, is_told) = (Pauses::new(settings.reconnect_delay), false);
        }
        let pause = pauses.next();
        let wait = format!("{:.1} s", pause.as_secs_f32());
        if is_told {
            debug!(intake.name = settings.name, error, wait, "the broker is still away");
        } else {
            warn!(intake.name = settings.name, error, wait, "the broker cannot be used: trying again");
            is_told = true;
        }
        // Cancel-safe: a timer.
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(pause) => {}
        }
    }
}

/// One life: until it fails, is to end, or has lasted as long as `refresh` says.
async fn live(settings: &Settings, door: &Door, stop: &CancellationToken) -> Result<(), IntakeError> {
    let life = stop.child_token();
    let mut serving = std::pin::pin!(serve(settings, door, &life));
    let refresh = async {
        match settings.refresh {
            Some(after) => sleep(after).await,
            None => std::future::pending().await,
        }
    };
    // The life goes on in every branch until it has put its things away; it is only waited for differently.
    tokio::select! {
        ended = &mut serving => return ended,
        () = refresh => debug!(intake.name = settings.name, "the connection is made anew, as its refresh says"),
        () = stop.cancelled() => {}
    }
    life.cancel();
    // What is not acknowledged by then comes again.
    timeout(LAST_THINGS, serving).await.unwrap_or(Ok(()))
}

/// Connects, subscribes, and serves until `life` ends or the connection does.
///
/// # Errors
/// Why the connection was not made, or has ended.
async fn serve(settings: &Settings, door: &Door, life: &CancellationToken) -> Result<(), IntakeError> {
    match &settings.broker {
        Broker::RabbitMq(broker) => amqp::serve(settings, broker, door, life).await,
        Broker::Redis(broker) => redis::serve(settings, broker, door, life).await,
        Broker::Mqtt(broker) => mqtt::serve(settings, broker, door, life).await,
        Broker::WebSocket(broker) => websocket::serve(settings, broker, door, life).await,
        Broker::Nats(broker) => nats::serve(settings, broker, door, life).await,
    }
}

/// Connects and logs in, looks whether what is subscribed can be, and leaves again. Changes nothing at the broker, and takes nothing.
///
/// # Errors
/// What would keep the intake from its work.
pub async fn check(settings: &Settings) -> Result<(), IntakeError> {
    match &settings.broker {
        Broker::RabbitMq(broker) => amqp::check(settings, broker).await,
        Broker::Redis(broker) => redis::check(settings, broker).await,
        Broker::Mqtt(broker) => mqtt::check(settings, broker).await,
        Broker::WebSocket(broker) => websocket::check(settings, broker).await,
        Broker::Nats(broker) => nats::check(settings, broker).await,
    }
}

impl Door {
    /// Says that the intake is subscribed.
    pub(super) fn connected(&self, settings: &Settings) {
        if self.status.set(Phase::Connected) != Phase::Connected {
            info!(intake.name = settings.name, intake.topic = settings.topic, "subscribed");
        }
    }
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// Pauses that double up to a ceiling, each shortened by chance up to half, so that many nodes do not come back at once.
struct Pauses {
    next: Duration,
    longest: Duration,
}

impl Pauses {
    fn new(first: Duration) -> Self {
        let first = first.max(Duration::from_millis(100));
        Self { next: first, longest: LONGEST_PAUSE.max(first) }
    }

    fn next(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.longest);
        let mut chance = [0];
        // Without chance the pause is whole.
        if getrandom::fill(&mut chance).is_err() {
            return whole;
        }
        let [chance] = chance;
        whole.mul_f32(1.0 - f32::from(chance) / 512.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_a_ceiling_and_are_shortened_by_at_most_half() {
        let mut pauses = Pauses::new(Duration::from_secs(5));
        for whole in [5, 10, 20, 40, 60, 60, 60] {
            let (whole, pause) = (Duration::from_secs(whole), pauses.next());
            assert!(pause <= whole && pause >= whole / 2, "{whole:?} {pause:?}");
        }
        let mut slow = Pauses::new(Duration::from_secs(600));
        slow.next();
        assert!(slow.next() >= Duration::from_secs(300));
    }
}
