//! From a report to what a person can do about it. Pure.
//!
//! For: sentences that name a cause and an act, the most likely first. What stands in the way of everything else is said
//! alone: a line that is not open says nothing about its SIM. Never: asking, or guessing at what was not told. Called by
//! whoever shows a [`Report`].

mod line;

use gsm::at::{PinState, RegistrationStatus};

use crate::report::{Fact, Report, Strength};
use crate::status::{Phase, Takes};

/// How much an advice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Good to know.
    Notes,
    /// It sends, and may stop doing so.
    Warns,
    /// It cannot send before this is mended.
    Blocks,
}

/// What is the matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdviceKind {
    /// There is no such device.
    LineMissing,
    /// The user may not open the line.
    LineNotPermitted,
    /// Another program has the line.
    LineInUse,
    /// The path is no serial line.
    NotALine,
    /// The line cannot be opened for another reason.
    LineUnusable,
    /// The line is not open, and it is not known why.
    LineNotOpen,
    /// Another device or SIM is there than the configured one.
    WrongDevice,
    /// Nothing comes from the line.
    Silent,
    /// Something comes from the line, and it is no answer.
    Gibberish,
    /// Every command is answered by `ERROR`.
    WrongInterface,
    /// The SIM asks for its PIN.
    PinNeeded,
    /// The SIM refused its PIN.
    PinRefused,
    /// The SIM asks for its PUK.
    PukNeeded,
    /// There is no SIM, or it is broken.
    SimMissing,
    /// The SIM is not ready yet.
    SimBusy,
    /// The device is locked to another SIM or network.
    DeviceLocked,
    /// The modem is not through with its initialisation.
    Starting,
    /// There is no signal.
    SignalMissing,
    /// The signal is weak.
    SignalWeak,
    /// The network refuses the SIM or the device.
    Denied,
    /// The modem found no network that takes it.
    NotRegistered,
    /// The SIM is away from home.
    Roaming,
    /// No service centre is set.
    SmscMissing,
    /// There is no room for reports and messages.
    StorageFull,
    /// Reports do not come by themselves.
    ReportsNotRouted,
    /// The voltage is too low or too high.
    Supply,
}

impl AdviceKind {
    /// Returns the word for programs: it does not change.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::LineMissing => "line-missing",
            Self::LineNotPermitted => "line-not-permitted",
            Self::LineInUse => "line-in-use",
            Self::NotALine => "not-a-line",
            Self::LineUnusable => "line-unusable",
            Self::LineNotOpen => "line-not-open",
            Self::WrongDevice => "wrong-device",
            Self::Silent => "silent",
            Self::Gibberish => "gibberish",
            Self::WrongInterface => "wrong-interface",
            Self::PinNeeded => "pin-needed",
            Self::PinRefused => "pin-refused",
            Self::PukNeeded => "puk-needed",
            Self::SimMissing => "sim-missing",
            Self::SimBusy => "sim-busy",
            Self::DeviceLocked => "device-locked",
            Self::Starting => "starting",
            Self::SignalMissing => "signal-missing",
            Self::SignalWeak => "signal-weak",
            Self::Denied => "denied",
            Self::NotRegistered => "not-registered",
            Self::Roaming => "roaming",
            Self::SmscMissing => "smsc-missing",
            Self::StorageFull => "storage-full",
            Self::ReportsNotRouted => "reports-not-routed",
            Self::Supply => "supply",
        }
    }
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// What is the matter.
    pub kind: AdviceKind,
    /// How much it matters.
    pub weight: Weight,
    /// What to do, in sentences; never a number of somebody.
    pub text: String,
}

impl Advice {
    pub(crate) fn new(kind: AdviceKind, weight: Weight, text: impl Into<String>) -> Self {
        Self { kind, weight, text: text.into() }
    }
}

/// Draws the conclusions from a report, what is to be done first in front.
#[must_use]
pub fn advice(report: &Report) -> Vec<Advice> {
    if let Some(advice) = line::advice(report) {
        return vec![advice];
    }
    let mut found: Vec<Advice> = supply(report).into_iter().collect();
    if let Some(advice) = card(report) {
        found.insert(0, advice);
        return found;
    }
    found.extend(signal(report));
    found.extend(registration(report));
    found.extend(service_center(report));
    found.extend(storage(report));
    found.extend(routing(report));
    if report.status.phase != Phase::Ready && found.iter().all(|advice| advice.weight < Weight::Blocks) {
        found.push(unready(report));
    }
    found
}

/// What keeps the SIM from being used. The fresh answer counts more than what the driver knew.
fn card(report: &Report) -> Option<Advice> {
    let blocks = |kind, text: &str| Some(Advice::new(kind, Weight::Blocks, text));
    let refused = match &report.pin {
        Fact::Refused(result) => refused_card(result),
        _ => None,
    };
    let kind = match (report.pin.told(), refused, report.status.phase) {
        (Some(PinState::SimPuk), ..) | (_, Some(AdviceKind::PukNeeded), _) | (None, None, Phase::PukNeeded) => {
            AdviceKind::PukNeeded
        }
        (Some(PinState::NotInserted), ..) | (_, Some(AdviceKind::SimMissing), _) | (None, None, Phase::SimMissing) => {
            AdviceKind::SimMissing
        }
        (_, _, Phase::PinRefused) => AdviceKind::PinRefused,
        (Some(PinState::SimPin), ..) | (_, Some(AdviceKind::PinNeeded), _) => AdviceKind::PinNeeded,
        (Some(PinState::PhoneLock), ..) => AdviceKind::DeviceLocked,
        (Some(PinState::NotReady), ..) | (_, Some(AdviceKind::SimBusy), _) => AdviceKind::SimBusy,
        (None, _, Phase::PinNeeded) => AdviceKind::DeviceLocked,
        _ => return None,
    };
    match kind {
        AdviceKind::PukNeeded => blocks(
            kind,
            "The PIN of this SIM is blocked: it asks for its PUK. Put the SIM into a phone, enter the PUK from the SIM's card \
             or ask the operator's shop, choose a PIN, and write that one into the file of `sim_pin_file`. This program never \
             enters a PUK.",
        ),
        AdviceKind::SimMissing => blocks(kind, &sim_missing(report)),
        AdviceKind::PinRefused => blocks(
            kind,
            "The SIM refused its PIN, or fewer than three tries are left: it is not entered again, so that the SIM does not \
             end at its PUK. Enter the right PIN once in a phone, which brings the tries back, correct the file of \
             `sim_pin_file`, and start again.",
        ),
        AdviceKind::PinNeeded => blocks(
            kind,
            "The SIM asks for its PIN. Write it into the first line of a file and name that as `sim_pin_file` in the modem's \
             section (with `otp-pi modem check`, as --pin-file), or switch the PIN off in a phone.",
        ),
        AdviceKind::SimBusy => blocks(
            kind,
            "The SIM is not ready yet: this takes up to half a minute after the modem was switched on. If it stays so, take \
             the SIM out, wipe its contacts and put it back.",
        ),
        _ => blocks(
            kind,
            "The device is locked to another SIM or to one operator. Use that operator's SIM, or have the lock taken off by \
             whoever sold the device.",
        ),
    }
}

/// Reads the state of the SIM from an error (3GPP TS 27.007 §9.2, TS 27.005 §3.2.5).
fn refused_card(result: &str) -> Option<AdviceKind> {
    match gsm::FinalResult::parse(result)?.error_code()?.number()? {
        10 | 13 | 15 | 310 | 313 | 315 => Some(AdviceKind::SimMissing),
        11 | 311 => Some(AdviceKind::PinNeeded),
        12 | 316 => Some(AdviceKind::PukNeeded),
        14 | 314 | 515 => Some(AdviceKind::SimBusy),
        _ => None,
    }
}

fn sim_missing(report: &Report) -> String {
    let mut text =
        "The modem sees no SIM, or a broken one. Switch the modem off, look whether the SIM lies the right way round \
                    and the tray is shut, and wipe its contacts; try the SIM in a phone."
            .to_owned();
    if is_bare_module(report).unwrap_or(true) {
        text.push_str(
            " A SIM800L also loses its SIM when its supply sags: it needs about 4 V from a supply of its own that can give 2 A.",
        );
    }
    text
}

fn signal(report: &Report) -> Option<Advice> {
    let signal = report.signal.told()?;
    match signal.dbm() {
        None if report.is_registered() => None,
        None => Some(Advice::new(
            AdviceKind::SignalMissing,
            Weight::Blocks,
            "The modem hears no network at all. Look whether an antenna is connected, and at the right socket; put it at a \
             window, away from the Raspberry Pi and from metal.",
        )),
        Some(dbm) if Strength::of_dbm(dbm) == Strength::TooWeak => Some(Advice::new(
            AdviceKind::SignalWeak,
            Weight::Warns,
            format!(
                "The signal is weak ({dbm} dBm, below -100): messages will fail now and then. Look at the antenna and its plug, \
                 and put it higher, at a window, away from the Raspberry Pi and from metal."
            ),
        )),
        Some(_) => None,
    }
}

fn registration(report: &Report) -> Option<Advice> {
    if report.is_registered() {
        let is_away = [&report.registration, &report.registration_eps].into_iter().any(|fact| {
            matches!(
                fact.told(),
                Some(
                    RegistrationStatus::Roaming
                        | RegistrationStatus::RoamingSmsOnly
                        | RegistrationStatus::RoamingFallbackNotPreferred
                )
            )
        });
        return is_away.then(|| {
            Advice::new(
                AdviceKind::Roaming,
                Weight::Notes,
                "The SIM is roaming: every message may cost more than at home.",
            )
        });
    }
    let status = report.registration.told().or(report.registration_eps.told())?;
    let mut text = match status {
        RegistrationStatus::Denied => {
            "The network refuses this SIM: it is not activated, has expired or is barred, roaming is not allowed, or the device \
             (IMEI) is barred. Try the SIM in a phone, and ask the operator."
        }
        RegistrationStatus::Searching => {
            "The modem is looking for a network. Right after switching on this takes up to a minute; if it stays so, look at \
             the antenna and at whether the SIM's operator has coverage here."
        }
        RegistrationStatus::Idle => {
            "The modem is not registered and does not look for a network: it may be in flight mode (`AT+CFUN?` should answer 1) \
             or told to choose an operator by hand (`AT+COPS?` should answer 0 first)."
        }
        RegistrationStatus::EmergencyOnly | RegistrationStatus::Restricted => {
            "The network takes emergency calls only: the SIM is not accepted. Try it in a phone, and ask the operator."
        }
        _ => {
            "The modem is out of coverage, or cannot tell whether it is registered. Look at the antenna, and try the SIM in a \
             phone at the same place."
        }
    }
    .to_owned();
    if is_two_g(report) {
        text.push_str(" This modem speaks 2G (GSM) alone, which many operators have switched off: ask yours.");
    }
    let kind = if *status == RegistrationStatus::Denied { AdviceKind::Denied } else { AdviceKind::NotRegistered };
    Some(Advice::new(kind, Weight::Blocks, text))
}

fn service_center(report: &Report) -> Option<Advice> {
    (report.service_center == Fact::Told(None)).then(|| {
        Advice::new(
            AdviceKind::SmscMissing,
            Weight::Blocks,
            "The SIM knows no service centre (SMSC), without which no SMS leaves. Ask the operator for its number and set \
             `sms_center = \"+…\"` in the modem's section.",
        )
    })
}

fn storage(report: &Report) -> Option<Advice> {
    let storage = report.storage.told()?;
    (storage.total > 0 && storage.used >= storage.total).then(|| {
        Advice::new(
            AdviceKind::StorageFull,
            Weight::Warns,
            "There is no room left for messages and delivery reports on the SIM: what comes in waits at the network, and gets \
             lost after a while. Delete what is not needed (`AT+CMGD=1,1` deletes all that were read).",
        )
    })
}

fn routing(report: &Report) -> Option<Advice> {
    let status = &report.status;
    // Where ModemManager has the modem, how messages are routed is its own affair.
    (status.phase == Phase::Ready && status.message_routing.is_none() && status.takes == Takes::Parts).then(|| {
        Advice::new(
            AdviceKind::ReportsNotRouted,
            Weight::Warns,
            "The modem refuses every way of handing on messages and delivery reports (`AT+CNMI`): they are found by looking \
             every few minutes, and delivery may stay unknown.",
        )
    })
}

/// The voltage at which a SIM800L warns: 3.5 V and 4.3 V (SIMCom's manual of the SIM800 series).
fn supply(report: &Report) -> Option<Advice> {
    let said = report.status.detail.as_deref().is_some_and(|detail| detail.contains("VOLTAGE"));
    let volts = report.supply_millivolts.told().copied().flatten();
    let is_outside = is_bare_module(report) == Some(true) && volts.is_some_and(|it| !(3501..4300).contains(&it));
    (said || is_outside).then(|| {
        let measured =
            volts.map(|it| format!(" ({}.{:02} V)", it / 1000, it % 1000 / 10)).unwrap_or_default();
        Advice::new(
            AdviceKind::Supply,
            Weight::Warns,
            format!(
                "The modem's supply is out of bounds{measured}: it will restart while it sends. A SIM800L needs 3.7 to 4.2 V \
                 from a supply that can give 2 A for a moment, thick and short wires, and a capacitor of 1000 µF or more right at \
                 the module."
            ),
        )
    })
}

fn unready(report: &Report) -> Advice {
    let why = report.status.detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    Advice::new(
        AdviceKind::Starting,
        Weight::Blocks,
        format!(
            "The modem is not ready{why}. If it was switched on a moment ago, wait half a minute and check again; if it stays so, \
             take its power away for ten seconds."
        ),
    )
}

/// Answers whether this is a module without a supply of its own; `None` if the model was not told.
fn is_bare_module(report: &Report) -> Option<bool> {
    model(report).map(|model| ["SIM800", "SIM900"].iter().any(|name| model.contains(name)))
}

/// Answers whether the model is known to speak GSM alone.
fn is_two_g(report: &Report) -> bool {
    model(report).is_some_and(|model| ["SIM800", "SIM900", "M26", "M95", "A6"].iter().any(|name| model.contains(name)))
}

fn model(report: &Report) -> Option<&str> {
    report.model.told().map(String::as_str).or(report.status.identity.model.as_deref())
}

#[cfg(test)]
mod tests;
