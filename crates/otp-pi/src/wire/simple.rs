//! The two small dialects: `/send_otp` and `/verify_otp` with JSON, as the SIM800L Flask server speaks; `/generate_otp`,
//! `/verify_otp` and `/validate_otp` with forms, as the Flask + Redis sketch does.
//!
//! For `http`. A body becomes a command, a reply becomes a body and what kind of answer it is; which HTTP status that is,
//! is known to `http` alone. The texts are those that the clients of those programs read. Decisions, each held by a test:
//! - A body that begins with `{`, or whose content type says JSON, is JSON; `multipart/form-data` is what it says; anything
//!   else is a form.
//! - Of the two `/verify_otp` the field decides (`phone` or `phone_number`), and without one the kind of the body.
//! - A number stands for its digits where JSON text is meant. A field that is given twice is refused.
//! - `otp` is taken as it is; around a number white space makes no difference.
//! - A code that was used, and one that was never made, are "not found": those programs forget a code too.

mod form;

use std::time::Duration;

use domain::clock::whole_seconds;
use domain::command::Command;
use domain::otp::Verdict;
use domain::outcome::{Outcome, Reply, ReplyData};
use domain::secret::SecretText;
use serde_json::{Value, json};

use super::{fields, json as object};

/// The number's field in the JSON dialect, and in the form dialect.
const PHONE: &str = "phone";
const PHONE_NUMBER: &str = "phone_number";

/// The field of what the user typed, in both.
const OTP: &str = "otp";

/// Where the dialects are spoken.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum SimplePath {
    /// `/send_otp`
    SendOtp,
    /// `/generate_otp`
    GenerateOtp,
    /// `/verify_otp`, in both dialects.
    VerifyOtp,
    /// `/validate_otp`
    ValidateOtp,
}

impl SimplePath {
    /// Finds the path; a slash at the end makes no difference.
    pub fn find(path: &str) -> Option<Self> {
        match path.trim_end_matches('/') {
            "/send_otp" => Some(Self::SendOtp),
            "/generate_otp" => Some(Self::GenerateOtp),
            "/verify_otp" => Some(Self::VerifyOtp),
            "/validate_otp" => Some(Self::ValidateOtp),
            _ => None,
        }
    }
}

/// What is asked, in which dialect: decides how the answer reads.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Question {
    /// `/send_otp {"phone"}`
    Send,
    /// `/verify_otp {"phone","otp"}`
    Verify,
    /// `/generate_otp phone_number=…`
    FormGenerate,
    /// `/verify_otp phone_number=…&otp=…`
    FormVerify,
    /// `/validate_otp phone_number=…`
    FormValidate,
}

/// A body that could be read.
#[derive(Debug)]
pub struct SimpleRequest {
    /// How it is to be answered.
    pub question: Question,
    /// What is asked.
    pub command: Command,
}

/// A body that could not be read. It changes nothing.
#[derive(Debug)]
pub struct SimpleFailure {
    question: Question,
    error: String,
}

impl SimpleFailure {
    /// Returns the answer to this failure.
    pub fn answer(&self) -> SimpleAnswer {
        failed(self.question, AnswerKind::Malformed, &self.error, None)
    }
}

/// What kind of answer it is; `http` knows the status of each.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum AnswerKind {
    /// Done, or the verdict of a dialect that does not tell it by the status.
    Good,
    /// The request cannot be understood.
    Malformed,
    /// The code is wrong.
    WrongCode,
    /// There is no such code.
    NoCode,
    /// This API user may not do that.
    Forbidden,
    /// It cannot be sent.
    NotSent,
    /// A limit is reached.
    Limited,
    /// There is no room; try again.
    Full,
}

/// One answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SimpleAnswer {
    /// What kind it is.
    pub kind: AnswerKind,
    /// JSON.
    pub body: Vec<u8>,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

/// The fields that either dialect knows.
#[derive(Default)]
struct Known {
    phone: Option<String>,
    phone_number: Option<String>,
    otp: Option<String>,
}

impl Known {
    fn place(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            PHONE => Some(&mut self.phone),
            PHONE_NUMBER => Some(&mut self.phone_number),
            OTP => Some(&mut self.otp),
            _ => None,
        }
    }
}

/// Reads one body.
///
/// # Errors
/// When it is neither of the two formats, or a field is missing or wrong. The words repeat no value.
pub fn parse_simple(
    path: SimplePath,
    content_type: Option<&[u8]>,
    body: &[u8],
) -> Result<SimpleRequest, SimpleFailure> {
    let is_json = is_json(content_type, body);
    let known = if is_json { read_json(body) } else { form::read(content_type, body) };
    let phones = known.as_ref().map_or((false, false), |known| (known.phone.is_some(), known.phone_number.is_some()));
    let question = match (path, phones) {
        (SimplePath::SendOtp, _) => Question::Send,
        (SimplePath::GenerateOtp, _) => Question::FormGenerate,
        (SimplePath::ValidateOtp, _) => Question::FormValidate,
        (SimplePath::VerifyOtp, (true, false)) => Question::Verify,
        (SimplePath::VerifyOtp, (false, true)) => Question::FormVerify,
        (SimplePath::VerifyOtp, _) if is_json => Question::Verify,
        (SimplePath::VerifyOtp, _) => Question::FormVerify,
    };
    let command = known.and_then(|known| command(question, known));
    command.map(|command| SimpleRequest { question, command }).map_err(|error| SimpleFailure { question, error })
}

fn is_json(content_type: Option<&[u8]>, body: &[u8]) -> bool {
    let media = content_type.and_then(|value| value.split(|byte| *byte == b';').next()).unwrap_or_default();
    let media = media.trim_ascii().to_ascii_lowercase();
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    media.ends_with(b"json") || (media != b"multipart/form-data" && body.trim_ascii_start().first() == Some(&b'{'))
}

fn read_json(body: &[u8]) -> Result<Known, String> {
    let mut object = object::read(body)?.top;
    let mut known = Known::default();
    for name in [PHONE, PHONE_NUMBER, OTP] {
        let value = object.take(name).unwrap_or_default();
        let text = fields::text(value).map_err(|()| format!("{name} must be text"))?;
        if let Some(place) = known.place(name) {
            *place = text;
        }
    }
    Ok(known)
}

fn command(question: Question, known: Known) -> Result<Command, String> {
    let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let receiver = match question {
        Question::Send | Question::Verify => given(known.phone).ok_or("Phone number required"),
        Question::FormGenerate | Question::FormVerify | Question::FormValidate => {
            given(known.phone_number).ok_or("phone_number is missing")
        }
    }?;
    Ok(match question {
        Question::Send | Question::FormGenerate => Command::SendCode { receiver },
        Question::FormValidate => Command::FindCode { receiver },
        Question::Verify | Question::FormVerify => {
            let otp = SecretText::new(given(known.otp).ok_or("otp is missing")?);
            Command::CheckCode { receiver, otp }
        }
    })
}

/// Writes the answer to a request that could be read. `uniform_failures` hides why a guess failed.
pub fn render_simple(question: Question, reply: &Reply, uniform_failures: bool) -> SimpleAnswer {
    let words = || reply.error.as_deref().unwrap_or_default();
    let kind = match reply.outcome {
        Outcome::Accepted => return accepted(question, &reply.data),
        Outcome::CodeWrong | Outcome::Expired | Outcome::TooManyAttempts => {
            return refused(question, reply.verdict, uniform_failures);
        }
        Outcome::FieldInvalid | Outcome::NotJson | Outcome::UnknownCommand => {
            // The gateway names the field as the envelope does; these callers never heard of it.
            let error = words().strip_prefix("receiver: ").unwrap_or(words());
            return failed(question, AnswerKind::Malformed, error, None);
        }
        Outcome::NotAllowed => AnswerKind::Forbidden,
        Outcome::LimitReached => AnswerKind::Limited,
        Outcome::QueueFull => AnswerKind::Full,
        Outcome::NoModem
        | Outcome::NotSent
        | Outcome::ReferenceInUse
        | Outcome::DroppedExpired
        | Outcome::Blocked
        | Outcome::DestinationNotAllowed => return failed(question, AnswerKind::NotSent, "Failed to send SMS", None),
    };
    failed(question, kind, words(), reply.retry_after)
}

fn accepted(question: Question, data: &ReplyData) -> SimpleAnswer {
    let body = match question {
        Question::Send => json!({"status": "OTP sent successfully!"}),
        Question::Verify => json!({"valid": true}),
        Question::FormGenerate => {
            let id = match data {
                ReplyData::Otp { message: Some((id, _)), .. } => Value::from(id.to_string()),
                _ => Value::Null,
            };
            json!({"status": "success", "message_uuid": id})
        }
        Question::FormVerify => json!({"status": "success", "message": "OTP verified."}),
        Question::FormValidate => json!({"status": "success", "message": "OTP valid."}),
    };
    SimpleAnswer { kind: AnswerKind::Good, body: body.to_string().into_bytes(), retry_after: None }
}

/// The answer to a code that is not right.
fn refused(question: Question, verdict: Option<Verdict>, uniform_failures: bool) -> SimpleAnswer {
    let verdict = verdict.filter(|_| !uniform_failures);
    let (words, is_wrong) = match verdict {
        Some(Verdict::NoCode | Verdict::Used) => ("No OTP found", false),
        Some(Verdict::Expired) => ("OTP expired", false),
        Some(Verdict::Wrong { .. } | Verdict::TooManyAttempts | Verdict::Valid) | None => ("OTP incorrect", true),
    };
    match question {
        Question::Send | Question::Verify => {
            let body = json!({"valid": false, "error": words}).to_string().into_bytes();
            SimpleAnswer { kind: AnswerKind::Good, body, retry_after: None }
        }
        Question::FormVerify if is_wrong => failed(question, AnswerKind::WrongCode, "OTP verification failed.", None),
        Question::FormGenerate | Question::FormVerify | Question::FormValidate => {
            failed(question, AnswerKind::NoCode, "OTP not found.", None)
        }
    }
}

fn failed(question: Question, kind: AnswerKind, error: &str, retry_after: Option<Duration>) -> SimpleAnswer {
    let mut body = match question {
        Question::Send | Question::Verify => json!({"error": error}),
        Question::FormGenerate | Question::FormVerify | Question::FormValidate => {
            json!({"status": "error", "message": error})
        }
    };
    if let (Some(wait), Some(members)) = (retry_after, body.as_object_mut()) {
        members.insert("retry_after".to_owned(), whole_seconds(wait).into());
    }
    SimpleAnswer { kind, body: body.to_string().into_bytes(), retry_after }
}

#[cfg(test)]
mod tests;
