//! Reading what is known of one message, wherever its row is.

use domain::message::MessageId;
use sqlx::{Row, SqlitePool};

use crate::codec::Codec;
use crate::error::StoreError;
use crate::outbox_read::{read_class, read_state, read_time};
use crate::replay::Remembered;
use crate::status::StatusRecord;

/// The newest message with that own id, as long as its replay key is remembered (24 h). An index of its own would cost
/// every message one more random page on disk.
pub(crate) async fn find_own(pool: &SqlitePool, replay_key: [u8; 16]) -> Result<Option<MessageId>, StoreError> {
    let row = sqlx::query("SELECT requests FROM replay WHERE replay_key = ?1")
        .bind(replay_key.as_slice())
        .fetch_optional(pool)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Remembered::decode(row.try_get(0)?)?.newest())
}

/// Everything known about one message.
pub(crate) async fn find(pool: &SqlitePool, codec: &Codec, id: MessageId) -> Result<Option<StatusRecord>, StoreError> {
    let row = sqlx::query(
        "SELECT api_user, class, is_otp, state, NULL, accepted_at, deadline, NULL, attempts, summary \
         FROM outbox WHERE message_id = ?1 \
         UNION ALL SELECT api_user, class, is_otp, state, reason, accepted_at, deadline, settled_at, attempts, summary \
         FROM journal WHERE message_id = ?1 LIMIT 1",
    )
    .bind(id.as_bytes().as_slice())
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let (receiver, own_id) = match row.try_get::<&[u8], _>(9)? {
        // Given up with the keys that could open it; see `reset`.
        [] => (None, None),
        sealed => codec.open_summary(id, sealed).map(|(receiver, own_id)| (Some(receiver), own_id))?,
    };
    let attempts: &str = row.try_get(8)?;
    let settled_at: Option<i64> = row.try_get(7)?;
    Ok(Some(StatusRecord {
        message_id: id,
        api_user: row.try_get(0)?,
        own_id,
        receiver,
        class: read_class(&row, 1)?,
        is_otp: row.try_get(2)?,
        state: read_state(&row, 3)?,
        reason: row.try_get(4)?,
        accepted_at: read_time(&row, 5)?,
        deadline: read_time(&row, 6)?,
        settled_at: settled_at.map(domain::clock::WallTime::from_unix_millis),
        attempts: serde_json::from_str(attempts).map_err(|_| StoreError::Unreadable { table: "journal" })?,
    }))
}
