//! Modems that look alive and do not do their work: noticed, drained to the others, told about, and let back.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Client, Emulator, Gateway, Setup, wait_for};

/// Short, so that a sick modem is known to be sick before a test runs out of patience.
const IMPATIENT: &str = "prompt_timeout = \"500ms\"\nresult_timeout = \"1s\"\nanswer_timeout = \"100ms\"\n\
                         reset_timeout = \"1s\"\nnetwork_timeout = \"1s\"";

/// So slow that a modem that is well does not do all the work before its neighbour is asked again.
const SLOW: &[&str] = &["--air-time", "400ms"];

fn impatient(emulator: &Emulator) -> Setup {
    let mut setup = Setup::with(emulator);
    setup.modem = IMPATIENT.to_owned();
    setup
}

/// Sends so many texts, each to a receiver of its own; answers their ids.
fn send(client: &mut Client, word: &str, count: usize) -> Vec<String> {
    static RECEIVERS: AtomicUsize = AtomicUsize::new(0);
    let one = |number| {
        let receiver = format!("628126{:06}", RECEIVERS.fetch_add(1, Ordering::Relaxed));
        let answer = client.ask("send-sms", json!({"receiver": receiver, "message": format!("{word} {number}.")}));
        assert_eq!(answer["response_code"], "000", "{answer}");
        answer["data"]["message_id"].as_str().unwrap().to_owned()
    };
    (0..count).map(one).collect()
}

/// Waits until each of these texts has gone out, and looks that none has gone out twice.
fn all_went_out_once(emulator: &Emulator, word: &str, count: usize) {
    for number in 0..count {
        emulator.text_with(&format!("{word} {number}."));
    }
    for number in 0..count {
        assert_eq!(emulator.count(&format!("{word} {number}.")), 1, "{word} {number}");
    }
}

fn state(gateway: &Gateway, modem: &str) -> String {
    gateway.ask("get-modem-list", json!({}))["data"]["modem_list"][modem]["state"].as_str().unwrap().to_owned()
}

fn wait_for_state(gateway: &Gateway, modem: &str, wanted: &str) {
    wait_for(&format!("{modem} to be {wanted}"), || (state(gateway, modem) == wanted).then_some(()));
}

/// What `modem check` says of one modem.
fn check(gateway: &Gateway, modem: &str) -> Value {
    gateway.operate(&["modem", "check", modem, "--json"]).json()["modems"][0].clone()
}

/// The subjects and troubles of all alarms, oldest first.
fn alarms(gateway: &Gateway) -> Vec<(String, String)> {
    let rows = gateway.operate(&["audit", "list", "--event", "modem-alarm", "--json"]).json();
    let words = |value: &Value| value.as_str().unwrap().to_owned();
    rows.as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|row| (words(&row["subject"]), words(&row["changes"][0]["new"])))
        .collect()
}

fn wait_for_alarm(gateway: &Gateway) -> (String, String) {
    wait_for("an alarm", || alarms(gateway).first().cloned())
}

#[test]
fn a_modem_that_says_ok_and_does_nothing_is_drained_and_every_message_goes_out_once_through_the_other() {
    // Three times, then it is well: the fault is in its head, not in its air.
    let fault = "[[fault]]\nwhen = \"AT+CMGS\"\nmodem = \"modem1\"\ntimes = 3\naction = \"ok_to_everything\"\n";
    let emulator = Emulator::scripted(2, fault, SLOW);
    let mut setup = impatient(&emulator);
    setup.sms = "unknown_policy = \"resend\"".to_owned();
    let gateway = setup.start();
    gateway.wait_for_modems(2);
    let mut client = gateway.connect();
    send(&mut client, "ok", 12);
    wait_for_state(&gateway, "m0", "drained");
    all_went_out_once(&emulator, "ok", 12);
    assert_eq!(emulator.senders_of("ok"), vec!["modem2"; 12]);
    assert_eq!(wait_for_alarm(&gateway), ("m0".to_owned(), "its last messages all ended badly".to_owned()));
    let checked = gateway.operate(&["modem", "check", "m0"]);
    assert_eq!(checked.code, Some(3), "{checked:?}");
    assert!(checked.stdout.contains("its last messages all ended badly"), "{}", checked.stdout);
    // A person has helped.
    assert!(gateway.operate(&["modem", "resume", "m0"]).told().contains("gets messages again"));
    send(&mut client, "again", 6);
    all_went_out_once(&emulator, "again", 6);
    assert!(emulator.senders_of("again").contains(&"modem1".to_owned()), "{:?}", emulator.senders_of("again"));
    assert_eq!((state(&gateway, "m0"), alarms(&gateway).len()), ("ready".to_owned(), 1));
}

#[test]
fn a_modem_that_says_ok_from_the_first_at_on_is_drained_as_well() {
    let fault = "[[fault]]\nwhen = \"*\"\nmodem = \"modem1\"\naction = \"ok_to_everything\"\n";
    let emulator = Emulator::scripted(2, fault, SLOW);
    let mut setup = impatient(&emulator);
    setup.sms = "unknown_policy = \"resend\"".to_owned();
    let gateway = setup.start();
    gateway.wait_for_modems(2);
    send(&mut gateway.connect(), "ok", 12);
    all_went_out_once(&emulator, "ok", 12);
    assert_eq!(wait_for_alarm(&gateway).0, "m0");
    assert_eq!(emulator.senders_of("ok"), vec!["modem2"; 12]);
}

#[test]
fn a_modem_that_makes_no_prompt_loses_nothing_and_is_drained() {
    let fault = "[[fault]]\nwhen = \"AT+CMGS\"\nmodem = \"modem1\"\naction = \"error\"\n";
    let emulator = Emulator::scripted(2, fault, SLOW);
    let gateway = impatient(&emulator).start();
    gateway.wait_for_modems(2);
    send(&mut gateway.connect(), "error", 12);
    all_went_out_once(&emulator, "error", 12);
    wait_for_state(&gateway, "m0", "drained");
    assert_eq!(emulator.senders_of("error"), vec!["modem2"; 12]);
}

#[test]
fn a_modem_whose_messages_turn_out_to_have_arrived_is_let_back_by_their_reports() {
    // It transmits, and does not say so.
    let fault = "[[fault]]\nwhen = \"AT+CMGS\"\nmodem = \"modem1\"\ntimes = 3\naction = \"lost_information\"\n";
    let emulator = Emulator::scripted(2, fault, &[SLOW, &["--report-delay", "5s"]].concat());
    let gateway = impatient(&emulator).start();
    gateway.wait_for_modems(2);
    let mut client = gateway.connect();
    let ids = send(&mut client, "mute", 12);
    wait_for_state(&gateway, "m0", "drained");
    wait_for_state(&gateway, "m0", "ready");
    assert!(gateway.log().contains("has proved itself"), "{}", gateway.log());
    ids.iter().for_each(|id| drop(gateway.wait_for_state(id, "delivered")));
    all_went_out_once(&emulator, "mute", 12);
    send(&mut client, "again", 4);
    all_went_out_once(&emulator, "again", 4);
    assert!(emulator.senders_of("again").contains(&"modem1".to_owned()), "{:?}", emulator.senders_of("again"));
}

#[test]
fn a_modem_that_swallows_what_it_says_it_sends_is_drained_when_others_get_reports() {
    let fault = "[[fault]]\nwhen = \"AT+CMGS\"\nmodem = \"modem1\"\naction = \"swallow\"\n";
    let emulator = Emulator::scripted(2, fault, &["--report-delay", "10ms"]);
    let mut setup = impatient(&emulator);
    setup.sms = "report_patience = \"1s\"".to_owned();
    let gateway = setup.start();
    gateway.wait_for_modems(2);
    let mut client = gateway.connect();
    // What it swallowed before anybody could know is lost, and never doubled.
    let mut sent = 0;
    wait_for("the modem to be drained", || {
        send(&mut client, &format!("round {sent}"), 2);
        sent += 1;
        (state(&gateway, "m0") == "drained").then_some(())
    });
    assert_eq!(
        wait_for_alarm(&gateway),
        ("m0".to_owned(), "it says that it sends, but no delivery report comes".to_owned())
    );
    send(&mut client, "after", 12);
    all_went_out_once(&emulator, "after", 12);
    assert_eq!(emulator.senders_of("after"), vec!["modem2"; 12]);
}

#[test]
fn a_lone_modem_that_swallows_goes_on_with_an_alarm_and_a_report_lets_it_back() {
    // Two go out, many do not, then it is well.
    let well = "[[fault]]\nwhen = \"AT+CMGS\"\ntimes = 2\naction = { urc_inside = \"RING\" }\n";
    let sick = "[[fault]]\nwhen = \"AT+CMGS\"\ntimes = 40\naction = \"swallow\"\n";
    let emulator = Emulator::scripted(1, &format!("{well}{sick}"), &["--report-delay", "10ms", "--air-time", "100ms"]);
    let mut setup = impatient(&emulator);
    setup.sms = "report_patience = \"1s\"".to_owned();
    let gateway = setup.start();
    gateway.wait_for_modems(1);
    let mut client = gateway.connect();
    for id in send(&mut client, "well", 2) {
        gateway.wait_for_state(&id, "delivered");
    }
    send(&mut client, "swallowed", 10).iter().for_each(|id| drop(gateway.wait_for_state(id, "sent")));
    assert_eq!(emulator.count("swallowed"), 0);
    // It is judged when it says once more that it sent, and goes on: there is no other.
    let mut one_more = || send(&mut client, "more", 1).iter().for_each(|id| drop(gateway.wait_for_state(id, "sent")));
    wait_for("an alarm", || {
        one_more();
        (state(&gateway, "m0") == "drained").then_some(())
    });
    assert_eq!(wait_for_alarm(&gateway).0, "m0");
    wait_for("a proof", || {
        one_more();
        gateway.log().contains("has proved itself").then_some(())
    });
    assert_eq!(state(&gateway, "m0"), "ready");
    assert!(emulator.count("more") > 0);
}

#[test]
fn modems_that_answer_nothing_or_nonsense_are_told_about_and_the_other_sends_everything() {
    for action in ["\"hang\"", "{ nonsense = \"\\r\\n~~garbage~~\\r\\n\" }"] {
        let fault = format!("[[fault]]\nwhen = \"*\"\nmodem = \"modem1\"\naction = {action}\n");
        let emulator = Emulator::scripted(2, &fault, &[]);
        let gateway = impatient(&emulator).start();
        gateway.wait_for_modems(1);
        send(&mut gateway.connect(), "well", 6);
        all_went_out_once(&emulator, "well", 6);
        assert_eq!(emulator.senders_of("well"), vec!["modem2"; 6], "{action}");
        assert_eq!(wait_for_alarm(&gateway), ("m0".to_owned(), "it does not answer".to_owned()), "{action}");
        let checked = check(&gateway, "m0");
        let counts = &checked["healing"]["counts"];
        for step in ["escape", "attention", "reopen", "reset", "alarm"] {
            assert!(counts[step].as_u64() >= Some(1), "{step}: {checked:#}");
        }
        assert!(checked["healing"]["step"].is_string(), "{checked:#}");
        assert_eq!(checked["verdict"], "bad", "{checked:#}");
        assert_eq!(alarms(&gateway).len(), 1, "it is told once");
    }
}

#[test]
fn a_modem_that_hangs_until_it_is_opened_or_restarted_is_healed_and_sends_again() {
    for (action, resets) in [("hang_until_reopened", None), ("hang_until_reset", Some(1))] {
        let fault = format!("[[fault]]\nwhen = \"AT+CMGS\"\nmodem = \"modem1\"\nnth = 1\naction = \"{action}\"\n");
        let emulator = Emulator::scripted(2, &fault, &[]);
        let gateway = impatient(&emulator).start();
        gateway.wait_for_modems(2);
        let mut client = gateway.connect();
        send(&mut client, "first", 4);
        all_went_out_once(&emulator, "first", 4);
        wait_for("the hang to be noticed", || check(&gateway, "m0")["healing"]["counts"]["reopen"].as_u64());
        gateway.wait_for_modems(2);
        send(&mut client, "second", 4);
        all_went_out_once(&emulator, "second", 4);
        assert!(emulator.senders_of("second").contains(&"modem1".to_owned()), "{action}");
        let checked = check(&gateway, "m0");
        assert_eq!(checked["healing"]["counts"]["reset"].as_u64(), resets, "{action}: {checked:#}");
        assert!(checked["healing"]["step"].is_null(), "{action}: {checked:#}");
        assert_eq!(gateway.log().contains("the modem does its work again"), resets.is_some(), "{action}");
        assert_eq!(alarms(&gateway), [], "{action}");
    }
}

#[test]
fn a_modem_that_is_drained_by_hand_gets_nothing_until_it_is_resumed_and_both_are_recorded() {
    let emulator = Emulator::start(2, &[]);
    let gateway = impatient(&emulator).start();
    gateway.wait_for_modems(2);
    let mut client = gateway.connect();
    let drained = gateway.operate(&["modem", "drain", "m0"]);
    assert!(drained.told().contains("gets no message any more"), "{drained:?}");
    assert_eq!(state(&gateway, "m0"), "drained");
    send(&mut client, "one", 6);
    all_went_out_once(&emulator, "one", 6);
    assert_eq!(emulator.senders_of("one"), vec!["modem2"; 6]);
    // With the last one drained too, messages wait, and the person is told.
    let last = gateway.operate(&["modem", "drain", "m1"]);
    assert!(last.code == Some(3) && last.stdout.contains("messages wait"), "{last:?}");
    let ids = send(&mut client, "two", 2);
    gateway.wait_for_state(&ids[0], "queued");
    assert_eq!(emulator.count("two"), 0);
    let resumed = gateway.operate(&["modem", "resume", "m0"]);
    assert!(resumed.told().contains("drained by hand"), "{resumed:?}");
    all_went_out_once(&emulator, "two", 2);
    assert_eq!(emulator.senders_of("two"), vec!["modem1"; 2]);
    assert!(gateway.operate(&["modem", "resume", "m0"]).told().contains("was not drained"));
    assert!(gateway.operate(&["modem", "drain", "m9"]).refused().contains("is no modem"));
    let record = gateway.operate(&["audit", "list"]);
    for event in ["modem-drained", "modem-resumed"] {
        assert!(record.told().contains(event), "{}", record.stdout);
    }
}

#[test]
fn the_list_of_lines_tells_where_the_modem_on_each_stands() {
    let fault = "[[fault]]\nwhen = \"*\"\nmodem = \"modem1\"\naction = \"hang\"\n";
    let emulator = Emulator::scripted(2, fault, &[]);
    let gateway = impatient(&emulator).start();
    gateway.wait_for_modems(1);
    gateway.operate(&["modem", "drain", "m1"]);
    let root = TempDir::new().unwrap();
    for directory in ["dev", "proc", "sys/class/tty"] {
        fs::create_dir_all(root.path().join(directory)).unwrap();
    }
    for (number, modem) in emulator.modems.iter().enumerate() {
        let (name, device) = (format!("ttyUSB{number}"), format!("sys/devices/{number}"));
        fs::create_dir_all(root.path().join(&device).join("device")).unwrap();
        symlink(modem, root.path().join("dev").join(&name)).unwrap();
        symlink(root.path().join(&device), root.path().join("sys/class/tty").join(&name)).unwrap();
    }
    let list = |more: &[&str]| {
        let arguments = ["modem", "list", "--no-probe", "--root", root.path().to_str().unwrap()];
        gateway.operate(&[&arguments, more].concat())
    };
    wait_for("an alarm in the list", || {
        let lines = list(&["--json"]).json()["lines"].clone();
        let of = |modem: &str| lines.as_array().unwrap().iter().find(|line| line["modem"] == modem).unwrap().clone();
        assert_eq!(of("m1")["standing"]["drained"], "drained by hand", "{lines:#}");
        (of("m0")["standing"]["healing"]["counts"]["alarm"].as_u64() >= Some(1)).then_some(())
    });
    let told = list(&[]);
    let words = told.told().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("modem m1, by the gateway, which has it state ready drained drained by hand"), "{words}");
    assert!(words.contains("since the start: escape"), "{words}");
    let scraped = gateway.connect().request("GET", "/metrics", None, b"").unwrap().body;
    let scraped = String::from_utf8(scraped).unwrap();
    for sample in
        ["otp_pi_modem_drained{modem=\"m1\"} 1", "otp_pi_modem_heal_steps_total{modem=\"m0\",step=\"alarm\"} "]
    {
        assert!(scraped.contains(sample) && !scraped.contains(&format!("{sample}0\n")), "{sample} in {scraped}");
    }
}
