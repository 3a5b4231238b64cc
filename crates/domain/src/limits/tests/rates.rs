//! Rates as they are written, and windows: never more than the count, never held for longer than was told.

use super::*;

#[test]
fn rates_are_read_and_written_in_one_notation() {
    for (text, count, period) in
        [("3/10m", 3, 600), ("5/1h", 5, 3600), ("10/24h", 10, 86_400), ("7/90s", 7, 90), ("1/31d", 1, 31 * 86_400)]
    {
        let rate = Rate::parse(text).expect(text);
        assert_eq!((rate.count(), rate.period()), (count, secs(period)), "{text}");
        assert_eq!(Rate::parse(&rate.to_string()), Ok(rate), "{text}");
    }
    assert_eq!(Rate::parse(" 3 / 10m ").expect("blanks").to_string(), "3/10m");
    for (text, error) in [
        ("", RateError::Form),
        ("3", RateError::Form),
        ("3/", RateError::Form),
        ("/10m", RateError::Form),
        ("0/10m", RateError::Count),
        ("-1/10m", RateError::Count),
        ("+1/10m", RateError::Count),
        ("1000001/10m", RateError::Count),
        ("99999999999999999999/1s", RateError::Count),
        ("3/10", RateError::Period),
        ("3/m", RateError::Period),
        ("3/10w", RateError::Period),
        ("3/+10m", RateError::Period),
        ("3/1.5h", RateError::Period),
        ("3/10m/5", RateError::Period),
        ("3/0s", RateError::Length),
        ("3/32d", RateError::Length),
        ("3/18446744073709551615d", RateError::Length),
        ("3/1é", RateError::Period),
    ] {
        assert_eq!(Rate::parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn slots_that_are_over_are_not_kept() {
    let rates = [Rate::parse("70/1m").expect("a rate")];
    let mut windows = Windows::default();
    for second in 0..10_000 {
        windows.count(&rates, at(second));
    }
    assert!(windows.slotted[0].slots.len() <= 65, "{}", windows.slotted[0].slots.len());
}

#[test]
fn what_is_given_back_after_its_time_takes_nothing_from_others() {
    let rates = [Rate::parse("70/1s").expect("a rate")];
    let mut windows = Windows::default();
    windows.count(&rates, at(0));
    windows.count(&rates, at(5));
    windows.give_back(at(0));
    assert_eq!(windows.used(rates[0], at(5)), 1);
    windows.give_back(at(5));
    assert!(windows.is_empty());
}

fn any_rates() -> impl Strategy<Value = Vec<Rate>> {
    let rate = (1..200_u32, 1..500_u64).prop_filter_map("a rate", |(count, period)| Rate::new(count, secs(period)));
    proptest::collection::vec(rate, 1..4)
}

/// Rates that busy minutes fill, those that are counted in slots too.
fn busy_rates() -> impl Strategy<Value = Vec<Rate>> {
    let rate = (1..90_u32, 1..8_u64).prop_filter_map("a rate", |(count, period)| Rate::new(count, secs(period)));
    proptest::collection::vec(rate, 1..4)
}

/// Pauses in milliseconds: many at once, now and then a long one.
fn any_pause() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0..20_u64, 2 => 0..500_u64, 1 => 0..20_000_u64]
}

proptest! {
    /// In no window of a rate's length are there more than its count, whatever comes when and is given back in between.
    #[test]
    fn never_more_than_the_count_in_any_window(
        rates in prop_oneof![any_rates(), busy_rates()],
        steps in proptest::collection::vec((any_pause(), 0..10_u8), 1..600),
    ) {
        let mut windows = Windows::default();
        let mut counted: Vec<WallTime> = Vec::new();
        let mut now = at(0);
        for (pause, what) in steps {
            now = now.saturating_add(Duration::from_millis(pause));
            if what == 0 && !counted.is_empty() {
                windows.give_back(counted.remove(counted.len() / 2));
                continue;
            }
            if windows.wait(&rates, now).is_none() {
                windows.count(&rates, now);
                counted.push(now);
            }
            for rate in &rates {
                let within = counted.iter().filter(|at| now.saturating_since(**at) < rate.period()).count();
                prop_assert!(within <= usize::try_from(rate.count()).expect("small"), "{within} of {rate}");
            }
        }
    }

    /// Whoever waits as long as was told gets through.
    #[test]
    fn whoever_comes_again_when_told_is_let_in(rates in any_rates(), steps in proptest::collection::vec(0..5_000_u64, 1..300)) {
        let mut windows = Windows::default();
        let mut now = at(0);
        for pause in steps {
            now = now.saturating_add(Duration::from_millis(pause));
            if let Some((_, wait)) = windows.wait(&rates, now) {
                now = now.saturating_add(wait);
                prop_assert_eq!(windows.wait(&rates, now), None);
            }
            windows.count(&rates, now);
        }
    }

    #[test]
    fn no_text_makes_the_reader_of_rates_panic(text in "\\PC*") {
        if let Ok(rate) = Rate::parse(&text) {
            prop_assert_eq!(Rate::parse(&rate.to_string()), Ok(rate));
        }
    }
}
