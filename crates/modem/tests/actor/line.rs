// long: conversations over real lines that share one set of helpers
//! Messages, reports, PINs and lost lines: what is sent once, and never twice.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use emulator::{Action, Direction, Fault, Manner, Model, ModemSettings, Moment, NetworkSettings};
use futures_util::StreamExt;
use gsm::{ErrorClass, ErrorCode};
use modem::{ModemEventKind, Phase, Pin, PinMemory, Refused, SendError, Settings, Status, Submission, Timeouts};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, PDU, SOON, pdu, spawn};

fn quick() -> Timeouts {
    Timeouts {
        attention: Duration::from_millis(300),
        command: Duration::from_millis(500),
        card: Duration::from_millis(500),
        prompt: Duration::from_millis(500),
        prepare: Duration::from_secs(2),
        result: Duration::from_secs(1),
        settle: Duration::from_millis(10),
        reopen_first: Duration::from_millis(20),
        reopen_longest: Duration::from_millis(100),
        reset: Duration::from_millis(400),
        ..Timeouts::default()
    }
}

fn start(script: &str) -> Bench {
    start_with(script, |_| {}, |_| {})
}

fn start_with(
    script: &str,
    change_device: impl FnOnce(&mut ModemSettings),
    change_settings: impl FnOnce(&mut Settings),
) -> Bench {
    let network = NetworkSettings {
        air_time: Duration::from_millis(30),
        report_delay: Duration::from_millis(20),
        ..NetworkSettings::default()
    };
    let mut device = ModemSettings::named("m", 1);
    change_device(&mut device);
    Bench::new(network, device, script, |settings, _| {
        settings.timeouts = quick();
        change_settings(settings);
    })
}

fn fault(command: &str, action: &str) -> String {
    format!("[[fault]]\nwhen = \"{command}\"\nnth = 1\naction = {action}\n")
}

#[tokio::test]
async fn a_message_is_sent_and_its_report_comes_back() {
    let mut bench = start("");
    let status = bench.ready().await;
    assert_eq!(status.identity.manufacturer.as_deref(), Some("SIMCOM_Ltd"));
    assert_eq!(status.identity.imei.as_ref().map(String::len), Some(15));
    assert_eq!(status.message_routing, Some("2,1,2,1,0"));
    assert_eq!(status.operator.as_deref(), Some("TELKOMSEL"));
    let sent = bench.send().await.unwrap();
    let transmissions = bench.network.transmissions();
    assert_eq!(transmissions.len(), 1);
    assert_eq!((transmissions[0].receiver.as_str(), transmissions[0].pdu_hex.as_str()), ("6281234567890", PDU));
    assert_eq!(sent.message_reference, Some(transmissions[0].message_reference));
    let ModemEventKind::Report(report) = bench.event().await else { panic!("no report") };
    assert_eq!(Some(report.message_reference), sent.message_reference);
    bench.stopped().await;
}

#[tokio::test]
async fn messages_in_a_row_on_one_turn_are_all_sent() {
    let bench = start("");
    bench.ready().await;
    let mut turn = bench.handle.try_turn().expect("a turn");
    for count in 1..=5 {
        turn.send(Submission::ready(pdu())).await.unwrap();
        assert_eq!(bench.network.transmission_count(), count);
    }
    assert!(bench.handle.try_turn().is_none());
    drop(turn);
    assert!(bench.handle.try_turn().is_some());
}

#[tokio::test]
async fn failures_are_told_apart_and_the_modem_sends_again_afterwards() {
    let not_sent = |class, code| Err((class, code));
    for (action, outcome, transmitted) in [
        ("{ cms_error = 38 }", not_sent(ErrorClass::RetryHere, Some(ErrorCode::Cms(38))), 0),
        ("{ cms_error = 28 }", not_sent(ErrorClass::GiveUp, Some(ErrorCode::Cms(28))), 0),
        ("{ cms_error_before_prompt = 500 }", not_sent(ErrorClass::RetryHere, Some(ErrorCode::Cms(500))), 0),
        ("{ cms_error_transmitted = 332 }", Ok("unknown"), 1),
        ("{ cms_error_transmitted = 197 }", Ok("sent"), 1),
        ("\"lost_answer\"", Ok("unknown"), 1),
        ("\"lost_answer_not_transmitted\"", Ok("unknown"), 0),
        ("\"prompt_lost\"", not_sent(ErrorClass::RetryHere, None), 0),
        ("{ prompt_late = \"800ms\" }", not_sent(ErrorClass::RetryHere, None), 0),
        ("{ prompt_late = \"100ms\" }", Ok("sent"), 1),
        ("\"prompt_without_space\"", Ok("sent"), 1),
        ("\"lost_echo\"", Ok("sent"), 1),
        ("{ delay = \"300ms\" }", Ok("sent"), 1),
        ("{ garbage = \"\\u0000\\u00ff~x OK?\\r\\n\" }", Ok("sent"), 1),
        ("{ urc_inside = \"+CREG: 1\" }", Ok("sent"), 1),
        ("{ urc_inside = \"+CMTI: \\\"SM\\\",1\" }", Ok("sent"), 1),
    ] {
        let bench = start(&fault("AT+CMGS", action));
        bench.ready().await;
        let outcome_seen = match bench.send().await {
            Ok(_) => Ok("sent"),
            Err(SendError::Unknown { .. }) => Ok("unknown"),
            Err(SendError::NotSent { class, code, .. }) => Err((class, code)),
            Err(SendError::Refused) => Ok("refused"),
        };
        assert_eq!(outcome_seen, outcome, "{action}");
        assert_eq!(bench.network.transmission_count(), transmitted, "{action}");
        let sent = bench.send().await;
        assert!(sent.is_ok(), "after {action}: {sent:?}\n{}", bench.said());
        assert_eq!(bench.network.transmission_count(), transmitted + 1, "after {action}");
        bench.stopped().await;
    }
}

#[tokio::test]
async fn a_late_answer_after_a_time_out_is_not_taken_for_the_next_ones() {
    let bench = start(&fault("AT+CMGS", "{ delay = \"1200ms\" }"));
    bench.ready().await;
    assert!(matches!(bench.send().await, Err(SendError::Unknown { .. })));
    let sent = bench.send().await.unwrap();
    let transmissions = bench.network.transmissions();
    assert_eq!(transmissions.len(), 2);
    assert_eq!(sent.message_reference, Some(transmissions[1].message_reference), "{}", bench.said());
}

#[tokio::test]
async fn an_unplugged_modem_is_unknown_only_after_the_pdu_and_works_again_when_replugged() {
    for (at, action, is_unknown, transmitted) in [
        (Moment::Command, "{ unplug = \"command\" }", false, 0),
        (Moment::Prompt, "{ unplug = \"prompt\" }", false, 0),
        (Moment::AfterPdu, "{ unplug = \"after_pdu\" }", true, 0),
        (Moment::AfterTransmission, "{ unplug = \"after_transmission\" }", true, 1),
    ] {
        let bench = start(&fault("AT+CMGS", action));
        bench.ready().await;
        // The PDU comes only when the modem is seen to be gone, if it goes before it has one.
        let submission = if is_unknown {
            Submission::ready(pdu())
        } else {
            Submission::new(pdu().tpdu_length(), std::future::pending())
        };
        let outcome = bench.submit(submission).await;
        assert_eq!(matches!(outcome, Err(SendError::Unknown { .. })), is_unknown, "{at:?}: {outcome:?}");
        assert_eq!(bench.network.transmission_count(), transmitted, "{at:?}");
        bench.until(|status| status.phase == Phase::Closed).await;
        assert!(bench.handle.try_turn().is_none());
        bench.device.replug();
        bench.ready().await;
        bench.send().await.unwrap();
        bench.stopped().await;
    }
}

#[tokio::test]
async fn a_refused_prepare_transmits_nothing_and_leaves_the_prompt() {
    let bench = start("");
    bench.ready().await;
    let refused = bench.submit(Submission::new(pdu().tpdu_length(), async { Err(Refused) })).await;
    assert_eq!(refused, Err(SendError::Refused));
    bench.send().await.unwrap();
    assert_eq!(bench.network.transmission_count(), 1);
    let said = bench.said();
    let (before, _) = said.split_once(PDU).expect("the second message");
    assert!(before.contains("AT+CMGS=31\r\u{1b}"), "{said:?}");
}

#[tokio::test]
async fn the_command_is_on_the_line_before_the_pdu_exists() {
    let bench = start("");
    bench.ready().await;
    let (release, released) = oneshot::channel();
    let submission = Submission::new(pdu().tpdu_length(), async { released.await.map_err(|_| Refused) });
    let mut turn = bench.handle.try_turn().expect("a turn");
    let device = bench.device.clone();
    let release_when_asked = async move {
        let asked = async {
            while !String::from_utf8_lossy(&device.byte_log().said(Direction::ToModem)).contains("AT+CMGS=31\r") {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, asked).await.expect("AT+CMGS");
        assert!(!String::from_utf8_lossy(&device.byte_log().said(Direction::ToModem)).contains(PDU));
        release.send(pdu()).unwrap();
    };
    let (sent, ()) = tokio::join!(turn.send(submission), release_when_asked);
    assert!(sent.is_ok());
}

#[tokio::test]
async fn a_gone_caller_does_not_stop_its_message() {
    let bench = start("");
    bench.ready().await;
    let (begun, begins) = oneshot::channel();
    let submission = Submission::new(pdu().tpdu_length(), async move {
        begun.send(()).map_err(|()| Refused)?;
        Ok(pdu())
    });
    let mut turn = bench.handle.try_turn().expect("a turn");
    tokio::select! {
        biased;
        _ = begins => {}
        _ = turn.send(submission) => panic!("too early"),
    }
    drop(turn);
    assert!(bench.handle.try_turn().is_none(), "still on its way");
    assert!(bench.network.wait_for(|_| true, SOON).await.is_some());
    bench.ready().await;
}

#[tokio::test]
async fn stop_finishes_the_message_on_its_way_and_frees_the_line() {
    let mut bench = start("");
    bench.ready().await;
    let stop = bench.stop.clone();
    let submission = Submission::new(pdu().tpdu_length(), async move {
        stop.cancel();
        Ok(pdu())
    });
    assert!(bench.submit(submission).await.is_ok());
    bench.ended().await;
    assert_eq!(bench.network.transmission_count(), 1);
    assert_eq!(bench.handle.status().borrow().phase, Phase::Closed);
    // The line can be had again at once.
    let (again, actor) = bench.settings.clone().build(mpsc::channel(1).0);
    spawn(actor.run(CancellationToken::new()));
    let mut status = again.status();
    tokio::time::timeout(SOON, status.wait_for(|status| status.phase == Phase::Ready)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_line_belongs_to_one_actor() {
    let bench = start("");
    bench.ready().await;
    let (second, actor) = bench.settings.clone().build(mpsc::channel(1).0);
    let stop = CancellationToken::new();
    spawn(actor.run(stop.clone()));
    let mut status = second.status();
    let is_refused = |status: &Status| {
        status.phase == Phase::Closed && status.detail.as_deref().is_some_and(|why| why.contains("used by another"))
    };
    tokio::time::timeout(SOON, status.wait_for(is_refused)).await.unwrap().unwrap();
    bench.send().await.unwrap();
    bench.stop.cancel();
    tokio::time::timeout(SOON, status.wait_for(|status| status.phase == Phase::Ready)).await.unwrap().unwrap();
    stop.cancel();
}

#[tokio::test]
async fn a_modem_without_echo_works_as_well() {
    for echo in [false, true] {
        let bench = start_with("", |device| device.echo = echo, |_| {});
        bench.ready().await;
        bench.send().await.unwrap();
        bench.stopped().await;
    }
}

#[tokio::test]
async fn a_right_pin_opens_the_card_once_per_power_up() {
    let bench = start_with(
        "",
        |device| device.pin = Some("1234".to_owned()),
        |settings| settings.sim_pin = Some(Pin::parse("1234").unwrap()),
    );
    bench.ready().await;
    assert_eq!(bench.said().matches("AT+CPIN=").count(), 1);
    bench.send().await.unwrap();
}

#[tokio::test]
async fn a_wrong_pin_is_entered_once_in_the_life_of_the_process() {
    let memory = PinMemory::default();
    let shared = memory.clone();
    let bench = start_with(
        "",
        |device| device.pin = Some("1234".to_owned()),
        |settings| {
            settings.sim_pin = Some(Pin::parse("9999").unwrap());
            settings.pin_memory = shared;
            settings.poll_interval = Duration::from_millis(50);
        },
    );
    bench.until(|status| status.phase == Phase::PinRefused).await;
    bench.device.unplug();
    bench.until(|status| status.phase == Phase::Closed).await;
    bench.device.replug();
    bench.until(|status| status.phase == Phase::PinRefused).await;
    assert_eq!(bench.said().matches("AT+CPIN=").count(), 1);
    assert!(bench.handle.try_turn().is_none());
}

#[tokio::test]
async fn a_missing_pin_is_asked_for() {
    let bench = start_with("", |device| device.pin = Some("1234".to_owned()), |_| {});
    bench.until(|status| status.phase == Phase::PinNeeded).await;
    assert!(!bench.said().contains("AT+CPIN="));
}

#[tokio::test]
async fn an_inbound_message_leaves_the_card_only_when_it_was_taken() {
    let mut bench = start("");
    bench.ready().await;
    bench.device.deliver("+628126666666", "hello");
    let ModemEventKind::Inbound(first) = bench.event().await else { panic!("no inbound") };
    drop(first);
    bench.device.deliver("+628126666666", "again");
    let ModemEventKind::Inbound(second) = bench.event().await else { panic!("no inbound") };
    assert!(!bench.said().contains("AT+CMGD"), "{}", bench.said());
    second.receipt.taken();
    let deleted = async {
        while !bench.said().contains("AT+CMGD=2\r") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, deleted).await.expect("a deletion");
    assert!(!bench.said().contains("AT+CMGD=1\r"));
}

#[tokio::test]
async fn a_message_that_came_while_nobody_listened_is_found() {
    let mut bench = start("");
    bench.ready().await;
    bench.device.unplug();
    bench.until(|status| status.phase == Phase::Closed).await;
    bench.device.deliver("+628126666666", "hello");
    bench.device.replug();
    let ModemEventKind::Inbound(inbound) = bench.event().await else { panic!("no inbound") };
    assert!(bench.said().contains("AT+CMGL=4\r"), "{}", bench.said());
    drop(inbound);
    bench.ready().await;
    assert!(!bench.said().contains("AT+CMGD"), "{}", bench.said());
}

/// A DELIVER of class 0, "TEST".
const FLASH: [u8; 24] = [
    0x04, 0x0B, 0x91, 0x64, 0x07, 0x95, 0x03, 0x03, 0xF1, 0x00, 0x10, 0x62, 0x11, 0x12, 0x00, 0x00, 0x00, 0x82, 0x04,
    0xD4, 0xE2, 0x94, 0x0A, 0x00,
];

#[tokio::test]
async fn a_flash_message_is_handed_on_with_its_card_and_nothing_is_deleted() {
    let mut bench = start("");
    bench.ready().await;
    bench.device.deliver_tpdu(&FLASH[..23]);
    let ModemEventKind::Inbound(inbound) = bench.event().await else { panic!("no inbound") };
    assert_eq!((inbound.pdu.tpdu(), inbound.receipt.has_copy()), (&FLASH[..23], false));
    assert_eq!(inbound.card, "8962100000000000001");
    inbound.receipt.taken();
    bench.send().await.unwrap();
    assert!(!bench.said().contains("AT+CMGD"), "{}", bench.said());
}

#[tokio::test]
async fn a_message_that_nobody_announced_is_found_by_the_regular_look() {
    let mut bench = start_with("", with(&[Manner::SilentArrivals]), |settings| {
        settings.poll_interval = Duration::from_millis(50);
        settings.listing_interval = Duration::from_millis(100);
    });
    bench.ready().await;
    bench.device.deliver("+628126666666", "hello");
    let ModemEventKind::Inbound(inbound) = bench.event().await else { panic!("no inbound") };
    assert!(inbound.receipt.has_copy());
    assert!(!bench.said().contains("AT+CMGR"), "{}", bench.said());
}

#[tokio::test]
async fn a_card_that_is_full_is_emptied_and_what_waits_in_the_network_comes() {
    let full = |device: &mut ModemSettings| {
        device.sim_capacity = 3;
        device.manners = vec![Manner::SilentArrivals, Manner::TellsFullMemory];
    };
    let mut bench = start_with("", full, |settings| settings.poll_interval = Duration::from_millis(50));
    bench.ready().await;
    for number in 0..10_u8 {
        bench.device.deliver("+628126666666", &format!("number {number}"));
    }
    let mut texts = Vec::new();
    while texts.len() < 10 {
        let ModemEventKind::Inbound(inbound) = bench.event().await else { panic!("no inbound") };
        let deliver = gsm::Deliver::decode_tpdu(inbound.pdu.tpdu()).unwrap();
        texts.push(deliver.user_data.text().unwrap().to_string());
        inbound.receipt.taken();
    }
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 10);
}

/// A modem that does these things differently.
fn with(manners: &[Manner]) -> impl FnOnce(&mut ModemSettings) {
    |device| device.manners = manners.to_vec()
}

#[tokio::test]
async fn a_modem_that_answers_no_esc_and_takes_it_for_a_character_gets_in_step() {
    let bench = start_with("", with(&[Manner::StrictPrefix, Manner::SilentEscape]), |_| {});
    bench.ready().await;
    let refused = bench.submit(Submission::new(pdu().tpdu_length(), async { Err(Refused) })).await;
    assert_eq!(refused, Err(SendError::Refused));
    bench.send().await.unwrap();
    assert_eq!(bench.network.transmission_count(), 1);
    assert_eq!(bench.handle.status().borrow().opened, 1);
}

#[tokio::test]
async fn a_modem_that_falls_back_to_text_mode_without_a_word_sends_to_nobody_else() {
    for command in ["AT+CMGS", "AT+CSQ"] {
        let manners = [Manner::SilentStart, Manner::SavedTextMode];
        let bench = start_with("", with(&manners), |settings| settings.poll_interval = Duration::from_millis(50));
        bench.ready().await;
        bench.device.add_fault(Fault::nth(command, 1, Action::Reset));
        let recovered = |status: &Status| status.recoveries > 0;
        if command == "AT+CMGS" {
            assert!(matches!(bench.send().await, Err(SendError::NotSent { .. })));
        }
        bench.until(recovered).await;
        bench.ready().await;
        bench.send().await.unwrap();
        let transmissions = bench.network.transmissions();
        assert_eq!(transmissions.len(), 1, "{}", bench.said());
        assert_eq!(transmissions[0].pdu_hex, PDU);
        bench.stopped().await;
    }
}

#[tokio::test]
async fn a_modem_that_does_not_allow_messages_at_its_start_is_waited_for() {
    let late = |device: &mut ModemSettings| {
        device.sms_ready_time = Duration::from_millis(300);
        device.manners = vec![Manner::NotAllowedAtStart];
    };
    let bench = start_with("", late, |_| {});
    assert_eq!(bench.ready().await.message_routing, Some("2,1,2,1,0"));
    bench.send().await.unwrap();
}

#[tokio::test]
async fn a_modem_that_says_no_ok_after_the_state_of_its_card_works() {
    let bench = start_with("", with(&[Manner::PinStateWithoutOk]), |_| {});
    assert_eq!(bench.ready().await.recoveries, 0);
    bench.send().await.unwrap();
}

#[tokio::test]
async fn a_modem_that_wants_everything_acknowledged_goes_on_bringing_reports() {
    let device = |device: &mut ModemSettings| {
        *device = ModemSettings {
            manners: vec![Manner::PhaseTwoPlusOnly],
            link: device.link.clone(),
            ..ModemSettings::of_model(Model::HuaweiE173, "m", 1)
        };
    };
    let mut bench = start_with("", device, |_| {});
    bench.ready().await;
    for count in 1..=3 {
        let sent = bench.send().await.unwrap();
        // The next one comes only when this one was acknowledged.
        let ModemEventKind::Report(report) = bench.event().await else { panic!("no report") };
        assert_eq!(Some(report.message_reference), sent.message_reference, "report {count}");
    }
    assert!(bench.said().matches("AT+CNMA\r").count() >= 2, "{}", bench.said());
}

#[tokio::test]
async fn a_reset_modem_is_initialised_again() {
    let bench = start("");
    bench.ready().await;
    bench.device.add_fault(Fault::nth("AT+CMGS", 1, Action::Reset));
    let outcome = bench.send().await;
    assert!(matches!(outcome, Err(SendError::NotSent { .. } | SendError::Unknown { .. })), "{outcome:?}");
    assert_eq!(bench.network.transmission_count(), 0);
    bench.ready().await;
    bench.send().await.unwrap();
}

#[tokio::test]
async fn a_hanging_modem_is_silent_and_comes_back_after_replugging() {
    let bench = start(&fault("AT+CMGS", "\"hang\""));
    bench.ready().await;
    assert!(bench.send().await.is_err());
    bench.until(|status| status.phase == Phase::Silent).await;
    bench.device.unplug();
    bench.device.replug();
    bench.ready().await;
    bench.send().await.unwrap();
}

#[tokio::test]
async fn signal_and_registration_are_followed() {
    let bench = start_with("", |_| {}, |settings| settings.poll_interval = Duration::from_millis(50));
    bench.ready().await;
    bench.device.set_signal(7);
    bench.until(|status| status.rssi == Some(7) && status.signal_dbm == Some(-99)).await;
    bench.device.set_registration(3);
    bench.until(|status| status.phase == Phase::NotRegistered).await;
    bench.device.set_registration(5);
    bench.ready().await;
}

#[tokio::test]
async fn a_modem_whose_card_is_still_being_read_is_waited_for() {
    let bench = start_with("", |device| device.sms_ready_time = Duration::from_millis(300), |_| {});
    let status = bench.ready().await;
    assert_eq!(status.message_routing, Some("2,1,2,1,0"));
    bench.send().await.unwrap();
}

/// Keeps every log line of its thread.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<String>>);

impl tracing::field::Visit for Collector {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        writeln!(self.0.lock().unwrap(), "{field}={value:?}").unwrap();
    }
}

impl tracing::Subscriber for Collector {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn no_log_line_holds_a_pin_a_pdu_a_text_or_a_receiver() {
    let collector = Collector::default();
    let _guard = tracing::subscriber::set_default(collector.clone());
    let mut bench = start_with(
        "",
        |device| device.pin = Some("73519".to_owned()),
        |settings| settings.sim_pin = Some(Pin::parse("73519").unwrap()),
    );
    bench.ready().await;
    bench.send().await.unwrap();
    bench.event().await;
    bench.device.deliver("+628126666666", "a secret text");
    bench.event().await;
    let log = collector.0.lock().unwrap().clone();
    assert!(log.contains("> AT+CPIN=•••") && log.contains("> AT+CMGS=31") && log.contains("< +CDS: …"), "{log}");
    for secret in ["73519", PDU, "D91261832547698F0", "6281234567890", "8126666666", "secret"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

/// What a fresh actor says until it is ready, each command once.
async fn commands_of_initialisation() -> Vec<String> {
    let bench = start("");
    bench.ready().await;
    let said = bench.said();
    let lines = said.split('\r').map(|line| line.trim_start_matches('\u{1b}')).filter(|line| line.starts_with("AT"));
    // Of several on one line the first; settings without their values, since other ways are tried with others.
    let first = |line: &str| {
        let name = line.split_inclusive(['=', '?']).next().unwrap_or(line);
        if name.starts_with("ATQ0") { "ATQ0".to_owned() } else { name.to_owned() }
    };
    let mut commands: Vec<String> = lines.map(first).collect();
    commands.sort();
    commands.dedup();
    bench.stopped().await;
    commands
}

/// Starts with a fault in its initialisation, and sends.
async fn sends_although(script: String) {
    let bench = start(&script);
    // What strikes the last commands may strike a message that is first in line; it is not sent then, for certain.
    for left in (0..3).rev() {
        bench.ready().await;
        match bench.send().await {
            Ok(_) => break,
            Err(SendError::NotSent { .. }) if left > 0 => {}
            Err(error) => panic!("{script}{error}\n{}", bench.said()),
        }
    }
    let pdus: Vec<_> = bench.network.transmissions().into_iter().map(|sent| sent.pdu_hex).collect();
    assert_eq!(pdus, [PDU], "{script}{}", bench.said());
    bench.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_one_command_of_its_initialisation_a_modem_sends_in_the_end() {
    let commands = commands_of_initialisation().await;
    assert!(commands.len() >= 20, "{commands:?}");
    let actions = [
        "\"lost_answer\"",
        "\"lost_answer_not_transmitted\"",
        "\"lost_result\"",
        "\"lost_information\"",
        "{ cms_error = 302 }",
        "{ cms_error = 314 }",
        "{ cms_error = 500 }",
        "{ cme_error = 3 }",
        "{ cme_error = 14 }",
        "{ cme_error = 100 }",
        "\"error\"",
        "{ urc_inside = \"+CREG: 1\" }",
        "{ urc_inside = \"+CMTI: \\\"SM\\\",3\" }",
        "{ urc_inside = \"RDY\" }",
        "{ garbage = \"~\\u0000\\r\\n\" }",
        "{ garbage = \"\\r\\nOK\\r\\n\" }",
        "{ delay = \"100ms\" }",
        "{ delay = \"700ms\" }",
        "{ silence = \"700ms\" }",
        "\"lost_echo\"",
        "\"echo\"",
        "\"reset\"",
        "{ unplug = \"command\" }\nreplug_after = \"50ms\"",
        "{ unplug = \"after_transmission\" }\nreplug_after = \"50ms\"",
        "{ unplug = \"after_result\" }\nreplug_after = \"50ms\"",
    ];
    let scripts = actions.iter().flat_map(|action| commands.iter().map(move |command| fault(command, action)));
    let all: Vec<_> = scripts.map(sends_although).collect();
    // Each has its own pseudo terminal: so many at once as a process may have files open.
    futures_util::stream::iter(all).buffer_unordered(100).collect::<()>().await;
}
