//! What lies in the storage: reports and inbound messages that came while nobody listened, or that nobody could take.
//!
//! Never: deleting; a message stays until somebody who took it says so.

use std::time::{Duration, Instant};

use gsm::MessageType;
use gsm::at::ListedMessage;

use super::step::Step;
use super::{Lines, Session, urc};
use crate::event::Place;

/// Time between two listings.
const LISTING_INTERVAL: Duration = Duration::from_secs(300);

impl Session {
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
