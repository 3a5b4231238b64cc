//! What one life of an intake leaves to the next: what the broker may bring once more, and the answers that it has not confirmed.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::packet::Letter;

/// How many answers wait for their time, or for the broker's, before the next one goes at once.
pub(super) const MOST_WAITING: usize = 1000;

/// The number of our SUBSCRIBE; answers have others.
pub(super) const SUBSCRIPTION: u16 = 1;

/// Our side of a session.
#[derive(Default)]
pub(in crate::intake) struct Kept {
    /// Numbers of messages that are done: of quality 1 until PUBACK is said, of quality 2 until the broker has forgotten them (PUBREL).
    done: BTreeSet<u16>,
    /// Answers by the time at which they go, and their order.
    waiting: BTreeMap<(Instant, u64), Letter>,
    /// Answers without a PUBACK, by their numbers.
    flying: BTreeMap<u16, Letter>,
    last_number: u16,
    last_order: u64,
}

impl Kept {
    /// A connection begins. The numbers of a session that the broker has lost mean nothing any more; answers are sent anew.
    pub(super) fn begin(&mut self, has_session: bool, now: Instant) {
        if !has_session {
            self.done.clear();
        }
        for (_, letter) in std::mem::take(&mut self.flying) {
            self.add(letter, now);
        }
    }

    /// Writes down that a message is done.
    pub(super) fn finish(&mut self, id: u16) {
        self.done.insert(id);
    }

    /// True where a message is done, and was not acknowledged as far as the broker knows. With quality 1 the number of a new message may be
    /// that of an old one.
    pub(super) fn is_done(&mut self, id: u16, qos: u8, is_again: bool) -> bool {
        if qos == 1 && !is_again {
            self.done.remove(&id);
        }
        self.done.contains(&id)
    }

    /// Forgets a number: the broker may use it for another message.
    pub(super) fn forget(&mut self, id: u16) {
        self.done.remove(&id);
    }

    /// An answer is to go at this time.
    pub(super) fn add(&mut self, letter: Letter, at: Instant) {
        self.last_order += 1;
        self.waiting.insert((at, self.last_order), letter);
    }

    /// True where no answer waits for anything.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.flying.is_empty()
    }

    /// When the next answer goes, if no more than `most` fly by then.
    pub(super) fn next_due(&self, most: usize) -> Option<Instant> {
        if self.flying.len() >= most {
            return None;
        }
        self.waiting.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next answer that is due, with its number: 0 where too many fly and too many wait, so that nobody will confirm it.
    pub(super) fn take_due(&mut self, now: Instant, most: usize) -> Option<(u16, Letter)> {
        let is_crowded = self.waiting.len() > MOST_WAITING;
        let has_room = self.flying.len() < most;
        let first = self.waiting.first_entry()?;
        if !is_crowded && (!has_room || first.key().0 > now) {
            return None;
        }
        let letter = first.remove();
        if !has_room {
            return Some((0, letter));
        }
        let id = self.number();
        self.flying.insert(id, letter.clone());
        Some((id, letter))
    }

    /// An answer needs no more care. False where none has this number.
    pub(super) fn land(&mut self, id: u16) -> bool {
        self.flying.remove(&id).is_some()
    }

    fn number(&mut self) -> u16 {
        loop {
            self.last_number = self.last_number.checked_add(1).unwrap_or(SUBSCRIPTION).max(SUBSCRIPTION + 1);
            if !self.flying.contains_key(&self.last_number) {
                return self.last_number;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;

    fn letter(topic: &str) -> Letter {
        Letter { topic: topic.to_owned(), body: Bytes::new(), correlation: None }
    }

    #[tokio::test]
    async fn a_message_that_is_done_is_not_done_again_and_a_new_one_of_the_same_number_is() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        kept.finish(7);
        kept.begin(true, now);
        assert!(kept.is_done(7, 1, true) && kept.is_done(7, 2, false));
        assert!(!kept.is_done(7, 1, false));
        kept.finish(7);
        kept.begin(false, now);
        assert!(!kept.is_done(7, 1, true) && !kept.is_done(7, 2, true));
    }

    #[tokio::test]
    async fn answers_go_in_order_when_they_are_due_and_again_after_a_break() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        let later = now + Duration::from_secs(1);
        for (topic, at) in [("late", later), ("a", now), ("b", now), ("c", now)] {
            kept.add(letter(topic), at);
        }
        let mut take = |at| kept.take_due(at, 2).map(|(id, letter)| (id, letter.topic));
        assert_eq!(take(now), Some((2, "a".to_owned())));
        assert_eq!(take(now), Some((3, "b".to_owned())));
        assert_eq!(take(now), None);
        assert!(kept.land(2) && !kept.land(2));
        assert_eq!(kept.take_due(now, 2).unwrap().0, 4);
        kept.begin(true, later);
        let topics: Vec<_> = std::iter::from_fn(|| kept.take_due(later, 9)).map(|(_, letter)| letter.topic).collect();
        assert_eq!(topics, ["late", "b", "c"]);
    }

    #[tokio::test]
    async fn more_answers_than_are_kept_go_at_once() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        for _ in 0..MOST_WAITING + 2 {
            kept.add(letter("x"), now + Duration::from_secs(60));
        }
        let gone: Vec<_> = std::iter::from_fn(|| kept.take_due(now, 1)).map(|(id, _)| id).collect();
        assert_eq!(gone, [2, 0]);
    }
}
