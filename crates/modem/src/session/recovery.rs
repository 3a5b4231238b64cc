//! The way back in step: ESC, silence, CR, results in words, and a question whose answer cannot be mistaken.
//!
//! After a time-out or an ESC a late answer may still be on its way, and a plain OK does not say whose it is. So the
//! first command is followed by `AT+CMEE?`, which is asked nowhere else and answered by no modem unasked: only an OK that
//! comes after a `+CMEE:` line is believed, everything before it is dropped. A modem that refuses the question twice, or
//! twice says OK to it and then keeps silent, has no such answer; there the silence itself is believed. A modem that
//! takes ESC for a character of a command has that command ended by the CR. A prompt that comes late is left by another
//! ESC. After some silent rounds, or when the conversation is lost again and again, the line is opened again.

use std::time::Instant;

use gsm::at::{BootEvent, Urc};
use gsm::{FinalResult, at};

use super::{Echo, Session, State, answer_result, numeric_result};
use crate::heal::HealStep;
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
#[derive(Debug, Clone, Copy)]
pub(super) struct Recovery {
    round: u32,
    stage: Stage,
    pub(super) deadline: Instant,
    /// Whether it is tried because something is wrong, and is to be counted.
    is_healing: bool,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// ESC was written; whatever comes is dropped.
    Settling,
    /// CR was written; whatever comes is dropped.
    Clearing,
    /// A reset was written; the modem goes away for a while.
    Restarting,
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
        self.settle(1, false, now);
    }

    /// Brings the conversation back in step; steps that wait go on afterwards.
    pub(super) fn recover(&mut self, why: &'static str, now: Instant) {
        tracing::debug!(modem.name = %self.settings.name, "getting back in step: {why}");
        self.losses += 1;
        if self.losses > LOSSES {
            self.give_up("the modem cannot be kept in step");
        } else {
            self.leave_step(true, now);
        }
    }

    /// Leaves the prompt without sending; whether and how the modem answers that is not the same everywhere.
    pub(super) fn leave_prompt(&mut self, now: Instant) {
        tracing::debug!(modem.name = %self.settings.name, "leaving a prompt");
        self.leave_step(false, now);
    }

    fn leave_step(&mut self, is_healing: bool, now: Instant) {
        if matches!(self.status.phase, Phase::Ready | Phase::NotRegistered) {
            self.status.phase = Phase::Recovering;
        }
        self.status.recoveries += 1;
        self.is_in_pdu_mode = false;
        self.settle(1, is_healing, now);
    }

    /// Gets in step after an answer without its OK, which may still come; what the answer said stays valid.
    pub(super) fn resume_after_pin_state(&mut self, now: Instant) {
        self.is_pin_state_fresh = true;
        self.settle(1, false, now);
    }

    /// Begins the whole initialisation again, as after a reset of the modem.
    pub(super) fn restart(&mut self, why: &'static str, now: Instant) {
        tracing::info!(modem.name = %self.settings.name, "initialising again: {why}");
        self.fail_submission(why);
        self.interrupt_question(why);
        self.interrupt_ussd(why);
        self.status.phase = Phase::Starting;
        self.forget_initialisation();
        self.steps.clear();
        self.forget_link();
        self.storage = None;
        self.pause_until = None;
        self.settle(1, false, now);
    }

    fn settle(&mut self, round: u32, is_healing: bool, now: Instant) {
        self.awaited_pdu = None;
        self.splitter.expect_prompt(true);
        self.write_escape();
        if is_healing {
            self.status.heal.escapes += 1;
            self.status.heal_step = Some(HealStep::Escape);
        }
        let deadline = now + self.settings.timeouts.settle;
        self.state = State::Recovering(Recovery { round, stage: Stage::Settling, deadline, is_healing });
    }

    fn next_round(&mut self, round: u32, now: Instant) {
        if round < ROUNDS {
            self.settle(round + 1, true, now);
        } else {
            self.give_up("the modem does not answer");
        }
    }

    pub(super) fn recovery_timed_out(&mut self, recovery: &Recovery, now: Instant) {
        match recovery.stage {
            Stage::Settling => {
                self.write_command("");
                let deadline = now + self.settings.timeouts.settle;
                self.state = State::Recovering(Recovery { stage: Stage::Clearing, deadline, ..*recovery });
            }
            Stage::Clearing => match self.reset.take() {
                Some(command) => self.write_reset(command, now),
                None => self.write_attention(recovery, now),
            },
            Stage::Restarting => self.start(now),
            Stage::Marker { heard: Heard::BareOk, refused } => self.marker_refused(recovery, refused, now),
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
        let Recovery { round, stage, deadline, is_healing } = recovery;
        let stay = |stage| State::Recovering(Recovery { round, stage, deadline, is_healing });
        match stage {
            // It is there again, or does not know the command.
            Stage::Restarting if is_error || Urc::parse(line) == Some(Urc::Boot(BootEvent::Started)) => self.start(now),
            Stage::Attention if is_ok || is_error => self.write_marker(&recovery, 0, now),
            Stage::Marker { heard: Heard::Answer, .. } if is_ok => self.in_step(),
            Stage::Marker { heard: Heard::Nothing | Heard::BareOk, refused } if is_error => {
                self.marker_refused(&recovery, refused, now);
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

    /// Tells the modem to restart, whether it hears or not, and lets it.
    fn write_reset(&mut self, command: &'static str, now: Instant) {
        trace::written(&self.settings.name, command);
        self.write_command(command);
        let deadline = now + self.settings.timeouts.reset;
        self.state = State::Recovering(Recovery { round: 1, stage: Stage::Restarting, deadline, is_healing: false });
    }

    fn write_attention(&mut self, recovery: &Recovery, now: Instant) {
        let command = attention(recovery.round);
        trace::written(&self.settings.name, command);
        self.write_command(command);
        if recovery.is_healing {
            self.status.heal.attentions += 1;
            self.status.heal_step = Some(HealStep::Attention);
        }
        self.go_on(recovery, Stage::Attention, now);
    }

    fn write_marker(&mut self, recovery: &Recovery, refused: u32, now: Instant) {
        trace::written(&self.settings.name, MARKER.0);
        self.write_command(MARKER.0);
        self.go_on(recovery, Stage::Marker { heard: Heard::Nothing, refused }, now);
    }

    fn marker_refused(&mut self, recovery: &Recovery, refused: u32, now: Instant) {
        if refused + 1 >= REFUSED_MARKERS {
            self.in_step();
        } else {
            self.write_marker(recovery, refused + 1, now);
        }
    }

    fn go_on(&mut self, recovery: &Recovery, stage: Stage, now: Instant) {
        let deadline = now + self.settings.timeouts.attention;
        self.state = State::Recovering(Recovery { stage, deadline, ..*recovery });
    }

    fn in_step(&mut self) {
        self.splitter.expect_prompt(false);
        self.status.heal_step = None;
        self.state = State::Idle;
        self.add_steps_in_step();
    }
}

/// Returns the first command of a round: its settings alone in every second, if the modem does not take them together.
fn attention(round: u32) -> &'static str {
    if round.is_multiple_of(2) { "ATQ0" } else { "ATQ0V1E0" }
}
