//! The real ModemManager on a bus of its own, driving an emulated modem: no systemd, no udev, no polkit.
//!
//! Included by the tests of more than one crate. ModemManager's test interface opens a socket in the abstract namespace instead of a
//! line, so a thread here carries bytes between that and the modem's pseudo terminal. Whatever is started is stopped at the end.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

/// How long one step of the bring-up may take. Only a failure ever waits so long.
const PATIENCE: Duration = Duration::from_secs(60);
const MODEM_MANAGER: &str = "org.freedesktop.ModemManager1";

/// A process that ends with its owner.
struct Process(Child);

impl Process {
    fn start(command: &mut Command, log: &Path) -> Self {
        let log = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let command = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

/// A bus with ModemManager on it.
pub(crate) struct ModemManager {
    process: Option<Process>,
    _polkit: Process,
    _bus: Process,
    wire: Wire,
    plugged: u32,
    dir: TempDir,
}

/// The way between ModemManager's socket and the modem.
struct Wire {
    name: String,
    open: Arc<Mutex<Vec<UnixStream>>>,
}

impl ModemManager {
    /// Starts it with one modem behind a line. None, and the reason on standard output, where it cannot run.
    pub(crate) fn start(line: &Path) -> Option<Self> {
        let programs = ["/usr/sbin/ModemManager", "/usr/bin/dbus-daemon", "/usr/bin/dbus-send"];
        let missing = programs.into_iter().find(|program| !Path::new(program).exists());
        let has_mock = Command::new("/usr/bin/python3").args(["-c", "import dbusmock"]).status();
        if let Some(program) = missing.or((!has_mock.is_ok_and(|it| it.success())).then_some("python3-dbusmock")) {
            skipped(&format!("{program} is missing"));
            return None;
        }
        if !rustix::process::geteuid().is_root() {
            skipped("ModemManager runs as root alone");
            return None;
        }
        let dir = TempDir::new().unwrap();
        let config = dir.path().join("bus.conf");
        fs::write(
            &config,
            format!(
                "<busconfig><type>system</type><listen>{}</listen><auth>EXTERNAL</auth><policy context=\"default\">\
                 <allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>",
                address(dir.path())
            ),
        )
        .unwrap();
        let log = dir.path().join("log");
        let mut daemon = Command::new("/usr/bin/dbus-daemon");
        daemon.arg("--config-file").arg(&config).args(["--nofork", "--nopidfile"]);
        let bus = Process::start(&mut daemon, &log);
        until("the bus", || dir.path().join("bus").exists());
        let mut mock = Command::new("/usr/bin/python3");
        mock.args(["-m", "dbusmock", "--system", "--template", "polkitd"]);
        let polkit = Process::start(mock.env("DBUS_SYSTEM_BUS_ADDRESS", address(dir.path())), &log);
        let wire = Wire::open(dir.path(), line);
        let mut it = Self { process: None, _polkit: polkit, _bus: bus, wire, plugged: 0, dir };
        until("the mock of polkit", || {
            it.call(
                "org.freedesktop.PolicyKit1",
                "/org/freedesktop/PolicyKit1/Authority",
                "org.freedesktop.DBus.Mock.AllowUnknown",
                &["boolean:true"],
            )
            .is_some()
        });
        it.run();
        Some(it)
    }

    /// Address of the bus.
    pub(crate) fn address(&self) -> String {
        address(self.dir.path())
    }

    /// The line, as ModemManager names it.
    pub(crate) fn line(&self) -> &str {
        &self.wire.name
    }

    /// Starts ModemManager, and plugs the modem in.
    pub(crate) fn run(&mut self) {
        let mut command = Command::new("/usr/sbin/ModemManager");
        command.args(["--no-auto-scan", "--test-enable", "--test-no-udev", "--test-no-suspend-resume"]);
        command.env("DBUS_SYSTEM_BUS_ADDRESS", self.address());
        self.process = Some(Process::start(&mut command, &self.dir.path().join("log")));
        self.replug();
    }

    /// Kills ModemManager.
    pub(crate) fn kill(&mut self) {
        self.process = None;
        self.wire.cut();
    }

    /// Stops ModemManager in the middle of whatever it does: it answers nothing any more.
    pub(crate) fn halt(&self) {
        let pid = rustix::process::Pid::from_child(&self.process.as_ref().unwrap().0);
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    }

    /// Takes the modem away, if it is there, and plugs it in, as udev would tell it.
    pub(crate) fn replug(&mut self) {
        self.wire.cut();
        self.plugged += 1;
        let arguments = [
            format!("string:otp{}", self.plugged),
            "string:generic".to_owned(),
            format!("array:string:{}", self.wire.name),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let method = "org.freedesktop.ModemManager1.Test.SetProfile";
        until("ModemManager", || {
            self.call(MODEM_MANAGER, "/org/freedesktop/ModemManager1", method, &arguments).is_some()
        });
    }

    /// The messages that ModemManager keeps, of all modems.
    pub(crate) fn messages(&self) -> usize {
        let method = "org.freedesktop.DBus.ObjectManager.GetManagedObjects";
        let objects = self.call(MODEM_MANAGER, "/org/freedesktop/ModemManager1", method, &[]).unwrap();
        objects.matches("object path \"/org/freedesktop/ModemManager1/SMS/").count()
    }

    /// Everything that the processes here said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Calls a method; answers what was told, if it went well.
    fn call(&self, service: &str, path: &str, method: &str, arguments: &[&str]) -> Option<String> {
        let mut command = Command::new("/usr/bin/dbus-send");
        command.args([
            &format!("--bus={}", self.address()),
            "--print-reply",
            &format!("--dest={service}"),
            path,
            method,
        ]);
        let output = command.args(arguments).output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Wire {
    fn open(dir: &Path, line: &Path) -> Self {
        // ModemManager takes the prefix for a part of the name.
        let name = format!("abstract:otp-{}", dir.file_name().unwrap().to_string_lossy());
        let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let open: Arc<Mutex<Vec<UnixStream>>> = Arc::default();
        let (line, kept) = (line.to_owned(), Arc::clone(&open));
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                kept.lock().unwrap().push(socket.try_clone().unwrap());
                carry(socket, &line);
            }
        });
        Self { name, open }
    }

    /// Lets go of everything that is open.
    fn cut(&self) {
        for socket in self.open.lock().unwrap().drain(..) {
            let _gone = socket.shutdown(Shutdown::Both);
        }
    }
}

/// Carries bytes both ways until one side is gone.
fn carry(mut socket: UnixStream, line: &PathBuf) {
    // O_NOCTTY: the modem is no terminal of this process.
    let Ok(mut modem) = fs::OpenOptions::new().read(true).write(true).custom_flags(0o400).open(line) else { return };
    let mut raw = rustix::termios::tcgetattr(&modem).unwrap();
    raw.make_raw();
    rustix::termios::tcsetattr(&modem, rustix::termios::OptionalActions::Now, &raw).unwrap();
    let (mut from_modem, mut to_socket) = (modem.try_clone().unwrap(), socket.try_clone().unwrap());
    let up = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from_modem.read(&mut buffer) {
            if to_socket.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _gone = to_socket.shutdown(Shutdown::Both);
    });
    // The reader of the modem ends with the modem, or with the test.
    drop(up);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = socket.read(&mut buffer) {
            if modem.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
    });
}

fn address(dir: &Path) -> String {
    format!("unix:path={}", dir.join("bus").display())
}

#[expect(clippy::disallowed_methods, reason = "polls a condition of other processes")]
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[expect(clippy::print_stdout, reason = "the one who runs the tests is to know that this one did nothing")]
fn skipped(why: &str) {
    println!("skipped: {why}");
}
