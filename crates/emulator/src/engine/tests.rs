use std::sync::Arc;

use super::*;
use crate::network::{Inbox, NetworkSettings, ReceiverRule, Treatment};
use crate::script::Script;

/// 31 octets to +6281234567890, "Your OTP is 424242", no report asked for.
const PDU: &str = "0011000D91261832547698F00000A712D9775D0E7A52A1A0F41C4493D1643419";
/// The same, asking for a report.
const PDU_WITH_REPORT: &str = "0031000D91261832547698F00000A712D9775D0E7A52A1A0F41C4493D1643419";

/// A modem in memory with a clock of its own.
struct Bench {
    engine: Engine,
    network: Network,
    inbox: Arc<Inbox>,
    now: Instant,
}

impl Bench {
    /// A modem that does not echo and answers numeric errors.
    fn new() -> Self {
        Self::with(|_| {}, |_| {}, "")
    }

    fn with(modem: impl Fn(&mut ModemSettings), network: impl Fn(&mut NetworkSettings), script: &str) -> Self {
        let mut bench = Self::started(modem, network, script);
        assert_eq!(bench.ask("ATE0+CMEE=1"), "OK");
        bench
    }

    fn started(modem: impl Fn(&mut ModemSettings), network: impl Fn(&mut NetworkSettings), script: &str) -> Self {
        let mut network_settings = NetworkSettings::default();
        network(&mut network_settings);
        let mut settings = ModemSettings { echo: false, ..ModemSettings::named("modem1", 1) };
        modem(&mut settings);
        let network = Network::new(network_settings);
        let inbox = network.register(&settings.name, &settings.msisdn).expect("a free name");
        let faults = Faults::new(Script::parse(script).expect("a script").faults, &settings.name, 0);
        let now = network.origin();
        let mut engine = Engine::new(settings, network.clone(), faults);
        engine.power_on(true, now);
        Self { engine, network, inbox, now }
    }

    /// Raw bytes in, raw bytes out.
    fn raw(&mut self, bytes: &str) -> String {
        self.engine.receive(bytes.as_bytes(), self.now);
        self.pass(0)
    }

    /// A command line in, the lines of the answer joined by ` | ` out.
    fn ask(&mut self, command: &str) -> String {
        lines(&self.raw(&format!("{command}\r")))
    }

    /// Lets time pass and answers what was said meanwhile.
    fn pass(&mut self, millis: u64) -> String {
        let end = self.now + Duration::from_millis(millis);
        loop {
            for (due, arrival) in self.inbox.take() {
                self.engine.arrive(due, arrival);
            }
            match self.engine.next_deadline().filter(|due| *due <= end) {
                Some(due) => self.now = self.now.max(due),
                None => break,
            }
            self.engine.tick(self.now);
        }
        self.now = end;
        self.engine.tick(end);
        String::from_utf8(self.engine.take_output()).expect("text")
    }

    fn send(&mut self, pdu: &str) -> String {
        assert_eq!(self.raw(&format!("AT+CMGS={}\r", pdu.len() / 2 - 1)), "\r\n> ");
        lines(&self.raw(&format!("{pdu}\u{1a}")))
    }

    /// Command and answer, one pair after the other on the same modem.
    fn check(&mut self, table: &[(&str, &str)]) {
        for (command, answer) in table {
            assert_eq!(self.ask(command), *answer, "answer to {command}");
        }
    }
}

fn lines(raw: &str) -> String {
    raw.split("\r\n")
        .map(|line| line.trim_end_matches('\r'))
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" | ")
}

fn locked() -> Bench {
    Bench::with(|modem| modem.pin = Some("1234".to_owned()), |_| {}, "")
}

#[test]
fn a_fresh_modem_answers_who_it_is_and_how_it_is() {
    Bench::new().check(&[
        ("AT", "OK"),
        ("at", "OK"),
        ("AT+CGMI", "SIMCOM_Ltd | OK"),
        ("AT+CGMM", "SIMCOM_SIM800L | OK"),
        ("AT+CGMR", "Revision:1418B05SIM800L24 | OK"),
        ("AT+CGSN", "867856030000019 | OK"),
        ("ATI", "SIMCOM_Ltd | SIMCOM_SIM800L | Revision:1418B05SIM800L24 | OK"),
        ("AT+CIMI", "510100000000001 | OK"),
        ("AT+CCID", "8962100000000000001 | OK"),
        ("AT+CNUM", "+CNUM: \"\",\"+6281100000001\",145 | OK"),
        ("AT+CPIN?", "+CPIN: READY | OK"),
        ("AT+CSQ", "+CSQ: 21,0 | OK"),
        ("AT+CREG?", "+CREG: 0,1 | OK"),
        ("AT+CREG=2", "OK"),
        ("AT+CREG?", "+CREG: 2,1,\"00C3\",\"1234\" | OK"),
        ("AT+CREG=3", "+CME ERROR: 50"),
        ("AT+CGREG?", "+CGREG: 0,1 | OK"),
        ("AT+COPS?", "+COPS: 0,0,\"TELKOMSEL\" | OK"),
        ("AT+COPS=3,2;+COPS?", "+COPS: 0,2,\"51010\" | OK"),
        ("AT+COPS=1,2,\"99999\"", "+CME ERROR: 30"),
        ("AT+CSCA?", "+CSCA: \"+6281100000\",145 | OK"),
        ("AT+CFUN?", "+CFUN: 1 | OK"),
        ("AT+CCLK?", "+CCLK: \"26/11/21,00:00:00+28\" | OK"),
        ("AT+CSMS=?", "+CSMS: (0,1) | OK"),
        ("AT+CSMS=1", "+CSMS: 1,1,1 | OK"),
        ("AT+CMGF=?", "+CMGF: (0-1) | OK"),
        ("AT+CMGF=2", "+CMS ERROR: 302"),
        ("AT+CPMS=?", "+CPMS: (\"SM\",\"ME\"),(\"SM\",\"ME\"),(\"SM\",\"ME\") | OK"),
        ("AT+CNMI=?", "+CNMI: (0-3),(0-3),(0,2,3),(0-2),(0,1) | OK"),
    ]);
}

/// What gammu, kannel, smstools, python-gsmmodem-new and ModemManager ask while they start, and cannot do without.
#[test]
fn what_real_clients_ask_at_their_start_is_accepted() {
    let asked = [
        "ATZ",
        "AT&F",
        "ATE0V1",
        "ATQ0",
        "ATX4",
        "AT&C1",
        "AT&D2",
        "ATI",
        "ATH",
        "AT+IFC=2,2",
        "AT+CMEE=1;+CREG=2",
        "AT+GCAP",
        "AT+WS46=?",
        "AT+CSCS=?",
        "AT+CSCS?",
        "AT+CFUN=1",
        "AT+CPIN?",
        "AT+CSMS=?",
        "AT+CSMS=0",
        "AT+CNMI=?",
        "AT+CNMI=2,1,0,1,0",
        "AT+CNMI=2,1,0,2",
        "AT+CPMS=?",
        "AT+CPMS?",
        "AT+CPMS=\"SM\"",
        "AT+CPMS=\"ME\",\"ME\"",
        "AT+CMMS=2",
        "AT+CMGF=?",
        "AT+CMGF=0",
        "AT+CSMP=17,167,0,0",
        "AT+CSCA?",
        "AT+CSCA=\"+628110000000\"",
        "AT+CBC",
        "AT+CSQ",
        "AT+CGATT?",
        "AT+CGREG=2",
        "AT+CGREG?",
        "AT+COPS=3,2",
        "AT+COPS?",
        "AT+COPS=?",
        "AT+CLIP=1",
        "AT+CRC=1",
        "AT+CIND=?",
        "AT+CMER=?",
        "AT+CMER=3,0,0,1",
        "AT+CUSD=?",
        "AT+CUSD=1",
        "AT+CLCK=?",
        "AT+CLCK=\"SC\",2",
        "AT+CTZU=1",
        "AT+CCLK?",
        "AT+CNUM",
        "AT+CGMI",
        "AT+CGMM",
        "AT+CGMR",
        "AT+CGSN",
    ];
    let mut bench = Bench::new();
    for command in asked {
        assert!(bench.ask(command).ends_with("OK"), "{command}");
    }
}

#[test]
fn what_no_modem_knows_is_an_error() {
    for command in ["AT+FOO", "AT+CSQ=1", "AT^DTMF=?", "ATE7", "ATD123", "AT+CMGF", "AT+CGSN?", "AT+CSQ garbage"] {
        assert_eq!(Bench::new().ask(command), "ERROR", "{command}");
    }
}

#[test]
fn noise_is_not_a_command() {
    let mut bench = Bench::new();
    for noise in ["", "\u{1b}", "hello", "0011000D91\u{1a}", "A", "T"] {
        assert_eq!(bench.ask(noise), "", "{noise:?}");
    }
    bench.check(&[("\0\u{1b}AT+CSQ", "+CSQ: 21,0 | OK"), ("AT+CSX\u{8}Q", "+CSQ: 21,0 | OK")]);
    assert_eq!(bench.ask(&format!("AT{}", "X".repeat(600))), "ERROR");
}

#[test]
fn lines_are_echoed_until_ate0() {
    let mut bench = Bench::started(|modem| modem.echo = true, |_| {}, "");
    assert_eq!(bench.raw("A"), "A");
    assert_eq!(bench.raw("T\r\n"), "T\r\r\nOK\r\n");
    assert_eq!(bench.raw("ATE0\r"), "ATE0\r\r\nOK\r\n");
    assert_eq!(bench.raw("AT\r"), "\r\nOK\r\n");
    assert_eq!(bench.raw("ATE1\r"), "\r\nOK\r\n");
    assert_eq!(bench.raw("AT+CMGS=31\r"), "AT+CMGS=31\r\r\n> ");
    assert_eq!(bench.raw(&format!("{PDU}\u{1a}")), format!("{PDU}\r\n+CMGS: 0\r\n\r\nOK\r\n"));
}

#[test]
fn results_can_be_numbers_or_silent() {
    let mut bench = Bench::new();
    assert_eq!(bench.raw("ATV0\r"), "0\r");
    assert_eq!(bench.raw("AT+FOO\r"), "4\r");
    assert_eq!(bench.raw("AT+CSQ\r"), "+CSQ: 21,0\r\n0\r");
    assert_eq!(bench.raw("ATV1Q1\r"), "");
    assert_eq!(bench.raw("AT\r"), "");
    assert_eq!(bench.raw("ATZ\r"), "\r\nOK\r\n");
}

#[test]
fn commands_on_one_line_stop_at_the_first_error() {
    Bench::new().check(&[
        ("AT+CMEE=1;+CREG=2", "OK"),
        ("AT+CSQ;+CFUN?", "+CSQ: 21,0 | +CFUN: 1 | OK"),
        ("ATE0V1+CREG=1;+CREG?", "+CREG: 1,1 | OK"),
        ("AT+CSQ;+CREG=9;+CREG=2", "+CSQ: 21,0 | +CME ERROR: 50"),
        ("AT+CREG?", "+CREG: 1,1 | OK"),
    ]);
}

#[test]
fn a_slash_repeats_the_last_line_without_a_return() {
    let mut bench = Bench::new();
    bench.ask("AT+CSQ");
    assert_eq!(bench.raw("A/"), "\r\n+CSQ: 21,0\r\n\r\nOK\r\n");
}

#[test]
fn cmee_decides_how_errors_read() {
    locked().check(&[
        ("AT+CMEE=0", "OK"),
        ("AT+CIMI", "ERROR"),
        ("AT+CMGL=4", "ERROR"),
        ("AT+CMEE=1", "OK"),
        ("AT+CIMI", "+CME ERROR: 11"),
        ("AT+CMGL=4", "+CMS ERROR: 311"),
        ("AT+CMEE=2", "OK"),
        ("AT+CIMI", "+CME ERROR: SIM PIN required"),
        ("AT+CMGL=4", "+CMS ERROR: SIM PIN required"),
        ("AT+FOO", "ERROR"),
        ("AT+CMEE=3", "+CME ERROR: incorrect parameters"),
    ]);
}

#[test]
fn a_reset_loses_what_was_set_and_says_the_boot_lines() {
    let mut bench = Bench::started(|modem| modem.boot_time = Duration::from_secs(2), |_| {}, "");
    bench.pass(3000);
    bench.check(&[("ATE0+CMEE=1;+CREG=2;+CNMI=2,1;+CMGF=1", "OK"), ("AT+CFUN=1,1", "OK")]);
    assert_eq!(bench.ask("AT"), "", "deaf while starting");
    assert_eq!(lines(&bench.pass(2000)), "RDY | +CFUN: 1 | +CPIN: READY | Call Ready | SMS Ready");
    bench.check(&[
        ("AT+CREG?", "+CREG: 0,1 | OK"),
        ("AT+CNMI?", "+CNMI: 0,0,0,0,0 | OK"),
        ("AT+CMGF?", "+CMGF: 0 | OK"),
        ("AT+FOO=", "ERROR"),
        ("AT+CMEE?", "+CMEE: 0 | OK"),
    ]);
}

#[test]
fn a_modem_without_radio_or_network_does_not_send() {
    let mut bench = Bench::new();
    bench.check(&[("AT+CREG=1", "OK"), ("AT+CFUN=4", "OK | +CREG: 0"), ("AT+CMGS=31", "+CMS ERROR: 302")]);
    bench.check(&[("AT+CSQ", "+CSQ: 99,99 | OK"), ("AT+CFUN=1", "OK | +CREG: 1"), ("AT+CFUN=7", "+CME ERROR: 50")]);
    bench.engine.set_registration(3, bench.now);
    assert_eq!(lines(&bench.pass(0)), "+CREG: 3");
    assert_eq!(bench.send(PDU), "+CMS ERROR: 331");
    bench.check(&[("AT+COPS?", "+COPS: 0 | OK"), ("AT+CUSD=1,\"*888#\",15", "+CME ERROR: 30")]);
    bench.engine.set_registration(5, bench.now);
    assert_eq!(lines(&bench.pass(0)), "+CREG: 5");
    assert_eq!(bench.send(PDU), "+CMGS: 0 | OK");
    assert_eq!(bench.network.transmission_count(), 1);
}

#[test]
fn a_sent_pdu_is_transmitted_once_and_the_reference_wraps() {
    let mut bench = Bench::new();
    for reference in (0..256).chain(0..2) {
        assert_eq!(bench.send(PDU), format!("+CMGS: {reference} | OK"));
    }
    let sent = bench.network.transmissions();
    assert_eq!(sent.len(), 258);
    let first = &sent[0];
    assert_eq!((first.modem.as_str(), first.sequence, first.message_reference), ("modem1", 1, 0));
    assert_eq!((first.receiver.as_str(), first.text.as_deref()), ("6281234567890", Some("Your OTP is 424242")));
    assert_eq!((first.pdu_hex.as_str(), first.part), (PDU, (1, 1)));
    assert_eq!(first.at_millis, 1_795_194_000_000);
}

#[test]
fn a_pdu_that_does_not_fit_its_length_is_refused_and_not_transmitted() {
    let cases = [
        ("AT+CMGS=30", PDU),
        ("AT+CMGS=32", PDU),
        ("AT+CMGS=31", "XY"),
        ("AT+CMGS=31", ""),
        ("AT+CMGS=31", PDU.strip_prefix("00").expect("00")),
    ];
    for (command, pdu) in cases {
        let mut bench = Bench::new();
        assert_eq!(bench.raw(&format!("{command}\r")), "\r\n> ");
        assert_eq!(lines(&bench.raw(&format!("{pdu}\u{1a}"))), "+CMS ERROR: 304", "{command} {pdu}");
        assert_eq!(bench.network.transmission_count(), 0);
    }
    Bench::new().check(&[
        ("AT+CMGS=", "+CMS ERROR: 304"),
        ("AT+CMGS=7", "+CMS ERROR: 304"),
        ("AT+CMGS=165", "+CMS ERROR: 304"),
        ("AT+CMGS=\"31\"", "+CMS ERROR: 304"),
        ("AT+CMGS", "ERROR"),
        ("AT+CMGS=31;+CSQ", "ERROR"),
    ]);
}

#[test]
fn escape_gives_the_message_up() {
    let mut bench = Bench::new();
    bench.raw("AT+CMGS=31\r");
    assert_eq!(bench.raw(&format!("{PDU}\u{1b}")), "\r\nOK\r\n");
    assert_eq!(bench.network.transmission_count(), 0);
    assert_eq!(bench.ask("AT"), "OK");
}

#[test]
fn a_pdu_without_smsc_needs_one_on_the_card() {
    let mut bench = Bench::with(|modem| modem.smsc = String::new(), |_| {}, "");
    assert_eq!(bench.ask("AT+CSCA?"), "+CSCA: \"\",129 | OK");
    assert_eq!(bench.send(PDU), "+CMS ERROR: 330");
    bench.check(&[("AT+CSCA=\"+628110000000\",145", "OK"), ("AT+CSCA?", "+CSCA: \"+628110000000\",145 | OK")]);
    assert_eq!(bench.send(PDU), "+CMGS: 0 | OK");
}

#[test]
fn the_air_takes_its_time_and_other_commands_wait() {
    let mut bench = Bench::with(|_| {}, |network| network.air_time = Duration::from_millis(2500), "");
    assert_eq!(bench.send(PDU), "");
    assert_eq!(bench.raw("AT+CSQ\r"), "", "one line at a time");
    assert_eq!(bench.pass(2499), "");
    assert_eq!(bench.network.transmission_count(), 0, "not transmitted before the air time is over");
    assert_eq!(lines(&bench.pass(1)), "+CMGS: 0 | OK | +CSQ: 21,0 | OK");
    assert_eq!(bench.network.transmission_count(), 1);
}

#[test]
fn a_modem_that_loses_its_power_in_the_air_did_not_transmit() {
    let mut bench = Bench::with(|_| {}, |network| network.air_time = Duration::from_secs(1), "");
    bench.send(PDU);
    bench.engine.power_off();
    assert_eq!(bench.pass(5000), "");
    assert_eq!(bench.network.transmission_count(), 0);
}

#[test]
fn reports_come_only_when_asked_for_and_as_the_receiver_is() {
    let rules = [
        ("*7890", Treatment::Fail(0x46), vec![0x46]),
        ("62812*", Treatment::NeverReport, vec![]),
        ("62812*", Treatment::ReportTwice, vec![0x00, 0x00]),
        ("62812*", Treatment::LateReport(crate::ScriptDuration(Duration::from_secs(60))), vec![0x00]),
        ("*", Treatment::Slow(crate::ScriptDuration(Duration::from_secs(60))), vec![0x30, 0x00]),
        ("1", Treatment::Fail(0x41), vec![0x00]),
    ];
    for (number, treatment, states) in rules {
        let settings = |network: &mut NetworkSettings| {
            network.report_delay = Duration::from_secs(1);
            network.receivers = vec![ReceiverRule::new(number, treatment)];
        };
        let mut bench = Bench::with(|_| {}, settings, "");
        bench.ask("AT+CNMI=2,1,0,1,0");
        assert_eq!(bench.send(PDU), "+CMGS: 0 | OK");
        assert_eq!(bench.send(PDU_WITH_REPORT), "+CMGS: 1 | OK");
        assert_eq!(bench.pass(999), "");
        let said = lines(&bench.pass(61_001));
        let reports: Vec<&str> = said.split(" | ").filter(|line| line.starts_with("0691261801000006")).collect();
        let expected: Vec<String> = states.iter().map(|state| format!("{state:02X}")).collect();
        let found: Vec<&str> = reports.iter().map(|report| report.get(report.len() - 2..).expect("status")).collect();
        assert_eq!(found, expected, "{number}: {said}");
        assert!(reports.iter().all(|report| report.contains("06010D91261832547698F0")), "reference 1: {said}");
    }
}

#[test]
fn a_report_can_come_first_or_last_or_name_somebody_else() {
    let second = crate::ScriptDuration(Duration::from_secs(1));
    for (treatment, expected) in [
        (Treatment::EarlyReport, "(report 00) | +CMGS: 0 | OK"),
        (Treatment::PendingLast(second), "+CMGS: 0 | OK | (report 00) | (report 30)"),
        (Treatment::ReportFor(628_999), "+CMGS: 0 | OK | (report of another 00)"),
    ] {
        let rule = ReceiverRule::new("*", treatment);
        let mut bench = Bench::with(|_| {}, |network| network.receivers = vec![rule.clone()], "");
        bench.ask("AT+CNMI=2,1,0,1,0");
        let said = format!("{} | {}", bench.send(PDU_WITH_REPORT), lines(&bench.pass(1000)));
        let end = |line: &str| line.get(line.len() - 2..).expect("a status").to_owned();
        let shown = |line: &str| match (line.starts_with("06912618"), line.contains("0D91261832547698F0")) {
            (true, true) => format!("(report {})", end(line)),
            (true, false) => format!("(report of another {})", end(line)),
            (false, _) => line.to_owned(),
        };
        let told: Vec<_> =
            said.split(" | ").filter(|line| !line.is_empty() && !line.starts_with("+CDS")).map(shown).collect();
        assert_eq!(told.join(" | "), expected, "{treatment:?}");
    }
}

#[test]
fn the_link_is_set_up_once_as_long_as_it_is_kept_open() {
    let network = |network: &mut NetworkSettings| {
        (network.air_time, network.link_setup) = (Duration::from_secs(1), Duration::from_secs(2));
        network.link_hold = Duration::from_secs(3);
    };
    let mut bench = Bench::with(|_| {}, network, "");
    let send = |bench: &mut Bench, pause: u64| {
        bench.send(PDU);
        assert!(lines(&bench.pass(3000)).ends_with("OK"));
        bench.pass(pause);
        bench.network.transmissions().last().expect("one").radio_millis
    };
    assert_eq!((send(&mut bench, 0), send(&mut bench, 0)), (3000, 3000), "each its own");
    bench.ask("AT+CMMS=2");
    // The last two seconds of the wait for the second are spent with the link open and idle.
    assert_eq!([send(&mut bench, 0), send(&mut bench, 0), send(&mut bench, 1000)], [3000, 1000, 1000]);
    assert_eq!([send(&mut bench, 0), send(&mut bench, 0)], [3000, 1000], "closed when nothing came, and opened again");
    bench.check(&[("AT+CMMS?", "+CMMS: 2 | OK"), ("AT+CMMS=0", "OK")]);
    assert_eq!(send(&mut bench, 0), 3000);
    bench.ask("AT+CMMS=1");
    assert_eq!([send(&mut bench, 0), send(&mut bench, 3000)], [3000, 1000]);
    bench.check(&[("AT+CMMS?", "+CMMS: 0 | OK")]);
}

#[test]
fn a_network_can_refuse_a_receiver() {
    let rule = ReceiverRule::new("6281234567890", Treatment::Refuse(38));
    let mut bench = Bench::with(|_| {}, |network| network.receivers = vec![rule.clone()], "");
    assert_eq!(bench.send(PDU), "+CMS ERROR: 38");
    assert_eq!(bench.network.transmission_count(), 0);
}

mod card;
mod faults;
mod models;
mod stored;
mod ussd;
