//! What the kernel says when a serial device comes or goes (`NETLINK_KOBJECT_UEVENT`).
//!
//! Anybody may send to such a socket: only what comes from the kernel itself counts. Called by the search.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recvfrom, socket_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The kernel's own group; the other one is udev's.
const KERNEL: u32 = 1;
/// The kernel's events are shorter (`UEVENT_BUFFER_SIZE` 2048, with its header).
const LONGEST: usize = 8192;

/// A socket on which the kernel tells.
#[derive(Debug)]
pub(super) struct Uevents(AsyncFd<OwnedFd>);

impl Uevents {
    /// Begins to listen; must be called inside a runtime.
    ///
    /// # Errors
    /// The system has no such sockets, or does not let us have one.
    #[expect(
        deprecated,
        reason = "its successor is unsafe; an owned descriptor never changes under the runtime's eyes"
    )]
    pub(super) fn listen() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(KOBJECT_UEVENT))?;
        bind(&socket, &SocketAddrNetlink::new(0, KERNEL))?;
        AsyncFd::new(socket).map(Self)
    }

    /// Waits until a serial device came, went or changed. Cancel-safe: at worst an event is told twice.
    ///
    /// # Errors
    /// The socket is of no use any more.
    pub(super) async fn next(&self) -> io::Result<()> {
        let mut buffer = [0_u8; LONGEST];
        loop {
            let received = self.0.async_io(Interest::READABLE, |socket| {
                match recvfrom(socket, &mut buffer, RecvFlags::empty()) {
                    Ok((count, _, from)) => Ok(Some((count, from))),
                    // Some were lost because too many came at once: what they said must be looked for.
                    Err(Errno::NOBUFS) => Ok(None),
                    Err(error) => Err(error.into()),
                }
            });
            let Some((count, from)) = received.await? else { return Ok(()) };
            let from = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
            let is_kernel = from.is_some_and(|from| from.pid() == 0);
            if is_kernel && is_about_a_line(buffer.get(..count).unwrap_or_default()) {
                return Ok(());
            }
        }
    }
}

/// Tells whether an event is about a serial device: `action@path`, then `KEY=value`, each ended by a zero.
fn is_about_a_line(event: &[u8]) -> bool {
    let mut parts = event.split(|byte| *byte == 0);
    parts.next().is_some_and(|head| head.contains(&b'@')) && parts.any(|part| part == b"SUBSYSTEM=tty")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn events_of_serial_devices_alone_count() {
        let plugged =
            b"add@/devices/usb1/1-1/1-1:1.2/ttyUSB2/tty/ttyUSB2\0ACTION=add\0SUBSYSTEM=tty\0DEVNAME=ttyUSB2\0";
        for (event, expected) in [
            (plugged.as_slice(), true),
            (b"remove@/devices/x\0ACTION=remove\0SUBSYSTEM=tty\0", true),
            (b"add@/devices/usb1/1-1\0ACTION=add\0SUBSYSTEM=usb\0", false),
            (b"add@/devices/x\0NOTE=SUBSYSTEM=tty\0", false),
            (b"libudev\0\xfe\xed\xca\xfe\0SUBSYSTEM=tty\0", false),
            (b"", false),
        ] {
            assert_eq!(is_about_a_line(event), expected, "{}", String::from_utf8_lossy(event));
        }
    }

    proptest! {
        #[test]
        fn no_event_is_too_odd(event in proptest::collection::vec(any::<u8>(), 0..300)) {
            is_about_a_line(&event);
        }
    }

    #[expect(clippy::print_stderr, reason = "a skipped test is seen by name")]
    fn skip(why: &dyn std::fmt::Display) {
        eprintln!("skipped: the_kernel_tells_of_a_serial_device: {why}");
    }

    #[tokio::test]
    async fn the_kernel_tells_of_a_serial_device() {
        let listening = match Uevents::listen() {
            Ok(listening) => listening,
            Err(error) => return skip(&error),
        };
        // Who may write there has the kernel say that the device has come.
        let names = fs::read_dir("/sys/class/tty").into_iter().flatten().flatten();
        let mut files = names.map(|entry| entry.path().join("uevent")).filter(|path| path.exists());
        let Some(file) = files.next() else { return skip(&"there is no tty in /sys") };
        let written = fs::OpenOptions::new().write(true).open(&file).and_then(|mut file| file.write_all(b"change"));
        if let Err(error) = written {
            return skip(&format!("{}: {error}", file.display()));
        }
        match tokio::time::timeout(Duration::from_secs(5), listening.next()).await {
            Ok(event) => event.unwrap(),
            // Where the kernel's events go to another network namespace only.
            Err(_) => skip(&"no event comes here"),
        }
    }
}
