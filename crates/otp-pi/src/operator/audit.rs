//! The record of what operators and others did: read, looked through, and written before acts that are not the store's.

use std::future::Future;

use store::{AuditEvent, AuditFilter, AuditMark, AuditRow, AuditVerdict, StoreError};

use super::Operator;

/// Why an act was not done.
#[derive(Debug, thiserror::Error)]
pub enum ActError<E> {
    /// It could not be recorded.
    #[error("not done, because it could not be recorded")]
    Record(#[source] StoreError),
    /// It failed by itself.
    #[error(transparent)]
    Act(E),
}

impl Operator {
    /// Lists what was recorded, the newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit_rows(&self, filter: &AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
        self.store.audit_rows(filter).await
    }

    /// Looks whether the record is whole and as it was written.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn verify_audit(&self, noted: Option<&AuditMark>) -> Result<AuditVerdict, StoreError> {
        self.store.verify_audit(noted).await
    }

    /// Does something that is recorded first; that it came to nothing is recorded too.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn recorded<T, E>(
        &self,
        event: AuditEvent,
        act: impl Future<Output = Result<T, E>>,
    ) -> Result<T, ActError<E>> {
        let failed = event.failed();
        self.store.audit(event).await.map_err(ActError::Record)?;
        let done = act.await;
        if done.is_err() {
            // The act's own error is worth more than that of its record.
            self.store.note(failed);
        }
        done.map_err(ActError::Act)
    }
}
