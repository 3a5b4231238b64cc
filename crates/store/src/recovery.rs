//! What a start makes of messages that were on air when the last run ended.
//!
//! Whoever was `sending` may or may not have been sent. An OTP whose ticket knows no tag for the attempt never got so
//! far and is queued again, and so is every message where the policy says `resend`; its tag stays. Everything else
//! becomes `unknown`: never silently sent twice, never silently dropped. Called by [`crate::Store::open`].

use domain::clock::WallTime;
use domain::otp::{AttemptId, TicketKey};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::change::Change;
use crate::error::StoreError;
use crate::outbox_read::read_id;
use crate::settings::{Settings, TicketStoreKind, UnknownPolicy};
use crate::tickets::record;

/// Decides about every message that is `sending`. The changes ride the writer's first commit.
pub(crate) async fn changes(
    connection: &mut SqliteConnection,
    settings: &Settings,
    now: WallTime,
) -> Result<Vec<Change>, StoreError> {
    let rows = sqlx::query(
        "SELECT o.message_id, o.attempt, o.is_otp, o.ticket_key, t.record FROM outbox AS o \
         LEFT JOIN ticket AS t ON t.ticket_key = substr(o.ticket_key, 1, 16) WHERE o.state = 'sending'",
    )
    .fetch_all(connection)
    .await?;
    let decided = rows.iter().filter_map(|row| match decide(row, settings, now) {
        Ok(change) => Some(change),
        Err(error) => {
            tracing::error!(%error, "a message that was on air cannot be read and stays as it is");
            None
        }
    });
    Ok(decided.collect())
}

fn decide(row: &SqliteRow, settings: &Settings, now: WallTime) -> Result<Change, StoreError> {
    let attempt = AttemptId { message_id: read_id(row, 0)?, attempt: row.try_get(1)? };
    let is_otp: bool = row.try_get(2)?;
    let key: Option<&[u8]> = row.try_get(3)?;
    let ticket: Option<&[u8]> = row.try_get(4)?;
    // A ticket that cannot be read may hold the tag: the honest answer is that we do not know.
    let has_tag = match (settings.ticket_store, ticket) {
        (TicketStoreKind::Sqlite, Some(bytes)) => record::decode(bytes).is_none_or(|ticket| ticket.has_tag(attempt)),
        // A restart has emptied the memory; no tag is left that could be right.
        (TicketStoreKind::Sqlite, None) | (TicketStoreKind::Memory, _) => false,
    };
    Ok(if is_otp && !has_tag {
        let key = key.and_then(|key| key.try_into().ok()).map(TicketKey::from_bytes);
        Change::NotSent {
            attempt,
            modem: None,
            code: Some("restart before the code was minted".to_owned()),
            retry_at: None,
            remove_tag: key,
            at: now,
        }
    } else {
        Change::Unknown {
            attempt,
            resend: settings.unknown_policy == UnknownPolicy::Resend,
            reason: "restart while on air".to_owned(),
            at: now,
        }
    })
}
