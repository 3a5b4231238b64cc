//! The settings that are in force: read again, changed and applied while everything runs.
//!
//! One task, so that two changes never meet. A change is checked as a whole before anything is touched; what cannot be put into force
//! leaves everything as it was. Where no gateway runs the same task changes what the database keeps, and applies nothing.

use std::sync::Arc;
use std::time::Duration;

use domain::secret::SecretText;
use store::{Passphrase, PasswordHasher, Store};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::listeners::Listeners;
use super::modems::Modems;
use super::users;
use crate::config::{Changed, ConfigError, EditError, Loaded, SEALED, Sources};
use crate::dispatch::{DispatcherHandle, Plan};
use crate::gateway::Gateway;
use crate::http::ApiState;
use crate::operator::{Applied, Edit, SettingsAsk, SettingsError};
use crate::telemetry::LogHandle;

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

/// The parts of a running gateway that follow the settings.
pub(super) struct Running {
    pub(super) gateway: Gateway,
    pub(super) dispatcher: DispatcherHandle,
    pub(super) modems: Modems,
    pub(super) api: Arc<ApiState>,
    pub(super) listeners: Listeners,
    pub(super) log: LogHandle,
}

/// The task; see the module.
pub(super) struct Live {
    pub(super) sources: Sources,
    pub(super) loaded: Loaded,
    pub(super) store: Store,
    /// None where no gateway runs.
    pub(super) running: Option<Running>,
}

impl Live {
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
                SettingsAsk::List(answer) => drop(answer.send(self.loaded.settings())),
                SettingsAsk::ApiUsers(answer) => drop(answer.send(self.loaded.api_users())),
                SettingsAsk::Export(passphrase, answer) => drop(answer.send(self.export(passphrase).await)),
            }
        }
    }

    async fn reload(&mut self) -> Result<Applied, SettingsError> {
        let document = self.document().await?;
        let applied = match self.sources.load(document.as_ref()) {
            Ok(new) => self.apply(new).await,
            Err(error) => Err(SettingsError(error.to_string())),
        };
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
        let new = self.sources.load(Some(&document)).map_err(|error| SettingsError(error.to_string()))?;
        self.store.put_secret_setting(DOCUMENT, &document).await.map_err(said)?;
        let applied = self.apply(new).await?;
        info!(settings.changed = applied.changed.len(), "the settings in the database were changed");
        Ok(Applied { left_out, ..applied })
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

    /// Puts other settings into force.
    async fn apply(&mut self, new: Loaded) -> Result<Applied, SettingsError> {
        let changes = self.loaded.changes(&new);
        let (at_start, changed): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| {
            AT_START.iter().any(|key| change.key == *key || (key.ends_with('.') && change.key.starts_with(key)))
        });
        users::update(&self.store, new.config.api_users.clone()).await.map_err(said)?;
        if let Some(running) = &mut self.running {
            running.apply(&new).await?;
        }
        self.loaded = new;
        let words = |changes: Vec<Changed>| changes.iter().map(ToString::to_string).collect();
        Ok(Applied { changed: words(changed), needs_restart: words(at_start), left_out: Vec::new() })
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

impl Running {
    async fn apply(&mut self, new: &Loaded) -> Result<(), SettingsError> {
        let config = new.config.clone();
        // What may fail comes first.
        let change = self.modems.prepare(config.modems).await.map_err(said)?;
        let bound = self.listeners.bind(&config.api).await.map_err(said)?;
        self.listeners.certify(&config.api, config.tls).await.map_err(said)?;
        self.api.set_settings(config.api);
        self.api.auth().forget_logins();
        self.listeners.commit(bound, &self.api);
        self.gateway.set_rules(config.gateway);
        self.log.set_filter(&config.log.filter);
        let drain: Duration = config.dispatch.drain_timeout;
        let plan = Plan { channels: change.channels(), table: config.routes };
        self.dispatcher.replan(config.dispatch, config.delivery_reports, plan).await;
        self.modems.commit(change, drain);
        Ok(())
    }
}

async fn hash(password: SecretText) -> Result<String, SettingsError> {
    if password.expose().is_empty() {
        return Err(SettingsError("the password is empty".to_owned()));
    }
    let work = move || PasswordHasher::default().hash(&password);
    tokio::task::spawn_blocking(work).await.map_err(said)?.map_err(said)
}

fn said(error: impl std::fmt::Display) -> SettingsError {
    SettingsError(format!("{error:#}"))
}
