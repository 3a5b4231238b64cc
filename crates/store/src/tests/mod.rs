//! The store as its callers see it, on a real file.

mod acceptance;
mod audit;
mod guesses;
mod keys;
mod operator;
mod privacy;
mod recovery;
mod reports;
mod retention;
mod shared;
pub(crate) mod support;
mod texts;
mod trouble;
mod way;
