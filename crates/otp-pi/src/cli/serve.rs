//! `otp-pi serve`: production.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use anyhow::Context as _;
use store::AuditBy;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use tracing::info;

use crate::app::{self, App};
use crate::config::{FileSource, Sources};
use crate::telemetry;

/// Threads that run tasks. Hashing and SQLite have their own.
pub(super) const WORKERS: usize = 2;

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// A configuration that cannot be served, or what the gateway fails with.
pub(super) fn run(path: &Path) -> anyhow::Result<()> {
    let sources = Sources { file: FileSource::Path(path.to_owned()), environment: app::environment() };
    let document = sources.document().with_context(|| path.display().to_string())?;
    let log = telemetry::start(&document.log_settings(), std::io::stderr);
    runtime()?.block_on(async {
        let mut signals = Signals::listen()?;
        let app = tokio::select! {
            app = App::start(sources, log) => app.with_context(|| path.display().to_string())?,
            () = signals.stop() => {
                info!("asked to stop before it has started");
                return Ok(());
            }
        };
        notify(&[sd_notify::NotifyState::Ready]);
        until_stopped(&app, signals).await?;
        notify(&[sd_notify::NotifyState::Stopping]);
        app.stop().await
    })
}

/// The runtime of `serve` and `demo`.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?)
}

/// The signals that a gateway obeys. Listened to before anything starts: without that one that comes meanwhile would end the
/// program on the spot.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Ends with SIGTERM or SIGINT.
    pub(super) async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Waits for SIGTERM, SIGINT or a failure; tells systemd's watchdog meanwhile that the runtime is alive.
pub(super) async fn until_stopped(app: &App, mut signals: Signals) -> anyhow::Result<()> {
    let beat = sd_notify::watchdog_enabled().map(|limit| limit / 2);
    let mut next_beat = Instant::now();
    let mut has_reload = false;
    // A reload checks passwords, which takes its time: beats and signals do not wait for it.
    let mut reloading: Option<Pin<Box<dyn Future<Output = ()> + '_>>> = None;
    loop {
        let pause = async {
            match beat {
                Some(_) => tokio::time::sleep_until(next_beat).await,
                None => std::future::pending().await,
            }
        };
        let reloaded = async {
            match &mut reloading {
                Some(reloading) => reloading.await,
                None => std::future::pending().await,
            }
        };
        let is_reloading = tokio::select! {
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            () = app.failed() => break,
            () = reloaded => Some(false),
            _ = signals.hangup.recv(), if !has_reload => Some(true),
            () = pause => {
                notify(&[sd_notify::NotifyState::Watchdog]);
                next_beat = Instant::now() + beat.unwrap_or_default();
                None
            }
        };
        match is_reloading {
            Some(true) => reloading = Some(Box::pin(reload(app))),
            Some(false) => reloading = None,
            None => {}
        }
        has_reload = reloading.is_some();
    }
    info!("asked to stop");
    Ok(())
}

/// Reads the settings again, and tells systemd when that is done. The outcome is in the log.
async fn reload(app: &App) {
    let mut states = vec![sd_notify::NotifyState::Reloading];
    if let Ok(now) = sd_notify::NotifyState::monotonic_usec_now() {
        states.push(now);
    }
    notify(&states);
    drop(app.settings().reload(AuditBy::gateway("reload")).await);
    notify(&[sd_notify::NotifyState::Ready]);
}

/// Tells systemd, where there is one.
pub(super) fn notify(states: &[sd_notify::NotifyState<'_>]) {
    drop(sd_notify::notify(states));
}
