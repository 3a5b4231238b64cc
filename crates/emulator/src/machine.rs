//! A pretend machine into which modems are plugged: its `dev` and `sys`, as the kernel would fill them.
//!
//! For: programs that find modems by what the system tells. Its lines are links to pseudo terminals, so plugging in under another
//! number is another link. Called by tests.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A USB device with serial lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stick {
    /// Where it is plugged in, such as `1-1.2`.
    pub socket: String,
    /// The maker's number, four hexadecimal digits.
    pub vendor_id: String,
    /// The product's number, four hexadecimal digits.
    pub product_id: String,
    /// Its serial number; many have none.
    pub serial: Option<String>,
    /// The driver of its lines.
    pub driver: String,
    /// Its lines: interface, name such as `ttyUSB2`, and the pseudo terminal behind it.
    pub lines: Vec<(u8, String, PathBuf)>,
}

impl Stick {
    /// Makes a Quectel EC25 in a socket: interface 2 is for AT commands, 0 for diagnostics, 1 for GPS, 3 for data.
    #[must_use]
    pub fn ec25(socket: &str) -> Self {
        Self {
            socket: socket.to_owned(),
            vendor_id: "2c7c".to_owned(),
            product_id: "0125".to_owned(),
            serial: None,
            driver: "option".to_owned(),
            lines: Vec::new(),
        }
    }

    /// Adds a line.
    #[must_use]
    pub fn with_line(mut self, interface: u8, name: &str, target: &Path) -> Self {
        self.lines.push((interface, name.to_owned(), target.to_owned()));
        self
    }
}

/// A machine below a directory.
#[derive(Debug)]
pub struct Machine {
    root: PathBuf,
    plugged: AtomicU32,
}

impl Machine {
    /// Makes `dev`, `sys` and `proc` of a machine without any line.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn below(root: &Path) -> io::Result<Self> {
        for folder in ["dev", "sys/class/tty", "proc"] {
            fs::create_dir_all(root.join(folder))?;
        }
        Ok(Self { root: root.to_owned(), plugged: AtomicU32::new(0) })
    }

    /// Returns the directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the path of a line.
    #[must_use]
    pub fn line(&self, name: &str) -> PathBuf {
        self.root.join("dev").join(name)
    }

    /// Plugs a stick in. Its lines are there when `sys` tells everything of them.
    ///
    /// # Errors
    /// The directory cannot be written, or a line of that name is there.
    pub fn plug(&self, stick: &Stick) -> io::Result<()> {
        let device = self.device(&stick.socket);
        fs::create_dir_all(&device)?;
        let number = self.plugged.fetch_add(1, Ordering::Relaxed) + 1;
        let write = |name: &str, text: &str| fs::write(device.join(name), format!("{text}\n"));
        write("idVendor", &stick.vendor_id)?;
        write("idProduct", &stick.product_id)?;
        write("devnum", &number.to_string())?;
        if let Some(serial) = &stick.serial {
            write("serial", serial)?;
        }
        for (interface, name, target) in &stick.lines {
            let folder = device.join(format!("{}:1.{interface}", stick.socket));
            let tty = folder.join(name).join("tty").join(name);
            fs::create_dir_all(&tty)?;
            fs::write(folder.join("bInterfaceNumber"), format!("{interface:02x}\n"))?;
            symlink(Path::new("../../../bus/usb/drivers").join(&stick.driver), folder.join("driver"))?;
            symlink(Path::new("../../../").join(name), tty.join("device"))?;
            symlink(&tty, self.class(name))?;
            symlink(target, self.line(name))?;
        }
        Ok(())
    }

    /// Pulls a stick out.
    ///
    /// # Errors
    /// There is none in that socket.
    pub fn unplug(&self, stick: &Stick) -> io::Result<()> {
        for (_, name, _) in &stick.lines {
            fs::remove_file(self.line(name))?;
            fs::remove_file(self.class(name))?;
        }
        fs::remove_dir_all(self.device(&stick.socket))
    }

    fn device(&self, socket: &str) -> PathBuf {
        self.root.join("sys/devices/usb1").join(socket)
    }

    fn class(&self, name: &str) -> PathBuf {
        self.root.join("sys/class/tty").join(name)
    }
}
