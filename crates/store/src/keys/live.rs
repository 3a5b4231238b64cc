//! The keys of an open store: what seals and tags at this moment, and what the file says, kept alike while they rotate.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use domain::clock::WallTime;
use domain::otp::PepperRing;
use tokio::sync::Notify;

use super::book::{CannotRotate, KeyBook, KeyInfo};
use super::error::KeysError;
use super::lookup::LookupKey;
use super::place::{self, KeysPlace};
use super::{Keys, Rotation};
use crate::seal::SealKey;

/// Keys in use. Methods that change them write a file and must not run on a task's thread.
#[derive(Debug)]
pub(crate) struct LiveKeys {
    place: KeysPlace,
    lookup: LookupKey,
    book: Mutex<KeyBook>,
    peppers: RwLock<Arc<PepperRing>>,
    seal: RwLock<Arc<SealKey>>,
    rotated: Notify,
}

impl LiveKeys {
    pub(crate) fn new(keys: Keys) -> Self {
        let Keys { place, book, peppers, seal } = keys;
        Self {
            place,
            lookup: book.lookup().clone(),
            book: Mutex::new(book),
            peppers: RwLock::new(Arc::new(peppers)),
            seal: RwLock::new(Arc::new(seal)),
            rotated: Notify::new(),
        }
    }

    pub(crate) fn place(&self) -> &KeysPlace {
        &self.place
    }

    pub(crate) fn lookup(&self) -> &LookupKey {
        &self.lookup
    }

    /// The peppers at this moment.
    pub(crate) fn peppers(&self) -> Arc<PepperRing> {
        Arc::clone(&self.peppers.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The seal keys at this moment, for opening.
    pub(crate) fn seal(&self) -> Arc<SealKey> {
        Arc::clone(&self.seal.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Seals something and hands it to the writer, as one step that no rotation comes between. So whatever was sealed with
    /// an older key stands in the writer's mailbox before anything that is asked after the rotation, and a key is not given
    /// up while it is on its way. `work` must not wait for anything, and must not call this again.
    pub(crate) fn while_sealing<T>(&self, work: impl FnOnce(&SealKey) -> T) -> T {
        let seal = self.seal.read().unwrap_or_else(PoisonError::into_inner);
        work(&seal)
    }

    /// Ends when the keys were rotated since it ended last.
    pub(crate) async fn rotated(&self) {
        self.rotated.notified().await;
    }

    pub(crate) fn pepper_infos(&self) -> Vec<KeyInfo> {
        self.lock().pepper_infos()
    }

    pub(crate) fn seal_infos(&self) -> Vec<KeyInfo> {
        self.lock().seal_infos()
    }

    /// Makes new keys current: durable in the file first, then in use.
    pub(crate) fn rotate(&self, now: WallTime, longest_lifetime: Duration) -> Result<Rotation, KeysError> {
        if !self.place.is_ours() {
            return Err(KeysError::ReadOnly { path: self.place.path() });
        }
        let mut book = self.lock();
        let next = rotated(&book, now, longest_lifetime)?;
        self.write(&mut book, next)?;
        let rotation = Rotation::of(&book);
        drop(book);
        self.rotated.notify_one();
        Ok(rotation)
    }

    /// Drops older peppers whose last codes have expired; from the file too, where it is ours.
    pub(crate) fn drop_expired_peppers(&self, now: WallTime) -> Result<(), KeysError> {
        let mut book = self.lock();
        let next = book.without_expired_peppers(now);
        if next.len() == book.len() {
            return Ok(());
        }
        if self.place.is_ours() {
            return self.write(&mut book, next);
        }
        self.install(&mut book, next);
        Ok(())
    }

    /// Drops older seal keys that nothing needs any more. Where the file is not ours they stay in it, and do no harm.
    pub(crate) fn drop_seals(&self, ids: &[u32]) -> Result<(), KeysError> {
        let mut book = self.lock();
        let next = book.without_seals(ids);
        if next.len() == book.len() || !self.place.is_ours() {
            return Ok(());
        }
        self.write(&mut book, next)
    }

    /// From now on values of the first form do not open any more.
    pub(crate) fn refuse_first_form(&self) {
        let mut seal = self.seal.write().unwrap_or_else(PoisonError::into_inner);
        *seal = Arc::new(seal.as_ref().clone().without_first_form());
    }

    fn write(&self, book: &mut KeyBook, next: KeyBook) -> Result<(), KeysError> {
        place::replace(&self.place.path(), &next)?;
        self.install(book, next);
        Ok(())
    }

    fn install(&self, book: &mut KeyBook, next: KeyBook) {
        if let (Some(peppers), Some(seal)) = (next.pepper_ring(), next.seal_key()) {
            *self.peppers.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(peppers);
            let mut current = self.seal.write().unwrap_or_else(PoisonError::into_inner);
            let seal = if current.opens_first_form() { seal } else { seal.without_first_form() };
            *current = Arc::new(seal);
        }
        *book = next;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, KeyBook> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The book after a rotation, or why there is none.
pub(super) fn rotated(book: &KeyBook, now: WallTime, longest_lifetime: Duration) -> Result<KeyBook, KeysError> {
    book.rotated(now, longest_lifetime).map_err(|error| match error {
        CannotRotate::Randomness => KeysError::Randomness,
        CannotRotate::TooMany(count) => KeysError::TooMany { count },
    })
}
