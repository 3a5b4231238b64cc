//! What a SIM has sent, as bytes: written with each message, so it is kept small.
//!
//! Format 1, all integers big-endian: format, days, months, receivers, their month, the last minute. Lists have their length first.

use std::collections::VecDeque;

use domain::quota::{Behind, Count, Counts, SimUse};

use crate::octets::{Octets, push_time};

const FORMAT: u8 = 1;
/// More than any list holds: damaged bytes must not make us allocate.
const LIST_AT_MOST: u16 = 4_096;

/// The record as the database holds it.
pub(super) fn encode(usage: &SimUse) -> Vec<u8> {
    let mut out = vec![FORMAT];
    push_counts(&mut out, &usage.days);
    push_counts(&mut out, &usage.months);
    out.extend_from_slice(&usage.receivers.to_be_bytes());
    out.extend_from_slice(&usage.receivers_month.to_be_bytes());
    // The newest are those that count.
    let length = u16::try_from(usage.recent.len()).unwrap_or(LIST_AT_MOST).min(LIST_AT_MOST);
    out.extend_from_slice(&length.to_be_bytes());
    for (at, parts) in usage.recent.iter().skip(usage.recent.len().saturating_sub(length.into())) {
        push_time(&mut out, *at);
        out.extend_from_slice(&parts.to_be_bytes());
    }
    out
}

fn push_counts(out: &mut Vec<u8>, counts: &Counts) {
    // A handful by what `domain` keeps.
    out.push(u8::try_from(counts.periods.len()).unwrap_or(u8::MAX));
    for (number, count) in counts.periods.iter().take(u8::MAX.into()) {
        out.extend_from_slice(&number.to_be_bytes());
        push_count(out, *count);
    }
    out.push(u8::from(counts.behind.is_some()));
    if let Some(behind) = counts.behind {
        push_time(out, behind.since);
        push_count(out, behind.counted);
    }
}

fn push_count(out: &mut Vec<u8>, count: Count) {
    out.extend_from_slice(&count.parts.to_be_bytes());
    out.extend_from_slice(&count.cost.to_be_bytes());
}

/// The use of these bytes; None when they are not one.
pub(super) fn decode(bytes: &[u8]) -> Option<SimUse> {
    let mut input = Octets(bytes);
    if input.byte()? != FORMAT {
        return None;
    }
    let (days, months) = (counts(&mut input)?, counts(&mut input)?);
    let (receivers, receivers_month) = (input.number()?, input.take().map(i64::from_be_bytes)?);
    let length = input.take().map(u16::from_be_bytes)?;
    if length > LIST_AT_MOST {
        return None;
    }
    let mut recent = VecDeque::new();
    for _ in 0..length {
        recent.push_back((input.time()?, input.number()?));
    }
    input.is_empty().then_some(SimUse { days, months, receivers, receivers_month, recent })
}

fn counts(input: &mut Octets<'_>) -> Option<Counts> {
    let mut periods = Vec::new();
    for _ in 0..input.byte()? {
        periods.push((input.take().map(i64::from_be_bytes)?, count(input)?));
    }
    let is_sorted = periods.windows(2).all(|pair| matches!(pair, [one, other] if one.0 < other.0));
    let behind = if input.flag()? { Some(Behind { since: input.time()?, counted: count(input)? }) } else { None };
    is_sorted.then_some(Counts { periods, behind })
}

fn count(input: &mut Octets<'_>) -> Option<Count> {
    Some(Count { parts: input.number()?, cost: input.take().map(u64::from_be_bytes)? })
}

#[cfg(test)]
mod tests {
    use domain::clock::WallTime;
    use proptest::prelude::*;

    use super::*;

    fn counts() -> impl Strategy<Value = Counts> {
        let count = || (any::<u32>(), any::<u64>()).prop_map(|(parts, cost)| Count { parts, cost });
        let behind = prop::option::of((any::<i64>(), count()))
            .prop_map(|it| it.map(|(at, counted)| Behind { since: WallTime::from_unix_millis(at), counted }));
        (prop::collection::btree_map(any::<i64>(), count(), 0..10), behind)
            .prop_map(|(periods, behind)| Counts { periods: periods.into_iter().collect(), behind })
    }

    proptest! {
        #[test]
        fn a_use_is_read_as_it_was_written(
            (days, months) in (counts(), counts()),
            (receivers, receivers_month) in any::<(u32, i64)>(),
            recent in prop::collection::vec(any::<(i64, u32)>(), 0..70),
        ) {
            let recent = recent.into_iter().map(|(at, parts)| (WallTime::from_unix_millis(at), parts)).collect();
            let usage = SimUse { days, months, receivers, receivers_month, recent };
            prop_assert_eq!(decode(&encode(&usage)), Some(usage));
        }

        #[test]
        fn damaged_bytes_are_no_use_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(usage) = decode(&bytes) {
                prop_assert_eq!(encode(&usage), bytes);
            }
        }
    }
}
