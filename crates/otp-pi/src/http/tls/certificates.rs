//! The certificate in service, which can be changed while connections go on.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use domain::clock::Clock;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::sign::SingleCertAndKey;
use tracing::{info, warn};

use super::error::TlsError;
use super::{MachineNames, PemFiles, Summary, TlsSettings, pair, self_signed};

/// The protocols that are offered, the first before the second (RFC 7301 section 6).
pub(in crate::http) const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// The certificate in service. Cheap to clone; all clones change together.
#[derive(Clone)]
pub struct Certificates(Arc<Shared>);

struct Shared {
    machine: MachineNames,
    clock: Arc<dyn Clock>,
    served: RwLock<Served>,
}

#[derive(Clone)]
struct Served {
    config: Arc<ServerConfig>,
    summary: Summary,
}

/// A pair that was read and can be served.
pub struct Replacement(Served);

impl fmt::Debug for Replacement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Replacement").field(&self.0.summary).finish()
    }
}

impl Replacement {
    /// Tells about it.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.0.summary
    }
}

impl Certificates {
    /// Reads the pair, and makes the self-signed one if it is wanted and missing. Touches files: not for a worker of the runtime.
    /// `machine` is what a self-signed certificate is for.
    ///
    /// # Errors
    /// Why there is no certificate to serve.
    pub fn load(settings: &TlsSettings, machine: MachineNames, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        let served = RwLock::new(read(settings, &machine, clock.as_ref())?);
        Ok(Self(Arc::new(Shared { machine, clock, served })))
    }

    /// Reads a pair that may take over. Nothing has changed until [`Self::put_into_service`]. Touches files: not for a worker of
    /// the runtime.
    ///
    /// # Errors
    /// Why the new pair cannot be served.
    pub fn read(&self, settings: &TlsSettings) -> Result<Replacement, TlsError> {
        read(settings, &self.0.machine, self.0.clock.as_ref()).map(Replacement)
    }

    /// From then on new connections get the new certificate and resume no session of the old one; connections that are there go on.
    pub fn put_into_service(&self, Replacement(served): Replacement) {
        *self.0.served.write().unwrap_or_else(PoisonError::into_inner) = served;
    }

    /// Tells about the certificate in service.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.0.served.read().unwrap_or_else(PoisonError::into_inner).summary.clone()
    }

    /// What a new connection is served with.
    pub(in crate::http) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.served.read().unwrap_or_else(PoisonError::into_inner).config)
    }

    /// What a connection is served with that speaks HTTP/1.1 alone: a refusal, where a word is all it takes, or WebSocket.
    pub(in crate::http) fn for_http1(&self) -> Arc<ServerConfig> {
        let mut config = ServerConfig::clone(&self.current());
        config.alpn_protocols = vec![HTTP1.to_vec()];
        Arc::new(config)
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificates").field(&self.summary()).finish()
    }
}

fn read(settings: &TlsSettings, machine: &MachineNames, clock: &dyn Clock) -> Result<Served, TlsError> {
    let files = settings.paths();
    if settings.files.is_none() {
        self_signed::complete(&files, &names(settings, machine), clock)?;
    }
    let provider = Arc::new(ring::default_provider());
    let pair = pair::read(&files, &provider)?;
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(TlsError::Refused)?.with_no_client_auth();
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair.key)));
    config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
    // Tickets, so that a client that comes again costs no signature and no memory. Their keys go with the certificate.
    config.ticketer = ring::Ticketer::new().map_err(TlsError::Refused)?;
    tell(settings, &files, machine, &pair.summary, clock);
    Ok(Served { config: Arc::new(config), summary: pair.summary })
}

fn tell(settings: &TlsSettings, files: &PemFiles, machine: &MachineNames, summary: &Summary, clock: &dyn Clock) {
    info!(
        tls.certificate = %summary.path.display(),
        tls.fingerprint = summary.fingerprint,
        "the certificate is for {}, valid until {}",
        summary.names.join(", "),
        summary.last_day()
    );
    if let Some((what, fix)) = summary.date_warning(clock) {
        warn!("{what}; {fix}");
    }
    if settings.files.is_some() {
        return;
    }
    let missing: Vec<String> =
        expected(settings, machine).into_iter().filter(|name| !summary.names.contains(name)).collect();
    if !missing.is_empty() {
        // Never made anew by itself: clients may have pinned it.
        warn!(
            "the self-signed certificate does not name {}: clients that check names refuse it there; \
             to have a new one made for the same key, remove {} and restart or reload",
            missing.join(", "),
            files.certificate.display()
        );
    }
}

/// What a self-signed certificate must name to be of use: the host name and the addresses of the listeners. What else the
/// machine is called may change with every network that it joins.
fn expected(settings: &TlsSettings, machine: &MachineNames) -> Vec<String> {
    let addresses = settings.addresses.iter().map(ToString::to_string);
    machine.host.iter().cloned().chain(addresses).collect()
}

/// The names of a new self-signed certificate, each once: the machine's, loopback, the listeners'.
fn names(settings: &TlsSettings, machine: &MachineNames) -> Vec<String> {
    let loopback = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let listeners = settings.addresses.iter().map(ToString::to_string);
    let mut seen = BTreeSet::new();
    let all = machine.host.iter().chain(&machine.others).cloned().chain(loopback).chain(listeners);
    all.filter(|name| seen.insert(name.clone())).collect()
}
