//! The commands about codes: create, validate, cancel. No code exists here; see [`crate::channel`].

use domain::clock::WallTime;
use domain::command::{Caller, CreateOtp, ValidateOtp};
use domain::deadline::{self, Times};
use domain::message::{Class, MessageId, MessageState};
use domain::otp::{Again, Binding, Code, CodeLength, CodePolicy, Fingerprint, Guess, Reservation, TicketKey, Verdict};
use domain::outcome::{Outcome, Reply, ReplyData};
use domain::template::Template;
use gsm::segment;
use store::{Acceptance, Accepted, Content, NewMessage, QueueEntry};

use super::{Inner, RNG, Refusal, queue_entry};

/// An OTP text may take this many parts at most: more cost more and arrive late.
const MOST_PARTS: usize = 2;

/// The longest reference or parameter that is taken, in bytes.
const LONGEST_FIELD: usize = 256;

impl Inner {
    pub(super) async fn create_otp(&self, request: CreateOtp, caller: Caller, now: WallTime) -> Result<Reply, Refusal> {
        let again = if request.resend { Again::Resend } else { Again::Retry };
        self.accept_code(request, again, caller, now).await
    }

    /// Makes a request for a code durable and hands it to the dispatcher.
    pub(super) async fn accept_code(
        &self,
        request: CreateOtp,
        again: Again,
        caller: Caller,
        now: WallTime,
    ) -> Result<Reply, Refusal> {
        check_reference(&request.reference)?;
        check_params(&request.params)?;
        let receiver = self.receiver(&request.receiver)?;
        check_template(request.message.expose(), self.settings.code_length)
            .map_err(|error| Refusal::field(format!("message: {error}")))?;
        let times = Times {
            accepted_at: now,
            date_time: request.date_time,
            expiration: request.expiration,
            clock_is_synchronised: self.clock.is_synchronised(),
        };
        let expiration = times.effective_expiration();
        let deadline = times.otp_deadline(self.settings.lifetime);
        if deadline::is_past(deadline, now) {
            return Err(Refusal::new(Outcome::DroppedExpired, "the request had expired when it came"));
        }
        self.admit(&receiver)?;
        let place = self.dispatcher.try_reserve().ok_or_else(Refusal::queue_full)?;
        let slot = self.store.try_reserve().ok_or_else(Refusal::queue_full)?;

        let id = MessageId::new(now, &mut { RNG });
        let taken = self.limiter.admit_code((&receiver, request.client_ip), &caller, id, now).await?;
        let ticket_key = self.ticket_key(&caller, &request.reference);
        let binding = Binding {
            reference: request.reference.clone(),
            receiver: receiver.clone(),
            params: request.params.clone(),
        };
        let policy = CodePolicy {
            expiration,
            lifetime: self.settings.lifetime,
            max_lifetime: self.settings.max_lifetime,
            max_attempts: self.settings.max_attempts,
        };
        let reservation = Reservation {
            fingerprint: self.fingerprint(&request, &binding),
            message_id: id,
            deadline,
            code_policy: policy,
            again,
        };
        let message = NewMessage {
            id,
            api_user: caller.api_user,
            class: Class::Otp,
            entrance: caller.entrance,
            receiver: receiver.clone(),
            content: Content::Otp {
                template: request.message,
                subject: request.subject,
                binding,
                length: self.settings.code_length,
                policy,
            },
            accepted_at: now,
            deadline,
            not_before: now,
            own_id: None,
        };
        let entry = queue_entry(&message);
        let acceptance = Acceptance { message, ticket: Some((ticket_key, reservation)), replay: None };
        let accepted = self.store.accept(slot, acceptance).await;
        if !matches!(accepted, Ok(Accepted::New { .. })) {
            self.limiter.give_back(taken, id, now).await;
        }
        let message = match accepted.map_err(|error| Refusal::store_failed(&error))? {
            Accepted::New { .. } => {
                place.submit(entry);
                self.announce(id, MessageState::Queued, now);
                (id, MessageState::Queued)
            }
            Accepted::Repeat { message_id, state } => {
                if state == MessageState::Queued {
                    // In case the first request was cut off between the two: the dispatcher knows it by its id.
                    place.submit(QueueEntry { id: message_id, ..entry });
                }
                (message_id, state)
            }
            Accepted::Conflict => {
                return Err(Refusal::new(Outcome::ReferenceInUse, "the reference is in use with other content"));
            }
        };
        let (reference, receiver) = (request.reference, request.receiver);
        Ok(Reply::accepted(ReplyData::Otp { reference, receiver, message: Some(message) }))
    }

    pub(super) async fn validate_otp(
        &self,
        request: ValidateOtp,
        caller: &Caller,
        now: WallTime,
    ) -> Result<Reply, Refusal> {
        check_reference(&request.reference)?;
        check_params(&request.params)?;
        let receiver = self.receiver(&request.receiver)?;
        let data = ReplyData::Otp { reference: request.reference.clone(), receiver: request.receiver, message: None };
        let ticket_key = self.ticket_key(caller, &request.reference);
        let binding = Binding { reference: request.reference, receiver: receiver.clone(), params: request.params };
        let guess = Guess::new(&binding, &self.store.peppers(), &request.otp);
        let held = self.limiter.begin_guess(&receiver, caller, now).await?;
        let judged = self.store.validate(ticket_key, guess, now).await;
        self.limiter.end_guess(held, judged.as_ref().ok().copied(), &receiver, now).await;
        let verdict = judged.map_err(|error| Refusal::store_failed(&error))?;
        let mut reply = Reply::new(Outcome::from(verdict));
        reply.data = data;
        reply.verdict = Some(verdict);
        reply.error = match verdict {
            Verdict::Valid => None,
            Verdict::Wrong { attempts_left } => {
                reply.attempts_left = Some(attempts_left);
                Some("the code is wrong")
            }
            // The three must not be told apart: no answer says whether a reference exists.
            Verdict::NoCode | Verdict::Used => Some("the code is wrong"),
            Verdict::Expired => Some("the code has expired"),
            Verdict::TooManyAttempts => Some("too many wrong codes were tried"),
        }
        .map(str::to_owned);
        Ok(reply)
    }

    pub(super) async fn cancel_otp(&self, reference: String, caller: &Caller, now: WallTime) -> Result<Reply, Refusal> {
        check_reference(&reference)?;
        let cancelled = self.store.cancel(self.ticket_key(caller, &reference), now).await;
        let id = cancelled
            .map_err(|error| Refusal::store_failed(&error))?
            .ok_or_else(|| Refusal::new(Outcome::CodeWrong, "there is no live code under this reference"))?;
        self.dispatcher.cancel(id);
        Ok(Reply::accepted(ReplyData::Otp { reference, receiver: String::new(), message: None }))
    }

    pub(super) fn ticket_key(&self, caller: &Caller, reference: &str) -> TicketKey {
        TicketKey::derive(self.store.lookup_key().as_bytes(), &caller.api_user, reference)
    }

    fn fingerprint(&self, request: &CreateOtp, binding: &Binding) -> Fingerprint {
        let [first, second, third, fourth] = &request.params;
        Fingerprint::derive(
            self.store.lookup_key().as_bytes(),
            &[
                b"create-otp",
                binding.receiver.expose().as_bytes(),
                request.message.expose().as_bytes(),
                request.subject.as_deref().unwrap_or_default().as_bytes(),
                first.as_bytes(),
                second.as_bytes(),
                third.as_bytes(),
                fourth.as_bytes(),
            ],
        )
    }
}

/// Checks the text of a code: one place for it, and not too long with it.
///
/// # Errors
/// What is wrong, in words.
pub fn check_template(text: &str, length: CodeLength) -> Result<(), String> {
    let template = Template::parse(text).map_err(|error| error.to_string())?;
    let parts = segment::count(template.render(&Code::placeholder(length)).expose());
    if parts > MOST_PARTS {
        return Err(format!("it takes {parts} SMS with its code, at most {MOST_PARTS} are allowed"));
    }
    Ok(())
}

fn check_reference(reference: &str) -> Result<(), Refusal> {
    if reference.is_empty() {
        return Err(Refusal::field("reference is missing"));
    }
    if reference.len() > LONGEST_FIELD {
        return Err(Refusal::field(format!("reference is longer than {LONGEST_FIELD} bytes")));
    }
    Ok(())
}

fn check_params(params: &[String; 4]) -> Result<(), Refusal> {
    match params.iter().zip(1..).find(|(param, _)| param.len() > LONGEST_FIELD) {
        Some((_, number)) => Err(Refusal::field(format!("param{number} is longer than {LONGEST_FIELD} bytes"))),
        None => Ok(()),
    }
}
