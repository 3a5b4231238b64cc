//! The network's menus behind `AT+CUSD`, and the forms in which modems take codes and give answers.
//!
//! A code or a reply is looked up among the script's rules, then among two that are always there: `*888#` tells a balance, `*123#` is a
//! menu. Called by the engine.
//!
//! # Standard
//! 3GPP TS 27.007 §7.15, TS 23.038 §6.1.2.3 (packing).

use tokio::time::Instant;

use crate::script::{UssdCoding, UssdRule};
use crate::settings::UssdForm;
use crate::tpdu::{alphabet, from_hex, to_hex};

use super::charset::Charset;
use super::command::{Arguments, Form};
use super::error::{AtError, NOT_ALLOWED, WRONG_VALUE};
use super::{Engine, Event, Step};

/// Fills the last seven bits where they are free, which would else be an `@`.
const FILLING: u8 = 0x0d;

impl Engine {
    pub(super) fn ussd(&mut self, form: &Form, now: Instant) -> Result<Step, AtError> {
        let value = match form {
            Form::Set(value) => value,
            Form::Test => {
                self.info("+CUSD: (0-2)");
                return Ok(Step::Done);
            }
            Form::Read => {
                self.info(&format!("+CUSD: {}", self.options.ussd_urc));
                return Ok(Step::Done);
            }
            Form::Plain => return Err(AtError::Plain),
        };
        let arguments = Arguments::parse(value);
        let mode = arguments.number(0, 0..=2, WRONG_VALUE)?.ok_or(WRONG_VALUE)?;
        if mode == 2 {
            self.end_ussd();
            return Ok(Step::Done);
        }
        self.options.ussd_urc = u8::try_from(mode).unwrap_or(0);
        let Some(written) = arguments.text(1) else { return Ok(Step::Done) };
        self.need_card()?;
        if !self.is_registered() {
            return Err(AtError::Cme(30));
        }
        let asked = self.read_ussd_code(written).ok_or(NOT_ALLOWED)?;
        self.ussd_asked(&asked, now);
        Ok(Step::Done)
    }

    /// Whether the network waits for a reply, or thinks: no SMS can be sent meanwhile.
    pub(super) fn is_in_ussd(&self) -> bool {
        !self.options.ussd_path.is_empty()
    }

    /// Says what the network has for this dialogue, if that has not ended meanwhile.
    pub(super) fn ussd_due(&mut self, dialogue: u64, line: Vec<u8>, is_end: bool) {
        if dialogue == self.options.ussd_dialogue {
            if is_end {
                self.end_ussd();
            }
            self.unsolicited(line);
        }
    }

    fn end_ussd(&mut self) {
        self.options.ussd_path.clear();
        self.options.ussd_dialogue += 1;
    }

    /// Finds the answer to a code or a reply, and says it when its time has come.
    fn ussd_asked(&mut self, asked: &str, now: Instant) {
        // A dialogue that goes on has a number of its own: what was to end it does not end the next step.
        self.options.ussd_dialogue += 1;
        self.options.ussd_path.push(asked.to_owned());
        let dialled = self.options.ussd_path.join(" ");
        let scripted = self.settings.ussd.iter().find(|rule| rule.dial == dialled).cloned();
        let Some(rule) = scripted.or_else(|| self.usual_ussd(&dialled)) else {
            let line = self.formatted("+CUSD: 4");
            self.ussd_later(now + self.network.settings().air_time, line, true);
            return;
        };
        if rule.silent {
            return;
        }
        let due = now + rule.after.unwrap_or(self.network.settings().air_time);
        let line = match &rule.raw {
            Some(raw) => self.formatted(raw),
            None => {
                let line = self.ussd_line(&rule);
                self.formatted(&line)
            }
        };
        self.ussd_later(due, line, !rule.menu);
        if let Some(time) = rule.ends_after.filter(|_| rule.menu) {
            let line = self.formatted("+CUSD: 2");
            self.ussd_later(due + time, line, true);
        }
    }

    fn ussd_later(&mut self, due: Instant, line: Vec<u8>, is_end: bool) {
        let dialogue = self.options.ussd_dialogue;
        self.at(due, Event::Ussd { dialogue, line, is_end });
    }

    /// The operator's own: a balance and a menu with two replies.
    fn usual_ussd(&self, dialled: &str) -> Option<UssdRule> {
        let balance = "Sisa pulsa Anda Rp10000".to_owned();
        Some(match dialled {
            "*888#" | "*123# 1" => UssdRule::answer(dialled, balance),
            "*123# 2" => UssdRule::answer(dialled, format!("Nomor Anda {}", self.settings.msisdn)),
            "*123#" => UssdRule { menu: true, ..UssdRule::answer(dialled, "1 Pulsa 2 Nomor") },
            _ if dialled.starts_with("*123# ") => UssdRule::answer(dialled, "Pilihan salah"),
            _ => return None,
        })
    }

    /// How this modem takes codes now: as its settings say, else as its model does.
    fn ussd_form(&self) -> UssdForm {
        match self.settings.ussd_form.unwrap_or(self.firmware().ussd) {
            UssdForm::Packed if self.options.ussd_mode == 0 => UssdForm::Plain,
            form => form,
        }
    }

    /// Reads a code as this modem takes it.
    fn read_ussd_code(&self, written: &str) -> Option<String> {
        match self.ussd_form() {
            UssdForm::Plain | UssdForm::Ucs2Answers => self.options.charset.read(written),
            UssdForm::Ucs2 if self.options.charset == Charset::Ucs2 => Charset::Ucs2.read(written),
            UssdForm::Ucs2 => None,
            UssdForm::Packed => {
                let bytes = from_hex(written).ok()?;
                let mut septets = alphabet::unpack(&bytes, bytes.len() * 8 / 7, 0);
                if bytes.len().is_multiple_of(7) && septets.last() == Some(&FILLING) {
                    septets.pop();
                }
                Some(alphabet::from_septets(&septets))
            }
        }
    }

    /// Writes an answer as this modem does.
    fn ussd_line(&self, rule: &UssdRule) -> String {
        let status = rule.status.unwrap_or(u8::from(rule.menu));
        let text = &rule.answer;
        let (written, dcs) = match (rule.coding, self.ussd_form()) {
            (UssdCoding::Octets, _) => (to_hex(text.as_bytes()), 68),
            (UssdCoding::Ucs2, _) | (UssdCoding::Gsm7, UssdForm::Ucs2Answers) => (Charset::Ucs2.write(text), 72),
            (UssdCoding::Gsm7, UssdForm::Packed) => (packed(text), 15),
            (UssdCoding::Gsm7, _) => (self.options.charset.write(text), 15),
        };
        format!("+CUSD: {status},\"{written}\",{dcs}")
    }
}

fn packed(text: &str) -> String {
    let mut septets = alphabet::to_septets(text).unwrap_or_default();
    if septets.len() % 8 == 7 {
        septets.push(FILLING);
    }
    to_hex(&alphabet::pack(&septets, 0))
}
