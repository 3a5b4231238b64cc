//! The text of an answer, from whatever the modem made of it: by its coding first, and by what it looks like where the coding cannot be true.

use zeroize::Zeroizing;

use super::UssdForm;
use crate::{gsm7, ucs2};

/// How an answer is coded: the alphabet of a CBS data coding scheme.
///
/// # Standard
/// 3GPP TS 23.038 §5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UssdCoding {
    /// The default alphabet, or nothing was said.
    Gsm7 {
        /// Whether two letters of a language and a CR come first.
        has_language: bool,
    },
    /// UTF-16.
    Ucs2 {
        /// Whether two packed letters of a language come first.
        has_language: bool,
    },
    /// Octets of no known meaning.
    Octets,
}

impl UssdCoding {
    /// Reads `<dcs>`; reserved codings are the default alphabet, as is none.
    #[must_use]
    pub fn from_octet(dcs: Option<u8>) -> Self {
        let plain = Self::Gsm7 { has_language: false };
        match dcs.unwrap_or(15) {
            0x10 => Self::Gsm7 { has_language: true },
            0x11 => Self::Ucs2 { has_language: true },
            // General data coding, and messages with a header.
            octet @ (0x40..=0x7F | 0x90..=0x9F) => match octet & 0x0C {
                0x04 => Self::Octets,
                0x08 => Self::Ucs2 { has_language: false },
                _ => plain,
            },
            octet @ 0xF0..=0xFF if octet & 0x04 != 0 => Self::Octets,
            _ => plain,
        }
    }

    /// Decodes a text as the modem wrote it; `form` is the way in which this modem took the question, which tells how it writes.
    ///
    /// Never fails: what is neither is the text itself.
    #[must_use]
    pub fn decode(self, written: &str, form: Option<UssdForm>) -> Zeroizing<String> {
        let plain = || until_nul(written);
        let Some(octets) = octets(written) else { return plain() };
        match self {
            Self::Ucs2 { has_language } => from_ucs2(&octets, has_language).unwrap_or_else(plain),
            Self::Octets => from_octets(&octets),
            Self::Gsm7 { has_language } => {
                let ucs2 = || from_ucs2(&octets, false).filter(|text| is_text(text));
                let packed = || Some(from_packed(&octets, has_language)).filter(|text| is_text(text));
                // Digits alone are a number that somebody reads, unless this modem writes nothing but hexadecimal.
                let is_number = written.bytes().all(|byte| byte.is_ascii_digit());
                let found = match form {
                    Some(UssdForm::Packed) => packed().or_else(ucs2),
                    Some(UssdForm::Ucs2) => ucs2().or_else(packed),
                    _ if is_number => ucs2().filter(|text| text.is_ascii()),
                    _ if octets.len() < 3 => None,
                    // Packed septets never have an empty octet in every second place, and other scripts read as septets are no ASCII.
                    _ => {
                        let by_looks = ucs2().filter(|text| is_mostly(text, 2, |it| it.is_ascii()));
                        let packed = || packed().filter(|text| is_mostly(text, 4, |it| it.is_ascii()));
                        by_looks.or_else(packed).or_else(|| ucs2().filter(|text| is_mostly(text, 4, is_usual)))
                    }
                };
                found.unwrap_or_else(plain)
            }
        }
    }
}

/// Reads hexadecimal digits; `None` if there is anything else, or nothing.
fn octets(written: &str) -> Option<Zeroizing<Vec<u8>>> {
    let written = written.trim();
    if written.is_empty() || !written.len().is_multiple_of(2) {
        return None;
    }
    let mut octets = Zeroizing::new(Vec::with_capacity(written.len() / 2));
    let mut digits = written.bytes().map(|byte| char::from(byte).to_digit(16));
    while let Some(high) = digits.next() {
        octets.push(u8::try_from(high? << 4 | digits.next()??).ok()?);
    }
    Some(octets)
}

/// Reads UTF-16 up to the first U+0000, behind which some firmware leaves rubbish; `None` if there is half a unit.
fn from_ucs2(octets: &[u8], has_language: bool) -> Option<Zeroizing<String>> {
    if !octets.len().is_multiple_of(2) {
        return None;
    }
    let text = if has_language { octets.get(2..)? } else { octets };
    let units = ucs2::from_octets(text);
    let end = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
    Some(ucs2::decode(units.get(..end)?))
}

fn from_packed(octets: &[u8], has_language: bool) -> Zeroizing<String> {
    let septets = gsm7::unpack_ussd(octets);
    let text = if has_language { septets.get(3..).unwrap_or_default() } else { septets.as_slice() };
    gsm7::decode(text)
}

/// Reads octets as UTF-8 where they are, else one character each.
fn from_octets(octets: &[u8]) -> Zeroizing<String> {
    let end = octets.iter().position(|octet| *octet == 0).unwrap_or(octets.len());
    let octets = octets.get(..end).unwrap_or_default();
    if let Ok(text) = std::str::from_utf8(octets) {
        return Zeroizing::new(text.to_owned());
    }
    // Two bytes of room each.
    let mut text = Zeroizing::new(String::with_capacity(octets.len() * 2));
    text.extend(octets.iter().map(|octet| char::from(*octet)));
    text
}

fn until_nul(written: &str) -> Zeroizing<String> {
    Zeroizing::new(written.split('\0').next().unwrap_or_default().to_owned())
}

/// Answers whether a text has nothing in it that no text has: controls but line ends, and what was never assigned.
fn is_text(text: &str) -> bool {
    let is_rubbish = |character: char| {
        let is_private = ('\u{E000}'..='\u{F8FF}').contains(&character);
        (character.is_control() && !matches!(character, '\n' | '\r'))
            || is_private
            || character == char::REPLACEMENT_CHARACTER
    };
    !text.is_empty() && !text.chars().any(is_rubbish)
}

/// ASCII, and the scripts of their own; beyond them most rubbish lands.
fn is_usual(character: char) -> bool {
    character.is_ascii() || ('\u{370}'..='\u{2FFF}').contains(&character)
}

/// Answers whether at most one of so many characters is another.
fn is_mostly(text: &str, of: usize, is_meant: impl Fn(char) -> bool) -> bool {
    let others = text.chars().filter(|character| !is_meant(*character)).count();
    others * of <= text.chars().count()
}
