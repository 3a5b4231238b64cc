//! Counts by period, under a clock that may be wrong.
//!
//! What is counted stays with the number of its period, so a clock that is set back finds what was used then. Three rules for the rest:
//! while the clock shows an earlier period than the newest counted one nobody knows which of the two is right, so what is sent counts on
//! both and the higher count holds; after the length of a period in that state the clock is believed and the newer periods are
//! forgotten; a leap of more than a year is taken for a wrong clock that was put right, and what was used before it counts on.

use std::time::Duration;

use crate::clock::WallTime;

/// What was sent.
#[derive(Copy, Clone, PartialEq, Eq, Default, Debug)]
pub struct Count {
    /// Parts, as an operator bills them.
    pub parts: u32,
    /// Their price, in the unit of the tariff.
    pub cost: u64,
}

impl Count {
    fn plus(self, other: Self) -> Self {
        Self { parts: self.parts.saturating_add(other.parts), cost: self.cost.saturating_add(other.cost) }
    }

    fn less(self, other: Self) -> Self {
        Self { parts: self.parts.saturating_sub(other.parts), cost: self.cost.saturating_sub(other.cost) }
    }

    fn most(self, other: Self) -> Self {
        Self { parts: self.parts.max(other.parts), cost: self.cost.max(other.cost) }
    }
}

/// The clock shows an earlier period than the newest counted one.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Behind {
    /// Since when, by that clock.
    pub since: WallTime,
    /// What was counted meanwhile.
    pub counted: Count,
}

/// Counts by the number of their period.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// The newest periods in which something was counted, oldest first.
    pub periods: Vec<(i64, Count)>,
    /// Some while the clock is behind them.
    pub behind: Option<Behind>,
}

/// How periods are kept: how long one is, how many are kept, and how many of them are a leap.
#[derive(Copy, Clone, Debug)]
pub(super) struct Span {
    pub(super) length: Duration,
    pub(super) kept: usize,
    pub(super) leap: i64,
}

const HOURS: u64 = 3600;
/// Days: as many as the estimate looks at, and this one.
pub(super) const DAYS: Span = Span { length: Duration::from_secs(24 * HOURS), kept: 9, leap: 400 };
/// Months.
pub(super) const MONTHS: Span = Span { length: Duration::from_secs(31 * 24 * HOURS), kept: 3, leap: 13 };

impl Counts {
    fn newest(&self) -> Option<(i64, Count)> {
        self.periods.last().copied()
    }

    /// Notices that the clock is behind, or is so no more.
    pub(super) fn settle(&mut self, period: i64, now: WallTime, span: Span) {
        let Some((newest, count)) = self.newest() else { return };
        if newest > period {
            let behind = self.behind.get_or_insert(Behind { since: now, counted: Count::default() });
            behind.since = behind.since.min(now);
            if now.saturating_since(behind.since) >= span.length {
                self.periods.retain(|(number, _)| *number <= period);
                self.behind = None;
            }
            return;
        }
        let counted = self.behind.take().map(|behind| behind.counted).unwrap_or_default();
        let goes_on = if period.saturating_sub(newest) >= span.leap { count.plus(counted) } else { counted };
        if newest < period && goes_on != Count::default() {
            self.insert(period, goes_on, span);
        }
    }

    /// What counts for the period.
    pub(super) fn of(&self, period: i64) -> Count {
        let counts = self.periods.iter().filter(|(number, _)| *number >= period).map(|(_, count)| *count);
        counts.fold(Count::default(), Count::most)
    }

    /// What was counted in that very period.
    pub(super) fn in_period(&self, period: i64) -> Count {
        self.periods.iter().find(|(number, _)| *number == period).map(|(_, count)| *count).unwrap_or_default()
    }

    pub(super) fn add(&mut self, period: i64, count: Count, now: WallTime, span: Span) {
        self.settle(period, now, span);
        if self.in_period(period) == Count::default() {
            self.insert(period, Count::default(), span);
        }
        for (_, counted) in self.periods.iter_mut().filter(|(number, _)| *number >= period) {
            *counted = counted.plus(count);
        }
        if let Some(behind) = &mut self.behind {
            behind.counted = behind.counted.plus(count);
        }
    }

    pub(super) fn take(&mut self, period: i64, count: Count) {
        let is_behind = self.behind.is_some();
        for (_, counted) in self.periods.iter_mut().filter(|(n, _)| *n == period || (is_behind && *n > period)) {
            *counted = counted.less(count);
        }
        if let Some(behind) = &mut self.behind {
            behind.counted = behind.counted.less(count);
        }
    }

    fn insert(&mut self, period: i64, count: Count, span: Span) {
        let place = self.periods.partition_point(|(number, _)| *number < period);
        match self.periods.get_mut(place) {
            Some((number, there)) if *number == period => *there = there.plus(count),
            _ => self.periods.insert(place, (period, count)),
        }
        // The one that is counted now stays, however old it looks.
        while self.periods.len() > span.kept {
            let oldest = usize::from(self.periods.first().is_some_and(|(number, _)| *number == period));
            self.periods.remove(oldest);
        }
    }
}
