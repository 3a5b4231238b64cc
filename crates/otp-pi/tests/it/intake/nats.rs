// long: plain subscriptions and streams of one server, with the settings that their tests share
//! NATS, plain subscriptions and streams: the real server, and nats-py as publisher.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::commands::go_through_all;
use super::peer::{
    Authority, Peer, Proxy, assert_rest_is_quick, free_port, messages, metric, wait_for_connections,
    wait_for_subscriber,
};
use crate::harness::{Emulator, Gateway, Setup, missing, wait_for};

const PHONE: &str = "08126666666";
pub(super) const LOGIN: &str = "authorization { users = [ {user: otp, password: secret-of-nats} ] }";

/// A server of its own, on a port that it keeps.
pub(super) struct Server {
    dir: TempDir,
    pub(super) port: u16,
    child: Child,
}

impl Server {
    /// None, and the reason told, where it is not installed.
    pub(super) fn start(more: &str) -> Option<Self> {
        if Command::new("nats-server").arg("--version").stdout(Stdio::null()).status().is_err() {
            missing("a test of NATS (nats-server is not installed)");
            return None;
        }
        let (dir, port) = (TempDir::new().unwrap(), free_port());
        let store = dir.path().join("jetstream");
        let config = format!("listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: {store:?} }}\n{more}\n");
        fs::write(dir.path().join("nats.conf"), config).unwrap();
        let child = Self::launch(dir.path(), port);
        Some(Self { dir, port, child })
    }

    fn launch(dir: &Path, port: u16) -> Child {
        let log = fs::File::create(dir.join("nats.log")).unwrap();
        let mut command = Command::new("nats-server");
        let child = command.arg("-c").arg(dir.join("nats.conf")).stderr(log).stdout(Stdio::null()).spawn().unwrap();
        wait_for("nats-server", || TcpStream::connect(("127.0.0.1", port)).ok());
        child
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        let _status = self.child.wait().unwrap();
    }

    fn restart(&mut self) {
        self.child = Self::launch(self.dir.path(), self.port);
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap().success());
    }

    fn peer(&self) -> Option<Peer> {
        self.peer_with(json!({"user": "otp", "password": "secret-of-nats"}))
    }

    fn peer_with(&self, mut options: Value) -> Option<Peer> {
        options["servers"] = format!("nats://127.0.0.1:{}", self.port).into();
        Peer::start(include_str!("nats_peer.py"), "nats", &[&options.to_string()])
    }

    /// A section that reads from here.
    pub(super) fn section(&self, name: &str, more: &str) -> String {
        section(name, self.port, more)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

fn section(name: &str, port: u16, more: &str) -> String {
    format!(
        "[subscriber.{name}]\nkind = \"nats\"\nenabled = true\nhost = \"127.0.0.1\"\nport = {port}\napi_user = \"user\"\n\
         username = \"otp\"\npassword = \"secret-of-nats\"\nreconnect_delay = \"100ms\"\ntimeout = \"3s\"\n{more}\n"
    )
}

const JETSTREAM: &str = "mode = \"jetstream\"\nstream = \"OTP\"";

fn sms(id: &str) -> String {
    json!({"command": "send-sms", "callback_topic": "answers", "data": {"id": id, "receiver": PHONE, "message": format!("text {id}.")}})
        .to_string()
}

fn many(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{prefix}{index}")).collect()
}

fn bodies(ids: &[String]) -> Vec<String> {
    ids.iter().map(|id| sms(id)).collect()
}

pub(super) fn setup(emulator: &Emulator, more: String) -> Setup {
    let mut setup = Setup::with(emulator);
    setup.more = more;
    setup.log = "debug";
    setup
}

/// A gateway whose modem is not there yet: what is accepted waits.
fn without_line(directory: &Path, more: String) -> Setup {
    let mut setup = Setup::without_modems();
    setup.modems = vec![directory.join("line")];
    setup.more = more;
    setup
}

fn connect_line(directory: &Path, emulator: &Emulator) {
    symlink(emulator.modems.first().unwrap(), directory.join("line")).unwrap();
}

fn nothing_secret_in(gateway: &Gateway) {
    let log = gateway.log();
    for secret in ["secret-of-nats", "8126666666", "text ", "poison-in-clear"] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}

#[test]
fn every_command_is_answered_at_its_callback_topic_over_nats() {
    let Some(server) = Server::start(LOGIN) else { return };
    let Some(peer) = server.peer() else { return };
    let emulator = Emulator::start(1, &[]);
    let gateway = setup(&emulator, server.section("nats", "")).start();
    gateway.wait_for_modems(1);
    wait_for_subscriber(&gateway, "nats");
    let asked = std::cell::Cell::new(0);
    go_through_all(&emulator, &|command, data| {
        asked.set(asked.get() + 1);
        let topic = format!("answers.{}", asked.get());
        peer.ask(json!({"do": "listen", "topic": topic}));
        let delay = if asked.get() % 2 == 0 { json!(20) } else { json!("20") };
        let body = json!({"command": command, "callback_topic": topic, "callback_delay": delay, "data": data});
        peer.ask(json!({"do": "publish", "topic": "sms", "bodies": [body.to_string()]}));
        wait_for("an answer", || peer.heard(&topic).pop())
    });
    nothing_secret_in(&gateway);
}

#[test]
fn a_request_of_nats_is_answered_at_its_reply_subject() {
    let Some(server) = Server::start(LOGIN) else { return };
    let Some(peer) = server.peer() else { return };
    let emulator = Emulator::start(1, &[]);
    let gateway = setup(&emulator, server.section("nats", "group = \"gateways\"")).start();
    wait_for_subscriber(&gateway, "nats");
    let body = json!({"command": "echo", "data": {}}).to_string();
    let answer = peer.ask(json!({"do": "request", "topic": "sms", "body": body}));
    let answer: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(answer["response_code"], "000");
}

#[test]
fn two_gateways_of_one_queue_group_send_each_message_once() {
    let Some(server) = Server::start(LOGIN) else { return };
    let Some(peer) = server.peer() else { return };
    let emulators = [Emulator::start(1, &[]), Emulator::start(1, &[])];
    let start = |emulator: &Emulator| setup(emulator, server.section("nats", "group = \"gateways\"")).start();
    let gateways = emulators.each_ref().map(start);
    gateways.iter().for_each(|gateway| wait_for_subscriber(gateway, "nats"));
    let ids = many("group-", 40);
    peer.ask(json!({"do": "publish", "topic": "sms", "bodies": bodies(&ids)}));
    assert_once_in_all(&emulators, &ids);
}

#[track_caller]
fn assert_once_in_all(emulators: &[Emulator; 2], ids: &[String]) {
    let count = |id: &String| emulators.iter().map(|emulator| emulator.count(&format!("text {id}."))).sum::<usize>();
    for id in ids {
        wait_for(&format!("the SMS of {id}"), || (count(id) > 0).then_some(()));
    }
    let counts: Vec<_> = ids.iter().map(count).collect();
    assert_eq!(counts, vec![1; ids.len()]);
    assert!(emulators.iter().all(|emulator| !emulator.transmissions().is_empty()), "one of them did nothing");
}

#[test]
fn every_command_is_answered_over_jetstream_and_nothing_stays_in_the_stream() {
    let Some(server) = Server::start(LOGIN) else { return };
    let Some(peer) = server.peer() else { return };
    let emulator = Emulator::start(1, &[]);
    let gateway = setup(&emulator, server.section("nats", JETSTREAM)).start();
    gateway.wait_for_modems(1);
    wait_for_subscriber(&gateway, "nats");
    let asked = std::cell::Cell::new(0);
    go_through_all(&emulator, &|command, data| {
        asked.set(asked.get() + 1);
        let topic = format!("answers.{}", asked.get());
        peer.ask(json!({"do": "listen", "topic": topic}));
        let body = json!({"command": command, "callback_topic": topic, "callback_delay": "1", "data": data});
        let stored = peer.ask(json!({"do": "store", "topic": "sms", "bodies": [body.to_string()]}));
        assert_eq!(stored["error"], Value::Null, "{stored}");
        wait_for("an answer", || peer.heard(&topic).pop())
    });
    let stream = || peer.ask(json!({"do": "stream", "stream": "OTP"}));
    assert_eq!(stream()["subjects"], json!(["sms"]));
    wait_for("an empty stream", || (stream()["messages"] == 0).then_some(()));
    nothing_secret_in(&gateway);
}

#[test]
fn what_was_stored_while_the_gateway_was_away_is_sent() {
    let Some(server) = Server::start(LOGIN) else { return };
    let Some(peer) = server.peer() else { return };
    peer.ask(json!({"do": "make_stream", "stream": "OTP", "subjects": ["sms"]}));
    peer.ask(json!({"do": "store", "topic": "sms", "bodies": [sms("before")]}));
    let emulator = Emulator::start(1, &[]);
    let gateway = setup(&emulator, server.section("nats", JETSTREAM)).start();
    emulator.text_with("text before.");
    let stopped = gateway.stop();
    peer.ask(json!({"do": "store", "topic": "sms", "bodies": [sms("between")]}));
    let _gateway = stopped.restart();
    emulator.text_with("text between.");
    assert_eq!((emulator.count("text before."), emulator.count("text between.")), (1, 1));
}

#[test]
fn a_gateway_that_is_killed_sends_each_stored_message_once() {
    let Some(server) = Server::start(LOGIN) else { return };
    let Some(peer) = server.peer() else { return };
    // So that what was in hand comes again soon.
    make_hasty_consumer(&peer);
    let directory = TempDir::new().unwrap();
    let more = server.section("nats", &format!("{JETSTREAM}\nunacknowledged = 8"));
    let gateway = without_line(directory.path(), more).start();
    wait_for_subscriber(&gateway, "nats");
    let ids = many("killed-", 300);
    peer.ask(json!({"do": "store", "topic": "sms", "bodies": bodies(&ids)}));
    wait_for("some to be taken", || (messages(&gateway, "nats", "accepted") > 20).then_some(()));
    let stopped = gateway.kill();
    let emulator = Emulator::start(1, &[]);
    connect_line(directory.path(), &emulator);
    let gateway = stopped.restart();
    wait_for("an empty consumer", || {
        let consumer = peer.ask(json!({"do": "consumer", "stream": "OTP", "name": "otp-pi"}));
        (consumer["in_hand"] == 0 && consumer["left"] == 0).then_some(())
    });
    emulator.wait_for_transmissions(ids.len());
    gateway.send_sentinel(&emulator, PHONE, "after all");
    let counts: Vec<_> = ids.iter().map(|id| emulator.count(&format!("text {id}."))).collect();
    assert_eq!(counts, vec![1; ids.len()]);
}

fn make_hasty_consumer(peer: &Peer) {
    let made = peer.ask(json!({"do": "make_stream", "stream": "OTP", "subjects": ["sms"]}));
    assert_eq!(made["error"], Value::Null, "{made}");
    let config = json!({"ack_policy": "explicit", "ack_wait": 1, "filter_subject": "sms"});
    let made = peer.ask(json!({"do": "make_consumer", "stream": "OTP", "name": "otp-pi", "config": config}));
    assert_eq!(made["error"], Value::Null, "{made}");
}

#[test]
fn two_gateways_of_one_consumer_send_each_message_once() {
    let Some(server) = Server::start(LOGIN) else { return };
    let Some(peer) = server.peer() else { return };
    let emulators = [Emulator::start(1, &[]), Emulator::start(1, &[])];
    let more = format!("{JETSTREAM}\nunacknowledged = 4");
    let gateways = emulators.each_ref().map(|emulator| setup(emulator, server.section("nats", &more)).start());
    gateways.iter().for_each(|gateway| wait_for_subscriber(gateway, "nats"));
    let ids = many("shared-", 60);
    peer.ask(json!({"do": "store", "topic": "sms", "bodies": bodies(&ids)}));
    assert_once_in_all(&emulators, &ids);
}

#[test]
fn a_full_gateway_holds_what_it_has_and_asks_for_no_more() {
    let Some(server) = Server::start(LOGIN) else { return };
    let Some(peer) = server.peer() else { return };
    make_hasty_consumer(&peer);
    let directory = TempDir::new().unwrap();
    let more = server.section("nats", &format!("{JETSTREAM}\nunacknowledged = 3"));
    let mut setup = without_line(directory.path(), more);
    setup.sms = "max_queue = 1".to_owned();
    let gateway = setup.start();
    wait_for_subscriber(&gateway, "nats");
    let ids = many("full-", 12);
    peer.ask(json!({"do": "store", "topic": "sms", "bodies": bodies(&ids)}));
    let consumer = || peer.ask(json!({"do": "consumer", "stream": "OTP", "name": "otp-pi"}));
    // One is in the queue, three are in hand: no more leave the stream, and none of them comes again though the server would wait a second only.
    let start = crate::harness::unix_millis();
    wait_for("a full gateway", || (consumer()["in_hand"] == 3).then_some(()));
    crate::harness::wait_until_millis(start + 3500);
    let held = consumer();
    assert_eq!((&held["in_hand"], &held["left"], &held["again"]), (&json!(3), &json!(8), &json!(0)), "{held}");
    assert_rest_is_quick(&gateway);
    let emulator = Emulator::start(1, &[]);
    connect_line(directory.path(), &emulator);
    emulator.wait_for_transmissions(ids.len());
    let counts: Vec<_> = ids.iter().map(|id| emulator.count(&format!("text {id}."))).collect();
    assert_eq!(counts, vec![1; ids.len()]);
}

#[test]
fn a_message_that_is_no_command_is_put_aside_and_does_not_come_again_from_nats() {
    let Some(server) = Server::start(LOGIN) else { return };
    let Some(peer) = server.peer() else { return };
    make_hasty_consumer(&peer);
    let emulator = Emulator::start(1, &[]);
    let more = server.section("stored", JETSTREAM) + &server.section("plain", "topic = \"plain\"");
    let gateway = setup(&emulator, more).start();
    for name in ["stored", "plain"] {
        wait_for_subscriber(&gateway, name);
    }
    let long = format!("poison-in-clear{}", "x".repeat(70_000));
    let poison = ["poison-in-clear", "{\"command\":\"poison-in-clear\"}", "[]", "", &long];
    peer.ask(json!({"do": "store", "topic": "sms", "bodies": poison}));
    peer.ask(json!({"do": "publish", "topic": "plain", "bodies": poison}));
    for name in ["stored", "plain"] {
        wait_for("the poison", || (messages(&gateway, name, "no_command") == 5).then_some(()));
    }
    peer.ask(json!({"do": "store", "topic": "sms", "bodies": [sms("after")]}));
    emulator.text_with("text after.");
    let consumer = peer.ask(json!({"do": "consumer", "stream": "OTP", "name": "otp-pi"}));
    assert_eq!((&consumer["in_hand"], &consumer["again"]), (&json!(0), &json!(0)), "{consumer}");
    assert_eq!(messages(&gateway, "stored", "no_command"), 5);
    nothing_secret_in(&gateway);
}

#[test]
fn a_wrong_password_of_nats_is_told_and_mended_by_a_reload() {
    let Some(server) = Server::start(LOGIN) else { return };
    let Some(peer) = server.peer() else { return };
    let emulator = Emulator::start(1, &[]);
    let right = server.section("nats", "");
    let mut setup = setup(&emulator, right.replace("secret-of-nats", "another"));
    let gateway = setup.start();
    wait_for("the refusal in the log", || gateway.log().contains("logging in was refused").then_some(()));
    assert!(!gateway.log().contains("another"), "the password is in the log");
    let doctor = gateway.operate(&["doctor"]);
    assert!(doctor.stdout.contains("authorization violation"), "{doctor:?}");
    assert_rest_is_quick(&gateway);
    setup.more = right;
    gateway.reload_as(&setup);
    wait_for_subscriber(&gateway, "nats");
    peer.ask(json!({"do": "publish", "topic": "sms", "bodies": [sms("mended")]}));
    emulator.text_with("text mended.");
}

#[test]
fn a_server_of_nats_that_is_killed_and_started_again_is_found_again() {
    let Some(mut server) = Server::start(LOGIN) else { return };
    let Some(peer) = server.peer() else { return };
    let emulator = Emulator::start(1, &[]);
    let more = server.section("stored", JETSTREAM) + &server.section("plain", "topic = \"plain\"");
    let gateway = setup(&emulator, more).start();
    for name in ["stored", "plain"] {
        wait_for_subscriber(&gateway, name);
    }
    server.kill();
    let is_told =
        |name: &str| gateway.log().contains(&format!("intake.name=\"{name}\" error=\"the connection was lost"));
    for name in ["stored", "plain"] {
        wait_for("the loss in the log", || is_told(name).then_some(()));
    }
    assert_rest_is_quick(&gateway);
    server.restart();
    for name in ["stored", "plain"] {
        wait_for_connections(&gateway, name, 2);
    }
    let stored = peer.ask(json!({"do": "store", "topic": "sms", "bodies": [sms("stored")]}));
    assert_eq!(stored["error"], Value::Null, "{stored}");
    peer.ask(json!({"do": "publish", "topic": "plain", "bodies": [sms("plain")]}));
    emulator.text_with("text stored.");
    emulator.text_with("text plain.");
    // One life, one connection: the library does not come back beside us.
    assert!(!gateway.log().contains("max reconnect"), "{}", gateway.log());
}

#[test]
fn a_server_of_nats_that_is_paused_slows_nothing_else() {
    let Some(server) = Server::start(LOGIN) else { return };
    let Some(other) = Server::start(LOGIN) else { return };
    let Some(peer) = other.peer() else { return };
    let emulator = Emulator::start(1, &[]);
    let more = server.section("paused", JETSTREAM) + &other.section("other", "");
    let gateway = setup(&emulator, more).start();
    for name in ["paused", "other"] {
        wait_for_subscriber(&gateway, name);
    }
    server.signal("STOP");
    assert_rest_is_quick(&gateway);
    peer.ask(json!({"do": "listen", "topic": "answers"}));
    let ids = many("meanwhile-", 20);
    peer.ask(json!({"do": "publish", "topic": "sms", "bodies": bodies(&ids)}));
    for id in &ids {
        assert_eq!(peer.answer("answers", id)["response_code"], "000");
    }
    server.signal("CONT");
    let Some(peer) = server.peer() else { return };
    peer.ask(json!({"do": "store", "topic": "sms", "bodies": [sms("afterwards")]}));
    emulator.text_with("text afterwards.");
}

#[test]
fn a_server_of_nats_that_says_nothing_any_more_is_left_and_tried_again() {
    let Some(server) = Server::start(LOGIN) else { return };
    let emulator = Emulator::start(1, &[]);
    let more = server.section("stored", JETSTREAM) + &server.section("plain", "topic = \"plain\"");
    let gateway = setup(&emulator, more.replace("\"3s\"", "\"500ms\"")).start();
    for name in ["stored", "plain"] {
        wait_for_subscriber(&gateway, name);
    }
    server.signal("STOP");
    wait_for("the end of patience", || (gateway.log().matches("the broker cannot be used").count() == 2).then_some(()));
    assert_rest_is_quick(&gateway);
    server.signal("CONT");
    for name in ["stored", "plain"] {
        wait_for_connections(&gateway, name, 2);
    }
    let Some(peer) = server.peer() else { return };
    peer.ask(json!({"do": "store", "topic": "sms", "bodies": [sms("stored")]}));
    peer.ask(json!({"do": "publish", "topic": "plain", "bodies": [sms("plain")]}));
    emulator.text_with("text stored.");
    emulator.text_with("text plain.");
}

#[test]
fn an_answer_that_the_server_of_nats_forbids_ends_nothing() {
    let permissions = "{publish: {allow: [\"answers\", \"_INBOX.>\"]}, subscribe: {allow: [\"sms\", \"_INBOX.>\"]}}";
    let users = format!(
        "authorization {{ users = [ {{user: otp, password: secret-of-nats, permissions: {permissions}}}, {{user: all, password: all}} ] }}"
    );
    let Some(server) = Server::start(&users) else { return };
    let Some(peer) = server.peer_with(json!({"user": "all", "password": "all"})) else { return };
    let emulator = Emulator::start(1, &[]);
    let gateway = setup(&emulator, server.section("nats", "")).start();
    wait_for_subscriber(&gateway, "nats");
    let forbidden = ["one", "two"].map(|id| sms(id).replace("answers", "forbidden"));
    peer.ask(json!({"do": "publish", "topic": "sms", "bodies": forbidden}));
    peer.ask(json!({"do": "listen", "topic": "answers"}));
    peer.ask(json!({"do": "publish", "topic": "sms", "bodies": [sms("three")]}));
    assert_eq!(peer.answer("answers", "three")["response_code"], "000");
    emulator.wait_for_transmissions(3);
    wait_for("both refusals", || {
        (gateway.log().matches("an answer was refused by the server").count() == 2).then_some(())
    });
    let is_told = |line: &&str| line.contains("WARN") && line.contains("an answer was refused by the server");
    assert_eq!(gateway.log().lines().filter(is_told).count(), 1);
    assert_eq!(metric(&gateway, "otp_pi_subscriber_connections_total{subscriber=\"nats\"}"), 1);
}

#[test]
fn a_connection_cut_in_the_middle_of_a_stored_message_loses_and_doubles_nothing() {
    let Some(server) = Server::start(LOGIN) else { return };
    let Some(peer) = server.peer() else { return };
    make_hasty_consumer(&peer);
    let emulator = Emulator::start(1, &[]);
    let proxy = Proxy::to(server.port);
    let gateway = setup(&emulator, section("nats", proxy.port, JETSTREAM)).start();
    wait_for_subscriber(&gateway, "nats");
    proxy.cut_after(150);
    let ids = many("cut-", 3);
    peer.ask(json!({"do": "store", "topic": "sms", "bodies": bodies(&ids)}));
    wait_for_connections(&gateway, "nats", 2);
    emulator.wait_for_transmissions(3);
    gateway.send_sentinel(&emulator, PHONE, "after the cut");
    let counts: Vec<_> = ids.iter().map(|id| emulator.count(&format!("text {id}."))).collect();
    assert_eq!(counts, [1, 1, 1]);
}

#[test]
fn nats_over_tls_is_spoken_only_with_whom_the_settings_trust() {
    let authority = Authority::new("nats.example");
    let [certificate, key, ca] = ["server.pem", "server.key", "ca.pem"].map(|name| authority.file(name));
    let tls =
        format!("tls {{ cert_file: {certificate:?}, key_file: {key:?}, ca_file: {ca:?}, verify: true }}\n{LOGIN}");
    let Some(server) = Server::start(&tls) else { return };
    let login = json!({
        "user": "otp", "password": "secret-of-nats", "tls_hostname": "nats.example", "ca": ca,
        "certificate": authority.file("client.pem"), "key": authority.file("client.key"),
    });
    let Some(peer) = server.peer_with(login) else { return };
    let emulator = Emulator::start(1, &[]);
    let own = format!(
        "tls_certificate = {:?}\ntls_private_key = {:?}\n",
        authority.file("client.pem"),
        authority.file("client.key")
    );
    let named = "tls_server_name = \"nats.example\"\n";
    let trusting = |ca: &Path| format!("tls = true\ntls_ca_file = {ca:?}\n");
    let right = server.section("right", &(trusting(&ca) + named + &own));
    let stranger = Authority::new("nats.example");
    let stranger = server.section("stranger", &(trusting(&stranger.file("ca.pem")) + named + &own));
    let misnamed = server.section("misnamed", &(trusting(&ca) + &own));
    let unknown = server.section("unknown", &(trusting(&ca) + named));
    let clear = server.section("clear", "");
    let gateway = setup(&emulator, right + &stranger + &misnamed + &unknown + &clear).start();
    wait_for_subscriber(&gateway, "right");
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
    peer.ask(json!({"do": "publish", "topic": "sms", "bodies": [sms("sealed")]}));
    emulator.text_with("text sealed.");
    assert_eq!(emulator.count("text sealed."), 1);
}

#[test]
fn the_same_id_over_two_servers_of_nats_is_sent_once() {
    let Some(first) = Server::start(LOGIN) else { return };
    let Some(second) = Server::start(LOGIN) else { return };
    let Some(peers) = first.peer().zip(second.peer()) else { return };
    let emulator = Emulator::start(1, &[]);
    let more = first.section("first", JETSTREAM) + &second.section("second", "");
    let gateway = setup(&emulator, more).start();
    for name in ["first", "second"] {
        wait_for_subscriber(&gateway, name);
    }
    for peer in [&peers.0, &peers.1] {
        peer.ask(json!({"do": "listen", "topic": "answers"}));
        peer.ask(json!({"do": "publish", "topic": "sms", "bodies": [sms("the-same")]}));
        assert_eq!(peer.answer("answers", "the-same")["response_code"], "000");
    }
    gateway.send_sentinel(&emulator, PHONE, "after both");
    assert_eq!(emulator.count("text the-same."), 1);
}

#[test]
fn an_answer_never_goes_to_a_subject_of_nats_that_is_read() {
    let Some(server) = Server::start(LOGIN) else { return };
    let Some(peer) = server.peer() else { return };
    let emulator = Emulator::start(1, &[]);
    let more = server.section("nats", "topic = \"sms.>\"\ncallback_prefix = \"answers\"");
    let gateway = setup(&emulator, more).start();
    wait_for_subscriber(&gateway, "nats");
    let ids = ["sms.answers", "sms.a.b", "elsewhere", "answers.*", "$JS.API.INFO"];
    for topic in ids {
        peer.ask(json!({"do": "listen", "topic": "elsewhere"}));
        let body =
            json!({"command": "send-sms", "callback_topic": topic, "data": {"receiver": PHONE, "message": "looped"}});
        peer.ask(json!({"do": "publish", "topic": "sms.in", "bodies": [body.to_string()]}));
    }
    wait_for("the refusals", || (messages(&gateway, "nats", "refused") == 5).then_some(()));
    gateway.send_sentinel(&emulator, PHONE, "after the loop");
    assert_eq!((emulator.count("looped"), messages(&gateway, "nats", "accepted")), (0, 0));
    assert!(peer.heard("elsewhere").is_empty());
}

#[test]
fn the_rights_that_the_page_names_are_enough_for_a_stream() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/brokers.md")).unwrap();
    let rights = page.split("With `jetstream`: subscribe").nth(1).unwrap().split("Without the right").next().unwrap();
    let publish: Vec<_> = rights.split('`').filter(|word| word.starts_with("$JS.")).collect();
    assert_eq!(publish.len(), 6, "{publish:?}");
    let named = |right: &&str| {
        right
            .replace("STREAM.GROUP", "OTP.otp-pi")
            .replace("INFO.STREAM", "INFO.OTP")
            .replace("CREATE.STREAM", "CREATE.OTP")
    };
    let publish: Vec<_> = publish.iter().map(named).chain(["answers".to_owned()]).collect();
    let permissions = format!("{{publish: {{allow: {publish:?}}}, subscribe: {{allow: [\"_INBOX.>\"]}}}}");
    let users = format!(
        "authorization {{ users = [ {{user: otp, password: secret-of-nats, permissions: {permissions}}}, {{user: all, password: all}} ] }}"
    );
    let Some(server) = Server::start(&users) else { return };
    let Some(peer) = server.peer_with(json!({"user": "all", "password": "all"})) else { return };
    let emulator = Emulator::start(1, &[]);
    let gateway = setup(&emulator, server.section("nats", JETSTREAM)).start();
    wait_for_subscriber(&gateway, "nats");
    peer.ask(json!({"do": "listen", "topic": "answers"}));
    peer.ask(json!({"do": "store", "topic": "sms", "bodies": [sms("by-right")]}));
    assert_eq!(peer.answer("answers", "by-right")["response_code"], "000");
    wait_for("an empty stream", || (peer.ask(json!({"do": "stream", "stream": "OTP"}))["messages"] == 0).then_some(()));
    assert!(!gateway.log().to_lowercase().contains("permissions violation"), "{}", gateway.log());
}

#[test]
fn without_the_right_to_acknowledge_nothing_is_taken_from_a_stream() {
    let permissions = "{publish: {allow: [\"$JS.API.>\", \"answers\"]}, subscribe: {allow: [\"_INBOX.>\"]}}";
    let users = format!(
        "authorization {{ users = [ {{user: otp, password: secret-of-nats, permissions: {permissions}}}, {{user: all, password: all}} ] }}"
    );
    let Some(server) = Server::start(&users) else { return };
    let Some(peer) = server.peer_with(json!({"user": "all", "password": "all"})) else { return };
    make_hasty_consumer(&peer);
    peer.ask(json!({"do": "store", "topic": "sms", "bodies": [sms("unacknowledged")]}));
    let emulator = Emulator::start(1, &[]);
    let more = server.section("stored", JETSTREAM) + &server.section("plain", "topic = \"plain\"");
    let gateway = setup(&emulator, more).start();
    for words in ["Permissions Violation for Publish to", "Permissions Violation for Subscription to"] {
        wait_for(words, || gateway.log().contains(words).then_some(()));
    }
    gateway.send_sentinel(&emulator, PHONE, "meanwhile");
    assert_eq!(emulator.count("text unacknowledged."), 0);
}

#[test]
fn check_of_nats_tells_a_consumer_that_reads_something_else() {
    let Some(server) = Server::start(LOGIN) else { return };
    let Some(peer) = server.peer() else { return };
    peer.ask(json!({"do": "make_stream", "stream": "OTP", "subjects": ["sms", "answers"]}));
    let config = json!({"ack_policy": "explicit"});
    peer.ask(json!({"do": "make_consumer", "stream": "OTP", "name": "otp-pi", "config": config}));
    let emulator = Emulator::start(1, &[]);
    let more = server.section("nats", JETSTREAM) + &server.section("other", &format!("{JETSTREAM}\ntopic = \"mail\""));
    let gateway = setup(&emulator, more).start();
    for words in ["it reads other subjects than the topic", "does not hold the subject mail"] {
        wait_for(words, || gateway.log().contains(words).then_some(()));
        let doctor = gateway.operate(&["doctor"]);
        assert!(doctor.stdout.contains(words), "{doctor:?}");
    }
    let stream = peer.ask(json!({"do": "stream", "stream": "OTP"}));
    assert_eq!(stream["messages"], 0);
}

#[test]
fn the_doctor_changes_nothing_at_a_server_of_nats() {
    let Some(server) = Server::start(LOGIN) else { return };
    let Some(peer) = server.peer() else { return };
    let setup = Setup { more: server.section("nats", JETSTREAM), ..Setup::without_modems() };
    let directory = TempDir::new().unwrap();
    setup.write(&directory.path().join("otp-pi.toml"), &directory.path().join("data"));
    let doctor = crate::harness::operate(directory.path(), &["doctor"]);
    let is_well = |line: &str| line.contains("nats: nats at 127.0.0.1:") && !line.starts_with("BAD");
    assert!(doctor.stdout.lines().any(is_well), "{doctor:?}");
    let stream = peer.ask(json!({"do": "stream", "stream": "OTP"}));
    assert!(stream["error"].as_str().is_some_and(|error| error.contains("NotFound")), "{stream}");
}

#[test]
fn a_password_alone_is_a_token_for_nats() {
    let Some(server) = Server::start("authorization { token: secret-of-nats }") else { return };
    let Some(peer) = server.peer_with(json!({"token": "secret-of-nats"})) else { return };
    let emulator = Emulator::start(1, &[]);
    let more = server.section("nats", "").replace("username = \"otp\"\n", "");
    let gateway = setup(&emulator, more).start();
    wait_for_subscriber(&gateway, "nats");
    peer.ask(json!({"do": "publish", "topic": "sms", "bodies": [sms("token")]}));
    emulator.text_with("text token.");
    nothing_secret_in(&gateway);
}

#[test]
fn a_refreshed_connection_to_a_stream_loses_and_doubles_nothing() {
    let Some(server) = Server::start(LOGIN) else { return };
    let Some(peer) = server.peer() else { return };
    make_hasty_consumer(&peer);
    let emulator = Emulator::start(1, &[]);
    let gateway = setup(&emulator, server.section("nats", &format!("{JETSTREAM}\nrefresh = \"1s\""))).start();
    let mut ids = Vec::new();
    for round in 1..4 {
        wait_for_connections(&gateway, "nats", round);
        let fresh = many(&format!("refreshed{round}-"), 20);
        peer.ask(json!({"do": "store", "topic": "sms", "bodies": bodies(&fresh)}));
        ids.extend(fresh);
    }
    emulator.wait_for_transmissions(ids.len());
    gateway.send_sentinel(&emulator, PHONE, "after all");
    let counts: Vec<_> = ids.iter().map(|id| emulator.count(&format!("text {id}."))).collect();
    assert_eq!(counts, vec![1; ids.len()]);
    assert!(!gateway.log().contains("the broker cannot be used"), "{}", gateway.log());
}

#[test]
fn what_comes_faster_than_a_full_gateway_takes_it_is_bounded_and_told() {
    let Some(server) = Server::start(LOGIN) else { return };
    let Some(peer) = server.peer() else { return };
    let directory = TempDir::new().unwrap();
    let mut setup = without_line(directory.path(), server.section("nats", "unacknowledged = 2"));
    setup.sms = "max_queue = 1".to_owned();
    let gateway = setup.start();
    wait_for_subscriber(&gateway, "nats");
    // 30 MB, of which 16 MiB wait.
    let flood = json!({"do": "publish", "topic": "sms", "bodies": [sms("flood")], "times": 500, "padding": 60_000});
    peer.ask(flood);
    let words = "messages came faster than they could be taken";
    wait_for("the loss in the log", || gateway.log().contains(words).then_some(()));
    assert_rest_is_quick(&gateway);
}

#[test]
fn a_burst_of_plain_messages_is_taken_whole() {
    let Some(server) = Server::start(LOGIN) else { return };
    let Some(peer) = server.peer() else { return };
    let emulator = Emulator::start(1, &[]);
    let gateway = setup(&emulator, server.section("nats", "unacknowledged = 4")).start();
    wait_for_subscriber(&gateway, "nats");
    let command = json!({"command": "echo", "data": {}}).to_string();
    peer.ask(json!({"do": "publish", "topic": "sms", "bodies": [command], "times": 5000}));
    wait_for("all of the burst", || (messages(&gateway, "nats", "accepted") == 5000).then_some(()));
}
