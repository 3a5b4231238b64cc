//! The contract of every ticket store, run against each implementation.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain::clock::{Clock, Manual, WallTime};
use domain::message::MessageId;
use domain::otp::{
    Again, AttemptId, Fingerprint, Guess, Reservation, ReserveOutcome, TagEntry, Ticket, TicketKey, Verdict,
};
use domain::secret::SecretText;
use tokio::task::JoinSet;

use super::remote::RemoteTickets;
use super::{MemoryTickets, SqliteTickets, TagOutcome, TicketFuture, TicketStore};
use crate::shared::Server;
use crate::tests::servers::{TestEngine, TestServer, tell};
use crate::tests::support::{self, CODE, NOW, POLICY, Running, binding, fresh_id};

/// One store under test; the running database behind SQLite stays alive with it.
struct Subject {
    tickets: Arc<dyn TicketStore>,
    running: Running,
    _directory: tempfile::TempDir,
}

impl Subject {
    async fn open(place: impl Fn(&Running) -> Arc<dyn TicketStore>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let running = support::open(directory.path()).await;
        Self { tickets: place(&running), running, _directory: directory }
    }

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

/// Each rule is a test of its own for the stores that need no server, and one of the many of a test of each server.
macro_rules! rules {
    ($($rule:ident),+ $(,)?) => {
        mod here {
            $(
                #[tokio::test]
                async fn $rule() {
                    for place in [super::in_memory, super::in_sqlite] {
                        let subject = super::Subject::open(place).await;
                        super::$rule(&subject).await;
                        subject.running.close().await;
                    }
                }
            )+
        }

        /// All rules against one place.
        async fn keep_the_contract(place: impl Fn(&Running) -> Arc<dyn TicketStore>) {
            $(
                tell(concat!("rule: ", stringify!($rule)));
                let subject = Subject::open(&place).await;
                $rule(&subject).await;
                subject.running.close().await;
            )+
        }
    };
}

rules! {
    a_reference_is_taken_once_repeated_alike_and_refused_otherwise,
    a_resend_without_a_try_left_changes_nothing,
    parallel_reservations_of_one_reference_have_one_winner,
    fifty_parallel_wrong_guesses_never_overrun_the_budget,
    two_hundred_parallel_right_guesses_have_exactly_one_winner,
    before_a_code_exists_no_attempt_is_counted,
    a_removed_tag_is_no_longer_valid,
    to_ask_whether_a_code_can_be_entered_counts_and_uses_nothing,
    a_renewal_of_a_ticket_without_tries_begins_anew,
    a_cancelled_ticket_takes_no_tag_and_no_guess,
    an_expired_code_is_told_from_an_unknown_one,
    a_tag_that_cannot_be_put_says_why,
}

fn in_memory(_: &Running) -> Arc<dyn TicketStore> {
    Arc::new(MemoryTickets::default())
}

fn in_sqlite(running: &Running) -> Arc<dyn TicketStore> {
    let inner = &running.store.inner;
    Arc::new(SqliteTickets::new(inner.mailbox.clone(), inner.reader.clone()))
}

/// Two nodes that share one server: every call goes to the other one than the call before.
struct TwoNodes {
    nodes: [RemoteTickets; 2],
    turn: AtomicUsize,
}

impl TwoNodes {
    fn on(server: &TestServer, clock: &Arc<Manual>) -> Arc<dyn TicketStore> {
        let node = || {
            let clock = Arc::clone(clock) as Arc<dyn Clock>;
            let rows = Server::open(&server.address(), Arc::clone(&clock)).unwrap().tickets;
            RemoteTickets::new(rows, clock)
        };
        Arc::new(Self { nodes: [node(), node()], turn: AtomicUsize::new(0) })
    }

    fn next(&self) -> &RemoteTickets {
        &self.nodes[self.turn.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

impl TicketStore for TwoNodes {
    fn reserve(&self, key: TicketKey, reservation: Reservation, now: WallTime) -> TicketFuture<'_, ReserveOutcome> {
        self.next().reserve(key, reservation, now)
    }
    fn put_tag(&self, key: TicketKey, entry: TagEntry) -> TicketFuture<'_, TagOutcome> {
        self.next().put_tag(key, entry)
    }
    fn remove_tag(&self, key: TicketKey, attempt: AttemptId) -> TicketFuture<'_, bool> {
        self.next().remove_tag(key, attempt)
    }
    fn has_tag(&self, key: TicketKey, attempt: AttemptId) -> TicketFuture<'_, bool> {
        self.next().has_tag(key, attempt)
    }
    fn validate(&self, key: TicketKey, guess: Guess, now: WallTime) -> TicketFuture<'_, Verdict> {
        self.next().validate(key, guess, now)
    }
    fn takes_guesses(&self, key: TicketKey, now: WallTime) -> TicketFuture<'_, bool> {
        self.next().takes_guesses(key, now)
    }
    fn cancel(&self, key: TicketKey, now: WallTime) -> TicketFuture<'_, Option<MessageId>> {
        self.next().cancel(key, now)
    }
    fn was_entered(&self, key: TicketKey, message_id: MessageId) -> TicketFuture<'_, bool> {
        self.next().was_entered(key, message_id)
    }
    fn release(&self, key: TicketKey, message_id: MessageId, now: WallTime) -> TicketFuture<'_, bool> {
        self.next().release(key, message_id, now)
    }
    fn find(&self, key: TicketKey) -> TicketFuture<'_, Option<Ticket>> {
        self.next().find(key)
    }
    fn find_message(&self, key: TicketKey) -> TicketFuture<'_, Option<MessageId>> {
        self.next().find_message(key)
    }
}

async fn check_two_nodes(engine: TestEngine) {
    let Some(server) = TestServer::start(engine) else { return };
    keep_the_contract(|running| TwoNodes::on(&server, &running.clock)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_on_one_redis_keep_the_contract() {
    check_two_nodes(TestEngine::Redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_on_one_mariadb_keep_the_contract() {
    check_two_nodes(TestEngine::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_on_one_postgres_keep_the_contract() {
    check_two_nodes(TestEngine::Postgres).await;
}

async fn a_reference_is_taken_once_repeated_alike_and_refused_otherwise(subject: &Subject) {
    let first = Subject::reservation(b"content", Again::Retry);
    assert!(matches!(subject.reserve(&first).await, ReserveOutcome::New(_)));
    let again = Subject::reservation(b"content", Again::Retry);
    assert_eq!(subject.reserve(&again).await, ReserveOutcome::Repeat { message_id: first.message_id });
    assert_eq!(subject.reserve(&Subject::reservation(b"other", Again::Retry)).await, ReserveOutcome::Conflict);
    let resend = Subject::reservation(b"content", Again::Resend);
    assert!(matches!(subject.reserve(&resend).await, ReserveOutcome::Resent(_)));
    assert_eq!(subject.tickets.find_message(subject.key()).await.unwrap(), Some(resend.message_id));
}

async fn a_resend_without_a_try_left_changes_nothing(subject: &Subject) {
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
}

async fn parallel_reservations_of_one_reference_have_one_winner(subject: &Subject) {
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
}

async fn fifty_parallel_wrong_guesses_never_overrun_the_budget(subject: &Subject) {
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
}

async fn two_hundred_parallel_right_guesses_have_exactly_one_winner(subject: &Subject) {
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
}

async fn before_a_code_exists_no_attempt_is_counted(subject: &Subject) {
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
}

async fn a_removed_tag_is_no_longer_valid(subject: &Subject) {
    let entry = subject.sent().await;
    let key = subject.key();
    let other = AttemptId { attempt: 2, ..entry.attempt };
    assert!(subject.tickets.has_tag(key, entry.attempt).await.unwrap());
    assert!(!subject.tickets.has_tag(key, other).await.unwrap());
    assert!(!subject.tickets.remove_tag(key, other).await.unwrap());
    assert!(subject.tickets.remove_tag(key, entry.attempt).await.unwrap());
    assert!(!subject.tickets.has_tag(key, entry.attempt).await.unwrap());
    assert_eq!(subject.validate(CODE, NOW).await, Verdict::NoCode);
}

async fn to_ask_whether_a_code_can_be_entered_counts_and_uses_nothing(subject: &Subject) {
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
}

async fn a_renewal_of_a_ticket_without_tries_begins_anew(subject: &Subject) {
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
}

async fn a_cancelled_ticket_takes_no_tag_and_no_guess(subject: &Subject) {
    let entry = subject.sent().await;
    let key = subject.key();
    assert_eq!(subject.tickets.cancel(key, NOW).await.unwrap(), Some(entry.attempt.message_id));
    assert_eq!(subject.tickets.cancel(key, NOW).await.unwrap(), None);
    assert_eq!(subject.tickets.put_tag(key, entry).await.unwrap(), TagOutcome::Cancelled);
    assert_eq!(subject.validate(CODE, NOW).await, Verdict::NoCode);
}

async fn an_expired_code_is_told_from_an_unknown_one(subject: &Subject) {
    subject.sent().await;
    let late = NOW.saturating_add(Duration::from_secs(180));
    assert_eq!(subject.validate(CODE, late).await, Verdict::Expired);
}

async fn a_tag_that_cannot_be_put_says_why(subject: &Subject) {
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
}
