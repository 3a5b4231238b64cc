//! Reads the SMS-SUBMIT a modem is given and writes the SMS-DELIVER and SMS-STATUS-REPORT it hands out.
//!
//! Deliberately not the `gsm` crate: the emulator judges what that crate produces, and two users of one codec would
//! agree about its mistakes. Called by the engine and the network. It never panics on bytes from the line.
//!
//! # Standard
//! 3GPP TS 23.040 §9.2.2, §9.1.2.5; TS 23.038 §4, §6.1.2.

pub(crate) mod alphabet;

use alphabet::Coding;

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

/// An incoming message, as stored on a card or routed to the computer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deliver {
    pub(crate) originator: Address,
    pub(crate) protocol_id: u8,
    pub(crate) dcs: u8,
    pub(crate) timestamp: [u8; 7],
    pub(crate) user_data_length: u8,
    pub(crate) user_data: Vec<u8>,
    pub(crate) has_header: bool,
}

impl Deliver {
    /// Makes the SMS (one or several) that carry a text: GSM 7-bit where it suffices, UCS-2 otherwise.
    pub(crate) fn from_text(from: &Address, text: &str, timestamp: [u8; 7], reference: u8) -> Vec<Self> {
        let coding = if alphabet::to_septets(text).is_some() { Coding::Gsm7 } else { Coding::Ucs2 };
        let dcs = if coding == Coding::Gsm7 { 0x00 } else { 0x08 };
        let sms = |user_data_length, user_data, has_header| Self {
            originator: from.clone(),
            protocol_id: 0,
            dcs,
            timestamp,
            user_data_length,
            user_data,
            has_header,
        };
        if let Some((length, value)) = encode_text(text, coding) {
            return vec![sms(length, value, false)];
        }
        let parts = alphabet::split(text, coding);
        let total = u8::try_from(parts.len()).unwrap_or(u8::MAX);
        (1..=total)
            .zip(parts)
            .map(|(number, part)| {
                let header = [5, 0, 3, reference, total, number];
                let (length, value) = match coding {
                    Coding::Gsm7 => {
                        let septets = alphabet::to_septets(&part).unwrap_or_default();
                        (septets.len() + 7, alphabet::pack(&septets, 1))
                    }
                    Coding::Ucs2 | Coding::Binary => {
                        let bytes: Vec<u8> = part.encode_utf16().flat_map(u16::to_be_bytes).collect();
                        (bytes.len() + header.len(), bytes)
                    }
                };
                sms(u8::try_from(length).unwrap_or(u8::MAX), [header.as_slice(), &value].concat(), true)
            })
            .collect()
    }

    /// Makes the SMS a phone receives when `submit` was sent by `from`.
    pub(crate) fn from_submit(from: &Address, submit: &Submit, timestamp: [u8; 7]) -> Self {
        Self {
            originator: from.clone(),
            protocol_id: submit.protocol_id,
            dcs: submit.dcs,
            timestamp,
            user_data_length: submit.user_data_length,
            user_data: submit.user_data.clone(),
            has_header: submit.has_header,
        }
    }

    /// Encodes the TPDU (no more messages waiting).
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut tpdu = vec![if self.has_header { 0x44 } else { 0x04 }];
        tpdu.extend(self.originator.encode());
        tpdu.extend([self.protocol_id, self.dcs]);
        tpdu.extend(self.timestamp);
        tpdu.push(self.user_data_length);
        tpdu.extend(&self.user_data);
        tpdu
    }

    /// Text of this part; `None` for 8-bit data.
    pub(crate) fn text(&self) -> Option<String> {
        UserData::read(&self.user_data, self.user_data_length, self.has_header, self.dcs).ok()?.text
    }
}

/// A delivery report of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatusReport {
    pub(crate) message_reference: u8,
    pub(crate) recipient: Address,
    pub(crate) submitted: [u8; 7],
    pub(crate) discharged: [u8; 7],
    /// TP-ST.
    pub(crate) status: u8,
}

impl StatusReport {
    /// Encodes the TPDU.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut tpdu = vec![0x06, self.message_reference];
        tpdu.extend(self.recipient.encode());
        tpdu.extend(self.submitted);
        tpdu.extend(self.discharged);
        tpdu.push(self.status);
        tpdu
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

/// Service centre time stamp of a wall time with an offset in quarters of an hour.
///
/// # Standard
/// 3GPP TS 23.040 §9.2.3.11.
pub(crate) fn timestamp(unix_millis: i64, quarters: i8) -> [u8; 7] {
    let [year, month, day, hour, minute, second] = civil(unix_millis, quarters);
    let zone = swapped(quarters.unsigned_abs()) | if quarters < 0 { 0x08 } else { 0 };
    [swapped(year), swapped(month), swapped(day), swapped(hour), swapped(minute), swapped(second), zone]
}

fn swapped(value: u8) -> u8 {
    ((value % 10) << 4) | (value / 10 % 10)
}

/// Year within its century, month, day, hour, minute and second of the local time.
pub(crate) fn civil(unix_millis: i64, quarters: i8) -> [u8; 6] {
    let seconds = unix_millis.div_euclid(1000) + i64::from(quarters) * 900;
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days to year, month and day: proleptic Gregorian calendar in eras of 400 years that begin in March.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    [year.rem_euclid(100), month, day, of_day / 3600, of_day / 60 % 60, of_day % 60]
        .map(|value| u8::try_from(value).unwrap_or(0))
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
