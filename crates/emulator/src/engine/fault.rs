//! What a scripted fault does: at once, for as long as a command lasts, or at its moment.
//!
//! Called by the engine once per command ([`Engine::struck`]) and at every moment of it ([`Engine::strike`]).

use std::time::Duration;

use tokio::time::Instant;

use crate::script::{Action, Moment};

use super::command::Command;
use super::error::AtError;
use super::{After, Cure, Engine, Event, Job, Mode, Step};

/// How long a line on USB stays when its modem restarts, and how long it is gone then at least.
const USB_FAREWELL: Duration = Duration::from_millis(50);
const USB_RESTART: Duration = Duration::from_millis(50);
/// Orders to restart, which a modem may obey that obeys nothing else.
const RESETS: [&str; 4] = ["AT+CFUN=1,1", "AT+CRESET", "AT^RESET", "AT+ZRST"];
/// Bytes kept of what is typed to a modem that hangs.
const LONGEST_ORDER: usize = 16;

/// What a fault does to the echo of what is typed next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum EchoFault {
    #[default]
    None,
    Lost,
    Forced,
}

impl Engine {
    /// Asks the script; answers the result when the command is not carried out at all.
    pub(super) fn struck(&mut self, command: &Command, now: Instant) -> Option<Result<Step, AtError>> {
        let fault = self.faults.strike(&command.written)?;
        let has_body = command.has_body();
        match &fault.action {
            Action::LostAnswer => self.job.is_mute = true,
            Action::LostAnswerNotTransmitted => {
                self.job.is_mute = true;
                if !has_body {
                    return Some(Ok(Step::Done));
                }
            }
            Action::OkToEverything if !has_body => return Some(Ok(Step::Done)),
            Action::Nonsense(noise) => {
                self.out.extend(noise.as_bytes());
                self.job.is_mute = true;
                return Some(Ok(Step::Done));
            }
            Action::LostResult => self.job.lacks_result = true,
            Action::LostInformation => self.job.lacks_information = true,
            Action::Delay(time) => self.job.delay = time.0,
            Action::LostEcho => self.echo_fault = EchoFault::Lost,
            Action::Echo => self.echo_fault = EchoFault::Forced,
            Action::CmsError(_)
            | Action::CmsErrorTransmitted(_)
            | Action::CmsErrorBeforePrompt(_)
            | Action::CmeError(_)
            | Action::Error
            | Action::UrcInside(_)
            | Action::Garbage(_)
            | Action::Unplug(_)
            | Action::PromptWithoutSpace
            | Action::PromptLate(_)
            | Action::PromptLost
            | Action::Silence(_)
            | Action::Hang
            | Action::HangUntilReset
            | Action::HangUntilReopened
            | Action::OkToEverything
            | Action::Swallow
            | Action::Reset => {}
        }
        self.job.moment = fault.moment().map(|moment| match moment {
            Moment::Prompt | Moment::AfterPdu if !has_body => Moment::Command,
            Moment::Prompt if command.name == "+CMSS" => Moment::AfterPdu,
            other => other,
        });
        self.job.fault = Some(fault);
        self.strike(Moment::Command, now)
    }

    /// Says whether a command that is carried out will be answered with an error.
    pub(super) fn will_deny(&self) -> bool {
        let fault = self.job.fault.as_ref().filter(|_| self.job.moment == Some(Moment::AfterTransmission));
        fault.is_some_and(|fault| {
            matches!(
                fault.action,
                Action::CmsError(_) | Action::CmsErrorTransmitted(_) | Action::CmeError(_) | Action::Error
            )
        })
    }

    /// Does what a fault does at this moment; answers the result when the command ends with it.
    pub(super) fn strike(&mut self, moment: Moment, now: Instant) -> Option<Result<Step, AtError>> {
        let fault = self.job.fault.clone().filter(|_| self.job.moment == Some(moment))?;
        // Once: moments that count as one are passed one after the other.
        self.job.moment = None;
        match &fault.action {
            Action::CmsError(code) | Action::CmsErrorTransmitted(code) | Action::CmsErrorBeforePrompt(code) => {
                return Some(Err(AtError::Cms(*code)));
            }
            Action::CmeError(code) => return Some(Err(AtError::Cme(*code))),
            Action::Error => return Some(Err(AtError::Plain)),
            Action::UrcInside(line) => {
                let line = self.formatted(line);
                if moment == Moment::AfterTransmission {
                    self.job.inside = line;
                } else {
                    self.out.extend(line);
                }
                return None;
            }
            Action::Garbage(noise) => {
                self.out.extend(noise.as_bytes());
                return None;
            }
            Action::Unplug(_) => {
                self.unplug = Some(fault.replug_after);
                self.mode = Mode::Hung(Cure::Power);
            }
            Action::Silence(time) => self.mode = Mode::Silent { until: now + time.0 },
            Action::Hang => self.mode = Mode::Hung(Cure::Power),
            Action::HangUntilReset => self.mode = Mode::Hung(Cure::Reset(Vec::new())),
            Action::HangUntilReopened => self.mode = Mode::Hung(Cure::Reopening),
            Action::Reset => self.reboot(now),
            Action::LostAnswer
            | Action::LostAnswerNotTransmitted
            | Action::LostResult
            | Action::LostInformation
            | Action::Delay(_)
            | Action::LostEcho
            | Action::Echo
            | Action::PromptWithoutSpace
            | Action::PromptLate(_)
            | Action::PromptLost
            | Action::OkToEverything
            | Action::Swallow
            | Action::Nonsense(_) => return None,
        }
        Some(Ok(Step::Later))
    }

    /// Does what a fault does after the final result.
    pub(super) fn strike_after_result(&mut self, job: Job, now: Instant) {
        self.job = job;
        if let Some(Err(error)) = self.strike(Moment::AfterResult, now) {
            let result = self.final_result(Err(error));
            self.out.extend(result);
        }
        self.job = Job::default();
    }

    /// Restarts; what was said before is still said.
    pub(super) fn reboot(&mut self, now: Instant) {
        if self.firmware().is_on_usb {
            // What it said last is still read; then its line disappears, and comes again when it has started.
            self.mode = Mode::Hung(Cure::Power);
            self.at(now + USB_FAREWELL, Event::Vanish);
            return;
        }
        let said = std::mem::take(&mut self.out);
        self.power_on(false, now);
        let boot_lines = std::mem::replace(&mut self.out, said);
        self.out.extend(boot_lines);
    }

    /// The line of a modem on USB that restarts is gone.
    pub(super) fn vanish(&mut self) {
        self.unplug = Some(Some(self.settings.boot_time.max(USB_RESTART)));
    }

    /// Takes what is typed to a modem that hangs.
    pub(super) fn hears_while_hung(&mut self, now: Instant) {
        let typed = std::mem::take(&mut self.input);
        let Mode::Hung(Cure::Reset(line)) = &mut self.mode else { return };
        for byte in typed {
            if byte != b'\r' {
                line.push(byte.to_ascii_uppercase());
                continue;
            }
            let line = std::mem::take(line);
            if RESETS.iter().any(|order| line.ends_with(order.as_bytes())) {
                self.reboot(now);
                return;
            }
        }
        let surplus = line.len().saturating_sub(LONGEST_ORDER);
        line.drain(..surplus);
    }

    /// Somebody has opened the line.
    pub(crate) fn reopened(&mut self) {
        if self.waits_for_reopening() {
            self.wake();
        }
    }

    /// Whether the modem hangs until somebody opens the line.
    pub(crate) fn waits_for_reopening(&self) -> bool {
        matches!(self.mode, Mode::Hung(Cure::Reopening))
    }

    /// A silence is over: what was going on is forgotten.
    pub(super) fn wake(&mut self) {
        self.mode = Mode::Command;
        self.job = Job::default();
        self.is_executing = false;
        self.release_held();
    }

    /// What follows the final result of a job.
    pub(super) fn after(job: &mut Job) -> After {
        match job.after {
            After::Nothing if job.moment == Some(Moment::AfterResult) => {
                After::Strike(Box::new(Job { fault: job.fault.take(), moment: job.moment, ..Job::default() }))
            }
            _ => std::mem::take(&mut job.after),
        }
    }
}
