//! What lies in the storage: reports and inbound messages that came while nobody listened, or that nobody could take.
//!
//! Never: deleting; a message stays until somebody who took it says so.

use std::time::{Duration, Instant};

use gsm::MessageType;
use gsm::at::ListedMessage;

use super::step::Step;
use super::{Lines, Session, urc};
use crate::event::Place;

/// Storages that are looked through beside the modem's own choice.
const MOST_STORAGES: usize = 3;

/// Time between two listings.
const LISTING_INTERVAL: Duration = Duration::from_secs(300);

/// So many steps about stored messages may wait while there is something to send; and so many go before one message, which is twice as
/// many as its own report needs.
const PILE: usize = 4;
const MOST_AHEAD: u8 = 4;

impl Session {
    /// Reads or deletes a stored message before the next message goes out, if too many wait: else a modem that always has something to
    /// send would never come to it, and its storage would fill up. True when something was asked.
    pub(super) fn reads_what_piled_up(&mut self, now: Instant) -> bool {
        let of_messages = self.steps.iter().filter(|step| step.is_about_a_message()).count();
        let next = self.steps.iter().position(Step::is_about_a_message);
        let may = of_messages >= PILE && self.read_ahead < MOST_AHEAD;
        self.read_ahead = self.read_ahead.saturating_add(u8::from(may));
        let step = next.filter(|_| may).and_then(|index| self.steps.remove(index));
        step.map(|step| self.ask(step, now)).is_some()
    }

    /// The storage that must be chosen for a step: messages are announced in one, and reports may be in another (`SR`).
    pub(super) fn storage_of(&self, step: &Step) -> Option<String> {
        match step {
            Step::ReadReport(place) | Step::ReadInbound(place) | Step::Delete(place) => Some(place.storage.clone()),
            Step::List => self.home_storage.clone(),
            Step::ListIn(storage) => Some(storage.clone()),
            _ => None,
        }
    }

    /// Adds a look at everything that is stored.
    pub(super) fn add_listing(&mut self) {
        self.add_step(Step::List);
        for storage in self.other_storages.clone() {
            self.add_step(Step::ListIn(storage));
        }
    }

    /// Notes a storage in which a report was announced. What lies in one that was not known yet is looked for.
    pub(super) fn note_storage(&mut self, storage: &str) {
        let is_known = self.other_storages.iter().any(|known| known == storage);
        if !is_known && self.home_storage.as_deref() != Some(storage) && self.other_storages.len() < MOST_STORAGES {
            self.other_storages.push(storage.to_owned());
            self.add_step(Step::ListIn(storage.to_owned()));
        }
    }

    /// Takes the answer to `AT+CMGL=4`: hands on what was received (3GPP TS 27.005 §4.1).
    pub(super) fn listed(&mut self, lines: &Lines, now: Instant) {
        self.next_listing = now + LISTING_INTERVAL;
        // Without its name nothing could ever be deleted there.
        let Some(storage) = self.storage.clone() else { return };
        self.listed.clear();
        let mut announced = None;
        for line in lines {
            if let Some(message) = ListedMessage::parse(line) {
                announced = Some(message);
            } else if let Some(message) = announced.take()
                // 2 and 3 were written by ourselves or a person, to be sent.
                && message.status <= 1
            {
                let place = Place { card: self.card.clone(), storage: storage.clone(), index: message.index };
                if !self.is_waiting(&place) {
                    self.listed.push(place.clone());
                    self.stored_message(line.trim(), message.tpdu_length, place);
                }
            }
        }
    }

    /// Answers whether a message is about to be read or deleted anyway.
    fn is_waiting(&self, place: &Place) -> bool {
        self.steps.iter().any(|step| {
            matches!(step, Step::ReadReport(waiting) | Step::ReadInbound(waiting) | Step::Delete(waiting) if waiting == place)
        })
    }

    fn stored_message(&mut self, hex: &str, tpdu_length: usize, place: Place) {
        let kind = urc::pdu(hex, Some(tpdu_length)).ok().and_then(|pdu| pdu.message_type());
        if kind == Some(MessageType::StatusReport) {
            self.report(hex, Some(tpdu_length), Some(place));
        } else {
            self.inbound(hex, Some(tpdu_length), Some(place));
        }
    }
}
