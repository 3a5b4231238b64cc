//! The WebSocket broker of `otp-pi ws-broker`: what one connection sends goes to all others of its topic.
//!
//! Called by `cli` alone; a gateway is a client of it like others. It stands on a machine that both the application and the gateway
//! reach. It must never relay for somebody who is not logged in, never send a frame back to its sender or to another topic, never keep
//! or log a payload, and never let one connection hold up another: every queue has a bound, and who does not read is dropped.
//!
//! There is no acknowledgement and no memory: a frame reaches those who are connected at that moment, at most once.

mod connection;
mod handshake;
mod relay;
mod server;
mod users;

pub use server::{Settings, serve};
pub use users::{UsersError, read_file, single};
