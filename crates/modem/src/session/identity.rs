//! Whether this is the device, and the SIM, that the modem is to be: known before a PIN is entered and before anything is sent.

use super::{Action, Session, State, Step};
use crate::status::Phase;
use crate::wanted::Wanted;

/// Whether a SIM was asked who it is since it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenCard {
    NotAsked,
    Asked,
}

impl Session {
    /// Looks whether the device is the wanted one, once it was asked.
    pub(super) fn check_device(&mut self) {
        let Some(wanted) = &self.settings.wanted.imei else { return };
        match &self.status.identity.imei {
            Some(told) if told == wanted.expose() => {}
            Some(_) => self.leave("it is another device"),
            None => self.leave("it does not tell its imei, by which it is to be known"),
        }
    }

    /// Looks whether a SIM that has told its number is another one.
    pub(super) fn check_told_card(&mut self) {
        let (wanted, told) = (&self.settings.wanted.iccid, &self.status.identity.iccid);
        if let (Some(wanted), Some(told)) = (wanted, told)
            && !wanted.is_told_by(told)
        {
            self.leave("it has another sim");
        }
    }

    /// Answers whether a SIM that asks for its PIN may be the wanted one. Some tell who they are only when they are open: then the
    /// device must be known.
    pub(super) fn may_be_wanted_card(&mut self) -> bool {
        self.open_card = OpenCard::NotAsked;
        let wanted = &self.settings.wanted;
        if wanted.iccid.is_some() && wanted.imei.is_none() && self.status.identity.iccid.is_none() {
            self.leave("its sim does not tell its iccid before its pin");
        }
        !matches!(self.state, State::Over)
    }

    /// Answers whether the open SIM is the wanted one; asks it where it has not told yet.
    pub(super) fn is_wanted_card_open(&mut self) -> bool {
        if self.settings.wanted.iccid.is_some() && self.status.identity.iccid.is_none() {
            if self.open_card == OpenCard::Asked {
                self.leave("its sim does not tell its iccid");
            } else {
                self.open_card = OpenCard::Asked;
                self.steps.push_front(Step::PinState);
                self.steps.push_front(Step::Card(self.profile.card));
                return false;
            }
        }
        !matches!(self.state, State::Over)
    }

    /// The questions that come before everything else where somebody in particular is wanted.
    pub(super) fn questions_of_identity(wanted: &Wanted) -> Option<Step> {
        wanted.imei.is_some().then_some(Step::Imei)
    }

    /// Lets the line go: whoever is there is not this modem.
    fn leave(&mut self, why: &'static str) {
        tracing::warn!(modem.name = %self.settings.name, "this is not {}: {why}", self.settings.wanted);
        self.fail_submission(why);
        self.fail_question(why);
        self.steps.clear();
        self.status.phase = Phase::WrongDevice;
        self.status.detail = Some(why.to_owned());
        self.state = State::Over;
        self.actions.push_back(Action::Reopen);
    }
}
