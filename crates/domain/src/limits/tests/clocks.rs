//! Clocks that are set back, or jump ahead.

use super::*;

#[test]
fn a_clock_that_is_set_back_holds_nobody_longer_than_before_however_often_they_ask() {
    let (number, year) = ("6281234567890", 365 * 86_400);
    let mut desk = Desk::new();
    for step in 0..3 {
        desk.ask(number, at(year + step * 130)).expect("allowed");
    }
    // Set back by a year: what was counted is as old as it was, and refusals do not make it younger.
    assert_eq!(desk.ask(number, at(0)), refused("codes_per_receiver 3/10m", 340));
    assert_eq!(desk.ask(number, at(300)), refused("codes_per_receiver 3/10m", 40));
    assert_eq!(desk.ask(number, at(340)), Ok(()));

    let mut desk = Desk::new();
    (desk.rules.lock_after, desk.rules.wrong_per_receiver) = (1, Vec::new());
    desk.guess(number, GuessEnd::Wrong, at(year)).expect("allowed");
    assert_eq!(desk.guess(number, GuessEnd::Wrong, at(0)), Err(("lock_after".to_owned(), Some(secs(3_600)))));
    assert_eq!(desk.ask(number, at(3_599)), refused("lock_after", 1));
    assert_eq!(desk.ask(number, at(3_600)), Ok(()));
    desk.rules.wrong_per_receiver = vec![Rate::parse("2/1h").expect("a rate")];
    desk.rules.lock_after = 0;
    for _ in 0..2 {
        desk.guess("6281234567891", GuessEnd::Wrong, at(year)).expect("allowed");
    }
    let full = |seconds| Err(("wrong_per_receiver 2/1h".to_owned(), Some(secs(seconds))));
    assert_eq!(desk.guess("6281234567891", GuessEnd::Wrong, at(0)), full(3_600));
    assert_eq!(desk.guess("6281234567891", GuessEnd::Wrong, at(3_599)), full(1));
    desk.guess("6281234567891", GuessEnd::Wrong, at(3_600)).expect("over");
    (desk.rules.lock_after, desk.rules.wrong_per_receiver) = (1, Vec::new());
    // A lock that was over is over.
    assert_eq!(
        desk.guess(number, GuessEnd::Wrong, at(year + 7_200)).map(|ended| ended.locked_for),
        Ok(Some(secs(7_200)))
    );
    desk.guess(number, GuessEnd::Right, at(year + 14_400)).expect("over");
    desk.guess(number, GuessEnd::Right, at(60)).expect("over");

    let mut desk = Desk::new();
    desk.rules.codes_per_prefix.clear();
    attack(&mut desk, 0, 60, at(year));
    assert_eq!(attack(&mut desk, 100, 5, at(year + 100)), 1);
    assert_eq!(attack(&mut desk, 200, 5, at(0)), 0, "still held back");
    assert_eq!(attack(&mut desk, 300, 5, at(3 * 3_600)), 1, "the quota goes on");
}

#[test]
fn a_clock_that_is_set_back_while_an_api_user_is_full_lets_it_go_on_after_the_period() {
    let (mut desk, year) = (Desk::new(), 365 * 86_400);
    desk.rates = vec![Rate::parse("70/1h").expect("a rate")];
    let send = |desk: &mut Desk, now| {
        let key = LimitKey::api_user(SECRET, "shop");
        admit_send(&mut desk.book, &desk.rules, (key, &desk.rates), Some("6281234567890"), now)
            .map(|refusal| refusal.retry_after)
    };
    for _ in 0..70 {
        assert_eq!(send(&mut desk, at(year)), None);
    }
    assert_eq!(send(&mut desk, at(0)), Some(Some(secs(3_600))));
    assert_eq!(send(&mut desk, at(3_599)), Some(Some(secs(1))));
    assert_eq!(send(&mut desk, at(3_600)), None);
}

#[test]
fn a_clock_that_is_set_back_a_little_and_then_a_lot_makes_no_count_older_than_it_is() {
    let mut desk = Desk::new();
    desk.rates = vec![Rate::parse("3/10s").expect("a rate")];
    let key = LimitKey::api_user(SECRET, "shop");
    let send = |desk: &mut Desk, now| {
        admit_send(&mut desk.book, &desk.rules, (key, &desk.rates), None, now).map(|refusal| refusal.retry_after)
    };
    for now in [0, 0, -3] {
        assert_eq!(send(&mut desk, at(now)), None);
    }
    assert_eq!(send(&mut desk, at(-2_000)), Some(Some(secs(10))));
    assert_eq!(send(&mut desk, at(-1_992)), Some(Some(secs(2))));
    assert_eq!(send(&mut desk, at(-1_990)), None);
}

#[test]
fn a_clock_that_is_set_back_by_seconds_holds_nobody_beyond_the_period() {
    for text in ["2/1m", "70/1m"] {
        let rates = [Rate::parse(text).expect("a rate")];
        let mut windows = Windows::default();
        for count in 0..i64::from(rates[0].count()) {
            windows.count(&rates, at(if count == 0 { 9 } else { 0 }));
        }
        assert_eq!(windows.wait(&rates, at(0)), Some((rates[0], secs(60))));
        assert_eq!(windows.wait(&rates, at(60)), None, "{text}");
    }
}

#[test]
fn a_clock_that_jumps_forward_forgets_counts_and_keeps_the_known() {
    let mut desk = Desk::new();
    desk.ask("6281234567890", at(0)).expect("allowed");
    desk.guess("6281234567890", GuessEnd::Right, at(1)).expect("allowed");
    assert_eq!(desk.ask("6281234567890", at(86_400)), Ok(()));
    assert!(desk.book.find(&Desk::keys("6281234567890", None).receiver).expect("kept").is_known(at(86_400)));
}
