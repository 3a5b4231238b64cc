//! The store as its callers see it, on a real file.

mod acceptance;
mod audit;
mod guesses;
mod inbox;
mod keys;
mod operator;
mod privacy;
mod recovery;
mod remote;
mod reports;
mod retention;
pub(crate) mod servers;
mod shared;
mod sims;
pub(crate) mod support;
mod texts;
mod trouble;
mod way;
