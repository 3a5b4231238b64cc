use proptest::prelude::{prop_assert, proptest};

use super::{Command, CommandError, Effect, MAX_COMMAND, Refusal};

fn check(text: &str, expected: Result<(&str, Effect), CommandError>) {
    let parsed = Command::parse(text);
    let seen = parsed.as_ref().map(|command| (command.text(), command.effect())).map_err(|error| *error);
    assert_eq!(seen, expected, "{text:?}");
}

#[test]
fn questions_only_tell() {
    for (text, sent) in [
        ("AT", "AT"),
        (" at ", "AT"),
        ("ATI", "ATI"),
        ("ati9", "ATI9"),
        ("AT&V", "AT&V"),
        ("ATS3?", "ATS3?"),
        ("AT+CSQ", "AT+CSQ"),
        ("at+csq", "AT+CSQ"),
        ("AT+CREG?", "AT+CREG?"),
        ("AT+COPS=?", "AT+COPS=?"),
        ("AT+CPIN?", "AT+CPIN?"),
        ("AT+CMGF?", "AT+CMGF?"),
        ("AT+CMGS=?", "AT+CMGS=?"),
        ("AT+SIMEI?", "AT+SIMEI?"),
        ("AT+CGSN", "AT+CGSN"),
        ("AT+CGSN=1", "AT+CGSN=1"),
        ("AT+CMGL=4", "AT+CMGL=4"),
        ("AT+CMGR=12", "AT+CMGR=12"),
        ("AT^HCSQ?", "AT^HCSQ?"),
        ("AT*CNTI=?", "AT*CNTI=?"),
        ("AT!STATUS?", "AT!STATUS?"),
        ("AT+CPINR=\"SIM PIN\"", "AT+CPINR=\"SIM PIN\""),
    ] {
        check(text, Ok((sent, Effect::Tells)));
    }
}

#[test]
fn what_is_not_known_to_tell_only_may_change_something() {
    for text in [
        "AT+CFUN=1,1",
        "AT+COPS=0",
        "AT+COPS=1,2,\"51010\"",
        "AT+CNMI=2,1,0,0,0",
        "AT+CPMS=\"ME\"",
        "AT+CSCA=\"+6281100000\",145",
        "AT+CMGD=1",
        "AT+QCFG=\"nwscanmode\",1",
        "AT+CRESET",
        "AT^RESET",
        "AT+CMGL=\"ALL\"",
        "AT+FUTURE=\"49015420323751,8\"",
    ] {
        check(text, Ok((text, Effect::MayChange)));
    }
    // Arguments keep their case; the name does not.
    check("at+cgdcont=1,\"IP\",\"Internet\"", Ok(("AT+CGDCONT=1,\"IP\",\"Internet\"", Effect::MayChange)));
}

#[test]
fn what_would_change_the_line_behind_the_drivers_back_is_refused_with_its_reason() {
    for (refusal, texts) in [
        (
            Refusal::Message,
            &[
                "AT+CMGS=23",
                "at+cmgs=23",
                "AT+CMGS",
                "AT+CMGW=23",
                "AT+CMGC=5",
                "AT+CMSS=1",
                "AT+CNMA=1,20",
                "AT+QCMGS=5",
            ] as &[&str],
        ),
        (Refusal::Message, &["AT+CMGSEX=\"1\"", "AT#CMGS=5"]),
        (Refusal::Data, &["ATD*99#", "ATD112", "ATA", "ATO", "AT+CGDATA=\"PPP\",1", "AT+CMUX=0", "AT+CIPSEND=5"]),
        (Refusal::Pin, &["AT+CPIN=1234", "AT+CPIN=\"1234\"", "AT+CPIN=\"12345678\",\"1234\"", "at+cpin=1234"]),
        (Refusal::Pin, &["AT+CLCK=\"SC\",0,\"1234\"", "AT+CPWD=\"SC\",\"1\",\"2\"", "AT^CPIN=1", "AT^CARDLOCK=\"1\""]),
        (Refusal::Pin, &["AT+CPIN", "AT+EPIN=1,\"1234\"", "AT+CPIN2=\"1234\""]),
        (Refusal::Imei, &["AT+EGMR=1,7,\"490154203237518\"", "AT+SIMEI=490154203237518", "AT^CIMEI=490154203237518"]),
        (
            Refusal::Imei,
            &["AT+EGMREXT=1,7", "AT+CGSN=490154203237518", "AT^NVWREX=550,0", "AT+MODIMEI=1", "AT+QNVFW=1"],
        ),
        (
            Refusal::Imei,
            &[
                "AT^PHYNUM=IMEI,490154203237518",
                "AT^PHYNUM=0",
                "AT+GTSN=1,7,\"0\"",
                "AT+LCTSN=1,7,\"0\"",
                "AT+QCFG=\"imei\",0",
                "AT+FUTURE=1,\"490154203237518\"",
                "AT+FUTURE=4901542032375180",
            ],
        ),
        (Refusal::Format, &["ATE1", "ATE", "ATV0", "ATQ1", "ATZ", "AT&F", "AT&F0", "ATX4", "AT&W", "AT+CMGF=1"]),
        (Refusal::Format, &["AT+CMEE=2", "AT+CSCS=\"UCS2\"", "ATE0V1+CSQ"]),
        (
            Refusal::Line,
            &["AT+IPR=9600", "AT+IFC=2,2", "AT+ICF=3", "AT&K3", "AT\\Q3", "AT+CSCLK=1", "AT^SETPORT=\"1\""],
        ),
        (Refusal::Card, &["AT+CSIM=26,\"0020000108\"", "AT+CRSM=214,28486,0,0,1,\"00\"", "AT+CGLA=1,5,\"00\""]),
        (Refusal::Power, &["AT+CPOWD=1", "AT+CPOF", "AT+CPWROFF", "AT+QPOWD", "AT^SMSO", "AT#SHDN"]),
        (Refusal::Ussd, &["AT+CUSD=1,\"*888#\",15"]),
        (Refusal::Basic, &["ATH", "ATS0=1", "ATI+CPIN", "ATIE1", "ATM0", "ATL"]),
    ] {
        for text in texts {
            check(text, Err(CommandError::Refused(refusal)));
        }
    }
}

#[test]
fn one_line_is_one_command_whatever_firmware_would_make_of_it() {
    for (text, error) in [
        ("", CommandError::NotAt),
        ("A", CommandError::NotAt),
        ("A/", CommandError::NotAt),
        ("+++", CommandError::NotAt),
        ("CSQ", CommandError::NotAt),
        ("€€", CommandError::Character),
        ("AT+CSQ\r", CommandError::Character),
        ("AT+CSQ\rAT+CMGS=1", CommandError::Character),
        ("AT+CSQ\nAT", CommandError::Character),
        ("AT+CSQ\u{1b}", CommandError::Character),
        ("AT+CSQ\u{1a}", CommandError::Character),
        ("AT+CSQ\0", CommandError::Character),
        ("AT+CSQ\t", CommandError::Character),
        ("AT+COPS=\"caf\u{e9}\"", CommandError::Character),
        ("AT+CSQ;+CPIN=1234", CommandError::Chained),
        ("AT+CSQ;", CommandError::Chained),
        // Firmware that does not know quotes sees two commands.
        ("AT+CSCA=\"a;+CPIN=1234\"", CommandError::Chained),
        ("AT +CSQ", CommandError::Refused(Refusal::Basic)),
        ("AT+C PIN=1234", CommandError::Malformed),
        ("AT+CSQ+CPIN=1234", CommandError::Malformed),
        ("AT+CREG?+CPIN=1234", CommandError::Malformed),
        ("AT+CREG??", CommandError::Malformed),
        ("AT+", CommandError::Malformed),
        ("AT+=1", CommandError::Malformed),
        ("AT++CSQ", CommandError::Malformed),
        ("AT+CSQ AT+CPIN=1", CommandError::Malformed),
        ("AT+ABCDEFGHIJKLMNOPQRSTUVWXYZ", CommandError::Malformed),
    ] {
        check(text, Err(error));
    }
    check(&format!("AT+CSCA=\"{}\"", "1".repeat(MAX_COMMAND)), Err(CommandError::TooLong));
}

#[test]
fn neither_debug_nor_verb_nor_error_shows_an_argument() {
    let command = Command::parse("AT+CSCA=\"+6281100000\",145").unwrap();
    assert_eq!(command.verb(), "AT+CSCA=…");
    assert!(!format!("{command:?}").contains("62811"));
    let error = Command::parse("AT+CPIN=\"4711\"").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("4711"));
    assert!(error.to_string().starts_with("refused: it takes a code"));
}

proptest! {
    #[test]
    fn what_passes_is_one_line_without_any_second_command(text in "(?s)(AT|at)?[+^A-Za-z&;=?\"0-9 \r\n\u{1a}\u{1b},]{0,30}") {
        if let Ok(command) = Command::parse(&text) {
            let sent = command.text();
            prop_assert!(sent.starts_with("AT") && sent.len() <= MAX_COMMAND);
            prop_assert!(sent.bytes().all(|byte| (0x20..0x7F).contains(&byte) && byte != b';'));
            let (name, _) = sent.split_once(['=', '?']).unwrap_or((sent, ""));
            prop_assert!(!name.contains(' ') && name.matches(super::MARKS).count() <= 1, "{sent:?}");
        }
    }

    #[test]
    fn no_text_makes_it_panic(text: String) {
        drop(Command::parse(&text));
    }
}
