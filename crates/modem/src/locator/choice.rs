//! Which line a modem gets, and which are asked next. Pure: what was seen and the time are parameters.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tokio::time::Instant;

use super::candidate::{Candidate, LineKey};
use super::knowledge::Knowledge;
use super::{Absence, Stamp, Wish};
use crate::wanted::Fit;

/// What was seen at one look.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    /// In the order in which they are asked.
    pub(super) found: &'a [Candidate],
    /// Lines that modems are configured on, as far as they are there.
    pub(super) ports: &'a BTreeMap<PathBuf, Stamp>,
    /// Lines that modems have.
    pub(super) taken: &'a BTreeSet<LineKey>,
    /// Lines that are being asked.
    pub(super) asking: &'a BTreeSet<LineKey>,
}

impl Seen<'_> {
    fn is_free(&self, candidate: &Candidate) -> bool {
        !self.taken.contains(&candidate.key) && !self.asking.contains(&candidate.key)
    }

    /// What is behind a configured line; `None` if nothing is.
    fn at_port(&self, port: &Path) -> Option<LineKey> {
        let stamp = *self.ports.get(port)?;
        let listed = self.found.iter().find(|candidate| candidate.stamp == stamp);
        Some(
            listed
                .map_or_else(|| LineKey::of_path(port.display().to_string(), stamp), |candidate| candidate.key.clone()),
        )
    }
}

/// What a modem gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// This line, to be opened by this path.
    Take(LineKey, PathBuf),
    Wait(Absence),
}

/// Chooses the line of one modem: its own, unless somebody else is known to be there; else one that has told who is there.
pub(super) fn choose(wish: &Wish, seen: &Seen<'_>, knowledge: &Knowledge, now: Instant) -> Choice {
    let wanted = &wish.wanted;
    let absence = match at_port(wish, seen, knowledge, now) {
        Ok(choice) => return choice,
        Err(absence) => absence,
    };
    let is_right = |candidate: &&Candidate| {
        let key = &candidate.key;
        let fits = match knowledge.fit(key, wanted) {
            Some(Fit::Right) => true,
            // The session looks once the SIM is open, and whoever is disappointed comes back later.
            Some(Fit::CardUntold) => knowledge.is_due(key, now) || knowledge.is_new(key),
            _ => false,
        };
        fits && seen.is_free(candidate)
    };
    match seen.found.iter().find(is_right) {
        Some(candidate) => Choice::Take(candidate.key.clone(), candidate.device.clone()),
        None => Choice::Wait(absence),
    }
}

/// Takes the configured line, if that may be the modem; says why not otherwise.
fn at_port(wish: &Wish, seen: &Seen<'_>, knowledge: &Knowledge, now: Instant) -> Result<Choice, Absence> {
    let wanted = &wish.wanted;
    let absent = |text: String, is_wrong| Err(Absence { text, is_wrong });
    let Some(port) = &wish.port else { return absent(format!("no line has answered with {wanted}"), false) };
    let shown = port.display();
    let Some(key) = seen.at_port(port) else {
        return absent(format!("`{shown}` is not there, and no other line has answered with {wanted}"), false);
    };
    let elsewhere = format!("no other line has answered with {wanted}");
    if seen.taken.contains(&key) || seen.asking.contains(&key) {
        return absent(format!("another modem is at `{shown}`, and {elsewhere}"), true);
    }
    match (knowledge.fit(&key, wanted), knowledge.is_due(&key, now)) {
        (Some(Fit::Right), _) | (None | Some(Fit::CardUntold | Fit::Untold | Fit::OtherCard), true) => {
            Ok(Choice::Take(key, port.clone()))
        }
        (None, false) => absent(format!("nothing answers at `{shown}`, and {elsewhere}"), false),
        (Some(Fit::OtherDevice), _) => absent(format!("another device is at `{shown}`, and {elsewhere}"), true),
        (Some(Fit::OtherCard), false) => absent(format!("another sim is at `{shown}`, and {elsewhere}"), true),
        (Some(Fit::CardUntold | Fit::Untold), false) => {
            absent(format!("what is at `{shown}` does not tell who it is, and {elsewhere}"), true)
        }
    }
}

/// Chooses the lines to ask next: of each device one, and only until it has told who it is. `asks_cards`: somebody looks for a SIM,
/// which may have been put into a device that is known.
pub(super) fn to_ask<'a>(seen: &Seen<'a>, knowledge: &Knowledge, asks_cards: bool, now: Instant) -> Vec<&'a Candidate> {
    let mut groups: BTreeMap<&(String, String), Vec<&Candidate>> = BTreeMap::new();
    for candidate in seen.found {
        groups.entry(&candidate.group).or_default().push(candidate);
    }
    let next = |lines: Vec<&'a Candidate>| {
        if !lines.iter().all(|candidate| seen.is_free(candidate)) {
            return None;
        }
        let may_be_asked = |candidate: &&Candidate| candidate.may_be_asked && knowledge.is_due(&candidate.key, now);
        match lines.iter().copied().find(|candidate| knowledge.has_told(&candidate.key)) {
            Some(told) => Some(told).filter(|told| asks_cards && may_be_asked(told)),
            None => lines.into_iter().find(may_be_asked),
        }
    };
    groups.into_values().filter_map(next).collect()
}

#[cfg(test)]
mod tests;
