//! Pseudo terminals: the emulator holds the master, other software opens the slave like a serial port.
//!
//! One slave stays open here, or the master would answer EIO whenever no one else has it open. Dropping a [`Pty`] is
//! pulling the cable: readers of the slave get 0 bytes, writers EIO. Called by the modem's loop.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, inotify};
use rustix::pty::OpenptFlags;
use rustix::termios::OptionalActions;
use tokio::io::unix::AsyncFd;

/// An open pseudo terminal in raw mode.
#[derive(Debug)]
pub(crate) struct Pty {
    pub(crate) master: OwnedFd,
    slave: OwnedFd,
    pub(crate) path: PathBuf,
}

impl Pty {
    pub(crate) fn open() -> io::Result<Self> {
        let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        rustix::pty::grantpt(&master)?;
        rustix::pty::unlockpt(&master)?;
        let name = rustix::pty::ptsname(&master, Vec::new())?;
        let path = PathBuf::from(OsStr::from_bytes(name.to_bytes()));
        let slave = rustix::fs::open(&path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        let mut termios = rustix::termios::tcgetattr(&slave)?;
        termios.make_raw();
        rustix::termios::tcsetattr(&slave, OptionalActions::Now, &termios)?;
        rustix::io::ioctl_fionbio(&master, true)?;
        Ok(Self { master, slave, path })
    }
}

/// A pseudo terminal the runtime watches.
#[derive(Debug)]
pub(crate) struct Port {
    master: AsyncFd<OwnedFd>,
    // Held, never used: see the module's text.
    _slave: OwnedFd,
    path: PathBuf,
}

impl Port {
    /// Hands a PTY to the runtime; must be called inside one.
    #[expect(deprecated, reason = "its replacement is unsafe; an OwnedFd moved in keeps the promise it asks for")]
    pub(crate) fn watch(pty: Pty) -> io::Result<Self> {
        Ok(Self { master: AsyncFd::new(pty.master)?, _slave: pty.slave, path: pty.path })
    }

    /// Waits for bytes. Cancel-safe: bytes are only taken when this returns.
    pub(crate) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.master.readable().await?;
            if let Ok(result) = ready.try_io(|master| Ok(rustix::io::read(master.as_fd(), &mut *buffer)?)) {
                return result;
            }
        }
    }

    /// Writes what fits now; 0 when nothing does.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match rustix::io::write(self.master.as_fd(), bytes) {
            Ok(count) => Ok(count),
            Err(rustix::io::Errno::AGAIN) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until bytes fit again. Cancel-safe.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        let mut ready = self.master.writable().await?;
        // The caller tries to write next; if that still fails, this waits for a new edge.
        ready.clear_ready();
        Ok(())
    }
}

/// Tells when other software opens the slave.
#[derive(Debug)]
pub(crate) struct Openings(AsyncFd<OwnedFd>);

impl Openings {
    /// Begins to watch the slave of a port.
    #[expect(deprecated, reason = "its replacement is unsafe; an OwnedFd moved in keeps the promise it asks for")]
    pub(crate) fn of(port: &Port) -> io::Result<Self> {
        let watch = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
        inotify::add_watch(&watch, &port.path, inotify::WatchFlags::OPEN)?;
        Ok(Self(AsyncFd::new(watch)?))
    }

    /// Waits for the next opening. Cancel-safe. A watch that fails waits for ever.
    pub(crate) async fn next(&self) {
        if self.0.readable().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Puts a symbolic link to a PTY in place, replacing an older link at once.
pub(crate) fn link(target: &Path, link: &Path) -> io::Result<()> {
    let mut fresh = link.as_os_str().to_owned();
    fresh.push(".new");
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::os::unix::fs::symlink(target, &fresh)?;
    std::fs::rename(&fresh, link)
}
