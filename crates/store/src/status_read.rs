//! Reading what is known of messages, wherever their rows are.

use domain::clock::WallTime;
use domain::command::Entrance;
use domain::message::MessageId;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};

use crate::codec::Codec;
use crate::error::StoreError;
use crate::operator::{MessageFilter, MessagePage};
use crate::outbox_read::{read_class, read_id, read_state, read_time};
use crate::replay::Remembered;
use crate::status::StatusRecord;

/// Messages on one page of a list.
const MOST_LISTED: usize = 500;
/// Rows read at once, and how often for one page.
const CHUNK: i64 = 500;
const CHUNKS_AT_MOST: usize = 200;

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

/// What [`read_record`] reads, of both tables.
macro_rules! select_records {
    ($condition:literal) => {
        concat!(
            "SELECT message_id, api_user, class, entrance, is_otp, state, NULL, accepted_at, deadline, not_before, NULL, 1, ",
            "attempts, summary FROM outbox WHERE ", $condition,
            " UNION ALL SELECT message_id, api_user, class, entrance, is_otp, state, reason, accepted_at, deadline, NULL, ",
            "settled_at, content IS NOT NULL, attempts, summary FROM journal WHERE ", $condition,
            " ORDER BY message_id DESC LIMIT ?2"
        )
    };
}

/// Everything known about one message.
pub(crate) async fn find(pool: &SqlitePool, codec: &Codec, id: MessageId) -> Result<Option<StatusRecord>, StoreError> {
    let query = sqlx::query(select_records!("message_id = ?1")).bind(id.as_bytes().as_slice()).bind(1_i64);
    query.fetch_optional(pool).await?.as_ref().map(|row| read_record(row, codec)).transpose()
}

/// Messages of both tables, the newest first. Looks through a bounded number of rows, in small reads.
pub(crate) async fn list(pool: &SqlitePool, codec: &Codec, filter: &MessageFilter) -> Result<MessagePage, StoreError> {
    let wanted = filter.limit.clamp(1, MOST_LISTED);
    // One byte longer than any id, and so behind all of them.
    let mut before = filter.before.map_or(vec![0xff; 17], |id| id.as_bytes().to_vec());
    let mut page = MessagePage { messages: Vec::new(), next: None };
    for _ in 0..CHUNKS_AT_MOST {
        let query = sqlx::query(select_records!("message_id < ?1")).bind(before).bind(CHUNK);
        let rows = query.fetch_all(pool).await?;
        for row in &rows {
            if page.messages.len() == wanted {
                return Ok(page);
            }
            let id = read_id(row, 0)?;
            page.next = Some(id);
            if !filter.takes(row)? {
                continue;
            }
            match read_record(row, codec) {
                Ok(record) => page.messages.push(record),
                Err(error) => tracing::error!(message.id = %id, %error, "a message cannot be read and is not listed"),
            }
        }
        let Some(last) = page.next.filter(|_| i64::try_from(rows.len()).is_ok_and(|read| read == CHUNK)) else {
            page.next = None;
            return Ok(page);
        };
        before = last.as_bytes().to_vec();
    }
    Ok(page)
}

impl MessageFilter {
    fn takes(&self, row: &SqliteRow) -> Result<bool, StoreError> {
        let (api_user, state): (&str, &str) = (row.try_get(1)?, row.try_get(5)?);
        let is_theirs = self.api_user.as_deref().is_none_or(|wanted| wanted == api_user);
        Ok(is_theirs && self.state.is_none_or(|wanted| wanted.as_str() == state))
    }
}

fn read_record(row: &SqliteRow, codec: &Codec) -> Result<StatusRecord, StoreError> {
    let id = read_id(row, 0)?;
    let (receiver, own_id) = match row.try_get::<&[u8], _>(13)? {
        // Given up with the keys that could open it; see `reset`.
        [] => (None, None),
        sealed => codec.open_summary(id, sealed).map(|(receiver, own_id)| (Some(receiver), own_id))?,
    };
    let unreadable = || StoreError::Unreadable { table: "journal" };
    let time = |millis: Option<i64>| millis.map(WallTime::from_unix_millis);
    Ok(StatusRecord {
        message_id: id,
        api_user: row.try_get(1)?,
        own_id,
        receiver,
        class: read_class(row, 2)?,
        entrance: Entrance::parse(row.try_get(3)?).ok_or_else(unreadable)?,
        is_otp: row.try_get(4)?,
        state: read_state(row, 5)?,
        reason: row.try_get(6)?,
        accepted_at: read_time(row, 7)?,
        deadline: read_time(row, 8)?,
        not_before: time(row.try_get(9)?),
        settled_at: time(row.try_get(10)?),
        has_text: row.try_get(11)?,
        attempts: serde_json::from_str(row.try_get(12)?).map_err(|_| unreadable())?,
    })
}
