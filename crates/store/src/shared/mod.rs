//! Rows on a server that several nodes share: tickets, and what limits count.
//!
//! A row is replaced only while it is the one that was read: every write has a stamp of its own, and the server compares it in the
//! same step. So the rules stay in `domain`, and the engines behind [`Rows`] know none. No row holds a code, a text or a number in
//! clear, and its key is a keyed hash. Called by [`crate::tickets`] and [`crate::limits`].

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use domain::clock::WallTime;

use crate::error::StoreError;
use crate::keys::fill_random;

mod address;
mod dialect;
mod redis;
mod server;
mod sql;
mod step;

pub use address::{AddressError, Engine, ServerAddress};
pub(crate) use server::Server;
pub use server::check_ticket_store;
pub(crate) use step::{Assumed, Write, decide, load};

/// What makes one write known again: no two have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowStamp([u8; RowStamp::BYTES]);

impl RowStamp {
    pub(crate) const BYTES: usize = 16;

    fn fresh() -> Result<Self, StoreError> {
        let mut bytes = [0; Self::BYTES];
        fill_random(&mut bytes).map_err(|_| StoreError::Randomness)?;
        Ok(Self(bytes))
    }

    #[cfg(test)]
    pub(crate) fn test(byte: u8) -> Self {
        Self([byte; Self::BYTES])
    }
}

/// A row as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) stamp: RowStamp,
    pub(crate) record: Vec<u8>,
}

/// A keyed hash.
pub(crate) type RowKey = Vec<u8>;

/// One row of a step: what it was when it was read, and what becomes of it.
#[derive(Debug)]
pub(crate) struct Swap<'a> {
    pub(crate) key: &'a RowKey,
    pub(crate) seen: Option<RowStamp>,
    pub(crate) write: &'a Write,
}

/// What became of a step.
#[derive(Debug)]
pub(crate) enum Swapped {
    /// All of it is written, as durably as the server writes.
    Done,
    /// Nothing is: somebody else was faster, and these are the rows now.
    Beaten(Vec<Option<Row>>),
}

/// What a server answers, when it does.
pub(crate) type RowFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The rows of one kind.
///
/// # Errors
/// Every method answers [`StoreError::TicketStoreAway`] when the server does not answer, or refuses.
pub(crate) trait Rows: Send + Sync {
    /// Reads these rows.
    fn load<'a>(&'a self, keys: &'a [RowKey]) -> RowFuture<'a, Vec<Option<Row>>>;

    /// Writes all of it under `stamp`, or nothing. After an error nobody knows which of the two.
    fn swap<'a>(&'a self, swaps: &'a [Swap<'a>], stamp: RowStamp) -> RowFuture<'a, Swapped>;

    /// Reads all rows, in no order. For operators: the cost grows with their number.
    fn all(&self) -> RowFuture<'_, Vec<(RowKey, Row)>>;

    /// Deletes all rows.
    fn clear(&self) -> RowFuture<'_, ()>;

    /// Deletes a bounded number of rows that are past their time, where the server does not do that by itself; answers how many.
    fn purge(&self) -> RowFuture<'_, u64>;

    /// The server's own clock.
    fn clock(&self) -> RowFuture<'_, WallTime>;
}

/// So long a server may take to be reached, and to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Tickets.
    Ticket,
    /// What limits count.
    Limit,
}
