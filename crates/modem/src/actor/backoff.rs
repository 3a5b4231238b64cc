//! Pauses between attempts to open a line: doubled up to a ceiling, jittered so that modems do not march in step.

use std::time::Duration;

/// The pauses of one modem; the jitter comes from its name, so that a run can be repeated.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
    noise: u64,
}

impl Backoff {
    pub(crate) fn new(name: &str, first: Duration, longest: Duration) -> Self {
        let noise = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self { first, longest, failures: 0, noise }
    }

    /// Starts over with the first pause.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Returns the next pause, between half and the whole of the doubled one.
    pub(crate) fn next(&mut self) -> Duration {
        let whole = self.first.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX)).min(self.longest);
        self.failures = (self.failures + 1).min(31);
        self.noise = self.noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let eighths = u32::try_from((self.noise >> 33) % 5).unwrap_or(0) + 4;
        whole * eighths / 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_ceiling_and_start_over() {
        let (first, longest) = (Duration::from_millis(500), Duration::from_secs(30));
        let mut backoff = Backoff::new("a", first, longest);
        let pauses: Vec<Duration> = (0..40).map(|_| backoff.next()).collect();
        for (at, pause) in pauses.iter().enumerate() {
            let whole = longest.min(first * 2_u32.pow(at.min(10).try_into().unwrap()));
            assert!(*pause >= whole / 2 && *pause <= whole, "pause {at} is {pause:?}");
        }
        assert!(pauses.windows(2).skip(7).any(|pair| pair[0] != pair[1]), "no jitter");
        backoff.reset();
        assert!(backoff.next() <= first);
    }
}
