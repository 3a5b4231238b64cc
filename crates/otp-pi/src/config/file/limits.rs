//! `[limits]` as its owner writes it.

use serde::{Deserialize, Serialize};

use super::super::units::Span;
use super::seconds;

/// `[limits]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// `"enforce"`, `"observe"` or `"off"`.
    pub mode: String,
    /// Pauses between codes to one receiver: after the first, the second, …; the last goes on.
    pub cool_down: Vec<Span>,
    /// Codes to one receiver, as `"N/period"`.
    pub codes_per_receiver: Vec<String>,
    /// Wrong codes for one receiver.
    pub wrong_per_receiver: Vec<String>,
    /// So many wrong codes on end lock a receiver, and each one after that; 0 never does.
    pub lock_after: u32,
    /// The first lock; each one after it is twice as long.
    pub lock: Span,
    /// The longest lock.
    pub longest_lock: Span,
    /// Codes to new receivers whose numbers are alike but for the last four digits.
    pub codes_per_prefix: Vec<String>,
    /// Codes to new receivers of one foreign country.
    pub codes_per_country: Vec<String>,
    /// Codes for one `client_ip`.
    pub codes_per_client: Vec<String>,
    /// Countries and prefixes besides home that SMS may go to; `"*"` is all.
    pub destinations: Vec<String>,
    /// Prefixes that SMS may not go to.
    pub destinations_denied: Vec<String>,
    /// Fewer codes entered than this share, in percent, hold new receivers back; 0 never does.
    pub alarm_below: u32,
    /// How long an API user's usual share is learned before half of it becomes the threshold, where that is more.
    pub learning: Span,
}
defaults!(Limits {
    mode: "enforce".to_owned(),
    cool_down: [30, 60, 120, 300].map(seconds).to_vec(),
    codes_per_receiver: texts(&["3/10m", "5/1h", "10/24h"]),
    wrong_per_receiver: texts(&["15/1h"]),
    lock_after: 100,
    lock: seconds(3_600),
    longest_lock: seconds(86_400),
    codes_per_prefix: texts(&["10/1h", "30/24h"]),
    codes_per_country: texts(&["50/24h"]),
    codes_per_client: texts(&["10/1h"]),
    destinations: Vec::new(),
    destinations_denied: Vec::new(),
    alarm_below: 20,
    learning: seconds(3 * 86_400),
});

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}
