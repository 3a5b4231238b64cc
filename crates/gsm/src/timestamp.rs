//! The seven octets of a service centre time stamp.
//!
//! For: reading and writing swapped BCD dates. Never fails loudly: modems deliver month 0 and broken BCD, and then the
//! time of arrival has to do. Called by the PDU codecs and by `modem` (arrival times).
//!
//! # Standard
//! 3GPP TS 23.040 §9.2.3.11.

/// A local date and time with its offset from UTC. Two-digit years are of this century: 2000 to 2099.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timestamp {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    offset_quarters: i8,
}

impl Timestamp {
    /// Builds a time stamp of a date that exists, the offset in quarters of an hour (-79 to 79).
    #[must_use]
    pub fn new(year: u16, date: (u8, u8), time: (u8, u8, u8), offset_quarters: i8) -> Option<Self> {
        let ((month, day), (hour, minute, second)) = (date, time);
        let is_valid = (2000..2100).contains(&year)
            && (1..=days_in_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60
            && (-79..=79).contains(&offset_quarters);
        is_valid.then_some(Self { year, month, day, hour, minute, second, offset_quarters })
    }

    /// Builds the time stamp of an instant, seen at the given offset in quarters of an hour.
    #[must_use]
    pub fn from_unix_seconds(seconds: i64, offset_quarters: i8) -> Option<Self> {
        let local = seconds.checked_add(i64::from(offset_quarters) * 900)?;
        let (days, rest) = (local.div_euclid(86_400), local.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days)?;
        let time = (small(rest / 3600)?, small(rest / 60 % 60)?, small(rest % 60)?);
        Self::new(year, (month, day), time, offset_quarters)
    }

    /// Reads the seven octets, or answers `None` if they are not a date. A broken offset counts as UTC.
    #[must_use]
    pub fn decode(octets: [u8; 7]) -> Option<Self> {
        let [year, month, day, hour, minute, second, zone] = octets;
        let tens_and_sign = zone & 0x0F;
        let (tens, units) = (tens_and_sign & 0x07, zone >> 4);
        let quarters = if units < 10 { i8::try_from(tens * 10 + units).unwrap_or(0) } else { 0 };
        Self::new(
            2000 + u16::from(from_bcd(year)?),
            (from_bcd(month)?, from_bcd(day)?),
            (from_bcd(hour)?, from_bcd(minute)?, from_bcd(second)?),
            if tens_and_sign & 0x08 == 0 { quarters } else { -quarters },
        )
    }

    /// Writes the seven octets.
    #[must_use]
    pub fn encode(self) -> [u8; 7] {
        let magnitude = self.offset_quarters.unsigned_abs();
        let sign = if self.offset_quarters < 0 { 0x08 } else { 0x00 };
        let zone = ((magnitude % 10) << 4) | (magnitude / 10) | sign;
        let year = u8::try_from(self.year.saturating_sub(2000)).unwrap_or(0);
        let bcd = [year, self.month, self.day, self.hour, self.minute, self.second].map(to_bcd);
        let [year, month, day, hour, minute, second] = bcd;
        [year, month, day, hour, minute, second, zone]
    }

    /// The instant, in seconds since the Unix epoch.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        let days = days_from_civil(self.year, self.month, self.day);
        let of_day = i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        days * 86_400 + of_day - i64::from(self.offset_quarters) * 900
    }

    /// The offset from UTC, in quarters of an hour.
    #[must_use]
    pub fn offset_quarters(self) -> i8 {
        self.offset_quarters
    }
}

/// ISO 8601 with the offset, for logs and people.
impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let magnitude = u16::from(self.offset_quarters.unsigned_abs()) * 15;
        let sign = if self.offset_quarters < 0 { '-' } else { '+' };
        let Self { year, month, day, hour, minute, second, .. } = self;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        write!(f, "{sign}{:02}:{:02}", magnitude / 60, magnitude % 60)
    }
}

fn from_bcd(octet: u8) -> Option<u8> {
    let (units, tens) = (octet >> 4, octet & 0x0F);
    (units < 10 && tens < 10).then_some(tens * 10 + units)
}

fn to_bcd(value: u8) -> u8 {
    ((value % 10) << 4) | (value / 10 % 10)
}

fn small(value: i64) -> Option<u8> {
    u8::try_from(value).ok()
}

fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}

/// Days since the Unix epoch of a date of the Gregorian calendar, years counted from March.
fn days_from_civil(year: u16, month: u8, day: u8) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

/// The date of a day since the Unix epoch; `None` outside the years 2000 to 2099.
fn civil_from_days(days: i64) -> Option<(u16, u8, u8)> {
    let year = (2000..2100_u16).rev().find(|year| days_from_civil(*year, 1, 1) <= days)?;
    let month = (1..=12_u8).rev().find(|month| days_from_civil(year, *month, 1) <= days)?;
    let day = small(days.checked_sub(days_from_civil(year, month, 1))?.checked_add(1)?)?;
    Some((year, month, day))
}

#[cfg(test)]
mod tests {
    use super::Timestamp;
    use proptest::prelude::{prop_assert_eq, proptest};

    #[test]
    fn octets_become_dates() {
        let rows: &[([u8; 7], Option<&str>)] = &[
            ([0x31, 0x30, 0x80, 0x51, 0x20, 0x61, 0x80], Some("2013-03-08T15:02:16+02:00")),
            ([0x11, 0x20, 0x82, 0x11, 0x05, 0x05, 0x0A], Some("2011-02-28T11:50:50-05:00")),
            ([0x11, 0x10, 0x10, 0x21, 0x43, 0x65, 0x00], Some("2011-01-01T12:34:56+00:00")),
            ([0x42, 0x20, 0x92, 0x00, 0x00, 0x00, 0x00], Some("2024-02-29T00:00:00+00:00")),
            ([0x32, 0x20, 0x92, 0x00, 0x00, 0x00, 0x00], None), // 2023 has no 29 February
            ([0x31, 0x00, 0x80, 0x51, 0x20, 0x61, 0x80], None), // month 0
            ([0x31, 0xA0, 0x80, 0x51, 0x20, 0x61, 0x80], None), // not BCD
            ([0x31, 0x30, 0x80, 0x42, 0x20, 0x61, 0x80], None), // hour 24
            ([0x31, 0x30, 0x80, 0x51, 0x20, 0x61, 0xFF], Some("2013-03-08T15:02:16+00:00")), // broken offset
            ([0; 7], None),
        ];
        for (octets, expected) in rows {
            let decoded = Timestamp::decode(*octets).map(|it| it.to_string());
            assert_eq!(decoded.as_deref(), *expected, "{octets:02X?}");
        }
    }

    #[test]
    fn the_zone_octet_carries_the_sign_in_its_low_nibble() {
        let rows =
            [(0x80, 8), (0x23, 32), (0x2B, -32), (0x0A, -20), (0x04, 40), (0x61, 16), (0x40, 4), (0x00, 0), (0x97, 79)];
        for (zone, quarters) in rows {
            let decoded = Timestamp::decode([0x31, 0x30, 0x80, 0x51, 0x20, 0x61, zone]).unwrap();
            assert_eq!(decoded.offset_quarters(), quarters, "{zone:02X}");
            assert_eq!(decoded.encode()[6], zone, "{zone:02X}");
        }
    }

    #[test]
    fn an_instant_is_the_local_time_less_the_offset() {
        let stamp = Timestamp::new(2013, (3, 8), (15, 2, 16), 8).unwrap();
        assert_eq!(stamp.unix_seconds(), 1_362_747_736);
        assert_eq!(Timestamp::from_unix_seconds(1_362_747_736, 8), Some(stamp));
        assert_eq!(Timestamp::from_unix_seconds(0, 0), None);
        assert_eq!(Timestamp::from_unix_seconds(i64::MAX, 4), None);
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(seconds in 946_800_000_i64..4_102_300_000, quarters in -79_i8..=79) {
            let stamp = Timestamp::from_unix_seconds(seconds, quarters).unwrap();
            prop_assert_eq!(Timestamp::decode(stamp.encode()), Some(stamp));
            prop_assert_eq!(stamp.unix_seconds(), seconds);
        }

        #[test]
        fn any_seven_octets_are_read_without_panic(octets: [u8; 7]) {
            if let Some(stamp) = Timestamp::decode(octets) {
                prop_assert_eq!(Timestamp::decode(stamp.encode()), Some(stamp));
            }
        }
    }
}
