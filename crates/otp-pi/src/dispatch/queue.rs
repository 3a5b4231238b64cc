//! The messages that wait, in the order in which they may go. A plain data structure: no I/O, no clock, no tasks.
//!
//! Messages with the same candidate modems stand in one group, so that the dispatcher asks the route once per group and
//! not once per message, and messages for a busy or sick modem never hold up the others. Within a group codes come first,
//! by earliest deadline; then the other classes, each round-robin over API users and in order within one.
//! Used by the dispatcher alone.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use domain::clock::WallTime;
use domain::message::{Class, MessageId};
use domain::receiver::Msisdn;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// One message, as it is put in and taken out.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: MessageId,
    pub(crate) class: Class,
    pub(crate) api_user: Arc<str>,
    pub(crate) msisdn: Msisdn,
    pub(crate) deadline: WallTime,
    /// How many attempts were made so far.
    pub(crate) attempts: u32,
    /// Modems (by place in the route table) that refused it for good.
    pub(crate) excluded: Vec<usize>,
    /// What it asks of a SIM.
    pub(crate) needs: Needs,
    /// Its place in the bounded queue; given back when the message is settled, that is when this is dropped.
    pub(crate) place: Option<OwnedSemaphorePermit>,
}

/// What a message asks of a SIM's quota, as far as that is known: most ask for nothing special.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Needs {
    /// The parts beyond the first, once a SIM had no room for them.
    pub(crate) more_parts: u8,
    /// Modems (by place) whose SIM has written to as many receivers as it may, and not to this one.
    pub(crate) closed: Vec<usize>,
}

/// Which messages share their candidates: the group of the route table, less the excluded modems, and what they need.
pub(crate) type GroupKey = (usize, Vec<usize>, Needs);

/// What is remembered of a message that waits. Small on purpose: 100,000 of them may wait. What it shares with its group is there.
#[derive(Debug)]
struct Kept {
    api_user: Arc<str>,
    msisdn: Msisdn,
    deadline: WallTime,
    place: Option<OwnedSemaphorePermit>,
    group: Arc<GroupKey>,
    attempts: u32,
    class: Class,
}

impl Kept {
    fn new(entry: Entry, group: Arc<GroupKey>) -> Self {
        let Entry { class, api_user, msisdn, deadline, attempts, place, .. } = entry;
        Self { api_user, msisdn, deadline, place, group, attempts, class }
    }

    fn into_entry(self, id: MessageId) -> Entry {
        let Self { api_user, msisdn, deadline, place, group, attempts, class } = self;
        let (_, excluded, needs) = Arc::unwrap_or_clone(group);
        Entry { id, class, api_user, msisdn, deadline, attempts, excluded, needs, place }
    }
}

/// What the route is asked about for a whole group.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    pub(crate) class: Class,
    pub(crate) msisdn: &'a Msisdn,
    pub(crate) excluded: &'a [usize],
    pub(crate) needs: &'a Needs,
}

#[derive(Debug, Default)]
struct Turns {
    rotation: VecDeque<Arc<str>>,
    by_user: HashMap<Arc<str>, VecDeque<MessageId>>,
}

#[derive(Debug, Default)]
struct Group {
    codes: BTreeSet<(WallTime, MessageId)>,
    others: BTreeMap<Class, Turns>,
}

/// What is next in a group: smaller goes first.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Priority(Class, WallTime, MessageId);

#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Waiting,
    groups: BTreeMap<Arc<GroupKey>, Group>,
    deadlines: BTreeSet<(WallTime, MessageId)>,
    delayed: BTreeSet<(Instant, MessageId)>,
    resting: Waiting,
}

type Waiting = HashMap<MessageId, Kept>;

impl Queue {
    /// Puts a message into its group, which is what it asks of modems and SIMs.
    pub(crate) fn push(&mut self, entry: Entry, group: GroupKey) {
        let (id, group) = (entry.id, self.shared(group));
        self.put(id, Kept::new(entry, group));
    }

    /// Lets a message rest until `until`.
    pub(crate) fn rest(&mut self, entry: Entry, group: GroupKey, until: Instant) {
        let (id, group) = (entry.id, self.shared(group));
        self.deadlines.insert((entry.deadline, id));
        self.delayed.insert((until, id));
        self.resting.insert(id, Kept::new(entry, group));
    }

    /// The key of a group as all of its messages have it.
    fn shared(&self, group: GroupKey) -> Arc<GroupKey> {
        self.groups.get_key_value(&group).map_or_else(|| Arc::new(group), |(key, _)| Arc::clone(key))
    }

    fn put(&mut self, id: MessageId, kept: Kept) {
        let place = self.groups.entry(Arc::clone(&kept.group)).or_default();
        if kept.class == Class::Otp {
            place.codes.insert((kept.deadline, id));
        } else {
            let turns = place.others.entry(kept.class).or_default();
            let line = turns.by_user.entry(Arc::clone(&kept.api_user)).or_default();
            if line.is_empty() {
                turns.rotation.push_back(Arc::clone(&kept.api_user));
            }
            line.push_back(id);
        }
        self.deadlines.insert((kept.deadline, id));
        self.waiting.insert(id, kept);
    }

    /// Puts the messages whose rest is over back into their groups.
    pub(crate) fn wake(&mut self, now: Instant) {
        while let Some(&(until, id)) = self.delayed.first() {
            if until > now {
                break;
            }
            self.delayed.pop_first();
            if let Some(kept) = self.resting.remove(&id) {
                self.put(id, kept);
            }
        }
    }

    /// Takes the messages whose deadline has passed.
    pub(crate) fn take_expired(&mut self, now: WallTime) -> Vec<Entry> {
        let mut expired = Vec::new();
        while let Some(&(deadline, id)) = self.deadlines.first() {
            if deadline > now {
                break;
            }
            self.deadlines.pop_first();
            expired.extend(self.take(id));
        }
        expired
    }

    /// Takes one message out, wherever it stands.
    pub(crate) fn take(&mut self, id: MessageId) -> Option<Entry> {
        let kept = self.waiting.remove(&id).or_else(|| self.resting.remove(&id))?;
        self.deadlines.remove(&(kept.deadline, id));
        if let Some(place) = self.groups.get_mut(&kept.group) {
            place.codes.remove(&(kept.deadline, id));
            // The lines of the other classes drop it when it would have been its turn.
        }
        Some(kept.into_entry(id))
    }

    /// Takes everything out, in the order of acceptance, each with the end of its rest.
    pub(crate) fn take_all(&mut self) -> Vec<(Entry, Option<Instant>)> {
        let Self { waiting, resting, delayed, .. } = std::mem::take(self);
        let until: HashMap<MessageId, Instant> = delayed.into_iter().map(|(until, id)| (id, until)).collect();
        let waiting = waiting.into_iter().map(|(id, kept)| (kept.into_entry(id), None));
        let rested = resting.into_iter().map(|(id, kept)| (kept.into_entry(id), until.get(&id).copied()));
        let mut all: Vec<_> = waiting.chain(rested).collect();
        all.sort_by_key(|(entry, _)| entry.id);
        all
    }

    /// True if the message waits or rests here.
    pub(crate) fn contains(&self, id: MessageId) -> bool {
        self.waiting.contains_key(&id) || self.resting.contains_key(&id)
    }

    /// Moves every deadline with the wall clock, which has stepped by so many milliseconds.
    pub(crate) fn shift_deadlines(&mut self, step: i64) {
        let moved = |time: WallTime| WallTime::from_unix_millis(time.as_unix_millis().saturating_add(step));
        for kept in self.waiting.values_mut().chain(self.resting.values_mut()) {
            kept.deadline = moved(kept.deadline);
        }
        let all = |set: &BTreeSet<(WallTime, MessageId)>| set.iter().map(|(time, id)| (moved(*time), *id)).collect();
        self.deadlines = all(&self.deadlines);
        for group in self.groups.values_mut() {
            group.codes = all(&group.codes);
        }
    }

    /// The groups in which something waits, best first.
    pub(crate) fn heads(&mut self) -> Vec<(Priority, GroupKey)> {
        let waiting = &self.waiting;
        let mut heads = Vec::with_capacity(self.groups.len());
        self.groups.retain(|key, group| match group.head(waiting) {
            Some(head) => {
                heads.push((head, GroupKey::clone(key)));
                true
            }
            None => false,
        });
        heads.sort();
        heads
    }

    /// The first of a group, which stands for all of it.
    pub(crate) fn head_of(&self, priority: &Priority) -> Option<Head<'_>> {
        let kept = self.waiting.get(&priority.2)?;
        let (_, excluded, needs) = &*kept.group;
        Some(Head { class: kept.class, msisdn: &kept.msisdn, excluded, needs })
    }

    /// Takes the next message of a group.
    pub(crate) fn pop(&mut self, key: &GroupKey) -> Option<Entry> {
        let group = self.groups.get_mut(key)?;
        let Priority(class, deadline, id) = group.head(&self.waiting)?;
        if class == Class::Otp {
            group.codes.remove(&(deadline, id));
        } else if let Some(turns) = group.others.get_mut(&class) {
            turns.pass();
        }
        self.deadlines.remove(&(deadline, id));
        self.waiting.remove(&id).map(|kept| kept.into_entry(id))
    }

    /// How many messages wait or rest.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.resting.len()
    }

    /// When the next rest is over.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        self.delayed.first().map(|(until, _)| *until)
    }

    /// When the next message expires.
    pub(crate) fn next_deadline(&self) -> Option<WallTime> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }
}

impl Group {
    /// What is next here; forgets what was taken out of the lines meanwhile.
    fn head(&mut self, waiting: &Waiting) -> Option<Priority> {
        if let Some(&(deadline, id)) = self.codes.first() {
            return Some(Priority(Class::Otp, deadline, id));
        }
        self.others.retain(|_, turns| turns.head(waiting).is_some());
        let (class, turns) = self.others.iter_mut().next()?;
        let id = turns.head(waiting)?;
        Some(Priority(*class, waiting.get(&id)?.deadline, id))
    }
}

impl Turns {
    fn head(&mut self, waiting: &Waiting) -> Option<MessageId> {
        while let Some(user) = self.rotation.front() {
            let line = self.by_user.entry(Arc::clone(user)).or_default();
            while let Some(id) = line.front() {
                if waiting.contains_key(id) {
                    return Some(*id);
                }
                line.pop_front();
            }
            self.by_user.remove(user);
            self.rotation.pop_front();
        }
        None
    }

    /// The head was served: the next user's turn.
    fn pass(&mut self) {
        let Some(user) = self.rotation.pop_front() else { return };
        if let Some(line) = self.by_user.get_mut(&user) {
            line.pop_front();
            if line.is_empty() {
                self.by_user.remove(&user);
            } else {
                self.rotation.push_back(user);
            }
        }
    }
}

#[cfg(test)]
mod tests;
