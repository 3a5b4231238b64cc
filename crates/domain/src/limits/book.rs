//! The records of everything that is counted, and which of them have changed.
//!
//! A store keeps one whole book in memory, or fills a small one with the records that a step needs. The number of records is bounded:
//! over the bound the one that was made first goes, unless it holds somebody back, or was in use within the day.
//!
//! A record is never changed at an earlier time than before but when the clock was set back; then all its times go back with it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::conversion::Conversion;
use super::key::{LimitKey, SubjectKind};
use super::rules::Rules;
use super::windows::Windows;
use crate::clock::WallTime;

/// Records at once: 24 MB, measured with a receiver, a prefix and a range each (docs/benchmarks.md).
const MOST_RECORDS: usize = 131_072;
/// Records that are looked at for one that may go.
const LOOKED_AT: usize = 32;
/// Whoever comes so much before a record was last changed comes after the clock was set back; by less, requests overtake each other.
const SET_BACK: Duration = Duration::from_secs(10);
/// Without a code for so long, a receiver's pauses begin anew; or for as long as the longest of them, if that is more.
const PAUSES_FORGOTTEN: Duration = Duration::from_secs(3_600);
/// Over the bound, what was in use so lately goes only when there is nothing else.
const IN_USE: Duration = Duration::from_secs(86_400);
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
    /// Notes that it changes.
    fn touch(&mut self, now: WallTime) {
        let ahead = self.touched.saturating_since(now);
        if ahead < SET_BACK {
            // What lies in the future by so little is dated as now.
            self.touched = now;
            if !ahead.is_zero() {
                let wrong = self.person.as_deref_mut().map(|person| &mut person.wrong);
                let quota = self.conversion.as_deref_mut().map(|conversion| &mut conversion.quota);
                for windows in std::iter::once(&mut self.codes).chain(wrong).chain(quota) {
                    windows.not_after(now);
                }
            }
            return;
        }
        // Everything is as old as it was. Only a receiver is known all the same: a clock that was behind comes right again.
        self.touched = now;
        self.codes.set_back(ahead);
        if let Some(person) = self.person.as_deref_mut() {
            person.wrong.set_back(ahead);
            for at in person.last_code.iter_mut().chain(&mut person.locked_until) {
                *at = at.saturating_sub(ahead);
            }
        }
        if let Some(conversion) = self.conversion.as_deref_mut() {
            conversion.set_back(ahead);
        }
    }

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
            SubjectKind::Receiver => {
                longest(&rules.codes_per_receiver).max(longest(&rules.wrong_per_receiver)).max(pauses_forgotten(rules))
            }
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

    /// Tells whether it holds somebody back beyond a count that runs out, lets somebody through, or was in use lately.
    fn is_wanted(&self, now: WallTime) -> bool {
        now.saturating_since(self.touched) < IN_USE
            || self.is_known(now)
            || self.person.as_ref().is_some_and(|person| person.locks > 0 || person.streak > 0)
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
            self.make_room(now);
            self.made.push_back(key);
        }
        let new = || Record { touched: now, ..Record::default() };
        let record = self.records.entry(key).or_insert_with(new);
        record.touch(now);
        record
    }

    /// Answers the record of a key to be changed, if there is one.
    pub fn change_existing(&mut self, key: LimitKey, now: WallTime) -> Option<&mut Record> {
        let record = self.records.get_mut(&key)?;
        self.changed.insert(key);
        record.touch(now);
        Some(record)
    }

    /// Takes the times of these records back where the clock was set back since they were changed: before anybody is refused for what
    /// lies in the future.
    pub(super) fn set_back(&mut self, keys: &[LimitKey], now: WallTime) {
        for key in keys {
            if self.find(key).is_some_and(|record| record.touched.saturating_since(now) >= SET_BACK) {
                self.change_existing(*key, now);
            }
        }
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

    /// Tells whether another record would push one out.
    pub(super) fn is_full(&self) -> bool {
        self.records.len() >= MOST_RECORDS
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

    fn make_room(&mut self, now: WallTime) {
        if self.made.len() > MOST_RECORDS.saturating_mul(2) {
            let records = &self.records;
            self.made.retain(|key| records.contains_key(key));
        }
        let mut looked_at = 0;
        // Each at most once, whatever they are.
        for _ in 0..self.made.len() {
            if self.records.len() < MOST_RECORDS {
                return;
            }
            let Some(oldest) = self.made.pop_front() else { return };
            if matches!(oldest.kind(), SubjectKind::Country | SubjectKind::ApiUser)
                && self.records.contains_key(&oldest)
            {
                // There are few of them, and all others count on them.
                self.made.push_back(oldest);
                continue;
            }
            looked_at += 1;
            match self.records.get(&oldest) {
                Some(record) if looked_at < LOOKED_AT && record.is_wanted(now) => self.made.push_back(oldest),
                Some(_) => drop(self.forget(&oldest)),
                None => {}
            }
        }
    }
}

/// After how long without a code a receiver's pauses begin anew.
pub(super) fn pauses_forgotten(rules: &Rules) -> Duration {
    rules.cool_down.iter().copied().max().unwrap_or_default().max(PAUSES_FORGOTTEN)
}
