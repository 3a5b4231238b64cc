//! USSD dialogues between messages.

use std::time::Duration;

use emulator::{Model, ModemSettings, NetworkSettings};
use gsm::UssdStatus;
use modem::{Phase, Status, Timeouts, UssdCode, UssdError, UssdReply};

use crate::bench::{Bench, SOON, spawn};

async fn start(script: &str, change: impl FnOnce(&mut Timeouts)) -> Bench {
    of_model(Model::Standard, script, change).await
}

async fn of_model(model: Model, script: &str, change: impl FnOnce(&mut Timeouts)) -> Bench {
    let device = ModemSettings::of_model(model, "m", 1);
    let bench = Bench::new(NetworkSettings::default(), device, script, |settings, _| {
        settings.timeouts = Timeouts {
            attention: Duration::from_millis(200),
            settle: Duration::from_millis(10),
            reopen_first: Duration::from_millis(20),
            reopen_longest: Duration::from_millis(100),
            ..Timeouts::default()
        };
        change(&mut settings.timeouts);
    });
    bench.until(is(Phase::Ready)).await;
    bench
}

fn is(phase: Phase) -> impl Fn(&Status) -> bool {
    move |status| status.phase == phase
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
        let bench = start(&format!("[[modem]]\nussd_form = \"{form}\"\n"), |_| {}).await;
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
        bench.device.unplug();
        bench.until(is(Phase::Closed)).await;
        bench.device.replug();
        bench.until(is(Phase::Ready)).await;
        bench.send().await.unwrap();
        let before = bench.said().matches("AT+CUSD=1").count();
        bench.handle.ussd().await.unwrap().ask(&code("*888#")).await.unwrap();
        assert_eq!(bench.said().matches("AT+CUSD=1").count(), before + 1, "{form}");
        bench.send().await.unwrap();
    }
}

#[tokio::test]
async fn every_model_is_asked_in_its_own_form_from_the_first_code_on() {
    for model in Model::ALL {
        let bench = of_model(model, "", |_| {}).await;
        let answer = bench.handle.ussd().await.unwrap().ask(&code("*888#")).await.unwrap();
        assert_eq!((answer.status, answer.text.as_str()), (UssdStatus::Final, "Sisa pulsa Anda Rp10000"), "{model:?}");
        assert_eq!(bench.said().matches("AT+CUSD=1").count(), 1, "{model:?}: nothing was tried in vain");
        bench.send().await.unwrap();
    }
}

#[tokio::test]
async fn messages_wait_for_a_dialogue_and_not_for_a_person_who_went_away() {
    let bench = start("", |timeouts| timeouts.ussd_idle = Duration::from_millis(100)).await;
    let mut dialogue = bench.handle.ussd().await.unwrap();
    dialogue.ask(&code("*123#")).await.unwrap();
    assert!(bench.handle.try_turn().is_none(), "the modem is taken");
    bench.send().await.unwrap();
    assert!(bench.said().contains("AT+CUSD=2"));
    assert!(!dialogue.is_open());
    assert_eq!(dialogue.reply(&reply("1")).await, Err(UssdError::Over));
    assert_eq!(dialogue.cancel().await, Ok(()));
    assert_eq!(bench.network.transmissions().len(), 1);
}

#[tokio::test]
async fn a_dropped_and_a_cancelled_dialogue_are_ended_at_once() {
    let bench = start("[[ussd]]\ndial = \"*9#\"\nsilent = true\n", |_| {}).await;
    let mut dialogue = bench.handle.ussd().await.unwrap();
    dialogue.ask(&code("*123#")).await.unwrap();
    dialogue.cancel().await.unwrap();
    bench.send().await.unwrap();
    let mut dialogue = bench.handle.ussd().await.unwrap();
    dialogue.ask(&code("*123#")).await.unwrap();
    drop(dialogue);
    bench.send().await.unwrap();
    // Dropped while the network thinks.
    let handle = bench.handle.clone();
    let asking = spawn(async move { handle.ussd().await.unwrap().ask(&code("*9#")).await });
    bench.until_said(|said| said.contains("\"*9#\"")).await;
    asking.abort();
    bench.send().await.unwrap();
    assert_eq!(bench.said().matches("AT+CUSD=2").count(), 3);
    assert!(!bench.handle.status().borrow().is_taken());
}

#[tokio::test]
async fn a_network_that_does_not_answer_or_supports_nothing_is_told_as_such() {
    let script = "[[ussd]]\ndial = \"*9#\"\nsilent = true\n\n[[ussd]]\ndial = \"*8#\"\nstatus = 2\n";
    let bench = start(script, |timeouts| timeouts.ussd_answer = Duration::from_millis(300)).await;
    let ask = async |text| bench.handle.ussd().await.unwrap().ask(&code(text)).await;
    assert_eq!(ask("*9#").await, Err(UssdError::NoAnswer));
    assert_eq!(ask("*7#").await.unwrap().status, UssdStatus::NotSupported);
    assert_eq!(ask("*8#").await.unwrap().status, UssdStatus::Terminated);
    bench.send().await.unwrap();
}

#[tokio::test]
async fn a_cable_that_is_pulled_and_a_modem_that_restarts_are_told_and_messages_go_on() {
    let script = "[[ussd]]\ndial = \"*9#\"\nsilent = true\n\n\
                  [[fault]]\nwhen = \"AT+CUSD=1\"\nnth = 2\nat = \"after_result\"\naction = \"reset\"\n";
    let bench = start(script, |_| {}).await;
    let handle = bench.handle.clone();
    let asking = spawn(async move { handle.ussd().await.unwrap().ask(&code("*9#")).await });
    bench.until_said(|said| said.contains("\"*9#\"")).await;
    bench.device.unplug();
    let cut = tokio::time::timeout(SOON, asking).await.unwrap().unwrap();
    assert!(matches!(cut, Err(UssdError::Interrupted { .. })), "{cut:?}");
    let closed = bench.handle.ussd().await.map(|_| ());
    assert!(matches!(closed, Err(UssdError::NotReady { .. })), "{closed:?}");
    bench.device.replug();
    bench.until(is(Phase::Ready)).await;
    let cut = bench.handle.ussd().await.unwrap().ask(&code("*9#")).await;
    assert!(matches!(cut, Err(UssdError::Interrupted { .. })), "{cut:?}");
    bench.until(is(Phase::Ready)).await;
    bench.send().await.unwrap();
}

#[tokio::test]
async fn a_gateway_that_stops_ends_the_dialogue_first() {
    let mut bench = start("", |_| {}).await;
    let mut dialogue = bench.handle.ussd().await.unwrap();
    dialogue.ask(&code("*123#")).await.unwrap();
    bench.ended().await;
    let said = bench.said();
    assert!(said.ends_with("AT+CUSD=2\r"), "{said:?}");
    assert!(dialogue.reply(&reply("1")).await.is_err());
}

#[tokio::test]
async fn who_only_tries_is_not_given_a_modem_that_is_wanted() {
    let bench = start("", |_| {}).await;
    let turn = bench.handle.try_turn().unwrap();
    assert!(bench.handle.try_ussd().is_none(), "busy");
    drop(turn);
    let mut dialogue = bench.handle.try_ussd().unwrap();
    assert_eq!(dialogue.ask(&code("*888#")).await.unwrap().text.as_str(), "Sisa pulsa Anda Rp10000");
}
