//! One reply to one answer: `{"command", "response_code", "data", "error", "retry_after", "rule", "attempts_left"}`.
//!
//! For `http` and the intakes. `data` is always an object and repeats what the request named, on failures too, because the
//! documented clients read it without looking. It must never show how a guess failed when `uniform_failures` is set.

use domain::clock::{WallTime, whole_seconds};
use domain::outcome::{BalanceEntry, ModemEntry, Outcome, Reply, ReplyData, StatusAttempt, StatusData, StatusPart};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::envelope::Envelope;
use super::json::{Data, Document};
use super::parse::ParseFailure;

/// How success is spelt: the specification prints `000`, the original program answered `0000`.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub enum SuccessCode {
    /// `000`
    #[default]
    Three,
    /// `0000`
    Four,
}

impl SuccessCode {
    /// Reads `000` or `0000`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "000" => Some(Self::Three),
            "0000" => Some(Self::Four),
            _ => None,
        }
    }

    /// Returns the code as it is answered.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Three => "000",
            Self::Four => "0000",
        }
    }
}

/// How answers are written.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct RenderSettings {
    /// How success is spelt.
    pub success_code: SuccessCode,
    /// Folds 1203 and 1204 into 1202, so that a guesser cannot tell them apart.
    pub uniform_failures: bool,
    /// Tells with 1202 how many guesses are left; without effect under `uniform_failures`.
    pub attempts_left: bool,
    /// Tells where the message of a code stands: for callers that waited for it.
    pub code_state: bool,
}

/// Writes the answer to a request that could be read.
pub fn render(envelope: &Envelope, reply: &Reply, settings: &RenderSettings) -> Vec<u8> {
    let answer = Answer { envelope, reply, settings };
    serde_json::to_vec(&answer).unwrap_or_else(|_| b"{}".to_vec())
}

/// Writes the answer to a request that could not be read.
pub fn render_failure(failure: &ParseFailure, settings: &RenderSettings) -> Vec<u8> {
    let unknown = Envelope::default();
    let envelope = failure.envelope.as_deref().unwrap_or(&unknown);
    render(envelope, &failure.reply(), settings)
}

struct Answer<'a> {
    envelope: &'a Envelope,
    reply: &'a Reply,
    settings: &'a RenderSettings,
}

impl Answer<'_> {
    /// Whether this is a failed guess whose reason must not show.
    fn is_veiled(&self) -> bool {
        self.settings.uniform_failures && self.reply.outcome.uniform() == Outcome::CodeWrong
    }

    fn code(&self) -> &'static str {
        match self.reply.outcome {
            Outcome::Accepted => self.settings.success_code.as_str(),
            outcome if self.settings.uniform_failures => outcome.uniform().code(),
            outcome => outcome.code(),
        }
    }
}

impl Serialize for Answer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("command", &self.envelope.command)?;
        map.serialize_entry("response_code", self.code())?;
        match &self.envelope.request {
            Some(request) if self.reply.data == ReplyData::Echo => echo(request, &mut map)?,
            _ => map.serialize_entry("data", &AnswerData(self.envelope, &self.reply.data, self.settings))?,
        }
        if self.is_veiled() {
            map.serialize_entry("error", "the code was not accepted")?;
            return map.end();
        }
        if let Some(error) = &self.reply.error {
            map.serialize_entry("error", error)?;
        }
        if let Some(wait) = self.reply.retry_after {
            map.serialize_entry("retry_after", &whole_seconds(wait))?;
        }
        if let Some(rule) = &self.reply.rule {
            map.serialize_entry("rule", rule)?;
        }
        if let Some(left) = self.reply.attempts_left.filter(|_| self.settings.attempts_left) {
            map.serialize_entry("attempts_left", &left)?;
        }
        map.end()
    }
}

/// Repeats the whole request, as the original program did.
fn echo<M: SerializeMap>(request: &Document, map: &mut M) -> Result<(), M::Error> {
    match &request.data {
        Some(Data::Object(data)) => {
            let data: Vec<_> = data.iter().collect();
            map.serialize_entry("data", &Members(&data))?;
        }
        Some(Data::Other) | None => map.serialize_entry("data", &Members(&[]))?,
    }
    for (key, value) in request.top.iter() {
        if !matches!(key, "command" | "response_code" | "data" | "error") {
            map.serialize_entry(key, value)?;
        }
    }
    Ok(())
}

struct Members<'a>(&'a [(&'a str, &'a serde_json::Value)]);

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

impl AnswerData<'_> {
    /// Writes where a message stands; times are Unix milliseconds.
    fn status<M: SerializeMap>(&self, status: &StatusData, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("message_id", &status.message_id.to_string())?;
        if let (Some(id), None) = (&status.id, &self.0.id) {
            map.serialize_entry("id", id)?;
        }
        if let (Some(reference), None) = (&status.reference, &self.0.reference) {
            map.serialize_entry("reference", reference)?;
        }
        map.serialize_entry("state", status.state.as_str())?;
        map.serialize_entry("reason", &status.reason)?;
        map.serialize_entry("accepted_at", &status.accepted_at.as_unix_millis())?;
        map.serialize_entry("sent_at", &status.sent_at.map(WallTime::as_unix_millis))?;
        map.serialize_entry("changed_at", &status.changed_at.as_unix_millis())?;
        let attempts: Vec<_> = status.attempts.iter().map(AttemptView::from).collect();
        map.serialize_entry("attempts", &attempts)
    }
}

#[derive(Serialize)]
struct AttemptView<'a> {
    attempt: u32,
    modem: &'a str,
    route: Option<&'a str>,
    started_at: i64,
    ended_at: Option<i64>,
    message_reference: Option<u8>,
    error_code: Option<&'a str>,
    meaning: Option<&'a str>,
    parts: Vec<PartView>,
}

#[derive(Serialize)]
struct PartView {
    part: u8,
    state: &'static str,
    message_reference: Option<u8>,
    sent_at: Option<i64>,
    reported_at: Option<i64>,
    report_status: Option<u8>,
    report_meaning: Option<&'static str>,
}

impl From<&StatusPart> for PartView {
    fn from(part: &StatusPart) -> Self {
        Self {
            part: part.part,
            state: part.state,
            message_reference: part.message_reference,
            sent_at: part.sent_at.map(WallTime::as_unix_millis),
            reported_at: part.reported_at.map(WallTime::as_unix_millis),
            report_status: part.report_status,
            report_meaning: part.report_meaning,
        }
    }
}

impl<'a> From<&'a StatusAttempt> for AttemptView<'a> {
    fn from(attempt: &'a StatusAttempt) -> Self {
        Self {
            attempt: attempt.attempt,
            modem: &attempt.modem,
            route: attempt.route.as_deref(),
            started_at: attempt.started_at.as_unix_millis(),
            ended_at: attempt.ended_at.map(WallTime::as_unix_millis),
            message_reference: attempt.message_reference,
            error_code: attempt.error_code.as_deref(),
            meaning: attempt.meaning.as_deref(),
            parts: attempt.parts.iter().map(PartView::from).collect(),
        }
    }
}

/// Modems by name, as the original program listed them.
struct ModemList<'a>(&'a [ModemEntry]);

impl Serialize for ModemList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|modem| (&modem.name, ModemView::from(modem))))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ModemView<'a> {
    id: &'a str,
    name: &'a str,
    state: &'a str,
    connected: bool,
    default_modem: bool,
    cops_operator: &'a str,
    signal_strength: SignalView,
    #[serde(skip_serializing_if = "Option::is_none")]
    balance: Option<BalanceView>,
}

#[derive(Serialize)]
struct BalanceView {
    /// In the SIM's currency.
    amount: serde_json::Value,
    /// Unix milliseconds.
    at: i64,
    low: bool,
}

impl From<&BalanceEntry> for BalanceView {
    fn from(balance: &BalanceEntry) -> Self {
        let amount = serde_json::from_str(&balance.amount).unwrap_or_default();
        Self { amount, at: balance.at.as_unix_millis(), low: balance.is_low }
    }
}

#[derive(Serialize)]
struct SignalView {
    /// dBm.
    value: Option<i16>,
}

impl<'a> From<&'a ModemEntry> for ModemView<'a> {
    fn from(modem: &'a ModemEntry) -> Self {
        Self {
            id: &modem.name,
            name: &modem.name,
            state: &modem.state,
            connected: modem.is_ready,
            default_modem: modem.is_default,
            cops_operator: modem.operator.as_deref().unwrap_or_default(),
            signal_strength: SignalView { value: modem.signal_dbm },
            balance: modem.balance.as_ref().map(BalanceView::from),
        }
    }
}

/// The `data` of an answer: what the request named, then what the reply adds.
struct AnswerData<'a>(&'a Envelope, &'a ReplyData, &'a RenderSettings);

impl Serialize for AnswerData<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(envelope, reply, settings) = self;
        let mut map = serializer.serialize_map(None)?;
        if let Some(date_time) = &envelope.date_time {
            map.serialize_entry("date_time", date_time)?;
        }
        if let Some(id) = &envelope.id {
            map.serialize_entry("id", id)?;
        }
        if let Some(reference) = &envelope.reference {
            map.serialize_entry("reference", reference)?;
        }
        if let Some(receiver) = &envelope.receiver {
            map.serialize_entry("receiver", receiver)?;
        }
        match reply {
            ReplyData::Otp { message: Some((_, state)), .. } if settings.code_state => {
                map.serialize_entry("state", state.as_str())?;
            }
            // What these carry was in the request, and the envelope repeats it.
            ReplyData::None | ReplyData::Otp { .. } | ReplyData::Receiver { .. } | ReplyData::Echo => {}
            ReplyData::Message { message_id, state, .. } => {
                map.serialize_entry("message_id", &message_id.to_string())?;
                map.serialize_entry("state", state.as_str())?;
            }
            ReplyData::Status(status) => self.status(status, &mut map)?,
            ReplyData::Ussd { content, raw, is_open } => {
                map.serialize_entry("ussd_content", content.expose())?;
                map.serialize_entry("ussd_content_raw", raw.expose())?;
                map.serialize_entry("replyable", is_open)?;
            }
            ReplyData::Modems(modems) => map.serialize_entry("modem_list", &ModemList(modems))?,
        }
        map.end()
    }
}

#[cfg(test)]
mod tests;
