//! What a change of settings says in the audit record: keys with what they were and are, API users each in a row of their own.

use std::collections::BTreeSet;
use std::net::IpAddr;

use store::{AuditBy, AuditEvent, AuditKind, Store, StoreError};
use tracing::warn;

use super::users::UserChanges;
use crate::config::{Changed, Laid, is_personal};

/// What stands for a value that must not be told.
const HIDDEN: &str = "changed";

/// The events of a change from one set of settings to another. `users` is what it changes in the store: a password in a file of its own
/// changes no setting.
pub(super) fn of_settings(
    kind: AuditKind,
    by: &AuditBy,
    (old, new): (&Laid, &Laid),
    users: &UserChanges,
) -> Vec<AuditEvent> {
    let names = |laid: &Laid| -> BTreeSet<String> { laid.api_users().into_iter().map(|user| user.username).collect() };
    let (before, after) = (names(old), names(new));
    let mut own = AuditEvent::new(kind, by, "");
    let mut of_users: Vec<(String, AuditEvent)> = Vec::new();
    let mut is_empty = true;
    for change in old.changes(new) {
        // A name may have dots in it: the longest that fits is meant.
        let names = before.union(&after).filter_map(|name| Some((name, user_key(&change.key, name)?)));
        let Some((name, key)) = names.max_by_key(|(name, _)| name.len()) else {
            own = with(own, &change, &change.key);
            is_empty = false;
            continue;
        };
        let place = of_users.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            let kind = match (before.contains(name), after.contains(name)) {
                (false, _) => AuditKind::ApiUserAdded,
                (true, true) => AuditKind::ApiUserChanged,
                (true, false) => AuditKind::ApiUserRemoved,
            };
            of_users.push((name.clone(), AuditEvent::new(kind, by, name)));
            of_users.len().saturating_sub(1)
        });
        if let Some((_, event)) = of_users.get_mut(place) {
            *event = with(event.clone(), &change, key);
        }
    }
    for event in of_users_in_store(by, users) {
        if !of_users.iter().any(|(name, _)| name == event.subject()) {
            of_users.push((event.subject().to_owned(), event));
        }
    }
    // Importing and forgetting are acts whatever comes of them.
    let own = (!is_empty || kind != AuditKind::SettingsChanged).then_some(own);
    own.into_iter().chain(of_users.into_iter().map(|(_, event)| event)).collect()
}

/// The events of API users who become other ones in the store.
pub(super) fn of_users_in_store(by: &AuditBy, changes: &UserChanges) -> Vec<AuditEvent> {
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

fn with(event: AuditEvent, change: &Changed, key: &str) -> AuditEvent {
    match &change.values {
        Some((old, new)) if !is_personal(&change.key) => {
            let told = |value: &'_ String| (!value.is_empty()).then(|| value.clone());
            event.with(key, told(old).as_deref(), told(new).as_deref())
        }
        _ => event.with(key, None, Some(HIDDEN)),
    }
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
