use std::collections::HashMap;

use zbus::Variant;

use super::*;
use crate::wanted::{Imei, Wanted};

fn properties(all: &[(&str, Variant<'static>)]) -> Properties {
    let owned = |value: &Variant<'static>| value.try_clone().unwrap().try_into_owned().unwrap();
    Properties(all.iter().map(|(name, value)| ((*name).to_owned(), owned(value))).collect())
}

/// One modem of ModemManager, with some properties added.
fn objects(more: &[(&str, Variant<'static>)]) -> Objects {
    let all = [
        ("EquipmentIdentifier", Variant::from("867856030000019")),
        ("PrimaryPort", Variant::from("cdc-wdm0")),
        ("Device", Variant::from("/sys/devices/usb1/1-1")),
        ("DeviceIdentifier", Variant::from("3e79c238")),
    ];
    let mut modem = properties(&all);
    modem.0.extend(properties(more).0);
    HashMap::from([("/modem/0".to_owned(), HashMap::from([(MODEM.to_owned(), modem)]))])
}

fn settings(path: &str, imei: Option<&str>) -> Settings {
    let wanted = Wanted { imei: imei.map(|imei| Imei::parse(imei).unwrap()), iccid: None };
    Settings { wanted, ..Settings::new("m", path) }
}

#[test]
fn a_modem_is_found_by_its_identity_by_its_line_or_by_both() {
    let objects = objects(&[]);
    for (path, imei, is_found) in [
        ("", Some("867856030000019"), true),
        ("", Some("867856030000027"), false),
        ("/dev/cdc-wdm0", None, true),
        ("/dev/cdc-wdm1", None, false),
        ("/sys/devices/usb1/1-1", None, true),
        ("3e79c238", None, true),
        ("/dev/cdc-wdm0", Some("867856030000019"), true),
        ("/dev/cdc-wdm0", Some("867856030000027"), false),
        ("/dev/cdc-wdm1", Some("867856030000019"), false),
        // Nothing says which.
        ("", None, false),
    ] {
        assert_eq!(find(&objects, &settings(path, imei)).is_some(), is_found, "{path:?} {imei:?}");
    }
}

#[test]
fn of_a_modem_that_came_back_the_latest_is_ours() {
    let mut all = HashMap::new();
    for path in ["/modem/9", "/modem/10", "/modem/2"] {
        all.insert(path.to_owned(), objects(&[]).remove("/modem/0").unwrap());
    }
    assert_eq!(find(&all, &settings("", Some("867856030000019"))).unwrap().path, "/modem/10");
}

#[test]
fn a_modem_is_what_its_state_and_its_lock_say() {
    for (state, lock, reason, expected) in [
        (-1, 1, 2, (Phase::SimMissing, Need::Nothing)),
        (-1, 1, 4, (Phase::Silent, Need::Nothing)),
        (1, 0, 0, (Phase::Starting, Need::Nothing)),
        (2, 2, 0, (Phase::PinNeeded, Need::Pin)),
        (2, 4, 0, (Phase::PukNeeded, Need::Nothing)),
        (2, 8, 0, (Phase::PinNeeded, Need::Nothing)),
        (3, 1, 0, (Phase::Starting, Need::Enabling)),
        (5, 1, 0, (Phase::Starting, Need::Nothing)),
        (6, 1, 0, (Phase::NotRegistered, Need::Nothing)),
        (7, 1, 0, (Phase::NotRegistered, Need::Nothing)),
        (8, 1, 0, (Phase::Ready, Need::Nothing)),
        (8, 3, 0, (Phase::Ready, Need::Nothing)),
        (11, 1, 0, (Phase::Ready, Need::Nothing)),
    ] {
        let more = [
            ("State", Variant::I32(state)),
            ("UnlockRequired", Variant::U32(lock)),
            ("StateFailedReason", Variant::U32(reason)),
        ];
        let seen = find(&objects(&more), &settings("", Some("867856030000019"))).unwrap();
        assert_eq!((seen.phase, seen.need), expected, "state {state}, lock {lock}");
    }
}

#[test]
fn percents_become_the_steps_that_they_were_made_of() {
    for step in 1..=31_u32 {
        let percent = step * 100 / 31;
        let more = [("State", Variant::I32(8)), ("SignalQuality", Variant::from((percent, true)))];
        let seen = find(&objects(&more), &settings("", Some("867856030000019"))).unwrap();
        assert_eq!(seen.signal.rssi.map(u32::from), Some(step), "{percent} %");
    }
}
