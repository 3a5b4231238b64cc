//! The caller's side of a modem: its status, and turns to send.
//!
//! For: one message or question at a time per modem. Never: I/O. Called by the SMS channel of `otp-pi` and its `modem`
//! commands.
//!
//! Who asks goes before the next message, so that a look at a modem need not wait for a long queue; who waits for a turn goes
//! before who only tries, so that a person may send through a modem that always has work.

use std::sync::Arc;
use std::time::Duration;

use gsm::ErrorClass;
use tokio::sync::{mpsc, oneshot, watch};

use crate::command::Command;
use crate::question::{Answer, AskError, Question};
use crate::status::{Status, Takes};
use crate::submission::{SendError, Sent, Submission};
use crate::ussd::{UssdAct, UssdDialogue, UssdDone, UssdError};

/// Reaches one modem's actor; clones reach the same.
#[derive(Debug, Clone)]
pub struct ModemHandle {
    name: Arc<str>,
    status: watch::Sender<Status>,
    jobs: mpsc::Sender<Job>,
}

impl ModemHandle {
    /// Makes a handle and the receiver of its jobs.
    pub(crate) fn new(name: &str, status: watch::Sender<Status>) -> (Self, mpsc::Receiver<Job>) {
        // One job runs; one more can wait when a caller gave up on the first and used its turn again.
        let (jobs, waiting) = mpsc::channel(1);
        (Self { name: Arc::from(name), status, jobs }, waiting)
    }

    /// Returns the modem's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells whether both reach the same actor.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.jobs.same_channel(&other.jobs)
    }

    /// Follows the modem's status.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Takes the modem's turn, or answers `None` if it is not ready or busy, or somebody waits for it.
    #[must_use]
    pub fn try_turn(&self) -> Option<Turn> {
        self.claim(Status::is_free).map(|claim| Turn { jobs: self.jobs.clone(), claim })
    }

    /// Waits for the modem's turn, however long that takes. Dropping the future gives the place up.
    pub async fn turn(&self) -> Turn {
        let mut status = self.status.subscribe();
        let _waiting = Waiting::new(&self.status, |status| &mut status.turns);
        loop {
            if let Some(claim) = self.claim(Status::may_send) {
                return Turn { jobs: self.jobs.clone(), claim };
            }
            if status.wait_for(Status::may_send).await.is_err() {
                // Cannot happen while this handle holds a sender; waiting for ever is what is promised.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Takes the modem if it may be had.
    fn claim(&self, may_be_had: impl FnOnce(&Status) -> bool) -> Option<Arc<Claim>> {
        let is_taken = self.status.send_if_modified(|status| {
            let may_be_had = may_be_had(status);
            status.busy |= may_be_had;
            may_be_had
        });
        is_taken.then(|| Arc::new(Claim(self.status.clone())))
    }

    /// Asks one command, waiting for the modem's turn however long that takes; see [`ModemHandle::inquire`].
    ///
    /// # Errors
    /// [`AskError`]: the modem cannot be asked, or there is no whole answer. `ERROR` is an answer.
    pub async fn ask(&self, command: Command, patience: Duration) -> Result<Answer, AskError> {
        self.inquire().await?.ask(command, patience).await
    }

    /// Waits for the right to ask: no message is on its way then, nor begins before the [`Inquiry`] is dropped.
    ///
    /// The modem need not be able to send: one that waits for its PIN can be asked as well. Dropping the future gives the
    /// place up.
    ///
    /// # Errors
    /// [`AskError::NotOpen`] when its line is not open, or it is known not to answer.
    pub async fn inquire(&self) -> Result<Inquiry, AskError> {
        let mut status = self.status.subscribe();
        let _waiting = Waiting::new(&self.status, |status| &mut status.questions);
        loop {
            if let Some(claim) = self.claim(Status::may_be_asked) {
                return Ok(Inquiry { jobs: self.jobs.clone(), claim });
            }
            let changed = status.wait_for(|status| !status.is_open() || status.may_be_asked()).await;
            let is_open = changed.as_ref().is_ok_and(|status| status.is_open());
            if !is_open {
                let detail = changed.ok().and_then(|status| status.detail.clone());
                return Err(not_open(detail.as_deref().unwrap_or("its line is not open")));
            }
        }
    }

    /// Waits for the right to a dialogue with the network: no message is on its way then, nor begins before it is over.
    ///
    /// Goes before the next message. Dropping the future gives the place up.
    ///
    /// # Errors
    /// [`UssdError::NotReady`] when the modem cannot send, and is not about to.
    pub async fn ussd(&self) -> Result<UssdDialogue, UssdError> {
        let mut status = self.status.subscribe();
        let _waiting = Waiting::new(&self.status, |status| &mut status.questions);
        loop {
            if let Some(claim) = self.claim(Status::may_begin_ussd) {
                return Ok(UssdDialogue::new(self.jobs.clone(), claim));
            }
            let changed = status.wait_for(|status| !status.is_promising() || status.may_begin_ussd()).await;
            let Ok(changed) = changed else { return Err(crate::ussd::not_ready("it is not being run")) };
            if !changed.is_promising() {
                let detail = changed.detail.clone().unwrap_or_else(|| format!("it is {}", changed.phase.word()));
                return Err(UssdError::NotReady { detail });
            }
        }
    }

    /// Takes the right to a dialogue with the network, or answers `None` if the modem is not ready or busy, or somebody waits for it.
    #[must_use]
    pub fn try_ussd(&self) -> Option<UssdDialogue> {
        self.claim(Status::is_free).map(|claim| UssdDialogue::new(self.jobs.clone(), claim))
    }
}

/// Counts one that waits, until dropped.
struct Waiting<'a> {
    status: &'a watch::Sender<Status>,
    count: fn(&mut Status) -> &mut u32,
}

impl<'a> Waiting<'a> {
    fn new(status: &'a watch::Sender<Status>, count: fn(&mut Status) -> &mut u32) -> Self {
        status.send_modify(|status| *count(status) = count(status).saturating_add(1));
        Self { status, count }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let count = self.count;
        self.status.send_modify(|status| *count(status) = count(status).saturating_sub(1));
    }
}

/// The right to ask one modem; messages wait until it is dropped.
#[derive(Debug)]
pub struct Inquiry {
    jobs: mpsc::Sender<Job>,
    claim: Arc<Claim>,
}

impl Inquiry {
    /// Asks one command and waits for its final result, at most `patience` from when it is on the wire.
    ///
    /// After a command that may have changed something the modem is initialised again. Dropping the future does not take
    /// the command back: its answer is lost.
    ///
    /// # Errors
    /// [`AskError`]. `ERROR` is an answer.
    pub async fn ask(&mut self, command: Command, patience: Duration) -> Result<Answer, AskError> {
        let (answer, answered) = oneshot::channel();
        let work = Work::Question { question: Question { command, patience }, answer };
        if self.jobs.send(Job { work, claim: self.claim.clone() }).await.is_err() {
            return Err(not_open("it is not being run"));
        }
        answer_from(&self.jobs, answered).await.unwrap_or_else(|| Err(not_open("its line is not open")))
    }
}

/// Waits for the answer to a job; none when nobody is there any more to give it.
pub(crate) async fn answer_from<T>(jobs: &mpsc::Sender<Job>, mut answered: oneshot::Receiver<T>) -> Option<T> {
    tokio::select! {
        biased;
        answer = &mut answered => answer.ok(),
        // A job that is sent in the very moment in which the actor goes stays in the channel as long as there is a sender, and with
        // it the promise of an answer. Whatever the actor had begun was answered before it went.
        () = jobs.closed() => answered.try_recv().ok(),
    }
}

fn not_open(detail: &str) -> AskError {
    AskError::NotOpen { detail: detail.to_owned() }
}

/// The right to send on one modem; the modem is free again when the turn is dropped and its last message is finished.
#[derive(Debug)]
pub struct Turn {
    jobs: mpsc::Sender<Job>,
    claim: Arc<Claim>,
}

impl Turn {
    /// Tells whether there is still an actor that could send: without one no waiting helps.
    #[must_use]
    pub fn is_served(&self) -> bool {
        !self.jobs.is_closed()
    }

    /// In which pieces the modem's driver takes a text.
    #[must_use]
    pub fn takes(&self) -> Takes {
        self.claim.0.borrow().takes
    }

    /// Waits until there is no actor any more that could send.
    pub async fn unserved(&self) {
        self.jobs.closed().await;
    }

    /// The same right once more, for a message that goes between two of this turn's own; the modem is free when all are gone. Messages
    /// of both at once go one after the other.
    #[must_use]
    pub fn share(&self) -> Self {
        Self { jobs: self.jobs.clone(), claim: Arc::clone(&self.claim) }
    }

    /// Sends one message and waits for its final result.
    ///
    /// Dropping the future never stops a message that the actor has begun: it is finished, and its result is lost.
    ///
    /// # Errors
    /// See [`SendError`]: not sent for certain, refused by `prepare`, or unknown.
    pub async fn send(&mut self, submission: Submission) -> Result<Sent, SendError> {
        let (answer, answered) = oneshot::channel();
        let work = Work::Message { submission, reply: Reply { answer: Some(answer), is_handed_over: false } };
        if self.jobs.send(Job { work, claim: self.claim.clone() }).await.is_err() {
            return Err(not_sent("the modem is not being run"));
        }
        // The sender answers even when it is dropped.
        answer_from(&self.jobs, answered).await.unwrap_or_else(|| Err(not_sent("the modem is not being run")))
    }
}

/// Makes the error of a message that another modem may send at once.
pub(crate) fn not_sent(detail: &str) -> SendError {
    SendError::NotSent { class: ErrorClass::OtherModem, code: None, detail: detail.to_owned() }
}

/// Frees the modem when the turn and its messages are gone.
#[derive(Debug)]
pub(crate) struct Claim(watch::Sender<Status>);

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.send_modify(|status| status.busy = false);
    }
}

/// One message or question on its way to the actor.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) work: Work,
    /// Held until the work is finished, even if the caller is gone.
    pub(crate) claim: Arc<Claim>,
}

#[derive(Debug)]
pub(crate) enum Work {
    Message { submission: Submission, reply: Reply },
    Question { question: Question, answer: oneshot::Sender<Result<Answer, AskError>> },
    Ussd { act: UssdAct, answer: oneshot::Sender<UssdDone> },
}

/// The way back to the caller; it answers honestly even if the actor dies.
#[derive(Debug)]
pub(crate) struct Reply {
    answer: Option<oneshot::Sender<Result<Sent, SendError>>>,
    /// Whether bytes of the PDU may have reached the modem.
    pub(crate) is_handed_over: bool,
}

impl Reply {
    /// Answers the caller, if it still waits.
    pub(crate) fn finish(mut self, result: Result<Sent, SendError>) {
        self.give(result);
    }

    fn give(&mut self, result: Result<Sent, SendError>) {
        if let Some(answer) = self.answer.take()
            && answer.send(result).is_err()
        {
            tracing::debug!("a message was finished after its caller had gone");
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.give(if self.is_handed_over {
            Err(SendError::Unknown { detail: "the actor ended after the pdu was handed over".to_owned() })
        } else {
            Err(not_sent("the actor ended before the pdu was handed over"))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Phase;

    fn ready(status: &watch::Sender<Status>) {
        status.send_modify(|status| status.phase = Phase::Ready);
    }

    fn handle() -> (ModemHandle, mpsc::Receiver<Job>) {
        ModemHandle::new("a", watch::Sender::new(Status::default()))
    }

    #[test]
    fn a_turn_is_had_once_and_again_after_it_was_dropped() {
        let (handle, _jobs) = handle();
        assert!(handle.try_turn().is_none(), "not ready");
        ready(&handle.status);
        let turn = handle.try_turn();
        assert!(turn.is_some());
        assert!(handle.status().borrow().busy);
        assert!(handle.try_turn().is_none(), "busy");
        drop(turn);
        assert!(handle.try_turn().is_some());
    }

    #[tokio::test]
    async fn who_only_tries_yields_to_one_who_waits_for_a_turn() {
        let (handle, _jobs) = handle();
        ready(&handle.status);
        let first = handle.try_turn();
        {
            let mut waiting = std::pin::pin!(handle.turn());
            assert!(futures_util::poll!(waiting.as_mut()).is_pending());
            drop(first);
            assert!(handle.try_turn().is_none(), "somebody waits");
            let turn = waiting.await;
            assert!(handle.try_turn().is_none(), "it was given to who waited");
            drop(turn);
            let kept = handle.try_turn();
            let mut gives_up = Box::pin(handle.turn());
            assert!(futures_util::poll!(gives_up.as_mut()).is_pending());
            drop((gives_up, kept));
        }
        assert!(handle.try_turn().is_some(), "nobody waits any more");
    }

    #[tokio::test]
    async fn a_modem_whose_turn_is_shared_is_free_when_all_shares_are_gone() {
        let (handle, _jobs) = handle();
        ready(&handle.status);
        let turn = handle.try_turn().unwrap();
        let lent = turn.share();
        let mut waiting = std::pin::pin!(handle.turn());
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        drop(lent);
        assert!(futures_util::poll!(waiting.as_mut()).is_pending(), "who lent it has it still");
        drop(turn);
        waiting.await;
    }

    #[tokio::test]
    async fn a_job_that_is_sent_in_the_moment_in_which_the_actor_goes_is_answered() {
        let (handle, receiver) = handle();
        ready(&handle.status);
        let turn = handle.turn().await;
        let (sender, answered) = oneshot::channel();
        let work = Work::Message {
            submission: Submission::new(1, std::future::pending()),
            reply: Reply { answer: Some(sender), is_handed_over: false },
        };
        // Its place is taken before the receiver is gone, and filled after it.
        let place = turn.jobs.reserve().await.unwrap();
        drop(receiver);
        place.send(Job { work, claim: turn.claim.clone() });
        let answer = tokio::time::timeout(std::time::Duration::from_secs(30), answer_from(&turn.jobs, answered)).await;
        assert!(answer.expect("an end").is_none(), "nobody is there to answer");
    }

    #[tokio::test]
    async fn a_modem_stays_busy_until_the_message_of_a_gone_caller_is_finished() {
        let (handle, mut jobs) = handle();
        ready(&handle.status);
        let mut turn = handle.turn().await;
        {
            let sending = std::pin::pin!(turn.send(Submission::new(1, std::future::pending())));
            assert!(futures_util::poll!(sending).is_pending());
        }
        drop(turn);
        let job = jobs.recv().await.unwrap();
        assert!(handle.try_turn().is_none());
        drop(job);
        assert!(handle.try_turn().is_some());
    }

    #[tokio::test]
    async fn an_actor_that_dies_answers_by_whether_the_pdu_was_handed_over() {
        for is_handed_over in [false, true] {
            let (handle, mut jobs) = handle();
            ready(&handle.status);
            let mut turn = handle.turn().await;
            let dies = async {
                let Some(Job { work: Work::Message { mut reply, .. }, claim }) = jobs.recv().await else { return };
                reply.is_handed_over = is_handed_over;
                drop(claim);
            };
            let (result, ()) = tokio::join!(turn.send(Submission::new(1, std::future::pending())), dies);
            assert_eq!(matches!(result, Err(SendError::Unknown { .. })), is_handed_over);
        }
    }
}
