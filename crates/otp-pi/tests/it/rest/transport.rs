//! HTTP itself: logins, paths, methods, bodies that are too long, too slow, chunked or in pieces.

use serde_json::json;

use super::{PHONE, Stage, response_code};
use crate::harness::{Client, PASSWORD, Response, Setup, USER, authorization};

const ECHO: &str = r#"{"command":"echo","data":{}}"#;

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    let field = |line: &'a str| line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name));
    response.head.lines().find_map(field).map(|(_, value)| value.trim())
}

#[test]
fn without_a_valid_login_the_answer_is_401_with_a_challenge() {
    let gateway = Setup::without_modems().start();
    for login in [
        None,
        Some(authorization(USER, "wrong")),
        Some(authorization(USER, "")),
        Some(authorization("nobody", "")),
        Some(authorization("nobody", PASSWORD)),
        Some(authorization("", "")),
        Some(format!("Bearer {PASSWORD}")),
        Some("Basic not-base64!".to_owned()),
        Some("Basic".to_owned()),
    ] {
        let answer = gateway.connect().request("POST", "/api/otp", login.as_deref(), ECHO.as_bytes()).unwrap();
        assert_eq!(answer.status, 401, "{login:?}");
        assert!(
            header(&answer, "WWW-Authenticate").is_some_and(|value| value.starts_with("Basic realm=")),
            "{}",
            answer.head
        );
        assert!(answer.json()["response_code"].is_null());
    }
    assert_eq!(response_code(&gateway.ask("echo", json!({}))), "000");
}

#[test]
fn a_password_may_hold_colons_and_the_scheme_any_case() {
    let mut setup = Setup::without_modems();
    setup.more = "[[api_user]]\nusername = \"colon\"\npassword = \"a:b:ü\"\n".to_owned();
    let gateway = setup.start();
    let login = authorization("colon", "a:b:ü").replace("Basic", "bAsIc");
    let answer = gateway.connect().request("POST", "/api/otp", Some(&login), ECHO.as_bytes()).unwrap();
    assert_eq!(answer.status, 200);
}

#[test]
fn a_path_that_is_not_configured_is_404_and_a_method_that_is_none_405() {
    let gateway = Setup::without_modems().start();
    let login = authorization(USER, PASSWORD);
    let mut client = gateway.connect();
    for path in ["/", "/api", "/api/otpx", "/api/otp/x", "/send_otps", "/../etc/passwd", "/api/../api/otp"] {
        assert_eq!(client.request("POST", path, Some(&login), ECHO.as_bytes()).unwrap().status, 404, "{path}");
    }
    for method in ["GET", "DELETE", "OPTIONS", "PATCH", "BREW"] {
        let answer = client.request(method, "/api/otp", Some(&login), b"").unwrap();
        assert_eq!((answer.status, header(&answer, "Allow")), (405, Some("POST, PUT")), "{method}");
    }
    assert_eq!(
        client.request("PUT", "/api/otp", Some(&login), ECHO.as_bytes()).unwrap().json()["response_code"],
        "000"
    );
}

#[test]
fn health_and_readiness_need_no_login() {
    let stage = Stage::new();
    stage.gateway.wait_for_modems(1);
    let get = |path: &str| stage.gateway.connect().request("GET", path, None, b"").unwrap();
    assert_eq!(get("/healthz").status, 200);
    let ready = get("/readyz");
    assert_eq!((ready.status, ready.json()), (200, json!({"ready": true, "degraded": []})));
    let mut setup = Setup::without_modems();
    setup.modems = vec!["/nowhere/at/all".into()];
    let degraded = setup.start().connect().request("GET", "/readyz", None, b"").unwrap();
    assert_eq!(degraded.status, 200, "a missing modem degrades, it does not unready");
    assert!(degraded.json()["degraded"].to_string().contains("m0"), "{}", degraded.json());
}

#[test]
fn a_body_of_64_kib_is_taken_and_one_byte_more_is_413() {
    let gateway = Setup::without_modems().start();
    let body = |length: usize| {
        let frame = r#"{"command":"echo","data":{"a":""}}"#;
        frame.replace("\"\"", &format!("\"{}\"", "x".repeat(length - frame.len())))
    };
    let taken = gateway.connect().post("/api/otp", &body(64 * 1024)).unwrap();
    assert_eq!((taken.status, &taken.json()["response_code"]), (200, &json!("000")));
    let refused = gateway.connect().post("/api/otp", &body(64 * 1024 + 1)).unwrap();
    assert_eq!((refused.status, header(&refused, "Connection")), (413, Some("close")));
    let mut client = gateway.connect();
    let login = authorization(USER, PASSWORD);
    client
        .raw(
            format!(
                "POST /api/otp HTTP/1.1\r\nHost: g\r\nAuthorization: {login}\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            .as_bytes(),
        )
        .unwrap();
    for _ in 0..9 {
        client.raw(format!("2000\r\n{}\r\n", "y".repeat(0x2000)).as_bytes()).unwrap();
    }
    client.raw(b"0\r\n\r\n").unwrap();
    assert_eq!(client.read().unwrap().status, 413, "without a length it is counted");
    assert_eq!(response_code(&gateway.ask("echo", json!({}))), "000");
}

#[test]
fn a_chunked_body_and_one_in_pieces_are_read_whole() {
    let gateway = Setup::without_modems().start();
    let login = authorization(USER, PASSWORD);
    let mut client = gateway.connect();
    let head = format!("POST /api/otp HTTP/1.1\r\nHost: g\r\nAuthorization: {login}\r\n");
    client.raw(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).unwrap();
    let (first, second) = ECHO.split_at(9);
    for part in [first, second] {
        client.raw(format!("{:x}\r\n{part}\r\n", part.len()).as_bytes()).unwrap();
    }
    client.raw(b"0\r\n\r\n").unwrap();
    assert_eq!(client.read().unwrap().json()["response_code"], "000");
    for piece in [&head, &format!("Content-Length: {}\r\n\r\n", ECHO.len()), first, second] {
        client.raw(piece.as_bytes()).unwrap();
    }
    assert_eq!(client.read().unwrap().json()["response_code"], "000");
}

#[test]
fn two_requests_in_one_packet_get_two_answers_in_order() {
    let gateway = Setup::without_modems().start();
    let login = authorization(USER, PASSWORD);
    let request = |command: &str| {
        let body = format!(r#"{{"command":"{command}","data":{{}}}}"#);
        format!(
            "POST /api/otp HTTP/1.1\r\nHost: g\r\nAuthorization: {login}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let mut client = gateway.connect();
    client.raw(format!("{}{}", request("echo"), request("nonsense")).as_bytes()).unwrap();
    assert_eq!(client.read().unwrap().json()["response_code"], "000");
    assert_eq!(client.read().unwrap().json()["response_code"], "1402");
}

#[test]
fn clients_that_stall_cost_a_socket_each_and_hold_up_nobody() {
    let stage = Stage::new();
    let login = authorization(USER, PASSWORD);
    let stalled: Vec<Client> = (0..100)
        .map(|number| {
            let mut client = stage.gateway.connect();
            let head =
                format!("POST /api/otp HTTP/1.1\r\nHost: g\r\nAuthorization: {login}\r\nContent-Length: 500\r\n\r\n");
            let part = if number % 2 == 0 { head.as_str() } else { "POST /api/otp HTTP/1.1\r\nHo" };
            client.raw(part.as_bytes()).unwrap();
            client
        })
        .collect();
    let code = stage.code("meanwhile");
    assert_eq!(stage.validate("meanwhile", &code), "000");
    drop(stalled);
}

#[test]
fn a_client_that_goes_away_in_the_middle_of_its_body_changes_nothing() {
    let stage = Stage::new();
    let login = authorization(USER, PASSWORD);
    let body = format!(r#"{{"command":"send-sms","data":{{"receiver":"{PHONE}","message":"half"}}}}"#);
    let mut client = stage.gateway.connect();
    let head = format!(
        "POST /api/otp HTTP/1.1\r\nHost: g\r\nAuthorization: {login}\r\nContent-Length: {}\r\n\r\n",
        body.len() + 1
    );
    client.raw(format!("{head}{body}").as_bytes()).unwrap();
    drop(client);
    stage.gateway.send_sentinel(&stage.emulator, PHONE, "end");
    assert_eq!(stage.emulator.count("half"), 0);
}

#[test]
fn over_the_cap_a_connection_is_refused_with_503_and_a_time_to_come_again() {
    let mut setup = Setup::without_modems();
    setup.api = "max_connections = 2".to_owned();
    let gateway = setup.start();
    let (mut first, mut second) = (gateway.connect(), gateway.connect());
    assert_eq!(response_code(&first.ask("echo", json!({}))), "000");
    assert_eq!(response_code(&second.ask("echo", json!({}))), "000");
    let refused = gateway.connect().read().unwrap();
    assert_eq!((refused.status, header(&refused, "Retry-After")), (503, Some("1")));
    assert_eq!(response_code(&first.ask("echo", json!({}))), "000", "those inside are not disturbed");
}

#[test]
fn guessing_a_password_is_slowed_down_with_429_but_a_known_login_is_not() {
    let gateway = Setup::without_modems().start();
    assert_eq!(response_code(&gateway.ask("echo", json!({}))), "000");
    let statuses: Vec<_> = (0..30)
        .map(|number| {
            let login = authorization(USER, &format!("guess-{number}"));
            let answer = gateway.connect().request("POST", "/api/otp", Some(&login), ECHO.as_bytes()).unwrap();
            (answer.status, header(&answer, "Retry-After").map(str::to_owned))
        })
        .collect();
    assert_eq!(statuses.first(), Some(&(401, None)));
    let last = statuses.last().unwrap();
    assert!(last.0 == 429 && last.1.is_some(), "{last:?}");
    assert_eq!(response_code(&gateway.ask("echo", json!({}))), "000");
}
