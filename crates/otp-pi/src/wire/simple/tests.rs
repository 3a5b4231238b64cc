use domain::message::{MessageId, MessageState};
use proptest::prelude::*;

use super::*;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=----b0";

/// What a body asks, in a line; what is wrong with it otherwise.
fn asked(path: &str, content_type: &str, body: &str) -> String {
    let content_type = (!content_type.is_empty()).then_some(content_type.as_bytes());
    match parse_simple(SimplePath::find(path).unwrap(), content_type, body.as_bytes()) {
        Ok(SimpleRequest { question, command }) => match command {
            Command::SendCode { receiver } => format!("{question:?} send {receiver}"),
            Command::CheckCode { receiver, otp } => format!("{question:?} check {receiver} {}", otp.expose()),
            Command::FindCode { receiver } => format!("{question:?} find {receiver}"),
            other => format!("{question:?} {other:?}"),
        },
        Err(failure) => {
            let answer = failure.answer();
            assert_eq!((answer.kind, answer.retry_after), (AnswerKind::Malformed, None));
            format!("{:?} {}", failure.question, String::from_utf8(answer.body).unwrap())
        }
    }
}

fn multipart(fields: &[(&str, &str)]) -> String {
    let part = |(name, value): &(&str, &str)| {
        format!("------b0\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    fields.iter().map(part).collect::<String>() + "------b0--\r\n"
}

#[test]
fn every_question_of_both_dialects_is_understood() {
    for (path, content_type, body, expected) in [
        ("/send_otp", JSON, r#"{"phone": "+919876543210"}"#, "Send send +919876543210"),
        ("/verify_otp", JSON, r#"{"phone": "+919876543210", "otp": "123456"}"#, "Verify check +919876543210 123456"),
        ("/generate_otp", FORM, "phone_number=919876543210", "FormGenerate send 919876543210"),
        ("/verify_otp", FORM, "phone_number=919876543210&otp=012345", "FormVerify check 919876543210 012345"),
        ("/validate_otp", FORM, "phone_number=919876543210", "FormValidate find 919876543210"),
    ] {
        assert_eq!(asked(path, content_type, body), expected, "{path} {body}");
    }
}

#[test]
fn the_two_verify_otp_are_told_apart_by_field_and_content_type() {
    for (content_type, body, expected) in [
        // The field decides, however it came.
        (JSON, r#"{"phone_number": "1234567", "otp": "1"}"#, "FormVerify check 1234567 1"),
        (FORM, "phone=1234567&otp=1", "Verify check 1234567 1"),
        // Both fields, or neither: the kind of the body.
        (JSON, r#"{"phone": "1234567", "phone_number": "7654321", "otp": "1"}"#, "Verify check 1234567 1"),
        (FORM, "phone=1234567&phone_number=7654321&otp=1", "FormVerify check 7654321 1"),
        (JSON, r#"{"otp": "1"}"#, r#"Verify {"error":"Phone number required"}"#),
        (FORM, "otp=1", r#"FormVerify {"message":"phone_number is missing","status":"error"}"#),
        // Without a content type, or with curl's own for `-d`: the body says what it is.
        ("", r#" {"phone": "1234567", "otp": "1"}"#, "Verify check 1234567 1"),
        (FORM, r#"{"phone": "1234567", "otp": "1"}"#, "Verify check 1234567 1"),
        ("", "phone_number=1234567&otp=1", "FormVerify check 1234567 1"),
        ("text/plain; charset=utf-8", "phone_number=1234567&otp=1", "FormVerify check 1234567 1"),
        ("Application/JSON; charset=utf-8", r#"{"phone": "1234567", "otp": "1"}"#, "Verify check 1234567 1"),
        ("application/vnd.api+json", "phone=1", "Verify "),
    ] {
        let asked = asked("/verify_otp", content_type, body);
        assert!(asked.starts_with(expected), "{content_type} {body} → {asked}");
    }
}

#[test]
fn numbers_and_blanks_are_tolerated_where_text_is_meant() {
    for (path, content_type, body, expected) in [
        ("/send_otp", JSON, r#"{"phone": 919876543210}"#, "Send send 919876543210"),
        ("/send_otp", JSON, r#"{"phone": "+91 98765 43210",}"#, "Send send +91 98765 43210"),
        (
            "/verify_otp",
            JSON,
            r#"{"phone": 919876543210, "otp": 123456, "x": [1]}"#,
            "Verify check 919876543210 123456",
        ),
        // The plus of a number that is not escaped is a blank to a form.
        ("/generate_otp", FORM, "phone_number=+919876543210", "FormGenerate send  919876543210"),
        ("/generate_otp", FORM, "phone_number=%2B919876543210\n", "FormGenerate send +919876543210"),
        ("/generate_otp", FORM, "a&&=&phone_number=%2b91%zz%4&b=%", "FormGenerate send +91%zz%4"),
        ("/verify_otp", FORM, "otp=12%2034&phone%5Fnumber=91", "FormVerify check 91 12 34"),
    ] {
        assert_eq!(asked(path, content_type, body), expected, "{path} {body}");
    }
}

#[test]
fn a_form_in_parts_is_read_as_browsers_and_curl_write_it() {
    let both = multipart(&[("phone_number", "+919876543210"), ("x", "y\r\n--z"), ("otp", "123456")]);
    assert_eq!(asked("/verify_otp", MULTIPART, &both), "FormVerify check +919876543210 123456");
    let quoted = "Multipart/Form-Data;charset=utf-8; Boundary=\"----b0\"";
    assert_eq!(asked("/validate_otp", quoted, &both), "FormValidate find +919876543210");
    let file = "------b0\r\nContent-Type: text/plain\r\ncontent-disposition: form-data; name=phone_number; filename=\"a\"\r\n\r\n\
        secret\r\n------b0\r\nContent-Disposition: form-data; name=phone_number\r\n\r\n1234567\r\n------b0--";
    assert_eq!(asked("/generate_otp", MULTIPART, &format!("preamble\r\n{file}")), "FormGenerate send 1234567");
    for (content_type, body, error) in [
        (MULTIPART, both.replace("------b0--\r\n", ""), "the form is incomplete"),
        (MULTIPART, String::new(), "the form is incomplete"),
        (MULTIPART, "------b0".to_owned(), "the form is incomplete"),
        ("multipart/form-data", both, "phone_number is missing"),
    ] {
        let asked = asked("/generate_otp", content_type, &body);
        assert!(asked.contains(error), "{body:?} → {asked}");
    }
}

#[test]
fn what_is_missing_or_wrong_is_named_and_its_value_is_not_repeated() {
    for (path, content_type, body, expected) in [
        ("/send_otp", JSON, "{}", r#"Send {"error":"Phone number required"}"#),
        ("/send_otp", JSON, r#"{"phone": null}"#, r#"Send {"error":"Phone number required"}"#),
        ("/send_otp", JSON, r#"{"phone": " "}"#, r#"Send {"error":"Phone number required"}"#),
        ("/send_otp", JSON, r#"{"phone": ["secret"]}"#, r#"Send {"error":"phone must be text"}"#),
        ("/send_otp", JSON, "", r#"Send {"error":"the body is empty"}"#),
        ("/send_otp", "", "", r#"Send {"error":"Phone number required"}"#),
        ("/send_otp", JSON, r#"["secret"]"#, r#"Send {"error":"the body is not a JSON object"}"#),
        ("/send_otp", JSON, r#"{"phone": "#, r#"Send {"error":"the body is incomplete"#),
        ("/send_otp", JSON, r#"{"phone": 012345}"#, r#"Send {"error":"the body is not JSON"#),
        ("/send_otp", JSON, r#"{"phone": "1", "phone": "2"}"#, r#"Send {"error":"\"phone\" is given twice"#),
        ("/verify_otp", JSON, r#"{"phone": "1234567"}"#, r#"Verify {"error":"otp is missing"}"#),
        ("/verify_otp", JSON, r#"{"phone": "1234567", "otp": ""}"#, r#"Verify {"error":"otp is missing"}"#),
        ("/verify_otp", JSON, r#"{"phone": "1234567", "otp": {}}"#, r#"Verify {"error":"otp must be text"}"#),
        ("/generate_otp", FORM, "", r#"FormGenerate {"message":"phone_number is missing","status":"error"}"#),
        ("/generate_otp", FORM, "phone=1", r#"FormGenerate {"message":"phone_number is missing","status":"error"}"#),
        ("/generate_otp", FORM, "phone_number=%ff", r#"FormGenerate {"message":"phone_number is not UTF-8","#),
        ("/verify_otp", FORM, "phone_number=1234567", r#"FormVerify {"message":"otp is missing","status":"error"}"#),
        (
            "/verify_otp",
            FORM,
            "phone_number=1&phone_number=2&otp=3",
            r#"FormVerify {"message":"phone_number is given twice","#,
        ),
    ] {
        let asked = asked(path, content_type, body);
        assert!(asked.starts_with(expected), "{path} {body:?} → {asked}");
        assert!(!asked.contains("secret"), "{asked}");
    }
}

#[test]
fn paths_are_found_with_a_slash_at_the_end_and_no_others() {
    assert_eq!(SimplePath::find("/send_otp/"), Some(SimplePath::SendOtp));
    for path in ["", "/", "/send_otp2", "/Send_otp", "/api/send_otp", "//send_otp"] {
        assert_eq!(SimplePath::find(path), None, "{path}");
    }
}

fn answer(question: Question, reply: &Reply, uniform: bool) -> (AnswerKind, Value) {
    let answer = render_simple(question, reply, uniform);
    (answer.kind, serde_json::from_slice(&answer.body).unwrap())
}

const ID: MessageId = MessageId::from_bytes([7; 16]);

fn sent() -> Reply {
    let (reference, receiver) = ("simple:6281".to_owned(), "0812".to_owned());
    Reply::accepted(ReplyData::Otp { reference, receiver, message: Some((ID, MessageState::Queued)) })
}

#[test]
fn success_reads_as_it_does_in_the_seeds() {
    for (question, body) in [
        (Question::Send, json!({"status": "OTP sent successfully!"})),
        (Question::Verify, json!({"valid": true})),
        (Question::FormGenerate, json!({"status": "success", "message_uuid": ID.to_string()})),
        (Question::FormVerify, json!({"status": "success", "message": "OTP verified."})),
        (Question::FormValidate, json!({"status": "success", "message": "OTP valid."})),
    ] {
        assert_eq!(answer(question, &sent(), false), (AnswerKind::Good, body), "{question:?}");
    }
}

#[test]
fn a_code_that_is_not_right_reads_as_it_does_in_the_seeds() {
    let form = |kind, words: &str| (kind, json!({"status": "error", "message": words}));
    for (verdict, words, kind, form_words) in [
        (Verdict::NoCode, "No OTP found", AnswerKind::NoCode, "OTP not found."),
        (Verdict::Used, "No OTP found", AnswerKind::NoCode, "OTP not found."),
        (Verdict::Expired, "OTP expired", AnswerKind::NoCode, "OTP not found."),
        (Verdict::Wrong { attempts_left: 1 }, "OTP incorrect", AnswerKind::WrongCode, "OTP verification failed."),
        (Verdict::TooManyAttempts, "OTP incorrect", AnswerKind::WrongCode, "OTP verification failed."),
    ] {
        let mut reply = Reply::new(Outcome::from(verdict));
        reply.verdict = Some(verdict);
        let json_answer = |words: &str| (AnswerKind::Good, json!({"valid": false, "error": words}));
        assert_eq!(answer(Question::Verify, &reply, false), json_answer(words), "{verdict:?}");
        assert_eq!(answer(Question::FormVerify, &reply, false), form(kind, form_words), "{verdict:?}");
        assert_eq!(answer(Question::Verify, &reply, true), json_answer("OTP incorrect"), "{verdict:?}");
        let uniform = form(AnswerKind::WrongCode, "OTP verification failed.");
        assert_eq!(answer(Question::FormVerify, &reply, true), uniform, "{verdict:?}");
    }
    let mut reply = Reply::new(Outcome::CodeWrong);
    reply.verdict = Some(Verdict::NoCode);
    for uniform in [false, true] {
        let expected = form(AnswerKind::NoCode, "OTP not found.");
        assert_eq!(answer(Question::FormValidate, &reply, uniform), expected, "it asks for nothing else");
    }
}

#[test]
fn every_other_outcome_has_its_kind_and_words() {
    let failed = "Failed to send SMS";
    for (outcome, kind, words) in [
        (Outcome::NoModem, AnswerKind::NotSent, failed),
        (Outcome::NotSent, AnswerKind::NotSent, failed),
        (Outcome::Blocked, AnswerKind::NotSent, failed),
        (Outcome::DestinationNotAllowed, AnswerKind::NotSent, failed),
        (Outcome::ReferenceInUse, AnswerKind::NotSent, failed),
        (Outcome::DroppedExpired, AnswerKind::NotSent, failed),
        (Outcome::NotAllowed, AnswerKind::Forbidden, "why"),
        (Outcome::LimitReached, AnswerKind::Limited, "why"),
        (Outcome::QueueFull, AnswerKind::Full, "why"),
        (Outcome::FieldInvalid, AnswerKind::Malformed, "why"),
        (Outcome::UnknownCommand, AnswerKind::Malformed, "why"),
        (Outcome::NotJson, AnswerKind::Malformed, "why"),
    ] {
        let reply = Reply::failed(outcome, "why");
        for question in [Question::Send, Question::Verify] {
            assert_eq!(answer(question, &reply, false), (kind, json!({"error": words})), "{outcome:?}");
        }
        for question in [Question::FormGenerate, Question::FormVerify, Question::FormValidate] {
            let body = json!({"status": "error", "message": words});
            assert_eq!(answer(question, &reply, false), (kind, body), "{outcome:?}");
        }
    }
    let receiver = Reply::failed(Outcome::FieldInvalid, "receiver: the receiver is empty");
    assert_eq!(answer(Question::Send, &receiver, false).1, json!({"error": "the receiver is empty"}));
}

#[test]
fn a_limit_and_a_full_queue_say_when_to_come_again() {
    for (outcome, kind) in [(Outcome::LimitReached, AnswerKind::Limited), (Outcome::QueueFull, AnswerKind::Full)] {
        let mut reply = Reply::failed(outcome, "why");
        reply.retry_after = Some(Duration::from_millis(29_001));
        let sent = render_simple(Question::Send, &reply, false);
        assert_eq!((sent.kind, sent.retry_after), (kind, reply.retry_after));
        let body: Value = serde_json::from_slice(&sent.body).unwrap();
        assert_eq!(body, json!({"error": "why", "retry_after": 30}));
        let (_, body) = answer(Question::FormGenerate, &reply, false);
        assert_eq!(body, json!({"status": "error", "message": "why", "retry_after": 30}));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_dialects_panic(
        path in 0..4_usize,
        content_type in proptest::option::of("(application/json|multipart/form-data; ?boundary=\"?b\"?;?|.{0,40})"),
        body in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let path = [SimplePath::SendOtp, SimplePath::GenerateOtp, SimplePath::VerifyOtp, SimplePath::ValidateOtp][path];
        drop(parse_simple(path, content_type.as_deref().map(str::as_bytes), &body));
    }

    #[test]
    fn no_form_makes_the_dialects_panic(
        is_multipart in any::<bool>(),
        body in "(phone_number|otp|=|&|%|\\+|[0-9]|\r\n|--b|--|; ?|:|\"|name|filename|Content-Disposition){0,40}",
    ) {
        let content_type = if is_multipart { "multipart/form-data; boundary=b" } else { FORM };
        drop(parse_simple(SimplePath::VerifyOtp, Some(content_type.as_bytes()), body.as_bytes()));
    }

    #[test]
    fn what_a_form_says_is_read_as_it_was_meant(number in "[+0-9 %&=\u{e9}]{1,20}[0-9]", is_multipart in any::<bool>()) {
        let escaped: String = number.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let (content_type, body) = if is_multipart {
            (MULTIPART, multipart(&[("phone_number", &number)]))
        } else {
            (FORM, format!("a=b&phone_number={escaped}"))
        };
        prop_assert_eq!(asked("/generate_otp", content_type, &body), format!("FormGenerate send {number}"));
    }
}
