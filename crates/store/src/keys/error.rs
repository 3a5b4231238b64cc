//! What can be wrong with the keys. Each text says the way on; docs/keys.md says more.

use std::path::PathBuf;

/// The keys could not be read, made or rotated.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The database is there, its keys are not.
    #[error(
        "the database {} is there, but its keys {} are not; put the keys back from their backup (if the service gets them from \
         systemd or from [keys] file, they must be at hand here too). If they are gone for good: docs/keys.md, lost keys",
        database.display(), path.display()
    )]
    Lost {
        /// Where the keys should be.
        path: PathBuf,
        /// The database that needs them.
        database: PathBuf,
    },
    /// A keys file that somebody else provides is not there.
    #[error("the keys file {} does not exist; put it there, or make one for a new gateway: otp-pi keys new {}",
        path.display(), path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Others may read the file.
    #[error("{} is open to other users (mode {mode:o}); run chmod 600 on it, and if others had the time to read it, \
        rotate the keys (otp-pi keys rotate)", path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// We may not read the file.
    #[error("cannot read the keys file {}; it must belong to the user that the gateway runs as", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is not one of ours, or is cut.
    #[error("{} is not a whole keys file ({what}); put it back from its backup, or see docs/keys.md, lost keys",
        path.display())]
    NotAKeysFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A newer program has written the file.
    #[error("{} has format {found}, which this program does not know; use the newer program", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The format found.
        found: u32,
    },
    /// A file is there already that would have been replaced.
    #[error("{} exists, and keys are never overwritten; choose another name", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The keys come from elsewhere and are not ours to change.
    #[error("the keys come from {} and are not this program's to change; make a rotated file with \
        otp-pi keys rotate --output FILE and install it there (docs/keys.md)", path.display())]
    ReadOnly {
        /// Where they come from.
        path: PathBuf,
    },
    /// Too many keys are still in use.
    #[error("{count} older keys are still in use; let what they sealed be sealed anew first (otp-pi keys status)")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// A file or directory could not be made or written.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The system's random number generator failed.
    #[error("the system has no randomness to give")]
    Randomness,
    /// The program is ending.
    #[error("the gateway is stopping; nothing was decided about the keys")]
    Interrupted,
}
