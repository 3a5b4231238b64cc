//! The octets of a PDU with its service centre address in front, as PDU mode writes them in hexadecimal.
//!
//! For: hexadecimal in and out and the length `AT+CMGS` wants. Never prints its octets: they may hold a code, and are
//! wiped on drop. Called by the PDU codecs, `modem` and `emulator`.
//!
//! # Standard
//! 3GPP TS 27.005 §3.1, §4.3.

use zeroize::Zeroizing;

use crate::error::DecodeError;

/// Room for the largest PDU (12 octets of service centre, 164 of TPDU), so that no copy is left behind by growing.
pub(crate) const CAPACITY: usize = 192;

/// What kind of TPDU it is, by its message type indicator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageType {
    /// From the service centre: SMS-DELIVER.
    Deliver,
    /// To the service centre: SMS-SUBMIT.
    Submit,
    /// From the service centre: SMS-STATUS-REPORT. To it: SMS-COMMAND, which this crate does not know.
    StatusReport,
    /// Reserved.
    Reserved,
}

/// A whole PDU: service centre address and TPDU.
#[derive(Clone, PartialEq, Eq)]
pub struct Pdu {
    octets: Zeroizing<Vec<u8>>,
    tpdu_start: usize,
}

impl Pdu {
    /// Takes octets that begin with a service centre address.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if that address does not fit.
    pub fn from_octets(octets: Zeroizing<Vec<u8>>) -> Result<Self, DecodeError> {
        let length = octets.first().ok_or(DecodeError::Truncated("service centre address"))?;
        let tpdu_start = usize::from(*length) + 1;
        if tpdu_start > octets.len() {
            return Err(DecodeError::Truncated("service centre address"));
        }
        Ok(Self { octets, tpdu_start })
    }

    /// Reads hexadecimal digits (either case) that begin with a service centre address.
    ///
    /// # Errors
    /// [`DecodeError::NotHex`], or [`DecodeError::Truncated`] if the service centre address does not fit.
    pub fn from_hex(text: &str) -> Result<Self, DecodeError> {
        Self::from_octets(octets_from_hex(text)?)
    }

    /// Reads hexadecimal digits of which the modem said how long the TPDU is.
    ///
    /// Some modems leave out the service centre address in `+CDS` and `+CMGL`: the length tells.
    ///
    /// # Errors
    /// As [`Pdu::from_hex`].
    pub fn from_hex_with_length(text: &str, tpdu_length: usize) -> Result<Self, DecodeError> {
        let octets = octets_from_hex(text)?;
        if octets.len() != tpdu_length {
            return Self::from_octets(octets);
        }
        let mut prefixed = Zeroizing::new(Vec::with_capacity(octets.len() + 1));
        prefixed.push(0);
        prefixed.extend_from_slice(&octets);
        Self::from_octets(prefixed)
    }

    /// All octets.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The octets after the service centre address.
    #[must_use]
    pub fn tpdu(&self) -> &[u8] {
        self.octets.get(self.tpdu_start..).unwrap_or_default()
    }

    /// The length `AT+CMGS` wants, in octets: that of the TPDU only.
    #[must_use]
    pub fn tpdu_length(&self) -> usize {
        self.octets.len().saturating_sub(self.tpdu_start)
    }

    /// The whole PDU as upper case hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.octets.len() * 2));
        for octet in self.octets.iter() {
            for nibble in [octet >> 4, octet & 0x0F] {
                text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase());
            }
        }
        text
    }

    /// The kind of TPDU, if there is one at all.
    #[must_use]
    pub fn message_type(&self) -> Option<MessageType> {
        self.tpdu().first().map(|first| match first & 0x03 {
            0 => MessageType::Deliver,
            1 => MessageType::Submit,
            2 => MessageType::StatusReport,
            _ => MessageType::Reserved,
        })
    }
}

/// Prints lengths only.
impl std::fmt::Debug for Pdu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pdu({} octets, tpdu {})", self.octets.len(), self.tpdu_length())
    }
}

fn octets_from_hex(text: &str) -> Result<Zeroizing<Vec<u8>>, DecodeError> {
    let text = text.trim();
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len().div_ceil(2)));
    let mut digits = text.chars().map(|digit| digit.to_digit(16).and_then(|nibble| u8::try_from(nibble).ok()));
    while let Some(high) = digits.next() {
        match (high, digits.next().flatten()) {
            (Some(high), Some(low)) => octets.push((high << 4) | low),
            _ => return Err(DecodeError::NotHex),
        }
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::{DecodeError, MessageType, Pdu};

    #[test]
    fn the_length_counts_the_tpdu_only() {
        let rows = [
            ("0001000B917228001011F100000CC8329BFD065DDF72363904", 24),
            ("04A12143F5310D0AA110624521430000A91BD4F29C0E6A97E7F3F0B9AC03B1DFE3301BE4AEB7C565F91C", 37),
            ("07914400000000F01100099121436587F90008F40A4E16754C60A8597DFF01", 23),
        ];
        for (hex, length) in rows {
            let pdu = Pdu::from_hex(hex).unwrap();
            assert_eq!(pdu.tpdu_length(), length, "{hex}");
            assert_eq!(pdu.hex().as_str(), hex);
        }
    }

    #[test]
    fn a_pdu_as_long_as_its_tpdu_has_no_service_centre() {
        let hex = "06040D91945152991136F00160124130340A0160124130940A00";
        let pdu = Pdu::from_hex_with_length(hex, 26).unwrap();
        assert_eq!((pdu.tpdu_length(), pdu.tpdu()[0], pdu.message_type()), (26, 0x06, Some(MessageType::StatusReport)));
        let whole = Pdu::from_hex_with_length(&format!("00{hex}"), 26).unwrap();
        assert_eq!(whole, pdu);
    }

    #[test]
    fn what_is_not_hexadecimal_is_refused() {
        for text in ["0", "0G", "zz", "00 1", "\u{663}0"] {
            assert_eq!(Pdu::from_hex(text), Err(DecodeError::NotHex), "{text:?}");
        }
        for text in ["", "05", "0791"] {
            assert_eq!(Pdu::from_hex(text), Err(DecodeError::Truncated("service centre address")), "{text:?}");
        }
        assert_eq!(Pdu::from_hex(" 00ab\r").unwrap().hex().as_str(), "00AB");
    }

    #[test]
    fn debug_prints_no_octets() {
        assert_eq!(format!("{:?}", Pdu::from_hex("00ABCD").unwrap()), "Pdu(3 octets, tpdu 2)");
    }
}
