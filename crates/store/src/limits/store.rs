//! The handle's half about limits: steps in memory, and their way to the disk.

use domain::clock::WallTime;
use domain::limits::{Book, LimitKey, Record, Rules};
use sqlx::{Row, SqliteConnection};

use super::record;
use crate::codec::{JsonRow, JsonRows};
use crate::error::StoreError;
use crate::store::Store;
use crate::writer::job::RareStep;

/// Records in one commit: so many that it is worth its fsync, so few that nobody waits for them.
const CHUNK: usize = 1_000;

impl Store {
    /// Decides on what is counted under these keys, in one atomic step. What has changed is on disk within a second
    /// ([`Self::write_limits`]).
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn update_limits<T: Send>(
        &self,
        keys: &[LimitKey],
        mut decide: impl FnMut(&mut Book) -> T + Send,
    ) -> Result<T, StoreError> {
        let mut answer = None;
        self.inner.limits.update(keys, &mut |book| answer = Some(decide(book))).await?;
        answer.ok_or(StoreError::Closed)
    }

    /// What is counted under the keys that `wanted` picks.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn select_limits(
        &self,
        wanted: impl Fn(&LimitKey, &Record) -> bool + Send + Sync,
    ) -> Result<Vec<(LimitKey, Record)>, StoreError> {
        self.inner.limits.select(&wanted).await
    }

    /// Forgets whatever is counted; durable when it returns.
    ///
    /// # Errors
    /// [`StoreError`]; it is forgotten in memory then, and will be on disk.
    pub async fn clear_limits(&self) -> Result<(), StoreError> {
        self.inner.limits.clear().await?;
        self.write_limits().await
    }

    /// Writes what has changed. To be called once a second, and at the end.
    ///
    /// # Errors
    /// [`StoreError`]; what could not be written is written the next time.
    pub async fn write_limits(&self) -> Result<(), StoreError> {
        let Some(local) = &self.inner.local_limits else { return Ok(()) };
        let _writing = local.writing.lock().await;
        loop {
            let changed = local.take_changed(CHUNK);
            if changed.is_empty() {
                return Ok(());
            }
            let is_last = changed.len() < CHUNK;
            let (mut kept, mut gone) = (JsonRows::default(), JsonRows::default());
            for (key, record) in &changed {
                match record {
                    Some(record) => {
                        let mut row = JsonRow::with_capacity(256);
                        row.blob(key.as_bytes());
                        row.blob(&record::encode(record));
                        kept.push(&row.finish());
                    }
                    None => gone.push_blob(key.as_bytes()),
                }
            }
            let (kept, gone) = (kept.finish(), gone.finish());
            if let Err(error) = self.rare(RareStep::PutLimits { kept, gone }).await {
                local.keep_changed(changed.into_iter().map(|(key, _)| key));
                return Err(error);
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Forgets what holds nobody back any more. Nothing while the clock is not set: everything may look old then.
    pub fn sweep_limits(&self, rules: &Rules, now: WallTime) {
        if let Some(local) = self.inner.local_limits.as_ref().filter(|_| self.inner.clock.is_synchronised()) {
            local.sweep(rules, now);
        }
    }
}

/// Reads all that was counted when the last run ended. A row that cannot be read is left out: it is counted anew.
pub(crate) async fn load(connection: &mut SqliteConnection) -> Result<Vec<(LimitKey, Record)>, sqlx::Error> {
    let rows = sqlx::query("SELECT key, record FROM limit_counter").fetch_all(connection).await?;
    let mut records = Vec::with_capacity(rows.len());
    for row in rows {
        let (key, bytes): (&[u8], &[u8]) = (row.try_get(0)?, row.try_get(1)?);
        let key = <[u8; 16]>::try_from(key).ok().and_then(LimitKey::from_bytes);
        match key.zip(record::decode(bytes)) {
            Some(known) => records.push(known),
            None => tracing::warn!("a counter of limits cannot be read; it begins anew"),
        }
    }
    Ok(records)
}
