//! What the writer can be asked, and the mailbox through which it is asked.
//!
//! A job carries its own answer: the group fills in the value while it decides, and the value leaves only after the
//! commit. So an answer can never be given for something that is not durable.

use domain::blocklist::BlockEntry;
use domain::clock::WallTime;
use domain::message::MessageId;
use domain::otp::{AttemptId, Guess, Reservation, ReserveOutcome, TagEntry, TicketKey, Verdict};
use domain::receiver::{Msisdn, Receiver};
use tokio::sync::{mpsc, oneshot};

use crate::acceptance::{Accepted, Replay};
use crate::api_user::{ApiUser, SecretUse};
use crate::audit::{Recorded, Trim};
use crate::blocklist::SharedBlocklist;
use crate::change::{BeginAttempt, BeginOutcome, Change, Report, Reported};
use crate::error::StoreError;
use crate::inbox::InboundRow;
use crate::operator::{ActOn, Acted};
use crate::seal::HEAD_LENGTH;
use crate::sims::{Charged, SimCharge, SimKey};
use crate::tickets::TagOutcome;
use crate::writer::texts::KeptText;

/// Where an answer goes, and the value that waits for the commit.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    sender: oneshot::Sender<Result<T, StoreError>>,
    value: Option<T>,
}

impl<T> Answer<T> {
    pub(crate) fn new() -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (sender, receiver) = oneshot::channel();
        (Self { sender, value: None }, receiver)
    }

    /// Decides; a group that is tried again decides again.
    pub(crate) fn set(&mut self, value: T) {
        self.value = Some(value);
    }

    /// What was decided so far.
    pub(crate) fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// Sends the value after a commit, or the error. A caller who has gone away is no error.
    fn deliver(self, committed: &Result<(), StoreError>) {
        let answer = match committed {
            Ok(()) => self.value.ok_or(StoreError::Closed),
            Err(error) => Err(error.clone()),
        };
        drop(self.sender.send(answer));
    }
}

/// An accepted message, prepared on the caller's thread: everything is sealed and hashed already.
#[derive(Debug)]
pub(crate) struct AcceptJob {
    pub(crate) message_id: MessageId,
    /// The outbox row as one JSON array, see [`super::statements::INSERT_OUTBOX`].
    pub(crate) row: String,
    pub(crate) ticket: Option<(TicketKey, Reservation)>,
    pub(crate) replay: Option<Replay>,
    /// The content, where the row is without it.
    pub(crate) kept_text: Option<KeptText>,
    /// True when another request may have made this very row already: one that completed this one's reservation, or the other way round.
    pub(crate) may_exist: bool,
    pub(crate) now: WallTime,
    pub(crate) answer: Answer<Accepted>,
}

/// One atomic step on one ticket.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "always boxed on its way")]
pub(crate) enum TicketStep {
    Reserve { reservation: Reservation, now: WallTime, answer: Answer<ReserveOutcome> },
    PutTag { entry: TagEntry, answer: Answer<TagOutcome> },
    RemoveTag { attempt: AttemptId, answer: Answer<bool> },
    HasTag { attempt: AttemptId, answer: Answer<bool> },
    Validate { guess: Guess, now: WallTime, answer: Answer<Verdict> },
    TakesGuesses { now: WallTime, answer: Answer<bool> },
    Release { message_id: MessageId, now: WallTime, answer: Answer<bool> },
    WasEntered { message_id: MessageId, answer: Answer<bool> },
    Cancel { now: WallTime, answer: Answer<Option<MessageId>> },
    FindMessage { answer: Answer<Option<MessageId>> },
}

impl TicketStep {
    pub(crate) fn at(self, key: TicketKey) -> Job {
        Job::Ticket { key, step: Box::new(self) }
    }
}

/// What is seldom asked and may cost a statement of its own.
#[derive(Debug)]
pub(crate) enum RareStep {
    /// The receiver, sealed, goes with the entry; see [`crate::blocklist`].
    SetBlocked {
        row_key: [u8; 16],
        sealed: Vec<u8>,
        entry: BlockEntry,
    },
    DeleteBlocked {
        row_key: [u8; 16],
        msisdn: Msisdn,
    },
    PutApiUser(ApiUser),
    DeleteApiUser(String),
    NoteSecretUses(Vec<SecretUse>),
    PutSetting {
        key: String,
        is_sealed: bool,
        value: Vec<u8>,
    },
    DeleteSetting(String),
    /// Puts API users and sealed settings, all of them or none.
    KeepSettings {
        documents: Vec<(String, Vec<u8>)>,
        users: Vec<ApiUser>,
    },
    /// Removes rows whose time is over among one chunk of rows after that one.
    Trim {
        table: Trimmed,
        after: i64,
        until: WallTime,
    },
    /// Removes one chunk of the journal's oldest rows.
    TrimOldest,
    /// Keeps a part of an SMS that came in; see [`crate::inbox`].
    KeepInbound(Box<InboundRow>),
    /// Marks a message that came in as read, or as not read.
    MarkInbound {
        message_id: MessageId,
        is_read: bool,
    },
    /// Wipes a message that came in.
    DeleteInbound {
        message_id: MessageId,
    },
    /// Removes the oldest messages that came in: so many parts, and what else belongs to their messages.
    TrimInbox {
        parts: i64,
    },
    /// Wipes one chunk of the texts that the journal keeps and whose deadline has passed.
    WipeTexts {
        until: WallTime,
    },
    /// Writes what limits have counted: pairs of key and record, and keys whose records are gone.
    PutLimits {
        kept: Option<String>,
        gone: Option<String>,
    },
    /// Puts values that were sealed anew in place of the old ones; see [`crate::resealing`].
    Reseal {
        statement: &'static str,
        rows: String,
    },
    /// Removes one chunk of the oldest rows of the audit record.
    TrimAudit {
        trim: Trim,
        at: WallTime,
    },
    /// Tells what the audit record has only counted: what is over, or everything.
    CountAudit {
        at: WallTime,
        is_end: bool,
    },
    /// Only writes what is to be recorded. Where nothing hangs on it a failure is counted.
    Audit {
        is_needed: bool,
    },
    /// Notes how everything is sealed.
    NoteSealedWith([u8; HEAD_LENGTH]),
    /// Does nothing: when it is answered, so is everything that was asked before.
    Barrier,
    /// Makes the disk full (or not) for a test.
    #[cfg(test)]
    LimitPages(Option<u32>),
}

impl RareStep {
    /// False for a receiver who is blocked, or not, as he is to be.
    pub(crate) fn changes_something(&self, blocklist: &SharedBlocklist) -> bool {
        match self {
            Self::SetBlocked { entry, .. } => blocklist.is_blocked(&Receiver::Msisdn(entry.msisdn)) != entry.is_active,
            _ => true,
        }
    }
}

/// What retention looks through, row by row in the order of their making.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trimmed {
    Tickets,
    Replays,
    /// By the time of settling.
    Journal,
    /// By the time when the last part came.
    Inbox,
}

/// How many rows a rare step touched, and where to go on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) rows: u64,
    /// The last row looked at; None when there are no more.
    pub(crate) last: Option<i64>,
}

/// What is counted for a SIM past the queue, or corrected.
#[derive(Debug)]
pub(crate) enum SimJob {
    Charge(SimCharge),
    GiveBack(Charged),
    Reset(SimKey),
}

/// One request to the writer.
#[derive(Debug)]
pub(crate) enum Job {
    Accept(Box<AcceptJob>),
    Begin {
        begin: Box<BeginAttempt>,
        answer: Answer<BeginOutcome>,
    },
    Ticket {
        key: TicketKey,
        step: Box<TicketStep>,
    },
    Report {
        report: Box<Report>,
        answer: Answer<Option<Reported>>,
    },
    /// What is to be recorded goes with the act, and only if it is done.
    Act {
        on: ActOn,
        audit: Box<Recorded>,
        answer: Answer<Acted>,
    },
    /// Answers what was counted.
    Sim {
        step: SimJob,
        answer: Answer<Option<Charged>>,
    },
    /// What is to be recorded goes into the same commit; block and unblock are recorded where they change something.
    Rare {
        step: Box<RareStep>,
        audit: Vec<Recorded>,
        answer: Answer<Touched>,
    },
}

impl Job {
    /// Answers after the commit, or fails.
    pub(crate) fn finish(self, committed: &Result<(), StoreError>) {
        match self {
            Self::Accept(job) => job.answer.deliver(committed),
            Self::Begin { answer, .. } => answer.deliver(committed),
            Self::Report { answer, .. } => answer.deliver(committed),
            Self::Act { answer, .. } => answer.deliver(committed),
            Self::Sim { answer, .. } => answer.deliver(committed),
            Self::Rare { answer, .. } => answer.deliver(committed),
            Self::Ticket { step, .. } => match *step {
                TicketStep::Reserve { answer, .. } => answer.deliver(committed),
                TicketStep::PutTag { answer, .. } => answer.deliver(committed),
                TicketStep::RemoveTag { answer, .. }
                | TicketStep::TakesGuesses { answer, .. }
                | TicketStep::Release { answer, .. }
                | TicketStep::WasEntered { answer, .. }
                | TicketStep::HasTag { answer, .. } => answer.deliver(committed),
                TicketStep::Validate { answer, .. } => answer.deliver(committed),
                TicketStep::Cancel { answer, .. } | TicketStep::FindMessage { answer } => answer.deliver(committed),
            },
        }
    }
}

/// The callers' end of the writer's two bounded queues.
#[derive(Debug, Clone)]
pub(crate) struct Mailbox {
    jobs: mpsc::Sender<Job>,
    changes: mpsc::Sender<Change>,
}

/// The writer's end.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) jobs: mpsc::Receiver<Job>,
    pub(crate) changes: mpsc::Receiver<Change>,
}

/// A reserved place in the writer's mailbox. Dropping it gives the place back.
#[derive(Debug)]
pub struct Slot(mpsc::OwnedPermit<Job>);

impl Mailbox {
    /// Makes both ends with room for `capacity` jobs and as many changes.
    pub(crate) fn new(capacity: usize) -> (Self, Inbox) {
        let capacity = capacity.max(1);
        let (jobs, jobs_in) = mpsc::channel(capacity);
        let (changes, changes_in) = mpsc::channel(capacity);
        (Self { jobs, changes }, Inbox { jobs: jobs_in, changes: changes_in })
    }

    pub(crate) fn try_reserve(&self) -> Option<Slot> {
        self.jobs.clone().try_reserve_owned().ok().map(Slot)
    }

    /// Waits for room.
    pub(crate) async fn reserve(&self) -> Result<Slot, StoreError> {
        self.jobs.clone().reserve_owned().await.map(Slot).map_err(|_| StoreError::Closed)
    }

    /// Waits for room, asks, waits for the answer.
    pub(crate) async fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, StoreError> {
        self.reserve().await?.post(job).answer().await
    }

    /// Waits for room among the changes; does not wait for their commit.
    pub(crate) async fn record(&self, change: Change) -> Result<(), StoreError> {
        self.changes.send(change).await.map_err(|_| StoreError::Closed)
    }
}

/// What was asked; the answer comes after its commit.
#[derive(Debug)]
pub(crate) struct Asked<T>(oneshot::Receiver<Result<T, StoreError>>);

impl<T> Asked<T> {
    pub(crate) async fn answer(self) -> Result<T, StoreError> {
        self.0.await.map_err(|_| StoreError::Closed)?
    }
}

impl Slot {
    /// Asks through the reserved place, at once; the answer is awaited apart.
    pub(crate) fn post<T>(self, job: impl FnOnce(Answer<T>) -> Job) -> Asked<T> {
        let (answer, receiver) = Answer::new();
        drop(self.0.send(job(answer)));
        Asked(receiver)
    }
}
