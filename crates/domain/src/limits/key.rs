//! What is counted: receivers, their prefixes and ranges, countries, clients, API users; each under a keyed hash.

use core::net::IpAddr;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::country::calling_code;
use crate::network::household;
use crate::receiver::{Msisdn, Receiver};

/// Last digits that a prefix leaves open: ten thousand numbers.
const PREFIX_OPEN: usize = 4;
/// Last digits that a range leaves open: a hundred thousand numbers.
const RANGE_OPEN: usize = 5;

/// What kind of subject a key stands for.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum SubjectKind {
    /// One phone or mailbox.
    Receiver,
    /// A number without its last four digits.
    Prefix,
    /// A number without its last five digits.
    Range,
    /// A country calling code.
    Country,
    /// The end user's IPv4 address or IPv6 /64, where the caller tells it.
    Client,
    /// An API user.
    ApiUser,
}

impl SubjectKind {
    const ALL: [Self; 6] = [Self::Receiver, Self::Prefix, Self::Range, Self::Country, Self::Client, Self::ApiUser];

    /// Answers the word for it, in rules' names, logs and lists.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receiver => "receiver",
            Self::Prefix => "prefix",
            Self::Range => "range",
            Self::Country => "country",
            Self::Client => "client",
            Self::ApiUser => "api-user",
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Self::Receiver => 1,
            Self::Prefix => 2,
            Self::Range => 3,
            Self::Country => 4,
            Self::Client => 5,
            Self::ApiUser => 6,
        }
    }
}

/// A keyed hash of a subject: nobody without the key finds the number that it stands for.
///
/// What belongs to one range of numbers has its first six bytes in common, so that it lies together in a database.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LimitKey([u8; 16]);

impl LimitKey {
    /// Takes the stored form; `None` if it is not one.
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        let key = Self(bytes);
        key.find_kind().map(|_| key)
    }

    /// Answers the stored form.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    fn find_kind(&self) -> Option<SubjectKind> {
        SubjectKind::ALL.into_iter().find(|kind| self.0.get(6) == Some(&kind.byte()))
    }

    /// Answers what it stands for.
    pub fn kind(&self) -> SubjectKind {
        // Both ways of making one put a known byte there.
        self.find_kind().unwrap_or(SubjectKind::Receiver)
    }

    /// Answers the range that a receiver, prefix or range belongs to, shortened; the same for all others.
    pub(super) fn range_tag(&self) -> u32 {
        let [first, second, third, fourth, ..] = self.0;
        u32::from_be_bytes([first, second, third, fourth])
    }

    /// Makes the key of an API user.
    pub fn api_user(secret: &[u8], username: &str) -> Self {
        Self::derive(secret, SubjectKind::ApiUser, "", username)
    }

    /// Makes the key of a country, by its calling code.
    pub fn country(secret: &[u8], calling_code: &str) -> Self {
        Self::derive(secret, SubjectKind::Country, "", calling_code)
    }

    /// Makes the key of an end user's network.
    pub fn client(secret: &[u8], address: IpAddr) -> Self {
        Self::derive(secret, SubjectKind::Client, "", &client_network(address))
    }

    fn derive(secret: &[u8], kind: SubjectKind, range: &str, text: &str) -> Self {
        let mut bytes = [0; 16];
        if !range.is_empty() {
            fill(&mut bytes, 0..6, &digest(secret, b"limit-range", range));
        }
        if let Some(byte) = bytes.get_mut(6) {
            *byte = kind.byte();
        }
        if kind != SubjectKind::Range {
            fill(&mut bytes, 7..16, &digest(secret, kind.as_str().as_bytes(), text));
        }
        Self(bytes)
    }
}

impl fmt::Debug for LimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LimitKey({})", self.kind().as_str())
    }
}

/// The keys of what a number belongs to.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct NumberKeys {
    /// The number without its last four digits.
    pub prefix: LimitKey,
    /// The number without its last five digits.
    pub range: LimitKey,
    /// Its country calling code.
    pub country: LimitKey,
}

/// The keys of everything that a code to one receiver is counted under.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct CodeKeys {
    /// The receiver.
    pub receiver: LimitKey,
    /// For a phone.
    pub number: Option<NumberKeys>,
    /// The end user's network.
    pub client: Option<LimitKey>,
    /// Who asks.
    pub api_user: LimitKey,
}

impl CodeKeys {
    /// Makes the keys. `secret` is the key of the store's look-ups.
    ///
    /// # Standard
    /// RFC 2104 (1997), FIPS 180-4 (2015).
    pub fn derive(secret: &[u8], receiver: &Receiver, client: Option<IpAddr>, api_user: &str) -> Self {
        let msisdn = receiver.msisdn();
        let digits = msisdn.as_ref().map(Msisdn::expose).unwrap_or_default();
        let range = without_last(digits, RANGE_OPEN);
        let derive = |kind, text| LimitKey::derive(secret, kind, range, text);
        let number = msisdn.map(|_| NumberKeys {
            prefix: derive(SubjectKind::Prefix, without_last(digits, PREFIX_OPEN)),
            range: derive(SubjectKind::Range, range),
            country: LimitKey::country(secret, calling_code(digits)),
        });
        Self {
            receiver: derive(SubjectKind::Receiver, receiver.expose()),
            number,
            client: client.map(|address| LimitKey::client(secret, address)),
            api_user: LimitKey::api_user(secret, api_user),
        }
    }

    /// Answers all of them.
    pub fn all(&self) -> Vec<LimitKey> {
        let mut all = vec![self.receiver, self.api_user];
        all.extend(self.number.iter().flat_map(|number| [number.prefix, number.range, number.country]));
        all.extend(self.client);
        all
    }

    /// Answers those under which it is counted how many codes are entered.
    pub fn judged(&self) -> Vec<LimitKey> {
        let mut judged: Vec<_> = self.number.iter().flat_map(|number| [number.range, number.country]).collect();
        judged.push(self.api_user);
        judged.extend(self.client);
        judged
    }
}

/// The range of a number, for people: its digits, with dots for those that are open.
pub(super) fn range_label(digits: &str) -> String {
    format!("{}{}", without_last(digits, RANGE_OPEN), "•".repeat(RANGE_OPEN))
}

fn without_last(digits: &str, count: usize) -> &str {
    digits.get(..digits.len().saturating_sub(count)).unwrap_or_default()
}

/// An end user's network with its second half open, for logs and records that are kept.
pub fn masked_network(network: &str) -> String {
    let separator = if network.contains(':') { ':' } else { '.' };
    // After a restart nobody knows its name.
    let Some(second) = network.match_indices(separator).nth(1) else { return String::new() };
    format!("{}{separator}•", network.get(..second.0).unwrap_or_default())
}

/// Answers what stands for an end user: an IPv4 address, or the first half of an IPv6 address, of which the other half is the
/// user's own choice.
pub fn client_network(address: IpAddr) -> String {
    match household(address) {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{address}/64"),
    }
}

fn fill(bytes: &mut [u8; 16], place: std::ops::Range<usize>, from: &[u8; 32]) {
    let count = place.len();
    if let (Some(target), Some(source)) = (bytes.get_mut(place), from.get(..count)) {
        target.copy_from_slice(source);
    }
}

fn digest(secret: &[u8], label: &[u8], text: &str) -> [u8; 32] {
    // A key of any length is taken (RFC 2104 §2).
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return [0; 32] };
    for field in [b"limits-v1".as_slice(), label, text.as_bytes()] {
        mac.update(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
        mac.update(field);
    }
    mac.finalize().into_bytes().into()
}
