use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::MessageState::{
    Blocked, Cancelled, Delivered, Expired, Failed, Queued, Sending, Sent, Undelivered, Unknown,
};
use super::*;

#[test]
fn states_change_only_as_the_table_says() {
    let table: [(MessageState, &[MessageState]); 10] = [
        (Queued, &[Sending, Failed, Expired, Cancelled, Blocked]),
        (Sending, &[Queued, Sent, Delivered, Undelivered, Failed, Expired, Cancelled, Unknown]),
        (Sent, &[Delivered, Undelivered]),
        (Unknown, &[Sent, Delivered, Undelivered, Queued]),
        (Delivered, &[]),
        (Undelivered, &[]),
        (Failed, &[]),
        (Expired, &[]),
        (Cancelled, &[]),
        (Blocked, &[]),
    ];
    for (state, allowed) in table {
        for next in MessageState::ALL {
            assert_eq!(state.can_become(next), allowed.contains(&next), "{state} → {next}");
        }
        assert_eq!(state.is_final(), allowed.is_empty(), "{state}");
        assert_eq!(state.is_done(), !matches!(state, Queued | Sending), "{state}");
    }
}

#[test]
fn a_late_report_settles_sent_and_unknown_but_nothing_final() {
    for report in [Delivered, Undelivered] {
        assert!(Sent.can_become(report));
        assert!(Unknown.can_become(report));
        for settled in MessageState::ALL.into_iter().filter(|state| state.is_final()) {
            assert!(!settled.can_become(report), "{settled} → {report}");
        }
    }
}

#[test]
fn words_come_back_and_foreign_words_do_not() {
    for state in MessageState::ALL {
        assert_eq!(MessageState::parse(state.as_str()), Some(state));
    }
    for class in [Class::Otp, Class::Transactional, Class::Bulk] {
        assert_eq!(Class::parse(class.as_str()), Some(class));
    }
    assert_eq!(MessageState::parse("Queued"), None);
    assert_eq!(Class::parse(""), None);
}

#[test]
fn codes_come_before_everything() {
    let mut classes = [Class::Bulk, Class::Otp, Class::Transactional];
    classes.sort();
    assert_eq!(classes, [Class::Otp, Class::Transactional, Class::Bulk]);
}

#[test]
fn message_ids_are_version_7_sort_by_time_and_come_back() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let early = MessageId::new(WallTime::from_unix_millis(0x0123_4567_89ab), &mut rng);
    let late = MessageId::new(WallTime::from_unix_millis(0x0123_4567_89ac), &mut rng);
    assert!(early < late);
    let text = early.to_string();
    assert!(text.starts_with("01234567-89ab-7"), "{text}");
    assert_eq!(MessageId::parse(&text), Some(early));
    assert_eq!(MessageId::from_bytes(*early.as_bytes()), early);
    assert_eq!(MessageId::parse("no id"), None);
    assert!(MessageId::new(WallTime::from_unix_millis(-1), &mut rng).to_string().starts_with("00000000-0000-7"));
}
