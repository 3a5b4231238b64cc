use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use tempfile::TempDir;

use super::{Clash, Holder, Roots, clash, list};

/// A root directory made by hand.
struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for folder in ["dev", "sys/class/tty", "proc"] {
            fs::create_dir_all(tree.0.path().join(folder)).unwrap();
        }
        tree
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.0.path().join(path)
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn link(&self, path: &str, target: impl AsRef<Path>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    /// A line of a USB device in a socket.
    fn usb(&self, name: &str, socket: &str, interface: u8, device: &[(&str, &str)]) {
        let folder = format!("sys/devices/usb1/{socket}");
        for (file, text) in device {
            self.file(&format!("{folder}/{file}"), &format!("{text}\n"));
        }
        let interface_folder = format!("{folder}/{socket}:1.{interface}");
        self.file(&format!("{interface_folder}/bInterfaceNumber"), &format!("{interface:02x}\n"));
        self.link(&format!("{interface_folder}/driver"), "../../../bus/usb/drivers/option");
        fs::create_dir_all(self.path(&format!("{interface_folder}/{name}/tty/{name}"))).unwrap();
        self.link(&format!("{interface_folder}/{name}/tty/{name}/device"), format!("../../../{name}"));
        self.link(&format!("sys/class/tty/{name}"), self.path(&format!("{interface_folder}/{name}/tty/{name}")));
        self.file(&format!("dev/{name}"), "");
    }

    /// A UART of the machine.
    fn uart(&self, name: &str, kind: &str) {
        let folder = format!("sys/devices/platform/{name}");
        self.link(&format!("{folder}/driver"), "../../../bus/amba/drivers/uart-pl011");
        fs::create_dir_all(self.path(&format!("{folder}/tty/{name}"))).unwrap();
        self.file(&format!("{folder}/tty/{name}/type"), &format!("{kind}\n"));
        self.link(&format!("{folder}/tty/{name}/device"), "../..");
        self.link(&format!("sys/class/tty/{name}"), self.path(&format!("{folder}/tty/{name}")));
        self.file(&format!("dev/{name}"), "");
    }

    fn list(&self) -> Vec<super::FoundLine> {
        list(&Roots::below(self.0.path())).unwrap()
    }
}

const EC25: [(&str, &str); 5] = [
    ("idVendor", "2c7c"),
    ("idProduct", "0125"),
    ("manufacturer", "Quectel"),
    ("product", "EC25\u{1b}[31m"),
    ("serial", "0001"),
];
const CH340: [(&str, &str); 3] = [("idVendor", "1a86"), ("idProduct", "7523"), ("product", "USB Serial")];

#[test]
fn a_stick_is_told_with_its_interfaces_and_the_path_by_its_identity() {
    let tree = Tree::new();
    for (at, name) in ["ttyUSB0", "ttyUSB1", "ttyUSB2", "ttyUSB10"].iter().enumerate() {
        tree.usb(name, "1-1.2", u8::try_from(at).unwrap(), &EC25);
        tree.link(&format!("dev/serial/by-id/usb-Quectel_EC25_0001-if0{at}-port0"), format!("../../{name}"));
        tree.link(&format!("dev/serial/by-path/pci-0-usb-1.2:1.{at}-port0"), format!("../../{name}"));
    }
    let lines = tree.list();
    let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names, ["ttyUSB0", "ttyUSB1", "ttyUSB2", "ttyUSB10"]);
    let roles: Vec<Option<&str>> = lines.iter().map(super::FoundLine::role).collect();
    assert_eq!(roles, [Some("diagnostics"), Some("GPS"), Some("AT commands"), Some("AT commands, data")]);
    let line = &lines[2];
    assert_eq!(line.path, tree.path("dev/serial/by-id/usb-Quectel_EC25_0001-if02-port0"));
    assert_eq!(line.device, tree.path("dev/ttyUSB2"));
    assert_eq!(line.links.len(), 2);
    assert_eq!(line.driver.as_deref(), Some("option"));
    let usb = line.usb.as_ref().unwrap();
    assert_eq!((usb.vendor_id.as_str(), usb.product_id.as_str(), usb.interface), ("2c7c", "0125", Some(2)));
    assert_eq!((usb.socket.as_str(), usb.serial.as_deref()), ("1-1.2", Some("0001")));
    // What a device says of itself is shown without its control characters.
    assert_eq!(usb.product.as_deref(), Some("EC25[31m"));
    assert!(!line.is_console && line.holder.is_none());
}

#[test]
fn twins_without_a_serial_number_are_named_by_their_socket() {
    let tree = Tree::new();
    tree.usb("ttyUSB0", "1-1.1", 0, &CH340);
    tree.usb("ttyUSB1", "1-1.4", 0, &CH340);
    tree.link("dev/serial/by-id/usb-1a86_USB_Serial-if00-port0", "../../ttyUSB1");
    tree.link("dev/serial/by-path/pci-0-usb-1.1:1.0-port0", "../../ttyUSB0");
    tree.link("dev/serial/by-path/pci-0-usb-1.4:1.0-port0", "../../ttyUSB1");
    let lines = tree.list();
    assert_eq!(lines[0].path, tree.path("dev/serial/by-path/pci-0-usb-1.1:1.0-port0"));
    assert_eq!(lines[1].path, tree.path("dev/serial/by-path/pci-0-usb-1.4:1.0-port0"));
    assert_eq!(lines[1].role(), None);

    let alone = Tree::new();
    alone.usb("ttyUSB0", "1-1.1", 0, &CH340);
    alone.link("dev/serial/by-id/usb-1a86_USB_Serial-if00-port0", "../../ttyUSB0");
    assert_eq!(alone.list()[0].path, alone.path("dev/serial/by-id/usb-1a86_USB_Serial-if00-port0"));
}

#[test]
fn the_uarts_of_a_raspberry_pi_are_told_and_the_empty_ones_of_a_pc_are_not() {
    let tree = Tree::new();
    tree.uart("ttyAMA0", "32");
    tree.uart("ttyS0", "16");
    tree.uart("ttyS1", "0");
    tree.link("dev/serial0", "ttyS0");
    tree.link("dev/serial1", "ttyAMA0");
    tree.file("sys/class/tty/console/active", "tty1 ttyAMA0\n");
    // Without hardware: a virtual console, and a name that the kernel does not know.
    fs::create_dir_all(tree.path("sys/class/tty/tty1")).unwrap();
    tree.file("dev/tty1", "");
    tree.file("dev/ttyACM0", "");
    let lines = tree.list();
    let shown: Vec<(&str, &str, bool)> = lines
        .iter()
        .map(|line| {
            let path = line.path.strip_prefix(tree.path("dev")).unwrap();
            (line.name.as_str(), path.to_str().unwrap(), line.is_console)
        })
        .collect();
    assert_eq!(shown, [("ttyACM0", "ttyACM0", false), ("ttyAMA0", "serial1", true), ("ttyS0", "serial0", false)]);
    assert_eq!(lines[1].driver.as_deref(), Some("uart-pl011"));
    assert!(lines[1].usb.is_none() && lines[0].driver.is_none());
}

#[test]
fn who_has_a_line_is_read_from_its_lock_or_from_who_has_it_open() {
    let tree = Tree::new();
    for name in ["ttyUSB0", "ttyUSB1", "ttyUSB2"] {
        tree.file(&format!("dev/{name}"), "");
    }
    let metadata = fs::metadata(tree.path("dev/ttyUSB0")).unwrap();
    let (major, minor) = (rustix::fs::major(metadata.dev()), rustix::fs::minor(metadata.dev()));
    let inode = metadata.ino();
    let other = "1: POSIX  ADVISORY  WRITE 7 00:01:1 0 EOF\n";
    tree.file("proc/locks", &format!("{other}2: FLOCK  ADVISORY  WRITE 812 {major:02x}:{minor:02x}:{inode} 0 EOF\n"));
    tree.file("proc/812/comm", "otp-pi\n");
    tree.file("proc/4711/comm", "minicom\n");
    fs::create_dir_all(tree.path("proc/4711/fd")).unwrap();
    tree.link("proc/4711/fd/3", fs::canonicalize(tree.path("dev/ttyUSB1")).unwrap());
    tree.file("proc/self/comm", "no number");
    let holders: Vec<Option<Holder>> = tree.list().into_iter().map(|line| line.holder).collect();
    let holder = |process, program: &str| Some(Holder { process, program: program.to_owned() });
    assert_eq!(holders, [holder(812, "otp-pi"), holder(4711, "minicom"), None]);
}

#[test]
fn a_machine_without_any_line_has_an_empty_list_and_one_without_devices_is_an_error() {
    let tree = Tree::new();
    assert_eq!(tree.list(), []);
    assert!(list(&Roots::below(&tree.path("nowhere"))).is_err());
}

/// What udev's database says of a device by its number: made here, since a file stands for the device.
fn mark(tree: &Tree, number: &str, properties: &str) {
    tree.file(&format!("run/udev/data/c{number}"), &format!("I:1234\n{properties}\nG:systemd\n"));
}

/// A stick whose line ModemManager would take.
fn unmarked() -> Tree {
    let tree = Tree::new();
    tree.usb("ttyUSB2", "1-1", 2, &EC25);
    tree.file("sys/devices/usb1/1-1/dev", "189:4\n");
    tree.link("dev/serial/by-id/usb-EC25-if02", "../../ttyUSB2");
    tree.file("proc/812/comm", "ModemManager\n");
    mark(&tree, "0:0", "E:ID_MM_CANDIDATE=1");
    tree
}

fn clash_of(tree: &Tree, line: &str) -> Option<Clash> {
    clash(&Roots::below(tree.0.path()), &tree.path(line))
}

#[test]
fn modem_manager_may_take_a_line_that_no_mark_keeps_it_from() {
    // (number in the database, its properties, whether the line may be taken)
    for (number, properties, may_take) in [
        ("0:0", "E:ID_MM_CANDIDATE=1", true),
        ("0:0", "E:ID_MM_DEVICE_IGNORE=1", false),
        ("0:0", "E:ID_MM_PORT_IGNORE=1", false),
        ("0:0", "E:ID_MM_DEVICE_IGNORE=0", true),
        ("0:0", "E:ID_MM_DEVICE_IGNORED=1", true),
        ("189:4", "E:ID_MM_DEVICE_IGNORE=1", false),
        ("189:5", "E:ID_MM_DEVICE_IGNORE=1", true),
    ] {
        let tree = unmarked();
        mark(&tree, number, properties);
        let expected = may_take.then_some(Clash::MayTake);
        assert_eq!(clash_of(&tree, "dev/serial/by-id/usb-EC25-if02"), expected, "{number} {properties}");
    }
}

#[test]
fn without_modem_manager_or_without_udev_nothing_is_in_the_way() {
    let tree = unmarked();
    tree.file("proc/812/comm", "minicom\n");
    assert_eq!(clash_of(&tree, "dev/ttyUSB2"), None);
    let tree = unmarked();
    fs::remove_file(tree.path("run/udev/data/c0:0")).unwrap();
    assert_eq!(clash_of(&tree, "dev/ttyUSB2"), None, "udev does not know the line, so ModemManager does not either");
    assert_eq!(clash_of(&tree, "dev/ttyUSB9"), None, "no such line");
}

#[test]
fn who_has_the_line_is_told_before_who_may_take_it_and_a_mark_does_not_hide_it() {
    let tree = unmarked();
    mark(&tree, "0:0", "E:ID_MM_DEVICE_IGNORE=1");
    tree.link("proc/812/fd/9", fs::canonicalize(tree.path("dev/ttyUSB2")).unwrap());
    assert_eq!(clash_of(&tree, "dev/ttyUSB2"), Some(Clash::Holds { process: 812 }));
}

#[test]
fn a_uart_is_left_alone_by_modem_manager_unless_somebody_asked_it_to_look() {
    let tree = unmarked();
    tree.uart("ttyAMA0", "32");
    assert_eq!(clash_of(&tree, "dev/ttyAMA0"), None);
    mark(&tree, "0:0", "E:ID_MM_PLATFORM_DRIVER_PROBE=1");
    assert_eq!(clash_of(&tree, "dev/ttyAMA0"), Some(Clash::MayTake));
}
