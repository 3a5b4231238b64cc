//! The record at a start: begun with the database, continued where it ended, and continued behind a row that says so where it is not as
//! it was left.

use domain::clock::WallTime;
use sqlx::{Connection, Row as _, SqliteConnection};

use super::chain::{AuditKey, Hash, Head, NOTHING};
use super::event::{AuditBy, AuditEvent, AuditKind, Recorded};
use super::ledger::{HEAD, Ledger, put_head};
use super::verify::{select, stored_row};
use crate::db;
use crate::error::StoreError;

/// What a start found.
enum Found {
    /// Never begun.
    Nothing,
    /// As it was left.
    Whole(Head),
    /// Not as it was left: where to go on, and what is wrong.
    Broken(Head, &'static str),
}

/// Takes the record up. `has_begun` is what the proof of the keys says: whether there must be one.
pub(crate) async fn open(
    connection: &mut SqliteConnection,
    key: AuditKey,
    has_begun: bool,
    at: WallTime,
) -> Result<Ledger, StoreError> {
    let mut all = connection.begin().await?;
    let ledger = match look(&mut all, &key, has_begun).await? {
        Found::Whole(head) => Ledger::new(key, head),
        Found::Nothing => {
            put_head(&mut all, &key, Head::FRESH).await?;
            Ledger::new(key, Head::FRESH)
        }
        Found::Broken(head, what) => {
            tracing::error!(
                audit.fault = what,
                "the audit record is not as it was left: otp-pi audit verify says more"
            );
            let mut ledger = Ledger::new(key, head);
            let event =
                AuditEvent::new(AuditKind::Broken, &AuditBy::gateway("start"), "").with("what", None, Some(what));
            ledger.append(&mut all, &Recorded { at, event }).await?;
            ledger
        }
    };
    all.commit().await?;
    Ok(ledger)
}

async fn look(connection: &mut SqliteConnection, key: &AuditKey, has_begun: bool) -> Result<Found, StoreError> {
    let kept = db::find_meta(&mut *connection, HEAD).await?;
    let row =
        sqlx::query(concat!(select!(), " ORDER BY sequence DESC LIMIT 1")).fetch_optional(&mut *connection).await?;
    let last: Option<(i64, Option<Hash>)> = match row {
        Some(row) => Some(stored_row(&row).map(|(sequence, row)| (sequence, row.map(|(_, hash)| hash)))?),
        None => None,
    };
    let (last_row, last_hash) = (last.map_or(0, |last| last.0), last.and_then(|last| last.1).unwrap_or(NOTHING));
    let Some(kept) = kept else {
        if !has_begun && last.is_none() {
            return Ok(Found::Nothing);
        }
        let head = Head { last: last_row, hash: last_hash, ..first_of(connection).await? };
        return Ok(Found::Broken(head, "its head is missing"));
    };
    let Some(head) = Head::decode(key, &kept) else {
        let head = Head { last: last_row, hash: last_hash, ..first_of(connection).await? };
        return Ok(Found::Broken(head, "its head is not as it was written"));
    };
    let is_whole = match last {
        None => head.last == head.anchor,
        Some((sequence, hash)) => sequence == head.last && hash == Some(head.hash),
    };
    if is_whole {
        return Ok(Found::Whole(head));
    }
    Ok(Found::Broken(Head { last: head.last.max(last_row), ..head }, "its end is not as it was written"))
}

/// Where a record without a head begins, as far as its rows tell.
async fn first_of(connection: &mut SqliteConnection) -> Result<Head, StoreError> {
    let row = sqlx::query("SELECT min(sequence) FROM audit").fetch_one(connection).await?;
    let first: Option<i64> = row.try_get(0)?;
    Ok(Head { anchor: first.map_or(0, |first| first.saturating_sub(1)), ..Head::FRESH })
}

/// After the keys were lost: all rows are chained anew as they stand, and the loss is told behind them. Runs inside an open transaction.
pub(crate) async fn start_anew(
    connection: &mut SqliteConnection,
    key: &AuditKey,
    recorded: &Recorded,
) -> Result<(), StoreError> {
    let rows = sqlx::query(concat!(select!(), " ORDER BY sequence")).fetch_all(&mut *connection).await?;
    let mut head = first_of(&mut *connection).await?;
    head.last = head.anchor;
    for row in &rows {
        let (sequence, stored) = stored_row(row)?;
        let Some((row, _)) = stored else { continue };
        head.hash = key.link(&head.hash, &row);
        head.last = sequence;
        let update = sqlx::query("UPDATE audit SET hash = ?1 WHERE sequence = ?2").bind(head.hash.as_slice());
        update.bind(sequence).execute(&mut *connection).await?;
    }
    let mut ledger = Ledger::new(key.clone(), head);
    ledger.append(connection, recorded).await
}
