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
}
