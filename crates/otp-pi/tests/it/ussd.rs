//! USSD from outside: over REST, from the shell, and the balances that are asked by themselves.

mod balance;
mod shell;

use serde_json::{Value, json};

use crate::harness::{Emulator, Gateway, PASSWORD, Setup, USER, authorization, wait_for};

/// A gateway with one emulated modem that a script plays.
struct Stage {
    gateway: Gateway,
    emulator: Emulator,
}

impl Stage {
    fn new(script: &str, change: impl FnOnce(&mut Setup)) -> Self {
        let emulator = Emulator::with_script(script, &[]);
        let mut setup = Setup::with(&emulator);
        change(&mut setup);
        let gateway = setup.start();
        gateway.wait_for_modems(1);
        Self { gateway, emulator }
    }

    fn well() -> Self {
        Self::new("", |_| {})
    }

    /// What is answered to `request-ussd` with these members beside the modem.
    fn ask(&self, data: Value) -> Value {
        ask(&self.gateway, data)
    }

    /// Sends an SMS and waits until it went out.
    fn sends(&self, text: &str) {
        let sent = self.gateway.ask("send-sms", json!({"receiver": "08126666666", "message": text}));
        assert_eq!(sent["response_code"], "000", "{sent}");
        assert_eq!(self.emulator.text_with(text), text);
    }
}

fn ask(gateway: &Gateway, mut data: Value) -> Value {
    data["modem_id"] = json!("m0");
    gateway.ask("request-ussd", data)
}

/// The response code, the content, and whether a reply is awaited.
fn brief(answer: &Value) -> (String, String, bool) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (
        text(&answer["response_code"]),
        text(&answer["data"]["ussd_content"]),
        answer["data"]["replyable"].as_bool().unwrap_or_default(),
    )
}

fn said(code: &str, content: &str, is_open: bool) -> (String, String, bool) {
    (code.to_owned(), content.to_owned(), is_open)
}

/// Asserts the response code and that the error says so.
fn assert_refused(answer: &Value, code: &str, words: &str) {
    assert_eq!(answer["response_code"], code, "{answer}");
    assert!(answer["error"].as_str().unwrap_or_default().contains(words), "{words:?} in {answer}");
}

#[test]
fn a_code_and_a_menu_are_asked_over_rest_and_sms_go_on() {
    let stage = Stage::well();
    let answer = stage.ask(json!({"ussd_code": "*888#", "date_time": 5}));
    assert_eq!(brief(&answer), said("000", "Sisa pulsa Anda Rp10000", false), "{answer}");
    assert_eq!(answer["data"]["ussd_content_raw"], "+CUSD: 0,\"Sisa pulsa Anda Rp10000\",15");
    assert_eq!(answer["data"]["date_time"], 5);
    assert_eq!(brief(&stage.ask(json!({"ussd_code": "*123#"}))), said("000", "1 Pulsa 2 Nomor", true));
    let number = said("000", "Nomor Anda 6281100000001", false);
    assert_eq!(brief(&stage.ask(json!({"reply": "2"}))), number);
    // A client that knows nothing of replies gives the choice as the code.
    assert_eq!(brief(&stage.ask(json!({"ussd_code": "*123#"}))), said("000", "1 Pulsa 2 Nomor", true));
    assert_eq!(brief(&stage.ask(json!({"ussd_code": 2}))), number);
    assert_refused(&stage.ask(json!({"reply": "2"})), "1102", "the dialogue is over");
    assert_refused(&stage.ask(json!({"ussd_code": "2"})), "1401", "this would be a call");
    stage.sends("after the menu");
}

#[test]
fn a_menu_belongs_to_who_began_it_and_ends_with_cancel_or_another_code() {
    let stage = Stage::new("", |setup| {
        setup.more = "[[api_user]]\nusername = \"other\"\npassword = \"password2\"\n".to_owned();
    });
    let menu = said("000", "1 Pulsa 2 Nomor", true);
    assert_eq!(brief(&stage.ask(json!({"ussd_code": "*123#"}))), menu);
    let body = json!({"command": "request-ussd", "data": {"modem_id": "m0", "reply": "2"}}).to_string();
    let login = authorization("other", "password2");
    let mut client = stage.gateway.connect();
    let answer = client.request("POST", "/api/otp", Some(&login), body.as_bytes()).unwrap().json();
    assert_refused(&answer, "1102", "the dialogue is over");
    // Another code ends it and begins anew; the first is not waited for.
    assert_eq!(brief(&stage.ask(json!({"ussd_code": "*888#"}))), said("000", "Sisa pulsa Anda Rp10000", false));
    assert_eq!(brief(&stage.ask(json!({"ussd_code": "*123#"}))), menu);
    assert_eq!(brief(&stage.ask(json!({"cancel": true}))), said("000", "", false));
    assert_refused(&stage.ask(json!({"reply": "1"})), "1102", "the dialogue is over");
    stage.sends("after the cancellation");
}

#[test]
fn messages_do_not_wait_for_a_person_who_went_away() {
    let stage = Stage::new("", |setup| setup.modem = "ussd_idle = \"300ms\"".to_owned());
    assert!(brief(&stage.ask(json!({"ussd_code": "*123#"}))).2);
    stage.sends("nobody replied");
    assert_refused(&stage.ask(json!({"reply": "2"})), "1102", "no reply came in time");
}

#[test]
fn what_may_not_be_asked_is_refused_and_nothing_reaches_the_line() {
    let stage = Stage::new("", |setup| {
        setup.log = "trace";
        setup.more = "scopes = [\"modems\"]\n[[api_user]]\nusername = \"asker\"\npassword = \"password2\"\n".to_owned();
    });
    assert_refused(&stage.ask(json!({"ussd_code": "*888#"})), "1404", "request-ussd");
    let login = authorization("asker", "password2");
    let ask = |data: Value| {
        let body = json!({"command": "request-ussd", "data": data}).to_string();
        stage.gateway.connect().request("POST", "/api/otp", Some(&login), body.as_bytes()).unwrap().json()
    };
    for (data, code, words) in [
        (json!({"ussd_code": "*888#"}), "1401", "data.modem_id is missing"),
        (json!({"modem_id": "m7", "ussd_code": "*888#"}), "1401", "no modem of this gateway"),
        (json!({"modem_id": "m0"}), "1401", "data.ussd_code is missing"),
        (json!({"modem_id": "m0", "ussd_code": "*888#", "reply": "1"}), "1401", "one of them at a time"),
        (json!({"modem_id": "m0", "ussd_code": "*888#", "cancel": true}), "1401", "one of them at a time"),
        (json!({"modem_id": "m0", "ussd_code": "08123456789"}), "1401", "this would be a call"),
        (json!({"modem_id": "m0", "ussd_code": "*888\"#"}), "1401", "only digits"),
        (json!({"modem_id": "m0", "ussd_code": "*888\r#"}), "1401", "only digits"),
        (json!({"modem_id": "m0", "ussd_code": "*1#".repeat(30)}), "1401", "at most 64"),
        (json!({"modem_id": "m0", "ussd_code": "**04*9876#"}), "1401", "it changes a PIN"),
        (json!({"modem_id": "m0", "ussd_code": "**05*98769876*1*1#"}), "1401", "tries a PUK"),
        (json!({"modem_id": "m0", "ussd_code": "**21*9876#"}), "1401", "forwards this SIM's calls"),
        (json!({"modem_id": "m0", "ussd_code": "*33*9876#"}), "1401", "it bars calls"),
        (json!({"modem_id": "m0", "ussd_code": "*#06#"}), "1401", "modem check"),
        (json!({"modem_id": "m0", "reply": "**04*9876#"}), "1401", "it changes a PIN"),
        (json!({"modem_id": "m0", "reply": "1\u{1a}"}), "1401", "one line"),
        (json!({"modem_id": "m0", "ussd_code": ["*888#"]}), "1401", "must be text"),
    ] {
        let answer = ask(data.clone());
        assert_refused(&answer, code, words);
        assert!(!answer.to_string().contains("9876"), "{data} is repeated: {answer}");
    }
    assert!(!stage.gateway.log().contains("AT+CUSD"));
    assert_eq!(brief(&ask(json!({"modem_id": "m0", "ussd_code": "*888#"}))).0, "000");
    assert!(stage.gateway.log().contains("AT+CUSD"), "the log would have shown it");
}

#[test]
fn a_modem_that_is_not_for_the_api_or_not_ready_is_1101() {
    let stage = Stage::new("", |setup| {
        setup.more = "[[modem]]\nname = \"kept\"\nport = \"/nowhere/kept\"\nsend_from_api = false\n\
                      [[modem]]\nname = \"absent\"\nport = \"/nowhere/absent\"\n"
            .to_owned();
    });
    for (modem, words) in [("kept", "may not be used for the API"), ("absent", "cannot ask the network")] {
        let answer = stage.gateway.ask("request-ussd", json!({"modem_id": modem, "ussd_code": "*888#"}));
        assert_refused(&answer, "1101", words);
    }
}

#[test]
fn a_network_that_is_silent_refuses_or_knows_nothing_is_1102_with_the_reason() {
    let script = "[[ussd]]\ndial = \"*9#\"\nsilent = true\n\n[[ussd]]\ndial = \"*8#\"\nstatus = 5\n\n\
                  [[ussd]]\ndial = \"*7#\"\nstatus = 2\n\n[[ussd]]\ndial = \"*6#\"\nraw = \"+CUSD: 0,Saldo\"\n\n\
                  [[ussd]]\ndial = \"*5#\"\nanswer = \"Баланс\"\ncoding = \"ucs2\"\n\n\
                  [[ussd]]\ndial = \"*4#\"\nanswer = \"Haló\"\ncoding = \"octets\"\n\n\
                  [[fault]]\nwhen = 'AT+CUSD=1,\"*3#\"'\naction = { cme_error = 30 }\n\n\
                  [[fault]]\nwhen = 'AT+CUSD=1,\"AA8D01\"'\naction = \"error\"\n";
    let stage = Stage::new(script, |setup| setup.modem = "ussd_timeout = \"300ms\"".to_owned());
    for (code, words) in [
        ("*9#", "no answer in time"),
        ("*8#", "took too long"),
        ("*7#", "ended the dialogue without an answer"),
        ("*77#", "does not know this code"),
    ] {
        assert_refused(&stage.ask(json!({"ussd_code": code})), "1102", words);
    }
    for (code, content) in [("*6#", "Saldo"), ("*5#", "Баланс"), ("*4#", "Haló")] {
        assert_eq!(brief(&stage.ask(json!({"ussd_code": code}))), said("000", content, false), "{code}");
    }
    stage.sends("after all that");
}

#[test]
fn every_form_that_a_modem_wants_is_found() {
    for form in ["ucs2", "packed"] {
        let stage = Stage::new(&format!("[[modem]]\nussd_form = \"{form}\"\n"), |_| {});
        assert_eq!(brief(&stage.ask(json!({"ussd_code": "*123#"}))), said("000", "1 Pulsa 2 Nomor", true), "{form}");
        assert_eq!(brief(&stage.ask(json!({"reply": "1"}))), said("000", "Sisa pulsa Anda Rp10000", false), "{form}");
        stage.sends("afterwards");
    }
}

#[test]
fn a_client_that_goes_away_keeps_the_modem_no_longer_than_the_network_and_the_menu_may_take() {
    let script = "[[ussd]]\ndial = \"*9#\"\nsilent = true\n";
    let stage = Stage::new(script, |setup| {
        setup.log = "trace";
        setup.modem = "ussd_timeout = \"500ms\"\nussd_idle = \"500ms\"".to_owned();
    });
    for (count, code) in ["*9#", "*123#"].into_iter().enumerate() {
        let body = json!({"command": "request-ussd", "data": {"modem_id": "m0", "ussd_code": code}}).to_string();
        let (login, length) = (authorization(USER, PASSWORD), body.len());
        let head =
            format!("POST /api/otp HTTP/1.1\r\nHost: g\r\nAuthorization: {login}\r\nContent-Length: {length}\r\n\r\n");
        let mut client = stage.gateway.connect();
        client.raw(format!("{head}{body}").as_bytes()).unwrap();
        let asked = || stage.gateway.log().matches("> AT+CUSD=…").count();
        wait_for("the code on the line", || (asked() == count + 1).then_some(()));
        drop(client);
        stage.sends(&format!("the modem is free {count}"));
        assert_eq!(stage.gateway.log().matches("> AT+CUSD=2").count(), count + 1);
    }
}

#[test]
fn a_modem_that_sends_is_asked_between_two_messages() {
    let emulator = Emulator::start(1, &["--air-time", "300ms"]);
    let gateway = Setup::with(&emulator).start();
    gateway.wait_for_modems(1);
    for number in 0..6 {
        gateway.ask("send-sms", json!({"receiver": "08126666666", "message": format!("number {number}")}));
    }
    let answer = ask(&gateway, json!({"ussd_code": "*888#"}));
    assert_eq!(brief(&answer), said("000", "Sisa pulsa Anda Rp10000", false), "{answer}");
    assert!(emulator.transmissions().len() < 6, "it went before some of them");
    emulator.text_with("number 5");
    assert_eq!((0..6).map(|number| emulator.count(&format!("number {number}"))).max(), Some(1));
}

#[test]
fn a_cable_that_is_pulled_and_a_modem_that_restarts_are_told_and_sms_go_on() {
    let script = "[[fault]]\nwhen = \"AT+CUSD=1\"\nnth = 1\naction = { unplug = \"after_result\" }\nreplug_after = \"200ms\"\n\n\
                  [[fault]]\nwhen = \"AT+CUSD=1\"\nnth = 2\nat = \"after_result\"\naction = \"reset\"\n";
    let stage = Stage::new(script, |_| {});
    for _ in 0..2 {
        let answer = stage.ask(json!({"ussd_code": "*888#"}));
        assert_refused(&answer, "1102", "cut off");
        assert_refused(&answer, "1102", "may have been done");
        stage.sends("after the fault");
        stage.gateway.wait_for_modems(1);
    }
    assert_eq!(brief(&stage.ask(json!({"ussd_code": "*888#"}))).0, "000");
}

#[test]
fn a_restart_of_the_gateway_ends_an_open_menu() {
    let mut stage = Stage::well();
    assert!(brief(&stage.ask(json!({"ussd_code": "*123#"}))).2);
    assert_eq!(stage.gateway.terminate(), Some(0));
    let setup = Setup::with(&stage.emulator);
    stage.gateway = setup.start();
    stage.gateway.wait_for_modems(1);
    assert_refused(&stage.ask(json!({"reply": "2"})), "1102", "the dialogue is over");
    stage.sends("after the restart");
}

#[test]
fn no_code_reply_or_answer_is_in_the_log_the_record_or_the_data() {
    let script = "[[ussd]]\ndial = \"*123*98765432109876#\"\nanswer = \"Rahasia777 saldo Rp54321\"\nmenu = true\n\n\
                  [[ussd]]\ndial = \"*123*98765432109876# 5556667778\"\nanswer = \"Rahasia888\"\n";
    let stage = Stage::new(script, |setup| {
        setup.log = "trace";
        setup.modem =
            "balance_code = \"*123*98765432109876#\"\nbalance_replies = []\nbalance_pattern = 'Rp([0-9]+)'".to_owned();
    });
    assert!(brief(&stage.ask(json!({"ussd_code": "*123*98765432109876#"}))).2);
    assert_eq!(brief(&stage.ask(json!({"reply": "5556667778"}))), said("000", "Rahasia888", false));
    stage.gateway.operate(&["ussd", "m0", "*123*98765432109876#", "--reply", "5556667778"]).told();
    stage.gateway.operate(&["modem", "balance", "m0"]).told();
    let audit = stage.gateway.operate(&["audit", "list", "--json"]).told().to_owned();
    assert!(audit.contains("ussd-by-hand"), "{audit}");
    let log = stage.gateway.log();
    assert!(log.contains("+CUSD: …") && log.contains("an API user asks over USSD"), "the trace is part of the run");
    let mut gateway = stage.gateway;
    assert_eq!(gateway.terminate(), Some(0));
    let mut texts = vec![log, gateway.log(), audit.replace("*123*98765432109876#", "(the setting itself)")];
    for entry in std::fs::read_dir(gateway.dir().join("data")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        texts.push(String::from_utf8_lossy(&bytes).replace("*123*98765432109876#", "(the setting itself)"));
    }
    for text in texts {
        for secret in ["98765432109876", "5556667778", "Rahasia777", "Rahasia888", "54321"] {
            assert!(!text.contains(secret), "{secret} is told");
        }
    }
}
