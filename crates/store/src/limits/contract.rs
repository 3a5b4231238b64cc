//! The contract of every limit store, the shared ones on real servers, and what a restart keeps of the one in this node.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::clock::{Clock, Manual};
use domain::limits::{Book, LimitKey, Rate, Record, Windows};
use tokio::task::JoinSet;

use super::remote::RemoteLimits;
use super::{LimitFuture, LimitStep, LimitStore, LocalLimits};
use crate::shared::Server;
use crate::tests::servers::{TestEngine, TestServer, tell};
use crate::tests::support::{self, NOW, Running};

/// Runs one rule against every implementation; those on servers as two nodes that share one.
async fn every<F: AsyncFn(Arc<dyn LimitStore>)>(rule: F) {
    rule(Arc::new(LocalLimits::default())).await;
    for engine in [TestEngine::Redis, TestEngine::MariaDb, TestEngine::Postgres] {
        let Some(server) = TestServer::start(engine) else { continue };
        let node = || {
            let clock: Arc<dyn Clock> = Arc::new(Manual::new(NOW));
            RemoteLimits::new(Server::open(&server.address(), Arc::clone(&clock)).expect("a server").limits, clock)
        };
        tell(&format!("on {engine:?}"));
        rule(Arc::new(TwoNodes { nodes: [node(), node()], turn: AtomicUsize::new(0) })).await;
    }
}

/// Every call goes to the other node than the call before.
struct TwoNodes {
    nodes: [RemoteLimits; 2],
    turn: AtomicUsize,
}

impl TwoNodes {
    fn next(&self) -> &RemoteLimits {
        &self.nodes[self.turn.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

impl LimitStore for TwoNodes {
    fn update<'a>(&'a self, keys: &'a [LimitKey], step: LimitStep<'a>) -> LimitFuture<'a, ()> {
        self.next().update(keys, step)
    }
    fn select<'a>(
        &'a self,
        wanted: &'a (dyn Fn(&LimitKey, &Record) -> bool + Send + Sync),
    ) -> LimitFuture<'a, Vec<(LimitKey, Record)>> {
        self.next().select(wanted)
    }
    fn clear(&self) -> LimitFuture<'_, ()> {
        self.next().clear()
    }
}

fn key(name: &str) -> LimitKey {
    LimitKey::api_user(&[5; 32], name)
}

fn rates() -> [Rate; 2] {
    ["7/10m", "100/1h"].map(|text| Rate::parse(text).expect("a rate"))
}

/// Counts one under all keys if all allow it.
fn take(book: &mut Book, keys: &[LimitKey]) -> bool {
    let empty = Windows::default();
    let is_free = |key: &LimitKey| book.find(key).map_or(&empty, |record| &record.codes).wait(&rates(), NOW).is_none();
    let is_allowed = keys.iter().all(is_free);
    if is_allowed {
        for key in keys {
            book.change(*key, NOW).codes.count(&rates(), NOW);
        }
    }
    is_allowed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_many_ask_at_once_no_more_get_through_than_a_rule_allows() {
    every(async |store| {
        let mut asking = JoinSet::new();
        for number in 0..200 {
            let store = Arc::clone(&store);
            // The second key differs: what one refuses must not be counted under the other.
            let keys = [key("everybody"), key(if number % 2 == 0 { "even" } else { "odd" })];
            asking.spawn(async move {
                let mut is_taken = false;
                store.update(&keys, &mut |book| is_taken = take(book, &keys)).await.expect("counted");
                is_taken
            });
        }
        let taken = asking.join_all().await.into_iter().filter(|is_taken| *is_taken).count();
        assert_eq!(taken, 7);
        let all = store.select(&|_, _| true).await.expect("in memory");
        let counted =
            |name: &str| all.iter().find(|(at, _)| *at == key(name)).map_or(0, |(_, record)| record.codes.exact.len());
        assert_eq!(counted("everybody"), 7);
        assert_eq!(counted("even") + counted("odd"), 7);
    })
    .await;
}

#[tokio::test]
async fn what_is_cleared_is_gone() {
    every(async |store| {
        let keys = [key("a")];
        store.update(&keys, &mut |book| assert!(take(book, &keys))).await.expect("in memory");
        store.clear().await.expect("in memory");
        assert_eq!(store.select(&|_, _| true).await.expect("in memory"), []);
    })
    .await;
}

async fn count(running: &Running, name: &str) {
    let keys = [key(name)];
    running.store.update_limits(&keys, |book| take(book, &keys)).await.expect("in memory");
}

async fn counted(running: &Running, name: &str) -> usize {
    let found = running.store.select_limits(|at, _| *at == key(name)).await.expect("in memory");
    found.first().map_or(0, |(_, record)| record.codes.exact.len())
}

#[tokio::test]
async fn what_was_counted_and_written_outlives_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let running = support::try_open(support::settings(directory.path())).await.expect("opened");
    for _ in 0..3 {
        count(&running, "shop").await;
    }
    count(&running, "gone").await;
    running.store.write_limits().await.expect("written");
    count(&running, "shop").await;
    running.store.update_limits(&[key("gone")], |book| book.forget(&key("gone"))).await.expect("in memory");
    running.store.write_limits().await.expect("written");
    count(&running, "unwritten").await;
    running.close().await;

    let running = support::try_open(support::settings(directory.path())).await.expect("opened again");
    assert_eq!(counted(&running, "shop").await, 4);
    assert_eq!(counted(&running, "gone").await, 0);
    assert_eq!(counted(&running, "unwritten").await, 0, "nobody has written it behind");
    running.store.clear_limits().await.expect("cleared");
    running.close().await;
    let running = support::try_open(support::settings(directory.path())).await.expect("opened again");
    assert_eq!(counted(&running, "shop").await, 0);
    running.close().await;
}

#[tokio::test]
async fn a_full_disk_loses_no_count() {
    let directory = tempfile::tempdir().expect("a directory");
    let running = support::try_open(support::settings(directory.path())).await.expect("opened");
    running.store.limit_pages(Some(1)).await;
    for number in 0..3_000 {
        count(&running, &format!("user-{number}")).await;
    }
    running.store.write_limits().await.expect_err("no room");
    assert_eq!(counted(&running, "user-17").await, 1, "still counted in memory");
    running.store.limit_pages(None).await;
    running.store.write_limits().await.expect("room again");
    running.close().await;
    let running = support::try_open(support::settings(directory.path())).await.expect("opened again");
    let all = running.store.select_limits(|_, _| true).await.expect("in memory");
    assert_eq!(all.len(), 3_000);
    running.close().await;
}
