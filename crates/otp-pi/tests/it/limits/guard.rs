//! The guard against pumping in a gateway that runs, and clocks that are minutes or years off.

use serde_json::{Value, json};

use super::{assert_refused, code, create, quick, validate};
use crate::harness::{Emulator, Gateway, Setup, faketime, wait_for};

/// Rates off, so that only the share of entered codes counts.
const ONLY_CONVERSION: &str = "codes_per_prefix = []\n";

/// The same gateway with a wall clock that is off by so much: `+2m`, `-3y`.
fn at_another_time(gateway: Gateway, setup: &mut Setup, off: &str, library: &std::path::Path) -> Gateway {
    setup.environment = vec![
        ("LD_PRELOAD", library.to_str().unwrap().to_owned()),
        ("FAKETIME", off.to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    gateway.stop().restart_as(setup)
}

fn number(last: u32) -> String {
    format!("62812345{last:05}")
}

/// Wishes for codes to so many new receivers of one range; answers the answers.
fn pump(gateway: &Gateway, from: u32, count: u32) -> Vec<Value> {
    let mut client = gateway.connect();
    let ask = |last: u32| {
        let text = format!("p{last}: %s");
        client.ask("create-otp", json!({"reference": format!("p{last}"), "receiver": number(last), "message": text}))
    };
    (from..from + count).map(ask).collect()
}

fn accepted(answers: &[Value]) -> usize {
    answers.iter().filter(|answer| answer["response_code"] == "000").count()
}

/// A gateway with one known receiver in a range where sixty others got codes that nobody has entered.
fn pumped(emulator: &Emulator, setup: &Setup) -> Gateway {
    let gateway = setup.start();
    assert_eq!(create(&gateway, "known", &number(99_999))["response_code"], "000");
    let right = code(emulator, "known");
    assert_eq!(validate(&gateway, "known", &number(99_999), &right)["response_code"], "000");
    assert_eq!(accepted(&pump(&gateway, 0, 60)), 60);
    wait_for("all on air", || {
        let sent = gateway.operate(&["message", "list", "--limit", "100", "--json"]).json();
        let states =
            sent["messages"].as_array()?.iter().filter(|one| one["state"] == "sent" || one["state"] == "delivered");
        (states.count() == 61).then_some(())
    });
    gateway
}

#[test]
fn a_range_of_which_no_code_is_entered_is_held_back_the_log_and_the_shell_say_so_and_the_known_go_on() {
    let Some(library) = faketime() else { return };
    let emulator = quick();
    let mut setup = Setup { limits: ONLY_CONVERSION.to_owned(), ..Setup::with(&emulator) };
    let gateway = pumped(&emulator, &setup);
    assert_eq!(accepted(&pump(&gateway, 100, 1)), 1, "they get a minute to enter their codes");

    let gateway = at_another_time(gateway, &mut setup, "+2m", &library);
    let answers = pump(&gateway, 200, 3);
    assert_eq!(accepted(&answers), 1, "one in three hours");
    assert_refused(&answers[2], "1302", "conversion of range 1/3h");
    assert_eq!(accepted(&pump(&gateway, 100_300, 1)), 1, "the next range");
    assert_eq!(create(&gateway, "again", &number(99_999))["response_code"], "000", "a known receiver");

    let log = gateway.log();
    assert!(log.contains("new receivers are held back") && log.contains("62812345•••••"), "{log}");
    let list = gateway.operate(&["limits", "list", "--json"]).json();
    assert_eq!(list["held_back"][0]["kind"], "range", "{list}");
    assert_eq!(list["held_back"][0]["label"], "62812345•••••", "{list}");
    let explained = gateway.operate(&["limits", "explain", &number(300), "--api-user", "user"]);
    assert!(explained.told().contains("conversion of range 1/3h"), "{explained:?}");
    assert!(explained.told().contains("NEW RECEIVERS HELD BACK"), "{explained:?}");

    let recorded = gateway.operate(&["audit", "list", "--event", "new-receivers-held-back", "--json"]);
    assert!(recorded.told().contains("range 62812345•••••"), "{recorded:?}");
    // The owner knows better.
    gateway.operate(&["limits", "reset", &number(0)]).told();
    assert_eq!(accepted(&pump(&gateway, 400, 3)), 3);
    assert!(gateway.operate(&["audit", "list", "--event", "limits-reset", "--json"]).told().contains("62812•••00"));
    gateway.operate(&["audit", "verify"]).told();
}

#[test]
fn a_clock_that_is_set_back_by_years_holds_nobody_back_for_years_and_one_set_forward_forgets_no_known_receiver() {
    let Some(library) = faketime() else { return };
    let emulator = quick();
    let mut setup = Setup { limits: "lock_after = 1\n".to_owned(), ..Setup::with(&emulator) };
    let gateway = setup.start();
    assert_eq!(create(&gateway, "a", &number(1))["response_code"], "000");
    let right = code(&emulator, "a");
    let wrong = super::wrong(&right);
    assert_eq!(validate(&gateway, "a", &number(1), &wrong)["response_code"], "1202");
    assert_eq!(create(&gateway, "b", &number(2))["response_code"], "000");

    let gateway = at_another_time(gateway, &mut setup, "-3y", &library);
    let locked = create(&gateway, "c", &number(1));
    assert_refused(&locked, "1302", "lock_after");
    assert!(locked["retry_after"].as_u64().unwrap() <= 86_400, "{locked}");
    let paused = create(&gateway, "d", &number(2));
    assert_refused(&paused, "1302", "cool_down");
    assert!(paused["retry_after"].as_u64().unwrap() <= 30, "{paused}");

    let gateway = at_another_time(gateway, &mut setup, "+3y", &library);
    assert_eq!(create(&gateway, "e", &number(1))["response_code"], "000", "the lock is over");
    assert_eq!(create(&gateway, "f", &number(2))["response_code"], "000");
}
