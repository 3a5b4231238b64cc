//! What the kernel tells of serial devices (`Documentation/ABI/stable/sysfs-class-tty`, `sysfs-bus-usb`).

use std::fs;
use std::path::{Path, PathBuf};

/// The longest text that is taken from a device; it comes from whatever was plugged in.
const LONGEST_TEXT: usize = 80;

/// One interface of a USB device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsbInterface {
    /// The maker's number, four hexadecimal digits.
    pub vendor_id: String,
    /// The product's number, four hexadecimal digits.
    pub product_id: String,
    /// The maker's name as the device gives it.
    pub manufacturer: Option<String>,
    /// The product's name as the device gives it.
    pub product: Option<String>,
    /// Its serial number; many have none, or all the same.
    pub serial: Option<String>,
    /// Which interface of the device this is.
    pub interface: Option<u8>,
    /// Which socket it is in, such as `1-1.2`: bus, then the way through the hubs.
    pub socket: String,
    /// The number that its bus gave it when it was plugged in; another one each time.
    pub number: Option<u32>,
}

/// What is known of one line.
#[derive(Debug, Default)]
pub(super) struct Described {
    pub(super) driver: Option<String>,
    pub(super) usb: Option<UsbInterface>,
    /// The kernel keeps a name for hardware that is not there, as for the four UARTs of a PC.
    pub(super) is_absent: bool,
}

/// Names of the lines that have hardware behind them.
pub(super) fn names(sys: &Path) -> Vec<String> {
    let entries = fs::read_dir(sys.join("class/tty")).into_iter().flatten().flatten();
    let with_hardware = entries.filter(|entry| entry.path().join("device").exists());
    with_hardware.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Names of the lines on which the system's console is.
pub(super) fn consoles(sys: &Path) -> Vec<String> {
    let active = fs::read_to_string(sys.join("class/tty/console/active")).unwrap_or_default();
    active.split_whitespace().map(str::to_owned).collect()
}

pub(super) fn describe(sys: &Path, name: &str) -> Described {
    let class = sys.join("class/tty").join(name);
    // 0 is the kernel's word for no UART (PORT_UNKNOWN).
    let is_absent = text(&class, "type").as_deref() == Some("0");
    let Ok(device) = fs::canonicalize(class.join("device")) else {
        return Described { is_absent, ..Described::default() };
    };
    let root = fs::canonicalize(sys).unwrap_or_else(|_| sys.to_owned());
    let above = || device.ancestors().take_while(|folder| folder.starts_with(&root));
    let interface = above().find(|folder| folder.join("bInterfaceNumber").exists());
    let usb = above().find(|folder| folder.join("idVendor").exists()).map(|folder| UsbInterface {
        vendor_id: text(folder, "idVendor").unwrap_or_default(),
        product_id: text(folder, "idProduct").unwrap_or_default(),
        manufacturer: text(folder, "manufacturer"),
        product: text(folder, "product"),
        serial: text(folder, "serial"),
        interface: interface
            .and_then(|folder| text(folder, "bInterfaceNumber"))
            .and_then(|number| u8::from_str_radix(&number, 16).ok()),
        socket: folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        number: text(folder, "devnum").and_then(|number| number.parse().ok()),
    });
    let driver = interface.and_then(driver).or_else(|| driver(&device));
    Described { driver, usb, is_absent }
}

/// The folder of the USB device that a line is of.
pub(super) fn usb_folder(sys: &Path, name: &str) -> Option<PathBuf> {
    let device = fs::canonicalize(sys.join("class/tty").join(name).join("device")).ok()?;
    let root = fs::canonicalize(sys).ok()?;
    let mut above = device.ancestors().take_while(|folder| folder.starts_with(&root));
    above.find(|folder| folder.join("idVendor").exists()).map(Path::to_owned)
}

fn driver(folder: &Path) -> Option<String> {
    fs::read_link(folder.join("driver")).ok()?.file_name()?.to_str().map(str::to_owned)
}

/// Reads one line of a file, without what could not be shown.
fn text(folder: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(folder.join(name)).ok()?;
    let shown: String = text.trim().chars().filter(|character| !character.is_control()).take(LONGEST_TEXT).collect();
    (!shown.is_empty()).then_some(shown)
}

/// Answers whether two devices give the same identity, so that a link by identity leads to one of them at random.
pub(super) fn are_alike(one: Option<&UsbInterface>, other: Option<&UsbInterface>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return false };
    let identity = |usb: &UsbInterface| {
        (usb.vendor_id.clone(), usb.product_id.clone(), usb.serial.clone(), usb.interface, usb.product.clone())
    };
    one.socket != other.socket && identity(one) == identity(other)
}
