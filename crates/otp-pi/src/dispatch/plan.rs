//! Modems that come and go while the dispatcher works: what waits is sorted anew, what is on air goes on.
//!
//! Places in the plan name modems only as long as the plan lasts; what outlives it is carried over by the modems' names.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use ::modem::Status;
use domain::route::Rotation;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tracing::info;

use super::worker::{Dispatcher, Watching};
use super::{NewPlan, Plan};
use crate::channel::modem::Context;

/// The place of a modem that is not in the plan any more. No list is so long.
pub(super) const NOWHERE: usize = usize::MAX;

impl Plan {
    /// The place of a modem; one that nothing has when it is gone.
    pub(super) fn place_of(&self, name: &str) -> usize {
        self.channels.iter().position(|channel| channel.modem.name() == name).unwrap_or(NOWHERE)
    }

    /// Every prefix of an enabled modem, the longest first.
    pub(super) fn prefixes(&self) -> Vec<String> {
        let enabled = self.table.modems.iter().filter(|modem| modem.is_enabled);
        let mut prefixes: Vec<String> = enabled.flat_map(|modem| modem.prefixes.clone()).collect();
        prefixes.sort_by(|one, other| (Reverse(one.len()), one).cmp(&(Reverse(other.len()), other)));
        prefixes.dedup();
        prefixes
    }

    /// One wait for each modem's next change of status.
    pub(super) fn watches(&self) -> FuturesUnordered<Watching> {
        self.channels.iter().map(|channel| watch_status(channel.modem.status())).collect()
    }
}

/// Waits for a change of a modem's status and answers the receiver, to wait again.
pub(super) fn watch_status(mut status: watch::Receiver<Status>) -> Watching {
    Box::pin(async move {
        if status.changed().await.is_err() {
            // The handle in our hands keeps the sender alive, so this cannot happen; it must not spin if it did.
            std::future::pending::<()>().await;
        }
        status
    })
}

impl Dispatcher {
    /// Works by other modems and rules from now on.
    pub(super) fn replan(&mut self, new: NewPlan) {
        let NewPlan { settings, delivery_reports, plan } = new;
        let old = std::mem::replace(&mut self.plan, Arc::new(plan));
        *self.shared_plan.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&self.plan);
        self.settings = settings;
        self.context = Arc::new(Context {
            store: self.context.store.clone(),
            clock: Arc::clone(&self.context.clock),
            delivery_reports,
            next_reference: Arc::clone(&self.context.next_reference),
        });
        let places: BTreeMap<usize, usize> = old
            .channels
            .iter()
            .enumerate()
            .map(|(place, channel)| (place, self.plan.place_of(channel.modem.name())))
            .filter(|(_, place)| *place != NOWHERE)
            .collect();
        self.health.rearrange(&places, self.plan.channels.len());
        self.judge.follow(self.settings.report_patience, |name| self.plan.place_of(name) != NOWHERE);
        (self.prefixes, self.watches, self.rotation) = (self.plan.prefixes(), self.plan.watches(), Rotation::default());
        let all = self.queue.take_all();
        let count = all.len();
        for (mut entry, until) in all {
            entry.excluded = entry.excluded.iter().filter_map(|place| places.get(place).copied()).collect();
            entry.excluded.sort_unstable();
            entry.needs.closed.clear();
            let key = self.group_of(&entry);
            match until {
                Some(until) => self.queue.rest(entry, key, until),
                None => self.queue.push(entry, key),
            }
        }
        info!(modems = self.plan.channels.len(), waiting = count, "the modems and their rules are set anew");
    }
}
