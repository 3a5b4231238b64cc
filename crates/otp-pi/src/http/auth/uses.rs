//! When each secret was used last, and from where: in memory, for whoever writes it down once in a while.
//!
//! For [`super::Auth`]. It must never make a request wait for a disk. What was not written when the power fails is lost.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::clock::WallTime;
use store::SecretUse;

use super::register::KnownUser;

/// The last uses, by user.
#[derive(Default)]
pub(super) struct LastUses {
    users: Mutex<HashMap<String, Vec<Noted>>>,
}

/// The last use of one secret.
struct Noted {
    secret_hash: Option<String>,
    at: WallTime,
    address: IpAddr,
    is_written: bool,
}

impl LastUses {
    /// Notes that a secret was used now; none is a request without a login.
    pub(super) fn note(&self, username: &str, secret_hash: Option<&str>, at: WallTime, address: IpAddr) {
        let mut users = self.lock();
        if !users.contains_key(username) {
            users.insert(username.to_owned(), Vec::new());
        }
        let Some(noted) = users.get_mut(username) else { return };
        let address = address.to_canonical();
        match noted.iter_mut().find(|one| one.secret_hash.as_deref() == secret_hash) {
            Some(one) => (one.at, one.address, one.is_written) = (at, address, false),
            None => {
                let secret_hash = secret_hash.map(str::to_owned);
                noted.push(Noted { secret_hash, at, address, is_written: false });
            }
        }
    }

    /// What happened since it was asked last: to be written, or put back.
    pub(super) fn take_unwritten(&self) -> Vec<SecretUse> {
        let mut unwritten = Vec::new();
        for (username, noted) in self.lock().iter_mut() {
            for one in noted.iter_mut().filter(|one| !one.is_written) {
                one.is_written = true;
                unwritten.push(one.tell(username));
            }
        }
        unwritten
    }

    /// Takes back what could not be written.
    pub(super) fn put_back(&self, uses: &[SecretUse]) {
        let mut users = self.lock();
        for one in uses {
            let noted = users.get_mut(&one.username).into_iter().flatten();
            noted.filter(|noted| noted.secret_hash == one.secret_hash).for_each(|noted| noted.is_written = false);
        }
    }

    /// Everything that is noted.
    pub(super) fn all(&self) -> Vec<SecretUse> {
        self.lock().iter().flat_map(|(username, noted)| noted.iter().map(|one| one.tell(username))).collect()
    }

    /// Forgets secrets that their user does not have any more. Users that are switched off keep theirs.
    pub(super) fn forget_gone(&self, known: &[KnownUser]) {
        let mut users = self.lock();
        for user in known {
            let previous = user.previous.as_ref().map(|previous| previous.hash.as_str());
            let is_theirs = |hash: &str| hash == user.password_hash || Some(hash) == previous;
            if let Some(noted) = users.get_mut(&user.caller.api_user) {
                noted.retain(|one| one.secret_hash.as_deref().is_none_or(is_theirs));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Noted>>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Noted {
    fn tell(&self, username: &str) -> SecretUse {
        let (username, secret_hash) = (username.to_owned(), self.secret_hash.clone());
        SecretUse { username, secret_hash, at: self.at, address: self.address }
    }
}

#[cfg(test)]
mod tests;
