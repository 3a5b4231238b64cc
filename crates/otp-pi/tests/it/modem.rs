//! `otp-pi modem …` where no gateway runs: the real binary on emulated modems, each fault with its advice.

mod at;
mod check;
mod list;
mod send;
mod sim;

use std::path::{Path, PathBuf};
use std::time::Duration;

use emulator::{Direction, Modem, ModemSettings, Network, NetworkSettings, Script};
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Ended, Setup, run_to_end};

/// One emulated modem, in this process.
struct Device {
    network: Network,
    modem: Modem,
    dir: TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Device {
    fn start(script: &str, change: impl FnOnce(&mut ModemSettings)) -> Self {
        Self::with_air_time(Duration::ZERO, script, change)
    }

    fn well() -> Self {
        Self::start("", |_| {})
    }

    fn with_air_time(air_time: Duration, script: &str, change: impl FnOnce(&mut ModemSettings)) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let dir = TempDir::new().unwrap();
        let network = Network::new(NetworkSettings { air_time, ..NetworkSettings::default() });
        let mut settings = ModemSettings::named("m", 1);
        settings.link = Some(dir.path().join("line"));
        change(&mut settings);
        let modem = Modem::start(&network, settings, Script::parse(script).unwrap()).unwrap();
        drop(runtime.spawn(modem.run()));
        Self { network, modem, dir, _runtime: runtime }
    }

    fn line(&self) -> String {
        self.modem.path().to_str().unwrap().to_owned()
    }

    /// Everything that was said to it.
    fn said(&self) -> String {
        String::from_utf8_lossy(&self.modem.byte_log().said(Direction::ToModem)).into_owned()
    }

    /// How often a PIN was entered.
    fn pins_entered(&self) -> usize {
        self.said().matches("AT+CPIN=").count()
    }

    /// The texts that went on air.
    fn texts(&self) -> Vec<String> {
        self.network.transmissions().iter().map(|sent| sent.text.clone().unwrap_or_default()).collect()
    }

    /// A file of this test.
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A configuration in which it is modem `m0`, with these lines in its section.
    fn config(&self, modem: &str) -> String {
        let path = self.dir.path().join("otp-pi.toml");
        let setup = Setup { modems: vec![self.modem.path()], modem: modem.to_owned(), ..Setup::without_modems() };
        setup.write(&path, &self.data());
        path.to_str().unwrap().to_owned()
    }
}

/// Runs `otp-pi modem` with these arguments.
fn modem(arguments: &[&str]) -> Ended {
    run_to_end(&[&["modem"], arguments].concat())
}

/// Runs it with `--json` and answers what it said.
fn json(arguments: &[&str]) -> (Option<i32>, Value) {
    let ended = modem(&[arguments, &["--json"]].concat());
    let value = serde_json::from_str(&ended.stdout);
    (ended.code, value.unwrap_or_else(|error| panic!("{error} in {ended:?}")))
}

/// Takes a line as another program would.
fn hold(line: &Path) -> std::fs::File {
    let file = std::fs::File::options().read(true).write(true).open(line).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    file
}

#[test]
fn every_command_explains_itself_and_refuses_wrong_usage_with_code_2() {
    for (arguments, word) in [
        (&["--help"] as &[&str], "check"),
        (&["list", "--help"], "--no-probe"),
        (&["check", "--help"], "3 can send with warnings"),
        (&["at", "--help"], "AT+COPS=?"),
        (&["send", "--help"], "4 outcome unknown"),
    ] {
        let ended = modem(arguments);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stdout.contains(word), "{word:?} in {}", ended.stdout);
    }
    for arguments in [
        &[] as &[&str],
        &["fly"],
        &["at"],
        &["at", "/dev/null"],
        &["send", "m0", "628123"],
        &["check", "--wait", "soon"],
        &["at", "/dev/null", "AT", "--timeout", "0"],
        &["check", "/dev/null", "--baud", "0"],
    ] {
        assert_eq!(modem(arguments).code, Some(2), "{arguments:?}");
    }
}

#[test]
fn a_modem_that_nobody_knows_is_refused_with_the_way_to_name_one() {
    let device = Device::well();
    let config = device.config("");
    for (arguments, word) in [
        (vec!["check", "nobody"], "otp-pi modem list"),
        (vec!["check", "nobody", "--config", &config], "it has m0"),
        (vec!["at", "nobody", "AT"], "--config"),
        (vec!["check", "m0", "--config", "/nowhere.toml"], "cannot be read"),
    ] {
        let ended = modem(&arguments);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains(word), "{word:?} in {}", ended.stderr);
    }
    assert_eq!(device.said(), "");
}
