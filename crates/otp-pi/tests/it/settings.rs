//! `otp-pi settings …`, and settings from file, environment and database, on real gateways.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{
    Emulator, Ended, Environment, Gateway, Setup, Stopped, authorization, end_of, operate, operation, run_to_end,
};

const PHONE: &str = "08126666666";

/// The settings by key.
fn find(directory: &Path, key: &str) -> Value {
    let ended = operate(directory, &["settings", "list", key, "--json"]);
    ended.told();
    ended.json().as_array().unwrap().iter().find(|one| one["key"] == key).unwrap().clone()
}

/// Value and origin of a key.
fn shown(directory: &Path, key: &str) -> (String, String) {
    let setting = find(directory, key);
    (setting["value"].as_str().unwrap_or("•••").to_owned(), setting["origin"].as_str().unwrap().to_owned())
}

fn set(gateway: &Gateway, key: &str, value: &str) -> Ended {
    gateway.operate(&["settings", "set", key, value])
}

/// The same for a secret, which is taken from standard input alone.
fn set_secret(gateway: &Gateway, key: &str, value: &str) -> Ended {
    let input = tempfile::NamedTempFile::new().unwrap();
    fs::write(input.path(), value).unwrap();
    end_of(operation(gateway.dir(), &["settings", "set", key, "-"]).stdin(input.reopen().unwrap()))
}

/// The digits of a code that the gateway makes now.
fn digits(gateway: &Gateway, emulator: &Emulator, reference: &str) -> usize {
    let data = json!({"reference": reference, "receiver": PHONE, "message": format!("{reference} %s.")});
    assert_eq!(gateway.ask("create-otp", data)["response_code"], "000");
    let text = emulator.text_with(&format!("{reference} "));
    text.chars().filter(char::is_ascii_digit).count()
}

fn environment(variables: &[(&'static str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

#[test]
fn the_environment_is_above_the_file_the_file_above_the_database_and_defaults_come_last() {
    let emulator = Emulator::start(1, &[]);
    let mut setup = Setup::with(&emulator);
    setup.otp = "length = 7\nmax_attempts = 4".to_owned();
    setup.environment = environment(&[
        ("OTP_PI__OTP__LENGTH", "8"),
        ("OTP_PI__MODEM__M0__COST", "9"),
        ("OTP_PI__API_USER__ROBOT__PASSWORD", "metal"),
    ]);
    let gateway = setup.start();
    gateway.wait_for_modems(1);
    set(&gateway, "otp.lifetime", "2m").told();
    set(&gateway, "modem.m0.other_cost", "11").told();
    let line = 1 + fs::read_to_string(gateway.dir().join("otp-pi.toml"))
        .unwrap()
        .lines()
        .position(|line| line == "max_attempts = 4")
        .unwrap();
    let check = |directory: &Path| {
        for (key, value, origin) in [
            ("otp.max_attempts", "4", format!("file, line {line}")),
            ("otp.lifetime", "\"2m\"", "database".to_owned()),
            ("otp.max_lifetime", "\"10m\"", "default".to_owned()),
            ("modem.m0.other_cost", "11", "database".to_owned()),
        ] {
            assert_eq!(shown(directory, key), (value.to_owned(), origin), "{key}");
        }
    };
    check(gateway.dir());
    for (key, value, origin) in [
        ("otp.length", "8", "OTP_PI__OTP__LENGTH"),
        ("modem.m0.cost", "9", "OTP_PI__MODEM__M0__COST"),
        ("api_user.robot.password", "•••", "OTP_PI__API_USER__ROBOT__PASSWORD"),
    ] {
        assert_eq!(shown(gateway.dir(), key), (value.to_owned(), origin.to_owned()), "{key}");
    }
    assert_eq!(digits(&gateway, &emulator, "first"), 8);
    let told = gateway.operate(&["settings", "list", "--set"]);
    assert!(told.told().contains("(OTP_PI__OTP__LENGTH, locked)") && !told.told().contains("default"), "{told:?}");

    // Each layer that goes uncovers the next one.
    let stopped = gateway.stop();
    check(stopped.dir());
    setup.environment.clear();
    let gateway = stopped.restart_as(&setup);
    assert_eq!(shown(gateway.dir(), "otp.length").0, "7");
    set(&gateway, "otp.length", "9").refused();
    setup.otp = String::new();
    gateway.reload_as(&setup);
    assert_eq!(shown(gateway.dir(), "otp.length"), ("6".to_owned(), "default".to_owned()));
    set(&gateway, "otp.length", "9").told();
    assert_eq!(digits(&gateway, &emulator, "second"), 9);
    gateway.operate(&["settings", "unset", "otp.length"]).told();
    assert_eq!(digits(&gateway, &emulator, "third"), 6);
}

#[test]
fn what_is_set_is_in_force_at_once_and_stays_so() {
    let emulator = Emulator::start(1, &[]);
    let gateway = Setup::without_modems().start();
    let mut client = gateway.connect();
    let told = set(&gateway, "api.success_code", "0000");
    assert_eq!(told.told(), "api.success_code: \"0000\", was \"000\"\n");
    assert_eq!(client.ask("echo", json!({}))["response_code"], "0000", "on a kept connection");
    assert_eq!(set(&gateway, "api.success_code", "0000").told(), "nothing has changed\n");
    // A modem of its own, key by key: it is one when it has all that it needs.
    let port = emulator.modems[0].to_str().unwrap().to_owned();
    let told = set(&gateway, "modem.north.port", &port);
    assert!(told.told().contains(&format!("modem.north.port: {port:?}")), "{told:?}");
    set(&gateway, "modem.north.recipient_prefixes", "62812, 62813").told();
    gateway.wait_for_modems(1);
    set(&gateway, "modem.north.active", "false").told();
    crate::harness::wait_for("the end of the modem", || {
        let list = client.ask("get-modem-list", json!({}));
        (list["data"]["modem_list"]["north"]["connected"] == false).then_some(())
    });
    let gateway = gateway.kill().restart();
    assert_eq!(gateway.ask("echo", json!({}))["response_code"], "0000");
    let prefixes = shown(gateway.dir(), "modem.north.recipient_prefixes").0;
    assert_eq!(prefixes, "[\"62812\", \"62813\"]");
}

#[test]
fn what_cannot_be_set_is_refused_with_its_reason_and_nothing_changes() {
    let mut setup = Setup::without_modems();
    setup.otp = "length = 7".to_owned();
    setup.environment = environment(&[("OTP_PI__API__WAIT", "sent")]);
    let gateway = setup.start();
    set(&gateway, "otp.lifetime", "2m").told();
    let before = gateway.operate(&["settings", "list", "--json"]).told().to_owned();
    let line = 1 + fs::read_to_string(gateway.dir().join("otp-pi.toml"))
        .unwrap()
        .lines()
        .position(|line| line == "length = 7")
        .unwrap();
    let locked = format!("otp.length is set by the file (line {line}): change it there");
    for (key, value, words) in [
        ("otp.length", "8", locked.as_str()),
        ("api.wait", "accepted", "api.wait is set by the environment (OTP_PI__API__WAIT): change it there"),
        ("otp.lenght", "8", "there is no key otp.lenght; did you mean otp.length?"),
        ("opt.length", "8", "did you mean otp.length?"),
        ("modem.north.prot", "/x", "did you mean modem.north.port?"),
        ("colour", "red", "there is no key colour"),
        ("otp", "8", "there is no key otp"),
        ("modem.north", "8", "there is no key modem.north"),
        ("data_dir", "/x", "data_dir is needed before the database is open"),
        ("keys.file", "/x", "keys.file is needed before the database is open"),
        ("otp.max_attempts", "many", "otp.max_attempts: it must be a whole number"),
        ("otp.uniform_failures", "yes", "it must be true or false"),
        ("otp.max_attempts", "0", "otp.max_attempts: it must be from 1 to 100"),
        ("otp.max_attempts", "-1", "otp.max_attempts: "),
        ("otp.max_lifetime", "1m", "otp.lifetime: it must be more than zero and at most otp.max_lifetime"),
        ("otp.lifetime", "soon", "not a duration: \"soon\""),
        ("api.https_listen", "localhost", "not a listen address"),
        ("modem.north.cost", "5", "there is no key modem.north.cost"),
        ("modem.north.sim_pin", "12ab", "is a secret"),
        ("api_user.new.password", "x", "is a secret"),
        ("api_user.new.scopes", "otp", "there is no key api_user.new.scopes"),
        ("api_user.new.password_file", "/nowhere/file", "/nowhere/file cannot be read"),
    ] {
        let refused = set(&gateway, key, value);
        assert!(refused.refused().contains(words), "{key} = {value}: {refused:?}");
        assert!(key != "modem.north.sim_pin" || !refused.stderr.contains("12ab"), "{refused:?}");
    }
    let refused = gateway.operate(&["settings", "unset", "otp.length"]);
    assert!(refused.refused().contains(&locked), "{refused:?}");
    let refused = gateway.operate(&["settings", "list", "otp.lenght"]);
    assert!(refused.refused().contains("there is no key otp.lenght"), "{refused:?}");
    assert_eq!(gateway.operate(&["settings", "list", "--json"]).told(), before);
    let stopped = gateway.stop();
    assert!(operate(stopped.dir(), &["settings", "set", "otp.length", "8"]).refused().contains(&locked));
    let gateway = stopped.restart();
    assert_eq!(gateway.operate(&["settings", "list", "--json"]).told(), before, "not after a restart either");
}

#[test]
fn settings_are_changed_without_a_gateway_for_its_next_start() {
    let emulator = Emulator::start(1, &[]);
    let stopped = Setup::with(&emulator).start().stop();
    let told = operate(stopped.dir(), &["settings", "set", "otp.length", "8"]);
    assert_eq!(told.told(), "otp.length: 8, was 6  (with the next start)\n");
    assert_eq!(shown(stopped.dir(), "otp.length"), ("8".to_owned(), "database".to_owned()));
    let refused = operate(stopped.dir(), &["settings", "reload"]);
    assert!(refused.refused().contains("no gateway runs here: its next start reads the settings"), "{refused:?}");
    let gateway = stopped.restart();
    gateway.wait_for_modems(1);
    assert_eq!(digits(&gateway, &emulator, "code"), 8);
}

#[test]
fn a_variable_that_is_no_setting_keeps_the_gateway_from_starting() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("otp-pi.toml");
    Setup::without_modems().write(&file, &directory.path().join("data"));
    for (variable, value, words) in [
        (
            "OTP_PI__OTP__LENGHT",
            "8",
            "OTP_PI__OTP__LENGHT: otp.lenght: there is no such key\n  fix: did you mean length?",
        ),
        ("OTP_PI__OTP__LENGTH", "eight", "OTP_PI__OTP__LENGTH: otp.length: it must be a whole number"),
        ("OTP_PI__OTP__LENGTH", "3", "OTP_PI__OTP__LENGTH: otp.length: a code has 4 to 10 digits"),
        ("OTP_PI__MODEM__PORT", "/x", "the variable does not say which name"),
        ("OTP_PI__API_USER__A__PASSWORD_FILE", "/nowhere", "/nowhere cannot be read"),
    ] {
        for command in ["serve", "check-config"] {
            let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_otp-pi"));
            program.args([command, "--config"]).arg(&file).env(variable, value);
            let refused = crate::harness::end_of(&mut program);
            assert!(refused.refused().contains(words), "{command} {variable}: {refused:?}");
        }
    }
}

// --- export and import ------------------------------------------------------------------------------------------------

const PIN: &str = "48275913";
const CLEAR: &str = "Kennwort-im-Klartext-12";
const FILED: &str = "Kennwort-aus-der-Datei-34";
const KEPT: &str = "Kennwort-in-der-Datenbank-56";
const PASSPHRASE: &str = "a long phrase that nobody guesses";

/// A gateway with secrets of every kind and origin.
struct Origin {
    gateway: Gateway,
    _files: TempDir,
}

fn file(directory: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = directory.path().join(name);
    fs::write(&path, format!("{text}\n")).unwrap();
    path
}

impl Origin {
    fn start() -> Self {
        let files = TempDir::new().unwrap();
        let (pin, password) = (file(&files, "pin", PIN), file(&files, "password", FILED));
        let mut setup = Setup::without_modems();
        setup.log = "trace";
        setup.otp = "length = 7".to_owned();
        setup.more = format!(
            "[[modem]]\nname = \"south\"\nport = \"/nowhere/line\"\nsim_pin_file = {pin:?}\n\
             [[api_user]]\nusername = \"clear\"\npassword = \"{CLEAR}\"\n\
             [[api_user]]\nusername = \"filed\"\npassword_file = {password:?}\n"
        );
        let gateway = setup.start();
        let kept = file(&files, "kept", KEPT);
        gateway.operate(&["api-user", "add", "kept", "--password-file", kept.to_str().unwrap()]).told();
        set(&gateway, "otp.lifetime", "2m").told();
        set(&gateway, "modem.south.sms_center", "+6281100000").told();
        Self { gateway, _files: files }
    }

    fn export(&self, passphrase: Option<&Path>) -> String {
        let mut arguments = vec!["settings", "export"];
        if let Some(path) = passphrase {
            arguments.extend(["--passphrase-file", path.to_str().unwrap()]);
        }
        self.gateway.operate(&arguments).told().to_owned()
    }
}

/// The secrets, and the hashes that stand for them.
fn secrets() -> [&'static str; 6] {
    [PIN, CLEAR, FILED, KEPT, PASSPHRASE, "$argon2"]
}

#[track_caller]
fn holds_no_secret(what: &str, text: &str) {
    for secret in secrets() {
        assert!(!text.contains(secret), "{secret} is in {what}:\n{text}");
    }
}

fn is_let_in(gateway: &Gateway, user: &str, password: &str) -> bool {
    let body = br#"{"command":"echo","data":{}}"#;
    gateway.connect().request("POST", "/api/otp", Some(&authorization(user, password)), body).unwrap().status == 200
}

#[test]
fn an_export_with_a_passphrase_makes_a_gateway_like_the_first() {
    let origin = Origin::start();
    let files = TempDir::new().unwrap();
    let passphrase = file(&files, "passphrase", PASSPHRASE);
    let document = origin.export(Some(&passphrase));
    holds_no_secret("the document", &document);
    assert_eq!(document.matches("sealed:1:").count(), 5, "one PIN and four passwords: {document}");
    assert!(!document.contains("data_dir") && !document.contains("/pin"), "{document}");
    assert_ne!(document, origin.export(Some(&passphrase)), "sealed anew each time");

    let other = Setup::without_modems().start();
    let path = file(&files, "document", &document);
    let arguments = ["settings", "import", path.to_str().unwrap(), "--passphrase-file"];
    let wrong = file(&files, "wrong", "something else");
    for (passphrase, words) in
        [(&wrong, "fix: give the passphrase that it was exported with"), (&path, "fix: give the passphrase")]
    {
        let refused = other.operate(&[&arguments[..], &[passphrase.to_str().unwrap()]].concat());
        assert!(refused.refused().contains(words), "{refused:?}");
    }
    let refused = other.operate(&arguments[..3]);
    assert!(refused.refused().contains("it is sealed") && refused.refused().contains("passphrase"), "{refused:?}");
    assert_eq!(shown(other.dir(), "otp.lifetime").1, "default", "nothing was taken over");

    let told = other.operate(&[&arguments[..], &[passphrase.to_str().unwrap()]].concat());
    assert!(told.told().contains("otp.length: 7, was 6"), "{told:?}");
    assert!(told.told().contains("left out: sms.country_code is set by the file"), "{told:?}");
    holds_no_secret("what was said", told.told());
    for (user, password) in [("clear", CLEAR), ("filed", FILED), ("kept", KEPT)] {
        assert!(is_let_in(&other, user, password), "{user}");
    }
    for (key, value) in [("otp.length", "7"), ("otp.lifetime", "\"2m\""), ("modem.south.sms_center", "\"+6281100000\"")]
    {
        assert_eq!(shown(other.dir(), key), (value.to_owned(), "database".to_owned()));
    }
    assert_eq!(find(other.dir(), "modem.south.sim_pin")["value"], json!(null));
    let other = other.stop().restart();
    assert!(is_let_in(&other, "kept", KEPT), "after a restart too");
}

#[test]
fn an_export_without_a_passphrase_leaves_secrets_out_and_an_import_keeps_those_that_are_there() {
    let origin = Origin::start();
    let document = origin.export(None);
    holds_no_secret("the document", &document);
    assert!(!document.contains("sealed:") && document.contains("length = 7"), "{document}");
    let files = TempDir::new().unwrap();
    let path = file(&files, "document", &document);
    let import = ["settings", "import", path.to_str().unwrap()];

    let other = Setup::without_modems().start();
    let password = file(&files, "password", "its own");
    other.operate(&["api-user", "add", "kept", "--password-file", password.to_str().unwrap()]).told();
    let told = other.operate(&import);
    assert!(told.told().contains("left out: api_user.clear: its password is not in the document"), "{told:?}");
    assert!(is_let_in(&other, "kept", "its own"), "who has a password keeps it");
    assert_eq!(shown(other.dir(), "otp.length").0, "7");
    // The file of a password is a path like any other.
    assert!(document.contains("password_file") && is_let_in(&other, "filed", FILED));

    // Into the gateway that it came from it brings nothing new.
    let told = origin.gateway.operate(&import);
    assert!(
        told.told().lines().all(|line| line.starts_with("left out: ") || line == "nothing has changed"),
        "{told:?}"
    );
    assert!(is_let_in(&origin.gateway, "kept", KEPT));
}

#[test]
fn export_and_import_work_alike_without_a_gateway() {
    let origin = Origin::start();
    let online = origin.export(None);
    let Origin { gateway, _files } = origin;
    let stopped = gateway.stop();
    assert_eq!(operate(stopped.dir(), &["settings", "export"]).told(), online);
    let output = stopped.dir().join("document.toml");
    let arguments = ["settings", "export", "--output", output.to_str().unwrap()];
    operate(stopped.dir(), &arguments).told();
    assert_eq!(fs::read_to_string(&output).unwrap().trim_end(), online.trim_end());
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&output).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    assert!(operate(stopped.dir(), &arguments).refused().contains("cannot be written"), "it never overwrites");
    let json = operate(stopped.dir(), &["settings", "export", "--json"]);
    assert_eq!(json.json()["document"].as_str().unwrap().trim_end(), online.trim_end());

    let other = Setup::without_modems().start().stop();
    let told = operate(other.dir(), &["settings", "import", output.to_str().unwrap()]);
    assert!(told.told().contains("otp.length: 7, was 6  (with the next start)"), "{told:?}");
    let gateway = other.restart();
    assert_eq!(shown(gateway.dir(), "otp.length"), ("7".to_owned(), "database".to_owned()));
}

#[test]
fn a_document_that_is_none_is_refused_as_a_whole() {
    let gateway = Setup::without_modems().start();
    set(&gateway, "otp.lifetime", "2m").told();
    let files = TempDir::new().unwrap();
    for (text, words) in [
        ("[otp]\nlength = 8\nlenght = 9\n", "line 3: otp.lenght: there is no such key"),
        ("[otp]\nlength = 8\n[api]\nwait = \"soon\"\n", "api.wait: \"soon\" is not known"),
        ("[otp]\nlength = \"eight\"\n", "line 2: otp.length"),
        ("[otp\n", "line 1"),
        ("[[api_user]]\nusername = \"a\"\npassword = \"sealed:1:AAAA\"\n", "fix: give the passphrase"),
    ] {
        let path = file(&files, "document", text);
        let refused = gateway.operate(&["settings", "import", path.to_str().unwrap()]);
        assert!(refused.refused().contains(words), "{text}: {refused:?}");
        assert_eq!(shown(gateway.dir(), "otp.length"), ("6".to_owned(), "default".to_owned()));
        assert_eq!(shown(gateway.dir(), "otp.lifetime").0, "\"2m\"");
    }
    let refused = gateway.operate(&["settings", "import", "/nowhere/document"]);
    assert!(refused.refused().contains("/nowhere/document cannot be read"), "{refused:?}");
    // What a document does not say is forgotten: it replaces.
    let path = file(&files, "document", "[otp]\nlength = 8\n");
    let told = gateway.operate(&["settings", "import", path.to_str().unwrap()]);
    assert!(told.told().contains("otp.lifetime: \"3m\", was \"2m\""), "{told:?}");
}

#[test]
fn secrets_are_in_no_list_no_log_and_nowhere_in_the_data_directory_in_clear() {
    let origin = Origin::start();
    let files = TempDir::new().unwrap();
    let passphrase = file(&files, "passphrase", PASSPHRASE);
    let document = file(&files, "document", &origin.export(Some(&passphrase)));
    let other = Setup { log: "trace", ..Setup::without_modems() }.start();
    let import = ["settings", "import", document.to_str().unwrap(), "--passphrase-file", passphrase.to_str().unwrap()];
    other.operate(&import).told();
    set_secret(&other, "modem.south.sim_pin", PIN).told();
    set_secret(&other, "api_user.typed.password", CLEAR).told();
    other.operate(&["settings", "unset", "modem.south.sim_pin"]).told();
    other.operate(&import).told();
    for gateway in [&origin.gateway, &other] {
        for arguments in [
            &["settings", "list"][..],
            &["settings", "list", "--json"],
            &["settings", "export"],
            &["api-user", "list", "--json"],
            &["settings", "reload"],
        ] {
            holds_no_secret("what was said", gateway.operate(arguments).told());
        }
        holds_no_secret("the log", &gateway.log());
    }
    let stopped: [Stopped; 2] = [origin.gateway.kill(), other.kill()];
    for stopped in &stopped {
        let mut paths = vec![stopped.dir().join("data")];
        let mut bytes = 0;
        while let Some(path) = paths.pop() {
            if path.is_dir() {
                paths.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
                continue;
            }
            // The socket cannot be read.
            let Ok(content) = fs::read(&path) else { continue };
            bytes += content.len();
            for secret in [PIN, CLEAR, FILED, KEPT, PASSPHRASE] {
                let is_there = content.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!is_there, "{secret} is in {}", path.display());
            }
        }
        assert!(bytes > 50_000, "only {bytes} bytes were searched");
    }
}

#[test]
fn the_example_of_the_documents_is_checked_by_the_real_program() {
    let directory = TempDir::new().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/otp-pi.example.toml");
    let text = fs::read_to_string(example).unwrap();
    let path = directory.path().join("otp-pi.toml");
    fs::write(&path, text.replace("/var/lib/otp-pi", directory.path().join("data").to_str().unwrap())).unwrap();
    let checked = run_to_end(&["check-config", "--config", path.to_str().unwrap()]);
    assert!(checked.told().contains("good (4 modem(s)"), "{checked:?}");
}
