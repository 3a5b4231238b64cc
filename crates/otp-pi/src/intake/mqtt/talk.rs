//! The conversation over one connection.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::kept::Kept;
use super::line::{Reader, Writer};
use super::packet::{Incoming, Letter, Message, Outgoing, Welcome};
use super::{KEEP_ALIVE, SUBSCRIBING, refused};
use crate::intake::IntakeError;
use crate::intake::door::{Answer, Destination, Door, Taken};
use crate::intake::settings::{Mqtt, Settings};

/// Most answers without a PUBACK, whatever the broker allows.
const MOST_FLYING: u16 = 1000;

/// Most octets that wait to be written before nothing more is taken.
const MOST_UNWRITTEN: usize = 1024 * 1024;

/// How long what was taken is waited for when the connection is lost, so that it is known when the broker brings it again.
const LAST_THINGS: Duration = Duration::from_secs(4);

pub(super) struct Talk<'a> {
    settings: &'a Settings,
    broker: &'a Mqtt,
    door: &'a Door,
    kept: &'a mut Kept,
    reader: Reader,
    writer: Writer,
    work: FuturesUnordered<BoxFuture<'a, Finished>>,
    /// Most answers without a PUBACK, and their quality.
    most_flying: usize,
    answer_qos: u8,
    /// What the broker owes us, and until when.
    owed: Option<(Instant, &'static str)>,
    ping_every: Duration,
    next_ping: Instant,
    is_ending: bool,
    has_warned: bool,
}

/// A message that was taken.
struct Finished {
    qos: u8,
    id: u16,
    /// Its answers and where they go; none where it is left with the broker.
    letters: Option<Vec<(Letter, Duration)>>,
}

impl<'a> Talk<'a> {
    /// Goes on after SUBSCRIBE was said.
    pub(super) fn new(
        settings: &'a Settings,
        broker: &'a Mqtt,
        door: &'a Door,
        kept: &'a mut Kept,
        (reader, writer): (Reader, Writer),
        welcome: &Welcome,
    ) -> Self {
        let now = Instant::now();
        kept.begin(welcome.has_session, now);
        let keep_alive = welcome.keep_alive.map_or(KEEP_ALIVE, |seconds| Duration::from_secs(seconds.into()));
        let ping_every = if keep_alive.is_zero() { KEEP_ALIVE } else { keep_alive.min(KEEP_ALIVE) } * 2 / 3;
        Self {
            settings,
            broker,
            door,
            kept,
            reader,
            writer,
            work: FuturesUnordered::new(),
            most_flying: usize::from(welcome.receive_maximum.min(MOST_FLYING)),
            answer_qos: welcome.highest_qos.min(1),
            owed: Some((now + settings.timeout, SUBSCRIBING)),
            ping_every,
            next_ping: now + ping_every,
            is_ending: false,
            has_warned: false,
        }
    }

    /// Serves until `life` ends or the connection does.
    pub(super) async fn go_on(mut self, life: &CancellationToken) -> Result<(), IntakeError> {
        let ended = self.serve(life).await;
        if ended.is_err() {
            let settling = async {
                while let Some(finished) = self.work.next().await {
                    self.keep(finished);
                }
            };
            // What takes longer comes again, and is told from a new command by its id.
            if timeout(LAST_THINGS, settling).await.is_err() {
                debug!(intake.name = self.settings.name, count = self.work.len(), "commands are left with the broker");
            }
        }
        ended
    }

    async fn serve(&mut self, life: &CancellationToken) -> Result<(), IntakeError> {
        loop {
            self.publish()?;
            if self.is_ending && self.work.is_empty() && self.kept.is_empty() && !self.writer.has_work() {
                return self.leave().await;
            }
            let is_choked = self.writer.waiting() > MOST_UNWRITTEN;
            let is_full = is_choked || self.work.len() >= usize::from(self.settings.unacknowledged);
            if is_full && let Some((until, _)) = &mut self.owed {
                // It may be there, unread.
                *until = Instant::now() + self.settings.timeout;
            }
            let next_answer = self.kept.next_due(self.most_flying).filter(|_| !is_choked);
            let next_look = self.owed.map_or(self.next_ping, |(until, _)| until.min(self.next_ping));
            // Cancel-safe: reader and writer keep what is half done, work goes on in its set, the rest are timers.
            tokio::select! {
                () = life.cancelled(), if !self.is_ending => self.is_ending = true,
                Some(finished) = self.work.next() => self.finish(finished)?,
                packet = self.reader.read(), if !is_full => self.hear(packet?)?,
                written = self.writer.write_some(), if self.writer.has_work() => written?,
                () = sleep_until(next_answer.unwrap_or(next_look)), if next_answer.is_some() => {}
                () = sleep_until(next_look) => self.look(is_full)?,
            }
        }
    }

    /// Says good-bye: the broker keeps the session.
    async fn leave(&mut self) -> Result<(), IntakeError> {
        self.send(&Outgoing::Disconnect)?;
        self.writer.flush().await
    }

    fn hear(&mut self, packet: Incoming) -> Result<(), IntakeError> {
        if self.owed.is_some_and(|(_, what)| what != SUBSCRIBING) {
            self.owed = None;
        }
        match packet {
            Incoming::Publish(message) => self.take(message)?,
            Incoming::PubRel { id } => {
                self.kept.forget(id);
                self.send(&Outgoing::PubComp { id })?;
            }
            Incoming::PubAck { id, refusal } => {
                if self.kept.land(id) {
                    match refusal {
                        None => self.door.status.count_answer(),
                        Some(reason) => self.warn_of_answer(&reason),
                    }
                }
            }
            Incoming::SubAck(granted) => {
                self.owed = None;
                let granted = granted.map_err(|reason| refused(SUBSCRIBING, reason))?;
                if granted < self.broker.qos {
                    warn!(intake.name = self.settings.name, granted, "the broker grants a lower quality of service");
                }
                self.door.connected(self.settings);
            }
            Incoming::Disconnect(reason) => return Err(refused("staying connected", reason)),
            Incoming::ConnAck(_) => return Err(IntakeError::Lost("the server welcomes us twice".to_owned())),
            Incoming::Other => {}
        }
        Ok(())
    }

    fn take(&mut self, message: Message) -> Result<(), IntakeError> {
        let Message { qos, id, .. } = message;
        if self.is_ending {
            return Ok(());
        }
        if qos > 0 && self.kept.is_done(id, qos, message.is_again) {
            return self.acknowledge(qos, id);
        }
        if message.is_retained {
            debug!(intake.name = self.settings.name, "a retained message is passed over");
            self.kept.finish(id);
            return self.acknowledge(qos, id);
        }
        let (settings, door) = (self.settings, self.door);
        self.work.push(Box::pin(async move {
            let taken = door.take(settings, &message.payload, message.back.as_deref()).await;
            let letters = match taken {
                Taken::Done(answers) | Taken::Poison(answers) => {
                    Some(answers.into_iter().filter_map(|answer| letter(answer, &message)).collect())
                }
                Taken::Left => None,
            };
            Finished { qos, id, letters }
        }));
        Ok(())
    }

    fn finish(&mut self, finished: Finished) -> Result<(), IntakeError> {
        let (qos, id) = (finished.qos, finished.id);
        if self.keep(finished) { self.acknowledge(qos, id) } else { Ok(()) }
    }

    /// Writes down what is done and what is to be answered. False where nothing was done.
    fn keep(&mut self, finished: Finished) -> bool {
        let Some(letters) = finished.letters else { return false };
        if finished.qos > 0 {
            self.kept.finish(finished.id);
        }
        let now = Instant::now();
        for (letter, delay) in letters {
            self.kept.add(letter, now + delay);
        }
        true
    }

    fn acknowledge(&mut self, qos: u8, id: u16) -> Result<(), IntakeError> {
        match qos {
            0 => Ok(()),
            1 => {
                self.kept.forget(id);
                self.send(&Outgoing::PubAck { id })
            }
            // Its number is kept until PUBREL: MQTT 5.0 section 4.3.3.
            _ => self.send(&Outgoing::PubRec { id }),
        }
    }

    /// Publishes the answers that are due; all of them at the end.
    fn publish(&mut self) -> Result<(), IntakeError> {
        let now = Instant::now();
        let due = if self.is_ending { now + Duration::from_secs(24 * 60 * 60) } else { now };
        while self.writer.waiting() <= MOST_UNWRITTEN
            && let Some((id, letter)) = self.kept.take_due(due, self.most_flying)
        {
            let qos = if id == 0 { 0 } else { self.answer_qos };
            let packet = Outgoing::Publish { qos, id: if qos == 0 { 0 } else { id }, letter: &letter };
            match self.writer.send(&packet) {
                Ok(()) if qos > 0 => {}
                sent => {
                    self.kept.land(id);
                    match sent {
                        Ok(()) => self.door.status.count_answer(),
                        Err(reason) => self.warn_of_answer(&reason),
                    }
                }
            }
        }
        Ok(())
    }

    /// Pings, and looks whether the broker owes us something for too long.
    fn look(&mut self, is_full: bool) -> Result<(), IntakeError> {
        let now = Instant::now();
        if let Some((until, doing)) = self.owed
            && !is_full
            && until <= now
        {
            return Err(IntakeError::TimedOut { doing, after: self.settings.timeout });
        }
        if self.next_ping <= now {
            self.next_ping = now + self.ping_every;
            self.send(&Outgoing::PingReq)?;
            self.owed.get_or_insert((now + self.settings.timeout, "PINGREQ"));
        }
        Ok(())
    }

    fn send(&mut self, packet: &Outgoing<'_>) -> Result<(), IntakeError> {
        self.writer.send(packet).map_err(IntakeError::Lost)
    }

    /// Tells of an answer that the broker does not take: once aloud.
    fn warn_of_answer(&mut self, reason: &str) {
        let words = "the broker does not take an answer";
        if self.has_warned {
            debug!(intake.name = self.settings.name, reason, "{words}");
        } else {
            warn!(intake.name = self.settings.name, reason, "{words}");
        }
        self.has_warned = true;
    }
}

/// Addresses an answer.
fn letter(answer: Answer, message: &Message) -> Option<(Letter, Duration)> {
    let (topic, delay) = match answer.to {
        Destination::Callback(topic, delay) => (topic, delay),
        Destination::Sender => (message.back.clone()?, Duration::ZERO),
    };
    let body = Bytes::from(answer.body);
    Some((Letter { topic, body, correlation: message.correlation.clone() }, delay))
}
