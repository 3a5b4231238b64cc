//! Rows for the eye and for scripts, the newest first.

use domain::clock::WallTime;
use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;

use super::event::{AuditChange, AuditKind};
use super::verify::{select, stored_row};
use crate::error::StoreError;

/// Rows that one page may have.
const MOST: usize = 1_000;

/// Which rows are listed.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only those since then.
    pub since: Option<WallTime>,
    /// Only those of this kind.
    pub kind: Option<AuditKind>,
    /// Only those before this one.
    pub before: Option<i64>,
    /// How many at most, 1 to 1000.
    pub limit: usize,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// Its number.
    pub sequence: i64,
    /// When, in milliseconds since the Unix epoch.
    pub at: i64,
    /// The word of what happened.
    pub event: String,
    /// Who.
    pub actor: String,
    /// From where.
    pub origin: String,
    /// On what; empty where there is nothing to name.
    pub subject: String,
    /// What changed.
    pub changes: Vec<AuditChange>,
}

/// Lists rows, the newest first. One that cannot be read is told as such, with its number.
pub(crate) async fn list(reader: &SqlitePool, filter: &AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
    let limit = i64::try_from(filter.limit.clamp(1, MOST)).unwrap_or(1);
    let rows = sqlx::query(concat!(
        select!(),
        " WHERE at >= ?1 AND (?2 IS NULL OR event = ?2) AND (?3 IS NULL OR sequence < ?3) ORDER BY sequence DESC LIMIT ?4"
    ))
    .bind(filter.since.map_or(i64::MIN, WallTime::as_unix_millis))
    .bind(filter.kind.map(AuditKind::as_str))
    .bind(filter.before)
    .bind(limit)
    .fetch_all(reader)
    .await?;
    rows.iter().map(|row| stored_row(row).map(view)).collect()
}

fn view((sequence, stored): super::verify::Stored) -> AuditRow {
    let Some((row, _)) = stored else {
        let text = String::new;
        return AuditRow {
            sequence,
            at: 0,
            event: "unreadable".to_owned(),
            actor: text(),
            origin: text(),
            subject: text(),
            changes: Vec::new(),
        };
    };
    let changes = serde_json::from_str(&row.details);
    AuditRow {
        sequence,
        at: row.at,
        event: row.event,
        actor: row.actor,
        origin: row.origin,
        subject: row.subject,
        changes: changes.unwrap_or_else(|_| vec![AuditChange { what: "unreadable".to_owned(), old: None, new: None }]),
    }
}
