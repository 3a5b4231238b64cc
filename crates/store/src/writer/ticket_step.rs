//! The atomic steps on one ticket that lives in the writer's own database.

use domain::clock::WallTime;
use domain::message::MessageId;
use domain::otp::{ReserveOutcome, Ticket, TicketKey, Verdict};

use super::group::{Group, TicketSlot};
use super::job::TicketStep;
use super::rows::row_key;
use crate::tickets::{TagOutcome, put_tag, release, was_entered};

impl Group<'_> {
    pub(super) fn ticket_step(&mut self, key: TicketKey, step: &mut TicketStep) {
        let slot = self.tickets.entry(row_key(key)).or_default();
        match step {
            TicketStep::Reserve { reservation, now, answer } => {
                let outcome = Ticket::reserve(slot.ticket.as_ref(), reservation, *now);
                if let ReserveOutcome::New(ticket) | ReserveOutcome::Resent(ticket) = &outcome {
                    *slot = TicketSlot { ticket: Some(ticket.clone()), is_changed: true, ..TicketSlot::default() };
                }
                answer.set(outcome);
            }
            TicketStep::PutTag { entry, answer } => {
                let outcome = put_tag(slot.ticket.as_mut(), *entry);
                slot.is_changed |= outcome == TagOutcome::Put;
                answer.set(outcome);
            }
            TicketStep::RemoveTag { attempt, answer } => {
                let was_there = slot.ticket.as_mut().is_some_and(|ticket| ticket.remove_tag(*attempt));
                slot.is_changed |= was_there;
                answer.set(was_there);
            }
            TicketStep::HasTag { attempt, answer } => {
                answer.set(slot.ticket.as_ref().is_some_and(|ticket| ticket.has_tag(*attempt)));
            }
            TicketStep::TakesGuesses { now, answer } => {
                answer.set(slot.ticket.as_ref().is_some_and(|ticket| ticket.takes_guesses(*now)));
            }
            TicketStep::Release { message_id, now, answer } => {
                let has_changed = slot.ticket.as_mut().is_some_and(|ticket| release(ticket, *message_id, *now));
                slot.is_changed |= has_changed;
                answer.set(has_changed);
            }
            TicketStep::WasEntered { message_id, answer } => {
                answer.set(slot.ticket.as_ref().is_some_and(|ticket| was_entered(ticket, *message_id)));
            }
            TicketStep::Validate { guess, now, answer } => {
                slot.is_guessed = true;
                let Some(ticket) = slot.ticket.as_mut() else { return answer.set(Verdict::NoCode) };
                let verdict = ticket.validate(guess, *now);
                slot.is_changed |= matches!(verdict, Verdict::Valid | Verdict::Wrong { .. });
                if verdict == Verdict::Valid {
                    Self::note_verified(&mut self.verified, &mut self.verified_at, ticket, *now);
                }
                answer.set(verdict);
            }
            TicketStep::Cancel { now, answer } => {
                let cancelled = slot.ticket.as_mut().and_then(|ticket| ticket.cancel(*now));
                slot.is_changed |= cancelled.is_some();
                answer.set(cancelled);
            }
            TicketStep::FindMessage { answer } => answer.set(slot.ticket.as_ref().map(|ticket| ticket.message_id)),
        }
    }

    /// The right code proves the arrival of its message, when there is only one that it can have come from.
    fn note_verified(verified: &mut Vec<MessageId>, verified_at: &mut i64, ticket: &Ticket, now: WallTime) {
        if let Some((first, rest)) = ticket.tags.split_first()
            && rest.iter().all(|entry| entry.attempt.message_id == first.attempt.message_id)
        {
            verified.push(first.attempt.message_id);
            *verified_at = now.as_unix_millis();
        }
    }
}
