//! The commands about messages: send, ask their status, block and unblock receivers.

use domain::clock::WallTime;
use domain::command::{Caller, SendMessage, StatusQuery};
use domain::deadline::{self, Times};
use domain::message::MessageId;
use domain::otp::Fingerprint;
use domain::outcome::{Outcome, Reply, ReplyData, StatusAttempt, StatusData, StatusPart};
use domain::receiver::Receiver;
use gsm::segment;
use gsm::status_report::Status;
use store::{
    Acceptance, Attempt, AttemptOutcome, AuditBy, Content, IdConflict, NewMessage, Part, PartState, Replay, StatusKey,
    StatusRecord,
};

use super::{Inner, RNG, Refusal};

/// The longest id of a caller that is taken, in bytes.
const LONGEST_ID: usize = 128;

/// Most parts that one reference number can count (3GPP TS 23.040 §9.2.3.24.1).
const MOST_PARTS: usize = 255;

impl Inner {
    pub(super) async fn send(&self, request: SendMessage, caller: Caller, now: WallTime) -> Result<Reply, Refusal> {
        let receiver = self.receiver(&request.receiver)?;
        check_text(&request)?;
        let times = Times {
            accepted_at: now,
            date_time: request.date_time,
            expiration: request.expiration,
            clock_is_synchronised: self.clock.is_synchronised(),
        };
        let deadline = times.send_deadline(self.settings.expiration_offset);
        let room = if self.settings.drop_expired && deadline::is_past(deadline, now) {
            Err(Refusal::new(Outcome::DroppedExpired, "the message had expired when it came"))
        } else {
            self.make_room(&receiver)
        };
        let replay = request.id.as_deref().map(|own_id| self.send_replay(&caller, own_id, &receiver, &request));
        let message = NewMessage {
            id: MessageId::new(now, &mut { RNG }),
            class: request.class.unwrap_or(caller.default_class),
            api_user: caller.api_user.clone(),
            entrance: caller.entrance,
            receiver,
            content: Content::Text { text: request.message, subject: request.subject },
            accepted_at: now,
            deadline,
            not_before: now,
            own_id: request.id.clone(),
        };
        let asked = Acceptance { message, ticket: None, replay };
        let (message_id, state) = self.accept(room, asked, None).await?;
        Ok(Reply::accepted(ReplyData::Message { id: request.id, receiver: request.receiver, message_id, state }))
    }

    /// The replay key of a send: same caller, id; and the content that must be the same for it to be a retry.
    fn send_replay(&self, caller: &Caller, own_id: &str, receiver: &Receiver, request: &SendMessage) -> Replay {
        let content = Fingerprint::derive(
            self.store.lookup_key().as_bytes(),
            &[
                receiver.expose().as_bytes(),
                request.subject.as_deref().unwrap_or_default().as_bytes(),
                request.message.expose().as_bytes(),
            ],
        );
        self.replay(caller, own_id, content)
    }

    /// What is remembered of a request under a caller's own id, whatever it asks for.
    pub(super) fn replay(&self, caller: &Caller, own_id: &str, content: Fingerprint) -> Replay {
        let content = if self.settings.ids_per_entrance {
            let subscriber = caller.subscriber.as_deref().unwrap_or_default();
            let entrance = [content.as_bytes(), caller.entrance.as_str().as_bytes(), subscriber.as_bytes()];
            Fingerprint::derive(self.store.lookup_key().as_bytes(), &entrance)
        } else {
            content
        };
        Replay {
            key: self.store.replay_key(&caller.api_user, own_id),
            fingerprint: *content.as_bytes(),
            conflict: if self.settings.rejects_id_conflict { IdConflict::Reject } else { IdConflict::Accept },
        }
    }

    pub(super) async fn status(&self, query: StatusQuery, caller: &Caller) -> Result<Reply, Refusal> {
        let reference = query.reference;
        let key = match (query.message_id, query.id, &reference) {
            (Some(message_id), _, _) => StatusKey::MessageId(message_id),
            (None, Some(own_id), _) => StatusKey::OwnId(own_id),
            (None, None, Some(reference)) => StatusKey::Ticket(self.ticket_key(caller, reference)),
            (None, None, None) => {
                return Err(Refusal::field("message_id, id or reference is missing"));
            }
        };
        let record = self.store.status(&caller.api_user, &key).await.map_err(|error| Refusal::store_failed(&error))?;
        let record = record.ok_or_else(|| Refusal::field("there is no such message of this API user"))?;
        Ok(Reply::accepted(ReplyData::Status(status_data(record, reference))))
    }

    pub(super) async fn block(&self, text: String, is_blocked: bool, caller: &Caller) -> Result<Reply, Refusal> {
        let Receiver::Msisdn(msisdn) = self.receiver(&text)? else {
            return Err(Refusal::field("receiver: only phone numbers can be blocked"));
        };
        let by = doer(caller);
        let done = if is_blocked { self.store.block(msisdn, &by).await } else { self.store.unblock(msisdn, &by).await };
        done.map_err(|error| Refusal::store_failed(&error))?;
        Ok(Reply::accepted(ReplyData::Receiver { receiver: text }))
    }
}

/// In whose name a caller is recorded.
fn doer(caller: &Caller) -> AuditBy {
    let origin = caller.peer.map_or_else(|| caller.entrance.as_str().to_owned(), |peer| peer.to_string());
    AuditBy::new(format!("api user {}", caller.api_user), origin)
}

fn check_text(request: &SendMessage) -> Result<(), Refusal> {
    let invalid = |error: String| Err(Refusal::field(error));
    if request.message.expose().is_empty() {
        return invalid("message is missing".to_owned());
    }
    check_id(request.id.as_deref())?;
    let parts = segment::count(request.message.expose());
    if parts > MOST_PARTS {
        return invalid(format!("message: it takes {parts} SMS, at most {MOST_PARTS} are possible"));
    }
    Ok(())
}

pub(super) fn check_id(id: Option<&str>) -> Result<(), Refusal> {
    match id {
        Some(id) if id.len() > LONGEST_ID => Err(Refusal::field(format!("id is longer than {LONGEST_ID} bytes"))),
        Some(_) | None => Ok(()),
    }
}

fn status_data(record: StatusRecord, reference: Option<String>) -> StatusData {
    StatusData {
        message_id: record.message_id,
        id: record.own_id,
        reference,
        state: record.state,
        reason: record.reason,
        accepted_at: record.accepted_at,
        sent_at: sent_at(&record.attempts),
        changed_at: record.settled_at.unwrap_or(record.accepted_at),
        attempts: record.attempts.into_iter().map(status_attempt).collect(),
    }
}

fn sent_at(attempts: &[Attempt]) -> Option<WallTime> {
    let sent = attempts.iter().rev().find(|attempt| attempt.outcome == AttemptOutcome::Sent)?;
    sent.ended_at_millis.map(WallTime::from_unix_millis)
}

fn status_attempt(attempt: Attempt) -> StatusAttempt {
    let parts = attempt.all_parts().map(status_part).collect();
    // Recorded as `CMS 38 (network out of order)`.
    let (error_code, meaning) = match attempt.code.as_deref().map(|code| code.split_once(" (")) {
        Some(Some((code, meaning))) => (Some(code.to_owned()), Some(meaning.trim_end_matches(')').to_owned())),
        Some(None) => (attempt.code, None),
        None => (None, None),
    };
    StatusAttempt {
        attempt: attempt.number,
        modem: attempt.modem,
        route: attempt.why,
        started_at: WallTime::from_unix_millis(attempt.began_at_millis),
        ended_at: attempt.ended_at_millis.map(WallTime::from_unix_millis),
        message_reference: attempt.parts.first().and_then(|part| part.message_reference),
        error_code,
        meaning,
        parts,
    }
}

fn status_part((part, state, known): (u8, PartState, Option<&Part>)) -> StatusPart {
    let report_status = known.and_then(|known| known.report_status);
    StatusPart {
        part,
        state: state.as_str(),
        message_reference: known.and_then(|known| known.message_reference),
        sent_at: known.and_then(|known| known.sent_at_millis).map(WallTime::from_unix_millis),
        reported_at: known.and_then(|known| known.reported_at_millis).map(WallTime::from_unix_millis),
        report_status,
        report_meaning: report_status.map(|status| Status(status).meaning()),
    }
}
