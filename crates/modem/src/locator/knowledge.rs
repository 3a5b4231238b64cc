//! What lines have said when they were asked, so that nothing is asked twice without a reason.
//!
//! Pure: time is a parameter.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::candidate::LineKey;
use crate::status::Identity;
use crate::wanted::{Fit, Wanted};

/// How long a line that said nothing is left alone: a modem that boots answers soon, a printer never.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// How often each pause is made before it doubles, so that a modem that boots is asked soon after it has.
const TIMES_EACH: u32 = 3;
/// The longest pause of a line that a modem is configured on: nobody else is meant to be there.
const LONGEST_PORT_PAUSE: Duration = Duration::from_secs(30);
/// The longest pause of a line that somebody else had: nothing was written to it.
const LONGEST_USED_PAUSE: Duration = Duration::from_secs(5);

/// What came of asking a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    Identity(Identity),
    /// Nothing, or no answer to AT.
    Nothing,
    /// The same, at the line that a modem is configured on.
    NothingAtPort,
    /// It was not asked: it could not be had.
    Used,
}

/// What a line has said.
#[derive(Debug)]
struct Said {
    /// Who is there; none if nobody has said so.
    identity: Option<Identity>,
    times: u32,
    again_at: Instant,
}

/// What is known of the lines that are there.
#[derive(Debug, Default)]
pub(super) struct Knowledge(BTreeMap<LineKey, Said>);

impl Knowledge {
    /// Notes what came of asking. That nothing answered does not count where somebody has answered before: it hangs.
    pub(super) fn note(&mut self, key: LineKey, heard: Heard, now: Instant) {
        let longest = match heard {
            Heard::Identity(_) | Heard::Nothing => LONGEST_PAUSE,
            Heard::NothingAtPort => LONGEST_PORT_PAUSE,
            Heard::Used => LONGEST_USED_PAUSE,
        };
        let said = self.0.entry(key).or_insert(Said { identity: None, times: 0, again_at: now });
        let pause = FIRST_PAUSE.saturating_mul(1 << (said.times / TIMES_EACH).min(16)).min(longest);
        said.times = said.times.saturating_add(1);
        said.again_at = now + pause;
        if let Heard::Identity(identity) = heard {
            said.identity = Some(identity);
        }
    }

    /// Forgets lines that are not there any more.
    pub(super) fn keep(&mut self, is_there: impl Fn(&LineKey) -> bool) {
        self.0.retain(|key, _| is_there(key));
    }

    /// Says how the line fits; `None` if it has never been asked, or said nothing.
    pub(super) fn fit(&self, key: &LineKey, wanted: &Wanted) -> Option<Fit> {
        self.0.get(key)?.identity.as_ref().map(|identity| wanted.fit(identity))
    }

    /// Answers whether the line has told the number of its device, which never changes.
    pub(super) fn has_told(&self, key: &LineKey) -> bool {
        self.0.get(key).and_then(|said| said.identity.as_ref()).is_some_and(|identity| identity.imei.is_some())
    }

    /// Answers whether the line may be asked (again).
    pub(super) fn is_due(&self, key: &LineKey, now: Instant) -> bool {
        self.0.get(key).is_none_or(|said| said.again_at <= now)
    }

    /// Answers whether the line was asked once at most.
    pub(super) fn is_new(&self, key: &LineKey) -> bool {
        self.0.get(key).is_none_or(|said| said.times <= 1)
    }

    /// When the next line may be asked again.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        self.0.values().map(|said| said.again_at).filter(|at| *at > now).min()
    }
}
