//! Modems that do not do their work: every step of the ladder, told, counted and to an end.

use std::time::Duration;

use emulator::{Modem, ModemSettings, NetworkSettings};
use modem::{
    HealCounts, HealNews, HealStep, ModemEventKind, Phase, Pin, PowerError, PowerSwitch, Settings, Submission,
    Timeouts, Trouble,
};

use crate::bench::{Bench, SOON, pdu};

fn start(script: &str) -> Bench {
    start_with(script, |_, _| {})
}

fn start_with(script: &str, change: impl FnOnce(&mut Settings, &Modem)) -> Bench {
    start_all(script, |_| {}, change)
}

fn start_all(
    script: &str,
    change_device: impl FnOnce(&mut ModemSettings),
    change: impl FnOnce(&mut Settings, &Modem),
) -> Bench {
    let network = NetworkSettings { air_time: Duration::ZERO, ..NetworkSettings::default() };
    let mut device = ModemSettings::named("m", 1);
    change_device(&mut device);
    Bench::new(network, device, script, |settings, device| {
        settings.poll_interval = Duration::from_millis(20);
        settings.timeouts = Timeouts {
            attention: Duration::from_millis(100),
            command: Duration::from_millis(500),
            card: Duration::from_millis(500),
            prompt: Duration::from_millis(200),
            result: Duration::from_millis(500),
            settle: Duration::from_millis(5),
            reopen_first: Duration::from_millis(10),
            reopen_longest: Duration::from_millis(20),
            reset: Duration::from_millis(200),
            offline: Duration::from_millis(300),
            heal_first: Duration::from_millis(100),
            heal_longest: Duration::from_millis(200),
            ..Timeouts::default()
        };
        change(settings, device);
    })
}

impl Bench {
    /// Sends, again and again until it is sent.
    async fn sends(&self) {
        let send = async {
            loop {
                let mut turn = self.handle.turn().await;
                if turn.send(Submission::ready(pdu())).await.is_ok() {
                    return;
                }
            }
        };
        tokio::time::timeout(SOON, send).await.unwrap_or_else(|_| panic!("nothing is sent\n{}", self.said()));
    }

    async fn news(&mut self) -> HealNews {
        loop {
            if let ModemEventKind::Heal(news) = self.event().await {
                return news;
            }
        }
    }

    fn counts(&self) -> HealCounts {
        self.handle.status().borrow().heal
    }
}

fn hang(action: &str) -> String {
    format!("[[fault]]\nwhen = \"AT+CSQ\"\nnth = 3\naction = {action}\n")
}

fn silent(step: HealStep) -> HealNews {
    HealNews::Step(step, Trouble::Silent)
}

#[tokio::test]
async fn a_modem_that_hangs_until_it_is_opened_again_comes_back_without_a_restart() {
    let bench = start(&hang("\"hang_until_reopened\""));
    bench.until(|status| status.heal.reopenings > 0).await;
    bench.ready().await;
    let counts = bench.counts();
    assert_eq!((counts.resets, counts.power_cycles, counts.alarms), (0, 0, 0));
    assert!(counts.escapes >= 5 && counts.attentions >= 5, "{counts:?}");
    bench.sends().await;
}

#[tokio::test]
async fn a_modem_that_hangs_until_it_is_restarted_is_restarted_and_told_to_be_well_again() {
    let mut bench = start(&hang("\"hang_until_reset\""));
    assert_eq!(bench.news().await, silent(HealStep::Reset));
    assert_eq!(bench.news().await, HealNews::Well);
    let status = bench.ready().await;
    assert_eq!((status.heal.reopenings, status.heal.resets, status.heal.alarms), (2, 1, 0));
    assert_eq!(status.heal_step, None);
    assert_eq!(bench.said().matches("AT+CFUN=1,1\r").count(), 1);
    bench.sends().await;
}

#[tokio::test]
async fn a_modem_that_only_power_brings_back_gets_it_where_there_is_a_switch() {
    let mut bench = start_with(&hang("\"hang\""), |settings, device| {
        let device = device.clone();
        settings.power = Some(PowerSwitch::new(move || {
            let device = device.clone();
            Box::pin(async move {
                device.unplug();
                device.replug();
                Ok(())
            })
        }));
    });
    assert_eq!(bench.news().await, silent(HealStep::Reset));
    assert_eq!(bench.news().await, silent(HealStep::PowerCycle));
    assert_eq!(bench.news().await, HealNews::Well);
    let counts = bench.ready().await.heal;
    assert_eq!((counts.resets, counts.power_cycles, counts.alarms), (1, 1, 0));
    bench.sends().await;
}

#[tokio::test]
async fn one_that_nothing_brings_back_is_told_about_again_and_again_and_works_when_a_person_has_helped() {
    for switch in [None, Some(PowerSwitch::new(|| Box::pin(async { Err(PowerError("no helper".to_owned())) })))] {
        let has_switch = switch.is_some();
        let mut bench = start_with(&hang("\"hang\""), |settings, _| settings.power = switch);
        for _ in 0..2 {
            assert_eq!(bench.news().await, silent(HealStep::Reset));
            if has_switch {
                assert_eq!(bench.news().await, silent(HealStep::PowerCycle));
            }
            assert_eq!(bench.news().await, silent(HealStep::Alarm));
        }
        assert!(bench.until(|status| status.phase == Phase::Silent).await.heal_step.is_some());
        bench.device.unplug();
        bench.device.replug();
        bench.ready().await;
        loop {
            if bench.news().await == HealNews::Well {
                break;
            }
        }
        bench.sends().await;
        assert!(bench.counts().alarms >= 2, "what was is not forgotten: {:?}", bench.counts());
    }
}

#[tokio::test]
async fn a_modem_that_talks_nonsense_climbs_the_ladder_as_a_silent_one_does() {
    let mut bench = start("[[fault]]\nwhen = \"*\"\naction = { nonsense = \"\\r\\n~garbage~\\r\\n\" }\n");
    for step in [HealStep::Reset, HealStep::Alarm] {
        assert_eq!(bench.news().await, silent(step));
    }
}

#[tokio::test]
async fn a_modem_that_has_lost_its_network_for_too_long_is_restarted_and_then_told_about() {
    let mut bench = start("");
    bench.ready().await;
    bench.device.set_registration(2);
    let offline = |step| HealNews::Step(step, Trouble::Offline);
    assert_eq!(bench.news().await, offline(HealStep::Reset));
    assert_eq!(bench.news().await, offline(HealStep::Alarm));
    bench.device.set_registration(1);
    assert_eq!(bench.news().await, HealNews::Well);
    assert!(bench.said().contains("AT+CFUN=1,1\r"));
    bench.sends().await;
}

#[tokio::test]
async fn a_modem_that_answers_and_refuses_every_message_is_restarted() {
    let mut bench = start("[[fault]]\nwhen = \"AT+CMGS\"\ntimes = 6\naction = { cms_error = 331 }\n");
    bench.ready().await;
    for _ in 0..6 {
        let mut turn = bench.handle.turn().await;
        assert!(turn.send(Submission::ready(pdu())).await.is_err());
    }
    assert_eq!(bench.news().await, HealNews::Step(HealStep::Reset, Trouble::Refusing));
    bench.sends().await;
    assert_eq!(bench.news().await, HealNews::Well, "a message proves it");
    assert_eq!(bench.network.transmission_count(), 1);
}

#[tokio::test]
async fn a_sim_with_a_pin_is_opened_again_after_a_restart() {
    let bench = start_all(
        &hang("\"hang_until_reset\""),
        |device| device.pin = Some("1234".to_owned()),
        |settings, _| settings.sim_pin = Some(Pin::parse("1234").unwrap()),
    );
    bench.until(|status| status.heal.resets > 0).await;
    bench.ready().await;
    assert_eq!(bench.said().matches("AT+CPIN=").count(), 2, "once for each start of the modem");
    bench.sends().await;
}

#[tokio::test]
async fn who_only_looks_at_a_modem_never_has_it_restarted() {
    let bench = start_with(&hang("\"hang_until_reset\""), |settings, _| settings.heals = false);
    bench.until(|status| status.heal.reopenings > 4).await;
    assert!(!bench.said().contains("CFUN"), "{}", bench.said());
}
