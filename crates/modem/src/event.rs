//! What a modem tells without being asked.
//!
//! Never: deciding what a report or an inbound SMS means. Sent by the actor on the bounded channel given at build.

use std::fmt;
use std::time::Instant;

use gsm::{Pdu, StatusReport};
use tokio::sync::mpsc;

use crate::heal::HealNews;

/// Something a modem told.
#[derive(Debug)]
pub struct ModemEvent {
    /// Name of the modem.
    pub modem: String,
    /// What it told.
    pub kind: ModemEventKind,
}

/// What a modem can tell.
#[derive(Debug)]
pub enum ModemEventKind {
    /// A delivery report.
    Report(StatusReport),
    /// An inbound SMS.
    Inbound(Inbound),
    /// What was done to get it going again, or that it goes again.
    Heal(HealNews),
}

/// An inbound SMS. Most still lie in the modem's storage; see [`InboundReceipt::has_copy`].
pub struct Inbound {
    /// The DELIVER as the modem gave it, service centre address included.
    pub pdu: Pdu,
    /// The ICCID of the SIM that it came to; where that cannot be read, `?` and the name of the modem.
    pub card: String,
    /// To be told when the message is safe elsewhere; dropped otherwise, which leaves the message on the SIM.
    pub receipt: InboundReceipt,
}

impl fmt::Debug for Inbound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Inbound").field("receipt", &self.receipt).finish_non_exhaustive()
    }
}

/// Acknowledges an inbound SMS, after which the modem deletes its copy.
#[derive(Debug)]
pub struct InboundReceipt {
    pub(crate) place: Option<Handed>,
    pub(crate) taken: mpsc::Sender<Handed>,
}

/// Where a message lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// ICCID of the SIM, so that a message of another SIM is never deleted; of a message that ModemManager has, its path there.
    pub(crate) card: String,
    /// Storage, two capital letters as `+CMTI` names it.
    pub(crate) storage: String,
    /// Index in the storage; of a message that ModemManager has, the part.
    pub(crate) index: u16,
}

/// What was handed on from a place, told apart from what lay there before and what lies there later: an index is given to the next
/// message as soon as it is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handed {
    /// The place.
    pub(crate) place: Place,
    /// When the conversation began in which it was handed on.
    pub(crate) session: Instant,
    /// Its number in that conversation.
    pub(crate) number: u64,
}

impl InboundReceipt {
    /// Tells whether the modem has a copy, so that the message comes again if it is not taken now.
    #[must_use]
    pub fn has_copy(&self) -> bool {
        self.place.is_some()
    }

    /// Tells that the message is safe elsewhere: the modem deletes its copy at its next idle moment.
    ///
    /// A line that is gone, or has too many deletions waiting, leaves the message on the SIM.
    pub fn taken(self) {
        if let Some(place) = self.place
            && self.taken.try_send(place).is_err()
        {
            tracing::debug!("an inbound message that was taken stays on its card");
        }
    }
}
