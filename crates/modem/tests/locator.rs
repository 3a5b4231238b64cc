//! Modems that are known by who they are, on a machine made by hand: found, lost, found again under another number, and exchanged.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail the test")]

use std::path::PathBuf;
use std::time::Duration;

use emulator::{Direction, Machine, Modem, ModemSettings, Network, NetworkSettings, Script, Stick};
use gsm::Pdu;
use modem::discovery::Roots;
use modem::{Iccid, Imei, Locator, ModemHandle, Phase, Pin, Settings, Status, Submission, Timeouts};
use rustix::pty::OpenptFlags;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

const PDU: &str = "0031000D91261832547698F00000A712D9775D0E7A52A1A0F41C4493D1643419";
const SOON: Duration = Duration::from_secs(30);

#[expect(clippy::disallowed_methods, reason = "a test has no tracker of tasks")]
fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) {
    drop(tokio::spawn(future));
}

/// A machine, its search for lines, and a network.
struct Bench {
    machine: Machine,
    network: Network,
    locator: Locator,
    stop: CancellationToken,
    _guard: DropGuard,
    directory: tempfile::TempDir,
}

/// One modem of the gateway; it ends with the bench.
struct Driven {
    handle: ModemHandle,
    _events: mpsc::Receiver<modem::ModemEvent>,
}

impl Bench {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let machine = Machine::below(directory.path()).unwrap();
        let (locator, search) = Locator::new(Roots::below(machine.root()));
        let stop = CancellationToken::new();
        spawn(search.run(stop.clone()));
        let network = Network::new(NetworkSettings { air_time: Duration::ZERO, ..NetworkSettings::default() });
        Self { machine, network, locator, _guard: stop.clone().drop_guard(), stop, directory }
    }

    /// A modem that is not plugged in anywhere yet.
    fn device(&self, name: &str, index: u8, change: impl FnOnce(&mut ModemSettings)) -> Modem {
        let mut settings = ModemSettings::named(name, index);
        settings.link = Some(self.directory.path().join(name));
        change(&mut settings);
        let device = Modem::start(&self.network, settings, Script::default()).unwrap();
        spawn(device.run());
        device
    }

    fn settings(&self, name: &str) -> Settings {
        let mut settings = Settings::new(name, PathBuf::new());
        settings.locator = Some(self.locator.clone());
        settings.timeouts = Timeouts {
            attention: Duration::from_millis(500),
            settle: Duration::from_millis(10),
            reopen_first: Duration::from_millis(20),
            reopen_longest: Duration::from_millis(100),
            ..Timeouts::default()
        };
        settings
    }

    fn imei(&self, name: &str, index: u8) -> Settings {
        let mut settings = self.settings(name);
        settings.wanted.imei = Some(Imei::parse(&ModemSettings::named(name, index).imei).unwrap());
        settings
    }

    fn drive(&self, settings: Settings) -> Driven {
        let (events, receiver) = mpsc::channel(16);
        let (handle, actor) = settings.build(events);
        spawn(actor.run(self.stop.clone()));
        Driven { handle, _events: receiver }
    }

    /// By which devices what was sent so far went out.
    fn senders(&self) -> Vec<String> {
        self.network.transmissions().into_iter().map(|sent| sent.modem).collect()
    }
}

impl Driven {
    async fn until(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        let mut status = self.handle.status();
        match tokio::time::timeout(SOON, status.wait_for(|status| wanted(status))).await {
            Ok(Ok(status)) => status.clone(),
            _ => panic!("waited in vain: {:?}", self.handle.status().borrow().clone()),
        }
    }

    async fn ready(&self) -> Status {
        self.until(|status| status.phase == Phase::Ready && !status.busy).await
    }

    async fn send(&self) {
        let mut turn = tokio::time::timeout(SOON, self.handle.turn()).await.expect("a turn");
        let sent = tokio::time::timeout(SOON, turn.send(Submission::ready(Pdu::from_hex(PDU).unwrap()))).await;
        sent.expect("an outcome").unwrap();
    }
}

fn said(device: &Modem) -> String {
    String::from_utf8_lossy(&device.byte_log().said(Direction::ToModem)).into_owned()
}

/// A line on which nobody answers; some say things by themselves.
struct Mute {
    master: std::os::fd::OwnedFd,
    path: PathBuf,
}

impl Mute {
    fn open() -> Self {
        let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        rustix::io::ioctl_fionbio(&master, true).unwrap();
        let path = rustix::pty::ptsname(&master, Vec::new()).unwrap().into_string().unwrap().into();
        Self { master, path }
    }

    /// A GPS: its sentences never end.
    fn gps() -> Self {
        let gps = Self::open();
        let master = gps.master.try_clone().unwrap();
        spawn(async move {
            // A line that is full takes no more: nobody reads. Ends with the test's runtime.
            loop {
                let _full = rustix::io::write(
                    &master,
                    b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n",
                );
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        gps
    }

    /// Whether anything was said to it, without its own words.
    fn was_asked(&self) -> bool {
        let mut buffer = [0; 4096];
        rustix::io::read(&self.master, &mut buffer)
            .is_ok_and(|count| buffer.get(..count).unwrap_or_default().windows(2).any(|it| it == b"AT"))
    }
}

#[tokio::test]
async fn the_line_for_commands_is_found_among_the_four_of_a_stick() {
    // Interfaces of which the order is known, and of which it is not: then one after the other is asked.
    for (product, asks_others) in [("0125", false), ("ffff", true)] {
        let bench = Bench::start();
        let device = bench.device("a", 1, |_| {});
        let (diagnostics, gps, data) = (Mute::open(), Mute::gps(), Mute::open());
        let stick = Stick { product_id: product.to_owned(), ..Stick::ec25("1-1") };
        let stick = stick
            .with_line(0, "ttyUSB0", &diagnostics.path)
            .with_line(1, "ttyUSB1", &gps.path)
            .with_line(2, "ttyUSB2", &device.path())
            .with_line(3, "ttyUSB3", &data.path);
        bench.machine.plug(&stick).unwrap();
        let driven = bench.drive(bench.imei("a", 1));
        assert_eq!(driven.ready().await.line, Some(bench.machine.line("ttyUSB2")));
        driven.send().await;
        assert_eq!(bench.senders(), ["a"]);
        assert_eq!(diagnostics.was_asked(), asks_others, "diagnostics of {product}");
        assert!(!data.was_asked(), "data of {product}");
    }
}

#[tokio::test]
async fn a_stick_that_comes_back_under_another_number_sends_again() {
    let bench = Bench::start();
    let device = bench.device("a", 1, |_| {});
    let first = Stick::ec25("1-1").with_line(2, "ttyUSB2", &device.path());
    bench.machine.plug(&first).unwrap();
    let driven = bench.drive(bench.imei("a", 1));
    driven.ready().await;
    driven.send().await;
    bench.machine.unplug(&first).unwrap();
    device.unplug();
    let lost = driven.until(|status| status.line_fault.is_some()).await;
    assert_eq!((lost.phase, lost.line), (Phase::Closed, None));
    assert!(lost.detail.is_some_and(|why| why.contains("no line has answered with IMEI …")));
    device.replug();
    bench.machine.plug(&Stick::ec25("1-3").with_line(2, "ttyUSB7", &device.path())).unwrap();
    assert_eq!(driven.ready().await.line, Some(bench.machine.line("ttyUSB7")));
    driven.send().await;
    assert_eq!(bench.senders(), ["a", "a"]);
}

#[tokio::test]
async fn two_sticks_that_change_places_each_send_for_their_own_modem() {
    let bench = Bench::start();
    let (one, two) = (bench.device("one", 1, |_| {}), bench.device("two", 2, |_| {}));
    let place = |socket: &str, line: &str, device: &Modem| Stick::ec25(socket).with_line(2, line, &device.path());
    let before = [place("1-1", "ttyUSB0", &one), place("1-2", "ttyUSB1", &two)];
    before.iter().for_each(|stick| bench.machine.plug(stick).unwrap());
    let mut modems = Vec::new();
    for (name, index, line) in [("one", 1, "ttyUSB0"), ("two", 2, "ttyUSB1")] {
        let settings = Settings { path: bench.machine.line(line), ..bench.imei(name, index) };
        modems.push(bench.drive(settings));
    }
    for driven in &modems {
        driven.ready().await;
        driven.send().await;
    }
    before.iter().for_each(|stick| bench.machine.unplug(stick).unwrap());
    for (device, driven) in [&one, &two].into_iter().zip(&modems) {
        device.unplug();
        driven.until(|status| status.phase == Phase::Closed).await;
    }
    [&one, &two].into_iter().for_each(Modem::replug);
    let after = [place("1-1", "ttyUSB0", &two), place("1-2", "ttyUSB1", &one)];
    after.iter().for_each(|stick| bench.machine.plug(stick).unwrap());
    for (driven, line) in modems.iter().zip(["ttyUSB1", "ttyUSB0"]) {
        assert_eq!(driven.ready().await.line, Some(bench.machine.line(line)));
        driven.send().await;
    }
    assert_eq!(bench.senders(), ["one", "two", "one", "two"]);
}

#[tokio::test]
async fn another_device_at_the_configured_line_is_given_no_pin_and_no_message() {
    let bench = Bench::start();
    let locked = |device: &mut ModemSettings| device.pin = Some("1234".to_owned());
    let (other, own) = (bench.device("other", 1, locked), bench.device("own", 2, locked));
    bench.machine.plug(&Stick::ec25("1-1").with_line(2, "ttyUSB0", &other.path())).unwrap();
    let mut settings = Settings { path: bench.machine.line("ttyUSB0"), ..bench.imei("own", 2) };
    settings.sim_pin = Some(Pin::parse("1234").unwrap());
    let driven = bench.drive(settings);
    let wrong = driven.until(|status| status.phase == Phase::WrongDevice && status.line_fault.is_some()).await;
    assert!(wrong.detail.is_some_and(|why| why.contains("another device is at")));
    assert!(driven.handle.try_turn().is_none());
    assert!(!said(&other).contains("AT+CPIN"), "{}", said(&other));
    // The right one is found where it is plugged in.
    bench.machine.plug(&Stick::ec25("1-2").with_line(2, "ttyUSB5", &own.path())).unwrap();
    assert_eq!(driven.ready().await.line, Some(bench.machine.line("ttyUSB5")));
    driven.send().await;
    assert_eq!(bench.senders(), ["own"]);
    assert!(!said(&other).contains("AT+CMGS") && !said(&other).contains("AT+CPIN="), "{}", said(&other));
}

#[tokio::test]
async fn a_sim_is_found_in_whatever_device_it_is_and_another_sim_is_not_used() {
    let bench = Bench::start();
    let (other, own) = (bench.device("other", 1, |_| {}), bench.device("own", 2, |_| {}));
    let mut settings = bench.settings("m");
    settings.wanted.iccid = Some(Iccid::parse(&ModemSettings::named("own", 2).iccid).unwrap());
    settings.path = bench.machine.line("ttyUSB0");
    bench.machine.plug(&Stick::ec25("1-1").with_line(2, "ttyUSB0", &other.path())).unwrap();
    let driven = bench.drive(settings);
    let wrong = driven.until(|status| status.phase == Phase::WrongDevice && status.line_fault.is_some()).await;
    assert!(wrong.detail.is_some_and(|why| why.contains("another sim is at")));
    bench.machine.plug(&Stick::ec25("1-2").with_line(2, "ttyUSB4", &own.path())).unwrap();
    assert_eq!(driven.ready().await.line, Some(bench.machine.line("ttyUSB4")));
    driven.send().await;
    assert_eq!(bench.senders(), ["own"]);
}

#[tokio::test]
async fn a_sim_that_tells_who_it_is_only_when_open_gets_its_pin_in_the_right_device_alone() {
    let locked = |device: &mut ModemSettings| device.pin = Some("1234".to_owned());
    for (knows_device, iccid_of, enters, phase) in
        [(true, 1, true, Phase::Ready), (true, 2, true, Phase::WrongDevice), (false, 1, false, Phase::WrongDevice)]
    {
        let bench = Bench::start();
        let device = bench.device("a", 1, locked);
        bench.machine.plug(&Stick::ec25("1-1").with_line(2, "ttyUSB0", &device.path())).unwrap();
        let mut settings = if knows_device { bench.imei("a", 1) } else { bench.settings("a") };
        settings.path = bench.machine.line("ttyUSB0");
        settings.wanted.iccid = Some(Iccid::parse(&ModemSettings::named("", iccid_of).iccid).unwrap());
        settings.sim_pin = Some(Pin::parse("1234").unwrap());
        let driven = bench.drive(settings);
        driven.until(|status| status.phase == phase).await;
        assert_eq!(said(&device).contains("AT+CPIN="), enters, "{knows_device} {iccid_of}: {}", said(&device));
    }
}

#[tokio::test]
async fn a_line_that_comes_back_is_opened_at_once_whatever_the_pause() {
    let bench = Bench::start();
    let device = bench.device("a", 1, |_| {});
    let stick = Stick::ec25("1-1").with_line(2, "ttyUSB0", &device.path());
    let mut settings = bench.settings("a");
    settings.path = bench.machine.line("ttyUSB0");
    // Much longer than the test may take.
    (settings.timeouts.reopen_first, settings.timeouts.reopen_longest) = (SOON * 20, SOON * 20);
    let driven = bench.drive(settings);
    driven.until(|status| status.line_fault.is_some()).await;
    bench.machine.plug(&stick).unwrap();
    driven.ready().await;
    bench.machine.unplug(&stick).unwrap();
    device.unplug();
    driven.until(|status| status.phase == Phase::Closed).await;
    device.replug();
    bench.machine.plug(&stick).unwrap();
    driven.ready().await;
    driven.send().await;
}

#[tokio::test]
async fn lines_of_other_modems_and_lines_that_are_no_usb_are_never_asked() {
    let bench = Bench::start();
    let (theirs, uart) = (bench.device("theirs", 1, |_| {}), bench.device("uart", 2, |_| {}));
    bench.machine.plug(&Stick::ec25("1-1").with_line(2, "ttyUSB0", &theirs.path())).unwrap();
    std::os::unix::fs::symlink(uart.path(), bench.machine.line("ttyAMA0")).unwrap();
    // Configured on its line, and not yet run: what comes there is its own.
    let mut configured = bench.settings("theirs");
    configured.path = bench.machine.line("ttyUSB0");
    let (_handle, _actor) = configured.build(mpsc::channel(1).0);
    for index in [1, 2] {
        let driven = bench.drive(bench.imei("m", index));
        driven.until(|status| status.line_fault.is_some()).await;
    }
    assert_eq!((said(&theirs), said(&uart)), (String::new(), String::new()));
}

#[tokio::test]
async fn a_line_that_somebody_else_had_is_asked_once_it_is_free() {
    let bench = Bench::start();
    let device = bench.device("a", 1, |_| {});
    let held = std::fs::File::options().read(true).write(true).open(device.path()).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    bench.machine.plug(&Stick::ec25("1-1").with_line(2, "ttyUSB0", &device.path())).unwrap();
    let driven = bench.drive(bench.imei("a", 1));
    driven.until(|status| status.line_fault.is_some()).await;
    assert_eq!(said(&device), "");
    drop(held);
    driven.ready().await;
}
