//! What the route is asked with: how the modems are for one message, their health and what their SIMs may send.
//!
//! The dispatcher's alone. It must never let a message that waits for a SIM hold up another that does not.

use ::modem::{Phase, Status};
use domain::clock::WallTime;
use domain::quota::{Allowance, Spent};
use domain::receiver::Msisdn;
use domain::route::{Decision, ModemView, Reason, Rotation, Route};
use tokio::sync::watch;
use tokio::time::Instant;

use super::queue::{GroupKey, Head};
use super::worker::Dispatcher;
use crate::channel::ChannelHandle;
use crate::channel::modem::Way;
use crate::channel::sim::Seat;

/// How the modems are, whatever their SIMs may send.
pub(super) struct Healths {
    /// With drained ones shown as not ready.
    pub(super) spared: Vec<ModemView>,
    /// With drained ones shown as they are, unless a person drained them.
    pub(super) all: Vec<ModemView>,
}

impl Healths {
    pub(super) fn of(dispatcher: &Dispatcher) -> Self {
        Self { spared: dispatcher.healths(true), all: dispatcher.healths(false) }
    }

    /// Shows a modem that is busy as free.
    pub(super) fn set_free(&mut self, place: usize) {
        for views in [&mut self.spared, &mut self.all] {
            views
                .get_mut(place)
                .into_iter()
                .filter(|view| **view == ModemView::Busy)
                .for_each(|view| *view = ModemView::Free);
        }
    }
}

/// How the modems are for one message.
pub(super) struct Seen {
    pub(super) views: Vec<ModemView>,
    /// When the first of those without quota or pace has some again.
    pub(super) until: Option<WallTime>,
    /// Those that may write to others, and not to its receiver.
    pub(super) closed: Vec<usize>,
}

impl Dispatcher {
    /// How the modems are, whatever their SIMs may send; with `spares`, drained ones count as not ready.
    pub(super) fn healths(&self, spares: bool) -> Vec<ModemView> {
        let now = Instant::now();
        let view = |(place, channel): (usize, &ChannelHandle)| {
            let status = channel.modem.status();
            let status = status.borrow();
            let is_fit = status.phase == Phase::Ready
                && !self.health.is_aside(place, now)
                && self.may_be_given(channel.modem.name(), spares, now);
            match is_fit {
                true if status.is_taken() => ModemView::Busy,
                true => ModemView::Free,
                false => ModemView::NotReady,
            }
        };
        self.plan.channels.iter().enumerate().map(view).collect()
    }

    /// Asks the route for a message that is first of its group.
    pub(super) fn ask_route(&self, healths: &Healths, head: &Head<'_>, rotation: &mut Rotation) -> (Seen, Decision) {
        let choose = |seen: Seen, rotation: &mut Rotation| {
            let decision = Route::choose(&self.plan.table, &seen.views, head.msisdn, rotation);
            (seen, decision)
        };
        let (seen, decision) = choose(self.see(&healths.spared, head), rotation);
        if decision.reason == Reason::NoneUsable && head.excluded.is_empty() && healths.all != healths.spared {
            // Better one that is drained than none.
            return choose(self.see(&healths.all, head), rotation);
        }
        (seen, decision)
    }

    /// The way by a modem, and what that is doing.
    pub(super) fn way_to(&self, place: usize, why: &Reason) -> Option<(Way, watch::Receiver<Status>)> {
        let channel = self.plan.channels.get(place)?;
        let seat = Seat::of(channel, &self.plan.zone, &self.context.store);
        let way = Way { modem: channel.modem.name().to_owned(), why: why.to_string(), seat };
        Some((way, channel.modem.status()))
    }

    /// How the modems are for one message.
    pub(super) fn see(&self, healths: &[ModemView], head: &Head<'_>) -> Seen {
        let parts = u32::from(head.needs.more_parts).saturating_add(1);
        self.see_for(healths, head.msisdn, parts, head.excluded)
    }

    pub(super) fn see_for(&self, healths: &[ModemView], msisdn: &Msisdn, parts: u32, excluded: &[usize]) -> Seen {
        let (store, now) = (&self.context.store, self.context.clock.now());
        let mut seen = Seen { views: healths.to_vec(), until: None, closed: Vec::new() };
        for ((place, channel), view) in self.plan.channels.iter().enumerate().zip(&mut seen.views) {
            if excluded.contains(&place) {
                *view = ModemView::Refused;
            }
            if !matches!(view, ModemView::Free | ModemView::Busy) || !channel.sim_plan.quota.is_limited() {
                continue;
            }
            match Seat::of(channel, &self.plan.zone, store).allows(store, now, msisdn, parts) {
                Allowance::Free => {}
                Allowance::Paced { until } => {
                    *view = ModemView::Busy;
                    seen.until = seen.until.into_iter().chain([until]).min();
                }
                Allowance::Spent { quota, until } => {
                    *view = ModemView::NoQuota;
                    seen.until = seen.until.into_iter().chain([until]).min();
                    seen.closed.extend((quota == Spent::Receivers).then_some(place));
                }
            }
        }
        seen
    }

    /// Tells whether a modem outside `excluded` could take the number, now or as soon as it is free.
    pub(super) fn has_way(&self, msisdn: &Msisdn, excluded: &[usize]) -> bool {
        let mut views = self.see_for(&self.healths(true), msisdn, 1, excluded).views;
        views.iter_mut().filter(|view| **view == ModemView::Busy).for_each(|view| *view = ModemView::Free);
        Route::choose(&self.plan.table, &views, msisdn, &mut self.rotation.clone()).modem.is_some()
    }

    /// Lets the first of a group wait by itself: others may be written to where it may not.
    pub(super) fn set_apart(&mut self, key: &GroupKey, closed: Vec<usize>) {
        if let Some(mut entry) = self.queue.pop(key) {
            entry.needs.closed = closed;
            let key = self.group_of(&entry);
            self.queue.push(entry, key);
        }
    }
}
