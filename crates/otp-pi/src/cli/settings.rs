//! `otp-pi settings …`: what is in force and where it comes from, what the database keeps, and how to carry it elsewhere.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
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
    /// Sets a key in the database
    Set(SetArguments),
    /// Takes a key out of the database: the default is in force again
    Unset(UnsetArguments),
    /// Reads file, environment and database again, as SIGHUP does, and tells what changed
    Reload(ReloadArguments),
    /// Writes all settings as one TOML document; secrets are left out, or sealed with a passphrase
    Export(ExportArguments),
    /// Replaces what the database keeps by an exported document; what file and environment set stays
    Import(ImportArguments),
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
    /// The key, for example otp.lifetime or modem.south.cost
    key: String,
    /// Its value: text, a number, true or false, or a list like a,b
    #[arg(allow_negative_numbers = true)]
    value: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct UnsetArguments {
    /// The key
    key: String,
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
        SettingsCommand::Set(SetArguments { key, value, target }) => {
            change(&target, Request::SettingsSet { key, value: Secret::new(value) })
        }
        SettingsCommand::Unset(UnsetArguments { key, target }) => change(&target, Request::SettingsUnset { key }),
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
    lines.join("\n")
}

fn passphrase(file: Option<&Path>) -> anyhow::Result<Option<Secret>> {
    file.map(|path| Ok(Secret(place::read_line(path, LONGEST_PASSPHRASE)?))).transpose()
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
}
