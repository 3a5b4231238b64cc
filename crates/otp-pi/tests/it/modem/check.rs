//! `otp-pi modem check`.

use std::io::{Read, Write};
use std::path::Path;

use emulator::ModemSettings;
use serde_json::Value;

use super::{Device, hold, json, modem};
use crate::harness::Setup;

/// Kinds of advice, in order.
fn kinds(modem: &Value) -> Vec<&str> {
    modem["advice"].as_array().unwrap().iter().map(|advice| advice["kind"].as_str().unwrap()).collect()
}

/// Checks a line: exit code, kinds of advice and a word of the first one; the text for people holds the same.
fn expect(line: &str, more: &[&str], code: i32, expected: &[&str], word: &str) -> Value {
    let arguments = [&["check", line, "--wait", "0"], more].concat();
    let (ended, value) = json(&arguments);
    let checked = value["modems"][0].clone();
    assert_eq!(kinds(&checked), expected, "{checked:#}");
    assert_eq!(ended, Some(code), "{checked:#}");
    let text = modem(&arguments);
    assert_eq!(text.code, Some(code));
    assert!(text.stdout.split_whitespace().collect::<Vec<_>>().join(" ").contains(word), "{word:?} in {}", text.stdout);
    checked
}

fn expect_of(change: impl FnOnce(&mut ModemSettings), code: i32, expected: &[&str], word: &str) -> Value {
    let device = Device::start("", change);
    let checked = expect(&device.line(), &[], code, expected, word);
    assert!(!device.said().contains("AT+CPIN="), "nobody asked for a PIN to be entered");
    checked
}

#[test]
fn a_modem_that_is_well_can_send_and_says_what_the_scripts_said_and_more() {
    let device = Device::well();
    let ended = modem(&["check", &device.line()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let rows: Vec<String> =
        ended.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for row in [
        "AT OK",
        "SIM ready",
        "signal -71 dBm, excellent (21 of 31)",
        "registration registered, home network",
        "operator TELKOMSEL",
        "SMSC +6281100000",
        "maker SIMCOM_Ltd",
        "model SIMCOM_SIM800L",
        "IMSI 51010•••01",
        "own number +62811•••01",
        "storage 0 of 20 messages",
        "supply 4.10 V",
    ] {
        assert!(rows.iter().any(|line| line == row), "{row:?} in {}", ended.stdout);
    }
    assert!(ended.stdout.starts_with(&format!("line on {}: can send\n", device.line())), "{}", ended.stdout);
    assert!(ended.stderr.is_empty(), "{}", ended.stderr);
    for hidden in ["6281100000001", "510100000000001"] {
        assert!(!ended.stdout.contains(hidden), "{}", ended.stdout);
    }
    let checked = expect(&device.line(), &[], 0, &[], "can send");
    assert_eq!(checked["answers"]["signal"]["value"]["dbm"], -71);
    assert_eq!(checked["answers"]["imei"]["value"].as_str().map(str::len), Some(15));
    assert_eq!(checked["phase"], "ready");
}

#[test]
fn without_a_sim_it_says_to_look_at_the_tray_and_the_supply() {
    let checked = expect_of(|modem| modem.sim_inserted = false, 1, &["sim-missing"], "2 A");
    assert_eq!(checked["answers"]["sim"]["error"], "+CME ERROR: 10 (sim not inserted)");
}

#[test]
fn a_sim_that_asks_for_its_pin_is_told_and_no_pin_is_entered_by_itself() {
    let checked = expect_of(|modem| modem.pin = Some("1234".to_owned()), 1, &["pin-needed"], "sim_pin_file");
    assert_eq!(checked["answers"]["sim"]["value"], "pin");
}

#[test]
fn a_blocked_sim_needs_the_shop() {
    let blocked = |modem: &mut ModemSettings| {
        modem.pin = Some("1234".to_owned());
        modem.pin_tries = 0;
    };
    let checked = expect_of(blocked, 1, &["puk-needed"], "shop");
    assert_eq!(checked["answers"]["sim"]["value"], "puk");
}

#[test]
fn a_weak_signal_is_a_warning() {
    let checked = expect_of(|modem| modem.signal = 3, 3, &["signal-weak"], "antenna");
    assert_eq!(checked["answers"]["signal"]["value"]["word"], "too weak");
    assert_eq!(checked["verdict"], "warned");
}

#[test]
fn a_modem_that_searches_and_one_that_is_denied_are_told_apart() {
    expect_of(|modem| modem.registration = 2, 1, &["not-registered"], "looking for a network");
    expect_of(|modem| modem.registration = 3, 1, &["denied"], "not activated");
    let deaf = |modem: &mut ModemSettings| {
        modem.registration = 2;
        modem.signal = 99;
    };
    expect_of(deaf, 1, &["signal-missing", "not-registered"], "antenna");
}

#[test]
fn without_a_service_centre_it_says_which_key_sets_it() {
    expect_of(|modem| modem.smsc.clear(), 1, &["smsc-missing"], "sms_center");
}

#[test]
fn a_line_of_a_stick_that_answers_only_errors_is_not_the_one_for_commands() {
    let device = Device::start("[[fault]]\nwhen = \"*\"\naction = \"error\"\n", |_| {});
    expect(&device.line(), &[], 1, &["wrong-interface"], "try the others");
}

/// A pseudo terminal behind which somebody answers everything with `reply`.
struct Raw {
    line: String,
    _slave: std::fs::File,
}

impl Raw {
    fn start(reply: &'static [u8]) -> Self {
        use rustix::pty::OpenptFlags;
        let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let line = rustix::pty::ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        // Open all the time, or the other side would end when the program under test does.
        let slave = std::fs::File::options().read(true).write(true).open(&line).unwrap();
        let mut raw = rustix::termios::tcgetattr(&slave).unwrap();
        raw.make_raw();
        rustix::termios::tcsetattr(&slave, rustix::termios::OptionalActions::Now, &raw).unwrap();
        let mut master = std::fs::File::from(master);
        drop(std::thread::spawn(move || {
            let mut buffer = [0; 256];
            while master.read(&mut buffer).is_ok_and(|count| count > 0) && master.write_all(reply).is_ok() {}
        }));
        Self { line, _slave: slave }
    }
}

#[test]
fn a_line_on_which_nobody_answers_names_the_usual_causes() {
    let raw = Raw::start(b"");
    let checked = expect(&raw.line, &[], 1, &["silent"], "raspi-config");
    assert_eq!(checked["phase"], "silent");
    assert_eq!(checked["answers"]["attention"]["state"], "unasked");
}

#[test]
fn a_line_from_which_noise_comes_has_the_wrong_speed_or_is_another_device() {
    let raw = Raw::start(b"$GPGGA,\xfe\x80~}\r\n\x00\x1b[2J");
    expect(&raw.line, &[], 1, &["gibberish"], "baud");
}

#[test]
fn a_line_that_another_program_has_a_missing_one_and_a_file_are_told_apart() {
    let device = Device::well();
    let line = device.line();
    let held = hold(Path::new(&line));
    expect(&line, &[], 1, &["line-in-use"], "running gateway");
    assert_eq!(device.said(), "", "not a word to somebody else's line");
    drop(held);
    expect(&format!("{line}-gone"), &[], 1, &["line-missing"], "otp-pi modem list");
    expect(&device.file("file", ""), &[], 1, &["not-a-line"], "no serial line");
}

#[test]
fn a_running_gateway_is_asked_about_its_modems_and_its_line_is_nobody_elses() {
    let device = Device::well();
    let gateway = Setup { modems: vec![device.modem.path()], ..Setup::without_modems() }
        .start_in(tempfile::TempDir::new().unwrap());
    gateway.wait_for_modems(1);
    let config = gateway.dir().join("otp-pi.toml");
    let config = config.to_str().unwrap();
    for target in ["m0", &device.line()] {
        let (code, value) = json(&["check", target, "--config", config]);
        assert_eq!((code, &value["modems"][0]["modem"]), (Some(0), &serde_json::json!("m0")), "{value}");
        let told = modem(&["at", target, "AT+CSQ", "--config", config]);
        assert!(told.code == Some(0) && told.stdout.contains("+CSQ: "), "{told:?}");
    }
    let sent = modem(&["send", "m0", "0812345678", "by hand", "--config", config]);
    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert_eq!(device.texts(), ["by hand"]);
    assert_eq!(gateway.ask("block-msisdn", serde_json::json!({"receiver": "0812345678"}))["response_code"], "000");
    let refused = modem(&["send", "m0", "0812345678", "no", "--config", config]);
    assert!(refused.code == Some(1) && refused.stderr.contains("the receiver is blocked"), "{refused:?}");
    // Who does not name the gateway finds its line taken.
    expect(&device.line(), &[], 1, &["line-in-use"], "running gateway");
    gateway.wait_for_modems(1);
    assert_eq!(device.texts(), ["by hand"]);
}

#[test]
fn a_pin_file_named_for_it_is_entered_once_and_a_wrong_one_never_twice() {
    let device = Device::start("", |modem| modem.pin = Some("1234".to_owned()));
    let line = device.line();
    let right = device.file("right", "1234\n");
    let wrong = device.file("wrong", "9999\n");
    let pin = |file: &str| json(&["check", &line, "--pin-file", file]);
    let (code, value) = pin(&wrong);
    assert_eq!((code, kinds(&value["modems"][0])), (Some(1), vec!["pin-refused"]));
    assert_eq!(device.pins_entered(), 1);
    // Two tries are left: that is for a person, whatever the file says now.
    let (code, value) = pin(&right);
    assert_eq!((code, kinds(&value["modems"][0])), (Some(1), vec!["pin-refused"]));
    assert_eq!(device.pins_entered(), 1);

    let other = Device::start("", |modem| modem.pin = Some("1234".to_owned()));
    let ended = modem(&["check", &other.line(), "--pin-file", &right]);
    assert_eq!((ended.code, other.pins_entered()), (Some(0), 1), "{ended:?}");
    assert!(!format!("{}{}", ended.stdout, ended.stderr).contains("1234"));
    // Its SIM is open now.
    assert_eq!(modem(&["check", &other.line(), "--pin-file", &right]).code, Some(0));
    assert_eq!(other.pins_entered(), 1);

    let bad = device.file("bad", "12\r34");
    let ended = modem(&["check", &line, "--pin-file", &bad]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("4 to 8 digits"), "{}", ended.stderr);
}

#[test]
fn a_configured_pin_waits_for_the_gateways_memory_and_a_refused_one_stays_refused() {
    let device = Device::start("", |modem| modem.pin = Some("1234".to_owned()));
    let pin = device.file("pin", "9999\n");
    let config = device.config(&format!("sim_pin_file = {pin:?}"));
    let (code, value) = json(&["check", "m0", "--config", &config]);
    assert_eq!((code, kinds(&value["modems"][0])), (Some(1), vec!["pin-needed"]));
    assert!(!device.data().exists(), "a look leaves no data directory behind");
    assert_eq!(device.pins_entered(), 0);

    // A gateway that has run once, without this modem, leaves its memory.
    let mut gateway = Setup::without_modems().start();
    assert_eq!(gateway.terminate(), Some(0));
    let data = gateway.dir().join("data");
    let path = gateway.dir().join("check.toml");
    let setup = Setup {
        modems: vec![device.modem.path()],
        modem: format!("sim_pin_file = {pin:?}"),
        ..Setup::without_modems()
    };
    setup.write(&path, &data);
    let config = path.to_str().unwrap();
    for _ in 0..2 {
        let (code, value) = json(&["check", "m0", "--config", config]);
        assert_eq!((code, kinds(&value["modems"][0])), (Some(1), vec!["pin-refused"]));
        assert_eq!(device.pins_entered(), 1);
    }
}

#[test]
fn all_modems_of_the_configuration_are_checked_and_the_worst_decides() {
    let (well, denied) = (Device::well(), Device::start("", |modem| modem.registration = 3));
    let path = well.dir.path().join("two.toml");
    let setup = Setup { modems: vec![well.modem.path(), denied.modem.path()], ..Setup::without_modems() };
    setup.write(&path, &well.data());
    let (code, value) = json(&["check", "--config", path.to_str().unwrap(), "--wait", "0"]);
    assert_eq!(code, Some(1));
    let verdicts: Vec<&str> =
        value["modems"].as_array().unwrap().iter().map(|modem| modem["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["good", "bad"]);
    // A path that is configured is that modem.
    let (_, value) = json(&["check", &denied.line(), "--config", path.to_str().unwrap(), "--wait", "0"]);
    assert_eq!(value["modems"][0]["modem"], "m1");
}

#[test]
fn the_trace_tells_commands_and_results_and_no_pin() {
    let device = Device::start("", |modem| modem.pin = Some("47110815".to_owned()));
    let pin = device.file("pin", "47110815\n");
    let ended = modem(&["check", &device.line(), "--pin-file", &pin, "--verbose"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("> AT+CSQ") && ended.stderr.contains("> AT+CPIN=•••"), "{}", ended.stderr);
    for hidden in ["47110815", "6281100000001", "510100000000001"] {
        assert!(!ended.stderr.contains(hidden), "{hidden} in {}", ended.stderr);
    }
}
