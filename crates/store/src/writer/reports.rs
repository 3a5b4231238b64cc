//! Which messages a delivery report may be about, in memory: modem, TP-MR and the receiver's last digits lead to a few.
//!
//! A report repeats nothing of ours but an eight-bit reference, so the messages' own attempts decide ([`super::matching`]); this only
//! keeps the search short. Rebuilt at open from the youngest journal rows.

use std::collections::{HashMap, VecDeque};

use domain::message::MessageId;
use sqlx::{Row, SqliteConnection};

use super::group::Effects;
use super::statements;
use crate::change::Report;
use crate::codec::Codec;
use crate::status::{Attempt, AttemptOutcome};

/// Digits of a receiver that a report must agree on: enough within the messages of one modem and TP-MR, and the same in national and
/// international form.
pub(super) const TAIL_DIGITS: usize = 7;
/// Messages remembered per modem and TP-MR that still await a report: 16,384 parts of one modem.
const AWAITING_PER_REFERENCE: usize = 64;
/// Those among them that await none any more: their reports may come again.
const SETTLED_PER_REFERENCE: usize = 16;
/// Messages of unknown outcome remembered per modem.
const UNKNOWN_PER_MODEM: usize = 32;

/// Journal rows looked at when the search is rebuilt.
const REBUILT: i64 = 10_000;

/// The last digits of a receiver.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Tail(u32);

impl Tail {
    /// Reads the last digits of a number as the network writes it; None when there are too few to tell receivers apart.
    pub(super) fn of(text: &str) -> Option<Self> {
        let digits = text.chars().rev().filter_map(|character| character.to_digit(10)).take(TAIL_DIGITS);
        let (count, value, _) =
            digits.fold((0, 0, 1), |(count, value, unit), digit| (count + 1, value + digit * unit, unit * 10));
        (count == TAIL_DIGITS).then_some(Self(value))
    }
}

/// Prints no digit.
impl std::fmt::Debug for Tail {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Tail(•)")
    }
}

#[derive(Debug, Clone, Copy)]
struct Noted {
    id: MessageId,
    tail: Tail,
    /// True when every part of its newest attempt is reported.
    is_settled: bool,
}

#[derive(Debug, Default)]
struct OfModem {
    /// By TP-MR (None: outcome unknown), newest first.
    by_reference: HashMap<Option<u8>, VecDeque<Noted>>,
    /// By how much the clock of its service centre is ahead of ours, from the last report of which there was no doubt.
    ahead_millis: Option<i64>,
}

#[derive(Debug, Default)]
pub(super) struct ReportIndex {
    by_modem: HashMap<String, OfModem>,
}

impl ReportIndex {
    /// Remembers what a committed group has changed, as far as reports may come for it.
    pub(super) fn follow(&mut self, codec: &Codec, effects: Effects) {
        for message in &effects.changed {
            let attempts = message.attempts();
            let is_worth_it =
                attempts.last().is_some_and(|it| it.outcome == AttemptOutcome::Unknown || !it.parts.is_empty());
            if is_worth_it && let Some(tail) = tail_of(codec, message.id, &message.summary) {
                self.note(message.id, tail, attempts);
            }
        }
        for (modem, ahead_millis) in effects.learnt {
            self.learn(modem, ahead_millis);
        }
    }

    /// Notes a message's newest attempt, if a report may come for it.
    fn note(&mut self, id: MessageId, tail: Tail, attempts: &[Attempt]) {
        let Some(attempt) = attempts.last() else { return };
        let of_parts = attempt.parts.iter().filter_map(|part| Some((Some(part.message_reference?), part.is_settled())));
        let of_attempt = (attempt.outcome == AttemptOutcome::Unknown).then_some((None, false));
        let of_modem = self.by_modem.entry(attempt.modem.clone()).or_default();
        for (reference, is_settled) in of_parts.chain(of_attempt) {
            let noted = of_modem.by_reference.entry(reference).or_default();
            put(noted, Noted { id, tail, is_settled });
            match reference {
                Some(_) => limit(noted),
                None => noted.truncate(UNKNOWN_PER_MODEM),
            }
        }
    }

    /// The messages of a modem to look at, the newest first, those in doubt last. Without a tail: of every receiver.
    pub(super) fn candidates(&self, modem: &str, reference: u8, tail: Option<Tail>) -> impl Iterator<Item = MessageId> {
        let of_modem = self.by_modem.get(modem);
        [Some(reference), None]
            .into_iter()
            .filter_map(move |key| of_modem.and_then(|it| it.by_reference.get(&key)))
            .flatten()
            .filter(move |noted| tail.is_none_or(|tail| noted.tail == tail))
            .map(|noted| noted.id)
    }

    /// The modems that a report may come for although it was another that got it: those that are there no more. The first is its own.
    pub(super) fn modems_of<'a>(&'a self, report: &'a Report) -> impl Iterator<Item = &'a str> {
        let is_gone = |name: &&str| !report.present.is_empty() && report.present.iter().all(|present| present != name);
        let gone = self.by_modem.keys().map(String::as_str).filter(move |name| *name != report.modem && is_gone(name));
        std::iter::once(report.modem.as_str()).chain(gone)
    }

    pub(super) fn ahead_millis(&self, modem: &str) -> Option<i64> {
        self.by_modem.get(modem).and_then(|it| it.ahead_millis)
    }

    /// Notes by how much the clock of a modem's service centre is ahead of ours.
    fn learn(&mut self, modem: String, ahead_millis: i64) {
        self.by_modem.entry(modem).or_default().ahead_millis = Some(ahead_millis);
    }
}

fn put(noted: &mut VecDeque<Noted>, new: Noted) {
    match noted.iter_mut().find(|known| known.id == new.id) {
        Some(known) => *known = new,
        None => noted.push_front(new),
    }
}

/// Forgets the oldest: of those that are settled soon, since most are, and their reports seldom come again.
fn limit(noted: &mut VecDeque<Noted>) {
    for (is_settled, most) in [(true, SETTLED_PER_REFERENCE), (false, AWAITING_PER_REFERENCE)] {
        if noted.iter().filter(|known| known.is_settled == is_settled).count() > most
            && let Some(oldest) = noted.iter().rposition(|known| known.is_settled == is_settled)
        {
            noted.remove(oldest);
        }
    }
}

/// Rebuilds the search for reports from the youngest journal rows.
pub(super) async fn load(connection: &mut SqliteConnection, codec: &Codec) -> Result<ReportIndex, sqlx::Error> {
    let rows = sqlx::query(statements::SELECT_REPORTABLE).bind(REBUILT).fetch_all(&mut *connection).await?;
    let mut index = ReportIndex::default();
    for row in rows.iter().rev() {
        let (id, attempts, summary): (&[u8], &str, &[u8]) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let (Ok(id), Ok(attempts)) = (id.try_into(), serde_json::from_str::<Vec<Attempt>>(attempts)) else { continue };
        let id = MessageId::from_bytes(id);
        for (attempt, part) in attempts.iter().flat_map(|it| it.parts.iter().map(move |part| (it, part))) {
            if let (Some(taken), Some(sent)) = (part.taken_at_seconds, part.sent_at_millis) {
                index.learn(attempt.modem.clone(), taken.saturating_mul(1000).saturating_sub(sent));
            }
        }
        if let Some(tail) = tail_of(codec, id, summary) {
            index.note(id, tail, &attempts);
        }
    }
    Ok(index)
}

/// The receiver's last digits of a message; None for an e-mail, and where they were lost with their keys.
pub(super) fn tail_of(codec: &Codec, id: MessageId, summary: &[u8]) -> Option<Tail> {
    let (receiver, _) = codec.open_summary(id, summary).ok()?;
    Tail::of(receiver.msisdn()?.tail(TAIL_DIGITS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::ReportState;
    use crate::status::Part;

    fn attempt(part: Part) -> [Attempt; 1] {
        [Attempt {
            number: 1,
            modem: "a".to_owned(),
            why: None,
            began_at_millis: 0,
            ended_at_millis: None,
            outcome: AttemptOutcome::Sent,
            code: None,
            total: 1,
            parts: vec![part],
            in_doubt: None,
        }]
    }

    fn id(number: u8) -> MessageId {
        MessageId::from_bytes([number; 16])
    }

    #[test]
    fn a_tail_is_the_last_seven_digits_however_they_are_written() {
        for (text, tail) in [
            ("08126666667", Some(6_666_667)),
            ("+62 812-666 66 67", Some(6_666_667)),
            ("0000007", Some(7)),
            ("666667", None),
            ("", None),
        ] {
            assert_eq!(Tail::of(text).map(|tail| tail.0), tail, "{text}");
        }
    }

    #[test]
    fn what_awaits_a_report_is_remembered_through_many_wraps_and_what_is_settled_goes_first() {
        let mut index = ReportIndex::default();
        let tail = Tail::of("6666666").unwrap();
        let sent = |report| Part { report, ..Part::new(1, 1, Some(7), None) };
        for number in 0..60 {
            index.note(id(number), tail, &attempt(sent(None)));
        }
        for number in 60..200 {
            index.note(id(number), tail, &attempt(sent(None)));
            index.note(id(number), tail, &attempt(sent(Some(ReportState::Delivered))));
        }
        let known: Vec<_> = index.candidates("a", 7, Some(tail)).collect();
        let expected: Vec<_> = (184..200).rev().chain((0..60).rev()).map(id).collect();
        assert_eq!(known, expected);
        for number in 200..=255 {
            index.note(id(number), tail, &attempt(sent(None)));
        }
        assert_eq!(index.candidates("a", 7, Some(tail)).count(), AWAITING_PER_REFERENCE + SETTLED_PER_REFERENCE);
        assert_eq!(index.candidates("a", 7, Tail::of("6666667")).count(), 0, "another receiver");
        assert_eq!(index.candidates("b", 7, Some(tail)).count(), 0, "another modem");
    }
}
