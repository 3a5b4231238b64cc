//! The actor against every model that the emulator plays, on real pseudo terminals: each is known for what it is, opens its
//! card, sends, brings report and answer, and is back after a restart, however much it chatters meanwhile.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail the test")]

use std::time::Duration;

use emulator::{Direction, Model, Modem, ModemSettings, Network, NetworkSettings, Script};
use gsm::Pdu;
use modem::{
    Command, ModemEvent, ModemEventKind, ModemHandle, Phase, Pin, Profile, Settings, Status, Submission, Timeouts,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A SUBMIT to 6281234567890 that asks for a report.
const PDU: &str = "0031000D91261832547698F00000A712D9775D0E7A52A1A0F41C4493D1643419";
const SOON: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(5);

/// A model, the profile that it must be known by, and the routing that it takes first.
const MODELS: [(Model, &str, &str); 10] = [
    (Model::Standard, "sim800", "2,1,2,1,0"),
    (Model::Sim800l, "sim800", "2,1,2,1,0"),
    (Model::Sim900, "sim800", "2,1,2,1,0"),
    (Model::Sim7600e, "sim7600", "1,1,0,1,0"),
    (Model::Ec25, "quectel-ec25", "2,1,0,1,0"),
    (Model::M26, "quectel-m26", "2,1,2,1,0"),
    (Model::HuaweiE173, "huawei-e173", "1,1,0,1,0"),
    (Model::HuaweiE3372, "huawei-e3372", "1,1,0,2,0"),
    (Model::ZteMf190, "zte", "1,1,0,1,0"),
    (Model::WavecomQ2, "wavecom", "2,1,0,1,0"),
];

#[expect(clippy::disallowed_methods, reason = "a test has no tracker of tasks")]
fn spawn(future: impl Future<Output: Send> + Send + 'static) {
    tokio::spawn(future);
}

struct Bench {
    network: Network,
    device: Modem,
    handle: ModemHandle,
    events: mpsc::Receiver<ModemEvent>,
    stop: CancellationToken,
    _directory: tempfile::TempDir,
}

impl Bench {
    fn start(model: Model, pin: Option<&str>, forced: Option<&'static Profile>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let network = Network::new(NetworkSettings {
            air_time: Duration::from_millis(10),
            report_delay: Duration::from_millis(10),
            ..NetworkSettings::default()
        });
        let device = ModemSettings {
            link: Some(directory.path().join("m")),
            pin: pin.map(str::to_owned),
            // Between all that is said, not once in a while.
            chatter_interval: Duration::from_millis(3),
            ..ModemSettings::of_model(model, "m", 1)
        };
        let device = Modem::start(&network, device, Script::default()).unwrap();
        spawn(device.run());
        let mut settings = Settings::new("m", device.path());
        settings.sim_pin = pin.map(|pin| Pin::parse(pin).unwrap());
        settings.profile = forced;
        settings.timeouts = Timeouts {
            attention: Duration::from_secs(1),
            settle: Duration::from_millis(10),
            reopen_first: Duration::from_millis(20),
            reopen_longest: Duration::from_millis(100),
            ..Timeouts::default()
        };
        let (sender, events) = mpsc::channel(16);
        let (handle, actor) = settings.build(sender);
        let stop = CancellationToken::new();
        spawn(actor.run(stop.clone()));
        Self { network, device, handle, events, stop, _directory: directory }
    }

    async fn ready(&self) -> Status {
        let mut status = self.handle.status();
        let found = tokio::time::timeout(SOON, status.wait_for(|it| it.phase == Phase::Ready && !it.busy)).await;
        match found {
            Ok(Ok(status)) => status.clone(),
            _ => panic!("never ready: {:?}\n{}", self.handle.status().borrow().clone(), self.said()),
        }
    }

    async fn send(&self) -> Option<u8> {
        let mut turn = tokio::time::timeout(SOON, self.handle.turn()).await.expect("a turn");
        let sent = turn.send(Submission::ready(Pdu::from_hex(PDU).unwrap()));
        let sent = tokio::time::timeout(SOON, sent).await.expect("an outcome");
        sent.unwrap_or_else(|error| panic!("{error}\n{}", self.said())).message_reference
    }

    async fn event(&mut self) -> ModemEventKind {
        let event = tokio::time::timeout(SOON, self.events.recv()).await;
        event.unwrap_or_else(|_| panic!("no event\n{}", self.said())).expect("a sender").kind
    }

    async fn report(&mut self) -> u8 {
        match self.event().await {
            ModemEventKind::Report(report) => report.message_reference,
            other => panic!("no report: {other:?}"),
        }
    }

    async fn asks(&self, command: &str) -> bool {
        let command = Command::parse(command).unwrap();
        self.handle.ask(command, PATIENCE).await.is_ok_and(|answer| answer.result.is_ok())
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&self.device.byte_log().said(Direction::ToModem)).into_owned()
    }

    fn count(&self, command: &str) -> usize {
        let said = self.said();
        let lines = said.split('\r').map(|line| line.trim_start_matches('\u{1b}'));
        lines.filter(|line| *line == command || (command.ends_with('=') && line.starts_with(command))).count()
    }

    async fn until_said(&self, command: &str, times: usize) {
        let is_said = async {
            while self.count(command) < times {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, is_said).await.unwrap_or_else(|_| panic!("{command}: {}", self.said()));
    }

    fn stop(self) {
        self.stop.cancel();
        self.device.stop();
    }
}

async fn does_everything(model: Model, profile: &str, routing: &str) {
    let mut bench = Bench::start(model, Some("1234"), None);
    let status = bench.ready().await;
    assert_eq!((status.profile, status.message_routing), (profile, Some(routing)), "{model:?}\n{}", bench.said());
    assert_eq!(status.identity.iccid.as_deref(), Some("8962100000000000001"), "{model:?}");
    assert!(status.identity.imei.is_some() && status.identity.imsi.is_some(), "{model:?}");
    assert_eq!(bench.count("AT+CPIN=\"1234\""), 1, "{model:?}");

    let sent = bench.send().await;
    assert_eq!(Some(bench.report().await), sent, "{model:?}");
    bench.device.deliver("+628126666666", "hello");
    match bench.event().await {
        ModemEventKind::Inbound(inbound) => inbound.receipt.taken(),
        other => panic!("{model:?}: {other:?}"),
    }

    // A restart in between would bring them once more, as it should.
    let stored = if routing.ends_with("2,0") { 2 } else { 1 };
    bench.until_said("AT+CMGD=", stored).await;
    let known = Profile::find(profile).unwrap();
    let identified = bench.count("AT+CGMI");
    assert!(bench.asks(known.reset.first().unwrap()).await, "{model:?}: {:?}", known.reset);
    bench.until_said("AT+CGMI", identified + 1).await;
    let sent = bench.send().await;
    assert_eq!(Some(bench.report().await), sent, "{model:?}");
    assert_eq!(bench.ready().await.profile, profile, "{model:?}");
    assert_eq!(bench.network.transmission_count(), 2, "{model:?}");
    bench.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_model_is_known_opened_sends_brings_what_came_and_is_back_after_its_restart() {
    let all: Vec<_> = MODELS.map(|(model, profile, routing)| does_everything(model, profile, routing)).into();
    assert_eq!(all.len(), Model::ALL.len());
    futures_util::future::join_all(all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_model_works_as_one_that_nobody_knows() {
    let works = |model| async move {
        let mut bench = Bench::start(model, Some("1234"), Profile::find("generic"));
        let status = bench.ready().await;
        assert_eq!(status.profile, "generic", "{model:?}");
        assert!(status.identity.iccid.is_some() && status.message_routing.is_some(), "{model:?}\n{}", bench.said());
        let sent = bench.send().await;
        assert_eq!(Some(bench.report().await), sent, "{model:?}");
        bench.stop();
    };
    futures_util::future::join_all(Model::ALL.map(works)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_model_is_asked_nothing_that_belongs_to_another_maker() {
    let foreign =
        ["AT+CICCID", "AT+QCCID", "AT^ICCID?", "AT+ZGETICCID", "AT^CURC=0", "AT+WIND=0", "AT+GSMBUSY=1", "AT+CEREG?"];
    for (model, own) in [
        (Model::Sim800l, &["AT+GSMBUSY=1"][..]),
        (Model::HuaweiE173, &["AT^ICCID?", "AT^CURC=0"]),
        (Model::ZteMf190, &["AT+ZGETICCID"]),
        (Model::Ec25, &["AT+QCCID"]),
        (Model::WavecomQ2, &["AT+WIND=0"]),
    ] {
        let bench = Bench::start(model, None, None);
        bench.ready().await;
        for command in foreign {
            assert_eq!(bench.count(command) > 0, own.contains(&command), "{model:?} {command}\n{}", bench.said());
        }
        bench.stop();
    }
}
