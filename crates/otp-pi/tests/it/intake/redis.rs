//! Commands over Redis: subscriptions and streams, on a server of the test's own, spoken to by Redis' own client.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::authority::Authority;
use crate::harness::{Emulator, Gateway, Setup, code_in, wait_for};

const PASSWORD: &str = "redis-password";
const BROKER: &str = "
[subscriber.redis]
enabled = true
host = \"127.0.0.1\"
port = PORT
password = \"redis-password\"
api_user = \"user\"
timeout = \"1s\"
reconnect_delay = \"100ms\"
";

/// A server that a test may do anything with.
struct Redis {
    child: Child,
    port: u16,
    dir: TempDir,
    extra: Vec<String>,
}

impl Redis {
    fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more of the server's options.
    fn start_with(extra: &[String]) -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let dir = TempDir::new().unwrap();
        let child = Self::launch(port, &dir, extra);
        let redis = Self { child, port, dir, extra: extra.to_vec() };
        redis.wait();
        redis
    }

    fn launch(port: u16, dir: &TempDir, extra: &[String]) -> Child {
        Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--requirepass", PASSWORD])
            .args(["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--dir"])
            .arg(dir.path())
            .args(extra)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server: run the tests through scripts/test")
    }

    fn wait(&self) {
        wait_for("the Redis server", || (self.ask(&["PING"]) == "PONG").then_some(()));
    }

    /// Kills the server and starts it again on its data.
    fn restart(&mut self) {
        self.kill();
        self.child = Self::launch(self.port, &self.dir, &self.extra);
        self.wait();
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        let _status = self.child.wait().unwrap();
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Asks by `redis-cli`.
    fn ask(&self, command: &[&str]) -> String {
        let out = Command::new("redis-cli")
            .args(["-p", &self.port.to_string(), "-a", PASSWORD, "--no-auth-warning"])
            .args(command)
            .output()
            .unwrap();
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    }

    /// Publishes a command; answers how many have heard it.
    fn publish(&self, message: &Value) -> u32 {
        self.ask(&["PUBLISH", "sms", &message.to_string()]).parse().unwrap()
    }

    fn add(&self, stream: &str, message: &Value) {
        self.ask(&["XADD", stream, "*", "message", &message.to_string()]);
    }

    /// The answers in a stream, as they came.
    fn answers(&self, stream: &str) -> Vec<Value> {
        let listed = self.ask(&["XRANGE", stream, "-", "+"]);
        listed.lines().filter_map(|line| serde_json::from_str(line).ok()).filter(Value::is_object).collect()
    }

    fn answer(&self, stream: &str) -> Value {
        wait_for(&format!("an answer in {stream}"), || self.answers(stream).pop())
    }

    /// Listens to a channel from now on.
    fn listen(&self, channel: &str) -> Listener {
        let log = self.dir.path().join(format!("{channel}.csv"));
        let child = Command::new("redis-cli")
            .args(["-p", &self.port.to_string(), "-a", PASSWORD, "--no-auth-warning", "SUBSCRIBE", channel])
            .stdout(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let listener = Listener { child, log };
        wait_for("the subscription", || {
            (self.ask(&["PUBSUB", "NUMSUB", channel]).lines().last() == Some("1")).then_some(())
        });
        listener
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

struct Listener {
    child: Child,
    log: std::path::PathBuf,
}

impl Listener {
    fn next(&self) -> Value {
        wait_for("a published answer", || {
            let text = std::fs::read_to_string(&self.log).unwrap();
            text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find(Value::is_object)
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// A gateway with one modem that is subscribed to `redis`; `lines` are more of its section, and sections after it.
fn subscribed(redis: &Redis, lines: &str) -> (Emulator, Gateway) {
    let emulator = Emulator::start(1, &[]);
    let gateway = node(&emulator, redis, lines);
    (emulator, gateway)
}

fn node(emulator: &Emulator, redis: &Redis, lines: &str) -> Gateway {
    let gateway = setup(emulator, redis, lines).start();
    gateway.wait_for_modems(emulator.modems.len());
    wait_for("the subscription", || gateway.log().contains("subscribed").then_some(()));
    gateway
}

fn setup(emulator: &Emulator, redis: &Redis, lines: &str) -> Setup {
    Setup {
        more: format!("{}{lines}", BROKER.replace("PORT", &redis.port.to_string())),
        log: "debug",
        ..Setup::with(emulator)
    }
}

fn sms(id: &str, text: &str) -> Value {
    json!({"command": "send-sms", "data": {"id": id, "receiver": "081266666666", "message": text}})
}

fn metric(gateway: &Gateway, name: &str) -> u64 {
    let numbers = gateway.connect().request("GET", "/metrics", None, b"").unwrap();
    let text = String::from_utf8(numbers.body).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} is not in\n{text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn every_command_works_over_a_subscription_and_is_answered() {
    let redis = Redis::start();
    let (emulator, gateway) = subscribed(&redis, "");
    let ask = |command: &str, data: Value, delay: Value| {
        let channel = format!("back-{command}");
        let back = redis.listen(&channel);
        let message = json!({"command": command, "callback_topic": channel, "callback_delay": delay, "data": data});
        assert_eq!(redis.publish(&message), 1);
        back.next()
    };
    let otp = json!({"reference": "r1", "receiver": "081266666666", "message": "code %s", "param1": "p"});
    assert_eq!(ask("request-otp", otp, json!(1))["response_code"], "000");
    let code = code_in(&emulator.text_with("code "), 6);
    let guess = json!({"reference": "r1", "receiver": "+6281266666666", "otp": code, "param1": "p"});
    let right = ask("verify-otp", guess, json!("20"));
    assert_eq!((&right["command"], &right["response_code"]), (&json!("verify-otp"), &json!("000")), "{right}");
    let sent = ask("send-sms", json!({"id": 7, "receiver": "081266666667", "message": "hello"}), json!(0));
    assert_eq!((&sent["response_code"], &sent["data"]["id"]), (&json!("000"), &json!(7)));
    emulator.text_with("hello");
    let status = ask("get-status", json!({"id": "7"}), json!(null));
    assert_eq!(status["data"]["message_id"], sent["data"]["message_id"]);
    assert_eq!(ask("block-msisdn", json!({"receiver": "081266666668"}), json!("-5"))["response_code"], "000");
    let blocked = ask("send-message", json!({"receiver": "081266666668", "message": "no"}), json!(5));
    assert_eq!(blocked["response_code"], "1301");
    assert_eq!(ask("unblock-msisdn", json!({"receiver": "081266666668"}), json!(5))["response_code"], "000");
    assert_eq!(ask("cancel-otp", json!({"reference": "none"}), json!(5))["response_code"], "1202");
    assert_eq!(
        ask("send-email", json!({"receiver": "a@example.org", "message": "x"}), json!(5))["response_code"],
        "1102"
    );
    assert_eq!(ask("get-modem-list", json!({}), json!(50))["data"]["modem_list"].as_object().unwrap().len(), 1);
    assert_eq!(ask("request-ussd", json!({"modem_id": "m0", "ussd_code": "*888#"}), json!(50))["response_code"], "000");
    assert_eq!(ask("echo", json!({"x": [1]}), json!(5))["data"]["x"], json!([1]));
    assert_eq!(ask("make-coffee", json!({}), json!(5))["response_code"], "1402");
    assert_eq!(ask("send-sms", json!({"receiver": "081266666667"}), json!(5))["response_code"], "1401");
    assert!(!gateway.log().contains(&code), "the code is in the log");
}

#[test]
fn an_answer_never_goes_where_commands_come_from() {
    let redis = Redis::start();
    let (emulator, gateway) = subscribed(&redis, "callback_prefix = \"back-\"\n");
    for topic in ["sms", "elsewhere"] {
        let mut message = sms("1", "looping");
        message["callback_topic"] = json!(topic);
        redis.publish(&message);
    }
    redis.publish(&json!({"command": "echo", "callback_topic": "sms", "data": {}}));
    wait_for("the refusals", || {
        (metric(&gateway, "otp_pi_subscriber_messages_total{subscriber=\"redis\",outcome=\"refused\"}") == 3)
            .then_some(())
    });
    redis.publish(&sms("2", "the last one"));
    emulator.text_with("the last one");
    assert_eq!(emulator.count("looping"), 0);
    assert_eq!(metric(&gateway, "otp_pi_subscriber_answers_total"), 0);
}

#[test]
fn what_is_no_command_is_counted_never_taken_again_and_never_logged() {
    let redis = Redis::start();
    let (emulator, gateway) = subscribed(&redis, "mode = \"stream\"\n");
    for poison in
        ["zebra", "{\"command\": \"zebra\"", "", "[1]", "{\"command\":\"send-sms\",\"data\":{\"message\":\"zebra\"}}"]
    {
        redis.ask(&["XADD", "sms", "*", "message", poison]);
    }
    let huge = format!("{{\"command\":\"zebra{}\"}}", "a".repeat(70_000));
    redis.ask(&["XADD", "sms", "*", "message", &huge]);
    redis.ask(&["XADD", "sms", "*", "a", "zebra", "b", "zebra"]);
    redis.add("sms", &sms("1", "after them"));
    emulator.text_with("after them");
    wait_for("an empty stream", || (redis.ask(&["XLEN", "sms"]) == "0").then_some(()));
    assert_eq!(metric(&gateway, "otp_pi_subscriber_messages_total{subscriber=\"redis\",outcome=\"no_command\"}"), 7);
    assert!(!gateway.log().contains("zebra"), "{}", gateway.log());
}

#[test]
fn nothing_in_a_stream_is_lost_or_doubled_by_a_kill() {
    let redis = Redis::start();
    let (emulator, mut gateway) = subscribed(&redis, "mode = \"stream\"\nunacknowledged = 8\n");
    let most = 60;
    for round in 0..3 {
        for number in 0..most / 3 {
            let id = format!("{round}-{number}");
            redis.add("sms", &sms(&id, &format!("<{id}>")));
        }
        wait_for("some of them", || {
            (emulator.transmissions().len() > usize::try_from(round).unwrap() * 20).then_some(())
        });
        gateway = gateway.kill().restart();
        gateway.wait_for_modems(1);
    }
    wait_for("an empty stream", || (redis.ask(&["XLEN", "sms"]) == "0").then_some(()));
    let counts = || (0..3).flat_map(|round| (0..most / 3).map(move |number| format!("<{round}-{number}>")));
    // What was on air at a kill is unknown, and is not sent again; everything else is sent.
    wait_for("all of them", || {
        let list = gateway.operate(&["message", "list", "--state", "queued", "--json"]).json();
        let list = list["messages"].as_array().cloned().unwrap_or_default();
        list.is_empty().then_some(())
    });
    let sent = emulator.transmissions().len();
    for text in counts() {
        assert!(emulator.count(&text) <= 1, "{text} went out twice");
    }
    let unknown = gateway.operate(&["message", "list", "--state", "unknown", "--json"]).json();
    let unknown = unknown["messages"].as_array().map_or(0, Vec::len);
    assert!(sent + unknown >= most, "{sent} sent and {unknown} unknown of {most}");
    assert!(redis.ask(&["XINFO", "GROUPS", "sms"]).contains("pending\n0"));
}

#[test]
fn two_nodes_share_a_stream_and_one_takes_over_what_the_other_left() {
    let redis = Redis::start();
    let emulator = Emulator::start(2, &[]);
    let node = |name: &str, index: usize| {
        let lines = format!("mode = \"stream\"\nclient_id = \"{name}\"\n");
        let mut setup = setup(&emulator, &redis, &lines);
        setup.modems = vec![emulator.modems[index].clone()];
        let gateway = setup.start();
        gateway.wait_for_modems(1);
        wait_for("the subscription", || gateway.log().contains("subscribed").then_some(()));
        gateway
    };
    let (one, other) = (node("one", 0), node("other", 1));
    for number in 0..40 {
        redis.add("sms", &sms(&number.to_string(), &format!("<{number}>")));
    }
    wait_for("all of them", || (emulator.transmissions().len() == 40).then_some(()));
    for number in 0..40 {
        assert_eq!(emulator.count(&format!("<{number}>")), 1);
    }
    drop((one, other));
}

#[test]
fn a_server_that_comes_back_is_subscribed_again_and_keeps_streams() {
    let mut redis = Redis::start();
    let second =
        format!("{}mode = \"stream\"\ntopic = \"orders\"\n", BROKER.replace("redis]", "orders]\nkind = \"redis\""));
    let (emulator, gateway) = subscribed(&redis, &second.replace("PORT", &redis.port.to_string()));
    wait_for("both subscriptions", || (gateway.log().matches("subscribed").count() == 2).then_some(()));
    for round in 0..2 {
        redis.kill();
        let degraded = || gateway.connect().request("GET", "/readyz", None, b"").unwrap().json()["degraded"].clone();
        wait_for("the word that both are away", || (degraded().as_array().unwrap().len() == 2).then_some(()));
        // Meanwhile REST works.
        let sent = gateway.ask("send-sms", json!({"receiver": "081266666666", "message": format!("rest {round}")}));
        assert_eq!(sent["response_code"], "000");
        redis.restart();
        redis.add("orders", &sms(&format!("s{round}"), &format!("stream {round}")));
        emulator.text_with(&format!("stream {round}"));
        wait_for("a listener", || {
            (redis.publish(&sms(&format!("p{round}"), &format!("pubsub {round}"))) == 1).then_some(())
        });
        emulator.text_with(&format!("pubsub {round}"));
        assert_eq!(degraded(), json!([]));
    }
    // Each time told once.
    assert_eq!(gateway.log().matches("the broker cannot be used").count(), 4, "{}", gateway.log());
}

#[test]
fn a_server_that_says_nothing_any_more_is_left_and_tried_again() {
    let redis = Redis::start();
    let (emulator, gateway) = subscribed(&redis, "");
    redis.signal("STOP");
    wait_for("the end of patience", || gateway.log().contains("the broker cannot be used").then_some(()));
    redis.signal("CONT");
    wait_for("a listener", || (redis.publish(&sms("1", "again there")) >= 1).then_some(()));
    emulator.text_with("again there");
    assert_eq!(emulator.count("again there"), 1);
}

#[test]
fn a_wrong_password_is_told_once_and_holds_nobody_up() {
    let redis = Redis::start();
    let emulator = Emulator::start(1, &[]);
    let mut setup = setup(&emulator, &redis, "");
    setup.more = setup.more.replace("redis-password", "not-the-password");
    let gateway = setup.start();
    gateway.wait_for_modems(1);
    let told = wait_for("the word", || {
        let log = gateway.log();
        log.lines().find(|line| line.contains("the broker cannot be used")).map(str::to_owned)
    });
    assert!(told.contains("logging in was refused") && !told.contains("not-the-password"), "{told}");
    wait_for("another try", || gateway.log().contains("the broker is still away").then_some(()));
    assert_eq!(gateway.log().matches("the broker cannot be used").count(), 1);
    let doctor = gateway.operate(&["doctor"]);
    let words = "BAD   subscribers   redis: redis at 127.0.0.1:";
    assert!(
        doctor.stdout.contains(words) && doctor.stdout.contains("subscriber.redis.username, password"),
        "{doctor:?}"
    );
    let sent = gateway.ask("send-sms", json!({"receiver": "081266666666", "message": "by REST"}));
    assert_eq!(sent["response_code"], "000");
}

#[test]
fn the_same_id_through_two_entrances_is_sent_once_unless_it_is_asked_for() {
    let redis = Redis::start();
    let second =
        format!("{}mode = \"stream\"\ntopic = \"orders\"\n", BROKER.replace("redis]", "orders]\nkind = \"redis\""));
    let second = second.replace("PORT", &redis.port.to_string());
    for (api, times) in [("", 1), ("id_scope = \"entrance\"", 3)] {
        let emulator = Emulator::start(1, &[]);
        let gateway = Setup { api: api.to_owned(), ..setup(&emulator, &redis, &second) }.start();
        gateway.wait_for_modems(1);
        wait_for("both subscriptions", || (gateway.log().matches("subscribed").count() == 2).then_some(()));
        redis.publish(&sms("one", "wanted once"));
        emulator.text_with("wanted once");
        let mut by_stream = sms("one", "wanted once");
        by_stream["callback_topic"] = json!(format!("back{times}"));
        redis.add("orders", &by_stream);
        let first = redis.answer(&format!("back{times}"));
        let again = gateway.ask("send-sms", by_stream["data"].clone());
        assert_eq!((&first["response_code"], &again["response_code"]), (&json!("000"), &json!("000")));
        assert_eq!(first["data"]["message_id"] == again["data"]["message_id"], times == 1);
        gateway.ask("send-sms", json!({"receiver": "081266666666", "message": "the last"}));
        emulator.text_with("the last");
        assert_eq!(emulator.count("wanted once"), times);
    }
}

#[test]
fn a_change_of_one_subscriber_touches_no_other() {
    let redis = Redis::start();
    let (emulator, gateway) = subscribed(&redis, "");
    let port = redis.port.to_string();
    let set = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().flat_map(|(key, value)| [format!("subscriber.late.{key}"), (*value).to_owned()]);
        let arguments: Vec<String> = ["settings".to_owned(), "set".to_owned()].into_iter().chain(pairs).collect();
        let answer = gateway.operate(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(answer.code, Some(0), "{answer:?}");
    };
    let password = redis.dir.path().join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    set(&[
        ("kind", "redis"),
        ("host", "127.0.0.1"),
        ("port", &port),
        ("password_file", password.to_str().unwrap()),
        ("api_user", "user"),
        ("topic", "late"),
    ]);
    assert_eq!(redis.ask(&["PUBLISH", "late", &sms("1", "too early").to_string()]), "0");
    set(&[("enabled", "true")]);
    wait_for("a listener", || (redis.ask(&["PUBLISH", "late", &sms("2", "in time").to_string()]) == "1").then_some(()));
    emulator.text_with("in time");
    set(&[("topic", "later")]);
    wait_for("a listener", || {
        (redis.ask(&["PUBLISH", "later", &sms("3", "renamed").to_string()]) == "1").then_some(())
    });
    assert_eq!(redis.ask(&["PUBLISH", "late", "{}"]), "0");
    set(&[("enabled", "false")]);
    wait_for("nobody", || (redis.ask(&["PUBLISH", "later", "{}"]) == "0").then_some(()));
    assert_eq!(metric(&gateway, "otp_pi_subscriber_connections_total{subscriber=\"redis\"}"), 1);
    assert_eq!(redis.publish(&sms("4", "untouched")), 1);
    emulator.text_with("untouched");
}

#[test]
fn a_connection_is_made_anew_when_its_refresh_says_so() {
    let redis = Redis::start();
    let (_emulator, gateway) = subscribed(&redis, "refresh = \"1s\"\n");
    wait_for("the third", || (metric(&gateway, "otp_pi_subscriber_connections_total") >= 3).then_some(()));
    assert!(!gateway.log().contains("the broker cannot be used"), "{}", gateway.log());
}

#[test]
fn an_api_user_that_may_not_is_refused_over_a_broker_too() {
    let redis = Redis::start();
    let emulator = Emulator::start(1, &[]);
    let mut setup = setup(&emulator, &redis, "mode = \"stream\"\n");
    setup.more = format!("scopes = [\"otp\"]\n{}", setup.more);
    let _gateway = setup.start();
    let mut message = sms("1", "not for him");
    message["callback_topic"] = json!("back");
    redis.add("sms", &message);
    assert_eq!(redis.answer("back")["response_code"], "1404");
}

#[test]
fn what_comes_in_pieces_or_breaks_off_is_no_harm() {
    let redis = Redis::start();
    let (emulator, _gateway) = subscribed(&redis, "");
    // A publisher that dies in the middle of its command.
    let mut half = TcpStream::connect(("127.0.0.1", redis.port)).unwrap();
    std::io::Write::write_all(&mut half, b"*3\r\n$7\r\nPUBLISH\r\n$3\r\nsms\r\n$100\r\n{\"comma").unwrap();
    drop(half);
    let text = "x".repeat(1500);
    redis.publish(&sms("1", &format!("long {text}")));
    emulator.text_with("long ");
}

/// What the gateway says of its broker: connected, or why not.
fn said_of_tls(emulator: &Emulator, port: u16, lines: &str) -> String {
    let broker = BROKER.replace("PORT", &port.to_string()).replace("127.0.0.1", "localhost");
    let setup = Setup { more: format!("{broker}tls = true\n{lines}"), ..Setup::with(emulator) };
    let gateway = setup.start();
    wait_for("a word about the broker", || {
        let log = gateway.log();
        log.lines().find(|line| line.contains("subscribed") || line.contains("cannot be used")).map(str::to_owned)
    })
}

#[test]
fn a_broker_must_prove_who_it_is_and_we_prove_who_we_are() {
    let (authority, other) = (Authority::new(), Authority::new());
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let options = |asks: &str| {
        let files = [("cert", "server.pem"), ("key", "server.key"), ("ca-cert", "ca.pem")];
        let files = files.iter().flat_map(|(option, file)| [format!("--tls-{option}-file"), authority.text(file)]);
        let port = ["--tls-port".to_owned(), port.to_string(), "--tls-auth-clients".to_owned(), asks.to_owned()];
        port.into_iter().chain(files).collect::<Vec<_>>()
    };
    let emulator = Emulator::start(1, &[]);
    let ca = |authority: &Authority| format!("tls_ca_file = {:?}\n", authority.text("ca.pem"));
    let ours = |authority: &Authority| {
        format!(
            "tls_certificate = {:?}\ntls_private_key = {:?}\n",
            authority.text("client.pem"),
            authority.text("client.key")
        )
    };
    let redis = Redis::start_with(&options("no"));
    for (lines, expected) in [
        (ca(&authority), "subscribed"),
        (ca(&other), "invalid peer certificate"),
        (String::new(), "invalid peer certificate"),
        (format!("{}tls_server_name = \"broker.test\"\n", ca(&authority)), "subscribed"),
        (format!("{}tls_server_name = \"elsewhere.test\"\n", ca(&authority)), "certificate not valid for name"),
    ] {
        let said = said_of_tls(&emulator, port, &lines);
        assert!(said.contains(expected), "{lines}{said}");
    }
    drop(redis);
    let _redis = Redis::start_with(&options("yes"));
    for (lines, is_let_in) in [
        (format!("{}{}", ca(&authority), ours(&authority)), true),
        (format!("{}{}", ca(&authority), ours(&other)), false),
        (ca(&authority), false),
    ] {
        let said = said_of_tls(&emulator, port, &lines);
        assert_eq!(said.contains("subscribed"), is_let_in, "{lines}{said}");
    }
}
