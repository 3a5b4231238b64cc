//! One WebSocket connection: frames in go to the relay, frames of the relay go out, pings find out whether somebody is there.
//!
//! For [`super::server`]. It must never wait for its peer without a limit.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use super::relay::{Member, Outlet};

/// The longest text, in one frame or in several.
const LARGEST_FRAME: usize = 64 * 1024;

/// What one connection may hold before the peer takes it.
const READ_BUFFER: usize = 4 * 1024;
const WRITE_BUFFER: usize = 16 * 1024;
const LARGEST_WRITE_BUFFER: usize = 256 * 1024;

/// How long a peer may not take what is written.
const WRITE_TIME: Duration = Duration::from_secs(10);

/// How long a peer has to answer a ping.
const PONG_TIME: Duration = Duration::from_secs(10);

/// How long a close waits for the peer's own.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// Why a connection ends.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// The peer closed, or its connection broke.
    Gone,
    /// The broker stops.
    Stopped,
    /// It did not read what came for it.
    TooSlow,
    /// It did not answer a ping.
    Silent,
    /// A frame that is not text.
    Binary,
    /// A text longer than allowed.
    TooLong,
    /// A text that is not UTF-8.
    NotUtf8,
    /// What came is no WebSocket.
    Malformed,
}

impl End {
    /// What the peer is told.
    ///
    /// # Standard
    /// RFC 6455 section 7.4.1; 1013 is of IANA's registry of close codes.
    fn frame(self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Gone => return None,
            Self::Stopped => (CloseCode::Away, "the broker stops"),
            Self::TooSlow => (CloseCode::Again, "too slow: frames were lost"),
            Self::Silent => (CloseCode::Policy, "no answer to a ping"),
            Self::Binary => (CloseCode::Unsupported, "only text is relayed"),
            Self::TooLong => (CloseCode::Size, "a text has at most 65536 bytes"),
            Self::NotUtf8 => (CloseCode::Invalid, "not UTF-8"),
            Self::Malformed => (CloseCode::Protocol, "malformed"),
        };
        Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) })
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        match error {
            Error::Capacity(_) => Self::TooLong,
            Error::Utf8(_) => Self::NotUtf8,
            Error::Protocol(_) => Self::Malformed,
            _ => Self::Gone,
        }
    }
}

/// Relays for one connection until it ends, and closes it.
pub(super) async fn converse<S>(
    stream: S,
    (member, mut outlet, is_too_slow): (Member, Outlet, CancellationToken),
    ping_interval: Duration,
    stop: &CancellationToken,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(LARGEST_WRITE_BUFFER)
        .max_message_size(Some(LARGEST_FRAME))
        .max_frame_size(Some(LARGEST_FRAME));
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    let (mut sink, mut stream) = socket.split();
    let heard = AtomicU64::new(0);
    // Cancel-safe: whatever is dropped half way, the connection ends.
    let end = tokio::select! {
        end = read(&mut stream, &member, &heard) => end,
        end = write(&mut sink, &mut outlet, &heard, ping_interval) => end,
        () = is_too_slow.cancelled() => End::TooSlow,
        () = stop.cancelled() => End::Stopped,
    };
    // Nothing more is meant for it, and its queue is given back before the peer has time to close.
    drop((member, outlet));
    if let (Some(frame), Ok(mut socket)) = (end.frame(), stream.reunite(sink)) {
        let closed = async {
            socket.close(Some(frame)).await?;
            // The peer's own close, or the end of its connection; closing over unread bytes would take ours away from it.
            while socket.next().await.transpose()?.is_some() {}
            Ok::<_, Error>(())
        };
        // Whether it took the news is its own affair.
        drop(timeout(CLOSE_TIME, closed).await);
    }
    end
}

async fn read<S>(stream: &mut SplitStream<WebSocketStream<S>>, member: &Member, heard: &AtomicU64) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = stream.next().await {
        heard.fetch_add(1, Ordering::Relaxed);
        match message {
            Ok(Message::Text(text)) => {
                member.send(&text);
                // Who sends much takes turns with those who are to receive it.
                yield_now().await;
            }
            Ok(Message::Binary(_)) => return End::Binary,
            // Pings are answered by the library, and so is a close.
            Ok(_) => {}
            Err(error) => return error.into(),
        }
    }
    End::Gone
}

async fn write<S>(
    sink: &mut SplitSink<WebSocketStream<S>, Message>,
    outlet: &mut Outlet,
    heard: &AtomicU64,
    ping_interval: Duration,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let pong_time = PONG_TIME.min(ping_interval);
    let mut wakes_at = Instant::now() + ping_interval;
    // What was heard when the ping went out that is not answered yet.
    let mut pinged: Option<u64> = None;
    loop {
        // Cancel-safe: a queue loses nothing when its wait is dropped.
        let next = tokio::select! {
            () = sleep_until(wakes_at) => None,
            next = outlet.next() => match next {
                Some(text) => Some(text),
                // Given up: that is told by its token.
                None => std::future::pending().await,
            },
        };
        let written = match next {
            Some(text) => timeout(WRITE_TIME, write_all(sink, text, outlet)).await,
            None => match pinged.take() {
                Some(before) if heard.load(Ordering::Relaxed) == before => return End::Silent,
                Some(_) => {
                    wakes_at = Instant::now() + ping_interval.saturating_sub(pong_time);
                    continue;
                }
                None => {
                    pinged = Some(heard.load(Ordering::Relaxed));
                    wakes_at = Instant::now() + pong_time;
                    timeout(WRITE_TIME, sink.send(Message::Ping(Bytes::new()))).await
                }
            },
        };
        match written {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return End::Gone,
            Err(_) => return End::TooSlow,
        }
    }
}

/// Writes a frame and those that wait behind it, as far as they fit into one write.
async fn write_all<S>(
    sink: &mut SplitSink<WebSocketStream<S>, Message>,
    first: Utf8Bytes,
    outlet: &mut Outlet,
) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut bytes = first.len();
    sink.feed(Message::Text(first)).await?;
    while bytes < WRITE_BUFFER
        && let Some(text) = outlet.take_waiting()
    {
        bytes += text.len();
        sink.feed(Message::Text(text)).await?;
    }
    sink.flush().await
}
