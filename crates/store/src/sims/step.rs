//! What one group's commit changes about SIMs: decided beside the book, written with the group, put into the book after the commit.

use std::collections::HashMap;

use domain::quota::{Charge, Count, SimUse};
use sqlx::SqliteConnection;

use super::book::{AttemptKey, Known, SharedSims, SimBook};
use super::{Charged, ReceiverTag, SimCharge, SimKey, record};
use crate::codec::{JsonRow, JsonRows};
use crate::error::StoreError;

const PUT_USE: &str = "INSERT OR REPLACE INTO sim_use (sim_key, record) \
     SELECT unhex(value ->> 0), unhex(value ->> 1) FROM json_each(?1)";
const FORGET_RECEIVERS: &str = "DELETE FROM sim_receiver WHERE sim_key IN (SELECT unhex(value) FROM json_each(?1))";
const PUT_RECEIVERS: &str = "INSERT OR IGNORE INTO sim_receiver (sim_key, receiver) \
     SELECT unhex(value ->> 0), unhex(value ->> 1) FROM json_each(?1)";
const DELETE_RECEIVERS: &str = "DELETE FROM sim_receiver WHERE (sim_key, receiver) IN \
     (SELECT unhex(value ->> 0), unhex(value ->> 1) FROM json_each(?1))";

/// One SIM while a group decides.
#[derive(Debug, Default)]
struct Changed {
    usage: SimUse,
    /// The counts of the receivers that were touched.
    receivers: HashMap<ReceiverTag, u32>,
    /// All others are forgotten.
    is_emptied: bool,
}

/// The changes of a group.
#[derive(Debug, Default)]
pub(crate) struct SimSteps {
    changed: HashMap<SimKey, Changed>,
    begun: Vec<(AttemptKey, Charged)>,
    ended: Vec<AttemptKey>,
}

impl SimSteps {
    fn open(&mut self, shared: &SharedSims, sim: SimKey) -> &mut Changed {
        self.changed.entry(sim).or_insert_with(|| {
            let usage = shared.with(|book| book.sims.get(&sim).map(|known| known.usage.clone()));
            Changed { usage: usage.unwrap_or_default(), ..Changed::default() }
        })
    }

    /// Counts so many parts; for an attempt, until it ends.
    pub(crate) fn charge(&mut self, shared: &SharedSims, attempt: Option<AttemptKey>, wanted: &SimCharge) -> Charged {
        let SimCharge { sim, periods, parts, price, is_paced, receiver } = *wanted;
        let cost = u64::from(price).saturating_mul(u64::from(parts));
        let charged = Charged { sim, charge: Charge { periods, count: Count { parts, cost } }, receiver };
        let changed = self.open(shared, sim);
        changed.usage.settle(&periods);
        if changed.usage.forgets_receivers(&periods) {
            changed.is_emptied = true;
            changed.receivers.clear();
        }
        let is_new = receiver.is_some_and(|tag| changed.touch(shared, sim, tag, |count| count.saturating_add(1)) == 1);
        changed.usage.add(&charged.charge, is_new, is_paced);
        self.begun.extend(attempt.map(|attempt| (attempt, charged)));
        charged
    }

    /// An attempt has ended; it is given back what was counted for it when nothing was sent.
    pub(crate) fn end(&mut self, shared: &SharedSims, attempt: AttemptKey, was_sent: bool) {
        let of_group = self.begun.iter().find(|(begun, _)| *begun == attempt).map(|(_, charged)| *charged);
        let Some(charged) = of_group.or_else(|| shared.with(|book| book.on_air.get(&attempt).copied())) else { return };
        if self.ended.contains(&attempt) {
            return;
        }
        self.ended.push(attempt);
        if !was_sent {
            self.give_back(shared, &charged);
        }
    }

    /// Gives back what was counted and not sent.
    pub(crate) fn give_back(&mut self, shared: &SharedSims, charged: &Charged) {
        let Charged { sim, charge, receiver } = *charged;
        let changed = self.open(shared, sim);
        // A receiver to whom nothing else was sent is none.
        let has_gone = receiver.is_some_and(|tag| {
            changed.count(shared, sim, tag) > 0 && changed.touch(shared, sim, tag, |count| count.saturating_sub(1)) == 0
        });
        changed.usage.take(&charge, has_gone);
    }

    /// Forgets what a SIM has sent.
    pub(crate) fn reset(&mut self, sim: SimKey) {
        self.changed.insert(sim, Changed { is_emptied: true, ..Changed::default() });
    }

    /// Writes what has changed, inside the group's transaction.
    pub(crate) async fn write(&self, shared: &SharedSims, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        let [mut uses, mut emptied, mut put, mut gone] = std::array::from_fn(|_| JsonRows::default());
        for (sim, changed) in &self.changed {
            let mut row = JsonRow::with_capacity(256);
            row.blob(&sim.0);
            row.blob(&record::encode(&changed.usage));
            uses.push(&row.finish());
            if changed.is_emptied {
                emptied.push_blob(&sim.0);
            }
            for (tag, count) in &changed.receivers {
                let mut row = JsonRow::with_capacity(64);
                row.blob(&sim.0);
                row.blob(&tag.0);
                let was_there = !changed.is_emptied && count_in(shared, *sim, *tag) > 0;
                match (was_there, *count > 0) {
                    (false, true) => put.push(&row.finish()),
                    (true, false) => gone.push(&row.finish()),
                    (true, true) | (false, false) => {}
                }
            }
        }
        for (statement, rows) in
            [(PUT_USE, uses), (FORGET_RECEIVERS, emptied), (PUT_RECEIVERS, put), (DELETE_RECEIVERS, gone)]
        {
            if let Some(rows) = rows.finish() {
                sqlx::query(statement).bind(rows).execute(&mut *connection).await?;
            }
        }
        Ok(())
    }

    /// Takes what is committed over into the book.
    pub(crate) fn apply(self, shared: &SharedSims) {
        shared.with(|book| {
            book.on_air.extend(self.begun);
            for attempt in self.ended {
                book.on_air.remove(&attempt);
            }
            for (sim, changed) in self.changed {
                take_over(book, sim, changed);
            }
        });
    }
}

fn take_over(book: &mut SimBook, sim: SimKey, changed: Changed) {
    let Known { usage, receivers } = book.sims.entry(sim).or_default();
    *usage = changed.usage;
    if changed.is_emptied {
        receivers.clear();
    }
    receivers.extend(changed.receivers);
    receivers.retain(|_, count| *count > 0);
}

impl Changed {
    fn count(&self, shared: &SharedSims, sim: SimKey, tag: ReceiverTag) -> u32 {
        match self.receivers.get(&tag) {
            Some(count) => *count,
            None if self.is_emptied => 0,
            None => count_in(shared, sim, tag),
        }
    }

    fn touch(&mut self, shared: &SharedSims, sim: SimKey, tag: ReceiverTag, change: impl FnOnce(u32) -> u32) -> u32 {
        let count = change(self.count(shared, sim, tag));
        self.receivers.insert(tag, count);
        count
    }
}

fn count_in(shared: &SharedSims, sim: SimKey, tag: ReceiverTag) -> u32 {
    shared.with(|book| book.sims.get(&sim).and_then(|known| known.receivers.get(&tag).copied()).unwrap_or(0))
}
