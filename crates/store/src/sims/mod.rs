//! What SIMs have sent: counted in the commit that begins an attempt, so that no crash forgets it.
//!
//! `domain::quota` decides what a count means; this keeps it, in memory for the router and on disk for the next start. SIMs and
//! receivers are known by keyed hash, under a key that does not rotate. One row a SIM is written in a group's commit, and one for
//! each new receiver of a SIM whose receivers are limited. It must never cost a commit of its own on the way of a message.

mod book;
mod record;
mod step;
mod store;

use domain::quota::{Charge, Periods};

pub(crate) use book::SharedSims;
pub(crate) use step::SimSteps;

/// A SIM, as its use is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SimKey([u8; 16]);

/// A receiver among those of a SIM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReceiverTag([u8; 8]);

/// What makes a SIM known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sim<'a> {
    /// The number of the card.
    Iccid(&'a str),
    /// The name of its modem, where the card tells none.
    Modem(&'a str),
}

/// What is to be counted for a SIM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimCharge {
    /// The SIM.
    pub sim: SimKey,
    /// When, and in which periods.
    pub periods: Periods,
    /// In how many parts the text goes out, whoever makes them.
    pub parts: u32,
    /// What a part costs.
    pub price: u32,
    /// True for a SIM with a rate: the parts of the last minute are kept.
    pub is_paced: bool,
    /// The receiver, of a SIM whose receivers are limited.
    pub receiver: Option<ReceiverTag>,
}

/// What was counted, to be given back where nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charged {
    pub(crate) sim: SimKey,
    pub(crate) charge: Charge,
    pub(crate) receiver: Option<ReceiverTag>,
}

impl Charged {
    /// The part of it that is to be given back: so many parts were not sent. The receiver stays counted unless none was.
    #[must_use]
    pub fn unsent(mut self, parts: u32) -> Self {
        let all = self.charge.count.parts;
        if parts < all {
            self.receiver = None;
            let price = self.charge.count.cost.checked_div(u64::from(all)).unwrap_or(0);
            self.charge.count.cost = price.saturating_mul(u64::from(parts));
            self.charge.count.parts = parts;
        }
        self
    }
}
