//! Requests that came before: found without the writer, for those that cannot be accepted now, and before a ticket is reserved in
//! another store than the writer's.
//!
//! Accepting asks nothing here: the writer finds repeated requests by itself, in the group in which it decides. It must never
//! change anything.

use domain::message::{MessageId, MessageState};
use sqlx::Row;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::acceptance::{Acceptance, Accepted, IdConflict, Replay};
use crate::error::StoreError;
use crate::replay::Remembered;
use crate::status_read;
use crate::store::Store;

/// How many requests under own ids go to another ticket store at once, at most one of each id.
const TURNS: usize = 64;

/// Where requests under one own id wait for each other: ticket and replay key lie in two stores, so only one at a time can look
/// whether it came before.
#[derive(Debug)]
pub(crate) struct Turns(Vec<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..TURNS).map(|_| Semaphore::new(1)).collect())
    }
}

impl Turns {
    /// Waits for its turn, which lasts until the answer is dropped.
    pub(crate) async fn take(&self, key: &[u8; 16]) -> Option<SemaphorePermit<'_>> {
        let [first, ..] = key;
        self.0.get(usize::from(*first) % TURNS)?.acquire().await.ok()
    }
}

impl Store {
    /// Finds the message of a request that came before, with its state: for a request that cannot be accepted now, because there is no room,
    /// its time has passed or its receiver is blocked. A retry deserves the first answer all the same.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_accepted(&self, asked: &Acceptance) -> Result<Option<(MessageId, MessageState)>, StoreError> {
        if let Some(replay) = &asked.replay
            && let Some(Accepted::Repeat { message_id, state }) = self.find_replayed(replay).await?
        {
            return Ok(Some((message_id, state)));
        }
        let Some((key, reservation)) = &asked.ticket else { return Ok(None) };
        let ticket = self.inner.tickets.find(*key).await?;
        let Some(id) = ticket.and_then(|ticket| ticket.find_answered(reservation, self.inner.clock.now())) else {
            return Ok(None);
        };
        // A ticket in another store may be ahead of its message.
        Ok(self.find_message(id).await?.map(|record| (id, record.state)))
    }

    /// What the writer would answer to a request under that key; None for one that did not come before.
    pub(crate) async fn find_replayed(&self, replay: &Replay) -> Result<Option<Accepted>, StoreError> {
        let query = sqlx::query("SELECT requests FROM replay WHERE replay_key = ?1").bind(replay.key.as_slice());
        let Some(row) = query.fetch_optional(&self.inner.reader).await? else { return Ok(None) };
        let remembered = Remembered::decode(row.try_get(0)?)?;
        let now = self.inner.clock.now().as_unix_millis();
        let Some(message_id) = remembered.find(&replay.fingerprint, now) else {
            let is_conflict = replay.conflict == IdConflict::Reject && remembered.is_in_use(now);
            return Ok(is_conflict.then_some(Accepted::IdInUse));
        };
        let record = status_read::find(&self.inner.reader, &self.inner.codec, message_id).await?;
        let state = record.map_or(MessageState::Queued, |record| record.state);
        Ok(Some(Accepted::Repeat { message_id, state }))
    }
}
