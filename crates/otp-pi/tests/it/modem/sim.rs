//! `otp-pi modem sim` and `otp-pi modem imei`: with a gateway that drives the modem and without one.

use serde_json::json;

use super::{Device, json, modem};
use crate::harness::{Setup, end_of, operation};
use crate::operator::Place as _;

fn locked() -> Device {
    Device::start("", |modem| modem.pin = Some("1234".to_owned()))
}

#[test]
fn a_pin_lock_is_looked_at_switched_on_changed_and_switched_off() {
    let device = Device::well();
    let (line, pin, new) = (device.line(), device.file("pin", "0000\n"), device.file("new", "86420\n"));
    let status = || json(&["sim", "status", &line]).1;
    assert_eq!(status()["pin_lock"], json!(false));
    assert_eq!(status()["pin_tries"], json!(3));
    let refused = modem(&["sim", "change", &line, "--pin-file", &pin, "--new-pin-file", &new]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stdout.contains("switch that on first"), "{refused:?}");
    for (arguments, lock) in [
        (&["on", "--pin-file", &pin] as &[&str], true),
        (&["change", "--pin-file", &pin, "--new-pin-file", &new], true),
        (&["off", "--pin-file", &new], false),
    ] {
        let (verb, rest) = arguments.split_first().unwrap();
        let ended = modem(&[&["sim", verb, &line], rest].concat());
        assert_eq!(ended.code, Some(0), "{verb}: {ended:?}");
        assert_eq!(status()["pin_lock"], json!(lock), "{verb}");
    }
    for code in ["0000", "86420"] {
        assert!(device.said().contains(code), "{code} was typed into the modem");
    }
}

#[test]
fn a_wrong_pin_costs_one_try_and_the_last_one_is_not_risked_unless_it_is_wanted() {
    let device = locked();
    let (line, wrong) = (device.line(), device.file("wrong", "9999\n"));
    let enter = |more: &[&str]| modem(&[&["sim", "enter", &line, "--pin-file", &wrong], more].concat());
    for left in ["2 tries are left", "1 tries are left"] {
        let ended = enter(&[]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stdout.contains(left), "{ended:?}");
    }
    assert_eq!(device.pins_entered(), 2);
    let ended = enter(&[]);
    assert!(ended.stdout.contains("would block the SIM"), "{ended:?}");
    assert_eq!((ended.code, device.pins_entered()), (Some(1), 2));
    let ended = enter(&["--even-the-last-try"]);
    assert_eq!((ended.code, device.pins_entered()), (Some(1), 3), "{ended:?}");
    let (_, status) = json(&["sim", "status", &line]);
    assert_eq!((&status["state"], &status["puk_tries"]), (&json!("puk-needed"), &json!(10)));
}

#[test]
fn a_puk_is_never_typed_by_itself_and_opens_the_sim_when_a_person_types_it() {
    let device = Device::start("", |modem| {
        modem.pin = Some("1234".to_owned());
        modem.pin_tries = 0;
    });
    let (line, new) = (device.line(), device.file("new", "4321\n"));
    let pin = device.file("pin", "1234\n");
    let checked = modem(&["check", &line, "--pin-file", &pin]);
    assert!(checked.stdout.contains("PUK"), "{checked:?}");
    assert_eq!(device.pins_entered(), 0);
    let unblock = |puk: &str| {
        let puk = device.file("puk", puk);
        modem(&["sim", "unblock", &line, "--puk-file", &puk, "--new-pin-file", &new])
    };
    let ended = unblock("87654321\n");
    assert!(ended.stdout.contains("9 tries are left"), "{ended:?}");
    let ended = unblock("1234567\n");
    assert!(ended.stderr.contains("a puk has 8 digits"), "{ended:?}");
    assert_eq!(device.pins_entered(), 1);
    let ended = unblock("12345678\n");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let (_, status) = json(&["sim", "status", &line]);
    assert_eq!((&status["state"], &status["pin_tries"]), (&json!("ready"), &json!(3)));
}

#[test]
fn with_a_gateway_a_changed_pin_is_recorded_and_the_configured_one_is_not_tried_any_more() {
    let device = locked();
    let (pin, new) = (device.file("pin", "1234\n"), device.file("new", "4321\n"));
    let gateway = Setup {
        modems: vec![device.modem.path()],
        modem: format!("sim_pin_file = {pin:?}"),
        ..Setup::without_modems()
    }
    .start();
    gateway.wait_for_modems(1);
    assert_eq!(device.pins_entered(), 1);
    let changed = gateway.operate(&["modem", "sim", "change", "m0", "--pin-file", &pin, "--new-pin-file", &new]);
    assert!(changed.told().contains("PIN lock   on"), "{changed:?}");
    let rows = gateway.json(&["audit", "list", "--event", "sim-pin"]);
    assert!(rows.to_string().contains("change"), "{rows}");
    // The SIM loses its power, and asks again: what is configured is wrong now.
    gateway.operate(&["modem", "at", "m0", "AT+CFUN=1,1"]).told();
    crate::harness::wait_for("the PIN to be asked for", || {
        let checked = gateway.operate(&["modem", "check", "m0"]);
        checked.stdout.contains("asks for its PIN").then_some(())
    });
    assert_eq!(device.pins_entered(), 1, "the configured PIN is not tried");
    let entered = gateway.operate(&["modem", "sim", "enter", "m0", "--pin-file", &new]);
    assert!(entered.told().contains("nothing"), "{entered:?}");
    gateway.wait_for_modems(1);
    let log = gateway.log();
    for secret in ["1234", "4321"] {
        assert!(!log.contains(&format!("\"{secret}\"")) && !log.contains(&format!("={secret}")), "{secret} in {log}");
    }
}

#[test]
fn an_imei_is_written_only_where_it_is_allowed_confirmed_and_whole_and_both_are_recorded() {
    const PRINTED: &str = "490154203237518";
    let device = Device::well();
    let setup =
        |more: &str| Setup { modems: vec![device.modem.path()], more: more.to_owned(), ..Setup::without_modems() };
    let gateway = setup("").start();
    gateway.wait_for_modems(1);
    let restore = |place: &std::path::Path, imei: &str, again: &str| {
        end_of(&mut operation(place, &["modem", "imei", "restore", "m0", imei, "--confirm", again]))
    };
    assert!(restore(gateway.dir(), PRINTED, PRINTED).refused().contains("device.allow_imei_write"));
    gateway.operate(&["settings", "set", "device.allow_imei_write", "true"]).told();
    for (imei, again, why) in [
        ("490154203237519", "490154203237519", "does not fit"),
        ("49015420323751", "49015420323751", "15 digits"),
        (PRINTED, "356938035643809", "not typed alike"),
    ] {
        assert!(restore(gateway.dir(), imei, again).refused().contains(why), "{imei}");
    }
    assert!(!device.said().contains("EGMR"));
    let before = gateway.json(&["modem", "imei", "show", "m0"])["imei"].as_str().unwrap().to_owned();
    let restored = restore(gateway.dir(), PRINTED, PRINTED);
    assert!(restored.told().contains("has IMEI 490154203237518 again"), "{restored:?}");
    let rows = gateway.json(&["audit", "list", "--event", "imei-written"]).to_string();
    assert!(rows.contains(PRINTED) && rows.contains(&before), "{rows}");
    gateway.wait_for_modems(1);
    let again = restore(gateway.dir(), PRINTED, PRINTED);
    assert!(again.stdout.contains("has this IMEI already"), "{again:?}");
    // The same without a gateway.
    let stopped = gateway.stop();
    let back = restore(stopped.dir(), &before, &before);
    assert!(back.told().contains(&before), "{back:?}");
}

#[test]
fn a_code_is_never_an_argument_and_one_that_is_missing_is_asked_for() {
    let device = Device::well();
    let ended = modem(&["sim", "on", &device.line(), "1234"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let ended = end_of(
        std::process::Command::new(env!("CARGO_BIN_EXE_otp-pi"))
            .args(["modem", "sim", "on", &device.line()])
            .stdin(std::process::Stdio::null()),
    );
    assert!(ended.stderr.contains("--pin-file"), "{ended:?}");
    assert!(!device.said().contains("+CLCK=\"SC\",1"));
}
