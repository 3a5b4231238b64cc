//! Configuration: one TOML document becomes the Settings of the components.
//!
//! It only assembles: what a value means is the component's business, which owns its Settings. Every problem names the
//! key, its line, what is wrong and the fix, and all problems are told at once. Used by `app` and `cli` alone.

mod api_user;
pub mod file;
mod modem;
mod resolve;
mod simple;
mod units;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

use domain::secret::SecretText;

pub use file::File;
pub use resolve::{ApiUserSource, Config, ModemConfig, PasswordSource};

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

/// Why there is no configuration.
#[derive(Debug)]
pub enum ConfigError {
    /// The file cannot be read.
    Unreadable(std::io::Error),
    /// It is not TOML, or a key is unknown or of the wrong type; the text has line, column and caret.
    Malformed(String),
    /// It reads well, but its values do not go together. With the line of each key, where it stands in the file.
    Invalid(Vec<(Problem, Option<usize>)>),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(formatter, "cannot be read: {error}"),
            Self::Malformed(text) => write!(formatter, "{}", text.trim_end()),
            Self::Invalid(problems) => {
                for (index, (problem, line)) in problems.iter().enumerate() {
                    if index > 0 {
                        writeln!(formatter)?;
                    }
                    if let Some(line) = line {
                        write!(formatter, "line {line}: ")?;
                    }
                    write!(formatter, "{}: {}\n  fix: {}", problem.key, problem.what, problem.fix)?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ConfigError {}

/// Reads the file at `path` and assembles the Settings.
///
/// # Errors
/// [`ConfigError`], with every problem that was found.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(ConfigError::Unreadable)?;
    parse(&text)
}

/// Assembles the Settings from the text of a file.
///
/// # Errors
/// [`ConfigError`], with every problem that was found.
pub fn parse(text: &str) -> Result<Config, ConfigError> {
    let file: File = toml::from_str(text).map_err(|error| ConfigError::Malformed(point_at(text, &error)))?;
    let lines = file::lines_of_keys(text);
    Config::resolve(&file).map_err(|problems| {
        let with_line = |problem: Problem| {
            let section = problem.key.rsplit_once('.').map(|(section, _)| section.to_owned());
            let line = lines.get(&problem.key).or_else(|| lines.get(&section?)).copied();
            (problem, line)
        };
        ConfigError::Invalid(problems.into_iter().map(with_line).collect())
    })
}

/// Shows where a document is malformed: line, column, the line up to its `=`, and a caret. Never the value, which may be a
/// password with a quote missing.
fn point_at(text: &str, error: &toml::de::Error) -> String {
    let at = error.span().map_or(0, |span| span.start);
    let before = text.get(..at).unwrap_or(text);
    let (line, start) = (before.matches('\n').count() + 1, before.rfind('\n').map_or(0, |newline| newline + 1));
    let column = before.get(start..).map_or(0, |head| head.chars().count());
    let shown = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let shown = shown.split_once('=').map_or_else(|| shown.to_owned(), |(key, _)| format!("{key}= …"));
    let column = column.min(shown.chars().count());
    let pad = " ".repeat(line.to_string().len());
    let (caret, message) = (" ".repeat(column), error.message().trim_end());
    format!("line {line}, column {}: {message}\n{pad} |\n{line} | {shown}\n{pad} | {caret}^", column + 1)
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
