//! USSD: what may be asked of the network, and a dialogue that holds the modem while it lasts.
//!
//! For: codes and replies that are checked before they come near a line, and one object for one conversation with the network. Nobody is
//! waited for longer than [`crate::Timeouts`] says: a dialogue in which no reply comes is ended by the session, and messages go on. Never:
//! printing a code or an answer; they carry vouchers and balances. Called by `otp-pi`.

mod code;
mod dialogue;

pub use code::{MAX_USSD_CODE, MAX_USSD_REPLY, UssdCode, UssdCodeError, UssdRefusal, UssdReply};
pub use dialogue::UssdDialogue;
pub(crate) use dialogue::not_ready;

use gsm::{ErrorCode, UssdAnswer};
use zeroize::Zeroizing;

/// What is to be said in a dialogue.
pub(crate) enum UssdAct {
    /// A code or a reply.
    Say {
        text: Zeroizing<String>,
        /// Only in a dialogue that is open.
        is_reply: bool,
    },
    /// That nothing more comes.
    Cancel,
}

/// Prints which it is, never the text.
impl std::fmt::Debug for UssdAct {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Say { is_reply: false, .. } => "Say(a code)",
            Self::Say { is_reply: true, .. } => "Say(a reply)",
            Self::Cancel => "Cancel",
        })
    }
}

/// What came of an act; a cancelled dialogue has no answer.
pub(crate) type UssdDone = Result<Option<UssdAnswer>, UssdError>;

/// Says why there is no answer. Never with a code, a reply or an answer in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UssdError {
    /// The modem cannot be asked; nothing was said to the network.
    #[error("the modem cannot ask the network: {detail}")]
    NotReady {
        /// Why, in words.
        detail: String,
    },
    /// The modem refused to say it, in every way in which it can be written.
    #[error("the modem refused it{}", .code.map_or_else(String::new, |code| format!(": {}", code.meaning())))]
    Refused {
        /// The modem's own code, if it gave one.
        code: Option<ErrorCode>,
    },
    /// The network did not answer in time; the dialogue was ended. What was asked may have been done.
    #[error("the network gave no answer in time; what was asked may have been done")]
    NoAnswer,
    /// There is no open dialogue: it was ended by the network, or because nobody replied in time.
    #[error("the dialogue is over: the network has ended it, or no reply came in time")]
    Over,
    /// The line was lost or the modem restarted. What was asked may have been done.
    #[error("the dialogue was cut off: {detail}; what was asked may have been done")]
    Interrupted {
        /// Why, in words.
        detail: String,
    },
}
