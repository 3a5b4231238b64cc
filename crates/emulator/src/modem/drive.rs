//! The loop of one modem: moves bytes between the PTY and the engine, and time and arrivals into it.
//!
//! Called by [`super::Modem::run`]; it is the only place that touches the line.

use std::io;
use std::sync::{Arc, PoisonError};

use tokio::time::Instant;

use crate::byte_log::Direction;
use crate::engine::Engine;
use crate::pty::{self, Openings, Port, Pty};

use super::{Control, RunError, Shared};

/// Bytes that wait for a reader at most; further ones are lost, as on a line without flow control.
const OUTPUT_LIMIT: usize = 64 * 1024;

struct Loop {
    shared: Arc<Shared>,
    engine: Engine,
    port: Option<Port>,
    output: Vec<u8>,
    replug_at: Option<Instant>,
    /// Watches the line while the modem hangs until it is opened again.
    openings: Option<Openings>,
}

/// Drives a modem until it is stopped.
pub(super) async fn drive(shared: Arc<Shared>) -> Result<(), RunError> {
    let idle = shared.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
    let name = shared.name.clone();
    let Some((mut engine, pty)) = idle else { return Err(RunError::NotIdle(name)) };
    engine.power_on(true, Instant::now());
    let ended = async {
        let port = Some(Port::watch(pty)?);
        let mut this =
            Loop { shared: Arc::clone(&shared), engine, port, output: Vec::new(), replug_at: None, openings: None };
        this.run().await
    };
    let result = ended.await.map_err(|source| RunError::Pty { name, source });
    shared.network.deregister(&shared.name);
    remove_link(&shared);
    result
}

impl Loop {
    async fn run(&mut self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let mut buffer = [0; 1024];
        loop {
            if self.obey()? {
                return Ok(());
            }
            let now = Instant::now();
            if self.replug_at.is_some_and(|due| due <= now) {
                self.plug_in()?;
            }
            for (due, arrival) in shared.inbox.take() {
                self.engine.arrive(due, arrival);
            }
            self.engine.tick(now);
            self.speak()?;
            self.watch_openings()?;
            let deadline = self.engine.next_deadline().into_iter().chain(self.replug_at).min();
            // Every branch is cancel-safe: bytes are taken only by a branch that wins, permits of `Notify` stay.
            tokio::select! {
                read = read(self.port.as_ref(), &mut buffer) => {
                    let bytes = buffer.get(..read?).unwrap_or_default();
                    self.log(Direction::ToModem, bytes);
                    self.engine.receive(bytes, Instant::now());
                    self.speak()?;
                }
                result = writable(self.port.as_ref().filter(|_| !self.output.is_empty())) => result?,
                () = sleep_until(deadline) => {}
                () = opened(self.openings.as_ref()) => {
                    self.openings = None;
                    self.engine.reopened();
                }
                () = shared.controlled.notified() => {}
                () = shared.inbox.changed.notified() => {}
            }
        }
    }

    /// Does what the owner wants; true means stop.
    fn obey(&mut self) -> io::Result<bool> {
        let controls = std::mem::take(&mut *self.shared.controls.lock().unwrap_or_else(PoisonError::into_inner));
        let now = Instant::now();
        for control in controls {
            match control {
                Control::Stop => return Ok(true),
                Control::Inject(bytes) => {
                    self.output.extend(bytes);
                }
                Control::Unplug => self.pull_out(),
                Control::Replug => self.plug_in()?,
                Control::SetSignal(rssi) => self.engine.set_signal(rssi),
                Control::SetRegistration(stat) => self.engine.set_registration(stat, now),
                Control::AddFault(fault) => self.engine.add_fault(*fault),
            }
        }
        Ok(false)
    }

    /// Writes what the engine has to say, and pulls the cable if a fault wants it.
    fn speak(&mut self) -> io::Result<()> {
        self.output.extend(self.engine.take_output());
        if let Some(port) = &self.port {
            while !self.output.is_empty() {
                let count = port.write(&self.output)?;
                if count == 0 {
                    break;
                }
                let said: Vec<u8> = self.output.drain(..count).collect();
                self.log(Direction::FromModem, &said);
            }
            self.output.truncate(OUTPUT_LIMIT);
        } else {
            self.output.clear();
        }
        if let Some(replug_after) = self.engine.take_unplug() {
            self.pull_out();
            self.replug_at = replug_after.map(|after| Instant::now() + after);
        }
        Ok(())
    }

    /// Watches the line for who opens it, while that matters: the system gives a process few such watches.
    fn watch_openings(&mut self) -> io::Result<()> {
        if !self.engine.waits_for_reopening() {
            self.openings = None;
        } else if let (None, Some(port)) = (&self.openings, &self.port) {
            self.openings = Some(Openings::of(port)?);
        }
        Ok(())
    }

    fn pull_out(&mut self) {
        self.engine.power_off();
        self.output.clear();
        self.port = None;
        self.replug_at = None;
        remove_link(&self.shared);
    }

    fn plug_in(&mut self) -> io::Result<()> {
        self.replug_at = None;
        if self.port.is_some() {
            return Ok(());
        }
        let pty = Pty::open()?;
        let path = pty.path.clone();
        self.port = Some(Port::watch(pty)?);
        self.engine.power_on(false, Instant::now());
        if let Some(link) = &self.shared.link {
            pty::link(&path, link)?;
        } else {
            *self.shared.path.lock().unwrap_or_else(PoisonError::into_inner) = path;
        }
        Ok(())
    }

    fn log(&self, direction: Direction, bytes: &[u8]) {
        let at_millis = self.shared.network.elapsed_millis(Instant::now());
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).push(direction, at_millis, bytes);
    }
}

/// A link to a PTY that is gone could point to somebody else's next one.
fn remove_link(shared: &Shared) {
    if let Some(link) = &shared.link
        && let Err(error) = std::fs::remove_file(link)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "the link of an emulated modem could not be removed");
    }
}

async fn read(port: Option<&Port>, buffer: &mut [u8]) -> io::Result<usize> {
    match port {
        Some(port) => port.read(buffer).await,
        None => std::future::pending().await,
    }
}

async fn opened(openings: Option<&Openings>) {
    match openings {
        Some(openings) => openings.next().await,
        None => std::future::pending().await,
    }
}

async fn writable(port: Option<&Port>) -> io::Result<()> {
    match port {
        Some(port) => port.writable().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
