//! The notation of a limit: `"3/10m"`, at most three in any ten minutes.

use std::fmt;
use std::time::Duration;

/// The largest count, so that a count always fits where it is added up.
const MOST: u32 = 1_000_000;
/// The longest period: 31 days.
const LONGEST: Duration = Duration::from_secs(31 * 86_400);
/// What a period may be counted in, the largest unit first.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// At most so many in any period of that length.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Rate {
    count: u32,
    period: Duration,
}

/// Why a text is no rate.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RateError {
    /// There is no `/`, or a part is missing.
    #[error("it is not of the form N/period, for example \"3/10m\"")]
    Form,
    /// The count is zero, too large, or no number.
    #[error("the count must be a whole number from 1 to {MOST}")]
    Count,
    /// The period has no number or no unit that is known.
    #[error("the period must be a whole number and s, m, h or d, for example \"10m\"")]
    Period,
    /// The period is zero or too long.
    #[error("the period must be between 1s and 31d")]
    Length,
}

impl Rate {
    /// Makes a rate; `None` when count or period is out of bounds.
    pub fn new(count: u32, period: Duration) -> Option<Self> {
        let is_sound = (1..=MOST).contains(&count) && period >= Duration::from_secs(1) && period <= LONGEST;
        is_sound.then_some(Self { count, period })
    }

    /// Parses `N/period`, with the period as a whole number of `s`, `m`, `h` or `d`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, RateError> {
        let (count, period) = text.trim().split_once('/').ok_or(RateError::Form)?;
        let (count, period) = (count.trim(), period.trim());
        if count.is_empty() || period.is_empty() {
            return Err(RateError::Form);
        }
        let count = whole(count).ok_or(RateError::Count)?;
        let unit = period.chars().next_back().ok_or(RateError::Period)?;
        let seconds = UNITS.iter().find(|(name, _)| *name == unit).ok_or(RateError::Period)?.1;
        let number = period.strip_suffix(unit).and_then(whole).ok_or(RateError::Period)?;
        let seconds = number.checked_mul(seconds).ok_or(RateError::Length)?;
        let count = u32::try_from(count).ok().filter(|count| (1..=MOST).contains(count)).ok_or(RateError::Count)?;
        Self::new(count, Duration::from_secs(seconds)).ok_or(RateError::Length)
    }

    /// Answers how many are allowed.
    pub const fn count(self) -> u32 {
        self.count
    }

    /// Answers in what time.
    pub const fn period(self) -> Duration {
        self.period
    }
}

/// Digits and nothing else; `parse` of the standard library would take a sign.
fn whole(text: &str) -> Option<u64> {
    let is_whole = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_whole { text.parse().ok() } else { None }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.period.as_secs();
        // A day is written as it usually is said: 24h.
        let fits = |size: u64| seconds.is_multiple_of(size) && (size < 86_400 || seconds > 86_400);
        let (unit, size) = UNITS.into_iter().find(|(_, size)| fits(*size)).unwrap_or(('s', 1));
        write!(f, "{}/{}{unit}", self.count, seconds.checked_div(size).unwrap_or(seconds))
    }
}
