//! The wall clock of this machine: the only place that reads it.

use std::time::{SystemTime, UNIX_EPOCH};

use domain::clock::{Clock, WallTime};

/// A clock that shows less has not been set since the machine started: a Raspberry Pi has no battery. 2026-01-01.
const NO_EARLIER_THAN: WallTime = WallTime::from_unix_millis(1_767_225_600_000);

/// The machine's clock.
#[derive(Copy, Clone, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> WallTime {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        WallTime::from_unix_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn is_synchronised(&self) -> bool {
        self.now() >= NO_EARLIER_THAN
    }
}
