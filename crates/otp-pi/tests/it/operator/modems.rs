//! `otp-pi modem …` with a gateway that drives the modem and without one: the same answers.

use serde_json::json;

use super::Place;
use crate::harness::{Emulator, Ended, Setup};

#[test]
fn modems_answer_alike_with_a_gateway_and_without_one() {
    let emulator = Emulator::start(1, &[]);
    let gateway = Setup::with(&emulator).start();
    gateway.wait_for_modems(1);
    let line = emulator.modems[0].to_str().unwrap();
    let ask = |place: &dyn Fn(&[&str]) -> Ended| {
        let questions = [
            &["modem", "check"][..],
            &["modem", "check", "m0", "--json"],
            &["modem", "check", line],
            &["modem", "at", "m0", "AT+CSQ"],
            &["modem", "at", line, "AT+CSQ", "--json"],
            &["modem", "at", "m0", "AT+NOSUCHTHING"],
            &["modem", "at", "m0", "AT+CMGS=7"],
            &["modem", "send", "m0", "12", "too short"],
        ];
        questions.map(|question| {
            let Ended { code, stdout, .. } = place(question);
            (code, stdout)
        })
    };
    let online = ask(&|question| gateway.operate(question));
    let codes: Vec<_> = online.iter().map(|(code, _)| code.unwrap()).collect();
    assert_eq!(codes, [0, 0, 0, 0, 0, 1, 1, 1], "{online:?}");
    let told = gateway.operate(&["modem", "send", "m0", "08126666666", "by a gateway"]);
    assert!(told.told().contains("sent"), "{told:?}");
    let stopped = gateway.stop();
    assert_eq!(ask(&|question| stopped.operate(question)), online);
    let again = stopped.operate(&["modem", "send", "m0", "08126666666", "by a gateway"]);
    // But for the number that the modem gives each message.
    let words = |ended: &Ended| ended.told().split(", reference").next().unwrap().to_owned();
    assert_eq!(words(&again), words(&told));
    assert_eq!(emulator.senders_of("by a gateway"), ["modem1", "modem1"]);
}

#[test]
fn a_modem_that_was_added_while_running_is_asked_at_once() {
    let emulator = Emulator::start(1, &[]);
    let gateway = Setup::without_modems().start();
    let port = emulator.modems[0].to_str().unwrap();
    assert!(gateway.operate(&["modem", "check"]).refused().contains("no modem is configured"));
    gateway.operate(&["settings", "set", "modem.north.port", port]).told();
    gateway.wait_for_modems(1);
    let checked = gateway.json(&["modem", "check", "north"]);
    assert_eq!(checked["modems"][0]["modem"], json!("north"), "{checked}");
    let refused = gateway.operate(&["modem", "check", "south"]);
    assert!(refused.refused().contains("it has north"), "{refused:?}");
}
