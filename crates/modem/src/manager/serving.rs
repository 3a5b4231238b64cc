//! What is known of our modem while the bus is there, and what is asked of it that is not sending.
//!
//! Never: deciding what a message or a state means. Used by the manager's actor.

use std::collections::{BTreeSet, HashMap, HashSet};

use tokio::time::Instant;
use zbus::{ObjectPath, OwnedObjectPath, OwnedVariant};

use super::bus::{Bus, CallError};
use super::properties::Properties;
use super::seen::{MESSAGING, Objects};
use super::{PATIENCE, PROPERTIES};
use crate::event::{Handed, Place};

/// What is known while a bus is there.
pub(super) struct Serving {
    pub(super) bus: Bus,
    /// The path of our modem; ModemManager gives another one whenever the modem comes back.
    pub(super) path: Option<String>,
    /// Who its SIM is to the memory of PINs.
    pub(super) card: String,
    nameless: String,
    /// When enabling is tried again; none if it has not failed.
    pub(super) enable_at: Option<Instant>,
    /// Messages that were read.
    pub(super) offered: HashSet<String>,
    /// Parts of messages that were handed on and not yet taken.
    waiting: HashMap<String, BTreeSet<u16>>,
    /// When this modem was found: a ModemManager that was started anew gives the same paths to other messages.
    began: Instant,
}

impl Serving {
    pub(super) fn new(bus: Bus, name: &str) -> Self {
        let nameless = format!("?{name}");
        Self {
            bus,
            path: None,
            card: nameless.clone(),
            nameless,
            enable_at: None,
            offered: HashSet::new(),
            waiting: HashMap::new(),
            began: Instant::now(),
        }
    }

    /// Forgets the modem: what comes back may be another one, and its messages have other paths.
    pub(super) fn gone(&mut self) {
        self.path = None;
        self.card.clone_from(&self.nameless);
        self.enable_at = None;
        self.offered.clear();
        self.waiting.clear();
        self.began = Instant::now();
    }

    pub(super) async fn objects(&mut self) -> Result<Objects, CallError> {
        type Told = HashMap<OwnedObjectPath, HashMap<String, HashMap<String, OwnedVariant>>>;
        let call = ("org.freedesktop.DBus.ObjectManager", "GetManagedObjects");
        let answer = self.bus.call("/org/freedesktop/ModemManager1", call, &(), PATIENCE).await?;
        let told: Told = answer.body().deserialize().map_err(|_| CallError::Lost)?;
        let of_object = |interfaces: HashMap<String, HashMap<String, OwnedVariant>>| {
            interfaces.into_iter().map(|(name, properties)| (name, Properties(properties))).collect()
        };
        Ok(told.into_iter().map(|(path, interfaces)| (path.as_str().to_owned(), of_object(interfaces))).collect())
    }

    pub(super) async fn properties(&mut self, path: &str, interface: &str) -> Result<Properties, CallError> {
        let answer = self.bus.call(path, PROPERTIES, &interface, PATIENCE).await?;
        answer.body().deserialize().map(Properties).map_err(|_| CallError::Lost)
    }

    /// Notes that a message was handed on in so many parts.
    pub(super) fn offer(&mut self, path: &str, parts: usize) {
        self.offered.insert(path.to_owned());
        let parts = u16::try_from(parts).unwrap_or(u16::MAX);
        self.waiting.insert(path.to_owned(), (1..=parts).collect());
    }

    /// Where a part of a message lies: the way back that a receipt takes.
    pub(super) fn handed(&self, path: &str, part: u16) -> Handed {
        let place = Place { card: path.to_owned(), storage: "D-Bus".to_owned(), index: part };
        Handed { place, session: self.began.into_std(), number: u64::from(part) }
    }

    /// Deletes a message when all its parts are safe elsewhere.
    pub(super) async fn taken(&mut self, handed: &Handed) {
        let Handed { place, session, .. } = handed;
        if *session != self.began.into_std() {
            return;
        }
        let Some(parts) = self.waiting.get_mut(&place.card) else { return };
        parts.remove(&place.index);
        if parts.is_empty() {
            self.waiting.remove(&place.card);
            self.delete(&place.card).await;
        }
    }

    /// Deletes a message from ModemManager's memory, and from the SIM if it lies there.
    pub(super) async fn delete(&mut self, message: &str) {
        let (Some(path), Ok(message)) = (self.path.clone(), ObjectPath::try_from(message)) else { return };
        if let Err(error) = self.bus.call(&path, (MESSAGING, "Delete"), &message, PATIENCE).await {
            tracing::debug!(error = %error, "ModemManager did not delete a message; it is tried again");
            self.offered.remove(message.as_str());
        }
    }

    pub(super) fn forget_all_but(&mut self, messages: &[String]) {
        self.offered.retain(|path| messages.contains(path));
        self.waiting.retain(|path, _| messages.contains(path));
    }
}
