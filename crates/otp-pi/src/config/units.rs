//! Values as an owner writes them: durations (`"3m"`), sizes (`"2GiB"`) and listen addresses (`":8899"`).
//!
//! Pure text to type; used by the file model alone.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration written as whole numbers with units: `"500ms"`, `"30s"`, `"3m"`, `"24h"`, `"90d"`, `"1h30m"`; `""` and `"0s"` are zero.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Span(pub Duration);

/// A size in bytes: `"64KiB"`, `"2GiB"`, `"1000"`.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Size(pub u64);

/// None, one or several listen addresses: `""`, `":8899"`, `"127.0.0.1:8899, [::1]:8899"` or a list of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listen(pub Vec<SocketAddr>);

/// Reads a duration.
#[must_use]
pub fn parse_span(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, after) = rest.split_at_checked(rest.find(|c: char| !c.is_ascii_digit())?)?;
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit_end)?;
        let number: u64 = number.parse().ok()?;
        let milliseconds = match unit.trim() {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(number.checked_mul(milliseconds)?))?;
        rest = after.trim_start();
    }
    Some(total)
}

/// Reads a size.
#[must_use]
pub(super) fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = text.split_at_checked(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))?;
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// Reads a listen address; a missing host means every IPv4 address of the machine.
#[must_use]
pub(super) fn parse_listen(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix(':') {
        Some(number) => number.parse().ok().map(|number: u16| SocketAddr::from((Ipv4Addr::UNSPECIFIED, number))),
        None => text.parse().ok(),
    }
}

/// Writes a duration in its largest whole unit.
impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let milliseconds = self.0.as_millis();
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
        let whole = units.iter().find(|(length, _)| milliseconds > 0 && milliseconds.is_multiple_of(*length));
        let (length, unit) = whole.unwrap_or(&(1_000, "s"));
        serializer.collect_str(&format_args!("{}{unit}", milliseconds / length))
    }
}

/// Writes a size in its largest whole unit.
impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        let whole = units.iter().find(|(size, _)| self.0 > 0 && self.0.is_multiple_of(*size));
        let (size, unit) = whole.unwrap_or(&(1, ""));
        serializer.collect_str(&format_args!("{}{unit}", self.0 / size))
    }
}

/// Writes one line of addresses.
impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all: Vec<String> = self.0.iter().map(SocketAddr::to_string).collect();
        serializer.serialize_str(&all.join(", "))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_span(&text).map(Span).ok_or_else(|| {
            serde::de::Error::custom(format!("not a duration: {text:?}; write it like \"3m\" or \"1h30m\""))
        })
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_size(&text).map(Size).ok_or_else(|| {
            serde::de::Error::custom(format!("not a size: {text:?}; write it like \"64KiB\" or \"2GiB\""))
        })
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum OneOrMany {
            One(String),
            Many(Vec<String>),
        }
        let texts = match OneOrMany::deserialize(deserializer)? {
            OneOrMany::One(text) if text.trim().is_empty() => Vec::new(),
            OneOrMany::One(text) => text.split(',').map(str::to_owned).collect(),
            OneOrMany::Many(texts) => texts,
        };
        let read = |text: &String| {
            parse_listen(text.trim()).ok_or_else(|| {
                serde::de::Error::custom(format!(
                    "not a listen address: {text:?}; write it like \"127.0.0.1:8899\" or \":8899\""
                ))
            })
        };
        texts.iter().map(read).collect::<Result<_, _>>().map(Listen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, milliseconds) in [
            ("3m", Some(180_000)),
            ("1h30m", Some(5_400_000)),
            ("500ms", Some(500)),
            ("90d", Some(7_776_000_000)),
            ("", Some(0)),
        ] {
            assert_eq!(parse_span(text).map(|span| span.as_millis()), milliseconds, "{text:?}");
        }
        for text in ["3", "m", "3 minutes", "-1s", "99999999999999999999s", "3m5"] {
            assert_eq!(parse_span(text), None, "{text:?}");
        }
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, bytes) in
            [("64KiB", Some(65_536)), ("2GiB", Some(2_147_483_648)), ("10", Some(10)), ("1MB", None), ("", None)]
        {
            assert_eq!(parse_size(text), bytes, "{text:?}");
        }
    }

    #[test]
    fn a_listen_address_without_a_host_means_every_address() {
        assert_eq!(parse_listen(":8899"), Some(SocketAddr::from(([0, 0, 0, 0], 8899))));
        assert_eq!(parse_listen("[::1]:80").map(|address| address.is_ipv6()), Some(true));
        assert_eq!(parse_listen("localhost"), None);
    }
}
