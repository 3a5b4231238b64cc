//! The task that looks for lines: one for all modems, so that no two of them ask at once.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::candidate::{Candidate, LineKey, candidates};
use super::choice::{Choice, Seen, choose, to_ask};
use super::knowledge::{Heard, Knowledge};
use super::uevent::Uevents;
use super::{Absence, Answer, Ask, Shared, Stamp, Wish};
use crate::discovery::{ProbeSettings, Probed, Roots, find_holder, list_without_holders, probe};
use crate::status::LineFault;

/// How often lines are looked for while a modem waits for one.
const LOOK: Duration = Duration::from_secs(1);
/// The same right after an event: links and rights of a line come later than the line.
const QUICK_LOOK: Duration = Duration::from_millis(250);
const QUICK_LOOKS_FOR: Duration = Duration::from_secs(5);
/// A stick has several lines, each with its event.
const SETTLES: Duration = Duration::from_millis(50);
/// Devices that are asked at once.
const ASKED_AT_ONCE: usize = 8;

/// Looks for lines; see [`Search::run`].
#[derive(Debug)]
pub struct Search {
    roots: Roots,
    shared: Arc<Shared>,
    /// For the claims that are handed out.
    asks: mpsc::Sender<Ask>,
    asked: mpsc::Receiver<Ask>,
    events: watch::Sender<u64>,
    waiting: Vec<Waiting>,
    knowledge: Knowledge,
    probes: FuturesUnordered<BoxFuture<'static, (LineKey, Heard)>>,
    asking: BTreeSet<LineKey>,
    quick_until: Option<Instant>,
}

/// One modem that waits for its line.
#[derive(Debug)]
struct Waiting {
    wish: Wish,
    answers: mpsc::Sender<Answer>,
    told: Option<Absence>,
}

impl Search {
    pub(super) fn new(
        roots: Roots,
        shared: Arc<Shared>,
        asks: mpsc::Sender<Ask>,
        asked: mpsc::Receiver<Ask>,
        events: watch::Sender<u64>,
    ) -> Self {
        Self {
            roots,
            shared,
            asks,
            asked,
            events,
            waiting: Vec::new(),
            knowledge: Knowledge::default(),
            probes: FuturesUnordered::new(),
            asking: BTreeSet::new(),
            quick_until: None,
        }
    }

    /// Answers the modems that look for their lines, until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut uevents = Uevents::listen().inspect_err(without_events).ok();
        let mut look_at: Option<Instant> = None;
        let shared = Arc::clone(&self.shared);
        loop {
            // Each branch is cancel-safe: what it waits for stays where it is, and probes are polled by reference.
            let look_by = tokio::select! {
                () = stop.cancelled() => return,
                Some(ask) = self.asked.recv() => {
                    self.take(ask);
                    Instant::now()
                }
                () = shared.freed.notified() => Instant::now(),
                Some((key, heard)) = self.probes.next(), if !self.probes.is_empty() => {
                    self.asking.remove(&key);
                    self.knowledge.note(key, heard, Instant::now());
                    Instant::now()
                }
                event = next_event(uevents.as_ref()) => {
                    if let Err(error) = event {
                        without_events(&error);
                        uevents = None;
                    }
                    self.events.send_modify(|count| *count = count.wrapping_add(1));
                    self.quick_until = Some(Instant::now() + QUICK_LOOKS_FOR);
                    Instant::now() + SETTLES
                }
                () = sleep_until(look_at) => Instant::now(),
            };
            look_at = Some(look_at.map_or(look_by, |at| at.min(look_by)));
            if look_at.is_some_and(|at| at <= Instant::now()) {
                look_at = self.look().await;
            }
        }
    }

    fn take(&mut self, ask: Ask) {
        match ask {
            Ask::Find { wish, answers } => self.waiting.push(Waiting { wish, answers, told: None }),
            Ask::Told { key, identity } => {
                let heard = identity.map_or(Heard::NothingAtPort, Heard::Identity);
                self.knowledge.note(key, heard, Instant::now());
            }
        }
    }

    /// Looks for the lines that modems wait for; answers when to look again.
    async fn look(&mut self) -> Option<Instant> {
        self.waiting.retain(|one| !one.answers.is_closed());
        if self.waiting.is_empty() {
            return None;
        }
        let ports = self.shared.lines().ports.values().cloned().collect();
        let (found, ports) = see(self.roots.clone(), ports).await;
        let listed = |key: &LineKey| found.iter().any(|candidate| candidate.key == *key);
        let at_ports: BTreeSet<LineKey> =
            ports.iter().map(|(path, stamp)| LineKey::of_path(path.display().to_string(), *stamp)).collect();
        self.knowledge.keep(|key| listed(key) || at_ports.contains(key));

        let now = Instant::now();
        let (mut absent, mut still_waiting) = (Vec::new(), Vec::new());
        for one in std::mem::take(&mut self.waiting) {
            let taken = self.shared.lines().taken.values().cloned().collect();
            let seen = Seen { found: &found, ports: &ports, taken: &taken, asking: &self.asking };
            match choose(&one.wish, &seen, &self.knowledge, now) {
                Choice::Take(key, path) => {
                    let claim = self.shared.take(key, path, self.asks.clone());
                    if one.answers.try_send(Answer::Found(claim)).is_err() {
                        // It has its answer at the next look, if it still waits then.
                        still_waiting.push(one);
                    }
                }
                Choice::Wait(why) => {
                    absent.push(why);
                    self.waiting.push(one);
                }
            }
        }
        self.ask(&found, now);
        if self.probes.is_empty() {
            for (one, why) in self.waiting.iter_mut().zip(absent) {
                if one.told.as_ref() != Some(&why) && one.answers.try_send(Answer::Absent(why.clone())).is_ok() {
                    one.told = Some(why);
                }
            }
        }
        self.waiting.append(&mut still_waiting);
        (!self.waiting.is_empty()).then(|| self.next_look(Instant::now()))
    }

    fn next_look(&self, now: Instant) -> Instant {
        let is_quick = self.quick_until.is_some_and(|until| now < until);
        let regular = now + if is_quick { QUICK_LOOK } else { LOOK };
        self.knowledge.next_due(now).map_or(regular, |due| due.min(regular))
    }

    /// Begins to ask lines of which it is not known who is there.
    fn ask(&mut self, found: &[Candidate], now: Instant) {
        let wishes: Vec<&Wish> = self.waiting.iter().map(|one| &one.wish).collect();
        if wishes.is_empty() {
            return;
        }
        let mut rates: Vec<u32> = wishes.iter().map(|wish| wish.baud_rate).collect();
        rates.extend(ProbeSettings::default().rates);
        let mut had = BTreeSet::new();
        rates.retain(|rate| had.insert(*rate));
        let asks_cards = wishes.iter().any(|wish| wish.wanted.iccid.is_some());
        let taken = self.shared.lines().taken.values().cloned().collect();
        let asking = self.asking.clone();
        let seen = Seen { found, ports: &BTreeMap::new(), taken: &taken, asking: &asking };
        let places = ASKED_AT_ONCE.saturating_sub(self.probes.len());
        for candidate in to_ask(&seen, &self.knowledge, asks_cards, now).into_iter().take(places) {
            let mut settings = ProbeSettings { rates: rates.clone(), ..ProbeSettings::default() };
            if !candidate.has_rate {
                settings.rates.truncate(1);
            }
            tracing::debug!(modem.line = %candidate.device.display(), "asking who is there");
            self.asking.insert(candidate.key.clone());
            let (key, device, proc) = (candidate.key.clone(), candidate.device.clone(), self.roots.proc.clone());
            self.probes.push(Box::pin(async move { (key, hear(device, proc, settings).await) }));
        }
    }
}

/// Lists the lines, and what is behind the lines that modems are configured on.
async fn see(roots: Roots, ports: Vec<PathBuf>) -> (Vec<Candidate>, BTreeMap<PathBuf, Stamp>) {
    let seen = tokio::task::spawn_blocking(move || {
        let ports: BTreeMap<PathBuf, Stamp> =
            ports.into_iter().filter_map(|path| Stamp::of(&path).map(|stamp| (path, stamp))).collect();
        let found = list_without_holders(&roots).unwrap_or_else(|error| {
            tracing::debug!(error = %error, "the lines of this machine cannot be listed");
            Vec::new()
        });
        (candidates(&found, &ports.values().copied().collect()), ports)
    });
    seen.await.unwrap_or_default()
}

/// Asks one line, unless somebody else has it.
async fn hear(device: PathBuf, proc: PathBuf, settings: ProbeSettings) -> Heard {
    let path = device.clone();
    let holder = tokio::task::spawn_blocking(move || find_holder(&proc, &path)).await;
    if !matches!(holder, Ok(None)) {
        return Heard::Used;
    }
    match probe(&device, &settings).await {
        Probed::Answers { identity, .. } => Heard::Identity(*identity),
        Probed::Unusable(LineFault::InUse | LineFault::NotPermitted | LineFault::Missing) => Heard::Used,
        Probed::Errors { .. } | Probed::Gibberish | Probed::Silent | Probed::Unusable(_) => Heard::Nothing,
    }
}

fn without_events(error: &io::Error) {
    tracing::info!(error = %error, "the kernel does not tell of new lines here; they are looked for now and then");
}

async fn next_event(uevents: Option<&Uevents>) -> io::Result<()> {
    match uevents {
        Some(uevents) => uevents.next().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
