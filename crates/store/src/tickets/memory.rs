//! Tickets in memory: a restart forgets them. For tests and throw-away gateways.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::clock::WallTime;
use domain::message::MessageId;
use domain::otp::{AttemptId, Guess, Reservation, ReserveOutcome, TagEntry, Ticket, TicketKey, Verdict};

use super::{TagOutcome, TicketFuture, TicketStore, put_tag, release, was_entered};

/// Reservations between two sweeps of expired tickets.
const SWEEP_EVERY: u32 = 4096;

/// Tickets in memory behind one lock that is never held across a wait.
#[derive(Debug, Default)]
pub struct MemoryTickets {
    tickets: Mutex<Tickets>,
}

#[derive(Debug, Default)]
struct Tickets {
    by_key: HashMap<TicketKey, Ticket>,
    since_sweep: u32,
}

impl MemoryTickets {
    fn lock(&self) -> MutexGuard<'_, Tickets> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, key: TicketKey, none: T, step: impl FnOnce(&mut Ticket) -> T) -> T {
        self.lock().by_key.get_mut(&key).map_or(none, step)
    }
}

fn ready<T: Send + 'static>(value: T) -> TicketFuture<'static, T> {
    Box::pin(std::future::ready(Ok(value)))
}

impl TicketStore for MemoryTickets {
    fn reserve(&self, key: TicketKey, reservation: Reservation, now: WallTime) -> TicketFuture<'_, ReserveOutcome> {
        let mut tickets = self.lock();
        tickets.since_sweep = tickets.since_sweep.saturating_add(1);
        if tickets.since_sweep >= SWEEP_EVERY {
            tickets.since_sweep = 0;
            tickets.by_key.retain(|_, ticket| now < ticket.keep_until);
        }
        let outcome = Ticket::reserve(tickets.by_key.get(&key), &reservation, now);
        match &outcome {
            ReserveOutcome::New(ticket) | ReserveOutcome::Resent(ticket) => {
                tickets.by_key.insert(key, ticket.clone());
            }
            ReserveOutcome::Repeat { .. } | ReserveOutcome::Conflict | ReserveOutcome::NoTries => {}
        }
        ready(outcome)
    }

    fn find(&self, key: TicketKey) -> TicketFuture<'_, Option<Ticket>> {
        ready(self.lock().by_key.get(&key).cloned())
    }

    fn put_tag(&self, key: TicketKey, entry: TagEntry) -> TicketFuture<'_, TagOutcome> {
        ready(put_tag(self.lock().by_key.get_mut(&key), entry))
    }

    fn remove_tag(&self, key: TicketKey, attempt: AttemptId) -> TicketFuture<'_, bool> {
        ready(self.with(key, false, |ticket| ticket.remove_tag(attempt)))
    }

    fn has_tag(&self, key: TicketKey, attempt: AttemptId) -> TicketFuture<'_, bool> {
        ready(self.with(key, false, |ticket| ticket.has_tag(attempt)))
    }

    fn validate(&self, key: TicketKey, guess: Guess, now: WallTime) -> TicketFuture<'_, Verdict> {
        ready(self.with(key, Verdict::NoCode, |ticket| ticket.validate(&guess, now)))
    }

    fn takes_guesses(&self, key: TicketKey, now: WallTime) -> TicketFuture<'_, bool> {
        ready(self.with(key, false, |ticket| ticket.takes_guesses(now)))
    }

    fn cancel(&self, key: TicketKey, now: WallTime) -> TicketFuture<'_, Option<MessageId>> {
        ready(self.with(key, None, |ticket| ticket.cancel(now)))
    }

    fn was_entered(&self, key: TicketKey, message_id: MessageId) -> TicketFuture<'_, bool> {
        ready(self.with(key, false, |ticket| was_entered(ticket, message_id)))
    }

    fn release(&self, key: TicketKey, message_id: MessageId, now: WallTime) -> TicketFuture<'_, bool> {
        ready(self.with(key, false, |ticket| release(ticket, message_id, now)))
    }

    fn find_message(&self, key: TicketKey) -> TicketFuture<'_, Option<MessageId>> {
        ready(self.with(key, None, |ticket| Some(ticket.message_id)))
    }
}
