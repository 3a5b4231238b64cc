//! The handle's half for SMS that came in: kept, listed, marked, deleted.

use std::time::Duration;

use domain::clock::WallTime;
use domain::message::MessageId;

use crate::audit::{AuditBy, AuditEvent, AuditKind};
use crate::error::StoreError;
use crate::inbox::{InboxFilter, InboxPage, InboxRecord, Kept, NewInbound};
use crate::inbox_read;
use crate::store::Store;
use crate::writer::job::{Job, RareStep, Touched};

impl Store {
    /// Keeps a part of an SMS that came in, joined with what came of the same text. Durable when this returns: from then on the
    /// copy on the SIM may go. The same part again changes nothing.
    ///
    /// # Errors
    /// [`StoreError`]; then it is not kept, and the copy must stay.
    pub async fn keep_inbound(&self, new: NewInbound) -> Result<Kept, StoreError> {
        let slot = self.inner.mailbox.reserve().await?;
        let codec = &self.inner.codec;
        // Sealed when the writer has room for it and not before, so that no rotation comes between.
        let asked = codec.keys.while_sealing(|seal| {
            let step = Box::new(RareStep::KeepInbound(Box::new(codec.inbound_row(seal, new)?)));
            Ok::<_, StoreError>(slot.post(|answer| Job::Rare { step, audit: Vec::new(), answer }))
        })?;
        let Touched { last, .. } = asked.answer().await?;
        let Some(row) = last else { return Ok(Kept::Known) };
        Ok(inbox_read::message_of_row(&self.inner.reader, row).await?.map_or(Kept::Known, Kept::New))
    }

    /// Lists messages that came in, the newest first, a page at a time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_inbox(&self, filter: &InboxFilter) -> Result<InboxPage, StoreError> {
        inbox_read::list(&self.inner.reader, &self.inner.codec, filter).await
    }

    /// One message that came in.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_inbox(&self, id: MessageId) -> Result<Option<InboxRecord>, StoreError> {
        Ok(inbox_read::load(&self.inner.reader, &self.inner.codec, &[id]).await?.pop())
    }

    /// Messages that miss parts, of which one came within `reach`; with the time when the last one did.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn waiting_inbox(&self, reach: Duration) -> Result<Vec<(MessageId, WallTime)>, StoreError> {
        inbox_read::waiting(&self.inner.reader, self.inner.clock.now(), reach).await
    }

    /// Marks a message that came in as read, or as not read; false when there is none.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn mark_inbox(&self, message_id: MessageId, is_read: bool) -> Result<bool, StoreError> {
        let step = Box::new(RareStep::MarkInbound { message_id, is_read });
        let marked = self.inner.mailbox.ask(|answer| Job::Rare { step, audit: Vec::new(), answer }).await?;
        Ok(marked.rows > 0)
    }

    /// Deletes a message that came in, durably, and records by whom; false when there is none. What it said is wiped; that it came
    /// is remembered until retention forgets it, so that a copy on a SIM does not come back.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn delete_inbox(&self, message_id: MessageId, by: &AuditBy) -> Result<bool, StoreError> {
        let event = AuditEvent::new(AuditKind::InboxDeleted, by, message_id.to_string());
        if self.find_inbox(message_id).await?.is_none() {
            return Ok(false);
        }
        let audit = vec![self.recorded(event)];
        let step = Box::new(RareStep::DeleteInbound { message_id });
        let deleted = self.inner.mailbox.ask(|answer| Job::Rare { step, audit, answer }).await?;
        Ok(deleted.rows > 0)
    }
}
