//! The way on when the keys of a database are gone for good: what only they could open is given up, the rest is kept.
//!
//! Never while the keys at hand are the right ones, and never while a gateway runs. Called by the command line, after a person
//! has said that the loss is accepted.

use std::path::PathBuf;

use domain::clock::WallTime;
use serde::{Deserialize, Serialize};
use sqlx::{Connection, Row, SqliteConnection};

use crate::audit::{self, AuditBy, AuditEvent, AuditKey, AuditKind, Recorded};
use crate::codec::{Codec, KeyCheck};
use crate::db::{self, DataDir, KEY_CHECK};
use crate::error::{OpenError, StoreError};
use crate::keys::{Keys, KeysError, KeysPlace, LiveKeys};
use crate::settings::Settings;

/// Journal rows that lose their receiver in one commit.
const CHUNK: i64 = 5_000;

/// The keys were not reset.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// Nothing is lost.
    #[error("the keys at hand belong to this database; nothing is lost, and nothing was changed")]
    NotNeeded,
    /// There is nothing to be reset.
    #[error("there is no database in {}; keys are made at the first start", data_dir.display())]
    NoDatabase {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// The keys could not be read or made.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The database could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database refused. Begin again.
    #[error("not everything was reset; begin again")]
    Store(#[from] StoreError),
}

/// What was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysReset {
    /// Where the useless keys file lies now, if there was one.
    pub old_keys: Option<PathBuf>,
    /// Messages that waited: they are `failed` in the journal, or `unknown` when they were on air.
    pub waiting: u64,
    /// Journal rows without a receiver now.
    pub receivers: u64,
    /// Tickets: their codes are worth nothing, their references are free.
    pub tickets: u64,
    /// Entries of the block list.
    pub blocked: u64,
    /// Sealed settings.
    pub settings: u64,
    /// Parts of SMS that had come in.
    #[serde(default)]
    pub inbox: u64,
}

/// Gives up what is sealed in the data directory and makes it usable with other keys: fresh ones where they are ours to make,
/// else those that were provided.
///
/// # Errors
/// [`ResetError`]. Broken off in the middle it can be begun again.
pub async fn reset_keys(
    settings: &Settings,
    place: KeysPlace,
    now: WallTime,
    by: &AuditBy,
) -> Result<KeysReset, ResetError> {
    // Before the lock: nothing is left behind where nothing is.
    if db::existing_database(&settings.data_dir).is_none() {
        return Err(ResetError::NoDatabase { data_dir: settings.data_dir.clone() });
    }
    let data_dir = DataDir::lock(&settings.data_dir)?;
    let found = match Keys::load(place.clone()) {
        Ok(keys) => Some(Codec::new(LiveKeys::new(keys))),
        Err(KeysError::Missing { .. } | KeysError::NotAKeysFile { .. }) if place.is_ours() => None,
        Err(error) => return Err(error.into()),
    };
    let mut connection = db::open_unchecked(&data_dir).await?;
    if let Some(codec) = &found
        && let Some(sealed) = db::find_meta(&mut connection, KEY_CHECK).await.map_err(StoreError::from)?
        && matches!(codec.check_keys(&sealed), KeyCheck::Belong { .. })
    {
        return Err(ResetError::NotNeeded);
    }
    let (codec, old_keys) = match found {
        Some(codec) if !place.is_ours() => (codec, None),
        _ => {
            let old_keys = Keys::start_anew(&place, now)?;
            (Codec::new(LiveKeys::new(Keys::load(place)?)), old_keys)
        }
    };
    let receivers = forget_receivers(&mut connection).await?;
    let mut reset = forget_the_rest(&mut connection, &codec, now, by).await?;
    (reset.old_keys, reset.receivers) = (old_keys, receivers);
    db::checkpoint(&mut connection).await.map_err(StoreError::from)?;
    db::close(connection).await.map_err(StoreError::from)?;
    Ok(reset)
}

async fn forget_receivers(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let (mut after, mut sum) = (i64::MIN, 0_u64);
    loop {
        let row = sqlx::query("SELECT max(id) FROM (SELECT id FROM journal WHERE id > ?1 ORDER BY id LIMIT ?2)");
        let row = row.bind(after).bind(CHUNK).fetch_one(&mut *connection).await?;
        let Some(last) = row.try_get::<Option<i64>, _>(0)? else { return Ok(sum) };
        let forget = sqlx::query(
            "UPDATE journal SET summary = x'', content = NULL, ticket_key = NULL \
             WHERE id > ?1 AND id <= ?2 AND summary <> x''",
        );
        let forgotten = forget.bind(after).bind(last).execute(&mut *connection).await?.rows_affected();
        (after, sum) = (last, sum.saturating_add(forgotten));
    }
}

/// All at once, the mark of the new keys with it: the database belongs to the one or to the other.
async fn forget_the_rest(
    connection: &mut SqliteConnection,
    codec: &Codec,
    now: WallTime,
    by: &AuditBy,
) -> Result<KeysReset, ResetError> {
    let mut all = connection.begin().await.map_err(StoreError::from)?;
    // Whoever was on air may have been sent: nobody can know.
    sqlx::query(
        "INSERT INTO journal (message_id, api_user, class, entrance, is_otp, state, reason, accepted_at, deadline, settled_at, \
         receiver_key, attempts, summary) SELECT message_id, api_user, class, entrance, is_otp, \
         CASE state WHEN 'sending' THEN 'unknown' ELSE 'failed' END, 'its text was lost with the keys', accepted_at, deadline, \
         ?1, receiver_key, attempts, x'' FROM outbox ORDER BY id",
    )
    .bind(now.as_unix_millis())
    .execute(&mut *all)
    .await
    .map_err(StoreError::from)?;
    let mut counts = [0_u64; 9];
    let statements = [
        "DELETE FROM outbox",
        "DELETE FROM ticket WHERE keep_until > 0",
        "DELETE FROM replay",
        "DELETE FROM blocked",
        "DELETE FROM limit_counter",
        "DELETE FROM setting WHERE is_sealed",
        // Their fingerprints say nothing under another key: what still lies on a SIM comes again.
        "DELETE FROM inbox",
        "DELETE FROM sim_use",
        "DELETE FROM sim_receiver",
    ];
    for (count, statement) in counts.iter_mut().zip(statements) {
        *count = sqlx::query(statement).execute(&mut *all).await.map_err(StoreError::from)?.rows_affected();
    }
    db::put_key_marks(&mut all, codec).await?;
    let event = AuditEvent::new(AuditKind::KeysReset, by, "");
    let event = event.with("rows before this one", None, Some("chained anew as they stood"));
    audit::start_anew(&mut all, &AuditKey::of(codec.lookup()), &Recorded { at: now, event }).await?;
    all.commit().await.map_err(StoreError::from)?;
    let [waiting, tickets, _, blocked, _, settings, inbox, ..] = counts;
    Ok(KeysReset { old_keys: None, waiting, receivers: 0, tickets, blocked, settings, inbox })
}
