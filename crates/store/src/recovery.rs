//! What a start makes of messages that were on air when the last run ended.
//!
//! Whoever was `sending` may or may not have been sent. An OTP whose ticket knows no tag for the attempt never got so
//! far and is queued again, and so is every message where the policy says `resend`; its tag stays. Everything else
//! becomes `unknown`: never silently sent twice, never silently dropped. Whoever waits and had its text in memory only cannot be
//! sent any more: `failed`, whatever the settings say now. Called by [`crate::Store::open`].

use domain::clock::WallTime;
use domain::message::{MessageId, MessageState};
use domain::otp::{AttemptId, TicketKey};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::change::Change;
use crate::error::StoreError;
use crate::outbox_read::read_id;
use crate::settings::{Settings, TicketStoreKind, UnknownPolicy};
use crate::tickets::{TicketStore, record};

/// The reason of a message that ends because its text is gone.
pub(crate) const TEXT_LOST: &str = "its text was in memory only and was lost with the restart";
/// Messages that are settled in one commit because their text is gone: a whole queue may be.
const CHUNK: i64 = if cfg!(test) { 3 } else { 1_000 };

/// Decides about every message that is `sending`; `remote` is asked where the tags are on a server. The changes ride the writer's first commit.
pub(crate) async fn changes(
    connection: &mut SqliteConnection,
    (settings, remote): (&Settings, Option<&dyn TicketStore>),
    now: WallTime,
) -> Result<Vec<Change>, StoreError> {
    let rows = sqlx::query(
        "SELECT o.message_id, o.attempt, o.is_otp, o.ticket_key, t.record, length(o.content) > 0 FROM outbox AS o \
         LEFT JOIN ticket AS t ON t.ticket_key = substr(o.ticket_key, 1, 16) WHERE o.state = 'sending'",
    )
    .fetch_all(connection)
    .await?;
    let mut remote = remote.map(|tickets| Remote { tickets, is_away: false });
    let mut decided = Vec::with_capacity(rows.len());
    for row in &rows {
        match decide(row, settings, remote.as_mut(), now).await {
            Ok(change) => decided.push(change),
            Err(error) => tracing::error!(%error, "a message that was on air cannot be read and stays as it is"),
        }
    }
    Ok(decided)
}

/// The store that keeps the tags, and whether it has failed to answer: then nobody waits for it again.
struct Remote<'a> {
    tickets: &'a dyn TicketStore,
    is_away: bool,
}

impl Remote<'_> {
    /// Without an answer the tag may be there: the honest answer is that we do not know.
    async fn may_have(&mut self, key: Option<TicketKey>, attempt: AttemptId) -> bool {
        let Some(key) = key else { return false };
        if !self.is_away {
            match self.tickets.has_tag(key, attempt).await {
                Ok(has_tag) => return has_tag,
                Err(error) => {
                    tracing::warn!(%error, "whether the messages on air had their codes cannot be known: they rest as unknown");
                    self.is_away = true;
                }
            }
        }
        true
    }
}

async fn decide(
    row: &SqliteRow,
    settings: &Settings,
    remote: Option<&mut Remote<'_>>,
    now: WallTime,
) -> Result<Change, StoreError> {
    let attempt = AttemptId { message_id: read_id(row, 0)?, attempt: row.try_get(1)? };
    let is_otp: bool = row.try_get(2)?;
    let key: Option<&[u8]> = row.try_get(3)?;
    let key = key.and_then(|key| key.try_into().ok()).map(TicketKey::from_bytes);
    let ticket: Option<&[u8]> = row.try_get(4)?;
    let has_text: bool = row.try_get(5)?;
    // A ticket that cannot be read may hold the tag: the honest answer is that we do not know.
    let has_tag = match (&settings.ticket_store, ticket, remote) {
        (TicketStoreKind::Server(_), _, Some(remote)) => remote.may_have(key, attempt).await,
        (TicketStoreKind::Sqlite, Some(bytes), _) => record::decode(bytes).is_none_or(|ticket| ticket.has_tag(attempt)),
        // A restart has emptied the memory; no tag is left that could be right.
        (TicketStoreKind::Sqlite, None, _) | (TicketStoreKind::Memory, ..) => false,
        (TicketStoreKind::Server(_), _, None) => true,
    };
    Ok(if is_otp && !has_tag && !has_text {
        lost(attempt.message_id, now)
    } else if is_otp && !has_tag {
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
            // What was recorded a moment before may be lost as well.
            part: None,
            resend: has_text && settings.unknown_policy == UnknownPolicy::Resend,
            reason: "restart while on air".to_owned(),
            at: now,
        }
    })
}

/// The ends of the next messages after `after` that wait without a text; none when there are no more.
pub(crate) async fn losses(
    connection: &mut SqliteConnection,
    after: Option<MessageId>,
    now: WallTime,
) -> Result<Vec<Change>, StoreError> {
    let rows = sqlx::query(
        "SELECT message_id FROM outbox WHERE message_id > ?1 AND state = 'queued' AND length(content) = 0 \
         ORDER BY message_id LIMIT ?2",
    )
    .bind(after.map_or(Vec::new(), |id| id.as_bytes().to_vec()))
    .bind(CHUNK)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok(lost(read_id(row, 0)?, now))).collect()
}

fn lost(message_id: MessageId, at: WallTime) -> Change {
    Change::Final { message_id, state: MessageState::Failed, reason: TEXT_LOST.to_owned(), at }
}
