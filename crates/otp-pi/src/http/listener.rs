//! One listening socket: accepts, caps, times out, and ends in order.
//!
//! Called by `app`, which binds the socket. It must never read settings from anywhere but [`ApiState`], and never let a client
//! cost more than its socket: over the cap, of all or of its address, a connection is answered 503 and closed without being read.

mod crowd;
mod framing;
mod guard;
mod secure;
mod streams;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::api::ApiState;
use super::error::Fault;
use super::tls::Certificates;
pub use crowd::{Crowd, Place};
use framing::Refusal;
use guard::{Guarded, Limits, Progress};

/// What one connection may hold in memory: a thousand of them must fit into a small machine.
const BUFFER_BYTES: usize = 64 * 1024;

/// The longest head of a request, in bytes, and the most header fields.
const HEAD_BYTES: usize = 16 * 1024;
const HEADER_FIELDS: usize = 64;

/// Connections over the cap that may be answered at once; more are closed without an answer.
const REFUSALS: usize = 64;

/// How long a connection over the cap has to take its answer.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

/// How long to wait after a failed `accept`, so that a lack of file descriptors does not spin.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// How long a connection that is between two requests may outlive the stop.
const STOP_TIME: Duration = Duration::from_secs(1);

/// How a listener speaks.
#[derive(Clone, Debug)]
pub enum Transport {
    /// HTTP.
    Plain,
    /// HTTPS, with the certificate that is in service when the connection comes.
    Tls(Certificates),
}

/// What a connection takes of the caps, until dropped.
struct Room {
    _permit: OwnedSemaphorePermit,
    _place: Place,
}

/// Serves the API on `listener` until `stop`; then accepts nothing more and returns when the requests under way are answered.
///
/// # Errors
/// None today: a failed `accept` is logged and tried again.
pub async fn serve(
    listener: TcpListener,
    transport: Transport,
    state: Arc<ApiState>,
    stop: CancellationToken,
) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(state.with_settings(|settings| settings.max_connections)));
    let crowd = Arc::new(Crowd::default());
    let refusals = Arc::new(Semaphore::new(REFUSALS));
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
        let most = state.with_settings(|settings| settings.max_connections_per_address);
        let taken = crowd.enter(peer.ip(), most).zip(Arc::clone(&room).try_acquire_owned().ok());
        if let Some(room) = taken.map(|(place, permit)| Room { _permit: permit, _place: place }) {
            let (state, stop) = (Arc::clone(&state), stop.clone());
            drop(match transport.clone() {
                Transport::Plain => connections.spawn(converse(stream, peer, state, stop, room)),
                Transport::Tls(certificates) => {
                    let tasks = connections.clone();
                    connections.spawn(converse_over_tls(stream, certificates, peer, state, stop, room, tasks))
                }
            });
        } else if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
            drop(connections.spawn(refuse(stream, transport.clone(), permit)));
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
    Ok(())
}

/// Agrees on TLS over one connection, then answers its requests.
async fn converse_over_tls(
    stream: TcpStream,
    certificates: Certificates,
    peer: SocketAddr,
    state: Arc<ApiState>,
    stop: CancellationToken,
    room: Room,
    tasks: TaskTracker,
) {
    let handshake_timeout = state.with_settings(|settings| settings.handshake_timeout);
    // Cancel-safe: a connection whose handshake is dropped is closed.
    let agreed = tokio::select! {
        () = stop.cancelled() => return,
        agreed = timeout(handshake_timeout, secure::accept(stream, certificates.current())) => agreed,
    };
    match agreed {
        Ok(Ok(stream)) if secure::is_http2(&stream) => {
            streams::converse(stream, peer, state, stop, tasks).await;
            drop(room);
        }
        Ok(Ok(stream)) => converse(stream, peer, state, stop, room).await,
        // Everyday where anybody may knock.
        Ok(Err(error)) => debug!(error = %error, "no TLS came about"),
        Err(_) => debug!("a TLS handshake stalled"),
    }
}

/// Answers the requests of one connection.
async fn converse<S>(stream: S, peer: SocketAddr, state: Arc<ApiState>, stop: CancellationToken, room: Room)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let limits = state.with_settings(|settings| Limits { head: settings.header_timeout, write: settings.idle_timeout });
    let idle_timeout = limits.write;
    let progress = Arc::new(Progress::default());
    let io = TokioIo::new(Guarded::new(stream, limits, Arc::clone(&progress)));
    let service = service_fn(|request| {
        let (state, progress) = (Arc::clone(&state), Arc::clone(&progress));
        progress.head_is_complete();
        async move {
            let response = state.answer(request, peer.ip()).await;
            if progress.is_ahead() {
                // Who asks without waiting for answers takes turns with the others, one answer each.
                yield_now().await;
            }
            progress.answer_is_ready();
            Ok::<_, Infallible>(response)
        }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(idle_timeout)
        .max_header_size(HEAD_BYTES)
        .max_headers(HEADER_FIELDS)
        .max_buf_size(BUFFER_BYTES)
        // A client may close its sending side behind its request and still wants the answer.
        .half_close(true)
        .serve_connection(io, service);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            Pin::new(&mut connection).graceful_shutdown();
            loop {
                match timeout(STOP_TIME, &mut connection).await {
                    Ok(ended) => break ended,
                    Err(_) if progress.is_answering() => {}
                    Err(_) => break Ok(()),
                }
            }
        }
    };
    if let Err(error) = ended {
        // Time-outs and broken connections are everyday; nothing of the request is in these words.
        debug!(error = %error, "a connection ended early");
    }
    match connection.into_parts().io.into_inner().into_refused() {
        Some((Refusal::Head, stream)) => say(stream, Fault::Malformed).await,
        Some((Refusal::HeadTooLong, stream)) => say(stream, Fault::HeadTooLarge).await,
        // The request was answered where its body was read.
        Some((Refusal::Body, _)) | None => {}
    }
    drop(room);
}

/// Agrees on TLS over one connection that speaks HTTP/1.1 alone. The caller bounds its time.
///
/// # Errors
/// No TLS came about.
pub async fn accept_tls(stream: TcpStream, certificates: &Certificates) -> io::Result<TlsStream<TcpStream>> {
    secure::accept(stream, certificates.for_http1()).await
}

/// Answers 503 over a connection that has no room, without reading a request.
pub async fn refuse(stream: TcpStream, transport: Transport, permit: OwnedSemaphorePermit) {
    match transport {
        Transport::Plain => say(stream, Fault::TooManyConnections).await,
        Transport::Tls(certificates) => {
            if let Ok(Ok(stream)) = timeout(REFUSAL_TIME, secure::accept(stream, certificates.for_http1())).await {
                say(stream, Fault::TooManyConnections).await;
            }
        }
    }
    drop(permit);
}

/// Answers a fault to a client whose request is not read, and closes.
async fn say<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, fault: Fault) {
    let answer = async {
        stream.write_all(fault.raw().as_bytes()).await?;
        stream.shutdown().await?;
        // Read on until the client closes: closing over unread bytes would take the answer away from it.
        let mut thrown_away = [0; 1024];
        while stream.read(&mut thrown_away).await? > 0 {}
        io::Result::Ok(())
    };
    // Whether the client took its answer is its own affair.
    drop(timeout(REFUSAL_TIME, answer).await);
}
