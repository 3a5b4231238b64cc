//! The handle's half for the audit record: what is recorded beside an act of its own, what is read, and whether it is sound.

use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use sqlx::{ConnectOptions, Connection};

use crate::audit::{self, AuditEvent, AuditFilter, AuditKey, AuditMark, AuditRow, AuditVerdict, Head, Recorded};
use crate::codec::{Codec, KeyCheck};
use crate::db::{self, KEY_CHECK};
use crate::error::StoreError;
use crate::keys::{Keys, LiveKeys};
use crate::store::Store;
use crate::writer::job::{Job, RareStep};

/// How often a record that grows meanwhile is looked through again.
const TRIES: u32 = 5;

/// The record of a copy could not be looked through.
#[derive(Debug, thiserror::Error)]
pub enum AuditCheckError {
    /// It is a database in use.
    #[error("{} has a journal beside it: it is in use, or was not closed; make a backup of it, and check that", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It was made with other keys.
    #[error("{} does not belong to these keys; give the configuration of the gateway that it was made by", path.display())]
    ForeignKeys {
        /// The file.
        path: PathBuf,
    },
    /// It has no record.
    #[error("{} has no audit record: it was made by an earlier version, or is no database of a gateway", path.display())]
    NoRecord {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: StoreError,
    },
}

impl Store {
    /// Records an event; durable when this returns. For acts that are not the store's: record first, then do it, and record
    /// [`AuditEvent::failed`] if it comes to nothing.
    ///
    /// # Errors
    /// [`StoreError`]; then it is not recorded, and must not be done.
    pub async fn audit(&self, event: AuditEvent) -> Result<(), StoreError> {
        let audit = vec![self.recorded(event)];
        let step = Box::new(RareStep::Audit { is_needed: true });
        self.inner.mailbox.ask(|answer| Job::Rare { step, audit, answer }).await.map(|_| ())
    }

    /// Records an event that keeps nothing from being done: durable when this returns well. One that cannot be written is counted, and the
    /// count is recorded later.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn try_audit(&self, event: AuditEvent) -> Result<(), StoreError> {
        let audit = vec![self.recorded(event)];
        let step = Box::new(RareStep::Audit { is_needed: false });
        self.inner.mailbox.ask(|answer| Job::Rare { step, audit, answer }).await.map(|_| ())
    }

    /// As [`Self::try_audit`], for which nobody waits. One that cannot be written is counted, and the count is recorded later.
    pub fn note(&self, event: AuditEvent) {
        let Some(slot) = self.try_reserve() else {
            tracing::warn!(audit.event = event.kind().as_str(), "the writer has no room: an event is not recorded");
            return;
        };
        let audit = vec![self.recorded(event)];
        let step = Box::new(RareStep::Audit { is_needed: false });
        drop(slot.post(|answer| Job::Rare { step, audit, answer }));
    }

    /// Tells what was only counted so far, in a row of its own. To be called at the end.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn close_audit(&self) -> Result<(), StoreError> {
        self.rare(RareStep::CountAudit { at: self.inner.clock.now(), is_end: true }).await
    }

    /// Lists what was recorded, the newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit_rows(&self, filter: &AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
        audit::list(&self.inner.reader, filter).await
    }

    /// Looks whether the record is as it was written, and whole; and whether it still has a row that was noted elsewhere.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub async fn verify_audit(&self, noted: Option<&AuditMark>) -> Result<AuditVerdict, StoreError> {
        let key = AuditKey::of(self.inner.codec.lookup());
        let mut tries = 0;
        loop {
            // Behind it, the head in memory is that of all that is committed.
            self.rare(RareStep::Barrier).await?;
            let before = self.audit_head();
            let mut connection = self.inner.reader.acquire().await?;
            let verdict = audit::verify(&mut connection, &key, Some(before), noted).await?;
            drop(connection);
            self.rare(RareStep::Barrier).await?;
            tries += 1;
            if self.audit_head() == before || tries == TRIES {
                return Ok(verdict);
            }
        }
    }

    fn audit_head(&self) -> Head {
        *self.inner.gauges.audit_head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn recorded(&self, event: AuditEvent) -> Recorded {
        Recorded { at: self.inner.clock.now(), event }
    }
}

/// Looks through the record of a backup. Changes nothing.
///
/// # Errors
/// [`AuditCheckError`].
pub async fn verify_audit_of(
    path: &Path,
    keys: Keys,
    noted: Option<&AuditMark>,
) -> Result<AuditVerdict, AuditCheckError> {
    let owned = || path.to_owned();
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    if std::fs::metadata(&wal).is_ok_and(|found| found.len() > 0) {
        return Err(AuditCheckError::InUse { path: owned() });
    }
    let codec = Codec::new(LiveKeys::new(keys));
    let unreadable = |source: sqlx::Error| AuditCheckError::Unreadable { path: owned(), source: source.into() };
    // Immutable: no file is made beside it.
    let options = db::options(path).create_if_missing(false).read_only(true).immutable(true);
    let mut connection = options.connect().await.map_err(unreadable)?;
    let has_record = sqlx::query("SELECT 1 FROM sqlite_schema WHERE name = 'audit'");
    if has_record.fetch_optional(&mut connection).await.map_err(unreadable)?.is_none() {
        return Err(AuditCheckError::NoRecord { path: owned() });
    }
    // Sealed before a rotation it cannot be opened; the key of the record is the same.
    if let Some(sealed) = db::find_meta(&mut connection, KEY_CHECK).await.map_err(unreadable)?
        && codec.check_keys(&sealed) == KeyCheck::Foreign
    {
        return Err(AuditCheckError::ForeignKeys { path: owned() });
    }
    let key = AuditKey::of(codec.lookup());
    let verdict = audit::verify(&mut connection, &key, None, noted).await;
    drop(connection.close().await);
    verdict.map_err(|source| AuditCheckError::Unreadable { path: owned(), source })
}
