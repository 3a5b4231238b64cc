//! What lies in the storages: reports and inbound messages that came while nobody listened, or that nobody could take.
//!
//! Never: deleting; a message stays until somebody who took it says so.

use std::collections::BTreeMap;
use std::time::Instant;

use gsm::MessageType;
use gsm::at::{ListedMessage, StorageUse};

use super::step::Step;
use super::{Lines, Session, urc};
use crate::event::{Handed, Place};

/// Storages that are looked through; a modem has two that messages come to.
const STORAGES: usize = 4;
/// Places of which it is known what was handed on last; no modem has so many.
const PLACES: usize = 4_096;

/// Which storages are looked through, and when.
#[derive(Debug)]
pub(super) struct Listing {
    /// When they are looked through again.
    pub(super) next: Instant,
    /// Found by the last look; what announces them late announces nothing new.
    pub(super) found: Vec<Place>,
    /// Where messages are read from, where they are put, and what was announced besides.
    storages: Vec<String>,
    /// The storage that was said to be full, and whether messages were found in it since. More wait in the network then, so every
    /// regular look is one at it until nothing is found.
    full: Option<(String, bool)>,
    /// When the conversation began.
    began: Instant,
    /// What was handed on so far, and the last of each place that was not deleted since.
    counted: u64,
    handed: BTreeMap<(String, u16), u64>,
}

impl Listing {
    pub(super) fn due(now: Instant) -> Self {
        Self {
            next: now,
            found: Vec::new(),
            storages: Vec::new(),
            full: None,
            began: now,
            counted: 0,
            handed: BTreeMap::new(),
        }
    }

    /// Takes a storage among those that are looked through; answers whether it was not known before.
    pub(super) fn knows(&mut self, storage: &str) -> bool {
        let is_new = self.storages.len() < STORAGES && !self.storages.iter().any(|known| known == storage);
        if is_new {
            self.storages.push(storage.to_owned());
        }
        is_new
    }
}

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

    /// Notes that what lies at a place is handed on. Who took something that was handed on from there before does not mean this.
    pub(super) fn hand_on(&mut self, place: Place) -> Handed {
        let listing = &mut self.listing;
        if listing.handed.len() >= PLACES {
            // What was handed on comes again, with a new number.
            listing.handed.clear();
        }
        listing.counted += 1;
        listing.handed.insert((place.storage.clone(), place.index), listing.counted);
        Handed { place, session: listing.began, number: listing.counted }
    }

    /// Takes the word that what was handed on is safe elsewhere: it is deleted, if it can only be that which still lies there.
    pub(crate) fn delete(&mut self, handed: &Handed, now: Instant) {
        let Handed { place, session, number } = handed;
        let listing = &mut self.listing;
        let key = (place.storage.clone(), place.index);
        if self.card == place.card && *session == listing.began && listing.handed.get(&key) == Some(number) {
            listing.handed.remove(&key);
            listing.found.retain(|found| found != place);
            self.add_step(Step::Delete(place.clone()));
            self.pump(now);
        }
    }

    /// Has all storages looked through soon; asks which there are where that is not known.
    pub(super) fn add_listing(&mut self, now: Instant) {
        // Where nothing is announced, looking is all there is.
        let is_silent = self.status.message_routing.is_none();
        let pause = if is_silent { self.settings.poll_interval } else { self.settings.listing_interval };
        self.listing.next = now + pause;
        if self.listing.storages.is_empty() {
            self.add_step(Step::Storage);
        }
        for storage in self.listing.storages.clone() {
            self.add_step(Step::List(storage));
        }
    }

    /// Takes which storages there are: the first is read, the third is where messages are put (3GPP TS 27.005 §3.2.2).
    pub(super) fn storages_told(&mut self, uses: &[StorageUse], now: Instant) {
        for name in [0, 2].into_iter().filter_map(|place| uses.get(place)?.name.clone()).filter_map(urc::storage_name) {
            self.listing.knows(&name);
        }
        if !self.listing.storages.is_empty() {
            self.add_listing(now);
        }
    }

    /// Takes that no more messages fit: what is there is taken, so that they do.
    pub(super) fn storage_is_full(&mut self, line: &str, now: Instant) {
        tracing::info!(modem.name = %self.settings.name, "the storage of messages is full; it is looked through");
        // `^SMMEMFULL: "SM"` names it, `+CIEV: "SMSFULL",1` does not.
        let named = line.split('"').nth(1).and_then(|name| urc::storage_name(name.to_owned()));
        if let Some(name) = &named {
            self.listing.knows(name);
        }
        self.listing.full = named.or_else(|| self.listing.storages.last().cloned()).map(|name| (name, false));
        self.add_listing(now);
    }

    /// Takes the answer to `AT+CMGL=4`: hands on what was received (3GPP TS 27.005 §4.1).
    pub(super) fn listed(&mut self, storage: String, lines: &Lines, now: Instant) {
        // Without its name nothing could ever be deleted there.
        if self.storage.as_ref() != Some(&storage) {
            return;
        }
        self.listing.found.retain(|found| found.storage != storage);
        let (mut announced, mut is_any) = (None, false);
        for line in lines {
            if let Some(message) = ListedMessage::parse(line) {
                announced = Some(message);
            } else if let Some(message) = announced.take()
                // 2 and 3 were written by ourselves or a person, to be sent.
                && message.status <= 1
            {
                is_any = true;
                let place = Place { card: self.card.clone(), storage: storage.clone(), index: message.index };
                if !self.is_waiting(&place) {
                    self.listing.found.push(place.clone());
                    self.stored_message(line.trim(), message.tpdu_length, place);
                }
            }
        }
        self.look_again(&storage, is_any, now);
        if lines.len() >= Step::List(storage).lines_kept() {
            // There is more than was kept of the answer.
            self.listing.next = now;
        }
    }

    /// Decides whether a storage that was full is looked through again soon.
    fn look_again(&mut self, storage: &str, is_any: bool, now: Instant) {
        let Some((_, was_any)) = self.listing.full.take_if(|(full, _)| full == storage) else { return };
        if is_any {
            self.listing.full = Some((storage.to_owned(), true));
            self.listing.next = now;
        } else if !was_any {
            tracing::warn!(
                modem.name = %self.settings.name,
                "the storage of messages is full, and not of messages that came in: none can come until a person makes room"
            );
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
