//! How many accepts and validations a second this machine's disk and processors allow, and what they cost in fsyncs.
//!
//! `cargo run --release -p store --example accept_rate [DIRECTORY [OPERATIONS [TICKETS]]]`: in DIRECTORY (default: a
//! fresh one under the current directory, so that the disk is the real one), OPERATIONS of each kind by 64 callers, with
//! TICKETS live tickets already there.
#![expect(clippy::print_stdout, reason = "a bench reports on standard output")]
#![expect(clippy::unwrap_used, reason = "a bench ends at the first error")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::clock::{Clock, Manual, WallTime};
use domain::command::Entrance;
use domain::message::{Class, MessageId};
use domain::otp::{
    Again, AttemptId, Binding, CodeLength, CodePolicy, Fingerprint, Guess, Reservation, TagEntry, TicketKey, Verdict,
};
use domain::receiver::Receiver;
use domain::secret::SecretText;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use store::{Acceptance, Accepted, BeginAttempt, BeginOutcome, Change, Content, Keys, NewMessage, Settings, Store};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const CALLERS: u64 = 64;
const NOW: WallTime = WallTime::from_unix_millis(1_790_000_000_000);

const POLICY: CodePolicy = CodePolicy {
    expiration: None,
    lifetime: Duration::from_secs(180),
    max_lifetime: Duration::from_secs(600),
    max_attempts: 5,
};

fn binding(number: u64) -> Binding {
    Binding {
        reference: format!("reference-{number}"),
        receiver: Receiver::from_canonical(&format!("62812{:08}", number % 100_000_000)).unwrap(),
        params: ["100000", "1234567890", "987654", ""].map(str::to_owned),
    }
}

fn acceptance(store: &Store, number: u64, rng: &mut ChaCha20Rng) -> (Acceptance, TicketKey) {
    let binding = binding(number);
    let key = store.ticket_key("shop", &binding.reference);
    // Time goes on as it would at 16,000 a second: ids of one instant have no order, and real ones do.
    let id = MessageId::new(NOW.saturating_add(Duration::from_millis(number / 16)), rng);
    let deadline = NOW.saturating_add(Duration::from_secs(180));
    let reservation = Reservation {
        fingerprint: Fingerprint::derive(store.lookup_key().as_bytes(), &[binding.reference.as_bytes()]),
        message_id: id,
        deadline,
        code_policy: POLICY,
        again: Again::Retry,
    };
    let message = NewMessage {
        id,
        api_user: "shop".to_owned(),
        class: Class::Otp,
        entrance: Entrance::Rest,
        receiver: binding.receiver.clone(),
        content: Content::Otp {
            template: SecretText::new("Your code is %s"),
            autofill: domain::autofill::Autofill::default(),
            subject: None,
            binding,
            length: CodeLength::default(),
            policy: POLICY,
        },
        accepted_at: NOW,
        deadline,
        not_before: NOW,
        own_id: None,
    };
    (Acceptance { message, ticket: Some((key, reservation)), replay: None }, key)
}

/// Runs `operations` by 64 callers and reports rate, latency and fsyncs.
async fn measure<F, Fut>(name: &str, store: &Store, operations: u64, step: F)
where
    F: Fn(Store, u64) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send,
{
    let commits = store.commit_count();
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (store, step) = (store.clone(), step.clone());
        callers.spawn(async move {
            let mut latencies = Vec::new();
            let mut number = caller;
            while number < operations {
                let asked = Instant::now();
                step(store.clone(), number).await;
                latencies.push(asked.elapsed());
                number += CALLERS;
            }
            latencies
        });
    }
    let mut latencies: Vec<Duration> = callers.join_all().await.into_iter().flatten().collect();
    let took = began.elapsed();
    latencies.sort_unstable();
    let commits = store.commit_count() - commits;
    let per_second = u128::from(operations) * 1_000_000 / took.as_micros().max(1);
    let p99 = latencies.get(latencies.len() * 99 / 100).copied().unwrap_or_default();
    let per_thousand = commits * 1_000 / operations.max(1);
    println!(
        "{name:<10} {per_second:>7} /s   p99 {p99:>9.2?}   {per_thousand:>4} fsyncs per 1,000 (group of {})",
        operations / commits.max(1)
    );
}

fn settings_from_arguments() -> (PathBuf, u64, u64) {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().map_or_else(|| PathBuf::from("accept-rate-data"), PathBuf::from);
    let operations = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let tickets = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    (directory, operations, tickets)
}

async fn accept(store: Store, number: u64) {
    let mut rng = ChaCha20Rng::seed_from_u64(number);
    let (acceptance, _) = acceptance(&store, number, &mut rng);
    let slot = store.try_reserve().unwrap();
    assert!(matches!(store.accept(slot, acceptance).await.unwrap(), Accepted::New { .. }));
}

/// Mints for one message, so that its ticket can be validated.
async fn send(store: Store, number: u64) {
    let mut rng = ChaCha20Rng::seed_from_u64(number);
    let (acceptance, key) = acceptance(&store, number, &mut rng);
    let attempt = AttemptId { message_id: acceptance.message.id, attempt: 1 };
    let peppers = store.peppers();
    let pepper = &peppers.current;
    let tag = binding(number).tag(pepper, "123456");
    let entry = TagEntry { attempt, key_id: pepper.id, tag, expires_at: NOW.saturating_add(Duration::from_secs(180)) };
    let begin = BeginAttempt {
        message_id: attempt.message_id,
        attempt: 1,
        modem: format!("modem-{}", number % 8),
        parts: 1,
        at: NOW,
        ticket: Some((key, entry)),
        why: None,
        sim: None,
    };
    assert_eq!(store.begin_attempt(begin).await.unwrap(), BeginOutcome::Begun);
    let message_reference = u8::try_from(number % 256).ok();
    store.record(Change::Sent { attempt, part: 1, parts: 1, message_reference, at: NOW }).await.unwrap();
}

async fn validate(store: Store, number: u64) {
    let binding = binding(number);
    let key = store.ticket_key("shop", &binding.reference);
    let guess = Guess::new(&binding, &store.peppers(), &SecretText::new("123456"));
    assert_eq!(store.validate(key, guess, NOW).await.unwrap(), Verdict::Valid);
}

#[tokio::main]
async fn main() {
    let (directory, operations, tickets) = settings_from_arguments();
    let keys = Keys::load_or_create(&directory.join("keys")).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(Manual::new(NOW));
    let (store, writer) = Store::open(Settings::new(&directory), keys, clock).await.unwrap();
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(writer.run(stop.clone()));
    if tickets > 0 {
        measure("(prepare)", &store, tickets, |store, number| accept(store, number + (1 << 40))).await;
    }
    measure("accept", &store, operations, accept).await;
    measure("begin+sent", &store, operations, send).await;
    measure("validate", &store, operations, validate).await;
    stop.cancel();
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap().unwrap();
    }
}
