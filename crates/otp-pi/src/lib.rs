//! OTP-Pi: a self-hosted OTP and SMS gateway.
//!
//! This crate is the product: it wires the pure rules (`domain`), the codecs (`gsm`), the serial lines (`modem`) and what
//! must survive (`store`) into one program. ARCHITECTURE.md shows the rooms and the arrows between them; the `tidy` test
//! holds both. It must never grow global state: whatever a function needs is a parameter.
//!
//! Entry points: [`cli::run`] for the binary, [`app::App`] for tests that run the whole gateway in their own process.

pub mod app;
pub mod channel;
pub mod cli;
pub mod config;
pub mod control;
pub mod dispatch;
pub mod event;
pub mod gateway;
pub mod http;
pub mod inbox;
pub mod intake;
pub mod limits;
pub mod operator;
pub mod telemetry;
pub mod ussd;
pub mod wire;
pub mod ws_broker;
