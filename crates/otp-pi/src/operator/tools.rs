//! The SIM and IMEI tools: what a person does to a SIM or a device, recorded before it is done.
//!
//! It must never keep or repeat a PIN or PUK, and never write an IMEI that the owner has not allowed and typed twice.

use ::modem::tool::{self, CodeError, PinAct, Puk, ToolError};
use ::modem::{Imei, Pin};
use domain::secret::SecretText;
use serde::{Deserialize, Serialize};
use store::{AuditBy, AuditEvent, AuditKind};

use super::{ActError, Operator};
use crate::wire::modems::{Rendered, card, imei, no_tool, restored};

/// The setting without which no IMEI is written.
const ALLOWED: &str = "device.allow_imei_write";

/// What is done about the PIN of a SIM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PinVerb {
    /// The SIM asks for its PIN from now on.
    On,
    /// It does not ask any more.
    Off,
    /// It gets another one.
    Change,
    /// It is given the one that it asks for.
    Enter,
    /// It is given its PUK and gets another PIN.
    Unblock,
}

impl PinVerb {
    /// The word for the record.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Change => "change",
            Self::Enter => "enter",
            Self::Unblock => "unblock",
        }
    }

    /// Whether the SIM gets another PIN.
    #[must_use]
    pub fn gives_new_pin(self) -> bool {
        matches!(self, Self::Change | Self::Unblock)
    }
}

impl Operator {
    /// Looks at the SIM of a modem.
    ///
    /// # Errors
    /// There is no such modem, in words.
    pub async fn sim_status(&self, name: &str) -> Result<Rendered, String> {
        let channel = self.find_modem(name)?;
        Ok(match tool::look_at_card(&channel.modem).await {
            Ok(report) => card(channel.modem.name(), report),
            Err(error) => no_tool(&error),
        })
    }

    /// Does something about the PIN of a SIM.
    ///
    /// # Errors
    /// There is no such modem, a code is none, or it could not be recorded, in words.
    pub async fn act_on_pin(
        &self,
        name: &str,
        verb: PinVerb,
        code: &SecretText,
        new_pin: Option<&SecretText>,
        may_be_last: bool,
        by: &AuditBy,
    ) -> Result<Rendered, String> {
        let channel = self.find_modem(name)?;
        let act = pin_act(verb, code, new_pin)?;
        let event = pin_acted(by, channel.modem.name(), verb);
        let acted = self.recorded(event, tool::act_on_pin(&channel.modem, &act, may_be_last)).await;
        told(acted, |report| card(channel.modem.name(), report))
    }

    /// Asks a device for its IMEI.
    ///
    /// # Errors
    /// There is no such modem, in words.
    pub async fn show_imei(&self, name: &str) -> Result<Rendered, String> {
        let channel = self.find_modem(name)?;
        Ok(match tool::find_imei(&channel.modem).await {
            Ok(found) => imei(channel.modem.name(), found.as_deref()),
            Err(error) => no_tool(&error),
        })
    }

    /// Writes the IMEI that is printed on a device.
    ///
    /// # Errors
    /// It is not allowed, not an IMEI, not confirmed, there is no such modem, or it could not be recorded, in words.
    pub async fn restore_imei(
        &self,
        name: &str,
        digits: &str,
        confirmation: &str,
        by: &AuditBy,
    ) -> Result<Rendered, String> {
        let settings = self.settings.list().await.map_err(|error| error.to_string())?;
        let is_allowed = settings.iter().any(|it| it.key == ALLOWED && it.value.as_deref() == Some("true"));
        let wanted = imei_to_write(is_allowed, digits, confirmation)?;
        let channel = self.find_modem(name)?;
        let before = match tool::find_imei(&channel.modem).await {
            Ok(before) => before,
            Err(error) => return Ok(no_tool(&error)),
        };
        let event = imei_written(by, channel.modem.name(), before.as_deref(), &wanted);
        let done = self.recorded(event, tool::restore_imei(&channel.modem, &wanted)).await;
        told(done, |done| restored(channel.modem.name(), &wanted, &done))
    }
}

fn told<T>(done: Result<T, ActError<ToolError>>, show: impl FnOnce(T) -> Rendered) -> Result<Rendered, String> {
    match done {
        Ok(done) => Ok(show(done)),
        Err(ActError::Act(error)) => Ok(no_tool(&error)),
        Err(error @ ActError::Record(_)) => Err(error.to_string()),
    }
}

/// Reads the codes of an act.
///
/// # Errors
/// One of them is none, in words that do not repeat it.
pub fn pin_act(verb: PinVerb, code: &SecretText, new_pin: Option<&SecretText>) -> Result<PinAct, String> {
    let words = |error: CodeError| error.to_string();
    let pin = || Pin::parse(code.expose()).map_err(|error| words(error.into()));
    let new = || {
        let new = new_pin.ok_or("the next PIN is missing")?;
        Pin::parse(new.expose()).map_err(|error| format!("the next PIN: {error}"))
    };
    Ok(match verb {
        PinVerb::On => PinAct::Enable(pin()?),
        PinVerb::Off => PinAct::Disable(pin()?),
        PinVerb::Enter => PinAct::Enter(pin()?),
        PinVerb::Change => PinAct::Change { old: pin()?, new: new()? },
        PinVerb::Unblock => PinAct::Unblock { puk: Puk::parse(code.expose()).map_err(words)?, new: new()? },
    })
}

/// Decides whether an IMEI may be written.
///
/// # Errors
/// Why not, in words.
pub fn imei_to_write(is_allowed: bool, digits: &str, confirmation: &str) -> Result<Imei, String> {
    if !is_allowed {
        return Err(format!(
            "no IMEI is written here: {ALLOWED} is not set to true. Only the IMEI printed on the device may be put back; \
             another one is a crime in several countries"
        ));
    }
    let imei = Imei::parse(digits).map_err(|error| error.to_string())?;
    if confirmation == digits {
        Ok(imei)
    } else {
        Err("the IMEI was not typed alike twice; nothing was done".to_owned())
    }
}

/// That somebody does something about a PIN.
#[must_use]
pub fn pin_acted(by: &AuditBy, modem: &str, verb: PinVerb) -> AuditEvent {
    AuditEvent::new(AuditKind::SimPin, by, modem).with("pin", None, Some(verb.word()))
}

/// That somebody writes an IMEI.
#[must_use]
pub fn imei_written(by: &AuditBy, modem: &str, before: Option<&str>, imei: &Imei) -> AuditEvent {
    AuditEvent::new(AuditKind::ImeiWritten, by, modem).with("imei", before, Some(imei.expose()))
}
