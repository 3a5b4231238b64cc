//! What a modem that answers fails to do, and since when: be in a network, take messages.
//!
//! Only tells ([`Action::Unwell`]); what follows is the ladder's, which the actor climbs.

use std::time::Instant;

use gsm::ErrorCode;

use super::{Action, Session, State};
use crate::heal::Trouble;
use crate::status::Phase;
use crate::submission::{SendError, Sent, is_speechless};

/// So many refusals on end, at least, make a modem one that refuses every message.
const REFUSALS: u32 = 5;

/// How long the modem has answered and not done its work.
#[derive(Debug, Default)]
pub(super) struct Health {
    offline_since: Option<Instant>,
    /// Refusals on end, and when the first was seen.
    refusals: u32,
    refusing_since: Option<Instant>,
}

impl Session {
    /// Takes note of how a submission ended; what a message or its network is refused for says nothing about the modem.
    pub(super) fn note_outcome(&mut self, result: &Result<Sent, SendError>) {
        match result {
            Ok(_) => (self.health.refusals, self.health.refusing_since) = (0, None),
            Err(SendError::NotSent { code, detail, .. }) => {
                // 3GPP TS 27.005 §3.2.5: ME failure, operation not allowed, no network service, unknown error.
                let is_of_the_modem = match code {
                    Some(code) => matches!(code, ErrorCode::Cms(300 | 302 | 331 | 500)),
                    None => is_speechless(detail),
                };
                if is_of_the_modem {
                    self.health.refusals = self.health.refusals.saturating_add(1);
                }
            }
            Err(SendError::Refused | SendError::Unknown { .. }) => {}
        }
    }

    /// Looks at what has lasted too long; called at every regular look.
    pub(super) fn look_at_health(&mut self, now: Instant) {
        let limit = self.settings.timeouts.offline;
        match self.status.phase {
            Phase::NotRegistered | Phase::SimMissing | Phase::Starting => {
                let since = *self.health.offline_since.get_or_insert(now);
                if since + limit <= now {
                    self.actions.push_back(Action::Unwell(Trouble::Offline));
                }
            }
            // Only a person can help where a PIN is missing.
            Phase::Closed
            | Phase::Ready
            | Phase::PinNeeded
            | Phase::PinRefused
            | Phase::PukNeeded
            | Phase::Recovering
            | Phase::WrongDevice
            | Phase::Silent => self.health.offline_since = None,
        }
        if self.health.refusals > 0 {
            let since = *self.health.refusing_since.get_or_insert(now);
            if self.health.refusals >= REFUSALS && since + limit <= now {
                self.actions.push_back(Action::Unwell(Trouble::Refusing));
            }
        }
    }

    /// Says nothing more: the line is to be opened again.
    pub(super) fn give_up(&mut self, why: &'static str) {
        self.fail_submission(why);
        self.fail_question(why);
        self.status.phase = Phase::Silent;
        self.status.detail = Some(why.to_owned());
        self.state = State::Over;
        self.actions.push_back(Action::Reopen);
    }
}
