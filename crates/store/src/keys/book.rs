//! What a keys file says: every key with its number and age, the current one of each kind first.
//!
//! Pure: reading is parsing, rotating is making another book. Knows no path and no clock. Never prints a key.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::clock::WallTime;
use domain::otp::{KeyId, Pepper, PepperRing};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::lookup::LookupKey;
use crate::seal::SealKey;

/// Written by this program. Format 1 had no times.
const FORMAT: u32 = 2;
const FIRST_FORMAT: u32 = 1;
/// Keys of one kind; more means that rotations do not come to their end.
const KEYS_AT_MOST: usize = 16;

/// One key.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct Entry {
    id: u32,
    key: [u8; 32],
    /// Milliseconds since the Unix epoch; None when nobody noted it.
    made_at: Option<i64>,
    /// Of an older pepper: until when its codes are good, in milliseconds since the Unix epoch.
    honoured_until: Option<i64>,
}

/// All keys of one gateway.
#[derive(Clone)]
pub(crate) struct KeyBook {
    /// The first is current.
    peppers: Vec<Entry>,
    /// The first is current.
    seals: Vec<Entry>,
    lookup: LookupKey,
}

/// Why a text is no keys file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadBook {
    Malformed(&'static str),
    NewerFormat(u32),
}

/// Why a book could not be rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CannotRotate {
    Randomness,
    TooMany(usize),
}

/// What may be told about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyInfo {
    pub(crate) id: u32,
    pub(crate) made_at: Option<i64>,
    pub(crate) honoured_until: Option<i64>,
}

/// The file's shape. Keys are base64, times milliseconds since the Unix epoch.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileBook {
    format: u32,
    peppers: Vec<FileKey>,
    seal: Vec<FileKey>,
    lookup: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileKey {
    id: u32,
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    honoured_until: Option<i64>,
}

/// Only the format, which decides how the rest is read.
#[derive(Deserialize)]
struct FileFormat {
    format: u32,
}

impl Drop for FileKey {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl Drop for FileBook {
    fn drop(&mut self) {
        self.lookup.zeroize();
    }
}

impl std::fmt::Debug for KeyBook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyBook(•••)")
    }
}

impl KeyBook {
    /// Fresh random keys, made at that time as far as it is known.
    pub(crate) fn fresh(made_at: Option<WallTime>) -> Result<Self, getrandom::Error> {
        let lookup = LookupKey::new(*fresh_key()?);
        Ok(Self { peppers: vec![Entry::fresh(1, made_at)?], seals: vec![Entry::fresh(1, made_at)?], lookup })
    }

    /// Reads the text of a keys file.
    pub(crate) fn parse(text: &str) -> Result<Self, BadBook> {
        let format: FileFormat = serde_json::from_str(text).map_err(|_| BadBook::Malformed("it is no JSON of ours"))?;
        if format.format != FORMAT && format.format != FIRST_FORMAT {
            return Err(BadBook::NewerFormat(format.format));
        }
        let file: FileBook = serde_json::from_str(text).map_err(|_| BadBook::Malformed("a field is missing or new"))?;
        let lookup = decode_key(&file.lookup).ok_or(BadBook::Malformed("the lookup key is damaged"))?;
        Ok(Self {
            peppers: entries(&file.peppers, "the peppers")?,
            seals: entries(&file.seal, "the seal keys")?,
            lookup: LookupKey::new(*lookup),
        })
    }

    /// The text of a keys file.
    pub(crate) fn render(&self) -> Option<Zeroizing<String>> {
        let file_keys = |entries: &[Entry]| entries.iter().map(Entry::to_file).collect();
        let file = FileBook {
            format: FORMAT,
            peppers: file_keys(&self.peppers),
            seal: file_keys(&self.seals),
            lookup: encode_key(self.lookup.as_bytes()),
        };
        // One generous buffer: growing would leave copies of the keys behind.
        let mut text = Vec::with_capacity(16 * 1024);
        serde_json::to_writer_pretty(&mut text, &file).ok()?;
        String::from_utf8(text).ok().map(Zeroizing::new)
    }

    /// The same keys behind a new pepper and a new seal key. The older peppers are honoured as long as a code may live.
    pub(crate) fn rotated(&self, now: WallTime, longest_lifetime: Duration) -> Result<Self, CannotRotate> {
        let until = now.saturating_add(longest_lifetime).as_unix_millis();
        let mut next = self.without_expired_peppers(now);
        for entry in &mut next.peppers {
            entry.honoured_until.get_or_insert(until);
        }
        for entries in [&mut next.peppers, &mut next.seals] {
            if entries.len() >= KEYS_AT_MOST {
                return Err(CannotRotate::TooMany(entries.len()));
            }
            let id = entries.iter().map(|entry| entry.id).max().unwrap_or(0).saturating_add(1);
            entries.insert(0, Entry::fresh(id, Some(now)).map_err(|_| CannotRotate::Randomness)?);
        }
        Ok(next)
    }

    /// The same keys without older peppers whose last codes have expired.
    pub(crate) fn without_expired_peppers(&self, now: WallTime) -> Self {
        let mut next = self.clone();
        let mut is_current = true;
        next.peppers.retain(|entry| {
            let is_expired = entry.honoured_until.is_some_and(|until| until <= now.as_unix_millis());
            std::mem::take(&mut is_current) || !is_expired
        });
        next
    }

    /// The same keys without some older seal keys. The current one always stays.
    pub(crate) fn without_seals(&self, ids: &[u32]) -> Self {
        let mut next = self.clone();
        let current = self.seals.first().map(|entry| entry.id);
        next.seals.retain(|entry| Some(entry.id) == current || !ids.contains(&entry.id));
        next
    }

    pub(crate) fn pepper_ring(&self) -> Option<PepperRing> {
        let mut peppers = self.peppers.iter().map(|entry| Pepper::new(KeyId(entry.id), entry.key));
        Some(PepperRing { current: peppers.next()?, previous: peppers.collect() })
    }

    pub(crate) fn seal_key(&self) -> Option<SealKey> {
        let mut keys = self.seals.iter().map(|entry| (entry.id, entry.key));
        Some(SealKey::new(keys.next()?, keys))
    }

    pub(crate) fn lookup(&self) -> &LookupKey {
        &self.lookup
    }

    /// The current pepper first.
    pub(crate) fn pepper_infos(&self) -> Vec<KeyInfo> {
        self.peppers.iter().map(Entry::info).collect()
    }

    /// The current seal key first.
    pub(crate) fn seal_infos(&self) -> Vec<KeyInfo> {
        self.seals.iter().map(Entry::info).collect()
    }

    /// How many keys there are; a book that was thinned out has fewer.
    pub(crate) fn len(&self) -> usize {
        self.peppers.len().saturating_add(self.seals.len())
    }
}

impl Entry {
    fn fresh(id: u32, made_at: Option<WallTime>) -> Result<Self, getrandom::Error> {
        let made_at = made_at.map(WallTime::as_unix_millis);
        Ok(Self { id, key: *fresh_key()?, made_at, honoured_until: None })
    }

    fn info(&self) -> KeyInfo {
        KeyInfo { id: self.id, made_at: self.made_at, honoured_until: self.honoured_until }
    }

    fn to_file(&self) -> FileKey {
        let key = encode_key(&self.key);
        FileKey { id: self.id, key, made_at: self.made_at, honoured_until: self.honoured_until }
    }
}

fn entries(keys: &[FileKey], which: &'static str) -> Result<Vec<Entry>, BadBook> {
    let ids: BTreeSet<u32> = keys.iter().map(|key| key.id).collect();
    if keys.is_empty() || ids.len() != keys.len() {
        return Err(BadBook::Malformed(which));
    }
    let entry = |key: &FileKey| {
        let bytes = decode_key(&key.key).ok_or(BadBook::Malformed(which))?;
        Ok(Entry { id: key.id, key: *bytes, made_at: key.made_at, honoured_until: key.honoured_until })
    };
    keys.iter().map(entry).collect()
}

fn fresh_key() -> Result<Zeroizing<[u8; 32]>, getrandom::Error> {
    let mut key = Zeroizing::new([0; 32]);
    super::fill_random(key.as_mut())?;
    Ok(key)
}

fn encode_key(key: &[u8; 32]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(key)
}

fn decode_key(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    use base64::Engine;
    let bytes = Zeroizing::new(base64::engine::general_purpose::STANDARD.decode(text).ok()?);
    let key: [u8; 32] = bytes.as_slice().try_into().ok()?;
    Some(Zeroizing::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallTime = WallTime::from_unix_millis(1_790_000_000_000);
    const LONGEST: Duration = Duration::from_secs(600);

    fn ids(infos: &[KeyInfo]) -> Vec<u32> {
        infos.iter().map(|info| info.id).collect()
    }

    #[test]
    fn what_is_rendered_parses_to_the_same_keys() {
        let book = KeyBook::fresh(Some(NOW)).unwrap().rotated(NOW, LONGEST).unwrap();
        let read = KeyBook::parse(&book.render().unwrap()).unwrap();
        assert_eq!(read.render().unwrap(), book.render().unwrap());
        assert_eq!((read.pepper_infos(), read.seal_infos()), (book.pepper_infos(), book.seal_infos()));
        assert_eq!(read.lookup().as_bytes(), book.lookup().as_bytes());
    }

    #[test]
    fn a_rotation_puts_new_keys_in_front_and_keeps_the_older_ones() {
        let first = KeyBook::fresh(None).unwrap();
        let book = first.rotated(NOW, LONGEST).unwrap();
        assert_eq!((ids(&book.pepper_infos()), ids(&book.seal_infos())), (vec![2, 1], vec![2, 1]));
        assert_eq!(book.pepper_infos()[0], KeyInfo { id: 2, made_at: Some(1_790_000_000_000), honoured_until: None });
        assert_eq!(book.pepper_infos()[1].honoured_until, Some(1_790_000_600_000));
        assert_eq!(book.seal_infos()[1].honoured_until, None, "a seal key goes when nothing needs it, not by time");
        assert_eq!(book.lookup().as_bytes(), first.lookup().as_bytes(), "rows are still found");
    }

    #[test]
    fn an_older_pepper_goes_when_its_last_code_has_expired_and_the_current_one_never() {
        let book = KeyBook::fresh(None).unwrap().rotated(NOW, LONGEST).unwrap();
        let just_before = WallTime::from_unix_millis(1_790_000_599_999);
        assert_eq!(ids(&book.without_expired_peppers(just_before).pepper_infos()), [2, 1]);
        let then = NOW.saturating_add(LONGEST);
        assert_eq!(ids(&book.without_expired_peppers(then).pepper_infos()), [2]);
        let again = book.rotated(then, LONGEST).unwrap();
        assert_eq!(ids(&again.pepper_infos()), [3, 2], "a rotation clears up too, and no number comes twice");
        let far = WallTime::from_unix_millis(i64::MAX);
        assert_eq!(ids(&again.without_expired_peppers(far).pepper_infos()), [3]);
    }

    #[test]
    fn the_current_seal_key_is_never_taken_out() {
        let book = KeyBook::fresh(None).unwrap().rotated(NOW, LONGEST).unwrap();
        assert_eq!(ids(&book.without_seals(&[1, 2]).seal_infos()), [2]);
    }

    #[test]
    fn rotations_without_end_are_refused_before_the_file_is_too_big() {
        let mut book = KeyBook::fresh(None).unwrap();
        let refused = loop {
            match book.rotated(NOW, LONGEST) {
                Ok(next) => book = next,
                Err(error) => break error,
            }
        };
        assert_eq!(refused, CannotRotate::TooMany(KEYS_AT_MOST));
        assert!(book.render().unwrap().len() < 16 * 1024);
    }

    #[test]
    fn a_file_of_the_first_format_is_read() {
        let book = KeyBook::parse(include_str!("../tests/data/first_form.keys.json")).unwrap();
        assert_eq!(book.pepper_infos(), [KeyInfo { id: 1, made_at: None, honoured_until: None }]);
    }

    #[test]
    fn what_is_no_keys_file_is_refused() {
        let good = KeyBook::fresh(None).unwrap().render().unwrap().to_string();
        let refused = |text: &str| KeyBook::parse(text).err();
        assert_eq!(refused(&good), None);
        assert_eq!(refused(&good.replace("\"format\": 2", "\"format\": 3")), Some(BadBook::NewerFormat(3)));
        assert_eq!(
            refused(&good.replace("\"id\": 1", "\"id\": 1, \"x\": 1")),
            Some(BadBook::Malformed("a field is missing or new"))
        );
        assert!(matches!(refused(&good.replace("=\"", "\"")), Some(BadBook::Malformed(_))), "a cut key");
        for length in 0..good.len() {
            assert!(matches!(refused(good.get(..length).unwrap()), Some(BadBook::Malformed(_))), "{length} bytes");
        }
        let twice = r#"{"format":2,"peppers":[],"seal":[],"lookup":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}"#;
        assert_eq!(refused(twice), Some(BadBook::Malformed("the peppers")));
    }
}
