//! `otp-pi check-config`: names file, line, key, what is wrong and the fix.

use std::path::Path;
use std::process::ExitCode;

use super::output;
use crate::app;
use crate::config::{self, FileSource, Sources};

/// Checks the file and tells. Exit code 0 when it can be served, 1 when not.
#[must_use]
pub(super) fn run(path: &Path) -> ExitCode {
    let sources = Sources { file: FileSource::Path(path.to_owned()), environment: app::environment() };
    match sources.load(None) {
        Ok(config::Loaded { config, .. }) => {
            for warning in &config.warnings {
                output::error(&format!("warning: {}: {}\n  fix: {}", warning.key, warning.what, warning.fix));
            }
            output::line(&format!(
                "{}: good ({} modem(s), {} API user(s))",
                path.display(),
                config.modems.len(),
                config.api_users.len()
            ));
            ExitCode::SUCCESS
        }
        Err(problem) => {
            output::error(&format!("{}: {problem}", path.display()));
            ExitCode::FAILURE
        }
    }
}
