//! Reads the one JSON object that a body must be, with the tolerance that the documented requests need.
//!
//! For [`super::parse`] alone. It must never panic, never recurse without a bound and never guess: what is ambiguous is
//! refused. Decisions, each held by a test:
//! - A comma before `}` or `]` is tolerated (the documented block and unblock requests have one); a comma without a value
//!   before it is not.
//! - A number keeps every digit as it was written.
//! - A key given twice, in the envelope or in `data`, is refused: two readers of one body could act on different values.
//! - A body that is nested deeper than 127, or holds more than 4,096 values, is refused before any value is made of it: 64 KiB of
//!   tiny objects would take a hundred times as much memory.
//! - A raw control character in a string, a lone surrogate, bytes that are not UTF-8 and text after the closing brace are refused. A UTF-8 byte order mark at the start is skipped (RFC 8259 section 8.1).
//! - An envelope or a `data` of more than 256 members is refused; looking one up stays cheap.
//! - `"data": []` is an empty object, because that is how PHP prints one.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;

/// Under this key `serde_json` hands out a number whose digits are to be kept (`arbitrary_precision`), as if it were an object.
const NUMBER: &str = "$serde_json::private::Number";

/// The most members that an envelope or its `data` may have.
const MAX_MEMBERS: usize = 256;

/// How deep objects and lists may stand in one another; the library would refuse one level more.
const MAX_DEPTH: usize = 127;

/// The most members and elements of all objects and lists together.
const MAX_VALUES: usize = 4096;

/// The members of a JSON object in the order they were given, without duplicates.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Object {
    members: Vec<(String, Value)>,
}

impl Object {
    /// Removes and returns the member `name`.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        let index = self.members.iter().position(|(key, _)| key == name)?;
        Some(self.members.swap_remove(index).1)
    }

    /// Returns the member `name`.
    pub(super) fn find(&self, name: &str) -> Option<&Value> {
        self.members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Iterates over the members as they were given.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.members.iter().map(|(key, value)| (key.as_str(), value))
    }

    fn insert<E: serde::de::Error>(&mut self, key: String, value: Value) -> Result<(), E> {
        if self.find(&key).is_some() {
            return Err(E::custom(format_args!("{key:?} is given twice")));
        }
        if self.members.len() >= MAX_MEMBERS {
            return Err(E::custom(format_args!("an object may have at most {MAX_MEMBERS} members")));
        }
        self.members.push((key, value));
        Ok(())
    }
}

/// What stands under `data`.
#[derive(Clone, PartialEq)]
pub(super) enum Data {
    Object(Object),
    /// Anything that is not an object.
    Other,
}

/// A body that is a JSON object: its `data` and everything beside it.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Document {
    pub(super) top: Object,
    pub(super) data: Option<Data>,
}

/// Reads `body`.
///
/// # Errors
/// A sentence for the caller that says what is wrong and where; it repeats no value of the body.
pub(super) fn read(body: &[u8]) -> Result<Document, String> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => return Err("the body is empty".to_owned()),
        Some(b'{') => {}
        Some(_) => return Err("the body is not a JSON object".to_owned()),
    }
    serde_json::from_slice(&scan(body)?).map_err(|error| match error.classify() {
        Category::Eof => format!("the body is incomplete: {error}"),
        Category::Data => error.to_string(),
        Category::Syntax | Category::Io => format!("the body is not JSON: {error}"),
    })
}

/// Refuses what is too deep or too much, and replaces each comma that follows a value and precedes `}` or `]` by a blank, so that
/// positions in errors stay true.
fn scan(body: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    let (mut depth, mut values) = (0_usize, 0_usize);
    let mut cleaned = Cow::Borrowed(body);
    let mut in_string = false;
    let mut is_escaped = false;
    // The last byte outside strings that was not white space, and where it stood if it was a comma after a value.
    let mut previous = b'{';
    let mut comma = None;
    for (index, &byte) in body.iter().enumerate() {
        if in_string {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        values += usize::from(matches!(byte, b',' | b'{' | b'['));
        if depth > MAX_DEPTH {
            return Err(format!("the body is nested deeper than {MAX_DEPTH}"));
        }
        if values > MAX_VALUES {
            return Err(format!("the body holds more than {MAX_VALUES} values"));
        }
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            b',' => {
                let follows_value = !matches!(previous, b',' | b'{' | b'[' | b':');
                comma = follows_value.then_some(index);
            }
            b'}' | b']' => {
                if let Some(byte) = comma.take().and_then(|at| cleaned.to_mut().get_mut(at)) {
                    *byte = b' ';
                }
            }
            _ => {
                in_string = byte == b'"';
                comma = None;
            }
        }
        previous = byte;
    }
    Ok(cleaned)
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Document, A::Error> {
        let mut document = Document::default();
        while let Some(key) = map.next_key::<String>()? {
            if key != "data" {
                let value = map.next_value()?;
                document.top.insert(key, value)?;
            } else if document.data.replace(map.next_value()?).is_some() {
                return Err(A::Error::custom("\"data\" is given twice"));
            }
        }
        Ok(document)
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DataVisitor)
    }
}

struct DataVisitor;

impl<'de> Visitor<'de> for DataVisitor {
    type Value = Data;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Data, A::Error> {
        let mut object = Object::default();
        while let Some(key) = map.next_key::<String>()? {
            if key == NUMBER {
                map.next_value::<IgnoredAny>()?;
                return Ok(Data::Other);
            }
            object.insert(key, map.next_value()?)?;
        }
        Ok(Data::Object(object))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Data, A::Error> {
        let mut is_empty = true;
        while sequence.next_element::<IgnoredAny>()?.is_some() {
            is_empty = false;
        }
        Ok(if is_empty { Data::Object(Object::default()) } else { Data::Other })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Data, E> {
        Ok(Data::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Data, E> {
        Ok(Data::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Data, E> {
        Ok(Data::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Data, E> {
        Ok(Data::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Data, E> {
        Ok(Data::Other)
    }

    fn visit_unit<E>(self) -> Result<Data, E> {
        Ok(Data::Object(Object::default()))
    }
}

#[cfg(test)]
mod tests;
