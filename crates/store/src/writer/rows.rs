//! Rows of a group on their way into statements and out of them.

use domain::otp::{Ticket, TicketKey};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::group::ReplaySlot;
use super::message::{LoadedRow, Tracked};
use crate::codec::{JsonRow, JsonRows};
use crate::error::StoreError;
use crate::keys::fill_random;
use crate::outbox_read::read_id;
use crate::tickets::record;

/// About what a ticket with one code takes.
const DECOY_BYTES: usize = 192;

/// The stored form of a ticket key: 128 bits find a row as surely as 256 and halve the index.
pub(crate) fn row_key(key: TicketKey) -> [u8; 16] {
    key.as_bytes().first_chunk::<16>().copied().unwrap_or_default()
}

pub(super) fn ticket_row(key: &[u8; 16], ticket: &Ticket) -> String {
    let mut row = JsonRow::with_capacity(700);
    row.blob(key);
    row.integer(ticket.keep_until.as_unix_millis());
    row.blob(&record::encode(ticket));
    row.finish()
}

/// What a guess writes that changes no ticket, so that the time of its answer does not tell that from a wrong code: one row for all of
/// them, never read, and the next sweep takes it. No key is all zeros but by a chance of one in 2¹²⁸. A row that stays as it was is
/// not written, hence the random bytes.
pub(super) fn decoy_row() -> Result<String, StoreError> {
    let mut record = [0; DECOY_BYTES];
    fill_random(&mut record).map_err(|_| StoreError::Randomness)?;
    let mut row = JsonRow::with_capacity(700);
    row.blob(&[0; 16]);
    row.integer(0);
    row.blob(&record);
    Ok(row.finish())
}

pub(super) fn replay_row(key: &[u8; 16], slot: &ReplaySlot) -> String {
    let mut row = JsonRow::with_capacity(192);
    row.blob(key);
    row.integer(slot.remembered.expires_at());
    row.blob(&slot.remembered.encode());
    row.finish()
}

pub(super) fn read_message(row: &SqliteRow) -> Result<Tracked, StoreError> {
    Tracked::new(LoadedRow {
        id: read_id(row, 0)?,
        is_in_outbox: row.try_get(1)?,
        state: row.try_get(2)?,
        attempt: row.try_get(3)?,
        time: row.try_get(4)?,
        reason: row.try_get(5)?,
        attempts: row.try_get(6)?,
        summary: row.try_get(7)?,
        ticket_key: row.try_get::<Option<&[u8]>, _>(8)?.and_then(|key| key.try_into().ok()),
        deadline: row.try_get(9)?,
        has_content: row.try_get(10)?,
    })
}

pub(super) fn read_array<const N: usize>(
    row: &SqliteRow,
    column: usize,
    table: &'static str,
) -> Result<[u8; N], StoreError> {
    let bytes: &[u8] = row.try_get(column)?;
    bytes.try_into().map_err(|_| StoreError::Unreadable { table })
}

/// One select for all keys of the group; none at all when there are no keys.
pub(super) async fn select(
    connection: &mut SqliteConnection,
    statement: &'static str,
    keys: JsonRows,
) -> Result<Vec<SqliteRow>, StoreError> {
    match keys.finish() {
        Some(keys) => Ok(sqlx::query(statement).bind(keys).fetch_all(connection).await?),
        None => Ok(Vec::new()),
    }
}

/// One statement for all rows of the group; none at all when there are no rows.
pub(super) async fn execute(
    connection: &mut SqliteConnection,
    statement: &'static str,
    rows: JsonRows,
) -> Result<(), StoreError> {
    if let Some(rows) = rows.finish() {
        sqlx::query(statement).bind(rows).execute(connection).await?;
    }
    Ok(())
}
