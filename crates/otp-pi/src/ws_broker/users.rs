//! Who may log in: a file of `NAME:HASH` lines, as `htpasswd` names them, or one user with a password in a file.
//!
//! For `cli`. It must never repeat a hash or a password. Only Argon2id is taken: `$apr1$` is a thousand rounds of MD5 and `{SHA}` one
//! of SHA-1 without salt, so that a copy of such a file is a list of passwords.

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use domain::command::{Caller, Entrance, ScopeSet};
use domain::message::Class;
use domain::secret::SecretText;
use store::{PasswordError, PasswordHasher};
use zeroize::Zeroizing;

use crate::http::auth::KnownUser;

/// Why there are no users.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// A file cannot be read as text.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Everybody on the machine can read the file.
    #[error("{} can be read by everybody (mode {mode:o}): chmod o-rwx it", path.display())]
    OpenToOthers {
        /// Which file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A line of the file is no user.
    #[error("{}, line {line}: {what}", path.display())]
    BadLine {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// Nobody could log in.
    #[error("{} names no user", path.display())]
    Nobody {
        /// Which file.
        path: PathBuf,
    },
    /// The password file is empty.
    #[error("{} holds no password", path.display())]
    NoPassword {
        /// Which file.
        path: PathBuf,
    },
    /// The name of the only user cannot be sent.
    #[error("a user name is not empty and has no colon")]
    BadName,
    /// A password cannot be hashed.
    #[error("the password cannot be hashed")]
    Hash(#[source] PasswordError),
}

/// Reads a file of users. Lines that are empty or begin with `#` are skipped. Costs one hash a line: not for a worker.
///
/// # Errors
/// [`UsersError`], with the line.
pub fn read_file(path: &Path) -> Result<Vec<KnownUser>, UsersError> {
    let text = read(path)?;
    let mut hasher = PasswordHasher::default();
    let (mut users, mut names) = (Vec::new(), HashSet::new());
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let bad = |what| UsersError::BadLine { path: path.to_owned(), line: number, what };
        let (name, hash) = line.split_once(':').ok_or_else(|| bad("not NAME:HASH"))?;
        if name.is_empty() || !names.insert(name) {
            return Err(bad("the name is empty or was given before"));
        }
        if !hash.starts_with("$argon2id$") {
            return Err(bad("only $argon2id$ hashes are taken, not $apr1$, {SHA}, crypt or clear text: \
                            otp-pi ws-broker --new-user NAME prints such a line"));
        }
        // Held against any password: one that cannot be checked would keep its user out without a word.
        hasher
            .verify(&SecretText::new("-"), hash)
            .map_err(|_| bad("the Argon2id hash is malformed or costs too much"))?;
        users.push(known(name, hash.to_owned()));
    }
    if users.is_empty() { Err(UsersError::Nobody { path: path.to_owned() }) } else { Ok(users) }
}

/// The only user, with the password in the first line of a file.
///
/// # Errors
/// [`UsersError`].
pub fn single(name: &str, password_file: &Path) -> Result<Vec<KnownUser>, UsersError> {
    if name.is_empty() || name.contains(':') {
        return Err(UsersError::BadName);
    }
    let text = read(password_file)?;
    let password = text.lines().next().unwrap_or_default();
    if password.is_empty() {
        return Err(UsersError::NoPassword { path: password_file.to_owned() });
    }
    let hash = PasswordHasher::default().hash(&SecretText::new(password)).map_err(UsersError::Hash)?;
    Ok(vec![known(name, hash)])
}

fn read(path: &Path) -> Result<Zeroizing<String>, UsersError> {
    let unreadable = |source| UsersError::Unreadable { path: path.to_owned(), source };
    let mode = std::fs::metadata(path).map_err(unreadable)?.mode() & 0o777;
    if mode & 0o007 != 0 {
        return Err(UsersError::OpenToOthers { path: path.to_owned(), mode });
    }
    std::fs::read_to_string(path).map(Zeroizing::new).map_err(unreadable)
}

fn known(name: &str, password_hash: String) -> KnownUser {
    let caller = Caller {
        api_user: name.to_owned(),
        scopes: ScopeSet::EMPTY,
        default_class: Class::Otp,
        entrance: Entrance::Broker,
        subscriber: None,
        peer: None,
    };
    KnownUser { caller, password_hash, previous: None, networks: Vec::new() }
}
