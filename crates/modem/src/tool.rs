//! What a person does to a SIM, or to the device itself: the PIN lock, a PIN or PUK typed by hand, and the IMEI put back.
//!
//! For: commands whose mistakes cost something that cannot be bought back. Each looks first at what the SIM asks for and how many tries
//! are left, then does one thing, then looks again. Never: a second try of anything, a PUK by itself, or an act that nobody typed.
//! Called by the `sim` and `imei` commands of `otp-pi`, with and without a gateway.

mod card;
mod imei;

pub use card::{CardReport, CodeError, PinAct, Puk, act_on_pin, look_at_card};
pub use imei::{Restored, find_imei, restore_imei};

use gsm::ErrorCode;

use crate::question::AskError;

/// Says why something was not done to a SIM or a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// The modem cannot be asked; nothing was done.
    #[error("nothing was done: {0}")]
    NotAsked(AskError),
    /// It makes no sense at the moment; nothing was done.
    #[error("nothing was done: {0}")]
    NotNow(&'static str),
    /// A wrong code would be the last one; nothing was done.
    #[error("nothing was done: only {left} tries are left, and a wrong one more would block the SIM{}", if *is_for_good { " for good" } else { "" })]
    FewTries {
        /// Tries left.
        left: u8,
        /// True for a PUK: after its last try the SIM is lost.
        is_for_good: bool,
    },
    /// The SIM says that the code is wrong. That try is used up.
    #[error("the SIM says that the code is wrong{}", tries_words(*left))]
    WrongCode {
        /// Tries left, where the modem tells.
        left: Option<u8>,
    },
    /// The modem refused.
    #[error("the modem refused: {result}{}", meaning_words(*code))]
    Refused {
        /// In the modem's words.
        result: String,
        /// Its code.
        code: Option<ErrorCode>,
    },
    /// There was no whole answer: it may have been done or not. Look before anything is tried again.
    #[error("there was no whole answer ({0}): it may have been done. Look before you try again")]
    Unclear(AskError),
}

fn tries_words(left: Option<u8>) -> String {
    left.map_or_else(String::new, |left| format!("; {left} tries are left"))
}

fn meaning_words(code: Option<ErrorCode>) -> String {
    code.map_or_else(String::new, |code| format!(" ({})", code.meaning()))
}
