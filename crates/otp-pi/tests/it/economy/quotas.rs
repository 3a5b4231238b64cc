//! Quotas hold over every end of the process and every clock.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;
use tempfile::TempDir;

use super::{OTHER_PHONE, PHONE, at, daily, route_of, send, sim_use, state_of, wait_for_explanation, with_lines};
use crate::harness::{Emulator, faketime};

#[test]
fn a_monthly_quota_survives_a_kill_and_the_new_month_sends_what_waited() {
    let Some(library) = faketime() else { return };
    let emulator = Emulator::start(1, &[]);
    let mut setup = with_lines(&emulator, &["monthly_limit = 2\ncost = 50\nother_cost = 350\ndefault = true"]);
    setup.environment = at("2026-11-30 20:00:00", &library);
    let gateway = setup.start();
    for number in 1..=2 {
        let id = send(&gateway, PHONE, &format!("paid {number}"));
        gateway.wait_for_state(&id, "sent");
    }
    let third = send(&gateway, PHONE, "waits for december");
    let modem = wait_for_explanation(&gateway, "out of its monthly quota");
    assert_eq!(modem["until"], 1_796_083_200_000_i64, "2026-12-01 00:00 UTC");
    let used = sim_use(&gateway, "op1");
    assert_eq!((&used["month"]["used"], &used["month"]["left"], &used["cost"]), (&json!(2), &json!(0), &json!(700)));
    assert_eq!((&used["counted_by"], &used["runs_out"]), (&json!("iccid"), &json!("2026-11-30")), "{used}");

    // Killed, and started an hour later, then years before: nothing is given twice.
    let mut stopped = gateway.kill();
    for time in ["2026-11-30 21:00:00", "2023-01-01 00:00:00"] {
        setup.environment = at(time, &library);
        let gateway = stopped.restart_as(&setup);
        gateway.wait_for_modems(1);
        wait_for_explanation(&gateway, "out of its monthly quota");
        assert_eq!(sim_use(&gateway, "op1")["month"]["used"], 2, "{time}");
        stopped = gateway.kill();
    }
    assert_eq!(emulator.count("waits for december"), 0);

    setup.environment = at("2026-12-01 00:00:20", &library);
    let gateway = stopped.restart_as(&setup);
    gateway.wait_for_state(&third, "sent");
    assert_eq!(emulator.count("waits for december"), 1);
    assert_eq!(sim_use(&gateway, "op1")["month"]["used"], 1);
}

#[test]
fn what_waits_for_the_next_day_goes_out_when_it_begins_without_anybody_asking() {
    let Some(library) = faketime() else { return };
    let emulator = Emulator::start(1, &[]);
    let mut setup = with_lines(&emulator, &["daily_limit = 1\nquota_reset = \"12:00\"\ndefault = true"]);
    setup.environment = at("2026-11-24 11:59:52", &library);
    let gateway = setup.start();
    let first = send(&gateway, PHONE, "of today");
    gateway.wait_for_state(&first, "sent");
    let second = send(&gateway, PHONE, "of tomorrow");
    gateway.wait_for_state(&second, "sent");
    let attempts = gateway.ask("get-status", json!({"message_id": second}))["data"]["attempts"].clone();
    let noon = 1_795_521_600_000_i64;
    assert!(attempts[0]["started_at"].as_i64().unwrap() >= noon, "{attempts}");
    assert_eq!(attempts.as_array().unwrap().len(), 1, "no attempt is made in vain");
}

#[test]
fn a_burst_is_paced_and_the_pace_survives_a_kill() {
    let Some(library) = faketime() else { return };
    let emulator = Emulator::start(1, &[]);
    let mut setup = with_lines(&emulator, &["rate_per_minute = 3\ndefault = true"]);
    setup.environment = at("2026-11-24 10:00:00", &library);
    let gateway = setup.start();
    let ids: Vec<String> = (1..=5).map(|number| send(&gateway, PHONE, &format!("burst {number}"))).collect();
    emulator.wait_for_transmissions(3);
    gateway.wait_for_state(&ids[2], "sent");
    wait_for_explanation(&gateway, "paced");
    setup.environment = at("2026-11-24 10:00:40", &library);
    let gateway = gateway.kill().restart_as(&setup);
    gateway.wait_for_modems(1);
    let paced = wait_for_explanation(&gateway, "paced");
    assert!(paced["until"].as_i64().is_some(), "{paced}");
    assert_eq!(emulator.count("burst"), 3);
    setup.environment = at("2026-11-24 10:01:40", &library);
    let gateway = gateway.kill().restart_as(&setup);
    for id in &ids[3..] {
        gateway.wait_for_state(id, "sent");
    }
    assert_eq!(emulator.count("burst"), 5, "each went out once");
}

#[test]
fn a_text_whose_parts_do_not_fit_waits_and_holds_nobody_up() {
    let emulator = Emulator::start(1, &[]);
    let gateway = with_lines(&emulator, &[&daily(2)]).start();
    gateway.wait_for_modems(1);
    let long = send(&gateway, PHONE, &"three parts ".repeat(35));
    let (one, other) = (send(&gateway, PHONE, "short one"), send(&gateway, PHONE, "short two"));
    gateway.wait_for_state(&one, "sent");
    gateway.wait_for_state(&other, "sent");
    let status = gateway.ask("get-status", json!({"message_id": long}));
    assert_eq!((&status["data"]["state"], &status["data"]["attempts"]), (&json!("queued"), &json!([])), "{status}");
    assert_eq!(sim_use(&gateway, "op1")["day"]["used"], 2);
    assert_eq!(emulator.count("three parts"), 0);
}

#[test]
fn a_long_text_counts_its_parts_and_what_was_refused_is_given_back() {
    let script = "[[receiver]]\nnumber = \"628127777777\"\ntreatment = { refuse = 1 }\n";
    let emulator = Emulator::scripted(1, script, &[]);
    let gateway = with_lines(&emulator, &[&daily(100)]).start();
    let long = send(&gateway, PHONE, &"three parts ".repeat(35));
    gateway.wait_for_state(&long, "sent");
    let refused = send(&gateway, OTHER_PHONE, "no such number");
    gateway.wait_for_state(&refused, "failed");
    let used = sim_use(&gateway, "op1");
    assert_eq!((&used["day"]["used"], &used["day"]["left"]), (&json!(3), &json!(97)), "{used}");
}

#[test]
fn a_full_list_of_receivers_turns_new_ones_away_and_lets_the_known_go_on() {
    let emulator = Emulator::start(1, &[]);
    let setup = with_lines(&emulator, &["monthly_recipients = 1\ndefault = true"]);
    let gateway = setup.start();
    let first = send(&gateway, PHONE, "to the first");
    gateway.wait_for_state(&first, "sent");
    let stranger = send(&gateway, OTHER_PHONE, "to another");
    let again = send(&gateway, PHONE, "to the first again");
    gateway.wait_for_state(&again, "sent");
    assert_eq!(state_of(&gateway, &stranger), "queued");
    let gateway = gateway.kill().restart();
    let again = send(&gateway, PHONE, "to the first after a kill");
    gateway.wait_for_state(&again, "sent");
    assert_eq!(state_of(&gateway, &stranger), "queued");
    assert_eq!(emulator.count("to another"), 0);
    assert_eq!(sim_use(&gateway, "op1")["receivers"]["used"], 1);
}

#[test]
fn without_quota_the_cheapest_other_modem_takes_over_and_the_message_says_why() {
    let emulator = Emulator::start(3, &[]);
    let own = format!("recipient_prefixes = [\"62812\"]\ncost = 50\nother_cost = 100\n{}", daily(1));
    let lines = [
        &own,
        "recipient_prefixes = [\"62871\"]\nother_cost = 350",
        "recipient_prefixes = [\"62845\"]\nother_cost = 200",
    ];
    let gateway = with_lines(&emulator, &lines).start();
    gateway.wait_for_modems(3);
    let (first, second) = (send(&gateway, PHONE, "own one"), send(&gateway, PHONE, "own two"));
    gateway.wait_for_state(&first, "sent");
    gateway.wait_for_state(&second, "sent");
    assert_eq!(route_of(&gateway, &first), "prefix 62812");
    assert_eq!(route_of(&gateway, &second), "fallback at cost 200: op1 is out of quota");
    assert_eq!(
        (emulator.senders_of("own one"), emulator.senders_of("own two")),
        (vec!["modem1".into()], vec!["modem3".into()])
    );
    let shown = gateway.operate(&["message", "show", &second]);
    assert!(shown.told().contains("route fallback at cost 200: op1 is out of quota"), "{shown:?}");
    assert_eq!((&sim_use(&gateway, "op1")["cost"], &sim_use(&gateway, "op3")["cost"]), (&json!(50), &json!(200)));
}

#[test]
fn a_person_may_send_beyond_the_quota_is_counted_and_can_begin_anew() {
    let emulator = Emulator::start(1, &[]);
    let gateway = with_lines(&emulator, &[&daily(1)]).start();
    gateway.wait_for_modems(1);
    for text in ["by hand", "by hand too"] {
        gateway.operate(&["modem", "send", "op1", "628126666666", text]).told();
    }
    assert_eq!(sim_use(&gateway, "op1")["day"]["used"], 2);
    let waiting = send(&gateway, PHONE, "of the API");
    wait_for_explanation(&gateway, "out of its daily quota");
    assert_eq!(state_of(&gateway, &waiting), "queued");
    let anew = gateway.operate(&["modem", "use", "op1", "--reset"]);
    assert!(anew.told().contains("0 of 1 (1 left)"), "{anew:?}");
    let recorded = gateway.operate(&["audit", "list", "--event", "limits-reset"]);
    assert!(recorded.told().contains("SIM of modem op1"), "{recorded:?}");
    gateway.wait_for_state(&waiting, "sent");
}

#[test]
fn the_list_of_modems_says_in_a_line_what_a_sim_has_sent_and_when_it_runs_out() {
    let Some(library) = faketime() else { return };
    let emulator = Emulator::start(1, &[]);
    let mut setup = with_lines(&emulator, &["monthly_limit = 5\ncost = 50\nrecipient_prefixes = [\"62812\"]"]);
    setup.environment = at("2026-11-10 10:00:00", &library);
    let gateway = setup.start();
    for number in 1..=2 {
        let id = send(&gateway, PHONE, &format!("of the tenth {number}"));
        gateway.wait_for_state(&id, "sent");
    }
    // Two a day, and three are left: they last for today, and run out tomorrow.
    setup.environment = at("2026-11-11 10:00:00", &library);
    let gateway = gateway.stop().restart_as(&setup);
    gateway.wait_for_modems(1);
    let root = TempDir::new().unwrap();
    let path = |path: &str| root.path().join(path);
    for folder in ["dev", "proc", "sys/class/tty", "sys/devices/usb1/tty/ttyUSB0"] {
        fs::create_dir_all(path(folder)).unwrap();
    }
    symlink("../../../usb1", path("sys/devices/usb1/tty/ttyUSB0/device")).unwrap();
    symlink(path("sys/devices/usb1/tty/ttyUSB0"), path("sys/class/tty/ttyUSB0")).unwrap();
    symlink(&emulator.modems[0], path("dev/ttyUSB0")).unwrap();
    let arguments = ["modem", "list", "--no-probe", "--root", root.path().to_str().unwrap()];
    let text = gateway.operate(&arguments);
    let words = "today 0, this month 2 of 5 (3 left), cost 100, runs out on 2026-11-12";
    assert!(text.told().contains(words), "{text:?}");
    let listed = gateway.operate(&[&arguments[..], &["--json"]].concat()).json();
    assert_eq!(listed["lines"][0]["sim_use"]["month"]["left"], 3, "{listed}");
}
