//! Codes that go between the parts of a long text (`channel::gap`), and whether anything waits for a modem.
//!
//! A part of the dispatcher's one task. It must never lend a modem to anything but a code that this modem may take.

use domain::message::Class;
use domain::route::{ModemView, Route};
use tokio::time::Instant;

use super::plan::NOWHERE;
use super::queue::GroupKey;
use super::worker::{Dispatcher, Done};
use crate::channel::gap::{Gap, MOST_CODES};
use crate::channel::modem::Way;
use crate::channel::sim::Seat;

impl Dispatcher {
    /// Settles an attempt that has ended; one that went in a gap gives the modem to the next code, or back to the text.
    pub(super) async fn came_down(&mut self, mut done: Done) {
        let gap = done.gap.take();
        self.settle(done).await;
        if let Some(gap) = gap {
            self.lend(gap);
        }
    }

    /// Lends a modem to the next code that it may take. Without one, or after enough of them, its text goes on.
    pub(super) fn lend(&mut self, mut gap: Gap) {
        let place = self.plan.place_of(&gap.modem);
        let may_lend = place != NOWHERE && gap.codes < MOST_CODES && !self.health.is_paused(Instant::now());
        let code = may_lend.then(|| self.next_for(place, |class| class == Class::Otp)).flatten();
        let seat = self
            .plan
            .channels
            .get(place)
            .map(|channel| (channel.modem.status(), Seat::of(channel, &self.plan.zone, &self.context.store)));
        match (code.and_then(|(key, why)| Some((self.queue.pop(&key)?, why))), seat) {
            (Some((entry, why)), Some((status, seat))) => {
                tracing::debug!(message.id = %entry.id, route.modem = place, "a code goes between two parts of a text");
                let way = Way { modem: self.name_of(place).to_owned(), why, seat };
                let turn = gap.turn();
                self.start(entry, way, (turn, status), Some(gap));
            }
            _ => {
                let more_waits = place != NOWHERE && self.next_for(place, |_| true).is_some();
                gap.close(more_waits);
            }
        }
    }

    /// The best group of these classes of which this modem would be given the next message, if it were free now, and why.
    pub(super) fn next_for(&mut self, place: usize, is_wanted: impl Fn(Class) -> bool) -> Option<(GroupKey, String)> {
        let heads = self.queue.heads();
        if heads.is_empty() {
            return None;
        }
        let mut healths = self.healths(true);
        let own = healths.get_mut(place)?;
        if *own == ModemView::Busy {
            *own = ModemView::Free;
        }
        heads.into_iter().find_map(|(priority, key)| {
            let head = self.queue.head_of(&priority).filter(|head| is_wanted(head.class))?;
            let views = self.see(&healths, head).views;
            let choice = Route::choose(&self.plan.table, &views, &head.msisdn, &mut self.rotation.clone());
            (choice.modem == Some(place)).then(|| (key, choice.reason.to_string()))
        })
    }
}
