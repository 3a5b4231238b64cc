//! What operators see and do: one message, lists, cancellations, second tries, backups under load.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::command::Entrance;
use domain::message::{Class, MessageId, MessageState};
use domain::otp::{AttemptId, Verdict};

use super::reports::report;
use super::support::{self, CODE, NOW, RECEIVER, Running, sent, text_message};
use crate::{BackupError, CancelOutcome, Change, Content, MessageFilter, ReportState, RetryOutcome, StoreError};

async fn unknown(running: &Running, id: MessageId) {
    let reason = "no answer".to_owned();
    let attempt = AttemptId { message_id: id, attempt: 1 };
    running.record(Change::Unknown { attempt, part: None, resend: false, reason, at: NOW }).await;
    running.reaches(id, MessageState::Unknown).await;
}

async fn doubtful_text(running: &Running, text: &str) -> MessageId {
    let id = running.accept_text(text).await;
    assert!(running.begin_text(id, 1).await);
    unknown(running, id).await;
    id
}

async fn finish(running: &Running, id: MessageId, state: MessageState) {
    running.record(Change::Final { message_id: id, state, reason: "CMS 38".to_owned(), at: NOW }).await;
    running.reaches(id, state).await;
}

async fn cancel(running: &Running, id: MessageId) -> CancelOutcome {
    running.store.cancel_message(id, &support::by()).await.unwrap()
}

async fn retry(running: &Running, id: MessageId) -> RetryOutcome {
    running.store.retry_message(id, &support::by()).await.unwrap()
}

/// What the journal still keeps of texts and tickets.
async fn kept(running: &Running) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM journal WHERE content IS NOT NULL OR ticket_key IS NOT NULL")
        .fetch_one(&running.store.inner.reader)
        .await
        .unwrap()
}

// --- one message --------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_message_is_shown_with_everything_but_its_content_and_its_receiver_masked() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    running.accept(text_message("the garden gate is open", Some("own-1"))).await;
    let id = running.store.pending().await.unwrap().remove(0).id;
    let waiting = running.status(id).await;
    assert_eq!(
        (waiting.entrance, waiting.class, waiting.state),
        (Entrance::Rest, Class::Transactional, MessageState::Queued)
    );
    assert_eq!((waiting.not_before, waiting.settled_at, waiting.has_text), (Some(NOW), None, true));
    assert!(running.begin_text(id, 1).await);
    running.record(sent(id, 1, 17)).await;
    running.reaches(id, MessageState::Sent).await;
    let over = running.status(id).await;
    assert_eq!((over.not_before, over.settled_at, over.has_text), (None, Some(NOW), false));
    assert_eq!(
        (over.attempts[0].modem.as_str(), over.attempts[0].parts[0].message_reference),
        ("telkomsel-1", Some(17))
    );
    let receiver = over.receiver.clone().unwrap();
    assert_eq!((receiver.to_string().as_str(), receiver.expose()), ("62812•••66", RECEIVER));
    assert!(!format!("{waiting:?} {over:?}").contains("garden"));
    running.close().await;
}

// --- lists --------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn messages_are_listed_newest_first_page_by_page_from_both_tables() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let mut ids = Vec::new();
    for number in 0..25 {
        ids.push(running.accept_text(&format!("text {number}")).await);
    }
    for id in ids.iter().step_by(2) {
        finish(&running, *id, MessageState::Failed).await;
    }
    ids.sort();
    ids.reverse();
    let mut seen = Vec::new();
    let mut filter = MessageFilter { limit: 10, ..MessageFilter::default() };
    let mut pages = Vec::new();
    loop {
        let page = running.store.list_messages(&filter).await.unwrap();
        pages.push(page.messages.len());
        seen.extend(page.messages.iter().map(|message| message.message_id));
        filter.before = page.next;
        if page.next.is_none() {
            break;
        }
    }
    assert_eq!((seen, pages), (ids, vec![10, 10, 5]));
    running.close().await;
}

#[tokio::test]
async fn a_list_may_be_of_one_state_or_one_api_user() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let (failed, waits) = (running.accept_text("failed").await, running.accept_text("waits").await);
    let mut others = text_message("other", None);
    others.message.api_user = "billing".to_owned();
    let other = others.message.id;
    running.accept(others).await;
    finish(&running, failed, MessageState::Failed).await;
    let listed = |state, api_user: Option<&str>| {
        let filter = MessageFilter { state, api_user: api_user.map(str::to_owned), before: None, limit: 10 };
        let running = &running;
        async move {
            let page = running.store.list_messages(&filter).await.unwrap();
            assert_eq!(page.next, None);
            page.messages.iter().map(|message| message.message_id).collect::<Vec<_>>()
        }
    };
    assert_eq!(listed(Some(MessageState::Failed), None).await, [failed]);
    assert_eq!(listed(Some(MessageState::Queued), Some(support::USER)).await, [waits]);
    assert_eq!(listed(None, Some("billing")).await, [other]);
    assert!(listed(Some(MessageState::Delivered), None).await.is_empty());
    running.close().await;
}

#[tokio::test]
async fn a_rare_state_is_found_behind_many_others_and_an_unreadable_row_hides_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let mut oldest = text_message("oldest", None);
    oldest.message.id = MessageId::from_bytes([0; 16]);
    let oldest_id = oldest.message.id;
    running.accept(oldest).await;
    finish(&running, oldest_id, MessageState::Failed).await;
    let mut damaged = None;
    for number in 0..1_200 {
        damaged = Some(running.accept_text(&format!("text {number}")).await);
    }
    let mut other = super::keys::raw(directory.path()).await;
    let damage = sqlx::query("UPDATE outbox SET summary = x'02' WHERE message_id = ?1");
    damage.bind(damaged.unwrap().as_bytes().to_vec()).execute(&mut other).await.unwrap();
    let filter = MessageFilter { state: Some(MessageState::Failed), limit: 5, ..MessageFilter::default() };
    let page = running.store.list_messages(&filter).await.unwrap();
    assert_eq!((page.messages[0].message_id, page.messages.len(), page.next), (oldest_id, 1, None));
    let all = MessageFilter { limit: 500, ..MessageFilter::default() };
    assert_eq!(running.store.list_messages(&all).await.unwrap().messages.len(), 500);
    running.close().await;
}

// --- cancelling ---------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_waiting_message_is_cancelled_durably_and_never_begins() {
    let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let running = support::open(directory.path()).await;
    let id = running.accept_text("hello").await;
    assert_eq!(cancel(&running, id).await, CancelOutcome::Cancelled);
    let image = running.crash_image(elsewhere.path());
    let restarted = support::open(&image).await;
    let record = restarted.status(id).await;
    assert_eq!((record.state, record.reason.as_deref()), (MessageState::Cancelled, Some("cancelled by an operator")));
    assert!(!running.begin_text(id, 1).await, "whoever does not know yet is refused");
    assert_eq!(cancel(&running, id).await, CancelOutcome::NotWaiting(MessageState::Cancelled));
}

#[tokio::test]
async fn the_reference_of_a_cancelled_otp_is_free_again() {
    for settings in [support::settings, support::with_memory_tickets] {
        let directory = tempfile::tempdir().unwrap();
        let running = support::try_open(settings(directory.path())).await.unwrap();
        let id = running.accept_otp("reference").await;
        assert_eq!(cancel(&running, id).await, CancelOutcome::Cancelled);
        running.accept_otp("reference").await;
        running.close().await;
    }
}

#[tokio::test]
async fn what_is_on_air_or_over_or_unknown_to_us_is_not_cancelled() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let on_air = running.accept_text("on air").await;
    assert!(running.begin_text(on_air, 1).await);
    let outcome = cancel(&running, on_air).await;
    assert_eq!(outcome, CancelOutcome::NotWaiting(MessageState::Sending));
    assert_eq!(outcome.to_string(), "not cancelled: it is on air and cannot be called back");
    running.record(sent(on_air, 1, 3)).await;
    running.reaches(on_air, MessageState::Sent).await;
    assert_eq!(cancel(&running, on_air).await, CancelOutcome::NotWaiting(MessageState::Sent));
    assert_eq!(cancel(&running, support::fresh_id()).await, CancelOutcome::NotFound);
    running.close().await;
}

// --- second tries -------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_text_of_unknown_outcome_is_queued_again_and_sent_with_the_next_attempt() {
    let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let running = support::open(directory.path()).await;
    let id = doubtful_text(&running, "did it arrive").await;
    assert!(running.status(id).await.has_text);
    let RetryOutcome::Queued(entry) = retry(&running, id).await else { panic!("not queued") };
    assert_eq!((entry.id, entry.attempt, entry.not_before), (id, 1, NOW));
    let image = running.crash_image(elsewhere.path());
    running.close().await;
    let restarted = support::open(&image).await;
    assert_eq!(restarted.store.pending().await.unwrap().len(), 1, "durable when it is answered");
    let message = restarted.store.load(id).await.unwrap().unwrap();
    assert!(matches!(message.content, Content::Text { text, .. } if text.expose() == "did it arrive"));
    assert!(!restarted.begin_text(id, 1).await, "no attempt comes twice");
    assert!(restarted.begin_text(id, 2).await);
    restarted.record(sent(id, 2, 4)).await;
    let record = restarted.reaches(id, MessageState::Sent).await;
    assert_eq!(record.attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
    assert!(!record.has_text);
    restarted.close().await;
}

#[tokio::test]
async fn an_otp_of_unknown_outcome_gets_a_second_code_and_both_are_valid() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = running.accept_otp("reference").await;
    assert!(running.begin_otp(id, 1, "reference").await);
    unknown(&running, id).await;
    assert!(matches!(retry(&running, id).await, RetryOutcome::Queued(_)));
    let message = running.store.load(id).await.unwrap().unwrap();
    assert_eq!(message.ticket_key, Some(running.key("reference")), "it knows its ticket still");
    assert!(running.begin_otp(id, 2, "reference").await);
    running.record(sent(id, 2, 9)).await;
    running.reaches(id, MessageState::Sent).await;
    assert_eq!(running.validate("reference", CODE).await, Verdict::Valid);
    running.close().await;
}

#[tokio::test]
async fn a_message_that_became_unknown_a_moment_ago_is_queued_again() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = running.accept_text("hello").await;
    assert!(running.begin_text(id, 1).await);
    let attempt = AttemptId { message_id: id, attempt: 1 };
    // Recorded and asked in one breath: both are in one group.
    running
        .record(Change::Unknown { attempt, part: None, resend: false, reason: "no answer".to_owned(), at: NOW })
        .await;
    let outcome = retry(&running, id).await;
    assert!(matches!(outcome, RetryOutcome::Queued(_)), "{outcome}");
    assert!(running.store.load(id).await.unwrap().is_some());
    running.close().await;
}

#[tokio::test]
async fn what_cannot_be_tried_again_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let said = |id| {
        let running = &running;
        async move { retry(running, id).await.to_string() }
    };
    let id = running.accept_text("hello").await;
    assert_eq!(said(id).await, "not queued again: it is queued and under way as it is");
    finish(&running, id, MessageState::Failed).await;
    let expected = "not queued again: it is failed, and texts are wiped when that is final; send it as a new message";
    assert_eq!(said(id).await, expected);
    let id = running.accept_text("hello").await;
    finish(&running, id, MessageState::Expired).await;
    assert!(said(id).await.contains("it is expired"));
    let id = running.accept_text("hello").await;
    assert!(running.begin_text(id, 1).await);
    running.record(sent(id, 1, 2)).await;
    running.reaches(id, MessageState::Sent).await;
    assert_eq!(said(id).await, "not queued again: it is sent");
    let id = doubtful_text(&running, "late").await;
    running.clock.advance(Duration::from_secs(180));
    assert!(said(id).await.contains("its deadline has passed"), "nobody wants it any more");
    assert_eq!(said(support::fresh_id()).await, "there is no such message");
    running.close().await;
}

#[tokio::test]
async fn a_text_of_unknown_outcome_is_wiped_when_its_fate_is_known_or_its_deadline_has_passed() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let reported = doubtful_text(&running, "reported").await;
    assert_eq!(kept(&running).await, 1);
    running.store.report(report(8, RECEIVER, ReportState::Delivered)).await.unwrap();
    assert_eq!((running.status(reported).await.state, kept(&running).await), (MessageState::Delivered, 0));

    let entered = running.accept_otp("entered").await;
    assert!(running.begin_otp(entered, 1, "entered").await);
    unknown(&running, entered).await;
    assert_eq!(kept(&running).await, 1);
    assert_eq!(running.validate("entered", CODE).await, Verdict::Valid);
    assert_eq!((running.status(entered).await.state, kept(&running).await), (MessageState::Delivered, 0));

    let late = doubtful_text(&running, "the garden gate is open").await;
    running.clock.advance(Duration::from_secs(179));
    running.store.run_retention(NOW.saturating_add(Duration::from_secs(179))).await.unwrap();
    assert_eq!(kept(&running).await, 1);
    running.store.run_retention(NOW.saturating_add(Duration::from_secs(180))).await.unwrap();
    assert_eq!((running.status(late).await.state, kept(&running).await), (MessageState::Unknown, 0));
    assert!(!running.status(late).await.has_text);
    running.close().await;
}

#[tokio::test]
async fn the_wiped_text_of_an_unknown_message_leaves_no_trace_on_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    doubtful_text(&running, "the garden gate is open").await;
    let sealed: Vec<u8> =
        sqlx::query_scalar("SELECT content FROM journal").fetch_one(&running.store.inner.reader).await.unwrap();
    running.store.run_retention(NOW.saturating_add(Duration::from_secs(180))).await.unwrap();
    running.close().await;
    let bytes = std::fs::read(directory.path().join("otp-pi.db")).unwrap();
    assert!(!bytes.windows(sealed.len()).any(|window| window == sealed));
}

#[tokio::test]
async fn a_rotation_takes_the_texts_of_unknown_messages_along() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = doubtful_text(&running, "did it arrive").await;
    running.store.rotate_keys().await.unwrap();
    running.store.reseal().await.unwrap();
    assert_eq!(running.store.keys_status().await.unwrap().seals.len(), 1);
    assert!(matches!(retry(&running, id).await, RetryOutcome::Queued(_)));
    let message = running.store.load(id).await.unwrap().unwrap();
    assert!(matches!(message.content, Content::Text { text, .. } if text.expose() == "did it arrive"));
    running.close().await;
}

// --- backups ------------------------------------------------------------------------------------------------------

/// A data directory made of a backup and the keys.
fn restored(backup: &Path, keys_of: &Path, into: &Path) {
    std::fs::create_dir_all(into.join("keys")).unwrap();
    std::fs::copy(backup, into.join("otp-pi.db")).unwrap();
    std::fs::copy(keys_of.join("keys/keys.json"), into.join("keys/keys.json")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_holds_everything_that_was_accepted_before_it_began() {
    let directory = tempfile::tempdir().unwrap();
    let running = Arc::new(support::open(directory.path()).await);
    let on_phone = running.accept_otp("on-phone").await;
    assert!(running.begin_otp(on_phone, 1, "on-phone").await);
    running.record(sent(on_phone, 1, 17)).await;
    running.reaches(on_phone, MessageState::Sent).await;
    let stop = Arc::new(AtomicBool::new(false));
    let (report, mut accepted) = tokio::sync::mpsc::channel(100_000);
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..4 {
        let (running, stop, report) = (Arc::clone(&running), Arc::clone(&stop), report.clone());
        callers.spawn(async move {
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let id = running.accept_text(&format!("{caller}/{number}")).await;
                report.send(id).await.unwrap();
            }
        });
    }
    let mut before = Vec::new();
    while before.len() < 300 {
        before.push(accepted.recv().await.unwrap());
    }
    while let Ok(id) = accepted.try_recv() {
        before.push(id);
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("backup.db");
    let backup = running.store.backup(&path).await.unwrap();
    let later = accepted.recv().await.unwrap();
    stop.store(true, Ordering::Relaxed);
    callers.join_all().await;
    drop(accepted);
    assert_eq!((backup.bytes, backup.seal_keys), (std::fs::metadata(&path).unwrap().len(), vec![1]));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 1, "nothing unfinished stays behind");
    assert!(running.store.load(later).await.unwrap().is_some(), "work went on");

    let data = elsewhere.path().join("data");
    restored(&path, directory.path(), &data);
    let restored = support::open(&data).await;
    let waiting: std::collections::HashSet<_> =
        restored.store.pending().await.unwrap().into_iter().map(|entry| entry.id).collect();
    assert!(before.iter().all(|id| waiting.contains(id)), "{} of {}", waiting.len(), before.len());
    assert_eq!(restored.validate("on-phone", CODE).await, Verdict::Valid);
    restored.accept_text("it lives").await;
    restored.close().await;
}

#[tokio::test]
async fn a_backup_holds_no_keys_and_nothing_in_clear() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    running.accept_text("the garden gate is open").await;
    running.accept_otp("order-4711").await;
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("backup.db");
    running.store.backup(&path).await.unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let holds = |needle: &str| bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
    assert!(holds(support::USER), "the search finds what is there");
    for needle in ["garden gate", RECEIVER, "order-4711", "Your code"] {
        assert!(!holds(needle), "{needle}");
    }
    running.close().await;
}

#[tokio::test]
async fn a_backup_overwrites_nothing_and_leaves_nothing_half_written() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    running.accept_text("hello").await;
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("backup.db");
    std::fs::write(&path, "precious").unwrap();
    let refused = running.store.backup(&path).await.unwrap_err();
    assert!(matches!(refused, BackupError::Exists { .. }), "{refused}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    let nowhere = running.store.backup(&elsewhere.path().join("no/such/place.db")).await.unwrap_err();
    assert!(matches!(nowhere, BackupError::Io { .. }), "{nowhere}");
    let unspeakable = std::ffi::OsStr::new("b\u{0}ad");
    let refused = running.store.backup(&elsewhere.path().join(unspeakable)).await;
    assert!(refused.is_err());
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 1);
    running.close().await;
}

#[tokio::test]
async fn two_backups_at_once_are_both_whole() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = running.accept_text("hello").await;
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("backup.db");
    let (first, second) = tokio::join!(running.store.backup(&path), running.store.backup(&path));
    assert!(first.is_ok() != second.is_ok(), "one of them was later");
    let data = elsewhere.path().join("data");
    restored(&path, directory.path(), &data);
    let restored = support::open(&data).await;
    assert!(restored.store.load(id).await.unwrap().is_some());
    restored.close().await;
    running.close().await;
}

#[tokio::test]
async fn a_backup_of_a_damaged_database_fails_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    running.accept_otp("reference").await;
    let root: u32 = sqlx::query_scalar("SELECT rootpage FROM sqlite_schema WHERE name = 'ticket'")
        .fetch_one(&running.store.inner.reader)
        .await
        .unwrap();
    running.close().await;
    let file = directory.path().join("otp-pi.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let page = usize::try_from(root - 1).unwrap() * 2048;
    bytes[page..page + 2048].fill(0x5a);
    std::fs::write(&file, bytes).unwrap();
    let running = support::open(directory.path()).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let failed = running.store.backup(&elsewhere.path().join("backup.db")).await;
    assert!(matches!(failed, Err(BackupError::Store(StoreError::Damaged))), "{failed:?}");
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}
