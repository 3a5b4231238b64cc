//! Who calls: HTTP Basic to a `Caller`.
//!
//! For `http::api`. It must never keep or log a password, never hash on a worker thread, and never let a caller learn from
//! the time of an answer whether a user exists. One verified login costs Argon2 once per ten minutes: what is kept of it is
//! an HMAC under a key that dies with the process.
//!
//! The order: kept logins → the same login under way → the throttle of failures per address → the bounded queue of the
//! hashing thread. An unknown user costs the same hashing as a known one. An empty password is always refused.

mod basic;
mod kept;
mod password;
mod throttle;

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use domain::command::Caller;
use domain::secret::SecretText;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

pub use basic::Login;
use kept::KeptLogins;
use password::{Enlisted, PasswordThread};
use throttle::Throttle;

/// A keyed hash of one login.
type Digest = [u8; 32];

/// The longest wait for the hashing thread before the caller is told to come again.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// An API user as the lookup finds it. Inactive users are not found.
#[derive(Clone)]
pub struct KnownUser {
    /// Argon2id, as a PHC string.
    pub password_hash: String,
    /// What a request of this user becomes.
    pub caller: Caller,
}

/// Finds an active API user by name.
pub type FindUser =
    Box<dyn Fn(String) -> Pin<Box<dyn Future<Output = Result<Option<KnownUser>, LookupError>> + Send>> + Send + Sync>;

/// The users could not be read just now.
#[derive(Debug, thiserror::Error)]
#[error("the API users cannot be read")]
pub struct LookupError;

/// Why a request has no caller.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum AuthFailure {
    /// No login, an unknown user or a wrong password; which of them is not told.
    Refused,
    /// Too many failures from this address.
    Throttled {
        /// When the next try is allowed.
        retry_after: Duration,
    },
    /// The hashing queue is full, or the users cannot be read.
    Busy,
}

/// Checks logins. Shared by all connections of all listeners.
pub struct Auth {
    find_user: FindUser,
    mac: Hmac<Sha256>,
    kept: KeptLogins,
    throttle: Throttle,
    passwords: PasswordThread,
}

impl Auth {
    /// Starts the hashing thread.
    ///
    /// # Errors
    /// When the system gives no randomness or no thread.
    pub fn start(find_user: FindUser) -> io::Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut()).map_err(io::Error::other)?;
        Ok(Self {
            find_user,
            mac: Hmac::new_from_slice(key.as_ref()).map_err(io::Error::other)?,
            kept: KeptLogins::default(),
            throttle: Throttle::default(),
            passwords: PasswordThread::start()?,
        })
    }

    /// Returns who calls, given the value of the `Authorization` header.
    ///
    /// # Errors
    /// [`AuthFailure`], which tells a guesser nothing.
    ///
    /// # Standard
    /// RFC 7617 section 2: the password is everything after the first colon and may contain more.
    pub async fn check(&self, header: Option<&[u8]>, peer: IpAddr) -> Result<Caller, AuthFailure> {
        let login = header.and_then(Login::parse).ok_or(AuthFailure::Refused)?;
        let digest = self.digest(&[login.username().as_bytes(), login.password().as_bytes()]);
        if let Some(caller) = self.kept.find(&digest, Instant::now()) {
            return Ok(caller);
        }
        let throttled = |retry_after| AuthFailure::Throttled { retry_after };
        self.throttle.check(peer, Instant::now()).map_err(throttled)?;
        // Taken before the lookup: a change of the user meanwhile keeps the old answer from being remembered.
        let generation = self.kept.generation();
        let known = (self.find_user)(login.username().to_owned()).await.map_err(|LookupError| AuthFailure::Busy)?;
        let (hash, caller) =
            known.map_or((password::NOBODY.to_owned(), None), |user| (user.password_hash, Some(user.caller)));
        let is_right = self.verify(&login, hash, peer).await?;
        let caller = caller.filter(|_| is_right).ok_or(AuthFailure::Refused)?;
        self.kept.keep(digest, caller.clone(), generation, Instant::now());
        Ok(caller)
    }

    /// Returns the API user of this name, for requests that need no login.
    ///
    /// # Errors
    /// [`AuthFailure::Refused`] when there is no such active user, [`AuthFailure::Busy`] when the users cannot be read.
    pub(super) async fn named(&self, username: &str) -> Result<Caller, AuthFailure> {
        let known = (self.find_user)(username.to_owned()).await.map_err(|LookupError| AuthFailure::Busy)?;
        known.map(|user| user.caller).ok_or(AuthFailure::Refused)
    }

    /// Forgets every kept login. To be called whenever an API user changes.
    pub fn forget_logins(&self) {
        self.kept.clear();
    }

    async fn verify(&self, login: &Login, hash: String, peer: IpAddr) -> Result<bool, AuthFailure> {
        let job = self.digest(&[login.username().as_bytes(), login.password().as_bytes(), hash.as_bytes()]);
        let (verdict, leads) = match self.passwords.enlist(job) {
            Enlisted::Follower(verdict) => (verdict, false),
            Enlisted::Leader(verdict) => {
                if let Err(retry_after) = self.throttle.charge(peer, Instant::now()) {
                    self.passwords.abandon(&job);
                    return Err(AuthFailure::Throttled { retry_after });
                }
                self.passwords.submit(job, SecretText::new(login.password()), hash);
                (verdict, true)
            }
        };
        // Nothing is lost when this wait is dropped: the thread answers to nobody, and a failure stays charged.
        let verdict = timeout(LONGEST_WAIT, verdict).await;
        let verdict = verdict.ok().and_then(Result::ok);
        if leads && verdict != Some(false) {
            self.throttle.refund(peer);
        }
        verdict.ok_or(AuthFailure::Busy)
    }

    /// Hashes length-prefixed fields, so that no two lists of fields are alike.
    fn digest(&self, fields: &[&[u8]]) -> Digest {
        let mut mac = self.mac.clone();
        for field in fields {
            mac.update(&field.len().to_be_bytes());
            mac.update(field);
        }
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests;
