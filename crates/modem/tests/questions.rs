//! Questions beside messages, and probes, on real pseudo terminals against the emulator.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail the test")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use emulator::{Direction, Modem, ModemSettings, Network, NetworkSettings, Script};
use gsm::Pdu;
use modem::discovery::{ProbeSettings, Probed, probe};
use modem::{
    AdviceKind, AskError, Command, Fact, LineFault, ModemHandle, Phase, Settings, Submission, Timeouts, Verdict,
    advice, check,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A SUBMIT to 6281234567890.
const PDU: &str = "0031000D91261832547698F00000A712D9775D0E7A52A1A0F41C4493D1643419";
const SOON: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(2);

#[expect(clippy::disallowed_methods, reason = "a test has no tracker of tasks")]
fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(future)
}

/// An emulated modem.
struct Device {
    network: Network,
    modem: Modem,
    directory: tempfile::TempDir,
}

impl Device {
    fn start(script: &str, change: impl FnOnce(&mut ModemSettings)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let air_time = Duration::from_millis(60);
        let network = Network::new(NetworkSettings { air_time, ..NetworkSettings::default() });
        let mut settings = ModemSettings::named("m", 1);
        settings.link = Some(directory.path().join("m"));
        change(&mut settings);
        let modem = Modem::start(&network, settings, Script::parse(script).unwrap()).unwrap();
        spawn(modem.run());
        Self { network, modem, directory }
    }

    /// An actor on it.
    fn driver(&self, change: impl FnOnce(&mut Settings)) -> (ModemHandle, CancellationToken) {
        let mut settings = Settings::new("m", self.modem.path());
        settings.timeouts = Timeouts {
            attention: Duration::from_millis(100),
            settle: Duration::from_millis(10),
            reopen_first: Duration::from_secs(60),
            ..Timeouts::default()
        };
        change(&mut settings);
        // Nobody takes what comes in.
        let (handle, actor) = settings.build(mpsc::channel(1).0);
        let stop = CancellationToken::new();
        spawn(actor.run(stop.clone()));
        (handle, stop)
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&self.modem.byte_log().said(Direction::ToModem)).into_owned()
    }
}

async fn until(handle: &ModemHandle, phase: Phase) {
    let mut status = handle.status();
    let found = tokio::time::timeout(SOON, status.wait_for(|status| status.phase == phase)).await;
    assert!(found.is_ok_and(|found| found.is_ok()), "never {phase:?}: {:?}", handle.status().borrow().clone());
}

fn command(text: &str) -> Command {
    Command::parse(text).unwrap()
}

#[tokio::test]
async fn questions_never_come_between_command_and_result_of_a_message_and_both_go_on() {
    let device = Device::start("", |_| {});
    let (handle, _stop) = device.driver(|_| {});
    until(&handle, Phase::Ready).await;
    let sender = handle.clone();
    let sending = spawn(async move {
        for _ in 0..6 {
            let mut turn = sender.turn().await;
            turn.send(Submission::ready(Pdu::from_hex(PDU).unwrap())).await.unwrap();
        }
    });
    let asker = handle.clone();
    let asking = spawn(async move {
        for _ in 0..20 {
            let answer = asker.ask(command("AT+CBC"), PATIENCE).await.unwrap();
            assert_eq!(answer.lines[0].as_str(), "+CBC: 0,85,4100");
        }
    });
    tokio::time::timeout(SOON, sending).await.expect("messages are sent").unwrap();
    tokio::time::timeout(SOON, asking).await.expect("questions are answered").unwrap();
    assert_eq!(device.network.transmissions().len(), 6);
    for after in device.said().split("AT+CMGS=").skip(1) {
        let (message, _) = after.split_once('\u{1a}').expect("each message is whole");
        assert!(!message.contains("CBC"), "{message:?}");
    }
    assert!(!handle.status().borrow().is_taken());
}

#[tokio::test]
async fn who_asks_goes_before_the_next_message_and_keeps_messages_waiting_until_done() {
    let device = Device::start("", |_| {});
    let (handle, _stop) = device.driver(|_| {});
    until(&handle, Phase::Ready).await;
    let turn = handle.try_turn().unwrap();
    let asker = handle.clone();
    let inquiring = spawn(async move { asker.inquire().await.unwrap() });
    let mut status = handle.status();
    tokio::time::timeout(SOON, status.wait_for(|status| status.questions == 1)).await.unwrap().unwrap();
    drop(turn);
    assert!(handle.try_turn().is_none(), "somebody waits to ask");
    let mut inquiry = tokio::time::timeout(SOON, inquiring).await.unwrap().unwrap();
    assert!(handle.try_turn().is_none(), "somebody asks");
    inquiry.ask(command("AT"), PATIENCE).await.unwrap();
    assert!(handle.try_turn().is_none(), "more may be asked");
    drop(inquiry);
    assert!(handle.try_turn().is_some());
}

#[tokio::test]
async fn one_that_gave_up_waiting_to_ask_holds_up_nobody() {
    let device = Device::start("", |_| {});
    let (handle, _stop) = device.driver(|_| {});
    until(&handle, Phase::Ready).await;
    let turn = handle.try_turn().unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(1), handle.inquire()).await;
    assert!(waited.is_err());
    drop(turn);
    assert!(handle.try_turn().is_some());
}

#[tokio::test]
async fn a_report_says_how_a_modem_is_and_changes_nothing() {
    let device = Device::start("", |_| {});
    let (handle, _stop) = device.driver(|_| {});
    until(&handle, Phase::Ready).await;
    let report = check(&handle).await;
    assert_eq!(advice(&report), []);
    assert_eq!(report.verdict(), Verdict::Good);
    assert_eq!(report.manufacturer, Fact::Told("SIMCOM_Ltd".to_owned()));
    assert_eq!(report.service_center, Fact::Told(Some("+6281100000".to_owned())));
    assert_eq!(report.signal.told().and_then(|signal| signal.dbm()), Some(-71));
    assert_eq!(report.operator.told().and_then(|operator| operator.name.clone()).as_deref(), Some("TELKOMSEL"));
    assert_eq!(report.iccid.told().map(String::len), Some(19));
    assert!(report.imei.told().is_some() && report.imsi.told().is_some());
    assert!(report.own_number.told().is_some_and(Option::is_some));
    assert_eq!(report.storage.told().map(|storage| (storage.used, storage.total)), Some((0, 20)));
    assert_eq!(report.supply_millivolts, Fact::Told(Some(4100)));
    assert!(report.registration_eps.is_refused(), "no LTE here");
    let said = device.said();
    let (_, asked) = said.split_once("\rAT\r").expect("the first question");
    assert!(!asked.contains('='), "only questions: {asked:?}");
    assert_eq!(handle.status().borrow().phase, Phase::Ready);
}

#[tokio::test]
async fn a_modem_that_stops_answering_is_asked_twice_and_no_more() {
    let device = Device::start("[[fault]]\nwhen = \"AT+CSQ\"\nnth = 2\naction = \"hang\"\n", |_| {});
    let (handle, _stop) = device.driver(|_| {});
    until(&handle, Phase::Ready).await;
    let report = tokio::time::timeout(SOON, check(&handle)).await.expect("an end");
    assert_eq!(report.attention, Fact::Told(()));
    assert_eq!(report.signal, Fact::Unanswered);
    assert_eq!(report.model, Fact::Unasked);
    assert_eq!(report.verdict(), Verdict::Bad);
    let kinds: Vec<AdviceKind> = advice(&report).into_iter().map(|advice| advice.kind).collect();
    assert_eq!(kinds, [AdviceKind::Starting], "it did answer at first");
}

#[tokio::test]
async fn a_line_that_cannot_be_opened_or_is_not_run_answers_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (path, fault) in [(directory.path().join("none"), LineFault::Missing), (file, LineFault::NotALine)] {
        let (handle, actor) = Settings::new("m", path).build(mpsc::channel(1).0);
        let stop = CancellationToken::new();
        spawn(actor.run(stop.clone()));
        let mut status = handle.status();
        let wanted = tokio::time::timeout(SOON, status.wait_for(|status| status.line_fault == Some(fault))).await;
        assert!(wanted.is_ok());
        drop(wanted);
        assert!(matches!(handle.ask(command("AT"), PATIENCE).await, Err(AskError::NotOpen { .. })));
        assert_eq!(check(&handle).await.status.line_fault, Some(fault));
        stop.cancel();
    }
    let (handle, actor) = Settings::new("m", "/dev/null").build(mpsc::channel(1).0);
    drop(actor);
    assert!(matches!(handle.ask(command("AT"), PATIENCE).await, Err(AskError::NotOpen { .. })));
}

fn quick() -> ProbeSettings {
    ProbeSettings { rates: vec![115_200], patience: Duration::from_millis(500), settle: Duration::from_millis(10) }
}

async fn probed(path: &Path) -> Probed {
    tokio::time::timeout(SOON, probe(path, &quick())).await.expect("an end")
}

#[tokio::test]
async fn a_probe_tells_who_answers_and_leaves_the_modem_as_it_was() {
    let device = Device::start("", |_| {});
    let Probed::Answers { baud_rate: 115_200, identity } = probed(&device.modem.path()).await else { panic!("silent") };
    assert_eq!(identity.model.as_deref(), Some("SIMCOM_SIM800L"));
    assert_eq!(identity.imei.as_ref().map(String::len), Some(15));
    assert_eq!(identity.iccid.as_ref().map(String::len), Some(19));
    assert!(!device.said().contains('='), "{:?}", device.said());
    // The line is free again.
    assert!(matches!(probed(&device.modem.path()).await, Probed::Answers { .. }));
}

#[tokio::test]
async fn a_probe_of_a_locked_card_tells_the_modem_and_one_without_answers_says_what_it_heard() {
    let locked = Device::start("", |settings| settings.pin = Some("1234".to_owned()));
    let Probed::Answers { identity, .. } = probed(&locked.modem.path()).await else { panic!("silent") };
    assert_eq!((identity.imei.is_some(), identity.iccid.is_some()), (true, false));

    let errors = Device::start("[[fault]]\nwhen = \"*\"\naction = \"error\"\n", |_| {});
    assert_eq!(probed(&errors.modem.path()).await, Probed::Errors { baud_rate: 115_200 });

    let silent = Device::start("[[fault]]\nwhen = \"*\"\naction = \"hang\"\n", |settings| settings.echo = false);
    assert_eq!(probed(&silent.modem.path()).await, Probed::Silent);

    let noisy = Device::start("[[fault]]\nwhen = \"*\"\naction = \"hang\"\n", |settings| settings.echo = true);
    assert_eq!(probed(&noisy.modem.path()).await, Probed::Gibberish, "an echo is no answer");

    let missing: PathBuf = noisy.directory.path().join("none");
    assert_eq!(probed(&missing).await, Probed::Unusable(LineFault::Missing));

    let (handle, _stop) = locked.driver(|_| {});
    until(&handle, Phase::PinNeeded).await;
    assert_eq!(probed(&locked.modem.path()).await, Probed::Unusable(LineFault::InUse));
}
