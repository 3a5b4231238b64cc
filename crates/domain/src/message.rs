//! A message's name, its states and the changes that are allowed, its class.
//!
//! Never knows content. The store refuses a change that [`MessageState::can_become`] does not allow; the dispatcher
//! orders by [`Class`].

use std::fmt;

use rand_core::Rng;
use uuid::Uuid;

use crate::clock::WallTime;

/// Names a message; sorts by the time of acceptance.
///
/// # Standard
/// RFC 9562 §5.7 (2024), UUID version 7.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(Uuid);

impl MessageId {
    /// Makes a new name. Times before 1970 count as 1970.
    pub fn new(now: WallTime, rng: &mut impl Rng) -> Self {
        let mut random = [0; 10];
        rng.fill_bytes(&mut random);
        let millis = u64::try_from(now.as_unix_millis()).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// Parses the hyphenated form; `None` if it is no UUID.
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }

    /// Takes the stored form.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// Answers the stored form.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.as_hyphenated(), f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a message stands.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum MessageState {
    /// Accepted and durable; waits for its turn.
    Queued,
    /// A channel has it; part of it may be on air.
    Sending,
    /// The network took all of it.
    Sent,
    /// The receiver's device has it.
    Delivered,
    /// The network gave up on it.
    Undelivered,
    /// Could not be sent.
    Failed,
    /// Its deadline passed before it could be sent.
    Expired,
    /// Given up by its caller.
    Cancelled,
    /// Its receiver was blocked while it waited.
    Blocked,
    /// Whether it was sent cannot be known.
    Unknown,
}

impl MessageState {
    /// Every state.
    pub const ALL: [Self; 10] = [
        Self::Queued,
        Self::Sending,
        Self::Sent,
        Self::Delivered,
        Self::Undelivered,
        Self::Failed,
        Self::Expired,
        Self::Cancelled,
        Self::Blocked,
        Self::Unknown,
    ];

    /// Answers the word used in answers, rows and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Blocked => "blocked",
            Self::Unknown => "unknown",
        }
    }

    /// Finds the state of a word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Tells that nothing will ever change it again. `sent` and `unknown` are not final: a late report settles them.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Delivered | Self::Undelivered | Self::Failed | Self::Expired | Self::Cancelled | Self::Blocked => {
                true
            }
            Self::Queued | Self::Sending | Self::Sent | Self::Unknown => false,
        }
    }

    /// Tells that the gateway sends nothing more by itself: final, `sent`, or `unknown`.
    pub const fn is_done(self) -> bool {
        match self {
            Self::Queued | Self::Sending => false,
            Self::Sent | Self::Unknown => true,
            _ => self.is_final(),
        }
    }

    /// Tells whether the change is allowed. To stay the same is no change.
    pub const fn can_become(self, next: Self) -> bool {
        match self {
            Self::Queued => {
                matches!(next, Self::Sending | Self::Failed | Self::Expired | Self::Cancelled | Self::Blocked)
            }
            // Back to the queue when known not to be sent; a report may overtake the record of `sent`.
            Self::Sending => matches!(
                next,
                Self::Queued
                    | Self::Sent
                    | Self::Delivered
                    | Self::Undelivered
                    | Self::Failed
                    | Self::Expired
                    | Self::Cancelled
                    | Self::Unknown
            ),
            Self::Sent => matches!(next, Self::Delivered | Self::Undelivered),
            // A report or the right code settles it; `unknown_policy = "resend"` or an operator queues it again.
            Self::Unknown => matches!(next, Self::Sent | Self::Delivered | Self::Undelivered | Self::Queued),
            Self::Delivered | Self::Undelivered | Self::Failed | Self::Expired | Self::Cancelled | Self::Blocked => {
                false
            }
        }
    }
}

impl fmt::Display for MessageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How urgent a message is; the most urgent is the smallest.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Class {
    /// Carries a code; overtakes everything.
    Otp,
    /// Somebody waits for it.
    Transactional,
    /// Nobody waits for it.
    Bulk,
}

impl Class {
    /// Answers the word used in answers, rows and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Otp => "otp",
            Self::Transactional => "transactional",
            Self::Bulk => "bulk",
        }
    }

    /// Finds the class of a word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Otp, Self::Transactional, Self::Bulk].into_iter().find(|class| class.as_str() == text)
    }
}

#[cfg(test)]
mod tests;
