//! Gateways whose tickets are on a server: what they share, and what becomes of it when the server, a node or a clock fails.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::clock::{Clock, Manual};
use domain::message::MessageState;
use domain::otp::{AttemptId, Verdict};

use super::servers::{TestEngine, TestServer};
use super::support::{self, CODE, NOW, Running};
use crate::shared::{Row, RowFuture, RowKey, RowStamp, Rows, Server, Swap, Swapped};
use crate::tickets::remote::RemoteTickets;
use crate::tickets::{TagOutcome, TicketStore};
use crate::{Accepted, BeginAttempt, BeginOutcome, Settings, StoreError, TicketStoreKind};

const ENGINES: [TestEngine; 3] = [TestEngine::Redis, TestEngine::MariaDb, TestEngine::Postgres];

fn settings(directory: &Path, server: &TestServer) -> Settings {
    Settings { ticket_store: TicketStoreKind::Server(server.address()), ..support::settings(directory) }
}

/// A gateway with those keys and these tickets.
async fn open(directory: &Path, server: &TestServer) -> Running {
    support::try_open(settings(directory, server)).await.unwrap()
}

/// Another gateway with the same keys.
async fn open_beside(first: &Path, directory: &Path, server: &TestServer) -> Running {
    std::fs::create_dir_all(directory.join("keys")).unwrap();
    std::fs::copy(first.join("keys/keys.json"), directory.join("keys/keys.json")).unwrap();
    open(directory, server).await
}

#[tokio::test]
async fn a_code_that_one_gateway_sends_is_entered_at_another_and_once() {
    for engine in ENGINES {
        let Some(server) = TestServer::start(engine) else { continue };
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = open(here.path(), &server).await;
        let second = open_beside(here.path(), there.path(), &server).await;
        let id = first.accept_otp("reference").await;
        assert_eq!(second.validate("reference", CODE).await, Verdict::NoCode, "{engine:?}");
        assert!(first.begin_otp(id, 1, "reference").await);
        assert_eq!(second.validate("reference", "000000").await, Verdict::Wrong { attempts_left: 4 });
        assert_eq!(first.validate("reference", "000001").await, Verdict::Wrong { attempts_left: 3 });
        assert_eq!(second.validate("reference", CODE).await, Verdict::Valid);
        assert_eq!(first.validate("reference", CODE).await, Verdict::Used);
        first.close().await;
        second.close().await;
    }
}

#[tokio::test]
async fn a_retry_that_comes_to_another_gateway_is_not_sent_twice() {
    let Some(server) = TestServer::start(TestEngine::Redis) else { return };
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = open(here.path(), &server).await;
    let second = open_beside(here.path(), there.path(), &server).await;
    let id = first.accept_otp("reference").await;
    assert_eq!(second.accept(second.otp("reference")).await, Accepted::New { message_id: id });
    assert!(first.begin_otp(id, 1, "reference").await);
    let mut other = second.tag(id, 1, "reference");
    other.tag = support::binding("reference").tag(&second.store.peppers().current, "000007");
    let begin = BeginAttempt {
        message_id: id,
        attempt: 1,
        modem: "telkomsel-1".to_owned(),
        parts: 1,
        at: NOW,
        ticket: Some((second.key("reference"), other)),
        why: None,
        sim: None,
    };
    assert_eq!(second.store.begin_attempt(begin).await.unwrap(), BeginOutcome::Superseded);
    assert_eq!(
        second.validate("reference", CODE).await,
        Verdict::Valid,
        "the code that was sent is the one that counts"
    );
    first.close().await;
    second.close().await;
}

#[tokio::test]
async fn a_server_that_dies_and_comes_back_has_lost_no_ticket_and_no_try() {
    for engine in ENGINES {
        let Some(mut server) = TestServer::start(engine) else { continue };
        let directory = tempfile::tempdir().unwrap();
        let running = open(directory.path(), &server).await;
        let (id, waiting) = (running.accept_otp("reference").await, running.accept_otp("waiting").await);
        assert!(running.begin_otp(id, 1, "reference").await);
        assert_eq!(running.validate("reference", "000000").await, Verdict::Wrong { attempts_left: 4 });
        server.kill();
        let asked = running.store.validate(running.key("reference"), running.guess("reference", CODE), NOW).await;
        assert!(matches!(asked, Err(StoreError::TicketStoreAway)), "{engine:?}: {asked:?}");
        let slot = running.store.try_reserve().unwrap();
        let accepted = running.store.accept(slot, running.otp("refused")).await;
        assert!(matches!(accepted, Err(StoreError::TicketStoreAway)), "{engine:?}: {accepted:?}");
        let begin = BeginAttempt {
            message_id: waiting,
            attempt: 1,
            modem: "telkomsel-1".to_owned(),
            parts: 1,
            at: NOW,
            ticket: Some((running.key("waiting"), running.tag(waiting, 1, "waiting"))),
            why: None,
            sim: None,
        };
        assert!(matches!(running.store.begin_attempt(begin).await, Err(StoreError::TicketStoreAway)));
        running.settle().await;
        assert_eq!(running.status(waiting).await.state, MessageState::Queued, "nothing was sent, and it waits");
        server.launch();
        // It may answer what its clock shows before it has read its rows again.
        let back = async || running.store.takes_guesses(running.key("reference"), NOW).await.is_ok();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        while !back().await {
            assert!(tokio::time::Instant::now() < deadline, "{engine:?} is back and not found");
        }
        assert_eq!(running.validate("reference", "000001").await, Verdict::Wrong { attempts_left: 3 }, "{engine:?}");
        assert_eq!(running.validate("reference", CODE).await, Verdict::Valid);
        assert!(running.begin_otp(waiting, 2, "waiting").await);
        assert_eq!(running.validate("waiting", CODE).await, Verdict::Valid);
        running.close().await;
    }
}

#[tokio::test]
async fn a_retry_completes_what_a_crash_left_between_ticket_and_outbox() {
    let Some(server) = TestServer::start(TestEngine::Redis) else { return };
    let directory = tempfile::tempdir().unwrap();
    let running = open(directory.path(), &server).await;
    let (key, reservation) = running.otp("reference").ticket.unwrap();
    running.store.inner.tickets.reserve(key, reservation.clone(), NOW).await.unwrap();
    let accepted = running.accept(running.otp("reference")).await;
    assert_eq!(accepted, Accepted::New { message_id: reservation.message_id });
    assert_eq!(running.status(reservation.message_id).await.state, MessageState::Queued);
    running.close().await;
}

#[tokio::test]
async fn a_start_asks_the_server_which_messages_on_air_had_their_codes() {
    let Some(mut server) = TestServer::start(TestEngine::Redis) else { return };
    let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let running = open(directory.path(), &server).await;
    let (with, without) = (running.accept_otp("with").await, running.accept_otp("without").await);
    for (id, reference) in [(with, "with"), (without, "without")] {
        assert!(running.begin_otp(id, 1, reference).await);
    }
    // As a power cut between `sending` and its tag leaves it.
    let attempt = AttemptId { message_id: without, attempt: 1 };
    assert!(running.store.inner.tickets.remove_tag(running.key("without"), attempt).await.unwrap());
    let image = running.crash_image(elsewhere.path());
    let restarted = open(&image, &server).await;
    assert_eq!(restarted.status(with).await.state, MessageState::Unknown);
    assert_eq!(restarted.status(without).await.state, MessageState::Queued);
    assert_eq!(restarted.validate("with", CODE).await, Verdict::Valid);
    restarted.close().await;

    let elsewhere = tempfile::tempdir().unwrap();
    let image = running.crash_image(elsewhere.path());
    server.kill();
    let restarted = open(&image, &server).await;
    for id in [with, without] {
        assert_eq!(restarted.status(id).await.state, MessageState::Unknown, "nobody can say, so nothing is sent twice");
    }
    restarted.close().await;
}

#[tokio::test]
async fn a_node_with_a_wrong_clock_gains_no_try_and_takes_nothing_from_the_others() {
    for engine in ENGINES {
        let Some(server) = TestServer::start(engine) else { continue };
        let directory = tempfile::tempdir().unwrap();
        let running = open(directory.path(), &server).await;
        let id = running.accept_otp("reference").await;
        assert!(running.begin_otp(id, 1, "reference").await);
        let clock = Arc::new(Manual::new(NOW.saturating_add(Duration::from_hours(24 * 365))));
        let ahead = Server::open(&server.address(), Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        let tickets = RemoteTickets::new(Arc::clone(&ahead.tickets), Arc::clone(&clock) as Arc<dyn Clock>);
        let key = running.key("reference");
        let late = tickets.validate(key, running.guess("reference", CODE), clock.now()).await.unwrap();
        assert_eq!(late, Verdict::Expired, "{engine:?}: its clock decides what it is asked");
        ahead.tend().await.unwrap();
        clock.set(NOW.saturating_sub(Duration::from_hours(24 * 365)));
        let early = tickets.validate(key, running.guess("reference", "000000"), clock.now()).await.unwrap();
        assert_eq!(early, Verdict::Wrong { attempts_left: 4 }, "{engine:?}: counted for all");
        ahead.tend().await.unwrap();
        assert_eq!(running.validate("reference", "000001").await, Verdict::Wrong { attempts_left: 3 });
        assert_eq!(running.validate("reference", CODE).await, Verdict::Valid, "{engine:?}");
        running.close().await;
    }
}

#[tokio::test]
async fn what_is_past_its_time_goes_by_the_servers_clock() {
    for engine in ENGINES {
        let Some(server) = TestServer::start(engine) else { continue };
        let directory = tempfile::tempdir().unwrap();
        let running = open(directory.path(), &server).await;
        let rows = Server::open(&server.address(), Arc::clone(&running.clock) as Arc<dyn Clock>).unwrap();
        let put = |keep| crate::shared::Write::Put { record: vec![1], keep };
        let (short, long) = (put(Duration::from_millis(1)), put(Duration::from_mins(5)));
        let keys: Vec<RowKey> = vec![vec![1; 32], vec![2; 32]];
        let swaps =
            [Swap { key: &keys[0], seen: None, write: &short }, Swap { key: &keys[1], seen: None, write: &long }];
        assert!(matches!(rows.tickets.swap(&swaps, RowStamp::test(7)).await.unwrap(), Swapped::Done));
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            rows.tend().await.unwrap();
            let kept: Vec<bool> = rows.tickets.load(&keys).await.unwrap().iter().map(Option::is_some).collect();
            assert!(kept[1], "{engine:?}");
            if !kept[0] {
                break;
            }
            assert!(tokio::time::Instant::now() < deadline, "{engine:?} keeps what is past its time");
        }
        running.close().await;
    }
}

/// A way on which answers get lost: what was asked is done, and nobody hears of it.
struct Lossy {
    rows: Arc<dyn Rows>,
    loses_next: AtomicBool,
}

impl Rows for Lossy {
    fn load<'a>(&'a self, keys: &'a [RowKey]) -> RowFuture<'a, Vec<Option<Row>>> {
        self.rows.load(keys)
    }
    fn swap<'a>(&'a self, swaps: &'a [Swap<'a>], stamp: RowStamp) -> RowFuture<'a, Swapped> {
        Box::pin(async move {
            let swapped = self.rows.swap(swaps, stamp).await;
            if self.loses_next.swap(false, Ordering::SeqCst) { Err(StoreError::TicketStoreAway) } else { swapped }
        })
    }
    fn all(&self) -> RowFuture<'_, Vec<(RowKey, Row)>> {
        self.rows.all()
    }
    fn clear(&self) -> RowFuture<'_, ()> {
        self.rows.clear()
    }
    fn purge(&self) -> RowFuture<'_, u64> {
        self.rows.purge()
    }
    fn clock(&self) -> RowFuture<'_, domain::clock::WallTime> {
        self.rows.clock()
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_on_its_way_costs_no_try_and_no_code() {
    for engine in ENGINES {
        let Some(server) = TestServer::start(engine) else { continue };
        let directory = tempfile::tempdir().unwrap();
        let running = open(directory.path(), &server).await;
        let clock = Arc::clone(&running.clock) as Arc<dyn Clock>;
        let rows = Server::open(&server.address(), Arc::clone(&clock)).unwrap().tickets;
        let lossy = Arc::new(Lossy { rows, loses_next: AtomicBool::new(true) });
        let tickets = RemoteTickets::new(Arc::clone(&lossy) as Arc<dyn Rows>, clock);
        let (key, reservation) = running.otp("reference").ticket.unwrap();
        let id = reservation.message_id;
        let reserved = tickets.reserve(key, reservation, NOW).await.unwrap();
        assert!(matches!(reserved, domain::otp::ReserveOutcome::New(_)), "{engine:?}: {reserved:?}");
        lossy.loses_next.store(true, Ordering::SeqCst);
        assert_eq!(tickets.put_tag(key, running.tag(id, 1, "reference")).await.unwrap(), TagOutcome::Put);
        lossy.loses_next.store(true, Ordering::SeqCst);
        let wrong = tickets.validate(key, running.guess("reference", "000000"), NOW).await.unwrap();
        assert_eq!(wrong, Verdict::Wrong { attempts_left: 4 }, "{engine:?}");
        lossy.loses_next.store(true, Ordering::SeqCst);
        let right = tickets.validate(key, running.guess("reference", CODE), NOW).await.unwrap();
        assert_eq!(right, Verdict::Valid, "{engine:?}: whoever was told is the one");
        assert_eq!(running.validate("reference", CODE).await, Verdict::Used);
        running.close().await;
    }
}
