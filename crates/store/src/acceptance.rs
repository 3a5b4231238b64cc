//! What a gateway hands over when it accepts a request, and what it gets back.

use std::fmt;

use domain::autofill::Autofill;
use domain::clock::WallTime;
use domain::command::Entrance;
use domain::message::{Class, MessageId, MessageState};
use domain::otp::CodeLength;
use domain::otp::Reservation;
use domain::otp::{Binding, CodePolicy, TicketKey};
use domain::receiver::Receiver;
use domain::secret::SecretText;

/// What a message says. Held sealed, or in memory only, until the message needs no more sending.
#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "one lives per request on its way; a box would cost more than it saves")]
pub enum Content {
    /// A template that gets its code at the channel.
    Otp {
        /// The text with its one `%s`.
        template: SecretText,
        /// What phones find beside it.
        autofill: Autofill,
        /// The subject, for e-mail.
        subject: Option<String>,
        /// What the code is bound to.
        binding: Binding,
        /// How many digits the code has.
        length: CodeLength,
        /// How long the code will live; decided at acceptance, so that a later change of settings leaves it alone.
        policy: CodePolicy,
    },
    /// A text as the caller gave it.
    Text {
        /// The text.
        text: SecretText,
        /// The subject, for e-mail.
        subject: Option<String>,
    },
}

impl fmt::Debug for Content {
    /// A subject says as much as a text: neither is printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Otp { binding, length, policy, .. } => f
                .debug_struct("Otp")
                .field("binding", binding)
                .field("length", length)
                .field("policy", policy)
                .finish_non_exhaustive(),
            Self::Text { .. } => f.debug_struct("Text").finish_non_exhaustive(),
        }
    }
}

/// A message that a caller wants sent.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The id, fresh, made from `accepted_at`.
    pub id: MessageId,
    /// The API user in whose name it is sent.
    pub api_user: String,
    /// The class it queues in.
    pub class: Class,
    /// The entrance it came through.
    pub entrance: Entrance,
    /// Where it goes.
    pub receiver: Receiver,
    /// What it says.
    pub content: Content,
    /// When it was accepted.
    pub accepted_at: WallTime,
    /// When it is no longer worth sending.
    pub deadline: WallTime,
    /// Before when it must not be sent; `accepted_at` for at once.
    pub not_before: WallTime,
    /// The caller's own id, by which its status may be asked.
    pub own_id: Option<String>,
}

/// What a second request with the same own id and other content means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IdConflict {
    /// A new message (clients use the current second as id).
    #[default]
    Accept,
    /// A conflict.
    Reject,
}

/// The replay key of a request that carries its own id. The same key and fingerprint within 24 h get the first answer again,
/// however many other requests came under the key since, up to 4096.
#[derive(Debug, Clone)]
pub struct Replay {
    /// The keyed hash of caller and id; see [`crate::Store::replay_key`].
    pub key: [u8; 16],
    /// The keyed hash of the content.
    pub fingerprint: [u8; 32],
    /// What other content under the same key means.
    pub conflict: IdConflict,
}

/// One request to be made durable.
#[derive(Debug, Clone)]
pub struct Acceptance {
    /// The message.
    pub message: NewMessage,
    /// The ticket of a `create-otp`.
    pub ticket: Option<(TicketKey, Reservation)>,
    /// The replay key of a request with its own id.
    pub replay: Option<Replay>,
}

/// What became of an [`Acceptance`]. Durable when it is returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// The message is in the outbox, under its own id.
    New {
        /// The message's id; a retry that completes an earlier request gets the earlier id.
        message_id: MessageId,
    },
    /// The same request came before; nothing was added.
    Repeat {
        /// The earlier message.
        message_id: MessageId,
        /// Its state, [`MessageState::Queued`] when nothing more is known.
        state: MessageState,
    },
    /// The reference is in use for something else.
    Conflict,
    /// The own id is in use for something else, and that is not wanted.
    IdInUse,
    /// All tries of the reference are used up: another code could not be entered.
    NoTries,
}
