//! The composition: settings → store → modems → dispatcher → gateway → listeners, started in this order and stopped in the
//! reverse, so that nothing accepted is ever left without somebody to make it durable.
//!
//! The only place that reads the wall clock and starts tasks. Called by `cli` (and by nobody else).

mod clash;
mod clock;
mod direct;
mod inbox;
mod intakes;
mod keys;
mod listeners;
mod live;
mod machine;
mod memory;
mod metrics;
mod modems;
mod offline;
mod pins;
mod record;
mod retention;
mod running;
mod search;
mod tasks;
mod users;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::time::Duration;

use anyhow::Context as _;
use domain::clock::Clock;
use domain::secret::SecretText;
use store::{AuditBy, AuditEvent, AuditKind, OpenError, Store, Writer};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::channel::ChannelHandle;
use crate::channel::modem::Context;
use crate::config::{Config, File, Laid, Loaded, ModemConfig, Sources};
use crate::control;
use crate::dispatch::{self, Dispatcher, DispatcherHandle, Plan};
use crate::event::Events;
use crate::gateway::Gateway;
use crate::http::auth::{Auth, KnownUser};
use crate::http::{ApiState, Readiness};
use crate::intake::{Board, Phase};
use crate::limits::Limiter;
use crate::operator::{Operator, SettingsHandle};
use crate::telemetry::LogHandle;
use crate::ussd::Desk;
use intakes::Intakes;
use listeners::Listeners;
use live::Live;
use modems::Modems;
use running::Running;

pub use clock::SystemClock;
pub use direct::DirectModem;
pub use keys::{place as keys_place, readable as keys_readable};
pub use memory::forbid_dumps;
pub use offline::{OfflineStore, check_owner};
pub use search::{ROOT_VARIABLE, roots, search_for};
pub use tasks::Tasks;

/// How many reports may wait for the store before the modems hold theirs back.
const REPORTS_WAITING: usize = 256;

/// How long listeners get to answer what they have taken.
const LISTENERS_END: Duration = Duration::from_secs(6);

/// How long the modems and the writer get to put their things away.
const LAST_THINGS: Duration = Duration::from_secs(10);

/// How long a command that works on the data is waited for at the start.
const OPERATOR_AT_WORK: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A running gateway.
#[derive(Debug)]
pub struct App {
    listeners: Tasks,
    delivery: Tasks,
    lines: Tasks,
    store: Tasks,
    failed: CancellationToken,
    drain_timeout: watch::Receiver<Duration>,
    addresses: Vec<SocketAddr>,
    handle: Store,
    settings: SettingsHandle,
}

impl App {
    /// Starts everything; ready when it returns.
    ///
    /// # Errors
    /// What keeps it from starting: settings that do not go together, a listen address in use, a data directory that cannot be used,
    /// bad keys.
    pub async fn start(sources: Sources, log: LogHandle) -> anyhow::Result<Self> {
        let failed = CancellationToken::new();
        let groups: [Tasks; 4] = std::array::from_fn(|_| Tasks::new(failed.clone()));
        let started = Self::start_in(groups.clone(), failed, sources, log).await;
        if started.is_err() {
            // What has begun ends in the order of a stop; why it could not start is what is worth telling.
            for group in groups {
                group.stop();
                drop(group.finish(LAST_THINGS).await);
            }
        }
        started
    }

    async fn start_in(
        groups: [Tasks; 4],
        failed: CancellationToken,
        sources: Sources,
        log: LogHandle,
    ) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (loaded, kept) = load_kept(&sources, true).await?;
        for warning in &loaded.config.warnings {
            warn!(config.key = warning.key, "{}; fix: {}", warning.what, warning.fix);
        }
        log.set_filter(&loaded.config.log.filter);
        let config = loaded.config.clone();
        let [listeners, delivery, lines, store_tasks] = groups;

        // Bound first: a second gateway on the same address ends here, before it touches the data directory.
        let mut listening = Listeners::new(listeners.clone(), Arc::clone(&clock));
        let bound = listening.bind(&config.api).await?;

        let is_first = !store::has_database(&config.store.data_dir);
        let (store, writer) = open_store(&config, &clock).await?;
        // As soon as the data is ours: whoever asks from now on waits for the answer.
        let socket = control::bind(&config.store.data_dir)?;
        store_tasks.spawn("writer", writer.run(store_tasks.stop_token()));
        store_tasks.spawn("retention", retention::run(store.clone(), Arc::clone(&clock), store_tasks.stop_token()));
        live::check_kept(&store, kept.as_ref()).await?;
        let at_start = AuditBy::gateway("start");
        if is_first {
            store.audit(AuditEvent::new(AuditKind::KeysMade, &at_start, "")).await?;
        }
        let api_users = keep_api_users(&store, &config, &loaded.laid).await?;
        store_tasks.spawn("keys", keys::tend(store.clone(), store_tasks.stop_token()));

        let certificate = listening.read_certificate(&config.api, config.tls).await?;

        let limiter = Limiter::new(store.clone(), config.limits, Arc::clone(&clock));
        limiter.tell_mode();
        let events = Events::default();
        let (reports, incoming) = mpsc::channel(REPORTS_WAITING);
        let desk = Desk::new(store.clone(), Arc::clone(&clock));
        let mut modems = Modems::new(lines.clone(), reports, store.clone(), desk.clone());
        tell_of_modems(&config.modems, &lines);
        let change = modems.prepare(config.modems).await?;
        let channels = change.channels();
        modems.commit(change, Duration::ZERO);
        let context = Arc::new(Context {
            store: store.clone(),
            clock: Arc::clone(&clock),
            delivery_reports: config.delivery_reports,
            next_reference: Arc::new(AtomicU8::new(random_byte())),
        });
        let (drain, drain_timeout) = watch::channel(config.dispatch.drain_timeout);
        let dispatch_rules = (config.dispatch.clone(), config.delivery_reports);
        let plan = Plan { channels, table: config.routes, zone: config.zone };
        let (handle, dispatcher) = dispatch::build(config.dispatch, context, plan, events.clone());
        delivery.spawn("dispatcher", deliver(dispatcher, store.clone(), delivery.stop_token()));
        let inbox = inbox::start(&lines, config.inbox, incoming, (&store, &handle, &events, &clock));

        lines.spawn("limits", limiter.clone().tend(events.subscribe(), lines.stop_token()));
        let asked = (handle.clone(), limiter.clone(), desk.clone());
        let gateway = Gateway::new(config.gateway, store.clone(), asked, events.clone(), Arc::clone(&clock));
        let auth = Auth::start(api_users, clock).context("the hashing thread cannot be started")?;
        let auth = auth.telling(record::throttled(store.clone()));
        let board = Board::default();
        let readiness = readiness(store.clone(), handle.clone(), board.clone());
        let (settings, asks) = SettingsHandle::new();
        let operator = Operator::new(store.clone(), Some(handle.clone()), settings.clone(), Some(limiter.clone()));
        let operator = operator.with_inbox(inbox.clone()).with_desk(desk);
        let (dispatcher, of_store) = (handle.clone(), store.clone());
        let intakes = board.clone();
        let numbers = metrics::Sources { store: of_store, dispatcher, events, operator: operator.clone(), intakes };
        let render = config.api.render;
        let state = Arc::new(ApiState::new(gateway.clone(), auth, config.api, readiness, move || numbers.text()));
        record::started(&store, &at_start).await;
        listening.commit(bound, certificate, &state);
        let mut intakes = Intakes::new(listeners.clone(), gateway.clone(), Arc::clone(&state), board);
        intakes.commit(config.intakes, render);
        // Among the lines, which outlive the listeners: the last uses are those of the last requests.
        lines.spawn("uses", users::keep_uses(Arc::clone(&state), store.clone(), lines.stop_token()));
        listeners.spawn("control", control::serve(socket, operator, listeners.stop_token()));
        let addresses = listening.plain_addresses();
        let (dispatcher, api) = (handle, state);
        let running = Running {
            gateway,
            limiter,
            inbox,
            dispatcher,
            dispatch_rules,
            modems,
            api,
            listening,
            intakes,
            log,
            drain,
        };
        let live = Live::new(sources, loaded.laid, store.clone(), Some(running));
        listeners.spawn("settings", live.run(asks, listeners.stop_token()));
        Ok(Self {
            listeners,
            delivery,
            lines,
            store: store_tasks,
            failed,
            drain_timeout,
            addresses,
            handle: store,
            settings,
        })
    }

    /// The settings that are in force.
    #[must_use]
    pub fn settings(&self) -> &SettingsHandle {
        &self.settings
    }

    /// Where the API listens without TLS.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Ends when a task has failed that the gateway cannot do without.
    pub async fn failed(&self) {
        self.failed.cancelled().await;
    }

    /// Stops: no new request, no new message on air; what is on air comes down; everything known is written.
    ///
    /// # Errors
    /// The first task that failed, or that did not end in time.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.listeners.stop();
        self.delivery.stop();
        if let Err(error) = self.listeners.finish(LISTENERS_END).await {
            // A stalled client must not turn an orderly end into a failure.
            warn!(error = format!("{error:#}"), "connections were cut off");
        }
        let drain_timeout = *self.drain_timeout.borrow();
        let delivered = self.delivery.finish(drain_timeout.saturating_add(LAST_THINGS)).await;
        self.lines.stop();
        let hung_up = self.lines.finish(LAST_THINGS).await;
        let stopped = record::stopped(&self.handle, self.failed.is_cancelled()).await;
        if let Err(error) = stopped {
            warn!(error = %error, "that it stops could not be recorded");
        }
        self.store.stop();
        let written = self.store.finish(LAST_THINGS).await;
        info!(store.commits = self.handle.commit_count(), "stopped");
        delivered.and(hung_up).and(written)
    }
}

/// Stores what the configuration says of API users, and records what has changed about the settings since they were in force last;
/// answers those that may call.
async fn keep_api_users(store: &Store, config: &Config, laid: &Laid) -> anyhow::Result<Vec<KnownUser>> {
    let users = users::changes(store, config.api_users.clone()).await.context("the API users cannot be read")?;
    let record = record::of_start(store, laid, &users).await.context("the audit record cannot be read")?;
    let (documents, events) = match &record {
        Some(record) => (vec![record.document()], record.events.clone()),
        None => (Vec::new(), Vec::new()),
    };
    store.keep_settings(&documents, users.users.clone(), events).await.context("the API users cannot be stored")?;
    users.tell();
    Ok(users.known)
}

/// Says what there is to say of the configured modems, once.
fn tell_of_modems(modems: &[ModemConfig], lines: &Tasks) {
    if modems.is_empty() {
        warn!("no modem is configured: nothing can be sent");
    }
    lines.spawn("clashes", clash::tell(clash::lines(modems), lines.stop_token()));
}

/// Opens the store. A command that has it for a moment is waited for, another gateway is not.
async fn open_store(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<(Store, Writer)> {
    let end = Instant::now() + OPERATOR_AT_WORK;
    loop {
        let keys = keys::open(config, clock.as_ref()).context("the keys cannot be used")?;
        match Store::open(config.store.clone(), keys, Arc::clone(clock)).await {
            Err(OpenError::InUse { .. })
                if Instant::now() < end && control::Client::connect(&config.store.data_dir).await?.is_none() =>
            {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            opened => return Ok(opened?),
        }
    }
}

/// Reads the settings from file, environment and database. Makes nothing.
///
/// # Errors
/// What is wrong with them.
pub async fn load(sources: &Sources) -> anyhow::Result<Loaded> {
    Ok(load_kept(sources, false).await?.0)
}

/// The settings, and the document of the database that is among them.
async fn load_kept(sources: &Sources, is_start: bool) -> anyhow::Result<(Loaded, Option<SecretText>)> {
    let document = sources.document()?;
    let found = if is_start { read_kept(&document).await } else { kept(&document).await };
    let sources = sources.clone();
    let work = move || match found {
        Ok(kept) => Ok((sources.load(kept.as_ref())?, kept)),
        Err(error) => {
            debug!(error = format!("{error:#}"), "the settings in the database cannot be read");
            let loaded = sources.load(None).map_err(|problem| error.context(problem.to_string()))?;
            Ok((loaded, None))
        }
    };
    tokio::task::spawn_blocking(work).await?
}

/// The document of file, environment and database, whatever is wrong with the database's.
///
/// # Errors
/// File or environment cannot be read.
pub async fn document(sources: &Sources) -> anyhow::Result<File> {
    let document = sources.document()?;
    let kept = kept(&document).await.unwrap_or_else(|error| {
        debug!(error = format!("{error:#}"), "the settings in the database cannot be read");
        None
    });
    Ok(sources.lay(kept.as_ref()).map_or(document, |laid| laid.file))
}

/// The document that the database keeps, where there is one. An error is passed over by those who open the store next, which says the
/// same of database and keys, and then read the document through it.
///
/// # Errors
/// Database, keys or document cannot be read, by this user or at all.
pub async fn kept(document: &File) -> anyhow::Result<Option<SecretText>> {
    // Even to look makes files beside the database, which its owner could not use.
    if store::has_database(&document.data_dir) {
        check_owner(&document.data_dir)?;
    }
    read_kept(document).await
}

async fn read_kept(document: &File) -> anyhow::Result<Option<SecretText>> {
    let data_dir = &document.data_dir;
    if !store::has_database(data_dir) {
        return Ok(None);
    }
    let keys = keys::load(data_dir, document.keys_file())?;
    Ok(store::peek(data_dir, keys, live::DOCUMENT).await?)
}

/// Takes what waited when the last run ended into the queue, then works on it. The listeners answer meanwhile, since a long queue
/// takes a while to read: what they accept is durable, and waits for its turn behind it.
async fn deliver(mut dispatcher: Dispatcher, store: Store, stop: CancellationToken) -> anyhow::Result<()> {
    let pending = tokio::select! {
        // Nothing is lost: the next start reads it all again.
        () = stop.cancelled() => return Ok(()),
        pending = store.pending() => pending.context("the queue cannot be read")?,
    };
    let recovered = dispatcher.recover(pending);
    if recovered > 0 {
        info!(queue.recovered = recovered, "messages from before the last stop are queued again");
    }
    dispatcher.run(stop).await
}

fn readiness(
    store: Store,
    dispatcher: DispatcherHandle,
    intakes: Board,
) -> impl Fn() -> Readiness + Send + Sync + 'static {
    move || {
        let away = |report: crate::intake::Report| match report.phase {
            Phase::Connected => None,
            Phase::Connecting => Some(format!("subscriber {} is not connected yet", report.name)),
            Phase::Away(_) => Some(format!("subscriber {}: its broker cannot be used", report.name)),
        };
        let words = |channel: &ChannelHandle| {
            let why = dispatcher.why_no_candidate(channel)?;
            Some(format!("modem {} is {why}", channel.modem.name()))
        };
        Readiness {
            ready: store.is_writable() && store.try_reserve().is_some(),
            degraded: dispatcher
                .plan()
                .channels
                .iter()
                .filter_map(words)
                .chain(intakes.reports().into_iter().filter_map(away))
                .collect(),
        }
    }
}

/// The variables of the environment that are settings, and that can be read as text.
#[must_use]
pub fn environment() -> Vec<(String, String)> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).filter(|(name, _)| name.starts_with("OTP_PI__")).collect()
}

fn random_byte() -> u8 {
    let mut byte = [0];
    // Any start will do: it only keeps the reference numbers of two starts apart.
    match getrandom::fill(&mut byte) {
        Ok(()) => byte.first().copied().unwrap_or_default(),
        Err(_) => 0,
    }
}
