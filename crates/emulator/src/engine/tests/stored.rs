//! Stored and arriving messages: memories, listing, routing, text mode, USSD.

use super::*;

fn arrive(bench: &mut Bench, from: &str, text: &str) -> String {
    assert!(bench.network.deliver_at("modem1", from, text, bench.now));
    lines(&bench.pass(0))
}

/// "TEST" from +46705930301 as the network of the bench stamps it.
const TEST_PDU: &str = "06912618010000040B916407950303F100006211120000008204D4E2940A";

#[test]
fn an_arriving_sms_is_stored_told_read_and_deleted() {
    let mut bench = Bench::new();
    bench.ask("AT+CNMI=2,1,0,0,0");
    assert_eq!(arrive(&mut bench, "+46705930301", "TEST"), "+CMTI: \"SM\",1");
    let pdu = TEST_PDU;
    bench.check(&[
        ("AT+CPMS?", "+CPMS: \"SM\",1,20,\"SM\",1,20,\"SM\",1,20 | OK"),
        ("AT+CMGL=1", "OK"),
        ("AT+CMGR=1", &format!("+CMGR: 0,,23 | {pdu} | OK")),
        ("AT+CMGL=0", "OK"),
        ("AT+CMGL=4", &format!("+CMGL: 1,1,,23 | {pdu} | OK")),
        ("AT+CMGD=1", "OK"),
        ("AT+CMGL=4", "OK"),
        ("AT+CMGR=1", "OK"),
        ("AT+CMGR=21", "+CMS ERROR: 321"),
        ("AT+CMGD=0", "+CMS ERROR: 321"),
        ("AT+CMGL=5", "+CMS ERROR: 304"),
    ]);
}

#[test]
fn listing_marks_messages_read_and_deletes_by_state() {
    let mut bench = Bench::new();
    for _ in 0..2 {
        arrive(&mut bench, "+628111", "x");
    }
    assert_eq!(bench.ask("AT+CMGL=0").matches("+CMGL: ").count(), 2);
    arrive(&mut bench, "+628111", "y");
    assert_eq!(bench.ask("AT+CMGL=0").matches("+CMGL: 3,0").count(), 1);
    arrive(&mut bench, "+628111", "z");
    bench.check(&[("AT+CMGD=1,1", "OK"), ("AT+CPMS?", "+CPMS: \"SM\",1,20,\"SM\",1,20,\"SM\",1,20 | OK")]);
    bench.check(&[("AT+CMGD=1,4", "OK"), ("AT+CPMS?", "+CPMS: \"SM\",0,20,\"SM\",0,20,\"SM\",0,20 | OK")]);
}

#[test]
fn the_memories_count_apart() {
    let mut bench = Bench::new();
    bench.check(&[
        ("AT+CPMS=\"SM\",\"SM\",\"ME\"", "+CPMS: 0,20,0,20,0,50 | OK"),
        ("AT+CPMS=\"XX\"", "+CMS ERROR: 302"),
    ]);
    bench.ask("AT+CNMI=2,1");
    assert_eq!(arrive(&mut bench, "+628111", "x"), "+CMTI: \"ME\",1");
    bench.check(&[
        ("AT+CPMS?", "+CPMS: \"SM\",0,20,\"SM\",0,20,\"ME\",1,50 | OK"),
        ("AT+CMGL=4", "OK"),
        ("AT+CPMS=\"ME\"", "+CPMS: 1,50,0,20,1,50 | OK"),
        ("AT+CMGD=1", "OK"),
        ("AT+CPMS?", "+CPMS: \"ME\",0,50,\"SM\",0,20,\"ME\",0,50 | OK"),
    ]);
}

#[test]
fn a_full_card_takes_no_more_until_something_is_deleted() {
    let mut bench = Bench::with(|modem| modem.sim_capacity = 2, |_| {}, "");
    bench.ask("AT+CNMI=2,1");
    for text in ["one", "two", "three"] {
        arrive(&mut bench, "+628111", text);
    }
    assert_eq!(bench.ask("AT+CPMS?"), "+CPMS: \"SM\",2,2,\"SM\",2,2,\"SM\",2,2 | OK");
    bench.raw("AT+CMGW=31\r");
    assert_eq!(lines(&bench.raw(&format!("{PDU}\u{1a}"))), "+CMS ERROR: 322");
    assert_eq!(bench.ask("AT+CMGD=2"), "OK | +CMTI: \"SM\",2");
}

#[test]
fn a_stored_message_can_be_sent() {
    let mut bench = Bench::new();
    bench.raw("AT+CMGW=31\r");
    assert_eq!(lines(&bench.raw(&format!("{PDU}\u{1a}"))), "+CMGW: 1 | OK");
    assert_eq!(bench.ask("AT+CMGL=2"), format!("+CMGL: 1,2,,31 | {PDU} | OK"));
    bench.check(&[("AT+CMSS=1", "+CMSS: 0 | OK"), ("AT+CMSS=2", "+CMS ERROR: 321"), ("AT+CMGL=2", "OK")]);
    assert_eq!(bench.network.transmissions()[0].pdu_hex, PDU);
}

#[test]
fn cnmi_decides_where_messages_go() {
    let mut bench = Bench::new();
    assert_eq!(arrive(&mut bench, "+628111", "silent"), "");
    bench.ask("AT+CNMI=2,2,0,0,0");
    assert!(arrive(&mut bench, "+46705930301", "TEST").starts_with("+CMT: ,23 | 069126180100"));
    assert_eq!(bench.ask("AT+CPMS?"), "+CPMS: \"SM\",1,20,\"SM\",1,20,\"SM\",1,20 | OK");
    bench.ask("AT+CNMI=0,1,0,0,0");
    assert_eq!(arrive(&mut bench, "+628111", "buffered"), "");
    assert_eq!(bench.ask("AT+CNMI=2,1,0,0,0"), "OK | +CMTI: \"SM\",2");
    bench.check(&[
        ("AT+CNMI=4,1", "+CMS ERROR: 304"),
        ("AT+CNMI=2,1,1", "+CMS ERROR: 304"),
        ("AT+CNMI?", "+CNMI: 2,1,0,0,0 | OK"),
    ]);
}

#[test]
fn reports_can_be_stored_or_dropped() {
    let mut bench = Bench::new();
    bench.ask("AT+CNMI=2,1,0,2,0");
    assert_eq!(bench.send(PDU_WITH_REPORT), "+CMGS: 0 | OK | +CDSI: \"SM\",1");
    assert!(bench.ask("AT+CMGR=1").starts_with("+CMGR: 0,,26 | 0691261801000006000D91"));
    bench.ask("AT+CNMI=2,1,0,0,0");
    assert_eq!(bench.send(PDU_WITH_REPORT), "+CMGS: 1 | OK");
}

#[test]
fn phase_two_plus_wants_an_acknowledgement() {
    let mut bench = Bench::new();
    bench.check(&[("AT+CNMA", "+CMS ERROR: 340"), ("AT+CSMS=1", "+CSMS: 1,1,1 | OK"), ("AT+CNMI=2,2,0,1,0", "OK")]);
    assert!(arrive(&mut bench, "+628111", "first").starts_with("+CMT: "));
    assert_eq!(arrive(&mut bench, "+628111", "second"), "", "only one at a time");
    assert!(bench.ask("AT+CNMA=0").starts_with("OK"));
    assert!(lines(&bench.pass(0)).starts_with("+CMT: ") || bench.ask("AT+CNMA").starts_with("OK"));
    assert!(arrive(&mut bench, "+628111", "third").starts_with("+CMT: "));
    bench.pass(15_000);
    assert_eq!(bench.ask("AT+CNMI?"), "+CNMI: 2,0,0,0,0 | OK", "switched off after a missing acknowledgement");
}

#[test]
fn lines_of_their_own_wait_while_a_line_is_typed_or_a_prompt_is_open() {
    let mut bench = Bench::new();
    bench.ask("AT+CNMI=2,1");
    bench.raw("AT+C");
    assert_eq!(arrive(&mut bench, "+628111", "x"), "");
    assert_eq!(lines(&bench.raw("SQ\r")), "+CSQ: 21,0 | OK | +CMTI: \"SM\",1");
    bench.raw("AT+CMGS=31\r");
    assert_eq!(arrive(&mut bench, "+628111", "y"), "");
    assert_eq!(lines(&bench.raw(&format!("{PDU}\u{1a}"))), "+CMGS: 0 | OK | +CMTI: \"SM\",2");
}

#[test]
fn what_arrives_without_network_comes_later() {
    let mut bench = locked();
    bench.ask("AT+CNMI=2,1");
    assert_eq!(arrive(&mut bench, "+628111", "early"), "");
    assert!(bench.ask("AT+CPIN=\"1234\"").ends_with("SMS Ready | +CMTI: \"SM\",1"));
}

#[test]
fn text_mode_reads_and_sends() {
    let mut bench = Bench::new();
    arrive(&mut bench, "+46705930301", "Hello");
    bench.check(&[
        ("AT+CMGF=1", "OK"),
        ("AT+CMGR=1", "+CMGR: \"REC UNREAD\",\"+46705930301\",,\"26/11/21,00:00:00+28\" | Hello | OK"),
        ("AT+CMGL=\"REC READ\"", "+CMGL: 1,\"REC READ\",\"+46705930301\",,\"26/11/21,00:00:00+28\" | Hello | OK"),
        ("AT+CMGL=4", "+CMS ERROR: 305"),
        ("AT+CMGS=\"not a number\"", "+CMS ERROR: 305"),
    ]);
    assert_eq!(bench.raw("AT+CMGS=\"+628111\"\r"), "\r\n> ");
    assert_eq!(bench.raw("one\r"), "\r\n> ");
    assert_eq!(lines(&bench.raw("two\u{1a}")), "+CMGS: 0 | OK");
    let sent = bench.network.transmissions();
    assert_eq!((sent[0].receiver.as_str(), sent[0].text.as_deref()), ("628111", Some("one\ntwo")));
    bench.ask("AT+CSCS=\"UCS2\"");
    bench.raw("AT+CMGS=\"002B003600320038003100310032\"\r");
    assert_eq!(lines(&bench.raw("00480069\u{1a}")), "+CMGS: 1 | OK");
    assert_eq!(bench.network.transmissions()[1].text.as_deref(), Some("Hi"));
    assert_eq!(bench.network.transmissions()[1].receiver, "628112");
}

#[test]
fn character_sets_change_names_and_numbers() {
    Bench::new().check(&[
        ("AT+CSCS=?", "+CSCS: (\"IRA\",\"GSM\",\"UCS2\",\"HEX\") | OK"),
        ("AT+CSCS=\"UCS2\"", "OK"),
        ("AT+CSCS?", "+CSCS: \"UCS2\" | OK"),
        ("AT+COPS?", "+COPS: 0,0,\"00540045004C004B004F004D00530045004C\" | OK"),
        ("AT+CSCS=\"HEX\"", "OK"),
        ("AT+COPS?", "+COPS: 0,0,\"54454C4B4F4D53454C\" | OK"),
        ("AT+CSCS=\"KLINGON\"", "+CME ERROR: 50"),
    ]);
}

#[test]
fn ussd_answers_balance_and_menu() {
    let mut bench = Bench::new();
    bench.check(&[
        ("AT+CUSD=1,\"*888#\",15", "OK | +CUSD: 0,\"Sisa pulsa Anda Rp10000\",15"),
        ("AT+CUSD=1,\"*123#\",15", "OK | +CUSD: 1,\"1 Pulsa 2 Nomor\",15"),
        ("AT+CUSD=1,\"2\",15", "OK | +CUSD: 0,\"Nomor Anda 6281100000001\",15"),
        ("AT+CUSD=1,\"2\",15", "OK | +CUSD: 4"),
        ("AT+CUSD=1,\"*123#\",15", "OK | +CUSD: 1,\"1 Pulsa 2 Nomor\",15"),
        ("AT+CUSD=2", "OK"),
        ("AT+CUSD=1,\"1\",15", "OK | +CUSD: 4"),
    ]);
}

#[test]
fn an_sms_to_a_modem_of_the_network_arrives_there() {
    let mut bench = Bench::new();
    bench.check(&[("AT+CMGF=1", "OK"), ("AT+CNMI=2,1", "OK")]);
    bench.raw("AT+CMGS=\"+6281100000001\"\r");
    assert_eq!(lines(&bench.raw("to myself\u{1a}")), "+CMGS: 0 | OK | +CMTI: \"SM\",1");
    assert!(bench.ask("AT+CMGR=1").contains("\"+6281100000001\",,\"26/11/21"));
}

/// A DELIVER of class 0, "TEST", from +46705930301.
const FLASH: &str = "040B916407950303F100106211120000008204D4E2940A";

fn arrive_raw(bench: &mut Bench, hex: &str) -> String {
    let octet = |at: usize| u8::from_str_radix(hex.get(at..at + 2).expect("a pair"), 16).expect("hexadecimal");
    let tpdu: Vec<u8> = (0..hex.len()).step_by(2).map(octet).collect();
    assert!(bench.network.deliver_tpdu("modem1", &tpdu));
    bench.now = bench.now.max(Instant::now());
    lines(&bench.pass(0))
}

#[test]
fn a_flash_message_comes_whole_and_is_stored_nowhere() {
    let mut bench = Bench::new();
    bench.ask("AT+CNMI=2,1,0,0,0");
    assert_eq!(arrive_raw(&mut bench, FLASH), format!("+CMT: ,23 | 06912618010000{FLASH}"));
    assert_eq!(bench.ask("AT+CMGL=4"), "OK");
}

#[test]
fn octets_that_are_no_message_are_stored_as_they_come() {
    let mut bench = Bench::new();
    bench.ask("AT+CNMI=2,1,0,0,0");
    for (number, hex) in (1..).zip(["04", "0C15FF", "DEADBEEF"]) {
        assert_eq!(arrive_raw(&mut bench, hex), format!("+CMTI: \"SM\",{number}"));
        assert!(bench.ask(&format!("AT+CMGR={number}")).ends_with(&format!("{hex} | OK")), "{hex}");
    }
}

#[test]
fn a_modem_that_announces_nothing_stores_all_the_same() {
    let mut bench = Bench::with(|modem| modem.manners.push(Manner::SilentArrivals), |_| {}, "");
    bench.ask("AT+CNMI=2,1,0,0,0");
    assert_eq!(arrive(&mut bench, "+46705930301", "TEST"), "");
    assert_eq!(bench.ask("AT+CMGL=4").matches("+CMGL: ").count(), 1);
}

#[test]
fn a_memory_that_is_full_is_told_once_until_there_is_room() {
    let tells = |modem: &mut ModemSettings| {
        modem.sim_capacity = 1;
        modem.manners.push(Manner::TellsFullMemory);
    };
    let mut bench = Bench::with(tells, |_| {}, "");
    bench.ask("AT+CNMI=2,1,0,0,0");
    for told in ["+CMTI: \"SM\",1", "^SMMEMFULL:\"SM\"", ""] {
        assert_eq!(arrive(&mut bench, "+628111", "x"), told);
    }
    assert_eq!(bench.ask("AT+CMGD=1"), "OK | +CMTI: \"SM\",1 | ^SMMEMFULL:\"SM\"");
}

#[test]
fn reports_can_have_a_memory_of_their_own() {
    let manners = |settings: &mut ModemSettings| settings.manners = vec![Manner::ReportMemory];
    let mut bench = Bench::with(manners, |_| {}, "");
    bench.ask("AT+CNMI=2,1,0,2,0");
    assert_eq!(bench.send(PDU_WITH_REPORT), "+CMGS: 0 | OK | +CDSI: \"SR\",1");
    bench.check(&[("AT+CMGL=4", "OK"), ("AT+CPMS=\"SM\",\"SR\"", "+CMS ERROR: 302")]);
    bench.check(&[("AT+CPMS=\"SR\"", "+CPMS: 1,10,0,20,0,20 | OK")]);
    let read = bench.ask("AT+CMGR=1");
    assert!(read.starts_with("+CMGR: 0,,") && read.contains("06000D91261832547698F0"), "{read}");
    bench.check(&[("AT+CMGD=1", "OK"), ("AT+CMGL=4", "OK")]);
    assert_eq!(Bench::new().ask("AT+CPMS=\"SR\""), "+CMS ERROR: 302");
}
