//! The REST API over real sockets: every documented request, every rule of the codes, every way to be refused.

mod again;
mod documented;
mod envelope;
mod messages;
mod otp;
mod simple;
mod texts;
mod timing;
mod transport;
mod wait;

use serde_json::{Value, json};

use crate::harness::{Emulator, Gateway, Setup, code_in};

/// A phone that gets its SMS.
const PHONE: &str = "08126666666";

/// One gateway with its emulated modems.
struct Stage {
    gateway: Gateway,
    emulator: Emulator,
}

impl Stage {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let emulator = Emulator::start(1, &[]);
        let mut setup = Setup::with(&emulator);
        change(&mut setup);
        Self { gateway: setup.start(), emulator }
    }

    fn ask(&self, command: &str, data: Value) -> Value {
        self.gateway.ask(command, data)
    }

    /// Asks for a code and answers the one that the phone shows.
    fn code(&self, reference: &str) -> String {
        let message = format!("{reference}: %s");
        let answer = self.ask("create-otp", json!({"reference": reference, "receiver": PHONE, "message": message}));
        assert_eq!(answer["response_code"], "000", "{answer}");
        code_in(&self.emulator.text_with(&format!("{reference}: ")), 6)
    }

    fn validate(&self, reference: &str, code: &str) -> String {
        let answer = self.ask("validate-otp", json!({"reference": reference, "receiver": PHONE, "otp": code}));
        response_code(&answer)
    }
}

fn response_code(answer: &Value) -> String {
    answer["response_code"].as_str().unwrap_or_else(|| panic!("no response code in {answer}")).to_owned()
}

/// Another code than this one.
fn wrong(code: &str) -> String {
    let flip = |digit: char| if digit == '9' { '0' } else { '9' };
    code.chars().enumerate().map(|(place, digit)| if place == 0 { flip(digit) } else { digit }).collect()
}

/// Refusals by the outcome that they must have: table first.
fn check_refused(gateway: &Gateway, command: &str, data: &Value, expected: &str, word: &str) {
    let answer = gateway.ask(command, data.clone());
    assert_eq!(answer["response_code"], expected, "{command} {data} → {answer}");
    let error = answer["error"].as_str().unwrap_or_default();
    assert!(error.contains(word), "{command} {data}: {word:?} is not in {error:?}");
}

fn otp_request(reference: &str) -> Value {
    json!({"reference": reference, "receiver": PHONE, "message": format!("{reference}: %s")})
}
