//! Accepting: durable, once, and refused where it must be.

use domain::message::MessageState;
use domain::otp::{Fingerprint, Verdict};
use domain::receiver::{Msisdn, Receiver};
use domain::secret::SecretText;
use tokio::task::JoinSet;

use super::support::{self, CODE, NOW, RECEIVER, USER, text_message};
use crate::{Acceptance, Accepted, ApiUser, Content, IdConflict, Replay, StatusKey, StoreError};

#[tokio::test]
async fn what_was_accepted_is_read_back_whole() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = running.accept_otp("reference").await;
    let message = running.store.load(id).await.unwrap().unwrap();
    assert_eq!(message.receiver, Receiver::from_canonical(RECEIVER).unwrap());
    assert_eq!(message.state, MessageState::Queued);
    assert_eq!(message.ticket_key, Some(running.key("reference")));
    let Content::Otp { template, binding, length, policy, .. } = message.content else { panic!("not an OTP") };
    assert_eq!(template, SecretText::new("Your code is %s"));
    assert_eq!(binding, support::binding("reference"));
    assert_eq!((length.digits(), policy), (6, support::POLICY));
    running.close().await;
}

#[tokio::test]
async fn parallel_accepts_of_one_reference_make_one_message() {
    let directory = tempfile::tempdir().unwrap();
    for settings in [support::settings(directory.path()), support::with_memory_tickets(directory.path())] {
        let running = support::try_open(settings).await.unwrap();
        let before = running.store.pending().await.unwrap().len();
        let mut callers = JoinSet::new();
        for _ in 0..50 {
            let (store, acceptance) = (running.store.clone(), running.otp("parallel"));
            callers.spawn(async move {
                let slot = store.try_reserve().unwrap();
                store.accept(slot, acceptance).await.unwrap()
            });
        }
        let answers = callers.join_all().await;
        let new = answers.iter().filter(|answer| matches!(answer, Accepted::New { .. })).count();
        let repeats = answers.iter().filter(|answer| matches!(answer, Accepted::Repeat { .. })).count();
        assert_eq!((new, repeats), (1, 49));
        assert_eq!(running.store.pending().await.unwrap().len(), before + 1);
        assert!(running.store.cancel(running.key("parallel"), NOW).await.unwrap().is_some());
        running.close().await;
    }
}

#[tokio::test]
async fn other_content_under_a_live_reference_is_a_conflict() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    running.accept_otp("reference").await;
    let mut other = running.otp("reference");
    if let Some((_, reservation)) = &mut other.ticket {
        reservation.fingerprint = Fingerprint::derive(&[1; 32], &[b"other content"]);
    }
    assert_eq!(running.accept(other).await, Accepted::Conflict);
    assert_eq!(running.store.pending().await.unwrap().len(), 1);
    running.close().await;
}

#[tokio::test]
async fn the_same_id_is_answered_again_for_a_day() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let request = |fingerprint: u8, conflict| {
        let mut acceptance = text_message("hello", Some("17"));
        let key = running.store.replay_key(USER, "17");
        acceptance.replay = Some(Replay { key, fingerprint: [fingerprint; 32], conflict });
        acceptance
    };
    let Accepted::New { message_id } = running.accept(request(1, IdConflict::Accept)).await else { panic!("not new") };
    let repeat = Accepted::Repeat { message_id, state: MessageState::Queued };
    assert_eq!(running.accept(request(1, IdConflict::Accept)).await, repeat);
    assert_eq!(running.accept(request(2, IdConflict::Reject)).await, Accepted::Conflict);
    assert!(matches!(running.accept(request(2, IdConflict::Accept)).await, Accepted::New { .. }), "other content");
    assert_eq!(running.accept(request(1, IdConflict::Accept)).await, repeat, "a late retry of the first");
    running.clock.set(NOW.saturating_add(std::time::Duration::from_hours(24)));
    assert!(matches!(running.accept(request(1, IdConflict::Reject)).await, Accepted::New { .. }), "a day later");
    assert!(matches!(running.accept(request(3, IdConflict::Accept)).await, Accepted::New { .. }), "other content");
    running.close().await;
}

#[tokio::test]
async fn a_full_mailbox_refuses_and_a_dropped_slot_makes_room() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = support::settings(directory.path());
    settings.mailbox = 2;
    let running = support::try_open(settings).await.unwrap();
    let (first, _second) = (running.store.try_reserve().unwrap(), running.store.try_reserve().unwrap());
    assert!(running.store.try_reserve().is_none());
    drop(first);
    assert!(running.store.try_reserve().is_some());
}

#[tokio::test]
async fn after_the_end_everything_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let store = running.store.clone();
    running.close().await;
    assert!(store.try_reserve().is_none());
    assert!(matches!(
        store.block(Msisdn::from_canonical(RECEIVER).unwrap(), &support::by()).await,
        Err(StoreError::Closed)
    ));
}

fn own_message(running: &support::Running, own_id: &str) -> Acceptance {
    let key = running.store.replay_key(USER, own_id);
    let replay = Replay { key, fingerprint: [1; 32], conflict: IdConflict::Accept };
    Acceptance { replay: Some(replay), ..text_message("hello", Some(own_id)) }
}

#[tokio::test]
async fn a_status_is_found_by_each_name_and_by_its_owner_only() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let otp = running.accept_otp("reference").await;
    let Accepted::New { message_id: text } = running.accept(own_message(&running, "own-1")).await else {
        panic!("not new")
    };
    let find = async |user: &str, key: StatusKey| {
        running.store.status(user, &key).await.unwrap().map(|record| record.message_id)
    };
    assert_eq!(find(USER, StatusKey::MessageId(otp)).await, Some(otp));
    assert_eq!(find(USER, StatusKey::Ticket(running.key("reference"))).await, Some(otp));
    assert_eq!(find(USER, StatusKey::OwnId("own-1".to_owned())).await, Some(text));
    assert_eq!(find(USER, StatusKey::OwnId("own-2".to_owned())).await, None);
    assert_eq!(find("other", StatusKey::MessageId(otp)).await, None);
    assert_eq!(find("other", StatusKey::OwnId("own-1".to_owned())).await, None);
    running.close().await;
}

#[tokio::test]
async fn the_block_list_survives_a_restart_and_keeps_unblocked_entries() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let (one, other) = (Msisdn::from_canonical(RECEIVER).unwrap(), Msisdn::from_canonical("6281234567").unwrap());
    running.store.block(one, &support::by()).await.unwrap();
    running.store.block(other, &support::by()).await.unwrap();
    running.store.unblock(other, &support::by()).await.unwrap();
    running.close().await;
    let running = support::open(directory.path()).await;
    assert!(running.store.is_blocked(&Receiver::Msisdn(one)));
    assert!(!running.store.is_blocked(&Receiver::Msisdn(other)));
    assert_eq!(running.store.blocked_entries().len(), 2);
    running.store.delete_blocked(other).await.unwrap();
    running.close().await;
    let running = support::open(directory.path()).await;
    assert_eq!(running.store.blocked_entries().len(), 1);
    running.close().await;
}

#[tokio::test]
async fn api_users_and_settings_are_replaced_found_and_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let user = ApiUser {
        username: USER.to_owned(),
        password_hash: "$argon2id$v=19$".to_owned(),
        scopes: [domain::command::Scope::Otp, domain::command::Scope::Block].into_iter().collect(),
        class: domain::message::Class::Bulk,
        is_active: true,
    };
    running.store.put_api_user(user.clone()).await.unwrap();
    let inactive = ApiUser { is_active: false, ..user };
    running.store.put_api_user(inactive.clone()).await.unwrap();
    assert_eq!(running.store.find_api_user(USER).await.unwrap(), Some(inactive.clone()));
    assert_eq!(running.store.api_users().await.unwrap(), [inactive]);
    running.store.delete_api_user(USER).await.unwrap();
    assert_eq!(running.store.find_api_user(USER).await.unwrap(), None);
    running.store.put_setting("device.name", "pi").await.unwrap();
    running.store.put_secret_setting("smtp.password", &SecretText::new("hunter2")).await.unwrap();
    let find = async |key: &str| running.store.find_setting(key).await.unwrap().map(|value| value.expose().to_owned());
    assert_eq!(find("device.name").await.as_deref(), Some("pi"));
    assert_eq!(find("smtp.password").await.as_deref(), Some("hunter2"));
    running.store.delete_setting("smtp.password").await.unwrap();
    assert_eq!(find("smtp.password").await, None);
    running.close().await;
}

#[tokio::test]
async fn a_validated_code_is_durable_before_the_answer() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = running.accept_otp("reference").await;
    assert!(running.begin_otp(id, 1, "reference").await);
    assert_eq!(running.validate("reference", "000000").await, Verdict::Wrong { attempts_left: 4 });
    assert_eq!(running.validate("reference", CODE).await, Verdict::Valid);
    let elsewhere = tempfile::tempdir().unwrap();
    let after_crash = support::open(&running.crash_image(elsewhere.path())).await;
    assert_eq!(after_crash.validate("reference", CODE).await, Verdict::Used);
    after_crash.close().await;
    running.close().await;
}
