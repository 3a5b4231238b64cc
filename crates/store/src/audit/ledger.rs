//! The writer's end: rows are chained, bounded and trimmed inside the commit of whatever they are about.
//!
//! It is copied before a group and kept after its commit, so that a group which fails leaves no trace here either. The head in
//! memory is the truth as long as the process lives: a database that is changed under it does not change where the chain goes on.

use std::collections::BTreeMap;

use domain::clock::WallTime;
use sqlx::{Row as _, SqliteConnection, SqlitePool};

use super::chain::{AuditKey, Hash, Head, Row};
use super::event::{AuditBy, AuditEvent, AuditKind, Recorded};
use super::verify::{Walk, select, stored_row};
use crate::error::StoreError;

/// The row of `meta` that holds the head.
pub(super) const HEAD: &str = "audit_head";
/// What a row takes beside its texts, roughly.
const ROW_BYTES: i64 = 160;
/// Rows that one step of retention removes.
const CHUNK: i64 = 2_000;
const HOUR: i64 = 60 * 60 * 1000;
/// Rows that are too old go when the oldest is so much older still: one row about it a day, and not one an hour.
const SLACK: i64 = 24 * HOUR;

/// What the writer knows of the record.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    key: AuditKey,
    head: Head,
    windows: BTreeMap<AuditKind, Window>,
    /// Events that nobody waited for and that could not be written.
    lost: u64,
}

/// The rows of one kind in one hour.
#[derive(Debug, Clone, Copy)]
struct Window {
    began: i64,
    written: u32,
    suppressed: u64,
}

/// What is to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trim {
    /// The last row that goes.
    pub(crate) until: i64,
    pub(crate) why: &'static str,
}

impl Ledger {
    pub(super) fn new(key: AuditKey, head: Head) -> Self {
        Self { key, head, windows: BTreeMap::new(), lost: 0 }
    }

    pub(crate) fn head(&self) -> Head {
        self.head
    }

    /// Notes that an event is lost; the next row that can be written tells it.
    pub(crate) fn lose(&mut self) {
        self.lost = self.lost.saturating_add(1);
    }

    /// Writes an event, and before it whatever has to be told about earlier ones. Runs inside an open transaction.
    pub(crate) async fn append(
        &mut self,
        connection: &mut SqliteConnection,
        recorded: &Recorded,
    ) -> Result<(), StoreError> {
        let at = recorded.at.as_unix_millis();
        if self.lost > 0 {
            let lost = std::mem::take(&mut self.lost).to_string();
            let told = AuditEvent::new(AuditKind::Suppressed, &AuditBy::gateway("database"), "");
            self.write(connection, at, &told.with("events that could not be written", None, Some(&lost))).await?;
        }
        self.close_windows(connection, at, false).await?;
        let kind = recorded.event.kind;
        if let Some(most) = kind.hourly() {
            let window = self.windows.entry(kind).or_insert(Window { began: at, written: 0, suppressed: 0 });
            if window.written >= most {
                window.suppressed = window.suppressed.saturating_add(1);
                if window.suppressed > 1 {
                    return Ok(());
                }
                let told = AuditEvent::new(AuditKind::Suppressed, &AuditBy::gateway("limit"), kind.as_str());
                let rows = format!("{most} rows an hour are written, further events are counted");
                return self.write(connection, at, &told.with("limit", None, Some(&rows))).await;
            }
            window.written = window.written.saturating_add(1);
        }
        self.write(connection, at, &recorded.event).await
    }

    /// Tells how many events were counted and not written, in hours that are over; in all of them at the end.
    pub(crate) async fn close_windows(
        &mut self,
        connection: &mut SqliteConnection,
        at: i64,
        is_end: bool,
    ) -> Result<(), StoreError> {
        // A clock that was set back ends an hour too.
        let is_over = |window: &Window| is_end || at < window.began || at.saturating_sub(window.began) >= HOUR;
        let over: Vec<_> = self.windows.iter().filter(|(_, window)| is_over(window)).map(|(k, w)| (*k, *w)).collect();
        for (kind, window) in over {
            self.windows.remove(&kind);
            if window.suppressed > 0 {
                let told = AuditEvent::new(AuditKind::Suppressed, &AuditBy::gateway("limit"), kind.as_str());
                let count = window.suppressed.to_string();
                self.write(connection, at, &told.with("events that were not written", None, Some(&count))).await?;
            }
        }
        Ok(())
    }

    /// Removes the oldest rows up to that one, a chunk of them, and tells it in a row; answers how many. What was not sound about them is told
    /// too: it would go with them.
    pub(crate) async fn trim(
        &mut self,
        connection: &mut SqliteConnection,
        trim: Trim,
        at: WallTime,
    ) -> Result<u64, StoreError> {
        let rows =
            sqlx::query(concat!(select!(), " WHERE sequence > ?1 AND sequence <= ?2 ORDER BY sequence LIMIT ?3"))
                .bind(self.head.anchor)
                .bind(trim.until.min(self.head.last))
                .bind(CHUNK)
                .fetch_all(&mut *connection)
                .await?;
        let mut walk = Walk::new(&self.key, self.head);
        for row in &rows {
            walk.step(stored_row(row)?);
        }
        let (first, Some(last)) = (self.head.anchor.saturating_add(1), walk.last()) else { return Ok(0) };
        let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        sqlx::query("DELETE FROM audit WHERE sequence <= ?1").bind(last.0).execute(&mut *connection).await?;
        (self.head.anchor, self.head.anchor_hash) = last;
        let event =
            AuditEvent::new(AuditKind::Trimmed, &AuditBy::gateway("retention"), format!("rows {first} to {}", last.0));
        let mut event = event.with("why", None, Some(trim.why));
        if let Some(fault) = walk.faults().first() {
            event = event.with("not sound", None, Some(&format!("row {}: {}", fault.sequence, fault.what)));
        }
        self.write(connection, at.as_unix_millis(), &event).await?;
        Ok(count)
    }

    /// Chains one row to the last, and keeps the head.
    pub(super) async fn write(
        &mut self,
        connection: &mut SqliteConnection,
        at: i64,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let row = Row {
            sequence: self.head.last.saturating_add(1),
            at,
            event: event.kind.as_str().to_owned(),
            actor: event.by.actor.clone(),
            origin: event.by.origin.clone(),
            subject: event.subject.clone(),
            details: event.details().ok_or(StoreError::Unreadable { table: "audit" })?,
        };
        let hash = self.key.link(&self.head.hash, &row);
        insert(connection, &row, &hash).await?;
        (self.head.last, self.head.hash) = (row.sequence, hash);
        put_head(connection, &self.key, self.head).await
    }
}

async fn insert(connection: &mut SqliteConnection, row: &Row, hash: &Hash) -> Result<(), StoreError> {
    // Whatever somebody has put where the next row belongs is not the record's.
    let statement = "INSERT OR REPLACE INTO audit (sequence, at, event, actor, origin, subject, details, hash) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let query = sqlx::query(statement).bind(row.sequence).bind(row.at).bind(&row.event).bind(&row.actor);
    let query = query.bind(&row.origin).bind(&row.subject).bind(&row.details).bind(hash.as_slice());
    query.execute(connection).await?;
    Ok(())
}

/// Keeps the head.
pub(super) async fn put_head(connection: &mut SqliteConnection, key: &AuditKey, head: Head) -> Result<(), StoreError> {
    let statement = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)";
    sqlx::query(statement).bind(HEAD).bind(head.encode(key)).execute(connection).await?;
    Ok(())
}

/// Where the rows end that are too old or too much, and why; None when there are none. `until` is None while the time is not known.
pub(crate) async fn to_be_trimmed(
    reader: &SqlitePool,
    until: Option<WallTime>,
    most_bytes: u64,
) -> Result<Option<Trim>, StoreError> {
    let mut trim = None;
    if let Some(until) = until.map(WallTime::as_unix_millis) {
        let row = sqlx::query(
            "SELECT (SELECT at FROM audit ORDER BY sequence LIMIT 1), (SELECT min(sequence) FROM audit WHERE at >= ?1), \
             (SELECT max(sequence) FROM audit)",
        )
        .bind(until)
        .fetch_one(reader)
        .await?;
        let (oldest, young, last): (Option<i64>, Option<i64>, Option<i64>) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        if oldest.is_some_and(|oldest| oldest < until.saturating_sub(SLACK)) {
            trim = young.map(|young| young.saturating_sub(1)).or(last).map(|until| Trim { until, why: "age" });
        }
    }
    // Cut to nine tenths, so that not every new row costs an old one and a row about it.
    let most = i64::try_from(most_bytes).unwrap_or(i64::MAX);
    let row = sqlx::query(
        "WITH sizes AS (SELECT sequence, sum(?1 + length(CAST(actor || origin || subject || details AS BLOB))) \
         OVER (ORDER BY sequence DESC) AS total FROM audit) \
         SELECT (SELECT max(total) FROM sizes), (SELECT max(sequence) FROM sizes WHERE total > ?2)",
    )
    .bind(ROW_BYTES)
    .bind(most.saturating_sub(most / 10))
    .fetch_one(reader)
    .await?;
    let (total, until): (Option<i64>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    if total.is_some_and(|total| total > most)
        && let Some(until) = until.filter(|until| trim.is_none_or(|trim: Trim| trim.until < *until))
    {
        trim = Some(Trim { until, why: "size" });
    }
    Ok(trim)
}
