//! SIM state, tries left, identities.

use super::{answer, fields, number_field, text_answer, text_field};
use crate::address::{Address, TypeOfAddress};

/// `+CPIN`: what the SIM waits for (3GPP TS 27.007 §8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PinState {
    /// Nothing.
    Ready,
    /// Its PIN.
    SimPin,
    /// Its PUK.
    SimPuk,
    /// PIN2, which blocks no message.
    SimPin2,
    /// PUK2, which blocks no message.
    SimPuk2,
    /// A lock of the phone or network (all `PH-` states).
    PhoneLock,
    /// It is starting up.
    NotReady,
    /// There is none.
    NotInserted,
}

impl PinState {
    /// Reads an answer or unsolicited line, quoted or not.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let fields = fields(answer(line, "+CPIN")?);
        Some(match text_field(&fields, 0)?.to_ascii_uppercase().as_str() {
            "READY" => Self::Ready,
            "SIM PIN" => Self::SimPin,
            "SIM PUK" => Self::SimPuk,
            "SIM PIN2" => Self::SimPin2,
            "SIM PUK2" => Self::SimPuk2,
            "NOT READY" => Self::NotReady,
            "NOT INSERTED" => Self::NotInserted,
            other if other.starts_with("PH-") => Self::PhoneLock,
            _ => return None,
        })
    }

    /// Whether messages can be sent in this state.
    #[must_use]
    pub fn can_send(self) -> bool {
        matches!(self, Self::Ready | Self::SimPin2 | Self::SimPuk2)
    }
}

/// How often a PIN and a PUK may still be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinTries {
    /// Tries of the PIN.
    pub pin: u8,
    /// Tries of the PUK, where the modem says.
    pub puk: Option<u8>,
}

impl PinTries {
    /// Reads `+CPINR: SIM PIN,3,3`, `+SPIC: 3,10,0,10`, `+QPINC: "SC",3,10`, `+ZPINPUK: 3,10`, `+QTRPIN: 3,3,10,10` or
    /// `^CPIN: <state>,<n>,10,3,…`.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        if let Some(rest) = answer(line, "+CPINR") {
            let fields = fields(rest);
            let is_pin = text_field(&fields, 0).is_some_and(|name| name.eq_ignore_ascii_case("SIM PIN"));
            return is_pin.then_some(Self { pin: number_field(&fields, 1)?, puk: None });
        }
        if let Some(rest) = answer(line, "+SPIC") {
            let fields = fields(rest);
            return Some(Self { pin: number_field(&fields, 0)?, puk: number_field(&fields, 1) });
        }
        if let Some(rest) = answer(line, "+QPINC") {
            let fields = fields(rest);
            let is_sim = text_field(&fields, 0).is_some_and(|name| name.eq_ignore_ascii_case("SC"));
            return is_sim.then_some(Self { pin: number_field(&fields, 1)?, puk: number_field(&fields, 2) });
        }
        if let Some(rest) = answer(line, "+ZPINPUK") {
            let fields = fields(rest);
            return Some(Self { pin: number_field(&fields, 0)?, puk: number_field(&fields, 1) });
        }
        // The PIN, PIN2, the PUK, PUK2.
        if let Some(rest) = answer(line, "+QTRPIN") {
            let fields = fields(rest);
            return Some(Self { pin: number_field(&fields, 0)?, puk: number_field(&fields, 2) });
        }
        let fields = fields(answer(line, "^CPIN")?);
        Some(Self { pin: number_field(&fields, 3)?, puk: number_field(&fields, 2) })
    }
}

/// How often a PUK may still be tried: `+CPINR: SIM PUK,10,10`, and what the makers' answers of [`PinTries`] say beside the PIN.
#[must_use]
pub fn puk_tries(line: &str) -> Option<u8> {
    if let Some(rest) = answer(line, "+CPINR") {
        let fields = fields(rest);
        let is_puk = text_field(&fields, 0).is_some_and(|name| name.eq_ignore_ascii_case("SIM PUK"));
        return is_puk.then_some(()).and_then(|()| number_field(&fields, 1));
    }
    PinTries::parse(line)?.puk
}

/// Whether a facility is locked: `+CLCK: 1` (3GPP TS 27.007 §7.4).
#[must_use]
pub fn lock_state(line: &str) -> Option<bool> {
    match number_field::<u8>(&fields(answer(line, "+CLCK")?), 0)? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// Whether 15 digits are an IMEI: their last one is the check digit of the others (3GPP TS 23.003 annex B).
#[must_use]
pub fn is_imei(digits: &str) -> bool {
    digits.len() == 15 && all_digits(digits) && has_check_digit(digits)
}

/// The IMEI of an answer to `AT+CGSN`: the first 15 digits (a software version may follow), if their check digit is right
/// (3GPP TS 23.003 annex B).
#[must_use]
pub fn imei(line: &str) -> Option<&str> {
    let text = text_answer(line, "+CGSN");
    (15..=17).contains(&text.len()).then_some(()).filter(|()| all_digits(text))?;
    text.get(..15).filter(|digits| has_check_digit(digits))
}

/// Whether the last digit is that of Luhn.
fn has_check_digit(digits: &str) -> bool {
    let doubled = |digit: u32| digit * 2 / 10 + digit * 2 % 10;
    let sum: u32 = digits
        .chars()
        .rev()
        .filter_map(|digit| digit.to_digit(10))
        .enumerate()
        .map(|(at, digit)| if at % 2 == 1 { doubled(digit) } else { digit })
        .sum();
    sum.is_multiple_of(10)
}

/// The IMSI of an answer to `AT+CIMI`: 14 or 15 digits.
#[must_use]
pub fn imsi(line: &str) -> Option<&str> {
    let text = text_answer(line, "+CIMI");
    ((14..=15).contains(&text.len()) && all_digits(text)).then_some(text)
}

/// The ICCID of an answer to whichever command of its maker: 18 to 20 digits, filler dropped.
#[must_use]
pub fn iccid(line: &str) -> Option<&str> {
    const NAMES: [&str; 5] = ["+CCID", "+ICCID", "+QCCID", "^ICCID", "+ZGETICCID"];
    let named = NAMES.iter().find_map(|name| answer(line, name)).unwrap_or(line);
    let text = super::unquoted(named).trim_end_matches(['F', 'f']);
    ((18..=20).contains(&text.len()) && all_digits(text) && text.starts_with("89")).then_some(text)
}

/// The number of `+CNUM: [<name>],"<number>",<type>`.
#[must_use]
pub fn own_number(line: &str) -> Option<Address> {
    let fields = fields(answer(line, "+CNUM")?);
    numbered(text_field(&fields, 1)?, number_field(&fields, 2))
}

/// An address from the text and type of an answer; a plus sign says international whatever the type.
pub(super) fn numbered(text: &str, kind: Option<u8>) -> Option<Address> {
    match (text.strip_prefix('+'), kind) {
        (Some(digits), _) => Address::international(digits).ok(),
        (None, Some(kind)) => Address::with_type(TypeOfAddress(kind), text).ok(),
        (None, None) => Address::parse(text).ok(),
    }
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}
