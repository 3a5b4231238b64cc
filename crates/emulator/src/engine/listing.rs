//! Reading, listing and deleting stored messages.
//!
//! Called by the engine.
//!
//! # Standard
//! 3GPP TS 27.005 §3.4.2, §3.4.3, §3.5.4, §4.1, §4.2.

use tokio::time::Instant;

use crate::tpdu::to_hex;

use super::charset::Charset;
use super::command::{Arguments, Command, Form};
use super::error::AtError;
use super::storage::{Status, Stored};
use super::{Engine, Step};

impl Engine {
    pub(super) fn message_command(&mut self, command: &Command, now: Instant) -> Option<Result<Step, AtError>> {
        let Command { name, form, .. } = command;
        if !matches!(name.as_str(), "+CMGL" | "+CMGR" | "+CMGD" | "+CMGS" | "+CMGW" | "+CMSS") {
            return None;
        }
        if *form == Form::Test && name == "+CMGL" {
            let all = if self.options.message_format == 0 {
                "(0-4)"
            } else {
                "(\"REC UNREAD\",\"REC READ\",\"STO UNSENT\",\"STO SENT\",\"ALL\")"
            };
            self.info(&format!("+CMGL: {all}"));
            return Some(Ok(Step::Done));
        }
        if *form == Form::Test && name != "+CMGD" {
            return Some(Ok(Step::Done));
        }
        let result = self.need_sms().and_then(|()| match name.as_str() {
            "+CMGL" => self.list(form),
            "+CMGR" => self.read(form),
            "+CMGD" => self.delete(form, now),
            "+CMSS" => self.send_stored(form, now),
            _ => self.open_prompt(name == "+CMGW", form, now),
        });
        Some(result)
    }

    fn list(&mut self, form: &Form) -> Result<Step, AtError> {
        let is_text = self.options.message_format == 1;
        let wrong = AtError::Cms(if is_text { 305 } else { 304 });
        let wanted = match form {
            Form::Plain => Some(Status::Unread),
            Form::Set(value) => {
                let arguments = Arguments::parse(value);
                if is_text {
                    let words = arguments.text(0).ok_or(wrong)?.to_ascii_uppercase();
                    if words == "ALL" { None } else { Some(Status::from_words(&words).ok_or(wrong)?) }
                } else {
                    let number = arguments.number(0, 0..=4, wrong)?.ok_or(wrong)?;
                    Status::from_number(number)
                }
            }
            Form::Read | Form::Test => return Err(AtError::Plain),
        };
        let charset = self.options.charset;
        let mut lines = Vec::new();
        let memory = self.memories.first().copied().unwrap_or(super::MemoryName::Sim);
        for (number, message) in self.memory(memory).iter_mut() {
            if wanted.is_none_or(|wanted| wanted == message.status) {
                lines.push(if is_text {
                    text_entry(number, message, charset)
                } else {
                    pdu_entry(Some(number), message)
                });
                if message.status == Status::Unread {
                    message.status = Status::Read;
                }
            }
        }
        for line in lines {
            self.info(&line);
        }
        Ok(Step::Done)
    }

    fn read(&mut self, form: &Form) -> Result<Step, AtError> {
        let Form::Set(value) = form else { return Err(AtError::Plain) };
        let is_text = self.options.message_format == 1;
        let charset = self.options.charset;
        let number = self.slot(&Arguments::parse(value))?;
        let memory = self.memories.first().copied().unwrap_or(super::MemoryName::Sim);
        let Some(message) = self.memory(memory).get_mut(number) else {
            // An empty slot answers OK alone, as SIMCom modems do.
            return Ok(Step::Done);
        };
        let line = if is_text {
            format!("+CMGR: {}\r\n{}", text_head(message, charset), charset.write(&message.text))
        } else {
            pdu_entry(None, message)
        };
        if message.status == Status::Unread {
            message.status = Status::Read;
        }
        self.info(&line);
        Ok(Step::Done)
    }

    fn delete(&mut self, form: &Form, now: Instant) -> Result<Step, AtError> {
        let memory = self.memories.first().copied().unwrap_or(super::MemoryName::Sim);
        match form {
            Form::Test => {
                let used: Vec<String> = self.memory(memory).iter_mut().map(|(number, _)| number.to_string()).collect();
                self.info(&format!("+CMGD: ({}),(0-4)", used.join(",")));
            }
            Form::Set(value) => {
                let arguments = Arguments::parse(value);
                let wrong = AtError::Cms(321);
                let flag = arguments.number(1, 0..=4, wrong)?.unwrap_or(0);
                if flag == 0 {
                    let number = self.slot(&arguments)?;
                    self.memory(memory).remove(number);
                } else {
                    self.memory(memory).remove_where(|status| match status {
                        Status::Read => true,
                        Status::Sent => flag >= 2,
                        Status::Unsent => flag >= 3,
                        Status::Unread => flag == 4,
                    });
                }
                self.is_fullness_told = false;
                self.deliver_pending(now);
            }
            Form::Plain | Form::Read => return Err(AtError::Plain),
        }
        Ok(Step::Done)
    }

    /// Number of an existing slot of the reading memory.
    fn slot(&mut self, arguments: &Arguments) -> Result<usize, AtError> {
        let wrong = AtError::Cms(321);
        let number = arguments.number(0, 0..=u32::from(u8::MAX), wrong)?.ok_or(wrong)?;
        let number = usize::try_from(number).map_err(|_| wrong)?;
        let memory = self.memories.first().copied().unwrap_or(super::MemoryName::Sim);
        self.memory(memory).has_slot(number).then_some(number).ok_or(wrong)
    }
}

/// `<stat>,,<length>` and the PDU; with a number as in a list.
fn pdu_entry(number: Option<usize>, message: &Stored) -> String {
    let head = number.map_or("+CMGR: ".to_owned(), |number| format!("+CMGL: {number},"));
    let pdu = [message.smsc.as_slice(), &message.tpdu].concat();
    format!("{head}{},,{}\r\n{}", message.status.number(), message.tpdu.len(), to_hex(&pdu))
}

fn text_head(message: &Stored, charset: Charset) -> String {
    let party = charset.write(&message.party);
    let words = message.status.words();
    if message.time.is_empty() {
        format!("\"{words}\",\"{party}\",")
    } else {
        format!("\"{words}\",\"{party}\",,\"{}\"", message.time)
    }
}

fn text_entry(number: usize, message: &Stored, charset: Charset) -> String {
    format!("+CMGL: {number},{}\r\n{}", text_head(message, charset), charset.write(&message.text))
}
