//! Reads the SMS-SUBMIT a modem is given and writes the SMS-DELIVER and SMS-STATUS-REPORT it hands out.
//!
//! Deliberately not the `gsm` crate: the emulator judges what that crate produces, and two users of one codec would
//! agree about its mistakes. Called by the engine and the network. It never panics on bytes from the line.
//!
//! # Standard
//! 3GPP TS 23.040 §9.2.2, §9.1.2.5; TS 23.038 §4, §6.1.2.

pub(crate) mod alphabet;
mod incoming;
mod time;

use alphabet::Coding;

pub(crate) use incoming::{Deliver, StatusReport};
pub(crate) use time::{civil, timestamp};

/// Says why bytes are not a PDU a modem accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TpduError {
    #[error("not hexadecimal")]
    NotHexadecimal,
    #[error("length differs from the announced one")]
    WrongLength,
    #[error("PDU is cut off")]
    CutOff,
    #[error("not an SMS-SUBMIT")]
    NotSubmit,
    #[error("address is not possible")]
    Address,
    #[error("user data does not have its announced length")]
    UserData,
}

/// A party: digits, or the name of an alphanumeric sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Type-of-address octet.
    pub(crate) kind: u8,
    /// Digits without `+`, or the name.
    pub(crate) text: String,
}

impl Address {
    /// Reads `+628…` (international), `0811…` (unknown) or a name (alphanumeric).
    pub(crate) fn from_text(text: &str) -> Self {
        if let Some(digits) = text.strip_prefix('+') {
            return Self { kind: 0x91, text: digits.to_owned() };
        }
        let kind =
            if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*' || byte == b'#') { 0x81 } else { 0xd0 };
        Self { kind, text: text.to_owned() }
    }

    /// Writes it as a modem does in text mode: `+` before international digits.
    pub(crate) fn to_text(&self) -> String {
        if self.kind & 0x70 == 0x10 { format!("+{}", self.text) } else { self.text.clone() }
    }

    /// Encodes length in semi-octets, type and value.
    fn encode(&self) -> Vec<u8> {
        let (length, value) = if self.kind & 0x70 == 0x50 {
            let septets = alphabet::to_septets(&self.text).unwrap_or_default();
            let used: Vec<u8> = septets.into_iter().take(11).collect();
            ((used.len() * 7).div_ceil(4), alphabet::pack(&used, 0))
        } else {
            (self.text.len(), semi_octets(&self.text))
        };
        let mut bytes = vec![u8::try_from(length).unwrap_or(u8::MAX), self.kind];
        bytes.extend(value);
        bytes
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, TpduError> {
        let length = usize::from(reader.octet()?);
        let kind = reader.octet()?;
        if length == 0 || length > 20 || kind & 0x80 == 0 {
            return Err(TpduError::Address);
        }
        let value = reader.take(length.div_ceil(2))?;
        if kind & 0x70 == 0x50 {
            let septets = alphabet::unpack(value, length * 4 / 7, 0);
            return Ok(Self { kind, text: alphabet::from_septets(&septets) });
        }
        Ok(Self { kind, text: digits_of(value, length).ok_or(TpduError::Address)? })
    }
}

/// Swapped BCD of digits, filled with F.
fn semi_octets(digits: &str) -> Vec<u8> {
    let nibbles: Vec<u8> = digits
        .chars()
        .map(|digit| match digit {
            '*' => 0xa,
            '#' => 0xb,
            other => other.to_digit(10).and_then(|value| u8::try_from(value).ok()).unwrap_or(0),
        })
        .collect();
    nibbles.chunks(2).map(|pair| pair.first().unwrap_or(&0) | pair.get(1).unwrap_or(&0xf) << 4).collect()
}

/// Digits of swapped BCD; `None` when a fill nibble stands where a digit is due.
fn digits_of(value: &[u8], length: usize) -> Option<String> {
    let nibbles: Vec<u8> = value.iter().flat_map(|octet| [octet & 0xf, octet >> 4]).collect();
    let digits: Option<String> =
        nibbles.iter().take(length).map(|nibble| "0123456789*#abc".chars().nth(usize::from(*nibble))).collect();
    digits.filter(|_| length.is_multiple_of(2) || nibbles.last() == Some(&0xf))
}

/// What the network needs to know of an SMS-SUBMIT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Submit {
    pub(crate) destination: Address,
    pub(crate) report_requested: bool,
    pub(crate) protocol_id: u8,
    pub(crate) dcs: u8,
    /// User data as sent, header included, without its length octet.
    pub(crate) user_data: Vec<u8>,
    /// TP-UDL.
    pub(crate) user_data_length: u8,
    pub(crate) has_header: bool,
    /// Text of this part; `None` for 8-bit data.
    pub(crate) text: Option<String>,
    /// Reference, number of parts and number of this part.
    pub(crate) concat: Option<(u16, u8, u8)>,
}

impl Submit {
    /// Reads the hexadecimal PDU of `AT+CMGS=<announced>`, SMSC address first.
    pub(crate) fn from_hex(hex: &str, announced: usize) -> Result<(Vec<u8>, Self), TpduError> {
        let bytes = from_hex(hex)?;
        let smsc_length = usize::from(*bytes.first().ok_or(TpduError::CutOff)?);
        let tpdu = bytes.get(1 + smsc_length..).ok_or(TpduError::CutOff)?;
        if tpdu.len() != announced {
            return Err(TpduError::WrongLength);
        }
        if smsc_length > 11 || smsc_length == 1 {
            return Err(TpduError::Address);
        }
        let submit = Self::decode(tpdu)?;
        Ok((bytes, submit))
    }

    /// Reads a TPDU.
    pub(crate) fn decode(tpdu: &[u8]) -> Result<Self, TpduError> {
        let mut reader = Reader { rest: tpdu };
        let first = reader.octet()?;
        if first & 0x03 != 0x01 {
            return Err(TpduError::NotSubmit);
        }
        reader.octet()?; // TP-MR: the modem chooses its own
        let destination = Address::decode(&mut reader)?;
        let protocol_id = reader.octet()?;
        let dcs = reader.octet()?;
        reader.take(match first & 0x18 {
            0x00 => 0,
            0x10 => 1,
            _ => 7,
        })?;
        let user_data_length = reader.octet()?;
        let user_data = reader.rest.to_vec();
        let has_header = first & 0x40 != 0;
        let content = UserData::read(&user_data, user_data_length, has_header, dcs)?;
        Ok(Self {
            destination,
            report_requested: first & 0x20 != 0,
            protocol_id,
            dcs,
            user_data,
            user_data_length,
            has_header,
            text: content.text,
            concat: content.concat,
        })
    }

    /// Encodes a plain text for text mode, without SMSC address; `None` when it does not fit in one SMS.
    pub(crate) fn encode_text(
        to: &Address,
        text: &str,
        first: u8,
        validity: &[u8],
        pid: u8,
        dcs: u8,
    ) -> Option<Vec<u8>> {
        let (length, value) = encode_text(text, Coding::of(dcs))?;
        let mut tpdu = vec![first, 0];
        tpdu.extend(to.encode());
        tpdu.extend([pid, dcs]);
        tpdu.extend(validity);
        tpdu.push(length);
        tpdu.extend(value);
        Some(tpdu)
    }
}

/// Text and concatenation of user data.
struct UserData {
    text: Option<String>,
    concat: Option<(u16, u8, u8)>,
}

impl UserData {
    fn read(user_data: &[u8], length: u8, has_header: bool, dcs: u8) -> Result<Self, TpduError> {
        let coding = Coding::of(dcs);
        let length = usize::from(length);
        let octets = if coding == Coding::Gsm7 { (length * 7).div_ceil(8) } else { length };
        if user_data.len() != octets || octets > 140 {
            return Err(TpduError::UserData);
        }
        let header_octets =
            if has_header { 1 + usize::from(*user_data.first().ok_or(TpduError::UserData)?) } else { 0 };
        let header = user_data.get(..header_octets).ok_or(TpduError::UserData)?;
        let body = user_data.get(header_octets..).unwrap_or_default();
        let text = match coding {
            Coding::Gsm7 => {
                let header_septets = (header_octets * 8).div_ceil(7);
                let count = length.checked_sub(header_septets).ok_or(TpduError::UserData)?;
                let fill = header_septets * 7 - header_octets * 8;
                Some(alphabet::from_septets(&alphabet::unpack(body, count, fill)))
            }
            Coding::Ucs2 => Some(alphabet::from_ucs2(body)),
            Coding::Binary => None,
        };
        Ok(Self { text, concat: header.get(1..).and_then(concat_of) })
    }
}

/// Finds the concatenation element of a user data header.
fn concat_of(mut elements: &[u8]) -> Option<(u16, u8, u8)> {
    while let [kind, length, rest @ ..] = elements {
        let value = rest.get(..usize::from(*length))?;
        let found = match (kind, value) {
            (0x00, [reference, total, number]) => Some((u16::from(*reference), *total, *number)),
            (0x08, [high, low, total, number]) => Some((u16::from_be_bytes([*high, *low]), *total, *number)),
            _ => None,
        };
        if let Some((reference, total, number)) = found {
            return (1..=total).contains(&number).then_some((reference, total, number));
        }
        elements = rest.get(usize::from(*length)..)?;
    }
    None
}

fn encode_text(text: &str, coding: Coding) -> Option<(u8, Vec<u8>)> {
    match coding {
        Coding::Gsm7 => {
            let septets = alphabet::to_septets(text)?;
            let length = u8::try_from(septets.len()).ok().filter(|length| *length <= 160)?;
            Some((length, alphabet::pack(&septets, 0)))
        }
        Coding::Ucs2 | Coding::Binary => {
            let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            let length = u8::try_from(bytes.len()).ok().filter(|length| *length <= 140)?;
            Some((length, bytes))
        }
    }
}

/// SMSC address before a PDU handed out; a single zero octet when none is known.
pub(crate) fn smsc_prefix(digits: &str) -> Vec<u8> {
    if digits.is_empty() {
        return vec![0];
    }
    let value = semi_octets(digits);
    let mut bytes = vec![u8::try_from(value.len() + 1).unwrap_or(u8::MAX), 0x91];
    bytes.extend(value);
    bytes
}

/// Upper-case hexadecimal.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|nibble| char::from_digit(u32::from(nibble), 16))
        .map(|digit| digit.to_ascii_uppercase())
        .collect()
}

/// Bytes of hexadecimal digits, any case.
pub(crate) fn from_hex(hex: &str) -> Result<Vec<u8>, TpduError> {
    let digits: Option<Vec<u8>> =
        hex.chars().map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0).ok_or(TpduError::NotHexadecimal)?;
    Ok(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |octet, nibble| octet << 4 | nibble)).collect())
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn octet(&mut self) -> Result<u8, TpduError> {
        let (first, rest) = self.rest.split_first().ok_or(TpduError::CutOff)?;
        self.rest = rest;
        Ok(*first)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], TpduError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(TpduError::CutOff)?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests;
