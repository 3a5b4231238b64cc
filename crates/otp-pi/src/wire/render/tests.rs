use std::time::Duration;

use super::*;
use crate::wire::parse;
use domain::message::{MessageId, MessageState};
use domain::secret::SecretText;
use serde_json::{Value, json};

const ID: &str = "0190163d-8694-739b-aea5-966c26f8ad91";

fn plain() -> RenderSettings {
    RenderSettings::default()
}

fn answer(body: &str, reply: &Reply, settings: RenderSettings) -> Value {
    let bytes = match parse(body.as_bytes()) {
        Ok(parsed) => render(&parsed.envelope, reply, &settings),
        Err(failure) => render_failure(&failure, &settings),
    };
    serde_json::from_slice(&bytes).unwrap()
}

fn body(command: &str, data: &Value) -> String {
    json!({"command": command, "data": data}).to_string()
}

fn validate() -> String {
    body("validate-otp", &json!({"date_time": 5, "reference": "r", "receiver": "0812", "otp": "1"}))
}

#[test]
fn an_otp_answer_repeats_the_documented_three() {
    let data = json!({"date_time": 1_629_685_778, "expiration": 1_629_685_838, "id": 9, "receiver": "08126666666",
        "message": "Your OTP is %s", "reference": "12345678901234567890", "param1": "100000"});
    let reply = Reply::accepted(ReplyData::Otp {
        reference: "x".to_owned(),
        receiver: "x".to_owned(),
        message: Some((MessageId::from_bytes([7; 16]), MessageState::Queued)),
    });
    for command in ["create-otp", "request-otp"] {
        assert_eq!(
            answer(&body(command, &data), &reply, plain()),
            json!({"command": command, "response_code": "000",
                "data": {"date_time": 1_629_685_778, "receiver": "08126666666", "reference": "12345678901234567890"}})
        );
    }
}

#[test]
fn a_long_number_is_answered_as_text_and_date_time_as_it_came() {
    let body = r#"{"command":"validate-otp","data":{"reference":12345678901234567890,"receiver":62812,"otp":1,"date_time":"5"}}"#;
    assert_eq!(
        answer(body, &Reply::new(Outcome::Accepted), plain())["data"],
        json!({"date_time": "5", "reference": "12345678901234567890", "receiver": "62812"})
    );
}

#[test]
fn a_send_answer_names_our_message() {
    let reply = Reply::accepted(ReplyData::Message {
        id: Some("7".to_owned()),
        receiver: "0812".to_owned(),
        message_id: MessageId::parse(ID).unwrap(),
        state: MessageState::Queued,
    });
    assert_eq!(
        answer(&body("send-sms", &json!({"id": 7, "receiver": "0812", "message": "m"})), &reply, plain()),
        json!({"command": "send-sms", "response_code": "000",
            "data": {"id": 7, "receiver": "0812", "message_id": ID, "state": "queued"}})
    );
}

#[test]
fn success_may_be_spelt_with_four_digits() {
    let settings = RenderSettings { success_code: SuccessCode::Four, ..plain() };
    assert_eq!(answer(&validate(), &Reply::new(Outcome::Accepted), settings)["response_code"], "0000");
    assert_eq!(answer(&validate(), &Reply::new(Outcome::Expired), settings)["response_code"], "1203");
    for (text, code) in [("000", Some(SuccessCode::Three)), ("0000", Some(SuccessCode::Four)), ("0", None), ("", None)]
    {
        assert_eq!(SuccessCode::parse(text), code);
        assert!(code.is_none_or(|code| code.as_str() == text));
    }
}

#[test]
fn failures_say_why_and_still_repeat_the_request() {
    let mut reply = Reply::failed(Outcome::LimitReached, "too many codes");
    reply.retry_after = Some(Duration::from_millis(29_001));
    reply.rule = Some("receiver 3/10m".to_owned());
    assert_eq!(
        answer(&validate(), &reply, plain()),
        json!({"command": "validate-otp", "response_code": "1302", "error": "too many codes", "retry_after": 30,
            "rule": "receiver 3/10m", "data": {"date_time": 5, "reference": "r", "receiver": "0812"}})
    );
}

#[test]
fn attempts_left_are_told_only_when_asked_for() {
    let mut reply = Reply::new(Outcome::CodeWrong);
    reply.attempts_left = Some(3);
    assert_eq!(answer(&validate(), &reply, plain()).get("attempts_left"), None);
    let settings = RenderSettings { attempts_left: true, ..plain() };
    assert_eq!(answer(&validate(), &reply, settings)["attempts_left"], 3);
}

#[test]
fn uniform_failures_cannot_be_told_apart() {
    let settings = RenderSettings { uniform_failures: true, attempts_left: true, ..plain() };
    let mut answers = [Outcome::CodeWrong, Outcome::Expired, Outcome::TooManyAttempts].map(|outcome| {
        let mut reply = Reply::failed(outcome, outcome.code());
        reply.attempts_left = (outcome == Outcome::CodeWrong).then_some(2);
        reply.retry_after = Some(Duration::from_secs(1));
        reply.rule = Some(outcome.code().to_owned());
        answer(&validate(), &reply, settings)
    });
    assert_eq!(answers[0]["response_code"], "1202");
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[1], answers[2]);
    answers[0] = answer(&validate(), &Reply::new(Outcome::Accepted), settings);
    assert_eq!(answers[0]["response_code"], "000");
}

#[test]
fn what_could_not_be_read_is_answered_too() {
    let none = Reply::new(Outcome::Accepted);
    assert_eq!(
        answer("{\"command\":", &none, plain())
            .as_object()
            .unwrap()
            .iter()
            .filter(|(key, _)| *key != "error")
            .map(|(key, value)| format!("{key}={value}"))
            .collect::<Vec<_>>(),
        ["command=\"\"", "data={}", "response_code=\"1403\""]
    );
    assert_eq!(
        answer(&body("send-fax", &json!({"date_time": 5})), &none, plain()),
        json!({"command": "send-fax", "response_code": "1402", "error": "unknown command", "data": {"date_time": 5}})
    );
}

#[test]
fn echo_repeats_the_whole_request() {
    let request = r#"{"x":[1,{"y":2}],"command":"echo","data":{"b":1,"a":12345678901234567890},"callback_topic":"t"}"#;
    let parsed = parse(request.as_bytes()).unwrap();
    let bytes = render(&parsed.envelope, &Reply::accepted(ReplyData::Echo), &plain());
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        r#"{"command":"echo","response_code":"000","data":{"b":1,"a":12345678901234567890},"x":[1,{"y":2}],"callback_topic":"t"}"#
    );
    let refused = answer(request, &Reply::failed(Outcome::NotAllowed, "no"), plain());
    assert_eq!(refused, json!({"command": "echo", "response_code": "1404", "data": {}, "error": "no"}));
}

#[test]
fn a_status_lists_times_and_attempts() {
    let at = WallTime::from_unix_millis;
    let reply = Reply::accepted(ReplyData::Status(StatusData {
        message_id: MessageId::parse(ID).unwrap(),
        id: Some("7".to_owned()),
        reference: None,
        state: MessageState::Sent,
        reason: None,
        accepted_at: at(1),
        sent_at: Some(at(2)),
        changed_at: at(3),
        attempts: vec![StatusAttempt {
            attempt: 1,
            modem: "a".to_owned(),
            route: Some("prefix 62812".to_owned()),
            started_at: at(1),
            ended_at: None,
            message_reference: Some(9),
            error_code: Some("CMS 38".to_owned()),
            meaning: Some("network out of order".to_owned()),
            parts: vec![StatusPart {
                part: 1,
                state: "undelivered",
                message_reference: Some(9),
                sent_at: Some(at(2)),
                reported_at: Some(at(3)),
                report_status: Some(70),
                report_meaning: Some("failed: validity period expired"),
            }],
        }],
    }));
    let data = &answer(&body("get-status", &json!({"message_id": ID})), &reply, plain())["data"];
    assert_eq!(
        data,
        &json!({"message_id": ID, "id": "7", "state": "sent", "reason": null, "accepted_at": 1, "sent_at": 2,
            "changed_at": 3, "attempts": [{"attempt": 1, "modem": "a", "route": "prefix 62812", "started_at": 1, "ended_at": null,
            "message_reference": 9, "error_code": "CMS 38", "meaning": "network out of order",
            "parts": [{"part": 1, "state": "undelivered", "message_reference": 9, "sent_at": 2, "reported_at": 3,
            "report_status": 70, "report_meaning": "failed: validity period expired"}]}]})
    );
}

#[test]
fn modems_are_listed_by_name() {
    let reply = Reply::accepted(ReplyData::Modems(vec![ModemEntry {
        name: "telkomsel-1".to_owned(),
        state: "ready".to_owned(),
        is_ready: true,
        is_default: false,
        operator: Some("TELKOMSEL".to_owned()),
        signal_dbm: Some(-71),
        balance: Some(BalanceEntry { amount: "12500.5".to_owned(), at: WallTime::from_unix_millis(7), is_low: true }),
    }]));
    assert_eq!(
        answer(r#"{"command":"get-modem-list","data":{"date_time":5}}"#, &reply, plain())["data"],
        json!({"date_time": 5, "modem_list": {"telkomsel-1": {"id": "telkomsel-1", "name": "telkomsel-1",
            "state": "ready", "connected": true, "defaultModem": false, "copsOperator": "TELKOMSEL",
            "signalStrength": {"value": -71}, "balance": {"amount": 12500.5, "at": 7, "low": true}}}})
    );
}

#[test]
fn what_the_network_says_is_answered_under_the_original_names() {
    let reply = Reply::accepted(ReplyData::Ussd {
        content: SecretText::new("1 Pulsa\n2 Nomor"),
        raw: SecretText::new("+CUSD: 1,\"1 Pulsa\n2 Nomor\",15"),
        is_open: true,
    });
    let request = r#"{"command":"request-ussd","data":{"date_time":5,"modem_id":"a","ussd_code":"*123#"}}"#;
    assert_eq!(
        answer(request, &reply, plain())["data"],
        json!({"date_time": 5, "ussd_content": "1 Pulsa\n2 Nomor",
            "ussd_content_raw": "+CUSD: 1,\"1 Pulsa\n2 Nomor\",15", "replyable": true})
    );
    assert!(!format!("{reply:?}").contains("Pulsa"));
}
