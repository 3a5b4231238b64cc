//! `otp-pi check-config`: names file, line, key, what is wrong and the fix.

use std::path::Path;
use std::process::ExitCode;

use super::{output, serve};
use crate::app::{self, SystemClock};
use crate::config::{Config, FileSource, Loaded, Sources};
use crate::http::tls;

/// Checks the file and tells. Exit code 0 when it can be served, 1 when not.
#[must_use]
pub(super) fn run(path: &Path) -> ExitCode {
    let sources = Sources { file: FileSource::Path(path.to_owned()), environment: app::environment() };
    match load(&sources) {
        Ok(Loaded { config, .. }) => {
            for warning in &config.warnings {
                output::error(&format!("warning: {}: {}\n  fix: {}", warning.key, warning.what, warning.fix));
            }
            if let Some((what, fix)) = certificate_warning(&config) {
                output::error(&format!("warning: tls.certificate: {what}\n  fix: {fix}"));
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

/// What the next start will serve: the settings in the database are among them, where this user may read them.
fn load(sources: &Sources) -> anyhow::Result<Loaded> {
    let document = sources.document()?;
    let kept = serve::runtime()?.block_on(app::kept(&document)).unwrap_or_else(|error| {
        output::error(&format!(
            "warning: the settings in the database of {} cannot be read, and were not looked at: {error:#}\n  fix: run this as \
             the user of the gateway, for example sudo -u otp-pi",
            document.data_dir.display()
        ));
        None
    });
    Ok(sources.load(kept.as_ref())?)
}

/// What is to be told about the dates of a certificate that is there and used.
fn certificate_warning(config: &Config) -> Option<(String, &'static str)> {
    if config.api.https_listen.is_empty() {
        return None;
    }
    tls::check(&config.tls).ok().flatten()?.date_warning(&SystemClock)
}
