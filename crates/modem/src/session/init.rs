//! From the first answer to a modem that can send, and the regular look at it afterwards.
//!
//! Decides what follows from each answer; everything optional that a modem refuses is left out. PDU mode is not optional.

use std::time::{Duration, Instant};

use gsm::at::{self, Operator, ReadMessage, SignalQuality, StorageUse};
use gsm::{ErrorCode, FinalResult};

use super::step::Step;
use super::{Echo, Exchange, Lines, Outcome, Session, urc};
use crate::profile::{Lte, Profile, others};
use crate::status::Phase;

/// Pause while the SIM is busy.
pub(super) const CARD_BUSY_PAUSE: Duration = Duration::from_secs(1);
/// How often a busy SIM is asked before it counts as missing.
pub(super) const CARD_BUSY_TRIES: u32 = 30;
/// How often what is not allowed (yet) is tried again.
const NOT_ALLOWED_TRIES: u32 = 15;
/// Who the modem is; the last of them is answered, or not, when all were asked.
const IDENTITY: [Step; 3] = [Step::Manufacturer, Step::Model, Step::Revision];

/// How far it is known who the modem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acquaintance {
    /// It is asked first of all.
    None,
    /// It was asked and did not say, perhaps because its card is locked.
    Refused,
    /// It is asked once more, with its card open.
    AskedAgain,
    /// It said, or never will.
    Made,
}

impl Session {
    /// Adds what is to be said once the conversation is in step: everything at the start, the essentials later.
    pub(super) fn add_steps_in_step(&mut self) {
        let is_pin_state_fresh = std::mem::take(&mut self.is_pin_state_fresh);
        let mut begin = vec![Step::EchoOff, Step::Verbose, Step::NumericErrors];
        if self.is_initialised {
            begin.extend((!is_pin_state_fresh).then_some(Step::PinState));
            begin.push(Step::PduMode);
        } else if self.steps.is_empty() && !is_pin_state_fresh {
            // Who it is comes first: it says how the card is asked.
            begin.extend(IDENTITY);
        }
        if !self.is_initialised
            && let Some(question) = Self::questions_of_identity(&self.settings.wanted)
        {
            begin.insert(begin.len().min(3), question);
        }
        // What was not reached after the last loss is not said twice.
        self.steps.retain(|step| !begin.contains(step));
        for step in begin.into_iter().rev() {
            self.steps.push_front(step);
        }
    }

    /// Takes the last answer about who the modem is: chooses how to speak to it, and goes on.
    fn identified(&mut self) {
        let profile = self.settings.profile.unwrap_or_else(|| Profile::of(&self.status.identity));
        if self.status.profile != profile.name {
            tracing::info!(modem.name = %self.settings.name, modem.profile = profile.name, "the modem's ways are chosen");
        }
        self.profile = profile;
        self.status.profile = profile.name;
        let identity = &self.status.identity;
        let is_told = identity.manufacturer.is_some() || identity.model.is_some() || identity.revision.is_some();
        if self.acquaintance == Acquaintance::AskedAgain {
            self.acquaintance = Acquaintance::Made;
            self.add_initialisation();
        } else {
            self.acquaintance = if is_told { Acquaintance::Made } else { Acquaintance::Refused };
            self.steps.push_front(Step::PinState);
            self.steps.push_front(Step::Card(profile.card));
        }
        for command in profile.quieting.iter().rev() {
            self.steps.push_front(Step::Quieting(command));
        }
    }

    /// Begins what is said to an open SIM. A modem that told nobody who it is while its card was locked is asked first.
    pub(super) fn begin_initialisation(&mut self) {
        if self.acquaintance == Acquaintance::Made {
            self.add_initialisation();
        } else {
            self.acquaintance = Acquaintance::AskedAgain;
            self.steps.retain(Step::is_about_a_message);
            IDENTITY.into_iter().rev().for_each(|step| self.steps.push_front(step));
        }
    }

    fn add_initialisation(&mut self) {
        let found: Vec<Step> = self.steps.drain(..).filter(Step::is_about_a_message).collect();
        let routings = self.profile.routings(self.settings.delivery_reports);
        self.steps.extend([
            Step::Charset,
            Step::PduMode,
            Step::Service,
            Step::Routing(routings),
            Step::RegistrationUrc,
        ]);
        if self.profile.lte == Lte::Yes {
            self.steps.push_back(Step::RegistrationEpsUrc);
        }
        if self.settings.sms_center.is_some() {
            self.steps.push_back(Step::SetServiceCenter);
        }
        self.steps.extend([Step::ServiceCenter, Step::Storage, Step::Imei, Step::Imsi]);
        if self.status.identity.iccid.is_none() {
            self.steps.push_back(Step::Card(self.profile.card));
        }
        self.steps.extend([Step::Signal, Step::Operator, Step::Registration]);
        self.steps.extend(found);
    }

    /// Adds the regular look at the modem.
    pub(super) fn add_poll(&mut self, now: Instant) {
        self.next_poll = now + self.settings.poll_interval;
        self.look_at_health(now);
        self.listing.found.clear();
        match self.status.phase {
            Phase::Ready | Phase::NotRegistered => {
                self.steps.extend([Step::Signal, Step::Operator, Step::Registration]);
                if self.listing.next <= now {
                    self.add_listing(now);
                }
            }
            Phase::Silent | Phase::Closed => {}
            _ => {
                // Another SIM may have been put in.
                if self.settings.wanted.iccid.is_some() {
                    self.steps.push_back(Step::Card(self.profile.card));
                }
                self.steps.push_back(Step::PinState);
            }
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
            Step::Card(ways) => self.card_answered(ways, &lines, outcome),
            Step::PinState => self.pin_state_answered(&lines, outcome, now),
            Step::PinTries(ways) => self.pin_tries_answered(ways, &lines),
            Step::EnterPin => self.pin_answered(outcome),
            Step::PduMode => self.pdu_mode_answered(outcome),
            Step::Service => self.service_answered(outcome),
            Step::ServiceState => self.service_state_answered(&lines),
            Step::Routing(ways) => self.routing_answered(ways, outcome),
            Step::ServiceCenter => self.service_center_answered(&lines),
            Step::Storage => self.storage_answered(&lines, now),
            Step::SelectStorage(_) => self.storage_selected(outcome),
            Step::Manufacturer => self.status.identity.manufacturer = text(&lines, "+CGMI"),
            Step::Model => self.status.identity.model = text(&lines, "+CGMM"),
            Step::Revision => {
                self.status.identity.revision = text(&lines, "+CGMR");
                self.identified();
            }
            Step::Imei if outcome == Outcome::TimedOut && self.settings.wanted.imei.is_some() => {
                self.steps.push_front(Step::Imei);
            }
            Step::Imei => {
                self.status.identity.imei = first(&lines, at::imei).map(str::to_owned);
                self.check_device();
            }
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
            Step::List(storage) => self.listed(storage, &lines, now),
            Step::KeepLink => self.keep_link_answered(outcome, now),
            Step::ReleaseLink => self.release_link_answered(outcome),
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
            | Step::Quieting(_)
            | Step::RegistrationEpsUrc
            | Step::Acknowledge(_)
            | Step::Charset
            | Step::RegistrationUrc
            | Step::SetServiceCenter
            | Step::EndUssd
            | Step::Delete(_) => self.note_refusal(&step, outcome),
        }
    }

    /// Answers whether a setting was refused only because the SIM is still being read, as for seconds after a boot.
    fn must_wait_for_card(&self, step: &Step, outcome: Outcome) -> bool {
        let is_setting = match step {
            Step::Card(_)
            | Step::PinState
            | Step::PinTries(_)
            | Step::EnterPin
            | Step::Quieting(_)
            | Step::Acknowledge(_) => false,
            // Before the card is open a refusal may last until then.
            Step::Manufacturer | Step::Model | Step::Revision => self.acquaintance == Acquaintance::AskedAgain,
            _ => true,
        };
        let tries = match outcome {
            Outcome::Final(FinalResult::Cme(ErrorCode::Cme(14 | 515)) | FinalResult::Cms(ErrorCode::Cms(314))) => {
                CARD_BUSY_TRIES
            }
            // What the modem wants instead is asked at once, which says all there is to know.
            Outcome::Final(FinalResult::Cme(ErrorCode::Cme(3)) | FinalResult::Cms(ErrorCode::Cms(302)))
                if *step == Step::Service && self.profile.acknowledge.is_some() =>
            {
                0
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

    /// Takes the answer to `AT+CSMS=0`: a modem that refuses it may want everything direct to be acknowledged, and keep
    /// the next ones back until it is (3GPP TS 27.005 §3.2.1).
    fn service_answered(&mut self, outcome: Outcome) {
        self.acknowledge = None;
        if !outcome.is_ok() && self.profile.acknowledge.is_some() {
            self.steps.push_front(Step::ServiceState);
        }
    }

    fn service_state_answered(&mut self, lines: &Lines) {
        let service = first(lines, |line| at::answer(line, "+CSMS"));
        let is_acknowledged = service.is_some_and(|service| service.starts_with('1'));
        self.acknowledge = self.profile.acknowledge.filter(|_| is_acknowledged);
    }

    fn routing_answered(&mut self, ways: &'static [&'static str], outcome: Outcome) {
        if outcome.is_ok() {
            self.status.message_routing = ways.first().copied();
        } else if let Some(others) = others(ways) {
            self.steps.push_front(Step::Routing(others));
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
        self.forget_initialisation();
        if self.status.phase != Phase::Recovering {
            self.status.phase = Phase::Starting;
        }
    }

    /// Forgets what the modem was told, and who it is if it was told everything: it may be another one by now.
    pub(super) fn forget_initialisation(&mut self) {
        if std::mem::take(&mut self.is_initialised) {
            self.acquaintance = Acquaintance::None;
        }
        self.is_in_pdu_mode = false;
        self.forget_link();
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

    fn storage_answered(&mut self, lines: &Lines, now: Instant) {
        let uses =
            first(lines, |line| Some(StorageUse::parse_all(line)).filter(|uses| !uses.is_empty())).unwrap_or_default();
        self.storage = uses.first().and_then(|storage| urc::storage_name(storage.name.clone()?));
        self.storages_told(&uses, now);
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
