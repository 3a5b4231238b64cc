//! Where tickets live: one trait, one contract, several implementations.
//!
//! Every decision is made by [`domain::otp::Ticket`]; an implementation only makes load, decide and write one atomic
//! step. Called by [`crate::Store`] alone.

use std::future::Future;
use std::pin::Pin;

use domain::clock::WallTime;
use domain::message::MessageId;
use domain::otp::{AttemptId, Guess, Reservation, ReserveOutcome, TagEntry, TicketKey, Verdict};

use crate::error::StoreError;

mod memory;
pub(crate) mod record;
mod sqlite;

pub use memory::MemoryTickets;
pub use sqlite::SqliteTickets;

/// What a ticket store answers, when it is ready.
pub type TicketFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps tickets. Each method is one atomic step and durable (as far as the store is) when it returns.
///
/// # Errors
/// Every method answers [`StoreError`] when nothing was changed.
pub trait TicketStore: Send + Sync {
    /// Takes a reference for a request.
    fn reserve(&self, key: TicketKey, reservation: Reservation, now: WallTime) -> TicketFuture<'_, ReserveOutcome>;

    /// Adds the tag of a code about to be sent; false when the ticket is gone, used or cancelled.
    fn put_tag(&self, key: TicketKey, entry: TagEntry) -> TicketFuture<'_, bool>;

    /// Removes the tag of an attempt that certainly sent nothing; false when it was not there.
    fn remove_tag(&self, key: TicketKey, attempt: AttemptId) -> TicketFuture<'_, bool>;

    /// Tells whether the tag of an attempt is known.
    fn has_tag(&self, key: TicketKey, attempt: AttemptId) -> TicketFuture<'_, bool>;

    /// Judges a guess: counts the attempt before it compares; one right guess wins.
    fn validate(&self, key: TicketKey, guess: Guess, now: WallTime) -> TicketFuture<'_, Verdict>;

    /// Gives a ticket up; answers its newest message when the ticket was live.
    fn cancel(&self, key: TicketKey, now: WallTime) -> TicketFuture<'_, Option<MessageId>>;

    /// The newest message of a ticket.
    fn find_message(&self, key: TicketKey) -> TicketFuture<'_, Option<MessageId>>;
}

#[cfg(test)]
mod contract;
