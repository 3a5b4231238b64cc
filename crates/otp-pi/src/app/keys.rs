//! The keys of the gateway: where they come from, and what is done about them while it runs.
//!
//! Called by `app` at start and by the command line for a gateway that does not run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::clock::Clock;
use store::{Keys, KeysError, KeysPlace, Store};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::config::Config;

/// How often older peppers are looked at.
const EVERY: Duration = Duration::from_secs(3600);
/// When sealing anew came to no end, it is begun again after so long.
const AGAIN: Duration = Duration::from_secs(60);

/// Where the keys come from: `data_dir`, the file of `[keys]`, or systemd.
#[must_use]
pub fn place(data_dir: &Path, file: Option<&Path>) -> KeysPlace {
    #[expect(
        clippy::disallowed_methods,
        reason = "systemd names the directory of credentials in the environment alone"
    )]
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    KeysPlace::find(data_dir, file, credentials.as_deref())
}

/// Reads the keys, or makes them at the first start.
pub(super) fn open(config: &Config, clock: &dyn Clock) -> Result<Keys, KeysError> {
    let now = clock.is_synchronised().then(|| clock.now());
    let data_dir = &config.store.data_dir;
    Keys::open(place(data_dir, config.keys_file.as_deref()), data_dir, now)
}

/// Reads the keys of a gateway that was started before.
///
/// # Errors
/// What is wrong with them, or that there are none yet.
pub(super) fn load(data_dir: &Path, file: Option<&Path>) -> anyhow::Result<Keys> {
    let place = place(data_dir, file);
    let is_fresh = place.is_ours() && !place.path().exists() && !store::has_database(data_dir);
    anyhow::ensure!(!is_fresh, "there are no keys in {} yet: the first start makes them", data_dir.display());
    // With a database and without keys this says that they are lost; it makes none.
    Ok(Keys::open(place, data_dir, None)?)
}

/// Where the keys are, if they can be read.
///
/// # Errors
/// What is wrong with them, and the way on.
pub fn readable(data_dir: &Path, file: Option<&Path>) -> anyhow::Result<PathBuf> {
    load(data_dir, file)?;
    Ok(place(data_dir, file).path())
}

/// Looks after the keys: at once, after each rotation, and every hour.
pub(super) async fn tend(store: Store, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        // Broken off at any time it goes on after the next start.
        let tended = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            tended = store.tend_keys() => tended,
        };
        let pause = match tended {
            Ok(()) => EVERY,
            Err(error) => {
                warn!(error = format!("{:#}", anyhow::Error::new(error)), "the keys could not be looked after");
                AGAIN
            }
        };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = store.keys_rotated() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}
