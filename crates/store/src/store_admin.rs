//! The handle's half for people: block list, API users, settings. Seldom asked, durable when answered.

use domain::blocklist::BlockEntry;
use domain::receiver::{Msisdn, Receiver};
use domain::secret::SecretText;

use crate::accounts;
use crate::api_user::{ApiUser, SecretUse};
use crate::audit::{AuditBy, AuditEvent, AuditKind, Recorded};
use crate::codec::Codec;
use crate::error::StoreError;
use crate::seal::SealKey;
use crate::store::Store;
use crate::writer::job::{Job, RareStep, Touched};

impl Store {
    /// Blocks a number, durably, and records by whom where he was not blocked before.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn block(&self, msisdn: Msisdn, by: &AuditBy) -> Result<(), StoreError> {
        self.set_blocked(msisdn, true, AuditKind::ReceiverBlocked, by).await
    }

    /// Unblocks a number, durably, and records by whom; it stays listed.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn unblock(&self, msisdn: Msisdn, by: &AuditBy) -> Result<(), StoreError> {
        self.set_blocked(msisdn, false, AuditKind::ReceiverUnblocked, by).await
    }

    async fn set_blocked(
        &self,
        msisdn: Msisdn,
        is_active: bool,
        kind: AuditKind,
        by: &AuditBy,
    ) -> Result<(), StoreError> {
        let entry = BlockEntry { msisdn, is_active, changed_at: self.inner.clock.now() };
        let audit = vec![self.recorded(AuditEvent::new(kind, by, msisdn.to_string()))];
        let codec = &self.inner.codec;
        self.rare_sealed(audit, |seal| {
            let (row_key, sealed) = codec.blocked_row(seal, msisdn)?;
            Ok(RareStep::SetBlocked { row_key, sealed, entry })
        })
        .await
    }

    /// A rare step that seals something, sealed when the writer has room for it and not before.
    async fn rare_sealed(
        &self,
        audit: Vec<Recorded>,
        step: impl FnOnce(&SealKey) -> Result<RareStep, StoreError>,
    ) -> Result<(), StoreError> {
        let slot = self.inner.mailbox.reserve().await?;
        let asked = self.inner.codec.keys.while_sealing(|seal| {
            let step = Box::new(step(seal)?);
            Ok::<_, StoreError>(slot.post(|answer| Job::Rare { step, audit, answer }))
        })?;
        asked.answer().await.map(|_: Touched| ())
    }

    /// Takes a number off the block list, durably.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn delete_blocked(&self, msisdn: Msisdn) -> Result<(), StoreError> {
        let row_key = self.inner.codec.receiver_key(msisdn.expose());
        self.rare(RareStep::DeleteBlocked { row_key, msisdn }).await
    }

    /// Tells whether nothing may be sent to the receiver. Answers from memory.
    #[must_use]
    pub fn is_blocked(&self, receiver: &Receiver) -> bool {
        self.inner.blocklist.is_blocked(receiver)
    }

    /// The block list, by number, unblocked entries included.
    #[must_use]
    pub fn blocked_entries(&self) -> Vec<BlockEntry> {
        self.inner.blocklist.entries()
    }

    /// All API users, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn api_users(&self) -> Result<Vec<ApiUser>, StoreError> {
        accounts::list(&self.inner.reader).await
    }

    /// The API user of that name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_api_user(&self, username: &str) -> Result<Option<ApiUser>, StoreError> {
        accounts::find(&self.inner.reader, username).await
    }

    /// Adds or replaces an API user, durably.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn put_api_user(&self, user: ApiUser) -> Result<(), StoreError> {
        self.rare(RareStep::PutApiUser(user)).await
    }

    /// Deletes an API user, durably.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn delete_api_user(&self, username: &str) -> Result<(), StoreError> {
        self.rare(RareStep::DeleteApiUser(username.to_owned())).await
    }

    /// When the secrets of API users were used last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn secret_uses(&self) -> Result<Vec<SecretUse>, StoreError> {
        accounts::uses(&self.inner.reader).await
    }

    /// Notes when secrets were used last, in one commit. What is said of a secret that its user does not have any more is dropped.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn note_secret_uses(&self, uses: Vec<SecretUse>) -> Result<(), StoreError> {
        if uses.is_empty() {
            return Ok(());
        }
        self.rare(RareStep::NoteSecretUses(uses)).await
    }

    /// Waits until everything that was asked before is durable, whoever asked and whether he still waits.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        self.rare(RareStep::Barrier).await
    }

    /// Stores a setting in clear.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn put_setting(&self, key: &str, value: &str) -> Result<(), StoreError> {
        let step = RareStep::PutSetting { key: key.to_owned(), is_sealed: false, value: value.as_bytes().to_vec() };
        self.rare(step).await
    }

    /// Stores a secret setting, sealed.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn put_secret_setting(&self, key: &str, value: &SecretText) -> Result<(), StoreError> {
        self.rare_sealed(Vec::new(), |seal| {
            let value = Codec::seal_setting(seal, key, value)?;
            Ok(RareStep::PutSetting { key: key.to_owned(), is_sealed: true, value })
        })
        .await
    }

    /// Puts API users and secret settings, and records it: durably, all of them or none.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn keep_settings(
        &self,
        documents: &[(&str, &SecretText)],
        users: Vec<ApiUser>,
        audit: Vec<AuditEvent>,
    ) -> Result<(), StoreError> {
        if documents.is_empty() && users.is_empty() && audit.is_empty() {
            return Ok(());
        }
        let audit = audit.into_iter().map(|event| self.recorded(event)).collect();
        self.rare_sealed(audit, |seal| {
            let sealed = |(key, value): &(&str, &SecretText)| {
                Ok::<_, StoreError>(((*key).to_owned(), Codec::seal_setting(seal, key, value)?))
            };
            let documents = documents.iter().map(sealed).collect::<Result<_, _>>()?;
            Ok(RareStep::KeepSettings { documents, users })
        })
        .await
    }

    /// The value of a setting, secret or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_setting(&self, key: &str) -> Result<Option<SecretText>, StoreError> {
        accounts::find_setting(&self.inner.reader, &self.inner.codec, key).await
    }

    /// Deletes a setting.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn delete_setting(&self, key: &str) -> Result<(), StoreError> {
        self.rare(RareStep::DeleteSetting(key.to_owned())).await
    }
}
