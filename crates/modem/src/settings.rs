//! What a modem's line and SIM need to be told, and how long to wait for what.
//!
//! Never: reading files or environment. Called by `otp-pi`'s configuration; [`Settings::build`] makes handle and actor.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::actor::Actor;
use crate::event::ModemEvent;
use crate::handle::ModemHandle;
use crate::pin::{Pin, PinMemory};

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
    /// The serial line, best a stable link such as `/dev/serial/by-id/…`.
    pub path: PathBuf,
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
    /// Waits.
    pub timeouts: Timeouts,
    /// Pause between two looks at signal, registration and operator.
    pub poll_interval: Duration,
}

impl Settings {
    /// Makes settings for a line: 115200 8N1, no PIN, the SIM's own SMSC, delivery reports on.
    #[must_use]
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            baud_rate: 115_200,
            parity: Parity::None,
            data_bits: DataBits::Eight,
            stop_bits: StopBits::One,
            sim_pin: None,
            pin_memory: PinMemory::default(),
            sms_center: None,
            delivery_reports: true,
            timeouts: Timeouts::default(),
            poll_interval: Duration::from_secs(30),
        }
    }

    /// Tells whether a modem that runs under these settings would be the same under the others. The memory of PINs does not count.
    #[must_use]
    pub fn is_same_modem(&self, other: &Self) -> bool {
        // Taken apart, so that a new setting cannot be forgotten here.
        let Self {
            name,
            path,
            baud_rate,
            parity,
            data_bits,
            stop_bits,
            sim_pin,
            pin_memory: _,
            sms_center,
            delivery_reports,
            timeouts,
            poll_interval,
        } = self;
        name == &other.name
            && path == &other.path
            && baud_rate == &other.baud_rate
            && parity == &other.parity
            && data_bits == &other.data_bits
            && stop_bits == &other.stop_bits
            && sim_pin == &other.sim_pin
            && sms_center == &other.sms_center
            && delivery_reports == &other.delivery_reports
            && timeouts == &other.timeouts
            && poll_interval == &other.poll_interval
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
