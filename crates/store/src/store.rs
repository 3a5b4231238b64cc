//! The handle through which everything durable is asked for.
//!
//! Cheap to clone. Writes go to the one [`Writer`]; reads go to a small pool of connections of their own and see what
//! is committed. Called by the gateway, the dispatcher, the channels and the command line.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::clock::{Clock, WallTime};
use domain::message::MessageId;
use domain::otp::{PepperRing, ReserveOutcome, TicketKey};
use sqlx::SqlitePool;

use crate::acceptance::{Acceptance, Accepted, NewMessage};
use crate::blocklist::SharedBlocklist;
use crate::change::{BeginAttempt, BeginOutcome, Change, Report, Reported};
use crate::codec::Codec;
use crate::db::DataDir;
use crate::error::{OpenError, StoreError};
use crate::keys::{Keys, LiveKeys, LookupKey};
use crate::limits::{LimitStore, LocalLimits};
use crate::outbox::{OutboxMessage, QueueEntry};
use crate::places::Places;
use crate::repeat::Turns;
use crate::settings::{Settings, TextAtRest};
use crate::shared::Server;
use crate::sims::SharedSims;
use crate::status::{StatusKey, StatusRecord};
use crate::tickets::TicketStore;
use crate::writer::job::{AcceptJob, Job, Mailbox, RareStep, Slot};
use crate::writer::texts::{KeptText, Texts};
use crate::writer::{Gauges, Writer};
use crate::{db, outbox_read, retention, status_read, tickets};

/// The store's handle.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) codec: Arc<Codec>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) mailbox: Mailbox,
    pub(crate) reader: SqlitePool,
    pub(crate) blocklist: Arc<SharedBlocklist>,
    pub(crate) sims: Arc<SharedSims>,
    /// Some when tickets live outside the writer's own database.
    pub(crate) shared_tickets: Option<Arc<dyn TicketStore>>,
    /// Some when texts are in memory only.
    texts: Option<Arc<Texts>>,
    pub(crate) tickets: Arc<dyn TicketStore>,
    turns: Turns,
    pub(crate) limits: Arc<dyn LimitStore>,
    /// Some when what limits count is in this process's memory, and is to be written behind.
    pub(crate) local_limits: Option<Arc<LocalLimits>>,
    /// Some when tickets and what limits count are on a server.
    pub(crate) server: Option<Arc<Server>>,
    pub(crate) gauges: Arc<Gauges>,
    /// The longest life of a code since the start, in milliseconds.
    pub(crate) longest_lifetime: AtomicU64,
    /// Held as long as any handle lives: no second gateway may open the directory.
    pub(crate) data_dir: Arc<DataDir>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the data directory: locks it against a second gateway, brings the schema up to date, applies the rules of
    /// recovery. The answer's second half must be run, or nothing is ever written.
    ///
    /// # Errors
    /// [`OpenError`] says what a person can do about it.
    pub async fn open(settings: Settings, keys: Keys, clock: Arc<dyn Clock>) -> Result<(Self, Writer), OpenError> {
        let data_dir = Arc::new(DataDir::lock(&settings.data_dir)?);
        let codec = Arc::new(Codec::new(LiveKeys::new(keys)));
        let (mut connection, ledger) = db::open(&data_dir, &codec, clock.now()).await?;
        let reader = db::open_readers(&data_dir);
        let blocklist = SharedBlocklist::load(&mut connection, &codec).await?;
        let unreadable = |error| OpenError::from_database(&data_dir.database(), error);
        let sims = Arc::new(SharedSims::load(&mut connection).await.map_err(unreadable)?);
        let (mailbox, inbox) = Mailbox::new(settings.mailbox);
        let Places { tickets, shared_tickets, limits, local_limits, server } =
            Places::open(&settings, &data_dir, &mut connection, (&mailbox, &reader), &clock).await?;
        let (shared_codec, shared) = (Arc::clone(&codec), (Arc::clone(&blocklist), Arc::clone(&sims)));
        let mut writer = Writer::new(connection, inbox, shared_codec, shared, ledger, Arc::clone(&data_dir)).await?;
        let remote = server.is_some().then_some(tickets.as_ref());
        writer.recover((&settings, remote), clock.now()).await?;
        let texts = (settings.text_at_rest == TextAtRest::Never).then(|| writer.keep_texts());
        let inner = Inner {
            longest_lifetime: AtomicU64::new(millis(settings.longest_lifetime)),
            settings,
            codec,
            clock,
            mailbox,
            reader,
            blocklist,
            sims,
            shared_tickets,
            texts,
            tickets,
            turns: Turns::default(),
            limits,
            local_limits,
            server,
            gauges: writer.gauges(),
            data_dir,
        };
        Ok((Self { inner: Arc::new(inner) }, writer))
    }

    /// The key of the keyed hashes: [`TicketKey::derive`] and [`domain::otp::Fingerprint::derive`] take it.
    #[must_use]
    pub fn lookup_key(&self) -> &LookupKey {
        self.inner.codec.lookup()
    }

    /// The peppers under which codes are tagged at this moment; a rotation changes them.
    #[must_use]
    pub fn peppers(&self) -> Arc<PepperRing> {
        self.inner.codec.keys.peppers()
    }

    /// Tells that codes may live so long from now on. An older pepper is honoured for the longest life that was ever told.
    pub fn allow_lifetime(&self, longest: Duration) {
        self.inner.longest_lifetime.fetch_max(millis(longest), Ordering::Relaxed);
    }

    /// The time by which everything is dated.
    #[must_use]
    pub fn now(&self) -> WallTime {
        self.inner.clock.now()
    }

    /// Commits since the start, for metrics and benches; each costs one fsync.
    #[must_use]
    pub fn commit_count(&self) -> u64 {
        self.inner.gauges.commits.load(Ordering::Relaxed)
    }

    /// False after a commit failed for want of space, for a lock or for damage; true again after the next success. The writer
    /// tries by itself, so that this recovers without traffic.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.inner.gauges.is_writable.load(Ordering::Relaxed)
    }

    /// The key of a ticket.
    #[must_use]
    pub fn ticket_key(&self, api_user: &str, reference: &str) -> TicketKey {
        TicketKey::derive(self.lookup_key().as_bytes(), api_user, reference)
    }

    /// The replay key of a send with its caller's own id. The send commands share it: they ask for the same thing.
    #[must_use]
    pub fn replay_key(&self, api_user: &str, own_id: &str) -> [u8; 16] {
        self.lookup_key().hash(&[b"replay-v1", api_user.as_bytes(), own_id.as_bytes()])
    }

    /// Reserves a place in the writer's mailbox; None when it is full or the writer has ended, and then the edge
    /// refuses.
    #[must_use]
    pub fn try_reserve(&self) -> Option<Slot> {
        self.inner.mailbox.try_reserve()
    }

    /// Makes a request durable: message, ticket and replay key in one commit.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was stored then.
    pub async fn accept(&self, slot: Slot, acceptance: Acceptance) -> Result<Accepted, StoreError> {
        let Acceptance { mut message, mut ticket, replay } = acceptance;
        let ticket_key = ticket.as_ref().map(|(key, _)| *key);
        let now = self.inner.clock.now();
        let mut may_exist = false;
        let mut _turn = None;
        if let Some(shared) = &self.inner.shared_tickets
            && let Some((key, reservation)) = ticket.take()
        {
            // Before the ticket is touched: a resend that came before must not be one more.
            if let Some(replay) = &replay {
                _turn = self.inner.turns.take(&replay.key).await;
                if let Some(before) = self.find_replayed(replay).await? {
                    return Ok(before);
                }
            }
            // Ticket first, outbox second: a retry of the same request completes what a crash left between the two. It may also
            // overtake the request that it repeats, so either of the two finds the other's row.
            may_exist = true;
            match shared.reserve(key, reservation, now).await? {
                ReserveOutcome::New(_) | ReserveOutcome::Resent(_) => {}
                ReserveOutcome::Conflict => return Ok(Accepted::Conflict),
                ReserveOutcome::NoTries => return Ok(Accepted::NoTries),
                ReserveOutcome::Repeat { message_id } => message.id = message_id,
            }
        }
        let message_id = message.id;
        let codec = &self.inner.codec;
        let asked = codec.keys.while_sealing(|seal| {
            let row = codec.outbox_row(seal, &message, ticket_key, self.inner.settings.text_at_rest)?;
            let NewMessage { content, deadline, .. } = message;
            let kept_text = self.inner.texts.is_some().then_some(KeptText { content, deadline });
            Ok::<_, StoreError>(slot.post(|answer| {
                Job::Accept(Box::new(AcceptJob { message_id, row, ticket, replay, kept_text, may_exist, now, answer }))
            }))
        })?;
        asked.answer().await
    }

    /// Records durably that a channel is about to send, or settles the message that must not be sent.
    ///
    /// # Errors
    /// [`StoreError`]; the channel must not send then.
    pub async fn begin_attempt(&self, mut begin: BeginAttempt) -> Result<BeginOutcome, StoreError> {
        let (shared, at) = (self.inner.shared_tickets.as_ref(), begin.at);
        let tag = if shared.is_some() { begin.ticket.take() } else { None };
        let begun = self.inner.mailbox.ask(|answer| Job::Begin { begin: Box::new(begin), answer }).await?;
        // `sending` commits before the tag is put, so recovery can ask the ticket store about every tag.
        let (Some(shared), Some((key, entry))) = (shared, tag) else { return Ok(begun) };
        if begun == BeginOutcome::Blocked
            && let Err(error) = shared.release(key, entry.attempt.message_id, at).await
        {
            tracing::warn!(%error, "the reference of a blocked message stays taken until its deadline");
        }
        if begun != BeginOutcome::Begun {
            return Ok(begun);
        }
        let outcome = match shared.put_tag(key, entry).await {
            Ok(outcome) => BeginOutcome::from(outcome),
            Err(error) => {
                // The number is used up, and the tag may be there although the answer was lost.
                let code = Some("no answer from the ticket store".to_owned());
                let (attempt, remove_tag) = (entry.attempt, Some(key));
                self.record(Change::NotSent { attempt, modem: None, code, retry_at: None, remove_tag, at }).await?;
                return Err(error);
            }
        };
        if let Some((state, reason)) = outcome.settlement() {
            let message_id = entry.attempt.message_id;
            self.inner.mailbox.record(Change::Final { message_id, state, reason: reason.to_owned(), at }).await?;
        }
        Ok(outcome)
    }

    /// Records a change. It joins the next commit, within a second; waits only when very many changes are waiting.
    ///
    /// # Errors
    /// [`StoreError::Closed`] when the writer has ended.
    pub async fn record(&self, change: Change) -> Result<(), StoreError> {
        let Some(shared) = &self.inner.shared_tickets else { return self.inner.mailbox.record(change).await };
        let (first, second) = tickets::shared::follow(shared.as_ref(), &self.inner.reader, change).await;
        self.inner.mailbox.record(first).await?;
        match second {
            Some(second) => self.inner.mailbox.record(second).await,
            None => Ok(()),
        }
    }

    /// Loads a message that needs sending, unsealed or from memory; None when it is over.
    ///
    /// # Errors
    /// [`StoreError`], [`StoreError::Unreadable`] among them.
    pub async fn load(&self, id: MessageId) -> Result<Option<OutboxMessage>, StoreError> {
        outbox_read::load(&self.inner.reader, &self.inner.codec, self.inner.texts.as_deref(), id).await
    }

    /// True for a message whose text the end of this process loses: it is in memory only, and still kept.
    #[must_use]
    pub fn is_lost_at_the_end(&self, id: MessageId) -> bool {
        self.inner.texts.as_ref().is_some_and(|texts| texts.holds(id))
    }

    /// True when texts are never written to the disk: what waits is lost with this process.
    #[must_use]
    pub fn keeps_texts_in_memory(&self) -> bool {
        self.inner.texts.is_some()
    }

    /// All messages that wait to be sent, in the order in which they were queued. The rules of recovery were applied when the
    /// store was opened. Rows that cannot be unsealed are left out and logged by id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pending(&self) -> Result<Vec<QueueEntry>, StoreError> {
        outbox_read::pending(&self.inner.reader, &self.inner.codec).await
    }

    /// What is known of a message of `api_user`; None when there is none, or it is another user's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn status(&self, api_user: &str, key: &StatusKey) -> Result<Option<StatusRecord>, StoreError> {
        let id = match key {
            StatusKey::MessageId(id) => Some(*id),
            StatusKey::OwnId(own_id) => {
                status_read::find_own(&self.inner.reader, self.replay_key(api_user, own_id)).await?
            }
            StatusKey::Ticket(key) => self.inner.tickets.find_message(*key).await?,
        };
        let Some(id) = id else { return Ok(None) };
        let found = status_read::find(&self.inner.reader, &self.inner.codec, id).await?;
        Ok(found.filter(|record| record.api_user == api_user))
    }

    /// What is known of any message, for administrators.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_message(&self, id: MessageId) -> Result<Option<StatusRecord>, StoreError> {
        status_read::find(&self.inner.reader, &self.inner.codec, id).await
    }

    /// Applies a delivery report; answers the message it is about, if one is found.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn report(&self, report: Report) -> Result<Option<Reported>, StoreError> {
        self.inner.mailbox.ask(|answer| Job::Report { report: Box::new(report), answer }).await
    }

    /// Deletes what is older or more than [`crate::Retention`] allows, in small commits, a bounded number of them. To be run
    /// every few minutes. Deletes nothing while the clock is not synchronised: everything may look old then.
    ///
    /// # Errors
    /// [`StoreError`]; what was deleted before stays deleted.
    pub async fn run_retention(&self, now: WallTime) -> Result<(), StoreError> {
        let is_known = self.inner.clock.is_synchronised();
        let (mailbox, reader, retention) = (&self.inner.mailbox, &self.inner.reader, &self.inner.settings.retention);
        retention::run_audit(mailbox, reader, retention, now, is_known).await?;
        if !is_known {
            tracing::debug!("nothing is deleted for its age before the clock is set");
            return Ok(());
        }
        retention::run(mailbox, reader, retention, now).await?;
        match &self.inner.server {
            Some(server) => server.tend().await,
            None => Ok(()),
        }
    }

    /// Puts a clock that nobody has set behind a handle that has no copies, for a test.
    #[cfg(test)]
    pub(crate) fn doubt_the_clock(&mut self) {
        struct Unset(Arc<dyn Clock>);
        impl Clock for Unset {
            fn now(&self) -> WallTime {
                self.0.now()
            }
            fn is_synchronised(&self) -> bool {
                false
            }
        }
        let inner = Arc::get_mut(&mut self.inner).expect("the only handle");
        inner.clock = Arc::new(Unset(Arc::clone(&inner.clock)));
    }

    /// Puts another store of tickets behind a handle that has no copies, for a test.
    #[cfg(test)]
    pub(crate) fn use_tickets(&mut self, tickets: Arc<dyn TicketStore>) {
        let inner = Arc::get_mut(&mut self.inner).expect("the only handle");
        (inner.tickets, inner.shared_tickets) = (Arc::clone(&tickets), Some(tickets));
    }

    /// Makes the disk full (or not) for a test.
    #[cfg(test)]
    pub(crate) async fn limit_pages(&self, pages: Option<u32>) {
        self.rare(RareStep::LimitPages(pages)).await.expect("a pragma never fails");
    }

    pub(crate) async fn rare(&self, step: RareStep) -> Result<(), StoreError> {
        self.inner.mailbox.ask(|answer| Job::Rare { step: Box::new(step), audit: Vec::new(), answer }).await.map(|_| ())
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
