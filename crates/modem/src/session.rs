//! The conversation with one modem, without I/O: bytes, time and requests go in, actions come out.
//!
//! For: being strict about who answers what. One command is on the wire at a time; URCs are taken out wherever they
//! appear; after anything that leaves open which answer belongs to which command (a time-out, an ESC) the conversation
//! is brought back in step before the next command is trusted ([`recovery`]).
//! Never: reading a clock, touching a line, knowing what a message says.
//! Called by the actor, which drives one session per opened line.
//!
//! Map: [`step`] are the single exchanges, [`init`] what follows from their answers, [`sending`] is `AT+CMGS`,
//! [`urc`] what comes unasked, [`recovery`] the way back in step, [`answers`] the parsing,
//! [`quirks`] where modems differ.

mod answers;
mod init;
mod quirks;
mod recovery;
mod sending;
mod step;
mod urc;

use std::collections::VecDeque;
use std::time::Instant;

use gsm::{FinalResult, Line, LineSplitter, Pdu, StatusReport};
use zeroize::Zeroizing;

use crate::event::Place;
use crate::settings::Settings;
use crate::status::{Phase, Status};
use crate::submission::{SendError, Sent};
use crate::trace;
use recovery::Recovery;
use sending::Sending;
use step::Step;
use urc::AwaitedPdu;

/// ESC ends a prompt without sending (3GPP TS 27.005 §3.5 "cancel").
const ESC: &[u8] = b"\x1b";
/// Lines kept of one answer; the rest is dropped.
const ANSWER_LINES: usize = 32;
/// Steps that may wait; more stored messages than that are found at the next start.
const WAITING_STEPS: usize = 128;

/// What the actor is to do, in this order.
#[derive(Debug)]
pub(crate) enum Action {
    /// Write these bytes, in one piece.
    Write(Zeroizing<Vec<u8>>),
    /// Begin to poll the submission's `prepare`.
    Prepare,
    /// The PDU is about to be written: from here on the outcome may be unknown.
    HandedOver,
    /// The submission is finished; its `prepare` is dropped if it still runs.
    Finished(Result<Sent, SendError>),
    /// A delivery report came; if it lies at a place, it is deleted there once it was handed on.
    Report(StatusReport, Option<Place>),
    /// An inbound SMS lies at this place.
    Inbound(Pdu, Option<Place>),
    /// The modem does not answer: close the line and open it again.
    Reopen,
}

/// What is on the wire.
#[derive(Debug)]
enum State {
    Idle,
    Asking(Exchange),
    Sending(Sending),
    Recovering(Recovery),
    /// Nothing more is said; the line is to be opened again.
    Over,
}

/// A command that waits for its final result.
#[derive(Debug)]
struct Exchange {
    step: Step,
    command: Zeroizing<String>,
    lines: Vec<String>,
    deadline: Instant,
}

/// What is known about the echo of a modem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Echo {
    /// Nothing yet.
    Unknown,
    /// The modem said OK to `ATE0`: an echo means that it restarted since.
    Off,
    /// It said OK and echoes all the same.
    Incurable,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Final(FinalResult),
    TimedOut,
}

impl Outcome {
    fn is_ok(self) -> bool {
        matches!(self, Self::Final(FinalResult::Ok))
    }
}

/// One conversation, from the opened line to the lost one.
#[derive(Debug)]
pub(crate) struct Session {
    settings: Settings,
    splitter: LineSplitter,
    actions: VecDeque<Action>,
    status: Status,
    state: State,
    steps: VecDeque<Step>,
    /// Length of a submission that waits for its turn on the wire.
    waiting: Option<usize>,
    /// No step is begun before.
    pause_until: Option<Instant>,
    next_poll: Instant,
    /// The regular look waits until then, so that it does not come between two messages.
    quiet_from: Instant,
    awaited_pdu: Option<AwaitedPdu>,
    is_initialised: bool,
    /// Whether the state of the card was read right before the way back in step, so that it is not read again then.
    is_pin_state_fresh: bool,
    /// Whether the last PDU was answered by 304 for the first time.
    is_garbled: bool,
    /// What is known about the echo.
    echo: Echo,
    /// Whether the modem said OK to `AT+CMGF=0` since the conversation was last in doubt; without it a PDU could be
    /// taken for a text and its length for a number.
    is_in_pdu_mode: bool,
    /// Storage that `AT+CMGR` reads from, once known.
    storage: Option<String>,
    /// Under which name the PIN memory knows the SIM.
    card: String,
    /// How often the conversation was lost since the last complete round of init or poll.
    losses: u32,
    /// How often the SIM was not ready yet in this conversation.
    card_retries: u32,
}

impl Session {
    /// Makes a session for a line that was just opened; it begins by getting in step.
    pub(crate) fn new(settings: Settings, now: Instant) -> Self {
        let card = format!("?{}", settings.name);
        let mut session = Self {
            settings,
            splitter: LineSplitter::new(),
            actions: VecDeque::new(),
            status: Status { phase: Phase::Starting, ..Status::default() },
            state: State::Idle,
            steps: VecDeque::new(),
            waiting: None,
            pause_until: None,
            next_poll: now,
            quiet_from: now,
            awaited_pdu: None,
            is_initialised: false,
            is_pin_state_fresh: false,
            is_garbled: false,
            echo: Echo::Unknown,
            is_in_pdu_mode: false,
            storage: None,
            card,
            losses: 0,
            card_retries: 0,
        };
        session.start(now);
        session
    }

    /// Returns what is known about the modem; `busy` and the counters are the actor's.
    pub(crate) fn status(&self) -> &Status {
        &self.status
    }

    /// Takes the next thing to do.
    pub(crate) fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Returns when [`Session::tick`] is due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Idle => Some(self.pause_until.unwrap_or_else(|| self.poll_due())),
            State::Asking(exchange) => Some(exchange.deadline),
            State::Sending(sending) => Some(sending.deadline),
            State::Recovering(recovery) => Some(recovery.deadline),
            State::Over => None,
        }
    }

    /// Answers whether a message is on its way.
    pub(crate) fn is_sending(&self) -> bool {
        matches!(&self.state, State::Sending(sending) if !sending.is_refused())
    }

    /// Takes bytes from the line.
    pub(crate) fn received(&mut self, bytes: &[u8], now: Instant) {
        self.splitter.push(bytes);
        while let Some(line) = self.splitter.next() {
            match line {
                Line::Prompt => self.prompt(now),
                Line::Text(text) => self.line(&text, now),
            }
        }
        self.pump(now);
    }

    /// Takes the passing of time.
    pub(crate) fn tick(&mut self, now: Instant) {
        if self.next_deadline().is_some_and(|deadline| deadline <= now) {
            match std::mem::replace(&mut self.state, State::Idle) {
                State::Idle => self.pause_until = None,
                State::Asking(exchange) => self.timed_out(exchange, now),
                State::Sending(sending) => self.sending_timed_out(&sending, now),
                State::Recovering(recovery) => self.recovery_timed_out(&recovery, now),
                State::Over => self.state = State::Over,
            }
        }
        self.pump(now);
    }

    /// Takes a submission of this many octets; there is at most one.
    pub(crate) fn submit(&mut self, tpdu_length: usize, now: Instant) {
        self.waiting = Some(tpdu_length);
        self.pump(now);
    }

    /// Takes the word that an inbound message is safe elsewhere.
    pub(crate) fn delete(&mut self, place: Place, now: Instant) {
        if self.card == place.card {
            self.add_step(Step::Delete(place));
            self.pump(now);
        }
    }

    /// Takes the news that the line is gone; a submission is finished honestly.
    pub(crate) fn lost(&mut self) {
        self.fail_submission("the line is gone");
        self.state = State::Over;
    }

    /// Begins the next thing, if nothing is on the wire.
    fn pump(&mut self, now: Instant) {
        if !matches!(self.state, State::Idle) {
            return;
        }
        if self.waiting.is_some() && !matches!(self.status.phase, Phase::Ready | Phase::Recovering) {
            self.fail_submission("the modem is not ready");
        }
        if self.status.phase == Phase::Ready
            && let Some(tpdu_length) = self.waiting.take()
        {
            self.begin_sending(tpdu_length, now);
            return;
        }
        if self.pause_until.is_some_and(|until| now < until) {
            return;
        }
        self.pause_until = None;
        if self.steps.is_empty() && self.poll_due() <= now {
            self.add_poll(now);
        }
        if let Some(step) = self.steps.pop_front() {
            self.ask(step, now);
        }
    }

    /// Returns when the regular look is due: not right after a message, but never put off for long.
    fn poll_due(&self) -> Instant {
        self.next_poll.max(self.quiet_from.min(self.next_poll + self.settings.poll_interval * 3))
    }

    fn ask(&mut self, step: Step, now: Instant) {
        if let Step::ReadReport(place) | Step::ReadInbound(place) | Step::Delete(place) = &step
            && self.storage.as_ref() != Some(&place.storage)
        {
            let storage = place.storage.clone();
            self.steps.push_front(step);
            self.storage = Some(storage.clone());
            self.ask(Step::SelectStorage(storage), now);
            return;
        }
        if step == Step::EnterPin && !self.note_pin_entry() {
            return;
        }
        let command = step.command(&self.settings);
        trace::written(&self.settings.name, step.verb());
        self.write_command(&command);
        let deadline = now + step.timeout(&self.settings.timeouts);
        self.state = State::Asking(Exchange { step, command, lines: Vec::new(), deadline });
    }

    fn write_command(&mut self, command: &str) {
        let mut bytes = Zeroizing::new(Vec::with_capacity(command.len() + 1));
        bytes.extend_from_slice(command.as_bytes());
        bytes.push(b'\r');
        self.actions.push_back(Action::Write(bytes));
    }

    fn add_step(&mut self, step: Step) {
        if self.steps.len() < WAITING_STEPS && !self.steps.contains(&step) {
            self.steps.push_back(step);
        }
    }

    fn prompt(&mut self, now: Instant) {
        trace::received(&self.settings.name, ">");
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Sending(sending) => self.prompted(sending, now),
            State::Recovering(recovery) => self.recovery_prompted(&recovery, now),
            other => self.state = other,
        }
    }

    fn line(&mut self, line: &str, now: Instant) {
        trace::received(&self.settings.name, line);
        if let Some(awaited) = self.awaited_pdu.take()
            && answers::is_pdu(line)
        {
            self.routed_pdu(awaited, line);
            return;
        }
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Asking(exchange) => self.exchange_line(exchange, line, now),
            State::Sending(sending) => self.sending_line(sending, line, now),
            State::Recovering(recovery) => self.recovery_line(recovery, line, now),
            other => {
                // A final result that nobody waits for belongs to nobody.
                self.state = other;
                self.urc(line, now);
            }
        }
    }

    fn exchange_line(&mut self, mut exchange: Exchange, line: &str, now: Instant) {
        let is_own = exchange.step.prefix().is_some_and(|prefix| line.starts_with(prefix));
        if line == exchange.command.as_str() {
            let is_first = exchange.step == Step::EchoOff;
            self.state = State::Asking(exchange);
            if !is_first && self.notes_echo() {
                self.restart("the modem echoes again", now);
            }
        } else if is_own {
            self.keep(&mut exchange, line);
            if exchange.step == Step::PinState {
                // Wavecom modems say nothing more after it.
                exchange.deadline = exchange.deadline.min(now + self.settings.timeouts.attention);
            }
            self.state = State::Asking(exchange);
        } else if let Some(result) = exchange_result(&exchange.step, line) {
            self.finish(exchange, Outcome::Final(result), now);
        } else {
            let takes_bare_lines = exchange.step.takes_bare_lines();
            if takes_bare_lines && !urc::is_known(line) {
                self.keep(&mut exchange, line);
            }
            self.state = State::Asking(exchange);
            self.urc(line, now);
        }
    }

    /// Takes an echo; answers whether it tells that the modem restarted.
    fn notes_echo(&mut self) -> bool {
        if self.echo == Echo::Off && !self.is_initialised {
            self.echo = Echo::Incurable;
        }
        self.echo == Echo::Off
    }

    fn keep(&self, exchange: &mut Exchange, line: &str) {
        if exchange.lines.len() < ANSWER_LINES {
            exchange.lines.push(line.to_owned());
        } else {
            tracing::debug!(modem.name = %self.settings.name, "an answer is too long; the rest is dropped");
        }
    }

    fn timed_out(&mut self, exchange: Exchange, now: Instant) {
        if exchange.step == Step::PinState && !exchange.lines.is_empty() {
            self.finish(exchange, Outcome::Final(FinalResult::Ok), now);
            self.resume_after_pin_state(now);
            return;
        }
        let verb = exchange.step.verb();
        tracing::debug!(modem.name = %self.settings.name, "no answer to {verb}");
        self.finish(exchange, Outcome::TimedOut, now);
        self.recover("no answer to a command", now);
    }

    /// Ends a submission that is not finished: unknown if the PDU was handed over, else not sent.
    fn fail_submission(&mut self, why: &str) {
        if self.waiting.take().is_some() {
            self.actions.push_back(Action::Finished(Err(crate::handle::not_sent(why))));
        }
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Sending(sending) => {
                if let Some(result) = sending.when_interrupted(why) {
                    self.actions.push_back(Action::Finished(result));
                }
            }
            other => self.state = other,
        }
    }

    fn give_up(&mut self, why: &'static str) {
        self.fail_submission(why);
        self.status.phase = Phase::Silent;
        self.status.detail = Some(why.to_owned());
        self.state = State::Over;
        self.actions.push_back(Action::Reopen);
    }
}

/// Reads a line as the final result of a command; `NO CARRIER` and the like belong to calls, not to us.
fn answer_result(line: &str) -> Option<FinalResult> {
    FinalResult::parse(line).filter(|result| {
        matches!(result, FinalResult::Ok | FinalResult::Error | FinalResult::Cme(_) | FinalResult::Cms(_))
    })
}

/// Reads the final result of a step; digits only where they cannot be the answer itself.
fn exchange_result(step: &Step, line: &str) -> Option<FinalResult> {
    answer_result(line).or_else(|| step.may_end_in_digits().then(|| numeric_result(line)).flatten())
}

/// Reads a result in digits, as a modem gives it that lost `ATV1`.
fn numeric_result(line: &str) -> Option<FinalResult> {
    FinalResult::parse_numeric(line).filter(|result| matches!(result, FinalResult::Ok | FinalResult::Error))
}

#[cfg(test)]
mod tests;
