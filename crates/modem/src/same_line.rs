//! Whether two paths lead to one line.
//!
//! For: links such as `/dev/serial/by-id/…` beside the kernel's own names. Never: opening a line. Called by `otp-pi`.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

/// Tells whether two paths lead to one line: the same device, or the same file while there is no device. What is not there leads
/// nowhere, and neither does an empty path.
#[must_use]
pub fn is_same_line(one: &Path, other: &Path) -> bool {
    let device = |path: &Path| {
        let found = fs::metadata(path).ok()?;
        found.file_type().is_char_device().then(|| found.rdev())
    };
    let file = |path: &Path| fs::canonicalize(path).ok();
    !one.as_os_str().is_empty()
        && (one == other
            || match (device(one), device(other)) {
                (Some(one), Some(other)) => one == other,
                _ => file(one).is_some_and(|one| file(other) == Some(one)),
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_devices_are_seen_through() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::os::unix::fs::symlink("/dev/null", path("link")).unwrap();
        std::os::unix::fs::symlink(path("link"), path("link-of-a-link")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("other")).unwrap();
        std::os::unix::fs::symlink("/nowhere/line", path("dangling")).unwrap();
        fs::write(path("file"), "").unwrap();
        let null = Path::new("/dev/null").to_owned();
        for (one, other, expected) in [
            (&null, &path("link"), true),
            (&path("link-of-a-link"), &path("link"), true),
            (&path("link"), &path("other"), false),
            (&path("file"), &directory.path().join("./file"), true),
            (&path("file"), &path("link"), false),
            (&path("dangling"), &path("dangling"), true),
            (&path("dangling"), &path("gone"), false),
            (&Path::new("").to_owned(), &Path::new("").to_owned(), false),
        ] {
            assert_eq!(is_same_line(one, other), expected, "{} {}", one.display(), other.display());
            assert_eq!(is_same_line(other, one), expected, "{} {}", other.display(), one.display());
        }
    }
}
