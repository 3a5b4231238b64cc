//! The conversation with one modem, without I/O: bytes, time and requests go in, actions come out.
//!
//! For: being strict about who answers what. One command is on the wire at a time; URCs are taken out wherever they
//! appear; after anything that leaves open which answer belongs to which command (a time-out, an ESC) the conversation
//! is brought back in step before the next command is trusted ([`recovery`]).
//! Never: reading a clock, touching a line, knowing what a message says.
//! Called by the actor, which drives one session per opened line.
//!
//! Map: [`step`] are the single commands, [`exchange`] a command and its answer, [`init`] what follows from it, [`card`]
//! and [`registration`] too, [`sending`] is `AT+CMGS`, [`questions`] what is asked from outside, [`urc`] what comes
//! unasked, [`ussd`] a dialogue with the network, [`listing`] what was stored meanwhile, [`recovery`] the way back in step, [`quirks`] where modems differ. Lines are read by [`gsm::at`].

mod card;
mod exchange;
mod init;
mod listing;
mod questions;
mod quirks;
mod recovery;
mod registration;
mod sending;
mod step;
mod urc;
mod ussd;

use std::collections::VecDeque;
use std::fmt;
use std::time::Instant;

use gsm::{ErrorCode, Line, LineSplitter, Pdu, StatusReport};
use zeroize::Zeroizing;

use crate::event::Place;
use crate::question::{Answer, AskError, Question};
use crate::settings::Settings;
use crate::status::{Phase, Status};
use crate::submission::{SendError, Sent};
use crate::trace;
pub(crate) use exchange::answer_result;
use exchange::{Echo, Exchange, Lines, Outcome, numeric_result};
pub(crate) use init::{printable, text};
use questions::Asked;
pub(crate) use quirks::CARD_COMMANDS;
use recovery::Recovery;
use registration::Registrations;
use sending::Sending;
use step::Step;
use urc::AwaitedPdu;

/// ESC ends a prompt without sending (3GPP TS 27.005 §3.5 "cancel").
const ESC: &[u8] = b"\x1b";
/// Steps that may wait; stored messages beyond that are found by the next listing.
const WAITING_STEPS: usize = 128;

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
    Ussd(Option<crate::ussd::UssdDone>),
    /// A delivery report came; if it lies at a place, it is deleted there once it was handed on.
    Report(StatusReport, Option<Place>),
    /// An inbound SMS lies at this place.
    Inbound(Pdu, Option<Place>),
    /// The modem does not answer: close the line and open it again.
    Reopen,
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
        }
    }
}

/// What is on the wire.
#[derive(Debug)]
enum State {
    Idle,
    Asking(Exchange),
    Sending(Sending),
    Questioned(Asked),
    Ussd(ussd::Dialogue),
    Recovering(Recovery),
    /// Nothing more is said; the line is to be opened again.
    Over,
}

/// One conversation, from the opened line to the lost one.
pub(crate) struct Session {
    settings: Settings,
    splitter: LineSplitter,
    actions: VecDeque<Action>,
    status: Status,
    state: State,
    steps: VecDeque<Step>,
    /// Length of a submission that waits for its turn on the wire.
    waiting: Option<usize>,
    /// A command from outside that waits for its turn on the wire.
    question: Option<Question>,
    ussd: ussd::Ussd,
    /// No step is begun before.
    pause_until: Option<Instant>,
    next_poll: Instant,
    /// When the stored messages are listed again.
    next_listing: Instant,
    /// Found by the last listing; what announces them late announces nothing new.
    listed: Vec<Place>,
    /// The regular look waits until then, so that it does not come between two messages.
    quiet_from: Instant,
    awaited_pdu: Option<AwaitedPdu>,
    is_initialised: bool,
    /// Whether the state of the card was read right before the way back in step, so that it is not read again then.
    is_pin_state_fresh: bool,
    /// Code that the last PDU was answered by, if it was to be tried once more.
    tried_again: Option<ErrorCode>,
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
    registrations: Registrations,
    /// How often the SIM was not ready yet in this conversation.
    card_retries: u32,
}

/// Prints where the conversation is, never what was said.
impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Session")
            .field("modem", &self.settings.name)
            .field("phase", &self.status.phase)
            .field("state", &self.state)
            .field("steps", &self.steps.len())
            .finish_non_exhaustive()
    }
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
            question: None,
            ussd: ussd::Ussd::default(),
            pause_until: None,
            next_poll: now,
            next_listing: now,
            listed: Vec::new(),
            quiet_from: now,
            awaited_pdu: None,
            is_initialised: false,
            is_pin_state_fresh: false,
            tried_again: None,
            echo: Echo::Unknown,
            is_in_pdu_mode: false,
            storage: None,
            card,
            losses: 0,
            registrations: Registrations::default(),
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
            State::Questioned(asked) => Some(asked.deadline),
            State::Ussd(dialogue) => Some(dialogue.deadline),
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
        self.status.is_heard = true;
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
                State::Questioned(asked) => self.question_timed_out(asked, now),
                State::Ussd(dialogue) => self.ussd_timed_out(dialogue, now),
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
            self.listed.retain(|listed| *listed != place);
            self.add_step(Step::Delete(place));
            self.pump(now);
        }
    }

    /// Takes the news that the line is gone; a submission is finished honestly.
    pub(crate) fn lost(&mut self) {
        self.fail_submission("the line is gone");
        self.fail_question("the line is gone");
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
        if self.begins_question(now) || self.begins_ussd(now) {
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
            State::Questioned(asked) => self.question_prompted(&asked, now),
            State::Recovering(recovery) => self.recovery_prompted(&recovery, now),
            other => self.state = other,
        }
    }

    fn line(&mut self, line: &str, now: Instant) {
        trace::received(&self.settings.name, line);
        if self.takes_awaited_pdu(line) {
            return;
        }
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Asking(exchange) => self.exchange_line(exchange, line, now),
            State::Sending(sending) => self.sending_line(sending, line, now),
            State::Questioned(asked) => self.question_line(asked, line, now),
            State::Ussd(dialogue) => self.ussd_line(dialogue, line, now),
            State::Recovering(recovery) => self.recovery_line(recovery, line, now),
            other => {
                // A final result that nobody waits for belongs to nobody.
                self.state = other;
                self.urc(line, now);
            }
        }
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
        self.fail_question(why);
        self.status.phase = Phase::Silent;
        self.status.detail = Some(why.to_owned());
        self.state = State::Over;
        self.actions.push_back(Action::Reopen);
    }
}

#[cfg(test)]
mod tests;
