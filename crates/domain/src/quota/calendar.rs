//! Where a day and a month of counting begin.

use std::time::Duration;

use crate::clock::WallTime;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// A hundred million days both ways, so that no sum below can overflow.
const FARTHEST: i64 = 100_000_000 * DAY;

/// When counting begins anew, by the clock on the wall.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Resets {
    minute_of_day: u16,
    /// Counted from 0.
    day_of_month: u8,
}

impl Resets {
    /// Takes the minute of the day (0 to 1439), and the day of the month: 1 to 28, which every month has. `None` for others.
    pub fn new(minute_of_day: u16, day_of_month: u8) -> Option<Self> {
        let is_real = minute_of_day < 24 * 60 && (1..=28).contains(&day_of_month);
        is_real.then(|| Self { minute_of_day, day_of_month: day_of_month.saturating_sub(1) })
    }

    /// Answers the day and the month of counting at `now`, where the clock on the wall is `offset_seconds` ahead of UTC.
    ///
    /// In a zone with summer time an end on the other side of a change is told an hour off, until the change has come.
    pub fn periods(self, now: WallTime, offset_seconds: i32) -> Periods {
        let shift = i64::from(offset_seconds) * 1_000 - i64::from(self.minute_of_day) * MINUTE;
        let local = now.as_unix_millis().clamp(-FARTHEST, FARTHEST) + shift;
        let day = local.div_euclid(DAY);
        let begins = |day: i64| WallTime::from_unix_millis(day * DAY - shift);
        // Days before the reset belong to the month before: as if the calendar were that many days behind.
        let (year, month) = month_of(day - i64::from(self.day_of_month));
        let month = year * 12 + month;
        let next = first_day_of(month + 1) + i64::from(self.day_of_month);
        Periods {
            now,
            day: Period { number: day, ends: begins(day + 1) },
            month: Period { number: month, ends: begins(next) },
        }
    }
}

/// A day or a month of counting.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Period {
    /// Later periods have greater numbers, and the next one has the next number.
    pub number: i64,
    /// When it ends.
    pub ends: WallTime,
}

/// A moment, and the day and the month of counting that it falls into.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Periods {
    /// The moment.
    pub now: WallTime,
    /// The day.
    pub day: Period,
    /// The month.
    pub month: Period,
}

impl Periods {
    /// Answers when the day begins that is so many days after this one.
    pub fn day_after(&self, days: u32) -> WallTime {
        let begins = self.day.ends.saturating_sub(Duration::from_millis(DAY.unsigned_abs()));
        begins.saturating_add(Duration::from_millis(DAY.unsigned_abs()).saturating_mul(days))
    }
}

/// The year and the month (0 to 11) of a day counted from 1 January 1970, in the Gregorian calendar.
///
/// Years begin with March here, so that the leap day is the last of its year and months have a regular length.
fn month_of(day: i64) -> (i64, i64) {
    const ERA: i64 = 146_097;
    let since = day + 719_468;
    let day_of_era = since.rem_euclid(ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let year = year_of_era + since.div_euclid(ERA) * 400;
    if month < 10 { (year, month + 2) } else { (year + 1, month - 10) }
}

/// The first day of a month (year · 12 + month), counted from 1 January 1970.
fn first_day_of(month: i64) -> i64 {
    const ERA: i64 = 146_097;
    // In years that begin with March.
    let since_march = month - 2;
    let (year, month) = (since_march.div_euclid(12), since_march.rem_euclid(12));
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    year.div_euclid(400) * ERA + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-24 19:00 UTC.
    const NOW: WallTime = WallTime::from_unix_millis(1_795_546_800_000);
    const JAKARTA: i32 = 7 * 3600;

    fn hours_until(periods: &Periods) -> (u64, u64) {
        let hours = |period: Period| period.ends.saturating_since(periods.now).as_secs() / 3600;
        (hours(periods.day), hours(periods.month))
    }

    #[test]
    fn a_day_ends_at_the_reset_and_a_month_on_its_day() {
        let midnight = Resets::new(0, 1).unwrap();
        assert_eq!(hours_until(&midnight.periods(NOW, 0)), (5, 5 + 6 * 24), "midnight, and the first of December");
        assert_eq!(hours_until(&midnight.periods(NOW, JAKARTA)), (22, 22 + 5 * 24), "it is the 25th there already");
        let late = Resets::new(21 * 60 + 30, 28).unwrap();
        assert_eq!(hours_until(&late.periods(NOW, 0)), (2, 2 + 4 * 24));
    }

    #[test]
    fn periods_are_numbered_without_gaps_over_every_day_of_eight_centuries() {
        let resets = Resets::new(90, 5).unwrap();
        let mut now = resets.periods(WallTime::from_unix_millis(-400 * 366 * DAY), JAKARTA).day.ends;
        let mut before = resets.periods(now, JAKARTA);
        let first = before.month.number;
        let mut days = 0;
        while days < 2 * 146_097 {
            assert!(before.day.ends > now && before.month.ends > now);
            now = before.day.ends;
            let next = resets.periods(now, JAKARTA);
            assert_eq!(next.day.number, before.day.number + 1);
            let is_new_month = now == before.month.ends;
            assert_eq!(next.month.number, before.month.number + i64::from(is_new_month));
            (before, days) = (next, days + 1);
        }
        assert_eq!(before.month.number - first, 800 * 12);
    }

    #[test]
    fn february_of_a_leap_year_has_its_day() {
        let resets = Resets::new(0, 1).unwrap();
        // 2028-02-01 12:00 UTC.
        let periods = resets.periods(WallTime::from_unix_millis(1_833_019_200_000), 0);
        assert_eq!(hours_until(&periods).1, 28 * 24 + 12);
        assert_eq!(periods.month.number, 2028 * 12 + 1);
    }

    #[test]
    fn times_beyond_the_calendar_do_no_harm() {
        for millis in [i64::MIN, i64::MAX, 0] {
            let periods = Resets::default().periods(WallTime::from_unix_millis(millis), -12 * 3600);
            assert_eq!(periods.now.as_unix_millis(), millis);
        }
        assert_eq!((Resets::new(1440, 1), Resets::new(0, 0), Resets::new(0, 29)), (None, None, None));
    }
}
