//! The outgoing ways. Today: the modem.
//!
//! A channel is not a trait but a task behind a handle ([`ChannelHandle`]); the dispatcher gives it one message at a time and
//! gets one [`Outcome`] back. A channel never knows who asked and never chooses itself. The code of an OTP is born here,
//! lives between `mint` and the write of the PDU, and is wiped.

pub mod gap;
pub mod manual;
pub mod modem;
mod part;
pub mod sim;

use std::path::{Path, PathBuf};

use ::modem::Driver;
use domain::message::MessageState;
use domain::otp::TicketKey;
use domain::quota::SimPlan;
use domain::retry::FailureClass;

/// One channel as the dispatcher knows it.
#[derive(Clone, Debug)]
pub struct ChannelHandle {
    /// The modem behind it.
    pub modem: ::modem::ModemHandle,
    /// The path of its line, as configured; empty if it is known by who it is alone.
    pub path: PathBuf,
    /// By whom its line is found.
    pub wanted: ::modem::Wanted,
    /// Who speaks to it.
    pub driver: Driver,
    /// Whether it takes what no prefix claims; shown to callers.
    pub is_default: bool,
    /// What its SIM may send, and what that costs.
    pub sim_plan: SimPlan,
}

impl ChannelHandle {
    /// Tells whether both are one modem, shown alike.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        // Taken apart, so that a new field cannot be forgotten here.
        let Self { modem, path, wanted, driver, is_default, sim_plan } = self;
        modem.is_same(&other.modem)
            && *path == other.path
            && *wanted == other.wanted
            && *driver == other.driver
            && *is_default == other.is_default
            && *sim_plan == other.sim_plan
    }

    /// Tells whether a path leads to its line.
    #[must_use]
    pub fn is_at(&self, path: &Path) -> bool {
        let line = self.modem.status().borrow().line.clone();
        ::modem::is_same_line(line.as_ref().unwrap_or(&self.path), path)
    }

    /// Where it is, or by what it is looked for, in words.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.modem.status().borrow().line {
            Some(line) if *line != self.path => {
                format!("{} (found by {})", line.display(), self.wanted)
            }
            Some(line) => line.display().to_string(),
            None => place(&self.path, &self.wanted, self.driver),
        }
    }
}

/// Where a modem is configured to be, in words: its line, or by whom that (or the modem that ModemManager has) is found.
#[must_use]
pub fn place(path: &Path, wanted: &::modem::Wanted, driver: Driver) -> String {
    match driver {
        Driver::At if path.as_os_str().is_empty() => format!("the line with {wanted}"),
        Driver::ModemManager if path.as_os_str().is_empty() => format!("ModemManager's with {wanted}"),
        Driver::At | Driver::ModemManager => path.display().to_string(),
    }
}

/// How one attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The network took every part.
    Sent,
    /// Nothing went on air.
    NotSent {
        /// What may help.
        class: FailureClass,
        /// The CMS or CME code, or a short word.
        code: String,
        /// The ticket that loses this attempt's tag: nobody saw the code.
        ticket: Option<TicketKey>,
    },
    /// Some parts went on air, one certainly did not. Sending again would double the others.
    Incomplete {
        /// Why the part was not sent.
        code: String,
    },
    /// Nobody can know whether it went on air.
    Unknown {
        /// The part in doubt, from 1; those after it were not begun.
        part: u8,
        /// Why not.
        detail: String,
    },
    /// The SIM has no quota for so many parts, which was not known before; nothing was tried.
    NoRoom {
        /// How many parts it has.
        parts: u8,
    },
    /// The store could not make the attempt durable; nothing went on air, nothing was recorded.
    StoreFailed,
    /// The store of tickets does not answer; nothing went on air. Messages without a code can go all the same.
    TicketStoreAway,
    /// Nothing went on air, and the store has settled the message so: cancelled, blocked, arrived after all.
    Settled(MessageState),
    /// The store had settled the message before, or the attempt; nothing went on air, nothing is to be done.
    Stale,
}
