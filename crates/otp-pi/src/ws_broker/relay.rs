//! Who is connected under which topic, and the way of a frame to all of them but its sender.
//!
//! For [`super::connection`]. It must never wait for a receiver: one whose queue is full is given up.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::sync::CancellationToken;

/// Frames that may wait for one receiver, and their bytes.
pub(super) const QUEUED_FRAMES: usize = 4096;
pub(super) const QUEUED_BYTES: usize = 1024 * 1024;

/// All topics.
#[derive(Debug, Default)]
pub(super) struct Relay {
    topics: Mutex<Topics>,
    relayed: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Topics {
    next: u64,
    members: HashMap<String, HashMap<u64, Inlet>>,
}

/// The sending end of a receiver's queue.
#[derive(Debug)]
struct Inlet {
    frames: mpsc::Sender<Utf8Bytes>,
    waiting: Arc<AtomicUsize>,
    is_too_slow: CancellationToken,
}

/// The place of one connection in its topic, given back when dropped.
#[derive(Debug)]
pub(super) struct Member {
    relay: Arc<Relay>,
    topic: String,
    number: u64,
}

/// The receiving end of a receiver's queue.
#[derive(Debug)]
pub(super) struct Outlet {
    frames: mpsc::Receiver<Utf8Bytes>,
    waiting: Arc<AtomicUsize>,
}

impl Relay {
    /// Takes a connection into a topic. The token is cancelled when the connection has not read for too long.
    pub(super) fn join(self: &Arc<Self>, topic: String) -> (Member, Outlet, CancellationToken) {
        let (sender, receiver) = mpsc::channel(QUEUED_FRAMES);
        let (waiting, is_too_slow) = (Arc::default(), CancellationToken::new());
        let inlet = Inlet { frames: sender, waiting: Arc::clone(&waiting), is_too_slow: is_too_slow.clone() };
        let mut topics = self.lock();
        let number = topics.next;
        topics.next += 1;
        topics.members.entry(topic.clone()).or_default().insert(number, inlet);
        (Member { relay: Arc::clone(self), topic, number }, Outlet { frames: receiver, waiting }, is_too_slow)
    }

    /// How many frames went to a receiver's queue, and how many receivers were given up.
    pub(super) fn totals(&self) -> (u64, u64) {
        (self.relayed.load(Ordering::Relaxed), self.dropped.load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, Topics> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    /// Hands a frame to all others of the topic.
    pub(super) fn send(&self, text: &Utf8Bytes) {
        let mut topics = self.relay.lock();
        let Some(members) = topics.members.get_mut(&self.topic) else { return };
        members.retain(|number, inlet| {
            if *number == self.number {
                return true;
            }
            let is_taken = inlet.offer(text);
            let count = if is_taken { &self.relay.relayed } else { &self.relay.dropped };
            count.fetch_add(1, Ordering::Relaxed);
            is_taken
        });
    }
}

impl Inlet {
    /// Puts a frame into the queue. Without room for it, or for its bytes, the receiver is told that it is too slow.
    fn offer(&self, text: &Utf8Bytes) -> bool {
        let before = self.waiting.fetch_add(text.len(), Ordering::Relaxed);
        let is_taken = before + text.len() <= QUEUED_BYTES && self.frames.try_send(text.clone()).is_ok();
        if !is_taken {
            self.is_too_slow.cancel();
        }
        is_taken
    }
}

impl Outlet {
    /// Takes the next frame. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Utf8Bytes> {
        let text = self.frames.recv().await;
        self.note(text.as_ref());
        text
    }

    /// Takes the next frame if one waits.
    pub(super) fn take_waiting(&mut self) -> Option<Utf8Bytes> {
        let text = self.frames.try_recv().ok();
        self.note(text.as_ref());
        text
    }

    fn note(&self, text: Option<&Utf8Bytes>) {
        self.waiting.fetch_sub(text.map_or(0, |text| text.len()), Ordering::Relaxed);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut topics = self.relay.lock();
        if let Some(members) = topics.members.get_mut(&self.topic) {
            members.remove(&self.number);
            if members.is_empty() {
                topics.members.remove(&self.topic);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_goes_to_the_others_of_its_topic_alone() {
        let relay = Arc::new(Relay::default());
        let (sender, mut own, _) = relay.join("sms".to_owned());
        let (_first, mut first, _) = relay.join("sms".to_owned());
        let (_other, mut other, _) = relay.join("mail".to_owned());
        sender.send(&"hello".into());
        assert_eq!(first.take_waiting().as_deref(), Some("hello"));
        assert_eq!((own.take_waiting(), other.take_waiting()), (None, None));
    }

    #[test]
    fn a_receiver_that_does_not_read_is_given_up_by_frames_or_by_bytes_and_the_others_are_not() {
        for (text, holds) in [("x".to_owned(), QUEUED_FRAMES), ("x".repeat(65_536), QUEUED_BYTES / 65_536)] {
            let relay = Arc::new(Relay::default());
            let (sender, _own, _) = relay.join("sms".to_owned());
            let (_slow, _unread, is_too_slow) = relay.join("sms".to_owned());
            let (_quick, mut quick, is_quick_too_slow) = relay.join("sms".to_owned());
            for count in 0..=holds {
                assert!(!is_too_slow.is_cancelled(), "after {count}");
                sender.send(&text.as_str().into());
                assert!(quick.take_waiting().is_some(), "{count}");
            }
            assert!(is_too_slow.is_cancelled());
            assert!(!is_quick_too_slow.is_cancelled());
            assert_eq!(relay.totals().1, 1);
        }
    }

    #[test]
    fn topics_without_connections_are_forgotten() {
        let relay = Arc::new(Relay::default());
        for topic in ["a", "b", "c"] {
            drop(relay.join(topic.to_owned()));
        }
        assert!(relay.lock().members.is_empty());
    }
}
