//! Settings as they are shown and handed on: every value with its origin, and one document of all that is set.
//!
//! A secret is never shown. In an exported document it is left out, or stands sealed under a passphrase. Pure but for the files of
//! secrets, which an export with a passphrase reads, so that it is whole on another machine.

use std::collections::{BTreeMap, BTreeSet};

use domain::secret::SecretText;
use serde::Deserialize as _;
use toml::{Table, Value};

use super::edit::{Draft, EditError, NOT_IN_DATABASE};
use super::file::File;
use super::layers::{Layers, Origin, Position};
use super::schema::{self, Schema};
use super::text::{self, Home};
use super::{Complaint, ConfigError, Problem};
use crate::operator::Setting;

/// How a sealed secret begins.
pub const SEALED: &str = "sealed:1:";

/// Seals a secret under its key as people write it.
pub type Seal<'a> = dyn FnMut(&str, &SecretText) -> Result<String, String> + 'a;

/// Opens a sealed secret under its key as people write it.
pub type Open<'a> = dyn FnMut(&str, &str) -> Result<SecretText, String> + 'a;

/// Every value that is in force, defaults included, by key as people write it.
pub(super) fn list(layers: &Layers, schema: &Schema) -> Vec<Setting> {
    let mut settings = Vec::new();
    let document = File::deserialize(Value::Table(layers.table().clone())).unwrap_or_default();
    let whole = Table::try_from(document).unwrap_or_default();
    for (key, value) in &whole {
        match (value, schema.section(key)) {
            (Value::Table(table), Some(_)) => {
                settings.extend(table.iter().map(|(name, value)| setting(&format!("{key}.{name}"), value, layers)));
            }
            (Value::Array(objects), Some(section)) => {
                for (place, object) in objects.iter().enumerate() {
                    let keys = object.as_table().into_iter().flatten();
                    let keys = keys.filter(|(name, _)| section.identity != Some(name.as_str()));
                    let path = |name: &str| format!("{key}[{place}].{name}");
                    settings.extend(keys.map(|(name, value)| setting(&path(name), value, layers)));
                }
            }
            (value, _) => settings.push(setting(key, value, layers)),
        }
    }
    settings
}

fn setting(path: &str, value: &Value, layers: &Layers) -> Setting {
    let origin = layers.origin_of_value(path);
    Setting {
        key: layers.spoken(path),
        value: (!schema::is_secret(path)).then(|| value.to_string()),
        is_locked: origin.is_locked(),
        origin: origin.words(),
        needs_restart: false,
    }
}

/// A key whose value is another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The key as people write it.
    pub key: String,
    /// What it was and is, in TOML; none for a secret, empty where it was not or is not.
    pub values: Option<(String, String)>,
}

impl std::fmt::Display for Changed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.values {
            None => write!(formatter, "{}: changed", self.key),
            Some((old, new)) if old.is_empty() => write!(formatter, "{}: {new}", self.key),
            Some((old, new)) if new.is_empty() => write!(formatter, "{}: {old} is gone", self.key),
            Some((old, new)) => write!(formatter, "{}: {new}, was {old}", self.key),
        }
    }
}

/// What is different between two sets of layers and their lists of settings.
pub(super) fn changes(old: (&Layers, &[Setting]), new: (&Layers, &[Setting])) -> Vec<Changed> {
    let by_key = |settings: &[Setting]| -> BTreeMap<String, Option<String>> {
        settings.iter().map(|one| (one.key.clone(), one.value.clone())).collect()
    };
    let clear = |layers: &Layers| -> BTreeMap<String, Value> {
        layers.leaves().into_iter().map(|(path, value)| (layers.spoken(&path), value.clone())).collect()
    };
    let (before, after) = (by_key(old.1), by_key(new.1));
    let (clear_before, clear_after) = (clear(old.0), clear(new.0));
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut changes = Vec::new();
    for key in keys {
        if schema::is_secret(key) {
            if clear_before.get(key) != clear_after.get(key) {
                changes.push(Changed { key: key.clone(), values: None });
            }
            continue;
        }
        let value =
            |settings: &BTreeMap<String, Option<String>>| settings.get(key).cloned().flatten().unwrap_or_default();
        let values = (value(&before), value(&after));
        if values.0 != values.1 {
            changes.push(Changed { key: key.clone(), values: Some(values) });
        }
    }
    changes
}

/// One document of everything that is set. `seal` takes the key as people write it and a secret; without it secrets are left out.
pub(super) fn export(layers: &Layers, schema: &Schema, mut seal: Option<&mut Seal<'_>>) -> Result<String, String> {
    let mut document = layers.table().clone();
    NOT_IN_DATABASE.iter().for_each(|key| drop(document.remove(*key)));
    for section in schema.sections() {
        let Some(Value::Array(objects)) = document.get_mut(section.name) else { continue };
        for (place, object) in objects.iter_mut().enumerate() {
            let Value::Table(object) = object else { continue };
            for secret in section.keys().filter(|key| schema::is_secret(key)) {
                let file = format!("{secret}_file");
                let clear = match (object.remove(secret), &seal) {
                    (Some(Value::String(clear)), _) => Some(SecretText::new(clear)),
                    // What lies in a file is taken along, so that the document is whole on another machine.
                    (_, Some(_)) => match object.remove(&file) {
                        Some(Value::String(path)) => {
                            let text = super::first_line(secret, path.as_ref());
                            Some(text.map_err(|problem| format!("{}: {}", problem.key, problem.what))?)
                        }
                        _ => None,
                    },
                    _ => None,
                };
                if let (Some(clear), Some(seal)) = (clear, seal.as_mut()) {
                    let key = layers.spoken(&format!("{}[{place}].{secret}", section.name));
                    object.insert(secret.to_owned(), Value::String(seal(&key, &clear)?));
                }
            }
        }
    }
    Ok(document.to_string())
}

/// What an imported document leaves for the database.
#[derive(Debug)]
pub struct Imported {
    /// The document.
    pub document: SecretText,
    /// What was not taken over, and why.
    pub left_out: Vec<String>,
}

/// Reads a document that was exported. `present` is what the database keeps now: secrets that the document leaves out stay as they
/// are. `open` takes the key and a sealed secret.
pub(super) fn import(
    text: &SecretText,
    present: &str,
    layers: &Layers,
    schema: &Schema,
    open: &mut Open<'_>,
) -> Result<Imported, ConfigError> {
    let read = |text: &str, home: Home| text::read(text, home, schema).map_err(ConfigError::Invalid);
    let (mut theirs, mut ours) = (Layers::default(), Layers::default());
    theirs.lay(read(text.expose(), Home::File)?, Position::Above, schema);
    ours.lay(read(present, Home::Database)?, Position::Above, schema);
    let refuse = |key: &str, what: String, fix: &str| {
        let complaint = Complaint { origin: Origin::Default, problem: Problem::new(key, what, fix), excerpt: None };
        ConfigError::Invalid(vec![complaint])
    };
    if theirs.leaves().is_empty() {
        let what = "the document sets nothing".to_owned();
        return Err(refuse("", what, "to forget all settings in the database: otp-pi settings reset"));
    }
    let broken = |error: EditError| refuse("", error.to_string(), "");
    let mut draft = Draft::open("", layers, schema).map_err(broken)?;
    let mut left_out = Vec::new();
    for section in schema.sections() {
        theirs.names(section).for_each(|name| draft.add_object(section.name, name));
    }
    for (path, value) in theirs.leaves() {
        let key = theirs.spoken(&path);
        let mut value = value.clone();
        if let Value::String(sealed) = &value
            && schema::is_secret(&key)
            && sealed.starts_with(SEALED)
        {
            let clear = open(&key, sealed);
            let clear = clear.map_err(|what| refuse(&key, what, "give the passphrase that it was exported with"))?;
            value = Value::String(clear.expose().to_owned());
        }
        match draft.put(&key, value) {
            Ok(()) => {}
            Err(error @ (EditError::Locked { .. } | EditError::NotHere { .. })) => left_out.push(error.to_string()),
            Err(error) => return Err(broken(error)),
        }
    }
    keep_secrets(&mut draft, &by_key(&theirs), &by_key(&ours));
    left_out.extend(draft.drop_api_users_without_password());
    Ok(Imported { document: draft.into_document(), left_out })
}

/// Every value that is set, by key as people write it.
fn by_key(layers: &Layers) -> BTreeMap<String, &Value> {
    layers.leaves().into_iter().map(|(path, value)| (layers.spoken(&path), value)).collect()
}

/// Secrets that an imported document leaves out stay as they are. A previous password stays only with the time at which it ends: on its
/// own it would be good for ever.
fn keep_secrets(draft: &mut Draft<'_>, theirs: &BTreeMap<String, &Value>, ours: &BTreeMap<String, &Value>) {
    for (key, value) in ours.iter().filter(|(key, _)| schema::is_secret(key)) {
        if let Some((user, _)) = key.rsplit_once(".previous_password") {
            let until = format!("{user}.previous_until");
            if !theirs.contains_key(&until) || theirs.get(&until) != ours.get(&until) {
                continue;
            }
        }
        draft.keep_secret(key, value);
    }
}
