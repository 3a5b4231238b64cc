//! ModemManager on our lines: said once in the log, when the gateway starts.
//!
//! Never does anything about it: what else needs ModemManager is not known here. `otp-pi doctor` says the same at any time.

use std::path::{Path, PathBuf};

use modem::Driver;
use modem::discovery::{Clash, Roots, clash};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::config::ModemConfig;

/// The lines that are to be ours, with the names of their modems.
pub(super) fn lines(modems: &[ModemConfig]) -> Vec<(String, PathBuf)> {
    let active = modems.iter().filter(|modem| modem.is_active && modem.line.driver == Driver::At);
    let lines = active.map(|modem| (modem.line.name.clone(), modem.line.path.clone()));
    lines.filter(|(_, path)| !path.as_os_str().is_empty()).collect()
}

/// Looks and warns.
pub(super) async fn tell(lines: Vec<(String, PathBuf)>, stop: CancellationToken) -> anyhow::Result<()> {
    let look = tokio::task::spawn_blocking(move || {
        let roots = Roots::below(Path::new("/"));
        for (name, path) in lines {
            if let Some(found) = clash(&roots, &path) {
                warn!(modem.name = name, fix = Clash::FIX, "{}: {}", path.display(), found.words());
            }
        }
    });
    look.await?;
    // A task that ends before it is told to would end the gateway.
    stop.cancelled().await;
    Ok(())
}
