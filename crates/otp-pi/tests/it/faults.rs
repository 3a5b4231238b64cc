// long: one fault after the other, each short; the table of bad settings is most of it
//! What breaks: lines, disks, databases, addresses, configurations. Each is told clearly, changes nothing, loses nothing.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Emulator, Ended, Gateway, HeldDatabase, Setup, run_to_end, skip, wait_for};

const PHONE: &str = "08126666666";

fn send(gateway: &Gateway, message: &str) -> Value {
    gateway.ask("send-sms", json!({"receiver": PHONE, "message": message}))
}

fn modem_state(gateway: &Gateway, name: &str) -> String {
    let list = gateway.ask("get-modem-list", json!({}));
    list["data"]["modem_list"][name]["state"].as_str().unwrap().to_owned()
}

// --- lines --------------------------------------------------------------------------------------------------------

#[test]
fn a_dead_line_is_shown_and_the_other_modems_go_on() {
    let emulator = Emulator::start(1, &[]);
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("no-line-at-all");
    fs::write(&file, "this is a file").unwrap();
    let mut setup = Setup::with(&emulator);
    setup.modems.insert(0, PathBuf::from("/dev/null"));
    setup.modems.insert(0, file);
    let mut gateway = setup.start();
    gateway.wait_for_modems(1);
    for (name, is_dead) in [("m0", true), ("m1", true), ("m2", false)] {
        assert_eq!(modem_state(&gateway, name) != "ready", is_dead, "{name}");
    }
    for number in 1..=3 {
        assert_eq!(send(&gateway, &format!("alive {number}"))["response_code"], "000");
    }
    emulator.wait_for_transmissions(3);
    assert_eq!(gateway.terminate(), Some(0));
}

#[test]
fn a_modem_that_never_answers_is_shown_and_the_other_goes_on() {
    let emulator = Emulator::scripted(2, "[[fault]]\nwhen = \"*\"\nmodem = \"modem1\"\naction = \"hang\"\n", &[]);
    let gateway = Setup::with(&emulator).start();
    gateway.wait_for_modems(1);
    assert_eq!(send(&gateway, "alive")["response_code"], "000");
    emulator.text_with("alive");
    assert_eq!(emulator.senders_of("alive"), ["modem2"]);
    assert_ne!(modem_state(&gateway, "m0"), "ready");
}

#[test]
fn a_modem_that_is_unplugged_before_the_pdu_sends_it_once_after_the_replug() {
    for step in ["command", "prompt"] {
        let script = format!(
            "[[fault]]\nwhen = \"AT+CMGS\"\ntimes = 1\nreplug_after = \"50ms\"\naction = {{ unplug = \"{step}\" }}\n"
        );
        let emulator = Emulator::with_script(&script, &[]);
        let mut setup = Setup::with(&emulator);
        // Whether the PDU was handed over when the line went is a matter of microseconds at the prompt.
        setup.sms = "unknown_policy = \"resend\"".to_owned();
        let gateway = setup.start();
        let answer = send(&gateway, "survives");
        emulator.text_with("survives");
        gateway.wait_for_state(answer["data"]["message_id"].as_str().unwrap(), "delivered");
        assert_eq!(emulator.count("survives"), 1, "{step}");
    }
}

#[test]
fn noise_and_surprises_on_the_line_do_not_break_a_message() {
    for action in [
        "{ garbage = \"\\u0000\\u0001~~~\\r\\n\" }",
        "{ urc_inside = \"RING\" }",
        "{ urc_inside = \"+CMTI: \\\"SM\\\",3\" }",
        "\"lost_echo\"",
        "\"prompt_without_space\"",
        "{ prompt_late = \"100ms\" }",
        "{ delay = \"100ms\" }",
        "{ cms_error_before_prompt = 41 }",
    ] {
        let script = format!("[[fault]]\nwhen = \"AT+CMGS\"\nnth = 1\naction = {action}\n");
        let emulator = Emulator::with_script(&script, &[]);
        let gateway = Setup::with(&emulator).start();
        send(&gateway, "first");
        send(&gateway, "second");
        emulator.text_with("first");
        emulator.text_with("second");
        assert_eq!((emulator.count("first"), emulator.count("second")), (1, 1), "{action}");
    }
}

#[test]
fn a_modem_that_restarts_by_itself_is_initialised_again() {
    let emulator = Emulator::with_script("[[fault]]\nwhen = \"AT+CMGS\"\nnth = 2\naction = \"reset\"\n", &[]);
    let gateway = Setup::with(&emulator).start();
    for word in ["before", "during", "after"] {
        send(&gateway, word);
    }
    emulator.text_with("before");
    emulator.text_with("after");
}

#[test]
fn two_gateways_never_share_a_line() {
    let emulator = Emulator::start(1, &[]);
    let first = Setup::with(&emulator).start();
    first.wait_for_modems(1);
    let second = Setup::with(&emulator).start();
    assert_eq!(send(&second, "waits")["response_code"], "000");
    assert_eq!(send(&first, "goes")["response_code"], "000");
    emulator.text_with("goes");
    assert_eq!(modem_state(&second, "m0"), "closed");
    drop(first);
    emulator.text_with("waits");
}

#[test]
fn inbound_sms_and_a_full_sim_disturb_no_sending() {
    let emulator = Emulator::start(2, &[]);
    let gateway = Setup::with(&emulator).start();
    gateway.wait_for_modems(2);
    // The second modem's own number: each of these comes in there. A SIM holds 20.
    for number in 1..=30 {
        let answer =
            gateway.ask("send-sms", json!({"receiver": "6281100000002", "message": format!("to ourselves {number}.")}));
        assert_eq!(answer["response_code"], "000", "{answer}");
    }
    emulator.text_with("to ourselves 30.");
    // Reports wait in the network behind what the full SIM cannot take: only the sending itself is looked at.
    for number in 1..=4 {
        send(&gateway, &format!("goes on {number}."));
        emulator.text_with(&format!("goes on {number}."));
    }
    let senders: std::collections::BTreeSet<_> = emulator.senders_of("goes on").into_iter().collect();
    assert_eq!(senders.len(), 2, "both modems go on");
    assert_eq!((modem_state(&gateway, "m0"), modem_state(&gateway, "m1")), ("ready".to_owned(), "ready".to_owned()));
}

// --- disk and database --------------------------------------------------------------------------------------------

/// A small file system of its own, for root.
struct SmallDisk {
    directory: TempDir,
}

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let directory = TempDir::new().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "otp-pi-test"])
            .arg(directory.path())
            .output();
        mount.is_ok_and(|mount| mount.status.success()).then_some(Self { directory })
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut ballast = fs::File::create(self.path().join("ballast")).unwrap();
        for block in [vec![0; 65_536], vec![0; 4_096], vec![0]] {
            while ballast.write_all(&block).is_ok() {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.path().join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg("--lazy").arg(self.directory.path()).status();
    }
}

#[test]
fn on_a_full_disk_requests_are_refused_nothing_is_lost_and_with_room_it_goes_on() {
    let Some(disk) = SmallDisk::mount("6m") else {
        return skip("on_a_full_disk…: mounting a small tmpfs needs root");
    };
    let emulator = Emulator::start(1, &[]);
    let setup = Setup::with(&emulator);
    let directory = TempDir::new().unwrap();
    std::os::unix::fs::symlink(disk.path(), directory.path().join("data")).unwrap();
    let mut gateway = setup.start_in(directory);
    gateway.wait_for_modems(1);
    assert_eq!(send(&gateway, "with room")["response_code"], "000");
    emulator.text_with("with room");
    disk.fill();
    // What SQLite has already reserved may take a few more requests.
    let mut accepted = Vec::new();
    let refused = wait_for("a refusal", || {
        let word = format!("squeezed {}.", accepted.len());
        let answer =
            gateway.ask("send-sms", json!({"receiver": PHONE, "message": format!("{word}{}", "x".repeat(2_000))}));
        if answer["response_code"] == "000" {
            accepted.push(word);
            return None;
        }
        Some(answer)
    });
    assert_eq!(refused["response_code"], "1501", "{refused}");
    assert!(refused["error"].as_str().unwrap().contains("disk is full"), "{refused}");
    assert!(refused["retry_after"].is_number(), "{refused}");
    let otp = json!({"reference": "r", "receiver": PHONE, "message": "refused %s"});
    assert!(gateway.is_alive());
    assert_eq!(gateway.ask("echo", json!({}))["response_code"], "000");
    disk.make_room();
    let answer = wait_for("room again", || {
        let answer = gateway.ask("create-otp", otp.clone());
        (answer["response_code"] != "1501").then_some(answer)
    });
    assert_eq!(answer["response_code"], "000", "the refused reference is free: {answer}");
    emulator.text_with("refused ");
    for word in &accepted {
        emulator.text_with(word);
    }
    assert_eq!(emulator.count(&format!("squeezed {}.", accepted.len())), 0, "what was refused is not sent");
    assert_eq!(gateway.terminate(), Some(0));
}

#[test]
fn while_the_disk_is_full_no_code_goes_on_air_and_with_room_it_does() {
    let Some(disk) = SmallDisk::mount("6m") else {
        return skip("while_the_disk_is_full_no_code…: mounting a small tmpfs needs root");
    };
    let directory = TempDir::new().unwrap();
    let line = directory.path().join("line");
    std::os::unix::fs::symlink(disk.path(), directory.path().join("data")).unwrap();
    let mut setup = Setup::without_modems();
    setup.modems = vec![line.clone()];
    let gateway = setup.start_in(directory);
    let otp = json!({"reference": "r", "receiver": PHONE, "message": "patient %s"});
    assert_eq!(gateway.ask("create-otp", otp)["response_code"], "000");
    disk.fill();
    // What SQLite has already reserved is used up first.
    wait_for("a refusal", || {
        let answer = gateway
            .ask("block-msisdn", json!({"receiver": format!("0812{}", crate::harness::unix_millis() % 100_000_000)}));
        (answer["response_code"] == "1501").then_some(())
    });
    let emulator = Emulator::start(1, &[]);
    std::os::unix::fs::symlink(emulator.modems.first().unwrap(), &line).unwrap();
    wait_for("an attempt that is not begun", || gateway.log().contains("could not be made durable").then_some(()));
    assert_eq!(emulator.transmissions().len(), 0, "the attempt was not durable");
    disk.make_room();
    let code = crate::harness::code_in(&emulator.text_with("patient "), 6);
    let answer = gateway.ask("validate-otp", json!({"reference": "r", "receiver": PHONE, "otp": code}));
    assert_eq!(answer["response_code"], "000", "{answer}");
    assert_eq!(emulator.count("patient"), 1);
}

#[test]
fn on_a_disk_that_is_full_from_the_start_it_says_so_and_ends_with_1() {
    let Some(disk) = SmallDisk::mount("64k") else {
        return skip("on_a_disk_that_is_full_from_the_start…: mounting a small tmpfs needs root");
    };
    disk.fill();
    let ended = serve(&Setup::without_modems(), disk.path());
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("full") || ended.stderr.contains("No space"), "{}", ended.stderr);
}

/// Serves with `data` as its data directory until it ends by itself.
fn serve(setup: &Setup, data: &Path) -> Ended {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("otp-pi.toml");
    setup.write(&file, data);
    run_to_end(&["serve", "--config", file.to_str().unwrap()])
}

/// The last line: what the person at the console reads.
fn complaint(ended: &Ended) -> &str {
    ended
        .stderr
        .lines()
        .rev()
        .find(|line| line.starts_with("otp-pi: "))
        .unwrap_or_else(|| panic!("no complaint in {}", ended.stderr))
}

#[test]
fn a_second_gateway_on_the_same_data_ends_with_1_and_the_first_goes_on() {
    let first = Setup::without_modems().start();
    let ended = serve(&Setup::without_modems(), &first.dir().join("data"));
    assert_eq!(ended.code, Some(1));
    assert!(complaint(&ended).contains("in use by another gateway"), "{}", ended.stderr);
    assert_eq!(first.ask("echo", json!({}))["response_code"], "000");
}

/// The database file in a data directory.
fn database(data: &Path) -> PathBuf {
    let is_database = |path: &PathBuf| fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3\0"));
    let files = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).find(is_database).expect("a database")
}

/// A data directory in which a gateway has lived and ended in order.
fn lived_in() -> TempDir {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let emulator = Emulator::start(1, &[]);
    let mut gateway = Setup::with(&emulator).start();
    send(&gateway, "some life");
    emulator.text_with("some life");
    assert_eq!(gateway.terminate(), Some(0));
    let copied = Command::new("cp").arg("-r").arg(gateway.dir().join("data")).arg(&data).status().unwrap();
    assert!(copied.success());
    directory
}

#[test]
fn a_corrupt_database_is_named_and_left_as_it_is() {
    let directory = lived_in();
    let data = directory.path().join("data");
    let file = database(&data);
    for damage in [b"this is no database, it only looks important".to_vec(), {
        let mut bytes = fs::read(&file).unwrap();
        bytes.iter_mut().skip(100).step_by(3).for_each(|byte| *byte = 0xA5);
        bytes
    }] {
        fs::write(&file, &damage).unwrap();
        for suffix in ["-wal", "-shm"] {
            let _gone = fs::remove_file(format!("{}{suffix}", file.display()));
        }
        let ended = serve(&Setup::without_modems(), &data);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(complaint(&ended).contains("corrupt"), "{}", ended.stderr);
        assert!(complaint(&ended).contains(file.file_name().unwrap().to_str().unwrap()), "{}", ended.stderr);
        assert_eq!(fs::read(&file).unwrap(), damage, "evidence is not touched");
    }
}

#[test]
fn a_database_that_another_program_holds_is_said_to_be_locked() {
    let directory = lived_in();
    let data = directory.path().join("data");
    let Ok(mut sqlite) = Command::new("python3")
        .args(["-c", "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1],isolation_level=None)\nc.execute('PRAGMA locking_mode=EXCLUSIVE')\nc.execute('BEGIN EXCLUSIVE')\nprint('held',flush=True)\nsys.stdin.read()"])
        .arg(database(&data))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
    else {
        return skip("a_database_that_another_program_holds…: needs python3");
    };
    let mut held = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(sqlite.stdout.take().unwrap()), &mut held).unwrap();
    assert_eq!(held, "held\n");
    let ended = serve(&Setup::without_modems(), &data);
    drop(held);
    assert_eq!(ended.code, Some(1));
    assert!(complaint(&ended).contains("locked by another program"), "{}", ended.stderr);
}

#[test]
fn while_another_program_holds_the_database_requests_are_refused_and_then_it_goes_on() {
    let gateway = Setup::without_modems().start();
    assert_eq!(gateway.ask("block-msisdn", json!({"receiver": PHONE}))["response_code"], "000");
    let Some(held) = HeldDatabase::hold(&gateway.dir().join("data")) else {
        return skip("while_another_program_holds_the_database…: needs python3");
    };
    let refused = gateway.ask("unblock-msisdn", json!({"receiver": PHONE}));
    assert_eq!(refused["response_code"], "1501", "{refused}");
    assert!(refused["error"].as_str().unwrap().contains("locked"), "{refused}");
    drop(held);
    assert_eq!(gateway.ask("unblock-msisdn", json!({"receiver": PHONE}))["response_code"], "000");
}

#[test]
fn keys_of_another_database_are_refused() {
    let directory = lived_in();
    let data = directory.path().join("data");
    let other = Setup::without_modems().start();
    fs::copy(other.dir().join("data/keys/keys.json"), data.join("keys/keys.json")).unwrap();
    let ended = serve(&Setup::without_modems(), &data);
    assert_eq!(ended.code, Some(1));
    assert!(complaint(&ended).contains("do not belong to this database"), "{}", ended.stderr);
}

#[test]
fn the_data_directory_and_the_keys_are_for_their_owner_alone() {
    let gateway = Setup::without_modems().start();
    let data = gateway.dir().join("data");
    let mut paths = vec![data];
    let mut seen = 0;
    while let Some(path) = paths.pop() {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
        seen += 1;
        if path.is_dir() {
            paths.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    assert!(seen >= 3, "a directory, a database and keys");
}

// --- addresses and configurations ---------------------------------------------------------------------------------

#[test]
fn a_listen_address_in_use_is_named_and_the_data_is_not_touched() {
    let first = Setup::without_modems().start();
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("otp-pi.toml");
    let data = directory.path().join("data");
    Setup::without_modems().write(&file, &data);
    let text = fs::read_to_string(&file).unwrap().replace("127.0.0.1:0", &first.address.to_string());
    fs::write(&file, text).unwrap();
    let ended = run_to_end(&["serve", "--config", file.to_str().unwrap()]);
    assert_eq!(ended.code, Some(1));
    assert!(complaint(&ended).contains("api.http_listen"), "{}", ended.stderr);
    assert!(complaint(&ended).contains(&first.address.to_string()), "{}", ended.stderr);
    assert!(!data.exists());
}

#[test]
fn a_configuration_that_is_not_there_is_said_so() {
    for command in ["serve", "check-config"] {
        let ended = run_to_end(&[command, "--config", "/nowhere/otp-pi.toml"]);
        assert_eq!(ended.code, Some(1));
        assert!(ended.stderr.contains("/nowhere/otp-pi.toml"), "{}", ended.stderr);
    }
}

fn check(text: &str) -> Ended {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    let checked = run_to_end(&["check-config", "--config", file.path().to_str().unwrap()]);
    let same = run_to_end(&["serve", "--check", "--config", file.path().to_str().unwrap()]);
    assert_eq!((same.code, &same.stderr), (checked.code, &checked.stderr), "serve --check is the same");
    checked
}

const GOOD: &str = "[sms]\ncountry_code = \"62\"\n";

#[test]
fn a_good_configuration_is_said_to_be_good_and_an_unwise_one_warned_of() {
    let ended = check(&format!("{GOOD}[[api_user]]\nusername = \"shop\"\npassword = \"in clear\"\n"));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("good"), "{}", ended.stdout);
    assert!(ended.stderr.contains("api_user[0].password") && ended.stderr.contains("fix:"), "{}", ended.stderr);
    let short = check(&format!("[otp]\nlength = 5\n{GOOD}"));
    assert!(short.code == Some(0) && short.stderr.contains("otp.length: codes of less than six digits"), "{short:?}");
    assert!(
        !ended.stderr.contains("in clear\"") && !ended.stdout.contains("in clear\""),
        "the password is not repeated"
    );
}

#[test]
fn an_unknown_key_is_shown_with_its_line_and_a_caret() {
    for (text, line, key) in [
        (format!("{GOOD}countrycode = \"62\"\n"), "line 3", "countrycode"),
        (format!("nonsense = 1\n{GOOD}"), "line 1", "nonsense"),
        (format!("{GOOD}[[modem]]\nname = \"a\"\nport = \"/dev/x\"\nbaudrate = 9600\n"), "line 6", "baudrate"),
        (format!("{GOOD}[otp]\nlength = \"six\"\n"), "line 4", "length"),
        (format!("{GOOD}[otp]\nlifetime = \"3 minutes\"\n"), "line 4", "3m"),
        (format!("{GOOD}[api]\nhttp_listen = \"localhost\"\n"), "line 4", "127.0.0.1:8899"),
        (format!("{GOOD}[otp\n"), "line 3", "otp"),
    ] {
        let ended = check(&text);
        assert_eq!(ended.code, Some(1), "{text}");
        assert!(ended.stderr.contains(line), "{line} is not in {}", ended.stderr);
        assert!(ended.stderr.contains('^'), "no caret in {}", ended.stderr);
        assert!(ended.stderr.contains(key), "{key} is not in {}", ended.stderr);
    }
}

#[test]
fn a_bad_value_is_shown_with_its_line_its_key_and_the_fix() {
    let modem = "[[modem]]\nname = \"a\"\nport = \"/dev/a\"\n";
    let user = "[[api_user]]\nusername = \"u\"\n";
    for (text, line, key) in [
        ("[otp]\nlength = 3\n".to_owned(), 4, "otp.length"),
        ("[otp]\nlength = 11\n".to_owned(), 4, "otp.length"),
        ("[otp]\nlifetime = \"0s\"\n".to_owned(), 4, "otp.lifetime"),
        ("[otp]\nlifetime = \"1h\"\n".to_owned(), 4, "otp.lifetime"),
        ("[otp]\nmax_attempts = 0\n".to_owned(), 4, "otp.max_attempts"),
        ("[otp]\nticket_store = \"paper\"\n".to_owned(), 4, "otp.ticket_store"),
        ("unknown_policy = \"pray\"\n".to_owned(), 3, "sms.unknown_policy"),
        ("max_queue = 0\n".to_owned(), 3, "sms.max_queue"),
        ("failover = \"maybe\"\n".to_owned(), 3, "sms.failover"),
        ("[api]\nsuccess_code = \"200\"\n".to_owned(), 4, "api.success_code"),
        ("[api]\notp_path = \"api/otp\"\n".to_owned(), 4, "api.otp_path"),
        ("[api]\nid_conflict = \"shrug\"\n".to_owned(), 4, "api.id_conflict"),
        ("[log]\nformat = \"xml\"\n".to_owned(), 4, "log.format"),
        ("[limits]\nmode = \"perhaps\"\n".to_owned(), 4, "limits.mode"),
        ("[limits]\ncodes_per_receiver = [\"3/10\"]\n".to_owned(), 4, "limits.codes_per_receiver"),
        ("[limits]\ncodes_per_prefix = [\"3/10m\", \"4/600s\"]\n".to_owned(), 4, "limits.codes_per_prefix"),
        ("[limits]\nlock = \"25h\"\n".to_owned(), 4, "limits.lock"),
        ("[limits]\nalarm_below = 101\n".to_owned(), 4, "limits.alarm_below"),
        ("[limits]\ndestinations = [\"0065\"]\n".to_owned(), 4, "limits.destinations"),
        ("[limits]\ndestinations_denied = [\"*\"]\n".to_owned(), 4, "limits.destinations_denied"),
        ("[[modem]]\nport = \"/dev/a\"\n".to_owned(), 3, "modem[0].name"),
        ("[[modem]]\nname = \"a\"\n".to_owned(), 3, "modem[0].port"),
        (format!("{modem}{modem}"), 7, "modem[1].name"),
        (format!("{modem}{modem}"), 8, "modem[1].port"),
        (format!("{modem}parity = \"mark\"\n"), 6, "modem[0].parity"),
        (format!("{modem}profile = \"nokia\"\n"), 6, "modem[0].profile"),
        (format!("{modem}data_bits = 9\n"), 6, "modem[0].data_bits"),
        (format!("{modem}stop_bits = 3\n"), 6, "modem[0].stop_bits"),
        (format!("{modem}start_bits = 2\n"), 6, "modem[0].start_bits"),
        (format!("{modem}prompt_timeout = \"0s\"\n"), 6, "modem[0].prompt_timeout"),
        (format!("{modem}result_timeout = \"2h\"\n"), 6, "modem[0].result_timeout"),
        (format!("{modem}recipient_prefixes = [\"62x\"]\n"), 6, "modem[0].recipient_prefixes"),
        (format!("{modem}sms_center = \"centre\"\n"), 6, "modem[0].sms_center"),
        (format!("{modem}sim_pin_file = \"/nowhere/pin\"\n"), 6, "modem[0].sim_pin_file"),
        (user.to_owned(), 3, "api_user[0].password_file"),
        (format!("{user}password = \"a\"\npassword_hash = \"$argon2id$x\"\n"), 3, "api_user[0].password_file"),
        (format!("{user}password = \"\"\n"), 3, "api_user[0].password_file"),
        (format!("{user}password_hash = \"$2b$12$abc\"\n"), 5, "api_user[0].password_hash"),
        (format!("{user}password = \"a\"\nscopes = [\"otp\", \"fax\"]\n"), 6, "api_user[0].scopes"),
        (format!("{user}password = \"a\"\nclass = \"otp\"\n"), 6, "api_user[0].class"),
        ("[[api_user]]\nusername = \"a:b\"\npassword = \"a\"\n".to_owned(), 4, "api_user[0].username"),
        (format!("{user}password = \"a\"\n{user}password = \"b\"\n"), 7, "api_user[1].username"),
    ] {
        let ended = check(&format!("{GOOD}{text}"));
        assert_eq!(ended.code, Some(1), "{text}");
        let place = format!("line {line}: {key}: ");
        assert!(ended.stderr.contains(&place), "{place:?} is not in {}", ended.stderr);
        assert!(ended.stderr.contains("  fix: "), "{}", ended.stderr);
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let ended = check("[otp]\nlength = 3\nmax_attempts = 0\n[sms]\nfailover = \"no\"\n");
    for key in ["otp.length", "otp.max_attempts", "sms.failover", "sms.country_code"] {
        assert!(ended.stderr.contains(key), "{key} is not in {}", ended.stderr);
    }
}

#[test]
fn without_a_country_code_nothing_is_served() {
    let directory = TempDir::new().unwrap();
    for text in
        ["", "[sms]\ncountry_code = \"\"\n", "[sms]\ncountry_code = \"sixty\"\n", "[sms]\ncountry_code = \"6262\"\n"]
    {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), format!("data_dir = {:?}\n{text}", directory.path().join("data"))).unwrap();
        for command in ["serve", "check-config"] {
            let ended = run_to_end(&[command, "--config", file.path().to_str().unwrap()]);
            assert_eq!(ended.code, Some(1), "{command} {text:?}: {}", ended.stderr);
            assert!(ended.stderr.contains("sms.country_code"), "{}", ended.stderr);
        }
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in
        [&["dance"][..], &[], &["serve", "--config"], &["demo", "--modems", "0"], &["check-config", "--fast"]]
    {
        assert_eq!(run_to_end(arguments).code, Some(2), "{arguments:?}");
    }
    assert_eq!(run_to_end(&["--help"]).code, Some(0));
    assert_eq!(run_to_end(&["--version"]).code, Some(0));
}
