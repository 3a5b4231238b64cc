//! Which modem is meant: a name of the configuration, or a line.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use domain::secret::SecretText;
use modem::{Driver, PinMemory, Report, Settings, is_same_line};

use super::LineOptions;
use crate::app::{DirectModem, OfflineStore};
use crate::channel::place;
use crate::cli::output;
use crate::config::{Config, ModemConfig};

/// A modem and how to reach it.
#[derive(Debug)]
pub(super) struct Target {
    /// Without its PIN, which is entered only where the SIM asks for it.
    line: Settings,
    pin: Option<modem::Pin>,
}

impl Target {
    /// Finds what is meant by a text.
    ///
    /// # Errors
    /// It is neither a name nor a path.
    pub(super) fn find(text: &str, config: Option<&Config>, options: &LineOptions) -> anyhow::Result<Self> {
        let path = path_of(text);
        let modems = config.map_or(&[] as &[ModemConfig], |config| &config.modems);
        let is_meant = |modem: &&ModemConfig| {
            modem.line.name == text || path.as_ref().is_some_and(|path| is_same_line(path, &modem.line.path))
        };
        if let Some(modem) = modems.iter().find(is_meant) {
            return Ok(Self::configured(modem, options));
        }
        match (path, config) {
            (Some(path), _) => Ok(Self::bare(&path, options)),
            (None, Some(_)) => anyhow::bail!(
                "{text:?} is no modem of the configuration; it has {}",
                modems.iter().map(|modem| modem.line.name.as_str()).collect::<Vec<_>>().join(", ")
            ),
            (None, None) => anyhow::bail!(
                "{text:?} is no path of a line; write it like /dev/ttyUSB2 (`otp-pi modem list` shows them), or name the \
                 configuration with --config"
            ),
        }
    }

    /// A modem of the configuration.
    pub(super) fn configured(modem: &ModemConfig, options: &LineOptions) -> Self {
        let mut line = modem.line.clone();
        line.baud_rate = options.baud.unwrap_or(line.baud_rate);
        Self { pin: line.sim_pin.take(), line }
    }

    /// A line of which nothing is configured.
    pub(super) fn bare(path: &Path, options: &LineOptions) -> Self {
        let name =
            path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
        let mut line = Settings::new(name, path);
        line.baud_rate = options.baud.unwrap_or(line.baud_rate);
        Self { line, pin: None }
    }

    /// Takes the PIN from a file instead of the configuration.
    ///
    /// # Errors
    /// The file cannot be read, or holds no PIN.
    pub(super) fn with_pin_file(mut self, path: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(path) = path {
            let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
            let text = SecretText::new(text);
            let first = text.expose().lines().next().unwrap_or_default();
            self.pin = Some(modem::Pin::parse(first).with_context(|| format!("in {}", path.display()))?);
        }
        Ok(self)
    }

    /// Whether it is one of the configuration's.
    pub(super) fn is_of(&self, config: &Config) -> bool {
        config.modems.iter().any(|modem| modem.line.name == self.line.name)
    }

    pub(super) fn name(&self) -> &str {
        &self.line.name
    }

    /// Where it was found, or is configured to be, in words.
    pub(super) fn place_in(&self, report: &Report) -> String {
        match &report.status.line {
            Some(line) => line.display().to_string(),
            None => place(&self.line.path, &self.line.wanted, self.line.driver),
        }
    }

    /// The line on which it was found, or is configured to be, unless ModemManager is to have that.
    pub(super) fn line_in(&self, report: &Report) -> Option<PathBuf> {
        let line = report.status.line.as_ref().unwrap_or(&self.line.path);
        Some(line.clone()).filter(|line| self.line.driver == Driver::At && !line.as_os_str().is_empty())
    }

    /// Whether there is a PIN to enter.
    pub(super) fn has_pin(&self) -> bool {
        self.pin.is_some()
    }

    /// Begins to drive the modem; its PIN stays where it is.
    pub(super) fn start(&self) -> DirectModem {
        DirectModem::start(self.line.clone())
    }

    /// Begins to drive the modem and gives its SIM the PIN, if the memory allows it.
    pub(super) fn start_with_pin(&self, memory: PinMemory) -> DirectModem {
        let mut line = self.line.clone();
        line.sim_pin.clone_from(&self.pin);
        line.pin_memory = memory;
        DirectModem::start(line)
    }

    /// The memory that a PIN is entered under. Without one that outlives this command a configured PIN stays where it is; one
    /// that was named for this command alone is entered, which the tries left keep from being done too often.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub(super) async fn pin_memory(
        &self,
        store: Option<&OfflineStore>,
        config: Option<&Config>,
        is_named: bool,
    ) -> anyhow::Result<Option<PinMemory>> {
        match (store, config) {
            (Some(store), Some(config)) => {
                store.pin_memory(&config.modems, &self.line.name, self.pin.as_ref()).await.map(Some)
            }
            _ if is_named => Ok(Some(PinMemory::default())),
            _ => {
                output::error(
                    "note: the configured PIN is not entered, because the gateway has not run yet and nobody would remember \
                     it; start the gateway, or name the file with --pin-file",
                );
                Ok(None)
            }
        }
    }
}

/// Reads a text as a path: one with a slash, or the kernel's name of a line.
fn path_of(text: &str) -> Option<PathBuf> {
    if text.contains('/') {
        return Some(PathBuf::from(text));
    }
    let device = Path::new("/dev").join(text);
    (text.starts_with("tty") || text.starts_with("serial")).then_some(device).filter(|device| device.exists())
}
