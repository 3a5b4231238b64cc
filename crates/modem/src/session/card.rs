//! The card: who it is, whether it is open, and its PIN.
//!
//! A PIN is entered at most once, after the tries left were asked for and the entry was remembered
//! ([`crate::PinMemory`]). Never: trying a second time.

use std::time::Instant;

use gsm::at::{self, PinState, PinTries};
use gsm::{ErrorCode, FinalResult};

use super::init::{CARD_BUSY_PAUSE, CARD_BUSY_TRIES};
use super::step::Step;
use super::{Lines, Outcome, Session};
use crate::pin::{PIN_TRIES_NEEDED, Pin, Tried};
use crate::profile::{Way, others};
use crate::status::Phase;

/// What is said of a state other than those of the SIM itself.
const LOCKED: &str = "the device is locked to another card or network";

impl Session {
    pub(super) fn card_answered(&mut self, ways: &'static [Way], lines: &Lines, outcome: Outcome) {
        self.status.identity.iccid = lines.iter().find_map(|line| at::iccid(line)).map(str::to_owned);
        if let Some(iccid) = &self.status.identity.iccid {
            self.card = iccid.clone();
        } else if let Some(others) = others(ways)
            && outcome != Outcome::TimedOut
        {
            self.steps.push_front(Step::Card(others));
        } else if outcome == Outcome::TimedOut && self.settings.wanted.iccid.is_some() {
            self.steps.push_front(Step::Card(ways));
        }
        self.check_told_card();
    }

    pub(super) fn pin_state_answered(&mut self, lines: &Lines, outcome: Outcome, now: Instant) {
        let state = lines.iter().find_map(|line| PinState::parse(line));
        let code = match outcome {
            Outcome::Final(result) => result.error_code().and_then(ErrorCode::number),
            Outcome::TimedOut => None,
        };
        match (state, code) {
            (Some(PinState::SimPin), _) | (None, Some(11 | 311)) => self.pin_is_asked(),
            (Some(PinState::SimPuk), _) | (None, Some(12 | 316)) => {
                self.stuck(Phase::PukNeeded, "the card asks for its puk");
            }
            (Some(PinState::NotInserted), _) | (None, Some(10 | 13 | 15 | 310 | 313 | 315)) => {
                self.stuck(Phase::SimMissing, "there is no card, or it is broken");
            }
            (Some(PinState::NotReady), _) | (None, Some(3 | 14 | 314 | 515)) => self.card_is_busy(now),
            (Some(PinState::PhoneLock), _) => self.stuck(Phase::PinNeeded, LOCKED),
            // A state that nobody knows is no open card.
            (None, _) if !lines.is_empty() => self.stuck(Phase::PinNeeded, LOCKED),
            (None, _) if outcome == Outcome::TimedOut => self.steps.push_front(Step::PinState),
            // Some modems do not know the command; sending will tell.
            (Some(PinState::Ready | PinState::SimPin2 | PinState::SimPuk2) | None, _) => self.card_is_open(),
        }
    }

    pub(super) fn card_is_open(&mut self) {
        if let Err(error) = self.settings.pin_memory.note_open(&self.card) {
            tracing::warn!(modem.name = %self.settings.name, error = %error, "that the pin was right is not kept");
        }
        if !self.is_wanted_card_open() {
            return;
        }
        self.card_retries = 0;
        if self.is_initialised {
            self.settle_phase();
        } else {
            // A message that waits for the way back in step waits for this as well.
            if self.status.phase != Phase::Recovering {
                self.status.phase = Phase::Starting;
            }
            self.status.detail = None;
            self.begin_initialisation();
        }
    }

    pub(super) fn card_is_busy(&mut self, now: Instant) {
        self.note_reset();
        self.card_retries += 1;
        if self.card_retries < CARD_BUSY_TRIES {
            self.pause_until = Some(now + CARD_BUSY_PAUSE);
            self.steps.push_front(Step::PinState);
            if self.status.identity.iccid.is_none() {
                self.steps.push_front(Step::Card(self.profile.card));
            }
        } else {
            self.card_retries = 0;
            self.stuck(Phase::SimMissing, "the card stays busy");
        }
    }

    pub(super) fn pin_is_asked(&mut self) {
        if !self.may_be_wanted_card() {
            return;
        }
        if self.settings.sim_pin.is_none() {
            self.stuck(Phase::PinNeeded, "the card asks for its pin and none is configured");
        } else if self.settings.pin_memory.may_enter(&self.card) {
            self.note_reset();
            self.steps.clear();
            self.steps.push_back(Step::PinTries(self.profile.pin_tries));
        } else {
            self.stuck(Phase::PinRefused, "the pin was entered once and did not open the card");
        }
    }

    pub(super) fn pin_tries_answered(&mut self, ways: &'static [Way], lines: &Lines) {
        let told = lines.iter().find_map(|line| PinTries::parse(line)).map(|tries| tries.pin);
        match (told, others(ways)) {
            (Some(tries), _) => {
                self.status.pin_tries_left = Some(tries);
                if tries < PIN_TRIES_NEEDED {
                    self.stuck(Phase::PinRefused, "too few pin tries are left to enter it without a person");
                } else {
                    self.steps.push_front(Step::EnterPin);
                }
            }
            (None, Some(others)) => self.steps.push_front(Step::PinTries(others)),
            (None, None) if self.settings.pin_memory.may_enter_blindly(&self.card) => {
                self.steps.push_front(Step::EnterPin);
            }
            (None, None) => {
                self.stuck(Phase::PinRefused, "the modem does not tell the tries left, nor who its card is");
            }
        }
    }

    /// Remembers the entry before it is made, so that it is not made again if its answer is lost; answers whether it
    /// is remembered and may be made.
    pub(super) fn note_pin_entry(&mut self) -> bool {
        let noted = self.settings.pin_memory.note(&self.card, Tried::Unproven);
        if let Err(error) = &noted {
            tracing::error!(modem.name = %self.settings.name, error = %error, "the pin entry cannot be remembered");
            self.stuck(Phase::PinNeeded, "the pin is not entered because that could not be remembered");
        }
        noted.is_ok()
    }

    /// Remembers that a person gave the card another PIN: the configured one is not entered any more, unless it is that one.
    pub(super) fn note_new_pin(&mut self, pin: &Pin) {
        let Some(configured) = &self.settings.sim_pin else { return };
        let tried = if configured == pin { Tried::Right } else { Tried::Replaced };
        if let Err(error) = self.settings.pin_memory.note(&self.card, tried) {
            tracing::warn!(modem.name = %self.settings.name, error = %error, "that the card has another pin is not kept");
        }
    }

    pub(super) fn pin_answered(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Final(FinalResult::Ok) | Outcome::TimedOut => self.steps.push_front(Step::PinState),
            Outcome::Final(_) => {
                if let Err(error) = self.settings.pin_memory.note(&self.card, Tried::Refused) {
                    // What is kept says that it was given, which keeps it from being given again as well.
                    tracing::warn!(modem.name = %self.settings.name, error = %error, "the refusal is not kept");
                }
                tracing::error!(modem.name = %self.settings.name, "the card refused its pin; it is not tried again");
                self.stuck(Phase::PinRefused, "the card refused its pin");
            }
        }
    }
}
