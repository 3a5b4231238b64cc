use std::sync::Arc;

use super::super::register::By;
use super::super::tests::known_user;
use super::*;

fn identity(name: &str) -> Identity {
    Identity { user: Arc::new(known_user(name, "hash")), by: By::Current }
}

fn digest(number: usize) -> Digest {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    digest
}

fn found(kept: &KeptLogins, number: usize, now: Instant) -> Option<String> {
    kept.find(&digest(number), now).map(|identity| identity.user.caller.api_user.clone())
}

#[test]
fn a_login_is_kept_for_its_time() {
    let (kept, now) = (KeptLogins::default(), Instant::now());
    kept.keep(digest(1), identity("user"), now);
    assert_eq!(found(&kept, 1, now + KEPT_FOR - Duration::from_millis(1)).as_deref(), Some("user"));
    assert_eq!(found(&kept, 1, now + KEPT_FOR), None);
    assert_eq!(found(&kept, 2, now), None);
}

#[test]
fn logins_that_are_not_good_any_more_are_forgotten_and_no_others() {
    let (kept, now) = (KeptLogins::default(), Instant::now());
    for (number, name) in [(1, "stays"), (2, "goes")] {
        kept.keep(digest(number), identity(name), now);
    }
    kept.keep_only(|identity| identity.user.caller.api_user == "stays");
    assert_eq!((found(&kept, 1, now).is_some(), found(&kept, 2, now)), (true, None));
}

#[test]
fn the_bound_holds() {
    let (kept, now) = (KeptLogins::default(), Instant::now());
    let one = identity("user");
    for number in 0..MOST_KEPT + 10 {
        kept.keep(digest(number), one.clone(), now);
        assert!(kept.lock().len() <= MOST_KEPT);
    }
    assert!(found(&kept, MOST_KEPT + 9, now).is_some());
}
