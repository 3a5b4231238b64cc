//! One message while a group decides about it: its state, its attempts, and what each change makes of them.
//!
//! Pure: loaded before, written after. Refuses what [`MessageState::can_become`] does not allow.

use domain::clock::WallTime;
use domain::message::{MessageId, MessageState};

use super::reported::reported_state;
use crate::change::{BeginAttempt, CODE_ENTERED, Change};
use crate::codec::JsonRow;
use crate::error::StoreError;
use crate::operator::{Act, Acted};
use crate::recovery::TEXT_LOST;
use crate::status::{Attempt, AttemptOutcome, Part};

/// Attempts kept per message; of more the oldest go.
const ATTEMPTS_KEPT: usize = 16;

/// In which table the row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Outbox,
    Journal,
}

/// A message as loaded, changed step by step.
#[derive(Debug, Clone)]
pub(super) struct Tracked {
    pub(super) id: MessageId,
    pub(super) loaded_from: Place,
    pub(super) state: MessageState,
    attempt: u32,
    not_before: i64,
    reason: Option<String>,
    settled_at: i64,
    pub(super) attempts: Vec<Attempt>,
    pub(super) summary: Vec<u8>,
    /// Of an OTP in the outbox: its ticket's row.
    pub(super) ticket_key: Option<[u8; 16]>,
    /// Of a row in the journal: its deadline, and whether it still has its content.
    deadline: Option<i64>,
    has_content: bool,
    /// True when an operator took it out of the journal again.
    is_requeued: bool,
    pub(super) is_changed: bool,
}

/// A row of `SELECT_MESSAGES`.
#[derive(Debug)]
pub(super) struct LoadedRow<'a> {
    pub(super) id: MessageId,
    pub(super) is_in_outbox: bool,
    pub(super) state: &'a str,
    pub(super) attempt: u32,
    /// Not before, or settled at.
    pub(super) time: i64,
    pub(super) reason: Option<String>,
    pub(super) attempts: &'a str,
    pub(super) summary: Vec<u8>,
    pub(super) ticket_key: Option<[u8; 16]>,
    pub(super) deadline: Option<i64>,
    pub(super) has_content: bool,
}

impl Tracked {
    pub(super) fn new(row: LoadedRow<'_>) -> Result<Self, StoreError> {
        let table = if row.is_in_outbox { "outbox" } else { "journal" };
        let unreadable = StoreError::Unreadable { table };
        Ok(Self {
            id: row.id,
            loaded_from: if row.is_in_outbox { Place::Outbox } else { Place::Journal },
            state: MessageState::parse(row.state).ok_or_else(|| unreadable.clone())?,
            attempt: row.attempt,
            not_before: if row.is_in_outbox { row.time } else { 0 },
            reason: row.reason,
            settled_at: if row.is_in_outbox { 0 } else { row.time },
            attempts: serde_json::from_str(row.attempts).map_err(|_| unreadable)?,
            summary: row.summary,
            ticket_key: row.ticket_key,
            deadline: row.deadline,
            has_content: row.has_content,
            is_requeued: false,
            is_changed: false,
        })
    }

    /// Where the row belongs now: whatever needs no more sending is journal.
    pub(super) fn place(&self) -> Place {
        let was_settled = self.loaded_from == Place::Journal && !self.is_requeued;
        if was_settled || self.state.is_done() { Place::Journal } else { Place::Outbox }
    }

    /// True for the content of a settled message that an operator may send again: as `INSERT_JOURNAL` and `UPDATE_JOURNAL` keep it.
    pub(super) fn keeps_content(&self, deadline: WallTime) -> bool {
        let was_in_time = self.loaded_from == Place::Journal || self.settled_at < deadline.as_unix_millis();
        self.state == MessageState::Unknown && was_in_time
    }

    /// What an operator wants; an act that is refused changes nothing.
    pub(super) fn act(&mut self, act: Act, at: WallTime) -> Acted {
        match (act, self.state) {
            (Act::Cancel, MessageState::Queued) => {
                self.is_changed = true;
                self.become_state(MessageState::Cancelled, Some("cancelled by an operator"), at);
                Acted::Done
            }
            (Act::Retry, MessageState::Unknown) => {
                // One that became unknown in this very group is still in the outbox.
                if self.loaded_from == Place::Journal {
                    if self.deadline.is_none_or(|deadline| deadline <= at.as_unix_millis()) {
                        return Acted::TooLate;
                    }
                    if !self.has_content {
                        return Acted::NoText;
                    }
                }
                (self.is_requeued, self.is_changed) = (true, true);
                self.attempt = self.attempts.iter().map(|attempt| attempt.number).max().unwrap_or(0);
                self.not_before = at.as_unix_millis();
                self.state = MessageState::Queued;
                self.reason = None;
                Acted::Done
            }
            _ => Acted::Refused(self.state),
        }
    }

    /// True when an attempt of that number may begin.
    pub(super) fn may_begin(&self, attempt: u32) -> bool {
        self.place() == Place::Outbox && attempt > self.attempt
    }

    /// Puts a message that may begin on air.
    pub(super) fn begin(&mut self, begin: &BeginAttempt) {
        self.state = MessageState::Sending;
        self.attempt = begin.attempt;
        self.push_attempt(begin.attempt, &begin.modem, begin.why.clone(), begin.parts, begin.at);
        self.is_changed = true;
    }

    fn push_attempt(&mut self, number: u32, modem: &str, why: Option<String>, total: u8, at: WallTime) {
        self.attempts.push(Attempt {
            number,
            modem: modem.to_owned(),
            why,
            began_at_millis: at.as_unix_millis(),
            ended_at_millis: None,
            outcome: AttemptOutcome::OnAir,
            code: None,
            total,
            parts: Vec::new(),
            in_doubt: None,
        });
        let surplus = self.attempts.len().saturating_sub(ATTEMPTS_KEPT);
        self.attempts.drain(..surplus);
    }

    /// Its text was in memory alone, and went with it before anything was sent.
    pub(super) fn was_lost(&self) -> bool {
        self.state == MessageState::Failed && self.reason.as_deref() == Some(TEXT_LOST)
    }

    /// Settles a message that may begin and must not: it is on no channel, so every end is allowed.
    pub(super) fn refuse(&mut self, state: MessageState, reason: &str, at: WallTime) {
        self.state = state;
        self.reason = Some(reason.to_owned());
        self.settled_at = at.as_unix_millis();
        self.is_changed = true;
    }

    /// A code proves the arrival of a message whose outcome is in doubt.
    pub(super) fn entered(&mut self, at: WallTime) {
        self.become_state(MessageState::Delivered, Some(CODE_ENTERED), at);
    }

    /// Applies a change. False: the state does not allow it; what the attempt tells is kept all the same.
    pub(super) fn apply(&mut self, change: &Change) -> bool {
        self.is_changed = true;
        match change {
            Change::Sent { attempt, part, parts, message_reference, at } => {
                let part = Part::new(*part, *parts, *message_reference, Some(*at));
                self.part_sent(attempt.attempt, part, *at)
            }
            Change::NotSent { attempt, modem, code, retry_at, at, .. } => {
                if self.overtakes(attempt.attempt, retry_at.unwrap_or(*at)) {
                    if let Some(modem) = modem {
                        self.push_attempt(attempt.attempt, modem, None, 1, *at);
                        self.end_attempt(attempt.attempt, AttemptOutcome::NotSent, code.as_deref(), *at);
                    }
                    return true;
                }
                self.end_attempt(attempt.attempt, AttemptOutcome::NotSent, code.as_deref(), *at);
                if self.state != MessageState::Sending || self.attempt != attempt.attempt {
                    return false;
                }
                self.state = MessageState::Queued;
                self.not_before = retry_at.unwrap_or(*at).as_unix_millis();
                true
            }
            Change::Unknown { attempt, part, resend, reason, at } => {
                if self.overtakes(attempt.attempt, *at) {
                    return true;
                }
                self.end_attempt(attempt.attempt, AttemptOutcome::Unknown, Some(reason), *at);
                if let Some(ended) = self.attempts.iter_mut().rev().find(|known| known.number == attempt.attempt) {
                    ended.in_doubt = *part;
                }
                if self.attempt != attempt.attempt {
                    return false;
                }
                let next = if *resend { MessageState::Queued } else { MessageState::Unknown };
                self.not_before = at.as_unix_millis();
                self.become_state(next, Some(reason), *at)
            }
            Change::Final { state, reason, at, .. } => {
                // A long text that broke off: what is over is on air no more.
                let on_air = self.attempts.last().filter(|attempt| attempt.outcome == AttemptOutcome::OnAir);
                if let Some(number) = on_air.map(|attempt| attempt.number).filter(|_| *state == MessageState::Failed) {
                    self.end_attempt(number, AttemptOutcome::NotSent, Some(reason), *at);
                }
                self.become_state(*state, Some(reason), *at)
            }
        }
    }

    /// True for the end of an attempt whose beginning is not durable: it waits in the mailbox, and its channel has gone
    /// away. Nothing goes on air before its beginning is durable, so nothing was sent, whatever the end says; the number
    /// is used up, which refuses the beginning when it comes.
    fn overtakes(&mut self, attempt: u32, retry_at: WallTime) -> bool {
        if self.place() == Place::Journal || attempt <= self.attempt {
            return false;
        }
        self.attempt = attempt;
        self.state = MessageState::Queued;
        self.not_before = retry_at.as_unix_millis();
        true
    }

    fn part_sent(&mut self, number: u32, part: Part, at: WallTime) -> bool {
        let Some(attempt) = self.attempts.iter_mut().rev().find(|attempt| attempt.number == number) else {
            return false;
        };
        let total = usize::from(part.total);
        if !attempt.parts.iter().any(|known| known.number == part.number) {
            attempt.parts.push(part);
        }
        if attempt.parts.len() < total {
            return true;
        }
        attempt.outcome = AttemptOutcome::Sent;
        attempt.ended_at_millis = Some(at.as_unix_millis());
        let reported = reported_state(attempt);
        let sent = self.become_state(MessageState::Sent, None, at);
        match reported {
            Some(next) => self.become_state(next, None, at),
            None => sent,
        }
    }

    fn end_attempt(&mut self, number: u32, outcome: AttemptOutcome, code: Option<&str>, at: WallTime) {
        if let Some(attempt) = self.attempts.iter_mut().rev().find(|attempt| attempt.number == number) {
            attempt.outcome = outcome;
            attempt.code = code.map(str::to_owned);
            attempt.ended_at_millis = Some(at.as_unix_millis());
        }
    }

    pub(super) fn become_state(&mut self, next: MessageState, reason: Option<&str>, at: WallTime) -> bool {
        // The content of a journal row is gone, or kept for an operator alone: nothing else queues it again.
        let was_wiped = self.place() == Place::Journal && self.loaded_from == Place::Journal && !next.is_done();
        if was_wiped || !self.state.can_become(next) {
            return false;
        }
        self.state = next;
        self.reason = reason.map(str::to_owned);
        self.settled_at = at.as_unix_millis();
        true
    }

    /// The row for `UPDATE_OUTBOX`.
    pub(super) fn outbox_row(&self) -> Result<String, StoreError> {
        let mut row = JsonRow::with_capacity(320);
        row.blob(self.id.as_bytes());
        row.text(self.state.as_str());
        row.integer(i64::from(self.attempt));
        row.integer(self.not_before);
        row.text(&self.attempts_text("outbox")?);
        Ok(row.finish())
    }

    /// The row for `INSERT_REQUEUED`.
    pub(super) fn requeued_row(&self) -> Result<String, StoreError> {
        let mut row = JsonRow::with_capacity(320);
        row.blob(self.id.as_bytes());
        row.integer(i64::from(self.attempt));
        row.integer(self.not_before);
        row.text(&self.attempts_text("journal")?);
        Ok(row.finish())
    }

    /// The row for `INSERT_JOURNAL` and `UPDATE_JOURNAL`.
    pub(super) fn journal_row(&self) -> Result<String, StoreError> {
        let mut row = JsonRow::with_capacity(320);
        row.blob(self.id.as_bytes());
        row.text(self.state.as_str());
        row.optional_text(self.reason.as_deref());
        row.integer(self.settled_at);
        row.text(&self.attempts_text("journal")?);
        Ok(row.finish())
    }

    fn attempts_text(&self, table: &'static str) -> Result<String, StoreError> {
        serde_json::to_string(&self.attempts).map_err(|_| StoreError::Unreadable { table })
    }

    pub(super) fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }
}
