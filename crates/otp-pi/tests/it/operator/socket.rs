//! The way to a gateway: its socket, who may use it, what comes over it, and what is said when there is none.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::Place;
use crate::harness::{Emulator, Ended, Gateway, PATIENCE, Setup, end_of, operate, operation, skip, wait_for};

/// A user who owns nothing.
const NOBODY: u32 = 65_534;

fn socket(place: &impl Place) -> PathBuf {
    place.directory().join("data/control.sock")
}

fn connect(gateway: &Gateway) -> UnixStream {
    let stream = UnixStream::connect(socket(gateway)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Says these bytes and answers what comes back until the other side closes.
fn say(gateway: &Gateway, bytes: &[u8]) -> String {
    let mut stream = connect(gateway);
    stream.write_all(bytes).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Runs a command as somebody else; none where this user may not become another.
fn as_nobody(directory: &Path, arguments: &[&str]) -> Option<Ended> {
    if !rustix::process::geteuid().is_root() {
        skip("a command as another user: needs root");
        return None;
    }
    // The program may lie where others cannot go.
    let program = directory.join("otp-pi");
    fs::copy(env!("CARGO_BIN_EXE_otp-pi"), &program).unwrap();
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = std::process::Command::new(program);
    command.args(arguments).arg("--config").arg(directory.join("otp-pi.toml")).uid(NOBODY).gid(NOBODY);
    Some(end_of(&mut command))
}

#[test]
fn the_socket_is_for_its_owner_alone() {
    let gateway = Setup::without_modems().start();
    assert_eq!(fs::metadata(socket(&gateway)).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(gateway.dir().join("data")).unwrap().mode() & 0o777, 0o700);
    let Some(refused) = as_nobody(gateway.dir(), &["message", "list"]) else { return };
    assert!(refused.refused().contains("cannot be reached: run this as root or as the gateway's user"), "{refused:?}");
    // Not even one who gets that far is answered.
    fs::set_permissions(gateway.dir().join("data"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(socket(&gateway), fs::Permissions::from_mode(0o666)).unwrap();
    let refused = as_nobody(gateway.dir(), &["message", "list"]).unwrap();
    assert!(refused.refused().contains("only the gateway's own user and root may ask"), "{refused:?}");
    let told = wait_for("its row", || {
        gateway.json(&["audit", "list", "--event", "operator-refused"]).as_array()?.first().cloned()
    });
    assert!(told["actor"].as_str().unwrap().starts_with(&format!("uid {NOBODY}")), "{told}");
}

#[test]
fn the_data_of_another_user_is_left_alone() {
    let stopped = Setup::without_modems().start().stop();
    let Some(refused) = as_nobody(stopped.dir(), &["api-user", "add", "app"]) else { return };
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let data = stopped.dir().join("data");
    let before = fs::read(data.join("otp-pi.db")).unwrap();
    for path in [data.clone(), data.join("otp-pi.db")] {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    for arguments in [&["api-user", "add", "app"][..], &["message", "list"], &["settings", "list"], &["keys", "rotate"]]
    {
        let refused = stopped.operate(arguments);
        assert!(
            refused.refused().contains("belongs to another user; run this as the user of the gateway"),
            "{refused:?}"
        );
    }
    let backup = stopped.dir().join("backup.db");
    assert_eq!(stopped.operate(&["backup", backup.to_str().unwrap()]).code, Some(1));
    assert!(!backup.exists());
    assert_eq!(fs::read(data.join("otp-pi.db")).unwrap(), before);
}

#[test]
fn before_the_first_start_every_command_says_so_and_makes_nothing() {
    let directory = TempDir::new().unwrap();
    Setup::without_modems().write(&directory.path().join("otp-pi.toml"), &directory.path().join("data"));
    let backup = directory.path().join("backup.db");
    for arguments in [
        &["message", "list"][..],
        &["api-user", "list"],
        &["api-user", "add", "app"],
        &["settings", "list"],
        &["settings", "set", "otp.length", "8"],
        &["settings", "export"],
        &["keys", "status"],
        &["backup", backup.to_str().unwrap()],
    ] {
        let refused = operate(directory.path(), arguments);
        assert!(refused.refused().contains("the first start makes"), "{arguments:?}: {refused:?}");
        assert!(!directory.path().join("data").exists() && !backup.exists(), "{arguments:?}");
    }
}

#[test]
fn a_socket_that_a_power_cut_left_behind_is_in_nobodys_way() {
    let stopped = Setup::without_modems().start().kill();
    assert!(socket(&stopped).exists());
    stopped.json(&["settings", "set", "otp.length", "8"]);
    assert!(socket(&stopped).exists(), "nobody but the next gateway replaces it");
    let gateway = stopped.restart();
    let list = gateway.json(&["settings", "list", "otp.length"]);
    assert_eq!(list[0]["value"], "8", "{list}");
    // Anything else that lies there is in the way as little.
    let stopped = gateway.stop();
    fs::remove_file(socket(&stopped)).unwrap();
    fs::write(socket(&stopped), "a file").unwrap();
    assert_eq!(stopped.json(&["settings", "list", "otp.length"])[0]["value"], "8");
    let gateway = stopped.restart();
    assert_eq!(gateway.json(&["settings", "list", "otp.length"])[0]["value"], "8");
}

#[test]
fn a_data_directory_deep_down_has_a_socket_too() {
    let top = TempDir::new().unwrap();
    let deep = top.path().join("a".repeat(100)).join("b".repeat(100)).join("c".repeat(100));
    fs::create_dir_all(&deep).unwrap();
    let gateway = Setup::without_modems().start_in(TempDir::new_in(&deep).unwrap());
    assert_eq!(gateway.operate(&["message", "list"]).told(), "no messages\n");
    gateway.operate(&["settings", "set", "otp.length", "8"]).told();
    let stopped = gateway.stop();
    assert_eq!(stopped.json(&["settings", "list", "otp.length"])[0]["value"], "8");
}

#[test]
fn what_is_no_request_is_answered_and_the_gateway_goes_on() {
    let gateway = Setup::without_modems().start();
    let no_request = "{\"failed\":\"that is no request of this version\"}\n";
    for bytes in [
        &b"\n"[..],
        b"{}\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xfe\x00\n",
        b"{\"act\":\"fly\"}\n",
        b"{\"act\":\"message-cancel\",\"message_id\":\"x\",\"more\":1}\n",
        b"{\"act\":\"message-list\"}\n",
        b"{\"act\":\"message-show\",\"message_id\":7,\"reveals\":true}\n",
        b"[[[[[[[[[[[[[[[[\n",
    ] {
        assert_eq!(say(&gateway, bytes), no_request, "{:?}", String::from_utf8_lossy(bytes));
    }
    let deep = "[".repeat(100_000) + "\n";
    assert_eq!(say(&gateway, deep.as_bytes()), no_request);
    assert_eq!(say(&gateway, b""), "");
    assert!(say(&gateway, b"{\"act\":\"status\"}").contains("too long or was cut off"));
    let two = say(&gateway, b"{\"act\":\"status\"}\n{\"act\":\"status\"}\n");
    assert_eq!(two.lines().count(), 1, "one question a connection: {two}");
    assert!(two.contains("\"is_running\":true"), "{two}");
    assert_eq!(gateway.ask("echo", json!({}))["response_code"], "000");
}

#[test]
fn a_request_of_two_megabytes_is_refused_in_words() {
    let gateway = Setup::without_modems().start();
    let mut line = b"{\"act\":\"settings-import\",\"document\":\"".to_vec();
    line.resize(2 * 1024 * 1024, b'x');
    line.extend_from_slice(b"\",\"passphrase\":null}\n");
    assert!(say(&gateway, &line).contains("the request is too long"));
    let document = gateway.dir().join("large.toml");
    fs::write(&document, "# comment\n".repeat(200_000)).unwrap();
    let refused = gateway.operate(&["settings", "import", document.to_str().unwrap()]);
    assert!(refused.refused().contains("is longer than 524288 bytes"), "{refused:?}");
    // The longest that is taken, of characters that JSON writes in two.
    let mut longest = "# \"".to_owned() + &"\"".repeat(524_288 - 70);
    longest += "\n[otp]\nlength = 8\n";
    fs::write(&document, &longest).unwrap();
    gateway.operate(&["settings", "import", document.to_str().unwrap()]).told();
    assert_eq!(gateway.json(&["settings", "list", "otp.length"])[0]["value"], "8");
}

#[test]
fn one_operator_too_many_is_told_so_and_the_others_are_answered() {
    let gateway = Setup::without_modems().start();
    let mut waiting: Vec<UnixStream> = (0..16).map(|_| connect(&gateway)).collect();
    // All of them are taken when one more is refused.
    let refused = wait_for("a refusal", || {
        let ended = gateway.operate(&["message", "list"]);
        (ended.code == Some(1)).then_some(ended)
    });
    assert!(refused.refused().contains("too many operators ask at once; try again"), "{refused:?}");
    let mut last = waiting.pop().unwrap();
    last.write_all(b"{\"act\":\"status\"}\n").unwrap();
    let mut answer = String::new();
    BufReader::new(&last).read_line(&mut answer).unwrap();
    assert!(answer.starts_with("{\"done\":"), "{answer}");
    drop((last, waiting));
    wait_for("room", || (gateway.operate(&["message", "list"]).code == Some(0)).then_some(()));
}

#[test]
fn an_operator_who_says_nothing_does_not_hold_up_the_end() {
    let mut gateway = Setup::without_modems().start();
    let silent = connect(&gateway);
    assert_eq!(gateway.terminate(), Some(0));
    let log = gateway.log();
    assert!(log.contains("stopped") && !log.contains("cut off"), "{log}");
    drop(silent);
}

#[test]
fn operators_at_once_lose_nothing_of_each_others_changes() {
    let gateway = Setup::without_modems().start();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let gateway = &gateway;
            scope.spawn(move || {
                gateway.operate(&["api-user", "add", &format!("user{number}")]).told();
                let key = format!("modem.m{number}.port");
                gateway.operate(&["settings", "set", &key, &format!("/nowhere/{number}")]).told();
            });
        }
    });
    assert_eq!(gateway.json(&["api-user", "list"]).as_array().unwrap().len(), 9);
    let modems = gateway.json(&["settings", "list", "modem"]);
    let ports: Vec<&Value> =
        modems.as_array().unwrap().iter().filter(|one| one["key"].as_str().unwrap().ends_with("port")).collect();
    assert_eq!(ports.len(), 8, "{modems}");
}

#[test]
fn operators_without_a_gateway_wait_for_each_other() {
    let stopped = Setup::without_modems().start().stop();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let stopped = &stopped;
            scope.spawn(move || stopped.operate(&["api-user", "add", &format!("user{number}")]).told().to_owned());
        }
    });
    assert_eq!(stopped.json(&["api-user", "list"]).as_array().unwrap().len(), 5);
}

#[test]
fn a_start_and_operators_at_the_same_moment_wait_for_each_other() {
    let mut stopped = Setup::without_modems().start().stop();
    for _ in 0..4 {
        let directory = stopped.dir().to_owned();
        let gateway = std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..3 {
                        assert_eq!(operate(&directory, &["message", "list"]).told(), "no messages\n");
                    }
                });
            }
            stopped.restart()
        });
        stopped = gateway.stop();
    }
}

#[test]
fn a_gateway_that_dies_in_the_middle_leaves_its_operator_with_the_truth() {
    let emulator = Emulator::with_script("[[fault]]\nwhen = \"AT+CSQ\"\nnth = 2\naction = { delay = \"20s\" }\n", &[]);
    let gateway = Setup::with(&emulator).start();
    gateway.wait_for_modems(1);
    let command = operation(gateway.dir(), &["modem", "at", "m0", "AT+CSQ"]);
    let asked = std::thread::spawn(move || {
        let mut command = command;
        end_of(&mut command)
    });
    // The second AT+CSQ is the operator's, or the gateway's own: then the operator waits for its turn.
    wait_for("the operator", || {
        let open = fs::read_to_string("/proc/net/unix").unwrap();
        let path = socket(&gateway);
        (open.matches(path.to_str().unwrap()).count() > 1).then_some(())
    });
    std::thread::yield_now();
    let stopped = gateway.kill();
    let ended = asked.join().unwrap();
    assert!(
        ended.refused().contains("nothing is known of what it did") || ended.refused().contains("went away"),
        "{ended:?}"
    );
    assert_eq!(stopped.operate(&["message", "list"]).told(), "no messages\n");
}

#[test]
fn a_second_gateway_on_the_same_data_takes_nothing_from_the_first() {
    let gateway = Setup::without_modems().start();
    let second = end_of(
        std::process::Command::new(env!("CARGO_BIN_EXE_otp-pi"))
            .args(["serve", "--config"])
            .arg(gateway.dir().join("otp-pi.toml")),
    );
    assert!(second.refused().contains("in use by another gateway"), "{second:?}");
    assert_eq!(gateway.operate(&["message", "list"]).told(), "no messages\n", "the socket is still the first one's");
    let _patience: Duration = PATIENCE;
}
