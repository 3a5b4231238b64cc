//! Durations as people write them in a script or on a command line: `250ms`, `2.5s`, `3m`.
//!
//! Called by the script reader and by the binary.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// Says why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration; write for example 250ms, 2.5s or 3m")]
pub struct DurationError(String);

/// Parses a duration with its unit (`ms`, `s` or `m`); the number may have a fraction.
///
/// # Errors
/// Refuses a missing or unknown unit, a negative number and anything that is not a number.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let refused = || DurationError(text.to_owned());
    let trimmed = text.trim();
    let (number, unit_seconds) = if let Some(number) = trimmed.strip_suffix("ms") {
        (number, 0.001)
    } else if let Some(number) = trimmed.strip_suffix('s') {
        (number, 1.0)
    } else if let Some(number) = trimmed.strip_suffix('m') {
        (number, 60.0)
    } else if trimmed == "0" {
        (trimmed, 1.0)
    } else {
        return Err(refused());
    };
    let number: f64 = number.trim().parse().map_err(|_| refused())?;
    Duration::try_from_secs_f64(number * unit_seconds).map_err(|_| refused())
}

/// Reads a duration out of a script.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(de::Error::custom)
}

/// Reads an optional duration out of a script.
pub(crate) mod optional {
    use super::{Deserialize, Deserializer, Duration, de, parse_duration};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| parse_duration(&text).map_err(de::Error::custom)).transpose()
    }
}

/// A duration inside a value of a script, such as `{ delay = "2s" }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptDuration(pub Duration);

impl<'de> Deserialize<'de> for ScriptDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_fractions_are_understood() {
        let cases = [("250ms", 250), ("2.5s", 2500), ("3m", 180_000), ("0s", 0), ("0", 0), (" 1 s ", 1000)];
        for (text, millis) in cases {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn a_number_without_unit_or_below_zero_is_refused() {
        for text in ["5", "", "s", "-1s", "NaNs", "1h", "1e400s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
