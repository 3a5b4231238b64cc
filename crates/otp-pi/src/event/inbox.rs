//! An SMS that came in, for those who work with it while the gateway runs: callbacks, a monitor, codes that users send in.
//!
//! In memory only. Unlike other events it carries the text, because that is what its listeners want; it prints dots instead.

use std::fmt;

use domain::clock::WallTime;
use domain::inbox::InboxState;
use domain::message::MessageId;
use domain::receiver::{Msisdn, NumberingPlan};
use domain::secret::SecretText;

/// Digits of which so many in a row may be somebody's number.
const NUMBER_DIGITS: usize = 7;

/// Who sent an SMS. Shown masked where it may be a person.
#[derive(Clone, PartialEq, Eq)]
pub enum Sender {
    /// A number that can be answered.
    Msisdn(Msisdn),
    /// A short code, or digits of which nobody knows the country.
    Code(String),
    /// A name, which only a network can send from: it cannot be answered.
    Name(String),
}

impl Sender {
    /// Reads what an owner writes: a number in any usual spelling, a short code or a name.
    #[must_use]
    pub fn parse(text: &str, plan: &NumberingPlan) -> Self {
        let text = text.trim();
        match Msisdn::parse(text, plan) {
            Ok(msisdn) => Self::Msisdn(msisdn),
            Err(_) if text.bytes().all(|sign| sign.is_ascii_digit()) => Self::Code(text.to_owned()),
            Err(_) => Self::Name(text.to_owned()),
        }
    }

    /// The form under which the store finds it: one for each sender, however the network writes him.
    #[must_use]
    pub fn canonical(&self) -> String {
        match self {
            Self::Msisdn(msisdn) => msisdn.expose().to_owned(),
            Self::Code(code) => code.clone(),
            Self::Name(name) => name.to_lowercase(),
        }
    }

    /// Shows it in full; reviewers look for every use.
    #[must_use]
    pub fn expose(&self) -> &str {
        match self {
            Self::Msisdn(msisdn) => msisdn.expose(),
            Self::Code(text) | Self::Name(text) => text,
        }
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Msisdn(msisdn) => fmt::Display::fmt(msisdn, f),
            Self::Code(text) | Self::Name(text) => {
                let digits = text.chars().filter(char::is_ascii_digit).count();
                if digits < NUMBER_DIGITS { f.write_str(text) } else { f.write_str("•••") }
            }
        }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One message that came in, as far as it did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing of its own that an SMS may be")]
pub struct InboxMessage {
    /// Its name. A message that was told without all of its parts is told again, under the same name, when one comes late.
    pub id: MessageId,
    /// The modem that got it.
    pub modem: String,
    /// The ICCID of its SIM, or what stands for it.
    pub card: String,
    /// Who sent it; None where that cannot be read.
    pub sender: Option<Sender>,
    /// What it says. Parts that are missing, data that is no text and octets that are no message are named in brackets.
    pub text: SecretText,
    /// Whether all of it is here.
    pub state: InboxState,
    /// How many parts it has.
    pub total: u8,
    /// The parts that did not come.
    pub missing: Vec<u8>,
    /// Of class 0: meant to be shown at once and kept nowhere.
    pub is_flash: bool,
    /// Some of it is data and no text.
    pub is_binary: bool,
    /// Some of it cannot be read.
    pub is_unreadable: bool,
    /// An operator has read it.
    pub is_read: bool,
    /// When the service centre took its first part, where it says so.
    pub sent_at: Option<WallTime>,
    /// When its last part came.
    pub received_at: WallTime,
}

#[cfg(test)]
mod tests {
    use domain::receiver::CountryCode;

    use super::*;

    fn plan() -> NumberingPlan {
        NumberingPlan { country_code: CountryCode::parse("62").unwrap() }
    }

    #[test]
    fn every_spelling_of_a_sender_is_found_alike_and_none_is_shown_in_full() {
        for (text, canonical, shown) in [
            ("+62 812-6666-666", "628126666666", "62812•••66"),
            ("08126666666", "628126666666", "62812•••66"),
            ("3456", "3456", "3456"),
            ("GoJek", "gojek", "GoJek"),
            ("Info 0812666", "info 0812666", "•••"),
            ("00", "00", "00"),
        ] {
            let sender = Sender::parse(text, &plan());
            assert_eq!((sender.canonical().as_str(), format!("{sender:?}").as_str()), (canonical, shown), "{text}");
        }
    }
}
