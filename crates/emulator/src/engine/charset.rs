//! Character sets of `AT+CSCS` for names, numbers and texts.
//!
//! Called wherever a string goes out or comes in.
//!
//! # Standard
//! 3GPP TS 27.007 §5.5.

use crate::tpdu::alphabet;
use crate::tpdu::{from_hex, to_hex};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charset {
    Gsm,
    Ira,
    Ucs2,
    Hex,
}

impl Charset {
    pub(crate) const ALL: [Self; 4] = [Self::Ira, Self::Gsm, Self::Ucs2, Self::Hex];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gsm => "GSM",
            Self::Ira => "IRA",
            Self::Ucs2 => "UCS2",
            Self::Hex => "HEX",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|charset| charset.name().eq_ignore_ascii_case(name))
    }

    /// Writes a text as it goes over the line; quotes and controls become blanks.
    pub(crate) fn write(self, text: &str) -> String {
        match self {
            Self::Gsm | Self::Ira => text
                .chars()
                .map(|letter| match letter {
                    '"' | '\0'..='\u{1f}' if letter != '\n' => ' ',
                    letter if letter.is_ascii() => letter,
                    _ => '?',
                })
                .collect(),
            Self::Ucs2 => {
                let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
                to_hex(&bytes)
            }
            Self::Hex => to_hex(&alphabet::to_septets(text).unwrap_or_default()),
        }
    }

    /// Reads a text from the line; `None` when it is not of this set.
    pub(crate) fn read(self, text: &str) -> Option<String> {
        match self {
            Self::Gsm | Self::Ira => Some(text.to_owned()),
            Self::Ucs2 => {
                from_hex(text).ok().filter(|bytes| bytes.len() % 2 == 0).map(|bytes| alphabet::from_ucs2(&bytes))
            }
            Self::Hex => from_hex(text).ok().map(|bytes| alphabet::from_septets(&bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_survives_every_set() {
        for charset in Charset::ALL {
            assert_eq!(charset.read(&charset.write("*123*1#")).as_deref(), Some("*123*1#"), "{charset:?}");
        }
        assert_eq!(Charset::Ucs2.write("*888#"), "002A0038003800380023");
        assert_eq!(Charset::Hex.write("@A"), "0041");
        assert_eq!(Charset::Ucs2.read("*888#"), None);
    }
}
