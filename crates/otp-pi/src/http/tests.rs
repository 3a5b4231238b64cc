// long: one server and its helpers; what is hostile, smuggled or of HTTP/2 has files of its own
//! The API over real sockets: what a well-meant request gets, and what a broken, slow or hostile client can not do.

mod authority;
mod certificates;
mod http2;
mod https;
mod smuggling;
mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::clock::{Manual, WallTime};
use domain::command::{Caller, Entrance, ScopeSet};
use domain::message::Class;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::support::TestGateway;
use super::auth::{Auth, KnownUser};
use super::{ApiState, Readiness, Settings, Transport, serve};
use crate::wire::{RenderSettings, SuccessCode};

/// Of the password `password`; cheap to check.
const HASH: &str = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
/// `user:password`, as the documents print it.
const LOGIN: &str = "Authorization: Basic dXNlcjpwYXNzd29yZA==\r\n";
const ECHO: &str = r#"{"command":"echo","data":{"x":1}}"#;
const ECHOED: &str = r#"{"command":"echo","response_code":"000","data":{"x":1}}"#;
/// No test waits longer for anything.
const DEADLINE: Duration = Duration::from_secs(20);
/// A time-out that is meant to strike.
const SOON: Duration = Duration::from_millis(50);

/// A listener under test, before a real gateway without modems.
struct Server {
    _gateway: TestGateway,
    address: SocketAddr,
    stop: CancellationToken,
    running: JoinSet<std::io::Result<()>>,
}

impl Server {
    async fn start(settings: Settings) -> Self {
        Self::start_with(settings, Readiness { ready: true, degraded: Vec::new() }).await
    }

    async fn start_with(settings: Settings, readiness: Readiness) -> Self {
        Self::start_over(Transport::Plain, settings, readiness).await
    }

    async fn start_over(transport: Transport, settings: Settings, readiness: Readiness) -> Self {
        let caller = Caller {
            api_user: "user".to_owned(),
            scopes: ScopeSet::all(),
            default_class: Class::Transactional,
            entrance: Entrance::Rest,
            subscriber: None,
            peer: None,
        };
        let user = KnownUser { caller, password_hash: HASH.to_owned(), previous: None, networks: Vec::new() };
        let clock = Manual::new(WallTime::from_unix_millis(1_629_685_778_000));
        let auth = Auth::start(vec![user], Arc::new(clock)).unwrap();
        let gateway = TestGateway::start().await;
        let state = ApiState::new(gateway.gateway.clone(), auth, settings, move || readiness.clone(), String::new);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let mut running = JoinSet::new();
        running.spawn(serve(listener, transport, Arc::new(state), stop.clone()));
        Self { _gateway: gateway, address, stop, running }
    }

    async fn connect(&self) -> Client {
        Client { stream: TcpStream::connect(self.address).await.unwrap(), unread: Vec::new() }
    }

    /// Connects from another address of this machine.
    async fn connect_from(&self, source: std::net::IpAddr) -> Client {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((source, 0).into()).unwrap();
        Client { stream: socket.connect(self.address).await.unwrap(), unread: Vec::new() }
    }

    /// Sends one request over its own connection.
    async fn ask(&self, request: &str) -> Answer {
        let mut client = self.connect().await;
        client.send(request).await;
        client.answer().await
    }

    /// Waits until the listener has ended after its stop.
    async fn ended(mut self) {
        timeout(DEADLINE, self.running.join_next()).await.unwrap().unwrap().unwrap().unwrap();
    }
}

struct Client<S = TcpStream> {
    stream: S,
    unread: Vec<u8>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let is_named = |line: &&str| line.split(':').next().unwrap().eq_ignore_ascii_case(name);
        self.head.lines().find(is_named).map(|line| line.split_once(':').unwrap().1.trim())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads more bytes; `false` at the end, however it came.
    async fn read_more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let read = timeout(DEADLINE, self.stream.read(&mut buffer)).await.expect("no bytes and no end");
        let count = read.unwrap_or(0);
        self.unread.extend_from_slice(&buffer[..count]);
        count > 0
    }

    async fn answer(&mut self) -> Answer {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.read_more().await, "closed without an answer");
        };
        let head = String::from_utf8(self.unread.drain(..end).collect()).unwrap();
        let mut answer = Answer { status: head.get(9..12).unwrap().parse().unwrap(), head, body: String::new() };
        let length: usize = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        while self.unread.len() < length {
            assert!(self.read_more().await, "closed within an answer");
        }
        answer.body = String::from_utf8(self.unread.drain(..length).collect()).unwrap();
        answer
    }

    /// Reads to the end of the connection and returns what still came.
    async fn end(mut self) -> String {
        while self.read_more().await {}
        String::from_utf8(self.unread).unwrap()
    }
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: sub.domain.tld\r\n{headers}Content-length: {}\r\n\r\n{body}", body.len())
}

fn post(body: &str) -> String {
    request("POST", "/api/otp", LOGIN, body)
}

fn chunked(chunks: &[&str]) -> String {
    let mut text = format!("POST /api/otp HTTP/1.1\r\nHost: h\r\n{LOGIN}Transfer-Encoding: chunked\r\n\r\n");
    for chunk in chunks.iter().chain(&[""]) {
        text += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
    }
    text
}

/// An echo request of exactly `length` bytes.
fn padded(length: usize) -> String {
    let empty = r#"{"command":"echo","data":{"x":""}}"#.len();
    format!(r#"{{"command":"echo","data":{{"x":"{}"}}}}"#, "a".repeat(length - empty))
}

#[tokio::test]
async fn the_command_decides_and_never_the_path() {
    let server = Server::start(Settings::default()).await;
    for path in ["otp", "message", "sms", "email", "block", "unblock", "otp/", "sms/?x=1", "otp?command=send-sms"] {
        for method in ["POST", "PUT"] {
            let answer = server.ask(&request(method, &format!("/api/{path}"), LOGIN, ECHO)).await;
            assert_eq!((answer.status, answer.body.as_str()), (200, ECHOED), "{method} {path}");
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
    }
}

#[tokio::test]
async fn other_paths_are_404_in_json() {
    let server = Server::start(Settings::default()).await;
    for path in ["/", "/api", "/api/otp2", "/api/otp/x", "/API/OTP", "/api//otp", "*", "//"] {
        let answer = server.ask(&request("POST", path, LOGIN, ECHO)).await;
        assert_eq!((answer.status, answer.json()["error"].is_string()), (404, true), "{path}");
    }
}

#[tokio::test]
async fn paths_are_settings() {
    let mut settings = Settings::default();
    settings.paths.block = "/api/blocking/".to_owned();
    let server = Server::start(settings).await;
    assert_eq!(server.ask(&request("POST", "/api/blocking", LOGIN, ECHO)).await.status, 200);
    assert_eq!(server.ask(&request("POST", "/api/block", LOGIN, ECHO)).await.status, 404);
}

#[tokio::test]
async fn any_content_type_and_chunked_bodies_are_taken() {
    let server = Server::start(Settings::default()).await;
    for content_type in ["application/json", "application/x-www-form-urlencoded", "text/plain", "x"] {
        let headers = format!("{LOGIN}Content-Type: {content_type}\r\n");
        assert_eq!(server.ask(&request("POST", "/api/otp", &headers, ECHO)).await.body, ECHOED, "{content_type}");
    }
    let (first, second) = ECHO.split_at(10);
    assert_eq!(server.ask(&chunked(&[first, second])).await.body, ECHOED);
    assert_eq!(server.ask(&chunked(&[ECHO])).await.body, ECHOED);
    assert_eq!(server.ask(&chunked(&[])).await.json()["response_code"], "1403");
}

#[tokio::test]
async fn a_printed_request_is_answered() {
    let body = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/2021-09-26-validate-otp.json"));
    let body = body.replace('\n', "\r\n");
    let printed = format!(
        "POST /api/otp HTTP/1.1\r\nHost: sub.domain.tld\r\nConnection: close\r\nUser-agent: KSPS\r\nContent-type: application/json\r\n\
         Content-length: 274\r\n{LOGIN}\r\n{body}"
    );
    let server = Server::start(Settings::default()).await;
    let answer = server.ask(&printed).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["command"], "validate-otp");
    assert_eq!(
        answer.json()["data"],
        json!({"date_time": 1_629_685_778, "receiver": "08126666666", "reference": "12345678901234567890"})
    );
}

#[tokio::test]
async fn outcomes_are_200_whatever_they_say() {
    let server = Server::start(Settings::default()).await;
    for (body, code) in [
        ("", "1403"),
        ("{\"command\":\"echo\"", "1403"),
        ("command=echo", "1403"),
        (r#"{"command":"dance"}"#, "1402"),
        (r#"{"command":"request-ussd","data":{}}"#, "1401"),
        (r#"{"command":"set-gpio-value","data":{}}"#, "1402"),
        (r#"{"command":"block-msisdn","data":{}}"#, "1401"),
        (r#"{"command":"echo","data":{},}"#, "000"),
    ] {
        let answer = server.ask(&post(body)).await;
        assert_eq!((answer.status, answer.json()["response_code"].as_str()), (200, Some(code)), "{body}");
    }
}

#[tokio::test]
async fn the_way_answers_are_written_is_a_setting() {
    let render = RenderSettings { success_code: SuccessCode::Four, ..RenderSettings::default() };
    let server = Server::start(Settings { render, ..Settings::default() }).await;
    assert_eq!(server.ask(&post(ECHO)).await.json()["response_code"], "0000");
}

#[tokio::test]
async fn without_a_login_it_is_401_before_anything_else() {
    let server = Server::start(Settings { realm: "My \"Pi\"".to_owned(), ..Settings::default() }).await;
    let wrong = "Authorization: Basic dXNlcjp4\r\n";
    for (method, headers) in [("POST", ""), ("GET", ""), ("DELETE", ""), ("POST", wrong), ("PUT", wrong)] {
        let answer = server.ask(&request(method, "/api/otp", headers, ECHO)).await;
        assert_eq!(answer.status, 401, "{method} {headers}");
        assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"My Pi\", charset=\"UTF-8\""));
        assert!(answer.json()["error"].is_string());
    }
}

#[tokio::test]
async fn a_refused_login_leaves_the_connection_usable() {
    let server = Server::start(Settings::default()).await;
    let mut client = server.connect().await;
    client.send(request("POST", "/api/otp", "", &padded(60_000))).await;
    assert_eq!(client.answer().await.status, 401);
    client.send(post(ECHO)).await;
    assert_eq!(client.answer().await.body, ECHOED);
}

#[tokio::test]
async fn too_many_wrong_logins_are_429_with_a_time() {
    let server = Server::start(Settings::default()).await;
    let mut client = server.connect().await;
    for _ in 0..100 {
        client.send(request("POST", "/api/otp", "Authorization: Basic dXNlcjp4\r\n", "")).await;
        let answer = client.answer().await;
        if answer.status == 429 {
            assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
            return;
        }
        assert_eq!(answer.status, 401);
    }
    panic!("never throttled");
}

#[tokio::test]
async fn other_methods_are_405_and_told_which_are_allowed() {
    let server = Server::start(Settings::default()).await;
    for method in ["GET", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        let answer = server.ask(&request(method, "/api/otp", LOGIN, ECHO)).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST, PUT")), "{method}");
    }
    let answer = server.ask(&request("POST", "/healthz", "", "")).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")));
}

#[tokio::test]
async fn health_needs_no_login() {
    let ready =
        Server::start_with(Settings::default(), Readiness { ready: true, degraded: vec!["modem a".to_owned()] }).await;
    let unready = Server::start_with(Settings::default(), Readiness::default()).await;
    let get = |path: &str| request("GET", path, "", "");
    let answer = ready.ask(&get("/readyz")).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"ready": true, "degraded": ["modem a"]})));
    let answer = unready.ask(&get("/readyz")).await;
    assert_eq!((answer.status, answer.json()["ready"].as_bool()), (503, Some(false)));
    assert_eq!(unready.ask(&get("/healthz")).await.status, 200);
}

#[tokio::test]
async fn a_body_may_be_as_long_as_the_limit_and_no_longer() {
    let server = Server::start(Settings::default()).await;
    let limit = Settings::default().body_limit;
    assert_eq!(limit, 65_536);
    let halves = |length: usize| {
        let body = padded(length);
        let (first, second) = body.split_at(length / 2);
        chunked(&[first, second])
    };
    for (request, status) in [
        (post(&padded(limit)), 200),
        (chunked(&[&padded(limit)]), 200),
        (halves(limit), 200),
        (post(&padded(limit + 1)), 413),
        (chunked(&[&padded(limit + 1)]), 413),
        (halves(limit + 1), 413),
        (post(&padded(900_000)), 413),
        (chunked(&[&padded(900_000)]), 413),
    ] {
        let mut client = server.connect().await;
        client.send(&request).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, status, "{} bytes", request.len());
        if status == 413 {
            assert_eq!(answer.header("connection"), Some("close"));
            assert_eq!(client.end().await, "");
        }
    }
}

#[tokio::test]
async fn a_client_that_sends_too_much_may_finish_before_it_is_told() {
    let server = Server::start(Settings::default()).await;
    for request in [post(&padded(200_000)), chunked(&[&padded(70_000), &padded(100_000)])] {
        let mut client = server.connect().await;
        let (first, second) = request.split_at(100_000);
        client.send(first).await;
        assert!(timeout(SOON, client.read_more()).await.is_err(), "answered while the client still sends");
        client.send(second).await;
        assert_eq!(client.answer().await.status, 413);
    }
}

#[tokio::test]
async fn a_client_that_asks_for_leave_is_refused_before_it_sends() {
    let server = Server::start(Settings::default()).await;
    for (headers, length, expected) in [(LOGIN, 70_000, 413), ("", 100, 401), (LOGIN, 33, 100)] {
        let mut client = server.connect().await;
        let head = format!("POST /api/otp HTTP/1.1\r\nHost: h\r\n{headers}Expect: 100-continue\r\n");
        client.send(format!("{head}Content-Length: {length}\r\n\r\n")).await;
        assert_eq!(client.answer().await.status, expected);
        if expected == 100 {
            client.send(ECHO).await;
            assert_eq!(client.answer().await.body, ECHOED);
        }
    }
}

#[tokio::test]
async fn a_huge_declared_length_costs_nothing() {
    let server = Server::start(Settings { body_timeout: SOON, ..Settings::default() }).await;
    let mut client = server.connect().await;
    client.send(format!("POST /api/otp HTTP/1.1\r\nHost: h\r\n{LOGIN}Content-Length: 2000000000\r\n\r\nx")).await;
    assert_eq!(client.answer().await.status, 413);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408_and_others_are_served_meanwhile() {
    let server = Server::start(Settings { body_timeout: SOON, ..Settings::default() }).await;
    let mut stalled = server.connect().await;
    stalled.send(format!("POST /api/otp HTTP/1.1\r\nHost: h\r\n{LOGIN}Content-Length: 100\r\n\r\n{{")).await;
    assert_eq!(server.ask(&post(ECHO)).await.body, ECHOED);
    let answer = stalled.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    assert_eq!(stalled.end().await, "");
}

#[tokio::test]
async fn a_head_that_does_not_end_closes_the_connection() {
    let server = Server::start(Settings { header_timeout: SOON, ..Settings::default() }).await;
    for before in ["", &post(ECHO)] {
        let mut client = server.connect().await;
        client.send(before).await;
        if !before.is_empty() {
            assert_eq!(client.answer().await.body, ECHOED);
        }
        client.send("POST /api/otp HTTP/1.1\r\nHost: h\r\nX-A: ").await;
        let last = client.end().await;
        assert!(last.is_empty() || last.starts_with("HTTP/1.1 408"), "{last}");
    }
}

#[tokio::test]
async fn an_idle_connection_outlives_the_head_limit_but_not_its_own() {
    let server = Server::start(Settings { header_timeout: SOON, ..Settings::default() }).await;
    let mut client = server.connect().await;
    client.send(post(ECHO)).await;
    client.answer().await;
    assert!(timeout(SOON * 6, client.read_more()).await.is_err(), "closed while idle");
    client.send(post(ECHO)).await;
    assert_eq!(client.answer().await.body, ECHOED);

    let server = Server::start(Settings { idle_timeout: SOON, ..Settings::default() }).await;
    let mut client = server.connect().await;
    client.send(post(ECHO)).await;
    client.answer().await;
    assert_eq!(client.end().await, "");
}

#[tokio::test]
async fn a_body_in_pieces_does_not_count_as_a_head() {
    let server = Server::start(Settings { header_timeout: SOON, ..Settings::default() }).await;
    let mut client = server.connect().await;
    let (first, second) = ECHO.split_at(5);
    client.send(request("POST", "/api/otp", LOGIN, ECHO).replace(ECHO, first)).await;
    assert!(timeout(SOON * 3, client.read_more()).await.is_err());
    client.send(second).await;
    assert_eq!(client.answer().await.body, ECHOED);
    assert!(timeout(SOON * 3, client.read_more()).await.is_err(), "closed while idle");
    client.send(post(ECHO)).await;
    assert_eq!(client.answer().await.body, ECHOED);
}

#[tokio::test]
async fn heads_have_a_limit() {
    let server = Server::start(Settings::default()).await;
    for headers in [format!("X-A: {}\r\n", "a".repeat(20_000)), "X-A: a\r\n".repeat(100)] {
        assert_eq!(server.ask(&request("POST", "/api/otp", &headers, ECHO)).await.status, 431);
    }
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let server = Server::start(Settings::default()).await;
    for bytes in ["\u{16}\u{3}\u{1}", "hello\r\n\r\n", "POST /api/otp HTTP/9\r\n\r\n", "\r\n\r\n\0"] {
        let mut client = server.connect().await;
        client.send(bytes).await;
        client.stream.shutdown().await.unwrap();
        let last = client.end().await;
        assert!(last.is_empty() || last.starts_with("HTTP/1.1 400"), "{last}");
    }
    let smuggled =
        format!("POST /api/otp HTTP/1.1\r\nHost: h\r\n{LOGIN}Content-Length: 5\r\nContent-Length: 6\r\n\r\n");
    assert_eq!(server.ask(&smuggled).await.status, 400);
    assert_eq!(server.ask(&post(ECHO)).await.body, ECHOED);
}

#[tokio::test]
async fn one_connection_carries_many_requests_also_ahead_of_their_answers() {
    let server = Server::start(Settings::default()).await;
    let mut client = server.connect().await;
    client.send(post(ECHO).repeat(20)).await;
    for _ in 0..20 {
        assert_eq!(client.answer().await.body, ECHOED);
    }
}

#[tokio::test]
async fn a_client_may_close_its_side_and_still_gets_its_answer() {
    let server = Server::start(Settings::default()).await;
    let mut client = server.connect().await;
    client.send(post(ECHO)).await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.answer().await.body, ECHOED);
}

#[tokio::test]
async fn over_the_cap_it_is_503_until_a_connection_ends() {
    let server = Server::start(Settings { max_connections: 2, ..Settings::default() }).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut client = server.connect().await;
        client.send(post(ECHO)).await;
        client.answer().await;
        held.push(client);
    }
    let refused = server.ask(&post(ECHO)).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(refused.header("connection"), Some("close"));
    assert!(refused.json()["error"].is_string());
    held.pop();
    let room = async { while server.ask(&post(ECHO)).await.status != 200 {} };
    timeout(DEADLINE, room).await.unwrap();
}

#[tokio::test]
async fn an_address_with_all_its_connections_is_refused_and_others_are_not() {
    let server = Server::start(Settings { max_connections_per_address: 2, ..Settings::default() }).await;
    let greedy: std::net::IpAddr = [127, 0, 0, 2].into();
    let (mut first, mut second) = (server.connect_from(greedy).await, server.connect_from(greedy).await);
    for client in [&mut first, &mut second] {
        client.send(post(ECHO)).await;
        assert_eq!(client.answer().await.body, ECHOED);
    }
    let mut third = server.connect_from(greedy).await;
    third.send(post(ECHO)).await;
    let answer = third.answer().await;
    assert_eq!(
        (answer.status, answer.header("retry-after"), answer.header("connection")),
        (503, Some("1"), Some("close"))
    );
    assert_eq!(server.ask(&post(ECHO)).await.body, ECHOED, "another address is not meant");
    drop(first);
    let deadline = tokio::time::Instant::now() + DEADLINE;
    loop {
        let mut again = server.connect_from(greedy).await;
        again.send(post(ECHO)).await;
        if again.answer().await.status == 200 {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "the place is not given back");
    }
}

#[tokio::test]
async fn the_stop_lets_a_request_under_way_end_and_takes_no_more() {
    let server = Server::start(Settings::default()).await;
    let mut idle = server.connect().await;
    idle.send(post(ECHO)).await;
    idle.answer().await;
    let mut under_way = server.connect().await;
    let (first, second) = ECHO.split_at(5);
    under_way
        .send(request("POST", "/api/otp", &format!("{LOGIN}Expect: 100-continue\r\n"), ECHO).replace(ECHO, first))
        .await;
    // Leave to send means that the request has begun.
    assert_eq!(under_way.answer().await.status, 100);
    server.stop.cancel();
    assert_eq!(idle.end().await, "");
    under_way.send(second).await;
    let answer = under_way.answer().await;
    assert_eq!((answer.body.as_str(), answer.header("connection")), (ECHOED, Some("close")));
    let address = server.address;
    server.ended().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn the_stop_does_not_wait_for_a_stalled_client() {
    let server = Server::start(Settings::default()).await;
    let mut stalled = server.connect().await;
    stalled.send("POST /api/otp HTTP/1.1\r\n").await;
    assert_eq!(server.ask(&post(ECHO)).await.body, ECHOED);
    server.stop.cancel();
    timeout(Settings::default().header_timeout / 2, server.ended()).await.unwrap();
}
