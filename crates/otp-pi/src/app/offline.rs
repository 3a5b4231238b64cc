//! Work on the data directory of a gateway that does not run.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use store::Store;
use tokio_util::sync::CancellationToken;

use super::{SystemClock, Tasks, keys};
use crate::config::Config;

/// How long the writer gets to put its things away.
const LAST_THINGS: Duration = Duration::from_secs(10);

/// Opens the data directory as a start would, does `work`, and closes it again. Refused while a gateway runs on it.
///
/// # Errors
/// What keeps it from opening, or what `work` failed with.
pub async fn with_store<T>(config: &Config, work: impl AsyncFnOnce(&Store) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let keys = keys::load(&config.store.data_dir, config.keys_file.as_deref())?;
    let (store, writer) = Store::open(config.store.clone(), keys, Arc::new(SystemClock)).await?;
    let tasks = Tasks::new(CancellationToken::new());
    tasks.spawn("writer", writer.run(tasks.stop_token()));
    let worked = work(&store).await;
    tasks.stop();
    let written = tasks.finish(LAST_THINGS).await.context("the database could not be closed");
    worked.and_then(|value| written.map(|()| value))
}
