//! SMS-DELIVER: a message that came in.
//!
//! For: reading what `+CMT`, `+CMGL` and `+CMGR` carry, and building it (the emulator's side).
//! Called by `modem`, `emulator` and the tests.
//!
//! # Standard
//! 3GPP TS 23.040 §9.2.2.1.

use zeroize::Zeroizing;

use crate::address::Address;
use crate::dcs::Dcs;
use crate::error::{DecodeError, EncodeError};
use crate::pdu::{CAPACITY, Pdu};
use crate::reader::Reader;
use crate::timestamp::Timestamp;
use crate::user_data::UserData;

const MESSAGE_TYPE: u8 = 0x00;
const NO_MORE_MESSAGES: u8 = 0x04;
const LOOP_PREVENTION: u8 = 0x08;
const STATUS_REPORT_INDICATION: u8 = 0x20;
const HEADER_INDICATOR: u8 = 0x40;
const REPLY_PATH: u8 = 0x80;

/// The fields of an SMS-DELIVER.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the standard has four independent flags")]
pub struct Deliver {
    /// More messages wait at the service centre (the bit on the air says the opposite).
    pub more_messages: bool,
    /// The message was forwarded and must not loop (TP-LP).
    pub loop_prevention: bool,
    /// The sender asked for a report (TP-SRI).
    pub status_report_indication: bool,
    /// A reply path is set (TP-RP).
    pub reply_path: bool,
    /// The sender, digits or text.
    pub originator: Address,
    /// TP-PID.
    pub protocol_id: u8,
    /// The coding; must name the alphabet the user data is in.
    pub dcs: Dcs,
    /// When the service centre took the message; `None` if the octets are not a date.
    pub timestamp: Option<Timestamp>,
    /// Header and text.
    pub user_data: UserData,
}

impl Deliver {
    /// Writes the PDU.
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
            (!self.more_messages, NO_MORE_MESSAGES),
            (self.loop_prevention, LOOP_PREVENTION),
            (self.status_report_indication, STATUS_REPORT_INDICATION),
            (!self.user_data.header.is_empty(), HEADER_INDICATOR),
            (self.reply_path, REPLY_PATH),
        ];
        octets.push(flags.iter().filter(|(is_set, _)| *is_set).fold(MESSAGE_TYPE, |bits, (_, bit)| bits | bit));
        self.originator.encode_into(&mut octets);
        octets.extend_from_slice(&[self.protocol_id, self.dcs.0]);
        octets.extend_from_slice(&self.timestamp.map_or([0; 7], Timestamp::encode));
        self.user_data.encode_into(&mut octets)?;
        // The service centre field was written above, so it is there to be found.
        Pdu::from_octets(octets).map_err(|_| EncodeError::Header)
    }

    /// Reads a PDU with its service centre address. Octets after the user data are ignored.
    ///
    /// # Errors
    /// [`DecodeError`] if a field is cut short or is not a DELIVER's.
    pub fn decode(octets: &[u8]) -> Result<(Option<Address>, Self), DecodeError> {
        let mut reader = Reader::new(octets);
        let service_center = Address::decode_service_center(&mut reader)?;
        Ok((service_center, Self::decode_fields(&mut reader)?))
    }

    /// Reads a TPDU, which has no service centre address.
    ///
    /// # Errors
    /// As [`Deliver::decode`].
    pub fn decode_tpdu(octets: &[u8]) -> Result<Self, DecodeError> {
        Self::decode_fields(&mut Reader::new(octets))
    }

    fn decode_fields(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let first = reader.octet("first octet")?;
        if first & 0x03 != MESSAGE_TYPE {
            return Err(DecodeError::WrongType(first & 0x03));
        }
        let originator = Address::decode(reader, "originator address")?;
        let protocol_id = reader.octet("protocol identifier")?;
        let dcs = Dcs(reader.octet("data coding scheme")?);
        if dcs.is_compressed() {
            return Err(DecodeError::Compressed);
        }
        Ok(Self {
            more_messages: first & NO_MORE_MESSAGES == 0,
            loop_prevention: first & LOOP_PREVENTION != 0,
            status_report_indication: first & STATUS_REPORT_INDICATION != 0,
            reply_path: first & REPLY_PATH != 0,
            originator,
            protocol_id,
            dcs,
            timestamp: Timestamp::decode(reader.array("time stamp")?),
            user_data: UserData::decode(reader, dcs.alphabet(), first & HEADER_INDICATOR != 0)?,
        })
    }
}
