//! Registration, operator, signal, power and clock.
//!
//! Called by the engine.
//!
//! # Standard
//! 3GPP TS 27.007 §7.2, §7.3, §8.2, §8.5, §8.15.

use tokio::time::Instant;

use crate::tpdu;

use super::command::{Arguments, Command, Form};
use super::error::{AtError, WRONG_VALUE};
use super::options::Options;
use super::{After, Engine, Step};

impl Engine {
    pub(super) fn radio_command(&mut self, command: &Command, now: Instant) -> Option<Result<Step, AtError>> {
        let form = &command.form;
        let result = match command.name.as_str() {
            "+CREG" => {
                let mut level = self.options.registration_urc;
                let result = self.registration(command, &mut level);
                self.options.registration_urc = level;
                result
            }
            "+CGREG" => {
                let mut level = self.options.packet_urc;
                let result = self.registration(command, &mut level);
                self.options.packet_urc = level;
                result
            }
            "+CEREG" if self.firmware().knows_lte => {
                let mut level = self.options.evolved_urc;
                let result = self.registration(command, &mut level);
                self.options.evolved_urc = level;
                result
            }
            "+CGATT" if *form == Form::Read => {
                self.info(&format!("+CGATT: {}", u8::from(self.is_registered())));
                Ok(Step::Done)
            }
            "+COPS" => self.operator(form),
            "+CSQ" => self.signal(form),
            "+CFUN" => self.functionality(form),
            "+CCLK" => self.clock(form, now),
            "+CUSD" => self.ussd(form, now),
            _ => return None,
        };
        Some(result)
    }

    /// `<stat>` as things are now.
    fn registration_state(&self) -> u8 {
        if self.options.functionality != 1 || self.options.operator_mode == 2 {
            0
        } else if self.card.is_open() {
            self.settings.registration
        } else {
            2
        }
    }

    pub(super) fn is_registered(&self) -> bool {
        matches!(self.registration_state(), 1 | 5 | 6 | 7)
    }

    /// Sets `<stat>` from outside.
    pub(crate) fn set_registration(&mut self, stat: u8, now: Instant) {
        self.settings.registration = stat;
        self.registration_changed();
        self.deliver_pending(now);
    }

    /// Sets `<rssi>` from outside.
    pub(crate) fn set_signal(&mut self, rssi: u8) {
        self.settings.signal = rssi;
    }

    /// Says the new registration if it was asked for.
    pub(super) fn registration_changed(&mut self) {
        let state = self.registration_state();
        let Options { registration_urc, packet_urc, evolved_urc, .. } = self.options;
        for (name, level) in [("+CREG", registration_urc), ("+CGREG", packet_urc), ("+CEREG", evolved_urc)] {
            if level > 0 {
                let place = if level == 2 && self.is_registered() { ",\"00C3\",\"1234\"" } else { "" };
                self.unsolicited_text(&format!("{name}: {state}{place}"));
            }
        }
    }

    fn registration(&mut self, command: &Command, level: &mut u8) -> Result<Step, AtError> {
        if command.form != Form::Read {
            return self.number_setting(command, 0..=2, level, WRONG_VALUE);
        }
        let place = if *level == 2 && self.is_registered() { ",\"00C3\",\"1234\"" } else { "" };
        self.info(&format!("{}: {level},{}{place}", command.name, self.registration_state()));
        Ok(Step::Done)
    }

    fn operator(&mut self, form: &Form) -> Result<Step, AtError> {
        self.need_card()?;
        let long = self.options.charset.write(&self.settings.operator);
        let code = self.settings.operator_code.clone();
        match form {
            Form::Test => self.info(&format!("+COPS: (2,\"{long}\",\"{long}\",\"{code}\"),,(0-4),(0-2)")),
            Form::Read => {
                let (mode, format) = (self.options.operator_mode, self.options.operator_format);
                let name = if format == 2 { code } else { long };
                let line = if self.is_registered() {
                    format!("+COPS: {mode},{format},\"{name}\"")
                } else {
                    format!("+COPS: {mode}")
                };
                self.info(&line);
            }
            Form::Set(value) => {
                let arguments = Arguments::parse(value);
                let mode = arguments.number(0, 0..=4, WRONG_VALUE)?.ok_or(WRONG_VALUE)?;
                let format = arguments.number(1, 0..=2, WRONG_VALUE)?;
                if mode == 3 {
                    self.options.operator_format =
                        format.and_then(|format| u8::try_from(format).ok()).ok_or(WRONG_VALUE)?;
                    return Ok(Step::Done);
                }
                if let (1 | 4, Some(wanted)) = (mode, arguments.text(2))
                    && wanted != long
                    && wanted != code
                {
                    return Err(AtError::Cme(30));
                }
                self.options.operator_mode = u8::try_from(mode).unwrap_or(0);
                self.registration_changed();
            }
            Form::Plain => return Err(AtError::Plain),
        }
        Ok(Step::Done)
    }

    fn signal(&mut self, form: &Form) -> Result<Step, AtError> {
        match form {
            Form::Plain | Form::Read => {
                let is_on = self.options.functionality == 1;
                let line = if is_on { format!("+CSQ: {},0", self.settings.signal) } else { "+CSQ: 99,99".to_owned() };
                self.info(&line);
            }
            Form::Test => self.info("+CSQ: (0-31,99),(0-7,99)"),
            Form::Set(_) => return Err(AtError::Plain),
        }
        Ok(Step::Done)
    }

    fn functionality(&mut self, form: &Form) -> Result<Step, AtError> {
        match form {
            Form::Test => self.info("+CFUN: (0,1,4),(0,1)"),
            Form::Read => self.info(&format!("+CFUN: {}", self.options.functionality)),
            Form::Set(value) => {
                let arguments = Arguments::parse(value);
                let level = arguments.number(0, 0..=4, WRONG_VALUE)?.filter(|level| [0, 1, 4].contains(level));
                let level = level.and_then(|level| u8::try_from(level).ok()).ok_or(WRONG_VALUE)?;
                if arguments.number(1, 0..=1, WRONG_VALUE)? == Some(1) {
                    self.job.after = After::Reboot;
                    return Ok(Step::Done);
                }
                if level != self.options.functionality {
                    self.options.functionality = level;
                    self.registration_changed();
                }
            }
            Form::Plain => return Err(AtError::Plain),
        }
        Ok(Step::Done)
    }

    fn clock(&mut self, form: &Form, now: Instant) -> Result<Step, AtError> {
        match form {
            Form::Read => {
                let time = self.time_text(now);
                self.info(&format!("+CCLK: \"{time}\""));
                Ok(Step::Done)
            }
            Form::Set(_) | Form::Test => Ok(Step::Done),
            Form::Plain => Err(AtError::Plain),
        }
    }

    /// Network time as `yy/MM/dd,hh:mm:ss±zz`.
    pub(super) fn time_text(&self, now: Instant) -> String {
        let quarters = self.network.settings().zone_quarters;
        let [year, month, day, hour, minute, second] = tpdu::civil(self.network.wall_millis(now), quarters);
        format!("{year:02}/{month:02}/{day:02},{hour:02}:{minute:02}:{second:02}{quarters:+03}")
    }
}
