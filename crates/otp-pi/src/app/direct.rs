//! One modem without the gateway: for the command line, where no gateway runs.
//!
//! The line is locked as the gateway locks it, so the two never meet. The store is opened only where its memory is needed
//! (the block list, and which SIM was given a PIN), only by its owner, and never made: a look at a modem must not leave a
//! data directory behind that the gateway may not use. Called by `cli`.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use domain::receiver::Receiver;
use modem::{ModemHandle, Phase, PinMemory, Registration, Status};
use store::{Keys, Store};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{SystemClock, Tasks, pins};
use crate::config::{Config, ModemConfig};

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
    pub fn start(line: modem::Settings) -> Self {
        // Nobody takes what comes in: it stays on the SIM until a gateway finds it there.
        let (handle, actor) = line.build(mpsc::channel(1).0);
        let tasks = Tasks::new(CancellationToken::new());
        tasks.spawn("modem", actor.run(tasks.stop_token()));
        Self { handle, tasks }
    }

    /// Waits until the line is open, or it is known why not.
    pub async fn opened(&self) -> Status {
        let is_known = |status: &Status| status.phase != Phase::Closed || status.line_fault.is_some();
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
        Phase::Closed => status.line_fault.is_some(),
        Phase::Starting => status.detail.is_some(),
        Phase::Recovering => false,
    }
}

/// The gateway's store, while no gateway runs.
#[derive(Debug)]
pub struct DirectStore {
    store: Store,
    tasks: Tasks,
}

impl DirectStore {
    /// Opens the store of a gateway that has run before; none if it has not: then nobody is blocked, and no PIN was entered.
    ///
    /// # Errors
    /// A gateway runs, the store belongs to another user, or it cannot be used.
    pub async fn open(config: &Config) -> anyhow::Result<Option<Self>> {
        let data_dir = &config.store.data_dir;
        if !is_ours(data_dir)? {
            return Ok(None);
        }
        let keys = data_dir.join("keys");
        // Without them the store would be opened with new ones, which it refuses; they must not be left behind.
        anyhow::ensure!(keys.join("keys.json").exists(), "{} is missing; restore it from a backup", keys.display());
        let keys = Keys::load_or_create(&keys).context("the keys cannot be used")?;
        let (store, writer) = Store::open(config.store.clone(), keys, Arc::new(SystemClock)).await?;
        let tasks = Tasks::new(CancellationToken::new());
        tasks.spawn("writer", writer.run(tasks.stop_token()));
        Ok(Some(Self { store, tasks }))
    }

    /// Tells whether nothing may be sent to the receiver.
    #[must_use]
    pub fn is_blocked(&self, receiver: &Receiver) -> bool {
        self.store.is_blocked(receiver)
    }

    /// The memory of which SIM was given a PIN; what comes is kept.
    ///
    /// # Errors
    /// A store that cannot be read: without the memory no PIN may be entered.
    pub async fn pin_memory(&self, modems: &[ModemConfig]) -> anyhow::Result<PinMemory> {
        pins::memory(&self.store, modems).await.context("the memory of PINs cannot be read")
    }

    /// Closes it, with everything written.
    ///
    /// # Errors
    /// The writer failed.
    pub async fn close(self) -> anyhow::Result<()> {
        drop(self.store);
        self.tasks.stop();
        self.tasks.finish(LAST_THINGS).await
    }
}

/// Answers whether there is a database and it is ours; one of another user is an error.
fn is_ours(data_dir: &Path) -> anyhow::Result<bool> {
    let database = data_dir.join("otp-pi.db");
    let metadata = match std::fs::metadata(&database) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", database.display())),
    };
    anyhow::ensure!(
        metadata.uid() == rustix::process::geteuid().as_raw(),
        "{} belongs to another user; run this as the user of the gateway, for example sudo -u otp-pi",
        database.display()
    );
    Ok(true)
}
