//! The handle's part about SIMs.

use domain::quota::{Periods, SimUse};
use domain::receiver::Msisdn;

use super::{Charged, ReceiverTag, Sim, SimCharge, SimKey};
use crate::error::StoreError;
use crate::store::Store;
use crate::writer::job::{Job, SimJob};

impl Store {
    /// The key of a SIM.
    #[must_use]
    pub fn sim_key(&self, sim: Sim<'_>) -> SimKey {
        SimKey(match sim {
            Sim::Iccid(iccid) => self.lookup_key().hash(&[b"sim-v1", b"iccid", iccid.as_bytes()]),
            Sim::Modem(name) => self.lookup_key().hash(&[b"sim-v1", b"modem", name.as_bytes()]),
        })
    }

    /// A receiver as the list of a SIM's receivers has it.
    #[must_use]
    pub fn receiver_tag(&self, msisdn: &Msisdn) -> ReceiverTag {
        let hash = self.lookup_key().hash(&[b"sim-receiver-v1", msisdn.expose().as_bytes()]);
        ReceiverTag(hash.first_chunk().copied().unwrap_or_default())
    }

    /// Looks at what a SIM has sent, and whether that receiver is among those of this month. Waits for nothing.
    pub fn look_at_sim<T>(
        &self,
        sim: SimKey,
        receiver: Option<ReceiverTag>,
        periods: &Periods,
        see: impl FnOnce(&SimUse, bool) -> T,
    ) -> T {
        self.inner.sims.look(sim, receiver, periods, see)
    }

    /// Counts what is about to be sent past the queue; durable when it returns.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is counted then.
    pub async fn charge_sim(&self, charge: SimCharge) -> Result<Option<Charged>, StoreError> {
        self.inner.mailbox.ask(|answer| Job::Sim { step: SimJob::Charge(charge), answer }).await
    }

    /// Gives back what was counted and not sent.
    ///
    /// # Errors
    /// [`StoreError`]; it stays counted then.
    pub async fn give_sim_back(&self, charged: Charged) -> Result<(), StoreError> {
        self.inner.mailbox.ask(|answer| Job::Sim { step: SimJob::GiveBack(charged), answer }).await.map(drop)
    }

    /// Forgets what a SIM has sent, this month and before.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn reset_sim(&self, sim: SimKey) -> Result<(), StoreError> {
        self.inner.mailbox.ask(|answer| Job::Sim { step: SimJob::Reset(sim), answer }).await.map(drop)
    }
}
