//! Who calls: HTTP Basic to a `Caller`.
//!
//! For `http::api`. It must never keep or log a password, never hash on a worker thread, and never let a caller learn from
//! the time of an answer whether a user exists, or how many secrets it has. One verified login costs Argon2 once per ten minutes:
//! what is kept of it is an HMAC under a key that dies with the process.
//!
//! The order: kept logins → the same login under way → the throttle of failures per address → the bounded queue of the
//! hashing thread. An unknown user costs the same hashing as a known one. An empty password is always refused. So is a right one from
//! outside the user's networks, in every respect as a wrong one: it is hashed and charged, for otherwise a guesser could tell.
//!
//! Who a request belongs to is found first ([`Auth::identify`]), and looked at once more when its body is there ([`Auth::admit`]): in
//! between the user may have been changed or switched off.

mod alarm;
mod basic;
mod kept;
mod password;
mod register;
mod throttle;
mod uses;

use std::collections::HashSet;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::clock::{Clock, WallTime};
use domain::command::{Caller, Entrance};
use domain::network::household;
use domain::secret::SecretText;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use store::SecretUse;
use tokio::time::{Instant, timeout};
use tracing::warn;
use zeroize::Zeroizing;

use alarm::Alarm;
use kept::KeptLogins;
use password::{Enlisted, PasswordThread, Verdict};
use register::{By, Register};
use throttle::Throttle;
use uses::LastUses;

pub use basic::Login;
pub use register::{Identity, KnownUser, Pass, PreviousSecret, UnderWay};

/// A keyed hash of one login.
type Digest = [u8; 32];

/// The longest wait for the hashing thread before the caller is told to come again.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How often a request whose user changes again and again is looked at.
const LOOKS: usize = 5;

/// The most right logins from wrong places that are remembered as told.
const MOST_TOLD: usize = 256;

/// On what ground a request is made in somebody's name.
#[derive(Copy, Clone, Debug)]
pub enum Claim<'a> {
    /// The value of its `Authorization` header, if it has one.
    Login(Option<&'a [u8]>),
    /// It needs no login to act in the name of this user.
    Open(&'a str),
}

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
    /// The hashing queue is full.
    Busy,
}

/// Checks logins. Shared by all connections of all listeners.
pub struct Auth {
    users: Register,
    clock: Arc<dyn Clock>,
    mac: Hmac<Sha256>,
    kept: KeptLogins,
    throttle: Throttle,
    alarm: Alarm,
    passwords: PasswordThread,
    uses: LastUses,
    /// Whose right logins came from which wrong places.
    told: Mutex<HashSet<(String, IpAddr)>>,
}

impl Auth {
    /// Starts the hashing thread.
    ///
    /// # Errors
    /// When the system gives no randomness or no thread.
    pub fn start(users: Vec<KnownUser>, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut()).map_err(io::Error::other)?;
        let auth = Self {
            users: Register::default(),
            clock,
            mac: Hmac::new_from_slice(key.as_ref()).map_err(io::Error::other)?,
            kept: KeptLogins::default(),
            throttle: Throttle::default(),
            alarm: Alarm::default(),
            passwords: PasswordThread::start()?,
            uses: LastUses::default(),
            told: Mutex::default(),
        };
        drop(auth.replace_users(users));
        Ok(auth)
    }

    /// Has addresses told that must wait after too many failures: each once an hour.
    #[must_use]
    pub fn telling(self, tell: impl Fn(IpAddr) + Send + Sync + 'static) -> Self {
        Self { alarm: Alarm::new(tell), ..self }
    }

    /// Puts other users in place, from the next look at one on. Answers the requests that have passed before and are not accepted or
    /// refused yet; none where nothing has changed. Users that are the same stay logged in.
    pub fn replace_users(&self, users: Vec<KnownUser>) -> Option<UnderWay> {
        let known = users.clone();
        let under_way = self.users.replace(users)?;
        let now = self.clock.now();
        self.kept.keep_only(|identity| self.users.is_current(identity, now));
        self.uses.forget_gone(&known);
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Some(under_way)
    }

    /// When secrets were used last, since the start.
    pub fn secret_uses(&self) -> Vec<SecretUse> {
        self.uses.all()
    }

    /// The uses that nobody has written down yet.
    pub fn take_unwritten_uses(&self) -> Vec<SecretUse> {
        self.uses.take_unwritten()
    }

    /// Takes uses back that could not be written.
    pub fn put_uses_back(&self, uses: &[SecretUse]) {
        self.uses.put_back(uses);
    }

    /// Finds whose a request is. Nothing may be done in its name before [`Self::admit`].
    ///
    /// # Errors
    /// [`AuthFailure`], which tells a guesser nothing.
    pub async fn identify(&self, claim: Claim<'_>, peer: IpAddr) -> Result<Identity, AuthFailure> {
        match claim {
            Claim::Login(header) => self.check(header, peer).await,
            Claim::Open(username) => self.named(username, peer).ok_or(AuthFailure::Refused),
        }
    }

    /// Lets a request pass, as its user is now; where that has changed since, the claim must hold again.
    ///
    /// # Errors
    /// [`AuthFailure`], which tells a guesser nothing.
    pub async fn admit(
        &self,
        mut identity: Identity,
        claim: Claim<'_>,
        peer: IpAddr,
    ) -> Result<(Caller, Pass), AuthFailure> {
        for _ in 0..LOOKS {
            let now = self.clock.now();
            if let Some(pass) = self.users.pass(&identity, now) {
                let caller = Caller { peer: Some(peer), ..identity.user.caller.clone() };
                self.uses.note(&caller.api_user, identity.secret_hash(), now, peer);
                return Ok((caller, pass));
            }
            identity = self.identify(claim, peer).await?;
        }
        Err(AuthFailure::Busy)
    }

    /// Who an API user is by now, and something to hold while a command is done in its name; none where it may not call. For commands that a
    /// broker brings, whose sender logged in there.
    pub fn in_the_name_of(&self, username: &str) -> Option<(Caller, Box<dyn Send>)> {
        let now = self.clock.now();
        let user = self.users.find(username, now).0?;
        let identity = Identity { user, by: By::Nothing };
        let pass = self.users.pass(&identity, now)?;
        let caller = Caller { entrance: Entrance::Broker, peer: None, ..identity.user.caller.clone() };
        Some((caller, Box::new(pass)))
    }

    /// # Standard
    /// RFC 7617 section 2: the password is everything after the first colon and may contain more.
    async fn check(&self, header: Option<&[u8]>, peer: IpAddr) -> Result<Identity, AuthFailure> {
        let login = header.and_then(Login::parse).ok_or(AuthFailure::Refused)?;
        let digest = self.digest(&[login.username().as_bytes(), login.password().as_bytes()]);
        let now = self.clock.now();
        if let Some(identity) = self.kept.find(&digest, Instant::now())
            && self.users.is_current(&identity, now)
            && identity.user.allows(peer)
        {
            return Ok(identity);
        }
        self.throttle.check(peer, Instant::now()).map_err(|wait| self.throttled(peer, wait))?;
        let (user, hashes) = self.hashes(login.username(), now);
        let is_near = user.as_ref().is_none_or(|user| user.allows(peer));
        let verdict = self.verify(&login, hashes, is_near, peer).await?;
        let (Some(user), Some(place)) = (user, verdict) else { return Err(AuthFailure::Refused) };
        if !is_near {
            self.tell_once(&user.caller.api_user, peer);
            return Err(AuthFailure::Refused);
        }
        let by = if place == 0 { By::Current } else { By::Previous };
        let identity = Identity { user, by };
        self.kept.keep(digest, identity.clone(), Instant::now());
        Ok(identity)
    }

    /// Returns the API user of this name, for requests that need no login.
    fn named(&self, username: &str, peer: IpAddr) -> Option<Identity> {
        let (user, _) = self.users.find(username, self.clock.now());
        user.filter(|user| user.allows(peer)).map(|user| Identity { user, by: By::Nothing })
    }

    /// What a password is held against. As long as any user has two secrets it is two hashes, whoever the user is, and whether there
    /// is one: so nobody's time stands out.
    fn hashes(&self, username: &str, now: WallTime) -> (Option<Arc<KnownUser>>, Vec<String>) {
        let (user, is_anybody_rotating) = self.users.find(username, now);
        let or_nobody = |hash: Option<&str>| hash.unwrap_or(password::NOBODY).to_owned();
        let mut hashes = vec![or_nobody(user.as_ref().map(|user| user.password_hash.as_str()))];
        if is_anybody_rotating {
            hashes.push(or_nobody(user.as_ref().and_then(|user| user.previous_hash(now))));
        }
        (user, hashes)
    }

    async fn verify(
        &self,
        login: &Login,
        hashes: Vec<String>,
        is_near: bool,
        peer: IpAddr,
    ) -> Result<Verdict, AuthFailure> {
        // Who calls from outside the networks shares no job with who does not, so that each is charged for itself.
        let near = [u8::from(is_near)];
        let mut fields = vec![login.username().as_bytes(), login.password().as_bytes(), &near];
        fields.extend(hashes.iter().map(|hash| hash.as_bytes()));
        let job = self.digest(&fields);
        let (verdict, leads) = match self.passwords.enlist(job) {
            Enlisted::Follower(verdict) => (verdict, false),
            Enlisted::Leader(verdict) => {
                if let Err(retry_after) = self.throttle.charge(peer, Instant::now()) {
                    self.passwords.abandon(&job);
                    return Err(self.throttled(peer, retry_after));
                }
                self.passwords.submit(job, SecretText::new(login.password()), hashes);
                (verdict, true)
            }
        };
        // Nothing is lost when this wait is dropped: the thread answers to nobody, and a failure stays charged.
        let verdict = timeout(LONGEST_WAIT, verdict).await;
        let verdict = verdict.ok().and_then(Result::ok);
        let is_failure = verdict.is_some_and(|place| place.is_none() || !is_near);
        if leads && !is_failure {
            self.throttle.refund(peer);
        }
        verdict.ok_or(AuthFailure::Busy)
    }

    /// Tells the owner, whom it concerns, and nobody else.
    fn tell_once(&self, username: &str, peer: IpAddr) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= MOST_TOLD {
            told.clear();
        }
        if told.insert((username.to_owned(), household(peer))) {
            warn!(
                api_user.name = username,
                api.peer = %peer.to_canonical(),
                "a right login from outside the networks of this API user was refused: its password is known there, or its networks are too narrow"
            );
        }
    }

    fn throttled(&self, peer: IpAddr, retry_after: Duration) -> AuthFailure {
        self.alarm.raise(household(peer), Instant::now());
        AuthFailure::Throttled { retry_after }
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
