//! Which SIMs were given a PIN, kept where it outlives the process: sealed, in the store.
//!
//! A wrong PIN in the configuration and a service that restarts would otherwise end at the PUK after three starts. When the
//! owner changes a configured PIN, what was refused is forgiven once.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use domain::otp::Fingerprint;
use domain::secret::SecretText;
use modem::{PinKeeper, PinMemory, Tried};
use serde::{Deserialize, Serialize};
use store::Store;
use tokio::runtime::Handle;
use tracing::warn;

use crate::config::ModemConfig;

/// The setting's name.
const SETTING: &str = "modem.pins";

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// A keyed hash of all configured PINs: whether the owner has changed one.
    configured: String,
    /// ICCID → what became of its PIN.
    cards: BTreeMap<String, String>,
}

/// Reads what was kept, and keeps what comes. `configured` is the [`print()`] of the PINs that are configured.
///
/// # Errors
/// A store that cannot be read: without the memory no PIN may be entered.
pub(super) async fn memory(store: &Store, configured: &str) -> anyhow::Result<PinMemory> {
    let text = store.find_setting(SETTING).await?;
    let mut kept: Kept = text.and_then(|text| serde_json::from_str(text.expose()).ok()).unwrap_or_default();
    if kept.configured != configured {
        kept = Kept { configured: configured.to_owned(), cards: BTreeMap::new() };
    }
    let known: Vec<_> = kept.cards.iter().filter_map(|(card, word)| Some((card.clone(), tried(word)?))).collect();
    let keeper = Keeper { store: store.clone(), kept: Mutex::new(kept), runtime: Handle::current() };
    Ok(PinMemory::kept(known, Arc::new(keeper)))
}

/// A keyed hash of all configured PINs: another one when any of them has changed.
pub(super) fn print(store: &Store, modems: &[ModemConfig]) -> String {
    let pins: Vec<&[u8]> =
        modems.iter().filter_map(|modem| modem.line.sim_pin.as_ref()).map(|pin| pin.expose().as_bytes()).collect();
    let print = Fingerprint::derive(store.lookup_key().as_bytes(), &pins);
    print.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn word(tried: Tried) -> &'static str {
    match tried {
        Tried::Unproven => "unproven",
        Tried::Right => "right",
        Tried::Refused => "refused",
    }
}

fn tried(text: &str) -> Option<Tried> {
    [Tried::Unproven, Tried::Right, Tried::Refused].into_iter().find(|tried| word(*tried) == text)
}

struct Keeper {
    store: Store,
    kept: Mutex<Kept>,
    runtime: Handle,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Keeper").finish_non_exhaustive()
    }
}

impl PinKeeper for Keeper {
    fn keep(&self, card: &str, tried: Tried) -> io::Result<()> {
        let text = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.cards.insert(card.to_owned(), word(tried).to_owned());
            serde_json::to_string(&*kept).map_err(io::Error::other)?
        };
        let text = SecretText::new(text);
        let write = self.store.put_secret_setting(SETTING, &text);
        // A modem starts once in a while, and its PIN must not be entered before this is durable.
        let written = tokio::task::block_in_place(|| self.runtime.block_on(write));
        written.map_err(|error| {
            warn!(error = %error, "no PIN is entered: that it was could not be noted");
            io::Error::other(error)
        })
    }
}
