//! Cutting a text into the parts of a concatenated message, and joining parts again.
//!
//! For: choosing the alphabet (GSM 7-bit if every character is in it, else UCS-2) and the cuts. Never splits an escape
//! pair or a surrogate pair. Called by the SMS channel, `emulator` and the tests.
//!
//! # Standard
//! 3GPP TS 23.040 §9.2.3.24.1 and §9.2.3.24.8.

use zeroize::Zeroizing;

use crate::dcs::Dcs;
use crate::gsm7;
use crate::ucs2;
use crate::user_data::{Concatenation, MAX_OCTETS, Payload, UserData};

pub use crate::user_data::Reference;

/// The most parts one text can have.
pub const MAX_PARTS: usize = 255;

/// The alphabet a text is sent in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// 160 septets in one part, 153 (or 152) in each of several.
    Gsm7,
    /// 70 units in one part, 67 (or 66) in each of several.
    Ucs2,
}

impl Encoding {
    /// The alphabet for a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        if gsm7::septets_needed(text).is_some() { Self::Gsm7 } else { Self::Ucs2 }
    }

    /// The coding without a class.
    #[must_use]
    pub fn dcs(self) -> Dcs {
        match self {
            Self::Gsm7 => Dcs::GSM7,
            Self::Ucs2 => Dcs::UCS2,
        }
    }

    /// How many septets or units fit beside a header of this many octets.
    #[must_use]
    pub fn capacity(self, header_octets: usize) -> usize {
        let octets = MAX_OCTETS.saturating_sub(header_octets);
        match self {
            Self::Gsm7 => octets * 8 / 7,
            Self::Ucs2 => octets / 2,
        }
    }
}

/// Why a text cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// It needs more than 255 parts.
    #[error("the text needs {0} parts, more than 255")]
    TooLong(usize),
}

/// A text, cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segments {
    /// The alphabet of every part.
    pub encoding: Encoding,
    /// The parts, in order; at least one.
    pub parts: Vec<UserData>,
}

/// Cuts a text; a text that fits in one part gets no header.
///
/// # Errors
/// [`SegmentError::TooLong`] if it needs more than 255 parts.
pub fn segment(text: &str, reference: Reference) -> Result<Segments, SegmentError> {
    let encoding = Encoding::of(text);
    let payloads = match gsm7::encode(text) {
        Some(septets) => cut(&septets, encoding, header_octets(reference), |septet| septet == gsm7::ESCAPE)
            .into_iter()
            .map(|part| Payload::Septets(Zeroizing::new(part.to_vec())))
            .collect::<Vec<_>>(),
        None => cut(&ucs2::encode(text), encoding, header_octets(reference), is_high_surrogate)
            .into_iter()
            .map(|part| Payload::Units(Zeroizing::new(part.to_vec())))
            .collect(),
    };
    let count = payloads.len();
    let total = u8::try_from(count).map_err(|_| SegmentError::TooLong(count))?;
    let parts = payloads.into_iter().zip(1..=total).map(|(payload, sequence)| {
        let concatenation = Concatenation { reference, total, sequence };
        UserData { header: if total > 1 { vec![concatenation.element()] } else { Vec::new() }, payload }
    });
    Ok(Segments { encoding, parts: parts.collect() })
}

/// Counts the parts a text needs with an 8-bit reference, even if there are more than 255.
#[must_use]
pub fn count(text: &str) -> usize {
    let header = header_octets(Reference::Eight(0));
    match gsm7::encode(text) {
        Some(septets) => cut(&septets, Encoding::Gsm7, header, |septet| septet == gsm7::ESCAPE).len(),
        None => cut(&ucs2::encode(text), Encoding::Ucs2, header, is_high_surrogate).len(),
    }
}

/// Joins the parts of one text, in any order; `None` if one is missing, double, of another text, or not text.
///
/// Units are joined before they are decoded: other senders do split surrogate and escape pairs.
#[must_use]
pub fn join(parts: &[UserData]) -> Option<Zeroizing<String>> {
    if let [single] = parts
        && single.concatenation().is_none_or(|it| it.total == 1)
    {
        return single.text();
    }
    let mut numbered = Vec::with_capacity(parts.len());
    for part in parts {
        numbered.push((part.concatenation()?, part));
    }
    numbered.sort_by_key(|(concatenation, _)| concatenation.sequence);
    let (first, first_part) = numbered.first()?;
    let is_whole = numbered.len() == usize::from(first.total)
        && numbered.iter().zip(1_u8..).all(|((it, _), sequence)| {
            it.reference == first.reference && it.total == first.total && it.sequence == sequence
        });
    if !is_whole {
        return None;
    }
    let (mut septets, mut units) = (Zeroizing::new(Vec::new()), Zeroizing::new(Vec::new()));
    septets.reserve_exact(parts.len() * MAX_OCTETS * 8 / 7);
    units.reserve_exact(parts.len() * MAX_OCTETS / 2);
    for (_, part) in &numbered {
        match &part.payload {
            Payload::Septets(part) if units.is_empty() => septets.extend_from_slice(part),
            Payload::Units(part) if septets.is_empty() => units.extend_from_slice(part),
            _ => return None,
        }
    }
    Some(match first_part.payload {
        Payload::Units(_) => ucs2::decode(&units),
        _ => gsm7::decode_national(&septets, first_part.national_tables()).text,
    })
}

/// The octets of a header with one concatenation element, its length octet included.
fn header_octets(reference: Reference) -> usize {
    match reference {
        Reference::Eight(_) => 6,
        Reference::Sixteen(_) => 7,
    }
}

/// Cuts elements so that none that `begins_pair` ends a part.
fn cut<T: Copy>(all: &[T], encoding: Encoding, header_octets: usize, begins_pair: impl Fn(T) -> bool) -> Vec<&[T]> {
    if all.len() <= encoding.capacity(0) {
        return vec![all];
    }
    let capacity = encoding.capacity(header_octets);
    let mut parts = Vec::new();
    let mut rest = all;
    while !rest.is_empty() {
        let mut length = capacity.min(rest.len());
        if length < rest.len() && rest.get(length - 1).copied().is_some_and(&begins_pair) {
            length -= 1;
        }
        let (part, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        parts.push(part);
        rest = after;
    }
    parts
}

fn is_high_surrogate(unit: u16) -> bool {
    (0xD800..0xDC00).contains(&unit)
}

#[cfg(test)]
mod tests;
