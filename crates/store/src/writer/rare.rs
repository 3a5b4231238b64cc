//! What is seldom asked: block list, accounts, settings, retention. Each has its own statement in the group's commit.

use domain::clock::WallTime;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Row, Sqlite, SqliteConnection};

use super::job::{RareStep, Touched, Trimmed};
use super::{inbound, statements};
use crate::accounts::write_scopes;
use crate::api_user::{ApiUser, SecretUse};
use crate::audit::Ledger;
use crate::db::SEALED_WITH;
use crate::error::StoreError;

/// Rows per commit that retention looks at.
const CHUNK: i64 = 1_000;

/// Runs one step inside the group's transaction.
pub(super) async fn run(
    connection: &mut SqliteConnection,
    step: &RareStep,
    ledger: &mut Ledger,
) -> Result<Touched, StoreError> {
    let query = match step {
        RareStep::SetBlocked { row_key, sealed, entry } => sqlx::query(
            "INSERT INTO blocked (receiver_key, receiver, active, created_at, changed_at) VALUES (?1, ?2, ?3, ?4, ?4) \
             ON CONFLICT (receiver_key) DO UPDATE SET active = excluded.active, changed_at = excluded.changed_at",
        )
        .bind(row_key.as_slice())
        .bind(sealed.as_slice())
        .bind(entry.is_active)
        .bind(entry.changed_at.as_unix_millis()),
        RareStep::DeleteBlocked { row_key, .. } => {
            sqlx::query("DELETE FROM blocked WHERE receiver_key = ?1").bind(row_key.as_slice())
        }
        RareStep::PutApiUser(user) => return Ok(put_api_user(connection, user).await?),
        RareStep::DeleteApiUser(username) => {
            let uses = sqlx::query("DELETE FROM api_user_use WHERE username = ?1").bind(username.as_str());
            uses.execute(&mut *connection).await?;
            sqlx::query("DELETE FROM api_user WHERE username = ?1").bind(username.as_str())
        }
        RareStep::NoteSecretUses(uses) => return Ok(note_secret_uses(connection, uses).await?),
        RareStep::PutSetting { key, is_sealed, value } => put_setting(key, *is_sealed, value),
        RareStep::DeleteSetting(key) => sqlx::query("DELETE FROM setting WHERE key = ?1").bind(key.as_str()),
        // A row gets its id when its message is settled: the smallest are the oldest.
        RareStep::TrimOldest => {
            sqlx::query("DELETE FROM journal WHERE id IN (SELECT id FROM journal ORDER BY id LIMIT ?1)").bind(CHUNK)
        }
        RareStep::KeepInbound(row) => return inbound::keep(connection, row).await,
        RareStep::MarkInbound { message_id, is_read } => return inbound::mark(connection, *message_id, *is_read).await,
        RareStep::DeleteInbound { message_id } => return inbound::wipe(connection, *message_id).await,
        RareStep::TrimInbox { parts } => return inbound::trim_oldest(connection, *parts).await,
        RareStep::WipeTexts { until } => sqlx::query(
            "UPDATE journal SET content = NULL, ticket_key = NULL WHERE id IN \
             (SELECT id FROM journal WHERE content IS NOT NULL AND deadline <= ?1 LIMIT ?2)",
        )
        .bind(until.as_unix_millis())
        .bind(CHUNK),
        #[cfg(test)]
        RareStep::LimitPages(Some(_)) => sqlx::query("PRAGMA max_page_count = 1"),
        #[cfg(test)]
        RareStep::LimitPages(None) => sqlx::query("PRAGMA max_page_count = 1073741823"),
        RareStep::Reseal { statement, rows } => sqlx::query(*statement).bind(rows.as_str()),
        RareStep::NoteSealedWith(head) => sqlx::query("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)")
            .bind(SEALED_WITH)
            .bind(head.as_slice()),
        RareStep::Audit { .. } | RareStep::Barrier => return Ok(Touched::default()),
        RareStep::TrimAudit { trim, at } => {
            let rows = ledger.trim(connection, *trim, *at).await?;
            return Ok(Touched { rows, last: None });
        }
        RareStep::CountAudit { at, is_end } => {
            ledger.close_windows(connection, at.as_unix_millis(), *is_end).await?;
            return Ok(Touched::default());
        }
        RareStep::KeepSettings { documents, users } => {
            for (key, sealed) in documents {
                put_setting(key, true, sealed).execute(&mut *connection).await?;
            }
            for user in users {
                put_api_user(connection, user).await?;
            }
            return Ok(Touched::default());
        }
        RareStep::PutLimits { kept, gone } => {
            for (statement, rows) in [(statements::PUT_LIMITS, kept), (statements::DELETE_LIMITS, gone)] {
                if let Some(rows) = rows {
                    sqlx::query(statement).bind(rows.as_str()).execute(&mut *connection).await?;
                }
            }
            return Ok(Touched::default());
        }
        RareStep::Trim { table, after, until } => return Ok(trim(connection, *table, *after, *until).await?),
    };
    let rows = query.execute(connection).await?.rows_affected();
    Ok(Touched { rows, last: None })
}

type Statement<'a> = Query<'a, Sqlite, SqliteArguments>;

/// Puts an API user; what is noted of secrets that it does not have any more goes.
async fn put_api_user(connection: &mut SqliteConnection, user: &ApiUser) -> Result<Touched, sqlx::Error> {
    let statement = "INSERT OR REPLACE INTO api_user (username, password_hash, scopes, class, active, previous_hash) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let put = sqlx::query(statement)
        .bind(user.username.as_str())
        .bind(user.password_hash.as_str())
        .bind(write_scopes(user.scopes))
        .bind(user.class.as_str())
        .bind(user.is_active)
        .bind(user.previous_hash.as_deref());
    let rows = put.execute(&mut *connection).await?.rows_affected();
    let statement = "DELETE FROM api_user_use WHERE username = ?1 AND secret_hash NOT IN ('', ?2, coalesce(?3, ''))";
    let forget = sqlx::query(statement)
        .bind(user.username.as_str())
        .bind(user.password_hash.as_str())
        .bind(user.previous_hash.as_deref());
    forget.execute(connection).await?;
    Ok(Touched { rows, last: None })
}

async fn note_secret_uses(connection: &mut SqliteConnection, uses: &[SecretUse]) -> Result<Touched, sqlx::Error> {
    let statement = "INSERT INTO api_user_use (username, secret_hash, used_at, address) SELECT ?1, ?2, ?3, ?4 WHERE EXISTS \
                     (SELECT 1 FROM api_user WHERE username = ?1 AND ?2 IN ('', password_hash, coalesce(previous_hash, ''))) \
                     ON CONFLICT (username, secret_hash) DO UPDATE SET used_at = excluded.used_at, address = excluded.address";
    let mut rows: u64 = 0;
    for one in uses {
        let note = sqlx::query(statement)
            .bind(one.username.as_str())
            .bind(one.secret_hash.as_deref().unwrap_or_default())
            .bind(one.at.as_unix_millis())
            .bind(one.address.to_string());
        rows = rows.saturating_add(note.execute(&mut *connection).await?.rows_affected());
    }
    Ok(Touched { rows, last: None })
}

fn put_setting<'a>(key: &'a str, is_sealed: bool, value: &'a [u8]) -> Statement<'a> {
    let statement = "INSERT OR REPLACE INTO setting (key, is_sealed, value) VALUES (?1, ?2, ?3)";
    sqlx::query(statement).bind(key).bind(is_sealed).bind(value)
}

async fn trim(
    connection: &mut SqliteConnection,
    table: Trimmed,
    after: i64,
    until: WallTime,
) -> Result<Touched, sqlx::Error> {
    let (last_of_chunk, delete) = match table {
        Trimmed::Tickets => (
            "SELECT max(id) FROM (SELECT id FROM ticket WHERE id > ?1 ORDER BY id LIMIT ?2)",
            "DELETE FROM ticket WHERE id > ?1 AND id <= ?2 AND keep_until <= ?3",
        ),
        Trimmed::Replays => (
            "SELECT max(id) FROM (SELECT id FROM replay WHERE id > ?1 ORDER BY id LIMIT ?2)",
            "DELETE FROM replay WHERE id > ?1 AND id <= ?2 AND expires_at <= ?3",
        ),
        Trimmed::Journal => (
            "SELECT max(id) FROM (SELECT id FROM journal WHERE id > ?1 ORDER BY id LIMIT ?2)",
            "DELETE FROM journal WHERE id > ?1 AND id <= ?2 AND settled_at <= ?3",
        ),
        // A message goes as a whole: what is left of it would look like one that never came.
        Trimmed::Inbox => (
            "SELECT max(id) FROM (SELECT id FROM inbox WHERE id > ?1 ORDER BY id LIMIT ?2)",
            "DELETE FROM inbox WHERE id > ?1 AND id <= ?2 AND received_at <= ?3 AND NOT EXISTS \
             (SELECT 1 FROM inbox AS other WHERE other.message_id = inbox.message_id AND other.received_at > ?3)",
        ),
    };
    let row = sqlx::query(last_of_chunk).bind(after).bind(CHUNK).fetch_one(&mut *connection).await?;
    let Some(last) = row.try_get::<Option<i64>, _>(0)? else { return Ok(Touched::default()) };
    let query = sqlx::query(delete).bind(after).bind(last).bind(until.as_unix_millis());
    let rows = query.execute(connection).await?.rows_affected();
    Ok(Touched { rows, last: Some(last) })
}
