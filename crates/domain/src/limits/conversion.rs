//! How many of the codes that were sent are entered, and what follows when they are few.
//!
//! SMS pumping asks for codes to ranges of numbers whose traffic is paid for; nobody enters them. So codes to new receivers (those who have not
//! entered one lately) are judged by range, country, end user's address and API user. Where few are entered, new receivers
//! wait for a small quota; those who are known go on undisturbed. A code counts as not entered when a minute has passed
//! since it was sent; one that was never sent does not count at all, so that a dead modem alarms nobody.

use std::collections::VecDeque;
use std::time::Duration;

use super::book::{Book, Record, SAMPLES_KEPT};
use super::key::{LimitKey, SubjectKind};
use super::rate::Rate;
use super::rules::ConversionRules;
use super::windows::Windows;
use crate::clock::WallTime;

/// How long a user has to enter a code before it counts as not entered.
const GRACE: Duration = Duration::from_secs(60);
/// Of a code that waits for so long it is not known any more whether it was sent.
const LOST: Duration = Duration::from_secs(3_600);
/// New receivers are let in again after so many judged codes, if enough of them are entered.
const TRIAL: usize = 10;
/// Without anybody who wanted a code for so long, they are let in again too.
const QUIET: Duration = Duration::from_secs(24 * 60 * 60);
/// Of one range at most so many codes are looked at where a country or an API user is judged: one range under attack is the
/// range's own affair.
const OF_ONE_RANGE: usize = 5;
/// Codes that an API user's usual share is learned from before it counts.
const LEARNED_FROM: u32 = 200;
/// After so many, older codes count half.
const LEARNED_OF: u32 = 1_000;
/// Where a code stands.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum SampleState {
    /// Accepted.
    Waiting,
    /// Sent.
    Sent,
    /// Delivered.
    Delivered,
    /// Entered.
    Entered,
}

/// One code.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Sample {
    /// Its message, shortened.
    pub message: u32,
    /// Its range, shortened.
    pub range: u32,
    /// When it was accepted, then when it was sent.
    pub at: WallTime,
    /// Where it stands.
    pub state: SampleState,
}

/// New receivers are being held back.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Pressed {
    /// Since when.
    pub since: WallTime,
    /// When a new receiver last wanted a code.
    pub wanted_at: WallTime,
}

/// Codes to all receivers, known ones too.
#[derive(Copy, Clone, PartialEq, Eq, Default, Debug)]
pub struct Totals {
    /// Sent.
    pub sent: u32,
    /// Delivered, where the network reports it.
    pub delivered: u32,
    /// Entered.
    pub entered: u32,
}

/// An API user's usual share.
#[derive(Copy, Clone, PartialEq, Eq, Default, Debug)]
pub struct Learned {
    /// Since when it is learned.
    pub since: Option<WallTime>,
    /// Codes to new receivers that were sent.
    pub sent: u32,
    /// Of these, entered.
    pub entered: u32,
}

/// How a range, country, client or API user is judged.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Conversion {
    /// For people: a range with its last digits open, a country code, an address, a name.
    pub label: String,
    /// The newest codes to new receivers, oldest first.
    pub samples: VecDeque<Sample>,
    /// Some while new receivers are held back.
    pub pressed: Option<Pressed>,
    /// The codes that they got meanwhile.
    pub quota: Windows,
    /// All codes since the record was made.
    pub totals: Totals,
    /// Of an API user.
    pub learned: Learned,
}

/// What was noticed of a code.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Fact {
    /// It was handed to the network, or may have been.
    Sent,
    /// It has arrived.
    Delivered,
    /// It was entered.
    Entered,
    /// It was not sent and will not be.
    NotSent,
}

/// New receivers are held back from now on, or no longer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alarm {
    /// What is judged.
    pub kind: SubjectKind,
    /// Which, for people.
    pub label: String,
    /// True when it begins.
    pub is_pressed: bool,
    /// Codes looked at.
    pub sent: u32,
    /// Of these, entered.
    pub entered: u32,
}

/// How many codes are looked at, and what new receivers get while they are held back.
pub(super) fn profile(kind: SubjectKind) -> Option<(usize, Rate)> {
    const HOUR: Duration = Duration::from_secs(3_600);
    let (sample, count, period) = match kind {
        SubjectKind::Range => (50, 1, HOUR.saturating_mul(3)),
        SubjectKind::Client => (10, 1, QUIET),
        SubjectKind::Country => (200, 10, HOUR),
        SubjectKind::ApiUser => (200, 30, HOUR),
        SubjectKind::Receiver | SubjectKind::Prefix => return None,
    };
    Rate::new(count, period).map(|rate| (sample, rate))
}

impl Learned {
    /// Answers below which share too few codes are entered.
    ///
    /// # Units
    /// Percent.
    pub fn threshold(&self, rules: &ConversionRules, now: WallTime) -> u32 {
        let has_learned =
            self.sent >= LEARNED_FROM && self.since.is_some_and(|since| now.saturating_since(since) >= rules.learning);
        if rules.alarm_below == 0 || !has_learned {
            return rules.alarm_below;
        }
        rules.alarm_below.max(percent(self.entered, self.sent) / 2)
    }

    fn sent(&mut self, now: WallTime) {
        self.since = Some(self.since.map_or(now, |since| since.min(now)));
        self.sent = self.sent.saturating_add(1);
        if self.sent > LEARNED_OF {
            (self.sent, self.entered) = (self.sent / 2, self.entered / 2);
        }
    }
}

fn percent(part: u32, whole: u32) -> u32 {
    part.saturating_mul(100).checked_div(whole).unwrap_or(0).min(100)
}

impl Conversion {
    /// Takes in a code to a new receiver.
    pub(super) fn add(&mut self, kind: SubjectKind, sample: Sample) {
        let Some((size, _)) = profile(kind) else { return };
        if matches!(kind, SubjectKind::Country | SubjectKind::ApiUser) {
            let same = self.samples.iter().filter(|other| other.range == sample.range).count();
            if same >= OF_ONE_RANGE
                && let Some(oldest) = self.samples.iter().position(|other| other.range == sample.range)
            {
                self.samples.remove(oldest);
            }
        }
        self.samples.push_back(sample);
        // Some still wait to be sent, or to be entered.
        while self.samples.len() > size.saturating_mul(2) {
            // In a flood as many as are judged stay until they can be, or none ever would be.
            let is_young = self.samples.get(size.saturating_sub(1)).is_some_and(|old| {
                let age = sample.at.saturating_since(old.at);
                match old.state {
                    SampleState::Waiting => age < LOST,
                    SampleState::Sent | SampleState::Delivered => age < GRACE,
                    SampleState::Entered => false,
                }
            });
            self.samples.remove(if is_young { size } else { 0 });
        }
    }

    /// Dates everything earlier by so much: the clock was set back.
    pub(super) fn set_back(&mut self, by: Duration) {
        let pressed = self.pressed.iter_mut().flat_map(|pressed| [&mut pressed.since, &mut pressed.wanted_at]);
        for at in self.samples.iter_mut().map(|sample| &mut sample.at).chain(pressed) {
            *at = at.saturating_sub(by);
        }
        self.quota.set_back(by);
    }

    /// Answers how many of the newest codes are judged, and how many of these were entered.
    pub fn score(&self, size: usize, now: WallTime) -> (u32, u32) {
        let is_judged = |sample: &&Sample| {
            let age = now.saturating_since(sample.at);
            age < SAMPLES_KEPT
                && match sample.state {
                    SampleState::Entered => true,
                    SampleState::Sent | SampleState::Delivered => age >= GRACE,
                    SampleState::Waiting => false,
                }
        };
        let judged = self.samples.iter().rev().filter(is_judged).take(size);
        judged.fold((0, 0), |(sent, entered), sample| {
            (sent + 1, if sample.state == SampleState::Entered { entered + 1 } else { entered })
        })
    }

    /// Answers whether new receivers are to be held back from now on, or no longer; `None` while nothing changes. `threshold` is a
    /// share in percent.
    fn verdict(&self, size: usize, threshold: u32, now: WallTime) -> Option<bool> {
        let (sent, entered) = self.score(size, now);
        let is_enough = |least: usize| usize::try_from(sent).is_ok_and(|sent| sent >= least);
        let is_low = percent(entered, sent) < threshold;
        match self.pressed {
            None => (is_low && is_enough(size)).then_some(true),
            Some(pressed) => {
                let is_better = is_enough(TRIAL.min(size)) && !is_low;
                let is_quiet = now.saturating_since(pressed.wanted_at) >= QUIET;
                (threshold == 0 || is_better || is_quiet).then_some(false)
            }
        }
    }

    /// Begins or ends to hold new receivers back. From here on only codes count that come after it.
    fn press(&mut self, is_pressed: bool, now: WallTime) {
        self.pressed = is_pressed.then_some(Pressed { since: now, wanted_at: now });
        self.samples.clear();
        self.quota = Windows::default();
    }

    /// Notes what became of a code; answers whether it was looked at.
    fn note(&mut self, message: u32, fact: Fact, now: WallTime) -> bool {
        let Some(place) = self.samples.iter().position(|sample| sample.message == message) else { return false };
        if fact == Fact::NotSent {
            self.samples.remove(place);
            return true;
        }
        if let Some(sample) = self.samples.get_mut(place) {
            match (sample.state, fact) {
                (SampleState::Waiting, Fact::Sent) => (sample.state, sample.at) = (SampleState::Sent, now),
                (SampleState::Waiting | SampleState::Sent, Fact::Delivered) => sample.state = SampleState::Delivered,
                (_, Fact::Entered) => sample.state = SampleState::Entered,
                // Facts come in any order, and twice.
                (_, Fact::Sent | Fact::Delivered | Fact::NotSent) => {}
            }
        }
        true
    }
}

/// Judges whatever a code to a new receiver is judged by; answers what has changed.
pub(super) fn judge(book: &mut Book, keys: &[LimitKey], threshold: u32, now: WallTime) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    for key in keys {
        let kind = key.kind();
        let (Some((size, _)), Some(record)) = (profile(kind), book.find(key)) else { continue };
        let Some(conversion) = record.conversion.as_deref() else { continue };
        let Some(is_pressed) = conversion.verdict(size, threshold, now) else { continue };
        let (sent, entered) = conversion.score(size, now);
        alarms.push(Alarm { kind, label: conversion.label.clone(), is_pressed, sent, entered });
        if let Some(record) = book.change_existing(*key, now) {
            record.conversion_mut().press(is_pressed, now);
        }
    }
    alarms
}

/// Notes what became of a code under all that it is judged by.
pub fn note(book: &mut Book, judged: &[LimitKey], message: u32, fact: Fact, now: WallTime) {
    for key in judged {
        let Some(record) = book.change_existing(*key, now) else { continue };
        let Some(conversion) = record.conversion.as_deref_mut() else { continue };
        let is_new_receiver = conversion.note(message, fact, now);
        let Totals { sent, delivered, entered } = &mut conversion.totals;
        match fact {
            Fact::Sent => *sent = sent.saturating_add(1),
            Fact::Delivered => *delivered = delivered.saturating_add(1),
            Fact::Entered => *entered = entered.saturating_add(1),
            Fact::NotSent => {}
        }
        if key.kind() == SubjectKind::ApiUser && is_new_receiver {
            match fact {
                Fact::Sent => conversion.learned.sent(now),
                Fact::Entered => {
                    let learned = &mut conversion.learned;
                    learned.entered = learned.entered.saturating_add(1).min(learned.sent);
                }
                Fact::Delivered | Fact::NotSent => {}
            }
        }
    }
}

/// Below which share too few codes of this API user are entered.
pub(super) fn threshold(api_user: Option<&Record>, rules: &ConversionRules, now: WallTime) -> u32 {
    let learned = api_user.and_then(|record| record.conversion.as_deref()).map(|conversion| conversion.learned);
    learned.unwrap_or_default().threshold(rules, now)
}
