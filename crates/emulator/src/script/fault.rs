//! One fault: which commands it strikes, what happens, and at which moment of a message.
//!
//! Read from a script or made by a test; the engine does what stands here.

use std::time::Duration;

use serde::Deserialize;

use crate::duration::ScriptDuration;

/// One fault: which commands it strikes and what happens.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Prefix of the command, `AT` included, any case; `*` strikes every command.
    pub when: String,
    /// When it strikes the command; without it, at the moment that the action names.
    #[serde(default)]
    pub at: Option<Moment>,
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
        Self {
            when: when.into(),
            at: None,
            nth: None,
            probability: None,
            times: None,
            modem: None,
            action,
            replug_after: None,
        }
    }

    /// Makes a fault that strikes the n-th command with this prefix, counted from 1.
    #[must_use]
    pub fn nth(when: impl Into<String>, nth: u64, action: Action) -> Self {
        Self { nth: Some(nth), ..Self::always(when, action) }
    }

    pub(super) fn is_for(&self, command: &str) -> bool {
        self.when == "*" || command.get(..self.when.len()).is_some_and(|start| start.eq_ignore_ascii_case(&self.when))
    }

    /// Returns when it strikes, if it has a moment; the other actions last from the command to its answer.
    #[must_use]
    pub fn moment(&self) -> Option<Moment> {
        self.action.moment().map(|moment| self.at.unwrap_or(moment))
    }
}

/// What a fault does. The comment of each says when, unless the fault's `at` says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The command is carried out (a PDU is transmitted), but nothing of its answer arrives.
    LostAnswer,
    /// The command is not carried out and nothing is answered; a PDU is swallowed after the prompt.
    LostAnswerNotTransmitted,
    /// Carried out and answered, but the final result (`OK`) is missing.
    LostResult,
    /// Carried out and answered with `OK` alone: the lines before it (`+CMGS: 7`) are missing.
    LostInformation,
    /// `+CMS ERROR: n`; for a PDU after it was taken and before it is transmitted, as a network refuses.
    CmsError(u16),
    /// `cms_error` at `after_transmission`: the PDU is transmitted, but an error is answered.
    CmsErrorTransmitted(u16),
    /// `cms_error` at `command`: an error instead of the prompt.
    CmsErrorBeforePrompt(u16),
    /// `+CME ERROR: n`, at the command.
    CmeError(u16),
    /// Plain `ERROR`, at the command.
    Error,
    /// This line appears between the answer and its final result; with `\r\n` in it, several.
    UrcInside(String),
    /// These characters appear before the answer, as line noise does.
    Garbage(String),
    /// The answer comes this much later (after the air time of a PDU).
    Delay(ScriptDuration),
    /// The modem disappears at this moment.
    Unplug(Moment),
    /// What is typed next is not echoed (for `AT+CMGS`: the PDU).
    LostEcho,
    /// What is typed next is echoed although the echo is off (for `AT+CMGS`: the PDU).
    Echo,
    /// The prompt is `CR LF >` without the blank.
    PromptWithoutSpace,
    /// The prompt comes this much later.
    PromptLate(ScriptDuration),
    /// No prompt comes, but the modem waits for the PDU.
    PromptLost,
    /// The modem hears and says nothing for this time, from the command on; then it is as if nothing had been asked.
    Silence(ScriptDuration),
    /// The modem answers nothing any more until it is unplugged, from the command on.
    Hang,
    /// As `hang`, and `AT+CFUN=1,1` or another order to restart is still obeyed.
    HangUntilReset,
    /// As `hang`, until somebody opens the line again.
    HangUntilReopened,
    /// The modem restarts instead of answering, at the command: boot lines, settings lost.
    Reset,
    /// `OK` is all that is answered and nothing is carried out; a PDU is swallowed after the prompt.
    OkToEverything,
    /// Everything is answered as if it had been done (`+CMGS: 7`), and a PDU is not transmitted.
    Swallow,
    /// Nothing is carried out, and these characters are all that is answered.
    Nonsense(String),
}

impl Action {
    /// The moment at which it strikes by itself; `None` for what lasts longer than a moment.
    fn moment(&self) -> Option<Moment> {
        match self {
            Self::CmsError(_) => Some(Moment::AfterPdu),
            Self::CmsErrorTransmitted(_) | Self::UrcInside(_) | Self::Garbage(_) => Some(Moment::AfterTransmission),
            Self::CmsErrorBeforePrompt(_)
            | Self::CmeError(_)
            | Self::Error
            | Self::Silence(_)
            | Self::Hang
            | Self::HangUntilReset
            | Self::HangUntilReopened
            | Self::Reset => Some(Moment::Command),
            Self::Unplug(moment) => Some(*moment),
            Self::LostAnswer
            | Self::LostAnswerNotTransmitted
            | Self::LostResult
            | Self::LostInformation
            | Self::Delay(_)
            | Self::LostEcho
            | Self::Echo
            | Self::PromptWithoutSpace
            | Self::PromptLate(_)
            | Self::PromptLost
            | Self::OkToEverything
            | Self::Swallow
            | Self::Nonsense(_) => None,
        }
    }

    /// Whether `at` can say when it strikes.
    pub(super) fn takes_moment(&self) -> bool {
        let names_it = matches!(
            self,
            Self::Unplug(_)
                | Self::CmsErrorTransmitted(_)
                | Self::CmsErrorBeforePrompt(_)
                | Self::HangUntilReset
                | Self::HangUntilReopened
        );
        !names_it && self.moment().is_some()
    }
}

/// A moment in the life of a command. One without a prompt has only `command`, `after_transmission` (carried out, not
/// yet answered) and `after_result`; the two in between count as `command` there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// When the command arrives; nothing is carried out.
    Command,
    /// Right after the prompt.
    Prompt,
    /// After the whole PDU, before it is transmitted.
    AfterPdu,
    /// After transmission, before the answer.
    AfterTransmission,
    /// Right after the final result.
    AfterResult,
}
