//! The conversation with one modem, without I/O: bytes, time and requests go in, actions come out.
//!
//! For: being strict about who answers what. One command is on the wire at a time; URCs are taken out wherever they
//! appear; after anything that leaves open which answer belongs to which command (a time-out, an ESC) the conversation
//! is brought back in step before the next command is trusted ([`recovery`]).
//! Never: reading a clock, touching a line, knowing what a message says.
//! Called by the actor, which drives one session per opened line.
//!
//! Map: [`step`] are the single commands, [`exchange`] a command and its answer, [`init`] what follows from it, [`card`],
//! [`identity`] and [`registration`] too, [`sending`] is `AT+CMGS`, [`questions`] what is asked from outside, [`urc`] what comes
//! unasked, [`ussd`] a dialogue with the network, [`listing`] what was stored meanwhile, [`link`] what is kept open between messages,
//! [`recovery`] the way back in step, [`health`] what a modem that answers
//! fails to do, [`crate::profile`] where modems differ. Lines are read by [`gsm::at`].

mod action;
mod card;
mod exchange;
mod health;
mod identity;
mod init;
mod link;
mod listing;
mod questions;
mod recovery;
mod registration;
mod sending;
mod step;
mod urc;
mod ussd;

use std::collections::VecDeque;
use std::fmt;
use std::time::Instant;

use gsm::{ErrorCode, Line, LineSplitter};
use zeroize::Zeroizing;

use crate::profile::{GENERIC, Profile};
use crate::question::Question;
use crate::settings::Settings;
use crate::status::{Phase, Status};
use crate::trace;
pub(crate) use action::Action;
pub(crate) use exchange::answer_result;
use exchange::{Echo, Exchange, Lines, Outcome, numeric_result};
use health::Health;
use identity::OpenCard;
use init::Acquaintance;
pub(crate) use init::{printable, text};
use link::Link;
use listing::Listing;
use questions::Asked;
use recovery::Recovery;
use registration::Registrations;
use sending::Sending;
use step::Step;
use urc::AwaitedPdu;

/// ESC ends a prompt without sending (3GPP TS 27.005 §3.5 "cancel").
const ESC: &[u8] = b"\x1b";
/// Steps that may wait; stored messages beyond that are found by the next listing.
const WAITING_STEPS: usize = 128;

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
    /// How this modem is spoken to.
    profile: &'static Profile,
    acquaintance: Acquaintance,
    /// What is said to everything that comes directly, if the modem wants that.
    acknowledge: Option<&'static str>,
    splitter: LineSplitter,
    actions: VecDeque<Action>,
    status: Status,
    state: State,
    steps: VecDeque<Step>,
    /// A submission that waits for its turn on the wire: its length, and whether another follows.
    waiting: Option<(usize, bool)>,
    link: Link,
    /// Steps about stored messages that were put before the submission that waits.
    read_ahead: u8,
    /// A command from outside that waits for its turn on the wire.
    question: Option<Question>,
    ussd: ussd::Ussd,
    /// No step is begun before.
    pause_until: Option<Instant>,
    next_poll: Instant,
    listing: Listing,
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
    /// How long the modem has answered and not done its work.
    health: Health,
    /// A command that restarts the modem, to be written before anything is asked.
    reset: Option<&'static str>,
    /// Whether the open SIM was asked who it is, where that has to be known.
    open_card: OpenCard,
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
    /// Makes a session for a line that was just opened; it begins by getting in step, after a `reset` if there is one.
    pub(crate) fn new(settings: Settings, reset: Option<&'static str>, now: Instant) -> Self {
        let card = format!("?{}", settings.name);
        let profile = settings.profile.unwrap_or(&GENERIC);
        let mut session = Self {
            settings,
            profile,
            acquaintance: Acquaintance::None,
            acknowledge: None,
            splitter: LineSplitter::new(),
            actions: VecDeque::new(),
            status: Status { phase: Phase::Starting, profile: profile.name, ..Status::default() },
            state: State::Idle,
            steps: VecDeque::new(),
            waiting: None,
            link: Link::default(),
            read_ahead: 0,
            question: None,
            ussd: ussd::Ussd::default(),
            pause_until: None,
            next_poll: now,
            listing: Listing::due(now),
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
            health: Health::default(),
            reset,
            open_card: OpenCard::NotAsked,
        };
        session.start(now);
        session
    }

    /// Returns what is known about the modem; `busy` and the counters are the actor's.
    pub(crate) fn status(&self) -> &Status {
        &self.status
    }

    /// Returns who the SIM is, as places and inbound messages name it.
    pub(crate) fn card(&self) -> &str {
        &self.card
    }

    /// Takes the next thing to do.
    pub(crate) fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Returns when [`Session::tick`] is due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Idle => {
                let due = self.pause_until.unwrap_or_else(|| self.poll_due());
                Some(self.link_due().map_or(due, |link| due.min(link)))
            }
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
                State::Idle => self.pause_until = self.pause_until.filter(|until| now < *until),
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

    /// Takes a submission of this many octets, and whether another follows at once; there is at most one.
    pub(crate) fn submit(&mut self, tpdu_length: usize, more_follow: bool, now: Instant) {
        self.waiting = Some((tpdu_length, more_follow));
        self.pump(now);
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
        // What lies on another SIM is no business of this one's, whatever lies there at the same place.
        self.steps.retain(|step| step.place().is_none_or(|place| place.card == self.card));
        if self.waiting.is_some() && !matches!(self.status.phase, Phase::Ready | Phase::Recovering) {
            self.fail_submission("the modem is not ready");
        }
        if self.status.phase == Phase::Ready
            && let Some((tpdu_length, more_follow)) = self.waiting
        {
            if self.reads_what_piled_up(now) || self.asks_for_link(more_follow, now) {
                return;
            }
            self.waiting = None;
            self.begin_sending(tpdu_length, more_follow, now);
            return;
        }
        if self.begins_question(now) || self.begins_ussd(now) || self.gives_link_up(now) {
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
        if let Some(storage) = step.storage().filter(|storage| self.storage.as_deref() != Some(*storage)) {
            let storage = storage.to_owned();
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
}

#[cfg(test)]
mod tests;
