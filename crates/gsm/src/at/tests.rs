use super::{
    BootEvent, ListedMessage, NewMessageSupport, Operator, PinState, PinTries, PowerEvent, QuoteError, ReadMessage,
    Registration, RegistrationStatus, SignalQuality, StorageSupport, StorageUse, Urc, ValueSet, iccid, imei, imsi,
    own_number, quote, service_center, submitted_reference, text_answer,
};

#[test]
fn nothing_that_could_end_an_argument_is_quoted() {
    assert_eq!(quote("1234").unwrap().as_str(), "\"1234\"");
    assert_eq!(quote("a;b ,~").unwrap().as_str(), "\"a;b ,~\"");
    for text in ["\"", "\\", "\r", "\n", "\x1a", "\x1b", "\0", "\x7f", "é", "1234\";+CMGD=1,4"] {
        assert_eq!(quote(text), Err(QuoteError::Character), "{text:?}");
    }
    assert_eq!(quote(&"1".repeat(257)), Err(QuoteError::TooLong));
}

#[test]
fn signal_is_read_and_turned_into_dbm() {
    let rows = [
        ("+CSQ: 17,99", Some((Some(17), None, Some(-79)))),
        ("+CSQ:0,0", Some((Some(0), Some(0), Some(-113)))),
        ("+CSQ: 31,7", Some((Some(31), Some(7), Some(-51)))),
        ("+CSQ: 99,99", Some((None, None, None))),
        ("+CSQ: 148,99", Some((None, None, None))),
        ("+CSQ: ,", None),
        ("OK", None),
    ];
    for (line, expected) in rows {
        let read = SignalQuality::parse(line).map(|it| (it.rssi, it.bit_error, it.dbm()));
        assert_eq!(read, expected, "{line}");
    }
}

#[test]
fn registrations_are_read_as_firmware_writes_them() {
    use RegistrationStatus::{Home, Restricted, Roaming};
    let rows = [
        ("+CREG: 2,1,\"0B,\"0100701\",7", Some((Home, Some(0x0B), Some(0x0010_0701), Some(7)))),
        ("+CREG: 2,1,\"0B,\"0100701,7", Some((Home, Some(0x0B), Some(0x0010_0701), Some(7)))),
        ("+CREG: 2,1,\"5E25", Some((Home, Some(0x5E25), None, None))),
        ("+CREG: 2,1,\"\",\"605F\"", Some((Home, None, Some(0x605F), None))),
        ("+CREG: 2,1,4CA,81DE445", Some((Home, Some(0x4CA), Some(0x081D_E445), None))),
        ("+CREG:002,001,\"18d8\",\"ffff\"", Some((Home, Some(0x18D8), Some(0xFFFF), None))),
        ("+CGREG:002,0011,\"0f0d\",\"14c3\"", Some((Restricted, Some(0x0F0D), Some(0x14C3), None))),
        ("+CEREG: 0,5", Some((Roaming, None, None, None))),
        ("OK", None),
    ];
    for (line, expected) in rows {
        let read =
            Registration::parse_answer(line).map(|it| (it.status, it.area, it.cell, it.technology.map(|it| it.0)));
        assert_eq!(read, expected, "{line}");
    }
    let can_send: Vec<u16> = (0..13).filter(|number| RegistrationStatus::from_number(*number).can_send()).collect();
    assert_eq!(can_send, [1, 5, 6, 7, 9, 10]);
}

#[test]
fn operators_and_service_centres_are_read() {
    let operator = Operator::parse("+COPS: 0,0,\"Telkom, sel\",7").unwrap();
    assert_eq!((operator.mode, operator.name.as_deref()), (0, Some("Telkom, sel")));
    assert_eq!(operator.technology.unwrap().name(), "E-UTRAN");
    assert_eq!(Operator::parse("+COPS: 0").unwrap().name, None);
    let list = "+COPS: (2,\"T-Mobile\",\"TMO\",\"31026\",0),,(0,1,2,3,4),(0,1,2)";
    assert_eq!(Operator::parse(list), None);
    let center = |line: &str| service_center(line).map(|it| format!("{:02X} {}", it.kind().0, it.expose()));
    assert_eq!(center("+CSCA: \"+628110000000\",145").as_deref(), Some("91 628110000000"));
    assert_eq!(center("+CSCA: \"002B0036003200380031\",145").as_deref(), Some("91 6281"));
    assert_eq!(center("+CSCA: \"12345\",129").as_deref(), Some("81 12345"));
    assert_eq!(center("+CSCA: \"\",129"), None);
}

#[test]
fn sim_states_tries_and_identities_are_read() {
    let rows = [
        ("+CPIN: READY", Some(PinState::Ready)),
        ("+CPIN: \"SIM PIN\"", Some(PinState::SimPin)),
        ("+CPIN:SIM PUK", Some(PinState::SimPuk)),
        ("+CPIN: PH-NET PIN", Some(PinState::PhoneLock)),
        ("+CPIN: NOT INSERTED", Some(PinState::NotInserted)),
        ("+CPIN: ", None),
    ];
    for (line, expected) in rows {
        assert_eq!(PinState::parse(line), expected, "{line}");
    }
    assert!(PinState::SimPuk2.can_send() && !PinState::SimPin.can_send());
    let tries = |line: &str| PinTries::parse(line).map(|it| (it.pin, it.puk));
    assert_eq!(tries("+CPINR: SIM PIN,3,3"), Some((3, None)));
    assert_eq!(tries("+CPINR: SIM PUK,10,10"), None);
    assert_eq!(tries("+SPIC: 2,10,0,10"), Some((2, Some(10))));
    assert_eq!(tries("+QPINC: \"SC\",1,10"), Some((1, Some(10))));
    assert_eq!(tries("^CPIN: SIM PIN,,10,3,10,3"), Some((3, Some(10))));
    assert_eq!(tries("+ZPINPUK: 3,10"), Some((3, Some(10))));
    assert_eq!(tries("+QTRPIN: 2,3,10,9"), Some((2, Some(10))));
    assert_eq!(imei("+CGSN: \"35687504123456389\""), Some("356875041234563"));
    assert_eq!(imei("490154203237518"), Some("490154203237518"));
    assert_eq!(imei("490154203237519"), None);
    assert_eq!(imei("OK"), None);
    assert_eq!(imsi("510101234567890"), Some("510101234567890"));
    assert_eq!(iccid("+CCID: \"8962101234567890123F\""), Some("8962101234567890123"));
    assert_eq!(iccid("123"), None);
    assert_eq!(own_number("+CNUM: something,\"+34600000001\",145").unwrap().expose(), "34600000001");
    assert_eq!(text_answer("  +CGMM: \"SIM800L\"", "+CGMM"), "SIM800L");
}

#[test]
fn message_answers_are_read_as_firmware_writes_them() {
    let rows = [("+CMGS: 214", Some(214)), ("+CMGS:7,\"00\"", Some(7)), ("+CMSS: 0", Some(0)), ("+CMGS: 256", None)];
    for (line, expected) in rows {
        assert_eq!(submitted_reference(line), expected, "{line}");
    }
    let storage = |line: &str| StorageUse::parse(line).map(|it| (it.name, it.used, it.total));
    assert_eq!(storage("+CPMS: 14,50,14,50"), Some((None, 14, 50)));
    assert_eq!(storage("+CPMS: \"SM\",3,20,\"SM\",3,20"), Some((Some("SM".to_owned()), 3, 20)));
    assert_eq!(storage("+CPMS: "), None);
    let all =
        |line: &str| StorageUse::parse_all(line).into_iter().map(|it| (it.name.unwrap(), it.used)).collect::<Vec<_>>();
    let named =
        |storages: &[(&str, u16)]| storages.iter().map(|(name, used)| ((*name).to_owned(), *used)).collect::<Vec<_>>();
    let three = named(&[("SM", 3), ("SM", 3), ("ME", 50)]);
    assert_eq!(all("+CPMS: \"SM\",3,20,\"SM\",3,20,\"ME\",50,50"), three);
    assert_eq!(all("+CPMS: \"SM\",3,20"), named(&[("SM", 3)]));
    assert_eq!((all("+CPMS: 14,50,14,50"), all("+CPMS: "), all("OK")), (vec![], vec![], vec![]));
    let support = StorageSupport::parse("+CPMS: ((\"SM\",\"BM\",\"SR\"),(\"SM\"))").unwrap();
    assert_eq!(support.0, [vec!["SM", "BM", "SR"], vec!["SM"]]);
    assert!(support.has("SM") && !support.has("BM"));
    assert_eq!(StorageSupport::parse("+CPMS: "), None);
    let listed = ListedMessage { index: 3, status: 1, tpdu_length: 23 };
    assert_eq!(ListedMessage::parse("+CMGL: 3,1,,23"), Some(listed));
    assert_eq!(ListedMessage::parse("+CMGL: 3,1,\"a, b\",23"), Some(listed));
    assert_eq!(ListedMessage::parse("+CMGL: 3,1"), None);
    assert_eq!(ReadMessage::parse("+CMGR: 0,,23"), Some(ReadMessage { status: 0, tpdu_length: 23 }));
}

#[test]
fn announcement_support_is_read_from_ranges() {
    let support = NewMessageSupport::parse("+CNMI: (2),(0-1,3),(0,2),(0-1),(0)").unwrap();
    assert!(support.allows([2, 1, 2, 1, 0]) && support.allows([2, 3, 0, 0, 0]));
    assert!(!support.allows([2, 1, 2, 2, 0]) && !support.allows([1, 1, 2, 1, 0]) && !support.allows([2, 2, 0, 0, 0]));
    assert!(NewMessageSupport::parse("+CNMI: (1,2),(1)").unwrap().allows([2, 1, 0, 0, 0]));
    assert_eq!(NewMessageSupport::parse("+CNMI: 2,1,0,0,0"), None);
    assert!(ValueSet::parse("(0-1,4-7)").contains(5) && !ValueSet::parse("(0-1,4-7)").contains(2));
}

#[test]
fn unsolicited_lines_are_recognised() {
    let stored = |storage: &str, index| (storage.to_owned(), index);
    let (storage, index) = stored("SM", 3);
    let rows = [
        ("+CMTI: \"SM\",3", Some(Urc::NewMessage { storage: storage.clone(), index })),
        ("+CDSI: \"SM\",3", Some(Urc::NewReport { storage, index })),
        ("+CMT: ,24", Some(Urc::DirectMessage { tpdu_length: 24 })),
        ("+CMT: \"x\",24", Some(Urc::DirectMessage { tpdu_length: 24 })),
        ("+CDS: 26", Some(Urc::DirectReport { tpdu_length: 26 })),
        ("+CDS: ,26", Some(Urc::DirectReport { tpdu_length: 26 })),
        ("+CDS: 26,", Some(Urc::DirectReport { tpdu_length: 26 })),
        ("+CDS: \"\",26,,", Some(Urc::DirectReport { tpdu_length: 26 })),
        ("+CDS: ,", None),
        ("+CBM: 88", Some(Urc::DirectBroadcast)),
        ("^SMMEMFULL:\"SM\"", Some(Urc::StorageFull)),
        ("+CIEV: \"SMSFULL\",1", Some(Urc::StorageFull)),
        ("+CIEV: \"SMSFULL\",0", Some(Urc::Noise)),
        ("RDY", Some(Urc::Boot(BootEvent::Started))),
        ("Call Ready", Some(Urc::Boot(BootEvent::CallReady))),
        ("SMS Ready", Some(Urc::Boot(BootEvent::SmsReady))),
        ("+CPIN: NOT READY", Some(Urc::Pin(PinState::NotReady))),
        ("UNDER-VOLTAGE WARNNING", Some(Urc::Power(PowerEvent::UnderVoltage))),
        ("OVER-VOLTAGE POWER DOWN", Some(Urc::Power(PowerEvent::OverVoltagePowerDown))),
        ("+CMTE: 1", Some(Urc::Power(PowerEvent::Temperature))),
        ("RING", Some(Urc::Ring)),
        ("+CUSD: 0,\"x\",15", Some(Urc::Ussd)),
        ("^RSSI:17", Some(Urc::Noise)),
        ("+ZUSIMR:2", Some(Urc::Noise)),
        ("+CSQ: 17,99", None),
        ("+CMGS: 7", None),
        ("OK", None),
        ("0001AB", None),
    ];
    for (line, expected) in rows {
        assert_eq!(Urc::parse(line), expected, "{line}");
    }
    let Some(Urc::Registration(registration)) = Urc::parse("+CREG: 1,\"18D8\",\"FFFF\",0") else { panic!() };
    assert_eq!((registration.status, registration.area), (RegistrationStatus::Home, Some(0x18D8)));
}
