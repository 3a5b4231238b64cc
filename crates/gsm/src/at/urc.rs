//! Unsolicited lines: what a modem says without being asked.

use super::{PinState, Registration, answer, fields, number_field, text_field};

/// Lines that report the progress of starting up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BootEvent {
    /// The modem has (re)started: all settings are lost.
    Started,
    /// Calls can be made.
    CallReady,
    /// Messages can be sent.
    SmsReady,
}

/// Lines about power and heat: often the cause of a reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PowerEvent {
    /// `NORMAL POWER DOWN`.
    PowerDown,
    /// `UNDER-VOLTAGE WARNNING`.
    UnderVoltage,
    /// `UNDER-VOLTAGE POWER DOWN`.
    UnderVoltagePowerDown,
    /// `OVER-VOLTAGE WARNNING`.
    OverVoltage,
    /// `OVER-VOLTAGE POWER DOWN`.
    OverVoltagePowerDown,
    /// `CHARGE-ONLY MODE`.
    ChargeOnly,
    /// `+CMTE`.
    Temperature,
}

/// An unsolicited line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Urc {
    /// `+CMTI`: a message is in a storage.
    NewMessage {
        /// The storage.
        storage: String,
        /// The place in it.
        index: u16,
    },
    /// `+CDSI`: a status report is in a storage.
    NewReport {
        /// The storage.
        storage: String,
        /// The place in it.
        index: u16,
    },
    /// `+CMT`: the next line is the PDU of a message.
    DirectMessage {
        /// Octets of the TPDU.
        tpdu_length: usize,
    },
    /// `+CDS`: the next line is the PDU of a status report.
    DirectReport {
        /// Octets of the TPDU.
        tpdu_length: usize,
    },
    /// `+CBM`: the next line is a broadcast page.
    DirectBroadcast,
    /// `+CBMI`: a broadcast page is in a storage.
    NewBroadcast,
    /// A message storage is full.
    StorageFull,
    /// The registration changed.
    Registration(Registration),
    /// The state of the SIM changed.
    Pin(PinState),
    /// Starting up.
    Boot(BootEvent),
    /// Power and heat.
    Power(PowerEvent),
    /// Somebody calls.
    Ring,
    /// `+CUSD`; the text may go on in the lines that follow.
    Ussd,
    /// Network time, vendor chatter: known, and of no use here.
    Noise,
}

impl Urc {
    /// Reads a line; `None` if it is not known to come unasked.
    ///
    /// Some lines are answers when their command was asked (`+CREG`, `+CPIN`, `+CUSD`): the caller knows which it sent.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        Self::parse_message(line).or_else(|| Self::parse_state(line)).or_else(|| is_noise(line).then_some(Self::Noise))
    }

    fn parse_message(line: &str) -> Option<Self> {
        // An empty field may stand before, between or after what counts.
        let stored = |rest: &str| {
            let fields = fields(rest);
            let mut filled = (0..fields.len()).filter(|index| text_field(&fields, *index).is_some());
            Some((text_field(&fields, filled.next()?)?.to_owned(), number_field(&fields, filled.next()?)?))
        };
        // The length stands last: a name may stand before it, or (ZTE) nothing but a comma.
        let direct = |rest: &str| {
            let fields = fields(rest);
            number_field(&fields, (0..fields.len()).rfind(|index| text_field(&fields, *index).is_some())?)
        };
        if let Some(rest) = answer(line, "+CMTI") {
            return stored(rest).map(|(storage, index)| Self::NewMessage { storage, index });
        }
        if let Some(rest) = answer(line, "+CDSI") {
            return stored(rest).map(|(storage, index)| Self::NewReport { storage, index });
        }
        if let Some(rest) = answer(line, "+CMT") {
            return direct(rest).map(|tpdu_length| Self::DirectMessage { tpdu_length });
        }
        if let Some(rest) = answer(line, "+CDS") {
            return direct(rest).map(|tpdu_length| Self::DirectReport { tpdu_length });
        }
        if answer(line, "+CBM").is_some() {
            return Some(Self::DirectBroadcast);
        }
        if answer(line, "+CBMI").is_some() {
            return Some(Self::NewBroadcast);
        }
        let is_full = answer(line, "+CIEV").is_some_and(|rest| {
            let fields = fields(rest);
            text_field(&fields, 0) == Some("SMSFULL") && text_field(&fields, 1) != Some("0")
        });
        (is_full || line.starts_with("^SMMEMFULL")).then_some(Self::StorageFull)
    }

    fn parse_state(line: &str) -> Option<Self> {
        if let Some(registration) = Registration::parse_urc(line) {
            return Some(Self::Registration(registration));
        }
        if let Some(pin) = PinState::parse(line) {
            return Some(Self::Pin(pin));
        }
        Some(match line {
            "RDY" | "APP RDY" | "^SYSSTART" | "+CFUN: 1" => Self::Boot(BootEvent::Started),
            "Call Ready" => Self::Boot(BootEvent::CallReady),
            "SMS Ready" | "SMS DONE" | "+QIND: SMS DONE" => Self::Boot(BootEvent::SmsReady),
            "NORMAL POWER DOWN" => Self::Power(PowerEvent::PowerDown),
            // The makers spell it so.
            "UNDER-VOLTAGE WARNNING" | "UNDER-VOLTAGE WARNING" => Self::Power(PowerEvent::UnderVoltage),
            "UNDER-VOLTAGE POWER DOWN" => Self::Power(PowerEvent::UnderVoltagePowerDown),
            "OVER-VOLTAGE WARNNING" | "OVER-VOLTAGE WARNING" => Self::Power(PowerEvent::OverVoltage),
            "OVER-VOLTAGE POWER DOWN" => Self::Power(PowerEvent::OverVoltagePowerDown),
            "CHARGE-ONLY MODE" => Self::Power(PowerEvent::ChargeOnly),
            "RING" => Self::Ring,
            _ if answer(line, "+CMTE").is_some() => Self::Power(PowerEvent::Temperature),
            _ if answer(line, "+CRING").is_some() => Self::Ring,
            _ if answer(line, "+CUSD").is_some() => Self::Ussd,
            _ => return None,
        })
    }
}

/// Lines that are known and mean nothing to a gateway.
fn is_noise(line: &str) -> bool {
    const PREFIXES: &[&str] = &[
        "+CTZV:",
        "+CTZE:",
        "+NITZ:",
        "*PSNWID:",
        "*PSUTTZ:",
        "DST:",
        "+CIEV:",
        "+CLIP:",
        "MO RING",
        "MO CONNECTED",
        "PB DONE",
        "+QUSIM:",
        "+QIND:",
        "+WIND:",
        "^SIMST:",
        "^SRVST:",
        "^RSSI:",
        "^RSSILVL:",
        "^HCSQ:",
        "^MODE:",
        "^BOOT:",
        "^DSFLOWRPT:",
        "^NDISSTAT:",
        "^STIN:",
        "^CSNR:",
        "^LWURC:",
        "^LTERSRP:",
        "^EONS:",
        "+ZUSIMR:",
        "+ZPASR:",
        "+ZDONR:",
        "+ZPSTM:",
        "+ZEND",
    ];
    PREFIXES.iter().any(|prefix| line.starts_with(prefix))
}
