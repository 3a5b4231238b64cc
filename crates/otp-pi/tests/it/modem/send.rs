//! `otp-pi modem send`.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json as value;

use super::{Device, json, modem};
use crate::harness::{Setup, wait_for};

#[test]
fn a_text_goes_out_at_once_and_its_reference_is_told() {
    let device = Device::well();
    let ended = modem(&["send", &device.line(), "+62 812-3456-789", "Hello there"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout, "line to 62812•••89: sent: the network has taken it\n  part 1 of 1: sent, reference 0\n");
    assert_eq!(device.texts(), ["Hello there"]);
    assert_eq!(device.network.transmissions()[0].receiver, "628123456789");
}

#[test]
fn a_long_text_goes_out_in_parts_each_with_its_reference() {
    let device = Device::well();
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(8);
    let (code, sent) = json(&["send", &device.line(), "628123456789", &text]);
    assert_eq!(code, Some(0));
    assert_eq!(sent["state"], "sent");
    assert_eq!(sent["receiver"], "62812•••89");
    assert_eq!(
        sent["parts"],
        value!([
            {"part": 1, "state": "sent", "message_reference": 0},
            {"part": 2, "state": "sent", "message_reference": 1},
            {"part": 3, "state": "sent", "message_reference": 2}
        ])
    );
    assert_eq!(device.texts().concat(), text);
}

#[test]
fn a_text_from_standard_input_is_in_no_list_of_processes() {
    let device = Device::well();
    let mut child = Command::new(env!("CARGO_BIN_EXE_otp-pi"))
        .args(["modem", "send", &device.line(), "628123456789", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all("two\nlines {}\n".as_bytes()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(device.texts(), ["two\nlines {}"]);
}

#[test]
fn the_receiver_is_read_as_the_gateway_reads_it() {
    let device = Device::well();
    let config = device.config("");
    assert_eq!(modem(&["send", "m0", "0812-3456-789", "a", "--config", &config]).code, Some(0));
    assert_eq!(device.network.transmissions()[0].receiver, "628123456789");
    assert!(!device.data().exists());
    // Without a configuration nobody knows the country.
    for (receiver, word) in [
        ("0812345678", "leading 0"),
        ("\u{660}812345678", "leading 0"),
        ("12345", "short code"),
        ("+62abc", "not a digit"),
        ("", "empty"),
    ] {
        let ended = modem(&["send", &device.line(), receiver, "a"]);
        assert_eq!(ended.code, Some(1), "{receiver:?}: {ended:?}");
        assert!(ended.stderr.contains(word), "{word:?} in {}", ended.stderr);
    }
    assert_eq!(modem(&["send", &device.line(), "628123456789", ""]).code, Some(1));
    assert_eq!(device.network.transmissions().len(), 1);
}

#[test]
fn who_is_blocked_at_the_gateway_is_blocked_here_too() {
    let device = Device::well();
    let mut gateway = Setup { modems: vec![device.modem.path()], ..Setup::without_modems() }.start();
    let blocked = gateway.ask("block-msisdn", value!({"receiver": "08126666666"}));
    assert_eq!(blocked["response_code"], "000");
    assert_eq!(gateway.terminate(), Some(0));
    let config = gateway.dir().join("otp-pi.toml");
    let config = config.to_str().unwrap();
    for receiver in ["08126666666", "+628126666666", "628126666666"] {
        let (code, refused) = json(&["send", "m0", receiver, "hello", "--config", config]);
        assert_eq!(code, Some(1));
        assert_eq!(refused["error"], "the receiver is blocked; nothing is sent");
        // By its path it is the same modem, and the same list.
        assert_eq!(modem(&["send", &device.line(), receiver, "hello", "--config", config]).code, Some(1));
    }
    assert_eq!(device.texts(), [""; 0]);
    assert_eq!(modem(&["send", "m0", "08126666667", "hello", "--config", config]).code, Some(0));
    assert_eq!(device.texts(), ["hello"]);
}

#[test]
fn a_database_of_another_user_is_left_alone_and_nothing_is_sent_past_its_block_list() {
    if !rustix::process::geteuid().is_root() {
        // Only root can give a file away.
        return;
    }
    let device = Device::start("", |modem| modem.pin = Some("1234".to_owned()));
    let pin = device.file("pin", "1234\n");
    let config = device.config(&format!("sim_pin_file = {pin:?}"));
    std::fs::create_dir(device.data()).unwrap();
    let database = device.data().join("otp-pi.db");
    std::fs::write(&database, "somebody's").unwrap();
    std::os::unix::fs::chown(&database, Some(1), None).unwrap();
    let ended = modem(&["send", "m0", "08126666666", "hello", "--config", &config]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("run this as the user of the gateway"), "{}", ended.stderr);
    // A look is worth having without the PIN.
    let ended = modem(&["check", "m0", "--config", &config]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("no PIN is entered") && ended.stdout.contains("asks for its PIN"), "{ended:?}");
    assert_eq!(device.pins_entered(), 0);
    assert_eq!(std::fs::read_dir(device.data()).unwrap().count(), 1, "nothing was made there");
}

#[test]
fn a_refusal_of_the_network_is_told_with_its_meaning() {
    let device = Device::start("[[fault]]\nwhen = \"AT+CMGS\"\naction = { cms_error = 1 }\n", |_| {});
    let (code, sent) = json(&["send", &device.line(), "628123456789", "hello"]);
    assert_eq!((code, &sent["state"]), (Some(1), &value!("not-sent")));
    assert_eq!(sent["parts"][0]["error"], "+CMS ERROR 1: unassigned number");
    assert_eq!(device.texts(), [""; 0]);
}

#[test]
fn an_outcome_that_nobody_can_know_is_said_to_be_unknown_and_has_a_code_of_its_own() {
    let device = Device::start("[[fault]]\nwhen = \"AT+CMGS\"\naction = { unplug = \"after_transmission\" }\n", |_| {});
    let ended = modem(&["send", &device.line(), "628123456789", "hello"]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.stdout.contains("outcome unknown: it may arrive"), "{}", ended.stdout);
    assert_eq!(device.texts().len(), 1, "and it did go out, once");
}

#[test]
fn a_text_of_which_a_part_is_missing_is_incomplete_and_the_rest_is_not_tried() {
    let device = Device::start("[[fault]]\nwhen = \"AT+CMGS\"\nnth = 2\naction = { cms_error = 1 }\n", |_| {});
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(8);
    let (code, sent) = json(&["send", &device.line(), "628123456789", &text]);
    assert_eq!((code, &sent["state"]), (Some(4), &value!("incomplete")));
    let states: Vec<&str> =
        sent["parts"].as_array().unwrap().iter().map(|part| part["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["sent", "not-sent", "not-tried"]);
    assert_eq!(device.texts().len(), 1);
}

#[test]
fn what_the_network_could_not_take_just_now_is_tried_again() {
    let device = Device::start("[[fault]]\nwhen = \"AT+CMGS\"\nnth = 1\naction = { cms_error = 42 }\n", |_| {});
    assert_eq!(modem(&["send", &device.line(), "628123456789", "hello"]).code, Some(0));
    assert_eq!(device.texts(), ["hello"]);
}

#[test]
fn a_modem_that_cannot_send_says_why_and_sends_nothing() {
    let device = Device::start("", |modem| modem.registration = 3);
    let ended = modem(&["send", &device.line(), "628123456789", "hello"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("nothing was sent") && ended.stderr.contains("not activated"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("628123456789"));
    assert!(!device.said().contains("AT+CMGS"));
}

#[test]
fn a_pin_is_entered_for_a_message_only_from_a_file_that_was_named() {
    let device = Device::start("", |modem| modem.pin = Some("1234".to_owned()));
    let pin = device.file("pin", "1234\n");
    let refused = modem(&["send", &device.line(), "628123456789", "hello"]);
    assert_eq!((refused.code, device.pins_entered()), (Some(1), 0));
    let sent = modem(&["send", &device.line(), "628123456789", "hello", "--pin-file", &pin]);
    assert_eq!((sent.code, device.pins_entered()), (Some(0), 1), "{sent:?}");
}

#[test]
fn who_interrupts_it_is_told_the_truth_about_the_part_on_air() {
    let device = Device::with_air_time(Duration::from_millis(700), "", |_| {});
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(8);
    let child = Command::new(env!("CARGO_BIN_EXE_otp-pi"))
        .args(["modem", "send", &device.line(), "628123456789", &text, "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Ctrl-Z after the first PDU: it is on air now.
    wait_for("the first part on air", || device.said().contains('\u{1a}').then_some(()));
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let ended = child.wait_with_output().unwrap();
    let sent: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!((ended.status.code(), &sent["state"]), (Some(4), &value!("incomplete")), "{sent}");
    assert_eq!(sent["parts"][0]["state"], "sent");
    assert_eq!(sent["parts"][1]["state"], "not-sent");
    assert_eq!(device.texts().len(), 1);
}

#[test]
fn a_person_gets_a_turn_although_the_gateway_has_always_more_to_send() {
    const WAITING: usize = 200;
    let device = Device::with_air_time(Duration::from_millis(100), "", |_| {});
    let gateway = Setup { modems: vec![device.modem.path()], ..Setup::without_modems() }.start();
    gateway.wait_for_modems(1);
    let mut client = gateway.connect();
    for number in 0..WAITING {
        let data = value!({"receiver": format!("0812000{number:05}"), "message": "one of many"});
        assert_eq!(client.ask("send-sms", data)["response_code"], "000");
    }
    let config = gateway.dir().join("otp-pi.toml");
    let sent = modem(&["send", "m0", "0812345678", "by hand", "--config", config.to_str().unwrap()]);
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let texts = device.texts();
    assert!(texts.contains(&"by hand".to_owned()) && texts.len() < WAITING, "{}", texts.len());
}

#[test]
fn a_gateways_modem_that_cannot_send_says_why_at_once() {
    let device = Device::start("", |modem| modem.registration = 3);
    let gateway = Setup { modems: vec![device.modem.path()], ..Setup::without_modems() }.start();
    let config = gateway.dir().join("otp-pi.toml");
    let ended = modem(&["send", "m0", "0812345678", "hello", "--config", config.to_str().unwrap()]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("nothing was sent") && ended.stderr.contains("not activated"), "{}", ended.stderr);
    assert!(!device.said().contains("AT+CMGS"));
}
