//! Parts of SMS that came in: kept once, joined within the commit, wiped when they are deleted.

use domain::clock::WallTime;
use domain::inbox::{InboxPart, find_message};
use domain::message::MessageId;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::job::Touched;
use crate::error::StoreError;
use crate::inbox::{InboundRow, UNREADABLE};
use crate::outbox_read::read_id;

/// Parts with one sender, SIM, reference and total that are looked at, the newest first. An endless stream of them must not make
/// commits slow.
const LOOKED_AT: i64 = 1_024;

/// Keeps a part if it is not here; answers its row as `last` if it is new.
pub(super) async fn keep(connection: &mut SqliteConnection, row: &InboundRow) -> Result<Touched, StoreError> {
    let known = sqlx::query("SELECT 1 FROM inbox WHERE fingerprint = ?1").bind(row.fingerprint.as_slice());
    if known.fetch_optional(&mut *connection).await?.is_some() {
        return Ok(Touched::default());
    }
    let message_id = match row.join_key {
        Some(key) => {
            let known = "SELECT message_id, number, sent_at, received_at FROM inbox WHERE join_key = ?1 ORDER BY id DESC LIMIT ?2";
            let known = sqlx::query(known).bind(key.as_slice()).bind(LOOKED_AT).fetch_all(&mut *connection).await?;
            let known = known.iter().map(seen).collect::<Result<Vec<_>, _>>()?;
            find_message(&row.part, &known).unwrap_or(row.message_id)
        }
        None => row.message_id,
    };
    let put = sqlx::query(
        "INSERT INTO inbox (fingerprint, message_id, modem, sender_key, join_key, number, total, sent_at, received_at, is_read, \
         content) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, ?10)",
    )
    .bind(row.fingerprint.as_slice())
    .bind(message_id.as_bytes().as_slice())
    .bind(row.modem.as_str())
    .bind(row.sender_key.as_slice())
    .bind(row.join_key.as_ref().map(|key| key.as_slice()))
    .bind(row.part.number)
    .bind(row.total)
    .bind(row.part.sent_at.map(WallTime::as_unix_millis))
    .bind(row.part.received_at.as_unix_millis())
    .bind(row.content.as_slice());
    let put = put.execute(connection).await?;
    Ok(Touched { rows: put.rows_affected(), last: Some(put.last_insert_rowid()) })
}

/// Reads which message a part belongs to, and when it came.
fn seen(row: &SqliteRow) -> Result<(MessageId, InboxPart), StoreError> {
    Ok((read_id(row, 0)?, read_part(row, 1)?))
}

/// Reads number and times, which stand side by side.
pub(crate) fn read_part(row: &SqliteRow, first: usize) -> Result<InboxPart, StoreError> {
    let number: i64 = row.try_get(first)?;
    let sent_at: Option<i64> = row.try_get(first.saturating_add(1))?;
    let received_at: i64 = row.try_get(first.saturating_add(2))?;
    Ok(InboxPart {
        number: u8::try_from(number).map_err(|_| UNREADABLE)?,
        sent_at: sent_at.map(WallTime::from_unix_millis),
        received_at: WallTime::from_unix_millis(received_at),
    })
}

/// Wipes a message; its fingerprints stay.
pub(super) async fn wipe(connection: &mut SqliteConnection, message_id: MessageId) -> Result<Touched, StoreError> {
    let wipe = sqlx::query(
        "UPDATE inbox SET content = x'', sender_key = x'', join_key = NULL, modem = '', sent_at = NULL, number = 1, total = 1 \
         WHERE message_id = ?1 AND content <> x''",
    );
    let wiped = wipe.bind(message_id.as_bytes().as_slice()).execute(connection).await?;
    Ok(Touched { rows: wiped.rows_affected(), last: None })
}

/// Marks a message as read, or as not read.
pub(super) async fn mark(
    connection: &mut SqliteConnection,
    message_id: MessageId,
    is_read: bool,
) -> Result<Touched, StoreError> {
    let mark = sqlx::query("UPDATE inbox SET is_read = ?2 WHERE message_id = ?1 AND content <> x''");
    let marked = mark.bind(message_id.as_bytes().as_slice()).bind(is_read).execute(connection).await?;
    Ok(Touched { rows: marked.rows_affected(), last: None })
}

/// Removes the messages of the oldest parts, whole ones.
pub(super) async fn trim_oldest(connection: &mut SqliteConnection, parts: i64) -> Result<Touched, StoreError> {
    let trim = sqlx::query("DELETE FROM inbox WHERE message_id IN (SELECT message_id FROM inbox ORDER BY id LIMIT ?1)");
    let trimmed = trim.bind(parts).execute(connection).await?;
    Ok(Touched { rows: trimmed.rows_affected(), last: None })
}
