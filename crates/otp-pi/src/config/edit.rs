//! Changes of the document that the database keeps.
//!
//! Keys are written as people write them (`modem.south.port`); what file or environment set is refused with its place. Pure.
//! `app` assembles a changed document as a whole before it keeps it, so nothing here looks at what values mean.

mod place;
mod secrets;

use std::collections::BTreeMap;
use std::fmt;

use domain::secret::SecretText;
use toml::{Table, Value};

use super::layers::{self, Layers, Origin};
use super::schema::{self, Schema};
use place::Place;

/// Keys that only file and environment can set: they are needed before there is a database.
pub(super) const NOT_IN_DATABASE: [&str; 2] = ["data_dir", "keys"];

/// Why a document is not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// File or environment has it.
    #[error("{key} is set by {}: change it there", place(origin))]
    Locked {
        /// The key.
        key: String,
        /// Who set it.
        origin: Origin,
    },
    /// There is no such key.
    #[error("there is no key {key}{}", near.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    UnknownKey {
        /// The key.
        key: String,
        /// What was probably meant.
        near: Option<String>,
    },
    /// There is no such object, and a key alone makes none.
    #[error("there is no {object}: set {object}.{needs} with it{}", or_meant(near.as_deref()))]
    UnknownObject {
        /// The object, for example `modem.north`.
        object: String,
        /// The key that makes one.
        needs: &'static str,
        /// What was probably meant.
        near: Option<String>,
    },
    /// It is needed before the database is there.
    #[error("{key} is needed before the database is open: set it in the file or the environment")]
    NotHere {
        /// The key.
        key: String,
    },
    /// A value of the wrong kind.
    #[error("{key}: {what}")]
    BadValue {
        /// The key.
        key: String,
        /// What it must be.
        what: &'static str,
    },
    /// An API user of that name exists, or does not.
    #[error("{0}")]
    ApiUser(String),
    /// The document that the database keeps cannot be read.
    #[error("what the database keeps is not TOML")]
    Damaged,
}

fn or_meant(near: Option<&str>) -> String {
    near.map(|near| format!(", or did you mean {near}?")).unwrap_or_default()
}

fn place(origin: &Origin) -> String {
    match origin {
        Origin::File { line } => format!("the file (line {line})"),
        Origin::Environment { variable } => format!("the environment ({variable})"),
        other => other.to_string(),
    }
}

/// The document of the database, open for changes.
pub struct Draft<'a> {
    top: Table,
    sections: BTreeMap<String, Table>,
    lists: BTreeMap<String, Vec<Table>>,
    layers: &'a Layers,
    schema: &'a Schema,
}

/// Prints no value: passwords are among them.
impl fmt::Debug for Draft<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Draft").finish_non_exhaustive()
    }
}

impl<'a> Draft<'a> {
    /// Opens the document; `layers` say what is locked.
    ///
    /// # Errors
    /// [`EditError::Damaged`].
    pub(super) fn open(document: &str, layers: &'a Layers, schema: &'a Schema) -> Result<Self, EditError> {
        // The parser's message may show a value.
        let table: Table = document.parse().map_err(|_| EditError::Damaged)?;
        let (top, sections, lists) = (Table::new(), BTreeMap::new(), BTreeMap::new());
        let mut draft = Self { top, sections, lists, layers, schema };
        for (key, value) in table {
            match value {
                Value::Table(table) => drop(draft.sections.insert(key, table)),
                Value::Array(objects) if schema.section(&key).is_some() => {
                    let object = |one| if let Value::Table(object) = one { Some(object) } else { None };
                    draft.lists.insert(key, objects.into_iter().filter_map(object).collect());
                }
                other => drop(draft.top.insert(key, other)),
            }
        }
        Ok(draft)
    }

    /// The document as it would be kept. What holds nothing but its own name is left out: it says nothing.
    #[must_use]
    pub fn into_document(self) -> SecretText {
        let Self { top: mut document, sections, lists, schema, .. } = self;
        for (name, table) in sections.into_iter().filter(|(_, table)| !table.is_empty()) {
            document.insert(name, Value::Table(table));
        }
        for (name, objects) in lists {
            let identity = schema.section(&name).and_then(|section| section.identity).unwrap_or_default();
            let says_something = |object: &Table| object.keys().any(|key| key != identity);
            let objects: Vec<_> = objects.into_iter().filter(says_something).map(Value::Table).collect();
            if !objects.is_empty() {
                document.insert(name, Value::Array(objects));
            }
        }
        SecretText::new(document.to_string())
    }

    /// Sets a key to what a text says.
    ///
    /// # Errors
    /// [`EditError`]; nothing has changed then.
    pub fn set(&mut self, key: &str, text: &str) -> Result<(), EditError> {
        let value = Place::find(key, self.schema)?.kind.read(text);
        self.put(key, value.map_err(|what| EditError::BadValue { key: key.to_owned(), what })?)
    }

    /// Sets a key.
    ///
    /// # Errors
    /// [`EditError`]; nothing has changed then.
    pub(super) fn put(&mut self, key: &str, value: Value) -> Result<(), EditError> {
        let place = Place::find(key, self.schema)?;
        place.check_unlocked(self.layers)?;
        self.change(&place, |table| drop(table.insert(place.key.clone(), value)));
        Ok(())
    }

    /// Looks, when everything is set, whether the object of a key is anybody's: said of one that nobody defines it would count for
    /// nothing.
    ///
    /// # Errors
    /// [`EditError::UnknownObject`], with the object that was probably meant.
    pub fn check_object(&self, key: &str) -> Result<(), EditError> {
        let place = Place::find(key, self.schema)?;
        let Some((section, name)) = place.section.zip(place.object.as_deref()) else { return Ok(()) };
        let is_this = |one: &&Table| section.identity.and_then(|key| one.get(key)?.as_str()) == Some(name);
        let here = self.lists.get(section.name).and_then(|objects| objects.iter().find(is_this));
        let is_own = here.is_some_and(|object| !layers::is_leftover(section.name, object));
        if is_own || self.layers.names(section).any(|known| known == name) {
            return Ok(());
        }
        let near = schema::nearest(name, self.layers.names(section));
        let near = near.map(|near| format!("{}.{near}.{}", section.name, place.key));
        let (object, needs) = (format!("{}.{name}", section.name), layers::needed(section.name));
        Err(EditError::UnknownObject { object, needs, near })
    }

    /// Makes an object that may have no keys but its name.
    pub(super) fn add_object(&mut self, section: &'static str, name: &str) {
        let identity = self.schema.section(section).and_then(|section| section.identity);
        if let Some(Ok(place)) = identity.map(|identity| Place::in_list(section, name, identity, self.schema)) {
            self.change(&place, |_| {});
        }
    }

    /// Drops API users that nobody else knows and that could not log in for want of a password; answers why, one line each.
    pub(super) fn drop_api_users_without_password(&mut self) -> Vec<String> {
        let mut users = self.lists.remove("api_user").unwrap_or_default();
        let mut gone = Vec::new();
        users.retain(|user| {
            let name = user.get("username").and_then(Value::as_str).unwrap_or_default();
            let stays = user.keys().any(|key| key.starts_with("password")) || self.knows_api_user(name);
            if !stays {
                gone.push(format!("api_user.{name}: its password is not in the document"));
            }
            stays
        });
        self.lists.insert("api_user".to_owned(), users);
        gone
    }

    /// Takes a key out, or all that is said of an object.
    ///
    /// # Errors
    /// [`EditError`]; nothing has changed then.
    pub fn unset(&mut self, key: &str) -> Result<(), EditError> {
        if let Some((section, name)) = key.split_once('.')
            && self.forget_object(section, name)
        {
            return Ok(());
        }
        let place = Place::find(key, self.schema)?;
        place.check_unlocked(self.layers)?;
        self.change(&place, |table| drop(table.remove(&place.key)));
        Ok(())
    }

    /// Adds an API user under a password hash.
    ///
    /// # Errors
    /// [`EditError`]; nothing has changed then.
    pub fn add_api_user(
        &mut self,
        username: &str,
        password_hash: &str,
        scopes: &[String],
        class: Option<&str>,
        networks: &[String],
    ) -> Result<(), EditError> {
        if self.knows_api_user(username) {
            return Err(EditError::ApiUser(format!("there is an API user {username:?} already")));
        }
        // What an earlier one of that name has left behind is not for this one.
        self.forget_object("api_user", username);
        let user = Place::in_list("api_user", username, "password_hash", self.schema)?;
        self.change(&user, |table| {
            table.insert("password_hash".to_owned(), Value::String(password_hash.to_owned()));
            for (key, words) in [("scopes", scopes), ("networks", networks)] {
                if !words.is_empty() {
                    let words = words.iter().cloned().map(Value::String).collect();
                    table.insert(key.to_owned(), Value::Array(words));
                }
            }
            if let Some(class) = class {
                table.insert("class".to_owned(), Value::String(class.to_owned()));
            }
        });
        Ok(())
    }

    /// Switches an API user on or off.
    ///
    /// # Errors
    /// [`EditError`]; nothing has changed then.
    pub fn set_active(&mut self, username: &str, is_active: bool) -> Result<(), EditError> {
        self.must_know_api_user(username)?;
        let user = Place::in_list("api_user", username, "active", self.schema)?;
        user.check_unlocked(self.layers)?;
        self.change(&user, |table| drop(table.insert("active".to_owned(), Value::Boolean(is_active))));
        Ok(())
    }

    /// Forgets an API user.
    ///
    /// # Errors
    /// [`EditError`]; nothing has changed then.
    pub fn remove_api_user(&mut self, username: &str) -> Result<(), EditError> {
        Place::in_list("api_user", username, "username", self.schema)?.check_unlocked(self.layers)?;
        // Left behind by one that is gone elsewhere, it is known here alone.
        if self.forget_object("api_user", username) { Ok(()) } else { self.must_know_api_user(username) }
    }

    /// Takes out what is said of an object; answers whether anything was.
    fn forget_object(&mut self, section: &str, name: &str) -> bool {
        let identity = self.schema.section(section).and_then(|section| section.identity);
        let (Some(identity), Some(objects)) = (identity, self.lists.get_mut(section)) else { return false };
        let before = objects.len();
        objects.retain(|object| object.get(identity).and_then(Value::as_str) != Some(name));
        objects.len() < before
    }

    fn must_know_api_user(&self, username: &str) -> Result<(), EditError> {
        if self.knows_api_user(username) {
            return Ok(());
        }
        Err(EditError::ApiUser(format!("there is no API user {username:?}")))
    }

    fn knows_api_user(&self, username: &str) -> bool {
        self.schema.section("api_user").is_some_and(|users| self.layers.names(users).any(|name| name == username))
    }

    /// Changes the table that holds a key; one that is not there is made.
    fn change(&mut self, place: &Place<'_>, change: impl FnOnce(&mut Table)) {
        let Some(section) = place.section else { return change(&mut self.top) };
        let Some((identity, name)) = section.identity.zip(place.object.as_ref()) else {
            return change(self.sections.entry(section.name.to_owned()).or_default());
        };
        let objects = self.lists.entry(section.name.to_owned()).or_default();
        let named = |one: &Table| one.get(identity).and_then(Value::as_str) == Some(name);
        let index = objects.iter().position(named);
        let mut object = match index {
            Some(index) => objects.remove(index),
            None => Table::from_iter([(identity.to_owned(), Value::String(name.clone()))]),
        };
        change(&mut object);
        objects.insert(index.unwrap_or(objects.len()), object);
    }
}

#[cfg(test)]
mod tests;
