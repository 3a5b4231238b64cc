//! SMS-STATUS-REPORT: what became of a message.
//!
//! For: reading what `+CDS` and `+CDSI` lead to, and building it (the emulator's side). A report that is cut short after
//! its status is still a report. Called by `modem`, `emulator` and the tests.
//!
//! # Standard
//! 3GPP TS 23.040 §9.2.2.3; §9.2.3.15 (status).

use zeroize::Zeroizing;

use crate::address::Address;
use crate::dcs::{Alphabet, Dcs};
use crate::error::{DecodeError, EncodeError};
use crate::pdu::{CAPACITY, Pdu};
use crate::reader::Reader;
use crate::timestamp::Timestamp;
use crate::user_data::UserData;

const MESSAGE_TYPE: u8 = 0x02;
const NO_MORE_MESSAGES: u8 = 0x04;
const LOOP_PREVENTION: u8 = 0x08;
const OF_COMMAND: u8 = 0x20;
const HEADER_INDICATOR: u8 = 0x40;
const HAS_PROTOCOL_ID: u8 = 0x01;
const HAS_DCS: u8 = 0x02;
const HAS_USER_DATA: u8 = 0x04;

/// A TP-ST octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(pub u8);

/// What a status means for the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryStatus {
    /// The phone has it.
    Delivered,
    /// Forwarded, but the service centre cannot confirm delivery: no more than sent.
    Unconfirmed,
    /// Replaced at the service centre by a newer message: final.
    Replaced,
    /// Completed for a reserved or service centre specific reason: final, well.
    Completed,
    /// The service centre is still trying: another report follows.
    Pending,
    /// Given up for good.
    Failed,
    /// Given up, though the cause was temporary: may be sent again.
    FailedTemporarily,
    /// A reserved value.
    Unknown,
}

impl DeliveryStatus {
    /// Whether no other report is to be expected.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Unknown)
    }
}

impl Status {
    /// What it means for the message.
    #[must_use]
    pub fn delivery(self) -> DeliveryStatus {
        match self.0 {
            0x00 => DeliveryStatus::Delivered,
            0x01 => DeliveryStatus::Unconfirmed,
            0x02 => DeliveryStatus::Replaced,
            0x03..=0x1F => DeliveryStatus::Completed,
            0x20..=0x3F => DeliveryStatus::Pending,
            0x40..=0x5F => DeliveryStatus::Failed,
            0x60..=0x7F => DeliveryStatus::FailedTemporarily,
            0x80..=0xFF => DeliveryStatus::Unknown,
        }
    }

    /// The words of the standard.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self.0 {
            0x00 => "received by the phone",
            0x01 => "forwarded, delivery not confirmed",
            0x02 => "replaced by the service centre",
            0x03..=0x1F => "completed, reason not defined",
            0x20 => "still trying: congestion",
            0x21 => "still trying: phone busy",
            0x22 => "still trying: no response from the phone",
            0x23 => "still trying: service rejected",
            0x24 => "still trying: quality of service not available",
            0x25 => "still trying: error in the phone",
            0x26..=0x3F => "still trying, reason not defined",
            0x40 => "failed: remote procedure error",
            0x41 => "failed: incompatible destination",
            0x42 => "failed: connection rejected by the phone",
            0x43 => "failed: not obtainable",
            0x44 => "failed: quality of service not available",
            0x45 => "failed: no interworking available",
            0x46 => "failed: validity period expired",
            0x47 => "failed: deleted by the sender",
            0x48 => "failed: deleted by the service centre",
            0x49 => "failed: message does not exist",
            0x4A..=0x5F => "failed, reason not defined",
            0x60 => "given up: congestion",
            0x61 => "given up: phone busy",
            0x62 => "given up: no response from the phone",
            0x63 => "given up: service rejected",
            0x64 => "given up: quality of service not available",
            0x65 => "given up: error in the phone",
            0x66..=0x7F => "given up, reason not defined",
            0x80..=0xFF => "reserved",
        }
    }
}

/// The fields of an SMS-STATUS-REPORT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusReport {
    /// More messages wait at the service centre (the bit on the air says the opposite).
    pub more_messages: bool,
    /// The report was forwarded and must not loop (TP-LP).
    pub loop_prevention: bool,
    /// The report is about a command, not about a message (TP-SRQ).
    pub is_of_command: bool,
    /// TP-MR: that of the `+CMGS` answer.
    pub message_reference: u8,
    /// The receiver; not always in the form it was sent to.
    pub recipient: Address,
    /// When the service centre took the message.
    pub service_center_time: Option<Timestamp>,
    /// When it was delivered, or last tried.
    pub discharge_time: Option<Timestamp>,
    /// What became of it.
    pub status: Status,
    /// TP-PID, if present.
    pub protocol_id: Option<u8>,
    /// The coding, if present.
    pub dcs: Option<Dcs>,
    /// Header and text, if present.
    pub user_data: Option<UserData>,
}

impl StatusReport {
    /// A report of a message, without the optional fields.
    #[must_use]
    pub fn new(message_reference: u8, recipient: Address, status: Status) -> Self {
        Self {
            more_messages: false,
            loop_prevention: false,
            is_of_command: false,
            message_reference,
            recipient,
            service_center_time: None,
            discharge_time: None,
            status,
            protocol_id: None,
            dcs: None,
            user_data: None,
        }
    }

    /// Writes the PDU.
    ///
    /// # Errors
    /// [`EncodeError`] if the coding names another alphabet, or header and text do not fit in 140 octets.
    pub fn encode(&self, service_center: Option<&Address>) -> Result<Pdu, EncodeError> {
        let named = self.dcs.unwrap_or(Dcs::GSM7);
        if self.user_data.as_ref().is_some_and(|data| data.alphabet() != named.alphabet() || named.is_compressed()) {
            return Err(EncodeError::AlphabetMismatch);
        }
        let mut octets = Zeroizing::new(Vec::with_capacity(CAPACITY));
        Address::encode_service_center(service_center, &mut octets);
        let has_header = self.user_data.as_ref().is_some_and(|data| !data.header.is_empty());
        let flags = [
            (!self.more_messages, NO_MORE_MESSAGES),
            (self.loop_prevention, LOOP_PREVENTION),
            (self.is_of_command, OF_COMMAND),
            (has_header, HEADER_INDICATOR),
        ];
        octets.push(flags.iter().filter(|(is_set, _)| *is_set).fold(MESSAGE_TYPE, |bits, (_, bit)| bits | bit));
        octets.push(self.message_reference);
        self.recipient.encode_into(&mut octets);
        octets.extend_from_slice(&self.service_center_time.map_or([0; 7], Timestamp::encode));
        octets.extend_from_slice(&self.discharge_time.map_or([0; 7], Timestamp::encode));
        octets.push(self.status.0);
        let present = [
            (self.protocol_id.is_some(), HAS_PROTOCOL_ID),
            (self.dcs.is_some(), HAS_DCS),
            (self.user_data.is_some(), HAS_USER_DATA),
        ];
        let indicator = present.iter().filter(|(is_set, _)| *is_set).fold(0, |bits, (_, bit)| bits | bit);
        if indicator != 0 {
            octets.push(indicator);
        }
        octets.extend(self.protocol_id);
        octets.extend(self.dcs.map(|dcs| dcs.0));
        if let Some(user_data) = &self.user_data {
            user_data.encode_into(&mut octets)?;
        }
        // The service centre field was written above, so it is there to be found.
        Pdu::from_octets(octets).map_err(|_| EncodeError::Header)
    }

    /// Reads a PDU with its service centre address. Optional fields that make no sense are left out.
    ///
    /// # Errors
    /// [`DecodeError`] if a field up to the status is cut short or is not a STATUS-REPORT's.
    pub fn decode(octets: &[u8]) -> Result<(Option<Address>, Self), DecodeError> {
        let mut reader = Reader::new(octets);
        let service_center = Address::decode_service_center(&mut reader)?;
        Ok((service_center, Self::decode_fields(&mut reader)?))
    }

    /// Reads a TPDU, which has no service centre address.
    ///
    /// # Errors
    /// As [`StatusReport::decode`].
    pub fn decode_tpdu(octets: &[u8]) -> Result<Self, DecodeError> {
        Self::decode_fields(&mut Reader::new(octets))
    }

    fn decode_fields(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let first = reader.octet("first octet")?;
        if first & 0x03 != MESSAGE_TYPE {
            return Err(DecodeError::WrongType(first & 0x03));
        }
        let message_reference = reader.octet("message reference")?;
        let recipient = Address::decode(reader, "recipient address")?;
        let service_center_time = Timestamp::decode(reader.array("time stamp")?);
        let discharge_time = Timestamp::decode(reader.array("discharge time")?);
        let status = Status(reader.octet("status")?);
        let optional = Optional::decode(reader, first & HEADER_INDICATOR != 0).unwrap_or_default();
        Ok(Self {
            more_messages: first & NO_MORE_MESSAGES == 0,
            loop_prevention: first & LOOP_PREVENTION != 0,
            is_of_command: first & OF_COMMAND != 0,
            message_reference,
            recipient,
            service_center_time,
            discharge_time,
            status,
            protocol_id: optional.protocol_id,
            dcs: optional.dcs,
            user_data: optional.user_data,
        })
    }
}

/// The fields a parameter indicator announces.
#[derive(Default)]
struct Optional {
    protocol_id: Option<u8>,
    dcs: Option<Dcs>,
    user_data: Option<UserData>,
}

impl Optional {
    fn decode(reader: &mut Reader<'_>, has_header: bool) -> Result<Self, DecodeError> {
        let mut optional = Self::default();
        if reader.is_empty() {
            return Ok(optional);
        }
        let indicator = reader.octet("parameter indicator")?;
        if indicator & HAS_PROTOCOL_ID != 0 {
            optional.protocol_id = Some(reader.octet("protocol identifier")?);
        }
        if indicator & HAS_DCS != 0 {
            optional.dcs = Some(Dcs(reader.octet("data coding scheme")?));
        }
        if indicator & HAS_USER_DATA != 0 {
            if optional.dcs.is_some_and(Dcs::is_compressed) {
                return Err(DecodeError::Compressed);
            }
            let alphabet = optional.dcs.map_or(Alphabet::Gsm7, Dcs::alphabet);
            optional.user_data = Some(UserData::decode(reader, alphabet, has_header)?);
        }
        Ok(optional)
    }
}
