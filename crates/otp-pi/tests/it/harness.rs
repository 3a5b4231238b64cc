// long: what every test of the whole process needs, in the one place where it is looked for
//! What every test needs: emulated modems in their own process, a gateway in its own process, a small HTTP client.
//! Everything is stopped when it goes out of scope.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a condition may take before the test fails. Generous: only a failure ever waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// A free address of this machine.
const ANYWHERE: &str = "\"127.0.0.1:0\"";
pub(crate) const USER: &str = "user";
pub(crate) const PASSWORD: &str = "password";

#[expect(clippy::disallowed_methods, reason = "tests measure their own deadlines")]
pub(crate) fn instant() -> std::time::Instant {
    std::time::Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "requests carry the current time as clients would")]
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[expect(clippy::disallowed_methods, reason = "polls a condition of another process")]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// Waits until `condition` has a value.
pub(crate) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = instant();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        pause(Duration::from_millis(2));
    }
}

/// The path of a program of this workspace.
pub(crate) fn program(name: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_BIN_EXE_otp-pi"));
    let path = own.with_file_name(name);
    assert!(path.exists(), "{} is not built; run the tests through scripts/test", path.display());
    path
}

/// Emulated modems in their own process.
pub(crate) struct Emulator {
    child: Child,
    /// What comes in, a line each.
    arrivals: Mutex<ChildStdin>,
    dir: TempDir,
    pub(crate) modems: Vec<PathBuf>,
}

impl Emulator {
    pub(crate) fn start(modems: usize, extra: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let mut child = Command::new(program("otp-pi-emulator"))
            .arg("--links")
            .arg(dir.path())
            .args(["--modems", &modems.to_string()])
            .arg("--transmissions")
            .arg(dir.path().join("transmissions.jsonl"))
            .arg("--deliver-stdin")
            .args(extra)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(dir.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert!(ready.starts_with("ready"), "the emulator said {ready:?}");
        let modems = ready.split_whitespace().skip(1).map(PathBuf::from).collect();
        let arrivals = Mutex::new(child.stdin.take().unwrap());
        Self { child, arrivals, dir, modems }
    }

    /// One modem with a fault script.
    pub(crate) fn with_script(script: &str, extra: &[&str]) -> Self {
        Self::scripted(1, script, extra)
    }

    /// Everything that went on air so far, one JSON object a PDU.
    pub(crate) fn transmissions(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.dir.path().join("transmissions.jsonl")).unwrap_or_default();
        // The last line may be half written.
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits for the transmission whose text holds `needle` and answers its text.
    pub(crate) fn text_with(&self, needle: &str) -> String {
        wait_for(&format!("an SMS with {needle:?}"), || {
            let sent = self.transmissions();
            sent.iter().filter_map(|sent| sent["text"].as_str()).find(|text| text.contains(needle)).map(str::to_owned)
        })
    }

    /// How often a text with `needle` went on air.
    pub(crate) fn count(&self, needle: &str) -> usize {
        self.transmissions()
            .iter()
            .filter(|sent| sent["text"].as_str().is_some_and(|text| text.contains(needle)))
            .count()
    }
}

impl Emulator {
    /// Sends a text from a phone to the first modem.
    pub(crate) fn deliver(&self, from: &str, text: &str) {
        self.arrive(&format!("modem1 {from} {text}"));
    }

    /// Brings the first modem the octets of a TPDU, sound or not.
    pub(crate) fn deliver_tpdu(&self, tpdu: &[u8]) {
        let hex: String = tpdu.iter().map(|octet| format!("{octet:02X}")).collect();
        self.arrive(&format!("modem1 = {hex}"));
    }

    fn arrive(&self, line: &str) {
        let mut arrivals = self.arrivals.lock().unwrap();
        arrivals.write_all(format!("{line}\n").as_bytes()).unwrap();
        arrivals.flush().unwrap();
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// A gateway in its own process.
pub(crate) struct Gateway {
    child: Child,
    dir: TempDir,
    environment: Environment,
    pub(crate) address: SocketAddr,
}

/// Variables that a gateway is started with.
pub(crate) type Environment = Vec<(&'static str, String)>;

/// What a test wants of its gateway's configuration.
pub(crate) struct Setup {
    pub(crate) modems: Vec<PathBuf>,
    /// Value of `api.http_listen`.
    pub(crate) listen: String,
    /// Lines put into the sections `[api]`, `[otp]`, `[sms]`, and whole sections at the end.
    pub(crate) api: String,
    pub(crate) otp: String,
    pub(crate) sms: String,
    pub(crate) modem: String,
    /// Lines of `[limits]`; switched off for tests of everything else.
    pub(crate) limits: String,
    pub(crate) more: String,
    pub(crate) log: &'static str,
    pub(crate) environment: Environment,
}

impl Setup {
    pub(crate) fn with(emulator: &Emulator) -> Self {
        Self {
            modems: emulator.modems.clone(),
            listen: ANYWHERE.to_owned(),
            api: String::new(),
            otp: String::new(),
            sms: String::new(),
            modem: String::new(),
            limits: "mode = \"off\"".to_owned(),
            more: String::new(),
            log: "info",
            environment: Vec::new(),
        }
    }

    fn render(&self, data: &Path) -> String {
        let mut text = format!(
            "data_dir = {data:?}\n[log]\nfilter = {:?}\n[api]\nhttp_listen = {}\n{}\n[otp]\n{}\n[sms]\ncountry_code = \"62\"\n{}\n[limits]\n{}\n",
            self.log, self.listen, self.api, self.otp, self.sms, self.limits
        );
        for (index, path) in self.modems.iter().enumerate() {
            text += &format!("[[modem]]\nname = \"m{index}\"\nport = {path:?}\n{}\n", self.modem);
        }
        text += &format!("[[api_user]]\nusername = \"{USER}\"\npassword = \"{PASSWORD}\"\n{}\n", self.more);
        text
    }

    pub(crate) fn start(&self) -> Gateway {
        self.start_in(TempDir::new().unwrap())
    }

    pub(crate) fn start_in(&self, dir: TempDir) -> Gateway {
        fs::write(dir.path().join("otp-pi.toml"), self.render(&dir.path().join("data"))).unwrap();
        launch(dir, self.environment.clone())
    }
}

fn launch(directory: TempDir, environment: Environment) -> Gateway {
    let (child, address) = launch_in(directory.path(), &environment);
    Gateway { child, dir: directory, environment, address }
}

fn launch_in(dir: &Path, environment: &Environment) -> (Child, SocketAddr) {
    let log = dir.join("log");
    let old = fs::metadata(&log).map_or(0, |meta| usize::try_from(meta.len()).unwrap());
    let stderr = fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_otp-pi"));
    command.args(["serve", "--config"]).arg(dir.join("otp-pi.toml"));
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let child = command.stdout(Stdio::null()).stderr(stderr).process_group(0).spawn().unwrap();
    let address = wait_for("the gateway's address in its log", || {
        let text = fs::read_to_string(&log).ok()?;
        let fresh = text.get(old..)?;
        let rest = fresh.split("api.address=").nth(1)?;
        rest.split_whitespace().next()?.trim_matches('"').parse().ok()
    });
    (child, address)
}

impl Gateway {
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// The addresses that it listens on, in the order of the configuration, when it has told `count` of them.
    pub(crate) fn addresses(&self, count: usize) -> Vec<SocketAddr> {
        let address = |rest: &str| rest.split_whitespace().next()?.trim_matches('"').parse().ok();
        wait_for("all addresses", || {
            let log = self.log();
            let told: Vec<_> = log.split("api.address=").skip(1).filter_map(address).collect();
            (told.len() == count).then_some(told)
        })
    }

    fn into_stopped(mut self) -> Stopped {
        let dir = std::mem::replace(&mut self.dir, TempDir::new().unwrap());
        Stopped { dir, environment: std::mem::take(&mut self.environment) }
    }

    /// Kills the process at once, as a power cut would.
    pub(crate) fn kill(mut self) -> Stopped {
        self.child.kill().unwrap();
        let _status = self.child.wait().unwrap();
        self.into_stopped()
    }

    /// Asks the process to end; answers its exit code.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        let status = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
        wait_for("the gateway's end", || self.child.try_wait().unwrap()).code()
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends the process a signal, such as `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// One API request on a connection of its own.
    pub(crate) fn ask(&self, command: &str, data: Value) -> Value {
        self.connect().ask(command, data)
    }

    /// Waits until the gateway says that `count` modems are ready.
    pub(crate) fn wait_for_modems(&self, count: usize) {
        let mut client = self.connect();
        wait_for("the modems", || {
            let list = client.ask("get-modem-list", json!({}));
            let ready = list["data"]["modem_list"]
                .as_object()?
                .values()
                .filter(|modem| modem["connected"] == json!(true))
                .count();
            (ready == count).then_some(())
        });
    }

    /// Waits until the message of this id has reached `state`.
    pub(crate) fn wait_for_state(&self, message_id: &str, state: &str) -> Value {
        let mut client = self.connect();
        wait_for(&format!("state {state}"), || {
            let status = client.ask("get-status", json!({"message_id": message_id}));
            (status["data"]["state"] == json!(state)).then_some(status)
        })
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Gateway {
    /// Ends in good order and leaves its data.
    pub(crate) fn stop(mut self) -> Stopped {
        assert_eq!(self.terminate(), Some(0));
        self.into_stopped()
    }
}

/// The data of a gateway that was killed.
pub(crate) struct Stopped {
    dir: TempDir,
    environment: Environment,
}

impl Stopped {
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The same, with credentials as systemd would provide them.
    pub(crate) fn restart_with_credentials(mut self, credentials: &Path) -> Gateway {
        self.environment = vec![("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap().to_owned())];
        self.restart()
    }

    /// Starts a gateway on the same data with the same configuration.
    pub(crate) fn restart(self) -> Gateway {
        launch(self.dir, self.environment)
    }
}

impl Stopped {
    /// Starts a gateway on the same data with another configuration.
    pub(crate) fn restart_as(self, setup: &Setup) -> Gateway {
        setup.start_in(self.dir)
    }
}

/// An HTTP/1.1 client on one kept connection. Written here so that no library mends what the gateway does wrong.
pub(crate) struct Client {
    stream: BufReader<Box<dyn Stream>>,
}

/// What an HTTP client can speak over: a socket, or TLS over one.
pub(crate) trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(&self.body)))
    }
}

pub(crate) fn authorization(user: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap()
    }

    pub(crate) fn try_connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self::over(stream))
    }

    pub(crate) fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: BufReader::new(Box::new(stream)) }
    }

    /// Sends bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Reads one response.
    pub(crate) fn read(&mut self) -> std::io::Result<Response> {
        let mut head = String::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if line == "\r\n" {
                break;
            }
            head += &line;
        }
        let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
        let length = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, value)| value.trim().parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Response { status, head, body })
    }

    pub(crate) fn request(
        &mut self,
        method: &str,
        path: &str,
        authorization: Option<&str>,
        body: &[u8],
    ) -> std::io::Result<Response> {
        let login = authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
        let mut bytes =
            format!("{method} {path} HTTP/1.1\r\nHost: gateway\r\n{login}Content-Length: {}\r\n\r\n", body.len())
                .into_bytes();
        bytes.extend_from_slice(body);
        self.raw(&bytes)?;
        self.read()
    }

    pub(crate) fn post(&mut self, path: &str, body: &str) -> std::io::Result<Response> {
        self.request("POST", path, Some(&authorization(USER, PASSWORD)), body.as_bytes())
    }

    pub(crate) fn try_ask(&mut self, command: &str, data: &Value) -> std::io::Result<Value> {
        let body = json!({"command": command, "data": data}).to_string();
        Ok(self.post("/api/otp", &body)?.json())
    }

    #[expect(clippy::needless_pass_by_value, reason = "reads better where the request is written down")]
    pub(crate) fn ask(&mut self, command: &str, data: Value) -> Value {
        self.try_ask(command, &data).unwrap()
    }
}

/// The first run of `length` digits in a text.
pub(crate) fn code_in(text: &str, length: usize) -> String {
    let digits = |part: &&str| part.len() == length;
    text.split(|c: char| !c.is_ascii_digit()).find(digits).unwrap_or_else(|| panic!("no code in {text:?}")).to_owned()
}

// --- for tests that start programs that fail, change the surroundings or speak in another's name ---------------------

/// What a program said and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `otp-pi` with these arguments until it ends by itself.
pub(crate) fn run_to_end(arguments: &[&str]) -> Ended {
    end_of(Command::new(env!("CARGO_BIN_EXE_otp-pi")).args(arguments))
}

/// Runs a command of `otp-pi` for the gateway of this directory, running or not.
pub(crate) fn operate(directory: &Path, arguments: &[&str]) -> Ended {
    end_of(&mut operation(directory, arguments))
}

/// The same, not started yet.
pub(crate) fn operation(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_otp-pi"));
    command.args(arguments).arg("--config").arg(directory.join("otp-pi.toml"));
    command
}

/// Waits until a program ends by itself.
pub(crate) fn end_of(command: &mut Command) -> Ended {
    let out = tempfile::NamedTempFile::new().unwrap();
    let err = tempfile::NamedTempFile::new().unwrap();
    let mut child = command.stdout(out.reopen().unwrap()).stderr(err.reopen().unwrap()).spawn().unwrap();
    let start = instant();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > PATIENCE {
            let _gone = child.kill();
            let _status = child.wait();
            panic!("{command:?} did not end: {}", fs::read_to_string(err.path()).unwrap());
        }
        pause(Duration::from_millis(2));
    };
    let read = |file: &tempfile::NamedTempFile| fs::read_to_string(file.path()).unwrap();
    Ended { code: status.code(), stdout: read(&out), stderr: read(&err) }
}

impl Ended {
    /// What was said, if it went well.
    #[track_caller]
    pub(crate) fn told(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        &self.stdout
    }

    /// The complaint, if it was refused.
    #[track_caller]
    pub(crate) fn refused(&self) -> &str {
        assert_eq!(self.code, Some(1), "{self:?}");
        &self.stderr
    }

    /// The answer for scripts, however it ended.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

impl Gateway {
    /// Runs a command of `otp-pi` for this gateway.
    pub(crate) fn operate(&self, arguments: &[&str]) -> Ended {
        operate(self.dir(), arguments)
    }

    /// Writes another configuration; nothing reads it yet.
    pub(crate) fn rewrite(&self, setup: &Setup) {
        setup.write(&self.dir().join("otp-pi.toml"), &self.dir().join("data"));
    }

    /// Sends SIGHUP.
    pub(crate) fn hang_up(&self) {
        let status = Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Sends SIGHUP, and waits until the settings were read. Answers what the log says since.
    pub(crate) fn reload(&self) -> String {
        let before = self.log().len();
        self.hang_up();
        wait_for("the end of a reload in the log", || {
            let fresh = self.log().get(before..)?.to_owned();
            let is_done = |words: &str| fresh.split(words).nth(1).is_some_and(|rest| rest.contains('\n'));
            let ends = ["the settings were read again", "the settings stay as they were"];
            ends.into_iter().any(is_done).then_some(fresh)
        })
    }

    /// Writes another configuration and has it read; it must be taken.
    #[track_caller]
    pub(crate) fn reload_as(&self, setup: &Setup) -> String {
        self.rewrite(setup);
        let log = self.reload();
        assert!(log.contains("the settings were read again"), "{log}");
        log
    }
}

impl Emulator {
    /// Several modems with one script.
    pub(crate) fn scripted(modems: usize, script: &str, extra: &[&str]) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), script).unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        Self::start(modems, &[&["--script", path.as_str()], extra].concat())
    }

    /// Waits until `count` PDUs have gone on air and answers all that have.
    pub(crate) fn wait_for_transmissions(&self, count: usize) -> Vec<Value> {
        wait_for(&format!("{count} transmissions"), || Some(self.transmissions()).filter(|sent| sent.len() >= count))
    }

    /// The emulated modems that sent a text with `needle`, in order.
    pub(crate) fn senders_of(&self, needle: &str) -> Vec<String> {
        let holds = |sent: &&Value| sent["text"].as_str().is_some_and(|text| text.contains(needle));
        self.transmissions().iter().filter(holds).map(|sent| sent["modem"].as_str().unwrap().to_owned()).collect()
    }
}

impl Setup {
    /// Without any modem.
    pub(crate) fn without_modems() -> Self {
        Self {
            modems: Vec::new(),
            listen: ANYWHERE.to_owned(),
            api: String::new(),
            otp: String::new(),
            sms: String::new(),
            modem: String::new(),
            limits: "mode = \"off\"".to_owned(),
            more: String::new(),
            log: "info",
            environment: Vec::new(),
        }
    }

    /// Writes the configuration to `file`, for a data directory of that path.
    pub(crate) fn write(&self, file: &Path, data: &Path) {
        fs::write(file, self.render(data)).unwrap();
    }
}

impl Gateway {
    /// One request in the name of another API user, on a connection of its own.
    #[expect(clippy::needless_pass_by_value, reason = "reads better where the request is written down")]
    pub(crate) fn ask_as(&self, user: &str, password: &str, command: &str, data: Value) -> Value {
        let body = json!({"command": command, "data": data}).to_string();
        let login = authorization(user, password);
        self.connect().request("POST", "/api/otp", Some(&login), body.as_bytes()).unwrap().json()
    }

    /// Sends one SMS and waits until it is on air: what was to go out before it has gone out.
    pub(crate) fn send_sentinel(&self, emulator: &Emulator, receiver: &str, word: &str) {
        let answer = self.ask("send-sms", json!({"receiver": receiver, "message": format!("sentinel {word}")}));
        assert_eq!(answer["response_code"], "000", "{answer}");
        emulator.text_with(&format!("sentinel {word}"));
    }
}

#[expect(clippy::disallowed_methods, reason = "requests carry the current time as clients would")]
pub(crate) fn unix_millis() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Waits until the wall clock is past this time.
pub(crate) fn wait_until_millis(time: u64) {
    wait_for("a time to pass", || (unix_millis() > time).then_some(()));
}

/// Names a test that cannot be done here. Straight to standard error: a skipped test must be seen by name.
pub(crate) fn skip(what: &str) {
    let _told = writeln!(std::io::stderr(), "skipped: {what}");
}

/// The same for what `scripts/test` installs: where that has run, nothing of it may be missing.
#[expect(clippy::disallowed_methods, reason = "scripts/test says that everything is there")]
pub(crate) fn missing(what: &str) {
    assert!(std::env::var_os("OTP_PI_TEST_ALL").is_none(), "{what}");
    skip(what);
}

/// The library that gives a program another wall clock; the monotonic one stays. None where it is not installed.
pub(crate) fn faketime() -> Option<PathBuf> {
    let triple = format!("{}-linux-gnu", std::env::consts::ARCH);
    let triple = if std::env::consts::ARCH == "arm" { "arm-linux-gnueabihf".to_owned() } else { triple };
    let library = PathBuf::from(format!("/usr/lib/{triple}/faketime/libfaketimeMT.so.1"));
    if !library.exists() {
        skip("libfaketime");
    }
    Some(library).filter(|library| library.exists())
}

/// A program that has a gateway's database to itself, until dropped.
pub(crate) struct HeldDatabase(Child);

impl HeldDatabase {
    /// None when there is no python3 to do it.
    pub(crate) fn hold(data: &Path) -> Option<Self> {
        let program = "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1],isolation_level=None)\n\
                       c.execute('BEGIN IMMEDIATE')\nprint('held',flush=True)\nsys.stdin.read()\nc.execute('ROLLBACK')";
        let mut command = Command::new("python3");
        command.args(["-c", program]).arg(data.join("otp-pi.db"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let mut held = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut held).unwrap();
        assert_eq!(held, "held\n");
        Some(Self(child))
    }
}

impl Drop for HeldDatabase {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _status = self.0.wait();
    }
}

/// Says that a test did nothing, and why.
#[expect(clippy::print_stdout, reason = "the one who runs the tests is to know that this one did nothing")]
pub(crate) fn skipped(why: &str) {
    println!("skipped: {why}");
}
