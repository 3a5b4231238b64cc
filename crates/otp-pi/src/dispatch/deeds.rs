//! Modems judged by what comes of their messages, not by what they say.
//!
//! Pure: time is a parameter. A modem whose messages end badly on end, or are never reported where reports are the rule, is
//! drained: it gets no message while another can take it, and one now and then as a probe. A proof (a message that went
//! well, a report) or a person lets it back. `docs/modems.md` has the rule and what may fool it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use domain::receiver::Msisdn;
use tokio::time::Instant;

use crate::channel::Outcome;

/// So many bad ends on end drain a modem.
const FAILURES: u32 = 3;
/// So many messages without any report, each older than the patience, drain a modem.
const UNREPORTED: usize = 10;
/// No receiver counts more often: one that is switched off for good must not condemn a modem.
const OF_ONE_RECEIVER: usize = 4;
/// Messages that are remembered of one modem.
const REMEMBERED: usize = 64;
/// Another modem with so many messages without a report shows that reports are missing everywhere.
const MISSING_ELSEWHERE: usize = 3;
/// The first probe of a modem whose messages end badly: what is lost is told, so it costs little.
const FIRST_PROBE: Duration = Duration::from_secs(30);
/// The first probe of one that may swallow what it is given.
const FIRST_BLIND_PROBE: Duration = Duration::from_secs(300);
const LONGEST_PROBE: Duration = Duration::from_secs(30 * 60);

/// Why a modem is drained.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its last messages all ended unknown, or it did not do what modems do.
    Failing,
    /// It says that it sends, and no delivery report comes where they should.
    Unreported,
    /// A person wants it.
    ByHand,
}

impl Why {
    /// Says it in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Failing => "its last messages all ended badly",
            Self::Unreported => "it says that it sends, but no delivery report comes",
            Self::ByHand => "drained by hand",
        }
    }
}

/// What a judgement changed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The modem is drained from now on.
    Drained(Why),
    /// It gets messages again.
    Back,
}

/// What an attempt says about its modem.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// It says that the network took the message.
    Said,
    /// Nobody knows what it did, or it did not do what modems do.
    Bad,
    /// Nothing: network, SIM, receiver or store decided, or the modem was gone.
    Nothing,
}

impl Deed {
    /// Reads an outcome.
    pub(super) fn of(outcome: Option<&Outcome>) -> Self {
        match outcome {
            Some(Outcome::Sent) => Self::Said,
            Some(Outcome::Unknown { .. }) => Self::Bad,
            Some(Outcome::NotSent { code, .. }) if ::modem::is_speechless(code) => Self::Bad,
            Some(
                Outcome::NotSent { .. }
                | Outcome::NoRoom { .. }
                | Outcome::Incomplete { .. }
                | Outcome::StoreFailed
                | Outcome::TicketStoreAway
                | Outcome::Settled(_)
                | Outcome::Stale,
            )
            | None => Self::Nothing,
        }
    }
}

/// A modem that is drained.
#[derive(Copy, Clone, Debug)]
struct Drain {
    why: Why,
    probes: u32,
    next_probe: Option<Instant>,
}

impl Drain {
    fn new(why: Why, now: Instant) -> Self {
        let mut drain = Self { why, probes: 0, next_probe: None };
        drain.rest(now);
        drain
    }

    fn rest(&mut self, now: Instant) {
        let first = match self.why {
            Why::Failing => FIRST_PROBE,
            Why::Unreported => FIRST_BLIND_PROBE,
            Why::ByHand => return,
        };
        self.next_probe = Some(now + first.saturating_mul(1 << self.probes.min(16)).min(LONGEST_PROBE));
        self.probes = self.probes.saturating_add(1);
    }

    fn is_probe_due(&self, now: Instant) -> bool {
        self.next_probe.is_some_and(|at| at <= now)
    }
}

/// What is remembered of one modem.
#[derive(Debug, Default)]
struct Record {
    /// Bad ends since the last good one.
    failures: u32,
    /// Messages since the last report, oldest first.
    unreported: VecDeque<(Instant, Msisdn)>,
    last_report: Option<Instant>,
    /// A person let it back although no report came: until one does, none is expected.
    is_vouched_for: bool,
    drain: Option<Drain>,
}

impl Record {
    fn remember(&mut self, receiver: Msisdn, now: Instant) {
        let of_this_receiver = self.unreported.iter().filter(|(_, other)| *other == receiver).count();
        if of_this_receiver < OF_ONE_RECEIVER && self.unreported.len() < REMEMBERED {
            self.unreported.push_back((now, receiver));
        }
    }

    /// Messages that should have been reported by now.
    fn overdue(&self, patience: Duration, now: Instant) -> usize {
        self.unreported.iter().take_while(|(at, _)| *at + patience <= now).count()
    }

    fn drain(&mut self, why: Why, now: Instant) -> Option<Verdict> {
        if self.drain.is_some() {
            return None;
        }
        self.drain = Some(Drain::new(why, now));
        Some(Verdict::Drained(why))
    }

    fn lift(&mut self, may_lift: impl FnOnce(Why) -> bool) -> Option<Verdict> {
        self.drain.take_if(|drain| may_lift(drain.why)).map(|_| Verdict::Back)
    }
}

/// What is remembered of all modems, by their names: places in a plan change.
#[derive(Debug)]
pub(super) struct Deeds {
    modems: BTreeMap<String, Record>,
    /// How long a report may take; none are expected without it.
    patience: Option<Duration>,
}

impl Deeds {
    pub(super) fn new(patience: Option<Duration>) -> Self {
        Self { modems: BTreeMap::new(), patience }
    }

    /// Other settings are in force; what is known of modems that are gone is forgotten.
    pub(super) fn follow(&mut self, patience: Option<Duration>, stays: impl Fn(&str) -> bool) {
        self.patience = patience;
        self.modems.retain(|name, _| stays(name));
    }

    /// Takes note of an attempt. `receiver` is that of a message whose report is expected to come here.
    pub(super) fn ended(&mut self, modem: &str, deed: Deed, receiver: Option<Msisdn>, now: Instant) -> Option<Verdict> {
        let record = self.of(modem);
        match deed {
            Deed::Nothing => None,
            Deed::Bad => {
                record.failures = record.failures.saturating_add(1);
                if record.failures >= FAILURES { record.drain(Why::Failing, now) } else { None }
            }
            Deed::Said => {
                record.failures = 0;
                if let Some(receiver) = receiver.filter(|_| !record.is_vouched_for) {
                    record.remember(receiver, now);
                }
                let back = record.lift(|why| why == Why::Failing);
                back.or_else(|| self.judge_reports(modem, now))
            }
        }
    }

    /// A report about one of its messages came: it transmits. Answers what that changes, for this modem and for others.
    pub(super) fn reported(&mut self, modem: &str, now: Instant) -> Vec<(String, Verdict)> {
        let record = self.of(modem);
        (record.failures, record.last_report, record.is_vouched_for) = (0, Some(now), false);
        record.unreported.clear();
        let back = record.lift(|why| why != Why::ByHand).map(|back| (modem.to_owned(), back));
        let others: Vec<String> = self.modems.keys().filter(|name| *name != modem).cloned().collect();
        let judged = others.into_iter().filter_map(|name| Some((name.clone(), self.judge_reports(&name, now)?)));
        back.into_iter().chain(judged.collect::<Vec<_>>()).collect()
    }

    /// Drains a modem whose reports fail to come where those of others, or its own, do come.
    fn judge_reports(&mut self, modem: &str, now: Instant) -> Option<Verdict> {
        let patience = self.patience?;
        let record = self.modems.get(modem)?;
        if record.overdue(patience, now) < UNREPORTED {
            return None;
        }
        let (since, _) = *record.unreported.front()?;
        let has_reported_before = record.last_report.is_some();
        let mut others = self.modems.iter().filter(|(name, _)| *name != modem).map(|(_, other)| other);
        let reports_since = |other: &Record| other.last_report.is_some_and(|at| at >= since);
        let come_elsewhere = others.clone().any(reports_since);
        let miss_elsewhere =
            others.any(|other| !reports_since(other) && other.overdue(patience, now) >= MISSING_ELSEWHERE);
        if come_elsewhere || (has_reported_before && !miss_elsewhere) {
            self.of(modem).drain(Why::Unreported, now)
        } else {
            None
        }
    }

    /// A drained modem is given a message: the next probe comes later.
    pub(super) fn begun(&mut self, modem: &str, now: Instant) {
        if let Some(drain) = self.modems.get_mut(modem).and_then(|record| record.drain.as_mut())
            && drain.is_probe_due(now)
        {
            drain.rest(now);
        }
    }

    /// True while the modem is to get no message that another can take.
    pub(super) fn is_spared(&self, modem: &str, now: Instant) -> bool {
        let drain = self.modems.get(modem).and_then(|record| record.drain);
        drain.is_some_and(|drain| !drain.is_probe_due(now))
    }

    /// Why the modem is drained, if it is.
    pub(super) fn why(&self, modem: &str) -> Option<Why> {
        self.modems.get(modem)?.drain.map(|drain| drain.why)
    }

    /// A person wants the modem to get no message at all. False when it was so already.
    pub(super) fn drain_by_hand(&mut self, modem: &str, now: Instant) -> bool {
        let record = self.of(modem);
        let is_news = record.drain.is_none_or(|drain| drain.why != Why::ByHand);
        record.drain = Some(Drain::new(Why::ByHand, now));
        is_news
    }

    /// A person lets the modem back. Answers why it was drained.
    pub(super) fn resume(&mut self, modem: &str) -> Option<Why> {
        let record = self.modems.get_mut(modem)?;
        let why = record.drain.take()?.why;
        record.failures = 0;
        record.unreported.clear();
        record.is_vouched_for |= why == Why::Unreported;
        Some(why)
    }

    fn of(&mut self, modem: &str) -> &mut Record {
        self.modems.entry(modem.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests;
