//! `otp-pi serve`: production.

use std::path::Path;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use crate::app::App;
use crate::{config, telemetry};

/// Threads that run tasks. Hashing and SQLite have their own.
pub(super) const WORKERS: usize = 2;

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// A configuration that cannot be served, or what the gateway fails with.
pub(super) fn run(path: &Path) -> anyhow::Result<()> {
    let sources = config::Sources { path: Some(path.to_owned()), environment: crate::app::environment() };
    let config = sources.load(None).with_context(|| path.display().to_string())?.config;
    telemetry::start(&config.log, std::io::stderr);
    for warning in &config.warnings {
        tracing::warn!(config.key = warning.key, "{}; fix: {}", warning.what, warning.fix);
    }
    runtime()?.block_on(async {
        let app = App::start(config).await?;
        notify(&[sd_notify::NotifyState::Ready]);
        until_stopped(&app).await?;
        notify(&[sd_notify::NotifyState::Stopping]);
        app.stop().await
    })
}

/// The runtime of `serve` and `demo`.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?)
}

/// Waits for SIGTERM, SIGINT or a failure; tells systemd's watchdog meanwhile that the runtime is alive.
pub(super) async fn until_stopped(app: &App) -> anyhow::Result<()> {
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let beat = sd_notify::watchdog_enabled().map(|limit| limit / 2);
    loop {
        let pause = async {
            match beat {
                Some(beat) => tokio::time::sleep(beat).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = term.recv() => break,
            _ = interrupt.recv() => break,
            () = app.failed() => break,
            () = pause => notify(&[sd_notify::NotifyState::Watchdog]),
        }
    }
    info!("asked to stop");
    Ok(())
}

/// Tells systemd, where there is one.
fn notify(states: &[sd_notify::NotifyState<'_>]) {
    drop(sd_notify::notify(states));
}
