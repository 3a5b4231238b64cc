//! Which gateway is meant: its configuration, and where its settings come from.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use domain::secret::SecretText;
use zeroize::Zeroizing;

use crate::app;
use crate::config::{self, FileSource, Loaded, Sources};

/// The sources of the gateway whose configuration file this is.
pub(super) fn sources(path: &Path) -> Sources {
    Sources { file: FileSource::Path(path.to_owned()), environment: app::environment() }
}

/// Reads its settings from file, environment and database.
///
/// # Errors
/// What is wrong with them.
pub(super) async fn load(path: &Path) -> anyhow::Result<Loaded> {
    app::load(&sources(path)).await.with_context(|| path.display().to_string())
}

/// Reads a text that the command line names: a file, or standard input for `-`.
///
/// # Errors
/// It cannot be read, is no text, or is longer than `longest` bytes: nothing is cut off.
pub(super) fn read_text(path: &Path, longest: usize) -> anyhow::Result<SecretText> {
    let shown = shown(path);
    let most = u64::try_from(longest)?.saturating_add(1);
    let mut text = Zeroizing::new(String::new());
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(most).read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(most).read_to_string(&mut text))
    };
    read.with_context(|| format!("{shown} cannot be read"))?;
    anyhow::ensure!(text.len() <= longest, "{shown} is longer than {longest} bytes");
    Ok(SecretText::new(text.as_str()))
}

/// Reads the first line of such a text.
///
/// # Errors
/// As [`read_text`], or it is empty.
pub(super) fn read_line(path: &Path, longest: usize) -> anyhow::Result<SecretText> {
    let text = read_text(path, longest)?;
    let line = text.expose().lines().next().unwrap_or_default();
    anyhow::ensure!(!line.is_empty(), "the first line of {} is empty", shown(path));
    Ok(SecretText::new(line))
}

fn shown(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard input".to_owned() } else { path.display().to_string() }
}

/// Reads what must be known to open its store, whether its settings as a whole can be served or not.
///
/// # Errors
/// File or environment cannot be read.
pub(super) async fn document(path: &Path) -> anyhow::Result<config::File> {
    app::document(&sources(path)).await.with_context(|| path.display().to_string())
}
