//! What a person is told about modems: text for the eye, JSON for scripts, and one conclusion for the exit code.
//!
//! Called by the commands `otp-pi modem …` and by whoever answers for them in a running gateway. It is pure; it must never
//! ask a modem anything, and never show the SIM's own number or its IMSI in full.

mod answer;
mod lines;
mod manual;
mod report;
mod sim_use;
mod standing;
mod tool;
mod ussd;

pub use answer::{answer, no_answer};
pub use lines::{ListedBalance, ListedLine, MatchedModem, lines};
pub use manual::{Manual, PartState, manual};
pub use report::{Checked, reports};
pub use sim_use::{SimUseView, UseView};
pub use standing::{Healing, Standing, drained, resumed};
pub use tool::{card, imei, no_tool, restored};
pub use ussd::{balance, ussd, ussd_ended};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a command came to.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Conclusion {
    /// Done; for a modem: it can send.
    Good,
    /// Done, and something should be seen to.
    Warned,
    /// Failed or refused; for a modem: it cannot send.
    Bad,
    /// It cannot be known, or a part of it happened: not to be repeated blindly.
    Unclear,
}

impl Conclusion {
    /// The word for scripts.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warned => "warned",
            Self::Bad => "bad",
            Self::Unclear => "unclear",
        }
    }
}

/// One result, both ways.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rendered {
    /// For the eye; lines without the last line end.
    pub text: String,
    /// For scripts.
    pub json: Value,
    /// For the exit code.
    pub conclusion: Conclusion,
}

/// Two columns, the first padded so that the second begins at one place.
fn table(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| format!("  {name:width$}  {value}\n");
    rows.iter().map(line).collect()
}

/// Breaks a text into lines of at most `width` characters, with `indent` before all but the first.
fn wrapped(text: &str, indent: usize, width: usize) -> String {
    let mut shown = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            shown.push('\n');
            shown.extend(std::iter::repeat_n(' ', indent));
            used = 0;
        } else if used > 0 {
            shown.push(' ');
            used += 1;
        }
        shown.push_str(word);
        used += length;
    }
    shown
}

#[cfg(test)]
mod tests;
