//! One modem without the gateway: for the command line, where no gateway runs.
//!
//! The line is locked as the gateway locks it, so the two never meet. Called by `cli`.

use std::time::Duration;

use modem::{ModemHandle, Phase, Registration, Status};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Tasks;

/// How long opening a line may take.
const OPENING: Duration = Duration::from_secs(10);
/// How long a modem may take from the opened line to being settled: its SIM alone may take half a minute.
const SETTLING: Duration = Duration::from_secs(60);
/// How long something that cannot be used is given to change by itself.
const GRACE: Duration = Duration::from_secs(2);
/// How long line and writer get to put their things away. A part on air is finished first.
const LAST_THINGS: Duration = Duration::from_secs(150);

/// One modem that is driven for us alone.
#[derive(Debug)]
pub struct DirectModem {
    /// Reaches it.
    pub handle: ModemHandle,
    tasks: Tasks,
}

impl DirectModem {
    /// Begins to open its line.
    #[must_use]
    pub fn start(mut line: modem::Settings) -> Self {
        // Who looks at a modem does not want it restarted.
        line.heals = false;
        // Nobody takes what comes in: it stays on the SIM until a gateway finds it there.
        let (handle, actor) = line.build(mpsc::channel(1).0);
        let tasks = Tasks::new(CancellationToken::new());
        tasks.spawn("modem", actor.run(tasks.stop_token()));
        Self { handle, tasks }
    }

    /// Waits until the line is open, or it is known why not.
    pub async fn opened(&self) -> Status {
        let is_open = |status: &Status| !matches!(status.phase, Phase::Closed | Phase::WrongDevice);
        let is_known = |status: &Status| is_open(status) || status.line_fault.is_some();
        wait(&mut self.handle.status(), OPENING, is_known).await
    }

    /// Waits until the modem can send, or waiting longer would not help. A search for a network gets `patience`.
    pub async fn settled(&self, patience: Duration) -> Status {
        let mut status = self.handle.status();
        let limit = Instant::now() + SETTLING;
        self.opened().await;
        loop {
            let now = wait(&mut status, limit.saturating_duration_since(Instant::now()), is_settled).await;
            let may_change = match now.phase {
                Phase::NotRegistered if now.registration != Registration::Denied => patience,
                // The beginning of a boot looks like that as well.
                Phase::Starting => GRACE,
                _ => return now,
            };
            if Instant::now() >= limit {
                return now;
            }
            let seen = wait(&mut status, may_change, |next| next.phase != now.phase || next.detail != now.detail).await;
            if seen.phase == now.phase && seen.detail == now.detail {
                return seen;
            }
        }
    }

    /// The token that ends it: a part on air is finished, nothing else is begun.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.tasks.stop_token()
    }

    /// Lets the line go.
    ///
    /// # Errors
    /// The runtime cannot watch lines.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.tasks.stop();
        self.tasks.finish(LAST_THINGS).await
    }
}

/// Waits for a condition, at most so long, and answers the last status.
async fn wait(status: &mut watch::Receiver<Status>, limit: Duration, wanted: impl Fn(&Status) -> bool) -> Status {
    // Both ends of the wait answer the same question: how is it now?
    drop(timeout_at(Instant::now() + limit, status.wait_for(wanted)).await);
    status.borrow().clone()
}

/// Answers whether a modem has come to an end, good or bad.
fn is_settled(status: &Status) -> bool {
    match status.phase {
        Phase::Ready
        | Phase::NotRegistered
        | Phase::PinNeeded
        | Phase::PinRefused
        | Phase::PukNeeded
        | Phase::SimMissing
        | Phase::Silent => true,
        // Where another one was there, the right one may be found elsewhere.
        Phase::Closed | Phase::WrongDevice => status.line_fault.is_some(),
        Phase::Starting => status.detail.is_some(),
        Phase::Recovering => false,
    }
}
