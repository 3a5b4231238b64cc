//! The same request once more: retries after a lost answer, resends, and what a cancellation races with.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{PHONE, Stage, check_refused, otp_request, response_code, wrong};
use crate::harness::{Client, Emulator, Gateway, Setup, code_in, pause, unix_millis, wait_for, wait_until_millis};

const OTHER_PHONE: &str = "08126666667";

fn with(mut data: Value, more: &Value) -> Value {
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    data
}

/// A gateway whose modem is not plugged in yet.
struct Quiet {
    gateway: Gateway,
    directory: tempfile::TempDir,
}

impl Quiet {
    fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let directory = tempfile::TempDir::new().unwrap();
        let mut setup = Setup::without_modems();
        setup.modems = vec![directory.path().join("line")];
        change(&mut setup);
        Self { gateway: setup.start(), directory }
    }

    fn ask(&self, command: &str, data: Value) -> Value {
        self.gateway.ask(command, data)
    }

    fn restarted(self) -> Self {
        Self { gateway: self.gateway.kill().restart(), directory: self.directory }
    }

    fn plug_in(&self) -> Emulator {
        let emulator = Emulator::start(1, &[]);
        std::os::unix::fs::symlink(emulator.modems.first().unwrap(), self.directory.path().join("line")).unwrap();
        emulator
    }
}

/// Asks the same thing over many connections at once.
fn in_parallel(gateway: &Gateway, command: &str, data: &Value, count: usize) -> Vec<Value> {
    let body = json!({"command": command, "data": data}).to_string();
    let clients: Vec<_> = (0..count)
        .map(|_| {
            let mut client = gateway.connect();
            client.ask("echo", json!({}));
            client
        })
        .collect();
    let body = &body;
    thread::scope(|scope| {
        let ask = |mut client: crate::harness::Client| move || client.post("/api/otp", body).unwrap().json();
        let threads: Vec<_> = clients.into_iter().map(|client| scope.spawn(ask(client))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn codes_of(emulator: &Emulator, needle: &str) -> Vec<String> {
    let texts = emulator.transmissions();
    let texts = texts.iter().filter_map(|sent| sent["text"].as_str()).filter(|text| text.contains(needle));
    texts.map(|text| code_in(text, 6)).collect()
}

#[test]
fn a_retry_is_answered_as_the_first_when_the_queue_is_full_the_receiver_blocked_or_its_time_over() {
    for ticket_store in ["sqlite", "memory"] {
        check_retries_of_what_is_refused_now(ticket_store);
    }
}

fn check_retries_of_what_is_refused_now(ticket_store: &str) {
    let quiet = Quiet::with(|setup| {
        setup.sms = "max_queue = 2".to_owned();
        setup.otp = format!("ticket_store = {ticket_store:?}");
    });
    let expiration = unix_millis() + 3_000;
    let code = with(otp_request("r"), &json!({"expiration": expiration}));
    let text = json!({"id": "own", "receiver": PHONE, "message": "hello", "expiration": expiration});
    assert_eq!(response_code(&quiet.ask("create-otp", code.clone())), "000");
    let first = quiet.ask("send-sms", text.clone());
    assert_eq!(response_code(&first), "000");
    let retried = |when: &str| {
        assert_eq!(response_code(&quiet.ask("create-otp", code.clone())), "000", "{when}");
        let again = quiet.ask("send-sms", text.clone());
        assert_eq!(
            (response_code(&again), &again["data"]["message_id"]),
            ("000".to_owned(), &first["data"]["message_id"]),
            "{when}"
        );
    };
    check_refused(&quiet.gateway, "create-otp", &otp_request("new"), "1501", "waiting");
    check_refused(
        &quiet.gateway,
        "create-otp",
        &with(code.clone(), &json!({"message": "other %s"})),
        "1501",
        "waiting",
    );
    retried("the queue is full");
    assert_eq!(response_code(&quiet.ask("block-msisdn", json!({"receiver": PHONE}))), "000");
    check_refused(&quiet.gateway, "create-otp", &otp_request("new"), "1301", "blocked");
    retried("the receiver is blocked");
    quiet.ask("unblock-msisdn", json!({"receiver": PHONE}));
    wait_until_millis(expiration);
    let late = with(otp_request("late"), &json!({"expiration": expiration}));
    check_refused(&quiet.gateway, "create-otp", &late, "1205", "expired");
    retried("its time is over");
    let Quiet { gateway, .. } = quiet.restarted();
    // Tickets in memory are gone with it; an id is not.
    if ticket_store == "sqlite" {
        assert_eq!(response_code(&gateway.ask("create-otp", code)), "000", "and after a power cut");
    }
    let again = gateway.ask("send-sms", text);
    assert_eq!((response_code(&again), &again["data"]["message_id"]), ("000".to_owned(), &first["data"]["message_id"]));
}

/// Asks until there is an answer, over however many lives of the gateway; its address is wherever it is now.
fn ask_until_answered(address: &Mutex<SocketAddr>, command: &str, data: &Value) {
    wait_for("an answer", || {
        let address = *address.lock().unwrap();
        let answer = Client::try_connect(address).ok()?.try_ask(command, data).ok()?;
        (answer["response_code"] == "000").then_some(())
    });
}

#[test]
fn clients_that_ask_until_they_are_answered_send_everything_once_however_often_the_gateway_is_killed() {
    let emulator = Emulator::start(4, &["--air-time", "4ms"]);
    let mut setup = Setup::with(&emulator);
    setup.otp = "lifetime = \"10m\"".to_owned();
    let mut gateway = Some(setup.start());
    let address = Mutex::new(gateway.as_ref().unwrap().address);
    let is_over = AtomicBool::new(false);
    let tokens: Vec<String> =
        (0..4).flat_map(|client| (0..25).map(move |number| format!("T{client}x{number}x"))).collect();
    thread::scope(|scope| {
        let clients: Vec<_> = tokens
            .chunks(25)
            .map(|tokens| {
                let address = &address;
                scope.spawn(move || {
                    for token in tokens {
                        let data = |word: &str| json!({"reference": token, "receiver": PHONE, "message": format!("{token} {word} %s")});
                        let (first, second) = (data("first"), with(data("second"), &json!({"resend": true, "id": token})));
                        let text = json!({"id": token, "receiver": OTHER_PHONE, "message": format!("{token} text")});
                        for (command, data) in [("create-otp", first), ("create-otp", second), ("send-sms", text)] {
                            ask_until_answered(address, command, &data);
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            let ended: Vec<_> = clients.into_iter().map(thread::ScopedJoinHandle::join).collect();
            is_over.store(true, Ordering::SeqCst);
            assert!(ended.iter().all(Result::is_ok), "a client waited in vain");
        });
        let mut kills = 0_u64;
        while !is_over.load(Ordering::SeqCst) {
            pause(Duration::from_millis(20 + 37 * (kills % 7)));
            let next = gateway.take().unwrap().kill().restart();
            *address.lock().unwrap() = next.address;
            gateway = Some(next);
            kills += 1;
        }
        assert!(kills > 3, "it was killed {kills} times");
    });
    let gateway = gateway.unwrap();
    gateway.wait_for_modems(4);
    gateway.send_sentinel(&emulator, PHONE, "end");
    let mut missing = 0;
    for token in &tokens {
        for word in ["first", "second", "text"] {
            let count = emulator.count(&format!("{token} {word}"));
            assert!(count <= 1, "{token} {word} went out {count} times");
            missing += 1 - count;
        }
    }
    // What was on air at a kill is unknown, and not sent again: one on each modem at most.
    assert!(missing < tokens.len(), "{missing} of {} did not go out", 3 * tokens.len());
}

#[test]
fn of_many_identical_requests_in_flight_one_sms_goes_out() {
    for ticket_store in ["sqlite", "memory"] {
        let stage = Stage::with(|setup| setup.otp = format!("ticket_store = {ticket_store:?}"));
        let plain = in_parallel(&stage.gateway, "create-otp", &otp_request("plain"), 20);
        assert!(plain.iter().all(|answer| response_code(answer) == "000"), "{plain:?}");
        stage.emulator.text_with("plain: ");
        let resend = with(otp_request("plain"), &json!({"resend": true, "id": "second"}));
        let resent = in_parallel(&stage.gateway, "create-otp", &resend, 20);
        assert!(resent.iter().all(|answer| response_code(answer) == "000"), "{resent:?}");
        wait_for("the second code", || (stage.emulator.count("plain: ") == 2).then_some(()));
        stage.gateway.send_sentinel(&stage.emulator, PHONE, "end");
        let codes = codes_of(&stage.emulator, "plain: ");
        assert_eq!(codes.len(), 2, "{ticket_store}");
        assert_eq!(stage.validate("plain", &codes[0]), "000", "{ticket_store}: the first of the newest two is valid");
    }
}

#[test]
fn an_id_makes_a_resend_exact_for_a_day_also_when_its_code_is_used_and_after_a_power_cut() {
    let stage = Stage::new();
    let first = stage.code("r");
    let resend = with(otp_request("r"), &json!({"resend": true, "id": 7}));
    assert_eq!(response_code(&stage.ask("create-otp", resend.clone())), "000");
    wait_for("the second code", || (stage.emulator.count("r: ") == 2).then_some(()));
    assert_eq!(response_code(&stage.ask("create-otp", resend.clone())), "000", "its retry");
    let status = stage.ask("get-status", json!({"id": "7"}));
    assert_eq!(response_code(&status), "000", "{status}");
    assert_eq!(stage.validate("r", &first), "000", "still one of the newest two");
    let gateway = stage.gateway.kill().restart();
    assert_eq!(response_code(&gateway.ask("create-otp", resend.clone())), "000", "its retry, later");
    gateway.send_sentinel(&stage.emulator, PHONE, "one");
    assert_eq!(stage.emulator.count("r: "), 2);
    // Another id is another wish, and so is the request that is no resend.
    assert_eq!(response_code(&gateway.ask("create-otp", with(resend, &json!({"id": 8})))), "000");
    wait_for("the third code", || (stage.emulator.count("r: ") == 3).then_some(()));
}

#[test]
fn each_of_two_codes_is_bound_to_the_receiver_and_the_parameters_that_it_was_sent_for() {
    let stage = Stage::new();
    let data = |receiver: &str, amount: &str| json!({"reference": "r", "receiver": receiver, "message": "amount %s", "param1": amount});
    assert_eq!(response_code(&stage.ask("create-otp", data(PHONE, "100"))), "000");
    stage.emulator.wait_for_transmissions(1);
    let resend = with(data(OTHER_PHONE, "999"), &json!({"resend": true, "message": "amount now %s"}));
    assert_eq!(response_code(&stage.ask("create-otp", resend)), "000");
    let sent = stage.emulator.wait_for_transmissions(2);
    let codes: Vec<_> = sent.iter().map(|sent| code_in(sent["text"].as_str().unwrap(), 6)).collect();
    let (first, second) = (codes[0].as_str(), codes[1].as_str());
    let guess = |code: &str, receiver: &str, amount: &str| {
        let data = json!({"reference": "r", "receiver": receiver, "otp": code, "param1": amount});
        response_code(&stage.ask("validate-otp", data))
    };
    for (code, receiver, amount) in
        [(first, OTHER_PHONE, "999"), (first, PHONE, "999"), (second, PHONE, "100"), (second, OTHER_PHONE, "100")]
    {
        assert_eq!(guess(code, receiver, amount), "1202", "{receiver} {amount}");
    }
    assert_eq!(guess(first, PHONE, "100"), "000");
    assert_eq!(guess(second, OTHER_PHONE, "999"), "1202", "one winner");
}

#[test]
fn parallel_guesses_at_two_codes_get_no_more_tries_than_at_one() {
    let stage = Stage::new();
    let first = stage.code("r");
    for _ in 0..2 {
        assert_eq!(stage.validate("r", &wrong(&first)), "1202");
    }
    assert_eq!(response_code(&stage.ask("create-otp", with(otp_request("r"), &json!({"resend": true})))), "000");
    wait_for("the second code", || (stage.emulator.count("r: ") == 2).then_some(()));
    let codes = codes_of(&stage.emulator, "r: ");
    let neither = ["000000", "111111", "222222"].into_iter().find(|code| codes.iter().all(|one| one != code)).unwrap();
    let guess = json!({"reference": "r", "receiver": PHONE, "otp": neither});
    let answers = in_parallel(&stage.gateway, "validate-otp", &guess, 30);
    let count = |code: &str| answers.iter().filter(|answer| response_code(answer) == code).count();
    assert_eq!((count("1202"), count("1204")), (3, 27), "{answers:?}");
    let resend = with(otp_request("r"), &json!({"resend": true}));
    check_refused(&stage.gateway, "create-otp", &resend, "1204", "could not be entered");
    let gateway = stage.gateway.kill().restart();
    check_refused(&gateway, "create-otp", &resend, "1204", "could not be entered");
    gateway.send_sentinel(&stage.emulator, PHONE, "end");
    assert_eq!(stage.emulator.count("r: "), 2, "no code that nobody could enter");
}

#[test]
fn a_resend_while_the_first_waits_makes_both_valid_and_a_second_one_takes_the_first_out() {
    let quiet = Quiet::with(|_| {});
    let numbered = |number: u8| json!({"reference": "r", "receiver": PHONE, "message": format!("code {number}: %s"), "resend": number > 1});
    for number in 1..=3 {
        assert_eq!(response_code(&quiet.ask("create-otp", numbered(number))), "000");
    }
    let quiet = quiet.restarted();
    let emulator = quiet.plug_in();
    emulator.text_with("code 3: ");
    quiet.gateway.send_sentinel(&emulator, PHONE, "end");
    assert_eq!(codes_of(&emulator, "code 1: ").len(), 0, "its code would not be valid");
    let second = codes_of(&emulator, "code 2: ").pop().unwrap();
    let guess = json!({"reference": "r", "receiver": PHONE, "otp": second});
    assert_eq!(response_code(&quiet.ask("validate-otp", guess)), "000");
}

#[test]
fn a_resend_of_a_reference_that_is_not_live_acts_as_a_first_request() {
    let stage = Stage::with(|setup| {
        setup.more = "[[api_user]]\nusername = \"other\"\npassword = \"password\"\n".to_owned();
    });
    let resend = |reference: &str, text: &str| json!({"reference": reference, "receiver": PHONE, "message": format!("{text} %s"), "resend": true});
    assert_eq!(response_code(&stage.ask("create-otp", resend("unknown", "one"))), "000");
    let one = code_in(&stage.emulator.text_with("one "), 6);
    assert_eq!(stage.validate("unknown", &wrong(&one)), "1202");
    assert_eq!(stage.validate("unknown", &one), "000");
    assert_eq!(response_code(&stage.ask("create-otp", resend("unknown", "two"))), "000", "used");
    let two = code_in(&stage.emulator.text_with("two "), 6);
    assert_eq!(response_code(&stage.ask("cancel-otp", json!({"reference": "unknown"}))), "000");
    assert_eq!(response_code(&stage.ask("create-otp", resend("unknown", "three"))), "000", "cancelled");
    let three = code_in(&stage.emulator.text_with("three "), 6);
    // Another user's reference of the same name is another reference.
    let theirs = stage.gateway.ask_as("other", "password", "create-otp", resend("unknown", "theirs"));
    assert_eq!(response_code(&theirs), "000");
    let theirs = code_in(&stage.emulator.text_with("theirs "), 6);
    for code in [two, theirs].iter().filter(|code| **code != three) {
        assert_eq!(stage.validate("unknown", code), "1202");
    }
    let cancelled = stage.gateway.ask_as("other", "password", "cancel-otp", json!({"reference": "unknown"}));
    assert_eq!(response_code(&cancelled), "000");
    assert_eq!(stage.validate("unknown", &three), "000", "a cancellation touches nobody else's");
}

#[test]
fn of_a_cancellation_and_a_right_code_at_once_exactly_one_wins() {
    let stage = Stage::new();
    for round in 0..10 {
        let reference = format!("race-{round}");
        let code = stage.code(&reference);
        let (mut one, mut other) = (stage.gateway.connect(), stage.gateway.connect());
        let (validated, cancelled) = thread::scope(|scope| {
            let guess = json!({"reference": reference, "receiver": PHONE, "otp": code});
            let guess = scope.spawn(move || one.ask("validate-otp", guess));
            let cancel = other.ask("cancel-otp", json!({"reference": reference}));
            (response_code(&guess.join().unwrap()), response_code(&cancel))
        });
        assert!(
            [("000", "1202"), ("1202", "000")].contains(&(validated.as_str(), cancelled.as_str())),
            "validated {validated}, cancelled {cancelled}"
        );
    }
}

#[test]
fn a_cancellation_on_air_or_before_holds_over_a_power_cut() {
    // On air: nothing takes it back, and its code is worth nothing.
    let emulator = Emulator::start(1, &["--air-time", "1500ms"]);
    let gateway = Setup::with(&emulator).start();
    gateway.wait_for_modems(1);
    assert_eq!(response_code(&gateway.ask("create-otp", otp_request("air"))), "000");
    wait_for("the air", || {
        let status = gateway.ask("get-status", json!({"reference": "air"}));
        (status["data"]["state"] == "sending").then_some(())
    });
    assert_eq!(response_code(&gateway.ask("cancel-otp", json!({"reference": "air"}))), "000");
    let code = code_in(&emulator.text_with("air: "), 6);
    let gateway = gateway.kill().restart();
    let guess = json!({"reference": "air", "receiver": PHONE, "otp": code});
    assert_eq!(response_code(&gateway.ask("validate-otp", guess)), "1202");
    assert_eq!(response_code(&gateway.ask("cancel-otp", json!({"reference": "air"}))), "1202");

    // Before: with a resend behind it, neither goes out, however the gateway ends after its answer.
    let quiet = Quiet::with(|_| {});
    assert_eq!(response_code(&quiet.ask("create-otp", otp_request("never"))), "000");
    assert_eq!(response_code(&quiet.ask("create-otp", with(otp_request("never"), &json!({"resend": true})))), "000");
    assert_eq!(response_code(&quiet.ask("cancel-otp", json!({"reference": "never"}))), "000");
    let quiet = quiet.restarted();
    let emulator = quiet.plug_in();
    assert_eq!(
        response_code(&quiet.ask("create-otp", with(otp_request("never"), &json!({"message": "anew %s"})))),
        "000"
    );
    emulator.text_with("anew ");
    quiet.gateway.send_sentinel(&emulator, PHONE, "end");
    assert_eq!(emulator.count("never"), 0);
}

#[test]
fn the_same_id_with_other_content_is_another_request_or_1401_where_that_is_chosen() {
    for (id_conflict, expected) in [("accept", "000"), ("reject", "1401")] {
        let stage = Stage::with(|setup| setup.api = format!("id_conflict = {id_conflict:?}"));
        for reference in ["first", "second"] {
            let data = with(otp_request(reference), &json!({"id": "same"}));
            let expected = if reference == "first" { "000" } else { expected };
            assert_eq!(response_code(&stage.ask("create-otp", data)), expected, "{id_conflict}");
        }
    }
}
