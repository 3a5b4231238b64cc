//! What an answer repeats from its request.
//!
//! Made by [`super::parse`], read by [`super::render`] and, for the callback, by intakes. It must never hold a code, a text or
//! a parameter; the receiver is in it, so `Debug` shows the command name only.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::json::Document;

/// The parts of a request that its answer repeats, as they were given.
#[derive(Clone, Default)]
pub struct Envelope {
    /// The command name as given: an alias is answered by the same alias.
    pub command: String,
    /// `date_time` in the type it came in.
    pub date_time: Option<Value>,
    /// `id` in the type it came in.
    pub id: Option<Value>,
    /// `reference` without the white space around it.
    pub reference: Option<String>,
    /// The receiver (whatever the field was called) without the white space around it.
    pub receiver: Option<String>,
    /// Where a broker is to publish the answer.
    pub callback_topic: Option<String>,
    /// How long a broker waits before it publishes the answer.
    pub callback_delay: Option<Duration>,
    /// The whole request, for `echo` alone.
    pub(super) request: Option<Box<Document>>,
}

impl fmt::Debug for Envelope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Envelope").field("command", &self.command).finish_non_exhaustive()
    }
}
