//! Deleting what is too old or too much, in chunks small enough to ride along with the traffic.
//!
//! Message ids sort by time, so the oldest journal rows are the first ones: no index on time is needed, and none is
//! written for each message.

use domain::clock::WallTime;
use sqlx::{Row, SqlitePool};

use crate::error::StoreError;
use crate::settings::Retention;
use crate::writer::job::{Job, Mailbox, RareStep, Touched};

/// Chunks in a row without anything to forget, after which the sweep of tickets ends: they lie in the order of their
/// making, so the old ones come first, up to those that live long by request.
const FRUITLESS_CHUNKS: u32 = 8;

/// Runs all rules once.
pub(crate) async fn run(
    mailbox: &Mailbox,
    reader: &SqlitePool,
    retention: &Retention,
    now: WallTime,
) -> Result<(), StoreError> {
    let ask = |step: RareStep| mailbox.ask(|answer| Job::Rare { step: Box::new(step), answer });
    let mut after = 0;
    let mut fruitless = 0;
    while fruitless < FRUITLESS_CHUNKS {
        let Touched { rows, last } = ask(RareStep::TrimTickets { after, now }).await?;
        fruitless = if rows == 0 { fruitless.saturating_add(1) } else { 0 };
        let Some(last) = last else { break };
        after = last;
    }
    while ask(RareStep::TrimReplays { now }).await?.rows > 0 {}
    let journal = i64::try_from(retention.journal.as_millis()).unwrap_or(i64::MAX);
    let before = WallTime::from_unix_millis(now.as_unix_millis().saturating_sub(journal));
    while ask(RareStep::TrimJournal { before }).await?.rows > 0 {}
    while used_bytes(reader).await? > retention.max_db_bytes {
        if ask(RareStep::TrimJournal { before: now }).await?.rows == 0 {
            tracing::warn!("the database is larger than retention allows and has no journal rows left to delete");
            break;
        }
    }
    Ok(())
}

/// What the database's rows take; free pages are reused before the file grows.
async fn used_bytes(reader: &SqlitePool) -> Result<u64, StoreError> {
    let row = sqlx::query(
        "SELECT (page_count - freelist_count) * page_size \
         FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()",
    )
    .fetch_one(reader)
    .await?;
    let bytes: i64 = row.try_get(0)?;
    Ok(u64::try_from(bytes).unwrap_or(0))
}
