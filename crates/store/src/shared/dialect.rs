//! The few statements on shared rows, in both dialects of SQL. Time is the server's, so that no node's clock deletes what others need.

use super::Kind;

/// Rows that are read with one statement.
pub(super) const AT_ONCE: usize = 8;
/// Rows in one answer when all are asked for.
pub(super) const PAGE: usize = 512;

/// The statements of one table. What is bound stands in the same order in both dialects.
pub(super) struct Dialect {
    /// For each new connection: what a step reads must be what others have committed.
    pub(super) session: &'static str,
    /// One key.
    pub(super) load: &'static str,
    /// [`AT_ONCE`] keys.
    pub(super) load_several: &'static str,
    /// Record, stamp, milliseconds to be kept, key.
    pub(super) insert: &'static str,
    /// Record, stamp, milliseconds to be kept, key, the stamp that was read.
    pub(super) update: &'static str,
    /// Key, the stamp that was read.
    pub(super) delete: &'static str,
    /// Key.
    pub(super) hold: &'static str,
    /// The key after which to go on.
    pub(super) page: &'static str,
    pub(super) clear: &'static str,
    pub(super) purge: &'static str,
    pub(super) clock: &'static str,
    /// Waits until no other node works on the schema, and answers 1 when that is so. It ends with the connection.
    pub(super) lock: &'static str,
}

macro_rules! mysql {
    ($table:literal) => {
        Dialect {
            session: "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            load: concat!("SELECT row_key, stamp, record FROM ", $table, " WHERE row_key = ?"),
            load_several: concat!(
                "SELECT row_key, stamp, record FROM ",
                $table,
                " WHERE row_key IN (?, ?, ?, ?, ?, ?, ?, ?)"
            ),
            insert: concat!(
                "INSERT INTO ",
                $table,
                " (record, stamp, keep_until, row_key) \
                 VALUES (?, ?, CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) + ?, ?)"
            ),
            update: concat!(
                "UPDATE ",
                $table,
                " SET record = ?, stamp = ?, \
                 keep_until = CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) + ? WHERE row_key = ? AND stamp = ?"
            ),
            delete: concat!("DELETE FROM ", $table, " WHERE row_key = ? AND stamp = ?"),
            hold: concat!("SELECT stamp FROM ", $table, " WHERE row_key = ? FOR UPDATE"),
            page: concat!(
                "SELECT row_key, stamp, record FROM ",
                $table,
                " WHERE row_key > ? ORDER BY row_key LIMIT 512"
            ),
            clear: concat!("DELETE FROM ", $table),
            purge: concat!(
                "DELETE FROM ",
                $table,
                " WHERE keep_until < CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) ORDER BY keep_until LIMIT 2000"
            ),
            clock: "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)",
            lock: "SELECT CAST(GET_LOCK('otp_pi_migration', 25) AS SIGNED)",
        }
    };
}

macro_rules! postgres {
    ($table:literal) => {
        Dialect {
            session: "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED",
            load: concat!("SELECT row_key, stamp, record FROM ", $table, " WHERE row_key = $1"),
            load_several: concat!(
                "SELECT row_key, stamp, record FROM ", $table, " WHERE row_key IN ($1, $2, $3, $4, $5, $6, $7, $8)"
            ),
            insert: concat!(
                "INSERT INTO ", $table, " (record, stamp, keep_until, row_key) \
                 VALUES ($1, $2, CAST(EXTRACT(EPOCH FROM now()) * 1000 AS BIGINT) + $3, $4)"
            ),
            update: concat!(
                "UPDATE ", $table, " SET record = $1, stamp = $2, \
                 keep_until = CAST(EXTRACT(EPOCH FROM now()) * 1000 AS BIGINT) + $3 WHERE row_key = $4 AND stamp = $5"
            ),
            delete: concat!("DELETE FROM ", $table, " WHERE row_key = $1 AND stamp = $2"),
            hold: concat!("SELECT stamp FROM ", $table, " WHERE row_key = $1 FOR UPDATE"),
            page: concat!("SELECT row_key, stamp, record FROM ", $table, " WHERE row_key > $1 ORDER BY row_key LIMIT 512"),
            clear: concat!("DELETE FROM ", $table),
            purge: concat!(
                "DELETE FROM ", $table, " WHERE row_key IN (SELECT row_key FROM ", $table,
                " WHERE keep_until < CAST(EXTRACT(EPOCH FROM now()) * 1000 AS BIGINT) ORDER BY keep_until LIMIT 2000)"
            ),
            clock: "SELECT CAST(EXTRACT(EPOCH FROM now()) * 1000 AS BIGINT)",
            lock: "SELECT CAST(1 AS BIGINT) FROM (SELECT pg_advisory_lock(7305817265)) AS held",
        }
    };
}

static MYSQL_TICKET: Dialect = mysql!("otp_pi_ticket");
static MYSQL_LIMIT: Dialect = mysql!("otp_pi_limit");
static POSTGRES_TICKET: Dialect = postgres!("otp_pi_ticket");
static POSTGRES_LIMIT: Dialect = postgres!("otp_pi_limit");

pub(super) fn dialect(is_postgres: bool, kind: Kind) -> &'static Dialect {
    match (is_postgres, kind) {
        (false, Kind::Ticket) => &MYSQL_TICKET,
        (false, Kind::Limit) => &MYSQL_LIMIT,
        (true, Kind::Ticket) => &POSTGRES_TICKET,
        (true, Kind::Limit) => &POSTGRES_LIMIT,
    }
}
