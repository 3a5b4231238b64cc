//! Does the I/O of one modem: opens the line, carries bytes, time and requests to the session and its actions out.
//!
//! For: exactly one owner per line, and an honest end of every message, whatever happens to line, caller or process.
//! Never: deciding what to say; that is `session`. Never a sleep that is not a deadline.
//! Called by: `otp-pi`, which gives [`Actor::run`] to its task tracker.

mod attend;
mod backoff;
mod events;

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::event::{ModemEvent, Place};
use crate::handle::{Claim, Job, ModemHandle, Reply, Work};
use crate::question::{Answer, AskError};
use crate::serial::{SerialError, SerialLine};
use crate::session::{Action, Session};
use crate::settings::Settings;
use crate::status::{LineFault, Phase, Status};
use crate::submission::{Prepare, SendError, Sent};
use crate::ussd::{UssdAct, UssdDone};
use attend::{Attended, attend};
use backoff::Backoff;
use events::Events;

/// Bytes read at once.
const READ_BUFFER: usize = 1024;
/// Acknowledged inbound messages that may wait for their deletion.
const WAITING_DELETIONS: usize = 64;

/// Says why an actor cannot run at all; a line that is missing or silent is not an error but waited for.
#[derive(Debug, thiserror::Error)]
pub enum ActorError {
    /// The runtime cannot watch file descriptors.
    #[error("the runtime cannot watch the line of modem `{name}`")]
    Runtime {
        /// Name of the modem.
        name: String,
        /// Answer of the runtime.
        #[source]
        source: std::io::Error,
    },
}

/// Owns one serial line; see [`Actor::run`].
#[derive(Debug)]
pub struct Actor {
    settings: Settings,
    status: watch::Sender<Status>,
    jobs: mpsc::Receiver<Job>,
    events: Events,
    taken: mpsc::Receiver<Place>,
    opened: u64,
    recoveries: u64,
    /// The way in which this modem takes USSD codes, however often its line is opened.
    ussd_form: Option<gsm::UssdForm>,
}

/// Why a line is not served any more.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Stopped,
    Lost { was_ready: bool },
}

/// What is on its way.
struct Active {
    work: ActiveWork,
    claim: Arc<Claim>,
}

enum ActiveWork {
    Message { prepare: Prepare, is_preparing: bool, reply: Reply },
    Question(oneshot::Sender<Result<Answer, AskError>>),
    Ussd { answer: oneshot::Sender<UssdDone>, is_attended: bool },
}

impl Active {
    fn finish(self, result: Result<Sent, SendError>) {
        let Self { work, claim } = self;
        if let ActiveWork::Message { prepare, reply, .. } = work {
            drop(prepare);
            // The modem is free before the caller knows, so that the caller's next turn is not refused.
            drop(claim);
            reply.finish(result);
        }
    }

    fn answer(self, result: Result<Answer, AskError>) {
        let Self { work, claim } = self;
        if let ActiveWork::Question(answer) = work {
            drop(claim);
            if answer.send(result).is_err() {
                tracing::debug!("a question was answered after its caller had gone");
            }
        }
    }

    /// Tells what came of a USSD act; answers the claim if the network waits for a reply.
    fn tell(self, result: UssdDone) -> Option<Arc<Claim>> {
        let Self { work, claim } = self;
        let ActiveWork::Ussd { answer, .. } = work else { return None };
        let is_open = matches!(&result, Ok(Some(answer)) if answer.status == gsm::UssdStatus::ReplyExpected);
        // The modem is free before the caller knows, so that the caller's next turn is not refused.
        let claim = is_open.then_some(claim);
        if answer.send(result).is_err() {
            tracing::debug!("a ussd act was done after its caller had gone");
        }
        claim
    }

    /// Begins to poll the submission's `prepare`.
    fn begin_preparing(&mut self) {
        if let ActiveWork::Message { is_preparing, .. } = &mut self.work {
            *is_preparing = true;
        }
    }

    fn hand_over(&mut self) {
        if let ActiveWork::Message { reply, .. } = &mut self.work {
            reply.is_handed_over = true;
        }
    }
}

impl Actor {
    /// Makes an actor and its handle.
    pub(crate) fn new(settings: Settings, events: mpsc::Sender<ModemEvent>) -> (ModemHandle, Self) {
        let status = watch::Sender::new(Status::default());
        let (handle, jobs) = ModemHandle::new(&settings.name, status.clone());
        let (taken_sender, taken) = mpsc::channel(WAITING_DELETIONS);
        let events = Events::new(&settings.name, events, taken_sender);
        (handle, Self { settings, status, jobs, events, taken, opened: 0, recoveries: 0, ussd_form: None })
    }

    /// Opens, locks and initialises the line, serves it, and opens it again with jittered backoff, until `stop`.
    ///
    /// After `stop` a message whose `AT+CMGS` was written is finished first; how long to wait for that is the caller's.
    ///
    /// # Errors
    /// Only what makes every line impossible; see [`ActorError`].
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), ActorError> {
        let timeouts = self.settings.timeouts;
        let mut backoff = Backoff::new(&self.settings.name, timeouts.reopen_first, timeouts.reopen_longest);
        let mut last_error = String::new();
        while !stop.is_cancelled() {
            match self.open().await {
                Ok(line) => {
                    last_error.clear();
                    match self.serve(&line, &stop).await {
                        End::Stopped => break,
                        End::Lost { was_ready: true } => backoff.reset(),
                        End::Lost { was_ready: false } => {}
                    }
                }
                Err(SerialError::Unwatchable { source }) => {
                    return Err(ActorError::Runtime { name: self.settings.name, source });
                }
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                    let (text, fault) = (format!("{error}{}", cause.unwrap_or_default()), error.fault());
                    if text != last_error {
                        tracing::warn!(modem.name = %self.settings.name, error = text, "the line cannot be opened");
                        last_error = text;
                    }
                    self.closed(Some((&last_error, fault)));
                }
            }
            self.pause(backoff.next(), &stop).await;
        }
        self.closed(None);
        Ok(())
    }

    async fn open(&self) -> Result<SerialLine, SerialError> {
        let settings = self.settings.clone();
        // Opening a USB adapter talks to it, which may take longer than a worker may be blocked.
        let opened = tokio::task::spawn_blocking(move || crate::serial::open(&settings)).await;
        SerialLine::watch(opened.map_err(|error| SerialError::Unwatchable { source: error.into() })??)
    }

    fn closed(&self, why: Option<(&str, LineFault)>) {
        self.status.send_modify(|status| {
            status.phase = Phase::Closed;
            status.detail = why.map(|(text, _)| text.to_owned());
            status.line_fault = why.map(|(_, fault)| fault);
        });
    }

    /// Waits before the line is opened again; who asks meanwhile is answered at once.
    async fn pause(&mut self, pause: std::time::Duration, stop: &CancellationToken) {
        let until = Instant::now() + pause;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep_until(until) => return,
                Some(job) = self.jobs.recv() => drop(job),
                Some(_) = self.taken.recv() => {}
                () = self.events.flush() => {}
            }
        }
    }

    /// Serves an open line until it is lost or `stop`.
    async fn serve(&mut self, line: &SerialLine, stop: &CancellationToken) -> End {
        self.opened += 1;
        let mut serving = Serving {
            session: Session::new(self.settings.clone(), Instant::now().into_std()).with_ussd_form(self.ussd_form),
            output: VecDeque::new(),
            active: None,
            in_dialogue: None,
            is_stopping: false,
            must_reopen: false,
            was_ready: false,
        };
        let mut published = None;
        let mut buffer = Zeroizing::new([0_u8; READ_BUFFER]);
        loop {
            serving.act(&mut self.events);
            self.ussd_form = serving.session.ussd_form();
            self.publish(&serving, &mut published);
            if serving.must_reopen {
                return self.end(serving);
            }
            let is_speaking = serving.session.is_sending() || serving.session.is_in_ussd();
            if serving.is_stopping && !is_speaking && serving.output.is_empty() {
                return End::Stopped;
            }
            let deadline = serving.session.next_deadline().map(Instant::from_std);
            let Serving { session, output, active, is_stopping, .. } = &mut serving;
            // Each branch is cancel-safe: reading, writing and receiving happen wholly or not at all, and `prepare`
            // is polled by reference.
            tokio::select! {
                read = line.read(buffer.as_mut_slice()) => match read {
                    Ok(count) => session.received(buffer.get(..count).unwrap_or_default(), now()),
                    Err(_) => serving.must_reopen = true,
                },
                written = write_first(line, output), if !output.is_empty() => match written {
                    Ok(count) => advance(output, count),
                    Err(_) => serving.must_reopen = true,
                },
                attended = attend(active) => match attended {
                    Attended::Prepared(prepared) => session.prepared(prepared, now()),
                    Attended::CallerGone => session.abandon_ussd(now()),
                },
                Some(job) = self.jobs.recv(), if active.is_none() && !*is_stopping => {
                    *active = Some(begin(job, session));
                }
                Some(place) = self.taken.recv() => session.delete(place, now()),
                () = tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    session.tick(now());
                }
                () = stop.cancelled(), if !*is_stopping => {
                    *is_stopping = true;
                    session.abandon_ussd(now());
                }
                () = self.events.flush() => {}
            }
        }
    }

    /// Ends with a lost line: whatever was on its way is finished honestly.
    fn end(&mut self, mut serving: Serving) -> End {
        serving.session.lost();
        serving.act(&mut self.events);
        self.recoveries += serving.session.status().recoveries;
        let why = serving.session.status().detail.clone().unwrap_or_else(|| "the line is gone".to_owned());
        tracing::warn!(modem.name = %self.settings.name, "the line will be opened again: {why}");
        let phase = serving.session.status().phase;
        self.status.send_modify(|status| {
            status.phase = if phase == Phase::Silent { Phase::Silent } else { Phase::Closed };
            status.detail = Some(why);
        });
        if serving.is_stopping { End::Stopped } else { End::Lost { was_ready: serving.was_ready } }
    }

    fn publish(&self, serving: &Serving, published: &mut Option<Status>) {
        let status = serving.session.status();
        if published.as_ref() == Some(status) {
            return;
        }
        if published.as_ref().map(|published| published.phase) != Some(status.phase) {
            tracing::info!(modem.name = %self.settings.name, "the modem is now {:?}", status.phase);
        }
        *published = Some(status.clone());
        self.status.send_modify(|shown| {
            *shown = Status {
                busy: shown.busy,
                questions: shown.questions,
                turns: shown.turns,
                opened: self.opened,
                recoveries: self.recoveries + status.recoveries,
                ..status.clone()
            };
        });
    }
}

/// An open line while it is served.
struct Serving {
    session: Session,
    output: VecDeque<Zeroizing<Vec<u8>>>,
    active: Option<Active>,
    /// Held while the network waits for a reply.
    in_dialogue: Option<Arc<Claim>>,
    is_stopping: bool,
    must_reopen: bool,
    was_ready: bool,
}

impl Serving {
    /// Carries out what the session wants.
    fn act(&mut self, events: &mut Events) {
        while let Some(action) = self.session.next_action() {
            match action {
                Action::Write(bytes) => self.output.push_back(bytes),
                Action::Prepare => {
                    if let Some(active) = &mut self.active {
                        active.begin_preparing();
                    }
                }
                Action::HandedOver => {
                    if let Some(active) = &mut self.active {
                        active.hand_over();
                    }
                }
                Action::Finished(result) => {
                    if let Some(active) = self.active.take() {
                        active.finish(result);
                    }
                }
                Action::Answered(result) => {
                    if let Some(active) = self.active.take() {
                        active.answer(result);
                    }
                }
                Action::Ussd(Some(result)) => {
                    self.in_dialogue = self.active.take().and_then(|active| active.tell(result));
                }
                Action::Ussd(None) => self.in_dialogue = None,
                Action::Report(report, place) => events.report(report, place),
                Action::Inbound(pdu, place) => events.inbound(pdu, place),
                Action::Reopen => self.must_reopen = true,
            }
        }
        self.was_ready |= self.session.status().phase == Phase::Ready;
    }
}

/// Gives a job to the session.
fn begin(job: Job, session: &mut Session) -> Active {
    let Job { work, claim } = job;
    let work = match work {
        Work::Message { submission, reply } => {
            session.submit(submission.tpdu_length, now());
            ActiveWork::Message { prepare: submission.prepare, is_preparing: false, reply }
        }
        Work::Question { question, answer } => {
            session.question(question, now());
            ActiveWork::Question(answer)
        }
        Work::Ussd { act, answer } => {
            // Whoever gave up meanwhile wants nothing said any more.
            let act = if answer.is_closed() { UssdAct::Cancel } else { act };
            let is_attended = !matches!(act, UssdAct::Cancel);
            session.ussd(act, now());
            ActiveWork::Ussd { answer, is_attended }
        }
    };
    Active { work, claim }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

async fn write_first(line: &SerialLine, output: &VecDeque<Zeroizing<Vec<u8>>>) -> Result<usize, SerialError> {
    match output.front() {
        Some(bytes) => line.write(bytes).await,
        None => Ok(0),
    }
}

fn advance(output: &mut VecDeque<Zeroizing<Vec<u8>>>, count: usize) {
    if let Some(bytes) = output.front_mut() {
        let count = count.min(bytes.len());
        bytes.drain(..count);
        if bytes.is_empty() {
            output.pop_front();
        }
    }
}
