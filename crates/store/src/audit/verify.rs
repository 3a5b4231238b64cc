//! Whether the record is as it was written, row by row, and whether it is whole.

use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row as _, SqliteConnection};

use super::chain::{AuditKey, Hash, Head, Row, hex};
use super::event::AuditKind;
use super::ledger::HEAD;
use crate::db;
use crate::error::StoreError;

/// Faults that are told; the rest is counted.
const MOST_FAULTS: usize = 20;
/// Rows read at once.
const CHUNK: i64 = 256;

/// Reads all columns of rows; what follows it chooses among them.
macro_rules! select {
    () => {
        "SELECT sequence, at, event, actor, origin, subject, details, hash FROM audit"
    };
}
pub(super) use select;

/// One thing that is wrong with the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditFault {
    /// The row; 0 where it is about none in particular.
    pub sequence: i64,
    /// What is wrong, in words.
    pub what: String,
}

/// A row as it was written down elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditMark {
    /// Its number.
    pub sequence: i64,
    /// Its hash in hexadecimal digits.
    pub hash: String,
}

/// What came of looking through the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditVerdict {
    /// True when nothing is wrong.
    pub is_sound: bool,
    /// How many rows there are.
    pub rows: u64,
    /// The last row that was removed by retention; 0 when none was.
    pub trimmed_until: i64,
    /// The end of the record, to be written down elsewhere.
    pub head: Option<AuditMark>,
    /// When the last row was written, in milliseconds since the Unix epoch.
    pub last_at: Option<i64>,
    /// What is wrong, the first of it.
    pub faults: Vec<AuditFault>,
    /// How much is wrong.
    pub fault_count: u64,
}

impl AuditMark {
    fn of(sequence: i64, hash: &Hash) -> Self {
        Self { sequence, hash: hex(hash) }
    }
}

/// A row as read; None in place of what is no row of ours.
pub(super) type Stored = (i64, Option<(Row, Hash)>);

/// Reads one row.
pub(super) fn stored_row(row: &SqliteRow) -> Result<Stored, StoreError> {
    let sequence = row.try_get(0)?;
    let read = || -> Result<(Row, Vec<u8>), sqlx::Error> {
        let read = Row {
            sequence,
            at: row.try_get(1)?,
            event: row.try_get(2)?,
            actor: row.try_get(3)?,
            origin: row.try_get(4)?,
            subject: row.try_get(5)?,
            details: row.try_get(6)?,
        };
        Ok((read, row.try_get(7)?))
    };
    let whole = read().ok().and_then(|(row, hash)| Some((row, Hash::try_from(hash).ok()?)));
    Ok((sequence, whole))
}

/// Goes along the chain.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    key: &'a AuditKey,
    next: i64,
    /// The hash of the row before; None where that cannot be known.
    previous: Option<Hash>,
    last: Option<(i64, Hash)>,
    last_at: Option<i64>,
    rows: u64,
    faults: Vec<AuditFault>,
    fault_count: u64,
}

impl<'a> Walk<'a> {
    /// From the beginning.
    pub(super) fn new(key: &'a AuditKey, head: Head) -> Self {
        Self {
            key,
            next: head.anchor.saturating_add(1),
            previous: Some(head.anchor_hash),
            last: None,
            last_at: None,
            rows: 0,
            faults: Vec::new(),
            fault_count: 0,
        }
    }

    /// Judges the next row.
    pub(super) fn step(&mut self, (sequence, stored): Stored) {
        self.rows = self.rows.saturating_add(1);
        if sequence < self.next {
            return self.fault(sequence, "stands before the beginning of the record");
        }
        if sequence > self.next {
            self.missing(self.next, sequence.saturating_sub(1));
            self.previous = None;
        }
        self.next = sequence.saturating_add(1);
        let Some((row, hash)) = stored else {
            self.previous = None;
            return self.fault(sequence, "cannot be read");
        };
        if self.previous.is_some_and(|previous| self.key.link(&previous, &row) != hash) {
            self.fault(sequence, "is not as it was written");
        } else if row.event == AuditKind::Broken.as_str() {
            self.fault(sequence, "tells that the record was not found as it was left; what is before it is not proven");
        }
        (self.previous, self.last, self.last_at) = (Some(hash), Some((sequence, hash)), Some(row.at));
    }

    /// Judges the end.
    fn end(&mut self, head: Head) {
        let last = self.next.saturating_sub(1);
        if last < head.last {
            return self.missing(self.next, head.last);
        }
        if last > head.last {
            return self.fault(last, "was added behind the end");
        }
        let is_end = self.last.map_or(head.last == head.anchor, |last| last == (head.last, head.hash));
        if !is_end {
            self.fault(last, "is not the end that was written");
        }
    }

    fn missing(&mut self, first: i64, last: i64) {
        if first == last {
            self.fault(first, "is missing");
        } else {
            self.fault(first, &format!("is missing, and so is every one up to row {last}"));
        }
    }

    fn fault(&mut self, sequence: i64, what: &str) {
        self.fault_count = self.fault_count.saturating_add(1);
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(AuditFault { sequence, what: what.to_owned() });
        }
    }

    /// The last row that could be read, and its hash.
    pub(super) fn last(&self) -> Option<(i64, Hash)> {
        self.last
    }

    pub(super) fn faults(&self) -> &[AuditFault] {
        &self.faults
    }
}

/// Looks through the whole record as it is at one moment. `live` is the head that a writer at work knows; `noted` a row that was written
/// down elsewhere.
pub(crate) async fn verify(
    connection: &mut SqliteConnection,
    key: &AuditKey,
    live: Option<Head>,
    noted: Option<&AuditMark>,
) -> Result<AuditVerdict, StoreError> {
    let mut moment = connection.begin().await?;
    let kept = db::find_meta(&mut *moment, HEAD).await?;
    let head = kept.as_ref().and_then(|bytes| Head::decode(key, bytes));
    let first = if head.is_some() { None } else { first_row(&mut moment).await? };
    // Without a head the rows can still be held against each other.
    let begin = head.unwrap_or(Head { anchor: first.map_or(0, |first| first.saturating_sub(1)), ..Head::FRESH });
    let mut walk = Walk::new(key, begin);
    if head.is_none() {
        let what = if kept.is_some() {
            "the head of the record is not as it was written"
        } else {
            "the head of the record is missing"
        };
        walk.fault(0, what);
        walk.previous = (begin.anchor == 0).then_some(begin.anchor_hash);
    }
    let mut is_noted_found =
        head.zip(noted).is_some_and(|(head, noted)| noted.sequence == head.anchor && is_same(&head.anchor_hash, noted));
    let mut after = i64::MIN;
    loop {
        let rows = sqlx::query(concat!(select!(), " WHERE sequence > ?1 ORDER BY sequence LIMIT ?2"))
            .bind(after)
            .bind(CHUNK)
            .fetch_all(&mut *moment)
            .await?;
        let rows = rows.iter().map(stored_row).collect::<Result<Vec<_>, _>>()?;
        let Some((last, _)) = rows.last() else { break };
        after = *last;
        for row in rows {
            if let (Some(noted), (sequence, Some((_, hash)))) = (noted, &row) {
                is_noted_found |= noted.sequence == *sequence && is_same(hash, noted);
            }
            walk.step(row);
        }
        // Hashing thousands of rows is long; others may go on between two chunks.
        tokio::task::yield_now().await;
    }
    moment.rollback().await?;
    if let Some(head) = head {
        walk.end(head);
    }
    if live.is_some_and(|live| Some(live) != head) {
        walk.fault(0, "the database is not the one that the gateway has written: it was changed under it, or put back");
    }
    if let Some(noted) = noted.filter(|_| !is_noted_found) {
        let is_gone = head.is_some_and(|head| noted.sequence <= head.anchor);
        let what = if is_gone {
            "was removed since by retention, so what was noted of it proves nothing any more; note a later one"
        } else {
            "is not the one that was noted: the record was put back to an earlier state, or written anew"
        };
        walk.fault(noted.sequence, what);
    }
    Ok(AuditVerdict {
        is_sound: walk.fault_count == 0,
        rows: walk.rows,
        trimmed_until: begin.anchor,
        head: head.map(|head| AuditMark::of(head.last, &head.hash)),
        last_at: walk.last_at,
        faults: walk.faults,
        fault_count: walk.fault_count,
    })
}

async fn first_row(connection: &mut SqliteConnection) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query("SELECT min(sequence) FROM audit").fetch_one(connection).await?.try_get(0)?)
}

fn is_same(hash: &Hash, noted: &AuditMark) -> bool {
    AuditMark::of(noted.sequence, hash).hash.eq_ignore_ascii_case(&noted.hash)
}
