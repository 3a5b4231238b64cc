//! The records of everything that is counted, and which of them have changed.
//!
//! A store keeps one whole book in memory, or fills a small one with the records that a step needs. The number of records is bounded:
//! over the bound the one that was made first goes, unless it holds somebody back.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::conversion::Conversion;
use super::key::{LimitKey, SubjectKind};
use super::rules::Rules;
use super::windows::Windows;
use crate::clock::WallTime;

/// Records at once: some 30 MB when every one is in full use.
const MOST_RECORDS: usize = 131_072;
/// Records that are looked at for one that may go.
const LOOKED_AT: usize = 32;
/// How long a receiver is known after a right code.
pub(super) const KNOWN_FOR: Duration = Duration::from_secs(90 * 86_400);
/// How long wrong codes on end are remembered after the last of them, and what is usual for a country or an API user.
const REMEMBERED: Duration = Duration::from_secs(90 * 86_400);
/// How long samples of a range or client are remembered.
pub(super) const SAMPLES_KEPT: Duration = Duration::from_secs(7 * 86_400);

/// What is counted under one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Codes; for an API user whatever was accepted.
    pub codes: Windows,
    /// Of a receiver.
    pub person: Option<Box<Person>>,
    /// Of what is judged by the share of codes that are entered.
    pub conversion: Option<Box<Conversion>>,
    /// When it last changed.
    pub touched: WallTime,
}

impl Default for Record {
    fn default() -> Self {
        Self { codes: Windows::default(), person: None, conversion: None, touched: WallTime::from_unix_millis(0) }
    }
}

/// What is remembered of a receiver.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Person {
    /// How many codes were sent since the last right one, or since an hour without any.
    pub step: u8,
    /// When the last code was accepted.
    pub last_code: Option<WallTime>,
    /// Wrong codes.
    pub wrong: Windows,
    /// Wrong codes on end.
    pub streak: u32,
    /// How often the receiver was locked since the last right code.
    pub locks: u8,
    /// Until when it is locked.
    pub locked_until: Option<WallTime>,
    /// When a right code was last entered.
    pub known_at: Option<WallTime>,
    /// Which messages carried the codes since then: the newest few, shortened.
    pub recent: Vec<u32>,
    /// The end user's network that asked for the newest.
    pub client: Option<LimitKey>,
}

impl Person {
    /// Tells whether the receiver has entered a right code lately.
    pub fn is_known(&self, now: WallTime) -> bool {
        self.known_at.is_some_and(|at| now.saturating_since(at) < KNOWN_FOR)
    }

    /// Answers for how long the receiver is still locked.
    pub fn locked_for(&self, rules: &Rules, now: WallTime) -> Option<Duration> {
        let left = self.locked_until?.saturating_since(now);
        // After a clock was set back, no longer than a lock can be.
        (!left.is_zero()).then(|| left.min(rules.longest_lock))
    }
}

impl Record {
    /// The receiver's side of it.
    pub(super) fn person_mut(&mut self) -> &mut Person {
        self.person.get_or_insert_default()
    }

    /// The judged side of it.
    pub(super) fn conversion_mut(&mut self) -> &mut Conversion {
        self.conversion.get_or_insert_default()
    }

    /// Tells whether the receiver has entered a right code lately.
    pub fn is_known(&self, now: WallTime) -> bool {
        self.person.as_ref().is_some_and(|person| person.is_known(now))
    }

    /// Tells whether it may be forgotten without anybody being let through sooner.
    fn is_over(&self, kind: SubjectKind, rules: &Rules, now: WallTime) -> bool {
        let age = now.saturating_since(self.touched);
        let longest = |rates: &[super::Rate]| rates.iter().map(|rate| rate.period()).max().unwrap_or_default();
        let counted = match kind {
            SubjectKind::Receiver => longest(&rules.codes_per_receiver).max(longest(&rules.wrong_per_receiver)),
            SubjectKind::Prefix => longest(&rules.codes_per_prefix),
            SubjectKind::Range => SAMPLES_KEPT,
            SubjectKind::Client => longest(&rules.codes_per_client).max(SAMPLES_KEPT),
            SubjectKind::Country => longest(&rules.codes_per_country).max(REMEMBERED),
            SubjectKind::ApiUser => REMEMBERED,
        };
        let is_held = self.person.as_ref().is_some_and(|person| {
            person.is_known(now) || (person.streak > 0 && age < REMEMBERED) || person.locked_for(rules, now).is_some()
        });
        age >= counted && !is_held
    }

    /// Tells whether it holds somebody back beyond a count that runs out.
    fn holds_back(&self) -> bool {
        self.person.as_ref().is_some_and(|person| person.locks > 0 || person.streak > 0)
            || self.conversion.as_ref().is_some_and(|conversion| conversion.pressed.is_some())
    }

    fn is_empty(&self) -> bool {
        self.codes.is_empty()
            && self.conversion.is_none()
            && self.person.as_ref().is_none_or(|person| {
                person.wrong.is_empty() && **person == Person { wrong: person.wrong.clone(), ..Person::default() }
            })
    }
}

/// All records.
#[derive(Clone, Default, Debug)]
pub struct Book {
    records: HashMap<LimitKey, Record>,
    /// In the order in which they were made; may name some that are gone.
    made: VecDeque<LimitKey>,
    changed: HashSet<LimitKey>,
}

impl Book {
    /// Answers the record of a key, if anything is counted under it.
    pub fn find(&self, key: &LimitKey) -> Option<&Record> {
        self.records.get(key)
    }

    /// Answers the record of a key to be changed, and makes it where there is none.
    pub fn change(&mut self, key: LimitKey, now: WallTime) -> &mut Record {
        self.changed.insert(key);
        if !self.records.contains_key(&key) {
            self.make_room();
            self.made.push_back(key);
        }
        let record = self.records.entry(key).or_default();
        record.touched = now;
        record
    }

    /// Answers the record of a key to be changed, if there is one.
    pub fn change_existing(&mut self, key: LimitKey, now: WallTime) -> Option<&mut Record> {
        let record = self.records.get_mut(&key)?;
        self.changed.insert(key);
        record.touched = now;
        Some(record)
    }

    /// Puts a record in as it was stored.
    pub fn restore(&mut self, key: LimitKey, record: Record) {
        if let Entry::Vacant(place) = self.records.entry(key) {
            place.insert(record);
            self.made.push_back(key);
        }
    }

    /// Forgets what is counted under a key; answers whether there was anything.
    pub fn forget(&mut self, key: &LimitKey) -> bool {
        self.changed.insert(*key);
        self.records.remove(key).is_some()
    }

    /// Forgets a record in which nothing is counted.
    pub(super) fn forget_if_empty(&mut self, key: &LimitKey) {
        if self.records.get(key).is_some_and(Record::is_empty) {
            self.records.remove(key);
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.changed.extend(self.records.drain().map(|(key, _)| key));
        self.made.clear();
    }

    /// Forgets what is over. Nothing while the clock is doubted: everything may look old then.
    pub fn sweep(&mut self, rules: &Rules, now: WallTime) {
        let Self { records, changed, made } = self;
        records.retain(|key, record| {
            let is_over = record.is_over(key.kind(), rules, now);
            if is_over {
                changed.insert(*key);
            }
            !is_over
        });
        made.retain(|key| records.contains_key(key));
    }

    /// Answers all records.
    pub fn all(&self) -> impl Iterator<Item = (&LimitKey, &Record)> {
        self.records.iter()
    }

    /// Answers how many records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Tells whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Takes at most `most` keys whose records have changed since they were last taken; without a record it is gone.
    pub fn take_changed(&mut self, most: usize) -> Vec<(LimitKey, Option<Record>)> {
        let keys: Vec<_> = self.changed.iter().take(most).copied().collect();
        for key in &keys {
            self.changed.remove(key);
        }
        keys.into_iter().map(|key| (key, self.records.get(&key).cloned())).collect()
    }

    /// Notes that these have changed, after all: they could not be stored.
    pub fn keep_changed(&mut self, keys: impl IntoIterator<Item = LimitKey>) {
        self.changed.extend(keys);
    }

    fn make_room(&mut self) {
        if self.made.len() > MOST_RECORDS.saturating_mul(2) {
            let records = &self.records;
            self.made.retain(|key| records.contains_key(key));
        }
        let mut looked_at = 0;
        while self.records.len() >= MOST_RECORDS {
            let Some(oldest) = self.made.pop_front() else { return };
            looked_at += 1;
            match self.records.get(&oldest) {
                Some(record) if record.holds_back() && looked_at < LOOKED_AT => self.made.push_back(oldest),
                Some(_) => drop(self.forget(&oldest)),
                None => {}
            }
        }
    }
}
