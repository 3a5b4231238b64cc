//! What comes unasked (unsolicited result codes), at any time and inside any answer.

use std::time::Instant;

use gsm::{Pdu, StatusReport};

use super::step::Step;
use super::{Action, Session, State, answers};
use crate::event::Place;
use crate::status::{Phase, Registration};

/// A PDU that the next line carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AwaitedPdu {
    kind: AwaitedKind,
    /// Octets of the TPDU as the modem said, which tells whether a service centre address is in front.
    length: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AwaitedKind {
    /// After `+CDS:`.
    Report,
    /// After `+CMT:`; the modem keeps no copy.
    Inbound,
}

/// Lines without prefix that modems say when they boot or fail.
const WORDS: [&str; 14] = [
    "RDY",
    "APP RDY",
    "Call Ready",
    "SMS Ready",
    "PB DONE",
    "SMS DONE",
    "RING",
    "NO CARRIER",
    "BUSY",
    "NORMAL POWER DOWN",
    "UNDER-VOLTAGE WARNNING",
    "UNDER-VOLTAGE POWER DOWN",
    "OVER-VOLTAGE WARNNING",
    "OVER-VOLTAGE POWER DOWN",
];

/// Answers whether a line is a URC rather than the text of an answer.
pub(super) fn is_known(line: &str) -> bool {
    WORDS.contains(&line) || (line.starts_with(['+', '^', '*']) && line.contains(':'))
}

impl Session {
    pub(super) fn urc(&mut self, line: &str, now: Instant) {
        let prefix = line.split_once(':').map_or(line, |(prefix, _)| prefix);
        match prefix {
            "+CDS" => self.await_pdu(AwaitedKind::Report, line),
            "+CMT" => self.await_pdu(AwaitedKind::Inbound, line),
            "+CMTI" => self.stored(line, Step::ReadInbound),
            "+CDSI" => self.stored(line, Step::ReadReport),
            "+CREG" | "+CEREG" => self.registration_changed(prefix, line, now),
            "RDY" | "APP RDY" | "^SYSSTART" => self.restarted(now),
            "Call Ready" | "SMS Ready" | "SMS DONE" => self.boot_finished(line, now),
            "+CPIN" if line.contains("NOT") => self.card_removed(now),
            "UNDER-VOLTAGE WARNNING"
            | "UNDER-VOLTAGE POWER DOWN"
            | "OVER-VOLTAGE WARNNING"
            | "OVER-VOLTAGE POWER DOWN"
            | "NORMAL POWER DOWN" => {
                tracing::warn!(modem.name = %self.settings.name, "the modem says {line}");
                self.status.detail = Some(line.to_owned());
            }
            _ => {}
        }
    }

    fn await_pdu(&mut self, kind: AwaitedKind, line: &str) {
        self.awaited_pdu = Some(AwaitedPdu { kind, length: answers::pdu_length(line) });
    }

    /// Takes the PDU line after `+CDS:` or `+CMT:`.
    pub(super) fn routed_pdu(&mut self, awaited: AwaitedPdu, line: &str) {
        match awaited.kind {
            AwaitedKind::Report => self.report(line, awaited.length, None),
            AwaitedKind::Inbound => self.inbound(line, awaited.length, None),
        }
    }

    pub(super) fn report(&mut self, hex: &str, length: Option<usize>, place: Option<Place>) {
        match pdu(hex, length).and_then(|pdu| StatusReport::decode_tpdu(pdu.tpdu())) {
            Ok(report) => self.actions.push_back(Action::Report(report, place)),
            Err(error) => {
                tracing::warn!(modem.name = %self.settings.name, "a delivery report is not understood: {error}");
            }
        }
    }

    pub(super) fn inbound(&mut self, hex: &str, length: Option<usize>, place: Option<Place>) {
        match pdu(hex, length) {
            Ok(pdu) => self.actions.push_back(Action::Inbound(pdu, place)),
            Err(error) => {
                tracing::warn!(modem.name = %self.settings.name, "an inbound message is not hexadecimal: {error}");
            }
        }
    }

    fn stored(&mut self, line: &str, read: fn(Place) -> Step) {
        if let Some((storage, index)) = answers::place(line) {
            self.add_step(read(Place { card: self.card.clone(), storage, index }));
        }
    }

    fn registration_changed(&mut self, prefix: &str, line: &str, now: Instant) {
        let registration = answers::registration_urc(line).map(Registration::from_stat);
        // A modem that is registered for calls may still say that it is not for packets.
        if let Some(registration) = registration.filter(|known| prefix == "+CREG" || known.is_registered()) {
            self.set_registration(registration, now);
        }
    }

    fn restarted(&mut self, now: Instant) {
        if !matches!(self.state, State::Recovering(_) | State::Over) || self.is_initialised {
            self.restart("the modem restarted", now);
        }
    }

    /// The last words of a boot: nothing new while initialising, the sign of a restart otherwise.
    fn boot_finished(&mut self, line: &str, now: Instant) {
        if self.status.phase == Phase::Starting {
            self.pause_until = None;
            let is_under_way = self.steps.contains(&Step::RegistrationUrc) || self.steps.contains(&Step::Registration);
            let is_waiting = self.steps.iter().any(|step| matches!(step, Step::Routing(_)));
            if line != "Call Ready" && is_under_way && !is_waiting && self.status.message_routing.is_none() {
                // What was refused so far may be taken now.
                self.add_step(Step::Routing(0));
            }
        } else if matches!(self.state, State::Idle | State::Asking(_)) && self.is_initialised {
            self.restart("the modem says that it has booted", now);
        }
    }

    fn card_removed(&mut self, now: Instant) {
        if self.is_initialised && !matches!(self.state, State::Recovering(_)) {
            self.restart("the card is not there", now);
        }
    }
}

fn pdu(hex: &str, length: Option<usize>) -> Result<Pdu, gsm::DecodeError> {
    length.map_or_else(|| Pdu::from_hex(hex), |length| Pdu::from_hex_with_length(hex, length))
}
