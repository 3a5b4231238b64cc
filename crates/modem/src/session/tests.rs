// long: transcripts of one state machine, side by side; a reader looks for a command, not for a file
//! Conversations as transcripts: what is said, what is answered, what comes of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gsm::{ErrorClass, ErrorCode, Pdu};

use super::{Action, Session};
use crate::event::Handed;
use crate::pin::{Pin, PinKeeper, PinMemory, Tried};
use crate::question::{Answer, AskError};
use crate::settings::{Settings, SmsCenter};
use crate::status::{Phase, Registration};
use crate::submission::{Refused, SendError, Sent};
use crate::ussd::UssdDone;

/// A SUBMIT of the reference vectors: `tpdu_length` 24.
const PDU: &str = "0001000B917228001011F100000CC8329BFD065DDF72363904";
const PDU_LENGTH: usize = 24;
const REPORT: &str = "062A0B917228001011F1621112123456006211121234560000";

/// A session and the modem that the test plays.
struct Talk {
    session: Session,
    now: Instant,
    /// What it did last.
    last: Vec<String>,
    /// What it handed on from a place.
    handed: Vec<Handed>,
}

impl Talk {
    fn with(settings: Settings) -> Self {
        let now = tokio::time::Instant::now().into_std();
        Self { session: Session::new(settings, None, now), now, last: Vec::new(), handed: Vec::new() }
    }

    fn new() -> Self {
        Self::with(Settings::new("m", "/dev/null"))
    }

    /// A session that has initialised.
    fn ready() -> Self {
        let mut talk = Self::new();
        talk.initialise(&[]);
        assert_eq!(talk.session.status().phase, Phase::Ready);
        talk
    }

    /// What the session does now, one word or written line each.
    fn did(&mut self) -> Vec<String> {
        let mut did = Vec::new();
        while let Some(action) = self.session.next_action() {
            did.push(match action {
                Action::Write(bytes) => {
                    String::from_utf8(bytes.to_vec()).unwrap().replace('\x1b', "<ESC>").replace('\x1a', "<^Z>")
                }
                Action::Prepare => "(prepare)".to_owned(),
                Action::HandedOver => "(handed over)".to_owned(),
                Action::Finished(result) => format!("(finished {})", short(&result)),
                Action::Answered(result) => format!("(answered {})", short_answer(&result)),
                Action::Ussd(Some(result)) => format!("(ussd {})", short_ussd(&result)),
                Action::Ussd(None) => "(ussd over)".to_owned(),
                Action::Report(report, handed) => {
                    self.handed.extend(handed);
                    format!("(report {})", report.message_reference)
                }
                Action::Inbound(_, handed) => {
                    self.handed.extend(handed.clone());
                    format!("(inbound {:?})", handed.map(|handed| handed.place.index))
                }
                Action::Reopen => "(reopen)".to_owned(),
                Action::Unwell(trouble) => format!("(unwell {trouble:?})"),
            });
        }
        if !did.is_empty() {
            self.last.clone_from(&did);
        }
        did
    }

    fn hears(&mut self, text: &str) -> Vec<String> {
        self.session.received(text.as_bytes(), self.now);
        self.did()
    }

    fn waits(&mut self, time: Duration) -> Vec<String> {
        self.now += time;
        self.session.tick(self.now);
        self.did()
    }

    /// Waits after an ESC until the first command comes.
    fn settles(&mut self) -> Vec<String> {
        assert_eq!(self.waits(Duration::from_millis(50)), ["\r"]);
        self.waits(Duration::from_millis(50))
    }

    /// Somebody has what was handed on, counted from 0.
    fn takes(&mut self, which: usize) -> Vec<String> {
        let handed = self.handed[which].clone();
        self.session.delete(&handed, self.now);
        self.did()
    }

    fn submits(&mut self) -> Vec<String> {
        self.session.submit(PDU_LENGTH, false, self.now);
        self.did()
    }

    fn prepares(&mut self, prepared: Result<Pdu, Refused>) -> Vec<String> {
        self.session.prepared(prepared, self.now);
        self.did()
    }

    /// Brings a message to the air.
    fn hands_over(&mut self) {
        assert_eq!(self.submits(), ["AT+CMGS=24\r", "(prepare)"]);
        assert_eq!(self.prepares(pdu()), [""; 0]);
        assert_eq!(self.hears("\r\n> "), ["(handed over)".to_owned(), format!("{PDU}<^Z>")]);
    }

    /// Answers what is asked until nothing is asked any more; returns all commands. `special` answers come first.
    fn initialise(&mut self, special: &[(&str, &str)]) -> Vec<String> {
        let mut all = self.did();
        let mut said = self.last.clone();
        for _ in 0..200 {
            let settle = Duration::from_millis(50);
            said = match said.last().map(|last| last.trim_end().to_owned()) {
                Some(last) if last == "<ESC>" || last.is_empty() => self.waits(settle),
                Some(last) if last.starts_with("AT") => {
                    let answer = special.iter().find(|(command, _)| *command == last).map(|(_, answer)| *answer);
                    let answer = answer.unwrap_or_else(|| usual(&last)).to_owned();
                    self.hears(&answer)
                }
                _ => break,
            };
            all.extend(said.clone());
        }
        all.into_iter().map(|said| said.trim_end().to_owned()).filter(|said| !said.is_empty()).collect()
    }
}

fn pdu() -> Result<Pdu, Refused> {
    Ok(Pdu::from_hex(PDU).unwrap())
}

fn short(result: &Result<Sent, SendError>) -> String {
    match result {
        Ok(Sent { message_reference }) => format!("sent {message_reference:?}"),
        Err(SendError::NotSent { class, code, .. }) => {
            format!("not sent {class:?} {:?}", code.and_then(ErrorCode::number))
        }
        Err(SendError::Refused) => "refused".to_owned(),
        Err(SendError::Unknown { .. }) => "unknown".to_owned(),
    }
}

fn short_answer(result: &Result<Answer, AskError>) -> String {
    match result {
        Ok(answer) => {
            let lines: Vec<&str> = answer.lines.iter().map(|line| line.as_str()).collect();
            format!("{}: {}", answer.result_line, lines.join(" | "))
        }
        Err(AskError::NoResult { lines }) => format!("no result, {} lines", lines.len()),
        Err(error) => error.to_string(),
    }
}

fn short_ussd(result: &UssdDone) -> String {
    match result {
        Ok(Some(answer)) => format!("{}: {}", answer.status.word(), answer.text.as_str()),
        Ok(None) => "cancelled".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn usual(command: &str) -> &'static str {
    match command {
        "AT+CPIN?" => "\r\n+CPIN: READY\r\n\r\nOK\r\n",
        "AT+CMEE?" => "\r\n+CMEE: 1\r\n\r\nOK\r\n",
        "AT+CSQ" => "\r\n+CSQ: 21,0\r\n\r\nOK\r\n",
        "AT+CREG?" => "\r\n+CREG: 1,1\r\n\r\nOK\r\n",
        "AT+COPS?" => "\r\n+COPS: 0,0,\"TELKOMSEL\"\r\n\r\nOK\r\n",
        "AT+CCID" => "\r\n8962100000000000001f\r\n\r\nOK\r\n",
        "AT+CGSN" => "\r\n490154203237518\r\n\r\nOK\r\n",
        "AT+CIMI" => "\r\n510100000000001\r\n\r\nOK\r\n",
        "AT+CGMI" => "\r\nNOBODY\r\n\r\nOK\r\n",
        "AT+CGMM" => "\r\nN1\r\n\r\nOK\r\n",
        "AT+CGMR" => "\r\nRevision:1\r\n\r\nOK\r\n",
        "AT+CSCA?" => "\r\n+CSCA: \"+6281100000\",145\r\n\r\nOK\r\n",
        "AT+CPMS?" => "\r\n+CPMS: \"SM\",0,20,\"SM\",0,20,\"SM\",0,20\r\n\r\nOK\r\n",
        "AT+CEREG?" | "AT+CPINR=\"SIM PIN\"" | "AT+SPIC" | "AT+QPINC?" | "AT^CPIN?" | "AT+ZPINPUK=?" | "AT+QTRPIN" => {
            "\r\nERROR\r\n"
        }
        _ => "\r\nOK\r\n",
    }
}

#[test]
fn initialisation_says_everything_in_order_and_reads_the_identity() {
    let mut talk = Talk::new();
    let said = talk.initialise(&[]);
    assert_eq!(
        said,
        [
            "<ESC>",
            "ATQ0V1E0",
            "AT+CMEE?",
            "ATE0",
            "ATV1",
            "AT+CMEE=1",
            "AT+CGMI",
            "AT+CGMM",
            "AT+CGMR",
            "AT+CCID",
            "AT+CPIN?",
            "AT+CSCS=\"GSM\"",
            "AT+CMGF=0",
            "AT+CSMS=0",
            "AT+CNMI=2,1,2,1,0",
            "AT+CREG=1",
            "AT+CSCA?",
            "AT+CPMS?",
            "AT+CGSN",
            "AT+CIMI",
            "AT+CSQ",
            "AT+COPS?",
            "AT+CREG?",
            "AT+CMGL=4",
        ]
    );
    let status = talk.session.status();
    assert_eq!(status.phase, Phase::Ready);
    assert_eq!(status.identity.imei.as_deref(), Some("490154203237518"));
    assert_eq!(status.identity.iccid.as_deref(), Some("8962100000000000001"));
    assert_eq!(status.identity.revision.as_deref(), Some("Revision:1"));
    assert_eq!((status.rssi, status.signal_dbm), (Some(21), Some(-71)));
    assert_eq!(status.operator.as_deref(), Some("TELKOMSEL"));
    assert_eq!(status.smsc.as_deref(), Some("+6281100000"));
    assert_eq!(status.message_routing, Some("2,1,2,1,0"));
}

#[test]
fn routing_falls_back_and_records_what_worked() {
    let mut talk = Talk::new();
    let error = "\r\n+CMS ERROR: 303\r\n";
    talk.initialise(&[("AT+CNMI=2,1,2,1,0", error), ("AT+CNMI=2,1,2,2,0", error)]);
    assert_eq!(talk.session.status().message_routing, Some("1,1,0,1,0"));
}

#[test]
fn a_configured_sms_center_is_written() {
    let mut settings = Settings::new("m", "/dev/null");
    settings.sms_center = Some(SmsCenter::parse("+6281100000").unwrap());
    let said = Talk::with(settings).initialise(&[]);
    assert!(said.contains(&"AT+CSCA=\"+6281100000\",145".to_owned()), "{said:?}");
}

#[test]
fn final_results_of_a_send_are_told_apart() {
    for (answer, finished) in [
        ("\r\n+CMGS: 7\r\n\r\nOK\r\n", "sent Some(7)"),
        ("\r\n+CMS ERROR: 38\r\n", "not sent RetryHere Some(38)"),
        ("\r\n+CMS ERROR: 28\r\n", "not sent GiveUp Some(28)"),
        ("\r\n+CMS ERROR: 332\r\n", "unknown"),
        ("\r\n+CMS ERROR: 500\r\n", "unknown"),
        ("\r\n+CMS ERROR: 197\r\n", "sent None"),
        ("\r\n+CMS ERROR: 521\r\n", "unknown"),
        ("\r\nERROR\r\n", "unknown"),
        ("\r\nOK\r\n", "unknown"),
        ("\r\n+CMGS: 7\r\n\r\nERROR\r\n", "sent Some(7)"),
        ("\r\n+CMGS: 7\r\n\r\n+CMS ERROR: 38\r\n", "sent Some(7)"),
        ("\r\n+CMGS: 7\r\n\r\n+CMGS: x\r\n\r\nOK\r\n", "sent Some(7)"),
        ("\r\n+CMGS: x\r\n\r\n+CMGS: 8\r\n\r\nOK\r\n", "sent Some(8)"),
        ("\r\n+CMGS:\r\n\r\nOK\r\n", "sent None"),
        ("\r\n+CMGS: 300\r\n\r\nOK\r\n", "sent None"),
    ] {
        let mut talk = Talk::ready();
        talk.hands_over();
        assert_eq!(talk.hears(answer)[0], format!("(finished {finished})"), "{answer:?}");
    }
}

#[test]
fn the_next_message_goes_out_in_the_same_call_as_the_final_result() {
    let mut talk = Talk::ready();
    talk.hands_over();
    talk.session.submit(PDU_LENGTH, false, talk.now);
    assert_eq!(talk.hears("\r\n+CMGS: 7\r\n\r\nOK\r\n"), ["(finished sent Some(7))", "AT+CMGS=24\r", "(prepare)"]);
}

#[test]
fn the_pdu_waits_for_prompt_and_prepare_whichever_comes_last() {
    let mut talk = Talk::ready();
    talk.hands_over();
    talk.hears("\r\n+CMGS: 1\r\n\r\nOK\r\n");
    assert_eq!(talk.submits(), ["AT+CMGS=24\r", "(prepare)"]);
    assert_eq!(talk.hears("\r\n> "), [""; 0], "no pdu yet");
    assert_eq!(talk.prepares(pdu()), ["(handed over)".to_owned(), format!("{PDU}<^Z>")]);
}

#[test]
fn a_refused_prepare_leaves_the_prompt_by_esc_and_writes_no_pdu() {
    for prompt_first in [false, true] {
        let mut talk = Talk::ready();
        talk.submits();
        let mut did = Vec::new();
        if prompt_first {
            did.extend(talk.hears("\r\n> "));
            did.extend(talk.prepares(Err(Refused)));
        } else {
            did.extend(talk.prepares(Err(Refused)));
            did.extend(talk.hears("\r\n> "));
        }
        assert_eq!(did, ["(finished refused)", "<ESC>"]);
        let said = talk.initialise(&[]);
        assert_eq!(talk.session.status().phase, Phase::Ready, "{said:?}");
        talk.hands_over();
    }
}

#[test]
fn a_pdu_of_another_length_than_announced_is_not_written() {
    let mut talk = Talk::ready();
    talk.session.submit(PDU_LENGTH + 1, false, talk.now);
    talk.did();
    talk.hears("\r\n> ");
    assert_eq!(talk.prepares(pdu()), ["(finished not sent GiveUp None)", "<ESC>"]);
}

#[test]
fn an_error_before_the_prompt_is_never_unknown() {
    for (answer, class) in [
        ("+CMS ERROR: 500", ErrorClass::RetryHere),
        ("+CMS ERROR: 197", ErrorClass::RetryHere),
        ("ERROR", ErrorClass::RetryHere),
        ("+CMS ERROR: 304", ErrorClass::RetryHere),
        ("+CMS ERROR: 305", ErrorClass::RetryHere),
    ] {
        let mut talk = Talk::ready();
        talk.submits();
        let finished = talk.hears(&format!("\r\n{answer}\r\n"))[0].clone();
        assert!(finished.starts_with(&format!("(finished not sent {class:?}")), "{answer}: {finished}");
    }
}

#[test]
fn a_missing_prompt_is_not_sent_and_a_late_one_is_left_by_esc() {
    let mut talk = Talk::ready();
    talk.submits();
    talk.prepares(pdu());
    assert_eq!(talk.waits(Duration::from_secs(10)), ["(finished not sent RetryHere None)", "<ESC>"]);
    assert_eq!(talk.settles(), ["ATQ0V1E0\r"]);
    assert_eq!(talk.hears("\r\n> "), ["<ESC>"], "our AT must not become the text of a message");
    talk.initialise(&[]);
    assert_eq!(talk.session.status().phase, Phase::Ready);
}

#[test]
fn a_slow_prepare_is_given_up_after_the_prompt() {
    let mut talk = Talk::ready();
    talk.submits();
    talk.hears("\r\n> ");
    assert_eq!(talk.waits(Duration::from_secs(19)), [""; 0]);
    assert_eq!(talk.waits(Duration::from_secs(1)), ["(finished not sent RetryHere None)", "<ESC>"]);
    assert_eq!(talk.prepares(pdu()), [""; 0], "a late pdu is not written");
}

#[test]
fn a_late_final_result_is_never_taken_for_the_next_answer() {
    let mut talk = Talk::ready();
    talk.hands_over();
    assert_eq!(talk.waits(Duration::from_secs(120)), ["(finished unknown)", "<ESC>"]);
    assert_eq!(talk.session.status().phase, Phase::Recovering);
    talk.session.submit(PDU_LENGTH, false, talk.now);
    assert_eq!(talk.settles(), ["ATQ0V1E0\r"]);
    // The late answer looks like the answer to AT …
    assert_eq!(talk.hears("\r\n+CMGS: 9\r\n\r\nOK\r\n"), ["AT+CMEE?\r"]);
    // … so the OK of AT comes now, and must not be believed, and neither what a modem may say unasked.
    assert_eq!(talk.hears("\r\nOK\r\n\r\n+CSQ: 20,0\r\n\r\nOK\r\n"), [""; 0]);
    assert_eq!(talk.hears("\r\n+CMEE: 1\r\n\r\nOK\r\n"), ["ATE0\r"]);
    let said = talk.initialise(&[]);
    assert_eq!(said.last().map(String::as_str), Some("(prepare)"), "the waiting message follows: {said:?}");
}

#[test]
fn a_lost_line_is_unknown_only_after_the_pdu() {
    let mut talk = Talk::ready();
    talk.submits();
    talk.session.lost();
    assert_eq!(talk.did(), ["(finished not sent OtherModem None)"]);
    let mut talk = Talk::ready();
    talk.hands_over();
    talk.session.lost();
    assert_eq!(talk.did(), ["(finished unknown)"]);
}

#[test]
fn a_reset_inside_a_send_is_unknown_and_initialises_again() {
    let mut talk = Talk::ready();
    talk.hands_over();
    assert_eq!(talk.hears("\r\nRDY\r\n"), ["(finished unknown)", "<ESC>"]);
    let said = talk.initialise(&[]);
    assert!(said.contains(&"AT+CMGF=0".to_owned()) && said.contains(&"AT+CNMI=2,1,2,1,0".to_owned()), "{said:?}");
}

#[test]
fn a_silent_modem_is_reopened_after_some_rounds() {
    let mut talk = Talk::new();
    let mut did = talk.did();
    for _ in 0..30 {
        did.extend(talk.waits(Duration::from_secs(1)));
    }
    assert_eq!(did.iter().filter(|did| did.starts_with("ATQ0")).count(), 5);
    assert_eq!(did.last().map(String::as_str), Some("(reopen)"));
    assert_eq!(talk.session.status().phase, Phase::Silent);
}

#[test]
fn reports_come_at_any_time_and_inside_any_answer() {
    let report = format!("\r\n+CDS: {}\r\n{REPORT}\r\n", REPORT.len() / 2);
    let mut talk = Talk::ready();
    assert_eq!(talk.hears(&report), ["(report 42)"]);
    talk.submits();
    assert_eq!(talk.hears(&report), ["(report 42)"]);
    talk.prepares(pdu());
    talk.hears("\r\n> ");
    assert_eq!(
        talk.hears(&format!("{report}\r\n+CMGS: 7\r\n{report}\r\nOK\r\n")),
        ["(report 42)", "(report 42)", "(finished sent Some(7))"]
    );
}

#[test]
fn a_stored_report_is_read_and_deleted() {
    let mut talk = Talk::ready();
    assert_eq!(talk.hears("\r\n+CDSI: \"SM\",5\r\n"), ["AT+CMGR=5\r"]);
    let answer = format!("\r\n+CMGR: 0,,{}\r\n00{REPORT}\r\n\r\nOK\r\n", REPORT.len() / 2);
    assert_eq!(talk.hears(&answer), ["(report 42)"]);
    // Only when somebody has it.
    assert_eq!(talk.takes(0), ["AT+CMGD=5\r"]);
}

#[test]
fn an_inbound_message_is_deleted_only_when_taken_and_only_on_its_own_card() {
    let mut talk = Talk::ready();
    assert_eq!(talk.hears("\r\n+CMTI: \"ME\",3\r\n"), ["AT+CPMS=\"ME\"\r"]);
    assert_eq!(talk.hears("\r\n+CPMS: 1,50,0,20,0,20\r\n\r\nOK\r\n"), ["AT+CMGR=3\r"]);
    let answer = "\r\n+CMGR: 0,,23\r\n07914400000000F01100099121436587F90008F40A4E16754C60A8597DFF01\r\n\r\nOK\r\n";
    assert_eq!(talk.hears(answer), ["(inbound Some(3))"]);
    let mut another = talk.handed[0].clone();
    "another".clone_into(&mut another.place.card);
    talk.session.delete(&another, talk.now);
    assert_eq!(talk.did(), [""; 0]);
    assert_eq!(talk.takes(0), ["AT+CMGD=3\r"]);
}

#[test]
fn a_storage_name_cannot_smuggle_a_command() {
    let mut talk = Talk::ready();
    assert_eq!(talk.hears("\r\n+CMTI: \"SM\",3;D1\r\n\r\n+CMTI: \"M;\",3\r\n"), [""; 0]);
}

#[test]
fn the_modem_is_looked_at_regularly_and_messages_go_first() {
    let mut talk = Talk::ready();
    assert_eq!(talk.waits(Duration::from_secs(30)), ["AT+CSQ\r"]);
    talk.session.submit(PDU_LENGTH, false, talk.now);
    assert_eq!(talk.hears("\r\n+CSQ: 9,0\r\n\r\nOK\r\n"), ["AT+CMGS=24\r", "(prepare)"]);
    assert_eq!(talk.session.status().rssi, Some(9));
}

#[test]
fn a_lost_registration_refuses_messages_until_it_comes_back() {
    let mut talk = Talk::ready();
    talk.hears("\r\n+CREG: 2\r\n");
    assert_eq!(talk.session.status().phase, Phase::NotRegistered);
    assert_eq!(talk.submits(), ["(finished not sent OtherModem None)"]);
    talk.hears("\r\n+CREG: 5\r\n");
    assert_eq!(talk.session.status().phase, Phase::Ready);
}

fn locked(pin_memory: &PinMemory) -> Settings {
    let mut settings = Settings::new("m", "/dev/null");
    settings.sim_pin = Some(Pin::parse("1234").unwrap());
    settings.pin_memory = pin_memory.clone();
    settings
}

const ASKS_PIN: (&str, &str) = ("AT+CPIN?", "\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n");
const ENTERS: &str = "AT+CPIN=\"1234\"";

#[test]
fn a_refused_pin_is_never_entered_again_not_even_after_reopening() {
    let memory = PinMemory::default();
    let answers = [ASKS_PIN, (ENTERS, "\r\n+CME ERROR: 16\r\n")];
    let mut talk = Talk::with(locked(&memory));
    let said = talk.initialise(&answers);
    assert_eq!(said.iter().filter(|said| *said == ENTERS).count(), 1);
    assert_eq!(talk.session.status().phase, Phase::PinRefused);
    talk.waits(Duration::from_secs(30));
    let mut again = Talk::with(locked(&memory));
    let said = again.initialise(&answers);
    assert!(!said.contains(&ENTERS.to_owned()), "{said:?}");
    assert_eq!(again.session.status().phase, Phase::PinRefused);
}

#[test]
fn a_right_pin_opens_the_card_and_may_open_it_after_a_power_loss() {
    let memory = PinMemory::default();
    for _ in 0..2 {
        let mut talk = Talk::with(locked(&memory));
        talk.initialise(&[ASKS_PIN, (ENTERS, "")]);
        talk.hears("\r\nOK\r\n");
        talk.session.received(b"\r\n+CPIN: READY\r\n\r\nOK\r\n", talk.now);
        talk.initialise(&[]);
        assert_eq!(talk.session.status().phase, Phase::Ready);
    }
}

#[test]
fn a_pin_whose_answer_was_lost_is_not_entered_again() {
    let memory = PinMemory::default();
    let mut talk = Talk::with(locked(&memory));
    let mut said = talk.initialise(&[ASKS_PIN, (ENTERS, "")]);
    said.extend(talk.waits(Duration::from_secs(20)));
    talk.settles();
    talk.hears("\r\nOK\r\n");
    talk.hears("\r\n+CMEE: 1\r\n\r\nOK\r\n");
    said.extend(talk.hears("\r\nOK\r\n"));
    said.extend(talk.initialise(&[ASKS_PIN]));
    said.extend(talk.waits(Duration::from_secs(60)));
    assert_eq!(said.iter().filter(|said| said.trim_end() == ENTERS).count(), 1, "{said:?}");
}

#[test]
fn no_pin_is_entered_when_few_tries_are_left_or_a_puk_is_asked() {
    let memory = PinMemory::default();
    let mut talk = Talk::with(locked(&memory));
    let said = talk.initialise(&[ASKS_PIN, ("AT+CPINR=\"SIM PIN\"", "\r\n+CPINR: SIM PIN,2,3\r\n\r\nOK\r\n")]);
    assert!(!said.contains(&ENTERS.to_owned()));
    assert_eq!((talk.session.status().phase, talk.session.status().pin_tries_left), (Phase::PinRefused, Some(2)));
    let mut talk = Talk::with(locked(&memory));
    let said = talk.initialise(&[("AT+CPIN?", "\r\n+CPIN: SIM PUK\r\n\r\nOK\r\n")]);
    assert!(!said.contains(&ENTERS.to_owned()));
    assert_eq!(talk.session.status().phase, Phase::PukNeeded);
}

#[test]
fn a_setting_that_a_busy_card_refuses_is_said_again() {
    let mut talk = Talk::new();
    talk.initialise(&[("AT+CNMI=2,1,2,1,0", "\r\n+CMS ERROR: 314\r\n")]);
    assert_eq!(talk.session.status().phase, Phase::Starting);
    assert_eq!(talk.waits(Duration::from_secs(1)), ["AT+CNMI=2,1,2,1,0\r"]);
    talk.initialise(&[]);
    assert_eq!(talk.session.status().message_routing, Some("2,1,2,1,0"));
    assert_eq!(talk.session.status().phase, Phase::Ready);
}

#[test]
fn packet_registration_never_takes_circuit_registration_away() {
    let mut talk = Talk::ready();
    talk.hears("\r\n+CEREG: 0\r\n");
    assert_eq!(talk.session.status().phase, Phase::Ready);
    let mut talk = Talk::new();
    talk.initialise(&[("AT+CREG?", "\r\n+CREG: 1,0\r\n\r\nOK\r\n"), ("AT+CEREG?", "\r\n+CEREG: 0,1\r\n\r\nOK\r\n")]);
    assert_eq!(talk.session.status().phase, Phase::Ready, "an LTE only modem");
}

const PDU_MODE: &str = "AT+CMGF=0";

#[test]
fn a_modem_that_does_not_say_ok_to_pdu_mode_is_never_ready() {
    for refusal in ["\r\nERROR\r\n", "\r\n+CMS ERROR: 303\r\n"] {
        let mut talk = Talk::new();
        talk.initialise(&[(PDU_MODE, refusal)]);
        assert_ne!(talk.session.status().phase, Phase::Ready, "{refusal:?}");
        assert_eq!(talk.session.status().detail.as_deref(), Some("the modem refuses pdu mode"));
        assert_eq!(talk.submits(), ["(finished not sent OtherModem None)"]);
        // A later look finds that it takes it now.
        talk.waits(Duration::from_secs(30));
        talk.initialise(&[]);
        assert_eq!(talk.session.status().phase, Phase::Ready);
    }
}

#[test]
fn pdu_mode_is_asked_again_when_its_answer_is_lost_or_the_card_busy() {
    let mut talk = Talk::new();
    talk.initialise(&[(PDU_MODE, "")]);
    assert_ne!(talk.session.status().phase, Phase::Ready);
    talk.waits(Duration::from_secs(1));
    let said = talk.initialise(&[]);
    assert!(said.contains(&PDU_MODE.to_owned()), "{said:?}");
    assert_eq!(talk.session.status().phase, Phase::Ready);

    let mut talk = Talk::new();
    talk.initialise(&[(PDU_MODE, "\r\n+CMS ERROR: 314\r\n")]);
    assert_eq!(talk.waits(Duration::from_secs(1)), ["AT+CMGF=0\r"]);
    talk.initialise(&[]);
    assert_eq!(talk.session.status().phase, Phase::Ready);
}

#[test]
fn pdu_mode_is_asked_again_after_every_doubt() {
    let mut talk = Talk::ready();
    talk.waits(Duration::from_secs(30));
    talk.waits(Duration::from_secs(5));
    talk.initialise(&[(PDU_MODE, "\r\nERROR\r\n")]);
    assert_eq!(talk.session.status().detail.as_deref(), Some("the modem refuses pdu mode"));
}

#[test]
fn an_acknowledged_message_is_sent_whatever_comes_afterwards() {
    // No OK: the conversation is brought back in step.
    let mut talk = Talk::ready();
    talk.hands_over();
    assert_eq!(talk.hears("\r\n+CMGS: 7\r\n"), [""; 0]);
    assert_eq!(talk.waits(Duration::from_secs(5)), ["(finished sent Some(7))", "<ESC>"]);
    talk.initialise(&[]);
    assert_eq!(talk.session.status().phase, Phase::Ready);
    // The line goes, the modem restarts.
    talk.hands_over();
    talk.hears("\r\n+CMGS: 8\r\n");
    assert_eq!(talk.hears("\r\nRDY\r\n")[0], "(finished sent Some(8))");
    let mut talk = Talk::ready();
    talk.hands_over();
    talk.hears("\r\n+CMGS: 9\r\n");
    talk.session.lost();
    assert_eq!(talk.did(), ["(finished sent Some(9))"]);
}

/// Keeps what it is told, or refuses to.
#[derive(Debug, Default)]
struct Keeper {
    known: Option<Tried>,
    kept: std::sync::Mutex<Vec<(String, Tried)>>,
    is_full: bool,
}

impl PinKeeper for Keeper {
    fn known(&self, _card: &str) -> Option<Tried> {
        self.known
    }

    fn keep(&self, card: &str, tried: Tried) -> std::io::Result<()> {
        self.kept.lock().unwrap().push((card.to_owned(), tried));
        if self.is_full { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

#[test]
fn a_pin_is_kept_before_it_is_written_and_not_written_if_it_cannot_be_kept() {
    let card = "8962100000000000001";
    for is_full in [false, true] {
        let keeper = Arc::new(Keeper { is_full, ..Keeper::default() });
        let memory = PinMemory::kept(keeper.clone());
        let said = Talk::with(locked(&memory)).initialise(&[ASKS_PIN, (ENTERS, "")]);
        assert_eq!(said.last().map(String::as_str) == Some(ENTERS), !is_full, "{said:?}");
        assert_eq!(keeper.kept.lock().unwrap()[0], (card.to_owned(), Tried::Unproven));
    }
    // Another life of the process.
    let memory = PinMemory::kept(Arc::new(Keeper { known: Some(Tried::Unproven), ..Keeper::default() }));
    let said = Talk::with(locked(&memory)).initialise(&[ASKS_PIN]);
    assert!(!said.contains(&ENTERS.to_owned()), "{said:?}");
}

#[test]
fn tries_left_are_read_by_their_name() {
    for (command, answer, tries) in [
        ("AT+CPINR=\"SIM PIN\"", "+CPINR: SIM PUK,10,10\r\n+CPINR: SIM PIN,1,3", 1),
        ("AT+QPINC?", "+QPINC: \"P2\",3,10\r\n+QPINC: \"SC\",2,10", 2),
    ] {
        let mut talk = Talk::with(locked(&PinMemory::default()));
        let said = talk.initialise(&[ASKS_PIN, (command, &format!("\r\n{answer}\r\n\r\nOK\r\n"))]);
        assert!(!said.contains(&ENTERS.to_owned()), "{said:?}");
        assert_eq!(talk.session.status().pin_tries_left, Some(tries));
    }
}

#[test]
fn a_modem_that_answers_in_digits_is_told_words_again() {
    let mut talk = Talk::new();
    talk.did();
    talk.settles();
    assert_eq!(talk.hears("0\r"), ["AT+CMEE?\r"]);
    assert_eq!(talk.hears("+CMEE: 1\r\n0\r"), ["ATE0\r"]);
    assert_eq!(talk.hears("0\r"), ["ATV1\r"]);
    assert_eq!(talk.hears("0\r"), ["AT+CMEE=1\r"]);
    assert_eq!(talk.hears("0\r"), ["AT+CGMI\r"]);
    talk.initialise(&[]);
    assert_eq!(talk.session.status().phase, Phase::Ready);
}

#[test]
fn a_modem_that_is_lost_again_and_again_is_reopened_and_nothing_piles_up() {
    let mut talk = Talk::new();
    talk.initialise(&[("ATE0", "")]);
    let mut did = Vec::new();
    for _ in 0..20 {
        did.extend(talk.waits(Duration::from_secs(1)));
        did.extend(talk.initialise(&[("ATE0", "")]));
        assert!(talk.session.steps.len() < 10, "{:?}", talk.session.steps);
    }
    assert_eq!(did.last().map(String::as_str), Some("(reopen)"));
}

#[test]
fn a_modem_that_restarted_without_a_word_is_initialised_again() {
    let has_everything = |said: &[String]| {
        let place = |wanted: &str| said.iter().position(|said| said == wanted);
        assert!(place(PDU_MODE).is_some() && place("AT+CNMI=2,1,2,1,0").is_some(), "{said:?}");
    };
    // Its echo is back: before a message …
    let mut talk = Talk::ready();
    assert_eq!(talk.submits(), ["AT+CMGS=24\r", "(prepare)"]);
    talk.prepares(pdu());
    let did = talk.hears("AT+CMGS=24\r\r\n> ");
    // A modem in text mode would take the PDU for a text; the prompt is left.
    assert_eq!(did, ["(finished not sent OtherModem None)", "<ESC>", "<ESC>"]);
    has_everything(&talk.initialise(&[]));
    assert_eq!(talk.session.status().phase, Phase::Ready);
    // … or at a look at it.
    talk.waits(Duration::from_secs(30));
    assert_eq!(talk.hears("AT+CSQ\r\r\n+CSQ: 9,0\r\n\r\nOK\r\n")[0], "<ESC>");
    has_everything(&talk.initialise(&[]));
    // … or on the way back in step, where it is told to stop before anything else.
    assert_eq!(talk.submits(), ["AT+CMGS=24\r", "(prepare)"]);
    assert_eq!(talk.waits(Duration::from_secs(10)), ["(finished not sent RetryHere None)", "<ESC>"]);
    assert_eq!(talk.settles(), ["ATQ0V1E0\r"]);
    assert_eq!(talk.hears("\u{1b}\rATQ0V1E0\r\r\nOK\r\n"), ["AT+CMEE?\r"]);
    has_everything(&talk.initialise(&[]));
    assert_eq!(talk.session.status().phase, Phase::Ready);
    // No result.
    talk.hands_over();
    talk.waits(Duration::from_secs(120));
    has_everything(&talk.initialise(&[]));
    // Its card is busy, or asks for its pin.
    for state in ["NOT READY", "SIM PIN"] {
        let mut talk = Talk::with(locked(&PinMemory::default()));
        talk.initialise(&[]);
        talk.waits(Duration::from_secs(30));
        talk.waits(Duration::from_secs(5));
        talk.initialise(&[("AT+CPIN?", &format!("\r\n+CPIN: {state}\r\n\r\nOK\r\n")), (ENTERS, "")]);
        assert_eq!(talk.session.status().phase, Phase::Recovering, "{state}");
        let mut said = talk.waits(Duration::from_secs(1));
        said.extend(talk.hears("\r\nOK\r\n"));
        said.extend(talk.initialise(&[]));
        has_everything(&said);
        assert_eq!(talk.session.status().phase, Phase::Ready, "{state}");
    }
}

#[test]
fn a_modem_that_never_stops_to_echo_works() {
    let mut talk = Talk::new();
    talk.initialise(&[("AT+CMEE=1", "AT+CMEE=1\r\r\nOK\r\n")]);
    assert_eq!(talk.submits(), ["AT+CMGS=24\r", "(prepare)"]);
    talk.prepares(pdu());
    assert_eq!(talk.hears("AT+CMGS=24\r\r\n> ")[0], "(handed over)");
}

#[test]
fn a_modem_that_says_no_ok_after_the_state_of_its_card_works() {
    let mut talk = Talk::new();
    let ready = ("AT+CPIN?", "\r\n+CPIN: READY\r\n");
    talk.initialise(&[ready]);
    assert_eq!(talk.waits(Duration::from_secs(1)), ["<ESC>"], "an OK may still come: get in step first");
    let said = talk.initialise(&[ready]);
    assert!(!said.contains(&"AT+CPIN?".to_owned()), "{said:?}");
    assert_eq!(talk.session.status().phase, Phase::Ready);
    assert_eq!(talk.session.status().recoveries, 0);
    // The same when its pin is asked for and there is none.
    let mut talk = Talk::new();
    let asks = ("AT+CPIN?", "\r\n+CPIN: SIM PIN\r\n");
    talk.initialise(&[asks]);
    talk.waits(Duration::from_secs(1));
    talk.initialise(&[asks]);
    talk.waits(Duration::from_secs(1));
    let said = talk.initialise(&[asks]);
    assert!(said.len() < 10, "{said:?}");
    assert_eq!(talk.session.status().phase, Phase::PinNeeded);
}

#[test]
fn a_setting_that_is_not_allowed_yet_is_said_again_for_a_while() {
    for (refusal, step) in
        [("+CMS ERROR: 302", PDU_MODE), ("+CME ERROR: 3", PDU_MODE), ("+CMS ERROR: 302", "AT+CREG=1")]
    {
        let refusal = format!("\r\n{refusal}\r\n");
        let mut talk = Talk::new();
        talk.initialise(&[(step, &refusal)]);
        assert_eq!(talk.waits(Duration::from_secs(1)), [format!("{step}\r")]);
        talk.initialise(&[]);
        assert_eq!(talk.session.status().phase, Phase::Ready);
        // For ever is too long.
        let mut talk = Talk::new();
        for _ in 0..20 {
            talk.initialise(&[(step, &refusal)]);
            talk.waits(Duration::from_secs(1));
        }
        talk.initialise(&[(step, &refusal)]);
        let phase = if step == PDU_MODE { Phase::Starting } else { Phase::Ready };
        assert_eq!(talk.session.status().phase, phase, "{step}");
    }
}

#[test]
fn routing_is_tried_again_when_the_modem_says_that_sms_are_ready() {
    let mut talk = Talk::new();
    let ways = ["2,1,2,1,0", "2,1,2,2,0", "1,1,0,1,0", "1,1,0,2,0", "2,1,2,0,0"].map(|way| format!("AT+CNMI={way}"));
    let mut special: Vec<(&str, &str)> = ways.iter().map(|way| (way.as_str(), "\r\nERROR\r\n")).collect();
    special.push(("AT+CSCA?", "\r\nSMS Ready\r\n\r\nOK\r\n"));
    special.push(("AT+CREG?", ""));
    talk.initialise(&special);
    assert_eq!(talk.session.status().message_routing, None);
    talk.hears("\r\n+CREG: 1,1\r\n\r\nOK\r\n");
    talk.initialise(&[]);
    assert_eq!(talk.session.status().message_routing, Some("2,1,2,1,0"));
}

#[test]
fn a_pdu_that_is_called_wrong_is_tried_once_more_and_the_mode_set_again() {
    let mut talk = Talk::ready();
    for finished in ["not sent RetryHere Some(304)", "not sent GiveUp Some(304)", "not sent RetryHere Some(304)"] {
        talk.hands_over();
        assert_eq!(talk.hears("\r\n+CMS ERROR: 304\r\n")[0], format!("(finished {finished})"));
        let said = talk.initialise(&[]);
        assert!(said.contains(&PDU_MODE.to_owned()), "{said:?}");
    }
}

#[test]
fn a_routed_pdu_is_waited_for_through_other_urcs_and_told_from_other_digits() {
    let announced = format!("\r\n+CDS: {}\r\n", REPORT.len() / 2);
    let mut talk = Talk::ready();
    assert_eq!(talk.hears(&format!("{announced}\r\n+CREG: 1\r\n\r\nRING\r\n {REPORT} \r\n")), ["(report 42)"]);
    // A PDU of another length is not the one; the right one is taken by nobody else.
    assert_eq!(talk.hears(&format!("{announced}89621000000000000012\r\n")), [""; 0]);
    assert_eq!(talk.hears(&format!("{REPORT}\r\n")), [""; 0]);
}

#[test]
fn what_was_not_answered_changes_no_registration() {
    let mut talk = Talk::ready();
    talk.waits(Duration::from_secs(30));
    let said = talk.initialise(&[("AT+CREG?", "\r\nERROR\r\n")]);
    assert!(said.contains(&"AT+CREG?".to_owned()), "{said:?}");
    assert_eq!(talk.session.status().phase, Phase::Ready);
    // LTE only: the LTE side alone decides, also when it is lost.
    let idle = ("AT+CREG?", "\r\n+CREG: 1,0\r\n\r\nOK\r\n");
    let mut talk = Talk::new();
    talk.initialise(&[idle, ("AT+CEREG?", "\r\n+CEREG: 0,1\r\n\r\nOK\r\n")]);
    assert_eq!(talk.session.status().phase, Phase::Ready);
    talk.hears("\r\n+CREG: 0\r\n");
    assert_eq!(talk.session.status().phase, Phase::Ready, "the LTE side is still there");
    talk.waits(Duration::from_secs(30));
    talk.initialise(&[idle, ("AT+CEREG?", "\r\nERROR\r\n")]);
    assert_eq!(talk.session.status().phase, Phase::Ready, "nobody said that it is gone");
    talk.hears("\r\n+CEREG: 2\r\n");
    assert_eq!(talk.session.status().phase, Phase::NotRegistered);
}

#[test]
fn a_modem_that_says_nothing_of_its_registration_is_not_kept_from_sending_and_one_that_does_is_believed() {
    let untold = [("AT+CREG?", "\r\nOK\r\n"), ("AT+CEREG?", "\r\nOK\r\n")];
    let mut talk = Talk::new();
    talk.initialise(&untold);
    assert_eq!(talk.session.status().phase, Phase::Ready);
    assert_eq!(talk.session.status().registration, Registration::Unknown);
    talk.hands_over();
    talk.hears("\r\n+CMGS: 7\r\n\r\nOK\r\n");
    talk.hears("\r\n+CREG: 2\r\n");
    assert_eq!(talk.session.status().phase, Phase::NotRegistered, "now it has said something");
    talk.waits(Duration::from_secs(30));
    talk.initialise(&untold);
    assert_eq!(talk.session.status().phase, Phase::NotRegistered, "and nothing else since");
    // An answer that was lost says nothing about what the modem can tell.
    let mut talk = Talk::new();
    talk.initialise(&[("AT+CREG?", "")]);
    talk.waits(Duration::from_secs(5));
    talk.initialise(&[]);
    assert_eq!(talk.session.status().phase, Phase::NotRegistered);
}

#[test]
fn a_modem_without_the_question_that_gets_in_step_is_believed_after_its_silence() {
    let second = Duration::from_secs(1);
    let mut talk = Talk::new();
    talk.did();
    assert_eq!(talk.settles(), ["ATQ0V1E0\r"]);
    assert_eq!(talk.hears("\r\nOK\r\n"), ["AT+CMEE?\r"]);
    assert_eq!(talk.hears("\r\nOK\r\n"), [""; 0], "it could be a late one");
    assert_eq!(talk.waits(second), ["AT+CMEE?\r"]);
    assert_eq!(talk.hears("\r\nOK\r\n"), [""; 0]);
    assert_eq!(talk.waits(second), ["ATE0\r"]);
    talk.initialise(&[("AT+CMEE?", "\r\nOK\r\n")]);
    assert_eq!(talk.session.status().phase, Phase::Ready);
    // A late OK in front of the answer is still dropped, whatever came before.
    let mut talk = Talk::new();
    talk.did();
    talk.settles();
    talk.hears("\r\nOK\r\n");
    assert_eq!(talk.hears("\r\nOK\r\n"), [""; 0]);
    assert_eq!(talk.hears("\r\n+CMEE: 1\r\n"), [""; 0]);
    assert_eq!(talk.hears("\r\nOK\r\n"), ["ATE0\r"]);
}

#[test]
fn nothing_secret_is_printed_for_debugging() {
    let mut talk = Talk::with(locked(&PinMemory::default()));
    talk.initialise(&[ASKS_PIN, (ENTERS, "")]);
    let session = format!("{:?}", talk.session);
    assert!(!session.contains("1234"), "{session}");
    let mut talk = Talk::ready();
    talk.submits();
    talk.prepares(pdu());
    let waiting = format!("{:?}", talk.session);
    talk.session.received(b"\r\n> ", talk.now);
    let actions = format!("{:?}", talk.session.actions);
    for printed in [waiting, actions] {
        assert!(!printed.contains("917228") && !printed.contains("48, 48, 48"), "{printed}");
    }
}

#[test]
fn a_card_in_a_state_that_nobody_knows_is_not_open() {
    let mut talk = Talk::new();
    talk.initialise(&[("AT+CPIN?", "\r\n+CPIN: BLOCKED\r\n\r\nOK\r\n")]);
    assert_eq!(talk.session.status().phase, Phase::PinNeeded);
}

#[test]
fn stored_messages_are_handed_on_at_the_start_and_every_few_minutes_and_not_deleted() {
    let listed = format!(
        "\r\n+CMGL: 1,1,,{}\r\n00{REPORT}\r\n+CMGL: 2,0,\"\",23\r\n\
         07914400000000F01100099121436587F90008F40A4E16754C60A8597DFF01\r\n+CMGL: 4,2,,24\r\n{PDU}\r\n\r\nOK\r\n",
        REPORT.len() / 2
    );
    let mut talk = Talk::new();
    let said = talk.initialise(&[("AT+CMGL=4", &listed)]);
    assert_eq!(said[said.len() - 2..], ["(report 42)", "(inbound Some(2))"]);
    let mut said = Vec::new();
    for _ in 0..12 {
        said.extend(talk.waits(Duration::from_secs(30)));
        said.extend(talk.initialise(&[("AT+CMGL=4", &listed)]));
    }
    assert_eq!(said.iter().filter(|said| *said == "(inbound Some(2))").count(), 1, "{said:?}");
    assert!(!said.iter().any(|said| said.starts_with("AT+CMGD")), "{said:?}");
    // What is about to be deleted is not handed on again.
    let mut talk = Talk::ready();
    talk.hears("\r\n+CMTI: \"SM\",2\r\n");
    talk.hears(&listed.replace("+CMGL: 2,0", "+CMGR: 0"));
    talk.waits(Duration::from_secs(300));
    while talk.last != ["AT+CMGL=4\r"] {
        talk.hears("\r\nOK\r\n");
    }
    assert_eq!(talk.takes(0), [""; 0]);
    assert_eq!(talk.hears(&listed), ["(report 42)", "AT+CMGD=2\r"]);
}

#[test]
fn a_message_that_is_listed_and_announced_is_handed_on_once() {
    let listed =
        "\r\n+CMGL: 2,0,\"\",23\r\n07914400000000F01100099121436587F90008F40A4E16754C60A8597DFF01\r\n\r\nOK\r\n";
    let urc = "\r\n+CMTI: \"SM\",2\r\n";
    let mut talk = Talk::new();
    talk.initialise(&[("AT+CMGL=4", "")]);
    assert_eq!(talk.hears(&format!("{listed}{urc}")), ["(inbound Some(2))"], "announced late");
    assert_eq!(talk.hears(urc), ["AT+CMGR=2\r"], "another one");
    let mut talk = Talk::new();
    talk.initialise(&[("AT+CMGL=4", "")]);
    assert_eq!(talk.hears(&format!("{urc}{listed}")), ["AT+CMGR=2\r"], "announced early");
}

/// A DELIVER as a list shows it.
const LISTED: &str =
    "\r\n+CMGL: 2,0,\"\",23\r\n07914400000000F01100099121436587F90008F40A4E16754C60A8597DFF01\r\n\r\nOK\r\n";

#[test]
fn every_storage_that_messages_come_to_is_looked_through() {
    let storages = "\r\n+CPMS: \"SM\",0,20,\"SM\",0,20,\"ME\",1,50\r\n\r\nOK\r\n";
    let mut talk = Talk::new();
    let said =
        talk.initialise(&[("AT+CPMS?", storages), ("AT+CPMS=\"ME\"", "\r\n+CPMS: 1,50,0,20,1,50\r\n\r\nOK\r\n")]);
    assert_eq!(said[said.len() - 3..], ["AT+CMGL=4", "AT+CPMS=\"ME\"", "AT+CMGL=4"]);
    // And one that only an announcement has named, from then on.
    let mut talk = Talk::ready();
    assert_eq!(talk.hears("\r\n+CMTI: \"MT\",3\r\n"), ["AT+CPMS=\"MT\"\r"]);
    talk.hears("\r\nOK\r\n");
    talk.hears("\r\nOK\r\n");
    let mut said = talk.waits(Duration::from_secs(300));
    said.extend(talk.initialise(&[]));
    let listed: Vec<&String> =
        said.iter().filter(|said| said.starts_with("AT+CPMS=") || *said == "AT+CMGL=4").collect();
    assert_eq!(listed, ["AT+CPMS=\"SM\"", "AT+CMGL=4", "AT+CPMS=\"MT\"", "AT+CMGL=4"]);
}

#[test]
fn a_storage_that_is_full_is_looked_through_at_once() {
    let mut talk = Talk::ready();
    assert_eq!(talk.hears("\r\n+CIEV: \"SMSFULL\",1\r\n"), ["AT+CMGL=4\r"]);
    assert_eq!(talk.hears(LISTED), ["(inbound Some(2))"]);
    assert_eq!(talk.hears("\r\n+CIEV: \"SMSFULL\",0\r\n"), [""; 0]);
    assert_eq!(talk.hears("\r\n^SMMEMFULL:\"ME\"\r\n"), ["AT+CMGL=4\r"]);
    assert_eq!(talk.hears("\r\nOK\r\n"), ["AT+CPMS=\"ME\"\r"]);
    assert_eq!(talk.hears("\r\n+CPMS: 1,50,0,20,0,20\r\n\r\nOK\r\n"), ["AT+CMGL=4\r"]);
    assert_eq!(talk.hears(LISTED), ["(inbound Some(2))"]);
}

#[test]
fn where_nothing_is_announced_every_regular_look_is_one_at_the_storage() {
    let mut talk = Talk::new();
    let refused = "\r\n+CMS ERROR: 303\r\n";
    let ways: Vec<_> = super::GENERIC.routings(true).iter().map(|way| format!("AT+CNMI={way}")).collect();
    let refusals: Vec<_> = ways.iter().map(|way| (way.as_str(), refused)).collect();
    talk.initialise(&refusals);
    assert_eq!(talk.session.status().message_routing, None);
    for _ in 0..3 {
        let mut said = talk.waits(Duration::from_secs(30));
        said.extend(talk.initialise(&[("AT+CMGL=4", LISTED)]));
        assert_eq!(said.iter().filter(|said| *said == "(inbound Some(2))").count(), 1, "{said:?}");
    }
}

#[test]
fn what_can_hardly_be_a_message_is_handed_on_all_the_same() {
    let mut talk = Talk::ready();
    assert_eq!(talk.hears("\r\n+CMTI: \"SM\",3\r\n"), ["AT+CMGR=3\r"]);
    // Its service centre address would be longer than all of it.
    assert_eq!(talk.hears("\r\n+CMGR: 0,,23\r\nF07911\r\n\r\nOK\r\n"), ["(inbound Some(3))"]);
    assert_eq!(talk.hears("\r\n+CMT: ,23\r\n0791F011\r\n"), [""; 0], "it is not as long as was said");
}

#[test]
fn what_is_announced_before_the_sim_is_known_is_found_when_it_is() {
    let mut talk = Talk::new();
    talk.did();
    talk.hears("\r\n+CMTI: \"SM\",2\r\n");
    let said = talk.initialise(&[("AT+CMGL=4", LISTED)]);
    assert_eq!(said.iter().filter(|said| *said == "(inbound Some(2))").count(), 1, "{said:?}");
    assert!(!said.iter().any(|said| said.starts_with("AT+CMGR")), "{said:?}");
    assert_eq!(talk.handed[0].place.card, "8962100000000000001");
}

/// The answer to `AT+CMGR` with a DELIVER.
const READ: &str = "\r\n+CMGR: 0,,23\r\n07914400000000F01100099121436587F90008F40A4E16754C60A8597DFF01\r\n\r\nOK\r\n";

#[test]
fn who_took_what_lay_at_a_place_deletes_nothing_that_lies_there_later() {
    let mut talk = Talk::ready();
    let announced = "\r\n+CMTI: \"SM\",3\r\n";
    // Handed on twice, because the first was long on its way.
    for _ in 0..2 {
        assert_eq!(talk.hears(announced), ["AT+CMGR=3\r"]);
        assert_eq!(talk.hears(READ), ["(inbound Some(3))"]);
    }
    assert_eq!(talk.takes(0), [""; 0], "the second may be another one");
    assert_eq!(talk.takes(1), ["AT+CMGD=3\r"]);
    talk.hears("\r\nOK\r\n");
    assert_eq!(talk.takes(1), [""; 0], "it is gone");
    assert_eq!(talk.hears(announced), ["AT+CMGR=3\r"]);
    assert_eq!(talk.hears(READ), ["(inbound Some(3))"]);
    assert_eq!((talk.takes(0), talk.takes(1)), (vec![], vec![]));
    assert_eq!(talk.takes(2), ["AT+CMGD=3\r"]);
}

#[test]
fn what_was_handed_on_in_an_earlier_conversation_is_not_deleted_in_a_later_one() {
    let mut talk = Talk::ready();
    talk.hears("\r\n+CMTI: \"SM\",3\r\n");
    talk.hears(READ);
    let before = talk.handed.clone();
    let mut talk = Talk::ready();
    talk.hears("\r\n+CMTI: \"SM\",3\r\n");
    talk.hears(READ);
    assert_eq!(before[0].number, talk.handed[0].number);
    talk.session.delete(&before[0], talk.now);
    assert_eq!(talk.did(), [""; 0]);
}

mod link;
mod profiles;
mod questions;
mod transcripts;
mod ussd;

#[test]
fn a_line_that_is_opened_to_restart_its_modem_begins_with_the_order_and_waits_for_its_first_words() {
    let begin = || {
        let now = tokio::time::Instant::now().into_std();
        let session = Session::new(Settings::new("m", "/dev/null"), Some("AT+CFUN=1,1"), now);
        let mut talk = Talk { session, now, last: Vec::new(), handed: Vec::new() };
        assert_eq!(talk.did(), ["<ESC>"]);
        assert_eq!(talk.settles(), ["AT+CFUN=1,1\r"]);
        talk
    };
    let mut talk = begin();
    assert_eq!(talk.hears("\r\nOK\r\n"), [""; 0], "it goes away now");
    assert_eq!(talk.hears("\r\nRDY\r\n"), ["<ESC>"]);
    assert_eq!(talk.settles(), ["ATQ0V1E0\r"]);
    let mut talk = begin();
    assert_eq!(talk.hears("\r\nERROR\r\n"), ["<ESC>"], "it does not know it");
    let mut talk = begin();
    assert_eq!(talk.waits(Duration::from_secs(19)), [""; 0]);
    assert_eq!(talk.waits(Duration::from_secs(1)), ["<ESC>"], "it started without a word");
    assert_eq!(talk.session.status().heal, crate::HealCounts::default(), "these are no rounds of healing");
}

#[test]
fn escapes_and_attentions_are_counted_where_something_is_wrong_and_nowhere_else() {
    let mut talk = Talk::ready();
    assert_eq!(talk.session.status().heal, crate::HealCounts::default());
    talk.submits();
    talk.prepares(Err(Refused));
    talk.hears("\r\n> ");
    talk.initialise(&[]);
    assert_eq!(talk.session.status().heal, crate::HealCounts::default(), "a prompt was left");
    assert_eq!(talk.submits(), ["AT+CMGS=24\r", "(prepare)"]);
    let no_prompt = talk.waits(Duration::from_secs(10));
    assert!(no_prompt[0].starts_with("(finished not sent"), "{no_prompt:?}");
    let counts = |talk: &Talk| {
        let status = talk.session.status();
        (status.heal.escapes, status.heal.attentions, status.heal_step)
    };
    assert_eq!(counts(&talk), (1, 0, Some(crate::HealStep::Escape)));
    talk.settles();
    assert_eq!(counts(&talk), (1, 1, Some(crate::HealStep::Attention)));
    talk.waits(Duration::from_secs(1));
    talk.settles();
    assert_eq!(counts(&talk), (2, 2, Some(crate::HealStep::Attention)), "a second round");
    talk.initialise(&[]);
    assert_eq!(counts(&talk), (2, 2, None));
}

/// Answers every regular look with this, until something else than a question comes; at most an hour long.
fn looks(talk: &mut Talk, special: &[(&str, &str)], limit: Duration) -> Option<Duration> {
    let start = talk.now;
    while talk.now - start <= limit {
        let mut did = talk.waits(Duration::from_secs(1));
        while let Some(said) = did.pop() {
            if said.starts_with("(unwell") {
                return Some(talk.now - start);
            }
            let command = said.trim_end();
            if command.starts_with("AT") {
                let answer = special.iter().find(|(asked, _)| *asked == command).map(|(_, answer)| *answer);
                did.extend(talk.hears(answer.unwrap_or_else(|| usual(command))));
            }
        }
    }
    None
}

#[test]
fn a_modem_without_a_network_is_unwell_after_minutes_and_not_before() {
    let searching = [("AT+CREG?", "\r\n+CREG: 1,2\r\n\r\nOK\r\n"), ("AT+CEREG?", "\r\nERROR\r\n")];
    let mut talk = Talk::ready();
    talk.hears("\r\n+CREG: 2\r\n");
    assert_eq!(talk.session.status().phase, Phase::NotRegistered);
    let unwell = looks(&mut talk, &searching, Duration::from_secs(600)).expect("it is noticed");
    assert!(unwell >= Duration::from_secs(180) && unwell < Duration::from_secs(200), "{unwell:?}");
    assert!(looks(&mut talk, &searching, Duration::from_secs(10)).is_some(), "it is said again while it lasts");
    // Found again for a moment: the time begins anew.
    talk.hears("\r\n+CREG: 1\r\n");
    assert_eq!(talk.session.status().phase, Phase::Ready);
    assert_eq!(looks(&mut talk, &[], Duration::from_secs(120)), None);
    talk.hears("\r\n+CREG: 2\r\n");
    assert_eq!(looks(&mut talk, &searching, Duration::from_secs(170)), None);
}

#[test]
fn a_modem_that_has_lost_its_sim_is_unwell_and_one_that_waits_for_a_person_is_not() {
    for (state, phase, is_unwell) in [
        ("\r\n+CME ERROR: 10\r\n", Phase::SimMissing, true),
        ("\r\n+CPIN: SIM PUK\r\n\r\nOK\r\n", Phase::PukNeeded, false),
        ("\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n", Phase::PinNeeded, false),
    ] {
        let mut talk = Talk::new();
        talk.initialise(&[("AT+CPIN?", state)]);
        assert_eq!(talk.session.status().phase, phase);
        let seen = looks(&mut talk, &[("AT+CPIN?", state)], Duration::from_secs(900));
        assert_eq!(seen.is_some(), is_unwell, "{phase:?}");
    }
}

#[test]
fn a_modem_that_refuses_every_message_for_minutes_is_unwell_and_one_that_takes_one_is_not() {
    for (refusal, is_unwell) in [
        ("\r\n+CMS ERROR: 331\r\n", true),
        ("\r\n+CMS ERROR: 500\r\n", true),
        ("\r\nERROR\r\n", true),
        // The network's and the receiver's business.
        ("\r\n+CMS ERROR: 38\r\n", false),
        ("\r\n+CMS ERROR: 1\r\n", false),
    ] {
        let mut talk = Talk::ready();
        for _ in 0..5 {
            assert_eq!(talk.submits(), ["AT+CMGS=24\r", "(prepare)"]);
            talk.hears(refusal);
        }
        let seen = looks(&mut talk, &[], Duration::from_secs(600));
        assert_eq!(seen.is_some(), is_unwell, "{refusal:?}");
        assert!(seen.is_none_or(|after| after >= Duration::from_secs(180)), "{refusal:?} {seen:?}");
        talk.hands_over();
        talk.hears("\r\n+CMGS: 1\r\n\r\nOK\r\n");
        assert_eq!(looks(&mut talk, &[], Duration::from_secs(300)), None, "{refusal:?}: it has taken one");
    }
}
