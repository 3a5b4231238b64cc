//! Which parts are one message that came in, and when one is whole.
//!
//! The parts of a long text share a sender, a SIM, a reference and a total; the caller looks those up. A reference is used again
//! sooner or later, so the times decide what belongs together. Asked by the store, within the commit that keeps a part.
//!
//! # Standard
//! 3GPP TS 23.040 §9.2.3.24.1 (concatenation), §9.2.3.11 (time stamp of the service centre).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::WallTime;
use crate::message::MessageId;

/// Parts of one text lie no further apart than this. A service centre delivers for days what it could not deliver at once, but
/// its time stamp says when it took a part, and a phone without network hands its parts over within hours.
pub const JOIN_WINDOW: Duration = Duration::from_hours(24);

/// One part as it came.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct InboxPart {
    /// Its number, from 1.
    pub number: u8,
    /// When the service centre took it, by its own clock; not every time stamp can be read.
    pub sent_at: Option<WallTime>,
    /// When it came here, by a clock that may have jumped.
    pub received_at: WallTime,
}

impl InboxPart {
    /// How far two parts lie apart: by the network's clock, and by ours only where that is not known.
    fn distance(&self, other: &Self) -> u64 {
        let (one, two) = match (self.sent_at, other.sent_at) {
            (Some(one), Some(two)) => (one, two),
            _ => (self.received_at, other.received_at),
        };
        one.as_unix_millis().abs_diff(two.as_unix_millis())
    }
}

/// Finds the message that a part completes or goes on, among parts with the same sender, SIM, reference and total; `None` when it
/// begins a new one. A message that has its number already is another one: the reference was used again. Among several the
/// nearest wins, and of equals the newest.
pub fn find_message(part: &InboxPart, known: &[(MessageId, InboxPart)]) -> Option<MessageId> {
    let window = u64::try_from(JOIN_WINDOW.as_millis()).unwrap_or(u64::MAX);
    let mut farthest: BTreeMap<MessageId, Option<u64>> = BTreeMap::new();
    for (id, seen) in known {
        let entry = farthest.entry(*id).or_insert(Some(0));
        *entry = entry.filter(|_| seen.number != part.number).map(|so_far| so_far.max(part.distance(seen)));
    }
    let open = farthest.into_iter().filter_map(|(id, farthest)| Some((farthest?, id)));
    let near = open.filter(|(farthest, _)| *farthest <= window);
    near.min_by(|(one, one_id), (other, other_id)| one.cmp(other).then(other_id.cmp(one_id))).map(|(_, id)| id)
}

/// Whether a message is whole.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum InboxState {
    /// All of it came.
    Complete,
    /// Parts are missing, and may still be on their way.
    Waiting,
    /// Parts are missing for so long that they will hardly come; one that comes all the same is joined.
    Incomplete,
}

impl InboxState {
    /// Judges a message of which `came` parts are here, the last at `newest`. A clock that was set back makes it wait longer.
    pub fn of(came: usize, total: u8, newest: WallTime, now: WallTime, patience: Duration) -> Self {
        if came >= usize::from(total) {
            Self::Complete
        } else if now.saturating_since(newest) < patience {
            Self::Waiting
        } else {
            Self::Incomplete
        }
    }

    /// Answers the word used in answers and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Waiting => "waiting",
            Self::Incomplete => "incomplete",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Just, Strategy, any, prop_assert_eq, proptest};

    const HOUR: i64 = 3_600_000;

    fn id(number: u8) -> MessageId {
        MessageId::from_bytes([number; 16])
    }

    /// A part that the service centre took at that hour.
    fn part(number: u8, hour: i64) -> InboxPart {
        let at = WallTime::from_unix_millis(hour * HOUR);
        InboxPart { number, sent_at: Some(at), received_at: at }
    }

    /// Takes parts in as the store does; answers the message of each.
    fn taken(parts: &[InboxPart]) -> Vec<u8> {
        let mut known: Vec<(MessageId, InboxPart)> = Vec::new();
        for (count, part) in (1_u8..=255).zip(parts) {
            let message = find_message(part, &known).unwrap_or(id(count));
            known.push((message, *part));
        }
        known.into_iter().map(|(id, _)| id.as_bytes()[0]).collect()
    }

    #[test]
    fn parts_are_joined_and_a_reference_that_is_used_again_begins_a_new_message() {
        for (what, parts, messages) in [
            ("in order", vec![part(1, 0), part(2, 0), part(3, 0)], vec![1, 1, 1]),
            ("the last first", vec![part(3, 0), part(1, 0), part(2, 0)], vec![1, 1, 1]),
            ("an hour late", vec![part(1, 0), part(2, 1)], vec![1, 1]),
            ("days later", vec![part(1, 0), part(2, 49)], vec![1, 2]),
            ("the same number again", vec![part(1, 0), part(2, 0), part(1, 1), part(2, 1)], vec![1, 1, 3, 3]),
            ("the first one incomplete", vec![part(1, 0), part(1, 10), part(2, 10)], vec![1, 2, 2]),
            ("nearest first, not newest", vec![part(1, 10), part(1, 0), part(2, 9)], vec![1, 2, 1]),
        ] {
            assert_eq!(taken(&parts), messages, "{what}");
        }
    }

    #[test]
    fn the_networks_clock_counts_and_ours_only_without_it() {
        // Our clock was set forward by years between the two.
        let mut late = part(2, 0);
        late.received_at = WallTime::from_unix_millis(500_000 * HOUR);
        assert_eq!(taken(&[part(1, 0), late]), [1, 1]);
        late.sent_at = None;
        assert_eq!(taken(&[part(1, 0), late]), [1, 2]);
        let unstamped = InboxPart { sent_at: None, ..part(2, 3) };
        assert_eq!(taken(&[part(1, 0), unstamped]), [1, 1]);
    }

    #[test]
    fn a_message_waits_for_its_parts_and_is_then_shown_without_them() {
        let at = |hour: i64| WallTime::from_unix_millis(hour * HOUR);
        let hour = Duration::from_hours(1);
        for (came, newest, now, state) in [
            (2, 0, 0, InboxState::Waiting),
            (2, 0, 1, InboxState::Incomplete),
            (3, 0, 9, InboxState::Complete),
            (2, 9, 0, InboxState::Waiting),
        ] {
            assert_eq!(InboxState::of(came, 3, at(newest), at(now), hour), state, "{came} {newest} {now}");
        }
    }

    proptest! {
        #[test]
        fn in_whatever_order_parts_come_they_are_one_message(
            parts in (1_u8..=255).prop_flat_map(|total| Just((1..=total).map(|n| part(n, 0)).collect::<Vec<_>>()).prop_shuffle())
        ) {
            prop_assert_eq!(taken(&parts), vec![1; parts.len()]);
        }

        #[test]
        fn no_message_ever_has_a_number_twice_or_parts_of_different_days(
            parts in proptest::collection::vec((1_u8..=4, 0_i64..200), 1..60)
        ) {
            let parts: Vec<_> = parts.into_iter().map(|(number, hour)| part(number, hour)).collect();
            let messages = taken(&parts);
            for (one, a) in parts.iter().zip(&messages).enumerate().map(|(at, (part, id))| ((at, part), id)) {
                for (other, b) in parts.iter().zip(&messages).enumerate().map(|(at, (part, id))| ((at, part), id)) {
                    if one.0 != other.0 && a == b {
                        assert_ne!(one.1.number, other.1.number);
                        assert!(one.1.distance(other.1) <= u64::try_from(JOIN_WINDOW.as_millis()).unwrap());
                    }
                }
            }
        }

        #[test]
        fn two_texts_a_week_apart_are_never_mixed(
            order in Just((0_u8..6).collect::<Vec<_>>()).prop_shuffle(), week in any::<bool>()
        ) {
            let parts: Vec<_> = order.iter().map(|n| part(n % 3 + 1, if (n / 3 == 0) == week { 0 } else { 168 })).collect();
            let messages = taken(&parts);
            for (one, a) in parts.iter().zip(&messages) {
                for (other, b) in parts.iter().zip(&messages) {
                    prop_assert_eq!(a == b, one.sent_at == other.sent_at);
                }
            }
        }
    }
}
