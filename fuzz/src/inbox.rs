//! What comes into the inbox: a message is told from whatever octets its parts have, and never more of it than there is.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::clock::WallTime;
use domain::inbox::{InboxPart, InboxState};
use domain::message::MessageId;
use domain::receiver::{CountryCode, NumberingPlan};
use otp_pi::event::{InboxMessage, Sender};
use otp_pi::inbox::{Settings, read_message};
use store::{InboxPartRecord, InboxRecord};

/// How long parts are waited for.
const PATIENCE: Duration = Duration::from_secs(3600);
const CAME: i64 = 1_800_000_000_000;

/// The first byte says how many parts there are; then each: its number, how many octets, and those.
pub fn inbox(bytes: &[u8]) {
    let Some((total, mut rest)) = bytes.split_first() else { return };
    let total = (*total).max(1);
    // As the store has them: one of each number, in their order.
    let mut parts = BTreeMap::new();
    while let [number, length, more @ ..] = rest {
        let (octets, others) = more.split_at(usize::from(*length).min(more.len()));
        if (1..=total).contains(number) {
            parts.entry(*number).or_insert(octets);
        }
        rest = others;
    }
    if parts.is_empty() {
        return;
    }
    let record = record(total, &parts);
    let settings = Settings {
        plan: NumberingPlan { country_code: CountryCode::parse("62").expect("a country") },
        incomplete_after: PATIENCE,
    };
    let at = |later: Duration| WallTime::from_unix_millis(CAME).saturating_add(later);
    let message = read_message(&record, &settings, at(Duration::ZERO));
    check(&message, total, &parts);
    let later = read_message(&record, &settings, at(PATIENCE));
    let is_whole = parts.len() == usize::from(total);
    let states = if is_whole { [InboxState::Complete; 2] } else { [InboxState::Waiting, InboxState::Incomplete] };
    assert_eq!([message.state, later.state], states);
    assert_eq!(InboxMessage { state: message.state, ..later }, message, "the same whenever it is read");
}

fn check(message: &InboxMessage, total: u8, parts: &BTreeMap<u8, &[u8]>) {
    let missing: Vec<u8> = (1..=total).filter(|number| !parts.contains_key(number)).collect();
    assert_eq!((message.total, &message.missing), (total, &missing));
    let text = message.text.expose();
    assert!(missing.is_empty() || text.contains(" missing]"), "a text with a hole that nobody sees");
    // A part is 160 characters, or its octets as digits in brackets; what is missing is named once for each gap.
    let octets: usize = parts.values().map(|octets| octets.len()).sum();
    assert!(text.chars().count() <= parts.len() * 256 + octets * 2 + (parts.len() + 1) * 48, "{} parts", parts.len());
    match &message.sender {
        Some(Sender::Msisdn(msisdn)) => {
            assert!(!message.sender.as_ref().expect("one").to_string().contains(msisdn.expose()), "shown in full");
        }
        Some(Sender::Code(shown) | Sender::Name(shown)) => assert!(!shown.trim().is_empty()),
        None => {}
    }
}

fn record(total: u8, parts: &BTreeMap<u8, &[u8]>) -> InboxRecord {
    let received_at = WallTime::from_unix_millis(CAME);
    let part = |(number, octets): (&u8, &&[u8])| InboxPartRecord {
        part: InboxPart { number: *number, sent_at: None, received_at },
        card: "8962123456789012345".to_owned(),
        pdu: Some(octets.to_vec().into()),
    };
    InboxRecord {
        message_id: MessageId::from_bytes([7; 16]),
        modem: "telkomsel-1".to_owned(),
        total,
        is_read: false,
        parts: parts.iter().map(part).collect(),
    }
}
