//! USSD dialogues between messages, on real pseudo terminals against the emulator.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail the test")]

use std::time::Duration;

use emulator::{Direction, Model, Modem, ModemSettings, Network, NetworkSettings, Script};
use gsm::{Pdu, UssdStatus};
use modem::{ModemHandle, Phase, Settings, Submission, Timeouts, UssdCode, UssdError, UssdReply};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A SUBMIT to 6281234567890.
const PDU: &str = "0031000D91261832547698F00000A712D9775D0E7A52A1A0F41C4493D1643419";
const SOON: Duration = Duration::from_secs(20);

#[expect(clippy::disallowed_methods, reason = "a test has no tracker of tasks")]
fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(future)
}

struct Bench {
    network: Network,
    modem: Modem,
    handle: ModemHandle,
    stop: CancellationToken,
    running: JoinHandle<()>,
    _directory: tempfile::TempDir,
}

impl Bench {
    async fn start(script: &str, change: impl FnOnce(&mut Timeouts)) -> Self {
        Self::of_model(Model::Standard, script, change).await
    }

    async fn of_model(model: Model, script: &str, change: impl FnOnce(&mut Timeouts)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let network = Network::new(NetworkSettings::default());
        let mut settings = ModemSettings::of_model(model, "m", 1);
        settings.link = Some(directory.path().join("m"));
        let modem = Modem::start(&network, settings, Script::parse(script).unwrap()).unwrap();
        spawn(modem.run());
        let mut settings = Settings::new("m", modem.path());
        settings.timeouts = Timeouts {
            attention: Duration::from_millis(200),
            settle: Duration::from_millis(10),
            reopen_first: Duration::from_millis(20),
            reopen_longest: Duration::from_millis(100),
            ..Timeouts::default()
        };
        change(&mut settings.timeouts);
        // Nobody takes what comes in.
        let (handle, actor) = settings.build(mpsc::channel(1).0);
        let stop = CancellationToken::new();
        let token = stop.clone();
        let running = spawn(async move { actor.run(token).await.unwrap() });
        let bench = Self { network, modem, handle, stop, running, _directory: directory };
        bench.until(Phase::Ready).await;
        bench
    }

    async fn until(&self, phase: Phase) {
        let mut status = self.handle.status();
        let found = tokio::time::timeout(SOON, status.wait_for(|status| status.phase == phase)).await;
        assert!(found.is_ok_and(|found| found.is_ok()), "never {phase:?}");
    }

    /// Waits until the modem has been told something.
    async fn until_said(&self, what: &str) {
        let found = async {
            while !self.said().contains(what) {
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(SOON, found).await.is_ok(), "never {what:?} in {:?}", self.said());
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&self.modem.byte_log().said(Direction::ToModem)).into_owned()
    }

    async fn sends(&self) {
        let mut turn = tokio::time::timeout(SOON, self.handle.turn()).await.expect("a turn");
        turn.send(Submission::ready(Pdu::from_hex(PDU).unwrap())).await.unwrap();
    }
}

fn code(text: &str) -> UssdCode {
    UssdCode::parse(text).unwrap()
}

fn reply(text: &str) -> UssdReply {
    UssdReply::parse(text).unwrap()
}

#[tokio::test]
async fn a_balance_and_a_menu_are_had_in_every_form_that_a_modem_may_want() {
    for form in ["plain", "ucs2", "packed"] {
        let bench = Bench::start(&format!("[[modem]]\nussd_form = \"{form}\"\n"), |_| {}).await;
        let mut dialogue = bench.handle.ussd().await.unwrap();
        let answer = dialogue.ask(&code("*888#")).await.unwrap();
        assert_eq!((answer.status, answer.text.as_str()), (UssdStatus::Final, "Sisa pulsa Anda Rp10000"), "{form}");
        assert!(!dialogue.is_open(), "{form}");
        let mut dialogue = bench.handle.ussd().await.unwrap();
        let answer = dialogue.ask(&code("*123#")).await.unwrap();
        assert_eq!((answer.status, answer.text.as_str()), (UssdStatus::ReplyExpected, "1 Pulsa 2 Nomor"), "{form}");
        let answer = dialogue.reply(&reply("2")).await.unwrap();
        assert_eq!(answer.text.as_str(), "Nomor Anda 6281100000001", "{form}");
        // What worked is remembered, also when the line was opened again.
        bench.modem.unplug();
        bench.until(Phase::Closed).await;
        bench.modem.replug();
        bench.until(Phase::Ready).await;
        bench.sends().await;
        let before = bench.said().matches("AT+CUSD=1").count();
        bench.handle.ussd().await.unwrap().ask(&code("*888#")).await.unwrap();
        assert_eq!(bench.said().matches("AT+CUSD=1").count(), before + 1, "{form}");
        bench.sends().await;
    }
}

#[tokio::test]
async fn every_model_is_asked_in_its_own_form_from_the_first_code_on() {
    for model in Model::ALL {
        let bench = Bench::of_model(model, "", |_| {}).await;
        let answer = bench.handle.ussd().await.unwrap().ask(&code("*888#")).await.unwrap();
        assert_eq!((answer.status, answer.text.as_str()), (UssdStatus::Final, "Sisa pulsa Anda Rp10000"), "{model:?}");
        assert_eq!(bench.said().matches("AT+CUSD=1").count(), 1, "{model:?}: nothing was tried in vain");
        bench.sends().await;
    }
}

#[tokio::test]
async fn messages_wait_for_a_dialogue_and_not_for_a_person_who_went_away() {
    let bench = Bench::start("", |timeouts| timeouts.ussd_idle = Duration::from_millis(100)).await;
    let mut dialogue = bench.handle.ussd().await.unwrap();
    dialogue.ask(&code("*123#")).await.unwrap();
    assert!(bench.handle.try_turn().is_none(), "the modem is taken");
    bench.sends().await;
    assert!(bench.said().contains("AT+CUSD=2"));
    assert!(!dialogue.is_open());
    assert_eq!(dialogue.reply(&reply("1")).await, Err(UssdError::Over));
    assert_eq!(dialogue.cancel().await, Ok(()));
    assert_eq!(bench.network.transmissions().len(), 1);
}

#[tokio::test]
async fn a_dropped_and_a_cancelled_dialogue_are_ended_at_once() {
    let bench = Bench::start("[[ussd]]\ndial = \"*9#\"\nsilent = true\n", |_| {}).await;
    let mut dialogue = bench.handle.ussd().await.unwrap();
    dialogue.ask(&code("*123#")).await.unwrap();
    dialogue.cancel().await.unwrap();
    bench.sends().await;
    let mut dialogue = bench.handle.ussd().await.unwrap();
    dialogue.ask(&code("*123#")).await.unwrap();
    drop(dialogue);
    bench.sends().await;
    // Dropped while the network thinks.
    let handle = bench.handle.clone();
    let asking = spawn(async move { handle.ussd().await.unwrap().ask(&code("*9#")).await });
    bench.until_said("\"*9#\"").await;
    asking.abort();
    bench.sends().await;
    assert_eq!(bench.said().matches("AT+CUSD=2").count(), 3);
    assert!(!bench.handle.status().borrow().is_taken());
}

#[tokio::test]
async fn a_network_that_does_not_answer_or_supports_nothing_is_told_as_such() {
    let script = "[[ussd]]\ndial = \"*9#\"\nsilent = true\n\n[[ussd]]\ndial = \"*8#\"\nstatus = 2\n";
    let bench = Bench::start(script, |timeouts| timeouts.ussd_answer = Duration::from_millis(300)).await;
    let ask = async |text| bench.handle.ussd().await.unwrap().ask(&code(text)).await;
    assert_eq!(ask("*9#").await, Err(UssdError::NoAnswer));
    assert_eq!(ask("*7#").await.unwrap().status, UssdStatus::NotSupported);
    assert_eq!(ask("*8#").await.unwrap().status, UssdStatus::Terminated);
    bench.sends().await;
}

#[tokio::test]
async fn a_cable_that_is_pulled_and_a_modem_that_restarts_are_told_and_messages_go_on() {
    let script = "[[ussd]]\ndial = \"*9#\"\nsilent = true\n\n\
                  [[fault]]\nwhen = \"AT+CUSD=1\"\nnth = 2\nat = \"after_result\"\naction = \"reset\"\n";
    let bench = Bench::start(script, |_| {}).await;
    let handle = bench.handle.clone();
    let asking = spawn(async move { handle.ussd().await.unwrap().ask(&code("*9#")).await });
    bench.until_said("\"*9#\"").await;
    bench.modem.unplug();
    let cut = tokio::time::timeout(SOON, asking).await.unwrap().unwrap();
    assert!(matches!(cut, Err(UssdError::Interrupted { .. })), "{cut:?}");
    let closed = bench.handle.ussd().await.map(|_| ());
    assert!(matches!(closed, Err(UssdError::NotReady { .. })), "{closed:?}");
    bench.modem.replug();
    bench.until(Phase::Ready).await;
    let cut = bench.handle.ussd().await.unwrap().ask(&code("*9#")).await;
    assert!(matches!(cut, Err(UssdError::Interrupted { .. })), "{cut:?}");
    bench.until(Phase::Ready).await;
    bench.sends().await;
}

#[tokio::test]
async fn a_gateway_that_stops_ends_the_dialogue_first() {
    let bench = Bench::start("", |_| {}).await;
    let mut dialogue = bench.handle.ussd().await.unwrap();
    dialogue.ask(&code("*123#")).await.unwrap();
    bench.stop.cancel();
    tokio::time::timeout(SOON, bench.running).await.expect("an end").unwrap();
    let said = String::from_utf8_lossy(&bench.modem.byte_log().said(Direction::ToModem)).into_owned();
    assert!(said.ends_with("AT+CUSD=2\r"), "{said:?}");
    assert!(dialogue.reply(&reply("1")).await.is_err());
}

#[tokio::test]
async fn who_only_tries_is_not_given_a_modem_that_is_wanted() {
    let bench = Bench::start("", |_| {}).await;
    let turn = bench.handle.try_turn().unwrap();
    assert!(bench.handle.try_ussd().is_none(), "busy");
    drop(turn);
    let mut dialogue = bench.handle.try_ussd().unwrap();
    assert_eq!(dialogue.ask(&code("*888#")).await.unwrap().text.as_str(), "Sisa pulsa Anda Rp10000");
}
