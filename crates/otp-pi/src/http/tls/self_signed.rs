//! The certificate of a gateway whose owner has none: made at the first start, kept ever after.
//!
//! For `certificates`. What is there is never replaced: clients may have pinned it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use domain::clock::{Clock, WallTime};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use zeroize::Zeroizing;

use super::error::TlsError;
use super::{PemFiles, pair};

/// Ten years, leap days included.
const LIFETIME: Duration = Duration::from_secs(3_653 * 86_400);

/// The last moment that a certificate can name: 9999-12-31, 23:59:59 (RFC 5280 section 4.1.2.5.2).
const END_OF_TIME: u64 = 253_402_300_799;

/// Makes what is missing of the pair: both, or the certificate alone where its owner has removed it to have new names in it.
pub(super) fn complete(files: &PemFiles, names: &[String], clock: &dyn Clock) -> Result<(), TlsError> {
    let (has_certificate, has_key) = (files.certificate.exists(), files.private_key.exists());
    if has_certificate {
        return if has_key { Ok(()) } else { Err(TlsError::KeyIsMissing { path: files.private_key.clone() }) };
    }
    let key = if has_key {
        let der = pair::read_private_key(&files.private_key)?;
        KeyPair::try_from(&der).map_err(|_| TlsError::UnusableKey { path: files.private_key.clone() })?
    } else {
        let key = KeyPair::generate().map_err(|error| TlsError::NotSigned(error.to_string()))?;
        let der = Zeroizing::new(key.serialize_der());
        // First the key: a crash between the two leaves a key, to which the next start makes a certificate.
        write(&files.private_key, &pem("PRIVATE KEY", &der), 0o600)?;
        key
    };
    let certificate = params(names, clock).and_then(|params| params.self_signed(&key));
    let certificate = certificate.map_err(|error| TlsError::NotSigned(error.to_string()))?;
    write(&files.certificate, &pem("CERTIFICATE", certificate.der()), 0o644)
}

fn params(names: &[String], clock: &dyn Clock) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, names.first().map_or("OTP-Pi", String::as_str));
    params.distinguished_name = subject;
    // Not an authority: whoever trusts it trusts this machine and nothing that it might sign.
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // Neither this machine's clock at its first start nor that of a small client is worth a refusal.
    params.not_before = date_time_ymd(1970, 1, 1);
    params.not_after = params.not_before + Duration::from_secs(last_second(clock));
    Ok(params)
}

/// Until when the certificate is valid: ten years from now. A machine without a clock battery may not know the time at its first
/// start; then until 2046, which leaves those ten years to whoever starts it within ten years of this release.
///
/// # Units
/// Seconds since the Unix epoch.
fn last_second(clock: &dyn Clock) -> u64 {
    const WITHOUT_CLOCK: u64 = 2_398_377_600;
    if !clock.is_synchronised() {
        return WITHOUT_CLOCK;
    }
    let now = clock.now().saturating_since(WallTime::from_unix_millis(0));
    now.saturating_add(LIFETIME).as_secs().min(END_OF_TIME)
}

/// Bytes in PEM form.
///
/// # Standard
/// RFC 7468 section 2.
fn pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    let text = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(der));
    let mut pem = Zeroizing::new(String::with_capacity(text.len() + text.len() / 64 + 2 * label.len() + 64));
    *pem += &format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    *pem += &format!("-----END {label}-----\n");
    pem
}

/// Writes a file durably: aside, then renamed into place, so that a crash leaves either no file or a whole one.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), TlsError> {
    let not_made = |source: io::Error| TlsError::NotMade { path: path.to_owned(), source };
    let directory = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(not_made)?;
    let aside = path.with_extension("pem.new");
    match std::fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(not_made(error)),
        Ok(()) | Err(_) => {}
    }
    let mut out = OpenOptions::new().write(true).create_new(true).mode(mode).open(&aside).map_err(not_made)?;
    out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).map_err(not_made)?;
    std::fs::rename(&aside, path).map_err(not_made)?;
    for folder in [Some(directory), directory.parent()].into_iter().flatten() {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(not_made)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use domain::clock::Manual;

    use super::*;

    /// A clock that nobody has set.
    struct Unset;

    impl Clock for Unset {
        fn now(&self) -> WallTime {
            WallTime::from_unix_millis(946_684_800_000)
        }

        fn is_synchronised(&self) -> bool {
            false
        }
    }

    #[test]
    fn it_is_valid_for_ten_years_and_without_a_clock_until_2046() {
        let set = |millis| last_second(&Manual::new(WallTime::from_unix_millis(millis)));
        assert_eq!(set(1_795_219_200_000), 2_110_838_400, "2026-11-21 → 2036-11-21");
        assert_eq!(last_second(&Unset), 2_398_377_600);
        assert_eq!(set(i64::MAX), END_OF_TIME);
    }
}
