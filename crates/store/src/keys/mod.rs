//! The secret keys of one gateway, in one file outside the database: peppers of tags, seal keys, the key of look-ups.
//!
//! A copy of the database alone reads nothing. `book` is what the file says, `place` where it lies and how it is written,
//! `live` the keys of an open store, which may be rotated while it works; docs/keys.md is the page for people. Keys are
//! loaded at start by the product, which hands them to [`crate::Store::open`]. Never logs a key, never overwrites a file that
//! it cannot read, and never makes new keys where a database waits for its old ones.

use std::path::Path;
use std::time::Duration;

use domain::clock::WallTime;
use domain::otp::PepperRing;
use serde::{Deserialize, Serialize};

use crate::seal::SealKey;
use book::KeyBook;

mod book;
mod error;
mod live;
mod lookup;
mod place;

pub use error::KeysError;
pub(crate) use live::LiveKeys;
pub use lookup::LookupKey;
pub use place::KeysPlace;

/// All secret keys of one gateway, as loaded.
pub struct Keys {
    place: KeysPlace,
    book: KeyBook,
    peppers: PepperRing,
    seal: SealKey,
}

/// What a rotation has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// The number of the new pepper.
    pub pepper: u32,
    /// The number of the new seal key.
    pub seal: u32,
    /// Older seal keys: they go when what they sealed is sealed anew.
    pub older_seals: Vec<u32>,
    /// Until when the codes of the older peppers are good, in milliseconds since the Unix epoch.
    pub honoured_until_millis: Option<i64>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Keys {
    /// Reads the keys; at the first start, and where they are ours to make, makes the directory (0700) and the file (0600)
    /// with fresh random keys, durably. `now` is noted as their age, when it is known.
    ///
    /// # Errors
    /// [`KeysError`]; an existing file is never replaced, and no keys are made for a database that is there already.
    pub fn open(place: KeysPlace, data_dir: &Path, now: Option<WallTime>) -> Result<Self, KeysError> {
        if let Some(book) = place.read()? {
            return Self::from_book(place, book);
        }
        if !place.is_ours() {
            return Err(KeysError::Missing { path: place.path() });
        }
        if let Some(database) = crate::db::existing_database(data_dir) {
            return Err(KeysError::Lost { path: place.path(), database });
        }
        let book = KeyBook::fresh(now).map_err(|_| KeysError::Randomness)?;
        place::write_new(&place.path(), &book, true)?;
        Self::from_book(place, book)
    }

    /// As [`Self::open`] for `directory`, a directory of keys in its data directory.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn load_or_create(directory: &Path) -> Result<Self, KeysError> {
        let data_dir = directory.parent().unwrap_or(directory);
        Self::open(KeysPlace::Own(directory.to_owned()), data_dir, None)
    }

    /// Reads keys that must be there.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn load(place: KeysPlace) -> Result<Self, KeysError> {
        let book = place.read()?.ok_or_else(|| KeysError::Missing { path: place.path() })?;
        Self::from_book(place, book)
    }

    /// Writes a file with fresh random keys, for a new gateway or a new fleet.
    ///
    /// # Errors
    /// [`KeysError`]; an existing file is never replaced.
    pub fn make(path: &Path, now: Option<WallTime>) -> Result<(), KeysError> {
        place::write_new(path, &KeyBook::fresh(now).map_err(|_| KeysError::Randomness)?, false)
    }

    /// Writes a rotated copy to `path`, for somebody to install where these keys come from. The older peppers are honoured for
    /// `longest_lifetime` after `now`.
    ///
    /// # Errors
    /// [`KeysError`]; an existing file is never replaced.
    pub fn write_rotated(&self, path: &Path, now: WallTime, longest_lifetime: Duration) -> Result<Rotation, KeysError> {
        let next = live::rotated(&self.book, now, longest_lifetime)?;
        place::write_new(path, &next, false)?;
        Ok(Rotation::of(&next))
    }

    /// Puts away a keys file that is of no use, and makes fresh keys in its place. Answers where the old file is now.
    pub(crate) fn start_anew(place: &KeysPlace, now: WallTime) -> Result<Option<std::path::PathBuf>, KeysError> {
        let path = place.path();
        let aside = if path.exists() { Some(place::set_aside(&path, now.as_unix_millis())?) } else { None };
        let book = KeyBook::fresh(Some(now)).map_err(|_| KeysError::Randomness)?;
        place::write_new(&path, &book, true)?;
        Ok(aside)
    }

    fn from_book(place: KeysPlace, book: KeyBook) -> Result<Self, KeysError> {
        let not_whole = || KeysError::NotAKeysFile { path: place.path(), what: "it holds no keys" };
        let peppers = book.pepper_ring().ok_or_else(not_whole)?;
        let seal = book.seal_key().ok_or_else(not_whole)?;
        Ok(Self { place, book, peppers, seal })
    }
}

impl Rotation {
    fn of(book: &KeyBook) -> Self {
        let (peppers, seals) = (book.pepper_infos(), book.seal_infos());
        Self {
            pepper: peppers.first().map_or(0, |info| info.id),
            seal: seals.first().map_or(0, |info| info.id),
            older_seals: seals.iter().skip(1).map(|info| info.id).collect(),
            honoured_until_millis: peppers.iter().filter_map(|info| info.honoured_until).max(),
        }
    }
}

/// Fills `bytes` from the system's random number generator.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), getrandom::Error> {
    getrandom::fill(bytes)
}

#[cfg(test)]
mod tests;
