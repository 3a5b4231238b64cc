//! A USSD code or a reply that a person or a program gave: read strictly, and some refused.
//!
//! # Standard
//! 3GPP TS 22.030 §6.5 (MMI procedures), Annex B (service codes).

use std::fmt;

use zeroize::Zeroizing;

/// The most characters of a code.
pub const MAX_USSD_CODE: usize = 64;
/// The most characters of a reply.
pub const MAX_USSD_REPLY: usize = 120;

/// Says why a text is not asked as a code, or not given as a reply. The text itself is never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UssdCodeError {
    /// There is nothing.
    #[error("it is empty")]
    Empty,
    /// More than [`MAX_USSD_CODE`] characters.
    #[error("a USSD code has at most 64 characters")]
    CodeTooLong,
    /// More than [`MAX_USSD_REPLY`] characters.
    #[error("a reply has at most 120 characters")]
    ReplyTooLong,
    /// Something else than digits, `*`, `#` and `+`.
    #[error("a USSD code has only digits, * and #, and + in a number")]
    Character,
    /// A control character.
    #[error("a reply is one line of printable characters")]
    Control,
    /// No `*` or `#` before, or no `#` at the end: dialled on a phone it would be a call.
    #[error("a USSD code begins with * or # and ends with #, like *888#; this would be a call")]
    Call,
    /// It is a code, and it is not asked.
    #[error("refused: {0}")]
    Refused(UssdRefusal),
}

/// Says why a code is refused, as a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UssdRefusal {
    /// It changes or unblocks a PIN, with few tries.
    #[error("it changes a PIN or tries a PUK, which may be tried a few times only; do that in a phone")]
    Pin,
    /// It has the password of call barring in it, or changes that.
    #[error("it bars calls or messages, or changes the password of that; do that in a phone")]
    Barring,
    /// It forwards calls to a number.
    #[error("it forwards this SIM's calls, at its cost; do that in a phone")]
    Forwarding,
    /// The phone itself answers it.
    #[error("it is no question to the network: `otp-pi modem check` tells the IMEI")]
    Imei,
}

/// One code that may be asked.
#[derive(Clone, PartialEq, Eq)]
pub struct UssdCode(Zeroizing<String>);

/// One reply that may be given.
#[derive(Clone, PartialEq, Eq)]
pub struct UssdReply(Zeroizing<String>);

/// Prints no code: it may be a voucher.
impl fmt::Debug for UssdCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("UssdCode(•••)")
    }
}

/// Prints no reply: it may be a password.
impl fmt::Debug for UssdReply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("UssdReply(•••)")
    }
}

impl UssdCode {
    /// Reads a code; blanks around it are dropped.
    ///
    /// # Errors
    /// [`UssdCodeError`]: not a code, or one that is refused.
    pub fn parse(text: &str) -> Result<Self, UssdCodeError> {
        let text = text.trim_matches(' ');
        if text.is_empty() {
            return Err(UssdCodeError::Empty);
        }
        if text.chars().count() > MAX_USSD_CODE {
            return Err(UssdCodeError::CodeTooLong);
        }
        if !text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'*' | b'#' | b'+')) {
            return Err(UssdCodeError::Character);
        }
        if !Self::is_like(text) {
            return Err(UssdCodeError::Call);
        }
        refusal(text).map_or_else(|| Ok(Self(Zeroizing::new(text.to_owned()))), |it| Err(UssdCodeError::Refused(it)))
    }

    /// Answers whether a text has the form of a code rather than of a reply.
    #[must_use]
    pub fn is_like(text: &str) -> bool {
        let text = text.trim_matches(' ');
        text.len() > 1 && text.starts_with(['*', '#']) && text.ends_with('#')
    }

    /// Returns the code, for the line alone.
    pub(crate) fn text(&self) -> &Zeroizing<String> {
        &self.0
    }
}

impl UssdReply {
    /// Reads a reply, as it is.
    ///
    /// # Errors
    /// [`UssdCodeError`]: empty, too long, more than a line; or it would be a refused code if the dialogue were over.
    pub fn parse(text: &str) -> Result<Self, UssdCodeError> {
        if text.is_empty() {
            return Err(UssdCodeError::Empty);
        }
        if text.chars().count() > MAX_USSD_REPLY {
            return Err(UssdCodeError::ReplyTooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(UssdCodeError::Control);
        }
        refusal(text.trim())
            .map_or_else(|| Ok(Self(Zeroizing::new(text.to_owned()))), |it| Err(UssdCodeError::Refused(it)))
    }

    /// Returns the reply, for the line alone.
    pub(crate) fn text(&self) -> &Zeroizing<String> {
        &self.0
    }
}

/// Says why a code is refused; `None` if it is not. Codes that operators made up are not known here and pass.
fn refusal(text: &str) -> Option<UssdRefusal> {
    // What does it, then which service, then with what.
    let rest = text.trim_start_matches(['*', '#']);
    let prefix = text.strip_suffix(rest)?;
    let (service, argument) = rest.split_once('*').unwrap_or((rest.trim_end_matches('#'), ""));
    let has_argument = argument.bytes().any(|byte| byte.is_ascii_digit());
    match service {
        "06" if prefix == "*#" => Some(UssdRefusal::Imei),
        "04" | "042" | "05" | "052" if prefix.starts_with("**") || has_argument => Some(UssdRefusal::Pin),
        "03" | "33" | "330" | "331" | "332" | "333" | "35" | "351" | "353" if has_argument => {
            Some(UssdRefusal::Barring)
        }
        "21" | "61" | "62" | "67" | "002" | "004" if has_argument && prefix.starts_with('*') => {
            Some(UssdRefusal::Forwarding)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_digits_stars_and_hashes_and_ends_with_a_hash() {
        for text in
            ["*888#", "*123*1#", "#123#", "*#100#", " *888# ", "*100*+628123456789*5000#", "*#21#", "##21#", "*21#"]
        {
            assert!(UssdCode::parse(text).is_ok(), "{text:?}");
        }
        for (text, error) in [
            ("", UssdCodeError::Empty),
            ("0812345678", UssdCodeError::Call),
            ("*123*1", UssdCodeError::Call),
            ("112", UssdCodeError::Call),
            ("888#", UssdCodeError::Call),
            ("#", UssdCodeError::Call),
            ("*888#\"", UssdCodeError::Character),
            ("*888#\r", UssdCodeError::Character),
            ("*888\n#", UssdCodeError::Character),
            ("*888;#", UssdCodeError::Character),
            ("*88a#", UssdCodeError::Character),
            ("*８８８#", UssdCodeError::Character),
        ] {
            assert_eq!(UssdCode::parse(text), Err(error), "{text:?}");
        }
        let of_length = |length: usize| UssdCode::parse(&format!("*{}#", "1".repeat(length - 2)));
        assert!(of_length(MAX_USSD_CODE).is_ok());
        assert_eq!(of_length(MAX_USSD_CODE + 1), Err(UssdCodeError::CodeTooLong));
    }

    #[test]
    fn what_belongs_into_a_phone_is_refused_with_its_reason_as_code_and_as_reply() {
        for (refusal, texts) in [
            (
                UssdRefusal::Pin,
                &["**04*1234*4321*4321#", "*04*1234*4321*4321#", "**042*1*2*2#", "**05*12345678*1*1#", "**052*1*2*2#"]
                    [..],
            ),
            (
                UssdRefusal::Barring,
                &["*03*330*1234*4321*4321#", "**03**1234*4321*4321#", "*33*0000#", "#330*0000#", "*351*0000#"],
            ),
            (
                UssdRefusal::Forwarding,
                &[
                    "**21*+628123456789#",
                    "*21*08123#",
                    "**61*08123*11*20#",
                    "*62*08123#",
                    "**67*0#",
                    "**002*0812#",
                    "**004*0812#",
                ],
            ),
            (UssdRefusal::Imei, &["*#06#"]),
        ] {
            for text in texts {
                assert_eq!(UssdCode::parse(text), Err(UssdCodeError::Refused(refusal)), "{text}");
                assert_eq!(UssdReply::parse(text), Err(UssdCodeError::Refused(refusal)), "{text}");
            }
        }
    }

    #[test]
    fn a_reply_is_one_short_line() {
        for text in ["1", "2", "98", "Budi \"B\" Santoso", "да", "*888#", " "] {
            assert!(UssdReply::parse(text).is_ok(), "{text:?}");
        }
        for (text, error) in [
            ("", UssdCodeError::Empty),
            ("1\r", UssdCodeError::Control),
            ("1\u{1a}", UssdCodeError::Control),
            ("1\u{1b}", UssdCodeError::Control),
            ("1\0", UssdCodeError::Control),
        ] {
            assert_eq!(UssdReply::parse(text), Err(error), "{text:?}");
        }
        assert!(UssdReply::parse(&"é".repeat(MAX_USSD_REPLY)).is_ok());
        assert_eq!(UssdReply::parse(&"é".repeat(MAX_USSD_REPLY + 1)), Err(UssdCodeError::ReplyTooLong));
    }

    #[test]
    fn no_debug_and_no_error_shows_what_was_given() {
        let code = UssdCode::parse("*123*98765#").unwrap();
        let reply = UssdReply::parse("98765").unwrap();
        let error = UssdCode::parse("**04*98765#").unwrap_err();
        assert!(!format!("{code:?} {reply:?} {error:?} {error}").contains("98765"));
    }
}
