//! `otp-pi api-user …`.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::json;

use super::Place;
use crate::harness::{Client, Gateway, Setup, authorization, operation};

const ECHO: &[u8] = br#"{"command":"echo","data":{}}"#;

fn status_on(client: &mut Client, user: &str, password: &str) -> u16 {
    client.request("POST", "/api/otp", Some(&authorization(user, password)), ECHO).unwrap().status
}

fn status(gateway: &Gateway, user: &str, password: &str) -> u16 {
    status_on(&mut gateway.connect(), user, password)
}

fn password_file(password: &str) -> (tempfile::NamedTempFile, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), format!("{password}\nanother line\n")).unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    (file, path)
}

#[test]
fn an_added_user_may_call_at_once_and_after_a_restart() {
    let gateway = Setup::without_modems().start();
    let (_file, path) = password_file("geheim");
    let told = gateway.operate(&["api-user", "add", "app", "--password-file", &path]);
    assert_eq!(told.told(), "added app\n");
    assert_eq!((status(&gateway, "app", "geheim"), status(&gateway, "app", "another line")), (200, 401));
    let list = gateway.operate(&["api-user", "list"]);
    assert!(list.told().lines().any(|line| line.starts_with("app ") && line.ends_with("database")), "{list:?}");
    assert!(list.told().contains("file, line "), "{list:?}");
    let again = gateway.operate(&["api-user", "add", "app"]);
    assert!(again.refused().contains("there is an API user \"app\" already"), "{again:?}");
    let gateway = gateway.stop().restart();
    assert_eq!(status(&gateway, "app", "geheim"), 200);
    let gateway = gateway.kill().restart();
    assert_eq!(status(&gateway, "app", "geheim"), 200, "after a power cut too");
}

#[test]
fn made_passwords_are_shown_once_and_work() {
    let gateway = Setup::without_modems().start();
    let added = gateway.json(&["api-user", "add", "app"]);
    let first = added["password"].as_str().unwrap();
    assert!(first.len() >= 16, "{added}");
    assert_eq!(status(&gateway, "app", first), 200);
    let told = gateway.operate(&["api-user", "passwd", "app"]);
    let second = told.told().lines().next().unwrap().split("password: ").nth(1).unwrap();
    assert_eq!((status(&gateway, "app", first), status(&gateway, "app", second)), (401, 200));
    let all = format!("{}{}", gateway.operate(&["api-user", "list", "--json"]).told(), gateway.log());
    assert!(!all.contains(first) && !all.contains(second) && !all.contains("argon2id"), "{all}");
}

#[test]
fn another_password_ends_the_old_one_on_connections_that_are_open() {
    let gateway = Setup::without_modems().start();
    let ((_old_file, old), (_new_file, new)) = (password_file("old"), password_file("new"));
    gateway.operate(&["api-user", "add", "app", "--password-file", &old]).told();
    let mut client = gateway.connect();
    assert_eq!(status_on(&mut client, "app", "old"), 200);
    let told = gateway.operate(&["api-user", "passwd", "app", "--password-file", &new]);
    assert_eq!(told.told(), "app has another password\n");
    assert_eq!((status_on(&mut client, "app", "old"), status_on(&mut client, "app", "new")), (401, 200));
}

#[test]
fn users_are_switched_off_and_on_and_forgotten_at_once() {
    let gateway = Setup::without_modems().start();
    let (_file, path) = password_file("geheim");
    gateway.operate(&["api-user", "add", "app", "--password-file", &path]).told();
    let mut client = gateway.connect();
    let mut status = || status_on(&mut client, "app", "geheim");
    assert_eq!(status(), 200);
    for (act, expected, words) in [
        ("disable", 401, "app may not log in any more\n"),
        ("enable", 200, "app may log in\n"),
        ("remove", 401, "removed app\n"),
    ] {
        assert_eq!(gateway.operate(&["api-user", act, "app"]).told(), words);
        assert_eq!(status(), expected, "{act}");
    }
    for act in ["enable", "disable", "remove", "passwd"] {
        let refused = gateway.operate(&["api-user", act, "app"]);
        assert!(refused.refused().contains("there is no API user \"app\""), "{refused:?}");
    }
    assert_eq!(gateway.json(&["api-user", "list"]).as_array().unwrap().len(), 1);
}

#[test]
fn what_a_user_may_do_is_chosen_when_it_is_added() {
    let gateway = Setup::without_modems().start();
    let (_file, path) = password_file("geheim");
    let add = ["api-user", "add", "app", "--password-file", &path];
    let bad = gateway.operate(&[&add[..], &["--scope", "sms,fax"]].concat());
    assert!(bad.refused().contains("\"fax\" is not a scope") && bad.refused().contains("choose among otp"), "{bad:?}");
    let bad = gateway.operate(&[&add[..], &["--class", "otp"]].concat());
    assert!(bad.refused().contains("write one of \"transactional\", \"bulk\""), "{bad:?}");
    for name in ["a:b", ""] {
        let bad = gateway.operate(&["api-user", "add", name]);
        assert!(bad.refused().contains("without a colon"), "{bad:?}");
    }
    assert_eq!(status(&gateway, "app", "geheim"), 401, "nothing was added");
    gateway.operate(&[&add[..], &["--scope", "sms,block", "--class", "bulk"]].concat()).told();
    let data = json!({"reference": "r", "receiver": "0812666666", "message": "%s"});
    assert_eq!(gateway.ask_as("app", "geheim", "create-otp", data)["response_code"], "1404");
    let list = gateway.json(&["api-user", "list"]);
    assert_eq!((&list[1]["scopes"], &list[1]["class"]), (&json!(["sms", "block"]), &json!("bulk")), "{list}");
}

#[test]
fn users_of_the_file_are_locked_with_the_place_named_and_of_the_environment_too() {
    let mut setup = Setup::without_modems();
    setup.environment = vec![("OTP_PI__API_USER__ROBOT__PASSWORD", "metal".to_owned())];
    let gateway = setup.start();
    assert_eq!(status(&gateway, "robot", "metal"), 200);
    let text = fs::read_to_string(gateway.dir().join("otp-pi.toml")).unwrap();
    let line = 1 + text.lines().position(|line| line.starts_with("password")).unwrap();
    let refused = gateway.operate(&["api-user", "passwd", "user"]);
    assert!(refused.refused().contains(&format!("is set by the file (line {line}): change it there")), "{refused:?}");
    let refused = gateway.operate(&["api-user", "remove", "user"]);
    assert!(refused.refused().contains("api_user.user.username is set by the file (line "), "{refused:?}");
    let refused = gateway.operate(&["api-user", "passwd", "robot"]);
    let words = "is set by the environment (OTP_PI__API_USER__ROBOT__PASSWORD)";
    assert!(refused.refused().contains(words), "{refused:?}");
    assert_eq!((status(&gateway, "user", "password"), status(&gateway, "robot", "metal")), (200, 200));
    // A key that the file leaves open may be set.
    gateway.operate(&["api-user", "disable", "user"]).told();
    assert_eq!(status(&gateway, "user", "password"), 401);
}

#[test]
fn users_are_changed_without_a_gateway_for_its_next_start() {
    let stopped = Setup::without_modems().start().stop();
    let (_file, path) = password_file("geheim");
    assert_eq!(stopped.operate(&["api-user", "add", "app", "--password-file", &path]).told(), "added app\n");
    let second = stopped.json(&["api-user", "add", "second"])["password"].as_str().unwrap().to_owned();
    stopped.operate(&["api-user", "disable", "second"]).told();
    assert_eq!(stopped.json(&["api-user", "list"]).as_array().unwrap().len(), 3);
    let refused = stopped.operate(&["api-user", "remove", "user"]);
    assert!(refused.refused().contains("is set by the file"), "{refused:?}");
    let gateway = stopped.restart();
    assert_eq!((status(&gateway, "app", "geheim"), status(&gateway, "second", &second)), (200, 401));
}

#[test]
fn passwords_come_from_standard_input_too_and_are_never_cut_off() {
    let gateway = Setup::without_modems().start();
    let run = |input: &str| {
        let mut command = operation(gateway.dir(), &["api-user", "add", "app", "--password-file", "-"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // One that refuses early does not read everything.
        let _written = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = run("\n");
    assert!(code == Some(1) && said.contains("the first line of standard input is empty"), "{said}");
    let (code, said) = run(&"x".repeat(5_000));
    assert!(code == Some(1) && said.contains("standard input is longer than"), "{said}");
    assert_eq!(run("pass: with ümlaut\n"), (Some(0), String::new()));
    assert_eq!(status(&gateway, "app", "pass: with ümlaut"), 200);
    let missing = gateway.operate(&["api-user", "add", "b", "--password-file", "/nowhere/password"]);
    assert!(missing.refused().contains("/nowhere/password cannot be read"), "{missing:?}");
}
