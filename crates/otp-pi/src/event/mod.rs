//! Facts: what happened to a message, told to whoever listens (the demo page, `wait = "sent"`, later monitor and callbacks).
//!
//! An event never carries a text, a code or a full number of a message that we send; the receiver in it shows itself masked. What
//! came in is told with its text, which prints dots. Publishing never waits and never fails: a slow listener misses events, it
//! does not hold up the sender. Published by the gateway, the dispatcher and the inbox.

mod inbox;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::clock::WallTime;
use domain::message::{MessageId, MessageState};
use tokio::sync::broadcast;

pub use inbox::{InboxMessage, Sender};

/// How many events a slow listener may lag behind before it misses some.
const CAPACITY: usize = 1024;

/// One change of a message's state.
#[derive(Clone, Debug)]
pub struct MessageEvent {
    /// Which message.
    pub id: MessageId,
    /// The state that it reached.
    pub state: MessageState,
    /// Why, where a state needs a reason; never with a text, a code or a number.
    pub reason: Option<String>,
    /// The channel that is at work on it, where there is one.
    pub channel: Option<String>,
    /// When.
    pub at: WallTime,
}

/// How often a state was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventCount {
    /// The channel that was at work, where there was one.
    pub channel: Option<String>,
    /// The state.
    pub state: &'static str,
    /// How often since the start.
    pub count: u64,
}

/// As many as there are channels and states.
type Counts = BTreeMap<(Option<String>, &'static str), u64>;

/// Where events are published and listened to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Events {
    sender: broadcast::Sender<MessageEvent>,
    /// Kept here, since a listener may miss some.
    counts: Arc<Mutex<Counts>>,
    inbox: broadcast::Sender<Arc<InboxMessage>>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(CAPACITY),
            inbox: broadcast::Sender::new(CAPACITY),
            counts: Arc::default(),
        }
    }
}

impl Events {
    /// Publishes one event to all present listeners.
    pub fn publish(&self, event: MessageEvent) {
        let key = (event.channel.clone(), event.state.as_str());
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(key).or_default();
        *count = count.saturating_add(1);
        drop(counts);
        // No listener is no failure: events are offered, not owed.
        drop(self.sender.send(event));
    }

    /// Answers how often each state was reached since the start.
    #[must_use]
    pub fn counts(&self) -> Vec<EventCount> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |((channel, state), count): (&(Option<String>, &'static str), &u64)| EventCount {
            channel: channel.clone(),
            state,
            count: *count,
        };
        counts.iter().map(count).collect()
    }

    /// Publishes a message that came in, whole or as far as it came.
    pub fn publish_inbox(&self, message: InboxMessage) {
        drop(self.inbox.send(Arc::new(message)));
    }

    /// Listens to messages that come in. What came while nobody listened is in the store.
    #[must_use]
    pub fn subscribe_inbox(&self) -> broadcast::Receiver<Arc<InboxMessage>> {
        self.inbox.subscribe()
    }

    /// Listens from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<MessageEvent> {
        self.sender.subscribe()
    }
}
