//! Reading the inbox: messages from their parts.

use std::time::Duration;

use domain::clock::WallTime;
use domain::message::MessageId;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};

use crate::codec::{Codec, JsonRows};
use crate::error::StoreError;
use crate::inbox::{InboxFilter, InboxPage, InboxPartRecord, InboxRecord, UNREADABLE};
use crate::outbox_read::read_id;
use crate::writer::inbound::read_part;

/// Messages on one page.
const MOST_LISTED: usize = 500;

/// Messages, the newest first.
pub(crate) async fn list(pool: &SqlitePool, codec: &Codec, filter: &InboxFilter) -> Result<InboxPage, StoreError> {
    let wanted = filter.limit.clamp(1, MOST_LISTED);
    // One more than wanted tells whether there is another page.
    let limit = i64::try_from(wanted).unwrap_or(1).saturating_add(1);
    // One byte longer than any id, and so behind all of them.
    let before = filter.before.map_or(vec![0xff; 17], |id| id.as_bytes().to_vec());
    let sender_key = filter.sender.as_deref().map(|sender| codec.sender_key(sender).to_vec());
    let ids = sqlx::query(match sender_key {
        Some(_) => concat!(
            "SELECT DISTINCT message_id FROM inbox WHERE sender_key = ?4 AND message_id < ?1 AND (?2 IS NULL OR modem = ?2) ",
            "AND (NOT ?3 OR NOT is_read) AND content <> x'' ORDER BY message_id DESC LIMIT ?5"
        ),
        None => concat!(
            "SELECT DISTINCT message_id FROM inbox WHERE message_id < ?1 AND (?2 IS NULL OR modem = ?2) ",
            "AND (NOT ?3 OR NOT is_read) AND content <> x'' AND ?4 IS NULL ORDER BY message_id DESC LIMIT ?5"
        ),
    })
    .bind(before)
    .bind(filter.modem.as_deref())
    .bind(filter.is_unread)
    .bind(sender_key)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    let mut ids = ids.iter().map(|row| read_id(row, 0)).collect::<Result<Vec<_>, _>>()?;
    let has_more = ids.len() > wanted;
    ids.truncate(wanted);
    let next = ids.last().copied().filter(|_| has_more);
    Ok(InboxPage { messages: load(pool, codec, &ids).await?, next })
}

/// The messages of these names that are here, the newest first.
pub(crate) async fn load(pool: &SqlitePool, codec: &Codec, ids: &[MessageId]) -> Result<Vec<InboxRecord>, StoreError> {
    let mut keys = JsonRows::default();
    for id in ids {
        keys.push_blob(id.as_bytes());
    }
    let Some(keys) = keys.finish() else { return Ok(Vec::new()) };
    let rows = sqlx::query(
        "SELECT message_id, modem, total, is_read, number, sent_at, received_at, fingerprint, content FROM inbox \
         WHERE message_id IN (SELECT unhex(value) FROM json_each(?1)) AND content <> x'' ORDER BY message_id DESC, number, id",
    )
    .bind(keys)
    .fetch_all(pool)
    .await?;
    let mut messages: Vec<InboxRecord> = Vec::new();
    for row in &rows {
        let (message_id, part) = (read_id(row, 0)?, read_row(row, codec)?);
        let is_read: bool = row.try_get(3)?;
        match messages.last_mut().filter(|last| last.message_id == message_id) {
            Some(message) => {
                message.is_read &= is_read;
                message.parts.push(part);
            }
            None => {
                let total: i64 = row.try_get(2)?;
                let total = u8::try_from(total).map_err(|_| UNREADABLE)?;
                messages.push(InboxRecord { message_id, modem: row.try_get(1)?, total, is_read, parts: vec![part] });
            }
        }
    }
    Ok(messages)
}

/// The message that a row belongs to.
pub(crate) async fn message_of_row(pool: &SqlitePool, row: i64) -> Result<Option<MessageId>, StoreError> {
    let found = sqlx::query("SELECT message_id FROM inbox WHERE id = ?1").bind(row).fetch_optional(pool).await?;
    found.map(|row| read_id(&row, 0)).transpose()
}

/// Messages that miss parts and of which one came within `reach`, with the time when the last one did.
pub(crate) async fn waiting(
    pool: &SqlitePool,
    now: WallTime,
    reach: Duration,
) -> Result<Vec<(MessageId, WallTime)>, StoreError> {
    let rows = sqlx::query(
        "SELECT message_id, max(received_at) FROM inbox WHERE total > 1 AND received_at > ?1 AND content <> x'' \
         GROUP BY message_id HAVING count(*) < max(total)",
    )
    .bind(now.saturating_sub(reach).as_unix_millis())
    .fetch_all(pool)
    .await?;
    let read = |row: &SqliteRow| Ok((read_id(row, 0)?, WallTime::from_unix_millis(row.try_get(1)?)));
    rows.iter().map(read).collect()
}

/// Parts that are kept, those that were deleted among them.
pub(crate) async fn count(pool: &SqlitePool) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT count(*) FROM inbox").fetch_one(pool).await?;
    Ok(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0))
}

/// Opens a part; one that does not open is shown as such, and logged.
fn read_row(row: &SqliteRow, codec: &Codec) -> Result<InboxPartRecord, StoreError> {
    let part = read_part(row, 4)?;
    match codec.open_inbound(row.try_get(7)?, row.try_get(8)?) {
        Ok((card, pdu)) => Ok(InboxPartRecord { part, card, pdu: Some(pdu) }),
        Err(error) => {
            tracing::error!(message.id = %read_id(row, 0)?, %error, "a part of the inbox cannot be read");
            Ok(InboxPartRecord { part, card: String::new(), pdu: None })
        }
    }
}
