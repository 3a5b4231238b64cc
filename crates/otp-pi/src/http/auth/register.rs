//! The API users that may call now, and the requests under way in their names.
//!
//! For [`super::Auth`]. `app` hands in the whole list whenever it changes. It must never let a request pass by what held before a
//! change: the last look at a user and the beginning of what is done in its name are one step, and a change waits for what had
//! passed before it. So nothing is accepted any more in the name of a user once the command that switched it off has returned.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use domain::clock::WallTime;
use domain::command::Caller;
use domain::network::Network;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// An API user that may call.
#[derive(Clone, Eq, PartialEq)]
pub struct KnownUser {
    /// What a request of this user becomes.
    pub caller: Caller,
    /// The password, as an Argon2id PHC string.
    pub password_hash: String,
    /// The password before it, while that is being rotated out.
    pub previous: Option<PreviousSecret>,
    /// From where it may call; from anywhere when there is none.
    pub networks: Vec<Network>,
}

/// A password that is being rotated out.
#[derive(Clone, Eq, PartialEq)]
pub struct PreviousSecret {
    /// As an Argon2id PHC string.
    pub hash: String,
    /// When it ends; only by hand when there is no such time.
    pub until: Option<WallTime>,
}

impl KnownUser {
    /// Tells whether it may call from there.
    pub(super) fn allows(&self, peer: IpAddr) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|network| network.contains(peer))
    }

    /// The previous password, as long as it is valid. A clock that jumps takes its end with it.
    pub(super) fn previous_hash(&self, now: WallTime) -> Option<&str> {
        let previous = self.previous.as_ref()?;
        previous.until.is_none_or(|until| now < until).then_some(previous.hash.as_str())
    }
}

/// By what a request is made in a user's name.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum By {
    /// Its password.
    Current,
    /// The one before it.
    Previous,
    /// No login: the small dialects are open to the caller's network.
    Nothing,
}

/// Whose a request is, as far as it was looked at; it has not passed yet.
#[derive(Clone)]
pub struct Identity {
    pub(super) user: Arc<KnownUser>,
    pub(super) by: By,
}

impl Identity {
    /// The hash of the secret that was used.
    pub(super) fn secret_hash(&self) -> Option<&str> {
        match self.by {
            By::Current => Some(&self.user.password_hash),
            By::Previous => self.user.previous.as_ref().map(|previous| previous.hash.as_str()),
            By::Nothing => None,
        }
    }
}

/// Held while something is done in a user's name; a change of the users waits for it.
#[derive(Debug)]
pub struct Pass {
    _token: TaskTrackerToken,
}

/// The requests that had passed before a change.
#[derive(Debug)]
pub struct UnderWay(TaskTracker);

impl UnderWay {
    /// Waits until each of them is accepted or refused.
    pub async fn wait(self) {
        self.0.wait().await;
    }
}

/// The users.
#[derive(Default)]
pub(super) struct Register {
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    users: HashMap<String, Arc<KnownUser>>,
    under_way: TaskTracker,
}

impl Inner {
    fn is_current(&self, identity: &Identity, now: WallTime) -> bool {
        let Identity { user, by } = identity;
        let is_this = |known: &Arc<KnownUser>| Arc::ptr_eq(known, user);
        self.users.get(&user.caller.api_user).is_some_and(is_this)
            && (*by != By::Previous || user.previous_hash(now).is_some())
    }
}

impl Register {
    /// Finds a user by name, and tells whether any user at all has two valid secrets.
    pub(super) fn find(&self, username: &str, now: WallTime) -> (Option<Arc<KnownUser>>, bool) {
        let inner = self.read();
        let is_rotating = inner.users.values().any(|user| user.previous_hash(now).is_some());
        (inner.users.get(username).map(Arc::clone), is_rotating)
    }

    /// Tells whether the user is as it was, and the secret that was used still valid.
    pub(super) fn is_current(&self, identity: &Identity, now: WallTime) -> bool {
        self.read().is_current(identity, now)
    }

    /// Lets a request pass, if everything is as it was.
    pub(super) fn pass(&self, identity: &Identity, now: WallTime) -> Option<Pass> {
        let inner = self.read();
        inner.is_current(identity, now).then(|| Pass { _token: inner.under_way.token() })
    }

    /// Puts other users in place; those that are the same stay as they are. Answers the requests to wait for; none where nothing
    /// has changed.
    pub(super) fn replace(&self, users: Vec<KnownUser>) -> Option<UnderWay> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let (before, mut is_same) = (inner.users.len(), true);
        let mut fresh = HashMap::with_capacity(users.len());
        for user in users {
            let known = inner.users.get(&user.caller.api_user).filter(|known| ***known == user);
            is_same &= known.is_some();
            let user = known.map_or_else(|| Arc::new(user), Arc::clone);
            fresh.insert(user.caller.api_user.clone(), user);
        }
        if is_same && fresh.len() == before {
            return None;
        }
        inner.users = fresh;
        let under_way = std::mem::take(&mut inner.under_way);
        under_way.close();
        Some(UnderWay(under_way))
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }
}
