//! The single exchanges of a conversation: what is written, how long to wait, which lines belong to the answer.
//!
//! Never: deciding what follows from an answer; that is the session. No argument here comes from outside unchecked:
//! numbers are typed, PINs and service centres are digits, storages two capital letters.

use std::time::Duration;

use zeroize::Zeroizing;

use crate::event::Place;
use crate::profile::Way;
use crate::settings::{Settings, Timeouts};

/// Lines kept of one answer; the rest is dropped.
const ANSWER_LINES: usize = 32;
/// Lines kept of a list of messages, two each; the rest is found when these are gone.
const LISTED_LINES: usize = 512;

/// One command with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    EchoOff,
    Verbose,
    NumericErrors,
    /// A command of the modem's profile that may be refused.
    Quieting(&'static str),
    /// ICCID, asked in the first of these ways.
    Card(&'static [Way]),
    PinState,
    /// Tries left, asked in the first of these ways.
    PinTries(&'static [Way]),
    EnterPin,
    Charset,
    PduMode,
    Service,
    /// Which service it is, where the setting was refused.
    ServiceState,
    /// Says that what came directly has come.
    Acknowledge(&'static str),
    /// The first of these ways of having messages and reports routed here.
    Routing(&'static [&'static str]),
    RegistrationUrc,
    RegistrationEpsUrc,
    SetServiceCenter,
    ServiceCenter,
    Manufacturer,
    Model,
    Revision,
    Imei,
    Imsi,
    Storage,
    Signal,
    Registration,
    RegistrationEps,
    Operator,
    SelectStorage(String),
    /// Every message in a storage.
    List(String),
    /// Keep the link to the network open between messages.
    KeepLink,
    /// Close it after each.
    ReleaseLink,
    ReadReport(Place),
    ReadInbound(Place),
    Delete(Place),
    /// Ends a USSD dialogue that the network may have open.
    EndUssd,
}

impl Step {
    /// Returns the command without its CR.
    pub(super) fn command(&self, settings: &Settings) -> Zeroizing<String> {
        let text = match self {
            Self::EnterPin => {
                let pin = settings.sim_pin.as_ref();
                let mut text = Zeroizing::new(String::with_capacity(20));
                text.push_str("AT+CPIN=\"");
                text.push_str(pin.map_or("", |pin| pin.expose()));
                text.push('"');
                return text;
            }
            Self::SetServiceCenter => settings.sms_center.as_ref().map_or_else(
                || "AT+CSCA?".to_owned(),
                |center| format!("AT+CSCA=\"{}\",{}", center.as_str(), center.kind()),
            ),
            Self::SelectStorage(storage) => format!("AT+CPMS=\"{storage}\""),
            Self::ReadReport(place) | Self::ReadInbound(place) => format!("AT+CMGR={}", place.index),
            Self::Delete(place) => format!("AT+CMGD={}", place.index),
            Self::Routing(ways) => format!("AT+CNMI={}", ways.first().unwrap_or(&"")),
            _ => self.verb().to_owned(),
        };
        Zeroizing::new(text)
    }

    /// Returns what the trace log may show of the command: never a PIN.
    pub(super) fn verb(&self) -> &'static str {
        match self {
            Self::EchoOff => "ATE0",
            Self::Verbose => "ATV1",
            Self::NumericErrors => "AT+CMEE=1",
            Self::Quieting(command) | Self::Acknowledge(command) => command,
            Self::Card(ways) | Self::PinTries(ways) => ways.first().map_or("AT", |way| way.command),
            Self::PinState => "AT+CPIN?",
            Self::EnterPin => "AT+CPIN=•••",
            Self::Charset => "AT+CSCS=\"GSM\"",
            Self::PduMode => "AT+CMGF=0",
            // With phase 2+ service (1) every routed report would have to be acknowledged by +CNMA.
            Self::Service => "AT+CSMS=0",
            Self::ServiceState => "AT+CSMS?",
            Self::Routing(_) => "AT+CNMI=…",
            Self::RegistrationUrc => "AT+CREG=1",
            Self::RegistrationEpsUrc => "AT+CEREG=1",
            Self::SetServiceCenter => "AT+CSCA=…",
            Self::ServiceCenter => "AT+CSCA?",
            Self::Manufacturer => "AT+CGMI",
            Self::Model => "AT+CGMM",
            Self::Revision => "AT+CGMR",
            Self::Imei => "AT+CGSN",
            Self::Imsi => "AT+CIMI",
            Self::Storage => "AT+CPMS?",
            Self::Signal => "AT+CSQ",
            Self::Registration => "AT+CREG?",
            Self::RegistrationEps => "AT+CEREG?",
            Self::Operator => "AT+COPS?",
            Self::SelectStorage(_) => "AT+CPMS=…",
            Self::List(_) => "AT+CMGL=4",
            Self::KeepLink => "AT+CMMS=2",
            Self::ReleaseLink => "AT+CMMS=0",
            Self::ReadReport(_) | Self::ReadInbound(_) => "AT+CMGR=…",
            Self::Delete(_) => "AT+CMGD=…",
            Self::EndUssd => "AT+CUSD=2",
        }
    }

    /// Returns the name in front of the lines that belong to the answer.
    pub(super) fn name(&self) -> Option<&'static str> {
        match self {
            Self::Card(ways) | Self::PinTries(ways) => ways.first().map(|way| way.name),
            Self::PinState => Some("+CPIN"),
            Self::ServiceState => Some("+CSMS"),
            Self::ServiceCenter => Some("+CSCA"),
            Self::Manufacturer => Some("+CGMI"),
            Self::Model => Some("+CGMM"),
            Self::Revision => Some("+CGMR"),
            Self::Imei => Some("+CGSN"),
            Self::Imsi => Some("+CIMI"),
            Self::Storage | Self::SelectStorage(_) => Some("+CPMS"),
            Self::Signal => Some("+CSQ"),
            Self::Registration => Some("+CREG"),
            Self::RegistrationEps => Some("+CEREG"),
            Self::Operator => Some("+COPS"),
            Self::ReadReport(_) | Self::ReadInbound(_) => Some("+CMGR"),
            Self::List(_) => Some("+CMGL"),
            _ => None,
        }
    }

    /// Returns the storage that must be selected first.
    pub(super) fn storage(&self) -> Option<&str> {
        match self {
            Self::List(storage) => Some(storage),
            _ => self.place().map(|place| place.storage.as_str()),
        }
    }

    /// Returns the place that it is about.
    pub(super) fn place(&self) -> Option<&Place> {
        match self {
            Self::ReadReport(place) | Self::ReadInbound(place) | Self::Delete(place) => Some(place),
            _ => None,
        }
    }

    /// Answers whether this is about a message that was found, which is to be read or deleted whatever happens.
    pub(super) fn is_about_a_message(&self) -> bool {
        matches!(self, Self::ReadReport(_) | Self::ReadInbound(_) | Self::Delete(_))
    }

    /// Answers whether the result may come in digits: until the modem has taken `ATV1`.
    pub(super) fn may_end_in_digits(&self) -> bool {
        matches!(self, Self::EchoOff | Self::Verbose | Self::NumericErrors)
    }

    /// Returns how many lines of the answer are kept.
    pub(super) fn lines_kept(&self) -> usize {
        if matches!(self, Self::List(_)) { LISTED_LINES } else { ANSWER_LINES }
    }

    /// Answers whether lines without a name belong to the answer.
    pub(super) fn takes_bare_lines(&self) -> bool {
        matches!(
            self,
            Self::Card(_)
                | Self::Manufacturer
                | Self::Model
                | Self::Revision
                | Self::Imei
                | Self::Imsi
                | Self::List(_)
                | Self::ReadReport(_)
                | Self::ReadInbound(_)
        )
    }

    /// Returns how long to wait for the final result.
    pub(super) fn timeout(&self, timeouts: &Timeouts) -> Duration {
        match self {
            Self::EchoOff | Self::Verbose | Self::NumericErrors | Self::PduMode => timeouts.attention,
            Self::Card(_)
            | Self::PinState
            | Self::EnterPin
            | Self::Imei
            | Self::Imsi
            | Self::SelectStorage(_)
            | Self::List(_)
            | Self::ReadReport(_)
            | Self::ReadInbound(_)
            | Self::Delete(_) => timeouts.card,
            _ => timeouts.command,
        }
    }
}
