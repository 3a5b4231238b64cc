//! Passwords that change without an outage, and when each was used last.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{FORM, PHONE, api_user, ask_simple, status, status_on};
use crate::harness::{Gateway, Setup, operate, unix_millis};
use crate::operator::Place as _;

fn secret(answer: &Value) -> String {
    let password = answer["password"].as_str().unwrap();
    assert!(password.len() >= 26, "130 bits in letters of five: {answer}");
    password.to_owned()
}

/// The last use of a password, `current` or `previous`.
fn use_of(shown: &Value, secret: &str) -> Value {
    let secrets = shown["secrets"].as_array().unwrap();
    secrets.iter().find(|one| one["secret"] == secret).unwrap_or_else(|| panic!("no {secret} in {shown}"))["last_use"]
        .clone()
}

#[test]
fn a_password_is_changed_without_an_outage_and_the_owner_sees_when_the_old_one_is_idle() {
    let gateway = Setup::without_modems().start();
    let old = secret(&gateway.json(&["api-user", "add", "app"]));
    let mut client = gateway.connect();
    assert_eq!(status_on(&mut client, "app", &old), 200);
    let before = unix_millis();
    let rotated = gateway.json(&["api-user", "rotate", "app", "--keep", "1h"]);
    let new = secret(&rotated);
    assert!(new != old && rotated["done"].as_str().unwrap().contains("api-user retire app"), "{rotated}");
    let shown = gateway.json(&["api-user", "show", "app"]);
    assert_eq!(use_of(&shown, "current"), Value::Null);
    assert_eq!(use_of(&shown, "previous")["address"], "127.0.0.1", "it follows the password: {shown}");
    let until = shown["secrets"][1]["valid_until"].as_u64().unwrap();
    assert!((before + 3_599_000..=unix_millis() + 3_600_000).contains(&until), "{shown}");
    for password in [&old, &new, &old] {
        assert_eq!(status_on(&mut client, "app", password), 200);
    }
    let shown = gateway.json(&["api-user", "show", "app"]);
    let at = |secret: &str| use_of(&shown, secret)["at"].as_u64().unwrap();
    assert!(before <= at("current") && at("current") <= at("previous"), "{shown}");
    let list = gateway.operate(&["api-user", "list"]);
    assert!(list.told().contains("previous password good until") && list.told().contains("from 127.0.0.1"), "{list:?}");
    let refused = gateway.operate(&["api-user", "rotate", "app"]);
    for part in ["has two passwords already", "api-user retire app", "--force"] {
        assert!(refused.refused().contains(part), "{refused:?}");
    }
    assert_eq!(
        gateway.operate(&["api-user", "retire", "app"]).told(),
        "the old password of app is not good any more\n"
    );
    assert_eq!((status_on(&mut client, "app", &old), status_on(&mut client, "app", &new)), (401, 200));
    let refused = gateway.operate(&["api-user", "retire", "app"]);
    assert!(refused.refused().contains("app has no previous password"), "{refused:?}");
    let all = gateway.operate(&["api-user", "list", "--json"]).told().to_owned() + &gateway.log();
    assert!(!all.contains(&old) && !all.contains(&new) && !all.contains("argon2id"), "{all}");
}

#[test]
fn a_third_password_that_is_forced_ends_the_first_and_one_that_is_set_ends_all() {
    let gateway = Setup::without_modems().start();
    let first = secret(&gateway.json(&["api-user", "add", "app"]));
    let second = secret(&gateway.json(&["api-user", "rotate", "app"]));
    let third = secret(&gateway.json(&["api-user", "rotate", "app", "--force"]));
    let statuses = |passwords: &[&String]| -> Vec<u16> {
        passwords.iter().map(|password| status(&gateway, "app", password)).collect()
    };
    assert_eq!(statuses(&[&first, &second, &third]), [401, 200, 200]);
    let fourth = secret(&gateway.json(&["api-user", "passwd", "app"]));
    assert_eq!(statuses(&[&second, &third, &fourth]), [401, 401, 200]);
    for keep in ["0s", "soon", "500ms"] {
        let wrong = gateway.operate(&["api-user", "rotate", "app", "--keep", keep]);
        assert!(wrong.code == Some(2) && wrong.stderr.contains("write a duration like 12h or 7d"), "{wrong:?}");
    }
    assert_eq!(statuses(&[&fourth]), [200]);
}

#[test]
fn both_passwords_outlive_a_restart_and_a_rotation_without_a_gateway_counts_from_the_next_start() {
    let gateway = Setup::without_modems().start();
    let first = secret(&gateway.json(&["api-user", "add", "app"]));
    let second = secret(&gateway.json(&["api-user", "rotate", "app"]));
    let gateway = gateway.kill().restart();
    assert_eq!((status(&gateway, "app", &first), status(&gateway, "app", &second)), (200, 200));
    let stopped = gateway.stop();
    stopped.operate(&["api-user", "retire", "app"]).told();
    let third = secret(&stopped.json(&["api-user", "rotate", "app"]));
    let shown = stopped.json(&["api-user", "show", "app"]);
    assert_eq!(
        (use_of(&shown, "current"), use_of(&shown, "previous")["address"].clone()),
        (Value::Null, json!("127.0.0.1"))
    );
    let gateway = stopped.restart();
    let statuses = [&first, &second, &third].map(|password| status(&gateway, "app", password));
    assert_eq!(statuses, [401, 200, 200]);
}

#[test]
fn a_password_of_the_file_is_rotated_in_the_file() {
    let mut setup = Setup::without_modems();
    let gateway = setup.start();
    let file = |name: &str, password: &str| {
        let path = gateway.dir().join(name);
        fs::write(&path, format!("{password}\n")).unwrap();
        path
    };
    let (old, new) = (file("old", "the old one"), file("new", "the new one"));
    let user = |current: &Path, more: &str| {
        format!("[[api_user]]\nusername = \"shop\"\npassword_file = {current:?}\n{more}\n")
    };
    setup.more = user(&old, "");
    gateway.reload_as(&setup);
    assert_eq!(status(&gateway, "shop", "the old one"), 200);
    let refused = gateway.operate(&["api-user", "rotate", "shop"]);
    assert!(refused.refused().contains("password_file is set by the file"), "{refused:?}");
    for (until, expected) in [("2099-01-01T00:00:00Z", 200), ("2020-01-01T00:00:00Z", 401), ("", 200)] {
        setup.more = user(&new, &format!("previous_password_file = {old:?}\nprevious_until = {until:?}"));
        gateway.reload_as(&setup);
        let statuses = ["the old one", "the new one"].map(|password| status(&gateway, "shop", password));
        assert_eq!(statuses, [expected, 200], "{until}");
        let shown = gateway.json(&["api-user", "show", "shop"]);
        assert_eq!(shown["secrets"][1]["is_valid"], expected == 200, "{shown}");
        assert_eq!(use_of(&shown, "previous")["address"], "127.0.0.1", "from before the rotation: {shown}");
    }
    setup.more = user(&new, "");
    gateway.reload_as(&setup);
    let statuses = ["the old one", "the new one"].map(|password| status(&gateway, "shop", password));
    assert_eq!(statuses, [401, 200]);
}

/// What the log says of the commits of a run that has ended.
fn commits(log: &str) -> u64 {
    let told = log.rsplit("store.commits=").next().unwrap();
    told.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn the_last_use_outlives_a_restart_and_costs_no_commit_per_request() {
    let run = |gateway: Gateway, requests: usize| {
        let mut client = gateway.connect();
        for _ in 0..requests {
            assert_eq!(status_on(&mut client, "user", "password"), 200);
        }
        let stopped = gateway.stop();
        let log = fs::read_to_string(stopped.dir().join("log")).unwrap();
        (stopped, commits(&log))
    };
    let (stopped, _) = run(Setup::without_modems().start(), 1);
    let (stopped, few) = run(stopped.restart(), 1);
    let before = unix_millis();
    let (stopped, many) = run(stopped.restart(), 300);
    // Some of a start's own may come or not; three hundred do not.
    assert!(many <= few + 10, "{many} commits with 300 requests, {few} with one");
    let shown = stopped.json(&["api-user", "show", "user"]);
    assert!(use_of(&shown, "current")["at"].as_u64().unwrap() >= before, "{shown}");
    let gateway = stopped.restart();
    assert_eq!(use_of(&gateway.json(&["api-user", "show", "user"]), "current"), use_of(&shown, "current"));
}

#[test]
fn what_is_done_in_a_users_name_without_a_login_is_shown_apart() {
    let mut setup = Setup::without_modems();
    setup.api = "simple_otp_open = [\"127.0.0.0/8\"]\nsimple_otp_user = \"door\"".to_owned();
    setup.more = api_user("door", "");
    let gateway = setup.start();
    assert_eq!(gateway.json(&["api-user", "show", "door"])["used_without_login"], Value::Null);
    let body = format!("phone_number={PHONE}");
    assert_eq!(ask_simple(&mut gateway.connect(), "/validate_otp", None, FORM, "", &body), 404);
    let shown = gateway.json(&["api-user", "show", "door"]);
    assert_eq!(
        (&shown["used_without_login"]["address"], use_of(&shown, "current")),
        (&json!("127.0.0.1"), Value::Null)
    );
    let told = gateway.operate(&["api-user", "show", "door"]);
    for part in ["password  not used yet", "no login  last used ", "from      anywhere", "state     on"] {
        assert!(told.told().contains(part), "{part}: {told:?}");
    }
    let missing = operate(gateway.dir(), &["api-user", "show", "nobody", "--json"]);
    assert!(missing.code == Some(1) && missing.json()["error"] == "there is no API user \"nobody\"", "{missing:?}");
}
