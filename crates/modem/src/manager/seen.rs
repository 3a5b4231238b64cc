//! Which of ModemManager's modems is ours, and how it is.
//!
//! Pure. Numbers are those of ModemManager's interface (`MMModemState`, `MMModemLock` and the like).

use std::collections::HashMap;
use std::path::Path;

use gsm::at::{RegistrationStatus, SignalQuality};

use super::properties::Properties;
use crate::settings::Settings;
use crate::status::{Identity, Phase, Registration};

/// Interfaces of a modem.
pub(super) const MODEM: &str = "org.freedesktop.ModemManager1.Modem";
const THREE_GPP: &str = "org.freedesktop.ModemManager1.Modem.Modem3gpp";
pub(super) const MESSAGING: &str = "org.freedesktop.ModemManager1.Modem.Messaging";

/// All objects of ModemManager: path, interface, properties.
pub(super) type Objects = HashMap<String, HashMap<String, Properties>>;

/// What a modem needs before it can send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: it is on its way, or there.
    Nothing,
    /// To be enabled.
    Enabling,
    /// The PIN of its SIM.
    Pin,
}

/// Our modem, as ModemManager tells of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) path: String,
    /// The path of its SIM.
    pub(super) sim: Option<String>,
    /// The paths of its messages.
    pub(super) messages: Vec<String>,
    pub(super) phase: Phase,
    pub(super) detail: Option<&'static str>,
    pub(super) need: Need,
    /// Whether its SIM asks for nothing.
    pub(super) is_unlocked: bool,
    /// Tries of the PIN that are left.
    pub(super) pin_tries_left: Option<u8>,
    /// Without IMSI and ICCID, which belong to its SIM.
    pub(super) identity: Identity,
    pub(super) registration: Registration,
    pub(super) operator: Option<String>,
    pub(super) signal: SignalQuality,
}

/// Finds the modem that the settings mean.
pub(super) fn find(objects: &Objects, settings: &Settings) -> Option<Seen> {
    let none = Properties::default();
    let ours = objects.iter().filter_map(|(path, interfaces)| {
        let modem = interfaces.get(MODEM).filter(|modem| is_meant(modem, settings))?;
        Some((path, modem, interfaces))
    });
    // ModemManager counts modems as they come. One that was pulled out may still be there beside itself.
    let (path, modem, interfaces) = ours.max_by_key(|(path, ..)| number(path))?;
    let of = |name: &str| interfaces.get(name).unwrap_or(&none);
    Some(seen(path.clone(), modem, of(THREE_GPP), of(MESSAGING)))
}

/// The number at the end of a path.
fn number(path: &str) -> u32 {
    path.rsplit('/').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Answers whether a modem has the identity and is behind the line that are asked for, whichever of them are.
fn is_meant(modem: &Properties, settings: &Settings) -> bool {
    let imei = settings.wanted.imei.as_ref();
    let is_of_imei = imei.is_none_or(|imei| modem.text("EquipmentIdentifier") == Some(imei.expose()));
    let path = settings.path.as_path();
    if path.as_os_str().is_empty() {
        return is_of_imei && imei.is_some();
    }
    // ModemManager names ports as the kernel does, and a device by its place in /sys or by a hash.
    let name = name_of(path);
    let is_there = modem.text("PrimaryPort") == Some(&name)
        || modem.first_texts("Ports").contains(&name)
        || modem.text("Device").is_some_and(|device| Path::new(device) == path)
        || modem.text("DeviceIdentifier") == Some(&name);
    is_of_imei && is_there
}

/// The kernel's name of a line, through links such as those under `/dev/serial`.
fn name_of(path: &Path) -> String {
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn seen(path: String, modem: &Properties, network: &Properties, messaging: &Properties) -> Seen {
    let owned = |name: &str| modem.text(name).map(str::to_owned);
    let registration = network.number("RegistrationState").and_then(|number| u16::try_from(number).ok());
    let registration = registration.map_or(Registration::Idle, |number| RegistrationStatus::from_number(number).into());
    let (phase, detail, need) = phase(modem);
    // ModemManager tells percents of the 31 steps, and nothing at all as 0.
    let rssi = modem
        .first_number("SignalQuality")
        .filter(|percent| *percent > 0 && matches!(phase, Phase::Ready | Phase::NotRegistered));
    let rssi = rssi.and_then(|percent| u8::try_from((percent.min(100) * 31 + 50) / 100).ok());
    Seen {
        path,
        sim: modem.text("Sim").filter(|path| *path != "/").map(str::to_owned),
        messages: messaging.paths("Messages"),
        phase,
        detail,
        need,
        is_unlocked: modem.number("UnlockRequired").is_some_and(|lock| matches!(lock, 1 | 3 | 5)),
        pin_tries_left: modem.entry("UnlockRetries", 2).and_then(|tries| u8::try_from(tries).ok()),
        identity: Identity {
            manufacturer: owned("Manufacturer"),
            model: owned("Model"),
            revision: owned("Revision"),
            imei: owned("EquipmentIdentifier"),
            ..Identity::default()
        },
        registration,
        operator: network.text("OperatorName").map(str::to_owned),
        signal: SignalQuality { rssi, bit_error: None },
    }
}

/// Reads `State`, `StateFailedReason` and `UnlockRequired`.
fn phase(modem: &Properties) -> (Phase, Option<&'static str>, Need) {
    match modem.signed("State").unwrap_or(0) {
        -1 if matches!(modem.number("StateFailedReason"), Some(2 | 3)) => {
            (Phase::SimMissing, Some("there is no card, or it is broken"), Need::Nothing)
        }
        -1 => (Phase::Silent, Some("ModemManager could not begin with this modem"), Need::Nothing),
        2 => match modem.number("UnlockRequired") {
            Some(2) => (Phase::PinNeeded, None, Need::Pin),
            Some(4) => (Phase::PukNeeded, Some("the card asks for its puk"), Need::Nothing),
            Some(0 | 1) | None => (Phase::Starting, None, Need::Nothing),
            _ => (Phase::PinNeeded, Some("the device is locked to another card or network"), Need::Nothing),
        },
        3 => (Phase::Starting, Some("ModemManager is asked to enable the modem"), Need::Enabling),
        6 | 7 => (Phase::NotRegistered, None, Need::Nothing),
        8..=11 => (Phase::Ready, None, Need::Nothing),
        _ => (Phase::Starting, None, Need::Nothing),
    }
}

#[cfg(test)]
mod tests;
