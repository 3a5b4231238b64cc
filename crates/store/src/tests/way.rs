//! A message's way: attempts, results, reports, retention.

use std::time::Duration;

use domain::clock::WallTime;
use domain::message::{MessageId, MessageState};
use domain::otp::{AttemptId, Verdict};
use domain::receiver::Msisdn;

use super::reports::report;
use super::support::{self, CODE, NOW, Running, sent};
use crate::{Accepted, AttemptOutcome, BeginOutcome, Change, Report, ReportState, Reported};

pub(super) async fn sent_text(running: &Running, reference: u8) -> MessageId {
    let id = running.accept_text("hello").await;
    assert!(running.begin_text(id, 1).await);
    running.record(sent(id, 1, reference)).await;
    running.settle().await;
    id
}

#[tokio::test]
async fn a_recorded_change_is_committed_within_a_second_without_help() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = running.accept_text("hello").await;
    assert!(running.begin_text(id, 1).await);
    let began = tokio::time::Instant::now();
    running.record(sent(id, 1, 5)).await;
    let record = running.reaches(id, MessageState::Sent).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(record.attempts[0].outcome, AttemptOutcome::Sent);
    assert_eq!(record.attempts[0].parts[0].message_reference, Some(5));
    running.close().await;
}

#[tokio::test]
async fn not_sent_takes_the_code_back_and_queues_again() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = running.accept_otp("reference").await;
    assert!(running.begin_otp(id, 1, "reference").await);
    let attempt = AttemptId { message_id: id, attempt: 1 };
    let retry_at = NOW.saturating_add(Duration::from_secs(4));
    let remove_tag = Some(running.key("reference"));
    let code = Some("CMS 500".to_owned());
    running.record(Change::NotSent { attempt, modem: None, code, retry_at: Some(retry_at), remove_tag, at: NOW }).await;
    assert_eq!(running.validate("reference", CODE).await, Verdict::NoCode, "recorded before, so applied before");
    let entry = running.store.pending().await.unwrap().remove(0);
    assert_eq!((entry.id, entry.attempt, entry.not_before), (id, 1, retry_at));
    assert_eq!(running.status(id).await.attempts[0].code.as_deref(), Some("CMS 500"));
    assert!(!running.begin_otp(id, 1, "reference").await, "an attempt's number is used once");
    assert!(running.begin_otp(id, 2, "reference").await);
    assert_eq!(running.validate("reference", CODE).await, Verdict::Valid);
    running.close().await;
}

#[tokio::test]
async fn a_cancelled_ticket_or_a_finished_message_is_not_sent() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = running.accept_otp("reference").await;
    assert_eq!(running.store.cancel(running.key("reference"), NOW).await.unwrap(), Some(id));
    assert_eq!(running.try_begin_otp(id, 1, "reference").await, BeginOutcome::Cancelled);
    let record = running.status(id).await;
    assert_eq!((record.state, record.reason.as_deref()), (MessageState::Cancelled, Some("its code was cancelled")));
    assert_eq!(running.try_begin_otp(id, 2, "reference").await, BeginOutcome::Stale, "settled");
    running.close().await;
}

#[tokio::test]
async fn a_report_finds_its_message_by_modem_reference_and_receiver() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = sent_text(&running, 17).await;
    let apply = async |report: Report| running.store.report(report).await.unwrap();
    assert_eq!(apply(report(18, "08126666666", ReportState::Delivered)).await, None, "another reference");
    assert_eq!(apply(report(17, "08126666667", ReportState::Delivered)).await, None, "another receiver");
    assert_eq!(apply(report(17, "66", ReportState::Delivered)).await, None, "too few digits");
    let elsewhere = Report { modem: "xl-1".to_owned(), ..report(17, "08126666666", ReportState::Delivered) };
    assert_eq!(apply(elsewhere).await, None, "another modem");
    let pending = apply(report(17, "08126666666", ReportState::Pending)).await;
    let no_news = Reported { message_id: id, state: MessageState::Sent, has_changed: false };
    assert_eq!(pending, Some(no_news), "found, and no news");
    let delivered = Some(Reported { message_id: id, state: MessageState::Delivered, has_changed: true });
    assert_eq!(apply(report(17, "+628126666666", ReportState::Delivered)).await, delivered);
    assert_eq!(apply(report(17, "+628126666666", ReportState::Undelivered)).await, None, "delivered is final");
    assert_eq!(running.status(id).await.state, MessageState::Delivered);
    running.close().await;
}

#[tokio::test]
async fn a_report_of_a_reference_used_again_settles_the_newest() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let older = sent_text(&running, 17).await;
    let newer = sent_text(&running, 17).await;
    let reported = running.store.report(report(17, "628126666666", ReportState::Delivered)).await.unwrap();
    assert_eq!(reported.map(|reported| reported.message_id), Some(newer));
    assert_eq!(running.status(older).await.state, MessageState::Sent);
    running.close().await;
}

#[tokio::test]
async fn a_report_after_a_restart_still_settles_even_the_unknown() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let late = sent_text(&running, 17).await;
    let lost = running.accept_text("hello").await;
    assert!(running.begin_text(lost, 1).await);
    running.close().await;
    let running = support::open(directory.path()).await;
    assert_eq!(running.status(lost).await.state, MessageState::Unknown);
    let first = running.store.report(report(17, "628126666666", ReportState::Undelivered)).await.unwrap();
    assert_eq!(first, Some(Reported { message_id: late, state: MessageState::Undelivered, has_changed: true }));
    let second = running.store.report(report(200, "628126666666", ReportState::Delivered)).await.unwrap();
    assert_eq!(second, Some(Reported { message_id: lost, state: MessageState::Delivered, has_changed: true }));
    running.close().await;
}

#[tokio::test]
async fn a_long_text_is_sent_with_its_last_part_and_delivered_with_its_last_report() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = running.accept_text("long").await;
    assert!(running.begin_parts(id, 1, 2).await);
    let attempt = AttemptId { message_id: id, attempt: 1 };
    let part = |part: u8| Change::Sent { attempt, part, parts: 2, message_reference: Some(40 + part), at: NOW };
    running.record(part(1)).await;
    running.settle().await;
    assert_eq!(running.status(id).await.state, MessageState::Sending);
    let early = running.store.report(report(41, "628126666666", ReportState::Delivered)).await.unwrap();
    assert_eq!(early.map(|it| it.has_changed), Some(false), "one part is not the message");
    running.record(part(2)).await;
    running.settle().await;
    assert_eq!(running.status(id).await.state, MessageState::Sent);
    let last = running.store.report(report(42, "628126666666", ReportState::Delivered)).await.unwrap();
    assert_eq!(last, Some(Reported { message_id: id, state: MessageState::Delivered, has_changed: true }));
    running.close().await;
}

#[tokio::test]
async fn an_attempt_whose_end_overtakes_its_beginning_never_begins() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let (otp, text) = (running.accept_otp("reference").await, running.accept_text("hello").await);
    running.close().await;
    let (mut running, writer) = support::open_stalled(support::settings(directory.path())).await;
    // The modem gave up while the beginning waited for a slow disk.
    support::ask_and_leave(running.begin_otp(otp, 1, "reference")).await;
    support::ask_and_leave(running.begin_text(text, 1)).await;
    let attempt = |message_id| AttemptId { message_id, attempt: 1 };
    let remove_tag = Some(running.key("reference"));
    let code = Some("no prompt".to_owned());
    let modem = Some("modem1".to_owned());
    running.record(Change::NotSent { attempt: attempt(otp), modem, code, retry_at: None, remove_tag, at: NOW }).await;
    let reason = "the gateway ended".to_owned();
    running.record(Change::Unknown { attempt: attempt(text), part: None, resend: false, reason, at: NOW }).await;
    running.start(writer);
    running.settle().await;
    for id in [otp, text] {
        assert_eq!(running.status(id).await.state, MessageState::Queued, "nothing was sent, for certain");
    }
    let attempts = running.status(otp).await.attempts;
    let known: Vec<_> = attempts.iter().map(|it| (it.number, it.modem.as_str(), it.code.as_deref())).collect();
    assert_eq!(known, [(1, "modem1", Some("no prompt"))], "why it was not sent is remembered");
    assert_eq!(running.validate("reference", CODE).await, Verdict::NoCode, "the tag of a code that nobody got");
    assert!(!running.begin_otp(otp, 1, "reference").await, "its number is used up");
    assert!(running.begin_otp(otp, 2, "reference").await);
    assert!(running.begin_text(text, 2).await);
    running.close().await;
}

#[tokio::test]
async fn a_long_text_that_broke_off_says_why_in_its_attempt() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = running.accept_text("long").await;
    assert!(running.begin_parts(id, 1, 2).await);
    let attempt = AttemptId { message_id: id, attempt: 1 };
    running.record(Change::Sent { attempt, part: 1, parts: 2, message_reference: Some(40), at: NOW }).await;
    let reason = "a later part was not sent: CMS 1".to_owned();
    running
        .record(Change::Final { message_id: id, state: MessageState::Failed, reason: reason.clone(), at: NOW })
        .await;
    running.settle().await;
    let known = running.status(id).await.attempts.remove(0);
    assert_eq!((known.outcome, known.code, known.parts.len()), (AttemptOutcome::NotSent, Some(reason), 1));
    assert_eq!(known.ended_at_millis, Some(NOW.as_unix_millis()));
    running.close().await;
}

#[tokio::test]
async fn reports_of_a_long_text_that_broke_off_in_doubt_never_make_it_whole() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = running.accept_text("long").await;
    assert!(running.begin_parts(id, 1, 3).await);
    let attempt = AttemptId { message_id: id, attempt: 1 };
    running.record(Change::Sent { attempt, part: 1, parts: 3, message_reference: Some(40), at: NOW }).await;
    running
        .record(Change::Unknown { attempt, part: None, resend: false, reason: "no answer".to_owned(), at: NOW })
        .await;
    running.settle().await;
    // The first part, the second in doubt, and each again: networks repeat reports.
    for reference in [40, 41, 40, 41] {
        running.store.report(report(reference, "628126666666", ReportState::Delivered)).await.unwrap();
        assert_eq!(running.status(id).await.state, MessageState::Unknown, "the third was never sent");
    }
    let known = running.status(id).await.attempts[0].parts.len();
    assert_eq!(known, 2);
    running.close().await;
    // In doubt from the first part on.
    let running = support::open(directory.path()).await;
    let id = running.accept_text("long").await;
    assert!(running.begin_parts(id, 1, 3).await);
    let attempt = AttemptId { message_id: id, attempt: 1 };
    running
        .record(Change::Unknown { attempt, part: None, resend: false, reason: "no answer".to_owned(), at: NOW })
        .await;
    running.settle().await;
    running.store.report(report(50, "628126666666", ReportState::Delivered)).await.unwrap();
    assert_eq!(running.status(id).await.state, MessageState::Unknown);
    running.close().await;
}

#[tokio::test]
async fn a_report_that_came_before_an_attempt_of_unknown_outcome_is_about_another() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = running.accept_text("hello").await;
    assert!(running.begin_text(id, 1).await);
    let (attempt, reason) = (AttemptId { message_id: id, attempt: 1 }, "no answer".to_owned());
    running.record(Change::Unknown { attempt, part: None, resend: false, reason, at: NOW }).await;
    running.settle().await;
    let earlier = WallTime::from_unix_millis(NOW.as_unix_millis() - 1);
    let twice = Report { at: earlier, ..report(7, "628126666666", ReportState::Delivered) };
    assert_eq!(running.store.report(twice).await.unwrap(), None);
    let its_own = running.store.report(report(7, "628126666666", ReportState::Delivered)).await.unwrap();
    assert_eq!(its_own, Some(Reported { message_id: id, state: MessageState::Delivered, has_changed: true }));
    running.close().await;
}

#[tokio::test]
async fn what_was_accepted_before_its_receiver_was_blocked_is_not_sent() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = running.accept_otp("reference").await;
    running.store.block(Msisdn::from_canonical(support::RECEIVER).unwrap(), &support::by()).await.unwrap();
    assert_eq!(running.try_begin_otp(id, 1, "reference").await, BeginOutcome::Blocked);
    let record = running.status(id).await;
    assert_eq!((record.state, record.attempts.len()), (MessageState::Blocked, 0));
    assert!(running.store.load(id).await.unwrap().is_none(), "its content is gone");
    running.close().await;
}

#[tokio::test]
async fn a_code_that_was_entered_settles_all_doubt_about_its_message() {
    let directory = tempfile::tempdir().unwrap();
    for settings in [support::settings(directory.path()), support::with_memory_tickets(directory.path())] {
        let running = support::try_open(settings).await.unwrap();
        let unknown = |message_id| Change::Unknown {
            attempt: AttemptId { message_id, attempt: 1 },
            part: None,
            resend: true,
            reason: "no answer".to_owned(),
            at: NOW,
        };
        let early = running.accept_otp("early").await;
        assert!(running.begin_otp(early, 1, "early").await);
        assert_eq!(running.validate("early", CODE).await, Verdict::Valid);
        running.record(unknown(early)).await;
        running.settle().await;
        assert_eq!(running.status(early).await.state, MessageState::Delivered);
        let late = running.accept_otp("late").await;
        assert!(running.begin_otp(late, 1, "late").await);
        running.record(unknown(late)).await;
        running.settle().await;
        assert_eq!(running.validate("late", CODE).await, Verdict::Valid);
        assert_eq!(running.try_begin_otp(late, 2, "late").await, BeginOutcome::Consumed);
        running.settle().await;
        let record = running.status(late).await;
        assert_eq!((record.state, record.reason.as_deref()), (MessageState::Delivered, Some("the code was entered")));
        running.close().await;
    }
}

#[tokio::test]
async fn an_otp_that_ends_without_a_code_gives_its_reference_free() {
    let directory = tempfile::tempdir().unwrap();
    for (settings, store) in
        [(support::settings(directory.path()), "sqlite"), (support::with_memory_tickets(directory.path()), "memory")]
    {
        let running = support::try_open(settings).await.unwrap();
        let name = |what: &str| format!("{store}-{what}");
        let end = |message_id, state| Change::Final { message_id, state, reason: "over".to_owned(), at: NOW };
        for state in [MessageState::Failed, MessageState::Expired, MessageState::Cancelled, MessageState::Blocked] {
            let reference = name(state.as_str());
            let id = running.accept_otp(&reference).await;
            running.record(end(id, state)).await;
            running.settle().await;
            assert_ne!(running.accept_otp(&reference).await, id, "new after {state}");
        }
        let (blocked, receiver) = (name("blocked at the channel"), Msisdn::from_canonical(support::RECEIVER).unwrap());
        let id = running.accept_otp(&blocked).await;
        running.store.block(receiver, &support::by()).await.unwrap();
        assert_eq!(running.try_begin_otp(id, 1, &blocked).await, BeginOutcome::Blocked);
        running.store.unblock(receiver, &support::by()).await.unwrap();
        assert_ne!(running.accept_otp(&blocked).await, id);
        let incomplete = name("incomplete");
        let id = running.accept_otp(&incomplete).await;
        assert!(running.begin_otp(id, 1, &incomplete).await);
        running.record(end(id, MessageState::Failed)).await;
        running.settle().await;
        let repeat = Accepted::Repeat { message_id: id, state: MessageState::Failed };
        assert_eq!(running.accept(running.otp(&incomplete)).await, repeat, "its code may have been read");
        running.close().await;
    }
}

#[tokio::test]
async fn a_report_finds_a_message_that_was_recorded_as_sent_a_moment_before() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = running.accept_text("hello").await;
    assert!(running.begin_text(id, 1).await);
    running.record(sent(id, 1, 17)).await;
    let reported = running.store.report(report(17, "628126666666", ReportState::Delivered)).await.unwrap();
    assert_eq!(reported, Some(Reported { message_id: id, state: MessageState::Delivered, has_changed: true }));
    running.close().await;
}
