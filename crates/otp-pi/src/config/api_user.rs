//! `[[api_user]]`: who may call the API, and the password or its hash.

use std::collections::BTreeSet;

use domain::command::Scope;
use domain::message::Class;
use domain::secret::SecretText;

use super::file::ApiUserSection;
use super::resolve::{ApiUserSource, Found, PasswordSource};
use super::{Problem, first_line};

/// Reads one section.
pub(super) fn read(index: usize, section: &ApiUserSection, found: &mut Found) -> Option<ApiUserSource> {
    let key = |name: &str| format!("api_user[{index}].{name}");
    let password = match (&section.password, &section.password_file, &section.password_hash) {
        (Some(clear), None, None) => {
            found.warnings.push(Problem::new(
                key("password"),
                "the password stands in clear in the file",
                "use password_file or password_hash",
            ));
            PasswordSource::Clear(SecretText::new(clear.0.as_str()))
        }
        (None, Some(path), None) => PasswordSource::Clear(found.take(first_line(&key("password_file"), path))?),
        (None, None, Some(hash)) => PasswordSource::Hash(hash.0.clone()),
        _ => {
            found.problem(
                key("password_file"),
                "there must be exactly one of password_file, password_hash and password",
                "write password_file = \"/etc/otp-pi/NAME.password\"",
            );
            return None;
        }
    };
    if matches!(&password, PasswordSource::Clear(text) if text.expose().is_empty()) {
        found.problem(key("password_file"), "the password is empty", "choose one of at least 12 characters");
    }
    if let PasswordSource::Hash(hash) = &password
        && !hash.starts_with("$argon2id$")
    {
        found.problem(key("password_hash"), "it is not an Argon2id hash", "it begins with $argon2id$");
    }
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
        scopes: scopes.into_iter().collect(),
        class,
        is_active: section.active,
    })
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
