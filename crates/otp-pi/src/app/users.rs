//! The API users of the configuration, put into the store, and found there by the logins.

use anyhow::Context as _;
use domain::command::{Caller, Entrance};
use store::{ApiUser, PasswordHasher, Store};
use tracing::warn;

use crate::config::{ApiUserSource, PasswordSource};
use crate::http::auth::{FindUser, KnownUser, LookupError};

/// What a configuration changes about the API users in the store.
#[derive(Debug, Default)]
pub(super) struct UserChanges {
    /// Those that are to be put there.
    pub(super) users: Vec<ApiUser>,
    /// Those among them that are switched off because they are not in the configuration any more.
    gone: Vec<String>,
    /// Those among them that were not known before.
    fresh: Vec<String>,
}

impl UserChanges {
    /// True for one that is switched off because it is not in the configuration any more.
    pub(super) fn is_gone(&self, username: &str) -> bool {
        self.gone.iter().any(|gone| gone == username)
    }

    /// True for one that was not known before.
    pub(super) fn is_new(&self, username: &str) -> bool {
        self.fresh.iter().any(|fresh| fresh == username)
    }

    /// Tells who is switched off. To be called when it has happened.
    pub(super) fn tell(&self) {
        for username in &self.gone {
            warn!(api_user.name = username, "is not in the configuration any more: switched off");
        }
    }
}

/// Compares what the configuration says of API users with what is stored. A password that is unchanged keeps its hash.
pub(super) async fn changes(store: &Store, sources: Vec<ApiUserSource>) -> anyhow::Result<UserChanges> {
    let mut changes = UserChanges::default();
    for mut user in store.api_users().await? {
        // The configuration is where API users come from: one that was taken out of it must not get in any more.
        if user.is_active && !sources.iter().any(|source| source.username == user.username) {
            user.is_active = false;
            changes.gone.push(user.username.clone());
            changes.users.push(user);
        }
    }
    for source in sources {
        let known = store.find_api_user(&source.username).await?;
        let password_hash = hash(known.as_ref(), &source).await?;
        let user = ApiUser {
            username: source.username,
            password_hash,
            scopes: source.scopes,
            class: source.class,
            is_active: source.is_active,
        };
        if known.is_none() {
            changes.fresh.push(user.username.clone());
        }
        if known.as_ref() != Some(&user) {
            changes.users.push(user);
        }
    }
    Ok(changes)
}

async fn hash(known: Option<&ApiUser>, source: &ApiUserSource) -> anyhow::Result<String> {
    let clear = match &source.password {
        PasswordSource::Hash(hash) => return Ok(hash.clone()),
        PasswordSource::Clear(clear) => clear.clone(),
    };
    let old = known.map(|user| user.password_hash.clone());
    let work = move || -> anyhow::Result<String> {
        let mut hasher = PasswordHasher::default();
        match old {
            Some(old) if hasher.verify(&clear, &old).unwrap_or(false) => Ok(old),
            _ => hasher.hash(&clear).context("the password cannot be hashed"),
        }
    };
    tokio::task::spawn_blocking(work).await?
}

/// How logins find their user.
pub(super) fn finder(store: Store) -> FindUser {
    Box::new(move |username| {
        let store = store.clone();
        Box::pin(async move {
            let user = store.find_api_user(&username).await.map_err(|error| {
                warn!(error = %error, "the API users cannot be read");
                LookupError
            })?;
            Ok(user.filter(|user| user.is_active).map(known_user))
        })
    })
}

fn known_user(user: ApiUser) -> KnownUser {
    KnownUser {
        password_hash: user.password_hash,
        caller: Caller {
            api_user: user.username,
            scopes: user.scopes,
            default_class: user.class,
            entrance: Entrance::Rest,
            peer: None,
        },
    }
}
