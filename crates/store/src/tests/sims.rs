//! What SIMs have sent: counted with the attempt, given back when nothing was sent, kept over every end of the process.

use std::time::Duration;

use domain::message::MessageId;
use domain::otp::AttemptId;
use domain::quota::{Periods, Resets};
use domain::receiver::Msisdn;

use tempfile::TempDir;

use super::support::{NOW, Running, open};
use crate::{BeginAttempt, BeginOutcome, Change, Sim, SimCharge, Store};

/// A store whose process can be killed.
struct Bench {
    running: Running,
    dir: TempDir,
}

impl std::ops::Deref for Bench {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}

impl Bench {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        Self { running: open(dir.path()).await, dir }
    }

    /// What the next start finds when the process is killed now.
    async fn crash(self) -> Self {
        let dir = TempDir::new().unwrap();
        let image = self.running.crash_image(dir.path());
        self.running.close().await;
        Self { running: open(&image).await, dir }
    }
}

const DAY: Duration = Duration::from_secs(24 * 3600);

fn periods(days_later: u32) -> Periods {
    Resets::new(0, 1).unwrap().periods(NOW.saturating_add(DAY * days_later), 0)
}

fn charge(store: &Store, receiver: &str) -> SimCharge {
    SimCharge {
        sim: store.sim_key(Sim::Iccid("8962123456789012345")),
        periods: periods(0),
        parts: 1,
        price: 50,
        is_paced: true,
        receiver: Some(store.receiver_tag(&Msisdn::from_canonical(receiver).unwrap())),
    }
}

/// Parts of today and of the month, the month's cost and receivers, and the parts of the last minute.
fn used(store: &Store, days_later: u32) -> (u32, u32, u64, u32, u32) {
    let (sim, periods) = (charge(store, "628120000001").sim, periods(days_later));
    store.look_at_sim(sim, None, &periods, |sim, _| {
        let month = sim.month(&periods);
        let last_minute = sim.last_minute(periods.now);
        (sim.today(&periods).parts, month.parts, month.cost, sim.receivers(&periods), last_minute)
    })
}

fn knows(store: &Store, receiver: &str) -> bool {
    let SimCharge { sim, receiver, periods, .. } = charge(store, receiver);
    store.look_at_sim(sim, receiver, &periods, |_, is_known| is_known)
}

async fn begin(bench: &Bench, id: MessageId, attempt: u32, parts: u8, receiver: &str) -> BeginOutcome {
    let sim = Some(SimCharge { parts: parts.into(), ..charge(&bench.store, receiver) });
    let modem = "telkomsel-1".to_owned();
    let why = Some("prefix 62812".to_owned());
    let begin = BeginAttempt { message_id: id, attempt, modem, parts, at: NOW, ticket: None, why, sim };
    bench.store.begin_attempt(begin).await.unwrap()
}

fn not_sent(message_id: MessageId, attempt: u32) -> Change {
    let attempt = AttemptId { message_id, attempt };
    Change::NotSent { attempt, modem: None, code: None, retry_at: None, remove_tag: None, at: NOW }
}

#[tokio::test]
async fn an_attempt_is_counted_by_parts_in_its_own_commit_and_survives_the_end_of_the_process() {
    let bench = Bench::new().await;
    let id = bench.accept_text("parts").await;
    let commits = bench.store.commit_count();
    assert_eq!(begin(&bench, id, 1, 3, "628120000001").await, BeginOutcome::Begun);
    assert_eq!(bench.store.commit_count(), commits + 1, "no commit of its own");
    assert_eq!(used(&bench.store, 0), (3, 3, 150, 1, 3));
    assert_eq!(bench.status(id).await.attempts[0].why.as_deref(), Some("prefix 62812"));
    let bench = bench.crash().await;
    assert_eq!(used(&bench.store, 0), (3, 3, 150, 1, 3));
    assert!(knows(&bench.store, "628120000001") && !knows(&bench.store, "628120000002"));
}

#[tokio::test]
async fn what_certainly_was_not_sent_is_given_back_once_and_doubt_is_not() {
    let bench = Bench::new().await;
    let id = bench.accept_text("given back").await;
    begin(&bench, id, 1, 2, "628120000001").await;
    bench.record(not_sent(id, 1)).await;
    bench.record(not_sent(id, 1)).await;
    bench.settle().await;
    assert_eq!(used(&bench.store, 0), (0, 0, 0, 0, 0));
    assert!(!knows(&bench.store, "628120000001"), "nothing was sent to it");
    begin(&bench, id, 2, 2, "628120000001").await;
    let attempt = AttemptId { message_id: id, attempt: 2 };
    bench.record(Change::Unknown { attempt, resend: true, reason: "doubt".to_owned(), part: None, at: NOW }).await;
    bench.record(not_sent(id, 2)).await;
    bench.settle().await;
    assert_eq!(used(&bench.store, 0), (2, 2, 100, 1, 2));
    let bench = bench.crash().await;
    assert_eq!(used(&bench.store, 0), (2, 2, 100, 1, 2));
}

#[tokio::test]
async fn an_attempt_that_may_not_begin_is_not_counted() {
    let bench = Bench::new().await;
    let id = bench.accept_text("stale").await;
    begin(&bench, id, 1, 1, "628120000001").await;
    assert_eq!(begin(&bench, id, 1, 1, "628120000001").await, BeginOutcome::Stale);
    assert_eq!(used(&bench.store, 0).0, 1);
}

#[tokio::test]
async fn a_receiver_who_got_something_else_stays_counted() {
    let bench = Bench::new().await;
    let (one, other) = (bench.accept_text("one").await, bench.accept_text("other").await);
    begin(&bench, one, 1, 1, "628120000001").await;
    begin(&bench, other, 1, 1, "628120000001").await;
    bench.record(not_sent(one, 1)).await;
    bench.settle().await;
    assert_eq!(used(&bench.store, 0), (1, 1, 50, 1, 1));
    assert!(knows(&bench.store, "628120000001"));
    let bench = bench.crash().await;
    assert!(knows(&bench.store, "628120000001"));
}

#[tokio::test]
async fn a_new_month_forgets_the_receivers_on_disk_too() {
    let bench = Bench::new().await;
    let charge = charge(&bench.store, "628120000001");
    bench.store.charge_sim(charge).await.unwrap();
    assert_eq!(used(&bench.store, 40), (0, 0, 0, 0, 0), "as soon as it is looked at");
    let other = bench.store.receiver_tag(&Msisdn::from_canonical("628120000002").unwrap());
    bench.store.charge_sim(SimCharge { periods: periods(40), receiver: Some(other), ..charge }).await.unwrap();
    let bench = bench.crash().await;
    let (sim, later) = (charge.sim, periods(40));
    let is_known = |tag| bench.store.look_at_sim(sim, Some(tag), &later, |_, is_known| is_known);
    assert!(is_known(other) && !is_known(charge.receiver.unwrap()));
    assert_eq!(used(&bench.store, 40).3, 1);
}

#[tokio::test]
async fn a_person_counts_gives_a_part_back_and_begins_anew() {
    let bench = Bench::new().await;
    let charge = SimCharge { parts: 3, ..charge(&bench.store, "628120000001") };
    let charged = bench.store.charge_sim(charge).await.unwrap().unwrap();
    bench.store.give_sim_back(charged.unsent(2)).await.unwrap();
    assert_eq!(used(&bench.store, 0), (1, 1, 50, 1, 3), "the minute keeps what was begun");
    bench.store.reset_sim(charge.sim).await.unwrap();
    assert_eq!(used(&bench.store, 0), (0, 0, 0, 0, 0));
    let bench = bench.crash().await;
    assert_eq!(used(&bench.store, 0), (0, 0, 0, 0, 0));
    assert!(!knows(&bench.store, "628120000001"));
}

#[tokio::test]
async fn neither_the_card_nor_the_receiver_is_on_disk_in_clear() {
    let bench = Bench::new().await;
    bench.store.charge_sim(charge(&bench.store, "628120000001")).await.unwrap();
    let dir = bench.crash().await.dir;
    let bytes = ["otp-pi.db", "otp-pi.db-wal"].map(|name| std::fs::read(dir.path().join("image").join(name)).unwrap());
    let bytes = bytes.concat();
    for secret in ["8962123456789012345", "628120000001"] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
}
