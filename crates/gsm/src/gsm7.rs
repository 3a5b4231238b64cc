//! The GSM 7-bit default alphabet with its extension table, and septet packing.
//!
//! For: text to septets and back, septets to octets and back. Never guesses: a character outside the alphabet is not
//! replaced by a look-alike, and a national table this crate does not know is shown by the default table and flagged.
//! Called by [`crate::segment`](mod@crate::segment), [`crate::user_data`] and [`crate::address`].
//!
//! # Standard
//! 3GPP TS 23.038 §6.1.2.1 (packing), §6.2.1 (default alphabet), §6.2.1.1 (extension), Annex A (national tables).

use zeroize::Zeroizing;

/// Announces that the next septet is of the extension (or single shift) table.
pub const ESCAPE: u8 = 0x1B;
const CARRIAGE_RETURN: u8 = 0x0D;

/// The default alphabet, by septet. The place of the escape holds a space, as a receiver must show it.
const DEFAULT: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å', //
    'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', ' ', 'Æ', 'æ', 'ß', 'É', //
    ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/', //
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?', //
    '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', //
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§', //
    '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', //
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];

/// The default extension table. 0D (CR2) and 1B (SS2) are reserved controls and shown by the default table.
const EXTENSION: [(u8, char); 10] = [
    (0x0A, '\u{0C}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2F, '\\'),
    (0x3C, '['),
    (0x3D, '~'),
    (0x3E, ']'),
    (0x40, '|'),
    (0x65, '€'),
];

const TURKISH_LOCKING: [(u8, char); 8] =
    [(0x04, '€'), (0x07, 'ı'), (0x0B, 'Ğ'), (0x0C, 'ğ'), (0x1C, 'Ş'), (0x1D, 'ş'), (0x40, 'İ'), (0x60, 'ç')];

const TURKISH_SINGLE: [(u8, char); 7] =
    [(0x47, 'Ğ'), (0x49, 'İ'), (0x53, 'Ş'), (0x63, 'ç'), (0x67, 'ğ'), (0x69, 'ı'), (0x73, 'ş')];

const SPANISH_SINGLE: [(u8, char); 9] = [
    (0x09, 'ç'),
    (0x41, 'Á'),
    (0x49, 'Í'),
    (0x4F, 'Ó'),
    (0x55, 'Ú'),
    (0x61, 'á'),
    (0x69, 'í'),
    (0x6F, 'ó'),
    (0x75, 'ú'),
];

const PORTUGUESE_SINGLE: [(u8, char); 27] = [
    (0x05, 'ê'),
    (0x09, 'ç'),
    (0x0B, 'Ô'),
    (0x0C, 'ô'),
    (0x0E, 'Á'),
    (0x0F, 'á'),
    (0x12, 'Φ'),
    (0x13, 'Γ'),
    (0x15, 'Ω'),
    (0x16, 'Π'),
    (0x17, 'Ψ'),
    (0x18, 'Σ'),
    (0x19, 'Θ'),
    (0x1F, 'Ê'),
    (0x41, 'À'),
    (0x49, 'Í'),
    (0x4F, 'Ó'),
    (0x55, 'Ú'),
    (0x5B, 'Ã'),
    (0x5C, 'Õ'),
    (0x61, 'Â'),
    (0x69, 'í'),
    (0x6F, 'ó'),
    (0x75, 'ú'),
    (0x7B, 'ã'),
    (0x7C, 'õ'),
    (0x7F, 'â'),
];

/// The national language identifiers of a user data header, where present.
///
/// # Standard
/// 3GPP TS 23.038 Annex A; elements 24 (single shift) and 25 (locking shift) of 3GPP TS 23.040 §9.2.3.24.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NationalTables {
    /// The locking shift table, which replaces the default alphabet.
    pub locking: Option<u8>,
    /// The single shift table, which replaces the extension table.
    pub single: Option<u8>,
}

/// A decoded text and whether to believe every character of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The text.
    pub text: Zeroizing<String>,
    /// A national table was asked for that this crate does not know; the default table stood in for it.
    pub is_flagged: bool,
}

impl std::fmt::Debug for Decoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoded").field("text", &"•••").field("is_flagged", &self.is_flagged).finish()
    }
}

/// Encodes a text as septets, or answers `None` if a character is not in the alphabet.
#[must_use]
pub fn encode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut septets = Zeroizing::new(Vec::with_capacity(septets_needed(text)?));
    for character in text.chars() {
        let (escaped, septet) = septet_of(character)?;
        if escaped {
            septets.push(ESCAPE);
        }
        septets.push(septet);
    }
    Some(septets)
}

/// Counts the septets a text needs, or answers `None` if a character is not in the alphabet.
#[must_use]
pub fn septets_needed(text: &str) -> Option<usize> {
    text.chars().try_fold(0_usize, |sum, character| {
        let (escaped, _) = septet_of(character)?;
        Some(sum + if escaped { 2 } else { 1 })
    })
}

/// Decodes septets by the default alphabet and extension table.
///
/// An unknown extension code shows the character of the default table; an escape with nothing to escape is a space.
#[must_use]
pub fn decode(septets: &[u8]) -> Zeroizing<String> {
    decode_national(septets, NationalTables::default()).text
}

/// Decodes septets by the named national tables.
///
/// Known: Turkish (both), Spanish (single shift), Portuguese (single shift). Any other is flagged and read by the
/// default tables.
#[must_use]
pub fn decode_national(septets: &[u8], tables: NationalTables) -> Decoded {
    let (locking, locking_known) = locking_table(tables.locking);
    let (single, single_known) = single_table(tables.single);
    // Three octets are the most one septet becomes (€), so that the text is never moved and left behind unwiped.
    let mut text = Zeroizing::new(String::with_capacity(septets.len() * 3));
    let mut octets = septets.iter().map(|septet| septet & 0x7F);
    while let Some(septet) = octets.next() {
        if septet != ESCAPE {
            text.push(main_character(locking, septet));
            continue;
        }
        match octets.next() {
            None | Some(ESCAPE) => text.push(' '),
            Some(code) => text.push(
                find(single, code).or_else(|| find(&EXTENSION, code)).unwrap_or_else(|| main_character(locking, code)),
            ),
        }
    }
    Decoded { text, is_flagged: !(locking_known && single_known) }
}

/// Packs septets into octets after `fill_bits` zero bits (0 to 6, those that follow a user data header).
#[must_use]
pub fn pack(septets: &[u8], fill_bits: u8) -> Zeroizing<Vec<u8>> {
    let mut bits = u32::from(fill_bits % 8);
    let mut octets = Zeroizing::new(Vec::with_capacity(septets.len() * 7 / 8 + 2));
    let mut pending = 0_u32;
    for septet in septets {
        pending |= u32::from(septet & 0x7F) << bits;
        bits += 7;
        while bits >= 8 {
            let [low, ..] = pending.to_le_bytes();
            octets.push(low);
            pending >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        let [low, ..] = pending.to_le_bytes();
        octets.push(low);
    }
    octets
}

/// Unpacks `count` septets that start after `fill_bits`, or answers `None` if the octets hold fewer.
#[must_use]
pub fn unpack(octets: &[u8], count: usize, fill_bits: u8) -> Option<Zeroizing<Vec<u8>>> {
    let mut bits = u32::from(fill_bits % 8);
    let needed = count.checked_mul(7)?.checked_add(usize::try_from(bits).ok()?)?.div_ceil(8);
    let mut source = octets.get(..needed)?.iter();
    let mut septets = Zeroizing::new(Vec::with_capacity(count));
    let mut available = 0_u32;
    let mut pending = 0_u32;
    for _ in 0..count {
        while available < bits + 7 {
            pending |= u32::from(*source.next()?) << available;
            available += 8;
        }
        let [low, ..] = (pending >> bits).to_le_bytes();
        septets.push(low & 0x7F);
        pending >>= bits + 7;
        available -= bits + 7;
        bits = 0;
    }
    Some(septets)
}

/// Packs septets as USSD does: seven spare bits are filled with a carriage return.
///
/// # Standard
/// 3GPP TS 23.038 §6.1.2.3.
#[must_use]
pub fn pack_ussd(septets: &[u8]) -> Zeroizing<Vec<u8>> {
    if septets.len() % 8 != 7 {
        return pack(septets, 0);
    }
    let mut filled = Zeroizing::new(Vec::with_capacity(septets.len() + 1));
    filled.extend_from_slice(septets);
    filled.push(CARRIAGE_RETURN);
    pack(&filled, 0)
}

/// Unpacks USSD octets and drops the carriage return that filled the last octet.
#[must_use]
pub fn unpack_ussd(octets: &[u8]) -> Zeroizing<Vec<u8>> {
    let count = octets.len() * 8 / 7;
    let mut septets = unpack(octets, count, 0).unwrap_or_default();
    if count > 0 && count.is_multiple_of(8) && septets.last() == Some(&CARRIAGE_RETURN) {
        septets.pop();
    }
    septets
}

/// Whether the character needs the escape, and its septet.
fn septet_of(character: char) -> Option<(bool, u8)> {
    let in_default = DEFAULT.iter().zip(0_u8..).find(|(known, septet)| **known == character && *septet != ESCAPE);
    if let Some((_, septet)) = in_default {
        return Some((false, septet));
    }
    EXTENSION.iter().find(|(_, known)| *known == character).map(|(code, _)| (true, *code))
}

fn main_character(locking: &[(u8, char)], septet: u8) -> char {
    find(locking, septet).or_else(|| DEFAULT.get(usize::from(septet)).copied()).unwrap_or(' ')
}

fn find(table: &[(u8, char)], code: u8) -> Option<char> {
    table.iter().find(|(known, _)| *known == code).map(|(_, character)| *character)
}

/// What the locking table changes in the default alphabet, and whether the table is known.
fn locking_table(language: Option<u8>) -> (&'static [(u8, char)], bool) {
    match language {
        None => (&[], true),
        Some(1) => (&TURKISH_LOCKING, true),
        Some(_) => (&[], false),
    }
}

/// What the single shift table adds to the extension table, and whether the table is known.
fn single_table(language: Option<u8>) -> (&'static [(u8, char)], bool) {
    match language {
        None => (&[], true),
        Some(1) => (&TURKISH_SINGLE, true),
        Some(2) => (&SPANISH_SINGLE, true),
        Some(3) => (&PORTUGUESE_SINGLE, true),
        Some(_) => (&[], false),
    }
}

#[cfg(test)]
mod tests;
