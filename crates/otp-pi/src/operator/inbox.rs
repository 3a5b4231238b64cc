//! SMS that came in, as an operator sees them. Texts are shown where he asks for them, and that he does is recorded.

use domain::clock::WallTime;
use domain::command::Entrance;
use domain::deadline::Times;
use domain::message::{Class, MessageId};
use domain::receiver::{Msisdn, Receiver};
use domain::secret::SecretText;
use getrandom::SysRng;
use gsm::segment;
use rand_core::UnwrapErr;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use store::{
    Acceptance, Accepted, AuditBy, AuditEvent, AuditKind, Content, InboxFilter, NewMessage, QueueEntry, StoreError,
};

use super::{Acted, Operator};
use crate::event::{InboxMessage, Sender};
use crate::inbox::Inbox;

/// In whose name replies are sent. No API user can have a name with a colon.
const OPERATOR: &str = ":operator";
/// Most parts that one reference number can count (3GPP TS 23.040 §9.2.3.24.1).
const MOST_PARTS: usize = 255;
/// How long a reply is worth sending.
const REPLY_OFFSET: Duration = Duration::from_hours(24);
/// What is told where the settings cannot be read, and nobody knows how senders are.
const NO_SETTINGS: &str = "the settings cannot be served, see otp-pi check-config";
const NOT_FOUND: &str = "there is no such message in the inbox";

/// The operating system's random number generator.
const RNG: UnwrapErr<SysRng> = UnwrapErr(SysRng);

/// Which messages are asked for.
#[derive(Debug, Clone)]
pub struct InboxAsk {
    /// Only those that this modem got.
    pub modem: Option<String>,
    /// Only those of this sender, as people write him.
    pub sender: Option<SecretText>,
    /// Only those that were not read.
    pub is_unread: bool,
    /// Only those that came before this one.
    pub before: Option<MessageId>,
    /// How many at most.
    pub limit: usize,
    /// Senders and texts in full.
    pub reveals: bool,
}

/// One message that came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing of its own that an SMS may be")]
pub struct InboxView {
    /// Its name.
    pub message_id: String,
    /// `complete`, `waiting` or `incomplete`.
    pub state: String,
    /// The modem that got it.
    pub modem: String,
    /// Who sent it: masked, or in full where that was asked for; none where it cannot be read.
    pub sender: Option<String>,
    /// How many parts it has.
    pub parts: u8,
    /// The parts that did not come.
    pub missing: Vec<u8>,
    /// Of class 0: meant to be shown at once and kept nowhere.
    pub is_flash: bool,
    /// Some of it is data and no text: shown in hexadecimal.
    pub is_binary: bool,
    /// Some of it cannot be read: shown in hexadecimal.
    pub is_unreadable: bool,
    /// It was read.
    pub is_read: bool,
    /// When the service centre took its first part, in milliseconds since the Unix epoch, like all times here.
    pub sent_at: Option<i64>,
    /// When its last part came.
    pub received_at: i64,
    /// The SIM that it came to, by its ICCID; where texts are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iccid: Option<String>,
    /// What it says; where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// One page of messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxList {
    /// The messages, the newest first.
    pub messages: Vec<InboxView>,
    /// The `before` of the next page; none after the last.
    pub next: Option<String>,
}

impl InboxView {
    fn new(message: &InboxMessage, reveals: bool) -> Self {
        let sender = |sender: &Sender| if reveals { sender.expose().to_owned() } else { sender.to_string() };
        Self {
            message_id: message.id.to_string(),
            state: message.state.as_str().to_owned(),
            modem: message.modem.clone(),
            sender: message.sender.as_ref().map(sender),
            parts: message.total,
            missing: message.missing.clone(),
            is_flash: message.is_flash,
            is_binary: message.is_binary,
            is_unreadable: message.is_unreadable,
            is_read: message.is_read,
            sent_at: message.sent_at.map(WallTime::as_unix_millis),
            received_at: message.received_at.as_unix_millis(),
            iccid: reveals.then(|| message.card.clone()),
            text: reveals.then(|| message.text.expose().to_owned()),
        }
    }
}

impl Operator {
    /// Lists messages that came in, the newest first. With their texts only if they are asked for, which is recorded.
    ///
    /// # Errors
    /// Why not, in words.
    pub async fn list_inbox(&self, ask: InboxAsk, by: &AuditBy) -> Result<InboxList, String> {
        let inbox = self.inbox()?;
        let InboxAsk { modem, sender, is_unread, before, limit, reveals } = ask;
        let plan = inbox.settings().plan;
        let sender = sender.map(|sender| Sender::parse(sender.expose(), &plan).canonical());
        let filter = InboxFilter { modem, sender, is_unread, before, limit };
        let (messages, next) = inbox.list(&filter).await.map_err(|error| error.to_string())?;
        if reveals && !messages.is_empty() {
            let event = AuditEvent::new(AuditKind::InboxRead, by, "");
            let event = event.with("messages", None, Some(&messages.len().to_string()));
            self.store.audit(event).await.map_err(not_recorded)?;
        }
        let messages = messages.iter().map(|message| InboxView::new(message, reveals)).collect();
        Ok(InboxList { messages, next: next.map(|id| id.to_string()) })
    }

    /// Shows one message with its text, which is recorded; from then on it is read.
    ///
    /// # Errors
    /// Why not, in words.
    pub async fn show_inbox(&self, id: MessageId, by: &AuditBy) -> Result<InboxView, String> {
        let message = self.inbox_message(id).await?;
        let event = AuditEvent::new(AuditKind::InboxRead, by, id.to_string());
        self.store.audit(event).await.map_err(not_recorded)?;
        // What is shown is how it was; that it is read now is no reason not to show it.
        if let Err(error) = self.store.mark_inbox(id, true).await {
            tracing::warn!(message.id = %id, error = %error, "a message could not be marked as read");
        }
        Ok(InboxView::new(&message, true))
    }

    /// Marks messages as read, or as not read; answers how many there were.
    ///
    /// # Errors
    /// [`StoreError`]; those before were marked.
    pub async fn mark_inbox(&self, ids: &[MessageId], is_read: bool) -> Result<Acted, StoreError> {
        let mut marked = 0;
        for id in ids {
            marked += usize::from(self.store.mark_inbox(*id, is_read).await?);
        }
        Ok(counted(marked, ids.len(), if is_read { "marked as read" } else { "marked as unread" }))
    }

    /// Deletes messages; answers how many there were.
    ///
    /// # Errors
    /// [`StoreError`]; those before were deleted.
    pub async fn delete_inbox(&self, ids: &[MessageId], by: &AuditBy) -> Result<Acted, StoreError> {
        let mut deleted = 0;
        for id in ids {
            deleted += usize::from(self.store.delete_inbox(*id, by).await?);
        }
        Ok(counted(deleted, ids.len(), "deleted"))
    }

    /// Answers a message through the ordinary queue; where no gateway runs, the next start sends the reply.
    ///
    /// # Errors
    /// Why not, in words; nothing is sent then.
    pub async fn reply_inbox(&self, id: MessageId, text: SecretText, by: &AuditBy) -> Result<Acted, String> {
        let message = self.inbox_message(id).await?;
        let msisdn = match &message.sender {
            Some(Sender::Msisdn(msisdn)) => *msisdn,
            Some(Sender::Code(code)) => {
                return Err(format!("{code} is a short code and no number: it cannot be answered"));
            }
            Some(Sender::Name(name)) => {
                return Err(format!("{name:?} is a name and no number: nobody can be answered there"));
            }
            None => return Err("its sender cannot be read: nobody can be answered".to_owned()),
        };
        check(&text)?;
        let reply = self.new_reply(msisdn, text)?;
        let event = AuditEvent::new(AuditKind::InboxReplied, by, id.to_string());
        let event = event.with("reply", None, Some(&reply.id.to_string()));
        let (reply_id, sent) = (reply.id, self.send_reply(reply));
        self.recorded(event, sent).await.map_err(|error| match error {
            super::ActError::Act(why) => why.0,
            super::ActError::Record(error) => not_recorded(error),
        })?;
        let when = if self.is_running() { "queued" } else { "kept; it is sent when the gateway runs" };
        Ok(Acted { is_done: true, what: format!("the reply is message {reply_id}: {when}") })
    }

    fn inbox(&self) -> Result<&Inbox, String> {
        self.inbox.as_ref().ok_or_else(|| NO_SETTINGS.to_owned())
    }

    async fn inbox_message(&self, id: MessageId) -> Result<InboxMessage, String> {
        let found = self.inbox()?.find(id).await.map_err(|error| error.to_string())?;
        found.ok_or_else(|| NOT_FOUND.to_owned())
    }

    fn new_reply(&self, msisdn: Msisdn, text: SecretText) -> Result<NewMessage, String> {
        let inbox = self.inbox()?;
        let (now, clock_is_synchronised) = inbox.time();
        let times = Times { accepted_at: now, date_time: None, expiration: None, clock_is_synchronised };
        Ok(NewMessage {
            id: MessageId::new(now, &mut { RNG }),
            api_user: OPERATOR.to_owned(),
            class: Class::Transactional,
            entrance: Entrance::Cli,
            receiver: Receiver::Msisdn(msisdn),
            content: Content::Text { text, subject: None },
            accepted_at: now,
            deadline: times.send_deadline(REPLY_OFFSET),
            not_before: now,
            own_id: None,
        })
    }

    /// Makes a reply durable and hands it to the dispatcher: the same steps as for callers, and the same limits.
    async fn send_reply(&self, reply: NewMessage) -> Result<(), Refused> {
        if self.store.is_blocked(&reply.receiver) {
            return Err(Refused("the receiver is blocked; nothing is sent".to_owned()));
        }
        let place = match &self.dispatcher {
            Some(dispatcher) if !dispatcher.has_modem() => {
                return Err(Refused("no modem may send for the API; nothing is sent".to_owned()));
            }
            Some(dispatcher) => Some(dispatcher.try_reserve().ok_or_else(Refused::full)?),
            None => None,
        };
        let slot = self.store.try_reserve().ok_or_else(Refused::full)?;
        let counted = match &self.limiter {
            Some(limiter) => {
                Some((limiter, limiter.admit(&reply, None).await.map_err(|error| Refused(error.to_string()))?))
            }
            None => None,
        };
        let entry = QueueEntry {
            id: reply.id,
            class: reply.class,
            api_user: Arc::from(reply.api_user.as_str()),
            receiver: reply.receiver.clone(),
            deadline: reply.deadline,
            not_before: reply.not_before,
            attempt: 0,
            is_otp: false,
        };
        let accepted = self.store.accept(slot, Acceptance { message: reply, ticket: None, replay: None }).await;
        match accepted {
            Ok(Accepted::New { .. }) => {
                if let Some(place) = place {
                    place.submit(entry);
                }
                Ok(())
            }
            other => {
                if let Some((limiter, counted)) = counted {
                    limiter.give_back(counted).await;
                }
                Err(Refused(other.err().map_or_else(|| "it could not be queued".to_owned(), |error| error.to_string())))
            }
        }
    }
}

/// Why a reply is not sent.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

impl Refused {
    fn full() -> Self {
        Self("too many messages are waiting; nothing is sent".to_owned())
    }
}

fn check(text: &SecretText) -> Result<(), String> {
    if text.expose().is_empty() {
        return Err("the text is empty".to_owned());
    }
    match segment::count(text.expose()) {
        parts if parts > MOST_PARTS => Err(format!("the text takes {parts} SMS, at most {MOST_PARTS} are possible")),
        _ => Ok(()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "maps an error")]
fn not_recorded(error: StoreError) -> String {
    format!("not done, because it could not be recorded: {error}")
}

/// How many of the messages that were named it was done with.
fn counted(done: usize, of: usize, what: &str) -> Acted {
    let what = match (done, of) {
        (0, 1) => NOT_FOUND.to_owned(),
        (1, 1) => what.to_owned(),
        _ => format!("{done} of {of} {what}"),
    };
    Acted { is_done: done == of, what }
}
