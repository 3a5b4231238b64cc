//! `AT+CMGS` in PDU mode (3GPP TS 27.005 §4.3): length, prompt and PDU, PDU, final result.
//!
//! The command is written first and the submission's `prepare` polled while the modem makes its prompt; the PDU is
//! written only when both are there. Up to then everything is undone by ESC; from then on only a final result tells
//! what happened.

use std::fmt;
use std::time::{Duration, Instant};

use gsm::{ErrorClass, ErrorCode, FinalResult, Pdu, at};
use zeroize::Zeroizing;

use super::{Action, ESC, Session, State, answer_result};
use crate::submission::{BARE_ERROR, NO_PROMPT, Refused, SendError, Sent};
use crate::trace;

/// Silence after a message before the regular look may begin.
const QUIET: Duration = Duration::from_millis(200);

/// A submission on the wire.
pub(super) struct Sending {
    stage: Stage,
    tpdu_length: usize,
    /// Whether another message follows at once.
    more_follow: bool,
    command: String,
    pub(super) deadline: Instant,
    /// When `prepare` must be done.
    prepare_deadline: Instant,
}

enum Stage {
    /// `AT+CMGS` was written; prompt and PDU are awaited.
    Preparing { is_prompted: bool, hex: Option<Zeroizing<String>> },
    /// The caller refused and was answered; the prompt is awaited to be left by ESC.
    Refused,
    /// The PDU was written; `+CMGS` and the final result are awaited.
    HandedOver { acknowledged: Option<Sent> },
}

/// Prints how far it is, never the PDU.
impl fmt::Debug for Sending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sending").field("stage", &self.stage).finish_non_exhaustive()
    }
}

/// Prints how far it is, never the PDU.
impl fmt::Debug for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Preparing { .. } => "Preparing",
            Self::Refused => "Refused",
            Self::HandedOver { .. } => "HandedOver",
        })
    }
}

impl Sending {
    /// Answers whether the caller refused and was answered.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.stage, Stage::Refused)
    }

    /// Answers what became of a submission that is broken off now; `None` if its caller was answered already.
    pub(super) fn when_interrupted(&self, why: &str) -> Option<Result<Sent, SendError>> {
        match self.stage {
            Stage::Preparing { .. } => Some(Err(crate::handle::not_sent(why))),
            Stage::Refused => None,
            Stage::HandedOver { acknowledged } => Some(acknowledged.ok_or_else(|| unknown(why))),
        }
    }
}

impl Session {
    /// Ends a submission that is not finished: unknown if the PDU was handed over, else not sent.
    pub(super) fn fail_submission(&mut self, why: &str) {
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

    pub(super) fn begin_sending(&mut self, tpdu_length: usize, more_follow: bool, now: Instant) {
        let command = format!("AT+CMGS={tpdu_length}");
        trace::written(&self.settings.name, &command);
        self.read_ahead = 0;
        self.splitter.expect_prompt(true);
        self.write_command(&command);
        self.actions.push_back(Action::Prepare);
        self.state = State::Sending(Sending {
            stage: Stage::Preparing { is_prompted: false, hex: None },
            tpdu_length,
            more_follow,
            command,
            deadline: now + self.settings.timeouts.prompt,
            prepare_deadline: now + self.settings.timeouts.prepare,
        });
    }

    /// Takes what `prepare` made; too late an answer is dropped.
    pub(crate) fn prepared(&mut self, prepared: Result<Pdu, Refused>, now: Instant) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Sending(sending) => self.prepared_for(sending, prepared, now),
            other => self.state = other,
        }
        self.pump(now);
    }

    fn prepared_for(&mut self, mut sending: Sending, prepared: Result<Pdu, Refused>, now: Instant) {
        let Stage::Preparing { is_prompted, hex } = &mut sending.stage else {
            self.state = State::Sending(sending);
            return;
        };
        match prepared {
            Ok(pdu) if pdu.tpdu_length() == sending.tpdu_length => {
                *hex = Some(pdu.hex());
                self.hand_over(sending, now);
            }
            Ok(_) => {
                self.finish_sending(Err(not_sent(ErrorClass::GiveUp, None, "the pdu is not as long as was said")));
                self.leave_prompt(now);
            }
            Err(Refused) => {
                let is_prompted = *is_prompted;
                self.finish_sending(Err(SendError::Refused));
                sending.stage = Stage::Refused;
                if is_prompted {
                    self.leave_prompt(now);
                } else {
                    self.state = State::Sending(sending);
                }
            }
        }
    }

    pub(super) fn prompted(&mut self, mut sending: Sending, now: Instant) {
        match &mut sending.stage {
            Stage::Preparing { is_prompted, .. } => {
                *is_prompted = true;
                sending.deadline = sending.prepare_deadline.max(now);
                self.hand_over(sending, now);
            }
            Stage::Refused => self.leave_prompt(now),
            Stage::HandedOver { .. } => self.state = State::Sending(sending),
        }
    }

    /// Writes the PDU if both the prompt and the PDU are there.
    fn hand_over(&mut self, mut sending: Sending, now: Instant) {
        if let Stage::Preparing { is_prompted: true, hex: Some(hex) } = &sending.stage {
            let mut bytes = Zeroizing::new(Vec::with_capacity(hex.len() + 1));
            bytes.extend_from_slice(hex.as_bytes());
            bytes.push(0x1a);
            trace::written(&self.settings.name, "(pdu)");
            self.splitter.expect_prompt(false);
            self.actions.push_back(Action::HandedOver);
            self.actions.push_back(Action::Write(bytes));
            sending.stage = Stage::HandedOver { acknowledged: None };
            sending.deadline = now + self.settings.timeouts.result;
        }
        self.state = State::Sending(sending);
    }

    pub(super) fn sending_line(&mut self, mut sending: Sending, line: &str, now: Instant) {
        if line == sending.command {
            // In whatever mode it woke up, nothing is handed over to it.
            let is_handed_over = matches!(sending.stage, Stage::HandedOver { .. });
            self.state = State::Sending(sending);
            if !is_handed_over && self.notes_echo() {
                self.restart("the modem echoes again", now);
            }
            return;
        }
        match &mut sending.stage {
            Stage::HandedOver { acknowledged } => {
                if at::answer(line, "+CMGS").is_some() {
                    // The network has the message, whatever is wrong with the rest of the line or comes after it.
                    let sent = acknowledged.get_or_insert(Sent { message_reference: None });
                    sent.message_reference = sent.message_reference.or(at::submitted_reference(line));
                    sending.deadline = sending.deadline.min(now + self.settings.timeouts.command);
                } else if let Some(result) = answer_result(line) {
                    let acknowledged = *acknowledged;
                    self.note_link_use(sending.more_follow, now);
                    self.sent(acknowledged, result, now);
                    return;
                }
            }
            Stage::Preparing { .. } | Stage::Refused => {
                // OK cannot answer AT+CMGS before the PDU: it is a late one.
                if let Some(result) = answer_result(line).filter(|result| *result != FinalResult::Ok) {
                    self.refused_before_prompt(&sending, result, now);
                    return;
                }
            }
        }
        self.state = State::Sending(sending);
        self.urc(line, now);
    }

    /// Takes the final result after the PDU.
    fn sent(&mut self, acknowledged: Option<Sent>, result: FinalResult, now: Instant) {
        self.quiet_from = now + QUIET;
        let tried_again = self.tried_again.take();
        if let Some(sent) = acknowledged {
            self.finish_sending(Ok(sent));
            self.losses = 0;
            if result != FinalResult::Ok {
                self.recover("an error after +CMGS", now);
            }
            return;
        }
        match result.error_code() {
            None if result == FinalResult::Ok => {
                self.finish_sending(Err(unknown("OK without +CMGS")));
                self.recover("OK without +CMGS", now);
            }
            // Firmware says it for a full queue as for a time-out of the network.
            None => self.finish_sending(Err(unknown("the modem answered ERROR to the pdu"))),
            Some(code) => {
                let outcome = match code.class() {
                    ErrorClass::AlreadySent => Ok(Sent { message_reference: None }),
                    ErrorClass::Unknown => Err(unknown(&describe(code))),
                    // A character lost on the line looks the same to the modem as a PDU that is wrong; once.
                    ErrorClass::GiveUp if code == ErrorCode::Cms(304) && tried_again.is_none() => {
                        self.tried_again = Some(code);
                        Err(not_sent(ErrorClass::RetryHere, Some(code), &describe(code)))
                    }
                    class => Err(not_sent(class, Some(code), &describe(code))),
                };
                self.finish_sending(outcome);
                self.restart_if_lost_its_settings(code, now);
            }
        }
    }

    fn refused_before_prompt(&mut self, sending: &Sending, result: FinalResult, now: Instant) {
        self.splitter.expect_prompt(false);
        let code = result.error_code();
        if !matches!(sending.stage, Stage::Refused) {
            let class = code.map_or(ErrorClass::RetryHere, ErrorCode::class);
            // Without a PDU nothing can be unknown or sent already.
            let class = match (class, code) {
                // Nor can the PDU be wrong: it is the modem that is in another mode or state.
                (ErrorClass::Unknown | ErrorClass::AlreadySent, _) | (_, Some(ErrorCode::Cms(304 | 305))) => {
                    ErrorClass::RetryHere
                }
                (known, _) => known,
            };
            let detail = code.map_or_else(|| BARE_ERROR.to_owned(), describe);
            self.finish_sending(Err(not_sent(class, code, &detail)));
        }
        if let Some(code) = code {
            self.restart_if_lost_its_settings(code, now);
        }
    }

    pub(super) fn sending_timed_out(&mut self, sending: &Sending, now: Instant) {
        match sending.stage {
            Stage::Preparing { is_prompted: false, .. } => {
                self.finish_sending(Err(not_sent(ErrorClass::RetryHere, None, NO_PROMPT)));
                self.recover("no prompt", now);
            }
            Stage::Preparing { is_prompted: true, .. } => {
                self.finish_sending(Err(not_sent(ErrorClass::RetryHere, None, "the pdu was not ready in time")));
                self.leave_prompt(now);
            }
            Stage::Refused => self.leave_prompt(now),
            Stage::HandedOver { acknowledged } => {
                self.finish_sending(acknowledged.ok_or_else(|| unknown("no final result in time")));
                self.recover("no final result after a pdu", now);
                self.note_reset();
            }
        }
    }

    fn finish_sending(&mut self, result: Result<Sent, SendError>) {
        self.note_outcome(&result);
        self.actions.push_back(Action::Finished(result));
    }

    /// Initialises again when a code tells that the modem forgot what it was told, or lost its SIM.
    fn restart_if_lost_its_settings(&mut self, code: ErrorCode, now: Instant) {
        if matches!(code, ErrorCode::Cms(304 | 305 | 310..=318) | ErrorCode::Cme(10..=18)) {
            self.restart("the modem lost its settings or its card", now);
        }
    }

    /// Writes ESC.
    pub(super) fn write_escape(&mut self) {
        trace::written(&self.settings.name, "(esc)");
        self.actions.push_back(Action::Write(Zeroizing::new(ESC.to_vec())));
    }
}

fn unknown(detail: &str) -> SendError {
    SendError::Unknown { detail: detail.to_owned() }
}

fn not_sent(class: ErrorClass, code: Option<ErrorCode>, detail: &str) -> SendError {
    SendError::NotSent { class, code, detail: detail.to_owned() }
}

/// Says a code in words; a text from the modem is not repeated.
fn describe(code: ErrorCode) -> String {
    match code {
        ErrorCode::Cms(number) => format!("+CMS ERROR {number}: {}", code.meaning()),
        ErrorCode::Cme(number) => format!("+CME ERROR {number}: {}", code.meaning()),
        _ => code.meaning().to_owned(),
    }
}
