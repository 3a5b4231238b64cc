//! One ticket per (API user, reference): which tags are valid, how many attempts are left, whether it is still live.
//!
//! All decisions, no I/O: the store loads a ticket, asks here, and writes back what came out in one transaction, which
//! makes "the attempt is counted before the comparison" and "exactly one winner" true for parallel callers.
//! A wall clock that jumps forward expires codes early; one that jumps back lets them live longer, never more often.

use std::time::Duration;

use super::tag::{Fingerprint, Guess, KeyId, Tag};
use crate::clock::WallTime;
use crate::message::MessageId;

/// How long a ticket stays known after its expiry, so that "used" and "expired" can be told from "unknown".
const KEPT_AFTER_EXPIRY: Duration = Duration::from_secs(60 * 60);
/// How many codes of a ticket are valid at once: the last and the one before it.
const VALID_TAGS: usize = 2;

/// One try to send one message; each mints its own code.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct AttemptId {
    /// The message.
    pub message_id: MessageId,
    /// Counts from 1 within the message.
    pub attempt: u32,
}

/// The tag of a code that was handed to a channel.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct TagEntry {
    /// The attempt that the code was minted for.
    pub attempt: AttemptId,
    /// The pepper of the tag.
    pub key_id: KeyId,
    /// The keyed hash of the code.
    pub tag: Tag,
    /// The first instant at which the code is no longer valid.
    pub expires_at: WallTime,
}

/// How long and how often codes may be tried.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct CodePolicy {
    /// The request's own expiration.
    pub expiration: Option<WallTime>,
    /// Life of a code from its hand-over to the channel, if the request names no expiration.
    pub lifetime: Duration,
    /// The longest life of a code, whatever the request says (NIST SP 800-63B-4 §3.1.3.2: 10 minutes).
    pub max_lifetime: Duration,
    /// Wrong or right, this many comparisons and no more.
    pub max_attempts: u32,
}

impl CodePolicy {
    /// Answers when a code expires that is handed to the channel at that time.
    pub fn code_expires_at(&self, handed_over: WallTime) -> WallTime {
        match self.expiration {
            Some(expiration) => expiration.min(handed_over.saturating_add(self.max_lifetime)),
            None => handed_over.saturating_add(self.lifetime.min(self.max_lifetime)),
        }
    }
}

/// Where a ticket stands; expiry is a matter of time and no state.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum TicketState {
    /// May get a code, or be validated.
    Live,
    /// A right code was seen.
    Consumed,
    /// Given up by the caller.
    Cancelled,
}

impl TicketState {
    /// Answers the stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Consumed => "consumed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Finds the state of a stored word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Live, Self::Consumed, Self::Cancelled].into_iter().find(|state| state.as_str() == text)
    }
}

/// What a request for a code is to a reference that is live.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Again {
    /// With the same content a client's retry, with other content a conflict.
    Retry,
    /// A wish for another code; all codes of the ticket share its tries.
    Resend,
    /// The same for callers who have one reference for each receiver: when all tries are used up, the ticket is over and
    /// the reference begins anew.
    Renew,
}

/// A request for a code, as the ticket sees it.
#[derive(Clone, Debug)]
pub struct Reservation {
    /// Of the request's content: what must be the same for a client's retry. Without `again` and `date_time`.
    pub fingerprint: Fingerprint,
    /// The message that will carry the code.
    pub message_id: MessageId,
    /// Until when the message may be sent ([`crate::deadline`]).
    pub deadline: WallTime,
    /// Rules for the codes.
    pub code_policy: CodePolicy,
    /// What it is to a live reference.
    pub again: Again,
}

/// What becomes of a reservation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReserveOutcome {
    /// The reference was free: store this ticket, queue the message.
    New(Ticket),
    /// A client's retry: answer as the first time, send nothing.
    Repeat {
        /// The message that was accepted before.
        message_id: MessageId,
    },
    /// A new code for the live ticket: store this ticket, queue the message.
    Resent(Ticket),
    /// The reference is in use for something else.
    Conflict,
    /// A resend for which no try is left: its code could not be entered.
    NoTries,
}

/// What becomes of a user's try.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Right; the ticket is used up.
    Valid,
    /// Wrong.
    Wrong {
        /// How many tries remain.
        attempts_left: u32,
    },
    /// There is no code (yet, or any more because of a cancellation); no attempt was counted.
    NoCode,
    /// A right code was seen before.
    Used,
    /// Every code is past its time; no attempt was counted.
    Expired,
    /// All attempts are used up; nothing was compared.
    TooManyAttempts,
}

/// The state of one reference of one API user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ticket {
    /// Of the newest request's content.
    pub fingerprint: Fingerprint,
    /// The newest message.
    pub message_id: MessageId,
    /// The message before it, after a resend; its code stays valid and it may still be sent.
    pub previous_message_id: Option<MessageId>,
    /// Until when the newest message may be sent.
    pub deadline: WallTime,
    /// Rules for the codes.
    pub code_policy: CodePolicy,
    /// Comparisons made, over all codes of the ticket.
    pub attempts_used: u32,
    /// At most two, the oldest first.
    pub tags: Vec<TagEntry>,
    /// Where the ticket stands.
    pub state: TicketState,
    /// When the reference was first reserved.
    pub created_at: WallTime,
    /// After this the row may be deleted.
    pub keep_until: WallTime,
}

impl Ticket {
    /// Decides on a request for a code. A ticket that is consumed, cancelled or expired gives its reference free.
    pub fn reserve(existing: Option<&Self>, reservation: &Reservation, now: WallTime) -> ReserveOutcome {
        let is_taken = |ticket: &&Self| match reservation.again {
            Again::Retry | Again::Resend => ticket.is_live(now),
            Again::Renew => ticket.takes_guesses(now),
        };
        let Some(live) = existing.filter(is_taken) else {
            return ReserveOutcome::New(Self {
                fingerprint: reservation.fingerprint,
                message_id: reservation.message_id,
                previous_message_id: None,
                deadline: reservation.deadline,
                code_policy: reservation.code_policy,
                attempts_used: 0,
                tags: Vec::new(),
                state: TicketState::Live,
                created_at: now,
                keep_until: reservation.deadline.saturating_add(KEPT_AFTER_EXPIRY),
            });
        };
        if reservation.again == Again::Resend && live.attempts_used >= reservation.code_policy.max_attempts {
            ReserveOutcome::NoTries
        } else if reservation.again != Again::Retry {
            // The tags and the attempts stay: more codes must not mean more tries.
            ReserveOutcome::Resent(Self {
                fingerprint: reservation.fingerprint,
                message_id: reservation.message_id,
                previous_message_id: Some(live.message_id),
                deadline: reservation.deadline,
                code_policy: reservation.code_policy,
                keep_until: live.keep_until.max(reservation.deadline.saturating_add(KEPT_AFTER_EXPIRY)),
                ..live.clone()
            })
        } else if live.fingerprint == reservation.fingerprint {
            ReserveOutcome::Repeat { message_id: live.message_id }
        } else {
            ReserveOutcome::Conflict
        }
    }

    /// Finds the message by which a request was accepted that comes again and could not be accepted now. Beyond the life of the
    /// ticket only one with the same deadline is known to be the same: past it, no other request could be answered well.
    pub fn find_answered(&self, reservation: &Reservation, now: WallTime) -> Option<MessageId> {
        let is_same = reservation.again == Again::Retry && self.fingerprint == reservation.fingerprint;
        let is_over = self.deadline == reservation.deadline && self.deadline <= now;
        (is_same && (is_over || self.is_live(now))).then_some(self.message_id)
    }

    /// Tells whether the reference is taken: neither consumed nor cancelled, and a code is valid or still to come.
    pub fn is_live(&self, now: WallTime) -> bool {
        self.state == TicketState::Live && now < self.expires_at()
    }

    /// Tells whether a code of the ticket can be entered, now or when it has arrived: live, and with tries left.
    pub fn takes_guesses(&self, now: WallTime) -> bool {
        self.is_live(now) && self.attempts_used < self.code_policy.max_attempts
    }

    /// Answers when the ticket expires: with its last code, or, until the newest message has its code, at the deadline
    /// if that is later.
    pub fn expires_at(&self) -> WallTime {
        let last_code = self.tags.iter().map(|entry| entry.expires_at).max();
        match last_code {
            Some(last_code) if self.newest_message_has_code() => last_code,
            Some(last_code) => last_code.max(self.deadline),
            None => self.deadline,
        }
    }

    /// Tells whether the newest message was given a code that has not been taken back.
    fn newest_message_has_code(&self) -> bool {
        self.tags.iter().any(|entry| entry.attempt.message_id == self.message_id)
    }

    /// Remembers the tag of a code that is about to be sent; of more than two the oldest goes.
    ///
    /// Answers `false`, and remembers nothing, if the code must not be sent: the ticket was consumed or cancelled
    /// meanwhile, or its reference belongs to other messages by now.
    pub fn put_tag(&mut self, entry: TagEntry) -> bool {
        let message_id = entry.attempt.message_id;
        let is_ours = message_id == self.message_id || Some(message_id) == self.previous_message_id;
        if self.state != TicketState::Live || !is_ours {
            return false;
        }
        self.tags.retain(|other| other.attempt != entry.attempt);
        self.keep_until = self.keep_until.max(entry.expires_at.saturating_add(KEPT_AFTER_EXPIRY));
        self.tags.push(entry);
        let superseded = self.tags.len().saturating_sub(VALID_TAGS);
        self.tags.drain(..superseded);
        true
    }

    /// Forgets the tag of an attempt that is known not to have been sent; answers whether it was there.
    pub fn remove_tag(&mut self, attempt: AttemptId) -> bool {
        let before = self.tags.len();
        self.tags.retain(|entry| entry.attempt != attempt);
        self.tags.len() < before
    }

    /// Tells whether the tag of an attempt is known.
    pub fn has_tag(&self, attempt: AttemptId) -> bool {
        self.tags.iter().any(|entry| entry.attempt == attempt)
    }

    /// Judges a user's try. The attempt is counted before anything is compared, and success uses the ticket up; the
    /// caller makes the changed ticket durable before it answers.
    pub fn validate(&mut self, guess: &Guess, now: WallTime) -> Verdict {
        match self.state {
            TicketState::Consumed => return Verdict::Used,
            TicketState::Cancelled => return Verdict::NoCode,
            TicketState::Live => {}
        }
        if self.tags.is_empty() && now < self.deadline {
            return Verdict::NoCode;
        }
        if self.tags.iter().all(|entry| now >= entry.expires_at) {
            return Verdict::Expired;
        }
        if self.attempts_used >= self.code_policy.max_attempts {
            return Verdict::TooManyAttempts;
        }
        self.attempts_used = self.attempts_used.saturating_add(1);
        // Every tag is compared, whether or not one has matched, so that the time tells nothing.
        let is_right = self.tags.iter().fold(false, |found, entry| {
            let matches = guess.matches(entry.key_id, &entry.tag);
            found | (matches & (now < entry.expires_at))
        });
        if is_right {
            self.state = TicketState::Consumed;
            Verdict::Valid
        } else {
            Verdict::Wrong { attempts_left: self.code_policy.max_attempts.saturating_sub(self.attempts_used) }
        }
    }

    /// Gives the ticket up; answers the newest message, which is to be cancelled too, if the ticket was live.
    pub fn cancel(&mut self, now: WallTime) -> Option<MessageId> {
        if !self.is_live(now) {
            return None;
        }
        self.state = TicketState::Cancelled;
        Some(self.message_id)
    }
}

#[cfg(test)]
mod tests;
