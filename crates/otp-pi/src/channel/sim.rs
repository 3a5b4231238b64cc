//! The SIM behind a channel: what it may send, what it has sent, and what is counted for a message.
//!
//! Asked by the dispatcher for each message that is first in line, by `modem` at the begin of an attempt, and by whoever shows it to
//! people. It decides nothing: `domain::quota` does.

use ::modem::Status;
use domain::clock::WallTime;
use domain::quota::{Allowance, Ask, Periods, Quota, SimPlan, SimUse};
use domain::receiver::Msisdn;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use store::{Sim, SimCharge, SimKey, Store};

use super::ChannelHandle;

/// One SIM, at the place where it is asked about.
#[derive(Clone, Debug)]
pub struct Seat {
    key: SimKey,
    plan: SimPlan,
    zone: TimeZone,
}

impl Seat {
    /// The SIM that is in the channel's modem now, counted under the clock of that zone.
    #[must_use]
    pub fn of(channel: &ChannelHandle, zone: &TimeZone, store: &Store) -> Self {
        Self::of_status(channel, &channel.modem.status().borrow(), zone, store)
    }

    /// The same, for who looks at the status already.
    #[must_use]
    pub fn of_status(channel: &ChannelHandle, status: &Status, zone: &TimeZone, store: &Store) -> Self {
        let sim = match status.identity.iccid.as_deref() {
            Some(iccid) => Sim::Iccid(iccid),
            None => Sim::Modem(channel.modem.name()),
        };
        Self { key: store.sim_key(sim), plan: channel.sim_plan.clone(), zone: zone.clone() }
    }

    /// The key of what it has sent.
    #[must_use]
    pub fn key(&self) -> SimKey {
        self.key
    }

    /// What it may send.
    #[must_use]
    pub fn quota(&self) -> &Quota {
        &self.plan.quota
    }

    /// The day and the month of counting.
    #[must_use]
    pub fn periods(&self, now: WallTime) -> Periods {
        self.plan.quota.resets.periods(now, offset_seconds(&self.zone, now))
    }

    /// Looks at what it has sent.
    pub fn look<T>(&self, store: &Store, now: WallTime, see: impl FnOnce(&SimUse, &Periods) -> T) -> T {
        let periods = self.periods(now);
        store.look_at_sim(self.key, None, &periods, |sim, _| see(sim, &periods))
    }

    /// Tells whether it may send so many parts to that number.
    #[must_use]
    pub fn allows(&self, store: &Store, now: WallTime, msisdn: &Msisdn, parts: u32) -> Allowance {
        let quota = &self.plan.quota;
        if !quota.is_limited() {
            return Allowance::Free;
        }
        let periods = self.periods(now);
        let tag = quota.receivers.is_some().then(|| store.receiver_tag(msisdn));
        store.look_at_sim(self.key, tag, &periods, |sim, is_known| sim.allows(quota, Ask { parts, is_known }, &periods))
    }

    /// What is counted for a message of so many parts to that number.
    #[must_use]
    pub fn charge(&self, store: &Store, now: WallTime, msisdn: &Msisdn, parts: u32) -> SimCharge {
        SimCharge {
            sim: self.key,
            periods: self.periods(now),
            parts,
            price: self.plan.tariff.price(msisdn),
            is_paced: self.plan.quota.per_minute.is_some(),
            receiver: self.plan.quota.receivers.is_some().then(|| store.receiver_tag(msisdn)),
        }
    }
}

/// How far the clock on the wall is ahead of UTC at that time.
fn offset_seconds(zone: &TimeZone, at: WallTime) -> i32 {
    // Beyond the years 0 to 9999 there are no zones; a clock that shows them is wrong by more than a few hours.
    let time = Timestamp::from_millisecond(at.as_unix_millis()).unwrap_or_default();
    zone.to_offset(time).seconds()
}
