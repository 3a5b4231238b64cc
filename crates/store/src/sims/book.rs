//! The use of all SIMs in memory, shared between the writer (which changes it after a commit) and the router, which asks.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::message::MessageId;
use domain::quota::{Periods, SimUse};
use sqlx::{Row, SqliteConnection};

use super::{Charged, ReceiverTag, SimKey, record};

/// One attempt of one message.
pub(super) type AttemptKey = (MessageId, u32);

/// One SIM.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) usage: SimUse,
    /// How many messages of this month count for each receiver; those from before the start count as one.
    pub(super) receivers: HashMap<ReceiverTag, u32>,
}

#[derive(Debug, Default)]
pub(super) struct SimBook {
    pub(super) sims: HashMap<SimKey, Known>,
    /// What was counted for attempts that have not ended: no more than there are modems.
    pub(super) on_air: HashMap<AttemptKey, Charged>,
}

/// The book behind a lock that is never held across a wait.
#[derive(Debug, Default)]
pub(crate) struct SharedSims(Mutex<SimBook>);

impl SharedSims {
    /// Loads everything. A row that cannot be read is left out: its SIM is counted anew.
    pub(crate) async fn load(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let mut sims: HashMap<SimKey, Known> = HashMap::new();
        for row in sqlx::query("SELECT sim_key, record FROM sim_use").fetch_all(&mut *connection).await? {
            let (key, bytes): (&[u8], &[u8]) = (row.try_get(0)?, row.try_get(1)?);
            match key.try_into().ok().zip(record::decode(bytes)) {
                Some((key, usage)) => {
                    sims.insert(SimKey(key), Known { usage, receivers: HashMap::new() });
                }
                None => tracing::warn!("what a SIM has sent cannot be read; it is counted anew"),
            }
        }
        for row in sqlx::query("SELECT sim_key, receiver FROM sim_receiver").fetch_all(connection).await? {
            let (key, tag): (&[u8], &[u8]) = (row.try_get(0)?, row.try_get(1)?);
            let (Ok(key), Ok(tag)) = (key.try_into().map(SimKey), tag.try_into().map(ReceiverTag)) else { continue };
            if let Some(known) = sims.get_mut(&key) {
                known.receivers.insert(tag, 1);
            }
        }
        Ok(Self(Mutex::new(SimBook { sims, on_air: HashMap::new() })))
    }

    /// Lets the clock be noticed, and looks: at the use, and whether the receiver is among those of this month.
    pub(crate) fn look<T>(
        &self,
        sim: SimKey,
        receiver: Option<ReceiverTag>,
        periods: &Periods,
        see: impl FnOnce(&SimUse, bool) -> T,
    ) -> T {
        self.with(|book| {
            let Some(known) = book.sims.get_mut(&sim) else { return see(&SimUse::default(), false) };
            known.usage.settle(periods);
            let is_known = receiver.is_some_and(|tag| known.receivers.contains_key(&tag));
            see(&known.usage, is_known && known.usage.has_receivers_of(periods))
        })
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&mut SimBook) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
