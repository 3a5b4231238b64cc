//! Turns the members of `data` into typed fields, or says which one is wrong.
//!
//! For [`super::parse`] alone. It must never repeat a value in an error. Decisions, each held by a test:
//! - A number or a boolean where text is meant is read as its text (`"otp": 123456`); a list or an object is refused.
//! - `null` is the same as absent. An empty text is absent where a number is meant, and missing where text is required.
//! - A time is Unix seconds, or milliseconds from 10¹¹ on, as a number or as text; a fraction is kept down to the
//!   millisecond; `0` is absent, as it was for the original program; a sign, an exponent or a word is refused.

use std::net::IpAddr;

use domain::clock::WallTime;
use serde_json::Value;

use super::json::Object;

/// From this number on a time is in milliseconds: as seconds it would lie in the year 5138.
const FIRST_MILLISECONDS: i64 = 100_000_000_000;

/// The last millisecond of the year 9999.
const LAST_MILLISECOND: i64 = 253_402_300_799_999;

/// What the receiver may be called, best name first.
pub(super) const RECEIVER_NAMES: [&str; 3] = ["receiver", "msisdn", "recipient"];

/// What `data` held, taken out field by field.
pub(super) struct Fields {
    data: Object,
}

impl Fields {
    pub(super) fn new(data: Object) -> Self {
        Self { data }
    }

    /// Takes the text `name` exactly as it was given.
    pub(super) fn take_raw(&mut self, name: &str) -> Result<Option<String>, String> {
        self.data.take(name).map_or(Ok(None), |value| text(value).map_err(|()| format!("data.{name} must be text")))
    }

    /// Takes the text `name` without the white space around it; empty if absent.
    pub(super) fn take_text(&mut self, name: &str) -> Result<String, String> {
        Ok(self.take_raw(name)?.map(trimmed).unwrap_or_default())
    }

    /// Takes the text `name` without the white space around it; `None` if absent or empty.
    pub(super) fn take_some(&mut self, name: &str) -> Result<Option<String>, String> {
        Ok(Some(self.take_text(name)?).filter(|text| !text.is_empty()))
    }

    /// Takes the text `name` without the white space around it; refuses an absent or empty one.
    pub(super) fn require(&mut self, name: &str) -> Result<String, String> {
        self.take_some(name)?.ok_or_else(|| missing(name))
    }

    /// Takes the text `name` without the white space around it; `None` if absent, refused if blank: who sends a blank one has lost
    /// something on the way.
    pub(super) fn take_filled(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take_raw(name)?.map(trimmed) {
            Some(text) if text.is_empty() => Err(format!("data.{name} is missing: it is there, and empty")),
            filled => Ok(filled),
        }
    }

    /// Takes the text `name` exactly as it was given; refuses an absent or blank one.
    pub(super) fn require_raw(&mut self, name: &str) -> Result<String, String> {
        self.take_raw(name)?.filter(|text| !text.trim().is_empty()).ok_or_else(|| missing(name))
    }

    /// Takes the receiver: the first of `receiver`, `msisdn` (the documented block request) and `recipient` (the oldest
    /// e-mail request) that is not empty.
    pub(super) fn require_receiver(&mut self) -> Result<String, String> {
        for name in RECEIVER_NAMES {
            if let Some(receiver) = self.take_some(name)? {
                return Ok(receiver);
            }
        }
        Err(missing("receiver"))
    }

    /// Takes the time `name`.
    pub(super) fn take_time(&mut self, name: &str) -> Result<Option<WallTime>, String> {
        self.take_some(name)?.map_or(Ok(None), |text| {
            time(&text).ok_or_else(|| format!("data.{name} must be a Unix time in seconds or milliseconds"))
        })
    }

    /// Takes the flag `name`; `false` if absent.
    pub(super) fn take_flag(&mut self, name: &str) -> Result<bool, String> {
        match self.take_text(name)?.to_ascii_lowercase().as_str() {
            "" | "false" | "0" => Ok(false),
            "true" | "1" => Ok(true),
            _ => Err(format!("data.{name} must be true or false")),
        }
    }

    /// Takes the IP address `name`.
    pub(super) fn take_address(&mut self, name: &str) -> Result<Option<IpAddr>, String> {
        let text = self.take_some(name)?;
        text.map(|text| text.parse().map_err(|_| format!("data.{name} must be an IP address"))).transpose()
    }

    /// Refuses a list or an object under `name`.
    pub(super) fn check_scalar(&self, name: &str) -> Result<(), String> {
        match self.data.find(name) {
            Some(Value::Array(_) | Value::Object(_)) => Err(format!("data.{name} must be text or a number")),
            _ => Ok(()),
        }
    }

    /// Returns the member `name` as it came, if it is a text, a number or a boolean.
    pub(super) fn find_scalar(&self, name: &str) -> Option<&Value> {
        self.data.find(name).filter(|value| value.is_string() || value.is_number() || value.is_boolean())
    }
}

fn missing(name: &str) -> String {
    format!("data.{name} is missing")
}

fn trimmed(text: String) -> String {
    let inner = text.trim();
    if inner.len() == text.len() { text } else { inner.to_owned() }
}

/// Returns the text of a text, number or boolean; `None` for `null`; `Err` for a list or an object.
pub(super) fn text(value: Value) -> Result<Option<String>, ()> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) => Ok(Some(number.as_str().to_owned())),
        Value::Bool(flag) => Ok(Some(flag.to_string())),
        Value::Array(_) | Value::Object(_) => Err(()),
    }
}

/// Reads a time; the outer `None` means that it is none, the inner one that it is zero.
fn time(text: &str) -> Option<Option<WallTime>> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let number: i64 = whole.parse().ok()?;
    let millis = if number >= FIRST_MILLISECONDS {
        number
    } else {
        let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
        number * 1000 + thousandths.parse::<i64>().ok()?
    };
    match millis {
        0 => Some(None),
        1..=LAST_MILLISECOND => Some(Some(WallTime::from_unix_millis(millis))),
        _ => None,
    }
}
