//! How a modem is spoken to depends on who it says it is.

use std::time::Duration;

use super::{ASKS_PIN, ENTERS, PinMemory, Talk, locked};
use crate::profile::Profile;
use crate::settings::Settings;
use crate::status::Phase;

const HUAWEI: [(&str, &str); 3] = [
    ("AT+CGMI", "\r\nhuawei\r\n\r\nOK\r\n"),
    ("AT+CGMM", "\r\nE173\r\n\r\nOK\r\n"),
    ("AT^ICCID?", "\r\n^ICCID: 8962100000000000001F\r\n\r\nOK\r\n"),
];
const REFUSED: &str = "\r\nERROR\r\n";

/// Where a command stands among what was said.
fn place(said: &[String], command: &str) -> usize {
    said.iter().position(|said| said == command).unwrap_or_else(|| panic!("{command} is not in {said:?}"))
}

#[test]
fn a_known_modem_is_spoken_to_in_its_own_ways_before_its_card_is_asked() {
    let mut talk = Talk::new();
    let said = talk.initialise(&HUAWEI);
    let beginning = &said[place(&said, "AT+CGMR")..];
    assert_eq!(beginning[1..5], ["AT^CURC=0", "AT^PORTSEL=1", "AT^ICCID?", "AT+CPIN?"], "{said:?}");
    assert!(!said.contains(&"AT+CCID".to_owned()), "its own way is enough: {said:?}");
    let status = talk.session.status();
    assert_eq!((status.profile, status.phase), ("huawei-e173", Phase::Ready));
    assert_eq!(status.message_routing, Some("1,1,0,1,0"));
    assert_eq!(status.identity.iccid.as_deref(), Some("8962100000000000001"));
}

#[test]
fn what_a_profile_says_may_be_refused_and_everything_goes_on() {
    let mut talk = Talk::new();
    let refused = [("AT^CURC=0", REFUSED), ("AT^PORTSEL=1", "\r\n+CME ERROR: 3\r\n"), ("AT^ICCID?", REFUSED)];
    let said = talk.initialise(&[&refused[..], &HUAWEI[..2]].concat());
    assert_eq!(said.iter().filter(|said| *said == "AT^PORTSEL=1").count(), 1, "{said:?}");
    assert_eq!(place(&said, "AT^ICCID?") + 1, place(&said, "AT+CCID"));
    assert_eq!(talk.session.status().phase, Phase::Ready);
}

#[test]
fn a_modem_that_says_nothing_before_its_pin_is_asked_again_with_its_card_open() {
    for refusal in [REFUSED, "\r\n+CME ERROR: 11\r\n", "\r\n+CME ERROR: 3\r\n", "\r\n+CME ERROR: 515\r\n"] {
        let mut talk = Talk::with(locked(&PinMemory::default()));
        let tries = ("AT+CPINR=\"SIM PIN\"", "\r\n+CPINR: SIM PIN,3,3\r\n\r\nOK\r\n");
        let says_nothing = ["AT+CGMI", "AT+CGMM", "AT+CGMR"].map(|command| (command, refusal));
        let said = talk.initialise(&[&[ASKS_PIN, tries, (ENTERS, "")][..], &says_nothing].concat());
        // Nothing was waited for, whatever the refusal means.
        assert_eq!(said.iter().filter(|said| *said == "AT+CGMI").count(), 1, "{refusal:?}: {said:?}");
        assert_eq!(talk.session.status().profile, "generic");
        assert_eq!(talk.hears("\r\nOK\r\n"), ["AT+CPIN?\r"]);
        assert_eq!(talk.hears("\r\n+CPIN: READY\r\n\r\nOK\r\n"), ["AT+CGMI\r"], "{refusal:?}");
        let said = talk.initialise(&HUAWEI);
        assert_eq!(talk.session.status().profile, "huawei-e173");
        assert!(place(&said, "AT^CURC=0") < place(&said, "AT+CMGF=0"), "{said:?}");
        assert_eq!(
            (talk.session.status().phase, talk.session.status().message_routing),
            (Phase::Ready, Some("1,1,0,1,0"))
        );
    }
}

#[test]
fn a_modem_that_never_says_who_it_is_is_asked_twice_and_works() {
    let mut talk = Talk::new();
    let said = talk.initialise(&["AT+CGMI", "AT+CGMM", "AT+CGMR"].map(|command| (command, REFUSED)));
    assert_eq!(said.iter().filter(|said| *said == "AT+CGMI").count(), 2, "{said:?}");
    assert_eq!((talk.session.status().phase, talk.session.status().profile), (Phase::Ready, "generic"));
}

#[test]
fn a_busy_modem_is_waited_for_when_it_is_asked_with_its_card_open() {
    let mut talk = Talk::new();
    let busy = "\r\n+CME ERROR: 14\r\n";
    talk.initialise(&["AT+CGMI", "AT+CGMM", "AT+CGMR"].map(|command| (command, busy)));
    assert_ne!(talk.session.status().phase, Phase::Ready, "asked again, and not yet answered");
    assert_eq!(talk.waits(Duration::from_secs(1)), ["AT+CGMI\r"]);
    talk.initialise(&HUAWEI);
    assert_eq!((talk.session.status().phase, talk.session.status().profile), (Phase::Ready, "huawei-e173"));
}

#[test]
fn a_profile_in_the_settings_weighs_more_than_what_the_modem_says() {
    let mut settings = Settings::new("m", "/dev/null");
    settings.profile = Profile::find("zte");
    let mut talk = Talk::with(settings);
    let said = talk.initialise(&HUAWEI);
    assert_eq!(place(&said, "AT+CGMR") + 1, place(&said, "AT+CPMS?"), "{said:?}");
    assert_eq!(talk.session.status().profile, "zte");
}

#[test]
fn after_a_restart_the_modem_is_asked_who_it_is_once_more() {
    let mut talk = Talk::new();
    talk.initialise(&HUAWEI);
    assert_eq!(talk.hears("\r\n^SYSSTART\r\n"), ["<ESC>"]);
    talk.initialise(&[]);
    assert_eq!((talk.session.status().phase, talk.session.status().profile), (Phase::Ready, "generic"));
}

#[test]
fn a_restart_in_the_words_of_a_family_is_a_restart_of_that_family_alone() {
    let wavecom = [("AT+CGMI", "\r\n WAVECOM MODEM\r\n\r\nOK\r\n"), ("AT+CPIN?", "\r\n+CPIN: READY\r\n\r\nOK\r\n")];
    let mut talk = Talk::new();
    talk.initialise(&wavecom);
    assert_eq!(talk.hears("\r\n+WIND: 3\r\n"), ["<ESC>"]);
    talk.initialise(&wavecom);
    assert_eq!(talk.session.status().phase, Phase::Ready);
    assert_eq!(Talk::ready().hears("\r\n+WIND: 3\r\n"), [""; 0]);
}

#[test]
fn lte_registration_is_followed_where_the_modem_knows_lte_and_never_asked_where_it_does_not() {
    let searching = ("AT+CREG?", "\r\n+CREG: 1,2\r\n\r\nOK\r\n");
    let on_lte = ("AT+CEREG?", "\r\n+CEREG: 1,1\r\n\r\nOK\r\n");
    for (maker, model, sets, asks, phase) in [
        ("Quectel", "EC25", true, true, Phase::Ready),
        ("huawei", "E173", false, true, Phase::Ready),
        ("SIMCOM_Ltd", "SIMCOM_SIM800L", false, false, Phase::NotRegistered),
        ("nobody", "", false, true, Phase::Ready),
    ] {
        let mut talk = Talk::new();
        let (maker, model) = (format!("\r\n{maker}\r\n\r\nOK\r\n"), format!("\r\n{model}\r\n\r\nOK\r\n"));
        let said = talk.initialise(&[("AT+CGMI", &maker), ("AT+CGMM", &model), searching, on_lte]);
        assert_eq!(said.contains(&"AT+CEREG=1".to_owned()), sets, "{said:?}");
        assert_eq!(said.contains(&"AT+CEREG?".to_owned()), asks, "{said:?}");
        assert_eq!(talk.session.status().phase, phase, "{said:?}");
    }
}

#[test]
fn what_comes_directly_is_acknowledged_where_the_modem_cannot_do_without() {
    let report = "\r\n+CDS: 25\r\n00062A0B917228001011F1621112123456006211121234560000\r\n";
    let states = [("+CSMS: 1,1,1,1", true), ("+CSMS: 0,1,1,1", false), ("", false)];
    // That it is not allowed may be said for ever: it is not tried again for seconds.
    let refusals = [REFUSED, "\r\n+CMS ERROR: 302\r\n", "\r\n+CME ERROR: 3\r\n"];
    for ((state, acknowledged), refusal) in
        states.into_iter().flat_map(|state| refusals.map(|refusal| (state, refusal)))
    {
        let mut talk = Talk::new();
        let state = format!("\r\n{state}\r\n\r\nOK\r\n");
        let said = talk.initialise(&[("AT+CSMS=0", refusal), ("AT+CSMS?", &state)]);
        assert_eq!(place(&said, "AT+CSMS=0") + 1, place(&said, "AT+CSMS?"));
        let did = talk.hears(report);
        assert_eq!(did.contains(&"AT+CNMA\r".to_owned()), acknowledged, "{did:?}");
        assert!(did.contains(&"(report 42)".to_owned()), "{did:?}");
        if acknowledged {
            assert_eq!(talk.hears("\r\n+CMS ERROR: 340\r\n"), [""; 0], "it wanted none");
        }
    }
    assert_eq!(Talk::ready().hears(report), ["(report 42)"], "the setting was taken");
}
