//! The dispatcher's one task: fills free modems, settles what comes back, wakes what rests, drops what expires.
//!
//! It waits for: orders from the gateway · the end of an attempt · a change of a modem's status · the end of a rest or a
//! deadline · the stop token. Sends run inside this task; dropping it never stops a half-sent SMS, because the modem's own
//! task finishes the conversation.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use ::modem::{Status, Turn};
use domain::clock::WallTime;
use domain::message::{Class, MessageId, MessageState};
use domain::receiver::Msisdn;
use domain::retry::FailureClass;
use domain::route::{ModemView, Reason, Rotation};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use store::{Change, QueueEntry, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::alarms::Judge;
use super::choice::Healths;
use super::health::Health;
use super::queue::{Entry, GroupKey, Needs, Queue};
use super::{Order, Plan, Settings, SharedPlan, plan};
use crate::channel::Outcome;
use crate::channel::gap::{Gap, Gaps, PartOnAir};
use crate::channel::modem::{Context, Passage, Way};
use crate::event::{Events, MessageEvent};

/// The longest the task sleeps although a deadline is farther: the wall clock may jump.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// The longest pause between two attempts (`domain::retry`).
const LONGEST_REST: Duration = Duration::from_secs(60);

/// How long a message is kept trying whose owner does not want it dropped at its deadline.
const KEPT_WITHOUT_DEADLINE: Duration = Duration::from_secs(24 * 3600);

/// A wall clock that moves so much more or less than the monotonic one was set by somebody.
const STEP: i64 = 60_000;

/// How many orders are taken at once before modems are filled again.
const ORDERS_AT_ONCE: usize = 256;

/// How many offers of modems may wait: this very task takes them.
const OFFERS: usize = 64;

/// One attempt that ended.
pub(super) struct Done {
    pub(super) entry: Entry,
    /// The modem's name: its place may be another one by now.
    pub(super) channel: Arc<str>,
    /// The names of the modems that the entry excluded, for the same reason.
    pub(super) excluded: Vec<Arc<str>>,
    pub(super) outcome: Option<Outcome>,
    /// The gap of a long text in which it was sent.
    pub(super) gap: Option<Gap>,
}

type Sending = Pin<Box<dyn Future<Output = Done> + Send>>;
pub(super) type Watching = Pin<Box<dyn Future<Output = watch::Receiver<Status>> + Send>>;

/// The dispatcher; see the module.
pub struct Dispatcher {
    pub(super) settings: Settings,
    pub(super) context: Arc<Context>,
    /// The plan that this task works by, and where its handles read it.
    pub(super) plan: Arc<Plan>,
    pub(super) shared_plan: SharedPlan,
    pub(super) events: Events,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) places: Arc<Semaphore>,
    pub(super) queue: Queue,
    pub(super) rotation: Rotation,
    pub(super) prefixes: Vec<String>,
    pub(super) sending: FuturesUnordered<Sending>,
    /// The attempt of each message on air, and which part it is.
    pub(super) on_air: HashMap<MessageId, (u32, PartOnAir)>,
    /// Modems that are lent between the parts of long texts, and where the channels offer them.
    pub(super) gaps: mpsc::Receiver<Gap>,
    offers: mpsc::Sender<Gap>,
    pub(super) health: Health,
    pub(super) judge: Judge,
    pub(super) watches: FuturesUnordered<Watching>,
    /// When the first SIM that holds a waiting message back has quota or pace again.
    quota_until: Option<WallTime>,
    /// The two clocks at one moment, to notice when the wall clock steps.
    clocks: (Instant, WallTime),
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Dispatcher").field("waiting", &self.queue.len()).finish_non_exhaustive()
    }
}

impl Dispatcher {
    pub(super) fn new(
        settings: Settings,
        context: Arc<Context>,
        shared_plan: SharedPlan,
        events: Events,
        orders: mpsc::Receiver<Order>,
        places: Arc<Semaphore>,
        judge: Judge,
    ) -> Self {
        let plan = Arc::clone(&shared_plan.read().unwrap_or_else(PoisonError::into_inner));
        let (prefixes, watches) = (plan.prefixes(), plan.watches());
        let health = Health::new(plan.channels.len());
        let clocks = (Instant::now(), context.clock.now());
        let (offers, gaps) = mpsc::channel(OFFERS);
        Self {
            settings,
            context,
            plan,
            shared_plan,
            events,
            orders,
            places,
            queue: Queue::default(),
            rotation: Rotation::default(),
            prefixes,
            sending: FuturesUnordered::new(),
            on_air: HashMap::new(),
            gaps,
            offers,
            health,
            judge,
            watches,
            quota_until: None,
            clocks,
        }
    }

    /// Puts what waited when the program last ended back into the queue. Called once, before [`Dispatcher::run`].
    pub fn recover(&mut self, entries: impl IntoIterator<Item = QueueEntry>) -> usize {
        let before = self.queue.len();
        for entry in entries {
            // What is durable is kept even when the queue was made smaller since: it only holds no place then.
            let place = Arc::clone(&self.places).try_acquire_owned().ok();
            self.enqueue(entry, place);
        }
        self.queue.len().saturating_sub(before)
    }

    /// Works until `stop`, then until nothing is on air any more, at most `drain_timeout`.
    ///
    /// # Errors
    /// None today; the signature is that of every task.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        loop {
            self.follow_clock();
            self.drop_expired().await;
            self.queue.wake(Instant::now());
            self.fill();
            let next = self.next_time();
            tokio::select! {
                // Every branch is cancel-safe: receivers, streams and timers lose nothing when their wait is dropped.
                () = stop.cancelled() => break,
                Some(done) = self.sending.next(), if !self.sending.is_empty() => self.came_down(done).await,
                Some(gap) = self.gaps.recv() => self.lend(gap),
                Some(status) = self.watches.next() => self.watches.push(plan::watch_status(status)),
                // When every entrance has gone, what waits still goes out until the stop.
                Some(order) = self.orders.recv() => self.take_orders(order).await,
                () = tokio::time::sleep_until(next) => {}
            }
        }
        self.drain().await;
        Ok(())
    }

    /// Deadlines of waiting messages follow a wall clock that was set: a Raspberry Pi wakes up years in the past, and what
    /// it accepted before it was told the time must not expire at that moment.
    fn follow_clock(&mut self) {
        let (then, wall) = self.clocks;
        let (now, expected) = (Instant::now(), wall.saturating_add(then.elapsed()));
        let actual = self.context.clock.now();
        let step = actual.as_unix_millis().saturating_sub(expected.as_unix_millis());
        if step.saturating_abs() > STEP {
            warn!(clock.step_seconds = step / 1000, "the wall clock was set: waiting messages keep their time");
            self.queue.shift_deadlines(step);
        }
        self.clocks = (now, actual);
    }

    async fn take_orders(&mut self, first: Order) {
        let mut next = Some(first);
        let mut taken = 0;
        while let Some(order) = next {
            match order {
                Order::Send(entry, place) => self.enqueue(entry, Some(place)),
                Order::Cancel(id) => self.cancel(id).await,
                // Before every wait what waits is looked at.
                Order::LookAgain => {}
                Order::Explain(msisdn, answer) => {
                    answer.send(self.explain(&msisdn)).ok();
                }
                Order::Replan(new, done) => {
                    self.replan(*new);
                    // Whoever asked may not wait any more.
                    done.send(()).ok();
                } // What waits for a modem that was let back is looked at again.
            }
            taken += 1;
            next = if taken < ORDERS_AT_ONCE { self.orders.try_recv().ok() } else { None };
        }
    }

    fn enqueue(&mut self, entry: QueueEntry, place: Option<OwnedSemaphorePermit>) {
        let Some(msisdn) = entry.receiver.msisdn() else {
            error!(message.id = %entry.id, "an e-mail stands in the queue of the modems");
            return;
        };
        if self.queue.contains(entry.id) || self.on_air.contains_key(&entry.id) {
            // A client's retry handed it over once more.
            return;
        }
        let now = self.context.clock.now();
        // The clock may have been set back since: no message rests longer than the longest pause between attempts.
        let rest = match entry.attempt {
            0 => Duration::ZERO,
            _ => entry.not_before.saturating_since(now).min(LONGEST_REST),
        };
        let deadline = match entry.is_otp || self.settings.drop_expired {
            true => entry.deadline,
            false => entry.deadline.max(now.saturating_add(KEPT_WITHOUT_DEADLINE)),
        };
        let entry = Entry {
            id: entry.id,
            class: if entry.is_otp { Class::Otp } else { entry.class },
            api_user: entry.api_user,
            msisdn,
            deadline,
            attempts: entry.attempt,
            excluded: Vec::new(),
            needs: Needs::default(),
            place,
        };
        let key = self.group_of(&entry);
        if rest.is_zero() {
            self.queue.push(entry, key);
        } else {
            self.queue.rest(entry, key, Instant::now() + rest);
        }
    }

    pub(super) fn group_of(&self, entry: &Entry) -> GroupKey {
        (self.prefix_of(&entry.msisdn), entry.excluded.clone(), entry.needs.clone())
    }

    /// Which of the prefixes, longest first, claims the number; their count if none does.
    fn prefix_of(&self, msisdn: &Msisdn) -> usize {
        let claims = |prefix: &String| msisdn.expose().starts_with(prefix.as_str());
        self.prefixes.iter().position(claims).unwrap_or(self.prefixes.len())
    }

    /// Gives free modems what may go, best first.
    fn fill(&mut self) {
        self.quota_until = None;
        while self.start_one() {}
    }

    fn start_one(&mut self) -> bool {
        let heads = self.queue.heads();
        if heads.is_empty() {
            return false;
        }
        if self.health.is_paused(Instant::now()) {
            return false;
        }
        let healths = Healths::of(self);
        if !healths.all.contains(&ModemView::Free) {
            return false;
        }
        for (priority, key) in heads {
            let Some(head) = self.queue.head_of(&priority) else { continue };
            let mut rotation = std::mem::take(&mut self.rotation);
            let (seen, decision) = self.ask_route(&healths, &head, &mut rotation);
            self.rotation = rotation;
            let Some(place) = decision.modem else {
                if seen.closed != key.2.closed {
                    self.set_apart(&key, seen.closed);
                    return true;
                }
                if decision.reason == Reason::NoneUsable && !key.1.is_empty() {
                    self.forgive(&key);
                    return true;
                }
                self.quota_until = self.quota_until.into_iter().chain(seen.until).min();
                continue;
            };
            let turn = self.plan.channels.get(place).and_then(|channel| channel.modem.try_turn());
            let (Some(turn), Some(way)) = (turn, self.way_to(place, &decision.reason)) else { continue };
            let Some(entry) = self.queue.pop(&key) else { continue };
            debug!(message.id = %entry.id, route.reason = way.0.why, route.modem = place, "routed");
            self.start(entry, way, turn, None);
            return true;
        }
        false
    }

    /// The modems that are left for this group are out of order: those that refused it may try again.
    fn forgive(&mut self, key: &GroupKey) {
        if let Some(mut entry) = self.queue.pop(key) {
            entry.excluded.clear();
            let key = self.group_of(&entry);
            self.queue.push(entry, key);
        }
    }

    /// Sends a message; in a gap of a long text, if it is a code that was let in there.
    pub(super) fn start(
        &mut self,
        mut entry: Entry,
        (way, status): (Way, watch::Receiver<Status>),
        turn: Turn,
        gap: Option<Gap>,
    ) {
        entry.attempts = entry.attempts.saturating_add(1);
        let (context, on_air) = (Arc::clone(&self.context), PartOnAir::default());
        self.on_air.insert(entry.id, (entry.attempts, on_air.clone()));
        entry.needs.closed.clear();
        let name: Arc<str> = Arc::from(way.modem.as_str());
        self.judge.begun(&name, Instant::now());
        let excluded = entry.excluded.iter().map(|place| Arc::from(self.name_of(*place))).collect();
        let gaps = (entry.class != Class::Otp).then(|| Gaps::new(Arc::clone(&name), self.offers.clone()));
        let more_waits = gap.is_some() || self.next_for(self.plan.place_of(&name), |_| true).is_some();
        let passage = Passage { way, turn, status, more_waits, gaps, on_air };
        self.sending.push(Box::pin(async move {
            let outcome = match context.store.load(entry.id).await {
                Ok(Some(message)) => Some(crate::channel::modem::send(context, passage, message, entry.attempts).await),
                Ok(None) => None,
                Err(error @ StoreError::Unreadable { .. }) => {
                    error!(message.id = %entry.id, error = %error, "a stored message cannot be read");
                    let code = "its stored content cannot be read".to_owned();
                    Some(Outcome::NotSent { class: FailureClass::GiveUp, code, ticket: None })
                }
                Err(error) => {
                    warn!(message.id = %entry.id, error = %error, "a message could not be read from the store");
                    Some(Outcome::StoreFailed)
                }
            };
            Done { entry, channel: name, excluded, outcome, gap }
        }));
    }

    async fn cancel(&mut self, id: MessageId) {
        // One that is on air is let down by the store: its attempt is not begun, or it was too late.
        if let Some(entry) = self.queue.take(id) {
            self.cancelled(entry.id).await;
        }
    }

    async fn drop_expired(&mut self) {
        let now = self.context.clock.now();
        for entry in self.queue.take_expired(now) {
            let reason = "its deadline passed in the queue".to_owned();
            info!(message.id = %entry.id, "expired in the queue");
            let (id, state, at) = (entry.id, MessageState::Expired, now);
            self.record(Change::Final { message_id: id, state, reason: reason.clone(), at }).await;
            self.events.publish(MessageEvent { id, state, reason: Some(reason), channel: None, at });
        }
    }

    pub(super) fn name_of(&self, channel: usize) -> &str {
        self.plan.channels.get(channel).map_or("", |channel| channel.modem.name())
    }

    fn next_time(&self) -> Instant {
        let (now, wall) = (Instant::now(), self.context.clock.now());
        let of_deadline = |deadline: WallTime| now + deadline.saturating_since(wall);
        let deadline = self.queue.next_deadline().map(of_deadline);
        let quota = self.quota_until.map(of_deadline);
        [deadline, self.queue.next_wake(), self.health.next_time(now), quota]
            .into_iter()
            .flatten()
            .fold(now + LONGEST_SLEEP, Instant::min)
    }
}
