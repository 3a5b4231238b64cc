//! A command from outside and its answer: raw AT, between whatever else is said.
//!
//! It is asked once the conversation is in step and nothing else is on the wire, whatever the card is doing. Everything up
//! to the final result is its answer but what is known to come unasked. A command that turns out to want a text gets ESC.
//! After one that may have changed something the modem is initialised again. Never: reading what was asked.

use std::fmt;
use std::time::Instant;

use gsm::at::{self, Urc};
use gsm::{ErrorCode, FinalResult};
use zeroize::Zeroizing;

use super::step::Step;
use super::{Action, Session, State, answer_result};
use crate::command::Effect;
use crate::question::{Answer, AskError, LONGEST_PATIENCE, Question};
use crate::trace;

/// Lines kept of one answer; the rest is dropped.
const ANSWER_LINES: usize = 512;
/// Bytes kept of one answer; the rest is dropped.
const ANSWER_BYTES: usize = 64 * 1024;

/// A command from outside that waits for its final result.
pub(super) struct Asked {
    question: Question,
    lines: Vec<Zeroizing<String>>,
    bytes: usize,
    is_cut: bool,
    pub(super) deadline: Instant,
}

/// Prints the verb and how much came, never what.
impl fmt::Debug for Asked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Asked")
            .field("question", &self.question)
            .field("lines", &self.lines.len())
            .finish_non_exhaustive()
    }
}

impl Asked {
    fn keep(&mut self, line: &str) {
        let bytes = self.bytes.saturating_add(line.len());
        if self.lines.len() < ANSWER_LINES && bytes <= ANSWER_BYTES {
            self.bytes = bytes;
            self.lines.push(Zeroizing::new(line.to_owned()));
        } else {
            self.is_cut = true;
        }
    }

    fn may_have_changed_something(&self) -> bool {
        self.question.command.effect() == Effect::MayChange
    }
}

impl Session {
    /// Takes a command from outside; there is at most one, and no submission beside it.
    pub(crate) fn question(&mut self, question: Question, now: Instant) {
        self.question = Some(question);
        self.pump(now);
    }

    /// Answers whether it is not sure yet how the modem answers.
    pub(super) fn is_unsettled(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::EchoOff | Step::Verbose | Step::NumericErrors))
    }

    /// Begins the question that waits, if it may be asked now; answers whether it did.
    pub(super) fn begins_question(&mut self, now: Instant) -> bool {
        if self.is_unsettled() {
            return false;
        }
        let Some(question) = self.question.take() else { return false };
        trace::written(&self.settings.name, question.command.verb());
        self.write_command(question.command.text());
        self.splitter.expect_prompt(true);
        let deadline = now + question.patience.min(LONGEST_PATIENCE);
        self.state = State::Questioned(Asked { question, lines: Vec::new(), bytes: 0, is_cut: false, deadline });
        true
    }

    pub(super) fn question_line(&mut self, mut asked: Asked, line: &str, now: Instant) {
        if line == asked.question.command.text() {
            self.state = State::Questioned(asked);
            if self.notes_echo() {
                self.restart("the modem echoes again", now);
            }
            return;
        }
        let is_own = asked.question.command.name().is_some_and(|name| at::answer(line, name).is_some());
        let result = answer_result(line).or_else(|| FinalResult::parse(line).filter(|it| *it == FinalResult::Connect));
        if let Some(result) = result.filter(|_| !is_own) {
            self.question_answered(asked, result, line, now);
            return;
        }
        let is_unasked = !is_own && Urc::parse(line).is_some();
        if !is_unasked {
            asked.keep(line);
        }
        self.state = State::Questioned(asked);
        if is_unasked {
            self.urc(line, now);
        }
    }

    fn question_answered(&mut self, asked: Asked, result: FinalResult, line: &str, now: Instant) {
        self.splitter.expect_prompt(false);
        let may_have_changed = asked.may_have_changed_something();
        if result.is_ok()
            && let Some(pin) = asked.question.command.new_pin()
        {
            self.note_new_pin(pin);
        }
        let result_line = line.trim().chars().take(ANSWER_LINES).collect();
        let answer = Answer { lines: asked.lines, is_cut: asked.is_cut, result, result_line };
        self.actions.push_back(Action::Answered(Ok(answer)));
        if may_have_changed {
            self.restart("a command may have changed its settings", now);
        } else if result == FinalResult::Connect {
            self.recover("a command began to carry data", now);
        } else if let Some(code) = result.error_code() {
            self.note_lost_card(code, now);
        }
    }

    /// A question tells, as a message would, that the card is gone.
    fn note_lost_card(&mut self, code: ErrorCode, now: Instant) {
        if self.is_initialised && matches!(code, ErrorCode::Cme(10 | 13 | 15) | ErrorCode::Cms(310 | 313 | 315)) {
            self.restart("the modem lost its card", now);
        }
    }

    /// Leaves the prompt of a command that wants a text.
    pub(super) fn question_prompted(&mut self, asked: &Asked, now: Instant) {
        self.actions.push_back(Action::Answered(Err(AskError::Prompted)));
        self.leave_question(asked, "a command wants a text", now);
    }

    pub(super) fn question_timed_out(&mut self, asked: Asked, now: Instant) {
        let verb = asked.question.command.verb();
        tracing::debug!(modem.name = %self.settings.name, "no answer to {verb}");
        let may_have_changed = asked.may_have_changed_something();
        if let Some(pin) = asked.question.command.new_pin() {
            // It may have been carried out: the old one is not risked.
            self.note_new_pin(pin);
        }
        self.actions.push_back(Action::Answered(Err(AskError::NoResult { lines: asked.lines })));
        if may_have_changed {
            self.restart("no answer to a command that may have changed its settings", now);
        } else {
            self.recover("no answer to a command", now);
        }
    }

    fn leave_question(&mut self, asked: &Asked, why: &'static str, now: Instant) {
        if asked.may_have_changed_something() {
            self.restart(why, now);
        } else {
            self.leave_prompt(now);
        }
    }

    /// Ends the question that is on the wire; one that waits goes on waiting.
    pub(super) fn interrupt_question(&mut self, why: &str) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Questioned(_) => {
                self.actions.push_back(Action::Answered(Err(AskError::Interrupted { detail: why.to_owned() })));
            }
            other => self.state = other,
        }
    }

    /// Ends what was asked from outside, whether it is on the wire or waits.
    pub(super) fn fail_question(&mut self, why: &str) {
        self.interrupt_question(why);
        self.fail_ussd(why);
        if self.question.take().is_some() {
            self.actions.push_back(Action::Answered(Err(AskError::NotOpen { detail: why.to_owned() })));
        }
    }
}
