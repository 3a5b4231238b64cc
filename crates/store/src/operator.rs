//! What an operator may see of messages and do with them, whoever's they are.
//!
//! The store decides what is allowed and makes it durable; telling the dispatcher is the caller's business.

use std::fmt;
use std::path::PathBuf;

use domain::clock::WallTime;
use domain::message::{MessageId, MessageState};

use crate::error::StoreError;
use crate::outbox::QueueEntry;
use crate::status::StatusRecord;

/// Which messages are listed.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// Only those in this state.
    pub state: Option<MessageState>,
    /// Only those of this API user.
    pub api_user: Option<String>,
    /// Only those accepted before this one: the `next` of the page before.
    pub before: Option<MessageId>,
    /// How many at most, 1 to 500.
    pub limit: usize,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct MessagePage {
    /// The messages, the newest first. Fewer than asked for when a long way was looked through for them.
    pub messages: Vec<StatusRecord>,
    /// Where the next page begins; None after the last.
    pub next: Option<MessageId>,
}

/// What became of an operator's cancellation. Durable when it is answered; the text says it in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// It will not be sent. The dispatcher is to be told.
    Cancelled,
    /// It does not wait any more: on air, or over.
    NotWaiting(MessageState),
    /// There is no such message.
    NotFound,
}

impl fmt::Display for CancelOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled => f.write_str("cancelled: it will not be sent"),
            Self::NotWaiting(MessageState::Sending) => {
                f.write_str("not cancelled: it is on air and cannot be called back")
            }
            Self::NotWaiting(state) => write!(f, "not cancelled: it is {state}, and only what waits can be cancelled"),
            Self::NotFound => f.write_str("there is no such message"),
        }
    }
}

/// What became of an operator's wish to send a message again. Durable when it is answered; the text says it in words.
#[derive(Debug, Clone)]
pub enum RetryOutcome {
    /// It waits again. The dispatcher is to be given this entry.
    Queued(QueueEntry),
    /// It waits or is on air anyway.
    UnderWay(MessageState),
    /// It was sent: there is nothing to be tried again.
    Sent(MessageState),
    /// It is over, and its text was wiped with that.
    TextWiped(MessageState),
    /// Its outcome is unknown, but its deadline has passed and its text was wiped.
    DeadlinePassed,
    /// Its outcome is unknown, but its text was in memory only and is lost with a restart, or was lost with its keys.
    TextLost,
    /// There is no such message.
    NotFound,
}

impl fmt::Display for RetryOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queued(_) => f.write_str("queued again: it may arrive twice"),
            Self::UnderWay(state) => write!(f, "not queued again: it is {state} and under way as it is"),
            Self::Sent(state) => write!(f, "not queued again: it is {state}"),
            Self::TextWiped(state) => {
                write!(
                    f,
                    "not queued again: it is {state}, and texts are wiped when that is final; send it as a new message"
                )
            }
            Self::DeadlinePassed => {
                f.write_str("not queued again: its deadline has passed, and with it its text; send it as a new message")
            }
            Self::TextLost => f.write_str("not queued again: its text is gone; send it as a new message"),
            Self::NotFound => f.write_str("there is no such message"),
        }
    }
}

/// An act as the writer does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Cancel,
    Retry,
}

/// What the writer found and did: the state before, and why it did nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acted {
    Done,
    Refused(MessageState),
    /// Unknown, but past its deadline.
    TooLate,
    /// Unknown, but no text is left.
    NoText,
    NotFound,
}

/// One request of an operator to the writer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ActOn {
    pub(crate) message_id: MessageId,
    pub(crate) act: Act,
    pub(crate) at: WallTime,
}

/// A copy of the database. It holds no keys, and is worth nothing without them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// The copy.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// The seal keys that it needs, by number.
    pub seal_keys: Vec<u32>,
    /// Where the keys are now: to be kept as well, and elsewhere.
    pub keys: PathBuf,
}

/// There is no backup; what was begun is removed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file is there already.
    #[error("{} exists, and a backup never overwrites; choose another name", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file could not be made.
    #[error("cannot write {}", path.display())]
    Io {
        /// The file or its directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The name is no text that SQLite takes.
    #[error("{} is no name for a backup; use plain letters", path.display())]
    BadName {
        /// The name.
        path: PathBuf,
    },
    /// The database could not be copied.
    #[error("the database could not be copied")]
    Store(#[from] StoreError),
}
