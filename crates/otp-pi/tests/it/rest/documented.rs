//! Every request that the original product's documents print, as printed: CRLF bodies, `user:password`, `Connection: close`,
//! the printed Content-Length (the wrong one of the Indonesian block example left out), times replaced by current ones; then
//! the shapes of its PHP publisher and its Postman collection.

use std::cell::RefCell;

use serde_json::{Value, json};

use super::{Stage, response_code};
use crate::harness::{Client, authorization, code_in, unix_seconds};

include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/requests.rs"));

/// The login that the documents print: `user:password`.
const PRINTED_LOGIN: &str = "Basic dXNlcjpwYXNzd29yZA==";

struct Player {
    stage: Stage,
    code: RefCell<String>,
    time: u64,
}

impl Player {
    fn new() -> Self {
        Self { stage: Stage::new(), code: RefCell::default(), time: unix_seconds() }
    }

    /// The body as it goes over the line.
    fn body(&self, request: &DocumentedRequest) -> String {
        let body = request.body.replace('\n', "\r\n");
        let now = body.replace(DATE_TIME, &self.time.to_string());
        now.replace(EXPIRATION, &(self.time + 60).to_string())
    }

    /// Sends the request as its document prints it, byte for byte.
    fn send(&self, request: &DocumentedRequest, body: &str) -> Value {
        let length = body.len();
        if let Some(printed) = request.content_length {
            assert_eq!(length, printed, "{}: the printed length", request.name);
        }
        let kind = if request.name.starts_with("publisher") {
            "application/x-www-form-urlencoded"
        } else {
            "application/json"
        };
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: sub.domain.tld\r\nConnection: close\r\nUser-agent: KSPS\r\nContent-type: {kind}\r\n\
             Content-length: {length}\r\nAuthorization: {PRINTED_LOGIN}\r\n\r\n",
            request.path
        );
        let mut client = Client::connect(self.stage.gateway.address);
        client.raw(format!("{head}{body}").as_bytes()).unwrap();
        let response = client.read().unwrap();
        assert_eq!(response.status, 200, "{}", request.name);
        assert!(client.read().is_err(), "{}: the connection stays open after Connection: close", request.name);
        let answer = response.json();
        let asked: Value = serde_json::from_str(&body.replace(",\r\n\t}", "\r\n\t}")).unwrap();
        assert_eq!(answer["command"], asked["command"], "{}", request.name);
        // Of a code that is asked for, the reference says which it is; its id is only repeated for sends.
        let is_otp = !asked["data"]["reference"].is_null();
        let repeated: &[&str] =
            if is_otp { &["date_time", "receiver", "reference"] } else { &["date_time", "receiver", "id"] };
        if response_code(&answer) != "1402" {
            for field in repeated.iter().filter(|field| !asked["data"][**field].is_null()) {
                assert_eq!(answer["data"][field], asked["data"][field], "{}: {field} in {answer}", request.name);
            }
        }
        answer
    }

    fn expect(&self, request: &DocumentedRequest, code: &str) -> Value {
        let answer = self.send(request, &self.body(request));
        assert_eq!(answer["response_code"], code, "{} → {answer}", request.name);
        answer
    }

    /// Sends the request and waits for the SMS that it makes.
    fn expect_sms(&self, request: &DocumentedRequest) -> String {
        let before = self.stage.emulator.transmissions().len();
        self.expect(request, "000");
        let sent = self.stage.emulator.wait_for_transmissions(before + 1);
        sent.last().unwrap()["text"].as_str().unwrap().to_owned()
    }

    fn is_blocked(&self, receiver: &Value) -> bool {
        let before = self.stage.emulator.transmissions().len();
        let answer = self.stage.ask("send-sms", json!({"receiver": receiver, "message": "may this go?"}));
        if response_code(&answer) == "1301" {
            return true;
        }
        self.stage.emulator.wait_for_transmissions(before + 1);
        false
    }

    /// Plays one request and looks at what it does.
    fn play(&self, request: &DocumentedRequest, what: &str) {
        let body: Value = serde_json::from_str(&self.body(request).replace(",\r\n\t}", "\r\n\t}")).unwrap();
        match what {
            "create-otp" | "request-otp" | "request-otp-without-params" => {
                let text = self.expect_sms(request);
                self.code.replace(code_in(&text, 6));
                let template = body["data"]["message"].as_str().unwrap();
                assert_eq!(text, template.replace("%s", &self.code.borrow()), "{}", request.name);
            }
            "validate-otp" | "verify-otp" => {
                self.expect(request, "1202");
                let printed = body["data"]["otp"].as_str().unwrap();
                let right = self.body(request).replacen(printed, &self.code.borrow(), 1);
                assert_eq!(response_code(&self.send(request, &right)), "000", "{}", request.name);
                assert_eq!(response_code(&self.send(request, &right)), "1202", "{}: a code works once", request.name);
            }
            "send-sms" | "send-message" => {
                assert_eq!(self.expect_sms(request), body["data"]["message"], "{}", request.name);
            }
            "send-email" => drop(self.expect(request, "1102")),
            "block-msisdn" => {
                self.expect(request, "000");
                assert!(self.is_blocked(&body["data"]["receiver"]), "{}", request.name);
            }
            "unblock-msisdn" => {
                self.expect(request, "000");
                assert!(!self.is_blocked(&body["data"]["receiver"]), "{}", request.name);
            }
            "get-modem-list" | "get-modem-list-delay" => {
                let answer = self.expect(request, "000");
                assert!(answer["data"]["modem_list"]["m0"].is_object(), "{answer}");
            }
            // Its modem is the publisher's own.
            "request-ussd" => drop(self.expect(request, "1401")),
            "set-gpio-value" => drop(self.expect(request, "1402")),
            other => panic!("{other} is documented, but nobody says what it must do"),
        }
    }
}

/// Plays the requests whose name begins with `source`, those without parameters last: they use a reference again.
fn play(source: &str, count: usize) {
    let player = Player::new();
    let of_source = |request: &&DocumentedRequest| request.name.starts_with(source);
    let mut requests: Vec<_> = DOCUMENTED_REQUESTS.iter().filter(of_source).collect();
    requests.sort_by_key(|request| request.name.ends_with("without-params"));
    assert_eq!(requests.len(), count, "{source}");
    for request in requests {
        player.play(request, request.name.strip_prefix(source).unwrap().trim_start_matches('-'));
    }
}

#[test]
fn the_requests_of_the_indonesian_readme_work_as_printed() {
    play("2021-08-18", 4);
}

#[test]
fn the_requests_of_the_readme_of_2021_09_23_work_as_printed() {
    play("2021-09-23", 6);
}

#[test]
fn the_requests_of_the_readme_of_2021_09_26_work_as_printed() {
    play("2021-09-26", 6);
}

#[test]
fn the_shapes_of_the_php_publisher_work() {
    play("publisher", 12);
}

#[test]
fn the_requests_of_the_postman_collection_work() {
    play("postman", 2);
}

#[test]
fn every_documented_request_is_played_by_one_of_the_tests_here() {
    let sources = ["2021-08-18", "2021-09-23", "2021-09-26", "publisher", "postman"];
    let orphan =
        DOCUMENTED_REQUESTS.iter().find(|request| !sources.iter().any(|source| request.name.starts_with(source)));
    assert_eq!(orphan.map(|request| request.name), None);
    assert_eq!(PRINTED_LOGIN, authorization("user", "password"));
}

#[test]
fn a_printed_answer_has_the_printed_fields_and_types() {
    let player = Player::new();
    let request = DOCUMENTED_REQUESTS.iter().find(|request| request.name == "2021-09-26-create-otp").unwrap();
    let answer = player.send(request, &player.body(request));
    let expected = json!({
        "command": "create-otp",
        "response_code": "000",
        "data": {"date_time": player.time, "receiver": "08126666666", "reference": "12345678901234567890"},
    });
    assert_eq!(answer, expected);
}
