//! The contract of every ticket store, run against each implementation.

use std::sync::Arc;
use std::time::Duration;

use domain::clock::WallTime;
use domain::otp::{Again, AttemptId, Fingerprint, Guess, Reservation, ReserveOutcome, TagEntry, TicketKey, Verdict};
use domain::secret::SecretText;
use tokio::task::JoinSet;

use super::{MemoryTickets, SqliteTickets, TagOutcome, TicketStore};
use crate::tests::support::{self, CODE, NOW, POLICY, Running, binding, fresh_id};

/// One store under test; the running database behind SQLite stays alive with it.
struct Subject {
    tickets: Arc<dyn TicketStore>,
    running: Running,
    _directory: tempfile::TempDir,
}

impl Subject {
    fn key(&self) -> TicketKey {
        self.running.key("reference")
    }

    fn guess(&self, code: &str) -> Guess {
        Guess::new(&binding("reference"), &self.running.store.peppers(), &SecretText::new(code))
    }

    fn reservation(content: &[u8], again: Again) -> Reservation {
        Reservation {
            fingerprint: Fingerprint::derive(&[7; 32], &[content]),
            message_id: fresh_id(),
            deadline: NOW.saturating_add(Duration::from_secs(180)),
            code_policy: POLICY,
            again,
        }
    }

    async fn reserve(&self, reservation: &Reservation) -> ReserveOutcome {
        self.tickets.reserve(self.key(), reservation.clone(), NOW).await.unwrap()
    }

    /// A live ticket with the tag of `CODE`.
    async fn sent(&self) -> TagEntry {
        let reservation = Self::reservation(b"content", Again::Retry);
        assert!(matches!(self.reserve(&reservation).await, ReserveOutcome::New(_)));
        let entry = self.running.tag(reservation.message_id, 1, "reference");
        assert_eq!(self.tickets.put_tag(self.key(), entry).await.unwrap(), TagOutcome::Put);
        entry
    }

    async fn validate(&self, code: &str, now: WallTime) -> Verdict {
        self.tickets.validate(self.key(), self.guess(code), now).await.unwrap()
    }
}

/// Runs one rule against every implementation.
async fn every<F: AsyncFn(&Subject)>(rule: F) {
    for memory in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let running = support::open(directory.path()).await;
        let tickets: Arc<dyn TicketStore> = if memory {
            Arc::new(MemoryTickets::default())
        } else {
            Arc::new(SqliteTickets::new(running.store.inner.mailbox.clone(), running.store.inner.reader.clone()))
        };
        let subject = Subject { tickets, running, _directory: directory };
        rule(&subject).await;
        subject.running.close().await;
    }
}

#[tokio::test]
async fn a_reference_is_taken_once_repeated_alike_and_refused_otherwise() {
    every(async |subject| {
        let first = Subject::reservation(b"content", Again::Retry);
        assert!(matches!(subject.reserve(&first).await, ReserveOutcome::New(_)));
        let again = Subject::reservation(b"content", Again::Retry);
        assert_eq!(subject.reserve(&again).await, ReserveOutcome::Repeat { message_id: first.message_id });
        assert_eq!(subject.reserve(&Subject::reservation(b"other", Again::Retry)).await, ReserveOutcome::Conflict);
        let resend = Subject::reservation(b"content", Again::Resend);
        assert!(matches!(subject.reserve(&resend).await, ReserveOutcome::Resent(_)));
        assert_eq!(subject.tickets.find_message(subject.key()).await.unwrap(), Some(resend.message_id));
    })
    .await;
}

#[tokio::test]
async fn a_resend_without_a_try_left_changes_nothing() {
    every(async |subject| {
        subject.sent().await;
        for _ in 0..POLICY.max_attempts {
            subject.validate("000000", NOW).await;
        }
        let before = subject.tickets.find(subject.key()).await.unwrap();
        assert!(before.is_some());
        let resend = Subject::reservation(b"content", Again::Resend);
        assert_eq!(subject.reserve(&resend).await, ReserveOutcome::NoTries);
        assert_eq!(subject.tickets.find(subject.key()).await.unwrap(), before);
        assert_eq!(subject.tickets.find(subject.running.key("another")).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn parallel_reservations_of_one_reference_have_one_winner() {
    every(async |subject| {
        let mut callers = JoinSet::new();
        for _ in 0..50 {
            let (tickets, key) = (Arc::clone(&subject.tickets), subject.key());
            let reservation = Subject::reservation(b"content", Again::Retry);
            callers.spawn(async move { tickets.reserve(key, reservation, NOW).await.unwrap() });
        }
        let outcomes = callers.join_all().await;
        let new = outcomes.iter().filter(|outcome| matches!(outcome, ReserveOutcome::New(_))).count();
        let repeats = outcomes.iter().filter(|outcome| matches!(outcome, ReserveOutcome::Repeat { .. })).count();
        assert_eq!((new, repeats), (1, 49));
    })
    .await;
}

#[tokio::test]
async fn fifty_parallel_wrong_guesses_never_overrun_the_budget() {
    every(async |subject| {
        subject.sent().await;
        let mut callers = JoinSet::new();
        for _ in 0..50 {
            let (tickets, key, guess) = (Arc::clone(&subject.tickets), subject.key(), subject.guess("000000"));
            callers.spawn(async move { tickets.validate(key, guess, NOW).await.unwrap() });
        }
        let verdicts = callers.join_all().await;
        let wrong = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Wrong { .. })).count();
        let refused = verdicts.iter().filter(|verdict| **verdict == Verdict::TooManyAttempts).count();
        assert_eq!((wrong, refused), (5, 45));
        assert_eq!(subject.validate(CODE, NOW).await, Verdict::TooManyAttempts);
    })
    .await;
}

#[tokio::test]
async fn two_hundred_parallel_right_guesses_have_exactly_one_winner() {
    every(async |subject| {
        subject.sent().await;
        let mut callers = JoinSet::new();
        for _ in 0..200 {
            let (tickets, key, guess) = (Arc::clone(&subject.tickets), subject.key(), subject.guess(CODE));
            callers.spawn(async move { tickets.validate(key, guess, NOW).await.unwrap() });
        }
        let verdicts = callers.join_all().await;
        let winners = verdicts.iter().filter(|verdict| **verdict == Verdict::Valid).count();
        let used = verdicts.iter().filter(|verdict| **verdict == Verdict::Used).count();
        assert_eq!((winners, used), (1, 199));
    })
    .await;
}

#[tokio::test]
async fn before_a_code_exists_no_attempt_is_counted() {
    every(async |subject| {
        assert_eq!(subject.validate(CODE, NOW).await, Verdict::NoCode, "no ticket");
        let reservation = Subject::reservation(b"content", Again::Retry);
        subject.reserve(&reservation).await;
        for _ in 0..10 {
            assert_eq!(subject.validate(CODE, NOW).await, Verdict::NoCode);
        }
        let entry = subject.running.tag(reservation.message_id, 1, "reference");
        assert_eq!(subject.tickets.put_tag(subject.key(), entry).await.unwrap(), TagOutcome::Put);
        assert_eq!(subject.validate("000000", NOW).await, Verdict::Wrong { attempts_left: 4 });
        assert_eq!(subject.validate(CODE, NOW).await, Verdict::Valid);
    })
    .await;
}

#[tokio::test]
async fn a_removed_tag_is_no_longer_valid() {
    every(async |subject| {
        let entry = subject.sent().await;
        let key = subject.key();
        let other = AttemptId { attempt: 2, ..entry.attempt };
        assert!(subject.tickets.has_tag(key, entry.attempt).await.unwrap());
        assert!(!subject.tickets.has_tag(key, other).await.unwrap());
        assert!(!subject.tickets.remove_tag(key, other).await.unwrap());
        assert!(subject.tickets.remove_tag(key, entry.attempt).await.unwrap());
        assert!(!subject.tickets.has_tag(key, entry.attempt).await.unwrap());
        assert_eq!(subject.validate(CODE, NOW).await, Verdict::NoCode);
    })
    .await;
}

#[tokio::test]
async fn to_ask_whether_a_code_can_be_entered_counts_and_uses_nothing() {
    every(async |subject| {
        let asks = async |now| subject.tickets.takes_guesses(subject.key(), now).await.unwrap();
        assert!(!asks(NOW).await, "no ticket");
        subject.sent().await;
        for _ in 0..10 {
            assert!(asks(NOW).await);
        }
        assert!(!asks(NOW.saturating_add(Duration::from_secs(180))).await, "expired");
        assert_eq!(subject.validate("000000", NOW).await, Verdict::Wrong { attempts_left: 4 });
        assert_eq!(subject.validate(CODE, NOW).await, Verdict::Valid);
        assert!(!asks(NOW).await, "used");
    })
    .await;
}

#[tokio::test]
async fn a_renewal_of_a_ticket_without_tries_begins_anew() {
    every(async |subject| {
        let first = subject.sent().await;
        for _ in 0..5 {
            assert!(matches!(subject.validate("000000", NOW).await, Verdict::Wrong { .. }));
        }
        assert!(!subject.tickets.takes_guesses(subject.key(), NOW).await.unwrap());
        let renewal = Subject::reservation(b"other", Again::Renew);
        assert!(matches!(subject.reserve(&renewal).await, ReserveOutcome::New(_)));
        assert!(!subject.tickets.has_tag(subject.key(), first.attempt).await.unwrap(), "the old code is worth nothing");
        let entry = subject.running.tag(renewal.message_id, 1, "reference");
        assert_eq!(subject.tickets.put_tag(subject.key(), entry).await.unwrap(), TagOutcome::Put);
        assert_eq!(subject.validate(CODE, NOW).await, Verdict::Valid);
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_ticket_takes_no_tag_and_no_guess() {
    every(async |subject| {
        let entry = subject.sent().await;
        let key = subject.key();
        assert_eq!(subject.tickets.cancel(key, NOW).await.unwrap(), Some(entry.attempt.message_id));
        assert_eq!(subject.tickets.cancel(key, NOW).await.unwrap(), None);
        assert_eq!(subject.tickets.put_tag(key, entry).await.unwrap(), TagOutcome::Cancelled);
        assert_eq!(subject.validate(CODE, NOW).await, Verdict::NoCode);
    })
    .await;
}

#[tokio::test]
async fn an_expired_code_is_told_from_an_unknown_one() {
    every(async |subject| {
        subject.sent().await;
        let late = NOW.saturating_add(Duration::from_secs(180));
        assert_eq!(subject.validate(CODE, late).await, Verdict::Expired);
    })
    .await;
}

#[tokio::test]
async fn a_tag_that_cannot_be_put_says_why() {
    every(async |subject| {
        let key = subject.key();
        let mut lost = subject.running.tag(fresh_id(), 1, "reference");
        assert_eq!(subject.tickets.put_tag(key, lost).await.unwrap(), TagOutcome::Lost);
        let entry = subject.sent().await;
        assert_eq!(subject.tickets.put_tag(key, lost).await.unwrap(), TagOutcome::Superseded);
        assert!(!subject.tickets.was_entered(key, entry.attempt.message_id).await.unwrap());
        assert_eq!(subject.validate(CODE, NOW).await, Verdict::Valid);
        assert!(subject.tickets.was_entered(key, entry.attempt.message_id).await.unwrap());
        assert_eq!(subject.tickets.put_tag(key, entry).await.unwrap(), TagOutcome::Consumed);
        lost.attempt.attempt = 2;
        assert_eq!(subject.tickets.put_tag(key, lost).await.unwrap(), TagOutcome::Superseded, "not its code");
    })
    .await;
}
