//! Times for people: in the machine's own zone, to the second.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Shows a time in milliseconds since the Unix epoch.
pub(super) fn text(unix_millis: i64) -> String {
    match Timestamp::from_millisecond(unix_millis) {
        Ok(at) => at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        // Beyond the year 9999: a deadline that was never meant to come.
        Err(_) => "never".to_owned(),
    }
}
