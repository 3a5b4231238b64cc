//! The settings read from file, environment and database, before anything runs. It makes nothing.

use domain::secret::SecretText;
use tracing::debug;

use super::{check_owner, keys, live};
use crate::config::{File, Loaded, Sources};

/// Reads the settings from file, environment and database. Makes nothing.
///
/// # Errors
/// What is wrong with them.
pub async fn load(sources: &Sources) -> anyhow::Result<Loaded> {
    Ok(load_kept(sources, false).await?.0)
}

/// The settings, and the document of the database that is among them.
pub(super) async fn load_kept(sources: &Sources, is_start: bool) -> anyhow::Result<(Loaded, Option<SecretText>)> {
    let document = sources.document()?;
    let found = if is_start { read_kept(&document).await } else { kept(&document).await };
    let sources = sources.clone();
    let work = move || match found {
        Ok(kept) => Ok((sources.load(kept.as_ref())?, kept)),
        Err(error) => {
            debug!(error = format!("{error:#}"), "the settings in the database cannot be read");
            let loaded = sources.load(None).map_err(|problem| error.context(problem.to_string()))?;
            Ok((loaded, None))
        }
    };
    tokio::task::spawn_blocking(work).await?
}

/// The document of file, environment and database, whatever is wrong with the database's.
///
/// # Errors
/// File or environment cannot be read.
pub async fn document(sources: &Sources) -> anyhow::Result<File> {
    let document = sources.document()?;
    let kept = kept(&document).await.unwrap_or_else(|error| {
        debug!(error = format!("{error:#}"), "the settings in the database cannot be read");
        None
    });
    Ok(sources.lay(kept.as_ref()).map_or(document, |laid| laid.file))
}

/// The document that the database keeps, where there is one. An error is passed over by those who open the store next, which says the
/// same of database and keys, and then read the document through it.
///
/// # Errors
/// Database, keys or document cannot be read, by this user or at all.
pub async fn kept(document: &File) -> anyhow::Result<Option<SecretText>> {
    // Even to look makes files beside the database, which its owner could not use.
    if store::has_database(&document.data_dir) {
        check_owner(&document.data_dir)?;
    }
    read_kept(document).await
}

async fn read_kept(document: &File) -> anyhow::Result<Option<SecretText>> {
    let data_dir = &document.data_dir;
    if !store::has_database(data_dir) {
        return Ok(None);
    }
    let keys = keys::load(data_dir, document.keys_file())?;
    Ok(store::peek(data_dir, keys, live::DOCUMENT).await?)
}
