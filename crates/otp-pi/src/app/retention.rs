//! What is too old goes, once an hour.

use std::sync::Arc;
use std::time::Duration;

use domain::clock::Clock;
use store::Store;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How often what is too old is removed.
const RETENTION_INTERVAL: Duration = Duration::from_secs(3600);

/// Removes it until `stop`.
///
/// # Errors
/// None today: a failure is logged and tried again.
pub(super) async fn run(store: Store, clock: Arc<dyn Clock>, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(RETENTION_INTERVAL) => {}
        }
        if let Err(error) = store.run_retention(clock.now()).await {
            warn!(error = %error, "what is too old could not be removed; tried again in an hour");
        }
    }
}
