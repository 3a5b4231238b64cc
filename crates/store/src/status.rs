//! What a caller or an operator may learn about one message.

use domain::clock::WallTime;
use domain::command::Entrance;
use domain::message::{Class, MessageId, MessageState};
use domain::otp::TicketKey;
use domain::receiver::Receiver;
use serde::{Deserialize, Serialize};

use crate::change::ReportState;

/// How a message is named when its status is asked.
#[derive(Debug, Clone)]
pub enum StatusKey {
    /// By our id.
    MessageId(MessageId),
    /// By the caller's own id, for 24 h; the newest message of that id.
    OwnId(String),
    /// By its ticket; the newest message of that ticket.
    Ticket(TicketKey),
}

/// Everything known about a message, without its content.
#[derive(Debug, Clone)]
pub struct StatusRecord {
    /// The message.
    pub message_id: MessageId,
    /// The API user in whose name it is sent.
    pub api_user: String,
    /// The caller's own id.
    pub own_id: Option<String>,
    /// Where it goes; None when that was lost with its keys.
    pub receiver: Option<Receiver>,
    /// The class it queued in.
    pub class: Class,
    /// The entrance it came through.
    pub entrance: Entrance,
    /// True for an OTP.
    pub is_otp: bool,
    /// The state.
    pub state: MessageState,
    /// Why, where there is a reason to give.
    pub reason: Option<String>,
    /// When it was accepted.
    pub accepted_at: WallTime,
    /// When it was no longer worth sending.
    pub deadline: WallTime,
    /// Of one that waits: before when it is not sent.
    pub not_before: Option<WallTime>,
    /// True as long as its text, or its template, is kept.
    pub has_text: bool,
    /// When it needed no more sending, or when a report last changed it.
    pub settled_at: Option<WallTime>,
    /// The tries, oldest first; the newest sixteen.
    pub attempts: Vec<Attempt>,
}

/// How a try on one channel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttemptOutcome {
    /// It has not ended.
    #[serde(rename = "a")]
    OnAir,
    /// The network took every part.
    #[serde(rename = "s")]
    Sent,
    /// Nothing was sent, or not all of it: the parts tell what was.
    #[serde(rename = "n")]
    NotSent,
    /// Nobody can know.
    #[serde(rename = "u")]
    Unknown,
}

/// One try on one channel. Short names on disk: the row is written several times in a message's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The number, from 1.
    #[serde(rename = "n")]
    pub number: u32,
    /// The modem (or e-mail account).
    #[serde(rename = "m")]
    pub modem: String,
    /// Why this modem: the words of the route's reason (docs/routing.md).
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When it began, in milliseconds since the Unix epoch.
    #[serde(rename = "b")]
    pub began_at_millis: i64,
    /// When it ended.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub ended_at_millis: Option<i64>,
    /// How it ended.
    #[serde(rename = "o")]
    pub outcome: AttemptOutcome,
    /// The CMS or CME code or another short reason.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// How many parts there were to be sent.
    #[serde(rename = "t", default = "one", skip_serializing_if = "is_one")]
    pub total: u8,
    /// The parts that the network took.
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// Of an attempt of unknown outcome: the part in doubt. The ones after it were certainly not sent; None when any part that is not
    /// among those above may have been.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub in_doubt: Option<u8>,
}

fn one() -> u8 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_one(total: &u8) -> bool {
    *total == 1
}

/// One part that the network took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The number, from 1.
    #[serde(rename = "n")]
    pub number: u8,
    /// How many parts the message has.
    #[serde(rename = "t")]
    pub total: u8,
    /// TP-MR of 3GPP TS 23.040 §9.2.3.6.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub message_reference: Option<u8>,
    /// What the delivery report said.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportState>,
    /// When the network took it, in milliseconds since the Unix epoch. None when that was not seen, and of parts that a version
    /// recorded that did not note it.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub sent_at_millis: Option<i64>,
    /// When that report came.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub reported_at_millis: Option<i64>,
    /// TP-ST of that report (3GPP TS 23.040 §9.2.3.15).
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub report_status: Option<u8>,
    /// TP-SCTS of that report, in seconds since the Unix epoch: every report of one part repeats it, those of another have another.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub taken_at_seconds: Option<i64>,
}

/// Where one part of a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartState {
    /// Its turn has not come.
    Waiting,
    /// Not sent, and it will not be by this attempt.
    NotSent,
    /// Nobody can know whether it was sent.
    Unknown,
    /// The network took it.
    Sent,
    /// The network says that it is still trying.
    Pending,
    /// It arrived.
    Delivered,
    /// It will not arrive.
    Undelivered,
}

impl PartState {
    /// Answers the word used in answers; it does not change.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::NotSent => "not-sent",
            Self::Unknown => "unknown",
            Self::Sent => "sent",
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
        }
    }
}

impl Attempt {
    /// Every part in order, with what is known of it; also those that the network did not take.
    pub fn all_parts(&self) -> impl Iterator<Item = (u8, PartState, Option<&Part>)> {
        (1..=self.total).map(|number| {
            let known = self.parts.iter().find(|part| part.number == number);
            (number, known.map_or_else(|| self.state_of_missing(number), Part::state), known)
        })
    }

    fn state_of_missing(&self, number: u8) -> PartState {
        match self.outcome {
            AttemptOutcome::OnAir => PartState::Waiting,
            AttemptOutcome::Sent | AttemptOutcome::NotSent => PartState::NotSent,
            // Parts go out in order: the one in doubt is the last that was begun.
            AttemptOutcome::Unknown if self.in_doubt.is_some_and(|in_doubt| number > in_doubt) => PartState::NotSent,
            AttemptOutcome::Unknown => PartState::Unknown,
        }
    }
}

impl Part {
    fn state(&self) -> PartState {
        match self.report {
            None => PartState::Sent,
            Some(ReportState::Pending) => PartState::Pending,
            Some(ReportState::Delivered) => PartState::Delivered,
            Some(ReportState::Undelivered) => PartState::Undelivered,
        }
    }

    /// True when a report has said what became of it in the end.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self.report, Some(ReportState::Delivered | ReportState::Undelivered))
    }
}
