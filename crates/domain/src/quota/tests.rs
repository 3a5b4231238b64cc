use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::clock::WallTime;
use crate::receiver::Msisdn;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// 2026-11-24 12:00 UTC.
const NOON: WallTime = WallTime::from_unix_millis(1_795_521_600_000);

fn quota(daily: u32, monthly: u32, receivers: u32, per_minute: u32) -> Quota {
    let limit = NonZeroU32::new;
    Quota {
        daily: limit(daily),
        monthly: limit(monthly),
        receivers: limit(receivers),
        per_minute: limit(per_minute),
        resets: Resets::new(0, 1).unwrap(),
    }
}

fn at(now: WallTime) -> Periods {
    Resets::new(0, 1).unwrap().periods(now, 0)
}

fn charge(now: WallTime, parts: u32) -> Charge {
    Charge { periods: at(now), count: Count { parts, cost: 0 } }
}

/// Sends if it may; tells whether it did.
fn send(sim: &mut SimUse, quota: &Quota, now: WallTime, parts: u32) -> Allowance {
    sim.settle(&at(now));
    let allowance = sim.allows(quota, Ask { parts, is_known: false }, &at(now));
    if allowance == Allowance::Free {
        sim.forgets_receivers(&at(now));
        sim.add(&charge(now, parts), true, quota.per_minute.is_some());
    }
    allowance
}

#[test]
fn the_quota_that_holds_longest_is_told_with_its_end() {
    let mut sim = SimUse::default();
    let (day, month) = (at(NOON).day.ends, at(NOON).month.ends);
    assert_eq!(send(&mut sim, &quota(3, 4, 0, 0), NOON, 3), Allowance::Free);
    for (quota, parts, told) in [
        (quota(3, 4, 0, 0), 1, Allowance::Spent { quota: Spent::Daily, until: day }),
        (quota(3, 4, 0, 0), 2, Allowance::Spent { quota: Spent::Monthly, until: month }),
        (quota(3, 4, 1, 0), 1, Allowance::Spent { quota: Spent::Receivers, until: month }),
        (quota(0, 4, 0, 0), 1, Allowance::Free),
    ] {
        assert_eq!(sim.allows(&quota, Ask { parts, is_known: false }, &at(NOON)), told, "{quota:?}");
    }
    let known = Ask { parts: 1, is_known: true };
    assert_eq!(sim.allows(&quota(0, 0, 1, 0), known, &at(NOON)), Allowance::Free, "it was written to this month");
}

#[test]
fn a_burst_is_paced_by_the_minute() {
    let (mut sim, quota) = (SimUse::default(), quota(0, 0, 0, 3));
    let seconds = |seconds: u64| NOON.saturating_add(Duration::from_secs(seconds));
    for second in [0, 5, 10] {
        assert_eq!(send(&mut sim, &quota, seconds(second), 1), Allowance::Free);
    }
    assert_eq!(send(&mut sim, &quota, seconds(11), 1), Allowance::Paced { until: seconds(60) });
    assert_eq!(send(&mut sim, &quota, seconds(11), 2), Allowance::Paced { until: seconds(65) });
    assert_eq!(send(&mut sim, &quota, seconds(11), 9), Allowance::Paced { until: seconds(70) }, "when it is empty");
    assert_eq!(send(&mut sim, &quota, seconds(60), 1), Allowance::Free);
    // Set back by an hour: what was sent then counts as sent now, and no longer than a minute.
    let earlier = NOON.saturating_sub(HOUR);
    let until = earlier.saturating_add(Duration::from_secs(60));
    assert_eq!(send(&mut sim, &quota, earlier, 1), Allowance::Paced { until });
    assert_eq!(send(&mut sim, &quota, until, 1), Allowance::Free);
}

#[test]
fn what_was_not_sent_is_given_back() {
    let (mut sim, quota) = (SimUse::default(), quota(2, 2, 1, 2));
    assert_eq!(send(&mut sim, &quota, NOON, 2), Allowance::Free);
    sim.take(&charge(NOON, 2), true);
    assert_eq!(send(&mut sim, &quota, NOON, 2), Allowance::Free);
    sim.take(&charge(NOON, 2), true);
    sim.take(&charge(NOON, 2), true);
    assert_eq!(sim.today(&at(NOON)).parts, 0, "never less than nothing");
}

#[test]
fn a_clock_that_wakes_up_in_1970_gives_nothing_twice() {
    let (mut sim, quota) = (SimUse::default(), quota(5, 0, 0, 0));
    assert_eq!(send(&mut sim, &quota, NOON, 4), Allowance::Free);
    let woken = WallTime::from_unix_millis(60_000);
    assert_eq!(send(&mut sim, &quota, woken, 1), Allowance::Free, "one is left");
    assert!(matches!(send(&mut sim, &quota, woken, 1), Allowance::Spent { quota: Spent::Daily, .. }));
    assert!(matches!(send(&mut sim, &quota, NOON, 1), Allowance::Spent { quota: Spent::Daily, .. }));
    // Put right on the next day: what was sent under the wrong clock may have been sent on that day.
    sim.settle(&at(woken));
    let tomorrow = NOON.saturating_add(DAY);
    sim.settle(&at(tomorrow));
    assert_eq!(sim.today(&at(tomorrow)).parts, 0, "nothing was sent since the clock was put right");
}

#[test]
fn the_first_start_of_all_in_1970_counts_for_the_day_on_which_the_clock_is_set() {
    let (mut sim, quota) = (SimUse::default(), quota(5, 6, 0, 0));
    assert_eq!(send(&mut sim, &quota, WallTime::from_unix_millis(60_000), 5), Allowance::Free);
    assert!(matches!(send(&mut sim, &quota, NOON, 1), Allowance::Spent { quota: Spent::Daily, .. }));
    assert_eq!(send(&mut sim, &quota, NOON.saturating_add(DAY), 1), Allowance::Free);
    assert!(matches!(send(&mut sim, &quota, NOON.saturating_add(2 * DAY), 1), Allowance::Spent { .. }), "of the month");
}

#[test]
fn a_clock_that_was_years_ahead_holds_nothing_back_for_longer_than_a_day() {
    let (mut sim, quota) = (SimUse::default(), quota(5, 0, 0, 0));
    assert_eq!(send(&mut sim, &quota, NOON.saturating_add(3_650 * DAY), 5), Allowance::Free);
    assert!(matches!(send(&mut sim, &quota, NOON, 1), Allowance::Spent { quota: Spent::Daily, .. }));
    assert!(matches!(send(&mut sim, &quota, NOON.saturating_add(23 * HOUR), 1), Allowance::Spent { .. }));
    assert_eq!(send(&mut sim, &quota, NOON.saturating_add(DAY), 5), Allowance::Free);
}

#[test]
fn receivers_are_forgotten_with_their_month() {
    let (mut sim, december) = (SimUse::default(), NOON.saturating_add(8 * DAY));
    let forgets = |sim: &mut SimUse, now| {
        sim.settle(&at(now));
        sim.forgets_receivers(&at(now))
    };
    assert!(!forgets(&mut sim, NOON), "there are none");
    sim.add(&charge(NOON, 1), true, false);
    assert_eq!((sim.receivers(&at(NOON)), sim.receivers(&at(december))), (1, 0));
    assert!(forgets(&mut sim, december), "whoever keeps them forgets them");
    sim.add(&charge(december, 1), true, false);
    assert!(!forgets(&mut sim, NOON), "a clock that was set back does not empty the list");
    assert!(forgets(&mut sim, NOON.saturating_sub(DAY * 365).saturating_add(DAY * 700)), "nor does it stay for ever");
}

#[test]
fn the_day_on_which_it_runs_out_follows_the_last_week() {
    let date = |days: u32| Some(WallTime::from_unix_millis(1_795_478_400_000).saturating_add(DAY * days));
    let check = |sent: &[(i64, u32)], monthly: u32, expected: Option<WallTime>| {
        let mut sim = SimUse::default();
        for (days_ago, parts) in sent {
            let now = NOON.saturating_sub(DAY * u32::try_from(*days_ago).unwrap());
            sim.settle(&at(now));
            sim.add(&charge(now, *parts), false, false);
        }
        assert_eq!(sim.runs_out(&quota(0, monthly, 0, 0), &at(NOON)), expected, "{sent:?} of {monthly}");
    };
    check(&[], 100, None);
    check(&[(0, 40)], 100, date(1));
    check(&[(1, 10)], 30, date(2));
    check(&[(2, 10)], 30, date(4));
    check(&[(7, 70), (3, 70)], 200, date(3));
    check(&[(20, 1), (8, 1_000), (1, 7)], 1_010, date(2));
    check(&[(1, 10)], 10, date(0));
    check(&[(1, 10)], 1_000, None);
    check(&[(1, 10)], 0, None);
}

#[test]
fn the_tariff_of_a_number_is_that_of_its_prefix() {
    let tariff = Tariff { prefixes: vec!["62812".to_owned(), String::new()], own: 50, other: 350 };
    let price = |digits: &str| tariff.price(&Msisdn::from_canonical(digits).unwrap());
    assert_eq!((price("628126666666"), price("628716666666")), (50, 350));
}

proptest! {
    #[test]
    fn no_day_month_or_minute_ever_gets_more_than_its_quota(
        steps in prop::collection::vec((0_u64..200_000, 1_u32..4), 1..200),
        (daily, monthly, rate) in (1_u32..20, 1_u32..60, 3_u32..10),
        zone in -12_i32..14,
    ) {
        let resets = Resets::new(317, 17).unwrap();
        let quota = Quota { resets, ..quota(daily, monthly, 0, rate) };
        let (mut sim, mut now, mut sent) = (SimUse::default(), NOON, Vec::new());
        let (mut days, mut months) = (BTreeMap::<i64, u32>::new(), BTreeMap::<i64, u32>::new());
        for (step, parts) in steps {
            // Mostly seconds, sometimes hours, at times days.
            now = now.saturating_add(Duration::from_secs(if step < 150_000 { step % 40 } else { step }));
            let periods = resets.periods(now, zone * 3600);
            sim.settle(&periods);
            let is_allowed = sim.allows(&quota, Ask { parts, is_known: true }, &periods) == Allowance::Free;
            let count = |periods: &BTreeMap<i64, u32>, number: i64| periods.get(&number).copied().unwrap_or(0);
            let (today, month) = (count(&days, periods.day.number), count(&months, periods.month.number));
            let minute: u32 = sent.iter().filter(|(at, _)| now.saturating_since(*at) < Duration::from_secs(60)).map(|(_, parts)| parts).sum();
            let fits = today + parts <= daily && month + parts <= monthly && minute + parts <= rate;
            prop_assert_eq!(is_allowed, fits, "neither more than the quota nor less");
            if is_allowed {
                sim.add(&Charge { periods, count: Count { parts, cost: 0 } }, false, true);
                days.insert(periods.day.number, today + parts);
                months.insert(periods.month.number, month + parts);
                sent.push((now, parts));
            }
        }
    }

    #[test]
    fn no_real_day_gets_more_than_its_quota_while_the_clock_falls_back_and_is_put_right(
        spells in prop::collection::vec((1_u64..23, any::<bool>(), 2_u32..20_000), 1..40),
        daily in 1_u32..10,
    ) {
        let quota = quota(daily, 0, 0, 0);
        let (mut sim, mut real, mut days) = (SimUse::default(), NOON, BTreeMap::<i64, u32>::new());
        // Something was counted once: before that nobody can tell a wrong clock from a right one.
        for (hours, is_wrong, fallen_back) in std::iter::once((1, false, 0)).chain(spells) {
            // A wrong clock goes on from some day in the past; it is put right before it has been wrong for a day.
            let wrong_by = if is_wrong { DAY * fallen_back } else { Duration::ZERO };
            for _ in 0..hours {
                if send(&mut sim, &quota, real.saturating_sub(wrong_by), 1) == Allowance::Free {
                    let day = days.entry(at(real).day.number).or_default();
                    *day += 1;
                    prop_assert!(*day <= daily);
                }
                real = real.saturating_add(HOUR);
            }
            sim.settle(&at(real));
        }
    }

    #[test]
    fn whatever_the_clock_has_shown_a_month_later_there_is_quota_again(
        clocks in prop::collection::vec(0_i64..4_000_000_000_000, 0..40),
        now in 1_700_000_000_000_i64..2_000_000_000_000,
    ) {
        let (mut sim, quota) = (SimUse::default(), quota(2, 3, 2, 1));
        for clock in clocks {
            send(&mut sim, &quota, WallTime::from_unix_millis(clock), 1);
        }
        let mut now = WallTime::from_unix_millis(now);
        for _ in 0..64 {
            sim.settle(&at(now));
            now = now.saturating_add(DAY);
        }
        prop_assert_eq!(send(&mut sim, &quota, now, 1), Allowance::Free);
    }
}
