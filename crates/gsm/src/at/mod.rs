//! Answers and unsolicited lines of a modem, as types, and the only way to put a text into a command.
//!
//! For: reading leniently what firmware really says (missing quotes, doubled commas, padded numbers). Never fails on a
//! malformed line: what cannot be read is `None`. Called by `modem` and `emulator`.
//!
//! # Standard
//! 3GPP TS 27.007 and TS 27.005; the section is named at each type.

mod messages;
mod network;
mod sim;
mod supply;
mod urc;

pub use messages::{
    ListedMessage, NewMessageSupport, ReadMessage, StorageSupport, StorageUse, ValueSet, service_center,
    submitted_reference,
};
pub use network::{AccessTechnology, Domain, Operator, Registration, RegistrationStatus, SignalQuality};
pub use sim::{PinState, PinTries, iccid, imei, imsi, is_imei, lock_state, own_number, puk_tries};
pub use supply::supply_millivolts;
pub use urc::{BootEvent, PowerEvent, Urc};

use zeroize::Zeroizing;

/// The longest text that [`quote`] takes, in bytes.
pub const MAX_QUOTED: usize = 256;

/// Why a text cannot stand between quotes in a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    /// A quote, backslash, control character or anything outside printable ASCII.
    #[error("the argument holds a character that could end it")]
    Character,
    /// More than 256 bytes.
    #[error("the argument is too long")]
    TooLong,
}

/// Puts a text between quotes, for use as a string argument of a command.
///
/// No injection is possible: only printable ASCII without quote and backslash passes, so that nothing can end the
/// argument, the command or a prompt.
///
/// # Errors
/// [`QuoteError`] if the text holds anything else, or is longer than 256 bytes.
pub fn quote(text: &str) -> Result<Zeroizing<String>, QuoteError> {
    if text.len() > MAX_QUOTED {
        return Err(QuoteError::TooLong);
    }
    if !text.bytes().all(|byte| matches!(byte, 0x20..=0x7E) && byte != b'"' && byte != b'\\') {
        return Err(QuoteError::Character);
    }
    let mut quoted = Zeroizing::new(String::with_capacity(text.len() + 2));
    quoted.push('"');
    quoted.push_str(text);
    quoted.push('"');
    Ok(quoted)
}

/// What follows `name` and its colon in a line, such as `17,99` for `+CSQ`; `None` if the line begins otherwise.
#[must_use]
pub fn answer<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.trim().strip_prefix(name)?.trim_start().strip_prefix(':').map(str::trim)
}

/// The text of an answer that may come bare, with its name in front, and quoted or not, such as that to `AT+CGMM`.
#[must_use]
pub fn text_answer<'a>(line: &'a str, name: &str) -> &'a str {
    unquoted(answer(line, name).unwrap_or(line))
}

/// Cuts at commas that are in no quotes and no parentheses; unbalanced quotes are taken for noise.
fn fields(rest: &str) -> Vec<&str> {
    let is_balanced = rest.matches('"').count().is_multiple_of(2);
    let (mut is_quoted, mut depth) = (false, 0_u32);
    rest.split(|character| {
        match character {
            '"' if is_balanced => is_quoted = !is_quoted,
            '(' if !is_quoted => depth += 1,
            ')' if !is_quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && !is_quoted && depth == 0
    })
    .map(str::trim)
    .collect()
}

fn unquoted(field: &str) -> &str {
    field.trim().trim_matches('"').trim()
}

/// A field as text; empty is none.
fn text_field<'a>(fields: &[&'a str], index: usize) -> Option<&'a str> {
    fields.get(index).map(|field| unquoted(field)).filter(|field| !field.is_empty())
}

/// A field as a number.
fn number_field<T: std::str::FromStr>(fields: &[&str], index: usize) -> Option<T> {
    text_field(fields, index)?.parse().ok()
}

#[cfg(test)]
mod tests;
