//! Who has a line open: read from `/proc`, as far as it tells this user.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A process that has a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub process: u32,
    /// Its name, as the kernel keeps it (15 characters).
    pub program: String,
}

/// Finds who has the device; `None` if nobody, or if the system does not tell.
pub(crate) fn find(proc: &Path, device: &Path) -> Option<Holder> {
    let process = who_locked(proc, device).or_else(|| who_opened(proc, device))?;
    let name = fs::read_to_string(proc.join(process.to_string()).join("comm")).unwrap_or_default();
    Some(Holder { process, program: name.trim().to_owned() })
}

/// Whose advisory lock is on the device: told to everybody, and only for programs that ask before they open.
fn who_locked(proc: &Path, device: &Path) -> Option<u32> {
    let metadata = fs::metadata(device).ok()?;
    let (major, minor) = (rustix::fs::major(metadata.dev()), rustix::fs::minor(metadata.dev()));
    let place = format!("{major:02x}:{minor:02x}:{}", metadata.ino());
    let locks = fs::read_to_string(proc.join("locks")).ok()?;
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "FLOCK")?;
        (words.get(at + 4) == Some(&place.as_str())).then(|| words.get(at + 3)?.parse().ok()).flatten()
    })
}

/// Which process has the device open: told to its own user and to root.
///
/// Not for a pseudo terminal, whose other side has it open as well.
fn who_opened(proc: &Path, device: &Path) -> Option<u32> {
    let device = fs::canonicalize(device).ok()?;
    if device.components().any(|part| part.as_os_str() == "pts") {
        return None;
    }
    let own = std::process::id();
    let processes = fs::read_dir(proc).ok()?.flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.filter(|number| *number != own).find(|number| has_open(proc, *number, &device))
}

pub(super) fn has_open(proc: &Path, process: u32, device: &Path) -> bool {
    let descriptors = fs::read_dir(proc.join(process.to_string()).join("fd")).into_iter().flatten().flatten();
    descriptors.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|target| target == device)
}
