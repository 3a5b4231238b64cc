//! What the disk shows to somebody who takes it away.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use domain::message::MessageState;
use domain::secret::SecretText;

use super::reports::report;
use super::support::{self, CODE, NOW, RECEIVER, sent, text_message};
use crate::{Change, ReportState};

/// Every byte of every file below the directory.
pub(super) fn raw_bytes(directory: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes.extend(raw_bytes(&path));
        } else {
            match std::fs::read(path) {
                Ok(read) => bytes.extend(read),
                // The last reader takes the WAL away when it closes, a moment after the writer.
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}"),
            }
        }
    }
    bytes
}

pub(super) fn holds(bytes: &[u8], needle: &str) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[tokio::test]
async fn no_code_text_reference_or_number_is_on_the_disk_in_clear() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let otp = running.accept_otp("order-4711-reference").await;
    assert!(running.begin_otp(otp, 1, "order-4711-reference").await);
    running.record(sent(otp, 1, 17)).await;
    running.validate("order-4711-reference", "271828").await;
    running.validate("order-4711-reference", CODE).await;
    running.accept(text_message("the garden gate is open", Some("own-id-31415"))).await;
    let report = report(17, RECEIVER, ReportState::Delivered);
    running.store.report(report).await.unwrap();
    running
        .store
        .block(domain::receiver::Msisdn::from_canonical("628999888777").unwrap(), &support::by())
        .await
        .unwrap();
    running.store.put_secret_setting("smtp.password", &SecretText::new("correct horse battery")).await.unwrap();
    let needles = [
        CODE,
        "271828",
        RECEIVER,
        "6666666",
        "628999888777",
        "8888777",
        "Your code is",
        "garden gate",
        "order-4711",
        "own-id-31415",
        "674527846556468254",
        "battery",
    ];
    let bytes = raw_bytes(directory.path());
    assert!(holds(&bytes, "telkomsel-1"), "the search finds what is there");
    for needle in needles {
        assert!(!holds(&bytes, needle), "{needle} is on the disk while running");
    }
    running.close().await;
    let bytes = raw_bytes(directory.path());
    for needle in needles {
        assert!(!holds(&bytes, needle), "{needle} is on the disk after the end");
    }
}

#[tokio::test]
async fn the_sealed_text_is_gone_when_the_message_is_over() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = running.accept_text("the garden gate is open").await;
    let row = sqlx::query_scalar::<_, Vec<u8>>("SELECT content FROM outbox WHERE message_id = ?1")
        .bind(id.as_bytes().as_slice())
        .fetch_one(&running.store.inner.reader)
        .await
        .unwrap();
    let reason = "gone".to_owned();
    running.record(Change::Final { message_id: id, state: MessageState::Cancelled, reason, at: NOW }).await;
    running.reaches(id, MessageState::Cancelled).await;
    assert!(running.store.load(id).await.unwrap().is_none());
    running.close().await;
    let bytes = raw_bytes(directory.path());
    assert!(!bytes.windows(row.len()).any(|window| window == row), "secure_delete and the checkpoint wipe it");
}

#[tokio::test]
async fn only_the_owner_may_read_anything() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("data");
    let running = support::open(&data_dir).await;
    running.accept_text("hello").await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data_dir), 0o700);
    for name in ["otp-pi.db", "otp-pi.db-wal", "otp-pi.db-shm", "otp-pi.lock", "keys/keys.json"] {
        assert_eq!(mode(&data_dir.join(name)), 0o600, "{name}");
    }
    running.close().await;
}

#[tokio::test]
async fn a_directory_that_others_may_read_is_closed_to_them() {
    let directory = tempfile::tempdir().unwrap();
    let open_to_all = directory.path().join("data");
    std::fs::create_dir(&open_to_all).unwrap();
    std::fs::set_permissions(&open_to_all, std::fs::Permissions::from_mode(0o755)).unwrap();
    support::open(&open_to_all).await.close().await;
    assert_eq!(std::fs::metadata(&open_to_all).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_subject_is_not_printed() {
    let content = crate::Content::Text { text: SecretText::new("hello"), subject: Some("for Alice".to_owned()) };
    assert!(!format!("{content:?}").contains("Alice"), "{content:?}");
    let subject = Some("for Alice".to_owned());
    let content = crate::Content::Otp {
        template: SecretText::new("Your code is %s"),
        autofill: domain::autofill::Autofill::default(),
        subject,
        binding: support::binding("reference"),
        length: domain::otp::CodeLength::default(),
        policy: support::POLICY,
    };
    assert!(!format!("{content:?}").contains("Alice"), "{content:?}");
}
