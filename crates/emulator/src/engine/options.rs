//! What software can set on a modem and what a reset undoes.
//!
//! Called by every group of commands.

use crate::settings::{Manner, ModemSettings};

use super::charset::Charset;

/// A memory for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemoryName {
    Sim,
    Modem,
    /// Of delivery reports alone.
    Report,
}

impl MemoryName {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_uppercase().as_str() {
            "SM" => Some(Self::Sim),
            "ME" => Some(Self::Modem),
            "SR" => Some(Self::Report),
            _ => None,
        }
    }

    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Sim => "SM",
            Self::Modem => "ME",
            Self::Report => "SR",
        }
    }
}

/// Settings of a modem that `ATZ` and a restart bring back to their defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// `ATE`
    pub(crate) echo: bool,
    /// `ATV`
    pub(crate) verbose: bool,
    /// `ATQ`
    pub(crate) quiet: bool,
    /// `AT+CMEE`
    pub(crate) error_level: u8,
    /// `AT+CMGF`: 0 PDU, 1 text
    pub(crate) message_format: u8,
    /// `AT+CSCS`
    pub(crate) charset: Charset,
    /// `AT+CNMI`: mode, mt, bm, ds, bfr
    pub(crate) indications: [u8; 5],
    /// `AT+CSMS`
    pub(crate) message_service: u8,
    /// `AT+CMMS`
    pub(crate) more_messages: u8,
    /// `AT+CGSMS`
    pub(crate) bearer: u8,
    /// `AT+CSDH`
    pub(crate) show_header: u8,
    /// `AT+CREG`
    pub(crate) registration_urc: u8,
    /// `AT+CGREG`
    pub(crate) packet_urc: u8,
    /// `AT+COPS=3,<format>`
    pub(crate) operator_format: u8,
    /// `AT+COPS` mode: 0 automatic, 1 manual, 2 deregistered
    pub(crate) operator_mode: u8,
    /// `AT+CFUN`
    pub(crate) functionality: u8,
    /// `AT+CEREG`
    pub(crate) evolved_urc: u8,
    /// `AT^USSDMODE`: 0 text, 1 packed septets; of models that know both
    pub(crate) ussd_mode: u8,
    /// `AT+CUSD=<n>`
    pub(crate) ussd_urc: u8,
    /// The USSD code and the replies of the dialogue that is open.
    pub(crate) ussd_path: Vec<String>,
    /// Counts the steps of USSD dialogues, so that what was due in one that has ended is not said.
    pub(crate) ussd_dialogue: u64,
    /// `AT+CSMP`: first octet, validity, protocol, coding
    pub(crate) text_parameters: [u8; 4],
}

impl Options {
    pub(crate) fn new(settings: &ModemSettings) -> Self {
        Self {
            echo: settings.echo,
            verbose: true,
            quiet: false,
            error_level: 0,
            message_format: u8::from(settings.has(Manner::SavedTextMode)),
            charset: Charset::Gsm,
            indications: [0, 0, 0, 0, 0],
            message_service: u8::from(settings.has(Manner::PhaseTwoPlusOnly)),
            more_messages: 0,
            bearer: 1,
            show_header: 0,
            registration_urc: 0,
            packet_urc: 0,
            operator_format: 0,
            operator_mode: 0,
            functionality: 1,
            evolved_urc: 0,
            ussd_mode: 1,
            ussd_urc: 0,
            ussd_path: Vec::new(),
            ussd_dialogue: 0,
            text_parameters: [17, 167, 0, 0],
        }
    }
}
