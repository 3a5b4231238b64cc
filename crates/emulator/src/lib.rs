//! Modems that are not there: AT, PDU and a radio model, on PTYs.
//!
//! For tests, benchmarks, demonstrations and replaying bug reports: a [`Network`] (the radio and the phones behind it)
//! and any number of [`Modem`]s, each an AT engine behind a pseudo terminal that other software opens like a serial
//! port. The model is honest: it refuses what a modem refuses, and only a PDU that went through the air becomes a
//! [`Transmission`].
//!
//! It must never share a decoder with the software it judges: the PDU reader is the emulator's own (module `tpdu`), so that
//! a mistake of the `gsm` crate cannot hide behind the same mistake here. It never starts tasks: [`Modem::run`] is a
//! future driven by the caller.
//!
//! Called by the tests of `modem` and `otp-pi`, by `otp-pi demo` and by the binary `otp-pi-emulator`.

mod byte_log;
mod duration;
mod engine;
mod machine;
mod model;
mod modem;
mod network;
mod pty;
mod script;
mod settings;
mod tpdu;
mod transmission;

pub use byte_log::{ByteLog, Direction, LogEntry};
pub use duration::{DurationError, ScriptDuration, parse_duration};
pub use machine::{Machine, Stick};
pub use model::{Model, ModelError};
pub use modem::{Modem, RunError, StartError};
pub use network::{Network, NetworkSettings, ReceiverRule, Treatment};
pub use script::{Action, Fault, ModemRule, Moment, Script, ScriptError, UssdCoding, UssdRule};
pub use settings::{Manner, ModemSettings, UssdForm};
pub use transmission::Transmission;
