//! `otp-pi backup`: a consistent copy of the database, while the gateway goes on.
//!
//! The gateway writes it into its own directory, where it may; from there it is taken to where it is wanted, which the gateway may not
//! be allowed to write.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde::{Deserialize, Serialize};

use super::remote::{self, Target};
use super::{output, place};
use crate::control::Request;

/// Arguments of `backup`.
#[derive(Debug, Args)]
pub(super) struct BackupArguments {
    /// Where to; it must not exist
    file: PathBuf,
    #[command(flatten)]
    target: Target,
}

/// What was copied.
#[derive(Debug, Serialize, Deserialize)]
struct Backup {
    path: PathBuf,
    bytes: u64,
    seal_keys: Vec<u32>,
    keys: PathBuf,
}

/// Makes the copy.
///
/// # Errors
/// The file exists, or cannot be written; nothing half-written stays behind.
pub(super) fn run(arguments: &BackupArguments) -> anyhow::Result<()> {
    let BackupArguments { file, target } = arguments;
    anyhow::ensure!(!file.exists(), "{} exists, and a backup never overwrites; choose another name", file.display());
    let sources = place::sources(&target.config);
    let document = sources.document().with_context(|| target.config.display().to_string())?;
    let mut random = [0; 8];
    getrandom::fill(&mut random)?;
    // A name that the next start knows as left over, should this be broken off.
    let aside = document.data_dir.join(format!("backup-{:016x}.db", u64::from_be_bytes(random)));
    let mut backup: Backup = remote::ask(target, Request::Backup { path: aside.clone() })?;
    let taken = take(&aside, file).with_context(|| format!("{} cannot be written", file.display()));
    if let Err(error) = fs::remove_file(&aside) {
        output::error(&format!("note: {} could not be removed: {error}", aside.display()));
    }
    taken?;
    backup.path.clone_from(file);
    output::result(target.json, &backup, || {
        format!(
            "{}: {} bytes. It is worth nothing without the keys in {}: keep a copy of them, in another place.",
            backup.path.display(),
            backup.bytes,
            backup.keys.display()
        )
    })
}

/// Takes the copy to where it is wanted, and replaces nothing there.
fn take(aside: &Path, file: &Path) -> io::Result<()> {
    if fs::hard_link(aside, file).is_ok() {
        return Ok(());
    }
    // Another file system.
    let mut from = File::open(aside)?;
    let mut to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    let copied = io::copy(&mut from, &mut to).and_then(|_| to.sync_all());
    if copied.is_err() {
        drop(fs::remove_file(file));
    }
    copied
}
