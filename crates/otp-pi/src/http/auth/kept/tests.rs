use super::*;
use domain::command::{Entrance, ScopeSet};
use domain::message::Class;

fn caller() -> Caller {
    Caller {
        api_user: "user".to_owned(),
        scopes: ScopeSet::EMPTY,
        default_class: Class::Bulk,
        entrance: Entrance::Rest,
        peer: None,
    }
}

fn digest(number: usize) -> Digest {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    digest
}

#[test]
fn a_login_is_kept_for_its_time() {
    let (kept, now) = (KeptLogins::default(), Instant::now());
    kept.keep(digest(1), caller(), kept.generation(), now);
    assert_eq!(kept.find(&digest(1), now + KEPT_FOR - Duration::from_millis(1)), Some(caller()));
    assert_eq!(kept.find(&digest(1), now + KEPT_FOR), None);
    assert_eq!(kept.find(&digest(2), now), None);
}

#[test]
fn a_login_checked_before_a_change_is_not_kept_after_it() {
    let (kept, now) = (KeptLogins::default(), Instant::now());
    let before = kept.generation();
    kept.clear();
    kept.keep(digest(1), caller(), before, now);
    assert_eq!(kept.find(&digest(1), now), None);
}

#[test]
fn the_bound_holds() {
    let (kept, now) = (KeptLogins::default(), Instant::now());
    for number in 0..MOST_KEPT + 10 {
        kept.keep(digest(number), caller(), 0, now);
        assert!(kept.lock().callers.len() <= MOST_KEPT);
    }
    assert_eq!(kept.find(&digest(MOST_KEPT + 9), now), Some(caller()));
}
