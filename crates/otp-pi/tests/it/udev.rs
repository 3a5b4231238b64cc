//! The udev rules that we ship, read as udev reads them (udev(7)): one rule a line, keys with an operator and a quoted value.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Makers whose modems the documents name, by the number of their USB devices.
const MAKERS: [(&str, &str); 9] = [
    ("1e0e", "SIMCom"),
    ("2c7c", "Quectel"),
    ("12d1", "Huawei"),
    ("19d2", "ZTE"),
    ("1546", "u-blox"),
    ("1bc7", "Telit"),
    ("1199", "Sierra Wireless"),
    ("2cb7", "Fibocom"),
    ("2dee", "MeiG"),
];

fn rules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/99-otp-pi.rules")
}

/// One key of a rule: name, argument in braces, operator, value.
#[derive(Debug, PartialEq, Eq)]
struct Key<'a> {
    name: &'a str,
    argument: Option<&'a str>,
    operator: &'a str,
    value: &'a str,
}

/// Reads one key; `None` if udev would refuse it.
fn key(text: &str) -> Option<Key<'_>> {
    let text = text.trim();
    let at = text.find(['=', '!', '+', ':'])?;
    let (left, rest) = text.split_at(at);
    let operator = ["==", "!=", "+=", ":=", "="].into_iter().find(|operator| rest.starts_with(operator))?;
    let value = rest.strip_prefix(operator)?.strip_prefix('"')?.strip_suffix('"')?;
    let (name, argument) = match left.split_once('{') {
        Some((name, rest)) => (name, Some(rest.strip_suffix('}')?)),
        None => (left, None),
    };
    let matches = ["ACTION", "SUBSYSTEM", "SUBSYSTEMS", "KERNEL", "ATTRS"];
    let is_known = match (name, operator) {
        ("ENV", "=" | "==" | "!=") | ("ATTRS", "==" | "!=") => argument.is_some(),
        ("GOTO" | "LABEL", "=") => argument.is_none(),
        (name, "==" | "!=") => matches.contains(&name) && argument.is_none(),
        _ => false,
    };
    (is_known && !value.contains('"')).then_some(Key { name, argument, operator, value })
}

/// Reads a rule; values hold no comma here.
fn rule(line: &str) -> Option<Vec<Key<'_>>> {
    line.split(',').map(key).collect()
}

#[test]
fn a_rule_is_read_as_udev_reads_it() {
    for (line, keys) in [
        (r#"SUBSYSTEMS=="usb", ATTRS{idVendor}=="1e0e", ENV{ID_MM_DEVICE_IGNORE}="1""#, Some(3)),
        (r#"LABEL="end""#, Some(1)),
        (r#"ACTION=="remove", GOTO="end""#, Some(2)),
        (r#"ATTRS{idVendor}="1e0e""#, None),
        (r#"ATTRS{idVendor=="1e0e""#, None),
        (r#"ATTRS=="1e0e""#, None),
        (r#"KERNELL=="tty*""#, None),
        (r#"ENV{A}="1"#, None),
        (r#"ENV{A}="1", "#, None),
    ] {
        assert_eq!(rule(line).map(|keys| keys.len()), keys, "{line}");
    }
}

#[test]
fn every_line_of_the_udev_rules_is_a_rule_and_every_maker_that_we_name_is_covered() {
    let text = fs::read_to_string(rules()).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let (mut labels, mut jumps, mut makers) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for line in &lines {
        let keys = rule(line).unwrap_or_else(|| panic!("udev would refuse {line}"));
        let named = |name: &str| keys.iter().find(|key| key.name == name);
        labels.extend(named("LABEL").map(|key| key.value));
        jumps.extend(named("GOTO").map(|key| key.value));
        let sets = |name: &str| {
            keys.iter().any(|key| (key.name, key.argument, key.operator, key.value) == ("ENV", Some(name), "=", "1"))
        };
        let vendor = keys.iter().find(|key| key.argument == Some("idVendor"));
        // A whole maker, or some products of one.
        if let Some(vendor) = vendor {
            assert!(sets("ID_MM_DEVICE_IGNORE"), "{line}");
            let products = keys.iter().filter(|key| key.argument == Some("idProduct"));
            let numbers = products.flat_map(|key| key.value.split('|')).chain([vendor.value]);
            for number in numbers {
                assert!(number.len() == 4 && number.bytes().all(|it| b"0123456789abcdef".contains(&it)), "{number}");
            }
            if !keys.iter().any(|key| key.argument == Some("idProduct")) {
                makers.insert(vendor.value);
            }
        }
    }
    assert_eq!(labels, jumps, "a jump leads somewhere");
    for (vendor, maker) in MAKERS {
        assert!(makers.contains(vendor), "{maker} ({vendor}) is missing");
    }
    // The interfaces of these are known to `modem list`, so their modems are used.
    assert_eq!(makers.len(), MAKERS.len(), "a maker in the rules that no document names");
}

#[test]
fn udev_itself_accepts_the_rules_where_it_can_be_asked() {
    // `udevadm verify` came with systemd 254.
    let can_verify = Command::new("udevadm").args(["verify", "--help"]).output();
    if !can_verify.is_ok_and(|output| output.status.success()) {
        crate::harness::skipped("this system has no `udevadm verify`");
        return;
    }
    let verified = Command::new("udevadm").arg("verify").arg(rules()).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}
