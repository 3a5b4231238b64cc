//! Tickets on a server that several nodes share: each step reads, decides as everybody does, and writes if nobody was faster.

use std::sync::Arc;
use std::time::Duration;

use domain::clock::{Clock, WallTime};
use domain::message::MessageId;
use domain::otp::{AttemptId, Guess, Reservation, ReserveOutcome, TagEntry, Ticket, TicketKey, Verdict};

use super::{TagOutcome, TicketFuture, TicketStore, put_tag, record, release, was_entered};
use crate::error::StoreError;
use crate::shared::{Assumed, Row, RowKey, Rows, Write, decide, load};

/// A row is kept so long at least, whatever the clocks say.
const KEPT_AT_LEAST: Duration = Duration::from_mins(1);

/// Tickets on a shared server.
pub(crate) struct RemoteTickets {
    rows: Arc<dyn Rows>,
    clock: Arc<dyn Clock>,
}

impl RemoteTickets {
    pub(crate) fn new(rows: Arc<dyn Rows>, clock: Arc<dyn Clock>) -> Self {
        Self { rows, clock }
    }

    /// By this node's clock, which has dated the ticket too; the server counts from now on with its own.
    fn put(&self, ticket: &Ticket) -> Write {
        let keep = ticket.keep_until.saturating_since(self.clock.now()).max(KEPT_AT_LEAST);
        Write::Put { record: record::encode(ticket), keep }
    }

    async fn look<T>(&self, key: TicketKey, look: impl FnOnce(Option<Ticket>) -> T) -> Result<T, StoreError> {
        let rows = load(self.rows.as_ref(), &[row_key(key)]).await?;
        Ok(look(ticket_of(&rows)?))
    }

    /// One step; what has changed is written.
    async fn change<T>(
        &self,
        key: TicketKey,
        mut step: impl FnMut(Option<&mut Ticket>) -> T + Send,
    ) -> Result<T, StoreError> {
        let deciding = |rows: &[Option<Row>]| {
            let before = ticket_of(rows)?;
            let mut after = before.clone();
            let answer = step(after.as_mut());
            let write = match after.filter(|after| Some(after) != before.as_ref()) {
                Some(after) => self.put(&after),
                None => Write::Nothing,
            };
            Ok((answer, vec![write]))
        };
        decide(self.rows.as_ref(), &[row_key(key)], Assumed::Nothing, deciding).await
    }
}

/// Puts a tag, unless another node has sent the message: a client's retry that comes to another node than the request queues it there
/// too, since nobody there can know how far the first has got. The first to put its tag sends it, and the other one's is over.
fn claim(ticket: Option<&mut Ticket>, entry: TagEntry) -> TagOutcome {
    let is_elsewhere = |other: &TagEntry| {
        let (theirs, ours) = (other.attempt, entry.attempt);
        theirs.message_id == ours.message_id && theirs.attempt >= ours.attempt && *other != entry
    };
    if ticket.as_ref().is_some_and(|ticket| ticket.tags.iter().any(is_elsewhere)) {
        TagOutcome::Superseded
    } else {
        put_tag(ticket, entry)
    }
}

fn row_key(key: TicketKey) -> RowKey {
    key.as_bytes().to_vec()
}

fn ticket_of(rows: &[Option<Row>]) -> Result<Option<Ticket>, StoreError> {
    let Some(Some(row)) = rows.first() else { return Ok(None) };
    record::decode(&row.record).map(Some).ok_or(StoreError::Unreadable { table: "ticket" })
}

impl TicketStore for RemoteTickets {
    fn reserve(&self, key: TicketKey, reservation: Reservation, now: WallTime) -> TicketFuture<'_, ReserveOutcome> {
        Box::pin(async move {
            let deciding = |rows: &[Option<Row>]| {
                let outcome = Ticket::reserve(ticket_of(rows)?.as_ref(), &reservation, now);
                let write = match &outcome {
                    ReserveOutcome::New(ticket) | ReserveOutcome::Resent(ticket) => self.put(ticket),
                    ReserveOutcome::Repeat { .. } | ReserveOutcome::Conflict | ReserveOutcome::NoTries => {
                        Write::Nothing
                    }
                };
                Ok((outcome, vec![write]))
            };
            decide(self.rows.as_ref(), &[row_key(key)], Assumed::NoRows, deciding).await
        })
    }

    fn put_tag(&self, key: TicketKey, entry: TagEntry) -> TicketFuture<'_, TagOutcome> {
        Box::pin(self.change(key, move |ticket| claim(ticket, entry)))
    }

    fn remove_tag(&self, key: TicketKey, attempt: AttemptId) -> TicketFuture<'_, bool> {
        Box::pin(self.change(key, move |ticket| ticket.is_some_and(|ticket| ticket.remove_tag(attempt))))
    }

    fn has_tag(&self, key: TicketKey, attempt: AttemptId) -> TicketFuture<'_, bool> {
        Box::pin(self.look(key, move |ticket| ticket.is_some_and(|ticket| ticket.has_tag(attempt))))
    }

    fn validate(&self, key: TicketKey, guess: Guess, now: WallTime) -> TicketFuture<'_, Verdict> {
        Box::pin(self.change(key, move |ticket| ticket.map_or(Verdict::NoCode, |ticket| ticket.validate(&guess, now))))
    }

    fn takes_guesses(&self, key: TicketKey, now: WallTime) -> TicketFuture<'_, bool> {
        Box::pin(self.look(key, move |ticket| ticket.is_some_and(|ticket| ticket.takes_guesses(now))))
    }

    fn cancel(&self, key: TicketKey, now: WallTime) -> TicketFuture<'_, Option<MessageId>> {
        Box::pin(self.change(key, move |ticket| ticket.and_then(|ticket| ticket.cancel(now))))
    }

    fn was_entered(&self, key: TicketKey, message_id: MessageId) -> TicketFuture<'_, bool> {
        Box::pin(self.look(key, move |ticket| ticket.is_some_and(|ticket| was_entered(&ticket, message_id))))
    }

    fn release(&self, key: TicketKey, message_id: MessageId, now: WallTime) -> TicketFuture<'_, bool> {
        Box::pin(self.change(key, move |ticket| ticket.is_some_and(|ticket| release(ticket, message_id, now))))
    }

    fn find(&self, key: TicketKey) -> TicketFuture<'_, Option<Ticket>> {
        Box::pin(self.look(key, |ticket| ticket))
    }

    fn find_message(&self, key: TicketKey) -> TicketFuture<'_, Option<MessageId>> {
        Box::pin(self.look(key, |ticket| ticket.map(|ticket| ticket.message_id)))
    }
}
