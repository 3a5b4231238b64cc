//! Wall time as a value, and the trait through which time is handed in.
//!
//! Nothing here reads a clock. Monotonic time (timeouts) is a different type and does not occur in this crate.
//! Implemented by the product's system clock; [`Manual`] serves tests.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A point in wall time.
///
/// # Units
/// Milliseconds since the Unix epoch, leap seconds ignored. The clock of a Raspberry Pi may jump by years at boot, so
/// every difference saturates instead of failing.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WallTime(i64);

impl WallTime {
    /// Takes milliseconds since the Unix epoch.
    pub const fn from_unix_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Answers milliseconds since the Unix epoch.
    pub const fn as_unix_millis(self) -> i64 {
        self.0
    }

    /// Adds a duration and stays at the end of time instead of overflowing.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Takes a duration off and stays at the beginning of time instead of overflowing.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Answers the time passed since `earlier`, zero if `earlier` is later.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// Answers a wait in whole seconds, rounded up: whoever waits this long is not refused again for the same reason.
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0))
}

/// Tells the wall time; the only way in which this crate's callers learn it.
pub trait Clock: Send + Sync {
    /// Answers the present wall time.
    fn now(&self) -> WallTime;

    /// Says whether the time can be believed. A Raspberry Pi starts years in the past until it is told the time.
    fn is_synchronised(&self) -> bool {
        true
    }
}

/// A clock that stands still until it is moved, for tests.
#[derive(Debug)]
pub struct Manual(AtomicI64);

impl Manual {
    /// Makes a clock that stands at `now`.
    pub const fn new(now: WallTime) -> Self {
        Self(AtomicI64::new(now.0))
    }

    /// Moves the clock to `now`, backwards too.
    pub fn set(&self, now: WallTime) {
        self.0.store(now.0, Ordering::SeqCst);
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().saturating_add(by));
    }
}

impl Clock for Manual {
    fn now(&self) -> WallTime {
        WallTime(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_saturate_when_the_clock_jumps_backwards() {
        let early = WallTime::from_unix_millis(1_000);
        let late = WallTime::from_unix_millis(4_500);
        assert_eq!(late.saturating_since(early), Duration::from_millis(3_500));
        assert_eq!(early.saturating_since(late), Duration::ZERO);
        assert_eq!(
            WallTime::from_unix_millis(i64::MAX).saturating_since(WallTime(i64::MIN)).as_millis(),
            i64::MAX as u128
        );
        assert_eq!(late.saturating_add(Duration::MAX), WallTime(i64::MAX));
        assert_eq!(late.saturating_sub(Duration::from_millis(3_500)), early);
        assert_eq!(WallTime(-2).saturating_sub(Duration::MAX), WallTime(i64::MIN));
    }

    #[test]
    fn the_manual_clock_moves_only_when_told() {
        let clock = Manual::new(WallTime::from_unix_millis(10));
        assert_eq!(clock.now().as_unix_millis(), 10);
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.now().as_unix_millis(), 1_010);
        clock.set(WallTime::from_unix_millis(5));
        assert_eq!(clock.now().as_unix_millis(), 5);
    }
}
