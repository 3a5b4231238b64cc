//! Models of modems that can be bought, as far as software on their line sees them.
//!
//! For: playing what families of modems do differently, so that a driver meets it before it meets the device. A model is
//! data ([`Firmware`], in `table`); the engine asks it where modems differ. Never: what a driver makes of it; this
//! crate shares no table with the software it judges.
//! Called by everybody who starts a [`crate::Modem`].

mod table;

use std::str::FromStr;

/// A model to play; see [`crate::ModemSettings::of_model`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Model {
    /// A modem after the book, which calls itself a SIM800L.
    Standard,
    /// SIMCom SIM800L: 2G module.
    Sim800l,
    /// SIMCom SIM900: 2G module.
    Sim900,
    /// SIMCom SIM7600E: LTE module.
    Sim7600e,
    /// Quectel EC25: LTE module.
    Ec25,
    /// Quectel M26: 2G module.
    M26,
    /// Huawei E173: 3G stick.
    HuaweiE173,
    /// Huawei E3372 with stick firmware: LTE stick.
    HuaweiE3372,
    /// ZTE MF190: 3G stick.
    ZteMf190,
    /// Wavecom Q2 in a Fastrack: 2G terminal.
    WavecomQ2,
}

/// Says that there is no such model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no model `{0}`; there are {names}", names = names())]
pub struct ModelError(String);

impl Model {
    /// Every model.
    pub const ALL: [Self; 10] = [
        Self::Standard,
        Self::Sim800l,
        Self::Sim900,
        Self::Sim7600e,
        Self::Ec25,
        Self::M26,
        Self::HuaweiE173,
        Self::HuaweiE3372,
        Self::ZteMf190,
        Self::WavecomQ2,
    ];

    /// Returns the name by which the model is chosen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Sim800l => "sim800l",
            Self::Sim900 => "sim900",
            Self::Sim7600e => "sim7600e",
            Self::Ec25 => "ec25",
            Self::M26 => "m26",
            Self::HuaweiE173 => "huawei-e173",
            Self::HuaweiE3372 => "huawei-e3372",
            Self::ZteMf190 => "zte-mf190",
            Self::WavecomQ2 => "wavecom-q2",
        }
    }

    /// Returns what its firmware does.
    pub(crate) fn firmware(self) -> &'static Firmware {
        match self {
            Self::Standard => &table::STANDARD,
            Self::Sim800l => &table::SIM800L,
            Self::Sim900 => &table::SIM900,
            Self::Sim7600e => &table::SIM7600E,
            Self::Ec25 => &table::EC25,
            Self::M26 => &table::M26,
            Self::HuaweiE173 => &table::HUAWEI_E173,
            Self::HuaweiE3372 => &table::HUAWEI_E3372,
            Self::ZteMf190 => &table::ZTE_MF190,
            Self::WavecomQ2 => &table::WAVECOM_Q2,
        }
    }
}

impl FromStr for Model {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        Self::ALL.into_iter().find(|model| model.name() == text).ok_or_else(|| ModelError(text.to_owned()))
    }
}

fn names() -> String {
    Model::ALL.map(Model::name).join(", ")
}

/// How the tries left are told, and to which command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tries {
    /// `AT+CPINR`, with or without the name of a code.
    Cpinr,
    /// `AT+SPIC`
    Spic,
    /// `AT+QPINC?`
    Qpinc,
    /// `AT+QTRPIN`
    Qtrpin,
    /// `AT^CPIN?`
    HuaweiCpin,
    /// `AT+ZPINPUK=?`
    Zpinpuk,
}

/// What can be set with `AT+CNMI`: what `=?` says, and what is taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Routes {
    pub(crate) offered: &'static str,
    pub(crate) taken: [&'static [u32]; 5],
}

/// What a firmware does differently.
#[derive(Debug)]
pub(crate) struct Firmware {
    /// Answers to `AT+CGMI`, `AT+CGMM` and `AT+CGMR`.
    pub(crate) identity: [&'static str; 3],
    /// What it says when it has started; `{pin}` stands for the state of the card.
    pub(crate) boot: &'static [&'static str],
    /// What it says when its card is open.
    pub(crate) opened: &'static [&'static str],
    /// What it says when SMS work.
    pub(crate) ready: &'static [&'static str],
    /// Commands that tell the ICCID, and what stands before its digits.
    pub(crate) iccid: &'static [(&'static str, &'static str)],
    pub(crate) tries: &'static [Tries],
    /// Commands of its own that are taken and have no effect here.
    pub(crate) accepted: &'static [&'static str],
    /// Commands of every modem that it refuses.
    pub(crate) refused: &'static [&'static str],
    /// Commands that it answers in a way of its own.
    pub(crate) fixed: &'static [(&'static str, &'static str)],
    /// What it says again and again of its own accord, and the command that ends it.
    pub(crate) chatter: &'static [&'static str],
    pub(crate) quieted_by: &'static str,
    /// Commands that restart it, beside `AT+CFUN=1,1`.
    pub(crate) resets: &'static [&'static str],
    /// Whether a restart makes its line disappear, as of everything on USB.
    pub(crate) is_on_usb: bool,
    /// Whether it knows `AT+CEREG`.
    pub(crate) knows_lte: bool,
    /// Whether it answers next to nothing while its card wants a PIN.
    pub(crate) is_mute_while_locked: bool,
    /// The plain error.
    pub(crate) error: &'static str,
    /// What ends its lines.
    pub(crate) line_end: &'static str,
    pub(crate) routes: Routes,
    /// What stands before the length in `+CDS`.
    pub(crate) before_report_length: &'static str,
    /// What `AT+CPMS=?` says, and how many memories there are to choose.
    pub(crate) memories: (&'static str, usize),
    /// How it takes USSD codes, where its settings do not say so.
    pub(crate) ussd: crate::UssdForm,
    /// What it always does, beside the manners of its settings.
    pub(crate) manners: &'static [crate::Manner],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_is_found_by_its_name_and_a_wrong_one_is_told_all_of_them() {
        for model in Model::ALL {
            assert_eq!(model.name().parse(), Ok(model));
        }
        let error = "nokia".parse::<Model>().expect_err("no such model").to_string();
        assert!(
            error.contains("`nokia`") && error.contains("standard, sim800l") && error.contains("wavecom-q2"),
            "{error}"
        );
    }
}
