//! The commands that know a receiver and nothing else: its own reference, the configured text, no parameters.
//!
//! For the small dialects. They are the ordinary commands with those things filled in: the same tickets, tags, attempts
//! and refusals. A reference that is live is no conflict, also when the text was changed in the configuration meanwhile: a
//! second request is a wish for another code, because these callers have no other way to say it.

use domain::autofill::Autofill;
use domain::clock::WallTime;
use domain::command::{Caller, CreateOtp, ValidateOtp};
use domain::otp::{Again, Verdict};
use domain::outcome::{Outcome, Reply, ReplyData};
use domain::receiver::Receiver;
use domain::secret::SecretText;

use super::{Inner, Refusal};

impl Inner {
    pub(super) async fn send_code(&self, receiver: String, caller: Caller, now: WallTime) -> Result<Reply, Refusal> {
        let request = CreateOtp {
            reference: self.own_reference(&receiver)?,
            receiver,
            id: None,
            message: None,
            locale: None,
            autofill: Autofill::default(),
            subject: None,
            expiration: None,
            date_time: None,
            params: Default::default(),
            resend: true,
            client_ip: None,
        };
        self.accept_code(request, Again::Renew, caller, now).await
    }

    pub(super) async fn check_code(
        &self,
        receiver: String,
        otp: SecretText,
        caller: &Caller,
        now: WallTime,
    ) -> Result<Reply, Refusal> {
        let reference = self.own_reference(&receiver)?;
        self.validate_otp(ValidateOtp { reference, receiver, otp, params: Default::default() }, caller, now).await
    }

    pub(super) async fn find_code(&self, receiver: String, caller: &Caller, now: WallTime) -> Result<Reply, Refusal> {
        let reference = self.own_reference(&receiver)?;
        let found = self.store.takes_guesses(self.ticket_key(caller, &reference), now).await;
        if found.map_err(|error| Refusal::store_failed(&error))? {
            return Ok(Reply::accepted(ReplyData::Otp { reference, receiver, message: None }));
        }
        let mut reply = Reply::failed(Outcome::CodeWrong, "there is no live code for this receiver");
        reply.verdict = Some(Verdict::NoCode);
        Ok(reply)
    }

    /// The one reference of a phone; however the number is written.
    fn own_reference(&self, receiver: &str) -> Result<String, Refusal> {
        match self.receiver(receiver)? {
            Receiver::Msisdn(msisdn) => Ok(format!("simple:{}", msisdn.expose())),
            Receiver::Email(_) => Err(Refusal::field("receiver: it must be a phone number")),
        }
    }
}
