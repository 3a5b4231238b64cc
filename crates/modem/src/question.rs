//! What a modem answered to a command that a person or a check asked.
//!
//! Never: printing an answer in `Debug`; it may hold a message. Given by [`crate::ModemHandle::ask`] and
//! [`crate::Inquiry::ask`].

use std::fmt;
use std::time::Duration;

use gsm::FinalResult;
use zeroize::Zeroizing;

use crate::command::Command;

/// The longest patience with one command; a search for networks takes three minutes.
pub const LONGEST_PATIENCE: Duration = Duration::from_secs(300);

/// A command on its way to the line.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) command: Command,
    /// How long the final result may take, counted from the command.
    pub(crate) patience: Duration,
}

/// A whole answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The lines before the final result, as the modem wrote them; what comes unasked is not among them.
    pub lines: Vec<Zeroizing<String>>,
    /// Whether there were more lines than are kept (512 lines, 64 KiB).
    pub is_cut: bool,
    /// How it ended.
    pub result: FinalResult,
    /// The same in the modem's own words, such as `OK` or `+CME ERROR: 10`.
    pub result_line: String,
}

/// Prints how long the answer is and how it ended.
impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Answer")
            .field("lines", &self.lines.len())
            .field("is_cut", &self.is_cut)
            .field("result", &self.result)
            .finish()
    }
}

/// Says why there is no whole answer.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The line is not open, or the modem does not answer at all; nothing was asked.
    #[error("the modem cannot be asked: {detail}")]
    NotOpen {
        /// Why, in words.
        detail: String,
    },
    /// No final result came in time; what came before is kept. The conversation is brought back in step.
    #[error("the modem gave no final result in time")]
    NoResult {
        /// The lines that came.
        lines: Vec<Zeroizing<String>>,
    },
    /// The modem waited for a text; it was told that none comes.
    #[error("the command waits for a text; it was left with ESC and nothing was sent")]
    Prompted,
    /// The line was lost or the modem restarted before the final result.
    #[error("the answer was cut off: {detail}")]
    Interrupted {
        /// Why, in words.
        detail: String,
    },
}

/// Prints which error it is, never a line.
impl fmt::Debug for AskError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "AskError({self})")
    }
}
