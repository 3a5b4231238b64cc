//! What the interfaces of common modems are for: the makers' fixed orders.

use super::UsbInterface;

const AT: &str = "AT commands";
const AT_DATA: &str = "AT commands, data";
const DIAGNOSTICS: &str = "diagnostics";
const GPS: &str = "GPS";

/// Vendor, products, and the roles of interfaces.
type Row = (&'static str, &'static [&'static str], &'static [(u8, &'static str)]);

const ROLES: [Row; 5] = [
    ("1e0e", &["9001"], &[(0, DIAGNOSTICS), (1, GPS), (2, AT), (3, AT_DATA)]),
    ("1e0e", &["9205", "9206"], &[(0, DIAGNOSTICS), (1, GPS), (2, AT)]),
    ("1e0e", &["9011"], &[(4, AT), (5, AT_DATA)]),
    (
        "2c7c",
        &["0121", "0125", "0296", "0306", "0512", "0800", "0801"],
        &[(0, DIAGNOSTICS), (1, GPS), (2, AT), (3, AT_DATA)],
    ),
    ("2c7c", &["0128"], &[(3, DIAGNOSTICS), (4, GPS), (5, AT)]),
];

/// Says what an interface is for; `None` if its maker's order is not known.
pub(super) fn role(usb: &UsbInterface) -> Option<&'static str> {
    let interface = usb.interface?;
    let (_, _, roles) = ROLES
        .iter()
        .find(|(vendor, products, _)| *vendor == usb.vendor_id && products.contains(&usb.product_id.as_str()))?;
    roles.iter().find(|(number, _)| *number == interface).map(|(_, role)| *role)
}
