use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::otp::{Binding, Pepper, PepperRing};
use crate::receiver::{CountryCode, NumberingPlan, Receiver};
use crate::secret::SecretText;

const MAX_ATTEMPTS: u32 = 3;

fn at(seconds: i64) -> WallTime {
    WallTime::from_unix_millis(seconds * 1_000)
}

fn message(number: u8) -> MessageId {
    MessageId::from_bytes([number; 16])
}

fn attempt(message_number: u8, attempt: u32) -> AttemptId {
    AttemptId { message_id: message(message_number), attempt }
}

fn policy(expiration: Option<WallTime>) -> CodePolicy {
    CodePolicy {
        expiration,
        lifetime: Duration::from_secs(180),
        max_lifetime: Duration::from_secs(600),
        max_attempts: MAX_ATTEMPTS,
    }
}

fn reservation(message_number: u8, content: &str, again: Again, now: WallTime) -> Reservation {
    Reservation {
        fingerprint: Fingerprint::derive(&[1; 32], &[content.as_bytes()]),
        message_id: message(message_number),
        deadline: now.saturating_add(Duration::from_secs(180)),
        code_policy: policy(None),
        again,
    }
}

fn new_ticket(now: WallTime) -> Ticket {
    match Ticket::reserve(None, &reservation(1, "a", Again::Retry, now), now) {
        ReserveOutcome::New(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

fn resent(ticket: &Ticket, message_number: u8, now: WallTime) -> Ticket {
    match Ticket::reserve(Some(ticket), &reservation(message_number, "a", Again::Resend, now), now) {
        ReserveOutcome::Resent(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

fn pepper() -> Pepper {
    Pepper::new(KeyId(1), [9; 32])
}

fn binding(receiver: &str) -> Binding {
    let plan = NumberingPlan { country_code: CountryCode::parse("62").unwrap() };
    Binding {
        reference: "r".to_owned(),
        receiver: Receiver::parse(receiver, &plan).unwrap(),
        params: Default::default(),
    }
}

fn guess(code: &str) -> Guess {
    let ring = PepperRing { current: pepper(), previous: Vec::new() };
    Guess::new(&binding("+62 812-6666-666"), &ring, &SecretText::new(code))
}

/// The tag of a code sent to the same receiver, written as people at home write it.
fn entry(attempt: AttemptId, code: &str, expires_at: WallTime) -> TagEntry {
    TagEntry { attempt, key_id: KeyId(1), tag: binding("08126666666").tag(&pepper(), code), expires_at }
}

fn with_code(code: &str, now: WallTime) -> Ticket {
    let mut ticket = new_ticket(now);
    let expires_at = ticket.code_policy.code_expires_at(now);
    assert!(ticket.put_tag(entry(attempt(1, 1), code, expires_at)));
    ticket
}

#[test]
fn a_live_reference_repeats_the_same_and_refuses_other_content() {
    let ticket = with_code("111111", at(0));
    let same = Ticket::reserve(Some(&ticket), &reservation(2, "a", Again::Retry, at(1)), at(1));
    assert_eq!(same, ReserveOutcome::Repeat { message_id: message(1) });
    let other = Ticket::reserve(Some(&ticket), &reservation(2, "b", Again::Retry, at(1)), at(1));
    assert_eq!(other, ReserveOutcome::Conflict);
}

#[test]
fn a_consumed_cancelled_or_expired_ticket_gives_its_reference_free() {
    let is_free = |ticket: &Ticket, now| {
        matches!(Ticket::reserve(Some(ticket), &reservation(2, "b", Again::Retry, now), now),
            ReserveOutcome::New(new) if new.attempts_used == 0 && new.tags.is_empty() && new.message_id == message(2))
    };
    let ticket = with_code("111111", at(0));
    assert!(!is_free(&ticket, at(179)));
    assert!(is_free(&ticket, at(180)), "expired");
    let mut consumed = ticket.clone();
    assert_eq!(consumed.validate(&guess("111111"), at(1)), Verdict::Valid);
    assert!(is_free(&consumed, at(2)));
    let mut cancelled = ticket;
    assert_eq!(cancelled.cancel(at(1)), Some(message(1)));
    assert!(is_free(&cancelled, at(2)));
    assert!(is_free(&new_ticket(at(0)), at(180)), "never got a code");
}

#[test]
fn a_resend_keeps_the_newest_two_codes_and_one_budget() {
    let mut ticket = with_code("111111", at(0));
    assert_eq!(ticket.validate(&guess("000000"), at(1)), Verdict::Wrong { attempts_left: 2 });
    let mut ticket = resent(&ticket, 2, at(2));
    assert!(ticket.put_tag(entry(attempt(2, 1), "222222", at(182))));
    let mut both = ticket.clone();
    assert_eq!(both.validate(&guess("111111"), at(3)), Verdict::Valid);
    ticket = resent(&ticket, 3, at(4));
    assert!(ticket.put_tag(entry(attempt(3, 1), "333333", at(184))));
    assert_eq!(ticket.tags.len(), 2);
    assert_eq!(ticket.validate(&guess("111111"), at(5)), Verdict::Wrong { attempts_left: 1 }, "the third oldest");
    let mut older = ticket.clone();
    assert_eq!(older.validate(&guess("222222"), at(5)), Verdict::Valid);
    assert_eq!(ticket.validate(&guess("333333"), at(5)), Verdict::Valid);
}

#[test]
fn a_resend_for_which_no_try_is_left_is_refused_and_with_one_left_it_is_not() {
    let mut ticket = with_code("123456", at(0));
    for tried in 1..=MAX_ATTEMPTS {
        ticket.validate(&guess("000000"), at(1));
        let outcome = Ticket::reserve(Some(&ticket), &reservation(2, "a", Again::Resend, at(2)), at(2));
        assert_eq!(outcome == ReserveOutcome::NoTries, tried == MAX_ATTEMPTS, "after {tried}: {outcome:?}");
    }
    let retry = Ticket::reserve(Some(&ticket), &reservation(2, "a", Again::Retry, at(2)), at(2));
    assert!(matches!(retry, ReserveOutcome::Repeat { .. }), "a retry is answered as the first: {retry:?}");
    ticket.cancel(at(3));
    let anew = Ticket::reserve(Some(&ticket), &reservation(2, "a", Again::Resend, at(4)), at(4));
    assert!(matches!(anew, ReserveOutcome::New(_)), "{anew:?}");
}

#[test]
fn a_request_that_cannot_be_accepted_now_is_answered_only_if_it_was_accepted_before() {
    let ticket = new_ticket(at(0));
    let asked = |content, again, from, now| ticket.find_answered(&reservation(2, content, again, at(from)), at(now));
    assert_eq!(asked("a", Again::Retry, 10, 10), Some(message(1)), "live, the same content");
    assert_eq!(asked("b", Again::Retry, 10, 10), None, "other content");
    assert_eq!(asked("a", Again::Resend, 10, 10), None, "a wish for another code");
    assert_eq!(asked("a", Again::Renew, 10, 10), None);
    assert_eq!(asked("a", Again::Retry, 200, 200), None, "over: this is a new request");
    assert_eq!(asked("a", Again::Retry, 0, 200), Some(message(1)), "over, and its own time has passed");
    let mut used = with_code("123456", at(0));
    used.validate(&guess("123456"), at(1));
    assert_eq!(
        used.find_answered(&reservation(2, "a", Again::Retry, at(10)), at(10)),
        None,
        "used: this is a new request"
    );
}

#[test]
fn a_renewal_is_a_resend_while_tries_are_left_and_a_new_ticket_afterwards() {
    let renew = |ticket: &Ticket, now| Ticket::reserve(Some(ticket), &reservation(2, "other", Again::Renew, now), now);
    let mut ticket = with_code("111111", at(0));
    for tries in 1..MAX_ATTEMPTS {
        ticket.validate(&guess("000000"), at(1));
        assert!(ticket.takes_guesses(at(1)));
        let ReserveOutcome::Resent(resent) = renew(&ticket, at(2)) else { panic!("after {tries} tries") };
        assert_eq!((resent.attempts_used, resent.tags.len()), (tries, 1));
    }
    ticket.validate(&guess("000000"), at(3));
    assert!(!ticket.takes_guesses(at(3)) && ticket.is_live(at(3)));
    let ReserveOutcome::New(fresh) = renew(&ticket, at(4)) else {
        panic!("a code was to come that nobody could enter")
    };
    assert_eq!((fresh.attempts_used, fresh.tags.len(), fresh.previous_message_id), (0, 0, None));
    let resent = Ticket::reserve(Some(&ticket), &reservation(2, "a", Again::Resend, at(4)), at(4));
    assert_eq!(resent, ReserveOutcome::NoTries, "who names references is told so");
}

#[test]
fn a_ticket_takes_guesses_while_a_code_is_valid_or_still_to_come() {
    let coming = new_ticket(at(0));
    assert!(coming.takes_guesses(at(179)) && !coming.takes_guesses(at(180)));
    let mut ticket = with_code("111111", at(0));
    assert!(ticket.takes_guesses(at(179)) && !ticket.takes_guesses(at(180)));
    ticket.validate(&guess("111111"), at(1));
    assert!(!ticket.takes_guesses(at(2)), "used");
}

#[test]
fn before_a_code_exists_no_attempt_is_counted() {
    let mut ticket = new_ticket(at(0));
    for _ in 0..10 {
        assert_eq!(ticket.validate(&guess("000000"), at(1)), Verdict::NoCode);
    }
    assert_eq!(ticket.attempts_used, 0);
    assert_eq!(ticket.validate(&guess("000000"), at(180)), Verdict::Expired);
}

#[test]
fn used_expired_and_too_many_are_told_apart() {
    let ticket = with_code("111111", at(0));
    let mut used = ticket.clone();
    assert_eq!(used.validate(&guess("111111"), at(179)), Verdict::Valid);
    assert_eq!(used.validate(&guess("111111"), at(179)), Verdict::Used);
    assert_eq!(used.validate(&guess("111111"), at(999)), Verdict::Used);
    let mut expired = ticket.clone();
    assert_eq!(expired.validate(&guess("111111"), at(180)), Verdict::Expired);
    assert_eq!(expired.attempts_used, 0);
    let mut tried = ticket;
    for attempts_left in [2, 1, 0] {
        assert_eq!(tried.validate(&guess("000000"), at(1)), Verdict::Wrong { attempts_left });
    }
    assert_eq!(tried.validate(&guess("111111"), at(1)), Verdict::TooManyAttempts);
    assert_eq!(tried.attempts_used, MAX_ATTEMPTS);
    assert_eq!(tried.validate(&guess("111111"), at(180)), Verdict::Expired);
}

#[test]
fn each_code_expires_by_itself() {
    let mut ticket = resent(&with_code("111111", at(0)), 2, at(100));
    assert!(ticket.put_tag(entry(attempt(2, 1), "222222", at(280))));
    assert_eq!(ticket.validate(&guess("111111"), at(180)), Verdict::Wrong { attempts_left: 2 });
    assert_eq!(ticket.validate(&guess("222222"), at(279)), Verdict::Valid);
}

#[test]
fn a_code_known_not_to_be_sent_is_forgotten_and_minted_anew() {
    let mut ticket = with_code("111111", at(0));
    assert!(ticket.has_tag(attempt(1, 1)));
    assert!(ticket.remove_tag(attempt(1, 1)));
    assert!(!ticket.remove_tag(attempt(1, 1)));
    assert_eq!(ticket.validate(&guess("111111"), at(1)), Verdict::NoCode);
    assert!(ticket.put_tag(entry(attempt(1, 2), "222222", at(181))));
    assert_eq!(ticket.validate(&guess("111111"), at(2)), Verdict::Wrong { attempts_left: 2 });
    assert_eq!(ticket.validate(&guess("222222"), at(2)), Verdict::Valid);
}

#[test]
fn no_code_is_remembered_for_a_ticket_that_is_given_up_or_of_others() {
    let put = |ticket: &Ticket, attempt| ticket.clone().put_tag(entry(attempt, "111111", at(180)));
    let mut ticket = new_ticket(at(0));
    assert!(put(&ticket, attempt(1, 1)));
    assert!(!put(&ticket, attempt(2, 1)), "another message");
    let resent = resent(&ticket, 2, at(1));
    assert!(put(&resent, attempt(1, 1)), "the message before it may still be sent");
    assert!(put(&resent, attempt(2, 1)));
    assert_eq!(ticket.cancel(at(1)), Some(message(1)));
    assert_eq!(ticket.cancel(at(1)), None);
    assert!(!put(&ticket, attempt(1, 1)));
    assert_eq!(ticket.validate(&guess("111111"), at(1)), Verdict::NoCode);
    let mut consumed = with_code("111111", at(0));
    assert_eq!(consumed.validate(&guess("111111"), at(1)), Verdict::Valid);
    assert!(!put(&consumed, attempt(1, 2)));
}

#[test]
fn a_code_lives_from_its_hand_over_within_the_expiration_and_the_longest_lifetime() {
    for (expiration, handed_over, expires_at) in
        [(None, 100, 280), (Some(150), 100, 150), (Some(690), 100, 690), (Some(3_600), 100, 700), (Some(50), 100, 50)]
    {
        let mut ticket = new_ticket(at(0));
        ticket.code_policy = policy(expiration.map(at));
        assert_eq!(ticket.code_policy.code_expires_at(at(handed_over)), at(expires_at), "{expiration:?}");
    }
    let mut ticket = new_ticket(at(0));
    ticket.code_policy.lifetime = Duration::from_secs(6_000);
    assert_eq!(ticket.code_policy.code_expires_at(at(0)), at(600), "the longest lifetime holds for the setting too");
}

#[test]
fn a_ticket_expires_with_its_code_and_is_kept_for_an_hour() {
    let mut ticket = new_ticket(at(0));
    assert_eq!((ticket.expires_at(), ticket.keep_until), (at(180), at(3_780)));
    assert!(ticket.put_tag(entry(attempt(1, 1), "111111", at(300))));
    assert_eq!((ticket.expires_at(), ticket.keep_until), (at(300), at(3_900)));
    let resent = resent(&ticket, 2, at(250));
    assert_eq!((resent.expires_at(), resent.keep_until), (at(430), at(4_030)), "a code is still to come");
}

#[test]
fn stored_words_of_states_come_back() {
    for state in [TicketState::Live, TicketState::Consumed, TicketState::Cancelled] {
        assert_eq!(TicketState::parse(state.as_str()), Some(state));
    }
    assert_eq!(TicketState::parse("expired"), None);
}

#[derive(Clone, Debug)]
enum Step {
    Right,
    Old,
    Wrong,
    Resend,
    Retry,
    Forget,
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Wrong),
        1 => Just(Step::Right),
        1 => Just(Step::Old),
        1 => Just(Step::Resend),
        1 => Just(Step::Retry),
        1 => Just(Step::Forget),
        2 => (0_i64..60).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    /// Whatever callers do in whatever order: a bounded number of comparisons, one success, no code after its time.
    #[test]
    fn attempts_are_bounded_and_success_is_single(steps in steps()) {
        let (mut now, mut newest, mut tries) = (0, 1_u8, 1_u32);
        let mut ticket = with_code("000001", at(0));
        let (mut compared, mut successes) = (0, 0);
        let code = |tries: u32| format!("{tries:06}");
        for step in steps {
            let verdict = match step {
                Step::Right => ticket.validate(&guess(&code(tries)), at(now)),
                Step::Old => ticket.validate(&guess(&code(tries - 1)), at(now)),
                Step::Wrong => ticket.validate(&guess("999999"), at(now)),
                Step::Wait(seconds) => { now += seconds; continue }
                Step::Forget => { ticket.remove_tag(attempt(newest, tries)); continue }
                Step::Resend | Step::Retry => {
                    if matches!(step, Step::Resend) && ticket.takes_guesses(at(now)) {
                        newest += 1;
                        ticket = resent(&ticket, newest, at(now));
                    }
                    tries += 1;
                    let expires_at = ticket.code_policy.code_expires_at(at(now));
                    let put = ticket.put_tag(entry(attempt(newest, tries), &code(tries), expires_at));
                    prop_assert_eq!(put, ticket.state == TicketState::Live);
                    continue
                }
            };
            compared += u32::from(matches!(verdict, Verdict::Valid | Verdict::Wrong { .. }));
            successes += u32::from(verdict == Verdict::Valid);
            prop_assert!(ticket.tags.len() <= 2);
            if verdict == Verdict::Valid {
                prop_assert!(ticket.tags.iter().any(|entry| at(now) < entry.expires_at));
            }
        }
        prop_assert!(compared <= MAX_ATTEMPTS);
        prop_assert_eq!(compared, ticket.attempts_used);
        prop_assert!(successes <= 1);
        prop_assert_eq!(successes == 1, ticket.state == TicketState::Consumed);
    }

    /// Parallel right guesses, among wrong ones, have exactly one winner if any comes within the budget.
    #[test]
    fn exactly_one_of_many_right_guesses_wins(guesses in prop::collection::vec(any::<bool>(), 1..20)) {
        let mut ticket = with_code("111111", at(0));
        let wins = guesses.iter().filter(|right| {
            ticket.validate(&guess(if **right { "111111" } else { "000000" }), at(1)) == Verdict::Valid
        }).count();
        let within_budget = guesses.iter().take(MAX_ATTEMPTS as usize).any(|right| *right);
        prop_assert_eq!(wins, usize::from(within_budget));
    }
}
