//! Texts that never touch the disk: kept in memory as a sealed one is kept in the database, lost with a restart, and that recorded.

use std::path::Path;
use std::time::Duration;

use domain::message::{MessageId, MessageState};
use domain::otp::{AttemptId, Verdict};
use domain::receiver::Msisdn;

use super::privacy::{holds, raw_bytes};
use super::reports::report;
use super::support::{self, CODE, NOW, RECEIVER, Running, sent, text_message};
use crate::{
    Accepted, BeginOutcome, CancelOutcome, Change, Content, IdConflict, Replay, ReportState, RetryOutcome, Settings,
    StoreError, UnknownPolicy,
};

const LOST: &str = "its text was in memory only and was lost with the restart";

async fn open(directory: &Path) -> Running {
    support::try_open(support::without_texts(directory)).await.unwrap()
}

async fn after_power_cut(running: &Running, settings: fn(&Path) -> Settings) -> (Running, tempfile::TempDir) {
    let elsewhere = tempfile::tempdir().unwrap();
    let image = running.crash_image(elsewhere.path());
    (support::try_open(settings(&image)).await.unwrap(), elsewhere)
}

/// What the database holds of texts, in bytes, and rows that say they have one.
async fn stored(running: &Running) -> (i64, i64) {
    sqlx::query_as(
        "SELECT coalesce(sum(length(content)), 0), count(*) FROM \
         (SELECT content FROM outbox UNION ALL SELECT content FROM journal WHERE content IS NOT NULL)",
    )
    .fetch_one(&running.store.inner.reader)
    .await
    .unwrap()
}

async fn text_of(running: &Running, id: MessageId) -> Option<String> {
    running.store.load(id).await.unwrap().map(|message| match message.content {
        Content::Text { text, .. } | Content::Otp { template: text, .. } => text.expose().to_owned(),
    })
}

async fn unknown(running: &Running, id: MessageId) {
    let attempt = AttemptId { message_id: id, attempt: 1 };
    let reason = "no answer".to_owned();
    running.record(Change::Unknown { attempt, part: None, resend: false, reason, at: NOW }).await;
    running.reaches(id, MessageState::Unknown).await;
}

async fn doubtful_text(running: &Running) -> MessageId {
    let id = running.accept_text("did it arrive").await;
    assert!(running.begin_text(id, 1).await);
    unknown(running, id).await;
    id
}

/// Waits until the message is in that state, and memory has followed: it does so after the commit.
async fn ends(running: &Running, id: MessageId, state: MessageState) {
    running.reaches(id, state).await;
    running.settle().await;
}

fn is_kept(running: &Running, id: MessageId) -> bool {
    running.store.is_lost_at_the_end(id)
}

#[tokio::test]
async fn a_text_is_loaded_from_memory_until_it_is_sent_and_is_never_on_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let running = open(directory.path()).await;
    let text = running.accept_text("the garden gate is open").await;
    let otp = running.accept_otp("reference").await;
    assert_eq!(text_of(&running, text).await.as_deref(), Some("the garden gate is open"));
    assert_eq!(text_of(&running, otp).await.as_deref(), Some("Your code is %s"));
    assert_eq!(running.store.pending().await.unwrap().len(), 2);
    assert_eq!(stored(&running).await, (0, 2), "two rows, no text, not even sealed");
    assert!(running.begin_text(text, 1).await);
    assert!(running.begin_otp(otp, 1, "reference").await);
    assert!(text_of(&running, text).await.is_some(), "it may have to be tried again");
    for id in [text, otp] {
        running.record(sent(id, 1, 17)).await;
        ends(&running, id, MessageState::Sent).await;
        assert!(text_of(&running, id).await.is_none() && !is_kept(&running, id), "wiped");
    }
    assert_eq!(running.validate("reference", CODE).await, Verdict::Valid);
    running.close().await;
    let bytes = raw_bytes(directory.path());
    for needle in ["garden gate", "Your code is", "674527846556468254"] {
        assert!(!holds(&bytes, needle), "{needle}");
    }
}

#[tokio::test]
async fn a_text_goes_with_every_end_of_its_message() {
    let directory = tempfile::tempdir().unwrap();
    let running = open(directory.path()).await;
    for state in [MessageState::Failed, MessageState::Expired] {
        let id = running.accept_text("hello").await;
        running.record(Change::Final { message_id: id, state, reason: "over".to_owned(), at: NOW }).await;
        ends(&running, id, state).await;
        assert!(!is_kept(&running, id), "{state}");
    }
    let cancelled = running.accept_text("hello").await;
    assert_eq!(running.store.cancel_message(cancelled, &support::by()).await.unwrap(), CancelOutcome::Cancelled);
    let receiver = Msisdn::from_canonical(RECEIVER).unwrap();
    let blocked = running.accept_otp("blocked").await;
    running.store.block(receiver, &support::by()).await.unwrap();
    assert_eq!(running.try_begin_otp(blocked, 1, "blocked").await, BeginOutcome::Blocked);
    running.store.unblock(receiver, &support::by()).await.unwrap();
    // In doubt it is kept for an operator: until a report, the code or the deadline ends that.
    let reported = doubtful_text(&running).await;
    let report = report(9, RECEIVER, ReportState::Delivered);
    assert!(is_kept(&running, reported));
    assert_eq!(running.store.report(report).await.unwrap().map(|it| it.message_id), Some(reported));
    let entered = running.accept_otp("entered").await;
    assert!(running.begin_otp(entered, 1, "entered").await);
    unknown(&running, entered).await;
    assert!(is_kept(&running, entered));
    assert_eq!(running.validate("entered", CODE).await, Verdict::Valid);
    for id in [cancelled, blocked, reported, entered] {
        assert!(!is_kept(&running, id), "{:?}", running.status(id).await.state);
    }
    let (waits, late) = (running.accept_text("waits").await, doubtful_text(&running).await);
    running.store.run_retention(NOW.saturating_add(Duration::from_secs(179))).await.unwrap();
    assert!(is_kept(&running, late));
    running.store.run_retention(NOW.saturating_add(Duration::from_secs(180))).await.unwrap();
    assert!(!is_kept(&running, late));
    assert!(text_of(&running, waits).await.is_some(), "what waits is the dispatcher's business");
    running.close().await;
}

#[tokio::test]
async fn a_code_that_arrived_leaves_the_text_of_another_try_to_its_message() {
    let directory = tempfile::tempdir().unwrap();
    let running = open(directory.path()).await;
    let id = running.accept_otp("reference").await;
    assert!(running.begin_otp(id, 1, "reference").await);
    let attempt = AttemptId { message_id: id, attempt: 1 };
    running
        .record(Change::Unknown { attempt, part: None, resend: true, reason: "no answer".to_owned(), at: NOW })
        .await;
    running.settle().await;
    assert_eq!(running.validate("reference", CODE).await, Verdict::Valid);
    assert!(text_of(&running, id).await.is_some(), "it waits still");
    assert_eq!(running.try_begin_otp(id, 2, "reference").await, BeginOutcome::Consumed);
    assert!(!is_kept(&running, id));
    running.close().await;
}

#[tokio::test]
async fn nothing_is_kept_of_what_was_not_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let running = open(directory.path()).await;
    let first = running.accept_otp("reference").await;
    let again = running.otp("reference");
    let id = again.message.id;
    assert_eq!(running.accept(again).await, Accepted::Repeat { message_id: first, state: MessageState::Queued });
    let replay = |fingerprint| Replay { key: [1; 16], fingerprint: [fingerprint; 32], conflict: IdConflict::Reject };
    let mut taken = text_message("one", Some("own"));
    taken.replay = Some(replay(1));
    let mut refused = text_message("other", Some("own"));
    refused.replay = Some(replay(2));
    let refused_id = refused.message.id;
    running.accept(taken).await;
    assert_eq!(running.accept(refused).await, Accepted::IdInUse);
    assert!(!is_kept(&running, id) && !is_kept(&running, refused_id) && is_kept(&running, first));
    running.store.limit_pages(Some(1)).await;
    let too_much = text_message("hello", Some(&"x".repeat(20_000)));
    let too_much_id = too_much.message.id;
    let refused = running.store.accept(running.store.try_reserve().unwrap(), too_much).await;
    assert!(matches!(refused, Err(StoreError::DiskFull)), "{refused:?}");
    assert!(!is_kept(&running, too_much_id));
    running.store.limit_pages(None).await;
    running.close().await;
}

#[tokio::test]
async fn a_request_whose_text_was_lost_is_new_when_it_comes_again_and_only_once() {
    let directory = tempfile::tempdir().unwrap();
    let running = open(directory.path()).await;
    let request = |running: &Running| {
        let mut request = text_message("hello", Some("own"));
        let key = running.store.replay_key("shop", "own");
        request.replay = Some(Replay { key, fingerprint: [1; 32], conflict: IdConflict::Reject });
        request
    };
    let Accepted::New { message_id: lost } = running.accept(request(&running)).await else { panic!("it is new") };
    let (restarted, _elsewhere) = after_power_cut(&running, support::without_texts).await;
    assert!(restarted.store.pending().await.unwrap().is_empty());
    assert_eq!(restarted.status(lost).await.reason.as_deref(), Some(LOST));
    let Accepted::New { message_id: again } = restarted.accept(request(&restarted)).await else { panic!("as new") };
    assert_ne!(again, lost);
    assert!(is_kept(&restarted, again));
    let third = restarted.accept(request(&restarted)).await;
    assert_eq!(third, Accepted::Repeat { message_id: again, state: MessageState::Queued });
    restarted.close().await;
}

#[tokio::test]
async fn what_waited_is_failed_after_a_restart_with_the_reason_and_its_reference_is_free() {
    for settings in [support::without_texts, support::settings, with_resend] {
        let directory = tempfile::tempdir().unwrap();
        let running = open(directory.path()).await;
        let mut lost = Vec::new();
        for number in 0..8 {
            lost.push(running.accept_text(&format!("text {number}")).await);
        }
        lost.push(running.accept_otp("waits").await);
        let uncoded = running.accept_otp("uncoded").await;
        assert!(running.begin_text(uncoded, 1).await, "sending commits, the tag never comes");
        lost.push(uncoded);
        let retried = running.accept_otp("retried").await;
        assert!(running.begin_otp(retried, 1, "retried").await);
        let (attempt, remove_tag) = (AttemptId { message_id: retried, attempt: 1 }, Some(running.key("retried")));
        running.record(Change::NotSent { attempt, modem: None, code: None, retry_at: None, remove_tag, at: NOW }).await;
        running.reaches(retried, MessageState::Queued).await;
        lost.push(retried);
        let (restarted, _elsewhere) = after_power_cut(&running, settings).await;
        assert!(restarted.store.pending().await.unwrap().is_empty());
        for id in lost {
            let record = restarted.status(id).await;
            assert_eq!((record.state, record.reason.as_deref()), (MessageState::Failed, Some(LOST)));
            assert!(!record.has_text);
            assert!(restarted.store.load(id).await.unwrap().is_none());
        }
        assert_eq!(stored(&restarted).await, (0, 0));
        for reference in ["waits", "uncoded", "retried"] {
            assert_eq!(restarted.validate(reference, CODE).await, Verdict::NoCode);
            restarted.accept_otp(reference).await;
        }
        restarted.close().await;
    }
}

fn with_resend(directory: &Path) -> Settings {
    Settings { unknown_policy: UnknownPolicy::Resend, ..support::without_texts(directory) }
}

#[tokio::test]
async fn what_was_on_air_is_unknown_after_a_restart_whatever_the_policy_and_its_code_is_valid() {
    for settings in [support::without_texts, with_resend] {
        let directory = tempfile::tempdir().unwrap();
        let running = open(directory.path()).await;
        let (text, otp) = (running.accept_text("hello").await, running.accept_otp("reference").await);
        assert!(running.begin_text(text, 1).await);
        assert!(running.begin_otp(otp, 1, "reference").await);
        let (restarted, _elsewhere) = after_power_cut(&running, settings).await;
        for id in [text, otp] {
            assert_eq!(restarted.status(id).await.state, MessageState::Unknown, "it may have been sent");
        }
        assert!(restarted.store.pending().await.unwrap().is_empty(), "nothing could be sent again");
        let outcome = restarted.store.retry_message(text, &support::by()).await.unwrap();
        assert!(matches!(outcome, RetryOutcome::TextLost), "{outcome}");
        assert_eq!(outcome.to_string(), "not queued again: its text is gone; send it as a new message");
        assert_eq!(restarted.status(text).await.state, MessageState::Unknown);
        assert_eq!(restarted.validate("reference", CODE).await, Verdict::Valid);
        restarted.close().await;
    }
}

#[tokio::test]
async fn an_operator_has_an_unknown_one_sent_again_while_the_gateway_runs_and_not_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let running = open(directory.path()).await;
    let id = doubtful_text(&running).await;
    assert!(running.status(id).await.has_text);
    assert!(running.store.load(id).await.unwrap().is_none(), "nobody else gets it");
    let (restarted, _elsewhere) = after_power_cut(&running, support::without_texts).await;
    assert!(!restarted.status(id).await.has_text);
    assert!(matches!(restarted.store.retry_message(id, &support::by()).await.unwrap(), RetryOutcome::TextLost));
    restarted.close().await;
    let RetryOutcome::Queued(entry) = running.store.retry_message(id, &support::by()).await.unwrap() else {
        panic!("not queued")
    };
    assert_eq!((entry.id, entry.attempt), (id, 1));
    assert_eq!(text_of(&running, id).await.as_deref(), Some("did it arrive"));
    assert!(running.begin_text(id, 2).await);
    running.record(sent(id, 2, 4)).await;
    ends(&running, id, MessageState::Sent).await;
    assert!(!is_kept(&running, id));
    running.close().await;
}

#[tokio::test]
async fn what_was_sealed_before_the_switch_is_still_sent() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = running.accept_text("sealed").await;
    assert!(!is_kept(&running, id), "a restart does not lose it");
    running.close().await;
    let running = open(directory.path()).await;
    assert_eq!(running.store.pending().await.unwrap().len(), 1);
    assert_eq!(text_of(&running, id).await.as_deref(), Some("sealed"));
    assert!(!is_kept(&running, id));
    running.close().await;
}

#[tokio::test]
async fn a_rotation_of_the_keys_leaves_texts_in_memory_alone() {
    let directory = tempfile::tempdir().unwrap();
    let running = open(directory.path()).await;
    let id = running.accept_text("hello").await;
    running.store.rotate_keys().await.unwrap();
    running.store.reseal().await.unwrap();
    assert_eq!(text_of(&running, id).await.as_deref(), Some("hello"));
    assert_eq!(stored(&running).await, (0, 1));
    running.close().await;
}

#[tokio::test]
async fn codes_whose_tickets_are_in_memory_too_are_lost_without_a_trace_of_their_text() {
    let directory = tempfile::tempdir().unwrap();
    let settings = |directory: &Path| Settings {
        text_at_rest: crate::TextAtRest::Never,
        ..support::with_memory_tickets(directory)
    };
    let running = support::try_open(settings(directory.path())).await.unwrap();
    let id = running.accept_otp("reference").await;
    assert_eq!(text_of(&running, id).await.as_deref(), Some("Your code is %s"));
    let (restarted, _elsewhere) = after_power_cut(&running, settings).await;
    assert_eq!(restarted.status(id).await.reason.as_deref(), Some(LOST));
    restarted.accept_otp("reference").await;
    restarted.close().await;
}
