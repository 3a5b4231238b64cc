//! The hand on a modem that a running gateway drives: checked, asked, sent through, between what the gateway says to it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ::modem::{Command, Phase, Turn, check};
use domain::receiver::{Msisdn, Receiver};
use domain::secret::SecretText;
use store::{AuditBy, AuditEvent, AuditKind};

use super::{ActError, Operator};
use crate::channel::ChannelHandle;
use crate::channel::manual::{self, ManualSms};
use crate::dispatch::Why;
use crate::wire::modems::{
    Checked, Healing, Rendered, Standing, answer, drained as drained_by_hand, manual as rendered, no_answer, reports,
    resumed,
};

/// How long a modem that is at work may take to give its turn to a person.
const TURN: Duration = Duration::from_secs(30);

/// Why a modem cannot be drained or resumed where nothing is given to it.
const NO_GATEWAY: &str = "no gateway runs";

impl Operator {
    /// Looks whether modems can send; all of them when none is named.
    ///
    /// # Errors
    /// There is no such modem, in words.
    pub async fn check_modems(&self, names: &[String]) -> Result<Rendered, String> {
        let channels = self.channels();
        let chosen = match names {
            [] => channels,
            names => names.iter().map(|name| self.find_modem(name)).collect::<Result<_, _>>()?,
        };
        if chosen.is_empty() {
            return Err("no modem is configured".to_owned());
        }
        let look = |channel| checked(channel, self.why_drained(channel));
        Ok(reports(&futures_util::future::join_all(chosen.iter().map(look)).await))
    }

    /// Asks a modem one AT command.
    ///
    /// # Errors
    /// There is no such modem, or no such command may be asked, in words.
    pub async fn ask_modem(
        &self,
        name: &str,
        command: &str,
        patience: Option<Duration>,
        by: &AuditBy,
    ) -> Result<Rendered, String> {
        let channel = self.find_modem(name)?;
        let command = Command::parse(command).map_err(|error| error.to_string())?;
        let patience = patience.unwrap_or_else(|| command.usual_patience());
        let event = commanded(by, channel.modem.name(), &command);
        let asked = self.recorded(event, channel.modem.ask(command.clone(), patience)).await;
        Ok(match asked {
            Ok(told) => answer(&command, &told),
            Err(ActError::Act(error)) => no_answer(&command, &error),
            Err(error @ ActError::Record(_)) => return Err(error.to_string()),
        })
    }

    /// Sends one SMS through a modem, at once.
    ///
    /// # Errors
    /// Why nothing was sent, in words.
    pub async fn send_by_hand(
        &self,
        name: &str,
        receiver: Msisdn,
        text: SecretText,
        by: &AuditBy,
    ) -> Result<Rendered, String> {
        let channel = self.find_modem(name)?;
        if self.store.is_blocked(&Receiver::Msisdn(receiver)) {
            return Err("the receiver is blocked; nothing is sent".to_owned());
        }
        let mut sms = ManualSms { receiver, text, asks_report: false, reference: 0 };
        getrandom::fill(std::slice::from_mut(&mut sms.reference))
            .map_err(|_| "the system has no randomness to give; nothing is sent".to_owned())?;
        let mut turn = wait_for_turn(&channel).await?;
        let event = sent_by_hand(by, receiver, channel.modem.name());
        // Counted like everything else that the SIM sends, and never refused for it: what the API's quota leaves is for people.
        let parts = manual::count_parts(&sms).map_err(|why| format!("{why}; nothing is sent"))?;
        let charged = self.charge_by_hand(&channel, &receiver, parts).await?;
        let sent = self.recorded(event, manual::send(&channel.modem, &mut turn, &sms)).await;
        let unsent = match &sent {
            // ModemManager makes the parts itself, and tells of all as one.
            Ok(sent) if sent.parts.iter().any(|part| !part.is_unsent()) => {
                sent.parts.iter().filter(|part| part.is_unsent()).count()
            }
            Ok(_) | Err(_) => usize::MAX,
        };
        self.give_back(charged, unsent).await;
        sent.map(|sent| rendered(&sent)).map_err(|why| format!("{why}; nothing is sent"))
    }

    /// Tells on which lines the modems are; those that have none are left out.
    #[must_use]
    pub fn modem_lines(&self) -> BTreeMap<String, PathBuf> {
        let line = |channel: &ChannelHandle| {
            let line = channel.modem.status().borrow().line.clone();
            line.map(|line| (channel.modem.name().to_owned(), line))
        };
        self.channels().iter().filter_map(line).collect()
    }

    /// Tells where the modems stand; none where no gateway runs.
    #[must_use]
    pub fn standings(&self) -> Vec<Standing> {
        let standing = |channel: &ChannelHandle| {
            let status = channel.modem.status();
            let status = status.borrow();
            Standing {
                modem: channel.modem.name().to_owned(),
                phase: status.phase.word().to_owned(),
                healing: Healing::of(&status),
                drained: self.why_drained(channel).map(|why| why.words().to_owned()),
            }
        };
        self.channels().iter().map(standing).collect()
    }

    /// Gives a modem no message any more.
    ///
    /// # Errors
    /// There is no such modem, or it could not be recorded, in words.
    pub async fn drain_modem(&self, name: &str, by: &AuditBy) -> Result<Rendered, String> {
        let (channel, dispatcher) = (self.find_modem(name)?, self.dispatcher.as_ref().ok_or(NO_GATEWAY)?);
        let name = channel.modem.name();
        let event = AuditEvent::new(AuditKind::ModemDrained, by, name);
        let drained = self.recorded(event, async { Ok::<_, String>(dispatcher.drain(name)) }).await;
        let is_news = drained.map_err(|error| error.to_string())?;
        let is_ready = |other: &&ChannelHandle| dispatcher.why_no_candidate(other).is_none();
        Ok(drained_by_hand(name, is_news, self.channels().iter().filter(is_ready).count()))
    }

    /// Lets a drained modem back.
    ///
    /// # Errors
    /// There is no such modem, or it could not be recorded, in words.
    pub async fn resume_modem(&self, name: &str, by: &AuditBy) -> Result<Rendered, String> {
        let (channel, dispatcher) = (self.find_modem(name)?, self.dispatcher.as_ref().ok_or(NO_GATEWAY)?);
        let name = channel.modem.name();
        let Some(why) = self.why_drained(&channel).map(Why::words) else { return Ok(resumed(name, None)) };
        let event = AuditEvent::new(AuditKind::ModemResumed, by, name).with("drained", Some(why), None);
        let resume = async { Ok::<_, String>(dispatcher.resume(name)) };
        self.recorded(event, resume).await.map_err(|error| error.to_string())?;
        Ok(resumed(name, Some(why)))
    }

    fn why_drained(&self, channel: &ChannelHandle) -> Option<Why> {
        self.dispatcher.as_ref()?.judge().why_drained(channel.modem.name())
    }

    pub(super) fn channels(&self) -> Vec<ChannelHandle> {
        self.dispatcher.as_ref().map(|dispatcher| dispatcher.plan().channels.clone()).unwrap_or_default()
    }

    /// A modem by its name, or by the path of its line.
    pub(super) fn find_modem(&self, name: &str) -> Result<ChannelHandle, String> {
        let channels = self.channels();
        let is_meant = |channel: &&ChannelHandle| channel.modem.name() == name || channel.is_at(name.as_ref());
        channels.iter().find(is_meant).cloned().ok_or_else(|| {
            let names: Vec<&str> = channels.iter().map(|channel| channel.modem.name()).collect();
            format!("{name:?} is no modem of this gateway; it has {}", names.join(", "))
        })
    }
}

/// That somebody asks a modem a command: its name, and never its arguments.
#[must_use]
pub fn commanded(by: &AuditBy, modem: &str, command: &Command) -> AuditEvent {
    AuditEvent::new(AuditKind::ModemCommand, by, modem).with("command", None, Some(command.verb()))
}

/// That somebody sends an SMS past the API.
#[must_use]
pub fn sent_by_hand(by: &AuditBy, receiver: Msisdn, modem: &str) -> AuditEvent {
    AuditEvent::new(AuditKind::SentByHand, by, receiver.to_string()).with("modem", None, Some(modem))
}

/// Tells whether waiting helps: the modem can send, or is about to.
fn is_promising(phase: Phase) -> bool {
    matches!(phase, Phase::Ready | Phase::Starting | Phase::Recovering)
}

/// Waits for the modem's turn as long as it can send at all, or is about to; one that cannot is reported on at once.
async fn wait_for_turn(channel: &ChannelHandle) -> Result<Turn, String> {
    let modem = &channel.modem;
    let mut status = modem.status();
    // What is borrowed of the status must be given back before the wait for a turn is given up.
    let cannot_send = async { drop(status.wait_for(|status| !is_promising(status.phase)).await) };
    tokio::select! {
        biased;
        turn = modem.turn() => return Ok(turn),
        () = cannot_send => {}
        () = tokio::time::sleep(TURN) => {
            if modem.status().borrow().phase == Phase::Ready {
                return Err(format!("modem {} is too busy; nothing is sent", modem.name()));
            }
        }
    }
    Err(format!("nothing was sent\n{}", reports(&[checked(channel, None).await]).text))
}

async fn checked(channel: &ChannelHandle, drained: Option<Why>) -> Checked {
    let drained = drained.map(|why| why.words().to_owned());
    Checked { line: channel.place(), report: check(&channel.modem).await, drained }
}
