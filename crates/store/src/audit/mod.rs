//! The record of what was done to a gateway: administrative and security events, each chained to the one before.
//!
//! For whoever has to answer for a gateway (docs/audit.md, ADR 21). `event` is what is recorded, `chain` what proves it, `ledger` the
//! writer's end, `verify` and `list` what is read. It must never hold a secret, a text, a code or a full number, and never a
//! row for a message. Called by [`crate::Store`] and the writer.

mod chain;
mod event;
mod ledger;
mod list;
mod opening;
mod verify;

pub(crate) use chain::{AuditKey, Head};
pub(crate) use event::Recorded;
pub use event::{AuditBy, AuditChange, AuditEvent, AuditKind};
pub(crate) use ledger::{Ledger, Trim, to_be_trimmed};
pub(crate) use list::list;
pub use list::{AuditFilter, AuditRow};
pub(crate) use opening::{open, start_anew};
pub(crate) use verify::verify;
pub use verify::{AuditFault, AuditMark, AuditVerdict};
