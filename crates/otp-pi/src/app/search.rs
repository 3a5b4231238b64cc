//! The search for the lines of modems that are known by who they are: one for all modems of a gateway, or of a command.

use std::path::Path;

use modem::discovery::Roots;
use modem::{Driver, Locator};
use tokio_util::sync::CancellationToken;

use super::Tasks;
use crate::config::ModemConfig;

/// Names the directory below which devices are looked for.
pub const ROOT_VARIABLE: &str = "OTP_PI_ROOT";

/// Where this machine's devices are: below `/`, or below the directory that `OTP_PI_ROOT` names, as tests and containers do.
#[must_use]
pub fn roots() -> Roots {
    let root = std::env::vars_os().find(|(name, _)| name == ROOT_VARIABLE).map(|(_, root)| root);
    Roots::below(Path::new(root.as_deref().unwrap_or("/".as_ref())))
}

/// Starts a search among these tasks.
pub(super) fn spawn_search(tasks: &Tasks) -> Locator {
    let (locator, search) = Locator::new(roots());
    let stop = tasks.stop_token();
    tasks.spawn("search for lines", async move {
        search.run(stop).await;
        anyhow::Ok(())
    });
    locator
}

/// Has modems that are known by who they are looked for, until the runtime ends.
pub fn search_for(modems: &mut [ModemConfig]) {
    if modems.iter().all(|modem| modem.line.driver != Driver::At || modem.line.wanted.is_anybody()) {
        return;
    }
    let locator = spawn_search(&Tasks::new(CancellationToken::new()));
    for modem in modems {
        modem.line.locator = Some(locator.clone());
    }
}
