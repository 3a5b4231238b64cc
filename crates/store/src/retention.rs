//! Deleting what is too old or too much, in chunks small enough to ride along with the traffic.
//!
//! Every table is walked in the order of its rows' making, so the old ones come first, but for those that were renewed or
//! live long by request: no index on time is needed, and none is written for each message.

use domain::clock::WallTime;
use sqlx::{Row, SqlitePool};

use crate::audit::to_be_trimmed;
use crate::error::StoreError;
use crate::inbox_read;
use crate::settings::Retention;
use crate::writer::job::{Job, Mailbox, RareStep, Touched, Trimmed};

/// Chunks in a row without anything to forget, after which a walk ends: what follows is young.
const FRUITLESS_CHUNKS: u32 = 64;
/// Chunks that one rule looks at in one run; the next run goes on.
const CHUNKS_AT_MOST: u32 = 4_000;
/// Parts of the inbox that are removed at once.
const INBOX_CHUNK: i64 = 1_000;

/// Runs all rules once.
pub(crate) async fn run(
    mailbox: &Mailbox,
    reader: &SqlitePool,
    retention: &Retention,
    now: WallTime,
) -> Result<(), StoreError> {
    let journal = i64::try_from(retention.journal.as_millis()).unwrap_or(i64::MAX);
    let settled_until = WallTime::from_unix_millis(now.as_unix_millis().saturating_sub(journal));
    walk(mailbox, Trimmed::Tickets, now).await?;
    walk(mailbox, Trimmed::Replays, now).await?;
    walk(mailbox, Trimmed::Journal, settled_until).await?;
    walk(mailbox, Trimmed::Inbox, now.saturating_sub(retention.inbox)).await?;
    for _ in 0..CHUNKS_AT_MOST {
        let too_many = inbox_read::count(reader).await?.saturating_sub(retention.max_inbox_parts);
        let parts = i64::try_from(too_many).unwrap_or(i64::MAX).min(INBOX_CHUNK);
        if parts == 0 || ask(mailbox, RareStep::TrimInbox { parts }).await?.rows == 0 {
            break;
        }
    }
    for _ in 0..CHUNKS_AT_MOST {
        if ask(mailbox, RareStep::WipeTexts { until: now }).await?.rows == 0 {
            break;
        }
    }
    for _ in 0..CHUNKS_AT_MOST {
        if used_bytes(reader).await? <= retention.max_db_bytes {
            break;
        }
        if ask(mailbox, RareStep::TrimOldest).await?.rows == 0
            && ask(mailbox, RareStep::TrimInbox { parts: INBOX_CHUNK }).await?.rows == 0
        {
            tracing::warn!("the database is larger than retention allows, and journal and inbox are empty");
            break;
        }
    }
    Ok(())
}

/// Tells what the audit record has only counted, and removes from it what is too old or too much. For its age only while the time
/// is known.
pub(crate) async fn run_audit(
    mailbox: &Mailbox,
    reader: &SqlitePool,
    retention: &Retention,
    now: WallTime,
    is_time_known: bool,
) -> Result<(), StoreError> {
    ask(mailbox, RareStep::CountAudit { at: now, is_end: false }).await?;
    let age = i64::try_from(retention.audit.as_millis()).unwrap_or(i64::MAX);
    let until = WallTime::from_unix_millis(now.as_unix_millis().saturating_sub(age));
    let found = to_be_trimmed(reader, is_time_known.then_some(until), retention.max_audit_bytes).await?;
    let Some(trim) = found else { return Ok(()) };
    for _ in 0..CHUNKS_AT_MOST {
        if ask(mailbox, RareStep::TrimAudit { trim, at: now }).await?.rows == 0 {
            break;
        }
    }
    Ok(())
}

async fn ask(mailbox: &Mailbox, step: RareStep) -> Result<Touched, StoreError> {
    mailbox.ask(|answer| Job::Rare { step: Box::new(step), audit: Vec::new(), answer }).await
}

async fn walk(mailbox: &Mailbox, table: Trimmed, until: WallTime) -> Result<(), StoreError> {
    let (mut after, mut fruitless) = (0, 0_u32);
    for _ in 0..CHUNKS_AT_MOST {
        let Touched { rows, last } = ask(mailbox, RareStep::Trim { table, after, until }).await?;
        fruitless = if rows == 0 { fruitless.saturating_add(1) } else { 0 };
        let Some(last) = last.filter(|_| fruitless < FRUITLESS_CHUNKS) else { break };
        after = last;
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
