//! Tickets in the node's own database: each step is one job of the writer and shares its commits.

use domain::clock::WallTime;
use domain::message::MessageId;
use domain::otp::{AttemptId, Guess, Reservation, ReserveOutcome, TagEntry, Ticket, TicketKey, Verdict};
use sqlx::{Row, SqlitePool};

use super::{TagOutcome, TicketFuture, TicketStore, record};
use crate::error::StoreError;
use crate::writer::job::{Mailbox, TicketStep};
use crate::writer::row_key;

/// Tickets in SQLite.
#[derive(Debug, Clone)]
pub struct SqliteTickets {
    mailbox: Mailbox,
    reader: SqlitePool,
}

impl SqliteTickets {
    pub(crate) fn new(mailbox: Mailbox, reader: SqlitePool) -> Self {
        Self { mailbox, reader }
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

    /// Past the writer, whose mailbox may be full just then.
    fn find(&self, key: TicketKey) -> TicketFuture<'_, Option<Ticket>> {
        Box::pin(async move {
            let query = sqlx::query("SELECT record FROM ticket WHERE ticket_key = ?1").bind(row_key(key).to_vec());
            let Some(row) = query.fetch_optional(&self.reader).await? else { return Ok(None) };
            let ticket = record::decode(row.try_get(0)?);
            ticket.map(Some).ok_or(StoreError::Unreadable { table: "ticket" })
        })
    }

    fn find_message(&self, key: TicketKey) -> TicketFuture<'_, Option<MessageId>> {
        Box::pin(self.mailbox.ask(move |answer| TicketStep::FindMessage { answer }.at(key)))
    }
}
