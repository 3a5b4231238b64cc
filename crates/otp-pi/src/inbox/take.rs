//! The task that takes what comes in: modem → store → told; the modem's copy goes when the part is durable.
//!
//! What cannot be stored waits in memory for a while; if the modem has a copy (of class 0 it has none) that is safe whatever happens. A message that misses parts is told when
//! they came, or without them after a while; after a restart one that was told so may be told so again.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ::modem::{Inbound, InboundReceipt};
use domain::clock::WallTime;
use domain::inbox::InboxState;
use domain::message::MessageId;
use getrandom::SysRng;
use gsm::Pdu;
use rand_core::UnwrapErr;
use store::{Kept, NewInbound};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};
use zeroize::Zeroizing;

use super::{Inbox, read};

/// SMS that wait in memory for a store that cannot be written.
const HELD: usize = 256;
/// How far back a start looks for messages that miss parts, beyond the time that they are waited for.
const REACH: Duration = Duration::from_hours(24);
/// The longest pause before waiting messages and held ones are looked at again, and the shortest.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);

/// The operating system's random number generator.
const RNG: UnwrapErr<SysRng> = UnwrapErr(SysRng);

/// One SMS on its way into the store.
struct Coming {
    modem: String,
    card: String,
    pdu: Pdu,
    at: WallTime,
}

/// What the task knows between two events.
#[derive(Default)]
struct Memory {
    /// Messages that miss parts, with the time when the last one came.
    waiting: BTreeMap<MessageId, WallTime>,
    /// What could not be stored yet.
    held: VecDeque<(Coming, InboundReceipt)>,
    /// Whether the last one could not be stored: said once.
    is_stuck: bool,
}

impl Inbox {
    /// Takes what comes in until `stop`.
    ///
    /// # Errors
    /// None today; the signature is that of every task.
    pub async fn run(
        self,
        mut incoming: mpsc::Receiver<(String, Inbound)>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut memory = Memory::default();
        match self.store.waiting_inbox(self.settings().incomplete_after.saturating_add(REACH)).await {
            Ok(waiting) => memory.waiting.extend(waiting),
            Err(error) => warn!(error = %error, "messages that miss parts could not be looked for"),
        }
        loop {
            let pause = self.pause(&memory);
            let later = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            // Cancel-safe: a receiver and a timer lose nothing when their wait is dropped.
            tokio::select! {
                () = stop.cancelled() => break,
                () = later => {
                    self.store_held(&mut memory).await;
                    self.tell_incomplete(&mut memory).await;
                }
                coming = incoming.recv(), if !incoming.is_closed() || !incoming.is_empty() => {
                    if let Some((modem, inbound)) = coming {
                        self.take(modem, inbound, &mut memory).await;
                    }
                }
            }
        }
        // What lies on no SIM must not end with this task.
        while let Ok((modem, inbound)) = incoming.try_recv() {
            self.take(modem, inbound, &mut memory).await;
        }
        self.store_held(&mut memory).await;
        let lost = memory.held.iter().filter(|(_, receipt)| !receipt.has_copy()).count();
        if lost > 0 {
            error!(messages = lost, "SMS that came in could not be stored and are lost");
        }
        Ok(())
    }

    /// How long until something must be looked at again; None when nothing waits.
    fn pause(&self, memory: &Memory) -> Option<Duration> {
        let (now, patience) = (self.clock.now(), self.settings().incomplete_after);
        let due = |last: &WallTime| last.saturating_add(patience).saturating_since(now);
        let next = memory.waiting.values().map(due).min();
        let next = if memory.held.is_empty() { next } else { Some(next.unwrap_or(LONGEST_PAUSE)) };
        next.map(|pause| pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE))
    }

    async fn take(&self, modem: String, inbound: Inbound, memory: &mut Memory) {
        let Inbound { pdu, card, receipt } = inbound;
        let coming = Coming { modem, card, pdu, at: self.clock.now() };
        if self.keep(&coming, memory).await {
            receipt.taken();
        } else if memory.held.len() < HELD {
            memory.held.push_back((coming, receipt));
        } else if !receipt.has_copy() {
            // Of what gives way there may be a copy.
            if memory.held.pop_front().is_some_and(|(_, oldest)| !oldest.has_copy()) {
                error!("an SMS that came in could not be stored and is lost: too many wait");
            }
            memory.held.push_back((coming, receipt));
        }
    }

    /// Stores a part and tells its message, if there is something to tell; false if it could not be stored.
    async fn keep(&self, coming: &Coming, memory: &mut Memory) -> bool {
        match self.store.keep_inbound(self.read(coming)).await {
            Ok(kept) => {
                if std::mem::take(&mut memory.is_stuck) {
                    info!("SMS that come in can be stored again");
                }
                match kept {
                    Kept::New(id) => self.came(id, coming.at, memory).await,
                    Kept::Known => debug!(modem.name = coming.modem, "an SMS came in that is here already"),
                }
                true
            }
            Err(error) => {
                if !std::mem::replace(&mut memory.is_stuck, true) {
                    warn!(modem.name = coming.modem, error = %error, "an SMS that came in cannot be stored; it stays where it is");
                }
                false
            }
        }
    }

    fn read(&self, coming: &Coming) -> NewInbound {
        let Coming { modem, card, pdu, at } = coming;
        let deliver = read::deliver(pdu);
        let sender = deliver.as_ref().and_then(|deliver| read::sender(&deliver.originator, self.settings().plan));
        NewInbound {
            message_id: MessageId::new(*at, &mut { RNG }),
            modem: modem.clone(),
            card: card.clone(),
            sender: sender.map(|sender| sender.canonical()).unwrap_or_default(),
            pdu: Zeroizing::new(pdu.octets().to_vec()),
            tpdu_length: pdu.tpdu_length(),
            concatenation: deliver.as_ref().and_then(read::concatenation),
            sent_at: deliver.as_ref().and_then(read::sent_at),
            received_at: *at,
        }
    }

    /// A part of a message has come.
    async fn came(&self, id: MessageId, at: WallTime, memory: &mut Memory) {
        if self.tell(id).await == Some(InboxState::Waiting) {
            memory.waiting.insert(id, at);
        } else {
            memory.waiting.remove(&id);
        }
    }

    /// Tells a message, unless it still waits for parts; answers how it is.
    async fn tell(&self, id: MessageId) -> Option<InboxState> {
        let found = self.find(id).await;
        let message =
            found.inspect_err(|error| warn!(error = %error, "an SMS that came in could not be read")).ok()??;
        let sender = message.sender.as_ref().map(ToString::to_string).unwrap_or_default();
        let (state, parts) = (message.state, usize::from(message.total).saturating_sub(message.missing.len()));
        info!(
            message.id = %id, modem.name = message.modem, inbox.sender = sender, inbox.state = state.as_str(),
            inbox.parts = parts, inbox.total = message.total, "an SMS came in"
        );
        if state != InboxState::Waiting {
            self.events.publish_inbox(message);
        }
        Some(state)
    }

    /// Tells messages whose parts did not come.
    async fn tell_incomplete(&self, memory: &mut Memory) {
        let (now, patience) = (self.clock.now(), self.settings().incomplete_after);
        let is_due = |last: &WallTime| last.saturating_add(patience) <= now;
        let due: Vec<_> = memory.waiting.iter().filter(|(_, last)| is_due(last)).map(|(id, _)| *id).collect();
        for id in due {
            memory.waiting.remove(&id);
            self.tell(id).await;
        }
    }

    /// Stores what waits in memory, in its order, as far as it can be.
    async fn store_held(&self, memory: &mut Memory) {
        while let Some((coming, receipt)) = memory.held.pop_front() {
            if !self.keep(&coming, memory).await {
                memory.held.push_front((coming, receipt));
                return;
            }
            receipt.taken();
        }
    }
}
