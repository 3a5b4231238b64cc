//! Slows guessing: failed logins per address.
//!
//! For [`super::Auth`]. It must never delay a login that is kept, and never grow beyond its bound. A try is charged before
//! its outcome is known, so that parallel tries cannot overrun the limit, and refunded if it was no failure.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use domain::network::household;

/// Failures that an address may make at once.
pub(super) const BURST: u32 = 20;

/// Time after which one more is allowed.
const INTERVAL: Duration = Duration::from_secs(3);

/// The most addresses that are remembered.
const MOST_ADDRESSES: usize = 4096;

/// Failures per address, each as the time at which they are all forgiven.
#[derive(Default)]
pub(super) struct Throttle {
    forgiven_at: Mutex<HashMap<IpAddr, Instant>>,
}

impl Throttle {
    /// Says how long to wait, if a try would not be allowed now. Charges nothing.
    pub(super) fn check(&self, peer: IpAddr, now: Instant) -> Result<(), Duration> {
        allowed(&self.lock(), peer, now).map(drop)
    }

    /// Charges one try, or says how long to wait.
    pub(super) fn charge(&self, peer: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut addresses = self.lock();
        let forgiven_at = allowed(&addresses, peer, now)?;
        if addresses.len() >= MOST_ADDRESSES {
            addresses.retain(|_, at| now < *at);
        }
        if addresses.len() >= MOST_ADDRESSES {
            addresses.clear();
        }
        addresses.insert(household(peer), forgiven_at + INTERVAL);
        Ok(())
    }

    /// Takes one charge back.
    pub(super) fn refund(&self, peer: IpAddr) {
        if let Some(at) = self.lock().get_mut(&household(peer)) {
            *at = at.checked_sub(INTERVAL).unwrap_or(*at);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Instant>> {
        self.forgiven_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns when all failures are forgiven, or how long to wait for the next try.
fn allowed(addresses: &HashMap<IpAddr, Instant>, peer: IpAddr, now: Instant) -> Result<Instant, Duration> {
    let forgiven_at = addresses.get(&household(peer)).map_or(now, |&at| at.max(now));
    let excess = (forgiven_at + INTERVAL).saturating_duration_since(now + INTERVAL * BURST);
    if excess.is_zero() { Ok(forgiven_at) } else { Err(excess) }
}

#[cfg(test)]
mod tests;
