//! The listeners that run, and how others take their place while the gateway works.
//!
//! A listener whose address stays is not touched, and neither are its connections. What is new is bound before anything old is let
//! go, except where the two are in each other's way; then the old one comes back if the change comes to nothing.

use std::io;
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
use crate::http::tls::{Certificates, Replacement, TlsSettings};
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
    /// None before the first ones run.
    state: Option<Arc<ApiState>>,
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
    /// Ended already, because a new one wants their port.
    gave_way: Vec<Running>,
}

/// A certificate that is ready to be served.
#[derive(Debug)]
pub(super) enum NewCertificate {
    /// None is needed.
    None,
    First(Certificates),
    Next(Replacement),
}

impl Listeners {
    pub(super) fn new(tasks: Tasks, clock: Arc<dyn Clock>) -> Self {
        Self { tasks, clock, certificates: None, state: None, running: Vec::new() }
    }

    /// Binds what is not bound yet.
    ///
    /// # Errors
    /// An address that cannot be had; then everything listens as before.
    pub(super) async fn bind(&mut self, settings: &Settings) -> anyhow::Result<Bound> {
        let plain = settings.listen.iter().map(|address| (Kind::Http, *address));
        let wanted: Vec<_> = plain.chain(settings.https_listen.iter().map(|address| (Kind::Https, *address))).collect();
        let mut bound = Bound { wanted, sockets: Vec::new(), gave_way: Vec::new() };
        let mut taken_by_ours = Vec::new();
        for (kind, address) in bound.wanted.clone() {
            if self.running.iter().any(|one| (one.kind, one.address) == (kind, address)) {
                continue;
            }
            match TcpListener::bind(address).await {
                Ok(socket) => bound.sockets.push((kind, address, socket)),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && self.has_in_the_way(address, &bound) => {
                    taken_by_ours.push((kind, address));
                }
                Err(error) => return Err(error).with_context(|| cannot_listen(kind, address)),
            }
        }
        // Last, when everything else is there.
        for (kind, address) in taken_by_ours {
            self.let_go(address, &mut bound);
            match bind_soon(address).await {
                Ok(socket) => bound.sockets.push((kind, address, socket)),
                Err(error) => {
                    self.abandon(bound).await;
                    return Err(error).with_context(|| cannot_listen(kind, address));
                }
            }
        }
        Ok(bound)
    }

    /// Listens as before [`Self::bind`].
    pub(super) async fn abandon(&mut self, bound: Bound) {
        let Bound { sockets, gave_way, .. } = bound;
        drop(sockets);
        for Running { kind, address, local, .. } in gave_way {
            match bind_soon(local).await {
                Ok(socket) => self.serve(kind, address, socket),
                Err(error) => {
                    error!(api.address = %local, error = %error, "an address was let go and is lost: listening again needs a restart");
                }
            }
        }
    }

    fn has_in_the_way(&self, address: SocketAddr, bound: &Bound) -> bool {
        self.running.iter().any(|one| one.is_in_the_way(address, &bound.wanted))
    }

    /// Ends the old listeners on the same port that are not wanted any more.
    fn let_go(&mut self, address: SocketAddr, bound: &mut Bound) {
        let old = std::mem::take(&mut self.running);
        let (gone, stays): (Vec<_>, Vec<_>) =
            old.into_iter().partition(|one| one.is_in_the_way(address, &bound.wanted));
        gone.iter().for_each(|one| one.stop.cancel());
        bound.gave_way.extend(gone);
        self.running = stays;
    }

    /// Reads the certificate where one is needed. One that is in service stays until [`Self::commit`].
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn read_certificate(
        &self,
        settings: &Settings,
        tls: TlsSettings,
    ) -> anyhow::Result<NewCertificate> {
        if settings.https_listen.is_empty() {
            return Ok(NewCertificate::None);
        }
        let (known, clock) = (self.certificates.clone(), Arc::clone(&self.clock));
        let read = move || match known {
            Some(certificates) => certificates.read(&tls).map(NewCertificate::Next),
            None => Certificates::load(&tls, machine::names(), clock).map(NewCertificate::First),
        };
        tokio::task::spawn_blocking(read).await?.context("there is no certificate to serve HTTPS with")
    }

    /// The fingerprints of the certificate in service and of the one that is to follow, if they are not the same.
    pub(super) fn changed_certificate(&self, certificate: &NewCertificate) -> Option<(String, String)> {
        let (NewCertificate::Next(next), Some(now)) = (certificate, &self.certificates) else { return None };
        let (now, next) = (now.summary().fingerprint, next.summary().fingerprint.clone());
        (now != next).then_some((now, next))
    }

    /// Serves on the new sockets, and ends what is not wanted any more.
    pub(super) fn commit(&mut self, bound: Bound, certificate: NewCertificate, state: &Arc<ApiState>) {
        self.state = Some(Arc::clone(state));
        match (certificate, &self.certificates) {
            (NewCertificate::First(certificates), _) => self.certificates = Some(certificates),
            (NewCertificate::Next(replacement), Some(certificates)) => certificates.put_into_service(replacement),
            (NewCertificate::Next(_) | NewCertificate::None, _) => {}
        }
        let Bound { wanted, sockets, gave_way } = bound;
        let old = std::mem::take(&mut self.running);
        let (stay, go): (Vec<_>, Vec<_>) = old.into_iter().partition(|one| wanted.contains(&(one.kind, one.address)));
        self.running = stay;
        for one in go.into_iter().chain(gave_way) {
            info!(api.address = %one.local, "not listening there any more");
            one.stop.cancel();
        }
        for (kind, address, socket) in sockets {
            self.serve(kind, address, socket);
        }
    }

    fn serve(&mut self, kind: Kind, address: SocketAddr, socket: TcpListener) {
        let (Ok(local), Some(state)) = (socket.local_addr(), &self.state) else { return };
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
                return;
            }
        };
        let stop = self.tasks.stop_token().child_token();
        let serving = http::serve(socket, transport, Arc::clone(state), stop.clone());
        self.tasks.spawn_until(stop.clone(), "api", serving);
        self.running.push(Running { kind, address, local, stop });
    }

    /// Where the API listens without TLS.
    pub(super) fn plain_addresses(&self) -> Vec<SocketAddr> {
        self.running.iter().filter(|one| one.kind == Kind::Http).map(|one| one.local).collect()
    }
}

impl Running {
    /// Tells whether it has what a new listener wants, and may be ended for that.
    fn is_in_the_way(&self, address: SocketAddr, wanted: &[(Kind, SocketAddr)]) -> bool {
        let (own, other) = (self.local.ip(), address.ip());
        let meet = own == other || own.is_unspecified() || other.is_unspecified();
        meet && self.local.port() == address.port() && !wanted.contains(&(self.kind, self.address))
    }
}

fn cannot_listen(kind: Kind, address: SocketAddr) -> String {
    format!("{}: cannot listen on {address}", kind.key())
}

/// Binds an address that is about to become free.
async fn bind_soon(address: SocketAddr) -> io::Result<TcpListener> {
    let end = tokio::time::Instant::now() + LETTING_GO;
    loop {
        match TcpListener::bind(address).await {
            Err(_) if tokio::time::Instant::now() < end => tokio::time::sleep(LOOK_AGAIN).await,
            bound => return bound,
        }
    }
}
