//! `otp-pi check-config`: names file, line, key, what is wrong and the fix.

use std::path::Path;
use std::process::ExitCode;

use domain::secret::SecretText;

use super::{output, place, serve};
use crate::app::{self, SystemClock};
use crate::config::{Config, ConfigError, Loaded, Sources};
use crate::http::tls;

/// Checks the file, with the environment and what the database keeps, and tells. Exit code 0 when it can be served, 1 when not.
#[must_use]
pub(super) fn run(path: &Path) -> ExitCode {
    let checked = serve::runtime().map(|runtime| runtime.block_on(check(&place::sources(path))));
    match checked {
        Ok(Ok((Loaded { config, .. }, has_kept))) => {
            for warning in &config.warnings {
                output::error(&format!("warning: {}: {}\n  fix: {}", warning.key, warning.what, warning.fix));
            }
            if let Some((what, fix)) = certificate_warning(&config) {
                output::error(&format!("warning: tls.certificate: {what}\n  fix: {fix}"));
            }
            output::line(&format!(
                "{}: good ({} modem(s), {} API user(s){})",
                path.display(),
                config.modems.len(),
                config.api_users.len(),
                if has_kept { ", with what the database keeps" } else { "" }
            ));
            ExitCode::SUCCESS
        }
        Ok(Err(problem)) => {
            output::error(&format!("{}: {problem}", path.display()));
            ExitCode::FAILURE
        }
        Err(error) => super::finish(Err(error)),
    }
}

/// Reads everything as a start would; answers whether the database keeps anything.
async fn check(sources: &Sources) -> Result<(Loaded, bool), ConfigError> {
    let kept: Option<SecretText> = app::kept(&sources.document()?).await.unwrap_or_else(|error| {
        // The file can be checked before it comes to the machine where it is used, and by somebody who is not the gateway.
        output::error(&format!("note: what the database keeps could not be looked at: {error:#}"));
        None
    });
    Ok((sources.load(kept.as_ref())?, kept.is_some()))
}

/// What is to be told about the dates of a certificate that is there and used.
fn certificate_warning(config: &Config) -> Option<(String, &'static str)> {
    if config.api.https_listen.is_empty() {
        return None;
    }
    tls::check(&config.tls).ok().flatten()?.date_warning(&SystemClock)
}
