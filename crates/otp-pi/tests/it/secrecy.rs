//! Nothing secret at rest or in the log: after a run with everything in it, every log line and every file of the data
//! directory is searched for every code, text, PIN, password and number, in every coding that they pass through.
//!
//! Codes are learnt from what the emulated phones received.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Emulator, Gateway, Setup, authorization, code_in, wait_for};

const PIN: &str = "48275913";
const SECOND_PASSWORD: &str = "Geheimnis-mit-Ümlaut-77";
const WRONG_PASSWORD: &str = "falsches-Kennwort-4711";

/// Digits of a code in this run: so many that none stands anywhere by chance.
const CODE_LENGTH: usize = 10;

// --- the scanner --------------------------------------------------------------------------------------------------

/// What must not be found, as the symbols of one coding.
struct Needle {
    what: String,
    symbols: Vec<u8>,
}

/// Looks for many needles at once. The first two symbols decide whether a place is looked at closely.
#[derive(Default)]
struct Search {
    needles: Vec<Needle>,
    by_start: Vec<Vec<usize>>,
}

fn start_of(symbols: &[u8]) -> Option<usize> {
    let (first, second) = (symbols.first()?, symbols.get(1)?);
    Some(usize::from(*first) * 256 + usize::from(*second))
}

impl Search {
    fn add(&mut self, what: String, symbols: Vec<u8>) {
        self.by_start.resize(65_536, Vec::new());
        let start = start_of(&symbols).expect("a needle of two symbols at least");
        self.by_start.get_mut(start).unwrap().push(self.needles.len());
        self.needles.push(Needle { what, symbols });
    }

    fn find(&self, symbols: &[u8], found: &mut BTreeSet<String>) {
        if self.needles.is_empty() {
            return;
        }
        for place in 0..symbols.len().saturating_sub(1) {
            let rest = &symbols[place..];
            for &number in &self.by_start[usize::from(rest[0]) * 256 + usize::from(rest[1])] {
                if rest.starts_with(&self.needles[number].symbols) {
                    found.insert(self.needles[number].what.clone());
                }
            }
        }
    }
}

/// Everything secret, in every coding.
#[derive(Default)]
struct Scanner {
    bytes: Search,
    septets: Search,
}

impl Scanner {
    fn add(&mut self, what: &str, text: &str) {
        self.bytes.add(format!("{what} as text"), text.as_bytes().to_vec());
        let units: Vec<u16> = text.encode_utf16().collect();
        let big = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        let little = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        self.bytes.add(format!("{what} as UTF-16 BE"), big);
        self.bytes.add(format!("{what} as UTF-16 LE"), little);
        if let Some(septets) = gsm::gsm7::encode(text) {
            self.septets.add(format!("{what} as septets"), septets.to_vec());
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            self.bytes.add(format!("{what} as semi-octets"), semi_octets(text));
        }
    }

    fn find(&self, bytes: &[u8]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        self.find_in(bytes, "", &mut found);
        for digits in hex_runs(bytes) {
            for skip in 0..2 {
                let decoded: Vec<u8> =
                    digits[skip..].chunks_exact(2).map(|pair| hex_value(pair[0]) * 16 + hex_value(pair[1])).collect();
                self.find_in(&decoded, " in hex", &mut found);
            }
        }
        found
    }

    fn find_in(&self, bytes: &[u8], how: &str, found: &mut BTreeSet<String>) {
        let mut here = BTreeSet::new();
        self.bytes.find(bytes, &mut here);
        for offset in 0..7 {
            self.septets.find(&unpacked(bytes, offset), &mut here);
        }
        found.extend(here.into_iter().map(|what| what + how));
    }
}

/// The septets that begin at bit `offset`, 0 to 6 (3GPP TS 23.038 §6.1.2.1).
fn unpacked(bytes: &[u8], offset: usize) -> Vec<u8> {
    let bits = bytes.len() * 8;
    let mut septets = Vec::with_capacity(bits / 7 + 1);
    let mut at = offset;
    while at + 7 <= bits {
        let low = u16::from(bytes[at / 8]);
        let high = bytes.get(at / 8 + 1).map_or(0, |byte| u16::from(*byte));
        let [septet, _] = ((low | high << 8) >> (at % 8) & 0x7f).to_le_bytes();
        septets.push(septet);
        at += 7;
    }
    septets
}

/// Digits as addresses have them: swapped in pairs, an odd one filled up (3GPP TS 23.040 §9.1.2.3).
fn semi_octets(digits: &str) -> Vec<u8> {
    // An odd last digit shares its octet with the filler or with whatever follows: the pairs before it are enough.
    digits.as_bytes().chunks_exact(2).map(|pair| (pair[1] - b'0') * 16 + (pair[0] - b'0')).collect()
}

/// Runs of at least 8 hexadecimal digits.
fn hex_runs(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| !byte.is_ascii_hexdigit()).filter(|run| run.len() >= 8)
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Septets packed from bit `offset` on.
fn packed(septets: &[u8], offset: usize) -> Vec<u8> {
    let mut bytes = vec![0_u8; (offset + septets.len() * 7).div_ceil(8)];
    for (number, septet) in septets.iter().enumerate() {
        for bit in 0..7 {
            if septet >> bit & 1 == 1 {
                let at = offset + number * 7 + bit;
                bytes[at / 8] |= 1 << (at % 8);
            }
        }
    }
    bytes
}

#[test]
fn the_scanner_finds_what_is_planted_in_every_coding() {
    let secrets = [
        ("code", "5172938461"),
        ("text", "Treffen um {acht} am Brunnen"),
        ("ucs2", "会议八点 на мосту"),
        ("number", "628127770001"),
    ];
    let mut scanner = Scanner::default();
    for (what, text) in secrets {
        scanner.add(what, text);
    }
    let check = |planted: &[u8], expected: String| {
        let hay = [b"zz/..12 ".as_slice(), planted, b" ~~ 99"].concat();
        assert!(scanner.find(&hay).contains(&expected), "{expected}: only {:?} found", scanner.find(&hay));
        let expected = format!("{expected} in hex");
        for hay in [format!("pdu=0{}!", hex(planted)), format!("pdu={}.", hex(planted).to_uppercase())] {
            assert!(scanner.find(hay.as_bytes()).contains(&expected), "{expected}");
        }
    };
    for (what, text) in secrets {
        let utf16 = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<_>>();
        check(text.as_bytes(), format!("{what} as text"));
        check(&utf16(u16::to_be_bytes), format!("{what} as UTF-16 BE"));
        check(&utf16(u16::to_le_bytes), format!("{what} as UTF-16 LE"));
        let Some(septets) = gsm::gsm7::encode(text) else { continue };
        for offset in 0..8 {
            let mut noise = packed(&septets, offset);
            noise[0] |= (1_u8 << (offset % 8)).wrapping_sub(1);
            check(&noise, format!("{what} as septets"));
        }
    }
    check(&semi_octets("628127770001"), "number as semi-octets".to_owned());
    assert!(scanner.find(b"nothing of interest 517293846 628127 0817").is_empty());
}

// --- the run ------------------------------------------------------------------------------------------------------

/// The receivers of the run, canonical.
const PHONES: [&str; 4] = ["628127770001", "628127770002", "628127770404", "628997770003"];

const TEMPLATE: &str = "Hausgemachte Vorlage: %s";

const TEXTS: [&str; 5] = [
    "Treffen um acht am Brunnen, bring {alles} mit",
    "Das Paket Nr. 55-ABC-1 liegt bei Frau Novak",
    "会议八点开始 на мосту 😀 прошу не опаздывать",
    "Never to be sent: the network refuses the receiver",
    "Never to be sent: it waits for a modem that is not there",
];

/// What comes in: whole, in parts, and to be shown at once.
const INBOUND: [(&str, &str); 3] = [
    ("628555770005", "Meine Geheimzahl lautet Vierzehn-Acht"),
    (
        "628555770006",
        "Приходи один к старому мельнику в полночь и никому ни слова об этом, иначе всё пропало и наследство тоже",
    ),
    ("GEHEIMBANK", "Kontostand achthundert Taler"),
];

const SCRIPT: &str = "[[receiver]]\nnumber = \"628127770404\"\ntreatment = { refuse = 1 }\n\
                      [[fault]]\nwhen = \"AT+CMGS\"\nnth = 3\nmodem = \"modem1\"\naction = { cms_error = 29 }\n\
                      [[fault]]\nwhen = \"AT+CMGS\"\nnth = 6\naction = { garbage = \"~~\\r\\n\" }\n\
                      [[fault]]\nwhen = \"AT+CMGS\"\nnth = 8\nreplug_after = \"30ms\"\naction = { unplug = \"after_transmission\" }\n";

fn national(phone: &str) -> String {
    format!("0{}", phone.strip_prefix("62").unwrap())
}

fn everything_happens(gateway: &Gateway, emulator: &Emulator) -> Vec<String> {
    let mut client = gateway.connect();
    let mut codes = Vec::new();
    for number in 0..12 {
        let phone = PHONES[number % 2];
        let reference = format!("ref{number}");
        let message = if number % 3 == 0 { format!("ref{number}. кода %s") } else { format!("ref{number}. %s") };
        let answer =
            client.ask("create-otp", json!({"reference": reference, "receiver": national(phone), "message": message}));
        assert_eq!(answer["response_code"], "000", "{answer}");
        let code = code_in(&emulator.text_with(&format!("ref{number}. ")), CODE_LENGTH);
        let guess = |otp: &str| json!({"reference": reference, "receiver": format!("+{phone}"), "otp": otp});
        if number % 2 == 0 {
            assert_eq!(client.ask("validate-otp", guess("0000000000"))["response_code"], "1202");
            assert_eq!(client.ask("validate-otp", guess(&code))["response_code"], "000");
        }
        codes.push(code);
    }
    for (text, phone) in TEXTS.iter().zip([PHONES[0], PHONES[1], PHONES[0], PHONES[2], PHONES[3]]) {
        let answer = client
            .ask("send-sms", json!({"id": format!("id-{}", text.len()), "receiver": national(phone), "message": text}));
        assert_eq!(answer["response_code"], "000", "{answer}");
    }
    emulator.text_with("mit");
    emulator.text_with("Novak");
    client.ask("create-otp", json!({"reference": "waits", "receiver": PHONES[3], "message": "waits %s"}));
    client.ask("block-msisdn", json!({"receiver": PHONES[2]}));
    client.ask("send-sms", json!({"receiver": PHONES[2], "message": TEXTS[3]}));
    let login = authorization("user", "password");
    let simple = |path: &str, body: String| {
        gateway.connect().request("POST", path, Some(&login), body.as_bytes()).unwrap().status
    };
    for (path, body) in [
        ("/send_otp", json!({"phone": PHONES[0]}).to_string()),
        ("/generate_otp", format!("phone_number={}", national(PHONES[1]))),
    ] {
        let before = emulator.count("Your code is");
        assert_eq!(simple(path, body), 200);
        wait_for("the code of a small dialect", || (emulator.count("Your code is") > before).then_some(()));
    }
    let texts = emulator.transmissions();
    let texts = texts.iter().filter_map(|sent| sent["text"].as_str()).filter(|text| text.contains("Your code is"));
    codes.extend(texts.map(|text| code_in(text, CODE_LENGTH)));
    let (first, second) = (&codes[codes.len() - 2], &codes[codes.len() - 1]);
    assert_eq!(simple("/verify_otp", json!({"phone": PHONES[0], "otp": first}).to_string()), 200);
    assert_eq!(simple("/verify_otp", format!("phone_number={}&otp={second}", PHONES[1])), 200);
    assert_eq!(simple("/verify_otp", format!("phone_number={}&otp={second}&otp={first}", PHONES[1])), 400);
    assert_eq!(simple("/send_otp", format!("{{\"phone\": \"{}x\"}}", PHONES[0])), 400);
    // What comes in is shown to an operator who asks, and stands nowhere.
    for (from, text) in INBOUND {
        let plus = if from.starts_with('6') { "+" } else { "" };
        emulator.deliver(&format!("{plus}{from}"), text);
    }
    let is_here =
        || (gateway.operate(&["inbox", "list", "--json"]).json()["messages"].as_array()?.len() == 3).then_some(());
    wait_for("what comes in", is_here);
    let shown = gateway.operate(&["inbox", "list", "--full", "--json"]).json();
    assert!(shown.to_string().contains(INBOUND[1].1), "{shown}");
    let ids = shown["messages"].as_array().unwrap().iter().map(|message| message["message_id"].as_str().unwrap());
    let ids: Vec<&str> = ids.collect();
    gateway.operate(&["inbox", "show", ids[0]]).told();
    gateway.operate(&["inbox", "delete", ids[0]]).told();
    gateway.operate(&["inbox", "list", "--sender", INBOUND[0].0]).told();
    // What is done by hand is recorded, without what was said.
    let absent = ["modem.absent.msisdn", PHONES[3], "modem.absent.sms_center", PHONES[1], "otp.template", TEMPLATE];
    gateway.operate(&[&["settings", "set"][..], &absent].concat()).told();
    gateway.operate(&["modem", "send", "m0", PHONES[0], TEXTS[0]]).told();
    gateway.operate(&["modem", "at", "m0", "AT+CSQ"]).told();
    gateway.ask("unblock-msisdn", json!({"receiver": PHONES[2]}));
    // Requests that cannot be read hold secrets too.
    let bad =
        format!("{{\"command\":\"send-sms\",\"data\":{{\"receiver\":\"{}\",\"message\":\"{}\"", PHONES[0], TEXTS[0]);
    client.post("/api/otp", &bad).unwrap();
    client.ask("send-sms", json!({"receiver": format!("{}x", PHONES[0]), "message": TEXTS[0]}));
    client.ask("create-otp", json!({"reference": "r", "receiver": PHONES[0], "message": TEXTS[1]}));
    for login in [
        authorization("user", WRONG_PASSWORD),
        authorization("nobody", WRONG_PASSWORD),
        authorization("second", SECOND_PASSWORD),
    ] {
        gateway.connect().request("POST", "/api/otp", Some(&login), b"{\"command\":\"echo\"}").unwrap();
    }
    codes
}

fn scanner(codes: &[String]) -> Scanner {
    let mut scanner = Scanner::default();
    for code in codes {
        scanner.add(&format!("code {code}"), code);
    }
    for text in TEXTS {
        scanner.add(&format!("text {text:?}"), text);
        // A part of it is as bad: the middle, which no seam of a long message cuts in all cases.
        let middle: String = text.chars().skip(8).take(12).collect();
        scanner.add(&format!("part {middle:?}"), &middle);
    }
    for phone in PHONES {
        scanner.add(&format!("number {phone}"), phone);
        scanner.add(&format!("number {}", national(phone)), &national(phone));
        scanner.add(&format!("end of number {phone}"), phone.get(3..).unwrap());
    }
    for (from, text) in INBOUND {
        scanner.add(&format!("inbound text {text:?}"), text);
        let middle: String = text.chars().skip(8).take(12).collect();
        scanner.add(&format!("part {middle:?}"), &middle);
        if from.starts_with('6') {
            scanner.add(&format!("sender {from}"), from);
            scanner.add(&format!("end of sender {from}"), from.get(3..).unwrap());
        }
    }
    scanner.add("pin", PIN);
    scanner.add("template", TEMPLATE);
    for (user, password) in [("user", WRONG_PASSWORD), ("nobody", WRONG_PASSWORD), ("second", SECOND_PASSWORD)] {
        scanner.add("password", password);
        scanner.add("login in base64", authorization(user, password).strip_prefix("Basic ").unwrap());
    }
    scanner
}

/// Every file below the directory, and the log beside it, with what was found in each.
fn leaks(scanner: &Scanner, directory: &Path) -> Vec<(String, BTreeSet<String>)> {
    let mut leaks = Vec::new();
    let mut paths = vec![directory.join("data"), directory.join("log")];
    let mut bytes = 0;
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        if !path.is_file() {
            // The control socket holds nothing.
            continue;
        }
        let content = fs::read(&path).unwrap();
        bytes += content.len();
        let mut found = scanner.find(&content);
        found.extend(scanner.find(path.as_os_str().as_encoded_bytes()));
        if !found.is_empty() {
            leaks.push((path.display().to_string(), found));
        }
    }
    assert!(bytes > 50_000, "only {bytes} bytes were searched: that is no log at trace and no database");
    leaks
}

/// What an operator gets to see of the audit record.
fn audit_leaks(scanner: &Scanner, gateway: &Gateway) -> BTreeSet<String> {
    let listed = gateway.operate(&["audit", "list", "--limit", "1000", "--json"]);
    for event in ["settings-changed", "sent-by-hand", "modem-command", "receiver-blocked", "receiver-unblocked"] {
        assert!(listed.told().contains(event), "{event}");
    }
    scanner.find(listed.told().as_bytes())
}

#[test]
fn no_secret_is_in_the_log_or_in_the_data_directory_not_even_after_a_power_cut() {
    let emulator = Emulator::scripted(2, SCRIPT, &["--pin", PIN, "--report-delay", "20ms"]);
    let secrets = TempDir::new().unwrap();
    let (pin, password) = (secrets.path().join("pin"), secrets.path().join("password"));
    fs::write(&pin, format!("{PIN}\n")).unwrap();
    fs::write(&password, format!("{SECOND_PASSWORD}\n")).unwrap();
    let mut setup = Setup::with(&emulator);
    setup.log = "trace";
    // Everything is counted, and nothing refused.
    setup.limits = "mode = \"observe\"".to_owned();
    setup.otp = format!("length = {CODE_LENGTH}");
    setup.sms = "failover = \"wait\"".to_owned();
    setup.modem = format!("sim_pin_file = {pin:?}\ndefault = true");
    setup.more = format!(
        "[[api_user]]\nusername = \"second\"\npassword_file = {password:?}\n\
         [[modem]]\nname = \"absent\"\nport = \"/nowhere/line\"\nrecipient_prefixes = [\"62899\"]\n"
    );
    let gateway = setup.start();
    gateway.wait_for_modems(2);
    let codes = everything_happens(&gateway, &emulator);
    let scanner = scanner(&codes);
    assert_eq!(audit_leaks(&scanner, &gateway), BTreeSet::new());
    let log = gateway.log();
    assert!(log.contains("AT+CMGS") && log.contains("TRACE"), "the trace of the modems is part of the run");
    let stopped = gateway.kill();
    assert_eq!(leaks(&scanner, stopped.dir()), [], "after kill -9");

    let mut gateway = stopped.restart();
    gateway.wait_for_modems(2);
    let status = gateway.ask("get-status", json!({"reference": "waits"}));
    assert_eq!(status["data"]["state"], "queued", "what waits is on disk: {status}");
    wait_for("the refused message", || {
        let status = gateway.ask("get-status", json!({"id": format!("id-{}", TEXTS[3].len())}));
        matches!(status["data"]["state"].as_str(), Some("failed" | "blocked")).then_some(())
    });
    assert_eq!(gateway.terminate(), Some(0));
    assert_eq!(leaks(&scanner, gateway.dir()), [], "after an ordered end");
}
