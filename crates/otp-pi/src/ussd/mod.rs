//! What the network is asked over USSD: dialogues of callers and operators, and what SIMs are worth.
//!
//! For: one desk at which every entrance asks, so that a menu is found again by who began it, and one task that asks balances. Never: a code, a reply or an answer in a
//! log or record; they carry vouchers and balances. Never at the cost of a code that waits: a balance check that is under way when a code is accepted is given up.
//! Called by `gateway` (API users), `operator` (people) and `app`, which runs [`Desk::tend`].

mod amount;
mod balance;
mod desk;
mod tend;

pub use amount::Amount;
pub use balance::{Balance, BalanceError, BalancePlan, BalanceSettings, Pattern, PatternError};
pub use desk::{Act, Answered, Desk, DeskError};
