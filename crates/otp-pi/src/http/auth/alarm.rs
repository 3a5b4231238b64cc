//! Tells that an address is throttled: once an hour, however often it tries.
//!
//! For [`super::Auth`]. It must never grow beyond its bound, and never wait for who is told.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long an address that was told is not told again.
const QUIET: Duration = Duration::from_secs(3600);

/// The most addresses that are remembered.
const MOST_ADDRESSES: usize = 4096;

/// Who is told, and which addresses were.
#[derive(Default)]
pub(super) struct Alarm {
    tell: Option<Box<dyn Fn(IpAddr) + Send + Sync>>,
    told: Mutex<HashMap<IpAddr, Instant>>,
}

impl Alarm {
    pub(super) fn new(tell: impl Fn(IpAddr) + Send + Sync + 'static) -> Self {
        Self { tell: Some(Box::new(tell)), told: Mutex::default() }
    }

    /// Tells an address, unless it was told within the hour.
    pub(super) fn raise(&self, address: IpAddr, now: Instant) {
        let Some(tell) = &self.tell else { return };
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.get(&address).is_some_and(|at| now < *at + QUIET) {
                return;
            }
            if told.len() >= MOST_ADDRESSES {
                told.retain(|_, at| now < *at + QUIET);
            }
            if told.len() >= MOST_ADDRESSES {
                // Whoever is told bounds how much is written of it.
                told.clear();
            }
            told.insert(address, now);
        }
        tell(address);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn an_address_is_told_once_an_hour_and_others_are_not_held_up() {
        let count = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&count);
        let alarm = Alarm::new(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let now = Instant::now();
        let told = |address: [u8; 4], at: Instant| {
            let before = count.load(Ordering::Relaxed);
            alarm.raise(IpAddr::from(address), at);
            count.load(Ordering::Relaxed) > before
        };
        assert!(told([10, 0, 0, 1], now));
        assert!(!told([10, 0, 0, 1], now + QUIET - Duration::from_secs(1)));
        assert!(told([10, 0, 0, 2], now));
        assert!(told([10, 0, 0, 1], now + QUIET));
    }

    #[tokio::test]
    async fn addresses_without_end_take_bounded_memory() {
        let alarm = Alarm::new(|_| {});
        let now = Instant::now();
        for address in 0..10_000_u32 {
            alarm.raise(IpAddr::from(address.to_be_bytes()), now);
        }
        assert!(alarm.told.lock().unwrap().len() <= MOST_ADDRESSES);
    }
}
