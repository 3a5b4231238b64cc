//! No memory of the program goes to a disk: it holds keys.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus};

use tempfile::TempDir;

use crate::harness::{Setup, skip, wait_for};

const ABRT: i32 = 6;

/// Runs a program in `directory` with no limit on core dumps, as far as this test may lift it.
fn unlimited(directory: &Path, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -S -c \"$(ulimit -H -c)\"; exec \"$0\" \"$@\"", program]).args(arguments);
    command.current_dir(directory);
    command
}

fn dumps(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains("core")).collect()
}

fn was_dumped(status: ExitStatus) -> bool {
    assert_eq!(status.signal(), Some(ABRT), "{status}");
    status.core_dumped()
}

#[test]
fn a_gateway_that_crashes_leaves_no_core_dump() {
    let directory = TempDir::new().unwrap();
    let other = unlimited(directory.path(), "sh", &["-c", "kill -s ABRT $$"]).status().unwrap();
    if !was_dumped(other) {
        skip("core dumps, which nothing makes on this machine");
    }
    let setup = Setup::without_modems();
    let config = directory.path().join("otp-pi.toml");
    setup.write(&config, &directory.path().join("data"));
    let before = dumps(directory.path());
    let log = directory.path().join("log");
    let mut gateway =
        unlimited(directory.path(), env!("CARGO_BIN_EXE_otp-pi"), &["serve", "--config", config.to_str().unwrap()])
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
    wait_for("the gateway", || fs::read_to_string(&log).unwrap().contains("api.address=").then_some(()));
    let process = gateway.id().to_string();
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    assert_eq!(limit.split_whitespace().take(2).collect::<Vec<_>>(), ["0", "0"]);
    assert!(Command::new("kill").args(["-s", "ABRT", &process]).status().unwrap().success());
    let ended = wait_for("the end of the gateway", || gateway.try_wait().unwrap());
    assert!(!was_dumped(ended));
    assert_eq!(dumps(directory.path()), before);
}
