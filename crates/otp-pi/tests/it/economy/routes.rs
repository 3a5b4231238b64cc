//! Which modem, why, and that a slow one delays nobody else.

use serde_json::{Value, json};

use super::{PHONE, explain, route_of, send, with_lines};
use crate::harness::{Emulator, Gateway, operate, wait_for};

const FOUR: [&str; 4] = [
    "recipient_prefixes = [\"62871\"]\ncost = 50\nother_cost = 350",
    "recipient_prefixes = [\"62835\"]\ncost = 100\nother_cost = 300\nactive = false",
    "recipient_prefixes = [\"62845\"]\ncost = 60\nother_cost = 250",
    "default = true\ncost = 90\nother_cost = 200",
];

/// Name, role, cost and state of every modem.
fn modems(view: &Value) -> Vec<(String, String, u64, String)> {
    let text = |modem: &Value, key: &str| modem[key].as_str().unwrap().to_owned();
    let row = |it: &Value| (text(it, "modem"), text(it, "role"), it["cost"].as_u64().unwrap(), text(it, "state"));
    view["modems"].as_array().unwrap().iter().map(row).collect()
}

fn row(modem: &str, role: &str, cost: u64, state: &str) -> (String, String, u64, String) {
    (modem.to_owned(), role.to_owned(), cost, state.to_owned())
}

#[test]
fn a_route_is_explained_with_costs_and_states_by_the_gateway_and_by_the_configuration() {
    let emulator = Emulator::start(4, &[]);
    let gateway = with_lines(&emulator, &FOUR).start();
    gateway.wait_for_modems(3);
    let view = explain(&gateway, "0871 1234 567");
    assert_eq!((&view["modem"], &view["route"]), (&json!("op1"), &json!("prefix 62871")), "{view}");
    assert_eq!((&view["receiver"], &view["is_running"]), (&json!("62871•••67"), &json!(true)));
    let off = "switched off, or not for API requests";
    let expected = [
        row("op1", "first choice", 50, "free"),
        row("op4", "failover", 200, "free"),
        row("op3", "failover", 250, "free"),
        row("op2", "not used", 300, off),
    ];
    assert_eq!(modems(&view), expected);
    let text = gateway.operate(&["route", "explain", PHONE]);
    assert!(text.told().contains("modem     op4 (default)"), "{text:?}");
    let refused = gateway.operate(&["route", "explain", "not a number"]);
    assert!(refused.refused().contains("receiver"), "{refused:?}");

    let stopped = gateway.stop();
    let view = operate(stopped.dir(), &["route", "explain", "0871 1234 567", "--json"]).json();
    assert_eq!((&view["modem"], &view["is_running"]), (&json!("op1"), &json!(false)), "{view}");
    assert_eq!(modems(&view)[1], row("op4", "failover", 200, "not asked"));
    let text = operate(stopped.dir(), &["route", "explain", PHONE]);
    assert!(text.told().contains("no gateway runs"), "{text:?}");
}

#[test]
fn each_message_keeps_why_its_modem_was_chosen() {
    let emulator = Emulator::start(3, &[]);
    let gateway = with_lines(
        &emulator,
        &["recipient_prefixes = [\"62871\"]", "default = true", "recipient_prefixes = [\"62845\"]"],
    )
    .start();
    gateway.wait_for_modems(3);
    for (receiver, route) in [("0871123456", "prefix 62871"), ("0811123456", "default")] {
        let id = send(&gateway, receiver, "why");
        gateway.wait_for_state(&id, "sent");
        assert_eq!(route_of(&gateway, &id), route);
    }
    let emulator = Emulator::start(1, &[]);
    let gateway = with_lines(&emulator, &["recipient_prefixes = [\"62871\"]"]).start();
    let id = send(&gateway, PHONE, "why");
    gateway.wait_for_state(&id, "sent");
    assert_eq!(route_of(&gateway, &id), "any");
}

/// The first modem takes twenty seconds for a message, the others a tenth of one.
fn slow_and_fast(modems: usize) -> Emulator {
    let script = "[[receiver]]\nnumber = \"62871*\"\ntreatment = { slow_air = \"20s\" }\n\
                  [[fault]]\nwhen = \"AT+CMGS\"\nmodem = \"modem1\"\naction = { delay = \"20s\" }\n";
    Emulator::scripted(modems, script, &["--air-time", "100ms"])
}

fn all_sent(gateway: &Gateway, ids: &[String]) {
    for id in ids {
        gateway.wait_for_state(id, "sent");
    }
}

#[test]
fn what_is_bound_to_a_slow_modem_never_delays_what_a_fast_one_takes() {
    let emulator = slow_and_fast(2);
    let gateway =
        with_lines(&emulator, &["recipient_prefixes = [\"62871\"]", "recipient_prefixes = [\"62812\"]"]).start();
    gateway.wait_for_modems(2);
    let slow: Vec<String> = (1..=5).map(|number| send(&gateway, "0871123456", &format!("slow {number}"))).collect();
    let fast: Vec<String> = (1..=40).map(|number| send(&gateway, PHONE, &format!("fast {number}"))).collect();
    all_sent(&gateway, &fast);
    assert_eq!(emulator.count("slow"), 0, "the slow one is still at its first");
    assert_eq!(gateway.ask("get-status", json!({"message_id": slow[0]}))["data"]["state"], "sending");
}

#[test]
fn a_slow_modem_loses_its_turns_in_the_ring_to_a_fast_one() {
    let emulator = slow_and_fast(2);
    let gateway = with_lines(&emulator, &["", ""]).start();
    gateway.wait_for_modems(2);
    for number in 1..=30 {
        send(&gateway, PHONE, &format!("ring {number}"));
    }
    // All but the one with which the slow modem is busy for twenty seconds.
    let of_fast = |senders: &[String]| senders.iter().filter(|modem| *modem == "modem2").count();
    let sent = wait_for("29 of 30", || Some(emulator.senders_of("ring")).filter(|senders| of_fast(senders) >= 29));
    assert!(sent.len() <= 30, "{sent:?}");
}
