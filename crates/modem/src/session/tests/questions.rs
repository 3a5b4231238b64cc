//! Questions from outside, as transcripts.

use std::time::Duration;

use gsm::ErrorCode;

use super::{Talk, pdu};
use crate::command::Command;
use crate::question::Question;
use crate::status::Phase;

const PATIENCE: Duration = Duration::from_secs(5);

impl Talk {
    fn asks(&mut self, command: &str) -> Vec<String> {
        let command = Command::parse(command).unwrap();
        self.session.question(Question { command, patience: PATIENCE }, self.now);
        self.did()
    }

    /// Answers everything until the modem is ready again.
    fn settles_again(&mut self) {
        self.initialise(&[]);
        assert_eq!(self.session.status().phase, Phase::Ready);
    }
}

#[test]
fn everything_up_to_the_final_result_is_the_answer_but_what_comes_unasked() {
    let mut talk = Talk::ready();
    assert_eq!(talk.asks("AT+CSQ"), ["AT+CSQ\r"]);
    // An echo, a call, an announced message whose PDU follows, a registration.
    let noise = "AT+CSQ\r\r\n+CSQ: 17,99\r\n\r\nRING\r\n\r\n+CREG: 1\r\n";
    let mut echoing = Talk::ready();
    echoing.session.echo = super::super::Echo::Incurable;
    assert_eq!(echoing.asks("AT+CSQ"), ["AT+CSQ\r"]);
    assert_eq!(echoing.hears(noise), [""; 0]);
    assert_eq!(echoing.hears("\r\nOK\r\n"), ["(answered OK: +CSQ: 17,99)"]);
    assert_eq!(talk.hears("\r\n+CSQ: 17,99\r\n\r\nOK\r\n"), ["(answered OK: +CSQ: 17,99)"]);

    assert_eq!(talk.asks("ATI"), ["ATI\r"]);
    assert_eq!(talk.hears("\r\nSIM800\r\nR14.18\r\n\r\nOK\r\n"), ["(answered OK: SIM800 | R14.18)"]);
    // A line that comes unasked too is the answer when it was asked for.
    assert_eq!(talk.asks("AT+CREG?"), ["AT+CREG?\r"]);
    assert_eq!(talk.hears("\r\n+CREG: 1,1\r\n\r\nOK\r\n"), ["(answered OK: +CREG: 1,1)"]);
    assert_eq!(talk.asks("AT+CLAC?"), ["AT+CLAC?\r"]);
    assert_eq!(talk.hears("\r\n+CME ERROR: 4\r\n"), ["(answered +CME ERROR: 4: )"]);
    assert_eq!(talk.session.status().phase, Phase::Ready);
}

#[test]
fn an_inbound_message_inside_an_answer_is_handed_on_and_not_shown() {
    let mut talk = Talk::ready();
    talk.asks("ATI");
    let seen = talk.hears("\r\nSIM800\r\n\r\n+CMTI: \"SM\",3\r\n\r\nOK\r\n");
    assert_eq!(seen, ["(answered OK: SIM800)", "AT+CMGR=3\r"]);
}

#[test]
fn a_question_waits_for_the_exchange_on_the_wire_and_goes_before_the_next_step() {
    let mut talk = Talk::new();
    talk.did();
    // The first command and its marker come before anything else.
    assert_eq!(talk.asks("AT+CSQ"), [""; 0]);
    assert_eq!(talk.settles(), ["ATQ0V1E0\r"]);
    assert_eq!(talk.hears("\r\nOK\r\n"), ["AT+CMEE?\r"]);
    assert_eq!(talk.hears("\r\n+CMEE: 0\r\n\r\nOK\r\n"), ["ATE0\r"]);
    assert_eq!(talk.hears("\r\nOK\r\n"), ["ATV1\r"]);
    assert_eq!(talk.hears("\r\nOK\r\n"), ["AT+CMEE=1\r"]);
    assert_eq!(talk.hears("\r\nOK\r\n"), ["AT+CSQ\r"]);
    assert_eq!(talk.hears("\r\n+CSQ: 9,99\r\n\r\nOK\r\n"), ["(answered OK: +CSQ: 9,99)", "AT+CGMI\r"]);
}

#[test]
fn a_modem_without_its_pin_can_be_asked_and_no_pin_is_entered_for_that() {
    let mut talk = Talk::new();
    talk.initialise(&[("AT+CPIN?", "\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n")]);
    assert_eq!(talk.session.status().phase, Phase::PinNeeded);
    assert_eq!(talk.asks("AT+CSQ"), ["AT+CSQ\r"]);
    assert_eq!(talk.hears("\r\n+CSQ: 17,99\r\n\r\nOK\r\n"), ["(answered OK: +CSQ: 17,99)"]);
    assert_eq!(talk.session.status().phase, Phase::PinNeeded);
}

#[test]
fn no_result_in_time_keeps_what_came_and_brings_the_conversation_back_in_step() {
    let mut talk = Talk::ready();
    talk.asks("AT+CPIN?");
    talk.hears("\r\n+CPIN: READY\r\n");
    assert_eq!(talk.waits(PATIENCE), ["(answered no result, 1 lines)", "<ESC>"]);
    assert_eq!(talk.session.status().phase, Phase::Recovering);
    // A late OK belongs to nobody.
    talk.hears("\r\nOK\r\n");
    talk.settles_again();
}

#[test]
fn a_command_that_wants_a_text_gets_esc_and_nothing_is_sent() {
    for (command, phase) in [("AT+XTEXT?", Phase::Recovering), ("AT+XTEXT=5", Phase::Starting)] {
        let mut talk = Talk::ready();
        talk.asks(command);
        let left = "(answered the command waits for a text; it was left with ESC and nothing was sent)";
        assert_eq!(talk.hears("\r\n> "), [left, "<ESC>"], "{command}");
        assert_eq!(talk.session.status().phase, phase);
        talk.settles_again();
    }
}

#[test]
fn after_a_command_that_may_change_something_everything_is_said_again() {
    for (command, answer) in
        [("AT+CPMS=\"ME\"", "\r\n+CPMS: 0,50\r\n\r\nOK\r\n"), ("AT+CNMI=0,0,0,0,0", "\r\n+CME ERROR: 3\r\n")]
    {
        let mut talk = Talk::ready();
        talk.asks(command);
        let seen = talk.hears(answer);
        assert_eq!(seen.last().map(String::as_str), Some("<ESC>"), "{command}");
        assert_eq!(talk.session.status().phase, Phase::Starting);
        let said = talk.initialise(&[]);
        for again in ["AT+CMGF=0", "AT+CNMI=2,1,2,1,0", "AT+CPMS?"] {
            assert!(said.iter().any(|line| line == again), "{again} after {command}: {said:?}");
        }
        assert_eq!(talk.session.status().phase, Phase::Ready);
    }
}

#[test]
fn a_command_that_may_change_something_and_stays_unanswered_is_followed_by_initialisation_too() {
    let mut talk = Talk::ready();
    talk.asks("AT+CFUN=1,1");
    assert_eq!(talk.waits(PATIENCE), ["(answered no result, 0 lines)", "<ESC>"]);
    assert_eq!(talk.session.status().phase, Phase::Starting);
    talk.settles_again();
}

#[test]
fn a_restart_or_a_lost_line_cuts_an_answer_off() {
    let mut talk = Talk::ready();
    talk.asks("ATI");
    let seen = talk.hears("\r\nSIM800\r\n\r\nRDY\r\n");
    assert_eq!(seen, ["(answered the answer was cut off: the modem restarted)", "<ESC>"]);
    talk.settles_again();

    talk.asks("ATI");
    talk.session.lost();
    assert_eq!(talk.did(), ["(answered the answer was cut off: the line is gone)"]);

    let mut silent = Talk::new();
    silent.did();
    silent.asks("ATI");
    silent.session.lost();
    assert_eq!(silent.did(), ["(answered the modem cannot be asked: the line is gone)"]);
}

#[test]
fn a_long_answer_is_bounded_and_says_so() {
    for (line, lines) in [("+X: 1\r\n".to_owned(), 600), (format!("{}\r\n", "x".repeat(4000)), 20)] {
        let mut talk = Talk::ready();
        talk.asks("AT+X?");
        for _ in 0..lines {
            talk.hears(&line);
        }
        talk.session.received(b"\r\nOK\r\n", talk.now);
        let Some(super::Action::Answered(Ok(answer))) = talk.session.next_action() else { panic!("no answer") };
        assert!(answer.is_cut);
        assert!(answer.lines.len() <= 512);
        assert!(answer.lines.iter().map(|line| line.len()).sum::<usize>() <= 64 * 1024);
        assert!(!format!("{answer:?}").contains("xxx"));
    }
}

#[test]
fn a_message_that_waits_is_sent_after_the_answer_and_never_inside_it() {
    // The handle gives one job at a time; should that ever break, the wire still carries one thing at a time.
    let mut talk = Talk::ready();
    talk.asks("AT+CSQ");
    assert_eq!(talk.submits(), [""; 0]);
    let seen = talk.hears("\r\n+CSQ: 17,99\r\n\r\nOK\r\n");
    assert_eq!(seen, ["(answered OK: +CSQ: 17,99)", "AT+CMGS=24\r", "(prepare)"]);
    assert_eq!(talk.asks("AT+CSQ"), [""; 0]);
    talk.prepares(pdu());
    talk.hears("\r\n> ");
    assert_eq!(talk.hears("\r\n+CMGS: 7\r\n\r\nOK\r\n"), ["(finished sent Some(7))", "AT+CSQ\r"]);
}

#[test]
fn a_question_that_finds_the_card_gone_has_the_modem_initialised_again() {
    let mut talk = Talk::ready();
    talk.asks("AT+CIMI");
    let seen = talk.hears("\r\n+CME ERROR: 10\r\n");
    assert_eq!(seen, ["(answered +CME ERROR: 10: )", "<ESC>"]);
    assert_eq!(ErrorCode::Cme(10).meaning(), "sim not inserted");
    assert_eq!(talk.session.status().phase, Phase::Starting);
}
