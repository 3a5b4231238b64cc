//! A TOML text as one layer: every unknown key at once, each with its line, a caret and what was probably meant.
//!
//! It never shows a value: what stands in a wrong place may be a password with a quote missing. Pure; used by this room alone.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::file::File;
use super::layers::{Layer, Origin};
use super::schema::{self, Schema, Section};
use super::{Complaint, Problem};

/// Which document a text is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Home {
    File,
    Database,
}

/// Reads a document.
pub(super) fn read(text: &str, home: Home, schema: &Schema) -> Result<Layer, Vec<Complaint>> {
    let mut reader = Reader { text, home, spans: BTreeMap::new(), names: Vec::new(), complaints: Vec::new() };
    match DeTable::parse(text) {
        Ok(document) => reader.walk(document.get_ref(), schema),
        Err(error) => reader.malformed(&error),
    }
    if reader.complaints.is_empty()
        && let Err(error) = toml::from_str::<File>(text)
    {
        reader.malformed(&error);
    }
    if !reader.complaints.is_empty() {
        return Err(reader.complaints);
    }
    let origins = reader.spans.iter().map(|(key, span)| (key.clone(), reader.origin(span.start))).collect();
    let mut table = text.parse::<Table>().unwrap_or_default();
    schema.sections().iter().filter(|section| section.has_tables).for_each(|section| to_list(&mut table, section));
    Ok(Layer { table, origins })
}

/// Turns `[section.name]` tables into the list of objects that they are, in the order in which they were walked.
fn to_list(table: &mut Table, section: &Section) {
    let (Some(Value::Table(objects)), Some(identity)) = (table.get_mut(section.name), section.identity) else { return };
    let named = std::mem::take(objects).into_iter().map(|(name, mut object)| {
        if let Value::Table(object) = &mut object {
            object.insert(identity.to_owned(), Value::String(name));
        }
        object
    });
    let list = Value::Array(named.collect());
    table.insert(section.name.to_owned(), list);
}

struct Reader<'a> {
    text: &'a str,
    home: Home,
    /// Key → where it stands, from its name to the end of its value.
    spans: BTreeMap<String, Range<usize>>,
    /// Objects that the text calls by their names: `subscriber[0]` and `subscriber.rabbitmq`.
    names: Vec<(String, String)>,
    complaints: Vec<Complaint>,
}

impl Reader<'_> {
    fn walk(&mut self, document: &DeTable<'_>, schema: &Schema) {
        for (key, value) in document {
            let name: &str = key.get_ref();
            let (at, whole) = (key.span(), key.span().start..value.span().end);
            match (schema.section(name), value.get_ref()) {
                (Some(section), DeValue::Table(table)) if section.identity.is_none() => {
                    self.spans.insert(name.to_owned(), at);
                    self.walk_section(name, table, section);
                }
                (Some(section), DeValue::Table(objects)) if section.has_tables => {
                    for (index, (object, value)) in objects.iter().enumerate() {
                        let path = format!("{name}[{index}]");
                        self.spans.insert(path.clone(), object.span());
                        self.names.push((path.clone(), format!("{name}.{}", object.get_ref())));
                        match value.get_ref() {
                            DeValue::Table(table) => self.walk_section(&path, table, section),
                            _ => self.unknown(&format!("{name}.{}", object.get_ref()), object.span(), None),
                        }
                    }
                }
                (Some(section), DeValue::Array(objects)) if section.identity.is_some() => {
                    for (index, object) in objects.iter().enumerate() {
                        let path = format!("{name}[{index}]");
                        self.spans.insert(path.clone(), object.span());
                        if let DeValue::Table(table) = object.get_ref() {
                            self.walk_section(&path, table, section);
                        }
                    }
                }
                (Some(section), _) => {
                    let line = match section.identity {
                        _ if section.has_tables => format!("[{name}.NAME]"),
                        Some(_) => format!("[[{name}]]"),
                        None => format!("[{name}]"),
                    };
                    self.complain(name, at, "it is a section".to_owned(), format!("write {line} on a line of its own"));
                }
                (None, _) if schema.top.kind(name).is_some() => drop(self.spans.insert(name.to_owned(), whole)),
                (None, value) => {
                    let names = schema.sections().iter().map(|section| section.name);
                    let near = if value.is_table() || value.is_array() {
                        schema::nearest(name, names)
                    } else {
                        schema::nearest(name, schema.top.keys())
                    };
                    self.unknown(name, at, near);
                }
            }
        }
    }

    fn walk_section(&mut self, path: &str, table: &DeTable<'_>, section: &Section) {
        for (key, value) in table {
            let name: &str = key.get_ref();
            let full = format!("{path}.{name}");
            if section.kind(name).is_some() {
                self.spans.insert(full, key.span().start..value.span().end);
            } else {
                self.unknown(&full, key.span(), schema::nearest(name, section.keys()));
            }
        }
    }

    fn unknown(&mut self, key: &str, at: Range<usize>, near: Option<&str>) {
        let (what, fix) = schema::absence(key, near);
        self.complain(key, at, what.to_owned(), fix);
    }

    /// The text is no TOML, or a value is of the wrong type.
    fn malformed(&mut self, error: &toml::de::Error) {
        let at = error.span().unwrap_or(0..0);
        // The innermost key around the place: the one that begins last.
        let around = self.spans.iter().filter(|(_, span)| span.contains(&at.start)).max_by_key(|(_, span)| span.start);
        let key = around.map(|(key, _)| key.clone()).unwrap_or_default();
        let what = if schema::is_secret(&key) {
            "it must be text in quotes".to_owned()
        } else {
            error.message().trim_end().to_owned()
        };
        let fix = if key.is_empty() { "" } else { "write it as in the example configuration" };
        self.complain(&key, at, what, fix.to_owned());
    }

    fn complain(&mut self, key: &str, at: Range<usize>, what: String, fix: String) {
        let named =
            self.names.iter().find_map(|(path, name)| Some(format!("{name}{}", key.strip_prefix(path.as_str())?)));
        let key = named.as_deref().unwrap_or(key);
        let origin = self.origin(at.start);
        let excerpt = matches!(origin, Origin::File { .. }).then(|| self.excerpt(&at));
        self.complaints.push(Complaint { origin, problem: Problem::new(key, what, fix), excerpt });
    }

    fn origin(&self, at: usize) -> Origin {
        match self.home {
            Home::Database => Origin::Database,
            Home::File => Origin::File { line: self.text.get(..at).unwrap_or(self.text).matches('\n').count() + 1 },
        }
    }

    /// The line up to its `=`, and carets under what is wrong in it.
    fn excerpt(&self, at: &Range<usize>) -> String {
        let before = self.text.get(..at.start).unwrap_or(self.text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let number = (before.matches('\n').count() + 1).to_string();
        let line = self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let shown = line.split_once('=').map_or_else(|| line.to_owned(), |(key, _)| format!("{key}= …"));
        let width = shown.chars().count();
        let column = before.get(start..).map_or(0, |head| head.chars().count()).min(width);
        let marked =
            self.text.get(at.clone()).and_then(|text| text.lines().next()).map_or(1, |text| text.chars().count());
        let carets = "^".repeat(marked.clamp(1, width.saturating_sub(column).max(1)));
        let (pad, indent) = (" ".repeat(number.len()), " ".repeat(column));
        format!("{pad} |\n{number} | {shown}\n{pad} | {indent}{carets}")
    }
}
