//! Dialogues with the network, as transcripts.

use std::time::Duration;

use zeroize::Zeroizing;

use super::{PDU, Talk, pdu};
use crate::status::Phase;
use crate::ussd::UssdAct;

const OK: &str = "\r\nOK\r\n";
const ERROR: &str = "\r\nERROR\r\n";
const BALANCE: &str = "\r\n+CUSD: 0,\"Saldo Rp10000\",15\r\n";
const MENU: &str = "\r\n+CUSD: 1,\"1 Pulsa 2 Nomor\",15\r\n";

impl Talk {
    fn acts(&mut self, act: UssdAct) -> Vec<String> {
        self.session.ussd(act, self.now);
        self.did()
    }

    fn dials(&mut self, code: &str) -> Vec<String> {
        self.acts(UssdAct::Say { text: Zeroizing::new(code.to_owned()), is_reply: false })
    }

    fn replies(&mut self, text: &str) -> Vec<String> {
        self.acts(UssdAct::Say { text: Zeroizing::new(text.to_owned()), is_reply: true })
    }

    fn cancels(&mut self) -> Vec<String> {
        self.acts(UssdAct::Cancel)
    }

    fn gives_up(&mut self) -> Vec<String> {
        self.session.abandon_ussd(self.now);
        self.did()
    }

    /// A menu that waits for a reply.
    fn in_menu() -> Self {
        let mut talk = Self::ready();
        talk.dials("*123#");
        talk.hears(OK);
        assert_eq!(talk.hears(MENU), ["(ussd reply-expected: 1 Pulsa 2 Nomor)"]);
        talk
    }
}

#[test]
fn a_code_is_answered_after_its_ok_and_messages_go_on() {
    let mut talk = Talk::ready();
    assert_eq!(talk.dials("*888#"), ["AT+CUSD=1,\"*888#\",15\r"]);
    assert_eq!(talk.hears(OK), [""; 0]);
    assert_eq!(talk.hears(BALANCE), ["(ussd final: Saldo Rp10000)", "(ussd over)"]);
    talk.hands_over();
    assert_eq!(talk.hears("\r\n+CMGS: 7\r\n\r\nOK\r\n"), ["(finished sent Some(7))"]);
}

#[test]
fn an_answer_may_come_before_the_ok_echoed_over_several_lines_and_beside_what_comes_unasked() {
    let mut talk = Talk::ready();
    talk.dials("*888#");
    assert_eq!(talk.hears(BALANCE), [""; 0], "the OK is still to come");
    assert_eq!(talk.hears(OK), ["(ussd final: Saldo Rp10000)", "(ussd over)"]);

    talk.dials("*888#");
    talk.hears(OK);
    assert_eq!(talk.hears("\r\n+CUSD: 0,\"Saldo\r\nRp10000\r\n"), [""; 0]);
    assert_eq!(talk.hears("\r\n+CMTI: \"SM\",3\r\n"), [""; 0], "it is no line of the answer");
    let seen = talk.hears("aktif\",15\r\n");
    assert_eq!(seen[..2], ["(ussd final: Saldo\nRp10000\naktif)", "(ussd over)"]);
    assert_eq!(seen[2..], ["AT+CMGR=3\r"], "read once the dialogue is over");
}

#[test]
fn an_answer_without_quotes_or_end_is_taken_when_nothing_more_comes() {
    let mut talk = Talk::ready();
    talk.dials("*888#");
    talk.hears(OK);
    assert_eq!(talk.hears("\r\n+CUSD: 0,Saldo\r\nRp10000\r\n"), [""; 0]);
    assert_eq!(talk.waits(Duration::from_millis(500)), ["(ussd final: Saldo\nRp10000)", "(ussd over)"]);
}

#[test]
fn a_menu_goes_on_until_the_network_has_said_its_last_word() {
    let mut talk = Talk::in_menu();
    assert_eq!(talk.replies("2"), ["AT+CUSD=1,\"2\",15\r"]);
    talk.hears(OK);
    assert_eq!(talk.hears(MENU), ["(ussd reply-expected: 1 Pulsa 2 Nomor)"]);
    assert_eq!(talk.replies("1"), ["AT+CUSD=1,\"1\",15\r"]);
    talk.hears(OK);
    assert_eq!(talk.hears(BALANCE), ["(ussd final: Saldo Rp10000)", "(ussd over)"]);
    let over = "(ussd the dialogue is over: the network has ended it, or no reply came in time)";
    assert_eq!(talk.replies("1"), [over]);
}

#[test]
fn the_three_ways_are_tried_and_what_worked_is_remembered() {
    let mut talk = Talk::ready();
    assert_eq!(talk.dials("*888#"), ["AT+CUSD=1,\"*888#\",15\r"]);
    assert_eq!(talk.hears(ERROR), ["AT+CUSD=1,\"2A1C0E3702\",15\r"]);
    talk.hears(OK);
    // "Saldo 10000", packed.
    let answer = "\r\n+CUSD: 0,\"D3309BFC06C56030180C\",15\r\n";
    assert_eq!(talk.hears(answer), ["(ussd final: Saldo 10000)", "(ussd over)"]);
    assert_eq!(talk.dials("*100#"), ["AT+CUSD=1,\"AA180C3602\",15\r"], "what has worked goes first");
}

#[test]
fn what_a_profile_says_before_a_code_is_said_first_and_may_be_refused() {
    let mut talk = Talk::new();
    talk.initialise(&[
        ("AT+CGMI", "\r\nhuawei\r\n\r\nOK\r\n"),
        ("AT+CGMM", "\r\nE3372\r\n\r\nOK\r\n"),
        ("AT^ICCID?", "\r\n^ICCID: 8962100000000000001F\r\n\r\nOK\r\n"),
    ]);
    for result in [OK, ERROR] {
        assert_eq!(talk.dials("*888#"), ["AT^USSDMODE=0\r"]);
        assert_eq!(talk.hears(result), ["AT+CUSD=1,\"*888#\",15\r"]);
        talk.hears(OK);
        assert_eq!(talk.hears(BALANCE), ["(ussd final: Saldo Rp10000)", "(ussd over)"]);
    }
    // Who goes away before the code was said has asked nothing.
    talk.dials("*888#");
    assert_eq!(talk.gives_up(), [""; 0]);
    assert_eq!(talk.hears(OK), ["AT+CUSD=2\r"]);
    talk.hears(OK);
    talk.hands_over();
}

#[test]
fn ucs2_is_said_under_its_own_character_set_which_is_taken_back() {
    let mut talk = Talk::ready();
    talk.dials("*888#");
    talk.hears("\r\n+CME ERROR: 50\r\n");
    assert_eq!(talk.hears(ERROR), ["AT+CSCS=\"UCS2\"\r"]);
    assert_eq!(talk.hears(OK), ["AT+CUSD=1,\"002A0038003800380023\",15\r"]);
    talk.hears(OK);
    let answer = "\r\n+CUSD: 1,\"00480061006C006F\",72\r\n";
    assert_eq!(talk.hears(answer), ["(ussd reply-expected: Halo)"]);
    assert_eq!(talk.replies("1"), ["AT+CUSD=1,\"0031\",15\r"]);
    talk.hears(OK);
    let answer = "\r\n+CUSD: 0,\"00480061006C006F\",72\r\n";
    assert_eq!(talk.hears(answer), ["(ussd final: Halo)", "AT+CSCS=\"GSM\"\r"]);
    assert_eq!(talk.submits(), [""; 0], "the character set first");
    assert_eq!(talk.hears(OK), ["(ussd over)", "AT+CMGS=24\r", "(prepare)"]);
    talk.prepares(pdu());
    assert_eq!(talk.hears("\r\n> ")[1], format!("{PDU}<^Z>"));
    talk.hears("\r\n+CMGS: 7\r\n\r\nOK\r\n");
    // What has worked goes first.
    assert_eq!(talk.dials("*123#"), ["AT+CSCS=\"UCS2\"\r"]);
}

#[test]
fn what_no_way_can_say_or_the_modem_refuses_is_refused_and_the_network_is_told() {
    let mut talk = Talk::ready();
    talk.dials("*888#");
    talk.hears("\r\n+CME ERROR: 30\r\n");
    assert_eq!(talk.hears(ERROR), ["AT+CSCS=\"UCS2\"\r"]);
    assert_eq!(talk.hears(ERROR), ["AT+CUSD=2\r"], "a modem without UCS-2");
    assert_eq!(talk.hears(OK), ["(ussd the modem refused it: no network service)", "(ussd over)"]);
    // A reply in letters that only UCS-2 has, to a modem that speaks plainly.
    let mut talk = Talk::in_menu();
    assert_eq!(talk.replies("\u{434}\u{430}"), ["AT+CSCS=\"UCS2\"\r"]);
    assert_eq!(talk.hears(OK), ["AT+CUSD=1,\"04340430\",72\r"]);
}

#[test]
fn a_network_that_does_not_answer_is_given_up_and_told() {
    let mut talk = Talk::ready();
    talk.dials("*888#");
    talk.hears(OK);
    assert_eq!(talk.waits(Duration::from_secs(89)), [""; 0]);
    assert_eq!(talk.waits(Duration::from_secs(1)), ["AT+CUSD=2\r"]);
    let seen = talk.hears(OK);
    assert_eq!(
        seen[..2],
        ["(ussd the network gave no answer in time; what was asked may have been done)", "(ussd over)"]
    );
    // A late answer belongs to nobody, and does no harm.
    talk.initialise(&[]);
    assert_eq!(talk.hears(BALANCE), [""; 0]);
    talk.hands_over();
}

#[test]
fn nobody_who_went_away_keeps_messages_waiting() {
    let mut talk = Talk::in_menu();
    assert_eq!(talk.waits(Duration::from_secs(59)), [""; 0]);
    assert_eq!(talk.waits(Duration::from_secs(1)), ["AT+CUSD=2\r"]);
    assert_eq!(talk.submits(), [""; 0]);
    assert_eq!(talk.hears(OK), ["(ussd over)", "AT+CMGS=24\r", "(prepare)"]);
}

#[test]
fn a_dialogue_ends_after_its_time_even_if_somebody_keeps_replying() {
    let mut talk = Talk::in_menu();
    for _ in 0..5 {
        assert_eq!(talk.waits(Duration::from_secs(50)), [""; 0]);
        assert_eq!(talk.replies("9"), ["AT+CUSD=1,\"9\",15\r"]);
        talk.hears(OK);
        talk.hears(MENU);
    }
    assert_eq!(talk.waits(Duration::from_secs(50)), ["AT+CUSD=2\r"]);
}

#[test]
fn a_cancelled_and_an_abandoned_dialogue_are_told_to_the_network() {
    let mut talk = Talk::in_menu();
    assert_eq!(talk.cancels(), ["AT+CUSD=2\r"]);
    assert_eq!(talk.hears(OK), ["(ussd cancelled)", "(ussd over)"]);
    assert_eq!(talk.cancels(), ["(ussd cancelled)"], "there is none");

    let over = "(ussd the dialogue is over: the network has ended it, or no reply came in time)";
    // Before the OK: as soon as it comes.
    let mut talk = Talk::ready();
    talk.dials("*888#");
    assert_eq!(talk.gives_up(), [""; 0]);
    assert_eq!(talk.hears(OK), ["AT+CUSD=2\r"]);
    assert_eq!(talk.hears(OK), [over, "(ussd over)"]);
    // While the network thinks.
    talk.dials("*888#");
    talk.hears(OK);
    assert_eq!(talk.gives_up(), ["AT+CUSD=2\r"]);
    assert_eq!(talk.hears(BALANCE), [""; 0], "nobody wants it");
    assert_eq!(talk.hears(OK), [over, "(ussd over)"]);
    // A new code in an open menu: the old one first.
    let mut talk = Talk::in_menu();
    assert_eq!(talk.dials("*888#"), ["AT+CUSD=2\r"]);
    assert_eq!(talk.hears(OK), ["(ussd over)", "AT+CUSD=1,\"*888#\",15\r"]);
}

#[test]
fn the_network_may_end_a_menu_or_speak_by_itself() {
    let mut talk = Talk::in_menu();
    assert_eq!(talk.hears("\r\n+CUSD: 2\r\n"), ["(ussd over)"]);
    talk.hands_over();
    let mut talk = Talk::ready();
    assert_eq!(talk.hears("\r\n+CUSD: 0,\"Promo\r\nhari ini\",15\r\n"), [""; 0]);
    talk.hands_over();
    // In the middle of an answer to somebody else.
    assert_eq!(talk.hears("\r\n+CUSD: 1,\"Promo\",15\r\n\r\n+CMGS: 7\r\n\r\nOK\r\n"), ["(finished sent Some(7))"]);
}

#[test]
fn a_lost_line_and_a_restart_are_told_as_such() {
    let cut = "(ussd the dialogue was cut off: the modem restarted; what was asked may have been done)";
    let mut talk = Talk::ready();
    talk.dials("*888#");
    talk.hears(OK);
    assert_eq!(talk.hears("\r\nRDY\r\n"), [cut, "(ussd over)", "<ESC>"]);
    talk.initialise(&[]);
    assert_eq!(talk.session.status().phase, Phase::Ready);

    let mut talk = Talk::in_menu();
    assert_eq!(talk.hears("\r\nRDY\r\n"), ["(ussd over)", "<ESC>"]);

    let mut talk = Talk::ready();
    talk.dials("*888#");
    talk.session.lost();
    let gone = "(ussd the dialogue was cut off: the line is gone; what was asked may have been done)";
    assert_eq!(talk.did(), [gone, "(ussd over)"]);
}

#[test]
fn a_modem_that_stops_answering_is_brought_back_in_step_and_its_dialogue_ended() {
    let mut talk = Talk::ready();
    talk.dials("*888#");
    let seen = talk.waits(Duration::from_secs(20));
    let cut = "(ussd the dialogue was cut off: the modem does not answer; what was asked may have been done)";
    assert_eq!(seen, [cut, "(ussd over)", "<ESC>"]);
    let said = talk.initialise(&[]);
    for again in ["AT+CUSD=2", "AT+CSCS=\"GSM\""] {
        assert!(said.iter().any(|line| line == again), "{again}: {said:?}");
    }
    talk.hands_over();
}

#[test]
fn a_modem_that_is_not_ready_asks_nothing() {
    let mut talk = Talk::ready();
    talk.hears("\r\n+CREG: 2\r\n");
    assert_eq!(talk.session.status().phase, Phase::NotRegistered);
    talk.initialise(&[("AT+CREG?", "\r\n+CREG: 1,2\r\n\r\nOK\r\n")]);
    assert_eq!(talk.dials("*888#"), ["(ussd the modem cannot ask the network: the modem is not-registered)"]);
}
