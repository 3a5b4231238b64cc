//! SMS-SUBMIT: what `AT+CMGS` sends.
//!
//! For: building the PDU of an outgoing part, and reading one (the emulator's side). Called by the SMS channel,
//! `emulator` and the tests.
//!
//! # Standard
//! 3GPP TS 23.040 §9.2.2.2.

use zeroize::Zeroizing;

use crate::address::Address;
use crate::dcs::{Alphabet, Dcs};
use crate::error::{DecodeError, EncodeError};
use crate::pdu::{CAPACITY, Pdu};
use crate::reader::Reader;
use crate::timestamp::Timestamp;
use crate::user_data::UserData;
use crate::validity::Validity;

const MESSAGE_TYPE: u8 = 0x01;
const REJECT_DUPLICATES: u8 = 0x04;
const STATUS_REPORT_REQUEST: u8 = 0x20;
const HEADER_INDICATOR: u8 = 0x40;
const REPLY_PATH: u8 = 0x80;

/// The fields of an SMS-SUBMIT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submit {
    /// The service centre is to refuse a second message with this reference and destination (TP-RD).
    pub reject_duplicates: bool,
    /// A reply path is set (TP-RP).
    pub reply_path: bool,
    /// A status report is wanted (TP-SRR).
    pub status_report_request: bool,
    /// TP-MR; most modems overwrite it and answer the real one in `+CMGS`.
    pub message_reference: u8,
    /// The receiver.
    pub destination: Address,
    /// TP-PID, 0 for a normal message.
    pub protocol_id: u8,
    /// The coding; must name the alphabet the user data is in.
    pub dcs: Dcs,
    /// How long the service centre tries; `None` leaves it its maximum, usually days.
    pub validity: Option<Validity>,
    /// Header and text.
    pub user_data: UserData,
}

impl Submit {
    /// A plain message: no report, no validity, coding by the alphabet of the user data.
    #[must_use]
    pub fn new(destination: Address, user_data: UserData) -> Self {
        let dcs = match user_data.alphabet() {
            Alphabet::Gsm7 => Dcs::GSM7,
            Alphabet::Octets => Dcs::OCTETS,
            Alphabet::Ucs2 => Dcs::UCS2,
        };
        Self {
            reject_duplicates: false,
            reply_path: false,
            status_report_request: false,
            message_reference: 0,
            destination,
            protocol_id: 0,
            dcs,
            validity: None,
            user_data,
        }
    }

    /// Writes the PDU; without a service centre the modem uses the one it has stored.
    ///
    /// # Errors
    /// [`EncodeError`] if the coding names another alphabet, or header and text do not fit in 140 octets.
    pub fn encode(&self, service_center: Option<&Address>) -> Result<Pdu, EncodeError> {
        if self.dcs.alphabet() != self.user_data.alphabet() || self.dcs.is_compressed() {
            return Err(EncodeError::AlphabetMismatch);
        }
        let mut octets = Zeroizing::new(Vec::with_capacity(CAPACITY));
        Address::encode_service_center(service_center, &mut octets);
        let flags = [
            (self.reject_duplicates, REJECT_DUPLICATES),
            (self.status_report_request, STATUS_REPORT_REQUEST),
            (!self.user_data.header.is_empty(), HEADER_INDICATOR),
            (self.reply_path, REPLY_PATH),
        ];
        let set = flags.iter().filter(|(is_set, _)| *is_set).fold(0, |bits, (_, bit)| bits | bit);
        octets.extend_from_slice(&[MESSAGE_TYPE | Validity::format_bits(self.validity) | set, self.message_reference]);
        self.destination.encode_into(&mut octets);
        octets.extend_from_slice(&[self.protocol_id, self.dcs.0]);
        match self.validity {
            None => {}
            Some(Validity::Relative(octet)) => octets.push(octet),
            Some(Validity::Absolute(timestamp)) => octets.extend_from_slice(&timestamp.encode()),
            Some(Validity::Enhanced(period)) => octets.extend_from_slice(&period),
        }
        self.user_data.encode_into(&mut octets)?;
        // The service centre field was written above, so it is there to be found.
        Pdu::from_octets(octets).map_err(|_| EncodeError::Header)
    }

    /// Reads a PDU with its service centre address. Octets after the user data are ignored.
    ///
    /// # Errors
    /// [`DecodeError`] if a field is cut short or is not a SUBMIT's.
    pub fn decode(octets: &[u8]) -> Result<(Option<Address>, Self), DecodeError> {
        let mut reader = Reader::new(octets);
        let service_center = Address::decode_service_center(&mut reader)?;
        Ok((service_center, Self::decode_fields(&mut reader)?))
    }

    /// Reads a TPDU, which has no service centre address.
    ///
    /// # Errors
    /// As [`Submit::decode`].
    pub fn decode_tpdu(octets: &[u8]) -> Result<Self, DecodeError> {
        Self::decode_fields(&mut Reader::new(octets))
    }

    fn decode_fields(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let first = reader.octet("first octet")?;
        if first & 0x03 != MESSAGE_TYPE {
            return Err(DecodeError::WrongType(first & 0x03));
        }
        let message_reference = reader.octet("message reference")?;
        let destination = Address::decode(reader, "destination address")?;
        let protocol_id = reader.octet("protocol identifier")?;
        let dcs = Dcs(reader.octet("data coding scheme")?);
        if dcs.is_compressed() {
            return Err(DecodeError::Compressed);
        }
        let validity = match first & 0x18 {
            0x00 => None,
            0x10 => Some(Validity::Relative(reader.octet("validity period")?)),
            0x08 => Some(Validity::Enhanced(reader.array("validity period")?)),
            _ => {
                let timestamp = Timestamp::decode(reader.array("validity period")?);
                Some(Validity::Absolute(timestamp.ok_or(DecodeError::Validity)?))
            }
        };
        Ok(Self {
            reject_duplicates: first & REJECT_DUPLICATES != 0,
            reply_path: first & REPLY_PATH != 0,
            status_report_request: first & STATUS_REPORT_REQUEST != 0,
            message_reference,
            destination,
            protocol_id,
            dcs,
            validity,
            user_data: UserData::decode(reader, dcs.alphabet(), first & HEADER_INDICATOR != 0)?,
        })
    }
}
