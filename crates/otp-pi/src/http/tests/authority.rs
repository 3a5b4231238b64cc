//! Certificates for tests, with an authority of their own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use domain::clock::{Clock, Manual, WallTime};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;

use crate::http::tls::{Certificates, MachineNames, PemFiles, Summary, TlsError, TlsSettings};

/// The clock of the tests: 2026-11-21.
pub(super) fn clock() -> Arc<dyn Clock> {
    Arc::new(Manual::new(WallTime::from_unix_millis(1_795_219_200_000)))
}

/// A certificate authority.
pub(super) struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM form.
pub(super) struct Issued {
    pub(super) certificate: String,
    pub(super) key: String,
    pub(super) der: CertificateDer<'static>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let params = authority_params("root");
        Self { certificate: params.self_signed(&key).unwrap(), issuer: Issuer::new(params, key) }
    }

    /// An authority that this one vouches for.
    pub(super) fn intermediate(&self) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = authority_params("intermediate");
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A server's certificate, valid from the beginning of 2026 to that of the year `until`.
    pub(super) fn issue(&self, name: &str, until: i32) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2026.min(until - 1), 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued {
            certificate: pem("CERTIFICATE", certificate.der()),
            key: pem("PRIVATE KEY", &key.serialize_der()),
            der: certificate.der().clone(),
        }
    }

    pub(super) fn pem(&self) -> String {
        pem("CERTIFICATE", self.certificate.der())
    }

    /// A client that trusts this authority.
    pub(super) fn client(&self) -> ClientConfig {
        client_of(self.certificate.der().clone())
    }

    /// A client that trusts this authority and knows one version of TLS.
    pub(super) fn client_of_version(&self, version: &'static SupportedProtocolVersion) -> ClientConfig {
        client(self.certificate.der().clone(), &[version])
    }
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

/// A client that trusts this certificate.
pub(super) fn client_of(certificate: CertificateDer<'static>) -> ClientConfig {
    client(certificate, rustls::DEFAULT_VERSIONS)
}

fn client(certificate: CertificateDer<'static>, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    builder.with_root_certificates(roots).with_no_client_auth()
}

pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

/// A directory with a pair of files, and a self-signed pair if asked for.
pub(super) struct Files(pub(super) TempDir);

impl Files {
    pub(super) fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn with(certificate: &str, key: &str) -> Self {
        let files = Self::empty();
        files.write(certificate, key);
        files
    }

    pub(super) fn write(&self, certificate: &str, key: &str) {
        let PemFiles { certificate: certificate_path, private_key } = self.settings().files.unwrap();
        fs::write(certificate_path, certificate).unwrap();
        fs::write(&private_key, key).unwrap();
        fs::set_permissions(&private_key, fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Settings that name the files.
    pub(super) fn settings(&self) -> TlsSettings {
        let files =
            PemFiles { certificate: self.path().join("server.pem"), private_key: self.path().join("server.key") };
        TlsSettings { files: Some(files), ..self.self_signed() }
    }

    /// Settings that name none.
    pub(super) fn self_signed(&self) -> TlsSettings {
        TlsSettings { files: None, directory: self.path().join("tls"), addresses: vec!["192.0.2.7".parse().unwrap()] }
    }

    pub(super) fn load(&self, settings: &TlsSettings) -> Certificates {
        Certificates::load(settings, machine(), clock()).unwrap()
    }

    /// The self-signed certificate.
    pub(super) fn made(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.path().join("tls/certificate.pem")).unwrap()
    }
}

pub(super) fn machine() -> MachineNames {
    MachineNames {
        host: Some("gateway".to_owned()),
        others: vec!["gateway.local".to_owned(), "198.51.100.4".to_owned()],
    }
}

/// Reads a pair and puts it into service.
pub(super) fn reload(certificates: &Certificates, settings: &TlsSettings) -> Result<Summary, TlsError> {
    certificates.put_into_service(certificates.read(settings)?);
    Ok(certificates.summary())
}
