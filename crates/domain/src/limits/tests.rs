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
fn slots_that_are_over_are_not_kept() {
    let rates = [Rate::parse("70/1m").expect("a rate")];
    let mut windows = Windows::default();
    for second in 0..10_000 {
        windows.count(&rates, at(second));
    }
    assert!(windows.slotted[0].slots.len() <= 65, "{}", windows.slotted[0].slots.len());
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
fn a_flood_faster_than_anybody_enters_a_code_is_judged_all_the_same() {
    let mut desk = Desk::new();
    desk.rules.codes_per_prefix.clear();
    let mut got = 0;
    for last in 0..3_000_u32 {
        // Three a second, so that a hundred and eighty are sent before the first is judged.
        let now = START + i64::from(last) * 333;
        let digits = format!("62812345{last:05}");
        got += usize::from(desk.ask(&digits, WallTime::from_unix_millis(now)).is_ok());
    }
    assert!((180..500).contains(&got), "{got} codes");
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
fn a_clock_that_jumps_forward_forgets_counts_and_keeps_the_known() {
    let mut desk = Desk::new();
    desk.ask("6281234567890", at(0)).expect("allowed");
    desk.guess("6281234567890", GuessEnd::Right, at(1)).expect("allowed");
    assert_eq!(desk.ask("6281234567890", at(86_400)), Ok(()));
    assert!(desk.book.find(&Desk::keys("6281234567890", None).receiver).expect("kept").is_known(at(86_400)));
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

/// So many new receivers of one range ask, and nobody enters anything.
fn attack(desk: &mut Desk, from: u32, count: u32, now: WallTime) -> usize {
    (from..from + count).filter(|last| desk.ask(&format!("62812345{last:05}"), now).is_ok()).count()
}

#[test]
fn a_range_whose_codes_nobody_enters_is_held_back_and_let_go_when_they_are_entered() {
    let mut desk = Desk::new();
    desk.rules.codes_per_prefix.clear();
    assert_eq!(attack(&mut desk, 0, 60, at(0)), 60, "nothing is known yet");
    assert_eq!(attack(&mut desk, 100, 1, at(59)), 1, "a minute to enter a code");
    let first = desk.ask_from("6281234500200", None, at(60));
    assert_eq!(
        first.alarms,
        [Alarm {
            kind: SubjectKind::Range, label: "62812345•••••".to_owned(), is_pressed: true, sent: 50, entered: 0
        }]
    );
    assert!(first.taken.is_some(), "the quota's first");
    assert_eq!(desk.ask("6281234500300", at(61)), refused("conversion of range 1/3h", 10_799));
    assert_eq!(desk.ask("6281234700300", at(61)), Ok(()), "the next range");

    // Ten who ask one after the other and enter their codes end it.
    let (mut now, mut released) = (3 * 3_600 + 100, Vec::new());
    for last in 0..12 {
        let number = format!("62812345{:05}", 70_000 + last);
        let admission = desk.ask_from(&number, None, at(now));
        let taken = admission.taken.expect("one in three hours");
        note(&mut desk.book, &taken.keys.judged(), taken.message, Fact::Sent, at(now));
        released.extend(admission.alarms);
        desk.guess(&number, GuessEnd::Right, at(now + 20)).expect("allowed");
        now += 3 * 3_600;
    }
    assert_eq!(released.len(), 1, "{released:?}");
    assert!(released.iter().all(|alarm| !alarm.is_pressed && alarm.entered >= 9));
    assert_eq!(attack(&mut desk, 81_000, 20, at(now)), 20);
}

#[test]
fn a_quota_is_given_back_where_a_code_was_not_accepted_after_all() {
    let mut desk = Desk::new();
    desk.rules.codes_per_prefix.clear();
    attack(&mut desk, 0, 60, at(0));
    let first = desk.ask_from("6281234500100", None, at(100)).taken.expect("the quota's first");
    assert_eq!(attack(&mut desk, 200, 1, at(101)), 0);
    give_back(&mut desk.book, &first, at(102));
    assert_eq!(attack(&mut desk, 300, 2, at(103)), 1);
}

#[test]
fn a_right_code_counts_for_the_address_that_asked_and_for_no_other() {
    let mut desk = Desk::new();
    let (number, network) = ("6281234567890", Some("192.0.2.1"));
    desk.ask_from(number, network, at(0)).taken.expect("allowed");
    let ended = desk.guess(number, GuessEnd::Right, at(10)).expect("allowed");
    assert_eq!((ended.messages, ended.client), (vec![1], Desk::keys(number, network).client));
    desk.ask_from(number, None, at(100)).taken.expect("allowed");
    let ended = desk.guess(number, GuessEnd::Right, at(110)).expect("allowed");
    assert_eq!((ended.messages, ended.client), (vec![2], None));
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
fn a_code_has_its_minute_from_when_it_was_sent_and_is_judged_for_a_week() {
    let mut desk = Desk::new();
    desk.rules.codes_per_prefix.clear();
    let alarms = |desk: &mut Desk, last: u32, now| desk.ask_from(&format!("62812345{last:05}"), None, now).alarms.len();
    for last in 0..50 {
        let taken = desk.ask_from(&format!("62812345{last:05}"), None, at(0)).taken.expect("allowed");
        note(&mut desk.book, &taken.keys.judged(), taken.message, Fact::Sent, at(100));
        note(&mut desk.book, &taken.keys.judged(), taken.message, Fact::Sent, at(102));
    }
    let aside = desk.book.clone();
    assert_eq!(alarms(&mut desk, 100, at(159)), 0);
    assert_eq!(alarms(&mut desk, 101, at(160)), 1);
    desk.book = aside;
    assert_eq!(alarms(&mut desk, 102, at(100 + 7 * 86_400)), 0, "nothing is left to be judged by");
}

#[test]
fn who_judges_nothing_any_more_lets_everybody_in_at_once() {
    let mut desk = Desk::new();
    desk.rules.codes_per_prefix.clear();
    attack(&mut desk, 0, 60, at(0));
    assert_eq!(attack(&mut desk, 100, 5, at(100)), 1);
    desk.rules.conversion.alarm_below = 0;
    assert_eq!(attack(&mut desk, 200, 5, at(101)), 5);
}

#[test]
fn what_is_usual_is_learned_for_days_from_the_newest_codes_and_half_of_it_is_the_threshold() {
    let rules = Rules::standard("62").conversion;
    let learned = |sent, entered| Learned { since: Some(at(0)), sent, entered };
    let day = |days: i64| at(days * 86_400);
    assert_eq!(learned(300, 240).threshold(&rules, day(3)), 40);
    assert_eq!(learned(300, 240).threshold(&rules, day(2)), 20, "it is still learned");
    assert_eq!(learned(199, 199).threshold(&rules, day(3)), 20, "of too few");
    assert_eq!(learned(300, 90).threshold(&rules, day(3)), 20, "never lower than it is set");
    let strict = ConversionRules { alarm_below: 0, ..rules.clone() };
    assert_eq!(learned(300, 300).threshold(&strict, day(3)), 0);

    let mut desk = Desk::new();
    let api_user = Desk::keys("6281234567890", None).api_user;
    desk.ask("6281234567890", at(0)).expect("allowed");
    let mut usual = desk.book.clone();
    usual.change(api_user, at(0)).conversion.as_mut().expect("judged").learned = learned(1_000, 900);
    desk.book = usual;
    desk.ask("6281334567890", at(1)).expect("allowed");
    let learned_now = desk.book.find(&api_user).and_then(|record| record.conversion.as_ref()).map(|one| one.learned);
    assert_eq!(learned_now, Some(learned(500, 450)));
    desk.book.sweep(&desk.rules, day(89));
    assert!(desk.book.find(&api_user).is_some(), "it is remembered");
}

#[test]
fn an_address_whose_codes_nobody_enters_is_held_back_for_a_day() {
    let mut desk = Desk::new();
    desk.rules.codes_per_client.clear();
    let mut ask = |index: u32, client: &str, now| {
        let admission = desk.ask_from(&format!("62812{index:03}00000"), Some(client), now);
        if let Some(taken) = &admission.taken {
            note(&mut desk.book, &taken.keys.judged(), taken.message, Fact::Sent, now);
        }
        admission.refusal.map(|refusal| (refusal.rule.to_string(), refusal.retry_after))
    };
    for index in 0..10 {
        assert_eq!(ask(index, "192.0.2.1", at(0)), None);
    }
    assert_eq!(ask(10, "192.0.2.1", at(60)), None, "the quota's first");
    assert_eq!(ask(11, "192.0.2.1", at(61)), Some(("conversion of client 1/24h".to_owned(), Some(secs(86_399)))));
    assert_eq!(ask(12, "192.0.2.2", at(61)), None);
}

#[test]
fn an_api_user_is_held_back_by_codes_to_all_the_world() {
    let mut desk = Desk::new();
    desk.rules.codes_per_country.clear();
    desk.rules.destinations.allowed = vec!["*".to_owned()];
    let mut got = Vec::new();
    for index in 0..400_u32 {
        let number = format!("{}{:03}{index:06}", ["33", "39", "34", "31", "48"][index as usize % 5], index / 5);
        got.push(desk.ask(&number, at(i64::from(index))).err().map(|(rule, _)| rule));
    }
    let refused: Vec<_> = got.iter().flatten().collect();
    assert!((60..140).contains(&refused.len()), "{}", refused.len());
    assert!(refused.iter().all(|rule| *rule == "conversion of api-user 30/1h"), "{refused:?}");
}

#[test]
fn a_day_without_wishes_lets_a_range_go_too() {
    let mut desk = Desk::new();
    desk.rules.codes_per_prefix.clear();
    attack(&mut desk, 0, 60, at(0));
    attack(&mut desk, 100, 5, at(100));
    assert_eq!(attack(&mut desk, 200, 5, at(86_400)), 1, "wanted within the day");
    assert_eq!(attack(&mut desk, 250, 5, at(86_400 + 7_200)), 0, "refused, and wanted all the same");
    assert_eq!(attack(&mut desk, 300, 5, at(86_400 + 7_200 + 86_399)), 1);
    assert_eq!(attack(&mut desk, 400, 5, at(3 * 86_400 + 86_400)), 5);
}

#[test]
fn codes_that_were_never_sent_alarm_nobody() {
    let mut desk = Desk::new();
    desk.rules.codes_per_prefix.clear();
    for last in 0..60 {
        let admission = desk.ask_from(&format!("62812345{last:05}"), None, at(0));
        let taken = admission.taken.expect("allowed");
        if last % 2 == 0 {
            note(&mut desk.book, &taken.keys.judged(), taken.message, Fact::NotSent, at(200));
        }
    }
    assert_eq!(attack(&mut desk, 1_000, 40, at(1_000)), 40);
}

#[test]
fn an_api_user_whose_codes_are_usually_entered_alarms_sooner() {
    let mut desk = Desk::new();
    desk.rules.codes_per_prefix.clear();
    // A week of new customers, nine of ten of whom enter their code.
    for index in 0..300_i64 {
        let (number, now) = (format!("62813{:03}{:05}", index % 100, index), index * 2_000);
        desk.ask(&number, at(now)).expect("allowed");
        if index % 10 != 0 {
            desk.guess(&number, GuessEnd::Right, at(now + 30)).expect("allowed");
        }
    }
    // Then a range of which one in three is entered: more than a fifth, less than half of the usual.
    let start = 300 * 2_000;
    for last in 0..60 {
        let number = format!("62812345{last:05}");
        desk.ask(&number, at(start)).expect("allowed");
        if last % 3 == 0 {
            desk.guess(&number, GuessEnd::Right, at(start + 10)).expect("allowed");
        }
    }
    let alarm = desk.ask_from("6281234590000", None, at(start + 100)).alarms;
    assert_eq!(alarm.first().map(|alarm| (alarm.is_pressed, alarm.sent)), Some((true, 50)));
}

#[test]
fn one_range_under_attack_does_not_hold_back_its_country() {
    let mut desk = Desk::new();
    desk.rules.codes_per_prefix.clear();
    desk.rules.conversion.alarm_below = 20;
    for round in 0..20 {
        attack(&mut desk, round * 100, 100, at(i64::from(round)));
    }
    assert_eq!(desk.ask("6285500000001", at(200)), Ok(()));
    let keys = Desk::keys("6285500000001", None).number.expect("a number");
    assert!(desk.book.find(&keys.country).expect("counted").conversion.as_ref().is_some_and(|c| c.pressed.is_none()));
}

#[test]
fn an_attack_spread_over_many_ranges_holds_back_the_country() {
    let mut desk = Desk::new();
    let mut got = 0;
    for index in 0..3_000_u32 {
        let number = format!("628{:05}{:05}", 10_000 + index, index);
        got += usize::from(desk.ask(&number, at(i64::from(index))).is_ok());
    }
    assert!((200..400).contains(&got), "{got} codes");
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
