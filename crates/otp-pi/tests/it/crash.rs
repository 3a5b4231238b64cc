//! The crash accountant: kill -9 under load, many times; then every accepted request is balanced against what went on air.
//!
//! Nothing accepted is lost, nothing is transmitted twice, and every code that a phone shows is the right one. The emulated
//! modems live in their own process and are never killed, as real ones would not be.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::harness::{Client, Emulator, Gateway, PATIENCE, Setup, code_in, instant, pause};

const SEED: u64 = 20_261_121;
const CLIENTS: usize = 4;
const REQUESTS_OF_A_CLIENT: usize = 6;

/// How many times the gateway is killed. More with the environment variable, for a night's run.
#[expect(clippy::disallowed_methods, reason = "a night's run asks for more rounds")]
fn rounds() -> usize {
    std::env::var("OTP_PI_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(200)
}

/// One request as its client remembers it.
#[derive(Clone, Debug)]
struct Asked {
    token: String,
    /// Nobody gets two: of two messages of unknown outcome to one receiver nobody could say which of them a report means.
    receiver: String,
    is_otp: bool,
    /// The gateway said 000.
    is_accepted: bool,
}

impl Asked {
    fn request(&self) -> (&'static str, Value) {
        if self.is_otp {
            let message = format!("{} code %s", self.token);
            ("create-otp", json!({"reference": self.token, "receiver": self.receiver, "message": message}))
        } else {
            let message = format!("{} text", self.token);
            ("send-sms", json!({"id": self.token, "receiver": self.receiver, "message": message}))
        }
    }
}

#[test]
fn nothing_accepted_is_lost_and_nothing_goes_out_twice_however_often_the_gateway_is_killed() {
    let emulator = Emulator::start(4, &["--air-time", "4ms", "--report-delay", "30ms"]);
    let mut setup = Setup::with(&emulator);
    setup.otp = "lifetime = \"10m\"".to_owned();
    let mut gateway = setup.start();
    gateway.wait_for_modems(4);
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let asked = Arc::new(Mutex::new(Vec::new()));
    for round in 0..rounds() {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (address, asked) = (gateway.address, Arc::clone(&asked));
                std::thread::spawn(move || ask_until_it_dies(address, round, client, &asked))
            })
            .collect();
        pause(Duration::from_micros(u64::from(rng.next_u32() % 250_000)));
        let stopped = gateway.kill();
        for client in clients {
            client.join().unwrap();
        }
        gateway = stopped.restart();
    }
    let asked = asked.lock().unwrap().clone();
    let states = settle(&gateway, &asked);
    balance(&gateway, &emulator, &asked, &states);
}

fn ask_until_it_dies(address: std::net::SocketAddr, round: usize, client: usize, asked: &Mutex<Vec<Asked>>) {
    let Ok(mut connection) = Client::try_connect(address) else { return };
    for number in 0..REQUESTS_OF_A_CLIENT {
        let mut one = Asked {
            token: format!("T{round}x{client}x{number}x"),
            receiver: format!("0812{:07}", (round * CLIENTS + client) * REQUESTS_OF_A_CLIENT + number),
            is_otp: (number + client).is_multiple_of(2),
            is_accepted: false,
        };
        let (command, data) = one.request();
        let answer = connection.try_ask(command, &data);
        let is_over = answer.is_err();
        one.is_accepted = answer.is_ok_and(|answer| answer["response_code"] == json!("000"));
        asked.lock().unwrap().push(one);
        if is_over {
            return;
        }
    }
}

/// Waits until every accepted message needs no more sending; answers its state by token.
fn settle(gateway: &Gateway, asked: &[Asked]) -> BTreeMap<String, String> {
    let mut client = gateway.connect();
    let mut states = BTreeMap::new();
    let start = instant();
    for one in asked.iter().filter(|one| one.is_accepted) {
        let key = if one.is_otp { "reference" } else { "id" };
        let state = loop {
            let answer = client.ask("get-status", json!({key: one.token}));
            let state = answer["data"]["state"]
                .as_str()
                .unwrap_or_else(|| panic!("{} is lost: {answer}", one.token))
                .to_owned();
            if state != "queued" && state != "sending" {
                break state;
            }
            assert!(start.elapsed() < 4 * PATIENCE, "{} is still {state}", one.token);
            pause(Duration::from_millis(5));
        };
        states.insert(one.token.clone(), state);
    }
    states
}

fn balance(gateway: &Gateway, emulator: &Emulator, asked: &[Asked], states: &BTreeMap<String, String>) {
    let mut on_air: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for sent in emulator.transmissions() {
        let text = sent["text"].as_str().unwrap().to_owned();
        let token = text.split(' ').next().unwrap().to_owned();
        on_air.entry(token).or_default().push(text);
    }
    let mut client = gateway.connect();
    let (mut accepted, mut unknown_on_air, mut unknown_lost) = (0, 0, 0);
    for one in asked {
        let texts = on_air.get(&one.token).map(Vec::as_slice).unwrap_or_default();
        assert!(texts.len() <= 1, "{} went out {} times", one.token, texts.len());
        if !one.is_accepted {
            continue;
        }
        accepted += 1;
        let state = states[&one.token].as_str();
        match (texts.len(), state) {
            (1, "sent" | "delivered") => {}
            (1, "unknown") => unknown_on_air += 1,
            (0, "unknown") => unknown_lost += 1,
            (count, state) => panic!("{} went out {count} times and is {state}", one.token),
        }
        if let ([text], true) = (texts, one.is_otp) {
            let code = code_in(text.split(' ').next_back().unwrap(), 6);
            let data = json!({"reference": one.token, "receiver": one.receiver, "otp": code});
            let answer = client.ask("validate-otp", data);
            assert_eq!(
                answer["response_code"],
                json!("000"),
                "the code of {} ({state}) is refused: {answer}",
                one.token
            );
        }
    }
    report(&format!(
        "crash accountant: {} rounds, {} asked, {accepted} accepted, {} on air, unknown: {unknown_on_air} on air, {unknown_lost} not",
        rounds(),
        asked.len(),
        on_air.len(),
    ));
    assert!(accepted > rounds(), "hardly anything was accepted: {accepted}");
    assert!(unknown_on_air + unknown_lost < accepted / 4, "too many outcomes are unknown");
}

#[expect(clippy::print_stdout, reason = "the figures of a night's run are read by people")]
fn report(text: &str) {
    println!("{text}");
}
