//! How a number would be routed, for people and scripts.

use serde::{Deserialize, Serialize};

/// The answer of `route explain`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteView {
    /// The canonical receiver, masked.
    pub receiver: String,
    /// The longest prefix of a modem that it begins with.
    pub prefix: Option<String>,
    /// The modem that would take it now.
    pub modem: Option<String>,
    /// Why, in the words that stand with an attempt (docs/routing.md).
    pub route: String,
    /// False where no gateway runs: then every modem is taken to be free and to have quota.
    pub is_running: bool,
    /// Every modem: those of the first choice in ring order, then the others in the order of failover, then those that are not used.
    pub modems: Vec<RoutedModem>,
}

/// One modem among them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutedModem {
    /// Its name.
    pub modem: String,
    /// `first choice`, `failover` or `not used`.
    pub role: String,
    /// What a part to this number costs.
    pub cost: u32,
    /// True when it could take it now.
    pub is_free: bool,
    /// How it is, in words.
    pub state: String,
    /// Until when, where that is known; Unix milliseconds.
    pub until: Option<i64>,
}
