//! A modem that is driven for one command, where no gateway runs.

use anyhow::Context as _;
use modem::ModemHandle;
use store::AuditEvent;

use super::target::Target;
use super::{LineOptions, record};
use crate::app::{DirectModem, OfflineStore};
use crate::config::Config;

/// A modem where no gateway runs, and where acts are recorded.
pub(super) struct Directly {
    name: String,
    modem: DirectModem,
    store: Option<OfflineStore>,
}

impl Directly {
    /// Opens its line, and the record where the act is one.
    ///
    /// # Errors
    /// There is no such modem, or an act could not be recorded.
    pub(super) async fn begin(
        target: &str,
        config: Option<&Config>,
        options: &LineOptions,
        is_act: bool,
    ) -> anyhow::Result<Self> {
        let target = Target::find(target, config, options)?;
        let store = match config.filter(|config| is_act && target.is_of(config)) {
            Some(config) => OfflineStore::open(config).await.context("it cannot be recorded, so it is not done")?,
            None => None,
        };
        let modem = target.start();
        modem.opened().await;
        Ok(Self { name: target.name().to_owned(), modem, store })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn handle(&self) -> &ModemHandle {
        &self.modem.handle
    }

    pub(super) async fn record(&self, event: AuditEvent) -> anyhow::Result<()> {
        record(self.store.as_ref(), event).await.context("nothing was done")
    }

    /// Lets line and record go.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        self.modem.stop().await?;
        match self.store {
            Some(store) => store.close().await,
            None => Ok(()),
        }
    }
}
