//! The user data of a PDU: an optional header, and septets, 16-bit units or octets.
//!
//! For: putting header and text together with the fill bits between them. Never prints its text: it may be a code.
//! Called by [`crate::segment`](mod@crate::segment) and the PDU codecs.
//!
//! # Standard
//! 3GPP TS 23.040 §9.2.3.16 (length), §9.2.3.24 (header).

use zeroize::Zeroizing;

use crate::dcs::Alphabet;
use crate::error::{DecodeError, EncodeError};
use crate::gsm7::{self, NationalTables};
use crate::reader::Reader;
use crate::ucs2;

/// The most octets of user data, header included.
pub const MAX_OCTETS: usize = 140;
const CONCATENATED_8: u8 = 0x00;
const CONCATENATED_16: u8 = 0x08;
const SINGLE_SHIFT: u8 = 0x24;
const LOCKING_SHIFT: u8 = 0x25;

/// One element of the user data header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InformationElement {
    /// The identifier, such as 00 for concatenation with an 8-bit reference.
    pub identifier: u8,
    /// The data, without its length.
    pub data: Vec<u8>,
}

/// The reference number that the parts of one text share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reference {
    /// 8 bits: one more character per part.
    Eight(u8),
    /// 16 bits: wraps later.
    Sixteen(u16),
}

/// Which part of which text a user data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Concatenation {
    /// What the parts share.
    pub reference: Reference,
    /// The number of parts, at least 1.
    pub total: u8,
    /// This part, 1 to `total`.
    pub sequence: u8,
}

impl Concatenation {
    /// The header element that says so.
    #[must_use]
    pub fn element(self) -> InformationElement {
        let Self { reference, total, sequence } = self;
        match reference {
            Reference::Eight(reference) => {
                InformationElement { identifier: CONCATENATED_8, data: vec![reference, total, sequence] }
            }
            Reference::Sixteen(reference) => {
                let [high, low] = reference.to_be_bytes();
                InformationElement { identifier: CONCATENATED_16, data: vec![high, low, total, sequence] }
            }
        }
    }
}

/// What follows the header.
#[derive(Clone, PartialEq, Eq)]
pub enum Payload {
    /// Septets of the GSM 7-bit alphabet, one per octet here.
    Septets(Zeroizing<Vec<u8>>),
    /// UTF-16 units.
    Units(Zeroizing<Vec<u16>>),
    /// 8-bit data.
    Octets(Zeroizing<Vec<u8>>),
}

/// Header and payload.
#[derive(Clone, PartialEq, Eq)]
pub struct UserData {
    /// The elements of the header; none means no header.
    pub header: Vec<InformationElement>,
    /// The text or data.
    pub payload: Payload,
}

impl UserData {
    /// A text in the default alphabet without a header; `None` if a character is not in it.
    #[must_use]
    pub fn gsm7(text: &str) -> Option<Self> {
        Some(Self { header: Vec::new(), payload: Payload::Septets(gsm7::encode(text)?) })
    }

    /// A text in UCS-2 without a header.
    #[must_use]
    pub fn ucs2(text: &str) -> Self {
        Self { header: Vec::new(), payload: Payload::Units(ucs2::encode(text)) }
    }

    /// 8-bit data without a header.
    #[must_use]
    pub fn octets(octets: &[u8]) -> Self {
        Self { header: Vec::new(), payload: Payload::Octets(Zeroizing::new(octets.to_vec())) }
    }

    /// The alphabet the payload is in.
    #[must_use]
    pub fn alphabet(&self) -> Alphabet {
        match self.payload {
            Payload::Septets(_) => Alphabet::Gsm7,
            Payload::Units(_) => Alphabet::Ucs2,
            Payload::Octets(_) => Alphabet::Octets,
        }
    }

    /// The text of this part; `None` for 8-bit data.
    #[must_use]
    pub fn text(&self) -> Option<Zeroizing<String>> {
        self.decoded().map(|decoded| decoded.text)
    }

    /// The text of this part, flagged if it is in a national table this crate does not know; `None` for 8-bit data.
    #[must_use]
    pub fn decoded(&self) -> Option<gsm7::Decoded> {
        match &self.payload {
            Payload::Septets(septets) => Some(gsm7::decode_national(septets, self.national_tables())),
            Payload::Units(units) => Some(gsm7::Decoded { text: ucs2::decode(units), is_flagged: false }),
            Payload::Octets(_) => None,
        }
    }

    /// Which part of which text this is. A total or sequence of 0, or a sequence beyond the total, is no concatenation.
    #[must_use]
    pub fn concatenation(&self) -> Option<Concatenation> {
        let found = self.header.iter().find_map(|element| match (element.identifier, element.data.as_slice()) {
            (CONCATENATED_8, &[reference, total, sequence]) => {
                Some(Concatenation { reference: Reference::Eight(reference), total, sequence })
            }
            (CONCATENATED_16, &[high, low, total, sequence]) => {
                let reference = Reference::Sixteen(u16::from_be_bytes([high, low]));
                Some(Concatenation { reference, total, sequence })
            }
            _ => None,
        })?;
        (found.sequence != 0 && found.sequence <= found.total).then_some(found)
    }

    /// The national tables the header names.
    #[must_use]
    pub fn national_tables(&self) -> NationalTables {
        let language = |identifier| {
            let element = self.header.iter().find(|element| element.identifier == identifier)?;
            element.data.first().copied()
        };
        NationalTables { locking: language(LOCKING_SHIFT), single: language(SINGLE_SHIFT) }
    }

    /// Writes length, header and payload.
    pub(crate) fn encode_into(&self, octets: &mut Vec<u8>) -> Result<(), EncodeError> {
        let header = self.header_octets()?;
        let header_septets = (header.len() * 8).div_ceil(7);
        let (length, payload) = match &self.payload {
            Payload::Septets(septets) => (header_septets + septets.len(), gsm7::pack(septets, fill_bits(header.len()))),
            Payload::Units(units) => (header.len() + units.len() * 2, ucs2::to_octets(units)),
            Payload::Octets(data) => (header.len() + data.len(), data.clone()),
        };
        let total = header.len() + payload.len();
        if total > MAX_OCTETS {
            return Err(EncodeError::UserDataTooLong(total));
        }
        octets.push(u8::try_from(length).map_err(|_| EncodeError::UserDataTooLong(total))?);
        octets.extend_from_slice(&header);
        octets.extend_from_slice(&payload);
        Ok(())
    }

    /// Reads length, header (if `has_header`) and payload.
    pub(crate) fn decode(reader: &mut Reader<'_>, alphabet: Alphabet, has_header: bool) -> Result<Self, DecodeError> {
        let length = usize::from(reader.octet("user data length")?);
        let octet_count = if alphabet == Alphabet::Gsm7 { (length * 7).div_ceil(8) } else { length };
        if octet_count > MAX_OCTETS {
            return Err(DecodeError::UserDataTooLong(octet_count));
        }
        let octets = reader.take(octet_count, "user data")?;
        let (header, header_length) = if has_header { decode_header(octets)? } else { (Vec::new(), 0) };
        let rest = octets.get(header_length..).ok_or(DecodeError::Header)?;
        let payload = match alphabet {
            Alphabet::Gsm7 => {
                let count = length.checked_sub((header_length * 8).div_ceil(7)).ok_or(DecodeError::Header)?;
                let septets = gsm7::unpack(rest, count, fill_bits(header_length));
                Payload::Septets(septets.ok_or(DecodeError::Truncated("user data"))?)
            }
            Alphabet::Ucs2 => Payload::Units(ucs2::from_octets(rest)),
            Alphabet::Octets => Payload::Octets(Zeroizing::new(rest.to_vec())),
        };
        Ok(Self { header, payload })
    }

    /// The header with its length octet; empty if there is none.
    fn header_octets(&self) -> Result<Vec<u8>, EncodeError> {
        if self.header.is_empty() {
            return Ok(Vec::new());
        }
        let mut elements = Vec::new();
        for element in &self.header {
            let length = u8::try_from(element.data.len()).map_err(|_| EncodeError::Header)?;
            elements.extend_from_slice(&[element.identifier, length]);
            elements.extend_from_slice(&element.data);
        }
        let mut octets = vec![u8::try_from(elements.len()).map_err(|_| EncodeError::Header)?];
        octets.append(&mut elements);
        Ok(octets)
    }
}

/// Prints the shape, never the text.
impl std::fmt::Debug for UserData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let length = match &self.payload {
            Payload::Septets(septets) => septets.len(),
            Payload::Units(units) => units.len(),
            Payload::Octets(octets) => octets.len(),
        };
        f.debug_struct("UserData")
            .field("alphabet", &self.alphabet())
            .field("length", &length)
            .field("concatenation", &self.concatenation())
            .finish_non_exhaustive()
    }
}

/// Prints the length, never the text.
impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Septets(septets) => write!(f, "Septets({})", septets.len()),
            Self::Units(units) => write!(f, "Units({})", units.len()),
            Self::Octets(octets) => write!(f, "Octets({})", octets.len()),
        }
    }
}

/// The zero bits between a header of this many octets and the first septet, which starts on a septet boundary.
fn fill_bits(header_length: usize) -> u8 {
    u8::try_from((7 - header_length * 8 % 7) % 7).unwrap_or(0)
}

/// The elements of a header and the octets it takes, its length octet included.
fn decode_header(octets: &[u8]) -> Result<(Vec<InformationElement>, usize), DecodeError> {
    let (length, rest) = octets.split_first().ok_or(DecodeError::Header)?;
    let length = usize::from(*length);
    let mut reader = Reader::new(rest.get(..length).ok_or(DecodeError::Header)?);
    let mut header = Vec::new();
    while !reader.is_empty() {
        let element = |reader: &mut Reader<'_>| {
            let identifier = reader.octet("header")?;
            let length = reader.octet("header")?;
            let data = reader.take(usize::from(length), "header")?.to_vec();
            Ok::<_, DecodeError>(InformationElement { identifier, data })
        };
        header.push(element(&mut reader).map_err(|_| DecodeError::Header)?);
    }
    Ok((header, length + 1))
}
