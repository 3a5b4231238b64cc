//! OTP-Pi's rules: pure decisions, no I/O, no clock, no tasks.
//!
//! Whatever a rule needs comes as a parameter, time (`now`) and chance (`rng`) included. Everything here answers at once
//! and never awaits. Callers: `store` (tickets, states) and `otp-pi` (gateway, dispatcher, wire).

pub mod autofill;
pub mod blocklist;
pub mod clock;
pub mod command;
pub mod deadline;
pub mod inbox;
pub mod limits;
pub mod locale;
pub mod message;
pub mod network;
pub mod otp;
pub mod outcome;
pub mod quota;
pub mod receiver;
pub mod retry;
pub mod route;
pub mod secret;
pub mod template;
