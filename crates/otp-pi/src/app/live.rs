//! The settings that are in force: read again, changed and applied while everything runs.
//!
//! One task, so that two changes never meet. A change has three steps: whatever may fail is made ready and touches nothing; then the
//! database keeps it, in one commit; then it is put into force, which cannot fail. So it comes whole or not at all. Where no gateway
//! runs the same task changes what the database keeps, and the next start puts it into force.

use anyhow::Context as _;
use domain::clock::Clock as _;
use domain::secret::SecretText;
use store::{AuditBy, AuditKind, Passphrase, PasswordHasher, Store, TextAtRest};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::clock::SystemClock;
use super::record;
use super::running::Running;
use super::users::{self, UserChanges};
use crate::config::{Changed, Complaint, Config, ConfigError, EditError, Laid, SEALED, Sources};
use crate::operator::{ApiUserView, Applied, Edit, Setting, SettingsAsk, SettingsError};

/// The name under which the store keeps the database's document.
pub(super) const DOCUMENT: &str = "settings";

/// The way on when that document cannot be read.
pub(super) const UNREADABLE: &str = "the settings in the database cannot be read. Either bring back a backup of it, or forget them \
                                     all with otp-pi settings reset while the gateway is stopped: then file and environment count alone";

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

/// Checks that the document by which a start works is the one that the open store has.
///
/// # Errors
/// It cannot be read, or could not be read at first.
pub(super) async fn check_kept(store: &Store, kept: Option<&SecretText>) -> anyhow::Result<()> {
    let found = store.find_setting(DOCUMENT).await.context(UNREADABLE)?;
    let is_same = found.as_ref().map(SecretText::expose) == kept.map(SecretText::expose);
    anyhow::ensure!(is_same, "the settings in the database could not be read at first: start again");
    Ok(())
}

/// The task; see the module.
pub(super) struct Live {
    sources: Sources,
    /// What is in force, but for the keys of [`AT_START`].
    loaded: Laid,
    /// What was in force at the start.
    at_start: Laid,
    store: Store,
    /// None where no gateway runs.
    running: Option<Running>,
    /// Why the database's document counts for nothing here; never so where a gateway runs.
    unreadable: Option<SettingsError>,
}

impl Live {
    pub(super) fn new(sources: Sources, loaded: Laid, store: Store, running: Option<Running>) -> Self {
        Self { sources, at_start: loaded.clone(), loaded, store, running, unreadable: None }
    }

    /// For a gateway that does not run: whatever its settings are like, they can be looked at and mended.
    pub(super) async fn offline(sources: Sources, store: Store) -> Result<Self, SettingsError> {
        let mut live = Self::new(sources.clone(), sources.lay(None).map_err(said)?, store, None);
        match live.document().await.and_then(|document| sources.lay(document.as_ref()).map_err(said)) {
            Ok(laid) => (live.at_start, live.loaded) = (laid.clone(), laid),
            Err(error) => live.unreadable = Some(SettingsError(format!("{UNREADABLE}.\n{error}"))),
        }
        Ok(live)
    }

    fn readable(&self) -> Result<(), SettingsError> {
        self.unreadable.clone().map_or(Ok(()), Err)
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
                SettingsAsk::Reload(by, answer) => drop(answer.send(self.reload(&by).await)),
                SettingsAsk::Edit(edit, by, answer) => drop(answer.send(self.edit(*edit, &by).await)),
                SettingsAsk::List(answer) => drop(answer.send(self.readable().map(|()| self.list()))),
                SettingsAsk::ApiUsers(answer) => drop(answer.send(self.api_users().await)),
                SettingsAsk::Export(passphrase, answer) => drop(answer.send(self.export(passphrase).await)),
            }
        }
    }

    async fn reload(&mut self, by: &AuditBy) -> Result<Applied, SettingsError> {
        let applied = self.read_again(by).await;
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

    async fn read_again(&mut self, by: &AuditBy) -> Result<Applied, SettingsError> {
        if self.running.is_none() {
            return Err(SettingsError("no gateway runs here: its next start reads the settings".to_owned()));
        }
        let new = self.lay(self.document().await?).await?;
        let config = new.resolve().map_err(refused)?;
        self.change_to(new, Some(config), None, (AuditKind::SettingsChanged, by)).await
    }

    async fn edit(&mut self, edit: Edit, by: &AuditBy) -> Result<Applied, SettingsError> {
        let is_reset = matches!(edit, Edit::Reset);
        let kind = match &edit {
            Edit::Reset => AuditKind::SettingsReset,
            Edit::Import { .. } => AuditKind::SettingsImported,
            _ => AuditKind::SettingsChanged,
        };
        let present = if is_reset { None } else { self.readable().map(|()| self.document())?.await? };
        // The file as it is now: it is read with the change, and it says what is locked.
        let base = if is_reset { self.loaded.clone() } else { self.lay(present.clone()).await? };
        let mut left_out = Vec::new();
        let document = match edit {
            Edit::Reset => SecretText::new(""),
            Edit::Import { document, passphrase } => {
                let imported = import(base.clone(), document, present, passphrase).await?;
                left_out = imported.1;
                imported.0
            }
            edit => draft(&base, edit, present.as_ref()).await?,
        };
        let new = self.lay(Some(document.clone())).await?;
        let mut notes = Vec::new();
        let config = match new.resolve() {
            Ok(config) => Some(config),
            Err(problems) if self.mends(&base, &problems) => {
                notes.push("it is kept, but the gateway does not start yet:".to_owned());
                notes.extend(problems.iter().map(Complaint::to_string));
                None
            }
            Err(problems) => return Err(refused(problems)),
        };
        if self.running.is_some() && !is_reset && !self.loaded.changes(&base).is_empty() {
            notes.push("the file had been changed too: what it says now came into force with this".to_owned());
        }
        let applied = self.change_to(new, config, Some(&document), (kind, by)).await?;
        notes.extend(applied.notes.iter().cloned());
        self.unreadable = None;
        info!(settings.changed = applied.changed.len(), "the settings in the database were changed");
        Ok(Applied { left_out, notes, ..applied })
    }

    /// Whether a document that cannot be served is kept nevertheless: where none could be before, and less is wrong now. So whoever
    /// is locked out by several mistakes takes them out one by one.
    fn mends(&self, base: &Laid, problems: &[Complaint]) -> bool {
        let fewer = |before: Vec<Complaint>| problems.len() < before.len();
        self.running.is_none() && (self.unreadable.is_some() || base.resolve().err().is_some_and(fewer))
    }

    /// Reads file and environment, above this document of the database.
    async fn lay(&self, document: Option<SecretText>) -> Result<Laid, SettingsError> {
        let sources = self.sources.clone();
        // Files are not for a worker.
        tokio::task::spawn_blocking(move || sources.lay(document.as_ref())).await.map_err(said)?.map_err(said)
    }
    async fn document(&self) -> Result<Option<SecretText>, SettingsError> {
        self.store.find_setting(DOCUMENT).await.map_err(said)
    }

    /// Has the database keep a document, where there is one, and puts other settings into force.
    async fn change_to(
        &mut self,
        new: Laid,
        config: Option<Config>,
        document: Option<&SecretText>,
        (kind, by): (AuditKind, &AuditBy),
    ) -> Result<Applied, SettingsError> {
        let kept = document.map(|document| (DOCUMENT, document));
        let (Some(running), Some(mut config)) = (&mut self.running, config) else {
            // The next start looks after the API users.
            let record =
                record::of_change(&self.store, (kind, by), (&self.loaded, &new), &UserChanges::default()).await;
            let record = record.map_err(said)?;
            let documents: Vec<_> = kept.into_iter().chain([record.document()]).collect();
            self.store.keep_settings(&documents, Vec::new(), record.events.clone()).await.map_err(said)?;
            let needs_restart = words(&self.loaded.changes(&new), |_| true);
            self.loaded = new;
            return Ok(Applied { needs_restart, ..Applied::default() });
        };
        // A directory that comes with the next start must not get a certificate before.
        config.tls.directory.clone_from(&self.at_start.file.tls_directory());
        // Texts stay in memory until the next start, and so long an answer must wait.
        if self.at_start.file.store_settings().text_at_rest == TextAtRest::Never && config.gateway.wait.is_none() {
            config.gateway.wait = Some(self.loaded.file.api.wait_limit.0);
            config.api.render.code_state = true;
        }
        let users = users::changes(&self.store, config.api_users.clone()).await.map_err(said)?;
        let ready = running.prepare(&config).await?;
        let record = record::of_change(&self.store, (kind, by), (&self.loaded, &new), &users).await;
        let kept = async {
            let record = record?;
            let mut events = record.events.clone();
            events.extend(running.changed_certificate(&ready).map(|change| record::of_certificate(by, &change)));
            if kept.is_none() && users.users.is_empty() && events.is_empty() {
                return Ok(());
            }
            let documents: Vec<_> = kept.into_iter().chain([record.document()]).collect();
            anyhow::Ok(self.store.keep_settings(&documents, users.users.clone(), events).await?)
        };
        if let Err(error) = kept.await {
            running.abandon(ready).await;
            return Err(said(error));
        }
        // Nothing can fail from here on.
        users.tell();
        self.store.allow_lifetime(config.store.longest_lifetime);
        // First, so that whatever else comes into force does so for those who may still call.
        let under_way = running.api.auth().replace_users(users.known);
        running.commit(ready, config).await;
        let unsettled = match under_way {
            Some(under_way) => users::settle(under_way, &self.store).await,
            None => None,
        };
        let changed = words(&self.loaded.changes(&new), |change| !is_at_start(change));
        self.loaded = new;
        let notes = unsettled.into_iter().collect();
        Ok(Applied { changed, needs_restart: words(&self.waiting(), |_| true), notes, ..Applied::default() })
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

    async fn api_users(&self) -> Result<Vec<ApiUserView>, SettingsError> {
        self.readable()?;
        let auth = self.running.as_ref().map(|running| running.api.auth());
        users::with_secrets(self.loaded.api_users(), &self.loaded.file, &self.store, auth).await.map_err(said)
    }

    async fn export(&self, passphrase: Option<SecretText>) -> Result<String, SettingsError> {
        self.readable()?;
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
}

/// The database's document after a change.
async fn draft(base: &Laid, edit: Edit, present: Option<&SecretText>) -> Result<SecretText, SettingsError> {
    let mut draft = base.draft(present).map_err(said)?;
    match edit {
        Edit::Set { values } => {
            let set = values.iter().try_for_each(|(key, value)| draft.set(key, value.expose()));
            set.and_then(|()| values.iter().try_for_each(|(key, _)| draft.check_object(key)))
        }
        Edit::Unset { keys } => keys.iter().try_for_each(|key| draft.unset(key)),
        Edit::AddApiUser { username, password, scopes, class, networks } => {
            let hash = hash(password).await?;
            draft.add_api_user(&username, &hash, &scopes, class.as_deref(), &networks)
        }
        Edit::SetPassword { username, password } => {
            let hash = hash(password).await?;
            draft.set_password(&username, &hash)
        }
        Edit::RotatePassword { username, password, keep, is_forced } => {
            let hash = hash(password).await?;
            draft.rotate_password(&username, &hash, keep, is_forced, SystemClock.now())
        }
        Edit::RetirePassword { username } => draft.retire_password(&username),
        Edit::SetActive { username, is_active } => draft.set_active(&username, is_active),
        Edit::RemoveApiUser { username } => draft.remove_api_user(&username),
        Edit::Import { .. } | Edit::Reset => Err(EditError::Damaged),
    }
    .map_err(said)?;
    Ok(draft.into_document())
}

/// The document that an imported one leaves, and what was left out of it.
async fn import(
    base: Laid,
    document: SecretText,
    present: Option<SecretText>,
    passphrase: Option<SecretText>,
) -> Result<(SecretText, Vec<String>), SettingsError> {
    let work = move || {
        let mut passphrase = passphrase.map(Passphrase::new);
        base.import(&document, present.as_ref(), &mut |key, sealed| {
            let Some(passphrase) = passphrase.as_mut() else { return Err("it is sealed".to_owned()) };
            let sealed = sealed.strip_prefix(SEALED).unwrap_or(sealed);
            passphrase.open(key, sealed).map_err(|error| error.to_string())
        })
    };
    let imported = tokio::task::spawn_blocking(work).await.map_err(said)?;
    let imported = imported.map_err(|error: ConfigError| SettingsError(error.to_string()))?;
    Ok((imported.document, imported.left_out))
}

fn refused(problems: Vec<Complaint>) -> SettingsError {
    said(ConfigError::Invalid(problems))
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
