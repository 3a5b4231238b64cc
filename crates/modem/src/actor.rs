//! Does the I/O of one modem: opens the line, carries bytes, time and requests to the session and its actions out.
//!
//! For: exactly one owner per line, and an honest end of every message, whatever happens to line, caller or process.
//! Never: deciding what to say; that is `session`. Never a sleep that is not a deadline.
//! Called by: `otp-pi`, which gives [`Actor::run`] to its task tracker.

mod active;
mod attend;
pub(crate) mod backoff;
mod climb;
pub(crate) mod events;
mod opening;

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::event::{Handed, ModemEvent};
use crate::handle::{Claim, Job, ModemHandle, Work};
use crate::heal::{Ladder, Trouble};
use crate::locator::Reservation;
use crate::manager::Manager;
use crate::serial::{SerialError, SerialLine};
use crate::session::{Action, Session};
use crate::settings::{Driver, Settings};
use crate::status::{LineFault, Phase, Status};
use crate::ussd::UssdAct;
use active::{Active, ActiveWork};
use attend::{Attended, attend};
use backoff::Backoff;
use events::Events;
use opening::{Pause, Place};

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
    taken: mpsc::Receiver<Handed>,
    opened: u64,
    recoveries: u64,
    ladder: Ladder,
    /// A restart to be written to the line when it is open again.
    reset: Option<&'static str>,
    /// Keeps others from asking its line.
    _reserved: Option<Reservation>,
    /// The way in which this modem takes USSD codes, however often its line is opened.
    ussd_form: Option<gsm::UssdForm>,
}

/// Why a line is not served any more.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Stopped,
    /// Without a trouble the line itself is gone.
    Lost {
        was_ready: bool,
        trouble: Option<Trouble>,
    },
}

impl Actor {
    /// Makes an actor and its handle.
    pub(crate) fn new(settings: Settings, events: mpsc::Sender<ModemEvent>) -> (ModemHandle, Self) {
        let takes = settings.driver.takes();
        let status = watch::Sender::new(Status { takes, ..Status::default() });
        let (handle, jobs) = ModemHandle::new(&settings.name, status.clone());
        let (taken_sender, taken) = mpsc::channel(WAITING_DELETIONS);
        let events = Events::new(&settings.name, events, taken_sender);
        let ladder = Ladder::new(&settings);
        let reserved = opening::reserve(&settings);
        let actor = Self {
            settings,
            status,
            jobs,
            events,
            taken,
            opened: 0,
            recoveries: 0,
            ladder,
            reset: None,
            ussd_form: None,
            _reserved: reserved,
        };
        (handle, actor)
    }

    /// Opens, locks and initialises the line, serves it, and opens it again with jittered backoff, until `stop`.
    ///
    /// After `stop` a message whose `AT+CMGS` was written is finished first; how long to wait for that is the caller's.
    ///
    /// # Errors
    /// Only what makes every line impossible; see [`ActorError`].
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), ActorError> {
        if self.settings.driver == Driver::ModemManager {
            let Self { settings, status, jobs, events, taken, .. } = self;
            Manager { settings, status, jobs, events, taken }.run(stop).await;
            return Ok(());
        }
        let timeouts = self.settings.timeouts;
        let mut backoff = Backoff::new(&self.settings.name, timeouts.reopen_first, timeouts.reopen_longest);
        let mut last_error = String::new();
        while !stop.is_cancelled() {
            let Some(place) = self.find(&stop).await else { break };
            match self.open(&place).await {
                Ok(line) => {
                    last_error.clear();
                    let end = self.serve(&line, &stop).await;
                    drop(line);
                    self.tell(&place);
                    let End::Lost { was_ready, trouble } = end else { break };
                    let is_fresh = match trouble {
                        Some(trouble) => self.climb(trouble, &stop).await,
                        None => false,
                    };
                    if was_ready || is_fresh {
                        backoff.reset();
                    }
                }
                Err(SerialError::Unwatchable { source }) => {
                    return Err(ActorError::Runtime { name: self.settings.name, source });
                }
                Err(error) => {
                    // What is not there has no power, or is on its way back.
                    self.reset = None;
                    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                    let (text, fault) = (format!("{error}{}", cause.unwrap_or_default()), error.fault());
                    if text != last_error {
                        tracing::warn!(modem.name = %self.settings.name, error = text, "the line cannot be opened");
                        last_error = text;
                    }
                    self.closed(Some((&last_error, fault)));
                }
            }
            let seen = place.leave();
            if self.pause(backoff.next(), seen, &stop).await == Pause::Changed {
                backoff.reset();
            }
        }
        self.closed(None);
        Ok(())
    }

    async fn open(&self, place: &Place) -> Result<SerialLine, SerialError> {
        let (path, settings) = (place.path().to_owned(), self.settings.clone());
        // Opening a USB adapter talks to it, which may take longer than a worker may be blocked.
        let opened = tokio::task::spawn_blocking(move || crate::serial::open(&path, &settings)).await;
        let line = SerialLine::watch(opened.map_err(|error| SerialError::Unwatchable { source: error.into() })??)?;
        self.status.send_modify(|status| status.line = Some(place.path().to_owned()));
        Ok(line)
    }

    fn closed(&self, why: Option<(&str, LineFault)>) {
        self.status.send_modify(|status| {
            status.phase = Phase::Closed;
            status.line = None;
            status.detail = why.map(|(text, _)| text.to_owned());
            status.line_fault = why.map(|(_, fault)| fault);
        });
    }

    /// Serves an open line until it is lost or `stop`.
    async fn serve(&mut self, line: &SerialLine, stop: &CancellationToken) -> End {
        self.opened += 1;
        let mut serving = Serving {
            session: Session::new(self.settings.clone(), self.reset.take(), now()).with_ussd_form(self.ussd_form),
            output: VecDeque::new(),
            active: None,
            in_dialogue: None,
            is_stopping: false,
            must_reopen: false,
            was_ready: false,
            has_sent: false,
            trouble: None,
        };
        let mut published = None;
        let mut buffer = Zeroizing::new([0_u8; READ_BUFFER]);
        loop {
            serving.act(&mut self.events);
            self.watch_health(&mut serving);
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
                Some(handed) = self.taken.recv() => session.delete(&handed, now()),
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
                line: shown.line.take(),
                opened: self.opened,
                recoveries: self.recoveries + status.recoveries,
                heal: self.ladder.counts().plus(status.heal),
                heal_step: self.ladder.step().or(status.heal_step),
                ..status.clone()
            };
        });
    }
}

/// An open line while it is served.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Serving {
    session: Session,
    output: VecDeque<Zeroizing<Vec<u8>>>,
    active: Option<Active>,
    /// Held while the network waits for a reply.
    in_dialogue: Option<Arc<Claim>>,
    is_stopping: bool,
    must_reopen: bool,
    was_ready: bool,
    /// Whether a message was sent since that was looked at last.
    has_sent: bool,
    /// Why the line is to be opened again although the modem answers.
    trouble: Option<Trouble>,
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
                    self.has_sent |= result.is_ok();
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
                Action::Inbound(pdu, place) => events.inbound(pdu, place, self.session.card().to_owned()),
                Action::Reopen => self.must_reopen = true,
                Action::Unwell(trouble) => self.trouble = Some(trouble),
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
            session.submit(submission.tpdu_length, submission.more_follow, now());
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
