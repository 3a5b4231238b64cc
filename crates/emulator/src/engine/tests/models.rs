//! Every model answers as its maker's firmware does.

use super::*;
use crate::model::Model;

fn model(model: Model) -> Bench {
    Bench::with(|settings| *settings = quiet(model), |_| {}, "")
}

/// Its chatter comes in an hour.
fn quiet(model: Model) -> ModemSettings {
    ModemSettings {
        echo: false,
        chatter_interval: Duration::from_secs(3600),
        ..ModemSettings::of_model(model, "modem1", 1)
    }
}

#[test]
fn each_model_tells_who_it_is_and_whose_card_it_has_in_its_own_way() {
    const CARD: &str = "8962100000000000001";
    for (kind, maker, name, command, answer) in [
        (Model::Sim800l, "SIMCOM_Ltd", "SIMCOM_SIM800L", "AT+CCID", ""),
        (Model::Sim900, "SIMCOM_Ltd", "SIMCOM_SIM900", "AT+CCID", ""),
        (Model::Sim7600e, "SIMCOM INCORPORATED", "SIMCOM_SIM7600E-H", "AT+CICCID", "+ICCID: "),
        (Model::Ec25, "Quectel", "EC25", "AT+QCCID", "+QCCID: "),
        (Model::M26, "Quectel_Ltd", "Quectel_M26", "AT+QCCID", ""),
        (Model::HuaweiE173, "huawei", "E173", "AT^ICCID?", "^ICCID: "),
        (Model::HuaweiE3372, "huawei", "E3372", "AT^ICCID?", "^ICCID: "),
        (Model::ZteMf190, "ZTE INCORPORATED", "MF190", "AT+ZGETICCID", "+ZGETICCID: "),
        (Model::WavecomQ2, " WAVECOM MODEM", " MULTIBAND  900E  1800", "AT+CCID", "+CCID: "),
    ] {
        let mut bench = model(kind);
        assert_eq!(bench.ask("AT+CGMI"), format!("{maker} | OK"), "{kind:?}");
        assert_eq!(bench.ask("AT+CGMM"), format!("{name} | OK"), "{kind:?}");
        assert_eq!(bench.ask(command), format!("{answer}{CARD} | OK"), "{kind:?}");
        for foreign in
            ["AT+CCID", "AT+CICCID", "AT+QCCID", "AT^ICCID?", "AT+ZGETICCID"].iter().filter(|it| **it != command)
        {
            assert!(!bench.ask(foreign).contains("OK"), "{kind:?} does not know {foreign}");
        }
    }
}

#[test]
fn each_model_tells_the_tries_left_in_its_own_way() {
    for (kind, command, answer) in [
        (Model::Sim800l, "AT+SPIC", "+SPIC: 3,10,0,10 | OK"),
        (Model::Ec25, "AT+QPINC?", "+QPINC: \"SC\",3,10 | +QPINC: \"P2\",3,10 | OK"),
        (Model::M26, "AT+QTRPIN", "+QTRPIN: 3,3,10,10 | OK"),
        (Model::HuaweiE3372, "AT^CPIN?", "^CPIN: SIM PIN,,10,3,10,3 | OK"),
        (Model::ZteMf190, "AT+ZPINPUK=?", "+ZPINPUK: 3,10 | OK"),
    ] {
        let locked = |settings: &mut ModemSettings| {
            *settings = ModemSettings { pin: Some("1234".to_owned()), ..quiet(kind) };
        };
        let mut bench = Bench::started(locked, |_| {}, "");
        assert_eq!(bench.ask(command), answer, "{kind:?}");
        assert!(!bench.ask("AT+CPINR").contains("OK"), "{kind:?}");
    }
}

#[test]
fn a_huawei_stick_ends_its_lines_twice_and_has_words_of_its_own_for_what_it_does_not_know() {
    let mut bench = model(Model::HuaweiE173);
    assert_eq!(bench.raw("AT+CMGF=0\r"), "\r\nOK\r\r\n");
    assert_eq!(bench.raw("AT+FOO\r"), "\r\nCOMMAND NOT SUPPORT\r\r\n");
    assert_eq!(model(Model::HuaweiE3372).raw("ATQ0V1E0\r"), "\r\nCOMMAND NOT SUPPORT\r\n");
}

#[test]
fn what_a_model_offers_is_not_always_what_it_takes() {
    for (kind, offered, refused, taken) in [
        (Model::HuaweiE173, "(0-2)", "AT+CNMI=2,1,0,1,0", "AT+CNMI=1,1,0,1,0"),
        (Model::HuaweiE3372, "(0-2),(0-3),(0,2),(0-2)", "AT+CNMI=1,1,0,1,0", "AT+CNMI=1,1,0,2,0"),
        (Model::ZteMf190, "(0-2)", "AT+CNMI=2,1,0,2,0", "AT+CNMI=1,1,0,1,0"),
        (Model::Sim800l, "(0-2),(0-3),(0,2),(0,1)", "AT+CNMI=2,1,0,2,0", "AT+CNMI=2,1,2,1,0"),
    ] {
        let mut bench = model(kind);
        assert!(bench.ask("AT+CNMI=?").contains(offered), "{kind:?}");
        assert_eq!(bench.ask(refused), "+CMS ERROR: 304", "{kind:?}");
        assert_eq!(bench.ask(taken), "OK", "{kind:?}");
    }
}

#[test]
fn a_model_chatters_until_it_is_told_not_to_and_again_after_a_restart() {
    for (kind, line, quieting) in [
        (Model::HuaweiE173, "^RSSI:15", "AT^CURC=0"),
        (Model::HuaweiE3372, "^HCSQ:\"LTE\",52,45,131,26", "AT^CURC=0"),
        (Model::ZteMf190, "+ZUSIMR:2", "AT+CPMS?"),
        (Model::WavecomQ2, "+WIND: 12,\"TELKOMSEL\"", "AT+WIND=0"),
        (Model::Sim800l, "*PSUTTZ: 2026,11,21,0,0,0,\"+28\",0", "AT+CLTS=0"),
    ] {
        let settings = ModemSettings { chatter_interval: Duration::from_secs(2), ..quiet(kind) };
        let mut bench = Bench::with(|modem| modem.clone_from(&settings), |_| {}, "");
        assert!(bench.pass(2000).contains(line), "{kind:?}");
        assert!(bench.pass(20_000).contains(line), "{kind:?} goes on");
        assert!(bench.ask(quieting).contains("OK"), "{kind:?}");
        assert_eq!(bench.pass(20_000), "", "{kind:?}");
        bench.engine.power_on(false, bench.now);
        assert!(bench.pass(2000).contains(line), "{kind:?} after a restart");
    }
}

#[test]
fn a_zte_stick_says_nothing_of_itself_before_its_pin_and_an_odd_comma_before_its_reports() {
    let locked = |settings: &mut ModemSettings| {
        *settings = ModemSettings { pin: Some("1234".to_owned()), ..quiet(Model::ZteMf190) };
    };
    let mut bench = Bench::started(locked, |_| {}, "");
    bench.check(&[
        ("ATE0", "OK"),
        ("AT+CGMI", "ERROR"),
        ("AT+CMEE=1", "ERROR"),
        ("AT+CPIN?", "+CPIN: SIM PIN | OK"),
        ("AT+CPIN=\"1234\"", "OK | +CPIN: READY | +ZPASR: \"UMTS\""),
        ("AT+CGMI", "ZTE INCORPORATED | OK"),
        ("AT+CFUN?", "+CFUN: (0-1,4-7),(0-1) | OK"),
        ("AT+CNMI=1,1,0,1,0", "OK"),
    ]);
    let said = bench.send(PDU_WITH_REPORT);
    assert!(said.starts_with("+CMGS: 0 | OK | +CDS: ,26 | "), "{said:?}");
}

#[test]
fn a_restart_takes_the_line_of_a_model_on_usb_away_and_says_the_words_of_its_start() {
    for (kind, command, boot) in [
        (Model::Sim7600e, "AT+CRESET", Some("RDY | +CPIN: READY | SMS DONE | PB DONE")),
        (
            Model::Ec25,
            "AT+CFUN=1,1",
            Some("RDY | +CFUN: 1 | +CPIN: READY | +QUSIM: 1 | +QIND: SMS DONE | +QIND: PB DONE"),
        ),
        (Model::HuaweiE3372, "AT^RESET", Some("^SIMST:1 | ^SRVST:2 | ^MODE:5,101")),
        (Model::ZteMf190, "AT+ZRST", Some("+ZUSIMR:2 | +ZPASR: \"UMTS\"")),
        (Model::WavecomQ2, "AT+CFUN=1", None),
        (Model::M26, "AT+CFUN=1,1", None),
    ] {
        let mut bench = model(kind);
        let said = bench.ask(command);
        bench.pass(1000);
        assert_eq!(bench.engine.take_unplug().is_some(), boot.is_some(), "{kind:?}");
        let said = if boot.is_some() {
            bench.engine.power_on(false, bench.now);
            lines(&bench.pass(0))
        } else {
            said
        };
        let own = match kind {
            Model::WavecomQ2 => "OK | +WIND: 3 | +WIND: 4",
            _ => boot.unwrap_or("OK | RDY | +CFUN: 1 | +CPIN: READY | Call Ready"),
        };
        assert_eq!(said, own, "{kind:?}");
    }
}

#[test]
fn ussd_goes_over_the_line_as_each_model_writes_it() {
    for (kind, code, answer) in [
        (Model::Sim800l, "*888#", "+CUSD: 0,\"Sisa pulsa Anda Rp10000\",15"),
        (Model::M26, "*888#", "+CUSD: 0,\"00530069007300610020"),
        // Packed septets of `*888#`, and of the answer with its return at the end.
        (Model::HuaweiE3372, "2A1C0E3702", "+CUSD: 0,\"D3F43C0C82D7D9F33028E826874152780C0683C11A\",15"),
    ] {
        let said = model(kind).ask(&format!("AT+CUSD=1,\"{code}\",15"));
        assert!(said.starts_with(&format!("OK | {answer}")), "{kind:?}: {said}");
    }
    model(Model::HuaweiE3372).check(&[
        ("AT+CUSD=1,\"*888#\",15", "+CME ERROR: 3"),
        ("AT^USSDMODE=0", "OK"),
        ("AT+CUSD=1,\"*888#\",15", "OK | +CUSD: 0,\"Sisa pulsa Anda Rp10000\",15"),
    ]);
}

#[test]
fn lte_models_tell_their_lte_registration_and_others_do_not_know_it() {
    for kind in Model::ALL {
        let knows = matches!(kind, Model::Sim7600e | Model::Ec25 | Model::HuaweiE3372);
        assert_eq!(model(kind).ask("AT+CEREG?").contains("+CEREG: 0,1"), knows, "{kind:?}");
    }
}
