//! Tickets in the node's own database: each step is one job of the writer and shares its commits.

use domain::clock::WallTime;
use domain::message::MessageId;
use domain::otp::{AttemptId, Guess, Reservation, ReserveOutcome, TagEntry, TicketKey, Verdict};

use super::{TagOutcome, TicketFuture, TicketStore};
use crate::writer::job::{Mailbox, TicketStep};

/// Tickets in SQLite.
#[derive(Debug, Clone)]
pub struct SqliteTickets {
    mailbox: Mailbox,
}

impl SqliteTickets {
    pub(crate) fn new(mailbox: Mailbox) -> Self {
        Self { mailbox }
    }
}

impl TicketStore for SqliteTickets {
    fn reserve(&self, key: TicketKey, reservation: Reservation, now: WallTime) -> TicketFuture<'_, ReserveOutcome> {
        Box::pin(self.mailbox.ask(move |answer| TicketStep::Reserve { reservation, now, answer }.at(key)))
    }

    fn put_tag(&self, key: TicketKey, entry: TagEntry) -> TicketFuture<'_, TagOutcome> {
        Box::pin(self.mailbox.ask(move |answer| TicketStep::PutTag { entry, answer }.at(key)))
    }

    fn remove_tag(&self, key: TicketKey, attempt: AttemptId) -> TicketFuture<'_, bool> {
        Box::pin(self.mailbox.ask(move |answer| TicketStep::RemoveTag { attempt, answer }.at(key)))
    }

    fn has_tag(&self, key: TicketKey, attempt: AttemptId) -> TicketFuture<'_, bool> {
        Box::pin(self.mailbox.ask(move |answer| TicketStep::HasTag { attempt, answer }.at(key)))
    }

    fn validate(&self, key: TicketKey, guess: Guess, now: WallTime) -> TicketFuture<'_, Verdict> {
        Box::pin(self.mailbox.ask(move |answer| TicketStep::Validate { guess, now, answer }.at(key)))
    }

    fn takes_guesses(&self, key: TicketKey, now: WallTime) -> TicketFuture<'_, bool> {
        Box::pin(self.mailbox.ask(move |answer| TicketStep::TakesGuesses { now, answer }.at(key)))
    }

    fn cancel(&self, key: TicketKey, now: WallTime) -> TicketFuture<'_, Option<MessageId>> {
        Box::pin(self.mailbox.ask(move |answer| TicketStep::Cancel { now, answer }.at(key)))
    }

    fn was_entered(&self, key: TicketKey, message_id: MessageId) -> TicketFuture<'_, bool> {
        Box::pin(self.mailbox.ask(move |answer| TicketStep::WasEntered { message_id, answer }.at(key)))
    }

    fn release(&self, key: TicketKey, message_id: MessageId, now: WallTime) -> TicketFuture<'_, bool> {
        Box::pin(self.mailbox.ask(move |answer| TicketStep::Release { message_id, now, answer }.at(key)))
    }

    fn find_message(&self, key: TicketKey) -> TicketFuture<'_, Option<MessageId>> {
        Box::pin(self.mailbox.ask(move |answer| TicketStep::FindMessage { answer }.at(key)))
    }
}
