//! Where tickets live: one trait, one contract, several implementations.
//!
//! Every decision is made by [`domain::otp::Ticket`]; an implementation only makes load, decide and write one atomic
//! step. Called by [`crate::Store`] alone.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use domain::clock::{Clock, WallTime};
use domain::message::MessageId;
use domain::otp::{AttemptId, Guess, Reservation, ReserveOutcome, TagEntry, Ticket, TicketKey, TicketState, Verdict};

use crate::change::BeginOutcome;
use crate::error::{OpenError, StoreError};
use crate::shared::{Server, ServerAddress};

mod memory;
pub(crate) mod record;
pub(crate) mod remote;
pub(crate) mod shared;
mod sqlite;

pub use memory::MemoryTickets;
pub use sqlite::SqliteTickets;

/// Whether a code may be sent, as its ticket sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagOutcome {
    /// The tag is there.
    Put,
    /// The ticket was cancelled.
    Cancelled,
    /// A code of this message was entered.
    Consumed,
    /// The reference belongs to other messages, or another message's code was entered.
    Superseded,
    /// There is no ticket.
    Lost,
}

impl From<TagOutcome> for BeginOutcome {
    fn from(outcome: TagOutcome) -> Self {
        match outcome {
            TagOutcome::Put => Self::Begun,
            TagOutcome::Cancelled => Self::Cancelled,
            TagOutcome::Consumed => Self::Consumed,
            TagOutcome::Superseded => Self::Superseded,
            TagOutcome::Lost => Self::TicketLost,
        }
    }
}

/// Puts a tag, or says why not; the decision behind every [`TicketStore::put_tag`].
pub(crate) fn put_tag(ticket: Option<&mut Ticket>, entry: TagEntry) -> TagOutcome {
    let Some(ticket) = ticket else { return TagOutcome::Lost };
    let id = entry.attempt.message_id;
    let is_ours = ticket.message_id == id || ticket.previous_message_id == Some(id);
    if ticket.put_tag(entry) {
        TagOutcome::Put
    } else if was_entered(ticket, id) {
        TagOutcome::Consumed
    } else if is_ours && ticket.state == TicketState::Cancelled {
        TagOutcome::Cancelled
    } else {
        TagOutcome::Superseded
    }
}

/// True when a right code was entered that may have come from this message.
pub(crate) fn was_entered(ticket: &Ticket, id: MessageId) -> bool {
    ticket.state == TicketState::Consumed && ticket.tags.iter().any(|entry| entry.attempt.message_id == id)
}

/// Takes a message that ended unsent off its ticket: without any code, and without another message that may still bring one,
/// the reference is free again. Answers whether the ticket has changed.
pub(crate) fn release(ticket: &mut Ticket, id: MessageId, now: WallTime) -> bool {
    if ticket.previous_message_id == Some(id) {
        ticket.previous_message_id = None;
        return true;
    }
    let is_last = ticket.message_id == id && ticket.previous_message_id.is_none();
    is_last && ticket.tags.is_empty() && ticket.cancel(now).is_some()
}

/// What a ticket store answers, when it is ready.
pub type TicketFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Opens tickets on a server that several nodes share, without a gateway around them.
///
/// # Errors
/// [`OpenError`] for what would not come right by itself; a server that is away is none.
pub fn open_remote(address: &ServerAddress, clock: Arc<dyn Clock>) -> Result<Arc<dyn TicketStore>, OpenError> {
    let rows = Server::open(address, Arc::clone(&clock))?.tickets;
    Ok(Arc::new(remote::RemoteTickets::new(rows, clock)))
}

/// Keeps tickets. Each method is one atomic step and durable (as far as the store is) when it returns.
///
/// # Errors
/// Every method answers [`StoreError`] when nothing was changed.
pub trait TicketStore: Send + Sync {
    /// Takes a reference for a request.
    fn reserve(&self, key: TicketKey, reservation: Reservation, now: WallTime) -> TicketFuture<'_, ReserveOutcome>;

    /// Adds the tag of a code about to be sent, or says why it must not be sent.
    fn put_tag(&self, key: TicketKey, entry: TagEntry) -> TicketFuture<'_, TagOutcome>;

    /// Removes the tag of an attempt that certainly sent nothing; false when it was not there.
    fn remove_tag(&self, key: TicketKey, attempt: AttemptId) -> TicketFuture<'_, bool>;

    /// Tells whether the tag of an attempt is known.
    fn has_tag(&self, key: TicketKey, attempt: AttemptId) -> TicketFuture<'_, bool>;

    /// Judges a guess: counts the attempt before it compares; one right guess wins.
    fn validate(&self, key: TicketKey, guess: Guess, now: WallTime) -> TicketFuture<'_, Verdict>;

    /// Tells whether a code of the ticket can be entered, now or when it has arrived. Counts and changes nothing.
    fn takes_guesses(&self, key: TicketKey, now: WallTime) -> TicketFuture<'_, bool>;

    /// Gives a ticket up; answers its newest message when the ticket was live.
    fn cancel(&self, key: TicketKey, now: WallTime) -> TicketFuture<'_, Option<MessageId>>;

    /// Tells whether a right code was entered that may have come from this message.
    fn was_entered(&self, key: TicketKey, message_id: MessageId) -> TicketFuture<'_, bool>;

    /// Takes a message that ended unsent off its ticket, which gives the reference free when no code is left; answers
    /// whether the ticket has changed.
    fn release(&self, key: TicketKey, message_id: MessageId, now: WallTime) -> TicketFuture<'_, bool>;

    /// A ticket as it stands; changes nothing.
    fn find(&self, key: TicketKey) -> TicketFuture<'_, Option<Ticket>>;

    /// The newest message of a ticket.
    fn find_message(&self, key: TicketKey) -> TicketFuture<'_, Option<MessageId>>;
}

#[cfg(test)]
mod contract;
