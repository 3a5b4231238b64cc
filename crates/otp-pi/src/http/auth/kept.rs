//! Logins that were verified lately, as keyed hashes.
//!
//! For [`super::Auth`], which looks anew at the user whenever a login is found. It must never hold a password, and never grow beyond
//! its bound.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Digest;
use super::register::Identity;

/// How long a verified login is taken on trust.
pub(super) const KEPT_FOR: Duration = Duration::from_mins(10);

/// The most logins that are kept.
const MOST_KEPT: usize = 10_000;

/// The kept logins.
#[derive(Default)]
pub(super) struct KeptLogins {
    logins: Mutex<Logins>,
}

type Logins = HashMap<Digest, (Identity, Instant)>;

impl KeptLogins {
    /// Returns whose a kept login is.
    pub(super) fn find(&self, digest: &Digest, now: Instant) -> Option<Identity> {
        let logins = self.lock();
        let (identity, until) = logins.get(digest)?;
        (now < *until).then(|| identity.clone())
    }

    /// Keeps a login that was verified.
    pub(super) fn keep(&self, digest: Digest, identity: Identity, now: Instant) {
        let mut logins = self.lock();
        if logins.len() >= MOST_KEPT {
            logins.retain(|_, (_, until)| now < *until);
        }
        if logins.len() >= MOST_KEPT {
            logins.clear();
        }
        logins.insert(digest, (identity, now + KEPT_FOR));
    }

    /// Forgets logins that are not good any more.
    pub(super) fn keep_only(&self, is_good: impl Fn(&Identity) -> bool) {
        self.lock().retain(|_, (identity, _)| is_good(identity));
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Logins> {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
