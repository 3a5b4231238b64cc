//! Logs: how the program tells its story, as text or JSON lines on standard error.
//!
//! It must never be handed a code, a rendered text, a PIN, a password or a full number; the types that hold them print
//! dots. Started once by `cli`, before anything else.

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

/// Starts logging to `writer`. A second call in one process changes nothing and answers `false`.
pub fn start<W>(settings: &Settings, writer: W) -> bool
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&settings.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false);
    match settings.format {
        Format::Text => builder.try_init().is_ok(),
        Format::Json => builder.json().flatten_event(true).try_init().is_ok(),
    }
}
