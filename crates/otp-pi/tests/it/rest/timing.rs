//! What the clock tells a guesser: nothing. A wrong code, a reference that never was, and a code that is used up are all 1202, and all take
//! as long. No time is asserted: the classes are asked in turns over one connection, and it is their ranks that are compared, so a slow
//! machine slows all of them. If one class skipped the write that the others wait for, nearly all of its answers would come before
//! nearly all of theirs.

use serde_json::json;

use super::{PHONE, Stage, response_code, wrong};
use crate::harness::instant;

const ROUNDS: usize = 300;
/// Guesses that one code takes.
const ATTEMPTS: usize = 100;

/// How far from one half the share of pairs may be in which one class is slower. By chance alone it is 0.024 (one standard deviation,
/// n = m = 300); a class that skips the write is at 0.4 or more.
const TOLERANCE: f64 = 0.2;

/// The share of pairs in which the second took longer: the statistic of Mann and Whitney, over the number of pairs.
fn share_of_slower(first: &[u128], second: &[u128]) -> f64 {
    let halves: u32 = first.iter().flat_map(|a| second.iter().map(move |b| u32::from(b > a) + u32::from(b >= a))).sum();
    f64::from(halves) / 2.0 / (f64::from(u32::try_from(first.len() * second.len()).unwrap()))
}

#[test]
fn what_is_found_under_a_reference_cannot_be_told_from_the_time_of_the_answer() {
    let stage = Stage::with(|setup| {
        setup.otp = format!("max_attempts = {ATTEMPTS}\nlifetime = \"10m\"");
    });
    let used = stage.code("timing-used-0");
    assert_eq!(stage.validate("timing-used-0", &used), "000");
    // The last guess of a code would make it another class: one less than it takes, in each of two wrong guesses a round.
    let rounds_of_a_code = (ATTEMPTS - 1) / 2;
    let live: Vec<_> = (0..=ROUNDS / rounds_of_a_code)
        .map(|number| {
            let reference = format!("timing-live-{number}");
            let code = stage.code(&reference);
            (reference, code)
        })
        .collect();
    let mut client = stage.gateway.connect();
    let mut times: [Vec<u128>; 4] = Default::default();
    for round in 0..ROUNDS {
        let (reference, code) = &live[round / rounds_of_a_code];
        let unknown = format!("timing-none-{round}");
        let classes = [(reference, code), (reference, code), (&unknown, code), (&"timing-used-0".to_owned(), &used)];
        // Whoever comes first in a round is another one each time.
        for place in 0..classes.len() {
            let class = (place + round) % classes.len();
            let (reference, code) = classes[class];
            let body = json!({"command": "validate-otp", "data": {"reference": reference, "receiver": PHONE, "otp": wrong(code)}});
            let body = body.to_string();
            let begin = instant();
            let answer = client.post("/api/otp", &body).unwrap();
            times[class].push(begin.elapsed().as_nanos());
            assert_eq!(response_code(&answer.json()), "1202");
        }
    }
    let [wrong_code, again, unknown, used] = &times;
    let shares = [again, unknown, used].map(|class| share_of_slower(wrong_code, class));
    for (name, share) in ["the same again", "an unknown reference", "a used code"].iter().zip(shares) {
        assert!((share - 0.5).abs() < TOLERANCE, "{name} is slower in {share:.3} of all pairs: {shares:.3?}");
    }
}

#[test]
fn the_statistic_tells_who_is_slower_and_nothing_of_equals() {
    for (first, second, share) in [
        ([1, 2, 3, 4].as_slice(), [1, 2, 3, 4].as_slice(), 0.5),
        (&[5, 5, 5], &[5, 5, 5], 0.5),
        (&[1, 2], &[3, 4], 1.0),
        (&[3, 4], &[1, 2], 0.0),
        (&[1, 3], &[2, 4], 0.75),
    ] {
        assert_eq!(share_of_slower(first, second), share, "{first:?} {second:?}");
    }
}
