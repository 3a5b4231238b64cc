//! The certificate of the HTTPS listeners: the owner's from PEM files, or a self-signed one made at the first start.
//!
//! Called by `app`, which loads it, by whoever reloads it, and by `config` and the command line, which check it. It must never
//! print, log or repeat a private key, never replace a file that is there, and never leave a listener without a certificate: a
//! new pair comes into service whole or not at all.

mod certificates;
mod error;
mod pair;
mod self_signed;
mod summary;

use std::net::IpAddr;
use std::path::PathBuf;

pub(in crate::http) use certificates::HTTP2;
pub use certificates::{Certificates, Replacement};
pub use error::{Part, TlsError};
pub use pair::check;
pub use summary::{Summary, Validity};

/// Where the certificate and its private key come from. Built by `config`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TlsSettings {
    /// The owner's files; none means self-signed.
    pub files: Option<PemFiles>,
    /// Where the self-signed pair is kept.
    pub directory: PathBuf,
    /// The addresses of the listeners that are not wildcards: a self-signed certificate names them.
    pub addresses: Vec<IpAddr>,
}

/// A certificate with its chain and its private key, both in PEM form. The two may be one file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PemFiles {
    /// The certificate first, then the certificates of those who signed it.
    pub certificate: PathBuf,
    /// The private key: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub private_key: PathBuf,
}

/// What this machine is called, as far as it knows. Found by `app`, for a self-signed certificate.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MachineNames {
    /// The host name.
    pub host: Option<String>,
    /// Other names and addresses, as of now.
    pub others: Vec<String>,
}

impl TlsSettings {
    /// The files that are in use: the owner's, or those of the self-signed pair.
    #[must_use]
    pub fn paths(&self) -> PemFiles {
        self.files.clone().unwrap_or_else(|| PemFiles {
            certificate: self.directory.join("certificate.pem"),
            private_key: self.directory.join("private-key.pem"),
        })
    }
}
