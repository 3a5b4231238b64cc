//! What a SIM is worth: how it is asked, and what it was when it was asked last.

use std::fmt;
use std::time::Duration;

use domain::clock::WallTime;
use modem::{ModemHandle, UssdCode, UssdReply};
use regex_lite::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use super::amount::Amount;
use super::desk::DeskError;

/// The most bytes that a compiled pattern may take.
const PATTERN_BYTES: usize = 256 * 1024;

/// How a modem's balance is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceSettings {
    /// The code.
    pub code: UssdCode,
    /// Replies to the menus that it leads to.
    pub replies: Vec<UssdReply>,
    /// Where the amount stands in the last answer.
    pub pattern: Pattern,
    /// How often it is asked by itself; zero is never.
    pub interval: Duration,
    /// Below this a person must act.
    pub low: Option<Amount>,
}

/// One modem whose balance can be asked.
#[derive(Clone, Debug)]
pub struct BalancePlan {
    /// The modem.
    pub modem: ModemHandle,
    /// How.
    pub settings: BalanceSettings,
}

/// Where an amount stands in a text: the first group of a regular expression.
#[derive(Clone)]
pub struct Pattern(Regex);

/// Says why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is no regular expression.
    #[error("it is no regular expression: {0}")]
    Expression(String),
    /// Nothing in it says where the amount stands.
    #[error("it has no group in parentheses, which is where the amount stands")]
    NoGroup,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let regex = RegexBuilder::new(text).size_limit(PATTERN_BYTES).build();
        let regex = regex.map_err(|error| PatternError::Expression(error.to_string()))?;
        // The whole is the first.
        if regex.captures_len() < 2 {
            return Err(PatternError::NoGroup);
        }
        Ok(Self(regex))
    }

    /// Finds the amount in a text.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Amount> {
        Amount::parse(self.0.captures(text)?.get(1)?.as_str())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.as_str())
    }
}

/// What a SIM was worth, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// How much.
    pub amount: Amount,
    /// When it was told, in milliseconds since the Unix epoch.
    pub at_unix_millis: i64,
    /// Whether that was below what is set as low.
    pub is_low: bool,
    /// Of which SIM, where the modem knows it: another's balance is nobody's business.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iccid: Option<String>,
}

impl Balance {
    /// When it was told.
    #[must_use]
    pub fn at(&self) -> WallTime {
        WallTime::from_unix_millis(self.at_unix_millis)
    }
}

/// Says why there is no balance. Never with an answer in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BalanceError {
    /// Nothing says how to ask.
    #[error("no balance_code is set for this modem")]
    NotSet,
    /// The network could not be asked, or did not answer.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// The last answer waits for a reply, and none is set.
    #[error("the network waits for a reply: set balance_replies")]
    MoreAsked,
    /// The dialogue was over before all replies were given.
    #[error("the network had said its last word before all balance_replies were given")]
    OverEarly,
    /// The pattern finds no amount in the answer.
    #[error("balance_pattern finds no amount in the answer of {characters} characters; `otp-pi ussd` shows the answer")]
    NotFound {
        /// How long the answer is.
        characters: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_finds_the_amount_in_its_first_group() {
        for (pattern, text, amount) in [
            ("Rp ?([0-9.,]+)", "Sisa pulsa Anda Rp10.000, aktif s/d 31.12.2026", Some("10000")),
            ("Rp ?([0-9.,]+)", "Sisa pulsa Anda Rp 12.500,50.", Some("12500.5")),
            ("(?i)saldo: *([0-9 ,]+)", "SALDO: 1 234,50 EUR", Some("1234.5")),
            ("(-?[0-9.]+) kr", "Din saldo er -2.50 kr", Some("-2.5")),
            ("Rp([0-9]+)", "Pulsa habis", None),
            ("Rp(.*)", "Rp banyak", None),
        ] {
            let pattern = Pattern::parse(pattern).unwrap();
            assert_eq!(pattern.find(text).map(Amount::number).as_deref(), amount, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        assert_eq!(Pattern::parse("[0-9]+"), Err(PatternError::NoGroup));
        assert!(matches!(Pattern::parse("([0-9"), Err(PatternError::Expression(_))));
        assert!(matches!(Pattern::parse("((a{1000}){1000}){1000}"), Err(PatternError::Expression(_))));
    }
}
