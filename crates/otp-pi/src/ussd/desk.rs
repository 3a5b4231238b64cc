//! The desk: dialogues that wait for a reply, by who began them and on which modem; and the balances that are known.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::clock::Clock;
use domain::secret::SecretText;
use gsm::{UssdAnswer, UssdStatus};
use modem::{ModemHandle, UssdCode, UssdDialogue, UssdError, UssdReply};
use store::{Store, StoreError};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::timeout;
use tracing::{error, info, warn};

use super::balance::{Balance, BalanceError, BalancePlan, BalanceSettings};

/// How long a modem that is at work may take to give its turn.
const TURN: Duration = Duration::from_secs(30);
/// How many may ask at once; each modem serves one after the other.
const ASKERS: usize = 32;
/// Under which name the store keeps the balance of a modem.
const KEPT: &str = "balance.";

/// What is said to the network.
#[derive(Clone, Debug)]
pub enum Act {
    /// A code; a dialogue of the same person on the same modem is ended first.
    Code(UssdCode),
    /// A reply in the dialogue that is open.
    Reply(UssdReply),
}

/// What the network says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What it says with the text.
    pub status: UssdStatus,
    /// The text.
    pub text: SecretText,
    /// The lines as the modem wrote them.
    pub raw: SecretText,
    /// Whether a reply is awaited.
    pub is_open: bool,
}

impl Answered {
    /// What an answer says.
    ///
    /// # Errors
    /// [`DeskError::Status`]: it says nothing.
    pub fn of(answer: &UssdAnswer) -> Result<Self, DeskError> {
        let is_empty = answer.text.trim().is_empty();
        match answer.status {
            UssdStatus::Final | UssdStatus::ReplyExpected => {}
            UssdStatus::Terminated | UssdStatus::Unknown if !is_empty => {}
            status => return Err(DeskError::Status(status)),
        }
        Ok(Self {
            status: answer.status,
            text: SecretText::new(answer.text.as_str()),
            raw: SecretText::new(answer.raw.as_str()),
            is_open: answer.status == UssdStatus::ReplyExpected,
        })
    }
}

/// Says why there is no answer. Never with a code or a text in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeskError {
    /// Too many ask, or this modem is at work; nothing was asked.
    #[error("the modem is busy; nothing was asked")]
    Busy,
    /// The modem or the network.
    #[error(transparent)]
    Ussd(#[from] UssdError),
    /// The network has no text for it.
    #[error("{}", words(*.0))]
    Status(UssdStatus),
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    /// Dialogues that wait for a reply, by who began them and on which modem.
    open: Mutex<HashMap<(String, String), UssdDialogue>>,
    askers: Semaphore,
    balances: Mutex<BTreeMap<String, Balance>>,
    pub(super) plans: watch::Sender<Vec<BalancePlan>>,
    /// Woken for every code that is accepted.
    pub(super) code_came: Notify,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Desk").finish_non_exhaustive()
    }
}

impl Desk {
    /// Opens the desk.
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        let inner = Inner {
            store,
            clock,
            open: Mutex::default(),
            askers: Semaphore::new(ASKERS),
            balances: Mutex::default(),
            plans: watch::Sender::new(Vec::new()),
            code_came: Notify::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Says something to the network in somebody's name and waits for the answer; a menu is kept for their next act.
    ///
    /// Dropping the future ends the dialogue.
    ///
    /// # Errors
    /// [`DeskError`]; there is no open dialogue then.
    pub async fn speak(&self, owner: &str, modem: &ModemHandle, act: Act) -> Result<Answered, DeskError> {
        let _asker = self.inner.askers.try_acquire().map_err(|_| DeskError::Busy)?;
        let key = (owner.to_owned(), modem.name().to_owned());
        let mut dialogue = match (self.take(&key), &act) {
            (Some(dialogue), _) => dialogue,
            (None, Act::Code(_)) => timeout(TURN, modem.ussd()).await.map_err(|_| DeskError::Busy)??,
            (None, Act::Reply(_)) => return Err(UssdError::Over.into()),
        };
        let answer = match &act {
            Act::Code(code) => dialogue.ask(code).await,
            Act::Reply(reply) => dialogue.reply(reply).await,
        };
        let word = answer.as_ref().map_or("no-answer", |answer| answer.status.word());
        info!(modem.name = modem.name(), ussd.status = word, "the network was asked over USSD");
        let answered = Answered::of(&answer?)?;
        if dialogue.is_open() {
            self.open().insert(key, dialogue);
        }
        Ok(answered)
    }

    /// Tells whether somebody's dialogue on a modem waits for a reply.
    #[must_use]
    pub fn is_open(&self, owner: &str, modem: &ModemHandle) -> bool {
        let key = (owner.to_owned(), modem.name().to_owned());
        self.open().get(&key).is_some_and(UssdDialogue::is_open)
    }

    /// Ends somebody's dialogue on a modem; tells whether there was one.
    ///
    /// # Errors
    /// [`UssdError`]: the line is gone, and the dialogue with it.
    pub async fn cancel(&self, owner: &str, modem: &ModemHandle) -> Result<bool, UssdError> {
        let Some(mut dialogue) = self.take(&(owner.to_owned(), modem.name().to_owned())) else { return Ok(false) };
        dialogue.cancel().await.map(|()| true)
    }

    /// Lets a code go first that was accepted: a balance can wait.
    pub fn yield_to_code(&self) {
        self.inner.code_came.notify_waiters();
    }

    /// Asks a modem's balance now, for somebody who waits for it.
    ///
    /// # Errors
    /// [`BalanceError`].
    pub async fn ask_balance(&self, modem: &ModemHandle) -> Result<Balance, BalanceError> {
        let plan = self.inner.plans.borrow().iter().find(|plan| plan.modem.is_same(modem)).cloned();
        let plan = plan.ok_or(BalanceError::NotSet)?;
        let dialogue = timeout(TURN, modem.ussd()).await.map_err(|_| DeskError::Busy)?.map_err(DeskError::from)?;
        let balance = self.ask(dialogue, &plan).await?;
        self.keep(&plan, &balance).await;
        Ok(balance)
    }

    /// The balance of the SIM that a modem has now, if it is known.
    #[must_use]
    pub fn balance(&self, modem: &ModemHandle) -> Option<Balance> {
        let known = self.inner.balances.lock().unwrap_or_else(PoisonError::into_inner).get(modem.name()).cloned()?;
        let status = modem.status();
        let iccid = status.borrow().identity.iccid.clone();
        let is_other = matches!((&known.iccid, &iccid), (Some(then), Some(now)) if then != now);
        (!is_other).then_some(known)
    }

    /// Reads what is known of modems from before the start.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn recall(&self, names: impl Iterator<Item = &str>) -> Result<(), StoreError> {
        for name in names {
            let kept = self.inner.store.find_setting(&format!("{KEPT}{name}")).await?;
            let kept = kept.and_then(|text| serde_json::from_str(text.expose()).ok());
            if let Some(balance) = kept {
                self.balances().entry(name.to_owned()).or_insert(balance);
            }
        }
        Ok(())
    }

    /// Goes by other modems and settings from now on.
    pub fn set_plans(&self, plans: Vec<BalancePlan>) {
        self.inner.plans.send_replace(plans);
    }

    /// Goes through the menus to the amount.
    pub(super) async fn ask(&self, mut dialogue: UssdDialogue, plan: &BalancePlan) -> Result<Balance, BalanceError> {
        let BalanceSettings { code, replies, pattern, low, .. } = &plan.settings;
        let mut answered = Answered::of(&dialogue.ask(code).await.map_err(DeskError::from)?)?;
        for reply in replies {
            if !answered.is_open {
                return Err(BalanceError::OverEarly);
            }
            answered = Answered::of(&dialogue.reply(reply).await.map_err(DeskError::from)?)?;
        }
        if answered.is_open {
            // The amount may stand above the menu; what has been answered is answered, whatever the end of the dialogue says.
            drop(dialogue.cancel().await);
        }
        let text = answered.text.expose();
        let Some(amount) = pattern.find(text) else {
            if answered.is_open {
                return Err(BalanceError::MoreAsked);
            }
            return Err(BalanceError::NotFound { characters: text.chars().count() });
        };
        let status = plan.modem.status();
        let iccid = status.borrow().identity.iccid.clone();
        let is_low = low.is_some_and(|low| amount < low);
        Ok(Balance { amount, at_unix_millis: self.inner.clock.now().as_unix_millis(), is_low, iccid })
    }

    /// Keeps a balance over a restart, and says what a person must know.
    pub(super) async fn keep(&self, plan: &BalancePlan, balance: &Balance) {
        let name = plan.modem.name();
        let before = self.balances().insert(name.to_owned(), balance.clone());
        let was_low = before.is_some_and(|before| before.is_low);
        // Amounts are the owner's own business: the log says only that it is time.
        if balance.is_low && !was_low {
            error!(modem.name = name, "the SIM's balance is below balance_low: top it up");
        } else if balance.is_low {
            warn!(modem.name = name, "the SIM's balance is still below balance_low");
        } else if was_low {
            info!(modem.name = name, "the SIM's balance is not low any more");
        }
        let text = serde_json::to_string(balance).unwrap_or_default();
        let kept = self.inner.store.put_secret_setting(&format!("{KEPT}{name}"), &SecretText::new(text)).await;
        if let Err(error) = kept {
            warn!(modem.name = name, error = %error, "the balance could not be kept");
        }
    }

    fn take(&self, key: &(String, String)) -> Option<UssdDialogue> {
        let mut open = self.open();
        // Whatever has ended by itself is forgotten.
        open.retain(|_, dialogue| dialogue.is_open());
        open.remove(key)
    }

    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), UssdDialogue>> {
        self.inner.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn balances(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Balance>> {
        self.inner.balances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn words(status: UssdStatus) -> &'static str {
    match status {
        UssdStatus::Final | UssdStatus::ReplyExpected | UssdStatus::Unknown => "the network gave no answer",
        UssdStatus::Terminated => "the network has ended the dialogue without an answer",
        UssdStatus::OtherClient => "another program on the modem has answered the network",
        UssdStatus::NotSupported => "the network or the SIM does not know this code, or the modem could not ask it",
        UssdStatus::NetworkTimeOut => "the network took too long; what was asked may have been done",
    }
}
