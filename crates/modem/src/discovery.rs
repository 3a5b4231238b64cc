//! Which serial lines this machine has, what is plugged in behind them, who has them, and which of them answer AT.
//!
//! For: finding a modem without guessing at `ttyUSB` numbers, which change with every plug. [`list`] only reads what the
//! system tells; [`probe`] writes to a line, and only to one that is free. Every root directory is a parameter. Never: a
//! setting of a modem changed, a line taken from somebody. Called by `otp-pi modem list`.
//!
//! Map: `sysfs` reads devices, `holder` finds who has a line, `clash` whether ModemManager gets in the way, `roles` knows the interfaces of common sticks, `probe` asks.

mod clash;
mod holder;
mod probe;
mod roles;
mod sysfs;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use clash::{Clash, clash, is_manager_running};
pub use holder::Holder;
pub(crate) use holder::find as find_holder;
pub use probe::{ProbeSettings, Probed, probe};
pub use sysfs::UsbInterface;

/// Names of lines that are looked for in `dev` where `sys` does not tell of them.
const KNOWN_NAMES: [&str; 3] = ["ttyUSB", "ttyACM", "ttyAMA"];
/// Links to lines beside those under `serial/`: the Raspberry Pi's own names of its UARTs.
const UART_LINKS: [&str; 2] = ["serial0", "serial1"];

/// Where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// Devices; on a running system `/dev`.
    pub dev: PathBuf,
    /// What the kernel tells of devices; on a running system `/sys`.
    pub sys: PathBuf,
    /// What the kernel tells of processes; on a running system `/proc`.
    pub proc: PathBuf,
    /// What udev keeps; on a running system `/run/udev`.
    pub udev: PathBuf,
}

impl Roots {
    /// Looks below a root directory, `/` on a running system.
    #[must_use]
    pub fn below(root: &Path) -> Self {
        Self { dev: root.join("dev"), sys: root.join("sys"), proc: root.join("proc"), udev: root.join("run/udev") }
    }
}

/// One serial line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLine {
    /// The kernel's name, such as `ttyUSB2`; it changes.
    pub name: String,
    /// The device itself.
    pub device: PathBuf,
    /// The path to write into the configuration: the one that stays the same when others are plugged in.
    pub path: PathBuf,
    /// Every link to it, sorted.
    pub links: Vec<PathBuf>,
    /// Its driver, such as `option` or `cdc_acm`.
    pub driver: Option<String>,
    /// The USB device behind it; `None` for a UART.
    pub usb: Option<UsbInterface>,
    /// Whether the system's own console is on it: nobody else's line.
    pub is_console: bool,
    /// Who has it, as far as the system tells this user.
    pub holder: Option<Holder>,
}

impl FoundLine {
    /// Says what this interface is for, where the maker's order of interfaces is known.
    #[must_use]
    pub fn role(&self) -> Option<&'static str> {
        roles::role(self.usb.as_ref()?)
    }
}

/// Lists the serial lines of this machine, sorted by name. Reads files only; may block for that long.
///
/// # Errors
/// `dev` cannot be read. What cannot be read of a single line is left out of it.
pub fn list(roots: &Roots) -> io::Result<Vec<FoundLine>> {
    let mut lines = list_without_holders(roots)?;
    for line in &mut lines {
        line.holder = holder::find(&roots.proc, &line.device);
    }
    Ok(lines)
}

/// The same, without looking who has the lines: that means reading what every process has open.
pub(crate) fn list_without_holders(roots: &Roots) -> io::Result<Vec<FoundLine>> {
    let links = links(roots);
    let consoles = sysfs::consoles(&roots.sys);
    let mut lines: Vec<FoundLine> = Vec::new();
    for name in names(roots)? {
        let device = roots.dev.join(&name);
        if !device.exists() {
            continue;
        }
        let described = sysfs::describe(&roots.sys, &name);
        if described.is_absent {
            continue;
        }
        lines.push(FoundLine {
            links: links.get(&name).cloned().unwrap_or_default(),
            path: device.clone(),
            is_console: consoles.contains(&name),
            driver: described.driver,
            usb: described.usb,
            name,
            device,
            holder: None,
        });
    }
    let paths: Vec<PathBuf> = lines.iter().map(|line| stable_path(line, &lines, roots)).collect();
    for (line, path) in lines.iter_mut().zip(paths) {
        line.path = path;
    }
    Ok(lines)
}

/// Names of all lines: those that the kernel says have hardware, and those that are known by their name.
fn names(roots: &Roots) -> io::Result<Vec<String>> {
    let mut names = sysfs::names(&roots.sys);
    for entry in fs::read_dir(&roots.dev)? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if KNOWN_NAMES.iter().any(|known| name.starts_with(known)) {
            names.push(name);
        }
    }
    names.sort_by_key(|name| (name.trim_end_matches(|it: char| it.is_ascii_digit()).to_owned(), number(name)));
    names.dedup();
    Ok(names)
}

/// The number at the end of a name, so that `ttyUSB10` follows `ttyUSB9`.
fn number(name: &str) -> u32 {
    let digits = name.trim_start_matches(|it: char| !it.is_ascii_digit());
    digits.parse().unwrap_or(0)
}

/// Every link that leads to a line, by the line's name.
fn links(roots: &Roots) -> BTreeMap<String, Vec<PathBuf>> {
    let mut links: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let mut note = |link: PathBuf| {
        let target = fs::read_link(&link).ok().and_then(|target| target.file_name()?.to_str().map(str::to_owned));
        if let Some(name) = target {
            links.entry(name).or_default().push(link);
        }
    };
    for folder in ["serial/by-id", "serial/by-path"] {
        let entries = fs::read_dir(roots.dev.join(folder)).into_iter().flatten();
        entries.flatten().for_each(|entry| note(entry.path()));
    }
    UART_LINKS.iter().for_each(|name| note(roots.dev.join(name)));
    links.values_mut().for_each(|found| found.sort());
    links
}

/// Chooses the path that stays the same: by identity where that tells devices apart, else by socket, else the Pi's own name.
fn stable_path(line: &FoundLine, all: &[FoundLine], roots: &Roots) -> PathBuf {
    let is_twin =
        |other: &FoundLine| other.name != line.name && sysfs::are_alike(line.usb.as_ref(), other.usb.as_ref());
    let in_folder = |folder: &str| {
        let folder = roots.dev.join("serial").join(folder);
        line.links.iter().find(|link| link.starts_with(&folder))
    };
    let by_id = in_folder("by-id").filter(|_| !all.iter().any(is_twin));
    let by_path = in_folder("by-path");
    let by_name = line.links.iter().find(|link| UART_LINKS.iter().any(|name| link.ends_with(name)));
    by_id.or(by_path).or(by_name).unwrap_or(&line.device).clone()
}

#[cfg(test)]
mod tests;
