//! SMS that come in: taken from the modems, kept, read, told.
//!
//! A modem's copy is deleted only when the part is durable here (`take`). What a message says is read from its PDUs whenever it is
//! asked for (`read`); nothing but those is kept. It must never log a text or a full number. Started by `app`; asked by `operator`;
//! others listen through [`Events::subscribe_inbox`].

mod read;
mod take;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::clock::{Clock, WallTime};
use domain::message::MessageId;
use domain::receiver::NumberingPlan;
use store::{InboxFilter, InboxRecord, Store, StoreError};

use crate::event::{Events, InboxMessage};
pub use read::read_message;

/// How the inbox works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How senders without a country code are read.
    pub plan: NumberingPlan,
    /// How long a message waits for its parts before it is told without them.
    pub incomplete_after: Duration,
}

/// The inbox. Cheap to clone.
#[derive(Clone)]
pub struct Inbox {
    store: Store,
    events: Events,
    clock: Arc<dyn Clock>,
    settings: Arc<RwLock<Settings>>,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

impl Inbox {
    /// Joins the parts.
    #[must_use]
    pub fn new(store: Store, settings: Settings, events: Events, clock: Arc<dyn Clock>) -> Self {
        Self { store, events, clock, settings: Arc::new(RwLock::new(settings)) }
    }

    /// Works by other settings from now on. What was kept is found under senders as they were read then.
    pub fn set_settings(&self, settings: Settings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lists messages, the newest first; answers where the next page begins.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self, filter: &InboxFilter) -> Result<(Vec<InboxMessage>, Option<MessageId>), StoreError> {
        let page = self.store.list_inbox(filter).await?;
        Ok((page.messages.iter().map(|record| self.message(record)).collect(), page.next))
    }

    /// One message.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(&self, id: MessageId) -> Result<Option<InboxMessage>, StoreError> {
        Ok(self.store.find_inbox(id).await?.map(|record| self.message(&record)))
    }

    /// The time, and whether it can be believed.
    #[must_use]
    pub fn time(&self) -> (WallTime, bool) {
        (self.clock.now(), self.clock.is_synchronised())
    }

    fn message(&self, record: &InboxRecord) -> InboxMessage {
        read_message(record, &self.settings(), self.clock.now())
    }
}

#[cfg(test)]
mod tests;
