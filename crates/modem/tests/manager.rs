//! The driver for modems that ModemManager has, against the real one, which drives an emulated modem.
//!
//! ModemManager takes seconds to begin with a modem, so each test goes a longer way than elsewhere.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail the test")]
#![expect(clippy::indexing_slicing, reason = "helpers of tests fail the test")]

#[path = "../../../tests/modemmanager.rs"]
mod modemmanager;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use emulator::{Direction, Modem, ModemSettings, Network, NetworkSettings, Script};
use gsm::{Address, Deliver, DeliveryStatus, Pdu, Reference, Submit, segment};
use modem::{
    Driver, Imei, ModemEvent, ModemEventKind, ModemHandle, Phase, Pin, PinMemory, Refused, SendError, Sent, Settings,
    Status, Submission, check,
};
use modemmanager::ModemManager;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(120);

#[expect(clippy::disallowed_methods, reason = "a test has no tracker of tasks")]
fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) {
    drop(tokio::spawn(future));
}

/// An emulated modem, ModemManager on it, and our driver on that.
struct Bench {
    network: Network,
    device: Modem,
    manager: ModemManager,
    handle: ModemHandle,
    events: mpsc::Receiver<ModemEvent>,
    stop: CancellationToken,
    settings: Settings,
}

impl Bench {
    fn start(pin: Option<&str>, change: impl FnOnce(&mut Settings)) -> Option<Self> {
        let network =
            Network::new(NetworkSettings { air_time: Duration::from_millis(30), ..NetworkSettings::default() });
        let mut device = ModemSettings::named("m", 1);
        device.pin = pin.map(str::to_owned);
        let imei = device.imei.clone();
        let device = Modem::start(&network, device, Script::parse("").unwrap()).unwrap();
        spawn(device.run());
        let manager = ModemManager::start(&device.path())?;
        let mut settings = Settings::new("m", "");
        settings.driver = Driver::ModemManager;
        settings.wanted.imei = Some(Imei::parse(&imei).unwrap());
        // Both have to fit.
        settings.path = format!("/dev/{}", manager.line()).into();
        settings.bus = Some(manager.address());
        change(&mut settings);
        let (handle, events, stop) = drive(&settings);
        Some(Self { network, device, manager, handle, events, stop, settings })
    }

    /// Lets another driver take over, as a gateway that was started again would.
    fn again(&mut self, change: impl FnOnce(&mut Settings)) {
        self.stop.cancel();
        change(&mut self.settings);
        (self.handle, self.events, self.stop) = drive(&self.settings);
    }

    async fn until(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        let mut status = self.handle.status();
        let found = tokio::time::timeout(SOON, status.wait_for(|status| wanted(status))).await;
        match found {
            Ok(Ok(status)) => status.clone(),
            _ => panic!("waited in vain: {:?}\n{}", self.handle.status().borrow().clone(), self.manager.log()),
        }
    }

    async fn ready(&self) -> Status {
        self.until(|status| status.phase == Phase::Ready && !status.busy).await
    }

    async fn submit(&self, submission: Submission) -> Result<Sent, SendError> {
        let mut turn = tokio::time::timeout(SOON, self.handle.turn()).await.expect("a turn");
        tokio::time::timeout(SOON, turn.send(submission)).await.expect("an outcome")
    }

    async fn send(&self, text: &str) -> Result<Sent, SendError> {
        self.submit(submission(text)).await
    }

    async fn event(&mut self) -> ModemEventKind {
        tokio::time::timeout(SOON, self.events.recv()).await.expect("an event").expect("a sender").kind
    }

    /// The texts on air, parts joined in their order.
    fn on_air(&self) -> Vec<String> {
        self.network.transmissions().into_iter().filter_map(|sent| sent.text).collect()
    }

    /// Waits until ModemManager keeps no message.
    async fn nothing_kept(&self) {
        let end = tokio::time::Instant::now() + SOON;
        while self.manager.messages() > 0 {
            assert!(tokio::time::Instant::now() < end, "ModemManager keeps messages");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn drive(settings: &Settings) -> (ModemHandle, mpsc::Receiver<ModemEvent>, CancellationToken) {
    let (sender, events) = mpsc::channel(16);
    let (handle, actor) = settings.clone().build(sender);
    let stop = CancellationToken::new();
    spawn(actor.run(stop.clone()));
    (handle, events, stop)
}

/// A text of any length to 6281234567890, with a report asked for.
fn submission(text: &str) -> Submission {
    let parts = segment(text, Reference::Eight(9)).unwrap().parts.into_iter();
    let submit = |user_data| Submit {
        status_report_request: true,
        ..Submit::new(Address::international("6281234567890").unwrap(), user_data)
    };
    let mut pdus: Vec<Pdu> = parts.map(|part| submit(part).encode(None).unwrap()).collect();
    let first = pdus.remove(0);
    Submission::ready(first).with_rest(Arc::new(Mutex::new(pdus)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn texts_go_out_whole_are_reported_once_and_leave_nothing_with_modem_manager() {
    let Some(mut bench) = Bench::start(None, |_| {}) else { return };
    let status = bench.until(|status| status.phase == Phase::Ready && status.signal_dbm.is_some()).await;
    assert_eq!(status.identity.model.as_deref(), Some("SIMCOM_SIM800L"));
    assert_eq!(status.identity.imei.as_deref(), bench.settings.wanted.imei.as_ref().map(Imei::expose));
    assert_eq!(status.operator.as_deref(), Some("TELKOMSEL"));
    assert!(status.registration.is_registered(), "{status:?}");
    assert_eq!(check(&bench.handle).await.verdict(), modem::Verdict::Good);

    for text in ["Kode 4711 @ {rumah} €".to_owned(), "panjang ".repeat(50), "kunci 🔑 ".repeat(15)] {
        let before = bench.on_air().len();
        let sent = bench.send(&text).await.expect("sent");
        let ModemEventKind::Report(report) = bench.event().await else { panic!("no report") };
        assert_eq!(Some(report.message_reference), sent.message_reference);
        assert_eq!(report.status.delivery(), DeliveryStatus::Delivered);
        assert_eq!(report.recipient.expose(), "6281234567890");
        assert_eq!(bench.on_air()[before..].concat(), text);
        bench.nothing_kept().await;
    }
    assert!(bench.events.try_recv().is_err(), "one report for each text");

    // What the caller does not want sent is not even made.
    let is_asked = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&is_asked);
    let refused = Submission::new(20, async move {
        asked.store(true, Ordering::Relaxed);
        Err(Refused)
    });
    assert_eq!(bench.submit(refused).await, Err(SendError::Refused));
    assert!(is_asked.load(Ordering::Relaxed));
    let count = bench.on_air().len();
    bench.nothing_kept().await;
    assert_eq!(bench.on_air().len(), count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_inbound_message_stays_with_modem_manager_until_it_was_taken() {
    let Some(mut bench) = Bench::start(None, |settings| settings.poll_interval = Duration::from_secs(1)) else {
        return;
    };
    bench.ready().await;
    bench.device.deliver("6281299999999", "Halo balik");
    let ModemEventKind::Inbound(first) = bench.event().await else { panic!("no inbound") };
    drop(first);
    // Not taken, so it is offered again, in the same octets.
    let ModemEventKind::Inbound(again) = bench.event().await else { panic!("no inbound") };
    let (_, deliver) = Deliver::decode(again.pdu.octets()).unwrap();
    assert_eq!(deliver.user_data.text().unwrap().as_str(), "Halo balik");
    assert_eq!(deliver.originator.expose(), "6281299999999");
    assert!(bench.manager.messages() > 0);
    again.receipt.taken();
    bench.nothing_kept().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_receipt_from_before_the_restart_of_modem_manager_deletes_nothing() {
    let Some(mut bench) = Bench::start(None, |settings| settings.poll_interval = Duration::from_secs(1)) else {
        return;
    };
    let opened = bench.ready().await.opened;
    bench.device.deliver("6281299999999", "Halo balik");
    let ModemEventKind::Inbound(old) = bench.event().await else { panic!("no inbound") };
    bench.manager.halt();
    bench.manager.kill();
    bench.manager.run();
    bench.until(|status| status.phase == Phase::Ready && status.opened > opened && !status.busy).await;
    // The SIM kept it, and ModemManager gives it the path that it had.
    old.receipt.taken();
    for _ in 0..3 {
        let ModemEventKind::Inbound(again) = bench.event().await else { panic!("no inbound") };
        let (_, deliver) = Deliver::decode(again.pdu.octets()).unwrap();
        assert_eq!(deliver.user_data.text().unwrap().as_str(), "Halo balik");
    }
    assert_eq!(bench.manager.messages(), 1);
    let ModemEventKind::Inbound(again) = bench.event().await else { panic!("no inbound") };
    again.receipt.taken();
    bench.nothing_kept().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_pin_is_entered_once_and_a_refused_one_never_again() {
    let memory = PinMemory::default();
    let with = |pin: &str| {
        let (pin, memory) = (Pin::parse(pin).unwrap(), memory.clone());
        move |settings: &mut Settings| (settings.sim_pin, settings.pin_memory) = (Some(pin), memory)
    };
    let Some(mut bench) = Bench::start(Some("4827"), with("1111")) else { return };
    let entered = |bench: &Bench| {
        String::from_utf8_lossy(&bench.device.byte_log().said(Direction::ToModem)).matches("AT+CPIN=").count()
    };
    bench.until(|status| status.phase == Phase::PinRefused).await;
    assert_eq!(entered(&bench), 1);
    bench.again(|_| {});
    bench.until(|status| status.phase == Phase::PinRefused).await;
    assert_eq!(entered(&bench), 1);
    // Another memory: another owner's will.
    bench.again(|settings| {
        settings.sim_pin = Some(Pin::parse("4827").unwrap());
        settings.pin_memory = PinMemory::default();
    });
    bench.ready().await;
    assert_eq!(entered(&bench), 2);
    assert!(!bench.manager.log().contains("4827"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn after_an_unplug_and_after_the_end_of_modem_manager_the_modem_comes_back_and_sends() {
    let Some(mut bench) = Bench::start(None, |_| {}) else { return };
    let opened = bench.ready().await.opened;
    bench.send("satu").await.expect("sent");

    bench.manager.replug();
    bench.until(|status| status.phase == Phase::Ready && status.opened > opened && !status.busy).await;
    bench.send("dua").await.expect("sent");

    bench.manager.kill();
    let status = bench.until(|status| status.phase == Phase::Closed).await;
    assert!(status.detail.unwrap().contains("ModemManager"));
    bench.manager.run();
    bench.ready().await;
    bench.send("tiga").await.expect("sent");
    assert_eq!(bench.on_air(), ["satu", "dua", "tiga"]);
}
