//! Which device or SIM a modem is to be, whatever line it is on.
//!
//! Never: asking anybody. Called by the configuration, which parses, by the locator, which looks, and by the session, which checks.

use std::fmt;

use gsm::at;

use crate::status::Identity;

/// How many digits of a number are shown: enough to tell modems apart.
const SHOWN: usize = 5;
/// An ICCID without its check digit is not shorter.
const SHORTEST_ICCID: usize = 18;

/// Says why a text is not an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WantedError {
    /// An IMEI has 15 digits.
    #[error("an imei has 15 digits")]
    NotAnImei,
    /// The last digit does not fit the others: one was mistyped.
    #[error("its last digit does not fit the others: one of them is wrong")]
    WrongCheckDigit,
    /// An ICCID has 18 to 20 digits and begins with 89.
    #[error("an iccid has 18 to 20 digits and begins with 89")]
    NotAnIccid,
}

/// The number of a device (3GPP TS 23.003 §6.2.1): 15 digits with a correct check digit. Shown in part.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Imei(String);

impl Imei {
    /// Takes the digits.
    ///
    /// # Errors
    /// Refuses anything but 15 digits, the last of which is that of Luhn.
    pub fn parse(text: &str) -> Result<Self, WantedError> {
        if text.len() != 15 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(WantedError::NotAnImei);
        }
        at::imei(text).map(|digits| Self(digits.to_owned())).ok_or(WantedError::WrongCheckDigit)
    }

    /// Returns all digits.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// The number of a SIM (ITU-T E.118): 18 to 20 digits. Shown in part.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Iccid(String);

impl Iccid {
    /// Takes the digits as they are printed on the SIM, with or without the F that fills some up.
    ///
    /// # Errors
    /// Refuses anything but 18 to 20 digits that begin with 89.
    pub fn parse(text: &str) -> Result<Self, WantedError> {
        at::iccid(text).map(|digits| Self(digits.to_owned())).ok_or(WantedError::NotAnIccid)
    }

    /// Returns all digits.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Answers whether a modem means this SIM. Some leave the check digit out, which others (and the print) have.
    #[must_use]
    pub fn is_told_by(&self, told: &str) -> bool {
        let (short, long) = if told.len() < self.0.len() { (told, self.0.as_str()) } else { (self.0.as_str(), told) };
        short.len() >= SHORTEST_ICCID && long.len() - short.len() <= 1 && long.starts_with(short)
    }
}

/// Shows the last digits.
fn tail(formatter: &mut fmt::Formatter<'_>, digits: &str) -> fmt::Result {
    write!(formatter, "…{}", digits.get(digits.len().saturating_sub(SHOWN)..).unwrap_or_default())
}

impl fmt::Display for Imei {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        tail(formatter, &self.0)
    }
}

impl fmt::Debug for Imei {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        tail(formatter, &self.0)
    }
}

impl fmt::Display for Iccid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        tail(formatter, &self.0)
    }
}

impl fmt::Debug for Iccid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        tail(formatter, &self.0)
    }
}

/// Which device, which SIM, or both; neither takes whoever is on the line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// The device.
    pub imei: Option<Imei>,
    /// The SIM.
    pub iccid: Option<Iccid>,
}

/// What an identity is to a modem that wants one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// All that is wanted was told, and is the same.
    Right,
    /// The device is the wanted one, and its SIM was not told: some tell it only once its PIN was entered.
    CardUntold,
    /// Something that is wanted was not told.
    Untold,
    /// It is another device.
    OtherDevice,
    /// It is another SIM.
    OtherCard,
}

impl Wanted {
    /// Answers whether nobody in particular is wanted.
    #[must_use]
    pub fn is_anybody(&self) -> bool {
        self.imei.is_none() && self.iccid.is_none()
    }

    /// Compares with what was told.
    #[must_use]
    pub fn fit(&self, told: &Identity) -> Fit {
        let device = match (&self.imei, &told.imei) {
            (None, _) => Fit::Right,
            (Some(_), None) => Fit::Untold,
            (Some(wanted), Some(told)) if wanted.0 == *told => Fit::Right,
            (Some(_), Some(_)) => Fit::OtherDevice,
        };
        let card = match (&self.iccid, &told.iccid) {
            (None, _) => Fit::Right,
            (Some(_), None) => Fit::Untold,
            (Some(wanted), Some(told)) if wanted.is_told_by(told) => Fit::Right,
            (Some(_), Some(_)) => Fit::OtherCard,
        };
        match (device, card) {
            (Fit::OtherDevice, _) => Fit::OtherDevice,
            (_, Fit::OtherCard) => Fit::OtherCard,
            (Fit::Right, Fit::Right) => Fit::Right,
            (Fit::Right, Fit::Untold) if self.imei.is_some() => Fit::CardUntold,
            _ => Fit::Untold,
        }
    }
}

/// Says who is wanted, in part: `IMEI …00019, ICCID …00001`.
impl fmt::Display for Wanted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.imei, &self.iccid) {
            (Some(imei), Some(iccid)) => write!(formatter, "IMEI {imei}, ICCID {iccid}"),
            (Some(imei), None) => write!(formatter, "IMEI {imei}"),
            (None, Some(iccid)) => write!(formatter, "ICCID {iccid}"),
            (None, None) => formatter.write_str("any modem"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_imei_is_taken_with_its_check_digit_alone() {
        for (text, expected) in [
            ("490154203237518", None),
            ("490154203237519", Some(WantedError::WrongCheckDigit)),
            ("491054203237518", Some(WantedError::WrongCheckDigit)),
            ("49015420323751", Some(WantedError::NotAnImei)),
            ("4901542032375180", Some(WantedError::NotAnImei)),
            ("49015420323751x", Some(WantedError::NotAnImei)),
            ("", Some(WantedError::NotAnImei)),
        ] {
            assert_eq!(Imei::parse(text).err(), expected, "{text:?}");
        }
    }

    #[test]
    fn an_iccid_is_known_with_and_without_its_check_digit() {
        let wanted = Iccid::parse("8962100000000000001").unwrap();
        for (told, expected) in [
            ("8962100000000000001", true),
            ("896210000000000000", true),
            ("89621000000000000017", true),
            ("8962100000000000002", false),
            ("896210000000000001", false),
            ("89621000000000000", false),
        ] {
            assert_eq!(wanted.is_told_by(told), expected, "{told:?}");
        }
        for text in ["", "8962", "1234567890123456789", "89621000000000000012345", "896210000000000000x"] {
            assert_eq!(Iccid::parse(text).err(), Some(WantedError::NotAnIccid), "{text:?}");
        }
        assert_eq!(Iccid::parse("8962100000000000001F").unwrap(), wanted);
    }

    #[test]
    fn what_was_not_told_is_neither_right_nor_wrong() {
        let imei = Some(Imei::parse("490154203237518").unwrap());
        let iccid = Some(Iccid::parse("8962100000000000001").unwrap());
        let told = |imei: Option<&str>, iccid: Option<&str>| Identity {
            imei: imei.map(str::to_owned),
            iccid: iccid.map(str::to_owned),
            ..Identity::default()
        };
        let (own, card) = (Some("490154203237518"), Some("8962100000000000001"));
        let (other, other_card) = (Some("867856030000019"), Some("8962100000000000002"));
        let both = Wanted { imei, iccid };
        for (told, expected) in [
            (told(own, card), Fit::Right),
            (told(own, None), Fit::CardUntold),
            (told(None, card), Fit::Untold),
            (told(other, card), Fit::OtherDevice),
            (told(other, None), Fit::OtherDevice),
            (told(own, other_card), Fit::OtherCard),
            (told(None, other_card), Fit::OtherCard),
        ] {
            assert_eq!(both.fit(&told), expected, "{told:?}");
        }
        let card_alone = Wanted { imei: None, ..both.clone() };
        assert_eq!(card_alone.fit(&told(own, None)), Fit::Untold);
        assert_eq!(Wanted::default().fit(&told(other, None)), Fit::Right);
        assert_eq!(both.to_string(), "IMEI …37518, ICCID …00001");
    }
}
