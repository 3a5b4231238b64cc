//! Rows in MariaDB, MySQL or PostgreSQL: one code path, and the few statements in [`super::dialect`].
//!
//! One row is replaced by one statement that compares the stamp; several by a transaction that takes them in the order of their keys,
//! so that no two steps wait for each other.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use domain::clock::WallTime;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions, AnyRow};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Any, AnyConnection, AnyPool, ConnectOptions, Connection, Executor, Row as _};
use tokio::sync::OnceCell;

use super::address::Tls;
use super::dialect::{AT_ONCE, Dialect, PAGE, dialect};
use super::server::Watch;
use super::{Engine, Kind, PATIENCE, Row, RowFuture, RowKey, RowStamp, Rows, ServerAddress, Swap, Swapped, Write};
use crate::error::StoreError;

/// Connections to the server: a step holds one for a round trip or two.
const CONNECTIONS: u32 = 8;
/// An answer that takes longer has none: reaching the server may be part of it.
const LIMIT: Duration = Duration::from_secs(PATIENCE.as_secs() * 2);
/// Bringing the schema up to date may wait for another node that does so.
const MIGRATION_LIMIT: Duration = Duration::from_secs(30);
/// Of our own, since the database may be somebody else's too.
const MIGRATIONS_TABLE: &str = "otp_pi_migration";

/// Why a statement has no answer.
#[derive(Debug, thiserror::Error)]
enum SqlError {
    #[error("{0}")]
    Sql(#[from] sqlx::Error),
    #[error("the schema cannot be brought up to date: {0}")]
    Migrate(#[from] MigrateError),
    #[error("no answer in time")]
    Late,
}

/// The connections, as tickets and limits share them.
#[derive(Clone)]
pub(super) struct Pool {
    pool: AnyPool,
    is_postgres: bool,
    /// Filled when the schema is known to be there.
    ready: Arc<OnceCell<()>>,
    watch: Watch,
}

impl Pool {
    /// Connects with the first request.
    pub(super) fn open(address: &ServerAddress, watch: Watch) -> Result<Self, sqlx::Error> {
        sqlx::any::install_default_drivers();
        let is_postgres = address.engine() == Engine::Postgres;
        let mut url = address.expose();
        url.set_query(None);
        let (mode, file) = if is_postgres { ("sslmode", "sslrootcert") } else { ("ssl-mode", "ssl-ca") };
        let how = match (is_postgres, address.tls()) {
            (true, Tls::Off) => "disable",
            (true, Tls::Offered) => "prefer",
            (true, Tls::Verified) => "verify-full",
            (false, Tls::Off) => "DISABLED",
            (false, Tls::Offered) => "PREFERRED",
            (false, Tls::Verified) => "VERIFY_IDENTITY",
        };
        url.query_pairs_mut().append_pair(mode, how);
        if let Some(path) = address.ca_file() {
            std::fs::metadata(path)?;
            url.query_pairs_mut().append_pair(file, &path.to_string_lossy());
        }
        let options = AnyConnectOptions::from_url(&url)?.disable_statement_logging();
        let session = dialect(is_postgres, Kind::Ticket).session;
        let pool = AnyPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(PATIENCE)
            .idle_timeout(Duration::from_mins(5))
            .after_connect(move |connection, _| Box::pin(async move { connection.execute(session).await.map(drop) }))
            .connect_lazy_with(options);
        Ok(Self { pool, is_postgres, ready: Arc::default(), watch })
    }

    pub(super) fn rows(&self, kind: Kind) -> SqlRows {
        SqlRows { pool: self.clone(), dialect: dialect(self.is_postgres, kind) }
    }

    async fn migrate(&self) -> Result<(), SqlError> {
        let mut migrator: Migrator = if self.is_postgres {
            sqlx::migrate!("./migrations-shared/postgres")
        } else {
            sqlx::migrate!("./migrations-shared/mysql")
        };
        migrator.dangerous_set_table_name(MIGRATIONS_TABLE);
        // The library's own lock does not hold on MariaDB, which knows no endless wait for one.
        migrator.set_locking(false);
        let migrating = async {
            // A connection of its own: whatever ends this, the lock ends too.
            let mut connection = self.pool.acquire().await?.detach();
            let lock = dialect(self.is_postgres, Kind::Ticket).lock;
            let held: Option<i64> = sqlx::query(lock).fetch_one(&mut connection).await?.try_get(0)?;
            if held != Some(1) {
                return Err(SqlError::Late);
            }
            migrator.run_direct(None, &mut connection, false).await?;
            Ok(connection.close().await?)
        };
        tokio::time::timeout(MIGRATION_LIMIT, migrating).await.map_err(|_| SqlError::Late)?
    }

    /// Asks, when the schema is there.
    async fn ask<T>(&self, asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
        let asking = async {
            self.ready.get_or_try_init(|| self.migrate()).await?;
            Ok(tokio::time::timeout(LIMIT, asked).await.map_err(|_| SqlError::Late)??)
        };
        match asking.await {
            Ok(answer) => {
                self.watch.answered();
                Ok(answer)
            }
            Err(error) => Err(self.watch.failed(&error as &SqlError)),
        }
    }
}

/// The rows of one kind.
pub(super) struct SqlRows {
    pool: Pool,
    dialect: &'static Dialect,
}

impl SqlRows {
    async fn try_load(&self, keys: &[RowKey]) -> Result<Vec<Option<Row>>, sqlx::Error> {
        let mut found = Vec::with_capacity(keys.len());
        for some in keys.chunks(AT_ONCE) {
            let rows = if let [key] = some {
                sqlx::query(self.dialect.load).bind(key.as_slice()).fetch_all(&self.pool.pool).await?
            } else {
                let mut query = sqlx::query(self.dialect.load_several);
                // A key that is named twice is found once.
                for key in some.iter().chain(some.iter().cycle()).take(AT_ONCE) {
                    query = query.bind(key.as_slice());
                }
                query.fetch_all(&self.pool.pool).await?
            };
            let rows = rows.iter().map(parse_row).collect::<Result<Vec<_>, _>>()?;
            found.extend(some.iter().map(|key| rows.iter().find(|(at, _)| at == key).map(|(_, row)| row.clone())));
        }
        Ok(found)
    }

    /// False when somebody else was faster.
    async fn try_swap(&self, swaps: &[Swap<'_>], stamp: RowStamp) -> Result<bool, sqlx::Error> {
        if let [swap] = swaps {
            let mut connection = self.pool.pool.acquire().await?;
            return self.swap_one(&mut connection, swap, stamp).await;
        }
        let mut in_order: Vec<_> = swaps.iter().collect();
        in_order.sort_by_key(|swap| swap.key);
        let mut connection = self.pool.pool.acquire().await?;
        let mut transaction = connection.begin().await?;
        for swap in in_order {
            if !self.swap_one(&mut transaction, swap, stamp).await? {
                transaction.rollback().await?;
                return Ok(false);
            }
        }
        transaction.commit().await?;
        Ok(true)
    }

    async fn swap_one(
        &self,
        connection: &mut AnyConnection,
        swap: &Swap<'_>,
        stamp: RowStamp,
    ) -> Result<bool, sqlx::Error> {
        let key = swap.key.as_slice();
        let query = match (swap.write, &swap.seen) {
            (Write::Nothing, seen) => {
                let held = sqlx::query(self.dialect.hold).bind(key).fetch_optional(connection).await?;
                let held: Option<Vec<u8>> = held.map(|row| row.try_get(0)).transpose()?;
                return Ok(held.as_deref() == seen.as_ref().map(|seen| &seen.0[..]));
            }
            (Write::Delete, None) => return Ok(true),
            (Write::Delete, Some(seen)) => sqlx::query(self.dialect.delete).bind(key).bind(&seen.0[..]),
            (Write::Put { record, keep }, seen) => {
                let statement = if seen.is_some() { self.dialect.update } else { self.dialect.insert };
                let keep = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX / 2);
                let query =
                    sqlx::query::<Any>(statement).bind(record.as_slice()).bind(&stamp.0[..]).bind(keep).bind(key);
                match seen {
                    Some(seen) => query.bind(&seen.0[..]),
                    None => query,
                }
            }
        };
        Ok(query.execute(connection).await?.rows_affected() == 1)
    }

    async fn try_all(&self) -> Result<Vec<(RowKey, Row)>, sqlx::Error> {
        let mut all = Vec::new();
        let mut after = RowKey::new();
        loop {
            let page = sqlx::query(self.dialect.page).bind(after.as_slice()).fetch_all(&self.pool.pool).await?;
            for row in &page {
                let (key, row) = parse_row(row)?;
                after.clone_from(&key);
                all.push((key, row));
            }
            if page.len() < PAGE {
                return Ok(all);
            }
        }
    }
}

fn parse_row(row: &AnyRow) -> Result<(RowKey, Row), sqlx::Error> {
    let stamp: Vec<u8> = row.try_get(1)?;
    let stamp = stamp.try_into().map_err(|_| sqlx::Error::Decode("a stamp has sixteen bytes".into()))?;
    Ok((row.try_get(0)?, Row { stamp: RowStamp(stamp), record: row.try_get(2)? }))
}

/// True when others were in the way: a row was made meanwhile, or two transactions waited for each other.
fn is_beaten(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.is_unique_violation() || matches!(error.code().as_deref(), Some("40001" | "40P01")))
}

impl Rows for SqlRows {
    fn load<'a>(&'a self, keys: &'a [RowKey]) -> RowFuture<'a, Vec<Option<Row>>> {
        Box::pin(self.pool.ask(self.try_load(keys)))
    }

    fn swap<'a>(&'a self, swaps: &'a [Swap<'a>], stamp: RowStamp) -> RowFuture<'a, Swapped> {
        Box::pin(async move {
            let swapping = async {
                match self.try_swap(swaps, stamp).await {
                    Err(error) if is_beaten(&error) => Ok(false),
                    other => other,
                }
            };
            if self.pool.ask(swapping).await? {
                return Ok(Swapped::Done);
            }
            let keys: Vec<_> = swaps.iter().map(|swap| swap.key.clone()).collect();
            self.load(&keys).await.map(Swapped::Beaten)
        })
    }

    fn all(&self) -> RowFuture<'_, Vec<(RowKey, Row)>> {
        Box::pin(self.pool.ask(self.try_all()))
    }

    fn clear(&self) -> RowFuture<'_, ()> {
        Box::pin(self.pool.ask(async { self.pool.pool.execute(self.dialect.clear).await.map(drop) }))
    }

    fn purge(&self) -> RowFuture<'_, u64> {
        Box::pin(self.pool.ask(async { Ok(self.pool.pool.execute(self.dialect.purge).await?.rows_affected()) }))
    }

    fn clock(&self) -> RowFuture<'_, WallTime> {
        Box::pin(self.pool.ask(async {
            let row = self.pool.pool.fetch_one(self.dialect.clock).await?;
            row.try_get(0).map(WallTime::from_unix_millis)
        }))
    }
}
