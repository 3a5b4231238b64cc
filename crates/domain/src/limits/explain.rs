//! Where a receiver stands with every rule, for an operator who asks why.

use std::time::Duration;

use super::admit::{CodeRequest, pause};
use super::book::Book;
use super::conversion::{self, Totals};
use super::key::{LimitKey, SubjectKind};
use super::rate::Rate;
use super::rules::{LimitRefusal, Rule, Rules};
use super::windows::Windows;
use crate::clock::WallTime;

/// One rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explained {
    /// Which.
    pub rule: Rule,
    /// How much of it is used up; none where nothing is counted.
    pub used: Option<u32>,
    /// For how long it refuses.
    pub wait: Option<Duration>,
    /// False for a rule that does not hold this receiver back, because it is known.
    pub applies: bool,
}

/// What is judged by the share of codes that are entered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// What.
    pub kind: SubjectKind,
    /// Which, for people.
    pub label: String,
    /// Codes to new receivers looked at, and how many of them were entered.
    pub judged: (u32, u32),
    /// How many are looked at before it is judged.
    pub of: usize,
    /// Since when new receivers are held back.
    pub pressed_since: Option<WallTime>,
    /// All codes.
    pub totals: Totals,
}

/// Where a receiver stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// What would be answered to a wish for a code just now.
    pub refusal: Option<LimitRefusal>,
    /// It has entered a right code lately.
    pub known_at: Option<WallTime>,
    /// Wrong codes on end.
    pub streak: u32,
    /// The rules about receivers, prefixes, countries and callers.
    pub rules: Vec<Explained>,
    /// How its range, country and caller are judged.
    pub standings: Vec<Standing>,
    /// Fewer than this share is too few.
    ///
    /// # Units
    /// Percent.
    pub threshold: u32,
}

/// Explains where a receiver stands. Changes nothing.
pub fn explain(book: &Book, rules: &Rules, request: &CodeRequest<'_>, now: WallTime) -> Explanation {
    let keys = &request.keys;
    let record = book.find(&keys.receiver);
    let person = record.and_then(|record| record.person.as_deref());
    let is_known = record.is_some_and(|record| record.is_known(now));
    let mut explained = Vec::new();
    let windows = |key: Option<LimitKey>| key.and_then(|key| book.find(&key)).map(|record| &record.codes);
    let mut add = |windows: Option<&Windows>, rates: &[Rate], rule: fn(Rate) -> Rule, applies: bool| {
        let empty = Windows::default();
        let windows = windows.unwrap_or(&empty);
        explained.extend(rates.iter().map(|rate| Explained {
            rule: rule(*rate),
            used: Some(windows.used(*rate, now)),
            wait: windows.wait(&[*rate], now).map(|(_, wait)| wait),
            applies,
        }));
    };
    let number = keys.number;
    let is_abroad = request.digits.is_some_and(|digits| !rules.destinations.is_home(digits));
    add(windows(Some(keys.receiver)), &rules.codes_per_receiver, Rule::CodesPerReceiver, true);
    add(person.map(|person| &person.wrong), &rules.wrong_per_receiver, Rule::WrongPerReceiver, true);
    add(windows(number.map(|number| number.prefix)), &rules.codes_per_prefix, Rule::CodesPerPrefix, !is_known);
    let country = windows(number.map(|number| number.country));
    add(country, &rules.codes_per_country, Rule::CodesPerCountry, !is_known && is_abroad);
    if keys.client.is_some() {
        add(windows(keys.client), &rules.codes_per_client, Rule::CodesPerClient, true);
    }
    add(windows(Some(keys.api_user)), request.api_user_rates, Rule::ApiUser, true);
    let held = |rule, wait| Explained { rule, used: None, wait, applies: true };
    explained.push(held(Rule::CoolDown, record.and_then(|record| pause(record, rules, now))));
    explained.push(held(Rule::Lock, person.and_then(|person| person.locked_for(rules, now))));

    let standings = keys.judged().into_iter().filter_map(|key| standing(book, key, now)).collect();
    // Asked of a copy of what it is counted under: the answer must be the very one, and must count nothing.
    let mut copy = Book::default();
    for key in keys.all() {
        if let Some(record) = book.find(&key) {
            copy.restore(key, record.clone());
        }
    }
    Explanation {
        refusal: super::admit_code(&mut copy, rules, request, now).refusal,
        known_at: person.and_then(|person| person.known_at),
        streak: person.map_or(0, |person| person.streak),
        rules: explained,
        standings,
        threshold: conversion::threshold(book.find(&keys.api_user), &rules.conversion, now),
    }
}

/// How one subject is judged; `None` where nothing is known of it.
pub fn standing(book: &Book, key: LimitKey, now: WallTime) -> Option<Standing> {
    let conversion = book.find(&key)?.conversion.as_deref()?;
    let (of, _) = conversion::profile(key.kind())?;
    Some(Standing {
        kind: key.kind(),
        label: conversion.label.clone(),
        judged: conversion.score(of, now),
        of,
        pressed_since: conversion.pressed.map(|pressed| pressed.since),
        totals: conversion.totals,
    })
}
