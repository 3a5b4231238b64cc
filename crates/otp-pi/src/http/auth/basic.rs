//! The `Authorization` header to a login.
//!
//! For [`super::Auth`], and for the fuzz target of the parser. It must never panic on what a stranger sends, and never keep what it
//! decoded.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// Standard alphabet; clients that leave out the padding are understood.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A decoded Basic login, wiped when dropped.
pub struct Login {
    text: Zeroizing<Vec<u8>>,
}

impl Login {
    /// Decodes a header value. `None` also for an empty user name or password and for what is not UTF-8.
    ///
    /// # Standard
    /// RFC 7617 section 2: the password is everything after the first colon and may contain more.
    #[must_use]
    pub fn parse(header: &[u8]) -> Option<Self> {
        let (scheme, rest) = header.split_at_checked(6)?;
        if !scheme.eq_ignore_ascii_case(b"Basic ") {
            return None;
        }
        let login = Self { text: Zeroizing::new(BASE64.decode(rest.trim_ascii()).ok()?) };
        let (username, password) = login.parts()?;
        (!username.is_empty() && !password.is_empty()).then_some(login)
    }

    fn parts(&self) -> Option<(&str, &str)> {
        std::str::from_utf8(&self.text).ok()?.split_once(':')
    }

    /// Returns what stands before the first colon.
    #[must_use]
    pub fn username(&self) -> &str {
        self.parts().unwrap_or_default().0
    }

    /// Returns what stands behind it.
    #[must_use]
    pub fn password(&self) -> &str {
        self.parts().unwrap_or_default().1
    }
}
