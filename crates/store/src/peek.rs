//! One setting, read before the store is opened: some of the settings that open it are kept in it.

use std::path::Path;

use domain::secret::SecretText;
use sqlx::sqlite::SqlitePoolOptions;

use crate::accounts;
use crate::codec::Codec;
use crate::db;
use crate::error::StoreError;
use crate::keys::{Keys, LiveKeys};

/// The value of a setting in the database of `data_dir`, whether a gateway runs on it or not. `None` without a database too.
///
/// # Errors
/// [`StoreError`] when the database cannot be read; opening the store says better why.
pub async fn peek(data_dir: &Path, keys: Keys, setting: &str) -> Result<Option<SecretText>, StoreError> {
    let Some(path) = db::existing_database(data_dir) else { return Ok(None) };
    let codec = Codec::new(LiveKeys::new(keys));
    let options = db::options(&path).create_if_missing(false).pragma("query_only", "ON");
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    let found = accounts::find_setting(&pool, &codec, setting).await;
    pool.close().await;
    found
}

/// Reads every page of the database of `data_dir` and answers what is wrong with it, in SQLite's words; nothing when it is sound.
///
/// # Errors
/// [`StoreError`] when it cannot be read at all.
pub async fn check_database(data_dir: &Path) -> Result<Vec<String>, StoreError> {
    let Some(path) = db::existing_database(data_dir) else { return Ok(Vec::new()) };
    let options = db::options(&path).create_if_missing(false).pragma("query_only", "ON");
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    let found = sqlx::query_scalar("PRAGMA quick_check(20)").fetch_all(&pool).await;
    pool.close().await;
    let mut complaints: Vec<String> = found?;
    complaints.retain(|line| line != "ok");
    Ok(complaints)
}
