//! An amount of money as networks write it: with dots, commas, blanks or apostrophes in it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount in the SIM's own currency.
///
/// # Units
/// Thousandths: some currencies have three decimals.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Amount(i64);

impl Amount {
    /// Makes an amount of whole units; too big a one is the biggest.
    #[must_use]
    pub fn of_whole(units: u64) -> Self {
        Self(i64::try_from(units).unwrap_or(i64::MAX).saturating_mul(1000))
    }

    /// Reads an amount; `None` if it is none.
    ///
    /// Blanks and apostrophes stand between thousands. Of dots and commas the last kind is the decimal separator when both occur; one kind
    /// that occurs more than once stands between thousands; one alone does so if exactly three digits follow it and more than a zero stands
    /// before it, else it is the decimal separator: `10.000` and `10,000` are ten thousand, `10.50`, `10,5` and `0.125` are not.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_end_matches(['.', ',']);
        let (sign, digits) = match text.strip_prefix(['-', '\u{2212}']) {
            Some(rest) => (-1, rest.trim_start()),
            None => (1, text),
        };
        let is_between = |character: char| matches!(character, ' ' | '\'' | '\u{2019}' | '\u{a0}' | '\u{202f}');
        let cleaned: String = digits.chars().filter(|character| !is_between(*character)).collect();
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b','));
        if !is_number(&cleaned) || !cleaned.starts_with(|first: char| first.is_ascii_digit()) {
            return None;
        }
        let (whole, fraction) = match decimal_separator(&cleaned)? {
            Some(separator) => cleaned.rsplit_once(separator)?,
            None => (cleaned.as_str(), ""),
        };
        let whole: i64 = whole.replace(['.', ','], "").parse().ok()?;
        let fraction: String = fraction.chars().chain("000".chars()).take(3).collect();
        let thousandths = whole.checked_mul(1000)?.checked_add(fraction.parse().ok()?)?;
        Some(Self(thousandths * sign))
    }

    /// The amount as a number for scripts, such as `12500` or `-0.5`.
    #[must_use]
    pub fn number(self) -> String {
        let (sign, whole, fraction) = self.parts();
        let fraction = format!("{fraction:03}");
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{whole}{point}{fraction}")
    }

    fn parts(self) -> (&'static str, u64, u64) {
        let all = self.0.unsigned_abs();
        (if self.0 < 0 { "-" } else { "" }, all / 1000, all % 1000)
    }
}

/// Shows the amount with commas between thousands: `12,500` or `12,500.50`.
impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, whole, fraction) = self.parts();
        let digits = whole.to_string();
        formatter.write_str(sign)?;
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                formatter.write_str(",")?;
            }
            write!(formatter, "{digit}")?;
        }
        match fraction {
            0 => Ok(()),
            _ if fraction.is_multiple_of(10) => write!(formatter, ".{:02}", fraction / 10),
            _ => write!(formatter, ".{fraction:03}"),
        }
    }
}

/// The decimal separator of a number, if it has one; the outer `None` if it makes no sense.
fn decimal_separator(text: &str) -> Option<Option<char>> {
    let (dots, commas) = (text.matches('.').count(), text.matches(',').count());
    let last = text.rfind(['.', ',']);
    let separator = last.and_then(|place| text.get(place..)?.chars().next());
    let (Some(place), Some(separator)) = (last, separator) else { return Some(None) };
    if dots > 0 && commas > 0 {
        let is_single = if separator == '.' { dots == 1 } else { commas == 1 };
        return is_single.then_some(Some(separator));
    }
    if dots + commas > 1 {
        return Some(None);
    }
    let (before, after) = (text.get(..place)?, text.get(place + 1..)?);
    let is_between_thousands = after.len() == 3 && !before.trim_start_matches('0').is_empty();
    Some((!is_between_thousands).then_some(separator))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_networks_write_them() {
        for (text, number, shown) in [
            ("10000", "10000", "10,000"),
            ("10.000", "10000", "10,000"),
            ("10,000", "10000", "10,000"),
            ("1.234.567", "1234567", "1,234,567"),
            ("1,00,000", "100000", "100,000"),
            ("1.234,50", "1234.5", "1,234.50"),
            ("1,234.50", "1234.5", "1,234.50"),
            ("1 234,50", "1234.5", "1,234.50"),
            ("1\u{a0}234,5", "1234.5", "1,234.50"),
            ("1'234.05", "1234.05", "1,234.05"),
            ("10.5", "10.5", "10.50"),
            ("10,50", "10.5", "10.50"),
            ("0.125", "0.125", "0.125"),
            ("0,75", "0.75", "0.75"),
            ("5.1234", "5.123", "5.123"),
            ("10000.", "10000", "10,000"),
            ("-2,50", "-2.5", "-2.50"),
            ("0", "0", "0"),
            ("999", "999", "999"),
        ] {
            let amount = Amount::parse(text);
            let seen = amount.map(|amount| (amount.number(), amount.to_string()));
            assert_eq!(seen, Some((number.to_owned(), shown.to_owned())), "{text:?}");
        }
        for text in ["", " ", ".", ",5", "Rp", "10a", "1.2,3.4,5", "1,2.3,4", "99999999999999999999", "--1"] {
            assert_eq!(Amount::parse(text), None, "{text:?}");
        }
        assert!(Amount::of_whole(10_000) > Amount::parse("9.999,99").unwrap());
        assert!(Amount::of_whole(u64::MAX) > Amount::of_whole(1));
    }
}
