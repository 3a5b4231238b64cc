//! What keys there are, and what kind of value each takes.
//!
//! The names come from the types of `super::file` themselves, so no list can forget one. Unknown keys are held against it, and the
//! environment learns from it what a text is to become. Pure; used by this room alone.

use std::collections::BTreeMap;

use serde::de::value::Error;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::{Serialize, forward_to_deserialize_any};
use toml::Value;

use super::file;

/// Keys whose values are never shown, logged or exported in clear.
const SECRETS: [&str; 5] = ["password", "password_hash", "previous_password", "previous_password_hash", "sim_pin"];

/// Keys whose values are somebody's number or address, or a text: shown to an operator, and never recorded.
const PERSONAL: [&str; 7] = ["email", "msisdn", "phone", "sms_center", "subject", "template", "text"];

/// Sections and keys of the specification that a later release brings: whoever writes one is told so.
const LATER: [&str; 19] = [
    "admin",
    "ddns_record",
    "email",
    "email_account",
    "sms_provider",
    "device.ntp_interval",
    "device.ntp_server",
    "device.restart_device",
    "device.restart_service",
    "modem.apn",
    "modem.apn_password",
    "modem.apn_username",
    "modem.delete_sent",
    "modem.dial_command",
    "modem.dial_number",
    "modem.init_dial",
    "modem.internet_access",
    "sms.log_outgoing",
    "sms.monitor",
];

/// What a key takes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Boolean,
    List,
}

impl Kind {
    /// Reads a text as a value of this kind, or says what it must be. A list is written `["a", "b"]` or `a,b`.
    pub(super) fn read(self, text: &str) -> Result<Value, &'static str> {
        match self {
            Self::Text => Ok(Value::String(text.to_owned())),
            Self::Integer => text.trim().parse().map(Value::Integer).map_err(|_| "it must be a whole number"),
            Self::Boolean => text.trim().parse().map(Value::Boolean).map_err(|_| "it must be true or false"),
            Self::List if text.trim_start().starts_with('[') => {
                let table = format!("list = {text}").parse::<toml::Table>().ok();
                let list = table.and_then(|mut table| table.remove("list")).filter(Value::is_array);
                list.ok_or("it must be a list like a,b or [\"a\", \"b\"]")
            }
            Self::List => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Ok(Value::Array(parts.map(|part| Value::String(part.to_owned())).collect()))
            }
        }
    }
}

/// One table of the document, or the objects of one list.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) name: &'static str,
    /// The key by which the objects of a list are told apart; none for a plain table.
    pub(super) identity: Option<&'static str>,
    /// People write the objects of the list as `[section.name]`.
    pub(super) has_tables: bool,
    keys: BTreeMap<&'static str, Kind>,
}

impl Section {
    fn of<T: DeserializeOwned + Serialize + Default>(name: &'static str, identity: Option<&'static str>) -> Self {
        let defaults = toml::Table::try_from(T::default()).unwrap_or_default();
        let kind = |key: &'static str| {
            let kind = match defaults.get(key) {
                Some(Value::Integer(_)) => Kind::Integer,
                Some(Value::Boolean(_)) => Kind::Boolean,
                Some(Value::Array(_)) => Kind::List,
                // What has no default is text: a secret, or the path of one.
                _ => Kind::Text,
            };
            (key, kind)
        };
        Self { name, identity, has_tables: false, keys: names_of::<T>().iter().copied().map(kind).collect() }
    }

    fn written_as_tables(self) -> Self {
        Self { has_tables: true, ..self }
    }

    pub(super) fn kind(&self, key: &str) -> Option<Kind> {
        self.keys.get(key).copied()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.keys.keys().copied()
    }
}

/// Every section of the document.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    /// The keys that stand before the first section.
    pub(super) top: Section,
    sections: Vec<Section>,
}

impl Schema {
    pub(super) fn new() -> Self {
        Self {
            top: Section::of::<file::File>("", None),
            sections: vec![
                Section::of::<file::KeysSection>("keys", None),
                Section::of::<file::Device>("device", None),
                Section::of::<file::Api>("api", None),
                Section::of::<file::Tls>("tls", None),
                Section::of::<file::Otp>("otp", None),
                Section::of::<file::OtpTemplateSection>("otp_template", Some("locale")),
                Section::of::<file::Sms>("sms", None),
                Section::of::<file::Limits>("limits", None),
                Section::of::<file::Retention>("retention", None),
                Section::of::<file::Log>("log", None),
                Section::of::<file::ModemSection>("modem", Some("name")),
                Section::of::<file::ApiUserSection>("api_user", Some("username")),
                Section::of::<file::SubscriberSection>("subscriber", Some("name")).written_as_tables(),
            ],
        }
    }

    pub(super) fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    pub(super) fn sections(&self) -> &[Section] {
        &self.sections
    }
}

/// True if the value of this key must not be seen.
#[must_use]
pub fn is_secret(key: &str) -> bool {
    SECRETS.contains(&key.rsplit('.').next().unwrap_or(key))
}

/// True if the value of this key must not be recorded, although an operator may see it.
#[must_use]
pub fn is_personal(key: &str) -> bool {
    PERSONAL.contains(&key.rsplit('.').next().unwrap_or(key))
}

/// What is wrong with a key that is not there, and the fix. `near` is what was probably meant.
pub(super) fn absence(key: &str, near: Option<&str>) -> (&'static str, String) {
    // Without the place in a list: `modem[1].apn` is `modem.apn`.
    let (mut plain, mut is_place) = (String::new(), false);
    for letter in key.chars() {
        is_place |= letter == '[';
        if !is_place {
            plain.push(letter);
        }
        is_place &= letter != ']';
    }
    let is_later = |later: &str| plain.strip_prefix(later).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    match near {
        _ if LATER.into_iter().any(is_later) => {
            ("this release cannot do that yet", "take it out until a later release".to_owned())
        }
        _ if plain == "sms.prefix_length" => {
            ("it is not needed: the longest prefix that fits counts, whatever its length", "take it out".to_owned())
        }
        Some(near) => ("there is no such key", format!("did you mean {near}?")),
        None => ("there is no such key", "take it out".to_owned()),
    }
}

/// The candidate that somebody who wrote `word` probably meant.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    let most = (word.chars().count() / 3).clamp(1, 3);
    let near = candidates.into_iter().map(|candidate| (distance(&word, candidate), candidate));
    near.filter(|(distance, _)| *distance <= most).min().map(|(_, candidate)| candidate)
}

/// How many letters must be added, removed, changed or swapped with their neighbour to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, wanted) in other.iter().enumerate() {
            let at = |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX - 1);
            let change = at(&last, column) + usize::from(letter != wanted);
            let mut least = change.min(at(&last, column + 1) + 1).min(at(&line, column) + 1);
            let is_swap =
                row > 0 && column > 0 && one.get(row - 1) == Some(wanted) && other.get(column - 1) == Some(letter);
            if is_swap {
                least = least.min(at(&before, column - 1) + 1);
            }
            line.push(least);
        }
        before = std::mem::replace(&mut last, line);
    }
    last.last().copied().unwrap_or_default()
}

/// The names of a struct's fields, as its `Deserialize` asks for them.
fn names_of<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // It always fails: nothing is read, the question is the answer.
    drop(T::deserialize(Names(&mut names)));
    names
}

struct Names<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("there is nothing to read"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_of_the_document_is_known_with_its_keys() {
        let schema = Schema::new();
        let document = toml::Table::try_from(file::File::default()).unwrap();
        for (key, value) in &document {
            let is_section = matches!(value, Value::Table(_) | Value::Array(_));
            assert_eq!(schema.section(key).is_some(), is_section, "{key}");
        }
        assert_eq!(schema.top.keys().count(), names_of::<file::File>().len());
        assert_eq!(schema.section("modem").unwrap().kind("sim_pin_file"), Some(Kind::Text));
        assert_eq!(schema.section("modem").unwrap().kind("baud_rate"), Some(Kind::Integer));
        assert_eq!(schema.section("modem").unwrap().kind("recipient_prefixes"), Some(Kind::List));
        assert_eq!(schema.section("otp").unwrap().kind("uniform_failures"), Some(Kind::Boolean));
    }

    #[test]
    fn what_comes_later_is_told_so_and_is_not_there_yet() {
        for (key, what) in [
            ("modem[1].apn", "this release cannot do that yet"),
            ("email_account", "this release cannot do that yet"),
            ("email.direct", "this release cannot do that yet"),
            ("subscribers", "there is no such key"),
            ("sms.prefix_length", "it is not needed: the longest prefix that fits counts, whatever its length"),
            ("sms.monitor", "this release cannot do that yet"),
        ] {
            assert_eq!(absence(key, None).0, what, "{key}");
        }
        let schema = Schema::new();
        for later in LATER {
            let (section, key) = later.split_once('.').unwrap_or((later, ""));
            let known = schema.section(section).map(|section| section.kind(key));
            assert!(known.flatten().is_none() && (known.is_none() || !key.is_empty()), "{later} is there");
        }
    }

    #[test]
    fn the_word_that_was_meant_is_found_and_no_far_fetched_one() {
        let keys = ["country_code", "length", "lifetime", "max_lifetime", "port", "parity"];
        for (word, meant) in [
            ("cuntry_code", Some("country_code")),
            ("countrycode", Some("country_code")),
            ("lenght", Some("length")),
            ("prot", Some("port")),
            ("Port", Some("port")),
            ("life_time", Some("lifetime")),
            ("colour", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, keys), meant, "{word}");
        }
    }
}
