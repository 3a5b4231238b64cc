//! The properties of one of ModemManager's objects, read without trusting their types.

use std::collections::HashMap;

use zbus::{OwnedVariant, Variant};

/// Properties by name; one that is missing or of another type is none.
#[derive(Default)]
pub(super) struct Properties(pub(super) HashMap<String, OwnedVariant>);

impl Properties {
    fn get(&self, name: &str) -> Option<&Variant<'static>> {
        self.0.get(name).map(|value| &**value)
    }

    pub(super) fn number(&self, name: &str) -> Option<u32> {
        match self.get(name)? {
            Variant::U32(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn signed(&self, name: &str) -> Option<i32> {
        match self.get(name)? {
            Variant::I32(number) => Some(*number),
            _ => None,
        }
    }

    /// A text; none if it is empty, which is ModemManager's "not known".
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let text = match self.get(name)? {
            Variant::Str(text) => text.as_str(),
            Variant::ObjectPath(path) => path.as_str(),
            _ => return None,
        };
        (!text.is_empty()).then_some(text)
    }

    pub(super) fn octets(&self, name: &str) -> Vec<u8> {
        let octet = |value: &Variant<'_>| match value {
            Variant::U8(octet) => Some(*octet),
            _ => None,
        };
        self.items(name).iter().filter_map(octet).collect()
    }

    /// Paths of objects.
    pub(super) fn paths(&self, name: &str) -> Vec<String> {
        let path = |value: &Variant<'_>| match value {
            Variant::ObjectPath(path) => Some(path.as_str().to_owned()),
            _ => None,
        };
        self.items(name).iter().filter_map(path).collect()
    }

    /// The first fields of an array of structures, as texts.
    pub(super) fn first_texts(&self, name: &str) -> Vec<String> {
        let first = |value: &Variant<'_>| match value {
            Variant::Structure(structure) => match structure.fields().first() {
                Some(Variant::Str(text)) => Some(text.as_str().to_owned()),
                _ => None,
            },
            _ => None,
        };
        self.items(name).iter().filter_map(first).collect()
    }

    /// The first field of a structure.
    pub(super) fn first_number(&self, name: &str) -> Option<u32> {
        match self.get(name)? {
            Variant::Structure(structure) => match structure.fields().first() {
                Some(Variant::U32(number)) => Some(*number),
                _ => None,
            },
            _ => None,
        }
    }

    /// The value of a key in a map from number to number.
    pub(super) fn entry(&self, name: &str, key: u32) -> Option<u32> {
        match self.get(name)? {
            Variant::Dict(entries) => entries.get(&key).ok().flatten(),
            _ => None,
        }
    }

    fn items(&self, name: &str) -> &[Variant<'_>] {
        match self.get(name) {
            Some(Variant::Array(array)) => array.inner(),
            _ => &[],
        }
    }
}
