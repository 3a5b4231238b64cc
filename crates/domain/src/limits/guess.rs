//! Guesses: so many wrong ones in a time, and a lock after too many on end.
//!
//! A guess is counted as wrong before it is compared and given back when it was not, so that parallel guesses cannot overrun
//! the rule. The tries of one code are its ticket's own affair.

use std::time::Duration;

use super::book::Book;
use super::key::LimitKey;
use super::rules::{LimitRefusal, Mode, Rule, Rules};
use crate::clock::WallTime;

/// A guess that is about to be compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Begun {
    /// The rule that is reached. While rules are only observed, it is compared all the same.
    pub refusal: Option<LimitRefusal>,
    /// When it was counted.
    at: WallTime,
    /// False where counting it would have pushed another record out.
    is_counted: bool,
}

/// What a guess turned out to be.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum GuessEnd {
    /// Compared, and wrong.
    Wrong,
    /// Right.
    Right,
    /// Not compared: there was no code, it was over, or the store failed.
    NotCompared,
}

/// What follows from a guess.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Ended {
    /// The receiver is locked for so long from now on.
    pub locked_for: Option<Duration>,
    /// After a right one: the messages that it may have come from, shortened.
    pub messages: Vec<u32>,
    /// After a right one: the end user's network that had asked for the code.
    pub client: Option<LimitKey>,
}

/// Decides whether a receiver's code may be guessed at, and counts the guess as wrong until it is known.
pub fn begin_guess(book: &mut Book, rules: &Rules, receiver: LimitKey, now: WallTime) -> Begun {
    book.set_back(&[receiver], now);
    let person = book.find(&receiver).and_then(|record| record.person.as_deref());
    let locked = person.and_then(|person| person.locked_for(rules, now));
    let refusal = match locked {
        Some(left) => Some(LimitRefusal { rule: Rule::Lock, retry_after: Some(left) }),
        None => person
            .and_then(|person| person.wrong.wait(&rules.wrong_per_receiver, now))
            .map(|(rate, wait)| LimitRefusal { rule: Rule::WrongPerReceiver(rate), retry_after: Some(wait) }),
    };
    // Whoever guesses at receivers that nothing is counted for must not push out those for whom something is.
    let has_place = book.find(&receiver).is_some() || !book.is_full();
    let is_counted = has_place && (refusal.is_none() || rules.mode != Mode::Enforce);
    if is_counted {
        book.change(receiver, now).person_mut().wrong.count(&rules.wrong_per_receiver, now);
    }
    Begun { refusal, at: now, is_counted }
}

/// Puts right what was counted, and draws the conclusions.
pub fn end_guess(
    book: &mut Book,
    rules: &Rules,
    receiver: LimitKey,
    begun: &Begun,
    end: GuessEnd,
    now: WallTime,
) -> Ended {
    let record = match book.change_existing(receiver, now) {
        Some(record) => record,
        // It was compared, so there was a code.
        None if end != GuessEnd::NotCompared => book.change(receiver, now),
        None => return Ended::default(),
    };
    let person = record.person_mut();
    if end == GuessEnd::Wrong && !begun.is_counted {
        person.wrong.count(&rules.wrong_per_receiver, now);
    }
    match end {
        GuessEnd::Wrong => {
            person.streak = person.streak.saturating_add(1);
            // Several guesses may have been under way when it was locked: that is one lock.
            let is_locked = person.locked_for(rules, now).is_some();
            if rules.lock_after == 0 || person.streak < rules.lock_after || is_locked {
                return Ended::default();
            }
            let length = rules.lock.saturating_mul(1_u32.checked_shl(person.locks.into()).unwrap_or(u32::MAX));
            let length = length.min(rules.longest_lock);
            person.locks = person.locks.saturating_add(1).min(31);
            person.locked_until = Some(now.saturating_add(length));
            Ended { locked_for: Some(length), ..Ended::default() }
        }
        GuessEnd::Right => {
            if begun.is_counted {
                person.wrong.give_back(begun.at);
            }
            (person.streak, person.locks, person.locked_until) = (0, 0, None);
            (person.step, person.known_at) = (0, Some(now));
            let messages = std::mem::take(&mut person.recent);
            Ended { locked_for: None, messages, client: person.client.take() }
        }
        GuessEnd::NotCompared => {
            if begun.is_counted {
                person.wrong.give_back(begun.at);
            }
            book.forget_if_empty(&receiver);
            Ended::default()
        }
    }
}
