//! Limits at work: the rules in force, asked for every code, message and guess, whatever entrance it came through.
//!
//! The decisions are `domain::limits`, what is counted lies in the store; this room joins the two, follows what becomes of codes, tells the
//! log what people must know, and has the counts written behind. It must never see a code or a text, nor write a full number anywhere.
//! Called by the gateway for callers and by `operator` for the owner; the task is run by `app`.

mod flights;
mod limiter;
mod tell;
mod tend;

pub use limiter::{Counted, Counters, GuessHeld, LimitError, Limiter, Settings};
pub use tell::words;
