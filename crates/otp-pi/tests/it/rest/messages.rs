//! Sends, their status, blocking, modem list, scopes: over REST.

use serde_json::{Value, json};

use super::{PHONE, Stage, check_refused, otp_request, response_code};
use crate::harness::{Setup, unix_seconds, wait_for};

/// A second API user, and one who may only send SMS.
const MORE_USERS: &str = "[[api_user]]\nusername = \"other\"\npassword = \"other-password\"\n\
                          [[api_user]]\nusername = \"sender\"\npassword = \"sender-password\"\nscopes = [\"sms\"]\n\
                          [[api_user]]\nusername = \"gone\"\npassword = \"gone-password\"\nactive = false\n";

fn sms(message: &str) -> Value {
    json!({"receiver": PHONE, "message": message})
}

#[test]
fn a_send_is_answered_with_its_id_and_state_and_arrives() {
    let stage = Stage::new();
    let now = unix_seconds();
    let data = json!({"id": 77, "receiver": "0812 666-6666", "message": "hello there", "date_time": now, "expiration": now + 60});
    let answer = stage.ask("send-sms", data);
    assert_eq!(response_code(&answer), "000", "{answer}");
    let data = &answer["data"];
    assert_eq!(
        (&data["id"], &data["receiver"], &data["date_time"]),
        (&json!(77), &json!("0812 666-6666"), &json!(now))
    );
    assert_eq!(data["state"], "queued");
    stage.emulator.text_with("hello there");
    assert_eq!(stage.emulator.transmissions().first().unwrap()["receiver"], "628126666666");
    let status = stage.gateway.wait_for_state(data["message_id"].as_str().unwrap(), "delivered");
    let attempts = status["data"]["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1, "{status}");
    assert_eq!(attempts.first().unwrap()["modem"], "m0");
    assert!(status["data"]["sent_at"].is_number(), "{status}");
}

#[test]
fn all_names_of_a_send_do_the_same() {
    let stage = Stage::new();
    for command in ["send-sms", "send-message", "send-email", "send-mail"] {
        let answer = stage.ask(command, sms(command));
        assert_eq!((&answer["command"], response_code(&answer).as_str()), (&json!(command), "000"));
        stage.emulator.text_with(command);
    }
}

#[test]
fn an_e_mail_is_1102_with_a_clear_error_while_there_is_no_account() {
    let stage = Stage::new();
    for command in ["send-email", "send-message", "send-sms"] {
        let data = json!({"receiver": "someone@domain.tld", "subject": "s", "message": "m"});
        check_refused(&stage.gateway, command, &data, "1102", "e-mail");
    }
    let data = json!({"reference": "r", "receiver": "someone@domain.tld", "message": "%s"});
    check_refused(&stage.gateway, "create-otp", &data, "1102", "e-mail");
}

#[test]
fn what_had_expired_when_it_came_is_1205_and_not_sent() {
    let stage = Stage::new();
    let past = unix_seconds() - 30;
    let mut otp = otp_request("late");
    otp["expiration"] = json!(past);
    check_refused(&stage.gateway, "create-otp", &otp, "1205", "expired");
    for (name, value) in
        [("expiration", json!(past)), ("expiration", json!(past * 1000)), ("date_time", json!(past - 600))]
    {
        let mut data = sms("late");
        data[name] = value;
        check_refused(&stage.gateway, "send-sms", &data, "1205", "expired");
    }
    stage.gateway.send_sentinel(&stage.emulator, PHONE, "end");
    assert_eq!(stage.emulator.count("late"), 0);
}

#[test]
fn without_any_modem_a_send_is_1101() {
    let gateway = Setup::without_modems().start();
    check_refused(&gateway, "create-otp", &otp_request("r"), "1101", "modem");
    check_refused(&gateway, "send-sms", &sms("x"), "1101", "modem");
}

#[test]
fn a_full_queue_is_1501_with_a_time_to_come_again_and_loses_nothing() {
    let directory = tempfile::TempDir::new().unwrap();
    let mut setup = Setup::without_modems();
    setup.modems = vec![directory.path().join("not-there-yet")];
    setup.sms = "max_queue = 2".to_owned();
    let gateway = setup.start();
    assert_eq!(response_code(&gateway.ask("send-sms", sms("first"))), "000");
    assert_eq!(response_code(&gateway.ask("create-otp", otp_request("second"))), "000");
    for (command, data) in [("send-sms", sms("third")), ("create-otp", otp_request("third"))] {
        let answer = gateway.ask(command, data);
        assert_eq!(response_code(&answer), "1501", "{answer}");
        assert!(answer["retry_after"].as_u64().is_some_and(|seconds| seconds > 0), "{answer}");
    }
    let emulator = crate::harness::Emulator::start(1, &[]);
    std::os::unix::fs::symlink(emulator.modems.first().unwrap(), directory.path().join("not-there-yet")).unwrap();
    emulator.text_with("first");
    emulator.text_with("second: ");
    let answer = wait_for("room in the queue", || {
        let answer = gateway.ask("create-otp", otp_request("third"));
        (response_code(&answer) != "1501").then_some(answer)
    });
    assert_eq!(response_code(&answer), "000", "a refused reference is free: {answer}");
    emulator.text_with("third: ");
    assert_eq!(emulator.count("third"), 1, "the refused send must not go out");
}

#[test]
fn a_blocked_receiver_is_refused_however_it_is_written_until_it_is_unblocked() {
    let stage = Stage::new();
    let blocked = stage.ask("block-msisdn", json!({"receiver": "0812-6666666", "date_time": 5}));
    let expected = json!({"command": "block-msisdn", "response_code": "000", "data": {"date_time": 5, "receiver": "0812-6666666"}});
    assert_eq!(blocked, expected);
    for receiver in ["08126666666", "628126666666", "+62 812 6666666", "00628126666666"] {
        check_refused(
            &stage.gateway,
            "send-sms",
            &json!({"receiver": receiver, "message": "blocked"}),
            "1301",
            "blocked",
        );
        let data = json!({"reference": "b", "receiver": receiver, "message": "blocked %s"});
        check_refused(&stage.gateway, "create-otp", &data, "1301", "blocked");
    }
    assert_eq!(
        response_code(&stage.ask("send-sms", json!({"receiver": "08126666667", "message": "neighbour"}))),
        "000"
    );
    assert_eq!(response_code(&stage.ask("unblock-msisdn", json!({"receiver": "+628126666666"}))), "000");
    assert_eq!(response_code(&stage.ask("send-sms", sms("free again"))), "000");
    stage.emulator.text_with("free again");
    assert_eq!(stage.emulator.count("blocked"), 0);
}

#[test]
fn a_block_outlives_a_restart() {
    let stage = Stage::new();
    assert_eq!(response_code(&stage.ask("block-msisdn", json!({"receiver": PHONE}))), "000");
    let gateway = stage.gateway.kill().restart();
    check_refused(&gateway, "send-sms", &sms("x"), "1301", "blocked");
}

#[test]
fn a_status_is_found_by_message_id_by_own_id_and_by_reference() {
    let stage = Stage::new();
    let mut data = sms("status");
    data["id"] = json!("my-7");
    let sent = stage.ask("send-sms", data);
    let message_id = sent["data"]["message_id"].as_str().unwrap();
    stage.gateway.wait_for_state(message_id, "delivered");
    let by_id = stage.ask("get-status", json!({"id": "my-7"}));
    assert_eq!((&by_id["data"]["message_id"], &by_id["data"]["state"]), (&json!(message_id), &json!("delivered")));
    assert_eq!(by_id["data"]["id"], "my-7");
    stage.code("ref-7");
    let by_reference = wait_for("the report of the code", || {
        let status = stage.ask("get-status", json!({"reference": "ref-7"}));
        (status["data"]["state"] == "delivered").then_some(status)
    });
    assert_eq!(by_reference["data"]["reference"], "ref-7");
}

#[test]
fn nobody_sees_or_checks_what_belongs_to_another_api_user() {
    let stage = Stage::with(|setup| setup.more = MORE_USERS.to_owned());
    let mut data = sms("mine");
    data["id"] = json!("shared-id");
    let message_id = stage.ask("send-sms", data)["data"]["message_id"].clone();
    let code = stage.code("shared-reference");
    let as_other = |command: &str, data: Value| stage.gateway.ask_as("other", "other-password", command, data);
    for query in
        [json!({"message_id": message_id}), json!({"id": "shared-id"}), json!({"reference": "shared-reference"})]
    {
        assert_eq!(response_code(&as_other("get-status", query.clone())), "1401", "{query}");
    }
    let guess = json!({"reference": "shared-reference", "receiver": PHONE, "otp": code});
    assert_eq!(response_code(&as_other("validate-otp", guess)), "1202");
    assert_eq!(response_code(&as_other("cancel-otp", json!({"reference": "shared-reference"}))), "1202");
    assert_eq!(
        response_code(&as_other("create-otp", otp_request("shared-reference"))),
        "000",
        "references are per API user"
    );
    assert_eq!(stage.validate("shared-reference", &code), "000");
}

#[test]
fn an_api_user_may_do_only_what_its_scopes_name() {
    let stage = Stage::with(|setup| setup.more = MORE_USERS.to_owned());
    let as_sender =
        |command: &str, data: Value| response_code(&stage.gateway.ask_as("sender", "sender-password", command, data));
    for (command, data) in [
        ("create-otp", otp_request("r")),
        ("validate-otp", json!({"reference": "r", "receiver": PHONE, "otp": "123456"})),
        ("cancel-otp", json!({"reference": "r"})),
        ("send-email", json!({"receiver": "a@domain.tld", "message": "x"})),
        ("block-msisdn", json!({"receiver": PHONE})),
        ("unblock-msisdn", json!({"receiver": PHONE})),
        ("get-modem-list", json!({})),
    ] {
        assert_eq!(as_sender(command, data), "1404", "{command}");
    }
    assert_eq!(as_sender("send-sms", sms("allowed")), "000");
    assert_eq!(as_sender("echo", json!({})), "000");
    stage.emulator.text_with("allowed");
}

#[test]
fn a_repeated_id_with_the_same_content_is_answered_again_and_nothing_is_sent_twice() {
    let stage = Stage::new();
    let now = unix_seconds();
    let send = |receiver: &str, time: u64| {
        let data = json!({"id": "retry-1", "receiver": receiver, "message": "once", "date_time": time, "expiration": time + 60});
        stage.ask("send-sms", data)
    };
    let first = send(PHONE, now);
    let again = send("+628126666666", now + 5);
    assert_eq!(response_code(&again), "000");
    assert_eq!(again["data"]["message_id"], first["data"]["message_id"]);
    stage.emulator.text_with("once");
    stage.gateway.wait_for_state(first["data"]["message_id"].as_str().unwrap(), "delivered");
    assert_eq!(send(PHONE, now)["data"]["message_id"], first["data"]["message_id"]);
    stage.gateway.send_sentinel(&stage.emulator, PHONE, "end");
    assert_eq!(stage.emulator.count("once"), 1);
}

#[test]
fn a_replay_is_recognised_after_a_restart() {
    let stage = Stage::new();
    let data = json!({"id": "retry-2", "receiver": PHONE, "message": "only once"});
    let first = stage.ask("send-sms", data.clone());
    stage.emulator.text_with("only once");
    let gateway = stage.gateway.kill().restart();
    let again = gateway.ask("send-sms", data);
    assert_eq!(again["data"]["message_id"], first["data"]["message_id"]);
    gateway.send_sentinel(&stage.emulator, PHONE, "end");
    assert_eq!(stage.emulator.count("only once"), 1);
}

#[test]
fn the_same_id_with_other_content_is_a_new_message() {
    let stage = Stage::new();
    let send = |message: &str| stage.ask("send-sms", json!({"id": 1, "receiver": PHONE, "message": message}));
    assert_ne!(send("one")["data"]["message_id"], send("two")["data"]["message_id"]);
    stage.emulator.text_with("one");
    stage.emulator.text_with("two");
}

#[test]
fn the_same_id_with_other_content_is_1401_where_that_is_chosen() {
    let stage = Stage::with(|setup| setup.api = "id_conflict = \"reject\"".to_owned());
    let data = |message: &str| json!({"id": 1, "receiver": PHONE, "message": message});
    assert_eq!(response_code(&stage.ask("send-sms", data("one"))), "000");
    check_refused(&stage.gateway, "send-sms", &data("two"), "1401", "id");
    stage.gateway.send_sentinel(&stage.emulator, PHONE, "end");
    assert_eq!((stage.emulator.count("one"), stage.emulator.count("two")), (1, 0));
}

#[test]
fn the_modem_list_is_a_map_by_id_with_operator_signal_and_state() {
    let stage = Stage::with(|setup| setup.modem = "default = true".to_owned());
    stage.gateway.wait_for_modems(1);
    let answer = stage.ask("get-modem-list", json!({"date_time": 9}));
    assert_eq!(answer["data"]["date_time"], 9);
    let expected = json!({
        "id": "m0", "name": "m0", "state": "ready", "connected": true, "defaultModem": true, "copsOperator": "TELKOMSEL",
        "signalStrength": {"value": -71},
    });
    assert_eq!(answer["data"]["modem_list"]["m0"], expected);
    assert_eq!(answer["data"]["modem_list"].as_object().unwrap().len(), 1);
}

#[test]
fn an_inactive_api_user_may_not_log_in() {
    let stage = Stage::with(|setup| setup.more = MORE_USERS.to_owned());
    let login = crate::harness::authorization("gone", "gone-password");
    let answer = stage.gateway.connect().request("POST", "/api/otp", Some(&login), b"{\"command\":\"echo\"}").unwrap();
    assert_eq!(answer.status, 401);
}
