//! `sms.text_at_rest = "never"`: texts in memory only, from the request to the modem; and what a restart makes of those that waited.

use std::fs;
use std::path::Path;
use std::thread;

use serde_json::{Value, json};

use crate::harness::{Emulator, Gateway, Setup, code_in, wait_for};

const PHONE: &str = "08126666666";
/// A receiver whose modem is not there: what is for him waits.
const NOBODY: &str = "08997777777";
const LOST: &str = "its text was in memory only and was lost with the restart";

/// Texts that wait, and the length of each: together they are far more than everything else in the data directory.
const TEXTS: usize = 20;
const LENGTH: usize = 38_000;

fn setup(emulator: &Emulator, text_at_rest: &str, limit: &str) -> Setup {
    let mut setup = Setup::with(emulator);
    setup.api = format!("wait = \"sent\"\nwait_limit = {limit:?}");
    setup.sms = format!("failover = \"wait\"\ntext_at_rest = {text_at_rest:?}");
    setup.modem = "default = true".to_owned();
    setup.more =
        "[[modem]]\nname = \"absent\"\nport = \"/nowhere/line\"\nrecipient_prefixes = [\"62899\"]\n".to_owned();
    setup
}

fn ask(gateway: &Gateway, command: &str, data: Value) -> Value {
    let answer = gateway.ask(command, data);
    assert_eq!(answer["response_code"], "000", "{answer}");
    answer
}

/// Asks for a code, and enters the one that the phone shows.
fn use_code(gateway: &Gateway, emulator: &Emulator, reference: &str, word: &str) {
    let message = format!("{word}: %s");
    ask(gateway, "create-otp", json!({"reference": reference, "receiver": PHONE, "message": message}));
    let code = code_in(&emulator.text_with(&format!("{word}: ")), 6);
    ask(gateway, "validate-otp", json!({"reference": reference, "receiver": PHONE, "otp": code}));
}

/// Long texts and a code for somebody whom nothing reaches.
fn fill_the_queue(gateway: &Gateway) {
    let text = "Nothing of this is ever on the disk. ".repeat(LENGTH).chars().take(LENGTH).collect::<String>();
    let asking: Vec<_> = (0..TEXTS)
        .map(|number| {
            let (mut client, data) =
                (gateway.connect(), json!({"id": id(number), "receiver": NOBODY, "message": text}));
            thread::spawn(move || client.ask("send-sms", data))
        })
        .collect();
    ask(gateway, "create-otp", json!({"reference": "waits", "receiver": NOBODY, "message": "never: %s"}));
    for asked in asking {
        let answer = asked.join().unwrap();
        assert_eq!((&answer["response_code"], &answer["data"]["state"]), (&json!("000"), &json!("queued")), "{answer}");
    }
}

fn id(number: usize) -> String {
    format!("text-{number}")
}

fn bytes_below(directory: &Path) -> usize {
    let mut sum = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let about = entry.metadata().unwrap();
        sum += if about.is_dir() { bytes_below(&entry.path()) } else { usize::try_from(about.len()).unwrap() };
    }
    sum
}

#[test]
fn codes_work_with_texts_in_memory_only_and_what_waits_at_a_power_cut_is_recorded_as_lost() {
    let emulator = Emulator::start(1, &[]);
    let gateway = setup(&emulator, "never", "1s").start();
    gateway.wait_for_modems(1);
    use_code(&gateway, &emulator, "first", "first");
    fill_the_queue(&gateway);
    let stopped = gateway.kill();
    let bytes = bytes_below(&stopped.dir().join("data"));
    assert!(bytes < TEXTS * LENGTH / 2, "{bytes} bytes: there is room for texts, sealed or not");

    let gateway = stopped.restart();
    gateway.wait_for_modems(1);
    let mut queries: Vec<_> = (0..TEXTS).map(|number| json!({"id": id(number)})).collect();
    queries.push(json!({"reference": "waits"}));
    for query in queries {
        let status = ask(&gateway, "get-status", query);
        assert_eq!((&status["data"]["state"], &status["data"]["reason"]), (&json!("failed"), &json!(LOST)), "{status}");
    }
    let log = gateway.log();
    let told: Vec<_> = log.lines().filter(|line| line.contains("were lost with the restart")).collect();
    assert!(matches!(told.as_slice(), [line] if line.contains(&format!("messages={}", TEXTS + 1))), "{told:?}");
    use_code(&gateway, &emulator, "waits", "again");
    assert_eq!(emulator.count("never: ") + emulator.count("Nothing of this"), 0);
}

/// What the test above would see if texts were on the disk.
#[test]
fn sealed_texts_are_on_the_disk_and_go_on_waiting_after_a_power_cut() {
    let emulator = Emulator::start(1, &[]);
    let gateway = setup(&emulator, "sealed", "1s").start();
    fill_the_queue(&gateway);
    let stopped = gateway.kill();
    let bytes = bytes_below(&stopped.dir().join("data"));
    assert!(bytes > TEXTS * LENGTH, "{bytes} bytes: the texts are not all there");
    let gateway = stopped.restart();
    assert_eq!(ask(&gateway, "get-status", json!({"reference": "waits"}))["data"]["state"], "queued");
}

#[test]
fn whoever_waits_for_a_text_in_memory_only_is_told_at_the_stop_that_it_is_lost() {
    let emulator = Emulator::start(1, &[]);
    let setup_with = |text_at_rest: &str| setup(&emulator, text_at_rest, "30s");
    let mut gateway = setup_with("never").start();
    // Texts are sealed from the next start on; until then an answer still waits.
    let mut sealed = setup_with("sealed");
    sealed.api = String::new();
    let log = gateway.reload_as(&sealed);
    assert!(log.contains("sms.text_at_rest: \\\"sealed\\\", was \\\"never\\\""), "{log}");
    let mut client = gateway.connect();
    let data = json!({"id": "waits", "receiver": NOBODY, "message": "hello"});
    let asking = thread::spawn(move || client.ask("send-sms", data));
    wait_for("the message to be accepted", || {
        let status = gateway.ask("get-status", json!({"id": "waits"}));
        (status["data"]["state"] == "queued").then_some(())
    });
    assert_eq!(gateway.terminate(), Some(0));
    let answer = asking.join().unwrap();
    assert_eq!((&answer["response_code"], &answer["data"]["state"]), (&json!("1102"), &json!("failed")), "{answer}");
    assert_eq!(answer["error"], "the gateway is stopping, and its text was in memory only");

    let gateway = gateway.kill().restart();
    let status = ask(&gateway, "get-status", json!({"id": "waits"}));
    assert_eq!((&status["data"]["state"], &status["data"]["reason"]), (&json!("failed"), &json!(LOST)), "{status}");
}
