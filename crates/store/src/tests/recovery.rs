//! What a start makes of the last run's messages, after a power cut at each point of a message's way.

use std::path::Path;

use domain::message::{MessageId, MessageState};
use domain::otp::Verdict;

use super::support::{self, CODE, Running, sent};
use crate::{BeginOutcome, Settings};

/// Opens what a power cut at this instant would leave.
async fn after_power_cut(running: &Running, into: &Path, settings: fn(&Path) -> Settings) -> Running {
    let image = running.crash_image(into);
    support::try_open(settings(&image)).await.unwrap()
}

async fn queued(running: &Running) -> Vec<MessageId> {
    running.store.pending().await.unwrap().into_iter().map(|entry| entry.id).collect()
}

#[tokio::test]
async fn what_was_accepted_is_queued_again_in_order() {
    let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let running = support::open(directory.path()).await;
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(running.accept_otp(&format!("reference-{number}")).await);
    }
    let restarted = after_power_cut(&running, elsewhere.path(), support::settings).await;
    assert_eq!(queued(&restarted).await, ids);
    let entry = restarted.store.pending().await.unwrap().remove(0);
    assert_eq!((entry.is_otp, entry.attempt, entry.api_user.as_ref()), (true, 0, support::USER));
}

#[tokio::test]
async fn an_otp_on_air_becomes_unknown_and_its_code_stays_valid() {
    let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let running = support::open(directory.path()).await;
    let id = running.accept_otp("reference").await;
    assert!(running.begin_otp(id, 1, "reference").await);
    let restarted = after_power_cut(&running, elsewhere.path(), support::settings).await;
    assert_eq!(restarted.status(id).await.state, MessageState::Unknown);
    assert!(queued(&restarted).await.is_empty(), "never silently sent twice");
    assert_eq!(restarted.validate("reference", CODE).await, Verdict::Valid);
    assert_eq!(restarted.status(id).await.state, MessageState::Delivered, "the right code settles the doubt");
}

#[tokio::test]
async fn an_otp_on_air_is_queued_again_where_the_policy_says_resend_and_its_code_stays_valid() {
    let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let running = support::open(directory.path()).await;
    let id = running.accept_otp("reference").await;
    assert!(running.begin_otp(id, 1, "reference").await);
    let restarted = after_power_cut(&running, elsewhere.path(), support::with_resend).await;
    assert_eq!(queued(&restarted).await, [id]);
    assert_eq!(restarted.validate("reference", CODE).await, Verdict::Valid);
}

#[tokio::test]
async fn an_otp_without_a_tag_never_reached_the_channel_and_is_queued_again() {
    let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let running = support::open(directory.path()).await;
    let id = running.accept_otp("reference").await;
    assert!(running.begin_text(id, 1).await, "sending commits, the tag never comes");
    let restarted = after_power_cut(&running, elsewhere.path(), support::settings).await;
    assert_eq!(queued(&restarted).await, [id]);
    assert!(restarted.begin_otp(id, 2, "reference").await, "the next attempt mints anew");
}

#[tokio::test]
async fn a_text_on_air_becomes_unknown_or_is_queued_again_by_policy() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = running.accept_text("hello").await;
    assert!(running.begin_text(id, 1).await);
    let elsewhere = tempfile::tempdir().unwrap();
    let held = after_power_cut(&running, elsewhere.path(), support::settings).await;
    assert_eq!(held.status(id).await.state, MessageState::Unknown);
    assert!(queued(&held).await.is_empty());
    let elsewhere = tempfile::tempdir().unwrap();
    let resent = after_power_cut(&running, elsewhere.path(), support::with_resend).await;
    assert_eq!(queued(&resent).await, [id]);
    assert!(resent.store.load(id).await.unwrap().is_some(), "its text is still there to be sent");
}

#[tokio::test]
async fn a_recorded_change_that_was_not_committed_leaves_the_message_unknown() {
    let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let running = support::open(directory.path()).await;
    let id = running.accept_text("hello").await;
    assert!(running.begin_text(id, 1).await);
    let image = running.crash_image(elsewhere.path());
    running.record(sent(id, 1, 5)).await;
    running.settle().await;
    assert_eq!(running.status(id).await.state, MessageState::Sent);
    let restarted = support::open(&image).await;
    assert_eq!(restarted.status(id).await.state, MessageState::Unknown);
}

#[tokio::test]
async fn a_store_dropped_without_draining_keeps_every_answered_job() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = running.accept_otp("reference").await;
    drop(running);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    let restarted = loop {
        match support::try_open(support::settings(directory.path())).await {
            Ok(running) => break running,
            Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error}"),
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(queued(&restarted).await, [id]);
}

#[tokio::test]
async fn tickets_in_memory_are_gone_and_their_messages_are_refused_at_the_channel() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::try_open(support::with_memory_tickets(directory.path())).await.unwrap();
    let id = running.accept_otp("reference").await;
    assert!(running.begin_otp(id, 1, "reference").await);
    running.close().await;
    let restarted = support::try_open(support::with_memory_tickets(directory.path())).await.unwrap();
    assert_eq!(queued(&restarted).await, [id]);
    let outcome = restarted.try_begin_otp(id, 2, "reference").await;
    assert_eq!(outcome, BeginOutcome::TicketLost, "a code without a ticket can never be right");
    let record = restarted.reaches(id, MessageState::Failed).await;
    assert_eq!(record.reason.as_deref(), Some("the code's ticket was lost"));
    restarted.close().await;
}
