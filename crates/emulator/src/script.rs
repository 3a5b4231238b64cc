//! Faults of a modem and manners of receivers, as a readable TOML file.
//!
//! ```toml
//! [[fault]]
//! when = "AT+CMGS"                  # prefix of the command, any case; "*" is every command
//! nth = 3                           # only the third such command (counted from 1)
//! action = "lost_answer"            # transmitted, but the answer never comes
//!
//! [[fault]]
//! when = "AT+CMGS"
//! probability = 0.05                # seeded: the same seed gives the same faults
//! modem = "modem2"                  # only this modem
//! action = { cms_error = 38 }
//!
//! [[fault]]
//! when = "AT+CMGS"
//! times = 1                         # at most once
//! action = { unplug = "after_transmission" }
//! replug_after = "3s"
//!
//! [[receiver]]
//! number = "*666"                   # exact, "prefix*" or "*suffix"
//! treatment = { fail = 70 }         # TP-ST of the delivery report, here 0x46 validity expired
//! ```
//!
//! Called by the binary and by tests. Never decides anything itself: the engine asks [`Faults`] once per command.

use std::path::Path;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use serde::Deserialize;

use crate::duration::ScriptDuration;
use crate::network::ReceiverRule;

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
    /// The text is not a script.
    #[error("script is not understood")]
    NotUnderstood(#[from] toml::de::Error),
    /// A probability outside 0 to 1.
    #[error("fault for `{when}`: probability must be between 0 and 1")]
    Probability {
        /// Command of the fault.
        when: String,
    },
}

/// Scripted faults and receivers.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Faults, asked in this order; the first that applies wins.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Fault>,
    /// Receivers that do not simply get their SMS; given to [`crate::NetworkSettings::receivers`].
    #[serde(default, rename = "receiver")]
    pub receivers: Vec<ReceiverRule>,
}

impl Script {
    /// Parses a script.
    ///
    /// # Errors
    /// Refuses unknown keys, unknown actions and impossible probabilities.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let script: Self = toml::from_str(text)?;
        for fault in &script.faults {
            if fault.probability.is_some_and(|probability| !(0.0..=1.0).contains(&probability)) {
                return Err(ScriptError::Probability { when: fault.when.clone() });
            }
        }
        Ok(script)
    }

    /// Reads a script from a file.
    ///
    /// # Errors
    /// As [`Script::parse`], or the file cannot be read.
    pub fn read(path: &Path) -> Result<Self, ScriptError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScriptError::Unreadable { path: path.display().to_string(), source })?;
        Self::parse(&text)
    }

    /// Adds a fault.
    #[must_use]
    pub fn with(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }
}

/// One fault: which commands it strikes and what happens.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Prefix of the command, `AT` included, any case; `*` strikes every command.
    pub when: String,
    /// Strikes only the n-th matching command, counted from 1.
    #[serde(default)]
    pub nth: Option<u64>,
    /// Strikes with this probability, 0 to 1.
    #[serde(default)]
    pub probability: Option<f64>,
    /// Strikes at most this often.
    #[serde(default)]
    pub times: Option<u64>,
    /// Strikes only the modem of this name.
    #[serde(default)]
    pub modem: Option<String>,
    /// What happens.
    pub action: Action,
    /// After an unplug: plugs the modem in again after this time.
    #[serde(default, deserialize_with = "crate::duration::optional::deserialize")]
    pub replug_after: Option<Duration>,
}

impl Fault {
    /// Makes a fault that strikes every command with this prefix.
    #[must_use]
    pub fn always(when: impl Into<String>, action: Action) -> Self {
        Self { when: when.into(), nth: None, probability: None, times: None, modem: None, action, replug_after: None }
    }

    /// Makes a fault that strikes the n-th command with this prefix, counted from 1.
    #[must_use]
    pub fn nth(when: impl Into<String>, nth: u64, action: Action) -> Self {
        Self { nth: Some(nth), ..Self::always(when, action) }
    }

    fn is_for(&self, command: &str) -> bool {
        self.when == "*" || command.get(..self.when.len()).is_some_and(|start| start.eq_ignore_ascii_case(&self.when))
    }
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The command is carried out (a PDU is transmitted), but nothing of its answer arrives.
    LostAnswer,
    /// The command is not carried out and nothing is answered; a PDU is swallowed after the prompt.
    LostAnswerNotTransmitted,
    /// Not carried out, `+CMS ERROR: n`; for a PDU after it was taken, as a network refuses.
    CmsError(u16),
    /// The PDU is transmitted, but `+CMS ERROR: n` is answered.
    CmsErrorTransmitted(u16),
    /// `+CMS ERROR: n` instead of the prompt.
    CmsErrorBeforePrompt(u16),
    /// Not carried out, `+CME ERROR: n`.
    CmeError(u16),
    /// Not carried out, plain `ERROR`.
    Error,
    /// This line appears between the command and its answer.
    UrcInside(String),
    /// These characters appear before the answer, as line noise does.
    Garbage(String),
    /// The answer comes this much later (after the air time of a PDU).
    Delay(ScriptDuration),
    /// The modem disappears at this step.
    Unplug(UnplugAt),
    /// What is typed next is not echoed (for `AT+CMGS`: the PDU).
    LostEcho,
    /// The prompt is `CR LF >` without the blank.
    PromptWithoutSpace,
    /// The prompt comes this much later.
    PromptLate(ScriptDuration),
    /// No prompt comes, but the modem waits for the PDU.
    PromptLost,
    /// The modem answers nothing any more until it is unplugged.
    Hang,
    /// The modem restarts instead of answering: boot lines, state lost.
    Reset,
}

/// At which step of a command the modem disappears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnplugAt {
    /// When the command arrives; nothing is carried out.
    Command,
    /// Right after the prompt.
    Prompt,
    /// After the whole PDU, before it is transmitted.
    AfterPdu,
    /// After transmission, before the final result.
    AfterTransmission,
}

/// Faults with their counters and their seeded chance.
#[derive(Debug)]
pub(crate) struct Faults {
    entries: Vec<(Fault, u64, u64)>,
    chance: ChaCha8Rng,
}

impl Faults {
    pub(crate) fn new(faults: Vec<Fault>, modem: &str, seed: u64) -> Self {
        let name_hash = modem
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let entries = faults
            .into_iter()
            .filter(|fault| fault.modem.as_deref().is_none_or(|name| name == modem))
            .map(|fault| (fault, 0, 0))
            .collect();
        Self { entries, chance: ChaCha8Rng::seed_from_u64(seed ^ name_hash) }
    }

    pub(crate) fn add(&mut self, fault: Fault) {
        self.entries.push((fault, 0, 0));
    }

    /// Counts a command (`AT+CMGS=23`) and answers the fault that strikes it.
    pub(crate) fn strike(&mut self, command: &str) -> Option<Fault> {
        let mut struck = None;
        for (fault, seen, hits) in &mut self.entries {
            if !fault.is_for(command) {
                continue;
            }
            *seen += 1;
            if struck.is_some() || fault.nth.is_some_and(|nth| nth != *seen) {
                continue;
            }
            if fault.times.is_some_and(|times| *hits >= times) {
                continue;
            }
            if let Some(probability) = fault.probability {
                // 53 bits are exactly what an f64 holds.
                let upper = u32::try_from(self.chance.next_u64() >> 32).unwrap_or(u32::MAX);
                if f64::from(upper) / 4_294_967_296.0 >= probability {
                    continue;
                }
            }
            *hits += 1;
            struck = Some(fault.clone());
        }
        struck
    }
}

#[cfg(test)]
mod tests;
