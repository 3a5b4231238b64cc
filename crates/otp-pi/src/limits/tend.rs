//! The task beside it: what becomes of codes, the way of the counts to the disk, and forgetting what is over.

use std::time::Duration;

use domain::limits::Fact;
use domain::message::MessageState;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::limiter::Limiter;
use crate::event::MessageEvent;

/// Promised is one second.
const WRITE_EVERY: Duration = Duration::from_millis(500);
const SWEEP_EVERY: Duration = Duration::from_secs(600);

impl Limiter {
    /// Runs until `stop`; then everything that was counted is on disk.
    ///
    /// # Errors
    /// None today: what cannot be written is tried again, and told once.
    pub async fn tend(self, mut events: Receiver<MessageEvent>, stop: CancellationToken) -> anyhow::Result<()> {
        let (mut write, mut sweep) = (interval(WRITE_EVERY), interval(SWEEP_EVERY));
        write.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_failing = false;
        loop {
            // Cancel-safe: events and ticks are taken whole or not at all.
            tokio::select! {
                () = stop.cancelled() => break,
                event = events.recv() => match event {
                    Ok(event) => self.follow(&event).await,
                    Err(RecvError::Lagged(missed)) => debug!(missed, "some codes were not seen being sent"),
                    Err(RecvError::Closed) => break,
                },
                _ = write.tick() => is_failing = self.write(is_failing).await,
                _ = sweep.tick() => self.inner.store.sweep_limits(&self.settings().rules, self.inner.clock.now()),
            }
        }
        self.write(is_failing).await;
        Ok(())
    }

    async fn write(&self, is_failing: bool) -> bool {
        match self.inner.store.write_limits().await {
            Ok(()) => false,
            Err(error) => {
                if !is_failing {
                    warn!(%error, "what limits count cannot be written: it is kept in memory meanwhile");
                }
                true
            }
        }
    }

    async fn follow(&self, event: &MessageEvent) {
        let Some(flight) = self.flights().find(event.id).cloned() else { return };
        let (fact, is_over) = match event.state {
            MessageState::Queued | MessageState::Sending => return,
            // It may have arrived: it must not count less than a code that has.
            MessageState::Sent | MessageState::Unknown => (Fact::Sent, false),
            MessageState::Delivered => (Fact::Delivered, true),
            // Sent, and to a number that does not take it: nobody can enter it, and that is what is judged.
            MessageState::Undelivered => (Fact::Sent, true),
            MessageState::Failed | MessageState::Expired | MessageState::Cancelled | MessageState::Blocked => {
                (Fact::NotSent, true)
            }
        };
        // It is sent once, however often that is said: when a report comes, when it is sent again.
        if fact != Fact::Sent || self.flights().sent(event.id) {
            self.note(&flight.judged, flight.message, fact).await;
        }
        if is_over {
            self.flights().remove(event.id);
        }
    }
}
