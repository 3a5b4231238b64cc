//! A connection that notices a stalled client, and one whose requests have no certain end.
//!
//! For [`super::serve`]. The HTTP library times how long a connection waits for a complete head, idling included; this adds a shorter
//! limit from the first byte of a head, and one for a client that does not read its answers. To the library, a connection ends
//! before the first line that [`Framing`] refuses.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::framing::{Framing, Refusal};

/// How far a connection has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Even while it waits for a head, odd while a request is answered.
    step: AtomicU64,
    /// Heads that have come, also those that wait for the answers before theirs.
    heads: AtomicU64,
}

impl Progress {
    pub(super) fn head_is_complete(&self) {
        self.step.fetch_or(1, Ordering::Relaxed);
    }

    pub(super) fn answer_is_ready(&self) {
        self.step.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn is_answering(&self) -> bool {
        self.awaited_head().is_none()
    }

    /// Whether the client has asked again before it was answered.
    pub(super) fn is_ahead(&self) -> bool {
        self.heads.load(Ordering::Relaxed) > self.step.load(Ordering::Relaxed).div_ceil(2)
    }

    /// Returns which head the connection waits for, if it does.
    fn awaited_head(&self) -> Option<u64> {
        let step = self.step.load(Ordering::Relaxed);
        step.is_multiple_of(2).then_some(step)
    }
}

/// What a client may take its time for.
#[derive(Copy, Clone, Debug)]
pub(super) struct Limits {
    /// From the first byte of a head to its last.
    pub(super) head: Duration,
    /// Without taking a byte that is written to it.
    pub(super) write: Duration,
}

/// A stream whose reads and writes fail when the client stalls.
pub(super) struct Guarded<S> {
    stream: S,
    limits: Limits,
    progress: Arc<Progress>,
    /// `None` where frames say where a request ends, and heads are not awaited in the open.
    framing: Option<Framing>,
    refusal: Option<Refusal>,
    /// The head that has begun, and until when it must be complete.
    begun: Option<(u64, Instant)>,
    read_timer: Option<Pin<Box<Sleep>>>,
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Guarded<S> {
    pub(super) fn new(stream: S, limits: Limits, progress: Arc<Progress>) -> Self {
        let framing = Some(Framing::default());
        Self { stream, limits, progress, framing, refusal: None, begun: None, read_timer: None, write_timer: None }
    }

    /// A stream of HTTP/2, whose heads come in frames.
    pub(super) fn of_frames(stream: S, limits: Limits, progress: Arc<Progress>) -> Self {
        Self { framing: None, ..Self::new(stream, limits, progress) }
    }

    /// Returns why the connection was ended, with the stream to say so over; `None` also where an answer is still on its way.
    pub(super) fn into_refused(self) -> Option<(Refusal, S)> {
        self.refusal.filter(|_| self.write_timer.is_none()).map(|refusal| (refusal, self.stream))
    }

    fn watch_write<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.write_timer = None;
            return polled;
        }
        let until = Instant::now() + self.limits.write;
        let timer = self.write_timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        timer.as_mut().poll(cx).map(|()| Err(stalled()))
    }
}

fn stalled() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client stalled")
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.refusal.is_some() {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buffer);
        let Some(framing) = &mut this.framing else { return polled };
        if let Err((at, refusal)) = framing.judge(buffer.filled().get(before..).unwrap_or_default()) {
            buffer.set_filled(before + at);
            this.refusal = Some(refusal);
        }
        this.progress.heads.store(framing.heads(), Ordering::Relaxed);
        let Some(head) = this.progress.awaited_head() else { return polled };
        let has_begun = this.begun.is_some_and(|(begun, _)| begun == head);
        if polled.is_ready() {
            if buffer.filled().len() > before && !has_begun {
                this.begun = Some((head, Instant::now() + this.limits.head));
                this.read_timer = None;
            }
            return polled;
        }
        match this.begun {
            Some((begun, until)) if begun == head => {
                let timer = this.read_timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
                timer.as_mut().poll(cx).map(|()| Err(stalled()))
            }
            _ => polled,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.watch_write(cx, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.watch_write(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    // A TLS stream keeps bytes back: it is in these two that a client which does not read is noticed.

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_flush(cx);
        this.watch_write(cx, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.watch_write(cx, polled)
    }
}

#[cfg(test)]
mod tests;
