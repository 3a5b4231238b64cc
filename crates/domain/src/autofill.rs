//! What lets a phone enter a code by itself: the web site that it is for (`WebOTP`), the app that it is for (SMS Retriever).
//!
//! Only names are held here; [`crate::template`] puts them beside the code. Callers give them with a request, so each is
//! checked before it is believed: whatever stands in the last line of an SMS decides which site is offered the code.
//!
//! # Standard
//! WICG "Origin-bound one-time codes delivered via SMS" §3 (2021); Android SMS Retriever, verification messages.

use std::fmt;

/// The longest host name (RFC 1035 §2.3.4, without the root's dot).
const LONGEST_HOST: usize = 253;
/// The longest label of one.
const LONGEST_LABEL: usize = 63;
/// The letters of an app's hash.
const HASH_LENGTH: usize = 11;

/// Why a text names no host of a web site.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HostError {
    /// A scheme, a port, a path or blanks.
    #[error("it must be a host name alone, without scheme, port or path, like example.com")]
    NotHost,
    /// Letters outside ASCII.
    #[error("it must be written in ASCII: an international name in its xn-- form")]
    NotAscii,
    /// One label only, or an IP address.
    #[error("it must be a full name with a dot, like example.com, and no address")]
    NotFull,
    /// Too long as a whole, or an empty or too long label.
    #[error("a host name has at most 253 characters, and from 1 to 63 between two dots")]
    Length,
}

/// The host of a web site: letters, digits and hyphens between dots, in small letters.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Host(String);

impl Host {
    /// Reads a host. There is no port: an origin-bound code is for `https` on its own port.
    ///
    /// # Errors
    /// [`HostError`].
    ///
    /// # Standard
    /// RFC 1123 §2.1; what ends in a number is an IPv4 address (WHATWG URL §3.5).
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if !text.is_ascii() {
            return Err(HostError::NotAscii);
        }
        let labels = || text.split('.');
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        if !text.bytes().all(is_plain) || labels().any(|label| label.starts_with('-') || label.ends_with('-')) {
            return Err(HostError::NotHost);
        }
        if text.len() > LONGEST_HOST || labels().any(|label| label.is_empty() || label.len() > LONGEST_LABEL) {
            return Err(HostError::Length);
        }
        let last = labels().next_back().unwrap_or_default();
        // `0x7f` would be read as a number too, and no top-level domain begins with a digit.
        if labels().count() < 2 || last.starts_with(|letter: char| letter.is_ascii_digit()) {
            return Err(HostError::NotFull);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// Answers the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no app hash.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it must be the 11 characters of the app's hash, out of A-Z, a-z, 0-9, + and /")]
pub struct AppHashError;

/// The hash of an Android app: the first 11 characters of a base64 text.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct AppHash(String);

impl AppHash {
    /// Reads a hash; capital and small letters differ.
    ///
    /// # Errors
    /// [`AppHashError`].
    pub fn parse(text: &str) -> Result<Self, AppHashError> {
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
        if text.len() == HASH_LENGTH && text.bytes().all(is_base64) {
            Ok(Self(text.to_owned()))
        } else {
            Err(AppHashError)
        }
    }

    /// Answers the hash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The site that a code is for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct BoundDomain {
    /// The site in the address bar.
    pub host: Host,
    /// The site of a frame inside it, where the code is entered there.
    pub embedded: Option<Host>,
}

/// Who may be offered a code without its user's typing it; nobody by default.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Autofill {
    /// The web site.
    pub domain: Option<BoundDomain>,
    /// The Android app.
    pub app_hash: Option<AppHash>,
}

impl Autofill {
    /// The longest text that the SMS Retriever reads, in bytes.
    pub const MOST_RETRIEVER_BYTES: usize = 140;
}

impl fmt::Debug for Autofill {
    /// Says what is there and not which: the names tell where somebody logs in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Autofill")
            .field("domain", &self.domain.is_some())
            .field("app_hash", &self.app_hash.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_letters_digits_and_hyphens_between_dots_in_small_letters() {
        for (text, host) in [
            ("example.com", "example.com"),
            ("Login.Example.COM", "login.example.com"),
            ("a-b.c9.co.id", "a-b.c9.co.id"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("1.example", "1.example"),
        ] {
            assert_eq!(Host::parse(text).unwrap().as_str(), host, "{text}");
        }
    }

    #[test]
    fn what_could_mean_another_site_or_another_line_is_no_host() {
        let long = format!("{}.example.com", "a".repeat(64));
        let longest = format!("{}com", "abcdefghi.".repeat(26));
        for (text, error) in [
            ("https://example.com", HostError::NotHost),
            ("example.com:443", HostError::NotHost),
            ("example.com/login", HostError::NotHost),
            ("example.com #1", HostError::NotHost),
            ("example.com\n@evil.example", HostError::NotHost),
            ("user@example.com", HostError::NotHost),
            ("ex_ample.com", HostError::NotHost),
            ("-a.example", HostError::NotHost),
            ("a-.example", HostError::NotHost),
            ("bücher.example", HostError::NotAscii),
            ("example.com\u{3002}", HostError::NotAscii),
            ("localhost", HostError::NotFull),
            ("192.168.0.1", HostError::NotFull),
            ("example.0x7f", HostError::NotFull),
            ("", HostError::Length),
            (".example.com", HostError::Length),
            ("example.com.", HostError::Length),
            ("a..example", HostError::Length),
            (long.as_str(), HostError::Length),
            (longest.as_str(), HostError::Length),
        ] {
            assert_eq!(Host::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn an_app_hash_is_eleven_letters_of_base64() {
        assert_eq!(AppHash::parse("FA+9qCX9VS/").unwrap().as_str(), "FA+9qCX9VS/");
        for text in [
            "",
            "FA+9qCX9VS",
            "FA+9qCX9VSuu",
            "FA-9qCX9VSu",
            "FA_9qCX9VSu",
            "FA+9qCX9VS=",
            "FA+9qCX9VS\n",
            "FA+9qCX9Vé",
        ] {
            assert_eq!(AppHash::parse(text), Err(AppHashError), "{text:?}");
        }
    }
}
