//! A RabbitMQ of one's own, a publisher in another language, and a proxy that cuts connections.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{missing, wait_for};

/// Debian's program, without the wrapper that changes the user.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const CTL: &str = "/usr/lib/rabbitmq/bin/rabbitmqctl";

#[expect(clippy::disallowed_methods, reason = "what a test may use is told by those who start it")]
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A broker: a shared one that somebody else has started, or one of one's own.
pub(super) struct Rabbit {
    pub(super) port: u16,
    own: Option<Own>,
}

struct Own {
    dir: TempDir,
    epmd: u16,
    names: Child,
    server: Mutex<Option<Child>>,
}

impl Rabbit {
    /// For a test that only needs queues: `OTP_PI_TEST_RABBITMQ` may name the port of a broker with the login `otp`, `pw`.
    pub(super) fn any() -> Option<Self> {
        let port = variable("OTP_PI_TEST_RABBITMQ").and_then(|text| text.rsplit(':').next()?.parse().ok());
        port.map_or_else(|| Self::own(""), |port| Some(Self { port, own: None }))
    }

    /// One that may be killed.
    pub(super) fn own(more: &str) -> Option<Self> {
        if !Path::new(SERVER).exists() {
            missing("a test of RabbitMQ (rabbitmq-server is not installed)");
            return None;
        }
        let (dir, port, epmd) = (TempDir::new().unwrap(), free_port(), free_port());
        let config = format!(
            "listeners.tcp.1 = 127.0.0.1:{port}\ndefault_user = otp\ndefault_pass = pw\nloopback_users = none\n\
             log.console = false\ndisk_free_limit.absolute = 50MB\nvm_memory_high_watermark.absolute = 512MB\n{more}\n"
        );
        fs::write(dir.path().join("rabbitmq.conf"), config).unwrap();
        fs::write(dir.path().join("enabled_plugins"), "[].").unwrap();
        let mut names = Command::new("epmd");
        names.args(["-port", &epmd.to_string()]).env("ERL_EPMD_ADDRESS", "127.0.0.1").stderr(Stdio::null());
        let names = names.spawn().unwrap();
        let own = Own { dir, epmd, names, server: Mutex::new(None) };
        wait_for("epmd", || TcpStream::connect(("127.0.0.1", epmd)).ok());
        own.launch();
        let rabbit = Self { port, own: Some(own) };
        rabbit.wait_until_up();
        Some(rabbit)
    }

    fn wait_until_up(&self) {
        wait_for("RabbitMQ", || {
            let up = self.ctl(&["await_startup"]) && TcpStream::connect(("127.0.0.1", self.port)).is_ok();
            up.then_some(())
        });
    }

    fn one(&self) -> &Own {
        self.own.as_ref().unwrap()
    }

    /// Runs `rabbitmqctl`.
    pub(super) fn ctl(&self, arguments: &[&str]) -> bool {
        let mut command = Command::new(CTL);
        self.one().surround(&mut command).args(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    }

    /// Ends it as a power cut would.
    pub(super) fn kill(&self) {
        let mut child = self.one().server.lock().unwrap().take().unwrap();
        signal_group("KILL", child.id());
        let _status = child.wait();
    }

    pub(super) fn start_again(&self) {
        self.one().launch();
        self.wait_until_up();
    }

    /// Stops it from doing anything, its connections left open; or lets it go on.
    pub(super) fn pause(&self, is_paused: bool) {
        let id = self.one().server.lock().unwrap().as_ref().unwrap().id();
        signal_group(if is_paused { "STOP" } else { "CONT" }, id);
    }
}

fn signal_group(name: &str, id: u32) {
    let status = Command::new("kill").args(["-s", name, "--", &format!("-{id}")]).status().unwrap();
    assert!(status.success());
}

impl Own {
    fn surround<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let dir = self.dir.path();
        let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
        command
            .env("HOME", dir)
            .env("ERL_EPMD_PORT", self.epmd.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", format!("otp{}@localhost", self.epmd))
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_BASE", dir)
            .env("RABBITMQ_MNESIA_BASE", path("mnesia"))
            .env("RABBITMQ_LOG_BASE", path("log"))
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins"))
            .env("RABBITMQ_PID_FILE", path("pid"))
    }

    fn launch(&self) {
        let mut command = Command::new(SERVER);
        let quiet = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}";
        self.surround(&mut command)
            .env("RABBITMQ_DIST_PORT", free_port().to_string())
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", quiet)
            .process_group(0);
        let out = fs::File::create(self.dir.path().join("out")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap();
        *self.server.lock().unwrap() = Some(child);
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(mut child) = self.server.lock().unwrap().take() {
            signal_group("CONT", child.id());
            signal_group("KILL", child.id());
            let _status = child.wait();
        }
        let _gone = self.names.kill();
        let _status = self.names.wait();
    }
}

/// `pika` in a process of its own.
pub(super) struct Peer {
    child: Child,
    talk: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Peer {
    pub(super) fn start(port: u16) -> Option<Self> {
        let Some(python) = variable("OTP_PI_TEST_PYTHON") else {
            missing("a test of RabbitMQ (OTP_PI_TEST_PYTHON is not set)");
            return None;
        };
        let has = Command::new(&python).args(["-c", "import pika"]).stderr(Stdio::null()).status();
        if !has.unwrap().success() {
            missing("a test of RabbitMQ (pika is not installed)");
            return None;
        }
        let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/intake/rabbit_peer.py");
        let mut command = Command::new(python);
        command.arg(program).arg(port.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let talk = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Some(Self { child, talk: Mutex::new(talk) })
    }

    /// What comes of a job, well or not.
    pub(super) fn attempt(&self, job: &Value) -> Value {
        let mut talk = self.talk.lock().unwrap();
        talk.0.write_all(format!("{job}\n").as_bytes()).unwrap();
        let mut line = String::new();
        talk.1.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?} after {job}"))
    }

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "reads better where the job is written down")]
    pub(super) fn ask(&self, job: Value) -> Value {
        let answer = self.attempt(&job);
        assert_eq!(answer.get("error"), None, "{answer} after {job}");
        answer["ok"].clone()
    }

    /// The same, again and again until it goes well: at a server that is killed or paused the reader's own connection may break as well.
    pub(super) fn insist(&self, job: &Value) {
        wait_for("the publisher", || self.attempt(job).get("error").is_none().then_some(()));
    }

    #[track_caller]
    pub(super) fn publish(&self, queue: &str, bodies: &[String]) {
        self.ask(json!({"do": "publish", "queue": queue, "bodies": bodies}));
    }

    /// Messages that lie in a queue and are with nobody.
    pub(super) fn count(&self, queue: &str) -> u64 {
        self.ask(json!({"do": "count", "queue": queue})).as_u64().unwrap()
    }

    pub(super) fn wait_for_count(&self, queue: &str, count: u64) {
        wait_for(&format!("{count} messages in {queue}"), || {
            let answer = self.attempt(&json!({"do": "count", "queue": queue}));
            (answer["ok"].as_u64() == Some(count)).then_some(())
        });
    }

    /// Takes this many answers from a queue.
    pub(super) fn answers(&self, queue: &str, count: usize) -> Vec<Value> {
        let read = self.ask(json!({"do": "read", "queue": queue, "count": count}));
        let read = read.as_array().unwrap();
        assert_eq!(read.len(), count, "{read:?}");
        read.iter().map(|one| serde_json::from_str(one["body"].as_str().unwrap()).unwrap()).collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Stands between the gateway and the broker, and cuts all connections after so many octets from the broker.
pub(super) struct Proxy {
    pub(super) port: u16,
    left: Arc<AtomicU64>,
    pub(super) cuts: Arc<AtomicU64>,
}

impl Proxy {
    pub(super) fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (left, cuts) = (Arc::new(AtomicU64::new(u64::MAX)), Arc::new(AtomicU64::new(0)));
        let proxy = Self { port, left: Arc::clone(&left), cuts: Arc::clone(&cuts) };
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", target))) else { continue };
                let (up, down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || pump(client, server, None));
                let limit = (Arc::clone(&left), Arc::clone(&cuts));
                thread::spawn(move || pump(down, up, Some(&limit)));
            }
        });
        proxy
    }

    /// Cuts after this many octets more.
    pub(super) fn cut_after(&self, octets: u64) {
        self.left.store(octets, Ordering::SeqCst);
    }

    pub(super) fn wait_for_cut(&self) {
        wait_for("the proxy's cut", || (self.cuts.load(Ordering::SeqCst) > 0).then_some(()));
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, limit: Option<&(Arc<AtomicU64>, Arc<AtomicU64>)>) {
    let mut octets = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut octets) {
        let mut count = count;
        let mut is_over = false;
        if let Some((left, cuts)) = limit {
            let wanted = u64::try_from(count).unwrap();
            let before = left.load(Ordering::SeqCst);
            if before != u64::MAX {
                left.store(before.saturating_sub(wanted), Ordering::SeqCst);
                if wanted > before {
                    count = usize::try_from(before).unwrap();
                    is_over = true;
                    left.store(u64::MAX, Ordering::SeqCst);
                    cuts.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
        if to.write_all(&octets[..count]).is_err() || is_over {
            break;
        }
    }
    let _cut = from.shutdown(Shutdown::Both);
    let _cut = to.shutdown(Shutdown::Both);
}
