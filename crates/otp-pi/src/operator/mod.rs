//! What the owner of a gateway does with it, whatever the door: the command line today, pages later.
//!
//! Called by the entrances that are for operators (`control`, later the admin web) and by `cli` where no gateway runs. It must never
//! be reachable for API users, and never show a text of a message that we send, a code or a secret.

mod audit;
mod economy;
mod inbox;
mod limits;
mod messages;
mod modems;
mod settings;
mod tools;
mod ussd;

use store::Store;

use crate::dispatch::DispatcherHandle;
use crate::inbox::Inbox;
use crate::limits::Limiter;
use crate::ussd::Desk;

pub use audit::ActError;
pub use economy::route_view;
pub use inbox::{InboxAsk, InboxList, InboxView};
pub use limits::{HeldBack, LimitView, ResetOf, RuleView, StandingView};
pub use messages::{Acted, AttemptView, MessageList, MessageView, PartView, parse_state};
pub use modems::{commanded, sent_by_hand};
pub use settings::{
    ApiUserView, Applied, Edit, SecretView, Setting, SettingsAsk, SettingsError, SettingsHandle, UseView,
};
pub use tools::{PinVerb, imei_to_write, imei_written, pin_act, pin_acted};
pub use ussd::{BalanceView, Said, asked_by_hand};

/// What an operator can reach. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Operator {
    store: Store,
    /// None where no gateway runs.
    dispatcher: Option<DispatcherHandle>,
    settings: SettingsHandle,
    /// None where the settings cannot be served.
    limiter: Option<Limiter>,
    /// None where the settings cannot be served.
    inbox: Option<Inbox>,
    /// None where no gateway runs.
    desk: Option<Desk>,
}

impl Operator {
    /// Joins the parts.
    #[must_use]
    pub fn new(
        store: Store,
        dispatcher: Option<DispatcherHandle>,
        settings: SettingsHandle,
        limiter: Option<Limiter>,
    ) -> Self {
        Self { store, dispatcher, settings, limiter, inbox: None, desk: None }
    }

    /// Adds the inbox.
    #[must_use]
    pub fn with_inbox(self, inbox: Inbox) -> Self {
        Self { inbox: Some(inbox), ..self }
    }

    /// The same, with the desk of a gateway that runs.
    #[must_use]
    pub fn with_desk(self, desk: Desk) -> Self {
        Self { desk: Some(desk), ..self }
    }

    /// The store, for what concerns it alone: backups and keys.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// True where a gateway runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.dispatcher.is_some()
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &SettingsHandle {
        &self.settings
    }
}
