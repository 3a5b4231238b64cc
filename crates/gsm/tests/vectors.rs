//! Every vector of the reference sheet (captures and library test suites), input and expected fields side by side.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a panic is a failed test")]

use gsm::segment::{Encoding, Reference, segment};
use gsm::user_data::{Payload, UserData};
use gsm::{Address, DecodeError, Deliver, Pdu, StatusReport, Submit, Validity, gsm7, ucs2};

/// Name, PDU, `AT+CMGS` length, fields: centre, first octet, reference, destination, coding, validity, part, text.
/// A row that ends without its quote is compared as far as it goes; after `~` stands the end.
const SUBMITS: &[(&str, &str, usize, &str)] = &[
    (
        "V1",
        "0001000B917228001011F100000CC8329BFD065DDF72363904",
        24,
        "- 01 00 -> 91 27820001111 dcs 00 vp - \"Hello World!\"",
    ),
    ("V2", "0005000B917228001011F10000094676788E064D9B53", 21, "- 05 00 -> 91 27820001111 dcs 00 vp - \"Flash SMS\""),
    (
        "V3",
        "04A12143F5310D0AA110624521430000A91BD4F29C0E6A97E7F3F0B9AC03B1DFE3301BE4AEB7C565F91C",
        37,
        "A1 12345 31 0D -> A1 0126541234 dcs 00 vp A9 \"Test message: local numbers\"",
    ),
    (
        "V4",
        "07914400000000F01100099121436587F90008F40A4E16754C60A8597DFF01",
        23,
        "91 44000000000 11 00 -> 91 123456789 dcs 08 vp F4 \"世界您好！\"",
    ),
    (
        "V5",
        "0019000B917228001011F100003170013193008017D474BB3CA787DB70903DCC4E93D3F43C885E9ED301",
        41,
        "- 19 00 -> 91 27820001111 dcs 00 vp 2013-07-10T13:39:00+02:00 \"Timestamp validity test\"",
    ),
    (
        "V16",
        "0011000B915155551532F40008003A041404300020043704340440043004320441044204320443043504420020043A043E0440043E043B044C002C0020043404350442043A04300021",
        72,
        "- 11 00 -> 91 15555551234 dcs 08 vp 00 \"Да здравствует король, детка!\"",
    ),
    (
        "V17",
        "07919130079229F011000B915155551532F400000036C834888E2ECBCB2E978B5A2F8362373A1AA40CBB4132584C0682D57433982B8603C1DB20D4B1495DC552200804028100",
        62,
        "91 19037029920 11 00 -> 91 15555551234 dcs 00 vp 00 \"Hi there...Tue 17th Jan 2012 05:30.18 pm (GMT+1) ΔΔΔΔΔ\"",
    ),
    (
        "V18",
        "0011000B915155661632F40000001954747A0E4ACF41F27298CDCE83C6EF371B0481402010",
        36,
        "- 11 00 -> 91 15556661234 dcs 00 vp 00 \"This is really cool ΔΔΔΔΔ\"",
    ),
    (
        "V19",
        "0011000B916407281553F80000AA0AE8329BFD4697D9EC37",
        23,
        "- 11 00 -> 91 46708251358 dcs 00 vp AA \"hellohello\"",
    ),
    (
        "V20",
        "079153485002020911000C915348870420140000A71154747A0E4ACF41F4F29C9E769F4121",
        29,
        "91 358405202090 11 00 -> 91 358478400241 dcs 00 vp A7 \"This is testing !\"",
    ),
    (
        "V21",
        "0045000B915121551532F40000A0050003000301986F79B90D4AC3E7F53688FC66BFE5A0799A0E0AB7CB741668FC76CFCB637A995E9783C2E4343C3D4F8FD3EE33A8CC4ED359A079990C22BF41E5747DDE7E9341F4721BFE9683D2EE719A9C26D7DD74509D0E6287C56F791954A683C86FF65B5E06B5C36777181466A7E3F5B0AB4A0795DDE936284C06B5D3EE741B642FBBD3E1360B14AFA7DD",
        153,
        "- 45 00 -> 91 15125551234 dcs 00 vp - 8/0 1 of 3 \"Lorem ipsum dolor sit amet",
    ),
    (
        "V22",
        "0045000B915121551532F400008C050003000303EA2073FD9C0ED341EE3A9B1D06C1C3F274985E97BB8AF871194E2FD7E5A079DA4D07BDC7E370791CA683C675789A1CA687E920F7DB0D82CBDF6972D94D6781E675371D947683C675363C0C8AD7D3A0B7D99C1EA7C32072795E96D7DD7450FBCD66A7E9A0B03BDD06A5C9A0F29C0E6287C56F79BD0D",
        136,
        "- 45 00 -> 91 15125551234 dcs 00 vp - 8/0 3 of 3 ~id est laborum\"",
    ),
    (
        "O1",
        "0001000C91261862666666000012D9775D0E7A52A1A0F41C1493CD68351B",
        29,
        "- 01 00 -> 91 628126666666 dcs 00 vp - \"Your OTP is 123456\"",
    ),
    (
        "O2",
        "0011000C912618626666660000AA12D9775D0E7A52A1A0F41C1493CD68351B",
        30,
        "- 11 00 -> 91 628126666666 dcs 00 vp AA \"Your OTP is 123456\"",
    ),
    (
        "O3",
        "0031000C912618626666660000AA12D9775D0E7A52A1A0F41C1493CD68351B",
        30,
        "- 31 00 -> 91 628126666666 dcs 00 vp AA \"Your OTP is 123456\"",
    ),
    (
        "O4",
        "0011000C912618626666660010AA12D9775D0E7A52A1A0F41C1493CD68351B",
        30,
        "- 11 00 -> 91 628126666666 dcs 10 vp AA \"Your OTP is 123456\"",
    ),
    (
        "O5",
        "0011000C912618626666660000003231D98C56B381D27350FE5D97838AF8701BCE2E83C66F72D9A55000CAF8701BCE2EBBC6EF36681493CD68351B",
        58,
        "- 11 00 -> 91 628126666666 dcs 00 vp 00 \"123456 is your Example code.\n\n@example.com #123456\"",
    ),
    (
        "O6",
        "0011000C912618626666660000AA0E9BF2A6BC296FCA9BF286B7F101",
        27,
        "- 11 00 -> 91 628126666666 dcs 00 vp AA \"€€€€€[]\"",
    ),
];

/// Name, PDU, and parts of the fields in order, with `~` between them.
const DELIVERS: &[(&str, &str, &str)] = &[
    (
        "V6",
        "06917228195339040B917228214365F700003130805120618005D4F29C2E03",
        "91 2782913593 <- 91 27821234567 pid 00 dcs 00 2013-03-08T15:02:16+02:00 \"Test2\"",
    ),
    (
        "V7",
        "06917228195339040B917228214365F70000313062315352800A800D8A5E98D337A910",
        "91 2782913593 <- 91 27821234567 pid 00 dcs 00 2013-03-26T13:35:25+02:00 \"@{tést}!\"",
    ),
    (
        "V9",
        "0591721891F1400781721881F800003160526104848059050003C30101916536FB1DCABEEB2074D85E064941B19CAB060319A5C522289C96D3D3ED32286C0FA7D96131BBEC024941B19CAB0603DDD36C36A88C87A7E565D0DB0D82C55EB0DB4B068BCD5C20",
        "91 2781191 <- 81 2781188 ~8/195 1 of 1 \"Hello!You have R 19.50 FREE airtime available. R 19.50 will expire on 01/07/2013. \"",
    ),
    (
        "V10",
        "0791447758100650040DD0F334FC1CA6970100008080312170224008D4F29CDE0EA7D9",
        "<- D0 sipgate ~2008-08-13T12:07:22+01:00 \"Testmail\"",
    ),
    (
        "V11",
        "07919730071111F10414D04937BD2C7797E9D3E614000811309291024061080442043504410442",
        "91 79037011111 <- D0 InternetSMS pid 00 dcs 08 2011-03-29T19:20:04+04:00 \"тест\"",
    ),
    (
        "V12",
        "07912104442961F4040B916171957291F800001120821105050A6AC8B2BC7C9A83C220F6DB7D2ECB41EDF27C1E3E97411BDE06754FD3D1A0F9BB5D0695F1F4B29B5C2683C6E8B03C3CA697E5F34D6AE303D1D1F2F7DD0D4ABB59A0797D8C0685E7A00028EC26832A960B28EC2683BE6050780EBA97D96C17",
        "<- 91 16175927198 ~2011-02-28T11:50:50-05:00 \"Here's a longer message [{with some extended characters}] thrown in, such as £ and ΩΠΨ and §¿ as well.\"",
    ),
    (
        "V13",
        "07911356131313F64004850120390011609232239180A006080400100201D7327BFD6EB340E2321BF46E83EA7790F59D1E97DBE1341B442F83C465763D3DA797E56537C81D0ECB41AB59CC1693C16031D96C064241E5656838AF03A96230982A269BCD462917C8FA4E8FCBED709A0D7ABBE9F6B0FB5C7683D27350984D4FABC9A0B33C4C4FCF5D20EBFB2D079DCB62793DBD06D9C36E50FB2D4E97D9A0B49B5E96BBCB",
        "<- 85 1002 pid 39 ~16/16 1 of 2 \"Welkom, bel om uw Voicemail te beluisteren naar +31612001233 (PrePay: *100*1233#). Voicemail ontvangen is altijd gratis. Voor gebruik van mobiel interne\"",
    ),
    (
        "V14",
        "07912143658709F1040B918100551512F20004111010214365000AE8329BFD4697D9EC37DE",
        "<- 91 18005551212 pid 00 dcs 04 2011-01-01T12:34:56+00:00 octets E8329BFD4697D9EC37DE",
    ),
    (
        "V15",
        "07913306091093F0040485810000F111604231805180A049B7F90D9A1AA5A01668F8769BD3E4B29B9E2EB359A03FC85D06A9C3ED707A0EA2CBC3EE79BB4CA7CBCBA05643617DA7C76990FD4D979741EE77DD5E0ED741ED371D442E83E0E1F9BC0CD281E677D9B84C06C1DF7539E85C9097E520FB9B2E2F83C6EF369C5E064D8D52D0BC2E07DDEF77D7DC2C7799E5A0771D040FCB41F402BB0047BFDD6550B80ECAD966",
        "<- 85 1800 pid 00 dcs F1 2011-06-24T13:08:15+02:00 ~\r\n",
    ),
    ("V25", "07913366002020F8040B913366600600F100C83180706174148000", "dcs C8 ~\"\""),
    (
        "V26",
        "038121F340048155550119906041001222044A0500031E0303043C043D043004420443002C0020043F043E043704300431044B0432000A0434043004360435002C002004470442043E002000200431044B043B0020043D04300433002E",
        "81 123 <- 81 5555 pid 01 dcs 19 2009-06-14T00:21:22+10:00 8/30 3 of 3 \"",
    ),
];

const REPORTS: &[(&str, &str, &str)] = &[
    (
        "V8",
        "0006D60B911326880736F4111011719551401110117195714000",
        "MR 214 91 31628870634 2011-01-11T17:59:15+01:00 2011-01-11T17:59:17+01:00 ST 00 Delivered",
    ),
    (
        "V23",
        "0006040D91945152991136F00160124130340A0160124130940A00",
        "MR 4 91 4915259911630 2010-06-21T14:03:43-05:00 2010-06-21T14:03:49-05:00 ST 00 Delivered",
    ),
    ("V24", "07914356060013F1065A098136397339F7219011700463802190117004638030", "MR 90 81 639337937 "),
    ("V24", "07914356060013F1065A098136397339F7219011700463802190117004638030", "ST 30 Pending"),
    ("V27", "0297F1061C0F910B487228297020F5317062419272803170624192138000", "MR 28 "),
    ("V27", "0297F1061C0F910B487228297020F5317062419272803170624192138000", "ST 00 Delivered"),
];

fn address(address: &Address) -> String {
    format!("{:02X} {}", address.kind().0, address.expose())
}

fn center(center: Option<&Address>) -> String {
    center.map_or("-".to_owned(), address)
}

fn content(data: &UserData) -> String {
    let part = data.concatenation().map(|it| {
        let (bits, reference) = match it.reference {
            Reference::Eight(reference) => (8, u16::from(reference)),
            Reference::Sixteen(reference) => (16, reference),
        };
        format!("{bits}/{reference} {} of {} ", it.sequence, it.total)
    });
    let text = match &data.payload {
        Payload::Octets(octets) => {
            format!("octets {}", octets.iter().map(|octet| format!("{octet:02X}")).collect::<String>())
        }
        _ => format!("\"{}\"", data.text().unwrap().as_str()),
    };
    part.unwrap_or_default() + &text
}

fn assert_fields(name: &str, shown: &str, expected: &str) {
    let mut rest = shown;
    for piece in expected.split('~') {
        let (_, after) = rest.split_once(piece).unwrap_or_else(|| panic!("{name}: no {piece:?} in {shown:?}"));
        rest = after;
    }
}

#[test]
fn submits_are_read_and_written_octet_for_octet() {
    for (name, hex, length, expected) in SUBMITS {
        let pdu = Pdu::from_hex(hex).unwrap();
        assert_eq!(pdu.tpdu_length(), *length, "{name}");
        let (service_center, submit) = Submit::decode(pdu.octets()).unwrap();
        let validity = match submit.validity {
            None => "-".to_owned(),
            Some(Validity::Relative(octet)) => format!("{octet:02X}"),
            Some(Validity::Absolute(timestamp)) => timestamp.to_string(),
            Some(Validity::Enhanced(_)) => "enhanced".to_owned(),
        };
        let shown = format!(
            "{} {:02X} {:02X} -> {} dcs {:02X} vp {validity} {}",
            center(service_center.as_ref()),
            pdu.tpdu()[0],
            submit.message_reference,
            address(&submit.destination),
            submit.dcs.0,
            content(&submit.user_data),
        );
        assert_fields(name, &shown, expected);
        assert_eq!(submit.encode(service_center.as_ref()).unwrap().hex().as_str(), *hex, "{name}");
    }
}

#[test]
fn delivers_are_read_and_written_octet_for_octet() {
    for (name, hex, expected) in DELIVERS {
        let pdu = Pdu::from_hex(hex).unwrap();
        let (service_center, deliver) = Deliver::decode(pdu.octets()).unwrap();
        let shown = format!(
            "{} <- {} pid {:02X} dcs {:02X} {} {}",
            center(service_center.as_ref()),
            address(&deliver.originator),
            deliver.protocol_id,
            deliver.dcs.0,
            deliver.timestamp.unwrap(),
            content(&deliver.user_data),
        );
        assert_fields(name, &shown, expected);
        let again = deliver.encode(service_center.as_ref()).unwrap();
        assert_eq!(Deliver::decode(again.octets()).unwrap(), (service_center, deliver), "{name}");
    }
}

#[test]
fn status_reports_are_read_even_when_they_are_broken() {
    for (name, hex, expected) in REPORTS {
        let pdu = Pdu::from_hex(hex).unwrap();
        let (service_center, report) = StatusReport::decode(pdu.octets()).unwrap();
        let time = |it: Option<gsm::Timestamp>| it.map_or("-".to_owned(), |it| it.to_string());
        let shown = format!(
            "MR {} {} {} {} ST {:02X} {:?}",
            report.message_reference,
            address(&report.recipient),
            time(report.service_center_time),
            time(report.discharge_time),
            report.status.0,
            report.status.delivery(),
        );
        assert_fields(name, &shown, expected);
        let again = report.encode(service_center.as_ref()).unwrap();
        assert_eq!(StatusReport::decode(again.octets()).unwrap(), (service_center, report), "{name}");
    }
}

#[test]
fn broken_pdus_are_errors() {
    let deliver = |hex: &str| Deliver::decode(Pdu::from_hex(hex).unwrap().octets()).unwrap_err();
    let submit = |hex: &str| Submit::decode(Pdu::from_hex(hex).unwrap().octets()).unwrap_err();
    let longer = "07912143658709F1040B918100551512F20000111010214365000BE8329BFD4697D9EC37";
    assert_eq!(deliver(longer), DecodeError::Truncated("user data"));
    assert_eq!(deliver("001C011C"), DecodeError::Truncated("originator address"));
    let report = StatusReport::decode(Pdu::from_hex("000ABF00").unwrap().octets()).unwrap_err();
    assert_eq!(report, DecodeError::Truncated("recipient address"));
    assert_eq!(submit("004100010100014B00002E"), DecodeError::Header);
    assert_eq!(submit("00F101010C0000000000"), DecodeError::Header);
    assert_eq!(submit("000ABF00"), DecodeError::WrongType(2));
    assert_eq!(submit("0001000B917228001011F100200CC8329BFD065DDF72363904"), DecodeError::Compressed);
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}

#[test]
fn texts_are_packed_as_the_sheet_says() {
    let rows = [
        ("hellohello", "E8329BFD4697D9EC37"),
        ("[{abc}]~", "1BDE0615168F37A98D6FD303"),
        ("test text", "F4F29C0EA297F174"),
        ("1234567", "31D98C56B3DD00"),
    ];
    for (text, packed) in rows {
        let septets = gsm7::encode(text).unwrap();
        assert_eq!(hex(&gsm7::pack(&septets, 0)), packed, "{text}");
    }
}

#[test]
fn ussd_fills_seven_spare_bits_with_a_carriage_return() {
    let rows = [
        ("*100#", "AA180C3602", "002A0031003000300023"),
        ("*888#", "2A1C0E3702", "002A0038003800380023"),
        ("*123*1#", "AA986CA68A8D1A", "002A003100320033002A00310023"),
    ];
    for (text, packed, wide) in rows {
        let octets = gsm7::pack_ussd(&gsm7::encode(text).unwrap());
        assert_eq!(hex(&octets), packed, "{text}");
        assert_eq!(gsm7::decode(&gsm7::unpack_ussd(&octets)).as_str(), text);
        assert_eq!(hex(&ucs2::to_octets(&ucs2::encode(text))), wide, "{text}");
    }
}

#[test]
fn a_text_is_cut_at_the_capacities_of_the_table() {
    use Encoding::{Gsm7, Ucs2};
    let eight = Reference::Eight(7);
    let rows: &[(String, Reference, Encoding, &[usize])] = &[
        (String::new(), eight, Gsm7, &[0]),
        ("A".repeat(160), eight, Gsm7, &[160]),
        ("A".repeat(161), eight, Gsm7, &[153, 8]),
        ("A".repeat(161), Reference::Sixteen(7), Gsm7, &[152, 9]),
        ("B".repeat(152) + "€" + &"C".repeat(20), eight, Gsm7, &[152, 22]),
        ("Ж".repeat(70), eight, Ucs2, &[70]),
        ("Ж".repeat(71), eight, Ucs2, &[67, 4]),
        ("Ж".repeat(71), Reference::Sixteen(7), Ucs2, &[66, 5]),
        ("Ж".repeat(66) + "😀" + &"Ж".repeat(10), eight, Ucs2, &[66, 12]),
    ];
    for (text, reference, encoding, lengths) in rows {
        let segments = segment(text, *reference).unwrap();
        let found: Vec<usize> = segments
            .parts
            .iter()
            .map(|part| match &part.payload {
                Payload::Septets(septets) => septets.len(),
                Payload::Units(units) => units.len(),
                Payload::Octets(octets) => octets.len(),
            })
            .collect();
        assert_eq!((segments.encoding, found.as_slice()), (*encoding, *lengths), "{text}");
        assert_eq!(gsm::segment::join(&segments.parts).unwrap().as_str(), text);
    }
    assert!(segment(&"A".repeat(153 * 255), eight).is_ok());
    assert!(segment(&"A".repeat(153 * 255 + 1), eight).is_err());
    assert_eq!(gsm::segment::count(&"A".repeat(153 * 255 + 1)), 256);
}

#[test]
fn debug_shows_no_text_and_no_whole_number() {
    let destination = Address::international("628126666666").unwrap();
    let submit = Submit::new(destination, UserData::gsm7("Your OTP is 123456").unwrap());
    let shown = format!("{submit:?} {:?}", submit.user_data.decoded());
    assert!(!shown.contains("123456") && !shown.contains("628126666666"), "{shown}");
}
