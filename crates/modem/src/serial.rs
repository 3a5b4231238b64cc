//! The serial line: opened for us alone, raw, and honest about having gone away.
//!
//! For: characters in and out. Never: knowing AT. Called by the actor.
//!
//! An unplugged adapter reads as 0 bytes for ever; that is reported as [`SerialError::Gone`], never polled. A pseudo
//! terminal knows neither parity nor modem lines; what it refuses (`EINVAL`, `ENOTTY`) is left as it is.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::termios::{ControlModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::settings::{DataBits, Parity, Settings, StopBits};
use crate::status::LineFault;

/// Says why a line cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SerialError {
    /// It cannot be opened or set up.
    #[error("line `{path}` cannot be used")]
    Unusable {
        /// The line.
        path: PathBuf,
        /// Answer of the operating system.
        #[source]
        source: io::Error,
    },
    /// Another program has it.
    #[error("line `{path}` is used by another program")]
    Locked {
        /// The line.
        path: PathBuf,
    },
    /// What was opened is not a terminal.
    #[error("`{path}` is not a serial line")]
    NotALine {
        /// The path.
        path: PathBuf,
    },
    /// The runtime cannot watch it.
    #[error("the line cannot be watched")]
    Unwatchable {
        /// Answer of the runtime.
        #[source]
        source: io::Error,
    },
    /// The device is gone.
    #[error("the device is gone")]
    Gone,
}

impl SerialError {
    /// Says which kind of fault it is.
    pub(crate) fn fault(&self) -> LineFault {
        match self {
            Self::Unusable { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => LineFault::Missing,
                io::ErrorKind::PermissionDenied => LineFault::NotPermitted,
                _ => LineFault::Unusable,
            },
            Self::Locked { .. } => LineFault::InUse,
            Self::NotALine { .. } => LineFault::NotALine,
            Self::Unwatchable { .. } => LineFault::Unusable,
            Self::Gone => LineFault::Missing,
        }
    }
}

/// An open line, locked for us (`flock`, and `TIOCEXCL` unless it is a pseudo terminal) until dropped.
#[derive(Debug)]
pub(crate) struct SerialLine {
    fd: AsyncFd<OwnedFd>,
}

impl SerialLine {
    /// Has the runtime watch an opened line.
    #[expect(
        deprecated,
        reason = "its successor is unsafe; an owned descriptor never changes under the runtime's eyes"
    )]
    pub(crate) fn watch(fd: OwnedFd) -> Result<Self, SerialError> {
        AsyncFd::new(fd).map(|fd| Self { fd }).map_err(|source| SerialError::Unwatchable { source })
    }

    /// Reads what is there, waiting for at least one byte. Cancel-safe.
    pub(crate) async fn read(&self, buffer: &mut [u8]) -> Result<usize, SerialError> {
        let read = self.fd.async_io(Interest::READABLE, |fd| Ok(rustix::io::read(fd, &mut *buffer)?)).await;
        match read {
            Ok(0) | Err(_) => Err(SerialError::Gone),
            Ok(count) => Ok(count),
        }
    }

    /// Writes some of the bytes and answers how many. Cancel-safe: what was not counted was not written.
    pub(crate) async fn write(&self, bytes: &[u8]) -> Result<usize, SerialError> {
        let written = self.fd.async_io(Interest::WRITABLE, |fd| Ok(rustix::io::write(fd, bytes)?)).await;
        written.map_err(|_| SerialError::Gone)
    }
}

impl Drop for SerialLine {
    fn drop(&mut self) {
        // The mark outlives our descriptor while anybody else holds the line open. A line that is gone has none.
        if let Err(error) = rustix::termios::ioctl_tiocnxcl(self.fd.get_ref()) {
            tracing::debug!(error = %error, "the mark of a line cannot be taken off");
        }
    }
}

/// Opens, locks and sets up a line as these settings want it; may block for as long as the device's driver wants.
pub(crate) fn open(path: &Path, settings: &Settings) -> Result<OwnedFd, SerialError> {
    let unusable = |error: Errno| SerialError::Unusable { path: path.to_owned(), source: error.into() };
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| match error {
        Errno::BUSY => SerialError::Locked { path: path.to_owned() },
        other => unusable(other),
    })?;
    if !rustix::termios::isatty(&fd) {
        return Err(SerialError::NotALine { path: path.to_owned() });
    }
    lock(&fd, path)?;
    set_up(&fd, settings).map_err(unusable)?;
    rustix::termios::tcflush(&fd, QueueSelector::IOFlush).map_err(unusable)?;
    Ok(fd)
}

/// Takes the line for us alone: `flock` against those who ask, `TIOCEXCL` against those who do not.
///
/// Not on a pseudo terminal: its other side keeps the mark alive when we are killed, and nobody but root could open it
/// again.
fn lock(fd: &OwnedFd, path: &Path) -> Result<(), SerialError> {
    match rustix::fs::flock(fd, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Err(SerialError::Locked { path: path.to_owned() }),
        Err(error) => return Err(SerialError::Unusable { path: path.to_owned(), source: error.into() }),
    }
    if is_pseudo_terminal(fd) {
        return Ok(());
    }
    match rustix::termios::ioctl_tiocexcl(fd) {
        Ok(()) | Err(Errno::INVAL | Errno::NOTTY) => Ok(()),
        Err(error) => Err(SerialError::Unusable { path: path.to_owned(), source: error.into() }),
    }
}

/// Answers whether this is the slave of a Unix98 pseudo terminal: majors 136 to 143 (Linux `devices.txt`).
fn is_pseudo_terminal(fd: &OwnedFd) -> bool {
    rustix::fs::fstat(fd).is_ok_and(|stat| (136..=143).contains(&rustix::fs::major(stat.st_rdev)))
}

/// Sets raw mode, speed and character format; what the line cannot do is left out, raw mode excepted.
fn set_up(fd: &OwnedFd, settings: &Settings) -> rustix::io::Result<()> {
    let mut plain = rustix::termios::tcgetattr(fd)?;
    plain.make_raw();
    // With VMIN 1 an open line never reads as 0 bytes, so that 0 can only mean that it is gone.
    plain.special_codes[SpecialCodeIndex::VMIN] = 1;
    plain.special_codes[SpecialCodeIndex::VTIME] = 0;
    plain.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
    plain.control_modes -= ControlModes::HUPCL | ControlModes::CRTSCTS;
    if plain.set_speed(settings.baud_rate).is_err() {
        tracing::warn!(modem.name = %settings.name, "the line cannot do {} bit/s", settings.baud_rate);
    }
    let wanted = with_format(plain.clone(), settings);
    for termios in [&wanted, &plain] {
        match rustix::termios::tcsetattr(fd, OptionalActions::Now, termios) {
            Ok(()) => return Ok(()),
            Err(Errno::INVAL | Errno::NOTTY) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Errno::INVAL)
}

fn with_format(mut termios: Termios, settings: &Settings) -> Termios {
    termios.control_modes -= ControlModes::CSIZE | ControlModes::PARENB | ControlModes::PARODD | ControlModes::CSTOPB;
    termios.control_modes |= match settings.data_bits {
        DataBits::Seven => ControlModes::CS7,
        DataBits::Eight => ControlModes::CS8,
    };
    termios.control_modes |= match settings.parity {
        Parity::None => ControlModes::empty(),
        Parity::Even => ControlModes::PARENB,
        Parity::Odd => ControlModes::PARENB | ControlModes::PARODD,
    };
    if settings.stop_bits == StopBits::Two {
        termios.control_modes |= ControlModes::CSTOPB;
    }
    termios
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pseudo_terminals_are_told_from_other_devices() {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let master = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let name = rustix::pty::ptsname(&master, Vec::new()).unwrap();
        let slave = rustix::fs::open(name.as_c_str(), flags, Mode::empty()).unwrap();
        assert!(is_pseudo_terminal(&slave));
        assert!(!is_pseudo_terminal(&rustix::fs::open("/dev/null", flags, Mode::empty()).unwrap()));
    }
}
