//! `otp-pi settings …`: what is in force and where it comes from, what the database keeps, and how to carry it elsewhere.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use domain::secret::SecretText;
use serde_json::json;

use super::remote::{self, Target};
use super::{output, place};
use crate::control::{LONGEST_DOCUMENT, Request, Secret};
use crate::operator::{Applied, Setting};

/// The longest passphrase that is read.
const LONGEST_PASSPHRASE: usize = 4096;

/// What can be done about settings.
#[derive(Debug, Subcommand)]
pub(super) enum SettingsCommand {
    /// Lists what is in force, and where each value comes from
    List(ListArguments),
    /// Sets keys in the database, all of them or none
    Set(SetArguments),
    /// Takes keys or whole objects out of the database: the default is in force again
    Unset(UnsetArguments),
    /// Reads file, environment and database again, as SIGHUP does, and tells what changed
    Reload(ReloadArguments),
    /// Writes all settings as one TOML document; secrets are left out, or sealed with a passphrase
    Export(ExportArguments),
    /// Replaces what the database keeps by an exported document; what file and environment set stays
    Import(ImportArguments),
    /// Forgets all settings that the database keeps, even when they cannot be read; file and environment count alone then
    Reset(ResetArguments),
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Only keys that begin so, for example otp or modem.south
    #[arg(value_name = "KEY")]
    prefix: Option<String>,
    /// Only what somebody has set
    #[arg(long)]
    set: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct SetArguments {
    /// A key, for example otp.lifetime or modem.south.cost, and its value: text, a number, true or false, or a list like a,b.
    /// The value - is read from standard input, as that of a secret must be. What belongs together is set together
    #[arg(required = true, num_args = 2.., allow_negative_numbers = true, value_names = ["KEY", "VALUE"])]
    pairs: Vec<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct UnsetArguments {
    /// A key such as otp.lifetime, or an object such as modem.south
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct ResetArguments {
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct ReloadArguments {
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct ExportArguments {
    /// Seals secrets with the passphrase in this file's first line
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Where to write it, with mode 0600; standard output when not given
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct ImportArguments {
    /// The document; - reads standard input
    file: PathBuf,
    /// The passphrase that its secrets are sealed with, in this file's first line
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

/// Runs one of the commands.
///
/// # Errors
/// Why it was not done; then nothing has changed.
pub(super) fn run(command: SettingsCommand) -> anyhow::Result<()> {
    match command {
        SettingsCommand::List(ListArguments { prefix, set, target }) => {
            let mut settings: Vec<Setting> = remote::ask(&target, Request::SettingsList)?;
            if let Some(prefix) = prefix {
                settings.retain(|one| is_below(&one.key, &prefix));
                anyhow::ensure!(!settings.is_empty(), "there is no key {prefix}; otp-pi settings list shows all");
            }
            settings.retain(|one| !set || one.origin != "default");
            output::result(target.json, &settings, || list_text(&settings))
        }
        SettingsCommand::Set(SetArguments { pairs, target }) => change(
            &target,
            Request::SettingsSet { values: values(pairs, || place::read_text("-".as_ref(), LONGEST_DOCUMENT))? },
        ),
        SettingsCommand::Unset(UnsetArguments { keys, target }) => change(&target, Request::SettingsUnset { keys }),
        SettingsCommand::Reset(ResetArguments { target }) => change(&target, Request::SettingsReset),
        SettingsCommand::Reload(ReloadArguments { target }) => change(&target, Request::Reload),
        SettingsCommand::Export(ExportArguments { passphrase_file, output, target }) => {
            let passphrase = passphrase(passphrase_file.as_deref())?;
            let document: String = remote::ask(&target, Request::SettingsExport { passphrase })?;
            let Some(path) = output else {
                return output::result(target.json, &json!({"document": document}), || document.trim_end().to_owned());
            };
            write(&path, &document)?;
            output::result(target.json, &json!({"output": path}), || format!("{} holds the settings", path.display()))
        }
        SettingsCommand::Import(ImportArguments { file, passphrase_file, target }) => {
            let passphrase = passphrase(passphrase_file.as_deref())?;
            let document = Secret(place::read_text(&file, LONGEST_DOCUMENT)?);
            change(&target, Request::SettingsImport { document, passphrase })
        }
    }
}

fn change(target: &Target, request: Request) -> anyhow::Result<()> {
    let applied: Applied = remote::ask(target, request)?;
    output::result(target.json, &applied, || applied_text(&applied))
}

/// Whether a key is the prefix, or stands below it.
fn is_below(key: &str, prefix: &str) -> bool {
    key.strip_prefix(prefix.trim_end_matches('.')).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn list_text(settings: &[Setting]) -> String {
    if settings.is_empty() {
        return "nothing is set".to_owned();
    }
    let width = settings.iter().map(|one| one.key.chars().count()).max().unwrap_or_default();
    let line = |one: &Setting| {
        let value = one.value.as_deref().unwrap_or("•••");
        let lock = if one.is_locked { ", locked" } else { "" };
        let restart = if one.needs_restart { "; with the next start" } else { "" };
        format!("{:width$}  {value}  ({}{lock}{restart})", one.key, one.origin)
    };
    settings.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn applied_text(applied: &Applied) -> String {
    let mut lines = applied.changed.clone();
    lines.extend(applied.needs_restart.iter().map(|change| format!("{change}  (with the next start)")));
    lines.extend(applied.left_out.iter().map(|left| format!("left out: {left}")));
    if lines.is_empty() {
        lines.push("nothing has changed".to_owned());
    }
    lines.extend(applied.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}

fn passphrase(file: Option<&Path>) -> anyhow::Result<Option<Secret>> {
    file.map(|path| Ok(Secret(place::read_line(path, LONGEST_PASSPHRASE)?))).transpose()
}

/// Keys and their values in turn, as they stand on the command line; `read` has one that is not for others' eyes.
fn values(words: Vec<String>, read: impl Fn() -> anyhow::Result<SecretText>) -> anyhow::Result<Vec<(String, Secret)>> {
    let (mut values, mut words, mut is_read) = (Vec::new(), words.into_iter(), false);
    while let Some(key) = words.next() {
        let Some(mut value) = words.next() else { anyhow::bail!("{key} has no value: write KEY VALUE KEY VALUE …") };
        if value == "-" {
            anyhow::ensure!(!is_read, "standard input has one value only: set {key} by itself");
            is_read = true;
            let text = read()?;
            text.expose().trim_end_matches(['\r', '\n']).clone_into(&mut value);
        } else if crate::config::is_secret(&key) {
            anyhow::bail!(
                "{key} is a secret, and the arguments of a program are seen by everybody on the machine: \
                 write - as its value and give it on standard input"
            );
        }
        values.push((key, Secret::new(value)));
    }
    Ok(values)
}

fn write(path: &Path, document: &str) -> anyhow::Result<()> {
    let cannot = || format!("{} cannot be written", path.display());
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.with_context(cannot)?;
    file.write_all(document.as_bytes()).and_then(|()| file.sync_all()).with_context(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_at_a_dot() {
        for (key, prefix, expected) in [
            ("otp.length", "otp", true),
            ("otp.length", "otp.", true),
            ("otp.length", "otp.length", true),
            ("otp.length", "ot", false),
            ("otp.length", "otp.len", false),
        ] {
            assert_eq!(is_below(key, prefix), expected, "{key} {prefix}");
        }
    }

    fn given(words: &[&str], input: &str) -> Result<Vec<(String, String)>, String> {
        let values = values(words.iter().map(ToString::to_string).collect(), || Ok(SecretText::new(input)));
        let clear = |(key, value): (String, Secret)| (key, value.0.expose().to_owned());
        values.map(|values| values.into_iter().map(clear).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_secret_comes_from_standard_input_alone() {
        assert!(given(&["modem.m.sim_pin", "1234"], "").unwrap_err().contains("standard input"));
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let both = given(&["otp.length", "8", "modem.m.sim_pin", "-"], "1234\n").unwrap();
        assert_eq!(both, [pair("otp.length", "8"), pair("modem.m.sim_pin", "1234")]);
        assert!(given(&["a", "-", "b", "-"], "x").unwrap_err().contains("one value only"));
        assert!(given(&["a", "b", "c"], "").unwrap_err().contains("c has no value"));
    }
}
