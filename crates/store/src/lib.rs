//! What must survive: SQLite behind one group-committing writer, tickets, seal.
//!
//! [`Store`] is the handle, [`Writer`] the one task that writes; the product runs it. Nothing here decides what may be
//! sent or which code is right: `domain` does, and this crate makes load, decide and write one atomic, durable step.
//! No text, code or number reaches the disk in clear. Called by the crate `otp-pi` only.

mod acceptance;
mod accounts;
mod api_user;
mod audit;
mod backup;
mod blocklist;
mod change;
mod codec;
mod db;
mod error;
mod inbox;
mod inbox_read;
mod keys;
pub mod limits;
mod octets;
mod operator;
mod outbox;
mod outbox_read;
mod passphrase;
mod password;
mod peek;
mod places;
mod recovery;
mod repeat;
mod replay;
mod resealing;
mod reset;
mod retention;
mod seal;
mod settings;
mod shared;
mod sims;
mod status;
mod status_read;
mod store;
mod store_admin;
mod store_audit;
mod store_inbox;
mod store_keys;
mod store_operator;
mod store_tickets;
pub mod tickets;
mod writer;

pub use acceptance::{Acceptance, Accepted, Content, IdConflict, NewMessage, Replay};
pub use api_user::{ApiUser, SecretUse};
pub use audit::{
    AuditBy, AuditChange, AuditEvent, AuditFault, AuditFilter, AuditKind, AuditMark, AuditRow, AuditVerdict,
};
pub use change::{BeginAttempt, BeginOutcome, Change, Report, ReportState, Reported};
pub use db::has_database;
pub use error::{OpenError, StoreError, WriterError};
pub use inbox::{InboundConcatenation, InboxFilter, InboxPage, InboxPartRecord, InboxRecord, Kept, NewInbound};
pub use keys::{Keys, KeysError, KeysPlace, LookupKey, Rotation};
pub use operator::{Backup, BackupError, CancelOutcome, MessageFilter, MessagePage, RetryOutcome};
pub use outbox::{OutboxMessage, QueueEntry};
pub use passphrase::{Passphrase, PassphraseError};
pub use password::{PasswordError, PasswordHasher};
pub use peek::{check_database, peek};
pub use reset::{KeysReset, ResetError, reset_keys};
pub use settings::{Retention, Settings, TextAtRest, TicketStoreKind, UnknownPolicy};
pub use shared::{AddressError, Engine, ServerAddress, check_ticket_store};
pub use sims::{Charged, ReceiverTag, Sim, SimCharge, SimKey};
pub use status::{Attempt, AttemptOutcome, Part, PartState, StatusKey, StatusRecord};
pub use store::Store;
pub use store_audit::{AuditCheckError, verify_audit_of};
pub use store_keys::{KeysStatus, PepperStatus, Resealed, RotationError, SealStatus};
pub use writer::Writer;
pub use writer::job::Slot;

#[cfg(test)]
mod tests;
