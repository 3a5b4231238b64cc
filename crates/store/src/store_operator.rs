//! The handle's half for operators: lists, cancellations, second tries, backups. Of any API user's messages.

use std::path::Path;

use domain::message::{MessageId, MessageState};

use crate::audit::{AuditBy, AuditEvent, AuditKind};
use crate::error::StoreError;
use crate::operator::{
    Act, ActOn, Acted, Backup, BackupError, CancelOutcome, MessageFilter, MessagePage, RetryOutcome,
};
use crate::store::Store;
use crate::writer::job::Job;
use crate::{backup, outbox_read, status_read};

impl Store {
    /// Lists messages, the newest first, a page at a time. [`Store::find_message`] shows one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_messages(&self, filter: &MessageFilter) -> Result<MessagePage, StoreError> {
        status_read::list(&self.inner.reader, &self.inner.codec, filter).await
    }

    /// Cancels a message that waits, durably; its reference is free again when no code of it is about. After
    /// [`CancelOutcome::Cancelled`] the dispatcher may forget it; one that does not know yet is refused at its beginning.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn cancel_message(&self, id: MessageId, by: &AuditBy) -> Result<CancelOutcome, StoreError> {
        let at = self.inner.clock.now();
        let ticket_key = match &self.inner.shared_tickets {
            Some(_) => outbox_read::find_ticket_key(&self.inner.reader, id).await?,
            None => None,
        };
        let event = AuditEvent::new(AuditKind::MessageCancelled, by, id.to_string());
        let outcome = match self.act(ActOn { message_id: id, act: Act::Cancel, at }, event).await? {
            Acted::Done => CancelOutcome::Cancelled,
            Acted::Refused(state) => CancelOutcome::NotWaiting(state),
            Acted::TooLate | Acted::NoText | Acted::NotFound => CancelOutcome::NotFound,
        };
        if outcome == CancelOutcome::Cancelled
            && let (Some(shared), Some(key)) = (&self.inner.shared_tickets, ticket_key)
            && let Err(error) = shared.release(key, id, at).await
        {
            tracing::warn!(%error, "the reference of a cancelled message stays taken until its deadline");
        }
        Ok(outcome)
    }

    /// Queues a message of unknown outcome again, durably. It may arrive twice, which only a person can want. A place with
    /// the dispatcher is to be reserved before, and [`RetryOutcome::Queued`] to be handed to it.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn retry_message(&self, id: MessageId, by: &AuditBy) -> Result<RetryOutcome, StoreError> {
        let at = self.inner.clock.now();
        let event = AuditEvent::new(AuditKind::MessageRetried, by, id.to_string());
        Ok(match self.act(ActOn { message_id: id, act: Act::Retry, at }, event).await? {
            Acted::Done => match outbox_read::find_entry(&self.inner.reader, &self.inner.codec, id).await? {
                Some(entry) => RetryOutcome::Queued(entry),
                None => RetryOutcome::NotFound,
            },
            Acted::Refused(state) => match state {
                MessageState::Queued | MessageState::Sending => RetryOutcome::UnderWay(state),
                MessageState::Sent | MessageState::Delivered => RetryOutcome::Sent(state),
                MessageState::Undelivered
                | MessageState::Failed
                | MessageState::Expired
                | MessageState::Cancelled
                | MessageState::Blocked
                | MessageState::Unknown => RetryOutcome::TextWiped(state),
            },
            Acted::TooLate => RetryOutcome::DeadlinePassed,
            Acted::NoText => RetryOutcome::TextLost,
            Acted::NotFound => RetryOutcome::NotFound,
        })
    }

    /// Writes a consistent copy of the database to `path`, with mode 0600, while everything goes on: whatever was accepted
    /// before is in it. The keys are not; they belong in another place. Copied to the data directory as `otp-pi.db`, beside
    /// its keys, it is restored.
    ///
    /// # Errors
    /// [`BackupError`]; an existing file is never replaced, and nothing half-written stays behind.
    pub async fn backup(&self, path: &Path) -> Result<Backup, BackupError> {
        let bytes = backup::run(&self.inner.data_dir, path).await?;
        let keys = &self.inner.codec.keys;
        Ok(Backup {
            path: path.to_owned(),
            bytes,
            seal_keys: keys.seal_infos().iter().map(|info| info.id).collect(),
            keys: keys.place().path(),
        })
    }

    async fn act(&self, on: ActOn, event: AuditEvent) -> Result<Acted, StoreError> {
        let audit = Box::new(self.recorded(event));
        self.inner.mailbox.ask(|answer| Job::Act { on, audit, answer }).await
    }
}
