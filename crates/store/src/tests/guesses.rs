//! What a guess costs: the same, whatever is found.

use std::time::Duration;

use domain::clock::Clock as _;
use domain::otp::Verdict;
use tempfile::TempDir;

use super::support::*;

/// Bytes of the write-ahead log: each commit adds its pages.
fn log_length(directory: &TempDir) -> u64 {
    std::fs::metadata(directory.path().join("otp-pi.db-wal")).unwrap().len()
}

#[tokio::test]
async fn every_guess_commits_as_much_whatever_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let running = open(directory.path()).await;
    for reference in ["live", "used", "exhausted", "cancelled"] {
        let id = running.accept_otp(reference).await;
        assert!(running.begin_otp(id, 1, reference).await);
    }
    running.accept_otp("queued").await;
    assert_eq!(running.validate("used", CODE).await, Verdict::Valid);
    for _ in 0..POLICY.max_attempts {
        running.validate("exhausted", "000000").await;
    }
    running.store.cancel(running.key("cancelled"), NOW).await.unwrap();
    // The first of all makes the row that the others write.
    assert_eq!(running.validate("unknown", CODE).await, Verdict::NoCode);
    running.settle().await;

    let mut costs = Vec::new();
    for (reference, code, verdict) in [
        ("live", "000000", Verdict::Wrong { attempts_left: POLICY.max_attempts - 1 }),
        ("unknown", CODE, Verdict::NoCode),
        ("queued", CODE, Verdict::NoCode),
        ("cancelled", CODE, Verdict::NoCode),
        ("used", CODE, Verdict::Used),
        ("exhausted", CODE, Verdict::TooManyAttempts),
    ] {
        let before = log_length(&directory);
        assert_eq!(running.validate(reference, code).await, verdict, "{reference}");
        costs.push((reference, log_length(&directory) - before));
    }
    running.clock.set(NOW.saturating_add(Duration::from_secs(181)));
    let before = log_length(&directory);
    let guess = running.guess("live", CODE);
    assert_eq!(
        running.store.validate(running.key("live"), guess, running.clock.now()).await.unwrap(),
        Verdict::Expired
    );
    costs.push(("expired", log_length(&directory) - before));
    assert!(costs.iter().all(|(_, cost)| *cost == costs[0].1 && *cost > 0), "{costs:?}");
    running.close().await;
}

#[tokio::test]
async fn guesses_at_nothing_take_one_row_however_many_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let running = open(directory.path()).await;
    for number in 0..100 {
        assert_eq!(running.validate(&format!("unknown-{number}"), CODE).await, Verdict::NoCode);
    }
    let rows: i64 =
        sqlx::query_scalar("SELECT count(*) FROM ticket").fetch_one(&running.store.inner.reader).await.unwrap();
    assert_eq!(rows, 1);
    running.close().await;
}
