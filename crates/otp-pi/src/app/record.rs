//! What a change of settings says in the audit record: keys with what they were and are, API users each in a row of their own.
//!
//! The settings that were recorded last are kept, sealed, so that a start can tell what was changed while no gateway ran.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use domain::otp::Fingerprint;
use domain::secret::SecretText;
use serde::{Deserialize, Serialize};
use store::{AuditBy, AuditEvent, AuditKind, Store, StoreError};
use tracing::warn;

use super::users::UserChanges;
use crate::config::{Laid, is_personal, is_secret};

/// What stands for a value that must not be told.
const HIDDEN: &str = "changed";

/// The name under which the store keeps the settings that were recorded last.
const KEPT: &str = "audit.settings";

/// Settings as they are recorded: a value that must not be told there as a keyed hash.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Recorded(BTreeMap<String, String>);

/// What is to be kept with a change: its rows, and the settings that are recorded with them.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) events: Vec<AuditEvent>,
    settings: SecretText,
}

impl Record {
    /// The settings, as the store keeps them.
    pub(super) fn document(&self) -> (&'static str, &SecretText) {
        (KEPT, &self.settings)
    }
}

impl Recorded {
    fn of(store: &Store, laid: &Laid) -> Self {
        Self(laid.recorded(&|key, value| {
            let print = Fingerprint::derive(
                store.lookup_key().as_bytes(),
                &[b"audit-setting", key.as_bytes(), value.as_bytes()],
            );
            print.as_bytes().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
        }))
    }

    async fn kept(store: &Store) -> anyhow::Result<Option<Self>> {
        let text = store.find_setting(KEPT).await?;
        Ok(text.and_then(|text| serde_json::from_str(text.expose()).ok()))
    }

    fn text(&self) -> anyhow::Result<SecretText> {
        Ok(SecretText::new(serde_json::to_string(self)?))
    }

    /// The keys that have another value there.
    fn changes<'a>(&'a self, new: &'a Self) -> impl Iterator<Item = &'a String> {
        let keys: BTreeSet<&String> = self.0.keys().chain(new.0.keys()).collect();
        keys.into_iter().filter(|key| self.0.get(*key) != new.0.get(*key))
    }

    /// The API users: each has a key that says whether it is on.
    fn api_users(&self) -> BTreeSet<String> {
        let name = |key: &String| Some(key.strip_prefix("api_user.")?.strip_suffix(".active")?.to_owned());
        self.0.keys().filter_map(name).collect()
    }
}

/// What a change from one set of settings to another says, while a gateway runs or where none does. `users` is what it changes in the
/// store: a password in a file of its own changes no setting.
pub(super) async fn of_change(
    store: &Store,
    (kind, by): (AuditKind, &AuditBy),
    (old, new): (&Laid, &Laid),
    users: &UserChanges,
) -> anyhow::Result<Record> {
    let (old, new) = (Recorded::of(store, old), Recorded::of(store, new));
    let events = of_settings(kind, by, (&old, &new), users);
    // What changed in the file behind our back is not part of this, and is told by the next start or reload.
    let mut kept = match Recorded::kept(store).await? {
        Some(kept) => kept,
        None => Recorded(old.0.clone()),
    };
    for key in old.changes(&new) {
        match new.0.get(key) {
            Some(value) => kept.0.insert(key.clone(), value.clone()),
            None => kept.0.remove(key),
        };
    }
    Ok(Record { events, settings: kept.text()? })
}

/// What a start says: how its settings differ from those that were recorded last.
pub(super) async fn of_start(store: &Store, laid: &Laid, users: &UserChanges) -> anyhow::Result<Option<Record>> {
    let by = AuditBy::gateway("start");
    let new = Recorded::of(store, laid);
    let (events, is_same) = match Recorded::kept(store).await? {
        None => (of_users_in_store(&by, users), false),
        Some(kept) => {
            let mut events = of_settings(AuditKind::SettingsChanged, &by, (&kept, &new), users);
            // Who was added or removed while no gateway ran has his row already.
            let is_told = |name: &str| kept.api_users().contains(name) == new.api_users().contains(name);
            events.retain(|event| {
                let is_in_or_out = matches!(event.kind(), AuditKind::ApiUserAdded | AuditKind::ApiUserRemoved);
                !is_in_or_out || !is_told(event.subject())
            });
            (events, kept.changes(&new).next().is_none())
        }
    };
    if is_same && events.is_empty() {
        return Ok(None);
    }
    Ok(Some(Record { events, settings: new.text()? }))
}

fn of_settings(
    kind: AuditKind,
    by: &AuditBy,
    (old, new): (&Recorded, &Recorded),
    users: &UserChanges,
) -> Vec<AuditEvent> {
    let (before, after) = (old.api_users(), new.api_users());
    let mut own = AuditEvent::new(kind, by, "");
    let mut of_users: BTreeMap<&String, AuditEvent> = BTreeMap::new();
    let mut is_empty = true;
    for key in old.changes(new) {
        let values = (old.0.get(key).map(String::as_str), new.0.get(key).map(String::as_str));
        // A name may have dots in it: the longest that fits is meant.
        let names = before.union(&after).filter_map(|name| Some((name, user_key(key, name)?)));
        let Some((name, own_key)) = names.max_by_key(|(name, _)| name.len()) else {
            own = with(own, key, key, values);
            is_empty = false;
            continue;
        };
        let kind = match (before.contains(name), after.contains(name)) {
            (false, _) => AuditKind::ApiUserAdded,
            (true, true) => AuditKind::ApiUserChanged,
            (true, false) => AuditKind::ApiUserRemoved,
        };
        let event = of_users.remove(name).unwrap_or_else(|| AuditEvent::new(kind, by, name));
        of_users.insert(name, with(event, key, own_key, values));
    }
    let in_store = of_users_in_store(by, users).into_iter();
    let in_store: Vec<_> =
        in_store.filter(|event| !of_users.keys().any(|name| name.as_str() == event.subject())).collect();
    // Importing and forgetting are acts whatever comes of them.
    let own = (!is_empty || kind != AuditKind::SettingsChanged).then_some(own);
    own.into_iter().chain(of_users.into_values()).chain(in_store).collect()
}

/// The events of API users who become other ones in the store.
fn of_users_in_store(by: &AuditBy, changes: &UserChanges) -> Vec<AuditEvent> {
    let event = |username: &String| {
        if changes.is_gone(username) {
            AuditEvent::new(AuditKind::ApiUserRemoved, by, username)
        } else if changes.is_new(username) {
            AuditEvent::new(AuditKind::ApiUserAdded, by, username)
        } else {
            AuditEvent::new(AuditKind::ApiUserChanged, by, username).with("login or rights", None, Some(HIDDEN))
        }
    };
    changes.users.iter().map(|user| event(&user.username)).collect()
}

/// That another certificate is served from now on.
pub(super) fn of_certificate(by: &AuditBy, (old, new): &(String, String)) -> AuditEvent {
    AuditEvent::new(AuditKind::CertificateChanged, by, "").with("fingerprint", Some(old), Some(new))
}

/// The key of an API user's setting, without the user.
fn user_key<'a>(key: &'a str, name: &str) -> Option<&'a str> {
    key.strip_prefix("api_user.")?.strip_prefix(name)?.strip_prefix('.')
}

fn with(event: AuditEvent, key: &str, shown: &str, (old, new): (Option<&str>, Option<&str>)) -> AuditEvent {
    if is_secret(key) || is_personal(key) {
        return event.with(shown, None, Some(HIDDEN));
    }
    event.with(shown, old, new)
}

/// Records that logins from an address are not tried for a while.
pub(super) fn throttled(store: Store) -> impl Fn(IpAddr) + Send + Sync + 'static {
    move |peer| store.note(AuditEvent::new(AuditKind::LoginsThrottled, &AuditBy::new("unknown", peer.to_string()), ""))
}

/// Records that the gateway works. On a full disk it starts nevertheless, and tells that later.
pub(super) async fn started(store: &Store, by: &AuditBy) {
    let event = AuditEvent::new(AuditKind::Started, by, "").with("version", None, Some(env!("CARGO_PKG_VERSION")));
    if let Err(error) = store.try_audit(event).await {
        warn!(error = %error, "that it starts could not be recorded");
    }
}

/// Records the end, and before it what was only counted.
pub(super) async fn stopped(store: &Store, has_failed: bool) -> Result<(), StoreError> {
    store.close_audit().await?;
    let why = if has_failed { "a task has failed" } else { "asked to" };
    store.audit(AuditEvent::new(AuditKind::Stopped, &AuditBy::gateway("end"), "").with("why", None, Some(why))).await
}
