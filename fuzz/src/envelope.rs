//! Bodies of the API: an answer to everything, that repeats what it should and nothing else.

use domain::command::Command;
use domain::outcome::{Outcome, Reply, ReplyData};
use otp_pi::wire::{self, RenderSettings};
use serde_json::Value;

use super::{SECRET, has_secret_key};

/// Times that are taken lie between 1970 and the end of the year 9999.
const TIMES: std::ops::RangeInclusive<i64> = 1..=253_402_300_799_999;

/// Reads a body and writes the answers to it.
pub fn envelope(bytes: &[u8]) {
    let settings = RenderSettings::default();
    match wire::parse(bytes) {
        Ok(parsed) => {
            assert!(!format!("{parsed:?}").contains(SECRET) || is_named(&parsed.envelope.command), "shown in full");
            check(&parsed.command);
            for reply in [Reply::accepted(ReplyData::None), Reply::failed(Outcome::QueueFull, "full")] {
                let answer = answer(&wire::render(&parsed.envelope, &reply, &settings));
                assert_eq!(answer["command"], parsed.envelope.command.as_str());
                let given = parsed.envelope.date_time.as_ref();
                assert!(given.is_none_or(|given| answer["data"]["date_time"] == *given), "the time as it was given");
            }
            if matches!(parsed.command, Command::Echo) {
                echo(bytes, &answer(&wire::render(&parsed.envelope, &Reply::accepted(ReplyData::Echo), &settings)));
            }
        }
        Err(failure) => {
            assert!(!failure.error.is_empty());
            if !has_secret_key(bytes) {
                assert!(!failure.error.contains(SECRET), "a value in an error: {}", failure.error);
            }
            let answer = answer(&wire::render_failure(&failure, &settings));
            assert_eq!(answer["response_code"], failure.outcome.code());
            assert_eq!(answer["error"], failure.error.as_str());
            assert!(matches!(failure.outcome.code(), "1401" | "1402" | "1403"));
        }
    }
}

fn answer(bytes: &[u8]) -> Value {
    let answer: Value = serde_json::from_slice(bytes).expect("an answer is JSON");
    assert!(answer["data"].is_object() && answer["response_code"].is_string());
    answer
}

/// An echo repeats `data` as it came; none is an empty object.
fn echo(body: &[u8], answer: &Value) {
    // A body with a comma too many, or a byte order mark, is none to this reader.
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return };
    match &body["data"] {
        data @ Value::Object(_) => assert_eq!(answer["data"], *data),
        _ => assert_eq!(answer["data"], Value::Object(serde_json::Map::new())),
    }
}

fn is_named(command: &str) -> bool {
    command.contains(SECRET)
}

fn check(command: &Command) {
    let is_given = |text: &str| !text.is_empty() && text.trim() == text;
    match command {
        Command::CreateOtp(create) => {
            assert!(
                is_given(&create.reference)
                    && is_given(&create.receiver)
                    && create.message.as_ref().is_none_or(|text| is_given(text.expose()))
            );
            assert!(create.params.iter().all(|param| param.trim() == param));
            times([create.expiration, create.date_time]);
        }
        Command::ValidateOtp(validate) => {
            assert!(is_given(&validate.reference) && is_given(&validate.receiver));
            assert!(!validate.otp.expose().trim().is_empty());
        }
        Command::Send(send) => {
            assert!(is_given(&send.receiver) && !send.message.expose().trim().is_empty());
            assert!(send.id.as_deref().is_none_or(is_given) && send.subject.as_deref().is_none_or(is_given));
            times([send.expiration, send.date_time]);
        }
        Command::CancelOtp { reference } => assert!(is_given(reference)),
        Command::BlockMsisdn { receiver } | Command::UnblockMsisdn { receiver } => assert!(is_given(receiver)),
        _ => {}
    }
}

fn times(times: [Option<domain::clock::WallTime>; 2]) {
    assert!(times.into_iter().flatten().all(|time| TIMES.contains(&time.as_unix_millis())));
}
