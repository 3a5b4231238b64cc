//! `[[api_user]]`: who may call the API, and the password or its hash.

use std::collections::BTreeSet;
use std::path::Path;

use domain::clock::WallTime;
use domain::command::Scope;
use domain::message::Class;
use domain::secret::SecretText;

use super::file::{ApiUserSection, PlainPassword};
use super::first_line;
use super::resolve::{ApiUserSource, Found, PasswordSource, PreviousSource};

/// Reads one section.
pub(super) fn read(index: usize, section: &ApiUserSection, found: &mut Found) -> Option<ApiUserSource> {
    let key = |name: &str| format!("api_user[{index}].{name}");
    let given = Given {
        clear: section.password.as_ref(),
        file: section.password_file.as_deref(),
        hash: section.password_hash.as_ref(),
    };
    let Some(password) = given.read(&key("password"), found)? else {
        found.problem(
            key("password_file"),
            "there must be exactly one of password_file, password_hash and password",
            "write password_file = \"/etc/otp-pi/NAME.password\"",
        );
        return None;
    };
    let previous = previous(&key, section, found);
    let networks = found.networks(&key("networks"), &section.networks);
    let mut scopes = Vec::new();
    for word in &section.scopes {
        match Scope::parse(word) {
            Some(scope) => scopes.push(scope),
            None => {
                let all: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
                found.problem(
                    key("scopes"),
                    format!("{word:?} is not a scope"),
                    format!("choose among {}", all.join(", ")),
                );
            }
        }
    }
    let class =
        found.word(&key("class"), &section.class, &[("transactional", Class::Transactional), ("bulk", Class::Bulk)])?;
    Some(ApiUserSource {
        username: section.username.clone(),
        password,
        previous,
        networks,
        scopes: scopes.into_iter().collect(),
        class,
        is_active: section.active,
    })
}

/// One password in the ways in which it can be given.
struct Given<'a> {
    clear: Option<&'a PlainPassword>,
    file: Option<&'a Path>,
    hash: Option<&'a PlainPassword>,
}

impl Given<'_> {
    /// Reads it under its key; none inside when it is not given, or in several ways.
    fn read(&self, key: &str, found: &mut Found) -> Option<Option<PasswordSource>> {
        let password = match (self.clear, self.file, self.hash) {
            (Some(clear), None, None) => {
                let fix = format!("use {0}_file or {0}_hash", key.rsplit('.').next().unwrap_or(key));
                found.warn(key, "the password stands in clear in the file", fix);
                PasswordSource::Clear(SecretText::new(clear.0.as_str()))
            }
            (None, Some(path), None) => PasswordSource::Clear(found.take(first_line(&format!("{key}_file"), path))?),
            (None, None, Some(hash)) => PasswordSource::Hash(hash.0.clone()),
            _ => return Some(None),
        };
        match &password {
            PasswordSource::Clear(text) if text.expose().is_empty() => {
                let what = "the password is empty";
                found.problem(format!("{key}_file"), what, "choose one of at least 12 characters");
            }
            PasswordSource::Hash(hash) if !hash.starts_with("$argon2id$") => {
                found.problem(format!("{key}_hash"), "it is not an Argon2id hash", "it begins with $argon2id$");
            }
            PasswordSource::Clear(_) | PasswordSource::Hash(_) => {}
        }
        Some(Some(password))
    }
}

/// Reads the password that is being rotated out.
fn previous(key: &impl Fn(&str) -> String, section: &ApiUserSection, found: &mut Found) -> Option<PreviousSource> {
    let given = Given {
        clear: section.previous_password.as_ref(),
        file: section.previous_password_file.as_deref(),
        hash: section.previous_password_hash.as_ref(),
    };
    let until = match section.previous_until.as_str() {
        "" => None,
        text => {
            let until = read_time(text);
            if until.is_none() {
                let fix = "write it like \"2026-12-01T12:00:00Z\" or \"2026-12-01T19:00:00+07:00\"";
                found.problem(key("previous_until"), format!("{text:?} is not a time"), fix);
            }
            until
        }
    };
    let count =
        [given.clear.is_some(), given.file.is_some(), given.hash.is_some()].into_iter().filter(|is| *is).count();
    if count == 0 {
        if until.is_some() {
            let what = "there is no previous password: it says nothing";
            found.warn(key("previous_until"), what, "take it out, or write previous_password_file");
        }
        return None;
    }
    let Some(password) = given.read(&key("previous_password"), found)? else {
        found.problem(
            key("previous_password_file"),
            "there must be at most one of previous_password_file, previous_password_hash and previous_password",
            "take all but one of them out",
        );
        return None;
    };
    if section.previous_until.is_empty() {
        let what = "the previous password is good for as long as it stands here";
        found.warn(key("previous_until"), what, "write when it ends, like previous_until = \"2026-12-01T12:00:00Z\"");
    }
    Some(PreviousSource { password, until })
}

/// Reads a point in time.
///
/// # Standard
/// RFC 3339 section 5.6.
#[must_use]
pub fn read_time(text: &str) -> Option<WallTime> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(WallTime::from_unix_millis(time.as_millisecond()))
}

/// Writes it so that [`read_time`] reads it, to the second.
pub(super) fn write_time(time: WallTime) -> Option<String> {
    jiff::Timestamp::from_second(time.as_unix_millis().div_euclid(1_000)).ok().map(|time| time.to_string())
}

/// Login names must be the users' own.
pub(super) fn check_all(sections: &[ApiUserSection], found: &mut Found) {
    let mut names = BTreeSet::new();
    for (index, section) in sections.iter().enumerate() {
        let key = format!("api_user[{index}].username");
        if section.username.is_empty() || section.username.contains(':') {
            found.problem(key, "it is missing or contains a colon", "choose a login name without a colon");
        } else if !names.insert(&section.username) {
            found.problem(key, "another API user has this name", "give every API user a name of its own");
        }
    }
}
