//! Settings of the message service: format, memories, SMSC, routing.
//!
//! Called by the engine.
//!
//! # Standard
//! 3GPP TS 27.005 §3.

use tokio::time::Instant;

use crate::settings::Manner;

use super::command::{Arguments, Command, Form};
use super::error::{AtError, WRONG_PDU_VALUE};
use super::options::MemoryName;
use super::storage::Memory;
use super::{Engine, Step};

impl Engine {
    pub(super) fn message_settings(&mut self, command: &Command, now: Instant) -> Option<Result<Step, AtError>> {
        let result = match command.name.as_str() {
            "+CMGF" => self.message_number(command, 0..=1, |options| &mut options.message_format),
            "+CMMS" => self.more_messages(command, now),
            "+CGSMS" => self.message_number(command, 0..=3, |options| &mut options.bearer),
            "+CSDH" => self.message_number(command, 0..=1, |options| &mut options.show_header),
            "+CSMS" => self.service(command),
            "+CPMS" => self.memories(&command.form),
            "+CSCA" => self.smsc_command(&command.form),
            "+CSMP" => self.text_parameters(&command.form),
            "+CNMI" => self.routing(&command.form, now),
            "+CNMA" => self.acknowledge(&command.form),
            _ => return None,
        };
        Some(result)
    }

    fn message_number(
        &mut self,
        command: &Command,
        allowed: std::ops::RangeInclusive<u32>,
        of: fn(&mut super::options::Options) -> &mut u8,
    ) -> Result<Step, AtError> {
        let mut value = *of(&mut self.options);
        let result = self.number_setting(command, allowed, &mut value, AtError::Cms(302));
        *of(&mut self.options) = value;
        result
    }

    /// `AT+CMMS`: whether the link stays open after a message, once (1) or always (2).
    fn more_messages(&mut self, command: &Command, now: Instant) -> Result<Step, AtError> {
        self.has_link(now);
        let result = self.message_number(command, 0..=2, |options| &mut options.more_messages);
        if self.options.more_messages == 0 {
            self.link_until = None;
        }
        result
    }

    /// Whether the link to the network is still open; notes that it has been closed. Mode 1 ends with it (3GPP TS 27.005 §3.5.6).
    pub(super) fn has_link(&mut self, now: Instant) -> bool {
        if self.link_until.is_some_and(|until| until <= now) {
            self.link_until = None;
            if self.options.more_messages == 1 {
                self.options.more_messages = 0;
            }
        }
        self.link_until.is_some()
    }

    /// A message has gone out: its link stays open for the next, if that was asked for.
    pub(super) fn hold_link(&mut self, now: Instant) {
        let is_held = self.options.more_messages > 0;
        self.link_until = is_held.then(|| now + self.network.settings().link_hold);
    }

    fn service(&mut self, command: &Command) -> Result<Step, AtError> {
        match &command.form {
            Form::Test => self.info("+CSMS: (0,1)"),
            Form::Read => self.info(&format!("+CSMS: {},1,1,1", self.options.message_service)),
            Form::Set(_) => {
                let least = u32::from(self.settings.has(Manner::PhaseTwoPlusOnly));
                self.message_number(command, least..=1, |options| &mut options.message_service)?;
                self.info("+CSMS: 1,1,1");
            }
            Form::Plain => return Err(AtError::Plain),
        }
        Ok(Step::Done)
    }

    pub(super) fn memory(&mut self, name: MemoryName) -> &mut Memory {
        match name {
            MemoryName::Sim => &mut self.sim_memory,
            MemoryName::Modem => &mut self.modem_memory,
            MemoryName::Report => &mut self.report_memory,
        }
    }

    fn memories(&mut self, form: &Form) -> Result<Step, AtError> {
        if *form == Form::Test {
            self.info(&format!("+CPMS: {}", self.firmware().memories.0));
            return Ok(Step::Done);
        }
        self.need_sms()?;
        if let Form::Set(value) = form {
            let arguments = Arguments::parse(value);
            let mut chosen = self.memories;
            if arguments.len() > self.firmware().memories.1 || arguments.text(0).is_none() {
                return Err(AtError::Cms(302));
            }
            for (at, slot) in chosen.iter_mut().enumerate() {
                if let Some(name) = arguments.text(at) {
                    let name = MemoryName::parse(name).ok_or(AtError::Cms(302))?;
                    // Only a modem that has it knows it, and nothing is written or received there.
                    let is_there = name != MemoryName::Report || at == 0 && self.settings.has(Manner::ReportMemory);
                    *slot = if is_there { name } else { return Err(AtError::Cms(302)) };
                }
            }
            self.memories = chosen;
        } else if *form == Form::Plain {
            return Err(AtError::Plain);
        }
        let counters: Vec<String> = self
            .memories
            .into_iter()
            .take(self.firmware().memories.1)
            .map(|name| {
                let memory = self.memory(name);
                let counters = format!("{},{}", memory.used(), memory.capacity());
                if *form == Form::Read { format!("\"{}\",{counters}", name.code()) } else { counters }
            })
            .collect();
        self.info(&format!("+CPMS: {}", counters.join(",")));
        Ok(Step::Done)
    }

    fn smsc_command(&mut self, form: &Form) -> Result<Step, AtError> {
        if *form == Form::Test {
            return Ok(Step::Done);
        }
        self.need_sms()?;
        match form {
            Form::Read => {
                let (number, kind) =
                    if self.smsc.is_empty() { (String::new(), 129) } else { (format!("+{}", self.smsc), 145) };
                let number = self.options.charset.write(&number);
                self.info(&format!("+CSCA: \"{number}\",{kind}"));
            }
            Form::Set(value) => {
                let arguments = Arguments::parse(value);
                let written = arguments.string(0).ok_or(AtError::Cms(304))?;
                // Some software writes plain digits whatever the character set says.
                let number = if written.starts_with('+') {
                    written.to_owned()
                } else {
                    self.options.charset.read(written).ok_or(AtError::Cms(304))?
                };
                let digits = number.trim_start_matches('+');
                if digits.len() > 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(AtError::Cms(304));
                }
                digits.clone_into(&mut self.smsc);
            }
            Form::Plain | Form::Test => return Err(AtError::Plain),
        }
        Ok(Step::Done)
    }

    fn text_parameters(&mut self, form: &Form) -> Result<Step, AtError> {
        match form {
            Form::Test => {}
            Form::Read => {
                let [first, validity, protocol, coding] = self.options.text_parameters;
                self.info(&format!("+CSMP: {first},{validity},{protocol},{coding}"));
            }
            Form::Set(value) => {
                let arguments = Arguments::parse(value);
                let mut parameters = self.options.text_parameters;
                for (at, parameter) in parameters.iter_mut().enumerate() {
                    if let Some(number) = arguments.number(at, 0..=255, AtError::Cms(305))? {
                        *parameter = u8::try_from(number).map_err(|_| AtError::Cms(305))?;
                    }
                }
                self.options.text_parameters = parameters;
            }
            Form::Plain => return Err(AtError::Plain),
        }
        Ok(Step::Done)
    }

    fn routing(&mut self, form: &Form, now: Instant) -> Result<Step, AtError> {
        match form {
            Form::Test => self.info(&format!("+CNMI: {}", self.firmware().routes.offered)),
            Form::Read => {
                let [mode, deliver, broadcast, report, buffer] = self.options.indications;
                self.info(&format!("+CNMI: {mode},{deliver},{broadcast},{report},{buffer}"));
            }
            Form::Set(value) => {
                let arguments = Arguments::parse(value);
                if arguments.len() > 5 {
                    return Err(WRONG_PDU_VALUE);
                }
                let mut indications = self.options.indications;
                let taken = self.firmware().routes.taken;
                for (at, (indication, allowed)) in indications.iter_mut().zip(taken).enumerate() {
                    if let Some(number) = arguments.number(at, 0..=3, WRONG_PDU_VALUE)? {
                        let number = Some(number).filter(|number| allowed.contains(number)).ok_or(WRONG_PDU_VALUE)?;
                        *indication = u8::try_from(number).map_err(|_| WRONG_PDU_VALUE)?;
                    }
                }
                self.options.indications = indications;
                self.flush_buffered(now);
            }
            Form::Plain => return Err(AtError::Plain),
        }
        Ok(Step::Done)
    }
}
