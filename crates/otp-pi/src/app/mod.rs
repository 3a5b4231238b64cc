//! The composition: settings → store → modems → dispatcher → gateway → listeners, started in this order and stopped in the
//! reverse, so that nothing accepted is ever left without somebody to make it durable.
//!
//! The only place that reads the wall clock and starts tasks. Called by `cli` (and by nobody else).

mod clash;
mod clock;
mod direct;
mod documents;
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
use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::channel::ChannelHandle;
use crate::channel::modem::Context;
use crate::config::{Config, Laid, ModemConfig, Sources};
use crate::control;
use crate::dispatch::{self, Dispatcher, DispatcherHandle, Plan};
use crate::event::Events;
use crate::gateway::Gateway;
use crate::http::auth::{Auth, KnownUser};
use crate::http::{self, ApiState, Readiness};
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
use documents::load_kept;
pub use documents::{document, kept, load};
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

        let (store, socket) = open_data(&config, &clock, kept.as_ref(), &store_tasks).await?;
        let at_start = AuditBy::gateway("start");
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
        let auth = logins(api_users, clock, &store)?;
        let (settings, asks) = SettingsHandle::new();
        let operator = Operator::new(store.clone(), Some(handle.clone()), settings.clone(), Some(limiter.clone()));
        let operator = operator.with_inbox(inbox.clone()).with_desk(desk);
        let board = Board::default();
        let numbers = metrics::Sources::new((&store, &handle, &operator, &board), events);
        let (render, state) = (config.api.render, api(numbers, (gateway.clone(), auth, config.api)));
        record::started(&store, &at_start).await;
        listening.commit(bound, certificate, &state);
        let parts = (gateway.clone(), Arc::clone(&state), board);
        let intakes = Intakes::new(listeners.clone(), parts).with(config.intakes, render);
        // Among the lines, which outlive the listeners: the last uses are those of the last requests.
        lines.spawn("uses", users::keep_uses(Arc::clone(&state), store.clone(), lines.stop_token()));
        listeners.spawn("control", control::serve(socket, operator, listeners.stop_token()));
        let (dispatcher, api, addresses) = (handle, state, listening.plain_addresses());
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

/// Opens the data, has its writer work, and answers the socket on which operators ask.
async fn open_data(
    config: &Config,
    clock: &Arc<dyn Clock>,
    kept: Option<&SecretText>,
    tasks: &Tasks,
) -> anyhow::Result<(Store, UnixListener)> {
    let is_first = !store::has_database(&config.store.data_dir);
    let (store, writer) = open_store(config, clock).await?;
    // As soon as the data is ours: whoever asks from now on waits for the answer.
    let socket = control::bind(&config.store.data_dir)?;
    tasks.spawn("writer", writer.run(tasks.stop_token()));
    tasks.spawn("retention", retention::run(store.clone(), Arc::clone(clock), tasks.stop_token()));
    live::check_kept(&store, kept).await?;
    if is_first {
        store.audit(AuditEvent::new(AuditKind::KeysMade, &AuditBy::gateway("start"), "")).await?;
    }
    Ok((store, socket))
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

/// Who may log in.
fn logins(users: Vec<KnownUser>, clock: Arc<dyn Clock>, store: &Store) -> anyhow::Result<Auth> {
    let auth = Auth::start(users, clock).context("the hashing thread cannot be started")?;
    Ok(auth.telling(record::throttled(store.clone())))
}

/// What the API listeners share.
fn api(numbers: metrics::Sources, (gateway, auth, settings): (Gateway, Auth, http::Settings)) -> Arc<ApiState> {
    let readiness = readiness(numbers.store.clone(), numbers.dispatcher.clone(), numbers.intakes.clone());
    Arc::new(ApiState::new(gateway, auth, settings, readiness, move || numbers.text()))
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
