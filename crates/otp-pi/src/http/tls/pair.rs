//! A certificate and its private key, read from their files and checked against each other.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error as RustlsError, InconsistentKeys};
use zeroize::Zeroizing;

use super::error::{Part, TlsError};
use super::{PemFiles, Summary, TlsSettings};

/// No chain and no key is larger.
const LARGEST_FILE: u64 = 256 * 1024;

/// A pair that can be served.
pub(super) struct Pair {
    pub(super) key: CertifiedKey,
    pub(super) summary: Summary,
}

/// Reads the owner's files, or the self-signed pair where it is there already, and answers what a listener would serve.
/// Makes nothing.
///
/// # Errors
/// Why it cannot be served.
pub fn check(settings: &TlsSettings) -> Result<Option<Summary>, TlsError> {
    let files = settings.paths();
    if settings.files.is_none() && !files.certificate.exists() {
        // It is made at the start: for the key that is there, or with one.
        if files.private_key.exists() {
            read_private_key(&files.private_key)?;
        }
        return Ok(None);
    }
    read(&files, &rustls::crypto::ring::default_provider()).map(|pair| Some(pair.summary))
}

/// Reads both files.
pub(super) fn read(files: &PemFiles, provider: &CryptoProvider) -> Result<Pair, TlsError> {
    let chain = read_chain(&files.certificate)?;
    let leaf = chain.first().ok_or_else(|| TlsError::NoCertificate { path: files.certificate.clone() })?;
    let bad =
        |number: usize, reason: String| TlsError::BadCertificate { path: files.certificate.clone(), number, reason };
    let summary = Summary::read(files.certificate.clone(), leaf).map_err(|reason| bad(1, reason))?;
    for (certificate, number) in chain.iter().zip(1..).skip(1) {
        Summary::read(files.certificate.clone(), certificate).map_err(|reason| bad(number, reason))?;
    }

    let der = read_private_key(&files.private_key)?;
    let unusable = |_| TlsError::UnusableKey { path: files.private_key.clone() };
    let key = CertifiedKey::new(chain, provider.key_provider.load_private_key(der).map_err(unusable)?);
    match key.keys_match() {
        // A key that cannot tell its public half is taken at its word.
        Ok(()) | Err(RustlsError::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(Pair { key, summary }),
        Err(RustlsError::InconsistentKeys(_)) => Err(misplaced(files, &key)),
        Err(RustlsError::InvalidCertificate(reason)) => Err(bad(1, format!("{reason:?}"))),
        Err(other) => Err(bad(1, other.to_string())),
    }
}

/// Reads a private key, if nobody else can.
pub(super) fn read_private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read_file(Part::PrivateKey, path)?;
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        // An encrypted key is either of a kind of its own, or unreadable for the header before its bytes (RFC 1421).
        Err(_) if holds(&text, b"BEGIN ENCRYPTED PRIVATE KEY") || holds(&text, b"Proc-Type: 4,ENCRYPTED") => {
            Err(TlsError::EncryptedKey { path: path.to_owned() })
        }
        Err(pem::Error::NoItemsFound) => Err(TlsError::NoPrivateKey { path: path.to_owned() }),
        Err(_) => Err(TlsError::UnusableKey { path: path.to_owned() }),
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read_file(Part::Certificate, path)?;
    let read = |(certificate, number): (Result<CertificateDer<'static>, pem::Error>, usize)| {
        certificate.map_err(|error| TlsError::BadCertificate {
            path: path.to_owned(),
            number,
            reason: error.to_string(),
        })
    };
    CertificateDer::pem_slice_iter(&text).zip(1..).map(read).collect()
}

/// Names the certificate that the key belongs to, if it is in the file.
fn misplaced(files: &PemFiles, key: &CertifiedKey) -> TlsError {
    let belongs = |certificate: &CertificateDer<'static>| {
        CertifiedKey::new(vec![certificate.clone()], std::sync::Arc::clone(&key.key)).keys_match().is_ok()
    };
    match key.cert.iter().position(belongs) {
        Some(index) => TlsError::OutOfOrder { path: files.certificate.clone(), number: index + 1 },
        None => TlsError::Mismatch { certificate: files.certificate.clone(), private_key: files.private_key.clone() },
    }
}

fn read_file(part: Part, path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let unreadable = |source: io::Error| TlsError::Unreadable { part, path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if part == Part::PrivateKey {
        let mode = metadata.mode() & 0o777;
        if is_open(mode, metadata.uid(), rustix::process::geteuid().as_raw()) {
            return Err(TlsError::OpenToOthers { path: path.to_owned(), mode });
        }
    }
    let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len().min(LARGEST_FILE)).unwrap_or(0)));
    file.take(LARGEST_FILE + 1).read_to_end(&mut text).map_err(unreadable)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > LARGEST_FILE {
        return Err(TlsError::TooLarge { part, path: path.to_owned() });
    }
    Ok(text)
}

/// Whether a private key is open to others. As `sshd` has it, what is ours must be ours alone; a key that root keeps and lends
/// to us by our group is root's decision, but nobody may open it to everybody.
fn is_open(mode: u32, owner: u32, us: u32) -> bool {
    mode & 0o007 != 0 || (owner == us && mode & 0o070 != 0)
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_open_when_everybody_or_somebody_beside_its_owner_can_read_it() {
        for (mode, owner, open) in [
            (0o600, 7, false),
            (0o400, 7, false),
            (0o640, 7, true),
            (0o604, 7, true),
            (0o640, 0, false),
            (0o644, 0, true),
        ] {
            assert_eq!(is_open(mode, owner, 7), open, "{mode:o} of {owner}");
        }
    }
}
