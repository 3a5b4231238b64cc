//! A socket's path in few bytes: the system takes 107 at most, and a data directory may lie deep.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use super::protocol::SOCKET;

/// The longest path that the system takes for a socket (unix(7)), with its final zero.
const LONGEST: usize = 108;

/// A path of the socket in a data directory that is short enough, as long as this lives.
#[derive(Debug)]
pub(super) struct ShortPath {
    path: PathBuf,
    /// What the path leads through.
    _directory: Option<File>,
}

impl ShortPath {
    pub(super) fn of(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(SOCKET);
        if path.as_os_str().len() < LONGEST {
            return Ok(Self { path, _directory: None });
        }
        let directory = File::open(data_dir)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(SOCKET);
        Ok(Self { path, _directory: Some(directory) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_deep_down_is_reached_by_a_short_path() {
        let top = tempfile::tempdir().unwrap();
        let deep = top.path().join("a".repeat(90)).join("b".repeat(90));
        std::fs::create_dir_all(&deep).unwrap();
        let listener = crate::control::bind(&deep).unwrap();
        assert!(deep.join(SOCKET).exists());
        let (client, accepted) = tokio::join!(crate::control::Client::connect(&deep), listener.accept());
        assert!(client.unwrap().is_some() && accepted.is_ok());
    }
}
