//! The one task that writes: jobs in, one commit, answers out.
//!
//! A group is whatever waits when the last commit is done, at most 256 jobs: under load many requests share one fsync,
//! alone a request waits for nobody. Recorded changes ride with the next group, and get one of their own when none comes
//! soon. A group that fails changes nothing and tells each of its callers; the writer lives on. Run by the product.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::clock::WallTime;
use sqlx::SqliteConnection;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::audit::{Head, Ledger};
use crate::blocklist::SharedBlocklist;
use crate::change::Change;
use crate::codec::Codec;
use crate::db::{self, DataDir};
use crate::error::{OpenError, StoreError, WriterError};
use crate::recovery;
use crate::settings::Settings;
use crate::sims::SharedSims;
use crate::tickets::TicketStore;

mod group;
pub(crate) mod inbound;
pub(crate) mod job;
mod load;
mod matching;
mod message;
mod rare;
mod reported;
mod reports;
mod rows;
mod sim_step;
mod statements;
pub(crate) mod texts;
mod ticket_step;
mod trouble;

pub(crate) use rows::row_key;

use group::Group;
use job::{Inbox, Job, RareStep};
use reports::ReportIndex;
use texts::Texts;
use trouble::is_about_a_row;

/// While the disk refuses commits, one is tried so often, whether or not anybody asks for one.
const PROBE_EVERY: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(2) };
/// Jobs in one commit.
const GROUP_AT_MOST: usize = 256;
/// A group of so many jobs is a crowd, and the next group waits for company.
const CROWD: usize = 2;
/// A group of so many shares its fsync and its pages well enough, and waits for nobody.
const ENOUGH: usize = 32;
/// The least time between the commits of two crowds.
const SPACING: Duration = Duration::from_millis(5);
/// Recorded changes that wait in memory; with more the callers wait.
const CHANGES_AT_MOST: usize = 1024;
/// How long a recorded change waits for somebody else's commit. Promised is one second.
const CHANGE_WAITS: Duration = Duration::from_millis(400);
/// Without work for so long, the WAL is folded into the database.
const IDLE_AFTER: Duration = Duration::from_secs(5);

/// The writer. Run it, or nothing is ever written.
#[derive(Debug)]
pub struct Writer {
    connection: SqliteConnection,
    inbox: Inbox,
    codec: Arc<Codec>,
    blocklist: Arc<SharedBlocklist>,
    sims: Arc<SharedSims>,
    reports: ReportIndex,
    ledger: Ledger,
    /// Some when texts are in memory only.
    texts: Option<Arc<Texts>>,
    jobs: Vec<Job>,
    changes: Vec<Change>,
    /// When the waiting changes get a commit of their own.
    changes_due: Option<Instant>,
    /// When the last group's commit began, and how many jobs it had.
    last_began: Instant,
    last_group: usize,
    /// True while the WAL holds what the database does not.
    has_wal: bool,
    gauges: Arc<Gauges>,
    _data_dir: Arc<DataDir>,
}

/// What the handle reads of the writer.
#[derive(Debug)]
pub(crate) struct Gauges {
    /// Commits since the start; each is one fsync of the WAL.
    pub(crate) commits: AtomicU64,
    /// False after a commit that the disk refused, until one succeeds that has written something.
    pub(crate) is_writable: AtomicBool,
    /// Where the audit record ends.
    pub(crate) audit_head: Mutex<Head>,
}

/// Why the writer woke.
enum Wake {
    Probe,
    Work,
    Idle,
    Stop,
}

impl Writer {
    pub(crate) async fn new(
        mut connection: SqliteConnection,
        inbox: Inbox,
        codec: Arc<Codec>,
        (blocklist, sims): (Arc<SharedBlocklist>, Arc<SharedSims>),
        ledger: Ledger,
        data_dir: Arc<DataDir>,
    ) -> Result<Self, OpenError> {
        let reports = reports::load(&mut connection, &codec)
            .await
            .map_err(|error| OpenError::from_database(&data_dir.database(), error))?;
        Ok(Self {
            connection,
            inbox,
            codec,
            blocklist,
            sims,
            reports,
            gauges: Arc::new(Gauges {
                commits: AtomicU64::new(0),
                is_writable: AtomicBool::new(true),
                audit_head: Mutex::new(ledger.head()),
            }),
            ledger,
            texts: None,
            jobs: Vec::with_capacity(GROUP_AT_MOST),
            changes: Vec::new(),
            changes_due: None,
            last_began: Instant::now(),
            last_group: 0,
            has_wal: true,
            _data_dir: data_dir,
        })
    }

    /// What the handle reads.
    pub(crate) fn gauges(&self) -> Arc<Gauges> {
        Arc::clone(&self.gauges)
    }

    fn is_writable(&self) -> bool {
        self.gauges.is_writable.load(Ordering::Relaxed)
    }

    /// Applies the rules of recovery, before anything else is written. A row that cannot be read stays as it is, and is logged.
    pub(crate) async fn recover(
        &mut self,
        how: (&Settings, Option<&dyn TicketStore>),
        now: WallTime,
    ) -> Result<(), StoreError> {
        let changes = recovery::changes(&mut self.connection, how, now).await?;
        let mut lost = changes.iter().filter(|change| change.ends_unsent()).count();
        if !changes.is_empty() {
            tracing::info!(messages = changes.len(), "messages that were on air when the last run ended are settled");
            self.commit_all(changes).await.map_err(|(error, _)| error)?;
        }
        let mut after = None;
        loop {
            let losses = recovery::losses(&mut self.connection, after, now).await?;
            let Some(last) = losses.last() else { break };
            (after, lost) = (Some(last.message_id()), lost.saturating_add(losses.len()));
            self.commit_all(losses).await.map_err(|(error, _)| error)?;
        }
        if lost > 0 {
            tracing::warn!(messages = lost, "messages whose text was in memory only were lost with the restart");
        }
        sqlx::query(statements::WIPE_LOST).execute(&mut self.connection).await?;
        Ok(())
    }

    /// Keeps the contents of new messages in memory from now on, where the handle finds them.
    pub(crate) fn keep_texts(&mut self) -> Arc<Texts> {
        Arc::clone(self.texts.get_or_insert_default())
    }

    /// Writes until `stop`, or until nobody holds a [`crate::Store`] any more; then drains the mailbox, commits, and
    /// closes the database.
    ///
    /// # Errors
    /// [`WriterError`] when recorded changes could not be committed at the end.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), WriterError> {
        loop {
            match self.wait(&stop).await {
                Wake::Work => self.work().await,
                Wake::Idle => self.checkpoint().await,
                Wake::Probe => self.probe().await,
                Wake::Stop => break,
            }
        }
        self.finish().await
    }

    /// Waits for the first job of a group, for changes that are due, or for quiet. Cancel-safe: receiving from a channel
    /// is, and nothing else happens here.
    async fn wait(&mut self, stop: &CancellationToken) -> Wake {
        loop {
            let has_room = self.changes.len() < CHANGES_AT_MOST;
            let due = self.changes_due;
            let probe = (!self.is_writable()).then(|| self.last_began + PROBE_EVERY);
            tokio::select! {
                biased;
                () = stop.cancelled() => return Wake::Stop,
                job = self.inbox.jobs.recv() => {
                    let Some(job) = job else { return Wake::Stop };
                    self.jobs.push(job);
                    return Wake::Work;
                }
                received = self.inbox.changes.recv_many(&mut self.changes, CHANGES_AT_MOST), if has_room => {
                    if received == 0 {
                        return Wake::Stop;
                    }
                    self.changes_due.get_or_insert_with(|| Instant::now() + CHANGE_WAITS);
                }
                () = until(due), if due.is_some() => return Wake::Work,
                () = until(probe), if probe.is_some() => return Wake::Probe,
                () = tokio::time::sleep(IDLE_AFTER), if self.has_wal && due.is_none() => return Wake::Idle,
            }
        }
    }

    /// While jobs come in crowds, commits are spaced, so that more jobs share one fsync and the pages it writes: an SD card
    /// lives longer. A lone job never waits, and neither does a group that is large enough: its callers ask again only when they
    /// are answered.
    async fn gather(&mut self) {
        if self.last_group < CROWD {
            return;
        }
        let until = self.last_began + SPACING;
        while self.jobs.len() < ENOUGH {
            let Ok(Some(job)) = tokio::time::timeout_at(until, self.inbox.jobs.recv()).await else { break };
            self.jobs.push(job);
        }
    }

    /// Commits one group: all that waits, up to the bound.
    async fn work(&mut self) {
        self.gather().await;
        while self.jobs.len() < GROUP_AT_MOST {
            let Ok(job) = self.inbox.jobs.try_recv() else { break };
            self.jobs.push(job);
        }
        // After the jobs: whoever recorded a change before asking finds it applied.
        while self.changes.len() < CHANGES_AT_MOST {
            let Ok(change) = self.inbox.changes.try_recv() else { break };
            self.changes.push(change);
        }
        (self.last_began, self.last_group) = (Instant::now(), self.jobs.len());
        let mut jobs = std::mem::take(&mut self.jobs);
        let changes = std::mem::take(&mut self.changes);
        self.changes_due = None;
        let committed = self.commit(&changes, &mut jobs).await;
        match committed {
            Ok(()) => self.answer(&mut jobs, &Ok(())),
            Err(error) if is_about_a_row(&error) && changes.len().saturating_add(jobs.len()) > 1 => {
                tracing::warn!(%error, "a group was refused; its jobs are tried one by one");
                self.commit_singly(changes, &mut jobs).await;
            }
            Err(error) => {
                tracing::warn!(%error, jobs = jobs.len(), "a group could not be committed");
                self.keep_for_later(changes, &error);
                self.answer(&mut jobs, &Err(error));
            }
        }
        self.jobs = jobs;
    }

    fn answer(&mut self, jobs: &mut Vec<Job>, committed: &Result<(), StoreError>) {
        for job in jobs.drain(..) {
            self.answer_one(job, committed);
        }
    }

    fn answer_one(&mut self, job: Job, committed: &Result<(), StoreError>) {
        if committed.is_err()
            && let Job::Rare { step, .. } = &job
            && matches!(step.as_ref(), RareStep::Audit { is_needed: false })
        {
            self.ledger.lose();
        }
        if committed.is_ok()
            && let Job::Rare { step, .. } = &job
        {
            match step.as_ref() {
                RareStep::SetBlocked { entry, .. } => self.blocklist.apply(*entry),
                RareStep::DeleteBlocked { msisdn, .. } => self.blocklist.delete(msisdn),
                RareStep::WipeTexts { until } => {
                    if let Some(texts) = &self.texts {
                        texts.wipe(*until);
                    }
                }
                RareStep::PutApiUser(_)
                | RareStep::DeleteApiUser(_)
                | RareStep::NoteSecretUses(_)
                | RareStep::PutSetting { .. }
                | RareStep::DeleteSetting(_)
                | RareStep::KeepSettings { .. }
                | RareStep::Trim { .. }
                | RareStep::TrimOldest
                | RareStep::KeepInbound(_)
                | RareStep::MarkInbound { .. }
                | RareStep::DeleteInbound { .. }
                | RareStep::TrimInbox { .. }
                | RareStep::TrimAudit { .. }
                | RareStep::CountAudit { .. }
                | RareStep::Audit { .. }
                | RareStep::Reseal { .. }
                | RareStep::PutLimits { .. }
                | RareStep::NoteSealedWith(_)
                | RareStep::Barrier => {}
                #[cfg(test)]
                RareStep::LimitPages(_) => {}
            }
        }
        job.finish(committed);
    }

    /// One transaction; an error leaves the database as it was.
    async fn commit(&mut self, changes: &[Change], jobs: &mut [Job]) -> Result<(), StoreError> {
        self.has_wal = true;
        let committed = self.try_commit(changes, jobs).await;
        self.judge_disk(committed.as_ref().err());
        committed
    }

    async fn try_commit(&mut self, changes: &[Change], jobs: &mut [Job]) -> Result<(), StoreError> {
        sqlx::query(statements::BEGIN).execute(&mut self.connection).await?;
        let group = Group::new(&self.codec, &self.reports, &self.blocklist, &self.sims);
        let mut ledger = self.ledger.clone();
        let mut ran = group.run(&mut self.connection, changes, jobs, &mut ledger).await;
        if ran.is_ok() && !self.gauges.is_writable.load(Ordering::Relaxed) {
            // Success must mean that something was written.
            let probed = sqlx::query(statements::PROBE).execute(&mut self.connection).await;
            ran = probed.map_err(StoreError::from).and(ran);
        }
        let ended = match ran {
            Ok(effects) => {
                let committed = sqlx::query(statements::COMMIT).execute(&mut self.connection).await;
                committed.map(|_| effects).map_err(StoreError::from)
            }
            Err(error) => Err(error),
        };
        match ended {
            Ok(mut effects) => {
                self.gauges.commits.fetch_add(1, Ordering::Relaxed);
                self.keep(ledger);
                std::mem::take(&mut effects.sims).apply(&self.sims);
                if let Some(texts) = &self.texts {
                    texts.follow(&mut effects);
                }
                self.reports.follow(&self.codec, effects);
                Ok(())
            }
            Err(error) => {
                // SQLite itself rolls back after some errors; then there is nothing left to roll back.
                if let Err(rollback) = sqlx::query(statements::ROLLBACK).execute(&mut self.connection).await {
                    tracing::debug!(error = %rollback, "nothing to roll back");
                }
                Err(error)
            }
        }
    }

    /// Takes over what a committed group has recorded. The log is a witness where somebody collects it elsewhere.
    fn keep(&mut self, ledger: Ledger) {
        let (before, now) = (self.ledger.head(), ledger.head());
        self.ledger = ledger;
        if before != now {
            *self.gauges.audit_head.lock().unwrap_or_else(PoisonError::into_inner) = now;
            tracing::info!(audit.sequence = now.last, audit.hash = now.hash_text(), "the audit record has grown");
        }
    }

    async fn checkpoint(&mut self) {
        match db::checkpoint(&mut self.connection).await {
            Ok(()) => self.has_wal = false,
            Err(error) => {
                // Tried again after the next commit; the WAL stays valid meanwhile.
                tracing::debug!(%error, "the WAL could not be folded into the database");
                self.has_wal = false;
            }
        }
    }
}

async fn until(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due).await;
    }
}
