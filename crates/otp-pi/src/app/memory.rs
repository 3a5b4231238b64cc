//! Keeps the memory of this program from being written to a disk.
//!
//! For `cli`, before every command: whatever it does, it may hold keys, passwords and codes. It must never be undone.

use rustix::io;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Forbids core dumps, also those that are piped to a program, and other programs of the same user the look at this memory.
///
/// # Errors
/// When the system refuses.
///
/// # Standard
/// `core(5)`, `PR_SET_DUMPABLE` in `prctl(2)`.
pub fn forbid_dumps() -> io::Result<()> {
    // A second lock. Where a filter of system calls forbids it, as under systemd, the limit is the unit's: LimitCORE=0.
    let _is_refused = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}
