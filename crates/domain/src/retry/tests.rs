use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;

const FAR: WallTime = WallTime::from_unix_millis(i64::MAX);

fn at(millis: i64) -> WallTime {
    WallTime::from_unix_millis(millis)
}

#[test]
fn each_class_of_failure_has_its_answer() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for (class, attempt, deadline, answer) in [
        (FailureClass::OtherModem, 1, FAR, Retry::OtherModem),
        (FailureClass::OtherModem, 2, FAR, Retry::OtherModem),
        (FailureClass::GiveUp, 1, FAR, Retry::GiveUp),
        (FailureClass::Configuration, 1, FAR, Retry::ConfigurationFault),
        (FailureClass::Unknown, 1, FAR, Retry::Unknown),
        (FailureClass::Unknown, 1, at(0), Retry::Unknown),
        (FailureClass::Configuration, 1, at(0), Retry::ConfigurationFault),
        (FailureClass::RetryHere, 1, at(0), Retry::GiveUp),
        (FailureClass::OtherModem, 1, at(0), Retry::GiveUp),
    ] {
        assert_eq!(next(class, attempt, at(0), deadline, &mut rng), answer, "{class:?} {attempt}");
    }
}

#[test]
fn pauses_double_to_a_ceiling_and_are_jittered_by_half() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    for (class, attempt, longest) in [
        (FailureClass::RetryHere, 1, 1_000),
        (FailureClass::RetryHere, 2, 2_000),
        (FailureClass::RetryHere, 5, 16_000),
        (FailureClass::RetryHere, 7, 60_000),
        (FailureClass::RetryHere, u32::MAX, 60_000),
        (FailureClass::OtherModem, 3, 4_000),
    ] {
        let pauses: Vec<i64> = (0..500)
            .map(|_| match next(class, attempt, at(0), FAR, &mut rng) {
                Retry::At(at) => at.as_unix_millis(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(pauses.iter().all(|pause| (longest / 2..=longest).contains(pause)), "{attempt}");
        let (least, most) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
        assert!(most - least > longest / 3, "attempt {attempt} is spread over {least}..{most}");
    }
}

#[test]
fn nothing_is_tried_at_or_after_the_deadline() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    for _ in 0..200 {
        assert_eq!(next(FailureClass::RetryHere, 1, at(0), at(500), &mut rng), Retry::GiveUp);
        match next(FailureClass::RetryHere, 1, at(0), at(750), &mut rng) {
            Retry::At(time) => assert!(time < at(750)),
            other => assert_eq!(other, Retry::GiveUp),
        }
    }
}
