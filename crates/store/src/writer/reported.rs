//! What a delivery report makes of the message that it is about.
//!
//! Pure, like the rest of [`Tracked`]. A report changes the message only as far as [`MessageState::can_become`] allows, but what it
//! says of its part is kept all the same.

use std::time::Duration;

use domain::clock::WallTime;
use domain::message::MessageState;

use super::matching::Sighting;
use super::message::{Place, Tracked};
use crate::change::{Report, ReportState};
use crate::status::{Attempt, AttemptOutcome, Part};

/// How long after the sending a delivery report is still taken for it.
const REPORT_WINDOW: Duration = Duration::from_hours(72);

impl Tracked {
    /// The parts that a report of this modem, reference and time may be about: those of that reference, and one of an attempt whose
    /// outcome is unknown and of which that reference is not known.
    pub(super) fn sightings(&self, modem: &str, reference: u8, at: WallTime) -> impl Iterator<Item = Sighting> {
        let of_modem = self.attempts.iter().enumerate().rev().filter(move |(_, attempt)| attempt.modem == modem);
        let (at_millis, message_id) = (at.as_unix_millis(), self.id);
        let sighting = move |(index, attempt): (usize, &Attempt)| {
            let known = attempt.parts.iter().find(|part| part.message_reference == Some(reference));
            let whole = (attempt.began_at_millis, attempt.ended_at_millis.unwrap_or(attempt.began_at_millis));
            let sent = known.and_then(|part| part.sent_at_millis).map_or(whole, |sent| (sent, sent));
            // What came before it began is about another: a report may be kept for minutes, or come twice.
            let may_be = known.is_some() || attempt.has_part_in_doubt() && attempt.began_at_millis <= at_millis;
            let is_recent = at.saturating_since(WallTime::from_unix_millis(sent.1)) <= REPORT_WINDOW;
            (may_be && is_recent).then(|| Sighting {
                message_id,
                attempt: index,
                part: known.map(|part| part.number),
                sent,
                report: known.and_then(|part| part.report),
                taken_at_seconds: known.and_then(|part| part.taken_at_seconds),
            })
        };
        of_modem.filter_map(sighting)
    }

    /// Applies a delivery report to the part that was found for it; true when the state has changed.
    pub(super) fn report(&mut self, it: &Sighting, report: &Report) -> bool {
        let Some(attempt) = self.attempts.get_mut(it.attempt) else { return false };
        // The final result of a part in doubt never came, so it is known by its report alone.
        let number = it.part.or(attempt.part_in_doubt()).unwrap_or(1);
        if !attempt.parts.iter().any(|part| part.number == number) {
            attempt.parts.push(Part::new(number, attempt.total, Some(report.message_reference), None));
        }
        let Some(part) = attempt.parts.iter_mut().find(|part| part.number == number) else { return false };
        if part.is_settled() {
            return false;
        }
        self.is_changed = true;
        part.report = Some(report.state);
        part.report_status = Some(report.status);
        part.reported_at_millis = Some(report.at.as_unix_millis());
        part.taken_at_seconds = report.taken_at_seconds.or(part.taken_at_seconds);
        match reported_state(attempt) {
            Some(next) if self.place() == Place::Journal => self.become_state(next, None, report.at),
            // Parts are still to be sent; the last one settles it.
            _ => false,
        }
    }
}

impl Attempt {
    /// The part that may have been sent although nobody saw it: the one that is in doubt, or the first that is missing.
    fn part_in_doubt(&self) -> Option<u8> {
        let is_missing = |number: &u8| self.parts.iter().all(|part| part.number != *number);
        match self.in_doubt {
            Some(number) => Some(number).filter(is_missing),
            None => (1..=self.total).find(is_missing),
        }
    }

    fn has_part_in_doubt(&self) -> bool {
        self.outcome == AttemptOutcome::Unknown && self.part_in_doubt().is_some()
    }
}

impl Part {
    pub(super) fn new(number: u8, total: u8, message_reference: Option<u8>, sent_at: Option<WallTime>) -> Self {
        Self {
            number,
            total,
            message_reference,
            report: None,
            sent_at_millis: sent_at.map(WallTime::as_unix_millis),
            reported_at_millis: None,
            report_status: None,
            taken_at_seconds: None,
        }
    }
}

/// What the reports of all parts come to: one lost part loses the message, all must arrive.
pub(super) fn reported_state(Attempt { parts, total, .. }: &Attempt) -> Option<MessageState> {
    let total = usize::from(*total);
    if parts.iter().any(|part| part.report == Some(ReportState::Undelivered)) {
        Some(MessageState::Undelivered)
    } else if parts.len() >= total && parts.iter().all(|part| part.report == Some(ReportState::Delivered)) {
        Some(MessageState::Delivered)
    } else {
        None
    }
}
