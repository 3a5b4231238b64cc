//! Commands that come from brokers: real servers, and publishers that share no line of code with us.
//!
//! A server or a Python library that is not installed is skipped by name.

mod commands;
mod nats;
mod peer;
mod websocket;
