//! What the envelope tolerates and what it refuses; refusals change nothing.

use serde_json::json;

use super::{PHONE, Stage, check_refused, response_code};
use crate::harness::{Client, PASSWORD, Setup, USER, authorization, unix_seconds};

#[test]
fn a_body_that_is_not_one_whole_json_object_is_1403() {
    let gateway = Setup::without_modems().start();
    let mut client = gateway.connect();
    for body in [
        "",
        " \r\n",
        "hello",
        "[]",
        "\"echo\"",
        "{",
        r#"{"command":"echo""#,
        r#"{"command":"echo","data":{"a":"b"}"#,
        r#"{"command":"echo",,"data":{}}"#,
        r#"{"command":"echo"} {"command":"echo"}"#,
        r#"{"command":"echo","command":"echo"}"#,
        r#"{'command':'echo'}"#,
        "{\"command\":\"echo\",\"data\":{\"a\":\"one\ntwo\"}}",
    ] {
        let answer = client.post("/api/otp", body).unwrap();
        assert_eq!(answer.status, 200, "{body:?}");
        assert_eq!(answer.json()["response_code"], "1403", "{body:?}");
        assert!(answer.json()["error"].as_str().is_some_and(|error| !error.is_empty()), "{body:?}");
    }
    let invalid_utf8 =
        client.request("POST", "/api/otp", Some(&authorization(USER, PASSWORD)), b"{\"command\":\"\xff\"}");
    assert_eq!(invalid_utf8.unwrap().json()["response_code"], "1403");
    let deep = format!(r#"{{"command":"echo","data":{{"a":{}{}}}}}"#, "[".repeat(20_000), "]".repeat(20_000));
    assert_eq!(client.post("/api/otp", &deep).unwrap().json()["response_code"], "1403");
    assert_eq!(response_code(&gateway.ask("echo", json!({}))), "000");
}

#[test]
fn bodies_that_would_be_large_in_memory_are_refused_early_in_the_words_of_their_dialect() {
    let stage = Stage::new();
    let login = authorization(USER, PASSWORD);
    let post = |path: &str, body: &str| {
        let mut client = stage.gateway.connect();
        let answer = client.request("POST", path, Some(&login), body.as_bytes()).unwrap();
        (answer.status, answer.json())
    };
    let fields =
        |member: &str| format!(r#"{{"command":"validate-otp","data":{{"receiver":"{PHONE}","otp":"1",{member}}}}}"#);
    for (member, code) in [
        (format!(r#""reference":{}1{}"#, "[".repeat(128), "]".repeat(128)), "1403"),
        (format!(r#""reference":{}1{}"#, r#"{"a":"#.repeat(5_000), "}".repeat(5_000)), "1403"),
        (format!(r#""reference":[{}{{}}]"#, "{},".repeat(20_000)), "1403"),
        (format!(r#""reference":[{}0]"#, "0,".repeat(30_000)), "1403"),
        (r#""reference":"a","reference":"a""#.to_owned(), "1403"),
        (format!(r#""reference":{}"#, "7".repeat(60_000)), "1401"),
        (format!(r#""reference":1e{}"#, "7".repeat(60_000)), "1401"),
        (format!(r#""reference":"{}""#, "a".repeat(60_000)), "1401"),
        (format!(r#""reference":[{}0]"#, "0,".repeat(1_000)), "1401"),
    ] {
        let (status, answer) = post("/api/otp", &fields(&member));
        let begin = member.get(..30);
        assert_eq!((status, response_code(&answer).as_str()), (200, code), "{begin:?}: {answer}");
    }
    for value in [
        format!("{}1{}", "[".repeat(128), "]".repeat(128)),
        format!("[{}{{}}]", "{},".repeat(9_000)),
        "7".repeat(30_000),
    ] {
        for path in ["/send_otp", "/generate_otp", "/verify_otp", "/validate_otp"] {
            let (status, answer) = post(path, &format!(r#"{{"phone":{value},"mobile":{value},"otp":"1"}}"#));
            assert_eq!(status, 400, "{path}: {answer}");
            assert!(answer.to_string().len() < 1_000, "{path} is answered at length");
        }
    }
    let code = stage.code("after-all-that");
    assert_eq!(stage.validate("after-all-that", &code), "000");
}

#[test]
fn an_unknown_command_is_1402_and_its_name_is_answered() {
    let gateway = Setup::without_modems().start();
    for command in ["launch-rocket", "Create-OTP", "set-gpio-value"] {
        let answer = gateway.ask(command, json!({}));
        assert_eq!((&answer["response_code"], &answer["command"]), (&json!("1402"), &json!(command)));
    }
}

#[test]
fn missing_fields_are_1401_and_named() {
    let gateway = Setup::without_modems().start();
    for (command, data, word) in [
        ("create-otp", json!({}), "reference"),
        ("create-otp", json!({"reference": "r"}), "receiver"),
        ("create-otp", json!({"reference": "r", "receiver": PHONE, "message": ""}), "message"),
        ("create-otp", json!({"reference": " ", "receiver": PHONE, "message": "%s"}), "reference"),
        ("create-otp", json!({"reference": null, "receiver": PHONE, "message": "%s"}), "reference"),
        ("validate-otp", json!({"receiver": PHONE, "otp": "123456"}), "reference"),
        ("validate-otp", json!({"reference": "r", "otp": "123456"}), "receiver"),
        ("validate-otp", json!({"reference": "r", "receiver": PHONE}), "otp"),
        ("cancel-otp", json!({}), "reference"),
        ("send-sms", json!({"message": "hello"}), "receiver"),
        ("send-sms", json!({"receiver": PHONE}), "message"),
        ("send-sms", json!({"receiver": PHONE, "message": ""}), "message"),
        ("get-status", json!({}), "message_id"),
        ("block-msisdn", json!({}), "receiver"),
        ("unblock-msisdn", json!({"receiver": ""}), "receiver"),
        ("request-ussd", json!({"ussd_code": "*888#"}), "modem_id"),
    ] {
        check_refused(&gateway, command, &data, "1401", word);
    }
    let without_command = gateway.connect().post("/api/otp", r#"{"data":{}}"#).unwrap().json();
    assert_eq!(response_code(&without_command), "1401");
    let with_list = gateway.connect().post("/api/otp", r#"{"command":"create-otp","data":[1]}"#).unwrap().json();
    assert_eq!(response_code(&with_list), "1401");
}

#[test]
fn fields_of_the_wrong_type_are_1401_and_named() {
    let gateway = Setup::without_modems().start();
    for (command, data, word) in [
        ("create-otp", json!({"reference": {}, "receiver": PHONE, "message": "%s"}), "reference"),
        ("create-otp", json!({"reference": "r", "receiver": [PHONE], "message": "%s"}), "receiver"),
        ("create-otp", json!({"reference": "r", "receiver": PHONE, "message": ["%s"]}), "message"),
        ("create-otp", json!({"reference": "r", "receiver": PHONE, "message": "%s", "param3": {}}), "param3"),
        (
            "create-otp",
            json!({"reference": "r", "receiver": PHONE, "message": "%s", "expiration": "soon"}),
            "expiration",
        ),
        ("create-otp", json!({"reference": "r", "receiver": PHONE, "message": "%s", "expiration": -5}), "expiration"),
        ("create-otp", json!({"reference": "r", "receiver": PHONE, "message": "%s", "date_time": {}}), "date_time"),
        ("create-otp", json!({"reference": "r", "receiver": PHONE, "message": "%s", "resend": "perhaps"}), "resend"),
        ("send-sms", json!({"receiver": PHONE, "message": "x", "class": "urgent"}), "class"),
        ("get-status", json!({"message_id": "not-an-id"}), "message_id"),
        ("create-otp", json!({"reference": "r".repeat(300), "receiver": PHONE, "message": "%s"}), "reference"),
        ("send-sms", json!({"receiver": PHONE, "message": "x", "id": "i".repeat(300)}), "id"),
    ] {
        check_refused(&gateway, command, &data, "1401", word);
    }
}

#[test]
fn a_number_that_cannot_be_dialled_is_1401() {
    let gateway = Setup::without_modems().start();
    for receiver in [
        "abc",
        "0812x666666",
        "123",
        "+62",
        "62812666666666666",
        "0812\u{7}666666",
        "112",
        "+",
        "0",
        "a@",
        "@b.example",
    ] {
        check_refused(
            &gateway,
            "create-otp",
            &json!({"reference": "r", "receiver": receiver, "message": "%s"}),
            "1401",
            "receiver",
        );
        check_refused(&gateway, "send-sms", &json!({"receiver": receiver, "message": "x"}), "1401", "receiver");
    }
    for receiver in ["abc", "someone@domain.tld"] {
        check_refused(&gateway, "block-msisdn", &json!({"receiver": receiver}), "1401", "receiver");
    }
}

#[test]
fn a_message_must_hold_exactly_one_place_for_the_code() {
    let gateway = Setup::without_modems().start();
    for message in ["Your code", "%s and %s", "%d", "100 %", "%S"] {
        let data = json!({"reference": "r", "receiver": PHONE, "message": message});
        check_refused(&gateway, "create-otp", &data, "1401", "message");
    }
}

#[test]
fn a_template_of_more_than_two_segments_is_1401_and_one_of_two_is_sent_whole() {
    let stage = Stage::new();
    // 153 septets a part: 306 with the six digits of the code is the most; one more makes a third part.
    let most = format!("{}%s", "a".repeat(300));
    let data = json!({"reference": "long", "receiver": PHONE, "message": format!("{most}b")});
    check_refused(&stage.gateway, "create-otp", &data, "1401", "3 SMS");
    let data = json!({"reference": "ucs2", "receiver": PHONE, "message": format!("{}%s", "漢".repeat(129))});
    check_refused(&stage.gateway, "create-otp", &data, "1401", "3 SMS");
    let answer = stage.ask("create-otp", json!({"reference": "most", "receiver": PHONE, "message": most}));
    assert_eq!(response_code(&answer), "000", "{answer}");
    let sent = stage.emulator.wait_for_transmissions(2);
    let text: String = sent.iter().map(|part| part["text"].as_str().unwrap()).collect();
    let code = text.strip_prefix(&"a".repeat(300)).unwrap();
    assert_eq!(stage.validate("most", code), "000");
}

#[test]
fn percent_signs_around_the_code_are_left_as_they_are() {
    let stage = Stage::new();
    let message = "100% safe %s %d %%n";
    let answer = stage.ask("create-otp", json!({"reference": "r", "receiver": PHONE, "message": message}));
    assert_eq!(response_code(&answer), "000", "{answer}");
    let text = stage.emulator.text_with("100% safe");
    let code = text.strip_prefix("100% safe ").and_then(|rest| rest.strip_suffix(" %d %%n")).unwrap();
    assert_eq!(stage.validate("r", code), "000");
}

#[test]
fn trailing_commas_numbers_for_texts_and_the_old_names_of_the_receiver_are_understood() {
    let stage = Stage::new();
    let now = unix_seconds();
    let mut client = stage.gateway.connect();
    let create = format!(
        r#"{{"command":"create-otp","data":{{"reference":12345678901234567890,"msisdn":628126666666,"message":"n: %s","date_time":"{now}","param1":1000.50,}},}}"#
    );
    let answer = client.post("/api/otp", &create).unwrap().json();
    assert_eq!(response_code(&answer), "000", "{answer}");
    assert_eq!(answer["data"]["date_time"], json!(now.to_string()), "a text stays a text");
    let code = crate::harness::code_in(&stage.emulator.text_with("n: "), 6);
    let code = code.trim_start_matches('0');
    // Only a code without leading zeros can be said as a number.
    let otp = if code.len() == 6 { code.to_owned() } else { format!("\"{code:0>6}\"") };
    let validate = format!(
        r#"{{"command":"validate-otp","data":{{"reference":"12345678901234567890","recipient":"0812-666 6666","otp":{otp},"param1":"1000.50"}}}}"#
    );
    let answer = client.post("/api/otp", &validate).unwrap().json();
    assert_eq!(response_code(&answer), "000", "{answer}");
}

#[test]
fn echo_repeats_its_data_and_what_stands_beside_it() {
    let gateway = Setup::without_modems().start();
    let body = r#"{"command":"echo","data":{"a":1,"b":[true,null],"c":{"d":"e"}},"callback_topic":"t"}"#;
    let answer = gateway.connect().post("/api/otp", body).unwrap().json();
    let expected = json!({
        "command": "echo", "response_code": "000", "callback_topic": "t", "data": {"a": 1, "b": [true, null], "c": {"d": "e"}},
    });
    assert_eq!(answer, expected);
}

#[test]
fn success_may_be_spelt_with_four_zeros() {
    let mut setup = Setup::without_modems();
    setup.api = "success_code = \"0000\"".to_owned();
    let gateway = setup.start();
    assert_eq!(response_code(&gateway.ask("echo", json!({}))), "0000");
}

#[test]
fn the_path_never_selects_the_command_and_other_paths_may_be_chosen() {
    let mut setup = Setup::without_modems();
    setup.api = "email_path = \"/mail/it\"".to_owned();
    let gateway = setup.start();
    let mut client = Client::connect(gateway.address);
    for path in
        ["/api/otp", "/api/message", "/api/sms", "/mail/it", "/api/block", "/api/unblock", "/api/otp/", "/api/otp?x=1"]
    {
        let answer = client.post(path, r#"{"command":"echo","data":{}}"#).unwrap();
        assert_eq!((answer.status, &answer.json()["response_code"]), (200, &json!("000")), "{path}");
    }
    assert_eq!(client.post("/api/email", r#"{"command":"echo","data":{}}"#).unwrap().status, 404);
}
