//! SMS daemons that own a modem as the gateway does: smsd of smstools, gammu-smsd, and Kannel's AT driver. Each sends
//! and receives through the emulator.
//!
//! None of them is told anything about the emulator: their configurations are those of a plain modem on a serial line.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Child;

use rustix::process::{Pid, Signal};

use super::{Bench, PATIENCE, bench, program, run, skipped};

/// A text of two parts whose second one begins inside a word.
fn long_text() -> String {
    "The quick brown fox jumps over the lazy dog [1]. ".repeat(5).trim().to_owned()
}

/// A daemon and the processes it made, ended when the test ends.
struct Daemon(Child);

impl Daemon {
    fn start(program: &Path, arguments: &[&str], log: &Path) -> Self {
        let log = std::fs::File::create(log).expect("a file");
        let mut command = std::process::Command::new(program);
        command.args(arguments).env("LC_ALL", "C.UTF-8").stdin(std::process::Stdio::null());
        command.stdout(log.try_clone().expect("a file")).stderr(log);
        // A group of its own: smsd leaves one process a modem behind when it is killed alone.
        Self(command.process_group(0).spawn().expect("the daemon runs"))
    }

    fn signal(&self, signal: Signal) {
        let _gone = rustix::process::kill_process_group(Pid::from_child(&self.0), signal);
    }

    /// Asks it to end in good order and waits for that: what it holds back in memory is written then.
    async fn end(&mut self) {
        self.signal(Signal::TERM);
        until("the daemon's end", || self.0.try_wait().expect("a child").map(|_| ())).await;
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _status = self.0.wait();
    }
}

/// Waits until `condition` has a value.
async fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Makes directories and answers the path in front of them.
fn directories(bench: &Bench, names: &[&str]) -> PathBuf {
    let root = bench.directory.path().to_owned();
    for name in names {
        std::fs::create_dir(root.join(name)).expect("a directory");
    }
    root
}

/// What is in the files of a directory that have something in them.
fn contents(directory: &Path) -> Vec<String> {
    let paths = std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    // A file may be renamed between the two reads.
    let texts = paths.filter_map(|path| std::fs::read(path).ok()).filter(|bytes| !bytes.is_empty());
    texts.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
}

/// Waits until that many files of a directory hold `word`, and answers them.
async fn files_with(word: &str, count: usize, directory: &Path) -> Vec<String> {
    let what = format!("{count} files with {word} in {}", directory.display());
    until(&what, || {
        let found: Vec<String> = contents(directory).into_iter().filter(|file| file.contains(word)).collect();
        (found.len() == count).then_some(found)
    })
    .await
}

/// The texts of a transmission's parts, in the order they were transmitted, by receiver.
fn transmitted(bench: &Bench, receiver: &str) -> Vec<String> {
    let sent = bench.network.transmissions();
    sent.into_iter().filter(|sent| sent.receiver == receiver).filter_map(|sent| sent.text).collect()
}

// --- smstools ----------------------------------------------------------------------------------------------------

/// smsd with delivery reports as `ds` of `AT+CNMI` says: 1 routed, 2 stored.
fn smsd_settings(bench: &Bench, ds: u8) -> String {
    let (root, line) = (bench.directory.path().display(), bench.modem.path());
    let mut text = String::from("devices = M\ndelaytime = 1\nerrorsleeptime = 1\nautosplit = 3\nloglevel = 7\n");
    for directory in ["outgoing", "checked", "failed", "incoming", "report", "sent"] {
        text += &format!("{directory} = {root}/{directory}\n");
    }
    for (key, file) in [("logfile", "log"), ("infofile", "running"), ("pidfile", "pid"), ("stats", "stats")] {
        text += &format!("{key} = {root}/{file}\n");
    }
    text += "decode_unicode_text = yes\nincoming_utf8 = yes\n";
    text + &format!(
        "[M]\ndevice = {}\nbaudrate = 115200\ninit = AT+CNMI=2,1,0,{ds},0\nincoming = yes\nreport = yes\n\
         memory_start = 1\ncheck_memory_method = 1\n",
        line.display()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn smsd_of_smstools_sends_receives_and_gets_its_reports_routed_or_stored() {
    let Some(smsd) = program("smsd") else { return skipped("smsd of smstools") };
    tokio::join!(smsd_with_reports(&smsd, 1), smsd_with_reports(&smsd, 2));
}

async fn smsd_with_reports(smsd: &Path, ds: u8) {
    let bench = bench();
    let root = directories(&bench, &["outgoing", "checked", "failed", "incoming", "report", "sent", "stats"]);
    std::fs::write(root.join("smsd.conf"), smsd_settings(&bench, ds)).expect("a file");
    let put = |name: &str, text: &str| {
        // smsd takes a file as soon as it sees it: it must appear with all that is in it.
        std::fs::write(root.join(name), text).expect("a file");
        std::fs::rename(root.join(name), root.join("outgoing").join(name)).expect("a file in its place");
    };
    put("a", "To: 6281234567890\n\nHello from smsd [1]");
    put("b", "To: 6281234567891\nAlphabet: UTF-8\n\n10 € {x}");
    put("c", &format!("To: 6281234567892\n\n{}", long_text()));
    let settings = format!("-c{}", root.join("smsd.conf").display());
    // -t: stays in the foreground.
    let mut daemon = Daemon::start(smsd, &["-t", &settings], &root.join("out"));

    assert!(bench.network.wait_for_count(4, PATIENCE).await, "{}", bench.modem.byte_log());
    assert_eq!(transmitted(&bench, "6281234567890"), ["Hello from smsd [1]"]);
    assert_eq!(transmitted(&bench, "6281234567891"), ["10 € {x}"]);
    let parts = transmitted(&bench, "6281234567892");
    assert_eq!((parts.len(), parts.concat().as_str()), (2, long_text().as_str()));

    bench.modem.deliver("+628119999999", "First, with {braces}");
    bench.modem.deliver("OTP-Pi", "Second: 日本");
    bench.modem.deliver("+628119999999", &long_text());
    let incoming = files_with("From: ", 3, &root.join("incoming")).await;
    for (from, text) in [
        ("From: 628119999999\n", "First, with {braces}"),
        ("From: OTP-Pi\n", "Second: 日本"),
        ("From: 628119999999\n", &long_text()),
    ] {
        let is_it = |file: &&String| file.contains(from) && file.ends_with(&format!("\n\n{text}"));
        assert_eq!(incoming.iter().filter(is_it).count(), 1, "{from}{text} in {incoming:#?}");
    }
    // Of a long text smsd asks for the report of the last part alone.
    let wanted = bench.network.transmissions().iter().filter(|sent| sent.report_requested).count();
    files_with("Status: 0,Ok", wanted, &root.join("report")).await;
    assert_eq!(contents(&root.join("failed")), [""; 0], "nothing failed");
    daemon.end().await;
}

// --- gammu-smsd --------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn gammu_smsd_sends_and_receives() {
    let (Some(smsd), Some(inject)) = (program("gammu-smsd"), program("gammu-smsd-inject")) else {
        return skipped("gammu-smsd");
    };
    let bench = bench();
    let root = directories(&bench, &["inbox", "outbox", "sent", "error"]);
    let settings = format!(
        "[gammu]\ndevice = {line}\nconnection = at115200\nsynchronizetime = no\n\
         [smsd]\nservice = files\ninboxpath = {root}/inbox/\noutboxpath = {root}/outbox/\nsentsmspath = {root}/sent/\n\
         errorsmspath = {root}/error/\ninboxformat = detail\nlogfile = {root}/log\ndebuglevel = 0\nchecksecurity = 0\n\
         commtimeout = 1\nsendtimeout = 20\nloopsleep = 1\nreceivefrequency = 1\nstatusfrequency = 0\n",
        line = bench.modem.path().display(),
        root = root.display(),
    );
    let rc = root.join("smsdrc");
    std::fs::write(&rc, settings).expect("a file");
    let rc = rc.to_str().expect("a path");
    let (hello, long) = ("Hello from gammu-smsd [1] €", long_text());
    for (receiver, text) in [("+6281234567890", hello), ("+6281234567892", long.as_str())] {
        let arguments = ["-c", rc, "TEXT", receiver, "-len", "400", "-text", text];
        run(&inject, &arguments).await.unwrap_or_else(|said| panic!("gammu-smsd-inject: {said}"));
    }
    let mut daemon = Daemon::start(&smsd, &["-c", rc], &root.join("out"));
    bench.modem.deliver("+628119999999", "First, with {braces}");
    bench.modem.deliver("OTP-Pi", "Second: 日本");

    assert!(bench.network.wait_for_count(3, PATIENCE).await, "{}", bench.modem.byte_log());
    assert_eq!(transmitted(&bench, "6281234567890"), [hello]);
    let parts = transmitted(&bench, "6281234567892");
    assert_eq!((parts.len(), parts.concat()), (2, long.clone()));
    let received = files_with("PDU = Deliver", 2, &root.join("inbox")).await;
    for (number, text) in [("+628119999999", "First, with {braces}"), ("OTP-Pi", "Second: 日本")] {
        let (number, text) = (format!("Number = \"{number}\"\r"), utf_16(text));
        // Its decoder leaves one NUL for every escaped character.
        let line = |file: &str| file.lines().find_map(|line| line.strip_prefix("Text00 = ").map(str::to_owned));
        let has_text = |file: &str| line(file).is_some_and(|line| line.trim_end_matches("0000") == text);
        let is_it = |file: &&String| file.contains(&number) && has_text(file);
        assert_eq!(received.iter().filter(is_it).count(), 1, "{number} {text} in {received:#?}");
    }
    until("the outbox to be empty", || contents(&root.join("outbox")).is_empty().then_some(())).await;
    assert_eq!(contents(&root.join("error")), [""; 0], "nothing failed");
    daemon.end().await;
}

/// Writes a text as gammu keeps it: UTF-16, high byte first, in hexadecimal.
fn utf_16(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("{unit:04X}")).collect()
}

// --- Kannel ------------------------------------------------------------------------------------------------------

/// Addresses that nobody uses at this moment; taken together, so that they differ.
fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    let listeners = [(); COUNT].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}

/// Kannel's two boxes; groups are parted by blank lines. Whoever writes to the modem gets the words back.
fn kannel_settings(bench: &Bench, [admin, smsbox, sendsms]: [u16; 3]) -> String {
    let (root, line) = (bench.directory.path().display(), bench.modem.path());
    let groups = [
        format!(
            "group = core\nadmin-port = {admin}\nadmin-password = none\nsmsbox-port = {smsbox}\n\
             admin-interface = 127.0.0.1\nsmsbox-interface = 127.0.0.1\nbox-deny-ip = \"*.*.*.*\"\n\
             box-allow-ip = \"127.0.0.1\"\nlog-file = \"{root}/bearerbox.log\"\nlog-level = 0"
        ),
        format!(
            "group = smsc\nsmsc = at\nsmsc-id = line\nmodemtype = auto\nspeed = 115200\ndevice = {}",
            line.display()
        ),
        "group = modems\nid = generic\nname = \"Generic\"\ninit-string = \"AT+CNMI=2,1,0,1,0\"".to_owned(),
        format!(
            "group = smsbox\nbearerbox-host = 127.0.0.1\nsendsms-port = {sendsms}\nsendsms-interface = 127.0.0.1\n\
             log-file = \"{root}/smsbox.log\"\nlog-level = 0"
        ),
        "group = sendsms-user\nusername = otp\npassword = pw\nuser-allow-ip = \"127.0.0.1\"\nmax-messages = 3\n\
         concatenation = true"
            .to_owned(),
        "group = sms-service\nkeyword = default\ntext = \"got %a\"\nmax-messages = 1".to_owned(),
    ];
    groups.join("\n\n") + "\n\n"
}

/// Asks smsbox to send, as its users do.
fn kannel_sends(port: u16, receiver: &str, text: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("smsbox listens");
    let quote = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let query = format!("username=otp&password=pw&from=123&charset=UTF-8&to={}&text={}", quote(receiver), quote(text));
    let head = format!("GET /cgi-bin/sendsms?{query} HTTP/1.1\r\nHost: smsbox\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kannels_at_driver_sends_and_receives() {
    let (Some(bearerbox), Some(smsbox)) = (program("bearerbox"), program("smsbox")) else {
        return skipped("Kannel");
    };
    let bench = bench();
    let root = bench.directory.path().to_owned();
    let ports = free_ports();
    let [_, for_smsbox, for_us] = ports;
    let settings = root.join("kannel.conf");
    std::fs::write(&settings, kannel_settings(&bench, ports)).expect("a file");
    let settings = settings.to_str().expect("a path");
    let is_there = |port: u16| move || TcpStream::connect(("127.0.0.1", port)).ok().map(drop);
    let mut bearerbox = Daemon::start(&bearerbox, &[settings], &root.join("bearerbox.out"));
    until("bearerbox", is_there(for_smsbox)).await;
    let mut smsbox = Daemon::start(&smsbox, &[settings], &root.join("smsbox.out"));
    until("smsbox", is_there(for_us)).await;

    kannel_sends(for_us, "+6281234567890", "Hello from Kannel [1] €");
    kannel_sends(for_us, "+6281234567892", &long_text());
    assert!(bench.network.wait_for_count(3, PATIENCE).await, "{}", bench.modem.byte_log());
    assert_eq!(transmitted(&bench, "6281234567890"), ["Hello from Kannel [1] €"]);
    let parts = transmitted(&bench, "6281234567892");
    assert_eq!((parts.len(), parts.concat()), (2, long_text()));

    bench.modem.deliver("+628119999999", "First, with {braces}");
    let answer = bench.network.wait_for(|sent| sent.receiver == "628119999999", PATIENCE).await;
    // It writes the words as they would stand in a URL.
    assert_eq!(answer.and_then(|sent| sent.text).as_deref(), Some("got First%2C+with+%7Bbraces%7D"));
    smsbox.end().await;
    bearerbox.end().await;
}
