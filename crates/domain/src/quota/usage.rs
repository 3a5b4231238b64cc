//! What one SIM has sent.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

use super::calendar::{Period, Periods};
use super::counts::{Count, Counts, DAYS, MONTHS};
use super::rules::{Allowance, Ask, Quota, Spent};
use crate::clock::WallTime;

const MINUTE: Duration = Duration::from_secs(60);
/// So many days before this one make the average.
const AVERAGED: i64 = 7;

/// What a SIM has sent. Small: one is kept for each SIM that ever was in a modem.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SimUse {
    /// By day.
    pub days: Counts,
    /// By month.
    pub months: Counts,
    /// How many different receivers were counted, and in which month; which they are, whoever keeps this knows.
    pub receivers: u32,
    /// The month of those receivers.
    pub receivers_month: i64,
    /// The parts of the last minute, oldest first; kept only for a SIM with a rate.
    pub recent: VecDeque<(WallTime, u32)>,
}

/// One count, to be given back when nothing was sent.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Charge {
    /// When, and in which periods.
    pub periods: Periods,
    /// What.
    pub count: Count,
}

impl SimUse {
    /// Notices what the clock tells. To be called before anything is asked or counted.
    pub fn settle(&mut self, periods: &Periods) {
        let Periods { now, day, month } = *periods;
        self.days.settle(day.number, now, DAYS);
        self.months.settle(month.number, now, MONTHS);
        self.recent.retain(|(at, _)| now.saturating_since(*at) < MINUTE);
        for (at, _) in self.recent.iter_mut().rev().take_while(|(at, _)| *at > now) {
            *at = now;
        }
    }

    /// Begins the list of receivers anew where its month is over; true when whoever keeps it has to forget them.
    pub fn forgets_receivers(&mut self, periods: &Periods) -> bool {
        if self.has_receivers_of(periods) {
            return false;
        }
        let had_some = self.receivers > 0;
        (self.receivers, self.receivers_month) = (0, periods.month.number);
        had_some
    }

    /// Tells whether the receivers are those of this month, or of a later one as long as the clock may be behind.
    pub fn has_receivers_of(&self, periods: &Periods) -> bool {
        let month = periods.month.number;
        self.receivers_month == month || (self.receivers_month > month && self.months.behind.is_some())
    }

    /// Counts. A new receiver is one that is not among those of this month. To be called after the two above.
    pub fn add(&mut self, charge: &Charge, is_new_receiver: bool, keeps_recent: bool) {
        let Charge { periods: Periods { now, day, month }, count } = *charge;
        self.days.add(day.number, count, now, DAYS);
        self.months.add(month.number, count, now, MONTHS);
        self.receivers = self.receivers.saturating_add(u32::from(is_new_receiver));
        if keeps_recent {
            self.recent.push_back((now, count.parts));
        } else {
            self.recent.clear();
        }
    }

    /// Gives back what was counted and not sent.
    pub fn take(&mut self, charge: &Charge, was_new_receiver: bool) {
        let Charge { periods: Periods { now, day, month }, count } = *charge;
        self.days.take(day.number, count);
        self.months.take(month.number, count);
        self.receivers = self.receivers.saturating_sub(u32::from(was_new_receiver));
        if let Some(place) = self.recent.iter().rposition(|(at, parts)| (*at, *parts) == (now, count.parts)) {
            self.recent.remove(place);
        }
    }

    /// Answers whether the SIM may send what is asked; of several reasons against it the one that lasts longest.
    pub fn allows(&self, quota: &Quota, ask: Ask, periods: &Periods) -> Allowance {
        let fits = |limit: Option<NonZeroU32>, used: u32| {
            limit.is_none_or(|limit| used.saturating_add(ask.parts) <= limit.get())
        };
        let spent = |quota, period: Period| Allowance::Spent { quota, until: period.ends };
        let has_room = quota.receivers.is_none_or(|limit| self.receivers(periods) < limit.get());
        if !fits(quota.monthly, self.month(periods).parts) {
            spent(Spent::Monthly, periods.month)
        } else if !ask.is_known && !has_room {
            spent(Spent::Receivers, periods.month)
        } else if !fits(quota.daily, self.today(periods).parts) {
            spent(Spent::Daily, periods.day)
        } else if let Some(until) = quota.per_minute.and_then(|rate| self.paced_until(rate, ask.parts, periods.now)) {
            Allowance::Paced { until }
        } else {
            Allowance::Free
        }
    }

    /// When the rate has room for so many parts. A text of more parts than the rate goes out when the minute is empty.
    fn paced_until(&self, rate: NonZeroU32, parts: u32, now: WallTime) -> Option<WallTime> {
        let room = rate.get().saturating_sub(parts);
        let mut used = self.last_minute(now);
        let mut until = None;
        for (at, parts) in self.recent.iter().filter(|(at, _)| now.saturating_since(*at) < MINUTE) {
            if used <= room {
                break;
            }
            used = used.saturating_sub(*parts);
            // What is dated in the future was sent before the clock was set.
            until = Some((*at).min(now).saturating_add(MINUTE));
        }
        until
    }

    /// Answers what counts for this day.
    pub fn today(&self, periods: &Periods) -> Count {
        self.days.of(periods.day.number)
    }

    /// Answers what counts for this month.
    pub fn month(&self, periods: &Periods) -> Count {
        self.months.of(periods.month.number)
    }

    /// Answers how many different receivers count for this month.
    pub fn receivers(&self, periods: &Periods) -> u32 {
        if self.has_receivers_of(periods) { self.receivers } else { 0 }
    }

    /// Answers the parts of the last minute.
    pub fn last_minute(&self, now: WallTime) -> u32 {
        let recent = self.recent.iter().filter(|(at, _)| now.saturating_since(*at) < MINUTE);
        recent.fold(0, |sum, (_, parts)| sum.saturating_add(*parts))
    }

    /// Answers the beginning of the day on which the monthly quota runs out at the average of the last seven days before this one
    /// (of those since the first message; of today where there is none yet); `None` when it lasts until it begins anew, or when
    /// nothing was sent.
    pub fn runs_out(&self, quota: &Quota, periods: &Periods) -> Option<WallTime> {
        let left = u64::from(quota.monthly?.get().saturating_sub(self.month(periods).parts));
        let today = periods.day.number;
        let first = self.days.periods.first().map(|(day, _)| *day)?.max(today.saturating_sub(AVERAGED));
        let (first, last) = if first < today { (first, today.saturating_sub(1)) } else { (today, today) };
        let sent = (first..=last).map(|day| u64::from(self.days.in_period(day).parts)).sum::<u64>();
        let days = u64::try_from(last.saturating_sub(first).saturating_add(1)).unwrap_or(1);
        let lasts = left.saturating_mul(days).checked_div(sent)?;
        let day = periods.day_after(u32::try_from(lasts).ok()?);
        (day < periods.month.ends).then_some(day)
    }
}
