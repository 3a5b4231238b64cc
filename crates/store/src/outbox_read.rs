//! Reading the outbox: one message in full for a channel, all of them in brief for the dispatcher.

use std::collections::HashSet;
use std::sync::Arc;

use domain::clock::WallTime;
use domain::message::{Class, MessageId, MessageState};
use domain::otp::TicketKey;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};

use crate::codec::Codec;
use crate::error::StoreError;
use crate::outbox::{OutboxMessage, QueueEntry};
use crate::writer::texts::Texts;

const UNREADABLE: StoreError = StoreError::Unreadable { table: "outbox" };
/// Rows read at once by the scan, so that no read transaction is long.
const CHUNK: i64 = 2_000;

/// Reads a message id.
pub(crate) fn read_id(row: &SqliteRow, column: usize) -> Result<MessageId, StoreError> {
    let bytes: &[u8] = row.try_get(column)?;
    bytes.try_into().map(MessageId::from_bytes).map_err(|_| UNREADABLE)
}

pub(crate) fn read_time(row: &SqliteRow, column: usize) -> Result<WallTime, StoreError> {
    Ok(WallTime::from_unix_millis(row.try_get(column)?))
}

pub(crate) fn read_class(row: &SqliteRow, column: usize) -> Result<Class, StoreError> {
    Class::parse(row.try_get(column)?).ok_or(UNREADABLE)
}

pub(crate) fn read_state(row: &SqliteRow, column: usize) -> Result<MessageState, StoreError> {
    MessageState::parse(row.try_get(column)?).ok_or(UNREADABLE)
}

/// Loads and unseals one message. `texts` are those that are in memory only.
pub(crate) async fn load(
    pool: &SqlitePool,
    codec: &Codec,
    texts: Option<&Texts>,
    id: MessageId,
) -> Result<Option<OutboxMessage>, StoreError> {
    let row = sqlx::query(
        "SELECT api_user, class, state, attempt, accepted_at, deadline, ticket_key, summary, content \
         FROM outbox WHERE message_id = ?1",
    )
    .bind(id.as_bytes().as_slice())
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let (receiver, own_id) = codec.open_summary(id, row.try_get(7)?)?;
    let content = match row.try_get::<&[u8], _>(8)? {
        [] => texts.and_then(|texts| texts.find(id)),
        sealed => Some(codec.open_content(id, &receiver, sealed)?),
    };
    // A start settles what has lost its content, so this one has ended since its row was read.
    let Some(content) = content else { return Ok(None) };
    let ticket_key: Option<&[u8]> = row.try_get(6)?;
    let ticket_key =
        ticket_key.map(|key| key.try_into().map(TicketKey::from_bytes).map_err(|_| UNREADABLE)).transpose()?;
    Ok(Some(OutboxMessage {
        id,
        api_user: row.try_get(0)?,
        class: read_class(&row, 1)?,
        receiver,
        content,
        state: read_state(&row, 2)?,
        attempt: row.try_get(3)?,
        accepted_at: read_time(&row, 4)?,
        deadline: read_time(&row, 5)?,
        ticket_key,
        own_id,
    }))
}

/// The ticket of an OTP that is not settled.
pub(crate) async fn find_ticket_key(pool: &SqlitePool, id: MessageId) -> Result<Option<TicketKey>, StoreError> {
    let row = sqlx::query("SELECT ticket_key FROM outbox WHERE message_id = ?1")
        .bind(id.as_bytes().as_slice())
        .fetch_optional(pool)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let key: Option<&[u8]> = row.try_get(0)?;
    key.map(|key| key.try_into().map(TicketKey::from_bytes).map_err(|_| UNREADABLE)).transpose()
}

/// All queued messages in the order in which they were queued: that of the rows, since ids of one millisecond have none.
pub(crate) async fn pending(pool: &SqlitePool, codec: &Codec) -> Result<Vec<QueueEntry>, StoreError> {
    let mut entries = Vec::new();
    let mut users: HashSet<Arc<str>> = HashSet::new();
    let mut after = i64::MIN;
    loop {
        let rows = sqlx::query(
            "SELECT message_id, class, api_user, deadline, not_before, attempt, is_otp, summary, id \
             FROM outbox WHERE id > ?1 AND state = 'queued' ORDER BY id LIMIT ?2",
        )
        .bind(after)
        .bind(CHUNK)
        .fetch_all(pool)
        .await?;
        let Some(last) = rows.last() else { return Ok(entries) };
        after = last.try_get(8)?;
        for row in &rows {
            match read_entry(row, codec, &mut users) {
                Ok(entry) => entries.push(entry),
                Err(error) => tracing::error!(%error, "a queued message cannot be read and stays in the outbox"),
            }
        }
    }
}

/// One queued message in brief.
pub(crate) async fn find_entry(
    pool: &SqlitePool,
    codec: &Codec,
    id: MessageId,
) -> Result<Option<QueueEntry>, StoreError> {
    let row = sqlx::query(
        "SELECT message_id, class, api_user, deadline, not_before, attempt, is_otp, summary \
         FROM outbox WHERE message_id = ?1 AND state = 'queued'",
    )
    .bind(id.as_bytes().as_slice())
    .fetch_optional(pool)
    .await?;
    row.map(|row| read_entry(&row, codec, &mut HashSet::new())).transpose()
}

fn read_entry(row: &SqliteRow, codec: &Codec, users: &mut HashSet<Arc<str>>) -> Result<QueueEntry, StoreError> {
    let id = read_id(row, 0)?;
    let (receiver, _) = codec.open_summary(id, row.try_get(7)?)?;
    let name: &str = row.try_get(2)?;
    let api_user = match users.get(name) {
        Some(known) => Arc::clone(known),
        None => {
            let name: Arc<str> = name.into();
            users.insert(Arc::clone(&name));
            name
        }
    };
    Ok(QueueEntry {
        id,
        class: read_class(row, 1)?,
        api_user,
        receiver,
        deadline: read_time(row, 3)?,
        not_before: read_time(row, 4)?,
        attempt: row.try_get(5)?,
        is_otp: row.try_get(6)?,
    })
}
