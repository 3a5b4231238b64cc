//! `otp-pi doctor`: each fault that it knows, with a gateway and without one.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::Place;
use crate::harness::{Emulator, Setup, Stopped, operate, wait_for};
use crate::https::Owner;

/// Looks, and answers exit code and findings.
fn look(place: &impl Place) -> (i32, Vec<Value>) {
    let ended = place.operate(&["doctor", "--json"]);
    let told = place.operate(&["doctor"]);
    assert_eq!(told.code, ended.code, "the same for people");
    let Value::Array(findings) = ended.json() else { panic!("{ended:?}") };
    let code = ended.code.unwrap();
    let worst = match () {
        () if findings.iter().any(|one| one["state"] == "bad") => 1,
        () if findings.iter().any(|one| one["state"] == "warning") => 3,
        () => 0,
    };
    assert_eq!(code, worst, "{findings:?}");
    for finding in findings.iter().filter(|one| one["state"] != "good") {
        assert!(finding["fix"].is_string(), "without a fix: {finding}");
        let what = finding["what"].as_str().unwrap().lines().next().unwrap();
        assert!(told.stdout.contains(what) && told.stdout.contains("fix: "), "{}", told.stdout);
    }
    (code, findings)
}

/// Requires a finding with this state and these words.
#[track_caller]
fn expect(findings: &[Value], about: &str, state: &str, words: &str) {
    let is_it =
        |one: &&Value| one["about"] == about && one["state"] == state && one["what"].as_str().unwrap().contains(words);
    assert!(findings.iter().any(|one| is_it(&one)), "no {state} of {about} with {words:?} in {findings:#?}");
}

#[test]
fn a_gateway_that_is_well_is_told_so_by_everything_that_is_looked_at() {
    let emulator = Emulator::start(1, &[]);
    let mut setup = Setup::with(&emulator);
    setup.api = "https_listen = \"127.0.0.1:0\"".to_owned();
    let gateway = setup.start();
    gateway.wait_for_modems(1);
    let (code, findings) = look(&gateway);
    assert_eq!(code, 3, "the harness has its password in clear, and that is said");
    for (about, words) in [
        ("clock", "20"),
        ("data", "is closed to others"),
        ("gateway", "it runs and answers"),
        ("keys", "can be read"),
        ("store", "the database is sound"),
        ("certificate", "for "),
        ("modems", "m0"),
    ] {
        expect(&findings, about, "good", words);
    }
    assert!(!findings.iter().any(|one| one["state"] == "bad"), "{findings:#?}");

    let (_, findings) = look(&gateway.stop());
    expect(&findings, "gateway", "warning", "does not run");
    expect(&findings, "store", "good", "the database is sound");
    expect(&findings, "modems", "good", "is there");
}

#[test]
fn before_the_first_start_it_says_what_is_missing_and_makes_nothing() {
    let directory = TempDir::new().unwrap();
    let setup = Setup { modems: vec!["/nowhere/line".into()], ..Setup::without_modems() };
    setup.write(&directory.path().join("otp-pi.toml"), &directory.path().join("data"));
    let ended = operate(directory.path(), &["doctor", "--json"]);
    let Value::Array(findings) = ended.json() else { panic!("{ended:?}") };
    expect(&findings, "data", "warning", "is not there yet");
    expect(&findings, "store", "warning", "there is no database yet");
    expect(&findings, "modems", "bad", "/nowhere/line is not there");
    assert!(!directory.path().join("data").exists());
    fs::remove_file(directory.path().join("otp-pi.toml")).unwrap();
    let ended = operate(directory.path(), &["doctor", "--json"]);
    let Value::Array(findings) = ended.json() else { panic!("{ended:?}") };
    expect(&findings, "settings", "bad", "cannot be read");
}

#[test]
fn a_bad_file_is_told_with_its_line() {
    let gateway = Setup::without_modems().start();
    let file = gateway.dir().join("otp-pi.toml");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("[otp]", "[otp]\nlenght = 8")).unwrap();
    let (code, findings) = look(&gateway);
    assert_eq!(code, 1);
    expect(&findings, "settings", "bad", "otp.lenght: there is no such key");
    expect(&findings, "clock", "good", "");
}

fn lived_in() -> Stopped {
    let gateway = Setup::without_modems().start();
    gateway.operate(&["api-user", "add", "app"]).told();
    gateway.stop()
}

#[test]
fn a_damaged_database_is_found() {
    let stopped = lived_in();
    let path = stopped.dir().join("data/otp-pi.db");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let (code, findings) = look(&stopped);
    assert_eq!(code, 1);
    expect(&findings, "store", "bad", "");
    assert!(findings.iter().any(|one| one["about"] == "store" && one["what"].as_str().unwrap().contains("database")));
    fs::write(stopped.dir().join("data/otp-pi.db"), "no database at all, but long enough to be looked at").unwrap();
    let (_, findings) = look(&stopped);
    expect(&findings, "store", "bad", "");
}

#[test]
fn missing_keys_and_foreign_ones_are_found() {
    let stopped = lived_in();
    let keys = stopped.dir().join("data/keys/keys.json");
    let own = fs::read(&keys).unwrap();
    fs::remove_file(&keys).unwrap();
    let (_, findings) = look(&stopped);
    expect(&findings, "keys", "bad", "keys.json");
    assert!(!keys.exists(), "none are made");
    fs::write(&keys, "nonsense").unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
    let (_, findings) = look(&stopped);
    expect(&findings, "keys", "bad", "");
    fs::write(&keys, own).unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o644)).unwrap();
    let (_, findings) = look(&stopped);
    expect(&findings, "keys", "bad", "");
}

#[test]
fn an_open_data_directory_and_logins_over_plain_http_are_warned_of() {
    let mut setup = Setup::without_modems();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    setup.listen = format!("\"0.0.0.0:{}\"", free.port());
    let gateway = setup.start();
    fs::set_permissions(gateway.dir().join("data"), fs::Permissions::from_mode(0o755)).unwrap();
    let (_, findings) = look(&gateway);
    expect(&findings, "data", "warning", "is open to others (mode 755)");
    expect(&findings, "passwords", "warning", "takes logins over plain HTTP from other machines");
    expect(&findings, "listener", "good", "answers");
    expect(&findings, "modems", "bad", "none is configured");
    expect(&findings, "settings", "warning", "the password stands in clear");
}

#[test]
fn when_nobody_may_call_it_says_so() {
    let gateway = Setup::without_modems().start();
    gateway.operate(&["api-user", "disable", "user"]).told();
    let (_, findings) = look(&gateway);
    expect(&findings, "api users", "bad", "nobody may call the API");
}

#[test]
fn a_certificate_out_of_its_dates_is_bad_and_one_that_fits_is_good() {
    let owner = Owner::until(2021);
    let gateway = owner.setup().start();
    let (_, findings) = look(&gateway);
    expect(&findings, "certificate", "bad", "expired on 2021-01-01");
    let next = Owner::until(2034);
    for name in ["a.pem", "a.key"] {
        fs::copy(next.path(name), owner.path(name)).unwrap();
    }
    let (_, findings) = look(&gateway);
    expect(&findings, "certificate", "good", "until 2034-01-01");
}

#[test]
fn sick_modems_are_told_by_the_gateway_that_drives_them() {
    let emulator = Emulator::start(1, &["--pin", "4827"]);
    let gateway = Setup::with(&emulator).start();
    wait_for("the modem", || {
        let list = gateway.ask("get-modem-list", serde_json::json!({}));
        (list["data"]["modem_list"]["m0"]["state"] == "pin-needed").then_some(())
    });
    let (code, findings) = look(&gateway);
    assert_eq!(code, 1);
    expect(&findings, "modems", "bad", "m0");
}

#[test]
fn a_line_that_this_user_may_not_open_is_told_apart() {
    let emulator = Emulator::start(1, &[]);
    let stopped = Setup::with(&emulator).start().stop();
    let (_, findings) = look(&stopped);
    expect(&findings, "modems", "good", "is there");
    drop(emulator);
    let (code, findings) = look(&stopped);
    assert_eq!(code, 1);
    expect(&findings, "modems", "bad", "is not there");
}

/// A root directory in which ModemManager runs, and udev knows the line as one of a USB device.
fn with_modem_manager(line: &Path) -> TempDir {
    let root = TempDir::new().unwrap();
    let path = |path: &str| root.path().join(path);
    let device = fs::canonicalize(line).unwrap();
    let name = device.file_name().unwrap().to_str().unwrap();
    for folder in [format!("sys/class/tty/{name}"), "sys/usb/if02".to_owned(), "proc/812/fd".to_owned()] {
        fs::create_dir_all(path(&folder)).unwrap();
    }
    symlink(path("sys/usb/if02"), path(&format!("sys/class/tty/{name}/device"))).unwrap();
    fs::write(path("sys/usb/idVendor"), "2c7c\n").unwrap();
    fs::write(path("proc/812/comm"), "ModemManager\n").unwrap();
    root
}

#[test]
fn modem_manager_on_a_line_of_ours_is_told_with_the_fix_and_a_marked_line_is_not() {
    let emulator = Emulator::start(1, &[]);
    let stopped = Setup::with(&emulator).start().stop();
    let root = with_modem_manager(&emulator.modems[0]);
    let number = fs::metadata(&emulator.modems[0]).unwrap().rdev();
    let database =
        root.path().join(format!("run/udev/data/c{}:{}", rustix::fs::major(number), rustix::fs::minor(number)));
    fs::create_dir_all(database.parent().unwrap()).unwrap();
    let arguments = ["doctor", "--json", "--root", root.path().to_str().unwrap()];
    let look = |properties: &str| {
        fs::write(&database, properties).unwrap();
        let Value::Array(findings) = stopped.operate(&arguments).json() else { panic!("no findings") };
        findings.into_iter().filter(|one| one["about"] == "ModemManager").collect::<Vec<_>>()
    };
    let findings = look("E:ID_MM_CANDIDATE=1\n");
    expect(&findings, "ModemManager", "warning", "may take this line");
    assert!(findings[0]["fix"].as_str().unwrap().contains("99-otp-pi.rules"));
    assert!(findings[0]["what"].as_str().unwrap().starts_with("m0: "), "{findings:?}");
    assert_eq!(look("E:ID_MM_DEVICE_IGNORE=1\n"), [] as [Value; 0]);
    symlink(fs::canonicalize(&emulator.modems[0]).unwrap(), root.path().join("proc/812/fd/9")).unwrap();
    expect(&look("E:ID_MM_DEVICE_IGNORE=1\n"), "ModemManager", "bad", "has this line open");
}
