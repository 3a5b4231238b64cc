//! Rows between memory and disk: what is sealed, what is hashed, how statements take it.
//!
//! Statements take one JSON array per row, blobs as hex, so that a whole group is one bound value per table. Sealing
//! happens here, on the caller's thread, before anything reaches the writer.

use std::fmt::Write as _;
use std::time::Duration;

use domain::autofill::{AppHash, Autofill, BoundDomain, Host};
use domain::clock::WallTime;
use domain::message::MessageId;
use domain::otp::{Binding, CodeLength, CodePolicy, TicketKey};
use domain::receiver::{Msisdn, Receiver};
use domain::secret::SecretText;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::acceptance::{Content, NewMessage};
use crate::error::StoreError;
use crate::keys::{LiveKeys, LookupKey};
use crate::seal::{Column, SealError, SealKey};
use crate::settings::TextAtRest;

// What a sealed value is bound to, beside its key and its row. `message` is outbox and journal, so that a row moves unopened.
pub(crate) const SUMMARY: Column = Column { table: "message", name: "summary", first_label: "message.summary" };
pub(crate) const CONTENT: Column = Column { table: "message", name: "content", first_label: "message.content" };
pub(crate) const BLOCKED: Column = Column { table: "blocked", name: "receiver", first_label: "blocked" };
pub(crate) const SETTING: Column = Column { table: "setting", name: "value", first_label: "setting" };
/// Sealed once per database; proves that the keys belong to it.
pub(crate) const CHECK: Column = Column { table: "meta", name: "value", first_label: "meta.key_check" };

/// What the proof of the keys is a hash of.
const WITH_AUDIT: &[u8] = b"key-check-v2";

/// Everything that turns clear values into what the disk may hold. What seals takes the key from
/// [`LiveKeys::while_sealing`], so that no rotation comes between sealing and writing.
#[derive(Debug)]
pub(crate) struct Codec {
    pub(crate) keys: LiveKeys,
}

/// Whether the keys at hand belong to a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyCheck {
    /// They do; and whether its audit record was begun, so that it must be there.
    Belong {
        has_audit: bool,
    },
    /// The database was sealed with a key of that number, which is not at hand.
    Missing(u32),
    Foreign,
}

/// Receiver and own id, sealed together.
#[derive(Serialize)]
struct SummaryOut<'a> {
    r: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    o: Option<&'a str>,
}

#[derive(Deserialize)]
struct SummaryIn {
    r: String,
    #[serde(default)]
    o: Option<String>,
}

/// Content as sealed: text or template, subject, and for an OTP what its code is bound to.
#[derive(Serialize)]
struct ContentOut<'a> {
    t: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    b: Option<(&'a str, &'a [String; 4], u8)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p: Option<PolicyRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    a: Option<AutofillRow<&'a str>>,
}

#[derive(Deserialize)]
struct ContentIn {
    t: String,
    #[serde(default)]
    s: Option<String>,
    #[serde(default)]
    b: Option<(String, [String; 4], u8)>,
    #[serde(default)]
    p: Option<PolicyRow>,
    #[serde(default)]
    a: Option<AutofillRow<String>>,
}

/// What phones find beside a code: host, embedded host, app hash. Rows of before it was known are without.
type AutofillRow<T> = (Option<T>, Option<T>, Option<T>);

fn autofill_row(Autofill { domain, app_hash }: &Autofill) -> Option<AutofillRow<&str>> {
    let host = domain.as_ref().map(|domain| domain.host.as_str());
    let embedded = domain.as_ref().and_then(|domain| Some(domain.embedded.as_ref()?.as_str()));
    let app_hash = app_hash.as_ref().map(AppHash::as_str);
    (host.is_some() || app_hash.is_some()).then_some((host, embedded, app_hash))
}

fn autofill((top, embedded, app_hash): AutofillRow<String>) -> Result<Autofill, StoreError> {
    let host = |text: Option<String>| text.map(|text| Host::parse(&text).map_err(unreadable)).transpose();
    let embedded = host(embedded)?;
    Ok(Autofill {
        domain: host(top)?.map(|host| BoundDomain { host, embedded }),
        app_hash: app_hash.map(|text| AppHash::parse(&text).map_err(unreadable)).transpose()?,
    })
}

/// A code's policy: expiration, lifetime, longest lifetime (all in milliseconds), guesses.
type PolicyRow = (Option<i64>, u64, u64, u32);

fn policy_row(policy: &CodePolicy) -> PolicyRow {
    let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let expiration = policy.expiration.map(WallTime::as_unix_millis);
    (expiration, millis(policy.lifetime), millis(policy.max_lifetime), policy.max_attempts)
}

fn policy((expiration, lifetime, max_lifetime, max_attempts): PolicyRow) -> CodePolicy {
    CodePolicy {
        expiration: expiration.map(WallTime::from_unix_millis),
        lifetime: Duration::from_millis(lifetime),
        max_lifetime: Duration::from_millis(max_lifetime),
        max_attempts,
    }
}

fn sealing(error: SealError) -> StoreError {
    match error {
        SealError::Randomness => StoreError::Randomness,
        SealError::UnknownKey { .. } | SealError::NotAuthentic => StoreError::Unreadable { table: "message" },
    }
}

fn unreadable<E>(_: E) -> StoreError {
    StoreError::Unreadable { table: "message" }
}

impl Codec {
    pub(crate) fn new(keys: LiveKeys) -> Self {
        Self { keys }
    }

    pub(crate) fn lookup(&self) -> &LookupKey {
        self.keys.lookup()
    }

    /// The keyed hash under which a receiver is found.
    pub(crate) fn receiver_key(&self, receiver: &str) -> [u8; 16] {
        self.lookup().hash(&[b"receiver-v1", receiver.as_bytes()])
    }

    /// The outbox row of a new message as one JSON array, in the order of `INSERT_OUTBOX`. A content that is to stay in memory
    /// is an empty value in it.
    pub(crate) fn outbox_row(
        &self,
        seal: &SealKey,
        message: &NewMessage,
        ticket_key: Option<TicketKey>,
        text_at_rest: TextAtRest,
    ) -> Result<String, StoreError> {
        let id = message.id.as_bytes();
        let receiver = message.receiver.expose();
        let summary = encode(&SummaryOut { r: receiver, o: message.own_id.as_deref() })?;
        let summary = seal.seal(SUMMARY, id, &summary).map_err(sealing)?;
        let content = match text_at_rest {
            TextAtRest::Sealed => seal.seal(CONTENT, id, &encode_content(&message.content)?).map_err(sealing)?,
            TextAtRest::Never => Vec::new(),
        };
        let is_otp = i64::from(matches!(message.content, Content::Otp { .. }));
        let mut row = JsonRow::with_capacity(512 + 2 * (summary.len() + content.len()));
        row.blob(id);
        row.text(&message.api_user);
        row.text(message.class.as_str());
        row.text(message.entrance.as_str());
        row.integer(is_otp);
        row.integer(message.accepted_at.as_unix_millis());
        row.integer(message.deadline.as_unix_millis());
        row.integer(message.not_before.as_unix_millis());
        row.optional_blob(ticket_key.as_ref().map(|key| key.as_bytes().as_slice()));
        row.blob(&self.receiver_key(receiver));
        row.blob(&summary);
        row.blob(&content);
        Ok(row.finish())
    }

    /// Opens receiver and own id.
    pub(crate) fn open_summary(&self, id: MessageId, sealed: &[u8]) -> Result<(Receiver, Option<String>), StoreError> {
        let clear = self.keys.seal().open(SUMMARY, id.as_bytes(), sealed).map_err(sealing)?;
        let summary: SummaryIn = serde_json::from_slice(&clear).map_err(unreadable)?;
        let receiver = Receiver::from_canonical(&summary.r).ok_or_else(|| unreadable(()))?;
        Ok((receiver, summary.o))
    }

    /// Opens the content of a message to `receiver`.
    pub(crate) fn open_content(
        &self,
        id: MessageId,
        receiver: &Receiver,
        sealed: &[u8],
    ) -> Result<Content, StoreError> {
        let clear = self.keys.seal().open(CONTENT, id.as_bytes(), sealed).map_err(sealing)?;
        let content: ContentIn = serde_json::from_slice(&clear).map_err(unreadable)?;
        let text = SecretText::new(content.t);
        Ok(match (content.b, content.p) {
            (None, _) => Content::Text { text, subject: content.s },
            (Some(_), None) => return Err(StoreError::Unreadable { table: "message" }),
            (Some((reference, params, digits)), Some(row)) => Content::Otp {
                template: text,
                autofill: content.a.map(autofill).transpose()?.unwrap_or_default(),
                subject: content.s,
                binding: Binding { reference, receiver: receiver.clone(), params },
                length: CodeLength::new(digits).map_err(unreadable)?,
                policy: policy(row),
            },
        })
    }

    /// Key and sealed number of a row of the block list.
    pub(crate) fn blocked_row(&self, seal: &SealKey, msisdn: Msisdn) -> Result<([u8; 16], Vec<u8>), StoreError> {
        let key = self.receiver_key(msisdn.expose());
        let sealed = seal.seal(BLOCKED, &key, msisdn.expose().as_bytes()).map_err(sealing)?;
        Ok((key, sealed))
    }

    pub(crate) fn open_blocked(&self, key: &[u8], sealed: &[u8]) -> Result<Msisdn, StoreError> {
        let wrong = || StoreError::Unreadable { table: "blocked" };
        let clear = self.keys.seal().open(BLOCKED, key, sealed).map_err(|_| wrong())?;
        std::str::from_utf8(&clear).ok().and_then(Msisdn::from_canonical).ok_or_else(wrong)
    }

    pub(crate) fn seal_setting(seal: &SealKey, key: &str, value: &SecretText) -> Result<Vec<u8>, StoreError> {
        seal.seal(SETTING, key.as_bytes(), value.expose().as_bytes()).map_err(sealing)
    }

    pub(crate) fn open_setting(&self, key: &str, sealed: &[u8]) -> Result<SecretText, StoreError> {
        let wrong = || StoreError::Unreadable { table: "setting" };
        let clear = self.keys.seal().open(SETTING, key.as_bytes(), sealed).map_err(|_| wrong())?;
        std::str::from_utf8(&clear).map(SecretText::new).map_err(|_| wrong())
    }

    /// What a database keeps so that foreign keys are noticed, and that it has an audit record: the lookup key's hash of a label, sealed.
    pub(crate) fn key_check(&self) -> Result<Vec<u8>, SealError> {
        self.keys.seal().seal(CHECK, b"", &self.lookup().hash(&[WITH_AUDIT]))
    }

    /// Judges what [`Self::key_check`] once made, before there were audit records too.
    pub(crate) fn check_keys(&self, sealed: &[u8]) -> KeyCheck {
        match self.keys.seal().open(CHECK, b"", sealed) {
            Ok(clear) if clear.as_slice() == self.lookup().hash(&[WITH_AUDIT]).as_slice() => {
                KeyCheck::Belong { has_audit: true }
            }
            Ok(clear) if clear.as_slice() == self.lookup().hash(&[b"key-check-v1"]).as_slice() => {
                KeyCheck::Belong { has_audit: false }
            }
            Err(SealError::UnknownKey { id }) => KeyCheck::Missing(id),
            Ok(_) | Err(SealError::NotAuthentic | SealError::Randomness) => KeyCheck::Foreign,
        }
    }
}

fn encode_content(content: &Content) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    encode(&match content {
        Content::Otp { template, autofill, subject, binding, length, policy } => ContentOut {
            t: template.expose(),
            s: subject.as_deref(),
            b: Some((binding.reference.as_str(), &binding.params, length.digits())),
            p: Some(policy_row(policy)),
            a: autofill_row(autofill),
        },
        Content::Text { text, subject } => {
            ContentOut { t: text.expose(), s: subject.as_deref(), b: None, p: None, a: None }
        }
    })
}

fn encode(value: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    // One generous buffer: growing would leave copies of the text behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    serde_json::to_writer(&mut *bytes, value).map_err(unreadable)?;
    Ok(bytes)
}

/// One row on its way into a statement.
#[derive(Debug)]
pub(crate) struct JsonRow(String);

impl JsonRow {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let mut text = String::with_capacity(capacity);
        text.push('[');
        Self(text)
    }

    fn separate(&mut self) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
    }

    pub(crate) fn blob(&mut self, bytes: &[u8]) {
        self.separate();
        push_hex(&mut self.0, bytes);
    }

    pub(crate) fn optional_blob(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.blob(bytes),
            None => self.null(),
        }
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.separate();
        self.0.push('"');
        for sign in text.chars() {
            match sign {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                // Writing into a String cannot fail.
                sign if sign < ' ' => write!(self.0, "\\u{:04x}", u32::from(sign)).unwrap_or_default(),
                sign => self.0.push(sign),
            }
        }
        self.0.push('"');
    }

    pub(crate) fn optional_text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }

    pub(crate) fn integer(&mut self, number: i64) {
        self.separate();
        write!(self.0, "{number}").unwrap_or_default();
    }

    fn null(&mut self) {
        self.separate();
        self.0.push_str("null");
    }

    pub(crate) fn finish(mut self) -> String {
        self.0.push(']');
        self.0
    }
}

/// Adds bytes as a quoted hex string.
fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    text.push('"');
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(DIGITS.get(usize::from(nibble)).copied().unwrap_or('0'));
        }
    }
    text.push('"');
}

/// Many rows (or values) as one JSON array.
#[derive(Debug, Default)]
pub(crate) struct JsonRows {
    text: String,
}

impl JsonRows {
    pub(crate) fn push(&mut self, row: &str) {
        self.text.push(if self.text.is_empty() { '[' } else { ',' });
        self.text.push_str(row);
    }

    pub(crate) fn push_blob(&mut self, bytes: &[u8]) {
        self.text.push(if self.text.is_empty() { '[' } else { ',' });
        push_hex(&mut self.text, bytes);
    }

    /// The array; None when nothing was added.
    pub(crate) fn finish(mut self) -> Option<String> {
        if self.text.is_empty() {
            return None;
        }
        self.text.push(']');
        Some(self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_of_before_there_was_anything_for_phones_is_read_and_written_as_it_was() {
        let old = r#"{"t":"%s","b":["r",["","","",""],6],"p":[null,180000,600000,5]}"#;
        let read: ContentIn = serde_json::from_str(old).unwrap();
        assert!(read.a.is_none());
        let (reference, params, digits) = read.b.unwrap();
        let content = Content::Otp {
            template: SecretText::new(read.t),
            autofill: Autofill::default(),
            subject: None,
            binding: Binding { reference, receiver: Receiver::from_canonical("628126666666").unwrap(), params },
            length: CodeLength::new(digits).unwrap(),
            policy: policy(read.p.unwrap()),
        };
        assert_eq!(std::str::from_utf8(&encode_content(&content).unwrap()).unwrap(), old);
        let row = (Some("example.com/".to_owned()), None, None);
        assert!(autofill(row).is_err(), "what is no host is damage");
    }
}
