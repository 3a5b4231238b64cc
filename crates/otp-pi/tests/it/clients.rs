//! The clients of `examples/` as their users run them: real interpreters, a real gateway, codes read off an emulated phone.
//!
//! An interpreter that is not installed is skipped by name.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;
use tempfile::{NamedTempFile, TempDir};

use crate::harness::{Emulator, Ended, Gateway, PASSWORD, PATIENCE, Setup, USER, code_in, instant, pause, wait_for};

const PHONE: &str = "08126666666";

/// The directory of the examples.
pub(crate) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").canonicalize().unwrap()
}

/// Whether a program is on the PATH; says so by name if it is not.
pub(crate) fn is_there(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
    let is_there = found.unwrap().success();
    if !is_there {
        writeln!(std::io::stderr(), "skipped: {program} is not installed").unwrap();
    }
    is_there
}

/// A program that talks with its user.
pub(crate) struct Talk {
    child: Child,
    out: NamedTempFile,
    err: NamedTempFile,
    started: std::time::Instant,
}

impl Talk {
    pub(crate) fn start(mut command: impl std::borrow::BorrowMut<Command>) -> Self {
        let command = command.borrow_mut();
        let (out, err) = (NamedTempFile::new().unwrap(), NamedTempFile::new().unwrap());
        let child = command
            .stdin(Stdio::piped())
            .stdout(out.reopen().unwrap())
            .stderr(err.reopen().unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, out, err, started: instant() }
    }

    /// Types one line.
    pub(crate) fn type_line(&mut self, line: &str) {
        self.child.stdin.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Types one line, whether or not somebody reads it.
    pub(crate) fn try_type_line(&mut self, line: &str) {
        drop(self.child.stdin.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()));
    }

    fn said(&self) -> String {
        let read = |file: &NamedTempFile| fs::read_to_string(file.path()).unwrap();
        format!("{}{}", read(&self.out), read(&self.err))
    }

    /// Waits until it has said this.
    pub(crate) fn wait_for(&self, words: &str) {
        let start = instant();
        while !self.said().contains(words) {
            assert!(start.elapsed() < PATIENCE, "{words:?} is not in {:?}", self.said());
            pause(std::time::Duration::from_millis(2));
        }
    }

    /// Closes its input and waits for its end.
    pub(crate) fn finish(mut self) -> Ended {
        drop(self.child.stdin.take());
        loop {
            if let Some(ended) = self.try_finish() {
                return ended;
            }
        }
    }

    /// Answers how it has ended; looks a moment later if it has not.
    pub(crate) fn try_finish(&mut self) -> Option<Ended> {
        let Some(status) = self.child.try_wait().unwrap() else {
            assert!(self.started.elapsed() < PATIENCE, "no end; it said {:?}", self.said());
            pause(std::time::Duration::from_millis(2));
            return None;
        };
        let read = |file: &NamedTempFile| fs::read_to_string(file.path()).unwrap();
        Some(Ended { code: status.code(), stdout: read(&self.out), stderr: read(&self.err) })
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// A wire between a client and the gateway: shows what was answered, and can lose connections.
struct Wire {
    address: SocketAddr,
    answered: Arc<Mutex<Vec<u8>>>,
}

impl Wire {
    /// The first `lost` requests get no answer.
    fn to(gateway: SocketAddr, lost: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let wire = Self { address: listener.local_addr().unwrap(), answered: Arc::default() };
        let answered = Arc::clone(&wire.answered);
        thread::spawn(move || {
            for (number, client) in listener.incoming().enumerate() {
                let (Ok(mut client), Ok(mut server)) = (client, TcpStream::connect(gateway)) else { return };
                let (mut to_server, mut from_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || {
                    let _ended = std::io::copy(&mut from_client, &mut to_server);
                    let _closed = to_server.shutdown(Shutdown::Write);
                });
                let answered = Arc::clone(&answered);
                thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    while let Ok(count @ 1..) = server.read(&mut buffer) {
                        if number < lost {
                            break;
                        }
                        answered.lock().unwrap().extend_from_slice(&buffer[..count]);
                        if client.write_all(&buffer[..count]).is_err() {
                            break;
                        }
                    }
                    let _closed = client.shutdown(Shutdown::Both);
                });
            }
        });
        wire
    }

    fn answered(&self, words: &str) -> bool {
        String::from_utf8_lossy(&self.answered.lock().unwrap()).contains(words)
    }
}

fn run(program: &str, file: &str, address: SocketAddr, password: &str) -> Talk {
    let url = format!("http://{address}/api/otp");
    Talk::start(Command::new(program).arg(examples().join(file)).arg(PHONE).envs([
        ("OTP_PI_URL", url.as_str()),
        ("OTP_PI_USER", USER),
        ("OTP_PI_PASSWORD", password),
    ]))
}

/// The code in the `count`-th SMS with a code.
fn code(emulator: &Emulator, count: usize) -> String {
    let texts = wait_for("an SMS with a code", || {
        let sent = emulator.transmissions();
        let texts = sent.iter().filter_map(|sent| sent["text"].as_str()).filter(|text| text.contains("Your code is"));
        let texts: Vec<String> = texts.map(str::to_owned).collect();
        (texts.len() >= count).then_some(texts)
    });
    code_in(&texts[count - 1], 6)
}

fn wrong(code: &str) -> &'static str {
    if code == "000000" { "111111" } else { "000000" }
}

/// Everything that the page of the examples says they can.
fn does_all_it_should(program: &str, file: &str) {
    if !is_there(program) || (program == "sh" && !is_there("curl")) {
        return;
    }
    let emulator = Emulator::start(1, &[]);
    let gateway = Setup::with(&emulator).start();
    checks_a_code(program, file, gateway.address, &emulator);

    let answer = gateway.ask("block-msisdn", json!({"receiver": PHONE}));
    assert_eq!(answer["response_code"], "000");
    let ended = run(program, file, gateway.address, PASSWORD).finish();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("Not sent (1301): the receiver is blocked"), "{ended:?}");
    let ended = run(program, file, gateway.address, "wrong").finish();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("HTTP 401"), "{ended:?}");

    sends_another_when_one_is_worth_nothing(program, file);
    waits_while_the_queue_is_full(program, file);
}

/// A wrong guess, then the right one; and the first answer never comes.
fn checks_a_code(program: &str, file: &str, address: SocketAddr, emulator: &Emulator) {
    let wire = Wire::to(address, 1);
    let mut client = run(program, file, wire.address, PASSWORD);
    let code = code(emulator, 1);
    client.type_line(wrong(&code));
    client.wait_for("Wrong, try again.");
    client.type_line("");
    client.type_line(&code);
    let ended = client.finish();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.trim_end().ends_with("Right."), "{ended:?}");
    assert_eq!(ended.stdout.matches("A code is on its way.").count(), 1, "{ended:?}");
    assert_eq!(emulator.count("Your code is"), 1, "what was asked twice was sent once");
}

fn sends_another_when_one_is_worth_nothing(program: &str, file: &str) {
    let emulator = Emulator::start(1, &[]);
    let mut setup = Setup::with(&emulator);
    setup.otp = "max_attempts = 1".to_owned();
    let gateway = setup.start();
    let mut client = run(program, file, gateway.address, PASSWORD);
    let first = code(&emulator, 1);
    client.type_line(wrong(&first));
    client.type_line(&first);
    client.wait_for("That code is worth nothing any more.");
    client.type_line(&code(&emulator, 2));
    let ended = client.finish();
    assert_eq!((ended.code, ended.stdout.matches("A code is on its way.").count()), (Some(0), 2), "{ended:?}");
}

fn waits_while_the_queue_is_full(program: &str, file: &str) {
    let directory = TempDir::new().unwrap();
    let mut setup = Setup::without_modems();
    setup.modems = vec![directory.path().join("line")];
    setup.sms = "max_queue = 1".to_owned();
    let gateway: Gateway = setup.start();
    gateway.ask("send-sms", json!({"receiver": PHONE, "message": "first in the queue"}));
    let wire = Wire::to(gateway.address, 0);
    let mut client = run(program, file, wire.address, PASSWORD);
    wait_for("the refusal", || wire.answered("\"1501\"").then_some(()));
    let emulator = Emulator::start(1, &[]);
    symlink(emulator.modems.first().unwrap(), directory.path().join("line")).unwrap();
    client.type_line(&code(&emulator, 1));
    let ended = client.finish();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn the_shell_example_does_all_it_should() {
    does_all_it_should("sh", "otp.sh");
}

#[test]
fn the_python_example_does_all_it_should() {
    does_all_it_should("python3", "otp.py");
}

#[test]
fn the_php_example_does_all_it_should() {
    does_all_it_should("php", "otp.php");
}

#[test]
fn the_node_example_does_all_it_should() {
    does_all_it_should("node", "otp.mjs");
}

#[test]
fn every_example_is_on_the_page_of_the_examples_or_on_one_about_moving_over() {
    let docs = examples().parent().unwrap().join("docs");
    let moving =
        ["migrate-sim800l.md", "migrate-redis-otp.md"].map(|page| fs::read_to_string(docs.join(page)).unwrap());
    let page = fs::read_to_string(examples().join("README.md")).unwrap();
    let tests = include_str!("clients.rs");
    let over_brokers =
        concat!(include_str!("intake/examples.rs"), include_str!("intake/amqp.rs"), include_str!("intake/mqtt.rs"));
    for (directory, is_run) in [
        (
            examples(),
            &(|name: &str| page.contains(&format!("({name})")) && tests.contains(&format!("\"{name}\"")))
                as &dyn Fn(&str) -> bool,
        ),
        (examples().join("brokers"), &|name| {
            page.contains(&format!("(brokers/{name})")) && over_brokers.contains(&format!("\"{name}\""))
        }),
        (examples().join("flask-era"), &|name| moving.concat().contains(&format!(" examples/flask-era/{name}\n"))),
    ] {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            assert!(entry.path().is_dir() || name == "README.md" || is_run(&name), "{name} is run by no test");
        }
    }
}
