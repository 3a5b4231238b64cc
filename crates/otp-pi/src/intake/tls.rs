//! TLS towards a broker: whom we trust there, and how we prove who we are.
//!
//! The server's certificate is always checked, its name too. Built by `config` from the PEM files; used by the brokers' files.

use std::sync::Arc;

use domain::secret::SecretText;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// What TLS to one server needs, as PEM texts.
#[derive(Clone, PartialEq)]
pub struct ClientTls {
    /// The authorities that are trusted; the machine's own where there is none.
    pub authorities: Option<String>,
    /// Our certificate with its chain, and its key, where the server asks for one.
    pub identity: Option<(String, SecretText)>,
    /// The name in the server's certificate, where it is not the host's.
    pub server_name: Option<String>,
}

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ClientTls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub enum ClientTlsError {
    /// No authority is trusted.
    #[error("there is no certificate of an authority in it")]
    NoAuthority,
    /// The machine trusts nobody.
    #[error("this machine has no authorities of its own")]
    NoAuthorities,
    /// It is no certificate.
    #[error("it has no certificate that can be read")]
    BadCertificate,
    /// It is no private key.
    #[error("it has no private key that can be read")]
    BadKey,
    /// The name is none.
    #[error("{0:?} is no name of a server")]
    BadName(String),
    /// Certificate and key do not go together, or the authorities cannot be used.
    #[error("they cannot be used")]
    Unusable(#[source] Error),
}

impl ClientTls {
    /// Makes what rustls needs.
    ///
    /// # Errors
    /// [`ClientTlsError`].
    pub fn config(&self) -> Result<Arc<ClientConfig>, ClientTlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(self.roots()?);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(ClientTlsError::Unusable)?;
        let builder = match self.server_name() {
            Some(name) => {
                let name = name?;
                let inner = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
                let inner = inner.map_err(|error| ClientTlsError::Unusable(Error::General(error.to_string())))?;
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Named { inner, name }))
            }
            None => builder.with_root_certificates(roots),
        };
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
                let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or(ClientTlsError::BadCertificate)?;
                let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| ClientTlsError::BadKey)?;
                builder.with_client_auth_cert(chain, key).map_err(ClientTlsError::Unusable)?
            }
        };
        Ok(Arc::new(config))
    }

    fn server_name(&self) -> Option<Result<ServerName<'static>, ClientTlsError>> {
        let name = self.server_name.clone()?;
        Some(ServerName::try_from(name.clone()).map_err(|_| ClientTlsError::BadName(name)))
    }

    fn roots(&self) -> Result<RootCertStore, ClientTlsError> {
        let mut roots = RootCertStore::empty();
        match &self.authorities {
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                    let certificate = certificate.map_err(|_| ClientTlsError::BadCertificate)?;
                    roots.add(certificate).map_err(ClientTlsError::Unusable)?;
                }
                if roots.is_empty() { Err(ClientTlsError::NoAuthority) } else { Ok(roots) }
            }
            None => {
                // What cannot be read among them is passed over, as every program does.
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if roots.is_empty() { Err(ClientTlsError::NoAuthorities) } else { Ok(roots) }
            }
        }
    }
}

/// Checks as rustls does, against another name than the one that was dialled.
#[derive(Debug)]
struct Named {
    inner: Arc<WebPkiServerVerifier>,
    name: ServerName<'static>,
}

impl ServerCertVerifier for Named {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _dialled: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.inner.verify_server_cert(certificate, chain, &self.name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
