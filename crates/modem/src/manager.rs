//! The second driver: a modem that ModemManager has, reached over the system bus, behind the same handle.
//!
//! For: modems without a line that speaks AT (QMI, MBIM), and machines on which ModemManager has to have the modem. ModemManager
//! makes and joins the PDUs, follows the network and talks to the device; this says what is to be sent, takes what came in, and
//! deletes both from ModemManager's memory. Never: an AT command; a PIN twice; a text or a number in a log.
//! Called by: [`crate::Actor::run`], where the settings name this driver.
//!
//! Map: `bus` calls and listens, `seen` reads how our modem is, `message` turns messages into PDUs and back, `refusal` judges errors,
//! `card` enters the PIN, `sending` sends one message, `serving` is what
//! is known while the bus is there.

mod bus;
mod card;
mod message;
mod properties;
mod refusal;
mod seen;
mod sending;
mod serving;

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::actor::backoff::Backoff;
use crate::actor::events::Events;
use crate::event::Handed;
use crate::handle::{Job, Work, not_sent};
use crate::question::AskError;
use crate::settings::Settings;
use crate::status::{LineFault, Phase, Status, Takes};
use crate::ussd::{UssdAct, UssdError};
use bus::{Bus, CallError};
use message::Kept;
use seen::{MODEM, Need, Seen};
use serving::Serving;

/// How long an answer may take that needs no modem.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long ModemManager may take to enable a modem, or to open its SIM.
const LONG_PATIENCE: Duration = Duration::from_secs(90);

/// How long ModemManager is left alone after it did not enable a modem.
const ENABLING_PAUSE: Duration = Duration::from_secs(2);

const PROPERTIES: (&str, &str) = ("org.freedesktop.DBus.Properties", "GetAll");
const SMS: &str = "org.freedesktop.ModemManager1.Sms";

/// What an actor of this driver owns.
pub(crate) struct Manager {
    pub(crate) settings: Settings,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) jobs: mpsc::Receiver<Job>,
    pub(crate) events: Events,
    pub(crate) taken: mpsc::Receiver<Handed>,
}

/// Why the bus is not served any more.
enum End {
    Stopped,
    Lost,
}

/// What is to be done next.
enum Next {
    Look,
    Job(Job),
    Taken(Handed),
    Nothing,
    Stop,
}

impl Manager {
    /// Serves one modem until `stop`, whatever becomes of the bus, of ModemManager and of the modem.
    ///
    /// After `stop` a message that was begun is finished first; how long to wait for that is the caller's.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let timeouts = self.settings.timeouts;
        let mut backoff = Backoff::new(&self.settings.name, timeouts.reopen_first, timeouts.reopen_longest);
        let mut is_told = false;
        while !stop.is_cancelled() {
            match self.connect(&stop).await {
                Some(Ok(bus)) => {
                    (is_told, backoff) =
                        (false, Backoff::new(&self.settings.name, timeouts.reopen_first, timeouts.reopen_longest));
                    let mut serving = Serving::new(bus, &self.settings.name);
                    if matches!(self.serve(&mut serving, &stop).await, End::Stopped) {
                        break;
                    }
                }
                Some(Err(error)) => {
                    if !is_told {
                        tracing::warn!(modem.name = %self.settings.name, error = %error, "the system bus cannot be reached");
                        is_told = true;
                    }
                }
                None => break,
            }
            self.closed("the system bus cannot be reached", Some(LineFault::Unusable));
            self.pause(backoff.next(), &stop).await;
        }
        self.status.send_modify(|status| {
            status.phase = Phase::Closed;
            (status.detail, status.line_fault) = (None, None);
        });
    }

    async fn connect(&self, stop: &CancellationToken) -> Option<Result<Bus, CallError>> {
        tokio::select! {
            () = stop.cancelled() => None,
            bus = tokio::time::timeout(PATIENCE, Bus::connect(self.settings.bus.as_deref())) => Some(bus.unwrap_or(Err(CallError::Late))),
        }
    }

    /// Waits before the next try; who asks meanwhile is answered at once.
    async fn pause(&mut self, pause: Duration, stop: &CancellationToken) {
        let until = Instant::now() + pause;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep_until(until) => return,
                Some(job) = self.jobs.recv() => drop(job),
                Some(_) = self.taken.recv() => {}
                () = self.events.flush() => {}
            }
        }
    }

    async fn serve(&mut self, serving: &mut Serving, stop: &CancellationToken) -> End {
        let mut look_at = Instant::now();
        loop {
            let Serving { bus, enable_at, .. } = &mut *serving;
            let is_due = tokio::time::sleep_until(enable_at.map_or(look_at, |at| at.min(look_at)));
            // Each branch is cancel-safe: a signal is noted or not, and receiving happens wholly or not at all.
            let next = tokio::select! {
                biased;
                () = stop.cancelled() => Next::Stop,
                () = bus.changed() => Next::Look,
                () = is_due => Next::Look,
                Some(handed) = self.taken.recv() => Next::Taken(handed),
                Some(job) = self.jobs.recv() => Next::Job(job),
                () = self.events.flush() => Next::Nothing,
            };
            match next {
                Next::Stop => return End::Stopped,
                Next::Look => {
                    if look_at <= Instant::now() {
                        look_at = Instant::now() + self.settings.poll_interval;
                        // What nobody took is offered again now and then.
                        serving.offered.clear();
                    }
                    if !serving.bus.look() {
                        return End::Lost;
                    }
                    tokio::select! {
                        () = stop.cancelled() => return End::Stopped,
                        () = self.look(serving) => {}
                    }
                }
                Next::Taken(handed) => serving.taken(&handed).await,
                Next::Job(job) => self.begin(serving, job).await,
                Next::Nothing => {}
            }
        }
    }

    /// Looks at everything, tells it, and does what the modem needs before it can send.
    async fn look(&mut self, serving: &mut Serving) {
        if serving.bus.has_restarted() {
            // However soon the modem is back: under the same paths there are other messages now.
            serving.gone();
            serving.bus.forget_restart();
        }
        let objects = match serving.objects().await {
            Ok(objects) => objects,
            Err(error) => {
                serving.gone();
                let name = &self.settings.name;
                tracing::debug!(modem.name = %name, error = %error, "ModemManager does not answer");
                self.closed("ModemManager does not run, or does not answer", Some(LineFault::Unusable));
                return;
            }
        };
        let Some(mut seen) = seen::find(&objects, &self.settings) else {
            serving.gone();
            self.closed("ModemManager has no such modem", Some(LineFault::Missing));
            return;
        };
        if serving.path.as_ref() != Some(&seen.path) {
            serving.gone();
            serving.path = Some(seen.path.clone());
            self.status.send_modify(|status| {
                // What was known is another modem's, or that of another life.
                status.phase = Phase::Starting;
                status.opened += 1;
            });
        }
        serving.read_card(&mut seen).await;
        if seen.is_unlocked {
            self.note_open(serving);
        }
        self.publish(&seen);
        if seen.need != Need::Enabling {
            serving.enable_at = None;
        }
        match seen.need {
            Need::Pin => self.open_card(serving, &seen).await,
            Need::Enabling => self.enable(serving, &seen.path).await,
            Need::Nothing => self.take_in(serving, &seen).await,
        }
    }

    /// Has the modem enabled. ModemManager refuses that right after the SIM was opened, so it is tried again.
    async fn enable(&self, serving: &mut Serving, path: &str) {
        if serving.enable_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        let enabled = serving.bus.call(path, (MODEM, "Enable"), &true, LONG_PATIENCE).await;
        if let Err(error) = &enabled
            && serving.enable_at.is_none()
        {
            tracing::warn!(modem.name = %self.settings.name, error = %error, "ModemManager did not enable the modem");
        }
        serving.enable_at = enabled.is_err().then(|| Instant::now() + ENABLING_PAUSE);
    }

    /// Takes in what ModemManager has of messages: reports and inbound ones are handed on, and what was sent is deleted.
    async fn take_in(&mut self, serving: &mut Serving, seen: &Seen) {
        serving.forget_all_but(&seen.messages);
        for path in &seen.messages {
            if serving.offered.contains(path) {
                continue;
            }
            let Ok(properties) = serving.properties(path, SMS).await else { continue };
            match message::read(&properties) {
                Kept::Report(report) => {
                    serving.offer(path, 1);
                    self.events.report(report, Some(serving.handed(path, 1)));
                }
                Kept::Inbound(parts) => {
                    serving.offer(path, parts.len());
                    for (part, number) in parts.into_iter().zip(1..) {
                        self.events.inbound(part, Some(serving.handed(path, number)), serving.card.clone());
                    }
                }
                Kept::Done => {
                    serving.offered.insert(path.clone());
                    serving.delete(path).await;
                }
                Kept::Unfinished => {}
                Kept::Foreign => drop(serving.offered.insert(path.clone())),
            }
        }
    }

    /// Answers a question, or sends a message.
    async fn begin(&mut self, serving: &mut Serving, job: Job) {
        let Job { work, claim } = job;
        match work {
            Work::Question { answer, .. } => {
                drop(claim);
                let detail = "ModemManager has it, which passes on no AT commands".to_owned();
                if answer.send(Err(AskError::NotOpen { detail })).is_err() {
                    tracing::debug!("a question was answered after its caller had gone");
                }
            }
            Work::Ussd { act, answer } => {
                drop(claim);
                let detail = "ModemManager has it, and dialogues with the network do not go through it".to_owned();
                let done = if matches!(act, UssdAct::Cancel) { Ok(None) } else { Err(UssdError::NotReady { detail }) };
                if answer.send(done).is_err() {
                    tracing::debug!("a ussd act was answered after its caller had gone");
                }
            }
            Work::Message { submission, mut reply } => {
                let phase = self.status.borrow().phase;
                let path = serving.path.clone().filter(|_| phase == Phase::Ready);
                let result = match &path {
                    Some(path) => sending::send(&mut serving.bus, &self.settings, path, submission, &mut reply).await,
                    None => (Err(not_sent("the modem is not ready")), None),
                };
                let (result, leftover) = result;
                // The modem is free before the caller knows, so that the caller's next turn is not refused.
                drop(claim);
                reply.finish(result);
                // One that has ended has lost it, and another message may have its path.
                if let Some(message) = leftover.filter(|_| !serving.bus.has_restarted()) {
                    serving.delete(&message).await;
                }
            }
        }
    }

    fn closed(&self, why: &str, fault: Option<LineFault>) {
        let was = self.status.borrow().phase;
        if was != Phase::Closed {
            tracing::warn!(modem.name = %self.settings.name, "the modem cannot be reached: {why}");
        }
        self.status.send_modify(|status| {
            status.phase = Phase::Closed;
            status.detail = Some(why.to_owned());
            status.line_fault = fault;
            (status.rssi, status.signal_dbm) = (None, None);
        });
    }

    fn publish(&self, seen: &Seen) {
        self.status.send_if_modified(|shown| {
            let status = Status {
                phase: seen.phase,
                detail: seen.detail.map(str::to_owned),
                identity: seen.identity.clone(),
                rssi: seen.signal.rssi,
                signal_dbm: seen.signal.dbm(),
                registration: seen.registration,
                operator: seen.operator.clone(),
                pin_tries_left: seen.pin_tries_left,
                line_fault: None,
                is_heard: true,
                takes: Takes::Whole,
                ..shown.clone()
            };
            // The PIN's fate is told by whoever enters it.
            if seen.need == Need::Pin && matches!(shown.phase, Phase::PinRefused | Phase::PinNeeded) {
                return false;
            }
            if shown.phase != status.phase {
                tracing::info!(modem.name = %self.settings.name, "the modem is now {:?}", status.phase);
            }
            let is_other = *shown != status;
            *shown = status;
            is_other
        });
    }
}
