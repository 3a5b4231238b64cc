//! USSD over AT: the `+CUSD` lines of a modem read into texts, and codes written in the three ways that modems take.
//!
//! For: answers that come unquoted, over several lines, without their coding, or coded otherwise than they say; what cannot be decoded is shown
//! as it came. Never: knowing which way a modem takes; the caller says, and learns. Never prints a text: an answer
//! may hold a balance or a voucher. Called by `modem`.
//!
//! # Standard
//! 3GPP TS 27.007 §7.15 (`+CUSD`), TS 23.038 §5 (coding of cell broadcast and USSD), §6.1.2.3 (packing).

use std::fmt;

use zeroize::Zeroizing;

use crate::at::answer;
use crate::{gsm7, ucs2};

mod coding;

pub use coding::UssdCoding;

/// The most characters of one text in either direction (3GPP TS 23.038 §5: 160 octets of 7-bit characters).
pub const MAX_USSD: usize = 182;
/// The most lines that one answer is put together from.
const MAX_LINES: usize = 64;
/// The most bytes that one answer is put together from.
const MAX_BYTES: usize = 4096;

/// What the network says with an answer: `<m>` of `+CUSD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UssdStatus {
    /// Nothing more is to be done (0).
    Final,
    /// The network waits for a reply (1).
    ReplyExpected,
    /// The network has ended the dialogue (2).
    Terminated,
    /// Another local client has answered (3).
    OtherClient,
    /// Not supported (4); some firmware says it for every failure.
    NotSupported,
    /// The network took too long (5).
    NetworkTimeOut,
    /// A number that the standard does not know.
    Unknown,
}

impl UssdStatus {
    fn from_number(number: &str) -> Option<Self> {
        Some(match number.trim().parse::<u8>().ok()? {
            0 => Self::Final,
            1 => Self::ReplyExpected,
            2 => Self::Terminated,
            3 => Self::OtherClient,
            4 => Self::NotSupported,
            5 => Self::NetworkTimeOut,
            _ => Self::Unknown,
        })
    }

    /// Returns the word for answers and records.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Final => "final",
            Self::ReplyExpected => "reply-expected",
            Self::Terminated => "terminated",
            Self::OtherClient => "other-client",
            Self::NotSupported => "not-supported",
            Self::NetworkTimeOut => "network-time-out",
            Self::Unknown => "unknown",
        }
    }
}

/// A way to write a text into `AT+CUSD`, and to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UssdForm {
    /// The characters themselves, under `AT+CSCS="GSM"`.
    Plain,
    /// UTF-16 in hexadecimal digits, under `AT+CSCS="UCS2"`.
    Ucs2,
    /// Packed septets in hexadecimal digits, as Huawei sticks take them in PDU mode.
    Packed,
}

impl UssdForm {
    /// All there are, in the order in which a modem of which nothing is known may be asked: a modem that wants plain characters refuses
    /// nothing of the others, and one that wants packed septets would take UTF-16 for some.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Packed, Self::Ucs2];

    /// Writes a text with its coding (`<str>` without quotes, and `<dcs>`); `None` if it cannot be said this way.
    ///
    /// Nothing that could end an argument comes out: what is not hexadecimal is plain and the same in ASCII and GSM-7.
    #[must_use]
    pub fn encode(self, text: &str) -> Option<(Zeroizing<String>, u8)> {
        const GSM7: u8 = 15;
        const UCS2: u8 = 72;
        if text.chars().count() > MAX_USSD {
            return None;
        }
        match self {
            Self::Plain => text.bytes().all(is_same_everywhere).then(|| (Zeroizing::new(text.to_owned()), GSM7)),
            Self::Ucs2 => {
                let dcs = if gsm7::septets_needed(text).is_some() { GSM7 } else { UCS2 };
                Some((hex(&ucs2::to_octets(&ucs2::encode(text))), dcs))
            }
            Self::Packed => Some((hex(&gsm7::pack_ussd(&gsm7::encode(text)?)), GSM7)),
        }
    }
}

/// Answers whether a byte is the same character in ASCII and in the default alphabet, and ends no argument.
fn is_same_everywhere(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'!' | b'#' | b'%'..=b'/' | b':' | b'<'..=b'?')
}

/// One whole `+CUSD` answer.
#[derive(Clone, PartialEq, Eq)]
pub struct UssdAnswer {
    /// What the network says with it.
    pub status: UssdStatus,
    /// The text, decoded; empty if there is none.
    pub text: Zeroizing<String>,
    /// The lines as the modem wrote them, with line ends between them.
    pub raw: Zeroizing<String>,
}

/// Prints the status and how long the text is, never the text.
impl fmt::Debug for UssdAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UssdAnswer")
            .field("status", &self.status)
            .field("characters", &self.text.chars().count())
            .finish_non_exhaustive()
    }
}

/// Puts one answer together from the lines in which it comes.
pub struct UssdReader {
    raw: Zeroizing<String>,
    lines: usize,
}

/// Prints how many lines there are, never one of them.
impl fmt::Debug for UssdReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UssdReader").field("lines", &self.lines).finish_non_exhaustive()
    }
}

impl UssdReader {
    /// Begins with a line; `None` if it is no `+CUSD` with a status.
    #[must_use]
    pub fn begin(line: &str) -> Option<Self> {
        split(line)?;
        // All the room at once: growing would leave an unwiped copy behind.
        let mut reader = Self { raw: Zeroizing::new(String::with_capacity(MAX_BYTES)), lines: 0 };
        reader.push(line);
        Some(reader)
    }

    /// Adds a line that came after it. What is too much is dropped.
    pub fn push(&mut self, line: &str) {
        let line_end = usize::from(self.lines > 0);
        if self.lines >= MAX_LINES || self.raw.len() + line_end + line.len() > MAX_BYTES {
            return;
        }
        if line_end > 0 {
            self.raw.push('\n');
        }
        self.raw.push_str(line);
        self.lines += 1;
    }

    /// Answers whether the answer is surely whole. One that is not may be: then nothing more comes for a while.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let Some((_, rest)) = split(&self.raw) else { return true };
        let rest = rest.trim_end();
        rest.is_empty() || coding_at_end(rest).1.is_some() || is_closed(rest)
    }

    /// Reads the answer; `form` is the way in which this modem took the question.
    #[must_use]
    pub fn finish(self, form: Option<UssdForm>) -> UssdAnswer {
        let (status, rest) = split(&self.raw).unwrap_or((UssdStatus::Unknown, ""));
        let (written, dcs) = coding_at_end(rest.trim_end());
        let text = UssdCoding::from_octet(dcs).decode(unquoted(written), form);
        UssdAnswer { status, text, raw: self.raw }
    }
}

/// The status, and what follows its comma.
fn split(line: &str) -> Option<(UssdStatus, &str)> {
    // What firmware leaves behind the text after a NUL belongs to nobody.
    let line = line.split('\0').next().unwrap_or_default();
    let rest = answer(line, "+CUSD")?;
    let (number, rest) = rest.split_once(',').unwrap_or((rest, ""));
    Some((UssdStatus::from_number(number)?, rest.trim_start()))
}

/// The text as written, and the coding that stands behind the last comma: after a quote, or after anything if no quote begins the text.
fn coding_at_end(rest: &str) -> (&str, Option<u8>) {
    let Some((before, number)) = rest.rsplit_once(',') else { return (rest, None) };
    let before = before.trim_end();
    let is_behind_text = !rest.starts_with('"') || (before.len() > 1 && before.ends_with('"'));
    let number = number.trim();
    let is_number = if rest.starts_with('"') {
        (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
    } else {
        // Without quotes it may as well be the end of an amount.
        matches!(number, "0" | "15" | "17" | "68" | "72")
    };
    match number.parse() {
        Ok(dcs) if is_behind_text && is_number => (before, Some(dcs)),
        // "text", without a number behind the comma.
        _ if number.is_empty() && rest.starts_with('"') && is_behind_text => (before, None),
        _ => (rest, None),
    }
}

/// Answers whether the quotes of a text are closed.
fn is_closed(rest: &str) -> bool {
    rest.starts_with('"') && rest.len() > 1 && rest.ends_with('"') && rest.matches('"').count().is_multiple_of(2)
}

fn unquoted(written: &str) -> &str {
    let Some(inner) = written.strip_prefix('"') else { return written };
    inner.strip_suffix('"').unwrap_or(inner)
}

fn hex(octets: &[u8]) -> Zeroizing<String> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut text = Zeroizing::new(String::with_capacity(octets.len() * 2));
    for octet in octets {
        for nibble in [octet >> 4, octet & 0x0F] {
            text.extend(DIGITS.get(usize::from(nibble)).map(|digit| char::from(*digit)));
        }
    }
    text
}

#[cfg(test)]
mod tests;
