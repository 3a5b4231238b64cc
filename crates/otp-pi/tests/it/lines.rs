//! Modems that are known by who they are, on a machine made by hand: plugged in elsewhere and exchanged while messages are on the way.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use emulator::{Direction, Machine, Modem, ModemSettings, Network, NetworkSettings, Script, Stick};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Ended, Gateway, Setup, end_of, operation, wait_for};

/// A machine, its modems, and a network.
struct Bench {
    machine: Machine,
    network: Network,
    directory: TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    fn start(air_time: Duration) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let directory = TempDir::new().unwrap();
        let machine = Machine::below(directory.path()).unwrap();
        let network = Network::new(NetworkSettings { air_time, ..NetworkSettings::default() });
        Self { machine, network, directory, runtime }
    }

    /// A modem that is not plugged in anywhere yet.
    fn device(&self, name: &str, index: u8) -> Modem {
        let mut settings = ModemSettings::named(name, index);
        settings.link = Some(self.directory.path().join(name));
        let device = Modem::start(&self.network, settings, Script::default()).unwrap();
        drop(self.runtime.spawn(device.run()));
        device
    }

    /// A gateway that looks for its modems on this machine.
    fn setup(&self, modems: &[String]) -> Setup {
        let mut setup = Setup::without_modems();
        setup.more = modems.concat();
        setup.environment = vec![("OTP_PI_ROOT", self.root())];
        setup
    }

    fn root(&self) -> String {
        self.machine.root().to_str().unwrap().to_owned()
    }

    /// Waits until so many PDUs have gone on air.
    fn wait_for_transmissions(&self, count: u64) {
        wait_for("transmissions", || (self.network.transmission_count() >= count).then_some(()));
    }

    /// The devices that sent a text with `needle`, in order.
    fn senders(&self, needle: &str) -> Vec<String> {
        let sent = self.network.transmissions().into_iter();
        let holds = |text: &Option<String>| text.as_ref().is_some_and(|text| text.contains(needle));
        sent.filter(|sent| holds(&sent.text)).map(|sent| sent.modem).collect()
    }

    /// Runs a command for a configuration, on this machine.
    fn operate(&self, directory: &Path, arguments: &[&str]) -> Ended {
        end_of(operation(directory, arguments).env("OTP_PI_ROOT", self.root()))
    }
}

fn imei(index: u8) -> String {
    ModemSettings::named("", index).imei
}

fn by_imei(name: &str, index: u8, more: &str) -> String {
    format!("[[modem]]\nname = \"{name}\"\nimei = \"{}\"\n{more}\n", imei(index))
}

fn stick(socket: &str, line: &str, device: &Modem) -> Stick {
    Stick::ec25(socket).with_line(2, line, &device.path())
}

fn send(gateway: &Gateway, receiver: &str, text: &str) -> String {
    let answer = gateway.ask("send-sms", json!({"receiver": receiver, "message": text}));
    assert_eq!(answer["response_code"], "000", "{answer}");
    answer["data"]["message_id"].as_str().unwrap().to_owned()
}

/// Waits until it is known what became of a message.
fn end_of_message(gateway: &Gateway, message_id: &str) -> String {
    let mut client = gateway.connect();
    wait_for("the end of a message", || {
        let status = client.ask("get-status", json!({"message_id": message_id}));
        let state = status["data"]["state"].as_str()?.to_owned();
        ["sent", "delivered", "unknown", "failed", "expired"].contains(&state.as_str()).then_some(state)
    })
}

/// Every message went out once; one that was being handed over when its modem went may be unknown, and went out at most once.
fn check_that_none_was_lost_or_doubled(bench: &Bench, gateway: &Gateway, messages: &[(String, String)]) {
    for (text, message_id) in messages {
        let (state, times) = (end_of_message(gateway, message_id), bench.senders(text).len());
        match state.as_str() {
            "sent" | "delivered" => assert_eq!(times, 1, "{text} is {state}"),
            "unknown" => assert!(times <= 1, "{text} went out {times} times"),
            other => panic!("{text} is {other}"),
        }
    }
}

#[test]
fn a_stick_that_moves_to_another_number_while_messages_are_on_the_way_loses_none_and_doubles_none() {
    let bench = Bench::start(Duration::from_millis(60));
    let device = bench.device("a", 1);
    let mut place = stick("1-1", "ttyUSB2", &device);
    bench.machine.plug(&place).unwrap();
    let gateway = bench.setup(&[by_imei("south", 1, "")]).start();
    gateway.wait_for_modems(1);
    let text = |number: usize| format!("message {number:02} of many");
    let messages: Vec<_> = (0..24).map(|number| (text(number), send(&gateway, "08126666666", &text(number)))).collect();
    for (round, (socket, line)) in [("1-3", "ttyUSB7"), ("1-1", "ttyUSB0")].into_iter().enumerate() {
        bench.wait_for_transmissions(4 * (u64::try_from(round).unwrap() + 1));
        bench.machine.unplug(&place).unwrap();
        device.unplug();
        wait_for("the loss of the modem", || {
            let list = gateway.ask("get-modem-list", json!({}));
            (list["data"]["modem_list"]["south"]["connected"] == json!(false)).then_some(())
        });
        device.replug();
        place = stick(socket, line, &device);
        bench.machine.plug(&place).unwrap();
        gateway.wait_for_modems(1);
    }
    check_that_none_was_lost_or_doubled(&bench, &gateway, &messages);
    let after = send(&gateway, "08126666666", "after all");
    assert_ne!(end_of_message(&gateway, &after), "unknown");
    assert_eq!(bench.senders("after all"), ["a"]);
}

#[test]
fn two_sticks_that_are_exchanged_while_messages_are_on_the_way_send_each_for_its_own_modem() {
    let bench = Bench::start(Duration::from_millis(60));
    let devices = [bench.device("one", 1), bench.device("two", 2)];
    let [one, two] = &devices;
    let before = [stick("1-1", "ttyUSB0", one), stick("1-2", "ttyUSB1", two)];
    before.iter().for_each(|stick| bench.machine.plug(stick).unwrap());
    let at = |name: &str, index, line: &str, prefix: &str| {
        let port = bench.machine.line(line);
        by_imei(name, index, &format!("port = {port:?}\nrecipient_prefixes = [\"{prefix}\"]"))
    };
    let mut setup = bench.setup(&[at("south", 1, "ttyUSB0", "62812"), at("north", 2, "ttyUSB1", "62813")]);
    setup.sms = "failover = \"wait\"".to_owned();
    let gateway = setup.start();
    gateway.wait_for_modems(2);
    let mut messages = Vec::new();
    for number in 0..20 {
        for (receiver, name) in [("08126666666", "one"), ("08136666666", "two")] {
            let text = format!("number {number:02} for {name}");
            messages.push((text.clone(), send(&gateway, receiver, &text)));
        }
    }
    bench.wait_for_transmissions(8);
    for (stick, device) in before.iter().zip(&devices) {
        bench.machine.unplug(stick).unwrap();
        device.unplug();
    }
    wait_for("the loss of both", || {
        let list = gateway.ask("get-modem-list", json!({}));
        let modems = list["data"]["modem_list"].as_object()?.clone();
        modems.values().all(|modem| modem["connected"] == json!(false)).then_some(())
    });
    devices.iter().for_each(Modem::replug);
    for stick in [stick("1-1", "ttyUSB0", two), stick("1-2", "ttyUSB1", one)] {
        bench.machine.plug(&stick).unwrap();
    }
    gateway.wait_for_modems(2);
    check_that_none_was_lost_or_doubled(&bench, &gateway, &messages);
    for name in ["one", "two"] {
        let senders: BTreeSet<String> = bench.senders(&format!("for {name}")).into_iter().collect();
        assert_eq!(senders, BTreeSet::from([name.to_owned()]));
    }
}

#[test]
fn a_modem_known_by_its_imei_is_listed_and_checked_with_and_without_a_gateway() {
    let bench = Bench::start(Duration::ZERO);
    let (own, other) = (bench.device("own", 1), bench.device("other", 2));
    bench.machine.plug(&stick("1-1", "ttyUSB0", &other)).unwrap();
    bench.machine.plug(&stick("1-2", "ttyUSB1", &own)).unwrap();
    let setup = bench.setup(&[by_imei("south", 1, "")]);
    let directory = TempDir::new().unwrap();
    setup.write(&directory.path().join("otp-pi.toml"), &directory.path().join("data"));
    let listed = |directory: &Path| -> Vec<(Value, Value)> {
        let value = bench.operate(directory, &["modem", "list", "--json"]).json();
        value["lines"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| (line["modem"].clone(), line["modem_by"].clone()))
            .collect()
    };
    let nobody = (Value::Null, Value::Null);
    assert_eq!(listed(directory.path()), [nobody.clone(), (json!("south"), json!("its IMEI"))]);
    let checked = bench.operate(directory.path(), &["modem", "check", "south"]);
    assert!(checked.told().starts_with(&format!("south on {}: can send", bench.machine.line("ttyUSB1").display())));

    let gateway = setup.start_in(directory);
    gateway.wait_for_modems(1);
    let by_gateway = (json!("south"), json!("the gateway, which has it"));
    assert_eq!(listed(gateway.dir()), [nobody, by_gateway]);
    let checked = bench.operate(gateway.dir(), &["modem", "check", "south"]);
    assert!(checked.told().contains("ttyUSB1 (found by IMEI …00"), "{checked:?}");
}

#[test]
fn another_device_at_the_configured_line_is_told_and_never_sent_through() {
    let bench = Bench::start(Duration::ZERO);
    let other = bench.device("other", 2);
    bench.machine.plug(&stick("1-1", "ttyUSB0", &other)).unwrap();
    let port = bench.machine.line("ttyUSB0");
    let gateway = bench.setup(&[by_imei("south", 1, &format!("port = {port:?}"))]).start();
    let message = send(&gateway, "08126666666", "not through a stranger");
    wait_for("the word of another device", || {
        let list = gateway.ask("get-modem-list", json!({}));
        list.to_string().contains("wrong-device").then_some(())
    });
    let checked = bench.operate(gateway.dir(), &["modem", "check", "south", "--json"]);
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert_eq!(checked.json()["modems"][0]["advice"][0]["kind"], "wrong-device");
    assert_eq!(bench.network.transmission_count(), 0);
    // The right one comes, wherever that is, and the message goes out.
    let own = bench.device("own", 1);
    bench.machine.plug(&stick("1-4", "ttyUSB9", &own)).unwrap();
    assert_ne!(end_of_message(&gateway, &message), "unknown");
    assert_eq!(bench.senders("stranger"), ["own"]);
    let said = String::from_utf8_lossy(&other.byte_log().said(Direction::ToModem)).into_owned();
    assert!(!said.contains("AT+CMGS"), "{said}");
}

#[test]
fn a_gateway_without_any_line_starts_waits_and_says_by_whom_its_modem_is_looked_for() {
    let bench = Bench::start(Duration::ZERO);
    let mut gateway = bench.setup(&[by_imei("south", 1, "")]).start();
    wait_for("the search in the log", || gateway.log().contains("no line has answered with IMEI …").then_some(()));
    assert!(!gateway.log().contains(&imei(1)), "the whole number stands in the log");
    assert!(gateway.is_alive());
    assert_eq!(gateway.terminate(), Some(0));
}
