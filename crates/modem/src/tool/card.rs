//! The PIN lock of a SIM, and a PIN or PUK that a person types.
//!
//! # Standard
//! 3GPP TS 27.007 §7.4 (`+CLCK`), §7.5 (`+CPWD`), §8.3 (`+CPIN`), §8.65 (`+CPINR`); 3GPP TS 31.101 §9.5 (tries).

use std::fmt;
use std::time::Duration;

use gsm::ErrorCode;
use gsm::at::{self, PinState, PinTries};
use zeroize::Zeroizing;

use super::ToolError;
use crate::command::Command;
use crate::handle::{Inquiry, ModemHandle};
use crate::pin::{Pin, PinError};
use crate::profile::{GENERIC, Profile};
use crate::question::{Answer, AskError};

/// How long a SIM may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Fewer tries left than this, and a wrong code would block the SIM.
const TRIES_NEEDED: u8 = 2;
/// The standard's way to ask for the tries of the PUK (3GPP TS 27.007 §8.65); what makers tell of both is in the profile.
const PUK_TRIES: &str = "AT+CPINR=\"SIM PUK\"";

/// Says why a text is no code for a SIM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Not a PIN.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// A PUK has 8 digits (3GPP TS 31.101 §9.5.2).
    #[error("a puk has 8 digits")]
    Puk,
}

/// Holds the PUK of a SIM: 8 ASCII digits, wiped on drop, dots when printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Puk(Zeroizing<String>);

impl Puk {
    /// Takes a PUK.
    ///
    /// # Errors
    /// Refuses anything but 8 ASCII digits.
    pub fn parse(text: impl Into<String>) -> Result<Self, CodeError> {
        let text = Zeroizing::new(text.into());
        let is_puk = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_puk { Ok(Self(text)) } else { Err(CodeError::Puk) }
    }
}

impl fmt::Debug for Puk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("•••")
    }
}

/// What is done about a PIN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinAct {
    /// The SIM shall ask for this PIN, its own, whenever it gets power.
    Enable(Pin),
    /// It shall not ask any more.
    Disable(Pin),
    /// It shall have another PIN.
    Change {
        /// The present one.
        old: Pin,
        /// The next one.
        new: Pin,
    },
    /// The SIM asks for its PIN: here it is.
    Enter(Pin),
    /// The SIM asks for its PUK: here it is, and the next PIN.
    Unblock {
        /// The PUK.
        puk: Puk,
        /// The next PIN.
        new: Pin,
    },
}

/// How a SIM stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CardReport {
    /// What it asks for; `None` when the modem does not tell.
    pub state: Option<PinState>,
    /// Whether it asks for its PIN whenever it gets power; `None` when that cannot be known now.
    pub is_locked: Option<bool>,
    /// Tries of the PIN left, where the modem tells.
    pub pin_tries: Option<u8>,
    /// Tries of the PUK left, where the modem tells.
    pub puk_tries: Option<u8>,
}

/// Looks at the SIM of a modem, with no message in between.
///
/// # Errors
/// [`ToolError::NotAsked`].
pub async fn look_at_card(handle: &ModemHandle) -> Result<CardReport, ToolError> {
    let mut inquiry = handle.inquire().await.map_err(ToolError::NotAsked)?;
    let profile = handle.status().borrow().profile;
    look(&mut inquiry, profile).await
}

/// Does one thing about a PIN and answers how the SIM stands then. With `may_be_last` also when a wrong code would block the SIM.
///
/// The configured PIN is not entered any more once the SIM has another one.
///
/// # Errors
/// [`ToolError`]; only [`ToolError::WrongCode`] has used up a try, and [`ToolError::Unclear`] may have.
pub async fn act_on_pin(handle: &ModemHandle, act: &PinAct, may_be_last: bool) -> Result<CardReport, ToolError> {
    let mut inquiry = handle.inquire().await.map_err(ToolError::NotAsked)?;
    let profile = handle.status().borrow().profile;
    let before = look(&mut inquiry, profile).await?;
    act.check(before)?;
    let (left, is_for_good) = match act {
        PinAct::Unblock { .. } => (before.puk_tries, true),
        _ => (before.pin_tries, false),
    };
    if let Some(left) = left.filter(|left| *left < TRIES_NEEDED && !may_be_last) {
        return Err(ToolError::FewTries { left, is_for_good });
    }
    let answer = inquiry.ask(act.command(), PATIENCE).await.map_err(|error| match error {
        error @ AskError::NotOpen { .. } => ToolError::NotAsked(error),
        error => ToolError::Unclear(error),
    })?;
    // What it says now is worth telling, and no reason to take back what was done.
    let after = look(&mut inquiry, profile).await;
    let left = after.as_ref().ok().and_then(|after| if is_for_good { after.puk_tries } else { after.pin_tries });
    match answer.result.error_code() {
        None if answer.result.is_ok() => Ok(after.unwrap_or_default()),
        Some(ErrorCode::Cme(12 | 16)) => Err(ToolError::WrongCode { left }),
        code => Err(ToolError::Refused { result: shown(&answer), code }),
    }
}

impl PinAct {
    /// Answers whether the SIM would take it for what it is.
    fn check(&self, before: CardReport) -> Result<(), ToolError> {
        let not_now = |why| Err(ToolError::NotNow(why));
        match (self, before.state, before.is_locked) {
            (Self::Enter(_), Some(PinState::SimPin), _) | (Self::Unblock { .. }, Some(PinState::SimPuk), _) => Ok(()),
            (_, Some(PinState::SimPuk), _) => not_now("the SIM asks for its PUK"),
            (_, Some(PinState::NotInserted), _) => not_now("there is no SIM"),
            (_, Some(PinState::PhoneLock), _) => not_now("the device is locked to another SIM or network"),
            (Self::Enter(_), ..) => not_now("the SIM does not ask for a PIN"),
            (Self::Unblock { .. }, ..) => not_now("the SIM does not ask for its PUK"),
            (_, Some(PinState::SimPin), _) => not_now("the SIM asks for its PIN first"),
            (Self::Enable(_), _, Some(true)) => not_now("the SIM asks for its PIN already"),
            (Self::Disable(_), _, Some(false)) => not_now("the SIM does not ask for its PIN"),
            (Self::Change { .. }, _, Some(false)) => {
                not_now("a PIN can be changed only while the SIM asks for it: switch that on first")
            }
            _ => Ok(()),
        }
    }

    fn command(&self) -> Command {
        // Digits alone stand between the quotes: `Pin` and `Puk` are nothing else.
        let text = |parts: &[&str]| Zeroizing::new(parts.concat());
        match self {
            Self::Enable(pin) => Command::own("+CLCK", &text(&["\"SC\",1,\"", pin.expose(), "\""])),
            Self::Disable(pin) => Command::own("+CLCK", &text(&["\"SC\",0,\"", pin.expose(), "\""])),
            Self::Change { old, new } => {
                Command::own("+CPWD", &text(&["\"SC\",\"", old.expose(), "\",\"", new.expose(), "\""])).giving(new)
            }
            Self::Enter(pin) => Command::own("+CPIN", &text(&["\"", pin.expose(), "\""])),
            Self::Unblock { puk, new } => {
                Command::own("+CPIN", &text(&["\"", &puk.0, "\",\"", new.expose(), "\""])).giving(new)
            }
        }
    }
}

async fn look(inquiry: &mut Inquiry, profile: &str) -> Result<CardReport, ToolError> {
    let mut report = CardReport::default();
    let state = ask(inquiry, "AT+CPIN?").await?;
    report.state = match &state {
        Told::Lines(lines) => lines.iter().find_map(|line| PinState::parse(line)),
        Told::Refused(Some(10 | 13 | 15)) => Some(PinState::NotInserted),
        Told::Refused(Some(11)) => Some(PinState::SimPin),
        Told::Refused(Some(12)) => Some(PinState::SimPuk),
        Told::Refused(_) => None,
    };
    if report.state.is_none_or(PinState::can_send) {
        if let Told::Lines(lines) = ask_command(inquiry, Command::own_question("+CLCK", "\"SC\",2")).await? {
            report.is_locked = lines.iter().find_map(|line| at::lock_state(line));
        }
    } else if report.state == Some(PinState::SimPin) {
        report.is_locked = Some(true);
    }
    let profile = Profile::find(profile).unwrap_or(&GENERIC);
    let ways = profile.pin_tries.iter().map(|way| way.command);
    for command in ways.chain([PUK_TRIES]) {
        if report.pin_tries.is_some() && report.puk_tries.is_some() {
            break;
        }
        let Told::Lines(lines) = ask(inquiry, command).await? else { continue };
        let pin = lines.iter().find_map(|line| PinTries::parse(line)).map(|tries| tries.pin);
        report.pin_tries = report.pin_tries.or(pin);
        report.puk_tries = report.puk_tries.or_else(|| lines.iter().find_map(|line| at::puk_tries(line)));
    }
    Ok(report)
}

enum Told {
    Lines(Vec<Zeroizing<String>>),
    Refused(Option<u16>),
}

async fn ask(inquiry: &mut Inquiry, text: &str) -> Result<Told, ToolError> {
    match Command::parse(text) {
        Ok(command) => ask_command(inquiry, command).await,
        Err(_) => Ok(Told::Refused(None)),
    }
}

async fn ask_command(inquiry: &mut Inquiry, command: Command) -> Result<Told, ToolError> {
    match inquiry.ask(command, PATIENCE).await {
        Ok(answer) if answer.result.is_ok() => Ok(Told::Lines(answer.lines)),
        Ok(answer) => Ok(Told::Refused(answer.result.error_code().and_then(ErrorCode::number))),
        // Wavecom modems say the state of the SIM and no OK.
        Err(AskError::NoResult { lines }) if !lines.is_empty() => Ok(Told::Lines(lines)),
        Err(error) => Err(ToolError::NotAsked(error)),
    }
}

pub(super) fn shown(answer: &Answer) -> String {
    crate::session::printable(&answer.result_line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(text: &str) -> Pin {
        Pin::parse(text).unwrap()
    }

    #[test]
    fn only_eight_digits_are_a_puk_and_it_prints_dots() {
        for (text, taken) in [("12345678", true), ("1234567", false), ("123456789", false), ("1234567\r", false)] {
            assert_eq!(Puk::parse(text).is_ok(), taken, "{text:?}");
        }
        assert_eq!(format!("{:?}", Puk::parse("12345678").unwrap()), "•••");
    }

    #[test]
    fn an_act_is_done_only_where_the_card_would_take_it_for_what_it_is() {
        let puk = Puk::parse("12345678").unwrap();
        let acts = [
            PinAct::Enable(pin("1234")),
            PinAct::Disable(pin("1234")),
            PinAct::Change { old: pin("1234"), new: pin("4321") },
            PinAct::Enter(pin("1234")),
            PinAct::Unblock { puk, new: pin("4321") },
        ];
        for (state, is_locked, allowed) in [
            (Some(PinState::Ready), Some(true), [false, true, true, false, false]),
            (Some(PinState::Ready), Some(false), [true, false, false, false, false]),
            (Some(PinState::Ready), None, [true, true, true, false, false]),
            (Some(PinState::SimPin), Some(true), [false, false, false, true, false]),
            (Some(PinState::SimPuk), None, [false, false, false, false, true]),
            (Some(PinState::NotInserted), None, [false; 5]),
            (Some(PinState::PhoneLock), None, [false; 5]),
        ] {
            let report = CardReport { state, is_locked, ..CardReport::default() };
            let may = acts.each_ref().map(|act| act.check(report).is_ok());
            assert_eq!(may, allowed, "{report:?}");
        }
    }

    #[test]
    fn no_act_prints_a_code() {
        let act = PinAct::Change { old: pin("1234"), new: pin("4321") };
        let command = act.command();
        let printed = format!("{act:?} {command:?} {}", command.verb());
        assert!(!printed.contains("1234") && !printed.contains("4321"), "{printed}");
        assert_eq!(command.text(), "AT+CPWD=\"SC\",\"1234\",\"4321\"");
        assert_eq!(command.new_pin(), Some(&pin("4321")));
    }
}
