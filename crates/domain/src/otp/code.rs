//! The code itself: minted uniformly, shown as dots, wiped on drop.
//!
//! Never cloned, displayed or serialised. Minted by the channel that is about to send.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// A length that no code has.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a code has 4 to 10 digits")]
pub struct CodeLengthError;

/// How many digits a code has: 4 to 10.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct CodeLength(u8);

impl CodeLength {
    /// Takes a number of digits.
    ///
    /// # Errors
    /// [`CodeLengthError`] outside 4 to 10.
    pub const fn new(digits: u8) -> Result<Self, CodeLengthError> {
        if digits >= 4 && digits <= 10 { Ok(Self(digits)) } else { Err(CodeLengthError) }
    }

    /// Answers the number of digits.
    pub const fn digits(self) -> u8 {
        self.0
    }
}

impl Default for CodeLength {
    /// Six digits: just under 20 bits (NIST SP 800-63B-4 §3.1.3.2, 2025).
    fn default() -> Self {
        Self(6)
    }
}

/// A one-time code in clear.
pub struct Code(Zeroizing<String>);

impl Code {
    /// Mints a code: every number of that many digits is equally likely, zeros in front included.
    pub fn mint(length: CodeLength, rng: &mut impl CryptoRng) -> Self {
        let numbers = 10_u64.pow(u32::from(length.0));
        // Values at or above the largest multiple of `numbers` would favour small codes, so they are drawn again.
        let limit = u64::MAX - u64::MAX % numbers;
        let drawn = loop {
            let value = Zeroizing::new(rng.next_u64());
            if *value < limit {
                break value;
            }
        };
        Self::from_number(*drawn, length)
    }

    /// Answers zeros of that length, so that a text can be measured before the code exists.
    pub fn placeholder(length: CodeLength) -> Self {
        Self::from_number(0, length)
    }

    /// Shows the digits; reviewers look for every use.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Writes the lowest digits of a number, zero padded, into a buffer that never grows (growing would leave a copy).
    fn from_number(number: u64, length: CodeLength) -> Self {
        let mut digits = Zeroizing::new(String::with_capacity(usize::from(length.0)));
        for position in (0..u32::from(length.0)).rev() {
            let digit = number / 10_u64.pow(position) % 10;
            digits.push(u32::try_from(digit).ok().and_then(|digit| char::from_digit(digit, 10)).unwrap_or('0'));
        }
        Self(digits)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

#[cfg(test)]
mod tests;
