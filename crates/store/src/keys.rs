//! The secret keys of one gateway, in a file of their own outside the database.
//!
//! A copy of the database alone reads nothing. The file is made once with mode 0600 and never rewritten here. Called at
//! start by the product, which hands the keys to [`crate::Store::open`]. Never logs a key.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use domain::otp::{KeyId, Pepper, PepperRing};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::seal::SealKey;

const FILE_NAME: &str = "keys.json";
const FORMAT: u32 = 1;
const LARGEST_FILE: u64 = 64 * 1024;

/// The key under which receivers, references and own ids are looked up by keyed hash.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct LookupKey([u8; 32]);

impl LookupKey {
    /// Takes 32 random bytes as the key.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The key's bytes, for the keyed hashes of `domain`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// HMAC-SHA-256 over length-prefixed fields, cut to 16 bytes: enough to find a row, useless without the key.
    pub(crate) fn hash(&self, fields: &[&[u8]]) -> [u8; 16] {
        // RFC 2104 takes a key of any length; the fallback cannot happen and would only find nothing.
        let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0) else { return [0; 16] };
        for field in fields {
            mac.update(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
            mac.update(field);
        }
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        let mut short = [0; 16];
        short.copy_from_slice(digest.first_chunk::<16>().unwrap_or(&[0; 16]));
        short
    }
}

impl std::fmt::Debug for LookupKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LookupKey(•••)")
    }
}

/// All secret keys of one gateway.
#[derive(Debug)]
pub struct Keys {
    /// The peppers under which codes are tagged.
    pub peppers: PepperRing,
    /// The keys that seal receivers and texts.
    pub seal: SealKey,
    /// The key of the keyed-hash columns.
    pub lookup: LookupKey,
}

/// The keys could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file or directory could not be made or read.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Others may read the file.
    #[error("{} is open to other users (mode {mode:o}); run chmod 600 on it and consider the keys known", path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not one of ours, or is cut.
    #[error("{} is not a keys file of this program; restore it from the backup", path.display())]
    NotAKeysFile {
        /// The file.
        path: PathBuf,
    },
    /// The system's random number generator failed.
    #[error("the system has no randomness to give")]
    Randomness,
}

/// The file's shape. Keys are base64.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    format: u32,
    /// The first is current.
    peppers: Vec<FileKey>,
    /// The first is current.
    seal: Vec<FileKey>,
    lookup: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileKey {
    id: u32,
    key: String,
}

impl Drop for FileKey {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl Drop for KeysFile {
    fn drop(&mut self) {
        self.lookup.zeroize();
    }
}

impl Keys {
    /// Reads `keys.json` in `directory`, or makes directory (0700) and file (0600) with fresh random keys, durably.
    ///
    /// # Errors
    /// [`KeysError`]; an existing file is never replaced.
    pub fn load_or_create(directory: &Path) -> Result<Self, KeysError> {
        let path = directory.join(FILE_NAME);
        match read_file(&path)? {
            Some(text) => Self::parse(&text).ok_or(KeysError::NotAKeysFile { path }),
            None => create(directory, &path),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let file: KeysFile = serde_json::from_str(text).ok()?;
        if file.format != FORMAT {
            return None;
        }
        let mut peppers = file.peppers.iter().map(|key| Some((key.id, decode_key(&key.key)?)));
        let mut seals = file.seal.iter().map(|key| Some((key.id, decode_key(&key.key)?)));
        let pepper = |(id, key): (u32, [u8; 32])| Pepper::new(KeyId(id), key);
        let current = pepper(peppers.next()??);
        let previous = peppers.map(|key| key.map(pepper)).collect::<Option<Vec<_>>>()?;
        let seal = SealKey::new(seals.next()??, seals.collect::<Option<Vec<_>>>()?);
        let lookup = LookupKey::new(decode_key(&file.lookup)?);
        Some(Self { peppers: PepperRing { current, previous }, seal, lookup })
    }
}

fn read_file(path: &Path) -> Result<Option<Zeroizing<String>>, KeysError> {
    let io = |source| KeysError::Io { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeysError::Permissions { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(LARGEST_FILE).read_to_string(&mut text).map_err(io)?;
    Ok(Some(text))
}

fn create(directory: &Path, path: &Path) -> Result<Keys, KeysError> {
    let io = |source| KeysError::Io { path: path.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(io)?;
    let fresh = || -> Result<String, KeysError> {
        let mut key = Zeroizing::new([0_u8; 32]);
        fill_random(key.as_mut()).map_err(|_| KeysError::Randomness)?;
        Ok(encode_key(&key))
    };
    let file = KeysFile {
        format: FORMAT,
        peppers: vec![FileKey { id: 1, key: fresh()? }],
        seal: vec![FileKey { id: 1, key: fresh()? }],
        lookup: fresh()?,
    };
    let not_ours = || KeysError::NotAKeysFile { path: path.to_owned() };
    let text = Zeroizing::new(serde_json::to_string_pretty(&file).map_err(|_| not_ours())?);
    // Written aside and linked into place: a crash leaves either no file or a whole one, and an existing one stays.
    let aside = path.with_extension("json.new");
    if let Err(error) = std::fs::remove_file(&aside)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(io(error));
    }
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside).map_err(io)?;
    out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).map_err(io)?;
    std::fs::hard_link(&aside, path).and_then(|()| std::fs::remove_file(&aside)).map_err(io)?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(io)?;
    Keys::parse(&text).ok_or_else(not_ours)
}

fn encode_key(key: &[u8; 32]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(key)
}

fn decode_key(text: &str) -> Option<[u8; 32]> {
    use base64::Engine;
    let bytes = Zeroizing::new(base64::engine::general_purpose::STANDARD.decode(text).ok()?);
    bytes.as_slice().try_into().ok()
}

/// Fills `bytes` from the system's random number generator.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), getrandom::Error> {
    getrandom::fill(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_start_reads_the_keys_of_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let keys = directory.path().join("keys");
        let first = Keys::load_or_create(&keys).unwrap();
        let second = Keys::load_or_create(&keys).unwrap();
        assert_eq!(first.lookup.as_bytes(), second.lookup.as_bytes());
        let sealed = first.seal.seal("outbox", b"row", b"text").unwrap();
        assert_eq!(second.seal.open("outbox", b"row", &sealed).unwrap().as_slice(), b"text");
    }

    #[test]
    fn only_the_owner_may_read_directory_and_file() {
        let directory = tempfile::tempdir().unwrap();
        let keys = directory.path().join("keys");
        Keys::load_or_create(&keys).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&keys), 0o700);
        assert_eq!(mode(&keys.join(FILE_NAME)), 0o600);
        assert_eq!(std::fs::read_dir(&keys).unwrap().count(), 1, "no half-written file stays behind");
    }

    #[test]
    fn a_file_open_to_others_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        Keys::load_or_create(directory.path()).unwrap();
        let path = directory.path().join(FILE_NAME);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Keys::load_or_create(directory.path()), Err(KeysError::Permissions { mode: 0o640, .. })));
    }

    #[test]
    fn a_damaged_file_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        Keys::load_or_create(directory.path()).unwrap();
        let path = directory.path().join(FILE_NAME);
        for text in ["", "{", "{\"format\":2,\"peppers\":[],\"seal\":[],\"lookup\":\"\"}"] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(Keys::load_or_create(directory.path()), Err(KeysError::NotAKeysFile { .. })), "{text}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn lookup_hashes_do_not_confuse_neighbouring_fields() {
        let key = LookupKey::new([3; 32]);
        assert_ne!(key.hash(&[b"ab", b"c"]), key.hash(&[b"a", b"bc"]));
        assert_ne!(key.hash(&[b"a"]), LookupKey::new([4; 32]).hash(&[b"a"]));
    }
}
