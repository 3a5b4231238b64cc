//! The handle's half about tickets that are there: guesses, cancellations, and the server that may hold them.

use domain::clock::WallTime;
use domain::message::MessageId;
use domain::otp::{Guess, TicketKey, Verdict};

use crate::error::StoreError;
use crate::store::Store;

impl Store {
    /// Judges a user's guess. The counted attempt, or the success, is durable when this returns.
    ///
    /// # Errors
    /// [`StoreError`]; then no attempt was counted and nothing was consumed.
    pub async fn validate(&self, key: TicketKey, guess: Guess, now: WallTime) -> Result<Verdict, StoreError> {
        self.inner.tickets.validate(key, guess, now).await
    }

    /// Tells whether a code of the ticket can be entered, now or when it has arrived. Counts and changes nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn takes_guesses(&self, key: TicketKey, now: WallTime) -> Result<bool, StoreError> {
        self.inner.tickets.takes_guesses(key, now).await
    }

    /// Gives a live ticket up; answers its newest message, whose sending the dispatcher then drops.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn cancel(&self, key: TicketKey, now: WallTime) -> Result<Option<MessageId>, StoreError> {
        self.inner.tickets.cancel(key, now).await
    }

    /// By how many milliseconds the clock of the ticket store's server is ahead of ours; None when tickets are on this node.
    ///
    /// # Errors
    /// [`StoreError::TicketStoreAway`].
    pub async fn ticket_store_skew(&self) -> Result<Option<i64>, StoreError> {
        match &self.inner.server {
            Some(server) => server.skew().await.map(Some),
            None => Ok(None),
        }
    }
}
