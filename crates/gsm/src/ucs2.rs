//! UCS-2 as phones send it: UTF-16, big-endian, astral characters as surrogate pairs.
//!
//! For: text to 16-bit units and back. Never panics on a lone surrogate: it is shown as U+FFFD.
//! Called by [`crate::segment`](mod@crate::segment) and [`crate::user_data`].
//!
//! # Standard
//! 3GPP TS 23.038 §6.2.3.

use zeroize::Zeroizing;

/// Encodes a text as 16-bit units.
#[must_use]
pub fn encode(text: &str) -> Zeroizing<Vec<u16>> {
    let mut units = Zeroizing::new(Vec::with_capacity(text.encode_utf16().count()));
    units.extend(text.encode_utf16());
    units
}

/// Decodes 16-bit units; a lone surrogate becomes U+FFFD.
#[must_use]
pub fn decode(units: &[u16]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(units.len() * 3));
    text.extend(char::decode_utf16(units.iter().copied()).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
    text
}

/// Writes units as octets, most significant first.
#[must_use]
pub fn to_octets(units: &[u16]) -> Zeroizing<Vec<u8>> {
    let mut octets = Zeroizing::new(Vec::with_capacity(units.len() * 2));
    for unit in units {
        octets.extend_from_slice(&unit.to_be_bytes());
    }
    octets
}

/// Reads units from octets; an odd last octet is dropped.
#[must_use]
pub fn from_octets(octets: &[u8]) -> Zeroizing<Vec<u16>> {
    let mut units = Zeroizing::new(Vec::with_capacity(octets.len() / 2));
    for pair in octets.chunks_exact(2) {
        if let [high, low] = pair {
            units.push(u16::from_be_bytes([*high, *low]));
        }
    }
    units
}
