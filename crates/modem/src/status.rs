//! What is known about a modem at this moment.
//!
//! Never: deciding anything. Written by the actor, read through [`crate::ModemHandle::status`].

use std::path::PathBuf;

use gsm::at::RegistrationStatus;

use crate::heal::{HealCounts, HealStep};

/// What a modem is doing, or why it cannot send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// The line is not open: unplugged, locked by another program, or the actor is not running.
    #[default]
    Closed,
    /// The modem is being initialised.
    Starting,
    /// It can send.
    Ready,
    /// Initialised, but not registered in a network that takes SMS.
    NotRegistered,
    /// The SIM asks for a PIN and none is configured, or it must not be tried (again).
    PinNeeded,
    /// The SIM refused the configured PIN; it is not tried again.
    PinRefused,
    /// The SIM asks for its PUK; only a person can help.
    PukNeeded,
    /// There is no SIM, or it is broken.
    SimMissing,
    /// The modem answered nonsense or too late; the conversation is being brought back in step.
    Recovering,
    /// The modem does not answer; the line will be opened again.
    Silent,
    /// Another device or SIM is there than the configured one; nothing is sent through it, and the right one is looked for.
    WrongDevice,
}

impl Phase {
    /// Returns the word for programs and people: it does not change.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::NotRegistered => "not-registered",
            Self::PinNeeded => "pin-needed",
            Self::PinRefused => "pin-refused",
            Self::PukNeeded => "puk-needed",
            Self::SimMissing => "sim-missing",
            Self::Recovering => "recovering",
            Self::Silent => "silent",
            Self::WrongDevice => "wrong-device",
        }
    }
}

/// Why a line is not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFault {
    /// There is no such device.
    Missing,
    /// This user may not open it.
    NotPermitted,
    /// Another program has it.
    InUse,
    /// It is no serial line.
    NotALine,
    /// The operating system refuses it for another reason.
    Unusable,
}

/// Registration in the network (3GPP TS 27.007 §7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Registration {
    /// Not registered, not searching (0).
    #[default]
    Idle,
    /// Registered at home (1, 6, 9).
    Home,
    /// Searching (2).
    Searching,
    /// Denied (3).
    Denied,
    /// Unknown, or a value of no meaning for SMS (4, 8, 11, others).
    Unknown,
    /// Registered, roaming (5, 7, 10).
    Roaming,
}

impl Registration {
    /// Answers whether SMS can be sent.
    #[must_use]
    pub fn is_registered(self) -> bool {
        matches!(self, Self::Home | Self::Roaming)
    }
}

impl From<RegistrationStatus> for Registration {
    fn from(status: RegistrationStatus) -> Self {
        match status {
            RegistrationStatus::Idle => Self::Idle,
            RegistrationStatus::Home
            | RegistrationStatus::HomeSmsOnly
            | RegistrationStatus::HomeFallbackNotPreferred => Self::Home,
            RegistrationStatus::Searching => Self::Searching,
            RegistrationStatus::Denied => Self::Denied,
            RegistrationStatus::Roaming
            | RegistrationStatus::RoamingSmsOnly
            | RegistrationStatus::RoamingFallbackNotPreferred => Self::Roaming,
            RegistrationStatus::Unknown | RegistrationStatus::EmergencyOnly | RegistrationStatus::Restricted => {
                Self::Unknown
            }
        }
    }
}

/// In which pieces a modem's driver takes a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Takes {
    /// Part by part, each a submission of its own.
    #[default]
    Parts,
    /// All parts in one submission ([`crate::Submission::rest`]), with one TP-MR and one report for all.
    Whole,
}

/// Who the modem and its SIM say they are; what is `None` was not told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// Answer to `AT+CGMI`.
    pub manufacturer: Option<String>,
    /// Answer to `AT+CGMM`.
    pub model: Option<String>,
    /// Answer to `AT+CGMR`.
    pub revision: Option<String>,
    /// 15 digits with a correct check digit.
    pub imei: Option<String>,
    /// Up to 15 digits.
    pub imsi: Option<String>,
    /// 18 to 20 digits.
    pub iccid: Option<String>,
}

/// What is known about a modem at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// What the modem is doing.
    pub phase: Phase,
    /// Why, in words, when the phase needs them.
    pub detail: Option<String>,
    /// Who it is.
    pub identity: Identity,
    /// Name of the [`crate::Profile`] by which it is spoken to; empty before its line was opened.
    pub profile: &'static str,
    /// `<rssi>` of `AT+CSQ`: 0–31; `None` when not known (99).
    pub rssi: Option<u8>,
    /// The same in dBm.
    pub signal_dbm: Option<i16>,
    /// Registration in the network.
    pub registration: Registration,
    /// Name of the operator.
    pub operator: Option<String>,
    /// Service centre on the SIM.
    pub smsc: Option<String>,
    /// `AT+CNMI` parameters that the modem accepted.
    pub message_routing: Option<&'static str>,
    /// PIN tries left, when the modem told.
    pub pin_tries_left: Option<u8>,
    /// The path by which its line was opened; none while it is not open.
    pub line: Option<PathBuf>,
    /// Why the line could not be opened when that was tried last.
    pub line_fault: Option<LineFault>,
    /// Whether any character came since the line was opened.
    pub is_heard: bool,
    /// In which pieces its driver takes a text.
    pub takes: Takes,
    /// Whether a turn is taken.
    pub busy: bool,
    /// How many wait to ask something; they go before the next message.
    pub questions: u32,
    /// How many wait for a turn; who only tries yields to them.
    pub turns: u32,
    /// How often the line was opened.
    pub opened: u64,
    /// How often the conversation had to be brought back in step.
    pub recoveries: u64,
    /// How often each step was taken to get it going again.
    pub heal: HealCounts,
    /// The step that was taken last, while it is not well.
    pub heal_step: Option<HealStep>,
}

impl Status {
    /// Answers whether a turn can be had now.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.phase == Phase::Ready && !self.is_taken()
    }

    /// Answers whether somebody has the modem's turn, waits for it, or waits to ask it something.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.busy || self.questions > 0 || self.turns > 0
    }

    /// Answers whether one who waits for a turn can have it now.
    pub(crate) fn may_send(&self) -> bool {
        self.phase == Phase::Ready && !self.busy && self.questions == 0
    }

    /// Answers whether something can be asked now.
    pub(crate) fn may_be_asked(&self) -> bool {
        !self.busy && self.is_open()
    }

    /// Answers whether a dialogue with the network can begin now.
    pub(crate) fn may_begin_ussd(&self) -> bool {
        self.phase == Phase::Ready && !self.busy
    }

    /// Answers whether the modem can send, or is about to.
    pub(crate) fn is_promising(&self) -> bool {
        matches!(self.phase, Phase::Ready | Phase::Starting | Phase::Recovering)
    }

    /// Answers whether the line is open, and the modem on it neither silent nor another one.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Closed | Phase::Silent | Phase::WrongDevice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_states_that_take_sms_are_registered() {
        for status in (0..=13).map(RegistrationStatus::from_number) {
            assert_eq!(Registration::from(status).is_registered(), status.can_send(), "{status:?}");
        }
    }
}
