//! The way back in step: ESC, silence, CR, results in words, and a question whose answer cannot be mistaken.
//!
//! After a time-out or an ESC a late answer may still be on its way, and a plain OK does not say whose it is. So the
//! first command is followed by `AT+CMEE?`, which is asked nowhere else and answered by no modem unasked: only an OK that
//! comes after a `+CMEE:` line is believed, everything before it is dropped. A modem that refuses the question twice, or
//! twice says OK to it and then keeps silent, has no such answer; there the silence itself is believed. A modem that
//! takes ESC for a character of a command has that command ended by the CR. A prompt that comes late is left by another
//! ESC. After some silent rounds, or when the conversation is lost again and again, the line is opened again.

use std::time::Instant;

use gsm::{FinalResult, at};

use super::{Echo, Session, State, answer_result, numeric_result};
use crate::status::Phase;
use crate::trace;

/// Rounds of ESC and AT before the line is opened again.
const ROUNDS: u32 = 5;
/// How often the conversation may be lost, with no round of init or poll done in between.
const LOSSES: u32 = 10;
/// Question whose answer marks the end of everything late, and the name of the answer.
const MARKER: (&str, &str) = ("AT+CMEE?", "+CMEE");
/// How often the modem may refuse the marker, or say nothing but OK to it, before it is believed to have none.
const REFUSED_MARKERS: u32 = 2;

/// A way back in step under way.
#[derive(Debug)]
pub(super) struct Recovery {
    round: u32,
    stage: Stage,
    pub(super) deadline: Instant,
}

#[derive(Debug)]
enum Stage {
    /// ESC was written; whatever comes is dropped.
    Settling,
    /// CR was written; whatever comes is dropped.
    Clearing,
    /// `ATQ0V1E0` was written.
    Attention,
    /// The marker was written.
    Marker { heard: Heard, refused: u32 },
}

/// What came since the marker was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Nothing,
    /// OK without the answer: somebody else's, or that of a modem that has no answer.
    BareOk,
    /// The answer; its OK is still to come.
    Answer,
}

impl Session {
    /// Begins a conversation on a fresh line, in which anything may be half said.
    pub(super) fn start(&mut self, now: Instant) {
        self.settle(1, now);
    }

    /// Brings the conversation back in step; steps that wait go on afterwards.
    pub(super) fn recover(&mut self, why: &'static str, now: Instant) {
        tracing::debug!(modem.name = %self.settings.name, "getting back in step: {why}");
        self.losses += 1;
        if self.losses > LOSSES {
            self.give_up("the modem cannot be kept in step");
        } else {
            self.leave_step(now);
        }
    }

    /// Leaves the prompt without sending; whether and how the modem answers that is not the same everywhere.
    pub(super) fn leave_prompt(&mut self, now: Instant) {
        tracing::debug!(modem.name = %self.settings.name, "leaving a prompt");
        self.leave_step(now);
    }

    fn leave_step(&mut self, now: Instant) {
        if matches!(self.status.phase, Phase::Ready | Phase::NotRegistered) {
            self.status.phase = Phase::Recovering;
        }
        self.status.recoveries += 1;
        self.is_in_pdu_mode = false;
        self.settle(1, now);
    }

    /// Gets in step after an answer without its OK, which may still come; what the answer said stays valid.
    pub(super) fn resume_after_pin_state(&mut self, now: Instant) {
        self.is_pin_state_fresh = true;
        self.settle(1, now);
    }

    /// Begins the whole initialisation again, as after a reset of the modem.
    pub(super) fn restart(&mut self, why: &'static str, now: Instant) {
        tracing::info!(modem.name = %self.settings.name, "initialising again: {why}");
        self.fail_submission(why);
        self.interrupt_question(why);
        self.interrupt_ussd(why);
        self.status.phase = Phase::Starting;
        self.is_initialised = false;
        self.is_in_pdu_mode = false;
        self.steps.clear();
        self.storage = None;
        self.pause_until = None;
        self.settle(1, now);
    }

    fn settle(&mut self, round: u32, now: Instant) {
        self.awaited_pdu = None;
        self.splitter.expect_prompt(true);
        self.write_escape();
        let deadline = now + self.settings.timeouts.settle;
        self.state = State::Recovering(Recovery { round, stage: Stage::Settling, deadline });
    }

    fn next_round(&mut self, round: u32, now: Instant) {
        if round < ROUNDS {
            self.settle(round + 1, now);
        } else {
            self.give_up("the modem does not answer");
        }
    }

    pub(super) fn recovery_timed_out(&mut self, recovery: &Recovery, now: Instant) {
        match recovery.stage {
            Stage::Settling => {
                self.write_command("");
                let deadline = now + self.settings.timeouts.settle;
                self.state = State::Recovering(Recovery { round: recovery.round, stage: Stage::Clearing, deadline });
            }
            Stage::Clearing => {
                let command = attention(recovery.round);
                trace::written(&self.settings.name, command);
                self.write_command(command);
                self.go_on(recovery.round, Stage::Attention, now);
            }
            Stage::Marker { heard: Heard::BareOk, refused } => self.marker_refused(recovery.round, refused, now),
            Stage::Attention | Stage::Marker { .. } => self.next_round(recovery.round, now),
        }
    }

    pub(super) fn recovery_prompted(&mut self, recovery: &Recovery, now: Instant) {
        self.next_round(recovery.round, now);
    }

    pub(super) fn recovery_line(&mut self, recovery: Recovery, line: &str, now: Instant) {
        // A modem that lost ATV1 answers in digits.
        let result = answer_result(line).or_else(|| numeric_result(line));
        let is_ok = result == Some(FinalResult::Ok);
        let is_error = !is_ok && result.is_some();
        let Recovery { round, stage, deadline } = recovery;
        let stay = |stage| State::Recovering(Recovery { round, stage, deadline });
        match stage {
            Stage::Attention if is_ok || is_error => self.write_marker(round, 0, now),
            Stage::Marker { heard: Heard::Answer, .. } if is_ok => self.in_step(),
            Stage::Marker { heard: Heard::Nothing | Heard::BareOk, refused } if is_error => {
                self.marker_refused(round, refused, now);
            }
            Stage::Marker { refused, .. } if is_ok => {
                self.state = stay(Stage::Marker { heard: Heard::BareOk, refused });
            }
            Stage::Marker { refused, .. } if at::answer(line, MARKER.1).is_some() => {
                self.state = stay(Stage::Marker { heard: Heard::Answer, refused });
            }
            Stage::Attention if line == attention(round) => {
                self.state = stay(Stage::Attention);
                // It was told not to: it has restarted since, even if it has not said so.
                if self.echo == Echo::Off && self.is_initialised {
                    self.note_reset();
                }
            }
            other => {
                self.state = stay(other);
                if !is_ok && !is_error {
                    self.urc(line, now);
                }
            }
        }
    }

    fn write_marker(&mut self, round: u32, refused: u32, now: Instant) {
        trace::written(&self.settings.name, MARKER.0);
        self.write_command(MARKER.0);
        self.go_on(round, Stage::Marker { heard: Heard::Nothing, refused }, now);
    }

    fn marker_refused(&mut self, round: u32, refused: u32, now: Instant) {
        if refused + 1 >= REFUSED_MARKERS {
            self.in_step();
        } else {
            self.write_marker(round, refused + 1, now);
        }
    }

    fn go_on(&mut self, round: u32, stage: Stage, now: Instant) {
        let deadline = now + self.settings.timeouts.attention;
        self.state = State::Recovering(Recovery { round, stage, deadline });
    }

    fn in_step(&mut self) {
        self.splitter.expect_prompt(false);
        self.state = State::Idle;
        self.add_steps_in_step();
    }
}

/// Returns the first command of a round: its settings alone in every second, if the modem does not take them together.
fn attention(round: u32) -> &'static str {
    if round.is_multiple_of(2) { "ATQ0" } else { "ATQ0V1E0" }
}
