//! Limits: their notation, and that no order of requests, refunds and clocks gets more through than they allow.

use std::time::Duration;

use domain::clock::WallTime;
use domain::limits::{Book, LimitKey, Rate, Rules, admit_send, give_back_send};

/// More rates than a list of the configuration holds are left out.
const MOST_RATES: usize = 8;
/// Less than this is no clock that was set back, only requests that overtake each other.
const OVERTAKEN: Duration = Duration::from_secs(10);

/// Reads the first line as rates between commas, the rest as what happens.
pub fn rate(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (line, rest) = bytes.split_at(end);
    let line = String::from_utf8_lossy(line);
    let mut rates: Vec<Rate> = Vec::new();
    for text in line.split(',') {
        let Ok(rate) = Rate::parse(text) else { continue };
        assert!((1..=1_000_000).contains(&rate.count()), "{rate:?}");
        assert!((1..=31 * 86_400).contains(&rate.period().as_secs()), "{rate:?}");
        assert_eq!(Rate::parse(&rate.to_string()), Ok(rate), "written and read again");
        if rates.len() < MOST_RATES && rates.iter().all(|other| other.period() != rate.period()) {
            rates.push(rate);
        }
    }
    if !rates.is_empty() {
        happen(&rates, rest.get(1..).unwrap_or_default());
    }
}

/// Each two bytes are one event: what, and how much.
fn happen(rates: &[Rate], steps: &[u8]) {
    let (mut book, rules) = (Book::default(), Rules::standard("62"));
    let api_user = LimitKey::api_user(b"secret", "shop");
    let longest = rates.iter().map(|rate| rate.period()).max().unwrap_or_default();
    // What has really passed, and what the clock says.
    let mut passed = Duration::ZERO;
    let mut now = WallTime::from_unix_millis(1_800_000_000_000);
    let mut counted: Vec<(Duration, WallTime)> = Vec::new();
    let mut since_jump = 0;
    for step in steps.chunks_exact(2).take(600) {
        let [what, much] = *step else { return };
        match what % 8 {
            // Time goes by.
            0..=1 => go_on(&mut passed, &mut now, Duration::from_millis(u64::from(much) * 7)),
            2 => go_on(&mut passed, &mut now, longest.mul_f64(f64::from(much) / 200.0)),
            // The clock is set back.
            3 => {
                now = now.saturating_sub(Duration::from_secs(u64::from(much) * u64::from(what)));
                since_jump = counted.len();
            }
            // One comes to nothing.
            4 if counted.len() > since_jump => {
                let place = since_jump + usize::from(much) % (counted.len() - since_jump);
                let (_, at) = counted.remove(place);
                give_back_send(&mut book, api_user, at, now);
            }
            _ => {
                for _ in 0..=much {
                    match admit_send(&mut book, &rules, (api_user, rates), None, now) {
                        None => counted.push((passed, now)),
                        Some(refusal) => {
                            let wait = refusal.retry_after.expect("a time to come again");
                            assert!(!wait.is_zero() && wait <= longest, "{wait:?}");
                            let (mut copy, later) = (book.clone(), now.saturating_add(wait + OVERTAKEN));
                            let again = admit_send(&mut copy, &rules, (api_user, rates), None, later);
                            assert_eq!(again, None, "comes again when told");
                            break;
                        }
                    }
                }
            }
        }
        for rate in rates {
            let within = counted.iter().rev().take_while(|(at, _)| passed - *at < rate.period()).count();
            assert!(within <= rate.count() as usize, "{within} of {rate}");
        }
    }
}

fn go_on(passed: &mut Duration, now: &mut WallTime, by: Duration) {
    let by = Duration::from_millis(u64::try_from(by.as_millis()).expect("within months"));
    (*passed, *now) = (*passed + by, now.saturating_add(by));
}
