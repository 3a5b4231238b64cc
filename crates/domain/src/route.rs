//! Which modem takes a number.
//!
//! Pure: a table from the settings, a view of the modems' health, and a memory of whose turn it is. The dispatcher asks
//! whenever a message is first in line, and records the decision and its reason with the attempt; `otp-pi route explain` asks
//! the same question for people.

use std::collections::BTreeMap;

use crate::receiver::Msisdn;

mod reason;

pub use reason::{Reason, Turned, shown_prefix};

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
    /// Its name, for reasons.
    pub name: String,
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
pub enum ModemView {
    /// It can take a message now.
    Free,
    /// It is about to: sending something else, or paced. It loses its turn, and is waited for.
    Busy,
    /// It is not healthy, not registered, or stands aside.
    NotReady,
    /// Its SIM has no quota left for this.
    NoQuota,
    /// It has refused this very message.
    Refused,
}

impl ModemView {
    const fn is_usable(self) -> bool {
        matches!(self, Self::Free | Self::Busy)
    }
}

/// Who takes it, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
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

/// How a number would be routed at this moment, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// The longest prefix of an enabled modem that the number begins with.
    pub prefix: Option<String>,
    /// The modems of the first choice, by place.
    pub first_choice: Vec<usize>,
    /// The other enabled modems in the order in which they are failed over to: the cheapest first, then in ring order.
    pub failover: Vec<usize>,
    /// Who would take it now.
    pub decision: Decision,
}

/// Chooses the modem for a number.
pub struct Route;

impl Route {
    /// Chooses among the candidates (longest matching prefix, else default modems, else all) the next free one in ring
    /// order; a busy one loses its turn. If no candidate is healthy and has quota, fails over or waits as configured.
    pub fn choose(table: &RouteTable, views: &[ModemView], msisdn: &Msisdn, rotation: &mut Rotation) -> Decision {
        let enabled = enabled(table, views);
        if enabled.is_empty() {
            return Decision { modem: None, reason: Reason::NoModem, wait: false };
        }
        let (ring, candidates) = first_choice(&enabled, msisdn.expose());
        if candidates.iter().any(|candidate| candidate.view.is_usable()) {
            return next_free(ring, &candidates, Reason::of, rotation);
        }
        let next_best = enabled.iter().filter(|candidate| candidate.view.is_usable());
        let turned = || candidates.iter().map(|it| (it.modem.name.clone(), Turned::of(it.view))).collect();
        match (table.when_unhealthy, next_best.clone().map(|candidate| candidate.modem.other_cost).min()) {
            (WhenUnhealthy::FailOver, Some(cost)) => {
                let cheapest: Vec<_> = next_best.copied().filter(|other| other.modem.other_cost == cost).collect();
                next_free(Ring::Cost(cost), &cheapest, |_| Reason::FailedOver { cost, instead_of: turned() }, rotation)
            }
            _ => Decision { modem: None, reason: Reason::NoneUsable, wait: true },
        }
    }

    /// Explains what [`Self::choose`] would do, without taking anybody's turn.
    pub fn explain(table: &RouteTable, views: &[ModemView], msisdn: &Msisdn, rotation: &Rotation) -> Explanation {
        let enabled = enabled(table, views);
        let (ring, candidates) = first_choice(&enabled, msisdn.expose());
        let first_choice: Vec<usize> = candidates.iter().map(|candidate| candidate.place).collect();
        let mut others: Vec<_> = enabled.iter().filter(|other| !first_choice.contains(&other.place)).collect();
        others.sort_by_key(|other| (other.modem.other_cost, other.place));
        Explanation {
            prefix: if let Ring::Prefix(prefix) = ring { Some(prefix) } else { None },
            failover: others.iter().map(|other| other.place).collect(),
            first_choice,
            decision: Self::choose(table, views, msisdn, &mut rotation.clone()),
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

fn enabled<'a>(table: &'a RouteTable, views: &[ModemView]) -> Vec<Candidate<'a>> {
    let all = table.modems.iter().zip(views).enumerate();
    let enabled = all.filter(|(_, (modem, _))| modem.is_enabled);
    enabled.map(|(place, (modem, view))| Candidate { place, modem, view: *view }).collect()
}

/// Answers the modems that a number is meant for, healthy or not.
fn first_choice<'a>(enabled: &[Candidate<'a>], digits: &str) -> (Ring, Vec<Candidate<'a>>) {
    let prefixes = enabled.iter().flat_map(|candidate| &candidate.modem.prefixes);
    let longest =
        prefixes.filter(|prefix| !prefix.is_empty() && digits.starts_with(*prefix)).max_by_key(|prefix| prefix.len());
    if let Some(prefix) = longest {
        let holders = enabled.iter().copied().filter(|candidate| candidate.modem.prefixes.contains(prefix)).collect();
        return (Ring::Prefix(prefix.clone()), holders);
    }
    let defaults: Vec<_> = enabled.iter().copied().filter(|candidate| candidate.modem.is_default).collect();
    if defaults.is_empty() { (Ring::Any, enabled.to_vec()) } else { (Ring::Default, defaults) }
}

/// Gives the turn to the next free usable candidate after the last one.
fn next_free(
    ring: Ring,
    candidates: &[Candidate<'_>],
    reason: impl FnOnce(&Ring) -> Reason,
    rotation: &mut Rotation,
) -> Decision {
    let last = rotation.last.get(&ring).copied();
    let is_after_last = |candidate: &&Candidate<'_>| last.is_none_or(|last| candidate.place > last);
    let after = candidates.iter().filter(is_after_last);
    let before = candidates.iter().filter(|candidate| !is_after_last(candidate));
    match after.chain(before).find(|candidate| candidate.view == ModemView::Free) {
        Some(candidate) => {
            let reason = reason(&ring);
            rotation.last.insert(ring, candidate.place);
            Decision { modem: Some(candidate.place), reason, wait: false }
        }
        None => Decision { modem: None, reason: Reason::AllBusy, wait: true },
    }
}

#[cfg(test)]
mod tests;
