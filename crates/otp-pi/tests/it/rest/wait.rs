//! `api.wait = "sent"`: the answer comes when the modem has sent the message, or cannot.

use std::os::unix::fs::symlink;
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{PHONE, Stage, otp_request, response_code};
use crate::harness::{Emulator, Gateway, PASSWORD, Setup, USER, authorization, code_in, unix_millis, wait_for};

/// A receiver that the network refuses.
const REFUSED: &str = "628120000404";
const SCRIPT: &str = "[[receiver]]\nnumber = \"628120000404\"\ntreatment = { refuse = 1 }\n";

fn waiting() -> Stage {
    let emulator = Emulator::with_script(SCRIPT, &[]);
    let mut setup = Setup::with(&emulator);
    setup.api = "wait = \"sent\"".to_owned();
    let gateway = setup.start();
    gateway.wait_for_modems(1);
    Stage { gateway, emulator }
}

/// A gateway whose modem is not there, and where its line is to appear.
fn without_line(api: &str) -> (Gateway, TempDir) {
    let directory = TempDir::new().unwrap();
    let mut setup = Setup::without_modems();
    setup.modems = vec![directory.path().join("line")];
    setup.api = format!("wait = \"sent\"\n{api}");
    (setup.start(), directory)
}

fn sms(id: &str) -> Value {
    json!({"id": id, "receiver": PHONE, "message": format!("{id}: text")})
}

/// Asks in a thread of its own and waits until the request is durable.
fn ask_and_wait(gateway: &Gateway, command: &'static str, data: Value) -> thread::JoinHandle<Value> {
    let mut client = gateway.connect();
    let (key, name) = if command == "create-otp" { ("reference", &data["reference"]) } else { ("id", &data["id"]) };
    let query = json!({ key: name });
    let asking = thread::spawn(move || client.ask(command, data));
    wait_for("the message to be accepted", || {
        (response_code(&gateway.ask("get-status", query.clone())) == "000").then_some(())
    });
    asking
}

#[test]
fn the_answer_comes_when_the_message_is_sent() {
    let stage = waiting();
    let answer = stage.ask("send-sms", sms("first"));
    assert_eq!((&answer["response_code"], &answer["data"]["state"]), (&json!("000"), &json!("sent")), "{answer}");
    assert_eq!(stage.emulator.count("first: "), 1, "it was on air before the answer");
    let answer = stage.ask("create-otp", otp_request("second"));
    let expected = json!({
        "command": "create-otp", "response_code": "000",
        "data": {"reference": "second", "receiver": PHONE, "state": "sent"},
    });
    assert_eq!(answer, expected);
    let code = code_in(&stage.emulator.text_with("second: "), 6);
    assert_eq!(stage.validate("second", &code), "000");
}

#[test]
fn what_is_refused_for_good_is_1102_with_the_reason_and_its_reference_is_free() {
    let stage = waiting();
    let mut text = sms("refused");
    text["receiver"] = json!(REFUSED);
    for _ in 0..2 {
        let answer = stage.ask("send-sms", text.clone());
        assert_eq!(answer["response_code"], "1102", "{answer}");
        assert_eq!(answer["data"]["state"], "failed", "{answer}");
        assert!(answer["error"].as_str().unwrap().starts_with("CMS 1 (unassigned number"), "{answer}");
        wait_for("the end of the message to be on disk", || {
            let status = stage.ask("get-status", json!({"id": "refused"}));
            (status["data"]["state"] == "failed").then_some(())
        });
        // The second time it is a client's retry: answered as the first, nothing is tried again.
    }
    let mut otp = otp_request("refused");
    otp["receiver"] = json!(REFUSED);
    assert_eq!(response_code(&stage.ask("create-otp", otp)), "1102");
    let answer = wait_for("the reference to be free", || {
        let answer = stage.ask("create-otp", otp_request("refused"));
        (response_code(&answer) != "1201").then_some(answer)
    });
    assert_eq!(answer["data"]["state"], "sent", "{answer}");
    assert_eq!(stage.emulator.transmissions().len(), 1);
}

#[test]
fn at_the_limit_the_answer_is_that_of_an_accepted_message_and_it_goes_out_later() {
    let (gateway, directory) = without_line("wait_limit = \"100ms\"");
    for (command, data) in [("send-sms", sms("text")), ("create-otp", otp_request("code"))] {
        let answer = gateway.ask(command, data);
        assert_eq!((&answer["response_code"], &answer["data"]["state"]), (&json!("000"), &json!("queued")), "{answer}");
    }
    let emulator = Emulator::start(1, &[]);
    symlink(emulator.modems.first().unwrap(), directory.path().join("line")).unwrap();
    emulator.text_with("text: ");
    emulator.text_with("code: ");
}

#[test]
fn what_ends_unsent_while_its_caller_waits_is_told() {
    let (gateway, directory) = without_line("");
    let mut expires = sms("expires");
    expires["expiration"] = json!(unix_millis() + 4_000);
    let expires = ask_and_wait(&gateway, "send-sms", expires);
    let cancelled = ask_and_wait(&gateway, "create-otp", otp_request("cancelled"));
    let mut blocked = otp_request("blocked");
    blocked["receiver"] = json!("08127777777");
    let blocked = ask_and_wait(&gateway, "create-otp", blocked);
    assert_eq!(response_code(&gateway.ask("cancel-otp", json!({"reference": "cancelled"}))), "000");
    assert_eq!(response_code(&gateway.ask("block-msisdn", json!({"receiver": "08127777777"}))), "000");
    for (asking, code, state, word) in
        [(expires, "1102", "expired", "deadline"), (cancelled, "1102", "cancelled", "cancelled")]
    {
        let answer = asking.join().unwrap();
        assert_eq!((&answer["response_code"], &answer["data"]["state"]), (&json!(code), &json!(state)), "{answer}");
        assert!(answer["error"].as_str().is_some_and(|error| error.contains(word)), "{answer}");
    }
    let emulator = Emulator::start(1, &[]);
    symlink(emulator.modems.first().unwrap(), directory.path().join("line")).unwrap();
    let answer = blocked.join().unwrap();
    assert_eq!((&answer["response_code"], &answer["data"]["state"]), (&json!("1301"), &json!("blocked")), "{answer}");
    assert!(emulator.transmissions().is_empty());
}

#[test]
fn when_nobody_can_know_the_answer_is_accepted_and_says_unknown() {
    let emulator =
        Emulator::with_script("[[fault]]\nwhen = \"AT+CMGS\"\naction = { unplug = \"after_transmission\" }\n", &[]);
    let mut setup = Setup::with(&emulator);
    setup.api = "wait = \"sent\"".to_owned();
    let gateway = setup.start();
    gateway.wait_for_modems(1);
    let answer = gateway.ask("send-sms", sms("doubt"));
    assert_eq!((&answer["response_code"], &answer["data"]["state"]), (&json!("000"), &json!("unknown")), "{answer}");
}

#[test]
fn a_caller_that_hangs_up_changes_nothing() {
    let (gateway, directory) = without_line("");
    for (number, id) in ["shut", "cut"].into_iter().enumerate() {
        let mut client = gateway.connect();
        let body = json!({"command": "send-sms", "data": sms(id)}).to_string();
        let login = authorization(USER, PASSWORD);
        let head = format!(
            "POST /api/sms HTTP/1.1\r\nHost: x\r\nAuthorization: {login}\r\nContent-Length: {}\r\n",
            body.len()
        );
        client.raw(format!("{head}\r\n{body}").as_bytes()).unwrap();
        wait_for("the message to be accepted", || {
            (response_code(&gateway.ask("get-status", json!({"id": id}))) == "000").then_some(())
        });
        assert_eq!(gateway.ask("get-status", json!({"id": id}))["data"]["state"], "queued", "{number}");
        drop(client);
    }
    let emulator = Emulator::start(1, &[]);
    symlink(emulator.modems.first().unwrap(), directory.path().join("line")).unwrap();
    emulator.text_with("shut: ");
    emulator.text_with("cut: ");
}

#[test]
fn on_sigterm_those_who_wait_are_answered_at_once() {
    let (mut gateway, _directory) = without_line("");
    let asking = ask_and_wait(&gateway, "send-sms", sms("waits"));
    assert_eq!(gateway.terminate(), Some(0));
    let answer = asking.join().unwrap();
    assert_eq!((&answer["response_code"], &answer["data"]["state"]), (&json!("000"), &json!("queued")), "{answer}");
    assert!(!gateway.log().contains("connections were cut off"), "{}", gateway.log());
}

#[test]
fn a_retry_of_what_was_sent_is_answered_as_the_first_and_one_of_what_waits_waits_too() {
    let stage = waiting();
    let first = stage.ask("send-sms", sms("again"));
    assert_eq!(stage.ask("send-sms", sms("again")), first);
    assert_eq!(stage.emulator.count("again: "), 1);

    let (gateway, directory) = without_line("");
    let first = ask_and_wait(&gateway, "create-otp", otp_request("twice"));
    let mut client = gateway.connect();
    let second = thread::spawn(move || client.ask("create-otp", otp_request("twice")));
    let emulator = Emulator::start(1, &[]);
    symlink(emulator.modems.first().unwrap(), directory.path().join("line")).unwrap();
    let answers = [first.join().unwrap(), second.join().unwrap()];
    assert_eq!((&answers[0], &answers[0]["data"]["state"]), (&answers[1], &json!("sent")));
    assert_eq!(emulator.count("twice: "), 1);
}

#[test]
fn a_failed_send_is_the_500_of_the_sim800l_dialect() {
    let stage = waiting();
    let login = authorization(USER, PASSWORD);
    let ask = |path: &str, body: &str| {
        let answer = stage.gateway.connect().request("POST", path, Some(&login), body.as_bytes()).unwrap();
        (answer.status, answer.json())
    };
    let failed = (500, json!({"error": "Failed to send SMS"}));
    assert_eq!(ask("/send_otp", &json!({"phone": REFUSED}).to_string()), failed);
    let failed = (500, json!({"status": "error", "message": "Failed to send SMS"}));
    assert_eq!(ask("/generate_otp", &format!("phone_number={REFUSED}")), failed);
    assert_eq!(ask("/send_otp", &json!({"phone": PHONE}).to_string()).0, 200);
    assert_eq!(stage.emulator.count("Your code is "), 1, "it was on air before the answer");
}
