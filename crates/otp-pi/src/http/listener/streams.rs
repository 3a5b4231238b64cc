//! One connection of HTTP/2: many requests at once, in bounds.
//!
//! For [`super::serve`], over TLS alone and where the client chose it. What a request may cost is bounded where it is answered, as over
//! HTTP/1.1; here is bounded how many there are at once, what is kept of them, and how long a connection lives that asks nothing.
//! It must never let one connection hold more than [`STREAMS`] requests, and never wait for a client that reads nothing.
//!
//! # Standard
//! RFC 9113 sections 5.1.2, 6.5.2, 6.9 and 10.5.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, HOST};
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, http};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::guard::{Guarded, Limits, Progress};
use super::{BUFFER_BYTES, HEAD_BYTES, STOP_TIME};
use crate::http::api::ApiState;
use crate::http::error::Fault;

/// Requests that one connection may have under way.
const STREAMS: u32 = 32;

/// What a client may send ahead, in bytes: on one request as much as a body may be long, on all together twice that.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 2 * STREAM_WINDOW;

/// The longest frame, in bytes: the least that every client must be allowed.
const FRAME_BYTES: u32 = 16 * 1024;

/// Requests that a client may take back before they are looked at, and ones that are taken back for its faults; one more ends the
/// connection.
const RESETS: usize = 20;

/// How many requests are under way, and since when there is none.
#[derive(Debug)]
struct Activity(Mutex<(usize, Instant)>);

impl Activity {
    fn new() -> Self {
        Self(Mutex::new((0, Instant::now())))
    }

    fn begin(self: &Arc<Self>) -> Active {
        self.lock().0 += 1;
        Active(Arc::clone(self))
    }

    fn is_idle(&self) -> bool {
        self.lock().0 == 0
    }

    /// Until when the connection may stay without a request.
    fn deadline(&self, idle_timeout: Duration) -> Instant {
        let (under_way, since) = *self.lock();
        if under_way == 0 { since + idle_timeout } else { Instant::now() + idle_timeout }
    }

    fn lock(&self) -> MutexGuard<'_, (usize, Instant)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is under way; also one that the client takes back ends.
struct Active(Arc<Activity>);

impl Drop for Active {
    fn drop(&mut self) {
        let mut activity = self.0.lock();
        *activity = (activity.0.saturating_sub(1), Instant::now());
    }
}

/// Runs the requests of a connection as tasks that the stop waits for.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F> Executor<F> for Tracked
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, request: F) {
        drop(self.0.spawn(request));
    }
}

/// Answers the requests of one connection.
pub(super) async fn converse<S>(
    stream: S,
    peer: SocketAddr,
    state: Arc<ApiState>,
    stop: CancellationToken,
    tasks: TaskTracker,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = state.with_settings(|settings| Limits { head: settings.header_timeout, write: settings.idle_timeout });
    let idle_timeout = limits.write;
    let ping_timeout = limits.head;
    // The frames bring their own ends: nothing of what guards HTTP/1.1 is of use but the time-out of a client that reads nothing.
    let io = TokioIo::new(Guarded::of_frames(stream, limits, Arc::<Progress>::default()));
    let activity = Arc::new(Activity::new());
    let service = service_fn(|request: Request<Incoming>| {
        let (state, active) = (Arc::clone(&state), activity.begin());
        async move {
            let response = if is_unambiguous(&request) {
                state.answer(request, peer.ip()).await
            } else {
                state.refuse(Fault::Malformed)
            };
            drop(active);
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http2::Builder::new(Tracked(tasks))
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_BYTES)
        .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
        .max_send_buf_size(BUFFER_BYTES)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(RESETS)
        .keep_alive_interval(idle_timeout / 2)
        .keep_alive_timeout(ping_timeout)
        .serve_connection(io, service);
    let mut connection = std::pin::pin!(connection);
    let ended = loop {
        let deadline = activity.deadline(idle_timeout);
        tokio::select! {
            ended = connection.as_mut() => break ended,
            () = sleep_until(deadline) => {
                if activity.deadline(idle_timeout) > deadline {
                    continue;
                }
            }
            () = stop.cancelled() => {}
        }
        connection.as_mut().graceful_shutdown();
        break loop {
            match timeout(STOP_TIME, connection.as_mut()).await {
                Ok(ended) => break ended,
                Err(_) if !activity.is_idle() => {}
                Err(_) => break Ok(()),
            }
        };
    };
    if let Err(error) = ended {
        debug!(error = %error, "a connection ended early");
    }
}

/// Tells whether host and length are each told once; a `Host` beside `:authority` must say the same.
fn is_unambiguous(request: &Request<Incoming>) -> bool {
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let is_same = |host: &[u8]| authority.is_none_or(|authority| host.eq_ignore_ascii_case(authority.as_bytes()));
    let mut hosts = request.headers().get_all(HOST).iter();
    let is_one_host = hosts.next().is_none_or(|host| is_same(host.as_bytes())) && hosts.next().is_none();
    is_one_host && request.headers().get_all(CONTENT_LENGTH).iter().count() <= 1
}
