//! `otp-pi limits`, with a gateway that runs and without one.

use super::{assert_refused, code, create, limited, quick, validate};
use crate::harness::operate;

#[test]
fn explain_says_what_would_be_answered_counts_nothing_and_shows_no_number() {
    let emulator = quick();
    let gateway = limited(&emulator, "");
    assert_eq!(create(&gateway, "a", "081234567890")["response_code"], "000");
    for _ in 0..3 {
        let view = gateway.operate(&["limits", "explain", "0812 3456 7890", "--api-user", "user", "--json"]).json();
        assert_eq!(view["rule"], "cool_down", "{view}");
        assert_eq!(view["receiver"], "62812•••90");
        let rule = |name: &str| {
            let rules = view["rules"].as_array().unwrap();
            rules.iter().find(|rule| rule["rule"] == name).unwrap_or_else(|| panic!("{name} in {view}")).clone()
        };
        assert_eq!(rule("codes_per_receiver 3/10m")["used"], 1);
        assert_eq!(rule("codes_per_prefix 10/1h")["used"], 1);
        assert_eq!(rule("codes_per_country 50/24h")["applies"], false, "home");
    }
    let text = gateway.operate(&["limits", "explain", "+33612345678"]);
    assert!(text.told().contains("is refused by destinations"), "{text:?}");
    assert!(!text.told().contains("33612345678"), "{text:?}");
    for (arguments, words) in [
        (vec!["limits", "explain", "nonsense"], "receiver"),
        (vec!["limits", "explain", "081234567890", "--api-user", "nobody"], "no such API user"),
    ] {
        let ended = gateway.operate(&arguments);
        assert!(ended.refused().contains(words), "{arguments:?}: {ended:?}");
    }
    assert_eq!(gateway.operate(&["limits", "reset"]).code, Some(2), "everything only when it is said");
}

#[test]
fn reset_begins_anew_for_one_receiver_or_for_all() {
    let emulator = quick();
    let gateway = limited(&emulator, "lock_after = 1\n");
    for receiver in ["081234567890", "081300000001"] {
        assert_eq!(create(&gateway, receiver, receiver)["response_code"], "000");
        let right = code(&emulator, receiver);
        validate(&gateway, receiver, receiver, &super::wrong(&right));
        assert_refused(&create(&gateway, "no", receiver), "1302", "lock_after");
    }
    assert_eq!(gateway.operate(&["limits", "list", "--json"]).json()["locked_receivers"], 2);
    gateway.operate(&["limits", "reset", "081234567890"]).told();
    assert_eq!(create(&gateway, "yes", "081234567890")["response_code"], "000");
    assert_refused(&create(&gateway, "no", "081300000001"), "1302", "lock_after");

    // Without a gateway too, and for good.
    let stopped = gateway.stop();
    let view = operate(stopped.dir(), &["limits", "explain", "081300000001", "--json"]).json();
    assert_eq!(view["rule"], "lock_after", "{view}");
    operate(stopped.dir(), &["limits", "reset", "--all"]).told();
    let gateway = stopped.restart();
    assert_eq!(create(&gateway, "now", "081300000001")["response_code"], "000");
}
