//! The link to the network, kept open between messages that follow each other at once (`AT+CMMS`, 3GPP TS 27.005 §3.5.6).
//!
//! Setting the link up takes a 2G radio longer than a short message itself, so it is worth being paid once. Asked for before the first
//! message of several, and given up when no more follow: while it is held, the radio is on and nobody can call. It costs two short
//! answers of the modem and no time on the radio. A modem that refuses it is not asked again as long as its line is open.
//! Called by the session around each message.

use std::time::{Duration, Instant};

use super::step::Step;
use super::{Outcome, Session};

/// How long the link may wait for a message that was said to follow. The modem itself closes an idle link after one to five seconds and
/// stays in the mode; one that is left in it would hold the link after every single message.
const WAIT: Duration = Duration::from_secs(5);

/// What the modem was told of its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Link {
    /// Nothing: it closes it after each message.
    #[default]
    Single,
    /// To keep it open. Told otherwise when no message has come by then.
    Kept { until: Instant },
    /// It cannot.
    Refused,
}

impl Session {
    /// Asks for the link to be kept open, if more messages follow and that is not done yet; true when something was asked.
    pub(super) fn asks_for_link(&mut self, more_follow: bool, now: Instant) -> bool {
        let asks = more_follow && self.link == Link::Single && self.profile.keeps_link_open;
        if asks {
            self.ask(Step::KeepLink, now);
        }
        asks
    }

    /// Notes that a message has come down, and whether another follows.
    pub(super) fn note_link_use(&mut self, more_follow: bool, now: Instant) {
        if let Link::Kept { until } = &mut self.link {
            *until = if more_follow { now + WAIT } else { now };
        }
    }

    /// Gives the link up if nothing follows; true when something was asked.
    pub(super) fn gives_link_up(&mut self, now: Instant) -> bool {
        let gives_up = self.link_due().is_some_and(|due| due <= now);
        if gives_up {
            self.ask(Step::ReleaseLink, now);
        }
        gives_up
    }

    /// When the link is to be given up.
    pub(super) fn link_due(&self) -> Option<Instant> {
        match self.link {
            Link::Kept { until } => Some(until),
            Link::Single | Link::Refused => None,
        }
    }

    pub(super) fn keep_link_answered(&mut self, outcome: Outcome, now: Instant) {
        self.link = if outcome.is_ok() { Link::Kept { until: now + WAIT } } else { Link::Refused };
    }

    pub(super) fn release_link_answered(&mut self, outcome: Outcome) {
        // One that did not take it back is not trusted with it again.
        self.link = if outcome.is_ok() { Link::Single } else { Link::Refused };
    }

    /// A modem that has restarted has forgotten it.
    pub(super) fn forget_link(&mut self) {
        if self.link != Link::Refused {
            self.link = Link::Single;
        }
    }
}
