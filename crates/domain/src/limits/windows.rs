//! What happened lately under one key, and how long until a rate allows one more.
//!
//! The promise is exact on one side: in no period of a rate's length, wherever it begins, are there more than its count. Small counts
//! are kept one by one; large ones in slots of a 64th of the period, each dated by the last that fell into it, so that
//! they are held a little longer than they need to be and never shorter.

use std::collections::VecDeque;
use std::time::Duration;

use super::rate::Rate;
use crate::clock::WallTime;

/// Counts up to this are kept one by one.
const EXACT: u32 = 64;
/// Slots per period of a larger count.
const SLOTS: u32 = 64;

/// What was counted under one key.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Windows {
    /// The newest, oldest first, as many as the largest small count needs.
    pub exact: VecDeque<WallTime>,
    /// One of these for each rate with a large count.
    pub slotted: Vec<Slots>,
}

/// What was counted for one rate with a large count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slots {
    /// Of the rate that these are for.
    pub period: Duration,
    /// How many, dated by the last of them; oldest first.
    pub slots: VecDeque<(WallTime, u32)>,
}

impl Windows {
    /// True when nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.slotted.iter().all(|slots| slots.slots.is_empty())
    }

    /// Answers which rate is reached for the longest time, and how long that is; `None` when one more is allowed.
    pub fn wait(&self, rates: &[Rate], now: WallTime) -> Option<(Rate, Duration)> {
        let waits = rates.iter().filter_map(|rate| Some((*rate, self.wait_for(*rate, now)?)));
        waits.max_by_key(|(_, wait)| *wait)
    }

    /// Answers how many of the rate's count are used up.
    pub fn used(&self, rate: Rate, now: WallTime) -> u32 {
        if rate.count() <= EXACT {
            let used = self.exact.iter().filter(|at| ends_in(**at, rate, now).is_some()).count();
            u32::try_from(used).unwrap_or(u32::MAX)
        } else {
            let slots = self.slots(rate).map(|slots| slots.slots.iter()).into_iter().flatten();
            slots
                .filter(|(at, _)| ends_in(*at, rate, now).is_some())
                .fold(0, |sum, (_, count)| sum.saturating_add(*count))
        }
    }

    fn wait_for(&self, rate: Rate, now: WallTime) -> Option<Duration> {
        if rate.count() <= EXACT {
            // Full while the one that stands `count` from the end is younger than the period.
            let place = self.exact.len().checked_sub(usize::try_from(rate.count()).ok()?)?;
            return ends_in(*self.exact.get(place)?, rate, now);
        }
        let slots = &self.slots(rate)?.slots;
        let mut held = 0_u32;
        for (at, count) in slots.iter().rev() {
            let wait = ends_in(*at, rate, now)?;
            held = held.saturating_add(*count);
            if held >= rate.count() {
                return Some(wait);
            }
        }
        None
    }

    fn slots(&self, rate: Rate) -> Option<&Slots> {
        self.slotted.iter().find(|slots| slots.period == rate.period())
    }

    /// Counts one. To be asked only when [`Self::wait`] allows it, or when nothing is to be refused.
    pub fn count(&mut self, rates: &[Rate], now: WallTime) {
        self.settle(rates, now);
        if rates.iter().any(|rate| rate.count() <= EXACT) {
            self.exact.push_back(now);
            let most = rates.iter().filter(|rate| rate.count() <= EXACT).map(|rate| rate.count()).max().unwrap_or(0);
            while self.exact.len() > usize::try_from(most).unwrap_or(usize::MAX) {
                self.exact.pop_front();
            }
        }
        for rate in rates.iter().filter(|rate| rate.count() > EXACT) {
            if self.slots(*rate).is_none() {
                self.slotted.push(Slots { period: rate.period(), slots: VecDeque::new() });
            }
            let Some(slots) = self.slotted.iter_mut().find(|slots| slots.period == rate.period()) else { continue };
            match slots.slots.back_mut() {
                Some((at, count)) if slot_of(*at, rate.period()) == slot_of(now, rate.period()) => {
                    (*at, *count) = (now, count.saturating_add(1));
                }
                _ => slots.slots.push_back((now, 1)),
            }
        }
    }

    /// Takes one back that was counted at that time.
    pub fn give_back(&mut self, at: WallTime) {
        if let Some(place) = self.exact.iter().rposition(|counted| *counted == at) {
            self.exact.remove(place);
        }
        for slots in &mut self.slotted {
            // The slot may be dated later by now, and may be gone: then there is nothing to give back.
            let period = slots.period;
            let is_its_slot = |(dated, _): &(WallTime, u32)| slot_of(*dated, period) == slot_of(at, period);
            let Some(place) = slots.slots.iter().position(is_its_slot) else { continue };
            if let Some((_, count)) = slots.slots.get_mut(place) {
                *count = count.saturating_sub(1);
            }
            slots.slots.retain(|(_, count)| *count > 0);
        }
    }

    /// Forgets what no rate looks at any more, and dates what is in the future as now.
    pub fn settle(&mut self, rates: &[Rate], now: WallTime) {
        let longest = |is_small: bool| {
            let periods = rates.iter().filter(|rate| (rate.count() <= EXACT) == is_small).map(|rate| rate.period());
            periods.max().unwrap_or_default()
        };
        let kept = longest(true);
        self.exact.retain(|at| now.saturating_since(*at) < kept);
        for at in self.exact.iter_mut().rev().take_while(|at| **at > now) {
            *at = now;
        }
        self.slotted.retain(|slots| rates.iter().any(|rate| rate.count() > EXACT && rate.period() == slots.period));
        for slots in &mut self.slotted {
            slots.slots.retain(|(at, _)| now.saturating_since(*at) < slots.period);
            for (at, _) in slots.slots.iter_mut().rev().take_while(|(at, _)| *at > now) {
                *at = now;
            }
        }
        if self.exact.is_empty() {
            self.exact.shrink_to_fit();
        }
    }

    /// Dates everything earlier by so much: the clock was set back.
    pub(super) fn set_back(&mut self, by: Duration) {
        for at in self.times() {
            *at = at.saturating_sub(by);
        }
    }

    /// Dates what is later than that as that.
    pub(super) fn not_after(&mut self, latest: WallTime) {
        for at in self.times() {
            *at = latest.min(*at);
        }
    }

    fn times(&mut self) -> impl Iterator<Item = &mut WallTime> {
        let slots = self.slotted.iter_mut().flat_map(|slots| slots.slots.iter_mut().map(|(at, _)| at));
        self.exact.iter_mut().chain(slots)
    }
}

/// How long one that was counted at `at` still fills the rate; `None` when it does not any more.
fn ends_in(at: WallTime, rate: Rate, now: WallTime) -> Option<Duration> {
    let age = now.saturating_since(at);
    rate.period().checked_sub(age).filter(|left| !left.is_zero())
}

/// Which slot of a rate's period a time falls into.
fn slot_of(at: WallTime, period: Duration) -> i64 {
    let millis = i64::try_from(period.as_millis()).unwrap_or(i64::MAX);
    at.as_unix_millis().div_euclid(millis.checked_div(i64::from(SLOTS)).unwrap_or(1).max(1))
}
