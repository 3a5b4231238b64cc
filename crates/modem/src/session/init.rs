//! From the first answer to a modem that can send, and the regular look at it afterwards.
//!
//! Decides what follows from each answer; everything optional that a modem refuses is left out. PDU mode is not optional.

use std::time::{Duration, Instant};

use gsm::at::{self, Operator, ReadMessage, SignalQuality, StorageUse};
use gsm::{ErrorCode, FinalResult};

use super::quirks::routings;
use super::step::Step;
use super::{Echo, Exchange, Lines, Outcome, Session, urc};
use crate::status::Phase;

/// Pause while the SIM is busy.
pub(super) const CARD_BUSY_PAUSE: Duration = Duration::from_secs(1);
/// How often a busy SIM is asked before it counts as missing.
pub(super) const CARD_BUSY_TRIES: u32 = 30;
/// How often what is not allowed (yet) is tried again.
const NOT_ALLOWED_TRIES: u32 = 15;

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
    pub(super) fn add_initialisation(&mut self) {
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
        self.steps.push_back(Step::List);
    }

    /// Adds the regular look at the modem.
    pub(super) fn add_poll(&mut self, now: Instant) {
        self.next_poll = now + self.settings.poll_interval;
        self.listed.clear();
        match self.status.phase {
            Phase::Ready | Phase::NotRegistered => {
                self.steps.extend([Step::Signal, Step::Operator, Step::Registration]);
                if self.next_listing <= now {
                    self.steps.push_back(Step::List);
                }
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
            Step::ServiceCenter => self.service_center_answered(&lines),
            Step::Storage => self.storage_answered(&lines),
            Step::SelectStorage(_) => self.storage_selected(outcome),
            Step::Manufacturer => self.status.identity.manufacturer = text(&lines, "+CGMI"),
            Step::Model => self.status.identity.model = text(&lines, "+CGMM"),
            Step::Revision => self.status.identity.revision = text(&lines, "+CGMR"),
            Step::Imei => self.status.identity.imei = first(&lines, at::imei).map(str::to_owned),
            Step::Imsi => self.status.identity.imsi = first(&lines, at::imsi).map(str::to_owned),
            Step::Signal => {
                let signal = first(&lines, SignalQuality::parse);
                self.status.rssi = signal.and_then(|signal| signal.rssi);
                self.status.signal_dbm = signal.and_then(SignalQuality::dbm);
            }
            Step::Operator => {
                self.status.operator =
                    first(&lines, Operator::parse).and_then(|it| it.name).map(|name| printable(&name));
            }
            Step::Registration => self.registration_answered(&lines, outcome, now),
            Step::RegistrationEps => self.registration_eps_answered(&lines, now),
            Step::List => self.listed(&lines, now),
            Step::ReadReport(place) => {
                if let Some(hex) = lines.iter().find(|line| urc::is_pdu(line)) {
                    self.report(hex, first(&lines, ReadMessage::parse).map(|message| message.tpdu_length), Some(place));
                }
            }
            Step::ReadInbound(place) => {
                if let Some(hex) = lines.iter().find(|line| urc::is_pdu(line)) {
                    self.inbound(
                        hex,
                        first(&lines, ReadMessage::parse).map(|message| message.tpdu_length),
                        Some(place),
                    );
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
            | Step::EndUssd
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
    pub(super) fn stuck(&mut self, phase: Phase, detail: &'static str) {
        if self.status.detail.as_deref() != Some(detail) {
            tracing::warn!(modem.name = %self.settings.name, "the modem cannot be used: {detail}");
        }
        self.status.phase = phase;
        self.status.detail = Some(detail.to_owned());
        self.is_initialised = false;
        self.steps.clear();
    }

    fn service_center_answered(&mut self, lines: &Lines) {
        if let Some(address) = first(lines, at::service_center) {
            let plus = if address.is_international() { "+" } else { "" };
            self.status.smsc = Some(format!("{plus}{}", printable(address.expose())));
        }
    }

    fn storage_answered(&mut self, lines: &Lines) {
        self.storage = first(lines, StorageUse::parse).and_then(|storage| urc::storage_name(storage.name?));
    }
}

/// Reads the first line that can be read so.
fn first<'a, T>(lines: &'a Lines, read: impl Fn(&'a str) -> Option<T>) -> Option<T> {
    lines.iter().find_map(|line| read(line))
}

/// Reads a free text of one or more lines.
pub(crate) fn text(lines: &Lines, name: &str) -> Option<String> {
    let parts: Vec<String> = lines.iter().map(|line| printable(at::text_answer(line, name))).collect();
    let text = parts.join(" ").trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// Keeps what can be shown of a text from the line, at most 64 characters.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(64).collect()
}
