//! What keeps a certificate from being served, in words for its owner.

use std::io;
use std::path::PathBuf;

/// Which of the two files is at fault, and with it the key of the settings.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Part {
    /// `tls.certificate`
    Certificate,
    /// `tls.private_key`
    PrivateKey,
}

/// Why a certificate cannot be served. Nothing here holds a byte of a private key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing, or may not be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Which of the two.
        part: Part,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file is far larger than a certificate or a key can be.
    #[error("{} is too large", path.display())]
    TooLarge {
        /// Which of the two.
        part: Part,
        /// The file.
        path: PathBuf,
    },
    /// Others may read the private key.
    #[error("{} is open to other users (mode {mode:o})", path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There is no certificate in the file.
    #[error("{} holds no certificate in PEM form", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A certificate in the file is damaged, or of a kind that no client takes.
    #[error("certificate {number} in {} cannot be used: {reason}", path.display())]
    BadCertificate {
        /// The file.
        path: PathBuf,
        /// Which one, counted from 1.
        number: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate of the key does not come first.
    #[error("{} holds the certificate of the private key in place {number}; it must come first", path.display())]
    OutOfOrder {
        /// The file.
        path: PathBuf,
        /// Where it stands, counted from 1.
        number: usize,
    },
    /// There is no private key in the file.
    #[error("{} holds no private key in PEM form", path.display())]
    NoPrivateKey {
        /// The file.
        path: PathBuf,
    },
    /// The private key is encrypted.
    #[error("the private key in {} is encrypted", path.display())]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// The private key is damaged or of a kind that is not known.
    #[error("the private key in {} cannot be used", path.display())]
    UnusableKey {
        /// The file.
        path: PathBuf,
    },
    /// Key and certificate do not belong together.
    #[error("the private key in {} does not belong to the certificate in {}", private_key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        private_key: PathBuf,
    },
    /// The self-signed certificate is there and its key is not.
    #[error("{} is missing, and its certificate is there", path.display())]
    KeyIsMissing {
        /// The key's file.
        path: PathBuf,
    },
    /// The self-signed pair could not be written.
    #[error("{} cannot be made", path.display())]
    NotMade {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The self-signed pair could not be computed.
    #[error("no self-signed certificate can be made: {0}")]
    NotSigned(String),
    /// The TLS library refuses to serve with it.
    #[error("TLS cannot be set up: {0}")]
    Refused(rustls::Error),
}

impl TlsError {
    /// Tells which file is at fault.
    #[must_use]
    pub fn part(&self) -> Part {
        match self {
            Self::Unreadable { part, .. } | Self::TooLarge { part, .. } => *part,
            Self::NoCertificate { .. }
            | Self::BadCertificate { .. }
            | Self::OutOfOrder { .. }
            | Self::NotMade { .. }
            | Self::NotSigned(_)
            | Self::Refused(_) => Part::Certificate,
            Self::OpenToOthers { .. }
            | Self::NoPrivateKey { .. }
            | Self::EncryptedKey { .. }
            | Self::UnusableKey { .. }
            | Self::Mismatch { .. }
            | Self::KeyIsMissing { .. } => Part::PrivateKey,
        }
    }

    /// Tells what the owner can do about it.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "check the path and who may read it",
            Self::TooLarge { .. } => "name the PEM file itself",
            Self::OpenToOthers { .. } => {
                "run chmod 600 on it; if others could have read it, make a new key and a new certificate"
            }
            Self::NoCertificate { .. } => {
                "write the certificate and its chain in PEM form (-----BEGIN CERTIFICATE-----)"
            }
            Self::BadCertificate { .. } => "get the file again from who issued the certificate",
            Self::OutOfOrder { .. } => "put the server's certificate first and its issuers behind it, in order",
            Self::NoPrivateKey { .. } => {
                "write the key in PEM form: PRIVATE KEY (PKCS#8), RSA PRIVATE KEY (PKCS#1) or EC PRIVATE KEY (SEC1)"
            }
            Self::EncryptedKey { .. } => {
                "decrypt it once: openssl pkey -in FILE -out NEW, with mode 0600; nobody is there to type its passphrase at a restart"
            }
            Self::UnusableKey { .. } => {
                "use an ECDSA key on P-256 or P-384, an RSA key of 2048 to 8192 bits, or an Ed25519 key"
            }
            Self::Mismatch { .. } => "name the certificate and the key that were made for each other",
            Self::KeyIsMissing { .. } => {
                "restore it from the backup, or remove the certificate too to have a new pair made"
            }
            Self::NotMade { .. } => "check the directory, who may write there and the room on the disk",
            Self::NotSigned(_) | Self::Refused(_) => "name a certificate and a key of your own",
        }
    }
}
