//! How many steps on tickets a shared server takes in a second.
//!
//! `cargo run --release -p store --example ticket_rate ADDRESS [PASSWORD-FILE [WORKERS [ROUNDS]]]`: each of WORKERS (64) does ROUNDS (400)
//! times what one code costs: reserve, put the tag, a wrong guess, the right one, over a reference of its own.
#![expect(clippy::print_stdout, reason = "a bench reports on standard output")]
#![expect(clippy::unwrap_used, reason = "a bench ends at the first error")]

use std::sync::Arc;
use std::time::Duration;

use domain::clock::{Clock, Manual, WallTime};
use domain::message::MessageId;
use domain::otp::{
    Again, AttemptId, Binding, CodePolicy, Fingerprint, Guess, KeyId, Pepper, PepperRing, Reservation, ReserveOutcome,
    TagEntry, TicketKey, Verdict,
};
use domain::receiver::Receiver;
use domain::secret::SecretText;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use store::ServerAddress;
use store::tickets::{TagOutcome, TicketStore, open_remote};
use tokio::task::JoinSet;
use tokio::time::Instant;

const NOW: WallTime = WallTime::from_unix_millis(1_790_000_000_000);
const STEPS_PER_ROUND: u32 = 4;
const POLICY: CodePolicy = CodePolicy {
    expiration: None,
    lifetime: Duration::from_secs(180),
    max_lifetime: Duration::from_secs(600),
    max_attempts: 5,
};

async fn one_code(tickets: &dyn TicketStore, peppers: &PepperRing, reference: String, rng: &mut ChaCha20Rng) {
    let key = TicketKey::derive(&[7; 32], "shop", &reference);
    let params = ["100000", "1234567890", "987654", ""].map(str::to_owned);
    let binding = Binding { reference, receiver: Receiver::from_canonical("628126666666").unwrap(), params };
    let expires_at = NOW.saturating_add(Duration::from_secs(180));
    let message_id = MessageId::new(NOW, rng);
    let fingerprint = Fingerprint::derive(&[7; 32], &[b"content"]);
    let reservation =
        Reservation { fingerprint, message_id, deadline: expires_at, code_policy: POLICY, again: Again::Retry };
    assert!(matches!(tickets.reserve(key, reservation, NOW).await.unwrap(), ReserveOutcome::New(_)));
    let tag = binding.tag(&peppers.current, "493817");
    let attempt = AttemptId { message_id, attempt: 1 };
    let entry = TagEntry { attempt, key_id: peppers.current.id, tag, expires_at };
    assert_eq!(tickets.put_tag(key, entry).await.unwrap(), TagOutcome::Put);
    let guess = |code: &str| Guess::new(&binding, peppers, &SecretText::new(code));
    assert_eq!(tickets.validate(key, guess("000000"), NOW).await.unwrap(), Verdict::Wrong { attempts_left: 4 });
    assert_eq!(tickets.validate(key, guess("493817"), NOW).await.unwrap(), Verdict::Valid);
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "redis://127.0.0.1".to_owned());
    let password = arguments.next().map(|path| std::fs::read_to_string(path).unwrap());
    let password = password.map(|text| SecretText::new(text.lines().next().unwrap_or_default()));
    let mut number = |usual: u32| arguments.next().map_or(usual, |text| text.parse().unwrap());
    let (workers, rounds) = (number(64), number(400));
    let address = ServerAddress::parse(&address, password, None).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(Manual::new(NOW));
    let tickets = open_remote(&address, clock).unwrap();
    let peppers = Arc::new(PepperRing { current: Pepper::new(KeyId(1), [9; 32]), previous: Vec::new() });
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).unwrap();
    let run = u64::from_le_bytes(*seed.first_chunk().unwrap());
    let began = Instant::now();
    let mut working = JoinSet::new();
    for worker in 0..workers {
        let (tickets, peppers) = (Arc::clone(&tickets), Arc::clone(&peppers));
        let mut rng = ChaCha20Rng::from_seed(seed);
        rng.set_stream(worker.into());
        working.spawn(async move {
            for round in 0..rounds {
                one_code(tickets.as_ref(), &peppers, format!("{run}-{worker}-{round}"), &mut rng).await;
            }
        });
    }
    while let Some(ended) = working.join_next().await {
        ended.unwrap();
    }
    let took = began.elapsed();
    let steps = workers.saturating_mul(rounds).saturating_mul(STEPS_PER_ROUND);
    println!(
        "{address}: {steps} steps in {took:.2?}: {:.0} a second, {workers} workers",
        f64::from(steps) / took.as_secs_f64()
    );
}
