//! What to do after a failure: try again here, elsewhere, or not at all.
//!
//! Pure; the dispatcher asks with the class of the failure (from the CMS/CME tables) and acts on the answer. Never
//! answers "send again" when the text may already be on air.

use std::time::Duration;

use rand_core::Rng;

use crate::clock::WallTime;

/// The pause after the first failure; doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// After so many attempts another modem is no longer tried at once: all may be refusing.
const ATTEMPTS_WITHOUT_PAUSE: u32 = 3;

/// What kind of failure it was, as the channel classed it.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum FailureClass {
    /// Will pass: network congestion, modem busy.
    RetryHere,
    /// This modem or its SIM cannot; another may.
    OtherModem,
    /// Nobody can: the number is wrong, the operator refuses.
    GiveUp,
    /// A person must act: wrong SMSC, SIM locked.
    Configuration,
    /// The text may have been sent.
    Unknown,
}

/// What to do next.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Retry {
    /// Try again at that time, by whichever modem the route then gives.
    At(WallTime),
    /// Try another modem at once.
    OtherModem,
    /// Final: it failed.
    GiveUp,
    /// Raise the alarm for this modem; until the deadline, try another.
    ConfigurationFault,
    /// Do not send again; `unknown_policy` decides.
    Unknown,
}

/// Decides what to do after the `attempt`-th attempt (counted from 1) failed.
///
/// Pauses grow exponentially, are jittered by up to half, and never reach the deadline: what could only be tried after
/// it is given up.
pub fn next(class: FailureClass, attempt: u32, now: WallTime, deadline: WallTime, rng: &mut impl Rng) -> Retry {
    match class {
        FailureClass::Unknown => Retry::Unknown,
        FailureClass::GiveUp => Retry::GiveUp,
        // Also past the deadline: the alarm must not be lost with the message.
        FailureClass::Configuration => Retry::ConfigurationFault,
        FailureClass::RetryHere | FailureClass::OtherModem if now >= deadline => Retry::GiveUp,
        FailureClass::OtherModem if attempt < ATTEMPTS_WITHOUT_PAUSE => Retry::OtherModem,
        FailureClass::RetryHere | FailureClass::OtherModem => {
            let at = now.saturating_add(pause(attempt, rng));
            if at < deadline { Retry::At(at) } else { Retry::GiveUp }
        }
    }
}

/// Draws the pause after an attempt: between half of `1 s · 2^(attempt − 1)` and all of it, capped at a minute.
fn pause(attempt: u32, rng: &mut impl Rng) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    let longest = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
    let half = longest / 2;
    let half_millis = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).max(1);
    half.saturating_add(Duration::from_millis(rng.next_u64() % (half_millis + 1)))
}

#[cfg(test)]
mod tests;
