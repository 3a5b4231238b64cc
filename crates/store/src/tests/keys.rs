// long: the ages of one keys file, from the first form to lost keys, told in order
//! Keys that rotate, go astray, belong to others, or are of another time; and a database of the first form.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::command::ScopeSet;
use domain::message::{Class, MessageId, MessageState};
use domain::otp::Verdict;
use domain::receiver::{Msisdn, Receiver};
use domain::secret::SecretText;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::support::{self, CODE, NOW, RECEIVER, Running, sent};
use crate::{
    ApiUser, Content, Keys, KeysError, KeysPlace, OpenError, ResetError, Settings, Store, StoreError, reset_keys,
};

pub(super) async fn raw(directory: &Path) -> SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(directory.join("otp-pi.db"));
    options.create_if_missing(true).page_size(2048).connect().await.unwrap()
}

async fn run(directory: &Path, statement: &'static str) {
    let mut other = raw(directory).await;
    sqlx::raw_sql(statement).execute(&mut other).await.unwrap();
    other.close().await.unwrap();
}

fn keys_file(data_dir: &Path) -> PathBuf {
    data_dir.join("keys/keys.json")
}

/// A data directory as the program left it when values were sealed in the first form.
async fn first_form(data_dir: &Path) {
    std::fs::create_dir(data_dir.join("keys")).unwrap();
    std::fs::write(keys_file(data_dir), include_str!("data/first_form.keys.json")).unwrap();
    let only_owner = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(keys_file(data_dir), only_owner).unwrap();
    run(data_dir, include_str!("data/first_form.sql")).await;
}

async fn text_of(running: &Running, id: MessageId) -> String {
    match running.store.load(id).await.unwrap().unwrap().content {
        Content::Text { text, .. } => text.expose().to_owned(),
        Content::Otp { template, .. } => template.expose().to_owned(),
    }
}

fn api_user() -> ApiUser {
    ApiUser {
        username: support::USER.to_owned(),
        password_hash: "$argon2id$".to_owned(),
        previous_hash: None,
        scopes: ScopeSet::default(),
        class: Class::Otp,
        is_active: true,
    }
}

fn seal_ids(status: &crate::KeysStatus) -> Vec<u32> {
    status.seals.iter().map(|seal| seal.id).collect()
}

fn pepper_ids(status: &crate::KeysStatus) -> Vec<u32> {
    status.peppers.iter().map(|pepper| pepper.id).collect()
}

// --- what a sealed value is bound to ------------------------------------------------------------------------------

#[tokio::test]
async fn a_sealed_value_that_was_put_elsewhere_does_not_open() {
    for swap in [
        "UPDATE outbox SET summary = content, content = summary",
        "UPDATE outbox SET content = c.content FROM (SELECT id, content FROM outbox) AS c WHERE c.id = 3 - outbox.id",
        "UPDATE outbox SET content = (SELECT receiver FROM blocked)",
    ] {
        let directory = tempfile::tempdir().unwrap();
        let running = support::open(directory.path()).await;
        let (first, second) = (running.accept_text("one").await, running.accept_text("two").await);
        running.store.block(Msisdn::from_canonical("628999888777").unwrap(), &support::by()).await.unwrap();
        run(directory.path(), swap).await;
        for id in [first, second] {
            let read = running.store.load(id).await;
            assert!(matches!(read, Err(StoreError::Unreadable { .. })), "{swap}: {read:?}");
        }
        running.close().await;
    }
}

// --- the first form -----------------------------------------------------------------------------------------------

/// Everything that stood in the old database is there and works.
async fn works_as_before(running: &Running) {
    let store = &running.store;
    let entries = store.pending().await.unwrap();
    let mut texts = Vec::new();
    for entry in &entries {
        assert_eq!(entry.receiver, Receiver::from_canonical(RECEIVER).unwrap());
        texts.push(text_of(running, entry.id).await);
    }
    texts.sort();
    assert_eq!(texts, ["Your code is %s", "the garden gate is open", "with an own id"]);
    assert!(store.is_blocked(&Receiver::from_canonical("628999888777").unwrap()));
    let setting = |key| async move { store.find_setting(key).await.unwrap().unwrap().expose().to_owned() };
    assert_eq!(setting("smtp.password").await, "correct horse battery");
    assert_eq!(setting("plain").await, "as it is");
    let doubtful = MessageId::parse("01a0c450-6c00-7764-8f38-96cadf9dfd0d").unwrap();
    let record = running.status(doubtful).await;
    assert_eq!((record.state, record.receiver), (MessageState::Unknown, Receiver::from_canonical(RECEIVER)));
    let own = entries.iter().filter(|entry| !entry.is_otp).map(|entry| running.status(entry.id));
    let mut own_ids = Vec::new();
    for record in own {
        own_ids.extend(record.await.own_id);
    }
    assert_eq!(own_ids, ["own-id-31415"]);
}

#[tokio::test]
async fn a_database_of_the_first_form_opens_and_is_sealed_anew_in_the_background() {
    let directory = tempfile::tempdir().unwrap();
    first_form(directory.path()).await;
    let running = support::open(directory.path()).await;
    works_as_before(&running).await;
    let before = running.store.keys_status().await.unwrap();
    assert_eq!((before.is_resealed, before.seals[0].values), (false, 11));
    running.store.tend_keys().await.unwrap();
    works_as_before(&running).await;
    let after = running.store.keys_status().await.unwrap();
    assert_eq!((after.is_resealed, after.seals[0].values, after.lost_values), (true, 11, 0));
    assert_eq!(running.validate("on-phone", CODE).await, Verdict::Valid);
    running.close().await;
    let restarted = support::open(directory.path()).await;
    works_as_before(&restarted).await;
    restarted.close().await;
}

#[tokio::test]
async fn a_rotation_takes_a_database_of_the_first_form_along() {
    let directory = tempfile::tempdir().unwrap();
    first_form(directory.path()).await;
    let running = support::open(directory.path()).await;
    running.store.rotate_keys().await.unwrap();
    running.store.tend_keys().await.unwrap();
    works_as_before(&running).await;
    assert_eq!(running.validate("on-phone", CODE).await, Verdict::Valid, "the older pepper is honoured");
    let status = running.store.keys_status().await.unwrap();
    assert_eq!((seal_ids(&status), status.seals[0].values), (vec![2], 11));
    running.close().await;
}

#[tokio::test]
async fn once_all_is_sealed_anew_a_value_of_the_first_form_opens_no_more() {
    let directory = tempfile::tempdir().unwrap();
    first_form(directory.path()).await;
    let mut other = raw(directory.path()).await;
    let old: Vec<u8> =
        sqlx::query_scalar("SELECT value FROM setting WHERE is_sealed").fetch_one(&mut other).await.unwrap();
    let running = support::open(directory.path()).await;
    running.store.tend_keys().await.unwrap();
    let put_back = sqlx::query("UPDATE setting SET value = ?1 WHERE is_sealed").bind(old);
    put_back.execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    let refused = |store: Store| async move { store.find_setting("smtp.password").await.is_err() };
    assert!(refused(running.store.clone()).await);
    running.close().await;
    let restarted = support::open(directory.path()).await;
    assert!(refused(restarted.store.clone()).await, "after a restart too");
    restarted.close().await;
}

// --- rotation -----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_rotation_while_running_loses_no_code_and_no_text() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let on_phone = running.accept_otp("on-phone").await;
    assert!(running.begin_otp(on_phone, 1, "on-phone").await);
    running.record(sent(on_phone, 1, 17)).await;
    let waits = running.accept_text("waits").await;
    let rotation = running.store.rotate_keys().await.unwrap();
    assert_eq!((rotation.pepper, rotation.seal, rotation.older_seals.as_slice()), (2, 2, [1].as_slice()));
    let later = running.accept_otp("later").await;
    assert!(running.begin_otp(later, 1, "later").await);
    assert_eq!(running.store.keys_status().await.unwrap().seals[1].values, 4, "journal, outbox, outbox, key check");
    assert_eq!(running.store.peppers().current.id.0, 2, "new codes are under the new pepper");
    running.store.tend_keys().await.unwrap();
    let status = running.store.keys_status().await.unwrap();
    assert_eq!((seal_ids(&status), pepper_ids(&status), status.is_resealed), (vec![2], vec![2, 1], true));
    assert_eq!(text_of(&running, waits).await, "waits");
    assert_eq!(running.validate("on-phone", CODE).await, Verdict::Valid, "a code of the time before");
    running.close().await;
    let restarted = support::open(directory.path()).await;
    assert_eq!(text_of(&restarted, waits).await, "waits");
    assert_eq!(restarted.validate("later", CODE).await, Verdict::Valid);
    assert_eq!(restarted.status(on_phone).await.receiver, Receiver::from_canonical(RECEIVER));
    restarted.close().await;
}

#[tokio::test]
async fn an_older_pepper_is_honoured_until_the_longest_lifetime_has_passed_and_no_longer() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings { longest_lifetime: Duration::from_secs(100), ..support::settings(directory.path()) };
    let mut running = support::try_open(settings).await.unwrap();
    for reference in ["first", "second", "third"] {
        let id = running.accept_otp(reference).await;
        assert!(running.begin_otp(id, 1, reference).await);
    }
    running.store.rotate_keys().await.unwrap();
    running.clock.advance(Duration::from_secs(99));
    running.store.tend_keys().await.unwrap();
    assert_eq!(running.validate("first", CODE).await, Verdict::Valid);
    running.clock.advance(Duration::from_secs(1));
    running.store.doubt_the_clock();
    running.store.tend_keys().await.unwrap();
    assert_eq!(
        running.validate("second", CODE).await,
        Verdict::Valid,
        "nothing is decided by a clock that nobody has set"
    );
    running.close().await;
    let restarted = support::open(directory.path()).await;
    restarted.clock.advance(Duration::from_secs(100));
    restarted.store.tend_keys().await.unwrap();
    assert!(matches!(restarted.validate("third", CODE).await, Verdict::Wrong { .. }));
    assert_eq!(pepper_ids(&restarted.store.keys_status().await.unwrap()), [2]);
    restarted.close().await;
    let keys = std::fs::read_to_string(keys_file(directory.path())).unwrap();
    assert!(!keys.contains("honoured_until"), "it is gone from the file as well");
}

#[tokio::test]
async fn an_older_pepper_is_honoured_for_the_longest_lifetime_that_was_ever_allowed() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings { longest_lifetime: Duration::from_secs(100), ..support::settings(directory.path()) };
    let running = support::try_open(settings).await.unwrap();
    let id = running.accept_otp("reference").await;
    assert!(running.begin_otp(id, 1, "reference").await);
    running.store.allow_lifetime(Duration::from_secs(150));
    running.store.allow_lifetime(Duration::from_secs(50));
    running.store.rotate_keys().await.unwrap();
    running.clock.advance(Duration::from_secs(149));
    running.store.tend_keys().await.unwrap();
    assert_eq!(running.validate("reference", CODE).await, Verdict::Valid);
    running.close().await;
}

#[tokio::test]
async fn a_rotation_is_told_to_whoever_waits_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    running.store.rotate_keys().await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), running.store.keys_rotated()).await.unwrap();
    running.close().await;
}

/// What a power cut at this instant would leave. The keys first: while resealing they only lose what is not needed.
fn image(data_dir: &Path, into: &Path) -> PathBuf {
    let image = into.join("image");
    std::fs::create_dir_all(image.join("keys")).unwrap();
    std::fs::copy(keys_file(data_dir), keys_file(&image)).unwrap();
    for name in ["otp-pi.db", "otp-pi.db-wal"] {
        std::fs::copy(data_dir.join(name), image.join(name)).unwrap();
    }
    image
}

#[tokio::test]
async fn resealing_that_a_power_cut_breaks_off_anywhere_is_finished_after_the_restart() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let mut ids = Vec::new();
    for number in 0..600 {
        ids.push(running.accept_text(&format!("text {number}")).await);
    }
    for id in ids.iter().take(300) {
        assert!(running.begin_text(*id, 1).await);
        running.record(sent(*id, 1, 17)).await;
    }
    running.settle().await;
    running.store.rotate_keys().await.unwrap();
    let mut images = Vec::new();
    let store = running.store.clone();
    let mut resealing = Box::pin(store.reseal());
    let mut commits = running.store.commit_count();
    let done = loop {
        tokio::select! {
            biased;
            done = &mut resealing => break done.unwrap(),
            () = tokio::task::yield_now() => {}
        }
        if running.store.commit_count() > commits {
            commits = running.store.commit_count();
            let elsewhere = tempfile::tempdir().unwrap();
            images.push((image(directory.path(), elsewhere.path()), elsewhere));
        }
    };
    assert_eq!(done.values, 900 + 2, "600 receivers and 300 texts, a number of the block list, the key check");
    drop(resealing);
    running.close().await;
    assert!(images.len() >= 5, "{} images", images.len());
    let mut partly = 0;
    for (image, _elsewhere) in &images {
        let restarted = support::open(image).await;
        let status = restarted.store.keys_status().await.unwrap();
        partly += usize::from(status.seals.iter().all(|seal| seal.values > 1));
        restarted.store.tend_keys().await.unwrap();
        let status = restarted.store.keys_status().await.unwrap();
        assert_eq!((seal_ids(&status), status.lost_values, status.is_resealed), (vec![2], 0, true));
        assert_eq!(restarted.store.pending().await.unwrap().len(), 300);
        assert_eq!(text_of(&restarted, ids[599]).await, "text 599");
        assert_eq!(restarted.status(ids[0]).await.receiver, Receiver::from_canonical(RECEIVER));
        restarted.close().await;
    }
    assert!(partly >= 2, "some images are of the middle of it: {partly}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotations_one_after_the_other_under_load_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let running = Arc::new(support::open(directory.path()).await);
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..4 {
        let running = Arc::clone(&running);
        callers.spawn(async move {
            let mut ids = Vec::new();
            for number in 0..100 {
                ids.push((running.accept_text(&format!("{caller}/{number}")).await, format!("{caller}/{number}")));
                let key = format!("secret.{caller}.{number}");
                running.store.put_secret_setting(&key, &SecretText::new(&key)).await.unwrap();
            }
            ids
        });
    }
    for _ in 0..6 {
        running.store.rotate_keys().await.unwrap();
        running.store.reseal().await.unwrap();
    }
    let accepted: Vec<_> = callers.join_all().await.into_iter().flatten().collect();
    running.store.reseal().await.unwrap();
    let status = running.store.keys_status().await.unwrap();
    assert_eq!((seal_ids(&status), status.lost_values), (vec![7], 0));
    Arc::into_inner(running).unwrap().close().await;
    let restarted = support::open(directory.path()).await;
    for (id, text) in &accepted {
        assert_eq!(text_of(&restarted, *id).await, *text);
    }
    for (caller, number) in (0..4).flat_map(|caller| (0..100).map(move |number| (caller, number))) {
        let key = format!("secret.{caller}.{number}");
        assert_eq!(restarted.store.find_setting(&key).await.unwrap().unwrap().expose(), key);
    }
    restarted.close().await;
}

#[tokio::test]
async fn a_damaged_value_keeps_no_old_key_alive() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let (damaged, healthy) = (running.accept_text("damaged").await, running.accept_text("healthy").await);
    run(directory.path(), "UPDATE outbox SET content = substr(content, 1, 40) WHERE id = 1").await;
    running.store.rotate_keys().await.unwrap();
    let done = running.store.reseal().await.unwrap();
    assert_eq!((done.values, done.unreadable), (4, 1));
    let status = running.store.keys_status().await.unwrap();
    assert_eq!((seal_ids(&status), status.lost_values), (vec![2], 1));
    assert!(running.store.load(damaged).await.is_err());
    assert_eq!(text_of(&running, healthy).await, "healthy");
    running.close().await;
}

#[tokio::test]
async fn keys_from_elsewhere_are_rotated_by_installing_another_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("fleet.keys");
    Keys::make(&file, None).unwrap();
    let data = directory.path().join("data");
    let open = || async {
        let keys = Keys::open(KeysPlace::File(file.clone()), &data, None).unwrap();
        support::open_with(support::settings(&data), keys).await.unwrap()
    };
    let running = open().await;
    let id = running.accept_text("waits").await;
    let refused = running.store.rotate_keys().await.unwrap_err();
    assert!(matches!(refused, KeysError::ReadOnly { .. }), "{refused}");
    running.close().await;
    let rotated = directory.path().join("rotated.keys");
    let keys = Keys::load(KeysPlace::File(file.clone())).unwrap();
    keys.write_rotated(&rotated, NOW, Duration::from_secs(600)).unwrap();
    std::fs::rename(&rotated, &file).unwrap();
    let before = std::fs::read_to_string(&file).unwrap();
    let running = open().await;
    assert_eq!(text_of(&running, id).await, "waits");
    running.store.tend_keys().await.unwrap();
    let status = running.store.keys_status().await.unwrap();
    assert_eq!((seal_ids(&status), status.seals[1].values, status.is_resealed), (vec![2, 1], 0, true));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before, "it is not ours to write");
    running.clock.advance(Duration::from_secs(600));
    running.store.tend_keys().await.unwrap();
    assert_eq!(pepper_ids(&running.store.keys_status().await.unwrap()), [2], "not honoured any more all the same");
    running.close().await;
}

// --- lost, foreign, of another time -------------------------------------------------------------------------------

#[tokio::test]
async fn lost_keys_are_not_replaced_by_new_ones() {
    let directory = tempfile::tempdir().unwrap();
    support::open(directory.path()).await.close().await;
    std::fs::remove_file(keys_file(directory.path())).unwrap();
    let refused = Keys::load_or_create(&directory.path().join("keys")).unwrap_err();
    assert!(matches!(refused, KeysError::Lost { .. }), "{refused}");
    assert!(!keys_file(directory.path()).exists());
}

#[tokio::test]
async fn keys_of_another_database_are_noticed_at_once() {
    let directory = tempfile::tempdir().unwrap();
    support::open(directory.path()).await.close().await;
    std::fs::remove_file(keys_file(directory.path())).unwrap();
    Keys::make(&keys_file(directory.path()), None).unwrap();
    let refused = support::try_open(support::settings(directory.path())).await.err();
    assert!(matches!(refused, Some(OpenError::ForeignKeys { .. })), "{refused:?}");
}

#[tokio::test]
async fn keys_of_before_or_after_a_rotation_are_told_from_foreign_ones() {
    let directory = tempfile::tempdir().unwrap();
    support::open(directory.path()).await.close().await;
    let old_database = tempfile::tempdir().unwrap();
    std::fs::copy(directory.path().join("otp-pi.db"), old_database.path().join("otp-pi.db")).unwrap();
    let old_keys = std::fs::read(keys_file(directory.path())).unwrap();
    let running = support::open(directory.path()).await;
    running.store.rotate_keys().await.unwrap();
    running.store.reseal().await.unwrap();
    running.close().await;
    std::fs::create_dir(old_database.path().join("keys")).unwrap();
    std::fs::copy(keys_file(directory.path()), keys_file(old_database.path())).unwrap();
    let refused = support::try_open(support::settings(old_database.path())).await.err();
    assert!(matches!(refused, Some(OpenError::KeyNotAtHand { id: 1, .. })), "{refused:?}");
    std::fs::write(keys_file(directory.path()), old_keys).unwrap();
    let refused = support::try_open(support::settings(directory.path())).await.err();
    assert!(matches!(refused, Some(OpenError::KeyNotAtHand { id: 2, .. })), "{refused:?}");
}

// --- starting anew ------------------------------------------------------------------------------------------------

/// A data directory where something of everything was done, the names of three messages, and its keys gone.
async fn without_keys(data_dir: &Path) -> [MessageId; 3] {
    let running = support::open(data_dir).await;
    let waits = running.accept_text("the garden gate is open").await;
    let on_air = running.accept_text("on air").await;
    assert!(running.begin_text(on_air, 1).await);
    let on_phone = running.accept_otp("on-phone").await;
    assert!(running.begin_otp(on_phone, 1, "on-phone").await);
    running.record(sent(on_phone, 1, 17)).await;
    running.store.block(Msisdn::from_canonical("628999888777").unwrap(), &support::by()).await.unwrap();
    running.store.put_secret_setting("smtp.password", &SecretText::new("correct horse battery")).await.unwrap();
    running.store.put_setting("plain", "as it is").await.unwrap();
    running.store.put_api_user(api_user()).await.unwrap();
    running.settle().await;
    running.store.rare(crate::writer::job::RareStep::Barrier).await.unwrap();
    running.close().await;
    std::fs::remove_file(keys_file(data_dir)).unwrap();
    [waits, on_air, on_phone]
}

#[tokio::test]
async fn after_the_loss_of_the_keys_a_reset_keeps_what_is_not_sealed() {
    let directory = tempfile::tempdir().unwrap();
    let [waits, on_air, on_phone] = without_keys(directory.path()).await;
    let place = KeysPlace::find(directory.path(), None, None);
    let reset = reset_keys(&support::settings(directory.path()), place, NOW, &support::by()).await.unwrap();
    assert_eq!((reset.waiting, reset.receivers, reset.tickets, reset.blocked, reset.settings), (2, 1, 1, 2, 1));
    let running = support::open(directory.path()).await;
    let told = |id| {
        let running = &running;
        async move {
            let record = running.status(id).await;
            assert_eq!((record.receiver, record.own_id), (None, None));
            (record.state, record.reason)
        }
    };
    let reason = || Some("its text was lost with the keys".to_owned());
    assert_eq!(told(waits).await, (MessageState::Failed, reason()));
    assert_eq!(told(on_air).await, (MessageState::Unknown, reason()), "nobody can know");
    assert_eq!(told(on_phone).await, (MessageState::Sent, None));
    assert_eq!(running.status(on_phone).await.attempts.len(), 1, "what happened is still known");
    assert_eq!(running.validate("on-phone", CODE).await, Verdict::NoCode);
    assert!(running.store.pending().await.unwrap().is_empty());
    assert!(running.store.blocked_entries().is_empty());
    assert!(running.store.find_setting("smtp.password").await.unwrap().is_none());
    assert_eq!(running.store.find_setting("plain").await.unwrap().unwrap().expose(), "as it is");
    assert!(running.store.find_api_user(support::USER).await.unwrap().is_some());
    let status = running.store.keys_status().await.unwrap();
    assert_eq!((status.lost_values, status.is_resealed), (0, true));
    running.accept_otp("on-phone").await;
    running.close().await;
}

#[tokio::test]
async fn a_reset_is_refused_while_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = running.accept_text("waits").await;
    let place = || KeysPlace::find(directory.path(), None, None);
    let settings = support::settings(directory.path());
    let refused = reset_keys(&settings, place(), NOW, &support::by()).await.unwrap_err();
    assert!(matches!(refused, ResetError::Open(OpenError::InUse { .. })), "{refused}");
    running.close().await;
    let refused = reset_keys(&settings, place(), NOW, &support::by()).await.unwrap_err();
    assert!(matches!(refused, ResetError::NotNeeded), "{refused}");
    let elsewhere = tempfile::tempdir().unwrap();
    let nothing = reset_keys(&support::settings(elsewhere.path()), place(), NOW, &support::by()).await.unwrap_err();
    assert!(matches!(nothing, ResetError::NoDatabase { .. }), "{nothing}");
    let restarted = support::open(directory.path()).await;
    assert_eq!(text_of(&restarted, id).await, "waits");
    restarted.close().await;
}

#[tokio::test]
async fn a_reset_with_foreign_keys_puts_them_aside_and_never_overwrites_them() {
    let directory = tempfile::tempdir().unwrap();
    without_keys(directory.path()).await;
    Keys::make(&keys_file(directory.path()), None).unwrap();
    let foreign = std::fs::read(keys_file(directory.path())).unwrap();
    let place = KeysPlace::find(directory.path(), None, None);
    let reset = reset_keys(&support::settings(directory.path()), place, NOW, &support::by()).await.unwrap();
    assert_eq!(std::fs::read(reset.old_keys.unwrap()).unwrap(), foreign);
    support::open(directory.path()).await.close().await;
}

#[tokio::test]
async fn a_reset_with_keys_from_elsewhere_uses_them() {
    let directory = tempfile::tempdir().unwrap();
    without_keys(directory.path()).await;
    let file = directory.path().join("fleet.keys");
    let place = KeysPlace::File(file.clone());
    let settings = support::settings(directory.path());
    let refused = reset_keys(&settings, place.clone(), NOW, &support::by()).await.unwrap_err();
    assert!(matches!(refused, ResetError::Keys(KeysError::Missing { .. })), "{refused}");
    Keys::make(&file, None).unwrap();
    let before = std::fs::read(&file).unwrap();
    reset_keys(&settings, place.clone(), NOW, &support::by()).await.unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), before);
    let keys = Keys::open(place, directory.path(), None).unwrap();
    support::open_with(settings, keys).await.unwrap().close().await;
}
