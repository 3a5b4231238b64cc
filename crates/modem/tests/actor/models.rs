//! Every model that the emulator plays: each is known for what it is, opens its card, sends, brings report and answer, and is
//! back after a restart, however much it chatters meanwhile.

use std::time::Duration;

use emulator::{Model, ModemSettings, NetworkSettings};
use modem::{Command, ModemEventKind, Pin, Profile, Timeouts};

use crate::bench::Bench;

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

fn start(model: Model, pin: Option<&str>, forced: Option<&'static Profile>) -> Bench {
    let network = NetworkSettings {
        air_time: Duration::from_millis(10),
        report_delay: Duration::from_millis(10),
        ..NetworkSettings::default()
    };
    let device = ModemSettings {
        pin: pin.map(str::to_owned),
        // Between all that is said, not once in a while.
        chatter_interval: Duration::from_millis(3),
        ..ModemSettings::of_model(model, "m", 1)
    };
    Bench::new(network, device, "", |settings, _| {
        settings.sim_pin = pin.map(|pin| Pin::parse(pin).unwrap());
        settings.profile = forced;
        settings.timeouts = Timeouts {
            attention: Duration::from_secs(1),
            settle: Duration::from_millis(10),
            reopen_first: Duration::from_millis(20),
            reopen_longest: Duration::from_millis(100),
            ..Timeouts::default()
        };
    })
}

impl Bench {
    /// Sends, and tells by which reference.
    async fn reference_of_sent(&self) -> Option<u8> {
        self.send().await.unwrap_or_else(|error| panic!("{error}\n{}", self.said())).message_reference
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

    fn count(&self, command: &str) -> usize {
        let said = self.said();
        let lines = said.split('\r').map(|line| line.trim_start_matches('\u{1b}'));
        lines.filter(|line| *line == command || (command.ends_with('=') && line.starts_with(command))).count()
    }

    async fn until_asked(&self, command: &str, times: usize) {
        self.until_said(|_| self.count(command) >= times).await;
    }
}

async fn does_everything(model: Model, profile: &str, routing: &str) {
    let mut bench = start(model, Some("1234"), None);
    let status = bench.ready().await;
    assert_eq!((status.profile, status.message_routing), (profile, Some(routing)), "{model:?}\n{}", bench.said());
    assert_eq!(status.identity.iccid.as_deref(), Some("8962100000000000001"), "{model:?}");
    assert!(status.identity.imei.is_some() && status.identity.imsi.is_some(), "{model:?}");
    assert_eq!(bench.count("AT+CPIN=\"1234\""), 1, "{model:?}");

    let sent = bench.reference_of_sent().await;
    assert_eq!(Some(bench.report().await), sent, "{model:?}");
    bench.device.deliver("+628126666666", "hello");
    match bench.event().await {
        ModemEventKind::Inbound(inbound) => inbound.receipt.taken(),
        other => panic!("{model:?}: {other:?}"),
    }

    // A restart in between would bring them once more, as it should.
    let stored = if routing.ends_with("2,0") { 2 } else { 1 };
    bench.until_asked("AT+CMGD=", stored).await;
    let known = Profile::find(profile).unwrap();
    let identified = bench.count("AT+CGMI");
    assert!(bench.asks(known.reset.first().unwrap()).await, "{model:?}: {:?}", known.reset);
    bench.until_asked("AT+CGMI", identified + 1).await;
    let sent = bench.reference_of_sent().await;
    assert_eq!(Some(bench.report().await), sent, "{model:?}");
    assert_eq!(bench.ready().await.profile, profile, "{model:?}");
    assert_eq!(bench.network.transmission_count(), 2, "{model:?}");
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
        let mut bench = start(model, Some("1234"), Profile::find("generic"));
        let status = bench.ready().await;
        assert_eq!(status.profile, "generic", "{model:?}");
        assert!(status.identity.iccid.is_some() && status.message_routing.is_some(), "{model:?}\n{}", bench.said());
        let sent = bench.reference_of_sent().await;
        assert_eq!(Some(bench.report().await), sent, "{model:?}");
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
        let bench = start(model, None, None);
        bench.ready().await;
        for command in foreign {
            assert_eq!(bench.count(command) > 0, own.contains(&command), "{model:?} {command}\n{}", bench.said());
        }
    }
}
