//! The block list in memory, shared between the writer (which changes it after a commit) and all who ask.

use std::sync::{Arc, PoisonError, RwLock};

use domain::blocklist::{BlockEntry, Blocklist};
use domain::clock::WallTime;
use domain::receiver::{Msisdn, Receiver};
use sqlx::{Row, SqliteConnection};

use crate::codec::Codec;
use crate::error::OpenError;

/// The block list behind a lock that is never held across a wait.
#[derive(Debug)]
pub(crate) struct SharedBlocklist(RwLock<Blocklist>);

impl SharedBlocklist {
    /// Loads the list; a row that cannot be read is logged and left out, since the gateway must start.
    pub(crate) async fn load(connection: &mut SqliteConnection, codec: &Codec) -> Result<Arc<Self>, OpenError> {
        let rows = sqlx::query("SELECT receiver_key, receiver, active, changed_at FROM blocked")
            .fetch_all(connection)
            .await
            .map_err(OpenError::Database)?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            let key: Vec<u8> = row.try_get(0).map_err(OpenError::Database)?;
            let sealed: Vec<u8> = row.try_get(1).map_err(OpenError::Database)?;
            let Ok(msisdn) = codec.open_blocked(&key, &sealed) else {
                tracing::error!("a row of the block list cannot be unsealed and is left out");
                continue;
            };
            let is_active: bool = row.try_get(2).map_err(OpenError::Database)?;
            let changed_at = WallTime::from_unix_millis(row.try_get(3).map_err(OpenError::Database)?);
            entries.push(BlockEntry { msisdn, is_active, changed_at });
        }
        Ok(Arc::new(Self(RwLock::new(Blocklist::new(entries)))))
    }

    pub(crate) fn is_blocked(&self, receiver: &Receiver) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).is_blocked(receiver)
    }

    pub(crate) fn entries(&self) -> Vec<BlockEntry> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).entries().copied().collect()
    }

    pub(crate) fn apply(&self, entry: BlockEntry) {
        let mut list = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if entry.is_active {
            list.block(entry.msisdn, entry.changed_at);
        } else {
            list.unblock(entry.msisdn, entry.changed_at);
        }
    }

    pub(crate) fn delete(&self, msisdn: &Msisdn) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).delete(msisdn);
    }
}
