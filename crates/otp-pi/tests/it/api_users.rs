//! API users: what each may do, from where, by which password, until when.

mod changes;
mod secrets;

use std::fs;

use domain::command::Scope;
use serde_json::json;

use crate::harness::{Client, Gateway, Setup, authorization, operate};
use crate::operator::Place as _;

const ECHO: &[u8] = br#"{"command":"echo","data":{}}"#;
const FORM: &str = "application/x-www-form-urlencoded";
const PHONE: &str = "08126666666";

/// One more API user in the file, with the password `geheim`.
fn api_user(username: &str, keys: &str) -> String {
    format!("[[api_user]]\nusername = {username:?}\npassword = \"geheim\"\n{keys}\n")
}

/// The status of an echo with this login.
fn status_on(client: &mut Client, user: &str, password: &str) -> u16 {
    client.request("POST", "/api/otp", Some(&authorization(user, password)), ECHO).unwrap().status
}

fn status(gateway: &Gateway, user: &str, password: &str) -> u16 {
    status_on(&mut gateway.connect(), user, password)
}

/// Asks a small dialect.
fn ask_simple(client: &mut Client, path: &str, login: Option<&str>, content_type: &str, more: &str, body: &str) -> u16 {
    let login = login.map(|login| format!("Authorization: {login}\r\n")).unwrap_or_default();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: g\r\n{login}Content-Type: {content_type}\r\n{more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    client.raw(request.as_bytes()).unwrap();
    client.read().unwrap().status
}

// --- scopes -------------------------------------------------------------------------------------------------------

#[test]
fn every_scope_opens_its_own_commands_at_every_entrance_and_no_others() {
    let code = json!({"reference": "r", "receiver": PHONE, "message": "%s", "otp": "123456"});
    let send = |receiver: &str| json!({"receiver": receiver, "message": "x"});
    let commands = [
        ("create-otp", code.clone(), Some(Scope::Otp)),
        ("request-otp", code.clone(), Some(Scope::Otp)),
        ("validate-otp", code.clone(), Some(Scope::Otp)),
        ("verify-otp", code.clone(), Some(Scope::Otp)),
        ("cancel-otp", code, Some(Scope::Otp)),
        ("send-sms", send(PHONE), Some(Scope::Sms)),
        ("send-message", send(PHONE), Some(Scope::Sms)),
        ("send-email", send(PHONE), Some(Scope::Sms)),
        ("send-sms", send("a@example.org"), Some(Scope::Email)),
        ("send-message", send("a@example.org"), Some(Scope::Email)),
        ("send-email", send("a@example.org"), Some(Scope::Email)),
        ("send-mail", send("a@example.org"), Some(Scope::Email)),
        ("block-msisdn", json!({"receiver": "0812777777"}), Some(Scope::Block)),
        ("unblock-msisdn", json!({"receiver": "0812777777"}), Some(Scope::Block)),
        ("get-modem-list", json!({}), Some(Scope::Modems)),
        ("get-status", json!({"id": "nothing"}), None),
        ("echo", json!({}), None),
    ];
    let simple = [
        ("/send_otp", "application/json", format!("{{\"phone\":\"{PHONE}\"}}")),
        ("/verify_otp", "application/json", format!("{{\"phone\":\"{PHONE}\",\"otp\":\"123456\"}}")),
        ("/generate_otp", FORM, format!("phone_number={PHONE}")),
        ("/verify_otp", FORM, format!("phone_number={PHONE}&otp=123456")),
        ("/validate_otp", FORM, format!("phone_number={PHONE}")),
    ];
    let mut setup = Setup::without_modems();
    setup.more = api_user("none", "scopes = []");
    for scope in Scope::ALL {
        setup.more += &api_user(scope.as_str(), &format!("scopes = [{:?}]", scope.as_str()));
    }
    let gateway = setup.start();
    let mut client = gateway.connect();
    for scope in Scope::ALL.into_iter().map(Some).chain([None]) {
        let name = scope.map_or("none", Scope::as_str);
        let login = authorization(name, "geheim");
        // The path never selects the command: each is asked at all of them in turn.
        let paths = ["/api/otp", "/api/message", "/api/sms", "/api/email", "/api/block", "/api/unblock"];
        for ((command, data, needed), path) in commands.iter().zip(paths.iter().cycle()) {
            let body = json!({"command": command, "data": data}).to_string();
            let answer = client.request("POST", path, Some(&login), body.as_bytes()).unwrap().json();
            let is_refused = answer["response_code"] == "1404";
            assert_eq!(is_refused, needed.is_some() && *needed != scope, "{name}: {command} {data}: {answer}");
        }
        for (path, content_type, body) in &simple {
            let status = ask_simple(&mut client, path, Some(&login), content_type, "", body);
            assert!(status != 401 && (status == 403) == (scope != Some(Scope::Otp)), "{name}: {path} {body}: {status}");
        }
    }
}

// --- networks -----------------------------------------------------------------------------------------------------

/// A response without what differs by time.
fn answer_of(gateway: &Gateway, user: &str, password: &str, more: &str) -> (String, Vec<u8>) {
    let mut client = gateway.connect();
    let login = authorization(user, password);
    let head =
        format!("POST /api/otp HTTP/1.1\r\nHost: g\r\nAuthorization: {login}\r\n{more}Content-Length: 0\r\n\r\n");
    client.raw(head.as_bytes()).unwrap();
    let response = client.read().unwrap();
    let head = response.head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("date:"));
    (head.collect::<Vec<_>>().join("\n"), response.body)
}

#[test]
fn a_right_login_from_elsewhere_is_answered_as_a_wrong_one_and_its_owner_is_told_once() {
    let mut setup = Setup::without_modems();
    setup.more = api_user("far", "networks = [\"10.0.0.0/8\", \"2001:db8::/32\"]");
    let gateway = setup.start();
    let wrong = answer_of(&gateway, "far", "wrong", "");
    assert!(wrong.0.contains(" 401 ") && !gateway.log().contains("networks"), "{wrong:?}");
    for more in ["", "", "X-Forwarded-For: 10.0.0.1\r\n", "Forwarded: for=10.0.0.1\r\nX-Real-IP: 10.0.0.1\r\n"] {
        assert_eq!(answer_of(&gateway, "far", "geheim", more), wrong, "{more}");
    }
    let log = gateway.log();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("outside the networks")).collect();
    assert!(told.len() == 1 && told[0].contains("far") && told[0].contains("api.peer=127.0.0.1"), "{told:?}");
    assert!(!log.contains("geheim"));
}

#[test]
fn networks_count_for_kept_logins_and_open_connections_as_soon_as_they_are_set() {
    let gateway = Setup::without_modems().start();
    let password = gateway.json(&["api-user", "add", "app", "--network", "127.0.0.0/8,::1"])["password"].clone();
    let password = password.as_str().unwrap();
    let mut client = gateway.connect();
    let mut status = || status_on(&mut client, "app", password);
    assert_eq!((status(), status()), (200, 200));
    for (networks, expected) in [("10.0.0.0/8", 401), ("10.0.0.0/8,127.0.0.1", 200), ("::/0", 401), ("[]", 200)] {
        gateway.operate(&["settings", "set", "api_user.app.networks", networks]).told();
        assert_eq!(status(), expected, "{networks}");
    }
    let refused = gateway.operate(&["settings", "set", "api_user.app.networks", "10.0.0.1/8"]);
    assert!(refused.refused().contains("the network is 10.0.0.0/8"), "{refused:?}");
    let refused = gateway.operate(&["api-user", "add", "b", "--network", "office"]);
    assert!(refused.refused().contains("it does not begin with an IP address"), "{refused:?}");
}

#[test]
fn who_needs_no_login_must_be_in_the_networks_of_the_user_in_whose_name_he_acts() {
    let mut setup = Setup::without_modems();
    setup.api = "simple_otp_open = [\"127.0.0.0/8\"]\nsimple_otp_user = \"door\"".to_owned();
    let gateway = {
        setup.more = api_user("door", "networks = [\"10.0.0.0/8\"]");
        setup.start()
    };
    assert!(gateway.log().contains("nobody from 127.0.0.0/8 gets in"), "{}", gateway.log());
    let mut client = gateway.connect();
    let mut ask = || ask_simple(&mut client, "/validate_otp", None, FORM, "", &format!("phone_number={PHONE}"));
    assert_eq!(ask(), 401);
    setup.more = api_user("door", "networks = [\"127.0.0.1\"]");
    gateway.reload_as(&setup);
    assert_eq!(ask(), 404, "there is no code");
    setup.more = api_user("door", "networks = [\"127.0.0.2\"]");
    gateway.reload_as(&setup);
    assert_eq!(ask(), 401);
}

#[test]
fn check_config_names_the_network_that_is_none_and_the_fix() {
    let gateway = Setup::without_modems().start();
    let mut setup = Setup::without_modems();
    setup.more = api_user("far", "networks = [\"10.0.0.1/8\"]");
    gateway.rewrite(&setup);
    let said = operate(gateway.dir(), &["check-config"]);
    let text = fs::read_to_string(gateway.dir().join("otp-pi.toml")).unwrap();
    let line = 1 + text.lines().position(|line| line.starts_with("networks")).unwrap();
    for part in
        [&format!("line {line}: api_user[1].networks") as &str, "the network is 10.0.0.0/8", "fix: write networks"]
    {
        assert!(said.refused().contains(part), "{part}: {said:?}");
    }
}
