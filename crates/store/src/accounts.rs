//! API users and settings as read from the database.

use domain::clock::WallTime;
use domain::command::{Scope, ScopeSet};
use domain::message::Class;
use domain::secret::SecretText;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};

use crate::api_user::{ApiUser, SecretUse};
use crate::codec::Codec;
use crate::error::StoreError;

/// All API users, by name.
pub(crate) async fn list(pool: &SqlitePool) -> Result<Vec<ApiUser>, StoreError> {
    let statement =
        "SELECT username, password_hash, scopes, class, active, previous_hash FROM api_user ORDER BY username";
    let rows = sqlx::query(statement).fetch_all(pool).await?;
    rows.iter().map(read_user).collect()
}

/// The API user of that name.
pub(crate) async fn find(pool: &SqlitePool, username: &str) -> Result<Option<ApiUser>, StoreError> {
    let statement =
        "SELECT username, password_hash, scopes, class, active, previous_hash FROM api_user WHERE username = ?1";
    sqlx::query(statement).bind(username).fetch_optional(pool).await?.as_ref().map(read_user).transpose()
}

fn read_user(row: &SqliteRow) -> Result<ApiUser, StoreError> {
    let scopes: String = row.try_get(2)?;
    let class: String = row.try_get(3)?;
    Ok(ApiUser {
        username: row.try_get(0)?,
        password_hash: row.try_get(1)?,
        scopes: read_scopes(&scopes),
        class: Class::parse(&class).ok_or(StoreError::Unreadable { table: "api_user" })?,
        is_active: row.try_get(4)?,
        previous_hash: row.try_get(5)?,
    })
}

/// When the secrets of API users were used last.
pub(crate) async fn uses(pool: &SqlitePool) -> Result<Vec<SecretUse>, StoreError> {
    let statement = "SELECT username, secret_hash, used_at, address FROM api_user_use ORDER BY username, secret_hash";
    let rows = sqlx::query(statement).fetch_all(pool).await?;
    let read = |row: &SqliteRow| {
        let (secret_hash, address): (String, String) = (row.try_get(1)?, row.try_get(3)?);
        Ok(SecretUse {
            username: row.try_get(0)?,
            secret_hash: Some(secret_hash).filter(|hash| !hash.is_empty()),
            at: WallTime::from_unix_millis(row.try_get(2)?),
            address: address.parse().map_err(|_| StoreError::Unreadable { table: "api_user_use" })?,
        })
    };
    rows.iter().map(read).collect()
}

/// Scopes as stored: their words, blank-separated. A word that this program does not know grants nothing.
pub(crate) fn write_scopes(scopes: ScopeSet) -> String {
    scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" ")
}

fn read_scopes(text: &str) -> ScopeSet {
    text.split(' ').filter_map(Scope::parse).collect()
}

/// The value of a setting, unsealed if need be.
pub(crate) async fn find_setting(
    pool: &SqlitePool,
    codec: &Codec,
    key: &str,
) -> Result<Option<SecretText>, StoreError> {
    let row = sqlx::query("SELECT is_sealed, value FROM setting WHERE key = ?1").bind(key).fetch_optional(pool).await?;
    let Some(row) = row else { return Ok(None) };
    let is_sealed: bool = row.try_get(0)?;
    let value: Vec<u8> = row.try_get(1)?;
    if is_sealed {
        codec.open_setting(key, &value).map(Some)
    } else {
        String::from_utf8(value)
            .map(|text| Some(SecretText::new(text)))
            .map_err(|_| StoreError::Unreadable { table: "setting" })
    }
}
