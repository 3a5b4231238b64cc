//! The two small dialects: an answer to everything, and no code in it.

use std::time::Duration;

use domain::command::Command;
use domain::otp::Verdict;
use domain::outcome::{Outcome, Reply, ReplyData};
use otp_pi::wire::{AnswerKind, Question, SimpleAnswer, SimplePath, parse_simple, render_simple};
use serde_json::Value;

use super::{SECRET, has_secret_key};

const PATHS: [&str; 4] = ["/send_otp", "/generate_otp", "/verify_otp/", "/validate_otp"];

const CONTENT_TYPES: [Option<&[u8]>; 4] = [
    None,
    Some(b"application/json; charset=utf-8"),
    Some(b"application/x-www-form-urlencoded"),
    Some(b"multipart/form-data; boundary=\"x\""),
];

/// Reads a body and writes the answers to it. The first byte chooses path and content type.
pub fn simple(bytes: &[u8]) {
    let Some((first, body)) = bytes.split_first() else { return };
    let choose = usize::from(first & 0x03);
    let path = SimplePath::find(PATHS[choose]).expect("a path");
    let content_type = CONTENT_TYPES[usize::from(first >> 2 & 0x03)];
    match parse_simple(path, content_type, body) {
        Ok(request) => {
            assert!(!format!("{request:?}").contains(SECRET), "shown in full");
            fits(path, request.question, &request.command);
            for reply in replies() {
                for uniform_failures in [false, true] {
                    read(&render_simple(request.question, &reply, uniform_failures));
                }
            }
        }
        Err(failure) => {
            let answer = failure.answer();
            assert_eq!((answer.kind, answer.retry_after), (AnswerKind::Malformed, None));
            let words = read(&answer);
            assert!(has_secret_key(body) || !words.contains(SECRET), "a value in an error: {words}");
        }
    }
}

fn fits(path: SimplePath, question: Question, command: &Command) {
    assert_eq!(
        match question {
            Question::Send => SimplePath::SendOtp,
            Question::FormGenerate => SimplePath::GenerateOtp,
            Question::Verify | Question::FormVerify => SimplePath::VerifyOtp,
            Question::FormValidate => SimplePath::ValidateOtp,
        },
        path
    );
    let receiver = match (question, command) {
        (Question::Send | Question::FormGenerate, Command::SendCode { receiver })
        | (Question::FormValidate, Command::FindCode { receiver }) => receiver,
        (Question::Verify | Question::FormVerify, Command::CheckCode { receiver, otp }) => {
            assert!(!otp.expose().trim().is_empty());
            receiver
        }
        _ => panic!("{question:?} asks for {}", command.name()),
    };
    assert!(!receiver.trim().is_empty());
}

fn replies() -> Vec<Reply> {
    let refused = |verdict: Verdict| {
        let mut reply = Reply::new(Outcome::CodeWrong);
        reply.verdict = Some(verdict);
        reply
    };
    let mut full = Reply::failed(Outcome::QueueFull, "full");
    full.retry_after = Some(Duration::from_millis(1500));
    vec![
        Reply::accepted(ReplyData::None),
        refused(Verdict::NoCode),
        refused(Verdict::Expired),
        Reply::failed(Outcome::FieldInvalid, "receiver: it is no number"),
        Reply::failed(Outcome::NotAllowed, "not allowed"),
        full,
    ]
}

/// The text of an answer, which is one JSON object.
fn read(answer: &SimpleAnswer) -> String {
    let value: Value = serde_json::from_slice(&answer.body).expect("an answer is JSON");
    assert!(value.is_object());
    assert_eq!(value.get("retry_after").is_some(), answer.retry_after.is_some());
    String::from_utf8(answer.body.clone()).expect("JSON is UTF-8")
}
