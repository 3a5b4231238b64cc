//! The PINs of SIM cards across reloads: each card has its own try, and other modems are left alone.

use std::fs;
use std::path::{Path, PathBuf};

use emulator::{Direction, Modem, ModemSettings, Network, NetworkSettings, Script};
use tempfile::TempDir;

use crate::harness::{Gateway, Setup, wait_for};

/// Emulated modems in this process, each with a SIM that has tries enough for a test.
struct Devices {
    dir: TempDir,
    modems: Vec<Modem>,
    _runtime: tokio::runtime::Runtime,
}

impl Devices {
    fn start(pins: &[Option<&str>]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let dir = TempDir::new().unwrap();
        let network = Network::new(NetworkSettings::default());
        let start = |(index, pin): (usize, &Option<&str>)| {
            let mut settings = ModemSettings::named(format!("m{index}"), u8::try_from(index + 1).unwrap());
            settings.link = Some(dir.path().join(format!("line{index}")));
            settings.pin = pin.map(str::to_owned);
            settings.pin_tries = 9;
            let modem =
                runtime.block_on(async { Modem::start(&network, settings, Script::parse("").unwrap()) }).unwrap();
            drop(runtime.spawn(modem.run()));
            modem
        };
        let modems = pins.iter().enumerate().map(start).collect();
        Self { dir, modems, _runtime: runtime }
    }

    fn line(&self, index: usize) -> PathBuf {
        self.modems[index].path()
    }

    /// How often a PIN was entered.
    fn entered(&self, index: usize) -> usize {
        let said = self.modems[index].byte_log().said(Direction::ToModem);
        String::from_utf8_lossy(&said).matches("AT+CPIN=").count()
    }

    fn pin_file(&self, name: &str, pin: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, format!("{pin}\n")).unwrap();
        path
    }

    fn section(&self, name: &str, index: usize, pin: Option<&Path>) -> String {
        let pin = pin.map(|file| format!("sim_pin_file = {file:?}\n")).unwrap_or_default();
        format!("[[modem]]\nname = \"{name}\"\nport = {:?}\n{pin}", self.line(index))
    }
}

fn with(modems: &[&str]) -> Setup {
    Setup { more: modems.concat(), ..Setup::without_modems() }
}

fn wait_for_refusals(gateway: &Gateway, count: usize) {
    wait_for("the cards' refusals", || {
        (gateway.log().matches("the card refused its pin; it is not tried again").count() == count).then_some(())
    });
}

#[test]
fn another_pin_is_tried_with_its_own_card_and_no_other_modem_is_touched() {
    let devices = Devices::start(&[Some("1234"), Some("1234"), None]);
    let (south_pin, north_pin) = (devices.pin_file("south", "9999"), devices.pin_file("north", "8888"));
    let south = devices.section("south", 0, Some(&south_pin));
    let north = devices.section("north", 1, Some(&north_pin));
    let open = devices.section("open", 2, None);
    let gateway = with(&[&south, &north, &open]).start();
    gateway.wait_for_modems(1);
    wait_for_refusals(&gateway, 2);
    devices.pin_file("south", "1234");
    let log = gateway.reload_as(&with(&[&open, &north, &south]));
    assert_eq!(log.matches("it finishes and is let go").count(), 1, "{log}");
    gateway.wait_for_modems(2);
    assert_eq!([0, 1, 2].map(|index| devices.entered(index)), [2, 1, 0]);
    // What was refused stays refused by the next process as well.
    let gateway = gateway.stop().restart();
    gateway.wait_for_modems(2);
    wait_for("the refused card's modem", || gateway.log().matches("is now PinRefused").nth(2).map(|_| ()));
    assert_eq!(devices.entered(1), 1);
}

#[test]
fn a_refused_card_is_not_forgiven_because_modems_come_go_or_change_places() {
    let devices = Devices::start(&[Some("1234"), Some("4321")]);
    let (wrong, right) = (devices.pin_file("wrong", "9999"), devices.pin_file("right", "4321"));
    let refused = devices.section("refused", 0, Some(&wrong));
    let other = devices.section("other", 1, Some(&right));
    let gateway = with(&[&refused]).start();
    wait_for_refusals(&gateway, 1);
    for (modems, ready) in [
        (&[refused.as_str(), &other] as &[&str], 1),
        (&[&other, &refused], 1),
        (&[&refused], 0),
        // Away, and back again.
        (&[&other], 1),
        (&[&other, &refused], 1),
    ] {
        gateway.reload_as(&with(modems));
        gateway.wait_for_modems(ready);
    }
    let states = |word: &str| gateway.log().matches(word).count();
    wait_for("the card's modem", || {
        (states("modem.name=refused") > 0 && states("is now PinRefused") == 2).then_some(())
    });
    assert_eq!(devices.entered(0), 1);
}
