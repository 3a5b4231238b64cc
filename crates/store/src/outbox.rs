//! Messages that still need sending work, as the dispatcher and the channels see them.

use std::sync::Arc;

use domain::clock::WallTime;
use domain::message::{Class, MessageId, MessageState};
use domain::otp::TicketKey;
use domain::receiver::Receiver;

use crate::acceptance::Content;

/// One message with everything that a channel needs, unsealed.
#[derive(Debug, Clone)]
pub struct OutboxMessage {
    /// The message.
    pub id: MessageId,
    /// The API user in whose name it is sent.
    pub api_user: String,
    /// The class it queues in.
    pub class: Class,
    /// Where it goes.
    pub receiver: Receiver,
    /// What it says.
    pub content: Content,
    /// The state: queued or sending.
    pub state: MessageState,
    /// The number of the newest attempt; 0 before the first.
    pub attempt: u32,
    /// When it was accepted.
    pub accepted_at: WallTime,
    /// When it is no longer worth sending.
    pub deadline: WallTime,
    /// The ticket of an OTP.
    pub ticket_key: Option<TicketKey>,
    /// The caller's own id.
    pub own_id: Option<String>,
}

/// What the dispatcher keeps in memory of a queued message.
#[derive(Debug, Clone)]
pub struct QueueEntry {
    /// The message.
    pub id: MessageId,
    /// The class it queues in.
    pub class: Class,
    /// The API user in whose name it is sent; one allocation for all messages of a user.
    pub api_user: Arc<str>,
    /// Where it goes.
    pub receiver: Receiver,
    /// When it is no longer worth sending.
    pub deadline: WallTime,
    /// Before when it must not be sent.
    pub not_before: WallTime,
    /// The number of the newest attempt; 0 before the first.
    pub attempt: u32,
    /// True when a code is minted at sending.
    pub is_otp: bool,
}
