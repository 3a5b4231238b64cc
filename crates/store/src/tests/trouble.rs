//! Full disks, locks, damage, foreign keys, newer schemas: each gives its own error and changes nothing.

use domain::message::{MessageId, MessageState};
use domain::otp::{AttemptId, Verdict};
use domain::secret::SecretText;
use sqlx::{ConnectOptions, Connection};

use super::support::{self, CODE};
use crate::{ApiUser, Change, OpenError, StoreError};

async fn raw(directory: &std::path::Path) -> sqlx::SqliteConnection {
    sqlx::sqlite::SqliteConnectOptions::new().filename(directory.join("otp-pi.db")).connect().await.unwrap()
}

#[tokio::test]
async fn two_gateways_never_share_one_directory() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let second = support::try_open(support::settings(directory.path())).await;
    assert!(matches!(second, Err(OpenError::InUse { .. })));
    running.close().await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_called_corrupt() {
    let directory = tempfile::tempdir().unwrap();
    support::open(directory.path()).await.close().await;
    std::fs::write(directory.path().join("otp-pi.db"), vec![0x5a; 8192]).unwrap();
    let opened = support::try_open(support::settings(directory.path())).await;
    assert!(matches!(opened, Err(OpenError::Corrupt { .. })), "{:?}", opened.err());
}

#[tokio::test]
async fn a_database_locked_by_another_program_is_called_locked() {
    let directory = tempfile::tempdir().unwrap();
    support::open(directory.path()).await.close().await;
    let mut other = raw(directory.path()).await;
    sqlx::query("PRAGMA locking_mode = EXCLUSIVE").execute(&mut other).await.unwrap();
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
    let opened = support::try_open(support::settings(directory.path())).await;
    assert!(matches!(opened, Err(OpenError::Locked)), "{:?}", opened.err());
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    support::open(directory.path()).await.close().await;
    let mut other = raw(directory.path()).await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (999, 'from the future', true, x'00', 0)",
    )
    .execute(&mut other)
    .await
    .unwrap();
    other.close().await.unwrap();
    let opened = support::try_open(support::settings(directory.path())).await;
    assert!(matches!(opened, Err(OpenError::NewerSchema { found: 999, .. })), "{:?}", opened.err());
}

#[tokio::test]
async fn settings_and_api_users_are_kept_together_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let user = |username: String, hash: &str| ApiUser {
        username,
        password_hash: hash.to_owned(),
        previous_hash: None,
        scopes: domain::command::ScopeSet::default(),
        class: domain::message::Class::Bulk,
        is_active: true,
    };
    let keep = async |text: &str, users| {
        running.store.keep_settings(&[("settings", &SecretText::new(text))], users, Vec::new()).await
    };
    keep("old", vec![user("first".to_owned(), "hash")]).await.unwrap();
    running.store.limit_pages(Some(1)).await;
    let long = "x".repeat(2_000);
    let many = (0..50).map(|number| user(format!("user{number:02}"), &long)).collect();
    let refused = keep("new", many).await;
    assert!(matches!(refused, Err(StoreError::DiskFull)), "{refused:?}");
    running.store.limit_pages(None).await;
    let found = running.store.find_setting("settings").await.unwrap().unwrap();
    assert_eq!(found.expose(), "old");
    assert_eq!(running.store.api_users().await.unwrap(), [user("first".to_owned(), "hash")]);
    running.close().await;
}

#[tokio::test]
async fn a_full_disk_fails_the_group_changes_nothing_and_is_survived() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = running.accept_otp("reference").await;
    assert!(running.begin_otp(id, 1, "reference").await);
    running.store.limit_pages(Some(1)).await;
    let long = "x".repeat(20_000);
    let slot = running.store.try_reserve().unwrap();
    let refused = running.store.accept(slot, support::text_message(&long, None)).await;
    assert!(matches!(refused, Err(StoreError::DiskFull)), "{refused:?}");
    assert!(refused.unwrap_err().is_transient());
    assert_eq!(running.store.pending().await.unwrap().len(), 0, "nothing of the group is there");
    running.record(support::sent(id, 1, 3)).await;
    running.store.limit_pages(None).await;
    running.accept_text(&long).await;
    assert_eq!(running.store.pending().await.unwrap().len(), 1);
    running.reaches(id, MessageState::Sent).await;
    assert_eq!(running.validate("reference", CODE).await, Verdict::Valid);
    running.close().await;
}

#[tokio::test]
async fn one_unreadable_row_fails_its_own_job_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    running.accept_otp("damaged").await;
    let mut other = raw(directory.path()).await;
    sqlx::query("UPDATE ticket SET record = x'ff'").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    let id = running.accept_otp("healthy").await;
    assert!(running.begin_otp(id, 1, "healthy").await);
    let healthy = running.validate("healthy", CODE);
    let guess = running.guess("damaged", CODE);
    let damaged = running.store.validate(running.key("damaged"), guess, support::NOW);
    let (damaged, healthy) = tokio::join!(damaged, healthy);
    assert!(matches!(damaged, Err(StoreError::Unreadable { table: "ticket" })), "{damaged:?}");
    assert_eq!(healthy, Verdict::Valid);
    running.close().await;
}

/// Makes the row of a message unreadable.
async fn damage(directory: &std::path::Path, id: MessageId) {
    let mut other = raw(directory).await;
    let damaged = sqlx::query("UPDATE outbox SET attempts = '{' WHERE message_id = ?1").bind(id.as_bytes().to_vec());
    damaged.execute(&mut other).await.unwrap();
    other.close().await.unwrap();
}

#[tokio::test]
async fn one_unreadable_row_keeps_no_gateway_from_starting() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let (damaged, healthy) = (running.accept_text("damaged").await, running.accept_text("healthy").await);
    assert!(running.begin_text(damaged, 1).await);
    assert!(running.begin_text(healthy, 1).await);
    damage(directory.path(), damaged).await;
    running.close().await;
    let running = support::open(directory.path()).await;
    assert_eq!(running.status(healthy).await.state, MessageState::Unknown);
    running.close().await;
}

#[tokio::test]
async fn one_unreadable_row_loses_no_other_change_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let (damaged, healthy) = (running.accept_text("damaged").await, running.accept_text("healthy").await);
    assert!(running.begin_text(damaged, 1).await);
    assert!(running.begin_text(healthy, 1).await);
    running.close().await;
    damage(directory.path(), damaged).await;
    let (mut running, writer) = support::open_stalled(support::settings(directory.path())).await;
    assert!(matches!(running.status(healthy).await.state, MessageState::Unknown));
    let settled = |message_id| Change::Final {
        message_id,
        state: MessageState::Delivered,
        reason: "by hand".to_owned(),
        at: support::NOW,
    };
    running.record(settled(damaged)).await;
    running.record(settled(healthy)).await;
    running.start(writer);
    running.close().await;
    let running = support::open(directory.path()).await;
    assert_eq!(running.status(healthy).await.state, MessageState::Delivered);
    running.close().await;
}

#[tokio::test]
async fn an_unreadable_ticket_holds_no_message_up() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let (refused, doubtful) = (running.accept_otp("refused").await, running.accept_otp("doubtful").await);
    assert!(running.begin_otp(refused, 1, "refused").await);
    assert!(running.begin_otp(doubtful, 1, "doubtful").await);
    let mut other = raw(directory.path()).await;
    sqlx::query("UPDATE ticket SET record = x'ff'").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    let attempt = AttemptId { message_id: refused, attempt: 1 };
    let remove_tag = Some(running.key("refused"));
    running
        .record(Change::NotSent { attempt, modem: None, code: None, retry_at: None, remove_tag, at: support::NOW })
        .await;
    running.settle().await;
    assert_eq!(running.status(refused).await.state, MessageState::Queued);
    running.close().await;
    let running = support::open(directory.path()).await;
    assert_eq!(running.status(doubtful).await.state, MessageState::Unknown);
    running.close().await;
}

#[tokio::test]
async fn a_database_that_cannot_be_written_is_noticed_and_its_end_too_without_traffic() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    running.accept_text("before").await;
    assert!(running.store.is_writable());
    let mut other = raw(directory.path()).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let slot = running.store.try_reserve().unwrap();
    let refused = running.store.accept(slot, support::text_message("hello", None)).await;
    assert!(matches!(refused, Err(StoreError::Locked)), "{refused:?}");
    assert!(!running.store.is_writable());
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while !running.store.is_writable() {
        assert!(tokio::time::Instant::now() < deadline, "still not writable");
        tokio::task::yield_now().await;
    }
    running.close().await;
}
