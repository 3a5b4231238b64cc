//! What a person may choose about the store. Assembled by the product's configuration, read by [`crate::Store::open`].

use std::path::PathBuf;
use std::time::Duration;

use crate::shared::ServerAddress;

/// Where tickets live.
#[derive(Debug, Clone, Default)]
pub enum TicketStoreKind {
    /// In the node's own database, in the same commit as the outbox.
    #[default]
    Sqlite,
    /// In memory: a restart forgets every code. For tests and throw-away gateways.
    Memory,
    /// On a server, for several nodes together; what limits count is there too.
    Server(ServerAddress),
}

/// What happens to a message whose sending ended in ignorance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownPolicy {
    /// It rests as `unknown` until a delivery report or a person settles it.
    #[default]
    Hold,
    /// It is queued again: the receiver may get it twice.
    Resend,
}

/// How the text of a message that waits, and the template of a code, are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TextAtRest {
    /// Sealed, in the database: a restart loses nothing that was accepted.
    #[default]
    Sealed,
    /// In memory only, never on the disk: a restart loses what waits, and records that.
    Never,
}

/// How long and how much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How long the journal keeps what happened to a message.
    pub journal: Duration,
    /// The database's size, in bytes, above which the oldest journal rows go early.
    pub max_db_bytes: u64,
    /// How long messages that came in are kept.
    pub inbox: Duration,
    /// How many parts of messages that came in are kept; the oldest go early. A part takes less than 1 KiB.
    pub max_inbox_parts: u64,
    /// How long the audit record is kept; its rows go within a day after.
    pub audit: Duration,
    /// The size of the audit record, in bytes, above which its oldest rows go early.
    pub max_audit_bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            journal: Duration::from_hours(90 * 24),
            max_db_bytes: 2 * 1024 * 1024 * 1024,
            inbox: Duration::from_hours(365 * 24),
            max_inbox_parts: 200_000,
            audit: Duration::from_hours(365 * 24),
            max_audit_bytes: 32 * 1024 * 1024,
        }
    }
}

/// The store's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory of database and keys; made with mode 0700.
    pub data_dir: PathBuf,
    /// Where tickets live.
    pub ticket_store: TicketStoreKind,
    /// How texts are kept.
    pub text_at_rest: TextAtRest,
    /// How many jobs may wait for the writer before the edge refuses.
    pub mailbox: usize,
    /// How long and how much is kept.
    pub retention: Retention,
    /// What recovery does with messages that were on air.
    pub unknown_policy: UnknownPolicy,
    /// The longest life of a code: so long an older pepper is honoured after a rotation.
    pub longest_lifetime: Duration,
}

impl Settings {
    /// Settings with safe defaults for `data_dir`.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            ticket_store: TicketStoreKind::default(),
            text_at_rest: TextAtRest::default(),
            mailbox: 1024,
            retention: Retention::default(),
            unknown_policy: UnknownPolicy::default(),
            longest_lifetime: Duration::from_mins(10),
        }
    }
}
