//! The dispatcher: the durable queue → route → channel.
//!
//! One task keeps the queue in memory (the store has the truth), asks the route for the next free modem, lets the channel
//! send, and acts on what came of it: settled, again, elsewhere, given up, unknown. It must never know what is sent, never
//! send twice what may be on air, and never let one bad number hold up the rest. Fed by the gateway through
//! [`DispatcherHandle`], where room is reserved before anything is stored.

mod health;
mod queue;
mod reports;
mod retry;
mod settle;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use ::modem::Phase;
use domain::message::MessageId;
use domain::outcome::ModemEntry;
use domain::route::RouteTable;
use store::{QueueEntry, UnknownPolicy};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tracing::error;

use crate::channel::ChannelHandle;
use crate::channel::modem::Context;
use crate::event::Events;

pub use reports::run as run_reports;
pub use worker::Dispatcher;

/// How the dispatcher works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What happens to a message whose outcome is unknowable.
    pub unknown_policy: UnknownPolicy,
    /// Drop in the queue what is past its deadline. Codes always are.
    pub drop_expired: bool,
    /// Most messages that may wait.
    pub max_queue: usize,
    /// How long a part that is on air may take after the dispatcher was asked to end.
    pub drain_timeout: Duration,
}

/// What the dispatcher is told.
#[derive(Debug)]
enum Order {
    Send(QueueEntry, OwnedSemaphorePermit),
    Cancel(MessageId),
}

/// How others reach the dispatcher. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DispatcherHandle {
    orders: mpsc::Sender<Order>,
    places: Arc<Semaphore>,
    channels: Arc<[ChannelHandle]>,
    table: Arc<RouteTable>,
}

/// One reserved place in the queue. Given back when dropped unused.
#[derive(Debug)]
pub struct Place {
    permit: OwnedSemaphorePermit,
    orders: mpsc::Sender<Order>,
}

impl Place {
    /// Hands over a message that is durable now.
    pub fn submit(self, entry: QueueEntry) {
        // There are as many order slots as places, so there is room; and once the dispatcher has ended, the message is
        // safe in the store and goes out after the next start.
        if let Err(mpsc::error::TrySendError::Full(_)) = self.orders.try_send(Order::Send(entry, self.permit)) {
            error!("the dispatcher has more places than order slots: a message waits for the next start");
        }
    }
}

impl DispatcherHandle {
    /// Reserves a place in the queue; none when it is full.
    #[must_use]
    pub fn try_reserve(&self) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Place { permit, orders: self.orders.clone() })
    }

    /// Takes a message out of the queue, if it still waits there. What is on air goes on.
    pub fn cancel(&self, id: MessageId) {
        // When the order does not fit, the channel finds out itself: the store refuses the attempt of a cancelled message.
        drop(self.orders.try_send(Order::Cancel(id)));
    }

    /// True if some modem may send for the API, whatever its health.
    #[must_use]
    pub fn has_modem(&self) -> bool {
        self.table.modems.iter().any(|modem| modem.is_enabled)
    }

    /// The channels, in the order of the route table.
    #[must_use]
    pub fn channels(&self) -> &[ChannelHandle] {
        &self.channels
    }

    /// The modems as callers see them.
    #[must_use]
    pub fn modems(&self) -> Vec<ModemEntry> {
        let entry = |channel: &ChannelHandle| {
            let status = channel.modem.status();
            let status = status.borrow();
            ModemEntry {
                name: channel.modem.name().to_owned(),
                state: phase_word(status.phase).to_owned(),
                is_ready: status.phase == Phase::Ready,
                is_default: channel.is_default,
                operator: status.operator.clone(),
                signal_dbm: status.signal_dbm,
            }
        };
        self.channels.iter().map(entry).collect()
    }
}

/// The word for a modem's phase.
pub(crate) fn phase_word(phase: Phase) -> &'static str {
    phase.word()
}

/// Builds the dispatcher for `channels`, which stand in the order of the route table.
#[must_use]
pub fn build(
    settings: Settings,
    context: Arc<Context>,
    channels: Vec<ChannelHandle>,
    table: RouteTable,
    events: Events,
) -> (DispatcherHandle, Dispatcher) {
    let most = settings.max_queue.clamp(1, Semaphore::MAX_PERMITS);
    let (orders, incoming) = mpsc::channel(most.saturating_add(64));
    let places = Arc::new(Semaphore::new(most));
    let (channels, table) = (Arc::<[ChannelHandle]>::from(channels), Arc::new(table));
    let handle = DispatcherHandle {
        orders,
        places: Arc::clone(&places),
        channels: Arc::clone(&channels),
        table: Arc::clone(&table),
    };
    (handle, Dispatcher::new(settings, context, channels, table, events, incoming, places))
}
