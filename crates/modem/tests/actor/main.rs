//! The actor on real pseudo terminals, against the emulator: what a caller sees and what was really transmitted.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail the test")]

mod bench;
mod heal;
mod line;
mod models;
mod ussd;
