//! The audit record: what is written, what is found when somebody tampers with it, what is kept how long.

use std::path::Path;
use std::time::Duration;

use domain::receiver::Msisdn;
use domain::secret::SecretText;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::support::{self, NOW, Running, by};
use crate::{
    AuditBy, AuditEvent, AuditFilter, AuditKind, AuditMark, AuditRow, AuditVerdict, CancelOutcome, Keys, KeysPlace,
    StoreError, verify_audit_of,
};

async fn raw(directory: &Path) -> SqliteConnection {
    sqlx::sqlite::SqliteConnectOptions::new().filename(directory.join("otp-pi.db")).connect().await.unwrap()
}

async fn execute(directory: &Path, statement: &'static str) {
    let mut other = raw(directory).await;
    sqlx::raw_sql(statement).execute(&mut other).await.unwrap();
    other.close().await.unwrap();
}

fn event(number: u32) -> AuditEvent {
    AuditEvent::new(AuditKind::BackupMade, &by(), format!("/backup/{number}")).with("number", None, Some("1"))
}

async fn rows(running: &Running) -> Vec<AuditRow> {
    let filter = AuditFilter { limit: 1_000, ..AuditFilter::default() };
    let mut rows = running.store.audit_rows(&filter).await.unwrap();
    rows.reverse();
    rows
}

async fn words(running: &Running) -> Vec<String> {
    rows(running).await.into_iter().map(|row| row.event).collect()
}

async fn verify(running: &Running) -> AuditVerdict {
    running.store.verify_audit(None).await.unwrap()
}

/// What is wrong, each with its row.
fn faults(verdict: &AuditVerdict) -> Vec<(i64, &str)> {
    verdict.faults.iter().map(|fault| (fault.sequence, fault.what.as_str())).collect()
}

/// A closed store whose record has ten rows.
async fn ten_rows() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    for number in 1..=10 {
        running.store.audit(event(number)).await.unwrap();
    }
    let verdict = verify(&running).await;
    assert!(verdict.is_sound && verdict.rows == 10, "{verdict:?}");
    running.close().await;
    directory
}

/// What a look says, without a start that goes on behind the damage.
async fn look(directory: &Path, noted: Option<&AuditMark>) -> AuditVerdict {
    let keys = Keys::load(KeysPlace::Own(directory.join("keys"))).unwrap();
    verify_audit_of(&directory.join("otp-pi.db"), keys, noted).await.unwrap()
}

#[tokio::test]
async fn rows_say_who_from_where_on_what_and_what_changed() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let by = AuditBy::new("uid 0", "shell");
    let event = AuditEvent::new(AuditKind::ApiUserChanged, &by, "shop").with("active", Some("true"), Some("false"));
    running.store.audit(event).await.unwrap();
    let [row] = &rows(&running).await[..] else { panic!("one row") };
    assert_eq!((row.sequence, row.at), (1, NOW.as_unix_millis()));
    let told = (row.event.as_str(), row.actor.as_str(), row.origin.as_str(), row.subject.as_str());
    assert_eq!(told, ("api-user-changed", "uid 0", "shell", "shop"));
    let [change] = &row.changes[..] else { panic!("one change") };
    assert_eq!((change.old.as_deref(), change.new.as_deref()), (Some("true"), Some("false")));
    running.close().await;
}

#[tokio::test]
async fn a_row_comes_with_its_act_and_not_without_it() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let receiver = Msisdn::from_canonical(support::RECEIVER).unwrap();
    running.store.block(receiver, &by()).await.unwrap();
    running.store.block(receiver, &by()).await.unwrap();
    running.store.unblock(receiver, &by()).await.unwrap();
    running.store.unblock(receiver, &by()).await.unwrap();
    let id = running.accept_text("waiting").await;
    assert_eq!(running.store.cancel_message(id, &by()).await.unwrap(), CancelOutcome::Cancelled);
    let again = running.store.cancel_message(id, &by()).await.unwrap();
    assert!(matches!(again, CancelOutcome::NotWaiting(_)));
    assert_eq!(words(&running).await, ["receiver-blocked", "receiver-unblocked", "message-cancelled"]);
    let subjects: Vec<_> = rows(&running).await.into_iter().map(|row| row.subject).collect();
    assert_eq!(subjects, ["62812•••66".to_owned(), "62812•••66".to_owned(), id.to_string()]);
    running.close().await;
}

const WAS: &str = "is not as it was written";

/// What is done, how, and which rows are named for it.
type Case = (&'static str, &'static str, &'static [(i64, &'static str)]);

#[tokio::test]
async fn each_kind_of_tampering_is_found_by_its_row() {
    let cases: [Case; 14] = [
        ("an edit of who", "UPDATE audit SET actor = 'nobody' WHERE sequence = 4", &[(4, WAS)]),
        ("an edit of when", "UPDATE audit SET at = at + 1 WHERE sequence = 1", &[(1, WAS)]),
        ("an edit of what changed", "UPDATE audit SET details = '[]' WHERE sequence = 10", &[(10, WAS)]),
        ("an edit of a hash", "UPDATE audit SET hash = zeroblob(32) WHERE sequence = 4", &[(4, WAS), (5, WAS)]),
        ("an edit of a hash's length", "UPDATE audit SET hash = x'00' WHERE sequence = 4", &[(4, "cannot be read")]),
        ("a row taken out", "DELETE FROM audit WHERE sequence = 4", &[(4, "is missing")]),
        (
            "rows taken out",
            "DELETE FROM audit WHERE sequence IN (4, 5, 6)",
            &[(4, "is missing, and so is every one up to row 6")],
        ),
        (
            "a row taken out, the rest moved up",
            "DELETE FROM audit WHERE sequence = 4; UPDATE audit SET sequence = sequence - 1 WHERE sequence > 4",
            &[(4, WAS), (5, WAS), (6, WAS), (7, WAS), (8, WAS), (9, WAS), (10, "is missing")],
        ),
        (
            "two rows exchanged",
            "UPDATE audit SET sequence = -1 WHERE sequence = 4; UPDATE audit SET sequence = 4 WHERE sequence = 7; \
             UPDATE audit SET sequence = 7 WHERE sequence = -1",
            &[(4, WAS), (5, WAS), (7, WAS), (8, WAS)],
        ),
        (
            "a row put in",
            "UPDATE audit SET sequence = -sequence - 1 WHERE sequence >= 4; UPDATE audit SET sequence = -sequence \
             WHERE sequence < 0; INSERT INTO audit SELECT 4, at, event, actor, origin, subject, details, hash FROM audit \
             WHERE sequence = 3",
            &[
                (4, WAS),
                (5, WAS),
                (6, WAS),
                (7, WAS),
                (8, WAS),
                (9, WAS),
                (10, WAS),
                (11, WAS),
                (11, "was added behind the end"),
            ],
        ),
        (
            "a row copied to the end",
            "INSERT INTO audit SELECT 11, at, event, actor, origin, subject, details, hash FROM audit WHERE sequence = 10",
            &[(11, WAS), (11, "was added behind the end")],
        ),
        (
            "the tail cut off",
            "DELETE FROM audit WHERE sequence > 7",
            &[(8, "is missing, and so is every one up to row 10")],
        ),
        ("everything removed", "DELETE FROM audit", &[(1, "is missing, and so is every one up to row 10")]),
        (
            "a row before the beginning",
            "INSERT INTO audit SELECT 0, at, event, actor, origin, subject, details, hash FROM audit WHERE sequence = 1",
            &[(0, "stands before the beginning of the record")],
        ),
    ];
    for (what, statement, expected) in cases {
        let directory = ten_rows().await;
        execute(directory.path(), statement).await;
        let verdict = look(directory.path(), None).await;
        assert!(!verdict.is_sound, "{what}");
        assert_eq!(faults(&verdict), expected, "{what}");
    }
}

#[tokio::test]
async fn a_head_that_is_gone_or_not_ours_is_found_and_the_rest_is_still_looked_at() {
    let missing = (0, "the head of the record is missing");
    let foreign = (0, "the head of the record is not as it was written");
    for (statement, expected) in [
        ("DELETE FROM meta WHERE name = 'audit_head'", vec![missing]),
        ("UPDATE meta SET value = x'00' WHERE name = 'audit_head'", vec![foreign]),
        (
            "DELETE FROM meta WHERE name = 'audit_head'; UPDATE audit SET origin = '' WHERE sequence = 3",
            vec![missing, (3, "is not as it was written")],
        ),
    ] {
        let directory = ten_rows().await;
        execute(directory.path(), statement).await;
        assert_eq!(faults(&look(directory.path(), None).await), expected, "{statement}");
    }
}

#[tokio::test]
async fn a_record_that_is_taken_away_whole_does_not_look_like_a_fresh_one() {
    let directory = ten_rows().await;
    execute(directory.path(), "DELETE FROM audit; DELETE FROM meta WHERE name = 'audit_head'").await;
    let running = support::open(directory.path()).await;
    assert_eq!(words(&running).await, ["audit-broken"]);
    running.store.audit(event(11)).await.unwrap();
    let verdict = verify(&running).await;
    let what = "tells that the record was not found as it was left; what is before it is not proven";
    assert_eq!(faults(&verdict), [(1, what)], "for good, and not only until the next row");
    running.close().await;
    let running = support::open(directory.path()).await;
    assert_eq!(words(&running).await, ["audit-broken", "backup-made"], "told once");
    running.close().await;
}

#[tokio::test]
async fn a_start_goes_on_behind_damage_and_hides_none_of_it() {
    for (statement, sequence) in [
        ("DELETE FROM audit WHERE sequence > 7", 8),
        ("DELETE FROM audit WHERE sequence > 7; DELETE FROM meta WHERE name = 'audit_head'", 8),
        (
            "INSERT INTO audit SELECT 11, at, event, actor, origin, subject, details, hash FROM audit WHERE sequence = 10",
            11,
        ),
        ("UPDATE audit SET hash = zeroblob(32) WHERE sequence = 10", 10),
    ] {
        let directory = ten_rows().await;
        execute(directory.path(), statement).await;
        let running = support::open(directory.path()).await;
        running.store.audit(event(11)).await.unwrap();
        assert_eq!(
            words(&running).await.into_iter().rev().take(2).collect::<Vec<_>>(),
            ["backup-made", "audit-broken"]
        );
        let verdict = verify(&running).await;
        assert_eq!(verdict.faults.first().map(|fault| fault.sequence), Some(sequence), "{statement}: {verdict:?}");
        running.close().await;
    }
}

#[tokio::test]
async fn a_database_that_is_put_back_under_a_running_gateway_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    running.store.audit(event(1)).await.unwrap();
    let mut other = raw(directory.path()).await;
    let old: Vec<u8> =
        sqlx::query_scalar("SELECT value FROM meta WHERE name = 'audit_head'").fetch_one(&mut other).await.unwrap();
    running.store.audit(event(2)).await.unwrap();
    sqlx::query("DELETE FROM audit WHERE sequence = 2").execute(&mut other).await.unwrap();
    sqlx::query("UPDATE meta SET value = ?1 WHERE name = 'audit_head'").bind(old).execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    let verdict = verify(&running).await;
    assert!(faults(&verdict).first().unwrap().1.contains("not the one that the gateway has written"), "{verdict:?}");
    running.store.audit(event(3)).await.unwrap();
    assert_eq!(faults(&verify(&running).await), [(2, "is missing")], "the chain goes on where it was");
    running.close().await;
}

#[tokio::test]
async fn a_row_that_was_noted_elsewhere_shows_a_record_that_was_put_back() {
    let directory = ten_rows().await;
    let before = std::fs::read(directory.path().join("otp-pi.db")).unwrap();
    let early = look(directory.path(), None).await.head.unwrap();
    let running = support::open(directory.path()).await;
    running.store.audit(event(11)).await.unwrap();
    let noted = verify(&running).await.head.unwrap();
    assert_eq!(noted.sequence, 11);
    assert!(running.store.verify_audit(Some(&noted)).await.unwrap().is_sound);
    assert!(running.store.verify_audit(Some(&early)).await.unwrap().is_sound, "any row serves");
    running.close().await;
    std::fs::write(directory.path().join("otp-pi.db"), before).unwrap();
    assert!(look(directory.path(), None).await.is_sound, "by itself it cannot be seen");
    let verdict = look(directory.path(), Some(&noted)).await;
    assert_eq!(verdict.faults.first().map(|fault| fault.sequence), Some(11), "{verdict:?}");
    let forged = AuditMark { sequence: 3, hash: "00".repeat(32) };
    assert!(!look(directory.path(), Some(&forged)).await.is_sound);
}

#[tokio::test]
async fn a_record_stays_proven_through_rotations_and_in_backups_of_their_time() {
    let directory = ten_rows().await;
    let running = support::open(directory.path()).await;
    let backup = directory.path().join("copy.db");
    running.store.backup(&backup).await.unwrap();
    running.store.rotate_keys().await.unwrap();
    running.store.reseal().await.unwrap();
    running.store.audit(event(11)).await.unwrap();
    assert!(verify(&running).await.is_sound);
    running.close().await;
    let running = support::open(directory.path()).await;
    assert!(verify(&running).await.is_sound);
    running.close().await;
    let keys = || Keys::load(KeysPlace::Own(directory.path().join("keys"))).unwrap();
    let verdict = verify_audit_of(&backup, keys(), None).await.unwrap();
    assert!(verdict.is_sound && verdict.rows == 10, "{verdict:?}");
    assert!(!directory.path().join("copy.db-wal").exists(), "a look makes nothing");
    let elsewhere = tempfile::tempdir().unwrap();
    support::open(elsewhere.path()).await.close().await;
    let foreign = Keys::load(KeysPlace::Own(elsewhere.path().join("keys"))).unwrap();
    assert!(
        verify_audit_of(&backup, foreign, None)
            .await
            .unwrap_err()
            .to_string()
            .contains("does not belong to these keys")
    );
    std::fs::write(directory.path().join("text"), "no database").unwrap();
    assert!(verify_audit_of(&directory.path().join("text"), keys(), None).await.is_err());
}

#[tokio::test]
async fn a_record_outlives_the_loss_of_the_keys_behind_a_row_that_says_so() {
    let directory = ten_rows().await;
    std::fs::remove_file(directory.path().join("keys/keys.json")).unwrap();
    let place = KeysPlace::Own(directory.path().join("keys"));
    crate::reset_keys(&support::settings(directory.path()), place, NOW, &by()).await.unwrap();
    let running = support::open(directory.path()).await;
    let rows = rows(&running).await;
    assert_eq!(rows.len(), 11);
    assert_eq!((rows[10].event.as_str(), rows[10].actor.as_str()), ("keys-reset", "tester"));
    assert!(verify(&running).await.is_sound);
    running.close().await;
}

#[tokio::test]
async fn a_database_from_before_begins_its_record_once() {
    let directory = tempfile::tempdir().unwrap();
    support::open(directory.path()).await.close().await;
    // As an earlier version left it: the table comes with the start.
    let keys = crate::keys::LiveKeys::new(Keys::load(KeysPlace::Own(directory.path().join("keys"))).unwrap());
    let old = keys.seal().seal(crate::codec::CHECK, b"", &keys.lookup().hash(&[b"key-check-v1"])).unwrap();
    let mut other = raw(directory.path()).await;
    sqlx::query("UPDATE meta SET value = ?1 WHERE name = 'key_check'").bind(old).execute(&mut other).await.unwrap();
    sqlx::raw_sql(
        "DELETE FROM meta WHERE name = 'audit_head'; DROP TABLE audit; DELETE FROM _sqlx_migrations WHERE version = 4",
    )
    .execute(&mut other)
    .await
    .unwrap();
    other.close().await.unwrap();
    for expected in [1, 2] {
        let running = support::open(directory.path()).await;
        running.store.audit(event(1)).await.unwrap();
        let verdict = verify(&running).await;
        assert!(verdict.is_sound && verdict.rows == expected, "{verdict:?}");
        running.close().await;
    }
}

#[tokio::test]
async fn rows_go_by_age_and_the_rest_stays_proven() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    for number in 1..=3 {
        running.store.audit(event(number)).await.unwrap();
    }
    running.clock.advance(Duration::from_hours(364 * 24));
    running.store.audit(event(4)).await.unwrap();
    let now = |hours: u64| NOW.saturating_add(Duration::from_hours(hours));
    running.store.run_retention(now(365 * 24 + 12)).await.unwrap();
    assert_eq!(rows(&running).await.len(), 4, "a day's slack, so that not every hour has a row about it");
    let noted = AuditMark { sequence: 2, hash: hash_of(directory.path(), 2).await };
    running.store.run_retention(now(366 * 24 + 1)).await.unwrap();
    let kept = rows(&running).await;
    assert_eq!(kept.iter().map(|row| row.sequence).collect::<Vec<_>>(), [4, 5]);
    assert_eq!((kept[1].event.as_str(), kept[1].subject.as_str()), ("audit-trimmed", "rows 1 to 3"));
    let verdict = verify(&running).await;
    assert!(verdict.is_sound && verdict.trimmed_until == 3, "{verdict:?}");
    let gone = running.store.verify_audit(Some(&noted)).await.unwrap();
    assert!(gone.faults[0].what.contains("removed since by retention"), "{gone:?}");
    running.close().await;
    for (statement, expected) in [
        ("DELETE FROM audit WHERE sequence = 4", (4, "is missing")),
        ("UPDATE audit SET at = at + 1 WHERE sequence = 4", (4, "is not as it was written")),
    ] {
        let image = tempfile::tempdir().unwrap();
        std::fs::create_dir(image.path().join("keys")).unwrap();
        for name in ["otp-pi.db", "keys/keys.json"] {
            std::fs::copy(directory.path().join(name), image.path().join(name)).unwrap();
        }
        execute(image.path(), statement).await;
        assert_eq!(faults(&look(image.path(), None).await), [expected]);
    }
}

async fn hash_of(directory: &Path, sequence: i64) -> String {
    let mut other = raw(directory).await;
    let query = sqlx::query_scalar("SELECT lower(hex(hash)) FROM audit WHERE sequence = ?1").bind(sequence);
    let hash = query.fetch_one(&mut other).await.unwrap();
    other.close().await.unwrap();
    hash
}

#[tokio::test]
async fn rows_go_by_size_although_nobody_knows_the_time() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = support::settings(directory.path());
    settings.retention.max_audit_bytes = 20_000;
    let mut running = support::try_open(settings).await.unwrap();
    running.store.doubt_the_clock();
    for number in 0..200 {
        running.store.audit(event(number)).await.unwrap();
    }
    running.store.run_retention(NOW).await.unwrap();
    let kept = rows(&running).await;
    assert!((50..110).contains(&kept.len()), "{}", kept.len());
    let last = kept.last().unwrap();
    assert_eq!((last.event.as_str(), last.changes[0].new.as_deref()), ("audit-trimmed", Some("size")));
    assert!(verify(&running).await.is_sound);
    running.store.run_retention(NOW).await.unwrap();
    assert_eq!(rows(&running).await.len(), kept.len(), "and not again for the row about it");
    running.close().await;
}

#[tokio::test]
async fn what_was_not_sound_is_told_when_it_is_trimmed() {
    let directory = ten_rows().await;
    execute(directory.path(), "UPDATE audit SET actor = 'nobody' WHERE sequence = 4").await;
    let running = support::open(directory.path()).await;
    running.store.run_retention(NOW.saturating_add(Duration::from_hours(400 * 24))).await.unwrap();
    let rows = rows(&running).await;
    let told = rows[0].changes.iter().find(|change| change.what == "not sound").unwrap();
    assert_eq!(told.new.as_deref(), Some("row 4: is not as it was written"));
    running.close().await;
}

#[tokio::test]
async fn a_flood_from_outside_is_bounded_counted_and_pushes_nothing_out() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    running.store.audit(event(1)).await.unwrap();
    for number in 0..500 {
        let by = AuditBy::new("unknown", format!("10.0.{}.{}", number / 250, number % 250));
        running.store.audit(AuditEvent::new(AuditKind::LoginsThrottled, &by, "")).await.unwrap();
    }
    let during = rows(&running).await;
    assert_eq!(during.len(), 1 + 30 + 1, "the limit, and one row that says that it is reached");
    assert_eq!(during[31].event, "audit-suppressed");
    running.store.audit(event(2)).await.unwrap();
    assert_eq!(rows(&running).await.len(), 33, "other kinds are not held up");
    running.clock.advance(Duration::from_hours(1));
    running.store.run_retention(NOW.saturating_add(Duration::from_hours(1))).await.unwrap();
    let after = rows(&running).await;
    let told = after.last().unwrap();
    assert_eq!((told.subject.as_str(), told.changes[0].new.as_deref()), ("logins-throttled", Some("470")));
    running.store.audit(AuditEvent::new(AuditKind::LoginsThrottled, &by(), "")).await.unwrap();
    assert_eq!(words(&running).await.last().unwrap(), "logins-throttled", "the next hour has room again");
    assert!(verify(&running).await.is_sound);
    running.close().await;
}

#[tokio::test]
async fn what_was_only_counted_is_told_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    for _ in 0..40 {
        running.store.audit(AuditEvent::new(AuditKind::PinRefused, &by(), "m0")).await.unwrap();
    }
    running.store.close_audit().await.unwrap();
    let told = rows(&running).await.pop().unwrap();
    assert_eq!((told.subject.as_str(), told.changes[0].new.as_deref()), ("pin-refused", Some("10")));
    running.close().await;
}

#[tokio::test]
async fn a_full_disk_refuses_the_act_rather_than_losing_its_row() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let receiver = Msisdn::from_canonical(support::RECEIVER).unwrap();
    running.store.limit_pages(Some(1)).await;
    // Free space within a page is still used; somewhere a page is needed.
    let refused = loop {
        match running.store.audit(event(1)).await {
            Ok(()) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StoreError::DiskFull), "{refused:?}");
    let before = rows(&running).await.len();
    let blocked = running.store.block(receiver, &by()).await;
    assert!(matches!(blocked, Err(StoreError::DiskFull)), "{blocked:?}");
    assert!(running.store.blocked_entries().is_empty());
    let kept = running.store.keep_settings(&[("settings", &SecretText::new("x"))], Vec::new(), vec![event(2)]).await;
    assert!(matches!(kept, Err(StoreError::DiskFull)), "{kept:?}");
    assert!(running.store.find_setting("settings").await.unwrap().is_none());
    running.store.note(event(3));
    // Behind it.
    drop(running.store.rare(crate::writer::job::RareStep::Barrier).await);
    running.store.limit_pages(None).await;
    assert_eq!(rows(&running).await.len(), before);
    running.store.block(receiver, &by()).await.unwrap();
    let after = rows(&running).await;
    let [.., lost, blocked] = &after[..] else { panic!("{after:?}") };
    assert_eq!(blocked.event, "receiver-blocked");
    assert_eq!((lost.event.as_str(), lost.changes[0].new.as_deref()), ("audit-suppressed", Some("1")));
    assert!(verify(&running).await.is_sound, "nothing of what failed has moved the head");
    running.close().await;
}

#[tokio::test]
async fn two_acts_at_once_are_two_rows_of_one_chain() {
    let directory = tempfile::tempdir().unwrap();
    let (mut running, writer) = support::open_stalled(support::settings(directory.path())).await;
    let numbers = ["628126666601", "628126666602", "628126666603"];
    let mut acts = tokio::task::JoinSet::new();
    for number in numbers {
        let store = running.store.clone();
        acts.spawn(async move { store.block(Msisdn::from_canonical(number).unwrap(), &by()).await.unwrap() });
    }
    running.start(writer);
    acts.join_all().await;
    let verdict = verify(&running).await;
    assert!(verdict.is_sound && verdict.rows == 3, "{verdict:?}");
    running.close().await;
}

#[tokio::test]
async fn rows_are_on_the_disk_when_the_act_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let receiver = Msisdn::from_canonical(support::RECEIVER).unwrap();
    running.store.block(receiver, &by()).await.unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let image = running.crash_image(elsewhere.path());
    let after = support::open(&image).await;
    assert_eq!(words(&after).await, ["receiver-blocked"]);
    assert!(verify(&after).await.is_sound);
    after.close().await;
    running.close().await;
}

#[tokio::test]
async fn lists_are_filtered_paged_and_tell_what_cannot_be_read() {
    let directory = ten_rows().await;
    let running = support::open(directory.path()).await;
    running.clock.advance(Duration::from_hours(1));
    running.store.audit(AuditEvent::new(AuditKind::Stopped, &by(), "")).await.unwrap();
    let list = async |filter: AuditFilter| -> Vec<i64> {
        running.store.audit_rows(&filter).await.unwrap().into_iter().map(|row| row.sequence).collect()
    };
    let all = AuditFilter { limit: 3, ..AuditFilter::default() };
    assert_eq!(list(all.clone()).await, [11, 10, 9]);
    assert_eq!(list(AuditFilter { before: Some(9), ..all.clone() }).await, [8, 7, 6]);
    assert_eq!(list(AuditFilter { kind: Some(AuditKind::Stopped), ..all.clone() }).await, [11]);
    let since = Some(NOW.saturating_add(Duration::from_mins(1)));
    assert_eq!(list(AuditFilter { since, ..all.clone() }).await, [11]);
    assert_eq!(list(AuditFilter { limit: 0, ..all.clone() }).await, [11]);
    execute(directory.path(), "UPDATE audit SET hash = x'', details = '{' WHERE sequence = 10").await;
    assert_eq!(running.store.audit_rows(&all).await.unwrap()[1].event, "unreadable");
    running.close().await;
}
