//! Limits and the guard against pumping, asked over real sockets, through every entrance.

use std::process::Command;
use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};

use crate::harness::{Emulator, Gateway, PASSWORD, Setup, USER, authorization, wait_for};

mod guard;
mod operator;

/// A gateway with limits as they are without a word about them, and a modem that sends at once.
fn limited(emulator: &Emulator, limits: &str) -> Gateway {
    Setup { limits: limits.to_owned(), ..Setup::with(emulator) }.start()
}

fn quick() -> Emulator {
    Emulator::start(1, &[])
}

fn create(gateway: &Gateway, reference: &str, receiver: &str) -> Value {
    create_with(gateway, json!({"reference": reference, "receiver": receiver, "message": format!("{reference}: %s")}))
}

fn create_with(gateway: &Gateway, data: Value) -> Value {
    gateway.ask("create-otp", data)
}

fn validate(gateway: &Gateway, reference: &str, receiver: &str, otp: &str) -> Value {
    gateway.ask("validate-otp", json!({"reference": reference, "receiver": receiver, "otp": otp}))
}

/// The code that was sent with a text beginning with the reference.
fn code(emulator: &Emulator, reference: &str) -> String {
    let text = emulator.text_with(&format!("{reference}: "));
    text.rsplit(' ').next().unwrap().to_owned()
}

fn wrong(code: &str) -> String {
    code.chars().map(|digit| if digit == '9' { '0' } else { '9' }).collect()
}

fn assert_refused(answer: &Value, code: &str, rule: &str) {
    assert_eq!(answer["response_code"], code, "{answer}");
    assert_eq!(answer["rule"], rule, "{answer}");
}

#[test]
fn a_second_code_within_the_pause_is_1302_with_rule_and_time_and_a_right_code_ends_the_pause() {
    let emulator = quick();
    let gateway = limited(&emulator, "");
    assert_eq!(create(&gateway, "a", "081234567890")["response_code"], "000");
    let refused = create(&gateway, "b", "+62 812-3456-7890");
    assert_refused(&refused, "1302", "cool_down");
    let wait = refused["retry_after"].as_u64().unwrap();
    assert!((1..=30).contains(&wait), "{refused}");
    assert!(refused["error"].as_str().unwrap().contains("a moment ago"));
    assert_eq!(refused["data"]["reference"], "b", "repeated on failures too");
    // Another receiver is not held back.
    assert_eq!(create(&gateway, "c", "081234567891")["response_code"], "000");

    let right = code(&emulator, "a");
    assert_eq!(validate(&gateway, "a", "081234567890", &right)["response_code"], "000");
    assert_eq!(create(&gateway, "d", "081234567890")["response_code"], "000");
    assert!(gateway.log().contains("limits are enforced"));
}

#[test]
fn a_clients_retry_after_a_lost_answer_counts_once_and_is_answered_as_the_first() {
    let emulator = quick();
    let gateway = limited(&emulator, "");
    for _ in 0..5 {
        assert_eq!(create(&gateway, "same", "081234567890")["response_code"], "000");
    }
    code(&emulator, "same");
    assert_eq!(emulator.count("same: "), 1);
    assert_refused(&create(&gateway, "other", "081234567890"), "1302", "cool_down");
}

#[test]
fn what_is_refused_for_another_reason_counts_for_nothing() {
    let emulator = quick();
    let gateway = limited(&emulator, "cool_down = []\ncodes_per_receiver = [\"2/1h\"]\n");
    assert_eq!(create(&gateway, "taken", "081234567890")["response_code"], "000");
    for _ in 0..5 {
        // Another text under a live reference.
        let data = json!({"reference": "taken", "receiver": "081234567890", "message": "other %s"});
        assert_eq!(create_with(&gateway, data)["response_code"], "1201");
    }
    assert_eq!(create(&gateway, "second", "081234567890")["response_code"], "000");
    assert_refused(&create(&gateway, "third", "081234567890"), "1302", "codes_per_receiver 2/1h");
}

#[test]
fn however_many_ask_at_once_no_more_codes_go_out_than_the_rule_allows() {
    let emulator = quick();
    let gateway = limited(&emulator, "cool_down = []\n");
    let barrier = Barrier::new(24);
    let accepted = thread::scope(|scope| {
        let ask = |number: usize| {
            let (gateway, barrier) = (&gateway, &barrier);
            scope.spawn(move || {
                barrier.wait();
                create(gateway, &format!("r{number}"), "081234567890")["response_code"] == "000"
            })
        };
        let asked: Vec<_> = (0..24).map(ask).collect();
        asked.into_iter().filter_map(|asked| asked.join().ok()).filter(|accepted| *accepted).count()
    });
    assert_eq!(accepted, 3);
    wait_for("three codes", || (emulator.count("r") == 3).then_some(()));
}

#[test]
fn parallel_guesses_over_many_codes_overrun_neither_the_receivers_rate_nor_its_lock() {
    let emulator = quick();
    let limits = "cool_down = []\ncodes_per_receiver = []\ncodes_per_prefix = []\nwrong_per_receiver = [\"7/1h\"]\n";
    let gateway = limited(&emulator, limits);
    let references: Vec<String> = (0..4).map(|number| format!("g{number}")).collect();
    let codes: Vec<String> = references
        .iter()
        .map(|reference| {
            assert_eq!(create(&gateway, reference, "081234567890")["response_code"], "000");
            code(&emulator, reference)
        })
        .collect();
    let barrier = Barrier::new(16);
    let answers: Vec<String> = thread::scope(|scope| {
        let guess = |number: usize| {
            let (gateway, barrier, references, codes) = (&gateway, &barrier, &references, &codes);
            scope.spawn(move || {
                barrier.wait();
                let place = number % references.len();
                let answer = validate(gateway, &references[place], "081234567890", &wrong(&codes[place]));
                answer["response_code"].as_str().unwrap().to_owned()
            })
        };
        let guesses: Vec<_> = (0..16).map(guess).collect();
        guesses.into_iter().map(|guess| guess.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|code| *code == "1202").count(), 7, "{answers:?}");
    assert_eq!(answers.iter().filter(|code| *code == "1302").count(), 9, "{answers:?}");
    let refused = validate(&gateway, "g0", "081234567890", &codes[0]);
    assert_refused(&refused, "1302", "wrong_per_receiver 7/1h");
}

#[test]
fn too_many_wrong_codes_on_end_lock_the_receiver_over_a_restart_too() {
    let emulator = quick();
    let limits = "cool_down = []\nlock_after = 3\nlock = \"1h\"\n";
    let gateway = limited(&emulator, limits);
    assert_eq!(create(&gateway, "lock", "081234567890")["response_code"], "000");
    let right = code(&emulator, "lock");
    for _ in 0..3 {
        assert_eq!(validate(&gateway, "lock", "081234567890", &wrong(&right))["response_code"], "1202");
    }
    assert_refused(&validate(&gateway, "lock", "081234567890", &right), "1302", "lock_after");
    assert_refused(&create(&gateway, "next", "081234567890"), "1302", "lock_after");
    let log = gateway.log();
    assert!(log.contains("the receiver is locked") && !log.contains("6281234567890"), "{log}");

    // Written behind within a second; a stop writes what is left.
    let gateway = gateway.stop().restart();
    let locked = validate(&gateway, "lock", "081234567890", &right);
    assert_refused(&locked, "1302", "lock_after");
    assert!(locked["retry_after"].as_u64().unwrap() > 3_000, "{locked}");
}

#[test]
fn unknown_references_and_codes_that_were_not_sent_lock_nobody() {
    let emulator = quick();
    let gateway = limited(&emulator, "lock_after = 3\nwrong_per_receiver = [\"3/1h\"]\n");
    for number in 0..10 {
        assert_eq!(validate(&gateway, &format!("no{number}"), "081234567890", "123456")["response_code"], "1202");
    }
    assert_eq!(create(&gateway, "real", "081234567890")["response_code"], "000");
    let right = code(&emulator, "real");
    assert_eq!(validate(&gateway, "real", "081234567890", &right)["response_code"], "000");
}

#[test]
fn only_home_and_listed_destinations_are_sent_to_by_every_command() {
    let emulator = quick();
    let limits = "destinations = [\"65\"]\ndestinations_denied = [\"6599\"]\n";
    let gateway = limited(&emulator, limits);
    assert_eq!(create(&gateway, "sg", "+6581234567")["response_code"], "000");
    for (receiver, rule) in
        [("+33612345678", "destinations"), ("+6599123456", "destinations_denied"), ("+628091234567", "costly_number")]
    {
        assert_refused(&create(&gateway, "no", receiver), "1303", rule);
        let sent = gateway.ask("send-sms", json!({"receiver": receiver, "message": "hello"}));
        assert_refused(&sent, "1303", rule);
    }
    let short = create(&gateway, "short", "12345");
    assert!(short["response_code"] == "1401" && short["error"].as_str().unwrap().contains("short code"), "{short}");
    assert_eq!(emulator.count("hello"), 0);
}

#[test]
fn an_end_users_address_is_counted_where_the_caller_tells_it() {
    let emulator = quick();
    let gateway = limited(&emulator, "codes_per_client = [\"2/1h\"]\n");
    let ask = |number: u32, client: &str| {
        create_with(
            &gateway,
            json!({"reference": format!("c{number}"), "receiver": format!("08{number}12345678"), "message": "%s", "client_ip": client}),
        )
    };
    assert_eq!(ask(12, "2001:db8::1")["response_code"], "000");
    assert_eq!(ask(13, "2001:db8::2")["response_code"], "000");
    assert_refused(&ask(14, "2001:db8::ffff"), "1302", "codes_per_client 2/1h");
    assert_eq!(ask(15, "2001:db8:0:1::1")["response_code"], "000");
    let bad = ask(16, "not an address");
    assert_eq!(bad["response_code"], "1401", "{bad}");
    assert!(bad["error"].as_str().unwrap().contains("client_ip"), "{bad}");
}

#[test]
fn observed_limits_refuse_nothing_and_tell_the_log_what_they_would_have_refused() {
    let emulator = quick();
    let gateway = limited(&emulator, "mode = \"observe\"\n");
    assert_eq!(create(&gateway, "a", "081234567890")["response_code"], "000");
    assert_eq!(create(&gateway, "b", "081234567890")["response_code"], "000");
    assert_eq!(create(&gateway, "c", "+33612345678")["response_code"], "000");
    let log = wait_for("the line in the log", || {
        let log = gateway.log();
        log.contains("a limit would have refused this").then_some(log)
    });
    assert!(log.contains("limits are only observed") && log.contains("cool_down"), "{log}");
    assert!(!log.contains("81234567890"), "masked: {log}");
}

#[test]
fn the_small_dialects_are_limited_alike_with_429_and_a_time_to_come_again() {
    let emulator = quick();
    let gateway = limited(&emulator, "");
    let login = authorization(USER, PASSWORD);
    let post = |path: &str, kind: &str, body: &str| {
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {login}\r\nContent-Type: {kind}\r\n");
        let mut client = gateway.connect();
        client.raw(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
        client.read().unwrap()
    };
    let send = || post("/send_otp", "application/json", &json!({"phone": "081234567890"}).to_string());
    assert_eq!(send().status, 200);
    let refused = send();
    assert_eq!(refused.status, 429);
    assert!(refused.head.to_ascii_lowercase().contains("\r\nretry-after: "), "{}", refused.head);
    assert!(refused.json()["retry_after"].as_u64().is_some_and(|wait| wait <= 30), "{}", refused.json());
    let form = post("/generate_otp", "application/x-www-form-urlencoded", "phone_number=%2B6281234567890");
    assert_eq!(form.status, 429, "the same receiver, the same pause");
    assert_refused(&create(&gateway, "envelope", "081234567890"), "1302", "cool_down");
}

#[test]
fn counts_are_on_disk_within_a_second_and_outlive_kill_9() {
    let emulator = quick();
    let gateway = limited(&emulator, "cool_down = [\"10m\"]\n");
    assert_eq!(create(&gateway, "a", "081234567890")["response_code"], "000");
    // Seen by another reader of the database: written, without a stop.
    let database = gateway.dir().join("data/otp-pi.db");
    wait_for("the count on disk", || {
        let program = "import sqlite3,sys\nprint(sqlite3.connect('file:'+sys.argv[1]+'?mode=ro',uri=True)\
                       .execute('SELECT count(*) FROM limit_counter').fetchone()[0])";
        let read = Command::new("python3").args(["-c", program]).arg(&database).output().unwrap();
        let count: usize = String::from_utf8_lossy(&read.stdout).trim().parse().unwrap_or(0);
        (count >= 4).then_some(())
    });
    let gateway = gateway.kill().restart();
    assert_refused(&create(&gateway, "b", "081234567890"), "1302", "cool_down");
}

#[test]
fn other_limits_count_from_a_reload_on() {
    let emulator = quick();
    let mut setup = Setup { limits: String::new(), ..Setup::with(&emulator) };
    let gateway = setup.start();
    assert_eq!(create(&gateway, "a", "081234567890")["response_code"], "000");
    assert_refused(&create(&gateway, "b", "081234567890"), "1302", "cool_down");
    setup.limits = "cool_down = [\"0s\"]\n".to_owned();
    gateway.reload_as(&setup);
    assert_eq!(create(&gateway, "b", "081234567890")["response_code"], "000");
}

#[test]
fn an_api_user_has_limits_of_its_own_over_codes_and_messages_together() {
    let emulator = quick();
    let more = "limits = [\"3/1h\"]\n[[api_user]]\nusername = \"other\"\npassword = \"other password\"\n";
    let mut setup = Setup { limits: String::new(), more: more.to_owned(), ..Setup::with(&emulator) };
    let gateway = setup.start();
    let send = |id: &str, number: u32| {
        gateway.ask("send-sms", json!({"id": id, "receiver": format!("0812345678{number:02}"), "message": "hello"}))
    };
    assert_eq!(create(&gateway, "a", "081234567801")["response_code"], "000");
    assert_eq!(send("1", 2)["response_code"], "000");
    // The same again is a retry: it counts once.
    assert_eq!(send("1", 2)["response_code"], "000");
    assert_eq!(send("2", 3)["response_code"], "000");
    assert_refused(&send("3", 4), "1302", "api_user 3/1h");
    assert_refused(&create(&gateway, "b", "081234567805"), "1302", "api_user 3/1h");
    let data = json!({"reference": "c", "receiver": "081234567806", "message": "%s"});
    assert_eq!(gateway.ask_as("other", "other password", "create-otp", data)["response_code"], "000");
    setup.more = more.replace("3/1h", "5/1h");
    gateway.reload_as(&setup);
}

#[test]
fn a_client_that_hangs_up_while_its_code_is_compared_has_guessed_all_the_same() {
    let emulator = quick();
    let gateway = limited(&emulator, "cool_down = []\ncodes_per_receiver = []\ncodes_per_prefix = []\n");
    let login = authorization(USER, PASSWORD);
    for round in 0..3 {
        let reference = format!("h{round}");
        assert_eq!(create(&gateway, &reference, "081234567890")["response_code"], "000");
        let data =
            json!({"reference": reference, "receiver": "081234567890", "otp": wrong(&code(&emulator, &reference))});
        let body = json!({"command": "validate-otp", "data": data}).to_string();
        let head = format!(
            "POST /api/otp HTTP/1.1\r\nHost: gateway\r\nAuthorization: {login}\r\nContent-Type: application/json\r\n"
        );
        for _ in 0..4 {
            // Gone before an answer can come.
            gateway.connect().raw(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
        }
    }
    wait_for("every guess to be ended", || {
        let view = gateway.operate(&["limits", "explain", "081234567890", "--json"]).json();
        let rules = view["rules"].as_array()?;
        let wrong = rules.iter().find(|rule| rule["rule"] == "wrong_per_receiver 15/1h")?["used"].as_u64()?;
        (wrong == 12 && view["wrong_on_end"] == 12).then_some(())
    });
}
