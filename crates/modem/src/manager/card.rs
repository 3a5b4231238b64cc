//! The PIN of a SIM that ModemManager has: entered once, by the rules of [`crate::PinMemory`].

use super::bus::CallError;
use super::seen::Seen;
use super::{LONG_PATIENCE, Manager, Serving, refusal};
use crate::pin::{PIN_TRIES_NEEDED, Tried};
use crate::status::Phase;

/// The interface of a SIM.
const SIM: &str = "org.freedesktop.ModemManager1.Sim";

impl Serving {
    /// Reads who the SIM is.
    pub(super) async fn read_card(&mut self, seen: &mut Seen) {
        let Some(path) = seen.sim.clone() else { return };
        let Ok(properties) = self.properties(&path, SIM).await else { return };
        let digits = |name: &str| {
            let text = properties.text(name)?;
            text.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| text.to_owned())
        };
        seen.identity.imsi = digits("Imsi");
        seen.identity.iccid = digits("SimIdentifier");
        if let Some(iccid) = &seen.identity.iccid {
            self.card.clone_from(iccid);
        }
    }
}

impl Manager {
    /// Notes that the SIM is open, if a PIN had been given to it.
    pub(super) fn note_open(&self, serving: &Serving) {
        if let Err(error) = self.settings.pin_memory.note_open(&serving.card) {
            tracing::warn!(modem.name = %self.settings.name, error = %error, "that the pin was right is not kept");
        }
    }

    /// Gives the SIM its PIN, if that may be done.
    pub(super) async fn open_card(&self, serving: &mut Serving, seen: &Seen) {
        let memory = &self.settings.pin_memory;
        let Some(pin) = &self.settings.sim_pin else {
            return self.stuck(Phase::PinNeeded, "the card asks for its pin and none is configured");
        };
        if !memory.may_enter(&serving.card) {
            return self.stuck(Phase::PinRefused, "the pin was entered once and did not open the card");
        }
        match seen.pin_tries_left {
            Some(tries) if tries < PIN_TRIES_NEEDED => {
                return self.stuck(Phase::PinRefused, "too few pin tries are left to enter it without a person");
            }
            None if !memory.may_enter_blindly(&serving.card) => {
                return self.stuck(Phase::PinRefused, "the modem does not tell the tries left, nor who its card is");
            }
            Some(_) | None => {}
        }
        let Some(sim) = &seen.sim else {
            return self.stuck(Phase::PinNeeded, "ModemManager does not tell which card asks for its pin");
        };
        // Remembered before it is made, so that it is not made again if its answer is lost.
        if let Err(error) = memory.note(&serving.card, Tried::Unproven) {
            tracing::error!(modem.name = %self.settings.name, error = %error, "the pin entry cannot be remembered");
            return self.stuck(Phase::PinNeeded, "the pin is not entered because that could not be remembered");
        }
        match serving.bus.call(sim, (SIM, "SendPin"), &pin.expose(), LONG_PATIENCE).await {
            Ok(_) => {}
            Err(error) if refusal::is_wrong_pin(&error) => {
                if let Err(error) = memory.note(&serving.card, Tried::Refused) {
                    // What is kept says that it was given, which keeps it from being given again as well.
                    tracing::warn!(modem.name = %self.settings.name, error = %error, "the refusal is not kept");
                }
                tracing::error!(modem.name = %self.settings.name, "the card refused its pin; it is not tried again");
                self.stuck(Phase::PinRefused, "the card refused its pin");
            }
            Err(error) => self.pin_unclear(&error),
        }
    }

    /// The entry stays unproven and is not made again; a card that opened after all is seen to be open.
    fn pin_unclear(&self, error: &CallError) {
        tracing::warn!(modem.name = %self.settings.name, error = %error, "what became of the pin is not known");
        self.stuck(
            Phase::PinRefused,
            "the pin was entered, and what became of it is not known; it is not entered again",
        );
    }

    fn stuck(&self, phase: Phase, detail: &str) {
        self.status.send_if_modified(|status| {
            let is_other = status.phase != phase || status.detail.as_deref() != Some(detail);
            status.phase = phase;
            status.detail = Some(detail.to_owned());
            is_other
        });
    }
}
