//! The order of the queue, table by table.

use std::time::Duration;

use super::*;

const GROUP: usize = 0;

fn id(number: u8) -> MessageId {
    let mut bytes = [0; 16];
    bytes[0] = number;
    MessageId::from_bytes(bytes)
}

fn entry(number: u8, class: Class, user: &str, deadline: i64) -> Entry {
    Entry {
        id: id(number),
        class,
        api_user: user.into(),
        msisdn: Msisdn::from_canonical("628126666666").unwrap(),
        deadline: WallTime::from_unix_millis(deadline),
        attempts: 0,
        excluded: Vec::new(),
        needs: Needs::default(),
        place: None,
    }
}

fn drain(queue: &mut Queue) -> Vec<u8> {
    let mut order = Vec::new();
    while let Some((_, key)) = queue.heads().first().cloned() {
        order.push(queue.pop(&key).unwrap().id.as_bytes()[0]);
    }
    order
}

fn check(entries: Vec<Entry>, expected: &[u8]) {
    let mut queue = Queue::default();
    for entry in entries {
        queue.push(entry, (GROUP, Vec::new(), Needs::default()));
    }
    assert_eq!(drain(&mut queue), expected);
    assert_eq!(queue.len(), 0);
    assert_eq!(queue.next_deadline(), None);
}

#[test]
fn codes_go_first_by_earliest_deadline() {
    check(
        vec![
            entry(1, Class::Transactional, "a", 1),
            entry(2, Class::Otp, "a", 50),
            entry(3, Class::Bulk, "a", 1),
            entry(4, Class::Otp, "a", 40),
        ],
        &[4, 2, 1, 3],
    );
}

#[test]
fn api_users_take_turns_and_keep_their_own_order() {
    check(
        vec![
            entry(1, Class::Bulk, "a", 9),
            entry(2, Class::Bulk, "a", 1),
            entry(3, Class::Bulk, "a", 5),
            entry(4, Class::Bulk, "b", 9),
            entry(5, Class::Bulk, "b", 9),
        ],
        &[1, 4, 2, 5, 3],
    );
}

#[test]
fn a_message_taken_out_of_the_middle_loses_only_its_own_turn() {
    let mut queue = Queue::default();
    for number in 1..=3 {
        queue.push(entry(number, Class::Bulk, "a", 9), (GROUP, Vec::new(), Needs::default()));
    }
    assert!(queue.take(id(2)).is_some());
    assert!(queue.take(id(2)).is_none());
    assert_eq!(drain(&mut queue), [1, 3]);
}

#[test]
fn expired_messages_are_taken_whether_they_wait_or_rest() {
    let mut queue = Queue::default();
    let now = Instant::now();
    queue.push(entry(1, Class::Otp, "a", 10), (GROUP, Vec::new(), Needs::default()));
    queue.push(entry(2, Class::Bulk, "a", 20), (GROUP, Vec::new(), Needs::default()));
    queue.rest(entry(3, Class::Bulk, "a", 15), (GROUP, Vec::new(), Needs::default()), now + Duration::from_secs(9));
    let taken: Vec<u8> =
        queue.take_expired(WallTime::from_unix_millis(15)).iter().map(|entry| entry.id.as_bytes()[0]).collect();
    assert_eq!(taken, [1, 3]);
    queue.wake(now + Duration::from_secs(10));
    assert_eq!(drain(&mut queue), [2]);
}

#[test]
fn a_resting_message_waits_for_its_time() {
    let mut queue = Queue::default();
    let now = Instant::now();
    queue.rest(entry(1, Class::Otp, "a", 10), (GROUP, Vec::new(), Needs::default()), now + Duration::from_secs(5));
    assert_eq!(queue.next_wake(), Some(now + Duration::from_secs(5)));
    queue.wake(now + Duration::from_secs(4));
    assert!(queue.heads().is_empty());
    queue.wake(now + Duration::from_secs(5));
    assert_eq!(drain(&mut queue), [1]);
}

#[test]
fn deadlines_move_with_a_wall_clock_that_steps() {
    let mut queue = Queue::default();
    queue.push(entry(1, Class::Otp, "a", 10), (GROUP, Vec::new(), Needs::default()));
    queue.push(entry(2, Class::Bulk, "a", 20), (GROUP, Vec::new(), Needs::default()));
    queue.shift_deadlines(1_000);
    assert!(queue.take_expired(WallTime::from_unix_millis(1_009)).is_empty());
    assert_eq!(queue.take_expired(WallTime::from_unix_millis(1_010)).len(), 1);
    assert_eq!(drain(&mut queue), [2]);
}

#[test]
fn groups_are_offered_best_first() {
    let mut queue = Queue::default();
    queue.push(entry(1, Class::Bulk, "a", 1), (0, Vec::new(), Needs::default()));
    queue.push(entry(2, Class::Otp, "a", 99), (1, Vec::new(), Needs::default()));
    queue.push(entry(3, Class::Otp, "a", 98), (1, vec![2], Needs::default()));
    let keys: Vec<GroupKey> = queue.heads().into_iter().map(|(_, key)| key).collect();
    assert_eq!(keys, [(1, vec![2], Needs::default()), (1, vec![], Needs::default()), (0, vec![], Needs::default())]);
}

#[tokio::test]
async fn all_can_be_taken_out_in_order_and_what_rests_keeps_its_rest() {
    let mut queue = Queue::default();
    let until = Instant::now() + Duration::from_secs(5);
    queue.rest(entry(2, Class::Bulk, "a", 9), (GROUP, Vec::new(), Needs::default()), until);
    for number in [3, 1] {
        queue.push(entry(number, Class::Bulk, "a", 9), (GROUP, Vec::new(), Needs::default()));
    }
    let all: Vec<_> = queue.take_all().into_iter().map(|(entry, until)| (entry.id.as_bytes()[0], until)).collect();
    assert_eq!(all, [(1, None), (2, Some(until)), (3, None)]);
    assert_eq!((queue.len(), queue.heads().len(), queue.next_deadline()), (0, 0, None));
}
