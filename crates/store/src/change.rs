//! What happens to a message on its way: the start of an attempt, and the changes that follow.

use std::sync::Arc;

use domain::clock::WallTime;
use domain::message::{MessageId, MessageState};
use domain::otp::TicketKey;
use domain::otp::{AttemptId, TagEntry};
use serde::{Deserialize, Serialize};

use crate::sims::SimCharge;

/// A channel is about to send. Durable before anything goes on air.
#[derive(Debug, Clone)]
pub struct BeginAttempt {
    /// The message.
    pub message_id: MessageId,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// The modem (or e-mail account) that sends.
    pub modem: String,
    /// How many parts there are to be sent: a report of one says nothing of the others.
    pub parts: u8,
    /// When.
    pub at: WallTime,
    /// For an OTP: its ticket, and the tag of the code that was just minted.
    pub ticket: Option<(TicketKey, TagEntry)>,
    /// Why this modem: the words of the route's reason.
    pub why: Option<String>,
    /// What is counted for the modem's SIM, in the same commit.
    pub sim: Option<SimCharge>,
}

/// Whether an attempt may go on air. After every answer but [`Self::Begun`] nothing may be sent; what the answer means for the
/// message ([`Self::settlement`]) is in the same commit already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeginOutcome {
    /// It is durable: send.
    Begun,
    /// The ticket was cancelled.
    Cancelled,
    /// The receiver is on the block list at this moment, whatever it was when the message was accepted.
    Blocked,
    /// A code of this very message was entered: it arrived after all.
    Consumed,
    /// The reference belongs to other messages by now, or another message's code was entered.
    Superseded,
    /// The ticket is gone: no code could ever be right. Tickets in memory are, after a restart.
    TicketLost,
    /// The message is settled already, or the attempt's number was used. Nothing has changed.
    Stale,
}

impl BeginOutcome {
    /// The state and the reason with which the message was settled; None for one that is begun or was settled before.
    #[must_use]
    pub fn settlement(self) -> Option<(MessageState, &'static str)> {
        match self {
            Self::Begun | Self::Stale => None,
            Self::Cancelled => Some((MessageState::Cancelled, "its code was cancelled")),
            Self::Blocked => Some((MessageState::Blocked, "its receiver was blocked while it waited")),
            Self::Consumed => Some((MessageState::Delivered, CODE_ENTERED)),
            Self::Superseded => Some((MessageState::Cancelled, "another message took its place")),
            Self::TicketLost => Some((MessageState::Failed, "the code's ticket was lost")),
        }
    }
}

/// The reason of a message whose code proves that it arrived.
pub(crate) const CODE_ENTERED: &str = "the code was entered";

/// A change that rides the next commit, within a second.
#[derive(Debug, Clone)]
pub enum Change {
    /// The network took one part.
    Sent {
        /// The attempt.
        attempt: AttemptId,
        /// The part, from 1.
        part: u8,
        /// How many parts the message has. With the last one the message is `sent`.
        parts: u8,
        /// TP-MR of 3GPP TS 23.040 §9.2.3.6, by which a delivery report finds the message. None for e-mail.
        message_reference: Option<u8>,
        /// When.
        at: WallTime,
    },
    /// The attempt certainly sent nothing. The message is queued again.
    NotSent {
        /// The attempt.
        attempt: AttemptId,
        /// The modem, where the attempt may end before its beginning was recorded: it is remembered all the same.
        modem: Option<String>,
        /// The CMS or CME code or another short reason, for example `CMS 500`.
        code: Option<String>,
        /// When it may be tried again; None means at once.
        retry_at: Option<WallTime>,
        /// The ticket that loses this attempt's tag, since nobody saw the code.
        remove_tag: Option<TicketKey>,
        /// When.
        at: WallTime,
    },
    /// Nobody can know whether the attempt sent something. Tags stay. A code that was entered settles it as delivered.
    Unknown {
        /// The attempt.
        attempt: AttemptId,
        /// The part in doubt, from 1, where that is known: those after it were not begun.
        part: Option<u8>,
        /// True queues the message again (policy `resend`); false settles it as `unknown`.
        resend: bool,
        /// A short reason.
        reason: String,
        /// When.
        at: WallTime,
    },
    /// The message is over: its content goes, the journal remembers.
    Final {
        /// The message.
        message_id: MessageId,
        /// The final state.
        state: MessageState,
        /// A short reason without any content of the message.
        reason: String,
        /// When.
        at: WallTime,
    },
}

impl Change {
    /// True for an end after which no code will come. Another end may follow a code.
    pub(crate) fn ends_unsent(&self) -> bool {
        matches!(self, Self::Final { state, .. } if is_unsent(*state))
    }

    /// The message that changes.
    #[must_use]
    pub fn message_id(&self) -> MessageId {
        match self {
            Self::Sent { attempt, .. } | Self::NotSent { attempt, .. } | Self::Unknown { attempt, .. } => {
                attempt.message_id
            }
            Self::Final { message_id, .. } => *message_id,
        }
    }
}

/// True for the ends of a message that is not sent any more.
pub(crate) fn is_unsent(state: MessageState) -> bool {
    match state {
        MessageState::Failed | MessageState::Expired | MessageState::Cancelled | MessageState::Blocked => true,
        MessageState::Queued
        | MessageState::Sending
        | MessageState::Sent
        | MessageState::Delivered
        | MessageState::Undelivered
        | MessageState::Unknown => false,
    }
}

/// What a delivery report says about one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReportState {
    /// It arrived.
    #[serde(rename = "d")]
    Delivered,
    /// The network is still trying.
    #[serde(rename = "p")]
    Pending,
    /// It will not arrive.
    #[serde(rename = "u")]
    Undelivered,
}

/// A delivery report, correlated by modem, TP-MR, receiver and the time at which the network took the message.
#[derive(Debug, Clone)]
pub struct Report {
    /// The modem that got the report.
    pub modem: String,
    /// The modems that there are now. A report that fits nothing of its own modem may be about a message of one that is not among them:
    /// it was renamed since. None are given where that is not known.
    pub present: Arc<[String]>,
    /// TP-MR of 3GPP TS 23.040 §9.2.3.6.
    pub message_reference: u8,
    /// The receiver's last digits (seven are enough), as the network writes them. Empty when the report names none.
    pub receiver_tail: String,
    /// What it says.
    pub state: ReportState,
    /// TP-ST, of which `state` is the short form.
    pub status: u8,
    /// TP-SCTS: when the service centre took the message, by its own clock, in seconds since the Unix epoch. None when the report does not say.
    pub taken_at_seconds: Option<i64>,
    /// When it came.
    pub at: WallTime,
}

/// What a delivery report was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported {
    /// The message.
    pub message_id: MessageId,
    /// Its state now.
    pub state: MessageState,
    /// Whether the report has brought it to that state.
    pub has_changed: bool,
}
