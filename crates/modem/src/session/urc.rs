//! What comes unasked (unsolicited result codes), at any time and inside any answer.

use std::time::Instant;

use gsm::at::{BootEvent, Urc};
use gsm::{FinalResult, Pdu, StatusReport};

use super::step::Step;
use super::{Action, Session, State};
use crate::event::Place;
use crate::status::Phase;

/// A PDU that the next line carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AwaitedPdu {
    kind: AwaitedKind,
    /// Octets of the TPDU as the modem said, which tells whether a service centre address is in front.
    tpdu_length: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AwaitedKind {
    /// After `+CDS:`.
    Report,
    /// After `+CMT:`; the modem keeps no copy.
    Inbound,
}

/// Answers whether a line is a URC rather than the text of an answer; a name and a colon are taken for one.
pub(super) fn is_known(line: &str) -> bool {
    Urc::parse(line).is_some()
        || FinalResult::parse(line).is_some()
        || (line.starts_with(['+', '^', '*']) && line.contains(':'))
}

/// Answers whether a line is one PDU: hexadecimal digits in pairs.
pub(super) fn is_pdu(line: &str) -> bool {
    line.len() >= 4 && line.len().is_multiple_of(2) && line.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Takes a storage name only if it could never be anything else: it is written to the line again.
pub(super) fn storage_name(text: String) -> Option<String> {
    (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())).then_some(text)
}

impl Session {
    pub(super) fn urc(&mut self, line: &str, now: Instant) {
        let is_among = |lines: &[&str]| lines.contains(&line.trim());
        match Urc::parse(line) {
            _ if is_among(self.profile.started) => self.restarted(now),
            _ if is_among(self.profile.ready) => self.boot_finished(BootEvent::SmsReady, now),
            Some(Urc::DirectReport { tpdu_length }) => self.await_pdu(AwaitedKind::Report, tpdu_length),
            Some(Urc::DirectMessage { tpdu_length }) => self.await_pdu(AwaitedKind::Inbound, tpdu_length),
            Some(Urc::NewMessage { storage, index }) => self.stored(storage, index, Step::ReadInbound, now),
            Some(Urc::NewReport { storage, index }) => self.stored(storage, index, Step::ReadReport, now),
            Some(Urc::Registration(registration)) => self.registration_changed(registration, now),
            Some(Urc::Boot(BootEvent::Started)) => self.restarted(now),
            Some(Urc::Boot(event)) => self.boot_finished(event, now),
            Some(Urc::StorageFull) => self.storage_is_full(line, now),
            Some(Urc::Pin(state)) if !state.can_send() => self.card_removed(now),
            Some(Urc::Power(_)) => {
                tracing::warn!(modem.name = %self.settings.name, "the modem says {line}");
                self.status.detail = Some(line.to_owned());
            }
            _ => {}
        }
    }

    fn await_pdu(&mut self, kind: AwaitedKind, tpdu_length: usize) {
        self.awaited_pdu = Some(AwaitedPdu { kind, tpdu_length });
    }

    /// Takes the line after `+CDS:` or `+CMT:` if it is the PDU that was announced; other URCs may come in between.
    pub(super) fn takes_awaited_pdu(&mut self, line: &str) -> bool {
        let Some(AwaitedPdu { kind, tpdu_length }) = self.awaited_pdu else { return false };
        let hex = line.trim();
        let is_it = is_pdu(hex)
            && match kind {
                AwaitedKind::Report => read_report(hex, Some(tpdu_length)).is_ok(),
                AwaitedKind::Inbound => pdu(hex, Some(tpdu_length)).is_ok(),
            };
        if is_it || !is_known(line) {
            self.awaited_pdu = None;
        }
        if is_it && let Some(command) = self.acknowledge {
            self.steps.push_front(Step::Acknowledge(command));
        }
        match kind {
            _ if !is_it => {}
            AwaitedKind::Report => self.report(hex, Some(tpdu_length), None),
            AwaitedKind::Inbound => self.inbound(hex, Some(tpdu_length), None),
        }
        is_it
    }

    pub(super) fn report(&mut self, hex: &str, length: Option<usize>, place: Option<Place>) {
        match read_report(hex, length) {
            Ok(report) => {
                let handed = place.map(|place| self.hand_on(place));
                self.actions.push_back(Action::Report(report, handed));
            }
            Err(error) => {
                tracing::warn!(modem.name = %self.settings.name, "a delivery report is not understood: {error}");
                // It says nothing to anybody, and such reports would fill the storage.
                if let Some(place) = place {
                    self.add_step(Step::Delete(place));
                }
            }
        }
    }

    pub(super) fn inbound(&mut self, hex: &str, length: Option<usize>, place: Option<Place>) {
        // One whose service centre address does not fit is handed on all the same, without one: what it is, others may see.
        match pdu(hex, length).or_else(|_| pdu(hex, Some(hex.trim().len() / 2))) {
            Ok(pdu) => {
                let handed = place.map(|place| self.hand_on(place));
                self.actions.push_back(Action::Inbound(pdu, handed));
            }
            Err(error) => {
                tracing::warn!(modem.name = %self.settings.name, "an inbound message is not hexadecimal: {error}");
            }
        }
    }

    fn stored(&mut self, storage: String, index: u16, read: fn(Place) -> Step, now: Instant) {
        if let Some(storage) = storage_name(storage) {
            if !self.is_initialised {
                // Whose SIM it lies on is not known for certain: it is found when it is, and not twice under two names.
                self.listing.knows(&storage);
                self.listing.next = now;
                return;
            }
            let place = Place { card: self.card.clone(), storage, index };
            let is_new = self.listing.knows(&place.storage);
            let step = read(place.clone());
            let is_report = matches!(step, Step::ReadReport(_));
            if self.listing.found.contains(&place) {
                self.listing.found.retain(|found| *found != place);
            } else {
                self.add_step(step);
            }
            if is_report && is_new {
                // Reports may have a storage of their own; what lies there already is looked for.
                self.add_step(Step::List(place.storage));
            }
        }
    }

    fn restarted(&mut self, now: Instant) {
        if !matches!(self.state, State::Recovering(_) | State::Over) || self.is_initialised {
            self.restart("the modem restarted", now);
        }
    }

    /// The last words of a boot: nothing new while initialising, the sign of a restart otherwise.
    fn boot_finished(&mut self, event: BootEvent, now: Instant) {
        if self.status.phase == Phase::Starting {
            self.pause_until = None;
            let is_under_way = self.steps.contains(&Step::RegistrationUrc) || self.steps.contains(&Step::Registration);
            let is_waiting = self.steps.iter().any(|step| matches!(step, Step::Routing(_)));
            let routings = self.profile.routings(self.settings.delivery_reports);
            if event == BootEvent::SmsReady && is_under_way && !is_waiting && self.status.message_routing.is_none() {
                // What was refused so far may be taken now.
                self.add_step(Step::Routing(routings));
            }
        } else if matches!(self.state, State::Idle | State::Asking(_) | State::Questioned(_) | State::Ussd(_))
            && self.is_initialised
        {
            self.restart("the modem says that it has booted", now);
        }
    }

    fn card_removed(&mut self, now: Instant) {
        if self.is_initialised && !matches!(self.state, State::Recovering(_)) {
            self.restart("the card is not there", now);
        }
    }
}

/// Reads a report, also one whose length was told wrong: by the announced length, then as a PDU with a service centre address, then as
/// one without.
fn read_report(hex: &str, length: Option<usize>) -> Result<StatusReport, gsm::DecodeError> {
    let read = |length| pdu(hex, length).and_then(|pdu| StatusReport::decode_tpdu(pdu.tpdu()));
    read(length).or_else(|error| read(None).or_else(|_| read(Some(hex.len() / 2))).map_err(|_| error))
}

pub(super) fn pdu(hex: &str, length: Option<usize>) -> Result<Pdu, gsm::DecodeError> {
    length.map_or_else(|| Pdu::from_hex(hex), |length| Pdu::from_hex_with_length(hex, length))
}
