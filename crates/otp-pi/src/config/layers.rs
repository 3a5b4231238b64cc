//! Several documents, one above the other: what the file and the environment set is locked, the database fills in, defaults come last.
//!
//! Objects in lists (modems, API users) are matched by their name: each key of an object has an origin of its own. Pure; used by
//! this room, and through [`Layers`] by whoever shows settings.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use toml::{Table, Value};

use super::schema::{Schema, Section};

/// The keys by which objects of lists are told apart.
const IDENTITIES: [&str; 3] = ["name", "username", "locale"];

/// Keys that say one thing, alone or together: the highest layer that has one of them has them all. Whoever sets the password of an
/// API user also says whether the one before it is still good: an older layer must not keep it in force.
const ONE_OF: [&[&str]; 2] = [
    &[
        "password",
        "password_file",
        "password_hash",
        "previous_password",
        "previous_password_file",
        "previous_password_hash",
        "previous_until",
    ],
    &["sim_pin", "sim_pin_file"],
];

/// What an object cannot be without: one key of these.
const NEEDED: [(&str, &[&str]); 4] = [
    ("modem", &["port"]),
    ("api_user", &["password", "password_file", "password_hash"]),
    ("otp_template", &["text"]),
    ("subscriber", &["host"]),
];

/// The keys that say the same as this one, itself among them.
pub(super) fn one_of<'a>(key: &'a &'a str) -> &'a [&'a str] {
    ONE_OF.into_iter().find(|group| group.contains(key)).unwrap_or(std::slice::from_ref(key))
}

/// Where a value comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    #[default]
    Default,
    /// Set in the database, where it can be changed.
    Database,
    /// Set in the file; locked.
    File {
        /// The line, counted from 1.
        line: usize,
    },
    /// Set by the environment; locked.
    Environment {
        /// The variable.
        variable: String,
    },
}

impl Origin {
    /// Where it comes from, for a list: `default`, `database`, `file, line 7`, or the variable.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::File { line } => format!("file, line {line}"),
            other => other.to_string(),
        }
    }

    /// True if it can only be changed where it was set.
    #[must_use]
    pub const fn is_locked(&self) -> bool {
        match self {
            Self::File { .. } | Self::Environment { .. } => true,
            Self::Default | Self::Database => false,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::Database => formatter.write_str("database"),
            Self::File { line } => write!(formatter, "line {line}"),
            Self::Environment { variable } => formatter.write_str(variable),
        }
    }
}

/// One document with the origin of each of its keys (`otp.length`, `modem[1].port`) and objects (`modem[1]`).
#[derive(Clone, Default)]
pub(super) struct Layer {
    pub(super) table: Table,
    pub(super) origins: BTreeMap<String, Origin>,
}

/// The documents laid over each other.
#[derive(Clone, Default)]
pub struct Layers {
    table: Table,
    origins: BTreeMap<String, Origin>,
    leftovers: Vec<String>,
}

/// Prints which keys are set and by whom, never a value: passwords are among them.
impl fmt::Debug for Layers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Layers").field("origins", &self.origins).finish_non_exhaustive()
    }
}

/// Whether a layer covers what is there, or fills in what is not.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(super) enum Position {
    Above,
    Below,
}

impl Layers {
    /// Where the value of a key comes from; that of its section when nobody set the key itself.
    #[must_use]
    pub fn origin(&self, key: &str) -> Origin {
        let section = || key.rsplit_once('.').map(|(section, _)| section);
        self.origins.get(key).or_else(|| self.origins.get(section()?)).cloned().unwrap_or_default()
    }

    /// Where the value of exactly this key comes from.
    #[must_use]
    pub fn origin_of_value(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or_default()
    }

    /// A path as people write it: `modem[0].port` becomes `modem.south.port`.
    #[must_use]
    pub fn spoken(&self, path: &str) -> String {
        let spoken = || {
            let (section, rest) = path.split_once('[')?;
            let (place, rest) = rest.split_once(']')?;
            let object = self.table.get(section)?.get(place.parse::<usize>().ok()?)?;
            let name = IDENTITIES.into_iter().find_map(|key| object.get(key)?.as_str())?;
            Some(format!("{section}.{name}{rest}"))
        };
        spoken().unwrap_or_else(|| path.to_owned())
    }

    /// Every value that is set, by path; the names of objects are not among them.
    pub(super) fn leaves(&self) -> Vec<(String, &Value)> {
        let mut leaves = Vec::new();
        for (key, value) in &self.table {
            match value {
                Value::Table(table) => {
                    leaves.extend(table.iter().map(|(name, value)| (format!("{key}.{name}"), value)));
                }
                Value::Array(objects) if objects.iter().all(Value::is_table) => {
                    for (place, object) in objects.iter().enumerate() {
                        let values = object.as_table().into_iter().flatten();
                        let values = values.filter(|(name, _)| !IDENTITIES.contains(&name.as_str()));
                        leaves.extend(values.map(|(name, value)| (format!("{key}[{place}].{name}"), value)));
                    }
                }
                value => leaves.push((key.clone(), value)),
            }
        }
        leaves
    }

    /// What is set, without defaults. Holds secrets in clear.
    #[must_use]
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// The names of the objects of a list.
    pub(super) fn names<'a>(&'a self, section: &'a Section) -> impl Iterator<Item = &'a str> {
        let objects = self.table.get(section.name).and_then(Value::as_array).into_iter().flatten();
        objects.filter_map(|object| object.get(section.identity?)?.as_str())
    }

    /// What the database says of objects that nobody defines any more, and that it does not define itself: as people write it.
    /// It counts for nothing.
    #[must_use]
    pub fn leftovers(&self) -> &[String] {
        &self.leftovers
    }

    /// Lays one more document above or below those that are there.
    pub(super) fn lay(&mut self, layer: Layer, position: Position, schema: &Schema) {
        let Layer { table, origins } = layer;
        for (key, value) in table {
            match (schema.section(&key), value) {
                (Some(section), Value::Array(objects)) if section.identity.is_some() => {
                    self.lay_objects(section, objects, &origins, position);
                }
                (_, Value::Table(inner)) => {
                    let slot = self.table.entry(&key).or_insert_with(|| Value::Table(Table::new()));
                    // A scalar where a table belongs was refused when its layer was read.
                    let Value::Table(slot) = slot else { continue };
                    lay_table(slot, &mut self.origins, (&key, inner), (&key, &origins), position);
                }
                (_, value) => {
                    let mut one = Table::new();
                    one.insert(key, value);
                    lay_table(&mut self.table, &mut self.origins, ("", one), ("", &origins), position);
                }
            }
        }
    }

    fn lay_objects(
        &mut self,
        section: &Section,
        objects: Vec<Value>,
        origins: &BTreeMap<String, Origin>,
        position: Position,
    ) {
        let identity = section.identity.unwrap_or_default();
        let slot = self.table.entry(section.name).or_insert_with(|| Value::Array(Vec::new()));
        let Value::Array(present) = slot else { return };
        // Two objects of one layer are never one, even under one name: that is a mistake to be told.
        let mut taken = BTreeSet::new();
        for (index, object) in objects.into_iter().enumerate() {
            let Value::Table(object) = object else { continue };
            let name = object.get(identity).and_then(Value::as_str);
            let known = present
                .iter()
                .position(|one| name.is_some() && one.get(identity).and_then(Value::as_str) == name)
                .filter(|place| !taken.contains(place));
            if known.is_none()
                && position == Position::Below
                && let Some(name) = name
                && is_leftover(section.name, &object)
            {
                // Its file was changed meanwhile: that must not keep the gateway from starting.
                self.leftovers.push(format!("{}.{name}", section.name));
                continue;
            }
            let place = known.unwrap_or_else(|| {
                present.push(Value::Table(Table::new()));
                present.len() - 1
            });
            taken.insert(place);
            let (own, theirs) = (format!("{}[{place}]", section.name), format!("{}[{index}]", section.name));
            if known.is_none()
                && let Some(origin) = origins.get(&theirs)
            {
                self.origins.insert(own.clone(), origin.clone());
            }
            if let Some(Value::Table(slot)) = present.get_mut(place) {
                lay_table(slot, &mut self.origins, (&own, object), (&theirs, origins), position);
            }
        }
    }
}

/// True if it cannot be an object of its own.
pub(super) fn is_leftover(section: &str, object: &Table) -> bool {
    let needed = NEEDED.into_iter().find(|(of, _)| *of == section);
    needed.is_some_and(|(_, keys)| !keys.iter().any(|key| object.contains_key(*key)))
}

/// The key that makes an object of a list.
pub(super) fn needed(section: &str) -> &'static str {
    let needed = NEEDED.into_iter().find(|(of, _)| *of == section);
    // A hash is nothing that a person has at hand.
    needed.and_then(|(_, keys)| keys.iter().copied().rfind(|key| !key.ends_with("_hash"))).unwrap_or_default()
}

/// Lays the keys of one table: `own` is where it stands among the layers, `theirs` where it stood in its own document.
fn lay_table(
    slot: &mut Table,
    all_origins: &mut BTreeMap<String, Origin>,
    (own, table): (&str, Table),
    (theirs, origins): (&str, &BTreeMap<String, Origin>),
    position: Position,
) {
    let path = |section: &str, key: &str| if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
    let mut covered = Vec::new();
    for group in ONE_OF {
        let has_one = |table: &Table| group.iter().any(|key| table.contains_key(*key));
        match position {
            Position::Below if has_one(slot) => covered.extend(group),
            Position::Above if has_one(&table) => {
                for key in group {
                    slot.remove(*key);
                    all_origins.remove(&path(own, key));
                }
            }
            _ => {}
        }
    }
    for (key, value) in table {
        if position == Position::Below && (slot.contains_key(&key) || covered.contains(&&*key)) {
            continue;
        }
        if let Some(origin) = origins.get(&path(theirs, &key)) {
            all_origins.insert(path(own, &key), origin.clone());
        }
        slot.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(text: &str, origin: &Origin) -> Layer {
        let table: Table = text.parse().unwrap();
        let mut origins = BTreeMap::new();
        for (key, value) in &table {
            match value {
                Value::Table(inner) => {
                    origins.extend(inner.keys().map(|name| (format!("{key}.{name}"), origin.clone())));
                }
                Value::Array(objects) => {
                    for (index, object) in objects.iter().enumerate() {
                        origins.insert(format!("{key}[{index}]"), origin.clone());
                        let names = object.as_table().unwrap().keys();
                        origins.extend(names.map(|name| (format!("{key}[{index}].{name}"), origin.clone())));
                    }
                }
                _ => drop(origins.insert(key.clone(), origin.clone())),
            }
        }
        Layer { table, origins }
    }

    #[test]
    fn the_layer_above_covers_and_the_layer_below_fills_in() {
        let (schema, mut layers) = (Schema::new(), Layers::default());
        let (file, environment) = (Origin::File { line: 1 }, Origin::Environment { variable: "X".to_owned() });
        layers.lay(layer("[otp]\nlength = 6\nmax_attempts = 3", &file), Position::Above, &schema);
        layers.lay(
            layer("data_dir = \"/db\"\n[otp]\nlength = 8\nlifetime = \"1m\"", &Origin::Database),
            Position::Below,
            &schema,
        );
        layers.lay(layer("[otp]\nmax_attempts = 9", &environment), Position::Above, &schema);
        let expected: Table =
            "data_dir = \"/db\"\n[otp]\nlength = 6\nmax_attempts = 9\nlifetime = \"1m\"".parse().unwrap();
        assert_eq!(layers.table(), &expected);
        for (key, origin) in [
            ("otp.length", file),
            ("otp.lifetime", Origin::Database),
            ("otp.max_attempts", environment),
            ("otp.uniform_failures", Origin::Default),
            ("data_dir", Origin::Database),
        ] {
            assert_eq!(layers.origin(key), origin, "{key}");
        }
    }

    #[test]
    fn objects_of_a_list_are_matched_by_name_key_by_key() {
        let (schema, mut layers) = (Schema::new(), Layers::default());
        let file = Origin::File { line: 1 };
        layers.lay(layer("[[modem]]\nname = \"a\"\nport = \"/a\"", &file), Position::Above, &schema);
        let database = "[[modem]]\nname = \"b\"\nport = \"/b\"\n[[modem]]\nname = \"a\"\nport = \"/x\"\ncost = 5";
        layers.lay(layer(database, &Origin::Database), Position::Below, &schema);
        let expected: Table =
            "[[modem]]\nname = \"a\"\nport = \"/a\"\ncost = 5\n[[modem]]\nname = \"b\"\nport = \"/b\"".parse().unwrap();
        assert_eq!(layers.table(), &expected);
        assert_eq!(layers.origin("modem[0].port"), file);
        assert_eq!(layers.origin("modem[0].cost"), Origin::Database);
        assert_eq!(layers.origin("modem[1].port"), Origin::Database);
        assert_eq!(layers.origin("modem[1].parity"), Origin::Database, "that of its object");
        assert_eq!(layers.origin_of_value("modem[1].parity"), Origin::Default);
    }

    #[test]
    fn what_the_database_says_of_an_object_that_is_gone_counts_for_nothing() {
        let (schema, mut layers) = (Schema::new(), Layers::default());
        layers.lay(
            layer("[[modem]]\nname = \"a\"\nport = \"/a\"", &Origin::File { line: 1 }),
            Position::Above,
            &schema,
        );
        let database = "[[modem]]\nname = \"gone\"\ncost = 5\n[[modem]]\nname = \"a\"\ncost = 2\n\
                        [[modem]]\nname = \"own\"\nport = \"/o\"\n[[api_user]]\nusername = \"old\"\nactive = false";
        layers.lay(layer(database, &Origin::Database), Position::Below, &schema);
        assert_eq!(layers.names(schema.section("modem").unwrap()).collect::<Vec<_>>(), ["a", "own"]);
        assert_eq!(layers.leftovers(), ["api_user.old", "modem.gone"]);
        assert_eq!(layers.origin("modem[0].cost"), Origin::Database);
    }

    #[test]
    fn a_password_is_one_key_however_it_is_given() {
        let (schema, file) = (Schema::new(), Origin::File { line: 1 });
        let user = |key: &str| format!("[[api_user]]\nusername = \"shop\"\n{key} = \"x\"");
        for (position, expected) in [(Position::Below, "password_file"), (Position::Above, "password_hash")] {
            let mut layers = Layers::default();
            layers.lay(layer(&user("password_file"), &file), Position::Above, &schema);
            layers.lay(layer(&user("password_hash"), &Origin::Database), position, &schema);
            let leaves: Vec<String> = layers.leaves().into_iter().map(|(path, _)| path).collect();
            assert_eq!(leaves, [format!("api_user[0].{expected}")]);
        }
        let mut layers = Layers::default();
        let both = user("password") + "\npassword_file = \"y\"";
        layers.lay(layer(&both, &file), Position::Above, &schema);
        assert_eq!(layers.leaves().len(), 2, "two in one document are a mistake to be told");
    }

    #[test]
    fn a_password_of_a_higher_layer_ends_the_previous_one_of_a_lower() {
        let (schema, file) = (Schema::new(), Origin::File { line: 1 });
        let user = |keys: &str| format!("[[api_user]]\nusername = \"shop\"\n{keys}");
        let rotated = user("password_hash = \"b\"\nprevious_password_hash = \"a\"\nprevious_until = \"x\"\ncost = 1");
        for (position, expected) in [
            (Position::Below, &["api_user[0].cost", "api_user[0].password_file"][..]),
            (
                Position::Above,
                &[
                    "api_user[0].cost",
                    "api_user[0].password_hash",
                    "api_user[0].previous_password_hash",
                    "api_user[0].previous_until",
                ],
            ),
        ] {
            let mut layers = Layers::default();
            layers.lay(layer(&user("password_file = \"f\""), &file), Position::Above, &schema);
            layers.lay(layer(&rotated, &Origin::Database), position, &schema);
            let mut leaves: Vec<String> = layers.leaves().into_iter().map(|(path, _)| path).collect();
            leaves.sort();
            assert_eq!(leaves, expected);
        }
    }

    #[test]
    fn two_objects_of_one_layer_stay_two_even_under_one_name() {
        let (schema, mut layers) = (Schema::new(), Layers::default());
        let twice = "[[modem]]\nname = \"a\"\nport = \"/a\"\n[[modem]]\nname = \"a\"\nport = \"/b\"";
        layers.lay(layer(twice, &Origin::File { line: 1 }), Position::Above, &schema);
        assert_eq!(layers.names(schema.section("modem").unwrap()).collect::<Vec<_>>(), ["a", "a"]);
    }
}
