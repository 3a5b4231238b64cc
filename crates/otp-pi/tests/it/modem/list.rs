//! `otp-pi modem list`, on a root directory made by hand.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::{Device, hold, json, modem};

/// A root directory with one stick of two lines, of which the second answers.
fn tree(device: &Device) -> TempDir {
    let root = TempDir::new().unwrap();
    let path = |path: &str| root.path().join(path);
    let write = |file: &str, text: &str| {
        fs::create_dir_all(path(file).parent().unwrap()).unwrap();
        fs::write(path(file), text).unwrap();
    };
    let usb = "sys/devices/usb1/1-1";
    for (file, text) in [("idVendor", "2c7c"), ("idProduct", "0125"), ("product", "EC25"), ("serial", "0001")] {
        write(&format!("{usb}/{file}"), text);
    }
    fs::create_dir_all(path("dev/serial/by-id")).unwrap();
    fs::create_dir_all(path("proc")).unwrap();
    fs::create_dir_all(path("sys/class/tty")).unwrap();
    for (interface, name) in [(1, "ttyUSB0"), (2, "ttyUSB1")] {
        let folder = format!("{usb}/1-1:1.{interface}");
        write(&format!("{folder}/bInterfaceNumber"), &format!("0{interface}"));
        fs::create_dir_all(path(&format!("{folder}/{name}/tty/{name}"))).unwrap();
        symlink(format!("../../../{name}"), path(&format!("{folder}/{name}/tty/{name}/device"))).unwrap();
        symlink(path(&format!("{folder}/{name}/tty/{name}")), path(&format!("sys/class/tty/{name}"))).unwrap();
        let link = path(&format!("dev/serial/by-id/usb-EC25_0001-if0{interface}"));
        symlink(format!("../../{name}"), link).unwrap();
    }
    write("dev/ttyUSB0", "no line at all");
    symlink(device.modem.path(), path("dev/ttyUSB1")).unwrap();
    root
}

fn list(root: &Path, more: &[&str]) -> Value {
    let (code, value) = json(&[&["list", "--root", root.to_str().unwrap()], more].concat());
    assert_eq!(code, Some(0));
    value["lines"].clone()
}

#[test]
fn lines_are_told_with_their_device_and_who_answers() {
    let device = Device::well();
    let root = tree(&device);
    let lines = list(root.path(), &[]);
    assert_eq!(lines.as_array().map(Vec::len), Some(2));
    let line = &lines[1];
    assert_eq!(line["path"], root.path().join("dev/serial/by-id/usb-EC25_0001-if02").to_str().unwrap());
    assert_eq!(line["usb"]["vendor_id"], "2c7c");
    assert_eq!(line["usb"]["role"], "AT commands");
    assert_eq!(line["probe"]["state"], "answers");
    assert_eq!(line["probe"]["model"], "SIMCOM_SIM800L");
    assert_eq!(line["probe"]["imei"].as_str().map(str::len), Some(15));
    assert_eq!(lines[0]["probe"]["state"], "unusable");
    assert_eq!(lines[0]["usb"]["role"], "GPS");

    let text = modem(&["list", "--root", root.path().to_str().unwrap()]);
    assert_eq!(text.code, Some(0));
    let words: String = text.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("usb 2c7c:0125, EC25, interface 2 (AT commands), socket 1-1"), "{}", text.stdout);
    assert!(
        words.contains("answers yes, at 115200 bit/s: SIMCOM_Ltd SIMCOM_SIM800L, IMEI 8678560300000"),
        "{}",
        text.stdout
    );
}

#[test]
fn without_probing_not_a_byte_is_written() {
    let device = Device::well();
    let root = tree(&device);
    let lines = list(root.path(), &["--no-probe"]);
    assert_eq!(lines[1]["probe"], Value::Null);
    assert_eq!(device.said(), "");
}

#[test]
fn a_line_that_another_program_has_is_not_asked() {
    let device = Device::well();
    let root = tree(&device);
    let held = hold(&device.modem.path());
    let lines = list(root.path(), &[]);
    assert_eq!(lines[1]["probe"]["error"], "another program has it");
    assert_eq!(device.said(), "");
    drop(held);
}

#[test]
fn configured_modems_are_named_and_missing_ones_too() {
    let device = Device::well();
    let root = tree(&device);
    let config = device.config("");
    let lines = list(root.path(), &["--config", &config, "--no-probe"]);
    assert_eq!((&lines[0]["modem"], &lines[1]["modem"]), (&Value::Null, &Value::from("m0")));

    let empty = TempDir::new().unwrap();
    fs::create_dir(empty.path().join("dev")).unwrap();
    let ended = modem(&["list", "--root", empty.path().to_str().unwrap(), "--config", &config]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("no serial line found"), "{ended:?}");
    assert!(ended.stderr.contains("modem m0 is configured on"), "{ended:?}");
}

#[test]
fn a_line_that_modem_manager_may_take_is_told_with_the_words_and_for_scripts() {
    let device = Device::well();
    let root = tree(&device);
    assert_eq!(list(root.path(), &["--no-probe"])[0]["modem_manager"], Value::Null);
    let write = |file: &str, text: &str| {
        fs::create_dir_all(root.path().join(file).parent().unwrap()).unwrap();
        fs::write(root.path().join(file), text).unwrap();
    };
    // A file stands for the device, so its number is 0:0.
    write("run/udev/data/c0:0", "E:ID_MM_CANDIDATE=1\n");
    write("proc/812/comm", "ModemManager\n");
    assert_eq!(list(root.path(), &["--no-probe"])[0]["modem_manager"], "may-take");
    let told = modem(&["list", "--no-probe", "--root", root.path().to_str().unwrap()]);
    assert!(told.stdout.contains("ModemManager runs and may take this line"), "{told:?}");
    write("run/udev/data/c0:0", "E:ID_MM_CANDIDATE=1\nE:ID_MM_DEVICE_IGNORE=1\n");
    assert_eq!(list(root.path(), &["--no-probe"])[0]["modem_manager"], Value::Null);
}
