//! Settings in the database never lock their owner out: what is left behind counts for nothing, what is wrong can be taken out while the
//! gateway is stopped, and what cannot be read is said and can be forgotten.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{Setup, Stopped, end_of, operate, operation};

const DEMO: &str = "[[api_user]]\nusername = \"demo\"\npassword = \"open sesame\"\n";

fn rewrite(stopped: &Stopped, setup: &Setup) {
    setup.write(&stopped.dir().join("otp-pi.toml"), &stopped.dir().join("data"));
}

fn with_demo() -> Setup {
    let mut setup = Setup::without_modems();
    setup.more = DEMO.to_owned();
    setup
}

/// What works on the data, whatever the settings are like.
fn looks(directory: &Path) {
    operate(directory, &["message", "list"]).told();
    operate(directory, &["keys", "status"]).told();
    operate(directory, &["settings", "list"]).told();
    operate(directory, &["settings", "export"]).told();
    operate(directory, &["api-user", "list"]).told();
    let backup = directory.join("backup.db");
    operate(directory, &["backup", backup.to_str().unwrap()]).told();
    fs::remove_file(backup).unwrap();
}

#[test]
fn what_the_database_says_of_an_object_that_left_the_file_is_told_and_counts_for_nothing() {
    let gateway = with_demo().start();
    gateway.operate(&["api-user", "disable", "demo"]).told();
    let stopped = gateway.stop();
    rewrite(&stopped, &Setup::without_modems());
    looks(stopped.dir());
    let checked = operate(stopped.dir(), &["check-config"]);
    assert!(checked.stderr.contains("warning: api_user.demo") && checked.code == Some(0), "{}", checked.stderr);
    let gateway = stopped.restart();
    assert!(gateway.log().contains("api_user.demo"), "{}", gateway.log());
    gateway.operate(&["api-user", "remove", "demo"]).told();
    let stopped = gateway.stop();
    assert!(!operate(stopped.dir(), &["check-config"]).stderr.contains("demo"));
}

#[test]
fn values_that_do_not_go_together_any_more_are_found_by_check_config_and_taken_out_while_nothing_runs() {
    let gateway = Setup::without_modems().start();
    gateway.operate(&["settings", "set", "otp.lifetime", "9m"]).told();
    gateway.operate(&["settings", "set", "api.wait_limit", "20s"]).told();
    let stopped = gateway.stop();
    let mut setup = Setup::without_modems();
    setup.otp = "max_lifetime = \"5m\"".to_owned();
    rewrite(&stopped, &setup);
    let checked = operate(stopped.dir(), &["check-config"]);
    assert!(checked.refused().contains("database: otp.lifetime"), "{}", checked.stderr);
    operate(stopped.dir(), &["serve"]).refused();
    looks(stopped.dir());
    let told = operate(stopped.dir(), &["settings", "unset", "api.wait_limit"]);
    assert!(told.refused().contains("otp.lifetime"), "what does not mend it is refused: {}", told.stderr);
    operate(stopped.dir(), &["settings", "unset", "otp.lifetime"]).told();
    assert!(operate(stopped.dir(), &["check-config"]).told().contains("good"));
    drop(stopped.restart());
}

#[test]
fn several_mistakes_are_taken_out_one_by_one() {
    let gateway = Setup::without_modems().start();
    gateway.operate(&["settings", "set", "otp.lifetime", "9m", "sms.max_queue", "10"]).told();
    gateway.operate(&["settings", "set", "modem.own.port", "/dev/nothing-here"]).told();
    let stopped = gateway.stop();
    let mut setup = Setup::without_modems();
    setup.otp = "max_lifetime = \"5m\"".to_owned();
    setup.more = "[[modem]]\nname = \"other\"\nport = \"/dev/nothing-here\"\n".to_owned();
    rewrite(&stopped, &setup);
    let ended = operate(stopped.dir(), &["settings", "unset", "modem.own"]);
    let told = ended.told();
    assert!(told.contains("does not start yet") && told.contains("otp.lifetime"), "{told}");
    let ended = operate(stopped.dir(), &["settings", "unset", "otp.lifetime"]);
    let told = ended.told();
    assert!(!told.contains("does not start yet"), "{told}");
    drop(stopped.restart());
}

#[test]
fn a_password_in_the_file_covers_the_one_in_the_database() {
    let gateway = Setup::without_modems().start();
    gateway.operate(&["api-user", "add", "shop"]).told();
    let stopped = gateway.stop();
    let password = stopped.dir().join("shop.password");
    fs::write(&password, "open sesame\n").unwrap();
    let mut setup = Setup::without_modems();
    setup.more = format!("[[api_user]]\nusername = \"shop\"\npassword_file = {password:?}\n");
    rewrite(&stopped, &setup);
    drop(stopped.restart());
}

/// Flips a bit of what the database keeps.
fn damage(directory: &Path) {
    let program = "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1])\n\
                   v=bytearray(c.execute(\"select value from setting where key='settings'\").fetchone()[0])\nv[-1]^=1\n\
                   c.execute(\"update setting set value=? where key='settings'\",(bytes(v),))\nc.commit()";
    let status = Command::new("python3").args(["-c", program]).arg(directory.join("data/otp-pi.db")).status().unwrap();
    assert!(status.success());
}

#[test]
fn settings_that_cannot_be_read_stop_the_start_and_can_be_forgotten() {
    let gateway = with_demo().start();
    gateway.operate(&["api-user", "disable", "demo"]).told();
    gateway.operate(&["api-user", "add", "shop"]).told();
    let stopped = gateway.stop();
    damage(stopped.dir());
    let serve = operate(stopped.dir(), &["serve"]);
    assert!(serve.refused().contains("otp-pi settings reset"), "{}", serve.stderr);
    for arguments in [&["settings", "list"][..], &["api-user", "list"], &["settings", "unset", "otp.length"]] {
        assert!(operate(stopped.dir(), arguments).refused().contains("settings reset"), "{arguments:?}");
    }
    operate(stopped.dir(), &["message", "list"]).told();
    operate(stopped.dir(), &["settings", "reset"]).told();
    assert!(!operate(stopped.dir(), &["api-user", "list"]).told().contains("shop"));
    drop(stopped.restart());
}

#[test]
fn an_empty_document_forgets_nothing_and_a_wrong_prefix_is_told() {
    let stopped = Setup::without_modems().start().stop();
    operate(stopped.dir(), &["settings", "set", "otp.lifetime", "2m"]).told();
    let empty = stopped.dir().join("empty.toml");
    for text in ["", "# nothing\n\n", "[otp]\n"] {
        fs::write(&empty, text).unwrap();
        let said = operate(stopped.dir(), &["settings", "import", empty.to_str().unwrap()]);
        assert!(said.refused().contains("settings reset"), "{text:?}: {}", said.stderr);
    }
    assert!(operate(stopped.dir(), &["settings", "list", "otp.lifetime"]).told().contains("2m"));
    assert!(operate(stopped.dir(), &["settings", "list", "nope"]).refused().contains("no key nope"));
    let exported = operate(stopped.dir(), &["settings", "export", "--json"]).json();
    assert!(exported["document"].as_str().unwrap().contains("2m"));
}

#[test]
fn a_pin_is_read_from_standard_input_alone() {
    let mut setup = Setup::without_modems();
    setup.more = "[[modem]]\nname = \"demo-1\"\nport = \"/dev/nothing-here\"\n".to_owned();
    let stopped = setup.start().stop();
    let said = operate(stopped.dir(), &["settings", "set", "modem.demo-1.sim_pin", "1234"]);
    assert!(said.refused().contains("standard input") && !said.stderr.contains("1234"), "{}", said.stderr);
    let pin = stopped.dir().join("pin");
    fs::write(&pin, "1234\n").unwrap();
    let mut set = operation(stopped.dir(), &["settings", "set", "modem.demo-1.sim_pin", "-"]);
    end_of(set.stdin(Stdio::from(fs::File::open(pin).unwrap()))).told();
    assert!(operate(stopped.dir(), &["settings", "list", "modem.demo-1.sim_pin"]).told().contains("database"));
    let said = operate(stopped.dir(), &["settings", "set", "modem.demo1.cost", "5"]);
    assert!(said.refused().contains("did you mean modem.demo-1.cost?"), "{}", said.stderr);
}
