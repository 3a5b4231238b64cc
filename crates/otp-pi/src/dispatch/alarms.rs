//! What is known about the modems' health, shared by those who learn of it and those who ask; and alarms, told once.
//!
//! The dispatcher learns from attempts, the task of reports from reports and from what the drivers do to heal a modem. An
//! alarm is an error in the log and a row of the audit record; single steps are counted by the driver and not told here.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::modem::{HealNews, HealStep};
use store::{AuditBy, AuditEvent, AuditKind, Store};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::deeds::{Deed, Deeds, Verdict, Why};
use super::queue::Entry;
use super::worker::Dispatcher;
use crate::channel::Outcome;

/// The judgement on all modems. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Judge(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    deeds: Deeds,
    /// Modems whose driver has given the alarm, and has not said since that they are well.
    alarmed: BTreeSet<String>,
}

impl Judge {
    pub(crate) fn new(patience: Option<Duration>) -> Self {
        Self(Arc::new(Mutex::new(State { deeds: Deeds::new(patience), alarmed: BTreeSet::new() })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the modem is drained, if it is.
    #[must_use]
    pub fn why_drained(&self, modem: &str) -> Option<Why> {
        self.lock().deeds.why(modem)
    }

    /// A person wants the modem to get no message. False when it was so already.
    pub(super) fn drain(&self, modem: &str) -> bool {
        self.lock().deeds.drain_by_hand(modem, Instant::now())
    }

    /// A person lets the modem back. Answers why it was drained.
    pub(super) fn resume(&self, modem: &str) -> Option<Why> {
        self.lock().deeds.resume(modem)
    }

    pub(super) fn follow(&self, patience: Option<Duration>, stays: impl Fn(&str) -> bool) {
        let mut state = self.lock();
        state.alarmed.retain(|name| stays(name));
        state.deeds.follow(patience, stays);
    }

    pub(super) fn begun(&self, modem: &str, now: Instant) {
        self.lock().deeds.begun(modem, now);
    }

    pub(super) fn is_spared(&self, modem: &str, now: Instant) -> bool {
        self.lock().deeds.is_spared(modem, now)
    }

    /// A report about a message of this modem came.
    pub(super) async fn reported(&self, store: &Store, modem: &str) {
        let verdicts = self.lock().deeds.reported(modem, Instant::now());
        for (name, verdict) in verdicts {
            tell(store, &name, verdict).await;
        }
    }

    /// A modem's driver did something to get it going again, or says that it goes.
    pub(super) async fn healed(&self, store: &Store, modem: &str, news: HealNews) {
        match news {
            HealNews::Step(HealStep::Alarm, trouble) => {
                if self.lock().alarmed.insert(modem.to_owned()) {
                    let why = trouble.words();
                    error!(modem.name = modem, "the modem needs a person: {why}, and nothing that was tried helped");
                    alarm(store, modem, why).await;
                } else {
                    debug!(modem.name = modem, "nothing has helped yet");
                }
            }
            HealNews::Step(step, trouble) => {
                if !self.lock().alarmed.contains(modem) {
                    warn!(modem.name = modem, "{}: {}", trouble.words(), step.word());
                }
            }
            HealNews::Well => {
                self.lock().alarmed.remove(modem);
                info!(modem.name = modem, "the modem does its work again");
            }
        }
    }
}

async fn tell(store: &Store, modem: &str, verdict: Verdict) {
    match verdict {
        Verdict::Drained(why) => {
            let why = why.words();
            error!(modem.name = modem, "the modem is drained, others take its messages where there are any: {why}");
            alarm(store, modem, why).await;
        }
        Verdict::Back => info!(modem.name = modem, "the modem has proved itself and gets messages again"),
    }
}

async fn alarm(store: &Store, modem: &str, why: &str) {
    let event = AuditEvent::new(AuditKind::ModemAlarm, &AuditBy::gateway("watch"), modem);
    if let Err(error) = store.audit(event.with("trouble", None, Some(why))).await {
        warn!(modem.name = modem, error = %error, "the alarm could not be recorded");
    }
}

impl Dispatcher {
    /// Judges a modem by how one of its attempts ended.
    pub(super) async fn judge_by(&mut self, modem: &str, entry: &Entry, outcome: Option<&Outcome>) {
        let deed = Deed::of(outcome);
        if deed == Deed::Nothing {
            return;
        }
        let receiver = self.expects_report(modem).then_some(entry.msisdn);
        let verdict = self.judge.lock().deeds.ended(modem, deed, receiver, Instant::now());
        if let Some(verdict) = verdict {
            tell(&self.context.store, modem, verdict).await;
        }
    }

    /// Tells whether a report would reach us through this modem: it was asked for, and the modem took the order to hand it on.
    fn expects_report(&self, modem: &str) -> bool {
        let channel = self.plan.channels.get(self.plan.place_of(modem));
        let routing = channel.and_then(|channel| channel.modem.status().borrow().message_routing);
        self.context.delivery_reports && routing.is_some_and(hands_reports_on)
    }

    /// Tells whether the modem may be given a message: with `spares`, a drained one only when its probe is due.
    pub(super) fn may_be_given(&self, modem: &str, spares: bool, now: Instant) -> bool {
        match spares {
            true => !self.judge.is_spared(modem, now),
            false => self.judge.why_drained(modem) != Some(Why::ByHand),
        }
    }
}

/// Reads `<ds>` of the parameters of `AT+CNMI` (3GPP TS 27.005 §3.4.1).
fn hands_reports_on(parameters: &str) -> bool {
    parameters.split(',').nth(3).is_some_and(|ds| ds != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_expected_only_where_they_are_routed_here() {
        for (parameters, expected) in
            [("2,1,2,1,0", true), ("1,1,0,2,0", true), ("2,1,2,0,0", false), ("2,1", false), ("", false)]
        {
            assert_eq!(hands_reports_on(parameters), expected, "{parameters}");
        }
    }
}
