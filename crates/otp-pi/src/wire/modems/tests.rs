use ::modem::discovery::FoundLine;
use ::modem::{Answer, AskError, Command, Fact, Phase, Report, Status};
use domain::receiver::Msisdn;
use domain::secret::SecretText;
use gsm::at::{PinState, RegistrationStatus, SignalQuality};
use gsm::{FinalResult, UssdStatus};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    Checked, Conclusion, ListedBalance, ListedLine, Manual, MatchedModem, PartState, answer, balance as balance_of,
    lines as lines_of, manual, no_answer, reports, ussd, wrapped,
};

fn lines(lines: &[&str]) -> Vec<Zeroizing<String>> {
    lines.iter().map(|line| Zeroizing::new((*line).to_owned())).collect()
}

fn report() -> Report {
    Report {
        modem: "one".to_owned(),
        status: Status {
            phase: Phase::Ready,
            profile: "sim800",
            message_routing: Some("2,1,2,1,0"),
            ..Status::default()
        },
        attention: Fact::Told(()),
        pin: Fact::Told(PinState::Ready),
        signal: Fact::Told(SignalQuality { rssi: Some(4), bit_error: None }),
        registration: Fact::Told(RegistrationStatus::Home),
        registration_eps: Fact::Refused("ERROR".to_owned()),
        imsi: Fact::Told("510100000000001".to_owned()),
        own_number: Fact::Told(gsm::Address::international("6281100000001").ok()),
        service_center: Fact::Refused("+CMS ERROR: 310".to_owned()),
        supply_millivolts: Fact::Told(Some(4100)),
        ..Report::default()
    }
}

fn checked(report: Report) -> Checked {
    Checked { line: "/dev/ttyUSB2".to_owned(), report, drained: None }
}

#[test]
fn a_report_is_read_by_people_and_by_scripts_and_shows_no_full_number() {
    let rendered = reports(&[checked(report())]);
    let expected = "\
one on /dev/ttyUSB2: can send, with warnings

  AT            OK
  SIM           ready
  signal        -105 dBm, too weak (4 of 31)
  registration  registered, home network
  SMSC          +CMS ERROR: 310 (sim not inserted)
  profile       sim800
  IMSI          51010•••01
  own number    +62811•••01
  supply        4.10 V
  reports       come by themselves (AT+CNMI=2,1,2,1,0)

  1. warning: The signal is weak (-105 dBm, below -100): messages will fail now and then. Look at the
     antenna and its plug, and put it higher, at a window, away from the Raspberry Pi and from metal.";
    assert_eq!(rendered.text, expected);
    assert_eq!(rendered.conclusion, Conclusion::Warned);
    let modem = &rendered.json["modems"][0];
    assert_eq!(modem["verdict"], "warned");
    assert_eq!((&modem["phase"], &modem["profile"]), (&json!("ready"), &json!("sim800")));
    assert_eq!(
        modem["answers"]["signal"],
        json!({"state": "told", "value": {"rssi": 4, "dbm": -105, "word": "too weak"}})
    );
    assert_eq!(modem["answers"]["smsc"], json!({"state": "refused", "error": "+CMS ERROR: 310 (sim not inserted)"}));
    assert_eq!(modem["answers"]["model"], json!({"state": "unasked"}));
    assert_eq!(modem["advice"][0]["kind"], "signal-weak");
    for shown in [rendered.text, rendered.json.to_string()] {
        assert!(!shown.contains("510100000000001") && !shown.contains("6281100000001"), "{shown}");
    }
}

#[test]
fn the_worst_modem_decides() {
    let well = Report { signal: Fact::Told(SignalQuality { rssi: Some(20), bit_error: None }), ..report() };
    let dead = Report { modem: "two".to_owned(), ..Report::default() };
    assert_eq!(reports(&[checked(well.clone())]).conclusion, Conclusion::Good);
    let both = reports(&[checked(well), checked(dead)]);
    assert_eq!(both.conclusion, Conclusion::Bad);
    assert!(both.text.contains("\n\ntwo on /dev/ttyUSB2: CANNOT SEND\n"), "{}", both.text);
    assert_eq!(both.json["modems"].as_array().map(Vec::len), Some(2));
}

#[test]
fn an_answer_looks_as_on_a_terminal_and_cannot_steer_it() {
    let command = Command::parse("AT+CIMI").unwrap();
    let told = Answer {
        lines: lines(&["51010\u{9b}31m", "two"]),
        is_cut: true,
        result: FinalResult::Ok,
        result_line: "OK".to_owned(),
    };
    let rendered = answer(&command, &told);
    assert_eq!(rendered.text, "51010\u{fffd}31m\ntwo\n… the answer was longer; the rest is left out\nOK");
    assert_eq!(rendered.conclusion, Conclusion::Good);
    assert_eq!(rendered.json["lines"][1], "two");
    assert_eq!(rendered.json["is_cut"], true);

    let result_line = "+CME ERROR: 10".to_owned();
    let result = FinalResult::parse(&result_line).unwrap();
    let refused = answer(&command, &Answer { lines: lines(&[]), is_cut: false, result, result_line });
    assert_eq!(refused.text, "+CME ERROR: 10 (sim not inserted)");
    assert_eq!((refused.conclusion, &refused.json["ok"]), (Conclusion::Bad, &json!(false)));

    let nothing = no_answer(&command, &AskError::NoResult { lines: lines(&["half"]) });
    assert_eq!(nothing.text, "half\nthe modem gave no final result in time");
    assert_eq!(nothing.conclusion, Conclusion::Bad);
}

#[test]
fn what_became_of_a_manual_sms_is_said_honestly() {
    let sent = || PartState::Sent { message_reference: Some(7) };
    let not_sent = || PartState::NotSent { why: "+CMS ERROR 38: network out of order".to_owned() };
    let unknown = || PartState::Unknown { why: "no final result in time".to_owned() };
    for (parts, conclusion, state, words) in [
        (vec![sent(), sent()], Conclusion::Good, "sent", "part 2 of 2: sent, reference 7"),
        (vec![not_sent(), PartState::NotTried], Conclusion::Bad, "not-sent", "network out of order"),
        (vec![sent(), not_sent()], Conclusion::Unclear, "incomplete", "would double them"),
        (vec![unknown()], Conclusion::Unclear, "unknown", "may double it"),
        (vec![sent(), unknown(), PartState::NotTried], Conclusion::Unclear, "unknown", "part 3 of 3: not tried"),
    ] {
        let receiver = Msisdn::from_canonical("6281234567890").unwrap();
        let rendered = manual(&Manual { modem: "one".to_owned(), receiver, parts });
        assert_eq!(rendered.conclusion, conclusion);
        assert_eq!(rendered.json["state"], state);
        assert!(rendered.text.contains(words), "{words:?} in {}", rendered.text);
        assert!(!format!("{}{}", rendered.text, rendered.json).contains("6281234567890"));
    }
}

#[test]
fn a_line_shows_what_its_sim_is_worth_and_an_answer_of_the_network_cannot_steer_a_terminal() {
    let line = FoundLine {
        name: "ttyUSB2".to_owned(),
        device: "/dev/ttyUSB2".into(),
        path: "/dev/serial/by-id/one".into(),
        links: Vec::new(),
        driver: None,
        usb: None,
        is_console: false,
        holder: None,
    };
    let balance = ListedBalance {
        number: "12500.5".to_owned(),
        shown: "12,500.50".to_owned(),
        at: "2026-11-24 09:00:00".to_owned(),
        at_unix_millis: 7,
        is_low: true,
    };
    let listed = ListedLine {
        line,
        modem: Some(MatchedModem { name: "one".to_owned(), by: "its port" }),
        sim_use: None,
        probed: None,
        standing: None,
        balance: Some(balance),
        clash: None,
    };
    let rendered = lines_of(&[listed]);
    assert!(rendered.text.contains("balance  12,500.50 at 2026-11-24 09:00:00, low: top it up"), "{}", rendered.text);
    assert_eq!(rendered.json["lines"][0]["balance"], json!({"amount": 12500.5, "at": 7, "low": true}));

    let (text, raw) = (SecretText::new("1 A\r\n2 B\u{1b}[2J"), SecretText::new("raw"));
    let rendered = ussd("one", UssdStatus::ReplyExpected, &text, &raw);
    assert_eq!(rendered.text, "1 A\n2 B\u{fffd}[2J");
    assert_eq!((&rendered.json["replyable"], &rendered.json["raw"]), (&json!(true), &json!("raw")));
    assert_eq!(balance_of("one", "-2.5", "-2.50", true).conclusion, Conclusion::Warned);
}

#[test]
fn a_long_text_is_broken_at_blanks() {
    assert_eq!(wrapped("one two three", 2, 8), "one two\n  three");
    assert_eq!(wrapped("averylongword a", 2, 4), "averylongword\n  a");
    assert_eq!(wrapped("", 2, 4), "");
}
