//! The server behind an address, and whether it is there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::clock::Clock;

use super::redis::Connection;
use super::sql::Pool;
use super::{Engine, Kind, Rows, ServerAddress};
use crate::error::{OpenError, StoreError};

/// Deletions in one run; the next goes on.
const PURGES_AT_MOST: u32 = 1_000;
/// Clocks that differ by more are told of: codes live longer or shorter by that much, depending on the node.
const SKEW_ALLOWED: Duration = Duration::from_secs(2);

/// Rows of both kinds on one server.
pub(crate) struct Server {
    pub(crate) tickets: Arc<dyn Rows>,
    pub(crate) limits: Arc<dyn Rows>,
    clock: Arc<dyn Clock>,
    watch: Watch,
}

/// Asks the server of an address whether it can be used, and by how many milliseconds its clock is ahead of `clock`.
///
/// # Errors
/// The words for a person.
pub async fn check_ticket_store(address: &ServerAddress, clock: Arc<dyn Clock>) -> Result<i64, String> {
    let server = Server::open(address, clock).map_err(|error| error.to_string())?;
    let skew = server.skew().await;
    skew.map_err(|_| server.watch.reason.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

impl Server {
    /// Prepares; the first request connects. A server that is away holds up no start.
    ///
    /// # Errors
    /// [`OpenError`] for what would not come right by itself, as a file of certificates that cannot be read.
    pub(crate) fn open(address: &ServerAddress, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let watch = Watch::new(address);
        let refused = |reason: String| OpenError::TicketStore { address: address.to_string(), reason };
        let seen = watch.clone();
        let (tickets, limits): (Arc<dyn Rows>, Arc<dyn Rows>) = match address.engine() {
            Engine::Redis => {
                let connection = Connection::open(address, watch).map_err(|error| refused(error.to_string()))?;
                (Arc::new(connection.rows(Kind::Ticket)), Arc::new(connection.rows(Kind::Limit)))
            }
            Engine::MySql | Engine::Postgres => {
                let pool = Pool::open(address, watch).map_err(|error| refused(error.to_string()))?;
                (Arc::new(pool.rows(Kind::Ticket)), Arc::new(pool.rows(Kind::Limit)))
            }
        };
        Ok(Self { tickets, limits, clock, watch: seen })
    }

    /// Deletes some of what is past its time, and looks at the clocks.
    pub(crate) async fn tend(&self) -> Result<(), StoreError> {
        for rows in [&self.tickets, &self.limits] {
            // Each in a commit of its own, so that nobody waits for long.
            for _ in 0..PURGES_AT_MOST {
                if rows.purge().await? == 0 {
                    break;
                }
            }
        }
        let skew = self.skew().await?;
        if skew.unsigned_abs() > u64::try_from(SKEW_ALLOWED.as_millis()).unwrap_or(u64::MAX) {
            tracing::warn!(
                milliseconds = skew,
                "the clock of the ticket store's server differs from ours: set both by NTP"
            );
        }
        Ok(())
    }

    /// By how many milliseconds the server's clock is ahead of ours, to half a round trip.
    pub(crate) async fn skew(&self) -> Result<i64, StoreError> {
        let before = self.clock.now().as_unix_millis();
        let there = self.tickets.clock().await?.as_unix_millis();
        let after = self.clock.now().as_unix_millis();
        Ok(there.saturating_sub(before.midpoint(after)))
    }
}

/// Tells once when the server goes, and once when it is back.
#[derive(Clone)]
pub(super) struct Watch {
    address: Arc<str>,
    is_away: Arc<AtomicBool>,
    /// Why there was no answer the last time.
    reason: Arc<Mutex<String>>,
}

impl Watch {
    fn new(address: &ServerAddress) -> Self {
        Self { address: address.to_string().into(), is_away: Arc::default(), reason: Arc::default() }
    }

    pub(super) fn answered(&self) {
        if self.is_away.load(Ordering::Relaxed) && self.is_away.swap(false, Ordering::Relaxed) {
            tracing::info!(store = %self.address, "the ticket store answers again");
        }
    }

    /// What a driver says has no bound value in it, so no key and no record.
    pub(super) fn failed(&self, error: &dyn std::error::Error) -> StoreError {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = error.to_string();
        if !self.is_away.swap(true, Ordering::Relaxed) {
            tracing::error!(store = %self.address, %error, "the ticket store does not answer: no code can be sent or validated");
        }
        StoreError::TicketStoreAway
    }
}
