//! Signal, registration, operator.

use super::{answer, fields, number_field, text_field};

/// `+CSQ`: how well the modem hears the network (3GPP TS 27.007 §8.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignalQuality {
    /// 0 to 31; `None` if unknown (99) or out of range.
    pub rssi: Option<u8>,
    /// Bit error class 0 to 7; `None` if unknown.
    pub bit_error: Option<u8>,
}

impl SignalQuality {
    /// Reads an answer or unsolicited line.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let fields = fields(answer(line, "+CSQ")?);
        let rssi: u16 = number_field(&fields, 0)?;
        Some(Self {
            rssi: u8::try_from(rssi).ok().filter(|rssi| *rssi <= 31),
            bit_error: number_field(&fields, 1).filter(|class| *class <= 7_u8),
        })
    }

    /// The strength in dBm, -113 (or less) to -51 (or more).
    #[must_use]
    pub fn dbm(self) -> Option<i16> {
        self.rssi.map(|rssi| i16::from(rssi) * 2 - 113)
    }
}

/// Which registration a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Domain {
    /// `+CREG`: circuit switched.
    Circuit,
    /// `+CGREG`: packet switched.
    Packet,
    /// `+CEREG`: LTE.
    Evolved,
}

impl Domain {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Circuit, "+CREG"), (Self::Packet, "+CGREG"), (Self::Evolved, "+CEREG")];
}

/// Whether and how a modem is registered (3GPP TS 27.007 §7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RegistrationStatus {
    /// 0: not registered and not looking.
    Idle,
    /// 1.
    Home,
    /// 2: looking.
    Searching,
    /// 3.
    Denied,
    /// 4, or a number that is not in the standard.
    Unknown,
    /// 5.
    Roaming,
    /// 6.
    HomeSmsOnly,
    /// 7.
    RoamingSmsOnly,
    /// 8.
    EmergencyOnly,
    /// 9.
    HomeFallbackNotPreferred,
    /// 10.
    RoamingFallbackNotPreferred,
    /// 11.
    Restricted,
}

impl RegistrationStatus {
    /// By its number.
    #[must_use]
    pub fn from_number(number: u16) -> Self {
        match number {
            0 => Self::Idle,
            1 => Self::Home,
            2 => Self::Searching,
            3 => Self::Denied,
            5 => Self::Roaming,
            6 => Self::HomeSmsOnly,
            7 => Self::RoamingSmsOnly,
            8 => Self::EmergencyOnly,
            9 => Self::HomeFallbackNotPreferred,
            10 => Self::RoamingFallbackNotPreferred,
            11 => Self::Restricted,
            _ => Self::Unknown,
        }
    }

    /// Whether a message can be sent.
    #[must_use]
    pub fn can_send(self) -> bool {
        matches!(
            self,
            Self::Home
                | Self::Roaming
                | Self::HomeSmsOnly
                | Self::RoamingSmsOnly
                | Self::HomeFallbackNotPreferred
                | Self::RoamingFallbackNotPreferred
        )
    }
}

/// A radio access technology, by its number (3GPP TS 27.007 §7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AccessTechnology(pub u8);

impl AccessTechnology {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            0 => "GSM",
            1 => "GSM compact",
            2 => "UTRAN",
            3 => "EGPRS",
            4 => "HSDPA",
            5 => "HSUPA",
            6 => "HSPA",
            7 => "E-UTRAN",
            8 => "EC-GSM-IoT",
            9 => "NB-IoT",
            10 => "E-UTRA/5GCN",
            11 => "NR",
            12 => "NG-RAN",
            13 => "EN-DC",
            _ => "unknown",
        }
    }
}

/// `+CREG`, `+CGREG`, `+CEREG`: the registration and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registration {
    /// Which registration.
    pub domain: Domain,
    /// Whether and how.
    pub status: RegistrationStatus,
    /// Location or tracking area.
    pub area: Option<u32>,
    /// Cell.
    pub cell: Option<u32>,
    /// Technology.
    pub technology: Option<AccessTechnology>,
}

impl Registration {
    /// Reads the answer to a question such as `AT+CREG?`: the first number is the setting.
    #[must_use]
    pub fn parse_answer(line: &str) -> Option<Self> {
        Self::parse(line, 1)
    }

    /// Reads an unsolicited line: the first number is the status.
    #[must_use]
    pub fn parse_urc(line: &str) -> Option<Self> {
        Self::parse(line, 0)
    }

    fn parse(line: &str, status_index: usize) -> Option<Self> {
        let (domain, rest) = Domain::ALL.iter().find_map(|(domain, name)| Some((*domain, answer(line, name)?)))?;
        // No field holds a comma, but firmware does lose quotes: they mean nothing here.
        let fields: Vec<&str> = rest.split(',').collect();
        let hexadecimal = |index| u32::from_str_radix(text_field(&fields, index)?, 16).ok();
        Some(Self {
            domain,
            status: RegistrationStatus::from_number(number_field(&fields, status_index)?),
            area: hexadecimal(status_index + 1),
            cell: hexadecimal(status_index + 2),
            technology: number_field(&fields, status_index + 3).map(AccessTechnology),
        })
    }
}

/// `+COPS`: the operator (3GPP TS 27.007 §7.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// 0 automatic, 1 manual, 2 none, 4 both.
    pub mode: u8,
    /// The name or number; `None` when there is no operator.
    pub name: Option<String>,
    /// Technology.
    pub technology: Option<AccessTechnology>,
}

impl Operator {
    /// Reads the answer to `AT+COPS?`; the list of `AT+COPS=?` is none.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let fields = fields(answer(line, "+COPS")?);
        Some(Self {
            mode: number_field(&fields, 0)?,
            name: text_field(&fields, 2).map(str::to_owned),
            technology: number_field(&fields, 3).map(AccessTechnology),
        })
    }
}
