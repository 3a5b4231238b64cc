//! How many codes are entered, and who is held back for it.

use super::*;

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
