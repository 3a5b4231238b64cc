//! Where the model decides: commands of its maker, what it refuses, and what it says of its own accord.
//!
//! Called by the engine before every other group of commands.

use tokio::time::Instant;

use crate::model::{Firmware, Tries};
use crate::settings::UssdForm;

use super::card::State;
use super::command::{Arguments, Command, Form};
use super::error::{AtError, WRONG_VALUE};
use super::{After, Engine, Event, Step};

impl Engine {
    pub(super) fn firmware(&self) -> &'static Firmware {
        self.settings.firmware.firmware()
    }

    pub(super) fn firmware_command(&mut self, command: &Command) -> Option<Result<Step, AtError>> {
        let firmware = self.firmware();
        let written = command.written.to_ascii_uppercase();
        if !firmware.quieted_by.is_empty() && written == firmware.quieted_by {
            self.is_quieted = true;
        }
        let is_own = |commands: &[&str]| commands.contains(&written.as_str());
        if is_own(firmware.refused) {
            return Some(Err(AtError::Plain));
        }
        let is_free = command.name == "+CPIN" || !command.name.starts_with(['+', '^']) || self.is_about_tries(command);
        if firmware.is_mute_while_locked && self.card.state() == State::PinNeeded && !is_free {
            return Some(Err(AtError::Cme(11)));
        }
        if is_own(firmware.resets) {
            self.job.after = After::Reboot;
            return Some(Ok(Step::Done));
        }
        if let Some((_, line)) = firmware.fixed.iter().find(|(command, _)| *command == written) {
            self.info(line);
            return Some(Ok(Step::Done));
        }
        if let Some((_, before)) = firmware.iccid.iter().find(|(command, _)| *command == written) {
            return Some(self.need_card().map(|()| {
                let iccid = self.settings.iccid.clone();
                self.info(&format!("{before}{iccid}"));
                Step::Done
            }));
        }
        if command.name == "^USSDMODE" && firmware.ussd == UssdForm::Packed {
            let mut mode = self.options.ussd_mode;
            let result = self.number_setting(command, 0..=1, &mut mode, WRONG_VALUE);
            self.options.ussd_mode = mode;
            return Some(result);
        }
        // A command that silences it and means nothing else.
        let only_quiets = self.is_quieted && written == firmware.quieted_by && !written.starts_with("AT+CPMS");
        (only_quiets || is_own(firmware.accepted)).then_some(Ok(Step::Done))
    }

    fn is_about_tries(&self, command: &Command) -> bool {
        self.firmware().tries.iter().any(|tries| tries.is_asked_by(command))
    }

    /// Tells the tries left, if the model knows this way of asking.
    pub(super) fn tries(&mut self, command: &Command) -> Option<Result<Step, AtError>> {
        let tries = self.firmware().tries.iter().find(|tries| tries.is_asked_by(command))?;
        if self.card.state() == State::Absent {
            return Some(Err(AtError::Cme(10)));
        }
        let (pin, puk, full) = self.card.tries();
        match tries {
            Tries::Cpinr => {
                let asked = if let Form::Set(value) = &command.form {
                    Arguments::parse(value).text(0).map(str::to_owned)
                } else {
                    None
                };
                for (code, left, full) in [("SIM PIN", pin, full), ("SIM PUK", puk, 10)] {
                    let is_wanted = |asked: &str| asked.eq_ignore_ascii_case(&code.replace(' ', "")) || asked == code;
                    if asked.as_deref().is_none_or(is_wanted) {
                        self.info(&format!("+CPINR: {code},{left},{full}"));
                    }
                }
            }
            Tries::Spic => self.info(&format!("+SPIC: {pin},{puk},0,10")),
            Tries::Qpinc => {
                self.info(&format!("+QPINC: \"SC\",{pin},{puk}"));
                self.info("+QPINC: \"P2\",3,10");
            }
            Tries::Qtrpin => self.info(&format!("+QTRPIN: {pin},3,{puk},10")),
            Tries::HuaweiCpin => {
                let state = self.pin_state();
                self.info(&format!("^CPIN: {state},,{puk},{pin},10,3"));
            }
            Tries::Zpinpuk => self.info(&format!("+ZPINPUK: {pin},{puk}")),
        }
        Some(Ok(Step::Done))
    }

    /// The state of the card in the words of `+CPIN`.
    pub(super) fn pin_state(&self) -> &'static str {
        match self.card.state() {
            State::Absent => "NOT INSERTED",
            State::PinNeeded => "SIM PIN",
            State::PukNeeded => "SIM PUK",
            State::Dead => "NOT READY",
            State::Open => "READY",
        }
    }

    /// Begins to chatter, if the model does that.
    pub(super) fn begin_chatter(&mut self, now: Instant) {
        self.is_quieted = false;
        if !self.firmware().chatter.is_empty() {
            self.at(now + self.settings.chatter_interval, Event::Chatter(0));
        }
    }

    pub(super) fn chatter(&mut self, turn: usize, now: Instant) {
        let lines = self.firmware().chatter;
        if self.is_quieted {
            return;
        }
        if let Some(line) = lines.get(turn % lines.len().max(1)) {
            self.unsolicited_text(line);
            self.at(now + self.settings.chatter_interval, Event::Chatter(turn + 1));
        }
    }
}

impl Tries {
    fn is_asked_by(self, command: &Command) -> bool {
        let Command { name, form, .. } = command;
        match self {
            Self::Cpinr => name == "+CPINR" && matches!(form, Form::Plain | Form::Set(_)),
            Self::Spic => name == "+SPIC" && *form == Form::Plain,
            Self::Qpinc => name == "+QPINC" && *form == Form::Read,
            Self::Qtrpin => name == "+QTRPIN" && *form == Form::Plain,
            Self::HuaweiCpin => name == "^CPIN" && *form == Form::Read,
            Self::Zpinpuk => name == "+ZPINPUK" && *form == Form::Test,
        }
    }
}
