//! One message through one modem: mint while the modem prepares its prompt, commit, write the PDU, drop the code.
//!
//! The length of a PDU does not depend on the digits of a code, so `AT+CMGS=<length>` goes out first and the commit costs no
//! radio time. Nothing is written to the modem before the store has answered. Called by the dispatcher.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::modem::{Refused, SendError, Status, Submission, Takes, Turn};
use domain::clock::{Clock, WallTime};
use domain::otp::{AttemptId, Code, TagEntry, TicketKey};
use domain::quota::Allowance;
use domain::retry::FailureClass;
use domain::secret::SecretText;
use domain::template::Template;
use getrandom::SysRng;
use gsm::{ErrorClass, Pdu, Reference};
use rand_core::UnwrapErr;
use store::{BeginAttempt, BeginOutcome, Change, Content, OutboxMessage, Store, StoreError};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::warn;

use super::Outcome;
use super::gap::{self, Gaps, PartOnAir};
use super::part::{self, Stamp};
use super::sim::Seat;

/// What every attempt needs.
pub struct Context {
    /// Where attempts are made durable.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether the network is asked for delivery reports.
    pub delivery_reports: bool,
    /// The reference number of the next long text (3GPP TS 23.040 §9.2.3.24.1); starts anywhere. One for all contexts of a gateway.
    pub next_reference: Arc<AtomicU8>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Context").finish_non_exhaustive()
    }
}

/// The way that was chosen for a message.
#[derive(Clone, Debug)]
pub struct Way {
    /// The modem's name.
    pub modem: String,
    /// Why that one.
    pub why: String,
    /// Its SIM.
    pub seat: Seat,
}

/// What a message is sent by.
#[derive(Debug)]
pub struct Passage {
    /// Which modem, why, and its SIM.
    pub way: Way,
    /// The right to send on it.
    pub turn: Turn,
    /// What the modem is doing.
    pub status: watch::Receiver<Status>,
    /// Whether more waits for this modem.
    pub more_waits: bool,
    /// Where the modem is offered between the parts of a text; none for a code, which nothing overtakes.
    pub gaps: Option<Gaps>,
    /// Where the part is noted that is on air.
    pub on_air: PartOnAir,
}

/// Sends one message as attempt number `attempt`.
pub async fn send(context: Arc<Context>, mut passage: Passage, message: OutboxMessage, attempt: u32) -> Outcome {
    let id = AttemptId { message_id: message.id, attempt };
    let (deadline, ticket) = (message.deadline, message.ticket_key);
    let reference = Reference::Eight(context.next_reference.fetch_add(1, Ordering::Relaxed));
    let is_whole = passage.turn.takes() == Takes::Whole;
    let plan = match Plan::new(&context, &message, reference) {
        Ok(plan) => plan,
        Err(code) => return Outcome::NotSent { class: FailureClass::GiveUp, code: code.to_owned(), ticket: None },
    };
    if !plan.fits(&context, &passage.way.seat, &message) {
        return Outcome::NoRoom { parts: plan.parts };
    }
    let later = Arc::new(Mutex::new(Vec::new()));
    let refusal = Arc::new(Mutex::new(Outcome::StoreFailed));
    let prepare = prepare(
        Arc::clone(&context),
        Attempt { id, way: passage.way.clone(), message, reference, is_whole },
        Arc::clone(&later),
        Arc::clone(&refusal),
    );
    let parts = if is_whole { 1 } else { plan.parts };
    let submission = Submission::new(plan.tpdu_length, prepare)
        .with_rest(Arc::clone(&later))
        .followed(parts > 1 || passage.more_waits);
    let began = Instant::now();
    passage.on_air.begin(1);
    match passage.turn.send(submission).await {
        Ok(sent) => record_part(&context, id, 1, parts, sent.message_reference).await,
        Err(error) => return outcome_of(error, &refusal, ticket),
    }
    let later = std::mem::take(&mut *later.lock().unwrap_or_else(PoisonError::into_inner));
    send_rest(&context, passage, (id, parts, deadline), later, began.elapsed()).await
}

/// Sends the parts after the first, which took `on_air`. A code may go before each of them.
async fn send_rest(
    context: &Context,
    mut passage: Passage,
    (id, parts, deadline): (AttemptId, u8, WallTime),
    later: Vec<Pdu>,
    mut on_air: Duration,
) -> Outcome {
    let Passage { turn, status, gaps, more_waits, on_air: part_on_air, .. } = &mut passage;
    let mut left = later.len();
    for (pdu, number) in later.into_iter().zip(2..) {
        part_on_air.end();
        let time_left = deadline.saturating_since(context.clock.now());
        if let Some(gaps) = gaps.as_ref().filter(|_| gap::has_time(time_left, left, u32::from(number) - 1, on_air)) {
            *more_waits = gaps.open(turn).await.unwrap_or(*more_waits);
        }
        left -= 1;
        if context.clock.now() >= deadline {
            return Outcome::Incomplete { code: "its deadline passed between two parts".to_owned() };
        }
        let began = Instant::now();
        let end = began + deadline.saturating_since(context.clock.now()).min(part::PATIENCE);
        part_on_air.begin(number);
        match part::send(turn, status, (&pdu, left > 0 || *more_waits), end).await {
            Ok(sent) => record_part(context, id, number, parts, sent.message_reference).await,
            Err(SendError::Unknown { detail }) => return Outcome::Unknown { part: number, detail },
            Err(error) => return Outcome::Incomplete { code: code_of(&error) },
        }
        on_air += began.elapsed();
    }
    Outcome::Sent
}

/// What is known of the PDUs before there is a code.
struct Plan {
    tpdu_length: usize,
    parts: u8,
}

impl Plan {
    fn new(context: &Context, message: &OutboxMessage, reference: Reference) -> Result<Self, &'static str> {
        let text = match &message.content {
            Content::Otp { template, autofill, length, .. } => {
                let template = Template::parse(template.expose()).map_err(|_| "bad template")?;
                template.with(autofill).render(&Code::placeholder(*length))
            }
            Content::Text { text, .. } => text.clone(),
        };
        let pdus = pdus(context, message, &text, reference, message.deadline)?;
        let parts = u8::try_from(pdus.len()).map_err(|_| "text too long")?;
        let tpdu_length = pdus.first().ok_or("empty text")?.tpdu_length();
        Ok(Self { tpdu_length, parts })
    }

    /// Whether the SIM may send all of it. A text of one part was asked about when its modem was chosen.
    fn fits(&self, context: &Context, seat: &Seat, message: &OutboxMessage) -> bool {
        let (store, now) = (&context.store, context.clock.now());
        let allows = |msisdn| seat.allows(store, now, &msisdn, u32::from(self.parts)) == Allowance::Free;
        self.parts == 1 || message.receiver.msisdn().is_none_or(allows)
    }
}

struct Attempt {
    id: AttemptId,
    way: Way,
    message: OutboxMessage,
    reference: Reference,
    /// The driver makes the parts itself: one TP-MR and one report are all that is ever told of them.
    is_whole: bool,
}

/// The mint hook: runs while the modem prepares its prompt.
async fn prepare(
    context: Arc<Context>,
    attempt: Attempt,
    later: Arc<Mutex<Vec<Pdu>>>,
    refusal: Arc<Mutex<Outcome>>,
) -> Result<Pdu, Refused> {
    let refuse = |outcome: Outcome| {
        *refusal.lock().unwrap_or_else(PoisonError::into_inner) = outcome;
        Refused
    };
    let Attempt { id, way: Way { modem, why, seat }, message, reference, is_whole } = attempt;
    let now = context.clock.now();
    let (text, ticket, expires_at) = match &message.content {
        Content::Otp { template, autofill, binding, length, policy, .. } => {
            let give_up = |_| {
                refuse(Outcome::NotSent { class: FailureClass::GiveUp, code: "bad template".to_owned(), ticket: None })
            };
            let template = Template::parse(template.expose()).map_err(give_up)?.with(autofill);
            let code = Code::mint(*length, &mut UnwrapErr(SysRng));
            let peppers = context.store.peppers();
            let pepper = &peppers.current;
            let entry = TagEntry {
                attempt: id,
                key_id: pepper.id,
                tag: binding.tag(pepper, code.expose()),
                expires_at: policy.code_expires_at(now),
            };
            let Some(ticket_key) = message.ticket_key else {
                let code = "no ticket".to_owned();
                return Err(refuse(Outcome::NotSent { class: FailureClass::GiveUp, code, ticket: None }));
            };
            (template.render(&code), Some((ticket_key, entry)), entry.expires_at)
        }
        Content::Text { text, .. } => (text.clone(), None, message.deadline),
    };
    let pdus = pdus(&context, &message, &text, reference, expires_at).map_err(|code| {
        refuse(Outcome::NotSent { class: FailureClass::GiveUp, code: code.to_owned(), ticket: None })
    })?;
    // More than 255 parts were refused when the message was planned.
    let counted = u8::try_from(pdus.len()).unwrap_or(u8::MAX);
    let parts = if is_whole { 1 } else { counted };
    let mut pdus = pdus.into_iter();
    let sim = message.receiver.msisdn().map(|msisdn| seat.charge(&context.store, now, &msisdn, counted.into()));
    let why = Some(why);
    let begin =
        BeginAttempt { message_id: id.message_id, attempt: id.attempt, modem, parts, at: now, ticket, why, sim };
    match context.store.begin_attempt(begin).await {
        Ok(BeginOutcome::Begun) => {}
        Ok(outcome) => {
            let settled = outcome.settlement().map(|(state, _)| Outcome::Settled(state));
            return Err(refuse(settled.unwrap_or(Outcome::Stale)));
        }
        Err(error) => {
            let is_away = matches!(error, StoreError::TicketStoreAway);
            warn!(message.id = %id.message_id, error = %error, "the attempt could not be made durable: nothing was sent");
            return Err(refuse(if is_away { Outcome::TicketStoreAway } else { Outcome::StoreFailed }));
        }
    }
    let first = pdus.next().ok_or_else(|| refuse(Outcome::StoreFailed))?;
    later.lock().unwrap_or_else(PoisonError::into_inner).extend(pdus);
    Ok(first)
}

/// The PDUs of a message with this text, which the network need not keep longer than this.
fn pdus(
    context: &Context,
    message: &OutboxMessage,
    text: &SecretText,
    reference: Reference,
    expires_at: WallTime,
) -> Result<Vec<Pdu>, &'static str> {
    let msisdn = message.receiver.msisdn().ok_or("not a phone number")?;
    let life = expires_at.saturating_since(context.clock.now());
    part::encode(text, Stamp { msisdn, reference, asks_report: context.delivery_reports, life })
}

async fn record_part(context: &Context, attempt: AttemptId, part: u8, parts: u8, message_reference: Option<u8>) {
    let change = Change::Sent { attempt, part, parts, message_reference, at: context.clock.now() };
    if let Err(error) = context.store.record(change).await {
        warn!(message.id = %attempt.message_id, error = %error, "a sent part could not be recorded");
    }
}

fn outcome_of(error: SendError, refusal: &Mutex<Outcome>, ticket: Option<TicketKey>) -> Outcome {
    match error {
        SendError::Refused => refusal.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        SendError::Unknown { detail } => Outcome::Unknown { part: 1, detail },
        SendError::NotSent { class, .. } => {
            Outcome::NotSent { class: failure_class(class), code: code_of(&error), ticket }
        }
    }
}

fn code_of(error: &SendError) -> String {
    match error {
        SendError::NotSent { code: Some(code), .. } => code.to_string(),
        SendError::NotSent { detail, .. } | SendError::Unknown { detail } => detail.clone(),
        SendError::Refused => "refused".to_owned(),
    }
}

fn failure_class(class: ErrorClass) -> FailureClass {
    match class {
        ErrorClass::RetryHere => FailureClass::RetryHere,
        ErrorClass::OtherModem => FailureClass::OtherModem,
        ErrorClass::GiveUp => FailureClass::GiveUp,
        ErrorClass::Configuration => FailureClass::Configuration,
        // The modem answers those two itself: unknown outcomes as such, duplicates as sent.
        ErrorClass::Unknown | ErrorClass::AlreadySent => FailureClass::Unknown,
    }
}
