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

/// One message that waits. Small on purpose: 100,000 of them may wait.
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
    #[expect(dead_code, reason = "held, not read")]
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
    waiting: HashMap<MessageId, (Entry, GroupKey)>,
    groups: BTreeMap<GroupKey, Group>,
    deadlines: BTreeSet<(WallTime, MessageId)>,
    delayed: BTreeSet<(Instant, MessageId)>,
    resting: HashMap<MessageId, (Entry, GroupKey)>,
}

impl Queue {
    /// Puts a message into its group.
    pub(crate) fn push(&mut self, entry: Entry, group: GroupKey) {
        let place = self.groups.entry(group.clone()).or_default();
        if entry.class == Class::Otp {
            place.codes.insert((entry.deadline, entry.id));
        } else {
            let turns = place.others.entry(entry.class).or_default();
            let line = turns.by_user.entry(Arc::clone(&entry.api_user)).or_default();
            if line.is_empty() {
                turns.rotation.push_back(Arc::clone(&entry.api_user));
            }
            line.push_back(entry.id);
        }
        self.deadlines.insert((entry.deadline, entry.id));
        self.waiting.insert(entry.id, (entry, group));
    }

    /// Lets a message rest until `until`.
    pub(crate) fn rest(&mut self, entry: Entry, group: GroupKey, until: Instant) {
        self.deadlines.insert((entry.deadline, entry.id));
        self.delayed.insert((until, entry.id));
        self.resting.insert(entry.id, (entry, group));
    }

    /// Puts the messages whose rest is over back into their groups.
    pub(crate) fn wake(&mut self, now: Instant) {
        while let Some(&(until, id)) = self.delayed.first() {
            if until > now {
                break;
            }
            self.delayed.pop_first();
            if let Some((entry, group)) = self.resting.remove(&id) {
                self.push(entry, group);
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
        let (entry, group) = self.waiting.remove(&id).or_else(|| self.resting.remove(&id))?;
        self.deadlines.remove(&(entry.deadline, id));
        if let Some(place) = self.groups.get_mut(&group) {
            place.codes.remove(&(entry.deadline, id));
            // The lines of the other classes drop it when it would have been its turn.
        }
        Some(entry)
    }

    /// Takes everything out, in the order of acceptance, each with the end of its rest.
    pub(crate) fn take_all(&mut self) -> Vec<(Entry, Option<Instant>)> {
        let Self { waiting, resting, delayed, .. } = std::mem::take(self);
        let until: HashMap<MessageId, Instant> = delayed.into_iter().map(|(until, id)| (id, until)).collect();
        let waiting = waiting.into_values().map(|(entry, _)| (entry, None));
        let rested = resting.into_values().map(|(entry, _)| {
            let end = until.get(&entry.id).copied();
            (entry, end)
        });
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
        for (entry, _) in self.waiting.values_mut().chain(self.resting.values_mut()) {
            entry.deadline = moved(entry.deadline);
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
                heads.push((head, key.clone()));
                true
            }
            None => false,
        });
        heads.sort();
        heads
    }

    /// A receiver that stands for the whole group.
    pub(crate) fn head_of(&self, priority: &Priority) -> Option<&Entry> {
        self.waiting.get(&priority.2).map(|(entry, _)| entry)
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
        self.waiting.remove(&id).map(|(entry, _)| entry)
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

type Waiting = HashMap<MessageId, (Entry, GroupKey)>;

impl Group {
    /// What is next here; forgets what was taken out of the lines meanwhile.
    fn head(&mut self, waiting: &Waiting) -> Option<Priority> {
        if let Some(&(deadline, id)) = self.codes.first() {
            return Some(Priority(Class::Otp, deadline, id));
        }
        self.others.retain(|_, turns| turns.head(waiting).is_some());
        let (class, turns) = self.others.iter_mut().next()?;
        let id = turns.head(waiting)?;
        let (entry, _) = waiting.get(&id)?;
        Some(Priority(*class, entry.deadline, id))
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
