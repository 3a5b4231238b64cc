//! The PIN of a SIM, and the memory that keeps it from being tried twice.
//!
//! For: never ending at a PUK by accident. Never: printing a PIN. Called by [`crate::Settings`] and the session.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

/// A PIN is not entered when fewer tries are left, so that a person still has some.
pub(crate) const PIN_TRIES_NEEDED: u8 = 3;

/// Says why a text is not a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// A PIN has 4 to 8 digits (3GPP TS 31.101 §9.5.1).
    #[error("a pin has 4 to 8 digits")]
    NotFourToEightDigits,
}

/// Holds the PIN of a SIM: 4 to 8 ASCII digits, wiped on drop, dots when printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin(Zeroizing<String>);

impl Pin {
    /// Takes a PIN.
    ///
    /// # Errors
    /// Refuses anything but 4 to 8 ASCII digits, so that a PIN can never smuggle AT commands.
    pub fn parse(text: impl Into<String>) -> Result<Self, PinError> {
        let text = Zeroizing::new(text.into());
        if (4..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self(text))
        } else {
            Err(PinError::NotFourToEightDigits)
        }
    }

    /// Shows the digits; for the line and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("•••")
    }
}

/// Remembers which SIMs were given a PIN; clones share the memory.
///
/// Give one memory to all modems, so that a SIM moved to another modem is remembered too. A PIN that proved right may be
/// entered again when the SIM lost power; one that was refused, or whose answer was lost, never. By itself the memory
/// lives as long as the process; [`PinMemory::kept`] makes it outlive that.
#[derive(Debug, Clone)]
pub struct PinMemory(Arc<dyn PinKeeper>);

/// Keeps the memory of PIN entries, where it outlives the process.
pub trait PinKeeper: fmt::Debug + Send + Sync {
    /// Tells what became of the PIN of a SIM (ICCID, or `?` and the modem's name if the SIM did not tell).
    fn known(&self, card: &str) -> Option<Tried>;

    /// Keeps what became of the PIN of a SIM.
    ///
    /// Called before a PIN is written to the SIM, so it must be durable when it returns; it may block that long.
    ///
    /// # Errors
    /// The PIN is not entered then: that it is [`Tried::Unproven`] must not be known. What is known after it was entered stays
    /// known.
    fn keep(&self, card: &str, tried: Tried) -> io::Result<()>;
}

/// A memory of this process.
#[derive(Debug, Default)]
struct OfProcess(Mutex<HashMap<String, Tried>>);

impl OfProcess {
    fn cards(&self) -> std::sync::MutexGuard<'_, HashMap<String, Tried>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PinKeeper for OfProcess {
    fn known(&self, card: &str) -> Option<Tried> {
        self.cards().get(card).copied()
    }

    fn keep(&self, card: &str, tried: Tried) -> io::Result<()> {
        self.cards().insert(card.to_owned(), tried);
        Ok(())
    }
}

impl Default for PinMemory {
    fn default() -> Self {
        Self(Arc::new(OfProcess::default()))
    }
}

/// What became of the PIN given to a SIM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// Given, and the SIM has not shown yet that it was right.
    Unproven,
    /// The SIM opened.
    Right,
    /// The SIM refused it.
    Refused,
    /// A person gave the SIM another PIN since.
    Replaced,
}

impl PinMemory {
    /// Makes a memory of what `keeper` knows, which tells it every change.
    #[must_use]
    pub fn kept(keeper: Arc<dyn PinKeeper>) -> Self {
        Self(keeper)
    }

    /// Answers whether a PIN may be given to this SIM.
    pub(crate) fn may_enter(&self, card: &str) -> bool {
        matches!(self.0.known(card), None | Some(Tried::Right))
    }

    /// Answers whether a PIN may be given to this SIM although nobody knows how many tries are left.
    ///
    /// A card that did not tell who it is may be another one by now: that the last one opened proves nothing.
    pub(crate) fn may_enter_blindly(&self, card: &str) -> bool {
        match self.0.known(card) {
            None => true,
            Some(Tried::Right) => !card.starts_with('?'),
            Some(Tried::Unproven | Tried::Refused | Tried::Replaced) => false,
        }
    }

    /// Notes what became of the PIN of this SIM; durable, if it is kept, when it returns.
    pub(crate) fn note(&self, card: &str, tried: Tried) -> io::Result<()> {
        self.0.keep(card, tried)
    }

    /// Notes that this SIM is open, if a PIN had been given to it.
    pub(crate) fn note_open(&self, card: &str) -> io::Result<()> {
        if self.0.known(card) == Some(Tried::Unproven) { self.note(card, Tried::Right) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_four_to_eight_digits_are_a_pin() {
        for (text, taken) in [
            ("1234", true),
            ("12345678", true),
            ("123", false),
            ("123456789", false),
            ("12\"\r", false),
            ("١٢٣٤", false),
        ] {
            assert_eq!(Pin::parse(text).is_ok(), taken, "{text:?}");
        }
    }

    #[test]
    fn a_pin_prints_dots() {
        assert_eq!(format!("{:?}", Pin::parse("1234").unwrap()), "•••");
    }

    #[test]
    fn a_refused_or_unproven_pin_is_never_entered_again_and_a_proven_one_may_be() {
        let memory = PinMemory::default();
        assert!(memory.may_enter("a"));
        memory.note("a", Tried::Unproven).unwrap();
        assert!(!memory.may_enter("a"));
        memory.note_open("a").unwrap();
        assert!(memory.clone().may_enter("a"));
        memory.note("a", Tried::Refused).unwrap();
        memory.note_open("a").unwrap();
        assert!(!memory.may_enter("a"));
        assert!(memory.may_enter("b"));
    }

    #[test]
    fn without_known_tries_only_a_first_or_proven_entry_is_made_and_a_nameless_card_is_never_proven() {
        let memory = PinMemory::default();
        for (card, again) in [("89", true), ("?m", false)] {
            assert!(memory.may_enter_blindly(card));
            memory.note(card, Tried::Unproven).unwrap();
            assert!(!memory.may_enter_blindly(card));
            memory.note_open(card).unwrap();
            assert_eq!(memory.may_enter_blindly(card), again, "{card}");
            assert!(memory.may_enter(card));
        }
    }
}
