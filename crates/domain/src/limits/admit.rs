//! May this be sent? Counted at once if so, so that however many ask at the same time, no more get through than the rule allows.

use std::time::Duration;

use super::book::{Book, Record, pauses_forgotten};
use super::conversion::{self, Alarm, Sample, SampleState};
use super::destination::Destination;
use super::key::{CodeKeys, LimitKey, SubjectKind, range_label};
use super::rate::Rate;
use super::rules::{LimitRefusal, Mode, Rule, Rules};
use crate::clock::WallTime;

/// Messages of a receiver that a right code may have come from: two codes are valid at once, and one may have just been replaced.
const RECENT: usize = 3;

/// A wish for a code.
#[derive(Clone, Debug)]
pub struct CodeRequest<'a> {
    /// What it is counted under.
    pub keys: CodeKeys,
    /// The digits of a phone number, canonical.
    pub digits: Option<&'a str>,
    /// The end user's network, for people.
    pub client: Option<&'a str>,
    /// Who asks.
    pub api_user: &'a str,
    /// The limits of that API user's own.
    pub api_user_rates: &'a [Rate],
    /// The message that will carry the code, shortened.
    pub message: u32,
}

/// What was counted for a wish that was let through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Taken {
    /// Under what.
    pub keys: CodeKeys,
    /// The message.
    pub message: u32,
    /// When.
    at: WallTime,
    /// The receiver's pauses as they were.
    pauses: (u8, Option<WallTime>),
    /// The receiver was known: neither prefix nor country counted it.
    is_known: bool,
    /// Which of them let a new receiver in by its quota.
    quotas: Vec<LimitKey>,
}

/// Whether a wish is let through.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Admission {
    /// The rule that is reached. While rules are only observed, it is let through all the same.
    pub refusal: Option<LimitRefusal>,
    /// What was counted, when it is let through.
    pub taken: Option<Taken>,
    /// What has changed for new receivers.
    pub alarms: Vec<Alarm>,
}

/// Decides on a wish for a code, and counts it.
pub fn admit_code(book: &mut Book, rules: &Rules, request: &CodeRequest<'_>, now: WallTime) -> Admission {
    let keys = &request.keys;
    book.set_back(&keys.all(), now);
    let threshold = conversion::threshold(book.find(&keys.api_user), &rules.conversion, now);
    let alarms = conversion::judge(book, &keys.judged(), threshold, now);
    let is_known = book.find(&keys.receiver).is_some_and(|record| record.is_known(now));
    let refusal = destination(rules, request.digits)
        .or_else(|| receiver(book.find(&keys.receiver), rules, now))
        .or_else(|| counted(book, keys.client, &rules.codes_per_client, now).map(limit(Rule::CodesPerClient)))
        .or_else(|| counted(book, Some(keys.api_user), request.api_user_rates, now).map(limit(Rule::ApiUser)))
        .or_else(|| if is_known { None } else { new_receiver(book, rules, request, now) });
    if let Some(LimitRefusal { rule: Rule::Conversion(..), .. }) = refusal {
        want(book, keys, now);
    }
    if refusal.is_some() && rules.mode == Mode::Enforce {
        return Admission { refusal, taken: None, alarms };
    }
    let taken = Some(count(book, rules, request, is_known, now));
    Admission { refusal, taken, alarms }
}

/// Where it may not go.
fn destination(rules: &Rules, digits: Option<&str>) -> Option<LimitRefusal> {
    let rule = match rules.destinations.judge(digits?) {
        Destination::Allowed => return None,
        Destination::NotListed => Rule::Destinations,
        Destination::Denied => Rule::DestinationsDenied,
        Destination::Costly => Rule::CostlyNumber,
    };
    Some(LimitRefusal { rule, retry_after: None })
}

/// Lock, pause and rates of the receiver itself.
fn receiver(record: Option<&Record>, rules: &Rules, now: WallTime) -> Option<LimitRefusal> {
    let record = record?;
    let person = record.person.as_deref();
    if let Some(left) = person.and_then(|person| person.locked_for(rules, now)) {
        return Some(LimitRefusal { rule: Rule::Lock, retry_after: Some(left) });
    }
    let counted = record.codes.wait(&rules.codes_per_receiver, now).map(limit(Rule::CodesPerReceiver));
    let paused = pause(record, rules, now).map(|left| LimitRefusal { rule: Rule::CoolDown, retry_after: Some(left) });
    match (counted, paused) {
        (Some(counted), Some(paused)) if paused.retry_after > counted.retry_after => Some(paused),
        (Some(counted), _) => Some(counted),
        (None, paused) => paused,
    }
}

/// How long the receiver's pause still lasts.
pub(super) fn pause(record: &Record, rules: &Rules, now: WallTime) -> Option<Duration> {
    let person = record.person.as_deref()?;
    let since = now.saturating_since(person.last_code?);
    let step = usize::from(person.step.checked_sub(1)?);
    let pause = rules.cool_down.get(step).or(rules.cool_down.last())?;
    pause.checked_sub(since).filter(|left| !left.is_zero())
}

fn counted(book: &Book, key: Option<LimitKey>, rates: &[Rate], now: WallTime) -> Option<(Rate, Duration)> {
    book.find(&key?)?.codes.wait(rates, now)
}

fn limit(rule: fn(Rate) -> Rule) -> impl Fn((Rate, Duration)) -> LimitRefusal {
    move |(rate, wait)| LimitRefusal { rule: rule(rate), retry_after: Some(wait) }
}

/// What holds back those who have not entered a right code lately.
fn new_receiver(book: &Book, rules: &Rules, request: &CodeRequest<'_>, now: WallTime) -> Option<LimitRefusal> {
    let keys = &request.keys;
    let pressed = keys.judged().into_iter().find_map(|key| {
        let conversion = book.find(&key)?.conversion.as_deref()?;
        conversion.pressed?;
        let (_, quota) = conversion::profile(key.kind())?;
        let (rate, wait) = conversion.quota.wait(&[quota], now)?;
        Some(LimitRefusal { rule: Rule::Conversion(key.kind(), rate), retry_after: Some(wait) })
    });
    let number = keys.number;
    let prefix = || {
        counted(book, number.map(|number| number.prefix), &rules.codes_per_prefix, now).map(limit(Rule::CodesPerPrefix))
    };
    let is_abroad = request.digits.is_some_and(|digits| !rules.destinations.is_home(digits));
    let country = || {
        counted(book, number.map(|number| number.country), &rules.codes_per_country, now)
            .map(limit(Rule::CodesPerCountry))
    };
    pressed.or_else(prefix).or_else(|| if is_abroad { country() } else { None })
}

/// Notes that a new receiver would have liked a code.
fn want(book: &mut Book, keys: &CodeKeys, now: WallTime) {
    for key in keys.judged() {
        let is_pressed =
            |record: &Record| record.conversion.as_ref().is_some_and(|conversion| conversion.pressed.is_some());
        if !book.find(&key).is_some_and(is_pressed) {
            continue;
        }
        let pressed = book.change_existing(key, now).and_then(|record| record.conversion_mut().pressed.as_mut());
        if let Some(pressed) = pressed {
            pressed.wanted_at = now;
        }
    }
}

fn count(book: &mut Book, rules: &Rules, request: &CodeRequest<'_>, is_known: bool, now: WallTime) -> Taken {
    let keys = request.keys;
    let receiver = book.change(keys.receiver, now);
    receiver.codes.count(&rules.codes_per_receiver, now);
    let person = receiver.person_mut();
    let pauses = (person.step, person.last_code);
    if person.last_code.is_some_and(|last| now.saturating_since(last) >= pauses_forgotten(rules)) {
        person.step = 0;
    }
    (person.step, person.last_code) = (person.step.saturating_add(1), Some(now));
    person.client = keys.client;
    person.recent.push(request.message);
    let superseded = person.recent.len().saturating_sub(RECENT);
    person.recent.drain(..superseded);

    let mut quotas = Vec::new();
    for key in keys.judged() {
        let record = book.change(key, now);
        match key.kind() {
            SubjectKind::Client => record.codes.count(&rules.codes_per_client, now),
            SubjectKind::ApiUser => record.codes.count(request.api_user_rates, now),
            SubjectKind::Country if !is_known => record.codes.count(&rules.codes_per_country, now),
            SubjectKind::Country | SubjectKind::Range | SubjectKind::Prefix | SubjectKind::Receiver => {}
        }
        let conversion = record.conversion_mut();
        if conversion.label.is_empty() {
            conversion.label = label(key.kind(), request);
        }
        if is_known {
            continue;
        }
        let (message, range) = (request.message, keys.receiver.range_tag());
        conversion.add(key.kind(), Sample { message, range, at: now, state: SampleState::Waiting });
        if let (Some(pressed), Some((_, quota))) = (&mut conversion.pressed, conversion::profile(key.kind())) {
            pressed.wanted_at = now;
            conversion.quota.count(&[quota], now);
            quotas.push(key);
        }
    }
    if let Some(number) = keys.number.filter(|_| !is_known) {
        book.change(number.prefix, now).codes.count(&rules.codes_per_prefix, now);
    }
    Taken { keys, message: request.message, at: now, pauses, is_known, quotas }
}

fn label(kind: SubjectKind, request: &CodeRequest<'_>) -> String {
    match kind {
        SubjectKind::Range => request.digits.map(range_label).unwrap_or_default(),
        SubjectKind::Country => request.digits.map(super::calling_code).unwrap_or_default().to_owned(),
        SubjectKind::Client => request.client.unwrap_or_default().to_owned(),
        SubjectKind::ApiUser => request.api_user.to_owned(),
        SubjectKind::Receiver | SubjectKind::Prefix => String::new(),
    }
}

/// Takes back what was counted for a code that was not accepted after all.
pub fn give_back(book: &mut Book, taken: &Taken, now: WallTime) {
    if let Some(record) = book.change_existing(taken.keys.receiver, now) {
        record.codes.give_back(taken.at);
        let person = record.person_mut();
        if person.last_code == Some(taken.at) {
            (person.step, person.last_code) = taken.pauses;
        }
        person.recent.retain(|message| *message != taken.message);
        person.client = person.client.filter(|_| !person.recent.is_empty());
        book.forget_if_empty(&taken.keys.receiver);
    }
    if let Some(number) = taken.keys.number.filter(|_| !taken.is_known)
        && let Some(record) = book.change_existing(number.prefix, now)
    {
        record.codes.give_back(taken.at);
        book.forget_if_empty(&number.prefix);
    }
    for key in taken.keys.judged() {
        let Some(record) = book.change_existing(key, now) else { continue };
        if key.kind() != SubjectKind::Country || !taken.is_known {
            record.codes.give_back(taken.at);
        }
        let Some(conversion) = record.conversion.as_deref_mut() else { continue };
        conversion.samples.retain(|sample| sample.message != taken.message);
        if taken.quotas.contains(&key) {
            conversion.quota.give_back(taken.at);
        }
    }
}

/// Decides on a message that carries no code: where it goes, and how much its API user may have sent. Counts it.
pub fn admit_send(
    book: &mut Book,
    rules: &Rules,
    (api_user, rates): (LimitKey, &[Rate]),
    digits: Option<&str>,
    now: WallTime,
) -> Option<LimitRefusal> {
    book.set_back(&[api_user], now);
    let refusal =
        destination(rules, digits).or_else(|| counted(book, Some(api_user), rates, now).map(limit(Rule::ApiUser)));
    if (refusal.is_none() || rules.mode != Mode::Enforce) && !rates.is_empty() {
        book.change(api_user, now).codes.count(rates, now);
    }
    refusal
}

/// Takes back what was counted for a message that was not accepted after all.
pub fn give_back_send(book: &mut Book, api_user: LimitKey, at: WallTime, now: WallTime) {
    if let Some(record) = book.change_existing(api_user, now) {
        record.codes.give_back(at);
    }
}
