//! What the actor is to do for a session. Never: a decision.

use std::fmt;

use gsm::{Pdu, StatusReport};
use zeroize::Zeroizing;

use crate::event::Handed;
use crate::heal::Trouble;
use crate::question::{Answer, AskError};
use crate::submission::{SendError, Sent};
use crate::ussd::UssdDone;

/// What the actor is to do, in this order.
pub(crate) enum Action {
    /// Write these bytes, in one piece.
    Write(Zeroizing<Vec<u8>>),
    /// Begin to poll the submission's `prepare`.
    Prepare,
    /// The PDU is about to be written: from here on the outcome may be unknown.
    HandedOver,
    /// The submission is finished; its `prepare` is dropped if it still runs.
    Finished(Result<Sent, SendError>),
    /// The question is answered, or will not be.
    Answered(Result<Answer, AskError>),
    /// A USSD act is done, or will not be; `None`: no dialogue is open any more.
    Ussd(Option<UssdDone>),
    /// A delivery report came; if it lies at a place, it is deleted there once it was handed on.
    Report(StatusReport, Option<Handed>),
    /// An inbound SMS lies at this place.
    Inbound(Pdu, Option<Handed>),
    /// The modem does not answer: close the line and open it again.
    Reopen,
    /// The modem answers and has not done its work for a long time; said again and again while it lasts.
    Unwell(Trouble),
}

/// Prints what is to be done, never the bytes, a PDU or a report.
impl fmt::Debug for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(bytes) => write!(formatter, "Write({} bytes)", bytes.len()),
            Self::Prepare => formatter.write_str("Prepare"),
            Self::HandedOver => formatter.write_str("HandedOver"),
            Self::Finished(result) => write!(formatter, "Finished({result:?})"),
            Self::Answered(result) => write!(formatter, "Answered({result:?})"),
            Self::Ussd(result) => write!(formatter, "Ussd({result:?})"),
            Self::Report(..) => formatter.write_str("Report"),
            Self::Inbound(..) => formatter.write_str("Inbound"),
            Self::Reopen => formatter.write_str("Reopen"),
            Self::Unwell(trouble) => write!(formatter, "Unwell({trouble:?})"),
        }
    }
}
