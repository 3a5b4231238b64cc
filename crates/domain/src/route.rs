//! Which modem takes a number.
//!
//! Pure: a table from the settings, a view of the modems' health, and a memory of whose turn it is. The dispatcher asks
//! whenever a message is first in line, and records the decision and its reason with the message.

use std::collections::BTreeMap;

use crate::receiver::Msisdn;

/// What to do when no modem of the first choice is healthy.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum WhenUnhealthy {
    /// Take the next best: the cheapest by `other_cost`.
    FailOver,
    /// Wait for the first choice until the deadline.
    Wait,
}

/// The settings of one modem that matter for routing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ModemRoute {
    /// Canonical beginnings of the numbers that it is meant for, for example `62871`.
    pub prefixes: Vec<String>,
    /// Takes numbers of no modem's prefix.
    pub is_default: bool,
    /// What an SMS to other prefixes costs.
    pub other_cost: u32,
    /// Switched on, and open to API callers (`active` and `send_from_api`).
    pub is_enabled: bool,
}

/// The settings of all modems, in ring order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteTable {
    /// The modems; a decision names one by its place here.
    pub modems: Vec<ModemRoute>,
    /// What to do when no modem of the first choice is healthy.
    pub when_unhealthy: WhenUnhealthy,
}

/// How one modem is at this moment; in the order of [`RouteTable::modems`].
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct ModemView {
    /// Healthy and registered.
    pub is_healthy: bool,
    /// Sending something else.
    pub is_busy: bool,
    /// Some of its daily and monthly quota is left.
    pub has_quota: bool,
}

impl ModemView {
    const fn is_usable(self) -> bool {
        self.is_healthy && self.has_quota
    }
}

/// Why a decision is as it is.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    /// Its prefix is the longest match.
    Prefix,
    /// A default modem; no prefix matches.
    Default,
    /// No prefix matches and there is no default modem.
    Any,
    /// The first choice is unhealthy or without quota; this is the cheapest of the rest.
    FailedOver,
    /// All candidates are busy.
    AllBusy,
    /// No candidate is healthy and has quota left.
    NoneHealthy,
    /// No modem is configured, switched on and open to API callers.
    NoModem,
}

impl Reason {
    /// Answers the words that are recorded with the message.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prefix => "longest prefix",
            Self::Default => "default modem",
            Self::Any => "no prefix, no default modem",
            Self::FailedOver => "failed over to the cheapest",
            Self::AllBusy => "all candidates busy",
            Self::NoneHealthy => "no candidate healthy",
            Self::NoModem => "no modem enabled",
        }
    }
}

/// Who takes it, and why.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// The modem's place in the table; `None` if none can take it now.
    pub modem: Option<usize>,
    /// Why.
    pub reason: Reason,
    /// Without a modem: one may be able to take it later, before the deadline.
    pub wait: bool,
}

/// Candidates among which turns go round.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Ring {
    Prefix(String),
    Default,
    Any,
    Cost(u32),
}

/// Whose turn it was last, per ring; bounded by the number of prefixes and costs in the table.
#[derive(Clone, Default, Debug)]
pub struct Rotation {
    last: BTreeMap<Ring, usize>,
}

/// Chooses the modem for a number.
pub struct Route;

impl Route {
    /// Chooses among the candidates (longest matching prefix, else default modems, else all) the next free one in ring
    /// order; a busy one loses its turn. If no candidate is healthy and has quota, fails over or waits as configured.
    pub fn choose(table: &RouteTable, views: &[ModemView], msisdn: &Msisdn, rotation: &mut Rotation) -> Decision {
        let enabled: Vec<_> = table
            .modems
            .iter()
            .zip(views)
            .enumerate()
            .filter(|(_, (modem, _))| modem.is_enabled)
            .map(|(place, (modem, view))| Candidate { place, modem, view: *view })
            .collect();
        if enabled.is_empty() {
            return Decision { modem: None, reason: Reason::NoModem, wait: false };
        }
        let (ring, reason, candidates) = first_choice(&enabled, msisdn.expose());
        if candidates.iter().any(|candidate| candidate.view.is_usable()) {
            return next_free(ring, reason, &candidates, rotation);
        }
        let next_best = enabled.iter().filter(|candidate| candidate.view.is_usable());
        match (table.when_unhealthy, next_best.clone().map(|candidate| candidate.modem.other_cost).min()) {
            (WhenUnhealthy::FailOver, Some(cost)) => {
                let cheapest: Vec<_> = next_best.copied().filter(|other| other.modem.other_cost == cost).collect();
                next_free(Ring::Cost(cost), Reason::FailedOver, &cheapest, rotation)
            }
            _ => Decision { modem: None, reason: Reason::NoneHealthy, wait: true },
        }
    }
}

/// An enabled modem with its place in the table.
#[derive(Copy, Clone)]
struct Candidate<'a> {
    place: usize,
    modem: &'a ModemRoute,
    view: ModemView,
}

/// Answers the modems that a number is meant for, healthy or not.
fn first_choice<'a>(enabled: &[Candidate<'a>], digits: &str) -> (Ring, Reason, Vec<Candidate<'a>>) {
    let prefixes = enabled.iter().flat_map(|candidate| &candidate.modem.prefixes);
    let longest =
        prefixes.filter(|prefix| !prefix.is_empty() && digits.starts_with(*prefix)).max_by_key(|prefix| prefix.len());
    if let Some(prefix) = longest {
        let holders = enabled.iter().copied().filter(|candidate| candidate.modem.prefixes.contains(prefix)).collect();
        return (Ring::Prefix(prefix.clone()), Reason::Prefix, holders);
    }
    let defaults: Vec<_> = enabled.iter().copied().filter(|candidate| candidate.modem.is_default).collect();
    if defaults.is_empty() {
        (Ring::Any, Reason::Any, enabled.to_vec())
    } else {
        (Ring::Default, Reason::Default, defaults)
    }
}

/// Gives the turn to the next free usable candidate after the last one.
fn next_free(ring: Ring, reason: Reason, candidates: &[Candidate<'_>], rotation: &mut Rotation) -> Decision {
    let last = rotation.last.get(&ring).copied();
    let is_after_last = |candidate: &&Candidate<'_>| last.is_none_or(|last| candidate.place > last);
    let after = candidates.iter().filter(is_after_last);
    let before = candidates.iter().filter(|candidate| !is_after_last(candidate));
    match after.chain(before).find(|candidate| candidate.view.is_usable() && !candidate.view.is_busy) {
        Some(candidate) => {
            rotation.last.insert(ring, candidate.place);
            Decision { modem: Some(candidate.place), reason, wait: false }
        }
        None => Decision { modem: None, reason: Reason::AllBusy, wait: true },
    }
}

#[cfg(test)]
mod tests;
