// long: a server takes five seconds to start, so that a few tests show much
//! Commands over RabbitMQ: the real server, and pika as publisher and reader.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::examples;
use super::rabbit::{Peer, Proxy, Rabbit};
use crate::harness::{Emulator, Gateway, Setup, code_in, wait_for};

const PHONE: &str = "081266666666";
const CONNECTIONS: &str = "otp_pi_subscriber_connections_total{subscriber=\"rabbitmq\"}";
/// A receiver whose modem is not there: what is for him waits.
const NOBODY: &str = "08997777777";

/// A gateway with emulated modems, a broker, and somebody who publishes.
struct Stage {
    emulator: Emulator,
    gateway: Gateway,
    peer: Peer,
    queue: String,
}

/// A name that no other test uses at a shared broker.
fn fresh(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// The section of a subscription; `lines` are more of it, and sections after it.
fn section(port: u16, queue: &str, lines: &str) -> String {
    format!(
        "[subscriber.rabbitmq]\nenabled = true\nhost = \"127.0.0.1\"\nport = {port}\nusername = \"otp\"\npassword = \"pw\"\n\
         topic = \"{queue}\"\napi_user = \"user\"\ntimeout = \"2s\"\nreconnect_delay = \"100ms\"\n{lines}\n"
    )
}

fn setup(emulator: &Emulator, section: String) -> Setup {
    Setup { more: section, log: "debug", ..Setup::with(emulator) }
}

impl Stage {
    fn new(rabbit: &Rabbit, name: &str, lines: &str, change: impl FnOnce(&mut Setup)) -> Option<Self> {
        let peer = Peer::start(rabbit.port)?;
        let queue = fresh(name);
        let emulator = Emulator::start(1, &["--air-time", "2ms"]);
        let mut setup = setup(&emulator, section(rabbit.port, &queue, lines));
        change(&mut setup);
        let gateway = setup.start();
        gateway.wait_for_modems(1);
        wait_for_subscriptions(&gateway, 1);
        Some(Self { emulator, gateway, peer, queue })
    }

    fn publish(&self, message: &Value) {
        self.peer.publish(&self.queue, &[message.to_string()]);
    }

    /// Publishes a command and answers what comes into a callback queue of its own.
    fn ask(&self, command: &str, data: &Value) -> Value {
        let callback = fresh(&format!("back-{command}"));
        self.peer.ask(json!({"do": "declare", "queue": callback, "durable": true}));
        self.publish(&json!({"command": command, "callback_topic": callback, "callback_delay": "5", "data": data}));
        let answer = self.peer.answers(&callback, 1).remove(0);
        self.peer.ask(json!({"do": "delete", "queue": callback}));
        answer
    }

    /// Sends one more and waits until it is on air: what came before it was taken.
    fn sentinel(&self, word: &str) {
        self.publish(&sms(word, word));
        self.emulator.text_with(word);
    }
}

fn wait_for_subscriptions(gateway: &Gateway, count: usize) {
    wait_for("the subscription", || (gateway.log().matches("subscribed").count() >= count).then_some(()));
}

fn wait_for_log(gateway: &Gateway, words: &str) -> String {
    wait_for(&format!("{words:?} in the log"), || {
        gateway.log().lines().find(|line| line.contains(words)).map(str::to_owned)
    })
}

fn sms(id: &str, text: &str) -> Value {
    json!({"command": "send-sms", "data": {"id": id, "receiver": PHONE, "message": text}})
}

fn metric(gateway: &Gateway, name: &str) -> u64 {
    let numbers = gateway.connect().request("GET", "/metrics", None, b"").unwrap();
    let text = String::from_utf8(numbers.body).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} is not in\n{text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn every_command_works_over_rabbitmq_and_is_answered_in_the_callback_queue() {
    let Some(rabbit) = Rabbit::any() else { return };
    let Some(stage) = Stage::new(&rabbit, "all", "", |_| {}) else { return };
    let code = |answer: &Value| answer["response_code"].as_str().unwrap().to_owned();
    for (create, validate) in [("create-otp", "validate-otp"), ("request-otp", "verify-otp")] {
        let reference = fresh(create);
        let data = json!({"reference": reference, "receiver": PHONE, "message": format!("{create} %s"), "param1": "p"});
        let created = stage.ask(create, &data);
        assert_eq!((&created["command"], code(&created).as_str()), (&json!(create), "000"), "{created}");
        let otp = code_in(&stage.emulator.text_with(create), 6);
        let guess = json!({"reference": reference, "receiver": "+6281266666666", "otp": otp, "param1": "p"});
        assert_eq!(code(&stage.ask(validate, &guess)), "000");
        assert_eq!(code(&stage.ask(validate, &guess)), "1202");
        assert!(!stage.gateway.log().contains(&otp), "the code is in the log");
    }
    stage.ask("create-otp", &json!({"reference": "c", "receiver": PHONE, "message": "cancel %s"}));
    assert_eq!(code(&stage.ask("cancel-otp", &json!({"reference": "c"}))), "000");
    for command in ["send-sms", "send-message", "send-email", "send-mail"] {
        let data = json!({"id": command, "receiver": PHONE, "subject": "", "message": format!("by {command}")});
        let sent = stage.ask(command, &data);
        assert_eq!((&sent["command"], code(&sent).as_str()), (&json!(command), "000"), "{sent}");
        stage.emulator.text_with(&format!("by {command}"));
        let status = stage.ask("get-status", &json!({"id": command}));
        assert_eq!(status["data"]["message_id"], sent["data"]["message_id"], "{status}");
    }
    assert_eq!(code(&stage.ask("send-mail", &json!({"receiver": "a@example.org", "message": "x"}))), "1102");
    assert_eq!(code(&stage.ask("block-msisdn", &json!({"receiver": "081266666668"}))), "000");
    assert_eq!(code(&stage.ask("send-sms", &json!({"receiver": "081266666668", "message": "no"}))), "1301");
    assert_eq!(code(&stage.ask("unblock-msisdn", &json!({"receiver": "081266666668"}))), "000");
    assert_eq!(code(&stage.ask("request-ussd", &json!({"modem_id": "m0", "ussd_code": "*888#"}))), "000");
    let modems = stage.ask("get-modem-list", &json!({}));
    assert_eq!(modems["data"]["modem_list"].as_object().unwrap().len(), 1, "{modems}");
    assert_eq!(stage.ask("echo", &json!({"x": [1]}))["data"]["x"], json!([1]));
    assert_eq!(code(&stage.ask("make-coffee", &json!({}))), "1402");
    assert_eq!(code(&stage.ask("send-sms", &json!({"receiver": PHONE}))), "1401");
    let listed = stage.peer.count(&stage.queue);
    assert_eq!(listed, 0, "everything was taken");
}

#[test]
fn publishers_keep_their_habits_and_answers_find_their_way() {
    let Some(rabbit) = Rabbit::any() else { return };
    let Some(stage) = Stage::new(&rabbit, "habits", "", |_| {}) else { return };
    // As the PHP publisher asks: no properties, a delay as text, its durable queue made last.
    let callback = fresh("modem-list");
    for delay in [json!("50"), json!(null)] {
        let message = json!({"command": "get-modem-list", "callback_topic": callback, "data": {"date_time": 5}, "callback_delay": delay});
        let found = stage
            .peer
            .ask(json!({"do": "php", "queue": stage.queue, "body": message.to_string(), "callback": callback}));
        let body: Value = serde_json::from_str(found[0]["body"].as_str().unwrap()).unwrap();
        assert_eq!((&body["command"], &body["response_code"]), (&json!("get-modem-list"), &json!("000")), "{body}");
        assert_eq!((&found[0]["content_type"], &found[0]["delivery_mode"]), (&json!("application/json"), &json!(2)));
        stage.peer.ask(json!({"do": "delete", "queue": callback}));
    }
    // The queue is the one that it looks for: it does not outlive the broker.
    let redeclared = stage.peer.attempt(&json!({"do": "declare", "queue": stage.queue, "durable": true}));
    assert!(redeclared["error"].as_str().unwrap().contains("inequivalent arg 'durable'"), "{redeclared}");
    stage.peer.ask(json!({"do": "declare", "queue": stage.queue, "durable": false}));

    // RabbitMQ's own way back, and a queue named by the message.
    let own = fresh("own");
    stage.peer.ask(json!({"do": "declare", "queue": own, "durable": true}));
    for reply_to in ["amq.rabbitmq.reply-to", own.as_str()] {
        let body = json!({"command": "echo", "data": {"y": 2}}).to_string();
        let job =
            json!({"do": "call", "queue": stage.queue, "body": body, "reply_to": reply_to, "correlation_id": "c-17"});
        let found = stage.peer.ask(job);
        assert_eq!(found[0]["correlation_id"], "c-17", "{found}");
        assert!(found[0]["body"].as_str().unwrap().contains("\"y\":2"), "{found}");
    }
    // Nobody reads there: no harm done.
    stage.publish(&json!({"command": "echo", "callback_topic": fresh("nowhere"), "data": {}}));
    wait_for_log(&stage.gateway, "the broker has no such queue");
    stage.sentinel("still there");
    assert!(!stage.gateway.log().contains("the broker cannot be used"), "{}", stage.gateway.log());
}

#[test]
fn an_answer_never_goes_where_commands_come_from_and_an_id_counts_at_every_entrance() {
    let Some(rabbit) = Rabbit::any() else { return };
    let lines = "callback_prefix = \"back-\"\n";
    let Some(stage) = Stage::new(&rabbit, "loops", lines, |_| {}) else { return };
    for topic in [stage.queue.as_str(), "elsewhere"] {
        let mut message = sms("1", "looping");
        message["callback_topic"] = json!(topic);
        stage.publish(&message);
    }
    stage.publish(&json!({"command": "echo", "callback_topic": stage.queue, "data": {}}));
    let refused = "otp_pi_subscriber_messages_total{subscriber=\"rabbitmq\",outcome=\"refused\"}";
    wait_for("the refusals", || (metric(&stage.gateway, refused) == 3).then_some(()));
    wait_for_log(&stage.gateway, "code=\"1401\"");
    stage.sentinel("after the loops");
    assert_eq!((stage.emulator.count("looping"), stage.peer.count(&stage.queue)), (0, 0));
    assert_eq!(metric(&stage.gateway, "otp_pi_subscriber_answers_total"), 0);

    stage.publish(&sms("both", "wanted once"));
    stage.emulator.text_with("wanted once");
    let again = stage.gateway.ask("send-sms", json!({"id": "both", "receiver": PHONE, "message": "wanted once"}));
    assert_eq!(again["response_code"], "000", "{again}");
    stage.publish(&sms("both", "wanted once"));
    stage.sentinel("after both");
    assert_eq!(stage.emulator.count("wanted once"), 1);
}

#[test]
fn a_loop_is_refused_with_1401_to_a_sender_who_can_be_told() {
    let Some(rabbit) = Rabbit::any() else { return };
    let Some(stage) = Stage::new(&rabbit, "told", "", |_| {}) else { return };
    let mut message = sms("1", "looping");
    message["callback_topic"] = json!(stage.queue);
    let job = json!({"do": "call", "queue": stage.queue, "body": message.to_string(), "correlation_id": "x"});
    let found = stage.peer.ask(job);
    let answer: Value = serde_json::from_str(found[0]["body"].as_str().unwrap()).unwrap();
    assert_eq!(answer["response_code"], "1401", "{answer}");
    assert!(answer["error"].as_str().unwrap().contains("callback_topic"), "{answer}");
    stage.sentinel("after the loop");
    assert_eq!(stage.emulator.count("looping"), 0);
}

#[test]
fn what_is_no_command_is_put_aside_once_and_never_logged() {
    let Some(rabbit) = Rabbit::any() else { return };
    let aside = fresh("aside");
    let lines = format!("dead_letter = \"{aside}\"\n");
    let Some(stage) = Stage::new(&rabbit, "poison", &lines, |_| {}) else { return };
    let poison: Vec<String> = [
        "zebra".to_owned(),
        "{\"command\": \"zebra\"".to_owned(),
        String::new(),
        "{\"command\":\"send-sms\",\"data\":{\"message\":\"zebra\"}}".to_owned(),
        format!("{{\"command\":\"zebra{}\"}}", "a".repeat(200_000)),
    ]
    .into();
    stage.peer.publish(&stage.queue, &poison);
    stage.sentinel("after them");
    stage.peer.wait_for_count(&aside, 5);
    let found = stage.peer.ask(json!({"do": "read", "queue": aside, "count": 5}));
    let found: BTreeSet<_> = found.as_array().unwrap().iter().map(|one| one["body"].as_str().unwrap()).collect();
    assert_eq!(found, poison.iter().map(String::as_str).collect());
    let outcome = "otp_pi_subscriber_messages_total{subscriber=\"rabbitmq\",outcome=\"no_command\"}";
    assert_eq!(metric(&stage.gateway, outcome), 5);
    assert!(!stage.gateway.log().contains("zebra"), "{}", stage.gateway.log());
    assert_eq!(stage.peer.count(&stage.queue), 0);
    // Its owner's flags are the ones that were promised: durable, for a day.
    stage
        .peer
        .ask(json!({"do": "declare", "queue": aside, "durable": true, "arguments": {"x-message-ttl": 86_400_000}}));
    // Nothing is answered into the queue of what was put aside.
    stage.publish(&json!({"command": "echo", "callback_topic": aside, "data": {}}));
    stage.sentinel("after the echo");
    assert_eq!(stage.peer.count(&aside), 0);
    stage.peer.ask(json!({"do": "delete", "queue": aside}));
}

#[test]
fn queues_of_their_owners_are_taken_as_they_are_and_poison_goes_where_they_have_said() {
    let Some(rabbit) = Rabbit::any() else { return };
    let Some(peer) = Peer::start(rabbit.port) else { return };
    let (quorum, durable, made, aside) = (fresh("quorum"), fresh("durable"), fresh("made"), fresh("own-aside"));
    let arguments = json!({"x-queue-type": "quorum", "x-dead-letter-exchange": "", "x-dead-letter-routing-key": aside});
    peer.ask(json!({"do": "declare", "queue": aside}));
    peer.ask(json!({"do": "declare", "queue": quorum, "durable": true, "arguments": arguments}));
    peer.ask(json!({"do": "declare", "queue": durable, "durable": true}));
    let emulator = Emulator::start(1, &["--air-time", "2ms"]);
    let mut sections = String::new();
    for (name, queue, lines) in [("one", &quorum, ""), ("two", &durable, ""), ("three", &made, "durable = true\n")] {
        let own = section(rabbit.port, queue, lines);
        sections += &own.replace("subscriber.rabbitmq]", &format!("subscriber.{name}]\nkind = \"rabbitmq\""));
    }
    let gateway = setup(&emulator, sections).start();
    gateway.wait_for_modems(1);
    wait_for_subscriptions(&gateway, 3);
    for (number, queue) in [&quorum, &durable, &made].into_iter().enumerate() {
        peer.publish(queue, &["zebra".to_owned(), sms(&number.to_string(), &format!("<{number}>")).to_string()]);
        emulator.text_with(&format!("<{number}>"));
        peer.wait_for_count(queue, 0);
    }
    peer.wait_for_count(&aside, 1);
    // Ours by setting is durable.
    peer.ask(json!({"do": "declare", "queue": made, "durable": true}));
    drop(gateway);
    for queue in [&quorum, &durable, &made, &aside] {
        peer.ask(json!({"do": "delete", "queue": queue}));
    }
}

#[test]
fn what_is_published_is_sent_once_however_often_the_gateway_is_killed() {
    let Some(rabbit) = Rabbit::any() else { return };
    let lines = "durable = true\nunacknowledged = 16\n";
    let Some(stage) = Stage::new(&rabbit, "killed", lines, |_| {}) else { return };
    let Stage { emulator, mut gateway, peer, queue } = stage;
    let (rounds, each) = (5, 40);
    for round in 0..rounds {
        let bodies: Vec<_> = (0..each).map(|number| format!("{round}-{number}")).collect();
        let bodies: Vec<_> = bodies.iter().map(|id| sms(id, &format!("<{id}>")).to_string()).collect();
        peer.publish(&queue, &bodies);
        // Killed while some of them are taken.
        wait_for("some of them", || (emulator.transmissions().len() > round * each).then_some(()));
        gateway = gateway.kill().restart();
        gateway.wait_for_modems(1);
    }
    peer.wait_for_count(&queue, 0);
    let all: Vec<_> = (0..rounds).flat_map(|round| (0..each).map(move |number| format!("{round}-{number}"))).collect();
    let mut client = gateway.connect();
    let mut unknown = 0;
    for id in &all {
        let state = wait_for(&format!("the end of {id}"), || {
            let status = client.ask("get-status", json!({"id": id}));
            let state = status["data"]["state"].as_str()?.to_owned();
            (state != "queued" && state != "sending").then_some(state)
        });
        let on_air = emulator.count(&format!("<{id}>"));
        match (on_air, state.as_str()) {
            (1, "sent" | "delivered") => {}
            // On air at the kill: nobody can know, and nothing is sent again.
            (0 | 1, "unknown") => unknown += 1,
            other => panic!("{id}: {other:?}"),
        }
    }
    assert!(unknown <= rounds, "{unknown} are unknown");
    peer.ask(json!({"do": "delete", "queue": queue}));
}

#[test]
fn with_texts_in_memory_only_a_message_stays_with_the_broker_until_it_is_sent_and_no_more_than_agreed_are_taken() {
    let Some(rabbit) = Rabbit::any() else { return };
    let lines = "durable = true\nunacknowledged = 4\n\
                 [[modem]]\nname = \"absent\"\nport = \"/nowhere/line\"\nrecipient_prefixes = [\"62899\"]\n";
    let in_memory = |setup: &mut Setup| {
        setup.api = "wait = \"sent\"\nwait_limit = \"1s\"".to_owned();
        setup.sms = "failover = \"wait\"\ntext_at_rest = \"never\"".to_owned();
        setup.modem = "default = true".to_owned();
    };
    let Some(stage) = Stage::new(&rabbit, "memory", lines, in_memory) else { return };
    stage.sentinel("sent at once");
    stage.peer.wait_for_count(&stage.queue, 0);
    let waiting = |number: usize| {
        let data = json!({"receiver": NOBODY, "message": format!("waits {number}")});
        json!({"command": "send-sms", "data": data}).to_string()
    };
    let bodies: Vec<_> = (0..10).map(waiting).collect();
    stage.peer.publish(&stage.queue, &bodies);
    // Four are ours and not acknowledged, past the second that REST waits.
    stage.peer.wait_for_count(&stage.queue, 6);
    let asked = stage.gateway.ask("send-sms", json!({"receiver": NOBODY, "message": "REST waits its second"}));
    assert_eq!(asked["data"]["state"], "queued", "{asked}");
    assert_eq!(stage.peer.count(&stage.queue), 6);
    let accepted = "otp_pi_subscriber_messages_total{subscriber=\"rabbitmq\",outcome=\"accepted\"}";
    assert_eq!(metric(&stage.gateway, accepted), 1, "none of the ten is done");
    // Killed: all ten are still there.
    let Stage { emulator, gateway, peer, queue } = stage;
    let stopped = gateway.kill();
    peer.wait_for_count(&queue, 10);
    // A modem for them: each is sent, once.
    let mut healed = setup(&emulator, section(rabbit.port, &queue, "durable = true\nunacknowledged = 4\n"));
    in_memory(&mut healed);
    let gateway = stopped.restart_as(&healed);
    for number in 0..10 {
        emulator.text_with(&format!("waits {number}"));
    }
    peer.wait_for_count(&queue, 0);
    assert_eq!(emulator.count("waits"), 10);
    drop(gateway);
    peer.ask(json!({"do": "delete", "queue": queue}));
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "a server takes five seconds to start: all that may happen to one happens to one"
)]
fn a_broker_that_is_killed_paused_or_cut_off_costs_nothing_and_holds_nobody_up() {
    let Some(rabbit) = Rabbit::own("heartbeat = 1\n") else { return };
    let proxy = Proxy::start(rabbit.port);
    let Some(peer) = Peer::start(rabbit.port) else { return };
    let emulator = Emulator::start(1, &["--air-time", "2ms"]);
    let gateway = setup(&emulator, section(proxy.port, "sms", "durable = true\n")).start();
    gateway.wait_for_modems(1);
    wait_for_subscriptions(&gateway, 1);
    let rest_is_quick = |word: &str| {
        let sent = gateway.ask("send-sms", json!({"receiver": PHONE, "message": format!("REST, {word}")}));
        assert_eq!(sent["response_code"], "000", "{sent}");
        emulator.text_with(&format!("REST, {word}"));
    };
    let persistent = |id: &str| {
        let job = json!({"do": "publish", "queue": "sms", "bodies": [sms(id, &format!("<{id}>")).to_string()],
                         "properties": {"delivery_mode": 2}});
        peer.insist(&job);
        emulator.text_with(&format!("<{id}>"));
    };
    persistent("first");

    // Killed, and started again on its data.
    rabbit.kill();
    wait_for_log(&gateway, "the broker cannot be used");
    rest_is_quick("without a broker");
    rabbit.start_again();
    persistent("after the kill");

    // The queue is deleted under us: it is made again.
    let before = gateway.log().matches("subscribed").count();
    peer.insist(&json!({"do": "delete", "queue": "sms"}));
    wait_for_log(&gateway, "was deleted");
    wait_for_subscriptions(&gateway, before + 1);
    persistent("after the deletion");

    // Cut in the middle of a message: the rest of it comes again.
    let long = format!("long {}", "x".repeat(20_000));
    let before = gateway.log().matches("subscribed").count();
    proxy.cut_after(10_000);
    let bodies = [json!({"command": "echo", "data": {"x": long}}).to_string(), sms("cut", "<cut>").to_string()];
    peer.insist(&json!({"do": "publish", "queue": "sms", "bodies": bodies}));
    proxy.wait_for_cut();
    rest_is_quick("cut off");
    wait_for_subscriptions(&gateway, before + 1);
    emulator.text_with("<cut>");
    peer.wait_for_count("sms", 0);

    // Paused: it is left after two heartbeats without a word, and taken up again.
    let before = gateway.log().len();
    rabbit.pause(true);
    wait_for("the end of patience", || {
        gateway.log().get(before..)?.contains("the broker cannot be used").then_some(())
    });
    rest_is_quick("paused");
    rabbit.pause(false);
    persistent("after the pause");
    for word in ["first", "after the kill", "after the deletion", "cut", "after the pause"] {
        assert_eq!(emulator.count(&format!("<{word}>")), 1, "{word}");
    }

    // Refused: told once, and mended without a restart.
    let wrong = |from: &str, to: &str, words: &str| {
        let broken = section(proxy.port, "sms", "durable = true\n").replace(from, to);
        let log = gateway.log().len();
        gateway.reload_as(&setup(&emulator, broken));
        let told = wait_for("the refusal", || {
            let fresh = gateway.log().get(log..)?.to_owned();
            fresh.lines().find(|line| line.contains("the broker cannot be used")).map(str::to_owned)
        });
        assert!(told.contains(words) && !told.contains("not-the-password"), "{told}");
        let doctor = gateway.operate(&["doctor"]);
        assert!(doctor.stdout.contains("BAD   subscribers   rabbitmq: rabbitmq at 127.0.0.1:"), "{doctor:?}");
        assert!(doctor.stdout.contains(words), "{doctor:?}");
        rest_is_quick(words);
        wait_for("another try", || gateway.log().get(log..)?.contains("the broker is still away").then_some(()));
        assert_eq!(gateway.log().split_off(log).matches("the broker cannot be used").count(), 1);
    };
    wrong("\"pw\"", "\"not-the-password\"", "ACCESS_REFUSED");
    wrong("durable = true\n", "durable = true\nvhost = \"/nowhere\"\n", "vhost /nowhere not found");
    // An intake whose settings change says nothing while all goes well; its connections are counted.
    let becomes = |section: String| {
        let before = metric(&gateway, CONNECTIONS);
        gateway.reload_as(&setup(&emulator, section));
        wait_for("the connection", || (metric(&gateway, CONNECTIONS) > before).then_some(()));
    };
    let right = section(proxy.port, "sms", "durable = true\n");
    becomes(right.clone());
    persistent("mended");
    let doctor = gateway.operate(&["doctor"]);
    assert!(!doctor.stdout.contains("BAD   subscribers"), "{doctor:?}");

    // A virtual host of its own, and a login that may make no queue and finds one.
    let ctl = |command: &str| assert!(rabbit.ctl(&command.split(' ').collect::<Vec<_>>()), "{command}");
    ctl("add_vhost fleet");
    ctl("set_permissions -p fleet otp .* .* .*");
    ctl("add_user reader pw");
    ctl("set_permissions reader ^$ ^$ ^sms$");
    becomes(section(proxy.port, "sms", "durable = true\nvhost = \"fleet\"\n"));
    peer.publish("sms", &[sms("elsewhere", "<elsewhere>").to_string()]);
    assert_eq!(peer.count("sms"), 1, "what is in another virtual host is not taken");
    becomes(right.replace("\"otp\"", "\"reader\""));
    emulator.text_with("<elsewhere>");
    // It may not answer either: that is told once, the commands are done, and nothing is connected anew.
    let before = metric(&gateway, CONNECTIONS);
    for id in ["asks", "asks again"] {
        let mut asks = sms(id, &format!("<{id}>"));
        asks["callback_topic"] = json!("nowhere");
        peer.publish("sms", &[asks.to_string()]);
        emulator.text_with(&format!("<{id}>"));
    }
    let told = wait_for_log(&gateway, "the broker takes no answer of ours");
    assert!(told.contains("answering was refused: ACCESS_REFUSED"), "{told}");
    persistent("and on");
    assert_eq!(metric(&gateway, CONNECTIONS), before);
    assert_eq!(gateway.log().matches("the broker takes no answer of ours").count(), 1);
    assert_eq!(emulator.count("<asks>"), 1);
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

/// An authority, and certificates of it for a server and a client, as PEM files.
fn certificates(dir: &Path, name: &str, of_server: &str) {
    let write = |file: String, text: String| fs::write(dir.join(file), text).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    write(format!("{name}-ca.pem"), pem("CERTIFICATE", params.self_signed(&key).unwrap().der()));
    let issuer = Issuer::new(params, key);
    for (who, subject, usage) in [
        ("server", of_server, ExtendedKeyUsagePurpose::ServerAuth),
        ("client", "client", ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![subject.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        write(format!("{name}-{who}.pem"), pem("CERTIFICATE", params.signed_by(&key, &issuer).unwrap().der()));
        write(format!("{name}-{who}.key"), pem("PRIVATE KEY", &key.serialize_der()));
    }
}

#[test]
fn tls_trusts_one_authority_checks_the_name_and_shows_a_certificate() {
    let dir = TempDir::new().unwrap();
    certificates(dir.path(), "ours", "broker.test");
    certificates(dir.path(), "theirs", "broker.test");
    let path = |file: &str| dir.path().join(file).to_str().unwrap().to_owned();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let tls_port = listener.local_addr().unwrap().port();
    drop(listener);
    let config = format!(
        "listeners.ssl.1 = 127.0.0.1:{tls_port}\nssl_options.cacertfile = {}\nssl_options.certfile = {}\n\
         ssl_options.keyfile = {}\nssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n",
        path("ours-ca.pem"),
        path("ours-server.pem"),
        path("ours-server.key")
    );
    let Some(rabbit) = Rabbit::own(&config) else { return };
    let Some(peer) = Peer::start(rabbit.port) else { return };
    let emulator = Emulator::start(1, &["--air-time", "2ms"]);
    let lines = |authority: &str, name: &str, identity: &str| {
        let identity = if identity.is_empty() {
            String::new()
        } else {
            let (certificate, key) = (path(&format!("{identity}.pem")), path(&format!("{identity}.key")));
            format!("tls_certificate = {certificate:?}\ntls_private_key = {key:?}\n")
        };
        let authority = path(authority);
        format!("tls = true\ntls_ca_file = {authority:?}\ntls_server_name = \"{name}\"\n{identity}")
    };
    let section = |lines: &str| section(tls_port, "sms", lines);
    let right = lines("ours-ca.pem", "broker.test", "ours-client");
    let gateway = setup(&emulator, section(&right)).start();
    gateway.wait_for_modems(1);
    wait_for_subscriptions(&gateway, 1);
    peer.publish("sms", &[sms("1", "over TLS").to_string()]);
    emulator.text_with("over TLS");
    for (wrong, words) in [
        (lines("theirs-ca.pem", "broker.test", "ours-client"), "UnknownIssuer"),
        (lines("ours-ca.pem", "other.test", "ours-client"), "other.test"),
        (lines("ours-ca.pem", "broker.test", ""), ""),
        (lines("ours-ca.pem", "broker.test", "theirs-client"), ""),
    ] {
        let log = gateway.log().len();
        gateway.reload_as(&setup(&emulator, section(&wrong)));
        let told = wait_for("the refusal", || {
            let fresh = gateway.log().get(log..)?.to_owned();
            fresh.lines().find(|line| line.contains("the broker cannot be used")).map(str::to_owned)
        });
        assert!(told.contains(words), "{words:?} in {told}");
        assert!(!gateway.log().split_off(log).contains("subscribed"), "{wrong}");
    }
    gateway.reload_as(&setup(&emulator, section(&right)));
    wait_for_subscriptions(&gateway, 2);
    peer.publish("sms", &[sms("2", "again over TLS").to_string()]);
    emulator.text_with("again over TLS");
}

#[test]
fn the_example_for_rabbitmq_sends_and_checks_a_code() {
    let (Some(rabbit), Some(python)) = (Rabbit::any(), examples::python()) else { return };
    let Some(stage) = Stage::new(&rabbit, "example", "", |_| {}) else { return };
    let broker = format!("127.0.0.1:{}", rabbit.port);
    let topic = stage.queue.as_str();
    examples::sends_and_checks_a_code(&python, "amqp.py", (&broker, topic), ("otp", "pw"), &stage.emulator);
}
