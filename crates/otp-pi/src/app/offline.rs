//! Work on the data directory of a gateway that does not run.
//!
//! The store is opened as a start would open it, only by its owner, and never made: a look must not leave a data directory behind that
//! the gateway may not use. Called by `cli`.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use domain::receiver::Receiver;
use modem::{Pin, PinMemory};
use store::Store;
use tokio_util::sync::CancellationToken;

use super::live::Live;
use super::pins::Pins;
use super::{SystemClock, Tasks, document, keys, load};
use crate::config::{Config, ModemConfig, Sources};
use crate::event::Events;
use crate::inbox::Inbox;
use crate::limits::Limiter;
use crate::operator::{Operator, SettingsHandle};

/// How long the writer gets to put its things away.
const LAST_THINGS: Duration = Duration::from_secs(10);

/// The gateway's store, while no gateway runs.
#[derive(Debug)]
pub struct OfflineStore {
    store: Store,
    tasks: Tasks,
}

impl OfflineStore {
    /// Opens the store of a gateway that has run before; none if it has not: then nobody is blocked, and no PIN was entered.
    ///
    /// # Errors
    /// A gateway runs, the store belongs to another user, or it cannot be used.
    pub async fn open(config: &Config) -> anyhow::Result<Option<Self>> {
        Self::open_as(config.store.clone(), config.keys_file.as_deref()).await
    }

    /// The same, whether the settings as a whole can be served or not: it is how they are mended.
    ///
    /// # Errors
    /// See [`OfflineStore::open`]; or the file cannot be read.
    pub async fn open_for(sources: &Sources) -> anyhow::Result<Option<Self>> {
        let document = document(sources).await?;
        Self::open_as(document.store_settings(), document.keys_file()).await
    }

    async fn open_as(settings: store::Settings, keys_file: Option<&Path>) -> anyhow::Result<Option<Self>> {
        let data_dir = &settings.data_dir;
        if !store::has_database(data_dir) {
            return Ok(None);
        }
        check_owner(data_dir)?;
        let keys = keys::load(data_dir, keys_file)?;
        let (store, writer) = Store::open(settings, keys, Arc::new(SystemClock)).await?;
        let tasks = Tasks::new(CancellationToken::new());
        tasks.spawn("writer", writer.run(tasks.stop_token()));
        Ok(Some(Self { store, tasks }))
    }

    /// The store itself.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Tells whether nothing may be sent to the receiver.
    #[must_use]
    pub fn is_blocked(&self, receiver: &Receiver) -> bool {
        self.store.is_blocked(receiver)
    }

    /// The memory of which SIM was given a PIN, as a modem sees it; what comes is kept. A configured modem goes by the PIN that
    /// is configured for it, any other by `pin`.
    ///
    /// # Errors
    /// A store that cannot be read: without the memory no PIN may be entered.
    pub async fn pin_memory(&self, modems: &[ModemConfig], name: &str, pin: Option<&Pin>) -> anyhow::Result<PinMemory> {
        let pins = Pins::load(&self.store, modems).await.context("the memory of PINs cannot be read")?;
        let configured = modems.iter().find(|modem| modem.line.name == name);
        Ok(pins.of(name, configured.and_then(|modem| modem.line.sim_pin.as_ref()).or(pin)))
    }

    /// What an operator may do here. Its settings are changed and kept, and put into force by the next start.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn operator(&self, sources: Sources) -> anyhow::Result<Operator> {
        let (settings, asks) = SettingsHandle::new();
        let loaded = load(&sources).await.ok().map(|loaded| (loaded.config.limits, loaded.config.inbox));
        let live = Live::offline(sources, self.store.clone()).await?;
        self.tasks.spawn("settings", live.run(asks, self.tasks.stop_token()));
        let (limiter, inbox) = loaded
            .map(|(limits, inbox)| {
                let limiter = Limiter::new(self.store.clone(), limits, Arc::new(SystemClock));
                (limiter, Inbox::new(self.store.clone(), inbox, Events::default(), Arc::new(SystemClock)))
            })
            .unzip();
        let operator = Operator::new(self.store.clone(), None, settings, limiter);
        Ok(match inbox {
            Some(inbox) => operator.with_inbox(inbox),
            None => operator,
        })
    }

    /// Closes it, with everything written.
    ///
    /// # Errors
    /// The writer failed.
    pub async fn close(self) -> anyhow::Result<()> {
        // In this order: a writer whose last handle is gone ends, and without having been asked to it would have failed.
        self.tasks.stop();
        drop(self.store);
        self.tasks.finish(LAST_THINGS).await.context("the database could not be closed")
    }
}

/// Tells whether the database belongs to who runs this: written by somebody else it could not be used by its owner any more.
///
/// # Errors
/// It belongs to another user, or cannot be read.
pub fn check_owner(data_dir: &Path) -> anyhow::Result<()> {
    for path in [data_dir, &data_dir.join("otp-pi.db")] {
        let metadata = std::fs::metadata(path).with_context(|| format!("{} cannot be read", path.display()))?;
        anyhow::ensure!(
            metadata.uid() == rustix::process::geteuid().as_raw(),
            "{} belongs to another user; run this as the user of the gateway, for example sudo -u otp-pi",
            path.display()
        );
    }
    Ok(())
}
