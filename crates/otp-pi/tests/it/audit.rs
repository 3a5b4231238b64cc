//! The audit record from outside: every act leaves its row, with who, from where and what; tampering is found; nothing secret is in it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{
    Emulator, Ended, Gateway, HeldDatabase, Setup, authorization, operate, operation, skip, wait_for,
};

const ECHO: &[u8] = br#"{"command":"echo","data":{}}"#;

/// The rows, the oldest first.
#[track_caller]
fn rows(directory: &Path) -> Vec<Value> {
    let listed = operate(directory, &["audit", "list", "--limit", "1000", "--json"]);
    listed.told();
    let mut rows = listed.json().as_array().unwrap().clone();
    rows.reverse();
    rows
}

/// The last row of this event.
#[track_caller]
fn row(directory: &Path, event: &str) -> Value {
    let rows = rows(directory);
    rows.iter().rfind(|row| row["event"] == event).unwrap_or_else(|| panic!("no {event} in {rows:#?}")).clone()
}

fn count(directory: &Path, event: &str) -> usize {
    rows(directory).iter().filter(|row| row["event"] == event).count()
}

/// The changes of a row as text: `key: old > new`.
fn changes(row: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let change =
        |change: &Value| format!("{}: {} > {}", text(&change["what"]), text(&change["old"]), text(&change["new"]));
    row["changes"].as_array().unwrap().iter().map(change).collect()
}

/// Who the tests are, to the gateway.
fn me(directory: &Path) -> String {
    format!("uid {}", fs::metadata(directory).unwrap().uid())
}

#[track_caller]
fn assert_by(row: &Value, actor: &str, origin: &str, subject: &str) {
    let actual = row["actor"].as_str().unwrap();
    assert!(actual == actor || actual.starts_with(&format!("{actor}, logged in as ")), "{row}");
    assert_eq!((row["origin"].as_str().unwrap(), row["subject"].as_str().unwrap()), (origin, subject), "{row}");
}

#[track_caller]
fn assert_sound(directory: &Path) {
    let verdict = operate(directory, &["audit", "verify"]);
    assert!(verdict.told().starts_with("the record is whole and as it was written: "), "{verdict:?}");
}

/// Runs statements on the database of a gateway that does not run.
fn tamper(directory: &Path, statements: &str) -> bool {
    let program = "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1])\nc.executescript(sys.argv[2])\nc.commit()";
    let mut command = Command::new("python3");
    command.args(["-c", program]).arg(directory.join("data/otp-pi.db")).arg(statements);
    let status = command.status();
    status.is_ok_and(|status| {
        assert!(status.success());
        true
    })
}

fn with_input(directory: &Path, arguments: &[&str], input: &str) -> Option<i32> {
    let mut child = operation(directory, arguments).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait().unwrap().code()
}

#[test]
fn a_gateway_tells_its_start_its_stop_and_who_may_call_it() {
    let gateway = Setup::without_modems().start();
    let words: Vec<_> = rows(gateway.dir()).iter().map(|row| row["event"].clone()).collect();
    assert_eq!(words, ["keys-made", "api-user-added", "gateway-started"]);
    assert_by(&row(gateway.dir(), "api-user-added"), "gateway", "start", "user");
    assert_eq!(
        changes(&row(gateway.dir(), "gateway-started")),
        [format!("version: - > {}", env!("CARGO_PKG_VERSION"))]
    );
    let stopped = gateway.stop();
    assert_eq!(changes(&row(stopped.dir(), "gateway-stopped")), ["why: - > asked to"]);
    let gateway = stopped.restart().kill().restart();
    let words: Vec<_> = rows(gateway.dir()).iter().skip(3).map(|row| row["event"].clone()).collect();
    assert_eq!(words, ["gateway-stopped", "gateway-started", "gateway-started"], "a power cut has no stop");
    assert_sound(gateway.dir());
}

#[test]
fn changed_settings_are_told_with_what_they_were_and_secrets_without() {
    let gateway = Setup::without_modems().start();
    let me = me(gateway.dir());
    gateway.operate(&["settings", "set", "otp.length", "8", "otp.lifetime", "90s"]).told();
    let set = row(gateway.dir(), "settings-changed");
    assert_by(&set, &me, "control socket", "");
    assert_eq!(changes(&set), ["otp.length: 6 > 8", "otp.lifetime: \"3m\" > \"90s\""]);
    gateway.operate(&["settings", "set", "otp.length", "8"]).told();
    assert_eq!(count(gateway.dir(), "settings-changed"), 1, "the same again changes nothing");
    let modem = ["settings", "set", "modem.south.port", "/nowhere/south", "modem.south.msisdn", "628129998887"];
    gateway.operate(&modem).told();
    let set = changes(&row(gateway.dir(), "settings-changed"));
    assert!(set.contains(&"modem.south.msisdn: - > changed".to_owned()), "{set:?}");
    assert!(set.contains(&"modem.south.port: - > \"/nowhere/south\"".to_owned()), "{set:?}");
    assert_eq!(with_input(gateway.dir(), &["settings", "set", "modem.south.sim_pin", "-"], "73914682"), Some(0));
    assert_eq!(changes(&row(gateway.dir(), "settings-changed")), ["modem.south.sim_pin: - > changed"]);
    gateway.operate(&["settings", "set", "otp.template", "Geheimtext %s"]).told();
    assert_eq!(changes(&row(gateway.dir(), "settings-changed")), ["otp.template: - > changed"]);
    let refused = gateway.operate(&["settings", "set", "otp.length", "99"]);
    refused.refused();
    assert_eq!(count(gateway.dir(), "settings-changed"), 4, "what is refused changes nothing");
    gateway.operate(&["settings", "unset", "modem.south"]).told();
    assert!(changes(&row(gateway.dir(), "settings-changed")).contains(&"modem.south.sim_pin: - > changed".to_owned()));
    gateway.operate(&["settings", "reset"]).told();
    let reset = row(gateway.dir(), "settings-reset");
    assert_by(&reset, &me, "control socket", "");
    assert!(changes(&reset).contains(&"otp.length: 8 > 6".to_owned()), "{reset}");
    let all = operate(gateway.dir(), &["audit", "list", "--json"]).stdout;
    for secret in ["73914682", "628129998887", "Geheimtext", "argon2"] {
        assert!(!all.contains(secret), "{secret}");
    }
    assert_sound(gateway.dir());
}

#[test]
fn documents_that_come_and_go_are_told() {
    let gateway = Setup::without_modems().start();
    let me = me(gateway.dir());
    let file = gateway.dir().join("export.toml");
    gateway.operate(&["settings", "set", "otp.length", "8"]).told();
    gateway.operate(&["settings", "export", "--output", file.to_str().unwrap()]).told();
    let exported = row(gateway.dir(), "settings-exported");
    assert_by(&exported, &me, "control socket", "");
    assert_eq!(changes(&exported), ["secrets: - > left out"]);
    fs::write(&file, "[otp]\nlength = 7\n").unwrap();
    gateway.operate(&["settings", "import", file.to_str().unwrap()]).told();
    let imported = row(gateway.dir(), "settings-imported");
    assert_by(&imported, &me, "control socket", "");
    assert_eq!(changes(&imported), ["otp.length: 8 > 7"]);
    fs::write(&file, "[otp]\nlength = 70\n").unwrap();
    gateway.operate(&["settings", "import", file.to_str().unwrap()]).refused();
    assert_eq!(count(gateway.dir(), "settings-imported"), 1);
}

#[test]
fn a_reload_tells_what_the_file_changed_and_one_that_fails_tells_nothing() {
    let mut setup = Setup::without_modems();
    let gateway = setup.start();
    let before = rows(gateway.dir()).len();
    gateway.reload();
    assert_eq!(rows(gateway.dir()).len(), before, "nothing had changed");
    setup.otp = "length = 99".to_owned();
    gateway.rewrite(&setup);
    assert!(gateway.reload().contains("the settings stay as they were"));
    setup.otp = "length = 8".to_owned();
    setup.listen = "[\"127.0.0.1:0\", \"192.0.2.77:9\"]".to_owned();
    gateway.rewrite(&setup);
    assert!(gateway.reload().contains("the settings stay as they were"), "an address of somebody else");
    assert_eq!(rows(gateway.dir()).len(), before);
    setup.listen = "\"127.0.0.1:0\"".to_owned();
    gateway.reload_as(&setup);
    let changed = row(gateway.dir(), "settings-changed");
    assert_by(&changed, "gateway", "reload", "");
    assert_eq!(changes(&changed), ["otp.length: 6 > 8"]);
    setup.otp = "length = 9".to_owned();
    gateway.rewrite(&setup);
    gateway.operate(&["settings", "reload"]).told();
    assert_by(&row(gateway.dir(), "settings-changed"), &me(gateway.dir()), "reload", "");
}

#[test]
fn what_the_file_changed_while_no_gateway_ran_is_told_by_the_next_start() {
    let mut setup = Setup::without_modems();
    setup.more = "[[api_user]]\nusername = \"app\"\npassword = \"erstes\"\n".to_owned();
    let stopped = setup.start().stop();
    assert_eq!(count(stopped.dir(), "settings-changed"), 0, "there is nothing to compare the first with");
    let stopped = stopped.restart().stop();
    assert_eq!(count(stopped.dir(), "settings-changed"), 0, "nor did anything change");
    setup.otp = "length = 8\ntemplate = \"Geheimtext %s\"".to_owned();
    setup.more = "[[api_user]]\nusername = \"app\"\npassword = \"zweites\"\n\
                  [[api_user]]\nusername = \"new\"\npassword = \"x\"\n"
        .to_owned();
    let stopped = stopped.restart_as(&setup).stop();
    let told = row(stopped.dir(), "settings-changed");
    assert_by(&told, "gateway", "start", "");
    assert_eq!(changes(&told), ["otp.length: 6 > 8", "otp.template: - > changed"]);
    let told = row(stopped.dir(), "api-user-changed");
    assert_by(&told, "gateway", "start", "app");
    assert_eq!(changes(&told), ["password: - > changed"]);
    assert_by(&row(stopped.dir(), "api-user-added"), "gateway", "start", "new");
    // What an operator did meanwhile is told once, in his name; what the file changed before that is not put on him.
    setup.otp = "length = 9\ntemplate = \"Geheimtext %s\"".to_owned();
    setup.write(&stopped.dir().join("otp-pi.toml"), &stopped.dir().join("data"));
    operate(stopped.dir(), &["settings", "set", "otp.max_attempts", "3"]).told();
    operate(stopped.dir(), &["api-user", "add", "second"]).told();
    assert_eq!(changes(&row(stopped.dir(), "settings-changed")), ["otp.max_attempts: 5 > 3"]);
    let gateway = stopped.restart();
    let told = row(gateway.dir(), "settings-changed");
    assert_by(&told, "gateway", "start", "");
    assert_eq!(changes(&told), ["otp.length: 8 > 9"]);
    assert_by(&row(gateway.dir(), "api-user-added"), &me(gateway.dir()), "shell", "second");
    assert_sound(gateway.dir());
}

#[test]
fn api_users_are_told_one_by_one_and_no_password_with_them() {
    let gateway = Setup::without_modems().start();
    let me = me(gateway.dir());
    let password = gateway.dir().join("password");
    fs::write(&password, "Losungswort-1\n").unwrap();
    let add = ["api-user", "add", "shop.eu", "--scope", "otp", "--password-file", password.to_str().unwrap()];
    gateway.operate(&add).told();
    let added = row(gateway.dir(), "api-user-added");
    assert_by(&added, &me, "control socket", "shop.eu");
    assert!(changes(&added).contains(&"password_hash: - > changed".to_owned()), "{added}");
    assert!(changes(&added).contains(&"scopes: - > [\"otp\"]".to_owned()), "{added}");
    for (act, expected) in [
        (&["api-user", "disable", "shop.eu"][..], "active: true > false"),
        (&["api-user", "enable", "shop.eu"], "active: false > true"),
        (&["api-user", "passwd", "shop.eu"], "password_hash: - > changed"),
    ] {
        gateway.operate(act).told();
        let changed = row(gateway.dir(), "api-user-changed");
        assert_by(&changed, &me, "control socket", "shop.eu");
        assert_eq!(changes(&changed), [expected], "{act:?}");
    }
    gateway.operate(&add).refused();
    gateway.operate(&["api-user", "remove", "shop.eu"]).told();
    assert_by(&row(gateway.dir(), "api-user-removed"), &me, "control socket", "shop.eu");
    assert_eq!((count(gateway.dir(), "api-user-added"), count(gateway.dir(), "settings-changed")), (2, 0));
    let all = operate(gateway.dir(), &["audit", "list", "--json"]).stdout;
    assert!(!all.contains("Losungswort") && !all.contains("argon2"), "{all}");
}

#[test]
fn a_password_that_changes_in_its_own_file_is_told_at_the_reload() {
    let secrets = tempfile::tempdir().unwrap();
    let file = secrets.path().join("password");
    fs::write(&file, "first\n").unwrap();
    let mut setup = Setup::without_modems();
    setup.more = format!("[[api_user]]\nusername = \"app\"\npassword_file = {file:?}\n");
    let gateway = setup.start();
    fs::write(&file, "second\n").unwrap();
    gateway.reload();
    let changed = row(gateway.dir(), "api-user-changed");
    assert_by(&changed, "gateway", "reload", "app");
    assert_eq!(changes(&changed), ["login or rights: - > changed"]);
    setup.more = String::new();
    gateway.reload_as(&setup);
    assert_by(&row(gateway.dir(), "api-user-removed"), "gateway", "reload", "app");
}

#[test]
fn what_is_done_about_messages_receivers_keys_and_copies_is_told() {
    let emulator = Emulator::start(1, &[]);
    let gateway = Setup::with(&emulator).start();
    let me = me(gateway.dir());
    gateway.wait_for_modems(1);
    gateway.ask("block-msisdn", json!({"receiver": "08127770001"}));
    gateway.ask("block-msisdn", json!({"receiver": "08127770001"}));
    assert_by(&row(gateway.dir(), "receiver-blocked"), "api user user", "127.0.0.1", "62812•••01");
    gateway.ask("unblock-msisdn", json!({"receiver": "08127770001"}));
    assert_by(&row(gateway.dir(), "receiver-unblocked"), "api user user", "127.0.0.1", "62812•••01");
    assert_eq!(count(gateway.dir(), "receiver-blocked"), 1, "blocked once");
    let later = json!({"receiver": "08127770002", "message": "später", "date_time": "2099-01-01 00:00:00"});
    let waiting = gateway.ask("send-sms", later)["data"]["message_id"].as_str().map(str::to_owned);
    if let Some(id) = waiting {
        gateway.operate(&["message", "cancel", &id]).told();
        assert_by(&row(gateway.dir(), "message-cancelled"), &me, "control socket", &id);
        gateway.operate(&["message", "retry", &id]).refused();
        assert_eq!(count(gateway.dir(), "message-retried"), 0, "what is not done is not told");
    }
    gateway.operate(&["keys", "rotate"]).told();
    assert_by(&row(gateway.dir(), "keys-rotated"), &me, "control socket", "");
    let copy = gateway.dir().join("copy.db");
    gateway.operate(&["backup", copy.to_str().unwrap()]).told();
    assert_by(&row(gateway.dir(), "backup-made"), &me, "control socket", "");
    let verdict = gateway.operate(&["audit", "verify", "--backup", copy.to_str().unwrap(), "--json"]);
    assert_eq!(verdict.code, Some(0), "{verdict:?}");
    assert_eq!(verdict.json()["is_sound"], true);
    assert_sound(gateway.dir());
}

#[test]
fn what_is_done_with_a_modem_by_hand_is_told_without_arguments_text_and_number() {
    let emulator = Emulator::start(1, &[]);
    let gateway = Setup::with(&emulator).start();
    let me = me(gateway.dir());
    gateway.wait_for_modems(1);
    gateway.operate(&["modem", "at", "m0", "AT+CSQ"]).told();
    let asked = row(gateway.dir(), "modem-command");
    assert_by(&asked, &me, "control socket", "m0");
    assert_eq!(changes(&asked), ["command: - > AT+CSQ"]);
    gateway.operate(&["modem", "send", "m0", "08127770003", "Geheimtext"]).told();
    let sent = row(gateway.dir(), "sent-by-hand");
    assert_by(&sent, &me, "control socket", "62812•••03");
    assert_eq!(changes(&sent), ["modem: - > m0"]);
    let refused = gateway.operate(&["modem", "at", "m0", "AT+CMGS=12"]);
    refused.refused();
    assert_eq!(count(gateway.dir(), "modem-command"), 1);
    let stopped = gateway.stop();
    operate(stopped.dir(), &["modem", "at", "m0", "AT+CGSN"]).told();
    assert_by(&row(stopped.dir(), "modem-command"), &me, "shell", "m0");
    operate(stopped.dir(), &["modem", "send", "m0", "08127770003", "Geheimtext"]).told();
    assert_by(&row(stopped.dir(), "sent-by-hand"), &me, "shell", "62812•••03");
    let all = operate(stopped.dir(), &["audit", "list", "--json"]).stdout;
    assert!(!all.contains("Geheimtext") && !all.contains("7770003"), "{all}");
    assert_sound(stopped.dir());
}

#[test]
fn without_a_gateway_acts_are_told_from_the_shell() {
    let stopped = Setup::without_modems().start().stop();
    let me = me(stopped.dir());
    operate(stopped.dir(), &["settings", "set", "otp.length", "8"]).told();
    assert_by(&row(stopped.dir(), "settings-changed"), &me, "shell", "");
    operate(stopped.dir(), &["api-user", "add", "app"]).told();
    assert_by(&row(stopped.dir(), "api-user-added"), &me, "shell", "app");
    operate(stopped.dir(), &["keys", "rotate"]).told();
    assert_by(&row(stopped.dir(), "keys-rotated"), &me, "shell", "");
    fs::remove_file(stopped.dir().join("data/keys/keys.json")).unwrap();
    operate(stopped.dir(), &["keys", "reset", "--i-accept-the-loss"]).told();
    assert_by(&row(stopped.dir(), "keys-reset"), &me, "shell", "");
    assert_eq!(count(stopped.dir(), "settings-changed"), 1, "what was there before is still there");
    assert_sound(stopped.dir());
}

#[test]
fn logins_that_reach_the_throttle_are_told_once_and_without_what_was_typed() {
    let gateway = Setup::without_modems().start();
    let login = authorization("user", "falsch");
    let typed = authorization("Passwort-im-Namensfeld", "x");
    let mut client = gateway.connect();
    let mut throttled = 0;
    wait_for("the throttle", || {
        let login = if throttled == 0 { &login } else { &typed };
        let response = client.request("POST", "/api/otp", Some(login), ECHO).unwrap();
        throttled += usize::from(response.status == 429);
        (throttled > 30).then_some(())
    });
    let told = row(gateway.dir(), "logins-throttled");
    assert_by(&told, "unknown", "127.0.0.1", "");
    assert_eq!(count(gateway.dir(), "logins-throttled"), 1);
    let all = operate(gateway.dir(), &["audit", "list", "--json"]).stdout;
    assert!(!all.contains("falsch") && !all.contains("Namensfeld"), "{all}");
}

#[test]
fn a_refused_pin_is_told_with_its_modem() {
    let emulator = Emulator::start(1, &["--pin", "48275913"]);
    let pin = tempfile::NamedTempFile::new().unwrap();
    fs::write(pin.path(), "11112222\n").unwrap();
    let mut setup = Setup::with(&emulator);
    setup.modem = format!("sim_pin_file = {:?}", pin.path());
    let gateway = setup.start();
    let told = wait_for("the row", || rows(gateway.dir()).into_iter().find(|row| row["event"] == "pin-refused"));
    assert_by(&told, "gateway", "modem", "m0");
    assert!(!operate(gateway.dir(), &["audit", "list", "--json"]).stdout.contains("11112222"));
}

#[test]
fn another_certificate_is_told_with_both_fingerprints() {
    let mut setup = Setup::without_modems();
    setup.api = "https_listen = \"127.0.0.1:0\"".to_owned();
    let gateway = setup.start();
    gateway.reload();
    assert_eq!(count(gateway.dir(), "certificate-changed"), 0);
    for name in ["certificate.pem", "private-key.pem"] {
        fs::remove_file(gateway.dir().join("data/tls").join(name)).unwrap();
    }
    gateway.reload();
    let told = row(gateway.dir(), "certificate-changed");
    assert_by(&told, "gateway", "reload", "");
    let [change] = &changes(&told)[..] else { panic!("{told}") };
    let (old, new) = change.strip_prefix("fingerprint: ").unwrap().split_once(" > ").unwrap();
    assert!(old.len() == 95 && new.len() == 95 && old != new, "{change}");
}

#[test]
fn tampering_is_named_with_its_row_and_told_at_the_next_start() {
    let gateway = Setup::without_modems().start();
    gateway.operate(&["settings", "set", "otp.length", "8"]).told();
    let stopped = gateway.stop();
    let noted = operate(stopped.dir(), &["audit", "verify", "--json"]).json()["head"].clone();
    let noted = format!("{}:{}", noted["sequence"], noted["hash"].as_str().unwrap());
    assert_eq!(operate(stopped.dir(), &["audit", "verify", "--noted", &noted]).code, Some(0));
    let changed = row(stopped.dir(), "settings-changed")["sequence"].to_string();
    if !tamper(stopped.dir(), &format!("UPDATE audit SET actor = 'nobody' WHERE sequence = {changed}")) {
        return skip("tampering_is_named_with_its_row_and_told_at_the_next_start: there is no python3");
    }
    let verdict = operate(stopped.dir(), &["audit", "verify"]);
    assert_eq!(verdict.code, Some(1), "{verdict:?}");
    assert!(verdict.stdout.starts_with(&format!("row {changed} is not as it was written\n")), "{verdict:?}");
    assert!(verdict.stdout.contains("the record is NOT as it was written: "), "{verdict:?}");
    let json = operate(stopped.dir(), &["audit", "verify", "--json"]);
    assert_eq!((json.code, &json.json()["faults"][0]["sequence"].to_string()), (Some(1), &changed));
    tamper(stopped.dir(), "DELETE FROM audit WHERE sequence > 2");
    let gateway = stopped.restart();
    assert!(gateway.log().contains("the audit record is not as it was left"), "{}", gateway.log());
    assert_eq!(count(gateway.dir(), "audit-broken"), 1);
    let verdict = gateway.operate(&["audit", "verify", "--noted", &noted]);
    assert!(verdict.code == Some(1) && verdict.stdout.contains("row 3 is missing"), "{verdict:?}");
    assert_eq!(gateway.operate(&["audit", "verify", "--noted", "3:xyz"]).code, Some(2));
}

#[test]
fn what_cannot_be_recorded_is_not_done() {
    let gateway = Setup::without_modems().start();
    let Some(held) = HeldDatabase::hold(&gateway.dir().join("data")) else {
        return skip("what_cannot_be_recorded_is_not_done: there is no python3");
    };
    let keys = || fs::read(gateway.dir().join("data/keys/keys.json")).unwrap();
    let before = keys();
    let refused = gateway.operate(&["keys", "rotate"]);
    assert!(refused.refused().contains("not done, because it could not be recorded"), "{refused:?}");
    assert!(keys() == before, "the keys are the same");
    let copy = gateway.dir().join("copy.db");
    gateway.operate(&["backup", copy.to_str().unwrap()]).refused();
    assert!(!copy.exists());
    drop(held);
    wait_for("the database", || (gateway.operate(&["keys", "rotate"]).code == Some(0)).then_some(()));
    assert_eq!((count(gateway.dir(), "keys-rotated"), count(gateway.dir(), "backup-made")), (1, 0));
    assert_sound(gateway.dir());
}

#[test]
fn what_came_to_nothing_is_told_too() {
    let gateway = Setup::without_modems().start();
    let file = gateway.dir().join("data/there.db");
    fs::write(&file, "").unwrap();
    // The command line chooses a fresh name; the socket is asked for one that is taken.
    let mut stream = std::os::unix::net::UnixStream::connect(gateway.dir().join("data/control.sock")).unwrap();
    writeln!(stream, "{}", json!({"act": "backup", "path": file})).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.contains("failed"), "{answer}");
    let failed = wait_for("the row", || rows(gateway.dir()).into_iter().find(|row| row["event"] == "act-failed"));
    assert_eq!(changes(&failed), ["event: - > backup-made"]);
}

#[test]
fn acts_at_once_and_power_cuts_leave_one_whole_chain() {
    let mut gateway = Setup::without_modems().start();
    for round in 0..3 {
        let children: Vec<_> = (0..6)
            .map(|number| {
                let name = format!("app-{round}-{number}");
                operation(gateway.dir(), &["api-user", "add", &name])
                    .stdout(Stdio::piped())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap()
            })
            .collect();
        if round > 0 {
            // Killed in the middle: whoever was told that it is done finds its row.
            wait_for("the first of them", || (count(gateway.dir(), "api-user-added") > round * 6 + 1).then_some(()));
            gateway = gateway.kill().restart();
        }
        let done: Vec<bool> =
            children.into_iter().map(|child| child.wait_with_output().unwrap().status.success()).collect();
        let added: Vec<String> = rows(gateway.dir())
            .iter()
            .filter(|row| row["event"] == "api-user-added")
            .map(|row| row["subject"].as_str().unwrap().to_owned())
            .collect();
        for (number, _) in done.iter().enumerate().filter(|(_, done)| **done) {
            assert!(added.contains(&format!("app-{round}-{number}")), "{round} {number}: {added:?}");
        }
        assert_sound(gateway.dir());
    }
}

#[test]
fn lists_are_chosen_by_event_and_time_and_paged() {
    let gateway = Setup::without_modems().start();
    gateway.operate(&["settings", "set", "otp.length", "8"]).told();
    let list = |arguments: &[&str]| -> Ended { gateway.operate(&[&["audit", "list"][..], arguments].concat()) };
    let text = list(&["--event", "settings-changed"]);
    let lines: Vec<&str> = text.told().lines().collect();
    assert!(lines[0].contains("settings-changed") && lines[0].contains("(control socket)"), "{lines:?}");
    assert_eq!(lines[1..], ["        otp.length: 8, was 6"]);
    let wrong = list(&["--event", "nothing-such"]);
    assert!(wrong.refused().contains("choose among gateway-started"), "{wrong:?}");
    assert_eq!(list(&["--since", "someday"]).code, Some(2));
    assert_eq!(list(&["--since", "2090-01-01"]).told(), "nothing is recorded\n");
    assert!(list(&["--since", "1h"]).told().contains("gateway-started"));
    let page = list(&["--limit", "1"]);
    let more = page.told().lines().last().unwrap().strip_prefix("more: --before ").unwrap();
    let next = list(&["--limit", "1", "--before", more]);
    assert!(next.told().contains("gateway-started"), "{next:?}");
}

#[test]
fn no_message_leaves_a_row() {
    let emulator = Emulator::start(1, &[]);
    let gateway: Gateway = Setup::with(&emulator).start();
    gateway.wait_for_modems(1);
    let before = rows(gateway.dir()).len();
    gateway.send_sentinel(&emulator, "08127770001", "one");
    gateway.ask("create-otp", json!({"reference": "r", "receiver": "08127770001", "message": "%s"}));
    gateway.ask("validate-otp", json!({"reference": "r", "receiver": "08127770001", "otp": "000000"}));
    assert_eq!(rows(gateway.dir()).len(), before);
}
