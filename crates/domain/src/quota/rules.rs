//! What the owner allows a SIM, what its messages cost, and what follows for one message.

use std::num::NonZeroU32;

use super::calendar::Resets;
use crate::clock::WallTime;
use crate::receiver::Msisdn;

/// What a SIM may send for API callers.
#[derive(Copy, Clone, PartialEq, Eq, Default, Debug)]
pub struct Quota {
    /// Parts a day.
    pub daily: Option<NonZeroU32>,
    /// Parts a month.
    pub monthly: Option<NonZeroU32>,
    /// Different receivers a month.
    pub receivers: Option<NonZeroU32>,
    /// Parts in any minute.
    pub per_minute: Option<NonZeroU32>,
    /// When day and month begin.
    pub resets: Resets,
}

impl Quota {
    /// Tells whether anything is limited at all.
    pub fn is_limited(&self) -> bool {
        self.daily.is_some() || self.monthly.is_some() || self.receivers.is_some() || self.per_minute.is_some()
    }
}

/// What a part costs.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tariff {
    /// The beginnings of the numbers to which `own` applies.
    pub prefixes: Vec<String>,
    /// To those numbers.
    pub own: u32,
    /// To all others.
    pub other: u32,
}

impl Tariff {
    /// Answers the price of a part to this number.
    pub fn price(&self, msisdn: &Msisdn) -> u32 {
        let is_own = self.prefixes.iter().any(|prefix| !prefix.is_empty() && msisdn.expose().starts_with(prefix));
        if is_own { self.own } else { self.other }
    }
}

/// What the owner says of the SIM in a modem.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SimPlan {
    /// What it may send.
    pub quota: Quota,
    /// What that costs.
    pub tariff: Tariff,
}

/// What is asked of a SIM.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Ask {
    /// How many parts it has to send.
    pub parts: u32,
    /// Whether the receiver is among those of this month already.
    pub is_known: bool,
}

/// Whether a SIM may send it.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Allowance {
    /// It may.
    Free,
    /// It has sent much in the last minute.
    Paced {
        /// When it may.
        until: WallTime,
    },
    /// Its quota is used up.
    Spent {
        /// Which.
        quota: Spent,
        /// When counting begins anew.
        until: WallTime,
    },
}

/// A quota that is used up, or too small for what is asked.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Spent {
    /// Of the day.
    Daily,
    /// Of the month.
    Monthly,
    /// Of different receivers; one that was written to this month may be written to again.
    Receivers,
}

impl Spent {
    /// Answers the words for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "daily quota",
            Self::Monthly => "monthly quota",
            Self::Receivers => "quota of receivers",
        }
    }
}
