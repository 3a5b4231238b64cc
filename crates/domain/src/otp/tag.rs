//! Keyed hashes: the tag of a code, the key of a ticket, the fingerprint of a request.
//!
//! All are HMACs over length-prefixed fields, so that no two lists of fields hash alike by shifting a border. Used by
//! the store (rows hold these, never what they were made from), the channel (tags) and the gateway (keys, prints).

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::receiver::Receiver;
use crate::secret::SecretText;

/// Names a pepper, so that codes made under an older one can still be checked.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct KeyId(pub u32);

/// The secret key of tags: 32 random bytes that are kept outside the database.
#[derive(Clone)]
pub struct Pepper {
    /// The name that is stored beside each tag.
    pub id: KeyId,
    key: Zeroizing<[u8; 32]>,
}

impl Pepper {
    /// Takes over a key.
    pub fn new(id: KeyId, key: [u8; 32]) -> Self {
        Self { id, key: Zeroizing::new(key) }
    }

    /// Shows the key, for the key file only; reviewers look for every use.
    pub fn expose_key(&self) -> &[u8; 32] {
        &self.key
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pepper({}, •••)", self.id.0)
    }
}

/// The pepper in use, and those before it until the longest lifetime of a code has passed.
#[derive(Clone, Debug)]
pub struct PepperRing {
    /// Makes new tags.
    pub current: Pepper,
    /// Still check old tags.
    pub previous: Vec<Pepper>,
}

impl PepperRing {
    /// Answers every pepper, the current one first.
    pub fn all(&self) -> impl Iterator<Item = &Pepper> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

/// A keyed hash of a code and what it is bound to; compared in constant time.
#[derive(Copy, Clone)]
pub struct Tag([u8; 64]);

impl Tag {
    /// Takes the stored form.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Answers the stored form.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl PartialEq for Tag {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Tag {}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag(•••)")
    }
}

/// What a code is bound to: it is right only together with all of this.
#[derive(Clone, PartialEq, Eq)]
pub struct Binding {
    /// The caller's name of the transaction.
    pub reference: String,
    /// The canonical receiver, so both sides may write it differently.
    pub receiver: Receiver,
    /// `param1` to `param4`, empty where absent.
    pub params: [String; 4],
}

impl Binding {
    /// Makes the tag of a code: HMAC-SHA-512 over `otp-v1`, reference, receiver, four params and code, each as u32
    /// big-endian length and bytes.
    ///
    /// # Standard
    /// RFC 2104 (1997), FIPS 180-4 (2015).
    pub fn tag(&self, pepper: &Pepper, code: &str) -> Tag {
        // A key shorter than the block is padded with zeros (RFC 2104 §2); a full block cannot be refused.
        let mut block = Zeroizing::new([0; 128]);
        for (to, from) in block.iter_mut().zip(pepper.key.iter()) {
            *to = *from;
        }
        let mut mac = Hmac::<Sha512>::new((&*block).into());
        let [first, second, third, fourth] = &self.params;
        for field in ["otp-v1", &self.reference, self.receiver.expose(), first, second, third, fourth, code] {
            update_field(&mut mac, field.as_bytes());
        }
        Tag(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binding").field("receiver", &self.receiver).finish_non_exhaustive()
    }
}

/// What a user's try would be stored as: one tag per pepper, so that the writer compares without knowing the code.
#[derive(Clone, Debug)]
pub struct Guess {
    tags: Vec<(KeyId, Tag)>,
}

impl Guess {
    /// Hashes what the user typed under every pepper.
    pub fn new(binding: &Binding, peppers: &PepperRing, otp: &SecretText) -> Self {
        Self { tags: peppers.all().map(|pepper| (pepper.id, binding.tag(pepper, otp.expose()))).collect() }
    }

    /// Tells in constant time whether the try is what `tag` was made from.
    pub(super) fn matches(&self, key_id: KeyId, tag: &Tag) -> bool {
        // No early exit: how many peppers there are is no secret, which one matched might be.
        self.tags.iter().fold(false, |found, (id, own)| found | (*id == key_id && own == tag))
    }
}

/// Under what a ticket is found: a keyed hash of API user and reference.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TicketKey([u8; 32]);

impl TicketKey {
    /// Derives the key from the lookup key: HMAC-SHA-256 over `ticket-v1`, API user and reference, length-prefixed.
    pub fn derive(key: &[u8; 32], api_user: &str, reference: &str) -> Self {
        Self(keyed_hash(key, [b"ticket-v1".as_slice(), api_user.as_bytes(), reference.as_bytes()]))
    }

    /// Takes the stored form.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Answers the stored form.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A keyed hash of a request's content, to tell a client's retry from a new request.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Derives the fingerprint: HMAC-SHA-256 over `fingerprint-v1` and the fields, length-prefixed.
    pub fn derive(key: &[u8; 32], fields: &[&[u8]]) -> Self {
        Self(keyed_hash(key, std::iter::once(b"fingerprint-v1".as_slice()).chain(fields.iter().copied())))
    }

    /// Takes the stored form.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Answers the stored form.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// HMAC-SHA-256 over length-prefixed fields.
fn keyed_hash<'a>(key: &[u8; 32], fields: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut block = Zeroizing::new([0; 64]);
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    for field in fields {
        update_field(&mut mac, field);
    }
    mac.finalize().into_bytes().into()
}

/// Adds one field as u32 big-endian length and bytes.
fn update_field(mac: &mut impl Mac, field: &[u8]) {
    // No entrance takes more than 64 KiB, so the length always fits.
    mac.update(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
    mac.update(field);
}

#[cfg(test)]
mod tests;
