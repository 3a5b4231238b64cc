//! What this machine is called: facts for its self-signed certificate.

use std::net::{IpAddr, UdpSocket};

use crate::http::tls::MachineNames;

/// The host name, under which multicast DNS knows it too, and the addresses that lead to the outside.
pub(super) fn names() -> MachineNames {
    let uname = rustix::system::uname();
    let host = uname.nodename().to_str().ok().filter(|name| is_host_name(name)).map(str::to_owned);
    let local = host.iter().filter(|name| !name.contains('.')).map(|name| format!("{name}.local"));
    let addresses = own_addresses().into_iter().map(|address| address.to_string());
    MachineNames { others: local.chain(addresses).collect(), host }
}

/// Letters, digits, hyphens and dots: what a certificate may name.
///
/// # Standard
/// RFC 1123 section 2.1.
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label) && name.parse::<IpAddr>().is_err()
}

/// The addresses that this machine would speak from: the kernel chooses them for a documentation address (RFC 5737, RFC 3849)
/// as for any other of the outside, and connecting a UDP socket sends nothing.
fn own_addresses() -> Vec<IpAddr> {
    let speak_from = |(own, other): (&str, &str)| {
        let socket = UdpSocket::bind(own).ok()?;
        socket.connect(other).ok()?;
        socket.local_addr().ok().map(|address| address.ip())
    };
    let wanted = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];
    wanted.into_iter().filter_map(speak_from).filter(|address| !address.is_unspecified()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_told_from_what_no_certificate_may_name() {
        for (name, expected) in [
            ("raspberrypi", true),
            ("otp-1.example.org", true),
            ("", false),
            ("(none)", false),
            ("my_pi", false),
            ("-pi", false),
            ("10.0.0.1", false),
            ("a..b", false),
        ] {
            assert_eq!(is_host_name(name), expected, "{name:?}");
        }
    }
}
