//! What the dispatcher has learnt about the store and the modems from attempts that failed, so that it does not ask in vain.
//!
//! Pure: time is a parameter. A full disk pauses all sending with growing pauses; a modem whose SIM or settings are at
//! fault stands aside for a growing time, and is told about once each time.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const SHORTEST_ASIDE: Duration = Duration::from_secs(15);
const LONGEST_ASIDE: Duration = Duration::from_secs(30 * 60);

/// A wait that doubles until something goes well again.
#[derive(Copy, Clone, Debug, Default)]
struct Backoff {
    times: u32,
    until: Option<Instant>,
}

impl Backoff {
    fn start(&mut self, now: Instant, shortest: Duration, longest: Duration) {
        let wait = shortest.saturating_mul(1 << self.times.min(16)).min(longest);
        self.times = self.times.saturating_add(1);
        self.until = Some(now + wait);
    }

    fn holds(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

/// What is known to be out of order.
#[derive(Clone, Debug)]
pub(super) struct Health {
    store: Backoff,
    modems: Vec<Backoff>,
}

impl Health {
    pub(super) fn new(modems: usize) -> Self {
        Self { store: Backoff::default(), modems: vec![Backoff::default(); modems] }
    }

    /// What is known of the modems goes to their new places; `places` is old → new.
    pub(super) fn rearrange(&mut self, places: &BTreeMap<usize, usize>, modems: usize) {
        let old = std::mem::replace(&mut self.modems, vec![Backoff::default(); modems]);
        for (from, to) in places {
            if let (Some(known), Some(slot)) = (old.get(*from), self.modems.get_mut(*to)) {
                *slot = *known;
            }
        }
    }

    /// The store could not make an attempt durable: no other is begun for a while.
    pub(super) fn store_failed(&mut self, now: Instant) {
        if !self.store.holds(now) {
            self.store.start(now, SHORTEST_PAUSE, LONGEST_PAUSE);
        }
    }

    /// A message went out: store and modem are well.
    pub(super) fn sent(&mut self, modem: usize) {
        self.store = Backoff::default();
        if let Some(backoff) = self.modems.get_mut(modem) {
            *backoff = Backoff::default();
        }
    }

    /// The modem or its SIM is at fault: it stands aside. True when it did not already.
    pub(super) fn modem_failed(&mut self, modem: usize, now: Instant) -> bool {
        match self.modems.get_mut(modem) {
            Some(backoff) if !backoff.holds(now) => {
                backoff.start(now, SHORTEST_ASIDE, LONGEST_ASIDE);
                true
            }
            _ => false,
        }
    }

    /// True while nothing is to be begun.
    pub(super) fn is_paused(&self, now: Instant) -> bool {
        self.store.holds(now)
    }

    /// True while the modem stands aside.
    pub(super) fn is_aside(&self, modem: usize, now: Instant) -> bool {
        self.modems.get(modem).is_some_and(|backoff| backoff.holds(now))
    }

    /// When the next of these waits is over.
    pub(super) fn next_time(&self, now: Instant) -> Option<Instant> {
        self.modems.iter().chain([&self.store]).filter_map(|backoff| backoff.until).filter(|until| *until > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pauses_double_until_something_goes_well() {
        let (start, mut health) = (Instant::now(), Health::new(1));
        health.store_failed(start);
        assert!(health.is_paused(start) && !health.is_paused(start + SHORTEST_PAUSE));
        health.store_failed(start + SHORTEST_PAUSE);
        assert!(health.is_paused(start + SHORTEST_PAUSE * 2) && !health.is_paused(start + SHORTEST_PAUSE * 3));
        assert_eq!(health.next_time(start + SHORTEST_PAUSE), Some(start + SHORTEST_PAUSE * 3));
        health.sent(0);
        assert_eq!((health.is_paused(start), health.next_time(start)), (false, None));
    }

    #[tokio::test]
    async fn a_modem_at_fault_stands_aside_and_is_told_about_once() {
        let (start, mut health) = (Instant::now(), Health::new(2));
        assert!(health.modem_failed(1, start));
        assert!(!health.modem_failed(1, start));
        assert!(health.is_aside(1, start) && !health.is_aside(0, start));
        assert!(!health.is_aside(1, start + SHORTEST_ASIDE));
        assert!(health.modem_failed(1, start + SHORTEST_ASIDE));
        assert!(health.is_aside(1, start + SHORTEST_ASIDE * 2), "longer the second time");
        health.rearrange(&BTreeMap::from([(1, 0)]), 3);
        let aside = [0, 1, 2].map(|modem| health.is_aside(modem, start + SHORTEST_ASIDE * 2));
        assert_eq!(aside, [true, false, false], "it is known at its new place");
    }
}
