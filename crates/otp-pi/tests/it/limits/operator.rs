//! `otp-pi limits`, with a gateway that runs and without one.

use serde_json::json;

use super::{assert_refused, code, create, create_with, limited, quick, validate};
use crate::harness::{Setup, operate};

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

#[test]
fn a_country_an_api_user_and_an_address_can_be_let_go_too() {
    let emulator = quick();
    let limits = "destinations = [\"65\"]\ncodes_per_country = [\"1/24h\"]\ncodes_per_client = [\"1/24h\"]\n";
    let more = "limits = [\"3/24h\"]\n".to_owned();
    let gateway = Setup { limits: limits.to_owned(), more, ..Setup::with(&emulator) }.start();
    let mut count = 0;
    let mut ask = |receiver: &str, client: &str| {
        count += 1;
        let data =
            json!({"reference": format!("r{count}"), "receiver": receiver, "message": "%s", "client_ip": client});
        create_with(&gateway, data)
    };
    let reset = |arguments: &[&str]| gateway.operate(&[&["limits", "reset"], arguments].concat());
    assert_eq!(ask("+6581234567", "192.0.2.77")["response_code"], "000");
    assert_refused(&ask("+6591234567", "192.0.2.78"), "1302", "codes_per_country 1/24h");
    assert!(reset(&["--country", "+65"]).told().contains("country 65 is forgotten"));
    assert_eq!(ask("+6591234567", "192.0.2.78")["response_code"], "000");
    assert_refused(&ask("081234567890", "192.0.2.77"), "1302", "codes_per_client 1/24h");
    reset(&["--client-ip", "192.0.2.77"]).told();
    assert_eq!(ask("081234567890", "192.0.2.77")["response_code"], "000");
    assert_refused(&ask("081334567890", "192.0.2.79"), "1302", "api_user 3/24h");
    reset(&["--api-user", "user"]).told();
    assert_eq!(ask("081334567890", "192.0.2.79")["response_code"], "000");

    assert!(reset(&["--country", "nowhere"]).refused().contains("calling code"));
    assert!(reset(&["--api-user", "nobody"]).told().contains("nothing was counted for api-user nobody"));
    for arguments in [vec!["--country", "65", "--api-user", "user"], vec!["--all", "081234567890"]] {
        assert_eq!(reset(&arguments).code, Some(2), "one at a time");
    }
    let recorded = gateway.operate(&["audit", "list", "--event", "limits-reset", "--json"]);
    let recorded = recorded.told();
    assert!(recorded.contains("country 65") && recorded.contains("api-user user"), "{recorded}");
    assert!(recorded.contains("client 192.0.•") && !recorded.contains("192.0.2.77"), "{recorded}");
}
