//! Whether ModemManager has a line, or would take it.
//!
//! For: telling two programs on one line from a modem that is broken. Reads `/proc`, `/sys` and udev's database; all of them may be
//! made by hand. Never: asking ModemManager or the line. Called by `otp-pi doctor`, its `modem` commands and the gateway's start.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Roots, holder, sysfs};

/// The name of its process, as the kernel keeps it.
const PROGRAM: &str = "ModemManager";

/// Marks by which udev tells ModemManager to leave a device, or one of its lines, alone.
const MARKS: [&str; 2] = ["ID_MM_DEVICE_IGNORE", "ID_MM_PORT_IGNORE"];

/// The mark without which ModemManager leaves the UARTs of a machine alone.
const UART_MARK: &str = "ID_MM_PLATFORM_DRIVER_PROBE";

/// What ModemManager does with a line that is to be ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clash {
    /// It has the line open.
    Holds {
        /// The number of its process.
        process: u32,
    },
    /// It runs, and nothing keeps it from opening the line when the device appears, or when it is started again.
    MayTake,
}

impl Clash {
    /// What to do about it.
    pub const FIX: &'static str = "sudo systemctl disable --now ModemManager; or, where something else needs it: sudo cp 99-otp-pi.rules \
         /etc/udev/rules.d/, sudo udevadm control --reload, sudo udevadm trigger, sudo systemctl restart ModemManager";

    /// Says what it is.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Holds { .. } => "ModemManager has this line open and speaks on it",
            Self::MayTake => {
                "ModemManager runs and may take this line: udev does not tell it to leave the device alone"
            }
        }
    }

    /// The word for programs: it does not change.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Holds { .. } => "holds",
            Self::MayTake => "may-take",
        }
    }
}

/// Looks whether ModemManager and a line (or a link to it) get in each other's way. Reads files only; may block for that long.
///
/// None where ModemManager does not run, where it is told to leave the device alone, and for a line of which udev knows nothing:
/// ModemManager hears of lines from udev alone. Who has a line open is told to root and to that program's user.
#[must_use]
pub fn clash(roots: &Roots, line: &Path) -> Option<Clash> {
    let processes = processes(&roots.proc);
    let device = fs::canonicalize(line).ok()?;
    if let Some(process) = processes.iter().find(|process| holder::has_open(&roots.proc, **process, &device)) {
        return Some(Clash::Holds { process: *process });
    }
    processes.first()?;
    may_take(roots, &device).then_some(Clash::MayTake)
}

/// Answers whether ModemManager runs. Reads files only; may block for that long.
#[must_use]
pub fn is_manager_running(roots: &Roots) -> bool {
    !processes(&roots.proc).is_empty()
}

/// The processes of ModemManager; usually one.
fn processes(proc: &Path) -> Vec<u32> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_it = |number: &u32| {
        let name = fs::read_to_string(proc.join(number.to_string()).join("comm"));
        name.is_ok_and(|name| name.trim() == PROGRAM)
    };
    numbers.filter(is_it).collect()
}

/// Whether ModemManager would open the line: the marks may be on the line itself or on the USB device that it is of.
fn may_take(roots: &Roots, device: &Path) -> bool {
    let Some(of_line) = fs::metadata(device).ok().and_then(|metadata| {
        let (major, minor) = (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev()));
        properties(&roots.udev, &format!("{major}:{minor}"))
    }) else {
        return false;
    };
    let name = device.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let usb = sysfs::usb_folder(&roots.sys, name);
    let of_device = usb.as_deref().and_then(number).and_then(|number| properties(&roots.udev, &number));
    let of_both: Vec<String> = of_line.into_iter().chain(of_device.into_iter().flatten()).collect();
    let is_set = |mark: &str| of_both.iter().any(|property| is_true(property, mark));
    !MARKS.into_iter().any(is_set) && (usb.is_some() || is_set(UART_MARK))
}

/// The number under which udev keeps a device, such as `189:4`.
fn number(folder: &Path) -> Option<String> {
    fs::read_to_string(folder.join("dev")).ok().map(|text| text.trim().to_owned())
}

/// What udev's database says of a character device: its `E:` lines. None if it is not in there.
fn properties(udev: &Path, number: &str) -> Option<Vec<String>> {
    let path: PathBuf = udev.join("data").join(format!("c{number}"));
    // Names of devices are the devices' own bytes.
    let text = String::from_utf8_lossy(&fs::read(path).ok()?).into_owned();
    Some(text.lines().filter_map(|line| line.strip_prefix("E:")).map(str::to_owned).collect())
}

fn is_true(property: &str, mark: &str) -> bool {
    property.split_once('=').is_some_and(|(name, value)| {
        name == mark && (value == "1" || value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("yes"))
    })
}
