//! Rows in Redis: one connection that is shared and mends itself, one small script for the comparison, and a life for every key, so
//! that nothing is to be purged.

use std::fmt::Write as _;
use std::future::Future;
use std::time::Duration;

use ::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use ::redis::{AsyncCommands, Client, RedisError, RedisResult, Script, TlsCertificates, Value};
use domain::clock::WallTime;

use super::server::Watch;
use super::{Kind, PATIENCE, Row, RowFuture, RowKey, RowStamp, Rows, ServerAddress, Swap, Swapped, Write};
use crate::error::StoreError;

/// Whatever a server may hold besides: our keys begin with it.
const PREFIX: &str = "otp-pi:";
/// Rows that are read or deleted at once when all are asked for.
const PAGE: usize = 512;

/// The connection, as tickets and limits share it.
#[derive(Clone)]
pub(super) struct Connection {
    manager: ConnectionManager,
    watch: Watch,
}

impl Connection {
    /// Connects with the first request.
    pub(super) fn open(address: &ServerAddress, watch: Watch) -> Result<Self, RedisError> {
        let root_cert = match address.ca_file() {
            Some(path) => Some(std::fs::read(path)?),
            None => None,
        };
        let url = address.expose();
        let client = match url.scheme() {
            "rediss" => Client::build_with_tls(url, TlsCertificates { client_tls: None, root_cert })?,
            _ => Client::open(url)?,
        };
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(20))
            .set_max_delay(Duration::from_millis(200))
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        Ok(Self { manager: ConnectionManager::new_lazy_with_config(client, config)?, watch })
    }

    pub(super) fn rows(&self, kind: Kind) -> RedisRows {
        let word = match kind {
            Kind::Ticket => "ticket",
            Kind::Limit => "limit",
        };
        let script = Script::new(include_str!("script.lua"));
        RedisRows { connection: self.clone(), prefix: format!("{PREFIX}{word}:"), script }
    }
}

/// The rows of one kind.
pub(super) struct RedisRows {
    connection: Connection,
    prefix: String,
    script: Script,
}

impl RedisRows {
    fn name(&self, key: &RowKey) -> String {
        let mut name = String::with_capacity(self.prefix.len().saturating_add(key.len().saturating_mul(2)));
        name.push_str(&self.prefix);
        for byte in key {
            // Writing to a string cannot fail.
            write!(name, "{byte:02x}").unwrap_or_default();
        }
        name
    }

    fn key(&self, name: &str) -> Option<RowKey> {
        let digits = name.strip_prefix(&self.prefix)?.as_bytes();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
    }

    async fn watched<T>(&self, asked: impl Future<Output = RedisResult<T>>) -> Result<T, StoreError> {
        let watch = &self.connection.watch;
        match asked.await {
            Ok(answer) => {
                watch.answered();
                Ok(answer)
            }
            Err(error) => Err(watch.failed(&error)),
        }
    }

    fn manager(&self) -> ConnectionManager {
        self.connection.manager.clone()
    }

    async fn get(&self, names: &[String]) -> Result<Vec<Option<Row>>, StoreError> {
        let mut manager = self.manager();
        let found: Vec<Option<Vec<u8>>> = self.watched(manager.mget(names)).await?;
        found.into_iter().map(|row| row.as_deref().map(parse_row).transpose()).collect()
    }

    /// Names of ours, some of them perhaps twice.
    async fn scan(&self, cursor: u64) -> Result<(u64, Vec<String>), StoreError> {
        let mut manager = self.manager();
        let mut scan = ::redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(format!("{}*", self.prefix)).arg("COUNT").arg(PAGE);
        self.watched(scan.query_async(&mut manager)).await
    }
}

fn parse_row(bytes: &[u8]) -> Result<Row, StoreError> {
    let (stamp, record) =
        bytes.split_first_chunk::<{ RowStamp::BYTES }>().ok_or(StoreError::Unreadable { table: "shared" })?;
    Ok(Row { stamp: RowStamp(*stamp), record: record.to_vec() })
}

impl Rows for RedisRows {
    fn load<'a>(&'a self, keys: &'a [RowKey]) -> RowFuture<'a, Vec<Option<Row>>> {
        Box::pin(async move {
            let names: Vec<_> = keys.iter().map(|key| self.name(key)).collect();
            self.get(&names).await
        })
    }

    fn swap<'a>(&'a self, swaps: &'a [Swap<'a>], stamp: RowStamp) -> RowFuture<'a, Swapped> {
        Box::pin(async move {
            let mut call = self.script.prepare_invoke();
            call.arg(&stamp.0[..]);
            for swap in swaps {
                call.key(self.name(swap.key));
                call.arg(swap.seen.as_ref().map_or(&[][..], |seen| &seen.0));
                match swap.write {
                    Write::Nothing => call.arg("").arg(""),
                    Write::Delete => call.arg("0").arg(""),
                    Write::Put { record, keep } => call.arg(keep.as_millis().max(1).to_string()).arg(record.as_slice()),
                };
            }
            let mut manager = self.manager();
            match self.watched(call.invoke_async::<Value>(&mut manager)).await? {
                Value::Int(_) => Ok(Swapped::Done),
                Value::Array(rows) => rows.into_iter().map(row_of).collect::<Result<_, _>>().map(Swapped::Beaten),
                _ => Err(StoreError::Unreadable { table: "shared" }),
            }
        })
    }

    fn all(&self) -> RowFuture<'_, Vec<(RowKey, Row)>> {
        Box::pin(async move {
            let mut all = std::collections::HashMap::new();
            let mut cursor = 0;
            loop {
                let (next, names) = self.scan(cursor).await?;
                if !names.is_empty() {
                    let rows = self.get(&names).await?;
                    let found = names.iter().zip(rows).filter_map(|(name, row)| Some((self.key(name)?, row?)));
                    all.extend(found);
                }
                cursor = next;
                if cursor == 0 {
                    return Ok(all.into_iter().collect());
                }
            }
        })
    }

    fn clear(&self) -> RowFuture<'_, ()> {
        Box::pin(async move {
            let mut cursor = 0;
            loop {
                let (next, names) = self.scan(cursor).await?;
                if !names.is_empty() {
                    let mut manager = self.manager();
                    self.watched(manager.unlink::<_, ()>(names)).await?;
                }
                cursor = next;
                if cursor == 0 {
                    return Ok(());
                }
            }
        })
    }

    fn purge(&self) -> RowFuture<'_, u64> {
        Box::pin(std::future::ready(Ok(0)))
    }

    fn clock(&self) -> RowFuture<'_, WallTime> {
        Box::pin(async move {
            let mut manager = self.manager();
            let time = ::redis::cmd("TIME");
            let (seconds, micros): (i64, i64) = self.watched(time.query_async(&mut manager)).await?;
            Ok(WallTime::from_unix_millis(seconds.saturating_mul(1_000).saturating_add(micros / 1_000)))
        })
    }
}

fn row_of(value: Value) -> Result<Option<Row>, StoreError> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => parse_row(&bytes).map(Some),
        _ => Err(StoreError::Unreadable { table: "shared" }),
    }
}
