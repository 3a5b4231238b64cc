//! The order of the steps, for every entrance: who may, what is asked, blocked or not, room in the queue, durable, answered.
//!
//! Every entrance (REST today; brokers, pages and the command line later) ends in [`Gateway::handle`]. It must never know which
//! entrance asked beyond the [`Caller`], never choose a channel, and never see a code: codes are born at the modem.
//! Room is reserved first, then the store commits, then the dispatcher gets the message: nothing has to be undone.

mod accept;
mod lint;
mod otp;
mod send;
mod simple;
mod text;
mod ussd;
mod wait;

pub use lint::{Finding, Forced, Lint, Severity, lint};
pub use text::{TextError, Texts, check_text};

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::clock::{Clock, WallTime};
use domain::command::{Caller, Command};
use domain::limits::Rule;
use domain::message::{MessageId, MessageState};
use domain::otp::CodeLength;
use domain::outcome::{BalanceEntry, Outcome, Reply, ReplyData};
use domain::receiver::{NumberingPlan, Receiver};
use getrandom::SysRng;
use rand_core::UnwrapErr;
use store::{Content, NewMessage, QueueEntry, Store, StoreError};
use tracing::{debug, error};

use crate::dispatch::DispatcherHandle;
use crate::event::{Events, MessageEvent};
use crate::limits::{LimitError, Limiter};
use crate::ussd::Desk;

/// How the rules of the gateway are set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How receivers are read.
    pub plan: NumberingPlan,
    /// Digits of a code.
    pub code_length: CodeLength,
    /// How long a code lives from its hand-over to the channel, when the caller names no expiration.
    pub lifetime: Duration,
    /// How long a code may live whatever the caller asks.
    pub max_lifetime: Duration,
    /// How many guesses a code allows.
    pub max_attempts: u32,
    /// Refuse what is past its deadline when it comes (1205).
    pub drop_expired: bool,
    /// How long after its `date_time` a send without `expiration` is wanted.
    pub expiration_offset: Duration,
    /// Whether the same id with other content is refused (1401) or a new message.
    pub rejects_id_conflict: bool,
    /// Whether the same id through another entrance is another message; else it is the same one, whichever way it comes.
    pub ids_per_entrance: bool,
    /// The texts of codes whose caller names none.
    pub texts: Texts,
    /// How long an answer over HTTP waits until the channel has taken the message; without it, not at all.
    pub wait: Option<Duration>,
}

/// The one door behind all entrances. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<RwLock<Arc<Inner>>>,
}

#[derive(Clone)]
struct Inner {
    settings: Settings,
    store: Store,
    dispatcher: DispatcherHandle,
    limiter: Limiter,
    desk: Desk,
    events: Events,
    clock: Arc<dyn Clock>,
}

impl Gateway {
    /// Builds the gateway.
    #[must_use]
    pub fn new(
        settings: Settings,
        store: Store,
        (dispatcher, limiter, desk): (DispatcherHandle, Limiter, Desk),
        events: Events,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            inner: Arc::new(RwLock::new(Arc::new(Inner { settings, store, dispatcher, limiter, desk, events, clock }))),
        }
    }

    /// Works by other rules from now on; what is under way ends by the rules under which it began.
    pub fn set_rules(&self, settings: Settings) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        *inner = Arc::new(Inner { settings, ..Inner::clone(&inner) });
    }

    /// Does what is asked, or says why not. A success answer is given only after the request is durable. `pass` is let go of as soon
    /// as the request is accepted or refused, however long the answer waits.
    pub async fn handle(&self, command: Command, caller: Caller, pass: impl Send) -> Reply {
        if !caller.may(&command) {
            return Reply::failed(Outcome::NotAllowed, format!("this API user may not use {}", command.name()));
        }
        let inner = self.inner();
        let command = match command {
            // The network takes its time, and the desk has its own bounds.
            Command::RequestUssd(request) => {
                drop(pass);
                return inner.ussd(request, &caller).await.unwrap_or_else(Reply::from);
            }
            other => other,
        };
        let watch = inner.watch(&command, caller.entrance);
        let now = inner.clock.now();
        let done = match command {
            Command::CreateOtp(request) => inner.create_otp(request, caller, now).await,
            Command::ValidateOtp(request) => inner.validate_otp(request, &caller, now).await,
            Command::CancelOtp { reference } => inner.cancel_otp(reference, &caller, now).await,
            Command::SendCode { receiver } => inner.send_code(receiver, caller, now).await,
            Command::CheckCode { receiver, otp } => inner.check_code(receiver, otp, &caller, now).await,
            Command::FindCode { receiver } => inner.find_code(receiver, &caller, now).await,
            Command::Send(request) => inner.send(request, caller, now).await,
            Command::GetStatus(query) => inner.status(query, &caller).await,
            Command::BlockMsisdn { receiver } => inner.block(receiver, true, &caller).await,
            Command::UnblockMsisdn { receiver } => inner.block(receiver, false, &caller).await,
            Command::RequestUssd(request) => inner.ussd(request, &caller).await,
            Command::GetModemList => Ok(inner.modems()),
            Command::Echo => Ok(Reply::accepted(ReplyData::Echo)),
        };
        drop(pass);
        let reply = done.unwrap_or_else(Reply::from);
        match watch {
            Some(watch) => inner.follow(watch, reply).await,
            None => reply,
        }
    }

    /// Tells whether a code could be sent just now: a modem that may send for the API is ready, and the store can be written.
    #[must_use]
    pub fn can_send(&self) -> bool {
        let inner = self.inner();
        inner.dispatcher.has_ready_modem() && inner.store.is_writable()
    }

    fn inner(&self) -> Arc<Inner> {
        Arc::clone(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    /// Reads a receiver, or answers why it cannot be one.
    fn receiver(&self, text: &str) -> Result<Receiver, Refusal> {
        Receiver::parse(text, &self.settings.plan)
            .map_err(|error| Refusal::new(Outcome::FieldInvalid, format!("receiver: {error}")))
    }

    /// What every send must pass before room is made for it: something that can send it, and a receiver who is not blocked.
    fn admit(&self, receiver: &Receiver) -> Result<(), Refusal> {
        let Receiver::Msisdn(_) = receiver else {
            return Err(Refusal::new(Outcome::NotSent, "e-mail cannot be sent: this gateway has no e-mail account"));
        };
        if self.store.is_blocked(receiver) {
            return Err(Refusal::new(Outcome::Blocked, "the receiver is blocked"));
        }
        if !self.dispatcher.has_modem() {
            return Err(Refusal::new(Outcome::NoModem, "no modem is configured that may send for the API"));
        }
        Ok(())
    }

    fn modems(&self) -> Reply {
        let mut modems = self.dispatcher.modems();
        let plan = self.dispatcher.plan();
        for (entry, channel) in modems.iter_mut().zip(&plan.channels).filter(|it| it.0.name == it.1.modem.name()) {
            entry.balance = self.desk.balance(&channel.modem).map(|balance| BalanceEntry {
                amount: balance.amount.number(),
                at: balance.at(),
                is_low: balance.is_low,
            });
        }
        Reply::accepted(ReplyData::Modems(modems))
    }

    fn announce(&self, id: MessageId, state: MessageState, at: WallTime) {
        debug!(message.id = %id, message.state = state.as_str(), "message changed");
        self.events.publish(MessageEvent { id, state, reason: None, channel: None, at });
    }
}

/// Why a request is not done. Becomes the reply; nothing was changed.
#[derive(Debug)]
struct Refusal {
    outcome: Outcome,
    error: String,
    retry_after: Option<Duration>,
    rule: Option<String>,
}

impl Refusal {
    fn new(outcome: Outcome, error: impl Into<String>) -> Self {
        Self { outcome, error: error.into(), retry_after: None, rule: None }
    }

    fn field(error: impl Into<String>) -> Self {
        Self::new(Outcome::FieldInvalid, error)
    }

    /// For a store that cannot: the caller may try again.
    fn store_failed(error: &StoreError) -> Self {
        error!(error = %error, "the store refused a request");
        let text = format!("the request could not be stored: {error}");
        Self { retry_after: Some(Duration::from_secs(5)), ..Self::new(Outcome::QueueFull, text) }
    }

    fn no_tries() -> Self {
        let error = "all tries under this reference are used up: another code could not be entered";
        Self::new(Outcome::TooManyAttempts, error)
    }

    fn queue_full() -> Self {
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..Self::new(Outcome::QueueFull, "too many messages are waiting")
        }
    }
}

impl From<LimitError> for Refusal {
    fn from(error: LimitError) -> Self {
        let refusal = match &error {
            LimitError::Store(error) => return Self::store_failed(error),
            LimitError::Refused(refusal) => *refusal,
        };
        let outcome = match refusal.rule {
            Rule::Destinations | Rule::DestinationsDenied | Rule::CostlyNumber => Outcome::DestinationNotAllowed,
            Rule::CoolDown
            | Rule::CodesPerReceiver(_)
            | Rule::WrongPerReceiver(_)
            | Rule::Lock
            | Rule::CodesPerPrefix(_)
            | Rule::CodesPerCountry(_)
            | Rule::CodesPerClient(_)
            | Rule::ApiUser(_)
            | Rule::Conversion(..) => Outcome::LimitReached,
        };
        let (retry_after, rule) = (refusal.retry_after, Some(refusal.rule.to_string()));
        Self { retry_after, rule, ..Self::new(outcome, error.to_string()) }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        let mut reply = Self::failed(refusal.outcome, refusal.error);
        reply.retry_after = refusal.retry_after;
        reply.rule = refusal.rule;
        reply
    }
}

/// The operating system's random number generator.
const RNG: UnwrapErr<SysRng> = UnwrapErr(SysRng);

/// What the dispatcher keeps in memory of a message that was just accepted.
fn queue_entry(message: &NewMessage) -> QueueEntry {
    QueueEntry {
        id: message.id,
        class: message.class,
        api_user: Arc::from(message.api_user.as_str()),
        receiver: message.receiver.clone(),
        deadline: message.deadline,
        not_before: message.not_before,
        attempt: 0,
        is_otp: matches!(message.content, Content::Otp { .. }),
    }
}
