//! Registration in the network, and whether a modem can send.
//!
//! Circuit-switched and LTE registration are followed apart: on LTE only modems the first may stay idle while SMS work.
//! A modem that answers both questions and says nothing of a registration is not kept from sending: that will tell.

use std::time::{Duration, Instant};

use gsm::at::{self, Domain};

use super::step::Step;
use super::{Lines, Outcome, Session};
use crate::profile::Lte;
use crate::status::{Phase, Registration};

/// Pause between looks at a modem that is not registered.
const UNREGISTERED_POLL: Duration = Duration::from_secs(3);

/// What each network said last.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Registrations {
    circuit: Registration,
    /// Only as heard since the circuit-switched side was lost, so that it cannot be stale.
    evolved: Registration,
    /// Whether the modem has answered the question, in whatever way.
    is_asked: bool,
    /// Whether it has ever said anything.
    is_told: bool,
}

impl Registrations {
    fn note(&mut self, registration: at::Registration) {
        self.is_told = true;
        let status = Registration::from(registration.status);
        match registration.domain {
            Domain::Circuit => self.circuit = status,
            Domain::Evolved => self.evolved = status,
            Domain::Packet => {}
        }
        if self.circuit.is_registered() {
            self.evolved = Registration::default();
        }
    }

    fn best(self) -> Registration {
        match self {
            Self { is_asked: true, is_told: false, .. } => Registration::Unknown,
            Self { evolved, .. } if evolved.is_registered() => evolved,
            Self { circuit, .. } => circuit,
        }
    }

    /// Answers whether a message may be tried.
    fn may_send(self) -> bool {
        self.best().is_registered() || (self.is_asked && !self.is_told)
    }
}

impl Session {
    /// Takes the answer to `AT+CREG?`; one that did not come changes nothing.
    pub(super) fn registration_answered(&mut self, lines: &Lines, outcome: Outcome, now: Instant) {
        let is_told = self.note_registration(lines);
        self.registrations.is_asked |= outcome != Outcome::TimedOut;
        if self.registrations.circuit.is_registered() || self.profile.lte == Lte::No {
            self.registration_is_known(is_told, now);
        } else {
            self.steps.push_front(Step::RegistrationEps);
        }
    }

    /// Takes the answer to `AT+CEREG?`; one that did not come changes nothing.
    pub(super) fn registration_eps_answered(&mut self, lines: &Lines, now: Instant) {
        let is_told = self.note_registration(lines);
        self.registration_is_known(is_told, now);
    }

    fn note_registration(&mut self, lines: &Lines) -> bool {
        let told = lines.iter().find_map(|line| at::Registration::parse_answer(line));
        if let Some(registration) = told {
            self.registrations.note(registration);
        }
        told.is_some()
    }

    fn registration_is_known(&mut self, is_told: bool, now: Instant) {
        self.status.registration = self.registrations.best();
        self.is_initialised = true;
        if is_told {
            self.losses = 0;
        }
        self.next_poll = now + self.settings.poll_interval;
        if !self.registrations.may_send() {
            self.next_poll = self.next_poll.min(now + UNREGISTERED_POLL);
        }
        self.settle_phase();
    }

    /// Takes what came unasked.
    pub(super) fn registration_changed(&mut self, registration: at::Registration, now: Instant) {
        self.registrations.note(registration);
        self.status.registration = self.registrations.best();
        if !self.status.registration.is_registered() {
            self.next_poll = self.next_poll.min(now + UNREGISTERED_POLL);
        }
        if self.is_initialised && matches!(self.status.phase, Phase::Ready | Phase::NotRegistered) {
            self.settle_phase();
        }
    }

    /// Says whether an initialised modem can send.
    pub(super) fn settle_phase(&mut self) {
        if !self.is_in_pdu_mode {
            self.add_step(Step::PduMode);
            return;
        }
        let may_send = self.registrations.may_send();
        let phase = if may_send { Phase::Ready } else { Phase::NotRegistered };
        if self.status.phase != phase {
            self.status.phase = phase;
            self.status.detail = (!may_send).then(|| "not registered in a network".to_owned());
        }
    }
}
