// long: one broker, two versions, with the server and the publisher that its tests share
//! Commands over MQTT 3.1.1 and 5.0: a Mosquitto of the test's own, spoken to by Python's paho-mqtt.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::authority::Authority;
use crate::harness::{Emulator, Gateway, Setup, code_in, unix_seconds, wait_for};

const VERSIONS: [&str; 2] = ["3.1.1", "5"];
const BROKER: &str = "
[subscriber.mqtt]
enabled = true
host = \"127.0.0.1\"
port = PORT
username = \"otp\"
password = \"mqtt-password\"
api_user = \"user\"
timeout = \"1s\"
reconnect_delay = \"100ms\"
";

/// A server that a test may do anything with.
struct Mosquitto {
    child: Child,
    port: u16,
    dir: TempDir,
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

impl Mosquitto {
    fn start() -> Self {
        Self::start_with("")
    }

    /// With more lines of the server's configuration; what belongs to a listener goes to this one.
    fn start_with(lines: &str) -> Self {
        let port = free_port();
        let dir = TempDir::new().unwrap();
        let passwords = dir.path().join("passwords");
        let mut made = Command::new("mosquitto_passwd");
        assert!(made.args(["-c", "-b"]).arg(&passwords).args(["otp", "mqtt-password"]).status().unwrap().success());
        let text = format!(
            "user root\nallow_anonymous false\npassword_file {}\npersistence true\npersistence_location {}/\n\
             autosave_interval 1\nautosave_on_changes true\nmax_queued_messages 0\nlog_type none\n\
             listener {port} 127.0.0.1\n{lines}\n",
            passwords.display(),
            dir.path().display()
        );
        std::fs::write(dir.path().join("conf"), text).unwrap();
        let child = Self::launch(&dir);
        let mosquitto = Self { child, port, dir };
        mosquitto.wait();
        mosquitto
    }

    fn launch(dir: &TempDir) -> Child {
        Command::new("/usr/sbin/mosquitto")
            .arg("-c")
            .arg(dir.path().join("conf"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.path().join("log")).unwrap())
            .spawn()
            .expect("mosquitto: run the tests through scripts/test")
    }

    fn wait(&self) {
        wait_for("Mosquitto", || TcpStream::connect(("127.0.0.1", self.port)).ok());
    }

    /// Kills the server at once, as a power cut would.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        let _status = self.child.wait().unwrap();
    }

    /// Ends the server in good order, so that its state is on disk.
    fn stop(&mut self) {
        self.signal("TERM");
        let _status = self.child.wait().unwrap();
    }

    fn launch_again(&mut self) {
        self.child = Self::launch(&self.dir);
        self.wait();
    }

    fn forget_everything(&self) {
        std::fs::remove_file(self.dir.path().join("mosquitto.db")).unwrap();
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// A program that publishes and listens, written in Python with paho-mqtt.
struct Peer {
    child: Child,
    heard: Arc<Mutex<Vec<Value>>>,
}

impl Peer {
    fn start(port: u16, version: &str) -> Self {
        let python = super::examples::python().expect("run the tests through scripts/test");
        let mut child = Command::new(python)
            .args(["-c", include_str!("mqtt_peer.py"), &port.to_string(), version])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (out, into) = (child.stdout.take().unwrap(), Arc::clone(&heard));
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                into.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        let peer = Self { child, heard };
        peer.wait_for_count("connected", 1);
        peer
    }

    fn say(&self, what: &Value) {
        writeln!(self.child.stdin.as_ref().unwrap(), "{what}").unwrap();
    }

    fn count(&self, key: &str) -> usize {
        self.heard.lock().unwrap().iter().filter(|heard| !heard[key].is_null()).count()
    }

    fn wait_for_count(&self, key: &str, count: usize) {
        wait_for(&format!("{count} times {key}"), || (self.count(key) >= count).then_some(()));
    }

    fn subscribe(&self, topic: &str) {
        let before = self.count("subscribed");
        self.say(&json!({"subscribe": topic, "qos": 2}));
        self.wait_for_count("subscribed", before + 1);
    }

    fn publish(&self, topic: &str, message: &Value, qos: u8) {
        self.publish_text(topic, &message.to_string(), qos, json!({}));
    }

    /// Publishes, and waits until the broker has it.
    #[expect(clippy::needless_pass_by_value, reason = "reads better where it is written down")]
    fn publish_text(&self, topic: &str, payload: &str, qos: u8, more: Value) {
        let before = self.count("published");
        self.hand_over(topic, payload, qos, &more);
        self.wait_for_count("published", before + 1);
    }

    /// Publishes without waiting for the broker.
    fn hand_over(&self, topic: &str, payload: &str, qos: u8, more: &Value) {
        let mut all = json!({"publish": topic, "payload": payload, "qos": qos, "retain": false});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.say(&all);
    }

    fn answers(&self, topic: &str) -> Vec<Value> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|heard| heard["topic"] == json!(topic)).cloned().collect()
    }

    /// The first message on a topic, with its payload read.
    fn answer(&self, topic: &str) -> Value {
        let heard = wait_for(&format!("an answer on {topic}"), || self.answers(topic).first().cloned());
        serde_json::from_str(heard["payload"].as_str().unwrap()).unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Stands between a gateway and its broker, and cuts the connection when so many octets have come from the broker.
struct Proxy {
    port: u16,
    left: Arc<AtomicU64>,
}

impl Proxy {
    fn before(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), left: Arc::new(AtomicU64::new(u64::MAX)) };
        let left = Arc::clone(&proxy.left);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let (near_again, far_again) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let unlimited = Arc::new(AtomicU64::new(u64::MAX));
                std::thread::spawn(move || pump(near_again, far_again, &unlimited));
                let left = Arc::clone(&left);
                std::thread::spawn(move || pump(far, near, &left));
            }
        });
        proxy
    }

    /// The connection breaks in the middle of what follows after so many octets.
    fn cut_after(&self, octets: u64) {
        self.left.store(octets, Ordering::SeqCst);
    }

    fn has_cut(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }
}

fn pump(mut from: TcpStream, mut into: TcpStream, left: &AtomicU64) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let allowed = usize::try_from(left.load(Ordering::SeqCst)).unwrap_or(usize::MAX).min(count);
        if into.write_all(&buffer[..allowed]).is_err() {
            break;
        }
        if allowed < count {
            left.store(0, Ordering::SeqCst);
            break;
        }
        if left.load(Ordering::SeqCst) != u64::MAX {
            left.fetch_sub(u64::try_from(allowed).unwrap(), Ordering::SeqCst);
        }
    }
    let _gone = (from.shutdown(Shutdown::Both), into.shutdown(Shutdown::Both));
}

fn section(port: u16, version: &str, lines: &str) -> String {
    format!("{}version = \"{version}\"\n{lines}", BROKER.replace("PORT", &port.to_string()))
}

fn setup(emulator: &Emulator, port: u16, version: &str, lines: &str) -> Setup {
    Setup { more: section(port, version, lines), log: "debug", ..Setup::with(emulator) }
}

/// A gateway with one modem that is subscribed; `lines` are more of its section, and sections after it.
fn subscribed(port: u16, version: &str, lines: &str) -> (Emulator, Gateway) {
    let emulator = Emulator::start(1, &[]);
    let gateway = setup(&emulator, port, version, lines).start();
    gateway.wait_for_modems(1);
    wait_for_connections(&gateway, 1);
    (emulator, gateway)
}

fn sms(id: &str, text: &str) -> Value {
    json!({"command": "send-sms", "data": {"id": id, "receiver": "081266666666", "message": text}})
}

fn metric(gateway: &Gateway, name: &str) -> u64 {
    let numbers = gateway.connect().request("GET", "/metrics", None, b"").unwrap();
    let text = String::from_utf8(numbers.body).unwrap();
    let line = text.lines().find(|line| line.starts_with(name));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

fn wait_for_connections(gateway: &Gateway, count: u64) {
    wait_for(&format!("{count} subscriptions"), || {
        (metric(gateway, "otp_pi_subscriber_connections_total") >= count).then_some(())
    });
}

fn taken(gateway: &Gateway, outcome: &str) -> u64 {
    metric(gateway, &format!("otp_pi_subscriber_messages_total{{subscriber=\"mqtt\",outcome=\"{outcome}\"}}"))
}

/// The line of the log that says why the broker cannot be used.
fn complaint(gateway: &Gateway) -> String {
    wait_for("a complaint", || {
        let log = gateway.log();
        log.lines().find(|line| line.contains("the broker cannot be used")).map(str::to_owned)
    })
}

#[test]
fn every_command_works_over_both_versions_and_is_answered() {
    for version in VERSIONS {
        let mosquitto = Mosquitto::start();
        let (emulator, gateway) = subscribed(mosquitto.port, version, "");
        let peer = Peer::start(mosquitto.port, version);
        let ask = |command: &str, data: Value, delay: Value| {
            // As the publisher in PHP does: it listens first, and publishes with quality 0.
            let topic = format!("back-{command}-{}", peer.count("subscribed"));
            peer.subscribe(&topic);
            let message = json!({"command": command, "callback_topic": topic, "callback_delay": delay, "data": data});
            peer.publish("sms", &message, 0);
            let answer = peer.answer(&topic);
            let heard = peer.answers(&topic);
            assert_eq!((heard.len(), &heard[0]["qos"], &heard[0]["retain"]), (1, &json!(1), &json!(false)));
            answer
        };
        let otp = json!({"reference": "r1", "receiver": "081266666666", "message": "code %s", "param1": "p"});
        assert_eq!(ask("request-otp", otp, json!(1))["response_code"], "000");
        let code = code_in(&emulator.text_with("code "), 6);
        let guess = json!({"reference": "r1", "receiver": "+6281266666666", "otp": code, "param1": "p"});
        let right = ask("verify-otp", guess, json!("20"));
        assert_eq!((&right["command"], &right["response_code"]), (&json!("verify-otp"), &json!("000")), "{right}");
        let otp = json!({"reference": "r2", "receiver": "081266666666", "message": "other %s"});
        assert_eq!(ask("create-otp", otp, json!(1))["response_code"], "000");
        let wrong = json!({"reference": "r2", "receiver": "081266666666", "otp": "x"});
        assert_eq!(ask("validate-otp", wrong, json!(1))["response_code"], "1202");
        assert_eq!(ask("cancel-otp", json!({"reference": "r2"}), json!(5))["response_code"], "000");
        let sent = ask("send-sms", json!({"id": 7, "receiver": "081266666667", "message": "hello"}), json!(0));
        assert_eq!((&sent["response_code"], &sent["data"]["id"]), (&json!("000"), &json!(7)));
        emulator.text_with("hello");
        let status = ask("get-status", json!({"id": "7"}), json!(null));
        assert_eq!(status["data"]["message_id"], sent["data"]["message_id"]);
        assert_eq!(ask("block-msisdn", json!({"receiver": "081266666668"}), json!("-5"))["response_code"], "000");
        let blocked = ask("send-message", json!({"receiver": "081266666668", "message": "no"}), json!(5));
        assert_eq!(blocked["response_code"], "1301");
        assert_eq!(ask("unblock-msisdn", json!({"receiver": "081266666668"}), json!(5))["response_code"], "000");
        for command in ["send-email", "send-mail"] {
            let answer = ask(command, json!({"receiver": "a@example.org", "message": "x"}), json!(5));
            assert_eq!(answer["response_code"], "1102");
        }
        assert_eq!(ask("get-modem-list", json!({}), json!("50"))["data"]["modem_list"].as_object().unwrap().len(), 1);
        let ussd = ask("request-ussd", json!({"modem_id": "m0", "ussd_code": "*888#"}), json!(50));
        assert_eq!(ussd["response_code"], "000");
        assert_eq!(ask("echo", json!({"x": [1]}), json!(5))["data"]["x"], json!([1]));
        assert_eq!(ask("make-coffee", json!({}), json!(5))["response_code"], "1402");
        assert_eq!(ask("send-sms", json!({"receiver": "081266666667"}), json!(5))["response_code"], "1401");
        assert!(!gateway.log().contains(&code), "the code is in the log");
    }
}

#[test]
fn every_quality_of_service_brings_each_command_once() {
    for (version, qos) in VERSIONS.into_iter().flat_map(|version| [(version, 0), (version, 1), (version, 2)]) {
        let mosquitto = Mosquitto::start();
        let (emulator, gateway) = subscribed(mosquitto.port, version, &format!("qos = {qos}\n"));
        let peer = Peer::start(mosquitto.port, version);
        for published in [0, 1, 2] {
            // Without an id nothing but the protocol keeps it from being sent twice.
            let text = format!("published {published} read {qos}");
            peer.publish(
                "sms",
                &json!({"command": "send-sms", "data": {"receiver": "0812666", "message": text}}),
                published,
            );
            emulator.text_with(&text);
        }
        wait_for("all of them", || (taken(&gateway, "accepted") == 3).then_some(()));
        assert_eq!(emulator.transmissions().len(), 3, "{version} {qos}");
    }
}

#[test]
fn mqtt_5_answers_to_the_response_topic_with_the_correlation_data() {
    let mosquitto = Mosquitto::start();
    let (_emulator, gateway) = subscribed(mosquitto.port, "5", "");
    let peer = Peer::start(mosquitto.port, "5");
    for topic in ["mine/1", "mine/2"] {
        peer.subscribe(topic);
    }
    let echo = json!({"command": "echo", "callback_topic": "mine/2", "data": {}});
    peer.publish_text("sms", &echo.to_string(), 1, json!({"back": "mine/1"}));
    for topic in ["mine/1", "mine/2"] {
        assert_eq!(peer.answer(topic)["response_code"], "000");
        assert_eq!(peer.answers(topic)[0]["correlation"], "which one");
    }
    peer.publish_text("sms", "{", 1, json!({"back": "mine/1"}));
    wait_for("the complaint", || (peer.answers("mine/1").len() == 2).then_some(()));
    assert!(peer.answers("mine/1")[1]["payload"].as_str().unwrap().contains("1403"));
    // Back to where commands come from: done, and not answered there.
    peer.publish_text("sms", &json!({"command": "echo", "data": {}}).to_string(), 1, json!({"back": "sms"}));
    wait_for("the echo", || (taken(&gateway, "accepted") == 2).then_some(()));
    assert_eq!(metric(&gateway, "otp_pi_subscriber_answers_total"), 3);
}

#[test]
fn what_is_published_while_the_gateway_is_away_arrives() {
    for version in VERSIONS {
        let mosquitto = Mosquitto::start();
        let (emulator, gateway) = subscribed(mosquitto.port, version, "qos = 2\n");
        let away = gateway.stop();
        let peer = Peer::start(mosquitto.port, version);
        for number in 0..30 {
            peer.publish("sms", &sms(&format!("{number}"), &format!("<{number}>")), 1 + number % 2);
        }
        let gateway = away.restart();
        wait_for("all of them", || (taken(&gateway, "accepted") == 30).then_some(()));
        for number in 0..30 {
            emulator.text_with(&format!("<{number}>"));
        }
        assert_eq!(emulator.transmissions().len(), 30);
    }
}

#[test]
fn a_broker_that_is_killed_or_loses_its_state_is_subscribed_again() {
    for version in VERSIONS {
        let mut mosquitto = Mosquitto::start();
        let (emulator, gateway) = subscribed(mosquitto.port, version, "");
        let peer = Peer::start(mosquitto.port, version);
        for (round, is_kept) in [(0, true), (1, false)] {
            if is_kept {
                mosquitto.stop();
            } else {
                mosquitto.kill();
                mosquitto.forget_everything();
            }
            let degraded =
                || gateway.connect().request("GET", "/readyz", None, b"").unwrap().json()["degraded"].clone();
            wait_for("the word that it is away", || (degraded().as_array().unwrap().len() == 1).then_some(()));
            // Meanwhile REST works, and the publisher keeps what it has for the broker.
            let sent = gateway.ask("send-sms", json!({"receiver": "081266666666", "message": format!("rest {round}")}));
            assert_eq!(sent["response_code"], "000");
            let published = peer.count("published");
            if is_kept {
                let message = sms(&format!("early {round}"), &format!("early {round}"));
                peer.hand_over("sms", &message.to_string(), 1, &json!({}));
            }
            mosquitto.launch_again();
            wait_for_connections(&gateway, round + 2);
            if is_kept {
                peer.wait_for_count("published", published + 1);
                emulator.text_with(&format!("early {round}"));
            }
            peer.publish("sms", &sms(&format!("late {round}"), &format!("late {round}")), 1);
            emulator.text_with(&format!("late {round}"));
            assert_eq!(degraded(), json!([]));
        }
        assert_eq!(emulator.transmissions().len(), 5);
        // Told once for each reason: the connection was closed, and then nobody is there.
        assert!((2..=4).contains(&gateway.log().matches("the broker cannot be used").count()), "{}", gateway.log());
    }
}

#[test]
fn two_gateways_with_a_group_share_the_messages() {
    for version in VERSIONS {
        let mosquitto = Mosquitto::start();
        let emulator = Emulator::start(2, &[]);
        let node = |name: &str, index: usize| {
            let lines = format!("group = \"all\"\nclient_id = \"{name}\"\n");
            let mut setup = setup(&emulator, mosquitto.port, version, &lines);
            setup.modems = vec![emulator.modems[index].clone()];
            let gateway = setup.start();
            gateway.wait_for_modems(1);
            wait_for_connections(&gateway, 1);
            gateway
        };
        let (one, other) = (node("one", 0), node("other", 1));
        let peer = Peer::start(mosquitto.port, version);
        for number in 0..40 {
            peer.publish("sms", &sms(&number.to_string(), &format!("<{number}>")), 1);
        }
        wait_for("all of them", || (emulator.transmissions().len() == 40).then_some(()));
        for number in 0..40 {
            assert_eq!(emulator.count(&format!("<{number}>")), 1);
        }
        let shares = [&one, &other].map(|gateway| taken(gateway, "accepted"));
        assert!(shares[0] + shares[1] == 40 && !shares.contains(&0), "{shares:?}");
        // An answer to what both read is a loop, under the group's name too.
        let echo = json!({"command": "echo", "callback_topic": "sms", "data": {}});
        peer.publish("sms", &echo, 1);
        wait_for("the refusal", || (taken(&one, "refused") + taken(&other, "refused") == 1).then_some(()));
    }
}

#[test]
fn nothing_is_lost_or_doubled_by_a_kill() {
    for version in VERSIONS {
        let mosquitto = Mosquitto::start();
        let (emulator, mut gateway) = subscribed(mosquitto.port, version, "unacknowledged = 8\n");
        let peer = Peer::start(mosquitto.port, version);
        for round in 0..3 {
            for number in 0..20 {
                let id = format!("{round}-{number}");
                peer.hand_over("sms", &sms(&id, &format!("<{id}>")).to_string(), 1, &json!({}));
            }
            wait_for("some of them", || (emulator.transmissions().len() > round * 20).then_some(()));
            gateway = gateway.kill().restart();
            gateway.wait_for_modems(1);
        }
        peer.wait_for_count("published", 60);
        let listed = |state: &str| {
            let list = gateway.operate(&["message", "list", "--state", state, "--json"]).json();
            list["messages"].as_array().map_or(0, Vec::len)
        };
        // What was on air at a kill is unknown, and is not sent again; everything else is sent.
        wait_for("all of them", || {
            (emulator.transmissions().len() + listed("unknown") >= 60 && listed("queued") == 0).then_some(())
        });
        for id in (0..3).flat_map(|round| (0..20).map(move |number| format!("<{round}-{number}>"))) {
            assert!(emulator.count(&id) <= 1, "{id} went out twice");
        }
    }
}

#[test]
fn quality_2_is_exactly_once_over_a_connection_that_breaks_in_the_middle_of_messages() {
    for version in VERSIONS {
        let mosquitto = Mosquitto::start();
        let proxy = Proxy::before(mosquitto.port);
        let (emulator, gateway) = subscribed(proxy.port, version, "qos = 2\n");
        let peer = Peer::start(mosquitto.port, version);
        for number in 0..24_u32 {
            if number % 4 == 0 {
                proxy.cut_after(u64::from(number * 7 % 120) + 10);
            }
            // No id: nothing but the protocol keeps it from being sent twice.
            let text = format!("<{number}>");
            peer.publish("sms", &json!({"command": "send-sms", "data": {"receiver": "0812666", "message": text}}), 2);
            if number % 4 == 0 {
                wait_for("the cut", || proxy.has_cut().then_some(()));
                proxy.cut_after(u64::MAX);
            }
        }
        for number in 0..24 {
            emulator.text_with(&format!("<{number}>"));
        }
        gateway.send_sentinel(&emulator, "081266666666", "after all");
        assert_eq!(emulator.transmissions().len(), 25, "{version}");
    }
}

#[test]
fn what_is_no_command_is_counted_never_taken_again_and_never_logged() {
    for version in VERSIONS {
        let mosquitto = Mosquitto::start();
        let (emulator, gateway) = subscribed(mosquitto.port, version, "qos = 2\n");
        let peer = Peer::start(mosquitto.port, version);
        let huge = format!("{{\"command\":\"zebra{}\"}}", "a".repeat(70_000));
        let enormous = "zebra".repeat(400_000);
        let poisons = [
            "zebra",
            "{\"command\": \"zebra\"",
            "",
            "[1]",
            "{\"command\":\"send-sms\",\"data\":{\"message\":\"zebra\"}}",
            &huge,
            &enormous,
        ];
        for qos in [0, 1, 2] {
            for poison in poisons {
                peer.publish_text("sms", poison, qos, json!({}));
            }
        }
        peer.publish("sms", &sms("1", "after them"), 1);
        emulator.text_with("after them");
        wait_for("all of them", || (taken(&gateway, "no_command") == 21).then_some(()));
        // Nothing of it comes again.
        let gateway = gateway.stop().restart();
        wait_for_connections(&gateway, 1);
        peer.publish("sms", &sms("2", "and after that"), 2);
        emulator.text_with("and after that");
        assert_eq!(taken(&gateway, "no_command"), 0);
        assert!(!gateway.log().contains("zebra"));
    }
}

#[test]
fn a_retained_message_is_not_taken() {
    for version in VERSIONS {
        let mosquitto = Mosquitto::start();
        let peer = Peer::start(mosquitto.port, version);
        for (topic, qos) in [("sms/0", 0), ("sms/1", 1), ("sms/2", 2)] {
            peer.publish_text(topic, &sms(topic, "an old one").to_string(), qos, json!({"retain": true}));
        }
        let (emulator, gateway) = subscribed(mosquitto.port, version, "topic = \"sms/#\"\nqos = 2\n");
        peer.publish("sms/3", &sms("new", "a new one"), 2);
        emulator.text_with("a new one");
        // One that is retained from now on is new, and taken.
        peer.publish_text("sms/4", &sms("too", "new too").to_string(), 1, json!({"retain": true}));
        emulator.text_with("new too");
        assert_eq!((emulator.count("an old one"), taken(&gateway, "accepted")), (0, 2));
    }
}

#[test]
fn an_answer_never_goes_where_commands_come_from_wildcards_included() {
    for version in VERSIONS {
        for (topic, lines, from) in
            [("sms/+", "", "sms/in"), ("sms/#", "", "sms/in"), ("sms/#", "group = \"g\"\n", "sms/in")]
        {
            let mosquitto = Mosquitto::start();
            let (emulator, gateway) = subscribed(mosquitto.port, version, &format!("topic = {topic:?}\n{lines}"));
            let peer = Peer::start(mosquitto.port, version);
            for back in ["sms/in", "sms/elsewhere", "a/+", "a/#", "$SYS/x"] {
                let mut message = sms(back, "looping");
                message["callback_topic"] = json!(back);
                peer.publish(from, &message, 1);
            }
            wait_for("the refusals", || (taken(&gateway, "refused") == 5).then_some(()));
            peer.publish(from, &sms("last", "the last one"), 1);
            emulator.text_with("the last one");
            assert_eq!(emulator.count("looping"), 0);
            assert_eq!(metric(&gateway, "otp_pi_subscriber_answers_total"), 0);
        }
    }
}

#[test]
fn a_wrong_password_is_told_once_and_holds_nobody_up() {
    let mosquitto = Mosquitto::start();
    for (version, reason) in [("3.1.1", "NotAuthorized"), ("5", "NotAuthorized")] {
        let emulator = Emulator::start(1, &[]);
        let mut setup = setup(&emulator, mosquitto.port, version, "");
        setup.more = setup.more.replace("mqtt-password", "not-the-password");
        let gateway = setup.start();
        gateway.wait_for_modems(1);
        let told = complaint(&gateway);
        assert!(told.contains("logging in was refused") && told.contains(reason), "{told}");
        wait_for("another try", || gateway.log().contains("the broker is still away").then_some(()));
        assert_eq!(gateway.log().matches("the broker cannot be used").count(), 1);
        assert!(!gateway.log().contains("not-the-password"));
        let doctor = gateway.operate(&["doctor"]);
        assert!(doctor.stdout.contains("BAD   subscribers   mqtt: mqtt at 127.0.0.1:"), "{doctor:?}");
        let sent = gateway.ask("send-sms", json!({"receiver": "081266666666", "message": "by REST"}));
        assert_eq!(sent["response_code"], "000");
    }
}

#[test]
fn doctor_takes_no_message_and_no_session_away() {
    for version in VERSIONS {
        let mosquitto = Mosquitto::start();
        let (emulator, gateway) = subscribed(mosquitto.port, version, "group = \"g\"\n");
        let doctor = gateway.operate(&["doctor"]);
        assert!(doctor.stdout.contains("ok    subscribers"), "{doctor:?}");
        let peer = Peer::start(mosquitto.port, version);
        for number in 0..4 {
            peer.publish("sms", &sms(&number.to_string(), &format!("<{number}>")), 1);
            emulator.text_with(&format!("<{number}>"));
        }
        assert_eq!(metric(&gateway, "otp_pi_subscriber_connections_total"), 1);
    }
}

#[test]
fn a_subscription_that_the_broker_does_not_allow_is_told() {
    let library = format!("/usr/lib/{}-linux-gnu/mosquitto_dynamic_security.so", std::env::consts::ARCH);
    let rules = TempDir::new().unwrap();
    let file = rules.path().join("rules.json");
    let allowed = json!({
        "defaultACLAccess":
            {"publishClientSend": true, "publishClientReceive": true, "subscribe": false, "unsubscribe": true},
    });
    std::fs::write(&file, allowed.to_string()).unwrap();
    let mosquitto = Mosquitto::start_with(&format!("plugin {library}\nplugin_opt_config_file {}\n", file.display()));
    for version in VERSIONS {
        let emulator = Emulator::start(1, &[]);
        let gateway = setup(&emulator, mosquitto.port, version, "").start();
        let told = complaint(&gateway);
        assert!(told.contains("subscribing was refused"), "{told}");
        let doctor = gateway.operate(&["doctor"]);
        assert!(doctor.stdout.contains("subscribing was refused"), "{doctor:?}");
    }
}

#[test]
fn a_broker_that_says_nothing_any_more_is_left_and_tried_again() {
    let mosquitto = Mosquitto::start();
    let (emulator, gateway) = subscribed(mosquitto.port, "5", "");
    let peer = Peer::start(mosquitto.port, "5");
    mosquitto.signal("STOP");
    peer.hand_over("sms", &sms("1", "again there").to_string(), 1, &json!({}));
    let told = complaint(&gateway);
    assert!(told.contains("no answer within 1 s while PINGREQ"), "{told}");
    mosquitto.signal("CONT");
    emulator.text_with("again there");
    gateway.send_sentinel(&emulator, "081266666666", "by REST");
    assert_eq!(emulator.count("again there"), 1);
}

#[test]
fn a_full_gateway_stops_reading_and_stays_connected() {
    // The broker gives up a client that is silent for 15 seconds, and says so.
    let mosquitto = Mosquitto::start_with("max_keepalive 10\nlog_type all\n");
    let mut setup = Setup::without_modems();
    setup.modems = vec!["/nowhere".into()];
    setup.sms = "max_queue = 4".to_owned();
    setup.more = section(mosquitto.port, "5", "unacknowledged = 4\n");
    let gateway = setup.start();
    wait_for_connections(&gateway, 1);
    let peer = Peer::start(mosquitto.port, "5");
    let expiration = unix_seconds() + 25;
    for number in 0..400 {
        let mut message = sms(&number.to_string(), &"x".repeat(150));
        message["data"]["expiration"] = json!(expiration);
        // With quality 0 nothing in the protocol holds the broker back.
        peer.publish("sms", &message, 0);
    }
    let full =
        || gateway.ask("send-sms", json!({"receiver": "0812666", "message": "by REST"}))["response_code"].clone();
    wait_for("a full queue", || (full() == "1501").then_some(()));
    let pings =
        || std::fs::read_to_string(mosquitto.dir.path().join("log")).unwrap().matches("Received PINGREQ").count();
    wait_for("three pings", || (pings() >= 3).then_some(()));
    let all = || taken(&gateway, "accepted") + taken(&gateway, "refused");
    assert!(all() < 20, "{} were taken", all());
    // When there is room again, the rest is taken.
    wait_for("the rest", || (all() == 400).then_some(()));
    assert_eq!(metric(&gateway, "otp_pi_subscriber_connections_total"), 1);
}

#[test]
fn a_session_that_another_takes_over_is_told_with_the_fix() {
    let mosquitto = Mosquitto::start();
    let (_emulator, first) = subscribed(mosquitto.port, "5", "client_id = \"one\"\n");
    let (_other_emulator, _second) = subscribed(mosquitto.port, "5", "client_id = \"one\"\n");
    let told = complaint(&first);
    assert!(told.contains("the same client_id"), "{told}");
}

#[test]
fn the_same_id_over_mqtt_and_rest_is_sent_once() {
    for version in VERSIONS {
        let mosquitto = Mosquitto::start();
        let (emulator, gateway) = subscribed(mosquitto.port, version, "");
        let peer = Peer::start(mosquitto.port, version);
        peer.subscribe("back");
        let mut message = sms("one", "wanted once");
        message["callback_topic"] = json!("back");
        peer.publish("sms", &message, 1);
        let first = peer.answer("back");
        let again = gateway.ask("send-sms", message["data"].clone());
        assert_eq!((&first["response_code"], &again["response_code"]), (&json!("000"), &json!("000")));
        assert_eq!(first["data"]["message_id"], again["data"]["message_id"]);
        gateway.send_sentinel(&emulator, "081266666666", "last");
        assert_eq!(emulator.count("wanted once"), 1);
    }
}

#[test]
fn answers_wait_for_their_time_and_hold_up_nobody() {
    let mosquitto = Mosquitto::start();
    let (_emulator, gateway) = subscribed(mosquitto.port, "5", "unacknowledged = 4\n");
    let peer = Peer::start(mosquitto.port, "5");
    peer.subscribe("back/#");
    let echo = |topic: String, delay: u32| {
        let message = json!({"command": "echo", "callback_topic": topic, "callback_delay": delay, "data": {}});
        peer.publish("sms", &message, 0);
    };
    for number in 0..8 {
        echo(format!("back/late/{number}"), 60_000);
    }
    for number in 0..100 {
        echo(format!("back/{number}"), 0);
    }
    for number in 0..100 {
        assert_eq!(peer.answer(&format!("back/{number}"))["response_code"], "000");
    }
    assert_eq!(peer.answers("back/late/0").len(), 0);
    // An end does not wait for a minute, and loses no answer.
    drop(gateway.stop());
    for number in 0..8 {
        peer.answer(&format!("back/late/{number}"));
    }
}

#[test]
fn a_connection_is_made_anew_when_its_refresh_says_so_and_loses_nothing() {
    for version in VERSIONS {
        let mosquitto = Mosquitto::start();
        let (emulator, gateway) = subscribed(mosquitto.port, version, "refresh = \"1s\"\nqos = 2\n");
        let peer = Peer::start(mosquitto.port, version);
        let mut count = 0;
        wait_for("the third", || {
            let text = format!("<{count}>");
            let qos = 1 + u8::try_from(count % 2).unwrap();
            peer.publish("sms", &json!({"command": "send-sms", "data": {"receiver": "0812666", "message": text}}), qos);
            count += 1;
            (metric(&gateway, "otp_pi_subscriber_connections_total") >= 3).then_some(())
        });
        wait_for("all of them", || (taken(&gateway, "accepted") >= count).then_some(()));
        assert_eq!(taken(&gateway, "accepted"), count);
        emulator.text_with(&format!("<{}>", count - 1));
        assert!(!gateway.log().contains("the broker cannot be used"), "{}", gateway.log());
    }
}

#[test]
fn a_broker_must_prove_who_it_is_and_we_prove_who_we_are() {
    let (authority, other) = (Authority::new(), Authority::new());
    let listener = |asks: bool| {
        let files = [("cafile", "ca.pem"), ("certfile", "server.pem"), ("keyfile", "server.key")];
        let files = files.map(|(key, file)| format!("{key} {}\n", authority.text(file))).concat();
        let port = free_port();
        (port, format!("listener {port} 127.0.0.1\n{files}require_certificate {asks}\n"))
    };
    let ca = |authority: &Authority| format!("tls_ca_file = {:?}\n", authority.text("ca.pem"));
    let ours = |authority: &Authority| {
        let (certificate, key) = (authority.text("client.pem"), authority.text("client.key"));
        format!("tls_certificate = {certificate:?}\ntls_private_key = {key:?}\n")
    };
    let ((plain, plain_lines), (asking, asking_lines)) = (listener(false), listener(true));
    let _mosquitto = Mosquitto::start_with(&format!("{plain_lines}{asking_lines}"));
    let emulator = Emulator::start(1, &[]);
    let cases = [
        (plain, ca(&authority), "subscribed"),
        (plain, ca(&other), "invalid peer certificate"),
        (plain, String::new(), "invalid peer certificate"),
        (plain, format!("{}tls_server_name = \"broker.test\"\n", ca(&authority)), "subscribed"),
        (plain, format!("{}tls_server_name = \"elsewhere.test\"\n", ca(&authority)), "certificate not valid for name"),
        (asking, format!("{}{}", ca(&authority), ours(&authority)), "subscribed"),
        (asking, format!("{}{}", ca(&authority), ours(&other)), "the connection was lost"),
        (asking, ca(&authority), "the connection was lost"),
    ];
    for (index, (port, lines, expected)) in cases.iter().enumerate() {
        let section = section(*port, VERSIONS[index % 2], lines).replace("127.0.0.1", "localhost");
        let gateway = Setup { more: format!("{section}tls = true\n"), ..Setup::with(&emulator) }.start();
        let said = wait_for("a word about the broker", || {
            let log = gateway.log();
            log.lines().find(|line| line.contains("subscribed") || line.contains("cannot be used")).map(str::to_owned)
        });
        assert!(said.contains(expected), "{lines}{said}");
    }
}

#[test]
fn the_example_for_mqtt_sends_and_checks_a_code() {
    let Some(python) = super::examples::python() else { return };
    let broker = Mosquitto::start();
    let (emulator, _gateway) = subscribed(broker.port, "3.1.1", "");
    let place = format!("127.0.0.1:{}", broker.port);
    super::examples::sends_and_checks_a_code(&python, "mqtt.py", (&place, "sms"), ("otp", "mqtt-password"), &emulator);
}
