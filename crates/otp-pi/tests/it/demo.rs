//! `otp-pi demo` as somebody meets it who has just cloned the project: read what it prints, paste it, see the SMS.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Client, PATIENCE, authorization, code_in, run_to_end, wait_for};

struct Demo {
    child: Child,
    /// What it printed up to "Stop with".
    said: String,
    /// Where it makes its temporary directory.
    temporary: TempDir,
}

impl Demo {
    fn start(extra: &[&str]) -> Self {
        let temporary = TempDir::new().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_otp-pi"))
            .args(["demo", "--api", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(extra)
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(temporary.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let mut demo = Self { child, said: String::new(), temporary };
        let output = BufReader::new(demo.child.stdout.take().unwrap());
        for line in output.lines() {
            demo.said += &line.unwrap();
            demo.said.push('\n');
            if demo.said.contains("Stop with") {
                return demo;
            }
        }
        panic!("the demo ended: {}{}", demo.said, fs::read_to_string(demo.temporary.path().join("stderr")).unwrap());
    }

    /// Address of the first URL after `word`.
    fn address(&self, word: &str) -> SocketAddr {
        let line = self
            .said
            .lines()
            .find(|line| line.starts_with(word))
            .unwrap_or_else(|| panic!("no {word} in {}", self.said));
        line.split("http://").nth(1).unwrap().split('/').next().unwrap().parse().unwrap()
    }

    /// The `number`-th curl line.
    fn curl(&self, number: usize) -> Curl {
        let lines = self.said.lines().map(str::trim).filter(|line| line.starts_with("curl "));
        Curl::parse(lines.clone().nth(number).unwrap_or_else(|| panic!("no curl line {number} in {}", self.said)))
    }

    fn ask(&self, command: &str, data: &Value) -> Value {
        let mut curl = self.curl(0);
        curl.body = json!({"command": command, "data": data}).to_string();
        curl.run()
    }

    /// Interrupts it, as Ctrl-C does; answers its exit code.
    fn interrupt(&mut self) -> Option<i32> {
        assert!(Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap().success());
        wait_for("the demo's end", || self.child.try_wait().unwrap()).code()
    }

    /// What it left behind.
    fn leftovers(&self) -> Vec<String> {
        let names = fs::read_dir(self.temporary.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.to_string_lossy().into_owned()).filter(|name| name != "stderr").collect()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// A pasted curl line.
struct Curl {
    user: String,
    password: String,
    address: SocketAddr,
    path: String,
    body: String,
}

impl Curl {
    /// Takes the words as a shell would: blanks part them, single quotes hold them together.
    fn parse(line: &str) -> Self {
        let (words, quoted) = line.split_once(" -d '").unwrap();
        let body =
            quoted.strip_suffix('\'').unwrap_or_else(|| panic!("something follows the quotes in {line}")).to_owned();
        assert!(!body.contains('\''), "{line}");
        let words: Vec<&str> = words.split_whitespace().collect();
        let [_, silent, user_option, login, url] = words.as_slice() else { panic!("other words in {line}") };
        assert_eq!((*silent, *user_option), ("-s", "-u"));
        let (user, password) = login.split_once(':').unwrap();
        let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        Self {
            user: user.to_owned(),
            password: password.to_owned(),
            address: address.parse().unwrap(),
            path: format!("/{path}"),
            body,
        }
    }

    fn run(&self) -> Value {
        let mut client = Client::connect(self.address);
        let login = authorization(&self.user, &self.password);
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nAuthorization: {login}\r\nUser-Agent: curl/8.0\r\nAccept: */*\r\n\
             Content-Length: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n",
            self.path,
            self.address,
            self.body.len()
        );
        client.raw(format!("{head}{}", self.body).as_bytes()).unwrap();
        client.read().unwrap().json()
    }
}

/// The page's event stream, as a browser follows it.
struct Page {
    events: mpsc::Receiver<Value>,
}

impl Page {
    fn open(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /phones/events HTTP/1.1\r\nHost: phones\r\nAccept: text/event-stream\r\n\r\n").unwrap();
        let (sender, events) = mpsc::sync_channel(64);
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines() {
                let Ok(line) = line else { break };
                if let Some(data) = line.strip_prefix("data:") {
                    let gone = sender.send(serde_json::from_str(data.trim()).unwrap()).is_err();
                    if gone {
                        break;
                    }
                }
            }
        });
        Self { events }
    }

    fn next(&self) -> Value {
        self.events.recv_timeout(PATIENCE).expect("an SMS on the page")
    }
}

#[test]
fn the_two_pasted_lines_show_the_sms_on_the_page_and_validate_its_code() {
    let mut demo = Demo::start(&[]);
    let page = Page::open(demo.address("Phones"));
    let created = demo.curl(0).run();
    assert_eq!((&created["command"], &created["response_code"]), (&json!("create-otp"), &json!("000")), "{created}");
    let sms = page.next();
    assert_eq!(sms["phone"], "+628123456789");
    let code = code_in(sms["text"].as_str().unwrap(), 6);
    assert_eq!(sms["text"], format!("Your code is {code}"));

    let mut validate = demo.curl(1);
    assert!(validate.body.contains("\"CODE\""), "{}", validate.body);
    validate.body = validate.body.replace("CODE", &code);
    let valid = validate.run();
    assert_eq!((&valid["command"], &valid["response_code"]), (&json!("validate-otp"), &json!("000")), "{valid}");
    assert_eq!(validate.run()["response_code"], "1202");

    let again = Page::open(demo.address("Phones")).next();
    assert_eq!(again, sms, "a page that is opened later shows what came before");
    assert!(!demo.leftovers().is_empty());
    assert_eq!(demo.interrupt(), Some(0), "with two pages open");
    assert_eq!(demo.leftovers(), Vec::<String>::new());
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_allows_no_inline_script() {
    let demo = Demo::start(&["--modems", "1"]);
    let get = |path: &str| Client::connect(demo.address("Phones")).request("GET", path, None, b"").unwrap();
    let page = get("/");
    assert_eq!(page.status, 200);
    let text = String::from_utf8(page.body.clone()).unwrap();
    assert!(page.head.to_lowercase().contains("content-security-policy: default-src 'none'"), "{}", page.head);
    assert!(!text.contains("http://") && !text.contains("https://"), "an asset from elsewhere: {text}");
    for path in ["/phones.css", "/phones.js"] {
        assert!(text.contains(path));
        assert_eq!(get(path).status, 200, "{path}");
    }
    assert_eq!(get("/api/otp").status, 404);
}

#[test]
fn every_start_has_a_password_of_its_own() {
    let (first, second) = (Demo::start(&["--modems", "1"]), Demo::start(&["--modems", "1"]));
    assert_ne!(first.curl(0).password, second.curl(0).password);
    assert!(first.curl(0).password.len() >= 12);
    let mut stranger = first.curl(0);
    stranger.password = second.curl(0).password;
    let login = authorization(&stranger.user, &stranger.password);
    let answer =
        Client::connect(stranger.address).request("POST", "/api/otp", Some(&login), stranger.body.as_bytes()).unwrap();
    assert_eq!(answer.status, 401);
}

#[test]
fn the_magic_receivers_have_the_fates_that_are_printed() {
    let demo = Demo::start(&["--modems", "4"]);
    let number = |fate: &str| {
        let line = demo
            .said
            .lines()
            .find(|line| line.contains(fate))
            .unwrap_or_else(|| panic!("no {fate:?} in {}", demo.said));
        line.split_whitespace().next().unwrap().to_owned()
    };
    let send = |fate: &str| {
        let answer = demo.ask("send-sms", &json!({"receiver": number(fate), "message": fate}));
        assert_eq!(answer["response_code"], "000", "{answer}");
        answer["data"]["message_id"].clone()
    };
    let slow = send("is slow");
    let (fails, silent, arrives) = (send("cannot be reached"), send("never reports"), send("is delivered"));
    let state = |id: &Value| demo.ask("get-status", &json!({"message_id": id}))["data"]["state"].clone();
    for (id, expected) in [(&arrives, "delivered"), (&fails, "undelivered")] {
        wait_for(expected, || (state(id) == expected).then_some(()));
    }
    assert_eq!(state(&silent), "sent");
    assert_eq!(state(&slow), "sending");
}

#[test]
fn codes_go_to_all_the_world_and_limits_are_at_work() {
    let demo = Demo::start(&[]);
    let ask = |reference: &str, receiver: &str| {
        demo.ask("create-otp", &json!({"reference": reference, "receiver": receiver, "message": "Your code is %s"}))
    };
    assert_eq!(ask("abroad", "+33612345678")["response_code"], "000");
    assert_eq!(ask("again", "+33612345678")["rule"], "cool_down");
}

#[test]
fn a_named_data_directory_is_kept() {
    let data = TempDir::new().unwrap();
    let path = data.path().join("kept");
    let mut demo = Demo::start(&["--modems", "1", "--data-dir", path.to_str().unwrap()]);
    assert_eq!(demo.interrupt(), Some(0));
    assert!(path.join("data").is_dir());
    assert_eq!(demo.leftovers(), Vec::<String>::new());
}

#[test]
fn an_address_in_use_is_named_and_nothing_is_left_behind() {
    let demo = Demo::start(&["--modems", "1"]);
    let taken = demo.address("API").to_string();
    for (option, other) in [("--api", "--admin"), ("--admin", "--api")] {
        let ended = run_to_end(&["demo", option, &taken, other, "127.0.0.1:0"]);
        assert_eq!(ended.code, Some(1));
        assert!(ended.stderr.contains(&taken), "{}", ended.stderr);
    }
    // The demo that has the address is not disturbed.
    assert_eq!(demo.ask("echo", &json!({}))["response_code"], "000");
}
