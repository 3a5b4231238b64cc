//! How the intakes are doing: written by each of them, read by `doctor`, the metrics and readiness.
//!
//! It holds numbers and states, never a payload.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Where an intake stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// On the way to its broker.
    #[default]
    Connecting,
    /// Subscribed.
    Connected,
    /// Its broker cannot be used; why.
    Away(String),
}

/// One intake's state and counts.
#[derive(Debug, Default)]
pub struct Status {
    phase: Mutex<Phase>,
    connections: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    poison: AtomicU64,
    answers: AtomicU64,
}

/// What an intake says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The name of its section.
    pub name: String,
    /// Where it stands.
    pub phase: Phase,
    /// How often it was subscribed.
    pub connections: u64,
    /// Commands that were done.
    pub accepted: u64,
    /// Commands that were refused.
    pub refused: u64,
    /// Messages that were no commands.
    pub poison: u64,
    /// Answers that were published.
    pub answers: u64,
}

impl Status {
    /// Writes down where the intake stands; answers where it stood before.
    pub(super) fn set(&self, phase: Phase) -> Phase {
        if phase == Phase::Connected {
            self.connections.fetch_add(1, Ordering::Relaxed);
        }
        std::mem::replace(&mut self.phase.lock().unwrap_or_else(PoisonError::into_inner), phase)
    }

    /// Where the intake stands.
    pub fn phase(&self) -> Phase {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn count_accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_poison(&self) {
        self.poison.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_answer(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }
}

/// All intakes of the settings in force. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Board {
    all: Arc<Mutex<BTreeMap<String, Arc<Status>>>>,
}

impl Board {
    /// The state of an intake, kept over its restarts.
    pub fn enter(&self, name: &str) -> Arc<Status> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(name.to_owned()).or_default())
    }

    /// Forgets the intakes that are not among these.
    pub fn keep_only(&self, names: &[&str]) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, _| names.contains(&name.as_str()));
    }

    /// What all of them say, by name.
    #[must_use]
    pub fn reports(&self) -> Vec<Report> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let report = |(name, status): (&String, &Arc<Status>)| Report {
            name: name.clone(),
            phase: status.phase(),
            connections: number(&status.connections),
            accepted: number(&status.accepted),
            refused: number(&status.refused),
            poison: number(&status.poison),
            answers: number(&status.answers),
        };
        all.iter().map(report).collect()
    }
}
