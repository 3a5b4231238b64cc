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
        ("\"lost_result\"", "+CMGS: 0", 1),
        ("\"lost_information\"", "OK", 1),
        ("\"echo\"", "ECHO | +CMGS: 0 | OK", 1),
    ];
    for (action, said, transmitted) in cases {
        let (mut bench, answer) = exchange(action);
        assert_eq!(answer.replace(PDU, "ECHO"), said, "{action}");
        assert_eq!(bench.network.transmission_count(), transmitted, "{action}");
        let is_denied = bench.network.transmissions().iter().any(|sent| sent.is_denied);
        assert_eq!(is_denied, transmitted == 1 && said.contains("ERROR"), "{action}");
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
    for (step, transmitted) in [("prompt", 0), ("after_pdu", 0), ("after_transmission", 1), ("after_result", 1)] {
        let (mut bench, said) = exchange(&format!("{{ unplug = \"{step}\" }}\nreplug_after = \"3s\""));
        assert_eq!(said, if step == "after_result" { "+CMGS: 0 | OK" } else { "" }, "{step}");
        assert_eq!(bench.engine.take_unplug(), Some(Some(Duration::from_secs(3))), "{step}");
        assert_eq!(bench.network.transmission_count(), transmitted, "{step}");
        assert_eq!(bench.ask("AT"), "", "dead after {step}");
    }
}

/// Moment, what is said to `AT+CMGS`, what to the PDU, and how much is transmitted.
type AtMoment = (&'static str, &'static str, &'static str, u64);

#[test]
fn a_fault_strikes_at_the_moment_it_names() {
    let boot = "RDY | +CFUN: 1 | +CPIN: READY | Call Ready | SMS Ready";
    let tables: [(&str, [AtMoment; 5]); 7] = [
        (
            "{ cms_error = 38 }",
            [
                ("command", "+CMS ERROR: 38", "", 0),
                ("prompt", "> | +CMS ERROR: 38", "", 0),
                ("after_pdu", "> ", "+CMS ERROR: 38", 0),
                ("after_transmission", "> ", "+CMS ERROR: 38", 1),
                ("after_result", "> ", "+CMGS: 0 | OK | +CMS ERROR: 38", 1),
            ],
        ),
        (
            "{ cme_error = 14 }",
            [
                ("command", "+CME ERROR: 14", "", 0),
                ("prompt", "> | +CME ERROR: 14", "", 0),
                ("after_pdu", "> ", "+CME ERROR: 14", 0),
                ("after_transmission", "> ", "+CME ERROR: 14", 1),
                ("after_result", "> ", "+CMGS: 0 | OK | +CME ERROR: 14", 1),
            ],
        ),
        (
            "\"error\"",
            [
                ("command", "ERROR", "", 0),
                ("prompt", "> | ERROR", "", 0),
                ("after_pdu", "> ", "ERROR", 0),
                ("after_transmission", "> ", "ERROR", 1),
                ("after_result", "> ", "+CMGS: 0 | OK | ERROR", 1),
            ],
        ),
        (
            "{ urc_inside = \"RING\" }",
            [
                ("command", "RING | > ", "+CMGS: 0 | OK", 1),
                ("prompt", "> | RING", "+CMGS: 0 | OK", 1),
                ("after_pdu", "> ", "RING | +CMGS: 0 | OK", 1),
                ("after_transmission", "> ", "+CMGS: 0 | RING | OK", 1),
                ("after_result", "> ", "+CMGS: 0 | OK | RING", 1),
            ],
        ),
        (
            "{ garbage = \"~x\" }",
            [
                ("command", "~x | > ", "+CMGS: 0 | OK", 1),
                ("prompt", "> ~x", "+CMGS: 0 | OK", 1),
                ("after_pdu", "> ", "~x | +CMGS: 0 | OK", 1),
                ("after_transmission", "> ", "~x | +CMGS: 0 | OK", 1),
                ("after_result", "> ", "+CMGS: 0 | OK | ~x", 1),
            ],
        ),
        (
            "\"reset\"",
            [
                ("command", "BOOT", "", 0),
                ("prompt", "> | BOOT", "", 0),
                ("after_pdu", "> ", "BOOT", 0),
                ("after_transmission", "> ", "BOOT", 1),
                ("after_result", "> ", "+CMGS: 0 | OK | BOOT", 1),
            ],
        ),
        (
            "\"hang\"",
            [
                ("command", "", "", 0),
                ("prompt", "> ", "", 0),
                ("after_pdu", "> ", "", 0),
                ("after_transmission", "> ", "", 1),
                ("after_result", "> ", "+CMGS: 0 | OK", 1),
            ],
        ),
    ];
    for (action, rows) in tables {
        for (at, prompted, said, transmitted) in rows {
            let script = format!("[[fault]]\nwhen = \"AT+CMGS\"\nnth = 1\nat = \"{at}\"\naction = {action}\n");
            let mut bench = Bench::with(|_| {}, |_| {}, &script);
            let command = lines(&bench.raw("AT+CMGS=31\r")).replace(boot, "BOOT");
            assert_eq!(command.replace(' ', ""), prompted.replace(' ', ""), "{action} at {at}");
            if prompted.contains('>') {
                let answer = lines(&bench.raw(&format!("{PDU}\u{1a}"))).replace(boot, "BOOT");
                // Without a prompt a PDU is no command.
                assert_eq!(answer, said, "{action} at {at}");
            }
            assert_eq!(bench.network.transmission_count(), transmitted, "{action} at {at}");
            let echoes = action == "\"reset\"";
            let alive = if action == "\"hang\"" { "" } else { "OK" };
            // The end of what is still typed, and a sign of life.
            bench.raw(if echoes { "\rATE0\r" } else { "\r" });
            assert_eq!(bench.ask("AT"), alive, "{action} at {at}");
        }
    }
}

#[test]
fn a_command_without_a_prompt_has_three_moments() {
    for (action, at, said) in [
        ("{ cms_error = 500 }", "prompt", "+CMS ERROR: 500"),
        ("{ cms_error = 500 }", "after_pdu", "+CMS ERROR: 500"),
        ("{ cms_error = 500 }", "after_transmission", "+CSQ: 21,0 | +CMS ERROR: 500"),
        ("{ cms_error = 500 }", "after_result", "+CSQ: 21,0 | OK | +CMS ERROR: 500"),
        ("{ urc_inside = \"RING\" }", "command", "RING | +CSQ: 21,0 | OK"),
        ("{ urc_inside = \"RING\" }", "after_transmission", "+CSQ: 21,0 | RING | OK"),
        ("{ garbage = \"~\" }", "after_result", "+CSQ: 21,0 | OK | ~"),
    ] {
        let script = format!("[[fault]]\nwhen = \"AT+CSQ\"\nat = \"{at}\"\naction = {action}\n");
        assert_eq!(Bench::with(|_| {}, |_| {}, &script).ask("AT+CSQ"), said, "{action} at {at}");
    }
    // One that is refused has them as well.
    for (action, said) in [
        ("{ garbage = \"~\" }", "~ | ERROR"),
        ("{ urc_inside = \"RING\" }", "RING | ERROR"),
        ("\"hang\"\nat = \"after_transmission\"", ""),
        ("\"lost_result\"", ""),
    ] {
        let script = format!("[[fault]]\nwhen = \"AT+XTEXT\"\naction = {action}\n");
        assert_eq!(Bench::with(|_| {}, |_| {}, &script).ask("AT+XTEXT=5"), said, "{action}");
    }
}

#[test]
fn a_silent_modem_goes_on_afterwards_with_its_settings_and_what_came_meanwhile() {
    for (at, transmitted) in [("command", 0), ("prompt", 0), ("after_pdu", 0), ("after_transmission", 1)] {
        let script =
            format!("[[fault]]\nwhen = \"AT+CMGS\"\nnth = 1\nat = \"{at}\"\naction = {{ silence = \"2s\" }}\n");
        let mut bench = Bench::with(|_| {}, |_| {}, &script);
        assert_eq!(bench.ask("AT+CNMI=2,1"), "OK");
        bench.raw("AT+CMGS=31\r");
        assert_eq!(bench.raw(&format!("{PDU}\u{1a}")), "", "{at}");
        assert_eq!(bench.network.transmission_count(), transmitted, "{at}");
        assert_eq!(bench.ask("AT"), "", "{at}");
        bench.network.deliver("modem1", "+628111", "meanwhile");
        assert_eq!(bench.pass(1999), "");
        assert_eq!(lines(&bench.pass(1)), "+CMTI: \"SM\",1", "{at}");
        assert_eq!(bench.ask("AT+CSQ"), "+CSQ: 21,0 | OK", "{at}: still without echo");
        assert_ne!(bench.send(PDU), "");
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

#[test]
fn a_modem_that_hangs_until_it_is_reset_obeys_that_order_alone() {
    for order in ["AT+CFUN=1,1", "\u{1b}at+cfun=1,1", "AT+CRESET", "AT^RESET", "AT+ZRST"] {
        let mut bench =
            Bench::started(|_| {}, |_| {}, "[[fault]]\nwhen = \"AT+CSQ\"\nnth = 1\naction = \"hang_until_reset\"\n");
        bench.check(&[("AT+CSQ", ""), ("AT", ""), ("AT+CFUN=1", ""), ("AT+CFUN=1,", "")]);
        assert!(bench.ask(order).starts_with("RDY"), "{order}");
        bench.check(&[("AT", "OK")]);
    }
}

#[test]
fn a_modem_that_hangs_until_it_is_opened_again_answers_then() {
    let mut bench =
        Bench::started(|_| {}, |_| {}, "[[fault]]\nwhen = \"AT+CSQ\"\nnth = 1\naction = \"hang_until_reopened\"\n");
    bench.check(&[("AT+CSQ", ""), ("AT", "")]);
    assert!(bench.engine.waits_for_reopening());
    bench.engine.reopened();
    bench.check(&[("AT", "OK")]);
}

#[test]
fn a_modem_that_says_ok_to_everything_carries_nothing_out() {
    let mut bench = Bench::started(|_| {}, |_| {}, "[[fault]]\nwhen = \"*\"\naction = \"ok_to_everything\"\n");
    bench.check(&[("AT", "OK"), ("AT+CSQ", "OK"), ("AT+CMEE?", "OK"), ("AT+NONSENSE", "OK")]);
    assert_eq!(bench.send(PDU), "OK");
    assert_eq!(bench.network.transmission_count(), 0);
}

#[test]
fn a_modem_that_swallows_tells_a_reference_for_what_is_never_transmitted() {
    let mut bench = Bench::started(|_| {}, |_| {}, "[[fault]]\nwhen = \"AT+CMGS\"\naction = \"swallow\"\n");
    assert_eq!((bench.send(PDU), bench.send(PDU)), ("+CMGS: 0 | OK".to_owned(), "+CMGS: 1 | OK".to_owned()));
    assert_eq!(bench.network.transmission_count(), 0);
}

#[test]
fn a_modem_that_talks_nonsense_says_nothing_else() {
    let mut bench = Bench::started(|_| {}, |_| {}, "[[fault]]\nwhen = \"*\"\naction = { nonsense = \"~x\\r\\n\" }\n");
    bench.check(&[("AT", "~x"), ("AT+CMGS=31", "~x"), ("AT+CSQ;+CREG?", "~x | ~x")]);
}
