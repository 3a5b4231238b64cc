//! The two small dialects over real sockets: what their clients send and read, with a login and from open networks.

use std::net::SocketAddr;
use std::thread;

use serde_json::{Value, json};

use super::{PHONE, Stage, response_code, wrong};
use crate::harness::{
    Client, Emulator, Gateway, PASSWORD, Response, Setup, USER, authorization, code_in, unix_millis, wait_for,
    wait_until_millis,
};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// Callers on this machine need no login and act as the user of the tests.
const OPEN: &str = "simple_otp_open = [\"127.0.0.0/8\"]\nsimple_otp_user = \"user\"";

/// A stage whose dialects are open to the test.
fn open() -> Stage {
    open_with(|_| {})
}

fn open_with(change: impl FnOnce(&mut Setup)) -> Stage {
    Stage::with(|setup| {
        setup.api = OPEN.to_owned();
        change(setup);
    })
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    let field = |line: &'a str| line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name));
    response.head.lines().find_map(field).map(|(_, value)| value.trim())
}

/// One request over a connection of its own, with these header lines.
fn request(address: SocketAddr, method: &str, path: &str, headers: &[&str], body: &str) -> Response {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: gateway\r\nContent-Length: {}\r\n", body.len());
    for line in headers {
        head += &format!("{line}\r\n");
    }
    let mut client = Client::connect(address);
    client.raw(format!("{head}\r\n{body}").as_bytes()).unwrap();
    client.read().unwrap()
}

/// Status and body of one answer without a login.
fn ask(gateway: &Gateway, path: &str, kind: &str, body: &str) -> (u16, Value) {
    let answer = request(gateway.address, "POST", path, &[&format!("Content-Type: {kind}")], body);
    assert_eq!(header(&answer, "Content-Type"), Some("application/json"), "{path}");
    (answer.status, answer.json())
}

fn send(gateway: &Gateway, phone: &str) -> (u16, Value) {
    ask(gateway, "/send_otp", JSON, &json!({"phone": phone}).to_string())
}

fn verify(gateway: &Gateway, phone: &str, otp: &str) -> (u16, Value) {
    ask(gateway, "/verify_otp", JSON, &json!({"phone": phone, "otp": otp}).to_string())
}

fn verify_form(gateway: &Gateway, phone: &str, otp: &str) -> (u16, Value) {
    ask(gateway, "/verify_otp", FORM, &format!("phone_number={phone}&otp={otp}"))
}

fn invalid(error: &str) -> (u16, Value) {
    (200, json!({"valid": false, "error": error}))
}

fn form_error(status: u16, message: &str) -> (u16, Value) {
    (status, json!({"status": "error", "message": message}))
}

fn sent_well() -> (u16, Value) {
    (200, json!({"status": "OTP sent successfully!"}))
}

/// Asks for a code and answers the one in the `count`-th SMS.
fn code(stage: &Stage, count: usize) -> String {
    assert_eq!(send(&stage.gateway, PHONE), sent_well());
    let sent = stage.emulator.wait_for_transmissions(count);
    code_in(sent.get(count - 1).unwrap()["text"].as_str().unwrap(), 6)
}

#[test]
fn a_code_of_the_sim800l_dialect_arrives_and_is_valid_once() {
    let stage = open();
    let code = code(&stage, 1);
    assert_eq!(stage.emulator.text_with("Your code is "), format!("Your code is {code}"));
    assert_eq!(verify(&stage.gateway, PHONE, &wrong(&code)), invalid("OTP incorrect"));
    assert_eq!(verify(&stage.gateway, PHONE, &code), (200, json!({"valid": true})));
    assert_eq!(verify(&stage.gateway, PHONE, &code), invalid("No OTP found"), "a code works once");
    assert_eq!(verify(&stage.gateway, "08126666667", &code), invalid("No OTP found"), "another phone");
}

#[test]
fn a_code_of_the_form_dialect_can_be_asked_for_any_number_of_times_and_used_once() {
    let stage = open();
    let ask_form = |path: &str, body: &str| ask(&stage.gateway, path, FORM, body);
    assert_eq!(ask_form("/validate_otp", "phone_number=628126666666"), form_error(404, "OTP not found."));
    let (status, sent) = ask_form("/generate_otp", "phone_number=628126666666");
    assert_eq!((status, &sent["status"]), (200, &json!("success")), "{sent}");
    let id = sent["message_uuid"].as_str().unwrap();
    stage.gateway.wait_for_state(id, "sent");
    let code = code_in(&stage.emulator.text_with("Your code is "), 6);
    for _ in 0..10 {
        let live = (200, json!({"status": "success", "message": "OTP valid."}));
        assert_eq!(ask_form("/validate_otp", "phone_number=628126666666"), live, "to ask costs no try");
    }
    let verified = (200, json!({"status": "success", "message": "OTP verified."}));
    assert_eq!(verify_form(&stage.gateway, "628126666666", &wrong(&code)), form_error(401, "OTP verification failed."));
    assert_eq!(verify_form(&stage.gateway, "628126666666", &code), verified);
    assert_eq!(verify_form(&stage.gateway, "628126666666", &code), form_error(404, "OTP not found."));
    assert_eq!(ask_form("/validate_otp", "phone_number=628126666666"), form_error(404, "OTP not found."));
}

#[test]
fn a_number_is_the_same_however_it_is_written_and_in_whatever_dialect() {
    let stage = open();
    let spellings = ["+62 812-6666-666", "08126666666", "628126666666", "00628126666666"];
    for (place, sender) in spellings.iter().enumerate() {
        assert_eq!(send(&stage.gateway, sender), sent_well());
        let sent = stage.emulator.wait_for_transmissions(place + 1);
        let code = code_in(sent[place]["text"].as_str().unwrap(), 6);
        assert_eq!(sent[place]["receiver"], "628126666666");
        let reader = spellings[(place + 1) % spellings.len()].replace('+', "%2B");
        let verified = (200, json!({"status": "success", "message": "OTP verified."}));
        assert_eq!(verify_form(&stage.gateway, &reader, &code), verified, "{sender} and {reader}");
    }
    assert_eq!(send(&stage.gateway, "+919876543210"), sent_well());
    let sent = stage.emulator.wait_for_transmissions(5);
    assert_eq!(sent[4]["receiver"], "919876543210", "a number of another country is left as it is");
}

#[test]
fn numbers_where_text_is_meant_are_taken() {
    let stage = open();
    assert_eq!(ask(&stage.gateway, "/send_otp", JSON, r#"{"phone": 628126666666}"#), sent_well());
    let code = loop_until_without_leading_zero(&stage);
    let body = format!("{{\"phone\": 628126666666, \"otp\": {code}}}");
    assert_eq!(ask(&stage.gateway, "/verify_otp", JSON, &body), (200, json!({"valid": true})));
}

/// A JSON number has no leading zeros: asks until there is a code without.
fn loop_until_without_leading_zero(stage: &Stage) -> String {
    for count in 1..50 {
        let sent = stage.emulator.wait_for_transmissions(count);
        let code = code_in(sent[count - 1]["text"].as_str().unwrap(), 6);
        if !code.starts_with('0') {
            return code;
        }
        assert_eq!(send(&stage.gateway, PHONE), sent_well());
    }
    panic!("fifty codes that begin with 0");
}

#[test]
fn a_second_send_is_a_resend_also_after_the_text_was_changed() {
    let stage = open();
    let first = code(&stage, 1);
    let second = code(&stage, 2);
    assert_ne!(first, second);
    let (dir, emulator) = (stage.gateway.kill(), stage.emulator);
    let file = dir.dir().join("otp-pi.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace("[otp]\n", "[otp]\ntemplate = \"Kode: %s\"\n");
    std::fs::write(&file, text).unwrap();
    let stage = Stage { gateway: dir.restart(), emulator };
    let third = code(&stage, 3);
    assert_eq!(stage.emulator.text_with("Kode: "), format!("Kode: {third}"));
    assert_eq!(verify(&stage.gateway, PHONE, &first), invalid("OTP incorrect"), "the newest two are valid");
    assert_eq!(verify(&stage.gateway, PHONE, &second), (200, json!({"valid": true})));
    assert_eq!(verify(&stage.gateway, PHONE, &third), invalid("No OTP found"), "one winner for all codes");
}

#[test]
fn when_all_tries_are_used_up_the_next_send_begins_anew() {
    let stage = open_with(|setup| setup.otp = "max_attempts = 2".to_owned());
    let first = code(&stage, 1);
    for _ in 0..2 {
        assert_eq!(verify(&stage.gateway, PHONE, &wrong(&first)), invalid("OTP incorrect"));
    }
    assert_eq!(verify(&stage.gateway, PHONE, &first), invalid("OTP incorrect"), "no more tries");
    assert_eq!(verify_form(&stage.gateway, PHONE, &first), form_error(401, "OTP verification failed."));
    let form = format!("phone_number={PHONE}");
    assert_eq!(ask(&stage.gateway, "/validate_otp", FORM, &form), form_error(404, "OTP not found."));
    let second = code(&stage, 2);
    if first != second {
        assert_eq!(verify(&stage.gateway, PHONE, &first), invalid("OTP incorrect"), "the old code stays worthless");
    }
    assert_eq!(verify(&stage.gateway, PHONE, &second), (200, json!({"valid": true})));
}

#[test]
fn expired_codes_are_told_apart_unless_failures_are_uniform() {
    for (otp, json_words, form_answer) in [
        ("", "OTP expired", form_error(404, "OTP not found.")),
        ("uniform_failures = true\n", "OTP incorrect", form_error(401, "OTP verification failed.")),
    ] {
        let stage = open_with(|setup| setup.otp = format!("{otp}lifetime = \"1s\""));
        stage.gateway.wait_for_modems(1);
        let code = code(&stage, 1);
        wait_until_millis(unix_millis() + 1_050);
        assert_eq!(verify(&stage.gateway, PHONE, &code), invalid(json_words));
        assert_eq!(verify_form(&stage.gateway, PHONE, &code), form_answer);
        let none = verify(&stage.gateway, "08126666667", &code);
        assert_eq!(none, invalid(if otp.is_empty() { "No OTP found" } else { "OTP incorrect" }));
    }
}

#[test]
fn while_the_sms_waits_the_code_is_live_but_cannot_be_entered_yet() {
    let directory = tempfile::TempDir::new().unwrap();
    let mut setup = Setup::without_modems();
    setup.modems = vec![directory.path().join("line")];
    setup.api = OPEN.to_owned();
    let gateway = setup.start();
    assert_eq!(send(&gateway, PHONE), sent_well());
    let live = (200, json!({"status": "success", "message": "OTP valid."}));
    assert_eq!(ask(&gateway, "/validate_otp", FORM, &format!("phone_number={PHONE}")), live);
    assert_eq!(verify(&gateway, PHONE, "123456"), invalid("No OTP found"));
    let emulator = Emulator::start(1, &[]);
    std::os::unix::fs::symlink(emulator.modems.first().unwrap(), directory.path().join("line")).unwrap();
    let code = code_in(&emulator.text_with("Your code is "), 6);
    assert_eq!(verify(&gateway, PHONE, &code), (200, json!({"valid": true})));
}

#[test]
fn what_cannot_be_sent_is_500_in_the_words_of_each_dialect() {
    let failed = (500, json!({"error": "Failed to send SMS"}));
    let form_failed = form_error(500, "Failed to send SMS");
    let stage = open();
    stage.ask("block-msisdn", json!({"receiver": PHONE}));
    assert_eq!(send(&stage.gateway, PHONE), failed);
    assert_eq!(ask(&stage.gateway, "/generate_otp", FORM, &format!("phone_number={PHONE}")), form_failed);
    let mut setup = Setup::without_modems();
    setup.api = OPEN.to_owned();
    let gateway = setup.start();
    assert_eq!(send(&gateway, PHONE), failed);
    assert_eq!(ask(&gateway, "/generate_otp", FORM, &format!("phone_number={PHONE}")), form_failed);
    stage.gateway.send_sentinel(&stage.emulator, "08126666667", "end");
    assert_eq!(stage.emulator.count("Your code is"), 0);
}

#[test]
fn a_full_queue_is_503_with_a_time_to_come_again() {
    let directory = tempfile::TempDir::new().unwrap();
    let mut setup = Setup::without_modems();
    setup.modems = vec![directory.path().join("line")];
    setup.sms = "max_queue = 1".to_owned();
    setup.api = OPEN.to_owned();
    let gateway = setup.start();
    assert_eq!(send(&gateway, PHONE), sent_well());
    let body = json!({"phone": PHONE}).to_string();
    let answer = request(gateway.address, "POST", "/send_otp", &[], &body);
    assert_eq!((answer.status, header(&answer, "Retry-After")), (503, Some("1")));
    assert_eq!(answer.json(), json!({"error": "too many messages are waiting", "retry_after": 1}));
    let answer = request(gateway.address, "POST", "/generate_otp", &[], &format!("phone_number={PHONE}"));
    assert_eq!((answer.status, header(&answer, "Retry-After")), (503, Some("1")));
    let expected = json!({"status": "error", "message": "too many messages are waiting", "retry_after": 1});
    assert_eq!(answer.json(), expected);
}

#[test]
fn a_request_that_cannot_be_understood_is_400_and_says_why() {
    let stage = open();
    for (path, kind, body, words) in [
        ("/send_otp", JSON, "{}", "Phone number required"),
        ("/send_otp", JSON, r#"{"phone": "#, "the body is incomplete"),
        ("/send_otp", JSON, "phone", "the body is not a JSON object"),
        ("/send_otp", JSON, r#"{"phone": "123456"}"#, "the receiver is a short code"),
        ("/send_otp", JSON, r#"{"phone": "0812x"}"#, "something that is not a digit"),
        ("/send_otp", JSON, r#"{"phone": "a@example.org"}"#, "it must be a phone number"),
        ("/verify_otp", JSON, r#"{"phone": "08126666666"}"#, "otp is missing"),
        ("/generate_otp", FORM, "", "phone_number is missing"),
        ("/generate_otp", FORM, "phone_number=+", "phone_number is missing"),
        ("/generate_otp", FORM, "phone_number=%00", "something that is not a digit"),
        ("/verify_otp", FORM, "phone_number=08126666666&otp=", "otp is missing"),
        ("/validate_otp", FORM, "phone_number=1&phone_number=2", "phone_number is given twice"),
    ] {
        let (status, answer) = ask(&stage.gateway, path, kind, body);
        let said = if answer["status"] == "error" { &answer["message"] } else { &answer["error"] };
        assert_eq!(status, 400, "{path} {body} → {answer}");
        assert!(said.as_str().is_some_and(|said| said.contains(words)), "{path} {body} → {answer}");
    }
    stage.gateway.send_sentinel(&stage.emulator, PHONE, "end");
    assert_eq!(stage.emulator.transmissions().len(), 1, "nothing but the sentinel");
}

#[test]
fn methods_bodies_and_paths_are_bounded_as_on_the_other_paths() {
    let stage = open();
    let address = stage.gateway.address;
    for path in ["/send_otp", "/verify_otp", "/generate_otp", "/validate_otp/"] {
        let answer = request(address, "GET", path, &[], "");
        assert_eq!((answer.status, header(&answer, "Allow")), (405, Some("POST, PUT")), "{path}");
        let big = format!("phone_number={}", "1".repeat(64 * 1024));
        assert_eq!(request(address, "POST", path, &[], &big).status, 413, "{path}");
    }
    assert_eq!(request(address, "POST", "/health", &[], "").status, 405);
    for path in ["/send_otp/x", "/send_otps", "/health/x"] {
        assert_eq!(request(address, "POST", path, &[], "{}").status, 404, "{path}");
    }
    let chunked = "POST /generate_otp HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
        d\r\nphone_number=\r\nb\r\n08126666666\r\n0\r\n\r\n";
    let mut client = Client::connect(address);
    client.raw(chunked.as_bytes()).unwrap();
    assert_eq!(client.read().unwrap().status, 200);
}

#[test]
fn the_dialects_need_a_login_where_no_network_is_open() {
    let stage = Stage::new();
    let address = stage.gateway.address;
    let login = |password: &str| format!("Authorization: {}", authorization(USER, password));
    let body = json!({"phone": PHONE}).to_string();
    for headers in [vec![], vec![login("wrong")], vec![login("")]] {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        for path in ["/send_otp", "/verify_otp", "/generate_otp", "/validate_otp"] {
            let answer = request(address, "POST", path, &headers, &body);
            assert_eq!(answer.status, 401, "{path} {headers:?}");
            assert!(header(&answer, "WWW-Authenticate").is_some_and(|value| value.starts_with("Basic realm=")));
        }
    }
    assert_eq!(request(address, "POST", "/send_otp", &[&login(PASSWORD)], &body).status, 200);
    stage.emulator.text_with("Your code is ");
    assert_eq!(stage.emulator.transmissions().len(), 1);
}

#[test]
fn an_open_network_opens_the_dialects_alone_and_only_to_those_who_ask_for_themselves() {
    let stage = open();
    let address = stage.gateway.address;
    let body = json!({"phone": PHONE}).to_string();
    for header in [
        "Origin: https://evil.example",
        "Origin: null",
        "Forwarded: for=203.0.113.9",
        "X-Forwarded-For: 203.0.113.9",
        "X-Real-IP: 203.0.113.9",
        "Via: 1.1 proxy",
        "Authorization: Basic d3Jvbmc6d3Jvbmc=",
        "Authorization: ",
    ] {
        assert_eq!(request(address, "POST", "/send_otp", &[header], &body).status, 401, "{header}");
    }
    let login = format!("Authorization: {}", authorization(USER, PASSWORD));
    let forwarded = request(address, "POST", "/send_otp", &[&login, "X-Forwarded-For: 203.0.113.9"], &body);
    assert_eq!(forwarded.status, 200, "with a login it may come from anywhere");
    assert_eq!(request(address, "POST", "/api/otp", &[], r#"{"command":"echo"}"#).status, 401);
    stage.emulator.text_with("Your code is ");
    assert_eq!(stage.emulator.transmissions().len(), 1);

    let elsewhere = Stage::with(|setup| {
        setup.api = "simple_otp_open = [\"10.0.0.0/8\", \"::1\"]\nsimple_otp_user = \"user\"".to_owned();
    });
    assert_eq!(request(elsewhere.gateway.address, "POST", "/send_otp", &[], &body).status, 401);
}

#[test]
fn codes_belong_to_the_api_user_in_whose_name_they_were_sent() {
    let stage = open_with(|setup| {
        setup.more = "[[api_user]]\nusername = \"second\"\npassword = \"p\"\n\
                      [[api_user]]\nusername = \"texts\"\npassword = \"p\"\nscopes = [\"sms\"]\n"
            .to_owned();
    });
    let code = code(&stage, 1);
    let as_user = |user: &str, path: &str| {
        let login = format!("Authorization: {}", authorization(user, "p"));
        let answer = request(
            stage.gateway.address,
            "POST",
            path,
            &[&login],
            &json!({"phone": PHONE, "phone_number": PHONE, "otp": code}).to_string(),
        );
        (answer.status, answer.json())
    };
    assert_eq!(as_user("second", "/verify_otp"), invalid("No OTP found"));
    let (status, answer) = as_user("texts", "/send_otp");
    assert_eq!(status, 403, "{answer}");
    assert_eq!(as_user("texts", "/generate_otp").1["status"], "error");
    // The envelope knows the same code by the reference that the dialect gives it.
    let guess = json!({"reference": "simple:628126666666", "receiver": PHONE, "otp": code});
    assert_eq!(response_code(&stage.ask("validate-otp", guess)), "000");
}

#[test]
fn health_tells_without_a_login_whether_a_modem_can_send() {
    let stage = Stage::new();
    let address = stage.gateway.address;
    stage.gateway.wait_for_modems(1);
    let well = request(address, "GET", "/health", &[], "");
    assert_eq!((well.status, well.json()), (200, json!({"status": "SIM800L OK"})));
    drop(stage.emulator);
    let ill = wait_for("the modem to be missed", || {
        Some(request(address, "GET", "/health", &[], "")).filter(|answer| answer.status != 200)
    });
    assert_eq!((ill.status, ill.json()), (503, json!({"status": "no modem can send"})));
    let kept_for_pages = Stage::with(|setup| setup.modem = "send_from_api = false".to_owned());
    kept_for_pages.gateway.wait_for_modems(1);
    assert_eq!(request(kept_for_pages.gateway.address, "GET", "/health", &[], "").status, 503);
}

#[test]
fn where_the_dialects_are_off_their_paths_do_not_exist() {
    let stage = open_with(|setup| setup.api += "\nsimple_otp = false");
    for (method, path) in [("POST", "/send_otp"), ("POST", "/generate_otp"), ("GET", "/health")] {
        assert_eq!(request(stage.gateway.address, method, path, &[], "").status, 404, "{path}");
    }
}

#[test]
fn every_listener_of_the_api_speaks_the_dialects() {
    let emulator = Emulator::start(1, &[]);
    let mut setup = Setup::with(&emulator);
    setup.listen = "[\"127.0.0.1:0\", \"127.0.0.1:0\"]".to_owned();
    setup.api = OPEN.to_owned();
    let gateway = setup.start();
    let addresses = gateway.addresses(2);
    let form = format!("phone_number={PHONE}");
    assert_eq!(request(addresses[0], "POST", "/generate_otp", &[], &form).status, 200);
    let code = code_in(&emulator.text_with("Your code is "), 6);
    let answer = request(addresses[1], "POST", "/verify_otp", &[], &format!("{form}&otp={code}"));
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("success")));
}

#[test]
fn of_fifty_parallel_correct_verifications_exactly_one_wins() {
    let stage = open();
    let code = code(&stage, 1);
    let address = stage.gateway.address;
    let body = json!({"phone": PHONE, "otp": code}).to_string();
    let guess = || request(address, "POST", "/verify_otp", &[], &body).json();
    let answers: Vec<Value> = thread::scope(|scope| {
        let threads: Vec<_> = (0..50).map(|_| scope.spawn(guess)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|answer| answer["valid"] == json!(true)).count(), 1, "{answers:?}");
}
