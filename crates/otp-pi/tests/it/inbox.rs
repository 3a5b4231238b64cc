// long: one way in after the other, over one set of helpers
//! SMS that come in: SIM → store → deleted there, whatever happens in between; shown, answered, deleted by an operator.

use std::collections::BTreeMap;
use std::time::Duration;

use gsm::user_data::{Concatenation, Payload};
use gsm::{Address, Dcs, Deliver, Reference, Timestamp, UserData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::harness::{Emulator, Gateway, HeldDatabase, Setup, operate, pause, skip, wait_for};

const SENDER: &str = "+628126666666";

fn listed(gateway: &Gateway, arguments: &[&str]) -> Vec<Value> {
    let list = gateway.operate(&[&["inbox", "list", "--json", "--limit", "500"], arguments].concat());
    list.told();
    list.json()["messages"].as_array().unwrap().clone()
}

/// Waits until `count` messages are there, and answers them in full, the newest first.
#[track_caller]
fn wait_for_messages(gateway: &Gateway, count: usize) -> Vec<Value> {
    wait_for(&format!("{count} messages"), || (listed(gateway, &[]).len() >= count).then_some(()));
    let messages = listed(gateway, &["--full"]);
    assert_eq!(messages.len(), count, "{:?}", texts(&messages));
    messages
}

fn texts(messages: &[Value]) -> Vec<&str> {
    let mut texts: Vec<&str> = messages.iter().map(|message| message["text"].as_str().unwrap()).collect();
    texts.sort_unstable();
    texts
}

/// How many messages lie on the SIM of the first modem.
fn on_the_sim(gateway: &Gateway) -> String {
    let told = gateway.operate(&["modem", "at", "m0", "AT+CPMS?"]);
    let line = told.told().lines().find(|line| line.contains("+CPMS")).unwrap_or_default().to_owned();
    line.split(',').nth(1).unwrap_or_default().to_owned()
}

#[track_caller]
fn wait_for_an_empty_sim(gateway: &Gateway) {
    wait_for("an empty SIM", || (on_the_sim(gateway) == "0").then_some(()));
}

/// A DELIVER from a number, as a network writes it.
fn deliver(dcs: Dcs, user_data: UserData) -> Deliver {
    Deliver {
        more_messages: false,
        loop_prevention: false,
        status_report_indication: false,
        reply_path: false,
        originator: Address::parse(SENDER).unwrap(),
        protocol_id: 0,
        dcs,
        timestamp: Timestamp::from_unix_seconds(1_795_000_000, 28),
        user_data,
    }
}

fn tpdu(deliver: &Deliver) -> Vec<u8> {
    deliver.encode(None).unwrap().tpdu().to_vec()
}

/// Part `sequence` of `total`, taken by the service centre so many hours after the others.
fn part(text: &str, reference: u8, total: u8, sequence: u8, hours: i64) -> Vec<u8> {
    let of = Concatenation { reference: Reference::Eight(reference), total, sequence };
    let user_data = UserData { header: vec![of.element()], ..UserData::gsm7(text).unwrap() };
    let timestamp = Timestamp::from_unix_seconds(1_795_000_000 + hours * 3600, 28);
    tpdu(&Deliver { timestamp, ..deliver(Dcs::GSM7, user_data) })
}

#[test]
fn an_sms_that_comes_in_is_kept_listed_masked_shown_on_request_and_leaves_the_sim() {
    let emulator = Emulator::start(1, &[]);
    let gateway = Setup::with(&emulator).start();
    gateway.wait_for_modems(1);
    assert_eq!(gateway.operate(&["inbox", "list"]).told(), "no messages\n");
    emulator.deliver(SENDER, "is it you?");
    wait_for("a message", || listed(&gateway, &[]).pop());
    let masked = gateway.operate(&["inbox", "list"]);
    let masked = masked.told();
    assert!(masked.contains("62812•••66") && masked.contains("complete") && masked.contains("m0"), "{masked}");
    assert!(!masked.contains("is it you") && !masked.contains("8126666666"), "{masked}");
    let id = listed(&gateway, &[])[0]["message_id"].as_str().unwrap().to_owned();
    assert_eq!(listed(&gateway, &["--unread", "--sender", "0812 6666 666", "--modem", "m0"]).len(), 1);
    assert_eq!(listed(&gateway, &["--sender", "08126666667"]).len() + listed(&gateway, &["--modem", "m1"]).len(), 0);
    let shown = gateway.operate(&["inbox", "show", &id]);
    let shown = shown.told();
    for line in ["is it you?", "sender     628126666666", "SIM 8962100000000000001"] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    assert_eq!(listed(&gateway, &["--unread"]).len(), 0, "it was read");
    gateway.operate(&["inbox", "mark", "unread", &id]).told();
    assert_eq!(listed(&gateway, &["--unread"]).len(), 1);
    wait_for_an_empty_sim(&gateway);
    let audit = gateway.operate(&["audit", "list", "--event", "inbox-read", "--json"]).json().to_string();
    assert!(audit.contains(&id) && !audit.contains("is it you"), "{audit}");
    let log = gateway.log();
    assert!(log.contains("an SMS came in") && log.contains("62812•••66"), "{log}");
}

#[test]
fn a_reply_goes_the_ordinary_way_and_names_cannot_be_answered() {
    let emulator = Emulator::start(1, &[]);
    let gateway = Setup::with(&emulator).start();
    gateway.wait_for_modems(1);
    emulator.deliver(SENDER, "who is there?");
    emulator.deliver("GOJEK", "your driver is near");
    emulator.deliver("3456", "you won");
    let messages = wait_for_messages(&gateway, 3);
    let id_of = |sender: &str| {
        let found = messages.iter().find(|message| message["sender"] == json!(sender));
        found.unwrap_or_else(|| panic!("{sender} in {messages:?}"))["message_id"].as_str().unwrap().to_owned()
    };
    let id = id_of("628126666666");
    let replied = gateway.operate(&["inbox", "reply", &id, "it is me"]);
    let told = replied.told();
    emulator.text_with("it is me");
    let sent = emulator.transmissions();
    assert_eq!(sent[0]["receiver"], "628126666666");
    let reply_id = told.split("message ").nth(1).unwrap().split(':').next().unwrap();
    wait_for("its delivery", || {
        let shown = gateway.operate(&["message", "show", reply_id, "--json"]).json();
        (shown["state"] == "delivered").then(|| assert_eq!(shown["class"], "transactional"))
    });
    for (sender, why) in [("GOJEK", "is a name and no number"), ("3456", "is a short code")] {
        let refused = gateway.operate(&["inbox", "reply", &id_of(sender), "thanks"]);
        assert!(refused.refused().contains(why), "{refused:?}");
    }
    assert!(gateway.operate(&["inbox", "reply", &id, ""]).refused().contains("the text is empty"));
    let unknown = "01a0c450-6c00-7764-8f38-96cadf9dfd0d";
    assert!(gateway.operate(&["inbox", "reply", unknown, "x"]).refused().contains("there is no such message"));
    assert!(gateway.operate(&["inbox", "show", "nonsense"]).refused().contains("is no message id"));
    gateway.ask("block-msisdn", json!({"receiver": SENDER}));
    assert!(gateway.operate(&["inbox", "reply", &id, "again"]).refused().contains("the receiver is blocked"));
    assert_eq!(emulator.transmissions().len(), 1);
    let audit = gateway.operate(&["audit", "list", "--event", "inbox-replied", "--json"]).json().to_string();
    assert!(audit.contains(&id) && audit.contains(reply_id), "{audit}");
}

#[test]
fn what_was_deleted_stays_away_and_an_operator_needs_no_gateway_for_it() {
    let emulator = Emulator::start(1, &[]);
    let setup = Setup::with(&emulator);
    let gateway = setup.start();
    gateway.wait_for_modems(1);
    for text in ["first", "second", "third"] {
        emulator.deliver(SENDER, text);
    }
    let messages = wait_for_messages(&gateway, 3);
    let id_of = |text: &str| {
        let found = messages.iter().find(|message| message["text"] == json!(text)).unwrap();
        found["message_id"].as_str().unwrap().to_owned()
    };
    assert_eq!(gateway.operate(&["inbox", "delete", &id_of("first")]).told(), "deleted\n");
    assert!(gateway.operate(&["inbox", "delete", &id_of("first")]).refused().contains("there is no such message"));
    let stopped = gateway.stop();
    let offline = |arguments: &[&str]| operate(stopped.dir(), arguments);
    assert_eq!(offline(&["inbox", "delete", &id_of("second")]).told(), "deleted\n");
    let shown = offline(&["inbox", "show", &id_of("third"), "--json"]).json();
    assert_eq!((shown["text"].as_str(), shown["sender"].as_str()), (Some("third"), Some("628126666666")));
    let replied = offline(&["inbox", "reply", &id_of("third"), "later"]);
    assert!(replied.told().contains("when the gateway runs"), "{replied:?}");
    let gateway = stopped.restart();
    emulator.text_with("later");
    assert_eq!(texts(&wait_for_messages(&gateway, 1)), ["third"]);
}

#[test]
fn every_kind_of_sms_is_kept_and_shown_as_what_it_is() {
    let emulator = Emulator::start(1, &[]);
    let gateway = Setup::with(&emulator).start();
    gateway.wait_for_modems(1);
    let long = "Ein sehr langer Text mit 😀, der in mehreren Teilen kommt: ".repeat(4);
    emulator.deliver(SENDER, &long);
    let flash = UserData::gsm7("look at once").unwrap();
    emulator.deliver_tpdu(&tpdu(&deliver(Dcs(0x10), flash)));
    emulator.deliver_tpdu(&tpdu(&deliver(Dcs::OCTETS, UserData::octets(&[0xDE, 0xAD]))));
    // An emoji whose halves come in different parts.
    let units: Vec<u16> = "to😀gether".encode_utf16().collect();
    for (sequence, half) in [(2, &units[3..]), (1, &units[..3])] {
        let of = Concatenation { reference: Reference::Sixteen(4711), total: 2, sequence };
        let payload = Payload::Units(half.to_vec().into());
        emulator.deliver_tpdu(&tpdu(&deliver(Dcs::UCS2, UserData { header: vec![of.element()], payload })));
    }
    emulator.deliver_tpdu(&[0x04, 0x0B]);
    let messages = wait_for_messages(&gateway, 5);
    let all = texts(&messages);
    for text in [long.trim_end(), "look at once", "[8-bit data: DEAD]", "to😀gether"] {
        assert!(all.iter().any(|shown| shown.trim_end() == text), "{text} in {all:?}");
    }
    assert!(all.iter().any(|text| text.starts_with("[not readable: ") && text.ends_with("040B]")), "{all:?}");
    let with = |key: &str| messages.iter().filter(|message| message[key] == json!(true)).count();
    assert_eq!((with("is_flash"), with("is_binary"), with("is_unreadable")), (1, 1, 1));
    wait_for_an_empty_sim(&gateway);
}

#[test]
fn parts_are_joined_in_any_order_even_an_hour_late_and_a_message_without_all_of_them_is_shown() {
    let emulator = Emulator::start(1, &[]);
    let mut setup = Setup::with(&emulator);
    setup.sms = "incomplete_after = \"1s\"".to_owned();
    let gateway = setup.start();
    gateway.wait_for_modems(1);
    emulator.deliver_tpdu(&part("three", 7, 3, 3, 0));
    emulator.deliver_tpdu(&part("one, ", 7, 3, 1, 0));
    // The same part again, and other texts: of another reference, and of the same days later.
    emulator.deliver_tpdu(&part("one, ", 7, 3, 1, 0));
    emulator.deliver_tpdu(&part("other", 8, 3, 2, 0));
    emulator.deliver_tpdu(&part("days later", 7, 3, 2, 72));
    let state_of = |text: &str| {
        let messages = listed(&gateway, &["--full"]);
        let found = messages.iter().find(|message| message["text"] == json!(text));
        found.map(|message| (message["state"].as_str().unwrap().to_owned(), message["missing"].clone()))
    };
    let incomplete = wait_for("a message without its second part", || {
        state_of("one, [part 2 of 3 missing]three").filter(|(state, _)| state == "incomplete")
    });
    assert_eq!(incomplete.1, json!([2]));
    wait_for("what is told of it", || gateway.log().contains("inbox.state=\"incomplete\"").then_some(()));
    wait_for_messages(&gateway, 3);
    emulator.deliver_tpdu(&part("two, ", 7, 3, 2, 1));
    wait_for("the late part", || state_of("one, two, three").filter(|(state, _)| state == "complete"));
    assert_eq!(
        texts(&wait_for_messages(&gateway, 3)),
        [
            "[part 1 of 3 missing]days later[part 3 of 3 missing]",
            "[part 1 of 3 missing]other[part 3 of 3 missing]",
            "one, two, three"
        ]
    );
}

#[test]
fn what_came_while_no_gateway_ran_is_found_and_a_full_sim_is_emptied() {
    // Nothing is announced: what is found is looked for.
    let script = "[[modem]]\nmanners = [\"silent_arrivals\", \"tells_full_memory\"]\n";
    let emulator = Emulator::with_script(script, &[]);
    for number in 0..45 {
        emulator.deliver(SENDER, &format!("number {number}"));
    }
    let gateway = Setup::with(&emulator).start();
    gateway.wait_for_modems(1);
    // A SIM holds 20: the others come as room is made, and the last are found by the next regular look.
    wait_for("what fits on the SIM, and more", || (listed(&gateway, &[]).len() >= 40).then_some(()));
    let mut gateway = gateway.stop().restart();
    // Each start looks through the SIM; what comes to it while it is emptied is announced by nobody.
    for _ in 0..20 {
        gateway.wait_for_modems(1);
        if listed(&gateway, &[]).len() == 45 {
            break;
        }
        gateway = gateway.stop().restart();
    }
    let messages = wait_for_messages(&gateway, 45);
    let mut distinct = texts(&messages);
    distinct.dedup();
    assert_eq!(distinct.len(), 45);
    wait_for_an_empty_sim(&gateway);
}

/// Kills the gateway when its log, which tells every command, says `command` for the first time, and starts it again.
fn killed_at(command: &str, script: &str) {
    let emulator = Emulator::with_script(script, &[]);
    let mut setup = Setup::with(&emulator);
    setup.log = "trace";
    let gateway = setup.start();
    gateway.wait_for_modems(1);
    emulator.deliver(SENDER, "precious");
    wait_for(command, || gateway.log().contains(command).then_some(()));
    let gateway = gateway.kill().restart();
    gateway.wait_for_modems(1);
    let messages = wait_for_messages(&gateway, 1);
    assert_eq!(texts(&messages), ["precious"], "{command}");
    wait_for_an_empty_sim(&gateway);
    // What was doubled would be there by now: the SIM was looked through, and is empty.
    assert_eq!(listed(&gateway, &[]).len(), 1, "{command}");
}

#[test]
fn a_gateway_that_is_killed_between_two_steps_loses_and_doubles_nothing() {
    let silent =
        |command: &str| format!("[[fault]]\nwhen = \"{command}\"\ntimes = 1\naction = {{ silence = \"3s\" }}\n");
    // While it is read; when it is stored and its deletion is asked for; when that was refused.
    killed_at("> AT+CMGR", &silent("AT+CMGR"));
    killed_at("> AT+CMGD", &silent("AT+CMGD"));
    killed_at("the modem refuses AT+CMGD", "[[fault]]\nwhen = \"AT+CMGD\"\ntimes = 1\naction = { cms_error = 500 }\n");
}

#[test]
fn kills_at_any_moment_lose_and_double_no_sms() {
    const ROUNDS: usize = 25;
    let emulator = Emulator::start(1, &[]);
    let mut gateway = Setup::with(&emulator).start();
    gateway.wait_for_modems(1);
    let mut rng = ChaCha8Rng::seed_from_u64(20_261_124);
    for round in 0..ROUNDS {
        emulator.deliver(SENDER, &format!("token {round}"));
        emulator.deliver_tpdu(&part("one ", 100 + u8::try_from(round).unwrap(), 2, 1, 0));
        emulator.deliver_tpdu(&part("two", 100 + u8::try_from(round).unwrap(), 2, 2, 0));
        pause(Duration::from_micros(u64::from(rng.next_u32() % 150_000)));
        gateway = gateway.kill().restart();
    }
    gateway.wait_for_modems(1);
    wait_for_an_empty_sim(&gateway);
    let messages = wait_for_messages(&gateway, 2 * ROUNDS);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    texts(&messages).into_iter().for_each(|text| *counts.entry(text).or_default() += 1);
    assert_eq!(counts.remove("one two"), Some(ROUNDS));
    assert_eq!(counts.len(), ROUNDS, "{counts:?}");
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
}

#[test]
fn a_database_that_cannot_be_written_leaves_sms_where_they_are_and_takes_them_later() {
    let emulator = Emulator::start(1, &[]);
    let gateway = Setup::with(&emulator).start();
    gateway.wait_for_modems(1);
    let Some(held) = HeldDatabase::hold(&gateway.dir().join("data")) else {
        return skip("a database that cannot be written: there is no python3");
    };
    emulator.deliver(SENDER, "lies on the SIM");
    let flash = UserData::gsm7("lies nowhere else").unwrap();
    emulator.deliver_tpdu(&tpdu(&deliver(Dcs(0x10), flash)));
    wait_for("the complaint", || gateway.log().contains("cannot be stored; it stays where it is").then_some(()));
    drop(held);
    assert_eq!(texts(&wait_for_messages(&gateway, 2)), ["lies nowhere else", "lies on the SIM"]);
    wait_for_an_empty_sim(&gateway);
    assert_eq!(gateway.log().matches("cannot be stored; it stays where it is").count(), 1, "said once");
}
