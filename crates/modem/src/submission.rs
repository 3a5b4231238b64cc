//! What is asked of a modem, and what became of it.
//!
//! Never: knowledge of codes; the PDU comes from a future that the caller gives. Used by [`crate::Turn::send`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use gsm::{ErrorClass, ErrorCode, Pdu};

/// The future that makes the PDU while the modem makes its prompt.
pub type Prepare = Pin<Box<dyn Future<Output = Result<Pdu, Refused>> + Send>>;

/// PDUs that are there once `prepare` has answered.
pub type Rest = Arc<Mutex<Vec<Pdu>>>;

/// The caller does not want the message sent after all; it was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the submission was refused by its caller")]
pub struct Refused;

/// One SUBMIT to send (3GPP TS 27.005 §4.3).
pub struct Submission {
    /// Octets of the TPDU without the service centre address, as `AT+CMGS=<length>` says; known before the PDU is.
    pub tpdu_length: usize,
    /// Makes the PDU. It is first polled when `AT+CMGS` was written, never if that could not be written, and may be
    /// dropped unfinished when the modem refuses or disappears.
    pub prepare: Prepare,
    /// The PDUs that follow in the same text, put here by `prepare`. Only a driver that takes texts whole
    /// ([`crate::Takes::Whole`]) takes them away; what is left is the caller's to send.
    pub rest: Rest,
    /// Whether another message follows at once, as far as anybody knows: the link to the network is kept open for it
    /// (3GPP TS 27.005 §3.5.6).
    pub more_follow: bool,
}

impl Submission {
    /// Makes a submission from the length and the future that makes the PDU.
    pub fn new(tpdu_length: usize, prepare: impl Future<Output = Result<Pdu, Refused>> + Send + 'static) -> Self {
        Self { tpdu_length, prepare: Box::pin(prepare), rest: Rest::default(), more_follow: false }
    }

    /// Says where `prepare` puts the PDUs that follow in the same text.
    #[must_use]
    pub fn with_rest(self, rest: Rest) -> Self {
        Self { rest, ..self }
    }

    /// Says whether another message follows at once.
    #[must_use]
    pub fn followed(self, more_follow: bool) -> Self {
        Self { more_follow, ..self }
    }

    /// Makes a submission of a PDU that is there already.
    #[must_use]
    pub fn ready(pdu: Pdu) -> Self {
        Self::new(pdu.tpdu_length(), async move { Ok(pdu) })
    }
}

impl fmt::Debug for Submission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Submission").field("tpdu_length", &self.tpdu_length).finish_non_exhaustive()
    }
}

/// The network took the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// TP-MR; `None` when the modem did not tell (CMS 197: the service centre had it already).
    pub message_reference: Option<u8>,
}

/// What became of a message that was not taken for sure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It is certain that nothing was transmitted.
    #[error("not sent: {detail}")]
    NotSent {
        /// What to do about it.
        class: ErrorClass,
        /// The modem's own code, if it gave one.
        code: Option<ErrorCode>,
        /// What happened, in words; never text or PDU.
        detail: String,
    },
    /// `prepare` refused; ESC was sent instead of the PDU.
    #[error("not sent: the caller refused")]
    Refused,
    /// The PDU was handed over and no final result came, or one that leaves it open (CMS 332, 500).
    #[error("outcome unknown: {detail}")]
    Unknown {
        /// What happened, in words; never text or PDU.
        detail: String,
    },
}

/// What is said of a modem that made no prompt.
pub(crate) const NO_PROMPT: &str = "no prompt";
/// What is said of a modem that refused without a code.
pub(crate) const BARE_ERROR: &str = "the modem answered ERROR to AT+CMGS";

/// Answers whether a [`SendError::NotSent`] without a code says that the modem was at fault: neither network, SIM nor
/// caller was asked for anything, and the modem did not do what modems do.
#[must_use]
pub fn is_speechless(detail: &str) -> bool {
    [NO_PROMPT, BARE_ERROR].contains(&detail)
}
