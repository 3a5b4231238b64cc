//! `otp-pi modem at`.

use serde_json::json;

use super::{Device, json, modem};

#[test]
fn an_answer_is_shown_as_on_a_terminal_and_as_json() {
    let device = Device::well();
    let line = device.line();
    let ended = modem(&["at", &line, "AT+CSQ"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "+CSQ: 21,0\nOK\n"), "{ended:?}");
    let ended = modem(&["at", &line, "ati"]);
    assert_eq!(ended.stdout, "SIMCOM_Ltd\nSIMCOM_SIM800L\nRevision:1418B05SIM800L24\nOK\n");
    let (code, value) = json(&["at", &line, "AT+CCID"]);
    assert_eq!(code, Some(0));
    assert_eq!(value["command"], "AT+CCID");
    assert_eq!(value["ok"], json!(true));
    assert_eq!(value["lines"], json!(["8962100000000000001"]));
    assert_eq!(value["result"], "OK");
}

#[test]
fn an_error_is_told_with_its_meaning_and_code_1() {
    let device = Device::start("", |modem| modem.sim_inserted = false);
    let ended = modem(&["at", &device.line(), "AT+CIMI"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), "+CME ERROR: 10 (sim not inserted)\n"), "{ended:?}");
    let (code, value) = json(&["at", &device.line(), "AT+NONSENSE?"]);
    assert_eq!((code, &value["ok"], &value["result"]), (Some(1), &json!(false), &json!("ERROR")));
}

#[test]
fn a_modem_is_asked_before_its_pin_and_none_is_entered() {
    let device = Device::start("", |modem| modem.pin = Some("1234".to_owned()));
    let pin = device.file("pin", "1234\n");
    let config = device.config(&format!("sim_pin_file = {pin:?}"));
    let ended = modem(&["at", "m0", "AT+CPIN?", "--config", &config]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "+CPIN: SIM PIN\nOK\n"), "{ended:?}");
    assert_eq!(device.pins_entered(), 0);
}

#[test]
fn nothing_gets_past_the_refusals_whatever_it_is_hidden_in() {
    let device = Device::well();
    for command in [
        "AT+CMGS=23",
        "at+cmgs=\"+628123456789\"",
        "AT+CSQ;+CMGS=23",
        "AT+CSQ;+CPIN=\"1234\"",
        "AT+CSCA=\";+CPIN=1234",
        "AT+CSQ\rAT+CPIN=1234",
        "AT+CSQ\nAT+CPIN=1234",
        "AT+CSQ\u{1b}",
        "AT+CSQ\u{1a}",
        "ATE0+CPIN=1234",
        "ATI+CPIN=1234",
        "AT+CSQ+CPIN=1234",
        "A/",
        "+++",
        "ATD*99#",
        "AT+CPIN=1234",
        "AT+CLCK=\"SC\",1,\"1234\"",
        "AT+CPWD=\"SC\",\"1234\",\"4321\"",
        "AT+EGMR=1,7,\"490154203237518\"",
        "AT^CIMEI=490154203237518",
        "AT+SIMEI=490154203237518",
        "AT+CMGF=1",
        "ATZ",
        "AT&F",
        "AT+IPR=9600",
        "AT+CUSD=1,\"*888#\"",
        "",
    ] {
        let ended = modem(&["at", &device.line(), command]);
        assert_eq!(ended.code, Some(1), "{command:?}: {ended:?}");
        assert!(ended.stdout.is_empty() && !ended.stderr.is_empty(), "{command:?}: {ended:?}");
        for secret in ["1234", "4321", "490154203237518", "628123456789"] {
            assert!(!ended.stderr.contains(secret), "{command:?} is repeated: {}", ended.stderr);
        }
    }
    assert_eq!(device.said(), "", "not a byte of any of them reached the line");
    let (code, value) = json(&["at", &device.line(), "AT+CPIN=1234"]);
    assert_eq!(code, Some(1));
    assert!(value["error"].as_str().unwrap().starts_with("refused: it takes a code"), "{value}");
}

#[test]
fn a_long_answer_is_shown_whole() {
    let device = Device::start("", |modem| modem.sim_capacity = 200);
    for number in 0..200 {
        device.modem.deliver("+628123456789", &format!("message {number}"));
    }
    crate::harness::wait_for("the messages on the SIM", || {
        let (_, value) = json(&["at", &device.line(), "AT+CPMS?"]);
        value["lines"][0].as_str()?.starts_with("+CPMS: \"SM\",200").then_some(())
    });
    let (code, value) = json(&["at", &device.line(), "AT+CMGL=4"]);
    assert_eq!((code, &value["is_cut"]), (Some(0), &json!(false)));
    assert_eq!(value["lines"].as_array().map(Vec::len), Some(400));
}

#[test]
fn a_command_that_is_not_answered_in_time_ends_with_code_1() {
    let device = Device::start("[[fault]]\nwhen = \"AT+COPS=?\"\naction = \"hang\"\n", |modem| modem.echo = false);
    let ended = modem(&["at", &device.line(), "AT+COPS=?", "--timeout", "1"]);
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stdout, "the modem gave no final result in time\n");
}

#[test]
fn a_command_that_turns_out_to_want_a_text_is_left_and_nothing_is_sent() {
    // An emulated modem knows no such command of its own; an unasked line that looks like the prompt will do.
    let device = Device::start(
        "[[fault]]\nwhen = \"AT+XTEXT\"\nat = \"command\"\naction = { garbage = \"\\r\\n> \" }\n",
        |_| {},
    );
    let ended = modem(&["at", &device.line(), "AT+XTEXT=5"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("left with ESC and nothing was sent"), "{ended:?}");
    assert_eq!(device.texts(), [""; 0]);
}

#[test]
fn a_line_that_cannot_be_opened_says_why() {
    let device = Device::well();
    let held = super::hold(&device.modem.path());
    let ended = modem(&["at", &device.line(), "AT"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains("is used by another program"), "{ended:?}");
    drop(held);
}
