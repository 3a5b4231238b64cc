//! What is forgotten, and what must not be.

use std::time::Duration;

use domain::message::MessageState;
use domain::otp::Verdict;

use super::support::{self, CODE, NOW, USER, text_message};
use super::way::sent_text;
use crate::{Acceptance, Accepted, Change, IdConflict, Replay, Retention, StatusKey};

#[tokio::test]
async fn retention_forgets_by_age_and_by_size() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = support::settings(directory.path());
    settings.retention =
        Retention { journal: Duration::from_hours(24), max_db_bytes: u64::MAX, ..Retention::default() };
    let running = support::try_open(settings.clone()).await.unwrap();
    let id = sent_text(&running, 1).await;
    running.accept_otp("reference").await;
    let waiting = running.accept(text_message("waiting", None)).await;
    running.store.run_retention(NOW).await.unwrap();
    assert!(running.store.find_message(id).await.unwrap().is_some());
    let later = NOW.saturating_add(Duration::from_hours(25));
    running.store.run_retention(later).await.unwrap();
    assert!(running.store.find_message(id).await.unwrap().is_none(), "the journal is older than a day");
    assert_eq!(running.validate("reference", CODE).await, Verdict::NoCode, "the ticket is forgotten");
    let Accepted::New { message_id } = waiting else { panic!("not new") };
    assert!(running.store.find_message(message_id).await.unwrap().is_some(), "what waits is never deleted");
    running.close().await;
    settings.retention = Retention { journal: Duration::from_hours(24), max_db_bytes: 1, ..Retention::default() };
    let running = support::try_open(settings).await.unwrap();
    let id = sent_text(&running, 2).await;
    running.store.run_retention(NOW.saturating_add(Duration::from_secs(1))).await.unwrap();
    assert!(running.store.find_message(id).await.unwrap().is_none(), "the database is larger than allowed");
    running.close().await;
}

#[tokio::test]
async fn requests_behind_a_renewed_one_are_forgotten_too() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let request = |own_id: &str, fingerprint: u8| {
        let key = running.store.replay_key(USER, own_id);
        let replay = Replay { key, fingerprint: [fingerprint; 32], conflict: IdConflict::Accept };
        Acceptance { replay: Some(replay), ..text_message("hello", Some(own_id)) }
    };
    for id in 0..1_200 {
        running.accept(request(&format!("id-{id}"), 1)).await;
    }
    running.clock.set(NOW.saturating_add(Duration::from_hours(12)));
    for id in 0..1_100 {
        running.accept(request(&format!("id-{id}"), 2)).await;
    }
    running.store.run_retention(NOW.saturating_add(Duration::from_hours(25))).await.unwrap();
    let find = async |id: &str| running.store.status(USER, &StatusKey::OwnId(id.to_owned())).await.unwrap();
    assert!(find("id-0").await.is_some(), "renewed");
    assert!(find("id-1199").await.is_none(), "a day old, behind a whole chunk of renewed ones");
    running.close().await;
}

#[tokio::test]
async fn a_message_is_kept_from_its_end_and_not_from_its_beginning() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = support::settings(directory.path());
    settings.retention =
        Retention { journal: Duration::from_hours(24), max_db_bytes: u64::MAX, ..Retention::default() };
    let running = support::try_open(settings).await.unwrap();
    let id = running.accept_text("planned long before").await;
    let at = NOW.saturating_add(Duration::from_hours(48));
    let (state, reason) = (MessageState::Failed, "no modem".to_owned());
    running.record(Change::Final { message_id: id, state, reason, at }).await;
    running.settle().await;
    running.store.run_retention(NOW.saturating_add(Duration::from_hours(49))).await.unwrap();
    assert!(running.store.find_message(id).await.unwrap().is_some());
    running.store.run_retention(NOW.saturating_add(Duration::from_hours(73))).await.unwrap();
    assert!(running.store.find_message(id).await.unwrap().is_none());
    running.close().await;
}

#[tokio::test]
async fn a_clock_that_nobody_has_set_forgets_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut running = support::open(directory.path()).await;
    let id = sent_text(&running, 1).await;
    running.store.doubt_the_clock();
    running.store.run_retention(NOW.saturating_add(Duration::from_hours(24 * 365))).await.unwrap();
    assert!(running.store.find_message(id).await.unwrap().is_some());
    running.close().await;
}
