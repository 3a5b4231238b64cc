//! Settings as an operator sees and changes them: what is in force, where each value comes from, what may be changed.
//!
//! The settings live with the task that applies them (`app`); this is the handle through which it is asked.

use std::time::Duration;

use domain::secret::SecretText;
use serde::{Deserialize, Serialize};
use store::AuditBy;
use tokio::sync::{mpsc, oneshot};

/// Questions that may wait for the task that applies settings.
const WAITING: usize = 16;

/// One value that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its key as people write it: `otp.length`, `modem.south.port`.
    pub key: String,
    /// Its value in TOML; none for a secret.
    pub value: Option<String>,
    /// Where it comes from: `default`, `database`, `file, line 7`, or the variable's name.
    pub origin: String,
    /// True if it can only be changed where it was set.
    pub is_locked: bool,
    /// True if it was changed since the start, and the next start puts it into force.
    #[serde(default)]
    pub needs_restart: bool,
}

/// An API user as settings have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiUserView {
    /// The login name.
    pub username: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The class of its sends that name none.
    pub class: String,
    /// May be used.
    pub is_active: bool,
    /// From where it may call; from anywhere when there is none.
    pub networks: Vec<String>,
    /// Its passwords: the current one, and the one that is being rotated out.
    pub secrets: Vec<SecretView>,
    /// When something was last done in its name without a login, which the small dialects may be open to.
    pub used_without_login: Option<UseView>,
    /// Where the user comes from; see [`Setting::origin`].
    pub origin: String,
}

/// A password as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretView {
    /// `current` or `previous`.
    pub secret: String,
    /// False once its time is over.
    pub is_valid: bool,
    /// When it ends, in milliseconds since the Unix epoch, like all times here; none without such a time.
    pub valid_until: Option<i64>,
    /// When it was used last.
    pub last_use: Option<UseView>,
}

/// One use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseView {
    /// When.
    pub at: i64,
    /// From where.
    pub address: String,
}

/// One change of what the database keeps.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Sets keys, all of them or none; a value is TOML, or text where the key takes text.
    Set {
        /// Keys as people write them, with their values: they may be secrets.
        values: Vec<(String, SecretText)>,
    },
    /// Takes keys out, so that the default is in force again; or whole objects.
    Unset {
        /// The keys as people write them: `otp.lifetime`, `modem.south.cost`, `modem.south`.
        keys: Vec<String>,
    },
    /// Forgets all that the database keeps, readable or not.
    Reset,
    /// Adds an API user.
    AddApiUser {
        /// The login name; must be new.
        username: String,
        /// The password in clear; it is hashed before it is kept.
        password: SecretText,
        /// What it may do; all when empty.
        scopes: Vec<String>,
        /// The class of its sends that name none; the default when none.
        class: Option<String>,
        /// From where it may call; from anywhere when empty.
        networks: Vec<String>,
    },
    /// Sets an API user's password, and ends those that it had.
    SetPassword {
        /// The login name.
        username: String,
        /// The password in clear; it is hashed before it is kept.
        password: SecretText,
    },
    /// Sets an API user's password, and lets the old one be good for some time more.
    RotatePassword {
        /// The login name.
        username: String,
        /// The password in clear; it is hashed before it is kept.
        password: SecretText,
        /// How long the old one stays.
        keep: Duration,
        /// Even if two are valid already.
        is_forced: bool,
    },
    /// Ends the password of an API user that is being rotated out.
    RetirePassword {
        /// The login name.
        username: String,
    },
    /// Switches an API user on or off.
    SetActive {
        /// The login name.
        username: String,
        /// On?
        is_active: bool,
    },
    /// Forgets an API user.
    RemoveApiUser {
        /// The login name.
        username: String,
    },
    /// Replaces everything that the database keeps by an exported document.
    Import {
        /// The document.
        document: SecretText,
        /// What its secrets are sealed with.
        passphrase: Option<SecretText>,
    },
}

/// What came of a change or a reload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// What is in force now and was not before, in words.
    pub changed: Vec<String>,
    /// What the next start puts into force, all of it since this one.
    pub needs_restart: Vec<String>,
    /// What was not taken over, and why.
    pub left_out: Vec<String>,
    /// What else is to be known about it.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Why nothing was changed, in words for the one who asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(pub String);

/// A question to the task that applies settings.
#[derive(Debug)]
pub enum SettingsAsk {
    /// Read everything again, in whose name.
    Reload(AuditBy, oneshot::Sender<Result<Applied, SettingsError>>),
    /// Change what the database keeps, in whose name.
    Edit(Box<Edit>, AuditBy, oneshot::Sender<Result<Applied, SettingsError>>),
    /// What is in force?
    List(oneshot::Sender<Result<Vec<Setting>, SettingsError>>),
    /// Who may call the API?
    ApiUsers(oneshot::Sender<Result<Vec<ApiUserView>, SettingsError>>),
    /// One document of all that is set; secrets sealed with the passphrase, or left out.
    Export(Option<SecretText>, oneshot::Sender<Result<String, SettingsError>>),
}

/// Reaches the task that applies settings. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SettingsHandle {
    asks: mpsc::Sender<SettingsAsk>,
}

impl SettingsHandle {
    /// A handle, and what its task receives.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<SettingsAsk>) {
        let (asks, asked) = mpsc::channel(WAITING);
        (Self { asks }, asked)
    }

    /// Reads file, environment and database again, and puts what changed into force.
    ///
    /// # Errors
    /// [`SettingsError`]; nothing has changed then.
    pub async fn reload(&self, by: AuditBy) -> Result<Applied, SettingsError> {
        self.ask(|answer| SettingsAsk::Reload(by, answer)).await?
    }

    /// Changes what the database keeps, and puts it into force.
    ///
    /// # Errors
    /// [`SettingsError`]; nothing has changed then.
    pub async fn edit(&self, edit: Edit, by: AuditBy) -> Result<Applied, SettingsError> {
        self.ask(|answer| SettingsAsk::Edit(Box::new(edit), by, answer)).await?
    }

    /// Every value that is in force.
    ///
    /// # Errors
    /// [`SettingsError`] when the gateway is about to end, or what the database keeps cannot be read.
    pub async fn list(&self) -> Result<Vec<Setting>, SettingsError> {
        self.ask(SettingsAsk::List).await?
    }

    /// Every API user.
    ///
    /// # Errors
    /// [`SettingsError`] when the gateway is about to end, or what the database keeps cannot be read.
    pub async fn api_users(&self) -> Result<Vec<ApiUserView>, SettingsError> {
        self.ask(SettingsAsk::ApiUsers).await?
    }

    /// One TOML document of everything that is set, secrets sealed with the passphrase or left out.
    ///
    /// # Errors
    /// [`SettingsError`] in words.
    pub async fn export(&self, passphrase: Option<SecretText>) -> Result<String, SettingsError> {
        self.ask(|answer| SettingsAsk::Export(passphrase, answer)).await?
    }

    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> SettingsAsk) -> Result<T, SettingsError> {
        let gone = || SettingsError("the gateway is about to end".to_owned());
        let (answer, answered) = oneshot::channel();
        self.asks.send(question(answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())
    }
}
