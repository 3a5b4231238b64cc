//! Two gateways whose tickets are on one server: a code from one is entered at the other, and what both do when the server goes.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Emulator, Gateway, Setup, code_in, run_to_end, wait_for};

const PHONE: &str = "628126666666";
const PASSWORD: &str = "tickets-password";

/// A Redis with TLS alone, whose certificate a private authority has signed.
struct Server {
    child: Child,
    port: u16,
    dir: TempDir,
}

impl Server {
    /// None when there is no Redis here, which is told.
    fn start() -> Option<Self> {
        let is_here = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_ok();
        if !is_here {
            #[expect(
                clippy::disallowed_methods,
                reason = "the suite says by its environment that nothing may be missing"
            )]
            let is_needed = std::env::var("OTP_PI_TEST_ALL").is_ok_and(|value| value == "1");
            assert!(!is_needed, "redis-server is not installed");
            skipped();
            return None;
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let dir = TempDir::new().unwrap();
        make_certificates(dir.path());
        fs::write(dir.path().join("password"), format!("{PASSWORD}\n")).unwrap();
        let server = Self { child: launch(port, dir.path()), port, dir };
        server.wait();
        Some(server)
    }

    fn wait(&self) {
        wait_for("the Redis server", || (self.ask(&["PING"]) == "PONG").then_some(()));
    }

    fn ask(&self, command: &[&str]) -> String {
        let ca = self.dir.path().join("ca.pem");
        let mut cli = Command::new("redis-cli");
        cli.args(["-p", &self.port.to_string(), "-a", PASSWORD, "--no-auth-warning", "--tls", "--cacert"]).arg(ca);
        let out = cli.args(command).output().unwrap();
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        let _status = self.child.wait().unwrap();
    }

    fn restart(&mut self) {
        self.child = launch(self.port, self.dir.path());
        self.wait();
    }

    fn otp_lines(&self) -> String {
        let dir = self.dir.path();
        format!(
            "ticket_store = \"rediss://localhost:{}/0\"\nticket_store_password_file = {:?}\nticket_store_ca_file = {:?}\nlifetime = \"10m\"",
            self.port,
            dir.join("password"),
            dir.join("ca.pem")
        )
    }
}

#[expect(clippy::print_stderr, reason = "what is passed over must be seen")]
fn skipped() {
    eprintln!("skipped: redis-server is not installed");
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

fn launch(port: u16, dir: &Path) -> Child {
    Command::new("redis-server")
        .args(["--port", "0", "--tls-port", &port.to_string(), "--bind", "127.0.0.1", "--requirepass", PASSWORD])
        .args(["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--tls-auth-clients", "no", "--dir"])
        .arg(dir)
        .args(["--tls-cert-file", "server.pem", "--tls-key-file", "server.key", "--tls-ca-cert-file", "ca.pem"])
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn make_certificates(dir: &Path) {
    let script = "set -e
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=tickets -keyout ca.key -out ca.pem \\
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout server.key -out server.csr
printf 'subjectAltName=DNS:localhost\\nextendedKeyUsage=serverAuth\\n' > server.ext
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext -out server.pem";
    let made = Command::new("sh").args(["-c", script]).current_dir(dir).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn create(gateway: &Gateway, reference: &str) -> Value {
    gateway.ask("create-otp", json!({"reference": reference, "receiver": PHONE, "message": format!("{reference}: %s")}))
}

fn validate(gateway: &Gateway, reference: &str, code: &str) -> Value {
    gateway.ask("validate-otp", json!({"reference": reference, "receiver": PHONE, "otp": code}))
}

#[test]
fn a_code_of_one_gateway_is_entered_at_another_and_both_outlive_the_server_that_they_share() {
    let Some(mut server) = Server::start() else { return };
    let (emulator, other) = (Emulator::start(1, &[]), Emulator::start(1, &[]));
    let mut setup = Setup::with(&emulator);
    setup.otp = server.otp_lines();
    let first = setup.start();
    setup.modems.clone_from(&other.modems);
    let dir = TempDir::new().unwrap();
    fs::create_dir_all(dir.path().join("data/keys")).unwrap();
    fs::copy(first.dir().join("data/keys/keys.json"), dir.path().join("data/keys/keys.json")).unwrap();
    let second = setup.start_in(dir);
    let doctor = |gateway: &Gateway| {
        let config = gateway.dir().join("otp-pi.toml");
        run_to_end(&["doctor", "--config", config.to_str().unwrap()]).stdout
    };

    assert_eq!(create(&first, "login")["response_code"], "000");
    let code = code_in(&emulator.text_with("login: "), 6);
    let again = create(&second, "login");
    assert_eq!(again["response_code"], "000", "the same request is the same, wherever it comes");
    wait_for("the end of the second one's copy", || {
        let status = second.ask("get-status", json!({"reference": "login"}));
        (status["data"]["state"] == "cancelled").then_some(())
    });
    assert_eq!(validate(&second, "login", "000000")["response_code"], "1202");
    assert_eq!(validate(&second, "login", &code)["response_code"], "000");
    assert_eq!(validate(&first, "login", &code)["response_code"], "1202", "used");
    assert!(other.transmissions().is_empty(), "sent once");
    assert!(doctor(&second).contains(&format!("ok    tickets       rediss://localhost:{}/0 answers", server.port)));

    assert_eq!(create(&first, "kept")["response_code"], "000");
    let kept = code_in(&emulator.text_with("kept: "), 6);
    server.kill();
    for answer in [create(&first, "refused"), validate(&second, "kept", &kept)] {
        assert_eq!(answer["response_code"], "1501", "{answer}");
        assert!(answer["retry_after"].is_number(), "{answer}");
    }
    let told = doctor(&second);
    assert!(told.contains("BAD   tickets"), "{told}");
    let text = json!({"receiver": PHONE, "message": "nothing to do with tickets"});
    assert_eq!(first.ask("send-sms", text)["response_code"], "000");
    emulator.text_with("nothing to do with tickets");

    server.restart();
    wait_for("the tickets again", || {
        let answer = validate(&second, "kept", &kept);
        assert!(answer["response_code"] == "000" || answer["response_code"] == "1501", "{answer}");
        (answer["response_code"] == "000").then_some(())
    });
    assert_eq!(validate(&first, "kept", &kept)["response_code"], "1202", "used");
    assert_eq!(create(&first, "refused")["response_code"], "000");
    let again = code_in(&emulator.text_with("refused: "), 6);
    assert_eq!(validate(&second, "refused", &again)["response_code"], "000");
    let held = server.ask(&["--scan", "--pattern", "*"]);
    assert!(!held.is_empty() && held.lines().all(|key| key.starts_with("otp-pi:ticket:")), "{held}");
    assert!(held.lines().all(|key| server.ask(&["PTTL", key]).parse::<i64>().unwrap() > 0), "every key has its life");
}

#[test]
fn a_code_that_waits_while_the_server_is_away_is_sent_when_it_is_back() {
    let Some(mut server) = Server::start() else { return };
    let emulator = Emulator::start(1, &[]);
    let mut setup = Setup::with(&emulator);
    setup.otp = server.otp_lines();
    // A modem that is not there yet: the code waits.
    setup.modems = vec![server.dir.path().join("no-modem")];
    let waiting = setup.start();
    let answer = create(&waiting, "waits");
    assert_eq!(answer["response_code"], "000", "{answer}");
    let stopped = waiting.stop();
    server.kill();
    setup.modems.clone_from(&emulator.modems);
    let gateway = stopped.restart_as(&setup);
    wait_for("an attempt that cannot be made", || {
        gateway.log().contains("the ticket store does not answer").then_some(())
    });
    assert!(emulator.transmissions().is_empty(), "no code that could not be entered");
    server.restart();
    let code = code_in(&emulator.text_with("waits: "), 6);
    assert_eq!(validate(&gateway, "waits", &code)["response_code"], "000");
}

#[test]
fn a_server_that_cannot_prove_who_it_is_gets_no_password_and_no_ticket() {
    let Some(server) = Server::start() else { return };
    let emulator = Emulator::start(1, &[]);
    let mut setup = Setup::with(&emulator);
    // The name is right, and the authority is another.
    let others = TempDir::new().unwrap();
    make_certificates(others.path());
    let ours = format!("{:?}", server.dir.path().join("ca.pem"));
    setup.otp = server.otp_lines().replace(&ours, &format!("{:?}", others.path().join("ca.pem")));
    let gateway = setup.start();
    assert_eq!(create(&gateway, "login")["response_code"], "1501");
    let config = gateway.dir().join("otp-pi.toml");
    let told = run_to_end(&["doctor", "--config", config.to_str().unwrap()]).stdout;
    assert!(told.contains("BAD   tickets"), "{told}");
    assert_eq!(server.ask(&["DBSIZE"]), "0");
}
