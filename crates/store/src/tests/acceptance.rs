//! Accepting: durable, once, and refused where it must be.

use domain::autofill::{AppHash, Autofill, BoundDomain, Host};
use domain::clock::WallTime;
use domain::message::MessageState;
use domain::otp::{Again, Fingerprint, Verdict};
use domain::receiver::{Msisdn, Receiver};
use domain::secret::SecretText;
use tokio::task::JoinSet;

use super::support::{self, CODE, NOW, RECEIVER, USER, text_message};
use crate::{Acceptance, Accepted, ApiUser, Content, IdConflict, Replay, SecretUse, StatusKey, StoreError};

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
async fn what_phones_look_for_is_read_back_with_its_text() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let host = |text: &str| Host::parse(text).unwrap();
    let app_hash = AppHash::parse("FA+9qCX9VSu").unwrap();
    let site = BoundDomain { host: host("example.com"), embedded: Some(host("pay.example")) };
    for (reference, wanted) in [
        ("site", Autofill { domain: Some(BoundDomain { embedded: None, ..site.clone() }), app_hash: None }),
        ("app", Autofill { domain: None, app_hash: Some(app_hash.clone()) }),
        ("all", Autofill { domain: Some(site), app_hash: Some(app_hash) }),
    ] {
        let mut request = running.otp(reference);
        if let Content::Otp { autofill, .. } = &mut request.message.content {
            *autofill = wanted.clone();
        }
        let id = request.message.id;
        assert_eq!(running.accept(request).await, Accepted::New { message_id: id });
        let Content::Otp { autofill, .. } = running.store.load(id).await.unwrap().unwrap().content else {
            panic!("not an OTP")
        };
        assert_eq!(autofill, wanted);
    }
    running.close().await;
}

#[tokio::test]
async fn a_request_that_came_before_is_found_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let first = running.otp("reference");
    assert_eq!(running.store.find_accepted(&first).await.unwrap(), None, "not yet");
    let id = running.accept_otp("reference").await;
    let found = |asked: Acceptance| {
        let store = running.store.clone();
        async move { store.find_accepted(&asked).await.unwrap() }
    };
    assert_eq!(found(running.otp("reference")).await, Some((id, MessageState::Queued)));
    assert_eq!(found(running.otp("other")).await, None);
    let mut asked = running.otp("reference");
    if let Some((_, reservation)) = &mut asked.ticket {
        reservation.again = Again::Resend;
    }
    assert_eq!(found(asked.clone()).await, None, "a resend is another wish");
    asked.replay = Some(Replay { key: [3; 16], fingerprint: [4; 32], conflict: IdConflict::Accept });
    let resent = asked.message.id;
    running.accept(asked.clone()).await;
    assert_eq!(found(asked.clone()).await, Some((resent, MessageState::Queued)), "but not under its own id");
    asked.replay = Some(Replay { key: [3; 16], fingerprint: [5; 32], conflict: IdConflict::Accept });
    assert_eq!(found(asked).await, None);
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
    assert_eq!(running.accept(request(2, IdConflict::Reject)).await, Accepted::IdInUse);
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
        previous_hash: None,
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
async fn the_last_use_of_a_secret_follows_it_and_goes_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let user = |password_hash: &str, previous: Option<&str>| ApiUser {
        username: USER.to_owned(),
        password_hash: password_hash.to_owned(),
        previous_hash: previous.map(str::to_owned),
        scopes: domain::command::ScopeSet::all(),
        class: domain::message::Class::Bulk,
        is_active: true,
    };
    let used = |username: &str, hash: Option<&str>, at: i64, address: &str| SecretUse {
        username: username.to_owned(),
        secret_hash: hash.map(str::to_owned),
        at: WallTime::from_unix_millis(at),
        address: address.parse().unwrap(),
    };
    let (old, new) = (used(USER, Some("old"), 1, "10.0.0.7"), used(USER, Some("new"), 2, "2001:db8::1"));
    let open = used(USER, None, 3, "127.0.0.1");
    running.store.put_api_user(user("old", None)).await.unwrap();
    // Of a secret and of a user that are not there nothing is kept.
    let all = vec![used(USER, Some("old"), 0, "::1"), open.clone(), new.clone(), used("gone", None, 1, "::1")];
    running.store.note_secret_uses(all).await.unwrap();
    running.store.note_secret_uses(vec![old.clone()]).await.unwrap();
    assert_eq!(running.store.secret_uses().await.unwrap(), [open.clone(), old.clone()]);
    running.store.put_api_user(user("new", Some("old"))).await.unwrap();
    running.store.note_secret_uses(vec![new.clone()]).await.unwrap();
    assert_eq!(running.store.secret_uses().await.unwrap(), [open.clone(), new.clone(), old]);
    running.store.put_api_user(user("new", None)).await.unwrap();
    assert_eq!(running.store.secret_uses().await.unwrap(), [open, new]);
    running.store.delete_api_user(USER).await.unwrap();
    assert_eq!(running.store.secret_uses().await.unwrap(), []);
    running.close().await;
}

#[tokio::test]
async fn noting_the_last_use_of_many_secrets_costs_one_commit_and_few_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let hash = "$argon2id$v=19$m=9216,t=4,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let name = |number: i64| format!("user-{number:02}");
    for number in 0..20 {
        let user = ApiUser {
            username: name(number),
            password_hash: hash.to_owned(),
            previous_hash: None,
            scopes: domain::command::ScopeSet::all(),
            class: domain::message::Class::Bulk,
            is_active: true,
        };
        running.store.put_api_user(user).await.unwrap();
    }
    let uses = |at: i64| -> Vec<SecretUse> {
        let one = |number| SecretUse {
            username: name(number),
            secret_hash: Some(hash.to_owned()),
            at: WallTime::from_unix_millis(at),
            address: "2001:db8::1".parse().unwrap(),
        };
        (0..20).map(one).collect()
    };
    running.store.note_secret_uses(uses(1)).await.unwrap();
    let wal = || std::fs::metadata(directory.path().join("otp-pi.db-wal")).unwrap().len();
    let (commits, bytes) = (running.store.commit_count(), wal());
    running.store.note_secret_uses(uses(2)).await.unwrap();
    assert_eq!(running.store.commit_count() - commits, 1);
    // Twenty rows of some 170 bytes lie on four pages at most; a page is 2 KiB and a header in the WAL.
    assert!(wal() - bytes <= 5 * (2048 + 24), "{} bytes", wal() - bytes);
    running.store.note_secret_uses(Vec::new()).await.unwrap();
    assert_eq!(running.store.commit_count() - commits, 1, "nothing to note costs nothing");
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
