//! What the owner of a gateway does with it, whatever the door: the command line today, pages later.
//!
//! Called by the entrances that are for operators (`control`, later the admin web) and by `cli` where no gateway runs. It must never
//! be reachable for API users, and never show a text, a code or a secret.

mod settings;

pub use settings::{ApiUserView, Applied, Edit, Setting, SettingsAsk, SettingsError, SettingsHandle};
