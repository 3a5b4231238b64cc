//! What a scripted fault does to a command before it is carried out; what it does later stands where it happens.
//!
//! Called by the engine once per command.

use tokio::time::Instant;

use crate::script::{Action, UnplugAt};

use super::command::Command;
use super::error::AtError;
use super::{After, Engine, Mode, Step};

impl Engine {
    /// Asks the script; answers the result when the command is not carried out at all.
    pub(super) fn struck(&mut self, command: &Command, now: Instant) -> Option<Result<Step, AtError>> {
        let fault = self.faults.strike(&command.written)?;
        let has_body = matches!(command.name.as_str(), "+CMGS" | "+CMGW" | "+CMSS");
        let skipped = match &fault.action {
            Action::LostAnswer => {
                self.job.is_mute = true;
                None
            }
            Action::LostAnswerNotTransmitted => {
                self.job.is_mute = true;
                (!has_body).then_some(Ok(Step::Done))
            }
            Action::CmsError(code) if !has_body => Some(Err(AtError::Cms(*code))),
            Action::CmsErrorBeforePrompt(code) => Some(Err(AtError::Cms(*code))),
            Action::CmeError(code) => Some(Err(AtError::Cme(*code))),
            Action::Error => Some(Err(AtError::Plain)),
            Action::UrcInside(line) => {
                self.job.inside = self.formatted(line);
                None
            }
            Action::Garbage(noise) => {
                self.job.garbage = noise.clone().into_bytes();
                None
            }
            Action::Delay(time) => {
                self.job.delay = time.0;
                None
            }
            Action::Unplug(UnplugAt::Command) => {
                self.unplug = Some(fault.replug_after);
                self.mode = Mode::Hung;
                Some(Ok(Step::Later))
            }
            Action::Unplug(_) if !has_body => {
                self.job.is_mute = true;
                self.job.after = After::Unplug(fault.replug_after);
                None
            }
            Action::LostEcho => {
                self.is_echo_lost = true;
                None
            }
            Action::Hang => {
                self.mode = Mode::Hung;
                Some(Ok(Step::Later))
            }
            Action::Reset => {
                self.power_on(false, now);
                Some(Ok(Step::Later))
            }
            Action::CmsError(_)
            | Action::CmsErrorTransmitted(_)
            | Action::Unplug(_)
            | Action::PromptWithoutSpace
            | Action::PromptLate(_)
            | Action::PromptLost => None,
        };
        self.job.fault = Some(fault);
        skipped
    }
}
