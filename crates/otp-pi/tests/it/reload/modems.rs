//! Modems that come, go and move while the gateway works.

use std::path::Path;

use serde_json::json;

use crate::harness::{Emulator, Gateway, Setup, wait_for};

/// A section for a modem.
fn modem(name: &str, path: &Path, more: &str) -> String {
    format!("[[modem]]\nname = \"{name}\"\nport = {path:?}\n{more}\n")
}

fn with(modems: &[String]) -> Setup {
    let mut setup = Setup::without_modems();
    setup.more = modems.concat();
    setup
}

fn send(gateway: &Gateway, text: &str) -> String {
    let answer = gateway.ask("send-sms", json!({"receiver": "08126666666", "message": text}));
    assert_eq!(answer["response_code"], "000", "{answer}");
    answer["data"]["message_id"].as_str().unwrap().to_owned()
}

/// True when nobody has the line.
fn is_free(line: &Path) -> bool {
    let Ok(file) = std::fs::File::options().read(true).write(true).open(line) else { return false };
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok()
}

fn names(gateway: &Gateway) -> Vec<String> {
    let list = gateway.ask("get-modem-list", json!({}));
    list["data"]["modem_list"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn a_modem_that_is_added_sends_what_waits_for_it() {
    let emulator = Emulator::start(2, &[]);
    let south = modem("south", &emulator.modems[0], "recipient_prefixes = [\"62811\"]");
    let mut setup = with(std::slice::from_ref(&south));
    setup.sms = "failover = \"wait\"".to_owned();
    let gateway = setup.start();
    gateway.wait_for_modems(1);
    send(&gateway, "by the only one there is");
    assert_eq!(emulator.senders_of_when_sent("by the only one"), ["modem1"]);
    setup.more = south + &modem("north", &emulator.modems[1], "recipient_prefixes = [\"62812\"]");
    gateway.reload_as(&setup);
    gateway.wait_for_modems(2);
    send(&gateway, "by the new one");
    assert_eq!(emulator.senders_of_when_sent("by the new one"), ["modem2"]);
    assert_eq!(names(&gateway), ["north", "south"]);
}

#[test]
fn a_modem_that_is_taken_out_finishes_its_message_and_lets_its_line_go() {
    let emulator = Emulator::start(2, &["--air-time", "1s"]);
    let (south, north) = (modem("south", &emulator.modems[0], ""), modem("north", &emulator.modems[1], ""));
    let gateway = with(&[south]).start();
    gateway.wait_for_modems(1);
    let on_air = send(&gateway, "on air at the change");
    let waits = send(&gateway, "waits at the change");
    gateway.wait_for_state(&on_air, "sending");
    let log = gateway.reload_as(&with(&[north]));
    assert!(log.contains("it finishes and is let go"), "{log}");
    assert_eq!(names(&gateway), ["north"]);
    gateway.wait_for_state(&on_air, "sent");
    gateway.wait_for_state(&waits, "delivered");
    wait_for("the line", || is_free(&emulator.modems[0]).then_some(()));
    assert_eq!(emulator.senders_of("on air at the change"), ["modem1"]);
    assert_eq!(emulator.senders_of("waits at the change"), ["modem2"]);
}

#[test]
fn a_modem_moves_to_another_line_and_two_change_places() {
    let emulator = Emulator::start(2, &[]);
    let [first, second] = [0, 1].map(|index| emulator.modems[index].clone());
    let south = "recipient_prefixes = [\"62812\"]";
    let north = "recipient_prefixes = [\"62813\"]";
    let gateway = with(&[modem("south", &first, south)]).start();
    gateway.wait_for_modems(1);
    send(&gateway, "one");
    assert_eq!(emulator.senders_of_when_sent("one"), ["modem1"]);
    gateway.reload_as(&with(&[modem("south", &second, south)]));
    gateway.wait_for_modems(1);
    send(&gateway, "two");
    assert_eq!(emulator.senders_of_when_sent("two"), ["modem2"]);
    wait_for("the line", || is_free(&first).then_some(()));
    gateway.reload_as(&with(&[modem("south", &second, south), modem("north", &first, north)]));
    gateway.wait_for_modems(2);
    gateway.reload_as(&with(&[modem("south", &first, south), modem("north", &second, north)]));
    gateway.wait_for_modems(2);
    send(&gateway, "three");
    assert_eq!(emulator.senders_of_when_sent("three"), ["modem1"]);
    assert_eq!((emulator.count("one"), emulator.count("two"), emulator.count("three")), (1, 1, 1));
}

#[test]
fn a_modem_whose_settings_stay_is_not_touched() {
    let emulator = Emulator::start(2, &[]);
    let (south, north) = (modem("south", &emulator.modems[0], ""), modem("north", &emulator.modems[1], ""));
    let gateway = with(std::slice::from_ref(&south)).start();
    gateway.wait_for_modems(1);
    for changed in [
        with(&[south.clone(), north.clone()]),
        with(&[modem("south", &emulator.modems[0], "cost = 7\nrecipient_prefixes = [\"62812\"]"), north.clone()]),
        with(&[north, south]),
    ] {
        let log = gateway.reload_as(&changed);
        assert!(!log.contains("it finishes and is let go"), "{log}");
    }
    gateway.wait_for_modems(2);
    let log = gateway.reload_as(&with(&[modem("south", &emulator.modems[0], "result_timeout = \"90s\"")]));
    assert_eq!(log.matches("it finishes and is let go").count(), 2, "{log}");
    gateway.wait_for_modems(1);
}

#[test]
fn without_any_modem_nothing_is_taken_and_with_one_again_it_is() {
    let emulator = Emulator::start(1, &[]);
    let one = with(&[modem("south", &emulator.modems[0], "")]);
    let gateway = one.start();
    gateway.wait_for_modems(1);
    gateway.reload_as(&with(&[]));
    let refused = gateway.ask("send-sms", json!({"receiver": "08126666666", "message": "to nobody"}));
    assert_eq!(refused["response_code"], "1101", "{refused}");
    gateway.reload_as(&one);
    gateway.wait_for_modems(1);
    gateway.send_sentinel(&emulator, "08126666666", "again");
}

#[test]
fn what_was_on_air_when_its_modem_went_is_told_of_by_the_modems_name() {
    let script = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(script.path(), "[[fault]]\nwhen = \"AT+CMGS\"\nnth = 1\naction = { cms_error = 42 }\n").unwrap();
    let emulator = Emulator::start(2, &["--air-time", "1s", "--script", script.path().to_str().unwrap()]);
    let (south, north) = (modem("south", &emulator.modems[0], ""), modem("north", &emulator.modems[1], ""));
    let gateway = with(&[south]).start();
    gateway.wait_for_modems(1);
    let on_air = send(&gateway, "refused while its modem goes");
    gateway.wait_for_state(&on_air, "sending");
    gateway.reload_as(&with(&[north]));
    gateway.wait_for_state(&on_air, "delivered");
    let log = gateway.log();
    let told = log.lines().find(|line| line.contains("not sent: ")).unwrap();
    assert!(told.contains("south"), "{told}");
}

#[test]
fn settings_that_are_not_the_dispatchers_do_not_sort_the_queue_anew() {
    const SORTED: &str = "the modems and their rules are set anew";
    let emulator = Emulator::start(1, &[]);
    let mut setup = with(&[modem("south", &emulator.modems[0], "")]);
    let gateway = setup.start();
    setup.otp = "max_attempts = 4".to_owned();
    let log = gateway.reload_as(&setup);
    assert!(!log.contains(SORTED), "{log}");
    for more in ["recipient_prefixes = [\"62812\"]", "recipient_prefixes = [\"62812\"]\ndefault = true"] {
        setup.more = modem("south", &emulator.modems[0], more);
        let log = gateway.reload_as(&setup);
        assert!(log.contains(SORTED), "{more}: {log}");
    }
    setup.sms = "unknown_policy = \"resend\"".to_owned();
    assert!(gateway.reload_as(&setup).contains(SORTED));
}

impl Emulator {
    /// The emulated modems that sent a text with `needle`, once one has.
    fn senders_of_when_sent(&self, needle: &str) -> Vec<String> {
        self.text_with(needle);
        self.senders_of(needle)
    }
}
