//! Applications: they ask for codes and texts, enter codes that their users got, ask again when there is no answer.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::{DELIVERED, LATE, LOST, Lives, REFUSED, SILENT, TWICE, World};
use crate::harness::{code_in, instant, pause};

/// How long a user waits for an SMS before he goes away.
const PATIENCE: Duration = Duration::from_millis(400);

/// One request that was accepted.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) token: String,
    pub(super) kind: Kind,
    /// What becomes of SMS to its receiver: the beginning of the number.
    pub(super) fate: &'static str,
    pub(super) receiver: String,
    /// Its code was entered and taken.
    pub(super) was_entered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Otp,
    Text,
    /// A text of several parts.
    Long,
}

impl Asked {
    /// The words of the message. A long text has three parts, each with whole words of it.
    fn text(&self) -> String {
        match self.kind {
            Kind::Otp => format!("{} %s", self.token),
            Kind::Text => format!("{} text", self.token),
            Kind::Long => (0..400 / (self.token.len() + 4))
                .map(|word| format!("{}w{word:02}", self.token))
                .collect::<Vec<_>>()
                .join(" "),
        }
    }

    /// What `get-status` is asked by.
    pub(super) fn key(&self) -> Value {
        match self.kind {
            Kind::Otp => json!({"reference": self.token}),
            Kind::Text | Kind::Long => json!({"id": self.token}),
        }
    }
}

pub(super) fn call(
    world: &World,
    lives: &Lives,
    asked: &Mutex<Vec<Asked>>,
    (seed, caller): (u64, u64),
    is_over: &AtomicBool,
) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(31).wrapping_add(caller));
    let mut number = 0_u64;
    while !is_over.load(Ordering::SeqCst) {
        number += 1;
        let mut one = Asked {
            token: format!("C{caller}x{number}x"),
            kind: match rng.next_u32() % 10 {
                0..=4 => Kind::Otp,
                5..=8 => Kind::Text,
                _ => Kind::Long,
            },
            fate: match rng.next_u32() % 20 {
                0 => LOST,
                1 => SILENT,
                2 => TWICE,
                3 => REFUSED,
                4 => LATE,
                _ => DELIVERED,
            },
            receiver: String::new(),
            was_entered: false,
        };
        one.receiver = format!("{}{:07}", one.fate, caller * 1_000_000 + number);
        let (command, data) = match one.kind {
            Kind::Otp => {
                ("create-otp", json!({"reference": one.token, "receiver": one.receiver, "message": one.text()}))
            }
            Kind::Text | Kind::Long => {
                ("send-sms", json!({"id": one.token, "receiver": one.receiver, "message": one.text()}))
            }
        };
        let (answer, _) = lives.ask(command, &data);
        assert_eq!(answer["response_code"], "000", "seed {seed}: {}: {answer}", one.token);
        if one.kind == Kind::Otp && one.fate != LOST && rng.next_u32().is_multiple_of(2) {
            one.was_entered = enter(world, lives, &one, seed);
        }
        asked.lock().unwrap().push(one);
        pause(Duration::from_micros(u64::from(rng.next_u32() % 60_000)));
    }
}

/// A user gets the SMS, if it comes soon, and enters its code; true if it was taken. Of one that the modem denied to have sent, the code is
/// void, or the SMS is told as unknown: another one may come.
fn enter(world: &World, lives: &Lives, one: &Asked, seed: u64) -> bool {
    let start = instant();
    let text = loop {
        let sent = world.network.transmissions();
        let found =
            sent.iter().rev().take(4_000).find(|sent| !sent.is_denied && starts_with(sent.text.as_deref(), &one.token));
        if let Some(text) = found.and_then(|sent| sent.text.clone()) {
            break text;
        }
        if start.elapsed() > PATIENCE {
            return false;
        }
        pause(Duration::from_millis(2));
    };
    let code = code_in(&text, 6);
    let wrong = if code == "000000" { "111111" } else { "000000" };
    let guess = |code: &str| {
        let data = json!({"reference": one.token, "receiver": one.receiver, "otp": code});
        lives.ask("validate-otp", &data)
    };
    let (answer, _) = guess(wrong);
    assert_eq!(answer["response_code"], "1202", "seed {seed}: a wrong code of {}: {answer}", one.token);
    let (answer, was_asked_twice) = guess(&code);
    // The answer to the first may have been lost with the gateway's life, and the code be used.
    let is_used = answer["response_code"] == "1202" && was_asked_twice;
    assert!(answer["response_code"] == "000" || is_used, "seed {seed}: the code of {}: {answer}", one.token);
    let (answer, _) = guess(&code);
    assert_eq!(answer["response_code"], "1202", "seed {seed}: {} was entered twice: {answer}", one.token);
    true
}

pub(super) fn starts_with(text: Option<&str>, token: &str) -> bool {
    text.is_some_and(|text| text.starts_with(token))
}
