//! Where what limits have counted lives: one trait, one contract, beside the ticket store.
//!
//! Every decision is made by [`domain::limits`]; an implementation only makes load, decide and write one atomic step, whatever number
//! of keys it touches. In memory here, written behind to the node's own database; a store that several nodes share keeps
//! the same contract with one round trip a step. Called by [`crate::Store`] alone.

use std::future::Future;
use std::pin::Pin;

use domain::limits::{Book, LimitKey, Record};

use crate::error::StoreError;

mod local;
pub(crate) mod record;
pub(crate) mod remote;
mod store;

pub use local::LocalLimits;
pub(crate) use store::load;

/// What a limit store answers, when it is ready.
pub type LimitFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// One step on a book that holds at least the records of the keys that were named.
pub type LimitStep<'a> = &'a mut (dyn FnMut(&mut Book) + Send);

/// Keeps what is counted.
///
/// # Errors
/// Every method answers [`StoreError`] when nothing was changed.
pub trait LimitStore: Send + Sync {
    /// Lets `step` decide on the records of `keys` as they are now, and keeps what it changes: nobody else's step comes in between. A shared
    /// store may call it again when somebody else was faster, so it must answer by assigning, never by adding.
    fn update<'a>(&'a self, keys: &'a [LimitKey], step: LimitStep<'a>) -> LimitFuture<'a, ()>;

    /// Answers the records that `wanted` picks, for operators.
    fn select<'a>(
        &'a self,
        wanted: &'a (dyn Fn(&LimitKey, &Record) -> bool + Send + Sync),
    ) -> LimitFuture<'a, Vec<(LimitKey, Record)>>;

    /// Forgets everything.
    fn clear(&self) -> LimitFuture<'_, ()>;
}

#[cfg(test)]
mod contract;
