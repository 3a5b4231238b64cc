//! Finds the line of a modem that is known by who it is, and tells when something was plugged in.
//!
//! For: sticks that get another `ttyUSB` number whenever they are plugged in. Kernel events wake it; a look every few seconds is the
//! fallback where none come. Never: a line opened that one of our modems has, that another program holds, that is the `port` of a
//! modem, or that is no USB device; never two probes on one device at once. A line that was given out is only asked by who has it.
//! Called by the actors of one gateway, which share one [`Locator`]; its [`Search`] is run by the caller's tracker.
//!
//! Map: `search` is the task, `choice` decides who gets which line and which are asked, `candidate` knows which lines may be asked
//! and in which order, `knowledge` remembers what they have said, `uevent` listens to the kernel. What lines there are is
//! [`crate::discovery`]'s.

mod candidate;
mod choice;
mod knowledge;
mod search;
mod uevent;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};

use crate::discovery::Roots;
use crate::status::Identity;
use crate::wanted::Wanted;
use candidate::LineKey;
pub use search::Search;

/// Requests and news that may wait for the search.
const WAITING: usize = 128;
/// Answers that may wait for one modem.
const ANSWERS: usize = 4;
/// How often a path is looked at while no event comes.
const LOOK: Duration = Duration::from_secs(1);

/// Reaches the search for lines; clones reach the same.
#[derive(Debug, Clone)]
pub struct Locator {
    shared: Arc<Shared>,
    asks: mpsc::Sender<Ask>,
    /// Counts what was plugged in and out.
    events: watch::Receiver<u64>,
}

/// What modems and search both know.
#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<Lines>,
    /// A line was given back.
    freed: Notify,
}

/// Lines that are not to be asked.
#[derive(Debug, Default)]
struct Lines {
    next: u64,
    /// Lines that modems are configured on.
    ports: BTreeMap<u64, PathBuf>,
    /// Lines that modems have.
    taken: BTreeMap<u64, LineKey>,
}

impl Shared {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(self: &Arc<Self>, key: LineKey, path: PathBuf, asks: mpsc::Sender<Ask>) -> Claim {
        let mut lines = self.lines();
        lines.next += 1;
        let number = lines.next;
        lines.taken.insert(number, key.clone());
        drop(lines);
        Claim { number, key, path, shared: Arc::clone(self), asks }
    }
}

/// What a modem is to be found by.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// Its line, which is tried first.
    pub(crate) port: Option<PathBuf>,
    pub(crate) wanted: Wanted,
    /// The speed that is tried first.
    pub(crate) baud_rate: u32,
}

#[derive(Debug)]
enum Ask {
    Find {
        wish: Wish,
        answers: mpsc::Sender<Answer>,
    },
    /// Who has a line has asked who is there. None: nothing answered.
    Told {
        key: LineKey,
        identity: Option<Identity>,
    },
}

/// What comes of a search.
#[derive(Debug)]
pub(crate) enum Answer {
    Found(Claim),
    Absent(Absence),
}

/// Why no line was found so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Absence {
    pub(crate) text: String,
    /// There is another device or SIM at the configured line.
    pub(crate) is_wrong: bool,
}

impl Locator {
    /// Makes a locator that looks there, and the search to run.
    #[must_use]
    pub fn new(roots: Roots) -> (Self, Search) {
        let shared = Arc::new(Shared::default());
        let (asks, asked) = mpsc::channel(WAITING);
        let (told, events) = watch::channel(0);
        let search = Search::new(roots, Arc::clone(&shared), asks.clone(), asked, told);
        (Self { shared, asks, events }, search)
    }

    /// Keeps a line from being asked, until the reservation is dropped.
    pub(crate) fn reserve(&self, port: &Path) -> Reservation {
        let mut lines = self.shared.lines();
        lines.next += 1;
        let number = lines.next;
        lines.ports.insert(number, port.to_owned());
        Reservation { number, shared: Arc::clone(&self.shared) }
    }

    /// Begins to look for a line; dropping what is returned ends that.
    pub(crate) async fn find(&self, wish: Wish) -> Finding {
        let (sender, answers) = mpsc::channel(ANSWERS);
        if self.asks.send(Ask::Find { wish, answers: sender }).await.is_err() {
            tracing::debug!("nobody searches for lines any more");
        }
        Finding(answers)
    }

    /// Waits until something else is behind the path than what was seen before.
    pub(crate) async fn changed(&self, path: &Path, before: Option<Stamp>) {
        let mut events = self.events.clone();
        while Stamp::of(path) == before {
            tokio::select! {
                event = events.changed() => if event.is_err() {
                    // Without the search there is the look every second.
                    tokio::time::sleep(LOOK).await;
                },
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
}

/// A search for one modem.
#[derive(Debug)]
pub(crate) struct Finding(mpsc::Receiver<Answer>);

impl Finding {
    /// Waits for the next answer; none when nobody searches any more. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Answer> {
        self.0.recv().await
    }
}

/// Keeps the line of a modem from being asked.
#[derive(Debug)]
pub(crate) struct Reservation {
    number: u64,
    shared: Arc<Shared>,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shared.lines().ports.remove(&self.number);
    }
}

/// A line that was found; nobody else gets it before this is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    number: u64,
    key: LineKey,
    path: PathBuf,
    shared: Arc<Shared>,
    asks: mpsc::Sender<Ask>,
}

impl Claim {
    /// The path to open.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Remembers who answered there; `None` if nobody did.
    pub(crate) fn told(&self, identity: Option<Identity>) {
        if self.asks.try_send(Ask::Told { key: self.key.clone(), identity }).is_err() {
            tracing::debug!("what a line has said is not remembered");
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.shared.lines().taken.remove(&self.number);
        self.shared.freed.notify_one();
    }
}

/// What is behind a path: another one after each plugging, even where the name stays the same, and when its rights change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl Stamp {
    /// Looks through links; `None` if nothing is there.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self { device: found.rdev(), inode: found.ino(), changed: (found.ctime(), found.ctime_nsec()) })
    }

    /// Leaves out what changes while the device stays. A device of the kernel has another inode after each plugging; the pseudo
    /// terminals of an emulator (majors 136 to 143) have the same again.
    fn of_plugging(self) -> Self {
        let is_pseudo_terminal = (136..=143).contains(&rustix::fs::major(self.device));
        Self { changed: if is_pseudo_terminal { self.changed } else { (0, 0) }, ..self }
    }
}
