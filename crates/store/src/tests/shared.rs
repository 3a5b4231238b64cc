//! Tickets that live elsewhere, and an elsewhere that does not answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use domain::clock::WallTime;
use domain::message::{MessageId, MessageState};
use domain::otp::{AttemptId, Guess, Reservation, ReserveOutcome, TagEntry, Ticket, TicketKey, Verdict};

use tokio::sync::oneshot;

use super::support::{self, NOW, Running};
use crate::tickets::{MemoryTickets, TagOutcome, TicketFuture, TicketStore};
use crate::{Accepted, BeginAttempt, Change, StoreError};

/// Tickets in memory that can be cut off, and be slow to answer.
#[derive(Default)]
struct Flaky {
    tickets: MemoryTickets,
    is_down: AtomicBool,
    /// The answer to the next reservation waits for it.
    held: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Flaky {
    fn answer<'a, T: 'a + Send>(&self, answer: TicketFuture<'a, T>) -> TicketFuture<'a, T> {
        if self.is_down.load(Ordering::SeqCst) { Box::pin(std::future::ready(Err(StoreError::Locked))) } else { answer }
    }
}

impl TicketStore for Flaky {
    fn reserve(&self, key: TicketKey, reservation: Reservation, now: WallTime) -> TicketFuture<'_, ReserveOutcome> {
        let reserved = self.answer(self.tickets.reserve(key, reservation, now));
        match self.held.lock().unwrap().take() {
            None => reserved,
            Some(held) => Box::pin(async {
                held.await.unwrap();
                reserved.await
            }),
        }
    }
    fn put_tag(&self, key: TicketKey, entry: TagEntry) -> TicketFuture<'_, TagOutcome> {
        self.answer(self.tickets.put_tag(key, entry))
    }
    fn remove_tag(&self, key: TicketKey, attempt: AttemptId) -> TicketFuture<'_, bool> {
        self.answer(self.tickets.remove_tag(key, attempt))
    }
    fn has_tag(&self, key: TicketKey, attempt: AttemptId) -> TicketFuture<'_, bool> {
        self.answer(self.tickets.has_tag(key, attempt))
    }
    fn validate(&self, key: TicketKey, guess: Guess, now: WallTime) -> TicketFuture<'_, Verdict> {
        self.answer(self.tickets.validate(key, guess, now))
    }
    fn takes_guesses(&self, key: TicketKey, now: WallTime) -> TicketFuture<'_, bool> {
        self.answer(self.tickets.takes_guesses(key, now))
    }
    fn cancel(&self, key: TicketKey, now: WallTime) -> TicketFuture<'_, Option<MessageId>> {
        self.answer(self.tickets.cancel(key, now))
    }
    fn was_entered(&self, key: TicketKey, message_id: MessageId) -> TicketFuture<'_, bool> {
        self.answer(self.tickets.was_entered(key, message_id))
    }
    fn release(&self, key: TicketKey, message_id: MessageId, now: WallTime) -> TicketFuture<'_, bool> {
        self.answer(self.tickets.release(key, message_id, now))
    }
    fn find(&self, key: TicketKey) -> TicketFuture<'_, Option<Ticket>> {
        self.answer(self.tickets.find(key))
    }
    fn find_message(&self, key: TicketKey) -> TicketFuture<'_, Option<MessageId>> {
        self.answer(self.tickets.find_message(key))
    }
}

async fn open(directory: &std::path::Path) -> (Running, Arc<Flaky>) {
    let mut running = support::try_open(support::with_memory_tickets(directory)).await.unwrap();
    let flaky = Arc::new(Flaky::default());
    running.store.use_tickets(Arc::clone(&flaky) as Arc<dyn TicketStore>);
    (running, flaky)
}

#[tokio::test]
async fn an_end_is_recorded_although_its_tag_cannot_be_reached() {
    let directory = tempfile::tempdir().unwrap();
    let (running, flaky) = open(directory.path()).await;
    let (refused, doubtful) = (running.accept_otp("refused").await, running.accept_otp("doubtful").await);
    assert!(running.begin_otp(refused, 1, "refused").await);
    assert!(running.begin_otp(doubtful, 1, "doubtful").await);
    flaky.is_down.store(true, Ordering::SeqCst);
    let attempt = |message_id| AttemptId { message_id, attempt: 1 };
    let remove_tag = Some(running.key("refused"));
    running
        .record(Change::NotSent {
            attempt: attempt(refused),
            modem: None,
            code: None,
            retry_at: None,
            remove_tag,
            at: NOW,
        })
        .await;
    let reason = "no answer".to_owned();
    running.record(Change::Unknown { attempt: attempt(doubtful), part: None, resend: false, reason, at: NOW }).await;
    running.settle().await;
    assert_eq!(running.status(refused).await.state, MessageState::Queued);
    assert_eq!(running.status(doubtful).await.state, MessageState::Unknown);
    running.close().await;
}

#[tokio::test]
async fn an_attempt_whose_tag_cannot_be_put_has_sent_nothing_and_its_number_is_used_up() {
    let directory = tempfile::tempdir().unwrap();
    let (running, flaky) = open(directory.path()).await;
    let id = running.accept_otp("reference").await;
    flaky.is_down.store(true, Ordering::SeqCst);
    let ticket = Some((running.key("reference"), running.tag(id, 1, "reference")));
    let begin = BeginAttempt {
        message_id: id,
        attempt: 1,
        modem: "telkomsel-1".to_owned(),
        parts: 1,
        at: NOW,
        ticket,
        why: None,
        sim: None,
    };
    assert!(matches!(running.store.begin_attempt(begin).await, Err(StoreError::Locked)));
    flaky.is_down.store(false, Ordering::SeqCst);
    running.settle().await;
    assert_eq!(running.status(id).await.state, MessageState::Queued);
    assert!(!running.begin_otp(id, 1, "reference").await);
    assert!(running.begin_otp(id, 2, "reference").await);
    running.close().await;
}

#[tokio::test]
async fn two_identical_requests_become_one_message_whichever_of_them_reaches_the_writer_first() {
    let directory = tempfile::tempdir().unwrap();
    let (running, flaky) = open(directory.path()).await;
    let (release, held) = oneshot::channel();
    *flaky.held.lock().unwrap() = Some(held);
    let request = running.otp("reference");
    let (first, second) = tokio::join!(running.accept(request.clone()), async {
        let accepted = running.accept(running.otp("reference")).await;
        release.send(()).unwrap();
        accepted
    });
    let message_id = request.message.id;
    assert_eq!(second, Accepted::New { message_id }, "it completes what the first began");
    assert_eq!(first, Accepted::Repeat { message_id, state: MessageState::Queued });
    running.close().await;
}
