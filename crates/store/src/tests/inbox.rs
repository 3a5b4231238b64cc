//! SMS that came in: kept once whatever happens, joined, found, wiped.

use std::path::Path;
use std::time::Duration;

use domain::message::MessageId;
use zeroize::Zeroizing;

use super::keys::raw;
use super::privacy::{holds, raw_bytes};
use super::support::{self, NOW, Running, fresh_id};
use crate::{
    AuditFilter, InboundConcatenation, InboxFilter, InboxRecord, Kept, Keys, KeysPlace, NewInbound, Retention,
    StoreError, reset_keys,
};

const CARD: &str = "8962100000000000001";
const SENDER: &str = "628126666666";
/// Octets of the service centre, which say nothing about a message.
const SMSC: [u8; 2] = [1, 0x91];

/// One SMS with these octets as its TPDU.
fn sms(text: &str) -> NewInbound {
    NewInbound {
        message_id: fresh_id(),
        modem: "m0".to_owned(),
        card: CARD.to_owned(),
        sender: SENDER.to_owned(),
        pdu: Zeroizing::new([&SMSC, text.as_bytes()].concat()),
        tpdu_length: text.len(),
        concatenation: None,
        sent_at: Some(NOW),
        received_at: NOW,
    }
}

/// Part `number` of three.
fn part(reference: u16, number: u8) -> NewInbound {
    let concatenation = Some(InboundConcatenation { reference: (8, reference), total: 3, number });
    NewInbound { concatenation, ..sms(&format!("part {number} of {reference}.")) }
}

async fn keep(running: &Running, new: NewInbound) -> MessageId {
    match running.store.keep_inbound(new).await.unwrap() {
        Kept::New(id) => id,
        Kept::Known => panic!("it is not here yet"),
    }
}

fn everything() -> InboxFilter {
    InboxFilter { limit: 500, ..InboxFilter::default() }
}

async fn listed(running: &Running, filter: InboxFilter) -> Vec<MessageId> {
    let page = running.store.list_inbox(&filter).await.unwrap();
    page.messages.into_iter().map(|message| message.message_id).collect()
}

/// What its parts say, in their order.
fn text(message: &InboxRecord) -> String {
    let octets = message.parts.iter().flat_map(|part| part.pdu.as_ref().unwrap()[SMSC.len()..].to_vec());
    String::from_utf8(octets.collect()).unwrap()
}

async fn text_of(running: &Running, id: MessageId) -> Option<String> {
    running.store.find_inbox(id).await.unwrap().as_ref().map(text)
}

#[tokio::test]
async fn the_same_part_again_changes_nothing_whatever_is_in_front_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = keep(&running, sms("hello")).await;
    let mut again = sms("hello");
    (again.modem, again.received_at) = ("m1".to_owned(), NOW.saturating_add(Duration::from_hours(1)));
    again.pdu = Zeroizing::new(b"\0hello".to_vec());
    assert_eq!(running.store.keep_inbound(again).await.unwrap(), Kept::Known);
    assert_eq!(listed(&running, everything()).await, [id]);
    let record = running.store.find_inbox(id).await.unwrap().unwrap();
    assert_eq!((record.modem.as_str(), record.total, record.is_read), ("m0", 1, false));
    assert_eq!((record.parts[0].card.as_str(), record.parts[0].part.sent_at), (CARD, Some(NOW)));
    assert_eq!(text(&record), "hello");
    // To another SIM it is another message: a DELIVER does not say to whom it goes.
    let other = NewInbound { card: "8962100000000000002".to_owned(), ..sms("hello") };
    assert_ne!(keep(&running, other).await, id);
    running.close().await;
}

#[tokio::test]
async fn parts_are_joined_in_whatever_order_they_come_across_crashes_and_stored_again() {
    for order in [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]] {
        let directory = tempfile::tempdir().unwrap();
        let mut data = directory.path().join("first");
        let mut id = None;
        for (round, number) in order.into_iter().enumerate() {
            let running = support::open(&data).await;
            let kept = keep(&running, part(7, number)).await;
            assert_eq!(*id.get_or_insert(kept), kept, "{order:?}");
            // A power cut before the copy on the SIM was deleted: it is found again.
            let into = directory.path().join(round.to_string());
            data = running.crash_image(&into);
            running.close().await;
            let running = support::open(&data).await;
            assert_eq!(running.store.keep_inbound(part(7, number)).await.unwrap(), Kept::Known);
            running.close().await;
        }
        let running = support::open(&data).await;
        let page = running.store.list_inbox(&everything()).await.unwrap();
        assert_eq!(page.messages.iter().map(text).collect::<Vec<_>>(), ["part 1 of 7.part 2 of 7.part 3 of 7."]);
        running.close().await;
    }
}

#[tokio::test]
async fn what_differs_in_sim_sender_reference_total_or_time_is_not_joined() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let first = keep(&running, part(7, 1)).await;
    let with = |change: fn(&mut NewInbound, &mut InboundConcatenation)| {
        let mut new = part(7, 2);
        let mut concatenation = new.concatenation.unwrap();
        change(&mut new, &mut concatenation);
        NewInbound { concatenation: Some(concatenation), ..new }
    };
    let others = [
        with(|new, _| new.card.push('1')),
        with(|new, _| {
            "628126666667".clone_into(&mut new.sender);
            new.pdu.push(1);
            new.tpdu_length += 1;
        }),
        with(|new, of| {
            of.reference.1 = 8;
            new.pdu.push(2);
            new.tpdu_length += 1;
        }),
        with(|new, of| {
            of.reference.0 = 16;
            new.pdu.push(3);
            new.tpdu_length += 1;
        }),
        with(|new, of| {
            of.total = 4;
            new.pdu.push(4);
            new.tpdu_length += 1;
        }),
        with(|new, _| {
            new.sent_at = Some(NOW.saturating_add(Duration::from_hours(72)));
            new.pdu.push(5);
            new.tpdu_length += 1;
        }),
    ];
    for (at, other) in others.into_iter().enumerate() {
        assert_ne!(keep(&running, other).await, first, "{at}");
    }
    assert_eq!(keep(&running, part(7, 2)).await, first);
    running.close().await;
}

#[tokio::test]
async fn a_number_that_is_there_with_another_text_begins_a_new_message() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let first = keep(&running, part(7, 1)).await;
    let mut other = part(7, 1);
    other.pdu = Zeroizing::new([&SMSC, &b"other text"[..]].concat());
    other.tpdu_length = 10;
    let second = keep(&running, other).await;
    assert_ne!(first, second);
    running.close().await;
}

#[tokio::test]
async fn a_list_goes_page_by_page_and_by_modem_sender_and_what_was_read() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let mut ids = Vec::new();
    for number in 0..7_u8 {
        let mut new = sms(&format!("number {number}"));
        if number % 2 == 1 {
            (new.modem, new.sender) = ("m1".to_owned(), "GOJEK".to_owned());
        }
        ids.push(keep(&running, new).await);
    }
    ids.sort();
    ids.reverse();
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = running.store.list_inbox(&InboxFilter { limit: 3, before, ..everything() }).await.unwrap();
        assert!(page.messages.len() <= 3);
        seen.extend(page.messages.iter().map(|message| message.message_id));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, ids);
    assert_eq!(listed(&running, InboxFilter { modem: Some("m1".to_owned()), ..everything() }).await.len(), 3);
    assert_eq!(listed(&running, InboxFilter { sender: Some("GOJEK".to_owned()), ..everything() }).await.len(), 3);
    assert_eq!(listed(&running, InboxFilter { sender: Some("OVO".to_owned()), ..everything() }).await, []);
    let unread = InboxFilter { is_unread: true, ..everything() };
    assert_eq!(listed(&running, unread.clone()).await.len(), 7);
    assert!(running.store.mark_inbox(ids[0], true).await.unwrap());
    assert!(!running.store.mark_inbox(fresh_id(), true).await.unwrap());
    assert_eq!(listed(&running, unread.clone()).await, ids[1..]);
    assert!(running.store.mark_inbox(ids[0], false).await.unwrap());
    assert_eq!(listed(&running, unread).await.len(), 7);
    running.close().await;
}

#[tokio::test]
async fn a_part_that_comes_after_its_message_was_read_makes_it_unread() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = keep(&running, part(7, 3)).await;
    running.store.mark_inbox(id, true).await.unwrap();
    assert!(running.store.find_inbox(id).await.unwrap().unwrap().is_read);
    keep(&running, part(7, 1)).await;
    assert!(!running.store.find_inbox(id).await.unwrap().unwrap().is_read);
    running.close().await;
}

#[tokio::test]
async fn what_was_deleted_is_wiped_and_recorded_and_does_not_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = keep(&running, part(7, 1)).await;
    keep(&running, part(7, 2)).await;
    let stays = keep(&running, sms("stays")).await;
    assert!(running.store.delete_inbox(id, &support::by()).await.unwrap());
    assert!(!running.store.delete_inbox(id, &support::by()).await.unwrap());
    assert!(!running.store.mark_inbox(id, true).await.unwrap());
    assert_eq!(listed(&running, everything()).await, [stays]);
    assert_eq!(running.store.find_inbox(id).await.unwrap().map(|message| message.total), None);
    assert_eq!(running.store.keep_inbound(part(7, 1)).await.unwrap(), Kept::Known, "it still lay on the SIM");
    let late = keep(&running, part(7, 3)).await;
    assert_ne!(late, id, "a part that comes later has nothing to be joined to");
    let rows = running.store.audit_rows(&AuditFilter { limit: 10, ..AuditFilter::default() }).await.unwrap();
    let deleted: Vec<_> = rows.iter().filter(|row| row.event == "inbox-deleted").collect();
    assert_eq!(deleted.len(), 1);
    assert_eq!((deleted[0].subject.as_str(), deleted[0].actor.as_str()), (id.to_string().as_str(), "tester"));
    running.close().await;
    let mut other = raw(directory.path()).await;
    let left =
        sqlx::query_scalar("SELECT count(*) FROM inbox WHERE content = x'' AND sender_key = x'' AND join_key IS NULL");
    let left: i64 = left.fetch_one(&mut other).await.unwrap();
    assert_eq!(left, 2);
}

#[tokio::test]
async fn retention_forgets_whole_messages_by_age_and_the_oldest_by_their_number() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = support::settings(directory.path());
    let day = Duration::from_hours(24);
    settings.retention = Retention { inbox: day * 2, max_inbox_parts: 4, ..Retention::default() };
    let running = support::try_open(settings).await.unwrap();
    let old = keep(&running, sms("old")).await;
    let deleted = keep(&running, sms("deleted")).await;
    running.store.delete_inbox(deleted, &support::by()).await.unwrap();
    let long = keep(&running, part(7, 1)).await;
    keep(&running, NewInbound { received_at: NOW.saturating_add(day), ..part(7, 2) }).await;
    let after = |time: Duration| NOW.saturating_add(time);
    running.store.run_retention(after(day)).await.unwrap();
    assert_eq!(text_of(&running, old).await.as_deref(), Some("old"));
    running.store.run_retention(after(day * 2)).await.unwrap();
    assert_eq!(text_of(&running, old).await, None);
    assert_eq!(text_of(&running, long).await.as_deref(), Some("part 1 of 7.part 2 of 7."), "its last part is younger");
    assert!(matches!(running.store.keep_inbound(sms("deleted")).await, Ok(Kept::New(_))), "that is forgotten too");
    running.store.run_retention(after(day * 3)).await.unwrap();
    assert_eq!(listed(&running, everything()).await, []);
    let mut newest = Vec::new();
    for number in 0..1_100 {
        newest
            .push(keep(&running, NewInbound { received_at: after(day * 4), ..sms(&format!("number {number}")) }).await);
    }
    running.store.run_retention(after(day * 4)).await.unwrap();
    let mut left = listed(&running, everything()).await;
    left.sort();
    let mut newest = newest.split_off(newest.len() - 4);
    newest.sort();
    assert_eq!(left, newest);
    running.close().await;
}

#[tokio::test]
async fn a_database_that_is_too_large_gives_up_its_journal_first_and_then_its_inbox() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = support::settings(directory.path());
    settings.retention = Retention { max_db_bytes: 1, ..Retention::default() };
    let running = support::try_open(settings).await.unwrap();
    let id = keep(&running, sms("hello")).await;
    running.store.run_retention(NOW).await.unwrap();
    assert_eq!(text_of(&running, id).await, None);
    running.close().await;
}

#[tokio::test]
async fn a_rotation_seals_the_inbox_anew_and_the_same_part_is_still_known() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = keep(&running, part(7, 1)).await;
    let deleted = keep(&running, sms("deleted")).await;
    running.store.delete_inbox(deleted, &support::by()).await.unwrap();
    running.store.rotate_keys().await.unwrap();
    running.store.tend_keys().await.unwrap();
    let status = running.store.keys_status().await.unwrap();
    assert_eq!(
        status.seals.iter().map(|seal| (seal.id, seal.values)).collect::<Vec<_>>(),
        [(2, 2)],
        "and the key check"
    );
    assert!(status.is_resealed);
    assert_eq!(text_of(&running, id).await.as_deref(), Some("part 1 of 7."));
    assert_eq!(running.store.keep_inbound(part(7, 1)).await.unwrap(), Kept::Known);
    assert_eq!(keep(&running, part(7, 2)).await, id);
    running.close().await;
}

#[tokio::test]
async fn a_reset_of_lost_keys_gives_the_inbox_up() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    keep(&running, part(7, 1)).await;
    running.close().await;
    let keys = directory.path().join("keys");
    std::fs::remove_file(keys.join("keys.json")).unwrap();
    let settings = support::settings(directory.path());
    let reset = reset_keys(&settings, KeysPlace::Own(keys.clone()), NOW, &support::by()).await.unwrap();
    assert_eq!(reset.inbox, 1);
    let running = support::open_with(settings, Keys::load_or_create(&keys).unwrap()).await.unwrap();
    assert_eq!(listed(&running, everything()).await, []);
    keep(&running, part(7, 1)).await;
    running.close().await;
}

#[tokio::test]
async fn no_text_sender_or_sim_is_on_the_disk_in_clear() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let words = "the garden gate is open";
    let id = keep(&running, sms(words)).await;
    keep(&running, NewInbound { sender: "GOJEKSENDER".to_owned(), ..part(7, 1) }).await;
    let hex: String = words.bytes().map(|byte| format!("{byte:02x}")).collect();
    let search = |directory: &Path| {
        let bytes = raw_bytes(directory);
        assert!(holds(&bytes, "m0"), "the search finds what is there");
        for needle in [words, hex.as_str(), SENDER, "GOJEKSENDER", CARD, "part 1 of 7"] {
            assert!(!holds(&bytes, needle), "{needle} is on the disk");
        }
    };
    search(directory.path());
    running.store.delete_inbox(id, &support::by()).await.unwrap();
    search(directory.path());
    running.close().await;
    search(directory.path());
}

#[tokio::test]
async fn a_full_disk_keeps_nothing_and_the_next_try_does() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    running.store.limit_pages(Some(1)).await;
    let long = "x".repeat(20_000);
    assert!(matches!(running.store.keep_inbound(sms(&long)).await, Err(StoreError::DiskFull)));
    running.store.limit_pages(None).await;
    let id = keep(&running, sms(&long)).await;
    assert_eq!(text_of(&running, id).await, Some(long));
    running.close().await;
}

#[tokio::test]
async fn a_part_that_does_not_open_is_shown_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = keep(&running, part(7, 1)).await;
    keep(&running, part(7, 2)).await;
    let mut other = raw(directory.path()).await;
    let swap = "UPDATE inbox SET content = (SELECT content FROM inbox AS o WHERE o.id = 1) WHERE id = 2";
    sqlx::raw_sql(swap).execute(&mut other).await.unwrap();
    let record = running.store.find_inbox(id).await.unwrap().unwrap();
    let readable: Vec<bool> = record.parts.iter().map(|part| part.pdu.is_some()).collect();
    assert_eq!(readable, [true, false], "sealed for another row");
    running.close().await;
}

#[tokio::test]
async fn messages_that_miss_parts_are_found_at_a_start() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    keep(&running, sms("whole")).await;
    let waits = keep(&running, part(7, 1)).await;
    let later = NOW.saturating_add(Duration::from_mins(1));
    keep(&running, NewInbound { received_at: later, ..part(7, 3) }).await;
    for number in 1..=3 {
        keep(&running, part(8, number)).await;
    }
    let hour = Duration::from_hours(1);
    assert_eq!(running.store.waiting_inbox(hour).await.unwrap(), [(waits, later)]);
    running.clock.advance(hour * 2);
    assert_eq!(running.store.waiting_inbox(hour).await.unwrap(), []);
    running.close().await;
}
