//! Settings from the environment: `OTP_PI__OTP__LENGTH=8`, `OTP_PI__MODEM__SOUTH__SIM_PIN_FILE=/run/pin`.
//!
//! Words are parted by two underscores; an object of a list is named between its section and its key, in capitals, with an
//! underscore for whatever is no letter or digit. An object that nobody else knows is added, its name in small letters.
//! The variables are handed in: only `app` reads the environment.

use serde::Deserialize as _;
use toml::{Table, Value};

use super::file::File;
use super::layers::{Layer, Layers, Origin};
use super::schema::{self, Kind, Schema, Section};
use super::{Complaint, Problem};

/// How the variables begin.
const PREFIX: &str = "OTP_PI__";

/// Reads the variables as one layer. `layers` has the objects that the file and the database know.
pub(super) fn read(variables: &[(String, String)], layers: &Layers, schema: &Schema) -> Result<Layer, Vec<Complaint>> {
    let (mut layer, mut complaints) = (Layer::default(), Vec::new());
    for (variable, text) in variables {
        let Some(rest) = variable.strip_prefix(PREFIX) else { continue };
        let outcome = Target::find(rest, layers, schema).and_then(|target| {
            let bad = |what| Problem::new(target.key(), what, "write it so, or unset it");
            let value = target.kind.read(text).map_err(bad)?;
            target.try_out(&value).map(|()| (target, value))
        });
        match outcome {
            Ok((target, value)) => target.put(value, variable, &mut layer),
            Err(problem) => {
                let origin = Origin::Environment { variable: variable.clone() };
                complaints.push(Complaint { origin, problem, excerpt: None });
            }
        }
    }
    if complaints.is_empty() { Ok(layer) } else { Err(complaints) }
}

/// What one variable sets.
struct Target<'a> {
    /// The section; none for the keys before the first one.
    section: Option<&'a Section>,
    /// The object of a list.
    object: Option<String>,
    key: String,
    kind: Kind,
}

impl<'a> Target<'a> {
    fn find(rest: &str, layers: &Layers, schema: &'a Schema) -> Result<Self, Problem> {
        let lower = rest.to_ascii_lowercase();
        let Some((section_name, after)) = lower.split_once("__") else {
            // The names of sections are no keys: there is nothing to set at once for a whole section.
            let kind = schema.top.kind(&lower).filter(|_| schema.section(&lower).is_none());
            let top = schema.top.keys().filter(|key| schema.section(key).is_none());
            let kind = kind.ok_or_else(|| unknown(&lower, schema::nearest(&lower, top)))?;
            return Ok(Self { section: None, object: None, key: lower, kind });
        };
        let section = schema.section(section_name).ok_or_else(|| {
            let names = schema.sections().iter().map(|section| section.name);
            unknown(section_name, schema::nearest(section_name, names))
        })?;
        let (object, key) = match (section.identity, after.rsplit_once("__")) {
            (None, _) => (None, after),
            (Some(_), Some((object, key))) => (Some(object_name(object, section, layers)), key),
            (Some(identity), None) => {
                return Err(Problem::new(
                    section_name,
                    format!("it is a list, and the variable does not say which {identity}"),
                    format!("write {PREFIX}{}__NAME__{}", section_name.to_uppercase(), after.to_uppercase()),
                ));
            }
        };
        let kind = section.kind(key).filter(|_| section.identity != Some(key));
        let kind = kind.ok_or_else(|| {
            let near = schema::nearest(key, section.keys().filter(|key| section.identity != Some(*key)));
            unknown(&format!("{section_name}.{key}"), near)
        })?;
        Ok(Self { section: Some(section), object, key: key.to_owned(), kind })
    }

    fn key(&self) -> String {
        match (self.section, &self.object) {
            (None, _) => self.key.clone(),
            (Some(section), None) => format!("{}.{}", section.name, self.key),
            (Some(section), Some(object)) => format!("{}[{object}].{}", section.name, self.key),
        }
    }

    /// Whether the document takes the value there.
    fn try_out(&self, value: &Value) -> Result<(), Problem> {
        let mut layer = Layer::default();
        self.put_value(value.clone(), &mut layer);
        File::deserialize(Value::Table(layer.table)).map(drop).map_err(|error| {
            let what =
                if schema::is_secret(&self.key) { "it is not text".to_owned() } else { error.message().to_owned() };
            Problem::new(self.key(), what.trim(), "write it as in the example configuration, or unset it")
        })
    }

    fn put(&self, value: Value, variable: &str, layer: &mut Layer) {
        let path = self.put_value(value, layer);
        let origin = Origin::Environment { variable: variable.to_owned() };
        if let Some((object, _)) = path.rsplit_once('.').filter(|_| self.object.is_some()) {
            layer.origins.entry(object.to_owned()).or_insert_with(|| origin.clone());
        }
        layer.origins.insert(path, origin);
    }

    /// Puts the value where it belongs and answers its path in the layer.
    fn put_value(&self, value: Value, layer: &mut Layer) -> String {
        let Some(section) = self.section else {
            layer.table.insert(self.key.clone(), value);
            return self.key.clone();
        };
        let (Some(identity), Some(name)) = (section.identity, &self.object) else {
            if let Value::Table(table) = layer.table.entry(section.name).or_insert_with(|| Value::Table(Table::new())) {
                table.insert(self.key.clone(), value);
            }
            return format!("{}.{}", section.name, self.key);
        };
        let list = layer.table.entry(section.name).or_insert_with(|| Value::Array(Vec::new()));
        let Value::Array(objects) = list else { return self.key() };
        let named = |object: &Value| object.get(identity).and_then(Value::as_str) == Some(name);
        let place = objects.iter().position(named).unwrap_or_else(|| {
            objects.push(Value::Table(Table::from_iter([(identity.to_owned(), Value::String(name.clone()))])));
            objects.len() - 1
        });
        if let Some(Value::Table(object)) = objects.get_mut(place) {
            object.insert(self.key.clone(), value);
        }
        format!("{}[{place}].{}", section.name, self.key)
    }
}

/// The object that a variable means: one that is known, or a new one.
fn object_name(written: &str, section: &Section, layers: &Layers) -> String {
    let plain = |name: &str| -> String {
        name.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
    };
    layers.names(section).find(|name| plain(name) == plain(written)).unwrap_or(written).to_owned()
}

fn unknown(key: &str, near: Option<&str>) -> Problem {
    let (what, fix) = schema::absence(key, near);
    Problem::new(key, what, fix)
}
