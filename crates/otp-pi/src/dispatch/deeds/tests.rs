//! The rule, case by case.

use domain::message::MessageState;
use domain::retry::FailureClass;

use super::*;

const PATIENCE: Duration = Duration::from_secs(600);
const MINUTE: Duration = Duration::from_secs(60);

/// Two modems, `a` and `b`, and a clock.
struct Bench {
    deeds: Deeds,
    now: Instant,
    receivers: u32,
}

impl Bench {
    fn new() -> Self {
        Self { deeds: Deeds::new(Some(PATIENCE)), now: Instant::now(), receivers: 0 }
    }

    fn says(&mut self, modem: &str, receiver: u32) -> Option<Verdict> {
        let receiver = Msisdn::from_canonical(&format!("62812{receiver:07}"));
        self.deeds.ended(modem, Deed::Said, receiver, self.now)
    }

    /// Says that it sent so many messages, each to another receiver.
    fn sends(&mut self, modem: &str, count: u32) -> Option<Verdict> {
        let mut last = None;
        for _ in 0..count {
            self.receivers += 1;
            last = last.or(self.says(modem, self.receivers));
        }
        last
    }

    fn fails(&mut self, modem: &str) -> Option<Verdict> {
        self.deeds.ended(modem, Deed::Bad, None, self.now)
    }

    fn reports(&mut self, modem: &str) -> Vec<(String, Verdict)> {
        self.deeds.reported(modem, self.now)
    }

    fn is_spared(&self, modem: &str) -> bool {
        self.deeds.is_spared(modem, self.now)
    }
}

const FAILING: Option<Verdict> = Some(Verdict::Drained(Why::Failing));
const UNREPORTED: Option<Verdict> = Some(Verdict::Drained(Why::Unreported));

#[tokio::test]
async fn three_bad_ends_on_end_drain_a_modem_and_a_good_one_in_between_does_not() {
    let mut bench = Bench::new();
    assert_eq!((bench.fails("a"), bench.fails("a"), bench.sends("a", 1)), (None, None, None));
    assert_eq!((bench.fails("a"), bench.fails("a"), bench.fails("a"), bench.fails("a")), (None, None, FAILING, None));
    assert!(bench.is_spared("a") && !bench.is_spared("b"));
    assert_eq!(bench.deeds.why("a"), Some(Why::Failing));
    assert_eq!(bench.sends("a", 1), Some(Verdict::Back), "the probe went well");
    assert_eq!((bench.is_spared("a"), bench.deeds.why("a")), (false, None));
}

#[tokio::test]
async fn what_network_receiver_or_store_decide_says_nothing_about_the_modem() {
    let not_sent =
        |code: &str| Outcome::NotSent { class: FailureClass::RetryHere, code: code.to_owned(), ticket: None };
    for (outcome, deed) in [
        (Outcome::Sent, Deed::Said),
        (Outcome::Unknown { detail: "OK without +CMGS".to_owned(), part: 1 }, Deed::Bad),
        (not_sent("no prompt"), Deed::Bad),
        (not_sent("the modem answered ERROR to AT+CMGS"), Deed::Bad),
        (not_sent("CMS 38"), Deed::Nothing),
        (not_sent("the line is gone"), Deed::Nothing),
        (not_sent("the pdu was not ready in time"), Deed::Nothing),
        (Outcome::Incomplete { code: "CMS 38".to_owned() }, Deed::Nothing),
        (Outcome::StoreFailed, Deed::Nothing),
        (Outcome::TicketStoreAway, Deed::Nothing),
        (Outcome::Settled(MessageState::Cancelled), Deed::Nothing),
        (Outcome::Stale, Deed::Nothing),
    ] {
        assert_eq!(Deed::of(Some(&outcome)), deed, "{outcome:?}");
    }
    assert_eq!(Deed::of(None), Deed::Nothing);
}

#[tokio::test]
async fn a_drained_modem_is_offered_one_message_after_growing_pauses() {
    let mut bench = Bench::new();
    assert_eq!([bench.fails("a"), bench.fails("a"), bench.fails("a")], [None, None, FAILING]);
    for pause in [30, 60, 120, 240, 480, 960, 1800, 1800] {
        let pause = Duration::from_secs(pause);
        assert!(bench.deeds.is_spared("a", bench.now + pause - Duration::from_millis(1)), "{pause:?}");
        bench.now += pause;
        assert!(!bench.is_spared("a"), "a probe is due after {pause:?}");
        bench.deeds.begun("a", bench.now);
        assert!(bench.is_spared("a"), "one message, no more");
        assert_eq!(bench.fails("a"), None, "it is told once");
    }
}

#[tokio::test]
async fn a_modem_whose_reports_fail_to_come_where_those_of_another_do_is_drained_until_one_comes() {
    let mut bench = Bench::new();
    assert_eq!(bench.sends("a", 10), None);
    bench.now += MINUTE;
    bench.sends("b", 1);
    assert_eq!(bench.reports("b"), [], "too early to judge");
    bench.now += PATIENCE - MINUTE - Duration::from_millis(1);
    assert_eq!(bench.sends("a", 1), None);
    bench.now += Duration::from_millis(1);
    assert_eq!(bench.sends("a", 1), UNREPORTED);
    assert!(bench.is_spared("a"));
    assert_eq!(bench.sends("a", 5), None, "its word is no proof");
    assert!(bench.is_spared("a"));
    assert_eq!(bench.reports("a"), [("a".to_owned(), Verdict::Back)]);
    assert!(!bench.is_spared("a"));
}

#[tokio::test]
async fn the_report_of_another_modem_is_what_judges_one_that_gets_nothing_more_to_send() {
    let mut bench = Bench::new();
    bench.sends("a", 10);
    bench.now += PATIENCE;
    assert_eq!(bench.reports("b"), [("a".to_owned(), Verdict::Drained(Why::Unreported))]);
}

#[tokio::test]
async fn a_modem_that_once_got_reports_and_gets_none_any_more_is_judged_even_alone() {
    let mut bench = Bench::new();
    bench.sends("a", 1);
    bench.reports("a");
    bench.sends("a", 10);
    bench.now += PATIENCE;
    assert_eq!(bench.sends("a", 1), UNREPORTED);
}

#[tokio::test]
async fn nothing_is_concluded_where_reports_may_be_missing_for_another_reason() {
    // Nobody ever got one: the network may not give any.
    let mut bench = Bench::new();
    bench.sends("a", 20);
    bench.sends("b", 20);
    bench.now += PATIENCE * 2;
    assert_eq!((bench.sends("a", 1), bench.sends("b", 1)), (None, None));
    // Both got some, and now neither does: the network has stopped.
    let mut bench = Bench::new();
    for modem in ["a", "b"] {
        bench.sends(modem, 1);
        bench.reports(modem);
    }
    bench.now += MINUTE;
    bench.sends("a", 20);
    bench.sends("b", 5);
    bench.now += PATIENCE;
    assert_eq!((bench.sends("a", 1), bench.sends("b", 1)), (None, None));
    // Reports of the other came, but before: nothing says that they come now.
    let mut bench = Bench::new();
    bench.reports("b");
    bench.now += MINUTE;
    bench.sends("a", 20);
    bench.now += PATIENCE;
    assert_eq!(bench.sends("a", 1), None);
    // Few receivers, who may be switched off for good.
    let mut bench = Bench::new();
    for receiver in [1, 2].into_iter().cycle().take(40) {
        bench.says("a", receiver);
    }
    bench.now += PATIENCE;
    assert_eq!((bench.reports("b"), bench.says("a", 1)), (Vec::new(), None));
    // No report was asked for, or could come here.
    let mut bench = Bench::new();
    for _ in 0..20 {
        bench.deeds.ended("a", Deed::Said, None, bench.now);
    }
    bench.now += PATIENCE;
    assert_eq!(bench.reports("b"), []);
    // A person has switched it off.
    let mut bench = Bench::new();
    bench.deeds.follow(None, |_| true);
    bench.sends("a", 20);
    bench.now += PATIENCE;
    assert_eq!(bench.reports("b"), []);
}

#[tokio::test]
async fn who_is_let_back_by_a_person_although_no_report_came_is_not_expected_to_get_any() {
    let mut bench = Bench::new();
    bench.sends("a", 10);
    bench.now += PATIENCE;
    bench.reports("b");
    assert_eq!(bench.deeds.resume("a"), Some(Why::Unreported));
    assert!(!bench.is_spared("a"));
    bench.sends("a", 20);
    bench.now += PATIENCE;
    assert_eq!(bench.reports("b"), [], "the person knows better");
    bench.reports("a");
    bench.sends("a", 10);
    bench.now += PATIENCE;
    assert_eq!(bench.reports("b").len(), 1, "since one came, they are expected again");
}

#[tokio::test]
async fn what_a_person_drains_stays_so_until_a_person_lets_it_back() {
    let mut bench = Bench::new();
    assert!(bench.deeds.drain_by_hand("a", bench.now));
    assert!(!bench.deeds.drain_by_hand("a", bench.now), "it was already");
    bench.now += LONGEST_PROBE * 10;
    bench.sends("a", 1);
    bench.reports("a");
    assert!(bench.is_spared("a"), "no probe, no proof");
    assert_eq!((bench.deeds.resume("a"), bench.deeds.resume("a")), (Some(Why::ByHand), None));
    assert!(!bench.is_spared("a"));
}

#[tokio::test]
async fn a_modem_that_is_gone_is_forgotten() {
    let mut bench = Bench::new();
    assert_eq!([bench.fails("a"), bench.fails("a"), bench.fails("a")], [None, None, FAILING]);
    bench.deeds.follow(Some(PATIENCE), |name| name != "a");
    assert!(!bench.is_spared("a"));
}
