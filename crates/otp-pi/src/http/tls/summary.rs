//! What a certificate says about itself, for logs, `doctor` and pages.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use domain::clock::{Clock, WallTime};
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_cert::Certificate;
use x509_cert::der::{DateTime, Decode as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// What is to be known about the certificate in service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Summary {
    /// The file that it came from.
    pub path: PathBuf,
    /// The DNS names and addresses that it is for, in its own order.
    pub names: Vec<String>,
    /// From when clients take it.
    pub not_before: WallTime,
    /// Until when clients take it.
    pub not_after: WallTime,
    /// SHA-256 over the certificate, as `openssl x509 -fingerprint -sha256` writes it.
    pub fingerprint: String,
    /// Whether nobody else vouches for it.
    pub is_self_signed: bool,
}

/// Whether clients take a certificate for its dates.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Validity {
    /// They do.
    Valid,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYet,
}

impl Summary {
    /// Reads a certificate; answers what is wrong when it cannot be read.
    pub(super) fn read(path: PathBuf, der: &CertificateDer<'_>) -> Result<Self, String> {
        let certificate = Certificate::from_der(der).map_err(|error| error.to_string())?;
        let facts = certificate.tbs_certificate();
        let wall_time = |since: Duration| WallTime::from_unix_millis(0).saturating_add(since);
        Ok(Self {
            path,
            names: names(&certificate),
            not_before: wall_time(facts.validity().not_before.to_unix_duration()),
            not_after: wall_time(facts.validity().not_after.to_unix_duration()),
            fingerprint: fingerprint(der),
            is_self_signed: facts.issuer() == facts.subject(),
        })
    }

    /// Whether clients take it now. A clock that nobody has set cannot tell that a certificate is not valid yet.
    #[must_use]
    pub fn validity(&self, clock: &dyn Clock) -> Validity {
        let now = clock.now();
        if now > self.not_after {
            Validity::Expired
        } else if now < self.not_before && clock.is_synchronised() {
            Validity::NotYet
        } else {
            Validity::Valid
        }
    }

    /// The last day on which clients take it, as people write it: `2036-11-21`.
    #[must_use]
    pub fn last_day(&self) -> String {
        date(self.not_after)
    }

    /// What is to be told about its dates, and the fix.
    #[must_use]
    pub fn date_warning(&self, clock: &dyn Clock) -> Option<(String, &'static str)> {
        match self.validity(clock) {
            Validity::Valid => None,
            Validity::Expired => Some((
                format!("the certificate in {} expired on {}", self.path.display(), date(self.not_after)),
                "clients refuse it: renew it and reload",
            )),
            Validity::NotYet => Some((
                format!("the certificate in {} is not valid before {}", self.path.display(), date(self.not_before)),
                "clients refuse it until then: check the clock of this machine and the certificate",
            )),
        }
    }
}

/// One line: where from, for whom, until when, which.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_self_signed { "self-signed" } else { "issued" };
        write!(
            f,
            "{} ({kind}) for {}, valid until {}, SHA-256 {}",
            self.path.display(),
            self.names.join(", "),
            self.last_day(),
            self.fingerprint
        )
    }
}

/// The subject's alternative names; a certificate without any has but its common name, which clients of today overlook.
///
/// # Standard
/// RFC 5280 section 4.2.1.6; RFC 9525 section 2.
fn names(certificate: &Certificate) -> Vec<String> {
    let facts = certificate.tbs_certificate();
    let alternatives = facts.get_extension::<SubjectAltName>().ok().flatten();
    let Some((_, SubjectAltName(alternatives))) = alternatives else {
        let common = facts.subject().common_name().ok().flatten();
        return common.map(|name| name.value().into_owned()).into_iter().collect();
    };
    let name = |alternative: &GeneralName| match alternative {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(octets) => address(octets.as_bytes()).map(|address| address.to_string()),
        _ => None,
    };
    alternatives.iter().filter_map(name).collect()
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

fn fingerprint(der: &[u8]) -> String {
    let pairs: Vec<String> = Sha256::digest(der).iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// A day as people write it: `2036-11-21`.
fn date(time: WallTime) -> String {
    let since = time.saturating_since(WallTime::from_unix_millis(0));
    DateTime::from_unix_duration(since).map_or_else(
        |_| "the end of time".to_owned(),
        |day| format!("{:04}-{:02}-{:02}", day.year(), day.month(), day.day()),
    )
}
