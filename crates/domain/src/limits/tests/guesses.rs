//! Wrong codes, and locks.

use super::*;

#[test]
fn wrong_codes_are_counted_by_receiver_and_lock_it_for_longer_and_longer() {
    let mut desk = Desk::new();
    desk.rules.wrong_per_receiver = vec![Rate::parse("2/1h").expect("a rate")];
    desk.rules.lock_after = 4;
    let number = "6281234567890";
    let mut now = 0;
    let wrong = |desk: &mut Desk, now: i64| desk.guess(number, GuessEnd::Wrong, at(now)).map(|ended| ended.locked_for);
    assert_eq!(wrong(&mut desk, now), Ok(None));
    assert_eq!(wrong(&mut desk, now), Ok(None));
    assert_eq!(wrong(&mut desk, now), Err(("wrong_per_receiver 2/1h".to_owned(), Some(secs(3_600)))));
    now += 3_600;
    assert_eq!(wrong(&mut desk, now), Ok(None));
    for hours in [1, 2, 4, 8, 16, 24, 24] {
        assert_eq!(wrong(&mut desk, now), Ok(Some(secs(hours * 3_600))));
        assert_eq!(wrong(&mut desk, now + 1), Err(("lock_after".to_owned(), Some(secs(hours * 3_600 - 1)))));
        assert_eq!(desk.ask(number, at(now + 1)), refused("lock_after", hours * 3_600 - 1));
        now += i64::try_from(hours).expect("small") * 3_600;
    }
    desk.guess(number, GuessEnd::Right, at(now)).expect("allowed");
    assert_eq!(wrong(&mut desk, now + 1), Ok(None), "a right code ends the row");
}

#[test]
fn guesses_that_were_not_compared_count_for_nothing() {
    let mut desk = Desk::new();
    for _ in 0..200 {
        desk.guess("6281234567890", GuessEnd::NotCompared, at(0)).expect("allowed");
    }
    assert!(desk.book.is_empty());
}

#[test]
fn guesses_under_way_count_as_wrong_until_they_are_known() {
    let mut desk = Desk::new();
    let receiver = Desk::keys("6281234567890", None).receiver;
    let begun: Vec<_> = (0..20).map(|_| begin_guess(&mut desk.book, &desk.rules, receiver, at(0))).collect();
    assert_eq!(begun.iter().filter(|begun| begun.refusal.is_none()).count(), 15);
}

#[test]
fn a_lock_is_doubled_once_by_guesses_that_were_under_way_and_by_those_that_are_only_observed() {
    let mut desk = Desk::new();
    (desk.rules.lock_after, desk.rules.wrong_per_receiver) = (3, Vec::new());
    let receiver = Desk::keys("6281234567890", None).receiver;
    let begun: Vec<_> = (0..9).map(|_| begin_guess(&mut desk.book, &desk.rules, receiver, at(0))).collect();
    let end = |desk: &mut Desk, begun: &Begun, now| {
        end_guess(&mut desk.book, &desk.rules, receiver, begun, GuessEnd::Wrong, now).locked_for
    };
    let locked: Vec<_> = begun.iter().filter_map(|begun| end(&mut desk, begun, at(1))).collect();
    assert_eq!(locked, [secs(3_600)]);
    desk.rules.mode = Mode::Observe;
    let begun = begin_guess(&mut desk.book, &desk.rules, receiver, at(2));
    assert!(begun.refusal.is_some());
    assert_eq!(end(&mut desk, &begun, at(2)), None);
    let begun = begin_guess(&mut desk.book, &desk.rules, receiver, at(3_601));
    assert_eq!(end(&mut desk, &begun, at(3_601)), Some(secs(7_200)));
}

#[test]
fn a_right_code_was_no_wrong_one_and_begins_the_locks_anew() {
    let mut desk = Desk::new();
    let number = "6281234567890";
    desk.rules.wrong_per_receiver = vec![Rate::parse("1/1h").expect("a rate")];
    for second in 0..5 {
        desk.guess(number, GuessEnd::Right, at(second)).expect("none was wrong");
    }
    (desk.rules.lock_after, desk.rules.wrong_per_receiver) = (1, Vec::new());
    let locked = |desk: &mut Desk, end, hour: i64| desk.guess(number, end, at(hour * 3_600)).expect("over").locked_for;
    assert_eq!(locked(&mut desk, GuessEnd::Wrong, 1), Some(secs(3_600)));
    assert_eq!(locked(&mut desk, GuessEnd::Wrong, 2), Some(secs(7_200)));
    assert_eq!(locked(&mut desk, GuessEnd::Right, 4), None);
    assert_eq!(locked(&mut desk, GuessEnd::Wrong, 5), Some(secs(3_600)));
}
