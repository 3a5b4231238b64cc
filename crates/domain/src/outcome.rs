//! What an entrance answers: one outcome, its response code, and the data that goes with it.
//!
//! The only place that knows response codes. HTTP statuses are not known here, and neither is the choice of the success
//! code (`000` or `0000`), which is a setting of the edge.

use std::fmt;
use std::time::Duration;

use crate::clock::WallTime;
use crate::message::{MessageId, MessageState};
use crate::otp::Verdict;
use crate::secret::SecretText;

/// How a command ended.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// Accepted, or the code is right.
    Accepted,
    /// No modem can take it.
    NoModem,
    /// Could not be sent.
    NotSent,
    /// The reference is in use for something else.
    ReferenceInUse,
    /// The code is wrong, unknown or used.
    CodeWrong,
    /// The code has expired.
    Expired,
    /// Too many attempts.
    TooManyAttempts,
    /// Dropped: already expired when it came.
    DroppedExpired,
    /// The receiver is blocked.
    Blocked,
    /// A limit is reached.
    LimitReached,
    /// The destination is not allowed.
    DestinationNotAllowed,
    /// A field is missing or wrong.
    FieldInvalid,
    /// There is no such command.
    UnknownCommand,
    /// Not JSON, or the body is incomplete.
    NotJson,
    /// This caller may not do that.
    NotAllowed,
    /// The queue is full; try again.
    QueueFull,
}

impl Outcome {
    /// Answers the response code of the envelope.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Accepted => "000",
            Self::NoModem => "1101",
            Self::NotSent => "1102",
            Self::ReferenceInUse => "1201",
            Self::CodeWrong => "1202",
            Self::Expired => "1203",
            Self::TooManyAttempts => "1204",
            Self::DroppedExpired => "1205",
            Self::Blocked => "1301",
            Self::LimitReached => "1302",
            Self::DestinationNotAllowed => "1303",
            Self::FieldInvalid => "1401",
            Self::UnknownCommand => "1402",
            Self::NotJson => "1403",
            Self::NotAllowed => "1404",
            Self::QueueFull => "1501",
        }
    }

    /// Folds "expired" and "too many attempts" into "wrong" (`uniform_failures`).
    #[must_use]
    pub const fn uniform(self) -> Self {
        match self {
            Self::Expired | Self::TooManyAttempts => Self::CodeWrong,
            other => other,
        }
    }
}

impl From<Verdict> for Outcome {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Valid => Self::Accepted,
            Verdict::Wrong { .. } | Verdict::NoCode | Verdict::Used => Self::CodeWrong,
            Verdict::Expired => Self::Expired,
            Verdict::TooManyAttempts => Self::TooManyAttempts,
        }
    }
}

/// What an entrance turns into words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// How the command ended.
    pub outcome: Outcome,
    /// What it brought.
    pub data: ReplyData,
    /// What is wrong, in words for a person; names the field, never its content.
    pub error: Option<String>,
    /// When to try again, for a limit or a full queue.
    pub retry_after: Option<Duration>,
    /// Which limit.
    pub rule: Option<String>,
    /// How many tries remain, after a wrong code.
    pub attempts_left: Option<u32>,
    /// What a guess was, for entrances that tell more than the envelope does.
    pub verdict: Option<Verdict>,
}

impl Reply {
    /// Makes a reply without data.
    pub const fn new(outcome: Outcome) -> Self {
        Self {
            outcome,
            data: ReplyData::None,
            error: None,
            retry_after: None,
            rule: None,
            attempts_left: None,
            verdict: None,
        }
    }

    /// Makes a success with data.
    pub fn accepted(data: ReplyData) -> Self {
        let mut reply = Self::new(Outcome::Accepted);
        reply.data = data;
        reply
    }

    /// Makes a failure with words for a person.
    pub fn failed(outcome: Outcome, error: impl Into<String>) -> Self {
        let mut reply = Self::new(outcome);
        reply.error = Some(error.into());
        reply
    }
}

/// The data of a reply, by command.
#[derive(Clone, PartialEq, Eq)]
pub enum ReplyData {
    /// Nothing.
    None,
    /// `create-otp`, `validate-otp`, `cancel-otp`, and the commands about a receiver's own reference.
    Otp {
        /// The caller's name of the transaction.
        reference: String,
        /// As the caller wrote it.
        receiver: String,
        /// The message that carries the code and where it stands; none where nothing is sent.
        message: Option<(MessageId, MessageState)>,
    },
    /// The sends.
    Message {
        /// The caller's own id.
        id: Option<String>,
        /// As the caller wrote it.
        receiver: String,
        /// Our name of the message.
        message_id: MessageId,
        /// Where it stands.
        state: MessageState,
    },
    /// `block-msisdn`, `unblock-msisdn`.
    Receiver {
        /// As the caller wrote it.
        receiver: String,
    },
    /// `get-status`.
    Status(StatusData),
    /// `request-ussd`.
    Ussd {
        /// What the network says.
        content: SecretText,
        /// The same as the modem wrote it.
        raw: SecretText,
        /// Whether the network waits for a reply.
        is_open: bool,
    },
    /// `get-modem-list`.
    Modems(Vec<ModemEntry>),
    /// `echo`.
    Echo,
}

impl fmt::Debug for ReplyData {
    /// Names the kind only: receivers stand here as they were written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Otp { .. } => "Otp",
            Self::Message { .. } => "Message",
            Self::Receiver { .. } => "Receiver",
            Self::Status(_) => "Status",
            Self::Ussd { .. } => "Ussd",
            Self::Modems(_) => "Modems",
            Self::Echo => "Echo",
        })
    }
}

/// Where a message stands and what was tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatusData {
    /// Our name of the message.
    pub message_id: MessageId,
    /// The caller's own id.
    pub id: Option<String>,
    /// The reference, for an OTP.
    pub reference: Option<String>,
    /// Where it stands.
    pub state: MessageState,
    /// Why, where a state needs a reason.
    pub reason: Option<String>,
    /// When it was accepted.
    pub accepted_at: WallTime,
    /// When the network took it.
    pub sent_at: Option<WallTime>,
    /// When it came into its present state.
    pub changed_at: WallTime,
    /// Every attempt, in order.
    pub attempts: Vec<StatusAttempt>,
}

/// One attempt to send a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatusAttempt {
    /// Counts from 1.
    pub attempt: u32,
    /// The modem that tried.
    pub modem: String,
    /// Why that one (docs/routing.md).
    pub route: Option<String>,
    /// When it began.
    pub started_at: WallTime,
    /// When its result was known.
    pub ended_at: Option<WallTime>,
    /// TP-MR of its first part.
    pub message_reference: Option<u8>,
    /// The modem's or network's error, for example `CMS 38`.
    pub error_code: Option<String>,
    /// What that error means.
    pub meaning: Option<String>,
    /// Every part of the message, in order.
    pub parts: Vec<StatusPart>,
}

/// Where one part of a message stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatusPart {
    /// Counts from 1.
    pub part: u8,
    /// `waiting`, `not-sent`, `unknown`, `sent`, `pending`, `delivered` or `undelivered`.
    pub state: &'static str,
    /// TP-MR (3GPP TS 23.040 §9.2.3.6).
    pub message_reference: Option<u8>,
    /// When the network took it.
    pub sent_at: Option<WallTime>,
    /// When its last report came.
    pub reported_at: Option<WallTime>,
    /// TP-ST of that report (3GPP TS 23.040 §9.2.3.15).
    pub report_status: Option<u8>,
    /// What that status means.
    pub report_meaning: Option<&'static str>,
}

/// One modem as callers see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ModemEntry {
    /// Its configured name.
    pub name: String,
    /// What it is doing, in a word.
    pub state: String,
    /// Ready to send.
    pub is_ready: bool,
    /// Takes numbers of no modem's prefix.
    pub is_default: bool,
    /// The operator it is registered with.
    pub operator: Option<String>,
    /// Signal strength in dBm.
    pub signal_dbm: Option<i16>,
    /// What its SIM is worth, where that was asked.
    pub balance: Option<BalanceEntry>,
}

/// What a SIM was worth when it was asked last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BalanceEntry {
    /// The amount in the SIM's currency, as a JSON number.
    pub amount: String,
    /// When it was told.
    pub at: WallTime,
    /// Whether that is below what is set as low.
    pub is_low: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_the_code_of_the_table() {
        for (outcome, code) in [
            (Outcome::Accepted, "000"),
            (Outcome::NoModem, "1101"),
            (Outcome::NotSent, "1102"),
            (Outcome::ReferenceInUse, "1201"),
            (Outcome::CodeWrong, "1202"),
            (Outcome::Expired, "1203"),
            (Outcome::TooManyAttempts, "1204"),
            (Outcome::DroppedExpired, "1205"),
            (Outcome::Blocked, "1301"),
            (Outcome::LimitReached, "1302"),
            (Outcome::DestinationNotAllowed, "1303"),
            (Outcome::FieldInvalid, "1401"),
            (Outcome::UnknownCommand, "1402"),
            (Outcome::NotJson, "1403"),
            (Outcome::NotAllowed, "1404"),
            (Outcome::QueueFull, "1501"),
        ] {
            assert_eq!(outcome.code(), code, "{outcome:?}");
        }
    }

    #[test]
    fn verdicts_become_outcomes_and_uniform_failures_fold_them() {
        for (verdict, outcome, uniform) in [
            (Verdict::Valid, Outcome::Accepted, Outcome::Accepted),
            (Verdict::Wrong { attempts_left: 2 }, Outcome::CodeWrong, Outcome::CodeWrong),
            (Verdict::NoCode, Outcome::CodeWrong, Outcome::CodeWrong),
            (Verdict::Used, Outcome::CodeWrong, Outcome::CodeWrong),
            (Verdict::Expired, Outcome::Expired, Outcome::CodeWrong),
            (Verdict::TooManyAttempts, Outcome::TooManyAttempts, Outcome::CodeWrong),
        ] {
            assert_eq!(Outcome::from(verdict), outcome, "{verdict:?}");
            assert_eq!(Outcome::from(verdict).uniform(), uniform, "{verdict:?}");
        }
        assert_eq!(Outcome::QueueFull.uniform(), Outcome::QueueFull);
        assert_eq!(Outcome::DroppedExpired.uniform(), Outcome::DroppedExpired);
    }

    #[test]
    fn debug_of_a_reply_hides_the_receiver() {
        let reply = Reply::accepted(ReplyData::Receiver { receiver: "08126666666".to_owned() });
        assert!(!format!("{reply:?}").contains("0812"));
        assert_eq!(reply.outcome, Outcome::Accepted);
        assert_eq!(Reply::failed(Outcome::FieldInvalid, "receiver is missing").error.unwrap(), "receiver is missing");
    }
}
