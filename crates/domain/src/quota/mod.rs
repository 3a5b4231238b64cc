//! What a SIM has sent, and whether it may send more: day, month, distinct receivers, and so many a minute.
//!
//! Pure: time and the zone's offset are parameters. The router asks before a message is given to a modem; the store counts in the commit
//! that begins an attempt. Counted are *parts*, as an operator bills them: a text of three parts is three. It must never give a
//! quota twice because a clock was set, and never hold a SIM back for ever because a clock was wrong.

mod calendar;
mod counts;
mod rules;
mod usage;

pub use calendar::{Period, Periods, Resets};
pub use counts::{Behind, Count, Counts};
pub use rules::{Allowance, Ask, Quota, SimPlan, Spent, Tariff};
pub use usage::{Charge, SimUse};

#[cfg(test)]
mod tests;
