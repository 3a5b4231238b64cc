//! Commands every modem has: echo, formats, identity.
//!
//! Called by the engine, first of all groups.

use super::charset::Charset;
use super::command::{Arguments, Command, Form};
use super::error::{AtError, NOT_ALLOWED, WRONG_VALUE};
use super::options::Options;
use super::{Engine, Step};

impl Engine {
    pub(super) fn general(&mut self, command: &Command) -> Option<Result<Step, AtError>> {
        let Command { name, form, .. } = command;
        let result = match name.as_str() {
            "" => Ok(Step::Done),
            "E" => switch(form, &mut self.options.echo),
            "V" => switch(form, &mut self.options.verbose),
            "Q" => switch(form, &mut self.options.quiet),
            "Z" | "&F" => {
                let kept = (self.options.functionality, self.options.operator_mode);
                self.options = Options::new(&self.settings);
                (self.options.functionality, self.options.operator_mode) = kept;
                Ok(Step::Done)
            }
            "H" | "X" | "L" | "M" | "&C" | "&D" | "&K" | "&S" | "&W" | "S0" | "S3" | "S4" | "S5" | "S7" => {
                Ok(Step::Done)
            }
            "I" => {
                for line in
                    [self.settings.manufacturer.clone(), self.settings.model.clone(), self.settings.revision.clone()]
                {
                    self.info(&line);
                }
                Ok(Step::Done)
            }
            "+CGMI" | "+GMI" => self.identity(form, |settings| &settings.manufacturer),
            "+CGMM" | "+GMM" => self.identity(form, |settings| &settings.model),
            "+CGMR" | "+GMR" => self.identity(form, |settings| &settings.revision),
            "+CGSN" | "+GSN" => self.identity(form, |settings| &settings.imei),
            "+EGMR" => self.device_imei(form),
            "+SIMEI" => match form {
                Form::Set(value) => self.write_imei(value.trim_matches('"')),
                Form::Plain | Form::Read | Form::Test => Err(AtError::Plain),
            },
            "+CMEE" => {
                let mut level = self.options.error_level;
                let result = self.number_setting(command, 0..=2, &mut level, WRONG_VALUE);
                self.options.error_level = level;
                result
            }
            "+CSCS" => self.charset(form),
            "+GCAP" => self.fixed(form, &Form::Plain, "+GCAP: +CGSM"),
            "+WS46" => self.fixed(form, &Form::Test, "+WS46: (12)"),
            "+CBC" => self.fixed(form, &Form::Plain, "+CBC: 0,85,4100"),
            "+CMER" if *form == Form::Test => self.fixed(form, &Form::Test, "+CMER: (0-3),(0),(0),(0-1),(0,1)"),
            "+CIND" if *form == Form::Test => self.fixed(
                form,
                &Form::Test,
                "+CIND: (\"battchg\",(0-5)),(\"signal\",(0-5)),(\"service\",(0-1)),(\"roam\",(0-1))",
            ),
            "+CLIP" | "+CRC" | "+IFC" | "+IPR" | "+ICF" | "+CMER" | "+CTZU" | "+CLTS" | "+COLP" => accepted(form),
            _ => return None,
        };
        Some(result)
    }

    fn identity(&mut self, form: &Form, of: fn(&crate::ModemSettings) -> &String) -> Result<Step, AtError> {
        match form {
            Form::Plain => {
                let text = of(&self.settings).clone();
                self.info(&text);
                Ok(Step::Done)
            }
            Form::Test => Ok(Step::Done),
            Form::Read | Form::Set(_) => Err(AtError::Plain),
        }
    }

    /// `AT+EGMR=0,7` reads the IMEI, `AT+EGMR=1,7,"…"` writes it (SIMCom 2G, Quectel).
    fn device_imei(&mut self, form: &Form) -> Result<Step, AtError> {
        let Form::Set(value) = form else { return Err(AtError::Plain) };
        let arguments = Arguments::parse(value);
        match (arguments.text(0), arguments.text(1), arguments.string(2)) {
            (Some("0"), Some("7"), None) => {
                self.info(&format!("+EGMR: \"{}\"", self.settings.imei));
                Ok(Step::Done)
            }
            (Some("1"), Some("7"), Some(digits)) => self.write_imei(digits),
            _ => Err(AtError::Plain),
        }
    }

    fn write_imei(&mut self, digits: &str) -> Result<Step, AtError> {
        if digits.len() != 15 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AtError::Plain);
        }
        self.written_imei = Some(digits.to_owned());
        Ok(Step::Done)
    }

    fn charset(&mut self, form: &Form) -> Result<Step, AtError> {
        match form {
            Form::Test => {
                let names: Vec<String> = Charset::ALL.iter().map(|charset| format!("\"{}\"", charset.name())).collect();
                self.info(&format!("+CSCS: ({})", names.join(",")));
            }
            Form::Read => self.info(&format!("+CSCS: \"{}\"", self.options.charset.name())),
            Form::Set(value) => {
                let arguments = Arguments::parse(value);
                self.options.charset = arguments.string(0).and_then(Charset::parse).ok_or(WRONG_VALUE)?;
            }
            Form::Plain => return Err(AtError::Plain),
        }
        Ok(Step::Done)
    }

    /// Answers a fixed line to one form of a command.
    fn fixed(&mut self, form: &Form, right: &Form, line: &str) -> Result<Step, AtError> {
        if form == right {
            self.info(line);
            return Ok(Step::Done);
        }
        Err(AtError::Plain)
    }

    /// Reads, tests or sets a number.
    pub(super) fn number_setting(
        &mut self,
        command: &Command,
        allowed: std::ops::RangeInclusive<u32>,
        value: &mut u8,
        wrong: AtError,
    ) -> Result<Step, AtError> {
        match &command.form {
            Form::Test => self.info(&format!("{}: ({}-{})", command.name, allowed.start(), allowed.end())),
            Form::Read => self.info(&format!("{}: {value}", command.name)),
            Form::Set(text) => {
                let arguments = Arguments::parse(text);
                let number = arguments.number(0, allowed, wrong)?.ok_or(wrong)?;
                if arguments.len() > 1 {
                    return Err(wrong);
                }
                *value = u8::try_from(number).map_err(|_| wrong)?;
            }
            Form::Plain => return Err(AtError::Plain),
        }
        Ok(Step::Done)
    }
}

/// `E`, `E0`, `E1`: nothing means 0.
fn switch(form: &Form, value: &mut bool) -> Result<Step, AtError> {
    *value = match form {
        Form::Plain => false,
        Form::Set(text) if text == "0" => false,
        Form::Set(text) if text == "1" => true,
        Form::Read | Form::Test | Form::Set(_) => return Err(AtError::Plain),
    };
    Ok(Step::Done)
}

/// Settings that are taken and have no effect here.
fn accepted(form: &Form) -> Result<Step, AtError> {
    match form {
        Form::Set(_) => Ok(Step::Done),
        Form::Plain => Err(NOT_ALLOWED),
        Form::Read | Form::Test => Err(AtError::Plain),
    }
}
