//! The emulator's honesty, proved by software nobody here wrote: gammu, python-gsmmodem-new and, in `daemons`, three
//! SMS daemons send and read SMS.
//!
//! A peer that is not installed is skipped by name; CI has them all (Debian's gammu, gammu-smsd, smstools and kannel;
//! `OTP_PI_TEST_PYTHON` names a Python that has python-gsmmodem-new 0.13.0).

#![expect(clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "helpers of tests")]

#[path = "peers/daemons.rs"]
mod daemons;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use emulator::{Modem, ModemSettings, Network, NetworkSettings, Script};
use tokio::process::Command;

/// Gammu alone takes four seconds to say hello.
const PATIENCE: Duration = Duration::from_secs(60);

struct Bench {
    network: Network,
    modem: Modem,
    directory: tempfile::TempDir,
}

fn bench() -> Bench {
    let directory = tempfile::tempdir().expect("a directory");
    let network = Network::new(NetworkSettings::default());
    let settings = ModemSettings { link: Some(directory.path().join("modem1")), ..ModemSettings::named("modem1", 1) };
    let modem = Modem::start(&network, settings, Script::default()).expect("a modem");
    tokio::spawn(modem.run());
    Bench { network, modem, directory }
}

/// Says that a peer is missing, in the words CI looks for.
#[expect(clippy::print_stderr, reason = "a skipped peer must be seen in the test's output")]
fn skipped(peer: &str) {
    eprintln!("skipped: {peer}");
}

/// Finds a peer on the PATH, or where Debian puts daemons, which is not on everybody's PATH.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/local/sbin", "/usr/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(sbin).map(|directory| directory.join(name)).find(|path| path.is_file())
}

/// Runs a peer; its output, whether it ended well.
async fn run(program: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C.UTF-8").stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.map_err(|_| "no end".to_owned())?.map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(said) } else { Err(format!("{said}{}", String::from_utf8_lossy(&output.stderr))) }
}

async fn gammu(bench: &Bench, arguments: &[&str]) -> String {
    let config = bench.directory.path().join("gammurc");
    let text =
        format!("[gammu]\ndevice = {}\nconnection = at115200\nsynchronizetime = no\n", bench.modem.path().display());
    std::fs::write(&config, text).expect("a file");
    let config = config.to_str().expect("a path").to_owned();
    let all: Vec<&str> = ["-c", &config].into_iter().chain(arguments.iter().copied()).collect();
    let result = run(Path::new("gammu"), &all).await;
    result.unwrap_or_else(|said| panic!("gammu {arguments:?}: {said}\n{}", bench.modem.byte_log()))
}

#[tokio::test(flavor = "multi_thread")]
async fn gammu_identifies_sends_and_reads() {
    if run(Path::new("gammu"), &["--version"]).await.is_err() {
        return skipped("gammu");
    }
    let bench = bench();
    let identity = gammu(&bench, &["identify"]).await;
    for expected in ["SIMCOM_Ltd", "SIMCOM_SIM800L", "867856030000019", "510100000000001"] {
        assert!(identity.contains(expected), "{expected} in {identity}");
    }

    let sent = gammu(&bench, &["sendsms", "TEXT", "+6281234567890", "-text", "Hello from gammu [1] €"]).await;
    assert!(sent.contains("message reference=0"), "{sent}");
    let transmissions = bench.network.transmissions();
    assert_eq!(transmissions.len(), 1);
    assert_eq!(transmissions[0].receiver, "6281234567890");
    assert_eq!(transmissions[0].text.as_deref(), Some("Hello from gammu [1] €"));

    bench.modem.deliver("+628119999999", "First, with {braces}");
    bench.modem.deliver("OTP-Pi", "Second: 日本");
    let read = gammu(&bench, &["getallsms"]).await;
    for expected in
        ["+628119999999", "First, with {braces}", "OTP-Pi", "Second: 日本", "2 SMS parts in 2 SMS sequences"]
    {
        assert!(read.contains(expected), "{expected} in {read}");
    }

    let network = gammu(&bench, &["networkinfo"]).await;
    for expected in ["home network", "510 10", "TELKOMSEL", "00C3"] {
        assert!(network.contains(expected), "{expected} in {network}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gammu_joins_a_long_message_of_several_parts() {
    if run(Path::new("gammu"), &["--version"]).await.is_err() {
        return skipped("gammu");
    }
    let bench = bench();
    let text = "The quick brown fox jumps over the lazy dog {1}. ".repeat(5);
    gammu(&bench, &["sendsms", "TEXT", "+6281100000001", "-text", text.trim(), "-len", "400"]).await;
    let parts = bench.network.transmissions();
    assert_eq!(parts.iter().map(|sent| sent.part).collect::<Vec<_>>(), [(1, 2), (2, 2)]);
    assert_eq!(parts.iter().filter_map(|sent| sent.text.clone()).collect::<String>(), text.trim());
    let read = gammu(&bench, &["geteachsms"]).await;
    assert!(read.contains("2 SMS parts in 1 SMS sequences"), "{read}");
}

#[tokio::test(flavor = "multi_thread")]
async fn gsmmodem_sends_with_a_report_and_receives() {
    let python = std::env::var_os("OTP_PI_TEST_PYTHON");
    let Some(python) = python else {
        return skipped("python-gsmmodem-new (OTP_PI_TEST_PYTHON is not set)");
    };
    let bench = bench();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/send_and_receive.py");
    let path = bench.modem.path();
    let arguments = [script, path.to_str().expect("a path"), "+6281100000001"];
    let said = run(Path::new(&python), &arguments).await;
    let said = said.unwrap_or_else(|said| panic!("{said}\n{}", bench.modem.byte_log()));
    let said: serde_json::Value = serde_json::from_str(&said).expect(&said);
    let expected = serde_json::json!({
        "manufacturer": "SIMCOM_Ltd",
        "imsi": "510100000000001",
        "operator": "TELKOMSEL",
        "signal": 21,
        "report": 0,
        "ussd": "Sisa pulsa Anda Rp10000",
        "received": [["+6281100000001", "to myself 日本"]],
    });
    assert_eq!(said, expected, "{}", bench.modem.byte_log());
    let texts: Vec<_> = bench.network.transmissions().into_iter().filter_map(|sent| sent.text).collect();
    assert_eq!(texts, ["Your OTP is 998877 [x] €", "to myself 日本"]);
}
