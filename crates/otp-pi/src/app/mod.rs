//! The composition: settings → store → modems → dispatcher → gateway → listeners, started in this order and stopped in the
//! reverse, so that nothing accepted is ever left without somebody to make it durable.
//!
//! The only place that reads the wall clock and starts tasks. Called by `cli` (and by nobody else).

mod clock;
mod direct;
mod pins;
mod tasks;
mod users;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::time::Duration;

use anyhow::Context as _;
use domain::clock::Clock;
use modem::{Phase, PinMemory};
use store::{Keys, Store};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::channel::ChannelHandle;
use crate::channel::modem::Context;
use crate::config::{Config, ModemConfig};
use crate::dispatch::{self, DispatcherHandle};
use crate::event::Events;
use crate::gateway::Gateway;
use crate::http::auth::Auth;
use crate::http::{self, ApiState, Readiness};

pub use clock::SystemClock;
pub use direct::{DirectModem, DirectStore};
pub use tasks::Tasks;

/// How many reports may wait for the store before the modems hold theirs back.
const REPORTS_WAITING: usize = 256;

/// How long listeners get to answer what they have taken.
const LISTENERS_END: Duration = Duration::from_secs(6);

/// How long the modems and the writer get to put their things away.
const LAST_THINGS: Duration = Duration::from_secs(10);

/// How often what is too old is removed.
const RETENTION_INTERVAL: Duration = Duration::from_secs(3600);

/// A running gateway.
#[derive(Debug)]
pub struct App {
    listeners: Tasks,
    delivery: Tasks,
    lines: Tasks,
    store: Tasks,
    failed: CancellationToken,
    drain_timeout: Duration,
    addresses: Vec<SocketAddr>,
    handle: Store,
}

impl App {
    /// Starts everything; ready when it returns.
    ///
    /// # Errors
    /// What keeps it from starting: a listen address in use, a data directory that cannot be used, bad keys.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let failed = CancellationToken::new();
        let group = || Tasks::new(failed.clone());
        let (listeners, delivery, lines, store_tasks) = (group(), group(), group(), group());

        // Bound first: a second gateway on the same address ends here, before it touches the data directory.
        let sockets = bind(&config.api.listen).await?;
        let addresses = sockets.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;

        let keys = Keys::load_or_create(&config.store.data_dir.join("keys")).context("the keys cannot be used")?;
        let (store, writer) = Store::open(config.store.clone(), keys, Arc::clone(&clock)).await?;
        store_tasks.spawn("writer", writer.run(store_tasks.stop_token()));
        users::update(&store, config.api_users.clone()).await.context("the API users cannot be stored")?;
        store_tasks.spawn("retention", retention(store.clone(), Arc::clone(&clock), store_tasks.stop_token()));

        info!(limits.mode = "off", "no limits are enforced yet: keep the API behind your own");
        let events = Events::default();
        let pin_memory = pins::memory(&store, &config.modems).await.context("the memory of PINs cannot be read")?;
        let (reports, incoming) = mpsc::channel(REPORTS_WAITING);
        let channels = start_modems(config.modems, &pin_memory, &reports, &lines);
        let context = Arc::new(Context {
            store: store.clone(),
            clock: Arc::clone(&clock),
            delivery_reports: config.delivery_reports,
            next_reference: AtomicU8::new(random_byte()),
        });
        let drain_timeout = config.dispatch.drain_timeout;
        let (handle, mut dispatcher) =
            dispatch::build(config.dispatch, context, channels, config.routes, events.clone());
        let recovered = dispatcher.recover(store.pending().await?);
        if recovered > 0 {
            info!(queue.recovered = recovered, "messages from before the last stop are queued again");
        }
        delivery.spawn("dispatcher", dispatcher.run(delivery.stop_token()));
        let stop = lines.stop_token();
        lines
            .spawn("reports", dispatch::run_reports(incoming, store.clone(), events.clone(), Arc::clone(&clock), stop));

        let gateway = Gateway::new(config.gateway, store.clone(), handle.clone(), events, clock);
        let auth = Auth::start(users::finder(store.clone())).context("the hashing thread cannot be started")?;
        let state = Arc::new(ApiState::new(gateway, auth, config.api, readiness(store.clone(), handle)));
        for (socket, address) in sockets.into_iter().zip(&addresses) {
            info!(api.address = %address, "listening");
            listeners.spawn("api", http::serve(socket, Arc::clone(&state), listeners.stop_token()));
        }
        Ok(Self { listeners, delivery, lines, store: store_tasks, failed, drain_timeout, addresses, handle: store })
    }

    /// Where the API listens.
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
        let delivered = self.delivery.finish(self.drain_timeout.saturating_add(LAST_THINGS)).await;
        self.lines.stop();
        let hung_up = self.lines.finish(LAST_THINGS).await;
        self.store.stop();
        let written = self.store.finish(LAST_THINGS).await;
        info!(store.commits = self.handle.commit_count(), "stopped");
        delivered.and(hung_up).and(written)
    }
}

async fn bind(addresses: &[SocketAddr]) -> anyhow::Result<Vec<TcpListener>> {
    let mut sockets = Vec::with_capacity(addresses.len());
    for address in addresses {
        let socket = TcpListener::bind(address).await;
        sockets.push(socket.with_context(|| format!("api.http_listen: cannot listen on {address}"))?);
    }
    Ok(sockets)
}

fn start_modems(
    modems: Vec<ModemConfig>,
    pin_memory: &PinMemory,
    reports: &mpsc::Sender<modem::ModemEvent>,
    tasks: &Tasks,
) -> Vec<ChannelHandle> {
    let mut channels = Vec::with_capacity(modems.len());
    // One memory for all: a card that refused its PIN must not be asked again in another modem.
    for mut modem in modems {
        modem.line.pin_memory = pin_memory.clone();
        let (handle, actor) = modem.line.build(reports.clone());
        if modem.is_active {
            tasks.spawn("modem", actor.run(tasks.stop_token()));
        }
        channels.push(ChannelHandle { modem: handle, is_default: modem.is_default });
    }
    if channels.is_empty() {
        warn!("no modem is configured: nothing can be sent");
    }
    channels
}

fn readiness(store: Store, dispatcher: DispatcherHandle) -> impl Fn() -> Readiness + Send + Sync + 'static {
    move || {
        let words = |channel: &ChannelHandle| {
            let phase = channel.modem.status().borrow().phase;
            (phase != Phase::Ready)
                .then(|| format!("modem {} is {}", channel.modem.name(), dispatch::phase_word(phase)))
        };
        Readiness {
            ready: store.is_writable() && store.try_reserve().is_some(),
            degraded: dispatcher.channels().iter().filter_map(words).collect(),
        }
    }
}

async fn retention(store: Store, clock: Arc<dyn Clock>, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(RETENTION_INTERVAL) => {}
        }
        if let Err(error) = store.run_retention(clock.now()).await {
            warn!(error = %error, "what is too old could not be removed; tried again in an hour");
        }
    }
}

fn random_byte() -> u8 {
    let mut byte = [0];
    // Any start will do: it only keeps the reference numbers of two starts apart.
    match getrandom::fill(&mut byte) {
        Ok(()) => byte.first().copied().unwrap_or_default(),
        Err(_) => 0,
    }
}
