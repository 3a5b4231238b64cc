//! Who gets a message: a phone number in canonical form, or an e-mail address.
//!
//! Both sides of an OTP canonicalise here, so `0812…` and `+62812…` are the same receiver. Shown masked; the full form
//! needs `expose()`. Called by the gateway for every entrance, by the block list and by the store.

use std::fmt;

use arrayvec::ArrayString;

/// Fewest digits of a phone number; shorter ones are short codes and are refused.
const MIN_DIGITS: usize = 7;
/// Most digits of a phone number (ITU-T E.164 §6.2.1, 2010).
const MAX_DIGITS: usize = 15;
/// Longest address in a mail transaction (RFC 5321 §4.5.3.1.3, 2008, less the angle brackets).
const MAX_ADDRESS: usize = 254;
/// Longest local part (RFC 5321 §4.5.3.1.1, 2008).
const MAX_LOCAL_PART: usize = 64;

/// Why a text is not a receiver.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReceiverError {
    /// Nothing but blanks or punctuation.
    #[error("the receiver is empty")]
    Empty,
    /// A letter or sign that no phone number has.
    #[error("the receiver holds something that is not a digit")]
    NotADigit,
    /// Six digits or fewer, as dialled: a short or service code.
    #[error("the receiver is a short code (fewer than 7 digits)")]
    ShortCode,
    /// Fewer than seven digits behind an international or trunk prefix.
    #[error("the receiver is too short (fewer than 7 digits)")]
    TooShort,
    /// More than fifteen digits.
    #[error("the receiver is too long (more than 15 digits)")]
    TooLong,
    /// International form whose country code would begin with 0.
    #[error("the receiver's country code begins with 0")]
    NoCountryCode,
    /// Something with an `@` that is not a mail address.
    #[error("the receiver is not an e-mail address")]
    NotAnAddress,
    /// A country code that is not one to three digits, or begins with 0.
    #[error("a country code is one to three digits and does not begin with 0")]
    BadCountryCode,
}

/// An E.164 country code: one to three digits, the first not 0.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct CountryCode(ArrayString<3>);

impl CountryCode {
    /// Parses `62` or `+62`.
    ///
    /// # Errors
    /// [`ReceiverError::BadCountryCode`] if it is not one to three ASCII digits without a leading 0.
    pub fn parse(text: &str) -> Result<Self, ReceiverError> {
        let text = text.trim();
        let digits = text.strip_prefix('+').unwrap_or(text);
        if digits.is_empty() || digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ReceiverError::BadCountryCode);
        }
        ArrayString::from(digits).map(Self).map_err(|_| ReceiverError::BadCountryCode)
    }

    /// Answers the digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How numbers without a country code are to be read.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct NumberingPlan {
    /// Replaces a single leading 0.
    pub country_code: CountryCode,
}

/// A phone number in canonical form: E.164 digits without `+`.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Msisdn(ArrayString<MAX_DIGITS>);

impl Msisdn {
    /// Parses a number as people write it; blanks, `-`, `.`, `(` and `)` are stripped, `+` and `00` mean
    /// international, a single leading 0 means the plan's country, and other digits are taken as international.
    /// Arabic-Indic and full-width digits are mapped to ASCII.
    ///
    /// # Errors
    /// What is wrong with the text, never the text itself.
    ///
    /// # Standard
    /// ITU-T E.164 §6 (2010).
    pub fn parse(text: &str, plan: &NumberingPlan) -> Result<Self, ReceiverError> {
        let (international, digits) = dialled_digits(text)?;
        let digits = digits.as_str();
        let mut canonical = ArrayString::<MAX_DIGITS>::new();
        let (country_code, rest) = if international {
            ("", digits)
        } else if let Some(rest) = digits.strip_prefix("00") {
            ("", rest)
        } else if let Some(rest) = digits.strip_prefix('0') {
            (plan.country_code.as_str(), rest)
        } else if digits.len() < MIN_DIGITS {
            return Err(ReceiverError::ShortCode);
        } else {
            ("", digits)
        };
        canonical.try_push_str(country_code).map_err(|_| ReceiverError::TooLong)?;
        canonical.try_push_str(rest).map_err(|_| ReceiverError::TooLong)?;
        if canonical.len() < MIN_DIGITS {
            Err(ReceiverError::TooShort)
        } else if canonical.starts_with('0') {
            Err(ReceiverError::NoCountryCode)
        } else {
            Ok(Self(canonical))
        }
    }

    /// Takes digits that are canonical already, for example from the store; `None` if they are not.
    pub fn from_canonical(digits: &str) -> Option<Self> {
        let canonical =
            digits.len() >= MIN_DIGITS && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
        if canonical { ArrayString::from(digits).ok().map(Self) } else { None }
    }

    /// Shows all digits; reviewers look for every use.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Answers the last `count` digits, all of them if there are fewer.
    pub fn tail(&self, count: usize) -> &str {
        self.0.get(self.0.len().saturating_sub(count)..).unwrap_or_default()
    }
}

/// Strips punctuation and maps digits; the flag says that a `+` led.
fn dialled_digits(text: &str) -> Result<(bool, ArrayString<{ MAX_DIGITS + 2 }>), ReceiverError> {
    let mut international = false;
    let mut digits = ArrayString::new();
    for sign in text.chars() {
        match sign {
            '-' | '.' | '(' | ')' => {}
            _ if sign.is_whitespace() => {}
            '+' | '\u{ff0b}' if digits.is_empty() && !international => international = true,
            _ => {
                let digit = ascii_digit(sign).ok_or(ReceiverError::NotADigit)?;
                digits.try_push(digit).map_err(|_| ReceiverError::TooLong)?;
            }
        }
    }
    if digits.is_empty() { Err(ReceiverError::Empty) } else { Ok((international, digits)) }
}

/// Maps ASCII, Arabic-Indic, extended Arabic-Indic and full-width digits to ASCII.
fn ascii_digit(sign: char) -> Option<char> {
    let zero = match sign {
        '0'..='9' => '0',
        '\u{0660}'..='\u{0669}' => '\u{0660}',
        '\u{06f0}'..='\u{06f9}' => '\u{06f0}',
        '\u{ff10}'..='\u{ff19}' => '\u{ff10}',
        _ => return None,
    };
    char::from_digit(u32::from(sign).checked_sub(u32::from(zero))?, 10)
}

impl fmt::Display for Msisdn {
    /// Masks the number: at least four digits are hidden, at most five at the front and two at the end are shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.len().saturating_sub(6).min(5);
        write!(f, "{}•••{}", self.0.get(..shown).unwrap_or_default(), self.tail(2))
    }
}

impl fmt::Debug for Msisdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A mail address in lower case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress(Box<str>);

impl EmailAddress {
    /// Parses `local@domain` in ASCII (dot-atoms only, so nothing can be smuggled into a header or an SMTP command)
    /// and lower-cases it.
    ///
    /// # Errors
    /// [`ReceiverError::NotAnAddress`].
    ///
    /// # Standard
    /// RFC 5321 §4.1.2 and §4.5.3.1 (2008), without quoted local parts and address literals.
    pub fn parse(text: &str) -> Result<Self, ReceiverError> {
        let text = text.trim();
        let (local, domain) = text.split_once('@').ok_or(ReceiverError::NotAnAddress)?;
        let well_formed = text.len() <= MAX_ADDRESS
            && local.len() <= MAX_LOCAL_PART
            && local.split('.').all(is_atom)
            && domain.split('.').all(is_label);
        if well_formed {
            Ok(Self(text.to_ascii_lowercase().into_boxed_str()))
        } else {
            Err(ReceiverError::NotAnAddress)
        }
    }

    /// Shows the address; reviewers look for every use.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Tells whether a part between dots may stand in a local part.
fn is_atom(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
}

/// Tells whether a part between dots may stand in a domain.
fn is_label(part: &str) -> bool {
    !part.is_empty()
        && part.len() <= 63
        && !part.starts_with('-')
        && !part.ends_with('-')
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl fmt::Display for EmailAddress {
    /// Masks the local part down to its first sign.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (local, domain) = self.0.split_once('@').unwrap_or_default();
        // A single sign would be the whole local part.
        let shown = if local.len() > 1 { local.get(..1).unwrap_or_default() } else { "" };
        write!(f, "{shown}•••@{domain}")
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Who gets a message, in canonical form.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Receiver {
    /// A phone.
    Msisdn(Msisdn),
    /// A mailbox.
    Email(EmailAddress),
}

impl Receiver {
    /// Parses a receiver: with an `@` it is an address, otherwise a number.
    ///
    /// # Errors
    /// What is wrong with the text, never the text itself.
    pub fn parse(text: &str, plan: &NumberingPlan) -> Result<Self, ReceiverError> {
        if text.contains('@') {
            EmailAddress::parse(text).map(Self::Email)
        } else {
            Msisdn::parse(text, plan).map(Self::Msisdn)
        }
    }

    /// Takes the canonical form, for example from the store; `None` if it is not canonical.
    pub fn from_canonical(text: &str) -> Option<Self> {
        if text.contains('@') {
            EmailAddress::parse(text).ok().filter(|address| address.expose() == text).map(Self::Email)
        } else {
            Msisdn::from_canonical(text).map(Self::Msisdn)
        }
    }

    /// Shows the canonical form; reviewers look for every use.
    pub fn expose(&self) -> &str {
        match self {
            Self::Msisdn(msisdn) => msisdn.expose(),
            Self::Email(address) => address.expose(),
        }
    }

    /// Answers the phone number, if it is one.
    pub fn msisdn(&self) -> Option<Msisdn> {
        match self {
            Self::Msisdn(msisdn) => Some(*msisdn),
            Self::Email(_) => None,
        }
    }
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Msisdn(msisdn) => fmt::Display::fmt(msisdn, f),
            Self::Email(address) => fmt::Display::fmt(address, f),
        }
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
