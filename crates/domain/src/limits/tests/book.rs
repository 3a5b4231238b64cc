//! Keys, and the book of all records: bounded, swept, and who stays in it.

use super::*;

#[test]
fn calling_codes_have_one_two_or_three_digits() {
    for (digits, code) in [
        ("12125550100", "1"),
        ("79161234567", "7"),
        ("6281234567890", "62"),
        ("6591234567", "65"),
        ("989121234567", "98"),
        ("8801712345678", "880"),
        ("85512345678", "855"),
        ("2348012345678", "234"),
        ("9791234567", "979"),
    ] {
        assert_eq!(calling_code(digits), code, "{digits}");
    }
}

#[test]
fn keys_tell_nothing_without_the_secret_and_lie_together_by_range() {
    let keys = Desk::keys("6281234567890", None);
    let neighbour = Desk::keys("6281234567999", None);
    let far = Desk::keys("6281234667890", None);
    assert_eq!(keys.receiver.as_bytes()[..6], neighbour.receiver.as_bytes()[..6]);
    assert_ne!(keys.receiver, neighbour.receiver);
    assert_eq!(keys.number.map(|number| number.range), neighbour.number.map(|number| number.range));
    assert_ne!(keys.receiver.as_bytes()[..6], far.receiver.as_bytes()[..6]);
    let other = CodeKeys::derive(
        &[8; 32],
        &Receiver::Msisdn(Msisdn::from_canonical("6281234567890").expect("canonical")),
        None,
        "shop",
    );
    assert_ne!(keys.receiver, other.receiver);
    assert_ne!(keys.api_user, other.api_user);
    assert_eq!(LimitKey::from_bytes(*keys.receiver.as_bytes()), Some(keys.receiver));
    assert_eq!(LimitKey::from_bytes([0; 16]), None);
    assert_eq!(format!("{:?}", keys.receiver), "LimitKey(receiver)");
}

#[test]
fn a_network_is_masked_by_half() {
    for (address, masked) in
        [("192.0.2.77", "192.0.•"), ("2001:db8:1:2::3", "2001:db8:•"), ("::1", "::•"), ("::ffff:192.0.2.77", "192.0.•")]
    {
        assert_eq!(masked_network(&client_network(address.parse().expect("an address"))), masked, "{address}");
    }
    assert_eq!(masked_network(""), "");
}

#[test]
fn neither_wrong_codes_on_end_nor_a_lock_are_swept_out() {
    let mut desk = Desk::new();
    desk.guess("6281234567890", GuessEnd::Wrong, at(0)).expect("allowed");
    let locked = Desk::keys("6281234567000", None).receiver;
    let month = at(31 * 86_400);
    desk.book.change(locked, at(0)).person.get_or_insert_default().locked_until = Some(month);
    desk.book.sweep(&desk.rules, at(30 * 86_400));
    assert_eq!(desk.book.len(), 2);
    desk.book.sweep(&desk.rules, month);
    assert_eq!(desk.book.len(), 1, "the lock is over");
    desk.book.sweep(&desk.rules, at(90 * 86_400));
    assert!(desk.book.is_empty());
}

#[test]
fn the_book_has_an_end_and_those_who_are_held_back_stay_in_it() {
    let mut desk = Desk::new();
    desk.rules.codes_per_prefix.clear();
    desk.rules.conversion.alarm_below = 0;
    let locked = Desk::keys("6281234567890", None).receiver;
    desk.book.change(locked, at(0)).person.get_or_insert_default().locks = 1;
    for index in 0..140_000_u32 {
        desk.book.change(Desk::keys(&format!("628{index:09}"), None).receiver, at(i64::from(index) * 10));
    }
    assert_eq!(desk.book.len(), 131_072);
    assert!(desk.book.find(&locked).is_some());
    assert_eq!(desk.book.find(&Desk::keys("628000000000", None).receiver), None, "the first made goes first");
}

#[test]
fn guesses_at_receivers_that_nothing_is_counted_for_push_nobody_out_of_a_full_book() {
    let mut desk = Desk::new();
    let known = "6281234567890";
    desk.ask(known, at(0)).expect("allowed");
    desk.guess(known, GuessEnd::Right, at(1)).expect("allowed");
    for index in 0..131_072_u32 {
        desk.book.change(Desk::keys(&format!("628{index:09}"), None).receiver, at(2));
    }
    assert_eq!(desk.book.len(), 131_072);
    let known = Desk::keys(known, None).receiver;
    assert!(desk.book.find(&known).is_some(), "others were made before, but are not known");
    for index in 0..100_u32 {
        desk.guess(&format!("6289{index:09}"), GuessEnd::NotCompared, at(100_000)).expect("allowed");
    }
    assert!(desk.book.find(&known).is_some());
    assert_eq!(desk.book.len(), 131_072);
    // One that was compared is about a code that was sent.
    desk.guess("628999999999", GuessEnd::Wrong, at(100_000)).expect("allowed");
    let guessed = desk.book.find(&Desk::keys("628999999999", None).receiver).expect("counted");
    assert_eq!(guessed.person.as_ref().expect("a person").streak, 1);
}

#[test]
fn api_users_and_countries_stay_in_a_full_book_and_those_who_were_lately_there_stay_longest() {
    let mut desk = Desk::new();
    let keys = Desk::keys("6281234567890", None);
    let country = keys.number.expect("a number").country;
    desk.book.change(keys.api_user, at(0));
    desk.book.change(country, at(0));
    desk.book.change(keys.receiver, at(0));
    for index in 0..140_000_u32 {
        let key = Desk::keys(&format!("628{index:09}"), None).receiver;
        desk.book.change(key, at(i64::from(index) * 10));
        if index == 130_000 {
            desk.book.change(keys.receiver, at(i64::from(index) * 10));
        }
    }
    assert_eq!(desk.book.len(), 131_072);
    for key in [keys.api_user, country, keys.receiver] {
        assert!(desk.book.find(&key).is_some(), "{key:?}");
    }
}

#[test]
fn what_is_over_is_swept_out() {
    let mut desk = Desk::new();
    desk.ask("6281234567890", at(0)).expect("allowed");
    desk.ask("6281234567000", at(0)).expect("allowed");
    desk.guess("6281234567000", GuessEnd::Right, at(10)).expect("allowed");
    drop(desk.book.take_changed(usize::MAX));
    desk.book.sweep(&desk.rules, at(2 * 86_400));
    let gone = desk.book.take_changed(usize::MAX);
    assert_eq!(gone.len(), 2, "a receiver and the prefix: {gone:?}");
    assert!(gone.iter().all(|(_, record)| record.is_none()));
    assert!(desk.book.find(&Desk::keys("6281234567000", None).receiver).is_some(), "known for ninety days");
    desk.book.sweep(&desk.rules, at(200 * 86_400));
    assert!(desk.book.is_empty());
}
