//! SIGHUP from outside: what goes on, what changes, what is refused as a whole, and what waits for the next start.

mod listeners;
mod load;
mod modems;
mod pins;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::harness::{Emulator, Gateway, PASSWORD, Setup, USER, authorization, code_in, operate, wait_for};

const ECHO: &[u8] = br#"{"command":"echo","data":{}}"#;

/// The status of an echo with this login, on a connection of its own.
fn status_of(gateway: &Gateway, user: &str, password: &str) -> u16 {
    let login = authorization(user, password);
    gateway.connect().request("POST", "/api/otp", Some(&login), ECHO).unwrap().status
}

fn api_user(username: &str, password: &str) -> String {
    format!("[[api_user]]\nusername = \"{username}\"\npassword = \"{password}\"\n")
}

#[test]
fn a_kept_connection_goes_on_and_its_next_request_sees_the_new_rules() {
    let emulator = Emulator::start(1, &[]);
    let mut setup = Setup::with(&emulator);
    let gateway = setup.start();
    gateway.wait_for_modems(1);
    let mut client = gateway.connect();
    let mut create = |reference: &str| {
        let data = json!({"reference": reference, "receiver": "08126666666", "message": format!("{reference} %s")});
        client.ask("create-otp", data)["response_code"].as_str().unwrap().to_owned()
    };
    assert_eq!(create("before"), "000");
    assert_eq!(code_in(&emulator.text_with("before "), 6).len(), 6);
    setup.otp = "length = 8".to_owned();
    setup.api = "success_code = \"0000\"".to_owned();
    let log = gateway.reload_as(&setup);
    assert!(log.contains("settings.changed=2"), "{log}");
    assert_eq!(create("after"), "0000", "on the same connection");
    code_in(&emulator.text_with("after "), 8);
}

#[test]
fn a_request_whose_body_is_on_its_way_is_answered() {
    let gateway = Setup::without_modems().start();
    let mut client = gateway.connect();
    let body = json!({"command": "echo", "data": {"x": "y".repeat(1000)}}).to_string();
    let (first, second) = body.split_at(500);
    let login = authorization(USER, PASSWORD);
    let head = format!(
        "POST /api/otp HTTP/1.1\r\nHost: g\r\nAuthorization: {login}\r\nContent-Length: {}\r\n\r\n{first}",
        body.len()
    );
    client.raw(head.as_bytes()).unwrap();
    let mut setup = Setup::without_modems();
    setup.api = "success_code = \"0000\"".to_owned();
    gateway.reload_as(&setup);
    client.raw(second.as_bytes()).unwrap();
    let answer = client.read().unwrap();
    assert_eq!((answer.status, &answer.json()["data"]["x"]), (200, &json!("y".repeat(1000))));
}

#[test]
fn an_answer_that_waits_for_the_modem_outlives_a_reload() {
    let emulator = Emulator::start(1, &["--air-time", "1s"]);
    let mut setup = Setup::with(&emulator);
    setup.api = "wait = \"sent\"".to_owned();
    let gateway = setup.start();
    gateway.wait_for_modems(1);
    let mut client = gateway.connect();
    let asked = std::thread::spawn(move || {
        client.ask("send-sms", json!({"receiver": "08126666666", "message": "it takes its time"}))
    });
    emulator.text_with("it takes its time");
    setup.api = "success_code = \"0000\"".to_owned();
    gateway.reload_as(&setup);
    let answer = asked.join().unwrap();
    assert_eq!(answer["data"]["state"], "sent", "{answer}");
}

#[test]
fn a_bad_file_leaves_everything_as_it_was_and_the_log_says_so() {
    let mut setup = Setup::without_modems();
    let gateway = setup.start();
    let mut client = gateway.connect();
    assert_eq!(client.ask("echo", json!({}))["response_code"], "000");
    for (bad, words) in [
        (
            "success_code = \"0000\"\nsucces_code = \"0000\"",
            &["line 7: api.succes_code", "did you mean success_code?"][..],
        ),
        ("success_code = \"0000\"\nwait_limit = \"9 days\"", &["api.wait_limit: ", "not a duration"]),
        (
            "success_code = \"0000\"\nhttps_listen = \"127.0.0.1:0\"\n[tls]\ncertificate = \"/nowhere\"",
            &["tls.private_key"],
        ),
        ("success_code = \"0000", &["line 6"]),
    ] {
        setup.api = bad.to_owned();
        gateway.rewrite(&setup);
        let log = gateway.reload();
        for word in ["WARN", "the settings stay as they were"].iter().chain(words) {
            assert!(log.contains(word), "{word:?} is not in {log}");
        }
        let told = gateway.operate(&["settings", "reload"]);
        assert!(told.refused().contains(words[0]), "{told:?}");
        assert_eq!(client.ask("echo", json!({}))["response_code"], "000");
    }
    fs::remove_file(gateway.dir().join("otp-pi.toml")).unwrap();
    assert!(gateway.reload().contains("cannot be read"));
    assert_eq!(client.ask("echo", json!({}))["response_code"], "000");
    setup.api = "success_code = \"0000\"".to_owned();
    gateway.reload_as(&setup);
    assert_eq!(client.ask("echo", json!({}))["response_code"], "0000");
}

#[test]
fn api_users_come_change_and_go_and_a_kept_connection_notices() {
    let password = tempfile::NamedTempFile::new().unwrap();
    fs::write(password.path(), "first\n").unwrap();
    let mut setup = Setup::without_modems();
    setup.more = format!(
        "{}[[api_user]]\nusername = \"filed\"\npassword_file = {:?}\n",
        api_user("shop", "old"),
        password.path()
    );
    let gateway = setup.start();
    let mut client = gateway.connect();
    let mut kept = |password: &str| {
        client.request("POST", "/api/otp", Some(&authorization("shop", password)), ECHO).unwrap().status
    };
    assert_eq!((kept("old"), kept("new")), (200, 401));
    assert_eq!(status_of(&gateway, "filed", "first"), 200);

    fs::write(password.path(), "second\n").unwrap();
    gateway.reload();
    assert_eq!((status_of(&gateway, "filed", "first"), status_of(&gateway, "filed", "second")), (401, 200));
    assert_eq!(kept("old"), 200);

    setup.more = api_user("shop", "new") + &api_user("app", "other");
    gateway.reload_as(&setup);
    assert_eq!((kept("old"), kept("new")), (401, 200));
    assert_eq!((status_of(&gateway, "app", "other"), status_of(&gateway, "filed", "second")), (200, 401));
    assert!(gateway.log().contains("is not in the configuration any more: switched off"));

    setup.more = "[[api_user]]\nusername = \"app\"\npassword = \"other\"\nscopes = [\"sms\"]\n".to_owned();
    gateway.reload_as(&setup);
    assert_eq!(kept("new"), 401);
    let refused = gateway.ask_as(
        "app",
        "other",
        "create-otp",
        json!({"reference": "r", "receiver": "0812666666", "message": "%s"}),
    );
    assert_eq!(refused["response_code"], "1404", "{refused}");
}

#[test]
fn a_reload_that_changes_no_api_user_has_nobody_log_in_anew() {
    let mut setup = Setup::without_modems();
    let gateway = setup.start();
    let mut client = gateway.connect();
    assert_eq!(client.ask("echo", json!({}))["response_code"], "000");
    // From now on this address may log in no more for a while; who is logged in goes on.
    wait_for("the throttle", || (status_of(&gateway, USER, "wrong") == 429).then_some(()));
    setup.otp = "max_attempts = 4".to_owned();
    gateway.reload_as(&setup);
    assert_eq!(client.ask("echo", json!({}))["response_code"], "000");
}

#[test]
fn the_filter_of_the_log_follows() {
    let mut setup = Setup { modems: vec!["/nowhere/line".into()], ..Setup::without_modems() };
    let gateway = setup.start();
    let ask = || gateway.ask("send-sms", json!({"receiver": "08126666666", "message": "it waits"}));
    ask();
    assert!(!gateway.log().contains("DEBUG"));
    setup.log = "debug";
    gateway.reload_as(&setup);
    wait_for("a line of detail", || {
        ask();
        gateway.log().contains("DEBUG").then_some(())
    });
    setup.log = "warn";
    gateway.rewrite(&setup);
    gateway.hang_up();
    wait_for("silence", || {
        let before = gateway.log().len();
        ask();
        (gateway.log().len() == before).then_some(())
    });
}

#[test]
fn what_waits_for_the_next_start_is_said_each_time_until_then() {
    let mut setup = Setup::without_modems();
    let gateway = setup.start();
    setup.sms = "max_queue = 7".to_owned();
    setup.more = "[retention]\njournal = \"9d\"\n".to_owned();
    setup.otp = "max_attempts = 4".to_owned();
    let log = gateway.reload_as(&setup);
    for word in ["settings.changed=1", "sms.max_queue: 7, was 100000", "retention.journal: \\\"9d\\\", was \\\"90d\\\""]
    {
        assert!(log.contains(word), "{word:?} is not in {log}");
    }
    let told = gateway.operate(&["settings", "reload"]);
    assert!(told.told().contains("sms.max_queue: 7, was 100000  (with the next start)"), "{told:?}");
    let list = gateway.operate(&["settings", "list", "sms.max_queue"]);
    assert!(list.told().contains("with the next start"), "{list:?}");
    let list = gateway.operate(&["settings", "list", "otp.max_attempts", "--json"]).json();
    assert_eq!((&list[0]["value"], &list[0]["needs_restart"]), (&json!("4"), &json!(false)), "{list}");
    // What was taken back waits no more.
    setup.sms = String::new();
    let log = gateway.reload_as(&setup);
    assert!(!log.contains("max_queue"), "{log}");
    let gateway = gateway.stop().restart();
    assert!(!gateway.operate(&["settings", "list"]).told().contains("next start"));
}

#[test]
fn a_data_directory_that_waits_for_the_next_start_is_not_touched_before() {
    let mut setup = Setup::without_modems();
    let gateway = setup.start();
    let elsewhere = gateway.dir().join("elsewhere");
    setup.api = "https_listen = \"127.0.0.1:0\"".to_owned();
    setup.write(&gateway.dir().join("otp-pi.toml"), &elsewhere);
    let log = gateway.reload();
    assert!(log.contains("listening with TLS") && log.contains("data_dir: "), "{log}");
    assert!(!elsewhere.exists(), "the next start makes it");
    assert!(gateway.dir().join("data/tls/certificate.pem").exists());
}

#[test]
fn a_longer_drain_timeout_counts_at_the_next_stop() {
    // Longer than a stop takes beyond the old timeout.
    let emulator = Emulator::start(1, &["--air-time", "13s"]);
    let gateway = Setup::with(&emulator).start();
    gateway.operate(&["settings", "set", "drain_timeout", "1s"]).told();
    let gateway = gateway.stop().restart();
    gateway.operate(&["settings", "set", "drain_timeout", "60s"]).told();
    gateway.wait_for_modems(1);
    let answer = gateway.ask("send-sms", json!({"receiver": "08126666666", "message": "long on air"}));
    let id = answer["data"]["message_id"].as_str().unwrap().to_owned();
    gateway.wait_for_state(&id, "sending");
    let stopped = gateway.stop();
    let shown = operate(stopped.dir(), &["message", "show", &id, "--json"]).json();
    assert_eq!(shown["attempts"][0]["outcome"], "sent", "{shown}");
}

#[test]
fn a_hangup_while_it_starts_does_not_end_it() {
    let setup = Setup::without_modems();
    for _ in 0..5 {
        let directory = tempfile::TempDir::new().unwrap();
        let hung_up = directory.path().join("log");
        let gateway = std::thread::scope(|scope| {
            scope.spawn(move || {
                // From its first line on.
                let process = wait_for("the first line", || {
                    let told = fs::read_to_string(&hung_up).ok().filter(|log| !log.is_empty());
                    told.and_then(|_| process_with(&hung_up))
                });
                for _ in 0..20 {
                    let _sent = Command::new("kill").args(["-HUP", &process]).status().unwrap();
                }
            });
            setup.start_in(directory)
        });
        assert_eq!(gateway.ask("echo", json!({}))["response_code"], "000");
    }
}

/// The process whose standard error is this file.
fn process_with(log: &Path) -> Option<String> {
    let processes = fs::read_dir("/proc").unwrap();
    let is_it = |entry: &fs::DirEntry| fs::read_link(entry.path().join("fd/2")).is_ok_and(|path| path == log);
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    processes.map(Result::unwrap).find(is_it).map(name)
}

#[test]
fn the_watchdog_is_fed_while_a_reload_checks_passwords() {
    let directory = tempfile::TempDir::new().unwrap();
    let socket = directory.path().join("notify");
    let systemd = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
    systemd.set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
    let mut setup = Setup::without_modems();
    setup.environment =
        vec![("NOTIFY_SOCKET", socket.to_str().unwrap().to_owned()), ("WATCHDOG_USEC", "20000".to_owned())];
    let gateway = setup.start();
    setup.more = (0..20).map(|number| api_user(&format!("user{number}"), "password")).collect();
    gateway.rewrite(&setup);
    gateway.hang_up();
    let mut bytes = [0; 4096];
    let mut next = || {
        let length = systemd.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    while !next().contains("RELOADING=1") {}
    let meanwhile: Vec<String> = std::iter::from_fn(|| Some(next()).filter(|said| !said.contains("READY=1"))).collect();
    assert!(meanwhile.iter().any(|said| said.contains("WATCHDOG=1")), "{meanwhile:?}");
}

/// A gateway that answers its operators.
fn answering(setup: &Setup) -> Gateway {
    let gateway = setup.start();
    wait_for("the control socket", || (gateway.operate(&["keys", "status"]).code == Some(0)).then_some(()));
    gateway
}

#[test]
fn a_start_that_fails_late_tells_why_and_of_nothing_else() {
    let stopped = answering(&Setup::without_modems()).stop();
    let socket = stopped.dir().join("data/control.sock");
    let _gone = fs::remove_file(&socket);
    fs::create_dir(&socket).unwrap();
    let config = stopped.dir().join("otp-pi.toml");
    let ended = crate::harness::run_to_end(&["serve", "--config", config.to_str().unwrap()]);
    let told = ended.refused();
    assert!(told.contains("control.sock cannot be replaced"), "{told}");
    assert!(!told.contains("panicked") && !told.contains("a task failed"), "{told}");
}

#[test]
fn an_operator_too_many_is_told_so() {
    let gateway = answering(&Setup::without_modems());
    let socket = gateway.dir().join("data/control.sock");
    let connect = |_| std::os::unix::net::UnixStream::connect(&socket).unwrap();
    let others: Vec<_> = (0..16).map(connect).collect();
    let refused = gateway.operate(&["settings", "list"]);
    assert!(refused.refused().contains("too many operators ask at once"), "{refused:?}");
    drop(others);
    wait_for("room", || (gateway.operate(&["settings", "list"]).code == Some(0)).then_some(()));
}

#[test]
fn the_keys_of_another_users_database_are_not_reset() {
    if !rustix::process::geteuid().is_root() {
        // Only root can give a file away.
        return;
    }
    let stopped = answering(&Setup::without_modems()).stop();
    let data = stopped.dir().join("data");
    for path in [data.clone(), data.join("otp-pi.db")] {
        std::os::unix::fs::chown(&path, Some(1), None).unwrap();
    }
    let names = || fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>().len();
    let before = names();
    let refused = operate(stopped.dir(), &["keys", "reset", "--i-accept-the-loss"]);
    assert!(refused.refused().contains("run this as the user of the gateway"), "{refused:?}");
    assert_eq!(names(), before);
}
