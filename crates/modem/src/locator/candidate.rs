//! Which lines may be asked for a modem, what makes two of them one device, and in which order they are asked.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::Stamp;
use crate::discovery::FoundLine;

/// Drivers of devices that are one modem with several lines; with others, such as adapters with four plugs, each line is a device
/// of its own. They ignore the speed of the line.
const MODEM_DRIVERS: [&str; 7] = ["option", "cdc_acm", "qcserial", "sierra", "hso", "huawei_cdc_ncm", "qmi_wwan"];
/// Names of lines over USB, for where `sys` tells nothing.
const USB_NAMES: [&str; 2] = ["ttyUSB", "ttyACM"];

/// One plugging of one line: another one when it is plugged in anew.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LineKey {
    /// What is plugged in where, and which number the bus gave it.
    plug: Option<(String, Option<String>, Option<u32>)>,
    name: String,
    stamp: Stamp,
}

impl LineKey {
    /// A line of which nothing is known but its path.
    pub(super) fn of_path(name: String, stamp: Stamp) -> Self {
        Self { plug: None, name, stamp: stamp.of_plugging() }
    }
}

/// A line that may be somebody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) key: LineKey,
    pub(super) device: PathBuf,
    /// What is one device: its lines are asked one after the other, and only until one has told who it is.
    pub(super) group: (String, String),
    /// Lines that are for AT commands come first, those that certainly are not last.
    rank: (u8, u8),
    /// Whether the line has a speed.
    pub(super) has_rate: bool,
    /// Whether we may write to it without being told to use it.
    pub(super) may_be_asked: bool,
    pub(super) stamp: Stamp,
}

impl Candidate {
    /// Reads a line; `None` if it is gone already.
    fn new(line: &FoundLine, ports: &BTreeSet<Stamp>) -> Option<Self> {
        let stamp = Stamp::of(&line.device)?;
        let is_modem = line.driver.as_deref().is_some_and(|driver| MODEM_DRIVERS.contains(&driver));
        let socket = line.usb.as_ref().map(|usb| usb.socket.clone()).unwrap_or_default();
        let alone = if is_modem { String::new() } else { line.name.clone() };
        let role = match line.role() {
            Some("AT commands") => 0,
            Some("AT commands, data") => 1,
            None => 2,
            Some(_) => 3,
        };
        let is_usb = line.usb.is_some() || USB_NAMES.iter().any(|name| line.name.starts_with(name));
        Some(Self {
            key: LineKey {
                plug: line.usb.as_ref().map(|usb| (usb.socket.clone(), usb.serial.clone(), usb.number)),
                name: line.name.clone(),
                stamp: stamp.of_plugging(),
            },
            device: line.device.clone(),
            group: (socket, alone),
            rank: (role, line.usb.as_ref().and_then(|usb| usb.interface).unwrap_or(0)),
            has_rate: !is_modem,
            may_be_asked: is_usb && !line.is_console && !ports.contains(&stamp),
            stamp,
        })
    }
}

/// The lines that may be somebody's, in the order in which they are asked. `ports` are those that modems are configured on.
pub(super) fn candidates(found: &[FoundLine], ports: &BTreeSet<Stamp>) -> Vec<Candidate> {
    let mut all: Vec<Candidate> = found.iter().filter_map(|line| Candidate::new(line, ports)).collect();
    all.sort_by(|one, other| (&one.group, one.rank).cmp(&(&other.group, other.rank)));
    all
}

#[cfg(test)]
impl Candidate {
    /// A line over USB that may be asked; lines with the same `device` belong together.
    pub(super) fn plain(name: &str, device: &str, number: u64) -> Self {
        let stamp = Stamp { device: 0, inode: number, changed: (0, 0) };
        Self {
            key: LineKey { plug: None, name: name.to_owned(), stamp },
            device: PathBuf::from(name),
            group: (device.to_owned(), String::new()),
            rank: (0, 0),
            has_rate: false,
            may_be_asked: true,
            stamp,
        }
    }
}
