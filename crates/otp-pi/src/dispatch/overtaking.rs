//! Codes that go between the parts of a long text (`channel::gap`), and whether anything waits for a modem.
//!
//! A part of the dispatcher's one task. It must never lend a modem to anything but a code that this modem may take.

use domain::message::Class;
use domain::route::Reason;
use tokio::time::Instant;
use tracing::debug;

use super::choice::Healths;
use super::plan::NOWHERE;
use super::queue::{GroupKey, Priority};
use super::worker::{Dispatcher, Done};
use crate::channel::gap::{Gap, MOST_CODES};

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
        let next = code.and_then(|(key, why)| {
            let way = self.way_to(place, &why)?;
            Some((self.queue.pop(&key)?, way))
        });
        if let Some((entry, way)) = next {
            debug!(message.id = %entry.id, route.reason = way.0.why, route.modem = place, "a code goes between two parts of a text");
            let turn = gap.turn();
            self.start(entry, way, turn, Some(gap));
        } else {
            let more_waits = place != NOWHERE && self.next_for(place, |_| true).is_some();
            gap.close(more_waits);
        }
    }

    /// The best group of these classes of which this modem would be given the next message if it were free now, and why it would.
    pub(super) fn next_for(&mut self, place: usize, is_wanted: impl Fn(Class) -> bool) -> Option<(GroupKey, Reason)> {
        let mut heads = self.queue.heads();
        if heads.is_empty() {
            return None;
        }
        let mut healths = Healths::of(self);
        healths.set_free(place);
        loop {
            match self.look_for(place, &healths, heads, &is_wanted)? {
                Look::Goes(key, why) => return Some((key, why)),
                // The one behind it may go.
                Look::IsClosed(key, closed) => self.set_apart(&key, closed),
            }
            heads = self.queue.heads();
        }
    }

    fn look_for(
        &self,
        place: usize,
        healths: &Healths,
        heads: Vec<(Priority, GroupKey)>,
        is_wanted: impl Fn(Class) -> bool,
    ) -> Option<Look> {
        heads.into_iter().find_map(|(priority, key)| {
            let head = self.queue.head_of(&priority).filter(|head| is_wanted(head.class))?;
            let (seen, decision) = self.ask_route(healths, &head, &mut self.rotation.clone());
            match decision.modem {
                Some(modem) => (modem == place).then_some(Look::Goes(key, decision.reason)),
                None => (seen.closed != key.2.closed).then_some(Look::IsClosed(key, seen.closed)),
            }
        })
    }
}

/// What was found first in the queue for one modem.
enum Look {
    /// The first of this group goes by it, for this reason.
    Goes(GroupKey, Reason),
    /// The first of this group may be written to by other SIMs alone, than was known.
    IsClosed(GroupKey, Vec<usize>),
}
