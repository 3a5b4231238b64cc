//! One command and its answer: which lines belong to it, and how it ends.

use std::fmt;
use std::time::Instant;

use gsm::{FinalResult, at};
use zeroize::Zeroizing;

use super::step::Step;
use super::{Session, State, urc};

/// The lines of an answer; they may be a PDU.
pub(super) type Lines = [Zeroizing<String>];

/// A command that waits for its final result.
pub(super) struct Exchange {
    pub(super) step: Step,
    pub(super) command: Zeroizing<String>,
    pub(super) lines: Vec<Zeroizing<String>>,
    pub(super) deadline: Instant,
}

/// Prints no command and no line: they may be a PIN or a PDU.
impl fmt::Debug for Exchange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Exchange")
            .field("step", &self.step)
            .field("lines", &self.lines.len())
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// What is known about the echo of a modem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Echo {
    /// Nothing yet.
    Unknown,
    /// The modem said OK to `ATE0`: an echo means that it restarted since.
    Off,
    /// It said OK and echoes all the same.
    Incurable,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Outcome {
    Final(FinalResult),
    TimedOut,
}

impl Outcome {
    pub(super) fn is_ok(self) -> bool {
        matches!(self, Self::Final(FinalResult::Ok))
    }
}

impl Session {
    pub(super) fn exchange_line(&mut self, mut exchange: Exchange, line: &str, now: Instant) {
        let is_own = exchange.step.name().is_some_and(|name| at::answer(line, name).is_some());
        if line == exchange.command.as_str() {
            let is_first = exchange.step == Step::EchoOff;
            self.state = State::Asking(exchange);
            if !is_first && self.notes_echo() {
                self.restart("the modem echoes again", now);
            }
        } else if is_own {
            self.keep(&mut exchange, line);
            if exchange.step == Step::PinState {
                // Some modems say nothing more after it; a known one is waited for only as long as after an ESC.
                let timeouts = &self.settings.timeouts;
                let rest = if self.profile.is_pin_state_bare { timeouts.settle } else { timeouts.attention };
                exchange.deadline = exchange.deadline.min(now + rest);
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
    pub(super) fn notes_echo(&mut self) -> bool {
        if self.echo == Echo::Off && !self.is_initialised {
            self.echo = Echo::Incurable;
        }
        self.echo == Echo::Off
    }

    pub(super) fn keep(&self, exchange: &mut Exchange, line: &str) {
        if exchange.lines.len() < exchange.step.lines_kept() {
            exchange.lines.push(Zeroizing::new(line.to_owned()));
        } else {
            tracing::debug!(modem.name = %self.settings.name, "an answer is too long; the rest is dropped");
        }
    }

    pub(super) fn timed_out(&mut self, exchange: Exchange, now: Instant) {
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
}

/// Reads a line as the final result of a command; `NO CARRIER` and the like belong to calls, not to us.
pub(crate) fn answer_result(line: &str) -> Option<FinalResult> {
    FinalResult::parse(line).filter(|result| {
        matches!(result, FinalResult::Ok | FinalResult::Error | FinalResult::Cme(_) | FinalResult::Cms(_))
    })
}

/// Reads the final result of a step; digits only where they cannot be the answer itself.
pub(super) fn exchange_result(step: &Step, line: &str) -> Option<FinalResult> {
    answer_result(line).or_else(|| step.may_end_in_digits().then(|| numeric_result(line)).flatten())
}

/// Reads a result in digits, as a modem gives it that lost `ATV1`.
pub(super) fn numeric_result(line: &str) -> Option<FinalResult> {
    FinalResult::parse_numeric(line).filter(|result| matches!(result, FinalResult::Ok | FinalResult::Error))
}
