//! Modems on real PTYs: opening, unplugging, replugging, and the binary's record of transmissions.

#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::disallowed_methods, reason = "helpers of tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use emulator::{
    Action, Direction, Fault, Modem, ModemSettings, Moment, Network, NetworkSettings, Script, Transmission,
};

const PDU: &str = "0011000D91261832547698F00000A712D9775D0E7A52A1A0F41C4493D1643419";
const SOON: Duration = Duration::from_secs(10);

/// Another program that has the modem open: blocking reads with a limit of their own.
struct Client {
    file: std::fs::File,
}

impl Client {
    fn open(path: &Path) -> Self {
        Self { file: std::fs::OpenOptions::new().read(true).write(true).open(path).expect("the modem opens") }
    }

    fn write(&mut self, text: &str) {
        self.file.write_all(text.as_bytes()).expect("the modem takes bytes");
    }

    /// Reads until the text appears; `None` when the modem is gone.
    fn read_until(&mut self, wanted: &str) -> Option<String> {
        let mut said = String::new();
        while !said.contains(wanted) {
            let timeout = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
            let mut waiting =
                [rustix::event::PollFd::from_borrowed_fd(self.file.as_fd(), rustix::event::PollFlags::IN)];
            let ready = rustix::event::poll(&mut waiting, Some(&timeout)).expect("poll");
            assert!(ready > 0, "waited for {wanted:?}, got {said:?}");
            let mut buffer = [0; 512];
            match self.file.read(&mut buffer) {
                Ok(0) | Err(_) => return None,
                Ok(count) => said.push_str(std::str::from_utf8(&buffer[..count]).expect("text")),
            }
        }
        Some(said)
    }

    fn ask(&mut self, command: &str) -> Option<String> {
        self.write(&format!("{command}\r"));
        self.read_until("\r\nOK\r\n")
    }

    fn send(&mut self) -> Option<String> {
        self.write("AT+CMGS=31\r");
        self.read_until("> ")?;
        self.write(&format!("{PDU}\u{1a}"));
        self.read_until("\r\nOK\r\n")
    }
}

struct Bench {
    network: Network,
    modem: Modem,
    link: PathBuf,
    _directory: tempfile::TempDir,
}

fn bench(script: Script) -> Bench {
    let directory = tempfile::tempdir().expect("a directory");
    let link = directory.path().join("modem1");
    let network = Network::new(NetworkSettings::default());
    let settings = ModemSettings { link: Some(link.clone()), echo: false, ..ModemSettings::named("modem1", 1) };
    let modem = Modem::start(&network, settings, script).expect("a modem");
    tokio::spawn(modem.run());
    Bench { network, modem, link, _directory: directory }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("no panic")
}

/// Waits for a condition with a deadline.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + SOON;
    while !is_so() {
        assert!(tokio::time::Instant::now() < deadline, "waited for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_modem_is_opened_like_a_serial_port_and_remembers_its_bytes() {
    let bench = bench(Script::default());
    let path = bench.modem.path();
    assert_eq!(path, bench.link);
    let said = blocking(move || Client::open(&path).send()).await;
    assert_eq!(said.as_deref(), Some("\r\n+CMGS: 0\r\n\r\nOK\r\n"));
    assert!(bench.network.wait_for_count(1, SOON).await);
    let to_modem = bench.modem.byte_log().said(Direction::ToModem);
    assert_eq!(to_modem, format!("AT+CMGS=31\r{PDU}\u{1a}").into_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unplugged_modem_reads_zero_bytes_and_comes_back_behind_its_link() {
    let bench = bench(Script::default());
    let (modem, link) = (bench.modem.clone(), bench.link.clone());
    let mut client = Client::open(&link);
    client = blocking(move || {
        assert!(client.ask("ATE0").is_some());
        client
    })
    .await;
    modem.unplug();
    let gone = blocking(move || client.read_until("anything")).await;
    assert_eq!(gone, None);
    until("the link to go", || !link.exists()).await;
    modem.replug();
    until("the link to come back", || link.exists()).await;
    let said = blocking(move || {
        let mut client = Client::open(&link);
        (client.read_until("SMS Ready\r\n"), client.send())
    })
    .await;
    assert!(said.0.is_some_and(|boot| boot.starts_with("\r\nRDY\r\n")));
    assert!(said.1.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scripted_unplug_after_transmission_leaves_the_client_without_an_answer() {
    let fault = Fault {
        replug_after: Some(Duration::from_millis(20)),
        ..Fault::nth("AT+CMGS", 1, Action::Unplug(Moment::AfterTransmission))
    };
    let bench = bench(Script::default().with(fault));
    let link = bench.link.clone();
    assert_eq!(blocking(move || Client::open(&link).send()).await, None);
    assert_eq!(bench.network.transmission_count(), 1);
    until("the modem to come back", || bench.link.exists()).await;
    let link = bench.link.clone();
    let again = blocking(move || Client::open(&link).send()).await;
    assert!(again.is_some_and(|said| said.contains("+CMGS: 1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn injected_bytes_and_arriving_sms_are_said_unasked() {
    let bench = bench(Script::default());
    let link = bench.link.clone();
    let mut client = Client::open(&link);
    client = blocking(move || {
        client.ask("AT+CNMI=2,1");
        client
    })
    .await;
    bench.modem.inject(b"\r\nUNDER-VOLTAGE WARNNING\r\n");
    bench.modem.deliver("+628111", "hello");
    let said = blocking(move || client.read_until("+CMTI: \"SM\",1\r\n")).await.expect("lines");
    assert!(said.contains("UNDER-VOLTAGE WARNNING"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_modem_takes_its_link_along_and_frees_its_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let link = directory.path().join("modem1");
    let network = Network::new(NetworkSettings::default());
    let settings = ModemSettings { link: Some(link.clone()), ..ModemSettings::named("modem1", 1) };
    let modem = Modem::start(&network, settings.clone(), Script::default()).expect("a modem");
    assert!(Modem::start(&network, settings.clone(), Script::default()).is_err(), "the name is taken");
    let running = tokio::spawn(modem.run());
    modem.stop();
    running.await.expect("no panic").expect("a good end");
    assert!(!link.exists());
    assert!(modem.run().await.is_err(), "it can be run once");
    assert!(Modem::start(&network, settings, Script::default()).is_ok());
}

/// The binary, ended when the test ends.
struct Emulator(Child);

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn the_binary_records_a_pdu_before_it_answers_and_ends_on_sigterm() {
    let directory = tempfile::tempdir().expect("a directory");
    let record = directory.path().join("transmissions.jsonl");
    let mut child = Command::new(env!("CARGO_BIN_EXE_otp-pi-emulator"))
        .args(["--modems", "2", "--air-time", "5ms", "--links"])
        .arg(directory.path().join("links"))
        .arg("--transmissions")
        .arg(&record)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut ready = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut ready).expect("a line");
    let mut emulator = Emulator(child);
    let links: Vec<&str> = ready.split_whitespace().skip(1).collect();
    assert_eq!(links.len(), 2, "{ready}");

    let mut client = Client::open(Path::new(links[1]));
    client.ask("ATE0");
    for count in 1..=20 {
        assert!(client.send().is_some());
        let lines = std::fs::read_to_string(&record).expect("a record");
        let last: Transmission = serde_json::from_str(lines.lines().last().expect("a line")).expect("JSON");
        assert_eq!((last.sequence, last.modem.as_str(), last.pdu_hex.as_str()), (count, "modem2", PDU));
    }

    let id = rustix::process::Pid::from_child(&emulator.0);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("a signal");
    assert!(emulator.0.wait().expect("an end").success());
    assert!(!Path::new(links[0]).exists(), "links are gone");
}

#[test]
fn a_script_that_cannot_be_used_is_named_with_its_line_and_ends_the_binary_with_1() {
    let directory = tempfile::tempdir().expect("a directory");
    let script = directory.path().join("evening.toml");
    for (text, told) in [
        ("# Nothing yet.\n[[fault]]\nwhen = \"AT\"\naction = \"explode\"\n", "line 4"),
        (
            "[[fault]]\nwhen = \"AT\"\naction = \"error\"\n\n[[fault]]\nwhen = \"AT\"\nnth = 0\naction = \"error\"\n",
            "line 5",
        ),
        ("[[fault]]\nwhen = \"AT\"\nmodem = \"modem3\"\naction = \"error\"\n", "`modem3`"),
    ] {
        std::fs::write(&script, text).expect("a file");
        let ended = Command::new(env!("CARGO_BIN_EXE_otp-pi-emulator"))
            .args(["--modems", "2", "--links"])
            .arg(directory.path())
            .arg("--script")
            .arg(&script)
            .output()
            .expect("the binary runs");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.starts_with("otp-pi-emulator: ") && said.contains(told), "{said}");
        assert!(told.contains("modem") || said.contains("evening.toml"), "{said}");
        assert!(ended.stdout.is_empty(), "it is never ready");
    }
}

#[test]
fn the_binary_plays_the_models_in_turn_and_names_them_all_to_who_asks_for_another() {
    let directory = tempfile::tempdir().expect("a directory");
    let command = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_otp-pi-emulator"));
        command.arg("--links").arg(directory.path()).args(["--modems", "3", "--model", "ec25"]);
        command
    };
    let mut child = command().args(["--model", "huawei-e173"]).stdout(Stdio::piped()).spawn().expect("the binary runs");
    let mut ready = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut ready).expect("a line");
    let _emulator = Emulator(child);
    let links: Vec<&str> = ready.split_whitespace().skip(1).collect();
    for (link, model) in links.iter().zip(["EC25", "E173", "EC25"]) {
        let mut client = Client::open(Path::new(link));
        client.write("AT+CGMM\r");
        assert!(client.read_until("OK").is_some_and(|said| said.contains(model)), "{link}");
    }
    let refused = command().args(["--model", "nokia"]).output().expect("the binary runs");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("there is no model `nokia`; there are standard, sim800l, "), "{said}");
}
