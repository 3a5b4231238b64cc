//! The listeners that run, and how others take their place while the gateway works.
//!
//! A listener whose address stays is not touched, and neither are its connections. What is new is bound before anything old is let
//! go, except where the two are in each other's way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use domain::clock::Clock;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::machine;
use super::tasks::Tasks;
use crate::http::tls::{Certificates, TlsSettings};
use crate::http::{self, ApiState, Settings, Transport};

/// How long an old listener may take to let its address go.
const LETTING_GO: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Kind {
    Http,
    Https,
}

impl Kind {
    const fn key(self) -> &'static str {
        match self {
            Self::Http => "api.http_listen",
            Self::Https => "api.https_listen",
        }
    }
}

/// The listeners and what they need to run.
pub(super) struct Listeners {
    tasks: Tasks,
    clock: Arc<dyn Clock>,
    certificates: Option<Certificates>,
    running: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    kind: Kind,
    /// As configured: port 0 stays port 0 here.
    address: SocketAddr,
    local: SocketAddr,
    stop: CancellationToken,
}

/// New sockets, and which of the old ones stay.
#[derive(Debug)]
pub(super) struct Bound {
    wanted: Vec<(Kind, SocketAddr)>,
    sockets: Vec<(Kind, SocketAddr, TcpListener)>,
}

impl Listeners {
    pub(super) fn new(tasks: Tasks, clock: Arc<dyn Clock>) -> Self {
        Self { tasks, clock, certificates: None, running: Vec::new() }
    }

    /// Binds what is not bound yet.
    ///
    /// # Errors
    /// An address that cannot be had; what was bound for this is let go.
    pub(super) async fn bind(&mut self, settings: &Settings) -> anyhow::Result<Bound> {
        let plain = settings.listen.iter().map(|address| (Kind::Http, *address));
        let wanted: Vec<_> = plain.chain(settings.https_listen.iter().map(|address| (Kind::Https, *address))).collect();
        let mut sockets = Vec::new();
        for &(kind, address) in &wanted {
            if self.running.iter().any(|one| (one.kind, one.address) == (kind, address)) {
                continue;
            }
            let bound = match TcpListener::bind(address).await {
                Err(_) if self.let_go(address, &wanted) => bind_soon(address).await,
                other => other,
            };
            let socket = bound.with_context(|| format!("{}: cannot listen on {address}", kind.key()))?;
            sockets.push((kind, address, socket));
        }
        Ok(Bound { wanted, sockets })
    }

    /// Ends the old listeners on the same port that are not wanted any more; true if there was one.
    fn let_go(&mut self, address: SocketAddr, wanted: &[(Kind, SocketAddr)]) -> bool {
        let is_in_the_way =
            |one: &Running| one.local.port() == address.port() && !wanted.contains(&(one.kind, one.address));
        let before = self.running.len();
        self.running.retain(|one| {
            if is_in_the_way(one) {
                one.stop.cancel();
            }
            !is_in_the_way(one)
        });
        self.running.len() < before
    }

    /// Has the certificate ready where one is needed; reads it again where it is there.
    ///
    /// # Errors
    /// Why there is none; one that is in service stays.
    pub(super) async fn certify(&mut self, settings: &Settings, tls: TlsSettings) -> anyhow::Result<()> {
        if settings.https_listen.is_empty() {
            return Ok(());
        }
        let (known, clock) = (self.certificates.clone(), Arc::clone(&self.clock));
        let load = move || match known {
            Some(certificates) => certificates.reload(&tls).map(|_| certificates),
            None => Certificates::load(&tls, machine::names(), clock),
        };
        let loaded = tokio::task::spawn_blocking(load).await?;
        self.certificates = Some(loaded.context("there is no certificate to serve HTTPS with")?);
        Ok(())
    }

    /// Serves on the new sockets, and ends what is not wanted any more.
    pub(super) fn commit(&mut self, bound: Bound, state: &Arc<ApiState>) {
        let Bound { wanted, sockets } = bound;
        self.running.retain(|one| {
            let stays = wanted.contains(&(one.kind, one.address));
            if !stays {
                info!(api.address = %one.local, "not listening there any more");
                one.stop.cancel();
            }
            stays
        });
        for (kind, address, socket) in sockets {
            let Ok(local) = socket.local_addr() else { continue };
            let transport = match (kind, &self.certificates) {
                (Kind::Http, _) => {
                    info!(api.address = %local, "listening");
                    Transport::Plain
                }
                (Kind::Https, Some(certificates)) => {
                    info!(api.https_address = %local, "listening with TLS");
                    Transport::Tls(certificates.clone())
                }
                (Kind::Https, None) => {
                    error!(api.https_address = %local, "there is no certificate: not listening");
                    continue;
                }
            };
            let stop = self.tasks.stop_token().child_token();
            let serving = http::serve(socket, transport, Arc::clone(state), stop.clone());
            self.tasks.spawn_until(stop.clone(), "api", serving);
            self.running.push(Running { kind, address, local, stop });
        }
    }

    /// Where the API listens without TLS.
    pub(super) fn plain_addresses(&self) -> Vec<SocketAddr> {
        self.running.iter().filter(|one| one.kind == Kind::Http).map(|one| one.local).collect()
    }
}

/// Binds an address that is about to become free.
async fn bind_soon(address: SocketAddr) -> std::io::Result<TcpListener> {
    let end = tokio::time::Instant::now() + LETTING_GO;
    loop {
        match TcpListener::bind(address).await {
            Err(_) if tokio::time::Instant::now() < end => tokio::time::sleep(LOOK_AGAIN).await,
            bound => return bound,
        }
    }
}
