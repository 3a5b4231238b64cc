//! Where the keys lie, who may read them there, and how a file is written so that a crash leaves a whole one.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::book::{BadBook, KeyBook};
use super::error::KeysError;

/// The file's name in a directory of our own.
const FILE_NAME: &str = "keys.json";
/// The name under which systemd hands the keys over.
const CREDENTIAL: &str = "otp-pi.keys";
const LARGEST_FILE: u64 = 64 * 1024;

/// Where the keys of a gateway come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysPlace {
    /// `keys.json` in a directory of our own: made at the first start, and rotated by this program.
    Own(PathBuf),
    /// A file that somebody else provides, for example to all nodes of a fleet. Only read.
    File(PathBuf),
    /// A credential that systemd provides. Only read.
    Credential(PathBuf),
}

impl KeysPlace {
    /// Finds the place: the configured file, else the credential `otp-pi.keys`, else the data directory.
    #[must_use]
    pub fn find(data_dir: &Path, file: Option<&Path>, credentials: Option<&Path>) -> Self {
        let credential = credentials.map(|directory| directory.join(CREDENTIAL)).filter(|path| path.exists());
        match (file, credential) {
            (Some(file), _) => Self::File(file.to_owned()),
            (None, Some(path)) => Self::Credential(path),
            (None, None) => Self::Own(data_dir.join("keys")),
        }
    }

    /// The file itself.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Own(directory) => directory.join(FILE_NAME),
            Self::File(path) | Self::Credential(path) => path.clone(),
        }
    }

    /// Tells whether this program makes and rotates the file.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Own(_))
    }

    /// Permission bits that must not be set. A credential lies in a directory of its service alone, and shows the mask of
    /// its access list as rights of the group (systemd ≥ 254).
    fn forbidden_mode(&self) -> u32 {
        match self {
            Self::Own(_) | Self::File(_) => 0o077,
            Self::Credential(_) => 0o037,
        }
    }

    /// Reads the keys; None when there is no file.
    pub(super) fn read(&self) -> Result<Option<KeyBook>, KeysError> {
        let path = self.path();
        let unreadable = |source| KeysError::Unreadable { path: path.clone(), source };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
        if mode & self.forbidden_mode() != 0 {
            return Err(KeysError::Permissions { path, mode });
        }
        let mut text = Zeroizing::new(String::with_capacity(16 * 1024));
        file.take(LARGEST_FILE).read_to_string(&mut text).map_err(|error| match error.kind() {
            ErrorKind::InvalidData => KeysError::NotAKeysFile { path: path.clone(), what: "it is no text" },
            _ => unreadable(error),
        })?;
        KeyBook::parse(&text).map(Some).map_err(|bad| match bad {
            BadBook::Malformed(what) => KeysError::NotAKeysFile { path: path.clone(), what },
            BadBook::NewerFormat(found) => KeysError::NewerFormat { path: path.clone(), found },
        })
    }
}

/// Writes a file that is not there yet; one that is stays as it is. In a directory of our own the file belongs to whoever the
/// directory belongs to.
pub(super) fn write_new(path: &Path, book: &KeyBook, is_ours: bool) -> Result<(), KeysError> {
    let io = |source| KeysError::Io { path: path.to_owned(), source };
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(io)?;
    }
    let aside = write_aside(path, book, path.parent().filter(|_| is_ours))?;
    // Linked and not renamed: two that begin at once must not both think that their keys are the file's.
    let linked = std::fs::hard_link(&aside, path);
    std::fs::remove_file(&aside).map_err(io)?;
    linked.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => KeysError::Exists { path: path.to_owned() },
        _ => io(error),
    })?;
    sync_directory(path)
}

/// Replaces a file at once: whoever reads it, and whatever crashes, finds the old one or the new one, whole.
pub(super) fn replace(path: &Path, book: &KeyBook) -> Result<(), KeysError> {
    let aside = write_aside(path, book, Some(path).filter(|path| path.exists()))?;
    std::fs::rename(&aside, path).map_err(|source| KeysError::Io { path: path.to_owned(), source })?;
    sync_directory(path)
}

/// Puts a file that is of no use out of the way, under a name that says when; answers the name.
pub(super) fn set_aside(path: &Path, stamp: i64) -> Result<PathBuf, KeysError> {
    let aside = path.with_extension(format!("json.useless-{stamp}"));
    std::fs::rename(path, &aside).map_err(|source| KeysError::Io { path: path.to_owned(), source })?;
    sync_directory(path)?;
    Ok(aside)
}

/// Writes the keys, durably, beside the place where they belong. Root writes them for the owner of `like`: an administrator who
/// rotates must not lock the gateway's user out.
fn write_aside(path: &Path, book: &KeyBook, like: Option<&Path>) -> Result<PathBuf, KeysError> {
    let aside = path.with_extension("json.new");
    let io = |source| KeysError::Io { path: aside.clone(), source };
    let text = book.render().ok_or(KeysError::NotAKeysFile { path: path.to_owned(), what: "it cannot be written" })?;
    // What a crash left here was never in use.
    if let Err(error) = std::fs::remove_file(&aside)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(io(error));
    }
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside).map_err(io)?;
    if let Some(like) = like.filter(|_| rustix::process::geteuid().is_root()) {
        let owner = std::fs::metadata(like).map_err(io)?;
        std::os::unix::fs::fchown(&out, Some(owner.uid()), Some(owner.gid())).map_err(io)?;
    }
    out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).map_err(io)?;
    Ok(aside)
}

fn sync_directory(path: &Path) -> Result<(), KeysError> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let io = |source| KeysError::Io { path: directory.to_owned(), source };
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(io)
}
