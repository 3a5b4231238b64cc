//! The GSM 7-bit default alphabet with its extension, septet packing and UCS-2.
//!
//! Called by the PDU code and by the character sets of the AT engine.
//!
//! # Standard
//! 3GPP TS 23.038 §4, §6.1.2.1, §6.2.1.

/// Default alphabet in code order; ESC (0x1B) stands as U+001B.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{1b}ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// Extension table: code after ESC and character.
const EXTENSION: [(u8, char); 10] = [
    (0x0a, '\u{c}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2f, '\\'),
    (0x3c, '['),
    (0x3d, '~'),
    (0x3e, ']'),
    (0x40, '|'),
    (0x65, '€'),
];

const ESCAPE: u8 = 0x1b;

/// How user data is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Gsm7,
    Binary,
    Ucs2,
}

impl Coding {
    /// Reads a data coding scheme.
    pub(crate) fn of(dcs: u8) -> Self {
        let general = match dcs >> 4 {
            0..=7 => dcs >> 2 & 0x03,
            0xe => 2,
            0xf => dcs >> 2 & 0x01,
            _ => 0,
        };
        match general {
            1 => Self::Binary,
            2 => Self::Ucs2,
            _ => Self::Gsm7,
        }
    }
}

/// Septets of a text; `None` when a character is not in the alphabet.
pub(crate) fn to_septets(text: &str) -> Option<Vec<u8>> {
    let mut septets = Vec::with_capacity(text.len());
    for character in text.chars() {
        if let Some((code, _)) = EXTENSION.iter().find(|(_, extended)| *extended == character) {
            septets.extend([ESCAPE, *code]);
        } else {
            let at = BASIC.chars().position(|basic| basic == character && basic != '\u{1b}')?;
            septets.push(u8::try_from(at).ok()?);
        }
    }
    Some(septets)
}

/// Text of septets; an unknown extension is a blank, as phones show it.
pub(crate) fn from_septets(septets: &[u8]) -> String {
    let mut text = String::with_capacity(septets.len());
    let mut rest = septets.iter();
    while let Some(septet) = rest.next() {
        if *septet == ESCAPE {
            let Some(code) = rest.next() else { break };
            text.push(EXTENSION.iter().find(|(extended, _)| extended == code).map_or(' ', |(_, character)| *character));
        } else {
            text.push(BASIC.chars().nth(usize::from(*septet)).unwrap_or(' '));
        }
    }
    text
}

/// Packs septets after `fill` zero bits.
pub(crate) fn pack(septets: &[u8], fill: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity((septets.len() * 7 + fill).div_ceil(8));
    let (mut held, mut bits) = (0_u16, fill);
    for septet in septets {
        held |= u16::from(*septet & 0x7f) << bits;
        bits += 7;
        if bits >= 8 {
            bytes.push(held.to_le_bytes()[0]);
            held >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        bytes.push(held.to_le_bytes()[0]);
    }
    bytes
}

/// Unpacks at most `count` septets after `fill` bits.
pub(crate) fn unpack(bytes: &[u8], count: usize, fill: usize) -> Vec<u8> {
    (0..count)
        .map_while(|number| {
            let bit = fill + number * 7;
            let low = *bytes.get(bit / 8)?;
            let high = bytes.get(bit / 8 + 1).copied();
            if high.is_none() && bit % 8 > 1 {
                return None;
            }
            let both = u16::from_le_bytes([low, high.unwrap_or(0)]) >> (bit % 8);
            Some(both.to_le_bytes()[0] & 0x7f)
        })
        .collect()
}

/// Text of UTF-16BE; what is no character becomes U+FFFD.
pub(crate) fn from_ucs2(bytes: &[u8]) -> String {
    let units: Vec<u16> =
        bytes.chunks_exact(2).map(|pair| pair.iter().fold(0, |unit, byte| unit << 8 | u16::from(*byte))).collect();
    String::from_utf16_lossy(&units)
}

/// Splits a text into parts that fit beside a 6-octet header: 153 septets or 67 UTF-16 units.
pub(crate) fn split(text: &str, coding: Coding) -> Vec<String> {
    let (limit, is_gsm) = if coding == Coding::Gsm7 { (153, true) } else { (67, false) };
    let mut parts = vec![String::new()];
    let mut used = 0;
    for character in text.chars() {
        let cost = if is_gsm {
            if EXTENSION.iter().any(|(_, extended)| *extended == character) { 2 } else { 1 }
        } else {
            character.len_utf16()
        };
        if used + cost > limit {
            parts.push(String::new());
            used = 0;
        }
        used += cost;
        if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    parts
}
