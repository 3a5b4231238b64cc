//! Messages as ModemManager has them, and as the rest of the driver has them.
//!
//! Pure. ModemManager makes the PDUs itself, so a SUBMIT is taken apart into number, text and wishes; what comes in is made into the
//! PDUs that it may have come as: the same message always into the same octets. Never: a text in `Debug`.

use std::collections::HashMap;

use gsm::segment::join;
use gsm::status_report::Status;
use gsm::user_data::{Concatenation, MAX_OCTETS, Payload};
use gsm::{Address, Dcs, Deliver, Pdu, Reference, Segments, StatusReport, Submit, Timestamp, UserData};
use zbus::Variant;
use zeroize::Zeroizing;

use super::properties::Properties;

/// `MMSmsPduType`: a message that came in.
const DELIVER: u32 = 1;
/// A message of ours, or of another program.
const SUBMIT: u32 = 2;
/// A delivery report.
const STATUS_REPORT: u32 = 3;

/// `MMSmsState`: made and not sent.
const UNKNOWN: u32 = 0;
/// Lies on the SIM.
const STORED: u32 = 1;
/// All of it came.
const RECEIVED: u32 = 3;
/// Was sent.
const SENT: u32 = 5;

/// `MM_SMS_VALIDITY_TYPE_RELATIVE`: in minutes.
const RELATIVE: u32 = 1;

/// Octets of 8-bit data in one of several parts, beside a header with a 16-bit reference.
const DATA_PART: usize = 133;

/// A whole text on its way out.
pub(super) struct Outgoing {
    number: String,
    text: Zeroizing<String>,
    validity_minutes: Option<u32>,
    asks_report: bool,
}

impl Outgoing {
    /// Takes the SUBMITs of one text apart. None if they are not those of one text.
    pub(super) fn from_pdus(pdus: &[Pdu]) -> Option<Self> {
        let submits: Option<Vec<Submit>> = pdus.iter().map(|pdu| Submit::decode_tpdu(pdu.tpdu()).ok()).collect();
        let submits = submits?;
        let first = submits.first()?;
        let plus = if first.destination.is_international() { "+" } else { "" };
        let number = format!("{plus}{}", first.destination.expose());
        let life = first.validity.and_then(gsm::Validity::duration);
        let validity_minutes = life.and_then(|life| u32::try_from(life.as_secs() / 60).ok());
        let asks_report = first.status_report_request;
        let parts: Vec<UserData> = submits.into_iter().map(|submit| submit.user_data).collect();
        Some(Self { number, text: join(&parts)?, validity_minutes, asks_report })
    }

    /// What `Messaging.Create` takes; the service centre is the SIM's own where none is given.
    pub(super) fn properties<'a>(&'a self, service_center: Option<&'a str>) -> HashMap<&'static str, Variant<'a>> {
        let mut properties = HashMap::from([
            ("number", Variant::from(self.number.as_str())),
            ("text", Variant::from(self.text.as_str())),
            ("delivery-report-request", Variant::from(self.asks_report)),
        ]);
        if let Some(minutes) = self.validity_minutes {
            properties.insert("validity", Variant::from((RELATIVE, Variant::from(minutes))));
        }
        if let Some(address) = service_center {
            properties.insert("smsc", Variant::from(address));
        }
        properties
    }
}

/// What one of ModemManager's messages is to us.
#[derive(Debug)]
pub(super) enum Kept {
    /// A delivery report.
    Report(StatusReport),
    /// An inbound SMS, in the parts that it may have come as.
    Inbound(Vec<Pdu>),
    /// Sent, or made and never sent: to be deleted.
    Done,
    /// Not all of it is there yet, or it is on its way out.
    Unfinished,
    /// Nothing of ours, or nothing that can be read.
    Foreign,
}

/// Reads a message from its properties.
pub(super) fn read(message: &Properties) -> Kept {
    match (message.number("PduType"), message.number("State")) {
        (Some(STATUS_REPORT), Some(RECEIVED | STORED)) => report(message).map_or(Kept::Foreign, Kept::Report),
        (Some(DELIVER), Some(RECEIVED | STORED)) => deliver(message).map_or(Kept::Foreign, Kept::Inbound),
        (Some(SUBMIT), Some(UNKNOWN | SENT)) => Kept::Done,
        (Some(SUBMIT), Some(STORED)) => Kept::Foreign,
        (Some(DELIVER | SUBMIT | STATUS_REPORT), _) => Kept::Unfinished,
        _ => Kept::Foreign,
    }
}

fn report(message: &Properties) -> Option<StatusReport> {
    let reference = u8::try_from(message.number("MessageReference")?).ok()?;
    // Above 255 is ModemManager's own "not known".
    let status = u8::try_from(message.number("DeliveryState")?).ok()?;
    let mut report = StatusReport::new(reference, address(message.text("Number")?)?, Status(status));
    report.service_center_time = message.text("Timestamp").and_then(timestamp);
    report.discharge_time = message.text("DischargeTimestamp").and_then(timestamp);
    Some(report)
}

fn deliver(message: &Properties) -> Option<Vec<Pdu>> {
    let number = message.text("Number").unwrap_or_default();
    let originator = address(number)?;
    let stamp = message.text("Timestamp").unwrap_or_default();
    let text = message.text("Text").unwrap_or_default();
    let data = message.octets("Data");
    let reference = Reference::Sixteen(print(&[number.as_bytes(), stamp.as_bytes(), text.as_bytes(), &data]));
    let (dcs, parts) = if text.is_empty() && !data.is_empty() {
        (Dcs::OCTETS, cut(&data, reference)?)
    } else {
        let Segments { encoding, parts } = gsm::segment(text, reference).ok()?;
        (encoding.dcs(), parts)
    };
    // The class stands in the two low bits when the fifth is set (3GPP TS 23.038 §4).
    let class = message.signed("Class").and_then(|class| u8::try_from(class).ok()).filter(|class| *class < 4);
    let dcs = class.map_or(dcs, |class| Dcs(dcs.0 | 0x10 | class));
    let service_center = message.text("SMSC").and_then(|text| Address::parse(text).ok());
    let encode = |user_data| {
        let deliver = Deliver {
            more_messages: false,
            loop_prevention: false,
            status_report_indication: false,
            reply_path: false,
            originator: originator.clone(),
            protocol_id: 0,
            dcs,
            timestamp: timestamp(stamp),
            user_data,
        };
        deliver.encode(service_center.as_ref()).ok()
    };
    parts.into_iter().map(encode).collect()
}

/// Cuts 8-bit data as [`gsm::segment`] cuts a text.
fn cut(data: &[u8], reference: Reference) -> Option<Vec<UserData>> {
    if data.len() <= MAX_OCTETS {
        return Some(vec![UserData::octets(data)]);
    }
    let total = u8::try_from(data.len().div_ceil(DATA_PART)).ok()?;
    let parts = data.chunks(DATA_PART).zip(1..=total).map(|(part, sequence)| UserData {
        header: vec![Concatenation { reference, total, sequence }.element()],
        payload: Payload::Octets(Zeroizing::new(part.to_vec())),
    });
    Some(parts.collect())
}

/// Sixteen bits that are the same for the same message (FNV-1a, folded).
fn print(fields: &[&[u8]]) -> u16 {
    let hash = fields
        .iter()
        .flat_map(|field| field.iter().chain(&[0]))
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let [a, b, c, d] = hash.to_be_bytes();
    u16::from_be_bytes([a ^ c, b ^ d])
}

fn address(number: &str) -> Option<Address> {
    Address::parse(number).or_else(|_| Address::alphanumeric(number)).ok()
}

/// Reads ISO 8601 as ModemManager writes it: `2026-11-25T03:03:06+07`, perhaps with minutes after the hours.
fn timestamp(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_once('T')?;
    let zone_at = rest.find(['+', '-'])?;
    let (time, zone) = rest.split_at(zone_at);
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let (sign, zone) = zone.split_at_checked(1)?;
    let quarters = match zone.split_once(':') {
        Some((hours, minutes)) => {
            hours.parse::<i8>().ok()?.checked_mul(4)?.checked_add(minutes.parse::<i8>().ok()? / 15)?
        }
        None => zone.parse::<i8>().ok()?.checked_mul(4)?,
    };
    let small = |number: u16| u8::try_from(number).ok();
    let date = (small(month)?, small(day)?);
    let time = (small(hour)?, small(minute)?, small(second)?);
    Timestamp::new(year, date, time, if sign == "-" { -quarters } else { quarters })
}

fn numbers(text: &str, between: char) -> Option<[u16; 3]> {
    let numbers: Option<Vec<u16>> = text.split(between).map(|number| number.parse().ok()).collect();
    numbers?.try_into().ok()
}

#[cfg(test)]
mod tests;
