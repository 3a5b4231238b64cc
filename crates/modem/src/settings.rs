//! What a modem's line and SIM need to be told, and how long to wait for what.
//!
//! Never: reading files or environment. Called by `otp-pi`'s configuration; [`Settings::build`] makes handle and actor.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::actor::Actor;
use crate::event::ModemEvent;
use crate::handle::ModemHandle;
use crate::heal::PowerSwitch;
use crate::locator::Locator;
use crate::pin::{Pin, PinMemory};
use crate::profile::Profile;
use crate::status::Takes;
use crate::wanted::Wanted;

/// Who speaks to the modem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Driver {
    /// This crate, in AT commands on the modem's line.
    #[default]
    At,
    /// ModemManager, which is asked over the system bus.
    ModemManager,
}

impl Driver {
    /// In which pieces it takes a text.
    pub(crate) fn takes(self) -> Takes {
        match self {
            Self::At => Takes::Parts,
            Self::ModemManager => Takes::Whole,
        }
    }
}

/// Parity of the serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Parity {
    /// No parity bit.
    #[default]
    None,
    /// Even parity.
    Even,
    /// Odd parity.
    Odd,
}

/// Data bits of a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DataBits {
    /// Seven.
    Seven,
    /// Eight.
    #[default]
    Eight,
}

/// Stop bits of a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StopBits {
    /// One.
    #[default]
    One,
    /// Two.
    Two,
}

/// How long to wait for what (3GPP TS 27.005 and 27.007 give no numbers; these are from vendors' manuals).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Answer to `AT`, `ATE0` and the like.
    pub attention: Duration,
    /// Answer to a query or a setting.
    pub command: Duration,
    /// Answer to what waits for the SIM: PIN, identity, reading and deleting messages.
    pub card: Duration,
    /// Prompt after `AT+CMGS=<length>`.
    pub prompt: Duration,
    /// The submission's `prepare`, counted from `AT+CMGS`.
    pub prepare: Duration,
    /// Final result after the PDU.
    pub result: Duration,
    /// The network's answer to a USSD code or reply.
    pub ussd_answer: Duration,
    /// A reply in a USSD dialogue; then it is ended, and messages go on.
    pub ussd_idle: Duration,
    /// A whole USSD dialogue, from the code on.
    pub ussd_longest: Duration,
    /// Silence kept after an ESC.
    pub settle: Duration,
    /// First pause before the line is opened again.
    pub reopen_first: Duration,
    /// Longest pause before the line is opened again.
    pub reopen_longest: Duration,
    /// What a modem may need to start anew after `AT+CFUN=1,1`.
    pub reset: Duration,
    /// How long a modem may be without a network, or refuse every message, before it is told to restart.
    pub offline: Duration,
    /// How long a modem must have been well for its troubles to be forgotten.
    pub well: Duration,
    /// First rest after an alarm, before all steps are taken again.
    pub heal_first: Duration,
    /// Longest rest after an alarm.
    pub heal_longest: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            attention: Duration::from_secs(1),
            command: Duration::from_secs(5),
            card: Duration::from_secs(20),
            prompt: Duration::from_secs(10),
            prepare: Duration::from_secs(20),
            result: Duration::from_secs(120),
            ussd_answer: Duration::from_secs(90),
            ussd_idle: Duration::from_secs(60),
            ussd_longest: Duration::from_secs(300),
            settle: Duration::from_millis(50),
            reopen_first: Duration::from_millis(500),
            reopen_longest: Duration::from_secs(30),
            reset: Duration::from_secs(20),
            offline: Duration::from_secs(180),
            well: Duration::from_secs(300),
            heal_first: Duration::from_secs(30),
            heal_longest: Duration::from_secs(30 * 60),
        }
    }
}

/// Says why a text is not the address of a service centre.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SmsCenterError {
    /// An address has 3 to 20 digits, `+` before them if international.
    #[error("an sms centre has 3 to 20 digits, with + before them if international")]
    NotAnAddress,
}

/// Holds the address of a service centre (SMSC): digits, `+` before them if international.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmsCenter(String);

impl SmsCenter {
    /// Takes an address.
    ///
    /// # Errors
    /// Refuses anything but 3 to 20 ASCII digits after an optional `+`.
    pub fn parse(text: impl Into<String>) -> Result<Self, SmsCenterError> {
        let text = text.into();
        let digits = text.strip_prefix('+').unwrap_or(&text);
        if (3..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self(text))
        } else {
            Err(SmsCenterError::NotAnAddress)
        }
    }

    /// Returns the address as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the type of address: 145 international, 129 unknown (3GPP TS 24.008 §10.5.4.7).
    #[must_use]
    pub fn kind(&self) -> u8 {
        if self.0.starts_with('+') { 145 } else { 129 }
    }
}

/// Everything one modem's actor needs; [`Settings::new`] fills in safe defaults.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of the modem in status, events and logs.
    pub name: String,
    /// The serial line, best a stable link such as `/dev/serial/by-id/…`; empty if the modem is known by who it is alone.
    pub path: PathBuf,
    /// Who speaks to it.
    pub driver: Driver,
    /// Address of the bus on which ModemManager is; `None` is the system's own, or that of `DBUS_SYSTEM_BUS_ADDRESS`.
    pub bus: Option<String>,
    /// Who is to be there; another device or SIM is not used. Where ModemManager has the modem only the device counts, and with a
    /// `path` as well both have to fit.
    pub wanted: Wanted,
    /// Finds the line by who is there, and tells when something was plugged in; give the same one to all modems. Without one the
    /// line is opened where `path` says, and tried again after a while. Not used where ModemManager has the modem.
    pub locator: Option<Locator>,
    /// Bits per second.
    pub baud_rate: u32,
    /// Parity; a line that cannot do it (a PTY) is used as it is.
    pub parity: Parity,
    /// Data bits; a line that cannot do it (a PTY) is used as it is.
    pub data_bits: DataBits,
    /// Stop bits.
    pub stop_bits: StopBits,
    /// PIN to enter when the SIM asks for one.
    pub sim_pin: Option<Pin>,
    /// Memory of PIN entries; give the same one to all modems.
    pub pin_memory: PinMemory,
    /// Address of the service centre to write to the SIM; `None` leaves the SIM's own.
    pub sms_center: Option<SmsCenter>,
    /// Whether delivery reports are asked to be routed here.
    pub delivery_reports: bool,
    /// How the modem is spoken to; `None` chooses by what it says of itself.
    pub profile: Option<&'static Profile>,
    /// Waits.
    pub timeouts: Timeouts,
    /// Pause between two looks at signal, registration and operator.
    pub poll_interval: Duration,
    /// Whether more than opening its line again is done with a modem that does not do its work: restarts, power, alarms.
    pub heals: bool,
    /// Cuts the modem's USB power and gives it back; without it that step is left out.
    pub power: Option<PowerSwitch>,
    /// Pause between two looks at what lies in the modem's storages, where it announces what comes; where it does not, every
    /// regular look is one.
    pub listing_interval: Duration,
}

impl Settings {
    /// Makes settings for a line: 115200 8N1, no PIN, the SIM's own SMSC, delivery reports on.
    #[must_use]
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            driver: Driver::At,
            bus: None,
            wanted: Wanted::default(),
            locator: None,
            baud_rate: 115_200,
            parity: Parity::None,
            data_bits: DataBits::Eight,
            stop_bits: StopBits::One,
            sim_pin: None,
            pin_memory: PinMemory::default(),
            sms_center: None,
            delivery_reports: true,
            profile: None,
            timeouts: Timeouts::default(),
            poll_interval: Duration::from_secs(30),
            heals: true,
            power: None,
            listing_interval: Duration::from_secs(300),
        }
    }

    /// Tells whether a modem that runs under these settings would be the same under the others. What all modems share does not count.
    #[must_use]
    pub fn is_same_modem(&self, other: &Self) -> bool {
        // Taken apart, so that a new setting cannot be forgotten here.
        let Self {
            name,
            path,
            driver,
            bus,
            wanted,
            locator: _,
            baud_rate,
            parity,
            data_bits,
            stop_bits,
            sim_pin,
            pin_memory: _,
            sms_center,
            delivery_reports,
            profile,
            timeouts,
            poll_interval,
            heals,
            power,
            listing_interval,
        } = self;
        name == &other.name
            && path == &other.path
            && driver == &other.driver
            && bus == &other.bus
            && wanted == &other.wanted
            && baud_rate == &other.baud_rate
            && parity == &other.parity
            && data_bits == &other.data_bits
            && stop_bits == &other.stop_bits
            && sim_pin == &other.sim_pin
            && sms_center == &other.sms_center
            && delivery_reports == &other.delivery_reports
            && profile == &other.profile
            && timeouts == &other.timeouts
            && poll_interval == &other.poll_interval
            && heals == &other.heals
            && power.is_some() == other.power.is_some()
            && listing_interval == &other.listing_interval
    }

    /// Makes the handle for callers and the actor to run; reports and inbound messages go to `events`.
    #[must_use]
    pub fn build(self, events: mpsc::Sender<ModemEvent>) -> (ModemHandle, Actor) {
        Actor::new(self, events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modem_that_is_to_be_spoken_to_otherwise_is_another_one() {
        let automatic = Settings::new("m", "/dev/null");
        let named = Settings { profile: Profile::find("zte"), ..automatic.clone() };
        assert!(automatic.is_same_modem(&automatic.clone()) && named.is_same_modem(&named.clone()));
        assert!(!automatic.is_same_modem(&named));
    }

    #[test]
    fn an_sms_center_is_digits_with_an_optional_plus() {
        for (text, kind) in [
            ("+6281100000", Some(145)),
            ("081100000", Some(129)),
            ("+62\",145\rATD1", None),
            ("", None),
            ("+", None),
            ("123456789012345678901", None),
        ] {
            assert_eq!(SmsCenter::parse(text).ok().map(|center| center.kind()), kind, "{text:?}");
        }
    }
}
