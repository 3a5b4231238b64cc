//! Secrets in the document of the database: set, rotated, retired, and kept when a document is imported. For [`super::Draft`].

use std::time::Duration;

use domain::clock::WallTime;
use toml::{Table, Value};

use super::super::api_user::{read_time, write_time};
use super::place::Place;
use super::{Draft, EditError};

/// The ways in which a password is given.
const PASSWORD: [&str; 3] = ["password", "password_file", "password_hash"];

/// The same of the one before it.
const PREVIOUS: [&str; 3] = ["previous_password", "previous_password_file", "previous_password_hash"];

/// When that ends.
const UNTIL: &str = "previous_until";

impl<'a> Draft<'a> {
    /// Gives an API user another password, and ends all that it had.
    ///
    /// # Errors
    /// [`EditError`]; nothing has changed then.
    pub fn set_password(&mut self, username: &str, password_hash: &str) -> Result<(), EditError> {
        let user = self.secrets_of(username)?;
        self.change(&user, |table| {
            PASSWORD.iter().chain(&PREVIOUS).chain([&UNTIL]).for_each(|key| drop(table.remove(*key)));
            table.insert("password_hash".to_owned(), Value::String(password_hash.to_owned()));
        });
        Ok(())
    }

    /// Gives an API user another password, and lets the one that it has be good for some time more.
    ///
    /// # Errors
    /// [`EditError`]: also when two are valid already, unless `is_forced`, which ends the older. Nothing has changed then.
    pub fn rotate_password(
        &mut self,
        username: &str,
        password_hash: &str,
        keep: Duration,
        is_forced: bool,
        now: WallTime,
    ) -> Result<(), EditError> {
        let user = self.secrets_of(username)?;
        let until = write_time(now.saturating_add(keep)).filter(|_| !keep.is_zero());
        let until =
            until.ok_or_else(|| EditError::ApiUser("the old password cannot be kept for that long".to_owned()))?;
        if let Some(valid) = self.valid_previous(&user, now)
            && !is_forced
        {
            return Err(EditError::ApiUser(format!(
                "{username} has two passwords already: the previous one is good {valid}. When nobody uses it any more, otp-pi api-user \
                 retire {username}; --force ends it now"
            )));
        }
        self.change(&user, |table| {
            for (current, previous) in PASSWORD.iter().zip(PREVIOUS) {
                table.remove(previous);
                if let Some(value) = table.remove(*current) {
                    table.insert(previous.to_owned(), value);
                }
            }
            table.insert(UNTIL.to_owned(), Value::String(until));
            table.insert("password_hash".to_owned(), Value::String(password_hash.to_owned()));
        });
        Ok(())
    }

    /// Ends the previous password of an API user.
    ///
    /// # Errors
    /// [`EditError`]: also when it has none. Nothing has changed then.
    pub fn retire_password(&mut self, username: &str) -> Result<(), EditError> {
        let user = self.secrets_of(username)?;
        let mut has_one = false;
        self.change(&user, |table| {
            for key in PREVIOUS {
                has_one |= table.remove(key).is_some();
            }
            table.remove(UNTIL);
        });
        if has_one { Ok(()) } else { Err(EditError::ApiUser(format!("{username} has no previous password"))) }
    }

    /// Keeps a secret that an object of the document had before, where the document says nothing of it now.
    pub(in super::super) fn keep_secret(&mut self, key: &str, value: &Value) {
        let Ok(place) = Place::find(key, self.schema) else { return };
        if self.object(&place).is_some() {
            let base = place.key.trim_end_matches("_file").trim_end_matches("_hash").to_owned();
            let says_the_same =
                |key: &String| key.strip_prefix(&base).is_some_and(|way| matches!(way, "" | "_file" | "_hash"));
            self.change(&place, |table| {
                if !table.keys().any(says_the_same) {
                    table.insert(place.key.clone(), value.clone());
                }
            });
        }
    }

    /// The place of an API user whose secrets are the database's to change.
    fn secrets_of(&self, username: &str) -> Result<Place<'a>, EditError> {
        self.must_know_api_user(username)?;
        let user = Place::in_list("api_user", username, "password_hash", self.schema)?;
        user.check_unlocked(self.layers)?;
        Ok(user)
    }

    /// The object that a place is in, as far as this document has it.
    fn object(&self, place: &Place<'_>) -> Option<&Table> {
        let (section, name) = place.section.zip(place.object.as_deref())?;
        let is_this = |one: &&Table| section.identity.and_then(|key| one.get(key)?.as_str()) == Some(name);
        self.lists.get(section.name)?.iter().find(is_this)
    }

    /// Until when a previous password is valid, in words; none where there is none, or it has ended.
    fn valid_previous(&self, user: &Place<'_>, now: WallTime) -> Option<String> {
        let table = self.object(user)?;
        if !PREVIOUS.iter().any(|key| table.contains_key(*key)) {
            return None;
        }
        match table.get(UNTIL).and_then(Value::as_str).and_then(read_time) {
            Some(until) if until <= now => None,
            Some(until) => Some(format!("until {}", write_time(until)?)),
            None => Some("until it is taken out".to_owned()),
        }
    }
}
