//! Why a message goes through a modem, or waits: a closed set of words (docs/routing.md), kept with each attempt.

use std::fmt;

use super::{ModemView, Ring};

/// So many modems are named; of more it is said how many.
const NAMED: usize = 3;
/// So many characters of a name are shown: a reason is written with each attempt.
const LONGEST_NAME: usize = 32;
/// So many digits of a prefix are shown: a prefix may be somebody's whole number.
const SHOWN_DIGITS: usize = 7;

/// Why a modem was turned down.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Turned {
    /// It cannot send at this moment.
    NotReady,
    /// Its SIM has no quota left for this.
    NoQuota,
    /// It has refused this very message.
    Refused,
}

impl Turned {
    pub(super) const fn of(view: ModemView) -> Self {
        match view {
            ModemView::NoQuota => Self::NoQuota,
            ModemView::Refused => Self::Refused,
            ModemView::Free | ModemView::Busy | ModemView::NotReady => Self::NotReady,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::NotReady => "is not ready",
            Self::NoQuota => "is out of quota",
            Self::Refused => "has refused it",
        }
    }
}

/// Why a decision is as it is; its words are its `Display`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reason {
    /// This prefix is the longest match: `prefix 62812`.
    Prefix(String),
    /// A default modem; no prefix matches: `default`.
    Default,
    /// No prefix matches and there is no default modem: `any`.
    Any,
    /// The first choice cannot take it; this is the cheapest of the rest: `fallback at cost 350: A is out of quota, B is not ready`.
    FailedOver {
        /// The `other_cost` of the modem that takes it.
        cost: u32,
        /// The modems of the first choice, by name.
        instead_of: Vec<(String, Turned)>,
    },
    /// All candidates are busy or paced: `waits: all candidates are busy`.
    AllBusy,
    /// No candidate is ready and has quota left: `waits: no candidate is ready and has quota`.
    NoneUsable,
    /// No modem is configured, switched on and open to API callers: `no modem is enabled`.
    NoModem,
}

impl Reason {
    pub(super) fn of(ring: &Ring) -> Self {
        match ring {
            Ring::Prefix(prefix) => Self::Prefix(prefix.clone()),
            Ring::Default => Self::Default,
            // A ring of one cost is for failing over, which has a reason of its own.
            Ring::Any | Ring::Cost(_) => Self::Any,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(prefix) => write!(f, "prefix {}", shown_prefix(prefix)),
            Self::Default => f.write_str("default"),
            Self::Any => f.write_str("any"),
            Self::FailedOver { cost, instead_of } => {
                write!(f, "fallback at cost {cost}: ")?;
                for (count, (name, turned)) in instead_of.iter().take(NAMED).enumerate() {
                    let comma = if count > 0 { ", " } else { "" };
                    let name: String = name.chars().take(LONGEST_NAME).collect();
                    write!(f, "{comma}{name} {}", turned.as_str())?;
                }
                match instead_of.len().saturating_sub(NAMED) {
                    0 => Ok(()),
                    more => write!(f, ", and {more} more"),
                }
            }
            Self::AllBusy => f.write_str("waits: all candidates are busy"),
            Self::NoneUsable => f.write_str("waits: no candidate is ready and has quota"),
            Self::NoModem => f.write_str("no modem is enabled"),
        }
    }
}

/// A prefix as it may be shown and kept: no more than the beginning of what may be a whole number.
pub fn shown_prefix(prefix: &str) -> String {
    match prefix.char_indices().nth(SHOWN_DIGITS).and_then(|(end, _)| prefix.get(..end)) {
        Some(beginning) => format!("{beginning}…"),
        None => prefix.to_owned(),
    }
}
