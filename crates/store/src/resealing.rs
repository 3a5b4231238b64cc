//! After a rotation: everything sealed is sealed anew, chunk by chunk, while the gateway works.
//!
//! One walk for each table. A chunk is read, opened and sealed beside the writer and given to it as one job of bounded size,
//! which replaces a value only if it is still the one that was read. Nothing is noted on the way: what is done already is
//! passed over, so a walk that a crash cut short begins again and comes to its end. A row moves from outbox to journal
//! unopened, so the outbox is walked first. Called by [`crate::Store`].

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};
use tokio::time::Instant;

use crate::codec::{BLOCKED, CHECK, CONTENT, JsonRow, JsonRows, SETTING, SUMMARY};
use crate::error::StoreError;
use crate::inbox::INBOUND;
use crate::keys::LiveKeys;
use crate::seal::{Column, SealError, SealKey, SealedBy, sealed_by};
use crate::writer::job::{Job, Mailbox, RareStep, Touched};

/// Rows read at once, and values replaced in one commit.
const CHUNK: i64 = 256;
/// Bytes that tell two sealed values apart: form, key and most of the nonce.
const MARK: usize = 28;

/// One table's walk. `select` answers cursor, row and the sealed columns after `?1`, at most `?2` rows in the order of the
/// cursor; each `replace` takes rows of cursor, mark of the old value, new value.
struct Walk {
    start: Cursor,
    columns: &'static [Column],
    select: &'static str,
    replace: &'static [&'static str],
}

/// Where a walk is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cursor {
    Id(i64),
    Key(Vec<u8>),
}

macro_rules! replace_by_id {
    ($table:literal, $column:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " SET ",
            $column,
            " = c.sealed FROM (SELECT value ->> 0 AS id, unhex(value ->> 1) AS mark, ",
            "unhex(value ->> 2) AS sealed FROM json_each(?1)) AS c WHERE ",
            $table,
            ".id = c.id AND substr(",
            $table,
            ".",
            $column,
            ", 1, 28) = c.mark"
        )
    };
}

const WALKS: [Walk; 6] = [
    // First, so that keys of another time are noticed at the next start.
    Walk {
        start: Cursor::Key(Vec::new()),
        columns: &[CHECK],
        select: "SELECT CAST(name AS BLOB), x'', value FROM meta WHERE name = 'key_check' AND CAST(name AS BLOB) > ?1 LIMIT ?2",
        replace: &["UPDATE meta SET value = unhex(c.value ->> 2) FROM json_each(?1) AS c \
             WHERE meta.name = CAST(unhex(c.value ->> 0) AS TEXT) AND substr(meta.value, 1, 28) = unhex(c.value ->> 1)"],
    },
    Walk {
        start: Cursor::Id(i64::MIN),
        columns: &[SUMMARY, CONTENT],
        select: "SELECT id, message_id, summary, content FROM outbox WHERE id > ?1 ORDER BY id LIMIT ?2",
        replace: &[replace_by_id!("outbox", "summary"), replace_by_id!("outbox", "content")],
    },
    Walk {
        start: Cursor::Id(i64::MIN),
        columns: &[SUMMARY, CONTENT],
        select: "SELECT id, message_id, summary, content FROM journal WHERE id > ?1 ORDER BY id LIMIT ?2",
        replace: &[replace_by_id!("journal", "summary"), replace_by_id!("journal", "content")],
    },
    Walk {
        start: Cursor::Id(i64::MIN),
        columns: &[INBOUND],
        select: "SELECT id, fingerprint, content FROM inbox WHERE id > ?1 ORDER BY id LIMIT ?2",
        replace: &[replace_by_id!("inbox", "content")],
    },
    Walk {
        start: Cursor::Key(Vec::new()),
        columns: &[BLOCKED],
        select: "SELECT receiver_key, receiver_key, receiver FROM blocked WHERE receiver_key > ?1 \
             ORDER BY receiver_key LIMIT ?2",
        replace: &["UPDATE blocked SET receiver = unhex(c.value ->> 2) FROM json_each(?1) AS c \
             WHERE blocked.receiver_key = unhex(c.value ->> 0) AND substr(blocked.receiver, 1, 28) = unhex(c.value ->> 1)"],
    },
    Walk {
        start: Cursor::Key(Vec::new()),
        columns: &[SETTING],
        select: "SELECT CAST(key AS BLOB), CAST(key AS BLOB), value FROM setting \
             WHERE is_sealed AND CAST(key AS BLOB) > ?1 ORDER BY CAST(key AS BLOB) LIMIT ?2",
        replace: &["UPDATE setting SET value = unhex(c.value ->> 2) FROM json_each(?1) AS c WHERE is_sealed \
             AND setting.key = CAST(unhex(c.value ->> 0) AS TEXT) AND substr(setting.value, 1, 28) = unhex(c.value ->> 1)"],
    },
];

/// What one look through everything found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pass {
    /// Values that were not sealed as they should be, and are now.
    pub(crate) resealed: u64,
    /// Values that no key opens. They are lost already, and hold up nothing.
    pub(crate) unreadable: u64,
}

/// A row as read: cursor, row, sealed values (None where there is none).
type ReadRow = (Cursor, Vec<u8>, Vec<Option<Vec<u8>>>);

/// New values of one chunk: for each column the rows of its statement.
#[derive(Default)]
struct Renewed {
    rows: Vec<JsonRows>,
    found: u64,
    unreadable: u64,
}

/// Looks through everything once and seals anew what is not sealed with the current key and in the current form.
pub(crate) async fn pass(mailbox: &Mailbox, reader: &SqlitePool, keys: &LiveKeys) -> Result<Pass, StoreError> {
    let mut sum = Pass::default();
    for walk in &WALKS {
        let mut cursor = walk.start.clone();
        loop {
            let began = Instant::now();
            let rows = read(reader, walk, &cursor).await?;
            let Some((last, ..)) = rows.last() else { break };
            cursor = last.clone();
            let seal = keys.seal();
            let columns = walk.columns;
            // Cryptography for hundreds of values is too long for a task's thread.
            let renewed = tokio::task::spawn_blocking(move || renew(&seal, columns, rows));
            let renewed = renewed.await.map_err(|_| StoreError::Closed)??;
            sum.unreadable = sum.unreadable.saturating_add(renewed.unreadable);
            sum.resealed = sum.resealed.saturating_add(renewed.found);
            if write(mailbox, walk, renewed).await? {
                // As long as it took, the writer has for others.
                tokio::time::sleep(began.elapsed()).await;
            }
        }
    }
    Ok(sum)
}

/// Counts the sealed values by who sealed them.
pub(crate) async fn count(reader: &SqlitePool) -> Result<BTreeMap<SealedBy, u64>, StoreError> {
    let mut counts = BTreeMap::new();
    for walk in &WALKS {
        let mut cursor = walk.start.clone();
        loop {
            let rows = read(reader, walk, &cursor).await?;
            let Some((last, ..)) = rows.last() else { break };
            cursor = last.clone();
            for by in rows.iter().flat_map(|(_, _, values)| values).flatten().filter_map(|value| sealed_by(value)) {
                let count: &mut u64 = counts.entry(by).or_default();
                *count = count.saturating_add(1);
            }
        }
    }
    Ok(counts)
}

async fn read(reader: &SqlitePool, walk: &Walk, after: &Cursor) -> Result<Vec<ReadRow>, StoreError> {
    let query = sqlx::query(walk.select);
    let query = match after {
        Cursor::Id(id) => query.bind(*id),
        Cursor::Key(key) => query.bind(key.clone()),
    };
    let rows = query.bind(CHUNK).fetch_all(reader).await?;
    rows.iter().map(|row| read_row(row, after, walk.columns.len())).collect()
}

fn read_row(row: &SqliteRow, after: &Cursor, columns: usize) -> Result<ReadRow, StoreError> {
    let cursor = match after {
        Cursor::Id(_) => Cursor::Id(row.try_get(0)?),
        Cursor::Key(_) => Cursor::Key(row.try_get(0)?),
    };
    let values = (0..columns).map(|column| row.try_get(column.saturating_add(2))).collect::<Result<_, _>>()?;
    Ok((cursor, row.try_get(1)?, values))
}

/// Opens and seals anew what needs it.
fn renew(seal: &Arc<SealKey>, columns: &'static [Column], rows: Vec<ReadRow>) -> Result<Renewed, StoreError> {
    let mut renewed = Renewed { rows: columns.iter().map(|_| JsonRows::default()).collect(), ..Renewed::default() };
    let head = seal.head();
    for (cursor, row, values) in rows {
        for ((column, out), value) in columns.iter().zip(&mut renewed.rows).zip(values) {
            // An empty value is one that was given up with its keys, or a content in memory.
            let Some(old) = value.filter(|value| !value.is_empty() && !value.starts_with(&head)) else { continue };
            let clear = match seal.open(*column, &row, &old) {
                Ok(clear) => clear,
                Err(SealError::UnknownKey { .. } | SealError::NotAuthentic | SealError::Randomness) => {
                    renewed.unreadable = renewed.unreadable.saturating_add(1);
                    continue;
                }
            };
            let new = seal.seal(*column, &row, &clear).map_err(|_| StoreError::Randomness)?;
            out.push(&json_row(&cursor, &old, &new));
            renewed.found = renewed.found.saturating_add(1);
        }
    }
    Ok(renewed)
}

fn json_row(cursor: &Cursor, old: &[u8], new: &[u8]) -> String {
    let mut row = JsonRow::with_capacity(128 + 2 * new.len());
    match cursor {
        Cursor::Id(id) => row.integer(*id),
        Cursor::Key(key) => row.blob(key),
    }
    row.blob(old.get(..MARK).unwrap_or(old));
    row.blob(new);
    row.finish()
}

/// Gives a chunk to the writer; false when there was nothing to give.
async fn write(mailbox: &Mailbox, walk: &Walk, renewed: Renewed) -> Result<bool, StoreError> {
    let mut has_written = false;
    for (statement, rows) in walk.replace.iter().copied().zip(renewed.rows) {
        let Some(rows) = rows.finish() else { continue };
        let step = Box::new(RareStep::Reseal { statement, rows });
        let _: Touched = mailbox.ask(|answer| Job::Rare { step, audit: Vec::new(), answer }).await?;
        has_written = true;
    }
    Ok(has_written)
}
