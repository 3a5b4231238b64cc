//! What the owner of a gateway does with it, whatever the door: the command line today, pages later.
//!
//! Called by the entrances that are for operators (`control`, later the admin web) and by `cli` where no gateway runs. It must never
//! be reachable for API users, and never show a text, a code or a secret.

mod settings;

use store::Store;

use crate::dispatch::DispatcherHandle;

pub use settings::{ApiUserView, Applied, Edit, Setting, SettingsAsk, SettingsError, SettingsHandle};

/// What an operator can reach. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Operator {
    store: Store,
    /// None where no gateway runs.
    dispatcher: Option<DispatcherHandle>,
    settings: SettingsHandle,
}

impl Operator {
    /// Joins the parts.
    #[must_use]
    pub fn new(store: Store, dispatcher: Option<DispatcherHandle>, settings: SettingsHandle) -> Self {
        Self { store, dispatcher, settings }
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &SettingsHandle {
        &self.settings
    }
}
