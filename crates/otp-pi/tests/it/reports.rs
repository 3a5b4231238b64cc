//! Delivery reports over the whole process: direct and stored, early, late, twice, in any order, odd, of others, or never.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{Emulator, Gateway, Setup, unix_millis, wait_for, wait_until_millis};

/// Makes the gateway choose reports that are stored.
const STORED: &str = "[[fault]]\nwhen = \"AT+CNMI=2,1,2,1\"\naction = \"error\"\n[[fault]]\nwhen = \"AT+CNMI=2,1,0,1\"\naction = \"error\"\n";

/// What becomes of numbers by their last digit.
const RECEIVERS: &str = "
[[receiver]]\nnumber = \"*0\"\ntreatment = { fail = 70 }
[[receiver]]\nnumber = \"*1\"\ntreatment = \"never_report\"
[[receiver]]\nnumber = \"*2\"\ntreatment = \"report_twice\"
[[receiver]]\nnumber = \"*3\"\ntreatment = { slow = \"300ms\" }
[[receiver]]\nnumber = \"*4\"\ntreatment = { pending_last = \"300ms\" }
[[receiver]]\nnumber = \"*5\"\ntreatment = \"early_report\"
[[receiver]]\nnumber = \"*6\"\ntreatment = { report_for = 628990000123 }
[[receiver]]\nnumber = \"*7\"\ntreatment = { fail = 48 }
[[receiver]]\nnumber = \"*8\"\ntreatment = { fail = 200 }
[[receiver]]\nnumber = \"*9\"\ntreatment = { scattered_report = \"1500ms\" }
";

/// The states of message and part that a last digit leads to.
fn end_of(digit: usize) -> (&'static str, &'static str) {
    match digit {
        0 => ("undelivered", "undelivered"),
        1 | 6 => ("sent", "sent"),
        // Still trying, and a value that no standard knows: neither is the end of it.
        7 | 8 => ("sent", "pending"),
        _ => ("delivered", "delivered"),
    }
}

fn send(gateway: &Gateway, receiver: &str, message: &str) -> String {
    let answer = gateway.ask("send-sms", json!({"receiver": receiver, "message": message}));
    assert_eq!(answer["response_code"], "000", "{answer}");
    answer["data"]["message_id"].as_str().unwrap().to_owned()
}

fn ends(status: &Value) -> (&str, &str) {
    let data = &status["data"];
    (data["state"].as_str().unwrap(), data["attempts"][0]["parts"][0]["state"].as_str().unwrap_or_default())
}

/// Waits until each message has come to the end of its last digit.
fn wait_for_ends(gateway: &Gateway, sent: &BTreeMap<String, usize>) {
    let mut client = gateway.connect();
    for (id, digit) in sent {
        wait_for(&format!("the end of a number in {digit}"), || {
            let status = client.ask("get-status", json!({"message_id": id}));
            (ends(&status) == end_of(*digit)).then_some(())
        });
    }
}

#[test]
fn whatever_way_reports_come_each_message_ends_in_its_own_state() {
    let own_memory = format!("{STORED}[[modem]]\nmanners = [\"report_memory\"]\n");
    for (name, script) in [
        ("direct", String::new()),
        ("stored", STORED.to_owned()),
        ("stored in a memory of their own", own_memory),
        ("a comma too many", "[[modem]]\nmanners = [\"odd_reports\"]\n".to_owned()),
    ] {
        let emulator = Emulator::with_script(&format!("{script}{RECEIVERS}"), &["--report-delay", "50ms"]);
        let gateway = Setup::with(&emulator).start();
        gateway.wait_for_modems(1);
        // More than the memory of reports has places for.
        let sent: BTreeMap<String, usize> =
            (0..30).map(|number| (send(&gateway, &format!("0812000{number:04}"), name), number % 10)).collect();
        wait_for_ends(&gateway, &sent);
        assert_eq!(emulator.transmissions().len(), 30, "{name}: a report sends nothing again");
        gateway.send_sentinel(&emulator, "08126666662", "end");
        assert!(!gateway.log().contains("is not understood"), "{name}");
        // Ten reports of numbers that nothing was sent to, at the most: those are told, and change nothing.
        wait_for_ends(&gateway, &sent);
    }
}

#[test]
fn of_a_long_text_each_part_has_a_report_of_its_own() {
    let emulator = Emulator::with_script(RECEIVERS, &[]);
    let gateway = Setup::with(&emulator).start();
    gateway.wait_for_modems(1);
    let text = "long ".repeat(100);
    for digit in [0, 2, 3, 5, 7] {
        let id = send(&gateway, &format!("0812000000{digit}"), &text);
        let (state, part) = end_of(digit);
        wait_for(&format!("the end of {digit}"), || {
            let status = gateway.ask("get-status", json!({"message_id": id}));
            let parts = status["data"]["attempts"][0]["parts"].as_array()?.clone();
            let is_there = parts.len() == 4 && parts.iter().all(|told| told["state"] == part);
            (is_there && status["data"]["state"] == state).then_some(())
        });
    }
}

#[test]
fn a_report_that_came_while_the_gateway_was_down_is_found_and_so_is_one_of_a_modem_that_was_renamed() {
    let script = format!("{STORED}[[receiver]]\nnumber = \"*\"\ntreatment = {{ late_report = \"700ms\" }}\n");
    let emulator = Emulator::with_script(&script, &[]);
    let named = |name: &str| {
        let mut setup = Setup::without_modems();
        setup.more = format!("[[modem]]\nname = \"{name}\"\nport = {:?}\n", emulator.modems.first().unwrap());
        setup
    };
    let gateway = named("old-name").start();
    gateway.wait_for_modems(1);
    let id = send(&gateway, "08126666666", "down");
    gateway.wait_for_state(&id, "sent");
    let stopped = gateway.stop();
    wait_until_millis(unix_millis() + 1000);
    let gateway = stopped.restart();
    gateway.wait_for_state(&id, "delivered");
    let id = send(&gateway, "08126666666", "renamed");
    gateway.wait_for_state(&id, "sent");
    let gateway = gateway.stop().restart_as(&named("new-name"));
    let status = gateway.wait_for_state(&id, "delivered");
    assert_eq!(status["data"]["attempts"][0]["modem"], "old-name", "it was called so then");
}

#[test]
fn hundreds_of_messages_of_one_modem_end_each_in_its_own_state_while_its_references_come_again() {
    const MESSAGES: usize = 620;
    let emulator = Emulator::with_script(RECEIVERS, &["--seed", "20261124"]);
    let gateway = Setup::with(&emulator).start();
    gateway.wait_for_modems(1);
    let mut client = gateway.connect();
    let sent: BTreeMap<String, usize> = (0..MESSAGES)
        .map(|number| {
            let data = json!({"receiver": format!("0812000{number:04}"), "message": "one of many"});
            let answer = client.ask("send-sms", data);
            (answer["data"]["message_id"].as_str().unwrap().to_owned(), number % 10)
        })
        .collect();
    emulator.wait_for_transmissions(MESSAGES);
    wait_for_ends(&gateway, &sent);
}
