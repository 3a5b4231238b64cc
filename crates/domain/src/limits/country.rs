//! Country calling codes: which digits at the front of a number name its country.

/// Codes of two digits. `1` and `7` have one, all others three.
const TWO_DIGITS: [&str; 44] = [
    "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48", "49", "51",
    "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66", "81", "82", "84", "86", "90",
    "91", "92", "93", "94", "95", "98",
];

/// Answers the country calling code of a canonical number. Codes that are not assigned count with the three digits that they
/// would have.
///
/// # Standard
/// ITU-T E.164 §6.2.1 (2010) and its list of assigned country codes (E.164.D).
pub fn calling_code(digits: &str) -> &str {
    let front = |length: usize| digits.get(..length.min(digits.len())).unwrap_or(digits);
    match front(1) {
        "1" | "7" => front(1),
        _ if TWO_DIGITS.contains(&front(2)) => front(2),
        _ => front(3),
    }
}
