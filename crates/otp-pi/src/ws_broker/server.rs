//! The listening socket of the broker: accepts, caps, times out, and ends in order.
//!
//! Called by `cli`, which binds the socket. It must never let a connection over the cap cost more than a word.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use super::connection::{End, converse};
use super::handshake::agree;
use super::relay::Relay;
use crate::http::auth::Auth;
use crate::http::{Crowd, Transport, accept_tls, refuse};

/// How long a client has for TLS, its head and its login.
const HANDSHAKE_TIME: Duration = Duration::from_secs(20);
const HEAD_TIME: Duration = Duration::from_secs(10);

/// The longest head of a handshake, in bytes, and the most header fields.
const HEAD_BYTES: usize = 16 * 1024;
const HEADER_FIELDS: usize = 64;

/// Connections over the cap that may be answered at once; more are closed without an answer.
const REFUSALS: usize = 64;

/// How long to wait after a failed `accept`, so that a lack of file descriptors does not spin.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// How the broker works. Built by `cli`.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where handshakes are taken; anywhere when there is none.
    pub path: Option<String>,
    /// Connections in all.
    pub max_connections: usize,
    /// Connections of one address.
    pub max_connections_per_address: usize,
    /// How often a connection is asked whether it is there.
    pub ping_interval: Duration,
}

/// A connection that was agreed to.
struct Upgrade {
    user: String,
    topic: String,
    connection: OnUpgrade,
}

struct Broker {
    settings: Settings,
    auth: Auth,
    relay: Arc<Relay>,
    stop: CancellationToken,
}

/// Relays on `listener` until `stop`; then accepts nothing more, closes every connection with 1001 and returns.
pub async fn serve(
    listener: TcpListener,
    transport: Transport,
    settings: Settings,
    auth: Auth,
    stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(settings.max_connections));
    let (crowd, refusals) = (Arc::new(Crowd::default()), Arc::new(Semaphore::new(REFUSALS)));
    let broker = Arc::new(Broker { settings, auth, relay: Arc::default(), stop: stop.clone() });
    let connections = TaskTracker::new();
    loop {
        // Cancel-safe: `accept` loses no connection when its wait is dropped.
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(error = %error, "a connection could not be accepted");
                sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            debug!(error = %error, "a connection ended before it began");
            continue;
        }
        let place = crowd.enter(peer.ip(), broker.settings.max_connections_per_address);
        if let Some(taken) = place.zip(Arc::clone(&room).try_acquire_owned().ok()) {
            let (broker, transport) = (Arc::clone(&broker), transport.clone());
            drop(connections.spawn(async move {
                broker.attend(stream, transport, peer).await;
                drop(taken);
            }));
        } else if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
            drop(connections.spawn(refuse(stream, transport.clone(), permit)));
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
    let (relayed, dropped) = broker.relay.totals();
    info!(broker.relayed = relayed, broker.dropped = dropped, "stopped");
}

impl Broker {
    /// One connection from its first byte to its last.
    async fn attend(&self, stream: TcpStream, transport: Transport, peer: SocketAddr) {
        let agreed = async {
            match transport {
                Transport::Plain => self.shake_hands(stream, peer).await,
                Transport::Tls(certificates) => match accept_tls(stream, &certificates).await {
                    Ok(stream) => self.shake_hands(stream, peer).await,
                    // Everyday where anybody may knock.
                    Err(error) => {
                        debug!(error = %error, "no TLS came about");
                        None
                    }
                },
            }
        };
        // Cancel-safe: a connection whose handshake is dropped is closed.
        let agreed = tokio::select! {
            () = self.stop.cancelled() => return,
            agreed = timeout(HANDSHAKE_TIME, agreed) => agreed,
        };
        let Ok(Some(upgrade)) = agreed else { return };
        let Ok(upgraded) = upgrade.connection.await else { return };
        let place = self.relay.join(upgrade.topic);
        debug!(broker.user = upgrade.user, broker.peer = %peer, "connected");
        let end = converse(TokioIo::new(upgraded), place, self.settings.ping_interval, &self.stop).await;
        match end {
            End::Gone | End::Stopped => debug!(broker.user = upgrade.user, broker.peer = %peer, "disconnected"),
            End::TooSlow => warn!(
                broker.user = upgrade.user,
                broker.peer = %peer,
                "a receiver was dropped because it did not read: frames for it are lost"
            ),
            End::Silent | End::Binary | End::TooLong | End::NotUtf8 | End::Malformed => {
                info!(broker.user = upgrade.user, broker.peer = %peer, broker.end = ?end, "a connection was closed");
            }
        }
    }

    /// Answers the one request of a connection.
    async fn shake_hands<S>(&self, stream: S, peer: SocketAddr) -> Option<Upgrade>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let challenge = HeaderValue::from_static("Basic realm=\"ws-broker\", charset=\"UTF-8\"");
        let found = Mutex::new(None);
        let service = service_fn(|mut request| {
            let (found, challenge) = (&found, &challenge);
            async move {
                let agreed = agree(&request, &self.auth, self.settings.path.as_deref(), peer.ip()).await;
                Ok::<_, Infallible>(match agreed {
                    Ok(agreed) => {
                        let connection = hyper::upgrade::on(&mut request);
                        let upgrade = Upgrade { user: agreed.user, topic: agreed.topic, connection };
                        *found.lock().unwrap_or_else(PoisonError::into_inner) = Some(upgrade);
                        agreed.answer
                    }
                    Err(fault) => fault.response(challenge),
                })
            }
        });
        let ended = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_buf_size(HEAD_BYTES)
            .max_headers(HEADER_FIELDS)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
            .await;
        if let Err(error) = ended {
            // Nothing of the request is in these words.
            debug!(error = %error, "no handshake came about");
        }
        found.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
