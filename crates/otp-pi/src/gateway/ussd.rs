//! `request-ussd`: one code or reply over one modem, and its answer.

use std::fmt::Display;

use domain::command::{Caller, RequestUssd};
use domain::outcome::{Outcome, Reply, ReplyData};
use domain::secret::SecretText;
use modem::{ModemHandle, UssdCode, UssdError, UssdReply};
use tracing::info;

use super::{Inner, Refusal};
use crate::ussd::{Act, DeskError};

impl Inner {
    pub(super) async fn ussd(&self, request: RequestUssd, caller: &Caller) -> Result<Reply, Refusal> {
        let modem = self.ussd_modem(&request.modem)?;
        // An operator's dialogue is none of an API user's, whatever he is called.
        let owner = format!("api user {}", caller.api_user);
        let Some(act) = act(&request, self.desk.is_open(&owner, &modem))? else {
            info!(modem.name = modem.name(), api_user = %caller.api_user, "an API user ends a USSD dialogue");
            self.desk.cancel(&owner, &modem).await.map_err(|error| refused(&error.into()))?;
            return Ok(Reply::accepted(ReplyData::Ussd {
                content: SecretText::new(""),
                raw: SecretText::new(""),
                is_open: false,
            }));
        };
        info!(modem.name = modem.name(), api_user = %caller.api_user, "an API user asks over USSD");
        let answered = self.desk.speak(&owner, &modem, act).await.map_err(|error| refused(&error))?;
        Ok(Reply::accepted(ReplyData::Ussd { content: answered.text, raw: answered.raw, is_open: answered.is_open }))
    }

    /// The modem of a name, if API users may use it.
    fn ussd_modem(&self, name: &str) -> Result<ModemHandle, Refusal> {
        let plan = self.dispatcher.plan();
        let found = plan.channels.iter().zip(&plan.table.modems).find(|(channel, _)| channel.modem.name() == name);
        let Some((channel, route)) = found else {
            return Err(Refusal::field("data.modem_id is no modem of this gateway; get-modem-list has them"));
        };
        if !route.is_enabled {
            return Err(Refusal::new(Outcome::NoModem, "this modem may not be used for the API"));
        }
        Ok(channel.modem.clone())
    }
}

/// What is to be said, in a dialogue that is open or not; none to end it.
fn act(request: &RequestUssd, is_open: bool) -> Result<Option<Act>, Refusal> {
    let bad = |name: &str, error: &dyn Display| Refusal::field(format!("data.{name}: {error}"));
    match (&request.code, &request.reply, request.cancels) {
        (None, None, true) => Ok(None),
        // Clients that know nothing of replies give the next choice as the code.
        (Some(code), None, false) if is_open && !UssdCode::is_like(code.expose()) => UssdReply::parse(code.expose())
            .map(|reply| Some(Act::Reply(reply)))
            .map_err(|error| bad("ussd_code", &error)),
        (Some(code), None, false) => {
            UssdCode::parse(code.expose()).map(|code| Some(Act::Code(code))).map_err(|error| bad("ussd_code", &error))
        }
        (None, Some(reply), false) => {
            UssdReply::parse(reply.expose()).map(|reply| Some(Act::Reply(reply))).map_err(|error| bad("reply", &error))
        }
        (None, None, false) => {
            Err(Refusal::field("data.ussd_code is missing; or data.reply, where the answer before was replyable"))
        }
        _ => Err(Refusal::field("data.ussd_code, data.reply and data.cancel: one of them at a time")),
    }
}

fn refused(error: &DeskError) -> Refusal {
    let outcome = match error {
        DeskError::Busy => {
            let retry_after = Some(std::time::Duration::from_secs(5));
            return Refusal { retry_after, ..Refusal::new(Outcome::QueueFull, error.to_string()) };
        }
        DeskError::Ussd(UssdError::NotReady { .. }) => Outcome::NoModem,
        DeskError::Ussd(
            UssdError::Refused { .. } | UssdError::NoAnswer | UssdError::Over | UssdError::Interrupted { .. },
        )
        | DeskError::Status(_) => Outcome::NotSent,
    };
    Refusal::new(outcome, error.to_string())
}
