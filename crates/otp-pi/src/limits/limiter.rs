//! The handle through which limits are asked.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use domain::clock::{Clock, WallTime};
use domain::command::Caller;
use domain::limits::{
    Begun, CodeKeys, CodeRequest, Explanation, Fact, GuessEnd, LimitKey, LimitRefusal, Mode, Rate, Record, Rules,
    Standing, Taken, admit_code, admit_send, begin_guess, client_network, end_guess, explain, give_back,
    give_back_send, note, standing,
};
use domain::message::MessageId;
use domain::otp::Verdict;
use domain::receiver::{Msisdn, NumberingPlan, Receiver};
use store::{Content, NewMessage, Store, StoreError};

use super::flights::{Flight, Flights};
use super::tell::{self, Quiet};

/// The rules in force.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is too much.
    pub rules: Rules,
    /// How the owner's numbers are read.
    pub plan: NumberingPlan,
    /// What API users may have sent, by name; who is not named has no limit of their own.
    pub api_users: HashMap<String, Vec<Rate>>,
}

impl Settings {
    /// What an API user may have sent.
    #[must_use]
    pub fn rates_of(&self, api_user: &str) -> &[Rate] {
        self.api_users.get(api_user).map_or(&[], Vec::as_slice)
    }

    fn request<'a>(
        &'a self,
        keys: CodeKeys,
        (msisdn, client): (Option<&'a Msisdn>, Option<&'a str>),
        api_user: &'a str,
        message: u32,
    ) -> CodeRequest<'a> {
        let digits = msisdn.map(Msisdn::expose);
        CodeRequest { keys, digits, client, api_user, api_user_rates: self.rates_of(api_user), message }
    }
}

/// Asks limits. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Limiter {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    settings: RwLock<Arc<Settings>>,
    flights: Mutex<Flights>,
    quiet: Quiet,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").finish_non_exhaustive()
    }
}

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// A rule is reached.
    #[error("{}", tell::words(.0.rule))]
    Refused(LimitRefusal),
    /// What is counted cannot be had.
    #[error("the limits cannot be counted")]
    Store(#[source] StoreError),
}

/// What was counted for a message.
#[derive(Debug)]
pub enum Counted {
    /// Nothing.
    Nothing,
    /// A code.
    Code {
        /// Under what.
        taken: Box<Taken>,
        /// Its message.
        id: MessageId,
    },
    /// A message without a code.
    Send {
        /// For whom.
        api_user: LimitKey,
        /// When.
        at: WallTime,
    },
}

/// Of whom an operator forgets what was counted.
#[derive(Copy, Clone, Debug)]
pub enum Counters<'a> {
    /// A receiver, its prefix and its range.
    Receiver(&'a Receiver),
    /// A country, by its calling code.
    Country(&'a str),
    /// An API user.
    ApiUser(&'a str),
    /// An end user's network.
    Client(IpAddr),
}

/// A guess that is counted until it is known what it was. Without one nothing is counted.
#[derive(Debug)]
pub struct GuessHeld(Option<(CodeKeys, Begun)>);

impl Limiter {
    /// Joins the parts.
    #[must_use]
    pub fn new(store: Store, settings: Settings, clock: Arc<dyn Clock>) -> Self {
        let settings = RwLock::new(Arc::new(settings));
        Self { inner: Arc::new(Inner { store, clock, settings, flights: Mutex::default(), quiet: Quiet::default() }) }
    }

    /// Tells the log what the rules do.
    pub fn tell_mode(&self) {
        tell::mode(self.settings().rules.mode);
    }

    /// Works by other rules from now on.
    pub fn set_settings(&self, settings: Settings) {
        *self.inner.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// The rules in force.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.inner.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn keys(&self, receiver: &Receiver, client: Option<IpAddr>, api_user: &str) -> CodeKeys {
        CodeKeys::derive(self.inner.store.lookup_key().as_bytes(), receiver, client, api_user)
    }

    pub(super) fn flights(&self) -> MutexGuard<'_, Flights> {
        self.inner.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asked within the step: requests that overtake each other on the way here must not be counted in the past.
    fn now(&self) -> WallTime {
        self.inner.clock.now()
    }

    /// Decides on a message before it is accepted, and counts it; `client` is the end user's address, where the caller tells it.
    ///
    /// # Errors
    /// The rule that refuses it; nothing was counted then.
    pub async fn admit(&self, message: &NewMessage, client: Option<IpAddr>) -> Result<Counted, LimitError> {
        let settings = self.settings();
        if settings.rules.mode == Mode::Off {
            return Ok(Counted::Nothing);
        }
        match message.content {
            Content::Otp { .. } => self.admit_code(message, client, &settings).await,
            Content::Text { .. } => self.admit_send(message, &settings).await,
        }
    }

    async fn admit_code(
        &self,
        message: &NewMessage,
        client: Option<IpAddr>,
        settings: &Settings,
    ) -> Result<Counted, LimitError> {
        let NewMessage { id, receiver, api_user, .. } = message;
        let (msisdn, network) = (receiver.msisdn(), client.map(client_network));
        let keys = self.keys(receiver, client, api_user);
        let request = settings.request(keys, (msisdn.as_ref(), network.as_deref()), api_user, short(*id));
        let step = |book: &mut _| admit_code(book, &settings.rules, &request, self.now());
        let admission = self.inner.store.update_limits(&keys.all(), step).await.map_err(LimitError::Store)?;
        for alarm in &admission.alarms {
            tell::alarm(&self.inner.store, alarm, settings.rules.mode);
        }
        self.tell(admission.refusal, receiver, settings);
        match (admission.taken, admission.refusal) {
            (Some(taken), _) => {
                self.flights().add(*id, Flight { judged: taken.keys.judged(), message: taken.message, is_sent: false });
                Ok(Counted::Code { taken: Box::new(taken), id: *id })
            }
            (None, Some(refusal)) => Err(LimitError::Refused(refusal)),
            (None, None) => Ok(Counted::Nothing),
        }
    }

    async fn admit_send(&self, message: &NewMessage, settings: &Settings) -> Result<Counted, LimitError> {
        let NewMessage { receiver, api_user, .. } = message;
        let rules = &settings.rules;
        let key = LimitKey::api_user(self.inner.store.lookup_key().as_bytes(), api_user);
        let (msisdn, rates) = (receiver.msisdn(), settings.rates_of(api_user));
        let digits = msisdn.as_ref().map(Msisdn::expose);
        let step = |book: &mut _| {
            let now = self.now();
            (admit_send(book, rules, (key, rates), digits, now), now)
        };
        let (refusal, at) = self.inner.store.update_limits(&[key], step).await.map_err(LimitError::Store)?;
        self.tell(refusal, receiver, settings);
        match refusal.filter(|_| rules.mode == Mode::Enforce) {
            Some(refusal) => Err(LimitError::Refused(refusal)),
            None if rates.is_empty() => Ok(Counted::Nothing),
            None => Ok(Counted::Send { api_user: key, at }),
        }
    }

    /// Takes back what was counted for a message that was not accepted after all.
    pub async fn give_back(&self, counted: Counted) {
        let store = &self.inner.store;
        let given = match counted {
            Counted::Nothing => return,
            Counted::Code { taken, id } => {
                self.flights().remove(id);
                store.update_limits(&taken.keys.all(), |book| give_back(book, &taken, self.now())).await
            }
            Counted::Send { api_user, at } => {
                store.update_limits(&[api_user], |book| give_back_send(book, api_user, at, self.now())).await
            }
        };
        if let Err(error) = given {
            tracing::warn!(%error, "a limit counts a message that was not accepted");
        }
    }

    fn tell(&self, refusal: Option<LimitRefusal>, receiver: &Receiver, settings: &Settings) {
        if let Some(refusal) = refusal {
            self.inner.quiet.refused(refusal, receiver, settings.rules.mode == Mode::Enforce, self.now());
        }
    }

    /// Decides whether a receiver's code may be guessed at. What is held must be let go by [`Self::end_guess`].
    ///
    /// # Errors
    /// The rule that refuses it; nothing was counted then.
    pub async fn begin_guess(&self, receiver: &Receiver, caller: &Caller) -> Result<GuessHeld, LimitError> {
        let settings = self.settings();
        let rules = &settings.rules;
        if rules.mode == Mode::Off {
            return Ok(GuessHeld(None));
        }
        let keys = self.keys(receiver, None, &caller.api_user);
        let step = |book: &mut _| begin_guess(book, rules, keys.receiver, self.now());
        let begun = self.inner.store.update_limits(&[keys.receiver], step).await.map_err(LimitError::Store)?;
        self.tell(begun.refusal, receiver, &settings);
        match begun.refusal.filter(|_| rules.mode == Mode::Enforce) {
            Some(refusal) => Err(LimitError::Refused(refusal)),
            None => Ok(GuessHeld(Some((keys, begun)))),
        }
    }

    /// Draws the conclusions from a guess; without a verdict it was not compared.
    pub async fn end_guess(&self, held: GuessHeld, verdict: Option<Verdict>, receiver: &Receiver) {
        let GuessHeld(Some((keys, begun))) = held else { return };
        let settings = self.settings();
        let end = match verdict {
            Some(Verdict::Valid) => GuessEnd::Right,
            Some(Verdict::Wrong { .. }) => GuessEnd::Wrong,
            Some(Verdict::NoCode | Verdict::Used | Verdict::Expired | Verdict::TooManyAttempts) | None => {
                GuessEnd::NotCompared
            }
        };
        let store = &self.inner.store;
        let step = |book: &mut _| end_guess(book, &settings.rules, keys.receiver, &begun, end, self.now());
        let ended = match store.update_limits(&[keys.receiver], step).await {
            Ok(ended) => ended,
            Err(error) => {
                tracing::warn!(%error, "a guess counts as wrong although it may not have been");
                return;
            }
        };
        if let Some(length) = ended.locked_for {
            tell::locked(store, receiver, length, settings.rules.mode);
        }
        let mut judged = keys.judged();
        judged.extend(ended.client);
        for message in ended.messages {
            self.note(&judged, message, Fact::Entered).await;
        }
    }

    /// Notes what became of a code, as of now: the times that networks report may be any.
    pub(super) async fn note(&self, judged: &[LimitKey], message: u32, fact: Fact) {
        let step = |book: &mut _| note(book, judged, message, fact, self.now());
        if let Err(error) = self.inner.store.update_limits(judged, step).await {
            tracing::warn!(%error, "what became of a code could not be counted");
        }
    }

    /// Where a receiver stands with every rule. Changes nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn explain(
        &self,
        (receiver, client): (&Receiver, Option<IpAddr>),
        api_user: &str,
    ) -> Result<Explanation, StoreError> {
        let now = self.inner.clock.now();
        let settings = self.settings();
        let (msisdn, network) = (receiver.msisdn(), client.map(client_network));
        let keys = self.keys(receiver, client, api_user);
        let request = settings.request(keys, (msisdn.as_ref(), network.as_deref()), api_user, 0);
        self.inner.store.update_limits(&keys.all(), |book| explain(book, &settings.rules, &request, now)).await
    }

    /// Whoever is held back now: what is judged and found wanting, and receivers that are locked (how many).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn held_back(&self) -> Result<(Vec<Standing>, usize), StoreError> {
        let now = self.inner.clock.now();
        let settings = self.settings();
        let is_locked = |record: &Record| {
            record.person.as_ref().is_some_and(|person| person.locked_for(&settings.rules, now).is_some())
        };
        let is_pressed =
            |record: &Record| record.conversion.as_ref().is_some_and(|conversion| conversion.pressed.is_some());
        let found = self.inner.store.select_limits(|_, record| is_locked(record) || is_pressed(record)).await?;
        let locked = found.iter().filter(|(_, record)| is_locked(record)).count();
        let mut book = domain::limits::Book::default();
        let keys: Vec<LimitKey> = found.iter().map(|(key, _)| *key).collect();
        for (key, record) in found {
            book.restore(key, record);
        }
        let mut standings: Vec<Standing> = keys.iter().filter_map(|key| standing(&book, *key, now)).collect();
        standings.sort_by(|one, other| (one.kind, &one.label).cmp(&(other.kind, &other.label)));
        Ok((standings, locked))
    }

    /// Forgets what is counted for somebody; answers whether there was anything.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reset(&self, whose: Counters<'_>) -> Result<bool, StoreError> {
        let secret = self.inner.store.lookup_key().as_bytes();
        let own = match whose {
            Counters::Receiver(receiver) => {
                let keys = self.keys(receiver, None, "");
                let alike = keys.number.iter().flat_map(|number| [number.prefix, number.range]);
                std::iter::once(keys.receiver).chain(alike).collect()
            }
            Counters::Country(calling_code) => vec![LimitKey::country(secret, calling_code)],
            Counters::ApiUser(api_user) => vec![LimitKey::api_user(secret, api_user)],
            Counters::Client(address) => vec![LimitKey::client(secret, address)],
        };
        let forget = |book: &mut domain::limits::Book| own.iter().fold(false, |any, key| book.forget(key) | any);
        let had_any = self.inner.store.update_limits(&own, forget).await?;
        self.inner.store.write_limits().await?;
        Ok(had_any)
    }

    /// Forgets everything that is counted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reset_all(&self) -> Result<(), StoreError> {
        self.inner.store.clear_limits().await
    }
}

/// The end of a message id: enough to tell the codes of one range apart.
fn short(id: MessageId) -> u32 {
    let [.., a, b, c, d] = *id.as_bytes();
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests;
