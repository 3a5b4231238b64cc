//! The entrance for operators: a Unix socket in the data directory of a running gateway.
//!
//! One JSON line asks, one answers ([`Request`], [`Answer`]). Whoever may open the socket is the gateway's own user or root, and that is
//! the whole login. It must never be reachable from elsewhere, and never log what is asked. [`perform`] answers the command
//! line directly where no gateway runs. Called by `app` and `cli`.

mod client;
mod peer;
mod perform;
mod protocol;
mod server;
mod short;

pub use client::Client;
pub use peer::shell;
pub use perform::perform;
pub use protocol::{Answer, InboxRequest, LONGEST_DOCUMENT, Request, Secret, ToolRequest};
pub use server::{bind, serve};
