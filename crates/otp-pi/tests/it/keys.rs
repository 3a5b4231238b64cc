//! Keys as their owner handles them: rotated, provided by systemd, lost; by the command line, on a real gateway's data.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Emulator, Gateway, Setup, Stopped, code_in, pause, run_to_end, wait_for};

const PHONE: &str = "08126666666";

fn keys_file(directory: &Path) -> PathBuf {
    directory.join("data/keys/keys.json")
}

/// `otp-pi keys …` on a gateway's data, as a service's user would run it, with credentials or without.
fn keys(directory: &Path, arguments: &[&str], credentials: Option<&Path>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_otp-pi"));
    command.arg("keys").args(arguments).arg("--config").arg(directory.join("otp-pi.toml"));
    if let Some(credentials) = credentials {
        command.env("CREDENTIALS_DIRECTORY", credentials);
    }
    command.output().unwrap()
}

#[track_caller]
fn told(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn status(directory: &Path) -> Value {
    serde_json::from_str(&told(&keys(directory, &["status", "--json"], None))).unwrap()
}

fn ids(keys: &Value) -> Vec<u64> {
    keys.as_array().unwrap().iter().map(|key| key["id"].as_u64().unwrap()).collect()
}

/// Every key in a keys file, as written there.
fn secrets(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    text.split('"').filter(|part| part.len() == 44 && part.ends_with('=')).map(str::to_owned).collect()
}

fn ask(gateway: &Gateway, command: &str, data: Value) -> String {
    gateway.ask(command, data)["response_code"].as_str().unwrap().to_owned()
}

/// A gateway that has sent one code and was asked for a text that waits, ended in good order; and the code.
fn lived_in(emulator: &Emulator) -> (Stopped, String) {
    let gateway = Setup::with(emulator).start();
    let data = json!({"reference": "before", "receiver": PHONE, "message": "Your code is %s"});
    assert_eq!(ask(&gateway, "create-otp", data), "000");
    let code = code_in(&emulator.text_with("Your code is "), 6);
    assert_eq!(ask(&gateway, "block-msisdn", json!({"receiver": "08129998877"})), "000");
    (gateway.stop(), code)
}

#[test]
fn rotated_keys_lose_no_code_and_the_old_seal_key_is_gone_afterwards() {
    let emulator = Emulator::start(1, &[]);
    let (stopped, code) = lived_in(&emulator);
    let before = secrets(&keys_file(stopped.dir()));
    let rotated = keys(stopped.dir(), &["rotate"], None);
    assert!(told(&rotated).contains("Pepper 2 and seal key 2 are current"), "{}", told(&rotated));
    let found = status(stopped.dir());
    assert_eq!((ids(&found["peppers"]), ids(&found["seals"])), (vec![2, 1], vec![2]));
    assert_eq!((&found["lost_values"], &found["is_resealed"]), (&json!(0), &json!(true)));
    let after = secrets(&keys_file(stopped.dir()));
    let said = format!("{}{}", told(&rotated), told(&keys(stopped.dir(), &["status"], None)));
    assert!(
        before
            .iter()
            .chain(&after)
            .all(|key| !said.contains(key.as_str()) && !found.to_string().contains(key.as_str()))
    );
    assert_eq!(fs::metadata(keys_file(stopped.dir())).unwrap().permissions().mode() & 0o777, 0o600);
    let gateway = stopped.restart();
    let guess = json!({"reference": "before", "receiver": PHONE, "otp": code});
    assert_eq!(ask(&gateway, "validate-otp", guess), "000");
    assert_eq!(ask(&gateway, "send-sms", json!({"receiver": "08129998877", "message": "no"})), "1301", "still blocked");
}

#[test]
fn a_rotation_that_is_killed_anywhere_leaves_keys_that_open_everything() {
    let gateway = Setup::without_modems().start();
    let mut client = gateway.connect();
    for number in 0..150 {
        let blocked = client.ask("block-msisdn", json!({"receiver": format!("08126660{number:03}")}));
        assert_eq!(blocked["response_code"], "000");
    }
    drop(client);
    let stopped = gateway.stop();
    let config = stopped.dir().join("otp-pi.toml");
    let mut newest = 1;
    for round in 0..12 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_otp-pi"));
        command.args(["keys", "rotate", "--config"]).arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
        let mut rotating = command.spawn().unwrap();
        pause(Duration::from_millis(round * 5));
        rotating.kill().unwrap();
        rotating.wait().unwrap();
        let found = status(stopped.dir());
        assert_eq!(found["lost_values"], json!(0), "round {round}: {found}");
        let seals = ids(&found["seals"]);
        assert!(seals[0] == newest || seals[0] == newest + 1, "round {round}: {seals:?}");
        newest = seals[0];
    }
    told(&keys(stopped.dir(), &["rotate"], None));
    let found = status(stopped.dir());
    assert_eq!((ids(&found["seals"]), &found["lost_values"]), (vec![newest + 1], &json!(0)));
    let gateway = stopped.restart();
    for receiver in ["08126660000", "08126660149"] {
        assert_eq!(ask(&gateway, "send-sms", json!({"receiver": receiver, "message": "no"})), "1301");
    }
}

#[test]
fn a_running_gateway_rotates_its_keys_and_its_codes_stay_good() {
    let emulator = Emulator::start(1, &[]);
    let gateway = Setup::with(&emulator).start();
    let create = |reference: &str| {
        let data = json!({"reference": reference, "receiver": PHONE, "message": format!("{reference}: %s")});
        assert_eq!(ask(&gateway, "create-otp", data), "000");
        code_in(&emulator.text_with(&format!("{reference}: ")), 6)
    };
    let before = create("before");
    let rotated = told(&keys(gateway.dir(), &["rotate"], None));
    assert!(rotated.contains("Pepper 2 and seal key 2 are current"), "{rotated}");
    let after = create("after");
    for (reference, code) in [("before", before), ("after", after)] {
        let guess = json!({"reference": reference, "receiver": PHONE, "otp": code});
        assert_eq!(ask(&gateway, "validate-otp", guess), "000", "{reference}");
    }
    let found = wait_for("everything sealed anew", || {
        let found = status(gateway.dir());
        (found["is_resealed"] == json!(true)).then_some(found)
    });
    assert_eq!((ids(&found["peppers"]), ids(&found["seals"])), (vec![2, 1], vec![2]));
    let kept = fs::read(keys_file(gateway.dir())).unwrap();
    let complaint = refused(&keys(gateway.dir(), &["reset", "--i-accept-the-loss"], None));
    assert!(complaint.contains("in use by another gateway"), "{complaint}");
    assert_eq!(fs::read(keys_file(gateway.dir())).unwrap(), kept);
}

#[test]
fn before_the_first_start_no_command_makes_keys_or_a_database() {
    let directory = tempfile::tempdir().unwrap();
    Setup::without_modems().write(&directory.path().join("otp-pi.toml"), &directory.path().join("data"));
    for command in [&["status"][..], &["rotate"], &["reset", "--i-accept-the-loss"]] {
        let complaint = refused(&keys(directory.path(), command, None));
        assert!(complaint.contains("first start"), "{complaint}");
        assert!(!directory.path().join("data/otp-pi.db").exists() && !keys_file(directory.path()).exists());
    }
}

#[test]
fn keys_from_systemd_are_used_and_are_rotated_by_installing_a_new_file() {
    let emulator = Emulator::start(1, &[]);
    let (stopped, code) = lived_in(&emulator);
    let credentials = tempfile::tempdir().unwrap();
    let credential = credentials.path().join("otp-pi.keys");
    fs::rename(keys_file(stopped.dir()), &credential).unwrap();
    fs::remove_dir(stopped.dir().join("data/keys")).unwrap();
    // As systemd shows a credential of a service with a user of its own.
    fs::set_permissions(&credential, fs::Permissions::from_mode(0o440)).unwrap();
    let gateway = stopped.restart_with_credentials(credentials.path());
    let stopped = gateway.stop();
    assert!(!keys_file(stopped.dir()).exists(), "no other keys are made");

    let complaint = refused(&keys(stopped.dir(), &["rotate"], Some(credentials.path())));
    assert!(
        complaint.contains("--output") && complaint.contains("systemd-creds encrypt --name=otp-pi.keys"),
        "{complaint}"
    );
    let new = stopped.dir().join("new.keys");
    let rotate = ["rotate", "--output", new.to_str().unwrap()];
    let said = told(&keys(stopped.dir(), &rotate, Some(credentials.path())));
    assert!(said.contains("systemd-creds encrypt --name=otp-pi.keys"), "{said}");
    assert_eq!(fs::metadata(&new).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(refused(&keys(stopped.dir(), &rotate, Some(credentials.path()))).contains("never overwritten"));
    fs::rename(&new, &credential).unwrap();
    let gateway = stopped.restart_with_credentials(credentials.path());
    let guess = json!({"reference": "before", "receiver": PHONE, "otp": code});
    assert_eq!(ask(&gateway, "validate-otp", guess), "000");
}

#[test]
fn a_configured_keys_file_comes_from_keys_new_and_is_never_made_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("fleet.keys");
    let config = directory.path().join("otp-pi.toml");
    let mut setup = Setup::without_modems();
    setup.more = format!("[keys]\nfile = {file:?}\n");
    setup.write(&config, &directory.path().join("data"));
    let ended = run_to_end(&["serve", "--config", config.to_str().unwrap()]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("otp-pi keys new"), "{}", ended.stderr);
    assert_eq!(run_to_end(&["keys", "new", file.to_str().unwrap()]).code, Some(0));
    let before = fs::read(&file).unwrap();
    assert_eq!(run_to_end(&["keys", "new", file.to_str().unwrap()]).code, Some(1));
    assert_eq!(fs::read(&file).unwrap(), before, "keys are never overwritten");
    let gateway = setup.start_in(directory);
    assert_eq!(ask(&gateway, "block-msisdn", json!({"receiver": PHONE})), "000");
    assert!(!keys_file(gateway.dir()).exists());
}

#[test]
fn lost_keys_are_not_replaced_in_silence_and_a_reset_is_the_way_on() {
    let emulator = Emulator::start(1, &[]);
    let (stopped, code) = lived_in(&emulator);
    fs::remove_file(keys_file(stopped.dir())).unwrap();
    let config = stopped.dir().join("otp-pi.toml");
    let ended = run_to_end(&["serve", "--config", config.to_str().unwrap()]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("put the keys back from their backup"), "{}", ended.stderr);
    assert!(!keys_file(stopped.dir()).exists());

    let complaint = refused(&keys(stopped.dir(), &["reset"], None));
    assert!(complaint.contains("these are lost") && complaint.contains("--i-accept-the-loss"), "{complaint}");
    assert!(!keys_file(stopped.dir()).exists());
    let said = told(&keys(stopped.dir(), &["reset", "--i-accept-the-loss"], None));
    assert!(said.contains("1 receiver(s) in the journal") && said.contains("1 ticket(s)"), "{said}");
    let gateway = stopped.restart();
    let guess = json!({"reference": "before", "receiver": PHONE, "otp": code});
    assert_eq!(ask(&gateway, "validate-otp", guess), "1202", "its ticket is gone");
    assert_eq!(ask(&gateway, "send-sms", json!({"receiver": PHONE, "message": "it lives"})), "000");
    emulator.text_with("it lives");
    let complaint = refused(&keys(gateway.stop().dir(), &["reset", "--i-accept-the-loss"], None));
    assert!(complaint.contains("nothing is lost"), "{complaint}");
}
