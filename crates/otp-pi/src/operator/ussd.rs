//! What an operator asks the network, and what a SIM is worth.

use modem::{UssdCode, UssdReply};
use serde::Serialize;
use store::{AuditBy, AuditEvent, AuditKind};

use super::{ActError, Operator};
use crate::ussd::{Act, Balance, BalanceError, Desk};
use crate::wire::modems::{Rendered, balance as rendered_balance, ussd as rendered, ussd_ended};

/// What an operator says to the network.
#[derive(Clone, Debug)]
pub enum Said {
    /// A code.
    Code(UssdCode),
    /// A reply in a menu.
    Reply(UssdReply),
    /// That no reply comes.
    Cancel,
}

/// A modem with what its SIM is worth, as far as it is known.
#[derive(Clone, Debug, Serialize, serde::Deserialize)]
pub struct BalanceView {
    /// The modem's name.
    pub modem: String,
    /// What was told last.
    pub balance: Balance,
}

impl Operator {
    /// Asks the network over a modem; `talk` tells the dialogue of one operator from another's.
    ///
    /// # Errors
    /// Why there is no answer, in words.
    pub async fn ussd(&self, name: &str, talk: &str, said: Said, by: &AuditBy) -> Result<Rendered, String> {
        let modem = self.find_modem(name)?.modem;
        let desk = self.desk()?;
        let owner = format!("operator {talk}");
        let act = match said {
            Said::Code(code) => Act::Code(code),
            Said::Reply(reply) => Act::Reply(reply),
            Said::Cancel => {
                desk.cancel(&owner, &modem).await.map_err(|error| error.to_string())?;
                return Ok(ussd_ended(modem.name()));
            }
        };
        let what = if matches!(act, Act::Code(_)) { "code" } else { "reply" };
        let answered = self.recorded(asked_by_hand(by, modem.name(), what), desk.speak(&owner, &modem, act)).await;
        match answered {
            Ok(answered) => Ok(rendered(modem.name(), answered.status, &answered.text, &answered.raw)),
            Err(ActError::Act(error)) => Err(error.to_string()),
            Err(error @ ActError::Record(_)) => Err(error.to_string()),
        }
    }

    /// Asks what a SIM is worth, now.
    ///
    /// # Errors
    /// Why it is not known, in words.
    pub async fn ask_balance(&self, name: &str, by: &AuditBy) -> Result<Rendered, String> {
        let modem = self.find_modem(name)?.modem;
        let desk = self.desk()?;
        let asked = self.recorded(asked_by_hand(by, modem.name(), "balance"), desk.ask_balance(&modem)).await;
        match asked {
            Ok(balance) => Ok(rendered_balance(
                modem.name(),
                &balance.amount.number(),
                &balance.amount.to_string(),
                balance.is_low,
            )),
            Err(ActError::Act(error @ BalanceError::NotSet)) => Err(format!("{error}; see docs/modems.md")),
            Err(ActError::Act(error)) => Err(error.to_string()),
            Err(error @ ActError::Record(_)) => Err(error.to_string()),
        }
    }

    /// What is known of the SIMs' balances.
    #[must_use]
    pub fn balances(&self) -> Vec<BalanceView> {
        let Ok(desk) = self.desk() else { return Vec::new() };
        let known = self.channels().into_iter().filter_map(|channel| {
            let balance = desk.balance(&channel.modem)?;
            Some(BalanceView { modem: channel.modem.name().to_owned(), balance })
        });
        known.collect()
    }

    fn desk(&self) -> Result<&Desk, String> {
        self.desk.as_ref().ok_or_else(|| "no gateway runs".to_owned())
    }
}

/// That somebody asks the network past the API; never what.
#[must_use]
pub fn asked_by_hand(by: &AuditBy, modem: &str, what: &str) -> AuditEvent {
    AuditEvent::new(AuditKind::UssdByHand, by, modem).with("what", None, Some(what))
}
