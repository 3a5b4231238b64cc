//! The dispatcher: the durable queue → route → channel.
//!
//! One task keeps the queue in memory (the store has the truth), asks the route for the next free modem, lets the channel
//! send, and acts on what came of it: settled, again, elsewhere, given up, unknown. It must never know what is sent, never
//! send twice what may be on air, and never let one bad number hold up the rest. Fed by the gateway through
//! [`DispatcherHandle`], where room is reserved before anything is stored.

mod alarms;
mod choice;
mod deeds;
mod explain;
mod health;
mod overtaking;
mod plan;
mod queue;
mod reports;
mod retry;
mod settle;
mod worker;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ::modem::Phase;
use domain::message::MessageId;
use domain::outcome::ModemEntry;
use domain::receiver::Msisdn;
use domain::route::RouteTable;
use jiff::tz::TimeZone;
use store::{QueueEntry, UnknownPolicy};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tracing::error;

use crate::channel::ChannelHandle;
use crate::channel::modem::Context;
use crate::event::Events;

pub use alarms::Judge;
pub use deeds::Why;
pub use explain::{Explained, Standing};
pub use reports::run as run_reports;
pub use worker::Dispatcher;

/// How the dispatcher works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What happens to a message whose outcome is unknowable.
    pub unknown_policy: UnknownPolicy,
    /// Drop in the queue what is past its deadline. Codes always are.
    pub drop_expired: bool,
    /// Most messages that may wait.
    pub max_queue: usize,
    /// How long a part that is on air may take after the dispatcher was asked to end.
    pub drain_timeout: Duration,
    /// How long delivery reports may take before a modem that gets none is suspected; never without it.
    pub report_patience: Option<Duration>,
}

/// The modems, and which takes what. Replaced as a whole when settings change.
#[derive(Debug)]
pub struct Plan {
    /// The modems, in the order of the table.
    pub channels: Vec<ChannelHandle>,
    /// Which modem takes what.
    pub table: RouteTable,
    /// By whose clock days and months of quotas begin.
    pub zone: TimeZone,
}

impl Plan {
    /// Tells whether a dispatcher would do the same under both.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let pairs = || self.channels.iter().zip(&other.channels);
        self.table == other.table
            && self.zone == other.zone
            && self.channels.len() == other.channels.len()
            && pairs().all(|(one, other)| one.is_same(other))
    }
}

/// What the dispatcher is told.
#[derive(Debug)]
enum Order {
    Send(QueueEntry, OwnedSemaphorePermit),
    Cancel(MessageId),
    Replan(Box<NewPlan>, oneshot::Sender<()>),
    Explain(Msisdn, oneshot::Sender<Explained>),
    LookAgain,
}

/// What changes for the dispatcher when settings change.
#[derive(Debug)]
struct NewPlan {
    settings: Settings,
    delivery_reports: bool,
    plan: Plan,
}

/// The present plan, seen by the dispatcher and its handles alike.
type SharedPlan = Arc<RwLock<Arc<Plan>>>;

/// How others reach the dispatcher. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DispatcherHandle {
    orders: mpsc::Sender<Order>,
    places: Arc<Semaphore>,
    most: usize,
    plan: SharedPlan,
    judge: Judge,
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
        // safe in the store and goes out after the next start, or is recorded as lost there when its text is in memory only.
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
        self.plan().table.modems.iter().any(|modem| modem.is_enabled)
    }

    /// True if a modem that may send for the API is ready.
    #[must_use]
    pub fn has_ready_modem(&self) -> bool {
        let plan = self.plan();
        let is_ready = |channel: &ChannelHandle| channel.modem.status().borrow().phase == Phase::Ready;
        plan.table.modems.iter().zip(&plan.channels).any(|(modem, channel)| modem.is_enabled && is_ready(channel))
    }

    /// The judgement on the modems.
    #[must_use]
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// Gives a modem no message any more, until it is resumed or the gateway starts anew. False when it was so already.
    pub fn drain(&self, modem: &str) -> bool {
        self.judge.drain(modem)
    }

    /// Lets a drained modem back. Answers why it was drained.
    pub fn resume(&self, modem: &str) -> Option<Why> {
        let why = self.judge.resume(modem);
        // When the order does not fit, others that come make the dispatcher look.
        drop(self.orders.try_send(Order::LookAgain));
        why
    }

    /// Why a modem is no candidate for messages at this moment, in words.
    #[must_use]
    pub fn why_no_candidate(&self, channel: &ChannelHandle) -> Option<String> {
        let phase = channel.modem.status().borrow().phase;
        let drained = || self.judge.why_drained(channel.modem.name()).map(|why| format!("drained: {}", why.words()));
        if phase == Phase::Ready { drained() } else { Some(phase_word(phase).to_owned()) }
    }

    /// Explains which modem would take a number now; none when the dispatcher has ended. Nobody's turn is taken.
    pub async fn explain(&self, msisdn: Msisdn) -> Option<Explained> {
        let (answer, explained) = oneshot::channel();
        self.orders.send(Order::Explain(msisdn, answer)).await.ok()?;
        explained.await.ok()
    }

    /// Has what waits looked at again: a SIM has quota that it did not have.
    pub fn look_again(&self) {
        // Where the order does not fit, the next that is taken does the same.
        drop(self.orders.try_send(Order::LookAgain));
    }

    /// How many messages wait, and how many may.
    #[must_use]
    pub fn queue(&self) -> (usize, usize) {
        (self.most.saturating_sub(self.places.available_permits()), self.most)
    }

    /// Ends when the dispatcher has: nothing is sent any more before the next start.
    pub async fn ended(&self) {
        self.orders.closed().await;
    }

    /// True when the dispatcher has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.orders.is_closed()
    }

    /// The modems of this moment, and which takes what.
    #[must_use]
    pub fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Gives the dispatcher other modems and rules; returns when no message is given to a modem that is not among them any more.
    /// What waits is sorted anew, what is on air goes on. The size of the queue stays as it was at the start.
    pub async fn replan(&self, settings: Settings, delivery_reports: bool, plan: Plan) {
        let (done, is_done) = oneshot::channel();
        let order = Order::Replan(Box::new(NewPlan { settings, delivery_reports, plan }), done);
        if self.orders.send(order).await.is_ok() {
            // A dispatcher that has ended meanwhile gives nothing to anybody.
            drop(is_done.await);
        }
    }

    /// The modems as callers see them.
    #[must_use]
    pub fn modems(&self) -> Vec<ModemEntry> {
        let entry = |channel: &ChannelHandle| {
            let status = channel.modem.status();
            let status = status.borrow();
            ModemEntry {
                name: channel.modem.name().to_owned(),
                state: match self.judge.why_drained(channel.modem.name()) {
                    Some(_) if status.phase == Phase::Ready => DRAINED.to_owned(),
                    _ => phase_word(status.phase).to_owned(),
                },
                is_ready: status.phase == Phase::Ready,
                is_default: channel.is_default,
                operator: status.operator.clone(),
                signal_dbm: status.signal_dbm,
                balance: None,
            }
        };
        self.plan().channels.iter().map(entry).collect()
    }
}

/// The word for a modem that could send and is given nothing.
pub(crate) const DRAINED: &str = "drained";
/// The names of the modems of this moment, for [`run_reports`].
pub fn names(handle: DispatcherHandle) -> impl Fn() -> Vec<String> + Send {
    move || handle.plan().channels.iter().map(|channel| channel.modem.name().to_owned()).collect()
}

/// The word for a modem's phase.
pub(crate) fn phase_word(phase: Phase) -> &'static str {
    phase.word()
}

/// Builds the dispatcher.
#[must_use]
pub fn build(settings: Settings, context: Arc<Context>, plan: Plan, events: Events) -> (DispatcherHandle, Dispatcher) {
    let most = settings.max_queue.clamp(1, Semaphore::MAX_PERMITS);
    let (orders, incoming) = mpsc::channel(most.saturating_add(64));
    let places = Arc::new(Semaphore::new(most));
    let plan = Arc::new(RwLock::new(Arc::new(plan)));
    let judge = Judge::new(settings.report_patience);
    let handle =
        DispatcherHandle { orders, places: Arc::clone(&places), most, plan: Arc::clone(&plan), judge: judge.clone() };
    (handle, Dispatcher::new(settings, context, plan, events, incoming, places, judge))
}
