use super::*;

/// PDUs recorded from other people's software and published vectors: announced length, PDU, receiver, text.
#[test]
fn what_other_software_sends_is_understood() {
    let cases = [
        ("0011000D91261832547698F00000A712D9775D0E7A52A1A0F41C4493D1643419", 31, "6281234567890", "Your OTP is 424242"),
        (
            "0031000D91261832547698F00000FF13D9775D0E7A52A1A0F41C148BC964B39902",
            32,
            "6281234567890",
            "Your OTP is 112233\n",
        ),
        ("0021000D91261832547698F0000012D9775D0E7A52A1A0F41C94CBE170B71B", 30, "6281234567890", "Your OTP is 998877"),
        (
            "079126180100000031000D91261832547698F00000FF12D9775D0E7A52A1A0F41C64ABD166B218",
            31,
            "6281234567890",
            "Your OTP is 654321",
        ),
    ];
    for (hex, length, receiver, text) in cases {
        let (_, submit) = Submit::from_hex(hex, length).expect(hex);
        assert_eq!((submit.destination.text.as_str(), submit.text.as_deref()), (receiver, Some(text)), "{hex}");
    }
}

#[test]
fn a_wrong_pdu_is_refused_with_its_reason() {
    let right = "0011000D91261832547698F00000A712D9775D0E7A52A1A0F41C4493D1643419";
    let cases = [
        (right.to_owned(), 30, TpduError::WrongLength),
        (right.strip_suffix("9").expect("9").to_owned(), 31, TpduError::NotHexadecimal),
        (right.replace('D', "x"), 31, TpduError::NotHexadecimal),
        (right.strip_suffix("19").expect("19").to_owned(), 30, TpduError::UserData),
        (format!("{right}00"), 32, TpduError::UserData),
        (right.replacen("0011", "0010", 1), 31, TpduError::NotSubmit),
        (right.replacen("000D91", "000091", 1), 31, TpduError::Address),
        (right.replacen("98F0", "980F", 1), 31, TpduError::Address),
        ("00".to_owned(), 0, TpduError::CutOff),
        (String::new(), 0, TpduError::CutOff),
    ];
    for (hex, length, reason) in cases {
        assert_eq!(Submit::from_hex(&hex, length).map(|_| ()), Err(reason), "{hex}");
    }
}

#[test]
fn nothing_makes_the_reader_panic() {
    let right = from_hex("11000D91261832547698F00000A712D9775D0E7A52A1A0F41C4493D1643419").expect("hex");
    for at in 0..right.len() {
        for value in 0..=255 {
            let mut bytes = right.clone();
            bytes[at] = value;
            drop(Submit::decode(&bytes));
            drop(Submit::decode(&bytes[..at]));
        }
    }
}

#[test]
fn parts_of_a_long_message_tell_their_place() {
    let text = "The quick brown fox jumps over the lazy dog. [brackets] ".repeat(6);
    let parts = Deliver::from_text(&Address::from_text("+628111"), &text, [0; 7], 9);
    assert_eq!(parts.len(), 3);
    let mut joined = String::new();
    for (number, part) in (1..).zip(&parts) {
        let mut tpdu = vec![0x41, 0];
        tpdu.extend(Address::from_text("+628111").encode());
        tpdu.extend([0, 0, part.user_data_length]);
        tpdu.extend(&part.user_data);
        let submit = Submit::decode(&tpdu).expect("a part");
        assert_eq!(submit.concat, Some((9, 3, number)));
        joined.push_str(&submit.text.expect("text"));
    }
    assert_eq!(joined, text);
}

#[test]
fn a_delivery_is_what_a_network_sends() {
    // The example PDU of the Python package smspdu.
    let timestamp = [0x89, 0x21, 0x22, 0x21, 0x40, 0x14, 0x00];
    let sms = Deliver::from_text(&Address::from_text("+46705930301"), "TEST", timestamp, 1);
    assert_eq!(to_hex(&sms[0].encode()), "040B916407950303F100008921222140140004D4E2940A");
    let name = Address::from_text("design@home");
    let mut reader = Reader { rest: &name.encode() };
    assert_eq!(name.encode()[..2], [0x14, 0xd0]);
    assert_eq!(Address::decode(&mut reader), Ok(name));
}

#[test]
fn a_report_has_every_field_in_its_place() {
    let report = StatusReport {
        message_reference: 7,
        receiver: Address::from_text("+6281234567890"),
        submitted: timestamp(1_795_194_000_000, 28),
        discharged: timestamp(1_795_194_001_000, 28),
        status: 0x46,
    };
    assert_eq!(
        to_hex(&report.encode()),
        "06070D91261832547698F0".to_owned() + "62111200000082" + "62111200001082" + "46"
    );
}

#[test]
fn timestamps_follow_the_calendar_and_the_zone() {
    assert_eq!(civil(951_782_400_000, 0), [0, 2, 29, 0, 0, 0]);
    assert_eq!(civil(1_795_194_000_000, 28), [26, 11, 21, 0, 0, 0]);
    assert_eq!(timestamp(1_795_186_800_000, -32)[6], 0x2b);
}

#[test]
fn every_septet_survives_packing() {
    let septets: Vec<u8> = (0..128).collect();
    for fill in 0..7 {
        for count in 0..=septets.len() {
            let packed = alphabet::pack(&septets[..count], fill);
            assert_eq!(alphabet::unpack(&packed, count, fill), &septets[..count], "{count} septets after {fill} bits");
        }
    }
}

/// Texts on both sides of every limit: 160 and 153 septets, 70 and 67 units, escapes and surrogates at a seam.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = ["", "a", "@", "Your code is 123456", "[{€}]", "日本", "🙂"].map(str::to_owned).into();
    for count in [152, 153, 154, 159, 160, 161, 305, 306, 307, 1000] {
        texts.push("x".repeat(count));
        texts.push(format!("{}€", "x".repeat(count - 1)));
    }
    for count in [66, 67, 68, 69, 70, 71, 133, 134, 135] {
        texts.push("日".repeat(count));
        texts.push(format!("{}🙂", "日".repeat(count - 1)));
    }
    texts
}

#[test]
fn the_gsm_crate_and_this_reader_agree_about_every_submit() {
    use gsm::user_data::Reference;

    for (reference, shown) in [(Reference::Eight(200), 200), (Reference::Sixteen(40_000), 40_000)] {
        for text in texts() {
            let destination = gsm::address::Address::international("6281234567890").expect("digits");
            let parts = gsm::segment::segment(&text, reference).expect("parts").parts;
            let total = u8::try_from(parts.len()).expect("few");
            let mut joined = String::new();
            for (number, part) in (1..).zip(parts) {
                let mut submit = gsm::submit::Submit::new(destination.clone(), part);
                submit.status_report_request = true;
                let pdu = submit.encode(None).expect("a PDU");
                let (_, read) = Submit::from_hex(&pdu.hex(), pdu.tpdu_length()).expect(&text);
                assert_eq!(read.destination, Address::from_text("+6281234567890"));
                assert!(read.report_requested);
                assert_eq!(read.concat, (total > 1).then_some((shown, total, number)), "{text}");
                joined.push_str(&read.text.expect("text"));
            }
            assert_eq!(joined, text);
        }
    }
}

#[test]
fn the_gsm_crate_reads_what_this_network_delivers() {
    let smsc = smsc_prefix("6281100000");
    for text in texts() {
        for sms in Deliver::from_text(&Address::from_text("+628111"), &text, timestamp(0, 28), 9) {
            let octets = [smsc.as_slice(), &sms.encode()].concat();
            let (service_center, read) = gsm::deliver::Deliver::decode(&octets).expect(&text);
            assert_eq!(service_center.expect("an SMSC").expose(), "6281100000");
            assert_eq!(read.originator.expose(), "628111");
            assert_eq!(read.user_data.text().map(|text| text.to_string()), sms.text(), "{text}");
        }
    }
    let report = StatusReport {
        message_reference: 7,
        receiver: Address::from_text("+6281234567890"),
        submitted: timestamp(0, 28),
        discharged: timestamp(0, 28),
        status: 0x46,
    };
    let read = gsm::status_report::StatusReport::decode_tpdu(&report.encode()).expect("a report");
    assert_eq!((read.message_reference, read.status.0), (7, 0x46));
    assert!(read.service_center_time.is_some() && read.discharge_time.is_some());
}
