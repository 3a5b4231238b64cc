//! From the first answer to a modem that can send, and the regular look at it afterwards.
//!
//! Decides what follows from each answer. A PIN is entered at most once, after the tries left were asked for
//! ([`crate::PinMemory`]); everything optional that a modem refuses is left out.

use std::time::{Duration, Instant};

use gsm::at::PinTries;
use gsm::{ErrorCode, FinalResult};

use super::quirks::{CARD_COMMANDS, PIN_TRIES_COMMANDS, routings};
use super::step::Step;
use super::{Echo, Exchange, Outcome, Session, answers};
use crate::pin::Tried;
use crate::status::{Phase, Registration};

/// Pause while the SIM is busy.
const CARD_BUSY_PAUSE: Duration = Duration::from_secs(1);
/// How often a busy SIM is asked before it counts as missing.
const CARD_BUSY_TRIES: u32 = 30;
/// How often what is not allowed (yet) is tried again.
const NOT_ALLOWED_TRIES: u32 = 15;
/// A PIN is not entered when fewer tries are left, so that a person still has some.
const PIN_TRIES_NEEDED: u8 = 3;
/// Pause between looks at a modem that is not registered.
const UNREGISTERED_POLL: Duration = Duration::from_secs(3);

impl Session {
    /// Adds what is to be said once the conversation is in step: everything at the start, the essentials later.
    pub(super) fn add_steps_in_step(&mut self) {
        let begin = if self.is_initialised {
            vec![Step::EchoOff, Step::Verbose, Step::NumericErrors, Step::PinState, Step::PduMode]
        } else if self.steps.is_empty() {
            vec![Step::EchoOff, Step::Verbose, Step::NumericErrors, Step::Card(0), Step::PinState]
        } else {
            vec![Step::EchoOff, Step::Verbose, Step::NumericErrors]
        };
        let is_pin_state_fresh = std::mem::take(&mut self.is_pin_state_fresh);
        let begin: Vec<Step> = begin
            .into_iter()
            .filter(|step| !(is_pin_state_fresh && matches!(step, Step::PinState | Step::Card(_))))
            .collect();
        // What was not reached after the last loss is not said twice.
        self.steps.retain(|step| !begin.contains(step));
        for step in begin.into_iter().rev() {
            self.steps.push_front(step);
        }
    }

    /// Adds what is said to an open SIM.
    fn add_initialisation(&mut self) {
        let found: Vec<Step> = self.steps.drain(..).filter(Step::is_about_a_message).collect();
        self.steps.extend([Step::Charset, Step::PduMode, Step::Service, Step::Routing(0), Step::RegistrationUrc]);
        if self.settings.sms_center.is_some() {
            self.steps.push_back(Step::SetServiceCenter);
        }
        self.steps.extend([
            Step::ServiceCenter,
            Step::Storage,
            Step::Manufacturer,
            Step::Model,
            Step::Revision,
            Step::Imei,
            Step::Imsi,
        ]);
        if self.status.identity.iccid.is_none() {
            self.steps.push_back(Step::Card(0));
        }
        self.steps.extend([Step::Signal, Step::Operator, Step::Registration]);
        self.steps.extend(found);
    }

    /// Adds the regular look at the modem.
    pub(super) fn add_poll(&mut self, now: Instant) {
        self.next_poll = now + self.settings.poll_interval;
        match self.status.phase {
            Phase::Ready | Phase::NotRegistered => {
                self.steps.extend([Step::Signal, Step::Operator, Step::Registration]);
            }
            Phase::Silent | Phase::Closed => {}
            _ => self.steps.push_back(Step::PinState),
        }
    }

    /// Decides what follows from an answer.
    pub(super) fn finish(&mut self, exchange: Exchange, outcome: Outcome, now: Instant) {
        let Exchange { step, lines, .. } = exchange;
        if self.must_wait_for_card(&step, outcome) {
            self.wait_for_card(step, now);
            return;
        }
        match step {
            Step::Card(way) => self.card_answered(way, &lines, outcome),
            Step::PinState => self.pin_state_answered(&lines, outcome, now),
            Step::PinTries(way) => self.pin_tries_answered(way, &lines),
            Step::EnterPin => self.pin_answered(outcome),
            Step::PduMode => self.pdu_mode_answered(outcome),
            Step::Routing(way) => self.routing_answered(way, outcome),
            Step::ServiceCenter => self.status.smsc = answers::service_center(&lines).or(self.status.smsc.take()),
            Step::Storage => self.storage = answers::storage(&lines),
            Step::SelectStorage(_) => self.storage_selected(outcome),
            Step::Manufacturer => self.status.identity.manufacturer = answers::text("+CGMI:", &lines),
            Step::Model => self.status.identity.model = answers::text("+CGMM:", &lines),
            Step::Revision => self.status.identity.revision = answers::text("+CGMR:", &lines),
            Step::Imei => self.status.identity.imei = answers::imei(&lines),
            Step::Imsi => self.status.identity.imsi = answers::imsi(&lines),
            Step::Signal => {
                self.status.rssi = answers::rssi(&lines);
                self.status.signal_dbm = self.status.rssi.map(answers::dbm);
            }
            Step::Operator => self.status.operator = answers::operator(&lines),
            Step::Registration => self.registration_answered(&lines, now),
            Step::RegistrationEps => self.registration_eps_answered(&lines, now),
            Step::ReadReport(place) => {
                if let Some(hex) = lines.iter().find(|line| answers::is_pdu(line)) {
                    self.report(hex, answers::stored_length(&lines), Some(place));
                }
            }
            Step::ReadInbound(place) => {
                if let Some(hex) = lines.iter().find(|line| answers::is_pdu(line)) {
                    self.inbound(hex, answers::stored_length(&lines), Some(place));
                }
            }
            Step::EchoOff => {
                if outcome.is_ok() && self.echo == Echo::Unknown {
                    self.echo = Echo::Off;
                }
            }
            Step::Verbose
            | Step::NumericErrors
            | Step::Charset
            | Step::Service
            | Step::RegistrationUrc
            | Step::SetServiceCenter
            | Step::Delete(_) => self.note_refusal(&step, outcome),
        }
    }

    /// Answers whether a setting was refused only because the SIM is still being read, as for seconds after a boot.
    fn must_wait_for_card(&self, step: &Step, outcome: Outcome) -> bool {
        let is_setting = !matches!(step, Step::Card(_) | Step::PinState | Step::PinTries(_) | Step::EnterPin);
        let tries = match outcome {
            Outcome::Final(FinalResult::Cme(ErrorCode::Cme(14 | 515)) | FinalResult::Cms(ErrorCode::Cms(314))) => {
                CARD_BUSY_TRIES
            }
            // Said while booting as well as for ever.
            Outcome::Final(FinalResult::Cme(ErrorCode::Cme(3)) | FinalResult::Cms(ErrorCode::Cms(302))) => {
                NOT_ALLOWED_TRIES
            }
            _ => 0,
        };
        is_setting && (!self.is_initialised || *step == Step::PduMode) && self.card_retries < tries
    }

    fn wait_for_card(&mut self, step: Step, now: Instant) {
        self.card_retries += 1;
        self.pause_until = Some(now + CARD_BUSY_PAUSE);
        self.steps.push_front(step);
    }

    fn note_refusal(&self, step: &Step, outcome: Outcome) {
        if !outcome.is_ok() {
            let verb = step.verb();
            if matches!(step, Step::SetServiceCenter) {
                tracing::warn!(modem.name = %self.settings.name, "the modem refuses {verb}");
            } else {
                tracing::debug!(modem.name = %self.settings.name, "the modem refuses {verb}");
            }
        }
    }

    /// Takes the answer to `AT+CMGF=0`, without which nothing is ever sent.
    fn pdu_mode_answered(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Final(FinalResult::Ok) => {
                self.is_in_pdu_mode = true;
                if self.is_initialised {
                    self.settle_phase();
                }
            }
            Outcome::TimedOut => self.steps.push_front(Step::PduMode),
            Outcome::Final(_) => self.stuck(Phase::Starting, "the modem refuses pdu mode"),
        }
    }

    fn card_answered(&mut self, way: usize, lines: &[String], outcome: Outcome) {
        self.status.identity.iccid = answers::iccid(lines);
        if let Some(iccid) = &self.status.identity.iccid {
            self.card = iccid.clone();
        } else if way + 1 < CARD_COMMANDS.len() && outcome != Outcome::TimedOut {
            self.steps.push_front(Step::Card(way + 1));
        }
    }

    fn pin_state_answered(&mut self, lines: &[String], outcome: Outcome, now: Instant) {
        let state = answers::pin_state(lines);
        let code = match outcome {
            Outcome::Final(result) => result.error_code().and_then(ErrorCode::number),
            Outcome::TimedOut => None,
        };
        match (state.as_deref(), code) {
            (Some("READY" | "SIM PIN2" | "SIM PUK2"), _) => self.card_is_open(),
            (Some("SIM PIN"), _) | (None, Some(11 | 311)) => self.pin_is_asked(),
            (Some("SIM PUK"), _) | (None, Some(12 | 316)) => {
                self.stuck(Phase::PukNeeded, "the card asks for its puk");
            }
            (Some("NOT INSERTED"), _) | (None, Some(10 | 13 | 15 | 310 | 313 | 315)) => {
                self.stuck(Phase::SimMissing, "there is no card, or it is broken");
            }
            (Some("NOT READY"), _) | (None, Some(3 | 14 | 314 | 515)) => self.card_is_busy(now),
            (Some(_), _) => self.stuck(Phase::PinNeeded, "the device is locked to another card or network"),
            (None, _) if outcome == Outcome::TimedOut => self.steps.push_front(Step::PinState),
            // Some modems do not know the command; sending will tell.
            (None, _) => self.card_is_open(),
        }
    }

    fn card_is_open(&mut self) {
        if let Err(error) = self.settings.pin_memory.note_open(&self.card) {
            tracing::warn!(modem.name = %self.settings.name, error = %error, "that the pin was right is not kept");
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
            self.add_initialisation();
        }
    }

    fn card_is_busy(&mut self, now: Instant) {
        self.note_reset();
        self.card_retries += 1;
        if self.card_retries < CARD_BUSY_TRIES {
            self.pause_until = Some(now + CARD_BUSY_PAUSE);
            self.steps.push_front(Step::PinState);
            if self.status.identity.iccid.is_none() {
                self.steps.push_front(Step::Card(0));
            }
        } else {
            self.card_retries = 0;
            self.stuck(Phase::SimMissing, "the card stays busy");
        }
    }

    fn pin_is_asked(&mut self) {
        if self.settings.sim_pin.is_none() {
            self.stuck(Phase::PinNeeded, "the card asks for its pin and none is configured");
        } else if self.settings.pin_memory.may_enter(&self.card) {
            self.note_reset();
            self.steps.clear();
            self.steps.push_back(Step::PinTries(0));
        } else {
            self.stuck(Phase::PinRefused, "the pin was entered once and did not open the card");
        }
    }

    fn pin_tries_answered(&mut self, way: usize, lines: &[String]) {
        match lines.iter().find_map(|line| PinTries::parse(line)).map(|tries| tries.pin) {
            Some(tries) => {
                self.status.pin_tries_left = Some(tries);
                if tries < PIN_TRIES_NEEDED {
                    self.stuck(Phase::PinRefused, "too few pin tries are left to enter it without a person");
                } else {
                    self.steps.push_front(Step::EnterPin);
                }
            }
            None if way + 1 < PIN_TRIES_COMMANDS.len() => self.steps.push_front(Step::PinTries(way + 1)),
            None if self.settings.pin_memory.may_enter_blindly(&self.card) => self.steps.push_front(Step::EnterPin),
            None => self.stuck(Phase::PinRefused, "the modem does not tell the tries left, nor who its card is"),
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

    fn pin_answered(&mut self, outcome: Outcome) {
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

    fn routing_answered(&mut self, way: usize, outcome: Outcome) {
        let ways = routings(self.settings.delivery_reports);
        if outcome.is_ok() {
            self.status.message_routing = ways.get(way).map(|(_, parameters)| *parameters);
        } else if way + 1 < ways.len() {
            self.steps.push_front(Step::Routing(way + 1));
        } else {
            self.status.message_routing = None;
            tracing::warn!(modem.name = %self.settings.name, "the modem refuses every way of routing messages here");
        }
    }

    fn storage_selected(&mut self, outcome: Outcome) {
        if !outcome.is_ok() {
            // What was to be read or deleted there stays there.
            self.storage = None;
            self.steps.pop_front();
        }
    }

    fn registration_answered(&mut self, lines: &[String], now: Instant) {
        let registration = answers::registration(lines).map(Registration::from_stat).unwrap_or_default();
        if registration.is_registered() {
            self.registration_is_known(registration, now);
        } else {
            // On LTE only modems the circuit-switched side may stay idle while SMS work.
            self.status.registration = registration;
            self.steps.push_front(Step::RegistrationEps);
        }
    }

    fn registration_eps_answered(&mut self, lines: &[String], now: Instant) {
        let eps = answers::registration(lines).map(Registration::from_stat).unwrap_or_default();
        let registration = if eps.is_registered() { eps } else { self.status.registration };
        self.registration_is_known(registration, now);
    }

    fn registration_is_known(&mut self, registration: Registration, now: Instant) {
        self.status.registration = registration;
        self.is_initialised = true;
        self.losses = 0;
        self.next_poll = now + self.settings.poll_interval;
        if !registration.is_registered() {
            self.next_poll = self.next_poll.min(now + UNREGISTERED_POLL);
        }
        self.settle_phase();
    }

    pub(super) fn set_registration(&mut self, registration: Registration, now: Instant) {
        self.status.registration = registration;
        if !registration.is_registered() {
            self.next_poll = self.next_poll.min(now + UNREGISTERED_POLL);
        }
        if self.is_initialised && matches!(self.status.phase, Phase::Ready | Phase::NotRegistered) {
            self.settle_phase();
        }
    }

    /// Says whether an initialised modem can send.
    fn settle_phase(&mut self) {
        if !self.is_in_pdu_mode {
            self.add_step(Step::PduMode);
            return;
        }
        let is_registered = self.status.registration.is_registered();
        let phase = if is_registered { Phase::Ready } else { Phase::NotRegistered };
        if self.status.phase != phase {
            self.status.phase = phase;
            self.status.detail = (!is_registered).then(|| "not registered in a network".to_owned());
        }
    }

    /// Notes that the modem must have lost its settings, whether it said so or not: everything is said again.
    pub(super) fn note_reset(&mut self) {
        if self.is_initialised {
            tracing::info!(modem.name = %self.settings.name, "the modem may have lost its settings");
        }
        self.is_initialised = false;
        self.is_in_pdu_mode = false;
        if self.status.phase != Phase::Recovering {
            self.status.phase = Phase::Starting;
        }
    }

    /// Stays here until a person helped; the SIM is looked at again at every poll.
    fn stuck(&mut self, phase: Phase, detail: &'static str) {
        if self.status.detail.as_deref() != Some(detail) {
            tracing::warn!(modem.name = %self.settings.name, "the modem cannot be used: {detail}");
        }
        self.status.phase = phase;
        self.status.detail = Some(detail.to_owned());
        self.is_initialised = false;
        self.steps.clear();
    }
}
