//! Listeners: HTTP in, commands to the gateway, answers out.
//!
//! Called by `app`, which binds the listeners and passes them in, and by `ws_broker`, which takes login, TLS and caps from here. It must never decide anything about a message, and no file
//! but `error` may know a status code. One client can never cost more than one socket and one body: heads, bodies and
//! idle connections have time-outs, bodies a limit, connections a cap, and no work but hashing a login (on its own
//! thread, behind a bounded queue) is done for a caller who is not known.

mod api;
pub mod auth;
mod error;
mod listener;
pub mod phones;
mod settings;
mod simple;
pub mod tls;

pub use api::{ApiState, Readiness};
pub use error::{Fault, websocket};
pub use listener::{Crowd, Place, Transport, accept_tls, refuse, serve};
pub use settings::{ApiPaths, Settings, SimpleSettings};

#[cfg(test)]
mod tests;
