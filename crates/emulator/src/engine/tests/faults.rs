//! Each scripted fault once: what the line shows, and what was transmitted.

use super::*;

/// Runs a script against one full exchange and a following `AT+CSQ`; answers what was said after the PDU.
fn exchange(action: &str) -> (Bench, String) {
    let mut bench =
        Bench::with(|_| {}, |_| {}, &format!("[[fault]]\nwhen = \"AT+CMGS\"\nnth = 1\naction = {action}\n"));
    bench.raw("AT+CMGS=31\r");
    let said = lines(&bench.raw(&format!("{PDU}\u{1a}")));
    (bench, said)
}

#[test]
fn faults_of_sending_show_and_transmit_what_they_say() {
    let cases = [
        ("\"lost_answer\"", "", 1),
        ("\"lost_answer_not_transmitted\"", "", 0),
        ("{ cms_error = 38 }", "+CMS ERROR: 38", 0),
        ("{ cms_error_transmitted = 332 }", "+CMS ERROR: 332", 1),
        ("{ urc_inside = '+CMTI: \"SM\",3' }", "+CMGS: 0 | +CMTI: \"SM\",3 | OK", 1),
        ("{ garbage = \"~x\" }", "~x | +CMGS: 0 | OK", 1),
    ];
    for (action, said, transmitted) in cases {
        let (mut bench, answer) = exchange(action);
        assert_eq!(answer, said, "{action}");
        assert_eq!(bench.network.transmission_count(), transmitted, "{action}");
        assert_eq!(bench.ask("AT+CSQ"), "+CSQ: 21,0 | OK", "usable after {action}");
        assert_ne!(bench.send(PDU), "", "the next one is not struck");
    }
}

#[test]
fn faults_before_the_prompt_leave_no_prompt() {
    let cases = [
        ("{ cms_error_before_prompt = 302 }", "+CMS ERROR: 302"),
        ("{ cme_error = 14 }", "+CME ERROR: 14"),
        ("\"error\"", "ERROR"),
        ("\"prompt_lost\"", ""),
        ("\"hang\"", ""),
        ("{ unplug = \"command\" }", ""),
        ("\"reset\"", "RDY | +CFUN: 1 | +CPIN: READY | Call Ready | SMS Ready"),
    ];
    for (action, said) in cases {
        let script = format!("[[fault]]\nwhen = \"AT+CMGS\"\naction = {action}\n");
        let mut bench = Bench::with(|_| {}, |_| {}, &script);
        assert_eq!(bench.ask("AT+CMGS=31"), said, "{action}");
    }
}

#[test]
fn prompts_come_late_or_without_their_blank() {
    let mut bench = Bench::with(|_| {}, |_| {}, "[[fault]]\nwhen = \"AT+CMGS\"\naction = \"prompt_without_space\"\n");
    assert_eq!(bench.raw("AT+CMGS=31\r"), "\r\n>");
    assert_eq!(lines(&bench.raw(&format!("{PDU}\u{1a}"))), "+CMGS: 0 | OK");
    let mut bench = Bench::with(|_| {}, |_| {}, "[[fault]]\nwhen = \"AT+CMGS\"\naction = { prompt_late = \"3s\" }\n");
    assert_eq!(bench.raw("AT+CMGS=31\r"), "");
    assert_eq!(bench.pass(2999), "");
    assert_eq!(bench.pass(1), "\r\n> ");
    assert_eq!(lines(&bench.raw(&format!("{PDU}\u{1a}"))), "+CMGS: 0 | OK");
}

#[test]
fn an_unplug_happens_at_its_step() {
    for (step, transmitted) in [("prompt", 0), ("after_pdu", 0), ("after_transmission", 1)] {
        let (mut bench, said) = exchange(&format!("{{ unplug = \"{step}\" }}\nreplug_after = \"3s\""));
        assert_eq!(said, "", "{step}");
        assert_eq!(bench.engine.take_unplug(), Some(Some(Duration::from_secs(3))), "{step}");
        assert_eq!(bench.network.transmission_count(), transmitted, "{step}");
        assert_eq!(bench.ask("AT"), "", "dead after {step}");
    }
}

#[test]
fn an_answer_can_be_late() {
    let mut bench = Bench::with(|_| {}, |_| {}, "[[fault]]\nwhen = \"AT+CSQ\"\naction = { delay = \"2s\" }\n");
    assert_eq!(bench.ask("AT+CSQ"), "");
    assert_eq!(bench.pass(1999), "");
    assert_eq!(lines(&bench.pass(1)), "+CSQ: 21,0 | OK");
}

#[test]
fn a_lost_echo_is_lost_for_the_pdu_only() {
    let script = "[[fault]]\nwhen = \"AT+CMGS\"\naction = \"lost_echo\"\n";
    let mut bench = Bench::started(|modem| modem.echo = true, |_| {}, script);
    assert_eq!(bench.raw("AT+CMGS=31\r"), "AT+CMGS=31\r\r\n> ");
    assert_eq!(bench.raw(&format!("{PDU}\u{1a}")), "\r\n+CMGS: 0\r\n\r\nOK\r\n");
    assert_eq!(bench.raw("AT\r"), "AT\r\r\nOK\r\n");
}

#[test]
fn a_hung_modem_answers_again_after_its_power_was_off() {
    let mut bench = Bench::with(|_| {}, |_| {}, "[[fault]]\nwhen = \"AT+CSQ\"\nnth = 1\naction = \"hang\"\n");
    assert_eq!(bench.ask("AT+CSQ"), "");
    assert_eq!(bench.ask("AT"), "");
    bench.engine.power_on(false, bench.now);
    assert_eq!(lines(&bench.pass(0)), "RDY | +CFUN: 1 | +CPIN: READY | Call Ready | SMS Ready");
    assert_eq!(bench.ask("AT"), "OK");
}

#[test]
fn a_bare_at_and_other_commands_can_be_struck() {
    let script = "[[fault]]\nwhen = \"AT\"\nnth = 3\naction = { cms_error = 500 }\n";
    let mut bench = Bench::with(|_| {}, |_| {}, script);
    // The bench's own ATE0+CMEE=1 are the first two.
    assert_eq!(bench.ask("AT"), "+CMS ERROR: 500");
    assert_eq!(bench.ask("AT"), "OK");
}
