//! The examples of `examples/brokers/` as their users run them: real interpreters and clients, codes read off an emulated phone.

use std::process::Command;

use super::redis::{self, Redis};
use super::{nats, peer, websocket};
use crate::clients::{Talk, examples, is_there};
use crate::harness::{Emulator, code_in, wait_for};

/// The Python that has the clients, where there is one.
pub(super) fn python() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "scripts/test says where its Python is")]
    let python = std::env::var("OTP_PI_TEST_PYTHON").ok();
    if python.is_none() {
        is_there("OTP_PI_TEST_PYTHON");
    }
    python
}

/// Runs an example against a broker from which a gateway with this emulator's modem takes commands.
pub(super) fn sends_and_checks_a_code(
    interpreter: &str,
    file: &str,
    (broker, topic): (&str, &str),
    login: (&str, &str),
    emulator: &Emulator,
) {
    let before = emulator.transmissions().len();
    let phone = format!("0812{before:07}");
    let mut talk = Talk::start(Command::new(interpreter).arg(examples().join("brokers").join(file)).arg(phone).envs([
        ("OTP_PI_BROKER", broker),
        ("OTP_PI_TOPIC", topic),
        ("OTP_PI_BROKER_USER", login.0),
        ("OTP_PI_BROKER_PASSWORD", login.1),
    ]));
    talk.wait_for("Code: ");
    let code = wait_for("the code", || {
        let text = emulator.transmissions().get(before)?["text"].as_str()?.to_owned();
        Some(code_in(&text, 6))
    });
    let wrong = if code == "000000" { "111111" } else { "000000" };
    talk.type_line(wrong);
    talk.wait_for("wrong, once more");
    talk.type_line(&code);
    talk.wait_for("right");
    talk.finish().told();
}

#[test]
fn the_examples_for_redis_send_and_check_a_code() {
    let redis = Redis::start();
    let broker = format!("localhost:{}", redis.port);
    for (mode, files) in [("pubsub", ["redis_pubsub.py", "redis.php"].as_slice()), ("stream", &["redis_stream.py"])] {
        let (emulator, _gateway) = redis::subscribed(&redis, &format!("mode = {mode:?}\n"));
        for file in files {
            let interpreter = if file.ends_with(".php") { is_there("php").then(|| "php".to_owned()) } else { python() };
            let Some(interpreter) = interpreter else { continue };
            sends_and_checks_a_code(&interpreter, file, (&broker, "sms"), ("", redis::PASSWORD), &emulator);
        }
    }
}

#[test]
fn the_example_for_nats_sends_and_checks_a_code() {
    let Some(server) = nats::Server::start(nats::LOGIN) else { return };
    let Some(python) = python() else { return };
    let emulator = Emulator::start(1, &[]);
    let gateway = nats::setup(&emulator, server.section("nats", "")).start();
    gateway.wait_for_modems(1);
    peer::wait_for_subscriber(&gateway, "nats");
    let broker = format!("127.0.0.1:{}", server.port);
    sends_and_checks_a_code(&python, "nats_request.py", (&broker, "sms"), ("otp", "secret-of-nats"), &emulator);
}

#[test]
fn the_example_for_websocket_sends_and_checks_a_code_over_two_relays() {
    for relay in websocket::Relay::both() {
        let Some(python) = python() else { return };
        let emulator = Emulator::start(1, &[]);
        let _gateway = websocket::subscribed(&emulator, relay.section("relay", ""));
        let broker = format!("127.0.0.1:{}", relay.port);
        sends_and_checks_a_code(&python, "websocket_relay.py", (&broker, "sms"), ("otp", "secret-of-relay"), &emulator);
    }
}
