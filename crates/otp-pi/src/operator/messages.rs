//! Messages as an operator sees them, whoever's they are: never their text.

use domain::message::MessageId;
use domain::message::MessageState;
use gsm::status_report::Status;
use serde::{Deserialize, Serialize};
use store::{
    Attempt, AttemptOutcome, AuditBy, CancelOutcome, MessageFilter, Part, PartState, RetryOutcome, StatusRecord,
    StoreError,
};

use super::Operator;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageView {
    /// Its name.
    pub message_id: String,
    /// Where it stands.
    pub state: String,
    /// Why, where there is a reason to give.
    pub reason: Option<String>,
    /// Whose it is.
    pub api_user: String,
    /// The caller's own id.
    pub id: Option<String>,
    /// Where it goes: masked, or in full where that was asked for; none where it was lost with its keys.
    pub receiver: Option<String>,
    /// `otp`, `transactional` or `bulk`.
    pub class: String,
    /// Through which door it came.
    pub entrance: String,
    /// When it was accepted, in milliseconds since the Unix epoch, like all times here.
    pub accepted_at: i64,
    /// When it is no longer worth sending.
    pub deadline: i64,
    /// When its state last changed, for one that is settled.
    pub settled_at: Option<i64>,
    /// True as long as its text is stored.
    pub has_text: bool,
    /// The tries, oldest first.
    pub attempts: Vec<AttemptView>,
}

/// One try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptView {
    /// The number, from 1.
    pub number: u32,
    /// Through which modem.
    pub modem: String,
    /// Why that one (docs/routing.md).
    pub route: Option<String>,
    /// When it began.
    pub began_at: i64,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// `on-air`, `sent`, `not-sent` or `unknown`.
    pub outcome: String,
    /// The CMS or CME code or another short reason.
    pub code: Option<String>,
    /// Every part, in order.
    pub parts: Vec<PartView>,
}

/// One part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartView {
    /// The number, from 1.
    pub number: u8,
    /// How many parts there are.
    pub total: u8,
    /// `waiting`, `not-sent`, `unknown`, `sent`, `pending`, `delivered` or `undelivered`.
    pub state: String,
    /// TP-MR (3GPP TS 23.040 §9.2.3.6).
    pub message_reference: Option<u8>,
    /// When the network took it.
    pub sent_at: Option<i64>,
    /// When its last report came.
    pub reported_at: Option<i64>,
    /// TP-ST of that report (3GPP TS 23.040 §9.2.3.15).
    pub report_status: Option<u8>,
    /// What that status means.
    pub report_meaning: Option<String>,
}

/// One page of messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageList {
    /// The messages, the newest first.
    pub messages: Vec<MessageView>,
    /// The `before` of the next page; none after the last.
    pub next: Option<String>,
}

/// What came of an act on a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acted {
    /// True if it was done.
    pub is_done: bool,
    /// What was done, or why not.
    pub what: String,
}

impl MessageView {
    fn new(record: StatusRecord, reveals: bool) -> Self {
        let receiver = record.receiver.map(|receiver| match reveals {
            true => receiver.expose().to_owned(),
            false => receiver.to_string(),
        });
        Self {
            message_id: record.message_id.to_string(),
            state: record.state.as_str().to_owned(),
            reason: record.reason,
            api_user: record.api_user,
            id: record.own_id,
            receiver,
            class: record.class.as_str().to_owned(),
            entrance: record.entrance.as_str().to_owned(),
            accepted_at: record.accepted_at.as_unix_millis(),
            deadline: record.deadline.as_unix_millis(),
            settled_at: record.settled_at.map(domain::clock::WallTime::as_unix_millis),
            has_text: record.has_text,
            attempts: record.attempts.into_iter().map(AttemptView::from).collect(),
        }
    }
}

impl From<Attempt> for AttemptView {
    fn from(attempt: Attempt) -> Self {
        let outcome = match attempt.outcome {
            AttemptOutcome::OnAir => "on-air",
            AttemptOutcome::Sent => "sent",
            AttemptOutcome::NotSent => "not-sent",
            AttemptOutcome::Unknown => "unknown",
        };
        let total = attempt.total;
        let part = |(number, state, known): (u8, PartState, Option<&Part>)| PartView {
            number,
            total,
            state: state.as_str().to_owned(),
            message_reference: known.and_then(|known| known.message_reference),
            sent_at: known.and_then(|known| known.sent_at_millis),
            reported_at: known.and_then(|known| known.reported_at_millis),
            report_status: known.and_then(|known| known.report_status),
            report_meaning: known
                .and_then(|known| known.report_status)
                .map(|status| Status(status).meaning().to_owned()),
        };
        let parts = attempt.all_parts().map(part).collect();
        Self {
            number: attempt.number,
            modem: attempt.modem,
            route: attempt.why,
            began_at: attempt.began_at_millis,
            ended_at: attempt.ended_at_millis,
            outcome: outcome.to_owned(),
            code: attempt.code,
            parts,
        }
    }
}

impl Operator {
    /// Lists messages, the newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_messages(&self, filter: &MessageFilter, reveals: bool) -> Result<MessageList, StoreError> {
        let page = self.store.list_messages(filter).await?;
        let messages = page.messages.into_iter().map(|record| MessageView::new(record, reveals)).collect();
        Ok(MessageList { messages, next: page.next.map(|id| id.to_string()) })
    }

    /// Shows one message.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn show_message(&self, id: MessageId, reveals: bool) -> Result<Option<MessageView>, StoreError> {
        Ok(self.store.find_message(id).await?.map(|record| MessageView::new(record, reveals)))
    }

    /// Cancels a message that waits.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn cancel_message(&self, id: MessageId, by: &AuditBy) -> Result<Acted, StoreError> {
        let outcome = self.store.cancel_message(id, by).await?;
        if outcome == CancelOutcome::Cancelled
            && let Some(dispatcher) = &self.dispatcher
        {
            dispatcher.cancel(id);
        }
        Ok(Acted { is_done: outcome == CancelOutcome::Cancelled, what: outcome.to_string() })
    }

    /// Queues a message of unknown outcome again.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn retry_message(&self, id: MessageId, by: &AuditBy) -> Result<Acted, StoreError> {
        // Reserved first, so that nothing has to be undone. Where no gateway runs the next start takes it from the store.
        let place = match &self.dispatcher {
            None => None,
            Some(dispatcher) => match dispatcher.try_reserve() {
                Some(place) => Some(place),
                None => return Ok(Acted { is_done: false, what: "not queued again: the queue is full".to_owned() }),
            },
        };
        let outcome = self.store.retry_message(id, by).await?;
        let what = outcome.to_string();
        let RetryOutcome::Queued(entry) = outcome else { return Ok(Acted { is_done: false, what }) };
        if let Some(place) = place {
            place.submit(entry);
        }
        Ok(Acted { is_done: true, what })
    }
}

/// Reads the state of a filter.
///
/// # Errors
/// What states there are.
pub fn parse_state(word: &str) -> Result<MessageState, String> {
    MessageState::parse(word).ok_or_else(|| {
        let all: Vec<&str> = MessageState::ALL.iter().map(|state| state.as_str()).collect();
        format!("{word:?} is no state; choose among {}", all.join(", "))
    })
}
