//! What the tests of the brokers share: a program of another language that publishes and listens, a proxy that cuts lines, and certificates.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;

use super::examples::python;
use crate::harness::{Gateway, PATIENCE, missing, wait_for};

/// A Python program that does what a line of JSON asks, says how it went in a line with the same number, and tells what it hears.
pub(super) struct Peer {
    child: Child,
    stdin: Mutex<ChildStdin>,
    said: Arc<Mutex<Vec<Value>>>,
    asked: AtomicU64,
}

impl Peer {
    /// None, and the reason told, where Python or one of its modules is missing.
    pub(super) fn start(program: &str, modules: &str, arguments: &[&str]) -> Option<Self> {
        let python = python()?;
        let has = Command::new(&python).args(["-c", &format!("import {modules}")]).stderr(Stdio::null()).status();
        if !has.unwrap().success() {
            missing(&format!("a broker's test ({modules} is not installed)"));
            return None;
        }
        let mut command = Command::new(python);
        command.args(["-u", "-c", program]).args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = Mutex::new(child.stdin.take().unwrap());
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                heard.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Some(Self { child, stdin, said, asked: AtomicU64::new(0) })
    }

    /// Has something done and waits until it is; answers what came of it.
    pub(super) fn ask(&self, mut what: Value) -> Value {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        what["n"] = number.into();
        let mut stdin = self.stdin.lock().unwrap();
        writeln!(stdin, "{what}").unwrap();
        stdin.flush().unwrap();
        drop(stdin);
        let is_answer = |said: &&Value| said["n"].as_u64() == Some(number);
        wait_for(&format!("the end of {what}"), || self.said.lock().unwrap().iter().find(is_answer).cloned())
    }

    /// The number of the process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has heard at a topic, as JSON.
    pub(super) fn heard(&self, topic: &str) -> Vec<Value> {
        let said = self.said.lock().unwrap();
        let bodies = said.iter().filter(|said| said["topic"] == topic).map(|said| said["body"].as_str().unwrap());
        bodies.map(|body| serde_json::from_str(body).unwrap()).collect()
    }

    /// Waits for the answer at a topic that has this id.
    pub(super) fn answer(&self, topic: &str, id: &str) -> Value {
        wait_for(&format!("an answer about {id} at {topic}"), || {
            let is_it = |answer: &Value| answer["data"]["id"] == id && answer["response_code"].is_string();
            self.heard(topic).into_iter().find(is_it)
        })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// A port of this machine that nobody listens on.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The number behind a sample of `/metrics`; 0 while there is none yet.
pub(super) fn metric(gateway: &Gateway, sample: &str) -> u64 {
    let body = gateway.connect().request("GET", "/metrics", None, b"").unwrap().body;
    let body = String::from_utf8(body).unwrap();
    let line = body.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.map_or(0, |number| number.parse().unwrap())
}

/// Waits until a subscriber is subscribed.
pub(super) fn wait_for_subscriber(gateway: &Gateway, name: &str) {
    let sample = format!("otp_pi_subscriber_connected{{subscriber=\"{name}\"}}");
    wait_for(&format!("{name} to be subscribed"), || (metric(gateway, &sample) == 1).then_some(()));
}

/// Waits until a subscriber has been subscribed this often.
pub(super) fn wait_for_connections(gateway: &Gateway, name: &str, count: u64) {
    let sample = format!("otp_pi_subscriber_connections_total{{subscriber=\"{name}\"}}");
    wait_for(&format!("connection {count} of {name}"), || (metric(gateway, &sample) >= count).then_some(()));
}

/// How many messages of a subscriber came to this end: `accepted`, `refused` or `no_command`.
pub(super) fn messages(gateway: &Gateway, name: &str, outcome: &str) -> u64 {
    metric(gateway, &format!("otp_pi_subscriber_messages_total{{subscriber=\"{name}\",outcome=\"{outcome}\"}}"))
}

/// A way to a server that can be cut in the middle of what it says.
pub(super) struct Proxy {
    pub(super) port: u16,
    left: Arc<AtomicUsize>,
}

impl Proxy {
    pub(super) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let left = Arc::new(AtomicUsize::new(usize::MAX));
        let of_pumps = Arc::clone(&left);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let (up, down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let left = Arc::clone(&of_pumps);
                thread::spawn(move || pump(up, server, &AtomicUsize::new(usize::MAX)));
                thread::spawn(move || pump(down, client, &left));
            }
        });
        Self { port: own, left }
    }

    /// Cuts the connection that brings so many octets more from the server; later ones are whole.
    pub(super) fn cut_after(&self, octets: usize) {
        self.left.store(octets, Ordering::SeqCst);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, left: &AtomicUsize) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let allowed = left.load(Ordering::SeqCst);
        if allowed < count {
            drop(to.write_all(&buffer[..allowed]));
            left.store(usize::MAX, Ordering::SeqCst);
            break;
        }
        if allowed != usize::MAX {
            left.fetch_sub(count, Ordering::SeqCst);
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    drop((from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)));
}

/// An authority of our own, with a server's and a client's certificate, as PEM files.
pub(super) struct Authority {
    dir: tempfile::TempDir,
}

impl Authority {
    pub(super) fn new(server_name: &str) -> Self {
        let dir = tempfile::TempDir::new().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, format!("authority {}", dir.path().display()));
        let key = KeyPair::generate().unwrap();
        write_pem(&dir.path().join("ca.pem"), "CERTIFICATE", params.self_signed(&key).unwrap().der());
        let issuer = Issuer::new(params, key);
        for (file, name) in [("server", server_name), ("client", "client")] {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.use_authority_key_identifier_extension = true;
            let certificate = params.signed_by(&key, &issuer).unwrap();
            write_pem(&dir.path().join(format!("{file}.pem")), "CERTIFICATE", certificate.der());
            write_pem(&dir.path().join(format!("{file}.key")), "PRIVATE KEY", &key.serialize_der());
        }
        Self { dir }
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn write_pem(file: &Path, label: &str, der: &[u8]) {
    let base64 = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    fs::write(file, format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))).unwrap();
}

/// Asks over HTTP, again and again, while something else goes on; fails when one answer takes as long as a lost broker may.
pub(super) fn assert_rest_is_quick(gateway: &Gateway) {
    let start = crate::harness::instant();
    for _ in 0..20 {
        assert_eq!(gateway.ask("echo", serde_json::json!({}))["response_code"], "000");
    }
    assert!(start.elapsed() < PATIENCE / 6, "20 answers took {:?}", start.elapsed());
}
