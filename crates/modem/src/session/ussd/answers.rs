//! What comes while a dialogue is on the wire: results, the network's answers, and nothing.

use std::time::{Duration, Instant};

use gsm::{FinalResult, UssdForm, UssdReader, UssdStatus};

use super::{Dialogue, Stage, interrupted};
use crate::session::step::Step;
use crate::session::{Action, Session, State, answer_result, urc};
use crate::ussd::UssdError;

/// Silence after which an answer that is not surely whole is taken as it is.
const MORE: Duration = Duration::from_millis(500);

impl Session {
    pub(in crate::session) fn ussd_line(&mut self, mut dialogue: Dialogue, line: &str, now: Instant) {
        if line == dialogue.command.as_str() {
            self.state = State::Ussd(dialogue);
            if self.notes_echo() {
                self.restart("the modem echoes again", now);
            }
            return;
        }
        if let Some(reader) = UssdReader::begin(line) {
            if matches!(dialogue.stage, Stage::Asking | Stage::Awaiting | Stage::Open) {
                dialogue.reader = Some(reader);
            }
            self.answer_grows(dialogue, now);
            return;
        }
        if let Some(result) = answer_result(line) {
            self.result_in_dialogue(dialogue, result, now);
            return;
        }
        let is_open = |reader: &UssdReader| !reader.is_whole();
        if !urc::is_known(line)
            && let Some(reader) = dialogue.reader.as_mut().filter(|reader| is_open(reader))
        {
            reader.push(line);
            self.answer_grows(dialogue, now);
            return;
        }
        self.state = State::Ussd(dialogue);
        self.urc(line, now);
    }

    /// Takes an answer as soon as it is whole; before the modem's OK it waits for that.
    fn answer_grows(&mut self, mut dialogue: Dialogue, now: Instant) {
        if matches!(dialogue.stage, Stage::Awaiting | Stage::Open)
            && let Some(reader) = &dialogue.reader
        {
            if reader.is_whole() {
                self.answered(dialogue, now);
                return;
            }
            dialogue.deadline = now + MORE;
        }
        self.state = State::Ussd(dialogue);
    }

    fn result_in_dialogue(&mut self, mut dialogue: Dialogue, result: FinalResult, now: Instant) {
        match dialogue.stage {
            Stage::Preparing if dialogue.is_abandoned => self.end_dialogue(dialogue, Err(UssdError::Over), now),
            Stage::Preparing => self.try_next_way(dialogue, now),
            Stage::Charset if result.is_ok() => self.say_text(dialogue, now),
            Stage::Charset => {
                dialogue.form = UssdForm::Plain;
                self.try_next_way(dialogue, now);
            }
            Stage::Asking if result.is_ok() && dialogue.is_abandoned => {
                self.end_dialogue(dialogue, Err(UssdError::Over), now);
            }
            Stage::Asking if result.is_ok() => {
                dialogue.stage = Stage::Awaiting;
                dialogue.deadline = now + self.settings.timeouts.ussd_answer;
                self.answer_grows(dialogue, now);
            }
            Stage::Asking => {
                dialogue.refused = result.error_code().or(dialogue.refused);
                if dialogue.is_abandoned {
                    self.end_dialogue(dialogue, Err(UssdError::Over), now);
                } else {
                    self.try_next_way(dialogue, now);
                }
            }
            // Some firmware says so that the network refused, after its OK.
            Stage::Awaiting if !result.is_ok() => {
                let refused = Err(UssdError::Refused { code: result.error_code() });
                self.end_dialogue(dialogue, refused, now);
            }
            Stage::Ending => self.restore(dialogue, now),
            Stage::Restoring => self.dialogue_over(dialogue),
            Stage::Awaiting | Stage::Open => self.state = State::Ussd(dialogue),
        }
    }

    /// Takes a whole answer, or what there is of one.
    fn answered(&mut self, mut dialogue: Dialogue, now: Instant) {
        let Some(reader) = dialogue.reader.take() else {
            self.state = State::Ussd(dialogue);
            return;
        };
        let answer = reader.finish(Some(dialogue.form));
        let status = answer.status;
        tracing::debug!(modem.name = %self.settings.name, "the network has answered: {}", status.word());
        if !answer.text.is_empty() {
            self.ussd.form = Some(dialogue.form);
        }
        let is_asked = std::mem::take(&mut dialogue.is_awaited);
        if is_asked {
            self.actions.push_back(Action::Ussd(Some(Ok(Some(answer)))));
        }
        if status == UssdStatus::ReplyExpected {
            if dialogue.is_abandoned {
                self.end_dialogue(dialogue, Err(UssdError::Over), now);
                return;
            }
            let deadline = (now + self.settings.timeouts.ussd_idle).min(dialogue.ends_at);
            self.stay(dialogue, Stage::Open, deadline);
        } else {
            self.restore(dialogue, now);
        }
    }

    pub(in crate::session) fn ussd_timed_out(&mut self, mut dialogue: Dialogue, now: Instant) {
        match dialogue.stage {
            Stage::Awaiting | Stage::Open if dialogue.reader.is_some() => self.answered(dialogue, now),
            Stage::Awaiting => self.end_dialogue(dialogue, Err(UssdError::NoAnswer), now),
            Stage::Open => {
                tracing::info!(modem.name = %self.settings.name, "nobody has replied to the network; the dialogue is ended");
                self.end_dialogue(dialogue, Err(UssdError::Over), now);
            }
            Stage::Preparing | Stage::Charset | Stage::Asking | Stage::Ending | Stage::Restoring => {
                let ending = match (dialogue.ending.take(), dialogue.reader.take()) {
                    (Some(ending), _) => ending,
                    // It came without its OK.
                    (None, Some(reader)) => Ok(Some(reader.finish(Some(dialogue.form)))),
                    (None, None) => Err(interrupted("the modem does not answer")),
                };
                if dialogue.is_awaited {
                    self.actions.push_back(Action::Ussd(Some(ending)));
                }
                self.actions.push_back(Action::Ussd(None));
                for step in [Step::Charset, Step::EndUssd] {
                    self.steps.retain(|waiting| *waiting != step);
                    self.steps.push_front(step);
                }
                self.recover("no answer in a ussd dialogue", now);
            }
        }
    }
}
