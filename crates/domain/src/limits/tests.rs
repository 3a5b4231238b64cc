//! The rules, asked as the gateway asks them; what they are about has files of its own.

mod book;
mod clocks;
mod conversion;
mod guesses;
mod rates;

use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::clock::WallTime;
use crate::receiver::{Msisdn, Receiver};

const SECRET: &[u8] = &[7; 32];
const START: i64 = 1_800_000_000_000;

fn at(seconds: i64) -> WallTime {
    WallTime::from_unix_millis(START + seconds * 1_000)
}

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A gateway's limits, asked as the gateway asks.
struct Desk {
    book: Book,
    rules: Rules,
    rates: Vec<Rate>,
    next: u32,
}

impl Desk {
    fn new() -> Self {
        Self { book: Book::default(), rules: Rules::standard("62"), rates: Vec::new(), next: 0 }
    }

    fn keys(digits: &str, client: Option<&str>) -> CodeKeys {
        let receiver = Receiver::Msisdn(Msisdn::from_canonical(digits).expect("canonical"));
        CodeKeys::derive(SECRET, &receiver, client.map(|text| text.parse::<IpAddr>().expect("an address")), "shop")
    }

    fn ask_from(&mut self, digits: &str, client: Option<&str>, now: WallTime) -> Admission {
        self.next += 1;
        let request = CodeRequest {
            keys: Self::keys(digits, client),
            digits: Some(digits),
            client,
            api_user: "shop",
            api_user_rates: &self.rates,
            message: self.next,
        };
        admit_code(&mut self.book, &self.rules, &request, now)
    }

    fn ask(&mut self, digits: &str, now: WallTime) -> Result<(), (String, Option<Duration>)> {
        let admission = self.ask_from(digits, None, now);
        if let Some(taken) = &admission.taken {
            note(&mut self.book, &taken.keys.judged(), taken.message, Fact::Sent, now);
        }
        admission.refusal.map_or(Ok(()), |refusal| Err((refusal.rule.to_string(), refusal.retry_after)))
    }

    fn guess(&mut self, digits: &str, end: GuessEnd, now: WallTime) -> Result<Ended, (String, Option<Duration>)> {
        let keys = Self::keys(digits, None);
        let begun = begin_guess(&mut self.book, &self.rules, keys.receiver, now);
        if let Some(refusal) = begun.refusal {
            return Err((refusal.rule.to_string(), refusal.retry_after));
        }
        let ended = end_guess(&mut self.book, &self.rules, keys.receiver, &begun, end, now);
        for message in &ended.messages {
            note(&mut self.book, &keys.judged(), *message, Fact::Entered, now);
        }
        Ok(ended)
    }
}

fn refused(rule: &str, seconds: u64) -> Result<(), (String, Option<Duration>)> {
    Err((rule.to_owned(), Some(secs(seconds))))
}

/// So many new receivers of one range ask, and nobody enters anything.
fn attack(desk: &mut Desk, from: u32, count: u32, now: WallTime) -> usize {
    (from..from + count).filter(|last| desk.ask(&format!("62812345{last:05}"), now).is_ok()).count()
}

#[test]
fn a_receiver_pauses_longer_after_each_code_and_gets_no_more_than_its_rates() {
    let mut desk = Desk::new();
    let number = "6281234567890";
    assert_eq!(desk.ask(number, at(0)), Ok(()));
    assert_eq!(desk.ask(number, at(29)), refused("cool_down", 1));
    assert_eq!(desk.ask(number, at(30)), Ok(()));
    assert_eq!(desk.ask(number, at(89)), refused("cool_down", 1));
    assert_eq!(desk.ask(number, at(90)), Ok(()));
    // Three in ten minutes; the pause would end sooner.
    assert_eq!(desk.ask(number, at(210)), refused("codes_per_receiver 3/10m", 390));
    assert_eq!(desk.ask(number, at(600)), Ok(()));
    assert_eq!(desk.ask(number, at(630)), refused("cool_down", 270));
    assert_eq!(desk.ask(number, at(900)), Ok(()));
    assert_eq!(desk.ask(number, at(1_500)), refused("codes_per_receiver 5/1h", 2_100));
}

#[test]
fn a_right_code_ends_the_pause_and_an_hour_without_codes_shortens_it() {
    let mut desk = Desk::new();
    let number = "6281234567890";
    assert_eq!(desk.ask(number, at(0)), Ok(()));
    desk.guess(number, GuessEnd::Right, at(5)).expect("allowed");
    assert_eq!(desk.ask(number, at(6)), Ok(()));
    assert_eq!(desk.ask(number, at(7)), refused("cool_down", 29));
    assert_eq!(desk.ask(number, at(3_606)), Ok(()));
    assert_eq!(desk.ask(number, at(3_635)), refused("cool_down", 1));
}

#[test]
fn what_was_not_accepted_is_given_back_and_leaves_no_trace() {
    let mut desk = Desk::new();
    desk.rates = vec![Rate::parse("5/1h").expect("a rate"), Rate::parse("100/1h").expect("a rate")];
    let untouched = desk.ask_from("6281234567890", Some("192.0.2.1"), at(0));
    give_back(&mut desk.book, &untouched.taken.expect("allowed"), at(1));
    let keys = Desk::keys("6281234567890", Some("192.0.2.1"));
    assert_eq!(desk.book.find(&keys.receiver), None);
    for key in keys.judged() {
        let record = desk.book.find(&key).expect("made");
        assert!(record.codes.is_empty(), "{key:?}");
        assert!(record.conversion.as_ref().is_some_and(|conversion| conversion.samples.is_empty()), "{key:?}");
    }
    for step in 0..10 {
        let again = desk.ask_from("6281234567890", Some("192.0.2.1"), at(step));
        give_back(&mut desk.book, &again.taken.expect("allowed again"), at(step));
    }
}

#[test]
fn a_prefix_is_shared_by_those_who_are_new_and_the_known_are_not_held_back() {
    let mut desk = Desk::new();
    let number = |last: u32| format!("62812345{last:05}");
    desk.ask(&number(9_999), at(-86_400)).expect("allowed");
    desk.guess(&number(9_999), GuessEnd::Right, at(-86_300)).expect("allowed");
    for last in 0..10 {
        assert_eq!(desk.ask(&number(last), at(0)), Ok(()));
    }
    assert_eq!(desk.ask(&number(10), at(60)), refused("codes_per_prefix 10/1h", 3_540));
    assert_eq!(desk.ask(&number(9_999), at(60)), Ok(()), "a known receiver");
    assert_eq!(desk.ask(&number(10_000), at(60)), Ok(()), "the next prefix");
}

#[test]
fn a_foreign_country_is_bounded_and_home_is_not() {
    let mut desk = Desk::new();
    desk.rules.destinations.allowed = vec!["65".to_owned()];
    for index in 0..50 {
        assert_eq!(desk.ask(&format!("65{:02}440000", 10 + index), at(0)), Ok(()), "{index}");
        assert_eq!(desk.ask(&format!("628{:02}4400000", 10 + index), at(0)), Ok(()), "{index}");
    }
    assert_eq!(desk.ask("6599440000", at(60)), refused("codes_per_country 50/24h", 86_340));
    assert_eq!(desk.ask("628994400000", at(60)), Ok(()));
}

#[test]
fn an_end_users_address_and_an_api_user_have_their_own_rates() {
    let mut desk = Desk::new();
    let rule = |desk: &mut Desk, number: u32, client: &str| {
        let refusal = desk.ask_from(&format!("6285{number:02}1234567"), Some(client), at(0)).refusal;
        refusal.map(|refusal| refusal.rule.to_string())
    };
    for number in 0..10 {
        assert_eq!(rule(&mut desk, number, "2001:db8::1"), None);
    }
    assert_eq!(rule(&mut desk, 10, "2001:db8::2").as_deref(), Some("codes_per_client 10/1h"), "the same /64");
    assert_eq!(rule(&mut desk, 10, "::ffff:192.0.2.1"), None);
    desk.rates = vec![Rate::parse("11/1m").expect("a rate")];
    assert_eq!(rule(&mut desk, 11, "192.0.2.2"), None, "counted from now on");
    for number in 12..22 {
        assert_eq!(rule(&mut desk, number, "192.0.2.3"), None);
    }
    assert_eq!(rule(&mut desk, 22, "192.0.2.4").as_deref(), Some("api_user 11/1m"));
}

#[test]
fn destinations_are_home_and_what_is_listed_and_the_longest_prefix_decides() {
    let destinations = Destinations {
        home: "62".to_owned(),
        allowed: vec!["1".to_owned(), "44".to_owned(), "1900555".to_owned()],
        denied: vec!["1876".to_owned(), "62899".to_owned()],
    };
    for (digits, expected) in [
        ("6281234567890", Destination::Allowed),
        ("6289912345678", Destination::Denied),
        ("628091234567", Destination::Allowed),
        ("6280912345678", Destination::Allowed),
        ("62809123456", Destination::Allowed),
        ("12125550100", Destination::Allowed),
        ("18765550100", Destination::Denied),
        ("19005550100", Destination::Allowed),
        ("19005560100", Destination::Costly),
        ("447700900123", Destination::Allowed),
        ("449098790000", Destination::Costly),
        ("447012345678", Destination::Costly),
        ("8816123456789", Destination::NotListed),
        ("33612345678", Destination::NotListed),
    ] {
        // Indonesia's 0809 is written 62 809.
        let expected = if digits.starts_with("62809") { Destination::Costly } else { expected };
        assert_eq!(destinations.judge(digits), expected, "{digits}");
    }
    let anywhere = Destinations { allowed: vec!["*".to_owned()], ..Destinations::default() };
    assert_eq!(anywhere.judge("33612345678"), Destination::Allowed);
    for costly in ["8816123456789", "80812345678", "87810123456", "883510001234", "88812345678"] {
        assert_eq!(anywhere.judge(costly), Destination::Costly, "{costly}");
    }
    for usual in ["8801712345678", "886912345678", "85512345678", "447911123456"] {
        assert_eq!(anywhere.judge(usual), Destination::Allowed, "{usual}");
    }
}

#[test]
fn a_pause_longer_than_an_hour_lasts_as_long_as_was_told_and_is_not_swept_out() {
    let mut desk = Desk::new();
    desk.rules.cool_down = vec![secs(7_200), secs(86_400)];
    desk.rules.codes_per_receiver.clear();
    desk.rules.wrong_per_receiver.clear();
    let number = "6281234567890";
    assert_eq!(desk.ask(number, at(0)), Ok(()));
    assert_eq!(desk.ask(number, at(3_600)), refused("cool_down", 3_600));
    assert_eq!(desk.ask(number, at(7_200)), Ok(()));
    desk.book.sweep(&desk.rules, at(7_300));
    assert_eq!(desk.ask(number, at(14_400)), refused("cool_down", 86_400 - 7_200));
    assert_eq!(desk.ask(number, at(7_200 + 86_400)), Ok(()));
}

#[test]
fn a_known_receivers_request_that_comes_to_nothing_gives_back_nothing_of_others() {
    let mut desk = Desk::new();
    desk.rules.destinations.allowed = vec!["65".to_owned()];
    desk.rules.codes_per_country = vec![Rate::parse("80/24h").expect("a rate")];
    desk.rules.codes_per_prefix = vec![Rate::parse("70/24h").expect("a rate")];
    (desk.rules.cool_down, desk.rules.codes_per_receiver) = (Vec::new(), Vec::new());
    let known = "6512345678";
    desk.ask(known, at(0)).expect("allowed");
    desk.guess(known, GuessEnd::Right, at(1)).expect("allowed");
    desk.ask("6512345679", at(2)).expect("allowed");
    for _ in 0..5 {
        let taken = desk.ask_from(known, None, at(2)).taken.expect("known");
        give_back(&mut desk.book, &taken, at(2));
    }
    let number = Desk::keys(known, None).number.expect("a number");
    let used = |key, rate: Rate| desk.book.find(&key).expect("counted").codes.used(rate, at(2));
    assert_eq!(used(number.country, desk.rules.codes_per_country[0]), 2);
    assert_eq!(used(number.prefix, desk.rules.codes_per_prefix[0]), 2);
}

#[test]
fn observed_rules_tell_what_they_would_refuse_and_let_it_pass() {
    let mut desk = Desk::new();
    desk.rules.mode = Mode::Observe;
    for _ in 0..2 {
        assert!(desk.ask_from("6281234567890", None, at(0)).taken.is_some());
    }
    let third = desk.ask_from("33612345678", None, at(0));
    assert_eq!(third.refusal.map(|refusal| refusal.rule), Some(Rule::Destinations));
    assert!(third.taken.is_some());
}

#[test]
fn an_explanation_says_what_would_be_answered_and_counts_nothing() {
    let mut desk = Desk::new();
    desk.ask("6281234567890", at(0)).expect("allowed");
    let request = CodeRequest {
        keys: Desk::keys("6281234567890", None),
        digits: Some("6281234567890"),
        client: None,
        api_user: "shop",
        api_user_rates: &[],
        message: 0,
    };
    for mode in [Mode::Enforce, Mode::Observe, Mode::Enforce] {
        desk.rules.mode = mode;
        let explained = explain(&desk.book, &desk.rules, &request, at(10));
        assert_eq!(explained.refusal.map(|refusal| refusal.rule), Some(Rule::CoolDown));
        let used = |rule: &str| {
            explained.rules.iter().find(|entry| entry.rule.to_string() == rule).and_then(|entry| entry.used)
        };
        assert_eq!(used("codes_per_receiver 3/10m"), Some(1));
        assert_eq!(used("codes_per_prefix 10/1h"), Some(1));
        assert_eq!(explained.standings.len(), 3);
    }
}
