//! `otp-pi check-config` where there is a gateway's data, and lines that two modems would share.

use std::fs;
use std::path::Path;

use super::Place;
use crate::harness::{Emulator, Setup, operate, run_to_end};

#[test]
fn what_the_database_keeps_is_checked_too() {
    let setup = Setup::without_modems();
    let gateway = setup.start();
    let good = gateway.operate(&["check-config"]);
    assert!(good.told().ends_with("good (0 modem(s), 1 API user(s))\n"), "{good:?}");
    gateway.operate(&["api-user", "add", "app"]).told();
    gateway.operate(&["settings", "set", "modem.north.port", "/nowhere/line"]).told();
    gateway.operate(&["settings", "set", "otp.max_lifetime", "9m"]).told();
    let words = "good (1 modem(s), 2 API user(s), with what the database keeps)\n";
    assert!(gateway.operate(&["check-config"]).told().ends_with(words), "while it runs");
    let stopped = gateway.stop();
    assert!(stopped.operate(&["check-config"]).told().ends_with(words), "and when it does not");

    // A file that is good alone, and not together with what the database keeps.
    let mut setup = Setup::without_modems();
    setup.otp = "lifetime = \"10m\"".to_owned();
    setup.write(&stopped.dir().join("otp-pi.toml"), &stopped.dir().join("data"));
    let bad = stopped.operate(&["check-config"]);
    assert!(bad.refused().contains("otp.lifetime: it must be more than zero and at most otp.max_lifetime"), "{bad:?}");
    let served = run_to_end(&["serve", "--config", stopped.dir().join("otp-pi.toml").to_str().unwrap()]);
    assert!(served.refused().contains("otp.lifetime: it must be"), "the start says the same: {served:?}");
}

#[test]
fn a_database_that_cannot_be_looked_at_is_no_reason_not_to_check_the_file() {
    let gateway = Setup::without_modems().start();
    gateway.operate(&["settings", "set", "otp.length", "8"]).told();
    let stopped = gateway.stop();
    fs::rename(stopped.dir().join("data/keys"), stopped.dir().join("keys")).unwrap();
    let checked = stopped.operate(&["check-config"]);
    assert!(checked.told().contains("good (0 modem(s), 1 API user(s))"), "{checked:?}");
    assert!(checked.stderr.contains("note: what the database keeps could not be looked at: "), "{checked:?}");
    assert!(!stopped.dir().join("data/keys").exists(), "it makes nothing");
}

#[test]
fn a_look_makes_neither_database_nor_keys() {
    let directory = tempfile::TempDir::new().unwrap();
    Setup::without_modems().write(&directory.path().join("otp-pi.toml"), &directory.path().join("data"));
    operate(directory.path(), &["check-config"]).told();
    assert!(!directory.path().join("data").exists());
}

/// A link to a line, as udev makes them.
fn link(line: &Path, directory: &Path) -> std::path::PathBuf {
    let path = directory.join("usb-modem-if00");
    std::os::unix::fs::symlink(fs::canonicalize(line).unwrap(), &path).unwrap();
    path
}

#[test]
fn two_paths_to_one_line_are_refused_by_the_check_the_start_and_a_reload_with_both_names() {
    let emulator = Emulator::start(1, &[]);
    let directory = tempfile::TempDir::new().unwrap();
    let path = link(&emulator.modems[0], directory.path());
    let alone = Setup::with(&emulator);
    let mut both = Setup::with(&emulator);
    both.more = format!("[[modem]]\nname = \"second\"\nport = {path:?}\n");
    let words = format!(
        "modem[1].port: {} is the line of modem m0, and {} is the same for second",
        emulator.modems[0].display(),
        path.display()
    );
    let file = directory.path().join("otp-pi.toml");
    both.write(&file, &directory.path().join("data"));
    for command in ["check-config", "serve"] {
        let refused = run_to_end(&[command, "--config", file.to_str().unwrap()]);
        assert!(refused.refused().contains(&words), "{refused:?}");
    }
    let gateway = alone.start();
    gateway.wait_for_modems(1);
    gateway.rewrite(&both);
    let log = gateway.reload();
    assert!(log.contains("the settings stay as they were") && log.contains(&words), "{log}");
    gateway.send_sentinel(&emulator, "08126666666", "one modem as before");
    gateway.rewrite(&alone);
    let refused = gateway.operate(&["settings", "set", "modem.second.port", path.to_str().unwrap()]);
    assert!(refused.refused().contains("is the same for second"), "{refused:?}");
    assert!(!gateway.operate(&["settings", "list", "modem"]).told().contains("second"));
}

#[test]
fn a_modem_may_be_named_by_another_path_of_its_line() {
    let emulator = Emulator::start(1, &[]);
    let directory = tempfile::TempDir::new().unwrap();
    let path = link(&emulator.modems[0], directory.path());
    let gateway = Setup::with(&emulator).start();
    gateway.wait_for_modems(1);
    gateway.reload_as(&Setup { modems: vec![path], ..Setup::without_modems() });
    gateway.wait_for_modems(1);
    gateway.send_sentinel(&emulator, "08126666666", "by the other path");
}
