use rand_chacha::ChaCha20Rng;
use rand_core::{SeedableRng, TryCryptoRng, TryRng};

use super::*;

/// Answers given numbers, to reach the rare branch of the rejection.
struct Scripted(Vec<u64>);

impl TryRng for Scripted {
    type Error = std::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        panic!("only 64-bit numbers are drawn")
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(self.0.remove(0))
    }
    fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Self::Error> {
        panic!("only 64-bit numbers are drawn")
    }
}

impl TryCryptoRng for Scripted {}

fn length(digits: u8) -> CodeLength {
    CodeLength::new(digits).unwrap()
}

#[test]
fn lengths_are_four_to_ten() {
    for digits in 0..=u8::MAX {
        assert_eq!(CodeLength::new(digits).is_ok(), (4..=10).contains(&digits), "{digits}");
    }
    assert_eq!(CodeLength::default().digits(), 6);
}

#[test]
fn codes_of_every_length_have_exactly_that_many_digits() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for digits in 4..=10 {
        for _ in 0..2_000 {
            let code = Code::mint(length(digits), &mut rng);
            assert_eq!(code.expose().len(), usize::from(digits));
            assert!(code.expose().bytes().all(|byte| byte.is_ascii_digit()));
        }
        assert_eq!(Code::placeholder(length(digits)).expose(), "0".repeat(usize::from(digits)));
    }
}

#[test]
fn small_numbers_are_padded_with_zeros() {
    for (number, digits, code) in
        [(0, 6, "000000"), (42, 6, "000042"), (1_000_007, 6, "000007"), (9_999_999_999, 10, "9999999999")]
    {
        assert_eq!(Code::mint(length(digits), &mut Scripted(vec![number])).expose(), code);
    }
}

#[test]
fn numbers_beyond_the_last_whole_round_are_drawn_again() {
    let limit = u64::MAX - u64::MAX % 1_000_000;
    let mut rng = Scripted(vec![u64::MAX, limit, limit - 1]);
    assert_eq!(Code::mint(length(6), &mut rng).expose(), "999999");
    assert!(rng.0.is_empty());
}

/// Chi-square of the digits at each place and of the first two digits together, against the 99.99 % quantiles.
#[test]
fn minting_is_uniform() {
    const CODES: usize = 200_000;
    let mut rng = ChaCha20Rng::seed_from_u64(20_211_121);
    let mut places = [[0_u32; 10]; 6];
    let mut pairs = [0_u32; 100];
    for _ in 0..CODES {
        let code = Code::mint(length(6), &mut rng);
        let digits: Vec<usize> = code.expose().bytes().map(|byte| usize::from(byte - b'0')).collect();
        for (place, digit) in places.iter_mut().zip(&digits) {
            place[*digit] += 1;
        }
        pairs[digits[0] * 10 + digits[1]] += 1;
    }
    for counts in &places {
        assert!(chi_square(counts, CODES) < 33.72, "9 degrees of freedom: {counts:?}");
    }
    assert!(chi_square(&pairs, CODES) < 161.3, "99 degrees of freedom: {pairs:?}");
}

fn chi_square(counts: &[u32], total: usize) -> f64 {
    let expected = total as f64 / counts.len() as f64;
    counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum()
}

#[test]
fn debug_shows_dots() {
    assert_eq!(format!("{:?}", Code::placeholder(length(6))), "•••");
}
