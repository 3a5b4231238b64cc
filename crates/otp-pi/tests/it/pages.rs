//! Pages that are tests: what `docs/api.md`, `docs/configuration.md` and the pages about moving over print is run, and must come
//! out as printed.
//!
//! Each fence of such a page stands under a comment that says what it is, which no reader of the page sees:
//!
//! ```text
//! <!-- test: file PATH -->      is written to that path
//! <!-- test: define -->         variables for everything that is run below
//! <!-- test: run -->            is run by bash; `run PROGRAM` where it needs a program that may not be there
//! <!-- test: refused -->        is run, and ends with 1
//! <!-- test: until WORDS -->    is run until it says these words
//! <!-- test: start -->          is started and stays: the gateway
//! <!-- test: output -->         what the last run said (on standard error, if it was refused); … stands for anything, white space for nothing
//! <!-- test: skip REASON -->    cannot be run here
//! ```
//!
//! Paths, addresses and modems are those of the test; `CODE` is the code that the emulated phone got last, and a program that
//! asks its user for one gets it typed in.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::clients::{Talk, examples, is_there};
use crate::harness::{Emulator, Ended, PASSWORD, Setup, USER, code_in, wait_for};

/// What a fence of a page is.
#[derive(Debug, PartialEq)]
enum Kind {
    File(String),
    Define,
    Run(Option<String>),
    Refused,
    Until(String),
    Start,
    Output,
    Skip,
}

#[derive(Debug)]
struct Block {
    kind: Kind,
    text: String,
    /// Where it begins, for people.
    place: String,
}

fn kind(comment: &str, place: &str) -> Kind {
    let (word, rest) = comment.split_once(' ').unwrap_or((comment, ""));
    match (word, rest) {
        ("file", path) if !path.is_empty() => Kind::File(path.to_owned()),
        ("define", "") => Kind::Define,
        ("run", program) => Kind::Run((!program.is_empty()).then(|| program.to_owned())),
        ("refused", "") => Kind::Refused,
        ("until", words) if !words.is_empty() => Kind::Until(words.to_owned()),
        ("start", "") => Kind::Start,
        ("output", "") => Kind::Output,
        ("skip", reason) if !reason.is_empty() => Kind::Skip,
        _ => panic!("{place}: {comment:?} is no mark of a test"),
    }
}

/// The fences of a page. One without a mark is an error: nothing on these pages is unproven by oversight.
fn blocks(name: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut mark: Option<String> = None;
    let mut open: Option<Block> = None;
    for (line, number) in text.lines().zip(1..) {
        let is_fence = line.starts_with("```");
        if let Some(mut block) = open.take() {
            if is_fence {
                blocks.push(block);
            } else {
                block.text += &format!("{line}\n");
                open = Some(block);
            }
        } else if is_fence {
            let place = format!("{name} line {number}");
            let mark = mark.take().unwrap_or_else(|| panic!("{place}: nothing says whether this is run"));
            open = Some(Block { kind: kind(&mark, &place), text: String::new(), place });
        } else if let Some(comment) = line.strip_prefix("<!-- test: ") {
            mark = Some(comment.strip_suffix(" -->").unwrap_or_else(|| panic!("{name} line {number}")).to_owned());
        } else if !line.is_empty() {
            mark = None;
        }
    }
    blocks
}

/// Whether `said` is `expected`, where `…` stands for anything and white space for nothing.
fn is_as_printed(said: &str, expected: &str) -> bool {
    let bare = |text: &str| text.chars().filter(|sign| !sign.is_whitespace()).collect::<String>();
    let (said, expected) = (bare(said), bare(expected));
    let mut pieces = expected.split('…');
    let Some(mut rest) = said.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let mut is_open = false;
    for piece in pieces {
        let Some((_, behind)) = rest.split_once(piece) else { return false };
        rest = behind;
        is_open = piece.is_empty();
    }
    rest.is_empty() || is_open
}

/// A page that is being played.
struct Player {
    emulator: Emulator,
    directory: TempDir,
    /// What the page says, and what it is here.
    here: Vec<(String, String)>,
    /// The words beside a code.
    words: &'static str,
    prelude: String,
    gateway: Option<Child>,
    said: Option<String>,
    /// How many codes there were when one was last put in, and whether more were asked for since.
    codes_before: usize,
    asks_for_code: bool,
}

impl Player {
    fn new(modems: usize, words: &'static str) -> Self {
        let (emulator, directory) = (Emulator::start(modems, &[]), TempDir::new().unwrap());
        let mut here: Vec<_> = [("/etc/otp-pi", "etc/otp-pi"), ("/var/lib/otp-pi", "data")]
            .map(|(page, path)| (page.to_owned(), directory.path().join(path).display().to_string()))
            .into();
        fs::create_dir(directory.path().join("etc")).unwrap();
        for (number, modem) in emulator.modems.iter().enumerate() {
            here.push((format!("/dev/ttyUSB{number}"), modem.display().to_string()));
        }
        here.push(("/dev/serial0".to_owned(), emulator.modems.first().unwrap().display().to_string()));
        for port in ["8899", "5000"] {
            here.push((format!("\":{port}\""), "\"127.0.0.1:0\"".to_owned()));
        }
        Self {
            emulator,
            directory,
            here,
            words,
            prelude: String::new(),
            gateway: None,
            said: None,
            codes_before: 0,
            asks_for_code: false,
        }
    }

    fn translated(&self, text: &str) -> String {
        self.here.iter().fold(text.to_owned(), |text, (page, here)| text.replace(page, here))
    }

    fn play(&mut self, name: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
        let mut is_skipping = false;
        for block in blocks(name, &fs::read_to_string(path).unwrap()) {
            let text = self.translated(&block.text);
            let place = &block.place;
            match block.kind {
                Kind::Skip => {}
                Kind::Define => self.prelude = text,
                Kind::File(path) => {
                    let path = PathBuf::from(self.translated(&path));
                    assert!(path.starts_with(self.directory.path()), "{place}: {}", path.display());
                    fs::write(path, text).unwrap();
                }
                Kind::Start => self.start(&text, place),
                Kind::Until(words) => {
                    let said = wait_for(&format!("{place}: {words}"), || {
                        let said = self.run(&text, place);
                        is_as_printed(&said, &self.translated(&words)).then_some(said)
                    });
                    self.said = Some(said);
                }
                Kind::Run(program) => {
                    is_skipping = program.is_some_and(|program| !is_there(&program));
                    self.said = (!is_skipping).then(|| self.run(&text, place));
                }
                Kind::Refused => self.said = Some(self.run_to(1, &text, place).stderr),
                Kind::Output if is_skipping => {}
                Kind::Output => {
                    let said = self.said.as_deref().unwrap_or_else(|| panic!("{place}: nothing was run before"));
                    assert!(is_as_printed(said, &text), "{place}: expected\n{text}\nit said\n{said}");
                }
            }
        }
    }

    fn codes(&self) -> Vec<String> {
        let sent = self.emulator.transmissions();
        let texts = sent.iter().filter_map(|sent| sent["text"].as_str()).filter(|text| text.contains(self.words));
        texts.map(|text| code_in(text, 6)).collect()
    }

    /// Puts the newest code where the page says CODE.
    fn with_code(&mut self, text: &str) -> String {
        if !text.contains("CODE") {
            self.asks_for_code |= ["create-otp", "send_otp", "generate_otp"].iter().any(|word| text.contains(word));
            return text.to_owned();
        }
        if std::mem::take(&mut self.asks_for_code) {
            wait_for("a code", || (self.codes().len() > self.codes_before).then_some(()));
        }
        let codes = self.codes();
        self.codes_before = codes.len();
        text.replace("CODE", codes.last().expect("no code was sent"))
    }

    /// Runs one block that succeeds, and answers what it said.
    fn run(&mut self, text: &str, place: &str) -> String {
        self.run_to(0, text, place).stdout
    }

    /// Runs one block to its end, which must be with this exit code. A new code is typed in.
    fn run_to(&mut self, code: i32, text: &str, place: &str) -> Ended {
        let text = self.with_code(text);
        let before = self.codes().len();
        let script = format!("set -euo pipefail\n{}{text}", self.prelude);
        let mut talk = Talk::start(self.bash(&script));
        let mut is_typed = false;
        let ended = loop {
            if let Some(ended) = talk.try_finish() {
                break ended;
            }
            let codes = self.codes();
            if codes.len() > before && !is_typed {
                // One that does not ask has ended or does not read.
                is_typed = true;
                talk.try_type_line(&codes[codes.len() - 1]);
            }
        };
        assert_eq!(ended.code, Some(code), "{place}: {ended:?}\n{script}\n{}", self.log());
        ended
    }

    fn bash(&self, script: &str) -> Command {
        let programs = Path::new(env!("CARGO_BIN_EXE_otp-pi")).parent().unwrap().display();
        let mut command = Command::new("bash");
        command.args(["-c", &format!("PATH='{programs}':$PATH\n{script}")]).current_dir(examples().parent().unwrap());
        command
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Starts the gateway; its addresses take the places of those on the page.
    fn start(&mut self, text: &str, place: &str) {
        let log = fs::File::create(self.directory.path().join("log")).unwrap();
        let mut command = self.bash(&format!("{}exec {text}", self.prelude));
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
        self.gateway = Some(command.spawn().unwrap());
        let file = fs::read_to_string(self.translated("/etc/otp-pi.toml")).unwrap();
        let count = file.matches("127.0.0.1:0").count();
        let addresses = wait_for(&format!("{place}: the addresses"), || {
            let address = |rest: &str| rest.split_whitespace().next()?.trim_matches('"').parse().ok();
            let log = self.log();
            let told: Vec<SocketAddr> = log.split("api.address=").skip(1).filter_map(address).collect();
            (told.len() == count).then_some(told)
        });
        self.is_at(&addresses);
    }

    fn is_at(&mut self, addresses: &[SocketAddr]) {
        for (port, address) in ["8899", "5000"].iter().zip(addresses) {
            for host in ["localhost", "127.0.0.1", "192.168.0.100"] {
                self.here.push((format!("{host}:{port}"), address.to_string()));
            }
        }
    }

    /// Stops the gateway as the page about going back says.
    fn end(mut self) {
        let mut gateway = self.gateway.take().expect("the page has started no gateway");
        let status = Command::new("kill").arg(gateway.id().to_string()).status().unwrap();
        assert!(status.success());
        let status = wait_for("the end of the gateway", || gateway.try_wait().unwrap());
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        if let Some(mut gateway) = self.gateway.take() {
            let _gone = gateway.kill();
            let _status = gateway.wait();
        }
    }
}

/// Plays a page about moving over from its first command to its last.
fn play(page: &str, modems: usize, words: &'static str) {
    if !is_there("bash") || !is_there("curl") {
        return;
    }
    let mut player = Player::new(modems, words);
    player.play(page);
    player.end();
}

#[test]
fn whoever_follows_the_page_for_the_sim800l_server_has_its_client_working() {
    play("migrate-sim800l.md", 1, "Your OTP is ");
}

#[test]
fn whoever_follows_the_page_for_the_redis_service_has_its_client_working() {
    play("migrate-redis-otp.md", 1, "Your OTP is ");
}

#[test]
fn whoever_follows_the_page_for_the_original_appliance_has_its_client_working() {
    play("migrate-otp-pi.md", 2, "Your OTP is ");
}

#[test]
fn the_examples_of_the_page_about_configuration_do_as_printed() {
    if !is_there("bash") {
        return;
    }
    let mut player = Player::new(1, "Your code is ");
    // The file at the usual place, which is somewhere else here.
    player.prelude = format!("export OTP_PI_CONFIG={}\n", player.translated("/etc/otp-pi.toml"));
    player.here.push(("\"127.0.0.1:8899\"".to_owned(), "\"127.0.0.1:0\"".to_owned()));
    player.play("configuration.md");
    player.end();
}

#[test]
fn the_examples_of_the_api_page_answer_as_printed() {
    if !is_there("bash") || !is_there("curl") {
        return;
    }
    let mut player = Player::new(1, "Your code is ");
    let gateway = Setup::with(&player.emulator).start();
    gateway.wait_for_modems(1);
    player.here.push(("shop:PASSWORD".to_owned(), format!("{USER}:{PASSWORD}")));
    player.here.push(("operator-1".to_owned(), "m0".to_owned()));
    player.is_at(&[gateway.address]);
    player.play("api.md");
}

#[test]
fn the_api_page_names_every_command_field_and_code() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let page = fs::read_to_string(docs.join("api.md")).unwrap();
    let parser = include_str!("../../src/wire/parse.rs");
    let (_, verbs) = parser.split_once("fn parse(name: &str)").unwrap();
    let (verbs, _) = verbs.split_once("_ =>").unwrap();
    let commands = verbs.split('"').skip(1).step_by(2).filter(|word| !word.contains(' '));
    let takers =
        ["require(\"", "require_raw(\"", "take_text(\"", "take_some(\"", "take_time(\"", "take_flag(\"", "take(\""];
    let fields =
        takers.iter().flat_map(|taker| parser.split(taker).skip(1)).map(|rest| rest.split('"').next().unwrap());
    let errors = fs::read_to_string(docs.join("errors.md")).unwrap();
    let codes = errors.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let codes: Vec<&str> = codes.filter(|code| code.starts_with(|sign: char| sign.is_ascii_digit())).collect();
    let names: Vec<&str> = commands.chain(fields).chain(codes).collect();
    assert!(names.len() > 45, "{names:?}");
    for name in names {
        let is_named =
            page.contains(&format!("`{name}`")) || (name.starts_with("param") && page.contains("`param1` … `param4`"));
        assert!(is_named, "{name} is not in docs/api.md");
    }
}

#[test]
fn a_page_is_read_by_its_marks_and_compared_with_its_gaps() {
    let page = "text\n<!-- test: file /a b -->\n```toml\nx = 1\n```\n\n<!-- test: run -->\n\n```sh\ny\n\nz\n```\n";
    let read = blocks("page", page);
    assert_eq!((&read[0].kind, read[0].text.as_str()), (&Kind::File("/a b".to_owned()), "x = 1\n"));
    assert_eq!((&read[1].kind, read[1].text.as_str()), (&Kind::Run(None), "y\n\nz\n"));
    assert_eq!((read.len(), read[1].place.as_str()), (2, "page line 9"));
    for unmarked in ["```\nx\n```\n", "<!-- test: run -->\ntext\n```\nx\n```\n", "<!-- test: skip -->\n```\n```\n"] {
        assert!(std::panic::catch_unwind(|| blocks("page", unmarked)).is_err(), "{unmarked:?}");
    }
    for (said, expected, is_same) in [
        ("{\"a\": 1}\n", "{\"a\":1}", true),
        ("{\"a\":1}", "{\"a\":2}", false),
        ("{\"a\":1}x", "{\"a\":1}", false),
        ("id 7, end", "id …, end", true),
        ("id 7, end", "id …", true),
        ("id 7, end", "… end", true),
        ("id 7, end, more", "id …, end", false),
        ("good", "good …", true),
        ("", "x…", false),
    ] {
        assert_eq!(is_as_printed(said, expected), is_same, "{said:?} {expected:?}");
    }
}
