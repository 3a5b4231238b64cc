//! What can go wrong with the store, one enum per moment: opening, asking, running.
//!
//! Called by every module of this crate. Never carries a bound value, so never a receiver or a text.

use std::path::PathBuf;

/// Says why a data directory could not be opened. Each variant names what a person can do about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another gateway holds the data directory.
    #[error("the data directory {} is in use by another gateway or command", path.display())]
    InUse {
        /// The data directory.
        path: PathBuf,
    },
    /// Some program holds a lock on the database itself.
    #[error("the database is locked by another program")]
    Locked,
    /// The file is not a database, or its pages contradict each other.
    #[error("the database {} is corrupt; restore a backup", path.display())]
    Corrupt {
        /// The database file.
        path: PathBuf,
    },
    /// A newer gateway has written the database.
    #[error("the database has schema {found}, newer than this program's {known}; use the newer program")]
    NewerSchema {
        /// The newest schema version found in the database.
        found: i64,
        /// The newest schema version that this program knows.
        known: i64,
    },
    /// The keys are those of another database.
    #[error("the keys {} do not belong to this database; put back the keys file that it was made with, or see docs/keys.md, \
        lost keys", keys.display())]
    ForeignKeys {
        /// Where the keys come from.
        keys: PathBuf,
    },
    /// The keys are of another time: before a rotation, or after it.
    #[error("the database needs seal key {id}, which {} does not hold; put back the keys file of the same time \
        (docs/keys.md, backup)", keys.display())]
    KeyNotAtHand {
        /// The number of the key that is missing.
        id: u32,
        /// Where the keys come from.
        keys: PathBuf,
    },
    /// The disk is full.
    #[error("the disk is full")]
    DiskFull,
    /// A file or directory could not be made, read or locked.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The schema could not be brought up to date.
    #[error("cannot bring the database schema up to date")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// The server that holds the tickets cannot be used as it is told.
    #[error("cannot use the ticket store {address}: {reason}")]
    TicketStore {
        /// The server, without user and password.
        address: String,
        /// Why.
        reason: String,
    },
    /// The system's random number generator failed.
    #[error("the system has no randomness to give")]
    Randomness,
    /// The messages that were on air when the last run ended could not be settled.
    #[error("cannot settle the messages of the last run")]
    Recovery(#[source] StoreError),
    /// Anything else that the database said.
    #[error("cannot open the database")]
    Database(#[source] sqlx::Error),
}

/// Says why the store could not do what it was asked. Nothing has changed then.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk is full; the group was rolled back.
    #[error("the disk is full")]
    DiskFull,
    /// Another program holds the database.
    #[error("the database is locked by another program")]
    Locked,
    /// The writer has ended: the gateway is stopping.
    #[error("the writer has ended")]
    Closed,
    /// A row could not be understood or unsealed.
    #[error("a stored {table} row cannot be read")]
    Unreadable {
        /// The table.
        table: &'static str,
    },
    /// The system's random number generator failed.
    #[error("the system has no randomness to give")]
    Randomness,
    /// The database reports damage, or its disk fails.
    #[error("the database file is damaged or its disk fails")]
    Damaged,
    /// The server that holds the tickets does not answer, or refuses. What was asked may have been done all the same.
    #[error("the ticket store does not answer")]
    TicketStoreAway,
    /// Anything else that the database said.
    #[error("the database refused: {0}")]
    Database(std::sync::Arc<sqlx::Error>),
}

impl StoreError {
    /// Tells whether the same request may succeed later without a person's help or after space is made.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::DiskFull | Self::Locked | Self::TicketStoreAway => true,
            Self::Closed | Self::Unreadable { .. } | Self::Randomness | Self::Damaged | Self::Database(_) => false,
        }
    }
}

/// The writer could not go on. It survives full disks and locks; this is for the end of it all.
#[derive(Debug, thiserror::Error)]
pub enum WriterError {
    /// Changes recorded lazily could not be committed before the end.
    #[error("{count} recorded changes could not be committed before the end")]
    ChangesLost {
        /// How many.
        count: usize,
        /// Why the last attempt failed.
        #[source]
        source: StoreError,
    },
}

/// SQLite's primary result code out of an error, extended codes folded.
fn primary_code(error: &sqlx::Error) -> Option<i64> {
    let code = error.as_database_error()?.code()?;
    code.parse::<i64>().ok().map(|code| code & 0xff)
}

// SQLite result codes, <https://sqlite.org/rescode.html>.
const BUSY: i64 = 5;
const LOCKED: i64 = 6;
const IO_ERROR: i64 = 10;
const CORRUPT: i64 = 11;
const FULL: i64 = 13;
const NOT_A_DATABASE: i64 = 26;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match primary_code(&error) {
            Some(FULL) => Self::DiskFull,
            Some(BUSY | LOCKED) => Self::Locked,
            Some(CORRUPT | NOT_A_DATABASE | IO_ERROR) => Self::Damaged,
            _ => Self::Database(std::sync::Arc::new(error)),
        }
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::DiskFull => Self::DiskFull,
            StoreError::Locked => Self::Locked,
            StoreError::Randomness => Self::Randomness,
            other => Self::Recovery(other),
        }
    }
}

impl OpenError {
    /// Classes what the database said while `path` was being opened.
    pub(crate) fn from_database(path: &std::path::Path, error: sqlx::Error) -> Self {
        match primary_code(&error) {
            Some(FULL) => Self::DiskFull,
            Some(BUSY | LOCKED) => Self::Locked,
            Some(CORRUPT | NOT_A_DATABASE) => Self::Corrupt { path: path.to_owned() },
            _ => Self::Database(error),
        }
    }
}
