//! How long the service centre keeps trying.
//!
//! For: the validity period of a SUBMIT. Never rounds up: a message must not outlive the code in it.
//! Called by [`crate::submit`] and by the SMS channel.
//!
//! # Standard
//! 3GPP TS 23.040 §9.2.3.12.

use std::time::Duration;

use crate::timestamp::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;

/// A validity period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// One octet, counted from the moment the service centre has the message (5 minutes to 63 weeks).
    Relative(u8),
    /// A date.
    Absolute(Timestamp),
    /// Seven octets with a functionality indicator; rarely honoured, kept as they are.
    Enhanced([u8; 7]),
}

impl Validity {
    /// The longest relative period that is not longer than `limit`; 5 minutes if `limit` is shorter than that.
    #[must_use]
    pub fn relative_at_most(limit: Duration) -> Self {
        let longest = (0..=u8::MAX).rev().find(|octet| relative_duration(*octet) <= limit);
        Self::Relative(longest.unwrap_or(0))
    }

    /// The length of a relative period; `None` for the other forms.
    #[must_use]
    pub fn duration(self) -> Option<Duration> {
        match self {
            Self::Relative(octet) => Some(relative_duration(octet)),
            Self::Absolute(_) | Self::Enhanced(_) => None,
        }
    }

    /// The validity period format bits (4-3 of the first octet).
    pub(crate) fn format_bits(validity: Option<Self>) -> u8 {
        match validity {
            None => 0x00,
            Some(Self::Enhanced(_)) => 0x08,
            Some(Self::Relative(_)) => 0x10,
            Some(Self::Absolute(_)) => 0x18,
        }
    }
}

fn relative_duration(octet: u8) -> Duration {
    let value = u64::from(octet);
    Duration::from_secs(match octet {
        0..=143 => (value + 1) * 5 * MINUTE,
        144..=167 => 12 * HOUR + (value - 143) * 30 * MINUTE,
        168..=196 => (value - 166) * DAY,
        197..=255 => (value - 192) * WEEK,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{DAY, HOUR, MINUTE, Validity, WEEK};

    #[test]
    fn relative_octets_mean_what_the_table_says() {
        let rows = [
            (0x00, 5 * MINUTE),
            (0x01, 10 * MINUTE),
            (0x0B, HOUR),
            (143, 12 * HOUR),
            (144, 12 * HOUR + 30 * MINUTE),
            (0xA7, 24 * HOUR),
            (168, 2 * DAY),
            (0xA9, 3 * DAY),
            (0xAA, 4 * DAY),
            (0xAD, 7 * DAY),
            (196, 30 * DAY),
            (197, 5 * WEEK),
            (0xF4, 52 * WEEK),
            (255, 63 * WEEK),
        ];
        for (octet, seconds) in rows {
            let validity = Validity::Relative(octet);
            assert_eq!(validity.duration(), Some(Duration::from_secs(seconds)), "{octet:02X}");
            assert_eq!(Validity::relative_at_most(Duration::from_secs(seconds)), validity, "{octet:02X}");
        }
    }

    #[test]
    fn a_limit_between_two_periods_takes_the_shorter() {
        let at_most = |seconds| Validity::relative_at_most(Duration::from_secs(seconds));
        assert_eq!(at_most(10 * MINUTE - 1), Validity::Relative(0));
        assert_eq!(at_most(12 * HOUR + 29 * MINUTE), Validity::Relative(143));
        assert_eq!(at_most(30 * DAY + HOUR), Validity::Relative(196));
        assert_eq!(at_most(1000 * WEEK), Validity::Relative(255));
        assert_eq!(at_most(0), Validity::Relative(0), "never less than the shortest period there is");
    }

    #[test]
    fn only_a_relative_period_has_a_length() {
        assert_eq!(Validity::Enhanced([0; 7]).duration(), None);
    }
}
