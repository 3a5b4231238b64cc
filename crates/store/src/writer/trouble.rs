//! When a commit fails, and when the end comes: nothing recorded is lost without a word.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::Writer;
use super::job::Job;
use crate::change::Change;
use crate::db;
use crate::error::{StoreError, WriterError};

/// How long after a failed commit the recorded changes are tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How long the end waits for callers that hold a slot.
const SLOTS_WAIT: Duration = Duration::from_secs(2);
/// Tries of the last commit before recorded changes are given up.
const LAST_TRIES: u32 = 5;

impl Writer {
    /// One commit each, so that a row that cannot be read or written fails its own job only.
    pub(super) async fn commit_singly(&mut self, changes: Vec<Change>, jobs: &mut Vec<Job>) {
        if let Err((error, rest)) = self.commit_changes_singly(changes).await {
            self.keep_for_later(rest, &error);
            return self.answer(jobs, &Err(error));
        }
        let mut trouble = Ok(());
        for mut job in jobs.drain(..) {
            if trouble.is_ok() {
                let committed = self.commit(&[], std::slice::from_mut(&mut job)).await;
                self.answer_one(job, &committed);
                trouble = committed.or_else(|error| if is_about_a_row(&error) { Ok(()) } else { Err(error) });
            } else {
                self.answer_one(job, &trouble);
            }
        }
    }

    /// One commit for all, or one each when some row cannot be read.
    pub(super) async fn commit_all(&mut self, changes: Vec<Change>) -> Result<(), (StoreError, Vec<Change>)> {
        match self.commit(&changes, &mut []).await {
            Ok(()) => Ok(()),
            Err(error) if is_about_a_row(&error) => self.commit_changes_singly(changes).await,
            Err(error) => Err((error, changes)),
        }
    }

    /// One commit each, in order. A change that its row refuses is lost and logged; at the first trouble of the disk the rest
    /// comes back, so that no change of a message overtakes another.
    pub(super) async fn commit_changes_singly(
        &mut self,
        changes: Vec<Change>,
    ) -> Result<(), (StoreError, Vec<Change>)> {
        let mut changes = changes.into_iter();
        while let Some(change) = changes.next() {
            match self.commit(std::slice::from_ref(&change), &mut []).await {
                Ok(()) => {}
                Err(error) if is_about_a_row(&error) => log_lost(&change, &error),
                Err(error) => return Err((error, std::iter::once(change).chain(changes).collect())),
            }
        }
        Ok(())
    }

    /// Notes whether the disk takes commits.
    pub(super) fn judge_disk(&self, error: Option<&StoreError>) {
        let is_writable = match error {
            None => true,
            Some(StoreError::DiskFull | StoreError::Locked | StoreError::Damaged) => false,
            // Says nothing about the disk.
            Some(_) => return,
        };
        if self.gauges.is_writable.swap(is_writable, Ordering::Relaxed) != is_writable {
            match error {
                None => tracing::info!("the database can be written again"),
                Some(error) => tracing::error!(%error, "the database cannot be written; it is tried again by itself"),
            }
        }
    }

    /// Tries whether the disk takes commits again.
    pub(super) async fn probe(&mut self) {
        self.last_began = Instant::now();
        if let Err(error) = self.commit(&[], &mut []).await {
            tracing::debug!(%error, "the database can still not be written");
        }
    }

    /// Changes outlive a full disk or a lock; one that the database refuses for its own sake is dropped.
    pub(super) fn keep_for_later(&mut self, changes: Vec<Change>, error: &StoreError) {
        if is_about_a_row(error) {
            changes.iter().for_each(|change| log_lost(change, error));
        } else if !changes.is_empty() {
            self.changes.extend(changes);
            self.changes_due = Some(Instant::now() + RETRY_AFTER);
        }
    }

    /// Takes what is left, commits it, closes the database.
    pub(super) async fn finish(mut self) -> Result<(), WriterError> {
        self.inbox.jobs.close();
        self.inbox.changes.close();
        let deadline = Instant::now() + SLOTS_WAIT;
        while let Ok(Some(job)) = tokio::time::timeout_at(deadline, self.inbox.jobs.recv()).await {
            self.jobs.push(job);
            self.work().await;
        }
        let mut tries = 0;
        let mut outcome = Ok(());
        loop {
            while let Ok(change) = self.inbox.changes.try_recv() {
                self.changes.push(change);
            }
            if self.changes.is_empty() {
                break;
            }
            let changes = std::mem::take(&mut self.changes);
            let Err((source, rest)) = self.commit_all(changes).await else { continue };
            tries += 1;
            if tries < LAST_TRIES && source.is_transient() {
                self.changes = rest;
                tokio::time::sleep(RETRY_AFTER).await;
            } else {
                outcome = Err(WriterError::ChangesLost { count: rest.len(), source });
                break;
            }
        }
        self.checkpoint().await;
        if let Err(error) = db::close(self.connection).await {
            tracing::warn!(%error, "the database was not closed in good order; the next start recovers it");
        }
        outcome
    }
}

fn log_lost(change: &Change, error: &StoreError) {
    tracing::error!(message.id = %change.message_id(), %error, "a recorded change is lost");
}

/// True for errors that belong to one job of the group and not to the disk.
pub(super) fn is_about_a_row(error: &StoreError) -> bool {
    match error {
        StoreError::Database(_) | StoreError::Unreadable { .. } => true,
        StoreError::DiskFull
        | StoreError::Locked
        | StoreError::Closed
        | StoreError::Randomness
        | StoreError::TicketStoreAway
        | StoreError::Damaged => false,
    }
}
