//! API users for the eye.

use std::time::Duration;

use domain::clock::Clock as _;

use crate::app::SystemClock;
use crate::cli::when;
use crate::operator::{ApiUserView, SecretView, UseView};

/// A line for each, and more lines below it for what not every one has.
pub(super) fn list(users: &[ApiUserView]) -> String {
    if users.is_empty() {
        return "no API user: add one with otp-pi api-user add NAME".to_owned();
    }
    users.iter().flat_map(lines).collect::<Vec<_>>().join("\n")
}

fn lines(user: &ApiUserView) -> Vec<String> {
    let current = user.secrets.iter().find(|secret| !is_previous(secret));
    let mut lines = vec![format!(
        "{:<20}  {:<4}  {:<13}  {:<40}  {:<40}  {}",
        user.username,
        if user.is_active { "on" } else { "off" },
        user.class,
        user.scopes.join(","),
        last_use(current.and_then(|secret| secret.last_use.as_ref())),
        user.origin,
    )];
    if !user.networks.is_empty() {
        lines.push(format!("    from {}", user.networks.join(", ")));
    }
    let previous = user.secrets.iter().filter(|secret| is_previous(secret));
    lines.extend(previous.map(|secret| format!("    previous password {}", previous_text(secret))));
    let without = user.used_without_login.as_ref();
    lines.extend(without.map(|one| format!("    without a login: {}", last_use(Some(one)))));
    lines
}

/// Everything about one.
pub(super) fn show(user: &ApiUserView) -> String {
    let mut rows = vec![
        ("username", user.username.clone()),
        ("state", if user.is_active { "on" } else { "off: nothing of it is accepted" }.to_owned()),
        ("scopes", user.scopes.join(", ")),
        ("class", user.class.clone()),
        ("from", if user.networks.is_empty() { "anywhere".to_owned() } else { user.networks.join(", ") }),
    ];
    rows.extend(user.secrets.iter().map(|secret| match is_previous(secret) {
        true => ("previous", previous_text(secret)),
        false => ("password", last_use(secret.last_use.as_ref())),
    }));
    rows.extend(user.used_without_login.as_ref().map(|one| ("no login", last_use(Some(one)))));
    rows.push(("origin", user.origin.clone()));
    rows.iter().map(|(name, value)| format!("{name:<10}{value}")).collect::<Vec<_>>().join("\n")
}

/// The time after so long.
pub(super) fn from_now(span: Duration) -> String {
    when::text(SystemClock.now().saturating_add(span).as_unix_millis())
}

fn is_previous(secret: &SecretView) -> bool {
    secret.secret == "previous"
}

fn previous_text(secret: &SecretView) -> String {
    let until = match (secret.is_valid, secret.valid_until) {
        (true, None) => "good until it is taken out".to_owned(),
        (true, Some(until)) => format!("good until {}", when::text(until)),
        (false, until) => format!("ended {}", when::text(until.unwrap_or_default())),
    };
    format!("{until}; {}", last_use(secret.last_use.as_ref()))
}

fn last_use(one: Option<&UseView>) -> String {
    one.map_or_else(
        || "not used yet".to_owned(),
        |one| format!("last used {} from {}", when::text(one.at), one.address),
    )
}
