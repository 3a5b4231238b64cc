//! `otp-pi backup`.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tempfile::TempDir;

use super::{Place, send};
use crate::harness::{Emulator, Gateway, Setup, run_to_end, wait_for};

const PHONE: &str = "08126666666";

/// Lays out a data directory from a backup and, where there are any, keys, as docs/operations.md says.
fn restore(backup: &Path, keys: Option<&Path>) -> TempDir {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::copy(backup, data.join("otp-pi.db")).unwrap();
    if let Some(keys) = keys {
        fs::create_dir(data.join("keys")).unwrap();
        fs::copy(keys, data.join("keys/keys.json")).unwrap();
    }
    directory
}

fn keys_of(place: &impl Place) -> PathBuf {
    place.directory().join("data/keys/keys.json")
}

/// Nothing is left beside the database.
#[track_caller]
fn nothing_stays_behind(place: &impl Place) {
    let names: Vec<String> = fs::read_dir(place.directory().join("data"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("backup") || name.contains("unfinished"))
        .collect();
    assert_eq!(names, Vec::<String>::new());
}

#[test]
fn a_backup_under_load_holds_everything_that_was_accepted_before_and_can_be_started() {
    let emulator = Emulator::start(1, &[]);
    let gateway = Setup::with(&emulator).start();
    gateway.wait_for_modems(1);
    gateway.operate(&["settings", "set", "otp.length", "8"]).told();
    assert_eq!(gateway.ask("block-msisdn", json!({"receiver": "08129998877"}))["response_code"], "000");
    let backup = gateway.dir().join("backup.db");
    let is_over = AtomicBool::new(false);
    let before: Vec<String> = std::thread::scope(|scope| {
        let load = |number: usize| {
            let (gateway, is_over) = (&gateway, &is_over);
            move || {
                let mut count = 0;
                while !is_over.load(Ordering::Relaxed) {
                    let data = json!({"receiver": PHONE, "message": format!("load {number} {count}")});
                    assert_eq!(gateway.ask("send-sms", data)["response_code"], "000");
                    count += 1;
                }
                count
            }
        };
        let clients: Vec<_> = (0..2).map(|number| scope.spawn(load(number))).collect();
        let before = (0..20).map(|number| send(&gateway, PHONE, &format!("before {number}"))).collect();
        gateway.operate(&["backup", backup.to_str().unwrap()]).told();
        is_over.store(true, Ordering::Relaxed);
        assert!(clients.into_iter().all(|client| client.join().unwrap() > 0), "there was load");
        before
    });
    assert_eq!(fs::metadata(&backup).unwrap().mode() & 0o777, 0o600);
    nothing_stays_behind(&gateway);

    let restored = Setup::without_modems().start_in(restore(&backup, Some(&keys_of(&gateway))));
    for id in &before {
        let shown = restored.json(&["message", "show", id, "--full"]);
        assert_eq!(shown["receiver"], "628126666666", "{shown}");
    }
    assert_eq!(restored.json(&["settings", "list", "otp.length"])[0]["value"], "8");
    let blocked = restored.ask("send-sms", json!({"receiver": "08129998877", "message": "no"}));
    assert_eq!(blocked["response_code"], "1301", "{blocked}");
}

#[test]
fn without_its_keys_a_backup_is_worth_nothing_and_that_is_said() {
    let gateway = Setup::without_modems().start();
    gateway.operate(&["settings", "set", "otp.length", "8"]).told();
    let backup = gateway.dir().join("backup.db");
    let told = gateway.operate(&["backup", backup.to_str().unwrap()]);
    let keys = keys_of(&gateway);
    assert!(told.told().contains(&format!("worth nothing without the keys in {}", keys.display())), "{told:?}");
    let directory = restore(&backup, None);
    let file = directory.path().join("otp-pi.toml");
    Setup::without_modems().write(&file, &directory.path().join("data"));
    let ended = run_to_end(&["serve", "--config", file.to_str().unwrap()]);
    assert!(ended.refused().contains("put the keys back from their backup"), "{ended:?}");
}

#[test]
fn a_backup_is_made_alike_without_a_gateway() {
    let gateway = Setup::without_modems().start();
    gateway.operate(&["api-user", "add", "app"]).told();
    let stopped = gateway.stop();
    let backup = stopped.dir().join("backup.db");
    let told = stopped.json(&["backup", backup.to_str().unwrap()]);
    assert_eq!(told["path"], json!(backup), "{told}");
    assert_eq!(told["bytes"], json!(fs::metadata(&backup).unwrap().len()), "{told}");
    assert_eq!((&told["seal_keys"], &told["keys"]), (&json!([1]), &json!(keys_of(&stopped))), "{told}");
    nothing_stays_behind(&stopped);
    let restored = Setup::without_modems().start_in(restore(&backup, Some(&keys_of(&stopped))));
    assert_eq!(restored.json(&["api-user", "list"]).as_array().unwrap().len(), 2);
}

fn refuses_to_overwrite(place: &impl Place) {
    let taken = place.directory().join("taken");
    fs::write(&taken, "something else").unwrap();
    let link = place.directory().join("link");
    std::os::unix::fs::symlink(place.directory().join("not there"), &link).unwrap();
    let nowhere = place.directory().join("nowhere/backup.db");
    for (path, words) in [(&taken, "never overwrites"), (&link, "cannot be written"), (&nowhere, "cannot be written")] {
        let refused = place.operate(&["backup", path.to_str().unwrap()]);
        assert!(refused.refused().contains(words), "{refused:?}");
        assert!(refused.refused().contains(path.to_str().unwrap()), "{refused:?}");
    }
    assert_eq!(fs::read_to_string(&taken).unwrap(), "something else");
    assert!(!place.directory().join("not there").exists(), "a link is not followed");
    fs::remove_file(link).unwrap();
    nothing_stays_behind(place);
}

#[test]
fn a_backup_never_overwrites_and_leaves_nothing_behind_when_it_fails() {
    let gateway = Setup::without_modems().start();
    refuses_to_overwrite(&gateway);
    refuses_to_overwrite(&gateway.stop());
}

#[test]
fn a_backup_goes_to_another_file_system_too() {
    let Some(elsewhere) = other_file_system() else {
        return crate::harness::skip("a_backup_goes_to_another_file_system_too: there is no other one");
    };
    let gateway = Setup::without_modems().start();
    let backup = elsewhere.path().join("backup.db");
    gateway.operate(&["backup", backup.to_str().unwrap()]).told();
    assert_eq!(fs::metadata(&backup).unwrap().mode() & 0o777, 0o600);
    nothing_stays_behind(&gateway);
    let restored = Setup::without_modems().start_in(restore(&backup, Some(&keys_of(&gateway))));
    assert_eq!(restored.ask("echo", json!({}))["response_code"], "000");
    wait_for("both", || is_up(&gateway).then_some(()));
}

fn is_up(gateway: &Gateway) -> bool {
    gateway.ask("echo", json!({}))["response_code"] == "000"
}

/// A directory on another file system than that of temporary files.
fn other_file_system() -> Option<TempDir> {
    let elsewhere = TempDir::new_in("/dev/shm").ok()?;
    let here = TempDir::new().unwrap();
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    (device(elsewhere.path()) != device(here.path())).then_some(elsewhere)
}
