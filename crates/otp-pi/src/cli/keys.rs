//! `otp-pi keys`: which keys there are, new ones, and the way on when they are lost. Never shows a key.
//!
//! A gateway that runs shows and rotates them itself; where none does, the database is opened for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use domain::clock::{Clock, WallTime};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{Keys, KeysPlace, KeysReset, KeysStatus, PepperStatus, Resealed, Rotation, SealStatus, reset_keys};

use super::remote::{self, Target};
use super::{output, place, serve};
use crate::app::{self, SystemClock};
use crate::config::File;
use crate::control::{Request, shell};

/// What can be done about keys.
#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Tells which keys there are, how old they are, and what is still sealed with older ones
    Status(StatusArguments),
    /// Makes a new pepper and a new seal key, and seals anew what is stored
    Rotate(RotateArguments),
    /// Makes a file with fresh keys, for a new gateway or for all nodes of a fleet
    New {
        /// The file; it must not exist
        file: PathBuf,
    },
    /// When the keys are lost for good: gives up what they sealed, keeps the rest, and makes new ones
    Reset(ResetArguments),
}

#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct RotateArguments {
    /// Where to write the rotated keys, when they come from systemd or from `[keys] file`
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct ResetArguments {
    /// Says that what the lost keys sealed may be given up
    #[arg(long = "i-accept-the-loss")]
    accepts_loss: bool,
    #[command(flatten)]
    target: Target,
}

/// What a rotation did.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Rotated {
    /// The new keys.
    pub(super) rotation: Rotation,
    /// What was sealed anew; None where a running gateway does it in the background.
    pub(super) resealed: Option<Resealed>,
}

/// Runs one of the commands.
///
/// # Errors
/// What it fails with, in words that say the way on.
pub(super) fn run(command: &KeysCommand) -> anyhow::Result<()> {
    match command {
        KeysCommand::Status(arguments) => {
            let status: KeysStatus = remote::ask(&arguments.target, Request::KeysStatus)?;
            output::result(arguments.target.json, &status, || status_text(&status, SystemClock.now()))
        }
        KeysCommand::Rotate(arguments) => rotate_command(arguments),
        KeysCommand::New { file } => {
            let clock = SystemClock;
            Keys::make(file, clock.is_synchronised().then(|| clock.now()))?;
            output::line(&format!(
                "{} holds fresh keys, for its owner alone. Keep a copy where the database's backups are not.",
                file.display()
            ));
            Ok(())
        }
        KeysCommand::Reset(arguments) => reset_command(arguments),
    }
}

fn load(path: &Path) -> anyhow::Result<File> {
    serve::runtime()?.block_on(place::document(path))
}

fn rotate_command(arguments: &RotateArguments) -> anyhow::Result<()> {
    let document = load(&arguments.target.config)?;
    let place = app::keys_place(&document.data_dir, document.keys_file());
    match (&arguments.output, place.is_ours()) {
        (None, true) => {
            let rotated: Rotated = remote::ask(&arguments.target, Request::KeysRotate)?;
            output::result(arguments.target.json, &rotated, || rotated_text(&rotated))
        }
        (Some(_), true) => {
            bail!("the keys lie in {} and are rotated in place: leave --output away", place.path().display())
        }
        (None, false) => bail!(
            "the keys come from {} and are not this program's to change.\nMake a rotated file, then install it:\n\n  \
             otp-pi keys rotate --config {} --output NEW\n{}",
            place.path().display(),
            arguments.target.config.display(),
            installing(&place, Path::new("NEW")),
        ),
        (Some(path), false) => {
            let keys = Keys::load(place.clone())?;
            let rotation = keys.write_rotated(path, SystemClock.now(), document.store_settings().longest_lifetime)?;
            let text = || {
                format!(
                    "{} holds the keys with a new pepper ({}) and a new seal key ({}) in front. Install it, then remove it here:\n{}",
                    path.display(),
                    rotation.pepper,
                    rotation.seal,
                    installing(&place, path),
                )
            };
            output::result(arguments.target.json, &json!({"rotation": rotation, "output": path}), text)
        }
    }
}

fn reset_command(arguments: &ResetArguments) -> anyhow::Result<()> {
    if !arguments.accepts_loss {
        bail!(
            "without the right keys these are lost: texts that wait, receivers in the journal, live codes, the block list, \
             sealed settings, SMS that came in and which SIM cards refused their PIN. Accounts, plain settings and what happened to each \
             message stay.\nLook for a backup of the keys first. If there is none: --i-accept-the-loss"
        );
    }
    let document = load(&arguments.target.config)?;
    let place = app::keys_place(&document.data_dir, document.keys_file());
    if store::has_database(&document.data_dir) {
        app::check_owner(&document.data_dir)?;
    }
    let reset =
        serve::runtime()?.block_on(reset_keys(&document.store_settings(), place, SystemClock.now(), &shell()))?;
    output::result(arguments.target.json, &reset, || reset_text(&reset))
}

/// How a file with rotated keys gets where the keys come from.
fn installing(place: &KeysPlace, new: &Path) -> String {
    let (target, new) = (place.path(), new.display());
    match place {
        KeysPlace::Own(_) => String::new(),
        KeysPlace::File(_) => format!(
            "\n  install -m 0600 -o otp-pi -g otp-pi {new} {}     (on every node that has this file)\n  \
             systemctl restart otp-pi\n",
            target.display()
        ),
        KeysPlace::Credential(_) => format!(
            "\n  systemd-creds encrypt --name=otp-pi.keys {new} /etc/credstore.encrypted/otp-pi.keys\n  \
             (or, with LoadCredential=, copy it with mode 0600 to the file that the unit names)\n  \
             systemctl restart otp-pi\n"
        ),
    }
}

fn status_text(status: &KeysStatus, now: WallTime) -> String {
    let origin = match status.origin.as_str() {
        "data_dir" => "made and rotated by this program",
        "credential" => "from systemd, only read",
        _ => "from [keys] file, only read",
    };
    let mut lines = vec![format!("{} ({origin})", status.path)];
    let pepper = |(index, pepper): (usize, &PepperStatus)| {
        let role = match pepper.honoured_until_millis {
            _ if index == 0 => "current".to_owned(),
            Some(until) => format!("older, its codes are good for another {}", words(left(now, until))),
            None => "older, its codes are still good".to_owned(),
        };
        format!("  pepper {:<5} {role}{}", pepper.id, age(now, pepper.made_at_millis))
    };
    let seal = |(index, seal): (usize, &SealStatus)| {
        let role = if index == 0 { "current" } else { "older" };
        let values = if seal.values == 1 { "value is" } else { "values are" };
        let age = age(now, seal.made_at_millis);
        format!("  seal key {:<3} {role}{age}; {} {values} sealed with it", seal.id, seal.values)
    };
    lines.extend(status.peppers.iter().enumerate().map(pepper));
    lines.extend(status.seals.iter().enumerate().map(seal));
    if !status.is_resealed {
        lines.push(
            "Not everything is sealed with the current key yet: a gateway that runs sees to it by itself.".to_owned(),
        );
    } else if status.seals.len() > 1 {
        lines.push("Nothing needs the older seal keys any more: they may be taken out of the file.".to_owned());
    }
    if status.lost_values > 0 {
        lines.push(format!("{} stored value(s) need a key that is not at hand.", status.lost_values));
    }
    lines.join("\n")
}

fn rotated_text(rotated: &Rotated) -> String {
    let Rotated { rotation, resealed } = rotated;
    let sealed = match resealed {
        Some(resealed) => format!("{} stored value(s) were sealed anew.", resealed.values),
        None => "What is stored is sealed anew in the background; otp-pi keys status shows how far it is.".to_owned(),
    };
    format!(
        "Pepper {} and seal key {} are current. {sealed}\n\
         Back up the keys file again: backups of the database made from now on need it, those made before need the old one.",
        rotation.pepper, rotation.seal
    )
}

fn reset_text(reset: &KeysReset) -> String {
    let aside = reset.old_keys.as_ref().map(|path| format!("\nThe old keys file is {} now.", path.display()));
    format!(
        "The database has new keys. Given up: {} waiting message(s), {} receiver(s) in the journal, {} ticket(s), {} entries \
         of the block list, {} sealed setting(s), {} SMS that had come in.\nEnter the block list and the secrets anew, and back up the keys.{}",
        reset.waiting,
        reset.receivers,
        reset.tickets,
        reset.blocked,
        reset.settings,
        reset.inbox,
        aside.unwrap_or_default(),
    )
}

fn age(now: WallTime, made_at_millis: Option<i64>) -> String {
    let Some(made_at) = made_at_millis else { return String::new() };
    format!(", {} old", words(now.saturating_since(WallTime::from_unix_millis(made_at))))
}

fn left(now: WallTime, until_millis: i64) -> Duration {
    WallTime::from_unix_millis(until_millis).saturating_since(now)
}

/// A span in the largest unit that fits twice.
fn words(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [(86_400, "days"), (3_600, "hours"), (60, "minutes")];
    let fitting = units.iter().find(|(size, _)| seconds >= 2 * size);
    fitting.map_or_else(|| format!("{seconds} seconds"), |(size, name)| format!("{} {name}", seconds / size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_their_largest_unit() {
        for (seconds, expected) in
            [(0, "0 seconds"), (119, "119 seconds"), (120, "2 minutes"), (7_200, "2 hours"), (400_000, "4 days")]
        {
            assert_eq!(words(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn the_status_tells_what_is_left_to_do() {
        let now = WallTime::from_unix_millis(1_790_000_000_000);
        let made_at_millis = Some(1_790_000_000_000 - 3 * 86_400_000);
        let status = KeysStatus {
            path: "/data/keys/keys.json".to_owned(),
            origin: "data_dir".to_owned(),
            peppers: vec![
                PepperStatus { id: 2, made_at_millis, honoured_until_millis: None },
                PepperStatus { id: 1, made_at_millis: None, honoured_until_millis: Some(1_790_000_420_000) },
            ],
            seals: vec![
                SealStatus { id: 2, made_at_millis, values: 12 },
                SealStatus { id: 1, made_at_millis: None, values: 1 },
            ],
            lost_values: 0,
            is_resealed: false,
        };
        let expected = "/data/keys/keys.json (made and rotated by this program)\n  \
                        pepper 2     current, 3 days old\n  \
                        pepper 1     older, its codes are good for another 7 minutes\n  \
                        seal key 2   current, 3 days old; 12 values are sealed with it\n  \
                        seal key 1   older; 1 value is sealed with it\n\
                        Not everything is sealed with the current key yet: a gateway that runs sees to it by itself.";
        assert_eq!(status_text(&status, now), expected);
    }
}
