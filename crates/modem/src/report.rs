//! How a modem is, as a person would want to know it: what each question was answered, and whether it can send.
//!
//! For: `otp-pi modem check`, its page and alarms. Plain data; [`crate::check()`] fills it in, [`crate::advice()`] draws the
//! conclusions, others render it. Never: a full number of the SIM's owner in `Debug`.

use gsm::Address;
use gsm::at::{Operator, PinState, RegistrationStatus, SignalQuality, StorageUse};

use crate::advice::{Advice, Weight, advice};
use crate::status::{Phase, Status};

/// What became of one question.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Fact<T> {
    /// It was not asked.
    #[default]
    Unasked,
    /// Nothing was answered in time.
    Unanswered,
    /// `ERROR`, or a code, in the modem's own words.
    Refused(String),
    /// It was answered, and not in a way that could be read.
    Unclear,
    /// It was answered.
    Told(T),
}

impl<T> Fact<T> {
    /// Returns what was told.
    #[must_use]
    pub fn told(&self) -> Option<&T> {
        match self {
            Self::Told(value) => Some(value),
            Self::Unasked | Self::Unanswered | Self::Refused(_) | Self::Unclear => None,
        }
    }

    /// Answers whether the modem answered with an error.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

/// How one modem is.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Name of the modem.
    pub modem: String,
    /// What its driver knows, at the end of the questions.
    pub status: Status,
    /// `AT` (ITU-T V.250 §5.2).
    pub attention: Fact<()>,
    /// `AT+CPIN?` (3GPP TS 27.007 §8.3).
    pub pin: Fact<PinState>,
    /// `AT+CSQ` (3GPP TS 27.007 §8.5).
    pub signal: Fact<SignalQuality>,
    /// `AT+CREG?` (3GPP TS 27.007 §7.2).
    pub registration: Fact<RegistrationStatus>,
    /// `AT+CEREG?` (3GPP TS 27.007 §10.1.22); modems without LTE refuse it.
    pub registration_eps: Fact<RegistrationStatus>,
    /// `AT+COPS?` (3GPP TS 27.007 §7.3).
    pub operator: Fact<Operator>,
    /// `AT+CSCA?` (3GPP TS 27.005 §3.3.1); `None` inside when none is set.
    pub service_center: Fact<Option<String>>,
    /// `AT+CGMI` (3GPP TS 27.007 §5.1).
    pub manufacturer: Fact<String>,
    /// `AT+CGMM` (3GPP TS 27.007 §5.2).
    pub model: Fact<String>,
    /// `AT+CGMR` (3GPP TS 27.007 §5.3).
    pub revision: Fact<String>,
    /// `AT+CGSN` (3GPP TS 27.007 §5.4): 15 digits with a correct check digit.
    pub imei: Fact<String>,
    /// `AT+CIMI` (3GPP TS 27.007 §5.6): 14 or 15 digits, which name a person's contract.
    pub imsi: Fact<String>,
    /// ICCID, asked in the makers' ways: 18 to 20 digits.
    pub iccid: Fact<String>,
    /// `AT+CNUM` (3GPP TS 27.007 §7.1): the SIM's own number; `None` inside when it does not know it, as most.
    pub own_number: Fact<Option<Address>>,
    /// `AT+CPMS?` (3GPP TS 27.005 §3.2.2).
    pub storage: Fact<StorageUse>,
    /// `AT+CBC` (3GPP TS 27.007 §8.4), in millivolts; `None` inside when it tells no voltage.
    pub supply_millivolts: Fact<Option<u16>>,
}

/// Prints how it is, and no number.
impl std::fmt::Debug for Report {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Report")
            .field("modem", &self.modem)
            .field("phase", &self.status.phase)
            .field("attention", &self.attention)
            .field("pin", &self.pin)
            .field("signal", &self.signal)
            .field("registration", &self.registration)
            .finish_non_exhaustive()
    }
}

/// What a report comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It can send.
    Good,
    /// It can send, and something should be seen to.
    Warned,
    /// It cannot send.
    Bad,
}

impl Report {
    /// Says whether the modem can send.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict_with(&advice(self))
    }

    /// Says whether the modem can send, given the advice on this report.
    #[must_use]
    pub fn verdict_with(&self, advice: &[Advice]) -> Verdict {
        let is_ready = matches!(self.status.phase, Phase::Ready);
        if !is_ready || advice.iter().any(|advice| advice.weight == Weight::Blocks) {
            Verdict::Bad
        } else if advice.iter().any(|advice| advice.weight == Weight::Warns) {
            Verdict::Warned
        } else {
            Verdict::Good
        }
    }

    /// Answers whether the modem said so itself that it is registered in a network that takes SMS.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        [&self.registration, &self.registration_eps]
            .into_iter()
            .any(|fact| fact.told().is_some_and(|status| status.can_send()))
            || self.status.registration.is_registered()
    }
}

/// How strong a signal is, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Under -100 dBm: SMS fail.
    TooWeak,
    /// -100 to -94 dBm: SMS go through now and then.
    Weak,
    /// -93 to -84 dBm.
    Fair,
    /// -83 to -74 dBm.
    Good,
    /// -73 dBm and more.
    Excellent,
}

impl Strength {
    /// Takes a strength in dBm.
    #[must_use]
    pub fn of_dbm(dbm: i16) -> Self {
        match dbm {
            -73.. => Self::Excellent,
            -83.. => Self::Good,
            -93.. => Self::Fair,
            -100.. => Self::Weak,
            _ => Self::TooWeak,
        }
    }

    /// Returns the word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::TooWeak => "too weak",
            Self::Weak => "weak",
            Self::Fair => "fair",
            Self::Good => "good",
            Self::Excellent => "excellent",
        }
    }
}

/// Says a registration in words.
#[must_use]
pub fn registration_words(status: RegistrationStatus) -> &'static str {
    match status {
        RegistrationStatus::Idle => "not registered, not searching",
        RegistrationStatus::Home => "registered, home network",
        RegistrationStatus::Searching => "not registered, searching",
        RegistrationStatus::Denied => "denied by the network",
        RegistrationStatus::Unknown => "unknown (out of coverage)",
        RegistrationStatus::Roaming => "registered, roaming",
        RegistrationStatus::HomeSmsOnly => "registered for SMS only, home network",
        RegistrationStatus::RoamingSmsOnly => "registered for SMS only, roaming",
        RegistrationStatus::EmergencyOnly => "emergency calls only",
        RegistrationStatus::HomeFallbackNotPreferred => "registered, home network (calls not preferred)",
        RegistrationStatus::RoamingFallbackNotPreferred => "registered, roaming (calls not preferred)",
        RegistrationStatus::Restricted => "restricted services only",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_signal_follows_its_dbm() {
        for (rssi, word) in [
            (0, "too weak"),
            (6, "too weak"),
            (7, "weak"),
            (9, "weak"),
            (10, "fair"),
            (14, "fair"),
            (15, "good"),
            (19, "good"),
            (20, "excellent"),
            (31, "excellent"),
        ] {
            let dbm = SignalQuality { rssi: Some(rssi), bit_error: None }.dbm().unwrap();
            assert_eq!(Strength::of_dbm(dbm).word(), word, "{rssi} = {dbm} dBm");
        }
    }

    #[test]
    fn debug_shows_no_number() {
        let report = Report {
            imsi: Fact::Told("510100000000001".to_owned()),
            own_number: Fact::Told(Address::international("6281100000001").ok()),
            ..Report::default()
        };
        let shown = format!("{report:?}");
        assert!(!shown.contains("510100000000001") && !shown.contains("6281100000001"), "{shown}");
    }
}
