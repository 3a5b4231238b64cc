//! From the queue to the phone: which modem, how often, in which state it ends, and what happens when something breaks.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Client, Emulator, Gateway, PATIENCE, Setup, code_in, wait_for};

const PHONE: &str = "08126666666";

/// Sends an SMS and answers its message id.
fn send(gateway: &Gateway, receiver: &str, message: &str) -> String {
    let answer = gateway.ask("send-sms", json!({"receiver": receiver, "message": message}));
    assert_eq!(answer["response_code"], "000", "{answer}");
    answer["data"]["message_id"].as_str().unwrap().to_owned()
}

fn state_of(gateway: &Gateway, message_id: &str) -> String {
    gateway.ask("get-status", json!({"message_id": message_id}))["data"]["state"].as_str().unwrap().to_owned()
}

/// `modem` and the beginning of `error_code` of every attempt.
fn attempts(status: &Value) -> Vec<(String, String)> {
    let code =
        |attempt: &Value| attempt["error_code"].as_str().unwrap_or_default().split(" (").next().unwrap().to_owned();
    let modem = |attempt: &Value| attempt["modem"].as_str().unwrap().to_owned();
    status["data"]["attempts"].as_array().unwrap().iter().map(|attempt| (modem(attempt), code(attempt))).collect()
}

fn pair(modem: &str, code: &str) -> (String, String) {
    (modem.to_owned(), code.to_owned())
}

/// A gateway whose modems have lines of their own in the configuration.
fn with_lines(emulator: &Emulator, lines: &[&str]) -> Gateway {
    let mut setup = Setup::without_modems();
    for (number, (path, lines)) in emulator.modems.iter().zip(lines).enumerate() {
        setup.more += &format!("[[modem]]\nname = \"op{}\"\nport = {path:?}\n{lines}\n", number + 1);
    }
    let gateway = setup.start();
    gateway.wait_for_modems(lines.len());
    gateway
}

#[test]
fn numbers_go_out_by_the_modem_of_their_prefix_as_in_the_readme_with_four_operators() {
    let emulator = Emulator::start(4, &[]);
    let gateway = with_lines(
        &emulator,
        &[
            "recipient_prefixes = [\"62871\", \"0872\"]\ncost = 50\nother_cost = 350",
            "recipient_prefixes = [\"62835\", \"62856\", \"+62837\"]\ncost = 100\nother_cost = 350",
            "recipient_prefixes = [\"62845\"]\ncost = 60\nother_cost = 250",
            "recipient_prefixes = [\"62848\", \"62849\"]\ncost = 90\nother_cost = 200\ndefault = true",
        ],
    );
    for (receiver, modem) in [
        ("0871123456", "modem1"),
        ("62872123456", "modem1"),
        ("+62835123456", "modem2"),
        ("0856123456", "modem2"),
        ("0837123456", "modem2"),
        ("0845123456", "modem3"),
        ("0848123456", "modem4"),
        ("0849123456", "modem4"),
        ("0812123456", "modem4"),
        ("+1 202 555 0147", "modem4"),
    ] {
        let word = format!("to {receiver}.");
        send(&gateway, receiver, &word);
        emulator.text_with(&word);
        assert_eq!(emulator.senders_of(&word), [modem], "{receiver}");
    }
}

#[test]
fn idle_modems_take_turns_a_b_c_a() {
    let emulator = Emulator::start(3, &[]);
    let gateway = with_lines(&emulator, &["", "", ""]);
    for number in 1..=7 {
        send(&gateway, PHONE, &format!("turn {number}"));
        emulator.wait_for_transmissions(number);
    }
    assert_eq!(emulator.senders_of("turn"), ["modem1", "modem2", "modem3", "modem1", "modem2", "modem3", "modem1"]);
}

#[test]
fn modems_with_the_same_prefix_take_turns_and_the_others_stay_out() {
    let emulator = Emulator::start(3, &[]);
    let prefix = "recipient_prefixes = [\"62812\"]";
    let gateway = with_lines(&emulator, &[prefix, "default = true", prefix]);
    for number in 1..=4 {
        send(&gateway, PHONE, &format!("turn {number}"));
        emulator.wait_for_transmissions(number);
    }
    assert_eq!(emulator.senders_of("turn"), ["modem1", "modem3", "modem1", "modem3"]);
}

#[test]
fn a_modem_that_is_not_for_the_api_or_inactive_sends_nothing() {
    let emulator = Emulator::start(3, &[]);
    let mut setup = Setup::without_modems();
    for (path, lines) in emulator.modems.iter().zip(["send_from_api = false", "active = false", ""]) {
        setup.more += &format!("[[modem]]\nname = {path:?}\nport = {path:?}\n{lines}\n");
    }
    let gateway = setup.start();
    for number in 1..=3 {
        send(&gateway, PHONE, &format!("only {number}"));
        emulator.wait_for_transmissions(number);
    }
    assert_eq!(emulator.senders_of("only"), ["modem3", "modem3", "modem3"]);
}

#[test]
fn several_modems_are_on_air_at_once() {
    let emulator = Emulator::start(4, &["--air-time", "700ms"]);
    let gateway = with_lines(&emulator, &["", "", "", ""]);
    for number in 1..=4 {
        send(&gateway, PHONE, &format!("parallel {number}"));
    }
    let sent = emulator.wait_for_transmissions(4);
    let times: Vec<i64> = sent.iter().map(|sent| sent["at_millis"].as_i64().unwrap()).collect();
    let spread = times.iter().max().unwrap() - times.iter().min().unwrap();
    assert!(spread < 700, "they ended {spread} ms apart, so they were not all on air together");
    let modems: std::collections::BTreeSet<_> = emulator.senders_of("parallel").into_iter().collect();
    assert_eq!(modems.len(), 4);
}

#[test]
fn a_code_overtakes_the_other_messages_that_wait() {
    let emulator = Emulator::start(1, &["--air-time", "150ms"]);
    let gateway = with_lines(&emulator, &[""]);
    for number in 1..=6 {
        send(&gateway, PHONE, &format!("news {number}"));
    }
    gateway.ask("create-otp", json!({"reference": "r", "receiver": PHONE, "message": "code %s"}));
    emulator.text_with("code ");
    assert!(emulator.count("news") < 5, "the code waited for {} messages", emulator.count("news"));
    emulator.text_with("news 6");
}

#[test]
fn what_one_modem_refuses_for_a_reason_of_its_own_another_sends_at_once() {
    let script = "[[fault]]\nwhen = \"AT+CMGS\"\nmodem = \"modem1\"\naction = { cms_error = 29 }\n";
    let emulator = Emulator::scripted(2, script, &[]);
    let gateway = with_lines(&emulator, &["", ""]);
    let id = send(&gateway, PHONE, "failover");
    let status = gateway.wait_for_state(&id, "delivered");
    assert_eq!(emulator.senders_of("failover"), ["modem2"]);
    assert_eq!(attempts(&status), [pair("op1", "CMS 29"), pair("op2", "")]);
    let first = status["data"]["attempts"][0].clone();
    assert_eq!(first["meaning"], "facility rejected", "{first}");
}

#[test]
fn a_code_that_fails_over_is_minted_anew_and_valid() {
    let script = "[[fault]]\nwhen = \"AT+CMGS\"\nmodem = \"modem1\"\naction = { cms_error = 29 }\n";
    let emulator = Emulator::scripted(2, script, &[]);
    let gateway = with_lines(&emulator, &["", ""]);
    gateway.ask("create-otp", json!({"reference": "r", "receiver": PHONE, "message": "code %s"}));
    let code = code_in(&emulator.text_with("code "), 6);
    let answer = gateway.ask("validate-otp", json!({"reference": "r", "receiver": PHONE, "otp": code}));
    assert_eq!(answer["response_code"], "000", "{answer}");
}

#[test]
fn a_passing_fault_is_tried_again_on_the_same_modem() {
    for code in [41, 42] {
        let script = format!("[[fault]]\nwhen = \"AT+CMGS\"\ntimes = 1\naction = {{ cms_error = {code} }}\n");
        let emulator = Emulator::with_script(&script, &[]);
        let gateway = with_lines(&emulator, &[""]);
        let id = send(&gateway, PHONE, "again");
        let status = gateway.wait_for_state(&id, "delivered");
        assert_eq!(attempts(&status), [pair("op1", &format!("CMS {code}")), pair("op1", "")]);
        assert_eq!(emulator.count("again"), 1);
    }
}

#[test]
fn a_number_that_does_not_exist_is_given_up_with_the_networks_code_and_holds_up_nobody() {
    let script = "[[receiver]]\nnumber = \"628120000404\"\ntreatment = { refuse = 1 }\n";
    let emulator = Emulator::scripted(2, script, &[]);
    let gateway = with_lines(&emulator, &["", ""]);
    let id = send(&gateway, "08120000404", "nobody");
    send(&gateway, PHONE, "somebody");
    let status = gateway.wait_for_state(&id, "failed");
    assert_eq!(attempts(&status), [pair("op1", "CMS 1")], "a second try would be for nothing");
    emulator.text_with("somebody");
    assert_eq!(emulator.count("nobody"), 0);
}

const LOST_AFTER_TRANSMISSION: &str = "[[fault]]\nwhen = \"AT+CMGS\"\ntimes = 1\nreplug_after = \"20ms\"\n\
                                       action = { unplug = \"after_transmission\" }\n";

#[test]
fn when_nobody_can_know_whether_it_went_out_it_is_unknown_and_not_sent_again() {
    let emulator = Emulator::with_script(LOST_AFTER_TRANSMISSION, &[]);
    let gateway = with_lines(&emulator, &[""]);
    let answer = gateway.ask("create-otp", json!({"reference": "r", "receiver": PHONE, "message": "perhaps %s"}));
    assert_eq!(answer["response_code"], "000", "{answer}");
    let code = code_in(&emulator.text_with("perhaps "), 6);
    wait_for("state unknown", || {
        let status = gateway.ask("get-status", json!({"reference": "r"}));
        (status["data"]["state"] == "unknown").then_some(())
    });
    gateway.send_sentinel(&emulator, PHONE, "end");
    assert_eq!(emulator.count("perhaps"), 1);
    let answer = gateway.ask("validate-otp", json!({"reference": "r", "receiver": PHONE, "otp": code}));
    assert_eq!(answer["response_code"], "000", "its code stays valid: {answer}");
}

#[test]
fn an_unknown_message_is_sent_again_where_that_is_the_policy() {
    let emulator = Emulator::with_script(LOST_AFTER_TRANSMISSION, &[]);
    let mut setup = Setup::with(&emulator);
    setup.sms = "unknown_policy = \"resend\"".to_owned();
    let gateway = setup.start();
    gateway.wait_for_modems(1);
    let id = send(&gateway, PHONE, "rather twice");
    let status = gateway.wait_for_state(&id, "delivered");
    assert_eq!(emulator.count("rather twice"), 2);
    assert_eq!(status["data"]["attempts"].as_array().unwrap().len(), 2, "{status}");
}

#[test]
fn delivery_reports_settle_a_message_and_without_one_it_stays_sent() {
    let script = "[[receiver]]\nnumber = \"*01\"\ntreatment = { fail = 70 }\n\
                  [[receiver]]\nnumber = \"*02\"\ntreatment = \"never_report\"\n";
    let emulator = Emulator::with_script(script, &["--report-delay", "50ms"]);
    let gateway = with_lines(&emulator, &[""]);
    let fails = send(&gateway, "0812666601", "fails");
    let silent = send(&gateway, "0812666602", "silent");
    let arrives = send(&gateway, "0812666603", "arrives");
    gateway.wait_for_state(&arrives, "delivered");
    gateway.wait_for_state(&fails, "undelivered");
    gateway.wait_for_state(&silent, "sent");
    assert_eq!(emulator.transmissions().len(), 3, "a report never sends anything again");
}

#[test]
fn without_delivery_reports_none_is_asked_for() {
    let emulator = Emulator::start(1, &[]);
    let mut setup = Setup::with(&emulator);
    setup.sms = "delivery_reports = false".to_owned();
    let gateway = setup.start();
    let id = send(&gateway, PHONE, "no report");
    gateway.wait_for_state(&id, "sent");
    assert_eq!(emulator.transmissions().first().unwrap()["report_requested"], false);
}

/// Joins the parts of each text that went on air, as phones do.
fn whole_texts(emulator: &Emulator) -> Vec<String> {
    let mut texts: BTreeMap<(String, u64), BTreeMap<u64, String>> = BTreeMap::new();
    for sent in emulator.transmissions() {
        let reference =
            sent["concat_reference"].as_u64().unwrap_or_else(|| 1_000_000 + sent["sequence"].as_u64().unwrap());
        let key = (sent["modem"].as_str().unwrap().to_owned(), reference);
        let part = sent["part"][0].as_u64().unwrap();
        texts.entry(key).or_default().insert(part, sent["text"].as_str().unwrap().to_owned());
    }
    texts.into_values().map(|parts| parts.into_values().collect()).collect()
}

#[test]
fn long_texts_and_texts_outside_gsm_7_arrive_whole() {
    let emulator = Emulator::start(1, &[]);
    let gateway = with_lines(&emulator, &[""]);
    let (mut texts, mut total) = (Vec::new(), 0);
    for (text, parts) in [
        ("Grüße von Ångström: {[~]} ^ | \\ € ñ à".to_owned(), 1),
        ("a".repeat(160), 1),
        ("b".repeat(161), 2),
        (format!("{}€ behind the seam", "c".repeat(152)), 2),
        ("漢".repeat(70), 1),
        ("字".repeat(71), 2),
        (format!("{}😀 behind the seam", "ж".repeat(66)), 2),
        ("Kode Anda: 4711 \u{1F1EE}\u{1F1E9} – selesai. ".repeat(9), 5),
    ] {
        send(&gateway, PHONE, &text);
        texts.push(text);
        total += parts;
    }
    assert_eq!(emulator.wait_for_transmissions(total).len(), total);
    gateway.send_sentinel(&emulator, PHONE, "end");
    texts.push("sentinel end".to_owned());
    texts.sort();
    let mut arrived = whole_texts(&emulator);
    arrived.sort();
    assert_eq!(arrived, texts);
}

#[test]
fn on_sigterm_what_is_on_air_comes_down_and_what_waits_goes_out_after_the_restart() {
    let emulator = Emulator::start(1, &["--air-time", "900ms"]);
    let mut gateway = with_lines(&emulator, &[""]);
    let first = send(&gateway, PHONE, "on air");
    gateway.wait_for_state(&first, "sending");
    let second = send(&gateway, PHONE, "waiting");
    assert_eq!(gateway.terminate(), Some(0));
    assert_eq!((emulator.count("on air"), emulator.count("waiting")), (1, 0));
    let gateway = gateway.kill().restart();
    emulator.text_with("waiting");
    // Its report may have come while nobody listened: then the modem still had it at the start.
    assert!(["sent", "delivered"].contains(&state_of(&gateway, &first).as_str()), "{}", state_of(&gateway, &first));
    gateway.wait_for_state(&second, "delivered");
    assert_eq!((emulator.count("on air"), emulator.count("waiting")), (1, 1));
}

#[test]
fn what_was_on_air_when_the_power_went_is_unknown_and_what_waited_goes_out() {
    let emulator = Emulator::start(1, &["--air-time", "900ms"]);
    let gateway = with_lines(&emulator, &[""]);
    let first = send(&gateway, PHONE, "on air");
    gateway.wait_for_state(&first, "sending");
    let second = send(&gateway, PHONE, "waiting");
    let gateway = gateway.kill().restart();
    assert_eq!(state_of(&gateway, &first), "unknown");
    gateway.wait_for_state(&second, "delivered");
    assert!(emulator.count("on air") <= 1);
    assert_eq!(emulator.count("waiting"), 1);
}

#[test]
fn what_is_accepted_while_a_long_queue_is_read_at_the_start_goes_out_behind_it_and_once() {
    let directory = TempDir::new().unwrap();
    let mut setup = Setup::without_modems();
    setup.modems = vec![directory.path().join("line")];
    let gateway = setup.start();
    let mut client = gateway.connect();
    let texts =
        |from: usize, to: usize| (from..to).map(|number| format!("text {number} of the queue")).collect::<Vec<_>>();
    let accept = |client: &mut Client, text: &String| {
        let answer = client.ask("send-sms", json!({"receiver": PHONE, "message": text}));
        assert_eq!(answer["response_code"], "000", "{answer}");
    };
    for text in texts(0, 300) {
        accept(&mut client, &text);
    }
    let emulator = Emulator::start(1, &[]);
    symlink(emulator.modems.first().unwrap(), directory.path().join("line")).unwrap();
    let gateway = gateway.stop().restart();
    let mut client = gateway.connect();
    for text in texts(300, 350) {
        accept(&mut client, &text);
    }
    gateway.send_sentinel(&emulator, PHONE, "end");
    let sent: Vec<_> = emulator.transmissions().iter().map(|sent| sent["text"].as_str().unwrap().to_owned()).collect();
    let expected = [texts(0, 350), vec!["sentinel end".to_owned()]].concat();
    assert_eq!(sent.iter().zip(&expected).find(|(sent, expected)| sent != expected), None);
    assert_eq!(sent.len(), expected.len());
}

#[test]
fn what_is_past_its_deadline_in_the_queue_expires_and_is_never_sent() {
    let directory = TempDir::new().unwrap();
    let mut setup = Setup::without_modems();
    setup.modems = vec![directory.path().join("line")];
    let gateway = setup.start();
    let expiration = crate::harness::unix_millis() + 1_500;
    let answer = gateway.ask("send-sms", json!({"receiver": PHONE, "message": "too late", "expiration": expiration}));
    let id = answer["data"]["message_id"].as_str().unwrap();
    gateway.wait_for_state(id, "expired");
    let emulator = Emulator::start(1, &[]);
    symlink(emulator.modems.first().unwrap(), directory.path().join("line")).unwrap();
    gateway.send_sentinel(&emulator, PHONE, "end");
    assert_eq!(emulator.count("too late"), 0);
}

#[test]
fn a_modem_that_appears_later_takes_what_has_waited() {
    let directory = TempDir::new().unwrap();
    let mut setup = Setup::without_modems();
    setup.modems = vec![directory.path().join("line")];
    let gateway = setup.start();
    let id = send(&gateway, PHONE, "patience");
    assert_eq!(state_of(&gateway, &id), "queued");
    let emulator = Emulator::start(1, &[]);
    symlink(emulator.modems.first().unwrap(), directory.path().join("line")).unwrap();
    emulator.text_with("patience");
    gateway.wait_for_state(&id, "delivered");
}

/// Asks a modem directly, as a person with a terminal program would.
fn ask_modem(emulator: &Emulator, command: &str) -> String {
    let path = emulator.modems.first().unwrap();
    let mut line = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut reader = line.try_clone().unwrap();
    let (said, hears) = mpsc::sync_channel(64);
    std::thread::spawn(move || {
        let mut buffer = [0; 256];
        while let Ok(count) = reader.read(&mut buffer) {
            if count == 0 || said.send(buffer.get(..count).unwrap().to_vec()).is_err() {
                break;
            }
        }
    });
    line.write_all(format!("{command}\r").as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains("\nOK\r") {
        answer.extend(hears.recv_timeout(PATIENCE).unwrap());
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn with_pin(emulator: &Emulator, pin: &str, directory: &TempDir) -> Setup {
    let file = directory.path().join("pin");
    fs::write(&file, format!("{pin}\n")).unwrap();
    let mut setup = Setup::with(emulator);
    setup.modem = format!("sim_pin_file = {file:?}");
    setup
}

#[test]
fn the_right_pin_opens_the_sim() {
    let (emulator, directory) = (Emulator::start(1, &["--pin", "4711"]), TempDir::new().unwrap());
    let gateway = with_pin(&emulator, "4711", &directory).start();
    gateway.wait_for_modems(1);
    send(&gateway, PHONE, "open");
    emulator.text_with("open");
}

#[test]
fn a_wrong_pin_is_entered_once_and_never_again_not_even_after_a_restart() {
    let (emulator, directory) = (Emulator::start(1, &["--pin", "4711"]), TempDir::new().unwrap());
    let mut gateway = with_pin(&emulator, "4712", &directory).start();
    wait_until_modem_is(&gateway, "pin-refused");
    let answer = gateway.ask("send-sms", json!({"receiver": PHONE, "message": "waits"}));
    assert_eq!(answer["response_code"], "000", "it waits for a modem that can: {answer}");
    assert_eq!(gateway.terminate(), Some(0));
    assert!(ask_modem(&emulator, "AT+CPINR").contains("SIM PIN,2,3"));
    let mut gateway = gateway.kill().restart();
    wait_until_modem_is(&gateway, "pin-");
    assert_eq!(gateway.terminate(), Some(0));
    assert!(ask_modem(&emulator, "AT+CPINR").contains("SIM PIN,2,3"), "two tries are left for a person");
}

fn wait_until_modem_is(gateway: &Gateway, state: &str) {
    let mut client = gateway.connect();
    wait_for(&format!("a modem that is {state}"), || {
        let list = client.ask("get-modem-list", json!({}));
        list["data"]["modem_list"]["m0"]["state"].as_str().is_some_and(|word| word.starts_with(state)).then_some(())
    });
}

#[test]
fn an_idle_gateway_ends_at_once_on_sigterm() {
    let emulator = Emulator::start(2, &[]);
    let mut gateway = with_lines(&emulator, &["", ""]);
    let start = crate::harness::instant();
    assert_eq!(gateway.terminate(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn when_the_only_modem_in_order_refuses_it_gets_another_chance_and_the_message_waits_for_no_dead_one() {
    let script = "[[fault]]\nwhen = \"AT+CMGS\"\ntimes = 1\naction = { cms_error = 29 }\n";
    let emulator = Emulator::with_script(script, &[]);
    let mut setup = Setup::with(&emulator);
    setup.modems.push("/nowhere/line".into());
    let gateway = setup.start();
    gateway.wait_for_modems(1);
    let id = send(&gateway, PHONE, "another chance");
    let status = gateway.wait_for_state(&id, "delivered");
    assert_eq!(attempts(&status), [pair("m0", "CMS 29"), pair("m0", "")]);
}

#[test]
fn what_does_not_come_down_within_the_drain_timeout_is_unknown_and_not_sent_again() {
    let emulator = Emulator::start(1, &["--air-time", "1500ms"]);
    let gateway = with_lines(&emulator, &[""]);
    let file = gateway.dir().join("otp-pi.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("drain_timeout = \"100ms\"\n{text}")).unwrap();
    let mut gateway = gateway.kill().restart();
    gateway.wait_for_modems(1);
    let id = send(&gateway, PHONE, "too long on air");
    gateway.wait_for_state(&id, "sending");
    assert_eq!(gateway.terminate(), Some(0));
    let gateway = gateway.kill().restart();
    assert_eq!(state_of(&gateway, &id), "unknown");
    gateway.send_sentinel(&emulator, PHONE, "end");
    assert_eq!(emulator.count("too long on air"), 1);
}
