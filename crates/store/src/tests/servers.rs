//! Real servers of a test's own: on a free port, in a directory of their own, gone with the test.
//!
//! One that is not installed is told by name and its tests are passed over, unless `OTP_PI_TEST_ALL=1` says that all must be here.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use domain::secret::SecretText;
use tokio::time::Instant;

use crate::ServerAddress;

const PASSWORD: &str = "s3cret";
/// A busy machine may take long; only a failure ever waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TestEngine {
    Redis,
    MariaDb,
    Postgres,
}

/// A server that runs until it is dropped or killed.
pub(crate) struct TestServer {
    engine: TestEngine,
    port: u16,
    directory: tempfile::TempDir,
    child: Option<Child>,
}

impl TestServer {
    /// A server that answers; none when it is not installed.
    pub(crate) fn start(engine: TestEngine) -> Option<Self> {
        let programs: &[&str] = match engine {
            TestEngine::Redis => &["redis-server"],
            TestEngine::MariaDb => &["mariadbd", "mariadb-install-db"],
            TestEngine::Postgres => &["initdb", "postgres"],
        };
        if let Some(missing) = programs.iter().find(|name| find_program(name).is_none()) {
            #[expect(
                clippy::disallowed_methods,
                reason = "the suite says by its environment that nothing may be missing"
            )]
            let is_needed = std::env::var("OTP_PI_TEST_ALL").is_ok_and(|value| value == "1");
            assert!(!is_needed, "{missing} is not installed");
            tell(&format!("skipped: {missing} is not installed"));
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut server = Self { engine, port, directory, child: None };
        server.prepare();
        server.launch();
        server.make_database();
        Some(server)
    }

    pub(crate) fn address(&self) -> ServerAddress {
        let text = match self.engine {
            TestEngine::Redis => format!("redis://127.0.0.1:{}/0", self.port),
            TestEngine::MariaDb => format!("mysql://root@127.0.0.1:{}/otp", self.port),
            TestEngine::Postgres => format!("postgres://otp@127.0.0.1:{}/otp", self.port),
        };
        ServerAddress::parse(&text, Some(SecretText::new(PASSWORD)), None).unwrap()
    }

    /// Ends it as a power cut does.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        // The program may have been started by another that became somebody else first.
        child.kill().unwrap();
        child.wait().unwrap();
        let gone = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            assert!(Instant::now() < gone, "{:?} is still there", self.engine);
            std::thread::yield_now();
        }
    }

    /// Starts it again over what it has kept.
    pub(crate) fn launch(&mut self) {
        let data = self.data();
        let port = self.port.to_string();
        let log = File::create(self.directory.path().join("log")).unwrap();
        let mut command = match self.engine {
            TestEngine::Redis => {
                let mut command = program("redis-server");
                command.args(["--port", &port, "--bind", "127.0.0.1", "--requirepass", PASSWORD]);
                command.args(["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--dir"]).arg(&data);
                command
            }
            TestEngine::MariaDb => {
                let mut command = program("mariadbd");
                command.args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1", "--skip-log-bin"]);
                command.args([format!("--port={port}"), "--innodb-buffer-pool-size=32M".to_owned()]);
                command.arg(format!("--tmpdir={}", self.directory.path().display()));
                command.arg(format!("--datadir={}", data.display()));
                command.arg(format!("--socket={}", self.directory.path().join("socket").display()));
                command
            }
            TestEngine::Postgres => {
                let mut command = as_postgres("postgres");
                command.args(["-p", &port, "-h", "127.0.0.1", "-D"]).arg(&data).arg("-k").arg(&data);
                command
            }
        };
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        let late = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = || fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < late, "{:?} does not start: {}", self.engine, log());
            std::thread::yield_now();
        }
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn prepare(&self) {
        let data = self.data();
        fs::create_dir(&data).unwrap();
        match self.engine {
            TestEngine::Redis => {}
            TestEngine::MariaDb => {
                let mut command = program("mariadb-install-db");
                command.args([
                    "--no-defaults",
                    "--user=root",
                    "--auth-root-authentication-method=normal",
                    "--skip-test-db",
                ]);
                // In a common one, two that are made at once take each other's tables away.
                command.arg(format!("--tmpdir={}", self.directory.path().display()));
                run(command.arg(format!("--datadir={}", data.display())));
            }
            TestEngine::Postgres => {
                fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
                if let Some((user, group)) = postgres_user() {
                    chown(&data, Some(user), Some(group)).unwrap();
                }
                let password = self.directory.path().join("password");
                fs::write(&password, PASSWORD).unwrap();
                let mut command = as_postgres("initdb");
                command.args(["-U", "otp", "--auth=scram-sha-256", "--no-sync", "-D"]).arg(&data);
                run(command.arg(format!("--pwfile={}", password.display())));
            }
        }
    }

    /// It listens before it takes anybody.
    fn make_database(&self) {
        let late = Instant::now() + PATIENCE;
        let mut command = match self.engine {
            TestEngine::Redis => return,
            TestEngine::MariaDb => {
                let sql = format!("CREATE DATABASE otp; ALTER USER root@localhost IDENTIFIED BY '{PASSWORD}'");
                let socket = format!("--socket={}", self.directory.path().join("socket").display());
                let mut command = program("mariadb");
                command.args(["--no-defaults", "-uroot", &socket, "-e", &sql]);
                command
            }
            TestEngine::Postgres => {
                let mut command = program("createdb");
                command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "otp", "otp"]);
                command.env("PGPASSWORD", PASSWORD);
                command
            }
        };
        while !command.stdin(Stdio::null()).stderr(Stdio::null()).status().unwrap().success() {
            assert!(Instant::now() < late, "no database could be made");
            std::thread::yield_now();
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap_or_default();
            child.wait().map(drop).unwrap_or_default();
        }
    }
}

/// A line beside the results of the tests.
#[expect(clippy::print_stderr, reason = "what is passed over must be seen")]
pub(crate) fn tell(line: &str) {
    eprintln!("{line}");
}

fn find_program(name: &str) -> Option<PathBuf> {
    let mut places: Vec<PathBuf> = ["/usr/bin", "/usr/sbin", "/usr/local/bin"].map(PathBuf::from).to_vec();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    places.extend(versions.map(|version| version.path().join("bin")));
    places.into_iter().map(|place| place.join(name)).find(|path| path.exists())
}

fn program(name: &str) -> Command {
    Command::new(find_program(name).unwrap())
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// `PostgreSQL` refuses to run as root.
fn postgres_user() -> Option<(u32, u32)> {
    rustix::process::geteuid().is_root().then(|| {
        let users = fs::read_to_string("/etc/passwd").unwrap();
        let line = users.lines().find(|line| line.starts_with("postgres:")).unwrap();
        let mut fields = line.split(':').skip(2).map(|field| field.parse().unwrap());
        (fields.next().unwrap(), fields.next().unwrap())
    })
}

fn as_postgres(name: &str) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = program(name);
    command.current_dir(Path::new("/"));
    if let Some((user, group)) = postgres_user() {
        command.uid(user).gid(group);
    }
    command
}
