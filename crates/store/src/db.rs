//! The database file: how it is locked, opened, kept private and brought up to date.
//!
//! SQLite in WAL mode with `synchronous=FULL`: a commit is on disk when it returns. Called by [`crate::Store::open`].

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::clock::WallTime;
use rustix::fs::FlockOperation;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection, SqlitePool};

use crate::audit::{self, AuditKey, Ledger};
use crate::codec::{Codec, KeyCheck};
use crate::error::{OpenError, StoreError};

const DATABASE: &str = "otp-pi.db";
/// Rows of the table `meta`: a sealed proof of whose keys these are, and how everything was sealed when it was last looked
/// through (form and key; absent as long as values of the first form are about).
pub(crate) const KEY_CHECK: &str = "key_check";
pub(crate) const SEALED_WITH: &str = "sealed_with";
const LOCK: &str = "otp-pi.lock";
/// How long a statement waits for another program's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// A commit writes whole pages and changes a row or two of most of them: small pages are fewer bytes on the card. A database
/// that exists keeps the size it was made with.
const PAGE_BYTES: u32 = 2048;
/// A WAL of this size is checkpointed, and cut back to it afterwards: 16 MiB.
const WAL_PAGES: &str = "8192";
const WAL_BYTES: &str = "16777216";
/// Page caches, in KiB (negative means KiB to SQLite): one writer, few readers.
const WRITER_CACHE: &str = "-16384";
const READER_CACHE: &str = "-1024";
const READERS: u32 = 2;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// A data directory that is ours alone.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    /// The advisory lock lives as long as this file is open.
    _lock: File,
}

impl DataDir {
    /// Makes the directory (0700), closes one that is open to others, and takes its lock.
    pub(crate) fn lock(path: &Path) -> Result<Self, OpenError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { path, source }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io(path))?;
        close_to_others(path).map_err(io(path))?;
        let lock_path = path.join(LOCK);
        let lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(io(&lock_path))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                remove_left_over(path);
                Ok(Self { path: path.to_owned(), _lock: lock })
            }
            Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::InUse { path: path.to_owned() }),
            Err(errno) => Err(OpenError::Io { path: lock_path, source: errno.into() }),
        }
    }

    /// The database file.
    pub(crate) fn database(&self) -> PathBuf {
        database_in(&self.path)
    }

    fn options(&self) -> SqliteConnectOptions {
        options(&self.database())
    }
}

/// Removes copies that a backup left behind when it was broken off: `backup-<16 hex digits>.db`, whatever follows.
fn remove_left_over(data_dir: &Path) {
    let is_left_over = |name: &str| {
        let digits = name.strip_prefix("backup-").and_then(|rest| rest.split_once(".db"));
        digits.is_some_and(|(digits, _)| digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    for entry in std::fs::read_dir(data_dir).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_left_over)
            && let Err(error) = std::fs::remove_file(entry.path())
        {
            tracing::warn!(path = %entry.path().display(), %error, "a copy that a backup left behind cannot be removed");
        }
    }
}

/// The database file of a data directory.
pub(crate) fn database_in(data_dir: &Path) -> PathBuf {
    data_dir.join(DATABASE)
}

/// How every connection is opened.
pub(crate) fn options(database: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(database)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging()
}

/// Opens the writer's connection, with the schema up to date, the keys checked and the audit record taken up.
pub(crate) async fn open(
    data_dir: &DataDir,
    codec: &Codec,
    now: WallTime,
) -> Result<(SqliteConnection, Ledger), OpenError> {
    let mut connection = open_unchecked(data_dir).await?;
    let has_audit = check_keys(&mut connection, codec, &data_dir.database()).await?;
    let key = AuditKey::of(codec.lookup());
    let ledger = audit::open(&mut connection, key, has_audit == Some(true), now).await?;
    if has_audit != Some(true) {
        // After its head is there: a crash between the two begins again.
        put_key_check(&mut connection, codec, has_audit.is_none()).await?;
    }
    Ok((connection, ledger))
}

/// As [`open`], whoever's the keys are.
pub(crate) async fn open_unchecked(data_dir: &DataDir) -> Result<SqliteConnection, OpenError> {
    let path = data_dir.database();
    create_private(&path)?;
    let classed = |error| OpenError::from_database(&path, error);
    let mut connection = data_dir
        .options()
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .page_size(PAGE_BYTES)
        .pragma("secure_delete", "ON")
        .pragma("journal_size_limit", WAL_BYTES)
        .pragma("wal_autocheckpoint", WAL_PAGES)
        .pragma("cache_size", WRITER_CACHE)
        .thread_name(|_| "store-writer".to_owned())
        .connect()
        .await
        .map_err(classed)?;
    quick_check(&mut connection, &path).await?;
    migrate(&mut connection, &path).await?;
    Ok(connection)
}

/// A small pool for reading.
pub(crate) fn open_readers(data_dir: &DataDir) -> SqlitePool {
    let options = data_dir
        .options()
        .create_if_missing(false)
        .pragma("query_only", "ON")
        .pragma("cache_size", READER_CACHE)
        .thread_name(|number| format!("store-reader-{number}"));
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .test_before_acquire(false)
        .acquire_timeout(Duration::from_secs(10))
        .connect_lazy_with(options)
}

/// A connection that copies the database and changes nothing in it.
pub(crate) async fn open_for_copying(data_dir: &DataDir) -> Result<SqliteConnection, sqlx::Error> {
    let options = data_dir.options().create_if_missing(false).pragma("cache_size", READER_CACHE);
    options.thread_name(|_| "store-backup".to_owned()).connect().await
}

/// Takes everybody else's rights away from a directory that was made by hand or by a package.
fn close_to_others(path: &Path) -> std::io::Result<()> {
    let mut permissions = std::fs::metadata(path)?.permissions();
    if permissions.mode() & 0o077 == 0 {
        return Ok(());
    }
    permissions.set_mode(0o700);
    match std::fs::set_permissions(path, permissions) {
        Ok(()) => {
            tracing::warn!(path = %path.display(), "the data directory was open to other users; it is closed now");
        }
        // Its files are 0600 all the same.
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the data directory is open to other users");
        }
    }
    Ok(())
}

/// Makes the file before SQLite does, so that it never is anybody else's to read; WAL and index inherit the mode.
fn create_private(path: &Path) -> Result<(), OpenError> {
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map_err(io)?;
    let mode = file.metadata().map_err(io)?.permissions().mode();
    if mode & 0o077 != 0 {
        file.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(io)?;
    }
    Ok(())
}

/// Reads the first page and the schema, which shows a file that is no database, nothing more: damage further in shows when its
/// page is read. A full integrity check would read every page and belongs to `doctor`.
async fn quick_check(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let classed = |error| OpenError::from_database(path, error);
    sqlx::query("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *connection).await.map_err(classed)?;
    Ok(())
}

async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    match MIGRATIONS.run(&mut *connection).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(found)) if found > known => Err(OpenError::NewerSchema { found, known }),
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
            Err(OpenError::from_database(path, error))
        }
        Err(other) => Err(OpenError::Migrate(other)),
    }
}

/// Refuses keys that are not the database's. Answers whether it has an audit record; None for a fresh database.
async fn check_keys(connection: &mut SqliteConnection, codec: &Codec, path: &Path) -> Result<Option<bool>, OpenError> {
    let classed = |error| OpenError::from_database(path, error);
    let keys = || codec.keys.place().path();
    let has_audit = match find_meta(&mut *connection, KEY_CHECK).await.map_err(classed)? {
        Some(sealed) => match codec.check_keys(&sealed) {
            KeyCheck::Belong { has_audit } => Some(has_audit),
            KeyCheck::Missing(id) => return Err(OpenError::KeyNotAtHand { id, keys: keys() }),
            KeyCheck::Foreign => return Err(OpenError::ForeignKeys { keys: keys() }),
        },
        None => None,
    };
    if find_meta(&mut *connection, SEALED_WITH).await.map_err(classed)?.is_some() {
        codec.keys.refuse_first_form();
    }
    Ok(has_audit)
}

/// Notes whose keys these are, and that there is an audit record; for a fresh database, that nothing of another form is in it.
async fn put_key_check(connection: &mut SqliteConnection, codec: &Codec, is_fresh: bool) -> Result<(), OpenError> {
    if is_fresh {
        put_key_marks(connection, codec).await?;
        codec.keys.refuse_first_form();
        return Ok(());
    }
    let check = codec.key_check().map_err(|_| OpenError::Randomness)?;
    let update = sqlx::query("UPDATE meta SET value = ?1 WHERE name = ?2").bind(check).bind(KEY_CHECK);
    update.execute(connection).await.map(|_| ()).map_err(|error| StoreError::from(error).into())
}

/// Notes, at once, which keys the database belongs to and that everything in it is sealed with the current one.
pub(crate) async fn put_key_marks(connection: &mut SqliteConnection, codec: &Codec) -> Result<(), OpenError> {
    let check = codec.key_check().map_err(|_| OpenError::Randomness)?;
    let head = codec.keys.seal().head();
    sqlx::query("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2), (?3, ?4)")
        .bind(KEY_CHECK)
        .bind(check)
        .bind(SEALED_WITH)
        .bind(head.as_slice())
        .execute(connection)
        .await
        .map_err(|error| StoreError::from(error).into())
        .map(|_| ())
}

/// A row of the table `meta`.
pub(crate) async fn find_meta<'a, E>(executor: E, name: &str) -> Result<Option<Vec<u8>>, sqlx::Error>
where
    E: sqlx::Executor<'a, Database = sqlx::Sqlite>,
{
    let row = sqlx::query("SELECT value FROM meta WHERE name = ?1").bind(name).fetch_optional(executor).await?;
    row.map(|row| row.try_get(0)).transpose()
}

/// Tells whether the data directory holds a database.
#[must_use]
pub fn has_database(data_dir: &Path) -> bool {
    existing_database(data_dir).is_some()
}

/// The database file, if there is one that holds anything.
pub(crate) fn existing_database(data_dir: &Path) -> Option<PathBuf> {
    let path = data_dir.join(DATABASE);
    let holds_something = std::fs::metadata(&path).is_ok_and(|found| found.len() > 0);
    holds_something.then_some(path)
}

/// Copies the WAL into the database and cuts it, so that an idle disk holds one file.
pub(crate) async fn checkpoint(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(connection).await.map(|_| ())
}

/// Closes the connection in good order.
pub(crate) async fn close(connection: SqliteConnection) -> Result<(), sqlx::Error> {
    connection.close().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_broken_off_backup_left_behind_goes_and_nothing_else_does() {
        let directory = tempfile::tempdir().unwrap();
        let names = [
            ("backup-0123456789abcdef.db", false),
            ("backup-0123456789abcdef.db.unfinished-0123456789abcdef", false),
            ("backup-of-mine.db", true),
            ("backup-0123456789abcdef.tar", true),
            ("otp-pi.db", true),
        ];
        names.iter().for_each(|(name, _)| std::fs::write(directory.path().join(name), "x").unwrap());
        let _lock = DataDir::lock(directory.path()).unwrap();
        for (name, stays) in names {
            assert_eq!(directory.path().join(name).exists(), stays, "{name}");
        }
    }
}
