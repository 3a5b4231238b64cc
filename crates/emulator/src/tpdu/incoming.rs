//! What a modem hands out: SMS-DELIVER and SMS-STATUS-REPORT.
//!
//! Called by the network, which makes them, and by arrivals, which store and show them.
//!
//! # Standard
//! 3GPP TS 23.040 §9.2.2.1, §9.2.2.3.

use super::alphabet::{self, Coding};
use super::{Address, Submit, UserData, encode_text};

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
    pub(crate) receiver: Address,
    pub(crate) submitted: [u8; 7],
    pub(crate) discharged: [u8; 7],
    /// TP-ST.
    pub(crate) status: u8,
}

impl StatusReport {
    /// Encodes the TPDU.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut tpdu = vec![0x06, self.message_reference];
        tpdu.extend(self.receiver.encode());
        tpdu.extend(self.submitted);
        tpdu.extend(self.discharged);
        tpdu.push(self.status);
        tpdu
    }
}
