//! The settings that are in force: read again, changed and applied while everything runs.
//!
//! One task, so that two changes never meet. A change has three steps: whatever may fail is made ready and touches nothing; then the
//! database keeps it, in one commit; then it is put into force, which cannot fail. So it comes whole or not at all. Where no gateway
//! runs the same task changes what the database keeps, and the next start puts it into force.

use domain::secret::SecretText;
use store::{Passphrase, PasswordHasher, Store, TextAtRest};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::running::Running;
use super::users;
use crate::config::{Changed, ConfigError, EditError, Loaded, SEALED, Sources};
use crate::operator::{Applied, Edit, Setting, SettingsAsk, SettingsError};

/// The name under which the store keeps the database's document.
pub(super) const DOCUMENT: &str = "settings";

/// Keys that are read once, at the start.
const AT_START: [&str; 8] = [
    "data_dir",
    "keys.",
    "otp.ticket_store",
    "sms.max_queue",
    "sms.text_at_rest",
    "log.format",
    "retention.",
    "api.max_connections",
];

/// The task; see the module.
pub(super) struct Live {
    sources: Sources,
    /// What is in force, but for the keys of [`AT_START`].
    loaded: Loaded,
    /// What was in force at the start.
    at_start: Loaded,
    store: Store,
    /// None where no gateway runs.
    running: Option<Running>,
}

impl Live {
    pub(super) fn new(sources: Sources, loaded: Loaded, store: Store, running: Option<Running>) -> Self {
        Self { sources, at_start: loaded.clone(), loaded, store, running }
    }

    /// Answers until `stop`.
    ///
    /// # Errors
    /// None today; the signature is that of every task.
    pub(super) async fn run(
        mut self,
        mut asks: mpsc::Receiver<SettingsAsk>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        loop {
            // Cancel-safe: a receiver loses nothing when its wait is dropped.
            let ask = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(ask) = asks.recv() => ask,
            };
            // Whoever asked may not wait for the answer any more.
            match ask {
                SettingsAsk::Reload(answer) => drop(answer.send(self.reload().await)),
                SettingsAsk::Edit(edit, answer) => drop(answer.send(self.edit(*edit).await)),
                SettingsAsk::List(answer) => drop(answer.send(self.list())),
                SettingsAsk::ApiUsers(answer) => drop(answer.send(self.loaded.api_users())),
                SettingsAsk::Export(passphrase, answer) => drop(answer.send(self.export(passphrase).await)),
            }
        }
    }

    async fn reload(&mut self) -> Result<Applied, SettingsError> {
        let applied = self.read_again().await;
        match &applied {
            Ok(applied) => info!(
                settings.changed = applied.changed.len(),
                settings.restart = applied.needs_restart.join("; "),
                "the settings were read again"
            ),
            Err(error) => warn!(error = %error, "the settings stay as they were"),
        }
        applied
    }

    async fn read_again(&mut self) -> Result<Applied, SettingsError> {
        if self.running.is_none() {
            return Err(SettingsError("no gateway runs here: its next start reads the settings".to_owned()));
        }
        let new = self.read(self.document().await?).await?;
        self.change_to(new, None).await
    }

    async fn edit(&mut self, edit: Edit) -> Result<Applied, SettingsError> {
        let present = self.document().await?;
        let mut left_out = Vec::new();
        let document = match edit {
            Edit::Import { document, passphrase } => {
                let imported = self.import(document, present, passphrase).await?;
                left_out = imported.1;
                imported.0
            }
            edit => self.draft(edit, present.as_ref()).await?,
        };
        let new = self.read(Some(document.clone())).await?;
        let applied = self.change_to(new, Some(&document)).await?;
        info!(settings.changed = applied.changed.len(), "the settings in the database were changed");
        Ok(Applied { left_out, ..applied })
    }

    /// Reads file and environment, above this document of the database.
    async fn read(&self, document: Option<SecretText>) -> Result<Loaded, SettingsError> {
        let sources = self.sources.clone();
        // Files are not for a worker.
        let read = tokio::task::spawn_blocking(move || sources.load(document.as_ref()));
        read.await.map_err(said)?.map_err(|error| SettingsError(error.to_string()))
    }

    async fn draft(&self, edit: Edit, present: Option<&SecretText>) -> Result<SecretText, SettingsError> {
        let mut draft = self.loaded.draft(present).map_err(said)?;
        match edit {
            Edit::Set { key, value } => draft.set(&key, &value),
            Edit::Unset { key } => draft.unset(&key),
            Edit::AddApiUser { username, password, scopes, class } => {
                let hash = hash(password).await?;
                draft.add_api_user(&username, &hash, &scopes, class.as_deref())
            }
            Edit::SetPassword { username, password } => {
                let hash = hash(password).await?;
                draft.set_password(&username, &hash)
            }
            Edit::SetActive { username, is_active } => draft.set_active(&username, is_active),
            Edit::RemoveApiUser { username } => draft.remove_api_user(&username),
            Edit::Import { .. } => Err(EditError::Damaged),
        }
        .map_err(said)?;
        Ok(draft.into_document())
    }

    async fn document(&self) -> Result<Option<SecretText>, SettingsError> {
        self.store.find_setting(DOCUMENT).await.map_err(said)
    }

    /// Has the database keep a document, where there is one, and puts other settings into force.
    async fn change_to(&mut self, mut new: Loaded, document: Option<&SecretText>) -> Result<Applied, SettingsError> {
        // A directory that comes with the next start must not get a certificate before.
        new.config.tls.directory.clone_from(&self.at_start.config.tls.directory);
        // Texts stay in memory until the next start, and so long an answer must wait.
        if self.at_start.config.store.text_at_rest == TextAtRest::Never && new.config.gateway.wait.is_none() {
            new.config.gateway.wait = self.loaded.config.gateway.wait;
            new.config.api.render.code_state = true;
        }
        let users = users::changes(&self.store, new.config.api_users.clone()).await.map_err(said)?;
        let ready = match &mut self.running {
            Some(running) => Some(running.prepare(&new.config).await?),
            None => None,
        };
        let are_users_new = !users.users.is_empty();
        let kept = document.map(|document| (DOCUMENT, document));
        if let Err(error) = self.store.keep_settings(kept, users.users.clone()).await {
            if let (Some(running), Some(ready)) = (&mut self.running, ready) {
                running.abandon(ready).await;
            }
            return Err(said(error));
        }
        // Nothing can fail from here on.
        users.tell();
        self.store.allow_lifetime(new.config.store.longest_lifetime);
        if let (Some(running), Some(ready)) = (&mut self.running, ready) {
            running.commit(ready, new.config.clone(), are_users_new).await;
        }
        let changes = self.loaded.changes(&new);
        self.loaded = new;
        let (changed, needs_restart) = match self.running {
            Some(_) => (words(&changes, |change| !is_at_start(change)), words(&self.waiting(), |_| true)),
            None => (Vec::new(), words(&changes, |_| true)),
        };
        Ok(Applied { changed, needs_restart, left_out: Vec::new() })
    }

    /// What was changed since the start and waits for the next one.
    fn waiting(&self) -> Vec<Changed> {
        self.at_start.changes(&self.loaded).into_iter().filter(is_at_start).collect()
    }

    fn list(&self) -> Vec<Setting> {
        let waiting = self.waiting();
        let mut settings = self.loaded.settings();
        for setting in &mut settings {
            setting.needs_restart = waiting.iter().any(|change| change.key == setting.key);
        }
        settings
    }

    async fn export(&self, passphrase: Option<SecretText>) -> Result<String, SettingsError> {
        let Some(passphrase) = passphrase else { return self.loaded.export(None).map_err(SettingsError) };
        let loaded = self.loaded.clone();
        // Argon2 and the files of secrets: not on a worker.
        let work = move || {
            let mut passphrase = Passphrase::new(passphrase);
            loaded.export(Some(&mut |key, clear| {
                let sealed = passphrase.seal(key, clear).map_err(|error| format!("{key}: {error}"))?;
                Ok(format!("{SEALED}{sealed}"))
            }))
        };
        tokio::task::spawn_blocking(work).await.map_err(said)?.map_err(SettingsError)
    }

    async fn import(
        &self,
        document: SecretText,
        present: Option<SecretText>,
        passphrase: Option<SecretText>,
    ) -> Result<(SecretText, Vec<String>), SettingsError> {
        let loaded = self.loaded.clone();
        let work = move || {
            let mut passphrase = passphrase.map(Passphrase::new);
            loaded.import(&document, present.as_ref(), &mut |key, sealed| {
                let Some(passphrase) = passphrase.as_mut() else { return Err("it is sealed".to_owned()) };
                let sealed = sealed.strip_prefix(SEALED).unwrap_or(sealed);
                passphrase.open(key, sealed).map_err(|error| error.to_string())
            })
        };
        let imported = tokio::task::spawn_blocking(work).await.map_err(said)?;
        let imported = imported.map_err(|error: ConfigError| SettingsError(error.to_string()))?;
        Ok((imported.document, imported.left_out))
    }
}

fn is_at_start(change: &Changed) -> bool {
    AT_START.iter().any(|key| change.key == *key || (key.ends_with('.') && change.key.starts_with(key)))
}

fn words(changes: &[Changed], is_meant: impl Fn(&Changed) -> bool) -> Vec<String> {
    changes.iter().filter(|change| is_meant(change)).map(ToString::to_string).collect()
}

async fn hash(password: SecretText) -> Result<String, SettingsError> {
    if password.expose().is_empty() {
        return Err(SettingsError("the password is empty".to_owned()));
    }
    let work = move || PasswordHasher::default().hash(&password);
    tokio::task::spawn_blocking(work).await.map_err(said)?.map_err(said)
}

pub(super) fn said(error: impl std::fmt::Display) -> SettingsError {
    SettingsError(format!("{error:#}"))
}
