//! What one emulated modem is: its identity, its card and its manners.
//!
//! Called by everybody who starts a [`crate::Modem`].

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::model::Model;
use crate::script::UssdRule;

/// A way in which real modems differ from the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Manner {
    /// A line that does not begin with `AT` is nothing, even if only an ESC stands before it.
    StrictPrefix,
    /// ESC at the prompt is obeyed, but not answered.
    SilentEscape,
    /// Nothing is said after a start or reset: no `RDY`, no `SMS Ready`.
    SilentStart,
    /// Message commands answer CMS 302 instead of 314 while the card is being read.
    NotAllowedAtStart,
    /// `AT+CPIN?` answers its line and no OK (Wavecom).
    PinStateWithoutOk,
    /// Text mode was saved as the default.
    SavedTextMode,
    /// Phase 2+ service alone (`AT+CSMS=1`): everything direct wants `AT+CNMA`.
    PhaseTwoPlusOnly,
    /// Announces nothing that comes: `+CMTI` and `+CDSI` are never said.
    SilentArrivals,
    /// Says `^SMMEMFULL` when a message finds no room (Huawei).
    TellsFullMemory,
    /// Delivery reports that are stored have a memory of their own, `SR`.
    ReportMemory,
    /// `+CDS` has a comma too many behind its length.
    OddReports,
}

/// How a modem takes USSD codes and writes the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UssdForm {
    /// In the character set of `AT+CSCS`.
    Plain,
    /// Codes in the character set of `AT+CSCS`, answers in UCS-2 always (Quectel M26).
    Ucs2Answers,
    /// Only under `AT+CSCS="UCS2"`; anything else is refused.
    Ucs2,
    /// As packed septets in hexadecimal digits, whatever the character set (Huawei in PDU mode), until `AT^USSDMODE=0` where the model
    /// knows that.
    Packed,
}

/// Identity, card and behaviour of one modem; [`ModemSettings::named`] gives one that works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModemSettings {
    /// Name used in transmissions and logs; unique in its network.
    pub name: String,
    /// Whose firmware it runs; what it says of itself is `manufacturer`, `model` and `revision` all the same.
    pub firmware: Model,
    /// Answer to `AT+CGMI`.
    pub manufacturer: String,
    /// Answer to `AT+CGMM`.
    pub model: String,
    /// Answer to `AT+CGMR`.
    pub revision: String,
    /// 15 digits, answer to `AT+CGSN`.
    pub imei: String,
    /// 15 digits, answer to `AT+CIMI`.
    pub imsi: String,
    /// 19 or 20 digits, answer to `AT+CCID`.
    pub iccid: String,
    /// Own number, digits without `+`; SMS sent to it by any modem of the network arrive here.
    pub msisdn: String,
    /// Long operator name, as `AT+COPS?` answers.
    pub operator: String,
    /// Numeric operator code (MCC and MNC).
    pub operator_code: String,
    /// SMSC address stored on the card, digits without `+`; empty when none is stored.
    pub smsc: String,
    /// `<rssi>` of `AT+CSQ`: 0–31, or 99.
    pub signal: u8,
    /// `<stat>` of `AT+CREG?` once the card is open: 1 home, 5 roaming, 2 searching, 3 denied.
    pub registration: u8,
    /// PIN of the card, asked for at power-up; `None` leaves the lock off (PIN 0000 then).
    pub pin: Option<String>,
    /// PUK of the card.
    pub puk: String,
    /// Tries left before the PIN is blocked.
    pub pin_tries: u8,
    /// Tries left before the card is lost.
    pub puk_tries: u8,
    /// Whether a card is inserted.
    pub sim_inserted: bool,
    /// Slots for messages on the card (`SM`).
    pub sim_capacity: u8,
    /// Slots for messages in the modem (`ME`).
    pub modem_capacity: u8,
    /// Slots for delivery reports (`SR`), where there is such a memory.
    pub report_capacity: u8,
    /// Stable symbolic link to the PTY; it survives unplug and replug.
    pub link: Option<PathBuf>,
    /// Whether the modem echoes commands at power-up (real ones do).
    pub echo: bool,
    /// Time from power-up or reset until the modem answers.
    pub boot_time: Duration,
    /// Time from answering until SMS work (`SMS Ready`); before, the card is busy (CME 14, CMS 314).
    pub sms_ready_time: Duration,
    /// Pause between two lines that a model says of its own accord again and again.
    pub chatter_interval: Duration,
    /// What it does differently.
    pub manners: Vec<Manner>,
    /// How it takes USSD codes; `None` is as its model does.
    pub ussd_form: Option<UssdForm>,
    /// What the network answers to USSD codes, before what it always answers.
    pub ussd: Vec<UssdRule>,
}

impl ModemSettings {
    /// Makes a registered SIM800-like modem without PIN whose numbers end in `index` (1 to 99).
    #[must_use]
    pub fn named(name: impl Into<String>, index: u8) -> Self {
        let imei = with_check_digit(&format!("867856030{index:05}"));
        let [manufacturer, model, revision] = Model::Standard.firmware().identity.map(str::to_owned);
        Self {
            name: name.into(),
            firmware: Model::Standard,
            manufacturer,
            model,
            revision,
            imei,
            imsi: format!("5101000000{index:05}"),
            iccid: format!("8962100000000{index:06}"),
            msisdn: format!("62811000{index:05}"),
            operator: "TELKOMSEL".to_owned(),
            operator_code: "51010".to_owned(),
            smsc: "6281100000".to_owned(),
            signal: 21,
            registration: 1,
            pin: None,
            puk: "12345678".to_owned(),
            pin_tries: 3,
            puk_tries: 10,
            sim_inserted: true,
            sim_capacity: 20,
            modem_capacity: 50,
            report_capacity: 10,
            link: None,
            echo: true,
            boot_time: Duration::ZERO,
            sms_ready_time: Duration::ZERO,
            chatter_interval: Duration::from_secs(2),
            manners: Vec::new(),
            ussd_form: None,
            ussd: Vec::new(),
        }
    }

    /// Makes a modem of a model, as [`ModemSettings::named`] makes one after the book.
    #[must_use]
    pub fn of_model(model: Model, name: impl Into<String>, index: u8) -> Self {
        let [manufacturer, model_name, revision] = model.firmware().identity.map(str::to_owned);
        Self { firmware: model, manufacturer, model: model_name, revision, ..Self::named(name, index) }
    }

    /// Answers whether the modem does this differently.
    pub(crate) fn has(&self, manner: Manner) -> bool {
        self.manners.contains(&manner) || self.firmware.firmware().manners.contains(&manner)
    }
}

/// Appends the Luhn digit to the first 14 digits of an IMEI.
fn with_check_digit(first14: &str) -> String {
    let sum: u32 = first14
        .chars()
        .filter_map(|digit| digit.to_digit(10))
        .enumerate()
        .map(|(at, digit)| if at % 2 == 1 { digit * 2 / 10 + digit * 2 % 10 } else { digit })
        .sum();
    format!("{first14}{}", (10 - sum % 10) % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_imei_check_digit_is_the_one_of_a_known_imei() {
        assert_eq!(with_check_digit("49015420323751"), "490154203237518");
    }
}
