//! What goes wrong with a modem, and what becomes of SMS for which receiver, as a readable TOML file.
//!
//! ```toml
//! [[fault]]
//! when = "AT+CMGS"                  # prefix of the command, any case; "*" is every command
//! nth = 3                           # only the third such command (counted from 1)
//! action = "lost_answer"            # transmitted, but the answer never comes
//!
//! [[fault]]
//! when = "AT+CMGS"
//! at = "after_pdu"                  # not when the command comes, but when the PDU is there
//! times = 1                         # at most once
//! action = "reset"
//!
//! [[receiver]]
//! number = "*666"                   # exact, "prefix*" or "*suffix"
//! treatment = { fail = 70 }         # TP-ST of the delivery report, here 0x46 validity expired
//!
//! [[modem]]
//! name = "modem2"                   # without it every modem
//! manners = ["silent_start"]
//!
//! [[ussd]]
//! dial = "*123# 2"                  # a code, and the replies after it
//! answer = "Nomor Anda 628110000"
//! ```
//!
//! `docs/emulator-scripts.md` has the whole vocabulary. Called by the binary and by tests. Never decides anything itself:
//! the engine asks [`Faults`] once per command.

mod fault;
mod strike;
mod ussd;

use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use crate::network::ReceiverRule;
use crate::settings::{Manner, UssdForm};

pub use fault::{Action, Fault, Moment};
pub(crate) use strike::Faults;
pub use ussd::{UssdCoding, UssdRule};

/// Says why a script cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("script `{path}` cannot be read")]
    Unreadable {
        /// Path as given.
        path: String,
        /// Answer of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// The file is no script; the source says where and why.
    #[error("script `{path}` cannot be used")]
    Unusable {
        /// Path as given.
        path: String,
        /// What is wrong in it.
        #[source]
        source: Box<Self>,
    },
    /// The text is not TOML, or has keys or words that no script has.
    #[error("script is not understood")]
    NotUnderstood(#[from] toml::de::Error),
    /// A rule could never do what it says.
    #[error("line {line}: {what}")]
    Impossible {
        /// Line of the rule's heading, counted from 1.
        line: usize,
        /// What is wrong with it, and what to write instead.
        what: &'static str,
    },
}

/// Scripted faults, receivers and manners.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Script {
    /// Faults, asked in this order; the first that applies wins.
    pub faults: Vec<Fault>,
    /// Receivers that do not simply get their SMS; given to [`crate::NetworkSettings::receivers`].
    pub receivers: Vec<ReceiverRule>,
    /// Modems that differ from the book; added to [`crate::ModemSettings::manners`] when a modem starts.
    pub modems: Vec<ModemRule>,
    /// What the network answers to USSD codes; added to [`crate::ModemSettings::ussd`] when a modem starts.
    pub ussd: Vec<UssdRule>,
}

/// How modems differ from the book.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModemRule {
    /// Only the modem of this name; without it, every one.
    #[serde(default)]
    pub name: Option<String>,
    /// What it does differently.
    #[serde(default)]
    pub manners: Vec<Manner>,
    /// How it takes USSD codes, whatever its model.
    #[serde(default)]
    pub ussd_form: Option<UssdForm>,
}

/// A script as it is written, with the places of its rules.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    fault: Vec<Spanned<Fault>>,
    #[serde(default)]
    receiver: Vec<Spanned<ReceiverRule>>,
    #[serde(default)]
    modem: Vec<ModemRule>,
    #[serde(default)]
    ussd: Vec<Spanned<UssdRule>>,
}

impl Script {
    /// Parses a script.
    ///
    /// # Errors
    /// Refuses unknown keys and words, and rules that could never do what they say; names the line.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let written: Written = toml::from_str(text)?;
        let refuse = |start: usize, what| {
            let before = text.as_bytes().get(..start).unwrap_or_default();
            Err(ScriptError::Impossible { line: before.iter().filter(|byte| **byte == b'\n').count() + 1, what })
        };
        for fault in &written.fault {
            if let Some(what) = fault_problem(fault.get_ref()) {
                return refuse(fault.span().start, what);
            }
        }
        for receiver in &written.receiver {
            if let Some(what) = receiver_problem(receiver.get_ref()) {
                return refuse(receiver.span().start, what);
            }
        }
        for rule in &written.ussd {
            if let Some(what) = ussd::problem(rule.get_ref()) {
                return refuse(rule.span().start, what);
            }
        }
        Ok(Self {
            ussd: written.ussd.into_iter().map(Spanned::into_inner).collect(),
            faults: written.fault.into_iter().map(Spanned::into_inner).collect(),
            receivers: written.receiver.into_iter().map(Spanned::into_inner).collect(),
            modems: written.modem,
        })
    }

    /// Reads a script from a file.
    ///
    /// # Errors
    /// As [`Script::parse`], or the file cannot be read; names the file.
    pub fn read(path: &Path) -> Result<Self, ScriptError> {
        let name = path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|source| ScriptError::Unreadable { path: name.clone(), source })?;
        Self::parse(&text).map_err(|source| ScriptError::Unusable { path: name, source: Box::new(source) })
    }

    /// Adds a fault.
    #[must_use]
    pub fn with(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// The modems that the script names, each as often as it does.
    pub fn modem_names(&self) -> impl Iterator<Item = &str> {
        let of_faults = self.faults.iter().filter_map(|fault| fault.modem.as_deref());
        let of_ussd = self.ussd.iter().filter_map(|rule| rule.modem.as_deref());
        of_faults.chain(self.modems.iter().filter_map(|modem| modem.name.as_deref())).chain(of_ussd)
    }

    /// How the modem of this name takes USSD codes, if the script says so.
    pub(crate) fn ussd_form_of(&self, modem: &str) -> Option<UssdForm> {
        let is_for = move |rule: &&ModemRule| rule.name.as_deref().is_none_or(|name| name == modem);
        self.modems.iter().filter(is_for).find_map(|rule| rule.ussd_form)
    }

    /// What the network answers the modem of this name.
    pub(crate) fn ussd_of(&self, modem: &str) -> impl Iterator<Item = &UssdRule> {
        self.ussd.iter().filter(move |rule| rule.modem.as_deref().is_none_or(|name| name == modem))
    }

    /// What the modem of this name does differently.
    pub(crate) fn manners_of(&self, modem: &str) -> impl Iterator<Item = Manner> {
        let is_for = move |rule: &&ModemRule| rule.name.as_deref().is_none_or(|name| name == modem);
        self.modems.iter().filter(is_for).flat_map(|rule| rule.manners.iter().copied())
    }
}

/// What keeps a fault from ever doing what it says.
fn fault_problem(fault: &Fault) -> Option<&'static str> {
    let has_start = |start: &str| fault.when.get(..start.len()).is_some_and(|it| it.eq_ignore_ascii_case(start));
    if fault.when != "*" && !has_start("AT") {
        return Some("`when` begins with AT, as commands do; \"*\" is every command");
    }
    if fault.nth == Some(0) || fault.times == Some(0) {
        return Some("`nth` and `times` count from 1");
    }
    if fault.probability.is_some_and(|probability| !(0.0..=1.0).contains(&probability)) {
        return Some("`probability` is between 0 and 1");
    }
    if fault.replug_after.is_some() && !matches!(fault.action, Action::Unplug(_)) {
        return Some("`replug_after` needs an action `unplug`");
    }
    if fault.at.is_some() && !fault.action.takes_moment() {
        return Some("this action has its own time: leave out `at`");
    }
    None
}

/// What keeps a receiver from ever being met.
fn receiver_problem(rule: &ReceiverRule) -> Option<&'static str> {
    let digits = rule.number.strip_prefix('*').or_else(|| rule.number.strip_suffix('*')).unwrap_or(&rule.number);
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_something = !rule.number.is_empty();
    (!is_number || !is_something).then_some("`number` is digits without +, with one * before or after them, or *")
}

#[cfg(test)]
mod tests;
