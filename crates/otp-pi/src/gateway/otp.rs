//! The commands about codes: create, validate, cancel. No code exists here; see [`crate::channel`].

use domain::autofill::{AppHash, Host};
use domain::clock::WallTime;
use domain::command::{Caller, CreateOtp, ValidateOtp};
use domain::deadline::{self, Times};
use domain::locale::Locale;
use domain::message::{Class, MessageId};
use domain::otp::{Again, Binding, CodePolicy, Fingerprint, Guess, Reservation, TicketKey, Verdict};
use domain::outcome::{Outcome, Reply, ReplyData};
use domain::secret::SecretText;
use store::{Acceptance, Content, NewMessage, Replay};

use super::send::check_id;
use super::text::check_text;
use super::{Inner, RNG, Refusal};

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
        check_id(request.id.as_deref())?;
        let receiver = self.receiver(&request.receiver)?;
        let text = request.message.as_ref().unwrap_or_else(|| self.settings.texts.choose(request.locale.as_ref()));
        check_text(text.expose(), &request.autofill, self.settings.code_length)
            .map_err(|error| Refusal::field(format!("message: {error}")))?;
        let times = Times {
            accepted_at: now,
            date_time: request.date_time,
            expiration: request.expiration,
            clock_is_synchronised: self.clock.is_synchronised(),
        };
        let expiration = times.effective_expiration();
        let deadline = times.otp_deadline(self.settings.lifetime);
        let room = if deadline::is_past(deadline, now) {
            Err(Refusal::new(Outcome::DroppedExpired, "the request had expired when it came"))
        } else {
            self.make_room(&receiver)
        };
        let binding = Binding {
            reference: request.reference.clone(),
            receiver: receiver.clone(),
            params: request.params.clone(),
        };
        let code_policy = CodePolicy {
            expiration,
            lifetime: self.settings.lifetime,
            max_lifetime: self.settings.max_lifetime,
            max_attempts: self.settings.max_attempts,
        };
        let id = MessageId::new(now, &mut { RNG });
        let fingerprint = self.fingerprint(&request, &binding);
        let reservation = Reservation { fingerprint, message_id: id, deadline, code_policy, again };
        let replay = request.id.as_deref().map(|own_id| self.code_replay(&caller, own_id, &request, fingerprint));
        let asked = Acceptance {
            ticket: Some((self.ticket_key(&caller, &request.reference), reservation)),
            replay,
            message: NewMessage {
                id,
                api_user: caller.api_user,
                class: Class::Otp,
                entrance: caller.entrance,
                receiver,
                content: Content::Otp {
                    template: text.clone(),
                    autofill: request.autofill,
                    subject: request.subject,
                    binding,
                    length: self.settings.code_length,
                    policy: code_policy,
                },
                accepted_at: now,
                deadline,
                not_before: now,
                own_id: request.id,
            },
        };
        let message = self.accept(room, asked, request.client_ip).await?;
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
        let held = self.limiter.begin_guess(&receiver, caller).await?;
        let judged = self.store.validate(ticket_key, guess, now).await;
        self.limiter.end_guess(held, judged.as_ref().ok().copied(), &receiver).await;
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

    /// Of what must be the same for a retry. Of a configured text that is the language that was asked for: the retry is the same also
    /// when the text was changed meanwhile.
    fn fingerprint(&self, request: &CreateOtp, binding: &Binding) -> Fingerprint {
        let [first, second, third, fourth] = &request.params;
        let mut fields: Vec<&[u8]> = vec![
            b"create-otp",
            binding.receiver.expose().as_bytes(),
            request.message.as_ref().map(SecretText::expose).unwrap_or_default().as_bytes(),
            request.subject.as_deref().unwrap_or_default().as_bytes(),
            first.as_bytes(),
            second.as_bytes(),
            third.as_bytes(),
            fourth.as_bytes(),
        ];
        let domain = request.autofill.domain.as_ref();
        // Named, and only where they are: a request without them is what it was before they were known.
        let more = [
            ("locale", request.locale.as_ref().filter(|_| request.message.is_none()).map(Locale::as_str)),
            ("domain", domain.map(|domain| domain.host.as_str())),
            ("embedded", domain.and_then(|domain| domain.embedded.as_ref()).map(Host::as_str)),
            ("app_hash", request.autofill.app_hash.as_ref().map(AppHash::as_str)),
        ];
        for (name, value) in &more {
            fields.extend(value.iter().flat_map(|value| [name.as_bytes(), value.as_bytes()]));
        }
        Fingerprint::derive(self.store.lookup_key().as_bytes(), &fields)
    }

    /// The replay key of a request with its own id. A resend under that id is not the first request again.
    fn code_replay(&self, caller: &Caller, own_id: &str, request: &CreateOtp, content: Fingerprint) -> Replay {
        let kind: &[u8] = if request.resend { b"resend" } else { b"create" };
        let content = Fingerprint::derive(
            self.store.lookup_key().as_bytes(),
            &[content.as_bytes(), request.reference.as_bytes(), kind],
        );
        self.replay(caller, own_id, content)
    }
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
