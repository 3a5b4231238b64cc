//! Emulated days: callers ask, modems break in every way that the emulator knows, the gateway is killed, ended and reloaded, all by chance
//! from a seed that is printed. Then the faults stop, and every accepted message must be in a final state that is true.
//!
//! The radio is five hundred times as quick as a real one: a minute here is eight hours of messages. How long it goes on is said by
//! `OTP_PI_SOAK_SECONDS` (`scripts/test` gives it ten minutes, `scripts/soak` an hour), which seed by `OTP_PI_SOAK_SEED`.

mod balance;
mod callers;
mod chaos;

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use emulator::{Modem, ModemSettings, Network, NetworkSettings, ReceiverRule, Script, ScriptDuration, Treatment};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Client, Gateway, Setup, instant, pause, wait_for};
use callers::Asked;

/// Seeds on which it failed once.
const ONCE_FAILED: [u64; 1] = [2_618_316_767];
/// How long each of them goes on.
const OF_A_SEED: Duration = Duration::from_secs(20);
/// The seed when none is said. Another one is no better, and a run that fails here must be the same everywhere.
const SEED: u64 = 20_261_124;
/// How long without the scripts that say it.
const SHORT: Duration = Duration::from_secs(30);
const MODEMS: u8 = 4;
const CALLERS: u64 = 3;
/// A real radio takes 2.5 s.
const AIR_TIME: Duration = Duration::from_millis(5);

/// The beginnings of receivers' numbers, by what becomes of their SMS. Nobody gets two: of two messages of unknown outcome to one receiver
/// nobody could say which of them a report means.
const DELIVERED: &str = "62812900";
const LOST: &str = "62812901";
const SILENT: &str = "62812902";
const TWICE: &str = "62812903";
const REFUSED: &str = "62812904";
const LATE: &str = "62812905";

#[expect(clippy::disallowed_methods, reason = "a long run is asked for from outside")]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// For whoever watches a long run.
#[expect(clippy::print_stderr, reason = "a run that fails is repeated with the seed that it said")]
fn say(what: &str) {
    eprintln!("soak: {what}");
}

#[test]
fn emulated_days_end_with_every_accepted_message_in_a_true_final_state() {
    let seed = number("OTP_PI_SOAK_SEED").unwrap_or(SEED);
    let time = number("OTP_PI_SOAK_SECONDS").map_or(SHORT, Duration::from_secs);
    soak(seed, time);
}

#[test]
fn seeds_that_once_failed_end_well() {
    for seed in ONCE_FAILED {
        soak(seed, OF_A_SEED);
    }
}

/// The modems and their network, in this process.
struct World {
    network: Network,
    modems: Vec<Modem>,
    /// The lines' links.
    _lines: TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl World {
    fn new(seed: u64) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let lines = TempDir::new().unwrap();
        let rule = |number: &str, treatment| ReceiverRule::new(format!("{number}*"), treatment);
        let receivers = vec![
            rule(LOST, Treatment::Fail(0x41)),
            rule(SILENT, Treatment::NeverReport),
            rule(TWICE, Treatment::ReportTwice),
            rule(REFUSED, Treatment::Refuse(1)),
            rule(LATE, Treatment::LateReport(ScriptDuration(Duration::from_millis(700)))),
        ];
        let report_delay = Duration::from_millis(20);
        let network = Network::new(NetworkSettings {
            air_time: AIR_TIME,
            report_delay,
            seed,
            receivers,
            ..NetworkSettings::default()
        });
        let start = |index: u8| {
            let mut settings = ModemSettings::named(format!("m{}", index - 1), index);
            settings.link = Some(lines.path().join(format!("line{index}")));
            let modem = Modem::start(&network, settings, Script::default()).unwrap();
            drop(runtime.spawn(modem.run()));
            modem
        };
        let modems = (1..=MODEMS).map(start).collect();
        Self { network, modems, _lines: lines, _runtime: runtime }
    }

    fn setup(&self) -> Setup {
        Setup {
            modems: self.modems.iter().map(Modem::path).collect(),
            otp: "lifetime = \"10m\"".to_owned(),
            // Short against a radio that takes five milliseconds.
            modem: "prompt_timeout = \"1s\"\nresult_timeout = \"3s\"".to_owned(),
            ..Setup::without_modems()
        }
    }
}

/// The gateway, in whichever of its lives it is.
struct Lives {
    address: Mutex<SocketAddr>,
    gateway: Mutex<Option<Gateway>>,
}

impl Lives {
    fn begin(setup: &Setup) -> Self {
        let gateway = setup.start();
        Self { address: Mutex::new(gateway.address), gateway: Mutex::new(Some(gateway)) }
    }

    /// Ends one life and begins the next.
    fn renew(&self, end: impl FnOnce(Gateway) -> crate::harness::Stopped) {
        let mut gateway = self.gateway.lock().unwrap();
        let next = end(gateway.take().unwrap()).restart();
        *self.address.lock().unwrap() = next.address;
        *gateway = Some(next);
    }

    fn with<T>(&self, act: impl FnOnce(&Gateway) -> T) -> T {
        act(self.gateway.lock().unwrap().as_ref().unwrap())
    }

    /// Asks until there is an answer, over however many lives; answers it, and whether it was asked more than once.
    fn ask(&self, command: &str, data: &Value) -> (Value, bool) {
        let mut tries = 0;
        let answer = wait_for("an answer", || {
            tries += 1;
            let address = *self.address.lock().unwrap();
            let answer = Client::try_connect(address).ok()?.try_ask(command, data).ok()?;
            // Full for a moment: a client asks again.
            (answer["response_code"] != "1501").then_some(answer)
        });
        (answer, tries > 1)
    }
}

fn soak(seed: u64, time: Duration) {
    say(&format!("seed {seed}, {} s", time.as_secs()));
    let world = World::new(seed);
    let lives = Lives::begin(&world.setup());
    let is_over = AtomicBool::new(false);
    let asked = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (world, lives, asked, is_over) = (&world, &lives, &asked, &is_over);
            scope.spawn(move || callers::call(world, lives, asked, (seed, caller), is_over));
        }
        scope.spawn(|| chaos::reign(&world, &lives, seed, &is_over));
        let start = instant();
        while start.elapsed() < time {
            pause(Duration::from_millis(50));
        }
        is_over.store(true, Ordering::SeqCst);
    });
    chaos::end(&world, &lives);
    let asked: Vec<Asked> = asked.into_inner().unwrap();
    balance::settle_and_balance(&world, &lives, &asked, seed);
    let log = lives.with(Gateway::log);
    assert!(!log.contains("panicked"), "seed {seed}: {log}");
    let left = lives.ask("get-modem-list", &json!({})).0;
    say(&format!(
        "seed {seed} ended well: {} requests, {} PDUs; {left}",
        asked.len(),
        world.network.transmission_count()
    ));
}
