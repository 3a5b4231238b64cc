//! The radio and the phones behind it: takes PDUs out of modems, answers delivery reports and carries SMS between modems.
//!
//! It never waits and never starts a task: what happens later is handed to the modem it concerns together with its
//! time. Called by every [`crate::Modem`] of the network and by tests that look at what was transmitted.

mod reports;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

use crate::duration::ScriptDuration;
use crate::tpdu::{self, Address, Deliver, StatusReport, Submit};
use crate::transmission::Transmission;

/// Transmissions remembered at most; the oldest go first.
const REMEMBERED: usize = 200_000;
/// Messages that wait for one modem at most; further ones are lost, as in an overloaded network.
const WAITING: usize = 10_000;

/// Latencies, chance and receivers of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkSettings {
    /// From the whole PDU to its final result; a PDU counts as transmitted at the end of it.
    pub air_time: Duration,
    /// Setting up the link to the network, paid before the air time of each PDU unless the link is still open (`AT+CMMS`).
    pub link_setup: Duration,
    /// How long a link that is kept open waits for the next PDU.
    pub link_hold: Duration,
    /// From transmission to the delivery report.
    pub report_delay: Duration,
    /// Seed of everything that happens by chance.
    pub seed: u64,
    /// Receivers that do not simply get their SMS; the first that matches counts.
    pub receivers: Vec<ReceiverRule>,
    /// Wall time of the network when it is made, milliseconds since the Unix epoch.
    pub starts_at_millis: i64,
    /// Time zone of the network in quarters of an hour.
    pub zone_quarters: i8,
}

impl Default for NetworkSettings {
    /// No latency, every receiver reachable, 2026-11-21 00:00 at +07:00.
    fn default() -> Self {
        Self {
            air_time: Duration::ZERO,
            link_setup: Duration::ZERO,
            link_hold: Duration::from_secs(3),
            report_delay: Duration::ZERO,
            seed: 0,
            receivers: Vec::new(),
            starts_at_millis: 1_795_194_000_000,
            zone_quarters: 28,
        }
    }
}

/// How the network treats some receivers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiverRule {
    /// Digits without `+`: exact, `prefix*`, `*suffix` or `*`.
    pub number: String,
    /// What happens to SMS for them.
    pub treatment: Treatment,
}

impl ReceiverRule {
    /// Makes a rule.
    #[must_use]
    pub fn new(number: impl Into<String>, treatment: Treatment) -> Self {
        Self { number: number.into(), treatment }
    }

    fn is_for(&self, digits: &str) -> bool {
        match (self.number.strip_prefix('*'), self.number.strip_suffix('*')) {
            (Some(suffix), _) => digits.ends_with(suffix),
            (_, Some(prefix)) => digits.starts_with(prefix),
            _ => digits == self.number,
        }
    }
}

/// What happens to an SMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Treatment {
    /// Arrives; reported as TP-ST 0.
    Deliver,
    /// Does not arrive; reported with this TP-ST (64–127 are final failures).
    Fail(u8),
    /// Arrives after this much more time; a report "still trying" (TP-ST 0x30) comes first.
    Slow(ScriptDuration),
    /// Takes this much more air time before the final result.
    SlowAir(ScriptDuration),
    /// Arrives, but no report ever comes.
    NeverReport,
    /// Arrives at once; its report comes this much later.
    LateReport(ScriptDuration),
    /// Arrives; the same report comes twice.
    ReportTwice,
    /// Arrives; its report comes before the final result of the submission.
    EarlyReport,
    /// Arrives; its report comes after a time of chance, at most this long: those of many come in any order.
    ScatteredReport(ScriptDuration),
    /// Arrives; the report "still trying" comes this much later than the one that says so.
    PendingLast(ScriptDuration),
    /// Arrives; the report names this receiver (digits) instead.
    ReportFor(u64),
    /// The network refuses the submission: `+CMS ERROR: n`, not transmitted.
    Refuse(u16),
}

/// What the network will do with a PDU: known before it is transmitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Passage {
    pub(crate) air_time: Duration,
    pub(crate) refused: Option<u16>,
    treatment: Treatment,
}

/// A PDU at the moment it has gone through the air.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent<'a> {
    pub(crate) modem: &'a str,
    pub(crate) msisdn: &'a str,
    /// As the modem was given it, SMSC address included.
    pub(crate) pdu: &'a [u8],
    pub(crate) submit: &'a Submit,
    pub(crate) message_reference: u8,
    /// Link and air.
    pub(crate) radio_time: Duration,
    /// The modem will say that it was not sent.
    pub(crate) is_denied: bool,
}

/// What reaches a modem from outside.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Arrival {
    Message(Deliver),
    /// The TPDU of a message, whatever it says.
    Raw(Vec<u8>),
    Report(StatusReport),
}

/// Arrivals of one modem with their times.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    waiting: Mutex<VecDeque<(Instant, Arrival)>>,
    pub(crate) changed: Notify,
}

impl Inbox {
    pub(crate) fn push(&self, due: Instant, arrival: Arrival) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= WAITING {
            tracing::warn!("a message for an emulated modem was dropped: too many are waiting");
            return;
        }
        waiting.push_back((due, arrival));
        drop(waiting);
        self.changed.notify_one();
    }

    pub(crate) fn take(&self) -> VecDeque<(Instant, Arrival)> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The radio network; clones are the same network.
#[derive(Clone)]
pub struct Network {
    shared: Arc<Shared>,
}

struct Shared {
    settings: NetworkSettings,
    origin: Instant,
    state: Mutex<State>,
    happened: broadcast::Sender<Transmission>,
}

#[derive(Default)]
struct State {
    sequence: u64,
    reference: u8,
    remembered: VecDeque<Transmission>,
    inboxes: HashMap<String, (String, Arc<Inbox>)>,
    sink: Option<Box<dyn Write + Send>>,
}

impl fmt::Debug for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Network").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

impl Network {
    /// Makes a network without modems.
    #[must_use]
    pub fn new(settings: NetworkSettings) -> Self {
        let (happened, _) = broadcast::channel(4096);
        let shared = Shared { settings, origin: Instant::now(), state: Mutex::default(), happened };
        Self { shared: Arc::new(shared) }
    }

    /// Writes every transmission as one JSON line to `sink`, one `write` each, before its modem answers.
    pub fn write_transmissions_to(&self, sink: impl Write + Send + 'static) {
        self.state().sink = Some(Box::new(sink));
    }

    /// Follows transmissions from now on; a follower that lags by more than 4096 is told so.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Transmission> {
        self.shared.happened.subscribe()
    }

    /// Returns the transmissions so far, oldest first.
    #[must_use]
    pub fn transmissions(&self) -> Vec<Transmission> {
        self.state().remembered.iter().cloned().collect()
    }

    /// Returns how many PDUs were transmitted so far.
    #[must_use]
    pub fn transmission_count(&self) -> u64 {
        self.state().sequence
    }

    /// Waits until a transmission, past or to come, is the wanted one; `None` when `within` has passed.
    pub async fn wait_for(&self, wanted: impl Fn(&Transmission) -> bool, within: Duration) -> Option<Transmission> {
        let deadline = Instant::now() + within;
        let mut news = self.subscribe();
        loop {
            // After a lag: what was missed is remembered.
            if let Some(found) = self.state().remembered.iter().find(|sent| wanted(sent)) {
                return Some(found.clone());
            }
            loop {
                match tokio::time::timeout_at(deadline, news.recv()).await {
                    Ok(Ok(sent)) if wanted(&sent) => return Some(sent),
                    Ok(Ok(_)) => {}
                    Ok(Err(broadcast::error::RecvError::Lagged(_))) => break,
                    Ok(Err(broadcast::error::RecvError::Closed)) | Err(_) => return None,
                }
            }
        }
    }

    /// Waits until that many PDUs were transmitted; `false` when `within` has passed.
    pub async fn wait_for_count(&self, count: u64, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let mut news = self.subscribe();
        while self.transmission_count() < count {
            if tokio::time::timeout_at(deadline, news.recv()).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Sends a text from a phone (`+628…`, a short code or a name) to the modem with this name; `false` if there is none.
    pub fn deliver(&self, modem: &str, from: &str, text: &str) -> bool {
        self.deliver_at(modem, from, text, Instant::now())
    }

    pub(crate) fn deliver_at(&self, modem: &str, from: &str, text: &str, now: Instant) -> bool {
        let mut state = self.state();
        state.reference = state.reference.wrapping_add(1);
        let reference = state.reference;
        let Some((_, inbox)) = state.inboxes.get(modem).cloned() else { return false };
        drop(state);
        for sms in Deliver::from_text(&Address::from_text(from), text, self.timestamp(now), reference) {
            inbox.push(now, Arrival::Message(sms));
        }
        true
    }

    /// Gives the modem with this name a message as it stands: the octets of its TPDU, sound or not; `false` if there is no such
    /// modem.
    pub fn deliver_tpdu(&self, modem: &str, tpdu: &[u8]) -> bool {
        let Some((_, inbox)) = self.state().inboxes.get(modem).cloned() else { return false };
        inbox.push(Instant::now(), Arrival::Raw(tpdu.to_vec()));
        true
    }

    pub(crate) fn settings(&self) -> &NetworkSettings {
        &self.shared.settings
    }

    pub(crate) fn register(&self, name: &str, msisdn: &str) -> Option<Arc<Inbox>> {
        let mut state = self.state();
        if state.inboxes.contains_key(name) {
            return None;
        }
        let inbox = Arc::new(Inbox::default());
        state.inboxes.insert(name.to_owned(), (msisdn.to_owned(), Arc::clone(&inbox)));
        Some(inbox)
    }

    pub(crate) fn deregister(&self, name: &str) {
        self.state().inboxes.remove(name);
    }

    /// When the network was made.
    #[cfg(test)]
    pub(crate) fn origin(&self) -> Instant {
        self.shared.origin
    }

    /// Milliseconds since the network was made.
    pub(crate) fn elapsed_millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.shared.origin).as_millis()).unwrap_or(u64::MAX)
    }

    /// Network time, milliseconds since the Unix epoch.
    pub(crate) fn wall_millis(&self, now: Instant) -> i64 {
        self.shared.settings.starts_at_millis.saturating_add_unsigned(self.elapsed_millis(now))
    }

    pub(crate) fn timestamp(&self, now: Instant) -> [u8; 7] {
        tpdu::timestamp(self.wall_millis(now), self.shared.settings.zone_quarters)
    }

    /// Looks up what will happen to a PDU for this receiver.
    pub(crate) fn passage(&self, receiver: &str) -> Passage {
        let rules = &self.shared.settings.receivers;
        let treatment =
            rules.iter().find(|rule| rule.is_for(receiver)).map_or(Treatment::Deliver, |rule| rule.treatment);
        let more = if let Treatment::SlowAir(more) = treatment { more.0 } else { Duration::ZERO };
        let refused = if let Treatment::Refuse(code) = treatment { Some(code) } else { None };
        Passage { air_time: self.shared.settings.air_time + more, refused, treatment }
    }

    /// Takes a PDU out of the air: it is remembered, written and published before this returns.
    pub(crate) fn transmit(&self, sent: Sent<'_>, passage: Passage, now: Instant) {
        let Sent { modem, msisdn, pdu, submit, message_reference, radio_time, is_denied } = sent;
        let (concat_reference, part) = match submit.concat {
            Some((reference, total, number)) => (Some(reference), (number, total)),
            None => (None, (1, 1)),
        };
        let mut state = self.state();
        state.sequence += 1;
        let transmission = Transmission {
            modem: modem.to_owned(),
            sequence: state.sequence,
            receiver: submit.destination.text.clone(),
            text: submit.text.clone(),
            pdu_hex: tpdu::to_hex(pdu),
            message_reference,
            concat_reference,
            part,
            report_requested: submit.report_requested,
            at_millis: self.wall_millis(now),
            radio_millis: u64::try_from(radio_time.as_millis()).unwrap_or(u64::MAX),
            is_denied,
        };
        let sequence = state.sequence;
        if let Some(sink) = &mut state.sink {
            let mut line = serde_json::to_vec(&transmission).unwrap_or_default();
            line.push(b'\n');
            if let Err(error) = sink.write_all(&line) {
                tracing::error!(%error, "a transmission could not be written; the record is incomplete");
            }
        }
        state.remembered.push_back(transmission.clone());
        if state.remembered.len() > REMEMBERED {
            state.remembered.pop_front();
        }
        let sender = state.inboxes.get(modem).map(|(_, inbox)| Arc::clone(inbox));
        let receiver = state.inboxes.values().find(|(own, _)| *own == submit.destination.text);
        let receiver = receiver.map(|(_, inbox)| Arc::clone(inbox));
        drop(state);
        // Nobody following is fine.
        drop(self.shared.happened.send(transmission));
        if let Some(inbox) = receiver
            && !matches!(passage.treatment, Treatment::Fail(_))
        {
            let from = Address { kind: 0x91, text: msisdn.to_owned() };
            inbox.push(now, Arrival::Message(Deliver::from_submit(&from, submit, self.timestamp(now))));
        }
        if let (Some(inbox), true) = (sender, submit.report_requested) {
            self.report(&inbox, submit, (message_reference, sequence), passage.treatment, now);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
