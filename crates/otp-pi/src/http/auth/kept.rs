//! Logins that were verified lately, as keyed hashes.
//!
//! For [`super::Auth`]. It must never hold a password, and never grow beyond its bound.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::command::Caller;
use tokio::time::Instant;

use super::Digest;

/// How long a verified login is taken on trust.
pub(super) const KEPT_FOR: Duration = Duration::from_mins(10);

/// The most logins that are kept.
const MOST_KEPT: usize = 10_000;

/// The kept logins.
#[derive(Default)]
pub(super) struct KeptLogins {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    callers: HashMap<Digest, (Caller, Instant)>,
    generation: u64,
}

impl KeptLogins {
    /// Returns the caller of a kept login.
    pub(super) fn find(&self, digest: &Digest, now: Instant) -> Option<Caller> {
        let inner = self.lock();
        let (caller, until) = inner.callers.get(digest)?;
        (now < *until).then(|| caller.clone())
    }

    /// Returns the number of times that everything was forgotten.
    pub(super) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// Keeps a login that was verified against what was read in `generation`, unless that is past.
    pub(super) fn keep(&self, digest: Digest, caller: Caller, generation: u64, now: Instant) {
        let mut inner = self.lock();
        if inner.generation != generation {
            return;
        }
        if inner.callers.len() >= MOST_KEPT {
            inner.callers.retain(|_, (_, until)| now < *until);
        }
        if inner.callers.len() >= MOST_KEPT {
            inner.callers.clear();
        }
        inner.callers.insert(digest, (caller, now + KEPT_FOR));
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        let mut inner = self.lock();
        inner.callers.clear();
        inner.generation += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
