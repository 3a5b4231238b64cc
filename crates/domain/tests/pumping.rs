//! A simulated attack by SMS pumping, with honest people in the same ranges and elsewhere, second by second from one seed.
//!
//! The limits are those that a gateway has without a word about them. `cargo test -p domain --test pumping -- --nocapture` prints the
//! curves of docs/limits.md.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and its curves go into the documents"
)]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use domain::clock::WallTime;
use domain::limits::{
    Book, CodeKeys, CodeRequest, Fact, GuessEnd, Mode, Rules, Taken, admit_code, begin_guess, client_network,
    end_guess, note,
};
use domain::receiver::{Msisdn, Receiver};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const SECRET: &[u8] = &[3; 32];
const DAY: u64 = 86_400;
/// Three weeks of honest life, so that most customers have come by, then three days of attack.
const ATTACK_BEGINS: u64 = 21 * DAY;
const END: u64 = 24 * DAY;
const CUSTOMERS_PER_RANGE: u32 = 400;
const RANGES: u32 = 15;
const ATTACKED: [u32; 3] = [4, 8, 12];

/// How the attackers go about it.
struct Attack {
    /// Seconds between two requests to one range.
    every: u64,
    /// Addresses that they come from; with none the caller does not tell addresses, of anybody.
    addresses: u32,
}

/// Whatever happens, in the order of time.
enum Event {
    /// A person wants a code; so often they have asked before for this login.
    Wish { digits: String, client: Option<IpAddr>, asked: u32 },
    /// A person enters a code.
    Enter { taken: Box<Taken>, is_right: bool },
    /// The network has it.
    Sent { taken: Box<Taken> },
    /// An attacker wants a code.
    Attack { range: u32 },
}

#[derive(Default, Clone, Copy)]
struct Count {
    wished: u32,
    granted: u32,
}

impl Count {
    fn add(&mut self, is_granted: bool) {
        self.wished += 1;
        self.granted += u32::from(is_granted);
    }

    fn percent(self) -> f64 {
        f64::from(self.granted) * 100.0 / f64::from(self.wished.max(1))
    }
}

#[derive(Default)]
struct Outcome {
    /// Codes that the attackers got, by range.
    stolen: BTreeMap<u32, u32>,
    attempts: u32,
    honest_there: Count,
    new_there: Count,
    honest_elsewhere: Count,
    /// Codes that the attackers got in each hour, in all ranges.
    curve: BTreeMap<u64, u32>,
}

struct World {
    rng: ChaCha8Rng,
    book: Book,
    rules: Rules,
    queue: BTreeMap<(u64, u64), Event>,
    serial: u64,
    addresses: u32,
    outcome: Outcome,
}

fn at(second: u64) -> WallTime {
    WallTime::from_unix_millis(1_800_000_000_000 + i64::try_from(second).expect("small") * 1_000)
}

fn range_prefix(range: u32) -> String {
    format!("62812{range:03}")
}

impl World {
    fn below(&mut self, bound: u32) -> u32 {
        u32::try_from((u64::from(self.rng.next_u32()) * u64::from(bound)) >> 32).expect("below the bound")
    }

    fn plan(&mut self, second: u64, event: Event) {
        self.serial += 1;
        if second < END {
            self.queue.insert((second, self.serial), event);
        }
    }

    /// A wish of a customer of a range; one in fifty comes from somebody new.
    fn wish(&mut self, range: u32) -> Event {
        let is_new = self.below(50) == 0;
        let number = if is_new { 50_000 + self.below(50_000) } else { self.below(CUSTOMERS_PER_RANGE) * 97 };
        // Every tenth sits behind an address that others share.
        let host = if number % 10 == 0 { range * 8 + number % 7 } else { (1 << 23) | (range << 17) | number };
        let client = (self.addresses > 0).then(|| IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + host)));
        Event::Wish { digits: format!("{}{number:05}", range_prefix(range)), client, asked: 0 }
    }

    fn ask(&mut self, digits: &str, client: Option<IpAddr>, second: u64) -> Option<Box<Taken>> {
        let receiver = Receiver::Msisdn(Msisdn::from_canonical(digits).expect("canonical"));
        let label = client.map(client_network);
        self.serial += 1;
        let request = CodeRequest {
            keys: CodeKeys::derive(SECRET, &receiver, client, "shop"),
            digits: Some(digits),
            client: label.as_deref(),
            api_user: "shop",
            api_user_rates: &[],
            message: u32::try_from(self.serial).expect("small"),
        };
        let taken = admit_code(&mut self.book, &self.rules, &request, at(second)).taken.map(Box::new)?;
        let delay = 3 + u64::from(self.below(5));
        self.plan(second + delay, Event::Sent { taken: taken.clone() });
        Some(taken)
    }

    fn wished(&mut self, digits: String, client: Option<IpAddr>, asked: u32, second: u64) {
        let taken = self.ask(&digits, client, second);
        if second >= ATTACK_BEGINS {
            let is_new = digits.get(8..).is_some_and(|last| last >= "50000");
            let is_there = ATTACKED.iter().any(|range| digits.starts_with(&range_prefix(*range)));
            if is_there && is_new {
                self.outcome.new_there.add(taken.is_some());
            }
            let count = if is_there { &mut self.outcome.honest_there } else { &mut self.outcome.honest_elsewhere };
            count.add(taken.is_some());
        }
        let Some(taken) = taken else {
            // Who is refused tries once more.
            if asked == 0 {
                self.plan(second + 600, Event::Wish { digits, client, asked: 9 });
            }
            return;
        };
        let pause = second + 12 + u64::from(self.below(45));
        match self.below(100) {
            // Never entered.
            0..3 => {}
            // It did not arrive, or is not found: asked for again.
            3..8 if asked < 2 => {
                let patience = if asked == 0 { 35 } else { 65 };
                self.plan(second + patience, Event::Wish { digits, client, asked: asked + 1 });
            }
            8..13 => {
                self.plan(pause, Event::Enter { taken: taken.clone(), is_right: false });
                self.plan(pause + 15, Event::Enter { taken, is_right: true });
            }
            _ => self.plan(pause, Event::Enter { taken, is_right: true }),
        }
    }

    fn happen(&mut self, second: u64, event: Event) {
        match event {
            Event::Wish { digits, client, asked } => self.wished(digits, client, asked, second),
            Event::Enter { taken, is_right } => {
                let receiver = taken.keys.receiver;
                let begun = begin_guess(&mut self.book, &self.rules, receiver, at(second));
                assert_eq!(begun.refusal, None, "an honest guess");
                let end = if is_right { GuessEnd::Right } else { GuessEnd::Wrong };
                let ended = end_guess(&mut self.book, &self.rules, receiver, &begun, end, at(second));
                for message in ended.messages {
                    note(&mut self.book, &taken.keys.judged(), message, Fact::Entered, at(second));
                }
            }
            Event::Sent { taken } => note(&mut self.book, &taken.keys.judged(), taken.message, Fact::Sent, at(second)),
            Event::Attack { range } => {
                let digits = format!("{}{:05}", range_prefix(range), self.below(100_000));
                let host = (self.addresses > 0).then(|| 0xc633_0000 + self.below(self.addresses));
                let is_stolen = self.ask(&digits, host.map(|host| IpAddr::V4(Ipv4Addr::from(host))), second).is_some();
                self.outcome.attempts += 1;
                *self.outcome.stolen.entry(range).or_default() += u32::from(is_stolen);
                *self.outcome.curve.entry((second - ATTACK_BEGINS) / 3_600).or_default() += u32::from(is_stolen);
            }
        }
    }
}

fn simulate(seed: u64, mode: Mode, attack: &Attack) -> Outcome {
    let mut world = World {
        rng: ChaCha8Rng::seed_from_u64(seed),
        book: Book::default(),
        rules: Rules { mode, ..Rules::standard("62") },
        queue: BTreeMap::new(),
        serial: 0,
        addresses: attack.addresses,
        outcome: Outcome::default(),
    };
    // Each range wants some hundred and sixty codes a day, fewer at night.
    for range in 0..RANGES {
        let mut second = u64::from(world.below(1_000));
        while second < END {
            let is_night = second % DAY < 6 * 3_600;
            second += u64::from(world.below(if is_night { 3_600 } else { 800 })) + 30;
            let wish = world.wish(range);
            world.plan(second, wish);
        }
    }
    for range in ATTACKED {
        let mut second = ATTACK_BEGINS + u64::from(world.below(60));
        while second < END {
            world.plan(second, Event::Attack { range });
            second += attack.every;
        }
    }
    while let Some(((second, _), event)) = world.queue.pop_first() {
        world.happen(second, event);
    }
    world.outcome
}

fn print(name: &str, outcome: &Outcome) {
    let stolen: Vec<_> = outcome.stolen.values().collect();
    let (there, new, elsewhere) = (outcome.honest_there, outcome.new_there, outcome.honest_elsewhere);
    println!("{name}: {} requests of attackers got {stolen:?} codes", outcome.attempts);
    println!(
        "  honest there {:.2} % of {} (of them new: {:.0} % of {})",
        there.percent(),
        there.wished,
        new.percent(),
        new.wished
    );
    println!("  honest elsewhere {:.2} % of {}", elsewhere.percent(), elsewhere.wished);
    let mut sum = 0;
    for (hour, codes) in &outcome.curve {
        sum += codes;
        if [0, 1, 2, 3, 6, 12, 24, 48, 71].contains(hour) {
            println!("  after hour {:>2}: {sum} codes", hour + 1);
        }
    }
}

/// What the guard promises, whoever attacks and however fast.
fn promise(name: &str, attack: &Attack) {
    let outcome = simulate(1, Mode::Enforce, attack);
    print(name, &outcome);
    for (range, stolen) in &outcome.stolen {
        assert!(*stolen <= 200, "{name}: {stolen} codes of range {range}");
    }
    assert!(outcome.honest_there.percent() >= 95.0, "{name}: there {:.2} %", outcome.honest_there.percent());
    assert!(
        outcome.honest_elsewhere.percent() >= 99.0,
        "{name}: elsewhere {:.2} %",
        outcome.honest_elsewhere.percent()
    );
}

#[test]
fn a_fast_attack_is_stopped_while_honest_people_go_on() {
    promise("fast", &Attack { every: 15, addresses: 2_000 });
}

#[test]
fn an_attack_is_stopped_when_nobody_tells_addresses() {
    promise("without addresses", &Attack { every: 30, addresses: 0 });
}

#[test]
fn a_slow_attack_is_stopped_too() {
    promise("slow", &Attack { every: 600, addresses: 500 });
}

#[test]
fn without_the_guard_the_same_attack_gets_every_code() {
    let outcome = simulate(1, Mode::Observe, &Attack { every: 60, addresses: 2_000 });
    print("observed only", &outcome);
    assert_eq!(outcome.stolen.values().sum::<u32>(), outcome.attempts);
}
