//! Faults with their counters and their seeded chance: asked once per command, answers the one that strikes.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::Fault;

/// The faults of one modem.
#[derive(Debug)]
pub(crate) struct Faults {
    entries: Vec<Counted>,
    chance: ChaCha8Rng,
}

#[derive(Debug)]
struct Counted {
    fault: Fault,
    /// Commands that it was for.
    seen: u64,
    /// Commands that it struck.
    hits: u64,
}

impl Faults {
    pub(crate) fn new(faults: Vec<Fault>, modem: &str, seed: u64) -> Self {
        let name_hash = modem
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mine = |fault: &Fault| fault.modem.as_deref().is_none_or(|name| name == modem);
        let mut this = Self { entries: Vec::new(), chance: ChaCha8Rng::seed_from_u64(seed ^ name_hash) };
        faults.into_iter().filter(mine).for_each(|fault| this.add(fault));
        this
    }

    pub(crate) fn add(&mut self, fault: Fault) {
        self.entries.push(Counted { fault, seen: 0, hits: 0 });
    }

    /// Counts a command (`AT+CMGS=23`) and answers the fault that strikes it.
    pub(crate) fn strike(&mut self, command: &str) -> Option<Fault> {
        let mut struck = None;
        for Counted { fault, seen, hits } in &mut self.entries {
            if !fault.is_for(command) {
                continue;
            }
            *seen += 1;
            if struck.is_some() || fault.nth.is_some_and(|nth| nth != *seen) {
                continue;
            }
            if fault.times.is_some_and(|times| *hits >= times) {
                continue;
            }
            if let Some(probability) = fault.probability {
                // 32 bits are more than a probability needs, and an f64 holds them exactly.
                let upper = u32::try_from(self.chance.next_u64() >> 32).unwrap_or(u32::MAX);
                if f64::from(upper) / 4_294_967_296.0 >= probability {
                    continue;
                }
            }
            *hits += 1;
            struck = Some(fault.clone());
        }
        struck
    }
}
