//! Delivery reports: late, twice, in any order, of a TP-MR that came again, of a modem that has another name by now.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::clock::WallTime;
use domain::message::{MessageId, MessageState};
use domain::otp::AttemptId;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::task::JoinSet;

use super::support::{self, NOW, RECEIVER, Running, text_to};
use super::way::sent_text;
use crate::{Accepted, BeginAttempt, Change, PartState, Report, ReportState, Reported, Store};

const MODEM: &str = "telkomsel-1";

/// A report without a time, which comes now.
pub(crate) fn report(reference: u8, tail: &str, state: ReportState) -> Report {
    Report {
        modem: MODEM.to_owned(),
        present: [].into(),
        message_reference: reference,
        receiver_tail: tail.to_owned(),
        state,
        status: match state {
            ReportState::Delivered => 0x00,
            ReportState::Pending => 0x30,
            ReportState::Undelivered => 0x46,
        },
        taken_at_seconds: None,
        at: NOW,
    }
}

fn after(seconds: u64) -> WallTime {
    NOW.saturating_add(Duration::from_secs(seconds))
}

/// A text that the network took so many seconds after [`NOW`] under this TP-MR.
async fn sent_at(running: &Running, receiver: &str, reference: u8, seconds: u64) -> MessageId {
    send(running.store.clone(), receiver.to_owned(), reference, seconds).await
}

async fn send(store: Store, receiver: String, reference: u8, seconds: u64) -> MessageId {
    let slot = store.try_reserve().unwrap();
    let Accepted::New { message_id } = store.accept(slot, text_to(&receiver)).await.unwrap() else {
        panic!("a repeat")
    };
    let at = after(seconds);
    let begin = BeginAttempt {
        message_id,
        attempt: 1,
        modem: MODEM.to_owned(),
        parts: 1,
        at,
        ticket: None,
        why: None,
        sim: None,
    };
    store.begin_attempt(begin).await.unwrap();
    let attempt = AttemptId { message_id, attempt: 1 };
    store.record(Change::Sent { attempt, part: 1, parts: 1, message_reference: Some(reference), at }).await.unwrap();
    message_id
}

/// A report of what the network took at that second, which comes at another.
fn timed(reference: u8, state: ReportState, taken: u64, comes: u64) -> Report {
    let taken_at_seconds = Some(after(taken).as_unix_millis() / 1000);
    Report { taken_at_seconds, at: after(comes), ..report(reference, RECEIVER, state) }
}

#[tokio::test]
async fn of_two_messages_to_one_receiver_under_one_reference_the_time_of_the_network_finds_the_right_one() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let older = sent_at(&running, RECEIVER, 17, 10).await;
    let newer = sent_at(&running, RECEIVER, 17, 1500).await;
    let apply = async |report: Report| running.store.report(report).await.unwrap();
    let late = apply(timed(17, ReportState::Undelivered, 8, 1600)).await;
    assert_eq!(late, Some(Reported { message_id: older, state: MessageState::Undelivered, has_changed: true }));
    let again = apply(timed(17, ReportState::Undelivered, 8, 1700)).await;
    assert_eq!(again, Some(Reported { message_id: older, state: MessageState::Undelivered, has_changed: false }));
    assert_eq!(running.status(newer).await.state, MessageState::Sent, "the same report again says nothing of it");
    apply(timed(17, ReportState::Delivered, 1499, 1800)).await;
    let late_pending = apply(timed(17, ReportState::Pending, 1499, 1900)).await;
    assert_eq!(late_pending, Some(Reported { message_id: newer, state: MessageState::Delivered, has_changed: false }));
    let part = running.status(newer).await.attempts[0].parts[0].clone();
    assert_eq!((part.report, part.report_status), (Some(ReportState::Delivered), Some(0)));
    assert_eq!(part.sent_at_millis, Some(after(1500).as_unix_millis()));
    assert_eq!(part.reported_at_millis, Some(after(1800).as_unix_millis()));
    running.close().await;
}

#[tokio::test]
async fn a_report_settles_a_message_for_three_days_and_not_longer() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = sent_at(&running, RECEIVER, 17, 0).await;
    let days = 3 * 24 * 3600;
    let too_late = timed(17, ReportState::Delivered, 0, days + 1);
    assert_eq!(running.store.report(too_late).await.unwrap(), None);
    assert_eq!(running.status(id).await.state, MessageState::Sent, "what no report settles stays as it is");
    running.store.report(timed(17, ReportState::Delivered, 0, days)).await.unwrap();
    assert_eq!(running.status(id).await.state, MessageState::Delivered);
    running.close().await;
}

#[tokio::test]
async fn a_report_of_a_modem_that_was_renamed_finds_its_message_and_takes_none_of_another_modem() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let id = sent_text(&running, 17).await;
    let told = |present: &[&str]| Report {
        modem: "new-name".to_owned(),
        present: present.iter().map(|name| (*name).to_owned()).collect(),
        ..report(17, RECEIVER, ReportState::Delivered)
    };
    assert_eq!(running.store.report(told(&["new-name", MODEM])).await.unwrap(), None, "that modem is there");
    assert_eq!(running.store.report(told(&[])).await.unwrap(), None, "nobody knows which there are");
    let found = running.store.report(told(&["new-name", "xl-1"])).await.unwrap();
    assert_eq!(found, Some(Reported { message_id: id, state: MessageState::Delivered, has_changed: true }));
    running.close().await;
}

#[tokio::test]
async fn a_report_that_names_no_receiver_is_taken_for_the_only_message_that_it_can_be_about() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let nameless = || report(17, "", ReportState::Delivered);
    let first = sent_at(&running, RECEIVER, 17, 0).await;
    let second = sent_at(&running, "628120000001", 17, 0).await;
    assert_eq!(running.store.report(nameless()).await.unwrap(), None, "there are two");
    running.store.report(report(17, RECEIVER, ReportState::Delivered)).await.unwrap();
    let found = running.store.report(nameless()).await.unwrap();
    assert_eq!(found.map(|found| found.message_id), Some(second));
    assert_eq!(running.status(first).await.state, MessageState::Delivered);
    running.close().await;
}

#[tokio::test]
async fn of_a_long_text_that_broke_off_every_part_is_told_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let running = support::open(directory.path()).await;
    let sent = |message_id, part| {
        let attempt = AttemptId { message_id, attempt: 1 };
        Change::Sent { attempt, part, parts: 5, message_reference: Some(40 + part), at: after(u64::from(part)) }
    };
    let begun = async || {
        let id = running.accept_text("long").await;
        assert!(running.begin_parts(id, 1, 5).await);
        running.record(sent(id, 1)).await;
        running.record(sent(id, 2)).await;
        id
    };
    let states = async |id: MessageId| {
        running.settle().await;
        let known = running.status(id).await.attempts.remove(0);
        known.all_parts().map(|(_, state, _)| state.as_str()).collect::<Vec<_>>().join(" ")
    };
    let id = begun().await;
    assert_eq!(states(id).await, "sent sent waiting waiting waiting");
    running.store.report(report(41, RECEIVER, ReportState::Delivered)).await.unwrap();
    running.store.report(report(42, RECEIVER, ReportState::Pending)).await.unwrap();
    assert_eq!(states(id).await, "delivered pending waiting waiting waiting");
    let attempt = AttemptId { message_id: id, attempt: 1 };
    let reason = "no answer".to_owned();
    let in_doubt = Change::Unknown { attempt, part: Some(3), resend: false, reason: reason.clone(), at: NOW };
    running.record(in_doubt).await;
    assert_eq!(states(id).await, "delivered pending unknown not-sent not-sent");
    running.store.report(report(43, RECEIVER, ReportState::Undelivered)).await.unwrap();
    assert_eq!(states(id).await, "delivered pending undelivered not-sent not-sent");
    let id = begun().await;
    let message_id = id;
    running.record(Change::Final { message_id, state: MessageState::Failed, reason: reason.clone(), at: NOW }).await;
    assert_eq!(states(id).await, "sent sent not-sent not-sent not-sent");
    let id = begun().await;
    let attempt = AttemptId { message_id: id, attempt: 1 };
    running.record(Change::Unknown { attempt, part: None, resend: false, reason, at: NOW }).await;
    assert_eq!(states(id).await, "sent sent unknown unknown unknown", "what was recorded last may be lost");
    running.close().await;
}

/// What becomes of one message of the simulation below.
struct Fate {
    id: MessageId,
    state: MessageState,
    part: PartState,
}

/// A simulated network: reports that are under way, by the second at which they come.
struct Air {
    rng: ChaCha20Rng,
    under_way: BTreeMap<(u64, u64), Report>,
    count: u64,
}

impl Air {
    fn below(&mut self, limit: u64) -> u64 {
        self.rng.next_u64() % limit
    }

    /// Seconds from seconds to two days: most are short.
    fn delay(&mut self) -> u64 {
        let longest = [10, 600, 7_200, 170_000][usize::try_from(self.below(4)).unwrap()];
        1 + self.below(longest)
    }

    fn send(&mut self, comes: u64, report: Report) {
        self.count += 1;
        self.under_way.insert((comes, self.count), Report { at: after(comes), ..report });
    }

    /// Decides what becomes of a message that was sent at that second, and sends its reports.
    fn take(&mut self, receiver: &str, reference: u8, seconds: u64) -> (MessageState, PartState) {
        // The service centre's clock is seven hours ahead, and it has the message some seconds before the modem says so.
        let taken = seconds + 7 * 3600 - self.below(3);
        let first = seconds + self.delay();
        let of = |state| Report { receiver_tail: receiver.to_owned(), ..timed(reference, state, taken, 0) };
        let (end, part) = match self.below(10) {
            0 => return (MessageState::Sent, PartState::Sent),
            1 => {
                self.send(first, of(ReportState::Pending));
                return (MessageState::Sent, PartState::Pending);
            }
            2 | 3 => (ReportState::Undelivered, (MessageState::Undelivered, PartState::Undelivered)),
            _ => (ReportState::Delivered, (MessageState::Delivered, PartState::Delivered)),
        };
        self.send(first, of(end));
        match self.below(4) {
            0 => {
                let comes = first + self.delay();
                self.send(comes, of(end));
            }
            // Still trying, before or after it was told that it has arrived.
            1 => {
                let comes = seconds + self.delay();
                self.send(comes, of(ReportState::Pending));
            }
            _ => {}
        }
        part
    }
}

/// Gives the store what comes until that second, in groups as a busy gateway would.
async fn bring(running: &Running, air: &mut Air, until: u64) {
    let later = air.under_way.split_off(&(until, 0));
    let due = std::mem::replace(&mut air.under_way, later);
    let mut asked = JoinSet::new();
    for report in due.into_values() {
        let store = running.store.clone();
        asked.spawn(async move { store.report(report).await.unwrap() });
    }
    asked.join_all().await;
}

#[tokio::test]
async fn thousands_of_messages_through_one_modem_each_end_in_their_own_state_whatever_order_their_reports_come_in() {
    const MESSAGES: u64 = 5_120;
    const AT_ONCE: u64 = 64;
    const SEED: u64 = 20_261_124;
    let directory = tempfile::tempdir().unwrap();
    let mut running = support::open(directory.path()).await;
    let mut air = Air { rng: ChaCha20Rng::seed_from_u64(SEED), under_way: BTreeMap::new(), count: 0 };
    let mut fates = Vec::new();
    for group in 0..MESSAGES / AT_ONCE {
        if group == 37 {
            running.close().await;
            running = support::open(directory.path()).await;
        }
        let mut sending = JoinSet::new();
        for number in group * AT_ONCE..(group + 1) * AT_ONCE {
            let (reference, seconds) = (u8::try_from(number % 256).unwrap(), number * 4);
            let receiver = format!("6281200000{:02}", air.below(30));
            let (state, part) = air.take(&receiver, reference, seconds);
            let store = running.store.clone();
            sending.spawn(async move { Fate { id: send(store, receiver, reference, seconds).await, state, part } });
        }
        fates.extend(sending.join_all().await);
        bring(&running, &mut air, (group + 1) * AT_ONCE * 4).await;
    }
    bring(&running, &mut air, u64::MAX).await;
    let mut wrong = Vec::new();
    for (number, fate) in fates.iter().enumerate() {
        let known = running.status(fate.id).await;
        let part = known.attempts[0].all_parts().next().map(|(_, state, _)| state);
        if (known.state, part) != (fate.state, Some(fate.part)) {
            wrong.push(format!("{number}: {:?} {part:?}, not {:?} {:?}", known.state, fate.state, fate.part));
        }
    }
    assert!(wrong.is_empty(), "seed {SEED}: {} of {MESSAGES}: {wrong:#?}", wrong.len());
    running.close().await;
}
