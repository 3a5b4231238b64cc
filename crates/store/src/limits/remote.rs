//! What limits count, on a server that several nodes share: one step over all its keys, and nobody in between.

use std::sync::Arc;
use std::time::Duration;

use domain::clock::Clock;
use domain::limits::{Book, LimitKey, Record, SubjectKind};
use tokio::sync::Mutex;

use super::{LimitFuture, LimitStep, LimitStore, record};
use crate::error::StoreError;
use crate::shared::{Assumed, Row, RowKey, Rows, Write, decide};

/// No rule looks further back than 31 days, and samples are younger.
const COUNTED: Duration = Duration::from_hours(32 * 24);
/// Who is known, what is usual, and wrong codes on end are remembered for 90 days.
const REMEMBERED: Duration = Duration::from_hours(91 * 24);

/// So long a step waits for those before it; a server that answers needs a thousandth of it for each.
const TURN: Duration = Duration::from_secs(4);

/// Counters on a shared server.
pub(crate) struct RemoteLimits {
    rows: Arc<dyn Rows>,
    clock: Arc<dyn Clock>,
    /// Steps of this node go one by one: many may touch one busy counter, and between them there would be but one winner a round trip.
    turn: Mutex<()>,
}

impl RemoteLimits {
    pub(crate) fn new(rows: Arc<dyn Rows>, clock: Arc<dyn Clock>) -> Self {
        Self { rows, clock, turn: Mutex::default() }
    }

    fn put(&self, key: &LimitKey, changed: &Record) -> Write {
        let usual = match key.kind() {
            SubjectKind::Receiver | SubjectKind::Country | SubjectKind::ApiUser => REMEMBERED,
            SubjectKind::Prefix | SubjectKind::Range | SubjectKind::Client => COUNTED,
        };
        let locked_until = changed.person.as_ref().and_then(|person| person.locked_until);
        let locked = locked_until.map_or(Duration::ZERO, |until| until.saturating_since(self.clock.now()));
        Write::Put { record: record::encode(changed), keep: usual.max(locked) }
    }

    fn write(&self, key: &LimitKey, before: Option<&Row>, changed: &[(LimitKey, Option<Record>)]) -> Write {
        match changed.iter().find(|(at, _)| at == key) {
            None => Write::Nothing,
            Some((_, None)) if before.is_none() => Write::Nothing,
            Some((_, None)) => Write::Delete,
            Some((_, Some(record))) => self.put(key, record),
        }
    }
}

fn row_key(key: &LimitKey) -> RowKey {
    key.as_bytes().to_vec()
}

/// A record that cannot be read is left out: it is counted anew.
fn record_of(row: &Row) -> Option<Record> {
    let found = record::decode(&row.record);
    if found.is_none() {
        tracing::warn!("a shared counter of limits cannot be read; it begins anew");
    }
    found
}

impl LimitStore for RemoteLimits {
    fn update<'a>(&'a self, keys: &'a [LimitKey], step: LimitStep<'a>) -> LimitFuture<'a, ()> {
        Box::pin(async move {
            let mut named: Vec<LimitKey> = Vec::with_capacity(keys.len());
            for key in keys {
                if !named.contains(key) {
                    named.push(*key);
                }
            }
            let row_keys: Vec<_> = named.iter().map(row_key).collect();
            // Behind a server that does not answer nobody stands in line for long.
            let turn = tokio::time::timeout(TURN, self.turn.lock()).await;
            let _turn = turn.map_err(|_| StoreError::TicketStoreAway)?;
            let deciding = |rows: &[Option<Row>]| {
                let mut book = Book::default();
                for (key, row) in named.iter().zip(rows) {
                    if let Some(record) = row.as_ref().and_then(record_of) {
                        book.restore(*key, record);
                    }
                }
                step(&mut book);
                let changed = book.take_changed(usize::MAX);
                if changed.iter().any(|(key, _)| !named.contains(key)) {
                    // A step that names too few keys is our own mistake; half of it must not be counted.
                    tracing::error!("a step of limits has changed what it did not name");
                    return Err(StoreError::Unreadable { table: "limit" });
                }
                let writes = named.iter().zip(rows).map(|(key, row)| self.write(key, row.as_ref(), &changed));
                Ok(((), writes.collect()))
            };
            decide(self.rows.as_ref(), &row_keys, Assumed::Nothing, deciding).await
        })
    }

    fn select<'a>(
        &'a self,
        wanted: &'a (dyn Fn(&LimitKey, &Record) -> bool + Send + Sync),
    ) -> LimitFuture<'a, Vec<(LimitKey, Record)>> {
        Box::pin(async move {
            let all = self.rows.all().await?;
            let read = all.into_iter().filter_map(|(key, row)| {
                let key = <[u8; 16]>::try_from(key).ok().and_then(LimitKey::from_bytes)?;
                Some((key, record_of(&row)?))
            });
            Ok(read.filter(|(key, record)| wanted(key, record)).collect())
        })
    }

    fn clear(&self) -> LimitFuture<'_, ()> {
        self.rows.clear()
    }
}
