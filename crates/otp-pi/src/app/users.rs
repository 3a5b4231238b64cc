//! The API users of the configuration: put into the store, handed to the logins, and shown with what is known of their secrets.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use domain::clock::{Clock as _, WallTime};
use domain::command::{Caller, Entrance};
use store::{ApiUser, PasswordHasher, SecretUse, Store};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::clock::SystemClock;
use crate::config::{ApiUserSource, File, PasswordSource, read_time};
use crate::http::ApiState;
use crate::http::auth::{Auth, KnownUser, PreviousSecret, UnderWay};
use crate::operator::{ApiUserView, SecretView, UseView};

/// How often the last uses of secrets are written down, for all users in one commit.
const WRITE_EVERY: Duration = Duration::from_mins(1);

/// How long a change waits for requests that had passed before it.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What a configuration changes about the API users.
#[derive(Default)]
pub(super) struct UserChanges {
    /// Those that are to be put into the store.
    pub(super) users: Vec<ApiUser>,
    /// All that may call.
    pub(super) known: Vec<KnownUser>,
    /// Those that are switched off because they are not in the configuration any more.
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
    let stored = store.api_users().await?;
    for user in &stored {
        // The configuration is where API users come from: one that was taken out of it must not get in any more.
        if user.is_active && !sources.iter().any(|source| source.username == user.username) {
            changes.gone.push(user.username.clone());
            changes.users.push(ApiUser { is_active: false, ..user.clone() });
        }
    }
    for source in sources {
        let stored = stored.iter().find(|user| user.username == source.username);
        let hashes = stored.into_iter().flat_map(|user| [Some(&user.password_hash), user.previous_hash.as_ref()]);
        let hashes: Vec<String> = hashes.flatten().cloned().collect();
        let password_hash = hash(&hashes, &source.password).await?;
        let previous = match &source.previous {
            None => None,
            Some(previous) => {
                Some(PreviousSecret { hash: hash(&hashes, &previous.password).await?, until: previous.until })
            }
        };
        let user = ApiUser {
            username: source.username,
            password_hash,
            previous_hash: previous.as_ref().map(|previous| previous.hash.clone()),
            scopes: source.scopes,
            class: source.class,
            is_active: source.is_active,
        };
        if stored.is_none() {
            changes.fresh.push(user.username.clone());
        }
        if user.is_active {
            changes.known.push(known_user(&user, previous, source.networks));
        }
        if stored != Some(&user) {
            changes.users.push(user);
        }
    }
    Ok(changes)
}

/// The hash of a password: one of those that are there already, if it fits. So a secret that becomes the previous one stays the same.
async fn hash(known: &[String], password: &PasswordSource) -> anyhow::Result<String> {
    let clear = match password {
        PasswordSource::Hash(hash) => return Ok(hash.clone()),
        PasswordSource::Clear(clear) => clear.clone(),
    };
    let known = known.to_vec();
    let work = move || -> anyhow::Result<String> {
        let mut hasher = PasswordHasher::default();
        let fits = known.into_iter().find(|hash| hasher.verify(&clear, hash).unwrap_or(false));
        fits.map_or_else(|| hasher.hash(&clear).context("the password cannot be hashed"), Ok)
    };
    tokio::task::spawn_blocking(work).await?
}

fn known_user(user: &ApiUser, previous: Option<PreviousSecret>, networks: Vec<domain::network::Network>) -> KnownUser {
    let caller = Caller {
        api_user: user.username.clone(),
        scopes: user.scopes,
        default_class: user.class,
        entrance: Entrance::Rest,
        subscriber: None,
        peer: None,
    };
    KnownUser { caller, password_hash: user.password_hash.clone(), previous, networks }
}

/// Waits until nothing can be accepted any more by what held before a change: neither what has passed already, nor what its caller
/// has given up and the writer still has. Answers what is to be known if that takes too long.
pub(super) async fn settle(under_way: UnderWay, store: &Store) -> Option<String> {
    let settled = async {
        under_way.wait().await;
        store.catch_up().await
    };
    match tokio::time::timeout(LONGEST_WAIT, settled).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("the store cannot tell whether everything of before is done: {error}")),
        Err(_) => Some("some requests of before are still under way: the store is slow".to_owned()),
    }
}

/// Writes the last uses of secrets down once in a while, and at the end.
pub(super) async fn keep_uses(api: Arc<ApiState>, store: Store, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        // Cancel-safe: nothing is lost when either wait is dropped.
        let is_last = tokio::select! {
            () = stop.cancelled() => true,
            () = tokio::time::sleep(WRITE_EVERY) => false,
        };
        write_uses(api.auth(), &store).await;
        if is_last {
            return Ok(());
        }
    }
}

async fn write_uses(auth: &Auth, store: &Store) {
    let uses = auth.take_unwritten_uses();
    if let Err(error) = store.note_secret_uses(uses.clone()).await {
        warn!(error = %error, "the last uses of secrets could not be written; tried again later");
        auth.put_uses_back(&uses);
    }
}

/// Adds what is known of their secrets to the API users as settings have them. `auth` knows the newest uses, where a gateway runs.
pub(super) async fn with_secrets(
    mut views: Vec<ApiUserView>,
    file: &File,
    store: &Store,
    auth: Option<&Auth>,
) -> anyhow::Result<Vec<ApiUserView>> {
    let (stored, written) = (store.api_users().await?, store.secret_uses().await?);
    let uses = [auth.map(Auth::secret_uses).unwrap_or_default(), written].concat();
    let now = SystemClock.now();
    for (view, section) in views.iter_mut().zip(&file.api_user) {
        let stored = stored.iter().find(|user| user.username == section.username);
        let find = |hash: Option<&str>| last_use(&uses, &section.username, hash);
        // Where no gateway has put them into force yet, the hashes of the settings are the newer ones.
        let secret = |hash: Option<&String>, stored: Option<&String>| hash.or(stored).and_then(|hash| find(Some(hash)));
        let hash = section.password_hash.as_ref().map(|hash| &hash.0);
        view.secrets.push(SecretView {
            secret: "current".to_owned(),
            is_valid: true,
            valid_until: None,
            last_use: secret(hash, stored.map(|user| &user.password_hash)),
        });
        let has_previous = section.previous_password.is_some()
            || section.previous_password_file.is_some()
            || section.previous_password_hash.is_some();
        if has_previous {
            let until = read_time(&section.previous_until);
            let hash = section.previous_password_hash.as_ref().map(|hash| &hash.0);
            view.secrets.push(SecretView {
                secret: "previous".to_owned(),
                is_valid: until.is_none_or(|until| now < until),
                valid_until: until.map(WallTime::as_unix_millis),
                last_use: secret(hash, stored.and_then(|user| user.previous_hash.as_ref())),
            });
        }
        view.used_without_login = find(None);
    }
    Ok(views)
}

/// The newest use of a secret; the newer ones come first.
fn last_use(uses: &[SecretUse], username: &str, hash: Option<&str>) -> Option<UseView> {
    let one = uses.iter().find(|one| one.username == username && one.secret_hash.as_deref() == hash)?;
    Some(UseView { at: one.at.as_unix_millis(), address: one.address.to_string() })
}

#[cfg(test)]
mod tests;
