//! Configuration: one document, read from a file, the environment and the database, becomes the Settings of the components.
//!
//! Environment above file above database above defaults; what file and environment set is locked ([`Layers`]). It only assembles:
//! what a value means is the component's business, which owns its Settings. Every problem names its key, where it stands, what is wrong
//! and the fix, and all problems of one kind are told at once. It reads files and nothing else: the environment and the
//! database's document are handed in. Used by `app` and `cli` alone.

mod api_user;
mod edit;
mod environment;
pub mod file;
mod layers;
mod limits;
mod modem;
mod opening;
mod resolve;
mod schema;
mod sim_plan;
mod simple;
mod subscriber;
mod text;
mod texts;
mod ticket_store;
mod tls;
mod units;
mod view;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use domain::command::{Scope, ScopeSet};
use domain::secret::SecretText;
use serde::Deserialize as _;

pub use api_user::read_time;
pub use edit::{Draft, EditError};
pub use file::File;
pub use layers::{Layers, Origin};
pub use resolve::{ApiUserSource, Config, ModemConfig, PasswordSource, PreviousSource};
pub use schema::{is_personal, is_secret};
pub use units::parse_span;
pub use view::{Changed, Imported, Open, SEALED, Seal};

use crate::operator::{ApiUserView, Setting};
use layers::{Layer, Position};
use schema::Schema;
use text::Home;

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, for example `otp.length` or `modem[1].port`.
    pub key: String,
    /// What is wrong with it.
    pub what: String,
    /// What to write instead.
    pub fix: String,
}

impl Problem {
    pub(crate) fn new(key: impl Into<String>, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { key: key.into(), what: what.into(), fix: fix.into() }
    }
}

/// A problem and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Who set the value.
    pub origin: Origin,
    /// What is wrong.
    pub problem: Problem,
    /// The line of the file with carets under what is wrong; never its value.
    excerpt: Option<String>,
}

impl fmt::Display for Complaint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { key, what, fix } = &self.problem;
        if self.origin != Origin::Default {
            write!(formatter, "{}: ", self.origin)?;
        }
        if !key.is_empty() {
            write!(formatter, "{key}: ")?;
        }
        formatter.write_str(what)?;
        if let Some(excerpt) = &self.excerpt {
            write!(formatter, "\n{excerpt}")?;
        }
        if fix.is_empty() { Ok(()) } else { write!(formatter, "\n  fix: {fix}") }
    }
}

/// Why there is no configuration.
#[derive(Debug)]
pub enum ConfigError {
    /// The file cannot be read.
    Unreadable(std::io::Error),
    /// What is wrong with it.
    Invalid(Vec<Complaint>),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(formatter, "cannot be read: {error}"),
            Self::Invalid(complaints) => {
                let texts: Vec<String> = complaints.iter().map(Complaint::to_string).collect();
                formatter.write_str(&texts.join("\n"))
            }
        }
    }
}

impl std::error::Error for ConfigError {}

/// Where settings come from, besides the database.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file.
    pub file: FileSource,
    /// The variables of the environment; only those that begin with `OTP_PI__` count.
    pub environment: Vec<(String, String)>,
}

/// What stands in place of the file.
#[derive(Clone, Debug, Default)]
pub enum FileSource {
    /// There is none.
    #[default]
    None,
    /// It lies at this path, and is read again at each reload.
    Path(PathBuf),
    /// A text that the program itself has written.
    Text(SecretText),
}

/// The configuration, and where each part of it comes from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The Settings.
    pub config: Config,
    /// The documents that they come from.
    pub laid: Laid,
}

/// Documents laid over each other, whatever the values in them mean: enough to look at and to mend.
#[derive(Clone, Debug)]
pub struct Laid {
    /// The documents.
    pub layers: Layers,
    /// The document that they make together.
    pub file: File,
    schema: Schema,
}

impl Laid {
    /// Assembles the Settings.
    ///
    /// # Errors
    /// Every problem that was found.
    pub fn resolve(&self) -> Result<Config, Vec<Complaint>> {
        let mut config = Config::resolve(&self.file).map_err(|problems| -> Vec<Complaint> {
            problems.into_iter().map(|problem| self.locate(problem)).collect()
        })?;
        // In the database secrets are sealed.
        let is_sealed = |key: &str| schema::is_secret(key) && self.layers.origin_of_value(key) == Origin::Database;
        config.warnings.retain(|warning| !is_sealed(&warning.key));
        let leftover = |key: &String| {
            let what = "the database keeps settings of it, but nobody defines it any more: they count for nothing";
            Problem::new(key, what, format!("define it again, or otp-pi settings unset {key}"))
        };
        config.warnings.extend(self.layers.leftovers().iter().map(leftover));
        config.warnings.iter_mut().for_each(|warning| self.name(warning));
        Ok(config)
    }

    /// A place in the file is found by its line; what stands in the database is called as people write it.
    fn locate(&self, mut problem: Problem) -> Complaint {
        let origin = self.layers.origin(&problem.key);
        if origin == Origin::Database {
            problem.key = self.layers.spoken(&problem.key);
            problem.fix = format!("{}\n  in the database: otp-pi settings set or unset {}", problem.fix, problem.key);
        }
        self.name(&mut problem);
        Complaint { origin, problem, excerpt: None }
    }

    /// What stands in the file under its name is called so: `subscriber[0].host` is `subscriber.rabbitmq.host`.
    fn name(&self, problem: &mut Problem) {
        let section = problem.key.split('[').next().and_then(|name| self.schema.section(name));
        if section.is_some_and(|section| section.has_tables) {
            problem.key = self.layers.spoken(&problem.key);
        }
    }

    /// Every value that is in force, defaults included.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        view::list(&self.layers, &self.schema)
    }

    /// What is different in the other: keys as people write them, with both values, or none for secrets.
    #[must_use]
    pub fn changes(&self, other: &Self) -> Vec<Changed> {
        view::changes((&self.layers, &self.settings()), (&other.layers, &other.settings()))
    }

    /// Every value in force by key, for the record: what must not be told there as what `hash` makes of key and value, so that it can
    /// be seen to change.
    #[must_use]
    pub fn recorded(&self, hash: &dyn Fn(&str, &str) -> String) -> BTreeMap<String, String> {
        let shown = |one: Setting| {
            let value = one.value.filter(|value| !is_personal(&one.key) || value != "\"\"")?;
            let value = if is_personal(&one.key) { hash(&one.key, &value) } else { value };
            Some((one.key, value))
        };
        let secrets = self.layers.leaves().into_iter().filter(|(path, _)| is_secret(path)).map(|(path, value)| {
            let key = self.layers.spoken(&path);
            let hashed = hash(&key, &value.to_string());
            (key, hashed)
        });
        self.settings().into_iter().filter_map(shown).chain(secrets).collect()
    }

    /// Every API user, as far as settings tell.
    #[must_use]
    pub fn api_users(&self) -> Vec<ApiUserView> {
        let view = |(place, user): (usize, &file::ApiUserSection)| {
            let scopes: ScopeSet = user.scopes.iter().filter_map(|word| Scope::parse(word)).collect();
            ApiUserView {
                username: user.username.clone(),
                scopes: scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
                class: user.class.clone(),
                is_active: user.active,
                networks: user.networks.clone(),
                secrets: Vec::new(),
                used_without_login: None,
                origin: self.layers.origin(&format!("api_user[{place}]")).words(),
            }
        };
        self.file.api_user.iter().enumerate().map(view).collect()
    }

    /// Opens the document of the database for changes.
    ///
    /// # Errors
    /// [`EditError::Damaged`].
    pub fn draft(&self, database: Option<&SecretText>) -> Result<Draft<'_>, EditError> {
        Draft::open(database.map_or("", SecretText::expose), &self.layers, &self.schema)
    }

    /// One TOML document of everything that is set; without `seal` secrets are left out.
    ///
    /// # Errors
    /// What `seal` says, or the file of a secret that cannot be read, in words.
    pub fn export(&self, seal: Option<&mut Seal<'_>>) -> Result<String, String> {
        view::export(&self.layers, &self.schema, seal)
    }

    /// Reads an exported document in place of what the database keeps.
    ///
    /// # Errors
    /// [`ConfigError`] when it is no such document, or `open` cannot open a secret.
    pub fn import(
        &self,
        text: &SecretText,
        database: Option<&SecretText>,
        open: &mut Open<'_>,
    ) -> Result<Imported, ConfigError> {
        view::import(text, database.map_or("", SecretText::expose), &self.layers, &self.schema, open)
    }
}

impl Sources {
    /// Reads everything and assembles the Settings. `database` is the document that the database keeps.
    ///
    /// # Errors
    /// [`ConfigError`], with every problem that was found.
    pub fn load(&self, database: Option<&SecretText>) -> Result<Loaded, ConfigError> {
        let laid = self.lay(database)?;
        Ok(Loaded { config: laid.resolve().map_err(ConfigError::Invalid)?, laid })
    }

    /// Lays file, environment and the database's document over each other; values are not looked at yet.
    ///
    /// # Errors
    /// [`ConfigError`] when one of them cannot be read as a document.
    pub fn lay(&self, database: Option<&SecretText>) -> Result<Laid, ConfigError> {
        lay_all(self.text()?.expose(), database.map_or("", SecretText::expose), &self.environment)
    }

    /// Reads what must be known before there is a database: where it is, and where its keys are.
    ///
    /// # Errors
    /// [`ConfigError`] when file or environment cannot be read as a document; values are not looked at yet.
    pub fn document(&self) -> Result<File, ConfigError> {
        Ok(self.lay(None)?.file)
    }

    fn text(&self) -> Result<SecretText, ConfigError> {
        match &self.file {
            FileSource::None => Ok(SecretText::new("")),
            FileSource::Path(path) => {
                std::fs::read_to_string(path).map(SecretText::new).map_err(ConfigError::Unreadable)
            }
            FileSource::Text(text) => Ok(text.clone()),
        }
    }
}

/// Assembles the Settings from the texts of a file and of the database's document, and the variables of the environment.
///
/// # Errors
/// [`ConfigError`], with every problem that was found.
pub fn assemble(file: &str, database: &str, environment: &[(String, String)]) -> Result<Loaded, ConfigError> {
    let laid = lay_all(file, database, environment)?;
    Ok(Loaded { config: laid.resolve().map_err(ConfigError::Invalid)?, laid })
}

fn lay_all(file: &str, database: &str, environment: &[(String, String)]) -> Result<Laid, ConfigError> {
    let schema = Schema::new();
    let layers = lay(file, database, environment, &schema).map_err(ConfigError::Invalid)?;
    let file = document(&layers).map_err(ConfigError::Invalid)?;
    Ok(Laid { layers, file, schema })
}

fn lay(
    file: &str,
    database: &str,
    environment: &[(String, String)],
    schema: &Schema,
) -> Result<Layers, Vec<Complaint>> {
    let mut complaints = Vec::new();
    let mut take = |layer: Result<Layer, Vec<Complaint>>| layer.map_err(|found| complaints.extend(found)).ok();
    let file = take(text::read(file, Home::File, schema)).unwrap_or_default();
    let database = take(text::read(database, Home::Database, schema)).unwrap_or_default();
    // The environment calls objects as file and database do.
    let mut known = Layers::default();
    known.lay(file.clone(), Position::Above, schema);
    known.lay(database.clone(), Position::Below, schema);
    let environment = take(environment::read(environment, &known, schema)).unwrap_or_default();
    let mut layers = Layers::default();
    layers.lay(file, Position::Above, schema);
    layers.lay(environment, Position::Above, schema);
    // Last: what it says of an object counts when anybody above defines that.
    layers.lay(database, Position::Below, schema);
    if complaints.is_empty() { Ok(layers) } else { Err(complaints) }
}

/// The laid document as a whole. Each of its parts was read before, so this fails only if they do not fit each other.
fn document(layers: &Layers) -> Result<File, Vec<Complaint>> {
    File::deserialize(toml::Value::Table(layers.table().clone())).map_err(|error| {
        let what = "file, environment and database do not fit each other";
        // The message may repeat a value: it is not told.
        drop(error);
        vec![Complaint { origin: Origin::Default, problem: Problem::new("", what, "check each alone"), excerpt: None }]
    })
}

/// The first line of a file that holds a secret.
fn first_line(key: &str, path: &Path) -> Result<SecretText, Problem> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(SecretText::new(text.lines().next().unwrap_or_default())),
        Err(error) => Err(Problem::new(
            key,
            format!("{} cannot be read: {error}", path.display()),
            "check the path and who may read it",
        )),
    }
}

/// An error with its causes, in one line.
fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
