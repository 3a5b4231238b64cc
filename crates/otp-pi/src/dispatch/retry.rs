//! What follows an attempt: the answer of `domain::retry`, fitted to the modems that there are.
//!
//! Pure; asked by the worker after every attempt that sent nothing.

use std::time::Duration;

use domain::clock::WallTime;
use domain::retry::{self, FailureClass, Retry};
use rand_core::Rng;

/// What to do with a message whose attempt sent nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Try again at once, on another modem than those excluded.
    Elsewhere,
    /// Try again after this pause; any modem may.
    After(Duration),
    /// It is over.
    GiveUp,
}

/// Decides. `excluded` gets the modem added that is not to be tried again; it is cleared when none is left that could take
/// the message now or as soon as it is free: a modem that is out of order or not for this number is nobody to wait for.
pub(crate) fn decide(
    class: FailureClass,
    attempt: u32,
    times: (WallTime, WallTime),
    modem: usize,
    excluded: &mut Vec<usize>,
    has_other: impl FnOnce(&[usize]) -> bool,
    rng: &mut impl Rng,
) -> Next {
    let (now, deadline) = times;
    match retry::next(class, attempt, now, deadline, rng) {
        Retry::At(at) => {
            excluded.clear();
            Next::After(at.saturating_since(now))
        }
        Retry::OtherModem | Retry::ConfigurationFault => {
            if !excluded.contains(&modem) {
                excluded.push(modem);
                excluded.sort_unstable();
            }
            if !has_other(excluded) {
                excluded.clear();
                // All have refused: a fault that may pass, with its growing pauses, and any may try again.
                return match retry::next(FailureClass::RetryHere, attempt, now, deadline, rng) {
                    Retry::At(at) => Next::After(at.saturating_since(now)),
                    _ => Next::GiveUp,
                };
            }
            Next::Elsewhere
        }
        // An unknowable outcome never comes here: the channel reports it as such.
        Retry::GiveUp | Retry::Unknown => Next::GiveUp,
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    fn check(class: FailureClass, excluded: &[usize], enabled: &[usize]) -> (Next, Vec<usize>) {
        let mut excluded = excluded.to_vec();
        let times = (WallTime::from_unix_millis(0), WallTime::from_unix_millis(3_600_000));
        let has_other = |excluded: &[usize]| enabled.iter().any(|place| !excluded.contains(place));
        let next = decide(class, 1, times, 0, &mut excluded, has_other, &mut ChaCha8Rng::seed_from_u64(7));
        (next, excluded)
    }

    #[test]
    fn another_modem_is_tried_at_once_while_there_is_one() {
        assert_eq!(check(FailureClass::OtherModem, &[], &[0, 1]), (Next::Elsewhere, vec![0]));
        assert_eq!(check(FailureClass::Configuration, &[1], &[0, 1, 2]), (Next::Elsewhere, vec![0, 1]));
    }

    #[test]
    fn when_every_modem_refused_the_message_rests_and_may_use_any_again() {
        let a_while = Duration::from_millis(500)..=Duration::from_secs(1);
        for (class, before, enabled) in
            [(FailureClass::OtherModem, &[1][..], &[0, 1][..]), (FailureClass::Configuration, &[], &[0])]
        {
            let (next, excluded) = check(class, before, enabled);
            assert!(matches!(next, Next::After(pause) if a_while.contains(&pause)), "{next:?}");
            assert!(excluded.is_empty(), "{excluded:?}");
        }
    }

    #[test]
    fn when_every_modem_refused_and_the_pause_would_pass_the_deadline_it_is_over() {
        let times = (WallTime::from_unix_millis(0), WallTime::from_unix_millis(400));
        let rng = &mut ChaCha8Rng::seed_from_u64(7);
        let next = decide(FailureClass::OtherModem, 1, times, 0, &mut Vec::new(), |_| false, rng);
        assert_eq!(next, Next::GiveUp);
    }

    #[test]
    fn after_a_rest_any_modem_may_try_again() {
        assert_eq!(check(FailureClass::RetryHere, &[1], &[0, 1]).1, Vec::<usize>::new());
    }

    #[test]
    fn a_passing_fault_rests_and_a_final_one_ends() {
        assert!(matches!(check(FailureClass::RetryHere, &[], &[0]), (Next::After(pause), _) if !pause.is_zero()));
        assert_eq!(check(FailureClass::GiveUp, &[], &[0]).0, Next::GiveUp);
    }
}
