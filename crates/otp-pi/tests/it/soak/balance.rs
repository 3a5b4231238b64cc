//! What the gateway says became of each message, against what went through the air.

use std::collections::BTreeMap;
use std::time::Duration;

use emulator::Transmission;

use super::callers::{Asked, starts_with};
use super::{DELIVERED, LATE, LOST, Lives, TWICE, World, say};
use crate::harness::{instant, pause};

/// How long what waits may need once nothing is wrong any more.
const SETTLING: Duration = Duration::from_secs(240);

/// Waits until nothing waits, then looks whether everything is true.
pub(super) fn settle_and_balance(world: &World, lives: &Lives, asked: &[Asked], seed: u64) {
    let start = instant();
    let mut states = BTreeMap::new();
    for one in asked {
        let state = loop {
            let (answer, _) = lives.ask("get-status", &one.key());
            let state = answer["data"]["state"].as_str();
            let state = state.unwrap_or_else(|| panic!("seed {seed}: {} is lost: {answer}", one.token)).to_owned();
            if state != "queued" && state != "sending" {
                break state;
            }
            assert!(start.elapsed() < SETTLING, "seed {seed}: {} is still {state}: {answer}", one.token);
            pause(Duration::from_millis(5));
        };
        states.insert(one.token.clone(), state);
    }
    let sent = world.network.transmissions();
    assert!(sent.len() < 200_000, "the network has forgotten the first of them");
    let mut on_air: BTreeMap<&str, Vec<&Transmission>> = BTreeMap::new();
    for one in &sent {
        if let Some(token) = one.text.as_deref().and_then(token_in) {
            on_air.entry(token).or_default().push(one);
        }
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for one in asked {
        let state = states[&one.token].as_str();
        let parts = on_air.get(one.token.as_str()).map(Vec::as_slice).unwrap_or_default();
        let why = || {
            let (answer, _) = lives.ask("get-status", &one.key());
            let parts: Vec<_> = parts.iter().map(|part| (part.modem.as_str(), part.at_millis, part.part)).collect();
            format!("seed {seed}: {one:?} is {state}, and went out as {parts:?}: {answer}")
        };
        assert_eq!(doubled(parts), None, "{}", why());
        let is_whole = went_out_whole(parts);
        let is_denied = parts.iter().any(|part| part.is_denied);
        let is_true = match state {
            "sent" => is_whole,
            "delivered" => is_whole && one.fate != LOST,
            // A first part that is lost is enough, when the end of it was in doubt and the others were not sent.
            "undelivered" => !parts.is_empty() && one.fate == LOST,
            // Nobody can know: not at all, in part, or whole.
            "unknown" => true,
            // That its modem lied cannot be seen.
            "failed" | "expired" => !is_whole || is_denied,
            _ => false,
        };
        assert!(is_true, "{}", why());
        if one.was_entered {
            assert!(matches!(state, "delivered" | "sent"), "its code was entered; {}", why());
        }
        *counts.entry(states[&one.token].as_str()).or_default() += 1;
    }
    say(&format!("seed {seed}: {counts:?}"));
    let good = [DELIVERED, LATE, TWICE];
    let wanted = asked.iter().filter(|one| good.contains(&one.fate)).count();
    let arrived = asked.iter().filter(|one| good.contains(&one.fate) && states[&one.token] == "delivered").count();
    // Most of it must have worked, or the test shows nothing.
    assert!(arrived * 2 > wanted, "seed {seed}: {arrived} of {wanted} were delivered");
}

/// The first part that went out again although no modem had denied it.
fn doubled(parts: &[&Transmission]) -> Option<(u8, u8)> {
    let mut seen = Vec::new();
    for part in parts {
        if seen.contains(&part.part) {
            return Some(part.part);
        }
        if !part.is_denied {
            seen.push(part.part);
        }
    }
    None
}

/// Whether there is a phone that can put it together: all parts, under one reference.
fn went_out_whole(parts: &[&Transmission]) -> bool {
    parts.iter().any(|first| {
        let all = |number| {
            parts
                .iter()
                .any(|part| part.part == (number, first.part.1) && part.concat_reference == first.concat_reference)
        };
        (1..=first.part.1).all(all)
    })
}

/// Which message a part belongs to: the first whole word that carries a token, since the first of a later part may be cut.
fn token_in(text: &str) -> Option<&str> {
    let token = |word: &'_ str| -> Option<usize> {
        let end = word.rfind('x')?;
        let is_one = starts_with(Some(word), "C") && word.matches('x').count() == 2;
        is_one.then_some(end + 1)
    };
    text.split(' ').find_map(|word| word.get(..token(word)?))
}

#[test]
fn the_parts_of_a_long_text_are_found_by_its_words() {
    assert_eq!(token_in("C1x20x 123456"), Some("C1x20x"));
    assert_eq!(token_in("1x20xw07 C1x20xw08 C1x2"), Some("C1x20x"));
    assert_eq!(token_in("an inbound text"), None);
}
