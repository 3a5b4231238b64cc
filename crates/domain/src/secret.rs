//! Text that must not be seen: message texts, passwords, codes that users typed.
//!
//! Never displayed, never serialised; wiped from memory on drop. Used by every entrance and by the store.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Text that is shown as dots, wiped on drop and compared in constant time.
#[derive(Clone)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes over a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Shows the text; reviewers look for every use.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

impl PartialEq for SecretText {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for SecretText {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_dots_and_equality_compares_the_text() {
        let secret = SecretText::new("123456");
        assert_eq!(format!("{secret:?}"), "•••");
        assert_eq!(secret, SecretText::new(String::from("123456")));
        assert_ne!(secret, SecretText::new("123457"));
        assert_ne!(secret, SecretText::new("12345"));
        assert_eq!(secret.clone().expose(), "123456");
    }
}
