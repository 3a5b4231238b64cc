//! The demo's phone page: the SMS that emulated phones received, shown as they come.
//!
//! For `otp-pi demo` alone. What it shows are real codes of a demonstration, so it is bound to loopback by default and
//! exists in no other command. It never talks to the gateway: it is fed JSON lines by its caller.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use futures_util::Stream;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// How many SMS the page keeps.
const KEPT: usize = 200;

/// One SMS on an emulated phone.
#[derive(Clone, Debug, Serialize)]
pub struct PhoneMessage {
    /// Whose phone: digits with `+`.
    pub phone: String,
    /// What the phone shows.
    pub text: String,
    /// The modem that sent it.
    pub modem: String,
    /// When it was received, milliseconds since the Unix epoch.
    pub at: i64,
}

/// What the phones received so far, and whatever comes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PhoneFeed {
    recent: Arc<Mutex<Vec<PhoneMessage>>>,
    live: broadcast::Sender<PhoneMessage>,
}

impl Default for PhoneFeed {
    fn default() -> Self {
        Self { recent: Arc::default(), live: broadcast::Sender::new(KEPT) }
    }
}

impl PhoneFeed {
    /// Shows one more SMS.
    pub fn push(&self, message: PhoneMessage) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == KEPT {
            recent.remove(0);
        }
        recent.push(message.clone());
        // Under the lock, so that a page that opens now sees it once: in the snapshot or live.
        drop(self.live.send(message));
    }

    fn open(&self) -> (Vec<PhoneMessage>, broadcast::Receiver<PhoneMessage>) {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        (recent.clone(), self.live.subscribe())
    }
}

/// Serves the page until `stop`.
///
/// # Errors
/// What the listener fails with.
pub async fn serve(listener: TcpListener, feed: PhoneFeed, stop: CancellationToken) -> io::Result<()> {
    let router = Router::new()
        .route("/", get(page))
        .route("/phones.css", get(style))
        .route("/phones.js", get(script))
        .route("/phones/events", get(events))
        .with_state((feed, stop.clone()));
    axum::serve(listener, router).with_graceful_shutdown(async move { stop.cancelled().await }).await
}

async fn page() -> impl IntoResponse {
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(include_str!("phones/page.html")))
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("phones/phones.css"))
}

async fn script() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("phones/phones.js"))
}

async fn events(
    State((feed, stop)): State<(PhoneFeed, CancellationToken)>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (recent, live) = feed.open();
    let opened =
        futures_util::stream::unfold((recent.into_iter(), live, stop), |(mut recent, mut live, stop)| async move {
            let message = match recent.next() {
                Some(message) => message,
                None => loop {
                    tokio::select! {
                        () = stop.cancelled() => return None,
                        // Cancel-safe: a broadcast receiver loses nothing when its wait is dropped.
                        received = live.recv() => match received {
                            Ok(message) => break message,
                            Err(broadcast::error::RecvError::Lagged(_)) => {}
                            Err(broadcast::error::RecvError::Closed) => return None,
                        },
                    }
                },
            };
            let event = Event::default().data(serde_json::to_string(&message).unwrap_or_default());
            Some((Ok(event), (recent, live, stop)))
        });
    Sse::new(opened).keep_alive(KeepAlive::default())
}
