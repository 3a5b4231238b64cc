//! Many reloads under load: the books are balanced as after crashes, but here nothing may be in doubt.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use super::api_user;
use crate::harness::{Client, Emulator, Gateway, Setup, code_in, pause, wait_for};

const RELOADS: usize = 50;
const CLIENTS: usize = 4;

/// The configurations that take turns. The first is that of the start; the listener stays.
fn configurations(emulator: &Emulator) -> Vec<Setup> {
    let [one, two, three] = [0, 1, 2].map(|index| emulator.modems[index].clone());
    let mut all: Vec<Setup> = [
        vec![one.clone(), two.clone(), three.clone()],
        vec![one.clone(), three.clone()],
        vec![two.clone(), one.clone(), three.clone()],
        vec![three],
        vec![one, two],
    ]
    .into_iter()
    .map(|modems| Setup { modems, ..Setup::without_modems() })
    .collect();
    all[1].more = api_user("app", "other");
    all[2].modem = "result_timeout = \"90s\"".to_owned();
    all[3].otp = "max_attempts = 7".to_owned();
    all[4].api = "https_listen = \"127.0.0.1:0\"".to_owned();
    all
}

/// Asks on one connection until it is told to stop; answers the tokens. Every request is accepted, and no connection breaks.
fn ask(gateway: &Gateway, number: usize, is_over: &AtomicBool) -> Vec<String> {
    let mut client = gateway.connect();
    let mut tokens = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let token = format!("T{number}x{}x", tokens.len());
        let (command, data) = if tokens.len() % 2 == 0 {
            ("send-sms", json!({"id": token, "receiver": "08126666667", "message": format!("{token} text")}))
        } else {
            (
                "create-otp",
                json!({"reference": token, "receiver": "08126666666", "message": format!("{token} code %s")}),
            )
        };
        let answer = client.try_ask(command, &data).unwrap_or_else(|error| panic!("{token}: {error}"));
        assert_eq!(answer["response_code"], "000", "{token}: {answer}");
        tokens.push(token);
        // A little less than three modems can send.
        pause(Duration::from_millis(40));
    }
    tokens
}

#[test]
fn fifty_reloads_under_load_lose_nothing_and_send_nothing_twice() {
    let emulator = Emulator::start(3, &["--air-time", "4ms", "--report-delay", "30ms"]);
    let all = configurations(&emulator);
    let gateway = all[0].start();
    gateway.wait_for_modems(3);
    let is_over = AtomicBool::new(false);
    let tokens: Vec<String> = std::thread::scope(|scope| {
        let (gateway, is_over) = (&gateway, &is_over);
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || ask(gateway, number, is_over))).collect();
        for round in 1..=RELOADS {
            gateway.reload_as(&all[round % all.len()]);
        }
        is_over.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    gateway.reload_as(&all[0]);
    assert!(tokens.len() > RELOADS, "hardly anything was asked: {}", tokens.len());
    let mut client = gateway.connect();
    for token in &tokens {
        settled(&mut client, token);
    }
    let mut on_air: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for sent in emulator.transmissions() {
        let text = sent["text"].as_str().unwrap().to_owned();
        on_air.entry(text.split(' ').next().unwrap().to_owned()).or_default().push(text);
    }
    for token in &tokens {
        let texts = on_air.get(token).map(Vec::as_slice).unwrap_or_default();
        let [text] = texts else { panic!("{token} went out {} times", texts.len()) };
        if text.contains("code") {
            let code = code_in(text.split(' ').next_back().unwrap(), 6);
            let data = json!({"reference": token, "receiver": "+628126666666", "otp": code});
            assert_eq!(client.ask("validate-otp", data)["response_code"], "000", "the code of {token}");
        }
    }
    assert_eq!(on_air.len(), tokens.len(), "and nothing else went out");
}

/// Waits until a message was sent; nothing else may become of it.
fn settled(client: &mut Client, token: &str) {
    let key = if client_id_of(token) { "id" } else { "reference" };
    wait_for(&format!("{token} to be sent"), || {
        let answer = client.ask("get-status", json!({key: token}));
        let state = answer["data"]["state"].as_str().unwrap_or_else(|| panic!("{token} is lost: {answer}")).to_owned();
        assert!(["queued", "sending", "sent", "delivered"].contains(&state.as_str()), "{token} is {answer}");
        matches!(state.as_str(), "sent" | "delivered").then_some(())
    });
}

/// Tells whether the token is that of a text, and not of a code.
fn client_id_of(token: &str) -> bool {
    let number: usize = token.split('x').nth(1).unwrap().parse().unwrap();
    number.is_multiple_of(2)
}
