//! `[tls]`, and the listen addresses of all listeners.

use std::net::SocketAddr;

use super::file::File;
use super::resolve::Found;
use super::{Problem, error_chain};
use crate::http::tls::{self, Part, PemFiles, TlsSettings};

/// Reads the section. The files are looked at when a listener needs them, and only then.
pub(super) fn read(file: &File, found: &mut Found) -> TlsSettings {
    let section = &file.tls;
    let listeners = &file.api.https_listen.0;
    let is_named = |path: &std::path::Path| !path.as_os_str().is_empty();
    let files = match (is_named(&section.certificate), is_named(&section.private_key)) {
        (true, true) => {
            Some(PemFiles { certificate: section.certificate.clone(), private_key: section.private_key.clone() })
        }
        (false, false) => None,
        (has_certificate, _) => {
            let key = if has_certificate { "tls.private_key" } else { "tls.certificate" };
            found.problem(
                key,
                "it is missing beside the other",
                "name both files, or neither for a self-signed certificate",
            );
            None
        }
    };
    let addresses = listeners.iter().map(SocketAddr::ip).filter(|address| !address.is_unspecified()).collect();
    let settings = TlsSettings { files, directory: file.tls_directory(), addresses };
    if !listeners.is_empty() {
        found.take(tls::check(&settings).map_err(|error| {
            let key = match error.part() {
                Part::Certificate => "tls.certificate",
                Part::PrivateKey => "tls.private_key",
            };
            Problem::new(key, error_chain(&error), error.fix())
        }));
    }
    settings
}

/// No two listeners may want the same address.
pub(super) fn check_listeners(file: &File, found: &mut Found) {
    let all = [("api.http_listen", &file.api.http_listen), ("api.https_listen", &file.api.https_listen)];
    let mut taken: Vec<(&str, SocketAddr)> = Vec::new();
    for (key, listen) in all {
        for address in &listen.0 {
            if let Some((other_key, other)) = taken.iter().find(|(_, other)| collide(*other, *address)) {
                found.problem(
                    key,
                    format!("{address} is taken: {other_key} has {other}"),
                    "give each listener an address and port of its own",
                );
            }
            taken.push((key, *address));
        }
    }
}

/// Whether two listeners are in each other's way. A wildcard takes every address of its family, and that of IPv6 takes IPv4's too.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let takes = |wildcard: SocketAddr, other: SocketAddr| {
        wildcard.ip().is_unspecified() && (wildcard.is_ipv6() || other.is_ipv4())
    };
    // Port 0 is any free one.
    one.port() == other.port() && one.port() != 0 && (one.ip() == other.ip() || takes(one, other) || takes(other, one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_takes_every_address_of_its_port() {
        for (one, other, expected) in [
            ("127.0.0.1:443", "127.0.0.1:443", true),
            ("127.0.0.1:443", "127.0.0.1:444", false),
            ("127.0.0.1:443", "127.0.0.2:443", false),
            ("0.0.0.0:443", "127.0.0.1:443", true),
            ("127.0.0.1:443", "0.0.0.0:443", true),
            ("0.0.0.0:443", "[::1]:443", false),
            ("[::]:443", "127.0.0.1:443", true),
            ("[::]:443", "0.0.0.0:443", true),
            ("127.0.0.1:0", "127.0.0.1:0", false),
        ] {
            assert_eq!(collide(one.parse().unwrap(), other.parse().unwrap()), expected, "{one} {other}");
        }
    }
}
