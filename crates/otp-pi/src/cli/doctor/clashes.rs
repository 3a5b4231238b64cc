//! ModemManager: on the lines of the gateway's modems, and where the gateway needs it.

use std::path::Path;

use modem::Driver;
use modem::discovery::{Clash, Roots, clash, is_manager_running};

use super::Findings;
use crate::config::Config;

/// What the findings are about.
const ABOUT: &str = "ModemManager";

/// Looks at all modems that are in use.
pub(super) fn look(config: &Config, root: &Path, findings: &mut Findings) {
    let roots = Roots::below(root);
    for modem in config.modems.iter().filter(|modem| modem.is_active) {
        let line = &modem.line;
        match line.driver {
            // Which line it is on is not known before somebody has asked.
            Driver::At if line.path.as_os_str().is_empty() => {}
            Driver::At => {
                let words = |clash: Clash| format!("{}: {}: {}", line.name, line.path.display(), clash.words());
                match clash(&roots, &line.path) {
                    Some(found @ Clash::Holds { .. }) => findings.bad(ABOUT, words(found), Clash::FIX),
                    Some(found @ Clash::MayTake) => findings.warn(ABOUT, words(found), Clash::FIX),
                    None => {}
                }
            }
            Driver::ModemManager if is_manager_running(&roots) => {
                findings.good(ABOUT, format!("{}: ModemManager runs (otp-pi modem check {0} asks it)", line.name));
            }
            Driver::ModemManager => findings.bad(
                ABOUT,
                format!("{}: ModemManager is to have this modem, and it does not run", line.name),
                "sudo systemctl enable --now ModemManager",
            ),
        }
    }
}
