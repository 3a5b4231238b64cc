//! The card: PIN, PUK, their tries, and the commands about it.
//!
//! Tries outlive restarts, as they do on a real card. Called by the engine; every group asks it whether the card is open.
//!
//! # Standard
//! 3GPP TS 27.007 §8.3 (`+CPIN`), §7.4 (`+CLCK`), §7.5 (`+CPWD`).

use tokio::time::Instant;

use crate::settings::{Manner, ModemSettings};

use super::command::{Arguments, Command, Form};
use super::error::{AtError, NOT_ALLOWED, WRONG_VALUE};
use super::{Engine, Step};

/// What the card asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Absent,
    PinNeeded,
    PukNeeded,
    /// The PUK was wrong too often.
    Dead,
    Open,
}

/// A card.
#[derive(Debug)]
pub(crate) struct Card {
    is_inserted: bool,
    is_lock_on: bool,
    is_verified: bool,
    pin: String,
    pin_tries: u8,
    full_tries: u8,
    puk: String,
    puk_tries: u8,
}

impl Card {
    pub(crate) fn new(settings: &ModemSettings) -> Self {
        Self {
            is_inserted: settings.sim_inserted,
            is_lock_on: settings.pin.is_some(),
            is_verified: false,
            pin: settings.pin.clone().unwrap_or_else(|| "0000".to_owned()),
            pin_tries: settings.pin_tries,
            full_tries: 3,
            puk: settings.puk.clone(),
            puk_tries: settings.puk_tries,
        }
    }

    /// The power was off: the PIN is needed again.
    pub(crate) fn lock(&mut self) {
        self.is_verified = false;
    }

    pub(crate) fn state(&self) -> State {
        if !self.is_inserted {
            State::Absent
        } else if self.puk_tries == 0 {
            State::Dead
        } else if self.pin_tries == 0 {
            State::PukNeeded
        } else if self.is_lock_on && !self.is_verified {
            State::PinNeeded
        } else {
            State::Open
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state() == State::Open
    }

    /// Tries left of PIN and PUK, and how many a PIN has.
    pub(crate) fn tries(&self) -> (u8, u8, u8) {
        (self.pin_tries, self.puk_tries, self.full_tries)
    }

    /// Compares a PIN and counts a wrong one.
    fn verify(&mut self, pin: &str) -> Result<(), AtError> {
        if self.pin_tries == 0 {
            return Err(AtError::Cme(12));
        }
        if pin == self.pin {
            self.pin_tries = self.full_tries;
            self.is_verified = true;
            return Ok(());
        }
        self.pin_tries -= 1;
        Err(AtError::Cme(if self.pin_tries == 0 { 12 } else { 16 }))
    }

    /// Compares the PUK, counts a wrong one and sets a new PIN.
    fn unblock(&mut self, puk: &str, pin: &str) -> Result<(), AtError> {
        if puk == self.puk {
            pin.clone_into(&mut self.pin);
            self.pin_tries = self.full_tries;
            self.puk_tries = 10;
            self.is_verified = true;
            return Ok(());
        }
        self.puk_tries -= 1;
        Err(AtError::Cme(if self.puk_tries == 0 { 13 } else { 16 }))
    }
}

fn is_pin(text: &str) -> bool {
    (4..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Engine {
    /// Refuses general commands while the card is not open.
    pub(super) fn need_card(&self) -> Result<(), AtError> {
        match self.card.state() {
            State::Open => Ok(()),
            State::Absent => Err(AtError::Cme(10)),
            State::PinNeeded => Err(AtError::Cme(11)),
            State::PukNeeded => Err(AtError::Cme(12)),
            State::Dead => Err(AtError::Cme(13)),
        }
    }

    /// Refuses message commands while the card is not open or still busy.
    pub(super) fn need_sms(&self) -> Result<(), AtError> {
        match self.card.state() {
            State::Open if self.is_sms_ready => Ok(()),
            State::Open if self.settings.has(Manner::NotAllowedAtStart) => Err(AtError::Cms(302)),
            State::Open => Err(AtError::Cms(314)),
            State::Absent => Err(AtError::Cms(310)),
            State::PinNeeded => Err(AtError::Cms(311)),
            State::PukNeeded => Err(AtError::Cms(316)),
            State::Dead => Err(AtError::Cms(313)),
        }
    }

    pub(super) fn card_command(&mut self, command: &Command, now: Instant) -> Option<Result<Step, AtError>> {
        let Command { name, form, .. } = command;
        let result = match name.as_str() {
            "+CPIN" => self.pin(form, now),
            "+CLCK" => self.lock_command(form),
            "+CPWD" => self.change_pin(form),
            "+CIMI" => self.of_card(form, |settings| settings.imsi.clone()),
            "+CNUM" => self.own_number(form),
            _ => return self.tries(command),
        };
        Some(result)
    }

    fn pin(&mut self, form: &Form, now: Instant) -> Result<Step, AtError> {
        match form {
            Form::Test => Ok(Step::Done),
            Form::Read => {
                let state = match self.card.state() {
                    State::Open => "READY",
                    State::PinNeeded => "SIM PIN",
                    State::PukNeeded => "SIM PUK",
                    State::Absent => return Err(AtError::Cme(10)),
                    State::Dead => return Err(AtError::Cme(13)),
                };
                self.info(&format!("+CPIN: {state}"));
                self.job.lacks_result = self.settings.has(Manner::PinStateWithoutOk);
                Ok(Step::Done)
            }
            Form::Set(value) => {
                let arguments = Arguments::parse(value);
                let first = arguments.string(0).unwrap_or_default();
                match (self.card.state(), arguments.string(1)) {
                    (State::Open, _) => return Err(NOT_ALLOWED),
                    (State::Absent, _) => return Err(AtError::Cme(10)),
                    (State::Dead, _) => return Err(AtError::Cme(13)),
                    (State::PinNeeded, None) if is_pin(first) => self.card.verify(first)?,
                    (State::PinNeeded, _) => return Err(WRONG_VALUE),
                    (State::PukNeeded, Some(new)) if first.len() == 8 && is_pin(new) => {
                        self.card.unblock(first, new)?;
                    }
                    (State::PukNeeded, _) => return Err(AtError::Cme(12)),
                }
                // The boot lines come after the OK of this command.
                self.held.push_back(self.formatted("+CPIN: READY"));
                self.card_opened(now);
                Ok(Step::Done)
            }
            Form::Plain => Err(AtError::Plain),
        }
    }

    fn lock_command(&mut self, form: &Form) -> Result<Step, AtError> {
        let Form::Set(value) = form else {
            if *form == Form::Test {
                self.info("+CLCK: (\"SC\")");
                return Ok(Step::Done);
            }
            return Err(AtError::Plain);
        };
        self.need_card()?;
        let arguments = Arguments::parse(value);
        if arguments.text(0).is_none_or(|facility| !facility.eq_ignore_ascii_case("SC")) {
            return Err(AtError::Cme(4));
        }
        let mode = arguments.number(1, 0..=2, WRONG_VALUE)?.ok_or(WRONG_VALUE)?;
        if mode == 2 {
            self.info(&format!("+CLCK: {}", u8::from(self.card.is_lock_on)));
            return Ok(Step::Done);
        }
        let pin = arguments.string(2).filter(|pin| is_pin(pin)).ok_or(WRONG_VALUE)?;
        self.card.verify(pin)?;
        self.card.is_lock_on = mode == 1;
        Ok(Step::Done)
    }

    fn change_pin(&mut self, form: &Form) -> Result<Step, AtError> {
        let Form::Set(value) = form else {
            if *form == Form::Test {
                self.info("+CPWD: (\"SC\",8)");
                return Ok(Step::Done);
            }
            return Err(AtError::Plain);
        };
        self.need_card()?;
        let arguments = Arguments::parse(value);
        let (Some("SC" | "sc"), Some(old), Some(new)) = (arguments.text(0), arguments.string(1), arguments.string(2))
        else {
            return Err(WRONG_VALUE);
        };
        if !self.card.is_lock_on {
            return Err(NOT_ALLOWED);
        }
        if !is_pin(old) || !is_pin(new) {
            return Err(WRONG_VALUE);
        }
        self.card.verify(old)?;
        new.clone_into(&mut self.card.pin);
        Ok(Step::Done)
    }

    fn of_card(&mut self, form: &Form, of: fn(&ModemSettings) -> String) -> Result<Step, AtError> {
        match form {
            Form::Plain => {
                self.need_card()?;
                let text = of(&self.settings);
                self.info(&text);
                Ok(Step::Done)
            }
            Form::Test => Ok(Step::Done),
            Form::Read | Form::Set(_) => Err(AtError::Plain),
        }
    }

    fn own_number(&mut self, form: &Form) -> Result<Step, AtError> {
        if *form != Form::Plain {
            return if *form == Form::Test { Ok(Step::Done) } else { Err(AtError::Plain) };
        }
        self.need_card()?;
        let number = self.options.charset.write(&format!("+{}", self.settings.msisdn));
        self.info(&format!("+CNUM: \"\",\"{number}\",145"));
        Ok(Step::Done)
    }
}
