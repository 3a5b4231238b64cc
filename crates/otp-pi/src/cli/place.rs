//! Which gateway is meant: its configuration, and where its settings come from.

use std::path::Path;

use anyhow::Context as _;

use crate::app;
use crate::config::{File, FileSource, Loaded, Sources};

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

/// Reads what must be known to open its store, whether its settings as a whole can be served or not.
///
/// # Errors
/// File or environment cannot be read.
pub(super) async fn document(path: &Path) -> anyhow::Result<File> {
    app::document(&sources(path)).await.with_context(|| path.display().to_string())
}
