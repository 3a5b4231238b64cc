//! The actor against what seven real modems answer, as python-gsmmodem-new's own tests have written it down: each is
//! initialised, tells who it is, and sends.
//!
//! The tables are fetched by `scripts/test` and are never part of this repository. `OTP_PI_TEST_FAKEMODEMS` names their
//! directory, `OTP_PI_TEST_PYTHON` a Python; without them the test is skipped by name. CI has both.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail the test")]

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gsm::Pdu;
use modem::{Phase, Pin, Settings, Submission, Timeouts};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const PDU: &str = "0031000D91261832547698F00000A712D9775D0E7A52A1A0F41C4493D1643419";
const SOON: Duration = Duration::from_secs(60);

/// A table, what the modem in it says of itself (manufacturer, model, revision), and the profile that this chooses.
type Row = (&'static str, [&'static str; 3], &'static str);

const MODEMS: [Row; 7] = [
    ("WavecomMultiband900E1800", ["WAVECOM MODEM", "MULTIBAND  900E  1800", ""], "wavecom"),
    ("HuaweiK3715", ["huawei", "K3715", "11.104.05.00.00"], "huawei-e173"),
    ("HuaweiE1752", ["huawei", "E1752", "11.126.13.00.00"], "huawei-e173"),
    (
        "QualcommM6280",
        ["QUALCOMM INCORPORATED", "M6280", "M6280_V1.0.0 M6280_V1.0.0 1 [Sep 4 2008 12:00:00]"],
        "generic",
    ),
    ("ZteK3565Z", ["ZTE INCORPORATED", "K3565-Z", "BD_P673A2V1.0.0B09"], "zte"),
    ("NokiaN79", ["Nokia", "Nokia N79", "V ICPR72_08w44.1 24-11-08 RM-348 (c) Nokia 11.049"], "generic"),
    ("GenericTestModem", ["", "", ""], "generic"),
];

/// One of the tables behind a pseudo terminal.
struct Device {
    child: Child,
    path: String,
    said: Arc<Mutex<Vec<String>>>,
}

impl Device {
    fn start(places: &Places, modem: &str, manners: &[&str]) -> Self {
        let mut child = Command::new(&places.python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fakemodems/serve.py"))
            .args([places.tables.as_str(), modem])
            .args(manners)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let path = lines.next().unwrap_or_else(|| panic!("{modem} did not start")).unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&said);
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| hears.lock().unwrap().push(line)));
        Self { child, path, said }
    }

    /// The command lines and PDUs so far.
    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    fn count(&self, start: &str) -> usize {
        self.said().iter().filter(|line| line.starts_with(start)).count()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Where the tables and a Python are.
struct Places {
    python: String,
    tables: String,
}

#[expect(clippy::disallowed_methods, reason = "who runs the tests says where things are")]
fn places() -> Option<Places> {
    let python = std::env::var("OTP_PI_TEST_PYTHON").ok()?;
    let tables = std::env::var("OTP_PI_TEST_FAKEMODEMS").ok()?;
    Some(Places { python, tables })
}

#[expect(clippy::disallowed_methods, reason = "a test has no tracker of tasks")]
async fn sends(places: &Places, (name, identity, profile): Row, manners: &[&str]) {
    let device = Device::start(places, name, manners);
    let mut settings = Settings::new("m", &device.path);
    settings.timeouts = Timeouts { attention: Duration::from_millis(500), ..Timeouts::default() };
    settings.sim_pin = Some(Pin::parse("1234").unwrap());
    let (handle, actor) = settings.build(mpsc::channel(16).0);
    let stop = CancellationToken::new();
    let running = tokio::spawn(actor.run(stop.clone()));
    let mut status = handle.status();
    let ready = tokio::time::timeout(SOON, status.wait_for(|status| status.phase == Phase::Ready)).await;
    let Ok(Ok(ready)) = ready else {
        let status = handle.status().borrow().clone();
        panic!("{name} {manners:?} is never ready: {status:?}\n{:#?}", device.said());
    };
    let (told, chosen) = (ready.identity.clone(), ready.profile);
    drop(ready);
    assert_eq!(chosen, profile, "{name} {manners:?}");
    let told = [told.manufacturer, told.model, told.revision].map(Option::unwrap_or_default);
    assert_eq!(told, identity.map(str::to_owned), "{name} {manners:?}");

    let mut turn = tokio::time::timeout(SOON, handle.turn()).await.expect("a turn");
    for reference in 1..=2 {
        let sent = turn.send(Submission::ready(Pdu::from_hex(PDU).unwrap())).await;
        let sent = sent.unwrap_or_else(|error| panic!("{name} {manners:?}: {error}\n{:#?}", device.said()));
        assert_eq!(sent.message_reference, Some(reference), "{name} {manners:?}");
    }
    drop(turn);
    stop.cancel();
    running.await.unwrap().unwrap();
    // What it prints may still be on its way here.
    let all_read = async {
        while device.count("pdu ") < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, all_read).await.expect("two messages");
    assert_eq!(device.count(&format!("pdu {PDU}")), 2, "{name} {manners:?}: {:#?}", device.said());
    let entered = usize::from(manners.contains(&"--pin"));
    assert_eq!(device.count("AT+CPIN="), entered, "{name} {manners:?}: {:#?}", device.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_modems_of_seven_tables_are_initialised_tell_who_they_are_and_send_also_locked_and_busy() {
    let Some(places) = places() else {
        // Straight to standard error: a skipped test must be seen by name.
        let told = writeln!(std::io::stderr(), "skipped: fakemodems of python-gsmmodem-new (OTP_PI_TEST_FAKEMODEMS)");
        return told.unwrap();
    };
    let ways: [&[&str]; 4] = [&[], &["--pin"], &["--sim-busy", "2"], &["--device-busy", "6", "--pin"]];
    let rows = MODEMS.into_iter().flat_map(|modem| ways.map(|manners| sends(&places, modem, manners)));
    futures_util::future::join_all(rows).await;
}
