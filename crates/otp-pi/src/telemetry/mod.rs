//! Logs: how the program tells its story, as text or JSON lines on standard error.
//!
//! It must never be handed a code, a rendered text, a PIN, a password or a full number; the types that hold them print
//! dots. Started once by `cli`, before anything else.

pub mod metrics;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// How log lines look.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One readable line an event.
    #[default]
    Text,
    /// One JSON object an event.
    Json,
}

/// Which log lines are written, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A filter in `tracing` notation, for example `info` or `otp_pi=debug`.
    pub filter: String,
    /// How lines look.
    pub format: Format,
}

impl Default for Settings {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: Format::Text }
    }
}

/// Changes the filter of the log that was started.
pub struct LogHandle(Box<dyn Fn(&str) -> bool + Send + Sync>);

impl LogHandle {
    /// Writes by another filter from now on; `false` when it is none, and then nothing has changed.
    pub fn set_filter(&self, filter: &str) -> bool {
        (self.0)(filter)
    }

    /// For programs that have started no log: it takes every filter and changes nothing.
    #[must_use]
    pub fn none() -> Self {
        Self(Box::new(|filter| EnvFilter::try_new(filter).is_ok()))
    }
}

impl std::fmt::Debug for LogHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("LogHandle")
    }
}

/// True if the text is a filter in `tracing` notation.
#[must_use]
pub fn is_filter(text: &str) -> bool {
    EnvFilter::try_new(text).is_ok()
}

/// Libraries that print what they carry: payloads of brokers, logins. What they have to say is in our own errors.
const KEPT_QUIET: [&str; 2] = ["lapin=off", "async_nats=off"];

fn filter_of(text: &str) -> Option<EnvFilter> {
    let quiet = KEPT_QUIET.iter().map(|directive| directive.parse().ok()).collect::<Option<Vec<_>>>()?;
    Some(quiet.into_iter().fold(EnvFilter::try_new(text).ok()?, EnvFilter::add_directive))
}

/// Starts logging to `writer`. A second call in one process changes nothing and answers a handle that changes nothing.
pub fn start<W>(settings: &Settings, writer: W) -> LogHandle
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = filter_of(&settings.filter).or_else(|| filter_of("info")).unwrap_or_default();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false);
    let (is_started, handle) = match settings.format {
        Format::Text => {
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            let set = move |filter| handle.reload(filter).is_ok();
            (builder.try_init().is_ok(), Box::new(set) as Box<dyn Fn(EnvFilter) -> bool + Send + Sync>)
        }
        Format::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let handle = builder.reload_handle();
            let set = move |filter| handle.reload(filter).is_ok();
            (builder.try_init().is_ok(), Box::new(set) as Box<dyn Fn(EnvFilter) -> bool + Send + Sync>)
        }
    };
    if !is_started {
        return LogHandle::none();
    }
    LogHandle(Box::new(move |filter| filter_of(filter).is_some_and(&handle)))
}
