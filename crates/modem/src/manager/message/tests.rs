use std::time::Duration;

use gsm::{DeliveryStatus, Validity};
use zbus::OwnedVariant;

use super::*;

/// Properties as ModemManager 1.20 gives them, with some changed.
fn message(changes: &[(&str, Variant<'static>)]) -> Properties {
    let mut all: HashMap<String, OwnedVariant> = HashMap::new();
    let mut put =
        |name: &str, value: Variant<'static>| drop(all.insert(name.to_owned(), value.try_into_owned().unwrap()));
    put("State", Variant::U32(RECEIVED));
    put("PduType", Variant::U32(DELIVER));
    put("Number", Variant::from("+6281234567890"));
    put("Text", Variant::from("Selamat pagi"));
    put("Data", Variant::from(Vec::<u8>::new()));
    put("SMSC", Variant::from("+6281100000"));
    put("Class", Variant::I32(-1));
    put("MessageReference", Variant::U32(0));
    put("Timestamp", Variant::from("2026-11-25T03:03:06+07"));
    put("DischargeTimestamp", Variant::from(""));
    put("DeliveryState", Variant::U32(256));
    for (name, value) in changes {
        put(name, value.try_clone().unwrap());
    }
    Properties(all)
}

fn inbound(changes: &[(&str, Variant<'static>)]) -> Vec<Deliver> {
    let Kept::Inbound(pdus) = read(&message(changes)) else { panic!("not inbound: {:?}", read(&message(changes))) };
    pdus.iter().map(|pdu| Deliver::decode(pdu.octets()).unwrap().1).collect()
}

fn submits(text: &str) -> Vec<Pdu> {
    let segments = gsm::segment(text, Reference::Eight(7)).unwrap();
    let submit = |user_data| Submit {
        status_report_request: true,
        validity: Some(Validity::relative_at_most(Duration::from_secs(1800))),
        ..Submit::new(Address::international("6281234567890").unwrap(), user_data)
    };
    segments.parts.into_iter().map(|part| submit(part).encode(None).unwrap()).collect()
}

#[test]
fn the_parts_of_a_text_become_one_message_with_the_same_wishes() {
    for text in ["Code 4711 @ {home} €", &"long \u{e9} ".repeat(60), &"kode 🔑 ".repeat(30), ""] {
        let outgoing = Outgoing::from_pdus(&submits(text)).unwrap();
        assert_eq!(outgoing.text.as_str(), text);
        assert_eq!((outgoing.number.as_str(), outgoing.asks_report), ("+6281234567890", true));
        assert_eq!(outgoing.validity_minutes, Some(30));
        let properties = outgoing.properties(Some("+6281100000"));
        let mut names: Vec<&str> = properties.keys().copied().collect();
        names.sort_unstable();
        assert_eq!(names, ["delivery-report-request", "number", "smsc", "text", "validity"]);
        assert_eq!(properties["validity"].value_signature().to_string(), "(uv)");
    }
    let mut mixed = submits(&"a".repeat(300));
    mixed.swap_remove(0);
    assert!(Outgoing::from_pdus(&mixed).is_none(), "a part is missing");
    assert!(Outgoing::from_pdus(&[]).is_none());
    assert!(Outgoing::from_pdus(&[Pdu::from_hex("00").unwrap()]).is_none());
}

#[test]
fn an_inbound_message_becomes_the_pdu_that_it_may_have_come_as() {
    let [deliver] = inbound(&[]).try_into().unwrap();
    assert_eq!(deliver.originator, Address::international("6281234567890").unwrap());
    assert_eq!(deliver.user_data.text().unwrap().as_str(), "Selamat pagi");
    assert_eq!(deliver.timestamp.unwrap().to_string(), "2026-11-25T03:03:06+07:00");
    assert_eq!(deliver.dcs, Dcs::GSM7);
    let [flash] = inbound(&[("Class", Variant::I32(0)), ("Number", Variant::from("TELKOMSEL"))]).try_into().unwrap();
    assert_eq!(flash.dcs.class(), Some(gsm::dcs::MessageClass::Flash));
    assert!(flash.originator.kind().is_alphanumeric());
    let data = vec![0, 1, 0xff];
    let [octets] = inbound(&[("Text", Variant::from("")), ("Data", Variant::from(data.clone()))]).try_into().unwrap();
    assert_eq!(octets.user_data, UserData::octets(&data));
}

#[test]
fn a_long_inbound_message_is_cut_the_same_way_each_time() {
    for text in ["a".repeat(500), "ü€🔑".repeat(90)] {
        let change = [("Text", Variant::from(text.clone()))];
        let delivers = inbound(&change);
        assert!(delivers.len() > 1);
        assert_eq!(delivers, inbound(&change), "the same octets");
        let parts: Vec<UserData> = delivers.into_iter().map(|deliver| deliver.user_data).collect();
        assert_eq!(join(&parts).unwrap().as_str(), text);
    }
    let data: Vec<u8> = (0..=255).collect();
    let parts = inbound(&[("Text", Variant::from("")), ("Data", Variant::from(data))]);
    assert_eq!(parts.iter().map(|part| part.user_data.concatenation().unwrap().sequence).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_report_keeps_its_reference_and_status() {
    let changes = [
        ("PduType", Variant::U32(STATUS_REPORT)),
        ("MessageReference", Variant::U32(255)),
        ("DeliveryState", Variant::U32(0x46)),
        ("DischargeTimestamp", Variant::from("2026-11-25T03:04:06-03:30")),
    ];
    let Kept::Report(report) = read(&message(&changes)) else { panic!("no report") };
    assert_eq!((report.message_reference, report.status.delivery()), (255, DeliveryStatus::Failed));
    assert_eq!(report.recipient.expose(), "6281234567890");
    assert_eq!(report.discharge_time.unwrap().to_string(), "2026-11-25T03:04:06-03:30");
    let unknown = message(&[("PduType", Variant::U32(STATUS_REPORT))]);
    assert!(matches!(read(&unknown), Kept::Foreign), "256 is no status");
}

#[test]
fn what_was_sent_is_to_be_deleted_and_what_lies_on_the_sim_is_not_ours() {
    let of = |kind, state| read(&message(&[("PduType", Variant::U32(kind)), ("State", Variant::U32(state))]));
    for state in [UNKNOWN, SENT] {
        assert!(matches!(of(SUBMIT, state), Kept::Done), "{state}");
    }
    assert!(matches!(of(SUBMIT, STORED), Kept::Foreign));
    // Being sent, and a part of a long text that is not whole yet.
    assert!(matches!(of(SUBMIT, 4), Kept::Unfinished));
    assert!(matches!(of(DELIVER, 2), Kept::Unfinished));
    assert!(matches!(of(32, RECEIVED), Kept::Foreign));
    assert!(matches!(read(&Properties::default()), Kept::Foreign));
}

#[test]
fn a_time_that_cannot_be_read_is_none() {
    for (text, expected) in [
        ("2026-11-25T03:03:06+07", Some("2026-11-25T03:03:06+07:00")),
        ("2026-11-25T03:03:06-09:30", Some("2026-11-25T03:03:06-09:30")),
        ("2026-11-25T03:03:06", None),
        ("2026-13-25T03:03:06+00", None),
        ("2026-11-25T03:03:06+99", None),
        ("2026-11-25T03:03:06+٠٧", None),
        ("T+", None),
        ("", None),
    ] {
        assert_eq!(timestamp(text).map(|it| it.to_string()).as_deref(), expected, "{text:?}");
    }
}
