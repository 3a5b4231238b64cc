//! What an SMS says: from the PDUs of its parts to a message. Pure; nothing that comes can make it fail.
//!
//! # Standard
//! 3GPP TS 23.040 §9.2.2.1 (DELIVER), §9.2.3.24.1 (concatenation); 3GPP TS 23.038 (alphabets).

use std::fmt::Write as _;

use domain::clock::WallTime;
use domain::inbox::InboxState;
use domain::receiver::{Msisdn, NumberingPlan};
use domain::secret::SecretText;
use gsm::dcs::MessageClass;
use gsm::gsm7::{self, NationalTables};
use gsm::user_data::Payload;
use gsm::{Address, Deliver, Pdu, Reference, ucs2};
use store::{InboundConcatenation, InboxPartRecord, InboxRecord};
use zeroize::Zeroizing;

use super::Settings;
use crate::event::{InboxMessage, Sender};

/// Room for the text of one part, so that no copy is left behind by growing.
const PART_BYTES: usize = 640;
/// A national number in 3GPP TS 23.040 §9.1.2.5.
const NATIONAL: u8 = 2;

/// Who sent it.
pub(super) fn sender(address: &Address, plan: NumberingPlan) -> Option<Sender> {
    let text = address.expose().trim();
    if text.is_empty() {
        return None;
    }
    if address.kind().is_alphanumeric() {
        return Some(Sender::Name(text.to_owned()));
    }
    let number = if address.is_international() {
        Msisdn::parse(&format!("+{text}"), &plan)
    } else if address.kind().type_of_number() == NATIONAL && !text.starts_with('0') {
        Msisdn::parse(&format!("0{text}"), &plan)
    } else {
        Msisdn::parse(text, &plan)
    };
    Some(number.map_or_else(|_| Sender::Code(text.to_owned()), Sender::Msisdn))
}

/// Which part of which text it is.
pub(super) fn concatenation(deliver: &Deliver) -> Option<InboundConcatenation> {
    let of = deliver.user_data.concatenation()?;
    let reference = match of.reference {
        Reference::Eight(reference) => (8, u16::from(reference)),
        Reference::Sixteen(reference) => (16, reference),
    };
    Some(InboundConcatenation { reference, total: of.total, number: of.sequence })
}

/// When the service centre took it.
pub(super) fn sent_at(deliver: &Deliver) -> Option<WallTime> {
    deliver.timestamp.map(|at| WallTime::from_unix_millis(at.unix_seconds().saturating_mul(1_000)))
}

/// Reads a PDU; `None` if it is no DELIVER that this program can read.
pub(super) fn deliver(pdu: &Pdu) -> Option<Deliver> {
    Deliver::decode_tpdu(pdu.tpdu()).ok()
}

/// Reads a message from its parts.
#[must_use]
pub fn read_message(record: &InboxRecord, settings: &Settings, now: WallTime) -> InboxMessage {
    let parts: Vec<Part> = record.parts.iter().map(Part::read).collect();
    let first = parts.iter().find_map(|part| part.deliver.as_ref());
    let newest = record.parts.iter().map(|part| part.part.received_at).max().unwrap_or(now);
    let numbers = 1..=record.total;
    InboxMessage {
        id: record.message_id,
        modem: record.modem.clone(),
        card: record.parts.first().map(|part| part.card.clone()).unwrap_or_default(),
        sender: first.and_then(|deliver| sender(&deliver.originator, settings.plan)),
        text: text(&parts, record.total),
        state: InboxState::of(parts.len(), record.total, newest, now, settings.incomplete_after),
        total: record.total,
        missing: numbers.filter(|number| !parts.iter().any(|part| part.number == *number)).collect(),
        is_flash: first.is_some_and(|deliver| deliver.dcs.class() == Some(MessageClass::Flash)),
        is_binary: parts.iter().any(Part::is_binary),
        is_unreadable: parts.iter().any(|part| part.deliver.is_none()),
        is_read: record.is_read,
        sent_at: record.parts.iter().filter_map(|part| part.part.sent_at).min(),
        received_at: newest,
    }
}

/// One part as it can be read.
struct Part {
    number: u8,
    deliver: Option<Deliver>,
    /// All octets, of one that cannot be read.
    octets: Zeroizing<Vec<u8>>,
}

impl Part {
    fn read(record: &InboxPartRecord) -> Self {
        let octets = record.pdu.clone().unwrap_or_default();
        let deliver = Pdu::from_octets(octets.clone()).ok().as_ref().and_then(deliver);
        Self { number: record.part.number, deliver, octets }
    }

    fn is_binary(&self) -> bool {
        self.deliver.as_ref().is_some_and(|deliver| matches!(deliver.user_data.payload, Payload::Octets(_)))
    }
}

/// What stands between two seams: parts are put together before they are read, because a character may lie across a seam.
enum Run {
    Septets(Zeroizing<Vec<u8>>, NationalTables),
    Units(Zeroizing<Vec<u16>>),
    Octets(Zeroizing<Vec<u8>>),
}

impl Run {
    /// Begins with the payload of a part.
    fn new(deliver: &Deliver) -> Self {
        match &deliver.user_data.payload {
            Payload::Septets(septets) => Self::Septets(septets.clone(), deliver.user_data.national_tables()),
            Payload::Units(units) => Self::Units(units.clone()),
            Payload::Octets(octets) => Self::Octets(octets.clone()),
        }
    }

    /// Goes on with the next part; gives it back if it is of another kind.
    fn goes_on(&mut self, next: Self) -> Option<Self> {
        match (self, next) {
            (Self::Septets(all, tables), Self::Septets(more, of_more)) if *tables == of_more => {
                all.extend_from_slice(&more);
            }
            (Self::Units(all), Self::Units(more)) => all.extend_from_slice(&more),
            (Self::Octets(all), Self::Octets(more)) => all.extend_from_slice(&more),
            (_, next) => return Some(next),
        }
        None
    }

    fn write(&self, text: &mut String) {
        match self {
            Self::Septets(septets, tables) => text.push_str(&gsm7::decode_national(septets, *tables).text),
            Self::Units(units) => text.push_str(&ucs2::decode(units)),
            Self::Octets(octets) => {
                text.push_str("[8-bit data: ");
                write_hex(octets, text);
                text.push(']');
            }
        }
    }
}

/// The whole text; what is missing or no text stands in it in brackets.
fn text(parts: &[Part], total: u8) -> SecretText {
    let mut text = String::with_capacity(parts.len().saturating_mul(PART_BYTES).saturating_add(256));
    let mut run: Option<Run> = None;
    // One more than the last number there can be must fit.
    let mut next = 1_u16;
    for part in parts {
        let number = u16::from(part.number);
        if next < number {
            end(&mut run, &mut text);
            write_gap(next, number.saturating_sub(1), total, &mut text);
        }
        next = number.saturating_add(1);
        let Some(deliver) = &part.deliver else {
            end(&mut run, &mut text);
            text.push_str("[not readable: ");
            write_hex(&part.octets, &mut text);
            text.push(']');
            continue;
        };
        let begun = Run::new(deliver);
        let other = match &mut run {
            Some(run) => run.goes_on(begun),
            None => Some(begun),
        };
        if let Some(other) = other {
            end(&mut run, &mut text);
            run = Some(other);
        }
    }
    end(&mut run, &mut text);
    if next <= u16::from(total) {
        write_gap(next, u16::from(total), total, &mut text);
    }
    SecretText::new(text)
}

fn end(run: &mut Option<Run>, text: &mut String) {
    if let Some(run) = run.take() {
        run.write(text);
    }
}

fn write_gap(from: u16, to: u16, total: u8, text: &mut String) {
    // Writing into a String cannot fail.
    let written = if from == to {
        write!(text, "[part {from} of {total} missing]")
    } else {
        write!(text, "[parts {from} to {to} of {total} missing]")
    };
    written.unwrap_or_default();
}

fn write_hex(octets: &[u8], text: &mut String) {
    for octet in octets {
        write!(text, "{octet:02X}").unwrap_or_default();
    }
}

#[cfg(test)]
mod tests;
