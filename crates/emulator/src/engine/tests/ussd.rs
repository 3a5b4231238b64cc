//! The network's menus.

use super::*;
use crate::script::UssdRule;
use crate::settings::UssdForm;

fn bench(form: UssdForm, script: &str) -> Bench {
    let rules: Vec<UssdRule> = Script::parse(script).expect("a script").ussd;
    let modem = |settings: &mut ModemSettings| {
        settings.ussd_form = Some(form);
        settings.ussd = rules.clone();
    };
    Bench::with(modem, |_| {}, "")
}

#[test]
fn scripted_menus_answer_in_every_coding_and_as_they_are() {
    let mut bench = bench(
        UssdForm::Plain,
        "[[ussd]]\ndial = \"*1#\"\nanswer = \"1 A\"\nmenu = true\n
         [[ussd]]\ndial = \"*1# 1\"\nanswer = \"\u{434}\"\ncoding = \"ucs2\"\nmenu = true\n
         [[ussd]]\ndial = \"*1# 1 9\"\nanswer = \"Halo\"\ncoding = \"octets\"\n
         [[ussd]]\ndial = \"*2#\"\nraw = \"+CUSD: 0,Halo\"\n
         [[ussd]]\ndial = \"*3#\"\nstatus = 5\n
         [[ussd]]\ndial = \"*4#\"\nsilent = true\n",
    );
    bench.check(&[
        ("AT+CUSD=1,\"*1#\",15", "OK | +CUSD: 1,\"1 A\",15"),
        ("AT+CUSD=1,\"1\",15", "OK | +CUSD: 1,\"0434\",72"),
        ("AT+CUSD=1,\"9\",15", "OK | +CUSD: 0,\"48616C6F\",68"),
        ("AT+CUSD=1,\"*2#\",15", "OK | +CUSD: 0,Halo"),
        ("AT+CUSD=1,\"*3#\",15", "OK | +CUSD: 5,\"\",15"),
        ("AT+CUSD=1,\"*4#\",15", "OK"),
    ]);
}

#[test]
fn a_modem_takes_its_own_form_alone() {
    let mut packed = bench(UssdForm::Packed, "[[ussd]]\ndial = \"*123*1#\"\nanswer = \"seven!!\"\n");
    packed.check(&[
        // Seven characters both ways: a carriage return fills the octet.
        ("AT+CUSD=1,\"AA986CA68A8D1A\",15", "OK | +CUSD: 0,\"F3B2BDEC0E851A\",15"),
        ("AT+CUSD=1,\"*123*1#\",15", "+CME ERROR: 3"),
    ]);
    let mut ucs2 = bench(UssdForm::Ucs2, "");
    ucs2.check(&[
        ("AT+CUSD=1,\"*123#\",15", "+CME ERROR: 3"),
        ("AT+CSCS=\"UCS2\"", "OK"),
        (
            "AT+CUSD=1,\"002A0031003200330023\",15",
            "OK | +CUSD: 1,\"003100200050\
          0075006C007300610020003200200\
          04E006F006D006F0072\",15",
        ),
    ]);
}

#[test]
fn what_was_due_in_a_dialogue_that_has_ended_is_not_said_and_no_sms_goes_out_meanwhile() {
    let mut bench = bench(
        UssdForm::Plain,
        "[[ussd]]\ndial = \"*1#\"\nanswer = \"A\"\nafter = \"2s\"\n
         [[ussd]]\ndial = \"*2#\"\nanswer = \"M\"\nmenu = true\nends_after = \"3s\"\n",
    );
    bench.check(&[("AT+CUSD=1,\"*1#\",15", "OK"), ("AT+CMGS=31", "+CMS ERROR: 302"), ("AT+CUSD=2", "OK")]);
    assert_eq!(bench.pass(5000), "");
    bench.check(&[("AT+CUSD=1,\"*2#\",15", "OK | +CUSD: 1,\"M\",15"), ("AT+CMGS=31", "+CMS ERROR: 302")]);
    assert_eq!(lines(&bench.pass(3000)), "+CUSD: 2");
    assert_eq!(bench.raw("AT+CMGS=31\r"), "\r\n> ");
}
