//! Fills a gateway's data directory for the benchmarks, through the store's own code and as durably as ever.
//!
//! `fill DIRECTORY tickets FIRST END`: tickets `s{FIRST}` … `s{END - 1}` of the API user `bench`, each with the code 123456
//! sent and live for a day. `fill DIRECTORY queue FIRST END`: as many texts that wait to be sent. Called by `scripts/bench`;
//! the gateway must not run.
#![expect(clippy::unwrap_used, reason = "a tool of the benchmarks ends at the first error")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use domain::clock::{Clock, WallTime};
use domain::command::Entrance;
use domain::message::{Class, MessageId};
use domain::otp::{Again, AttemptId, Binding, CodeLength, CodePolicy, Fingerprint, Reservation, TagEntry};
use domain::receiver::Receiver;
use domain::secret::SecretText;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use store::{Acceptance, Accepted, BeginAttempt, BeginOutcome, Change, Content, Keys, NewMessage, Settings, Store};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const USER: &str = "bench";
const DAY: Duration = Duration::from_hours(24);
/// Two full groups: while one is committed the next one comes.
const CALLERS: u64 = 512;

const POLICY: CodePolicy = CodePolicy { expiration: None, lifetime: DAY, max_lifetime: DAY, max_attempts: u32::MAX };

struct Now;

impl Clock for Now {
    #[expect(clippy::disallowed_methods, reason = "the tickets must be live when the gateway reads them")]
    fn now(&self) -> WallTime {
        let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        WallTime::from_unix_millis(i64::try_from(since.as_millis()).unwrap())
    }
}

fn message(number: u64, class: Class, content: Content) -> NewMessage {
    let now = Now.now();
    NewMessage {
        id: MessageId::new(now, &mut ChaCha20Rng::seed_from_u64(number)),
        api_user: USER.to_owned(),
        class,
        entrance: Entrance::Rest,
        receiver: receiver(number),
        content,
        accepted_at: now,
        deadline: now.saturating_add(DAY),
        not_before: now,
        own_id: None,
    }
}

fn receiver(number: u64) -> Receiver {
    Receiver::from_canonical(&format!("62812{:08}", number % 100_000_000)).unwrap()
}

/// Accepts an OTP, mints its code and records it as sent.
async fn ticket(store: Store, number: u64) {
    let reference = format!("s{number}");
    let binding = Binding { reference, receiver: receiver(number), params: Default::default() };
    let key = store.ticket_key(USER, &binding.reference);
    let template = SecretText::new("Your code is %s");
    let content = Content::Otp {
        template,
        autofill: domain::autofill::Autofill::default(),
        subject: None,
        binding: binding.clone(),
        length: CodeLength::default(),
        policy: POLICY,
    };
    let message = message(number, Class::Otp, content);
    let reservation = Reservation {
        fingerprint: Fingerprint::derive(store.lookup_key().as_bytes(), &[binding.reference.as_bytes()]),
        message_id: message.id,
        deadline: message.deadline,
        code_policy: POLICY,
        again: Again::Retry,
    };
    let (attempt, at, expires_at) =
        (AttemptId { message_id: message.id, attempt: 1 }, message.accepted_at, message.deadline);
    accept(&store, Acceptance { message, ticket: Some((key, reservation)), replay: None }).await;
    let peppers = store.peppers();
    let pepper = &peppers.current;
    let entry = TagEntry { attempt, key_id: pepper.id, tag: binding.tag(pepper, "123456"), expires_at };
    let modem = format!("m{}", number % 8);
    let begin = BeginAttempt {
        message_id: attempt.message_id,
        attempt: 1,
        modem,
        parts: 1,
        at,
        ticket: Some((key, entry)),
        why: None,
        sim: None,
    };
    assert_eq!(store.begin_attempt(begin).await.unwrap(), BeginOutcome::Begun);
    let message_reference = u8::try_from(number % 256).ok();
    store.record(Change::Sent { attempt, part: 1, parts: 1, message_reference, at }).await.unwrap();
}

/// Accepts a text.
async fn queued(store: Store, number: u64) {
    let content = Content::Text { text: SecretText::new("Hello there"), subject: None };
    let message = message(number, Class::Transactional, content);
    accept(&store, Acceptance { message, ticket: None, replay: None }).await;
}

async fn accept(store: &Store, acceptance: Acceptance) {
    let slot = store.try_reserve().unwrap();
    assert!(matches!(store.accept(slot, acceptance).await.unwrap(), Accepted::New { .. }));
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, what, first, end] = arguments.try_into().unwrap();
    let (first, end): (u64, u64) = (first.parse().unwrap(), end.parse().unwrap());
    let directory = PathBuf::from(directory);
    let keys = Keys::load_or_create(&directory.join("keys")).unwrap();
    let (store, writer) = Store::open(Settings::new(&directory), keys, Arc::new(Now)).await.unwrap();
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(writer.run(stop.clone()));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (store, is_tickets) = (store.clone(), what == "tickets");
        callers.spawn(async move {
            let mut number = first + caller;
            while number < end {
                if is_tickets {
                    ticket(store.clone(), number).await;
                } else {
                    queued(store.clone(), number).await;
                }
                number += CALLERS;
            }
        });
    }
    callers.join_all().await;
    // What was recorded last is committed with the end.
    stop.cancel();
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap().unwrap();
    }
}
