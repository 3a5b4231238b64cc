//! Until when a message may be sent.
//!
//! Pure arithmetic on what the caller wrote; called by the gateway when it accepts a request. While our clock is not
//! synchronised the caller's absolute times mean nothing, and their distance is used instead.

use std::time::Duration;

use crate::clock::WallTime;

/// How long a send may wait whose caller named no time at all.
const DEFAULT_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The times of a request.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Times {
    /// When we took it, by our clock.
    pub accepted_at: WallTime,
    /// When the caller says it was made.
    pub date_time: Option<WallTime>,
    /// When the caller says it becomes worthless.
    pub expiration: Option<WallTime>,
    /// Whether our clock may be compared with the caller's.
    pub clock_is_synchronised: bool,
}

impl Times {
    /// Answers the caller's expiration by our clock: as it is, or, while our clock is not synchronised,
    /// `expiration − date_time` after acceptance (`None` if there is no `date_time` to count from).
    pub fn effective_expiration(&self) -> Option<WallTime> {
        if self.clock_is_synchronised {
            return self.expiration;
        }
        let distance = self.expiration?.saturating_since(self.date_time?);
        Some(self.accepted_at.saturating_add(distance))
    }

    /// Answers the deadline of a `create-otp`: its expiration, else acceptance and the lifetime of a code.
    pub fn otp_deadline(&self, lifetime: Duration) -> WallTime {
        self.effective_expiration().unwrap_or_else(|| self.accepted_at.saturating_add(lifetime))
    }

    /// Answers the deadline of a send: its expiration, else `date_time` and the configured offset, else 24 h.
    pub fn send_deadline(&self, expiration_offset: Duration) -> WallTime {
        if let Some(expiration) = self.effective_expiration() {
            return expiration;
        }
        match self.date_time {
            Some(date_time) if self.clock_is_synchronised => date_time.saturating_add(expiration_offset),
            Some(_) => self.accepted_at.saturating_add(expiration_offset),
            None => self.accepted_at.saturating_add(DEFAULT_WAIT),
        }
    }
}

/// Tells whether a deadline has passed; at the deadline itself it has.
pub fn is_past(deadline: WallTime, now: WallTime) -> bool {
    now >= deadline
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(180);
    const OFFSET: Duration = Duration::from_secs(600);

    fn at(seconds: i64) -> WallTime {
        WallTime::from_unix_millis(seconds * 1_000)
    }

    fn times(date_time: Option<i64>, expiration: Option<i64>, clock_is_synchronised: bool) -> Times {
        Times {
            accepted_at: at(10_000),
            date_time: date_time.map(at),
            expiration: expiration.map(at),
            clock_is_synchronised,
        }
    }

    #[test]
    fn deadlines_follow_the_table() {
        // date_time, expiration, synchronised → deadline of an OTP, deadline of a send
        for (date_time, expiration, synchronised, otp, send) in [
            (None, None, true, 10_180, 96_400),
            (None, Some(10_060), true, 10_060, 10_060),
            (Some(9_900), None, true, 10_180, 10_500),
            (Some(9_000), None, true, 10_180, 9_600),
            (Some(9_900), Some(9_950), true, 9_950, 9_950),
            (None, None, false, 10_180, 96_400),
            (None, Some(999_999), false, 10_180, 96_400),
            (Some(500_000), None, false, 10_180, 10_600),
            (Some(500_000), Some(500_120), false, 10_120, 10_120),
            (Some(500_000), Some(400_000), false, 10_000, 10_000),
        ] {
            let times = times(date_time, expiration, synchronised);
            assert_eq!(times.otp_deadline(LIFETIME), at(otp), "otp, {times:?}");
            assert_eq!(times.send_deadline(OFFSET), at(send), "send, {times:?}");
        }
    }

    #[test]
    fn a_deadline_is_past_when_it_is_reached() {
        assert!(!is_past(at(10), at(9)));
        assert!(is_past(at(10), at(10)));
        assert!(is_past(at(10), at(11)));
    }
}
