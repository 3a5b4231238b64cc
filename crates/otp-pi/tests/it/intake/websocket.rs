//! WebSocket: publishers over Python's websockets, on an independent relay over the same library and on our own broker.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::commands::go_through_all;
use super::peer::{
    Authority, Peer, Proxy, assert_rest_is_quick, free_port, messages, metric, wait_for_connections,
    wait_for_subscriber,
};
use crate::harness::{Emulator, Gateway, Setup, wait_for};

const PHONE: &str = "08126666666";
const LOGIN: &str = "otp:secret-of-relay";

/// A relay on a port that it keeps, and a publisher that knows it.
pub(super) struct Relay {
    pub(super) port: u16,
    options: Value,
    process: Option<Process>,
    peer: Peer,
}

/// What relays.
enum Process {
    Python(Peer),
    Ours(Ours),
}

/// `otp-pi ws-broker`
struct Ours {
    child: Child,
    _dir: TempDir,
}

impl Ours {
    fn start(port: u16) -> Self {
        let dir = TempDir::new().unwrap();
        let (user, word) = LOGIN.split_once(':').unwrap();
        let password = dir.path().join("password");
        fs::write(&password, format!("{word}\n")).unwrap();
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_otp-pi"));
        command.args(["ws-broker", "--user", user, "--password-file"]).arg(&password);
        command.args(["--listen", &format!("127.0.0.1:{port}")]).stdin(Stdio::null()).stderr(Stdio::null());
        Self { child: command.spawn().unwrap(), _dir: dir }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Relay {
    /// The independent relay and our own broker, as far as there is a publisher for them.
    pub(super) fn both() -> Vec<Self> {
        [json!({"login": LOGIN}), json!({"login": LOGIN, "ours": true})].into_iter().filter_map(Self::start).collect()
    }

    /// None, and the reason told, where Python or its library is missing.
    fn start(options: Value) -> Option<Self> {
        let login = options.get("login").cloned();
        Self::start_with(options, login.map_or(json!({}), |login| json!({"login": login})))
    }

    fn start_with(mut options: Value, mut of_peer: Value) -> Option<Self> {
        let port = free_port();
        options["port"] = port.into();
        of_peer["port"] = port.into();
        let peer = Peer::start(include_str!("ws_peer.py"), "websockets.asyncio.client", &[&of_peer.to_string()])?;
        let mut relay = Self { port, options, process: None, peer };
        relay.restart()?;
        Some(relay)
    }

    fn restart(&mut self) -> Option<()> {
        let options = self.options.to_string();
        let process = if self.options["ours"] == true {
            Process::Ours(Ours::start(self.port))
        } else {
            Process::Python(Peer::start(include_str!("ws_relay.py"), "websockets.asyncio.server", &[&options])?)
        };
        wait_for("the relay", || std::net::TcpStream::connect(("127.0.0.1", self.port)).ok());
        self.process = Some(process);
        Some(())
    }

    fn kill(&mut self) {
        self.process = None;
    }

    fn signal(&self, name: &str) {
        let id = match self.process.as_ref().unwrap() {
            Process::Python(peer) => peer.id(),
            Process::Ours(ours) => ours.child.id(),
        };
        assert!(Command::new("kill").args(["-s", name, &id.to_string()]).status().unwrap().success());
    }

    /// The requests for connections, where the relay tells them.
    fn requests(&self) -> Option<Vec<Value>> {
        match self.process.as_ref().unwrap() {
            Process::Python(peer) => Some(peer.heard("requests")),
            Process::Ours(_) => None,
        }
    }

    pub(super) fn section(&self, name: &str, more: &str) -> String {
        section(name, self.port, more)
    }

    /// Publishes; a relay says nothing of who heard it.
    fn publish(&self, topic: &str, bodies: &[impl AsRef<str>]) {
        let bodies: Vec<_> = bodies.iter().map(AsRef::as_ref).collect();
        let done = self.peer.ask(json!({"do": "publish", "topic": topic, "bodies": bodies}));
        assert_eq!(done["error"], Value::Null, "{done}");
    }

    fn listen(&self, topic: &str) {
        let done = self.peer.ask(json!({"do": "listen", "topic": topic}));
        assert_eq!(done["error"], Value::Null, "{done}");
    }
}

fn section(name: &str, port: u16, more: &str) -> String {
    format!(
        "[subscriber.{name}]\nkind = \"websocket\"\nenabled = true\nhost = \"127.0.0.1\"\nport = {port}\napi_user = \"user\"\n\
         username = \"otp\"\npassword = \"secret-of-relay\"\nreconnect_delay = \"100ms\"\ntimeout = \"1s\"\n{more}\n"
    )
}

fn sms(id: &str) -> String {
    json!({"command": "send-sms", "callback_topic": "answers", "data": {"id": id, "receiver": PHONE, "message": format!("text {id}.")}})
        .to_string()
}

fn many(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{prefix}{index}")).collect()
}

fn setup(emulator: &Emulator, more: String) -> Setup {
    let mut setup = Setup::with(emulator);
    setup.more = more;
    setup.log = "debug";
    setup
}

pub(super) fn subscribed(emulator: &Emulator, more: String) -> Gateway {
    let gateway = setup(emulator, more).start();
    gateway.wait_for_modems(1);
    wait_for_subscriber(&gateway, "relay");
    gateway
}

fn nothing_secret_in(gateway: &Gateway) {
    let log = gateway.log();
    for secret in ["secret-of-relay", "8126666666", "text ", "poison-in-clear", "b3RwOnNlY3JldC1vZi1yZWxheQ"] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}

#[test]
fn every_command_is_answered_at_its_callback_topic_over_two_relays() {
    for relay in Relay::both() {
        let emulator = Emulator::start(1, &[]);
        let gateway = subscribed(&emulator, relay.section("relay", "path = \"/ws?key=1&topic=old\""));
        let asked = std::cell::Cell::new(0);
        go_through_all(&emulator, &|command, data| {
            asked.set(asked.get() + 1);
            let topic = format!("answers{}", asked.get());
            relay.listen(&topic);
            let delay = if asked.get() % 2 == 0 { json!(20) } else { json!("20") };
            let body = json!({"command": command, "callback_topic": topic, "callback_delay": delay, "data": data});
            relay.publish("sms", &[body.to_string()]);
            wait_for("an answer", || relay.peer.heard(&topic).pop())
        });
        let host = format!("127.0.0.1:{}", relay.port);
        let requests = relay.requests();
        for path in ["/ws?key=1&topic=sms&channel=sms", "/ws?key=1&topic=answers1&channel=answers1"] {
            let Some(requests) = &requests else { continue };
            let request =
                requests.iter().find(|request| request["path"] == path).unwrap_or_else(|| panic!("{requests:?}"));
            assert_eq!(
                (&request["Host"], &request["Authorization"]),
                (&json!(host), &json!("Basic b3RwOnNlY3JldC1vZi1yZWxheQ=="))
            );
        }
        nothing_secret_in(&gateway);
    }
}

#[test]
fn a_relay_that_gives_everything_to_everybody_makes_no_loop() {
    let Some(relay) = Relay::start(json!({"to_all": true})) else { return };
    let emulator = Emulator::start(1, &[]);
    let gateway = subscribed(&emulator, relay.section("relay", ""));
    relay.listen("answers");
    relay.publish("sms", &[sms("once")]);
    assert_eq!(relay.peer.answer("answers", "once")["response_code"], "000");
    relay.publish("sms", &[sms("again")]);
    assert_eq!(relay.peer.answer("answers", "again")["response_code"], "000");
    // Its answer repeats all of the command, the place of the answer too.
    let echo = json!({"command": "echo", "callback_topic": "answers", "data": {"id": "echo"}});
    relay.publish("sms", &[echo.to_string()]);
    relay.peer.answer("answers", "echo");
    gateway.send_sentinel(&emulator, PHONE, "after all");
    assert_eq!((emulator.count("text once."), emulator.count("text again.")), (1, 1));
    assert_eq!((messages(&gateway, "relay", "accepted"), messages(&gateway, "relay", "refused")), (3, 0));
}

#[test]
fn a_frame_that_is_no_command_is_put_aside_and_not_told_in_the_log() {
    let Some(relay) = Relay::start(json!({"login": LOGIN})) else { return };
    let emulator = Emulator::start(1, &[]);
    let gateway = subscribed(&emulator, relay.section("relay", ""));
    let long = format!("poison-in-clear{}", "x".repeat(70_000));
    relay.publish("sms", &["poison-in-clear", "{\"command\":\"poison-in-clear\"}", "[]", "", &long]);
    relay.peer.ask(json!({"do": "publish", "topic": "sms", "bodies": [sms("binary")], "binary": true}));
    wait_for("the poison", || (messages(&gateway, "relay", "no_command") == 6).then_some(()));
    relay.publish("sms", &[sms("after")]);
    emulator.text_with("text after.");
    assert_eq!((emulator.count("text binary."), messages(&gateway, "relay", "no_command")), (0, 6));
    let connections = "otp_pi_subscriber_connections_total{subscriber=\"relay\"}";
    assert_eq!(metric(&gateway, connections), 1);
    nothing_secret_in(&gateway);
}

#[test]
fn a_wrong_password_of_a_relay_is_told_and_mended_by_a_reload() {
    for relay in Relay::both() {
        let emulator = Emulator::start(1, &[]);
        let right = relay.section("relay", "");
        let mut setup = setup(&emulator, right.replace("secret-of-relay", "another"));
        let gateway = setup.start();
        wait_for("the refusal in the log", || gateway.log().contains("was refused: 401 Unauthorized").then_some(()));
        assert!(!gateway.log().contains("another"), "the password is in the log");
        let doctor = gateway.operate(&["doctor"]);
        assert!(doctor.stdout.contains("401 Unauthorized"), "{doctor:?}");
        assert_rest_is_quick(&gateway);
        setup.more = right;
        gateway.reload_as(&setup);
        wait_for_subscriber(&gateway, "relay");
        relay.publish("sms", &[sms("mended")]);
        emulator.text_with("text mended.");
    }
}

#[test]
fn a_relay_that_is_killed_and_started_again_is_found_again() {
    for mut relay in Relay::both() {
        let emulator = Emulator::start(1, &[]);
        let gateway = subscribed(&emulator, relay.section("relay", ""));
        for round in 2..4 {
            relay.kill();
            let away = |log: &str| log.matches("the broker cannot be used").count() + 1 >= round;
            wait_for("the loss in the log", || away(&gateway.log()).then_some(()));
            assert_rest_is_quick(&gateway);
            relay.restart().unwrap();
            wait_for_connections(&gateway, "relay", u64::try_from(round).unwrap());
            let id = format!("round{round}");
            relay.publish("sms", &[sms(&id)]);
            emulator.text_with(&format!("text {id}."));
        }
    }
}

#[test]
fn a_relay_that_says_nothing_any_more_is_left_and_tried_again() {
    for relay in Relay::both() {
        let emulator = Emulator::start(1, &[]);
        let gateway = subscribed(&emulator, relay.section("relay", ""));

        relay.signal("STOP");
        wait_for("the end of patience", || gateway.log().contains("does not answer a ping").then_some(()));
        assert_rest_is_quick(&gateway);
        relay.signal("CONT");
        wait_for_connections(&gateway, "relay", 2);
        relay.publish("sms", &[sms("again")]);
        emulator.text_with("text again.");
        assert_eq!(emulator.count("text again."), 1);
    }
}

#[test]
fn a_connection_to_a_relay_cut_in_the_middle_of_a_message_is_made_anew() {
    for relay in Relay::both() {
        let emulator = Emulator::start(1, &[]);
        let proxy = Proxy::to(relay.port);
        let gateway = subscribed(&emulator, section("relay", proxy.port, ""));
        proxy.cut_after(60);
        relay.publish("sms", &[sms("cut")]);
        wait_for_connections(&gateway, "relay", 2);
        relay.publish("sms", &[sms("whole")]);
        emulator.text_with("text whole.");
        // At most once: half a message is none.
        assert_eq!((emulator.count("text cut."), messages(&gateway, "relay", "no_command")), (0, 0));
    }
}

/// A gateway with room for one message and a modem that comes later; what was published meanwhile is sent then.
fn fill_and_relieve(relay: &Relay, ids: &[String], unacknowledged: u16) {
    let directory = TempDir::new().unwrap();
    let mut setup = Setup::without_modems();
    setup.modems = vec![directory.path().join("line")];
    setup.more = relay.section("relay", &format!("unacknowledged = {unacknowledged}"));
    setup.sms = "max_queue = 1".to_owned();
    let gateway = setup.start();
    wait_for_subscriber(&gateway, "relay");
    relay.publish("sms", &ids.iter().map(|id| sms(id)).collect::<Vec<_>>());
    wait_for("the first", || (messages(&gateway, "relay", "accepted") == 1).then_some(()));
    let start = crate::harness::unix_millis();
    crate::harness::wait_until_millis(start + 1500);
    assert_rest_is_quick(&gateway);
    assert_eq!(messages(&gateway, "relay", "accepted"), 1);
    let emulator = Emulator::start(1, &[]);
    symlink(emulator.modems.first().unwrap(), directory.path().join("line")).unwrap();
    emulator.wait_for_transmissions(ids.len());
    let counts: Vec<_> = ids.iter().map(|id| emulator.count(&format!("text {id}."))).collect();
    assert_eq!(counts, vec![1; ids.len()]);
    assert_eq!(metric(&gateway, "otp_pi_subscriber_connections_total{subscriber=\"relay\"}"), 1);
}

#[test]
fn a_full_gateway_leaves_frames_unread_and_takes_them_later() {
    let Some(relay) = Relay::start(json!({"login": LOGIN})) else { return };
    fill_and_relieve(&relay, &many("full-", 10), 2);
}

#[test]
fn a_full_gateway_answers_the_pings_of_a_relay() {
    let Some(relay) = Relay::start(json!({"login": LOGIN, "ping": 0.3})) else { return };
    fill_and_relieve(&relay, &many("pinged-", 3), 2);
}

#[test]
fn a_relay_over_tls_is_spoken_with_only_if_the_settings_trust_it() {
    let authority = Authority::new("relay.example");
    let files = |name: &str| {
        json!({
            "certificate": authority.file(&format!("{name}.pem")), "key": authority.file(&format!("{name}.key")),
            "ca": authority.file("ca.pem"), "login": LOGIN, "server_hostname": "relay.example",
        })
    };
    let Some(relay) = Relay::start_with(files("server"), files("client")) else { return };
    let emulator = Emulator::start(1, &[]);
    let ca = authority.file("ca.pem");
    let [certificate, key] = ["client.pem", "client.key"].map(|name| authority.file(name));
    let own = format!("tls_certificate = {certificate:?}\ntls_private_key = {key:?}\n");
    let named = "tls_server_name = \"relay.example\"\n";
    let trusting = |ca: &Path| format!("tls = true\ntls_ca_file = {ca:?}\n");
    let right = relay.section("relay", &(trusting(&ca) + named + &own));
    let other = Authority::new("relay.example");
    let stranger = relay.section("stranger", &(trusting(&other.file("ca.pem")) + named + &own));
    let misnamed = relay.section("misnamed", &(trusting(&ca) + &own));
    let unknown = relay.section("unknown", &(trusting(&ca) + named));
    let clear = relay.section("clear", "");
    let gateway = subscribed(&emulator, right + &stranger + &misnamed + &unknown + &clear);
    for (name, why) in
        [("stranger", "UnknownIssuer"), ("misnamed", "not valid for name"), ("unknown", "error="), ("clear", "error=")]
    {
        wait_for(&format!("why {name} is away"), || {
            let is_it = |line: &&str| line.contains(&format!("intake.name=\"{name}\"")) && line.contains(why);
            gateway.log().lines().find(is_it).map(str::to_owned)
        });
        let sample = format!("otp_pi_subscriber_connections_total{{subscriber=\"{name}\"}}");
        assert_eq!(metric(&gateway, &sample), 0, "{name}");
    }
    relay.listen("answers");
    relay.publish("sms", &[sms("sealed")]);
    assert_eq!(relay.peer.answer("answers", "sealed")["response_code"], "000");
    emulator.text_with("text sealed.");
    assert_eq!(emulator.count("text sealed."), 1);
}

#[test]
fn an_answer_never_goes_to_the_topic_of_a_relay_that_is_read() {
    let Some(relay) = Relay::start(json!({"login": LOGIN})) else { return };
    let emulator = Emulator::start(1, &[]);
    let gateway = subscribed(&emulator, relay.section("relay", "callback_prefix = \"answers\""));
    relay.listen("elsewhere");
    for topic in ["sms", "elsewhere"] {
        let body =
            json!({"command": "send-sms", "callback_topic": topic, "data": {"receiver": PHONE, "message": "looped"}});
        relay.publish("sms", &[body.to_string()]);
    }
    wait_for("the refusals", || (messages(&gateway, "relay", "refused") == 2).then_some(()));
    gateway.send_sentinel(&emulator, PHONE, "after the loop");
    assert_eq!((emulator.count("looped"), messages(&gateway, "relay", "accepted")), (0, 0));
    assert!(relay.peer.heard("elsewhere").is_empty());
}

#[test]
fn the_same_id_over_two_relays_is_sent_once() {
    let relays = Relay::both();
    let [first, second] = relays.as_slice() else { return };
    let emulator = Emulator::start(1, &[]);
    let gateway = subscribed(&emulator, first.section("relay", "") + &second.section("other", ""));
    wait_for_subscriber(&gateway, "other");
    for relay in [first, second] {
        relay.listen("answers");
        relay.publish("sms", &[sms("the-same")]);
        assert_eq!(relay.peer.answer("answers", "the-same")["response_code"], "000");
    }
    gateway.send_sentinel(&emulator, PHONE, "after both");
    assert_eq!(emulator.count("text the-same."), 1);
}
