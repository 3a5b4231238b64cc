//! Long texts: what becomes of each part, codes that go between them, and the link that is kept open meanwhile.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Emulator, Gateway, Setup, operate, wait_for};

const PHONE: &str = "08126666666";
const PARTS: usize = 10;

/// A text of ten parts.
fn long_text() -> String {
    "long ".repeat(300)
}

fn start(emulator: &Emulator) -> Gateway {
    let gateway = Setup::with(emulator).start();
    gateway.wait_for_modems(1);
    gateway
}

fn send(gateway: &Gateway, message: &str) -> String {
    let answer = gateway.ask("send-sms", json!({"receiver": PHONE, "message": message}));
    assert_eq!(answer["response_code"], "000", "{answer}");
    answer["data"]["message_id"].as_str().unwrap().to_owned()
}

fn ask_for_code(gateway: &Gateway, number: usize) {
    let data =
        json!({"reference": format!("r{number}"), "receiver": format!("0812000{number:04}"), "message": "code %s"});
    let answer = gateway.ask("create-otp", data);
    assert_eq!(answer["response_code"], "000", "{answer}");
}

/// `text` and the number of the part, `code` or `other` for each transmission.
fn order(emulator: &Emulator) -> Vec<String> {
    let word = |sent: &Value| match (sent["part"][1].as_u64().unwrap() > 1, sent["text"].as_str().unwrap()) {
        (true, _) => format!("text {}", sent["part"][0]),
        (false, text) if text.starts_with("code") => "code".to_owned(),
        (false, _) => "other".to_owned(),
    };
    emulator.transmissions().iter().map(word).collect()
}

/// The states of all parts of the newest attempt.
fn states(status: &Value) -> Vec<&str> {
    let attempt = status["data"]["attempts"].as_array().unwrap().last();
    let parts = attempt.and_then(|attempt| attempt["parts"].as_array());
    parts.into_iter().flatten().map(|part| part["state"].as_str().unwrap()).collect()
}

fn status_of(gateway: &Gateway, message_id: &str) -> Value {
    gateway.ask("get-status", json!({"message_id": message_id}))
}

#[test]
fn a_code_goes_out_between_two_parts_of_a_long_text_which_goes_on_with_its_modem_and_reference() {
    let emulator = Emulator::start(1, &["--air-time", "150ms"]);
    let gateway = start(&emulator);
    let text = send(&gateway, &long_text());
    let other = send(&gateway, "waits for the whole text");
    emulator.wait_for_transmissions(2);
    ask_for_code(&gateway, 1);
    let before = emulator.transmissions().len();
    gateway.wait_for_state(&other, "delivered");
    let status = gateway.wait_for_state(&text, "delivered");
    let order = order(&emulator);
    let code = order.iter().position(|sent| sent == "code").unwrap();
    assert!(code <= before + 1, "at most the part that was on air goes before it: {before} {order:?}");
    let rest: Vec<_> = order.iter().filter(|sent| *sent != "code").cloned().collect();
    let expected: Vec<_> = (1..=PARTS).map(|part| format!("text {part}")).chain(["other".to_owned()]).collect();
    assert_eq!(rest, expected, "nothing but the code goes between the parts");
    let sent = emulator.transmissions();
    let of_text: Vec<_> = sent.iter().filter(|sent| sent["part"][1] == PARTS).collect();
    assert!(of_text.iter().all(|part| part["concat_reference"] == of_text[0]["concat_reference"]));
    // Each part is told with the TP-MR under which it went out, and its times.
    let parts = status["data"]["attempts"][0]["parts"].as_array().unwrap();
    for (part, sent) in parts.iter().zip(&of_text) {
        assert_eq!((&part["state"], &part["message_reference"]), (&json!("delivered"), &sent["message_reference"]));
        assert!(part["sent_at"].is_u64() && part["reported_at"].is_u64(), "{part}");
        assert_eq!((&part["report_status"], &part["report_meaning"]), (&json!(0), &json!("received by the phone")));
    }
    assert_eq!(parts.len(), PARTS);
    let shown = gateway.operate(&["message", "show", &text]);
    assert!(shown.told().contains("  part 10 of 10: delivered, TP-MR "), "{shown:?}");
}

#[test]
fn however_many_codes_there_are_a_long_text_goes_on_after_four_of_them() {
    let emulator = Emulator::start(1, &["--air-time", "60ms"]);
    let gateway = start(&emulator);
    let text = send(&gateway, &long_text());
    emulator.wait_for_transmissions(1);
    for number in 0..30 {
        ask_for_code(&gateway, number);
    }
    gateway.wait_for_state(&text, "delivered");
    wait_for("all codes", || (emulator.count("code ") == 30).then_some(()));
    let order = order(&emulator);
    let runs: Vec<usize> = order.split(|sent| sent.starts_with("text")).map(<[String]>::len).collect();
    let between = runs.get(1..runs.len() - 1).unwrap();
    assert!(between.iter().all(|codes| *codes <= 4), "{order:?}");
    assert!(between.contains(&4), "there were always more than enough: {order:?}");
}

/// A code went out before the last part of the text did.
fn a_code_went_between(emulator: &Emulator) {
    let order = order(emulator);
    let place = |word: &str| order.iter().position(|sent| sent == word).unwrap();
    assert!(place("code") < place(&format!("text {PARTS}")), "{order:?}");
}

#[test]
fn a_code_that_the_sim_may_not_send_holds_up_none_behind_it_between_two_parts() {
    let emulator = Emulator::start(1, &["--air-time", "150ms"]);
    let mut setup = Setup::with(&emulator);
    setup.modem = "monthly_recipients = 2".to_owned();
    let gateway = setup.start();
    gateway.wait_for_modems(1);
    let data = json!({"receiver": "08120000002", "message": "one of two this month"});
    assert_eq!(gateway.ask("send-sms", data)["response_code"], "000");
    emulator.wait_for_transmissions(1);
    let text = send(&gateway, &long_text());
    emulator.wait_for_transmissions(3);
    // A third receiver, and behind it one of the two.
    ask_for_code(&gateway, 1);
    ask_for_code(&gateway, 2);
    gateway.wait_for_state(&text, "delivered");
    a_code_went_between(&emulator);
    assert_eq!(emulator.count("code "), 1);
}

#[test]
fn the_only_modem_there_is_takes_a_code_between_two_parts_also_when_it_is_drained() {
    // It transmits, and does not say so.
    let fault = "[[fault]]\nwhen = \"AT+CMGS\"\ntimes = 3\naction = \"lost_information\"\n";
    let emulator = Emulator::scripted(1, fault, &["--air-time", "150ms", "--report-delay", "5m"]);
    let gateway = start(&emulator);
    let listed = || gateway.ask("get-modem-list", json!({}))["data"]["modem_list"]["m0"]["state"].clone();
    for number in 1..=3 {
        send(&gateway, &format!("mute {number}"));
    }
    wait_for("a drained modem", || (listed() == "drained").then_some(()));
    let text = send(&gateway, &long_text());
    emulator.wait_for_transmissions(5);
    ask_for_code(&gateway, 1);
    gateway.wait_for_state(&text, "sent");
    a_code_went_between(&emulator);
}

#[test]
fn of_a_long_text_that_a_power_cut_broke_off_nothing_is_sent_again_and_each_part_is_told_as_far_as_it_is_known() {
    let emulator = Emulator::start(1, &["--air-time", "400ms"]);
    let gateway = start(&emulator);
    let text = send(&gateway, &long_text());
    wait_for("a part on record", || states(&status_of(&gateway, &text)).contains(&"sent").then_some(()));
    ask_for_code(&gateway, 1);
    let gateway = gateway.kill().restart();
    let status = gateway.wait_for_state(&text, "unknown");
    assert_eq!(status["data"]["reason"], "restart while on air", "{status}");
    gateway.wait_for_modems(1);
    gateway.send_sentinel(&emulator, PHONE, "end");
    let gone = emulator.transmissions().iter().filter(|sent| sent["part"][1] == PARTS).count();
    let status = status_of(&gateway, &text);
    let states = states(&status);
    assert_eq!(states.len(), PARTS, "{status}");
    let is_known = |state: &&&str| ["sent", "delivered"].contains(state);
    assert!(states.iter().filter(is_known).count() <= gone, "what is told as sent was: {states:?}, {gone}");
    assert!(states.iter().skip(PARTS - 3).all(|state| *state == "unknown"), "{states:?}");
    assert!(gone < PARTS && states.iter().all(|state| is_known(&state) || *state == "unknown"), "{states:?}");
    assert!(emulator.count("code ") <= 2, "a code that was on air is not sent again, one that waited is");
}

#[test]
fn a_long_text_that_does_not_come_down_in_time_names_the_part_in_doubt_and_those_that_were_not_sent() {
    let emulator = Emulator::start(1, &["--air-time", "1200ms"]);
    let gateway = start(&emulator);
    let file = gateway.dir().join("otp-pi.toml");
    let settings = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("drain_timeout = \"100ms\"\n{settings}")).unwrap();
    let mut gateway = gateway.kill().restart();
    gateway.wait_for_modems(1);
    let text = send(&gateway, &long_text());
    emulator.wait_for_transmissions(1);
    wait_for("the first part on record", || states(&status_of(&gateway, &text)).contains(&"sent").then_some(()));
    assert_eq!(gateway.terminate(), Some(0));
    let shown = operate(gateway.dir(), &["message", "show", &text, "--json"]).json();
    let told: Vec<_> =
        shown["attempts"][0]["parts"].as_array().unwrap().iter().map(|part| part["state"].clone()).collect();
    let expected = [vec!["sent", "unknown"], vec!["not-sent"; PARTS - 2]].concat();
    let first = told.first().unwrap().as_str().unwrap();
    assert!(["sent", "delivered"].contains(&first), "{told:?}");
    assert_eq!(told.get(1..).unwrap(), expected.get(1..).unwrap(), "{shown}");
    assert_eq!(shown["state"], "unknown");
}

/// The radio time of everything that went out, in milliseconds.
fn radio_time(emulator: &Emulator) -> u64 {
    emulator.transmissions().iter().map(|sent| sent["radio_millis"].as_u64().unwrap()).sum()
}

const SLOW_LINK: [&str; 6] = ["--link-setup", "100ms", "--air-time", "20ms", "--link-hold", "60s"];

#[test]
fn a_burst_pays_for_the_link_once_and_a_message_alone_leaves_it_closed() {
    let emulator = Emulator::start(1, &SLOW_LINK);
    let gateway = start(&emulator);
    for (number, message) in [long_text(), "one alone".to_owned(), "another alone".to_owned()].iter().enumerate() {
        let id = send(&gateway, message);
        gateway.wait_for_state(&id, "delivered");
        let parts = u64::try_from(PARTS + number).unwrap();
        let links = u64::try_from(number).unwrap() + 1;
        assert_eq!(radio_time(&emulator), links * 100 + parts * 20, "after {message:.20}");
    }
}

#[test]
fn a_modem_that_cannot_keep_the_link_open_sends_all_the_same() {
    let script = "[[fault]]\nwhen = \"AT+CMMS\"\naction = \"error\"\n";
    let emulator = Emulator::with_script(script, &SLOW_LINK);
    let gateway = start(&emulator);
    let id = send(&gateway, &long_text());
    gateway.wait_for_state(&id, "delivered");
    assert_eq!(radio_time(&emulator), 120 * u64::try_from(PARTS).unwrap(), "six times as long as the air needs");
}
