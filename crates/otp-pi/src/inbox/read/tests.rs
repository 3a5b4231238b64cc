use std::time::Duration;

use domain::inbox::InboxPart;
use domain::message::MessageId;
use domain::receiver::CountryCode;
use gsm::address::TypeOfAddress;
use gsm::user_data::{Concatenation, InformationElement};
use gsm::{Dcs, UserData};
use proptest::prelude::{any, proptest};

use super::*;

const NOW: WallTime = WallTime::from_unix_millis(1_790_000_000_000);

fn settings() -> Settings {
    let plan = NumberingPlan { country_code: CountryCode::parse("62").unwrap() };
    Settings { plan, incomplete_after: Duration::from_hours(1) }
}

fn pdu(dcs: Dcs, user_data: UserData) -> Vec<u8> {
    let deliver = Deliver {
        more_messages: false,
        loop_prevention: false,
        status_report_indication: false,
        reply_path: false,
        originator: Address::international("628126666666").unwrap(),
        protocol_id: 0,
        dcs,
        timestamp: gsm::Timestamp::from_unix_seconds(1_790_000_000, 28),
        user_data,
    };
    deliver.encode(None).unwrap().octets().to_vec()
}

/// A message of these parts, of `total`.
fn record(parts: Vec<(u8, Vec<u8>)>, total: u8) -> InboxRecord {
    let part = |(number, pdu)| InboxPartRecord {
        part: InboxPart { number, sent_at: None, received_at: NOW },
        card: "89".to_owned(),
        pdu: Some(Zeroizing::new(pdu)),
    };
    let parts = parts.into_iter().map(part).collect();
    InboxRecord { message_id: MessageId::from_bytes([1; 16]), modem: "m0".to_owned(), total, is_read: false, parts }
}

fn shown(parts: Vec<(u8, Vec<u8>)>, total: u8) -> String {
    read_message(&record(parts, total), &settings(), NOW).text.expose().to_owned()
}

fn ucs2(units: &[u16]) -> Vec<u8> {
    pdu(Dcs::UCS2, UserData { header: Vec::new(), payload: Payload::Units(Zeroizing::new(units.to_vec())) })
}

fn gsm7(septets: &[u8]) -> Vec<u8> {
    pdu(Dcs::GSM7, UserData { header: Vec::new(), payload: Payload::Septets(Zeroizing::new(septets.to_vec())) })
}

#[test]
fn senders_are_read_in_every_form_that_networks_write_them() {
    let check = |kind: TypeOfAddress, digits: &str, expected: Option<Sender>| {
        assert_eq!(sender(&Address::with_type(kind, digits).unwrap(), settings().plan), expected, "{digits}");
    };
    let number = || Some(Sender::Msisdn(Msisdn::from_canonical("628126666666").unwrap()));
    check(TypeOfAddress::INTERNATIONAL, "628126666666", number());
    check(TypeOfAddress::UNKNOWN, "08126666666", number());
    check(TypeOfAddress::UNKNOWN, "628126666666", number());
    check(TypeOfAddress::NATIONAL, "8126666666", number());
    check(TypeOfAddress::NATIONAL, "08126666666", number());
    check(TypeOfAddress::UNKNOWN, "3456", Some(Sender::Code("3456".to_owned())));
    check(TypeOfAddress::UNKNOWN, "*123#", Some(Sender::Code("*123#".to_owned())));
    check(TypeOfAddress::ALPHANUMERIC, "GOJEK", Some(Sender::Name("GOJEK".to_owned())));
    check(TypeOfAddress::ALPHANUMERIC, "   ", None);
}

#[test]
fn a_character_across_a_seam_is_read_as_one() {
    let emoji: Vec<u16> = "ab😀c".encode_utf16().collect();
    assert_eq!(shown(vec![(1, ucs2(&emoji[..3])), (2, ucs2(&emoji[3..]))], 2), "ab😀c");
    let euro = gsm::gsm7::encode("a€b").unwrap();
    assert_eq!(shown(vec![(1, gsm7(&euro[..2])), (2, gsm7(&euro[2..]))], 2), "a€b");
}

#[test]
fn what_is_missing_stands_in_the_text() {
    let part = |text: &str| gsm7(&gsm::gsm7::encode(text).unwrap());
    for (parts, total, text) in [
        (vec![(1, part("one"))], 1, "one"),
        (vec![(1, part("one, ")), (3, part(", three"))], 3, "one, [part 2 of 3 missing], three"),
        (vec![(2, part("two"))], 3, "[part 1 of 3 missing]two[part 3 of 3 missing]"),
        (vec![(9, part("nine"))], 12, "[parts 1 to 8 of 12 missing]nine[parts 10 to 12 of 12 missing]"),
        (vec![(255, part("last"))], 255, "[parts 1 to 254 of 255 missing]last"),
        (vec![(1, part("first"))], 255, "first[parts 2 to 255 of 255 missing]"),
    ] {
        assert_eq!(shown(parts, total), text);
    }
}

#[test]
fn what_is_no_text_is_shown_in_hexadecimal_and_nothing_is_lost() {
    let data = pdu(Dcs::OCTETS, UserData::octets(&[0xDE, 0xAD, 0x00]));
    let read = read_message(&record(vec![(1, data)], 1), &settings(), NOW);
    assert_eq!((read.text.expose(), read.is_binary, read.is_unreadable), ("[8-bit data: DEAD00]", true, false));
    for octets in [vec![0x00, 0x04, 0xFF], vec![0x00], vec![], vec![0x00, 0x01, 0x00]] {
        let read = read_message(&record(vec![(1, octets.clone())], 1), &settings(), NOW);
        let hex: String = octets.iter().map(|octet| format!("{octet:02X}")).collect();
        assert_eq!(read.text.expose(), format!("[not readable: {hex}]"));
        assert_eq!((read.sender, read.is_unreadable), (None, true));
    }
    let mixed = vec![(1, gsm7(&[0x41])), (2, vec![0xFF]), (3, ucs2(&[0x42]))];
    assert_eq!(shown(mixed, 3), "A[not readable: FF]B");
}

#[test]
fn class_and_time_and_part_are_read_from_the_pdu() {
    let of = Concatenation { reference: Reference::Sixteen(513), total: 3, sequence: 2 };
    let user_data = UserData { header: vec![of.element()], ..UserData::gsm7("x").unwrap() };
    let octets = Zeroizing::new(pdu(Dcs(0x10), user_data));
    let read = deliver(&Pdu::from_octets(octets.clone()).unwrap()).unwrap();
    let expected = InboundConcatenation { reference: (16, 513), total: 3, number: 2 };
    assert_eq!((concatenation(&read), sent_at(&read)), (Some(expected), Some(NOW)));
    let flash = read_message(&record(vec![(1, octets.to_vec())], 1), &settings(), NOW);
    assert!(flash.is_flash);
}

#[test]
fn a_national_table_is_read_where_the_header_names_it() {
    // Turkish, single shift: escape and `s` is ş.
    let header = vec![InformationElement { identifier: 0x24, data: vec![1] }];
    let payload = Payload::Septets(Zeroizing::new(vec![0x1B, 0x73]));
    assert_eq!(shown(vec![(1, pdu(Dcs::GSM7, UserData { header, payload }))], 1), "ş");
}

proptest! {
    #[test]
    fn nothing_that_comes_makes_it_fail(
        parts in proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..180)), 0..5),
        total in any::<u8>(),
    ) {
        drop(read_message(&record(parts, total), &settings(), NOW));
    }
}
