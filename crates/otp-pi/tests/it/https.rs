//! HTTPS from outside: clients that nobody here wrote, keys of every kind, restarts.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Client, Ended, Gateway, PASSWORD, PATIENCE, Setup, USER, authorization, run_to_end, wait_for};

const ECHO: &str = r#"{"command":"echo","data":{"x":1}}"#;

fn https(listen: &str) -> Setup {
    let mut setup = Setup::without_modems();
    setup.api = format!("https_listen = {listen}");
    setup
}

/// The HTTPS listeners of the last start, in order.
pub(crate) fn addresses(log: &str, count: usize) -> Option<Vec<SocketAddr>> {
    let all: Vec<SocketAddr> = log
        .split("api.https_address=")
        .skip(1)
        .filter_map(|rest| rest.split_whitespace().next()?.trim_matches('"').parse().ok())
        .collect();
    all.len().checked_sub(count).map(|at| all[at..].to_vec())
}

fn address(gateway: &Gateway) -> SocketAddr {
    wait_for("the HTTPS address in the log", || addresses(&gateway.log(), 1))[0]
}

fn own_certificate(gateway: &Gateway) -> PathBuf {
    gateway.dir().join("data/tls/certificate.pem")
}

/// A client that trusts one certificate.
pub(crate) fn connect(address: SocketAddr, certificate: &Path) -> Client {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    Client::over(StreamOwned::new(connection, socket))
}

/// Runs another program with this input; none when it is not installed.
fn run(program: &str, arguments: &[&str], input: &str) -> Option<Output> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let _told = writeln!(std::io::stderr(), "skipped: {program}");
            return None;
        }
        Err(error) => panic!("{program}: {error}"),
    };
    let _gone = child.stdin.take().unwrap().write_all(input.as_bytes());
    Some(child.wait_with_output().unwrap())
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// One request through `openssl s_client`; the answer, or what openssl said.
fn openssl_request(address: SocketAddr, certificate: &Path, version: &str) -> Option<String> {
    let request = format!(
        "POST /api/otp HTTP/1.1\r\nHost: g\r\nAuthorization: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{ECHO}",
        authorization(USER, PASSWORD),
        ECHO.len()
    );
    let (address, certificate) = (address.to_string(), certificate.to_str().unwrap());
    let arguments = [
        "s_client",
        "-quiet",
        "-verify_return_error",
        "-verify_hostname",
        "localhost",
        "-alpn",
        "http/1.1",
        version,
        "-CAfile",
        certificate,
        "-connect",
        &address,
    ];
    run("openssl", &arguments, &request).map(|output| text(&output))
}

#[test]
fn curl_and_openssl_trust_the_certificate_that_the_gateway_made() {
    let gateway = https("\"127.0.0.1:0\"").start();
    let (address, certificate) = (address(&gateway), own_certificate(&gateway));
    for version in ["-tls1_2", "-tls1_3"] {
        if let Some(said) = openssl_request(address, &certificate, version) {
            assert!(
                said.contains("HTTP/1.1 200 OK") && said.contains("\"response_code\":\"000\""),
                "{version}: {said}"
            );
        }
    }
    let login = format!("{USER}:{PASSWORD}");
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}/api/otp", address.port());
        let trusting = ["-sS", "--cacert", certificate.to_str().unwrap(), "-u", &login, "-d", ECHO, &url];
        if let Some(output) = run("curl", &trusting, "") {
            assert!(text(&output).contains("\"response_code\":\"000\""), "{host}: {}", text(&output));
        }
    }
    let url = format!("https://localhost:{}/healthz", address.port());
    if let Some(output) = run("curl", &["-sS", &url], "") {
        assert_eq!(output.status.code(), Some(60), "a stranger has no reason to trust it: {}", text(&output));
    }
}

#[test]
fn curl_chooses_http_2_or_1_1_and_no_answer_names_the_program() {
    let gateway = https("\"127.0.0.1:0\"").start();
    let (address, certificate) = (address(&gateway), own_certificate(&gateway));
    let login = format!("{USER}:{PASSWORD}");
    let url = format!("https://localhost:{}/api/otp", address.port());
    for (version, expected) in [("--http2", "2"), ("--http1.1", "1.1")] {
        for (login, body, status) in [(login.as_str(), ECHO, "200"), ("nobody:x", ECHO, "401"), (&login, "", "200")] {
            let trusting = ["-sS", "-i", version, "--cacert", certificate.to_str().unwrap()];
            let asking = ["-u", login, "-d", body, "-w", "\n%{http_version} %{http_code}", &url];
            let Some(output) = run("curl", &[trusting.as_slice(), &asking].concat(), "") else { return };
            let said = text(&output);
            assert!(said.ends_with(&format!("\n{expected} {status}")), "{version}: {said}");
            let names = said.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_lowercase());
            let telling = names.filter(|name| ["server", "x-powered-by", "via"].contains(&name.as_str()));
            assert_eq!(telling.collect::<Vec<_>>(), [""; 0], "{said}");
            assert!(!said.contains(env!("CARGO_PKG_VERSION")), "{said}");
        }
    }
}

#[test]
fn versions_of_tls_before_1_2_are_refused() {
    let gateway = https("\"127.0.0.1:0\"").start();
    let place = address(&gateway).to_string();
    for (version, is_spoken) in [("-tls1", false), ("-tls1_1", false), ("-tls1_2", true), ("-tls1_3", true)] {
        // The level keeps the client itself from refusing.
        let arguments = ["s_client", "-connect", &place, version, "-cipher", "DEFAULT@SECLEVEL=0"];
        let Some(output) = run("openssl", &arguments, "") else { return };
        let said = text(&output);
        assert_eq!(said.contains("BEGIN CERTIFICATE"), is_spoken, "{version}: {said}");
        // An alert of the gateway's: the client was willing.
        assert_eq!(said.contains("SSL alert number"), !is_spoken, "{version}: {said}");
    }
}

#[test]
fn the_certificate_outlives_a_power_cut_and_the_log_tells_its_fingerprint() {
    let gateway = https("\"127.0.0.1:0\"").start();
    let certificate = fs::read(own_certificate(&gateway)).unwrap();
    let key = fs::read_to_string(gateway.dir().join("data/tls/private-key.pem")).unwrap();
    let output = run("openssl", &["x509", "-noout", "-fingerprint", "-sha256"], &String::from_utf8_lossy(&certificate));
    let first = address(&gateway);
    assert_eq!(connect(first, &own_certificate(&gateway)).ask("echo", json!({}))["response_code"], "000");
    let gateway = gateway.kill().restart();
    let second =
        wait_for("the second address", || addresses(&gateway.log(), 2).filter(|all| all[0] == first).map(|all| all[1]));
    assert_eq!(fs::read(own_certificate(&gateway)).unwrap(), certificate);
    assert_eq!(connect(second, &own_certificate(&gateway)).ask("echo", json!({}))["response_code"], "000");
    let log = gateway.log();
    if let Some(output) = output {
        let fingerprint = text(&output).trim().split_once('=').unwrap().1.to_owned();
        assert_eq!(log.matches(&format!("tls.fingerprint=\"{fingerprint}\"")).count(), 2, "{fingerprint}: {log}");
    }
    for line in key.lines().filter(|line| !line.starts_with('-')) {
        assert!(!log.contains(line), "the private key is in the log");
    }
}

#[test]
fn without_its_certificate_the_gateway_starts_and_reloads_with_a_new_one_for_the_same_key() {
    let gateway = https("\"127.0.0.1:0\"").start();
    let (first, key) = (fs::read(own_certificate(&gateway)).unwrap(), gateway.dir().join("data/tls/private-key.pem"));
    let old_key = fs::read(&key).unwrap();
    fs::remove_file(own_certificate(&gateway)).unwrap();
    let gateway = gateway.kill().restart();
    let second = wait_for("a new certificate", || fs::read(own_certificate(&gateway)).ok());
    assert!(second != first, "made anew");
    fs::remove_file(own_certificate(&gateway)).unwrap();
    gateway.reload();
    let third = wait_for("one more certificate", || fs::read(own_certificate(&gateway)).ok());
    assert!(third != second, "made anew");
    assert_eq!(fs::read(&key).unwrap(), old_key);
    let address = wait_for("the address", || addresses(&gateway.log(), 2).and_then(|all| all.last().copied()));
    assert_eq!(connect(address, &own_certificate(&gateway)).ask("echo", json!({}))["response_code"], "000");
}

#[test]
fn several_listeners_of_both_kinds_serve_the_same_api() {
    let mut setup = https("[\"127.0.0.1:0\", \"[::1]:0\"]");
    // The harness has one plain listener of its own.
    setup.more = "[tls]\ncertificate = \"\"\n".to_owned();
    let gateway = setup.start();
    let encrypted = wait_for("two HTTPS addresses", || addresses(&gateway.log(), 2));
    assert_eq!(gateway.ask("echo", json!({}))["response_code"], "000");
    for address in encrypted {
        let mut client = connect(address, &own_certificate(&gateway));
        let answer = client.ask("create-otp", json!({"reference": "r", "receiver": "08126666666", "message": "%s"}));
        assert_eq!(answer["response_code"], "1101", "there is no modem: {answer}");
        assert_eq!(client.ask("echo", json!({}))["response_code"], "000", "on the same connection");
    }
}

#[test]
fn knocking_without_tls_leaves_no_trace_in_the_log_of_every_day() {
    let gateway = https("\"127.0.0.1:0\"").start();
    let address = address(&gateway);
    assert_eq!(connect(address, &own_certificate(&gateway)).ask("echo", json!({}))["response_code"], "000");
    let before = gateway.log();
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[22, 3, 1, 0, 4, 1, 0, 0, 0], b"x"] {
        for _ in 0..20 {
            let mut client = Client::connect(address);
            client.raw(bytes).unwrap();
            let _answer = client.read();
        }
    }
    let answer = Client::connect(address).request("GET", "/", None, b"").unwrap();
    assert_eq!(answer.status, 400);
    assert!(answer.json()["error"].as_str().unwrap().contains("https://"));
    assert_eq!(gateway.log(), before);
}

/// An owner's files in a directory of their own.
pub(crate) struct Owner(TempDir);

impl Owner {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// A certificate for `localhost` of its own, valid to the beginning of a year.
    pub(crate) fn until(year: i32) -> Self {
        let owner = Self::new();
        owner.make_pair(year);
        owner
    }

    fn make_pair(&self, year: i32) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(year - 11, 1, 1), date_time_ymd(year, 1, 1));
        let certificate = params.self_signed(&key).unwrap();
        self.write("a.pem", "CERTIFICATE", certificate.der());
        self.write("a.key", "PRIVATE KEY", &key.serialize_der());
    }

    fn write(&self, name: &str, label: &str, der: &[u8]) {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        fs::write(self.path(name), format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs openssl here; false when it is not installed.
    fn openssl(&self, line: &str) -> bool {
        let mut command = Command::new("openssl");
        let output = match command.args(line.split_whitespace()).current_dir(self.0.path()).output() {
            Ok(output) => output,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let _told = writeln!(std::io::stderr(), "skipped: openssl");
                return false;
            }
            Err(error) => panic!("openssl: {error}"),
        };
        assert!(output.status.success(), "openssl {line}: {}", text(&output));
        true
    }

    /// A key that openssl makes, and a certificate for it.
    fn with_key(line: &str) -> Option<Self> {
        let owner = Self::new();
        let certificate = "req -x509 -key a.key -passin pass:x -subj /CN=localhost -addext subjectAltName=DNS:localhost \
                           -addext basicConstraints=critical,CA:FALSE -days 30 -out a.pem";
        (owner.openssl(line) && owner.openssl(certificate)).then_some(())?;
        fs::set_permissions(owner.path("a.key"), fs::Permissions::from_mode(0o600)).unwrap();
        Some(owner)
    }

    pub(crate) fn setup(&self) -> Setup {
        let mut setup = https("\"127.0.0.1:0\"");
        setup.more = format!("[tls]\ncertificate = {:?}\nprivate_key = {:?}\n", self.path("a.pem"), self.path("a.key"));
        setup
    }

    fn check_config(&self) -> Ended {
        let file = self.path("otp-pi.toml");
        self.setup().write(&file, &self.path("data"));
        run_to_end(&["check-config", "--config", file.to_str().unwrap()])
    }

    fn serve_to_end(&self) -> Ended {
        let file = self.path("otp-pi.toml");
        self.setup().write(&file, &self.path("data"));
        run_to_end(&["serve", "--config", file.to_str().unwrap()])
    }
}

#[test]
fn keys_of_every_usual_kind_are_served() {
    for line in [
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out a.key",
        "genrsa -traditional -out a.key 2048",
        "ecparam -name prime256v1 -genkey -out a.key",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out a.key",
        "genpkey -algorithm ED25519 -out a.key",
    ] {
        let Some(owner) = Owner::with_key(line) else { return };
        let checked = owner.check_config();
        assert_eq!(checked.code, Some(0), "{line}: {checked:?}");
        let gateway = owner.setup().start();
        let said = openssl_request(address(&gateway), &owner.path("a.pem"), "-tls1_3").unwrap();
        assert!(said.contains("HTTP/1.1 200 OK"), "{line}: {said}");
        assert!(!gateway.dir().join("data/tls").exists(), "nothing is made where the owner has a pair");
    }
}

#[test]
fn keys_that_cannot_be_used_are_refused_with_the_fix() {
    for (line, what, fix) in [
        (
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes256 -pass pass:x -out a.key",
            "is encrypted",
            "decrypt it once",
        ),
        ("genrsa -traditional -aes256 -passout pass:x -out a.key 2048", "is encrypted", "decrypt it once"),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1 -out a.key", "cannot be used", "use an ECDSA key"),
        ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out a.key", "cannot be used", "use an ECDSA key"),
    ] {
        let Some(owner) = Owner::with_key(line) else { return };
        let checked = owner.check_config();
        assert_eq!(checked.code, Some(1), "{line}: {checked:?}");
        for part in ["line ", "tls.private_key: ", what, "fix: ", fix] {
            assert!(checked.stderr.contains(part), "{part:?} is not in: {}", checked.stderr);
        }
    }
}

#[test]
fn a_key_that_others_may_read_keeps_the_gateway_from_starting() {
    let owner = Owner::until(2036);
    assert_eq!(owner.check_config().code, Some(0));
    fs::set_permissions(owner.path("a.key"), fs::Permissions::from_mode(0o640)).unwrap();
    for ended in [owner.check_config(), owner.serve_to_end()] {
        assert_eq!(ended.code, Some(1), "{ended:?}");
        for part in ["tls.private_key: ", "a.key is open to other users (mode 640)", "chmod 600"] {
            assert!(ended.stderr.contains(part), "{part:?} is not in: {}", ended.stderr);
        }
    }
}

#[test]
fn the_self_signed_key_opened_to_others_keeps_the_gateway_from_starting() {
    let gateway = https("\"127.0.0.1:0\"").start();
    let stopped = gateway.kill();
    fs::set_permissions(stopped.dir().join("data/tls/private-key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    let file = stopped.dir().join("otp-pi.toml");
    let ended = run_to_end(&["serve", "--config", file.to_str().unwrap()]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("private-key.pem is open to other users (mode 644)"), "{ended:?}");
}

#[test]
fn an_expired_certificate_is_served_with_a_warning() {
    let owner = Owner::until(2021);
    let checked = owner.check_config();
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.stderr.contains("warning: tls.certificate: ") && checked.stderr.contains("expired on 2021-01-01"));
    let gateway = owner.setup().start();
    let address = address(&gateway);
    assert!(gateway.log().contains("expired on 2021-01-01"), "{}", gateway.log());
    let url = format!("https://localhost:{}/healthz", address.port());
    if let Some(output) = run("curl", &["-sSk", &url], "") {
        assert!(text(&output).contains("ok"), "{}", text(&output));
    }
}

#[test]
fn on_sighup_new_connections_get_the_new_certificate_and_open_ones_go_on() {
    let owner = Owner::until(2036);
    let gateway = owner.setup().start();
    let address = address(&gateway);
    let mut old = connect(address, &owner.path("a.pem"));
    assert_eq!(old.ask("echo", json!({}))["response_code"], "000");

    owner.make_pair(2037);
    gateway.signal("HUP");
    wait_for("the new certificate", || gateway.log().contains("valid until 2037-01-01").then_some(()));
    wait_for("the end of the reload", || gateway.log().contains("the settings were read again").then_some(()));
    let mut new = connect(address, &owner.path("a.pem"));
    assert_eq!(new.ask("echo", json!({}))["response_code"], "000");
    assert_eq!(old.ask("echo", json!({}))["response_code"], "000", "the open connection goes on");

    let kept = owner.path("kept.pem");
    fs::copy(owner.path("a.pem"), &kept).unwrap();
    let other = Owner::until(2038);
    fs::copy(other.path("a.pem"), owner.path("a.pem")).unwrap();
    gateway.signal("HUP");
    wait_for("the refusal", || gateway.log().contains("does not belong to the certificate").then_some(()));
    assert!(gateway.log().contains("tls.private_key"), "{}", gateway.log());
    assert_eq!(connect(address, &kept).ask("echo", json!({}))["response_code"], "000", "the old pair is served on");
    assert_eq!(old.ask("echo", json!({}))["response_code"], "000");
}

#[test]
fn an_address_in_use_is_named_with_its_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("otp-pi.toml");
    https(&format!("\"{}\"", taken.local_addr().unwrap())).write(&file, &directory.path().join("data"));
    let ended = run_to_end(&["serve", "--config", file.to_str().unwrap()]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("api.https_listen: cannot listen on 127.0.0.1:"), "{ended:?}");
}
