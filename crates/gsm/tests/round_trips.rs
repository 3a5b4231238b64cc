//! Properties of every codec: what was written is read back, and no octets make a reader panic.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests: a panic is a failed test")]

use gsm::address::TypeOfAddress;
use gsm::segment::{Reference, join, segment};
use gsm::status_report::Status;
use gsm::user_data::UserData;
use gsm::{Address, Dcs, Deliver, FinalResult, Pdu, StatusReport, Submit, Timestamp, Validity, at, gsm7, ucs2};
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

const ALPHABET: &str =
    "[@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,./0-9:;<=>?¡A-ZÄÖÑÜ§¿a-zäöñüà\u{c}^{}\\\\\\[~\\]|€-]";

fn gsm_text(most: usize) -> impl Strategy<Value = String> {
    proptest::string::string_regex(&format!("{ALPHABET}{{0,{most}}}")).unwrap()
}

fn reference() -> impl Strategy<Value = Reference> {
    prop_oneof![any::<u8>().prop_map(Reference::Eight), any::<u16>().prop_map(Reference::Sixteen)]
}

fn address() -> impl Strategy<Value = Address> {
    let number = ("[0-9*#abc]{1,20}", prop_oneof![Just(0x91_u8), Just(0x81), Just(0xA1), Just(0x85), Just(0xC9)])
        .prop_map(|(digits, kind)| Address::with_type(TypeOfAddress(kind), &digits).unwrap());
    prop_oneof![number, "[A-Za-z0-9@ ]{1,11}".prop_map(|text| Address::alphanumeric(&text).unwrap())]
}

fn center() -> impl Strategy<Value = Option<Address>> {
    proptest::option::of("[0-9]{3,20}".prop_map(|digits| Address::international(&digits).unwrap()))
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    (946_800_000_i64..4_102_300_000, -79_i8..=79).prop_map(|(at, zone)| Timestamp::from_unix_seconds(at, zone).unwrap())
}

fn user_data() -> impl Strategy<Value = UserData> {
    prop_oneof![
        (prop_oneof![gsm_text(400), "\\PC{0,200}"], reference(), any::<proptest::sample::Index>()).prop_map(
            |(text, reference, index)| {
                let parts = segment(&text, reference).unwrap().parts;
                parts[index.index(parts.len())].clone()
            }
        ),
        proptest::collection::vec(any::<u8>(), 0..140).prop_map(|octets| UserData::octets(&octets)),
    ]
}

fn validity() -> impl Strategy<Value = Option<Validity>> {
    proptest::option::of(prop_oneof![
        any::<u8>().prop_map(Validity::Relative),
        timestamp().prop_map(Validity::Absolute),
        any::<[u8; 7]>().prop_map(Validity::Enhanced),
    ])
}

proptest! {
    #[test]
    fn gsm7_texts_come_back(text in gsm_text(300), fill in 0_u8..7) {
        let septets = gsm7::encode(&text).unwrap();
        prop_assert_eq!(gsm7::septets_needed(&text), Some(septets.len()));
        let packed = gsm7::pack(&septets, fill);
        prop_assert_eq!(&gsm7::unpack(&packed, septets.len(), fill).unwrap(), &septets);
        let decoded = gsm7::decode(&septets);
        prop_assert_eq!(decoded.as_str(), text.as_str());
    }

    #[test]
    fn ussd_texts_come_back(text in "[0-9*#a-z]{0,182}") {
        let septets = gsm7::encode(&text).unwrap();
        prop_assert_eq!(&gsm7::unpack_ussd(&gsm7::pack_ussd(&septets)), &septets);
    }

    #[test]
    fn ucs2_texts_come_back(text in "\\PC{0,100}") {
        let units = ucs2::encode(&text);
        prop_assert_eq!(&ucs2::from_octets(&ucs2::to_octets(&units)), &units);
        let decoded = ucs2::decode(&units);
        prop_assert_eq!(decoded.as_str(), text.as_str());
    }

    #[test]
    fn cut_texts_come_back_in_any_order(text in prop_oneof![gsm_text(800), "\\PC{0,300}"], reference in reference()) {
        let mut parts = segment(&text, reference).unwrap().parts;
        prop_assert!(parts.iter().all(|part| !part.text().unwrap().contains(char::REPLACEMENT_CHARACTER)
            || text.contains(char::REPLACEMENT_CHARACTER)));
        let pieces: String = parts.iter().map(|part| part.text().unwrap().as_str().to_owned()).collect();
        prop_assert_eq!(pieces.as_str(), text.as_str());
        parts.reverse();
        let joined = join(&parts).unwrap();
        prop_assert_eq!(joined.as_str(), text.as_str());
        if parts.len() > 1 {
            prop_assert!(join(&parts[1..]).is_none());
        }
    }

    #[test]
    fn submits_come_back(
        flags: [bool; 3], reference: u8, destination in address(), pid: u8, validity in validity(), data in user_data(),
        center in center(),
    ) {
        let mut submit = Submit::new(destination, data);
        [submit.reject_duplicates, submit.reply_path, submit.status_report_request] = flags;
        (submit.message_reference, submit.protocol_id, submit.validity) = (reference, pid, validity);
        let pdu = submit.encode(center.as_ref()).unwrap();
        prop_assert_eq!(&Pdu::from_hex(&pdu.hex()).unwrap(), &pdu);
        prop_assert_eq!(Submit::decode(pdu.octets()).unwrap(), (center, submit.clone()));
        prop_assert_eq!(Submit::decode_tpdu(pdu.tpdu()).unwrap(), submit);
    }

    #[test]
    fn delivers_come_back(
        flags: [bool; 4], originator in address(), protocol_id: u8, time in proptest::option::of(timestamp()),
        user_data in user_data(), center in center(),
    ) {
        let [more_messages, loop_prevention, status_report_indication, reply_path] = flags;
        let dcs = Submit::new(originator.clone(), user_data.clone()).dcs;
        let deliver = Deliver {
            more_messages, loop_prevention, status_report_indication, reply_path, originator, protocol_id, dcs,
            timestamp: time, user_data,
        };
        let pdu = deliver.encode(center.as_ref()).unwrap();
        prop_assert_eq!(Deliver::decode(pdu.octets()).unwrap(), (center, deliver.clone()));
        prop_assert_eq!(Deliver::decode_tpdu(pdu.tpdu()).unwrap(), deliver);
    }

    #[test]
    fn status_reports_come_back(
        flags: [bool; 3], reference: u8, recipient in address(), status: u8, times: [Option<u32>; 2],
        protocol_id: Option<u8>, data in proptest::option::of(user_data()), center in center(),
    ) {
        let mut report = StatusReport::new(reference, recipient.clone(), Status(status));
        [report.more_messages, report.loop_prevention, report.is_of_command] = flags;
        let time = |at: u32| Timestamp::from_unix_seconds(946_857_600 + i64::from(at >> 1), 28).unwrap();
        [report.service_center_time, report.discharge_time] = times.map(|it| it.map(time));
        report.protocol_id = protocol_id;
        report.dcs = data.clone().map(|data| Submit::new(recipient, data).dcs);
        report.user_data = data;
        let pdu = report.encode(center.as_ref()).unwrap();
        prop_assert_eq!(StatusReport::decode(pdu.octets()).unwrap(), (center, report.clone()));
        prop_assert_eq!(StatusReport::decode_tpdu(pdu.tpdu()).unwrap(), report);
    }

    #[test]
    fn no_octets_make_a_reader_panic(octets in proptest::collection::vec(any::<u8>(), 0..200), count in 0_usize..300) {
        drop(Submit::decode(&octets).map(|(center, submit)| submit.encode(center.as_ref())));
        drop(Deliver::decode(&octets).map(|(center, deliver)| deliver.encode(center.as_ref())));
        drop(StatusReport::decode(&octets).map(|(center, report)| report.encode(center.as_ref())));
        for first in [0x00_u8, 0x01, 0x02, 0x40, 0x41, 0x42, 0x51] {
            let tpdu = [&[first], octets.as_slice()].concat();
            drop(Submit::decode_tpdu(&tpdu).map(|submit| submit.user_data.text()));
            drop(Deliver::decode_tpdu(&tpdu).map(|deliver| deliver.user_data.text()));
            drop(StatusReport::decode_tpdu(&tpdu).map(|report| report.user_data));
        }
        drop(gsm7::unpack(&octets, count, 3));
        let _ = (gsm7::decode(&octets), gsm7::unpack_ussd(&octets), ucs2::from_octets(&octets));
    }

    #[test]
    fn no_line_makes_a_reader_panic(
        name in "[+^*]?(CSQ|CREG|COPS|CSCA|CPIN|CPINR|SPIC|CMGS|CPMS|CMGL|CMGR|CNMI|CNUM|CMTI|CMT|CDS|CDSI|CMS ERROR)?",
        rest in "[:,\"() 0-9A-F€-]{0,30}",
    ) {
        let line = format!("{name}{rest}");
        let _ = (FinalResult::parse(&line), at::Urc::parse(&line), at::SignalQuality::parse(&line));
        let _ = (at::Registration::parse_answer(&line), at::Operator::parse(&line), at::service_center(&line));
        let _ = (at::StorageUse::parse(&line), at::StorageSupport::parse(&line), at::NewMessageSupport::parse(&line));
        let _ = (at::ListedMessage::parse(&line), at::ReadMessage::parse(&line), at::PinTries::parse(&line));
        let _ = (at::own_number(&line), at::imei(&line), at::imsi(&line), at::iccid(&line), Dcs(0));
    }

    #[test]
    fn a_quoted_text_cannot_end_its_argument(text in "\\PC*|[\r\n\"\u{1a}\u{1b}a;]{0,9}") {
        if let Ok(quoted) = at::quote(&text) {
            let inner = quoted.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
            prop_assert_eq!(inner, text.as_str());
            prop_assert!(inner.bytes().all(|byte| (0x20..0x7F).contains(&byte) && byte != b'"' && byte != b'\\'));
        }
    }
}
