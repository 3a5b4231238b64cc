//! A whole gateway whose modem ModemManager has: the real ModemManager on a bus of its own.

use std::path::PathBuf;
use std::thread;

use serde_json::json;

use crate::harness::{Emulator, Gateway, Setup, wait_for};
use crate::modemmanager::ModemManager;

/// The digits of the code in a text.
fn code(text: &str) -> String {
    text.split_whitespace()
        .map(|word| word.trim_matches('.'))
        .find(|word| word.len() >= 4 && word.parse::<u64>().is_ok())
        .unwrap()
        .to_owned()
}

/// A gateway whose modem m0 ModemManager has.
fn setup(emulator: &Emulator, manager: &ModemManager) -> Setup {
    let mut setup = Setup::with(emulator);
    // By the name that ModemManager gives the line.
    setup.modems = vec![PathBuf::from(format!("/dev/{}", manager.line()))];
    setup.modem = "driver = \"modemmanager\"".to_owned();
    setup.environment = vec![("DBUS_SYSTEM_BUS_ADDRESS", manager.address())];
    setup
}

#[test]
fn codes_go_out_through_modem_manager_before_and_after_a_kill_and_stay_secret() {
    let emulator = Emulator::start(1, &[]);
    let Some(mut manager) = ModemManager::start(&emulator.modems[0]) else { return };
    let mut setup = setup(&emulator, &manager);
    setup.log = "info,modem=trace";
    let mut gateway = setup.start();
    for round in 1..=2 {
        gateway.wait_for_modems(1);
        let reference = format!("r{round}");
        let create = json!({"reference": reference, "receiver": "6281234567890", "message": "Kode %s untuk masuk"});
        let created = gateway.ask("create-otp", create);
        assert_eq!(created["response_code"], "000", "{created}");
        let text = wait_for("the code on air", || {
            let sent = emulator.transmissions();
            sent.get(round - 1).and_then(|sent| sent["text"].as_str()).map(str::to_owned)
        });
        let code = code(&text);
        let validate = json!({"reference": reference, "receiver": "6281234567890", "otp": code});
        let validated = gateway.ask("validate-otp", validate);
        assert_eq!(validated["response_code"], "000", "{validated}");
        wait_for("the end of the message in ModemManager", || (manager.messages() == 0).then_some(()));
        assert!(!gateway.log().contains(&code) && !manager.log().contains(&code));
        gateway = gateway.kill().restart();
    }
    gateway.wait_for_modems(1);
    assert_eq!(emulator.transmissions().len(), 2, "none went out again");
    let long = "Pengumuman panjang ".repeat(20);
    let sent = gateway.ask("send-sms", json!({"receiver": "6281234567890", "message": long}));
    gateway.wait_for_state(sent["data"]["message_id"].as_str().unwrap(), "delivered");
    let parts = emulator.transmissions();
    assert_eq!(parts.iter().skip(2).filter_map(|part| part["text"].as_str()).collect::<String>(), long);
    let doctor = gateway.operate(&["doctor", "--json"]).json();
    let found = doctor.as_array().unwrap().iter().find(|one| one["about"] == "ModemManager").unwrap();
    assert_eq!(found["state"], "good", "{doctor}");
    let checked = gateway.operate(&["modem", "check", "m0"]);
    assert!(checked.stdout.starts_with("m0 on /dev/abstract:"), "{checked:?}");
    assert!(checked.stdout.contains("can send"), "{checked:?}");

    manager.kill();
    wait_for("the end of the modem", || {
        let list = gateway.ask("get-modem-list", json!({}));
        (list["data"]["modem_list"]["m0"]["connected"] == json!(false)).then_some(())
    });
    let told = gateway.operate(&["modem", "check", "m0"]);
    assert!(told.stdout.contains("ModemManager cannot give this modem (ModemManager does not run"), "{told:?}");
    let waits = gateway.ask("send-sms", json!({"receiver": "6281234567890", "message": "sesudah itu"}));
    manager.run();
    gateway.wait_for_state(waits["data"]["message_id"].as_str().unwrap(), "delivered");
    assert_eq!(emulator.count("sesudah itu"), 1);
}

/// How many SMS of this month the SIM has been charged with.
fn charged(gateway: &Gateway) -> u64 {
    gateway.operate(&["modem", "use", "m0", "--json"]).json()["sims"][0]["month"]["used"].as_u64().unwrap()
}

#[test]
fn a_long_text_is_charged_with_all_its_parts_and_gives_all_back_when_modem_manager_did_not_send_it() {
    let emulator = Emulator::start(1, &[]);
    let Some(mut manager) = ModemManager::start(&emulator.modems[0]) else { return };
    let mut setup = setup(&emulator, &manager);
    setup.modem.push_str("\nmonthly_limit = 100");
    let gateway = setup.start();
    gateway.wait_for_modems(1);
    let long = "Pengumuman panjang ".repeat(20);

    // ModemManager ends before it has made the message.
    manager.halt();
    thread::scope(|scope| {
        let by_hand = scope.spawn(|| gateway.operate(&["modem", "send", "m0", "6281234567890", &long]));
        wait_for("the charge", || (charged(&gateway) == 3).then_some(()));
        manager.kill();
        let by_hand = by_hand.join().unwrap();
        assert!(by_hand.stdout.contains("not sent"), "{by_hand:?}");
    });
    assert_eq!(charged(&gateway), 0, "nothing was sent");
    assert_eq!(emulator.transmissions().len(), 0);

    manager.run();
    gateway.wait_for_modems(1);
    let by_hand = gateway.operate(&["modem", "send", "m0", "6281234567890", &long]);
    assert!(by_hand.told().contains("sent"), "{by_hand:?}");
    assert_eq!(charged(&gateway), 3);
    let sent = gateway.ask("send-sms", json!({"receiver": "6281234567890", "message": long}));
    gateway.wait_for_state(sent["data"]["message_id"].as_str().unwrap(), "delivered");
    assert_eq!(charged(&gateway), 6);
    assert_eq!(emulator.transmissions().len(), 6);
}
