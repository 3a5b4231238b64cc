//! What SIMs are worth: asked now, by themselves, and known after a restart.

use serde_json::{Value, json};

use super::Stage;
use crate::harness::{Gateway, Setup, wait_for};

const ASKED: &str = "balance_code = \"*888#\"\nbalance_pattern = 'Rp ?([0-9.,]+)'\n";

/// Seven digits: a time of day in the log has no such row.
const RICH: &str = "[[ussd]]\ndial = \"*888#\"\nanswer = \"Saldo Rp 9.876.543\"\n";

/// No line of the log tells how much there is, however it is written.
fn is_not_told(log: &str, digits: [&str; 3]) {
    for line in log.lines() {
        assert!(!digits.iter().any(|digits| line.contains(digits)), "{line}");
    }
}

/// The balance of `m0` as callers see it.
fn known(gateway: &Gateway) -> Value {
    gateway.ask("get-modem-list", json!({}))["data"]["modem_list"]["m0"]["balance"].clone()
}

#[test]
fn a_balance_is_asked_now_shown_everywhere_and_known_after_a_restart() {
    let stage = Stage::new(RICH, |setup| setup.modem = ASKED.to_owned());
    assert_eq!(known(&stage.gateway), Value::Null);
    let ended = stage.gateway.operate(&["modem", "balance", "m0"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "m0: balance 9,876,543\n"), "{ended:?}");
    let balance = known(&stage.gateway);
    assert_eq!((&balance["amount"], &balance["low"]), (&json!(9_876_543), &json!(false)), "{balance}");
    let json = stage.gateway.operate(&["modem", "balance", "m0", "--json"]).json();
    assert_eq!(json, json!({"modem": "m0", "balance": 9_876_543, "low": false}));
    let scraped = stage.gateway.connect().request("GET", "/metrics", None, b"").unwrap().body;
    assert!(String::from_utf8(scraped).unwrap().contains("otp_pi_modem_balance{modem=\"m0\"} 9876543\n"));
    let at = known(&stage.gateway)["at"].clone();
    let gateway = stage.gateway.kill().restart();
    gateway.wait_for_modems(1);
    assert_eq!(known(&gateway)["at"], at, "not asked again");
    let listed = gateway.operate(&["modem", "list", "--no-probe", "--json"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    is_not_told(&gateway.log(), ["9876543", "9,876,543", "9.876.543"]);
    // The record says that it was asked, and nothing else.
    let told = gateway.operate(&["audit", "list", "--event", "ussd-by-hand", "--json"]).told().to_owned();
    assert!(told.contains("balance") && !told.contains("9876543"), "{told}");
}

#[test]
fn a_balance_is_asked_by_itself_behind_a_menu_and_a_low_one_is_told() {
    let script = "[[ussd]]\ndial = \"*123# 1\"\nanswer = \"1 Saldo\"\nmenu = true\n\n\
                  [[ussd]]\ndial = \"*123# 1 1\"\nanswer = \"Saldo Rp 1.234.567,50 s/d 31.12.2026\"\nmenu = true\n";
    let stage = Stage::new(script, |setup| {
        setup.modem =
            "balance_code = \"*123#\"\nbalance_replies = [\"1\", \"1\"]\nbalance_pattern = 'Rp ?([0-9.,]+)'\n\
                       balance_interval = \"1s\"\nbalance_low = 5000000\n"
                .to_owned();
    });
    let first = wait_for("the first balance", || Some(known(&stage.gateway)).filter(|known| !known.is_null()));
    assert_eq!((&first["amount"], &first["low"]), (&json!(1_234_567.5), &json!(true)), "{first}");
    wait_for("the next one", || (known(&stage.gateway)["at"] != first["at"]).then_some(()));
    let log = stage.gateway.log();
    assert!(log.contains("ERROR") && log.contains("below balance_low: top it up"), "{log}");
    is_not_told(&log, ["1234567", "1,234,567", "1.234.567"]);
    stage.sends("between two balances");
    let ended = stage.gateway.operate(&["modem", "balance", "m0"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stdout.contains("m0: balance 1,234,567.50, below balance_low"), "{ended:?}");
    // Other settings count from the next moment on, also after an interval that would have been long.
    let mut setup = Setup::with(&stage.emulator);
    for interval in ["6h", "1s"] {
        setup.modem = format!("{ASKED}balance_interval = \"{interval}\"\n");
        stage.gateway.rewrite(&setup);
        stage.gateway.reload();
    }
    wait_for("the other balance", || (known(&stage.gateway)["amount"] == json!(10_000)).then_some(()));
}

#[test]
fn a_balance_that_cannot_be_had_is_told_with_its_reason_and_without_the_answer() {
    let script = "[[ussd]]\ndial = \"*888#\"\nanswer = \"Pulsa habis rahasia\"\n";
    let stage = Stage::new(script, |setup| setup.modem = format!("{ASKED}balance_interval = \"2s\"\n"));
    let ended = stage.gateway.operate(&["modem", "balance", "m0"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("balance_pattern finds no amount in the answer of 19 characters"), "{ended:?}");
    wait_for("the warning", || stage.gateway.log().contains("the balance could not be asked").then_some(()));
    assert!(!stage.gateway.log().contains("rahasia"));
    let bare = Stage::well();
    let ended = bare.gateway.operate(&["modem", "balance", "m0"]);
    assert!(ended.code == Some(1) && ended.stderr.contains("no balance_code is set"), "{ended:?}");
}

#[test]
fn a_code_goes_before_a_balance_that_is_under_way() {
    let script = "[[ussd]]\ndial = \"*888#\"\nsilent = true\n";
    let stage = Stage::new(script, |setup| {
        setup.log = "trace";
        setup.modem = format!("{ASKED}balance_interval = \"1s\"\n");
    });
    wait_for("the balance on the line", || stage.gateway.log().contains("> AT+CUSD=…").then_some(()));
    // The network would be waited for for 90 seconds.
    let asked =
        stage.gateway.ask("create-otp", json!({"reference": "r", "receiver": "08126666666", "message": "code %s"}));
    assert_eq!(asked["response_code"], "000", "{asked}");
    stage.emulator.text_with("code ");
    assert!(stage.gateway.log().contains("a code goes before the balance"));
}

#[test]
fn settings_of_a_balance_that_make_no_sense_are_named() {
    let emulator = crate::harness::Emulator::start(1, &[]);
    for (modem, key) in [
        ("balance_code = \"888\"\nbalance_pattern = '([0-9]+)'", "balance_code"),
        ("balance_code = \"**04*1*2*2#\"\nbalance_pattern = '([0-9]+)'", "balance_code"),
        ("balance_code = \"*888#\"", "balance_pattern"),
        ("balance_code = \"*888#\"\nbalance_pattern = '[0-9]+'", "balance_pattern"),
        ("balance_code = \"*888#\"\nbalance_pattern = '([0-9'", "balance_pattern"),
        ("balance_code = \"*888#\"\nbalance_pattern = '([0-9]+)'\nbalance_replies = [\"\"]", "balance_replies"),
        ("balance_code = \"*888#\"\nbalance_pattern = '([0-9]+)'\nbalance_interval = \"10ms\"", "balance_interval"),
        ("balance_low = 5", "balance_code"),
        ("ussd_timeout = \"0s\"", "ussd_timeout"),
        ("ussd_idle = \"1h\"", "ussd_idle"),
    ] {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("otp-pi.toml");
        let setup = Setup { modem: modem.to_owned(), ..Setup::with(&emulator) };
        setup.write(&path, &directory.path().join("data"));
        let ended = crate::harness::run_to_end(&["check-config", "--config", path.to_str().unwrap()]);
        assert_eq!(ended.code, Some(1), "{modem}: {ended:?}");
        let told = format!("{}{}", ended.stdout, ended.stderr);
        assert!(told.contains(&format!("modem[0].{key}")), "{key} in {told}");
    }
}
