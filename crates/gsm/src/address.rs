//! Telephone numbers and alphanumeric senders as PDUs carry them.
//!
//! For: the destination, originator, recipient and service centre fields. Never changes a digit: normalising a
//! receiver is the domain's work. `Debug` masks the middle, the whole needs [`Address::expose`].
//! Called by the PDU codecs, the AT answers and the SMS channel.
//!
//! # Standard
//! 3GPP TS 23.040 §9.1.2.5; 3GPP TS 27.005 §3.1 (service centre).

use zeroize::Zeroizing;

use crate::error::DecodeError;
use crate::gsm7;
use crate::reader::Reader;

/// The most semi-octets an address field holds.
const MAX_SEMI_OCTETS: usize = 20;
/// The characters of a semi-octet; the sixteenth value is filler.
const DIGITS: [char; 15] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'a', 'b', 'c'];
const FILLER: u8 = 0x0F;

/// A type-of-address octet: type of number and numbering plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TypeOfAddress(pub u8);

impl TypeOfAddress {
    /// International number, E.164.
    pub const INTERNATIONAL: Self = Self(0x91);
    /// Unknown type, E.164: short codes, national numbers as dialled.
    pub const UNKNOWN: Self = Self(0x81);
    /// National number, E.164.
    pub const NATIONAL: Self = Self(0xA1);
    /// Alphanumeric.
    pub const ALPHANUMERIC: Self = Self(0xD0);

    /// The type of number, bits 6 to 4.
    #[must_use]
    pub fn type_of_number(self) -> u8 {
        (self.0 >> 4) & 0x07
    }

    /// The numbering plan, bits 3 to 0.
    #[must_use]
    pub fn numbering_plan(self) -> u8 {
        self.0 & 0x0F
    }

    /// Whether the address is text instead of digits.
    #[must_use]
    pub fn is_alphanumeric(self) -> bool {
        self.type_of_number() == 5
    }
}

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is nothing in it.
    #[error("the address is empty")]
    Empty,
    /// A character has no semi-octet (or, in an alphanumeric address, no septet).
    #[error("the address holds a character that cannot be sent")]
    Character,
    /// More than 20 digits, or more than 11 septets.
    #[error("the address is too long")]
    TooLong,
}

/// An address: its type, and its digits or text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    kind: TypeOfAddress,
    value: String,
}

impl Address {
    /// An international number, digits only (E.164 without the plus sign).
    ///
    /// # Errors
    /// [`AddressError`] if the text is empty, holds anything but digits, or is too long.
    pub fn international(digits: &str) -> Result<Self, AddressError> {
        Self::with_type(TypeOfAddress::INTERNATIONAL, digits)
    }

    /// A number as typed: with a plus sign international, without one of unknown type (short codes).
    ///
    /// # Errors
    /// As [`Address::international`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        match text.strip_prefix('+') {
            Some(digits) => Self::international(digits),
            None => Self::with_type(TypeOfAddress::UNKNOWN, text),
        }
    }

    /// An address of the given type; digits may include `*`, `#`, `a`, `b` and `c`.
    ///
    /// # Errors
    /// As [`Address::international`]; for an alphanumeric type, as [`Address::alphanumeric`].
    pub fn with_type(kind: TypeOfAddress, value: &str) -> Result<Self, AddressError> {
        if value.is_empty() {
            return Err(AddressError::Empty);
        }
        let (length, most) = if kind.is_alphanumeric() {
            let septets = gsm7::septets_needed(value).ok_or(AddressError::Character)?;
            (septets, MAX_SEMI_OCTETS * 4 / 7)
        } else {
            if !value.chars().all(|digit| DIGITS.contains(&digit)) {
                return Err(AddressError::Character);
            }
            (value.len(), MAX_SEMI_OCTETS)
        };
        if length > most {
            return Err(AddressError::TooLong);
        }
        Ok(Self { kind, value: value.to_owned() })
    }

    /// An alphanumeric address of up to 11 septets. Only a network can send from one.
    ///
    /// # Errors
    /// [`AddressError`] if the text is empty, not in the default alphabet, or too long.
    pub fn alphanumeric(text: &str) -> Result<Self, AddressError> {
        Self::with_type(TypeOfAddress::ALPHANUMERIC, text)
    }

    /// The type of address.
    #[must_use]
    pub fn kind(&self) -> TypeOfAddress {
        self.kind
    }

    /// The digits (without a plus sign) or the text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.value
    }

    /// The last `count` digits: reports are matched by these, as a network may answer in another form.
    #[must_use]
    pub fn tail(&self, count: usize) -> &str {
        let skipped = self.value.chars().count().saturating_sub(count);
        let start = self.value.char_indices().nth(skipped).map_or(self.value.len(), |(start, _)| start);
        self.value.get(start..).unwrap_or_default()
    }

    /// Whether it is an international number.
    #[must_use]
    pub fn is_international(&self) -> bool {
        self.kind.type_of_number() == 1
    }

    /// Writes the address field of a TPDU: its length counts semi-octets.
    pub(crate) fn encode_into(&self, octets: &mut Vec<u8>) {
        let (length, value) = self.semi_octets();
        octets.extend_from_slice(&[length, self.kind.0]);
        octets.extend_from_slice(&value);
    }

    /// Reads the address field of a TPDU.
    pub(crate) fn decode(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        let length = reader.octet(field)?;
        let kind = TypeOfAddress(reader.octet(field)?);
        let count = usize::from(length);
        if count > MAX_SEMI_OCTETS {
            return Err(DecodeError::AddressTooLong(length));
        }
        Ok(Self::from_octets(kind, reader.take(count.div_ceil(2), field)?, count))
    }

    /// Writes the service centre field before a TPDU: its length counts octets, and no address is one zero octet.
    pub(crate) fn encode_service_center(address: Option<&Self>, octets: &mut Vec<u8>) {
        let Some(address) = address else {
            octets.push(0);
            return;
        };
        let (_, value) = address.semi_octets();
        octets.push(u8::try_from(value.len() + 1).unwrap_or(u8::MAX));
        octets.push(address.kind.0);
        octets.extend_from_slice(&value);
    }

    /// Reads the service centre field; `None` if the modem is to use the stored one.
    pub(crate) fn decode_service_center(reader: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
        const FIELD: &str = "service centre address";
        let length = reader.octet(FIELD)?;
        let Some(count) = usize::from(length).checked_sub(1) else {
            return Ok(None);
        };
        if count * 2 > MAX_SEMI_OCTETS {
            return Err(DecodeError::ServiceCenterTooLong(length));
        }
        let kind = TypeOfAddress(reader.octet(FIELD)?);
        let address = Self::from_octets(kind, reader.take(count, FIELD)?, count * 2);
        Ok((!address.value.is_empty()).then_some(address))
    }

    /// The length in semi-octets and the octets of the value. Both fit: the constructors saw to it.
    fn semi_octets(&self) -> (u8, Zeroizing<Vec<u8>>) {
        if self.kind.is_alphanumeric() {
            let septets = gsm7::encode(&self.value).unwrap_or_default();
            let length = u8::try_from((septets.len() * 7).div_ceil(4)).unwrap_or(u8::MAX);
            return (length, gsm7::pack(&septets, 0));
        }
        let nibbles: Vec<u8> = self.value.chars().map(nibble).collect();
        let octets = nibbles.chunks(2).map(|pair| {
            let (low, high) = (pair.first().copied().unwrap_or(FILLER), pair.get(1).copied().unwrap_or(FILLER));
            low | (high << 4)
        });
        (u8::try_from(nibbles.len()).unwrap_or(u8::MAX), Zeroizing::new(octets.collect()))
    }

    /// Reads `count` semi-octets; filler inside a number is skipped, as broken reports carry it.
    fn from_octets(kind: TypeOfAddress, octets: &[u8], count: usize) -> Self {
        let value = if kind.is_alphanumeric() {
            let septets = gsm7::unpack(octets, count * 4 / 7, 0).unwrap_or_default();
            gsm7::decode(&septets).as_str().to_owned()
        } else {
            let nibbles = octets.iter().flat_map(|octet| [octet & 0x0F, octet >> 4]).take(count);
            nibbles.filter_map(|nibble| DIGITS.get(usize::from(nibble))).collect()
        };
        Self { kind, value }
    }
}

/// Prints the type, the first five and the last two characters.
impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (head, tail) = if self.value.chars().count() > 7 { (5, 2) } else { (0, 0) };
        let shown: String = self.value.chars().take(head).collect();
        write!(f, "Address({:02X} {shown}•••{})", self.kind.0, self.tail(tail))
    }
}

fn nibble(digit: char) -> u8 {
    DIGITS.iter().zip(0_u8..).find(|(known, _)| **known == digit).map_or(FILLER, |(_, nibble)| nibble)
}

#[cfg(test)]
mod tests;
