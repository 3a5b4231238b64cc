//! Which SIMs were given a PIN, kept where it outlives the process: sealed, in the store.
//!
//! A wrong PIN in the configuration and a service that restarts would otherwise end at the PUK after three starts. Each card is
//! remembered with a keyed hash of the PIN that was tried, so that the owner who configures another one is given another try,
//! for that card alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::otp::Fingerprint;
use domain::secret::SecretText;
use modem::{Pin, PinKeeper, PinMemory, Tried};
use serde::{Deserialize, Serialize};
use store::{AuditBy, AuditEvent, AuditKind, Store};
use tokio::runtime::Handle;
use tracing::warn;

use crate::config::ModemConfig;

/// The setting's name.
const SETTING: &str = "modem.pins";

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// Of an earlier version: a keyed hash of all PINs that were configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    configured: Option<String>,
    /// ICCID → what became of its PIN.
    cards: BTreeMap<String, Stored>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    /// Of an earlier version: what became of some PIN of those times.
    Word(String),
    Card(Card),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Card {
    tried: String,
    /// The modem that it was tried in; unknown for what an earlier version kept.
    modem: Option<String>,
    /// The keyed hash of the PIN; for what an earlier version kept, of all that it may have been.
    pins: Vec<String>,
}

/// The one memory of a gateway; a modem sees it through [`Pins::of`].
#[derive(Clone)]
pub(super) struct Pins(Arc<Shared>);

struct Shared {
    store: Store,
    runtime: Handle,
    known: Mutex<Known>,
    /// Held while something is written: what is kept last must be written last.
    writing: Mutex<()>,
}

#[derive(Default)]
struct Known {
    cards: BTreeMap<String, Card>,
    /// The prints of all PINs that are configured.
    configured: BTreeSet<String>,
}

impl std::fmt::Debug for Pins {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Pins").finish_non_exhaustive()
    }
}

impl Pins {
    /// Reads what was kept.
    ///
    /// # Errors
    /// A store that cannot be read or written: without the memory no PIN may be entered.
    pub(super) async fn load(store: &Store, modems: &[ModemConfig]) -> anyhow::Result<Self> {
        let text = store.find_setting(SETTING).await?;
        let kept: Kept = text.and_then(|text| serde_json::from_str(text.expose()).ok()).unwrap_or_default();
        let configured = prints(store, modems);
        // The earlier version forgave everything when any PIN changed.
        let is_old_valid = kept.configured.is_some_and(|print| print == print_of_all(store, modems));
        let mut is_old = false;
        let mut cards = BTreeMap::new();
        for (name, stored) in kept.cards {
            let card = match stored {
                Stored::Card(card) => card,
                Stored::Word(tried) => {
                    is_old = true;
                    if !is_old_valid {
                        continue;
                    }
                    Card { tried, modem: None, pins: configured.iter().cloned().collect() }
                }
            };
            cards.insert(name, card);
        }
        if is_old {
            store.put_secret_setting(SETTING, &text_of(&cards)?).await?;
        }
        let known = Mutex::new(Known { cards, configured });
        let runtime = Handle::current();
        Ok(Self(Arc::new(Shared { store: store.clone(), runtime, known, writing: Mutex::default() })))
    }

    /// Goes by other configured PINs from now on.
    pub(super) fn follow<'a>(&self, modems: impl IntoIterator<Item = &'a ModemConfig>) {
        let configured = prints(&self.0.store, modems);
        self.0.known().configured = configured;
    }

    /// The memory as the modem of this name sees it, for which this PIN is configured.
    pub(super) fn of(&self, modem: &str, pin: Option<&Pin>) -> PinMemory {
        let pin = pin.map(|pin| print(&self.0.store, pin));
        PinMemory::kept(Arc::new(View { shared: Arc::clone(&self.0), modem: modem.to_owned(), pin }))
    }
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes it durable, in the order of what is known.
    fn write(&self) -> io::Result<()> {
        let text = text_of(&self.known().cards)?;
        self.runtime.block_on(self.store.put_secret_setting(SETTING, &text)).map_err(io::Error::other)
    }
}

/// One modem's view.
struct View {
    shared: Arc<Shared>,
    modem: String,
    /// The print of its PIN.
    pin: Option<String>,
}

impl std::fmt::Debug for View {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("View").field("modem", &self.modem).finish_non_exhaustive()
    }
}

impl View {
    /// Another PIN is configured for this card now. One that was tried in another modem, where its PIN is still configured, was
    /// only moved: it is not tried with all PINs that there are.
    fn is_forgiven(&self, card: &Card, configured: &BTreeSet<String>) -> bool {
        let Some(pin) = &self.pin else { return false };
        let is_own = card.modem.as_ref().is_none_or(|modem| *modem == self.modem);
        !card.pins.contains(pin) && (is_own || card.pins.iter().all(|pin| !configured.contains(pin)))
    }
}

impl PinKeeper for View {
    fn known(&self, card: &str) -> Option<Tried> {
        let known = self.shared.known();
        let card = known.cards.get(card).filter(|card| !self.is_forgiven(card, &known.configured))?;
        // A word of a later version is no reason to try.
        Some(tried(&card.tried).unwrap_or(Tried::Refused))
    }

    fn keep(&self, card: &str, tried: Tried) -> io::Result<()> {
        // Whoever waits for another's write waits here too, not on a thread of the runtime. A modem starts once in a while, and
        // its PIN must not be entered before this is durable.
        tokio::task::block_in_place(|| {
            let _one_by_one = self.shared.writing.lock().unwrap_or_else(PoisonError::into_inner);
            let before = {
                let mut known = self.shared.known();
                let before = known.cards.get(card).cloned();
                // Only an entry, or another PIN for the card, says which one it is about; what becomes of it may show in another modem.
                let earlier = before.clone().filter(|_| !matches!(tried, Tried::Unproven | Tried::Replaced));
                let mut entry = earlier.unwrap_or_else(|| Card {
                    tried: String::new(),
                    modem: Some(self.modem.clone()),
                    pins: self.pin.iter().cloned().collect(),
                });
                word(tried).clone_into(&mut entry.tried);
                known.cards.insert(card.to_owned(), entry);
                before
            };
            if tried == Tried::Refused && before.as_ref().is_none_or(|card| card.tried != word(Tried::Refused)) {
                let by = AuditBy::gateway("modem");
                self.shared.store.note(AuditEvent::new(AuditKind::PinRefused, &by, &self.modem));
            }
            let written = self.shared.write();
            if let Err(error) = &written {
                warn!(error = %error, "no PIN is entered: that it was could not be noted");
                if tried == Tried::Unproven {
                    let cards = &mut self.shared.known().cards;
                    match before {
                        Some(before) => cards.insert(card.to_owned(), before),
                        None => cards.remove(card),
                    };
                }
            }
            written
        })
    }
}

fn text_of(cards: &BTreeMap<String, Card>) -> io::Result<SecretText> {
    let cards = cards.iter().map(|(name, card)| (name.clone(), Stored::Card(card.clone()))).collect();
    serde_json::to_string(&Kept { configured: None, cards }).map(SecretText::new).map_err(io::Error::other)
}

fn pins<'a>(modems: impl IntoIterator<Item = &'a ModemConfig>) -> impl Iterator<Item = &'a Pin> {
    modems.into_iter().filter_map(|modem| modem.line.sim_pin.as_ref())
}

fn prints<'a>(store: &Store, modems: impl IntoIterator<Item = &'a ModemConfig>) -> BTreeSet<String> {
    pins(modems).map(|pin| print(store, pin)).collect()
}

/// A keyed hash of one PIN.
fn print(store: &Store, pin: &Pin) -> String {
    hash(store, &[b"sim-pin", pin.expose().as_bytes()])
}

/// The keyed hash of all configured PINs that an earlier version kept.
fn print_of_all(store: &Store, modems: &[ModemConfig]) -> String {
    let pins: Vec<&[u8]> = pins(modems).map(|pin| pin.expose().as_bytes()).collect();
    hash(store, &pins)
}

fn hash(store: &Store, fields: &[&[u8]]) -> String {
    let print = Fingerprint::derive(store.lookup_key().as_bytes(), fields);
    print.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn word(tried: Tried) -> &'static str {
    match tried {
        Tried::Unproven => "unproven",
        Tried::Right => "right",
        Tried::Refused => "refused",
        Tried::Replaced => "replaced",
    }
}

fn tried(text: &str) -> Option<Tried> {
    [Tried::Unproven, Tried::Right, Tried::Refused, Tried::Replaced].into_iter().find(|tried| word(*tried) == text)
}

#[cfg(test)]
mod tests;
