//! The handle's half for keys: rotation while the gateway works, what follows it, and what may be told about them.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::db::{self, SEALED_WITH};
use crate::error::StoreError;
use crate::keys::{KeysError, KeysPlace, LiveKeys, Rotation};
use crate::resealing;
use crate::seal::SealedBy;
use crate::store::Store;
use crate::writer::job::RareStep;

/// A rotation, or what follows it, came to no end.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The keys file stands in the way.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The database does.
    #[error("what is sealed with older keys could not be sealed anew; it is tried again by itself")]
    Store(#[from] StoreError),
}

/// What [`Store::reseal`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resealed {
    /// Values that were sealed anew.
    pub values: u64,
    /// Values that no key opens; they were lost before.
    pub unreadable: u64,
}

/// What may be told about the keys. Never a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysStatus {
    /// The file.
    pub path: String,
    /// `data_dir`, `file` or `credential`.
    pub origin: String,
    /// Peppers, the current one first.
    pub peppers: Vec<PepperStatus>,
    /// Seal keys, the current one first.
    pub seals: Vec<SealStatus>,
    /// Sealed values whose key is not at hand.
    pub lost_values: u64,
    /// True when nothing is left to be sealed anew.
    pub is_resealed: bool,
}

/// One pepper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PepperStatus {
    /// Its number.
    pub id: u32,
    /// When it was made, in milliseconds since the Unix epoch, where that is known.
    pub made_at_millis: Option<i64>,
    /// Of an older one: until when its codes are good, in milliseconds since the Unix epoch.
    pub honoured_until_millis: Option<i64>,
}

/// One seal key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealStatus {
    /// Its number.
    pub id: u32,
    /// When it was made, in milliseconds since the Unix epoch, where that is known.
    pub made_at_millis: Option<i64>,
    /// How many stored values are sealed with it.
    pub values: u64,
}

impl Store {
    /// Makes a new pepper and a new seal key current, durably. The older pepper is honoured until the last of its codes has
    /// expired; the older seal key opens what it sealed until [`Self::reseal`] is through.
    ///
    /// # Errors
    /// [`KeysError`]; then the keys are as they were. [`KeysError::ReadOnly`] where they come from elsewhere.
    pub async fn rotate_keys(&self) -> Result<Rotation, KeysError> {
        let longest = Duration::from_millis(self.inner.longest_lifetime.load(Ordering::Relaxed));
        let now = self.inner.clock.now();
        let rotation = self.with_keys(move |keys| keys.rotate(now, longest)).await?;
        tracing::info!(keys.pepper = rotation.pepper, keys.seal = rotation.seal, "the keys were rotated");
        Ok(rotation)
    }

    /// Ends when the keys were rotated: time for [`Self::tend_keys`].
    pub async fn keys_rotated(&self) {
        self.inner.codec.keys.rotated().await;
    }

    /// What has to be done about keys at the start, after a rotation and every hour: drops older peppers whose codes have
    /// expired, seals anew what is sealed with older keys. Nothing most of the time.
    ///
    /// # Errors
    /// [`RotationError`]; what was done stays done, and the next call goes on.
    pub async fn tend_keys(&self) -> Result<(), RotationError> {
        if self.inner.clock.is_synchronised() {
            let now = self.inner.clock.now();
            self.with_keys(move |keys| keys.drop_expired_peppers(now)).await?;
        }
        if !self.is_resealed().await? {
            tracing::info!("what is sealed with older keys is sealed anew, in the background");
            let done = self.reseal().await?;
            tracing::info!(
                values = done.values,
                unreadable = done.unreadable,
                "everything is sealed with the current key"
            );
        }
        Ok(())
    }

    /// Seals everything anew that is not sealed with the current key, in small commits, and then drops the older seal keys.
    /// May be broken off at any time and begun again.
    ///
    /// # Errors
    /// [`RotationError`]; no key that is needed was dropped.
    pub async fn reseal(&self) -> Result<Resealed, RotationError> {
        let mut done = Resealed::default();
        let keys = &self.inner.codec.keys;
        loop {
            let seal = keys.seal();
            // Whatever was sealed before a rotation that we know of is committed when this is answered.
            self.rare(RareStep::Barrier).await?;
            loop {
                let pass = resealing::pass(&self.inner.mailbox, &self.inner.reader, keys).await?;
                done.values = done.values.saturating_add(pass.resealed);
                done.unreadable = pass.unreadable;
                if pass.resealed == 0 {
                    break;
                }
            }
            // A whole look found nothing that needs them.
            let older = seal.previous_ids();
            self.with_keys(move |keys| keys.drop_seals(&older)).await?;
            if keys.seal().current_id() == seal.current_id() {
                self.rare(RareStep::NoteSealedWith(seal.head())).await?;
                keys.refuse_first_form();
                return Ok(done);
            }
        }
    }

    /// Which keys there are, where they come from, and what is sealed with each. Looks at every row, in small reads.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keys_status(&self) -> Result<KeysStatus, StoreError> {
        let counts = resealing::count(&self.inner.reader).await?;
        let is_resealed = self.is_resealed().await?;
        let keys = &self.inner.codec.keys;
        let seals = keys.seal_infos().into_iter().map(|info| {
            let values = values_under(&counts, info.id);
            SealStatus { id: info.id, made_at_millis: info.made_at, values }
        });
        let seals: Vec<_> = seals.collect();
        let sum = counts.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
        let known = seals.iter().fold(0_u64, |sum, seal| sum.saturating_add(seal.values));
        let peppers = keys.pepper_infos().into_iter().map(|info| PepperStatus {
            id: info.id,
            made_at_millis: info.made_at,
            honoured_until_millis: info.honoured_until,
        });
        Ok(KeysStatus {
            path: keys.place().path().display().to_string(),
            origin: match keys.place() {
                KeysPlace::Own(_) => "data_dir",
                KeysPlace::File(_) => "file",
                KeysPlace::Credential(_) => "credential",
            }
            .to_owned(),
            peppers: peppers.collect(),
            seals,
            lost_values: sum.saturating_sub(known),
            is_resealed,
        })
    }

    async fn is_resealed(&self) -> Result<bool, StoreError> {
        let noted = db::find_meta(&self.inner.reader, SEALED_WITH).await?;
        Ok(noted.is_some_and(|noted| noted == self.inner.codec.keys.seal().head()))
    }

    /// Does something with the keys where files may be written.
    async fn with_keys<T: Send + 'static>(
        &self,
        work: impl FnOnce(&LiveKeys) -> Result<T, KeysError> + Send + 'static,
    ) -> Result<T, KeysError> {
        let codec = std::sync::Arc::clone(&self.inner.codec);
        tokio::task::spawn_blocking(move || work(&codec.keys)).await.map_err(|_| KeysError::Interrupted)?
    }
}

/// Values of both forms under one key.
fn values_under(counts: &BTreeMap<SealedBy, u64>, id: u32) -> u64 {
    let count = |by| counts.get(&by).copied().unwrap_or(0);
    count(SealedBy::First(id)).saturating_add(count(SealedBy::Second(id)))
}
