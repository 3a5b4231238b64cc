//! Quotas, tariffs, routes explained and metrics, as a gateway that runs shows them.

mod metrics;
mod quotas;
mod routes;

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Emulator, Environment, Gateway, Setup, unix_seconds, wait_for};

const PHONE: &str = "08126666666";
const OTHER_PHONE: &str = "08127777777";

/// A configuration whose modems `op1`, `op2`, … have lines of their own.
fn with_lines(emulator: &Emulator, lines: &[&str]) -> Setup {
    let mut setup = Setup::without_modems();
    for (number, (path, lines)) in emulator.modems.iter().zip(lines).enumerate() {
        setup.more += &format!("[[modem]]\nname = \"op{}\"\nport = {path:?}\n{lines}\n", number + 1);
    }
    setup.more += "[device]\ntime_zone = \"UTC\"\n";
    setup
}

/// A daily quota whose day does not end while a test runs.
fn daily(limit: u32) -> String {
    let far = (unix_seconds() / 3600 + 12) % 24;
    format!("daily_limit = {limit}\nquota_reset = \"{far:02}:00\"\n")
}

/// What a gateway is started with to believe that it is that time, as `2026-11-30 20:00:00` in UTC.
fn at(time: &str, library: &Path) -> Environment {
    vec![
        ("LD_PRELOAD", library.to_str().unwrap().to_owned()),
        ("FAKETIME", format!("@{time}")),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("TZ", "UTC".to_owned()),
    ]
}

/// Sends an SMS and answers its message id.
fn send(gateway: &Gateway, receiver: &str, message: &str) -> String {
    let answer = gateway.ask("send-sms", json!({"receiver": receiver, "message": message}));
    assert_eq!(answer["response_code"], "000", "{answer}");
    answer["data"]["message_id"].as_str().unwrap().to_owned()
}

fn state_of(gateway: &Gateway, message_id: &str) -> Value {
    gateway.ask("get-status", json!({"message_id": message_id}))["data"]["state"].clone()
}

/// The reason of the last attempt.
fn route_of(gateway: &Gateway, message_id: &str) -> String {
    let status = gateway.ask("get-status", json!({"message_id": message_id}));
    let last = status["data"]["attempts"].as_array().and_then(|attempts| attempts.last().cloned());
    last.and_then(|last| last["route"].as_str().map(str::to_owned)).unwrap_or_default()
}

/// What `modem use` says of one modem.
fn sim_use(gateway: &Gateway, modem: &str) -> Value {
    gateway.operate(&["modem", "use", modem, "--json"]).json()["sims"][0].clone()
}

fn explain(gateway: &Gateway, receiver: &str) -> Value {
    gateway.operate(&["route", "explain", receiver, "--json"]).json()
}

/// Waits until `route explain` says that of the first modem.
fn wait_for_explanation(gateway: &Gateway, state: &str) -> Value {
    wait_for(&format!("the explanation {state:?}"), || {
        let modem = explain(gateway, PHONE)["modems"][0].clone();
        (modem["state"] == state).then_some(modem)
    })
}
