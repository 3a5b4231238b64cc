//! The WebSocket broker: the real binary, clients written with Python's `websockets`, an independent relay (`tests/ws_relay.py`) and a
//! Rust client. The clients' scenarios are in `tests/ws_clients.py`.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Error, Message, WebSocket};

use crate::harness::{PASSWORD, PATIENCE, USER, wait_for};

/// A broker in its own process.
struct Broker {
    child: Child,
    dir: TempDir,
    address: SocketAddr,
}

impl Broker {
    fn start(extra: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        secret(&dir.path().join("password"), PASSWORD);
        let log = fs::File::create(dir.path().join("log")).unwrap();
        let mut command = command();
        command.args(["--user", USER, "--password-file"]).arg(dir.path().join("password")).args(extra);
        for (name, value) in [("--listen", "127.0.0.1:0"), ("--log", "debug")] {
            if !extra.contains(&name) {
                command.args([name, value]);
            }
        }
        Self::launch(command.stderr(log), dir)
    }

    fn start_with_users(users: &Path) -> Self {
        let dir = TempDir::new().unwrap();
        let log = fs::File::create(dir.path().join("log")).unwrap();
        Self::launch(command().args(["--listen", "127.0.0.1:0", "--users"]).arg(users).stderr(log), dir)
    }

    fn launch(command: &mut Command, dir: TempDir) -> Self {
        let child = command.spawn().unwrap();
        let address = wait_for("the broker's address", || {
            let log = fs::read_to_string(dir.path().join("log")).ok()?;
            log.split("broker.address=").nth(1)?.split_whitespace().next()?.parse().ok()
        });
        Self { child, dir, address }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// Asks it to end; answers its exit code.
    fn terminate(&mut self) -> Option<i32> {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        wait_for("the broker's end", || self.child.try_wait().unwrap()).code()
    }

    /// Runs a scenario of Python clients against it.
    fn hold(&mut self, scenario: &str) {
        check(scenario, self.address);
        assert!(self.child.try_wait().unwrap().is_none(), "the broker has ended");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_otp-pi"));
    command.arg("ws-broker").stdin(Stdio::null());
    command
}

/// Writes a file that is its owner's alone.
fn secret(path: &Path, text: &str) {
    fs::write(path, format!("{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests").join(name)
}

/// The Python of `scripts/test`, which has `websockets`; says so when it is not there.
fn python() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "scripts/test says by the environment where its Python is")]
    let python = std::env::var("OTP_PI_TEST_PYTHON").ok().map(PathBuf::from);
    if python.is_none() {
        writeln!(std::io::stderr(), "skipped: OTP_PI_TEST_PYTHON names no Python with websockets").unwrap();
    }
    python
}

fn clients(scenario: &str, address: SocketAddr) -> Option<Command> {
    let mut command = Command::new(python()?);
    command.arg(file("ws_clients.py")).arg(scenario).arg(format!("ws://{address}")).args([USER, PASSWORD]);
    Some(command)
}

fn check(scenario: &str, address: SocketAddr) {
    if let Some(mut clients) = clients(scenario, address) {
        assert_success(scenario, &clients.output().unwrap());
    }
}

fn assert_success(what: &str, output: &Output) {
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An independent relay in its own process.
struct Relay {
    child: Child,
    address: SocketAddr,
}

impl Relay {
    fn start() -> Option<Self> {
        let mut command = Command::new(python()?);
        let mut child = command.arg(file("ws_relay.py")).args([USER, PASSWORD]).stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Some(Self { child, address: format!("127.0.0.1:{}", port.trim()).parse().unwrap() })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// A Rust client.
fn connect(address: SocketAddr, query: &str, authorization: Option<&str>) -> Result<WebSocket<TcpStream>, Box<Error>> {
    let mut request = format!("ws://{address}/ws?{query}").into_client_request().unwrap();
    if let Some(authorization) = authorization {
        request.headers_mut().insert("Authorization", authorization.parse().unwrap());
    }
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    match tungstenite::client(request, stream) {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::HandshakeError::Failure(error)) => Err(Box::new(error)),
        Err(tungstenite::HandshakeError::Interrupted(_)) => panic!("no answer to the handshake"),
    }
}

/// `user:password` and `user:wrong` in base64.
const RIGHT: &str = "Basic dXNlcjpwYXNzd29yZA==";
const WRONG: &str = "Basic dXNlcjp3cm9uZw==";

/// What a Rust client sees, of our broker and of the independent relay alike.
fn hold_rust_client_against(address: SocketAddr) {
    for authorization in [None, Some(WRONG)] {
        let error = connect(address, "topic=sms", authorization).unwrap_err();
        assert!(matches!(&*error, Error::Http(response) if response.status() == 401), "{error}");
    }
    let mut one = connect(address, "topic=sms", Some(RIGHT)).unwrap();
    let mut two = connect(address, "channel=sms", Some(RIGHT)).unwrap();
    let mut other = connect(address, "topic=mail", Some(RIGHT)).unwrap();
    let mut mail = connect(address, "topic=mail", Some(RIGHT)).unwrap();
    one.send(Message::text("of one")).unwrap();
    assert_eq!(two.read().unwrap(), Message::text("of one"));
    two.send(Message::text("of two")).unwrap();
    assert_eq!(one.read().unwrap(), Message::text("of two"), "not its own text");
    mail.send(Message::text("mail")).unwrap();
    assert_eq!(other.read().unwrap(), Message::text("mail"), "nothing of the other topic");
}

#[test]
fn a_rust_client_sees_the_same_of_the_broker_and_of_an_independent_relay() {
    hold_rust_client_against(Broker::start(&[]).address);
    if let Some(relay) = Relay::start() {
        hold_rust_client_against(relay.address);
    }
}

#[test]
fn python_clients_see_the_same_of_the_broker_and_of_an_independent_relay() {
    let mut broker = Broker::start(&[]);
    let relay = Relay::start();
    for scenario in ["relay", "once", "refused"] {
        broker.hold(scenario);
        if let Some(relay) = &relay {
            check(scenario, relay.address);
        }
    }
}

#[test]
fn the_broker_refuses_what_is_no_text_too_long_or_without_a_topic() {
    let mut broker = Broker::start(&[]);
    broker.hold("strict");
    broker.hold("broken");
}

#[test]
fn a_path_other_than_the_one_that_is_served_is_refused() {
    let broker = Broker::start(&["--path", "/sms"]);
    let error = connect(broker.address, "topic=sms", Some(RIGHT)).unwrap_err();
    assert!(matches!(&*error, Error::Http(response) if response.status() == 404), "{error}");
}

#[test]
fn one_that_does_not_read_is_dropped_and_holds_up_nobody() {
    let mut broker = Broker::start(&[]);
    broker.hold("slow");
    if python().is_some() {
        wait_for("the log", || broker.log().contains("a receiver was dropped").then_some(()));
        assert_eq!(broker.terminate(), Some(0));
        assert!(broker.log().contains("broker.dropped=1"), "{}", broker.log());
    }
}

#[test]
fn one_that_answers_no_ping_is_closed_and_the_others_stay() {
    Broker::start(&["--ping-every", "1"]).hold("dead");
}

#[test]
fn a_thousand_connections_hear_every_text() {
    Broker::start(&["--max-connections-per-address", "1000"]).hold("thousand");
}

#[test]
fn one_connection_too_many_is_told_so_and_has_room_when_another_has_gone() {
    Broker::start(&["--max-connections", "2"]).hold("full");
    Broker::start(&["--max-connections-per-address", "2"]).hold("full");
}

#[test]
fn guessing_of_the_brokers_passwords_is_slowed() {
    Broker::start(&[]).hold("throttled");
}

#[test]
fn a_broker_that_is_asked_to_stop_says_goodbye_and_ends_well() {
    let mut broker = Broker::start(&[]);
    let Some(mut clients) = clients("stopped", broker.address) else { return };
    let mut clients = clients.stdout(Stdio::piped()).spawn().unwrap();
    let mut word = String::new();
    BufReader::new(clients.stdout.take().unwrap()).read_line(&mut word).unwrap();
    assert_eq!(word, "connected\n");
    assert_eq!(broker.terminate(), Some(0));
    assert!(clients.wait().unwrap().success());
}

#[test]
fn a_broker_that_is_killed_loses_its_clients_and_serves_again_at_once() {
    let mut broker = Broker::start(&[]);
    let mut one = connect(broker.address, "topic=sms", Some(RIGHT)).unwrap();
    broker.child.kill().unwrap();
    one.read().unwrap_err();
    let again = Broker::start(&["--listen", &broker.address.to_string()]);
    assert_eq!(again.address, broker.address);
    hold_rust_client_against(again.address);
}

#[test]
fn neither_text_nor_password_nor_topic_is_in_the_brokers_log() {
    let mut broker = Broker::start(&["--log", "trace"]);
    let mut one = connect(broker.address, "topic=topic-of-secrets", Some(RIGHT)).unwrap();
    let mut two = connect(broker.address, "topic=topic-of-secrets", Some(RIGHT)).unwrap();
    one.send(Message::text("text-of-secrets 123456")).unwrap();
    two.read().unwrap();
    assert_eq!(broker.terminate(), Some(0));
    let log = broker.log();
    assert!(log.contains("connected"), "{log}");
    for secret in ["of-secrets", "123456", RIGHT, PASSWORD] {
        let has_leaked = log.lines().any(|line| line.contains(secret));
        assert!(!has_leaked, "{secret:?} is in {log}");
    }
}

#[test]
fn a_file_of_users_takes_the_lines_of_new_user_and_refuses_weak_hashes_by_line() {
    let dir = TempDir::new().unwrap();
    let made = command().args(["--new-user", USER]).output().unwrap();
    assert_success("--new-user", &made);
    let told = String::from_utf8(made.stderr).unwrap();
    let password = told.split("password of user: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let users = dir.path().join("users");
    secret(&users, &format!("# who may\n\n{}", String::from_utf8(made.stdout).unwrap().trim()));
    let mut broker = Broker::start_with_users(&users);
    let login = {
        use base64::Engine as _;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{password}")))
    };
    connect(broker.address, "topic=sms", Some(&login)).unwrap();
    connect(broker.address, "topic=sms", Some(RIGHT)).unwrap_err();
    assert_eq!(broker.terminate(), Some(0));

    for (line, expected) in [
        ("a:$apr1$salt$hash", "line 1: only $argon2id$ hashes are taken"),
        ("# a\nb:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "line 2: only $argon2id$ hashes are taken"),
        ("a:$argon2id$nonsense", "line 1: the Argon2id hash is malformed or costs too much"),
        ("a", "line 1: not NAME:HASH"),
        ("# nobody", "names no user"),
    ] {
        secret(&users, line);
        let refused = command().args(["--listen", "127.0.0.1:0", "--users"]).arg(&users).output().unwrap();
        let words = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(1) && words.contains(expected), "{line}: {words}");
        assert!(!words.contains("W6ph5Mm5Pz8GgiULbPgzG37mj9g"), "{words}");
    }
    fs::set_permissions(&users, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = command().args(["--listen", "127.0.0.1:0", "--users"]).arg(&users).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("can be read by everybody"));
}

#[test]
fn python_clients_speak_wss_with_the_broker() {
    let dir = TempDir::new().unwrap();
    let (certificate, key) = (dir.path().join("certificate.pem"), dir.path().join("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .unwrap();
    assert_success("openssl", &made);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let texts = [certificate.to_str().unwrap(), key.to_str().unwrap()];
    let broker = Broker::start(&["--certificate", texts[0], "--private-key", texts[1]]);
    let Some(python) = python() else { return };
    let mut clients = Command::new(python);
    clients.arg(file("ws_clients.py")).args(["relay", &format!("wss://{}", broker.address), USER, PASSWORD]);
    assert_success("wss", &clients.arg(&certificate).output().unwrap());
}
